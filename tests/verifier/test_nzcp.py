"""NZ COVID Pass: container, claims and content, each fault by its name."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.keys import Algorithm, generate
from issuer.seed import Stream
from verifier.certificate import Family, Payload
from verifier.keys import load_spki
from verifier.reasons import Reason
from verifier.wire import cbor, nzcp
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

KEY = generate(Algorithm.ES256, Stream(b"tests", "nzcp"))
ISS = "did:web:pass.example"
NBF, EXP = 1_635_000_000, 1_951_000_000
SUBJECT = {"givenName": "Hana", "familyName": "Tāwhai", "dob": "1960-04-16"}
CREDENTIAL: dict[str, Any] = {
    "@context": [nzcp.CONTEXT_W3C, nzcp.CONTEXT_PASS],
    "version": "1.0.0",
    "type": [nzcp.TYPE_W3C, nzcp.TYPE_PASS],
    "credentialSubject": SUBJECT,
}
CLAIMS: dict[Any, Any] = {1: ISS, 5: NBF, 4: EXP, "vc": CREDENTIAL, 7: bytes(16)}


def encoded(**change: Any) -> str:
    facts: dict[str, Any] = {"iss": ISS, "nbf": NBF, "exp": EXP, "cti": bytes(16), "kid": b"key-1"}
    return nzcp.encode_nzcp(SUBJECT, sign=KEY.sign, **(facts | change))


def sealed(claims: Any, **options: Any) -> str:
    facts: dict[str, Any] = {"kid": b"key-1", "alg": -7}
    return nzcp.seal_nzcp(cbor2.dumps(claims), sign=KEY.sign, **(facts | options))


def read(claims: Mapping[Any, Any]) -> Payload:
    return nzcp.read_nzcp(nzcp.decode_nzcp(nzcp.open_nzcp(sealed(claims))))


def refusal(claims: Mapping[Any, Any]) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        read(claims)
    return caught.value


def with_credential(**change: Any) -> dict[Any, Any]:
    """The claims with another credential; ``None`` leaves a member out."""
    members = CREDENTIAL | {name.replace("context", "@context"): value for name, value in change.items()}
    return CLAIMS | {"vc": {name: value for name, value in members.items() if value is not None}}


def test_what_is_encoded_is_opened_verified_and_read() -> None:
    """Prefix, Base32, COSE and claims give back what went in; the signature holds."""
    envelope = nzcp.open_nzcp(encoded())
    assert (envelope.alg, envelope.kid, envelope.issuer_hint) == (-7, b"key-1", ISS)
    assert load_spki(KEY.spki()).verify(-7, envelope.signature, envelope.to_be_signed)
    claims = nzcp.decode_nzcp(envelope)
    assert claims.family is Family.NZCP
    assert claims.whole == CLAIMS
    assert claims.document == CREDENTIAL
    assert (claims.issuer, claims.bad_time) == (ISS, None)
    assert claims.issued_at == datetime.fromtimestamp(NBF, UTC)
    assert claims.expires_at == datetime.fromtimestamp(EXP, UTC)
    payload = nzcp.read_nzcp(claims)
    assert (payload.holder.given, payload.holder.surname) == ("Hana", "Tāwhai")
    assert payload.holder.birth_date == "1960-04-16"
    assert (payload.events, payload.version, payload.findings) == ((), "1.0.0", ())


def test_claims_are_decoded_from_the_payload_when_nothing_was_parsed_early() -> None:
    """What opening had to read is kept, and never needed."""
    from dataclasses import replace

    envelope = nzcp.open_nzcp(encoded())
    assert nzcp.decode_nzcp(replace(envelope, parsed=None)).whole == CLAIMS


def test_a_kid_written_as_text_is_the_same_kid() -> None:
    """The specification has a text there, issued passes have bytes."""
    assert nzcp.open_nzcp(sealed(CLAIMS, kid="key-1")).kid == b"key-1"
    assert nzcp.open_nzcp(sealed(CLAIMS, kid=b"key-1")).kid == b"key-1"


@pytest.mark.scenario("SC-F07")
def test_a_pass_without_the_cose_tag_is_opened() -> None:
    """The tag is not signed, so asking for it proves nothing."""
    assert nzcp.open_nzcp(sealed(CLAIMS, tag=None)).kid == b"key-1"


BODY = encoded().removeprefix("NZCP:/1/")
TEXT_FAULTS: dict[str, tuple[str, Reason]] = {
    "another version": (f"NZCP:/2/{BODY}", Reason.UNSUPPORTED),
    "the version with a zero before it": (f"NZCP:/01/{BODY}", Reason.UNSUPPORTED),
    "a version that is no number": (f"NZCP:/x/{BODY}", Reason.UNSUPPORTED),
    "no version at all": (f"NZCP:/{BODY}", Reason.MALFORMED),
    "no body": ("NZCP:/1/", Reason.MALFORMED),
    "small letters": (f"NZCP:/1/{BODY.lower()}", Reason.MALFORMED),
    "digits outside the alphabet": (f"NZCP:/1/{BODY[:-8]}01890189", Reason.MALFORMED),
    "padding": ("NZCP:/1/ME======", Reason.MALFORMED),
    "a blank inside": (f"NZCP:/1/{BODY[:10]} {BODY[10:]}", Reason.MALFORMED),
    "letters of other scripts": (f"NZCP:/1/{BODY}Ａ", Reason.MALFORMED),
    "a length that no bytes have": ("NZCP:/1/MEA", Reason.MALFORMED),
    "bits left over": ("NZCP:/1/MF", Reason.MALFORMED),
    "no COSE inside": ("NZCP:/1/ME", Reason.MALFORMED),
    "more than a code holds": ("NZCP:/1/" + "A" * 4300, Reason.TOO_BIG),
    "a payload that is no map": (sealed([1, 2]), Reason.MALFORMED),
    "a payload that is no CBOR": (nzcp.seal_nzcp(b"\xff", kid=b"k", alg=-7, sign=KEY.sign), Reason.MALFORMED),
}


@pytest.mark.parametrize("fault", list(TEXT_FAULTS))
def test_a_broken_text_is_named(fault: str) -> None:
    """Each fault of the container has its reason."""
    text, reason = TEXT_FAULTS[fault]
    with pytest.raises(MalformedError) as caught:
        nzcp.open_nzcp(text)
    assert caught.value.reason is reason


def without(name: Any) -> dict[Any, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


CLAIM_FAULTS: dict[str, tuple[dict[Any, Any], str, Reason]] = {
    "no credential": (without("vc"), "no credential", Reason.MALFORMED),
    "a credential that is a list": (CLAIMS | {"vc": [1]}, "no credential", Reason.MALFORMED),
    "no issuer": (without(1), "iss", Reason.MALFORMED),
    "an issuer of another method": (CLAIMS | {1: "did:key:z6Mk"}, "iss", Reason.MALFORMED),
    "an issuer that is a number": (CLAIMS | {1: 5}, "iss", Reason.MALFORMED),
    "no nbf": (without(5), "nbf", Reason.MALFORMED),
    "no cti": (without(7), "cti", Reason.MALFORMED),
    "a cti of 15 bytes": (CLAIMS | {7: bytes(15)}, "cti", Reason.MALFORMED),
    "a cti as text": (CLAIMS | {7: "x" * 16}, "cti", Reason.MALFORMED),
    "no context": (with_credential(context=None), "@context", Reason.MALFORMED),
    "contexts in another order": (
        with_credential(context=[nzcp.CONTEXT_PASS, nzcp.CONTEXT_W3C]), "@context", Reason.MALFORMED,
    ),
    "a context of somebody else": (
        with_credential(context=[nzcp.CONTEXT_W3C, "urn:other"]), "vocabulary", Reason.UNSUPPORTED,
    ),
    "no type": (with_credential(type=None), "type", Reason.MALFORMED),
    "no credential's type": (with_credential(type=[nzcp.TYPE_PASS]), "type", Reason.MALFORMED),
    "another kind of pass": (
        with_credential(type=[nzcp.TYPE_W3C, "TestResult"]), "another kind", Reason.UNSUPPORTED,
    ),
    "no version": (with_credential(version=None), "version", Reason.MALFORMED),
    "version 2": (with_credential(version="2.0.0"), "major version", Reason.UNSUPPORTED),
    "version 10": (with_credential(version="10.0.0"), "major version", Reason.UNSUPPORTED),
    "no subject": (with_credential(credentialSubject=None), "credentialSubject", Reason.MALFORMED),
    "no given name": (
        with_credential(credentialSubject={"familyName": "X", "dob": "1960-04-16"}), "givenName",
        Reason.MALFORMED,
    ),
}  # fmt: skip


@pytest.mark.scenario("SC-F09")
@pytest.mark.parametrize("fault", list(CLAIM_FAULTS))
def test_a_pass_that_breaks_the_specification_is_named(fault: str) -> None:
    """Other versions and kinds are UNSUPPORTED, what cannot be right is MALFORMED; nobody's name is in it."""
    claims, word, reason = CLAIM_FAULTS[fault]
    error = refusal(claims)
    assert error.reason is reason
    assert word in str(error)
    assert "Hana" not in str(error)


def test_later_minor_versions_and_further_members_are_read() -> None:
    """Known fields are judged, what is new is ignored."""
    kinds = [nzcp.TYPE_W3C, nzcp.TYPE_PASS, "More"]
    payload = read(with_credential(version="1.4.0", type=kinds, extra=1) | {99: "x"})
    assert payload.version == "1.4.0"


@pytest.mark.scenario("SC-D15")
def test_an_absent_or_odd_time_still_decodes() -> None:
    """A missing exp is left to the general check, a NaN is told and the rest is there."""
    claims = nzcp.decode_nzcp(nzcp.open_nzcp(encoded(exp=None)))
    assert (claims.expires_at, claims.bad_time) == (None, None)
    odd = nzcp.decode_nzcp(nzcp.open_nzcp(sealed(CLAIMS | {4: float("nan")})))
    assert odd.bad_time == "exp is not a number of seconds"
    assert odd.document == CREDENTIAL
    assert nzcp.decode_nzcp(nzcp.open_nzcp(sealed(CLAIMS | {5: "now"}))).bad_time


@pytest.mark.parametrize("dob", ["1960", "1960-04", "", None, "1960-02-30", "19600416"])
def test_a_birth_date_that_is_not_a_full_one_needs_a_look(dob: str | None) -> None:
    """The specification wants a full date; without one the passport cannot be compared by itself."""
    payload = read(with_credential(credentialSubject=SUBJECT | {"dob": dob}))
    assert [found.code for found in payload.findings] == [Reason.DOB_PARTIAL]


def test_a_family_name_is_optional() -> None:
    """Some people have one name."""
    payload = read(with_credential(credentialSubject={"givenName": "Suharto", "dob": "1960-04-16"}))
    assert (payload.holder.given, payload.holder.surname) == ("Suharto", "")


@given(st.binary(max_size=200))
def test_base32_gives_back_what_it_was_given_and_has_one_spelling(data: bytes) -> None:
    """Every text that decodes is the one that encoding makes."""
    text = nzcp.encode_base32(data)
    assert nzcp.decode_base32(text) == data
    assert text == base64.b32encode(data).decode().rstrip("=")


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567=a1 ", max_size=40))
def test_any_base32_text_decodes_to_what_encodes_to_it_or_is_refused(text: str) -> None:
    """No two texts mean the same bytes."""
    with contextlib.suppress(MalformedError):
        assert nzcp.encode_base32(nzcp.decode_base32(text)) == text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["vc", "@context", "version", "type", "credentialSubject", "dob", "givenName"]
NAMES = st.sampled_from([1, 4, 5, 7, *MEMBERS])
MAPS = st.dictionaries(NAMES, ANYTHING | st.dictionaries(NAMES, ANYTHING, max_size=6), max_size=8)


@given(MAPS, MAPS)
def test_any_claims_give_a_payload_or_a_named_fault(claims: dict[Any, Any], change: dict[Any, Any]) -> None:
    """Whatever a holder of a key signs, nothing but a MalformedError leaves the reader."""
    for whole in (claims, CLAIMS | claims, CLAIMS | {"vc": CREDENTIAL | change}):
        try:
            decoded = nzcp.decode_nzcp(nzcp.open_nzcp(sealed(whole)))
            assert isinstance(nzcp.read_nzcp(decoded), Payload)
        except MalformedError:
            pass


@given(st.text(max_size=60) | st.text("A2BCD37", max_size=60).map("NZCP:/1/".__add__))
def test_any_text_opens_or_is_named(text: str) -> None:
    """Any text leads to an envelope or a MalformedError."""
    with contextlib.suppress(MalformedError):
        nzcp.open_nzcp(text)


def test_claims_without_anything_are_refused() -> None:
    """The reader is total: no document, no claims."""
    with pytest.raises(MalformedError):
        nzcp.read_nzcp(Claims(Family.NZCP, None))


@pytest.mark.vectors
def test_the_specification_s_own_passes(vectors: Path) -> None:
    """Decoding, signature, key and content as published."""
    cases = [json.loads(line) for line in (vectors / "nzcp.jsonl").read_text("utf-8").splitlines()]
    assert cases
    for case in cases:
        expect = case["expect"]
        if not expect["decode"]:
            with pytest.raises(MalformedError):
                nzcp.open_nzcp(case["text"])
            continue
        envelope = nzcp.open_nzcp(case["text"])
        claims = nzcp.decode_nzcp(envelope)
        whole = {str(name): value for name, value in (claims.whole or {}).items()}
        assert {name: whole[name] for name in expect["payload"]} == expect["payload"], case["id"]
        assert (envelope.issuer_hint == case["issuer"]) is expect["key_found"], case["id"]
        verified = _public(case["jwk"]).verify(envelope.alg or 0, envelope.signature, envelope.to_be_signed)
        assert verified is expect["signature"], case["id"]
        clock = datetime.fromisoformat(case["clock"])
        assert claims.expires_at is not None
        assert claims.issued_at is not None
        assert (claims.expires_at < clock) is expect["expired"], case["id"]
        assert (claims.issued_at > clock) is expect["not_yet_valid"], case["id"]
        assert nzcp.read_nzcp(claims).findings == (), case["id"]


def _public(jwk: Mapping[str, str]) -> Any:
    """The verification key of a P-256 JWK, by its SubjectPublicKeyInfo."""
    x, y = (base64.urlsafe_b64decode(jwk[name] + "=") for name in "xy")
    head = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
    return load_spki(head + b"\x04" + x + y)


def test_the_encoder_writes_deterministic_cbor() -> None:
    """Equal claims give equal bytes under the signature."""
    assert cbor.decode(nzcp.open_nzcp(encoded()).payload, "claims") == CLAIMS
