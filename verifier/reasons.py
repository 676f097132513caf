"""States and reason codes: the words of every answer.

The rules this module keeps:

* A result has exactly one of five states, and red speaks about the document only.
* Reason codes are a contract; texts may be polished, codes may not.
* "Worst first" means: what makes it FAIL, then OUT, CHECK, RESCAN, then exemptions and banners; inside
  one group the order of this table.

    >>> worst_first([Finding(Reason.LIST_STALE), Finding(Reason.EXPIRED, State.FAIL)])[0].code
    <Reason.EXPIRED: 'EXPIRED'>
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from verifier.catalogue import CATALOGUE, Wording
from verifier.codes import Reason, State

__all__ = ["CATALOGUE", "Finding", "Reason", "State", "Wording", "finding", "state_of", "worst_first"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, with the state that it asks for.

    code: the stable reason. state: what it makes of the result; ``None`` (a banner, an exemption) changes
    nothing. detail: the cause in a few words for integrators and logs; it never holds anything about a
    Holder. age: how old what it speaks of is, where that is a number to tell (the trust list). note: what a
    rule says to the officer, by language; it may tell a date of the Holder's, and goes to the page alone.
    """

    code: Reason
    state: State | None = None
    detail: str = ""
    age: timedelta | None = None
    note: Mapping[str, str] | None = field(default=None, repr=False, compare=False)


def finding(
    code: Reason,
    detail: str = "",
    state: State | None = None,
    *,
    age: timedelta | None = None,
    note: Mapping[str, str] | None = None,
) -> Finding:
    """A Finding with the usual state of its code, or with ``state`` where the case asks for another."""
    usual = CATALOGUE[code].states[0]
    return Finding(code, state or (None if usual is State.PASS else usual), detail, age, note)


# Findings that make it FAIL come first, then OUT, CHECK and RESCAN; exemptions and banners are last.
_GROUP: dict[State | None, int] = {
    State.FAIL: 0,
    State.OUT: 1,
    State.CHECK: 2,
    State.RESCAN: 3,
    State.PASS: 4,
    None: 4,
}
_ROW: dict[Reason, int] = {code: row for row, code in enumerate(Reason)}


def _badness(found: Finding) -> tuple[int, int]:
    return _GROUP[found.state], _ROW[found.code]


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of a result, each code once (the first detail given wins)."""
    findings = tuple(findings)
    if not findings:
        return ()
    ordered = sorted(findings, key=_badness)
    seen: dict[Reason, Finding] = {}
    for each in ordered:
        seen.setdefault(each.code, each)
    return tuple(seen.values())


def state_of(findings: Iterable[Finding]) -> State:
    """The state of the worst finding; PASS when nothing was found that changes it."""
    worst = min(findings, key=_badness, default=None)
    return State.PASS if worst is None else worst.state or State.PASS
