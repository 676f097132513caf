"""What becomes of a lost key's certificates: withdrawn, refused from an instant on, some let in all the same.

A ministry that withdraws a stolen key also takes back what it signed itself. So it may list the certificates
that it really issued. These tests are about who gets in by that list, and above all who does not.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from csca import Csca, held
from desk import NOW, Desk, ListedHashes, Signer, dose, person, reopened, vaccination
from office import FAMILIES, Office
from office import NOW as OFFICE_NOW

from appliance.judging import Basis, judge
from issuer.certificates import Person, of_vaccination
from issuer.families import domain_of
from issuer.keys import Algorithm
from trustsync.revocation import MappedRevocation
from verifier import chain
from verifier.certificate import Family
from verifier.checks import allowed_digest
from verifier.keys import load_spki
from verifier.opening import open_code
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import HashKind, KeyStatus, TrustList
from verifier.wire import cbor, cose, hc1

PASS, CHECK, FAIL = State.PASS, State.CHECK, State.FAIL
GONE = KeyStatus.WITHDRAWN
ISSUED = NOW - timedelta(days=1)  # when a desk's signer issues
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


@pytest.fixture
def desk() -> Desk:
    return Desk()


def vouch(desk: Desk, signer: Signer, text: str) -> None:
    """The publisher lists this certificate as really issued."""
    digest = allowed_digest(reopened(text)[0].to_be_signed)
    desk.revocation.entries.add((signer.kid, HashKind.ALLOWED, digest))


def stranger() -> dict[str, Any]:
    """A vaccination that nobody was given."""
    return vaccination(person(nam={"fn": "Gian", "fnt": "GIAN"}), ci="URN:UVCI:01:XV:NEVER0001#A")


# --- A key that was stolen ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two certificates of each family, and what an appliance knows after a sync."""
    with Office(tmp_path_factory.mktemp("distrust"), seed="distrust") as office:
        other = of_vaccination(Person("Lê", "Hà", "1990-01-01"), country="XV", day=date(2026, 1, 10))
        codes = {family: [office.issue(family, each).code for each in (None, other)] for family in FAMILIES}
        yield codes, office.synced().trust


@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_withdrawn_key_what_its_issuer_lists_passes_and_nothing_else(
    family: Family, office: Any
) -> None:
    """In every family: withdrawn, all FAIL; with a list of what was really issued, that much passes."""
    codes, trust = office
    genuine, other = codes[family]
    envelope = open_code(genuine).envelope
    assert envelope is not None
    assert envelope.kid is not None
    if family is Family.VDS_NC:  # a seal carries its signer; here a list names that one itself
        signers = [replace(chain.signer_of(envelope.certificate or b"").key, kid=envelope.kid)]
    else:
        signers = list(trust.candidates(envelope.kid, domain_of(family)))
    digest = allowed_digest(envelope.to_be_signed)

    def outcome(code: Any, **facts: Any) -> tuple[State, list[Reason]]:
        said = [replace(key, **facts) for key in signers]
        listed = ListedHashes({(envelope.kid or b"", HashKind.ALLOWED, digest)})
        known = TrustList.of(said, signed_at=OFFICE_NOW, revocation=listed)
        verdict = judge(code, Basis(known, (replace(SIGNATURE_ONLY, domestic=True),), OFFICE_NOW)).verdict
        return verdict.state, [found.code for found in verdict.reasons if found.code is not Reason.NO_EXPIRY]

    assert outcome(genuine) == outcome(other) == (PASS, [])
    assert outcome(genuine, status=GONE) == (FAIL, [Reason.KEY_WITHDRAWN])
    assert outcome(genuine, status=GONE, allowed=True) == (PASS, [])
    assert outcome(other, status=GONE, allowed=True) == (FAIL, [Reason.KEY_WITHDRAWN])


def same_nonce(scalar: int, genuine: bytes, signature: bytes, text: bytes) -> bytes:
    """What a thief of the key makes of one genuine signature: another text signed with the same r."""
    r, s = (int.from_bytes(signature[at : at + 32]) for at in (0, 32))
    h, wanted = (int.from_bytes(hashlib.sha256(data).digest()) for data in (genuine, text))
    nonce = pow(s, -1, ORDER) * (h + r * scalar) % ORDER
    forged = pow(nonce, -1, ORDER) * (wanted + r * scalar) % ORDER
    return r.to_bytes(32) + forged.to_bytes(32)


def test_a_thief_who_signs_with_the_r_of_a_listed_certificate_is_not_let_in(desk: Desk) -> None:
    """By the hash of r, as revocation has it, the list would open to anybody with the key and one code."""
    signer = desk.signer(status=GONE, allowed=True)
    genuine = signer.issue(vaccination())
    vouch(desk, signer, genuine)
    assert desk.outcome(genuine) == (PASS, [])

    # The thief has the key and has seen one certificate. He makes another with the same r.
    envelope, _ = reopened(genuine)
    own, _ = reopened(signer.issue(stranger()))
    scalar = int.from_bytes(signer.key.material())
    forged = same_nonce(scalar, envelope.to_be_signed, envelope.signature, own.to_be_signed)
    header = {cose.HEADER_ALG: Algorithm.ES256.cose, cose.HEADER_KID: signer.kid}
    text = hc1.pack(cose.encode_sign1(header, {}, own.payload, forged))

    # It is a valid signature, and by the hash of r it is the genuine one.
    assert load_spki(signer.key.spki()).verify(-7, forged, own.to_be_signed)
    assert hashlib.sha256(forged[:32]).digest() == hashlib.sha256(envelope.signature[:32]).digest()
    assert forged != envelope.signature

    assert desk.outcome(text) == (FAIL, [Reason.KEY_WITHDRAWN])


def test_the_genuine_text_under_another_signature_of_the_thief_is_still_the_genuine_text(desk: Desk) -> None:
    """Who has the key can sign a listed certificate again; what it says is what its issuer vouches for."""
    signer = desk.signer(Algorithm.PS256, status=GONE, allowed=True)
    genuine = signer.issue(vaccination())
    vouch(desk, signer, genuine)
    again, _ = reopened(genuine)
    header = {cose.HEADER_ALG: Algorithm.PS256.cose, cose.HEADER_KID: signer.kid}
    moved = hc1.pack(cose.encode_sign1(header, {99: "not signed"}, again.payload, again.signature))
    assert moved != genuine
    assert desk.outcome(moved) == (PASS, [])
    broken = hc1.pack(cose.encode_sign1(header, {}, again.payload, bytes(256)))
    assert desk.outcome(broken) == (FAIL, [Reason.SIG_BAD])


def test_a_list_of_what_was_issued_is_asked_only_where_the_keys_record_says_so(desk: Desk) -> None:
    """The publisher of keys decides that there is one; who publishes entries alone cannot let anybody in."""
    signer = desk.signer(status=GONE)
    text = signer.issue(vaccination())
    vouch(desk, signer, text)
    assert desk.outcome(text) == (FAIL, [Reason.KEY_WITHDRAWN])


def test_what_one_key_issued_is_not_let_in_under_another(desk: Desk) -> None:
    """Entries hold for the KID under which they are listed."""
    lost, other = (desk.signer(label=label, status=GONE, allowed=True) for label in "12")
    text = lost.issue(vaccination())
    vouch(desk, other, text)
    assert desk.outcome(text) == (FAIL, [Reason.KEY_WITHDRAWN])


def test_an_entry_must_be_equal_in_all_of_its_sixteen_bytes(desk: Desk) -> None:
    """Eight bytes, enough to refuse, are few enough for a thief to search a text that is let in."""
    signer = desk.signer(status=GONE, allowed=True)
    text = signer.issue(vaccination())
    digest = allowed_digest(reopened(text)[0].to_be_signed)
    assert len(digest) == 16
    for listed, outcome in (
        (digest, (PASS, [])),
        (digest[:15] + bytes([digest[15] ^ 1]), (FAIL, [Reason.KEY_WITHDRAWN])),
        (digest[:8] + bytes(8), (FAIL, [Reason.KEY_WITHDRAWN])),
    ):
        parts = {(signer.kid, HashKind.ALLOWED): ((listed, 16),)}
        desk.revocation = MappedRevocation(parts, NOW + timedelta(days=1), frozenset())
        assert desk.outcome(text) == outcome


def test_a_listed_certificate_that_was_revoked_is_revoked(desk: Desk) -> None:
    """That it was really issued says nothing about what happened to it afterwards."""
    signer = desk.signer(status=GONE, allowed=True)
    text = signer.issue(vaccination())
    vouch(desk, signer, text)
    entry = hashlib.sha256(dose()["ci"].encode()).digest()[:16]
    desk.revocation.entries.add((signer.kid, HashKind.UCI, entry))
    assert desk.outcome(text) == (FAIL, [Reason.REVOKED])


@pytest.mark.parametrize("over", [False, True], ids=["missing", "over"])
def test_where_the_list_of_what_was_issued_cannot_be_asked_nobody_is_called_a_thief(
    desk: Desk, over: bool
) -> None:
    """A segment that is missing on this unit, or a list that is over: CHECK, and never a green light."""
    signer = desk.signer(status=GONE, allowed=True)
    genuine, unknown = signer.issue(vaccination()), signer.issue(stranger())
    digest = allowed_digest(reopened(genuine)[0].to_be_signed)
    parts = {(signer.kid, HashKind.ALLOWED): ((digest, 16),)} if over else {}
    expires = NOW if over else NOW + timedelta(days=1)
    desk.revocation = MappedRevocation(parts, expires, frozenset() if over else frozenset({signer.kid}))
    for text in (genuine, unknown):
        assert desk.outcome(text) == (CHECK, [Reason.REVOCATION_UNCHECKED])
    # A key without such a list is withdrawn whatever else is missing.
    desk.keys = [replace(key, allowed=False) for key in desk.keys]
    assert desk.outcome(genuine)[0] is FAIL


# --- From an instant on ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "outcome"),
    [
        (ISSUED + timedelta(seconds=1), (PASS, [])),
        (ISSUED, (FAIL, [Reason.KEY_WITHDRAWN])),
        (ISSUED - timedelta(seconds=1), (FAIL, [Reason.KEY_WITHDRAWN])),
    ],
)
def test_a_key_may_be_refused_from_an_instant_on(desk: Desk, begin: datetime, outcome: Any) -> None:
    """What was issued at the instant or later is refused; what was issued before stands."""
    signer = desk.signer(reject_from=begin)
    text = signer.issue(vaccination())
    assert desk.outcome(text) == outcome
    if outcome[0] is FAIL:
        assert desk.detail(text) == f"refused from {begin:%Y-%m-%dT%H:%M:%SZ} on"


@pytest.mark.parametrize("iat", [None, "yesterday"])
def test_a_document_that_does_not_say_when_it_was_issued_counts_as_later(desk: Desk, iat: Any) -> None:
    """Else leaving the claim out, or spoiling it, would be the way round."""
    signer = desk.signer(reject_from=NOW + timedelta(days=300))
    claims: dict[int, Any] = {
        1: "XV",
        4: int((NOW + timedelta(days=9)).timestamp()),
        hc1.CLAIM_HCERT: {hc1.EU_DCC: vaccination()},
    }
    text = signer.seal(cbor.encode(claims if iat is None else claims | {6: iat}))
    state, reasons = desk.outcome(text)
    assert state is FAIL
    assert Reason.KEY_WITHDRAWN in reasons
    unreadable = signer.seal(cbor.encode([1, 2]))
    assert Reason.KEY_WITHDRAWN in desk.outcome(unreadable)[1]


def test_what_is_listed_passes_although_it_was_issued_after_the_instant(desk: Desk) -> None:
    """The mistake of an honest signer: what it issued meanwhile and rightly is named one by one."""
    signer = desk.signer(reject_from=ISSUED - timedelta(days=9), allowed=True)
    right, wrong = signer.issue(vaccination()), signer.issue(stranger())
    vouch(desk, signer, right)
    assert desk.outcome(right) == (PASS, [])
    assert desk.outcome(wrong) == (FAIL, [Reason.KEY_WITHDRAWN])


def test_an_instant_is_no_answer_to_a_thief_and_a_withdrawal_is(desk: Desk) -> None:
    """Who has the key writes whatever date he likes: a stolen key is withdrawn as a whole."""
    signer = desk.signer(reject_from=ISSUED)
    dated_back = signer.issue(stranger(), iat=int((ISSUED - timedelta(days=90)).timestamp()))
    assert desk.outcome(dated_back) == (PASS, [])
    desk.withdraw(signer)
    assert desk.outcome(dated_back) == (FAIL, [Reason.KEY_WITHDRAWN])


# --- Vouched for again -------------------------------------------------------------------------------------


def test_a_key_that_is_vouched_for_again_signs_as_before(desk: Desk) -> None:
    """REINSTATED counts as active."""
    signer = desk.signer(status=KeyStatus.REINSTATED)
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])


def test_of_two_listings_of_one_key_the_one_that_still_stands_is_tried_first(desk: Desk) -> None:
    """A key may be listed by two sources under one KID; reinstated stands as active does."""
    signer = desk.signer(status=GONE)
    desk.keys.append(replace(desk.keys[0], status=KeyStatus.REINSTATED))
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])


def test_a_csca_that_is_vouched_for_again_is_preferred_to_a_withdrawn_one() -> None:
    """Of several certificates of one CSCA key the withdrawn ones come last, whatever their period."""
    csca = Csca()
    ends = datetime(2030, 1, 1, tzinfo=UTC)
    one = replace(chain.load_authority(csca.certificate()), not_after=ends, status=KeyStatus.REINSTATED)
    other = replace(one, not_after=ends + timedelta(days=999), status=GONE)
    seal = chain.signer_of(csca.signer().certificate)
    assert chain.authority_of(seal, held(other, one)) is one


def test_a_key_that_is_given_by_hand_is_refused_like_a_listed_one() -> None:
    """Without any published revocation there is nothing that could let a certificate in, and no gap."""
    desk = Desk(revocation=None)
    signer = desk.signer(status=GONE, allowed=True)
    assert desk.outcome(signer.issue(vaccination())) == (FAIL, [Reason.KEY_WITHDRAWN])
