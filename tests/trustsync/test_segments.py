"""Segments and their index: one form, checked as a stream, searched as they lie."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trust_site import START, digest, key

from trustsync import segments as module
from trustsync.canonical import TargetError
from trustsync.deltas import difference, grouped, plan_segments, revocation_targets
from trustsync.layout import REVOCATION_INDEX_PATH
from trustsync.segments import (
    MAX_PARTS,
    SegmentRecord,
    allowed_missing,
    check_segment,
    check_segment_file,
    decode_index,
    describe,
    encode_index,
    encode_segment,
    encode_timed_segment,
    entry_width,
    position,
    segment_holds,
    segment_path,
    sorted_entries,
)
from verifier.trust import HashKind, KeyStatus

SCOPE = bytes([1]) * 8
UCI = HashKind.UCI


def entries(numbers: Iterable[int], width: int = 8) -> bytes:
    """A segment of these numbers."""
    return b"".join(number.to_bytes(width) for number in sorted(set(numbers)))


def part(number: int, **facts: Any) -> SegmentRecord:
    """A part of one scope and kind, as an index lists it."""
    return replace(describe(SCOPE, UCI, bytes(80), number), **facts)


# --- The index ---------------------------------------------------------------------------------------------


def test_an_index_of_bases_is_byte_for_byte_what_earlier_units_read() -> None:
    """Version 1 without a word about parts, until a publisher writes its first delta."""
    assert encode_index([part(0)]) == cbor2.dumps(
        {
            "v": 1,
            "segments": [
                {
                    "path": "revocation/0101010101010101-0b.seg",
                    "scope": SCOPE,
                    "kind": 11,
                    "n": 10,
                    "w": 8,
                }
            ],
        },
        canonical=True,
    )


def test_an_index_with_deltas_comes_back_and_earlier_units_refuse_it() -> None:
    """Version 2 exactly when there is a delta; the parts are found whatever order they were fed in."""
    parts = [part(number) for number in range(MAX_PARTS + 1)]
    data = encode_index(reversed(parts))
    assert data == encode_index(parts)
    assert sorted(decode_index(data), key=lambda record: record.part) == parts
    assert cbor2.loads(data)["v"] == 2
    assert parts[3].path == "revocation/0101010101010101-0b.3.seg"
    for records, version in ((parts, 1), (parts[:1], 2)):
        document = cbor2.loads(encode_index(records)) | {"v": version}
        with pytest.raises(TargetError, match=f"version {version} over content of version {3 - version}"):
            decode_index(cbor2.dumps(document, canonical=True))


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([part(1)], "its parts are 1; 0 and on"),
        ([part(0), part(2)], "its parts are 0, 2; 0 and on"),
        ([part(0), part(1), part(1)], "its parts are 0, 1, 1; 0 and on"),
        ([part(0), part(0)], "its parts are 0, 0; 0 and on"),
        ([part(number) for number in range(MAX_PARTS + 2)], "9; deltas are 1 to 8"),
        ([part(0), part(1, path=segment_path(SCOPE, UCI))], "is not the path of its scope, kind and part"),
        ([part(0), part(1, path=segment_path(SCOPE, UCI, 2))], "is not the path of its scope, kind and part"),
        ([part(0), part(1, width=16)], "entries of different widths"),
        ([part(0), part(1, count=0)], "count 0 is out of range"),
    ],
)
def test_parts_are_a_base_and_deltas_without_a_gap(records: list[SegmentRecord], said: str) -> None:
    """A delta whose base is not named would be half a list, and nobody would know."""
    with pytest.raises(TargetError, match=said):
        decode_index(encode_index(records))


@pytest.mark.parametrize("number", [0, -1, True, "1", 2**70])
def test_a_part_that_is_written_in_another_way_is_refused(number: Any) -> None:
    """One content has one form: a base leaves the member out."""
    document = cbor2.loads(encode_index([part(0)]))
    document["segments"][0]["p"] = number
    for version in (1, 2):
        with pytest.raises(TargetError):
            decode_index(cbor2.dumps(document | {"v": version}, canonical=True))


def test_entries_that_let_a_document_in_have_sixteen_bytes() -> None:
    """A narrower segment of that kind is refused in the index and again when it is checked."""
    right = describe(SCOPE, HashKind.ALLOWED, bytes(32))
    assert (right.width, right.count) == (16, 2)
    assert decode_index(encode_index([right])) == (right,)
    narrow = replace(right, width=8)
    with pytest.raises(TargetError, match="entries of kind ALLOWED have 16"):
        decode_index(encode_index([narrow]))
    with pytest.raises(TargetError, match="entries of kind ALLOWED have 16"):
        check_segment(bytes(8), narrow)


def test_a_key_that_promises_a_list_of_what_it_issued_must_have_one() -> None:
    """Else what its publisher vouches for would be refused; test keys verify nothing and are not asked."""
    promised = [key(n, status=KeyStatus.WITHDRAWN, allowed=True) for n in (1, 2, 2)]
    listed = [describe(bytes([1]) * 8, HashKind.ALLOWED, bytes(16)), describe(bytes([2]) * 8, UCI, bytes(8))]
    sample = key(5, "test", allowed=True)
    assert allowed_missing([*promised, key(4), sample], listed) == [bytes([2]) * 8]
    assert allowed_missing([key(4), sample], []) == []


# --- Writing -----------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=4, max_size=4), max_size=60), st.sampled_from([1, 2, 4]))
def test_entries_in_any_order_become_a_segment(digests: list[bytes], width: int) -> None:
    """Sorted, each once, whatever was twice or came first."""
    expected = b"".join(sorted({entry[:width] for entry in digests}))
    assert encode_segment(digests, width) == expected
    raw = b"".join(entry[:width] for entry in digests)
    assert sorted_entries(raw, width) == sorted_entries(bytearray(raw + expected), width) == expected


@pytest.mark.parametrize("width", [8, 16])
def test_more_entries_than_one_list_of_objects_are_sorted_as_well(width: int) -> None:
    """By their first byte in turn; the result is the same."""
    rng = Random(7)
    raw = rng.randbytes(width * 70_000)
    digests = [raw[at : at + width] for at in range(0, len(raw), width)]
    twice = b"".join(digests + digests[:1000])
    assert sorted_entries(twice, width) == b"".join(sorted(set(digests)))


def test_a_digest_too_short_for_an_entry_is_named() -> None:
    """A segment of entries that are cut anywhere would be read wrongly as a whole."""
    for wrong in (lambda: encode_segment([bytes(7)]), lambda: sorted_entries(bytes(9))):
        with pytest.raises(TargetError, match="bytes"):
            wrong()
    with pytest.raises(TargetError, match="of kind ALLOWED takes 16"):
        grouped([(SCOPE, HashKind.ALLOWED, bytes(8))])


# --- Checking ----------------------------------------------------------------------------------------------


def faults(data: bytes, record: SegmentRecord, tmp_path: Path) -> list[str]:
    """What is said against a segment in memory, mapped, and as a file."""
    path = tmp_path / "segment"
    path.write_bytes(data)
    said = []
    for check, subject in (
        (check_segment, data),
        (check_segment, memoryview(data)),
        (check_segment_file, path),
    ):
        try:
            check(subject, record)
            said.append("")
        except TargetError as error:
            said.append(str(error).removeprefix(f"{record.path}: "))
    assert len(set(said)) == 1
    return said


LONG = 3 * (64 << 10) // 8 + 5  # entries of 8 bytes: over several of the pieces that are checked at a time


@pytest.mark.parametrize("width", [4, 5, 8, 16])
def test_a_segment_is_checked_from_its_first_entry_to_its_last(width: int, tmp_path: Path) -> None:
    """Whatever the width, and wherever one piece ends and the next begins."""
    count = LONG * 8 // width
    data = entries(range(7, 7 + count), width)
    record = SegmentRecord("revocation/x", SCOPE, UCI, count, width)
    assert set(faults(data, record, tmp_path)) == {""}
    edge = (64 << 10) // width
    for at in (1, edge - 1, edge, edge + 1, 2 * edge, count - 1):
        again = data[: at * width] + data[(at - 1) * width : at * width] + data[(at + 1) * width :]
        assert set(faults(again, record, tmp_path)) == {f"entry {at} is out of order"}
        first = data[: at * width] + bytes(width) + data[(at + 1) * width :]
        assert set(faults(first, record, tmp_path)) == {f"entry {at} is out of order"}
    for length in (len(data) - 1, len(data) - width, len(data) + width, 0):
        said = faults((data + data)[:length], record, tmp_path)
        assert set(said) == {f"{length} bytes, the index says {count} entries of {width}"}


def test_instants_are_checked_in_every_piece(tmp_path: Path) -> None:
    """An instant that no clock shows is found wherever it stands."""
    pairs = [(n.to_bytes(8), START) for n in range(9000)]
    data = encode_timed_segment(pairs)
    record = describe(SCOPE, HashKind.RID_BEFORE, data)
    assert set(faults(data, record, tmp_path)) == {""}
    for at in (0, 4095, 4096, 8999):
        wrong = data[: at * 16 + 8] + b"\xff" * 8 + data[at * 16 + 16 :]
        (said,) = set(faults(wrong, record, tmp_path))
        assert "out of range" in said


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at first and what was read must be one."""
    path = tmp_path / "segment"
    path.write_bytes(entries(range(LONG)))
    record = SegmentRecord("revocation/x", SCOPE, UCI, LONG, 8)
    seen = path.stat()
    for length in (8 * LONG - 8, 8 * LONG - 3):
        with path.open("r+b") as file:
            file.truncate(length)
        monkeypatch.setattr(module.os, "fstat", lambda _: seen)
        with pytest.raises(TargetError, match="changed while it was read"):
            check_segment_file(path, record)


WATCHED = """
import resource, sys
from pathlib import Path
from trustsync.segments import SegmentRecord, check_segment_file
from verifier.trust import HashKind
file, count = Path(sys.argv[1]), int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
check_segment_file(file, SegmentRecord("x", b"x", HashKind.UCI, count))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_stays_flat_however_large_the_file(tmp_path: Path) -> None:
    """A card with a large list is checked on a unit with little memory: 32 MB of entries, 4 MB of growth."""
    count = 4 << 20
    path = tmp_path / "segment"
    with path.open("wb") as file:
        for begin in range(0, count, 1 << 16):
            file.write(entries(range(begin, begin + (1 << 16))))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(path), str(count)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 4 << 10  # KiB


# --- Looking up --------------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 40) | st.integers(2**64 - 40, 2**64 - 1)


@given(st.sets(NUMBERS, max_size=60), st.lists(NUMBERS, max_size=10))
def test_a_segment_holds_what_a_set_would_hold(numbers: set[int], asked: list[int]) -> None:
    """Every entry is found and nothing else is, at the ends of the range too, in bytes and in a mapping."""
    data = entries(numbers)
    for number in [*numbers, *asked]:
        for view in (data, memoryview(data)):
            assert segment_holds(view, 8, number.to_bytes(8) + bytes(8)) is (number in numbers)
        assert segment_holds(entries(numbers, 16), 16, number.to_bytes(16)) is (number in numbers)
        below = sum(each < number for each in numbers)
        assert position(data, 8, number) == position(entries(numbers, 16), 16, number) == below
    assert not segment_holds(data, 8, b"")
    assert all(not segment_holds(data, 8, number.to_bytes(8)[:7]) for number in numbers)


def test_a_large_segment_holds_what_a_set_would_hold() -> None:
    """Entries that lie evenly, as hashes do, or all at one end; also bytes of two neighbours together."""
    hashed = {int.from_bytes(hashlib.sha256(each.to_bytes(4)).digest()[:8]) for each in range(20_000)}
    between = 0x80000001_80000001  # the end of the first of two neighbours and the beginning of the second
    hashed |= {0x80000000_80000001, 0x80000001_90000000}
    for numbers in (hashed, {number >> 20 for number in hashed}, set(range(2**64 - 9_000, 2**64))):
        data = memoryview(entries(numbers))
        asked = sorted(numbers)
        for number in [between, *asked[:300], *asked[::97], *asked[-300:]]:
            for near in {max(number - 1, 0), number, min(number + 1, 2**64 - 1)}:
                assert segment_holds(data, 8, near.to_bytes(8)) is (near in numbers)


class Counting:
    """A segment of wide entries that counts how often it is read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads = data, 0

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: slice) -> bytes:
        self.reads += 1
        return self.data[at]


def reads(numbers: Iterable[int], asked: Iterable[int]) -> list[int]:
    """How often each look-up reads, for numbers of 64 bits that open an entry of sixteen bytes each."""
    counting = Counting(entries((number << 64 for number in numbers), 16))
    out = []
    for number in asked:
        counting.reads = 0
        position(counting, 16, number << 64)  # type: ignore[arg-type]
        out.append(counting.reads)
    return out


def test_hashes_are_found_in_a_few_reads() -> None:
    """What a cold card pays for is pages: where halving reads sixteen entries, guesses by proportion six."""
    rng = Random(1)
    numbers = [rng.getrandbits(64) for _ in range(1 << 16)]
    counted = reads(numbers, [*numbers[:500], *(rng.getrandbits(64) for _ in range(500))])
    assert sum(counted) / len(counted) < 8
    assert max(counted) <= 20


@pytest.mark.parametrize(
    "numbers",
    [
        [2**k for k in range(64)] + list(range(1 << 16)),
        [2**64 - 1 - n for n in range(1 << 16)],
        [n**3 for n in range(1 << 16)],
        [(n << 40) | 1 for n in range(1 << 16)],
    ],
    ids=["doubling", "at the end", "cubes", "steps"],
)
def test_entries_that_do_not_lie_evenly_cost_little_more(numbers: list[int]) -> None:
    """A publisher who chooses its entries cannot make a scan slow: eight guesses, and twice halving."""
    rng = Random(2)
    near = [number + step for number in rng.sample(numbers, 200) for step in (-1, 0, 1)]
    counted = reads(numbers, [min(max(number, 0), 2**64 - 1) for number in near])
    assert max(counted) <= 8 + 2 * 17


# --- What a night writes -----------------------------------------------------------------------------------

SMALL = st.integers(0, 400)
NIGHTS = st.lists(
    st.tuples(st.sets(SMALL, max_size=40), st.sets(SMALL, max_size=2) | st.just(set())),
    min_size=1,
    max_size=14,
)


@settings(max_examples=200)
@given(first=st.sets(SMALL, max_size=200), nights=NIGHTS)
def test_after_every_night_the_parts_hold_what_is_wanted_and_nothing_else(
    first: set[int], nights: list[tuple[set[int], set[int]]]
) -> None:
    """Added, taken back, or neither: what units hold together is the publisher's list, in a legal index."""
    wanted, held = set(first), plan_segments({}, {(SCOPE, UCI): entries(first)})
    for added, taken in nights:
        before, wanted = wanted, (wanted | added) - taken
        planned = plan_segments(held, {(SCOPE, UCI): entries(wanted)})
        assert planned == plan_segments(dict(reversed(held.items())), {(SCOPE, UCI): entries(wanted)})
        parts = sorted(decode_index(encode_index(planned)), key=lambda record: record.part)
        for record in parts:
            check_segment(planned[record], record)
        together = b"".join(planned[record] for record in parts)
        assert sorted(together[at : at + 8] for at in range(0, len(together), 8)) == [
            number.to_bytes(8) for number in sorted(wanted)
        ]
        if wanted == before:
            assert planned == held
        if taken & before:
            assert len(parts) <= 1
        held = planned


def night(held: dict[SegmentRecord, bytes], numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Part and entries of every file that a night writes; ``held`` is what stands afterwards."""
    planned = plan_segments(held, {(SCOPE, UCI): entries(numbers)})
    written = [(record.part, record.count) for record, data in planned.items() if held.get(record) != data]
    held.clear()
    held.update(planned)
    return written


def test_a_night_that_only_adds_writes_only_what_was_added() -> None:
    """The base stays as it lies on ten thousand cards; the delta holds the night's entries alone."""
    held: dict[SegmentRecord, bytes] = {}
    assert night(held, range(10_000)) == [(0, 10_000)]
    assert night(held, range(10_100)) == [(1, 100)]
    assert night(held, range(10_100)) == []
    assert night(held, range(10_250)) == [(2, 150)]


def test_an_entry_that_is_taken_back_makes_a_new_base() -> None:
    """No file says "no longer": a unit that lacks it would go on refusing."""
    held: dict[SegmentRecord, bytes] = {}
    night(held, range(10_000))
    night(held, range(10_100))
    assert night(held, range(1, 10_100)) == [(0, 10_099)]
    assert len(held) == 1


def test_after_eight_deltas_a_new_base_is_written() -> None:
    """A lookup asks every part; there are never more than nine."""
    held: dict[SegmentRecord, bytes] = {}
    night(held, range(10_000))
    for number in range(1, MAX_PARTS + 1):
        assert night(held, range(10_000 + number)) == [(number, 1)]
    assert night(held, range(10_009)) == [(0, 10_009)]


def test_deltas_that_outweigh_a_quarter_of_the_base_make_a_new_one() -> None:
    """Up to there a unit that was away fetches little twice."""
    held: dict[SegmentRecord, bytes] = {}
    night(held, range(1000))
    assert night(held, range(1250)) == [(1, 250)]
    assert night(held, range(1251)) == [(0, 1251)]


def test_what_is_wanted_no_more_is_published_no_more() -> None:
    """Segments of other scopes and kinds are not touched; an empty one is none."""
    wanted = {(SCOPE, UCI): entries(range(9)), (b"other", HashKind.ALLOWED): entries([5], 16)}
    held = plan_segments({}, wanted)
    assert {record.path for record in held} == {
        segment_path(SCOPE, UCI),
        segment_path(b"other", HashKind.ALLOWED),
    }
    gone = plan_segments(held, wanted | {(SCOPE, UCI): b""})
    assert [record.scope for record in gone] == [b"other"]
    assert plan_segments(held, {}) == {}


def test_wanted_entries_out_of_order_are_refused_before_they_are_signed() -> None:
    """No unit would install them."""
    with pytest.raises(TargetError, match="out of order"):
        plan_segments({}, {(SCOPE, UCI): entries(range(9)) * 2})


def test_a_base_of_another_width_is_replaced() -> None:
    """Parts of one segment have one width; entries of two cannot be told apart."""
    old = SegmentRecord(segment_path(SCOPE, UCI), SCOPE, UCI, 100, 4)
    held = {old: entries(range(100), 4)}
    assert [r.width for r in plan_segments(held, {(SCOPE, UCI): entries(range(101))})] == [8]


def test_an_instant_that_changes_makes_a_new_base_with_one_entry_for_it() -> None:
    """The earlier instant is taken back; it must not stand beside the later one for ever."""
    kind = HashKind.RID_BEFORE
    pairs = {digest(n): START for n in range(100)}
    held = plan_segments({}, {(SCOPE, kind): encode_timed_segment(pairs.items())})
    pairs[digest(5)] = datetime(2023, 1, 1, tzinfo=UTC)
    (record,) = plan_segments(held, {(SCOPE, kind): encode_timed_segment(pairs.items())})
    assert (record.part, record.count) == (0, 100)


@given(st.sets(st.integers(0, 20_000), max_size=300), st.sets(st.integers(0, 20_000), max_size=300))
def test_a_difference_is_what_sets_say_it_is(one: set[int], other: set[int]) -> None:
    """Whatever the two have in common."""
    assert difference(entries(one), entries(other)) == entries(one - other)


def test_a_difference_over_many_blocks_is_right_at_their_edges() -> None:
    """Long runs that are equal, and changes exactly where one block ends."""
    numbers = set(range(0, 30_000, 2))
    for changed in ({4096 * 2}, {4096 * 2 - 2}, {1, 8191, 8193, 16_385, 29_999}, set(range(9000, 12_000, 2))):
        assert difference(entries(numbers | changed), entries(numbers - changed)) == entries(changed)
        assert difference(entries(numbers), entries(numbers - changed)) == entries(numbers & changed)
    assert difference(entries(numbers), b"") == entries(numbers)


def test_the_targets_are_the_segments_and_their_index() -> None:
    """As a publisher signs them, from entries in any order, with the width that each kind has."""
    listed = [(SCOPE, UCI, digest(n)) for n in (5, 3, 5)]
    listed += [(SCOPE, HashKind.ALLOWED, digest(9)), (b"x", UCI, digest(1)), (SCOPE, UCI, digest(1))]
    files = revocation_targets(plan_segments({}, grouped(listed)))
    assert files == revocation_targets(plan_segments({}, grouped(reversed(listed))))
    index = decode_index(files.pop(REVOCATION_INDEX_PATH))
    assert {record.path: (record.count, record.width) for record in index} == {
        segment_path(SCOPE, UCI): (3, 8),
        segment_path(SCOPE, HashKind.ALLOWED): (1, 16),
        segment_path(b"x", UCI): (1, 8),
    }
    assert {path: len(data) for path, data in files.items()} == {
        record.path: record.count * entry_width(record.kind) for record in index
    }
