"""Scenario rows K: keys, issuers and trust, through the functions that the commands use."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from desk import NOW, Desk, dose, person, reopened, vaccination

from issuer.keys import Algorithm
from verifier.reasons import Reason, State
from verifier.trust import ClockState, HashKind
from verifier.wire import cose, hc1

PASS, CHECK, FAIL, OUT = State.PASS, State.CHECK, State.FAIL, State.OUT


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.scenario("SC-K01")
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_each_algorithm_of_the_list_is_verified(desk: Desk, algorithm: Algorithm) -> None:
    """ES256, PS256 and EdDSA for our own issuer are all verified."""
    signer = desk.signer(algorithm)
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])


@pytest.mark.scenario("SC-K01")
@pytest.mark.parametrize(
    ("algorithm", "claimed"),
    [(Algorithm.ES256, -37), (Algorithm.PS256, -7), (Algorithm.EDDSA, -7), (Algorithm.ES256, -8)],
)
def test_an_algorithm_that_is_not_the_keys_is_refused(desk: Desk, algorithm: Algorithm, claimed: int) -> None:
    """An algorithm not allowed for that key is FAIL ALG_REFUSED."""
    signer = desk.signer(algorithm)
    assert desk.outcome(signer.issue(vaccination(), alg=claimed)) == (FAIL, [Reason.ALG_REFUSED])


@pytest.mark.scenario("SC-K02")
def test_a_kid_in_the_unprotected_header_alone_is_accepted(desk: Desk) -> None:
    """kid in the unprotected header only."""
    signer = desk.signer()
    assert desk.outcome(signer.issue(vaccination(), kid_protected=False)) == (PASS, [])


@pytest.mark.scenario("SC-K02")
@pytest.mark.parametrize(
    ("in_protected", "outcome"), [("right", (PASS, [])), ("wrong", (FAIL, [Reason.KEY_UNKNOWN]))]
)
def test_of_two_kids_the_protected_one_wins(
    desk: Desk, in_protected: str, outcome: tuple[State, list[Reason]]
) -> None:
    """kid in both headers and different: the protected one decides."""
    signer = desk.signer()
    right, wrong = signer.kid, b"\x00" * 8
    first, second = (right, wrong) if in_protected == "right" else (wrong, right)
    header = {cose.HEADER_ALG: -7, cose.HEADER_KID: first}
    payload = reopened(signer.issue(vaccination()))[0].payload
    signature = signer.key.sign(cose.sig_structure(cose.encode_protected(header), payload))
    text = hc1.pack(cose.encode_sign1(header, {cose.HEADER_KID: second}, payload, signature))
    assert desk.outcome(text) == outcome


@pytest.mark.scenario("SC-K03")
def test_every_key_of_a_shared_kid_is_tried(desk: Desk) -> None:
    """Two keys share a kid: PASS if one verifies."""
    first = desk.signer(label="1", kid=b"shared!!")
    second = desk.signer(label="2", kid=b"shared!!")
    assert desk.outcome(first.issue(vaccination())) == (PASS, [])
    assert desk.outcome(second.issue(vaccination())) == (PASS, [])
    stranger = desk.signer(label="3", kid=b"shared!!", listed=False)
    assert desk.outcome(stranger.issue(vaccination())) == (FAIL, [Reason.SIG_BAD])


@pytest.mark.scenario("SC-K04")
def test_an_unknown_kid_with_a_fresh_list_fails_and_is_not_called_forged(desk: Desk) -> None:
    """kid unknown, list fresh: FAIL KEY_UNKNOWN, worded "cannot be confirmed"."""
    desk.signer()
    stranger = desk.signer(label="stranger", listed=False)
    assert desk.outcome(stranger.issue(vaccination())) == (FAIL, [Reason.KEY_UNKNOWN])
    from verifier.reasons import CATALOGUE

    assert "cannot be confirmed" in CATALOGUE[Reason.KEY_UNKNOWN].en
    assert not any("forged" in (word.en + word.about).lower() for word in CATALOGUE.values())


@pytest.mark.scenario("SC-K05")
def test_an_unknown_kid_with_an_old_list_asks_for_a_sync() -> None:
    """kid unknown, list no longer FRESH: CHECK KEY_UNKNOWN and LIST_STALE."""
    desk = Desk(list_age=timedelta(hours=37))
    stranger = desk.signer(label="stranger", listed=False)
    assert desk.outcome(stranger.issue(vaccination())) == (CHECK, [Reason.KEY_UNKNOWN, Reason.LIST_STALE])


@pytest.mark.scenario("SC-K06")
@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("part", ["payload", "signature"])
def test_one_byte_changed_is_a_bad_signature(desk: Desk, algorithm: Algorithm, part: str) -> None:
    """One byte of payload or signature changed: FAIL SIG_BAD and nothing that the payload says."""
    signer = desk.signer(algorithm)
    envelope, _ = reopened(signer.issue(vaccination(), exp=0))  # expired as well: must not be mentioned
    payload, signature = bytearray(envelope.payload), bytearray(envelope.signature)
    (payload if part == "payload" else signature)[20] ^= 1
    header = {cose.HEADER_ALG: algorithm.cose, cose.HEADER_KID: signer.kid}
    text = hc1.pack(cose.encode_sign1(header, {}, bytes(payload), bytes(signature)))
    assert desk.outcome(text) == (FAIL, [Reason.SIG_BAD])


@pytest.mark.scenario("SC-K07")
def test_a_key_withdrawn_last_night_fails(desk: Desk) -> None:
    """Key withdrawn: FAIL KEY_WITHDRAWN."""
    signer = desk.signer()
    text = signer.issue(vaccination())
    assert desk.outcome(text) == (PASS, [])
    desk.withdraw(signer)
    assert desk.outcome(text) == (FAIL, [Reason.KEY_WITHDRAWN])


@pytest.mark.scenario("SC-K08")
@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("kind", [HashKind.UCI, HashKind.COUNTRYCODEUCI, HashKind.SIGNATURE])
def test_a_revoked_certificate_fails_under_each_kind_of_hash(
    desk: Desk, algorithm: Algorithm, kind: HashKind
) -> None:
    """By identifier hash, by signature hash, by country+identifier hash: FAIL REVOKED in all three."""
    signer = desk.signer(algorithm)
    text = signer.issue(vaccination())
    assert desk.outcome(text) == (PASS, [])
    signature = reopened(text)[0].signature
    hashed = {
        HashKind.UCI: dose()["ci"].encode(),
        HashKind.COUNTRYCODEUCI: (dose()["co"] + dose()["ci"]).encode(),
        HashKind.SIGNATURE: signature[:32] if algorithm is Algorithm.ES256 else signature,
    }[kind]
    desk.revocation.entries.add((signer.kid, kind, hashlib.sha256(hashed).digest()[:16]))
    assert desk.outcome(text) == (FAIL, [Reason.REVOKED])


@pytest.mark.scenario("SC-K09")
def test_a_vaccination_signed_by_a_key_for_tests_only_fails(desk: Desk) -> None:
    """Vaccination signed by a key marked tests-only: FAIL KEY_USAGE."""
    signer = desk.signer(uses=frozenset("t"))
    assert desk.outcome(signer.issue(vaccination())) == (FAIL, [Reason.KEY_USAGE])


@pytest.mark.scenario("SC-K10")
def test_a_dose_given_abroad_passes(desk: Desk) -> None:
    """Signed by DE for a dose given in FR: PASS."""
    signer = desk.signer(country="DE")
    assert desk.outcome(signer.issue(vaccination(co="FR"), iss="DE")) == (PASS, [])


@pytest.mark.scenario("SC-K11")
@pytest.mark.parametrize("iss", ["DE", "DEU"])
def test_an_issuer_that_is_not_the_keys_country_fails(desk: Desk, iss: str) -> None:
    """iss says DE, key belongs to FR: FAIL ISSUER_MISMATCH."""
    signer = desk.signer(country="FR")
    assert desk.outcome(signer.issue(vaccination(), iss=iss)) == (FAIL, [Reason.ISSUER_MISMATCH])


@pytest.mark.parametrize("iss", ["FRA", "fr", "FR", None, "Ministère de la Santé"])
def test_an_issuer_that_is_the_keys_country_or_no_country_code_is_no_mismatch(
    desk: Desk, iss: str | None
) -> None:
    """A mismatch is decided only when iss is an alpha-2 or alpha-3 code."""
    signer = desk.signer(country="FR")
    assert desk.outcome(signer.issue(vaccination(), iss=iss)) == (PASS, [])


@pytest.mark.parametrize(("also", "state"), [(frozenset({"NC"}), PASS), (frozenset(), FAIL)])
def test_an_overseas_territory_may_sign_with_the_key_that_the_list_allows(
    desk: Desk, also: frozenset[str], state: State
) -> None:
    """Pairs that the signed list allows are no mismatch."""
    signer = desk.signer(country="FR", also_for=also)
    assert desk.outcome(signer.issue(vaccination(), iss="NC"))[0] is state


@pytest.mark.scenario("SC-K12")
@pytest.mark.parametrize(
    ("begin", "end", "reason"),
    [
        (NOW - timedelta(hours=2), NOW + timedelta(days=9), Reason.KEY_PERIOD),  # issued before the period
        (NOW - timedelta(days=9), NOW - timedelta(days=2), Reason.KEY_PERIOD),  # issued after it
        (NOW - timedelta(days=9), NOW - timedelta(hours=2), Reason.KEY_EXPIRED),  # issued inside, over now
    ],
)
def test_a_key_signs_inside_its_period_and_ends_with_it(desk: Desk, begin, end, reason: Reason) -> None:
    """iat outside the key's validity: KEY_PERIOD; inside it, but over now: KEY_EXPIRED."""
    signer = desk.signer(not_before=begin, not_after=end)
    assert desk.outcome(signer.issue(vaccination())) == (FAIL, [reason])


@pytest.mark.scenario("SC-K13")
def test_a_key_of_a_test_environment_is_a_sample_on_a_production_unit(desk: Desk) -> None:
    """Key from a test environment: FAIL KEY_TEST."""
    signer = desk.signer(label="sample", listed=False)
    desk.test_kids.add(signer.kid)
    assert desk.outcome(signer.issue(vaccination())) == (FAIL, [Reason.KEY_TEST])


AGES = {
    "23 h": (timedelta(hours=23), (PASS, [])),
    "36 h": (timedelta(hours=36), (PASS, [])),
    "40 h": (timedelta(hours=40), (PASS, [Reason.LIST_STALE])),
    "8 d": (timedelta(days=8), (CHECK, [Reason.LIST_EXPIRED])),
    "61 d": (timedelta(days=61), (OUT, [Reason.LIST_EXPIRED])),
}


@pytest.mark.scenario("SC-K17")
@pytest.mark.parametrize("age", list(AGES))
def test_the_age_of_the_list_decides_the_colour_and_red_stays_red(age: str) -> None:
    """23 h / 40 h / 8 d / 61 d: PASS / banner / CHECK / OUT; a FAIL stays FAIL at every age."""
    how_old, outcome = AGES[age]
    desk = Desk(list_age=how_old)
    signer = desk.signer()
    assert desk.outcome(signer.issue(vaccination())) == outcome
    state, reasons = desk.outcome(
        signer.issue(vaccination(), exp=int((NOW - timedelta(days=1)).timestamp()) + 5)
    )
    assert (state, reasons[0]) == (FAIL, Reason.EXPIRED)
    check = desk.outcome(signer.issue(vaccination(person(dob=""))))[0]
    assert check is (OUT if age == "61 d" else CHECK)


CLOCKS = {
    "ahead, good": (ClockState.FLOOR_ONLY, {}, (CHECK, [Reason.CLOCK_UNSURE])),
    "ahead, over since the floor": (ClockState.FLOOR_ONLY, {"exp": 1}, (CHECK, [Reason.CLOCK_UNSURE])),
    "ahead, over before the floor": (
        ClockState.FLOOR_ONLY,
        {"exp": -1},
        (FAIL, [Reason.EXPIRED, Reason.CLOCK_UNSURE]),
    ),
    "behind, good": (ClockState.UNSYNCED, {}, (OUT, [Reason.CLOCK_UNSURE])),
    "behind, over": (ClockState.UNSYNCED, {"exp": -1}, (OUT, [Reason.CLOCK_UNSURE])),
}


@pytest.mark.parametrize("clock", list(CLOCKS))
def test_a_clock_that_nobody_confirms_makes_nothing_red_by_itself(clock: str) -> None:
    """Past the floor by too much, only what was over at the floor is over; behind it, nothing is judged."""
    state, change, outcome = CLOCKS[clock]
    desk = Desk(list_age=None, clock=state, floor=NOW)
    days = {"iat": -9, **change}
    times = {name: int((NOW + timedelta(days=number)).timestamp()) for name, number in days.items()}
    text = desk.signer().issue(vaccination(), **times)
    desk.now = NOW + timedelta(days=20 * 365) if "ahead" in clock else NOW - timedelta(days=50 * 365)
    assert desk.outcome(text) == outcome


def test_an_unknown_kid_is_not_red_while_the_age_of_the_list_is_unknown(desk: Desk) -> None:
    """A clock behind the floor hides the age of the list; the key may simply be younger than it."""
    desk.clock = ClockState.UNSYNCED
    stranger = desk.signer(label="stranger", listed=False)
    assert desk.outcome(stranger.issue(vaccination()))[0] is OUT


def test_revocation_data_that_cannot_be_relied_on_is_named(desk: Desk) -> None:
    """Stale, absent or corrupt revocation data: CHECK REVOCATION_UNCHECKED, never silently "not revoked"."""
    signer = desk.signer()
    desk.revocation.gaps = "the revocation role is past its expiry"
    assert desk.outcome(signer.issue(vaccination())) == (CHECK, [Reason.REVOCATION_UNCHECKED])
