"""Scenario rows C: children, exemptions, and people who have no paper."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from border import (
    BY_AIR,
    BY_LAND,
    CHECK,
    COVID,
    FAIL,
    PASS,
    Border,
    answer,
    at_desk_of,
    changed,
    note,
    passport,
    reasons,
    rule_of,
    ways,
)
from desk import instant, lab_result, person, vaccination

from verifier.catalogue import CATALOGUE
from verifier.policy.context import Paper, Profile
from verifier.reasons import Reason

WATCH = ["SELF_WATCH days=10", "DECLARE"]


def arriving(at: str, **journey: Any) -> Border:
    """An airport of Viet Nam in March 2022."""
    return Border("vn-2022-03", at=at, **({"mode": BY_AIR} | journey))


@pytest.mark.scenario("SC-C01")
def test_a_child_on_the_day_before_the_second_birthday_is_exempt_by_the_passport_alone() -> None:
    """1 year 364 days, no certificate: PASS EXEMPT_AGE, "exempt until 02/04/2022"."""
    child = passport("200402", born=date(2020, 4, 2))
    verdict = arriving("2022-04-01T23:59:59+07:00", traveller=child).without_certificate()
    assert answer(verdict) == (PASS, [Reason.EXEMPT_AGE], WATCH)
    assert "exempt until 02/04/2022" in note(verdict, Reason.EXEMPT_AGE)["en"]
    assert "miễn đến 02/04/2022" in note(verdict, Reason.EXEMPT_AGE)["vi"]


@pytest.mark.scenario("SC-C02")
def test_on_the_second_birthday_a_test_is_needed() -> None:
    """The rule applies: CHECK NEED_SECOND_DOC."""
    child = passport("200402", born=date(2020, 4, 2))
    at = "2022-04-02T09:00:00+07:00"
    today = instant("2022-04-02T05:00:00+07:00")
    verdict = arriving(at, traveller=child, departure=today).without_certificate()
    assert answer(verdict) == (CHECK, [Reason.NEED_SECOND_DOC], WATCH)
    # whoever set out yesterday was not yet two: as long as nobody has said when, that is asked too
    verdict = arriving(at, traveller=child).without_certificate()
    assert answer(verdict) == (CHECK, [Reason.NEED_SECOND_DOC, Reason.NEED_CONTEXT], WATCH)


@pytest.mark.scenario("SC-C03")
def test_a_birthday_in_flight_counts_for_the_child_unless_the_rule_names_the_date() -> None:
    """Age at departure and at entry differ: the kinder one where the rule is silent, else what it says."""

    def at_entry(source: dict[str, Any]) -> None:
        rule = rule_of(source, "under-2")
        rule["logic"] = {"before": [{"var": "journey.entry"}, rule["values"]["until"]]}

    journey = {
        "at": "2022-04-02T03:00:00+07:00",
        "mode": BY_AIR,
        "departure": instant("2022-04-01T22:00:00+07:00"),
        "traveller": passport("200402", born=date(2020, 4, 2)),
    }
    silent = Border("vn-2022-03", **journey)
    assert answer(silent.without_certificate())[:2] == (PASS, [Reason.EXEMPT_AGE])
    named = Border(changed("vn-2022-03", at_entry), **journey)
    assert answer(named.without_certificate())[:2] == (CHECK, [Reason.NEED_SECOND_DOC])


HALF_COURSE, FULL_COURSE = {"dn": 1, "sd": 2}, {"dn": 2, "sd": 2}


@pytest.mark.scenario("SC-C04")
@pytest.mark.parametrize(
    ("born", "half", "tested"),
    [
        # the day before the birthday, and the birthday
        ("2016-03-02", (PASS, [Reason.EXEMPT_AGE]), (PASS, [])),
        ("2016-03-01", (FAIL, [Reason.DOSE_SHORT]), (PASS, [])),
        ("2004-03-02", (FAIL, [Reason.DOSE_SHORT]), (PASS, [])),
        ("2004-03-01", (FAIL, [Reason.DOSE_SHORT]), (CHECK, [Reason.NEED_SECOND_DOC])),
    ],
)
def test_in_the_eu_three_ages_have_three_rules(born: str, half: Any, tested: Any) -> None:
    """5: exempt; 6 and 17: test or vaccine; 18: vaccine."""
    departed = instant("2022-03-01T06:00:00+01:00")
    border = Border("eu-2022", at="2022-03-01T09:00:00+01:00", country="DE", departure=departed)
    head = person(dob=born)
    assert answer(border.judge(vaccination(head, **HALF_COURSE)))[:2] == half
    assert answer(border.judge(vaccination(head, **FULL_COURSE)))[:2] == (PASS, [])
    assert answer(border.judge(lab_result(head, sc=border.before(10))))[:2] == tested


@pytest.mark.scenario("SC-C06")
@pytest.mark.parametrize("name", COVID)
def test_a_childs_certificate_in_the_hands_of_an_adult_fails(name: str) -> None:
    """The birth date is not the passport's: FAIL DOB_DIFFERENT under every rule set."""
    border = at_desk_of(name)
    at, journey = COVID[name]
    adult = Border(name, at=at, traveller=passport("831010"), **journey)
    child = person(dob="2018-05-01")
    verdict = adult.judge(vaccination(child, dt=border.ago(40)))
    assert (verdict.state, verdict.reasons[0].code) == (FAIL, Reason.DOB_DIFFERENT)
    assert Reason.DOB_DIFFERENT not in reasons(adult.judge(vaccination(dt=border.ago(40))))


@pytest.mark.scenario("SC-C07")
@pytest.mark.parametrize("name", ["vn-2021-08", "vn-2022-01", "eu-2022", "domestic"])
def test_a_medical_exemption_on_paper_is_looked_at_by_eye(name: str) -> None:
    """Unvaccinated for medical reasons: CHECK PAPER_ONLY wherever a vaccination is asked; kind and country
    are all that is kept.
    """
    at, journey = COVID[name]
    area = {"area": "293"} if name == "domestic" else {}
    at = "2021-03-10T09:00:00+07:00" if name == "domestic" else at
    border = Border(name, at=at, **(dict(journey) | area), paper=Paper("medical", "FR"))
    verdict = border.judge(border.negative())
    assert answer(verdict) == (CHECK, [Reason.PAPER_ONLY], [])
    nothing = Border(name, at=at, **(dict(journey) | area), paper=Paper("other", "FR"))
    assert Reason.PAPER_ONLY not in reasons(nothing.judge(nothing.negative()))


@pytest.mark.scenario("SC-C08")
def test_a_citizen_who_returns_with_nothing_enters_with_a_duty() -> None:
    """By land: CHECK DUTY_ONLY, a test within 24 h; nobody is told to refuse entry."""
    citizen = passport("831010")
    verdict = arriving("2022-03-23T12:00:00+07:00", mode=BY_LAND, traveller=citizen).without_certificate()
    assert answer(verdict) == (
        CHECK,
        [Reason.NEED_SECOND_DOC, Reason.DUTY_ONLY],
        ["TEST within_hours=24", *WATCH],
    )
    said = [CATALOGUE[found.code] for found in verdict.reasons]
    assert not any("refuse" in str(words).lower() or "từ chối" in str(words).lower() for words in said)


@pytest.mark.scenario("SC-C09")
@pytest.mark.parametrize("role", ["diplomat", "crew", "lorry-driver"])
@pytest.mark.parametrize("profile", [Profile.BORDER, Profile.QUARANTINE])
def test_diplomats_crews_and_lorry_drivers_are_exempt_by_their_role(role: str, profile: Profile) -> None:
    """The officer picks the role: PASS EXEMPT_ROLE."""
    at = "2022-03-23T12:00:00+07:00"
    border = arriving(at, role=role, profile=profile)
    assert answer(border.without_certificate()) == (PASS, [Reason.EXEMPT_ROLE], WATCH)
    january = Border("vn-2022-01", at="2022-02-01T09:00:00+07:00", role=role, profile=profile)
    assert answer(january.without_certificate()) == (PASS, [Reason.EXEMPT_ROLE], [])
    tourist = arriving(at, role="tourist", profile=profile, traveller=passport("831010"))
    assert reasons(tourist.without_certificate()) == [Reason.NEED_SECOND_DOC]


@pytest.mark.scenario("SC-C10")
@pytest.mark.parametrize("name", COVID)
def test_a_dose_of_a_trial_is_for_a_person_to_look_at(name: str) -> None:
    """Product code "trial": CHECK VALUE_UNKNOWN."""
    border = at_desk_of(name)
    verdict = border.judge(vaccination(mp="trial", dt=border.ago(40)), [border.negative()])
    assert answer(verdict)[:2] == (CHECK, [Reason.VALUE_UNKNOWN])


# --- What no row says


def test_who_was_born_on_a_leap_day_comes_of_age_on_the_first_of_march() -> None:
    """Kind to the young: two years old on 1 March 2022, not on 28 February."""
    child = passport("200229", born=date(2020, 2, 29))
    for day, state in (("2022-02-28", PASS), ("2022-03-01", CHECK)):
        at = f"{day}T12:00:00+07:00"
        border = Border(
            "vn-2022-01", at=at, role="", departure=instant(f"{day}T06:00:00+07:00"), traveller=child
        )
        verdict = border.judge(vaccination(person(dob="2020-02-29"), dt="2022-01-10"))
        assert verdict.state is state, day


def test_an_exemption_and_a_test_do_not_ask_twice() -> None:
    """A child under two by land with an old test: exempt, and no test within 24 h."""
    child = person(dob="2020-06-01")
    border = arriving("2022-03-23T12:00:00+07:00", mode=BY_LAND)
    verdict = border.judge(lab_result(child, sc=border.before(200)))
    assert answer(verdict) == (PASS, [Reason.EXEMPT_AGE], WATCH)
    assert ways(verdict) == [("test", "exempt-under-2")]
