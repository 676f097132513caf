"""What is wrong with an expression before it runs: each issue with its place.

The rules this module keeps:

* Issues are collected, not stopped at the first, wherever the next check still has meaning: the operands of
  an unknown operator have none.
* An issue names the expression that it is about and the path to it, so that it is found in a long rule.
* What evaluation would ignore (an operand too many) is an issue here all the same.

    issues({"and": [{"plusTime": [null, 1, "week"]}]})
    # $: too few operands; $.and[0].plusTime[0]: no expression; $.and[0].plusTime[2]: no unit

Source: the validation suite of the CertLogic specification 1.3.3. Whether a rule is valid, and the
expressions of its issues in their order, are as it expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from verifier.codes import Reason
from verifier.policy.certlogic import compile_logic
from verifier.policy.jsdates import read_day, read_instant
from verifier.policy.language import (
    COUNTS,
    MAX_DEPTH,
    MAX_NODES,
    PLUS_TIME_UNITS,
    SHIFT_UNITS,
    Dialect,
    EvaluationError,
    ExpressionError,
    is_path,
    is_whole,
)

MAX_ISSUES = 100  # enough to mend a rule by; a hostile one has no long list


@dataclass(frozen=True, slots=True)
class Issue:
    """path: the place within the rule, ``$`` is the whole. expression: the one at fault; where that is an
    operand that is no expression (an amount, a unit), the operation around it. message: for who wrote it.
    """

    path: str
    expression: Any
    message: str


def issues(expression: Any, dialect: Dialect = Dialect.CERTLOGIC) -> list[Issue]:
    """All that is wrong with an expression, in its order; at most ``MAX_ISSUES``. Empty: it is valid."""
    found = list(islice(_Validator(dialect).check(expression, "$", 0), MAX_ISSUES))
    if not found:
        try:
            compile_logic(expression, dialect)
        except ExpressionError as error:  # each of its parts is right, and there are too many
            found.append(Issue("$", expression, str(error)))
    return found


Complaint = Callable[[Any], str | None]  # about an operand as it stands; None: it is as it should be


def _whole_number(value: Any) -> str | None:
    return None if is_whole(value) else "a whole number is expected, as it stands and not computed"


def _one_of(*words: str) -> Complaint:
    return lambda value: None if value in words else f"one of {', '.join(words)} is expected"


def _path(value: Any) -> str | None:
    return None if is_path(value) and value else "a path is expected: names with one '.' between two of them"


def _reason(value: Any) -> str | None:
    known = isinstance(value, str) and value in Reason.__members__
    return None if known else "the code of a reason is expected, as NEED_CONTEXT"


def _name_of_a_set(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "the id of a value set is expected"


def _read_by(convert: Callable[[str], Any]) -> Complaint:
    """About a text that stands in the rule itself; other operands are for evaluation to see."""

    def complaint(value: Any) -> str | None:
        if isinstance(value, str):
            try:
                convert(value)
            except EvaluationError as error:
                return str(error)
        return None

    return complaint


def _is_text(value: Any) -> str | None:
    return '"day" makes a day of a text first, or "instant" an instant' if isinstance(value, str) else None


# What is asked of operands as they stand, by their place; those that are not named here are expressions.
_LITERALS: Mapping[str, Mapping[int, Complaint]] = MappingProxyType(
    {
        "plusTime": {1: _whole_number, 2: _one_of(*PLUS_TIME_UNITS)},
        "extractFromUVCI": {1: _whole_number},
        "shift": {1: _whole_number, 2: _one_of(*SHIFT_UNITS)},
        "need": {0: _path, 1: _reason},
        "known": {0: _path},
        "listed": {1: _name_of_a_set},
        "since": {1: _name_of_a_set},
    }
)
# What is asked of a first operand that is a text of the rule itself; others are for evaluation to see.
_TEXTS: Mapping[str, Complaint] = MappingProxyType(
    {"day": _read_by(read_day), "instant": _read_by(read_instant), "shift": _is_text}
)


class _Validator:
    """Walks one expression; counts what it has seen."""

    def __init__(self, dialect: Dialect) -> None:
        self._counts = COUNTS[dialect]
        self._nodes = 0

    def check(self, expression: Any, path: str, depth: int) -> Iterator[Issue]:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                yield Issue(path, expression, f"the rule has more than {MAX_NODES} expressions")
        elif depth == MAX_DEPTH and isinstance(expression, (list, dict)):
            yield Issue(path, expression, f"nested deeper than {MAX_DEPTH} operations")
        elif isinstance(expression, list):
            for number, item in enumerate(expression):
                yield from self.check(item, f"{path}[{number}]", depth + 1)
        elif isinstance(expression, dict):
            yield from self._operation(expression, path, depth)
        elif not (isinstance(expression, (str, bool)) or is_whole(expression)):
            yield Issue(path, expression, "no expression: a text, a whole number or a boolean is expected")

    def _operation(self, expression: dict[str, Any], path: str, depth: int) -> Iterator[Issue]:
        if len(expression) != 1:
            yield Issue(path, expression, f"an operation has exactly one operator, not {len(expression)}")
            return
        ((name, operands),) = expression.items()
        if name == "var":
            if not isinstance(operands, str):
                yield Issue(path, expression, '"var" takes the text of a path, not a list')
            elif not is_path(operands):
                yield Issue(path, expression, "a step of the path is empty")
            return
        if not isinstance(operands, list) or not operands:
            yield Issue(path, expression, "an operation is an operator with a list of at least one operand")
            return
        count = self._counts.get(name)
        if count is None:
            yield Issue(path, expression, f"there is no operator {name[:40]!r}")
            return
        if not count.fits(len(operands)):
            yield Issue(path, expression, f'"{name}" takes {count}, not {len(operands)}')
            if name == "!":
                return  # which operand was meant is not said
        literals = _LITERALS.get(name, {})
        for number, operand in enumerate(operands[: count.most]):
            place = f"{path}.{name}[{number}]"
            complaint = literals[number](operand) if number in literals else None
            if number not in literals:
                yield from self.check(operand, place, depth + 1)
            elif complaint is not None:
                yield Issue(place, expression, f'"{name}": {complaint}')
            if not number and name in _TEXTS and (complaint := _TEXTS[name](operand)) is not None:
                yield Issue(place, expression, f'"{name}": {complaint}')
