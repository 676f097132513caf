"""What a night writes: for each segment a new base, one more delta, or nothing.

A unit fetches only the files that it does not have. So a publisher leaves what stands and adds a small file
beside it, until there are many, or they weigh as much as a good part of what stands.

The rules this module keeps:

* A delta holds what was added and nothing else. Entries that were taken back need a new base: no file says
  "no longer", since a unit without that file would believe the one that says "revoked".
* The same entries over the same published files give the same bytes.
* Millions of entries are worked on as packed bytes, a few thousand as objects at a time.

    wanted = grouped([(kid, HashKind.UCI, digest), ...])
    planned = plan_segments(held, wanted)      # held: what is published now, record by record
    files = revocation_targets(planned)        # path to bytes, the index among them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trustsync.canonical import TargetError
from trustsync.layout import REVOCATION_INDEX_PATH
from trustsync.segments import (
    MAX_PARTS,
    SEGMENT_WIDTH,
    SegmentRecord,
    by_segment,
    check_segment,
    describe,
    encode_index,
    entries_of,
    entry_width,
    position,
    segment_holds,
    sorted_entries,
)
from verifier.trust import HashKind

# A new base is written where deltas would come to more than the fourth part of the old one: a unit that was
# away then fetches little more than one that was not.
_OUTWEIGHS = 4
_BLOCK = 4096  # entries that are compared at a time, as long as they are the same
_FEW = 64  # entries that are compared one by one where they are not
_OUTNUMBERS = 16  # among this many times as many it is quicker to look each up than to take all of them apart


def grouped(entries: Iterable[tuple[bytes, HashKind, bytes]]) -> dict[tuple[bytes, HashKind], bytes]:
    """Entries in any order (scope, kind, digest) as one segment for each scope and kind.

    digest: of ``RID_BEFORE`` the whole entry, as :func:`trustsync.segments.encode_timed_segment` writes it.
    Raises TargetError for one that is too short. Ten million entries need memory for little more than their
    bytes.
    """
    unsorted: dict[tuple[bytes, HashKind], bytearray] = {}
    name: tuple[bytes, HashKind] | None = None
    for scope, kind, digest in entries:
        # Most entries stand behind others of their segment, and finding it takes longer than adding one.
        if name is None or kind is not name[1] or scope != name[0]:
            name = (scope, kind)
            heap, width = unsorted.setdefault(name, bytearray()), entry_width(kind)
        if len(digest) < width:
            raise TargetError(f"a digest of {len(digest)} bytes; an entry of kind {kind.name} takes {width}")
        heap += digest[:width]
    return {name: sorted_entries(unsorted[name], entry_width(name[1])) for name in sorted(unsorted)}


def plan_segments(
    held: Mapping[SegmentRecord, bytes], wanted: Mapping[tuple[bytes, HashKind], bytes]
) -> dict[SegmentRecord, bytes]:
    """The segments to publish so that they hold ``wanted`` and units fetch as little as can be.

    held: what is published now, every part with its bytes. wanted: segments by scope and kind; what is not
    named, or empty, is published no more. A segment is kept where nothing changed and gets one more delta
    where entries were only added. It gets a new base where some were taken away, where it has ``MAX_PARTS``
    deltas, and where deltas would come to more than a quarter of the base.

    Raises TargetError when wanted entries are not in order.
    """
    standing = by_segment(held)
    planned: dict[SegmentRecord, bytes] = {}
    for (scope, kind), entries in sorted(wanted.items()):
        if not entries:
            continue
        parts = standing.get((scope, kind), [])
        base = describe(scope, kind, entries)
        check_segment(entries, base)
        delta = _delta(parts, held, entries, base.width)
        if delta is None:
            planned[base] = entries
            continue
        planned |= {record: held[record] for record in parts}
        if delta:
            planned[describe(scope, kind, delta, len(parts))] = delta
    return planned


def _delta(
    parts: list[SegmentRecord], held: Mapping[SegmentRecord, bytes], entries: bytes, width: int
) -> bytes | None:
    """What the parts lack of these entries; ``None`` where a new base is due."""
    if not parts or parts[0].width != width:
        return None
    added = entries
    for record in parts:
        added = difference(added, held[record], width)
    # Parts have no entry in common: when they hold as many as are wanted and known, they hold none too many.
    if sum(record.count for record in parts) * width != len(entries) - len(added):
        return None
    if not added:
        return b""
    deltas = sum(record.count for record in parts[1:]) * width + len(added)
    full = len(parts) > MAX_PARTS or deltas * _OUTWEIGHS > parts[0].count * width
    return None if full else added


def difference(entries: bytes, other: bytes, width: int = SEGMENT_WIDTH) -> bytes:
    """The entries of one sorted segment that another does not hold, as a segment."""
    left = bytearray()
    at = begin = 0
    size = _BLOCK * width
    while at < len(entries):
        block = entries[at : at + size]
        if block == other[begin : begin + len(block)]:
            at, begin, size = at + len(block), begin + len(block), min(4 * size, _BLOCK * width)
            continue
        if size > _FEW * width:  # the two differ here: look closer, to compare few entries one by one
            size //= 4
            continue
        # What the other has up to the first entry behind this block.
        at += len(block)
        behind = entries[at : at + width]
        end = position(other, width, int.from_bytes(behind)) * width if behind else len(other)
        known = other[begin:end]
        if not known:
            left += block
        elif len(known) > _OUTNUMBERS * len(block):
            new = [entry for entry in entries_of(block, width) if not segment_holds(known, width, entry)]
            left += b"".join(new)
        elif known != block:
            held = set(entries_of(known, width))
            left += b"".join([entry for entry in entries_of(block, width) if entry not in held])
        begin = end
    return bytes(left)


def revocation_targets(planned: Mapping[SegmentRecord, bytes]) -> dict[str, bytes]:
    """The targets of the role ``revocation`` by path: these segments and their index."""
    files = {record.path: data for record, data in planned.items()}
    return files | {REVOCATION_INDEX_PATH: encode_index(planned)}
