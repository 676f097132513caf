"""Scenario rows R: what the shipped bundles make of a recovery."""

from __future__ import annotations

import pytest
from border import CHECK, FAIL, PASS, RAPID, Border, answer, national, note
from desk import recovery

from verifier.reasons import Reason

MET = ["ISOLATE days=7", "TEST day=1", "TEST day=7"]


def in_germany(at: str = "2022-03-01T09:00:00+01:00") -> Border:
    return Border("eu-2022", at=at, country="DE")


@pytest.mark.scenario("SC-R01")
def test_the_180th_day_after_the_first_positive_test_counts() -> None:
    """First positive on 2 September 2021, on 1 March 2022: PASS."""
    assert answer(in_germany().judge(recovery(fr="2021-09-02"))) == (PASS, [], [])


@pytest.mark.scenario("SC-R02")
def test_the_day_after_that_is_too_late() -> None:
    """First positive on 1 September 2021: FAIL RECOVERY_OLD."""
    verdict = in_germany().judge(recovery(fr="2021-09-01"))
    assert answer(verdict) == (FAIL, [Reason.RECOVERY_OLD], [])
    assert note(verdict, Reason.RECOVERY_OLD)["en"] == "was valid until 28/02/2022"


@pytest.mark.scenario("SC-R04")
def test_a_later_end_on_the_paper_extends_nothing() -> None:
    """The certificate's own end is later than 180 days: our rule decides."""
    assert answer(in_germany().judge(recovery(fr="2021-09-01", du="2022-08-31"))) == (
        FAIL,
        [Reason.RECOVERY_OLD],
        [],
    )


@pytest.mark.scenario("SC-R05")
def test_an_earlier_end_on_the_paper_ends_it() -> None:
    """du passed although 180 days are not reached: FAIL EXPIRED."""
    assert answer(in_germany().judge(recovery(fr="2021-12-01", du="2022-02-28"))) == (
        FAIL,
        [Reason.EXPIRED],
        [],
    )
    assert answer(in_germany().judge(recovery(fr="2021-12-01", du="2022-03-01"))) == (PASS, [], [])


@pytest.mark.scenario("SC-R06")
def test_a_recovery_by_an_antigen_test_needs_the_pcr_result_too() -> None:
    """PCR is asked for: CHECK NEED_SECOND_DOC."""
    border = Border("vn-2021-08", at="2021-12-20T09:00:00+07:00")
    ill = recovery(fr="2021-11-01", df="2021-11-12", du="2022-04-30", tt=RAPID)
    verdict = border.judge(ill, [border.negative()])
    assert answer(verdict) == (CHECK, [Reason.NEED_SECOND_DOC, Reason.DUTY_ONLY], ["ISOLATE days=14"])
    assert "PCR" in note(verdict, Reason.NEED_SECOND_DOC)["vi"]
    by_pcr = recovery(fr="2021-11-01", df="2021-11-12", du="2022-04-30")
    assert answer(border.judge(by_pcr, [border.negative()])) == (PASS, [], MET)


@pytest.mark.scenario("SC-R07")
def test_six_months_end_with_the_month_in_our_own_rules_and_overflow_in_imported_ones() -> None:
    """From 31 August 2021: good on 28 February 2022, too old on 1 March; for CertLogic 31 August + 6 months
    is 3 March.
    """
    ill = recovery(fr="2021-08-31", df="2021-09-11", du="2022-12-31")
    border = Border("vn-2021-08", at="2022-02-28T23:59:59+07:00")
    assert answer(border.judge(ill, [border.negative()])) == (PASS, [], MET)
    border = Border("vn-2021-08", at="2022-03-01T00:00:00+07:00")
    assert answer(border.judge(ill, [border.negative()])) == (
        CHECK,
        [Reason.RECOVERY_OLD, Reason.DUTY_ONLY],
        ["ISOLATE days=14"],
    )
    six_months = {
        "not-after": [
            {"plusTime": [{"var": "external.validationClock"}, 0, "day"]},
            {"plusTime": [{"var": "payload.r.0.fr"}, 6, "month"]},
        ]
    }
    imported = national(six_months, "Recovery")
    for at, state in (("2022-03-03T00:00:00+00:00", PASS), ("2022-03-03T00:00:01+00:00", FAIL)):
        assert Border(imported, at=at).judge(ill).state is state
