"""National rules as they are published become bundles that are signed and judged by like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from published import NEGATIVE, VALUE_SETS, WAITED_11_DAYS, WHOLE_COURSE, bundle, rule

from verifier.policy.bundle import Asks, National, On
from verifier.policy.bundle_json import BundleError, decode_bundles, encode_bundles
from verifier.policy.national import trial_data
from verifier.policy.published_rules import read_value_sets
from verifier.policy.rule_import import bundles_of_cases
from verifier.policy.trials import run_trials
from verifier.policy.validation import issues
from verifier.reasons import Reason

EARLY = {
    "reason": "RECOVERY_EARLY",
    "notes": {"vi": "từ {first_day}", "en": "from {first_day}"},
    "values": {"first_day": {"plusTime": [{"var": "payload.r.0.fr"}, 11, "day"]}},
}


def test_a_rule_keeps_what_was_published() -> None:
    """Identifier, version, validity, schema, engine, region, texts and logic to the letter."""
    texts = [
        {"lang": "en", "desc": "Eleven days after the first positive test."},
        {"lang": "de", "desc": "Elf Tage nach dem ersten positiven Test."},
        {"lang": "vi-VN", "desc": "Mười một ngày sau xét nghiệm dương tính."},
    ]
    change = {"Version": "1.2.3", "SchemaVersion": "1.3.0", "Region": "NORTH", "Description": texts}
    imported = bundle(rule("RR-XW-0001", WAITED_11_DAYS, **change)).rules[0]
    assert (imported.identifier, imported.version, imported.on) == ("RR-XW-0001", "1.2.3", On.RECOVERY)
    assert imported.logic == WAITED_11_DAYS
    assert imported.valid_from == datetime(2021, 7, 1, tzinfo=UTC)
    assert imported.valid_to == datetime(2030, 6, 1, tzinfo=UTC)
    assert imported.texts == {"en": texts[0]["desc"], "de": texts[1]["desc"], "vi": texts[2]["desc"]}
    assert imported.national == National(
        "XW", "Recovery", region="NORTH", schema="1.3.0", engine="CERTLOGIC", engine_version="1.0.0"
    )
    assert imported.reason is Reason.RULE_FAILED


def test_a_bundle_is_for_its_country_and_its_diseases_since_its_first_rule() -> None:
    """Scope, diseases and validity come from the rules and their value sets."""
    late = rule("VR-XW-0001", WHOLE_COURSE, ValidFrom="2022-01-01T00:00:00+01:00")
    early = rule("VR-XW-0002", WHOLE_COURSE, ValidFrom="2021-12-31T23:30:00+01:00")
    imported = bundle(late, early, source="a letter", texts={"en": "Rules of XW"})
    assert imported.asks is Asks.NATIONAL
    assert imported.scope.countries == {"XW"}
    assert imported.diseases == {"840539006"}
    assert imported.valid_from == datetime(2021, 12, 31, 22, 30, tzinfo=UTC)
    assert imported.valid_to is None
    assert not imported.domestic
    assert (imported.source, imported.texts) == ("a letter", {"en": "Rules of XW"})
    assert bundle(late, value_sets={}).diseases == {"840539006"}


def test_an_imported_bundle_can_be_signed_and_read_again() -> None:
    """The written form gives the same bundle, reasons and tests among it."""
    tests = [{"rule": "RR-XW-0001", "name": "a", "payload": {}, "external": {}, "expected": False}]
    imported = bundle(
        rule("RR-XW-0001", WAITED_11_DAYS),
        rule("IR-XV-0001", NEGATIVE),
        reasons={"RR-XW-0001": EARLY},
        tests=tests,
    )
    assert decode_bundles(encode_bundles([imported])) == (imported,)
    assert imported.rules[0].reason is Reason.RECOVERY_EARLY
    assert imported.rules[0].notes == EARLY["notes"]
    assert imported.tests == tuple(tests)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an identifier of no kind": ({"Identifier": "XX-XW-0001"}, "XX-XW-0001.Identifier: "),
    "an identifier with more behind it": ({"Identifier": "VR-XW-0001\n"}, "Identifier: "),
    "no identifier": ({"Identifier": None}, "rule 1.Identifier: missing"),
    "a member that nobody knows": ({"Priority": 1}, "VR-XW-0001.Priority: unknown member"),
    "no engine": ({"Engine": None}, "VR-XW-0001.Engine: missing"),
    "no schema version": ({"SchemaVersion": None}, "VR-XW-0001.SchemaVersion: missing"),
    "a version of two numbers": ({"Version": "1.0"}, "VR-XW-0001.Version: "),
    "a version that is a number": ({"Version": 1}, "VR-XW-0001.Version: "),
    "a type of another word": ({"Type": "Refusal"}, "VR-XW-0001.Type: 'Refusal' is none of"),
    "a type that does not go with the identifier": ({"Type": "Invalidation"}, "VR-XW-0001.Type: "),
    "another country's rule of arrival": ({"Country": "XU"}, "VR-XW-0001.Country: XU"),
    "a country of three letters": ({"Country": "XXW"}, "VR-XW-0001.Country: "),
    "a certificate type of another word": ({"CertificateType": "Vaccine"}, "VR-XW-0001.CertificateType: "),
    "a region in small letters": ({"Region": "north"}, "VR-XW-0001.Region: "),
    "a region that is too long": ({"Region": "NORTHWEST"}, "VR-XW-0001.Region: "),
    "a time without offset": ({"ValidFrom": "2021-07-01T00:00:00"}, "VR-XW-0001.ValidFrom: "),
    "a time with a fraction": ({"ValidFrom": "2021-07-01T00:00:00.5Z"}, "VR-XW-0001.ValidFrom: "),
    "a time that is none": ({"ValidTo": "2021-07-32T00:00:00Z"}, "VR-XW-0001.ValidTo: "),
    "an end before the beginning": ({"ValidTo": "2021-07-01T00:00:00Z"}, "VR-XW-0001.ValidTo: not after"),
    "no text in English": ({"Description": [{"lang": "de", "desc": "x" * 20}]}, "VR-XW-0001.Description: "),
    "a text that is too short": (
        {"Description": [{"lang": "en", "desc": "x" * 19}]},
        "VR-XW-0001.Description[0].desc: ",
    ),
    "a text without a language": ({"Description": [{"desc": "x" * 20}]}, "VR-XW-0001.Description[0]: "),
    "no affected field": ({"AffectedFields": []}, "VR-XW-0001.AffectedFields: "),
    "logic that JSON has no form for": ({"Logic": {"+": [float("nan"), 1]}}, "VR-XW-0001.Logic: "),
    "logic that is no object": ({"Logic": True}, "VR-XW-0001.Logic: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_no_gateway_would_publish_is_refused_by_rule_and_member(case: str) -> None:
    """The error names both, so that a feed of hundreds can be mended."""
    change, said = REFUSED[case]
    with pytest.raises(BundleError) as caught:
        bundle(rule("VR-XW-0001", WHOLE_COURSE, **change))
    assert said in str(caught.value)


WHOLES: dict[str, tuple[dict[str, Any], str]] = {
    "one rule and version twice": ({"rules": [rule("VR-XW-0001", NEGATIVE)] * 2}, "VR-XW-0001 1.0.0"),
    "no rule at all": ({"rules": []}, "no rule"),
    "something that is no rule": ({"rules": [7]}, "rule 1: an object"),
    "a reason for a rule that is not there": ({"reasons": {"RR-XW-0009": EARLY}}, "reasons.RR-XW-0009: "),
    "a reason of another word": (
        {"reasons": {"VR-XW-0001": {"reason": "TOO_EARLY"}}},
        "reasons.VR-XW-0001.reason: ",
    ),
    "a mapping without a reason": ({"reasons": {"VR-XW-0001": {}}}, "reasons.VR-XW-0001.reason: "),
    "a mapping of something else": (
        {"reasons": {"VR-XW-0001": {"reason": "TOO_OLD", "logic": True}}},
        "reasons.VR-XW-0001.logic: unknown member",
    ),
    "reasons that are none": ({"reasons": [1]}, "reasons: an object"),
    "a reason as a text": ({"reasons": {"VR-XW-0001": "TOO_OLD"}}, "reasons.VR-XW-0001: an object"),
    "a version that is none": ({"version": "1"}, "version: "),
    "a value set without id": ({"value_sets": [{"valueSetValues": {}}]}, "value set 1.valueSetId: "),
    "a value set of numbers": ({"value_sets": {"a": [1]}}, "value set a.valueSetValues: "),
    "a value set twice": (
        {"value_sets": [{"valueSetId": "a", "valueSetValues": []}] * 2},
        "value set a: it stands there twice",
    ),
}


@pytest.mark.parametrize("case", WHOLES)
def test_a_whole_that_cannot_be_one_is_refused(case: str) -> None:
    """What is wrong only between rules, reasons and value sets is named too."""
    facts, said = WHOLES[case]
    facts = dict(facts)
    rules = facts.pop("rules", [rule("VR-XW-0001", WHOLE_COURSE)])
    with pytest.raises(BundleError) as caught:
        bundle(*rules, **facts)
    assert said in str(caught.value)


def test_value_sets_are_taken_as_published() -> None:
    """By id with their codes; inactive ones stay, because certificates bear them."""
    one = {
        "valueSetId": "covid-19-lab-result",
        "valueSetDate": "2021-04-27",
        "valueSetValues": {
            "260415000": {"display": "Not detected", "lang": "en", "active": True, "version": "1"},
            "260373001": {"display": "Detected", "lang": "en", "active": False, "version": "1"},
        },
    }
    codes = ["260373001", "260415000"]
    assert read_value_sets(one) == {"covid-19-lab-result": codes}
    assert read_value_sets([one, {"valueSetId": "b", "valueSetValues": {}}])["b"] == []
    assert read_value_sets({"x": one, "b": ["2", "1", "2"]}) == {
        "covid-19-lab-result": codes,
        "b": ["1", "2"],
    }
    assert read_value_sets([{"a": ["1"]}, {"b": []}, one]).keys() == {"a", "b", "covid-19-lab-result"}
    assert read_value_sets({"b": {"1": {"display": "One"}}}) == {"b": ["1"]}


def test_invalid_logic_is_imported_and_named_by_validation() -> None:
    """Nothing of a country's feed is left out for it; who signs has been told."""
    imported = bundle(rule("VR-XW-0001", {"xor": [True, False]}))
    assert issues(imported.rules[0].logic)
    assert not issues(bundle(rule("VR-XW-0001", WHOLE_COURSE)).rules[0].logic)


# --- Recorded cases


def line(identifier: str, logic: Any, payload: Any, expected: Any, **change: Any) -> dict[str, Any]:
    """One recorded case, as published suites have them."""
    metadata = rule(identifier, logic, SchemaVersion=None, Description=None, Logic=None)
    data = {"payload": payload, "external": {"valueSets": VALUE_SETS}}
    return {
        "id": f"{identifier}/one",
        "rule": metadata,
        "logic": logic,
        "data": data,
        "expected": expected,
    } | change


DOSES = [
    line("VR-XW-0001", WHOLE_COURSE, {"v": [{"dn": 2, "sd": 2}]}, True, name="whole"),
    line("VR-XW-0001", WHOLE_COURSE, {"v": [{"dn": 1, "sd": 2}]}, False),
    line("VR-XU-0001", WHOLE_COURSE, None, True),
]


def test_recorded_cases_become_a_bundle_a_country_with_their_tests() -> None:
    """Each country's rules once, its value sets, and every line as a test that travels along."""
    second, first = bundles_of_cases(DOSES, reasons={"VR-XW-0001": {"reason": "DOSE_SHORT"}})
    assert (first.name, first.scope.countries, second.name) == ("national-xw", {"XW"}, "national-xu")
    assert [each.identifier for each in first.rules] == ["VR-XW-0001"]
    assert first.rules[0].reason is Reason.DOSE_SHORT
    assert first.tests[0] == {
        "rule": "VR-XW-0001",
        "name": "one: whole",
        "payload": {"v": [{"dn": 2, "sd": 2}]},
        "external": {},
        "expected": True,
    }
    assert first.tests[1]["name"] == "one"
    assert trial_data(first, first.tests[0]) == DOSES[0]["data"]
    assert decode_bundles(encode_bundles([first, second])) == (second, first)


def test_a_test_keeps_value_sets_of_its_own() -> None:
    """Value sets are those of all lines together; a line that had others, or none, is tested by those."""
    more = {**VALUE_SETS, "more": ["1"]}
    lines = [
        line("VR-XW-0001", WHOLE_COURSE, {}, False, data={"payload": {}, "external": external})
        for external in ({"valueSets": more}, {"valueSets": VALUE_SETS}, {"validationClock": "2022-03-01"})
    ]
    (imported,) = bundles_of_cases(lines)
    assert {name: list(codes) for name, codes in imported.value_sets.items()} == more
    kept = [test["external"] for test in imported.tests]
    assert kept == [{}, {"valueSets": VALUE_SETS}, {"validationClock": "2022-03-01", "valueSets": {}}]
    assert [trial_data(imported, test)["external"]["valueSets"] for test in imported.tests] == [
        more,
        VALUE_SETS,
        {},
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([DOSES[0], DOSES[0] | {"logic": NEGATIVE}], "VR-XW-0001 1.0.0: two lines"),
        ([{"logic": {}, "data": {}}], "line 1: "),
        ([DOSES[0] | {"rule": {"Identifier": "VR-XW-0001", "Country": "XW"}}], "VR-XW-0001.Type: missing"),
    ],
)
def test_lines_that_contradict_each_other_are_refused(lines: list[Mapping[str, Any]], said: str) -> None:
    """One rule has one logic and one metadata, or nobody knows which was meant."""
    with pytest.raises(BundleError) as caught:
        bundles_of_cases(lines)
    assert said in str(caught.value)
    with pytest.raises(BundleError, match="reasons"):
        bundles_of_cases(DOSES, reasons={"VR-XW-0009": {"reason": "TOO_OLD"}})


def test_a_test_that_does_not_agree_is_told() -> None:
    """The counter-proof: a wrong expectation is a difference."""
    right, wrong = (bundles_of_cases([DOSES[0] | {"expected": each}])[0] for each in (True, False))
    assert [trial.differences for trial in run_trials(right)] == [()]
    assert run_trials(wrong)[0].differences


def published_cases(vectors: Path) -> list[dict[str, Any]]:
    text = (vectors / "dcc-rules.jsonl").read_text(encoding="utf-8")
    return [json.loads(each) for each in text.splitlines()]


@pytest.mark.vectors
@pytest.mark.scenario("SC-L11")
def test_every_published_test_of_the_imported_national_rules_agrees(vectors: Path) -> None:
    """Imported national rules with their published tests: 100 % of the tests agree, as read from a target."""
    cases = published_cases(vectors)
    bundles = decode_bundles(encode_bundles(bundles_of_cases(cases)))
    trials = [trial for each in bundles for trial in run_trials(each)]
    assert [trial for trial in trials if trial.differences] == []
    assert len(trials) == len(cases) > 0
    asked = {(each["rule"]["Identifier"], each["rule"]["Version"]) for each in cases}
    assert {(each.identifier, each.version) for one in bundles for each in one.rules} == asked
    for one in bundles:
        assert {test["rule"] for test in one.tests} == {each.identifier for each in one.rules}


@pytest.mark.vectors
def test_what_travels_with_a_rule_is_what_was_published(vectors: Path) -> None:
    """The data of each test are those of its line: no expectation is met by other data."""
    cases = published_cases(vectors)
    bundles = {next(iter(each.scope.countries)): each for each in bundles_of_cases(cases)}
    waiting = {country: iter(each.tests) for country, each in bundles.items()}
    for case in cases:
        country = case["rule"]["Country"]
        data = trial_data(bundles[country], next(waiting[country]))
        asked = case["data"].get("external") or {}
        assert data["payload"] == case["data"].get("payload")
        assert data["external"].keys() == asked.keys() | {"valueSets"}
        for name, value in asked.items():
            if name == "valueSets":
                assert {each: sorted(codes) for each, codes in value.items()} == data["external"][name]
            else:
                assert data["external"][name] == value
