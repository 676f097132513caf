"""Judging by our own rules: from certificates, the journey and a bundle to findings, duties and the way there.

The rules this module keeps:

* Three answers: met, not met, unknown. Only met is green; unknown is CHECK with its cause.
* A requirement is met if one of its branches is. A way for which nothing was shown does not speak; where
  nothing was shown for any, another document is needed.
* Of several ways, and several events, the best counts and is named; what is not met is told by the one that
  was shown.
* Whoever does not meet a requirement that has a duty for that may enter with the duty: CHECK, the unmet
  rule's own reason first.
* A rule that raises, or whose expression this version cannot evaluate, is unknown; the others still run.
* A bundle is compiled once for a desk, not once for a scan.

    ruled = rule_on(shown, compiled(bundle, zone), context, time)
    ruled.findings, ruled.duties, ruled.branches
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from enum import IntEnum
from typing import Any

from verifier.certificate import Certificate, Event
from verifier.codes import Reason, State
from verifier.duties import Duty
from verifier.policy.bundle import (
    Branch,
    ConditionalDuty,
    Expression,
    On,
    Requirement,
    Rule,
    RuleBundle,
    numbers,
)
from verifier.policy.certlogic import Dialect, EvaluationError, ExpressionError, compile_logic, truth
from verifier.policy.context import Context
from verifier.policy.facts import Facts, events_of, kind_of
from verifier.policy.saying import said
from verifier.policy.values import Unknown
from verifier.reasons import Finding, finding
from verifier.recognition import RecognitionClass
from verifier.times import TimeBounds

Logic = Callable[[Any], Any]
Tree = Mapping[str, Any]


class Answer(IntEnum):
    """What a rule says, the best last."""

    NOT_MET = 0
    UNKNOWN = 1
    MET = 2


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked."""

    rule: Rule
    logic: Logic
    when: Logic | None
    values: Mapping[str, Logic]


@dataclass(frozen=True, slots=True)
class CompiledDuty:
    """A duty with its condition."""

    duty: Duty
    when: Logic | None


@dataclass(frozen=True, slots=True)
class CompiledBranch:
    """A branch with its rules' identifiers in their order."""

    branch: Branch
    when: Logic | None
    values: Mapping[str, Logic]
    duties: tuple[CompiledDuty, ...]


@dataclass(frozen=True, slots=True)
class CompiledRequirement:
    """A requirement with its branches."""

    requirement: Requirement
    when: Logic | None
    branches: tuple[CompiledBranch, ...]
    met: tuple[CompiledDuty, ...]
    unmet: tuple[CompiledDuty, ...]


@dataclass(frozen=True, slots=True)
class CompiledBundle:
    """A bundle ready to judge by. rules: by identifier, the highest version first."""

    bundle: RuleBundle
    zone: tzinfo
    rules: Mapping[str, tuple[CompiledRule, ...]]
    requirements: tuple[CompiledRequirement, ...]
    duties: tuple[CompiledDuty, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Ruling:
    """One rule's answer, with what it looked at, for the "why?" screen.

    cause: of an unknown. looked: computes the rule's named values; they may be a Holder's and are not kept.
    tree: what it was asked over. requirement, branch: for which it was asked; ``None`` for a rule that every
    event must meet. used: whether the result rests on it, or another way was better.
    """

    rule: Rule
    answer: Answer
    cause: Reason | None
    looked: Callable[[], Mapping[str, Any]]
    tree: Any = None
    requirement: Requirement | None = None
    branch: Branch | None = None
    used: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Taken:
    """A requirement with the branch by which it was met, or that came nearest; ``None`` where nothing was
    shown for any.
    """

    requirement: Requirement
    branch: Branch | None
    answer: Answer


@dataclass(frozen=True, slots=True, repr=False)
class Ruled:
    """What a bundle makes of a traveller."""

    findings: tuple[Finding, ...] = ()
    duties: tuple[Duty, ...] = ()
    taken: tuple[Taken, ...] = ()
    rulings: tuple[Ruling, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """One certificate that was shown, with what its issuer counts for here."""

    certificate: Certificate
    recognition: RecognitionClass | None = None


# --- Compiling ----------------------------------------------------------------------------------------------

_MOST_COMPILED = 64
_compiled: dict[tuple[int, str], CompiledBundle] = {}


def compiled(bundle: RuleBundle, zone: tzinfo) -> CompiledBundle:
    """The bundle ready to judge by, compiled once for each bundle and desk. Never raises."""
    key = (id(bundle), str(zone))
    held = _compiled.get(key)
    if held is None or held.bundle is not bundle or held.zone != zone:
        while len(_compiled) >= _MOST_COMPILED:
            _compiled.pop(next(iter(_compiled)))
        held = _compiled[key] = _compile(bundle, zone)
    return held


def _compile(bundle: RuleBundle, zone: tzinfo) -> CompiledBundle:
    own = Dialect.OWN

    def logic(expression: Expression, dialect: Dialect = own) -> Logic:
        try:
            return compile_logic(expression, dialect, zone=zone)
        except ExpressionError as error:
            return _raising(str(error))

    def maybe(expression: Expression | None, dialect: Dialect = own) -> Logic | None:
        return None if expression is None else logic(expression, dialect)

    def named(values: Mapping[str, Expression], dialect: Dialect = own) -> Mapping[str, Logic]:
        return {name: logic(each, dialect) for name, each in values.items()}

    def duties(given: Iterable[ConditionalDuty]) -> tuple[CompiledDuty, ...]:
        return tuple(CompiledDuty(each.duty, maybe(each.when)) for each in given)

    rules: dict[str, list[CompiledRule]] = {}
    for rule in sorted(bundle.rules, key=lambda rule: numbers(rule.version), reverse=True):
        dialect = own if rule.national is None else Dialect.CERTLOGIC
        rules.setdefault(rule.identifier, []).append(
            CompiledRule(
                rule,
                logic(rule.logic, dialect),
                maybe(rule.when, dialect),
                named(rule.values, dialect),
            )
        )
    return CompiledBundle(
        bundle,
        zone,
        {identifier: tuple(versions) for identifier, versions in rules.items()},
        tuple(
            CompiledRequirement(
                requirement,
                maybe(requirement.when),
                tuple(
                    CompiledBranch(branch, maybe(branch.when), named(branch.values), duties(branch.duties))
                    for branch in requirement.branches
                ),
                duties(requirement.met),
                duties(requirement.unmet),
            )
            for requirement in bundle.requirements
        ),
        duties(bundle.duties),
    )


def _raising(why: str) -> Logic:
    def logic(_data: Any) -> Any:
        raise EvaluationError(why)

    return logic


def rule_in_force(versions: Sequence[CompiledRule], now: datetime | None) -> CompiledRule | None:
    """Of one rule's versions the highest whose period covers ``now``; ``None`` when none does."""
    for each in versions:
        begin, end = each.rule.valid_from, each.rule.valid_to
        if now is None or ((begin is None or begin <= now) and (end is None or now < end)):
            return each
    return None


def ask(logic: Logic, data: Any) -> tuple[Answer, Reason | None]:
    """The answer of one expression: what raises, or is neither true nor false, is unknown (SC-L06)."""
    try:
        value = truth(logic(data))
    except EvaluationError:
        value = None
    match value:
        case True:
            return Answer.MET, None
        case False:
            return Answer.NOT_MET, None
        case Unknown(cause=cause):
            return Answer.UNKNOWN, cause
        case _:
            return Answer.UNKNOWN, Reason.RULE_UNKNOWN


# --- Judging ------------------------------------------------------------------------------------------------


@dataclass(slots=True, repr=False)
class _Way:
    """How far one branch got with one event."""

    branch: CompiledBranch
    tree: Tree
    answer: Answer = Answer.MET
    findings: list[Finding] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class _Desk:
    """One traveller in front of one bundle."""

    book: CompiledBundle
    now: datetime | None
    person: Tree
    trees: list[tuple[On, Tree]]
    rulings: list[Ruling] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    duties: list[Duty] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)

    def ask_rule(self, identifier: str, tree: Tree, rulings: list[Ruling]) -> tuple[Answer, Finding | None]:
        """One rule over one tree; a finding unless it is met or not asked here. rulings: where to note it."""
        one = rule_in_force(self.book.rules[identifier], self.now)
        if one is None:
            return Answer.MET, None
        answer, cause = Answer.MET, None
        asked, why = (Answer.MET, None) if one.when is None else ask(one.when, tree)
        if asked is Answer.NOT_MET:
            return Answer.MET, None
        answer, cause = ask(one.logic, tree)
        if asked is Answer.UNKNOWN and answer is not Answer.MET:
            answer, cause = Answer.UNKNOWN, why
        rulings.append(Ruling(one.rule, answer, cause, _looking(one.values, tree, self.book.zone), tree))
        match answer:
            case Answer.MET:
                return answer, None
            case Answer.NOT_MET:
                note = said(one.rule.notes, one.values, tree, self.book.zone)
                return answer, finding(one.rule.reason, one.rule.identifier, one.rule.state, note=note)
            case Answer.UNKNOWN:
                return answer, finding(cause or Reason.RULE_UNKNOWN, one.rule.identifier, State.CHECK)

    def always(self) -> None:
        """Rules that every event of their kind must meet."""
        for identifier in self.book.bundle.always:
            kind = self.book.rules[identifier][0].rule.on
            for tree in [self.person] if kind is On.PERSON else self._of_kind(kind):
                _, found = self.ask_rule(identifier, tree, self.rulings)
                if found is not None:
                    self.findings.append(found)

    def _of_kind(self, kind: On) -> list[Tree]:
        return [tree for on, tree in self.trees if on is kind]

    def require(self, requirement: CompiledRequirement) -> None:
        """One requirement: the best of its branches."""
        if requirement.when is not None:
            asked, cause = ask(requirement.when, self.person)
            if asked is Answer.NOT_MET:
                return
            if asked is Answer.UNKNOWN:
                self.findings.append(
                    finding(cause or Reason.RULE_UNKNOWN, requirement.requirement.identifier, State.CHECK)
                )
                return
        ways = [way for branch in requirement.branches for way in self._ways(branch)]
        best = max(ways, key=lambda way: way.answer, default=None)
        spoke = [way for way in ways if way.branch.branch.on is not On.PERSON]
        if best is not None and best.answer is Answer.MET:
            self._note(requirement, ways, best)
            self._met(requirement, best)
            return
        # Nobody is refused for what a way about the person alone does not grant, such as an exemption.
        alone = all(branch.branch.on is On.PERSON for branch in requirement.branches)
        telling = ways if alone else spoke
        unknown = [way for way in ways if way.answer is Answer.UNKNOWN]
        nearest = max(telling, key=lambda way: way.answer, default=None)
        self._note(requirement, ways, nearest)
        found = [] if nearest is None else list(nearest.findings)
        if nearest is None:
            found.append(finding(Reason.NEED_SECOND_DOC, requirement.requirement.identifier))
        open_ = bool(unknown) or nearest is None
        for way in unknown:
            if way is not nearest:
                found += [each for each in way.findings if each.state is State.CHECK]
        excused = self._duties(requirement.unmet, self.person, found)
        if excused:
            found.append(finding(Reason.DUTY_ONLY, requirement.requirement.identifier))
        if excused or open_:
            found = [_softened(each) for each in found]
        self.findings += found
        self.duties += excused
        branch = None if nearest is None else nearest.branch.branch
        answer = Answer.UNKNOWN if open_ else Answer.NOT_MET
        self.taken.append(Taken(requirement.requirement, branch, answer))

    def _note(self, requirement: CompiledRequirement, ways: Sequence[_Way], telling: _Way | None) -> None:
        """Keep what was asked on each way, and on which of them the result rests."""
        for way in ways:
            for each in way.rulings:
                self.rulings.append(
                    replace(
                        each,
                        requirement=requirement.requirement,
                        branch=way.branch.branch,
                        used=way is telling,
                    )
                )

    def _ways(self, branch: CompiledBranch) -> list[_Way]:
        """The branch over each event of its kind, as far as it is open."""
        on = branch.branch.on
        ways = []
        for tree in [self.person] if on is On.PERSON else self._of_kind(on):
            way = _Way(branch, tree)
            if branch.when is not None:
                asked, cause = ask(branch.when, tree)
                if asked is Answer.NOT_MET:
                    continue
                if asked is Answer.UNKNOWN:
                    way.answer = Answer.UNKNOWN
                    way.findings.append(
                        finding(cause or Reason.RULE_UNKNOWN, branch.branch.identifier, State.CHECK)
                    )
            for identifier in branch.branch.rules:
                answer, found = self.ask_rule(identifier, tree, way.rulings)
                way.answer = min(way.answer, answer)
                if found is not None:
                    way.findings.append(found)
            ways.append(way)
        return ways

    def _met(self, requirement: CompiledRequirement, way: _Way) -> None:
        branch = way.branch.branch
        if branch.gives is not None:
            note = said(branch.notes, way.branch.values, way.tree, self.book.zone)
            self.findings.append(finding(branch.gives, branch.identifier, note=note))
        else:
            self.duties += self._duties(requirement.met, self.person, self.findings)
        self.duties += self._duties(way.branch.duties, way.tree, self.findings)
        self.taken.append(Taken(requirement.requirement, branch, Answer.MET))

    def _duties(self, given: Iterable[CompiledDuty], tree: Tree, found: list[Finding]) -> list[Duty]:
        """The duties whose condition holds; one that cannot be told leaves its cause."""
        out = []
        for each in given:
            answer, cause = (Answer.MET, None) if each.when is None else ask(each.when, tree)
            if answer is Answer.MET:
                out.append(each.duty)
            elif answer is Answer.UNKNOWN:
                found.append(finding(cause or Reason.RULE_UNKNOWN, each.duty.code, State.CHECK))
        return out


def rule_on(shown: Sequence[Shown], book: CompiledBundle, context: Context, time: TimeBounds) -> Ruled:
    """What a bundle of our own rules makes of the certificates of one traveller, or of none.

    shown: in the order in which they were; each authentic. Events of other diseases than the bundle's do not
    speak here. Never raises for any certificate or bundle.
    """
    holder = shown[-1].certificate.holder if shown else None
    facts = Facts(context, time, holder, book.bundle.value_sets)
    recognised = {id(each.certificate): each.recognition for each in shown}
    trees: list[tuple[On, Tree]] = [
        (kind_of(event), facts.of(certificate, event, recognised[id(certificate)]))
        for certificate, event in events_of([each.certificate for each in shown])
        if _about(book.bundle, event)
    ]
    desk = _Desk(book, time.earliest, facts.person, trees)
    desk.always()
    for requirement in book.requirements:
        desk.require(requirement)
    desk.duties += desk._duties(book.duties, facts.person, desk.findings)
    return Ruled(
        tuple(desk.findings), tuple(dict.fromkeys(desk.duties)), tuple(desk.taken), tuple(desk.rulings)
    )


def _about(bundle: RuleBundle, event: Event) -> bool:
    return not bundle.diseases or event.disease in bundle.diseases


def _softened(found: Finding) -> Finding:
    """A defect of a way that another way, or a duty, may still make good: CHECK."""
    if found.state is not State.FAIL:
        return found
    return Finding(found.code, State.CHECK, found.detail, found.age, found.note)


def _looking(values: Mapping[str, Logic], tree: Tree, zone: tzinfo) -> Callable[[], Mapping[str, Any]]:
    from verifier.policy.saying import evaluated

    return lambda: evaluated(values, tree)
