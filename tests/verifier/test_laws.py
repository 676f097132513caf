"""Laws that hold for every input: any bytes give a Verdict, what is encoded is decoded again."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cbor2
import pytest
from desk import Desk, vaccination
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.reasons import CATALOGUE, Reason, State, state_of, worst_first
from verifier.verdict import Verdict
from verifier.wire import base45, cose, hc1
from verifier.wire.errors import MalformedError

desk = Desk()
signer = desk.signer()
TEXT = signer.issue(vaccination())

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.integers(-300, 10), inner, max_size=4)
    ),
    max_leaves=12,
)


def judged(code: str | bytes) -> Verdict:
    verdict = desk.judged(code).verdict
    assert verdict.state in State
    assert all(found.code in CATALOGUE for found in verdict.reasons)
    return verdict


@given(st.text() | st.binary() | st.text().map("HC1:".__add__) | st.text(base45.ALPHABET).map("HC1:".__add__))
def test_any_text_gives_a_verdict_that_is_not_green(code: str | bytes) -> None:
    """Any bytes and any text give a Verdict or RESCAN, never an exception, never PASS."""
    assert judged(code).state is not State.PASS


@given(st.binary())
def test_any_container_content_gives_a_verdict_that_is_not_green(content: bytes) -> None:
    """The same for whatever stands inside the compression."""
    assert judged(hc1.pack(content)).state is not State.PASS


@given(values)
def test_any_signed_claims_give_a_verdict(claims: Any) -> None:
    """A holder of a key may sign anything: claims of any shape are judged, not tripped over."""
    judged(signer.seal(cbor2.dumps(claims)))


@given(st.dictionaries(st.sampled_from(["ver", "nam", "dob", "v", "t", "r"]), values, max_size=6))
def test_any_signed_payload_gives_a_verdict(document: dict[str, Any]) -> None:
    """The same for a payload with the right members and any values, and for the report on it."""
    judged(signer.issue(document))


@given(
    st.sampled_from(["tg", "vp", "mp", "dn", "sd", "dt", "co", "is", "ci"]),
    values,
)
def test_any_value_in_a_vaccination_gives_a_verdict(member: str, value: Any) -> None:
    """The same for one member of an otherwise good vaccination."""
    judged(signer.issue(vaccination(**{member: value})))


@settings(max_examples=300)
@given(st.data())
def test_a_code_with_one_character_changed_is_never_green(data: st.DataObject) -> None:
    """One character replaced, dropped or doubled: not PASS."""
    at = data.draw(st.integers(4, len(TEXT) - 1))
    other = data.draw(st.sampled_from(base45.ALPHABET))
    changed = data.draw(
        st.sampled_from(
            [TEXT[:at] + other + TEXT[at + 1 :], TEXT[:at] + TEXT[at + 1 :], TEXT[:at] + other + TEXT[at:]]
        )
    )
    if changed != TEXT:
        assert judged(changed).state is not State.PASS


@given(st.binary(max_size=2000))
def test_base45_gives_back_what_it_was_given(data: bytes) -> None:
    """decode(encode(x)) == x."""
    assert base45.decode(base45.encode(data)) == data


@given(st.text(base45.ALPHABET))
def test_base45_reads_only_its_own_spelling(text: str) -> None:
    """A text that decodes is the text that its bytes encode to: one spelling for every content."""
    try:
        data = base45.decode(text)
    except MalformedError:
        return
    assert base45.encode(data) == text


@given(
    st.lists(st.sampled_from([(code, state) for code, word in CATALOGUE.items() for state in word.states]))
)
def test_the_state_is_that_of_the_first_reason(pairs: list[tuple[Reason, State | None]]) -> None:
    """A result's state is that of its worst reason, and the worst comes first."""
    from verifier.reasons import Finding

    findings = [Finding(code, None if state is State.PASS else state) for code, state in pairs]
    ordered = worst_first(findings)
    assert state_of(findings) is ((ordered[0].state or State.PASS) if ordered else State.PASS)
    assert len({f.code for f in ordered}) == len(ordered)


def test_the_worst_code_keeps_memory_flat() -> None:
    """Never more than 64 MiB for one code (the guard is the limit itself; the bench prints the figure)."""
    import zlib

    worst = [
        "HC1:" + "A" * 10_000_000,
        hc1.PREFIX + base45.encode(zlib.compress(bytes(60_000_000), 9)),
        signer.issue({"ver": "1.2.1", "nam": {"fnt": "A"}, "dob": "", "v": [{}] * 60_000}),
        *(
            hc1.pack(cbor2.dumps([cbor2.dumps({1: -7, 4: n.to_bytes(60_000)}), {}, b"", b""]))
            for n in range(40)
        ),
    ]
    for code in worst:
        tracemalloc.start()
        judged(code)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize("protected", [0, 23, 24, 255, 256])
@pytest.mark.parametrize("payload", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_what_is_signed_is_cbor_of_its_four_parts(protected: int, payload: int) -> None:
    """Put together by hand, with each length in its shortest form."""
    parts = ["Signature1", bytes(protected), b"", bytes(payload)]
    assert cose.sig_structure(parts[1], parts[3]) == cbor2.dumps(parts)
    if protected == 0:
        opened = cose.decode_sign1(cbor2.dumps([b"", {}, parts[3], b"signature"]))
        assert opened.to_be_signed == cbor2.dumps(parts)


def test_headers_of_any_length_are_not_remembered() -> None:
    """What is kept between codes is small: a long header leaves nothing behind in the process."""
    before = cose._protected.cache_info().currsize
    for number in range(20):
        header = cbor2.dumps({1: -7, 4: number.to_bytes(4000)})
        judged(hc1.pack(cbor2.dumps([header, {}, b"", b""])))
    assert cose._protected.cache_info().currsize == before
