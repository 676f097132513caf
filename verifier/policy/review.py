"""What is wrong with a bundle before anybody signs it: each problem with its place.

The rules this module keeps:

* All that is wrong is named, not the first of it; a rule is named by its identifier and the path within.
* Wrong is what would judge otherwise than its author meant: an expression that has no answer, a member or a
  value set that is not there, a rule that nobody asks. What only reads badly is a warning.
* Here a bundle is the JSON object that people write; one that cannot even be read is reviewed as far as it
  goes.

    for problem in review({"name": "vn-2022-06", "rules": […], …}):
        problem.path, problem.rule, problem.message       # "rules[2].logic.before[0]", "dose-14-days", "…"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.countries import alpha2
from verifier.policy.bundle import Asks, On
from verifier.policy.bundle_json import BundleError, read_bundle
from verifier.policy.language import Dialect
from verifier.policy.members import MEMBERS, ROOTS, paths_of
from verifier.policy.validation import issues

_SETS = frozenset({"listed", "since"})  # operators that name a value set
_NATIONAL_SETS = "external.valueSets."
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LANGUAGES = {"vi": "Vietnamese", "en": "English"}


@dataclass(frozen=True, slots=True)
class Problem:
    """path: the place within the bundle. rule: whose problem it is, or empty. warning: whether the bundle can
    be used as it is.
    """

    path: str
    message: str
    rule: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """An expression with its place; on: what it looks at."""

    path: str
    expression: Any
    on: On
    rule: str = ""


def review(row: Mapping[str, Any]) -> list[Problem]:
    """All problems of a bundle, those of single members before those of the whole. Never raises."""
    national = row.get("asks") == Asks.NATIONAL
    found: list[Problem] = []
    try:
        read_bundle(row, "")
    except BundleError as error:
        path, _, message = str(error).partition(": ")
        found.append(Problem(path.removeprefix("."), message))
    except RecursionError:
        found.append(Problem("", "nested too deep to be read"))
    asked = list(_expressions(row))
    for each in asked:
        found += _of_expression(each, row, national and each.rule != "")
    if not national:
        found += _unasked(row)
    found += _of_sets(row, asked)
    found += _of_codes(row)
    found += _of_texts(row)
    if row.get("asks") != Asks.SIGNATURE and not row.get("tests"):
        found.append(
            Problem("tests", "there are none; a bundle brings cases that show what it means", "", True)
        )
    return list(dict.fromkeys(found))


# --- Where expressions stand --------------------------------------------------------------------------------


def _expressions(row: Mapping[str, Any]) -> Iterator[_Asked]:
    for path, rule in _rows(row, "rules"):
        on, name = _on(rule), _name(rule)
        if "logic" in rule:
            yield _Asked(f"{path}.logic", rule["logic"], on, name)
        yield from _conditions(rule, path, on, name)
    for path, requirement in _rows(row, "requirements"):
        name = ""
        yield from _conditions(requirement, path, On.PERSON, name)
        for member in ("met", "unmet"):
            yield from _duties(requirement, path, member, On.PERSON)
        for inner, branch in _rows(requirement, "any", path):
            yield from _conditions(branch, inner, _on(branch), name)
            yield from _duties(branch, inner, "duties", _on(branch))
    yield from _duties(row, "", "duties", On.PERSON)


def _conditions(row: Mapping[str, Any], path: str, on: On, name: str) -> Iterator[_Asked]:
    if row.get("when") is not None:
        yield _Asked(f"{path}.when", row["when"], on, name)
    values = row.get("values")
    if isinstance(values, Mapping):
        for value, expression in values.items():
            yield _Asked(f"{path}.values.{value}", expression, on, name)


def _duties(row: Mapping[str, Any], path: str, member: str, on: On) -> Iterator[_Asked]:
    for inner, duty in _rows(row, member, path):
        yield from _conditions(duty, inner, on, "")


def _rows(row: Mapping[str, Any], member: str, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    rows = row.get(member)
    for number, each in enumerate(rows if isinstance(rows, list) else []):
        if isinstance(each, Mapping):
            yield f"{path}.{member}[{number}]".removeprefix("."), each


def _on(row: Mapping[str, Any]) -> On:
    word = row.get("on")
    return On(word) if isinstance(word, str) and word in set(On) else On.PERSON


def _name(rule: Mapping[str, Any]) -> str:
    identifier = rule.get("id")
    return identifier if isinstance(identifier, str) else ""


# --- One expression -----------------------------------------------------------------------------------------


def _of_expression(asked: _Asked, row: Mapping[str, Any], national: bool) -> Iterator[Problem]:
    dialect = Dialect.CERTLOGIC if national else Dialect.OWN
    for issue in issues(asked.expression, dialect):
        yield Problem(asked.path + issue.path.removeprefix("$"), issue.message, asked.rule)
    is_question = asked.path.endswith((".logic", ".when")) and ".values." not in asked.path
    if is_question and not isinstance(asked.expression, bool | Mapping):
        yield Problem(asked.path, "it never answers true or false; an operator is expected", asked.rule)
    try:
        named = _sets_of(asked.expression)
        paths = paths_of(asked.expression)
    except RecursionError:
        return  # its depth is told above
    there = row.get("value_sets")
    for name in named:
        if not isinstance(there, Mapping) or name not in there:
            yield Problem(asked.path, f"the value set {name!r} is not in the bundle", asked.rule)
    if not national:
        for path in paths:
            complaint = _of_path(path, asked.on)
            if complaint:
                yield Problem(asked.path, complaint, asked.rule)


def _of_path(path: str, on: On) -> str:
    if path in ROOTS or path.startswith("valueSets."):
        return ""
    member = MEMBERS.get(path)
    if member is None:
        return f"there is no member {path!r} in the data of rules"
    if on is On.PERSON and path.startswith(("event.", "certificate.")):
        return f"{path!r} is of an event, and nothing is looked at here but the person and the journey"
    if member.on and on is not On.PERSON and on not in member.on:
        return f"{path!r} is no member of a {on.value}"
    return ""


def _sets_of(expression: Any) -> list[str]:
    """The value sets that an expression names, by our operators or as national rules do."""
    named: list[str] = []
    ahead = [expression]
    while ahead:
        node = ahead.pop(0)
        if isinstance(node, list):
            ahead += node
        elif isinstance(node, Mapping):
            for operator, operands in node.items():
                if operator in _SETS and isinstance(operands, list) and len(operands) > 1:
                    named += [operands[1]] if isinstance(operands[1], str) else []
                if operator == "var" and isinstance(operands, str) and operands.startswith(_NATIONAL_SETS):
                    named.append(operands.removeprefix(_NATIONAL_SETS))
                ahead.append(operands)
    return list(dict.fromkeys(named))


# --- The whole ----------------------------------------------------------------------------------------------


def _unasked(row: Mapping[str, Any]) -> Iterator[Problem]:
    asked = set(_texts_in(row.get("always")))
    for _, requirement in _rows(row, "requirements"):
        for _, branch in _rows(requirement, "any"):
            asked.update(_texts_in(branch.get("rules")))
    for path, rule in _rows(row, "rules"):
        if _name(rule) not in asked:
            yield Problem(
                path, "no requirement asks for it, and it is not among those always asked", _name(rule)
            )


def _of_sets(row: Mapping[str, Any], asked: Sequence[_Asked]) -> Iterator[Problem]:
    sets = row.get("value_sets")
    used = {name for each in asked for name in _sets_of(each.expression)}
    for name, codes in sets.items() if isinstance(sets, Mapping) else ():
        if name not in used and row.get("asks") != Asks.NATIONAL:
            yield Problem(f"value_sets.{name}", "no rule asks for it", "", True)
        if not codes:
            yield Problem(f"value_sets.{name}", "it holds no code, so nothing is listed in it", "", True)


def _of_codes(row: Mapping[str, Any]) -> Iterator[Problem]:
    """Codes that no journey and no certificate has: the bundle would speak of nobody."""
    scope = row.get("scope")
    countries = _texts_in(scope.get("countries")) if isinstance(scope, Mapping) else []
    for number, code in enumerate(countries):
        if alpha2(code) != code:
            message = f"{code!r} is no country of two letters, as VN; the rules would be asked of nobody"
            yield Problem(f"scope.countries[{number}]", message)
    for number, code in enumerate(_texts_in(row.get("diseases"))):
        if not (code.isascii() and code.isdigit()):
            message = f"{code!r} is no SNOMED CT code, as 840539006; every certificate would be DISEASE_OTHER"
            yield Problem(f"diseases[{number}]", message)


def _of_texts(row: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _of_text(row, "texts", "", "")
    for path, rule in _rows(row, "rules"):
        yield from _of_text(rule, "texts", path, _name(rule))
        yield from _of_notes(rule, path, _name(rule))
    for path, requirement in _rows(row, "requirements"):
        yield from _of_text(requirement, "texts", path, "")
        for inner, branch in _rows(requirement, "any", path):
            yield from _of_text(branch, "texts", inner, "")
            yield from _of_notes(branch, inner, "")


def _of_text(row: Mapping[str, Any], member: str, path: str, rule: str) -> Iterator[Problem]:
    texts = row.get(member)
    there = texts if isinstance(texts, Mapping) else {}
    place = f"{path}.{member}".removeprefix(".")
    if not any(there.values()):
        yield Problem(place, "there is no text; the identifier is shown", rule, True)
        return
    for language, name in _LANGUAGES.items():
        if not there.get(language):
            yield Problem(place, f"no {name} text ({language}); another is shown with a mark", rule, True)


def _of_notes(row: Mapping[str, Any], path: str, rule: str) -> Iterator[Problem]:
    notes, values = row.get("notes"), row.get("values")
    if not isinstance(notes, Mapping) or not notes:
        return
    yield from _of_text(row, "notes", path, rule)
    known = values if isinstance(values, Mapping) else {}
    for language, text in notes.items():
        for name in _PLACEHOLDER.findall(text) if isinstance(text, str) else ():
            if name not in known:
                place = f"{path}.notes.{language}"
                yield Problem(place, f"{{{name}}} is none of the values that stand beside it", rule)


def _texts_in(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
