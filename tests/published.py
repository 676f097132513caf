"""National rules for tests, as a country would publish them; of our own writing, for a country XW.

rule("RR-XW-0001", WAITED_11_DAYS)                   # a recovery rule
bundle(rule("RR-XW-0001", WAITED_11_DAYS))           # imported, for arrivals in XW
desk.judge(code, bundle)                             # what a desk in XW says
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desk import Desk

from appliance.judging import Basis, Judgement, judge
from verifier.policy.bundle import NOTHING, RuleBundle
from verifier.policy.context import Context
from verifier.policy.rule_import import import_rules
from verifier.reasons import Reason, State

COUNTRY = "XW"
DEVICES = "covid-19-lab-test-manufacturer-and-name"
VALUE_SETS = {"disease-agent-targeted": ["840539006"], DEVICES: ["1232", "2090"]}
KINDS = {"GR": "General", "VR": "Vaccination", "TR": "Test", "RR": "Recovery", "IR": "General"}
CLOCK = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}

WAITED_11_DAYS = {"not-after": [{"plusTime": [{"var": "payload.r.0.fr"}, 11, "day"]}, CLOCK]}
WAITED_14_DAYS = {"not-after": [{"plusTime": [{"var": "payload.v.0.dt"}, 14, "day"]}, CLOCK]}
WHOLE_COURSE = {">=": [{"var": "payload.v.0.dn"}, {"var": "payload.v.0.sd"}]}
NEGATIVE = {"===": [{"var": "payload.t.0.tr"}, "260415000"]}
LISTED_IF_RAPID = {
    "if": [
        {"===": [{"var": "payload.t.0.tt"}, "LP217198-3"]},
        {"in": [{"var": "payload.t.0.ma"}, {"var": f"external.valueSets.{DEVICES}"}]},
        True,
    ]
}


def rule(identifier: str, logic: Any, **change: Any) -> dict[str, Any]:
    """A rule with every member that the gateways ask for; keywords change one, and ``None`` takes it away."""
    members = {
        "Identifier": identifier,
        "Type": "Invalidation" if identifier.startswith("IR") else "Acceptance",
        "Country": identifier[3:5],
        "Version": "1.0.0",
        "SchemaVersion": "1.0.0",
        "Engine": "CERTLOGIC",
        "EngineVersion": "1.0.0",
        "CertificateType": KINDS[identifier[:2]],
        "Description": [{"lang": "en", "desc": "A rule that a test wrote for itself."}],
        "ValidFrom": "2021-07-01T00:00:00Z",
        "ValidTo": "2030-06-01T00:00:00Z",
        "AffectedFields": ["dob"],
        "Logic": logic,
    } | change
    return {name: value for name, value in members.items() if value is not None}


def bundle(
    *rules: Mapping[str, Any],
    reasons: Mapping[str, Any] = NOTHING,
    country: str = COUNTRY,
    value_sets: Any = VALUE_SETS,
    **facts: Any,
) -> RuleBundle:
    """The rules imported for arrivals in a country."""
    head = {"name": f"national-{country.lower()}", "version": "1.0.0"} | facts
    return import_rules(rules, value_sets, country=country, reasons=reasons, **head)


def judged(desk: Desk, code: str | bytes, rules: RuleBundle, *earlier: str, **context: Any) -> Judgement:
    """What a desk makes of a code by these rules. earlier: codes of the same person, shown before it."""
    basis = Basis(
        desk.trust,
        (rules,),
        desk.now,
        desk.clock,
        desk.floor,
        context=Context(**{"country": next(iter(rules.scope.countries))} | context),
    )
    return judge(code, basis, [judge(each, basis).assessment for each in earlier])


def outcome(desk: Desk, code: str | bytes, rules: RuleBundle, *earlier: str, **context: Any) -> Any:
    """State and reasons, each with the rule that it names."""
    verdict = judged(desk, code, rules, *earlier, **context).verdict
    return verdict.state, [(found.code, found.detail) for found in verdict.reasons]


PASS = (State.PASS, [])


def fails(identifier: str, reason: Reason = Reason.RULE_FAILED) -> tuple[State, list[tuple[Reason, str]]]:
    """The outcome of one rule that is not met."""
    return State.FAIL, [(reason, identifier)]


def unknown(identifier: str, reason: Reason = Reason.RULE_UNKNOWN) -> tuple[State, list[tuple[Reason, str]]]:
    """The outcome of one rule that cannot be told."""
    return State.CHECK, [(reason, identifier)]
