"""Open, assess and decide one code, timing each step: the one way from a text to a Verdict.

The camera's loop and ``vaxgate-verify`` both go through here, so that they cannot answer differently.

    judged = judge(scan.payload, Basis(trust, bundle, now, clock))
    judged.verdict.state, judged.micros["verify"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from time import perf_counter_ns

from verifier.assessment import Assessment, assess
from verifier.opening import OpenedCode, open_code
from verifier.policy.bundle import RuleBundle
from verifier.times import DESK_ZONE
from verifier.trust import ClockState, TrustList
from verifier.verdict import Verdict, decide


@dataclass(frozen=True, slots=True, repr=False)
class Basis:
    """What codes are judged by: keys, rules, the time (``None``: not judged) and what the clock is worth.

    floor: the instant that the unit has proof of; needed where the clock is FLOOR-ONLY. zone: of the desk.
    """

    trust: TrustList
    bundle: RuleBundle | None
    now: datetime | None
    clock: ClockState | None = None
    floor: datetime | None = None
    zone: tzinfo = DESK_ZONE


@dataclass(frozen=True, slots=True, repr=False)
class Judgement:
    """A verdict, the checks that led to it, and microseconds of ``decode``, ``verify`` and ``rules``."""

    verdict: Verdict
    assessment: Assessment
    opened: OpenedCode
    micros: Mapping[str, int]


def judge(code: str | bytes | OpenedCode, basis: Basis) -> Judgement:
    """Judge one code; never raises for any text."""
    start = perf_counter_ns()
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    decoded = perf_counter_ns()
    assessment = assess(
        opened,
        trust=basis.trust,
        now=basis.now,
        clock=basis.clock,
        floor=basis.floor,
        zone=basis.zone,
    )
    assessed = perf_counter_ns()
    verdict = decide(assessment, basis.bundle)
    done = perf_counter_ns()
    micros = {
        "decode": (decoded - start) // 1000,
        "verify": (assessed - decoded) // 1000,
        "rules": (done - assessed) // 1000,
    }
    return Judgement(verdict, assessment, opened, micros)
