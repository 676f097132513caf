"""Several certificates of one person in one session: in any order, partial success is never green."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from border import CHECK, COVID, FAIL, PASS, Border, answer, at_desk_of, passport, reasons
from desk import instant, lab_result, person, recovery, vaccination

from appliance.judging import judge
from trustsync import shipped
from verifier.certificate import Family
from verifier.policy.context import Profile
from verifier.reasons import Reason
from verifier.verdict import Verdict, decide
from verifier.vocabulary import YELLOW_FEVER

POSITIVE = "260373001"
ISOLATE_3 = ["ISOLATE days=3"]


def january(**journey: Any) -> Border:
    """A desk that asks for a course (or a recovery) and a test."""
    return Border("vn-2022-01", at="2022-03-01T09:00:00+07:00", **journey)


@pytest.mark.parametrize("name", shipped.names())
def test_a_positive_test_stays_whatever_is_shown_after_it(name: str) -> None:
    """A dose, a recovery or a later negative test beside it: FAIL TEST_POSITIVE in every order."""
    border = at_desk_of(name) if name in COVID else Border(name, at="2022-03-01T09:00:00+07:00")
    positive = border.negative(tr=POSITIVE, sc=border.before(20))
    dose, negative = vaccination(dt=border.ago(40)), border.negative()
    for shown in ([positive, dose, negative], [negative, positive, dose], [dose, positive, negative]):
        verdict = border.judge(shown[-1], shown[:-1])
        assert (verdict.state, verdict.reasons[0].code, verdict.duties) == (FAIL, Reason.TEST_POSITIVE, ())


def test_a_positive_test_that_is_itself_no_good_says_nothing_of_anybody() -> None:
    """Its code has expired: it is answered by itself, as any document that failed."""
    border = january()
    code = border.signer.issue(
        border.negative(tr=POSITIVE), exp=int((border.at - timedelta(days=1)).timestamp())
    )
    assert reasons(border.judge(code))[0] is Reason.EXPIRED
    assert answer(border.judge(vaccination(), [code, border.negative()])) == (PASS, [], ISOLATE_3)


@pytest.mark.parametrize("live", [False, True], ids=["the expired one last", "the live one last"])
def test_the_certificate_in_hand_is_the_one_that_is_answered(live: bool) -> None:
    """A screenshot that expired yesterday and the live code, with a test: what was shown last decides."""
    border = january()
    expired = border.signer.issue(vaccination(), exp=int((border.at - timedelta(days=1)).timestamp()))
    good, test = border.signer.issue(vaccination()), border.negative()
    if live:
        assert answer(border.judge(good, [test, expired])) == (PASS, [], ISOLATE_3)
        assert answer(border.judge(test, [good, expired])) == (PASS, [], ISOLATE_3)
    else:
        assert answer(border.judge(expired, [test, good]))[:2] == (FAIL, [Reason.EXPIRED])


def test_a_code_that_was_renewed_stands_in_the_place_of_the_old_one() -> None:
    """RENEW, then the new code of the same dose on the second scan: PASS, with a test between them too."""
    border = Border("vn-2022-05", at="2023-06-01T09:00:00+07:00", issuer="VN")
    dose = vaccination(co="VN", dt="2022-01-10")
    old = border.signer.issue(dose, iss="VN", iat=int(instant("2022-04-14T10:00:00+07:00").timestamp()))
    new = border.signer.issue(vaccination(co="VN", dt="2022-01-10", ci="URN:UVCI:01:VN:NEW#B"), iss="VN")
    test = border.signer.issue(border.negative(co="VN"), iss="VN")
    assert answer(border.judge(old)) == (CHECK, [Reason.RENEW], [])
    assert answer(border.judge(new, [old])) == (PASS, [], [])
    assert answer(border.judge(test, [old, new])) == (PASS, [], [])
    # the other way round the old one is in hand; and another dose renews nothing
    assert answer(border.judge(old, [new])) == (CHECK, [Reason.RENEW], [])
    other = border.signer.issue(vaccination(co="VN", dt="2022-01-11"), iss="VN")
    assert answer(border.judge(other, [old])) == (CHECK, [Reason.RENEW], [])


def test_the_same_code_again_changes_nothing() -> None:
    """Shown two or three times, it counts once."""
    border = january()
    dose, test = border.signer.issue(vaccination()), border.signer.issue(border.negative())
    verdict = border.judge(dose, [dose, test, dose, test])
    assert answer(verdict) == (PASS, [], ISOLATE_3)
    assert [len(each.events) for each in verdict.shown] == [1, 1]
    assert answer(border.judge(dose, [dose, dose]))[:2] == (CHECK, [Reason.NEED_SECOND_DOC])


def test_what_a_person_had_to_look_at_stays_for_a_person_to_look_at() -> None:
    """A test whose expiry nobody states is CHECK beside a dose that is good, in either order."""
    border = january()
    test = border.signer.issue(border.negative(), exp=None)
    for shown in ([test, vaccination()], [vaccination(), test]):
        assert answer(border.judge(shown[-1], shown[:-1]))[:2] == (CHECK, [Reason.NO_EXPIRY])


def as_family(border: Border, payload: Any, family: Family) -> Any:
    """An assessment as if another family had brought the same events."""
    assessment = judge(border.signer.issue(payload), border.basis()).assessment
    assert assessment.certificate is not None
    return replace(assessment, certificate=replace(assessment.certificate, family=family))


@pytest.mark.parametrize("family", [Family.LT1, Family.AT1, Family.NZCP])
def test_a_domestic_certificate_adds_nothing_to_another_one(family: Family) -> None:
    """Its dose does not complete a test, whichever is in hand."""
    border = january()
    dose, test = as_family(border, vaccination(), family), as_family(border, border.negative(), Family.HC1)
    policy = border.basis().policy()
    assert Reason.NEED_SECOND_DOC in reasons(decide(test, policy, [dose]))
    assert reasons(decide(dose, policy, [test])) == [Reason.UNSUPPORTED]


def test_a_certificate_for_another_disease_adds_nothing_and_takes_nothing() -> None:
    """Yellow fever beside COVID-19: the dose is no dose, and a full proof stays one."""
    border = january()
    other = vaccination(tg=YELLOW_FEVER, mp="STAMARIL", dt="2020-01-10")
    assert Reason.NEED_SECOND_DOC in reasons(border.judge(border.negative(), [other]))
    assert answer(border.judge(border.negative(), [vaccination(), other])) == (PASS, [], ISOLATE_3)
    assert reasons(border.judge(other, [vaccination(), border.negative()])) == [Reason.DISEASE_OTHER]


def opened(earlier: dict[str, Any], last: dict[str, Any], profile: Profile) -> Verdict:
    """A dose on the first head, a test on the second one, against the passport of Nguyễn Bảo Duy."""
    border = january(profile=profile, traveller=passport("831010"))
    return border.judge(lab_result(last, sc=border.before(10)), [vaccination(earlier)])


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"dob": "1983"}, Reason.DOB_PARTIAL),
        ({"nam": {"fn": "Duy", "gn": "Nguyễn Bảo", "fnt": "DUY", "gnt": "NGUYEN<BAO"}}, Reason.NAME_PARTIAL),
        ({"nam": {"fn": "Nguyễn", "gn": "Duy", "fnt": "NGUYEN", "gnt": "DUY"}}, Reason.NAME_PARTIAL),
    ],
)
def test_a_gate_opens_only_where_each_certificate_is_the_travellers(
    head: dict[str, Any], reason: Reason
) -> None:
    """What does not open a gate by itself does not open it behind another certificate either."""
    whole, part = person(), person(**head)
    for earlier, last in ((part, whole), (whole, part)):
        assert answer(opened(earlier, last, Profile.GATE))[:2] == (CHECK, [reason])
    assert opened(whole, whole, Profile.GATE).state is PASS


def test_whoever_is_not_the_traveller_is_told_of_by_each_certificate() -> None:
    """A certificate of somebody else among them is red, whatever is in hand."""
    other = person(nam={"fn": "Trần", "gn": "Văn Bình", "fnt": "TRAN", "gnt": "VAN<BINH"}, dob="1990-01-01")
    verdict = opened(other, person(), Profile.BORDER)
    assert (verdict.state, reasons(verdict)) == (FAIL, [Reason.NAME_DIFFERENT, Reason.DOB_DIFFERENT])


@pytest.mark.parametrize("name", COVID)
def test_a_recovery_that_has_not_happened_yet_fails(name: str) -> None:
    """First positive tomorrow: FAIL NOT_YET_VALID under every rule set, as for a dose; today counts."""
    border = at_desk_of(name)
    period = {"df": border.ago(-12), "du": border.ago(-150)}
    verdict = border.judge(recovery(fr=border.ago(-1), **period), [border.negative()])
    assert (verdict.state, verdict.reasons[0].code) == (FAIL, Reason.NOT_YET_VALID)
    today = border.judge(recovery(fr=border.ago(0), **period), [border.negative()])
    assert Reason.NOT_YET_VALID not in reasons(today)


def test_a_dose_against_another_disease_takes_back_nothing() -> None:
    """Half a course is red. A yellow fever dose is green by itself; together they are red in either order."""
    border = Border("eu-2022", "yf-ihr", at="2022-03-01T09:00:00+07:00", country="DE", origin="BR")
    half = vaccination(dn=1, dt=border.ago(60))
    fever = vaccination(tg=YELLOW_FEVER, vp="1181000221105", mp="STAMARIL", dn=1, sd=1, dt=border.ago(400))
    assert answer(border.judge(fever)) == (PASS, [], [])
    for shown in ([half, fever], [fever, half]):
        verdict = border.judge(shown[-1], shown[:-1])
        assert (verdict.state, reasons(verdict)) == (FAIL, [Reason.DOSE_SHORT])
        assert {verdict.bundle and verdict.bundle.name, *(each.name for each in verdict.beside)} == {
            "eu-2022",
            "yf-ihr",
        }
