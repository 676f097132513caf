"""Scenario rows D: birth dates that are not whole, days of the desk's calendar, and codes to be renewed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from border import (
    BY_AIR,
    CHECK,
    FAIL,
    PASS,
    Border,
    answer,
    changed,
    national,
    note,
    passport,
    reasons,
    rule_of,
)
from desk import instant, person, vaccination

from verifier.identity import match_identity
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Profile
from verifier.reasons import Reason
from verifier.verdict import Verdict

DEPARTED = {"departure": instant("2022-03-01T06:00:00+01:00")}


def in_germany(**journey: Any) -> Border:
    return Border("eu-2022", at="2022-03-01T09:00:00+01:00", country="DE", **(DEPARTED | journey))


def under_12() -> RuleBundle:
    """The EU's rules where those under 12 are exempt, judged on the day of entry."""

    def change(source: dict[str, Any]) -> None:
        rule = rule_of(source, "under-6")
        born = {"need": ["holder.birth", "DOB_PARTIAL"]}
        rule["logic"] = {"before": [{"var": "journey.entry"}, {"shift": [born, 12, "year"]}]}

    return changed("eu-2022", change)


@pytest.mark.scenario("SC-D01")
@pytest.mark.parametrize(
    ("birth", "outcome"),
    [
        ("1983", (FAIL, [Reason.DOSE_SHORT])),
        ("1983-10", (FAIL, [Reason.DOSE_SHORT])),
        ("2017", (PASS, [Reason.EXEMPT_AGE])),
        ("2016-02", (FAIL, [Reason.DOSE_SHORT])),  # six at the latest on 29 February 2022, that is yesterday
        ("2016-03", (CHECK, [Reason.DOSE_SHORT, Reason.DOB_PARTIAL])),  # six today, or not before 31 March
        ("2016", (CHECK, [Reason.DOSE_SHORT, Reason.DOB_PARTIAL])),
    ],
)
def test_a_partial_birth_date_matters_only_where_the_answer_depends_on_it(birth: str, outcome: Any) -> None:
    """Accepted; CHECK DOB_PARTIAL only if the earliest and the latest date have different answers."""
    half = vaccination(person(dob=birth), dn=1)
    assert answer(in_germany().judge(half))[:2] == outcome
    assert answer(in_germany().judge(vaccination(person(dob=birth))))[:2] == (PASS, [])


@pytest.mark.scenario("SC-D04")
def test_the_passports_full_date_decides_where_the_certificate_has_a_year_alone() -> None:
    """dob 2010, passport 1 February 2010, rule "under 12", 1 June 2022: 12, not exempt."""
    half = vaccination(person(dob="2010"), dn=1)
    journey = {"at": "2022-06-01T09:00:00+02:00", "country": "DE"}
    alone = Border(under_12(), **journey)
    assert reasons(alone.judge(half)) == [Reason.DOSE_SHORT, Reason.DOB_PARTIAL]
    twelve = Border(under_12(), **journey, traveller=passport("100201"))
    assert answer(twelve.judge(half))[:2] == (FAIL, [Reason.DOSE_SHORT])
    eleven = Border(under_12(), **journey, traveller=passport("100602"))
    assert answer(eleven.judge(half))[:2] == (PASS, [Reason.EXEMPT_AGE])


@pytest.mark.scenario("SC-D05")
def test_the_certificate_gives_the_passport_line_its_century() -> None:
    """210501 and 1921-05-01: one person, aged 100, and no infant."""
    border = in_germany(traveller=passport("210501"))
    old, infant = (vaccination(person(dob=dob), dn=1) for dob in ("1921-05-01", "2021-05-01"))
    assert answer(border.judge(old))[:2] == (FAIL, [Reason.DOSE_SHORT])
    assert answer(border.judge(infant))[:2] == (PASS, [Reason.EXEMPT_AGE])


@pytest.mark.scenario("SC-D06")
def test_a_passport_alone_leaves_the_century_to_the_officer() -> None:
    """210501 without a certificate: CHECK DOB_PARTIAL; the officer picks 1921 or 2021."""
    journey = {"at": "2022-03-23T12:00:00+07:00", "mode": BY_AIR}
    departed = {"departure": instant("2022-03-23T06:00:00+07:00")}
    unsaid = Border("vn-2022-03", **journey, **departed, traveller=passport("210501"))
    assert reasons(unsaid.without_certificate()) == [Reason.NEED_SECOND_DOC, Reason.DOB_PARTIAL]
    assert unsaid.without_certificate().state is CHECK
    infant = passport("210501", born=date(2021, 5, 1))
    picked = Border("vn-2022-03", **journey, **departed, traveller=infant)
    assert answer(picked.without_certificate())[:2] == (PASS, [Reason.EXEMPT_AGE])
    old = Border("vn-2022-03", **journey, **departed, traveller=passport("210501", born=date(1921, 5, 1)))
    assert reasons(old.without_certificate()) == [Reason.NEED_SECOND_DOC]


@pytest.mark.scenario("SC-D07")
def test_a_passport_that_states_the_year_alone_matches_on_it() -> None:
    """ "80<<<<" and 1980-04-02: a match on the known part, and that is said."""
    traveller = passport("80<<<<")
    border = in_germany(traveller=traveller)
    verdict = border.judge(vaccination(person(dob="1980-04-02")))
    assert answer(verdict) == (PASS, [], [])
    assert verdict.certificate is not None
    assert match_identity(verdict.certificate.holder, traveller).birth == "MATCH_KNOWN"
    other = border.judge(vaccination(person(dob="1981-04-02")))
    assert reasons(other) == [Reason.DOB_DIFFERENT]


@pytest.mark.scenario("SC-D08")
def test_day_and_month_that_changed_places_are_for_a_person_to_look_at() -> None:
    """2 March against 3 February: CHECK DOB_DIFFERENT "day and month swapped?"; a gate stays shut."""
    traveller = passport("830302")
    swapped = vaccination(person(dob="1983-02-03"))
    verdict = in_germany(traveller=traveller).judge(swapped)
    assert answer(verdict) == (CHECK, [Reason.DOB_DIFFERENT], [])
    assert note(verdict, Reason.DOB_DIFFERENT)["en"] == "Day and month swapped?"
    assert verdict.certificate is not None
    assert not match_identity(verdict.certificate.holder, traveller).opens_gate
    at_gate = in_germany(traveller=traveller, profile=Profile.GATE).judge(swapped)
    assert at_gate.state is not PASS


@pytest.mark.scenario("SC-D09")
def test_half_past_midnight_is_the_desks_new_day_and_not_yet_utcs() -> None:
    """dt 1 March, rule 14 d, 15 March 00:30+07:00, in UTC the 14th: our own rules PASS, imported CertLogic
    says not yet.
    """
    at = "2022-03-15T00:30:00+07:00"
    dose = vaccination(dt="2022-03-01")
    own = Border("vn-2022-01", at=at)
    assert answer(own.judge(dose, [own.negative()])) == (PASS, [], ["ISOLATE days=3"])
    fourteen_days = {
        "not-after": [
            {"plusTime": [{"var": "payload.v.0.dt"}, 14, "day"]},
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
        ]
    }
    imported = national(fourteen_days, "Vaccination")
    assert answer(Border(imported, at=at).judge(dose)) == (FAIL, [Reason.RULE_FAILED], [])
    for later, outcome in (("2022-03-15T06:59:59+07:00", FAIL), ("2022-03-15T07:00:00+07:00", PASS)):
        assert Border(imported, at=later).judge(dose).state is outcome


@pytest.mark.scenario("SC-D10")
@pytest.mark.parametrize("year", [2020, 2024])
def test_twelve_months_from_a_leap_day_end_on_the_28th(year: int) -> None:
    """29 February + 12 months: 28 February is the last day in, 1 March the first day out."""

    def so_early(source: dict[str, Any]) -> None:  # in 2020 there was no vaccine yet
        source["valid_from"] = "2020-01-01T00:00:00Z"
        source["value_sets"]["covid-products"]["EU/1/20/1528"] = {"from": "2020-01-01"}

    bundle = changed("vn-2022-01", so_early)
    dose = vaccination(dt=f"{year}-02-29")
    border = Border(bundle, at=f"{year + 1}-02-28T23:59:59+07:00")
    assert answer(border.judge(dose, [border.negative()])) == (PASS, [], ["ISOLATE days=3"])
    border = Border(bundle, at=f"{year + 1}-03-01T00:00:00+07:00")
    assert reasons(border.judge(dose, [border.negative()])) == [Reason.TOO_OLD, Reason.DUTY_ONLY]


def of_vietnam(at: str, bundle: str | RuleBundle = "vn-2022-05") -> Verdict:
    """What a desk makes of a certificate that Viet Nam issued on 14 April 2022 for three years."""
    border = Border(bundle, at=at, issuer="VN")
    iat, exp = (int(datetime(*day, 3, tzinfo=UTC).timestamp()) for day in ((2022, 4, 14), (2025, 1, 30)))
    payload = vaccination(dt="2022-01-10", co="VN", vp="J07BX03")
    return border.judge(payload, iss="VN", iat=iat, exp=exp)


@pytest.mark.scenario("SC-D16")
def test_a_code_of_viet_nam_is_renewed_after_twelve_months() -> None:
    """In force by its signature, and older than a year: CHECK RENEW; a rule set may make it FAIL."""

    def stricter(source: dict[str, Any]) -> None:
        rule_of(source, "renew-12-months")["state"] = "FAIL"

    for at, outcome in (
        ("2023-04-14T23:59:59+07:00", (PASS, [], [])),
        ("2023-04-15T00:00:00+07:00", (CHECK, [Reason.RENEW], [])),
        ("2023-06-01T09:00:00+07:00", (CHECK, [Reason.RENEW], [])),
    ):
        assert answer(of_vietnam(at)) == outcome
    failing = changed("vn-2022-05", stricter)
    assert answer(of_vietnam("2023-06-01T09:00:00+07:00", failing)) == (FAIL, [Reason.RENEW], [])
    # nobody else's codes are made for a year
    border = Border("vn-2022-05", at="2023-06-01T09:00:00+07:00")
    iat = int(datetime(2022, 4, 14, tzinfo=UTC).timestamp())
    assert answer(border.judge(vaccination(), iat=iat)) == (PASS, [], [])
