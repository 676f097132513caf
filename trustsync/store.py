"""The reader of the trust store: what the verifier's process sees of it.

The rules this module keeps:

* Read-only. No lock, no network, and no file is kept open that a writer would have to wait for.
* The generation in force is held against its digest when it is opened; a flipped bit is a StoreError.
* A new generation is noticed without a restart; looking costs two ``stat`` calls while nothing changed.
* A missing segment is a gap in revocation, not the end of the list; see :class:`MappedRevocation`.

    store = open_store(trust_dir())
    snapshot = store.current()
    snapshot.trust.candidates(kid), snapshot.bundles, snapshot.floor
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from trustsync import generation
from trustsync.errors import NoListError, StoreError
from trustsync.generation import FileIdentity, TargetSet
from trustsync.state import STATE_NAME, StoreState, read_state, state_signature
from trustsync.targets import SegmentRecord, segment_before, segment_holds
from verifier.policy.bundle import RuleBundle
from verifier.trust import HashKind, TrustList

# A file's time of change is coarse (4 ms and more): one this young may change again and look the same.
_SETTLED_NS = 1_000_000_000
# Below this a segment is held in memory: a mapping costs a file descriptor, and there may be thousands.
_MAP_FROM = 64 << 10
_ATTEMPTS = 3  # the generation may be switched, and the one before removed, while it is being opened


@dataclass(frozen=True, slots=True)
class TrustSnapshot:
    """Everything that one moment's verifications need; it does not change.

    signed_at: of the list in force. floor: it is at least this late. sets: what each role published.
    """

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    signed_at: datetime
    floor: datetime
    generation: int
    sets: Mapping[str, TargetSet]


class MappedRevocation:
    """Revocation over sorted segments; implements :class:`verifier.trust.Revocation`."""

    def __init__(
        self,
        segments: Mapping[tuple[bytes, HashKind], tuple[bytes | memoryview, int]],
        expires: datetime,
        missing: frozenset[bytes],
    ) -> None:
        self._segments = segments
        self._expires = expires
        self._missing = missing

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Whether ``digest`` is listed for ``scope``; for ``RID_BEFORE``, with whatever instant."""
        if kind is HashKind.RID_BEFORE:
            return self.before(scope, digest) is not None
        segment = self._segments.get((scope, kind))
        return segment is not None and segment_holds(*segment, digest)

    def before(self, scope: bytes, digest: bytes) -> datetime | None:
        """Documents issued before this instant are revoked; ``None`` when none is listed."""
        segment = self._segments.get((scope, HashKind.RID_BEFORE))
        return None if segment is None else segment_before(segment[0], digest)

    def gap(self, scope: bytes, now: datetime | None) -> str | None:
        """Why the answer for ``scope`` cannot be relied on at ``now``."""
        if now is not None and now >= self._expires:
            return f"the revocation list was valid until {self._expires:%Y-%m-%d %H:%M} UTC"
        if scope in self._missing:
            return "a part of the revocation list is missing on this unit"
        return None


class TrustStore:
    """An open store. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state_path = path / STATE_NAME
        self._lock = threading.Lock()
        self._signature: object = None
        self._settled = False
        self._state: StoreState | None = None
        self._snapshot: TrustSnapshot | None = None
        self._seen: Mapping[FileIdentity, str] = {}

    def current(self) -> TrustSnapshot:
        """The list in force now.

        Raises NoListError when none was ever installed, StoreError when it is damaged.
        """
        with self._lock:
            signature = state_signature(self._state_path)
            if self._snapshot is not None and self._settled and signature == self._signature:
                return self._snapshot
            snapshot = self._look()
            self._signature = signature
            newest = max(changed for _, _, changed in signature)
            self._settled = newest < time.time_ns() - _SETTLED_NS
            return snapshot

    def close(self) -> None:
        """Let go of the list. Snapshots that were handed out stay usable."""
        with self._lock:
            self._snapshot = self._state = None
            self._seen = {}

    def _look(self) -> TrustSnapshot:
        state = self._read()
        for attempt in range(_ATTEMPTS):
            if self._snapshot is not None and state == self._state:
                return self._snapshot
            try:
                snapshot = self._load(state)
            except StoreError:
                again = self._read()
                if again.active == state.active or attempt == _ATTEMPTS - 1:
                    self._snapshot = None
                    raise
                state = again
                continue
            self._state, self._snapshot = state, snapshot
            return snapshot
        raise AssertionError("the last attempt returns or raises")

    def _read(self) -> StoreState:
        state = read_state(self._state_path)
        if state is None or state.active is None:
            self._snapshot = None
            raise NoListError(
                f"no trust list was ever installed in {self._path}; nothing can be verified. "
                "Run: vaxgate-sync once"
            )
        return state

    def _load(self, state: StoreState) -> TrustSnapshot:
        held = self._snapshot
        if held is not None and self._state is not None and state.digest == self._state.digest:
            # The same content, confirmed at a later instant.
            signed_at, floor = _instants(state)
            return replace(
                held, trust=replace(held.trust, signed_at=signed_at), signed_at=signed_at, floor=floor
            )
        snapshot, self._seen = load_snapshot(self._path, state, known=self._seen)
        return snapshot


def open_store(path: Path) -> TrustStore:
    """The store in this directory. Nothing is read before :meth:`TrustStore.current` is asked."""
    return TrustStore(path)


def load_snapshot(
    store: Path, state: StoreState, *, known: Mapping[FileIdentity, str] = MappingProxyType({})
) -> tuple[TrustSnapshot, Mapping[FileIdentity, str]]:
    """The snapshot that ``state`` describes, every byte of it held against the digest.

    known: files hashed earlier in this process. The second result is what was hashed now. Raises StoreError.
    """
    signed_at, floor = _instants(state)
    if state.active is None or state.digest is None:
        raise StoreError(f"{store}: no generation is in force")
    directory = generation.directory_of(store, state.active)
    inspection = generation.inspect(directory, state.digest, known=known)
    segment_prefix = f"{generation.TARGETS}/revocation/"
    for name, fault in inspection.faults.items():
        if not (fault == "missing" and name.startswith(segment_prefix) and name.endswith(".seg")):
            raise StoreError(
                f"{directory / name} is {fault}; the list in force is not what was put there and cannot be "
                "vouched for. Run a sync: it fetches what is damaged"
            )
    content = generation.load(directory)
    revocation = _revocation(directory, content)
    trust = TrustList.of(
        content.keys,
        authorities=content.authorities,
        test_kids=content.test_kids,
        signed_at=signed_at,
        revocation=revocation,
        source="signed trust list",
        generation=state.active,
    )
    snapshot = TrustSnapshot(trust, content.bundles, signed_at, floor, state.active, content.sets)
    return snapshot, inspection.seen


def _revocation(directory: Path, content: generation.Content) -> MappedRevocation:
    segments: dict[tuple[bytes, HashKind], tuple[bytes | memoryview, int]] = {}
    missing = set()
    for record in content.segments:
        try:
            segments[record.scope, record.kind] = (_mapped(directory, record), record.width)
        except FileNotFoundError:
            missing.add(record.scope)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{record.path} cannot be mapped: {error}; revocation could not be looked up. Sync anew, or "
                "raise the number of open files"
            ) from error
    return MappedRevocation(
        MappingProxyType(segments), content.sets["revocation"].expires, frozenset(missing)
    )


def _mapped(directory: Path, record: SegmentRecord) -> bytes | memoryview:
    with generation.target_file(directory, record.path).open("rb") as file:
        if record.count * record.width < _MAP_FROM:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _instants(state: StoreState) -> tuple[datetime, datetime]:
    if state.signed_at is None or state.floor is None:
        raise StoreError("the state says that a list is in force and not when it was signed. Sync anew")
    return state.signed_at, state.floor
