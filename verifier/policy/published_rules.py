"""Rules and value sets as the gateways of the EU publish them, checked and made into rows of a bundle.

The rules this module keeps:

* A member that is not as the gateway demands, that is missing, or that nobody knows refuses the rule by its
  identifier and the member's name.
* Identifier, version, validity and logic are taken to the letter; logic that no engine can evaluate too.
* Codes of a value set that are marked inactive stay: certificates bear them.

    rule_row(published, "rule 1", "AT")                  # a row as read_bundle() takes it
    read_value_sets({"valueSetId": "covid-19-lab-result", "valueSetValues": {"260373001": {…}}})

Sources: dgc-gateway, ``validation-rule`` schema; EU value sets (eHealth Network).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from verifier.policy.bundle import On
from verifier.policy.bundle_json import BundleError, canonical
from verifier.policy.national import GENERAL

Raw = Mapping[str, Any]
Check = Callable[[Any, str], None]

_ON = {GENERAL: On.PERSON, "Vaccination": On.VACCINATION, "Test": On.TEST, "Recovery": On.RECOVERY}
_TYPES = ("Acceptance", "Invalidation")
_OPTIONAL = frozenset({"Region"})
_LEAST_DESCRIPTION = 20  # characters, as the gateway demands
_IDENTIFIER = re.compile(r"(?:GR|VR|TR|RR|IR)-[A-Z]{2}-\d{4}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_REGION = re.compile(r"[A-Z0-9]{0,5}", re.ASCII)
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}", re.ASCII)
_ENGINE = re.compile(r"[A-Z0-9_-]{1,32}", re.ASCII)
_LANGUAGE = re.compile(r"([a-z]{2})(?:-[A-Za-z]{2})?", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})", re.ASCII)

_VALUES = "valueSetValues"


def rule_row(raw: Any, place: str, country: str, *, recorded: bool = False) -> dict[str, Any]:
    """A published rule as a row of a bundle for arrivals in ``country``.

    place: names a rule that does not name itself. recorded: it comes from a line of cases, which does not
    repeat the description and the schema version. Raises BundleError.
    """
    members = _RECORDED if recorded else _PUBLISHED
    if not isinstance(raw, Mapping):
        raise BundleError(f"{place}: an object is expected")
    where = str(raw.get("Identifier", place))[:64]
    for member in raw:
        if member not in members:
            raise BundleError(f"{where}.{str(member)[:64]}: unknown member")
    for member, check in members.items():
        if member in raw:
            check(raw[member], f"{where}.{member}")
        elif member not in _OPTIONAL:
            raise BundleError(f"{where}.{member}: missing")
    invalidation = raw["Type"] == "Invalidation"
    if raw["Identifier"].startswith("IR-") is not invalidation:
        raise BundleError(f"{where}.Type: {raw['Type']} does not go with this identifier")
    if not invalidation and raw["Country"] != country:
        raise BundleError(
            f"{where}.Country: {raw['Country']}, but the bundle is for arrivals in {country}; "
            "import each country by itself"
        )
    if datetime.fromisoformat(raw["ValidTo"]) <= datetime.fromisoformat(raw["ValidFrom"]):
        raise BundleError(f"{where}.ValidTo: not after ValidFrom")
    return {
        "id": raw["Identifier"],
        "version": raw["Version"],
        "on": _ON[raw["CertificateType"]].value,
        "logic": raw["Logic"],
        "texts": _descriptions(raw.get("Description", [])),
        "valid_from": raw["ValidFrom"],
        "valid_to": raw["ValidTo"],
        "national": {
            "country": raw["Country"],
            "certificate": raw["CertificateType"],
            "invalidation": invalidation,
            "region": raw.get("Region") or "",
            "schema": raw.get("SchemaVersion", ""),
            "engine": raw["Engine"],
            "engine_version": raw["EngineVersion"],
        },
    }


# --- Members ------------------------------------------------------------------------------------------------


def _text(pattern: re.Pattern[str], expected: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise BundleError(f"{where}: {expected} is expected, not {str(value)[:64]!r}")

    return check


def _one_of(words: Iterable[str]) -> Check:
    known = tuple(words)

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in known:
            raise BundleError(f"{where}: {str(value)[:64]!r} is none of {', '.join(known)}")

    return check


def _instant(value: Any, where: str) -> None:
    _text(_INSTANT, "an instant with its offset and without a fraction")(value, where)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise BundleError(f"{where}: {value!r} is no instant of the calendar") from None


def _region(value: Any, where: str) -> None:
    if value is not None:
        _text(_REGION, "at most 5 capitals and digits")(value, where)


def _fields(value: Any, where: str) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise BundleError(f"{where}: a list of at least one path is expected")


def _description(value: Any, where: str) -> None:
    languages = set()
    for number, each in enumerate(value if isinstance(value, list) else []):
        if not isinstance(each, Mapping) or set(each) != {"lang", "desc"}:
            raise BundleError(f"{where}[{number}]: lang and desc are expected")
        _text(_LANGUAGE, "a language such as en")(each["lang"], f"{where}[{number}].lang")
        if not isinstance(each["desc"], str) or len(each["desc"]) < _LEAST_DESCRIPTION:
            raise BundleError(
                f"{where}[{number}].desc: at least {_LEAST_DESCRIPTION} characters are expected"
            )
        languages.add(each["lang"])
    if "en" not in languages:
        raise BundleError(f"{where}: a list with a text in English is expected")


def _descriptions(descriptions: Sequence[Raw]) -> dict[str, str]:
    """Texts by language; one of a country stands in where the language itself has none."""
    texts = {str(each["lang"])[:2]: each["desc"] for each in descriptions if len(each["lang"]) > 2}
    return texts | {each["lang"]: each["desc"] for each in descriptions if len(each["lang"]) == 2}


def _logic(value: Any, where: str) -> None:
    if not isinstance(value, Mapping):
        raise BundleError(f"{where}: an object is expected")
    try:
        canonical(value)
    except (ValueError, TypeError, RecursionError):
        raise BundleError(f"{where}: no JSON that can be signed") from None


# What a line of recorded cases says of its rule, and what a published rule says beside that.
_RECORDED: dict[str, Check] = {
    "Identifier": _text(_IDENTIFIER, "an identifier such as VR-AT-0001"),
    "Type": _one_of(_TYPES),
    "Country": _text(_COUNTRY, "a country of two capitals"),
    "Region": _region,
    "Version": _text(_VERSION, "three numbers with dots"),
    "Engine": _text(_ENGINE, "the name of an engine"),
    "EngineVersion": _text(_VERSION, "three numbers with dots"),
    "CertificateType": _one_of(_ON),
    "ValidFrom": _instant,
    "ValidTo": _instant,
    "AffectedFields": _fields,
    "Logic": _logic,
}
_PUBLISHED = _RECORDED | {
    "SchemaVersion": _text(_VERSION, "three numbers with dots"),
    "Description": _description,
}


# --- Value sets ---------------------------------------------------------------------------------------------


def read_value_sets(value: Any) -> dict[str, list[str]]:
    """Codes by the set's id, from value sets as published, objects of codes by id, or lists of either.

    Raises BundleError with the set that cannot be read.
    """
    sets: dict[str, list[str]] = {}
    for number, each in enumerate(_one_by_one(value), 1):
        name, codes = each.get("valueSetId"), each.get(_VALUES)
        if not isinstance(name, str) or not name:
            raise BundleError(f"value set {number}.valueSetId: a text is expected")
        if not isinstance(codes, (list, Mapping)) or not all(isinstance(code, str) for code in codes):
            raise BundleError(f"value set {name}.{_VALUES}: codes are expected")
        if name in sets:
            raise BundleError(f"value set {name}: it stands there twice")
        sets[name] = sorted(set(codes))
    return sets


def _one_by_one(value: Any) -> Iterator[Raw]:
    """Value sets in the published form."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, Mapping):
            raise BundleError("value sets: an object is expected")
        if "valueSetId" in each or _VALUES in each:
            yield each
            continue
        for name, held in each.items():
            published = isinstance(held, Mapping) and "valueSetId" in held
            yield held if published else {"valueSetId": name, _VALUES: held}
