"""Scenario rows V: what the shipped bundles make of a dose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from border import (
    ABDALA,
    CHECK,
    COMIRNATY,
    COVID,
    FAIL,
    JCOVDEN,
    PASS,
    VAXZEVRIA,
    Border,
    answer,
    at_desk_of,
    changed,
    note,
    reasons,
    ways,
)
from desk import instant, vaccination
from office import TRAVELLER, Office

from appliance.judging import Basis, judge
from issuer.certificates import of_vaccination
from trustsync import shipped
from verifier.certificate import Family
from verifier.reasons import Reason, State

GERMANY = {"country": "DE"}
EU_2022 = "2022-03-01T09:00:00+01:00"


def arriving(at: str) -> Border:
    """A traveller at the border of Viet Nam in January to March 2022."""
    return Border("vn-2022-01", at=at)


def in_germany(at: str = EU_2022) -> Border:
    return Border("eu-2022", at=at, **GERMANY)


@pytest.mark.scenario("SC-V01")
def test_the_fourteenth_day_after_the_last_dose_counts() -> None:
    """2/2 of 15 February on 1 March: PASS, self-isolation for 3 days."""
    border = arriving("2022-03-01T09:00:00+07:00")
    verdict = border.judge(vaccination(mp=VAXZEVRIA, dt="2022-02-15"), [border.negative()])
    assert answer(verdict) == (PASS, [], ["ISOLATE days=3"])


@pytest.mark.scenario("SC-V02")
def test_a_minute_before_the_fourteenth_day_is_too_soon_and_costs_a_week() -> None:
    """The evening before: CHECK TOO_SOON with the first good day, isolation for 7 days."""
    border = arriving("2022-02-28T23:59:00+07:00")
    verdict = border.judge(vaccination(mp=VAXZEVRIA, dt="2022-02-15"), [border.negative()])
    assert answer(verdict) == (CHECK, [Reason.TOO_SOON, Reason.DUTY_ONLY], ["ISOLATE days=7"])
    assert note(verdict, Reason.TOO_SOON) == {
        "vi": "có hiệu lực từ 01/03/2022",
        "en": "valid from 01/03/2022",
    }


@pytest.mark.scenario("SC-V03")
def test_twelve_months_after_the_last_dose_is_the_last_good_day() -> None:
    """1 March 2021: good on 1 March 2022, too old on the next day, then isolation for 7 days."""
    dose = vaccination(dt="2021-03-01")
    border = arriving("2022-03-01T23:59:00+07:00")
    assert answer(border.judge(dose, [border.negative()])) == (PASS, [], ["ISOLATE days=3"])
    border = arriving("2022-03-02T00:00:00+07:00")
    verdict = border.judge(dose, [border.negative()])
    assert answer(verdict) == (CHECK, [Reason.TOO_OLD, Reason.DUTY_ONLY], ["ISOLATE days=7"])


@pytest.mark.scenario("SC-V04")
def test_half_a_course_is_not_enough_and_the_text_says_how_much_is_missing() -> None:
    """1/2 in the EU: FAIL DOSE_SHORT, "1 of 2"."""
    verdict = in_germany().judge(vaccination(dn=1, sd=2))
    assert answer(verdict) == (FAIL, [Reason.DOSE_SHORT], [])
    assert note(verdict, Reason.DOSE_SHORT) == {"vi": "Mới tiêm 1/2 mũi", "en": "dose 1 of 2"}


@pytest.mark.scenario("SC-V05")
def test_one_dose_of_a_single_dose_vaccine_is_a_full_course() -> None:
    """1/1 Jcovden fourteen days ago: PASS."""
    border = in_germany()
    assert answer(border.judge(vaccination(mp=JCOVDEN, dn=1, sd=1, dt=border.ago(14)))) == (PASS, [], [])
    too_soon = border.judge(vaccination(mp=JCOVDEN, dn=1, sd=1, dt=border.ago(13)))
    assert answer(too_soon) == (FAIL, [Reason.TOO_SOON], [])


@pytest.mark.scenario("SC-V06")
def test_a_booster_after_a_single_dose_counts_at_once() -> None:
    """2/1 given today: PASS; more doses than the course has are legal."""
    border = in_germany()
    assert answer(border.judge(vaccination(dn=2, sd=1, dt=border.ago(0)))) == (PASS, [], [])


@pytest.mark.scenario("SC-V07")
@pytest.mark.parametrize(
    ("product", "given", "outcome"),
    [
        # of which both readings are possible: a second dose, or a booster after a single one
        (JCOVDEN, "2022-02-26", (CHECK, [Reason.BOOSTER_UNCLEAR])),
        (JCOVDEN, "2021-06-03", (CHECK, [Reason.BOOSTER_UNCLEAR])),
        (COMIRNATY, "2022-02-26", (CHECK, [Reason.BOOSTER_UNCLEAR])),
        # both readings give the same answer
        (JCOVDEN, "2022-02-15", (PASS, [])),
        (COMIRNATY, "2022-02-15", (PASS, [])),
        # no booster is that old
        (COMIRNATY, "2021-06-03", (FAIL, [Reason.TOO_OLD])),
    ],
)
def test_two_of_two_alone_cannot_tell_a_booster_from_a_second_dose(
    product: str, given: str, outcome: tuple[State, list[Reason]]
) -> None:
    """2/2 three days ago where dose 1 was Jcovden: CHECK BOOSTER_UNCLEAR; so wherever the readings differ."""
    verdict = in_germany().judge(vaccination(mp=product, dn=2, sd=2, dt=given))
    assert answer(verdict)[:2] == outcome


@pytest.mark.scenario("SC-V08")
@pytest.mark.parametrize("doses", [3, 2])
def test_a_booster_counts_at_once_however_it_is_coded(doses: int) -> None:
    """3/3 two days ago, and 3/2: PASS both."""
    border = in_germany()
    assert answer(border.judge(vaccination(dn=3, sd=doses, dt=border.ago(2)))) == (PASS, [], [])


@pytest.mark.scenario("SC-V09")
def test_one_dose_after_recovery_counts_where_the_rule_set_has_that_clause() -> None:
    """1/1 of a two-dose product: PASS in the EU, FAIL DOSE_SHORT without the clause."""

    def without_the_clause(source: dict[str, Any]) -> None:
        (requirement,) = source["requirements"]
        requirement["any"] = [way for way in requirement["any"] if way["id"] != "one-dose-after-recovery"]

    dose = vaccination(dn=1, sd=1)
    verdict = in_germany().judge(dose)
    assert answer(verdict) == (PASS, [], [])
    assert ways(verdict) == [("entry", "one-dose-after-recovery")]
    elsewhere = Border(changed("eu-2022", without_the_clause), at=EU_2022, **GERMANY)
    assert answer(elsewhere.judge(dose)) == (FAIL, [Reason.DOSE_SHORT], [])
    assert answer(elsewhere.judge(vaccination()))[0] is PASS
    # the letters of Viet Nam's ministry have no such clause either
    vietnam = arriving("2022-03-01T09:00:00+07:00")
    assert reasons(vietnam.judge(dose, [vietnam.negative()])) == [Reason.DOSE_SHORT, Reason.DUTY_ONLY]


@pytest.mark.scenario("SC-V10")
@pytest.mark.parametrize("name", COVID)
def test_mixing_products_is_no_defect(name: str) -> None:
    """Dose 1 Vaxzevria, the certificate shows 2/2 Comirnaty: PASS; only the dose that is shown is judged."""
    border = at_desk_of(name)
    second = vaccination(mp=COMIRNATY, dn=2, sd=2, dt=border.ago(40))
    assert answer(border.judge(second, [border.negative()]))[:2] == (PASS, [])
    first = vaccination(mp=VAXZEVRIA, dn=1, sd=2, dt=border.ago(70))
    assert answer(border.judge(second, [border.negative(), first]))[:2] == (PASS, [])


@pytest.mark.scenario("SC-V11")
def test_in_the_eu_a_course_counts_for_270_days() -> None:
    """2/2 of 1 June 2021: good on 26 February 2022, too old on the next day."""
    dose = vaccination(dt="2021-06-01")
    assert answer(in_germany("2022-02-26T09:00:00+01:00").judge(dose)) == (PASS, [], [])
    verdict = in_germany("2022-02-27T09:00:00+01:00").judge(dose)
    assert answer(verdict) == (FAIL, [Reason.TOO_OLD], [])
    assert note(verdict, Reason.TOO_OLD)["en"] == "was valid until 26/02/2022"


@pytest.mark.scenario("SC-V12")
def test_one_paper_has_two_answers_in_two_countries() -> None:
    """2/2 Abdala: PASS in Viet Nam, FAIL VACCINE_NOT_LISTED in the EU."""
    dose = vaccination(mp=ABDALA, dt="2022-01-10")
    vietnam = arriving("2022-03-01T09:00:00+07:00")
    assert answer(vietnam.judge(dose, [vietnam.negative()])) == (PASS, [], ["ISOLATE days=3"])
    assert answer(in_germany().judge(dose)) == (FAIL, [Reason.VACCINE_NOT_LISTED], [])


@pytest.mark.scenario("SC-V13")
@pytest.mark.parametrize("name", COVID)
def test_a_product_that_no_list_here_has_is_for_a_person_to_look_at(name: str) -> None:
    """Unknown product code: CHECK VALUE_UNKNOWN, with the raw code."""
    border = at_desk_of(name)
    verdict = border.judge(vaccination(mp="Nanocovax", dt=border.ago(40)), [border.negative()])
    assert answer(verdict)[:2] == (CHECK, [Reason.VALUE_UNKNOWN])
    assert "Nanocovax" in note(verdict, Reason.VALUE_UNKNOWN)["vi"]
    assert "Nanocovax" in note(verdict, Reason.VALUE_UNKNOWN)["en"]


@pytest.mark.scenario("SC-V14")
@pytest.mark.parametrize("name", COVID)
def test_a_code_that_was_good_on_the_day_of_the_dose_stays_good(name: str) -> None:
    """Valid then and inactive since: PASS. Given after it became inactive, it is a code that nobody knows."""
    border = at_desk_of(name)
    old_code = vaccination(mp="NVX-CoV2373", dt="2021-11-08")  # since replaced by EU/1/21/1618
    assert answer(border.judge(old_code, [border.negative()]))[:2] == (PASS, [])
    too_late = vaccination(mp="NVX-CoV2373", dt="2021-11-09")
    assert answer(border.judge(too_late, [border.negative()]))[:2] == (CHECK, [Reason.VALUE_UNKNOWN])


@pytest.mark.scenario("SC-V15")
@pytest.mark.parametrize("name", shipped.names())
def test_a_dose_of_tomorrow_fails_under_every_rule_set(name: str) -> None:
    """dt in the future: FAIL NOT_YET_VALID."""
    border = at_desk_of(name) if name in COVID else Border(name, at="2022-03-01T09:00:00+07:00")
    verdict = border.judge(vaccination(dt=border.ago(-1)), [border.negative()])
    assert (verdict.state, verdict.reasons[0].code) == (FAIL, Reason.NOT_YET_VALID)


@pytest.mark.scenario("SC-V16")
@pytest.mark.parametrize("name", COVID)
def test_a_dose_from_before_the_vaccine_is_not_plausible(name: str) -> None:
    """dt before the product's first use anywhere: CHECK IMPLAUSIBLE_DATE, and nothing else is concluded."""
    border = at_desk_of(name)
    verdict = border.judge(vaccination(mp=COMIRNATY, dt="2020-12-01"), [border.negative()])
    assert answer(verdict)[:2] == (CHECK, [Reason.IMPLAUSIBLE_DATE])
    assert note(verdict, Reason.IMPLAUSIBLE_DATE)["en"].startswith("dose on 01/12/2020")
    first_day = border.judge(vaccination(mp=COMIRNATY, dt="2020-12-02"), [border.negative()])
    assert Reason.IMPLAUSIBLE_DATE not in reasons(first_day)


@pytest.mark.scenario("SC-V17")
@pytest.mark.parametrize("name", shipped.names())
@pytest.mark.parametrize("number", [0, -1, 100])
def test_a_dose_number_that_cannot_be_is_malformed_under_every_rule_set(name: str, number: int) -> None:
    """dn 0, or negative, or 100: FAIL MALFORMED."""
    border = at_desk_of(name) if name in COVID else Border(name, at="2022-03-01T09:00:00+07:00")
    verdict = border.judge(vaccination(dn=number), [border.negative()])
    assert answer(verdict) == (FAIL, [Reason.MALFORMED], [])


@pytest.mark.scenario("SC-V18")
def test_a_later_dose_that_is_shown_second_replaces_the_first() -> None:
    """1/2 and then 2/2 of one person: PASS, and both are listed."""
    border = in_germany()
    first, second = (
        vaccination(dn=1, dt=border.ago(60), ci="URN:UVCI:01:XV:FIRST#A"),
        vaccination(dn=2, dt=border.ago(30), ci="URN:UVCI:01:XV:SECOND#B"),
    )
    assert answer(border.judge(first)) == (FAIL, [Reason.DOSE_SHORT], [])
    verdict = border.judge(second, [first])
    assert answer(verdict) == (PASS, [], [])
    assert [each.events[0].dose for each in verdict.shown] == [1, 2]
    # the order in which they are shown makes no difference
    assert answer(border.judge(first, [second])) == (PASS, [], [])


# --- What no row says


@pytest.mark.parametrize("family", [Family.HC1, Family.DDCC, Family.SHC, Family.VDS_NC, Family.DIVOC])
def test_a_dose_is_judged_alike_in_whatever_family_it_is_written(tmp_path: Path, family: Family) -> None:
    """Thirteen days ago TOO_SOON, fourteen days ago not: the same rules over one vocabulary."""
    now = instant("2022-03-01T09:00:00+07:00")
    basis_of = {
        day: of_vaccination(TRAVELLER, country="XV", day=instant(f"{day}T00:00:00+07:00").date())
        for day in ("2022-02-16", "2022-02-15")
    }
    with Office(tmp_path, now=now) as office:
        codes = {day: office.issue(family, payload).code for day, payload in basis_of.items()}
        known = office.synced()
    basis = Basis(known.trust, (shipped.bundle("vn-2022-01"),), now, None, known.floor)
    early, good = (judge(codes[day], basis).verdict for day in codes)
    # no test is shown here, so that is asked for in both
    assert reasons(early) == [Reason.TOO_SOON, Reason.NEED_SECOND_DOC, Reason.DUTY_ONLY]
    assert reasons(good) == [Reason.NEED_SECOND_DOC]


def test_a_third_dose_of_four_is_no_booster() -> None:
    """3/4 says of itself that the course is not complete: FAIL DOSE_SHORT in the EU; 4/4 is good at once."""
    border = at_desk_of("eu-2022")
    short = border.judge(vaccination(dn=3, sd=4, dt=border.ago(40)))
    assert answer(short)[:2] == (FAIL, [Reason.DOSE_SHORT])
    assert answer(border.judge(vaccination(dn=4, sd=4, dt=border.ago(1)))) == (PASS, [], [])


def test_a_second_dose_after_a_single_dose_product_is_a_full_course_in_viet_nam_too() -> None:
    """2/1 of Comirnaty is more than one dose; 1/1 of it is not."""
    border = at_desk_of("vn-2022-01")
    for dn, outcome in ((2, (PASS, [])), (1, (CHECK, [Reason.DOSE_SHORT, Reason.DUTY_ONLY]))):
        verdict = border.judge(vaccination(mp=COMIRNATY, dn=dn, sd=1, dt=border.ago(20)), [border.negative()])
        assert answer(verdict)[:2] == outcome
