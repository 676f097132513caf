"""Bundles that are odd, hostile or over: what was not asked is not green, what is our fault is not red."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from decided import (
    AT,
    NO,
    NOT_SAID,
    YES,
    bundle_of,
    certificate,
    decided,
    dose,
    outcome,
    requires,
    row_of,
    rule,
    way,
)

from verifier.catalogue import CATALOGUE
from verifier.policy.bundle import RuleBundle, in_force
from verifier.policy.bundle_json import MAX_NESTING, BundleError, read_bundle
from verifier.policy.context import Context, Journey, Mode
from verifier.policy.explain import explained
from verifier.policy.judging import compiled
from verifier.policy.saying import MAX_TEXT
from verifier.reasons import Reason, State
from verifier.times import DESK_ZONE
from verifier.verdict import Verdict

PASS, CHECK, FAIL = State.PASS, State.CHECK, State.FAIL
LAND = {"code": "TEST", "within_hours": 24, "when": NOT_SAID}


# --- What is not met is red or amber ------------------------------------------------------------------------


@pytest.mark.parametrize("code", [code for code in Reason if CATALOGUE[code].states[0] not in (CHECK, FAIL)])
def test_a_rule_that_is_not_met_cannot_be_said_by_a_banner(code: Reason) -> None:
    """A banner or an exemption changes no state: such a "no" would be green. OUT and RESCAN are not a rule's
    to say.
    """
    with pytest.raises(BundleError, match=rf"rules\[0\]\.reason: {code}"):
        bundle_of(rules=[rule(logic=NO, reason=code)], always=["r"])


@pytest.mark.parametrize("code", ["SIG_BAD", "RULE_FAILED", "UNIT_FAULT", "NOT_CERT"])
def test_a_way_that_is_taken_gives_no_defect(code: str) -> None:
    """It says an exemption, a banner, or what a person looks at."""
    with pytest.raises(BundleError, match=rf"any\[0\]\.gives: {code}"):
        bundle_of(rules=[rule()], requirements=[requires(way("r", gives=code))])


@pytest.mark.parametrize(
    "value", [1, "yes", ["x"], {"need": ["event.product"]}, {"var": "event.given"}, 0, ""]
)
def test_a_rule_answers_true_or_false_and_nothing_else_is_an_answer(value: Any) -> None:
    """A text, a number, a date: nobody meant them by "met" or "not met"."""
    verdict = decided(
        bundle_of(rules=[rule(logic=value)], always=["r"]), dose(product="A", given="2022-01-10")
    )
    assert outcome(verdict) == (CHECK, [Reason.RULE_UNKNOWN])


@pytest.mark.parametrize(
    ("met", "unmet", "state"),
    [(YES, NO, PASS), (NO, YES, FAIL)],
)
def test_versions_of_a_rule_look_at_one_kind_of_event(met: Any, unmet: Any, state: State) -> None:
    """Else the one in force would be asked of events that it does not know, and never of its own."""
    versions = [
        rule(logic=met, valid_to="2023-01-01T00:00:00Z"),
        rule(logic=unmet, version="2.0.0", valid_from="2023-01-01T00:00:00Z"),
    ]
    assert decided(bundle_of(rules=versions, always=["r"]), dose()).state is state
    versions[1]["on"] = "test"
    with pytest.raises(BundleError, match=r"rules\[1\]\.on: another version of r looks elsewhere"):
        bundle_of(rules=versions, always=["r"])


@pytest.mark.parametrize(
    ("asks", "members"),
    [
        ("signature", {}),
        ("certlogic", {"rules": [rule(national={"country": "VN", "certificate": "General"})]}),
    ],
)
def test_duties_that_nobody_would_be_given_are_refused(asks: str, members: dict[str, Any]) -> None:
    """What a bundle says is done, or it is not taken."""
    bundle_of(asks=asks, **members)
    with pytest.raises(BundleError, match=r"bundle\.duties"):
        bundle_of(asks=asks, duties=[{"code": "DECLARE"}], **members)


def test_a_condition_of_a_national_rule_is_refused() -> None:
    """Engines of other countries know none, so ours would ask less than they."""
    odd = rule(national={"country": "VN", "certificate": "General"}, when=NO)
    with pytest.raises(BundleError, match=r"rules\[0\]\.when"):
        bundle_of(asks="certlogic", rules=[odd])


# --- Rules that are over, or have not begun -----------------------------------------------------------------

OVER = {"valid_to": "2022-03-15T03:00:00Z"}
COMING = {"valid_from": "2022-03-15T03:00:01Z"}
NOT_IN_FORCE = pytest.mark.parametrize("period", [OVER, COMING], ids=["over", "to come"])


@NOT_IN_FORCE
def test_a_way_whose_rules_are_not_in_force_is_closed(period: dict[str, str]) -> None:
    """It would ask nothing, and let everybody in."""
    rules = [rule("a", **period), rule("b", **period), rule("c", NO)]
    only = bundle_of(rules=rules, requirements=[requires(way("a", "b"))])
    assert outcome(decided(only, dose())) == (CHECK, [Reason.NEED_SECOND_DOC])
    beside = bundle_of(rules=rules, requirements=[requires(way("a", "b"), way("c"))])
    assert outcome(decided(beside, dose())) == (FAIL, [Reason.RULE_FAILED])
    in_part = bundle_of(rules=rules, requirements=[requires(way("a", "c"))])
    assert outcome(decided(in_part, dose())) == (FAIL, [Reason.RULE_FAILED])


@NOT_IN_FORCE
def test_an_exemption_whose_rule_is_not_in_force_exempts_nobody(period: dict[str, str]) -> None:
    """The way ends with its rule; the others are told."""
    person = way("free", on="person", gives="EXEMPT_ROLE")
    rules = [rule("free", on="person", **period), rule("c", NO)]
    bundle = bundle_of(rules=rules, requirements=[requires(person, way("c"))])
    assert outcome(decided(bundle, dose())) == (FAIL, [Reason.RULE_FAILED])


@NOT_IN_FORCE
def test_a_bundle_of_which_no_rule_is_in_force_passes_nobody(period: dict[str, str]) -> None:
    """The bundle itself is in force and asks nothing: that is no consent."""
    bundle = bundle_of(rules=[rule(**period)], always=["r"])
    assert outcome(decided(bundle, dose())) == (CHECK, [Reason.RULES_MISSING])
    assert outcome(decided(bundle)) == (CHECK, [Reason.RULES_MISSING])


def versions(*changes: dict[str, Any]) -> list[RuleBundle]:
    return [
        bundle_of(rules=[rule()], always=["r"], version=f"{number}.0.0", **change)
        for number, change in enumerate(changes, 1)
    ]


def test_what_a_version_replaced_does_not_come_back() -> None:
    """Neither where the newer one is over, nor where it no longer speaks of a journey."""
    old, new = versions({}, {"valid_to": "2022-02-01T00:00:00Z"})
    for held in ([old, new], [new, old]):
        assert in_force(held, AT) is new
    everywhere, entry = versions({}, {"scope": {"journeys": ["entry"]}})
    for held in ([everywhere, entry], [entry, everywhere]):
        assert in_force(held, AT, Context()) is entry
        assert in_force(held, AT, Context(journey=Journey.TRANSIT)) is None
    waiting = replace(new, valid_from=AT + timedelta(seconds=1), valid_to=None)
    assert in_force([old, waiting], AT) is old


# --- What is not known is no "no" ---------------------------------------------------------------------------


def test_a_duty_that_may_excuse_leaves_no_red() -> None:
    """Nobody has said by which way the traveller comes: by land a duty would excuse."""
    bundle = bundle_of(rules=[rule(logic=NO)], requirements=[requires(way("r"), unmet=[LAND])])
    assert outcome(decided(bundle, dose())) == (CHECK, [Reason.NEED_CONTEXT, Reason.RULE_FAILED])
    assert outcome(decided(bundle, dose(), mode=Mode.AIR)) == (FAIL, [Reason.RULE_FAILED])
    by_land = decided(bundle, dose(), mode=Mode.LAND)
    assert outcome(by_land) == (CHECK, [Reason.DUTY_ONLY, Reason.RULE_FAILED])
    assert [duty.within_hours for duty in by_land.duties] == [24]


def test_a_way_that_may_not_be_open_refuses_nobody_alone() -> None:
    """Closed, it would leave "another document needed"; beside another way that was not met it is red."""
    maybe = way("no", when=NOT_SAID)
    rules = [rule("no", NO), rule("short", NO, reason="DOSE_SHORT")]
    alone = bundle_of(rules=rules, requirements=[requires(maybe)])
    assert outcome(decided(alone, dose())) == (CHECK, [Reason.NEED_CONTEXT, Reason.RULE_FAILED])
    assert outcome(decided(alone, dose(), mode=Mode.LAND)) == (FAIL, [Reason.RULE_FAILED])
    assert outcome(decided(alone, dose(), mode=Mode.AIR)) == (CHECK, [Reason.NEED_SECOND_DOC])
    for ways in ([maybe, way("short")], [way("short"), maybe]):
        beside = bundle_of(rules=rules, requirements=[requires(*ways)])
        assert outcome(decided(beside, dose())) == (FAIL, [Reason.DOSE_SHORT])


def test_a_condition_that_is_not_known_is_no_consent() -> None:
    """Of a requirement, of a rule, of a way, of a duty: CHECK with its cause."""
    no, yes = rule("no", NO), rule("yes")
    for members in (
        {"requirements": [requires(way("no"), when=NOT_SAID)]},
        {"requirements": [requires(way("yes", when=NOT_SAID))]},
        {"requirements": [requires(way("yes"), met=[LAND])]},
        {"always": ["yes"], "duties": [LAND]},
    ):
        verdict = decided(bundle_of(rules=[no, yes], **members), dose())
        assert outcome(verdict) == (CHECK, [Reason.NEED_CONTEXT]), members
    asked = bundle_of(rules=[rule("no", NO, when=NOT_SAID)], always=["no"])
    assert outcome(decided(asked, dose())) == (CHECK, [Reason.NEED_CONTEXT])


def test_a_way_of_which_no_rule_is_asked_lets_nobody_in() -> None:
    """Each of its rules has a condition, and none holds for this dose: nothing asked, nothing green."""
    bundle = bundle_of(rules=[rule(when=NO), rule("b", when=NO)], requirements=[requires(way("r", "b"))])
    assert outcome(decided(bundle, dose())) == (CHECK, [Reason.RULE_UNKNOWN])
    half = bundle_of(rules=[rule(when=NO), rule("b")], requirements=[requires(way("r", "b"))])
    assert decided(half, dose()).state is PASS


def test_one_event_must_meet_all_rules_of_a_way() -> None:
    """Two doses that each miss a rule are not one that misses none."""
    is_a, second = {"===": [{"var": "event.product"}, "A"]}, {"===": [{"var": "event.dose"}, 2]}
    bundle = bundle_of(rules=[rule("a", is_a), rule("two", second)], requirements=[requires(way("a", "two"))])
    assert decided(bundle, dose(product="A", dose=1), dose(product="B", dose=2)).state is FAIL
    assert decided(bundle, dose(product="A", dose=1), dose(product="A", dose=2)).state is PASS


# --- Nothing raises -----------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    """An expression of which JSON has two levels for each operation."""
    expression: Any = 1
    for _ in range(depth):
        expression = {"!": [expression]}
    return expression


def test_a_rule_nested_too_deep_is_unknown_and_can_be_explained() -> None:
    """As deep as a bundle may be at all: judged, and told by the "why?" page."""
    bundle = bundle_of(rules=[rule(logic=nested(MAX_NESTING // 2 - 3), when=YES)], always=["r"])
    verdict = decided(bundle, dose())
    assert outcome(verdict) == (CHECK, [Reason.RULE_UNKNOWN])
    assert explained(verdict)[0]["answer"] == "unknown"


@pytest.mark.parametrize("depth", [MAX_NESTING, 100_000])
@pytest.mark.parametrize("member", ["rules", "tests", "texts"])
def test_a_bundle_nested_deeper_than_that_is_refused_wherever_it_is_read(member: str, depth: int) -> None:
    """At a depth of its own, and not where the stack of whoever reads it happens to end."""
    deep: Any = nested(depth)
    row = row_of(rules=[rule()], always=["r"]) | {member: deep}
    with pytest.raises(BundleError, match="nested deeper than"):
        read_bundle(row)


# What a hostile rule computes: a list in a list in a list, and one that holds itself twice, again and again.
DEEP = {"reduce": [["x"] * 5_000, [{"var": "accumulator"}], "x"]}
WIDE = {"reduce": [["x"] * 200, [{"var": "accumulator"}, {"var": "accumulator"}], "x"]}
LONG = {"reduce": [["x"] * 5_000, {"var": "data.event.product"}, ["y"] * 5_000]}


@pytest.mark.parametrize("value", [DEEP, WIDE, LONG, ["x"] * 9_000, "x" * 100_000, [["x"] * 3_000] * 2])
def test_a_value_that_has_no_end_is_told_within_bounds(value: Any) -> None:
    """The note says it, shortened or as not known; nothing raises and nothing hangs."""
    odd = rule(logic=NO, notes={"en": "{v} and {v}"}, values={"v": value})
    verdict = decided(bundle_of(rules=[odd], always=["r"]), dose(product="A"))
    note = verdict.reasons[0].note
    assert note is not None
    assert len(note["en"]) <= 2 * MAX_TEXT + len(" and ")
    assert explained(verdict)


@pytest.mark.parametrize("hour", [-14, -7, 0, 7, 14])
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_instants_at_the_ends_of_the_calendar_are_told_as_they_are_written(end: str, hour: int) -> None:
    """Wherever on earth: a sample of the year 1 at UTC+14 is in no calendar of the desk."""
    sampled = datetime.fromisoformat(end).replace(tzinfo=timezone(timedelta(hours=hour)))
    old = rule(
        on="test",
        logic={
            "not-before": [
                {"need": ["event.sampled"]},
                {"shift": [{"var": "journey.departure"}, -72, "hour"]},
            ]
        },
        notes={"en": "sampled {sampled}"},
        values={"sampled": {"var": "event.sampled"}, "day": {"day": [{"var": "event.sampled"}]}},
    )
    bundle = bundle_of(rules=[old], always=["r"])
    verdict = decided(bundle, {"kind": "test", "disease": "x", "sampled": sampled.isoformat()})
    assert verdict.state is not (PASS if sampled.year == 1 else FAIL)
    assert explained(verdict)


def test_what_a_document_writes_is_no_place_for_another_value() -> None:
    """A product called "{secret}" is told as that, and signs that turn a line round are taken out."""
    odd = rule(
        logic=NO,
        notes={"en": "code {code}, {secret}, {nothing}"},
        values={"code": {"var": "event.product"}, "secret": {"var": "event.maker"}},
    )
    bundle = bundle_of(rules=[odd], always=["r"])
    verdict = decided(bundle, dose(product="{secret}\u202e\n", maker="M"))
    assert verdict.reasons[0].note == {"en": "code {secret}, M, {nothing}"}


NATIONAL = {"country": "VN", "certificate": "General", "engine": "CERTLOGIC", "engine_version": "1.0.0"}


def nationally(logic: Any) -> Verdict:
    """What a national rule makes of a certificate whose instants lie outside the calendar in UTC."""
    first, last = (
        datetime.fromisoformat(text) for text in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00")
    )
    one = replace(certificate(dose()), version="1.3.0", issued_at=first, expires_at=last)
    return decided(bundle_of(asks="certlogic", rules=[rule(logic=logic, national=NATIONAL)]), one)


def test_instants_that_utc_has_not_are_missing_to_a_national_rule() -> None:
    """``external.exp`` and ``iat`` are not there; the rule says what it says of that."""
    assert nationally({"!": [{"var": "external.exp"}]}).state is PASS
    assert nationally({"!": [{"var": "external.iat"}]}).state is PASS
    assert nationally(1).state is CHECK, "a rule answers true or false"


def test_a_rule_of_no_country_is_no_rule_of_a_desk_without_one() -> None:
    """Two that are empty are not the same country."""
    bundle = bundle_of(asks="certlogic", rules=[rule(national=NATIONAL | {"country": ""})])
    assert outcome(decided(bundle, dose(), country="")) == (CHECK, [Reason.RULES_MISSING])


def test_many_bundles_are_compiled_and_the_oldest_forgotten() -> None:
    """A unit that runs for years does not keep each bundle that it ever saw."""
    bundles = [bundle_of(rules=[rule()], always=["r"], name=f"n-{number}") for number in range(200)]
    books = [compiled(bundle, DESK_ZONE) for bundle in bundles]
    assert [book.bundle for book in books] == bundles
    assert compiled(bundles[-1], DESK_ZONE) is books[-1]
    assert compiled(bundles[0], DESK_ZONE) is not books[0]
