"""National rules as their countries published them: which are asked of a certificate, and what they answer.

The rules this module keeps:

* Asked are the acceptance rules of the country of arrival and the invalidation rules of the issuing country:
  those for this kind of certificate, in force now, of each identifier the highest version. A rule of one
  region is asked where the journey names that region as its area.
* Where no acceptance rule is asked there are no rules; that is not "nothing asked".
* A rule for an engine or a schema that is not ours, one that raises, and one that needs a value set which is
  not there are unknown; the others are still asked. Without a sure time every rule is unknown.
* What is asked of certificates of one kind is prepared once, not for every scan.
* Each certificate is judged by itself, the best counts, and among equals the one that was shown last.

    ruled = rule_nationally(shown, compiled(bundle, zone), context, time)
    ruled.findings                                  # () where every rule is met

The data of a rule are those of CertLogic: ``payload``, see :mod:`verifier.policy.dcc_view`, and ``external``.
Sources: EU DCC validation rules (dgc-gateway, ``validation-rule`` schema), CertLogic specification 1.3.3.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import repeat
from typing import Any

from verifier.certificate import Certificate, Family
from verifier.codes import Reason, State
from verifier.countries import alpha2
from verifier.policy.bundle import National, Rule, RuleBundle, ValueSet
from verifier.policy.certlogic import (
    EvaluationError,
    ExpressionError,
    Together,
    compile_logic,
    compile_together,
)
from verifier.policy.context import Context
from verifier.policy.dcc_view import SCHEMA_VERSION, dcc_view, dcc_views, kinds_of
from verifier.policy.facts import issuing_country
from verifier.policy.judging import (
    Answer,
    CompiledBundle,
    CompiledRule,
    Ruled,
    Ruling,
    Shown,
    answered,
    rule_in_force,
)
from verifier.policy.saying import said
from verifier.reasons import Finding, finding
from verifier.times import TimeBounds, written

ENGINE = "CERTLOGIC"
ENGINE_VERSION = (1, 3, 3)  # of the specification; rules for an older one mean the same here
GENERAL = "General"
_FIRST_SCHEMA = "1.0.0"  # for which a rule counts that does not state one
Version = tuple[int, ...] | None  # its three numbers; None for a text that is no version
_NUMBERS = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,2}", re.ASCII)


def rule_nationally(
    shown: Sequence[Shown], book: CompiledBundle, context: Context, time: TimeBounds
) -> Ruled:
    """What a bundle of national rules makes of the certificates of one traveller.

    shown: in the order in which they were; each authentic. Never raises for any certificate or bundle.
    """
    if not shown:
        return Ruled(bundle=book.bundle)
    now = time.earliest if time.earliest == time.latest else None
    heard = [
        _Hearing(book, context, now, each.certificate, document)
        for each in reversed(shown)
        for document in reversed(_documents(each.certificate, book.bundle))
    ]
    if not heard:
        none = finding(Reason.RULES_MISSING, "national rules have no word for such an event")
        return Ruled((none,), bundle=book.bundle)
    for each in heard:
        each.hear()
    best = max(heard, key=lambda one: one.answer) if len(heard) > 1 else heard[0]
    return Ruled(tuple(best.findings), bundle=book.bundle, asked=partial(_rulings, heard, best))


def _documents(certificate: Certificate, bundle: RuleBundle) -> Sequence[Mapping[Any, Any]]:
    if certificate.family is Family.HC1:
        return (certificate.document,)
    return dcc_views(certificate, bundle.diseases)


def _rulings(heard: Sequence[_Hearing], best: _Hearing) -> tuple[Ruling, ...]:
    return tuple(ruling for each in heard for ruling in each.rulings(each is best))


@dataclass(slots=True, repr=False)
class _Hearing:
    """One document of a certificate in front of one bundle, and what the rules answer about it.

    now: ``None`` where the time is not sure. document: the certificate's own if it is an HC1, else its view.
    """

    book: CompiledBundle
    context: Context
    now: datetime | None
    certificate: Certificate
    document: Mapping[Any, Any]
    answer: Answer = Answer.MET
    findings: Sequence[Finding] = ()
    issuer: str | None = field(init=False)
    plan: _Plan = field(init=False)
    values: Sequence[Any] | None = field(init=False)

    def hear(self) -> None:
        """Every rule that is asked of the document, in the order of their identifiers."""
        self.issuer = issuing_country(self.certificate)
        plan = self.plan = self._plan()
        self.values = plan.ask(self._data(plan.payload, plan.external))
        if self.values is not None or not plan.plain:
            self.findings = list(self._found())
            self.answer = min((answer for _, answer, _ in self._answers()), default=Answer.MET)
        if not plan.accepting:
            self.answer = min(self.answer, Answer.UNKNOWN)

    def _answers(self) -> Iterator[tuple[CompiledRule, Answer, Reason | None]]:
        """Each rule with its answer, and the cause of an unknown one."""
        values = repeat(True) if self.values is None else iter(self.values)
        for one, is_for_us in self.plan.rules:
            yield one, *(answered(next(values)) if is_for_us else self.plan.otherwise)

    def _found(self) -> Iterator[Finding]:
        for one, answer, cause in self._answers():
            if answer is Answer.NOT_MET:
                note = said(one.rule.notes, one.values, self._data(), self.book.zone)
                state = one.rule.state or State.FAIL
                yield finding(one.rule.reason, one.rule.identifier, state, note=note)
            elif answer is Answer.UNKNOWN:
                yield finding(cause or Reason.RULE_UNKNOWN, one.rule.identifier, State.CHECK)
        if not self.plan.accepting:
            kind = " and ".join(sorted(kinds_of(self.document))) or "certificate without an event"
            yield finding(Reason.RULES_MISSING, f"{self.context.country}: none for a {kind}")

    def rulings(self, used: bool) -> Iterator[Ruling]:
        """The answers for the "why?" screen."""
        data = self._data()
        for one, answer, cause in self._answers():
            yield Ruling(one, answer, cause, data, used=used)

    def _data(
        self, payload: Collection[str] | None = None, external: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """What rules are asked over, or these members of it; what is not known is not there."""
        is_hc1 = self.document is self.certificate.document
        beside: dict[str, Any] = {"valueSets": self.plan.sets}
        for name in _EXTERNAL if external is None else external:
            value = _EXTERNAL[name](self)
            if value:
                beside[name] = value
        return {"payload": dcc_view(self.document, payload) if is_hc1 else self.document, "external": beside}

    def _plan(self) -> _Plan:
        """What is asked of such documents now, as it was prepared for one before this."""
        certificate, told = self.certificate, self.document.get
        version = certificate.version if certificate.family is Family.HC1 else SCHEMA_VERSION
        version = version if _NUMBERS.fullmatch(version) else ""  # any other text is kept nowhere
        letters = bool(told("v")), bool(told("t")), bool(told("r"))
        key = letters, self.issuer, version, self.context.country, self.context.area, self.now is None
        plans: dict[Any, _Plan] = self.book.plans
        plan = plans.get(key)
        if plan is None or not plan.counts(self.now):
            if len(plans) >= _MOST_PLANS:
                plans.clear()
            plan = plans[key] = self._planned(kinds_of(self.document), _numbers(version))
        return plan

    def _planned(self, kinds: frozenset[str], version: Version) -> _Plan:
        asked = list(self._asked(kinds))
        day = None if self.now is None else self.now.astimezone(self.book.zone).date()
        sure = self.now is not None
        rules = tuple(
            (one, sure and _is_ours(national) and _is_written_for(national, version))
            for one, national in asked
        )
        accepting = any(not national.invalidation for _, national in asked)
        sets, together = _compiled(self.book, [one for one, is_for_us in rules if is_for_us], day)
        external = together.members("external")
        since, until = _bounds(self.book, self.now)
        return _Plan(
            rules=rules,
            ask=together.function,
            payload=together.members("payload"),
            external=tuple(name for name in _EXTERNAL if external is None or name in external),
            otherwise=(Answer.UNKNOWN, Reason.RULE_UNKNOWN if sure else Reason.CLOCK_UNSURE),
            accepting=accepting,
            plain=accepting and all(is_for_us for _, is_for_us in rules),
            sets=sets,
            since=since,
            until=until,
        )

    def _asked(self, kinds: frozenset[str]) -> Iterator[tuple[CompiledRule, National]]:
        """The rules for a document of these kinds from this issuing country."""
        for identifier in sorted(self.book.rules):
            one = rule_in_force(self.book.rules[identifier], self.now)
            national = None if one is None else one.rule.national
            if one is None or national is None:
                continue
            country = alpha2(self.issuer if national.invalidation else self.context.country)
            if (
                country is not None
                and alpha2(national.country) == country
                and (national.certificate == GENERAL or national.certificate in kinds)
                and national.region in ("", self.context.area)
            ):
                yield one, national


# --- What is asked of certificates of one kind --------------------------------------------------------------

_MOST_PLANS = 256  # of a bundle: kinds of certificates, by issuing country and version


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked of certificates of one kind, issuer and version on one day; nothing of a Holder.

    rules: each with whether it was written for our engine and for such payloads; ask: evaluates those that
    were; otherwise: the answer of one that was not. payload, external: which members of their data they look
    at; ``None``: any. accepting: whether there is an acceptance rule among them. plain: and each is for us.
    sets: as they are on that day. since, until: from and before which instants it is the same.
    """

    rules: tuple[tuple[CompiledRule, bool], ...]
    ask: Callable[[Any], Sequence[Any] | None]
    payload: frozenset[str] | None
    external: tuple[str, ...]
    otherwise: tuple[Answer, Reason]
    accepting: bool
    plain: bool
    sets: _ValueSets
    since: datetime | None
    until: datetime | None

    def counts(self, now: datetime | None) -> bool:
        """Whether it is the same day and no rule has begun or ended; without a sure time none does."""
        return now is None or (
            (self.since is None or self.since <= now) and (self.until is None or now < self.until)
        )


def _compiled(
    book: CompiledBundle, rules: Sequence[CompiledRule], day: date | None
) -> tuple[_ValueSets, Together]:
    """Rules as one function, with the value sets of that day; mostly they are the same for all issuers."""
    sets = _value_sets(book, day)
    held: dict[Any, tuple[_ValueSets, Together]] = book.functions
    key = tuple(map(id, rules))
    made = held.get(key)
    if made is None or made[0] != sets:
        try:
            together = compile_together([one.rule.logic for one in rules], sets)
        except ExpressionError:
            together = compile_together([_expression(one.rule) for one in rules], sets)
        if len(held) >= _MOST_PLANS:
            held.clear()
        # what is given is what was made here: another thread may have put that of another day in its place
        made = held[key] = sets, together
    return made


def _expression(rule: Rule) -> Any:
    """A rule's expression; of one that is nested too deep or too long, one that has no answer."""
    try:
        compile_logic(rule.logic)
    except ExpressionError:
        return None
    return rule.logic


def _bounds(book: CompiledBundle, now: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The last instant at which a rule or the desk's day began or ended, and the next one."""
    if now is None:
        return None, None
    instants = [
        instant
        for versions in book.rules.values()
        for one in versions
        for instant in (one.rule.valid_from, one.rule.valid_to)
        if instant is not None
    ]
    today = now.astimezone(book.zone).date()
    try:
        for day in (today, today + timedelta(days=1)):
            instants.append(datetime.combine(day, time(), book.zone).astimezone(UTC))
    except OverflowError:  # on the first and the last day of the calendar nothing is prepared
        return now, now
    return (
        max((instant for instant in instants if instant <= now), default=None),
        min((instant for instant in instants if instant > now), default=None),
    )


def _written(instant: datetime | None) -> str | None:
    """An instant of a certificate; ``None`` also where it lies outside the calendar in UTC."""
    try:
        return None if instant is None else written(instant)
    except OverflowError:
        return None


# What rules may know beside the payload.
_EXTERNAL: Mapping[str, Callable[[_Hearing], str | None]] = {
    "validationClock": lambda one: None if one.now is None else written(one.now),
    "countryCode": lambda one: one.context.country,
    "exp": lambda one: _written(one.certificate.expires_at),
    "iat": lambda one: _written(one.certificate.issued_at),
    "issuerCountryCode": lambda one: one.issuer,
    "kid": lambda one: base64.b64encode(one.certificate.key.kid).decode(),
    "region": lambda one: one.context.area,
}


def _is_ours(national: National) -> bool:
    """Whether our engine is the one that the rule was written for."""
    version = _numbers(national.engine_version)
    return national.engine == ENGINE and version is not None and version <= ENGINE_VERSION


def _is_written_for(national: National, payload: Version) -> bool:
    """Whether the rule knows payloads of this version: of the same major one, and no older than itself."""
    rule = _numbers(national.schema or _FIRST_SCHEMA)
    return rule is not None and payload is not None and rule[0] == payload[0] and rule <= payload


def _numbers(version: str) -> Version:
    """The three numbers of a version, those that are not written being 0; ``None`` for any other text."""
    if not _NUMBERS.fullmatch(version):
        return None
    numbers = tuple(map(int, version.split(".")))
    return numbers + (0,) * (3 - len(numbers))


# --- Value sets ---------------------------------------------------------------------------------------------


class _ValueSets(dict[str, list[str]]):
    """Value sets by their id. One that is not there is an error to the rule that needs it: CertLogic would
    take it for a set without any code, and refuse everybody (SC-L06).
    """

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - the shape of a dict
        if name not in self:
            raise EvaluationError(f"the value set {name[:64]!r} is not in the bundle")
        return self[name]


def _value_sets(book: CompiledBundle, day: date | None) -> _ValueSets:
    return _ValueSets({name: _codes(held, day) for name, held in book.bundle.value_sets.items()})


def _codes(held: ValueSet, day: date | None) -> list[str]:
    """The codes of a set that hold on this day of the desk."""
    return [
        code
        for code, (begin, end) in held.items()
        if day is None or ((begin is None or begin <= day) and (end is None or day <= end))
    ]


def trial_data(bundle: RuleBundle, test: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a test that travels with national rules.

    Value sets are those of the bundle, unless the test brings its own; they are plain, because published
    tests expect CertLogic's own answer to one that is not there.
    """
    sets = {name: list(codes) for name, codes in bundle.value_sets.items()}
    return {
        "payload": test.get("payload"),
        "external": {"valueSets": sets} | dict(test.get("external") or {}),
    }
