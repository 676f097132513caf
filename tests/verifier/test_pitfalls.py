"""The security pitfalls, each closed by a rule. The number is in the test's name.

12, 17, 21 and 24 have their proofs where the network, the trust store and the page are: ``test_imports.py``,
``tests/trustsync`` and ``tests/appliance``; 23 has its matrix in ``test_mutations.py``.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from desk import COUNTRY, NOW, Desk, Signer, person, reopened, signing_key, vaccination

from appliance.cli.cases import read_cases
from issuer.keys import Algorithm
from verifier.certificate import Family
from verifier.keys import _ORDER, ES256, KeyRefusedError, load_certificate, load_spki, uses_of
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind, TrustedKey, TrustList
from verifier.wire import base45, cbor, cose, deflate, hc1, national, nzcp, shc, shc_keys, strict_json
from verifier.wire.errors import MalformedError

FAIL, PASS = State.FAIL, State.PASS
P256_ORDER = _ORDER["secp256r1"]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def signer(desk: Desk) -> Signer:
    return desk.signer()


def resealed(
    text: str, *, header: dict[int, Any] | bytes | None = None, loose: Any = None, **parts: bytes
) -> str:
    """A code's envelope put together again with something else in it."""
    envelope, _ = reopened(text)
    protected = header if isinstance(header, bytes) else None
    protected = envelope.protected if header is None else protected or cose.encode_protected(header)
    payload, signature = parts.get("payload", envelope.payload), parts.get("signature", envelope.signature)
    return hc1.pack(cbor2.dumps(cbor2.CBORTag(18, [protected, loose or {}, payload, signature])))


def test_pitfall_01_a_deflate_bomb_stops_at_the_cap() -> None:
    """Inflate stops at 64 KiB, before anything is parsed; both just over and far over the cap."""
    for size in (deflate.MAX_INFLATED + 1, 50_000_000):
        with pytest.raises(MalformedError) as caught:
            deflate.inflate(zlib.compress(bytes(size), 9))
        assert caught.value.reason is Reason.TOO_BIG
    assert len(deflate.inflate(zlib.compress(bytes(deflate.MAX_INFLATED)))) == deflate.MAX_INFLATED


@pytest.mark.parametrize("alg", [0, None, 5, 4, -65535, -257, "none", -16, -47])
def test_pitfall_02_no_algorithm_outside_the_list(desk: Desk, signer: Signer, alg: Any) -> None:
    """alg none, HMAC, RSA PKCS#1 v1.5 and others are refused whatever the key is."""
    header = {cose.HEADER_ALG: alg, cose.HEADER_KID: signer.kid}
    assert desk.outcome(resealed(signer.issue(vaccination()), header=header)) == (FAIL, [Reason.ALG_REFUSED])


def test_pitfall_03_an_algorithm_outside_the_protected_header_is_refused(desk: Desk, signer: Signer) -> None:
    """Protected only: a validly signed code with alg in the unprotected header is ALG_REFUSED."""
    envelope, _ = reopened(signer.issue(vaccination()))
    protected = cose.encode_protected({cose.HEADER_KID: signer.kid})
    signature = signer.key.sign(cose.sig_structure(protected, envelope.payload))
    text = resealed(signer.issue(vaccination()), header=protected, loose={1: -7}, signature=signature)
    assert desk.outcome(text) == (FAIL, [Reason.ALG_REFUSED])
    assert "only outside the protected header" in desk.detail(text)


def test_pitfall_04_one_kid_names_a_bounded_number_of_keys() -> None:
    """Lookup returns a list, and a hostile list cannot make it endless: 16 keys a KID."""
    spki = signing_key(Algorithm.ES256, "1").spki()
    assert len(TrustList.of([TrustedKey(b"kid", spki)] * 16).candidates(b"kid")) == 16
    with pytest.raises(ValueError, match="17 keys"):
        TrustList.of([TrustedKey(b"kid", spki)] * 17)


def test_pitfall_05_odd_curves_and_weak_rsa_never_verify_for_a_green(desk: Desk) -> None:
    """Curve, size and family are checked before verifying, with an error of their own."""
    curve = ec.generate_private_key(ec.SECP256K1()).public_key()
    with pytest.raises(KeyRefusedError, match="secp256k1"):
        load_spki(curve.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    weak = rsa.generate_private_key(65537, 1024)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    spki = weak.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    desk.keys.append(TrustedKey(b"weak-rsa", spki, country="XV"))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    text = hc1.encode_hc1(
        vaccination(), iss="XV", iat=None, exp=None, kid=b"weak-rsa", alg=-37,
        sign=lambda data: weak.sign(data, pss, hashes.SHA256()),
    )  # fmt: skip
    assert desk.outcome(text) == (FAIL, [Reason.ALG_REFUSED])
    assert desk.judged(text).reading.checks.signature is True  # the report tells what the state refuses


def test_pitfall_06_a_der_signature_where_raw_belongs_is_bad(desk: Desk, signer: Signer) -> None:
    """Raw r‖s of exactly the curve's length; never guessed."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    text = signer.issue(vaccination())
    raw = reopened(text)[0].signature
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    for wrong in (der, raw[:-1], raw + b"\0", b""):
        assert desk.outcome(resealed(text, signature=wrong)) == (FAIL, [Reason.SIG_BAD])


def test_pitfall_07_the_malleable_twin_of_a_revoked_signature_is_revoked(desk: Desk, signer: Signer) -> None:
    """(r, n-s) verifies as well; revocation hashes r only and still catches it."""
    text = signer.issue(vaccination())
    raw = reopened(text)[0].signature
    twin = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    other = resealed(text, signature=twin)
    assert desk.outcome(other) == (PASS, [])
    desk.revocation.entries.add((signer.kid, HashKind.SIGNATURE, hashlib.sha256(raw[:32]).digest()[:16]))
    assert desk.outcome(other) == (FAIL, [Reason.REVOKED])


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


@pytest.mark.parametrize("half", ["r", "s"])
@pytest.mark.parametrize("value", [0, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
def test_pitfall_08_r_and_s_lie_in_range(desk: Desk, signer: Signer, half: str, value: int) -> None:
    """r or s of 0, n or more is a bad signature, not an error."""
    text = signer.issue(vaccination())
    raw = reopened(text)[0].signature
    wrong = number(value) + raw[32:] if half == "r" else raw[:32] + number(value)
    assert desk.outcome(resealed(text, signature=wrong)) == (FAIL, [Reason.SIG_BAD])


def test_pitfall_08_points_off_the_curve_and_low_order_points_do_not_load() -> None:
    """Points are validated on load; libsodium's low-order points are refused by name."""
    good = signing_key(Algorithm.ES256, "1").spki()
    with pytest.raises(KeyRefusedError):
        load_spki(good[:-1] + bytes((good[-1] ^ 1,)))
    head = signing_key(Algorithm.EDDSA, "1").spki()[:-32]
    prime = 2**255 - 19
    low_order = [1, 0, prime - 1, prime, prime + 1]
    for y in low_order:
        with pytest.raises(KeyRefusedError, match=r"low order|not a public key"):
            load_spki(head + y.to_bytes(32, "little"))


CBOR_FAULTS = {
    "duplicate keys": bytes.fromhex("a201010102"),
    "an indefinite array": bytes.fromhex("9f01ff"),
    "an indefinite text": bytes.fromhex("7f6161ff"),
    "a length beyond the end": bytes.fromhex("5b7fffffffffffffff"),
    "a count beyond the end": bytes.fromhex("9b00000000ffffffff"),
    "bytes after the end": bytes.fromhex("0101"),
    "text that is not UTF-8": bytes.fromhex("62ff61"),
    "nothing": b"",
    "a break alone": b"\xff",
}


@pytest.mark.parametrize("fault", list(CBOR_FAULTS))
def test_pitfall_09_cbor_is_read_strictly(fault: str) -> None:
    """Each trick is a MalformedError that names the layer and none of the content."""
    with pytest.raises(MalformedError, match=r"^layer: "):
        cbor.decode(CBOR_FAULTS[fault], "layer")


def test_pitfall_09_depth_is_limited_and_tags_are_inert() -> None:
    """Depth 16; a tag never turns a text into a date, a number or a pattern. Long integers forms are read."""
    assert cbor.decode(b"\x81" * 15 + b"\x01", "layer")
    with pytest.raises(MalformedError) as caught:
        cbor.decode(b"\x81" * 17 + b"\x01", "layer")
    assert caught.value.reason is Reason.TOO_BIG
    for tag, inside in (
        (0, "2020-01-01T00:00:00Z"),
        (1, 5),
        (2, b"\x01\x02"),
        (35, "(a+)+$"),
        (37, bytes(16)),
    ):
        value = cbor.decode(cbor2.dumps(cbor2.CBORTag(tag, inside)), "layer")
        assert isinstance(value, cbor2.CBORTag)
        assert value.value == inside
    assert cbor.decode(bytes.fromhex("1a00000001"), "layer") == 1


JSON_FAULTS = {
    "a member named twice": '{"data":1,"data":2}',
    "NaN": '{"a":NaN}',
    "an infinity": '{"a":-Infinity}',
    "a number that readers round to infinity": '{"a":1e999}',
    "an integer beyond 2^53": '{"a":9007199254740993}',
    "an integer of a thousand digits": '{"a":' + "9" * 1000 + "}",
    "an unpaired surrogate": '{"a":"\\ud800"}',
    "an unpaired surrogate as a name": '{"\\udfff":1}',
    "nested a thousand deep": "[" * 1000 + "]" * 1000,
    "objects nested a thousand deep": '{"a":' * 1000 + "1" + "}" * 1000,
    "something behind the end": "{} {}",
    "a comment": "{}/**/",
    "a single quote": "{'a':1}",
    "a trailing comma": "[1,]",
    "a control character in a text": '["\x01"]',
    "no UTF-8": b'["\xff"]',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "nothing": "",
    "more than any code holds": " " * 70_000 + "{}",
}


@pytest.mark.parametrize("fault", list(JSON_FAULTS))
def test_pitfall_10_json_is_read_strictly(fault: str) -> None:
    """What two readers could understand differently is refused, in every family that is written in JSON."""
    with pytest.raises(MalformedError):
        strict_json.decode(JSON_FAULTS[fault], "test")


def test_pitfall_10_a_second_member_of_one_name_hides_nothing(desk: Desk) -> None:
    """A seal and a document with a member twice are malformed, whichever of the two was signed."""
    for text in (
        '{"data":{"hdr":{}},"sig":{},"data":{"hdr":{"is":"XXV"}}}',
        '{"@context":[],"proof":{},"issuer":"a","issuer":"b"}',
    ):
        assert desk.outcome(text) == (FAIL, [Reason.MALFORMED])


def test_pitfall_11_what_is_shown_is_what_was_signed(desk: Desk, signer: Signer) -> None:
    """Decoded from the very bytes that the signature covers; the protected header as received."""
    text = signer.issue(vaccination())
    envelope, _ = reopened(text)
    odd_header = (
        bytes.fromhex("a2")
        + cbor2.dumps(4)
        + cbor2.dumps(signer.kid)
        + bytes.fromhex("1801")
        + cbor2.dumps(-7)
    )
    signature = signer.key.sign(cose.sig_structure(odd_header, envelope.payload))
    same = resealed(text, header=odd_header, signature=signature)  # not the shortest form, signed as it is
    assert desk.outcome(same) == (PASS, [])
    recoded = resealed(text, header={4: signer.kid, 1: -7}, signature=signature)
    assert desk.outcome(recoded) == (FAIL, [Reason.SIG_BAD])


def test_pitfall_13_a_card_is_believed_by_its_issuer_and_kid_never_by_the_kid_alone(desk: Desk) -> None:
    """The issuer that a card names must own the key; a stranger's name under it is an unknown issuer."""
    key = signing_key(Algorithm.ES256, "health card")
    kid = shc_keys.thumbprint(key.spki())
    owner = "https://issuer.example/shc"
    desk.keys.append(TrustedKey(kid=kid.encode(), spki=key.spki(), domain=Domain.SHC, issuer=owner))
    assert desk.outcome(health_card(owner, kid, key.sign)) == (PASS, [])
    for stranger in (
        "https://issuer.example/shc/",
        "https://ISSUER.example/shc",
        "https://attacker.example",
        "",
    ):
        assert desk.outcome(health_card(stranger, kid, key.sign)) == (FAIL, [Reason.KEY_UNKNOWN])


def test_pitfall_13_a_listed_kid_that_is_not_the_keys_thumbprint_names_nothing(desk: Desk) -> None:
    """The KID of a health card is recomputed from the key; a list that says otherwise is not believed."""
    key = signing_key(Algorithm.ES256, "health card")
    owner = "https://issuer.example/shc"
    desk.keys.append(TrustedKey(kid=b"anything", spki=key.spki(), domain=Domain.SHC, issuer=owner))
    assert desk.outcome(health_card(owner, "anything", key.sign)) == (FAIL, [Reason.KEY_UNKNOWN])


def health_card(issuer: str, kid: str, sign: Any) -> str:
    """A SMART Health Card with one dose."""
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Nguyễn", "given": ["Bảo Duy"]}],
        "birthDate": "1983-10-10",
    }
    vaccine = {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]}
    given = {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": vaccine,
        "patient": {"reference": "resource:0"},
        "occurrenceDateTime": "2022-01-10",
    }
    entries = [{"fullUrl": f"resource:{n}", "resource": r} for n, r in enumerate((patient, given))]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    subject = {"fhirVersion": "4.0.1", "fhirBundle": bundle}
    credential = {"type": ["https://smarthealth.cards#health-card"], "credentialSubject": subject}
    payload = {"iss": issuer, "nbf": int(NOW.timestamp()) - 3600, "vc": credential}
    return shc.numeric(shc.encode_shc(payload, kid=kid, sign=sign))[0]


@pytest.mark.parametrize(
    ("oids", "uses"),
    [
        (set(), None),
        ({"1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2"}, None),
        ({"1.3.6.1.4.1.1847.2021.1.1"}, {"t"}),
        ({"1.3.6.1.4.1.0.1847.2021.1.2", "1.3.6.1.5.5.7.3.4"}, {"v"}),
        ({"1.3.6.1.4.1.1847.2021.1.3", "1.3.6.1.4.1.0.1847.2021.1.1"}, {"r", "t"}),
    ],
)
def test_pitfall_14_usage_restricts_only_by_its_own_oids(oids: set[str], uses: set[str] | None) -> None:
    """Generic usages restrict nothing; both arcs count."""
    assert uses_of(frozenset(oids)) == (None if uses is None else frozenset(uses))


def test_pitfall_15_the_country_of_the_key_is_held_against_iss(desk: Desk) -> None:
    """A signer of one country cannot issue in another's name; the place of the dose may differ."""
    signer = desk.signer(country="MK")
    assert desk.outcome(signer.issue(vaccination(co="AT"), iss="AT")) == (FAIL, [Reason.ISSUER_MISMATCH])
    assert desk.outcome(signer.issue(vaccination(co="AT"), iss="MK")) == (PASS, [])


def test_pitfall_16_a_certificate_of_an_abused_portal_is_denied_by_its_hash(
    desk: Desk, signer: Signer
) -> None:
    """A deny entry under a whole country stops it, whichever of the country's keys signed."""
    text = signer.issue(vaccination())
    digest = hashlib.sha256(vaccination()["v"][0]["ci"].encode()).digest()[:16]
    desk.revocation.entries.add((b"country:XV", HashKind.UCI, digest))
    assert desk.outcome(text) == (FAIL, [Reason.REVOKED])


def test_pitfall_18_a_test_key_verifies_nothing_even_if_its_signature_holds(desk: Desk) -> None:
    """The test store only names a key; there is no way from it to a certificate."""
    sample = desk.signer(label="sample", listed=False)
    desk.test_kids.add(sample.kid)
    judged = desk.judged(sample.issue(vaccination()))
    assert judged.verdict.certificate is None
    assert [f.code for f in judged.verdict.reasons] == [Reason.KEY_TEST]


def test_pitfall_19_an_old_list_is_seen_and_turns_every_green_away() -> None:
    """Past seven days nothing is green any more, past sixty nothing is judged; what is red stays red."""
    for days, state in ((8, State.CHECK), (30, State.CHECK), (60, State.CHECK), (61, State.OUT)):
        desk = Desk(list_age=timedelta(days=days))
        signer = desk.signer()
        assert desk.outcome(signer.issue(vaccination())) == (state, [Reason.LIST_EXPIRED])
        assert desk.outcome(signer.issue(vaccination(dn=0)))[0] is FAIL


def test_pitfall_20_a_certificate_never_moves_the_clock(desk: Desk, signer: Signer) -> None:
    """Neither iat nor exp of a scanned code changes what the next one is judged by."""
    far = int(NOW.timestamp()) + 10 * 365 * 86400
    before = desk.outcome(signer.issue(vaccination()))
    assert desk.outcome(signer.issue(vaccination(), iat=far, exp=far + 1))[0] is FAIL
    assert desk.outcome(signer.issue(vaccination())) == before == (PASS, [])


def test_pitfall_22_lenient_reading_needs_somebody_who_vouches(vectors: Any) -> None:
    """A certificate that strict DER refuses is read only under a signed list's word, and marked lenient."""
    refused = []
    for case in read_cases(vectors / "eu-testdata.jsonl"):
        for text in case.line["certs"]:
            der = base64.b64decode(text)
            if load_certificate(der, vouched=True).lenient:
                refused.append(der)
    assert refused, "the vectors hold certificates that strict DER refuses"
    for der in refused:
        with pytest.raises(KeyRefusedError, match="strict DER"):
            load_certificate(der)
        load_spki(load_certificate(der, vouched=True).spki)


@pytest.mark.parametrize(
    "change", [lambda t: t.replace(" ", "+"), lambda t: t.replace(" ", "%20"), str.lower]
)
def test_pitfall_25_nothing_is_decoded_or_folded_on_the_way(desk: Desk, signer: Signer, change: Any) -> None:
    """A space is a digit of Base45; only line ends round the text are taken off."""
    text = next(t for t in (signer.issue(vaccination(dn=n)) for n in range(1, 20)) if " " in t)
    assert desk.outcome(f"{text}\r\n") == (PASS, [])
    assert desk.outcome(change(text))[0] is not PASS
    assert desk.outcome(f" {text}")[0] is not PASS


@pytest.mark.scenario("SC-F13")
@pytest.mark.parametrize("family", [Family.LT1, Family.AT1, Family.NZCP])
def test_pitfall_26_a_domestic_certificate_is_no_full_one(desk: Desk, family: Family) -> None:
    """Verified and shown; CHECK UNSUPPORTED under every rule set that does not take domestic ones."""
    text = domestic(desk, family)
    assert desk.outcome(text) == (PASS, [])
    desk.bundle = replace(SIGNATURE_ONLY, name="vn-2022-05", domestic=False)
    assert desk.outcome(text) == (State.CHECK, [Reason.UNSUPPORTED])
    shown = desk.judged(text).verdict.certificate
    assert shown is not None
    assert shown.holder.birth_date == "1983-10-10"


@pytest.mark.parametrize("prefix", ["LT1:", "AT1:"])
def test_pitfall_26_a_full_certificate_under_a_domestic_prefix_never_passes(
    desk: Desk, signer: Signer, prefix: str
) -> None:
    """Its key is one for HC1, and what it says stands where a domestic certificate says nothing."""
    text = prefix + signer.issue(vaccination())[4:]
    assert desk.outcome(text)[0] is FAIL
    listed = Desk()
    listed.signer(domain=Domain.HCERT)
    assert Reason.KEY_USAGE in listed.outcome(text)[1]


@pytest.mark.parametrize("family", [Family.LT1, Family.AT1])
def test_pitfall_26_a_domestic_certificate_under_the_prefix_of_a_full_one_never_passes(
    desk: Desk, family: Family
) -> None:
    """The container is the same; the claim is not."""
    assert desk.outcome("HC1:" + domestic(desk, family)[4:])[0] is FAIL


def domestic(desk: Desk, family: Family) -> str:
    """A domestic certificate that is as it should be, signed by a key that is listed for it."""
    key, seconds = desk.signer(label=family), int(NOW.timestamp())
    times = {"iat": seconds - 3600, "exp": seconds + 3600}
    signed = {"kid": key.kid, "sign": key.key.sign}
    match family:
        case Family.LT1:
            return national.encode_lt1(person(), iss=COUNTRY, alg=ES256, **times, **signed)
        case Family.AT1:
            entry = {
                "tg": "840539006",
                "du": "2022-06-30",
                "co": "AT",
                "is": "BMSGPK",
                "ci": "URN:UVCI:01:AT:1",
            }
            document = person(ver="AT-1.0.0") | {"ve": [entry]}
            return national.encode_at1(document, iss=COUNTRY, alg=ES256, **times, **signed)
        case _:
            subject = {"givenName": "Bảo Duy", "familyName": "Nguyễn", "dob": "1983-10-10"}
            return nzcp.encode_nzcp(
                subject,
                iss="did:web:example.org",
                nbf=times["iat"],
                exp=times["exp"],
                cti=bytes(16),
                **signed,
            )


def test_base45_refuses_every_kind_of_wrong_group() -> None:
    """3n+1 characters, a triple above 65535, a pair above 255, a foreign character."""
    for wrong in ("A", "GGW", "::", "é:", "a0", "AB\n", "AAAA"):
        with pytest.raises(MalformedError):
            base45.decode(wrong)
    assert base45.decode("FGW") == b"\xff\xff"
    assert base45.decode("U5") == b"\xff"
