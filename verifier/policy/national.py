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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from verifier.certificate import Certificate, Family
from verifier.codes import Reason, State
from verifier.countries import alpha2
from verifier.making import quickly_made
from verifier.policy.bundle import National, RuleBundle, ValueSet
from verifier.policy.certlogic import EvaluationError
from verifier.policy.context import Context
from verifier.policy.dcc_view import SCHEMA_VERSION, dcc_views, kinds_of
from verifier.policy.facts import issuing_country
from verifier.policy.judging import (
    Answer,
    CompiledBundle,
    CompiledRule,
    Ruled,
    Ruling,
    Shown,
    ask,
    rule_in_force,
)
from verifier.policy.language import Seen
from verifier.policy.saying import said
from verifier.reasons import Finding, finding
from verifier.times import TimeBounds, written

ENGINE = "CERTLOGIC"
ENGINE_VERSION = (1, 3, 3)  # of the specification; rules for an older one mean the same here
GENERAL = "General"
_FIRST_SCHEMA = "1.0.0"  # for which a rule counts that does not state one
Version = tuple[int, ...] | None  # its three numbers; None for a text that is no version
_NUMBERS = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,2}", re.ASCII)


@dataclass(slots=True, repr=False)
class _Heard:
    """What the rules answer about one certificate."""

    answer: Answer = Answer.MET
    findings: list[Finding] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)


def rule_nationally(
    shown: Sequence[Shown], book: CompiledBundle, context: Context, time: TimeBounds
) -> Ruled:
    """What a bundle of national rules makes of the certificates of one traveller.

    shown: in the order in which they were; each authentic. Never raises for any certificate or bundle.
    """
    if not shown:
        return Ruled()
    now = time.earliest if time.earliest == time.latest else None
    desk = _Desk(book, context, now)
    heard = [
        desk.hear(each.certificate, view)
        for each in reversed(shown)
        for view in reversed(dcc_views(each.certificate, book.bundle.diseases))
    ]
    if not heard:
        return Ruled((finding(Reason.RULES_MISSING, "national rules have no word for such an event"),))
    best = max(heard, key=lambda one: one.answer) if len(heard) > 1 else heard[0]
    rulings = [
        ruling if one is best else replace(ruling, used=False) for one in heard for ruling in one.rulings
    ]
    return Ruled(findings=tuple(best.findings), rulings=tuple(rulings))


@quickly_made
@dataclass(frozen=True, slots=True, repr=False)
class _Desk:
    """One bundle for one journey. now: ``None`` where the time is not sure."""

    book: CompiledBundle
    context: Context
    now: datetime | None

    def hear(self, certificate: Certificate, view: dict[str, Any]) -> _Heard:
        """Every rule that is asked of one certificate, in the order of their identifiers."""
        heard, kinds = _Heard(), kinds_of(view)
        issuer = issuing_country(certificate)
        version = certificate.version if certificate.family is Family.HC1 else SCHEMA_VERSION
        plan = self._plan(kinds, issuer, _numbers(version))
        data = {"payload": view, "external": self._external(certificate, issuer, plan.sets)}
        seen = Seen()
        for one, is_for_us in plan.rules:
            answer, cause = ask(one.logic, data, seen) if is_for_us else plan.otherwise
            heard.rulings.append(Ruling(one, answer, cause, data))
            if answer is _MET:
                continue
            heard.answer = min(heard.answer, answer)
            if answer is Answer.NOT_MET:
                note = said(one.rule.notes, one.values, data, self.book.zone)
                state = one.rule.state or State.FAIL
                heard.findings.append(finding(one.rule.reason, one.rule.identifier, state, note=note))
            else:
                reason = cause or Reason.RULE_UNKNOWN
                heard.findings.append(finding(reason, one.rule.identifier, State.CHECK))
        if not plan.accepting:
            heard.answer = min(heard.answer, Answer.UNKNOWN)
            kind = " and ".join(sorted(kinds)) or "certificate without an event"
            heard.findings.append(finding(Reason.RULES_MISSING, f"{self.context.country}: none for a {kind}"))
        return heard

    def _plan(self, kinds: frozenset[str], issuer: str | None, version: Version) -> _Plan:
        """What is asked of such certificates now, as it was prepared for one before this."""
        day = None if self.now is None else self.now.astimezone(self.book.zone).date()
        key = day, self.context.country, self.context.area, kinds, issuer, version
        plans: dict[Any, _Plan] = self.book.plans
        plan = plans.get(key)
        if plan is None or not plan.counts(self.now):
            if len(plans) >= _MOST_PLANS:
                plans.clear()
            plan = plans[key] = self._planned(day, kinds, issuer, version)
        return plan

    def _planned(
        self, day: date | None, kinds: frozenset[str], issuer: str | None, version: Version
    ) -> _Plan:
        asked = list(self._asked(kinds, issuer))
        sure = self.now is not None
        since, until = _bounds(self.book, self.now)
        return _Plan(
            rules=tuple(
                (one, sure and _is_ours(national) and _is_written_for(national, version))
                for one, national in asked
            ),
            otherwise=(Answer.UNKNOWN, Reason.RULE_UNKNOWN if sure else Reason.CLOCK_UNSURE),
            accepting=any(not national.invalidation for _, national in asked),
            sets=_value_sets(self.book, day),
            since=since,
            until=until,
        )

    def _asked(self, kinds: frozenset[str], issuer: str | None) -> Iterator[tuple[CompiledRule, National]]:
        """The rules for a certificate of these kinds from this country."""
        for identifier in sorted(self.book.rules):
            one = rule_in_force(self.book.rules[identifier], self.now)
            national = None if one is None else one.rule.national
            if one is None or national is None:
                continue
            country = alpha2(issuer if national.invalidation else self.context.country)
            if (
                country is not None
                and alpha2(national.country) == country
                and (national.certificate == GENERAL or national.certificate in kinds)
                and national.region in ("", self.context.area)
            ):
                yield one, national

    def _external(self, certificate: Certificate, issuer: str | None, sets: _ValueSets) -> dict[str, Any]:
        """What rules may know beside the payload; what is not known is not there."""
        known = {
            "validationClock": self.now and written(self.now),
            "countryCode": self.context.country,
            "exp": _written(certificate.expires_at),
            "iat": _written(certificate.issued_at),
            "issuerCountryCode": issuer,
            "kid": base64.b64encode(certificate.key.kid).decode(),
            "region": self.context.area,
        }
        return {"valueSets": sets} | {name: value for name, value in known.items() if value}


# --- What is asked of certificates of one kind --------------------------------------------------------------

_MET = Answer.MET
_MOST_PLANS = 256  # of a bundle: kinds of certificates, by issuing country and version


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked of certificates of one kind, issuer and version on one day; nothing of a Holder.

    rules: each with whether it was written for our engine and for such payloads; otherwise: the answer of one
    that was not. accepting: whether there is an acceptance rule among them. sets: as they are on that day.
    since, until: from and before which instants the same rules are in force; ``None``: open.
    """

    rules: tuple[tuple[CompiledRule, bool], ...]
    otherwise: tuple[Answer, Reason]
    accepting: bool
    sets: _ValueSets
    since: datetime | None
    until: datetime | None

    def counts(self, now: datetime | None) -> bool:
        """Whether no rule has begun or ended since it was made; without a sure time none does."""
        return now is None or (
            (self.since is None or self.since <= now) and (self.until is None or now < self.until)
        )


def _bounds(book: CompiledBundle, now: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The last instant at which a rule began or ended, and the next one."""
    if now is None:
        return None, None
    instants = [
        instant
        for versions in book.rules.values()
        for one in versions
        for instant in (one.rule.valid_from, one.rule.valid_to)
        if instant is not None
    ]
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
