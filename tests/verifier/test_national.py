"""Swiss LT1, Austrian AT1 and health links: read as what they are, never as a DCC."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.keys import Algorithm, generate
from issuer.seed import Stream
from verifier.certificate import Exemption, Family, Payload
from verifier.keys import load_certificate, load_spki
from verifier.reasons import Reason
from verifier.wire import cbor, dcc, hc1, national
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

KEY = generate(Algorithm.ES256, Stream(b"tests", "national"))
NAME = {"fn": "Müller", "gn": "Céline", "fnt": "MUELLER", "gnt": "CELINE"}
LIGHT: dict[str, Any] = {"ver": "1.0.0", "nam": NAME, "dob": "1943-02-01"}
ENTRY: dict[str, Any] = {
    "tg": "840539006", "du": "2022-05-30", "co": "AT", "is": "Ministry", "ci": "URN:UVCI:01:AT:EX1#A",
}  # fmt: skip
EXEMPT: dict[str, Any] = {"ver": "AT-1.0.0", "nam": NAME, "dob": "1998-02-26", "ve": [ENTRY]}
FACTS: dict[str, Any] = {
    "iss": "AT", "iat": 1_646_000_000, "exp": 1_647_000_000, "kid": b"12345678", "alg": -7, "sign": KEY.sign,
}  # fmt: skip


def claims_of(text: str) -> Claims:
    """Opened as the family that the prefix says."""
    container = Family(text[:3])
    envelope = hc1.open_hcert(text, text[:4])
    assert load_spki(KEY.spki()).verify(-7, envelope.signature, envelope.to_be_signed)
    return hc1.decode_claims(envelope.payload, container)


def light(document: dict[str, Any]) -> Payload:
    return national.read_lt1(claims_of(national.encode_lt1(document, **(FACTS | {"iss": "CH BAG"}))))


def exempt(document: dict[str, Any]) -> Payload:
    return national.read_at1(claims_of(national.encode_at1(document, **FACTS)))


def test_a_certificate_light_is_a_holder_without_an_event() -> None:
    """Claim -250 and the prefix LT1; no medical data."""
    claims = claims_of(national.encode_lt1(LIGHT, **(FACTS | {"iss": "CH BAG"})))
    assert (claims.family, claims.document, claims.issuer) == (Family.LT1, LIGHT, "CH BAG")
    payload = national.read_lt1(claims)
    assert (payload.holder.surname, payload.holder.birth_date) == ("Müller", "1943-02-01")
    assert (payload.events, payload.version, payload.findings) == ((), "1.0.0", ())


def test_an_exemption_has_one_entry_with_its_last_day() -> None:
    """Read into an Exemption; the identifier to the letter."""
    payload = exempt(EXEMPT)
    (event,) = payload.events
    assert isinstance(event, Exemption)
    assert (event.disease, event.valid_until) == ("840539006", date(2022, 5, 30))
    assert (event.country, event.issuer, event.identifier) == (
        "AT",
        "Ministry",
        "URN:UVCI:01:AT:EX1#A",
    )
    assert (payload.version, payload.findings) == ("AT-1.0.0", ())


def test_an_exemption_may_have_no_end() -> None:
    """Absent stays absent."""
    event = exempt(EXEMPT | {"ve": [ENTRY | {"du": None}]}).events[0]
    assert isinstance(event, Exemption)
    assert event.valid_until is None


@pytest.mark.scenario("SC-F04")
def test_two_exemptions_in_one_certificate_are_a_finding() -> None:
    """Exactly one entry is issued; both are read, and the certificate fails for it."""
    payload = exempt(EXEMPT | {"ve": [ENTRY, ENTRY]})
    assert [found.code for found in payload.findings] == [Reason.MULTI_EVENT]
    assert len(payload.events) == 2


DOSE = [{"tg": "840539006"}]
AT1_FAULTS: dict[str, tuple[dict[str, Any], Reason]] = {
    "no exemption": (EXEMPT | {"ve": []}, Reason.MALFORMED),
    "no list of exemptions": ({"ver": "AT-1.0.0", "nam": NAME, "dob": ""}, Reason.MALFORMED),
    "exemptions as a map": (EXEMPT | {"ve": ENTRY}, Reason.MALFORMED),
    "an empty exemption": (EXEMPT | {"ve": [{}]}, Reason.MALFORMED),
    "an exemption that is a text": (EXEMPT | {"ve": ["x"]}, Reason.MALFORMED),
    "a day that is none": (EXEMPT | {"ve": [ENTRY | {"du": "2021-09-99"}]}, Reason.MALFORMED),
    "a vaccination beside it": (EXEMPT | {"v": DOSE}, Reason.MALFORMED),
    "a test beside it": (EXEMPT | {"t": DOSE}, Reason.MALFORMED),
    "a recovery in its place": (LIGHT | {"r": DOSE}, Reason.MALFORMED),
    "no name": (EXEMPT | {"nam": {}}, Reason.MALFORMED),
    "no version": (EXEMPT | {"ver": None}, Reason.UNSUPPORTED),
    "version AT-2": (EXEMPT | {"ver": "AT-2.0.0"}, Reason.UNSUPPORTED),
    "version AT-10": (EXEMPT | {"ver": "AT-10.0.0"}, Reason.UNSUPPORTED),
    "a version of the DCC": (EXEMPT | {"ver": "1.3.0"}, Reason.UNSUPPORTED),
    "seventeen exemptions": (EXEMPT | {"ve": [ENTRY] * 17}, Reason.TOO_BIG),
}


@pytest.mark.parametrize("fault", list(AT1_FAULTS))
def test_an_exemption_that_cannot_be_right_is_named(fault: str) -> None:
    """Each fault has its reason."""
    document, reason = AT1_FAULTS[fault]
    with pytest.raises(MalformedError) as caught:
        exempt(document)
    assert caught.value.reason is reason


def test_null_for_the_lists_of_a_dcc_counts_as_absent() -> None:
    """As in real certificates of the family."""
    assert exempt(EXEMPT | {"v": None, "t": [], "r": None}).findings == ()
    assert light(LIGHT | {"v": None}).events == ()


LT1_FAULTS: dict[str, tuple[dict[str, Any], Reason]] = {
    "no name": ({"ver": "1.0.0", "dob": ""}, Reason.MALFORMED),
    "a vaccination in it": (LIGHT | {"v": DOSE}, Reason.MALFORMED),
    "major version 2": (LIGHT | {"ver": "2.0.0"}, Reason.UNSUPPORTED),
    "an exemption's version": (LIGHT | {"ver": "AT-1.0.0"}, Reason.UNSUPPORTED),
}


@pytest.mark.parametrize("fault", list(LT1_FAULTS))
def test_a_light_that_cannot_be_right_is_named(fault: str) -> None:
    """Each fault has its reason."""
    document, reason = LT1_FAULTS[fault]
    with pytest.raises(MalformedError) as caught:
        light(document)
    assert caught.value.reason is reason


def test_pitfall_26_no_domestic_certificate_reads_as_a_dcc() -> None:
    """The same payload under HC1 is none: an exemption is no event of a DCC, a light has no event at all."""
    for document in (EXEMPT, LIGHT):
        under_hc1 = claims_of(hc1.encode_hc1(document, **FACTS))
        assert under_hc1.family is Family.HC1
        with pytest.raises(MalformedError):
            dcc.read_payload(under_hc1.document)
    # and the claim of one prefix is not looked at under another
    moved = national.encode_lt1(LIGHT, **FACTS).replace("LT1:", "HC1:", 1)
    assert claims_of(moved).document is None


GOOD_LINKS: dict[str, Any] = {
    "one link": "vhlink:/eyJ1cmwi",
    "one link of the other kind": "shlink:/eyJ1cmwi",
    "a link behind a viewer": "https://viewer.example/#shlink:/eyJ1cmwi",
    "a list": [{"u": "shlink:/eyJ1cmwi"}],
    "a list of two": [{"u": "vhlink:/a"}, {"u": "shlink:/b", "label": "x"}],
}
BAD_LINKS: dict[str, tuple[Any, Reason]] = {
    "a web address": ("https://example.org/", Reason.MALFORMED),
    "a link of an unsafe viewer": ("http://viewer.example/#shlink:/a", Reason.MALFORMED),
    "nothing behind the scheme": ("vhlink:/", Reason.MALFORMED),
    "another case": ("VHLINK:/a", Reason.MALFORMED),
    "a number": (5, Reason.MALFORMED),
    "a map": ({"u": "vhlink:/a"}, Reason.MALFORMED),
    "an empty list": ([], Reason.MALFORMED),
    "a list with something else in it": ([{"u": "vhlink:/a"}, "vhlink:/b"], Reason.MALFORMED),
    "an entry without a link": ([{"x": "vhlink:/a"}], Reason.MALFORMED),
    "seventeen links": ([{"u": "vhlink:/a"}] * 17, Reason.TOO_BIG),
}


def links_text(value: Any) -> str:
    """``HC1:`` text of whatever stands in the place of links; no issuer here makes any."""
    times = {name: FACTS[name] for name in ("iss", "iat", "exp")}
    body = hc1.claims_map(**times) | {hc1.CLAIM_HCERT: {hc1.LINKS: value}}
    return hc1.seal(cbor.encode(body), **{name: FACTS[name] for name in ("kid", "alg", "sign")})


def refused_link(value: Any) -> MalformedError:
    claims = claims_of(links_text(value))
    assert claims.family is Family.VHL
    with pytest.raises(MalformedError) as caught:
        national.read_links(claims)
    return caught.value


@pytest.mark.scenario("SC-F09")
@pytest.mark.parametrize("name", list(GOOD_LINKS))
def test_a_health_link_is_recognised_and_not_followed(name: str) -> None:
    """CHECK UNSUPPORTED: nobody is sent away, and no network is asked."""
    error = refused_link(GOOD_LINKS[name])
    assert error.reason is Reason.UNSUPPORTED
    assert "offline" in str(error)
    assert "eyJ1cmwi" not in str(error)


@pytest.mark.parametrize("name", list(BAD_LINKS))
def test_what_is_no_health_link_is_malformed(name: str) -> None:
    """Each fault has its reason."""
    value, reason = BAD_LINKS[name]
    assert refused_link(value).reason is reason


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["ver", "nam", "dob", "ve", "v", "t", "r", "links", "u", "tg", "du", "fn", "co"])
MAPS = st.dictionaries(MEMBERS, ANYTHING | st.dictionaries(MEMBERS, ANYTHING, max_size=4), max_size=8)


@given(MAPS)
def test_any_document_gives_a_payload_or_a_named_fault(change: dict[str, Any]) -> None:
    """Whatever a holder of a key signs, nothing but a MalformedError leaves the readers."""
    for document in (None, change, EXEMPT | change, LIGHT | change):
        for family, read in (
            (Family.LT1, national.read_lt1),
            (Family.AT1, national.read_at1),
            (Family.VHL, national.read_links),
        ):
            with contextlib.suppress(MalformedError):
                assert isinstance(read(Claims(family, document)), Payload)


@given(ANYTHING)
def test_any_links_are_refused_by_name(value: Any) -> None:
    """There is no payload to read in a link."""
    with pytest.raises(MalformedError):
        national.read_links(Claims(Family.VHL, {"links": value}))


@pytest.mark.vectors
def test_the_published_exemptions_are_read_and_never_as_a_dcc(vectors: Path) -> None:
    """The Austrian cases: what opens, whose signature holds, and which content is refused."""
    lines = (vectors / "hcert-misc.jsonl").read_text("utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["format"] == "at1"]
    assert cases
    read = 0
    for case in cases:
        envelope = hc1.open_hcert(case["text"], "AT1:")
        claims = hc1.decode_claims(envelope.payload, Family.AT1)
        assert claims.family is Family.AT1, case["id"]
        assert claims.document is not None, case["id"]
        if "signature" in case["expect"]:
            held = [_holds(base64.b64decode(der), envelope) for der in case["certs"]]
            assert any(held) is case["expect"]["signature"], case["id"]
        if "v" in claims.document:
            with pytest.raises(MalformedError) as caught:
                national.read_at1(claims)
            assert caught.value.reason is Reason.MALFORMED
            continue
        payload = national.read_at1(claims)
        several = len(claims.document["ve"]) > 1
        assert [found.code for found in payload.findings] == ([Reason.MULTI_EVENT] if several else [])
        read += 1
    assert read


def _holds(der: bytes, envelope: Any) -> bool:
    spki = load_certificate(der, vouched=True).spki
    return load_spki(spki).verify(envelope.alg, envelope.signature, envelope.to_be_signed)
