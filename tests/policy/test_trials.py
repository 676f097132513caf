"""The runner of the tests that travel with bundles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from example import example
from hypothesis import given
from hypothesis import strategies as st

from verifier.certificate import Exemption, Prophylaxis, Recovery, Vaccination
from verifier.certificate import Test as LabTest
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import read_bundle
from verifier.policy.review import review
from verifier.policy.trials import Trial, TrialError, certificate_from_row, event_from_row, run_trials

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def changed(number: int = 1, **members: Any) -> dict[str, Any]:
    """The page's test of this number with members replaced."""
    return example()["tests"][number] | members


def tried(*tests: dict[str, Any], **members: Any) -> list[Trial]:
    return run_trials(bundle(*tests, **members))


def bundle(*tests: dict[str, Any], **members: Any) -> RuleBundle:
    return read_bundle(example() | {"tests": list(tests)} | members)


def differences(*tests: dict[str, Any], **members: Any) -> list[str]:
    return [said for trial in tried(*tests, **members) for said in trial.differences]


def test_the_tests_of_the_page_agree() -> None:
    """What docs/rules.md shows is so."""
    trials = run_trials(read_bundle(example()))
    assert [trial.name for trial in trials] == [
        "2/2, day 14 counts",
        "2/2, day 13",
        "crew without a certificate",
    ]
    assert all(trial.differences == () for trial in trials)


def test_state_reasons_and_duties_are_each_compared_whole_and_in_order() -> None:
    """A test that asks for less than the whole would let a change pass."""
    right = changed()["expect"]
    assert differences(changed(expect=right | {"state": "PASS"})) == ["state: PASS expected, CHECK found"]
    assert differences(changed(expect=right | {"reasons": ["DUTY_ONLY", "TOO_SOON"]})) == [
        "reasons: DUTY_ONLY, TOO_SOON expected, TOO_SOON, DUTY_ONLY found"
    ]
    assert differences(changed(expect=right | {"reasons": ["TOO_SOON"]})) == [
        "reasons: TOO_SOON expected, TOO_SOON, DUTY_ONLY found"
    ]
    assert differences(changed(expect=right | {"duties": right["duties"][:1]})) == [
        "duties: TEST within_hours=24 expected, TEST within_hours=24, SELF_WATCH days=10 found"
    ]
    assert differences(changed(expect={"state": "CHECK"})) == [
        "reasons: none expected, TOO_SOON, DUTY_ONLY found",
        "duties: none expected, TEST within_hours=24, SELF_WATCH days=10 found",
    ]


def test_a_change_of_a_rule_is_seen_by_the_tests_that_travel_with_it() -> None:
    """Thirteen days in place of fourteen: the test of day 13 differs, and says how."""
    row = example()
    row["rules"][1]["logic"]["not-before"][1]["shift"][1] = 13
    (bad,) = [trial for trial in run_trials(read_bundle(row)) if trial.differences]
    assert (bad.where, bad.name) == ("tests[1]", "2/2, day 13")
    assert bad.differences[0] == "state: CHECK expected, PASS found"


def test_a_bundle_is_tried_as_a_desk_would_ask_it() -> None:
    """Before it begins, after it is over, and for a journey that it does not speak of."""
    early = changed(at="2022-03-31T23:59:59+07:00", expect={"state": "CHECK", "reasons": ["RULES_MISSING"]})
    late = changed(at="2022-06-01T00:00:00Z", expect={"state": "CHECK", "reasons": ["RULES_EXPIRED"]})
    other = changed(journey={"journey": "transit"}, expect={"state": "CHECK", "reasons": ["RULES_MISSING"]})
    assert differences(early, late, other, valid_to="2022-06-01T00:00:00Z") == []


def test_several_certificates_are_judged_together_and_in_order() -> None:
    """1/2 and then 2/2 of one person."""
    first, second = (
        {"events": [{"kind": "vaccination", "dose": dose, "doses": 2, "given": "2022-03-01"}]}
        for dose in (1, 2)
    )
    expect = {"state": "PASS", "duties": [{"code": "SELF_WATCH", "days": 10}]}
    assert differences(changed(0, shown=[first, second], expect=expect)) == []


def test_a_passport_is_held_against_the_certificate() -> None:
    """Another birth date is told as at a desk; the same one is no finding."""
    shown = [{"birth": "1990-04-21", "events": changed(0)["shown"][0]["events"]}]
    assert differences(changed(0, shown=shown, passport={"birth": "1990-04-21"})) == []
    (state, reasons) = differences(
        changed(0, shown=shown, passport={"birth": "1990-04-22"}, expect={"state": "PASS"})
    )[:2]
    assert (state, reasons) == (
        "state: PASS expected, FAIL found",
        "reasons: none expected, DOB_DIFFERENT found",
    )


def test_an_order_of_a_post_is_tried_at_its_post() -> None:
    """At another one it says nothing."""
    here = changed(0, journey={"post": "moc-bai"})
    there = changed(0, journey={"post": "cau-treo"}, expect={"state": "CHECK", "reasons": ["RULES_MISSING"]})
    assert differences(here, there, post="moc-bai") == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"att": "x"}, "att: unknown"),
        ({"at": "2022-04-14T23:59:00"}, "at: the offset is missing"),
        ({"at": None}, "at: missing"),
        ({"at": 5}, "at: a date-time is expected"),
        ({"expect": {"state": "GREEN"}}, "expect.state: 'GREEN' is none of PASS"),
        ({"expect": {"state": "CHECK", "reasons": ["TO_SOON"]}}, "expect.reasons: 'TO_SOON' is none of"),
        (
            {"expect": {"state": "CHECK", "duties": [{"code": "REST"}]}},
            "expect.duties[0].code: 'REST' is none of",
        ),
        ({"expect": {"state": "CHECK", "because": 1}}, "expect.because: unknown"),
        ({"expect": {}}, "expect.state: missing"),
        ({"expect": None}, "expect: an object is expected"),
        ({"shown": {}}, "shown: a list is expected"),
        ({"shown": [{"events": []}]}, "shown[0].events: a certificate tells of one event at least"),
        ({"shown": [{"events": [{"kind": "person"}]}]}, "shown[0].events[0].kind: person is no event"),
        ({"shown": [{"events": [{"kind": "test", "dose": 1}]}]}, "shown[0].events[0].dose: unknown"),
        (
            {"shown": [{"events": [{"kind": "vaccination", "given": "15/02/2022"}]}]},
            "given: a day is expected",
        ),
        (
            {"shown": [{"events": [{"kind": "vaccination", "dose": True}]}]},
            "dose: a whole number is expected",
        ),
        ({"shown": [{"family": "EU", "events": [{"kind": "test"}]}]}, "shown[0].family: 'EU' is none of HC1"),
        ({"journey": {"mode": "rocket"}}, "journey.mode: one of air"),
        ({"passport": {"name": "x"}}, "passport.name: unknown"),
    ],
)
def test_a_test_that_cannot_be_read_differs_and_names_the_member(members: dict[str, Any], said: str) -> None:
    """It is never skipped, and the one after it still runs."""
    first, second = tried(changed(**members), changed())
    assert len(first.differences) == 1
    assert said in first.differences[0]
    assert second.differences == ()


def test_every_kind_of_event_can_be_shown() -> None:
    """With each member under the name that rules use."""
    rows = {
        Vaccination: {
            "kind": "vaccination", "vaccine": "1", "product": "2", "maker": "3", "dose": 1, "doses": 2,
            "given": "2022-01-01", "valid_from": "2022-01-15", "valid_until": "2022-10-01",
        },
        LabTest: {
            "kind": "test", "test": "LP6464-4", "device": "1", "sampled": "2022-01-01T08:00:00",
            "result": "260415000",
        },
        Recovery: {
            "kind": "recovery", "first_positive": "2022-01-01", "proof": "LP6464-4",
            "valid_from": "2022-01-12", "valid_until": "2022-06-30",
        },
        Exemption: {"kind": "exemption", "valid_until": "2022-06-30"},
        Prophylaxis: {
            "kind": "prophylaxis", "product": "1", "given": "2022-01-01", "valid_from": "2022-01-11",
            "valid_until": None,
        },
    }  # fmt: skip
    for kind, row in rows.items():
        event = event_from_row(row | {"disease": "x", "country": "DE"})
        assert type(event) is kind
        assert (event.disease, event.country) == ("x", "DE")
    sampled = event_from_row(rows[LabTest] | {"disease": "x"})
    assert isinstance(sampled, LabTest)
    assert sampled.sampled == datetime(2022, 1, 1, 8)  # noqa: DTZ001 - without an offset, as the document has it
    whole = certificate_from_row(
        {"family": "SHC", "birth": "1983", "issued": "2022-01-01T00:00:00Z", "events": [rows[Exemption]]},
        disease="840539006",
    )
    assert (whole.family, whole.holder.birth_date, whole.events[0].disease) == ("SHC", "1983", "840539006")
    assert whole.issued_at == datetime(2022, 1, 1, tzinfo=UTC)


def test_an_event_names_its_disease_where_the_bundle_is_about_several() -> None:
    """Which one would be a guess."""
    with pytest.raises(TrialError, match="disease: missing"):
        event_from_row({"kind": "exemption"})
    assert "disease: missing" in differences(changed(), diseases=[])[0]


def national(logic: Any, expected: Any, **test: Any) -> list[str]:
    """What the test of one national rule finds."""
    rule = {
        "id": "GR-XV-0001", "version": "1.0.0", "on": "person", "logic": logic,
        "national": {"country": "XV", "certificate": "General"},
    }  # fmt: skip
    row = {
        "name": "national-xv", "version": "1.0.0", "asks": "certlogic", "valid_from": "2021-07-01T00:00:00Z",
        "value_sets": {"colours": ["red"]}, "rules": [rule],
        "tests": [{"rule": "GR-XV-0001", "payload": {}, "expected": expected} | test],
    }  # fmt: skip
    return [said for trial in run_trials(read_bundle(row)) for said in trial.differences]


def test_a_national_rule_is_tried_alone_over_a_payload() -> None:
    """Answers are compared by type too: 1 is not true."""
    assert national({"var": "payload.v"}, 1, payload={"v": 1}) == []
    assert national({"var": "payload.v"}, True, payload={"v": 1}) == ["GR-XV-0001: true expected, 1 found"]
    assert national({"in": ["red", {"var": "external.valueSets.colours"}]}, True) == []
    (said,) = national({">": [{"var": "payload.v"}, 1]}, False)
    assert "false expected, it has no answer" in said


def test_a_national_test_names_a_rule_that_is_there() -> None:
    """Else it would try nothing."""
    assert national(True, True, rule="GR-XV-0002") == ["rule: the bundle has no such rule"]
    assert national(True, True, payload=[1]) == ["payload: an object is expected"]


@given(
    st.dictionaries(st.sampled_from(["name", "at", "journey", "shown", "expect", "rule", "passport"]), JSON)
)
def test_whatever_a_test_says_it_is_run_or_named(row: dict[str, Any]) -> None:
    """A bundle may come from anywhere; no test of it stops the others."""
    (trial,) = tried(row)
    assert trial.differences


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"diseases": ["covid"]}, "diseases[0]"),
        ({"scope": {"countries": ["Vietnam"]}}, "scope.countries[0]"),
    ],
)
def test_a_code_that_nobody_has_is_named_before_the_rules_speak_of_nobody(
    change: dict[str, Any], problem: str
) -> None:
    """A disease by its name, a country by its name."""
    assert [each.path for each in review(example() | change)] == [problem]


@pytest.mark.parametrize("logic", [">=", 1, ["a"]])
def test_an_expression_that_never_answers_true_or_false_is_named(logic: Any) -> None:
    """Its rule would be unknown to every traveller."""
    row = example()
    row["rules"][0]["logic"] = logic
    assert "rules[0].logic" in [each.path for each in review(row)]
