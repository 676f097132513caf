"""SMART Health Cards: published cards and keys, laws, each fault by its name, and what a bundle says."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from places import vectors_dir

import verifier.certificate as documents  # its Test must not look like one of pytest's
from verifier.certificate import DETECTED, NOT_DETECTED, Prophylaxis, Vaccination
from verifier.keys import ES256, load_spki
from verifier.reasons import Reason
from verifier.trust import HashKind
from verifier.vocabulary import COVID_19, MRNA, NAAT, YELLOW_FEVER
from verifier.wire import fhir, shc, shc_keys
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

ISSUER = "https://cards.example/clinic"
NOW = datetime(2022, 3, 1, 2, tzinfo=UTC)
NBF = int(NOW.timestamp()) - 3600
PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Nguyễn", "given": ["Bảo", "Duy"]}],
    "birthDate": "1983-10-10",
}


# --- An issuer of our own


@cache
def private_key(label: str = "card", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> Any:
    """A key that is the same in every run."""
    secret = int.from_bytes(hashlib.sha512(label.encode()).digest(), "big") >> 260
    return ec.derive_private_key(secret, curve())


def spki_of(label: str = "card") -> bytes:
    public = private_key(label).public_key()
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def sign(message: bytes) -> bytes:
    """A raw signature: r and s, 32 bytes each."""
    r, s = decode_dss_signature(private_key().sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


KID = shc_keys.thumbprint(spki_of())


def dose(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]},
        "patient": {"reference": "resource:0"},
        "occurrenceDateTime": "2021-09-02",
        "performer": [{"actor": {"display": "Clinic of the North"}}],
        "lotNumber": "A1",
    } | changes


def observation(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "94500-6"}]},
        "subject": {"reference": "resource:0"},
        "effectiveDateTime": "2022-02-27T21:00:00+07:00",
        "performer": [{"display": "Laboratory 7"}],
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": NOT_DETECTED}]},
    } | changes


def medicine(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"code": "J06BD03"}]},
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": COVID_19}]}],
        "subject": {"reference": "resource:0"},
        "effectiveDateTime": "2022-02-01",
        "performer": [{"actor": {"display": "Clinic of the North"}}],
    } | changes


def bundle(*resources: Mapping[str, Any], patient: Mapping[str, Any] = PATIENT) -> dict[str, Any]:
    entries = [
        {"fullUrl": f"resource:{number}", "resource": resource}
        for number, resource in enumerate([patient, *(resources or (dose(),))])
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def card(*resources: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The payload of a card with these events, one dose if none is given. changes: of its claims."""
    vc = {
        "type": [fhir.HEALTH_CARD],
        "credentialSubject": {"fhirVersion": "4.0.1", "fhirBundle": bundle(*resources)},
        "rid": "aBcd_-1234",
    } | changes.pop("vc", {})
    return {"iss": ISSUER, "nbf": NBF, "vc": vc} | changes


def jws(payload: Mapping[str, Any] | None = None) -> str:
    return shc.encode_shc(payload or card(), kid=KID, sign=sign)


def sealed(header: Any, payload: bytes, signature: bytes | None = None) -> str:
    """A JWS round any bytes."""
    head = json.dumps(header).encode() if not isinstance(header, bytes) else header
    start = f"{b64(head)}.{b64(payload)}"
    return f"{start}.{b64(sign(start.encode()) if signature is None else signature)}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


HEADER = {"zip": "DEF", "alg": "ES256", "kid": KID}


def refusal(text: str) -> MalformedError:
    """Why a text does not open, or does not decode."""
    with pytest.raises(MalformedError) as caught:
        shc.decode_shc(shc.open_shc(text))
    return caught.value


def read(payload: Mapping[str, Any]) -> Any:
    return fhir.read_card(shc.decode_shc(shc.open_shc(jws(payload))))


def misread(payload: Mapping[str, Any]) -> tuple[Reason, str]:
    """Why the content of a card that opens well is refused."""
    claims = shc.decode_shc(shc.open_shc(jws(payload)))
    with pytest.raises(MalformedError) as caught:
        fhir.read_card(claims)
    return caught.value.reason, str(caught.value)


# --- What others published


def lines(name: str) -> list[dict[str, Any]]:
    folder = vectors_dir()
    return [json.loads(line) for line in (folder / name).open(encoding="utf-8")] if folder else []


def verifies(envelope: Envelope, jwks: Mapping[str, Any]) -> bool:
    """Whether a key of the set with the right KID verifies the envelope."""
    keys = [spki(jwk) for jwk in jwks["keys"] if jwk["kid"].encode() == envelope.kid]
    return envelope.alg is not None and any(
        load_spki(key).verify(envelope.alg, envelope.signature, envelope.to_be_signed)
        for key in keys
        if shc_keys.thumbprint(key).encode() == envelope.kid
    )


def spki(jwk: Mapping[str, Any]) -> bytes:
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=="), "big") for name in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def checks_of(case: Mapping[str, Any], jwks: Mapping[str, Any]) -> dict[str, bool | None]:
    """``decode`` and ``signature`` of a case: true if true for each of its cards."""
    decode, signature = [], []
    try:
        if "texts" in case:
            parts = [part for part in map(shc.part_of, case["texts"]) if part]
            assert len(parts) == len(case["texts"])
            cards = [shc.join(parts)]
        else:
            cards = shc.cards_in(case["text"])
        for text in cards:
            envelope = shc.open_shc(text)
            signature.append(verifies(envelope, jwks))
            try:
                decode.append(isinstance(shc.decode_shc(envelope).document, Mapping))
            except MalformedError:
                decode.append(False)
    except MalformedError:
        return {"decode": False, "signature": None}
    return {"decode": all(decode), "signature": all(signature)}


@pytest.mark.vectors
@pytest.mark.parametrize("case", lines("shc.jsonl"), ids=lambda case: case["id"])
def test_a_published_card_reads_and_verifies_as_its_publisher_says(
    case: dict[str, Any], vectors: Path
) -> None:
    """Decoding and the signature come out as recorded, for JWS, files, digits and parts."""
    jwks = json.loads((vectors / case["jwks"]).read_text(encoding="utf-8"))
    checks = checks_of(case, jwks)
    expected = {name: case["expect"][name] for name in checks if name in case["expect"]}
    assert {name: checks[name] for name in expected} == expected
    if "info" in case and expected.get("decode") and "text" in case:
        claims = shc.decode_shc(shc.open_shc(shc.cards_in(case["text"])[0]))
        assert claims.issuer == case["info"]["iss"]
        nbf = case["info"]["nbf"]
        assert claims.issued_at == (datetime.fromtimestamp(nbf, UTC) if nbf else None)


@pytest.mark.vectors
def test_the_published_cards_are_all_here(vectors: Path) -> None:
    """Nothing is skipped in silence: 38 cards and 11 key sets."""
    assert vectors.is_dir()
    assert (len(lines("shc.jsonl")), len(lines("shc-keys.jsonl"))) == (38, 11)


@pytest.mark.vectors
@pytest.mark.parametrize("case", lines("shc-keys.jsonl"), ids=lambda case: case["id"])
def test_a_published_key_is_accepted_or_refused_as_its_publisher_says(
    case: dict[str, Any], vectors: Path
) -> None:
    """A key set is accepted when no key in it has a problem."""
    assert vectors.is_dir()
    now = datetime.fromisoformat(case["clock"])
    problems = [
        problem
        for jwk in case["jwks"]["keys"]
        for problem in shc_keys.key_problems(jwk, issuer=case["subject_alt_name"], now=now)
    ]
    assert (not problems) is case["expect"]["accept"], problems


@pytest.mark.vectors
def test_the_keys_of_the_published_issuer_are_good_until_a_certificate_ends(vectors: Path) -> None:
    """Both keys hold at the time of the examples; a year later the leaf of the second is over."""
    jwks = json.loads((vectors / "keys/shc-examples.jwks.json").read_text(encoding="utf-8"))
    issuer = "https://spec.smarthealth.cards/examples/issuer"
    then = datetime(2022, 5, 31, tzinfo=UTC)
    assert [shc_keys.key_problems(jwk, issuer=issuer, now=then) for jwk in jwks["keys"]] == [[], []]
    later = [shc_keys.key_problems(jwk, issuer=issuer, now=then.replace(year=2023)) for jwk in jwks["keys"]]
    assert later == [[], ["x5c: a certificate outside its period"]]


@pytest.mark.vectors
def test_a_published_card_gives_its_doses_in_order(vectors: Path) -> None:
    """The content of a whole published card: person, doses, and its revocation id."""
    case = next(each for each in lines("shc.jsonl") if each["id"] == "shc/example-00-jws")
    assert vectors.is_dir()
    payload = fhir.read_card(shc.decode_shc(shc.open_shc(case["text"])))
    assert (payload.holder.surname, payload.holder.given) == ("Anyperson", "John B.")
    assert payload.holder.birth_date == "1951-01-20"
    given = [(event.product, event.given) for event in payload.events if isinstance(event, Vaccination)]
    assert given[:2] == [("EU/1/20/1507", date(2021, 1, 1)), ("EU/1/20/1507", date(2021, 1, 29))]
    assert len(payload.events) == 3
    assert payload.identifiers[0] == (HashKind.RID, case["info"]["rid"])


# --- Laws


@given(st.integers(1, shc.MAX_PARTS), st.randoms(use_true_random=False), st.text(max_size=30))
@settings(max_examples=60)
def test_parts_in_any_order_give_the_card_back(count: int, random: Any, name: str) -> None:
    """Digits, parts and their order change nothing; their lengths differ by one character at most."""
    text = jws(card(note=name))
    texts = shc.numeric(text, count)
    assert max(map(len, texts)) - min(map(len, texts)) <= 2 + 2  # one character, one more digit in C
    random.shuffle(texts)
    again = [*texts, *texts[: random.randint(0, 3)]]
    if count == 1:
        assert shc.part_of(texts[0]) is None
        envelope = shc.open_shc(texts[0])
    else:
        envelope = shc.open_shc(shc.join([part for part in map(shc.part_of, again) if part]))
    assert shc.decode_shc(envelope).document == card(note=name)
    assert envelope.to_be_signed == text.rpartition(".")[0].encode()
    assert load_spki(spki_of()).verify(ES256, envelope.signature, envelope.to_be_signed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
texts = st.one_of(
    st.text(max_size=80),
    st.text("0123456789/", max_size=60).map(shc.PREFIX.__add__),
    st.text("eyJ.-_ab01=", max_size=60).map("eyJ".__add__),
    st.builds(sealed, json_values, st.binary(max_size=40), st.binary(max_size=70)),
    st.builds(lambda p: sealed(HEADER, deflated(json.dumps(p).encode()), b""), json_values),
    json_values.map(json.dumps),
)


@given(texts)
@settings(max_examples=400)
def test_any_text_gives_an_envelope_or_a_malformed_error(text: str) -> None:
    """Never another exception, from opening to content, for files and parts too."""
    for step in (shc.part_of, shc.cards_in, shc.open_shc):
        with suppress(MalformedError):
            value = step(text)
            if isinstance(value, shc.Part):
                shc.join([value, replace(value, number=1)])
            if isinstance(value, Envelope):
                fhir.read_card(shc.decode_shc(value))


MEMBERS = """
    resourceType status vaccineCode patient subject occurrenceDateTime effectiveDateTime performer
    protocolApplied isSubpotent code valueCodeableConcept valueString name birthDate id modifierExtension
    medicationCodeableConcept reasonCode manufacturer device coding text given family
"""
members = st.sampled_from(MEMBERS.split())
tame = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(members | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    st.sampled_from(["dose", "observation", "medicine", "patient"]),
    st.dictionaries(members, tame, max_size=4),
)
@settings(max_examples=400)
def test_any_member_of_any_resource_gives_a_payload_or_a_malformed_error(
    kind: str, changes: dict[str, Any]
) -> None:
    """Never another exception, whatever stands where a code, a date or a name should."""
    made = {"dose": dose, "observation": observation, "medicine": medicine}
    patient = PATIENT | changes if kind == "patient" else PATIENT
    events = [made[kind](**changes)] if kind in made else [dose()]
    subject = {"fhirVersion": "4.0.1", "fhirBundle": bundle(*events, patient=patient)}
    claims = Claims(documents.Family.SHC, card(vc={"credentialSubject": subject}), issuer=ISSUER)
    with suppress(MalformedError):
        assert fhir.read_card(claims).events


@given(st.integers(0), st.sampled_from("AZaz09-_."))
@settings(max_examples=150)
def test_a_card_with_one_character_changed_does_not_verify(place: int, character: str) -> None:
    """Header, payload and signature: any other character breaks one of them."""
    text = jws()
    place %= len(text) - 1  # the last character has bits to spare, which signatures ignore
    changed = text[:place] + character + text[place + 1 :]
    if changed == text:
        return
    try:
        envelope = shc.open_shc(changed)
    except MalformedError:
        return
    assert not load_spki(spki_of()).verify(ES256, envelope.signature, envelope.to_be_signed)


# --- Opening: each fault by its name


def test_an_opened_card_tells_algorithm_kid_and_issuer_and_no_more() -> None:
    """KID as text bytes, the issuer as a hint, the payload still compressed."""
    envelope = shc.open_shc(f" \t\n{jws()}\r\n")
    assert (envelope.alg, envelope.kid, envelope.issuer_hint) == (ES256, KID.encode(), ISSUER)
    assert zlib.decompress(envelope.payload, -15).startswith(b'{"iss":"')
    assert len(envelope.signature) == 64


@pytest.mark.parametrize(
    ("alg", "number"), [("ES256", ES256), (None, None), ("none", 0), ("HS256", 0), ("es256", 0), (-7, 0)]
)
def test_pitfall_02_an_algorithm_of_another_world_gets_no_number(alg: Any, number: int | None) -> None:
    """Only ES256 by its exact name; an absent one stays absent."""
    header = {"zip": "DEF", "kid": KID} | ({} if alg is None else {"alg": alg})
    assert shc.open_shc(sealed(header, deflated(b"{}"))).alg == number


@pytest.mark.parametrize("kid", [None, 7, "", ["a"]])
def test_a_card_without_a_kid_in_text_has_none(kid: Any) -> None:
    """Whoever judges then says what is missing; opening does not guess a key."""
    assert shc.open_shc(sealed({"zip": "DEF", "alg": "ES256", "kid": kid}, deflated(b"{}"))).kid is None


OPENING: dict[str, tuple[str, Reason, str]] = {
    "a digit too many": (shc.numeric(jws())[0] + "1", Reason.MALFORMED, "odd number of digits"),
    "a pair above 77": (shc.PREFIX + "5678", Reason.MALFORMED, "above 77"),
    "letters among the digits": (shc.numeric(jws())[0] + "extra", Reason.MALFORMED, "digits alone"),
    "letters that are digits elsewhere": (shc.PREFIX + "7a5F", Reason.MALFORMED, "digits alone"),
    "a blank between pairs": (shc.PREFIX + "56 76", Reason.MALFORMED, "digits alone"),
    "blanks that fill a pair": (shc.PREFIX + "56  76", Reason.MALFORMED, "digits alone"),
    "digits of another script": (shc.PREFIX + "٣٤٣٤", Reason.MALFORMED, "digits alone"),
    "nothing behind the prefix": (shc.PREFIX, Reason.MALFORMED, "digits alone"),
    "more characters than a card": (shc.PREFIX + "56" * 8192, Reason.TOO_BIG, "characters"),
    "two parts in place of three": (jws().rpartition(".")[0], Reason.MALFORMED, "three parts"),
    "five parts, as an encrypted token": ("eyJ9.a.b.c.d", Reason.MALFORMED, "three parts"),
    "padding": (jws() + "==", Reason.MALFORMED, "the signature is not base64url"),
    "a plus for a minus": ("eyJ+." + jws().partition(".")[2], Reason.MALFORMED, "header is not base64url"),
    "a length that no bytes have": (f"{b64(b'{}')}.abcde.", Reason.MALFORMED, "the payload is not base64url"),
    "a header that is no JSON": (sealed(b"{", deflated(b"{}")), Reason.MALFORMED, "jws header: not JSON"),
    "a header with two algorithms": (
        sealed(b'{"alg":"ES256","alg":"none","zip":"DEF"}', deflated(b"{}")), Reason.MALFORMED, "twice"),
    "a header that is a list": (sealed([], deflated(b"{}")), Reason.MALFORMED, "not an object"),
    "a critical header": (sealed(HEADER | {"crit": ["x"]}, deflated(b"{}")), Reason.MALFORMED, "critical"),
    "a token of another world": (
        sealed({"alg": "ES256"}, b'{"sub":"someone"}'), Reason.NOT_CERT, "no health card"),
    "one part of three": (shc.numeric(jws(), 3)[1], Reason.INCOMPLETE, "part 2 of 3"),
}  # fmt: skip


def test_every_pair_of_digits_is_a_character_of_its_own_or_none() -> None:
    """00 is the minus, and so on to 77, the z."""
    for pair in range(100):
        if pair <= 77:
            assert shc.characters(f"{pair:02}") == chr(pair + ord("-"))
        else:
            with pytest.raises(MalformedError, match="above 77"):
                shc.characters(f"00{pair:02}")


def test_of_headers_only_such_as_say_no_more_than_they_must_are_remembered() -> None:
    """It is not proven, and may repeat claims (RFC 7519 §5.3): what could be about somebody is not kept."""
    for header, remembered in ((HEADER, 1), ({**HEADER, "sub": "NGUYEN THI MINH KHAI 1988-02-29"}, 0)):
        shc._header.cache_clear()
        for _ in range(2):
            assert shc.open_shc(sealed(header, deflated(b"{}"))).kid == KID.encode()
        assert shc._header.cache_info().currsize == remembered


@pytest.mark.parametrize("name", OPENING)
def test_a_broken_container_is_named(name: str) -> None:
    """Each fault has its reason and its words, and the words hold nothing of the card."""
    text, reason, words = OPENING[name]
    with pytest.raises(MalformedError, match=words) as caught:
        shc.open_shc(text)
    assert caught.value.reason is reason


DECODING: dict[str, tuple[str, Reason, str]] = {
    "a payload that is not compressed": (
        sealed({"alg": "ES256", "kid": KID}, json.dumps(card()).encode()), Reason.MALFORMED, "compression"),
    "a compressed payload that the header denies": (
        sealed({"alg": "ES256", "kid": KID}, deflated(json.dumps(card()).encode())), Reason.MALFORMED, "DEF"),
    "another compression": (sealed(HEADER | {"zip": "GZ"}, b"x"), Reason.MALFORMED, "compression"),
    "a zlib stream": (sealed(HEADER, zlib.compress(b"{}")), Reason.MALFORMED, "raw deflate"),
    "a stream cut short": (sealed(HEADER, deflated(b"{}" * 90)[:-3]), Reason.MALFORMED, "cut short"),
    "an empty payload": (sealed(HEADER, b""), Reason.MALFORMED, "cut short"),
    "bytes after the stream": (sealed(HEADER, deflated(b"{}") + b"x"), Reason.MALFORMED, "after the end"),
    "a stream that expands without end": (
        sealed(HEADER, deflated(bytes(9_000_000))), Reason.TOO_BIG, "expands beyond"),
    "no JSON inside": (sealed(HEADER, deflated(b"hello")), Reason.MALFORMED, "not JSON"),
    "a text inside": (sealed(HEADER, deflated(b'"{}"')), Reason.MALFORMED, "not an object"),
    "a byte order mark inside": (sealed(HEADER, deflated(b"\xef\xbb\xbf{}")), Reason.MALFORMED, "not JSON"),
    "a member twice": (sealed(HEADER, deflated(b'{"iss":"a","iss":"b"}')), Reason.MALFORMED, "twice"),
    "NaN": (sealed(HEADER, deflated(b'{"nbf":NaN}')), Reason.MALFORMED, "NaN"),
    "brackets without end": (sealed(HEADER, deflated(b"[" * 1000)), Reason.TOO_BIG, "nested"),
}  # fmt: skip


@pytest.mark.parametrize("name", DECODING)
def test_a_broken_payload_still_opens_and_is_named_when_it_is_decoded(name: str) -> None:
    """The signature of a card whose payload cannot be read is still reported on."""
    text, reason, words = DECODING[name]
    envelope = shc.open_shc(text)
    assert load_spki(spki_of()).verify(ES256, envelope.signature, envelope.to_be_signed)
    for _ in range(2):  # once for the report, once for the judgement
        with pytest.raises(MalformedError, match=words) as caught:
            shc.decode_shc(envelope)
        assert caught.value.reason is reason


def test_an_uncompressed_card_still_names_its_issuer() -> None:
    """The hint leads to the key, so that the answer is about the missing compression and not the key."""
    text = sealed({"alg": "ES256", "kid": KID}, json.dumps(card()).encode())
    assert shc.open_shc(text).issuer_hint == ISSUER


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\1" * 70, b"\1"])
def test_pitfall_06_a_signature_of_any_length_opens_and_does_not_verify(signature: bytes) -> None:
    """A wrong length is a bad signature and no broken container."""
    envelope = shc.open_shc(sealed(HEADER, deflated(b"{}"), signature))
    assert not load_spki(spki_of()).verify(ES256, envelope.signature, envelope.to_be_signed)


# --- Parts


def parts(count: int = 3, payload: Mapping[str, Any] | None = None) -> list[shc.Part]:
    found = [part for part in map(shc.part_of, shc.numeric(jws(payload), count)) if part]
    assert len(found) == count
    return found


@pytest.mark.scenario("SC-F10")
def test_a_missing_part_is_incomplete_and_says_how_many_are_there() -> None:
    """Progress as "1 of 3", whichever part it is, and however often it was read."""
    one, two, three = parts()
    for held, progress in (
        ([two], "1 of 3"),
        ([two, two], "1 of 3"),
        ([three, one], "2 of 3"),
        ([], "0 of 0"),
    ):
        with pytest.raises(MalformedError, match=progress) as caught:
            shc.join(held)
        assert caught.value.reason is Reason.INCOMPLETE
    assert shc.open_shc(shc.join([three, one, two])).kid == KID.encode()


def test_parts_of_different_cards_are_not_put_together() -> None:
    """Another count, or other content under the same number, is another card."""
    one, two, three = parts()
    other = parts(payload=card(nbf=NBF - 7))
    for mixed in ([one, two, parts(2)[1]], [one, two, three, other[1]]):
        with pytest.raises(MalformedError, match="different cards") as caught:
            shc.join(mixed)
        assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("shc:/3/2/5656", Reason.MALFORMED),
        ("shc:/0/2/5656", Reason.MALFORMED),
        ("shc:/1/0/5656", Reason.MALFORMED),
        ("shc:/01/2/5656", Reason.MALFORMED),
        ("shc:/1/2", Reason.MALFORMED),
        ("shc:/a/b/5656", Reason.MALFORMED),
        ("shc:/1/2/", Reason.MALFORMED),
        ("shc:/1/2/565", Reason.MALFORMED),
        ("shc:/1/2/5678", Reason.MALFORMED),
        ("shc:/1/2/56/56", Reason.MALFORMED),
        ("shc:/1/2/565６", Reason.MALFORMED),
        ("shc:/1/33/5656", Reason.TOO_BIG),
        (f"shc:/1/{'9' * 5000}/56", Reason.TOO_BIG),
        (f"shc:/1/2/{'56' * 4000}", Reason.TOO_BIG),
    ],
)
def test_a_broken_part_is_named(text: str, reason: Reason) -> None:
    """A part says which it is, of how many, and holds pairs of digits up to 77."""
    for step in (shc.part_of, shc.open_shc):
        with pytest.raises(MalformedError) as caught:
            step(text)
        assert caught.value.reason is reason


def test_what_is_no_part_is_none_and_one_part_of_one_is_a_card() -> None:
    """Whoever asks may give any text."""
    assert [shc.part_of(text) for text in ("", "HC1:/1/2/56", "shc:/5656", jws())] == [None] * 4
    whole = shc.numeric(jws())[0].replace(shc.PREFIX, "shc:/1/1/")
    assert shc.open_shc(whole).kid == KID.encode()


def test_too_many_characters_in_all_parts_meet_a_limit() -> None:
    """32 full symbols are more than any card."""
    with pytest.raises(MalformedError, match="in all parts") as caught:
        shc.join(shc.Part(number, 32, "56" * 3000) for number in range(1, 33))
    assert caught.value.reason is Reason.TOO_BIG


@pytest.mark.parametrize("count", [0, -1, 33])
def test_a_card_is_cut_into_1_to_32_parts(count: int) -> None:
    """Another number is our own mistake."""
    with pytest.raises(ValueError, match="parts"):
        shc.numeric(jws(), count)


# --- Files


def test_a_file_gives_its_cards() -> None:
    """Health-card files and FHIR parameters; a card by itself is its own only one."""
    one, two = jws(), jws(card(nbf=NBF - 1))
    file = json.dumps({"verifiableCredential": [one, f" {two}\n"], "more": 1}, indent=1)
    assert shc.cards_in(f"\n {file} \n") == [one, two]
    parameters = [{"name": "verifiableCredential", "valueString": one}, {"name": "other", "valueString": "x"}]
    wrapped = json.dumps({"resourceType": "Parameters", "parameter": parameters})
    assert shc.cards_in(wrapped) == [one]
    assert [shc.is_card_file(text) for text in (file, wrapped, one, '{"data":{},"sig":{}}')] == [
        True, True, False, False,
    ]  # fmt: skip
    for text in (one, shc.numeric(one)[0]):
        assert shc.cards_in(f" {text}\n") == [text]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", Reason.NOT_CERT),
        ("", Reason.NOT_CERT),
        ('{"data": 1}', Reason.NOT_CERT),
        ("{", Reason.MALFORMED),
        ('{"verifiableCredential": []}', Reason.MALFORMED),
        ('{"verifiableCredential": "eyJ"}', Reason.MALFORMED),
        ('{"verifiableCredential": [1]}', Reason.MALFORMED),
        ('{"resourceType": "Parameters", "parameter": []}', Reason.MALFORMED),
        (json.dumps({"verifiableCredential": ["eyJ"] * 33}), Reason.TOO_BIG),
        (json.dumps({"verifiableCredential": ["x" * 70_000]}), Reason.TOO_BIG),
    ],
)
def test_a_file_without_cards_is_named(text: str, reason: Reason) -> None:
    """Neither JSON of another kind nor an empty file is a card."""
    with pytest.raises(MalformedError) as caught:
        shc.cards_in(text)
    assert caught.value.reason is reason


# --- Claims


def test_the_claims_give_issuer_and_period_as_written() -> None:
    """``nbf`` and ``exp`` in seconds, with fractions;
    the issuer is not trimmed, because keys are found by it."""
    claims = shc.decode_shc(shc.open_shc(jws(card(iss=ISSUER + "/ ", nbf=NBF + 0.5, exp=NBF + 60))))
    start = datetime.fromtimestamp(NBF, UTC)
    assert claims.issuer == ISSUER + "/ "
    assert (claims.issued_at, claims.expires_at) == (
        start + timedelta(seconds=0.5),
        start + timedelta(minutes=1),
    )
    assert claims.bad_time is None


@pytest.mark.parametrize("wrong", [{"nbf": "1640995200"}, {"exp": True}, {"exp": 1e300}, {"nbf": [1]}])
def test_a_time_that_is_none_is_told_beside_the_claims(wrong: dict[str, Any]) -> None:
    """The rest still decodes; whoever judges makes it malformed."""
    claims = shc.decode_shc(shc.open_shc(jws(card(**wrong))))
    assert claims.bad_time is not None
    assert claims.document is not None


# --- Content


def test_a_dose_is_read_into_the_common_vocabulary() -> None:
    """CVX becomes disease, kind and product of the EU value sets; what a card does not state stays absent."""
    applied = [{"doseNumberPositiveInt": 2, "seriesDosesPositiveInt": 2}]
    payload = read(card(dose(protocolApplied=applied, manufacturer={"display": "ORG-1"})))
    (event,) = payload.events
    assert (payload.holder.surname, payload.holder.given) == ("Nguyễn", "Bảo Duy")
    assert (payload.holder.birth_date, payload.version, payload.findings) == ("1983-10-10", "4.0.1", ())
    assert (event.disease, event.vaccine, event.product, event.maker) == (
        COVID_19,
        MRNA,
        "EU/1/20/1528",
        "ORG-1",
    )
    assert (event.dose, event.doses, event.given) == (2, 2, date(2021, 9, 2))
    assert (event.country, event.issuer, event.identifier) == ("", "Clinic of the North", "")


def test_several_doses_in_one_card_are_normal() -> None:
    """Each is an event, in the order of the card."""
    payload = read(card(dose(), dose(occurrenceDateTime="2021-10-02"), observation()))
    assert [type(event) for event in payload.events] == [Vaccination, Vaccination, documents.Test]
    assert payload.findings == ()


@pytest.mark.parametrize(
    ("concept", "product", "kind", "disease"),
    [
        ({"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "37"}]}, "37", "", YELLOW_FEVER),
        ({"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "999"}]}, "999", "", ""),
        ({"coding": [{"system": "https://else.example", "code": "207"}]}, "207", "", ""),
        ({"coding": [{"code": "EU/1/20/1507"}]}, "EU/1/20/1507", MRNA, COVID_19),
        (
            {"coding": [{"system": "http://id.who.int/icd/release/11/mms", "code": "XM0GQ8"}]},
            "",
            MRNA,
            COVID_19,
        ),
        ({"text": "Comirnaty"}, "EU/1/20/1528", MRNA, COVID_19),
        ({"text": "207"}, "207", "", ""),
        ({"coding": "208"}, "", "", ""),
        (None, "", "", ""),
    ],
)
def test_a_vaccine_code_is_read_by_its_system(concept: Any, product: str, kind: str, disease: str) -> None:
    """207 is a vaccine under CVX and nothing elsewhere; an unknown code is passed on for a rule to meet."""
    (event,) = read(card(dose(vaccineCode=concept))).events
    assert (event.product, event.vaccine, event.disease) == (product, kind, disease)


def test_the_disease_may_stand_in_the_course() -> None:
    """``targetDisease`` counts where the vaccine's code tells none."""
    target = [{"targetDisease": [{"coding": [{"system": "http://snomed.info/sct", "code": "6142004"}]}]}]
    other = {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "141"}]}
    assert read(card(dose(vaccineCode=other, protocolApplied=target))).events[0].disease == "6142004"
    assert read(card(dose(protocolApplied=target))).events[0].disease == COVID_19


@pytest.mark.parametrize(
    ("applied", "numbers"),
    [
        ([], (None, None)),
        ([{"doseNumberString": "3"}], (3, None)),
        ([{"doseNumberString": "booster", "seriesDosesPositiveInt": 2.0}], (None, 2)),
        ([{"doseNumberPositiveInt": 1}, {"doseNumberPositiveInt": 2}], (None, None)),
    ],
)
def test_a_dose_number_is_read_where_it_has_one_meaning(applied: Any, numbers: Any) -> None:
    """Of two courses, or of a word, nobody can say which number is meant."""
    (event,) = read(card(dose(protocolApplied=applied))).events
    assert (event.dose, event.doses) == numbers


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2021-09", None),
        ("2021", None),
        (None, None),
        ("2021-09-02T23:30:00-05:00", date(2021, 9, 2)),
    ],
)
def test_a_date_is_taken_as_written_and_a_partial_one_is_no_day(written: Any, day: date | None) -> None:
    """No shift to another zone, and no first of the month for a month."""
    assert read(card(dose(occurrenceDateTime=written))).events[0].given == day


def test_a_dose_that_was_not_given_is_no_event() -> None:
    """Only completed ones count; a card of nothing else has no event that is read."""
    refused = dose(status="not-done", occurrenceDateTime="2022-01-01")
    mistaken = dose(status="entered-in-error")
    assert len(read(card(refused, dose(), mistaken)).events) == 1
    assert misread(card(refused, mistaken))[0] is Reason.UNSUPPORTED


ODD_DOSES: dict[str, dict[str, Any]] = {
    "a dose marked as subpotent": {"isSubpotent": True},
    "a dose whose mark cannot be read": {"isSubpotent": "no"},
    "a modifier that is not known": {"modifierExtension": [{"url": "https://else.example"}]},
    "rules that are not known": {"implicitRules": "https://else.example"},
    "the codes of two vaccines": {
        "vaccineCode": {
            "coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": c} for c in ("207", "208")]
        }
    },
}


@pytest.mark.parametrize("name", ODD_DOSES)
def test_what_changes_a_dose_in_an_unknown_way_needs_a_person(name: str) -> None:
    """The dose is shown and the answer is not green."""
    payload = read(card(dose(**ODD_DOSES[name])))
    assert [found.code for found in payload.findings] == [Reason.VALUE_UNKNOWN]
    assert len(payload.events) == 1
    assert read(card(dose(isSubpotent=False))).findings == ()


def test_two_codes_of_one_vaccine_are_one_vaccine() -> None:
    """Pack sizes and age groups of one product are no contradiction."""
    codes = {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": c} for c in ("208", "217")]}
    assert read(card(dose(vaccineCode=codes))).findings == ()


def test_a_test_is_read_with_kind_time_and_result() -> None:
    """LOINC and SNOMED CT become the EU's codes; the instant keeps its offset."""
    (event,) = read(card(observation())).events
    assert isinstance(event, documents.Test)
    assert (event.disease, event.kind, event.result) == (COVID_19, NAAT, NOT_DETECTED)
    assert event.sampled == datetime(2022, 2, 27, 14, tzinfo=UTC)
    assert (event.sampled_text, event.issuer) == ("2022-02-27T21:00:00+07:00", "Laboratory 7")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"valueString": "Not detected", "valueCodeableConcept": None}, NOT_DETECTED),
        ({"valueCodeableConcept": {"coding": [{"code": "10828004"}]}}, DETECTED),
        ({"valueCodeableConcept": {"text": "Positive"}}, DETECTED),
        ({"valueCodeableConcept": {"coding": [{"code": "455371000124106"}]}}, "455371000124106"),
        ({"valueCodeableConcept": {"coding": [{"code": DETECTED}, {"code": NOT_DETECTED}]}}, ""),
        ({"valueString": "Detected"}, ""),
        ({"valueCodeableConcept": None}, ""),
    ],
)
def test_a_result_is_one_code_or_none(value: dict[str, Any], result: str) -> None:
    """Codes that contradict each other are no result."""
    assert read(card(observation(**value))).events[0].result == result


@pytest.mark.parametrize("written", ["2022-02-27", "2022-02", None])
def test_a_sample_without_a_time_has_none(written: Any) -> None:
    """Midnight is not put in its place."""
    (event,) = read(card(observation(effectiveDateTime=written))).events
    assert (event.sampled, event.sampled_text) == (None, written or "")


def test_an_observation_of_another_kind_is_no_test() -> None:
    """An antibody count must not become a positive test; beside a dose it is named, alone it is not read."""
    antibodies = observation(code={"coding": [{"system": "http://loinc.org", "code": "94563-4"}]})
    payload = read(card(dose(), antibodies))
    assert len(payload.events) == 1
    assert [found.code for found in payload.findings] == [Reason.VALUE_UNKNOWN]
    assert misread(card(antibodies))[0] is Reason.UNSUPPORTED
    assert misread(card(observation(status="preliminary")))[0] is Reason.UNSUPPORTED


def test_a_medicine_is_a_prophylaxis() -> None:
    """Product, day, disease and who gave it; no period, because a card states none."""
    (event,) = read(card(medicine())).events
    assert isinstance(event, Prophylaxis)
    assert (event.disease, event.product, event.given) == (COVID_19, "J06BD03", date(2022, 2, 1))
    assert (event.valid_from, event.valid_until, event.issuer) == (None, None, "Clinic of the North")
    assert misread(card(medicine(status="stopped")))[0] is Reason.UNSUPPORTED


NAMES: dict[str, tuple[Any, tuple[str, str]]] = {
    "the official one of several": (
        [{"use": "nickname", "given": ["Bo"]}, {"use": "official", "family": "Trần", "given": ["Bo"]}],
        ("Trần", "Bo"),
    ),
    "the first one when none has a use": ([{"family": "A"}, {"family": "B"}], ("A", "")),
    "a text without parts": ([{"text": " Duy Nguyễn "}], ("Duy Nguyễn", "")),
    "an empty one before a good one": ([{}, {"given": ["Duy"]}], ("", "Duy")),
    "a name of the past when there is no other": ([{"use": "old", "family": "A"}], ("A", "")),
    "parts that are no texts": ([{"family": 7, "given": [None, "Duy", 3]}], ("", "Duy")),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_holder_has_the_best_of_the_names(name: str) -> None:
    """Official before usual before unmarked; a text only where there are no parts."""
    names, expected = NAMES[name]
    subject = {"fhirVersion": "4.0.1", "fhirBundle": bundle(patient=PATIENT | {"name": names})}
    holder = read(card(vc={"credentialSubject": subject})).holder
    assert (holder.surname, holder.given) == expected


def subject_with(**changes: Any) -> dict[str, Any]:
    return card(vc={"credentialSubject": {"fhirVersion": "4.0.1", "fhirBundle": bundle()} | changes})


def entries(*resources: Any) -> dict[str, Any]:
    whole = bundle()
    return subject_with(
        fhirBundle=whole | {"entry": [{"fullUrl": "resource:0", "resource": r} for r in resources]}
    )


CONTENT: dict[str, tuple[dict[str, Any], Reason, str]] = {
    "another kind of credential": (
        card(vc={"type": ["https://smarthealth.cards#wrong"]}), Reason.UNSUPPORTED, "no health card"),
    "a credential without a type": (card(vc={"type": None}), Reason.UNSUPPORTED, "no health card"),
    "no credential": (card() | {"vc": None}, Reason.MALFORMED, "vc is not an object"),
    "no issuer": (card(iss=None), Reason.MALFORMED, "no issuer"),
    "no begin": (card(nbf=None), Reason.MALFORMED, "since when"),
    "FHIR of another major version": (subject_with(fhirVersion="5.0.0"), Reason.UNSUPPORTED, "FHIR"),
    "a version that only begins like ours": (subject_with(fhirVersion="40.1"), Reason.UNSUPPORTED, "FHIR"),
    "no version of FHIR": (subject_with(fhirVersion=None), Reason.MALFORMED, "version"),
    "no bundle": (subject_with(fhirBundle=None), Reason.MALFORMED, "fhirBundle"),
    "a bundle of another kind": (
        subject_with(fhirBundle={"resourceType": "List", "entry": []}), Reason.MALFORMED, "not a bundle"),
    "a bundle without entries": (
        subject_with(fhirBundle={"resourceType": "Bundle"}), Reason.MALFORMED, "list of entries"),
    "an entry without a resource": (entries(PATIENT, None), Reason.MALFORMED, "resource is not an object"),
    "more entries than a card has": (entries(PATIENT, *[dose()] * 64), Reason.TOO_BIG, "64 entries"),
    "nobody": (entries(dose()), Reason.UNSUPPORTED, "0 persons"),
    "two persons": (entries(PATIENT, PATIENT, dose()), Reason.MALFORMED, "2 persons"),
    "a dose of another person": (
        card(dose(), dose(patient={"reference": "resource:9"})), Reason.MALFORMED, "another person"),
    "a test of another person": (
        card(observation(subject={"reference": "Patient/9"})), Reason.MALFORMED, "another person"),
    "a person that is no reference": (card(dose(patient=[])), Reason.MALFORMED, "another person"),
    "a person without a name": (entries({"resourceType": "Patient"}, dose()), Reason.MALFORMED, "no name"),
    "no event of a kind that is read": (
        card({"resourceType": "Condition"}), Reason.UNSUPPORTED, "no event"),
    "a day that is none": (card(dose(occurrenceDateTime="2021-09-99")), Reason.MALFORMED, "not a date"),
    "a month that is none": (card(dose(occurrenceDateTime="2021-13")), Reason.MALFORMED, "not a date"),
    "a date that is no text": (card(dose(occurrenceDateTime=20210902)), Reason.MALFORMED, "not a date"),
    "a sample at 25 o'clock": (
        card(observation(effectiveDateTime="2022-02-27T25:00:00Z")), Reason.MALFORMED, "not a date and time"),
    "dose 0": (card(dose(protocolApplied=[{"doseNumberPositiveInt": 0}])), Reason.MALFORMED, "dose"),
    "dose 100": (card(dose(protocolApplied=[{"doseNumberPositiveInt": 100}])), Reason.MALFORMED, "dose"),
    "half a dose": (card(dose(protocolApplied=[{"seriesDosesPositiveInt": 1.5}])), Reason.MALFORMED, "Doses"),
    "a revocation id that is too long": (card(vc={"rid": "a" * 25}), Reason.MALFORMED, "revocation id"),
    "a revocation id with a point": (card(vc={"rid": "abc.123"}), Reason.MALFORMED, "revocation id"),
    "an empty revocation id": (card(vc={"rid": ""}), Reason.MALFORMED, "revocation id"),
    "a revocation id that is a number": (card(vc={"rid": 7}), Reason.MALFORMED, "revocation id"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT)
def test_content_that_cannot_be_right_is_named(name: str) -> None:
    """Each fault has its reason, and nothing of the card stands in its words."""
    payload, reason, words = CONTENT[name]
    found, text = misread(payload)
    assert (found, words in text) == (reason, True), text
    assert "Nguyễn" not in text


def test_more_than_is_read_is_ignored() -> None:
    """Other members, other resources, an own reference by id, an event that names nobody."""
    patient = PATIENT | {"id": "p1", "gender": "male", "telecom": [{"system": "phone"}]}
    events = [{"resourceType": "Location", "name": "A"}, dose(patient={"reference": "Patient/p1"}), dose()]
    del events[2]["patient"]
    subject = {"fhirVersion": "4.0.1", "fhirBundle": bundle(*events, patient=patient), "more": 1}
    payload = read(card(vc={"credentialSubject": subject, "@context": ["x"]}, more=[1]))
    assert (len(payload.events), payload.findings) == (2, ())


# --- Revocation


def test_a_card_can_be_revoked_by_its_id_and_by_the_hash_of_its_bundle() -> None:
    """The hash is over canonical JSON in unpadded base64url, 8 bytes of it; order does not matter."""
    payload = read(card())
    canonical = json.dumps(bundle(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(b64(canonical.encode()).encode()).digest()
    assert payload.identifiers == ((HashKind.RID, "aBcd_-1234"), (HashKind.FHIR, b64(digest[:8])))
    assert read(card(vc={"rid": None})).identifiers == payload.identifiers[1:]
    turned = dict(reversed(bundle().items()))
    assert fhir.hash_fhir(turned) == b64(digest[:8])


# --- Keys


def jwk(label: str = "card", **changes: Any) -> dict[str, Any]:
    point = private_key(label).public_key().public_numbers()
    x, y = (b64(number.to_bytes(32, "big")) for number in (point.x, point.y))
    key = {"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y}
    return key | {"kid": shc_keys.thumbprint(spki_of(label))} | changes


def certificate(
    subject: str,
    signer: str,
    *,
    label: str | None = None,
    by: str | None = None,
    ca: bool = True,
    path_length: int | None = None,
    uri: str | None = None,
    years: int = 9,
    digest: Any = None,
    key_cert_sign: bool | None = None,
) -> bytes:
    """A certificate for the key of ``label``, else ``subject``, signed by that of ``by``, else ``signer``."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (subject, signer)]
    start = NOW - timedelta(days=100)
    made = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(private_key(label or subject).public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    if uri is not None:
        name = x509.UniformResourceIdentifier(uri)
        made = made.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    if key_cert_sign is not None:
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
        flags = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=key_cert_sign, **flags)
        made = made.add_extension(usage, critical=True)
    return made.sign(private_key(by or signer), digest or hashes.SHA256()).public_bytes(Encoding.DER)


LEAF = certificate("leaf", "middle", label="card", ca=False, uri=ISSUER)
MIDDLE, ROOT = certificate("middle", "root", path_length=0), certificate("root", "root")


def x5c(*chain: bytes) -> list[str]:
    return [base64.b64encode(der).decode() for der in chain]


def test_a_key_with_a_good_chain_has_no_problem() -> None:
    """With its root or without it: who trusts the end of a chain is another question."""
    for chain in ([LEAF, MIDDLE, ROOT], [LEAF, MIDDLE]):
        assert shc_keys.key_problems(jwk(x5c=x5c(*chain)), issuer=ISSUER, now=NOW) == []
        assert shc_keys.chain_holds(chain)
    assert shc_keys.key_problems(jwk(crlVersion=3), issuer=ISSUER, now=NOW) == []


KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "of another type": (jwk(kty="RSA"), "kty"),
    "for encryption": (jwk(use="enc"), "use"),
    "without a use": ({name: value for name, value in jwk().items() if name != "use"}, "use"),
    "for another algorithm": (jwk(alg="ES384"), "alg"),
    "on another curve": (jwk(crv="P-384"), "crv"),
    "with another thumbprint": (jwk(kid=shc_keys.thumbprint(spki_of("other"))), "thumbprint"),
    "without a KID": (jwk(kid=None), "thumbprint"),
    "with its private part": (jwk(d="AA"), "private"),
    "off its curve": (jwk(y=jwk("other")["y"]), "point"),
    "with a coordinate that is too long": (jwk(x="AAAA" + jwk()["x"]), "bytes"),
    "with a coordinate that is no text": (jwk(x=None), "x"),
    "with a padded coordinate": (jwk(x=jwk()["x"] + "="), "base64url"),
    "with a chain that is no list": (jwk(x5c="MII"), "x5c"),
    "with an empty chain": (jwk(x5c=[]), "x5c"),
    "with a chain of base64url": (jwk(x5c=["-_-_"]), "Base64"),
    "with a chain of numbers": (jwk(x5c=[7]), "Base64"),
    "with an endless chain": (jwk(x5c=x5c(*[LEAF] * 9)), "x5c"),
    "with bytes for a certificate": (jwk(x5c=["AAAA"]), "cannot be used"),
    "with the certificate of another key": (
        jwk("other", x5c=x5c(LEAF, MIDDLE)), "another key"),
    "with another issuer's name": (
        jwk(x5c=x5c(certificate("leaf", "middle", label="card", ca=False, uri=ISSUER + "/"))), "name"),
    "without an issuer's name": (
        jwk(x5c=x5c(certificate("leaf", "middle", label="card", ca=False), MIDDLE)), "name"),
    "with a chain in the wrong order": (jwk(x5c=x5c(LEAF, ROOT, MIDDLE)), "cannot be used"),
    "with a signature by another key": (
        jwk(x5c=x5c(LEAF, certificate("middle", "root", label="other"))), "does not hold"),
    "with a root that did not sign itself": (
        jwk(x5c=x5c(LEAF, MIDDLE, certificate("root", "root", by="other"))), "does not hold"),
    "issued by one that is no CA": (
        jwk(x5c=x5c(LEAF, certificate("middle", "root", ca=False), ROOT)), "no CA"),
    "issued by a key for other purposes": (
        jwk(x5c=x5c(LEAF, certificate("middle", "root", key_cert_sign=False), ROOT)), "may not sign"),
    "with a longer chain than its root allows": (
        jwk(x5c=x5c(LEAF, MIDDLE, certificate("root", "root", path_length=0))), "longer"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_a_bad_key_is_named(name: str) -> None:
    """An issuer's key is taken only without any problem."""
    key, words = KEYS[name]
    problems = shc_keys.key_problems(key, issuer=ISSUER, now=NOW)
    assert problems
    assert any(words in problem for problem in problems), problems


def test_a_chain_is_judged_at_an_instant_or_not_at_all() -> None:
    """Validity counts only where there is a clock."""
    old = certificate("leaf", "middle", label="card", ca=False, uri=ISSUER, years=0)
    key = jwk(x5c=x5c(old, MIDDLE, ROOT))
    assert shc_keys.key_problems(key, issuer=ISSUER, now=NOW) == ["x5c: a certificate outside its period"]
    assert shc_keys.key_problems(key, issuer=ISSUER, now=None) == []


def test_an_old_hash_does_not_hold_a_chain_together() -> None:
    """SHA-1 can be forged; only the SHA-2 family counts. (ECDSA with SHA-224 stands for the weak ones.)"""
    weak = certificate("leaf", "middle", label="card", ca=False, digest=hashes.SHA224())
    assert shc_keys.chain_problem([weak, MIDDLE]) == "signed with sha224"


def test_an_endless_or_empty_chain_is_refused_unread() -> None:
    """Its length meets a limit first."""
    assert shc_keys.chain_problem([]) is not None
    assert shc_keys.chain_problem([LEAF] * 9) is not None
    assert not shc_keys.chain_holds([b"", b""])


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    """Only the required members, in alphabetical order, for each type of key that is accepted."""
    for key in (
        private_key().public_key(),
        private_key("long", ec.SECP521R1).public_key(),
        rsa.generate_private_key(65537, 2048).public_key(),
        ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key(),
    ):
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        members = json.dumps(required_members(key), sort_keys=True, separators=(",", ":"))
        assert shc_keys.thumbprint(spki) == b64(hashlib.sha256(members.encode()).digest())


def required_members(key: Any) -> dict[str, str]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        point, size = key.public_numbers(), (key.key_size + 7) // 8
        x, y = (b64(number.to_bytes(size, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": f"P-{key.key_size}", "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"kty": "RSA", "e": "AQAB", "n": b64(numbers.n.to_bytes(256, "big"))}
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_bytes_raw())}
