"""Any certificate of any family, any journey and clock, every shipped bundle: an answer, and its laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from border import COVID, Border, at_desk_of, passport
from desk import lab_result, person, recovery, vaccination
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trustsync import shipped
from verifier.assessment import Assessment
from verifier.certificate import (
    Certificate,
    Event,
    Exemption,
    Family,
    Holder,
    Prophylaxis,
    Recovery,
    Vaccination,
)
from verifier.certificate import Test as LabTest
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Context, Journey, Mode, Paper, Profile
from verifier.policy.explain import explained
from verifier.reasons import Reason, State
from verifier.recognition import RecognitionClass
from verifier.times import DESK_ZONE, time_bounds
from verifier.trust import ClockState, TrustedKey
from verifier.verdict import Policy, Verdict, decide
from verifier.vocabulary import COVID_19, YELLOW_FEVER

NOW = datetime(2022, 3, 20, 2, tzinfo=UTC)
ENDS = [date.min, date.max, date(2022, 3, 20), date(2022, 3, 6), date(2021, 3, 20), date(2022, 3, 21)]
PASS, CHECK = State.PASS, State.CHECK

days = st.none() | st.sampled_from(ENDS) | st.dates()
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
instants = st.none() | st.builds(lambda at, zone: at.replace(tzinfo=zone), st.datetimes(), zones)
aware = instants.map(lambda at: at if at is None or at.tzinfo else at.replace(tzinfo=UTC))
texts = st.text(max_size=6) | st.sampled_from(
    ["", "EU/1/20/1528", "EU/1/20/1525", "Abdala", "trial", "LP6464-4", "LP217198-3", "260415000", "VN", "XV"]
)
numbers = st.none() | st.integers(-1, 100) | st.just(2**200)
diseases = st.sampled_from([COVID_19, YELLOW_FEVER, "", "x"])
common = {"disease": diseases, "country": texts, "issuer": texts, "identifier": texts}
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Vaccination, vaccine=texts, product=texts, maker=texts, dose=numbers, doses=numbers, given=days,
        valid_from=days, valid_until=days, **common,
    ),
    st.builds(
        LabTest, kind=texts, device=texts, sampled=instants, sampled_text=texts, result=texts, **common
    ),
    st.builds(Recovery, first_positive=days, valid_from=days, valid_until=days, proof=texts, **common),
    st.builds(Exemption, valid_until=days, **common),
    st.builds(Prophylaxis, product=texts, given=days, valid_from=days, valid_until=days, **common),
)  # fmt: skip
births = st.sampled_from(
    ["", "1983", "2020-03", "2020-03-20", "2083-01-01", "9999", "0001-01-01", "2022-03-20"]
)
certificates = st.builds(
    Certificate,
    family=st.sampled_from(Family),
    key=st.builds(lambda country: TrustedKey(kid=b"", spki=b"", country=country), st.none() | texts),
    holder=st.builds(Holder, surname=texts, given=texts, birth_date=births),
    events=st.lists(events, max_size=3).map(tuple),
    issuer=st.none() | texts,
    issued_at=aware,
    expires_at=aware,
    version=texts,
    document=st.just({}),
)
_FIRST, _LAST = map(datetime.fromisoformat, ("1900-01-02", "2998-01-01"))  # as a desk takes them
near = st.none() | st.datetimes(_FIRST, _LAST, timezones=st.just(UTC))
contexts = st.builds(
    Context,
    profile=st.sampled_from(Profile),
    journey=st.sampled_from(Journey),
    country=st.sampled_from(["VN", "DE", "", "XX"]),
    mode=st.none() | st.sampled_from(Mode),
    arrival=near,
    departure=near,
    longest=st.none() | st.timedeltas(timedelta(0), timedelta(days=60)),
    origin=st.sampled_from(["", "BR", "JP"]),
    area=st.sampled_from(["", "288", "290", "no such area"]),
    role=st.sampled_from(["", "crew", "guest"]),
    paper=st.none() | st.just(Paper("medical", "FR")),
    airside=st.none() | st.integers(0, 48),
    traveller=st.none() | st.sampled_from([passport("831010"), passport("200320"), passport("80<<<<")]),
)
BUNDLES = [None, *map(shipped.bundle, shipped.names())]


def assessed(one: Certificate, clock: ClockState | None, floor: datetime) -> Assessment:
    """What the steps before the rules leave, when nothing speaks against the document."""
    return Assessment(
        family=one.family,
        checks=(),
        certificate=one,
        list_state=None,
        list_signed_at=None,
        clock=clock,
        now=None if clock is ClockState.UNSYNCED else NOW,
        time=time_bounds(NOW, clock, floor, DESK_ZONE),
        recognition=RecognitionClass.OFFICIAL,
    )


def judged(
    shown: list[Certificate], bundle: RuleBundle | None, context: Context, clock: ClockState | None = None
) -> Verdict:
    assessments = [assessed(each, clock, NOW - timedelta(days=3)) for each in shown]
    return decide(assessments[-1], Policy(bundle, context), assessments[:-1])


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(certificates, min_size=1, max_size=3),
    st.sampled_from(BUNDLES),
    contexts,
    st.none() | st.sampled_from(ClockState),
)
def test_any_certificates_have_an_answer_that_can_be_explained(
    shown: list[Certificate], bundle: RuleBundle | None, context: Context, clock: ClockState | None
) -> None:
    """Nothing raises. Not green: what no rules speak of, another disease, a paper for one country alone."""
    verdict = judged(shown, bundle, context, clock)
    assert isinstance(explained(verdict), list)
    codes = {found.code for found in verdict.reasons}
    if bundle is None:
        assert verdict.state is not PASS
        assert Reason.RULES_MISSING in codes
    elif not bundle.domestic and shown[-1].family in (Family.LT1, Family.AT1, Family.NZCP):
        assert verdict.state is not PASS
        assert Reason.UNSUPPORTED in codes
    elif bundle.diseases and shown[-1].events and not bundle.diseases & {e.disease for e in shown[-1].events}:
        assert verdict.state is not PASS
    if verdict.state is State.FAIL:
        assert verdict.duties == ()


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(certificates, min_size=1, max_size=2), st.sampled_from(BUNDLES[1:]), contexts)
def test_what_a_sure_clock_does_not_refuse_an_unsure_one_does_not_either(
    shown: list[Certificate], bundle: RuleBundle, context: Context
) -> None:
    """A clock that nobody confirms makes nothing red by itself: red without a sure time is red with it."""
    sure = judged(shown, bundle, context).state
    for clock in (ClockState.FLOOR_ONLY, ClockState.UNSYNCED):
        if judged(shown, bundle, context, clock).state is State.FAIL:
            assert sure is State.FAIL


ODD: list[Any] = [
    None, "", " ", "x", "\u202ex\u0000", "x" * 2_000, 0, -1, 2.0, 2.5, 1e300, 2**70, True, [], ["x"], {},
    {"x": 1}, b"x", "2022-02-30", "9999-12-31", "0001-01-01", "2022-03-15T08:00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "٢٠٢٢-٠١-٠١",
]  # fmt: skip
MEMBERS = [
    (make, member)
    for make, members in (
        (vaccination, ("tg", "vp", "mp", "ma", "dn", "sd", "dt", "co", "is", "ci")),
        (lab_result, ("tg", "tt", "sc", "tr", "tc", "nm", "ma", "co", "is", "ci")),
        (recovery, ("tg", "fr", "df", "du", "co", "is", "ci")),
    )
    for member in members
]


@pytest.mark.parametrize("name", COVID)
@pytest.mark.parametrize(("make", "member"), MEMBERS)
def test_an_odd_value_in_a_signed_certificate_has_an_answer(name: str, make: Any, member: str) -> None:
    """An issuer may sign anything: each member as each odd value, alone and beside a good test."""
    border = at_desk_of(name)
    fresh = {"sc": border.before(10)} if make is lab_result and member != "sc" else {}
    for value in ODD:
        payload = make(**(fresh | {member: value}))
        for earlier in ([], [border.negative()]):
            verdict = border.judge(payload, earlier)
            assert isinstance(explained(verdict), list)
            if member in NEEDED and name in ASKING and not _may_be_good(value):
                assert verdict.state is not PASS, (value, verdict.reasons)


# Bundles that ask for a dose or a recovery, and the members without which neither is one.
ASKING = ("vn-2021-08", "vn-2022-01", "eu-2022")
NEEDED = ("dt", "dn", "fr")


def _may_be_good(value: Any) -> bool:
    return value == 2.0 or (isinstance(value, str) and value.startswith("2022-03-15"))


@pytest.mark.parametrize("birth", [None, "", "x", "1983", "1983-13-45", "2083-10-10", "9999", 1983, ["1983"]])
@pytest.mark.parametrize("name", COVID)
def test_an_odd_birth_date_exempts_nobody(name: str, birth: Any) -> None:
    """A child is exempt by a birth date that somebody can have, and by no other."""
    at, journey = COVID[name]
    for traveller in (None, passport("831010")):
        border = Border(name, at=at, traveller=traveller, **journey)
        verdict = border.judge(vaccination(person(dob=birth), dn=1, sd=2, dt=border.ago(40)))
        assert Reason.EXEMPT_AGE not in [found.code for found in verdict.reasons]


def test_a_clock_that_nobody_confirmed_passes_nobody_by_a_rule_about_time() -> None:
    """A floor alone is no upper bound: a dose of 14 days ago may be of years ago by now."""
    bundle = shipped.bundle("eu-2022")
    assert judged([_dose(date(2022, 3, 1))], bundle, Context(country="DE")).state is PASS
    for clock in (ClockState.FLOOR_ONLY, ClockState.UNSYNCED):
        verdict = judged([_dose(date(2022, 3, 1))], bundle, Context(country="DE"), clock)
        assert verdict.state is CHECK
        assert Reason.CLOCK_UNSURE in [found.code for found in verdict.reasons]


def _dose(given: date) -> Certificate:
    event = Vaccination(COVID_19, "", "EU/1/20/1528", "", 2, 2, given, "XV", "", "")
    key = TrustedKey(kid=b"", spki=b"", country="XV")
    holder = Holder("Nguyễn", "Bảo Duy", birth_date="1983-10-10")
    return Certificate(Family.HC1, key, holder, (event,), "XV", NOW, None, "1.3.0", {})


def test_a_certificate_that_tells_of_nothing_is_no_proof() -> None:
    """No event at all, where a dose or a test is asked."""
    empty = replace(_dose(date(2022, 3, 1)), events=())
    for name, context in (("eu-2022", Context(country="DE")), ("vn-2022-03", Context(mode=Mode.AIR))):
        verdict = judged([empty], shipped.bundle(name), context)
        assert verdict.state is CHECK
        assert Reason.NEED_SECOND_DOC in [found.code for found in verdict.reasons]
