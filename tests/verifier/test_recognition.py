"""Whom this country recognises: asked of who signed, never of what the document says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desk import NOW, Desk, Signer, vaccination
from office import FAMILIES, Office

from appliance.cli.answer import Judged, answer, judge
from appliance.judging import Basis
from trustsync.store import TrustSnapshot
from verifier.certificate import Family
from verifier.reasons import Reason, State
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import ClockState

PASS, CHECK, FAIL, OUT = State.PASS, State.CHECK, State.FAIL, State.OUT
OFFICIAL, TEMPORARY, NONE = RecognitionClass.OFFICIAL, RecognitionClass.TEMPORARY, RecognitionClass.NONE
CARDS = "https://cards.example"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def signer(desk: Desk) -> Signer:
    """An issuer of France."""
    return desk.signer(country="FR")


def country(code: str, recognised: RecognitionClass = OFFICIAL, **period: Any) -> RecognisedIssuer:
    return RecognisedIssuer(code, None, recognised, **period)


def named(issuer: str, recognised: RecognitionClass = OFFICIAL) -> RecognisedIssuer:
    return RecognisedIssuer(None, issuer, recognised)


def judged(desk: Desk, code: str, *lines: RecognisedIssuer) -> Judged:
    """What this desk makes of a code in a country that recognises these issuers and nobody else."""
    trust = replace(desk.trust, recognition=Recognition(lines))
    return judge(code, Basis(trust, desk.bundles, desk.now, desk.clock, desk.floor))


def outcome(result: Judged) -> tuple[State, list[Reason], RecognitionClass | None]:
    verdict = result.verdict
    return verdict.state, [found.code for found in verdict.reasons], verdict.recognition


# --- The rows of the table ----------------------------------------------------------------------------------

NOT_RECOGNISED = (CHECK, [Reason.ISSUER_NOT_RECOGNISED], NONE)
ROWS: dict[str, tuple[list[RecognisedIssuer], tuple[State, list[Reason], RecognitionClass | None]]] = {
    "nobody is on the list": ([], NOT_RECOGNISED),
    "others are on the list": ([country("DE"), named(CARDS)], NOT_RECOGNISED),
    "it says that they are not": ([country("FR", NONE)], NOT_RECOGNISED),
    "it says both": ([country("FR", NONE), country("FR")], NOT_RECOGNISED),
    "it says both, the worse last": ([country("FR"), country("FR", NONE)], NOT_RECOGNISED),
    "not yet": ([country("FR", valid_from=NOW + timedelta(seconds=1))], NOT_RECOGNISED),
    "no more": ([country("FR", TEMPORARY, valid_until=NOW)], NOT_RECOGNISED),
    "officially": ([country("FR")], (PASS, [], OFFICIAL)),
    "temporarily": ([country("FR", TEMPORARY)], (PASS, [], TEMPORARY)),
    "temporarily, for today": (
        [country("FR", TEMPORARY, valid_from=NOW, valid_until=NOW + timedelta(seconds=1))],
        (PASS, [], TEMPORARY),
    ),
    "officially, and temporarily before that": (
        [country("FR"), country("FR", TEMPORARY)],
        (PASS, [], OFFICIAL),
    ),
    "temporarily, and officially as well": (
        [country("FR", TEMPORARY), country("FR")],
        (PASS, [], OFFICIAL),
    ),
}


@pytest.mark.parametrize("name", list(ROWS))
def test_what_the_list_says_is_what_a_good_certificate_gets(desk: Desk, signer: Signer, name: str) -> None:
    """A list that stands recognises whom it names, at the time that it names, and nobody else."""
    lines, expected = ROWS[name]
    assert outcome(judged(desk, signer.issue(vaccination(), iss="FR"), *lines)) == expected


@pytest.mark.scenario("SC-K15")
def test_an_issuer_that_is_not_recognised_needs_a_consular_certification(desk: Desk, signer: Signer) -> None:
    """Authentic, and neither officially nor temporarily recognised: amber, with what to ask for."""
    result = judged(desk, signer.issue(vaccination(), iss="FR"), country("DE"))
    assert outcome(result) == NOT_RECOGNISED
    assert result.verdict.certificate is not None
    assert result.reading.checks.signature is True


@pytest.mark.scenario("SC-K16")
@pytest.mark.parametrize("recognised", [OFFICIAL, TEMPORARY])
def test_the_class_of_a_recognised_issuer_is_shown(
    desk: Desk, signer: Signer, recognised: RecognitionClass
) -> None:
    """PASS both ways, and the answer tells which."""
    result = judged(desk, signer.issue(vaccination(), iss="FR"), country("FR", recognised))
    assert outcome(result) == (PASS, [], recognised)
    assert answer(result, identity="1", kind="text")["issuer"]["recognition"] == recognised.value


def test_where_nobody_has_said_anything_it_is_not_asked(desk: Desk, signer: Signer) -> None:
    """A unit without the list answers as it always did, and says that it does not know a class."""
    result = desk.judged(signer.issue(vaccination(), iss="FR"))
    assert outcome(result) == (PASS, [], None)
    assert answer(result, identity="1", kind="text")["issuer"]["recognition"] is None


# --- Whose word it is ---------------------------------------------------------------------------------------


def test_it_is_the_key_that_is_recognised_and_not_what_the_document_says(desk: Desk, signer: Signer) -> None:
    """An HC1 document may name anybody; the name of a recognised issuer in it recognises nobody."""
    code = signer.issue(vaccination(), iss=CARDS)
    assert outcome(judged(desk, code, named(CARDS))) == NOT_RECOGNISED
    assert outcome(judged(desk, code, country("FR"))) == (PASS, [], OFFICIAL)


@pytest.mark.parametrize("code", ["FR", "fr", "FRA"])
def test_a_country_is_recognised_in_any_of_its_codes(desk: Desk, code: str) -> None:
    """Lists of keys write FRA too."""
    text = desk.signer(country=code).issue(vaccination(), iss="FR")
    assert outcome(judged(desk, text, country("FR"))) == (PASS, [], OFFICIAL)


def test_a_key_of_no_country_is_recognised_by_its_owners_name_alone(desk: Desk) -> None:
    """The name that the list of keys gives it; and a key of neither is recognised by nothing."""
    code = desk.signer(country=None, issuer=CARDS).issue(vaccination(), iss=None)
    assert outcome(judged(desk, code, named(CARDS, TEMPORARY))) == (PASS, [], TEMPORARY)
    assert outcome(judged(desk, code, country("FR"))) == NOT_RECOGNISED
    nobody = desk.signer(label="2", country=None).issue(vaccination(), iss=None)
    assert outcome(judged(desk, nobody, named(CARDS), country("FR"))) == NOT_RECOGNISED


def test_a_line_that_names_an_issuer_goes_before_its_countrys(desk: Desk) -> None:
    """One issuer of a recognised country may be left out, and one of another let in."""
    code = desk.signer(country="FR", issuer=CARDS).issue(vaccination(), iss="FR")
    assert outcome(judged(desk, code, country("FR"), named(CARDS, NONE))) == NOT_RECOGNISED
    assert outcome(judged(desk, code, country("FR", NONE), named(CARDS))) == (PASS, [], OFFICIAL)


# --- Beside other findings ----------------------------------------------------------------------------------


def test_red_stays_red_whoever_is_recognised(desk: Desk, signer: Signer) -> None:
    """A withdrawn key is FAIL; that nobody recognises its owner is said below it."""
    code = signer.issue(vaccination(), iss="FR")
    desk.withdraw(signer)
    assert outcome(judged(desk, code, country("FR"))) == (FAIL, [Reason.KEY_WITHDRAWN], OFFICIAL)
    assert outcome(judged(desk, code))[:2] == (FAIL, [Reason.KEY_WITHDRAWN, Reason.ISSUER_NOT_RECOGNISED])


def test_of_a_code_that_nobody_signed_nothing_is_asked(desk: Desk) -> None:
    """An unknown key and a wrong signature have no owner."""
    stranger = desk.signer(label="2", listed=False).issue(vaccination(), iss="FR")
    desk.signer(country="FR")
    assert outcome(judged(desk, stranger, country("FR"))) == (FAIL, [Reason.KEY_UNKNOWN], None)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (ClockState.UNSYNCED, (OUT, [Reason.CLOCK_UNSURE, Reason.ISSUER_NOT_RECOGNISED], NONE)),
        (ClockState.FLOOR_ONLY, (CHECK, [Reason.CLOCK_UNSURE], TEMPORARY)),
    ],
)
def test_a_clock_that_says_nothing_recognises_nobody_for_a_while(
    desk: Desk, signer: Signer, clock: ClockState, expected: object
) -> None:
    """Where time is not judged a line with a period does not count; a line without one does."""
    desk.clock, desk.floor = clock, NOW
    code = signer.issue(vaccination(), iss="FR")
    until = NOW + timedelta(days=1)
    assert outcome(judged(desk, code, country("FR", TEMPORARY, valid_until=until))) == expected
    assert outcome(judged(desk, code, country("FR")))[2] is OFFICIAL


# --- Every family -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("recognition"), seed="recognition") as opened:
        yield opened


@pytest.fixture(scope="module")
def known(office: Office) -> TrustSnapshot:
    return office.synced()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_recognised_by_its_signers_country(
    office: Office, known: TrustSnapshot, family: Family
) -> None:
    """Of a seal, that is the country of the CSCA; of the others, the owner of the listed key."""
    code = office.issue(family).code

    def answered(*lines: RecognisedIssuer) -> tuple[State, list[Reason], RecognitionClass | None]:
        trust = replace(known.trust, recognition=Recognition(lines))
        verdict = office.judge(code, replace(known, trust=trust)).verdict
        return verdict.state, [found.code for found in verdict.reasons], verdict.recognition

    assert answered(country("XV")) == (PASS, [], OFFICIAL)
    assert answered(country("XX")) == NOT_RECOGNISED
