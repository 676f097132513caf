"""The desk: several certificates or persons, taps, travel documents, and rules that change meanwhile."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desk import NOW, Desk, Signer, instant, lab_result, person, recovery, vaccination
from gate_rig import Rig, image_of, snapshot_of
from passports import passport
from test_gate_parts import sheet

from appliance import answering
from appliance.kiosk import create_app
from appliance.kiosk.facts import of_verdict
from appliance.session import Held
from appliance.signals import Signal
from appliance.supply import FixedTrust
from trustsync import shipped
from trustsync.errors import NoListError
from verifier.assessment import Assessment
from verifier.certificate import Certificate, Holder
from verifier.identity import Traveller
from verifier.mrz import TravelDocument, read_lines
from verifier.opening import OpenedCode
from verifier.policy.bundle import SIGNATURE_ONLY, Asks, RuleBundle
from verifier.policy.context import Context, Journey, Mode, Profile
from verifier.times import SKEW
from verifier.verdict import Verdict

MakeRig = Callable[..., Rig]
DUY = passport("NGUYEN", "BAO<DUY", birth="831010")
UOC = person(nam={"fn": "Trương", "gn": "Mỹ Ước", "fnt": "TRUONG", "gnt": "MY<UOC"}, dob="1969-04-05")
UOCS_PASSPORT = passport("TRUONG", "MY<UOC", birth="690405")
ON_15_MARCH = "2022-03-20T09:00:00+07:00"


def named(surname: str, given: str) -> dict[str, Any]:
    """An invented traveller of this name."""
    return person(nam={"fn": surname, "gn": given, "fnt": surname.upper(), "gnt": given.upper()})


def desk_at(at: str, *bundles: RuleBundle | str, **options: Any) -> tuple[Desk, Callable[[MakeRig], Rig]]:
    """A desk at a time with these rules, and how to make its rig."""
    desk = Desk(now=instant(at))
    desk.signer(not_before=NOW - timedelta(days=900))
    rules = tuple(shipped.bundle(each) if isinstance(each, str) else each for each in bundles)

    def rig_of(make_rig: MakeRig) -> Rig:
        rig = make_rig(desk, **options)
        snapshot = replace(snapshot_of(desk), bundles=rules)
        rig.open_trust = lambda: FixedTrust(snapshot)
        return rig

    return desk, rig_of


def tap(rig: Rig, path: str, /, **body: Any) -> int:
    """Tap on the page, and let the unit hear it."""
    headers = {"Host": "localhost", "Origin": "http://localhost"}
    answer = create_app(rig.hub).test_client().post(path, json=body, headers=headers)
    rig.rounds(0.2)
    return answer.status_code


def asked(rig: Rig, path: str, accept: str = "application/json") -> Any:
    """What the page answers to a question."""
    headers = {"Host": "localhost", "Accept": accept}
    answer = create_app(rig.hub).test_client().get(path, headers=headers)
    return answer.get_json() if accept == "application/json" else answer.get_data(as_text=True)


def shown(rig: Rig) -> tuple[Signal, str | None, list[str]]:
    return rig.lamp.signal, rig.page()["state"], rig.codes()


def holder(rig: Rig) -> str | None:
    facts = rig.page()["holder"]
    return facts and facts["name"]


# --- Several persons in view --------------------------------------------------------------------------------


@pytest.fixture
def family(desk: Desk) -> list[str]:
    """Four codes of four persons, of which the third is expired."""
    signer = desk.signer()
    over = {"iat": 0, "exp": int((NOW - timedelta(hours=1)).timestamp())}
    names = ("An", "Binh", "Chi", "Dung")
    return [signer.issue(vaccination(named("Le", name)), **(over if name == "Chi" else {})) for name in names]


@pytest.mark.scenario("SC-C05")
def test_a_sheet_with_the_codes_of_a_family_is_a_line_for_each_and_nobody_is_mixed(
    rig: Rig, family: list[str]
) -> None:
    """Each name beside its own state; the lamp shows the worst; no name stands under that colour."""
    rig.show(sheet(*family), 0.5)
    page = rig.page()
    lines = {one["holder"]["name"]: one["state"] for one in page["people"]}
    assert lines == {"Le An": "PASS", "Le Binh": "PASS", "Le Chi": "FAIL", "Le Dung": "PASS"}
    assert (rig.lamp.signal, page["state"], page["holder"]) == (Signal.FAIL, "FAIL", None)
    assert (page["results"], len(rig.answers)) == (4, 4)
    assert page["headline"]["en"] == "4 persons in view: each line has its own result"
    colours = {one["holder"]["name"]: (one["sign"], one["colour"]) for one in page["people"]}
    assert colours["Le An"] == ("✓", "green")
    assert colours["Le Chi"] == ("✕", "red")


def test_of_several_persons_the_one_whose_code_stays_alone_is_shown_alone(
    rig: Rig, family: list[str]
) -> None:
    """One code at a time after all: with name, state and taps of that person, and no further count."""
    rig.show(sheet(*family[:2]), 0.5)
    assert len(rig.page()["people"]) == 2
    rig.show(sheet(family[1]), 0.5)
    assert len(rig.page()["people"]) == 2
    rig.show(sheet(family[1]), 1.5)
    assert (holder(rig), rig.page()["people"], rig.page()["results"]) == ("Le Binh", [], 2)


def test_whoever_comes_beside_another_code_makes_a_list_of_two(rig: Rig, family: list[str]) -> None:
    """The first code is still there: one name is not put under the other's answer."""
    rig.show(sheet(family[0]), 0.5)
    assert (holder(rig), rig.lamp.signal) == ("Le An", Signal.PASS)
    rig.show(sheet(family[0], family[2]), 0.3)
    assert [one["holder"]["name"] for one in rig.page()["people"]] == ["Le An", "Le Chi"]
    assert (holder(rig), rig.lamp.signal, rig.page()["results"]) == (None, Signal.FAIL, 2)


def test_a_code_of_which_nothing_is_proven_has_a_line_without_a_name(rig: Rig, family: list[str]) -> None:
    """A forged code held up beside a good one hides nothing and borrows no name."""
    stranger = rig.desk.signer(label="stranger", listed=False).issue(vaccination())
    rig.show(sheet(family[0], stranger), 0.3)
    lines = [(one["state"], one["holder"] and one["holder"]["name"]) for one in rig.page()["people"]]
    assert sorted(lines, key=str) == [("FAIL", None), ("PASS", "Le An")]
    assert rig.lamp.signal is Signal.FAIL


def test_the_names_of_a_list_leave_the_page_and_the_unit_after_fifteen_seconds(
    rig: Rig, family: list[str]
) -> None:
    """As any other name does, though the sheet lies there; and it is not listed anew."""
    rig.show(sheet(*family), 14.8)
    assert len(rig.page()["people"]) == 4
    rig.rounds(1.0)
    assert (rig.page()["people"], rig.gate._desk._view.listed) == ([], [])
    assert "Le An" not in str(rig.page())
    rig.rounds(20)
    assert rig.page()["results"] == 4


def test_a_gate_opens_for_nobody_of_several(make_rig: MakeRig, desk: Desk, family: list[str]) -> None:
    """Where nobody looks, one person at a time."""
    rig = make_rig(desk, context=Context(profile=Profile.GATE))
    rig.show(sheet(*family[:2]), 0.5)
    assert rig.page()["door"]["open"] is False


def test_a_list_ends_the_session_of_whoever_stood_there(rig: Rig, family: list[str]) -> None:
    """Their certificates, passport and journey are gone: a tap shows nobody under the list's colour."""
    signer = rig.desk.signer()
    rig.hold(signer.issue(vaccination()), 0.3)
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    assert rig.gate._desk.session.begun
    rig.show(sheet(*family[:2]), 0.3)
    assert (rig.gate._desk.session.begun, rig.page()["traveller"]) == (False, None)
    assert tap(rig, "/journey", mode="air") == 202
    assert ("Nguyễn" in str(rig.page()), len(rig.page()["people"])) == (False, 2)


# --- Several certificates of one person ---------------------------------------------------------------------


@pytest.mark.scenario("SC-V18")
def test_the_second_dose_takes_the_place_of_the_first_and_both_are_listed(make_rig: MakeRig) -> None:
    """Dose 1 of 2 is too little, dose 2 of 2 after it is enough; the page lists both."""
    desk, rig_of = desk_at("2022-03-01T09:00:00+07:00", "eu-2022", context=Context(country="DE"))
    rig, signer = rig_of(make_rig), desk.signer()
    rig.hold(signer.issue(vaccination(dn=1, dt="2021-10-01")), 0.5)
    assert shown(rig) == (Signal.FAIL, "FAIL", ["DOSE_SHORT"])
    assert rig.page()["reasons"][0]["note"]["en"] == "dose 1 of 2"
    rig.show(None, 3)
    rig.hold(signer.issue(vaccination(dn=2, dt="2021-11-01")), 0.5)
    assert shown(rig) == (Signal.PASS, "PASS", [])
    lines = [paper["events"][0]["text"]["en"] for paper in rig.page()["certificates"]]
    assert lines == ["Comirnaty · dose 1/2 · 01/10/2021", "Comirnaty · dose 2/2 · 01/11/2021"]


@pytest.mark.scenario("SC-T17")
def test_a_recovery_and_a_negative_test_together_are_one_answer_that_names_its_ways(
    make_rig: MakeRig,
) -> None:
    """Neither is enough alone; in one frame they are, and the page says by which ways."""
    desk, rig_of = desk_at("2022-02-01T09:00:00+07:00", "vn-2022-01")
    rig, signer = rig_of(make_rig), desk.signer()
    test = signer.issue(lab_result(sc="2022-01-31T20:00:00+07:00"))
    ill = signer.issue(recovery())
    rig.show(sheet(test), 0.5)
    assert "NEED_SECOND_DOC" in rig.codes()
    rig.show(None, 8)
    assert tap(rig, "/next") == 202
    rig.show(sheet(ill, test), 0.5)
    assert shown(rig) == (Signal.PASS, "PASS", [])
    page = rig.page()
    assert (page["people"], len(page["certificates"])) == ([], 2)
    assert [(way["requirement"], way["met"]) for way in page["ways"]] == [("immunity", True), ("test", True)]
    assert all(way["text"]["vi"] and way["text"]["en"] for way in page["ways"])
    assert [duty["code"] for duty in page["duties"]] == ["ISOLATE"]


def two_papers(make_rig: MakeRig) -> tuple[Rig, str, str]:
    """A desk that asks for a recovery and a test; the papers of one person."""
    desk, rig_of = desk_at("2022-02-01T09:00:00+07:00", "vn-2022-01")
    rig, signer = rig_of(make_rig), desk.signer()
    return rig, signer.issue(recovery()), signer.issue(lab_result(sc="2022-01-31T20:00:00+07:00"))


@pytest.mark.parametrize(
    ("between", "passes"),
    [("at once", True), ("after 14 s", True), ("after 16 s", False), ("next", False), ("fault", False)],
)
def test_a_session_lasts_no_longer_than_the_name_may_stand(
    make_rig: MakeRig, between: str, passes: bool
) -> None:
    """Fifteen seconds after the last certificate, or at "next", or with a fault, nobody is known any more."""
    rig, ill, test = two_papers(make_rig)
    rig.hold(ill, 0.1)
    match between:
        case "after 14 s":
            rig.show(None, 14)
        case "after 16 s":
            rig.show(None, 16)
        case "next":
            assert tap(rig, "/next") == 202
            assert (rig.page()["holder"], rig.page()["last"], rig.lamp.signal) == (None, None, Signal.READY)
        case "fault":
            rig.clock_error = RuntimeError("fault")
            rig.rounds(0.1)
            rig.clock_error = None
            rig.show(None, 8)
    rig.hold(test, 0.3)
    assert (rig.page()["state"] == "PASS") is passes


def test_certificates_of_two_persons_are_never_judged_together(make_rig: MakeRig) -> None:
    """The other's test does not complete this one's recovery, whoever comes first."""
    desk, rig_of = desk_at("2022-02-01T09:00:00+07:00", "vn-2022-01")
    rig, signer = rig_of(make_rig), desk.signer()
    rig.hold(signer.issue(recovery()), 0.3)
    rig.hold(signer.issue(lab_result(UOC, sc="2022-01-31T20:00:00+07:00")), 0.3)
    assert (rig.page()["state"], holder(rig)) == ("CHECK", "Trương Mỹ Ước")
    assert len(rig.page()["certificates"]) == 1


def test_a_paper_that_stays_amber_beside_a_good_one_is_never_green(make_rig: MakeRig) -> None:
    """Partial success: one of two papers has no expiry date, and somebody must look at that."""
    rig, ill, _ = two_papers(make_rig)
    signer = rig.desk.signer()
    rig.hold(signer.issue(lab_result(sc="2022-01-31T20:00:00+07:00"), exp=None), 0.3)
    rig.hold(ill, 0.3)
    assert (rig.page()["state"], rig.codes()) == ("CHECK", ["NO_EXPIRY"])


# --- Taps ---------------------------------------------------------------------------------------------------


@pytest.fixture
def by_air(make_rig: MakeRig) -> Rig:
    """A desk at an airport in March 2022 with a test of 85 hours held up, the departure unknown."""
    desk, rig_of = desk_at(ON_15_MARCH, "vn-2022-03", context=Context(mode=Mode.AIR))
    rig = rig_of(make_rig)
    sampled = desk.now and desk.now - timedelta(hours=85)
    rig.hold(desk.signer().issue(lab_result(sc=sampled.isoformat())), 0.5)  # type: ignore[union-attr]
    return rig


@pytest.mark.scenario("SC-T05")
@pytest.mark.parametrize(("hours_ago", "state"), [(14, "PASS"), (12, "FAIL")])
def test_one_tap_tells_the_departure_and_the_same_code_is_judged_anew(
    by_air: Rig, hours_ago: int, state: str
) -> None:
    """CHECK NEED_CONTEXT asks for it; lamp and page change without another scan, and it is one result."""
    assert shown(by_air) == (Signal.CHECK, "CHECK", ["NEED_CONTEXT"])
    assert by_air.page()["asks"][0] == "departure"
    by_air.show(None, 6)
    assert (by_air.lamp.signal, by_air.page()["last"]["asks"][0]) == (Signal.READY, "departure")
    departure = by_air.now - timedelta(hours=hours_ago)
    assert tap(by_air, "/journey", departure=departure.isoformat()) == 202
    assert (by_air.lamp.signal.value, by_air.page()["state"]) == (state, state)
    assert (holder(by_air), by_air.page()["results"]) == ("Nguyễn Bảo Duy", 1)
    assert [answer.again for answer in by_air.answers] == [False, True]


def test_the_next_traveller_has_no_departure(by_air: Rig) -> None:
    """What was told of one journey is not taken for another's."""
    text = by_air.desk.signer().issue(lab_result(UOC, sc=(by_air.now - timedelta(hours=85)).isoformat()))
    assert tap(by_air, "/journey", departure=(by_air.now - timedelta(hours=14)).isoformat()) == 202
    by_air.hold(text, 0.3)
    assert (by_air.codes(), asked(by_air, "/journey")["told"].get("departure")) == (["NEED_CONTEXT"], None)


def test_at_an_airline_the_flight_stays_until_it_is_changed(make_rig: MakeRig) -> None:
    """Destination and departure are told once for all passengers; what is one's own goes with them."""
    desk, rig_of = desk_at(
        ON_15_MARCH, "vn-2022-03", context=Context(profile=Profile.AIRLINE, country="TH", mode=Mode.AIR)
    )
    rig, signer = rig_of(make_rig), desk.signer()
    departure = rig.now + timedelta(hours=2)
    told = {"flight": "VN 600", "country": "VN", "departure": departure.isoformat(), "role": "crew"}
    assert tap(rig, "/journey", **told) == 202
    rig.hold(signer.issue(lab_result(UOC, sc=(departure - timedelta(hours=71)).isoformat())), 0.3)
    assert rig.page()["state"] == "PASS"
    rig.show(None, 20)
    journey = asked(rig, "/journey")["told"]
    assert (journey["flight"], journey["country"], "role" in journey) == ("VN 600", "VN", False)
    assert rig.page()["rules"]["bundle"] == "vn-2022-03"
    rig.hold(signer.issue(lab_result(sc=(departure - timedelta(hours=73)).isoformat())), 0.3)
    assert rig.codes() == ["TEST_TOO_OLD"]


@pytest.mark.scenario("SC-C08")
def test_a_traveller_with_nothing_may_enter_with_a_test(make_rig: MakeRig) -> None:
    """No certificate, by land: CHECK with the duty, and "refuse entry" stands nowhere."""
    _, rig_of = desk_at(ON_15_MARCH, "vn-2022-03", context=Context(mode=Mode.LAND))
    rig = rig_of(make_rig)
    rig.rounds(0.3)
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    assert tap(rig, "/no-certificate") == 202
    assert (rig.lamp.signal, rig.codes()[-1]) == (Signal.CHECK, "DUTY_ONLY")
    duties = {duty["code"]: duty.get("within_hours") for duty in rig.page()["duties"]}
    assert duties["TEST"] == 24
    assert "refuse" not in json.dumps(rig.page()).lower()


def test_an_answer_without_a_certificate_can_be_tapped_for_as_long_as_a_name_stands(
    make_rig: MakeRig,
) -> None:
    """After the lamp is ready again the page still asks, for fifteen seconds; then nothing of it is there."""
    _, rig_of = desk_at(ON_15_MARCH, "vn-2022-03", context=Context())
    rig = rig_of(make_rig)
    rig.rounds(0.3)
    assert tap(rig, "/no-certificate") == 202
    rig.rounds(8)
    page = rig.page()
    assert (rig.lamp.signal, page["last"]["state"], page["last"]["asks"][0]) == (
        Signal.READY,
        "CHECK",
        "mode",
    )
    assert tap(rig, "/journey", mode="land") == 202
    assert "DUTY_ONLY" in rig.codes()
    rig.rounds(20)
    assert (rig.page()["last"], asked(rig, "/journey")["told"].get("mode")) == (None, None)


def test_a_tap_on_a_result_whose_traveller_is_forgotten_reads_the_code_again(by_air: Rig) -> None:
    """The journey that was told is that of the code in view, and does not wait for the next traveller."""
    by_air.rounds(16)
    assert (by_air.page()["state"], by_air.page()["holder"]) == ("CHECK", None)
    assert tap(by_air, "/journey", departure=(by_air.now - timedelta(hours=14)).isoformat()) == 202
    assert (by_air.page()["state"], holder(by_air)) == ("PASS", "Nguyễn Bảo Duy")


@pytest.mark.scenario("SC-C09")
def test_a_role_is_picked_logged_and_exempts(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """What can be picked comes from the rules; no PIN; the log names the role and nobody."""
    caplog.set_level(logging.INFO)
    desk, rig_of = desk_at(ON_15_MARCH, "vn-2022-03", context=Context(mode=Mode.AIR))
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination()), 0.3)
    roles = {each["code"] for each in asked(rig, "/journey")["roles"]}
    assert roles == {"crew", "diplomat", "lorry-driver"}
    assert "role" in rig.page()["asks"]
    assert tap(rig, "/journey", role="crew") == 202
    assert shown(rig) == (Signal.PASS, "PASS", ["EXEMPT_ROLE"])
    assert "exempt by role: crew" in caplog.text
    assert "Nguyễn" not in caplog.text


@pytest.mark.scenario("SC-C07")
def test_a_paper_that_was_seen_is_told_by_its_kind_and_country(make_rig: MakeRig) -> None:
    """CHECK PAPER_ONLY: an exemption on medical grounds, looked at by eye, and nothing of it scanned."""
    desk, rig_of = desk_at("2022-03-01T09:00:00+07:00", "eu-2022", context=Context(country="DE"))
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination(dn=1)), 0.3)
    assert "paper" in rig.page()["asks"]
    assert tap(rig, "/journey", paper={"kind": "medical", "country": "FR"}) == 202
    assert (rig.page()["state"], rig.codes()[0]) == ("CHECK", "PAPER_ONLY")
    assert asked(rig, "/journey")["told"]["paper"] == {"kind": "medical", "country": "FR"}


@pytest.mark.scenario("SC-J03")
def test_the_district_is_picked_from_the_list_of_the_rules(make_rig: MakeRig) -> None:
    """Origin unknown: CHECK NEED_CONTEXT, a list with both names, one tap."""
    context = Context(journey=Journey.DOMESTIC)
    desk, rig_of = desk_at("2021-03-10T09:00:00+07:00", "domestic", context=context)
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination(dt="2021-01-20")), 0.3)
    assert ("NEED_CONTEXT" in rig.codes(), rig.page()["asks"][0]) == (True, "area")
    areas = asked(rig, "/journey")["areas"]
    assert {"code": "292", "text": {"vi": "Thị xã Kinh Môn", "en": "Kinh Môn town"}} in areas
    assert tap(rig, "/journey", area="290") == 202
    assert "NEED_CONTEXT" not in rig.codes()


def test_a_tap_while_the_unit_must_not_judge_is_not_kept_for_later(rig: Rig) -> None:
    """OUT hears nothing: what was tapped for one traveller does not wait for the next."""
    works = rig.open_trust

    def fails() -> Any:
        raise NoListError("none was ever installed")

    rig.rounds(0.2)
    rig.open_trust = fails
    rig.gate._trust.close()
    rig.rounds(0.3)
    assert tap(rig, "/no-certificate") == 202
    rig.open_trust = works
    rig.rounds(8)
    assert (rig.lamp.signal, rig.answers) == (Signal.READY, [])


def test_an_officer_at_work_keeps_the_name_and_not_for_ever(by_air: Rig) -> None:
    """Each tap in a panel begins the fifteen seconds anew, for five minutes at the most."""
    for _ in range(4):
        by_air.show(None, 10)
        assert tap(by_air, "/stay") == 202
    assert by_air.page()["last"]["holder"]["name"] == "Nguyễn Bảo Duy"
    for _ in range(40):
        by_air.show(None, 10)
        tap(by_air, "/stay")
    assert (by_air.page()["last"], by_air.gate._desk.session.begun) == (None, False)


# --- Rules that begin or end meanwhile ----------------------------------------------------------------------


@pytest.mark.scenario("SC-L02")
def test_rules_that_begin_while_a_code_is_held_up_give_two_answers(make_rig: MakeRig) -> None:
    """At the instant, with no network and no second scan; each answer names its bundle; it is one result."""
    desk, rig_of = desk_at(
        "2022-05-14T23:59:57+07:00", "vn-2022-03", "vn-2022-05", context=Context(mode=Mode.AIR)
    )
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination()), 2.0)
    before = rig.page()
    assert (before["state"], before["bundle"]["bundle"]) == ("CHECK", "vn-2022-03")
    assert rig.page()["rules"]["next"]["date"] == "00:00 15/05/2022"
    start = rig.seconds
    while rig.page()["state"] == "CHECK" and rig.seconds < start + 5:
        rig.rounds(0.1)
    assert rig.now - instant("2022-05-15T00:00:00+07:00") < timedelta(seconds=0.25)
    page = rig.page()
    assert (rig.lamp.signal, page["state"], page["bundle"]["bundle"]) == (Signal.PASS, "PASS", "vn-2022-05")
    assert (page["results"], holder(rig)) == (1, "Nguyễn Bảo Duy")
    assert [answer.verdict.bundle and answer.verdict.bundle.name for answer in rig.answers] == [
        "vn-2022-03", "vn-2022-05",
    ]  # fmt: skip
    rig.rounds(1.0)
    assert rig.page()["rules"] | {"title": None} == {
        "bundle": "vn-2022-05", "version": page["bundle"]["version"], "title": None, "next": None,
    }  # fmt: skip


def test_rules_that_begin_after_the_name_has_left_are_asked_by_reading_the_code_again(
    make_rig: MakeRig,
) -> None:
    """Nothing of the person is kept for it; and what lies there is not answered by yesterday's rules."""
    desk, rig_of = desk_at("2022-05-14T23:59:40+07:00", "vn-2022-03", "vn-2022-05", context=Context())
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination()), 19.5)
    assert (rig.page()["state"], rig.page()["holder"], rig.gate._desk.session.begun) == ("CHECK", None, False)
    rig.rounds(1.5)
    assert (rig.page()["state"], rig.page()["bundle"]["bundle"]) == ("PASS", "vn-2022-05")


@pytest.mark.parametrize(
    ("at", "said"), [("2022-05-13T23:59:00+07:00", False), ("2022-05-14T00:00:01+07:00", True)]
)
def test_new_rules_are_said_from_the_day_before(make_rig: MakeRig, at: str, said: bool) -> None:
    """The calendar day before, in the desk's zone, and not earlier."""
    _, rig_of = desk_at(at, "vn-2022-03", "vn-2022-05")
    rig = rig_of(make_rig)
    rig.rounds(0.5)
    assert (rig.page()["rules"]["next"] is not None) is said


def order_of(post: str, begins: str, ends: str) -> RuleBundle:
    """An order that closes a post to everybody without a negative test, with a text in English alone."""
    march = shipped.bundle("vn-2022-03")
    return replace(
        march, name="order", version="1.0.0", valid_from=instant(begins), valid_to=instant(ends), post=post,
        texts={"en": "Tests at this post"}, activates=None,
    )  # fmt: skip


def test_an_order_that_begins_and_ends_while_a_code_is_held_up_is_answered_at_once(
    make_rig: MakeRig,
) -> None:
    """Shown on the result while it counts, marked where its Vietnamese is missing, gone when it is over."""
    order = order_of("moc-bai", "2022-06-01T09:00:02+07:00", "2022-06-01T09:00:04+07:00")
    orders: list[tuple[RuleBundle, ...]] = [(order,)]
    context = Context(mode=Mode.LAND, post="moc-bai")
    desk, rig_of = desk_at(
        "2022-06-01T09:00:00+07:00", "vn-2022-05", context=context, orders=lambda: orders[0]
    )
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination()), 1.0)
    assert (rig.page()["state"], rig.page()["order"]) == ("PASS", None)
    rig.rounds(1.5)
    assert (rig.page()["state"], rig.page()["order"]["title"]) == (
        "CHECK", {"vi": "[EN] Tests at this post", "en": "Tests at this post"},
    )  # fmt: skip
    rig.rounds(2.0)
    assert (rig.page()["state"], rig.page()["order"], rig.page()["results"]) == ("PASS", None, 1)
    orders[0] = (order_of("moc-bai", "2022-06-01T09:00:00+07:00", "2022-06-01T10:00:00+07:00"),)
    rig.rounds(0.3)
    assert (rig.page()["state"], rig.page()["order"]["bundle"]) == ("CHECK", "order")


def test_a_list_of_persons_is_judged_anew_by_new_rules(make_rig: MakeRig) -> None:
    """Every line, each for itself."""
    desk, rig_of = desk_at("2022-05-14T23:59:59+07:00", "vn-2022-03", "vn-2022-05")
    rig, signer = rig_of(make_rig), desk.signer()
    rig.show(sheet(signer.issue(vaccination()), signer.issue(vaccination(UOC))), 0.5)
    assert [one["state"] for one in rig.page()["people"]] == ["CHECK", "CHECK"]
    rig.rounds(1.0)
    assert [one["state"] for one in rig.page()["people"]] == ["PASS", "PASS"]
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 2)


def test_a_code_that_is_held_up_costs_one_judgement(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frame after frame nothing is judged, and no rule is looked for, while nothing changed."""
    done: list[str] = []
    for name in ("prove", "judged_until", "of_verdict"):
        original = getattr(answering, name)

        def counted(*given: Any, name: str = name, original: Any = original, **more: Any) -> Any:
            done.append(name)
            return original(*given, **more)

        monkeypatch.setattr(answering, name, counted)
    rig.hold(rig.desk.signer().issue(vaccination()), 10)
    assert sorted(done) == ["judged_until", "of_verdict", "prove"]


# --- The travel document ------------------------------------------------------------------------------------


def test_a_passport_beside_the_certificate_is_compared_and_its_class_is_shown(rig: Rig) -> None:
    """After the code: judged anew without a scan. Before the next one's code: that one's passport waits."""
    signer = rig.desk.signer()
    rig.hold(signer.issue(vaccination()), 0.3)
    assert rig.page()["identity"] is None
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    identity = rig.page()["identity"]
    assert (identity["class"], identity["birth"], identity["agrees"]) == ("EXACT", "MATCH", True)
    assert tap(rig, "/traveller-document", lines=UOCS_PASSPORT.split("\n")) == 202
    rig.show(None, 5)
    page = rig.page()
    assert (page["signal"], page["last"], page["traveller"]["name"]) == ("READY", None, "TRUONG MY UOC")
    rig.hold(signer.issue(vaccination(UOC)), 0.3)
    assert (rig.page()["state"], rig.page()["identity"]["class"]) == ("PASS", "EXACT")


@pytest.mark.scenario("SC-C06")
def test_a_certificate_of_another_birth_date_than_the_passports_is_red(rig: Rig) -> None:
    """An adult with a child's certificate."""
    signer = rig.desk.signer()
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    rig.hold(signer.issue(vaccination(person(dob="2012-10-10"))), 0.3)
    assert (rig.lamp.signal, rig.codes()) == (Signal.FAIL, ["DOB_DIFFERENT"])


def test_a_passport_stays_with_its_traveller_and_accuses_nobody_else(rig: Rig) -> None:
    """Once a certificate agreed with it, the next person's code is not held against it."""
    signer = rig.desk.signer()
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    rig.hold(signer.issue(vaccination()), 0.3)
    assert rig.page()["identity"]["agrees"]
    rig.hold(signer.issue(vaccination(UOC)), 0.3)
    assert (rig.page()["state"], rig.page()["identity"], holder(rig)) == ("PASS", None, "Trương Mỹ Ước")


def test_a_passport_that_no_certificate_agreed_with_goes_on_waiting(rig: Rig) -> None:
    """Somebody else's certificate first, then the own one: the first is red, the second is not."""
    signer = rig.desk.signer()
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    rig.hold(signer.issue(vaccination(UOC)), 0.3)
    assert "NAME_DIFFERENT" in rig.codes()
    rig.hold(signer.issue(vaccination(named("Le", "An"))), 0.3)
    assert "NAME_DIFFERENT" in rig.codes()
    rig.hold(signer.issue(vaccination()), 0.3)
    assert (rig.page()["state"], rig.page()["identity"]["class"]) == ("PASS", "EXACT")


@pytest.mark.scenario("SC-N24")
def test_a_passport_line_with_a_wrong_check_digit_is_rescan_and_nothing_is_compared(rig: Rig) -> None:
    """RESCAN IDENTITY_UNREAD, never red; the right lines after it are compared with the same certificate."""
    rig.hold(rig.desk.signer().issue(vaccination()), 0.3)
    wrong = DUY[:-1] + ("1" if DUY[-1] != "1" else "2")
    assert tap(rig, "/traveller-document", lines=wrong) == 422
    assert shown(rig) == (Signal.RESCAN, "RESCAN", ["IDENTITY_UNREAD"])
    assert rig.page()["identity"] is None
    assert tap(rig, "/traveller-document", lines=DUY) == 202
    assert (rig.lamp.signal, rig.page()["identity"]["class"]) == (Signal.PASS, "EXACT")


@pytest.mark.scenario("SC-N25")
@pytest.mark.parametrize(
    ("lines", "opens"), [(None, False), (DUY, True), (passport("BAO<DUY", "NGUYEN", birth="831010"), False)]
)
def test_without_a_matched_passport_a_gate_stays_shut(
    make_rig: MakeRig, desk: Desk, lines: str | None, opens: bool
) -> None:
    """At a desk the certificate's own state and both to compare; at a gate the page says that it is shut."""
    text = desk.signer().issue(vaccination())
    rig = make_rig(desk, context=Context(profile=Profile.GATE))
    rig.hold(text, 0.3)
    assert rig.page()["door"] == {
        "open": False, "text": {"vi": "CỬA ĐÓNG: đặt hộ chiếu vào", "en": "GATE SHUT: place the passport"},
    }  # fmt: skip
    if lines is not None:
        assert tap(rig, "/traveller-document", lines=lines) == 202
    assert rig.page()["door"]["open"] is opens
    attended = make_rig(desk)
    attended.hold(text, 0.3)
    assert (attended.page()["state"], attended.page()["door"]) == ("PASS", None)
    assert attended.page()["holder"]["birth_date"] == "1983-10-10"


def test_no_gate_opens_by_the_state_alone(desk: Desk) -> None:
    """Whatever a verdict says: words in another order are for a person to look at."""
    swapped = Traveller(read_lines(passport("BAO<DUY", "NGUYEN", birth="831010")))
    verdict = desk.judged(desk.signer().issue(vaccination())).verdict
    facts = of_verdict(verdict, context=Context(profile=Profile.GATE, traveller=swapped))
    assert (facts["state"], facts["door"]["open"]) == ("PASS", False)


@pytest.mark.scenario("SC-D06")
def test_the_century_of_a_passports_birth_date_is_picked_by_one_tap(make_rig: MakeRig) -> None:
    """Born 210501, no certificate: 1921 or 2021 is for the officer to say, and then it counts."""
    _, rig_of = desk_at(ON_15_MARCH, "vn-2022-03", context=Context(mode=Mode.AIR))
    rig = rig_of(make_rig)
    rig.rounds(0.3)
    infant = passport("NGUYEN", "AN", birth="210501")
    assert tap(rig, "/traveller-document", lines=infant) == 202
    assert tap(rig, "/no-certificate") == 202
    assert ("DOB_PARTIAL" in rig.codes(), "birth" in rig.page()["asks"]) == (True, True)
    assert asked(rig, "/journey")["births"] == ["2021-05-01", "1921-05-01"]
    assert tap(rig, "/traveller-birth", date="2021-05-01") == 202
    assert (rig.page()["state"], rig.codes()) == ("PASS", ["EXEMPT_AGE"])
    assert rig.page()["traveller"]["name"] == "NGUYEN AN"
    assert rig.page()["reasons"][0]["note"] is not None


# --- Why? ---------------------------------------------------------------------------------------------------


@pytest.mark.scenario("SC-L10")
def test_why_tells_the_rule_its_bundle_the_values_and_the_answer_in_both_languages(by_air: Rig) -> None:
    """For people and machines the same; it goes with the result."""
    facts = asked(by_air, "/why")
    assert (facts["state"], facts["bundle"]["bundle"], facts["bundle"]["version"]) == (
        "CHECK", "vn-2022-03", "1.0.0",
    )  # fmt: skip
    (row,) = [row for row in facts["rules"] if row["rule"] == "test-72-hours"]
    assert (row["answer"], row["word"]["en"], row["reason"]["code"]) == (
        "unknown",
        "not known",
        "NEED_CONTEXT",
    )
    sampled = next(value for value in row["values"] if value["name"] == "event.sampled")
    assert sampled["vi"] == sampled["en"] == "20:00 16/03/2022 (UTC+07:00)"
    page = asked(by_air, "/why", "text/html")
    for words in ("vn-2022-03", "1.0.0", "test-72-hours", row["texts"]["vi"], sampled["vi"], "chưa rõ"):
        assert words in page, words
    english = create_app(by_air.hub).test_client().get("/why?lang=en", headers={"Host": "localhost"})
    assert row["texts"]["en"] in english.get_data(as_text=True)
    by_air.show(None, 20)
    gone = (
        create_app(by_air.hub)
        .test_client()
        .get("/why", headers={"Host": "localhost", "Accept": "application/json"})
    )
    assert (gone.status_code, gone.get_json()) == (404, {"rules": None})


def test_the_answer_to_why_names_no_person(by_air: Rig) -> None:
    """Neither name nor identifier is among the values."""
    text = json.dumps(asked(by_air, "/why"), ensure_ascii=False)
    for word in ("Nguyễn", "NGUYEN", "URN:UVCI"):
        assert word not in text


# --- What is told of events, and nothing beyond -------------------------------------------------------------


@pytest.mark.scenario("SC-T12")
def test_one_instant_in_two_zones_is_shown_once_in_desk_time_and_once_small(make_rig: MakeRig) -> None:
    """10:00+09:00 and 01:00Z are the same answer and the same hour of the desk, with its zone."""
    lines = []
    for text in ("2022-03-20T10:00:00+09:00", "2022-03-20T01:00:00Z", "2022-03-20T08:00:00+07:00"):
        desk, rig_of = desk_at("2022-03-21T09:00:00+07:00", "vn-2022-03", context=Context(mode=Mode.AIR))
        rig = rig_of(make_rig)
        rig.hold(desk.signer().issue(lab_result(sc=text)), 0.3)
        (event,) = rig.page()["certificates"][0]["events"]
        lines.append((rig.page()["state"], event["text"]["en"], event["small"] and event["small"]["en"]))
    said = "PCR/LAMP test · 08:00 20/03/2022 (UTC+07:00)"
    assert lines == [
        ("PASS", said, "10:00 20/03/2022 (UTC+09:00)"),
        ("PASS", said, "01:00 20/03/2022 (UTC+00:00)"),
        ("PASS", said, None),
    ]


def test_the_lines_of_the_papers_go_with_the_name(rig: Rig) -> None:
    """Vaccine, date and note are a person's: fifteen seconds, and then the answer alone stands."""
    rig.hold(rig.desk.signer().issue(vaccination()), 14.5)
    assert "Comirnaty" in str(rig.page())
    rig.rounds(1.0)
    page = rig.page()
    assert ("Comirnaty" in str(page), page["state"], page["certificates"], page["explained"]) == (
        False, "PASS", [], False,
    )  # fmt: skip


# --- Who may tap, and what is kept of it --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"mode=air", 415),
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/json", "Origin": "https://evil.example"}, b"{}", 403),
        ({"Content-Type": "application/json", "Origin": "null"}, b"{}", 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, b"{}", 403),
        ({"Content-Type": "application/json", "Host": "evil.example"}, b"{}", 421),
        ({"Content-Type": "application/json"}, b"[]", 400),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b'{"mode":"canary"}', 400),
        ({"Content-Type": "application/json"}, b'{"profile":"border"}', 400),
        ({"Content-Type": "application/json"}, b'{"country":"FR"}', 400),
        ({"Content-Type": "application/json"}, b'{"flight":"' + b"A" * 2000 + b'"}', 413),
    ],
)
def test_only_this_page_taps_and_only_what_it_may_tell(
    rig: Rig, headers: dict[str, str], body: bytes, status: int
) -> None:
    """No form, no other origin, no member of the site's own; an error repeats nothing that was sent."""
    client = create_app(rig.hub).test_client()
    answer = client.post("/journey", data=body, headers={"Host": "localhost"} | headers)
    assert answer.status_code == status
    assert b"canary" not in answer.data
    assert rig.hub.taps() == ()


@pytest.mark.parametrize("path", ["/journey", "/traveller-birth", "/no-certificate", "/next", "/stay"])
def test_what_was_meant_for_one_traveller_is_not_heard_for_the_next(by_air: Rig, path: str) -> None:
    """A tap names whom it is about: refused where the page knows better, and dropped where the unit does."""
    body = {"/journey": {"role": "crew"}, "/traveller-birth": {"date": "1983-10-10"}}.get(path, {})
    first, client = by_air.page()["session"], create_app(by_air.hub).test_client()
    late = client.post(path, json={"session": first} | body, headers={"Host": "localhost"})
    # It waits for the gate while the next traveller's code is already before the camera.
    by_air.gate._desk.session.end()
    by_air.hold(by_air.desk.signer().issue(lab_result(UOC, sc="2022-03-17T09:00:00+07:00")), 0.3)
    page = by_air.page()
    assert (late.status_code, holder(by_air), page["without"]) == (202, "Trương Mỹ Ước", False)
    assert ("EXEMPT_ROLE" in by_air.codes(), by_air.gate._desk.session.context.role) == (False, "")
    assert page["session"] != first
    assert tap(by_air, path, session=first, **body) == 409
    assert (holder(by_air), by_air.gate._desk.session.context.role) == ("Trương Mỹ Ước", "")
    assert tap(by_air, path, session=page["session"], **body) == 202
    assert tap(by_air, path, session="7", **body) == 400
    assert tap(by_air, path, session=True, **body) == 400


def test_whoever_comes_after_a_time_out_or_next_has_another_number_on_the_page(by_air: Rig) -> None:
    """Also while a result still stands, without its name: a tap then is about whoever is there now."""
    numbers = [by_air.page()["session"]]
    by_air.rounds(16)
    numbers.append(by_air.page()["session"])
    assert tap(by_air, "/journey", session=numbers[-1], mode="land") == 202
    assert tap(by_air, "/next", session=numbers[-1]) == 202
    numbers.append(by_air.page()["session"])
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize("path", ["/journey", "/no-certificate"])
def test_a_tap_after_the_name_has_left_the_page_is_not_about_whoever_had_it(by_air: Rig, path: str) -> None:
    """A strange code took the name away: the tap is the next traveller's, and shows no old name."""
    body = {"mode": "land"} if path == "/journey" else {}
    assert tap(by_air, "/journey", role="diplomat") == 202
    assert "EXEMPT_ROLE" in by_air.codes()
    by_air.hold("https://example.org/nothing", 0.5)
    assert (by_air.lamp.signal, by_air.page()["holder"]) == (Signal.RESCAN, None)
    assert tap(by_air, path, session=by_air.page()["session"], **body) == 202
    assert holder(by_air) is None
    assert "EXEMPT_ROLE" not in by_air.codes()
    assert by_air.gate._desk.session.context.role == ""
    assert by_air.gate._desk.session.held == ()
    assert by_air.page()["session"] == by_air.gate._desk.session.number


def test_several_persons_are_told_nothing_together(rig: Rig, family: list[str]) -> None:
    """A role that is tapped while a list stands is nobody's, also once one of them is left in view."""
    rig.show(sheet(*family), 0.5)
    assert len(rig.page()["people"]) > 1
    assert tap(rig, "/journey", role="crew") == 202
    assert tap(rig, "/no-certificate") == 202
    assert len(rig.page()["people"]) > 1
    rig.show(None, 7)
    rig.hold(family[0], 0.3)
    assert rig.gate._desk.session.context.role == ""
    assert not rig.page()["without"]


def test_more_taps_than_the_unit_hears_are_refused(rig: Rig) -> None:
    """A page gone wild fills no memory."""
    client = create_app(rig.hub).test_client()
    codes = [client.post("/stay", json={}, headers={"Host": "localhost"}).status_code for _ in range(12)]
    assert (codes[:8], codes[8:]) == ([202] * 8, [503] * 4)


def test_the_lines_of_a_passport_reach_no_log_no_file_no_url_and_no_health(
    make_rig: MakeRig,
    desk: Desk,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A canary name through read, unread, compared and red lines, at DEBUG: on the page only."""
    caplog.set_level(logging.DEBUG)
    signer, rig = desk.signer(), make_rig(desk)
    rig.rounds(0.3)
    lines = passport("ZYXWVUT", "QANARIC", birth="111112", number="QX7654321")
    told = [str(tap(rig, "/traveller-document", lines=lines))]
    assert rig.page()["traveller"]["name"] == "ZYXWVUT QANARIC"
    told.append(str(rig.gate.health()) + repr(vars(rig.gate)) + repr(vars(rig.gate._desk)))
    told.append(repr(rig.gate._desk.session.context))
    rig.hold(signer.issue(vaccination()), 0.3)
    assert "NAME_DIFFERENT" in rig.codes()
    answer = (
        create_app(rig.hub)
        .test_client()
        .post("/traveller-document", json={"lines": lines[:-1] + "0"}, headers={"Host": "localhost"})
    )
    told.append(answer.get_data(as_text=True))
    rig.clock_error = RuntimeError("fault in between")
    rig.rounds(0.5)
    rig.clock_error = None
    rig.show(None, 20)
    told.append(str(rig.page()) + str(rig.gate.health()) + repr(rig.answers))
    spoken = "".join(told) + "".join(capfd.readouterr()) + caplog.text
    for word in ("ZYXWVUT", "QANARIC", "111112", "QX7654321"):
        assert word not in spoken, word


PERSONAL = (Assessment, Certificate, Held, Holder, OpenedCode, TravelDocument, Verdict)


def alive(before: Sequence[Any] = ()) -> set[str]:
    """The kinds of values of a person that this process holds, the facts of a page among them.

    before: what modules and other tests hold for good.
    """
    gc.collect()
    known, found = set(map(id, before)), set()
    for each in gc.get_objects():
        if isinstance(each, PERSONAL) and id(each) not in known:
            found.add(type(each).__name__)
        for value in tuple(each.values()) if isinstance(each, dict) else ():
            if isinstance(value, dict) and value.get("name") in ("ZYXWVUT QANARIC", "Zyxwvut Qanaric"):
                found.add("facts")
    return found


@pytest.mark.parametrize("way", ["next", "away", "held up", "fault"])
def test_nothing_in_memory_holds_whoever_has_gone(make_rig: MakeRig, desk: Desk, way: str) -> None:
    """After "next", the time-out (also while the code is held up) or a fault no object of theirs is left."""
    before = [each for each in gc.get_objects() if isinstance(each, PERSONAL)]  # kept, so no id comes again
    rig, signer = make_rig(desk), desk.signer()
    name = {"fn": "Zyxwvut", "gn": "Qanaric", "fnt": "ZYXWVUT", "gnt": "QANARIC"}
    text = signer.issue(vaccination(person(nam=name)))
    tap(rig, "/traveller-document", lines=passport("ZYXWVUT", "QANARIC", birth="831010"))
    rig.hold(text, 0.5)
    assert asked(rig, "/why")["state"] == "PASS"
    assert alive(before) >= {"Certificate", "Holder", "TravelDocument", "Verdict", "facts"}
    rig.answers.clear()
    match way:
        case "next":
            assert tap(rig, "/next") == 202
        case "away":
            rig.show(None, 16)
        case "held up":
            rig.rounds(16)
            assert rig.lamp.signal is Signal.PASS
        case "fault":
            rig.clock_error = RuntimeError("fault")
            rig.rounds(0.1)
    assert alive(before) == set()


def test_the_languages_stand_in_for_each_other_with_a_mark(make_rig: MakeRig) -> None:
    """A bundle without Vietnamese is shown in English with a mark, on the result and below it."""
    bundle = replace(SIGNATURE_ONLY, asks=Asks.SIGNATURE, texts={"en": "Authenticity only"})
    desk, rig_of = desk_at("2022-03-01T09:00:00+07:00", bundle)
    rig = rig_of(make_rig)
    rig.hold(desk.signer().issue(vaccination()), 0.6)
    words = {"vi": "[EN] Authenticity only", "en": "Authenticity only"}
    assert (rig.page()["bundle"]["title"], rig.page()["rules"]["title"]) == (words, words)


def signer_of(rig: Rig) -> Signer:
    return rig.desk.signer()


def test_a_second_look_at_the_same_paper_is_not_a_second_paper(rig: Rig) -> None:
    """Shown, taken away and shown again: listed once."""
    text = signer_of(rig).issue(vaccination())
    rig.hold(text, 0.3)
    rig.show(None, 3)
    rig.show(image_of(text), 0.3)
    assert (len(rig.page()["certificates"]), rig.page()["results"]) == (1, 2)


def test_a_paper_that_runs_out_between_two_looks_is_not_green_again(rig: Rig) -> None:
    """Its signature need not be verified twice; its time is that of the second look."""
    over_at = rig.now - SKEW + timedelta(seconds=5)
    text = signer_of(rig).issue(vaccination(), exp=int(over_at.timestamp()))
    rig.hold(text, 0.3)
    assert rig.lamp.signal is Signal.PASS
    rig.show(None, 8)
    rig.hold(text, 0.3)
    assert rig.codes() == ["EXPIRED"]
