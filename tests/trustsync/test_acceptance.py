"""The pure gate: any bytes give an Accepted or a RefusedError, and an Accepted is whole."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_site import SPKI, authority, digest, key

from trustsync.acceptance import Accepted, accept, list_segments
from trustsync.errors import Alarm, RefusedError
from trustsync.layout import (
    KEYS_PATH,
    MAX_DOCUMENT,
    MAX_SEGMENT,
    REVOCATION_INDEX_PATH,
    RULES_PATH,
    check_size,
)
from trustsync.segments import SegmentRecord, encode_index, encode_segment, segment_path
from trustsync.targets import encode_keys
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import encode_bundles
from verifier.trust import Domain, HashKind

SCOPE = bytes([1]) * 8
SEGMENT = encode_segment([digest(n) for n in range(5)])
RECORD = SegmentRecord(segment_path(SCOPE, HashKind.UCI), SCOPE, HashKind.UCI, 5)
CARD_KEY = key(1, domain=Domain.SHC, issuer="https://cards.example", chained=True)
GOOD = {
    KEYS_PATH: encode_keys([CARD_KEY, key(2), key(9, "test")], [authority(1, "test")]),
    REVOCATION_INDEX_PATH: encode_index([RECORD]),
    RULES_PATH: encode_bundles([SIGNATURE_ONLY]),
    RECORD.path: SEGMENT,
}

MEMBERS = [
    *("kid", "spki", "co", "nb", "na", "use", "st", "env", "cert", "also", "src", "len"),
    *("dom", "iss", "chn", "id"),
    *("path", "scope", "kind", "n", "w"),
]

ROWS = [(KEYS_PATH, "keys"), (KEYS_PATH, "authorities"), (REVOCATION_INDEX_PATH, "segments")]

# Values of every shape that CBOR can carry, for the places where a document expects one.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.binary(max_size=12)
    | st.text(max_size=12)
    | st.sampled_from(["kid", "production", "active", "shc", SCOPE, RECORD.path]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
        | st.builds(cbor2.CBORTag, st.integers(0, 300), inner)
    ),
    max_leaves=6,
)


def outcome(targets: dict[str, bytes]) -> Accepted | RefusedError:
    try:
        return accept(targets)
    except RefusedError as error:
        return error


def test_a_whole_list_is_accepted_as_it_was_published() -> None:
    """Keys, segments and bundles come out as they went in."""
    accepted = accept(GOOD)
    assert accepted == Accepted(
        (CARD_KEY, key(2), key(9, "test")), (RECORD,), (SIGNATURE_ONLY,), (authority(1, "test"),)
    )


@pytest.mark.parametrize("path", GOOD)
def test_a_list_without_one_of_its_parts_is_refused_by_name(path: str) -> None:
    """All or nothing: the part that is missing is named."""
    with pytest.raises(RefusedError, match=path) as caught:
        accept({name: data for name, data in GOOD.items() if name != path})
    assert caught.value.alarm is Alarm.CONTENT


@given(path=st.sampled_from(sorted(GOOD)), data=st.binary(max_size=60))
def test_any_bytes_in_place_of_a_part_are_refused_and_nothing_else_is_raised(path: str, data: bytes) -> None:
    """Bytes that are no document of ours give a RefusedError, whatever they are."""
    assert isinstance(outcome(GOOD | {path: data}), RefusedError)


@given(path=st.sampled_from(sorted(GOOD)), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_an_answer_and_never_another_error(path: str, at: int, bit: int) -> None:
    """Near misses of real documents are accepted or refused; a shortened list is never accepted."""
    data = bytearray(GOOD[path])
    data[at % len(data)] ^= 1 << bit
    found = outcome(GOOD | {path: bytes(data)})
    if isinstance(found, Accepted):
        assert (len(found.keys), len(found.segments), len(found.bundles)) == (3, 1, 1)


@given(
    place=st.sampled_from(ROWS),
    member=st.sampled_from(MEMBERS),
    value=VALUES,
)
def test_a_value_of_any_shape_in_any_place_is_accepted_or_refused(
    place: tuple[str, str], member: str, value: object
) -> None:
    """The publisher's mistakes reach the operator as a refusal that names the place, never as a traceback."""
    path, rows = place
    document = cbor2.loads(GOOD[path])
    document[rows][0][member] = value
    outcome(GOOD | {path: cbor2.dumps(document, canonical=True)})


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_is_missing_is_optional_or_refused_by_its_place(member: str) -> None:
    """A record without one of its members loads, or the refusal names the record and the member."""
    for path, rows_name in ROWS:
        document = cbor2.loads(GOOD[path])
        if document[rows_name][0].pop(member, None) is None:
            continue
        found = outcome(GOOD | {path: cbor2.dumps(document, canonical=True)})
        if isinstance(found, RefusedError):
            assert f"{rows_name}[0].{member}" in str(found)


@pytest.mark.parametrize(
    "records",
    [
        [RECORD, RECORD],
        [SegmentRecord(segment_path(b"", HashKind.UCI), b"", HashKind.UCI, 1)],
        [SegmentRecord(segment_path(b"x" * 81, HashKind.UCI), b"x" * 81, HashKind.UCI, 1)],
    ],
    ids=["a segment twice", "no scope", "a scope too long for a file name"],
)
def test_an_index_that_could_not_be_looked_up_by_is_refused(records: list[SegmentRecord]) -> None:
    """Each segment once, each scope of a sane length."""
    with pytest.raises(RefusedError):
        list_segments(encode_index(records))


def test_an_index_out_of_order_is_refused() -> None:
    """One content has one form, so the order of rows is part of it."""
    other = SegmentRecord(segment_path(b"a", HashKind.UCI), b"a", HashKind.UCI, 1)
    document = cbor2.loads(encode_index([RECORD, other]))
    document["segments"].reverse()
    with pytest.raises(RefusedError, match="out of order"):
        list_segments(cbor2.dumps(document, canonical=True))


def test_known_segments_are_not_read_again_but_must_be_there() -> None:
    """A segment accepted before by its hash is trusted in its order, not in its presence."""
    unsorted = SEGMENT[8:] + SEGMENT[:8]
    with pytest.raises(RefusedError):
        accept(GOOD | {RECORD.path: unsorted})
    assert accept(GOOD | {RECORD.path: unsorted}, known={RECORD.path}).segments == (RECORD,)
    with pytest.raises(RefusedError):
        accept({name: data for name, data in GOOD.items() if name != RECORD.path}, known={RECORD.path})


def test_sizes_are_bounded_by_what_the_target_is() -> None:
    """A document is small, a segment may be large, and both have an end."""
    check_size(KEYS_PATH, MAX_DOCUMENT)
    check_size(RECORD.path, MAX_SEGMENT)
    for path, most in ((KEYS_PATH, MAX_DOCUMENT), (RECORD.path, MAX_SEGMENT)):
        with pytest.raises(RefusedError) as caught:
            check_size(path, most + 1)
        assert caught.value.alarm is Alarm.TOO_BIG


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_that_anybody_could_forge_for_is_refused_with_its_list(point: bytes) -> None:
    """A low-order Ed25519 point, or no key at all, among good keys: nothing of that list is installed."""
    bad = replace(key(2), key=replace(key(2).key, spki=SPKI + point))
    with pytest.raises(RefusedError, match="0202020202020202"):
        accept(GOOD | {KEYS_PATH: encode_keys([key(1), bad])})
    named_only = replace(bad, environment="test")
    assert accept(GOOD | {KEYS_PATH: encode_keys([key(1), named_only])})
