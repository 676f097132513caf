"""Documents and keys made to slow us down, to crash us, or to let something pass that nobody has signed."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import cbor2
import pytest
from containers import deflate, dumped
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from csca import END, PASSPORTS, Bsc, Csca, name, vaccinated
from desk import NOW, Desk, signing_key, vaccination

from issuer.documents import document_of
from issuer.keys import Algorithm, SigningKey
from issuer.sealing import Signer, seal_document
from issuer.wellknown import public_jwk
from verifier import chain
from verifier.certificate import Family
from verifier.checks import entry_digest
from verifier.opening import open_code
from verifier.reasons import Reason, State
from verifier.trust import (
    Domain,
    HashKind,
    KeyStatus,
    ListedRevocation,
    TrustedKey,
    authority_scope,
    country_scope,
)
from verifier.wire import base64url, divoc, fhir, hc1, shc, shc_keys, strict_json
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFileError, listed_crls, parse_jwk, parse_keys

PASS, CHECK, FAIL = State.PASS, State.CHECK, State.FAIL
ALLOWED = 0.5  # seconds of processor time: ten times what a code may take, as other work shares the machine
ISSUED = NOW - timedelta(hours=1)


def made(family: Family, issuer: str, *, issued_at: datetime = ISSUED) -> dict[Any, Any]:
    """The family's document about one dose."""
    return document_of(
        family, vaccination(), issuer, country="XV", issued_at=issued_at, expires_at=NOW + timedelta(days=99)
    )


def sealed(family: Family, document: dict[Any, Any], signer: Signer, issued_at: datetime = ISSUED) -> Any:
    return seal_document(family, document, signer, issued_at=issued_at, expires_at=None).code


def jwk_of(key: SigningKey, **members: Any) -> dict[str, Any]:
    return public_jwk(load_der_public_key(key.spki())) | members


# --- What a code may cost -----------------------------------------------------------------------------------

ENDLESS = '"' + '\\"' * 20_000  # a text that never ends, with a quote wherever one could look for its end

ENDLESS_TEXTS: dict[str, str] = {
    "in a health card": shc.numeric(
        ".".join(
            map(base64url.encode, (b'{"alg":"ES256","zip":"DEF"}', deflate(ENDLESS.encode()), bytes(64)))
        )
    )[0],
    "in a DIVOC archive": divoc.packed('{"a":' + ENDLESS).decode("latin-1"),
    "in a seal": '{"data":1,"sig":' + ENDLESS[:16_000],
}


@pytest.mark.scenario("SC-F08")
@pytest.mark.parametrize("where", list(ENDLESS_TEXTS))
def test_an_endless_json_text_is_looked_at_once(where: str) -> None:
    """The time that a text costs grows with its length, not with the square of it."""
    start = process_time()
    outcome = Desk().outcome(ENDLESS_TEXTS[where])
    assert process_time() - start < ALLOWED
    assert outcome == (FAIL, [Reason.MALFORMED])


@pytest.mark.scenario("SC-F08")
@pytest.mark.parametrize(
    "text", ['"' * 65_000, '"\\' * 32_000, '"' + '\\"' * 32_000, "\\" * 65_000 + '"', '["x",' * 13_000]
)
def test_no_odd_json_costs_more_than_its_length(text: str) -> None:
    """As large as JSON may be, and nothing in it ends."""
    start = process_time()
    with pytest.raises(MalformedError):
        strict_json.decode(text, "json")
    assert process_time() - start < ALLOWED


MINISTRY = "https://moh.example/"
METHOD = f"{MINISTRY}keys/1"
DIVOC_KEY = signing_key(Algorithm.EDDSA, "divoc")


def divoc_document(**change: Any) -> dict[str, Any]:
    return made(Family.DIVOC, MINISTRY) | change


def divoc_text(document: dict[str, Any], *, method: str = METHOD) -> str:
    """The JSON text of a document that the ministry has signed."""
    proof = {"verification_method": method, "created": "2022-02-28T00:00:00Z", "alg": "EdDSA"}
    return divoc.encode_divoc(document, sign=DIVOC_KEY.sign, **proof)


def divoc_forged(**change: Any) -> str:
    """A signed document with other members at its top."""
    return json.dumps(json.loads(divoc_text(divoc_document())) | change)


def nested(depth: int) -> dict[str, Any]:
    """So many objects in each other, all of them of terms that the contexts define."""
    inner: dict[str, Any] = {"type": ["Vaccination"], "batch": "b"}
    for _ in range(depth - 1):
        inner = {"type": ["Vaccination"], "facility": inner}
    return inner


@pytest.mark.scenario("SC-F08")
def test_a_divoc_document_nests_six_objects_and_no_more() -> None:
    """Each object in an object is looked up with contexts of its own."""
    for depth, first in ((6, Reason.KEY_UNKNOWN), (7, Reason.TOO_BIG)):
        text = divoc_forged(evidence=[nested(depth - 1)])  # in the document itself
        assert Desk().outcome(text)[1] == [first]


@pytest.mark.scenario("SC-F08")
def test_a_divoc_object_has_three_types_and_no_more() -> None:
    """Each type brings a context; a hundred of them in one object would cost seconds."""
    for count, first in ((3, Reason.KEY_UNKNOWN), (4, Reason.TOO_BIG)):
        text = divoc_forged(type=["VerifiableCredential", *["Person"] * (count - 1)])
        assert Desk().outcome(text)[1] == [first]


def archive(*entries: tuple[str, bytes]) -> str:
    """A DIVOC code of an archive with these entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, content in entries:
            file.writestr(entry, content)
    return "B64:" + base64.b64encode(out.getvalue()).decode()


ARCHIVES: dict[str, tuple[str, Reason, str]] = {
    "expands without end": (archive((divoc.ENTRY, b" " * 3_000_000)), Reason.TOO_BIG, "expands beyond"),
    "larger than any symbol": ("B64:" + base64.b64encode(b"PK\x03\x04" + bytes(4_500)).decode(),
                               Reason.TOO_BIG, "more than"),
    "holds two files": (archive((divoc.ENTRY, b"{}"), ("other.json", b"{}")), Reason.MALFORMED, "zip: "),
    "holds a file of another name": (archive(("../x.json", b"{}")), Reason.MALFORMED, "zip: "),
    "is no Base64": ("B64:@@", Reason.MALFORMED, "base64: "),
}  # fmt: skip


@pytest.mark.scenario("SC-F08")
@pytest.mark.parametrize("archive_that", list(ARCHIVES))
def test_an_archive_in_base64_is_refused_for_what_is_wrong_with_it(archive_that: str) -> None:
    """A limit that is met is TOO_BIG, and not called a fault of the Base64 round it."""
    text, reason, words = ARCHIVES[archive_that]
    opened = open_code(text)
    assert (opened.family, opened.envelope) == (Family.DIVOC, None)
    assert opened.finding is not None
    assert opened.finding.code is reason
    assert words in opened.finding.detail


# --- Health cards whose container breaks where the signature is not asked yet -------------------------------

CLINIC = "https://cards.example/clinic"
CARD_KEY = signing_key(Algorithm.ES256, "cards")
CARD_KID = shc_keys.thumbprint(CARD_KEY.spki())
CARD_SIGNER = Signer(CARD_KEY, CARD_KID.encode(), CLINIC)


def card_key(**facts: Any) -> TrustedKey:
    """The clinic's key as lists have it."""
    key = TrustedKey(CARD_KID.encode(), CARD_KEY.spki(), domain=Domain.SHC, issuer=CLINIC)
    return replace(key, **facts)


def card(issued_at: datetime = ISSUED) -> str:
    """A card as its symbol holds it."""
    return str(sealed(Family.SHC, made(Family.SHC, CLINIC, issued_at=issued_at), CARD_SIGNER))


def jws(deflated: bytes, *, forged: bool = False) -> str:
    """A JWS of these bytes that the clinic has signed, or that nobody has."""
    head = base64url.encode(dumped({"zip": "DEF", "alg": "ES256", "kid": CARD_KID}))
    start = f"{head}.{base64url.encode(deflated)}"
    return f"{start}.{base64url.encode(bytes(64) if forged else CARD_KEY.sign(start.encode()))}"


BROKEN_CARDS: dict[str, tuple[bytes, Reason]] = {
    "expands without end": (deflate(b" " * 1_000_000), Reason.TOO_BIG),
    "is no deflate stream": (b"\xff\xff\xff", Reason.MALFORMED),
    "ends before its stream does": (deflate(b"abc" * 100)[:-4], Reason.MALFORMED),
    "is nested 5,000 deep": (deflate(b"[" * 5_000), Reason.TOO_BIG),
    "is no object": (deflate(b"[]"), Reason.MALFORMED),
}


@pytest.mark.scenario("SC-F08")
@pytest.mark.parametrize("which", list(BROKEN_CARDS))
def test_a_card_whose_payload_breaks_is_named_so_whoever_signed_it(which: str) -> None:
    """The fault of the container comes first; whether its signature holds is reported all the same."""
    data, reason = BROKEN_CARDS[which]
    known, stranger = Desk(keys=[card_key()]), Desk(keys=[card_key(kid=b"another")])
    for desk, forged, signature in (
        (known, False, True),
        (known, True, False),
        (stranger, False, False),
        (Desk(), False, None),
    ):
        judged = desk.judged(jws(data, forged=forged))
        assert (judged.verdict.state, [r.code for r in judged.verdict.reasons]) == (FAIL, [reason])
        assert (judged.reading.checks.decode, judged.reading.checks.signature) == (False, signature)


# --- Members that nobody has signed (pitfall 23) ------------------------------------------------------------


def without(document: dict[str, Any], member: str) -> dict[str, Any]:
    return {name_: value for name_, value in document.items() if name_ != member}


# What is signed, and what is put into it afterwards; none of it touches a signed statement.
UNSIGNED: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Any], State, Reason]] = {
    "a type of the credential": (
        divoc_document(), lambda of: of["type"].append("Diplomat"), FAIL, Reason.MALFORMED),
    "a type of the holder": (
        divoc_document(), lambda of: of["credentialSubject"].update(type=["Person", "Diplomat"]),
        FAIL, Reason.MALFORMED),
    "a type of the dose": (
        divoc_document(), lambda of: of["evidence"][0]["type"].append("Booster"), FAIL, Reason.MALFORMED),
    "an issuer that is no address": (
        without(divoc_document(), "issuer"), lambda of: of.update(issuer="Ministry of Health"),
        CHECK, Reason.UNSUPPORTED),
    "a dose that is a word": (
        divoc_document(), lambda of: of["evidence"].append("booster"), CHECK, Reason.UNSUPPORTED),
    "a second holder who is a word": (
        divoc_document(), lambda of: of.update(credentialSubject=[of["credentialSubject"], "somebody"]),
        CHECK, Reason.UNSUPPORTED),
}  # fmt: skip


@pytest.mark.parametrize("what", list(UNSIGNED))
def test_pitfall_23_what_is_put_into_a_signed_document_does_not_pass(what: str) -> None:
    """The signature holds with it and without it, so nothing that an officer would read rests on it."""
    document, put, state, reason = UNSIGNED[what]
    desk = Desk(keys=[TrustedKey(METHOD.encode(), DIVOC_KEY.spki(), domain=Domain.DIVOC)])
    honest = divoc_text(document)
    assert desk.outcome(honest) == (PASS, [])
    changed = json.loads(honest)
    put(changed)
    text = json.dumps(changed)
    assert open_code(text).envelope.to_be_signed == open_code(honest).envelope.to_be_signed
    assert desk.judged(text).reading.checks.signature is True
    assert desk.outcome(text) == (state, [reason])


# --- Keys for something else --------------------------------------------------------------------------------

FLAT = {
    "name": "Nguyen Bao Duy", "birthDate": "1983-10-10", "vaccine": {"code": "XM68M6"}, "date": "2022-01-10",
    "dose": 1, "total_doses": 2, "hcid": "XV-1", "country": {"code": "XXV"},
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["AT1", "LT1"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_national_key_signs_no_vaccination_under_its_own_prefix(prefix: str, by_hand: bool) -> None:
    """The flat map of early DDCC codes is one in HC1 alone; elsewhere it is no document at all."""
    desk = Desk()
    signer = desk.signer(domain=None if by_hand else Domain[prefix])
    assert desk.outcome(signer.seal(cbor2.dumps(FLAT), prefix=f"{prefix}:")) == (FAIL, [Reason.MALFORMED])
    world = Desk()
    honest = world.signer(domain=None if by_hand else Domain.HCERT)
    assert world.outcome(honest.seal(cbor2.dumps(FLAT))) == (PASS, [])


DID = "did:web:pass.example"
PASS_KEY = signing_key(Algorithm.ES256, "passes")
OTHER = f"{DID}#key-2"

ASSERTING: dict[str, tuple[Any, bool]] = {
    "a text that names it": (f"{DID}#key-1", True),
    "an object that names it": ({"id": f"{DID}#key-1"}, True),
    "a text that names another": (OTHER, False),
    "an object that names another": ({"id": OTHER}, False),
    "a list of another": ([OTHER], False),
    "a list of an object of another": ([{"id": OTHER}], False),
    "an empty list": ([], False),
    "a number": (7, False),
}


@pytest.mark.scenario("SC-K09")
@pytest.mark.parametrize("asserting", list(ASSERTING))
def test_a_key_that_its_did_document_does_not_let_assert_signs_no_pass(asserting: str) -> None:
    """However ``assertionMethod`` is written: one that names no key or another one allows nothing."""
    value, allowed = ASSERTING[asserting]
    method = {"id": f"{DID}#key-1", "publicKeyJwk": jwk_of(PASS_KEY)}
    did = {"id": DID, "verificationMethod": [method], "assertionMethod": value}
    desk = Desk(keys=list(parse_keys(json.dumps(did).encode())))
    text = sealed(Family.NZCP, made(Family.NZCP, DID), Signer(PASS_KEY, b"key-1", DID))
    assert desk.outcome(text) == ((PASS, []) if allowed else (FAIL, [Reason.KEY_USAGE]))
    if not allowed:
        assert desk.detail(text) == "a key that may sign nothing"


def test_a_divoc_proof_finds_its_key_by_the_whole_id_of_a_did_method() -> None:
    """Proofs name a method by its whole id, and not by the part behind the number sign."""
    method = "did:web:moh.example#key-0"
    owner = method.partition("#")[0]
    did = {"id": owner, "verificationMethod": [{"id": method, "publicKeyJwk": jwk_of(DIVOC_KEY)}]}
    desk = Desk(keys=list(parse_keys(json.dumps(did).encode())))
    assert desk.outcome(divoc_text(divoc_document(issuer=owner), method=method)) == (PASS, [])
    stranger = divoc_text(divoc_document(issuer=owner), method="did:web:moh.example#key-1")
    assert desk.outcome(stranger) == (FAIL, [Reason.KEY_UNKNOWN])


def test_a_key_to_encrypt_with_is_passed_over_in_a_set() -> None:
    """A set of keys may hold some for other purposes; of those nothing is asked, not even to be readable."""
    signing = jwk_of(CARD_KEY, use="sig", kid=CARD_KID)
    other = jwk_of(signing_key(Algorithm.ES256, "another"), use="enc", kid="another")
    for unwanted in (other, {"kty": "oct", "use": "enc"}):
        given = parse_keys(json.dumps({"keys": [unwanted, signing]}).encode())
        assert {key.spki for key in given} == {CARD_KEY.spki()}
        with pytest.raises(KeyFileError, match="no key in it"):
            parse_keys(json.dumps({"keys": [unwanted]}).encode())


def test_a_kid_with_an_unpaired_surrogate_is_a_kid_that_no_code_names() -> None:
    """Such a key is of no use, and no reason to read nothing else."""
    (key,) = parse_jwk(jwk_of(CARD_KEY, kid="\ud800"))
    assert Desk(keys=[key]).outcome(card()) == (FAIL, [Reason.KEY_UNKNOWN])


@pytest.mark.scenario("SC-K02")
def test_an_empty_kid_names_no_key() -> None:
    """Not even one that was given by hand without a KID, which is tried for every code that has one."""
    desk = Desk()
    signer = desk.signer(listed=False)
    desk.keys.append(TrustedKey(b"", signer.key.spki()))
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])
    assert desk.outcome(signer.issue(vaccination(), kid=b"")) == (FAIL, [Reason.MALFORMED])
    assert desk.outcome(signer.issue(vaccination(), kid=b"", kid_protected=False))[1] == [Reason.MALFORMED]


# --- Signers of seals ---------------------------------------------------------------------------------------

CSCA = Csca()
AT = datetime(2022, 3, 1, tzinfo=UTC)


def sealing_desk(signer: Bsc | None = None, *, csca: bool = True, crls: tuple[bytes, ...] = ()) -> Desk:
    """A desk that holds the CSCA, with its CRLs, and a signer that somebody gave by hand."""
    authorities = [chain.load_authority(CSCA.certificate())]
    desk = Desk(now=AT, authorities=authorities if csca else [])
    if signer is not None:
        desk.keys += parse_keys(signer.certificate)
    if crls:
        desk.revocation = listed_crls(crls, authorities)
    return desk


@pytest.mark.scenario("SC-K09")
@pytest.mark.parametrize("csca", [False, True])
def test_a_signer_of_passports_seals_nothing_even_if_given_by_hand(csca: bool) -> None:
    """Whoever hands a certificate over vouches for whose it is, and not for what it may sign."""
    for usage in (PASSPORTS, None):
        signer = CSCA.signer(usage=usage)
        desk = sealing_desk(signer, csca=csca)
        assert desk.outcome(signer.seal(vaccinated())) == (FAIL, [Reason.KEY_USAGE])
    good = CSCA.signer()
    assert sealing_desk(good, csca=csca).outcome(good.seal(vaccinated())) == (PASS, [])


@pytest.mark.scenario("SC-K07")
def test_a_csca_takes_back_a_signer_that_was_given_by_hand() -> None:
    """The CRL of its CSCA names it: then nobody vouches for it any more."""
    signer = CSCA.signer(serial=4711)
    text = signer.seal(vaccinated())
    for serial, outcome in ((4711, (FAIL, [Reason.KEY_WITHDRAWN])), (4712, (PASS, []))):
        assert sealing_desk(signer, crls=(CSCA.crl(serial, days=999),)).outcome(text) == outcome


def test_a_csca_does_not_seal_itself() -> None:
    """It vouches for signers; what it would sign itself is no seal, whoever gave it by hand."""
    csca = Bsc(CSCA.certificate(), "ES384", CSCA.key)
    desk = sealing_desk(csca)
    assert desk.keys[0].certificate == csca.certificate
    assert desk.outcome(csca.seal(vaccinated())) == (FAIL, [Reason.KEY_USAGE])


def test_a_key_period_until_the_end_of_the_calendar_is_no_trap() -> None:
    """Some write a year that never comes; a day behind it does not exist."""
    for end, outcome in (
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), (PASS, [])),
        (datetime(2021, 7, 1, tzinfo=UTC), (FAIL, [Reason.KEY_PERIOD])),
    ):
        period = x509.PrivateKeyUsagePeriod(None, end)
        text = CSCA.signer(extra=[(period, False)]).seal(vaccinated())
        assert sealing_desk().outcome(text) == outcome


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_crls_of_one_csca_each_keeps_its_word(turned: bool) -> None:
    """What one of them takes back stays so, and they are relied on until the later one is over."""
    text = CSCA.signer(serial=4711).seal(vaccinated())
    order = -1 if turned else 1
    old, new = CSCA.crl(1, days=10), CSCA.crl(2, days=999)
    assert sealing_desk(crls=(old, new)[::order]).outcome(text) == (PASS, [])
    withdrawing = CSCA.crl(4711, days=10)
    assert sealing_desk(crls=(withdrawing, new)[::order]).outcome(text) == (FAIL, [Reason.KEY_WITHDRAWN])
    assert sealing_desk(crls=(old, old)).outcome(text) == (CHECK, [Reason.REVOCATION_UNCHECKED])


def test_a_fault_of_crls_is_a_gap_for_signers_and_for_nothing_else() -> None:
    """What could not be read may have named a signer of seals; it never speaks of anybody's certificate."""
    text = CSCA.signer().seal(vaccinated())
    revocation = ListedRevocation(fault="a CRL that cannot be used")
    desk = sealing_desk()
    desk.revocation = revocation
    signer = desk.signer()
    assert desk.outcome(text) == (CHECK, [Reason.REVOCATION_UNCHECKED])
    assert desk.detail(text) == "a CRL that cannot be used"
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])


@pytest.mark.scenario("SC-K13")
def test_a_seal_of_a_test_csca_is_a_sample() -> None:
    """The list names that CSCA by its key identifier, and lets it vouch for nobody."""
    text = CSCA.signer().seal(vaccinated())
    desk = sealing_desk(csca=False)
    assert desk.outcome(text) == (FAIL, [Reason.KEY_UNKNOWN])
    desk.test_kids.add(authority_scope(CSCA.key_id.digest))
    assert desk.outcome(text) == (FAIL, [Reason.KEY_TEST])


# --- Keys of health cards -----------------------------------------------------------------------------------


def card_keys(uri: str, *, root: bool = True) -> list[TrustedKey]:
    """The clinic's key with a chain whose leaf names this URI."""
    builder = CSCA.builder(name("XV", "Cards"), load_der_public_key(CARD_KEY.spki())).not_valid_after(END)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    leaf = CSCA.sign(builder.add_extension(names, critical=False))
    certificates = [leaf, CSCA.certificate()] if root else [leaf]
    x5c = [base64.b64encode(der).decode() for der in certificates]
    return list(parse_jwk(jwk_of(CARD_KEY, kid=CARD_KID, x5c=x5c)))


def test_a_certificate_of_another_issuer_does_not_chain_a_card() -> None:
    """The leaf must name the issuer that the card names; a slash at its end makes another."""
    judged = Desk(keys=card_keys(CLINIC)).judged(card())
    assert (judged.verdict.state, judged.reading.checks.chain) == (PASS, True)
    for uri in ("https://other.example/cards", CLINIC + "/"):
        judged = Desk(keys=card_keys(uri)).judged(card())
        assert [found.code for found in judged.verdict.reasons] == [Reason.CHAIN_BAD]
        assert (judged.reading.checks.chain, judged.reading.checks.signature) == (False, True)
        assert Desk(keys=card_keys(uri, root=False)).outcome(card()) == (FAIL, [Reason.CHAIN_BAD])


@pytest.mark.scenario("SC-K07")
def test_a_withdrawn_key_of_health_cards_fails() -> None:
    """As in every other family."""
    assert Desk(keys=[card_key()]).outcome(card()) == (PASS, [])
    desk = Desk(keys=[card_key(status=KeyStatus.WITHDRAWN)])
    assert desk.outcome(card()) == (FAIL, [Reason.KEY_WITHDRAWN])


def test_a_refused_key_under_a_cards_kid_is_said_to_be_refused() -> None:
    """A list's entry that no key can be read from is no reason to stop, and never verifies."""
    desk = Desk(keys=[card_key(spki=b"no key")])
    assert desk.outcome(card()) == (FAIL, [Reason.ALG_REFUSED])


def named_by(kind: HashKind) -> str:
    """The text that an entry of this kind is the hash of, for the clinic's card."""
    document = made(Family.SHC, CLINIC)["vc"]
    return str(
        document["rid"]
        if kind is HashKind.RID
        else fhir.hash_fhir(document["credentialSubject"]["fhirBundle"])
    )


@pytest.mark.scenario("SC-K08")
@pytest.mark.parametrize("kind", [HashKind.RID, HashKind.FHIR])
def test_a_card_is_revoked_by_an_instant_if_it_was_issued_before(kind: HashKind) -> None:
    """By its own id and by the hash of its bundle; a card that is issued again afterwards is good."""
    instant = NOW - timedelta(days=10)
    desk = Desk(keys=[card_key()])
    desk.revocation.until[CARD_KID.encode(), entry_digest(named_by(kind))] = instant
    for issued_at, outcome in (
        (instant - timedelta(seconds=1), (FAIL, [Reason.REVOKED])),
        (instant, (PASS, [])),
        (instant + timedelta(seconds=1), (PASS, [])),
    ):
        judged = desk.judged(card(issued_at))
        assert (judged.verdict.state, [found.code for found in judged.verdict.reasons]) == outcome
        assert judged.reading.checks.revoked is (outcome[0] is FAIL)


# --- Times and countries ------------------------------------------------------------------------------------


def test_a_dose_in_the_future_is_not_yet_valid_before_it_is_malformed() -> None:
    """What an officer can explain comes first; that the paper contradicts itself is said behind it."""
    now = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    desk = Desk(now=now)
    signer = desk.signer(not_after=None)
    document = document_of(
        Family.ICVP, vaccination(dt="2026-02-01"), "XV", country="XV", issued_at=now, expires_at=None
    )
    for day, first in (("2026-11-20", Reason.NOT_YET_VALID), ("9999-12-31", Reason.MALFORMED)):
        document["vx"]["dv"] = day
        text = sealed(Family.ICVP, document, Signer(signer.key, signer.kid, "XV"), now)
        state, reasons = desk.outcome(text)
        assert (state, reasons[0]) == (FAIL, first)
    document["vx"]["dv"] = "2026-03-02"
    text = sealed(Family.ICVP, document, Signer(signer.key, signer.kid, "XV"), now)
    assert Reason.MALFORMED not in desk.outcome(text)[1]


def test_not_before_is_asked_beside_the_time_of_issue() -> None:
    """``nbf`` may lie behind ``iat``; the certificate holds from there on."""
    desk = Desk()
    signer = desk.signer()
    issued, expires = (int((NOW + timedelta(days=days)).timestamp()) for days in (-2, 30))
    for days, outcome, valid in ((2, (FAIL, [Reason.NOT_YET_VALID]), False), (-1, (PASS, []), True)):
        begins = int((NOW + timedelta(days=days)).timestamp())
        claims = {1: "XV", 4: expires, 5: begins, 6: issued, hc1.CLAIM_HCERT: {hc1.EU_DCC: vaccination()}}
        text = signer.seal(cbor2.dumps(claims))
        assert desk.outcome(text) == outcome
        assert desk.judged(text).reading.checks.time_valid is valid


@pytest.mark.scenario("SC-K08")
@pytest.mark.parametrize(("one", "other"), [("EL", "GR"), ("GR", "EL"), ("UK", "GB"), ("gb", "UK")])
def test_an_entry_for_a_country_holds_under_whichever_of_its_codes(one: str, other: str) -> None:
    """A revocation list that says EL means the keys of GR."""
    assert country_scope(one) == country_scope(other)
    desk = Desk()
    signer = desk.signer(country=other)
    text = signer.issue(vaccination(), iss=other)
    assert desk.outcome(text) == (PASS, [])
    digest = entry_digest(vaccination()["v"][0]["ci"])
    desk.revocation.entries.add((country_scope(one), HashKind.UCI, digest))
    assert desk.outcome(text) == (FAIL, [Reason.REVOKED])
    assert country_scope("FR") != country_scope("DE")
