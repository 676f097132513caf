"""The rule engine: CertLogic 1.3.3, compiled once into a Python function, and our own dialect likewise.

The rules this module keeps:

* An expression compiles whatever it says; a part that is invalid raises when it is reached, and ``if`` and
  ``and`` reach only what they must.
* A guard that is neither truthy nor falsy (a date-time) is an error, never a guess.
* Any expression over any data gives a value or an EvaluationError, within bounded depth and work.
* No value of the data is kept between two evaluations: what is read ahead are texts of the rule itself.
* Rules that are compiled together answer as each does alone; what they look at is looked up once.

    adult = compile_logic({"not-after": [{"plusTime": [{"var": "payload.dob"}, 18, "year"]},
                                         {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}]})
    adult({"payload": {"dob": "2004-02"}, "external": {"validationClock": "2022-03-01T00:00:00Z"}})  # True
    plain(evaluate({"plusTime": ["2020-02-29", 1, "year"]}, {}))           # "2021-03-01T00:00:00.000Z"
    compile_together([adult, other], sets).function(data)                  # None where both are true

Where the specification's prose and its published suite differ the suite decides: nothing is in null, and a
lambda sees the context around its ``reduce`` as ``data``.
Source: CertLogic specification 1.3.3 of the EU Digital COVID Certificate business rules.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Any

from verifier.policy import operators
from verifier.policy.jsdates import plus, read_birth_date, read_date_time
from verifier.policy.language import (
    COUNTS,
    MAX_DEPTH,
    MAX_LATER,
    MAX_NODES,
    MAX_WHOLE,
    PLUS_TIME_UNITS,
    Dialect,
    EvaluationError,
    ExpressionError,
    Run,
    Steps,
    is_whole,
    steps_of,
    weight_of,
)
from verifier.policy.meaning import among, plain, same, truth
from verifier.policy.values import Unknown
from verifier.policy.writing import Answers, Compiling, Operator, Writer
from verifier.times import DESK_ZONE

__all__ = [
    "Dialect",
    "EvaluationError",
    "ExpressionError",
    "Logic",
    "Together",
    "compile_logic",
    "compile_together",
    "evaluate",
    "plain",
    "truth",
]

# Operands beyond those that these take are not looked at, as by the specification's evaluators; validation
# names them. All other operators refuse a wrong number.
_FIRST_TAKEN = frozenset({"if", "!", "plusTime", "dccDateOfBirth", "reduce", "extractFromUVCI"})
_UVCI_PREFIX = "URN:UVCI:"
_UVCI_SEPARATOR = re.compile(r"[/#:]")
# Where the value sets of national rules stand; one that is not there raises when it is reached.
_VALUE_SETS = steps_of("external.valueSets")
_TOO_DEEP = "the rule is nested too deep for what already runs here"


@dataclass(frozen=True, slots=True)
class Logic:
    """A compiled expression; calling it with data gives its value. It may be called by many threads."""

    dialect: Dialect
    function: Callable[[Any], Any]

    def __call__(self, data: Any) -> Any:
        """The value for ``data``: objects are ``dict``, arrays ``list``. Raises EvaluationError."""
        try:
            return self.function(data)
        except RecursionError as error:
            raise EvaluationError(_TOO_DEEP) from error


def compile_logic(
    expression: Any, dialect: Dialect = Dialect.CERTLOGIC, *, zone: tzinfo = DESK_ZONE
) -> Logic:
    """An expression, ready to be evaluated many times.

    expression: a JSON value. zone: of the desk, for own operators that ask for a calendar day. Raises
    ExpressionError beyond the bounds of nesting and size, and for nothing else.
    """
    compiler = _Compiler(dialect, zone)
    try:
        return Logic(dialect, compiler.writer.single(lambda: compiler.rule(expression)))
    except RecursionError as error:
        raise ExpressionError(_TOO_DEEP) from error


@dataclass(frozen=True, slots=True)
class Together:
    """Several expressions over the same data, compiled into one function.

    function: gives their values in their order, ``None`` for one that has no answer; and ``None`` in place of
    them all where each is true. paths: of the data that they look at, as steps.
    """

    function: Answers
    paths: frozenset[Steps]

    def members(self, name: str) -> frozenset[str] | None:
        """Which members of this member of the data they look at; ``None``: they may look at any."""
        if () in self.paths or any(len(path) == 1 and path[0][0] == name for path in self.paths):
            return None
        return frozenset(path[1][0] for path in self.paths if path[0][0] == name)


def compile_together(expressions: Sequence[Any], value_sets: Mapping[str, Any]) -> Together:
    """CertLogic expressions, ready to be evaluated over the same data many times.

    value_sets: what stands at ``external.valueSets`` of any data. Raises ExpressionError as
    :func:`compile_logic` does.
    """
    paths: set[Steps] = set()
    parts: list[tuple[Answers, int]] = []
    waiting = iter(expressions)
    while not parts or sum(count for _, count in parts) < len(expressions):
        compiler = _Compiler(Dialect.CERTLOGIC, DESK_ZONE, value_sets)
        try:
            parts.append(compiler.writer.together(partial(compiler.rule, each) for each in waiting))
        except RecursionError as error:
            raise ExpressionError(_TOO_DEEP) from error
        paths |= compiler.paths
    return Together(parts[0][0] if len(parts) == 1 else partial(_answers, parts), frozenset(paths))


def _answers(parts: Sequence[tuple[Answers, int]], data: Any) -> Sequence[Any] | None:
    """The answers of several functions as of one."""
    answers: list[Any] = []
    for function, count in parts:
        values = function(data)
        answers += [True] * count if values is None else values
    return None if all(answer is True for answer in answers) else answers


def evaluate(expression: Any, data: Any) -> Any:
    """The value of a plain CertLogic expression, once. Raises ExpressionError and EvaluationError."""
    return compile_logic(expression)(data)


class _Compiler:
    """Counts nodes and nesting while it compiles expressions."""

    def __init__(self, dialect: Dialect, zone: tzinfo, value_sets: Mapping[str, Any] | None = None) -> None:
        self.own = dialect is Dialect.OWN
        self.zone = zone
        self.writer = Writer(operators.item if self.own else _item)
        self._table = _OWN if self.own else _CERTLOGIC
        self._counts = COUNTS[dialect]
        self._sets = value_sets
        self._nodes = self._depth = self._laters = 0
        self.paths: set[Steps] = set()  # of the data
        self._lambdas: list[tuple[str, str]] = []  # names of accumulator and current, the innermost last

    def rule(self, expression: Any) -> str:
        """The name of one rule's value."""
        self._nodes = self._depth = self._laters = 0
        return self.node(expression)

    def _count(self, expressions: int) -> None:
        self._nodes += expressions
        if self._nodes > MAX_NODES:
            raise ExpressionError(f"the rule has more than {MAX_NODES} expressions")

    def node(self, expression: Any) -> str:
        self._count(1)
        if _is_literal(expression):
            return self.writer.bound(expression)
        if not isinstance(expression, (list, dict)):
            return self.writer.failing(
                "null and fractions are no expressions; only texts, whole numbers and booleans are"
            )
        if self._depth == MAX_DEPTH:
            raise ExpressionError(f"the rule is nested deeper than {MAX_DEPTH} operations")
        self._depth += 1
        inner = self._array(expression) if isinstance(expression, list) else self._operation(expression)
        self._depth -= 1
        return inner

    def later(self, expression: Any) -> str:
        return self._function(lambda: self.node(expression))

    def _function(self, write: Callable[..., str], *letters: str) -> str:
        # each costs Python a look at every name of the rule, so that thousands of them take minutes
        self._laters += 1
        if self._laters > MAX_LATER:
            raise ExpressionError(f"the rule has more than {MAX_LATER} operands that are evaluated later")
        return self.writer.function(write, *letters)

    def step(self, expression: Any) -> tuple[str, int]:
        """A function of accumulator and current item, and the number of its nodes."""

        def write(accumulator: str, current: str) -> str:
            self._lambdas.append((accumulator, current))
            value = self.node(expression)
            self._lambdas.pop()
            return value

        before = self._nodes
        function = self._function(write, "x", "x")
        return function, self._nodes - before

    def _array(self, items: list[Any]) -> str:
        names = [self.node(item) for item in items]
        if all(map(_is_literal, items)):
            return self.writer.bound(list(items))
        return self.writer.put(f"[{', '.join(names)}]")

    def _operation(self, expression: dict[str, Any]) -> str:
        failing = self.writer.failing
        if len(expression) != 1:
            return failing(f"an operation has one operator, not {len(expression)}")
        ((name, operands),) = expression.items()
        if name == "var":
            return (
                self.var(operands) if isinstance(operands, str) else failing('"var" takes the text of a path')
            )
        if not isinstance(operands, list) or not operands:
            return failing("an operation is an operator with a list of at least one operand")
        build = self._table.get(name)
        if build is None:
            return failing(f"there is no operator {name[:40]!r}")
        count = self._counts[name]
        if not count.fits(len(operands)) and not (name in _FIRST_TAKEN and len(operands) > count.least):
            return failing(f'"{name}" takes {count}, not {len(operands)}')
        return build(self, operands)

    def var(self, path: str) -> str:
        """What stands at a path of the data, or of what a lambda sees in its place."""
        self._count(weight_of(path))
        steps = steps_of(path)
        for depth in reversed(range(len(self._lambdas))):
            if not steps:
                return self._seen(depth + 1)
            (name, _), *rest = steps
            steps = tuple(rest)
            accumulator, current = self._lambdas[depth]
            if name != "data":
                value = {"accumulator": accumulator, "current": current}.get(name, "None")
                return self.writer.member(steps, value)
        self.paths.add(steps)
        return self._value_set(steps) if steps[:2] == _VALUE_SETS else self.writer.member(steps)

    def _value_set(self, steps: Steps) -> str:
        """Looked up where it is reached, since one that is not there is an error."""
        writer = self.writer
        if self._sets is None or len(steps) == 2:
            return writer.member(steps[1:], writer.put(writer.member(steps[:1])))
        name = steps[2][0]
        if name not in self._sets:
            return writer.failing(f"the value set {name[:64]!r} is not in the bundle")
        return writer.member(steps[3:], writer.bound(self._sets[name]))

    def _seen(self, depth: int) -> str:
        """All that the lambda at this depth sees; the data, outside any."""
        if not depth:
            self.paths.add(())
            return "data"
        accumulator, current = self._lambdas[depth - 1]
        names = map(self.writer.bound, ("accumulator", "current", "data"))
        values = (accumulator, current, self._seen(depth - 1))
        members = ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))
        return self.writer.put(f"{{{members}}}")


def _item(data: Any, name: str, index: int | None) -> Any:
    """The member of a value, ``None`` where it has none."""
    if isinstance(data, dict):
        return data.get(name)
    return data[index] if index is not None and isinstance(data, list) and index < len(data) else None


def _is_literal(expression: Any) -> bool:
    return isinstance(expression, (str, bool)) or is_whole(expression)


# --- lazy operators


def _if(compiling: Compiling, operands: list[Any]) -> str:
    guard, then, otherwise = operands[:3]
    if compiling.own:
        return operators.chosen(compiling, guard, then, otherwise)
    writer = compiling.writer
    known = _known(compiling, '"if": the guard', compiling.node(guard))
    chosen = writer.put("None")
    values = []
    for head, operand in ((f"if {known}:", then), ("else:", otherwise)):
        with writer.block(head):
            values.append(compiling.node(operand))
            writer.put(values[-1], chosen)
    return writer.known_truth(chosen, values)


def _and(compiling: Compiling, operands: list[Any]) -> str:
    if compiling.own:
        return operators.decided(compiling, "and", operands, decides=False)
    writer = compiling.writer
    decided, known, values = writer.put("None"), writer.put("True"), []
    for operand in operands:
        with writer.block(f"if {known}:"):  # what was false stays so
            values.append(compiling.node(operand))
            writer.put(values[-1], decided)
            writer.put(_known(compiling, '"and": an operand', values[-1]), known)
    return writer.known_truth(decided, values)


def _not(compiling: Compiling, operands: list[Any]) -> str:
    value = compiling.node(operands[0])
    if compiling.own:
        return operators.inverted(compiling, value)
    known = _known(compiling, '"!": the operand', value)
    return compiling.writer.put_truth(f"not {known}")


def _known(compiling: Compiling, what: str, value: str) -> str:
    """Whether a value is truthy; one that is neither truthy nor falsy raises."""
    writer = compiling.writer
    if value in writer.truths:
        return value
    known = writer.made_of(truth, value)
    with writer.block(f"if {known} is None:"):
        writer.failing(f"{what} is a date, which is neither true nor false")
    return known


def _reduce(compiling: Compiling, operands: list[Any]) -> str:
    writer = compiling.writer
    items = compiling.node(operands[0])
    step, weight = compiling.step(operands[1])
    result = writer.put(f"{writer.bound(_no_list)}({items})")
    with writer.block(f"if {result} is None:"):
        initial = compiling.node(operands[2])
        folded = (
            f"{writer.bound(_folded)}({writer.run()}, {items}, {initial}, {step}, {writer.bound(weight)})"
        )
        writer.put(f"{initial} if {items} is None else {folded}", result)
    return result


def _no_list(items: Any) -> Unknown | None:
    if items is None or isinstance(items, (list, tuple)):
        return None
    return operators.unknown_in('"reduce": the first operand is no array', items)


def _folded(run: Run, items: Sequence[Any], accumulator: Any, step: Callable[..., Any], weight: int) -> Any:
    for current in items:
        run.spend(weight)
        accumulator = step(accumulator, current)
    return accumulator


# --- operators of known values; the first argument of each is the run


def _applied(compiling: Compiling, apply: Callable[..., Any], operands: list[Any]) -> str:
    """All operands evaluated in their order, then ``apply(run, *values)``; in our dialect one that is not
    known makes the answer unknown before that.
    """
    if compiling.own:
        return operators.lifted(compiling, apply, operands)
    values = [compiling.node(operand) for operand in operands]
    writer = compiling.writer
    return writer.put(f"{writer.bound(apply)}({', '.join((writer.run(), *values))})")


def _equal(compiling: Compiling, operands: list[Any]) -> str:
    kinds = {type(operand) for operand in operands}
    if compiling.own or not kinds & {str, int}:
        return _applied(compiling, _same, operands)
    writer = compiling.writer
    left, right = map(compiling.node, operands)
    if str in kinds:
        return writer.put_truth(f"{left} == {right}")  # of a text and any value of JSON it is strict
    other = f"{writer.bound(_same)}({writer.run()}, {left}, {right})"
    return writer.put_truth(f"{left} == {right} if type({left}) is type({right}) is int else {other}")


def _same(run: Run, left: Any, right: Any) -> bool:
    return same(left, right, run)


def _in(compiling: Compiling, operands: list[Any]) -> str:
    """In a list of texts that stands in the rule a text is looked up, not looked for."""
    writer = compiling.writer
    item, items = map(compiling.node, operands)
    codes = writer.constant(items)
    if not isinstance(codes, list) or not all(type(code) is str for code in codes):
        return writer.put_truth(f"{writer.bound(_among)}({writer.run()}, {item}, {items})")
    listed = writer.bound(frozenset(codes))
    other = f"{writer.bound(_among)}({writer.run_spending(len(codes) // 8)}, {item}, {items})"
    return writer.put_truth(f"{item} in {listed} if type({item}) is str else {item} is not None and {other}")


def _among(run: Run, item: Any, items: Any) -> bool:
    if items is None:
        return False
    if not isinstance(items, (list, tuple)):
        raise EvaluationError('"in": the second operand is no array')
    return among(item, items, run)


def _add(compiling: Compiling, operands: list[Any]) -> str:
    return _applied(compiling, _sum, operands)


def _sum(_run: Run, left: Any, right: Any) -> int:
    if not (type(left) is type(right) is int) and not (is_whole(left) and is_whole(right)):
        raise EvaluationError('"+": an operand is no whole number')
    total = int(left) + int(right)
    if abs(total) > MAX_WHOLE:
        raise EvaluationError('"+": the sum is beyond 2^53, where numbers of JSON are not exact')
    return total


_HOLDS = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}


def _compared(name: str, sign: str, fits: Callable[[Any], bool], complaint: str) -> Operator:
    """Two or three values in an order. sign: what Python has for it. fits: whether a value is one for it."""
    holds = _HOLDS[sign]

    def apply(_run: Run, *values: Any) -> bool:
        for value in values:
            if not fits(value):
                raise EvaluationError(f'"{name}": an operand is {complaint}')
        return all(map(holds, values, values[1:]))

    def build(compiling: Compiling, operands: list[Any]) -> str:
        if compiling.own:
            return operators.lifted(compiling, apply, operands)
        writer = compiling.writer
        values = [compiling.node(operand) for operand in operands]
        checked = f"{writer.bound(apply)}(None, {', '.join(values)})"
        if len(values) > 2:
            return writer.put_truth(checked)
        left, right = values
        compared = f"{left} {sign} {right}"
        if fits is is_whole:
            return writer.put_truth(f"{compared} if type({left}) is type({right}) is int else {checked}")
        return writer.put_truth(compared if writer.instants.issuperset(values) else checked)

    return build


def _is_instant(value: Any) -> bool:
    return isinstance(value, datetime)


def _plus_time(compiling: Compiling, operands: list[Any]) -> str:
    text, amount, unit = operands[:3]
    failing = compiling.writer.failing
    if not is_whole(amount):
        return failing('"plusTime": the second operand is a whole number as it stands, not computed')
    if unit not in PLUS_TIME_UNITS:
        return failing(f'"plusTime": the third operand is one of {", ".join(PLUS_TIME_UNITS)}')
    whole = int(amount)
    shifted = partial(plus, amount=whole, unit=unit) if whole else None
    return _of_text(compiling, _DATE_TIME, text, shifted)


def _date_of_birth(compiling: Compiling, operands: list[Any]) -> str:
    return _of_text(compiling, _BIRTH_DATE, operands[0])


class _Reader:
    """Reads a text as the operator of this name does."""

    def __init__(self, name: str, convert: Callable[[str], datetime]) -> None:
        self.name = name
        self._convert = convert

    def read(self, text: Any) -> datetime:
        """The instant. Raises EvaluationError."""
        if not isinstance(text, str):
            raise EvaluationError(f'"{self.name}": the operand is no text')
        return self._convert(text)

    def tried(self, text: Any) -> datetime | None:
        """The instant, ``None`` where there is none."""
        try:
            return self._convert(text) if isinstance(text, str) else None
        except EvaluationError:
            return None


_DATE_TIME, _BIRTH_DATE = _Reader("plusTime", read_date_time), _Reader("dccDateOfBirth", read_birth_date)


def _of_text(
    compiling: Compiling,
    reader: _Reader,
    operand: Any,
    shifted: Callable[[datetime], datetime] | None = None,
) -> str:
    """A date-time made from a text; a text of the rule itself is read when it is compiled."""
    writer = compiling.writer

    def made(text: Any) -> datetime:
        instant = reader.read(text)
        return instant if shifted is None else shifted(instant)

    if isinstance(operand, str):
        try:
            instant = writer.bound(made(operand))
        except EvaluationError as error:
            return writer.failing(f'"{reader.name}": {error}')
    elif compiling.own:
        return operators.lifted(compiling, lambda _run, text: made(text), [operand])
    else:
        text = compiling.node(operand)
        instant = writer.made_of(reader.tried, text)
        with writer.block(f"if {instant} is None:"):
            writer.line(f"{writer.bound(reader.read)}({text})")  # which says why
        if shifted is not None:
            instant = writer.put(f"{writer.bound(shifted)}({instant})")
    writer.instants.add(instant)
    return instant


def _extract_from_uvci(compiling: Compiling, operands: list[Any]) -> str:
    index = operands[1]
    if not is_whole(index):
        return compiling.writer.failing(
            '"extractFromUVCI": the second operand is a whole number as it stands, not computed'
        )
    place = int(index)

    def apply(_run: Run, text: Any) -> str | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise EvaluationError('"extractFromUVCI": the first operand is no text')
        fragments = _UVCI_SEPARATOR.split(text.removeprefix(_UVCI_PREFIX))
        return fragments[place] if 0 <= place < len(fragments) else None

    return _applied(compiling, apply, operands[:1])


_CERTLOGIC: Mapping[str, Operator] = MappingProxyType(
    {
        "if": _if,
        "and": _and,
        "!": _not,
        "reduce": _reduce,
        "===": _equal,
        "in": _in,
        "+": _add,
        "<": _compared("<", "<", is_whole, "no whole number"),
        ">": _compared(">", ">", is_whole, "no whole number"),
        "<=": _compared("<=", "<=", is_whole, "no whole number"),
        ">=": _compared(">=", ">=", is_whole, "no whole number"),
        "after": _compared("after", ">", _is_instant, "no date-time"),
        "before": _compared("before", "<", _is_instant, "no date-time"),
        "not-after": _compared("not-after", "<=", _is_instant, "no date-time"),
        "not-before": _compared("not-before", ">=", _is_instant, "no date-time"),
        "plusTime": _plus_time,
        "dccDateOfBirth": _date_of_birth,
        "extractFromUVCI": _extract_from_uvci,
    }
)
_OWN: Mapping[str, Operator] = MappingProxyType({**_CERTLOGIC, **operators.TABLE})
