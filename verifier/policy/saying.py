"""Values of a rule as people read them, in the desk's zone.

The rules this module keeps:

* A day is 01/03/2022, an instant 08:00 20/03/2022 with its zone; what is not known says so.
* A note whose values cannot be told is said without them or not at all, never with a wrong one.

    said({"en": "valid from {first_day}"}, {"first_day": logic}, tree, zone)   # {"en": "valid from 01/03/2022"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from verifier.policy.certlogic import EvaluationError
from verifier.policy.values import Span, Unknown

_UNKNOWN = {"vi": "chưa rõ", "en": "not known"}
_BOOLEAN = {"vi": ("không", "có"), "en": ("no", "yes")}


def said(
    notes: Mapping[str, str], values: Mapping[str, Callable[[Any], Any]], tree: Any, zone: tzinfo
) -> Mapping[str, str] | None:
    """The notes with their values filled in, by language; ``None`` where there is no note."""
    if not notes:
        return None
    found = evaluated(values, tree)
    return {
        language: _filled(text, {name: told(value, language, zone) for name, value in found.items()})
        for language, text in notes.items()
    }


def evaluated(values: Mapping[str, Callable[[Any], Any]], tree: Any) -> dict[str, Any]:
    """The named values; one that raises is unknown."""
    found: dict[str, Any] = {}
    for name, logic in values.items():
        try:
            found[name] = logic(tree)
        except EvaluationError:
            found[name] = Unknown()
    return found


def told(value: Any, language: str, zone: tzinfo) -> str:
    """One value as people read it."""
    match value:
        case None | "" | Unknown():
            return _UNKNOWN.get(language, _UNKNOWN["en"])
        case bool():
            return _BOOLEAN.get(language, _BOOLEAN["en"])[value]
        case Span():
            return f"{told(value.earliest, language, zone)} – {told(value.latest, language, zone)}"
        case datetime():
            local = value.astimezone(zone)
            offset = f"{local:%z}"
            return f"{local:%H:%M %d/%m/%Y} (UTC{offset[:3]}:{offset[3:5]})"
        case date():
            return f"{value:%d/%m/%Y}"
        case list():
            return ", ".join(told(each, language, zone) for each in value)
        case _:
            return str(value)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text
