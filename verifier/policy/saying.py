"""Values of a rule as people read them, in the desk's zone.

The rules this module keeps:

* A day is 01/03/2022, an instant 08:00 20/03/2022 with its zone; what is not known says so.
* A value that cannot be told is not known, and never another one: what a document writes is told as it
  stands, even where it looks like the place of another value.
* Any value of any rule is told within bounds, since a rule can compute one without end.

    said({"en": "valid from {first}"}, {"first": logic}, tree, zone)     # {"en": "valid from 01/03/2022"}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, tzinfo
from typing import Any

from verifier.policy.certlogic import EvaluationError
from verifier.policy.values import FAR_AHEAD, LONG_AGO, Span, Unknown

MAX_TEXT = 200  # characters of one value
MAX_ITEMS = 12  # of a list
MAX_BITS = 256  # of a number; no certificate means a larger one
_UNKNOWN = {"vi": "chưa rõ", "en": "not known"}
_BOOLEAN = {"vi": ("không", "có"), "en": ("no", "yes")}
_PLACE = re.compile(r"\{([^{}]*)\}")


def said(
    notes: Mapping[str, str], values: Mapping[str, Callable[[Any], Any]], tree: Any, zone: tzinfo
) -> Mapping[str, str] | None:
    """The notes with their values filled in, by language; ``None`` where there is no note."""
    if not notes:
        return None
    found = evaluated(values, tree)

    def filled(text: str, language: str) -> str:
        words = {name: told(value, language, zone) for name, value in found.items()}
        return _PLACE.sub(lambda place: words.get(place[1], place[0]), text)

    return {language: filled(text, language) for language, text in notes.items()}


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
    """One value as people read it, of at most ``MAX_TEXT`` characters; an object, or a list of lists, has no
    words.
    """
    match value:
        case bool():
            return _BOOLEAN.get(language, _BOOLEAN["en"])[value]
        case Span():
            return f"{_bound(value.earliest, language, zone)} – {_bound(value.latest, language, zone)}"
        case datetime():
            return _instant(value, zone)
        case date():
            return f"{value:%d/%m/%Y}"
        case int() if value.bit_length() > MAX_BITS:
            words = ""
        case str() | int() | float():
            words = _short("".join(filter(str.isprintable, str(value))))
        case list() if not any(isinstance(each, list | Mapping) for each in value[:MAX_ITEMS]):
            more = ", …" if len(value) > MAX_ITEMS else ""
            words = _short(", ".join(told(each, language, zone) for each in value[:MAX_ITEMS]) + more)
        case _:
            words = ""
    return words or _UNKNOWN.get(language, _UNKNOWN["en"])


def _bound(value: date, language: str, zone: tzinfo) -> str:
    return "…" if not LONG_AGO.year < value.year < FAR_AHEAD.year else told(value, language, zone)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _instant(value: datetime, zone: tzinfo) -> str:
    with suppress(
        OverflowError
    ):  # outside the desk's calendar it is told by the clock that it was written by
        value = value.astimezone(zone)
    offset = f"{value:%z}"
    return f"{value:%H:%M %d/%m/%Y} (UTC{offset[:3]}:{offset[3:5]})"
