"""The Verdict: PASS, CHECK or FAIL with its reasons worst first, and the duties that come with it.

The rules this module keeps:

* What is unknown never becomes green: the state is that of the worst finding, and every check that could
  not be made has left one.
* Missing rules are CHECK, never PASS: "no rule in force" is not "nothing asked".
* A verdict names what it rests on: the list and its age, the clock, the bundle.

    verdict = decide(assess(text, trust=trust, now=now), bundle)
    verdict.state, [f.code for f in verdict.reasons]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.assessment import Assessment
from verifier.certificate import Certificate, Family
from verifier.families import DOMESTIC
from verifier.policy.bundle import RuleBundle, is_over
from verifier.reasons import Finding, Reason, State, finding, state_of, worst_first
from verifier.recognition import RecognitionClass
from verifier.trust import ClockState, ListState


class DutyCode(StrEnum):
    """What a result asks of the traveller or the desk; a duty never changes the state."""

    ISOLATE = "ISOLATE"
    SELF_WATCH = "SELF_WATCH"
    TEST = "TEST"
    DECLARE = "DECLARE"
    AIRSIDE_ONLY = "AIRSIDE_ONLY"
    SECOND_CHECK = "SECOND_CHECK"


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty. days: how many. day: on which day after entry. within_hours: until when after entry."""

    code: DutyCode
    days: int | None = None
    day: int | None = None
    within_hours: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The answer to one code.

    certificate: what was proven, ``None`` when no signature held. list_state, list_signed_at, clock:
    ``None`` where the list has no age or no clock was judged. bundle: the rules in force, if any.
    recognition: what the issuer counts for in this country; ``None`` where nobody has said.
    """

    state: State
    reasons: tuple[Finding, ...]
    duties: tuple[Duty, ...]
    family: Family | None
    certificate: Certificate | None
    list_state: ListState | None
    list_signed_at: datetime | None
    clock: ClockState | None
    bundle: RuleBundle | None
    recognition: RecognitionClass | None = None


def decide(assessment: Assessment, bundle: RuleBundle | None) -> Verdict:
    """Judge an assessment by the rules in force; ``None`` when no bundle is in force here."""
    findings = list(assessment.findings)
    if assessment.certificate is not None:
        findings += _rules(assessment.certificate, assessment.now, bundle)
    elif state_of(findings) is State.PASS:
        # nothing was proven and nothing was found: that is no answer, and whatever led here is ours
        findings.append(finding(Reason.UNIT_FAULT, "no certificate and no reason"))
    duties: tuple[Duty, ...] = ()
    if assessment.list_state is ListState.STALE_3 and state_of(findings) is not State.RESCAN:
        duties = (Duty(DutyCode.SECOND_CHECK),)
    return Verdict(
        state=state_of(findings),
        reasons=worst_first(findings),
        duties=duties,
        family=assessment.family,
        certificate=assessment.certificate,
        list_state=assessment.list_state,
        list_signed_at=assessment.list_signed_at,
        clock=assessment.clock,
        bundle=bundle,
        recognition=assessment.recognition,
    )


def without_code(reason: Reason, detail: str = "") -> Verdict:
    """The Verdict where no code was judged: nothing was read (RESCAN), or the unit is unfit (OUT)."""
    found = finding(reason, detail)
    return Verdict(
        state=state_of([found]),
        reasons=(found,),
        duties=(),
        family=None,
        certificate=None,
        list_state=None,
        list_signed_at=None,
        clock=None,
        bundle=None,
    )


def _rules(certificate: Certificate, now: datetime | None, bundle: RuleBundle | None) -> list[Finding]:
    if bundle is None:
        return [finding(Reason.RULES_MISSING)]
    if now is not None and is_over(bundle, now):
        return [finding(Reason.RULES_EXPIRED, f"{bundle.name} {bundle.version}")]
    found = []
    if certificate.family in DOMESTIC and not bundle.domestic:
        found.append(finding(Reason.UNSUPPORTED, f"{certificate.family} is a domestic certificate"))
    if bundle.diseases and any(event.disease not in bundle.diseases for event in certificate.events):
        found.append(finding(Reason.DISEASE_OTHER))
    return found
