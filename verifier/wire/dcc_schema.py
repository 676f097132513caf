"""Whether a DCC payload conforms to the schema of its own version: a report, never a verdict.

The published schemas differ in a handful of facts from version to version. This module holds those facts as
a table and checks a payload against them; a result tells integrators which member breaks which rule. The
schemas' ``format`` words (date, date-time) are annotations that assert nothing, here as in JSON Schema: what
a date really says is judged where it is read.

    problems(document)      # () or the paths that do not conform
    conforms(document)      # True: valid by its version, and one kind of event

Source: the EU DCC schemas 1.0.0, 1.0.1, 1.1.0, 1.2.0, 1.2.1, 1.3.0, 1.3.2 and 1.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cbor2

_DIGITS = re.compile(r"^\d{1,6}\.\d{1,6}\.\d{1,6}$", re.ASCII)
_ICAO = re.compile(r"^[A-Z<]*$")
_COUNTRY = re.compile(r"[A-Z]{1,10}")


@dataclass(frozen=True, slots=True)
class _Edition:
    """What changes between versions. Lengths in characters, as JSON Schema counts them."""

    birth: re.Pattern[str]
    name_length: int = 50
    text_length: int = 50
    device_name_length: int | None = None
    most_doses: int | None = 9
    centre_required: bool = True
    one_event: bool = False
    given_name_suffices: bool = False
    result_time: bool = False


_V100 = _Edition(birth=re.compile(r"(19|20)\d{2}-\d{2}-\d{2}", re.ASCII), result_time=True)
_V110 = replace(_V100, birth=re.compile(r"^(19|20)\d\d(-\d\d){0,2}$", re.ASCII))
_V120 = replace(_V110, result_time=False)
_V130 = replace(
    _V120,
    birth=re.compile(r"^((19|20)\d\d(-\d\d){0,2}){0,1}$", re.ASCII),
    name_length=80,
    text_length=80,
    device_name_length=80,
    most_doses=None,
    centre_required=False,
    one_event=True,
)
_V132 = replace(_V130, given_name_suffices=True)
_EDITIONS: tuple[tuple[tuple[int, int, int], _Edition], ...] = (
    ((1, 3, 2), _V132),
    ((1, 3, 0), _V130),
    ((1, 2, 0), _V120),
    ((1, 1, 0), _V110),
    ((0, 0, 0), _V100),
)


def conforms(document: Any) -> bool:
    """Whether the payload is valid by the schema of its own version and holds one kind of event."""
    if not isinstance(document, Mapping) or sum(name in document for name in "vtr") != 1:
        return False
    return next(_all_problems(document), None) is None


def problems(document: Any) -> tuple[str, ...]:
    """The paths of a payload that break its version's schema, each with the rule in a few words."""
    return tuple(_all_problems(document))


def _all_problems(document: Any) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield "payload: not an object"
        return
    version = document.get("ver")
    if not isinstance(version, str) or not _DIGITS.search(version):
        yield "ver: three numbers with dots are expected"
        return
    yield from _problems(document, _edition(version))


def _edition(version: str) -> _Edition:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return next(edition for since, edition in _EDITIONS if numbers >= since)


def _problems(document: Mapping[str, Any], edition: _Edition) -> Iterator[str]:
    if "dob" not in document:
        yield "dob: missing"
    else:
        yield from _check("dob", document["dob"], lambda value: _birth(value, edition))
    if "nam" not in document:
        yield "nam: missing"
    else:
        yield from _name(document["nam"], edition)
    present = [name for name in ("v", "t", "r") if name in document]
    if edition.one_event and len(present) != 1:
        yield f"v, t, r: exactly one is expected, {len(present)} are there"
    for name in present:
        entries = document[name]
        if not isinstance(entries, list) or not entries or (edition.one_event and len(entries) > 1):
            yield f"{name}: a list of one entry is expected"
            continue
        for number, entry in enumerate(entries):
            yield from _entry(entry, f"{name}[{number}]", _fields(name, edition))


def _name(value: Any, edition: _Edition) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield "nam: not an object"
        return
    if "fnt" not in value and not (edition.given_name_suffices and "gnt" in value):
        yield "nam.fnt: missing"
    for key in ("fn", "gn"):
        if key in value:
            yield from _check(f"nam.{key}", value[key], _text(edition.name_length))
    for key in ("fnt", "gnt"):
        if key in value:
            yield from _check(f"nam.{key}", value[key], _text(edition.name_length, _ICAO))


_Rule = Callable[[Any], str | None]


def _fields(event: str, edition: _Edition) -> tuple[tuple[str, bool, _Rule], ...]:
    """Member, whether it is required, and its rule."""
    short = _text(edition.text_length)
    common = (
        ("tg", True, _text()),
        ("co", True, _text(None, _COUNTRY)),
        ("is", True, short),
        ("ci", True, short),
    )
    if event == "v":
        texts = tuple((name, True, _text()) for name in ("vp", "mp", "ma"))
        doses = tuple((name, True, _dose(edition.most_doses)) for name in ("dn", "sd"))
        return (*common, *texts, *doses, ("dt", True, _text()))
    if event == "r":
        return (*common, *((name, True, _text()) for name in ("fr", "df", "du")))
    result_time: tuple[tuple[str, bool, _Rule], ...] = (
        (("dr", False, _text()),) if edition.result_time else ()
    )
    return (
        *common,
        ("tt", True, _text()),
        ("nm", False, _text(edition.device_name_length)),
        ("ma", False, _text()),
        ("sc", True, _text()),
        ("tr", True, _text()),
        ("tc", edition.centre_required, short),
        *result_time,
    )


def _entry(entry: Any, where: str, fields: tuple[tuple[str, bool, _Rule], ...]) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield f"{where}: not an object"
        return
    for name, required, rule in fields:
        if name in entry:
            yield from _check(f"{where}.{name}", entry[name], rule)
        elif required:
            yield f"{where}.{name}: missing"


def _check(where: str, value: Any, rule: _Rule) -> Iterator[str]:
    wrong = rule(value.value if isinstance(value, cbor2.CBORTag) and value.tag == 0 else value)
    if wrong:
        yield f"{where}: {wrong}"


def _text(length: int | None = None, pattern: re.Pattern[str] | None = None) -> _Rule:
    def rule(value: Any) -> str | None:
        if not isinstance(value, str):
            return "not a text"
        if length is not None and len(value) > length:
            return f"longer than {length}"
        if pattern is not None and not pattern.search(value):
            return "characters that do not belong there"
        return None

    return rule


def _dose(most: int | None) -> _Rule:
    def rule(value: Any) -> str | None:
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if not whole or value < 1 or (most is not None and value > most):
            return f"not a whole number from 1 to {most or 'any'}"
        return None

    return rule


def _birth(value: Any, edition: _Edition) -> str | None:
    if not isinstance(value, str) or not edition.birth.search(value):
        return "not a birth date of this version's form"
    return None
