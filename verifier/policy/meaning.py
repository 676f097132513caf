"""What values mean to a rule: whether one is true, whether two are the same, how one is written.

The rules this module keeps:

* Falsy are false, null, "", 0, [] and {}; a date-time, a day and a span of them are neither truthy nor falsy;
  what is not known is neither known to be truthy nor to be falsy.
* Nothing is converted: 1 is not "1", and true is not 1, though Python thinks so. 1.0 is 1, as JSON has one
  kind of number.
* Arrays and objects are compared by what they hold, as JSON has no references. That costs work, and work is
  bounded.

    truth("0"), truth([]), truth(instant)              # True, False, None
    same(1, True, run), same(1, 1.0, run)              # False, True
    plain([date(2022, 3, 15)])                         # ["2022-03-15"]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from verifier.policy.jsdates import written_as_javascript
from verifier.policy.language import EvaluationError, Run
from verifier.policy.values import Span, Unknown

_MOST_WRITTEN = 100_000  # values in one answer: a rule can hold a list twice in itself, and so on
_DEEPEST_WRITTEN = 200


def truth(value: Any) -> bool | Unknown | None:
    """Whether a value counts as true: ``Unknown`` when that is not known, ``None`` when it is neither."""
    if value is True or value is False:
        return value
    if value is None:
        return False
    if type(value) is dict or isinstance(value, (str, int, float, list, dict, tuple, Mapping)):
        return bool(value)
    return value if isinstance(value, Unknown) else None


def same(left: Any, right: Any, run: Run) -> bool:
    """Strict equality. Raises EvaluationError for what is neither JSON nor a date, and past the bound."""
    if type(left) is str and type(right) is str:  # nearly all that rules compare
        return left == right
    if left is None or isinstance(left, bool) or right is None or isinstance(right, bool):
        return left is right
    if isinstance(left, str):
        return isinstance(right, str) and left == right
    if isinstance(left, (int, float)):
        return isinstance(right, (int, float)) and left == right
    if isinstance(left, (list, tuple, dict)):
        return _same_inside(left, right, run)
    if isinstance(left, date):
        return type(left) is type(right) and bool(left == right)
    raise EvaluationError("what is not known or lies between two bounds cannot be compared inside a list")


def _same_inside(left: Any, right: Any, run: Run) -> bool:
    """Without recursion, so that values may be nested as deep as they like."""
    pairs = [(left, right)]
    while pairs:
        run.spend(1)
        a, b = pairs.pop()
        if isinstance(a, (list, tuple)):
            if not isinstance(b, (list, tuple)) or len(a) != len(b):
                return False
            pairs += zip(a, b, strict=True)
        elif isinstance(a, dict):
            if not isinstance(b, dict) or a.keys() != b.keys():
                return False
            pairs += ((value, b[name]) for name, value in a.items())
        elif not same(a, b, run):
            return False
    return True


def among(value: Any, items: list[Any] | tuple[Any, ...], run: Run) -> bool:
    """Whether an array has ``value`` as an item, by strict equality."""
    run.spend(len(items) // 8)  # a text is looked for much faster than a node is evaluated
    if type(value) is str:
        return value in items  # of texts, Python's equality is strict
    return any(same(value, item, run) for item in items)


def plain(value: Any) -> Any:
    """A value as JSON has it: date-times as JavaScript writes them, days as YYYY-MM-DD.

    What is not known is ``{"unknown": cause}``; what lies between two bounds also bears ``earliest`` and
    ``latest``. Raises EvaluationError for an answer that JSON cannot hold, or that is larger than an answer
    may be.
    """
    return _Writer().write(value, 0)


class _Writer:
    """Counts what it writes."""

    def __init__(self) -> None:
        self._left = _MOST_WRITTEN

    def write(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST_WRITTEN:
            raise EvaluationError(
                f"the answer is too large: over {_MOST_WRITTEN} values, or nested over {_DEEPEST_WRITTEN}"
            )
        match value:
            case None | bool() | str() | int():
                return value
            case float():
                if not math.isfinite(value):
                    raise EvaluationError("the answer is no number of JSON")
                return value
            case datetime():
                return written_as_javascript(value)
            case date():
                return value.isoformat()
            case Unknown():
                return {"unknown": value.cause.value}
            case Span():
                return {
                    "unknown": value.cause.value,
                    "earliest": self.write(value.earliest, depth),
                    "latest": self.write(value.latest, depth),
                }
            case list() | tuple():
                items = []
                for item in value:
                    items.append(self.write(item, depth + 1))
                return items
            case Mapping():
                members = {}
                for name, member in value.items():
                    members[name] = self.write(member, depth + 1)
                return members
        raise EvaluationError("the answer is no value of JSON")
