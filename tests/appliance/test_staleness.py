"""How old the list is decides the colour: the whole table of ages, through judging, gate and page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from desk import NOW, Desk, Signer, vaccination
from gate_rig import Rig, snapshot_of

from appliance.judging import Basis, Judgement, judge
from appliance.kiosk.facts import age_words, of_findings, of_verdict, said
from appliance.signals import Signal
from appliance.supply import FixedTrust
from verifier.clocks import Reading, confirm
from verifier.duties import DutyCode
from verifier.reasons import CATALOGUE, Reason, State, finding
from verifier.times import told
from verifier.trust import FRESHNESS, ListState

PASS, CHECK, FAIL, OUT, RESCAN = State.PASS, State.CHECK, State.FAIL, State.OUT, State.RESCAN
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
PHONE = "+84 24 3768 0000"


@pytest.fixture
def signer(desk: Desk) -> Signer:
    return desk.signer()


def aged(desk: Desk, code: str, age: timedelta, **changes: object) -> Judgement:
    """What a desk makes of a code with a list of this age. changes: of the list."""
    trust = replace(desk.trust, signed_at=NOW - age, **changes)  # type: ignore[arg-type]
    return judge(code, Basis(trust, desk.bundles, NOW))


def outcome(judged: Judgement) -> tuple[State, list[Reason], bool]:
    """State, reasons, and whether a second person must check."""
    verdict = judged.verdict
    second = [duty.code for duty in verdict.duties] == [DutyCode.SECOND_CHECK]
    assert second or not verdict.duties
    return verdict.state, [found.code for found in verdict.reasons], second


# --- The table ----------------------------------------------------------------------------------------------

# Age: the list's state; what PASS, CHECK NO_EXPIRY, FAIL EXPIRED and an unknown key become; a second person.
AGES: dict[timedelta, tuple[ListState, tuple[State, State, State, State], list[Reason], bool]] = {}
for age in (-HOUR, timedelta(), 23 * HOUR, 36 * HOUR):
    AGES[age] = (ListState.FRESH, (PASS, CHECK, FAIL, FAIL), [], False)
for age in (36 * HOUR + SECOND, 40 * HOUR, 7 * DAY):
    AGES[age] = (ListState.STALE_1, (PASS, CHECK, FAIL, CHECK), [Reason.LIST_STALE], False)
for age in (7 * DAY + SECOND, 8 * DAY, 9 * DAY, 30 * DAY):
    AGES[age] = (ListState.STALE_2, (CHECK, CHECK, FAIL, CHECK), [Reason.LIST_EXPIRED], False)
for age in (30 * DAY + SECOND, 45 * DAY, 60 * DAY):
    AGES[age] = (ListState.STALE_3, (CHECK, CHECK, FAIL, CHECK), [Reason.LIST_EXPIRED], True)
for age in (60 * DAY + SECOND, 61 * DAY, 4000 * DAY):
    AGES[age] = (ListState.EXPIRED, (OUT, OUT, FAIL, OUT), [Reason.LIST_EXPIRED], False)


@pytest.mark.scenario("SC-K17")
@pytest.mark.parametrize("age", AGES, ids=str)
def test_each_age_has_its_colour_and_red_stays_red(desk: Desk, signer: Signer, age: timedelta) -> None:
    """At and behind each limit: green, green with a banner, amber, amber with a second person, OUT; a FAIL
    stays FAIL.
    """
    state, (good, amber, red, unknown), reasons, second = AGES[age]
    over = int((NOW - HOUR).timestamp())
    codes = {
        signer.issue(vaccination()): (good, []),
        signer.issue(vaccination(), exp=None): (amber, [Reason.NO_EXPIRY]),
        signer.issue(vaccination(), exp=over): (red, [Reason.EXPIRED]),
        desk.signer(label="2", listed=False).issue(vaccination()): (unknown, [Reason.KEY_UNKNOWN]),
    }
    for code, (expected, own) in codes.items():
        judged = aged(desk, code, age)
        # of one group the order of the table; OUT stands before CHECK
        wanted = [*reasons, *own] if expected is OUT else [*own, *reasons]
        assert outcome(judged) == (expected, wanted, second)
        assert judged.verdict.list_state is state
    # what is no certificate needs no list at all
    assert outcome(aged(desk, "https://example.invalid", age))[0] is RESCAN


def test_a_signed_policy_and_an_end_of_the_signers_come_sooner(desk: Desk, signer: Signer) -> None:
    """The limits are the list's own; whoever signed it may be over at any age, and nobody is asked about the
    red.
    """
    code = signer.issue(vaccination())
    sooner = ((12 * HOUR, ListState.FRESH), (24 * HOUR, ListState.STALE_1), *FRESHNESS[2:])
    assert outcome(aged(desk, code, 13 * HOUR, limits=sooner))[:2] == (PASS, [Reason.LIST_STALE])
    assert outcome(aged(desk, code, 25 * HOUR, limits=sooner))[:2] == (CHECK, [Reason.LIST_EXPIRED])
    (void,) = aged(desk, code, HOUR, void_from=NOW).verdict.reasons
    assert (void.code, void.state) == (Reason.LIST_EXPIRED, OUT)
    assert void.detail == "signed 1 h ago; whoever signed it may no longer speak"
    assert outcome(aged(desk, code, HOUR, void_from=NOW + SECOND))[:2] == (PASS, [])
    expired = signer.issue(vaccination(), exp=int((NOW - HOUR).timestamp()))
    assert outcome(aged(desk, expired, HOUR, void_from=NOW))[0] is FAIL


def test_keys_given_by_hand_have_no_age(desk: Desk, signer: Signer) -> None:
    """Nothing is said about a list that there is not."""
    desk.list_age = None
    assert desk.outcome(signer.issue(vaccination())) == (PASS, [])


@pytest.mark.scenario("SC-K05")
@pytest.mark.parametrize("age", [37 * HOUR, 6 * DAY])
def test_an_unknown_issuer_on_an_old_list_is_amber_and_asks_for_a_sync(desk: Desk, age: timedelta) -> None:
    """A young key may be missing: amber, with the words "sync the list now"; red as soon as it is fresh."""
    code = desk.signer(listed=False).issue(vaccination())
    desk.signer(label="2")
    judged = aged(desk, code, age)
    assert outcome(judged)[:2] == (CHECK, [Reason.KEY_UNKNOWN, Reason.LIST_STALE])
    facts = of_verdict(judged.verdict)
    assert "sync the list now" in facts["advice"][0]["en"]
    assert "đồng bộ ngay" in facts["advice"][0]["vi"]
    fresh = of_verdict(aged(desk, code, HOUR).verdict)
    assert (fresh["state"], fresh["advice"], fresh["call"]) == ("FAIL", [], None)


# --- The age in words ---------------------------------------------------------------------------------------

WORDS = {
    timedelta(): (0, "hours", "0 giờ", "0 hours"),
    90 * timedelta(minutes=1): (1, "hours", "1 giờ", "1 hour"),
    40 * HOUR: (40, "hours", "40 giờ", "40 hours"),
    48 * HOUR - SECOND: (47, "hours", "47 giờ", "47 hours"),
    2 * DAY: (2, "days", "2 ngày", "2 days"),
    9 * DAY + 23 * HOUR: (9, "days", "9 ngày", "9 days"),
    -HOUR: (0, "hours", "0 giờ", "0 hours"),
}


@pytest.mark.parametrize("age", WORDS, ids=str)
def test_an_age_is_said_in_hours_and_then_in_days(age: timedelta) -> None:
    """Whole ones, and never more than it is."""
    count, unit, vi, en = WORDS[age]
    assert told(age) == (count, unit)
    assert age_words(age) == {"vi": vi, "en": en}


def test_the_banner_says_how_old_the_list_is(desk: Desk, signer: Signer) -> None:
    """In the officer's words and in the detail for integrators; without one, the words of the catalogue."""
    (banner,) = aged(desk, signer.issue(vaccination()), 3 * DAY).verdict.reasons
    assert (banner.code, banner.state, banner.detail) == (Reason.LIST_STALE, None, "signed 3 days ago")
    assert said(banner) == {
        "vi": "Danh sách tin cậy đã 3 ngày chưa cập nhật",
        "en": "Trust list is 3 days old",
    }
    bare = finding(Reason.LIST_STALE)
    assert said(bare)["en"] == CATALOGUE[Reason.LIST_STALE].en


# --- At the desk --------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC-H02")
@pytest.mark.parametrize(
    "confirmed", [True, False], ids=["a clock that holds", "a clock that nobody confirms"]
)
def test_a_unit_that_did_not_sync_for_nine_days_shows_no_green(
    desk: Desk, make_rig: Callable[..., Rig], confirmed: bool
) -> None:
    """Every PASS is CHECK LIST_EXPIRED with plain words and a phone number, on lamp and page, code after
    code.
    """
    desk.list_age = 9 * DAY
    signer = desk.signer()
    rig = make_rig(desk, phone=PHONE)
    known = snapshot_of(desk)
    if confirmed:
        known = replace(known, clock=confirm(known.clock, Reading(NOW)))
    rig.open_trust = lambda: FixedTrust(known)
    codes = ["LIST_EXPIRED"] if confirmed else ["LIST_EXPIRED", "CLOCK_UNSURE"]
    start = time.monotonic()
    for identifier in ("A", "B", "C"):
        rig.hold(signer.issue(vaccination(ci=f"URN:UVCI:01:XV:{identifier}#A")), seconds=0.4)
        page = rig.page()
        assert (rig.lamp.signal, page["state"], rig.codes()) == (Signal.CHECK, "CHECK", codes)
        assert page["headline"] == {
            "vi": "Danh sách tin cậy quá hạn: đã 9 ngày chưa cập nhật",
            "en": "Trust list out of date: 9 days old",
        }
        assert page["call"] == {"phone": PHONE, "text": {"vi": f"Gọi {PHONE}", "en": f"Call {PHONE}"}}
        assert len(page["advice"]) == 2
        assert "USB" in page["advice"][1]["en"]
        rig.show(None, seconds=6)
        assert rig.lamp.signal is Signal.READY
    assert [answer.verdict.state for answer in rig.answers] == [CHECK] * 3
    lit = {change.lens.value for change in rig.lamp.recording(start) if change.level}
    assert "green" not in lit
    assert "amber" in lit


def test_without_a_number_the_page_still_says_whom_to_ask() -> None:
    """The key is optional; the words are not."""
    old = finding(Reason.LIST_EXPIRED, age=9 * DAY)
    call = of_findings(Signal.CHECK, [old])["call"]
    assert call["phone"] is None
    assert call["text"] == {
        "vi": "Gọi người phụ trách thiết bị.",
        "en": "Call whoever looks after this unit.",
    }


def test_beside_a_red_nothing_excuses_the_code(desk: Desk, signer: Signer) -> None:
    """The list is old there too, and that is no reason to think that the code may be good."""
    code = signer.issue(vaccination(), exp=int((NOW - HOUR).timestamp()))
    facts = of_verdict(aged(desk, code, 9 * DAY).verdict, phone=PHONE)
    assert (facts["state"], facts["advice"], facts["call"]["phone"]) == ("FAIL", [], PHONE)


def test_after_thirty_days_the_page_asks_for_the_manual_procedure(desk: Desk, signer: Signer) -> None:
    """And for a second person."""
    facts = of_verdict(aged(desk, signer.issue(vaccination()), 31 * DAY).verdict, phone=PHONE)
    assert [duty["code"] for duty in facts["duties"]] == ["SECOND_CHECK"]
    assert facts["advice"][-1]["en"] == "Follow the manual procedure sheet."


def test_an_idle_unit_whose_list_is_over_says_out_with_its_age_and_keeps_it_right(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """The number on the page moves on while nobody shows a code; nothing is said against any code."""
    desk.list_age = 61 * DAY
    rig = make_rig(desk, phone=PHONE)
    rig.rounds(1)
    page = rig.page()
    assert (rig.lamp.signal, page["state"]) == (Signal.OUT, "OUT")
    assert page["headline"]["en"] == "Trust list out of date: 61 days old"
    assert page["advice"][0]["en"] == "This unit cannot verify any code. That says nothing against a code."
    assert page["call"]["phone"] == PHONE
    shown = page["id"]
    rig.rounds(5)
    assert rig.page()["id"] == shown  # nothing is told again and again
    rig.now += DAY
    rig.rounds(1)
    assert rig.page()["headline"]["en"] == "Trust list out of date: 62 days old"
