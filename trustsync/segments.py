"""Revocation as files: an index, and sorted segments that are mapped and searched as they lie.

    revocation/index.cbor                      which segments there are, and how many entries each has
    revocation/2c68ad12f74cc933-0b.seg         the base of one scope and kind
    revocation/2c68ad12f74cc933-0b.1.seg       what came to it since: a delta, in the same form

The rules this module keeps:

* A segment is sorted entries of one width and nothing else. A lookup touches few pages and loads nothing.
* A scope and kind has one base and at most ``MAX_PARTS`` deltas. An entry counts wherever it stands, so a
  delta only adds; where something is taken back the publisher writes a new base.
* What an earlier release would read wrongly it must not be able to read at all: an index with deltas has the
  next version, and an unknown kind refuses the index.
* A segment is checked as a stream: memory stays flat at eighty million entries.
* Everything here is pure, but for :func:`check_segment_file`, which reads one file.

    data = encode_segment(digests)             # a night's entries for one (scope, kind)
    record = describe(kid, HashKind.UCI, data)
    index = encode_index([record])             # what goes into a base and what into a delta: trustsync.deltas
    check_segment(data, record)
    segment_holds(data, record.width, digest)  # over several parts: trustsync.revocation
"""

from __future__ import annotations

import math
import operator
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from trustsync.canonical import TargetError, encode, read_document, read_field, read_list
from trustsync.targets import PRODUCTION, KeyRecord
from verifier.trust import HashKind

BASE_VERSION = 1
# Of an index with deltas. Readers of version 1 cannot place them, and refuse it by its version, not by luck.
PARTS_VERSION = 2
SEGMENT_WIDTH = 8  # bytes of each entry: at ten million entries one scan in 2 * 10^12 hits by chance
INSTANT_WIDTH = 8  # bytes of the instant after it, in a segment of kind RID_BEFORE
TIMED_WIDTH = SEGMENT_WIDTH + INSTANT_WIDTH
# Of what lets a document in. To a text with one of a million listed hashes of 8 bytes a thief comes in 2^44
# trials; with 16 bytes it takes 2^108.
ALLOWED_WIDTH = 16
MAX_SEGMENTS = 50_000
MAX_PARTS = 8  # deltas beside a base: a lookup asks every one of them

_LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())
_NUMBER = struct.Struct(">Q")
_PIECE = 64 << 10  # bytes that are checked at a time: their numbers still fit a processor's cache
_SMALL = 1 << 16  # entries that may be sorted as one list of objects
_GUESSES = 8  # that a look-up makes by proportion alone
_REACH = 32 * SEGMENT_WIDTH  # bytes on either side of where an entry should stand that are searched at once


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """One revocation segment as the index lists it.

    path: the target. scope: a KID, :func:`verifier.trust.country_scope` or
    :func:`verifier.trust.authority_scope`. count: entries. width: bytes of an entry. part: 0 is the base,
    1 to ``MAX_PARTS`` are its deltas.
    """

    path: str
    scope: bytes
    kind: HashKind
    count: int
    width: int = SEGMENT_WIDTH
    part: int = 0


def segment_path(scope: bytes, kind: HashKind, part: int = 0) -> str:
    """The target path of the base for this scope and kind, or of its delta with this number."""
    return f"revocation/{scope.hex()}-{kind:02x}{f'.{part}' if part else ''}.seg"


def describe(scope: bytes, kind: HashKind, data: bytes, part: int = 0) -> SegmentRecord:
    """The record of a segment with entries of the width that our publishers write."""
    width = entry_width(kind)
    return SegmentRecord(segment_path(scope, kind, part), scope, kind, len(data) // width, width, part)


def entry_width(kind: HashKind) -> int:
    """Bytes of an entry as our own publishers write it; for two kinds no other width is taken."""
    return {HashKind.RID_BEFORE: TIMED_WIDTH, HashKind.ALLOWED: ALLOWED_WIDTH}.get(kind, SEGMENT_WIDTH)


# --- The index --------------------------------------------------------------------------------------------


def encode_index(segments: Iterable[SegmentRecord]) -> bytes:
    """The target ``revocation/index.cbor``, sorted by path."""
    listed = sorted(segments, key=lambda s: s.path)
    rows = [
        {"path": s.path, "scope": s.scope, "kind": int(s.kind), "n": s.count, "w": s.width}
        | ({"p": s.part} if s.part else {})
        for s in listed
    ]
    return encode({"v": _index_version(listed), "segments": rows})


def _index_version(segments: Iterable[SegmentRecord]) -> int:
    """The lowest version whose readers understand all of it."""
    return PARTS_VERSION if any(record.part for record in segments) else BASE_VERSION


def decode_index(data: bytes) -> tuple[SegmentRecord, ...]:
    """The segments that a revocation index lists; an empty index is legal (nothing is revoked).

    Raises TargetError as :func:`trustsync.targets.decode_keys` does, and where the parts of a scope and kind
    are not a base and deltas without a gap, all of one width. A kind that this release does not know refuses
    the whole index: skipping it would say "not revoked" about what it lists.
    """
    document = read_document(data, "segments", (BASE_VERSION, PARTS_VERSION))
    rows = read_list(document, "segments", MAX_SEGMENTS)
    segments = tuple(_record(row, f"segments[{number}]") for number, row in enumerate(rows))
    if document["v"] != _index_version(segments):
        raise TargetError(
            f"segments: format version {document['v']} over content of version {_index_version(segments)}"
        )
    for (scope, kind), parts in by_segment(segments).items():
        if [record.part for record in parts] != list(range(len(parts))):
            numbers = ", ".join(str(record.part) for record in parts)
            raise TargetError(f"{segment_path(scope, kind)}: its parts are {numbers}; 0 and on, each once")
        if len({record.width for record in parts}) > 1:
            raise TargetError(f"{segment_path(scope, kind)}: its parts have entries of different widths")
    return segments


def _record(item: object, where: str) -> SegmentRecord:
    if not isinstance(item, dict):
        raise TargetError(f"{where}: not a map")
    number = read_field(item, "kind", int, where)
    try:
        kind = HashKind(number)
    except ValueError:
        raise TargetError(f"{where}.kind: unknown hash kind {number}") from None
    record = SegmentRecord(
        path=read_field(item, "path", str, where),
        scope=read_field(item, "scope", bytes, where),
        kind=kind,
        count=read_field(item, "n", int, where),
        width=read_field(item, "w", int, where),
        part=read_field(item, "p", int, where, 0),
    )
    if "p" in item and not 1 <= record.part <= MAX_PARTS:
        raise TargetError(f"{where}.p: {record.part}; deltas are 1 to {MAX_PARTS}, a base leaves it out")
    if record.path != segment_path(record.scope, record.kind, record.part):
        raise TargetError(f"{where}.path: {record.path!r} is not the path of its scope, kind and part")
    if not 4 <= record.width <= 16 or record.count < 1:
        raise TargetError(f"{where}: width {record.width} or count {record.count} is out of range")
    _check_width(record, where)
    return record


def _check_width(record: SegmentRecord, where: str) -> None:
    fixed = entry_width(record.kind)
    if fixed not in (SEGMENT_WIDTH, record.width):
        raise TargetError(f"{where}: width {record.width}; entries of kind {record.kind.name} have {fixed}")


def by_segment(
    records: Iterable[SegmentRecord],
) -> dict[tuple[bytes, HashKind], list[SegmentRecord]]:
    """The parts of each scope and kind, the base first."""
    grouped: dict[tuple[bytes, HashKind], list[SegmentRecord]] = {}
    for record in sorted(records, key=lambda r: r.part):
        grouped.setdefault((record.scope, record.kind), []).append(record)
    return grouped


def allowed_missing(keys: Iterable[KeyRecord], segments: Iterable[SegmentRecord]) -> list[bytes]:
    """The KIDs of keys that promise a list of what they really issued, where the index has none.

    To install such a list would refuse what its publisher vouches for. Test keys verify nothing and are not
    asked.
    """
    present = {record.scope for record in segments if record.kind is HashKind.ALLOWED}
    promised = (record.key for record in keys if record.environment == PRODUCTION and record.key.allowed)
    return list(dict.fromkeys(key.kid for key in promised if key.kid not in present))


# --- Writing ----------------------------------------------------------------------------------------------


def encode_segment(digests: Iterable[bytes], width: int = SEGMENT_WIDTH) -> bytes:
    """A segment: the first ``width`` bytes of each digest, sorted, each once.

    Raises TargetError for a digest that is shorter. Ten million take seconds, and memory for little more than
    their bytes.
    """
    unsorted = bytearray()
    for digest in digests:
        if len(digest) < width:
            raise TargetError(f"a digest of {len(digest)} bytes; an entry takes {width}")
        unsorted += digest[:width]
    return sorted_entries(unsorted, width)


def sorted_entries(entries: bytes | bytearray, width: int = SEGMENT_WIDTH) -> bytes:
    """Entries that stand one after another in any order, such as several segments, as one segment."""
    if len(entries) % width:
        raise TargetError(f"{len(entries)} bytes are no whole number of entries of {width}")
    step = _PIECE // width * width
    if all(_rising(entries[max(at - width, 0) : at + step], width) for at in range(0, len(entries), step)):
        return bytes(entries)
    if len(entries) // width <= _SMALL:
        return b"".join(sorted(set(entries_of(entries, width))))
    # By the first byte: then few entries at a time are objects, and sorting them stays in the cache.
    heaps = [bytearray() for _ in range(256)]
    for entry in entries_of(entries, width):
        heaps[entry[0]] += entry
    out = bytearray()
    for heap in heaps:
        out += b"".join(sorted(set(entries_of(heap, width))))
        heap.clear()
    return bytes(out)


def encode_timed_segment(pairs: Iterable[tuple[bytes, datetime]]) -> bytes:
    """A segment of kind ``RID_BEFORE``: digests, each with the instant before which it counts.

    digest: at least 8 bytes. instant: aware; a part of a second counts as a whole one, so that no document
    slips out. Of several instants for one digest the latest counts, so only that one is written. Raises
    TargetError for a digest that is too short and an instant before 1970.
    """
    latest: dict[bytes, int] = {}
    for digest, instant in pairs:
        if len(digest) < SEGMENT_WIDTH:
            raise TargetError(f"a digest of {len(digest)} bytes; an entry takes {SEGMENT_WIDTH}")
        seconds = math.ceil(instant.timestamp())
        if not 0 <= seconds <= _LAST_SECOND:
            raise TargetError(f"instant {seconds} is out of range")
        prefix = digest[:SEGMENT_WIDTH]
        latest[prefix] = max(seconds, latest.get(prefix, 0))
    return b"".join(prefix + latest[prefix].to_bytes(INSTANT_WIDTH) for prefix in sorted(latest))


# --- Checking ---------------------------------------------------------------------------------------------


def check_segment(data: bytes | memoryview, record: SegmentRecord) -> None:
    """Raise TargetError unless ``data`` holds exactly the record's entries in strictly rising order.

    Entries with an instant must have one that a clock can show.
    """
    step = _PIECE // record.width * record.width
    _check_pieces((data[at : at + step] for at in range(0, len(data), step)), len(data), record)


def check_segment_file(path: Path, record: SegmentRecord) -> None:
    """As :func:`check_segment`, for a file of any size: it is read in pieces and never held as a whole.

    Raises OSError when the file cannot be read.
    """
    step = _PIECE // record.width * record.width
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        _check_pieces(iter(lambda: file.read(step), b""), length, record)


def _check_pieces(pieces: Iterable[bytes | memoryview], length: int, record: SegmentRecord) -> None:
    width = record.width
    _check_width(record, record.path)
    if length != record.count * width:
        raise TargetError(f"{record.path}: {length} bytes, the index says {record.count} entries of {width}")
    last, number = b"", 0
    for piece in pieces:
        if len(piece) % width:
            break
        chain = last + bytes(piece)  # the entry before this piece opens it, so that the two are compared
        if not _rising(chain, width):
            raise TargetError(f"{record.path}: entry {number + _first_fault(chain, width)} is out of order")
        if record.kind is HashKind.RID_BEFORE and not _datable(chain):
            raise TargetError(f"{record.path}: an instant from entry {number} on is out of range")
        last = chain[-width:]
        number += len(chain) // width - 1
    if number + 1 != record.count:
        raise TargetError(f"{record.path}: it changed while it was read")


def _rising(entries: bytes | bytearray, width: int) -> bool:
    """Whether every entry is greater than the one before it."""
    if width == 8:
        numbers = struct.unpack(f">{len(entries) // width}Q", entries)
        return all(map(operator.lt, numbers, islice(numbers, 1, None)))
    listed = list(entries_of(entries, width))
    return all(map(operator.lt, listed, islice(listed, 1, None)))


def _first_fault(entries: bytes, width: int) -> int:
    listed = list(entries_of(entries, width))
    return next(at for at in range(1, len(listed)) if listed[at] <= listed[at - 1])


def _datable(entries: bytes) -> bool:
    instants = struct.iter_unpack(f">{SEGMENT_WIDTH}xQ", entries)
    return all(seconds <= _LAST_SECOND for (seconds,) in instants)


def entries_of(entries: bytes | bytearray, width: int) -> Iterator[bytes]:
    """Each entry of a segment by itself."""
    return (entry for (entry,) in struct.iter_unpack(f"{width}s", entries))


# --- Looking up -------------------------------------------------------------------------------------------


def position(data: bytes | memoryview, width: int, wanted: int) -> int:
    """How many entries of a sorted segment are less than ``wanted``, an entry read as a number.

    Entries are hashes and lie evenly: a guess by proportion comes close, and each entry that is read says how
    far off it was. At eighty million that takes six reads where halving takes twenty-seven, and most of them
    on one page. A publisher may choose entries that do not lie evenly. From the ninth guess on every second
    one is therefore the middle, so that no more than eight and twice as many as by halving are read.
    """
    low, high = 0, len(data) // width  # entries before `low` are less, from `high` on they are not
    count, bits = high, 8 * width
    guess = wanted * count >> bits
    reads = 0
    while low < high:
        if guess < low:
            guess = low
        elif guess >= high:
            guess = high - 1
        if reads >= _GUESSES and reads % 2:
            guess = (low + high) // 2
        reads += 1
        at = guess * width
        if width == 8:  # nearly all there are; a slice less for each read
            (entry,) = _NUMBER.unpack_from(data, at)
        else:
            entry = int.from_bytes(data[at : at + width])
        if entry < wanted:
            low = guess + 1
        elif entry > wanted:
            high = guess
        else:
            return guess
        guess += (wanted - entry) * count >> bits
    return low


def segment_holds(data: bytes | memoryview, width: int, digest: bytes) -> bool:
    """Whether a checked segment holds the first ``width`` bytes of ``digest``, which must have as many."""
    if width == SEGMENT_WIDTH:
        near = _near(data, digest)
        if near is not None:
            return near
    wanted = digest[:width]
    at = position(data, width, int.from_bytes(wanted)) * width
    return len(wanted) == width and data[at : at + width] == wanted


def _near(data: bytes | memoryview, digest: bytes) -> bool | None:
    """Whether an entry stands where it should if entries lie evenly; ``None`` where they do not.

    Two guesses by proportion come so near that the entries between which it must stand are on one page: they
    are searched as bytes, which takes less than to read the next three.
    """
    if len(data) < 4 * _REACH or len(digest) < SEGMENT_WIDTH:
        return None
    (wanted,) = _NUMBER.unpack_from(digest)
    count = len(data) // SEGMENT_WIDTH
    guess = wanted * count >> 64
    (entry,) = _NUMBER.unpack_from(data, guess * SEGMENT_WIDTH)
    guess += (wanted - entry) * count >> 64
    if not 0 <= guess < count:
        return None
    (entry,) = _NUMBER.unpack_from(data, guess * SEGMENT_WIDTH)
    at = (guess + ((wanted - entry) * count >> 64)) * SEGMENT_WIDTH
    if at < _REACH:
        return None
    entries, key = bytes(data[at - _REACH : at + _REACH]), digest[:SEGMENT_WIDTH]
    if not entries[:SEGMENT_WIDTH] <= key <= entries[-SEGMENT_WIDTH:] or len(entries) % SEGMENT_WIDTH:
        return None
    found = entries.find(key)
    while found > 0 and found % SEGMENT_WIDTH:  # the end of one entry and the beginning of the next
        found = entries.find(key, found + 1)
    return found >= 0


def segment_before(data: bytes | memoryview, digest: bytes) -> datetime | None:
    """The instant of ``digest`` in a checked segment with instants, the latest if there are several."""
    prefix = digest[:SEGMENT_WIDTH]
    # Entries of one digest stand together, the latest instant last.
    following = (int.from_bytes(prefix) + 1) << (8 * INSTANT_WIDTH)
    at = (position(data, TIMED_WIDTH, following) - 1) * TIMED_WIDTH
    if at < 0 or data[at : at + SEGMENT_WIDTH] != prefix:
        return None
    seconds = int.from_bytes(data[at + SEGMENT_WIDTH : at + TIMED_WIDTH])
    return datetime.fromtimestamp(seconds, UTC)
