"""Rule bundles: what is asked of a certificate, as signed data with a validity in absolute time.

The rules this module keeps:

* A bundle says what it asks, even "signature alone"; one that asks nothing is refused.
* A bundle delivered early is dormant until its instant. Of one name the highest version counts, of several
  names the one that began last; a result names what it was judged by.
* A bundle speaks of certain countries, journeys, profiles and diseases; where none speaks, there are no
  rules.
* A requirement is met in one of several ways (branches), and a branch by rules over one event.

    bundles = decode_bundles(data)                       # verifier.policy.bundle_json
    in_force(bundles, now, context)                      # the RuleBundle, or None
    upcoming(bundles, now, context)                      # the next one, for "new rules from …"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from verifier.codes import Reason, State
from verifier.duties import Duty
from verifier.policy.context import Context

Texts = Mapping[str, str]  # by language
Period = tuple[date | None, date | None]  # the first day and the last one, both included; None: open
ValueSet = Mapping[str, Period]
Expression = Any  # of CertLogic, see verifier.policy.certlogic

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


class Asks(StrEnum):
    """What a bundle asks beyond an authentic document."""

    SIGNATURE = "signature"
    RULES = "rules"
    NATIONAL = "certlogic"


class On(StrEnum):
    """What a rule looks at: an event of this kind, or the person and the journey alone."""

    VACCINATION = "vaccination"
    TEST = "test"
    RECOVERY = "recovery"
    EXEMPTION = "exemption"
    PROPHYLAXIS = "prophylaxis"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class National:
    """What a national rule says of itself (EU business rules; gateway schema ``validation-rule``).

    invalidation: it speaks of certificates of its own country, not of arrivals there. certificate:
    ``General``, ``Vaccination``, ``Test`` or ``Recovery``. schema: the version of the payload that it was
    written for.
    """

    country: str
    certificate: str
    invalidation: bool = False
    region: str = ""
    schema: str = ""
    engine: str = ""
    engine_version: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: an expression that is true when it is met.

    identifier, version: as shown; of one identifier the highest version in force counts. on: what it looks
    at. when: it is asked only where this is true. reason, state: of a finding when it is not met; ``None``
    is the reason's usual state. texts: what it asks, by language. notes: what is said when it is not met,
    with ``{name}`` for each of ``values``, expressions over the same data.
    """

    identifier: str
    version: str
    on: On
    logic: Expression
    when: Expression | None = None
    reason: Reason = Reason.RULE_FAILED
    state: State | None = None
    texts: Texts = field(default_factory=_nothing)
    notes: Texts = field(default_factory=_nothing)
    values: Mapping[str, Expression] = field(default_factory=_nothing)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    national: National | None = None


@dataclass(frozen=True, slots=True)
class ConditionalDuty:
    """A duty that is asked only where ``when`` is true; ``None``: always."""

    duty: Duty
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to meet a requirement: every one of its rules, by one event of the kind ``on``.

    when: it is open only where this is true. gives: what a result says when this way is taken (an exemption,
    or a paper to look at). notes, values: said with it, as in :class:`Rule`. duties: come with this way.
    """

    identifier: str
    on: On
    rules: tuple[str, ...]
    when: Expression | None = None
    gives: Reason | None = None
    texts: Texts = field(default_factory=_nothing)
    notes: Texts = field(default_factory=_nothing)
    values: Mapping[str, Expression] = field(default_factory=_nothing)
    duties: tuple[ConditionalDuty, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be met in one way or another.

    when: it is asked only where this is true. met, unmet: duties in either case; where there is one for
    "unmet", whoever does not meet it may enter with that duty.
    """

    identifier: str
    branches: tuple[Branch, ...]
    when: Expression | None = None
    texts: Texts = field(default_factory=_nothing)
    met: tuple[ConditionalDuty, ...] = ()
    unmet: tuple[ConditionalDuty, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a bundle speaks of; empty: everybody. countries: of arrival, alpha-2."""

    countries: frozenset[str] = frozenset()
    journeys: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()

    def covers(self, context: Context) -> bool:
        """Whether it speaks of this journey."""
        return (
            (not self.countries or context.country in self.countries)
            and (not self.journeys or context.journey in self.journeys)
            and (not self.profiles or context.profile in self.profiles)
        )


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class RuleBundle:
    """One set of rules.

    name, version: as shown on every result. valid_from, valid_to: aware instants; the end is exclusive,
    ``None`` is open. activates: when units change to it, where that is later than ``valid_from``. diseases:
    the codes that it is about; a certificate for another one is not judged, and empty means every disease.
    texts: its title by language. source: the law or letter that it follows. value_sets: codes by the set's
    id. domestic: whether certificates that are good inside their own country only (LT1, AT1, NZCP) are good
    enough here. always: identifiers of rules that every event of their kind must meet. duties: of everybody
    who may enter. areas: names of the districts that rules speak of, by code and language. post: set on an
    order of one post, which counts there alone. replaces: the version that a roll-back takes back.
    tests: cases that travel with the rules, see :mod:`verifier.policy.trials`.
    """

    name: str
    version: str
    asks: Asks
    valid_from: datetime
    valid_to: datetime | None = None
    diseases: frozenset[str] = frozenset()
    texts: Texts = field(default_factory=_nothing)
    value_sets: Mapping[str, ValueSet] = field(default_factory=_nothing)
    domestic: bool = False
    activates: datetime | None = None
    scope: Scope = EVERYWHERE
    source: str = ""
    rules: tuple[Rule, ...] = ()
    always: tuple[str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    duties: tuple[ConditionalDuty, ...] = ()
    areas: Mapping[str, Texts] = field(default_factory=_nothing)
    post: str = ""
    replaces: str = ""
    tests: tuple[Mapping[str, Any], ...] = ()

    @property
    def begins(self) -> datetime:
        """From when on units judge by it."""
        return self.valid_from if self.activates is None else self.activates


SIGNATURE_ONLY = RuleBundle(
    name="signature-only",
    version="1.0.0",
    asks=Asks.SIGNATURE,
    valid_from=datetime(2021, 1, 1, tzinfo=UTC),
    texts=MappingProxyType({"vi": "Chỉ kiểm tra tính xác thực", "en": "Authenticity only"}),
    domestic=True,
)


def in_force(
    bundles: Iterable[RuleBundle],
    now: datetime,
    context: Context | None = None,
    diseases: Sequence[str] = (),
) -> RuleBundle | None:
    """The bundle to judge by: of those that speak of this journey and have begun, the latest not over.

    diseases: of a certificate; a bundle about one of them goes before a bundle about others, so that each
    disease is judged by its own. A bundle that is over is still returned when there is no other, so that a
    result can say so: :func:`is_over`. Of one name only the highest version that has begun is asked: what it
    replaced does not come back where it is over, or no longer speaks. Orders of a post are not among them.
    """
    listed = tuple(bundles)
    if len(listed) == 1:  # nothing to choose from
        (only,) = listed
        begun = not only.post and only.begins <= now
        return only if begun and (context is None or only.scope.covers(context)) else None
    newest: dict[str, RuleBundle] = {}
    for bundle in listed:
        if bundle.begins > now or bundle.post:
            continue
        held = newest.get(bundle.name)
        if held is None or numbers(bundle.version) > numbers(held.version):
            newest[bundle.name] = bundle
    speaking = [b for b in newest.values() if context is None or b.scope.covers(context)]
    if len(speaking) == 1:
        return speaking[0]
    return max(
        speaking,
        key=lambda b: (_speaks_of(b, diseases), not is_over(b, now), b.begins, numbers(b.version), b.name),
        default=None,
    )


def upcoming(
    bundles: Iterable[RuleBundle], now: datetime, context: Context | None = None
) -> RuleBundle | None:
    """The bundle that begins next for this journey; ``None`` when none waits."""
    waiting = [
        b for b in bundles if b.begins > now and not b.post and (context is None or b.scope.covers(context))
    ]
    return min(waiting, key=lambda b: (b.begins, b.name), default=None)


def order_in_force(orders: Iterable[RuleBundle], now: datetime, context: Context) -> RuleBundle | None:
    """The order of this post that counts at ``now``, the latest of several; ``None`` when there is none."""
    if not context.post:
        return None
    own = [
        b
        for b in orders
        if b.post
        and b.post == context.post
        and b.scope.covers(context)
        and b.begins <= now
        and not is_over(b, now)
    ]
    return max(own, key=lambda b: (b.begins, numbers(b.version)), default=None)


def is_over(bundle: RuleBundle, now: datetime) -> bool:
    """Whether the bundle's period has ended at ``now``."""
    return bundle.valid_to is not None and now >= bundle.valid_to


def numbers(version: str) -> tuple[int, ...]:
    """A version for comparison: by its numbers, not by its letters."""
    return tuple(int(part) for part in version.split("."))


def _speaks_of(bundle: RuleBundle, diseases: Sequence[str]) -> bool:
    return not bundle.diseases or any(code in bundle.diseases for code in diseases)
