"""The journey as JSON says it: from the desk's page, from a command's option, from a bundle's own tests.

The rules this module keeps:

* A member that is unknown or wrong is named; nothing is skipped and nothing guessed.
* An instant has its offset; a journey's length is a number of hours.
* Who stands here is no part of it: a travel document is read by its own reader.

    read_context({"mode": "air", "departure": "2022-03-23T08:00:00+07:00"})
    read_context({"journey": "transit", "airside": 6}, context)    # the same, one thing told anew
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from verifier.countries import alpha2
from verifier.policy.context import Context, Journey, Mode, Paper, Profile

MAX_TEXT = 64
_MOST_HOURS = 24 * 60


class ContextError(ValueError):
    """A journey cannot be read; the message names the member and what is expected, never what was given."""


def read_context(value: Any, context: Context | None = None) -> Context:
    """The journey that a JSON object tells; what it does not say stays as in ``context``.

    Raises ContextError.
    """
    if not isinstance(value, Mapping):
        raise ContextError("journey: an object is expected")
    unknown = sorted(set(value) - _READERS.keys())
    if unknown:
        known = ", ".join(sorted(_READERS))
        raise ContextError(f"journey.{unknown[0]}: unknown; there are {known}")
    return replace(context or Context(), **{name: _READERS[name](value[name], name) for name in value})


def context_row(context: Context) -> dict[str, Any]:
    """The journey as JSON; what nobody has said is left out."""
    row: dict[str, Any] = {}
    for each in fields(Context):
        value = getattr(context, each.name)
        if each.name == "traveller" or value in (None, ""):
            continue
        match value:
            case datetime():
                row[each.name] = value.isoformat()
            case timedelta():
                row[each.name] = value / timedelta(hours=1)
            case Paper():
                row[each.name] = {"kind": value.kind, "country": value.country}
            case _:
                row[each.name] = value
    return row


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ContextError(f"journey.{name}: a short text is expected")
    return value.strip()


def _country(value: Any, name: str) -> str:
    if value == "":
        return ""
    code = alpha2(value) if isinstance(value, str) else None
    if code is None:
        raise ContextError(f"journey.{name}: a country's two or three letters are expected, as VN")
    return code


def _word(kind: Callable[[Any], Any], *, optional: bool = False) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if optional and value in (None, ""):
            return None
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(each.value for each in kind)  # type: ignore[attr-defined]  # an enum
            raise ContextError(f"journey.{name}: one of {known} is expected") from None

    return read


def _instant(value: Any, name: str) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None or not 1900 <= instant.year < 2999:
        raise ContextError(
            f"journey.{name}: an instant with its offset is expected, as 2022-03-23T08:00:00+07:00"
        )
    return instant


def _hours(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= _MOST_HOURS:
        raise ContextError(f"journey.{name}: hours from 0 to {_MOST_HOURS} are expected")
    return float(value)


def _longest(value: Any, name: str) -> timedelta | None:
    hours = _hours(value, name)
    return None if hours is None else timedelta(hours=hours)


def _airside(value: Any, name: str) -> int | None:
    hours = _hours(value, name)
    if hours is not None and not hours.is_integer():
        raise ContextError(f"journey.{name}: whole hours are expected")
    return None if hours is None else int(hours)


def _paper(value: Any, name: str) -> Paper | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) - {"kind", "country"} or not value.get("kind"):
        raise ContextError(f"journey.{name}: a paper's kind and country are expected")
    return Paper(_text(value["kind"], f"{name}.kind"), _country(value.get("country", ""), f"{name}.country"))


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "profile": _word(Profile),
    "journey": _word(Journey),
    "country": _country,
    "mode": _word(Mode, optional=True),
    "arrival": _instant,
    "departure": _instant,
    "longest": _longest,
    "flight": _text,
    "origin": _country,
    "area": _text,
    "role": _text,
    "paper": _paper,
    "airside": _airside,
    "post": _text,
}
