"""The written form of rule bundles: the signed target ``rules/bundles.json``, and bundle files.

The rules this module keeps:

* Canonical JSON: one content has one form, and bytes that are not in it are refused.
* A member that this version does not know refuses the whole by its path; skipping it would judge by less than
  was asked.
* Two bundles of one name and version are refused, all the more where their texts differ.
* What would be held and never asked is refused, and so is a "no" that would not be one: a rule that is not
  met is CHECK or FAIL.
* A rule whose expression this version cannot evaluate is loaded all the same: it answers unknown, and the
  others still run. ``vaxgate-rules check`` names it before anybody signs.

    decode_bundles(encode_bundles([bundle]))             # (bundle,)
    read_bundle(json.loads(text))                        # one bundle, as people write it
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, TypeVar

from verifier.catalogue import CATALOGUE
from verifier.codes import Reason, State
from verifier.duties import Duty, DutyCode
from verifier.policy.bundle import (
    Asks,
    Branch,
    ConditionalDuty,
    National,
    On,
    Period,
    Requirement,
    Rule,
    RuleBundle,
    Scope,
    Texts,
    ValueSet,
)
from verifier.policy.context import Journey, Profile
from verifier.times import written

FORMAT_VERSION = 1
MAX_RULES = 2_000  # of one bundle; all member states of the EU together published some 500
MAX_NESTING = 256  # objects and lists within each other: far more than a rule that can be judged by has
_T = TypeVar("_T")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Of one version there is one writing: no zero in front, and the digits of ASCII.
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_BUNDLE = frozenset({
    "name", "version", "asks", "valid_from", "valid_to", "activates", "diseases", "texts", "source",
    "value_sets", "scope", "rules", "always", "requirements", "duties", "areas", "domestic", "post",
    "replaces", "tests",
})  # fmt: skip
_RULE = frozenset({
    "id", "version", "on", "logic", "when", "reason", "state", "texts", "notes", "values", "valid_from",
    "valid_to", "national",
})  # fmt: skip
_NATIONAL = frozenset({
    "country", "certificate", "invalidation", "region", "schema", "engine", "engine_version",
})  # fmt: skip
_BRANCH = frozenset({"id", "on", "rules", "when", "gives", "texts", "notes", "values", "duties"})
_REQUIREMENT = frozenset({"id", "any", "when", "texts", "met", "unmet"})
_DUTY = frozenset({"code", "days", "day", "within_hours", "when"})
_SCOPE = frozenset({"countries", "journeys", "profiles"})
_GIVEN = (State.PASS, State.CHECK, None)  # what a way that was taken may say


class BundleError(ValueError):
    """A rule bundle cannot be used; the message names the path within it and what is wrong there."""


def encode_bundles(bundles: Iterable[RuleBundle]) -> bytes:
    """The target ``rules/bundles.json``: UTF-8 JSON with sorted keys and no spaces."""
    rows = [bundle_row(b) for b in sorted(bundles, key=lambda b: (b.name, b.valid_from, b.version))]
    return canonical({"v": FORMAT_VERSION, "bundles": rows})


def decode_bundles(data: bytes) -> tuple[RuleBundle, ...]:
    """The bundles of ``rules/bundles.json``.

    Raises BundleError when the bytes are not canonical JSON, when there is no bundle, when one asks nothing
    or asks something that this version does not know, or when two of one name have one version.
    """
    try:
        value = json.loads(data)
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"bundles: not JSON ({type(error).__name__})") from error
    if not isinstance(value, dict) or again != data:
        raise BundleError("bundles: not in canonical form")
    if value.get("v") != FORMAT_VERSION:
        raise BundleError(f"v: format version {value.get('v')!r}, this appliance reads {FORMAT_VERSION}")
    rows = value.get("bundles")
    if not isinstance(rows, list) or not rows:
        raise BundleError("bundles: there is none; a trust repository names at least one")
    bundles = tuple(read_bundle(row, f"bundles[{number}]") for number, row in enumerate(rows))
    check_versions(bundles)
    return bundles


def check_versions(bundles: Iterable[RuleBundle]) -> None:
    """Raise BundleError when two bundles bear one name and version (SC-L07)."""
    seen: set[tuple[str, str]] = set()
    for number, bundle in enumerate(bundles):
        if (bundle.name, bundle.version) in seen:
            raise BundleError(
                f"bundles[{number}].version: {bundle.name} {bundle.version} stands there twice; "
                "a change of its text needs a higher version"
            )
        seen.add((bundle.name, bundle.version))


def canonical(value: Any) -> bytes:
    """JSON in its one form. Raises ValueError for NaN and infinities."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


# --- Writing ------------------------------------------------------------------------------------------------


def bundle_row(b: RuleBundle) -> dict[str, Any]:
    """A bundle as a JSON object; what is empty is left out, but for the members of the first releases."""
    return {
        "name": b.name,
        "version": b.version,
        "asks": b.asks.value,
        "valid_from": written(b.valid_from),
        "valid_to": None if b.valid_to is None else written(b.valid_to),
        "diseases": sorted(b.diseases),
        "texts": dict(b.texts),
        "value_sets": {name: _set_row(codes) for name, codes in b.value_sets.items()},
        "rules": [_rule_row(rule) for rule in b.rules],
        **({"domestic": True} if b.domestic else {}),
        **_filled(
            activates=b.activates and written(b.activates),
            source=b.source,
            scope=_filled(
                countries=sorted(b.scope.countries),
                journeys=sorted(b.scope.journeys),
                profiles=sorted(b.scope.profiles),
            ),
            always=list(b.always),
            requirements=[_requirement_row(each) for each in b.requirements],
            duties=[_duty_row(each) for each in b.duties],
            areas={code: dict(texts) for code, texts in b.areas.items()},
            post=b.post,
            replaces=b.replaces,
            tests=[dict(test) for test in b.tests],
        ),
    }


def _filled(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def _set_row(codes: ValueSet) -> Any:
    if all(period == (None, None) for period in codes.values()):
        return sorted(codes)
    return {
        code: _filled(**{"from": begin and begin.isoformat(), "until": end and end.isoformat()})
        for code, (begin, end) in codes.items()
    }


def _rule_row(rule: Rule) -> dict[str, Any]:
    said = rule.national
    national = said and {
        "country": said.country,
        "certificate": said.certificate,
        **({"invalidation": True} if said.invalidation else {}),
        **_filled(
            region=said.region, schema=said.schema, engine=said.engine, engine_version=said.engine_version
        ),
    }
    return {
        "id": rule.identifier,
        "version": rule.version,
        "on": rule.on.value,
        "logic": rule.logic,
        **({} if rule.when is None else {"when": rule.when}),
        **({} if rule.reason is Reason.RULE_FAILED else {"reason": rule.reason.value}),
        **_filled(
            state=rule.state and rule.state.value,
            texts=dict(rule.texts),
            notes=dict(rule.notes),
            values=dict(rule.values),
            valid_from=rule.valid_from and written(rule.valid_from),
            valid_to=rule.valid_to and written(rule.valid_to),
            national=national,
        ),
    }


def _branch_row(branch: Branch) -> dict[str, Any]:
    return {
        "id": branch.identifier,
        "on": branch.on.value,
        "rules": list(branch.rules),
        **({} if branch.when is None else {"when": branch.when}),
        **_filled(
            gives=branch.gives and branch.gives.value,
            texts=dict(branch.texts),
            notes=dict(branch.notes),
            values=dict(branch.values),
            duties=[_duty_row(each) for each in branch.duties],
        ),
    }


def _requirement_row(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.identifier,
        "any": [_branch_row(branch) for branch in requirement.branches],
        **({} if requirement.when is None else {"when": requirement.when}),
        **_filled(
            texts=dict(requirement.texts),
            met=[_duty_row(each) for each in requirement.met],
            unmet=[_duty_row(each) for each in requirement.unmet],
        ),
    }


def _duty_row(conditional: ConditionalDuty) -> dict[str, Any]:
    duty = conditional.duty
    return {
        "code": duty.code.value,
        **_filled(days=duty.days, day=duty.day, within_hours=duty.within_hours),
        **({} if conditional.when is None else {"when": conditional.when}),
    }


# --- Reading ------------------------------------------------------------------------------------------------


def read_bundle(row: Any, where: str = "bundle") -> RuleBundle:
    """The bundle that a JSON object says. Raises BundleError with the path of what is wrong."""
    _check_nesting(row, where)
    row = _object(row, where, _BUNDLE)
    name, version = row.get("name"), _version(row, where)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BundleError(f"{where}.name: small letters, digits and '-' are expected")
    asks = _word(row.get("asks"), Asks, f"{where}.asks")
    rules = _rules(row.get("rules", []), asks, f"{where}.rules")
    valid_from = _instant(row.get("valid_from"), f"{where}.valid_from")
    valid_to = _optional_instant(row, "valid_to", where)
    if valid_to is not None and valid_to <= valid_from:
        raise BundleError(f"{where}.valid_to: not after valid_from")
    activates = _optional_instant(row, "activates", where)
    if activates is not None and activates < valid_from:
        raise BundleError(
            f"{where}.activates: before valid_from; nobody is judged by rules that do not hold yet"
        )
    bundle = RuleBundle(
        name=name,
        version=version,
        asks=asks,
        valid_from=valid_from,
        valid_to=valid_to,
        diseases=_codes(row.get("diseases", []), f"{where}.diseases"),
        texts=_texts(row.get("texts", {}), f"{where}.texts"),
        value_sets=_value_sets(row.get("value_sets", {}), f"{where}.value_sets"),
        domestic=_flag(row, "domestic", where),
        activates=activates,
        scope=_scope(row.get("scope", {}), f"{where}.scope"),
        source=_text(row, "source", where),
        rules=rules,
        always=_names(row.get("always", []), f"{where}.always"),
        requirements=_each(row.get("requirements", []), _requirement, f"{where}.requirements"),
        duties=_each(row.get("duties", []), _duty, f"{where}.duties"),
        areas=MappingProxyType(
            {
                code: _texts(texts, f"{where}.areas.{code}")
                for code, texts in _mapping(row.get("areas", {}), f"{where}.areas").items()
            }
        ),
        post=_text(row, "post", where),
        replaces="" if "replaces" not in row else _version(row, where, "replaces"),
        tests=_each(row.get("tests", []), _mapping, f"{where}.tests"),
    )
    _check_whole(bundle, where)
    return bundle


def _check_nesting(value: Any, where: str) -> None:
    """Raise BundleError for what is nested so deep that whoever walks through it would fall."""
    layer, depth = [value], 0
    while layer:
        if depth > MAX_NESTING:
            raise BundleError(f"{where}: nested deeper than {MAX_NESTING} objects and lists")
        inner = (each.values() if isinstance(each, dict) else each for each in layer)
        layer = [each for members in inner for each in members if isinstance(each, dict | list)]
        depth += 1


def _check_whole(bundle: RuleBundle, where: str) -> None:
    """Raise BundleError for what is wrong only when members are held together."""
    known = {rule.identifier: rule.on for rule in bundle.rules}
    asked = [(f"{where}.always[{n}]", name) for n, name in enumerate(bundle.always)]
    for r, requirement in enumerate(bundle.requirements):
        for b, branch in enumerate(requirement.branches):
            asked += [
                (f"{where}.requirements[{r}].any[{b}].rules[{n}]", name)
                for n, name in enumerate(branch.rules)
            ]
            _same_kind(known, branch, f"{where}.requirements[{r}].any[{b}]")
    for at, name in asked:
        if name not in known:
            raise BundleError(f"{at}: no rule is called {name!r}")
    match bundle.asks:
        case Asks.SIGNATURE:
            if bundle.rules or bundle.requirements:
                raise BundleError(f"{where}.rules: a bundle that asks for the signature alone holds no rules")
        case Asks.RULES:
            if not asked:
                raise BundleError(f"{where}.rules: no rule is asked; a bundle that asks nothing is refused")
        case Asks.NATIONAL:
            if not bundle.rules:
                raise BundleError(f"{where}.rules: there is none; a bundle that asks nothing is refused")
            if bundle.requirements or bundle.always:
                raise BundleError(
                    f"{where}.requirements: national rules are all asked; they have no branches"
                )
    if bundle.asks is not Asks.RULES and bundle.duties:
        raise BundleError(f"{where}.duties: only a bundle of our own rules gives duties")


def _same_kind(known: Mapping[str, On], branch: Branch, where: str) -> None:
    for name in branch.rules:
        on = known.get(name, branch.on)
        if on not in (branch.on, On.PERSON):
            raise BundleError(
                f"{where}.rules: {name} looks at a {on.value}, the branch at a {branch.on.value}"
            )


def _rules(value: Any, asks: Asks, where: str) -> tuple[Rule, ...]:
    rules = _each(value, _rule, where)
    if len(rules) > MAX_RULES:
        raise BundleError(f"{where}: {len(rules)} rules, at most {MAX_RULES} are held")
    seen: set[tuple[str, str]] = set()
    kinds: dict[str, On] = {}
    for number, rule in enumerate(rules):
        if (rule.identifier, rule.version) in seen:
            raise BundleError(f"{where}[{number}]: {rule.identifier} {rule.version} stands there twice")
        seen.add((rule.identifier, rule.version))
        if kinds.setdefault(rule.identifier, rule.on) is not rule.on:
            raise BundleError(f"{where}[{number}].on: another version of {rule.identifier} looks elsewhere")
        if rule.national is not None and rule.when is not None:
            raise BundleError(f"{where}[{number}].when: a national rule says in its logic when it is asked")
        if (rule.national is None) is (asks is Asks.NATIONAL):
            raise BundleError(
                f"{where}[{number}].national: expected in a bundle of national rules, and there only"
            )
    return rules


def _rule(value: Any, where: str) -> Rule:
    row = _object(value, where, _RULE)
    if "logic" not in row:
        raise BundleError(f"{where}.logic: missing; a rule says what must be true")
    state = _optional(row, "state", where, lambda word, at: _word(word, State, at))
    if state not in (None, State.CHECK, State.FAIL):
        raise BundleError(f"{where}.state: CHECK or FAIL is expected")
    return Rule(
        identifier=_identifier(row, where),
        version=_version(row, where),
        on=_word(row.get("on"), On, f"{where}.on"),
        logic=row["logic"],
        when=row.get("when"),
        reason=_reason(
            row.get("reason", Reason.RULE_FAILED.value), f"{where}.reason", (State.FAIL, State.CHECK)
        ),
        state=state,
        texts=_texts(row.get("texts", {}), f"{where}.texts"),
        notes=_texts(row.get("notes", {}), f"{where}.notes"),
        values=MappingProxyType(_mapping(row.get("values", {}), f"{where}.values")),
        valid_from=_optional_instant(row, "valid_from", where),
        valid_to=_optional_instant(row, "valid_to", where),
        national=_optional(row, "national", where, _national),
    )


def _national(value: Any, where: str) -> National:
    row = _object(value, where, _NATIONAL)
    return National(
        country=_text(row, "country", where),
        certificate=_text(row, "certificate", where),
        invalidation=_flag(row, "invalidation", where),
        region=_text(row, "region", where),
        schema=_text(row, "schema", where),
        engine=_text(row, "engine", where),
        engine_version=_text(row, "engine_version", where),
    )


def _requirement(value: Any, where: str) -> Requirement:
    row = _object(value, where, _REQUIREMENT)
    branches = _each(row.get("any"), _branch, f"{where}.any")
    if not branches:
        raise BundleError(f"{where}.any: there is no way to meet it")
    return Requirement(
        identifier=_identifier(row, where),
        branches=branches,
        when=row.get("when"),
        texts=_texts(row.get("texts", {}), f"{where}.texts"),
        met=_each(row.get("met", []), _duty, f"{where}.met"),
        unmet=_each(row.get("unmet", []), _duty, f"{where}.unmet"),
    )


def _branch(value: Any, where: str) -> Branch:
    row = _object(value, where, _BRANCH)
    rules = _names(row.get("rules", []), f"{where}.rules")
    if not rules:
        raise BundleError(f"{where}.rules: a way that asks nothing would let everybody in")
    return Branch(
        identifier=_identifier(row, where),
        on=_word(row.get("on"), On, f"{where}.on"),
        rules=rules,
        when=row.get("when"),
        gives=_optional(row, "gives", where, lambda word, at: _reason(word, at, _GIVEN)),
        texts=_texts(row.get("texts", {}), f"{where}.texts"),
        notes=_texts(row.get("notes", {}), f"{where}.notes"),
        values=MappingProxyType(_mapping(row.get("values", {}), f"{where}.values")),
        duties=_each(row.get("duties", []), _duty, f"{where}.duties"),
    )


def _duty(value: Any, where: str) -> ConditionalDuty:
    row = _object(value, where, _DUTY)
    numbers: dict[str, int] = {}
    for name in ("days", "day", "within_hours"):
        number = row.get(name)
        if number is not None and (type(number) is not int or not 0 <= number <= 3660):
            raise BundleError(f"{where}.{name}: a whole number is expected, not {number!r}")
        if number is not None:
            numbers[name] = number
    return ConditionalDuty(
        Duty(_word(row.get("code"), DutyCode, f"{where}.code"), **numbers), row.get("when")
    )


def _scope(value: Any, where: str) -> Scope:
    row = _object(value, where, _SCOPE)
    journeys, profiles = row.get("journeys", []), row.get("profiles", [])
    for name, words, kind in (("journeys", journeys, Journey), ("profiles", profiles, Profile)):
        for word in _codes(words, f"{where}.{name}"):
            _word(word, kind, f"{where}.{name}")
    return Scope(
        _codes(row.get("countries", []), f"{where}.countries"), frozenset(journeys), frozenset(profiles)
    )


# --- Single members -----------------------------------------------------------------------------------------


def _object(value: Any, where: str, known: frozenset[str]) -> dict[str, Any]:
    row = _mapping(value, where)
    unknown = sorted(set(row) - known)
    if unknown:
        raise BundleError(f"{where}.{unknown[0]}: unknown member")
    return row


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BundleError(f"{where}: an object is expected")
    return value


def _each(value: Any, read: Callable[[Any, str], _T], where: str) -> tuple[_T, ...]:
    if not isinstance(value, list):
        raise BundleError(f"{where}: a list is expected")
    return tuple(read(each, f"{where}[{number}]") for number, each in enumerate(value))


def _optional(row: Mapping[str, Any], name: str, where: str, read: Callable[[Any, str], _T]) -> _T | None:
    return None if row.get(name) is None else read(row[name], f"{where}.{name}")


def _word(value: Any, kind: Callable[[Any], _T], where: str) -> _T:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)  # type: ignore[attr-defined]  # an enum
        raise BundleError(f"{where}: {value!r} is none of {known}") from None


def _reason(value: Any, where: str, states: tuple[State | None, ...]) -> Reason:
    """A reason whose usual state is one of these."""
    reason = _word(value, Reason, where)
    if CATALOGUE[reason].states[0] not in states:
        known = ", ".join("no state" if state is None else state.value for state in states)
        raise BundleError(f"{where}: {reason.value} is usually none of {known}")
    return reason


def _identifier(row: Mapping[str, Any], where: str) -> str:
    value = row.get("id")
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise BundleError(f"{where}.id: letters, digits, '.', '_' and '-' are expected")
    return value


def _version(row: Mapping[str, Any], where: str, name: str = "version") -> str:
    value = row.get(name)
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise BundleError(f"{where}.{name}: three numbers with dots are expected, as 1.0.0")
    return value


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise BundleError(f"{where}.{name}: a text is expected")
    return value


def _flag(row: Mapping[str, Any], name: str, where: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise BundleError(f"{where}.{name}: true or false is expected")
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(value) if _codes(value, where) else ()


def _texts(value: Any, where: str) -> Texts:
    texts = _mapping(value, where)
    for language, text in texts.items():
        if not _LANGUAGE.fullmatch(language) or not isinstance(text, str):
            raise BundleError(f"{where}: an object of texts by language is expected")
    return MappingProxyType(texts)


def _value_sets(value: Any, where: str) -> Mapping[str, ValueSet]:
    sets = _mapping(value, where)
    return MappingProxyType({name: _value_set(codes, f"{where}.{name}") for name, codes in sets.items()})


def _value_set(value: Any, where: str) -> ValueSet:
    if isinstance(value, dict):
        return MappingProxyType({code: _period(row, f"{where}.{code}") for code, row in value.items()})
    return value_set(_codes(value, where))


def value_set(codes: Iterable[str]) -> ValueSet:
    """A value set of codes that hold at any time."""
    return MappingProxyType(dict.fromkeys(sorted(codes), (None, None)))


def _period(value: Any, where: str) -> Period:
    row = _object(value, where, frozenset({"from", "until"}))
    begin, end = _optional(row, "from", where, _day), _optional(row, "until", where, _day)
    if begin is not None and end is not None and end < begin:
        raise BundleError(f"{where}.until: before from")
    return begin, end


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BundleError(f"{where}: a day such as 2022-03-15 is expected, not {value!r}") from None


def _codes(value: Any, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise BundleError(f"{where}: a list of codes is expected")
    return frozenset(value)


def _optional_instant(row: Mapping[str, Any], name: str, where: str) -> datetime | None:
    return _optional(row, name, where, _instant)


def _instant(value: Any, where: str) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BundleError(f"{where}: an instant with its offset is expected, not {value!r}") from None
    if instant.tzinfo is None:
        raise BundleError(f"{where}: the offset is missing; a rule's validity is absolute time")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise BundleError(f"{where}: {value!r} lies beyond the calendar in UTC") from None
