"""Assessment: everything that can be found out about one code, as checks in their order.

The rules this module keeps:

* The signature comes before any claim. A payload that nobody vouches for says nothing, so with SIG_BAD or
  KEY_UNKNOWN no reason is taken from it.
* Findings are collected wherever the next check still has meaning; the first is not the last.
* What could not be checked leaves a finding. Silence means that a check was made and passed.
* Any text gives an Assessment: bytes that break a format end in a finding, never in an exception.
* The steps are the same for every family; what differs between families stands in :mod:`verifier.families`.

    assessment = assess("HC1:…", trust=trust, now=now)
    [(check.name, check.outcome) for check in assessment.checks]
    assessment.certificate          # None unless a signature held
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from verifier.certificate import Certificate, Family
from verifier.opening import OpenedCode, open_code
from verifier.reasons import Finding, State
from verifier.recognition import RecognitionClass
from verifier.steps import STEPS, After, Case
from verifier.times import DESK_ZONE, TimeBounds, time_bounds
from verifier.trust import (
    ClockState,
    ListState,
    TrustList,
)

# As names of this module: looking a member up in its enum takes longer than most of the steps.
_ALWAYS, _BARS, _CLAIMS = After.ALWAYS, After.BARS, After.CLAIMS


class Outcome(StrEnum):
    """How one check ended. What is UNKNOWN never becomes green."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Check:
    """One check with what it found. A check may pass and still leave a banner."""

    name: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Assessment:
    """All checks of one code in the order in which they were made.

    certificate: what was proven; ``None`` unless a signature held and the payload could be read. recognition:
    what its issuer counts for here; ``None`` where nobody has said, or no issuer was proven. time: what was
    known of the time, and in which zone's calendar.
    """

    family: Family | None
    checks: tuple[Check, ...]
    certificate: Certificate | None
    list_state: ListState | None
    list_signed_at: datetime | None
    clock: ClockState | None
    now: datetime | None
    time: TimeBounds
    recognition: RecognitionClass | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, in the order of the checks."""
        return tuple([found for check in self.checks if check.findings for found in check.findings])


_PASSED: Mapping[str, Check] = {step.name: Check(step.name, Outcome.PASSED) for step in STEPS}


def _check(name: str, findings: Sequence[Finding]) -> Check:
    """One check. It failed if a finding says so, and is unknown if one asks for a person."""
    states = {found.state for found in findings}
    if State.FAIL in states:
        outcome = Outcome.FAILED
    elif states - {None}:
        outcome = Outcome.UNKNOWN
    else:
        outcome = Outcome.PASSED
    return Check(name, outcome, tuple(findings))


def assess(
    code: str | bytes | OpenedCode,
    *,
    trust: TrustList,
    now: datetime | None,
    clock: ClockState | None = None,
    floor: datetime | None = None,
    zone: tzinfo = DESK_ZONE,
) -> Assessment:
    """Find out everything about one code.

    code: its text, or what :func:`open_code` made of it. now: an aware instant, ``None`` when
    time is not to be judged (a recorded case without a clock). clock: what the unit's clock is worth:
    UNSYNCED-TIME means that not one expiry is checked, FLOOR-ONLY that only what was over at ``floor`` (the
    instant that the unit has proof of) is over. zone: of the desk, whose calendar days count.

    The steps are those of ``STEPS``, each noted as a check of its name.
    """
    if clock is ClockState.UNSYNCED:
        now = None
    case = Case(
        opened=code if isinstance(code, OpenedCode) else open_code(code),
        trust=trust,
        now=now,
        time=time_bounds(now, clock, floor, zone),
        list_state=trust.state(now, clock) if now is not None else None,
        clock=clock,
    )
    done: list[Check] = []
    barred = nothing_read = False
    for step in STEPS:
        after = step.after
        if after is _ALWAYS:
            if nothing_read:
                break  # a web link needs no list at all
        elif (
            barred
            or (after is not _BARS and case.signer is None)
            or (after is _CLAIMS and case.claims is None)
        ):
            continue
        found = step.run(case)
        if not found:
            done.append(_PASSED[step.name])
            continue
        done.append(_check(step.name, found))
        barred = barred or after is _BARS
        nothing_read = nothing_read or any(each.state is State.RESCAN for each in found)
    return Assessment(
        family=case.opened.family if case.claims is None else case.claims.family,
        checks=tuple(done),
        certificate=_certificate(case),
        list_state=case.list_state,
        list_signed_at=trust.signed_at,
        clock=clock,
        now=now,
        time=case.time,
        recognition=case.recognition,
    )


def _certificate(case: Case) -> Certificate | None:
    """What was proven; ``None`` unless a signature held and the payload could be read."""
    if case.signer is None or case.claims is None or case.payload is None:
        return None
    return Certificate(
        family=case.claims.family,
        key=case.signer,
        holder=case.payload.holder,
        events=case.payload.events,
        issuer=case.claims.issuer,
        issued_at=case.claims.issued_at,
        expires_at=case.claims.expires_at,
        version=case.payload.version,
        document=case.claims.document or {},
    )
