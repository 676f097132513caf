"""JSON read as I-JSON (RFC 7493), strictly: what two readers could understand differently is refused.

The rules this module keeps:

* A member named twice, NaN, an infinity, an unpaired surrogate or a byte that is no UTF-8 is malformed.
* Integers lie within ±(2^53 - 1): beyond, two readers see two numbers.
* Size and depth have limits, so that a hostile text costs little.

    value = decode(text, "vds-nc")           # raises MalformedError
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from verifier.reasons import Reason
from verifier.wire.errors import MalformedError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1
# possessive and with an optional end: an endless text is looked at once, not from each of its quotes
_TEXTS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_SURROGATE = re.compile(r"\\u[dD]")


def decode(data: str | bytes, layer: str, *, most: int = MAX_BYTES) -> Any:
    """The value of a JSON text.

    layer: named in errors. most: bytes of JSON that are read. Raises MalformedError; beyond a limit its
    reason is ``TOO_BIG``.
    """
    if len(data) > most:
        raise MalformedError(layer, f"more than {most} bytes of JSON", Reason.TOO_BIG)
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(layer, "not UTF-8") from None
    _check_depth(text, layer)
    try:
        value = _DECODER.decode(text)
    except _RefusedError as error:
        raise MalformedError(layer, str(error)) from None
    except (ValueError, RecursionError):
        raise MalformedError(layer, "not JSON") from None
    if _may_hold_surrogates(text):
        _check_texts(value, layer)
    return value


class _RefusedError(Exception):
    """JSON that is well-formed and still not read; no ValueError, so that it keeps its own words."""


def _check_depth(text: str, layer: str) -> None:
    """Brackets outside texts, counted before the reader recurses into them."""
    # where no quote is an escaped one, every second piece between quotes is a text
    plain = "\\" not in text and len(text) <= MAX_BYTES  # pieces take more memory than what they are of
    outside = "".join(text.split('"')[::2]) if plain else _TEXTS.sub("", text)
    depth = 0
    for bracket in _BRACKETS.findall(outside):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedError(layer, f"nested deeper than {MAX_DEPTH}", Reason.TOO_BIG)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _RefusedError("a member stands twice in one object")
    return value


def _constant(_word: str) -> Any:
    raise _RefusedError("NaN or an infinity, which are no JSON numbers")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise _RefusedError("an integer beyond 2^53")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _RefusedError("a number beyond what JSON readers hold")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


def _may_hold_surrogates(text: str) -> bool:
    """Whether there are any, paired or not, as they stand or as escapes: in nearly no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return _SURROGATE.search(text) is not None


def _check_texts(value: Any, layer: str) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedError(layer, "an unpaired surrogate in a text") from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name, layer)
            _check_texts(member, layer)
    elif isinstance(value, list):
        for member in value:
            _check_texts(member, layer)
