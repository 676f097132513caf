"""Open, assess and decide one code, timing each step: the one way from a text to a Verdict.

The camera's loop and ``vaxgate-verify`` both go through here, so that they cannot answer differently.

    judged = judge(scan.payload, Basis(trust, bundles, now, clock))
    judged.verdict.state, judged.micros["verify"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from time import perf_counter_ns

from verifier.assessment import Assessment, assess
from verifier.opening import OpenedCode, open_code
from verifier.policy.bundle import RuleBundle, in_force, order_in_force
from verifier.policy.context import DEFAULT, Context
from verifier.times import DESK_ZONE
from verifier.trust import ClockState, TrustList
from verifier.verdict import Policy, Verdict, decide

# Where time is not judged, a bundle that has begun at any time is in force.
_ANY_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, repr=False)
class Basis:
    """What codes are judged by: keys, rules, the time (``None``: not judged) and what the clock is worth.

    bundles: of which those in force for the journey judge. floor: the instant that the unit has proof of;
    needed where the clock is FLOOR-ONLY. zone: of the desk. context: the journey, and who stands here.
    orders: of posts, of which those of this post count.
    """

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    now: datetime | None
    clock: ClockState | None = None
    floor: datetime | None = None
    zone: tzinfo = DESK_ZONE
    context: Context = DEFAULT
    orders: tuple[RuleBundle, ...] = ()

    def policy(self, assessment: Assessment | None = None, earlier: Sequence[Assessment] = ()) -> Policy:
        """The rules for one certificate, or for a traveller without any.

        earlier: the traveller's other certificates; each disease of theirs is judged by its own bundle too.
        """
        now = _ANY_TIME if self.now is None or self.clock is ClockState.UNSYNCED else self.now
        bundle = in_force(self.bundles, now, self.context, _diseases(assessment))
        order = order_in_force(self.orders, now, self.context) if self.orders else None
        if not earlier:
            return Policy(bundle, self.context, order)
        others = [in_force(self.bundles, now, self.context, _diseases(each)) for each in earlier]
        beside = {id(each): each for each in others if each is not None and each is not bundle}
        return Policy(bundle, self.context, order, tuple(beside.values()))


def _diseases(assessment: Assessment | None) -> tuple[str, ...]:
    certificate = None if assessment is None else assessment.certificate
    return () if certificate is None else tuple([event.disease for event in certificate.events])


@dataclass(frozen=True, slots=True, repr=False)
class Judgement:
    """A verdict, the checks that led to it, and microseconds of ``decode``, ``verify`` and ``rules``."""

    verdict: Verdict
    assessment: Assessment
    opened: OpenedCode
    micros: Mapping[str, int]


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """One code opened and checked, and microseconds of ``decode`` and ``verify``."""

    assessment: Assessment
    opened: OpenedCode
    micros: Mapping[str, int]


def prove(code: str | bytes | OpenedCode, basis: Basis) -> Proof:
    """Open one code and check it; what rules say of it is not asked. Never raises for any text."""
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
    done = perf_counter_ns()
    micros = {"decode": (decoded - start) // 1000, "verify": (done - decoded) // 1000}
    return Proof(assessment, opened, micros)


def judge(code: str | bytes | OpenedCode, basis: Basis, earlier: Sequence[Assessment] = ()) -> Judgement:
    """Judge one code; never raises for any text.

    earlier: certificates of the same person that were shown before it.
    """
    proof = prove(code, basis)
    assessed = perf_counter_ns()
    verdict = decide(proof.assessment, basis.policy(proof.assessment, earlier), earlier)
    micros = {**proof.micros, "rules": (perf_counter_ns() - assessed) // 1000}
    return Judgement(verdict, proof.assessment, proof.opened, micros)
