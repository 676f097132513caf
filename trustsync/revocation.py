"""Revocation as the verifier asks for it: looked up in mapped segments, never loaded.

The rules this module keeps:

* Opening maps files and reads nothing: eighty million entries cost the time of one system call.
* An entry is held when any part of its segment holds it, the base or a delta; of instants the latest counts.
* A part that is missing on this unit is a gap for its scope. "Not found" is then no answer, neither for what
  revokes nor for what lets in (``HashKind.ALLOWED``).

    revocation = open_revocation(records, lambda path: directory / path, expires=instant)
    revocation.holds(kid, HashKind.UCI, digest)
    revocation.gap(kid, now)                     # None, or why the answer cannot be relied on
"""

from __future__ import annotations

import mmap
import resource
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from trustsync.errors import StoreError
from trustsync.segments import SegmentRecord, segment_before, segment_holds
from verifier.trust import HashKind

# Below this a segment is held in memory: a mapping costs a file descriptor, and there may be thousands.
_MAP_FROM = 64 << 10
_OTHER_FILES = 256  # descriptors that are left to everything else in the process

_NONE: frozenset[HashKind] = frozenset()
_RID_BEFORE = HashKind.RID_BEFORE  # looking it up in the enum takes a twentieth of a look-up

Part = tuple[bytes | memoryview, int]  # entries, and the width of each in bytes


class MappedRevocation:
    """Revocation over sorted segments; implements :class:`verifier.trust.Revocation`.

    segments: the parts of each, in any order. expires: of the signed list. missing: scopes of which a part
    is not on this unit.
    """

    def __init__(
        self,
        segments: Mapping[tuple[bytes, HashKind], tuple[Part, ...]],
        expires: datetime,
        missing: frozenset[bytes],
    ) -> None:
        self._segments = segments
        self._expires = expires
        self._missing = missing
        kinds: dict[bytes, set[HashKind]] = {}
        for scope, kind in segments:
            kinds.setdefault(scope, set()).add(kind)
        self._kinds = {scope: frozenset(those) for scope, those in kinds.items()}

    def kinds(self, scope: bytes) -> frozenset[HashKind]:
        """Of which kinds entries are listed for ``scope``."""
        return self._kinds.get(scope, _NONE)

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Whether ``digest`` is listed for ``scope``; for ``RID_BEFORE``, with whatever instant."""
        parts = self._segments.get((scope, kind))
        if parts is None:
            return False
        if kind is _RID_BEFORE:
            return self.before(scope, digest) is not None
        for data, width in parts:  # noqa: SIM110 - a generator for one segment takes longer than to look
            if segment_holds(data, width, digest):
                return True
        return False

    def before(self, scope: bytes, digest: bytes) -> datetime | None:
        """Documents issued before this instant are revoked; ``None`` when none is listed."""
        parts = self._segments.get((scope, HashKind.RID_BEFORE), ())
        instants = (segment_before(data, digest) for data, _ in parts)
        return max((instant for instant in instants if instant is not None), default=None)

    def gap(self, scope: bytes, now: datetime | None) -> str | None:
        """Why the answer for ``scope`` cannot be relied on at ``now``."""
        if now is not None and now >= self._expires:
            return f"the revocation list was valid until {self._expires:%Y-%m-%d %H:%M} UTC"
        if scope in self._missing:
            return "a part of the revocation list is missing on this unit"
        return None


def open_revocation(
    records: Iterable[SegmentRecord], file_of: Callable[[str], Path], *, expires: datetime
) -> MappedRevocation:
    """The revocation that these records describe, mapped.

    file_of: where a target lies. Raises StoreError when a file is there and cannot be mapped.
    """
    listed = tuple(records)
    # Twice: while a new generation is opened the one before it is still in use.
    _raise_limit(2 * sum(_is_mapped(record) for record in listed) + _OTHER_FILES)
    segments: dict[tuple[bytes, HashKind], tuple[Part, ...]] = {}
    missing = set()
    for record in listed:
        try:
            part = (_mapped(file_of(record.path), record), record.width)
        except FileNotFoundError:
            missing.add(record.scope)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{record.path} cannot be mapped: {error}; revocation could not be looked up. Sync anew, or "
                "raise the number of open files"
            ) from error
        else:
            segments[record.scope, record.kind] = (*segments.get((record.scope, record.kind), ()), part)
    return MappedRevocation(MappingProxyType(segments), expires, frozenset(missing))


def _is_mapped(record: SegmentRecord) -> bool:
    return record.count * record.width >= _MAP_FROM


def _mapped(file: Path, record: SegmentRecord) -> bytes | memoryview:
    with file.open("rb") as opened:
        if not _is_mapped(record):
            return opened.read()
        entries = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        # A lookup needs a few pages anywhere; reading ahead would fetch a hundred kilobytes for each of them.
        entries.madvise(mmap.MADV_RANDOM)
        return memoryview(entries)


def _raise_limit(files: int) -> None:
    """Ask for so many file descriptors, as far as the hard limit goes; the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
