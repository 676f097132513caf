"""Scenario rows T: what the shipped bundles make of a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from border import (
    BY_AIR,
    CHECK,
    COVID,
    FAIL,
    PASS,
    RAPID,
    Border,
    answer,
    at_desk_of,
    changed,
    note,
    reasons,
    ways,
)
from desk import instant, lab_result, person, recovery, vaccination

from trustsync import shipped
from verifier.catalogue import CATALOGUE
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Journey, Mode, Profile
from verifier.reasons import Reason, State

SAMPLED = "2022-03-20T08:00:00+07:00"
DEPARTED = "2022-03-23T08:00:00+07:00"
WATCH = ["SELF_WATCH days=10", "DECLARE"]
OVERLAND = [Mode.LAND, Mode.SEA, Mode.RAIL]


def by_air(at: str, **journey: Any) -> Border:
    """An airport of Viet Nam in March 2022; departure: text of an instant."""
    if "departure" in journey:
        journey["departure"] = instant(journey["departure"])
    return Border("vn-2022-03", at=at, **({"mode": BY_AIR} | journey))


@pytest.mark.scenario("SC-T01")
def test_a_pcr_test_just_under_72_hours_before_departure_is_good() -> None:
    """71 h 59 before departure: PASS."""
    border = by_air("2022-03-23T12:00:00+07:00", departure="2022-03-23T07:59:00+07:00")
    assert answer(border.judge(lab_result(sc=SAMPLED))) == (PASS, [], WATCH)


@pytest.mark.scenario("SC-T02")
def test_72_hours_count_to_the_second() -> None:
    """Departure at 08:00:00 PASS, at 08:00:01 FAIL TEST_TOO_OLD."""
    border = by_air("2022-03-23T12:00:00+07:00", departure=DEPARTED)
    assert answer(border.judge(lab_result(sc=SAMPLED))) == (PASS, [], WATCH)
    border = by_air("2022-03-23T12:00:00+07:00", departure="2022-03-23T08:00:01+07:00")
    assert answer(border.judge(lab_result(sc=SAMPLED))) == (FAIL, [Reason.TEST_TOO_OLD], [])


@pytest.mark.scenario("SC-T03")
def test_the_age_of_a_test_counts_to_departure_and_not_to_the_desk() -> None:
    """In time at departure, 85 h old on arrival: PASS."""
    border = by_air("2022-03-23T21:00:00+07:00", departure=DEPARTED)
    assert border.at - instant(SAMPLED) == timedelta(hours=85)
    assert answer(border.judge(lab_result(sc=SAMPLED))) == (PASS, [], WATCH)


@pytest.mark.scenario("SC-T04")
def test_a_test_that_is_fresh_at_the_desk_needs_no_departure() -> None:
    """Departure unknown, 60 h old at the desk: PASS."""
    border = by_air("2022-03-23T21:00:00+07:00")
    assert answer(border.judge(lab_result(sc=border.before(60)))) == (PASS, [], WATCH)
    assert answer(border.judge(lab_result(sc=border.before(72)))) == (PASS, [], WATCH)


@pytest.mark.scenario("SC-T05")
def test_an_unknown_departure_that_decides_is_asked_for() -> None:
    """85 h old at the desk: CHECK NEED_CONTEXT; with the departure the same assessment is judged anew."""
    border = by_air("2022-03-23T21:00:00+07:00")
    code = border.signer.issue(lab_result(sc=border.before(85)))
    assert answer(border.judge(code)) == (CHECK, [Reason.NEED_CONTEXT], WATCH)
    for departure, outcome in (
        (DEPARTED, (PASS, [], WATCH)),
        ("2022-03-23T08:00:01+07:00", (FAIL, [Reason.TEST_TOO_OLD], [])),
    ):
        told = by_air("2022-03-23T21:00:00+07:00", departure=departure)
        assert answer(told.judge(code)) == outcome


@pytest.mark.scenario("SC-T06")
def test_the_longest_journey_bounds_an_unknown_departure() -> None:
    """110 h old, and no journey takes over 30 h: FAIL TEST_TOO_OLD."""
    border = by_air("2022-03-23T21:00:00+07:00", longest=timedelta(hours=30))
    assert answer(border.judge(lab_result(sc=border.before(110)))) == (FAIL, [Reason.TEST_TOO_OLD], [])
    assert answer(border.judge(lab_result(sc=border.before(102)))) == (CHECK, [Reason.NEED_CONTEXT], WATCH)


@pytest.mark.scenario("SC-T07")
@pytest.mark.parametrize("mode", [BY_AIR, *OVERLAND])
def test_an_old_antigen_test_is_refused_by_air_and_repeated_by_land(mode: Mode) -> None:
    """30 h old: FAIL TEST_TOO_OLD by air, PASS with a test within 24 h by land, sea or rail."""
    border = by_air("2022-03-23T12:00:00+07:00", departure=DEPARTED, mode=mode)
    old = border.judge(lab_result(tt=RAPID, sc="2022-03-22T02:00:00+07:00"))
    assert answer(old) == (
        (FAIL, [Reason.TEST_TOO_OLD], []) if mode is BY_AIR else (PASS, [], ["TEST within_hours=24", *WATCH])
    )
    fresh = border.judge(lab_result(tt=RAPID, sc="2022-03-22T08:00:00+07:00"))
    assert answer(fresh) == (PASS, [], WATCH)


@pytest.mark.scenario("SC-T08")
@pytest.mark.parametrize("name", shipped.names())
def test_a_positive_test_fails_under_every_rule_set(name: str) -> None:
    """Result "detected": FAIL TEST_POSITIVE, in words that say nothing of the illness."""
    border = at_desk_of(name) if name in COVID else Border(name, at="2022-03-01T09:00:00+07:00")
    verdict = border.judge(border.negative(tr="260373001"), [vaccination(dt=border.ago(40))])
    assert (verdict.state, verdict.reasons[0].code) == (FAIL, Reason.TEST_POSITIVE)
    assert verdict.duties == ()
    words = CATALOGUE[Reason.TEST_POSITIVE]
    assert "positive" not in words.en.lower()
    assert "dương tính" not in words.vi.lower()


@pytest.mark.scenario("SC-T09")
@pytest.mark.parametrize("name", COVID)
@pytest.mark.parametrize("code", ["455371000124106", None])
def test_a_result_that_is_neither_is_for_a_person_to_look_at(name: str, code: str | None) -> None:
    """Neither detected nor not detected: CHECK VALUE_UNKNOWN."""
    border = at_desk_of(name)
    verdict = border.judge(border.negative(tr=code), [vaccination(dt=border.ago(40))])
    assert answer(verdict)[:2] == (CHECK, [Reason.VALUE_UNKNOWN])


def listing_devices() -> RuleBundle:
    """The EU's rules with rapid tests of listed devices for those from 6 to 17."""

    def change(source: dict[str, Any]) -> None:
        source["value_sets"]["antigen-devices"] = ["1232", "1304"]
        source["rules"].append(
            {
                "id": "device-listed",
                "version": "1.0.0",
                "on": "test",
                "logic": {"listed": [{"var": "event.device"}, "antigen-devices"]},
                "reason": "TEST_TYPE",
            }
        )
        (pcr,) = [way for way in source["requirements"][0]["any"] if way["id"] == "tested-6-to-17"]
        rapid = {"===": [{"need": ["event.test", "VALUE_UNKNOWN"]}, RAPID]}
        antigen = pcr | {
            "id": "antigen-6-to-17",
            "when": {"and": [pcr["when"], rapid]},
            "rules": ["test-negative", "device-listed"],
        }
        pcr["when"] = {"and": [pcr["when"], {"!": [rapid]}]}
        source["requirements"][0]["any"].append(antigen)

    return changed("eu-2022", change)


@pytest.mark.scenario("SC-T10")
@pytest.mark.parametrize(
    ("device", "outcome"),
    [
        ("1232", (PASS, [])),
        ("9999", (FAIL, [Reason.TEST_TYPE])),
        (None, (CHECK, [Reason.VALUE_UNKNOWN])),
    ],
)
def test_a_rapid_test_counts_where_its_device_is_listed(
    device: str | None, outcome: tuple[State, list[Reason]]
) -> None:
    """Not on the list FAIL TEST_TYPE, no device code CHECK VALUE_UNKNOWN."""
    border = Border(listing_devices(), at="2022-03-01T09:00:00+01:00", country="DE")
    child = person(dob="2010-05-01")
    assert answer(border.judge(lab_result(child, tt=RAPID, ma=device)))[:2] == outcome


@pytest.mark.scenario("SC-T12")
def test_one_instant_in_two_zones_is_judged_alike_and_told_in_the_desks_time() -> None:
    """10:00+09:00 and 01:00Z: the same result; the desk reads 08:00 (UTC+07:00), and the origin's text."""
    written = ["2022-03-20T10:00:00+09:00", "2022-03-20T01:00:00Z"]
    for departure, outcome in (
        (DEPARTED, (PASS, [], WATCH)),
        ("2022-03-23T08:00:01+07:00", (FAIL, [Reason.TEST_TOO_OLD], [])),
    ):
        border = by_air("2022-03-23T12:00:00+07:00", departure=departure)
        verdicts = [border.judge(lab_result(sc=text)) for text in written]
        assert [answer(verdict) for verdict in verdicts] == [outcome, outcome]
    for verdict, text in zip(verdicts, written, strict=True):
        said = note(verdict, Reason.TEST_TOO_OLD)["en"]
        assert said.startswith("sampled 08:00 20/03/2022 (UTC+07:00)")
        assert verdict.certificate is not None
        assert verdict.certificate.events[0].sampled_text == text


@pytest.mark.scenario("SC-T13")
@pytest.mark.parametrize(
    ("sampled", "outcome"),
    [
        ("2022-03-20T15:00:00", (PASS, [])),  # at UTC+14: 08:00 in Viet Nam, 72 h before departure
        ("2022-03-20T14:59:59", (CHECK, [Reason.TIME_ZONE_UNKNOWN])),
        ("2022-03-19T13:00:00", (CHECK, [Reason.TIME_ZONE_UNKNOWN])),  # at UTC-12: the same 08:00
        ("2022-03-19T12:59:59", (FAIL, [Reason.TEST_TOO_OLD])),  # too old anywhere on earth
    ],
)
def test_a_sample_without_a_zone_is_judged_at_both_ends_of_the_earth(
    sampled: str, outcome: tuple[State, list[Reason]]
) -> None:
    """At UTC-12 and UTC+14: where they agree that is the result, else CHECK TIME_ZONE_UNKNOWN."""
    border = by_air("2022-03-23T12:00:00+07:00", departure=DEPARTED)
    assert answer(border.judge(lab_result(sc=sampled)))[:2] == outcome


@pytest.mark.scenario("SC-T15")
def test_a_lamp_test_is_a_naat_and_has_72_hours() -> None:
    """LAMP coded as NAAT: PASS under the 72 h branch."""
    border = by_air("2022-03-23T12:00:00+07:00", departure=DEPARTED)
    verdict = border.judge(lab_result(tt="LP6464-4", nm="RT-LAMP", sc="2022-03-20T20:00:00+07:00"))
    assert answer(verdict) == (PASS, [], WATCH)
    assert ways(verdict) == [("test", "pcr")]


@pytest.mark.scenario("SC-T17")
def test_a_recovery_and_a_negative_test_are_judged_together() -> None:
    """Both evaluated, the best way wins, and it is named."""
    border = Border("vn-2022-01", at="2022-03-01T09:00:00+07:00")
    ill = recovery(fr="2022-01-10", df="2022-01-21", du="2022-07-08")
    assert reasons(border.judge(ill)) == [Reason.NEED_SECOND_DOC]
    assert reasons(border.judge(border.negative())) == [Reason.NEED_SECOND_DOC, Reason.DUTY_ONLY]
    verdict = border.judge(border.negative(), [ill])
    assert answer(verdict) == (PASS, [], ["ISOLATE days=3"])
    assert ways(verdict) == [("immunity", "recovered"), ("test", "pcr")]
    # half a course beside it changes nothing: the best of both ways counts
    verdict = border.judge(border.negative(), [ill, vaccination(dn=1)])
    assert answer(verdict) == (PASS, [], ["ISOLATE days=3"])
    assert ways(verdict)[0] == ("immunity", "recovered")


@pytest.mark.scenario("SC-T18")
def test_a_connecting_traveller_passes_only_where_the_rules_speak_of_it() -> None:
    """Airside under 24 h: PASS with AIRSIDE_ONLY in the EU; no rules of Viet Nam do: RULES_MISSING."""
    transit = {"journey": Journey.TRANSIT, "country": "DE"}
    at = "2022-03-01T09:00:00+01:00"
    short = Border("eu-2022", at=at, airside=23, **transit)
    half = vaccination(dn=1)
    assert answer(short.judge(half)) == (PASS, [], ["AIRSIDE_ONLY"])
    assert answer(short.judge(vaccination())) == (PASS, [], ["AIRSIDE_ONLY"])
    assert answer(short.without_certificate()) == (PASS, [], ["AIRSIDE_ONLY"])
    long = Border("eu-2022", at=at, airside=24, **transit)
    assert answer(long.judge(half)) == (FAIL, [Reason.DOSE_SHORT], [])
    unknown = Border("eu-2022", at=at, **transit)
    assert Reason.NEED_CONTEXT in reasons(unknown.judge(half))
    rules = [name for name in COVID if name.startswith("vn-")]
    vietnam = Border(*rules, at="2022-03-20T09:00:00+07:00", journey=Journey.TRANSIT, airside=6)
    assert answer(vietnam.judge(vaccination())) == (CHECK, [Reason.RULES_MISSING], [])


# --- What no row says


def test_a_test_of_an_unknown_kind_is_not_refused() -> None:
    """What no list here has is for a person to look at, and no defect of the paper."""
    border = Border("vn-2022-01", at="2022-03-01T09:00:00+07:00")
    dose = vaccination(dt="2022-01-10")
    assert answer(border.judge(border.negative(tt="LP0-0"), [dose]))[:2] == (CHECK, [Reason.VALUE_UNKNOWN])
    assert answer(border.judge(border.negative(tt=RAPID), [dose]))[:2] == (FAIL, [Reason.TEST_TYPE])
    border = by_air("2022-03-23T12:00:00+07:00", departure=DEPARTED)
    assert answer(border.judge(border.negative(tt="LP0-0")))[:2] == (CHECK, [Reason.VALUE_UNKNOWN])
    assert reasons(border.judge(border.negative(tt=None))) == [Reason.VALUE_UNKNOWN]


def test_the_declaration_ends_with_its_instant() -> None:
    """Until 27 April 2022 at 00:00 in Viet Nam, to the second."""
    for at, duties in (
        ("2022-04-26T23:59:59+07:00", WATCH),
        ("2022-04-27T00:00:00+07:00", WATCH[:1]),
    ):
        border = by_air(at)
        assert answer(border.judge(border.negative())) == (PASS, [], duties)


def test_at_an_airlines_desk_nobody_has_set_out_yet() -> None:
    """71 h old at check-in is good for a flight within the hour alone: CHECK NEED_CONTEXT until the flight is
    told. What is too old already is too old for any.
    """
    airline = {"profile": Profile.AIRLINE}
    at = "2022-03-23T08:00:00+07:00"
    check_in = by_air(at, **airline)
    test = check_in.negative(sc=check_in.before(71))
    assert answer(check_in.judge(test))[:2] == (CHECK, [Reason.NEED_CONTEXT])
    assert answer(check_in.judge(check_in.negative(sc=check_in.before(73))))[:2] == (
        FAIL,
        [Reason.TEST_TOO_OLD],
    )
    for departure, state in (("2022-03-23T09:00:00+07:00", PASS), ("2022-03-23T09:00:01+07:00", FAIL)):
        assert by_air(at, departure=departure, **airline).judge(test).state is state
    known = by_air(at, arrival=instant("2022-03-23T09:00:00+07:00"), **airline)
    assert known.judge(test).state is PASS, "whoever arrives by then has set out before"


def test_nobody_arrives_before_setting_out() -> None:
    """A flight of tomorrow: the dose is 14 days old on arrival. A departure behind it: asked anew."""
    today = {"at": "2022-02-28T12:00:00+07:00", "profile": Profile.AIRLINE}
    dose = vaccination(dt="2022-02-15")
    tomorrow = instant("2022-03-01T00:30:00+07:00")
    for journey, code in (({"departure": tomorrow}, None), ({}, Reason.TOO_SOON)):
        border = Border("vn-2022-01", **today, **journey)
        assert (code or Reason.NEED_SECOND_DOC) in reasons(border.judge(dose)), journey
    wrong = by_air(at="2022-03-23T12:00:00+07:00", departure=DEPARTED, arrival=instant(SAMPLED))
    assert answer(wrong.judge(wrong.negative()))[:2] == (CHECK, [Reason.NEED_CONTEXT])


@pytest.mark.parametrize("name", COVID)
@pytest.mark.parametrize(
    "sampled", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00"]
)
def test_a_sample_at_the_end_of_the_calendar_has_an_answer(name: str, sampled: str) -> None:
    """An issuer may sign any time; none ends the desk's work, and none is green by itself."""
    border = at_desk_of(name)
    verdict = border.judge(border.negative(sc=sampled), [vaccination(dt=border.ago(40))])
    assert verdict.state is not PASS or name not in ("vn-2021-08", "vn-2022-01", "vn-2022-03")
