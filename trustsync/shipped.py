"""The rule bundles that come with this program, from their readable sources.

The rules this module keeps:

* A source is what people read and change; what is signed and judged by is made from it, the same each time.
* Rules and value sets that several bundles need stand once, in ``shared.json``; a source names what it uses.
* A name that is used and not there is an error with its place; nothing is left out.

    names()                                  # ("domestic", "eu-2022", "signature-only", "vn-2021-08", …)
    bundle("vn-2022-01").version             # "1.0.0"
    resolve({"use": {"rules": ["dose-known"]}, …}, shared)     # the same with that rule in it
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import BundleError, bundle_row, read_bundle

FOLDER = Path(__file__).parent / "bundles"
SHARED = "shared.json"  # beside the sources that use it


@cache
def names() -> tuple[str, ...]:
    """The names of all shipped bundles, sorted."""
    files = {path.stem for path in FOLDER.glob("*.json") if path.name != SHARED}
    return tuple(sorted(files | {SIGNATURE_ONLY.name}))


def source(name: str) -> dict[str, Any]:
    """The source of a shipped bundle, with what it uses merged in. Raises BundleError for another name."""
    if name == SIGNATURE_ONLY.name:
        return bundle_row(SIGNATURE_ONLY)
    if name not in names():
        raise BundleError(f"{name}: no bundle of this name is shipped; there are {', '.join(names())}")
    return resolve(parsed((FOLDER / f"{name}.json").read_bytes(), name), shared(), name)


@cache
def shared() -> Mapping[str, Any]:
    """What several shipped bundles use."""
    path = FOLDER / SHARED
    value: Mapping[str, Any] = parsed(path.read_bytes(), path.stem) if path.exists() else {}
    return value


@cache
def bundle(name: str) -> RuleBundle:
    """A shipped bundle, read once. Raises BundleError for another name."""
    return SIGNATURE_ONLY if name == SIGNATURE_ONLY.name else read_bundle(source(name), name)


def resolve(source: Mapping[str, Any], shared: Mapping[str, Any], where: str = "bundle") -> dict[str, Any]:
    """A source without its ``use``: the value sets and rules that it names stand in it.

    shared: ``{"value_sets": {id: …}, "rules": […]}``. Raises BundleError for what is not there, and for what
    the source has under the same name itself.
    """
    row = {name: member for name, member in source.items() if name != "use"}
    use = _object(source.get("use", {}), f"{where}.use")
    unknown = sorted(use.keys() - {"value_sets", "rules"})
    if unknown:
        raise BundleError(f"{where}.use.{unknown[0]}: unknown member; value_sets and rules can be used")
    sets = {**_object(shared.get("value_sets", {}), "shared.value_sets")}
    rules: dict[str, list[Any]] = {}
    for number, rule in enumerate(_list(shared.get("rules", []), "shared.rules")):
        identifier = _object(rule, f"shared.rules[{number}]").get("id")
        rules.setdefault(str(identifier), []).append(rule)
    own_sets = _object(row.get("value_sets", {}), f"{where}.value_sets")
    own_rules = _list(row.get("rules", []), f"{where}.rules")
    own = {rule.get("id") for rule in own_rules if isinstance(rule, dict)}
    taken_sets, taken_rules = {}, []
    for number, name in enumerate(_list(use.get("value_sets", []), f"{where}.use.value_sets")):
        taken_sets[name] = _taken(name, sets, own_sets, f"{where}.use.value_sets[{number}]")
    for number, name in enumerate(_list(use.get("rules", []), f"{where}.use.rules")):
        taken_rules += _taken(name, rules, own, f"{where}.use.rules[{number}]")
    if taken_sets or own_sets:
        row["value_sets"] = taken_sets | own_sets
    if taken_rules or own_rules:
        row["rules"] = taken_rules + own_rules
    return row


def _taken(name: Any, there: Mapping[str, Any], own: Any, where: str) -> Any:
    if not isinstance(name, str) or name not in there:
        raise BundleError(f"{where}: {name!r} is not shared; there are {', '.join(sorted(there)) or 'none'}")
    if name in own:
        raise BundleError(f"{where}: {name!r} stands in the bundle itself too; keep one of the two")
    return there[name]


def parsed(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object as people write it.

    Raises BundleError with line and column, or for a member that stands twice, of which one would be lost.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, value in pairs:
            if name in row:
                raise BundleError(f"{where}: the member {name!r} stands twice in one object")
            row[name] = value
        return row

    def no_number(word: str) -> Any:
        raise BundleError(f"{where}: {word} is no number of JSON")

    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise BundleError(
            f"{where}: no JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}: no JSON ({type(error).__name__})") from error
    return _object(value, where)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BundleError(f"{where}: an object is expected")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BundleError(f"{where}: a list is expected")
    return value
