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
    EvaluationError,
    Run,
    is_whole,
)
from verifier.policy.meaning import among, same, truth
from verifier.policy.values import Span, Unknown
from verifier.policy.writing import Compiling, Operator

VALUE_SETS = "valueSets"  # the member of the data that holds them, by id
_OUTSIDE = "a date outside the years 1 to 9999"


# --- what is not known


def unknown_of(value: Any) -> Unknown | None:
    """What is left unknown of a value that must be known as a whole; ``None`` where nothing is."""
    if isinstance(value, Unknown):
        return value
    return Unknown(value.cause) if isinstance(value, Span) else None


def lifted(compiling: Compiling, apply: Callable[..., Any], operands: list[Any]) -> str:
    """``apply(run, *values)`` of known operands; the first that is not known is the answer."""
    writer = compiling.writer
    first, *rest = operands
    names = [compiling.node(first), *map(compiling.later, rest)]
    return writer.put(f"{writer.bound(_lifted)}({writer.bound(apply)}, {writer.run()}, {', '.join(names)})")


def _lifted(apply: Callable[..., Any], run: Run, first: Any, *rest: Callable[[], Any]) -> Any:
    if isinstance(first, (Unknown, Span)):
        return unknown_of(first)
    values = [first]
    for operand in rest:
        value = operand()
        if isinstance(value, (Unknown, Span)):
            return unknown_of(value)
        values.append(value)
    return apply(run, *values)


def unknown_in(complaint: str, value: Any) -> Unknown:
    """The unknown that stands in the place of an operand. Raises EvaluationError for any other value."""
    unknown = unknown_of(value)
    if unknown is None:
        raise EvaluationError(complaint)
    return unknown


# --- values of the data


def item(data: Any, name: str, index: int | None) -> Any:
    """The member of a value, ``None`` where it has none; a path that meets an unknown ends there."""
    if isinstance(data, (dict, Mapping)):
        return data.get(name)
    if index is not None and isinstance(data, (list, tuple)) and index < len(data):
        return data[index]
    return data if isinstance(data, Unknown) else None


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _need(compiling: Compiling, operands: list[Any]) -> str:
    path, cause = (*operands, Reason.RULE_UNKNOWN.value)[:2]
    writer = compiling.writer
    if not isinstance(path, str):
        return writer.failing('"need": the first operand is the text of a path')
    if not isinstance(cause, str) or cause not in Reason.__members__:
        return writer.failing('"need": the second operand is the code of a reason')
    value, missing = compiling.var(path), writer.bound(Unknown(Reason[cause]))
    return writer.put(f"{missing} if {writer.bound(_is_missing)}({value}) else {value}")


def _known(compiling: Compiling, operands: list[Any]) -> str:
    writer = compiling.writer
    if not isinstance(operands[0], str):
        return writer.failing('"known": the operand is the text of a path')
    return writer.put(f"{writer.bound(_is_known)}({compiling.var(operands[0])})")


def _is_known(value: Any) -> bool:
    return not (_is_missing(value) or isinstance(value, Unknown))


# --- true, false, unknown


def chosen(compiling: Compiling, guard: Any, then: Any, otherwise: Any) -> str:
    """``if``, whose guard may not be known."""
    writer = compiling.writer
    names = (compiling.node(guard), compiling.later(then), compiling.later(otherwise))
    return writer.put(f"{writer.bound(_chosen)}({writer.run()}, {', '.join(names)})")


def _chosen(run: Run, guard: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    known = truth(guard)
    if known is True:
        return then()
    if known is False:
        return otherwise()
    if known is None:
        raise EvaluationError('"if": the guard is a date, which is neither true nor false')
    return _either(run, known, then, otherwise)


def _either(run: Run, guard: Unknown, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """Both branches of an ``if`` whose guard is not known: their value where they agree, else the guard's
    cause. A branch that has no answer agrees with none: nobody knows whether it would be taken.
    """
    try:
        one, other = then(), otherwise()
        alike = one == other if unknown_of(one) or unknown_of(other) else same(one, other, run)
    except EvaluationError:
        return guard
    return one if alike else guard


def inverted(compiling: Compiling, value: str) -> str:
    """``!`` of what may not be known."""
    writer = compiling.writer
    return writer.put(f"{writer.bound(_inverted)}({value})")


def _inverted(value: Any) -> bool | Unknown:
    known = truth(value)
    if known is None:
        raise EvaluationError('"!": the operand is a date, which is neither true nor false')
    return known if isinstance(known, Unknown) else not known


def decided(compiling: Compiling, name: str, operands: list[Any], *, decides: bool) -> str:
    """``and`` (decided by what is falsy) and ``or`` (by what is truthy).

    The value is that of the operand that decides, else what is unknown, else that of the last.
    """
    writer = compiling.writer
    names = map(compiling.later, operands)
    return writer.put(
        f"{writer.bound(_decided)}({writer.bound(name)}, {writer.bound(decides)}, {', '.join(names)})"
    )


def _decided(name: str, decides: bool, *operands: Callable[[], Any]) -> Any:
    unknown: Unknown | None = None
    value: Any = None
    for operand in operands:
        value = operand()
        known = truth(value)
        if known is decides:
            return value
        if known is None:
            raise EvaluationError(f'"{name}": an operand is a date, which is neither true nor false')
        if isinstance(known, Unknown) and unknown is None:
            unknown = known
    return value if unknown is None else unknown


def _or(compiling: Compiling, operands: list[Any]) -> str:
    return decided(compiling, "or", operands, decides=True)


def _in(compiling: Compiling, operands: list[Any]) -> str:
    return lifted(compiling, _among, operands)


def _among(run: Run, item: Any, items: Any) -> bool | Unknown:
    if items is None:
        return False
    if not isinstance(items, (list, tuple)):
        raise EvaluationError('"in": the second operand is no array')
    if among(item, items, run):
        return True
    return next((unknown for unknown in map(unknown_of, items) if unknown is not None), False)


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

    def in_order(*dates: Any) -> bool | Unknown:
        answer: bool | Unknown = True
        for left, right in pairwise(dates):
            held = pair(left, right)
            if held is False:
                return False
            if answer is True:
                answer = held
        return answer

    def build(compiling: Compiling, operands: list[Any]) -> str:
        dates = [compiling.node(operand) for operand in operands]
        return compiling.writer.put(f"{compiling.writer.bound(in_order)}({', '.join(dates)})")

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


def _converted(name: str, convert: Callable[[Any], Any], operand: Any, compiling: Compiling) -> str:
    """One operand through ``convert``; a text of the rule itself is read when it is compiled."""
    each, writer = _each_bound(convert), compiling.writer

    def converted(value: Any) -> Any:
        try:
            return each(value)
        except EvaluationError as error:
            raise EvaluationError(f'"{name}": {error}') from None

    if not isinstance(operand, str):
        return writer.put(f"{writer.bound(converted)}({compiling.node(operand)})")
    try:
        return writer.bound(converted(operand))
    except EvaluationError as error:
        return writer.failing(str(error))


def _day(compiling: Compiling, operands: list[Any]) -> str:
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


def _instant(compiling: Compiling, operands: list[Any]) -> str:
    def instant(value: Any) -> datetime:
        if isinstance(value, str):
            return read_instant(value)
        if _is_day(value):
            raise EvaluationError("a day is no instant; nobody knows when in it")
        return value  # type: ignore[no-any-return]

    return _converted("instant", instant, operands[0], compiling)


def _shift(compiling: Compiling, operands: list[Any]) -> str:
    value, amount, unit = operands
    if not is_whole(amount):
        return compiling.writer.failing(
            '"shift": the second operand is a whole number as it stands, not computed'
        )
    if unit not in SHIFT_UNITS:
        return compiling.writer.failing(f'"shift": the third operand is one of {", ".join(SHIFT_UNITS)}')
    if isinstance(value, str):
        return compiling.writer.failing(
            '"shift": the first operand is a day or an instant; "day" and "instant" read texts'
        )
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


def _set(compiling: Compiling, name: str) -> str:
    """The value set of the bundle. It stands in the data as a whole, whatever a lambda sees."""
    writer = compiling.writer
    found = writer.member(((VALUE_SETS, None), (name, None)))
    return writer.put(f"{writer.bound(_checked_set)}({found}, {writer.bound(name)})")


def _checked_set(found: Any, name: str) -> Mapping[str, tuple[date | None, date | None]]:
    if not isinstance(found, (dict, Mapping)):
        raise EvaluationError(f"there is no value set {name[:40]!r} in the bundle")
    return found


def _code(operator_name: str, value: Any) -> str | Unknown:
    """A code that is looked up; one that is missing is unknown."""
    if _is_missing(value):
        return Unknown(Reason.VALUE_UNKNOWN)
    if isinstance(value, (str, Unknown)):
        return value
    raise EvaluationError(f'"{operator_name}": the code is no text')


def _listed(compiling: Compiling, operands: list[Any]) -> str:
    name, writer = operands[1], compiling.writer
    if not isinstance(name, str):
        return writer.failing('"listed": the second operand is the id of a value set')
    codes, code = _set(compiling, name), compiling.node(operands[0])
    day = compiling.later(operands[2]) if len(operands) > 2 else "None"
    return writer.put(f"{writer.bound(_is_listed)}({codes}, {code}, {day})")


def _is_listed(codes: Mapping[str, Any], value: Any, day: Callable[[], Any] | None) -> bool | Unknown:
    code = _code("listed", value)
    if isinstance(code, Unknown):
        return code
    period = codes.get(code)
    if period is None:
        return False
    return True if day is None else _within(day(), *period)


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


def _since(compiling: Compiling, operands: list[Any]) -> str:
    name, writer = operands[1], compiling.writer
    if not isinstance(name, str):
        return writer.failing('"since": the second operand is the id of a value set')
    codes, code = _set(compiling, name), compiling.node(operands[0])
    return writer.put(f"{writer.bound(_begin)}({codes}, {code})")


def _begin(codes: Mapping[str, Any], value: Any) -> date | Unknown:
    code = _code("since", value)
    if isinstance(code, Unknown):
        return code
    begin, _end = codes.get(code, (None, None))
    return Unknown(Reason.VALUE_UNKNOWN) if begin is None else begin


TABLE: Mapping[str, Operator] = MappingProxyType(
    {
        "need": _need,
        "known": _known,
        "or": _or,
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
