"""What the page may ask the officer about the journey, and what the rules can make of it.

The rules this module keeps:

* Only what the rules in force look at is asked for, and what the standing result needs comes first.
* What can be picked (roles, papers, districts) comes from the rules themselves: a code that they name and no
  table has words for is offered as it is.
* Nothing of a Holder is among it.

    asks_of(verdict, context, today)           # ["departure"]: one tap, and the same codes are judged anew
    offered(bundle, order, context, now)       # what the panel of the journey shows
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from appliance.kiosk.journey_texts import PAPERS, ROLES
from appliance.kiosk.plain import Facts
from appliance.kiosk.standing import words_of
from verifier.births import possible_births
from verifier.countries import ALL
from verifier.policy.bundle import Asks, Expression, RuleBundle
from verifier.policy.context import Context, Journey, Mode, Profile
from verifier.policy.context_json import context_row
from verifier.policy.explain import texts_of
from verifier.policy.members import paths_of
from verifier.reasons import Reason, State
from verifier.verdict import Verdict

# Members that an officer may tell; the desk's own (profile, post) are the site's.
TELLABLE = frozenset({
    "journey", "country", "mode", "arrival", "departure", "longest", "flight", "origin", "area", "role",
    "paper", "airside",
})  # fmt: skip
# What a traveller can say when a rule lacks it, the quickest to tell first.
_CONTEXT = ("mode", "area", "origin", "airside", "departure")
_READS = frozenset({"var", "need", "known"})
# Rules ask for the day of the departure too; whoever tells the departure has told it.
_TOLD_BY = {"departure_day": "departure", "entry": "arrival", "kind": "journey"}


def members_of(expressions: Iterable[Expression]) -> frozenset[str]:
    """The members of the journey that expressions look at, by the names under which they are told."""
    found = {path.split(".")[1] for path in paths_of(list(expressions)) if path.startswith("journey.")}
    return frozenset(_TOLD_BY.get(name, name) for name in found)


def expressions_of(bundle: RuleBundle) -> Iterator[Expression]:
    """Every expression of our own rules in a bundle."""
    for rule in bundle.rules:
        if rule.national is None:
            yield from (rule.logic, rule.when)
    for requirement in bundle.requirements:
        yield requirement.when
        for branch in requirement.branches:
            yield branch.when
            yield from (each.when for each in branch.duties)
        yield from (each.when for each in (*requirement.met, *requirement.unmet))
    yield from (each.when for each in bundle.duties)


def codes_of(bundles: Iterable[RuleBundle], member: str) -> tuple[str, ...]:
    """The codes that rules hold a member of the journey against, each once, in their order."""
    found = [
        code
        for bundle in bundles
        for each in expressions_of(bundle)
        for code in _codes(each, f"journey.{member}", bundle)
    ]
    return tuple(dict.fromkeys(found))


def _codes(expression: Expression, path: str, bundle: RuleBundle) -> Iterator[str]:
    if isinstance(expression, list):
        for each in expression:
            yield from _codes(each, path, bundle)
    elif isinstance(expression, Mapping):
        for name, operands in expression.items():
            inside = operands if isinstance(operands, list) else [operands]
            if any(_reads(each, path) for each in inside):
                others = [each for each in inside if not isinstance(each, Mapping)]
                yield from _listed(others, bundle) if name == "listed" else _texts(others)
            yield from _codes(inside, path, bundle)


def _reads(expression: Expression, path: str) -> bool:
    if not isinstance(expression, Mapping) or not _READS & expression.keys():
        return False
    (operands,) = list(expression.values())[:1]
    return bool(path == (operands[0] if isinstance(operands, list) and operands else operands))


def _listed(operands: Iterable[Any], bundle: RuleBundle) -> Iterator[str]:
    for each in operands:
        yield from bundle.value_sets.get(each, ()) if isinstance(each, str) else ()


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for each in values:
        if isinstance(each, str) and each:
            yield each
        elif isinstance(each, list):
            yield from _texts(each)


def asks_of(verdict: Verdict, context: Context, today: date | None) -> list[str]:
    """What a tap could tell about this result, what it needs first."""
    bundles = [each for each in (verdict.bundle, verdict.order) if each is not None]
    looked = members_of(each for bundle in bundles for each in expressions_of(bundle))
    codes = {found.code for found in verdict.reasons}
    asks: list[str] = []
    if Reason.NEED_CONTEXT in codes:
        asks += [name for name in _CONTEXT if name in looked and not _told(context, name)]
    if Reason.DOB_PARTIAL in codes and births_offered(context, today):
        asks.append("birth")
    if verdict.state in (State.FAIL, State.CHECK):
        asks += [name for name in ("role", "paper") if name in looked and not _told(context, name)]
    return asks


def _told(context: Context, name: str) -> bool:
    return getattr(context, name) not in (None, "")


def births_offered(context: Context, today: date | None) -> list[date]:
    """The birth dates that the line of a passport may mean, the latest first; empty where there is none to
    pick.
    """
    if context.traveller is None or today is None:
        return []
    found = [each.exact for each in possible_births(context.traveller.birth, today)]
    return [each for each in found if each is not None] if len(found) > 1 else []


def offered(bundle: RuleBundle | None, order: RuleBundle | None, context: Context, now: datetime) -> Facts:
    """What the panel of the journey shows: what was told, and what can be picked.

    now: an aware instant in the desk's zone, from which times are stepped.
    """
    bundles = [each for each in (bundle, order) if each is not None and each.asks is Asks.RULES]
    expressions = [each for one in bundles for each in expressions_of(one)]
    looked = members_of(expressions)
    told = {name: value for name, value in context_row(context).items() if name in TELLABLE}
    always = {"journey"} | ({"country", "flight"} if context.profile is Profile.AIRLINE else set())
    areas = {code: texts for one in bundles for code, texts in one.areas.items()}
    return {
        "told": told,
        "members": sorted((looked | always) & TELLABLE),
        "journeys": [each.value for each in Journey],
        "modes": [each.value for each in Mode],
        "areas": [
            {"code": code, "text": words_of(texts_of(texts, code))} for code, texts in sorted(areas.items())
        ],
        "roles": _choices(codes_of(bundles, "role"), ROLES),
        "papers": _choices(codes_of(bundles, "paper"), PAPERS),
        "countries": list(ALL),
        "births": [each.isoformat() for each in births_offered(context, now.date())],
        "now": now.replace(second=0, microsecond=0).isoformat(),
    }


def _choices(codes: Iterable[str], words: Mapping[str, Mapping[str, str]]) -> list[Facts]:
    return [{"code": code, "text": dict(words.get(code, {"vi": code, "en": code}))} for code in codes]
