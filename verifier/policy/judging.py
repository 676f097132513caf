"""Judging by our own rules: from certificates, a journey and a bundle to findings, duties and the way there.

The rules this module keeps:

* Three answers: met, not met, unknown. Only met is green; unknown is CHECK with its cause.
* A requirement is met if one of its branches is. A way for which nothing was shown does not speak; where
  nothing was shown for any, another document is needed. A way on which no rule was asked is no consent.
* Of several ways, and several events, the best counts and is named; what is not met is told by the one that
  was shown.
* Whoever does not meet a requirement that has a duty for that may enter with the duty: CHECK, the unmet
  rule's own reason first.
* A rule that raises, or whose expression this version cannot evaluate, is unknown; the others still run.
* A bundle is compiled once for a desk, not once for a scan.

    ruled = rule_on(shown, compiled(bundle, zone), context, time)
    ruled.findings, ruled.duties, ruled.taken
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
from verifier.policy.facts import Facts, kind_of
from verifier.policy.saying import evaluated, said
from verifier.policy.values import Unknown
from verifier.reasons import Finding, finding
from verifier.recognition import RecognitionClass
from verifier.times import TimeBounds

Logic = Callable[[Any], Any]  # over data: verifier.policy.certlogic.Logic
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
    """A bundle ready to judge by. rules: by identifier, the highest version first. plans,
    functions: what was prepared from it for certificates of one kind at a time, see
    :mod:`verifier.policy.national`.
    """

    bundle: RuleBundle
    zone: tzinfo
    rules: Mapping[str, tuple[CompiledRule, ...]]
    requirements: tuple[CompiledRequirement, ...]
    duties: tuple[CompiledDuty, ...]
    plans: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    functions: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class Ruling:
    """One rule's answer, with what it looked at, for the "why?" screen.

    compiled: the rule. cause: of an unknown. tree: what it was asked over. requirement, branch: for which it
    was asked; ``None`` for a rule that every event must meet. used: whether the result rests on it, or
    another way was better.
    """

    compiled: CompiledRule
    answer: Answer
    cause: Reason | None
    tree: Any = None
    requirement: Requirement | None = None
    branch: Branch | None = None
    used: bool = True

    @property
    def rule(self) -> Rule:
        """The rule as the bundle has it."""
        return self.compiled.rule

    def looked(self) -> Mapping[str, Any]:
        """The rule's named values, computed anew: they may be a Holder's and are not kept."""
        return evaluated(self.compiled.values, self.tree)


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
    """What a bundle makes of a traveller. bundle: which one. asked: gives the rulings."""

    findings: tuple[Finding, ...] = ()
    duties: tuple[Duty, ...] = ()
    taken: tuple[Taken, ...] = ()
    bundle: RuleBundle | None = None
    asked: Callable[[], tuple[Ruling, ...]] = field(default=tuple, compare=False)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """Every rule's answer, told anew: only explanations ask for them."""
        return self.asked()


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
        for oldest in list(_compiled)[: 1 - _MOST_COMPILED]:
            _compiled.pop(oldest, None)  # another thread may have been faster
        held = _compiled[key] = _compile(bundle, zone)
    return held


def _compile(bundle: RuleBundle, zone: tzinfo) -> CompiledBundle:
    own = Dialect.OWN

    def logic(expression: Expression, dialect: Dialect = own) -> Logic:
        # National rules are asked together; by itself one is needed for what its notes tell, if at all.
        return _compile_logic(expression, zone) if dialect is own else _Later(expression, zone)

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


def _compile_logic(expression: Expression, zone: tzinfo, dialect: Dialect = Dialect.OWN) -> Logic:
    try:
        return compile_logic(expression, dialect, zone=zone)
    except ExpressionError as error:
        return _raising(str(error))


class _Later:
    """An expression of CertLogic that is compiled when it is evaluated for the first time."""

    def __init__(self, expression: Expression, zone: tzinfo) -> None:
        self._expression, self._zone = expression, zone
        self._logic: Logic | None = None

    def __call__(self, data: Any) -> Any:
        if self._logic is None:
            self._logic = _compile_logic(self._expression, self._zone, Dialect.CERTLOGIC)
        return self._logic(data)


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
    """The answer of a rule: true or false. What raises, or has any other value, is unknown (SC-L06)."""
    try:
        value = logic(data)
    except EvaluationError:
        value = None
    return answered(value)


def answered(value: Any) -> tuple[Answer, Reason | None]:
    """What a value means as a rule's answer; any but true and false is unknown."""
    if value is True:
        return _MET
    if value is False:
        return _NOT_MET
    return Answer.UNKNOWN, value.cause if isinstance(value, Unknown) else Reason.RULE_UNKNOWN


_MET, _NOT_MET = (Answer.MET, None), (Answer.NOT_MET, None)


def holds(condition: Logic | None, data: Any) -> tuple[Answer, Reason | None]:
    """The answer of a condition, for which any truthy value will do; without one it holds."""
    if condition is None:
        return Answer.MET, None
    return ask(lambda tree: truth(condition(tree)), data)


# --- Judging ------------------------------------------------------------------------------------------------


@dataclass(slots=True, repr=False)
class _Way:
    """How far one branch got with one event. unsure: whether it is open at all is not known."""

    branch: CompiledBranch
    tree: Tree
    answer: Answer = Answer.MET
    unsure: bool = False
    findings: list[Finding] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class _Desk:
    """One traveller in front of one bundle. ways: that were tried for each requirement, and the one on which
    its result rests.
    """

    book: CompiledBundle
    now: datetime | None
    person: Tree
    trees: list[tuple[On, Tree]]
    rulings: list[Ruling] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    duties: list[Duty] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    ways: list[tuple[Requirement, Sequence[_Way], _Way | None]] = field(default_factory=list)

    def in_force(self, identifier: str) -> CompiledRule | None:
        """The version of a rule that counts here; ``None`` where none is in force."""
        return rule_in_force(self.book.rules[identifier], self.now)

    def ask_rule(self, one: CompiledRule, tree: Tree, rulings: list[Ruling]) -> tuple[Answer, Finding | None]:
        """One rule over one tree; a finding unless it is met or not asked here. rulings: where to note it."""
        asked, why = holds(one.when, tree)
        if asked is Answer.NOT_MET:
            return Answer.MET, None
        answer, cause = ask(one.logic, tree)
        if asked is Answer.UNKNOWN and answer is not Answer.MET:
            answer, cause = Answer.UNKNOWN, why
        rulings.append(Ruling(one, answer, cause, tree))
        match answer:
            case Answer.MET:
                return answer, None
            case Answer.NOT_MET:
                note = said(one.rule.notes, one.values, tree, self.book.zone)
                return answer, finding(one.rule.reason, one.rule.identifier, one.rule.state, note=note)
            case Answer.UNKNOWN:
                return answer, _doubt(cause, one.rule.identifier)

    def always(self) -> None:
        """Rules that every event of their kind must meet."""
        for one in filter(None, map(self.in_force, self.book.bundle.always)):
            for tree in self._of_kind(one.rule.on):
                _, found = self.ask_rule(one, tree, self.rulings)
                if found is not None:
                    self.findings.append(found)

    def _of_kind(self, kind: On) -> list[Tree]:
        return [self.person] if kind is On.PERSON else [tree for on, tree in self.trees if on is kind]

    def require(self, requirement: CompiledRequirement) -> None:
        """One requirement: the best of its branches."""
        asked, cause = holds(requirement.when, self.person)
        if asked is Answer.NOT_MET:
            return
        if asked is Answer.UNKNOWN:
            self.findings.append(_doubt(cause, requirement.requirement.identifier))
            return
        ways = [way for branch in requirement.branches for way in self._ways(branch)]
        best = max(ways, key=lambda way: way.answer, default=None)
        if best is not None and best.answer is Answer.MET:
            self.ways.append((requirement.requirement, ways, best))
            self._met(requirement, best)
        else:
            self._unmet(requirement, ways)

    def _unmet(self, requirement: CompiledRequirement, ways: Sequence[_Way]) -> None:
        # Nobody is refused for what a way about the person alone does not grant, such as an exemption.
        alone = all(branch.branch.on is On.PERSON for branch in requirement.branches)
        telling = ways if alone else [way for way in ways if way.branch.branch.on is not On.PERSON]
        nearest = max(telling, key=lambda way: (way.answer, not way.unsure), default=None)
        self.ways.append((requirement.requirement, ways, nearest))
        found = [] if nearest is None else list(nearest.findings)
        if nearest is None:
            found.append(finding(Reason.NEED_SECOND_DOC, requirement.requirement.identifier))
        unknown = [way for way in ways if way.answer is Answer.UNKNOWN]
        for way in unknown:
            if way is not nearest:
                found += [each for each in way.findings if each.state is State.CHECK]
        excused, doubts = duties_that_hold(requirement.unmet, self.person)
        if excused:
            found.append(finding(Reason.DUTY_ONLY, requirement.requirement.identifier))
        # A "no" that depends on something unknown is none: on another way, on whether the only way that was
        # tried is open here, on whether a duty excuses.
        open_ = bool(unknown or doubts) or nearest is None or nearest.unsure
        if excused or open_:
            found = [_softened(each) for each in found]
        self.findings += found + doubts
        self.duties += excused
        branch = None if nearest is None else nearest.branch.branch
        answer = Answer.UNKNOWN if open_ else Answer.NOT_MET
        self.taken.append(Taken(requirement.requirement, branch, answer))

    def asked(self) -> tuple[Ruling, ...]:
        """Every rule's answer: what every event must meet, then way by way."""
        return (
            *self.rulings,
            *(
                replace(each, requirement=requirement, branch=way.branch.branch, used=way is telling)
                for requirement, ways, telling in self.ways
                for way in ways
                for each in way.rulings
            ),
        )

    def _ways(self, branch: CompiledBranch) -> list[_Way]:
        """The branch over each event of its kind, as far as it is open."""
        rules = list(filter(None, map(self.in_force, branch.branch.rules)))
        if not rules:
            return []  # a way whose rules are over, or have not begun, would ask nothing
        ways = []
        for tree in self._of_kind(branch.branch.on):
            asked, cause = holds(branch.when, tree)
            if asked is Answer.NOT_MET:
                continue
            way = _Way(branch, tree, asked, unsure=asked is Answer.UNKNOWN)
            if way.unsure:
                way.findings.append(_doubt(cause, branch.branch.identifier))
            for one in rules:
                answer, found = self.ask_rule(one, tree, way.rulings)
                way.answer = min(way.answer, answer)
                if found is not None:
                    way.findings.append(found)
            if not way.rulings:  # none of its rules was asked of this event: that is no consent
                way.answer = Answer.UNKNOWN
                way.findings.append(_doubt(None, branch.branch.identifier))
            ways.append(way)
        return ways

    def _met(self, requirement: CompiledRequirement, way: _Way) -> None:
        branch = way.branch.branch
        if branch.gives is not None:
            note = said(branch.notes, way.branch.values, way.tree, self.book.zone)
            self.findings.append(finding(branch.gives, branch.identifier, note=note))
        else:
            self.give(requirement.met, self.person)
        self.give(way.branch.duties, way.tree)
        self.taken.append(Taken(requirement.requirement, branch, Answer.MET))

    def give(self, duties: Iterable[CompiledDuty], tree: Tree) -> None:
        """The duties whose condition holds; one that cannot be told leaves its cause."""
        given, doubts = duties_that_hold(duties, tree)
        self.duties += given
        self.findings += doubts


def duties_that_hold(duties: Iterable[CompiledDuty], tree: Tree) -> tuple[list[Duty], list[Finding]]:
    """The duties whose condition holds, and the causes of those of which that is not known."""
    given, doubts = [], []
    for each in duties:
        answer, cause = holds(each.when, tree)
        if answer is Answer.MET:
            given.append(each.duty)
        elif answer is Answer.UNKNOWN:
            doubts.append(_doubt(cause, each.duty.code))
    return given, doubts


def rule_on(shown: Sequence[Shown], book: CompiledBundle, context: Context, time: TimeBounds) -> Ruled:
    """What a bundle of our own rules makes of the certificates of one traveller, or of none.

    shown: in the order in which they were; each authentic. Events of other diseases than the bundle's do not
    speak here. Never raises for any certificate or bundle.
    """
    holder = shown[-1].certificate.holder if shown else None
    facts = Facts(context, time, holder, book.bundle.value_sets)
    trees: list[tuple[On, Tree]] = [
        (kind_of(event), facts.of(each.certificate, event, each.recognition))
        for each in reversed(shown)
        for event in each.certificate.events
        if _about(book.bundle, event)
    ]
    desk = _Desk(book, time.earliest, facts.person, trees)
    if not any(map(desk.in_force, book.rules)):
        desk.findings.append(finding(Reason.RULES_MISSING, "no rule of the bundle is in force"))
    desk.always()
    for requirement in book.requirements:
        desk.require(requirement)
    desk.give(book.duties, facts.person)
    return Ruled(
        tuple(desk.findings),
        tuple(dict.fromkeys(desk.duties)),
        tuple(desk.taken),
        book.bundle,
        desk.asked,
    )


def _about(bundle: RuleBundle, event: Event) -> bool:
    return not bundle.diseases or event.disease in bundle.diseases


def _doubt(cause: Reason | None, about: str) -> Finding:
    """What is not known, about a rule, a way or a duty."""
    return finding(cause or Reason.RULE_UNKNOWN, about, State.CHECK)


def _softened(found: Finding) -> Finding:
    """A defect of a way that another way, or a duty, may still make good: CHECK."""
    return replace(found, state=State.CHECK) if found.state is State.FAIL else found
