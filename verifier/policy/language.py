"""The rule language: its words and its bounds.

The rules this module keeps:

* There is one language in two dialects. What a country publishes is CertLogic and nothing else; our own rules
  have a few operators more, and values that are not known.
* A rule is bounded before it runs (nesting, size) and while it runs (work), so a hostile one costs little.
* What is wrong with a rule is said without any value of the data, because errors are logged.

    COUNTS[Dialect.CERTLOGIC]["plusTime"]         # Count(3, 3)
    Run().spend(10)                               # raises EvaluationError when a rule works too long

Source: CertLogic specification 1.3.3 of the EU Digital COVID Certificate business rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_DEPTH = 64  # operations and arrays within each other
MAX_NODES = 10_000  # expressions in one rule; a path is one, and one more for each step beyond the fourth
MAX_LATER = 2_000  # operands of one rule that are evaluated later, again or not at all
MAX_WORK = 100_000  # steps that repeat within one evaluation: nodes of lambdas, items that are looked through
MAX_WHOLE = 2**53 - 1  # beyond, two readers of JSON see two numbers


class Dialect(StrEnum):
    """CERTLOGIC: version 1.3.3, exactly. OWN: the same with the operators of ``docs/rules.md``."""

    CERTLOGIC = "certlogic"
    OWN = "own"


class ExpressionError(ValueError):
    """A rule is nested too deep or too long to be judged by; the message says where."""


class EvaluationError(ValueError):
    """A rule has no answer for this data. The message names the operator, never a value of the data."""


class Run:
    """How much one evaluation of a rule may still work."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, steps: int) -> None:
        """Raises EvaluationError when more than ``MAX_WORK`` steps were spent."""
        self._left -= steps
        if self._left < 0:
            raise EvaluationError(f"the rule works too long: more than {MAX_WORK} steps")


class Count(NamedTuple):
    """How many operands an operator takes; most ``None``: any number."""

    least: int
    most: int | None

    def fits(self, number: int) -> bool:
        """Whether an operation may have this many operands."""
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least} or more operands"
        if self.most == self.least:
            return f"{self.least} operand" + "s" * (self.least != 1)
        return f"{self.least} or {self.most} operands"


_CERTLOGIC: dict[str, Count] = {
    "if": Count(3, 3),
    "and": Count(2, None),
    "!": Count(1, 1),
    **dict.fromkeys(("===", "in", "+"), Count(2, 2)),
    **dict.fromkeys(("<", ">", "<=", ">="), Count(2, 3)),
    **dict.fromkeys(("after", "before", "not-after", "not-before"), Count(2, 3)),
    "plusTime": Count(3, 3),
    "dccDateOfBirth": Count(1, 1),
    "reduce": Count(3, 3),
    "extractFromUVCI": Count(2, 2),
}
_OWN: dict[str, Count] = {
    "or": Count(2, None),
    "need": Count(1, 2),
    "known": Count(1, 1),
    "day": Count(1, 1),
    "instant": Count(1, 1),
    "shift": Count(3, 3),
    "listed": Count(2, 3),
    "since": Count(2, 2),
}
# "var" is not among them: alone of all it has a path in place of a list of operands.
COUNTS: Mapping[Dialect, Mapping[str, Count]] = MappingProxyType(
    {Dialect.CERTLOGIC: MappingProxyType(_CERTLOGIC), Dialect.OWN: MappingProxyType(_CERTLOGIC | _OWN)}
)
PLUS_TIME_UNITS = ("year", "month", "day", "hour")
SHIFT_UNITS = ("year", "month", "day", "hour", "minute")


Steps = tuple[tuple[str, int | None], ...]
_SHORT = 4  # steps of nearly every path there is
_INDEX = re.compile(r"[0-9]{1,15}")


def steps_of(path: str) -> Steps:
    """The steps of a path: each the name of a member, and the index where it is one."""
    if not path:
        return ()
    return tuple((name, int(name) if _INDEX.fullmatch(name) else None) for name in path.split("."))


def weight_of(path: str) -> int:
    """How many expressions a path counts for, beside the one that it stands in."""
    return max(path.count(".") + 1 - _SHORT, 0)


def is_path(path: Any) -> bool:
    """Whether this is a path as it should be written: no step of it is empty."""
    return isinstance(path, str) and (not path or all(path.split(".")))


def is_whole(value: Any) -> bool:
    """Whether CertLogic takes ``value`` for an integer: 1.0 is one, ``true`` is none."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and value.is_integer()
