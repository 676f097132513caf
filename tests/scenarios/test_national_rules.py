"""Rows of the scenario table that ask for imported national rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, lab_result, recovery
from published import (
    LISTED_IF_RAPID,
    NEGATIVE,
    PASS,
    WAITED_11_DAYS,
    bundle,
    fails,
    judged,
    outcome,
    rule,
    unknown,
)

from verifier.policy.bundle import RuleBundle
from verifier.policy.rule_import import bundles_of_cases
from verifier.reasons import Reason, State

# The clock of these desks is 2022-03-01 09:00 +07:00.
EIGHT_DAYS_AGO, ELEVEN_DAYS_AGO = "2022-02-21", "2022-02-18"
RECOVERED_EARLY = {
    "reason": "RECOVERY_EARLY",
    "notes": {"vi": "có giá trị từ {first_day}", "en": "valid from {first_day}"},
    "values": {"first_day": {"plusTime": [{"var": "payload.r.0.fr"}, 11, "day"]}},
}
RAPID = "LP217198-3"


def recovered(first_positive: str) -> dict[str, Any]:
    """A recovery whose own paper lets it count from the first day on, so that the rule alone speaks."""
    return recovery(fr=first_positive, df=first_positive, du="2022-08-01")


def national(vectors: Path, country: str, **options: Any) -> RuleBundle:
    """The published rules of one country."""
    lines = (vectors / "dcc-rules.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["rule"]["Country"] == country]
    if not cases:
        pytest.skip(f"the published vectors hold no rules of {country}")
    return bundles_of_cases(cases, **options)[0]


def early(rules: RuleBundle, identifier: str) -> None:
    """A recovery of 8 days is too early by a mapped rule, which says from when on it counts."""
    desk = Desk()
    signer = desk.signer()
    code = signer.issue(recovered(EIGHT_DAYS_AGO))
    assert outcome(desk, code, rules) == fails(identifier, Reason.RECOVERY_EARLY)
    note = judged(desk, code, rules).verdict.reasons[0].note
    # midnight UTC, as CertLogic counts, in the desk's time
    assert note == {
        "vi": "có giá trị từ 07:00 04/03/2022 (UTC+07:00)",
        "en": "valid from 07:00 04/03/2022 (UTC+07:00)",
    }
    assert outcome(desk, signer.issue(recovered(ELEVEN_DAYS_AGO)), rules) == PASS


@pytest.mark.scenario("SC-R03")
def test_a_recovery_of_8_days_is_too_early_by_a_rule_of_11_and_the_first_good_date_is_told() -> None:
    """First positive 8 d ago, imported rule "≥ 11 d": FAIL RECOVERY_EARLY with the first good date; without a
    mapping of the rule's identifier RULE_FAILED."""
    waited = rule("RR-XW-0001", WAITED_11_DAYS)
    early(bundle(waited, reasons={"RR-XW-0001": RECOVERED_EARLY}), "RR-XW-0001")
    desk = Desk()
    code = desk.signer().issue(recovered(EIGHT_DAYS_AGO))
    assert outcome(desk, code, bundle(waited)) == fails("RR-XW-0001")


@pytest.mark.vectors
def test_a_recovery_of_8_days_is_too_early_by_the_austrian_rules(vectors: Path) -> None:
    """The same by the rules that Austria published, mapped and not."""
    early(national(vectors, "AT", reasons={"RR-AT-0001": RECOVERED_EARLY}), "RR-AT-0001")
    desk = Desk()
    code = desk.signer().issue(recovered(EIGHT_DAYS_AGO))
    assert outcome(desk, code, national(vectors, "AT")) == fails("RR-AT-0001")


@pytest.mark.scenario("SC-T11")
def test_a_device_code_counts_as_the_national_rule_says() -> None:
    """A PCR that carries a device code passes a rule about rapid tests; for an antigen test without one the
    evaluator answers "not listed", and that stands; one that raises on the missing field is RULE_UNKNOWN."""
    desk = Desk()
    signer = desk.signer()
    listed = bundle(rule("TR-XW-0001", NEGATIVE), rule("TR-XW-0002", LISTED_IF_RAPID))
    numbered = {"<": [1000, {"var": "payload.t.0.ma"}]}  # null is no number: without a code this raises
    raising = bundle(rule("TR-XW-0001", NEGATIVE), rule("TR-XW-0002", numbered))
    pcr = signer.issue(lab_result(ma="9999"))
    with_code, without = signer.issue(lab_result(tt=RAPID, ma="1232")), signer.issue(lab_result(tt=RAPID))
    assert outcome(desk, pcr, listed) == PASS
    assert outcome(desk, with_code, listed) == PASS
    assert outcome(desk, without, listed) == fails("TR-XW-0002")
    assert outcome(desk, without, raising) == unknown("TR-XW-0002")
    assert outcome(desk, signer.issue(lab_result(tt=RAPID, ma=1232)), raising) == PASS


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("country", "identifier"), [("AT", "TR-AT-0002"), ("DE", "TR-DE-0005"), ("FR", "TR-FR-0004")]
)
def test_a_device_code_counts_as_published_rules_say(vectors: Path, country: str, identifier: str) -> None:
    """By the rules that three countries published: a PCR needs no listed device, a rapid test does."""
    desk = Desk()
    signer = desk.signer()
    rules = national(vectors, country)
    device = min(rules.value_sets["covid-19-lab-test-manufacturer-and-name"])
    assert outcome(desk, signer.issue(lab_result(ma="9999")), rules) == PASS
    assert outcome(desk, signer.issue(lab_result(tt=RAPID, ma=device)), rules) == PASS
    assert outcome(desk, signer.issue(lab_result(tt=RAPID)), rules) == fails(identifier)


@pytest.mark.vectors
def test_a_published_rule_that_raises_is_unknown(vectors: Path) -> None:
    """A test without the time of its sample: the rule about its age has no answer, and nobody is refused."""
    desk = Desk()
    code = desk.signer().issue(lab_result(sc=None))
    state, reasons = outcome(desk, code, national(vectors, "AT"))
    assert state is State.CHECK
    assert (Reason.RULE_UNKNOWN, "TR-AT-0006") in reasons
