"""What a bundle makes of certificates that nobody signed, so that each of their values can be chosen.

verdict = decided(bundle_of(rules=[…], always=["r"]), dose(product="A"), mode=Mode.AIR)
outcome(verdict)                           # ("PASS", [])
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from verifier.assessment import Assessment
from verifier.certificate import Certificate
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import read_bundle
from verifier.policy.context import Context
from verifier.policy.trials import certificate_from_row
from verifier.reasons import Reason, State
from verifier.times import DESK_ZONE, TimeBounds, time_bounds
from verifier.trust import TrustList
from verifier.verdict import Policy, Verdict, decide, decide_without_certificate
from verifier.vocabulary import COVID_19

AT = datetime(2022, 3, 15, 3, tzinfo=UTC)
YES, NO, UNKNOWN = {"===": [1, 1]}, {"===": [1, 2]}, {"need": ["event.maker", "VALUE_UNKNOWN"]}
NOT_SAID = {"===": [{"need": ["journey.mode", "NEED_CONTEXT"]}, "land"]}
ON = "vaccination"


def rule(identifier: str = "r", logic: Any = YES, **members: Any) -> dict[str, Any]:
    """A rule about a dose."""
    return {"id": identifier, "version": "1.0.0", "on": ON, "logic": logic} | members


def way(*rules: str, **members: Any) -> dict[str, Any]:
    """A branch over one dose."""
    return {"id": "-".join(rules) or "way", "on": ON, "rules": list(rules)} | members


def requires(*ways: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A requirement with these branches."""
    return {"id": "requirement", "any": list(ways)} | members


def row_of(**members: Any) -> dict[str, Any]:
    """A bundle as people write it."""
    head = {"name": "x", "version": "1.0.0", "asks": "rules", "valid_from": "2021-01-01T00:00:00Z"}
    return head | members


def bundle_of(**members: Any) -> RuleBundle:
    """The bundle that those members say."""
    return read_bundle(row_of(**members))


def dose(**members: Any) -> dict[str, Any]:
    """A dose as a bundle's own tests write one."""
    return {"kind": ON, "disease": COVID_19} | members


def certificate(*events: Mapping[str, Any], **members: Any) -> Certificate:
    """A certificate of these events, as if it had been proven."""
    return certificate_from_row({"events": list(events)} | members)


def assessed(one: Certificate, time: TimeBounds | None = None) -> Assessment:
    """An assessment against which nothing was found."""
    return Assessment(
        family=one.family,
        checks=(),
        certificate=one,
        list_state=None,
        list_signed_at=None,
        clock=None,
        now=AT,
        time=time or time_bounds(AT, None, None, DESK_ZONE),
    )


def decided(
    bundle: RuleBundle,
    *shown: Certificate | Mapping[str, Any],
    time: TimeBounds | None = None,
    **journey: Any,
) -> Verdict:
    """The verdict on certificates, or single events, in the order in which they were shown."""
    ones = [each if isinstance(each, Certificate) else certificate(each) for each in shown]
    policy = Policy(bundle, Context(**journey))
    if not ones:
        bounds = time or time_bounds(AT, None, None, DESK_ZONE)
        return decide_without_certificate(policy, TrustList.of([]), now=AT, clock=None, time=bounds)
    assessments = [assessed(one, time) for one in ones]
    return decide(assessments[-1], policy, assessments[:-1])


def outcome(verdict: Verdict) -> tuple[State, list[Reason]]:
    """State, and reasons worst first."""
    return verdict.state, [found.code for found in verdict.reasons]
