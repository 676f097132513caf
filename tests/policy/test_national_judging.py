"""National rules: which are asked of a certificate, and what a desk says by their answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from desk import NOW, Desk, Signer, dose, lab_result, person, recovery, vaccination
from published import (
    DEVICES,
    LISTED_IF_RAPID,
    NEGATIVE,
    PASS,
    WAITED_14_DAYS,
    WHOLE_COURSE,
    bundle,
    fails,
    judged,
    outcome,
    rule,
    unknown,
)

from verifier.policy.bundle import RuleBundle, Scope
from verifier.policy.context import Context
from verifier.policy.judging import Answer, Shown, compiled
from verifier.policy.national import rule_nationally
from verifier.reasons import Reason, State
from verifier.times import DESK_ZONE, time_bounds
from verifier.trust import ClockState
from verifier.verdict import Policy, decide_without_certificate

ALWAYS, NEVER = {"===": [1, 1]}, {"===": [1, 2]}
RAISES = {">": [{"var": "payload.v.0.no"}, 1]}
ACCEPTED = rule("VR-XW-0001", ALWAYS)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def signer(desk: Desk) -> Signer:
    return desk.signer()


def test_rules_that_are_all_met_leave_nothing(desk: Desk, signer: Signer) -> None:
    """All met: nothing is found, and each rule says what it answered."""
    rules = bundle(rule("VR-XW-0001", WHOLE_COURSE), rule("VR-XW-0002", WAITED_14_DAYS))
    verdict = judged(desk, signer.issue(vaccination()), rules).verdict
    assert (verdict.state, verdict.reasons) == (State.PASS, ())
    assert [(each.rule.identifier, each.answer) for each in verdict.ruled[0].rulings] == [
        ("VR-XW-0001", Answer.MET),
        ("VR-XW-0002", Answer.MET),
    ]


def test_a_rule_that_is_not_met_is_named(desk: Desk, signer: Signer) -> None:
    """Without a mapping of the import a rule's "no" is RULE_FAILED, with its identifier."""
    rules = bundle(rule("VR-XW-0001", WHOLE_COURSE), rule("VR-XW-0002", WAITED_14_DAYS))
    assert outcome(desk, signer.issue(vaccination(dn=1)), rules) == fails("VR-XW-0001")


SELECTED: dict[str, tuple[dict[str, Any], bool]] = {
    "in force": ({}, True),
    "its first instant": ({"ValidFrom": "2022-03-01T02:00:00Z"}, True),
    "not yet in force": ({"ValidFrom": "2022-03-01T02:00:01Z"}, False),
    "its last instant": ({"ValidTo": "2022-03-01T02:00:01Z"}, True),
    "over, as its end is exclusive": ({"ValidTo": "2022-03-01T02:00:00Z"}, False),
    "for certificates of every type": ({"CertificateType": "General"}, True),
    "for certificates of another type": ({"CertificateType": "Test"}, False),
    "of a region that nobody named": ({"Region": "NORTH"}, False),
    "of no region, as an empty text says": ({"Region": ""}, True),
}


@pytest.mark.parametrize("case", SELECTED)
def test_a_rule_is_asked_where_it_is(case: str, desk: Desk, signer: Signer) -> None:
    """Selection by validity in absolute time, certificate type and region."""
    change, asked = SELECTED[case]
    rules = bundle(ACCEPTED, rule("VR-XW-0002", NEVER, **change))
    assert outcome(desk, signer.issue(vaccination()), rules) == (fails("VR-XW-0002") if asked else PASS)


def test_a_rule_of_a_region_is_asked_where_the_journey_names_it(desk: Desk, signer: Signer) -> None:
    """A region's rules come beside the country's, for whoever goes there."""
    rules = bundle(ACCEPTED, rule("VR-XW-0002", NEVER, Region="NORTH"))
    code = signer.issue(vaccination())
    assert outcome(desk, code, rules, area="NORTH") == fails("VR-XW-0002")
    assert outcome(desk, code, rules, area="SOUTH") == PASS


@pytest.mark.parametrize("higher", ["1.0.1", "1.10.0", "10.0.0"])
def test_of_one_identifier_the_highest_version_in_force_is_asked(
    higher: str, desk: Desk, signer: Signer
) -> None:
    """Versions are compared by their numbers: 1.10.0 is after 1.9.0. One that has not begun waits."""
    code = signer.issue(vaccination())
    old, new = rule("VR-XW-0001", NEVER, Version="1.0.0"), rule("VR-XW-0001", ALWAYS, Version=higher)
    assert outcome(desk, code, bundle(new, old)) == PASS
    assert outcome(desk, code, bundle(old, new)) == PASS
    waiting = new | {"ValidFrom": "2022-03-02T00:00:00Z"}
    assert outcome(desk, code, bundle(old, waiting)) == fails("VR-XW-0001")


def test_what_was_prepared_for_one_scan_counts_until_a_rule_begins_or_ends(
    desk: Desk, signer: Signer
) -> None:
    """A desk holds one bundle for days: at the instant of a rule the next scan is judged by it."""
    code = signer.issue(vaccination())
    begins, ends = {"ValidFrom": "2022-03-01T02:00:01Z"}, {"ValidTo": "2022-03-01T02:00:03Z"}
    rules = bundle(ACCEPTED, rule("VR-XW-0002", NEVER, **begins, **ends))
    for seconds, expected in ((0, PASS), (1, fails("VR-XW-0002")), (2, fails("VR-XW-0002")), (3, PASS)):
        now = NOW + timedelta(seconds=seconds)
        assert outcome(replace(desk, now=now), code, rules) == expected
    assert outcome(replace(desk, now=NOW + timedelta(seconds=2)), code, rules) == fails("VR-XW-0002")
    assert outcome(desk, code, rules) == PASS


def test_what_was_prepared_for_one_day_does_not_count_on_the_next(desk: Desk, signer: Signer) -> None:
    """Codes that hold from tomorrow on are asked for from the desk's midnight on, by the same bundle."""
    rules = bundle(rule("TR-XW-0001", LISTED_IF_RAPID))
    tomorrow = replace(rules, value_sets={**rules.value_sets, DEVICES: {"1232": (date(2022, 3, 2), None)}})
    code = signer.issue(lab_result(tt="LP217198-3", ma="1232"))
    midnight = datetime(2022, 3, 1, 17, tzinfo=UTC)
    before = replace(desk, now=midnight - timedelta(microseconds=1))
    assert outcome(before, code, tomorrow) == fails("TR-XW-0001")
    assert outcome(replace(desk, now=midnight), code, tomorrow) == PASS
    assert outcome(before, code, tomorrow) == fails("TR-XW-0001")


def test_what_was_prepared_for_one_kind_does_not_count_for_another(desk: Desk, signer: Signer) -> None:
    """Kind, issuing country, version of the payload, district: each by itself decides what is asked."""
    rules = bundle(
        rule("VR-XW-0001", NEVER),
        rule("TR-XW-0001", ALWAYS),
        rule("IR-XU-0001", NEVER),
        rule("TR-XW-0002", NEVER, Region="NORTH"),
        rule("TR-XW-0003", ALWAYS, SchemaVersion="1.3.0"),
    )
    tested = signer.issue(lab_result())
    abroad = desk.signer(label="2", country="XU").issue(lab_result(), iss="XU")
    older = signer.issue(lab_result(person(ver="1.2.0")))
    for _ in range(2):
        assert outcome(desk, tested, rules) == PASS
        assert outcome(desk, abroad, rules) == fails("IR-XU-0001")
        assert outcome(desk, tested, rules, area="NORTH") == fails("TR-XW-0002")
        assert outcome(desk, older, rules) == unknown("TR-XW-0003")
        assert outcome(desk, signer.issue(vaccination()), rules)[1][0] == (
            Reason.RULE_FAILED,
            "VR-XW-0001",
        )


def test_what_is_prepared_is_bounded(desk: Desk, signer: Signer) -> None:
    """Whoever signs certificates of ever new versions fills no memory with them."""
    rules = bundle(ACCEPTED)
    for number in range(300):
        assert outcome(desk, signer.issue(vaccination(person(ver=f"1.{number}.0"))), rules) == PASS
    assert 0 < len(compiled(rules, DESK_ZONE).plans) <= 256


def test_what_another_thread_prepares_meanwhile_is_not_taken_for_ours(desk: Desk, signer: Signer) -> None:
    """Two threads judge by one bundle: at midnight each has its own day's codes, and room is made at any
    time.
    """
    rules = bundle(rule("TR-XW-0001", LISTED_IF_RAPID))
    book = compiled(rules, DESK_ZONE)
    nobody = replace(rules, value_sets={**rules.value_sets, DEVICES: {}})
    certificate = judged(
        desk, signer.issue(lab_result(tt="LP217198-3", ma="1232")), rules
    ).assessment.certificate
    assert certificate is not None

    def findings(functions: dict[Any, Any], asked: RuleBundle = rules) -> tuple[Any, ...]:
        fresh = replace(book, bundle=asked, plans={}, functions=functions)
        time = time_bounds(NOW, None, None, DESK_ZONE)
        return rule_nationally([Shown(certificate)], fresh, Context(country="XW"), time).findings

    class Cleared(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            pass

    class OfAnotherDay(dict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, theirs[key])

    theirs: dict[Any, Any] = {}
    assert len(findings(theirs, nobody)) == 1
    assert findings({}) == findings(Cleared()) == findings(OfAnotherDay()) == ()


def test_invalidation_rules_are_those_of_the_issuing_country(desk: Desk, signer: Signer) -> None:
    """A country takes its own certificates back by rule; the rules of other issuers are not asked."""
    code = signer.issue(vaccination())
    assert outcome(desk, code, bundle(ACCEPTED, rule("IR-XV-0001", NEVER))) == fails("IR-XV-0001")
    assert outcome(desk, code, bundle(ACCEPTED, rule("IR-XU-0001", NEVER))) == PASS
    assert outcome(desk, code, bundle(ACCEPTED, rule("IR-XW-0001", NEVER))) == PASS


MISSING: dict[str, tuple[RuleBundle, str]] = {
    "rules for another type only": (bundle(rule("TR-XW-0001", ALWAYS)), "XW: none for a Vaccination"),
    "invalidation rules only": (
        bundle(rule("IR-XV-0001", ALWAYS), rule("TR-XW-0001", ALWAYS)),
        "XW: none for a Vaccination",
    ),
    "rules that are over": (
        bundle(rule("VR-XW-0001", ALWAYS, ValidTo="2022-01-01T00:00:00Z")),
        "XW: none for a Vaccination",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_no_rule_for_a_certificate_is_no_consent(case: str, desk: Desk, signer: Signer) -> None:
    """Zero rules are RULES_MISSING, never PASS."""
    rules, detail = MISSING[case]
    assert outcome(desk, signer.issue(vaccination()), rules) == unknown(detail, Reason.RULES_MISSING)


def test_rules_of_one_country_say_nothing_of_arrivals_in_another(desk: Desk, signer: Signer) -> None:
    """A bundle is for its country; one that was widened by hand still asks nobody else by its rules."""
    rules, code = bundle(ACCEPTED), signer.issue(vaccination())
    widened = replace(rules, scope=Scope(frozenset({"XU", "XW"})))
    assert outcome(desk, code, rules, country="XU") == unknown("", Reason.RULES_MISSING)
    assert outcome(desk, code, widened, country="XU") == unknown(
        "XU: none for a Vaccination", Reason.RULES_MISSING
    )


UNKNOWN: dict[str, tuple[Any, dict[str, Any]]] = {
    "an operator that CertLogic has not": ({"xor": [True, False]}, {}),
    "a value set that is not there": (
        {"in": [{"var": "payload.v.0.mp"}, {"var": "external.valueSets.vaccines-covid-19-names"}]},
        {},
    ),
    "logic that raises": (RAISES, {}),
    "an operator of our own rules": ({"need": ["payload.v.0.no"]}, {}),
    "a date for an answer": ({"plusTime": [{"var": "payload.v.0.dt"}, 0, "day"]}, {}),
    "another engine": (NEVER, {"Engine": "OTHER"}),
    "a newer engine": (NEVER, {"EngineVersion": "1.3.4"}),
    "a schema of another major version": (NEVER, {"SchemaVersion": "2.0.0"}),
    "a schema of an older major version": (NEVER, {"SchemaVersion": "0.9.0"}),
    "a schema newer than the payload's": (NEVER, {"SchemaVersion": "1.3.1"}),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_rule_that_cannot_be_answered_is_unknown_and_the_others_still_run(
    case: str, desk: Desk, signer: Signer
) -> None:
    """Unknown is CHECK RULE_UNKNOWN with the rule's name; the next rule still finds what it finds."""
    logic, change = UNKNOWN[case]
    odd = rule("VR-XW-0001", logic, **change)
    code = signer.issue(vaccination(dn=1))
    assert outcome(desk, code, bundle(odd, rule("VR-XW-0002", ALWAYS))) == unknown("VR-XW-0001")
    state, reasons = outcome(desk, code, bundle(odd, rule("VR-XW-0002", WHOLE_COURSE)))
    assert state is State.FAIL
    assert reasons == [(Reason.RULE_FAILED, "VR-XW-0002"), (Reason.RULE_UNKNOWN, "VR-XW-0001")]


KNOWN: dict[str, dict[str, Any]] = {
    "the newest engine": {"EngineVersion": "1.3.3"},
    "an engine from before 1.0": {"EngineVersion": "0.7.5"},
    "the payload's own schema": {"SchemaVersion": "1.3.0"},
    "a schema compared by its numbers": {"SchemaVersion": "1.2.10"},
}


@pytest.mark.parametrize("case", KNOWN)
def test_a_rule_for_what_we_have_is_asked(case: str, desk: Desk, signer: Signer) -> None:
    """Engines up to ours, schemas up to the payload's (1.3.0 here)."""
    rules = bundle(rule("VR-XW-0001", NEVER, **KNOWN[case]))
    assert outcome(desk, signer.issue(vaccination()), rules) == fails("VR-XW-0001")


def test_the_schema_version_is_compared_and_not_the_rules_own(desk: Desk, signer: Signer) -> None:
    """A rule in its version 3.0.0 for schema 1.0.0 is asked of a payload 1.3.0."""
    rules = bundle(rule("VR-XW-0001", ALWAYS, Version="3.0.0"))
    assert outcome(desk, signer.issue(vaccination()), rules) == PASS


def test_a_value_set_that_no_branch_needs_is_not_missed(desk: Desk, signer: Signer) -> None:
    """A rule reaches only what it must: a PCR needs no list of antigen devices."""
    rules = bundle(rule("TR-XW-0001", LISTED_IF_RAPID), value_sets={})
    assert outcome(desk, signer.issue(lab_result()), rules) == PASS
    rapid = signer.issue(lab_result(tt="LP217198-3", ma="1232"))
    assert outcome(desk, rapid, rules) == unknown("TR-XW-0001")


def test_a_code_of_a_value_set_counts_on_its_days(desk: Desk, signer: Signer) -> None:
    """A bundle may say from when until when a code holds; the desk's calendar day decides."""
    rules = bundle(rule("TR-XW-0001", LISTED_IF_RAPID))
    code = signer.issue(lab_result(tt="LP217198-3", ma="1232"))
    today = date(2022, 3, 1)
    for period, met in (((today, today), True), ((None, today - timedelta(days=1)), False)):
        limited = replace(rules, value_sets={**rules.value_sets, DEVICES: {"1232": period}})
        assert outcome(desk, code, limited) == (PASS if met else fails("TR-XW-0001"))


@pytest.mark.parametrize("clock", [ClockState.UNSYNCED, ClockState.FLOOR_ONLY])
def test_without_a_sure_time_every_rule_is_unknown(clock: ClockState) -> None:
    """A rule is asked for one instant; an unsure clock gives none, and nothing becomes red or green."""
    desk = Desk(clock=clock, floor=NOW)
    code = desk.signer().issue(vaccination())
    verdict = judged(desk, code, bundle(rule("VR-XW-0001", NEVER))).verdict
    assert verdict.state is not State.FAIL
    assert Reason.RULE_FAILED not in [found.code for found in verdict.reasons]
    ruling = verdict.ruled[0].rulings[0]
    assert (ruling.answer, ruling.cause) == (Answer.UNKNOWN, Reason.CLOCK_UNSURE)


EXTERNAL: dict[str, tuple[str, Any]] = {
    "the instant of judging": ("validationClock", "2022-03-01T02:00:00Z"),
    "the country of arrival": ("countryCode", "XW"),
    "the issuing country": ("issuerCountryCode", "XV"),
    "until when the code is good": ("exp", "2023-03-01T02:00:00Z"),
    "since when": ("iat", "2022-02-28T02:00:00Z"),
    "the region": ("region", "NORTH"),
}


@pytest.mark.parametrize("case", EXTERNAL)
def test_a_rule_sees_beside_the_payload(case: str, desk: Desk, signer: Signer) -> None:
    """The members of ``external``, as the specification of the rules has them."""
    name, value = EXTERNAL[case]
    rules = bundle(rule("VR-XW-0001", {"===": [{"var": f"external.{name}"}, value]}))
    assert outcome(desk, signer.issue(vaccination()), rules, area="NORTH") == PASS


def test_a_rule_sees_the_kid_in_base64(desk: Desk) -> None:
    """The KID is given as trust lists write it."""
    code = desk.signer(kid=b"\xff\xfe\xfd\xfc\x00\x01\x02\x03").issue(vaccination())
    rules = bundle(rule("VR-XW-0001", {"===": [{"var": "external.kid"}, "//79/AABAgM="]}))
    assert outcome(desk, code, rules) == PASS


# --- Several certificates of one person


def test_the_best_certificate_of_a_session_counts(desk: Desk, signer: Signer) -> None:
    """A recovery that meets its rules stands in for a dose that does not, whichever was shown last."""
    rules = bundle(rule("VR-XW-0001", WHOLE_COURSE), rule("RR-XW-0001", ALWAYS))
    short, recovered = signer.issue(vaccination(dn=1)), signer.issue(recovery())
    assert outcome(desk, short, rules, recovered) == PASS
    assert outcome(desk, recovered, rules, short) == PASS
    used = {
        each.rule.identifier: each.used
        for each in judged(desk, short, rules, recovered).verdict.ruled[0].rulings
    }
    assert used == {"RR-XW-0001": True, "VR-XW-0001": False}


def test_among_equals_the_certificate_shown_last_is_named(desk: Desk, signer: Signer) -> None:
    """Where none is good enough, the officer reads of the one in hand."""
    rules = bundle(rule("VR-XW-0001", NEVER), rule("TR-XW-0001", NEVER))
    dose_code, test_code = signer.issue(vaccination()), signer.issue(lab_result())
    assert outcome(desk, dose_code, rules, test_code) == fails("VR-XW-0001")
    assert outcome(desk, test_code, rules, dose_code) == fails("TR-XW-0001")


def test_what_is_unknown_of_one_is_not_made_red_by_another(desk: Desk, signer: Signer) -> None:
    """Of an unknown and a refused certificate the unknown one counts: CHECK."""
    rules = bundle(rule("VR-XW-0001", RAISES), rule("TR-XW-0001", NEVER))
    dose_code, test_code = signer.issue(vaccination()), signer.issue(lab_result())
    assert outcome(desk, test_code, rules, dose_code) == unknown("VR-XW-0001")


def test_certificates_do_not_complete_each_other(desk: Desk, signer: Signer) -> None:
    """Two certificates that each miss a rule are not one that misses none."""
    rules = bundle(rule("VR-XW-0001", WHOLE_COURSE), rule("VR-XW-0002", WAITED_14_DAYS))
    short, fresh = signer.issue(vaccination(dn=1)), signer.issue(vaccination(dt="2022-02-27"))
    assert outcome(desk, short, rules, fresh) == fails("VR-XW-0001")


def test_a_traveller_without_a_certificate_is_asked_for_one(desk: Desk) -> None:
    """National rules speak of certificates; without one there is nothing to ask them."""
    verdict = decide_without_certificate(
        Policy(bundle(ACCEPTED), Context(country="XW")),
        desk.trust,
        now=NOW,
        clock=None,
        time=time_bounds(NOW, None, None, DESK_ZONE),
    )
    assert [found.code for found in verdict.reasons] == [Reason.NEED_SECOND_DOC]


def test_no_holder_stands_in_the_detail_of_a_finding(desk: Desk, signer: Signer) -> None:
    """Details go to logs: they name rules, never what a rule looked at."""
    rules = bundle(rule("VR-XW-0001", {"in": ["x", {"var": "payload.nam.fn"}]}), rule("VR-XW-0002", NEVER))
    verdict = judged(desk, signer.issue(vaccination(person(nam={"fn": "SECRETNAME"}))), rules).verdict
    assert "SECRETNAME" not in repr(verdict.reasons) + repr(verdict.ruled)
    assert [found.detail for found in verdict.reasons] == ["VR-XW-0002", "VR-XW-0001"]


def test_two_events_in_one_document_are_seen_as_they_stand(desk: Desk, signer: Signer) -> None:
    """HC1 is judged as the document that it is: a rule that wants one event sees two."""
    both = person() | {"v": [dose(), dose(ci="URN:UVCI:01:XV:TESTS0009#Z")]}
    rules = bundle(rule("GR-XW-0001", {"!": [{"var": "payload.v.1"}]}))
    state, reasons = outcome(desk, signer.issue(both), rules)
    assert state is State.FAIL
    assert (Reason.RULE_FAILED, "GR-XW-0001") in reasons


def test_rules_of_negatives_are_asked_of_tests(desk: Desk, signer: Signer) -> None:
    """A test that was positive does not meet the rule; other checks say what they say beside it."""
    rules = bundle(rule("TR-XW-0001", NEGATIVE))
    assert outcome(desk, signer.issue(lab_result()), rules) == PASS
    state, reasons = outcome(desk, signer.issue(lab_result(tr="260373001")), rules)
    assert state is State.FAIL
    assert (Reason.RULE_FAILED, "TR-XW-0001") in reasons
