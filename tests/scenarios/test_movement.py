"""Scenario rows J: movement inside the country during an outbreak, by the example that is shipped."""

from __future__ import annotations

from typing import Any

import pytest
from border import CHECK, PASS, Border, answer, changed, reasons, ways
from desk import vaccination

from trustsync import shipped
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Journey
from verifier.reasons import Reason

DISTRICTS = tuple(shipped.bundle("domestic").areas)
WITH_CASES = ("288", "292", "293", "295")
KIM_THANH = ["ISOLATE days=14", "TEST day=1"]
OTHERS = ["SELF_WATCH days=14", "TEST within_hours=24"]
HALF_COURSE = vaccination(dn=1, dt="2021-02-10")


def inside(area: str = "", at: str = "2021-03-10T09:00:00+07:00", bundle: RuleBundle | None = None) -> Border:
    """A control point on a road of Hải Dương in March 2021."""
    return Border(bundle or "domestic", at=at, journey=Journey.DOMESTIC, area=area)


@pytest.mark.scenario("SC-J01")
@pytest.mark.parametrize("area", DISTRICTS)
def test_whoever_comes_from_a_district_with_cases_has_that_districts_duty(area: str) -> None:
    """4 of 12 with cases, 1/2 vaccinated: CHECK DUTY_ONLY with the duty of that district; the other 8 are
    not touched.
    """
    verdict = inside(area).judge(HALF_COURSE)
    assert len(DISTRICTS) == 12
    if area in WITH_CASES:
        duties = KIM_THANH if area == "293" else OTHERS
        assert answer(verdict) == (CHECK, [Reason.DOSE_SHORT, Reason.DUTY_ONLY], duties)
    else:
        assert answer(verdict) == (PASS, [], [])
        assert ways(verdict) == [("movement", "free-area")]
    assert answer(inside(area).judge(vaccination(dt="2021-02-20"))) == (PASS, [], [])


@pytest.mark.scenario("SC-J02")
def test_a_district_is_free_on_the_21st_day_after_its_last_case() -> None:
    """20 days ago: still listed; 21 days ago: free. The days are local ones."""
    listed = inside("293", at="2021-03-23T23:59:59+07:00")
    assert answer(listed.judge(HALF_COURSE)) == (CHECK, [Reason.DOSE_SHORT, Reason.DUTY_ONLY], KIM_THANH)
    free = inside("293", at="2021-03-24T00:00:00+07:00")  # in UTC it is still the 23rd
    assert answer(free.judge(HALF_COURSE)) == (PASS, [], [])


@pytest.mark.scenario("SC-J03")
def test_an_unknown_origin_is_asked_for_from_a_list() -> None:
    """Origin unknown: CHECK NEED_CONTEXT; the bundle brings the names to pick from, in both languages."""
    assert answer(inside().judge(HALF_COURSE)) == (CHECK, [Reason.NEED_CONTEXT], [])
    assert answer(inside().without_certificate()) == (CHECK, [Reason.NEED_CONTEXT], [])
    areas = shipped.bundle("domestic").areas
    assert areas["293"] == {"vi": "Huyện Kim Thành", "en": "Kim Thành district"}
    assert all({"vi", "en"} == set(names) for names in areas.values())


@pytest.mark.scenario("SC-J04")
def test_nothing_widens_by_itself_to_the_whole_province() -> None:
    """A lock of the province needs a bundle that says so, district by district."""

    def whole_province(source: dict[str, Any]) -> None:
        source["version"] = "1.1.0"
        source["value_sets"]["areas-with-cases"] = {area: {"from": "2021-03-09"} for area in DISTRICTS}
        (requirement,) = source["requirements"]
        requirement["unmet"] = [{"code": "ISOLATE", "days": 14}]

    # eleven of twelve with cases: the twelfth is as free as before
    def all_but_one(source: dict[str, Any]) -> None:
        whole_province(source)
        del source["value_sets"]["areas-with-cases"]["300"]

    locked = changed("domestic", whole_province)
    assert {reasons(inside(area, bundle=locked).judge(HALF_COURSE))[1] for area in DISTRICTS} == {
        Reason.DUTY_ONLY
    }
    almost = changed("domestic", all_but_one)
    assert answer(inside("300", bundle=almost).judge(HALF_COURSE)) == (PASS, [], [])
    # nor does a province that no bundle names inherit anything
    assert answer(inside("001", bundle=almost).judge(HALF_COURSE)) == (PASS, [], [])
