"""Codes one after the other: each by itself, or all as the certificates of one traveller.

The rules this module keeps:

* Together, each certificate is judged with those before it, so a traveller's last answer counts.
* Only certificates of one person are judged together: each name and birth date must agree with every other,
  from the latest back. One of somebody else is judged by itself, and said.
* A document against which something speaks by itself, or that is none, counts by itself.

    session = Session(judged, together=True)
    for given, judged in session.each(codes):
        …
    session.status                          # the worst of: each traveller's last answer, each bad document
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from appliance.cli.answer import EXIT_STATUS, Judged, unjudged
from appliance.cli.inputs import Given, together
from verifier.assessment import Assessment
from verifier.identity import same_person
from verifier.opening import OpenedCode
from verifier.reading import Checks
from verifier.reasons import Reason, State
from verifier.verdict import without_code

Judge = Callable[[str | bytes | OpenedCode, Sequence[Assessment]], Judged]


@dataclass(slots=True, repr=False)
class Session:
    """Judges what was given. together: as certificates of one traveller. strangers: of how many codes the
    holder was another person than that of a code before them. shown: under which names the certificates came
    that the last answer is about.
    """

    judge: Judge
    together: bool = False
    status: int = 0
    strangers: int = 0
    shown: list[str] = field(default_factory=list)
    _earlier: list[tuple[str, Assessment]] = field(default_factory=list)
    _last: dict[str, int] = field(default_factory=dict)  # of each certificate, of the last answer about it
    _by_themselves: int = 0

    def each(self, codes: Iterable[Given]) -> Iterator[tuple[Given, Judged]]:
        """Each code with its judgement, as they come; the parts of one code are one."""
        for given in together(codes):
            judged = self._judged(given)
            self._count(judged)
            yield given, judged

    def _judged(self, given: Given) -> Judged:
        self.shown = [given.identity]
        if given.payload is None:
            return unjudged(without_code(Reason.UNREADABLE), Checks(decode=False))
        if not self.together:
            return self.judge(given.payload, ())
        alone = self.judge(given.payload, ())
        if alone.assessment is None or alone.assessment.certificate is None:
            return alone
        holder = alone.assessment.certificate.holder
        same: list[tuple[str, Assessment]] = []
        people = [holder]
        for name, each in reversed(self._earlier):
            if each.certificate is None:
                continue
            other = each.certificate.holder
            if all(same_person(other, one).agrees for one in people):
                same.insert(0, (name, each))
                people.append(other)
        self.strangers += len(same) < len(self._earlier)
        self._earlier.append((given.identity, alone.assessment))
        self.shown = [name for name, each in same if _stands(each)] + self.shown
        return self.judge(given.payload, [each for _, each in same]) if same else alone

    def _count(self, judged: Judged) -> None:
        status = EXIT_STATUS[judged.verdict.state]
        if not self.together:
            self.status = max(self.status, status)
            return
        if judged.assessment is None or not _stands(judged.assessment):
            self._by_themselves = max(self._by_themselves, status)
        else:
            self._last |= dict.fromkeys(self.shown, status)
        self.status = max(self._by_themselves, *self._last.values(), 0)


def _stands(assessment: Assessment) -> bool:
    """Whether the document is proven, and nothing speaks against it by itself."""
    return assessment.certificate is not None and not any(
        found.state is State.FAIL for found in assessment.findings
    )
