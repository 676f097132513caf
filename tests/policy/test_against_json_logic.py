"""Our engine against another: CertLogic as `panzi-json-logic` has it, written by somebody else.

Where the two differ, the innermost expressions that differ are found, and each must stand in a table that
says why ours is right. More examples by ``VAXGATE_EXAMPLES``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.policy.certlogic import Dialect, EvaluationError, evaluate, plain
from verifier.policy.language import COUNTS, PLUS_TIME_UNITS, is_whole

cert_logic = pytest.importorskip("json_logic.cert_logic", reason="panzi-json-logic is not installed")

EXAMPLES = int(os.environ.get("VAXGATE_EXAMPLES", "600"))


class Error(NamedTuple):
    """There was no answer."""

    why: str


def ours(expression: Any, data: Any) -> Any:
    try:
        return evaluate(expression, data)
    except EvaluationError as error:
        return Error(str(error))


def theirs(expression: Any, data: Any) -> Any:
    try:
        return cert_logic.certLogic(expression, data)
    except Exception as error:  # noqa: BLE001 - it raises whatever Python raises
        return Error(repr(error))


def alike(one: Any, other: Any) -> bool:
    """Both no answer, or the same JSON value, date-times as instants; true is not 1, 1.0 is 1."""
    if isinstance(one, Error) or isinstance(other, Error):
        return isinstance(one, Error) and isinstance(other, Error)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


# --- where the two differ first


@dataclass(frozen=True, slots=True)
class Node:
    """An expression that differs though its operands do not.

    name: of the operator, "" for a literal. operands: as written. values: ours, of those that are evaluated.
    """

    name: str
    operands: Any
    values: list[Any]
    expression: Any
    data: Any
    ours: Any
    theirs: Any

    @property
    def text(self) -> str:
        """The first operand, where it is a text."""
        return self.values[0] if self.values and isinstance(self.values[0], str) else ""


EVALUATED = {"plusTime": 1, "extractFromUVCI": 1, "dccDateOfBirth": 1, "!": 1, "if": 3}


def parts(expression: Any, data: Any) -> Iterator[tuple[Any, Any]]:
    """The operands that may be evaluated, each with the data that it sees."""
    if isinstance(expression, list):
        yield from ((item, data) for item in expression)
        return
    if not isinstance(expression, dict) or len(expression) != 1:
        return
    ((name, operands),) = expression.items()
    if name == "var" or name not in COUNTS[Dialect.CERTLOGIC] or not isinstance(operands, list):
        return
    if name != "reduce":
        yield from ((operand, data) for operand in operands[: EVALUATED.get(name)])
    elif len(operands) >= 3:
        yield operands[0], data
        yield operands[2], data
        items, accumulator = ours(operands[0], data), ours(operands[2], data)
        for current in items if isinstance(items, list) else []:
            if isinstance(accumulator, Error):
                return
            context = {"accumulator": accumulator, "current": current, "data": data}
            yield operands[1], context
            accumulator = ours(operands[1], context)


def innermost(expression: Any, data: Any) -> Iterator[Node]:
    """The smallest expressions within this one that the two evaluate differently."""
    values, found = [], False
    for part, seen in parts(expression, data):
        value = ours(part, seen)
        values.append(value)
        if not alike(value, theirs(part, seen)):
            found = True
            yield from innermost(part, seen)
    if not found:
        single = isinstance(expression, dict) and len(expression) == 1
        ((name, operands),) = expression.items() if single else (("", None),)
        yield Node(name, operands, values, expression, data, ours(expression, data), theirs(expression, data))


# --- why ours is right

MILLISECOND = timedelta(milliseconds=1)
DATE_OPERATORS = ("after", "before", "not-after", "not-before")
NUMBER_OPERATORS = ("<", ">", "<=", ">=")
PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?")
FORM = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]+)?"
    r"(Z|[+-]([0-9]{1,2}|[0-9]{3,4}|[0-9]{1,2}:[0-9]{2}))?)?)?)?"
)
OFFSET = re.compile(r"[+-][0-9]{1,2}:?[0-5]?[0-9]?$")


def refused(node: Node) -> bool:
    return isinstance(node.ours, Error)


def is_date(value: Any) -> bool:
    return isinstance(value, datetime)


def wrong_count(node: Node) -> bool:
    count = COUNTS[Dialect.CERTLOGIC].get(node.name)
    return isinstance(node.operands, list) and count is not None and not count.fits(len(node.operands))


def holds_booleans_and_numbers(values: list[Any]) -> bool:
    flat = []
    while values:
        value, *values = values
        if isinstance(value, (list, dict)):
            values += value if isinstance(value, list) else value.values()
        else:
            flat.append(value)
    return any(isinstance(v, bool) for v in flat) and any(type(v) in (int, float) for v in flat)


def counted_in_utc(node: Node) -> bool:
    """Whether the other gives our answer, or its own for an overflow, when it is told the instant in UTC."""
    in_utc = plain(evaluate({"plusTime": [node.text, 0, "day"]}, None))
    answer = theirs({"plusTime": [in_utc, *node.operands[1:]]}, None)
    return isinstance(answer, Error) or (is_date(node.ours) and abs(answer - node.ours) <= MILLISECOND)


def beyond_utc(answer: Any) -> bool:
    """Whether this is an instant that has no year in UTC."""
    try:
        return is_date(answer) and answer.astimezone(UTC) is None
    except OverflowError:
        return True


def beyond_offset(answer: Any) -> bool:
    return isinstance(answer, Error) and "OverflowError" in answer.why


def with_initial(node: Node) -> Any:
    """The other's answer when the initial value stands there as it is, and the step keeps no context."""
    return theirs({"reduce": [*node.operands[:2], node.values[1]]}, node.data)


class Reason(NamedTuple):
    """why: ours is right. explains: whether a node differs for this reason. example: one that does."""

    why: str
    explains: Callable[[Node], bool]
    example: Any
    data: Any = None


A_DATE = {"plusTime": ["2022-03-15", 0, "day"]}
REASONS = {
    "null, a fraction or an object as a literal": Reason(
        "Literals are texts, integers, booleans and arrays of expressions; the other returns any value.",
        lambda n: not n.name and refused(n) and not isinstance(n.expression, (str, bool, list)),
        None,
    ),
    "an operator without a list of operands": Reason(
        "Only var has its operand bare; all others have a list that is not empty. The other makes one of it.",
        lambda n: n.name not in ("", "var") and refused(n)
        and not (isinstance(n.operands, list) and n.operands),
        {"!": True},
    ),
    "a wrong number of operands": Reason(
        "The specification says how many; the other takes null for what is missing, and drops the rest.",
        lambda n: refused(n) and wrong_count(n),
        {"+": [1, 2, 3]},
    ),
    "a path that is no text": Reason(
        "var takes a text since JsonLogic's other forms were left out; the other still has them.",
        lambda n: n.name == "var" and refused(n) and not isinstance(n.operands, str),
        {"var": 0},
        ["a"],
    ),
    "the length of an array, or a letter of a text": Reason(
        "A path leads through objects and arrays; anything else is missing. The other imitates JavaScript.",
        lambda n: n.name == "var" and n.ours is None and isinstance(n.theirs, (int, str)),
        {"var": "a.length"},
        {"a": [1, 2]},
    ),
    "an index with leading zeros": Reason(
        "Digits index an array, and 00 are digits; the reference evaluator reads them as a number, too.",
        lambda n: n.name == "var" and n.theirs is None and re.search(r"(^|\.)0[0-9]", n.operands) is not None,
        {"var": "00"},
        ["a"],
    ),
    "a date-time as a condition": Reason(
        "A date-time is neither truthy nor falsy, an error in if, and, !. To the other it is truthy.",
        lambda n: n.name in ("if", "and", "!") and refused(n) and any(map(is_date, n.values)),
        {"!": [A_DATE]},
    ),
    "true beside 1": Reason(
        "Equality converts nothing, and true is no number; the other asks Python, where true equals 1.",
        lambda n: n.name in ("===", "in") and n.ours is False and n.theirs is True
        and holds_booleans_and_numbers(list(n.values)),
        {"===": [[1], [True]]},
    ),
    "something in what is no array": Reason(
        "The right side of in is an array or, for the published suite, null; the other searches texts.",
        lambda n: n.name == "in" and refused(n) and not isinstance(n.values[1], (list, type(None))),
        {"in": ["a", "abc"]},
    ),
    "a sum or comparison of what is no integer": Reason(
        "These take integers, and null is none; the other converts texts, booleans, null, arrays and dates.",
        lambda n: n.name in ("+", *NUMBER_OPERATORS) and refused(n) and not all(map(is_whole, n.values)),
        {"<": ["1", 2]},
    ),
    "dates compared that are no date-times": Reason(
        "Date-times come of plusTime and dccDateOfBirth; the other reads texts, and drops a third null.",
        lambda n: n.name in DATE_OPERATORS and refused(n) and not all(map(is_date, n.values)),
        {"after": ["2022-03-16", "2022-03-15"]},
    ),
    "dccDateOfBirth": Reason(
        "It came with version 1.3.0 of the specification; the other stays at 1.2.",
        lambda n: n.name == "dccDateOfBirth" and not refused(n) and "Unrecognized" in str(n.theirs),
        {"dccDateOfBirth": ["2004-02"]},
    ),
    "plusTime of a year or a month": Reason(
        "Partial dates came with version 1.3.2: the last day that they can be. The other refuses them.",
        lambda n: n.name == "plusTime" and not refused(n) and PARTIAL.fullmatch(n.text) is not None,
        {"plusTime": ["2004-02", 0, "day"]},
    ),
    "plusTime of what is no text": Reason(
        "A date-time or null is an error there; the other takes a date-time again.",
        lambda n: n.name == "plusTime" and refused(n) and not isinstance(n.values[0], str),
        {"plusTime": [A_DATE, 1, "day"]},
    ),
    "plusTime with an amount that is no integer literal": Reason(
        "The amount is an integer literal; the other computes it, and takes fractions, texts and booleans.",
        lambda n: n.name == "plusTime" and refused(n) and not is_whole(n.operands[1]),
        {"plusTime": ["2022-03-15", "1", "day"]},
    ),
    "plusTime with a unit that is computed": Reason(
        "The unit is one of four literals; the other evaluates it.",
        lambda n: n.name == "plusTime" and refused(n) and n.operands[2] not in PLUS_TIME_UNITS,
        {"plusTime": ["2022-03-15", 1, {"if": [True, "day", "hour"]}]},
    ),
    "plusTime of a form that is not listed": Reason(
        "The specification lists the forms; the other takes a colon with no minutes and a line's end, too.",
        lambda n: n.name == "plusTime" and refused(n) and FORM.fullmatch(n.text) is None,
        {"plusTime": ["2021-05-27T10:20:30+1:", 0, "day"]},
    ),
    "an offset of more than 59 minutes": Reason(
        "ECMA-262 has minutes up to 59, so the text names no time; the other adds 75 minutes.",
        lambda n: n.name == "plusTime" and refused(n)
        and re.search(r"[+-].{1,3}[6-9][0-9]$", n.text) is not None,
        {"plusTime": ["2021-05-27T10:20:30+01:75", 0, "day"]},
    ),
    "a month or year that overflows": Reason(
        "setUTCMonth and setUTCFullYear overflow into the next days; the other has no answer.",
        lambda n: n.name == "plusTime" and is_date(n.ours) and isinstance(n.theirs, Error)
        and n.operands[2] in ("month", "year") and re.search(r"-(29|3[01])($|T)", n.text) is not None,
        {"plusTime": ["2020-02-29", 1, "year"]},
    ),
    "months counted at an offset": Reason(
        "The setters count in UTC, where it may be another day or month; the other counts at the offset.",
        lambda n: n.name == "plusTime" and n.operands[2] in ("month", "year")
        and OFFSET.search(n.text[10:]) is not None and counted_in_utc(n),
        {"plusTime": ["2021-03-01T00:00:00+02:00", 1, "month"]},
    ),
    "a fraction of a second": Reason(
        "It is cut to milliseconds; the other keeps microseconds, computed in binary fractions.",
        lambda n: n.name == "plusTime" and is_date(n.ours) and is_date(n.theirs) and "." in n.text
        and abs(n.ours - n.theirs) <= MILLISECOND,
        {"plusTime": ["2021-05-27T10:20:30.0199999", 0, "day"]},
    ),
    "the ends of the calendar, at an offset": Reason(
        "The years 1 to 9999 are those of UTC; the other counts them at the offset, hours to either side.",
        lambda n: n.name == "plusTime" and (
            beyond_utc(n.theirs) if refused(n) else beyond_offset(n.theirs) and counted_in_utc(n)
        ),
        {"plusTime": ["9999-12-31T23:00:00-02:00", 0, "day"]},
    ),
    "24:00:00": Reason(
        "ECMA-262 and ISO 8601 write the end of a day so, and the reference evaluator reads it.",
        lambda n: n.name == "plusTime" and is_date(n.ours) and "T24:00:00" in n.text,
        {"plusTime": ["2021-05-27T24:00:00Z", 0, "day"]},
    ),
    "reduce of what is no array": Reason(
        "null gives the initial value and any other value is an error; the other gives the initial value.",
        lambda n: n.name == "reduce" and refused(n) and not isinstance(n.values[0], (list, type(None))),
        {"reduce": ["a", 1, 2]},
    ),
    "an initial value that is computed": Reason(
        "All three operands are expressions; the other does not evaluate the third.",
        lambda n: n.name == "reduce" and not isinstance(n.operands[2], (str, bool, int))
        and (isinstance(n.values[1], Error) or alike(n.ours, with_initial(n))),
        {"reduce": [[], 1, {"+": [1, 2]}]},
    ),
    "a context that is kept beyond its step": Reason(
        "Each step has a context of its own; the other changes one, so that what was kept of it changes too.",
        lambda n: n.name == "reduce" and "{'var': ''}" in repr(n.operands[1]),
        {"reduce": [[1, 2], [{"var": ""}], 0]},
    ),
    "extractFromUVCI of what is no text": Reason(
        "A text or null; the other writes any other value as JavaScript would.",
        lambda n: n.name == "extractFromUVCI" and refused(n)
        and not isinstance(n.values[0], (str, type(None))),
        {"extractFromUVCI": [12, 0]},
    ),
    "extractFromUVCI with an index that is no integer literal": Reason(
        "The index is an integer literal; the other computes and rounds it.",
        lambda n: n.name == "extractFromUVCI" and refused(n) and not is_whole(n.operands[1]),
        {"extractFromUVCI": ["a:b", "1"]},
    ),
}  # fmt: skip


def explained(node: Node) -> str | None:
    """The first row that explains the difference; those about the form stand before those about values."""
    return next((name for name, reason in REASONS.items() if reason.explains(node)), None)


# --- expressions that both may define

DAYS = ("2020-02-29", "2021-01-31", "2021-05-27", "2021-06-23", "1999-12-01", "9999-12-31", "0001-01-01")
TIMES = (
    "",
    "T10:20:30",
    "T23:59:59Z",
    "T00:00:00.5Z",
    "T10:20:30.1239+02:00",
    "T00:00:00-3",
    "T12:00:00+0530",
)
ODD = (
    "2004",
    "2004-02",
    "",
    "today",
    "2021-02-30",
    "2021-05-27T24:00:00Z",
    "2021-05-27T10:20:30+1:",
    "2021-05-27\n",
)
UVCIS = ("", "URN:UVCI:01:NL:187/37512422923", "01:AT:1080#B", "urn:uvci:a", "a::c/#/f")
PATHS = ("", "n", "s", "l", "o", "o.n", "l.0", "l.1", "l.00", "l.length", "s.0", "none", "o.l.0.x", "o.",
         "current", "accumulator", "data", "data.n")  # fmt: skip

whole = st.integers(-9, 9)
paths = st.sampled_from(PATHS).map(lambda path: {"var": path})
dates = st.builds(str.__add__, st.sampled_from(DAYS), st.sampled_from(TIMES)) | st.sampled_from(ODD)
texts = st.sampled_from(["", "a", "b", "0", "1", "abc"]) | dates | st.sampled_from(UVCIS)
scalars = whole | st.booleans() | texts


def operation(
    name: str | st.SearchStrategy[str], *operands: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    names = st.just(name) if isinstance(name, str) else name
    return st.builds(lambda n, *given: {n: list(given)}, names, *operands)


def two_or_three(names: tuple[str, ...], operand: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda name, operands: {name: operands},
        st.sampled_from(names),
        st.lists(operand, min_size=2, max_size=3),
    )


def instants_of(text: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return operation(
        "plusTime", text, st.sampled_from([0, 0, 1, -1, 12, -200, 180]), st.sampled_from(PLUS_TIME_UNITS)
    )


def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    one = whole | st.just({"var": "n"})
    number = one | operation("+", one, one) | operation("if", inner, one, one)
    instant = instants_of(dates) | instants_of(st.just({"var": "d"})) | operation("dccDateOfBirth", dates)
    array = st.lists(inner, max_size=3) | st.just({"var": "l"})
    text = st.sampled_from(UVCIS) | st.just({"var": "s"})
    return st.one_of(
        operation("if", inner, inner, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda operands: {"and": operands}),
        operation("!", inner),
        operation("===", inner, inner),
        operation("in", inner, array),
        two_or_three(NUMBER_OPERATORS, number),
        two_or_three(DATE_OPERATORS, instant),
        instant,
        number,
        array,
        operation("extractFromUVCI", text, st.integers(-1, 4)),
        operation("reduce", array, inner, scalars),
        operation(
            "reduce",
            array,
            st.just({"+": [{"var": "accumulator"}, {"if": [{"in": [{"var": "current"}, ["a", 1]]}, 1, 0]}]}),
            one,
        ),
        st.builds(  # anything
            lambda name, operands: {name: operands},
            st.sampled_from([*COUNTS[Dialect.CERTLOGIC], "var", "or"]),
            st.lists(inner, max_size=4) | inner | st.none() | st.just(0.5),
        ),
    )


expressions = st.recursive(scalars | paths, deeper, max_leaves=10)
values = st.none() | scalars | st.sampled_from([1.0, 2.5, [], {}, [1, "a"], {"n": 1}])
contexts = (
    st.fixed_dictionaries(
        {
            "n": whole,
            "s": texts,
            "d": dates,
            "l": st.lists(values, max_size=4),
            "o": st.fixed_dictionaries({"n": values, "l": st.lists(st.just({"x": 1}), max_size=1)}),
        }
    )
    | values
)

seen: Counter[str] = Counter()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(expressions, contexts)
def test_two_engines_agree_or_the_difference_is_explained(expression: Any, data: Any) -> None:
    """Generated expressions over generated data; a difference that no row explains fails."""
    seen["examples"] += 1
    if alike(one := ours(expression, data), theirs(expression, data)):
        seen["no answer by both" if isinstance(one, Error) else "one value by both"] += 1
        return
    seen["explained"] += 1
    for node in innermost(expression, data):
        why = explained(node)
        assert why, f"unexplained: {node}"
        seen[why] += 1


def test_most_examples_are_defined_by_both_and_agree() -> None:
    """The comparison above is worth its name: an answer by both is the common case."""
    if not seen["examples"]:
        pytest.skip("the comparison did not run")
    for name, count in seen.most_common():
        print(f"{count:9}  {name}")
    assert seen["one value by both"] > seen["examples"] // 4


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_has_an_example_that_differs_for_it(name: str) -> None:
    """No row of the table explains what does not exist."""
    reason = REASONS[name]
    nodes = list(innermost(reason.example, reason.data))
    assert not alike(ours(reason.example, reason.data), theirs(reason.example, reason.data))
    assert [explained(node) for node in nodes] == [name]
