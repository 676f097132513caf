"""The rule engine: CertLogic 1.3.3, compiled once into closures, and our own dialect by the same closures.

The rules this module keeps:

* An expression compiles whatever it says; a part that is invalid raises when it is reached, and ``if`` and
  ``and`` reach only what they must.
* A guard that is neither truthy nor falsy (a date-time) is an error, never a guess.
* Any expression over any data gives a value or an EvaluationError, within bounded depth and work.
* No value of the data is kept between two evaluations: what is read ahead are texts of the rule itself.

    adult = compile_logic({"not-after": [{"plusTime": [{"var": "payload.dob"}, 18, "year"]},
                                         {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}]})
    adult({"payload": {"dob": "2004-02"}, "external": {"validationClock": "2022-03-01T00:00:00Z"}})  # True
    plain(evaluate({"plusTime": ["2020-02-29", 1, "year"]}, {}))           # "2021-03-01T00:00:00.000Z"

Where the specification's prose and its published suite differ the suite decides: nothing is in null, and a
lambda sees the context around its ``reduce`` as ``data``.
Source: CertLogic specification 1.3.3 of the EU Digital COVID Certificate business rules.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from verifier.policy import operators
from verifier.policy.jsdates import plus, read_birth_date, read_date_time
from verifier.policy.language import (
    COUNTS,
    MAX_DEPTH,
    MAX_NODES,
    MAX_WHOLE,
    PLUS_TIME_UNITS,
    Compiling,
    Dialect,
    EvaluationError,
    ExpressionError,
    Node,
    Operator,
    Run,
    Seen,
    is_whole,
    raising,
    steps_of,
)
from verifier.policy.meaning import among, plain, same, truth
from verifier.policy.values import Unknown
from verifier.times import DESK_ZONE

__all__ = [
    "Dialect",
    "EvaluationError",
    "ExpressionError",
    "Logic",
    "compile_logic",
    "evaluate",
    "plain",
    "truth",
]

# Operands beyond those that these take are not looked at, as by the specification's evaluators; validation
# names them. All other operators refuse a wrong number.
_FIRST_TAKEN = frozenset({"if", "!", "plusTime", "dccDateOfBirth", "reduce", "extractFromUVCI"})
_UVCI_PREFIX = "URN:UVCI:"
_UVCI_SEPARATOR = re.compile(r"[/#:]")


@dataclass(frozen=True, slots=True)
class Logic:
    """A compiled expression; calling it with data gives its value. It may be called by many threads."""

    dialect: Dialect
    node: Node

    def __call__(self, data: Any, seen: Seen | None = None) -> Any:
        """The value for ``data``: objects are ``dict``, arrays ``list``. Raises EvaluationError.

        seen: to be handed to each of several rules over the same data, which none of them changes.
        """
        try:
            return self.node(data, Run(data, seen))
        except RecursionError as error:
            raise EvaluationError("the rule is nested too deep for what already runs here") from error


def compile_logic(
    expression: Any, dialect: Dialect = Dialect.CERTLOGIC, *, zone: tzinfo = DESK_ZONE
) -> Logic:
    """An expression, ready to be evaluated many times.

    expression: a JSON value. zone: of the desk, for own operators that ask for a calendar day. Raises
    ExpressionError beyond the bounds of nesting and size, and for nothing else.
    """
    try:
        return Logic(dialect, _Compiler(dialect, zone).node(expression))
    except RecursionError as error:
        raise ExpressionError("the rule is nested too deep for what already runs here") from error


def evaluate(expression: Any, data: Any) -> Any:
    """The value of a plain CertLogic expression, once. Raises ExpressionError and EvaluationError."""
    return compile_logic(expression)(data)


class _Compiler:
    """Counts nodes and nesting while it compiles one expression."""

    def __init__(self, dialect: Dialect, zone: tzinfo) -> None:
        self._own = dialect is Dialect.OWN
        self._table = _OWN if self._own else _CERTLOGIC
        self._counts = COUNTS[dialect]
        self._zone = zone
        self._nodes = 0
        self._depth = 0

    @property
    def zone(self) -> tzinfo:
        return self._zone

    def node(self, expression: Any) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExpressionError(f"the rule has more than {MAX_NODES} expressions")
        if isinstance(expression, (str, bool)) or is_whole(expression):
            return _constant(expression)
        if not isinstance(expression, (list, dict)):
            return raising(
                "null and fractions are no expressions; only texts, whole numbers and booleans are"
            )
        if self._depth == MAX_DEPTH:
            raise ExpressionError(f"the rule is nested deeper than {MAX_DEPTH} operations")
        self._depth += 1
        inner = self._array(expression) if isinstance(expression, list) else self._operation(expression)
        self._depth -= 1
        return inner

    def weighed(self, expression: Any) -> tuple[Node, int]:
        before = self._nodes
        node = self.node(expression)
        return node, self._nodes - before

    def strict(self, apply: Callable[..., Any], operands: list[Any]) -> Node:
        nodes = [self.node(operand) for operand in operands]
        return operators.lifted(apply, nodes) if self._own else _applied(apply, nodes)

    def _array(self, items: list[Any]) -> Node:
        nodes = [self.node(item) for item in items]
        if all(isinstance(item, (str, bool)) or is_whole(item) for item in items):
            return _constant(list(items))
        return lambda data, run: [node(data, run) for node in nodes]

    def _operation(self, expression: dict[str, Any]) -> Node:
        if len(expression) != 1:
            return raising(f"an operation has one operator, not {len(expression)}")
        ((name, operands),) = expression.items()
        if name == "var":
            return self._var(operands)
        if not isinstance(operands, list) or not operands:
            return raising("an operation is an operator with a list of at least one operand")
        build = self._table.get(name)
        if build is None:
            return raising(f"there is no operator {name[:40]!r}")
        count = self._counts[name]
        if not count.fits(len(operands)) and not (name in _FIRST_TAKEN and len(operands) > count.least):
            return raising(f'"{name}" takes {count}, not {len(operands)}')
        return build(self, operands)

    def _var(self, path: Any) -> Node:
        if not isinstance(path, str):
            return raising('"var" takes the text of a path')
        return operators.var(steps_of(path)) if self._own else _var(path)


def _constant(value: Any) -> Node:
    return lambda _data, _run: value


def _applied(apply: Callable[..., Any], nodes: list[Node]) -> Node:
    """A node that evaluates all operands in order, and then computes."""
    match nodes:
        case [one]:
            return lambda data, run: apply(run, one(data, run))
        case [one, two]:
            return lambda data, run: apply(run, one(data, run), two(data, run))
    return lambda data, run: apply(run, *[node(data, run) for node in nodes])


_MISSING = object()


def _var(path: str) -> Node:
    steps = steps_of(path)

    def node(data: Any, run: Run) -> Any:
        if data is not run.root:  # inside a lambda
            return look_up(data)
        members = run.members
        found = members.get(path, _MISSING)
        if found is _MISSING:
            found = members[path] = look_up(data)
        return found

    def look_up(data: Any) -> Any:
        for name, index in steps:
            if isinstance(data, dict):
                data = data.get(name)
            elif index is not None and isinstance(data, list) and index < len(data):
                data = data[index]
            else:
                return None
        return data

    return node


# --- lazy operators


def _if(compiling: Compiling, operands: list[Any]) -> Node:
    guard, then, otherwise = (compiling.node(operand) for operand in operands[:3])

    def node(data: Any, run: Run) -> Any:
        known = guard(data, run)
        if known is not True and known is not False:
            known = truth(known)
        if known is True:
            return then(data, run)
        if known is False:
            return otherwise(data, run)
        if known is None:
            raise EvaluationError('"if": the guard is a date, which is neither true nor false')
        return operators.either(known, then, otherwise, data, run)

    return node


def _not(compiling: Compiling, operands: list[Any]) -> Node:
    operand = compiling.node(operands[0])

    def node(data: Any, run: Run) -> Any:
        known = truth(operand(data, run))
        if known is None:
            raise EvaluationError('"!": the operand is a date, which is neither true nor false')
        return known if isinstance(known, Unknown) else not known

    return node


def _reduce(compiling: Compiling, operands: list[Any]) -> Node:
    operand = compiling.node(operands[0])
    step, weight = compiling.weighed(operands[1])
    initial = compiling.node(operands[2])

    def node(data: Any, run: Run) -> Any:
        items = operand(data, run)
        if items is None:
            return initial(data, run)
        if not isinstance(items, (list, tuple)):
            return operators.unknown_in('"reduce": the first operand is no array', items)
        accumulator = initial(data, run)
        for current in items:
            run.spend(weight)
            accumulator = step({"accumulator": accumulator, "current": current, "data": data}, run)
        return accumulator

    return node


# --- operators of known values; the first argument of each is the run


def _equal(run: Run, left: Any, right: Any) -> bool:
    return same(left, right, run)


def _in(run: Run, item: Any, items: Any) -> bool:
    if items is None:
        return False
    if not isinstance(items, (list, tuple)):
        raise EvaluationError('"in": the second operand is no array')
    return among(item, items, run)


def _add(_run: Run, left: Any, right: Any) -> int:
    if not is_whole(left) or not is_whole(right):
        raise EvaluationError('"+": an operand is no whole number')
    total = int(left) + int(right)
    if abs(total) > MAX_WHOLE:
        raise EvaluationError('"+": the sum is beyond 2^53, where numbers of JSON are not exact')
    return total


def _compared(name: str, holds: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def apply(_run: Run, *numbers: Any) -> bool:
        for number in numbers:
            if type(number) is not int and not is_whole(number):
                raise EvaluationError(f'"{name}": an operand is no whole number')
        return _in_order(numbers, holds)

    return apply


def _compared_in_time(name: str, holds: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def apply(_run: Run, *instants: Any) -> bool:
        for instant in instants:
            if not isinstance(instant, datetime):
                raise EvaluationError(f'"{name}": an operand is no date-time')
        return _in_order(instants, holds)

    return apply


def _in_order(values: tuple[Any, ...], holds: Callable[[Any, Any], bool]) -> bool:
    """Whether an order holds between each of two or three values and the next."""
    return holds(values[0], values[1]) and (len(values) == 2 or holds(values[1], values[2]))


def _strict(apply: Callable[..., Any]) -> Operator:
    return lambda compiling, operands: compiling.strict(apply, operands)


def _plus_time(compiling: Compiling, operands: list[Any]) -> Node:
    text, amount, unit = operands[:3]
    if not is_whole(amount):
        return raising('"plusTime": the second operand is a whole number as it stands, not computed')
    if unit not in PLUS_TIME_UNITS:
        return raising(f'"plusTime": the third operand is one of {", ".join(PLUS_TIME_UNITS)}')
    whole = int(amount)

    def convert(text: str, run: Run) -> datetime:
        instants = run.instants
        instant = instants.get(text)
        if instant is None:
            instant = instants[text] = read_date_time(text)
        return plus(instant, whole, unit) if whole else instant

    return _of_text("plusTime", convert, text, compiling)


def _date_of_birth(compiling: Compiling, operands: list[Any]) -> Node:
    return _of_text("dccDateOfBirth", lambda text, _run: read_birth_date(text), operands[0], compiling)


def _of_text(name: str, convert: Callable[[str, Run], datetime], operand: Any, compiling: Compiling) -> Node:
    """A date-time made from a text; a text of the rule itself is read when it is compiled."""

    def apply(run: Run, text: Any) -> datetime:
        if not isinstance(text, str):
            raise EvaluationError(f'"{name}": the operand is no text')
        return convert(text, run)

    if not isinstance(operand, str):
        return compiling.strict(apply, [operand])
    try:
        return _constant(convert(operand, Run(None)))
    except EvaluationError as error:
        return raising(f'"{name}": {error}')


def _extract_from_uvci(compiling: Compiling, operands: list[Any]) -> Node:
    index = operands[1]
    if not is_whole(index):
        return raising('"extractFromUVCI": the second operand is a whole number as it stands, not computed')
    place = int(index)

    def apply(_run: Run, text: Any) -> str | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise EvaluationError('"extractFromUVCI": the first operand is no text')
        fragments = _UVCI_SEPARATOR.split(text.removeprefix(_UVCI_PREFIX))
        return fragments[place] if 0 <= place < len(fragments) else None

    return compiling.strict(apply, operands[:1])


_CERTLOGIC: Mapping[str, Operator] = MappingProxyType(
    {
        "if": _if,
        "and": operators.lazy("and", decides=False),
        "!": _not,
        "reduce": _reduce,
        "===": _strict(_equal),
        "in": _strict(_in),
        "+": _strict(_add),
        "<": _strict(_compared("<", operator.lt)),
        ">": _strict(_compared(">", operator.gt)),
        "<=": _strict(_compared("<=", operator.le)),
        ">=": _strict(_compared(">=", operator.ge)),
        "after": _strict(_compared_in_time("after", operator.gt)),
        "before": _strict(_compared_in_time("before", operator.lt)),
        "not-after": _strict(_compared_in_time("not-after", operator.le)),
        "not-before": _strict(_compared_in_time("not-before", operator.ge)),
        "plusTime": _plus_time,
        "dccDateOfBirth": _date_of_birth,
        "extractFromUVCI": _extract_from_uvci,
    }
)
_OWN: Mapping[str, Operator] = MappingProxyType({**_CERTLOGIC, **operators.TABLE})
