"""The operators that our own rules have beyond CertLogic, and what becomes of what is not known.

The rules this module keeps:

* What is not known stays so until an answer does not depend on it: a falsy operand of ``and``, a truthy one
  of ``or``, two branches that agree, two bounds on the same side of a date.
* A day is compared with days and an instant with instants. The calendar is the desk's; months clamp to their
  end: a month after January 31 is February 28 or 29.
* Of several causes the first that was met is told.

    {"before": [{"shift": [{"need": ["event.given"]}, 14, "day"]}, {"var": "journey.entry"}]}
    {"listed": [{"var": "event.product"}, "vn-vaccines", {"var": "event.given"}]}
    {"not-after": [{"var": "holder.birth"}, {"day": ["2010-03-15"]}]}     # "2010": unknown, DOB_PARTIAL

The table of them, with what each may leave unknown, stands in ``docs/rules.md``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from verifier.codes import Reason
from verifier.policy.jsdates import read_day, read_instant
from verifier.policy.language import (
    SHIFT_UNITS,
    Compiling,
    EvaluationError,
    Node,
    Operator,
    Run,
    Steps,
    is_whole,
    raising,
    steps_of,
)
from verifier.policy.meaning import among, same, truth
from verifier.policy.values import Span, Unknown

VALUE_SETS = "valueSets"  # the member of the data that holds them, by id
_OUTSIDE = "a date outside the years 1 to 9999"


# --- what is not known


def unknown_of(value: Any) -> Unknown | None:
    """What is left unknown of a value that must be known as a whole; ``None`` where nothing is."""
    if isinstance(value, Unknown):
        return value
    return Unknown(value.cause) if isinstance(value, Span) else None


def lifted(apply: Callable[..., Any], nodes: list[Node]) -> Node:
    """A node that computes from known operands; the first that is not known is its answer."""

    def node(data: Any, run: Run) -> Any:
        values = []
        for operand in nodes:
            value = operand(data, run)
            if isinstance(value, (Unknown, Span)):
                return unknown_of(value)
            values.append(value)
        return apply(run, *values)

    return node


def unknown_in(complaint: str, value: Any) -> Unknown:
    """The unknown that stands in the place of an operand. Raises EvaluationError for any other value."""
    unknown = unknown_of(value)
    if unknown is None:
        raise EvaluationError(complaint)
    return unknown


def either(guard: Unknown, then: Node, otherwise: Node, data: Any, run: Run) -> Any:
    """Both branches of an ``if`` whose guard is not known: their value where they agree, else the guard's
    cause. A branch that has no answer agrees with none: nobody knows whether it would be taken.
    """
    try:
        one, other = then(data, run), otherwise(data, run)
        alike = one == other if unknown_of(one) or unknown_of(other) else same(one, other, run)
    except EvaluationError:
        return guard
    return one if alike else guard


# --- values of the data


def var(steps: Steps) -> Node:
    """As CertLogic's; a path that meets an unknown ends there."""

    def node(data: Any, _run: Run) -> Any:
        for name, index in steps:
            if isinstance(data, Mapping):
                data = data.get(name)
            elif index is not None and isinstance(data, (list, tuple)) and index < len(data):
                data = data[index]
            else:
                return data if isinstance(data, Unknown) else None
        return data

    return node


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _need(_compiling: Compiling, operands: list[Any]) -> Node:
    path, cause = (*operands, Reason.RULE_UNKNOWN.value)[:2]
    if not isinstance(path, str):
        return raising('"need": the first operand is the text of a path')
    if not isinstance(cause, str) or cause not in Reason.__members__:
        return raising('"need": the second operand is the code of a reason')
    value_of, missing = var(steps_of(path)), Unknown(Reason[cause])

    def node(data: Any, run: Run) -> Any:
        value = value_of(data, run)
        return missing if _is_missing(value) else value

    return node


def _known(_compiling: Compiling, operands: list[Any]) -> Node:
    if not isinstance(operands[0], str):
        return raising('"known": the operand is the text of a path')
    value_of = var(steps_of(operands[0]))

    def node(data: Any, run: Run) -> bool:
        value = value_of(data, run)
        return not (_is_missing(value) or isinstance(value, Unknown))

    return node


# --- true, false, unknown


def lazy(name: str, decides: bool) -> Operator:
    """``and`` (decided by what is falsy) and ``or`` (by what is truthy).

    The value is that of the operand that decides, else what is unknown, else that of the last.
    """

    def build(compiling: Compiling, operands: list[Any]) -> Node:
        nodes = [compiling.node(operand) for operand in operands]

        def node(data: Any, run: Run) -> Any:
            unknown: Unknown | None = None
            value: Any = None
            for operand in nodes:
                value = operand(data, run)
                known = truth(value)
                if known is decides:
                    return value
                if known is None:
                    raise EvaluationError(f'"{name}": an operand is a date, which is neither true nor false')
                if isinstance(known, Unknown) and unknown is None:
                    unknown = known
            return value if unknown is None else unknown

        return node

    return build


def _in(compiling: Compiling, operands: list[Any]) -> Node:
    def apply(run: Run, item: Any, items: Any) -> bool | Unknown:
        if items is None:
            return False
        if not isinstance(items, (list, tuple)):
            raise EvaluationError('"in": the second operand is no array')
        if among(item, items, run):
            return True
        return next((unknown for unknown in map(unknown_of, items) if unknown is not None), False)

    return compiling.strict(apply, operands)


# --- days and instants


def _is_day(value: Any) -> bool:
    """Raises EvaluationError for what is neither a day nor an instant."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise EvaluationError("a time without an offset is no instant")
        return False
    if isinstance(value, date):
        return True
    raise EvaluationError("an operand is neither a day nor an instant")


def _ordered(name: str, holds: Callable[[Any, Any], bool]) -> Operator:
    """Two or three dates in an order. The answer is false as soon as one pair is, whatever the rest."""

    def pair(left: Any, right: Any) -> bool | Unknown:
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return left if isinstance(left, Unknown) else right
        first = left.earliest if isinstance(left, Span) else left
        last = left.latest if isinstance(left, Span) else left
        begin = right.earliest if isinstance(right, Span) else right
        end = right.latest if isinstance(right, Span) else right
        try:
            if _is_day(first) != _is_day(begin):
                raise EvaluationError("a day and an instant are not compared with each other")
        except EvaluationError as error:
            raise EvaluationError(f'"{name}": {error}') from None
        answer = holds(last, begin)
        if answer == holds(first, end):
            return answer
        return Unknown(left.cause if isinstance(left, Span) else right.cause)

    def build(compiling: Compiling, operands: list[Any]) -> Node:
        nodes = [compiling.node(operand) for operand in operands]

        def node(data: Any, run: Run) -> bool | Unknown:
            dates = [operand(data, run) for operand in nodes]
            answer: bool | Unknown = True
            for left, right in pairwise(dates):
                held = pair(left, right)
                if held is False:
                    return False
                if answer is True:
                    answer = held
            return answer

        return node

    return build


def _each_bound(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For values of one date or of two bounds; what is unknown stays so."""

    def each(value: Any) -> Any:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Span):
            return Span(convert(value.earliest), convert(value.latest), value.cause)
        return convert(value)

    return each


def _converted(name: str, convert: Callable[[Any], Any], operand: Any, compiling: Compiling) -> Node:
    """One operand through ``convert``; a text of the rule itself is read when it is compiled."""
    each = _each_bound(convert)
    if isinstance(operand, str):
        try:
            value = convert(operand)
        except EvaluationError as error:
            return raising(f'"{name}": {error}')
        return lambda _data, _run: value
    value_of = compiling.node(operand)

    def node(data: Any, run: Run) -> Any:
        value = value_of(data, run)
        try:
            return each(value)
        except EvaluationError as error:
            raise EvaluationError(f'"{name}": {error}') from None

    return node


def _day(compiling: Compiling, operands: list[Any]) -> Node:
    def day(value: Any) -> date:
        if isinstance(value, str):
            return read_day(value)
        if _is_day(value):
            return value  # type: ignore[no-any-return]
        try:
            return value.astimezone(compiling.zone).date()  # type: ignore[no-any-return]
        except OverflowError:
            raise EvaluationError(_OUTSIDE) from None

    return _converted("day", day, operands[0], compiling)


def _instant(compiling: Compiling, operands: list[Any]) -> Node:
    def instant(value: Any) -> datetime:
        if isinstance(value, str):
            return read_instant(value)
        if _is_day(value):
            raise EvaluationError("a day is no instant; nobody knows when in it")
        return value  # type: ignore[no-any-return]

    return _converted("instant", instant, operands[0], compiling)


def _shift(compiling: Compiling, operands: list[Any]) -> Node:
    value, amount, unit = operands
    if not is_whole(amount):
        return raising('"shift": the second operand is a whole number as it stands, not computed')
    if unit not in SHIFT_UNITS:
        return raising(f'"shift": the third operand is one of {", ".join(SHIFT_UNITS)}')
    if isinstance(value, str):
        return raising('"shift": the first operand is a day or an instant; "day" and "instant" read texts')
    whole = int(amount)

    def shifted(value: Any) -> date:
        try:
            if _is_day(value):
                return _shifted_day(value, whole, unit)
            if unit in ("year", "month"):
                raise EvaluationError(
                    "an instant is shifted by days, hours or minutes; months are a calendar's"
                )
            return value + timedelta(**{f"{unit}s": whole})  # type: ignore[no-any-return]
        except OverflowError:
            raise EvaluationError(_OUTSIDE) from None

    return _converted("shift", shifted, value, compiling)


def _shifted_day(day: date, amount: int, unit: str) -> date:
    """Months and years clamp to the end of the month that they lead to."""
    if unit == "day":
        return day + timedelta(days=amount)
    if unit in ("hour", "minute"):
        raise EvaluationError("a day is shifted by years, months or days")
    year, month = divmod(day.year * 12 + day.month - 1 + amount * (12 if unit == "year" else 1), 12)
    if not 1 <= year <= 9999:
        raise EvaluationError(_OUTSIDE)
    number = day.day
    while True:
        try:
            return date(year, month + 1, number)
        except ValueError:
            number -= 1


# --- value sets


def _set_of(run: Run, name: str) -> Mapping[str, tuple[date | None, date | None]]:
    sets = run.root.get(VALUE_SETS) if isinstance(run.root, Mapping) else None
    found = sets.get(name) if isinstance(sets, Mapping) else None
    if not isinstance(found, Mapping):
        raise EvaluationError(f"there is no value set {name[:40]!r} in the bundle")
    return found


def _code(operator_name: str, value: Any) -> str | Unknown:
    """A code that is looked up; one that is missing is unknown."""
    if _is_missing(value):
        return Unknown(Reason.VALUE_UNKNOWN)
    if isinstance(value, (str, Unknown)):
        return value
    raise EvaluationError(f'"{operator_name}": the code is no text')


def _listed(compiling: Compiling, operands: list[Any]) -> Node:
    name = operands[1]
    if not isinstance(name, str):
        return raising('"listed": the second operand is the id of a value set')
    code_of = compiling.node(operands[0])
    day_of = compiling.node(operands[2]) if len(operands) > 2 else None

    def node(data: Any, run: Run) -> bool | Unknown:
        codes = _set_of(run, name)
        code = _code("listed", code_of(data, run))
        if isinstance(code, Unknown):
            return code
        period = codes.get(code)
        if period is None:
            return False
        return True if day_of is None else _within(day_of(data, run), *period)

    return node


def _within(day: Any, begin: date | None, end: date | None) -> bool | Unknown:
    """Whether a day lies in a period that includes both its ends; of a span, where all of it does or none."""
    if isinstance(day, Unknown):
        return day
    first, last = (day.earliest, day.latest) if isinstance(day, Span) else (day, day)
    if not (type(first) is type(last) is date):
        raise EvaluationError('"listed": the third operand is no day')
    if (begin is None or begin <= first) and (end is None or last <= end):
        return True
    if (begin is not None and last < begin) or (end is not None and end < first):
        return False
    return Unknown(day.cause)


def _since(compiling: Compiling, operands: list[Any]) -> Node:
    name = operands[1]
    if not isinstance(name, str):
        return raising('"since": the second operand is the id of a value set')
    code_of = compiling.node(operands[0])

    def node(data: Any, run: Run) -> date | Unknown:
        codes = _set_of(run, name)
        code = _code("since", code_of(data, run))
        if isinstance(code, Unknown):
            return code
        begin, _end = codes.get(code, (None, None))
        return Unknown(Reason.VALUE_UNKNOWN) if begin is None else begin

    return node


TABLE: Mapping[str, Operator] = MappingProxyType(
    {
        "need": _need,
        "known": _known,
        "or": lazy("or", decides=True),
        "in": _in,
        "day": _day,
        "instant": _instant,
        "shift": _shift,
        "after": _ordered("after", operator.gt),
        "before": _ordered("before", operator.lt),
        "not-after": _ordered("not-after", operator.le),
        "not-before": _ordered("not-before", operator.ge),
        "listed": _listed,
        "since": _since,
    }
)
