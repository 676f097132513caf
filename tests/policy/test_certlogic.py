"""The rule engine: plain CertLogic 1.3.3, exactly, and within its bounds."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from expressions import json_values, rule_like
from hypothesis import example, given
from hypothesis import strategies as st
from strictness import strictly_equal

from appliance.cli.cases import CaseError
from appliance.cli.rules_cases import check_cases, eval_cases
from verifier.codes import Reason
from verifier.policy import language
from verifier.policy.certlogic import (
    Dialect,
    EvaluationError,
    ExpressionError,
    compile_logic,
    compile_together,
    evaluate,
    plain,
    truth,
)
from verifier.policy.jsdates import plus, read_birth_date, read_date_time, read_instant, written_as_javascript
from verifier.policy.values import Span, Unknown

ERROR = object()  # in a table: the expression has no answer


def answer(expression: Any, data: Any = None) -> Any:
    """The value, or ERROR."""
    try:
        return evaluate(expression, data)
    except EvaluationError:
        return ERROR


def agrees(expression: Any, data: Any, expected: Any) -> bool:
    value = answer(expression, data)
    return value is expected or (value is not ERROR and strictly_equal(plain(value), expected))


# --- the published suites


@pytest.mark.vectors
@pytest.mark.parametrize(("suite", "least"), [("certlogic-spec", 146), ("dcc-rules", 878)])
def test_every_published_case_gives_what_was_published(suite: str, least: int, vectors: Path) -> None:
    """Evaluation cases of the specification and the tests of national rules, compared with their types."""
    path = vectors / f"{suite}.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    answers = list(eval_cases(path))
    assert [said["id"] for said in answers] == [case["id"] for case in cases]
    differing = [
        (said, case["expected"])
        for said, case in zip(answers, cases, strict=True)
        if "result" not in said or not strictly_equal(said["result"], case["expected"])
    ]
    assert differing == []
    assert len(cases) >= least


def test_a_case_without_an_answer_still_gets_its_line(tmp_path: Path) -> None:
    """`eval --cases`: a value or an error for each case, in the order of the file; no data means null."""
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '{"id": 1, "logic": {"var": "a"}, "data": {"a": [2, true]}}\n\n'
        '{"id": 2, "logic": {"+": [1, "Nguyen"]}, "data": {}}\n'
        '{"id": "3", "logic": {"plusTime": ["2022-03-15", 1, "hour"]}}\n'
        '{"id": 4, "logic": ' + '{"!": [' * 65 + "1" + "]}" * 65 + ', "data": {}}\n'
        '{"id": 5, "logic": {"var": ""}, "data": NaN}\n'
    )
    first, second, third, fourth, fifth = eval_cases(path)
    assert first == {"id": 1, "result": [2, True]}
    assert second["id"] == 2
    assert "whole number" in second["error"]
    assert "Nguyen" not in second["error"]
    assert third == {"id": "3", "result": "2022-03-15T01:00:00.000Z"}
    assert "64" in fourth["error"]
    assert "error" in fifth


@pytest.mark.parametrize("line", ["[1]", "{", '{"logic": 1}', '{"id": 1, "data": {}}', "\xff"])
@pytest.mark.parametrize("read", [eval_cases, check_cases])
def test_a_line_that_is_no_case_is_an_error_that_names_the_file(
    line: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    """A broken case file is our caller's mistake, not a case with a wrong answer."""
    path = tmp_path / "broken.jsonl"
    path.write_bytes(line.encode("latin-1"))
    with pytest.raises(CaseError, match=r"broken\.jsonl"):
        list(read(path))


# --- literals and truth


@pytest.mark.parametrize("literal", ["", "text", 0, -3, 42, 42.0, True, False, [], [1, "a", [True]]])
def test_literals_stand_for_themselves(literal: Any) -> None:
    """Texts, whole numbers, booleans, and arrays of them."""
    assert agrees(literal, None, literal)


@pytest.mark.parametrize(
    "expression",
    [
        None,
        1.5,
        float("nan"),
        float("inf"),
        {},
        {"var": "a", "!": [1]},
        [1, None],
        {"nonsense": [1]},
        {"!": []},
        {"!": True},
        {"!": None},
        {"in": "abc"},
        {"var": ["a"]},
        {"var": 0},
        {"var": None},
        {"or": [True, False]},
        {"need": ["a"]},
        {"day": ["2022-03-15"]},
    ],
)
def test_what_is_no_expression_has_no_answer(expression: Any) -> None:
    """null, fractions, objects that are no operation, operators unknown or our own, empty operand lists."""
    assert answer(expression, {"a": 1}) is ERROR


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(value, False) for value in (None, False, "", 0, 0.0, [], {}, ())],
        *[(value, True) for value in (True, "0", "false", " ", 1, -1, 0.5, [0], [None], {"a": None}, (0,))],
        *[(value, None) for value in (datetime(2022, 3, 15, tzinfo=UTC), date(2022, 3, 15))],
        (Span(date(1983, 1, 1), date(1983, 12, 31), Reason.DOB_PARTIAL), None),
        (Unknown(Reason.NEED_CONTEXT), Unknown(Reason.NEED_CONTEXT)),
    ],
)
def test_values_are_truthy_falsy_neither_or_unknown(value: Any, expected: Any) -> None:
    """Six falsy values; dates are neither; what is not known is not known to be either."""
    assert truth(value) == expected


A_DATE = {"plusTime": ["2022-03-15", 0, "day"]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"if": [True, "then", {"nonsense": [1]}]}, "then"),
        ({"if": [0, {"nonsense": [1]}, "else"]}, "else"),
        ({"if": ["0", 1, 2]}, 1),
        ({"if": [{"var": "x"}, 1, 2]}, 2),
        ({"if": [A_DATE, 1, 2]}, ERROR),
        ({"if": [True, 1]}, ERROR),
        ({"if": [False, 1]}, ERROR),
        ({"if": [True, 1, 2, {"nonsense": [1]}]}, 1),
        ({"and": [True, 1, "last"]}, "last"),
        ({"and": [True, [], {"nonsense": [1]}]}, []),
        ({"and": [0, A_DATE]}, 0),
        ({"and": [True, A_DATE]}, ERROR),
        ({"and": [A_DATE, False]}, ERROR),
        ({"and": [True]}, ERROR),
        ({"!": [[]]}, True),
        ({"!": ["0"]}, False),
        ({"!": [0, {"nonsense": [1]}]}, True),
        ({"!": [A_DATE]}, ERROR),
    ],
)
def test_if_and_not_evaluate_only_what_they_must(expression: Any, expected: Any) -> None:
    """Lazy, values as they are, and a date-time as a condition is an error."""
    assert agrees(expression, {}, expected)


# --- data, equality, numbers


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", {"a": {"b": [10, {"c": "x"}]}, "0": "zero", "t": "text", "n": None}),
        ("a.b.0", 10),
        ("a.b.00", 10),
        ("a.b.1.c", "x"),
        ("a.b.2", None),
        ("a.b.-1", None),
        ("a.b.length", None),
        ("a.b.0x", None),
        ("a.b." + "9" * 5000, None),
        ("0", "zero"),
        ("t.0", None),
        ("t.length", None),
        ("n.x", None),
        ("a.x.y.z", None),
        ("a.", None),
        (".a", None),
    ],
)
def test_var_finds_its_value_or_null(path: str, expected: Any) -> None:
    """Members by name, items by digits, everything else null: no lengths, no letters of texts."""
    data = {"a": {"b": [10, {"c": "x"}]}, "0": "zero", "t": "text", "n": None}
    assert agrees({"var": path}, data, expected)
    assert answer({"var": "a"}, None) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        (False, False, True),
        ("a", "a", True),
        ("", None, False),
        (None, None, True),
        (0, None, False),
        ([1, [2]], [1, [2]], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ([], {}, False),
    ],
)
def test_equality_converts_nothing(left: Any, right: Any, expected: bool) -> None:
    """=== and in: booleans are no numbers, arrays and objects are equal by what they hold."""
    data = {"left": left, "right": right, "items": ["other", right]}
    for a, b in (("left", "right"), ("right", "left")):
        assert answer({"===": [{"var": a}, {"var": b}]}, data) is expected
    assert answer({"in": [{"var": "left"}, {"var": "items"}]}, data) is expected


def test_date_times_are_equal_when_they_are_one_instant() -> None:
    """Also when they were written with different offsets."""
    at_noon = {"plusTime": ["2022-03-15T12:00:00Z", 0, "day"]}
    in_hanoi = {"plusTime": ["2022-03-15T19:00:00+7", 0, "day"]}
    assert answer({"===": [at_noon, in_hanoi]}) is True
    assert answer({"===": [at_noon, A_DATE]}) is False
    assert answer({"===": [at_noon, "2022-03-15T12:00:00.000Z"]}) is False


@pytest.mark.parametrize(
    ("right", "expected"),
    [([], False), ([None], True), (None, False), ("text", ERROR), ({}, ERROR), (0, ERROR), (False, ERROR)],
)
def test_nothing_is_in_null_and_other_values_are_no_arrays(right: Any, expected: Any) -> None:
    """The published suite decides about null; what else is no array is an error."""
    assert agrees({"in": [{"var": "missing"}, {"var": "right"}]}, {"right": right}, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"+": [1, 2]}, 3),
        ({"+": [1.0, 2]}, 3),
        ({"+": [-1, 1]}, 0),
        ({"+": [1, "2"]}, ERROR),
        ({"+": [1, True]}, ERROR),
        ({"+": [1, {"var": "missing"}]}, ERROR),
        ({"+": [1, {"var": "half"}]}, ERROR),
        ({"+": [1]}, ERROR),
        ({"+": [1, 2, 3]}, ERROR),
        ({"+": [2**53 - 2, 1]}, 2**53 - 1),
        ({"+": [2**53 - 1, 1]}, ERROR),
        ({"<": [1, 2]}, True),
        ({"<": [1, 2, 3]}, True),
        ({"<": [1, 3, 2]}, False),
        ({"<": [2, 1, 3]}, False),
        ({"<=": [1, 1, 1]}, True),
        ({">": [3, 2, 2]}, False),
        ({">=": [3, 2, 2]}, True),
        ({">": [2.0, 1]}, True),
        ({"<": [2, 1, "a"]}, ERROR),
        ({"<": ["a", "b"]}, ERROR),
        ({"<": [False, True]}, ERROR),
        ({"<": [{"var": "missing"}, 1]}, ERROR),
        ({"<": [A_DATE, A_DATE]}, ERROR),
        ({"<": [1]}, ERROR),
        ({"<": [1, 2, 3, 4]}, ERROR),
    ],
)
def test_numbers_are_whole_and_nothing_else_is_a_number(expression: Any, expected: Any) -> None:
    """+ and the comparisons take integers, of which 1.0 is one and true is none."""
    assert agrees(expression, {"half": 0.5}, expected)


# --- date-times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021", "2021-12-31T00:00:00.000Z"),
        ("2020-02", "2020-02-29T00:00:00.000Z"),
        ("2021-02", "2021-02-28T00:00:00.000Z"),
        ("9999-12", "9999-12-31T00:00:00.000Z"),
        ("2021-05-27", "2021-05-27T00:00:00.000Z"),
        ("2021-05-27T10:20:30", "2021-05-27T10:20:30.000Z"),
        ("2021-05-27T10:20:30Z", "2021-05-27T10:20:30.000Z"),
        ("2021-05-27T10:20:30+2", "2021-05-27T08:20:30.000Z"),
        ("2021-05-27T10:20:30-02", "2021-05-27T12:20:30.000Z"),
        ("2021-05-27T10:20:30+230", "2021-05-27T07:50:30.000Z"),
        ("2021-05-27T10:20:30-0230", "2021-05-27T12:50:30.000Z"),
        ("2021-05-27T10:20:30+2:30", "2021-05-27T07:50:30.000Z"),
        ("2021-05-27T10:20:30+02:30", "2021-05-27T07:50:30.000Z"),
        ("2021-05-27T10:20:30-00:00", "2021-05-27T10:20:30.000Z"),
        ("2021-05-27T10:20:30.1Z", "2021-05-27T10:20:30.100Z"),
        ("2021-05-27T10:20:30.0199999-1", "2021-05-27T11:20:30.019Z"),
        ("2021-05-27T10:20:30.999999", "2021-05-27T10:20:30.999Z"),
        ("2021-05-27T24:00:00", "2021-05-28T00:00:00.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        *[
            (text, ERROR)
            for text in (
                "", "today", "21-05-27", "20210527", "2021-5-27", "2021-05-27 ", "2021-05-27\n",
                "2021-W21-4", "2021-147", "2021-02-29", "2021-13", "2021-00-10", "2021-05-00", "0000-01-01",
                "2021-05-27T10:20Z", "2021-05-27 10:20:30", "2021-05-27t10:20:30z", "2021-05-27T10:20:30.Z",
                "2021-05-27T10:20:30,5Z", "2021-05-27T10:20:30+", "2021-05-27T10:20:30+1:",
                "2021-05-27T10:20:30+12345", "2021-05-27T10:20:30+24:00", "2021-05-27T10:20:30+01:60",
                "2021-05-27T10:20:60Z", "2021-05-27T25:00:00Z", "2021-05-27T24:00:01Z",
                "0001-01-01T00:00:00+01:00", "9999-12-31T24:00:00", "٢٠٢١-05-27", "+2021-05-27",
            )
        ],
    ],
)  # fmt: skip
def test_plus_time_reads_the_listed_forms_and_no_others(text: str, expected: Any) -> None:
    """As a literal and as data; days, hours and offsets must exist."""
    assert agrees({"plusTime": [text, 0, "day"]}, {}, expected)
    assert agrees({"plusTime": [{"var": "it"}, 0, "hour"]}, {"it": text}, expected)


@pytest.mark.parametrize(
    ("text", "amount", "unit", "expected"),
    [
        ("2020-02-29", 1, "day", "2020-03-01"),
        ("2020-02-29", 1, "month", "2020-03-29"),
        ("2020-02-29", 1, "year", "2021-03-01"),
        ("2020-02-29", 4, "year", "2024-02-29"),
        ("2020-02-29", -1, "year", "2019-03-01"),
        ("2021-01-31", 1, "month", "2021-03-03"),
        ("2020-01-31", 1, "month", "2020-03-02"),
        ("2021-03-31", -1, "month", "2021-03-03"),
        ("2021-05-31", 1, "month", "2021-07-01"),
        ("2021-12-31", 2, "month", "2022-03-03"),
        ("2021-01-15", -1, "month", "2020-12-15"),
        ("2021-01-15", -13, "month", "2019-12-15"),
        ("2021-01-15", -24.0, "month", "2019-01-15"),
        ("2004-02", 18, "year", "2022-03-01"),
        ("2021-06-23", -180, "day", "2020-12-25"),
        ("2021-06-23", -72, "hour", "2021-06-20"),
        ("9999-12-31", 0, "year", "9999-12-31"),
        ("9999-12-31", 1, "day", ERROR),
        ("9999-12-31", 1, "month", ERROR),
        ("0001-01-01", -1, "hour", ERROR),
        ("0001-01-01", -1, "year", ERROR),
        ("2021-06-23", 10**30, "day", ERROR),
        ("2021-06-23", -(10**400), "month", ERROR),
        ("2021-06-23", 1e308, "hour", ERROR),
    ],
)
def test_plus_time_overflows_as_javascript_does(text: str, amount: int, unit: str, expected: Any) -> None:
    """Nothing clamps to the month's end; outside the years 1 to 9999 there is no answer."""
    expected = expected if expected is ERROR else f"{expected}T00:00:00.000Z"
    assert agrees({"plusTime": [{"var": ""}, amount, unit]}, text, expected)
    assert agrees({"plusTime": [text, amount, unit]}, None, expected)


def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a day that need not exist, as MakeDay of ECMA-262 counts them."""
    year, month = year + (month - 1) // 12, (month - 1) % 12
    before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month]
    leap = month > 1 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    years = 365 * (year - 1970) + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    return years + before + leap + day - 1


@given(st.dates(), st.integers(-2000, 2000), st.sampled_from(["year", "month", "day"]))
@example(date(2020, 2, 29), 1, "year")
def test_months_and_years_are_added_as_ecma_262_counts_days(start: date, amount: int, unit: str) -> None:
    """setUTCFullYear, setUTCMonth and setUTCDate, counted here by an arithmetic of its own."""
    year, month, day = start.year, start.month, start.day
    expected = days_of(
        year + amount * (unit == "year"), month + amount * (unit == "month"), day + amount * (unit == "day")
    )
    instant = datetime(year, month, day, tzinfo=UTC)
    try:
        got = plus(instant, amount, unit)
    except EvaluationError:
        assert not 0 <= expected + 719162 <= 3652058  # the days of the years 1 to 9999
        return
    assert (got - datetime(1970, 1, 1, tzinfo=UTC)).days == expected


@given(st.integers(-60_000_000_000_000, 250_000_000_000_000), st.integers(-1439, 1439))
def test_an_instant_that_is_written_is_read_again(millis: int, offset: int) -> None:
    """read(written(x)) == x to the millisecond, and an offset names the same instant."""
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    written = written_as_javascript(instant)
    assert read_date_time(written) == read_instant(written) == instant
    local = (instant + timedelta(minutes=offset)).replace(tzinfo=None).isoformat(timespec="milliseconds")
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    assert read_date_time(f"{local}{sign}{minutes // 60}:{minutes % 60:02}") == instant


@pytest.mark.parametrize(
    ("operands", "expected"),
    [
        (["2022-03-15", 1, "week"], ERROR),
        (["2022-03-15", 1, "Day"], ERROR),
        (["2022-03-15", 1, ["day"]], ERROR),
        (["2022-03-15", 1.5, "day"], ERROR),
        (["2022-03-15", True, "day"], ERROR),
        (["2022-03-15", "1", "day"], ERROR),
        (["2022-03-15", {"+": [1, 1]}, "day"], ERROR),
        (["2022-03-15", 1], ERROR),
        ([{"var": "missing"}, 1, "day"], ERROR),
        ([2022, 1, "day"], ERROR),
        ([A_DATE, 1, "day"], ERROR),
        ([["2022-03-15"], 1, "day"], ERROR),
        (["2022-03-15", 1.0, "day"], "2022-03-16T00:00:00.000Z"),
    ],
)
def test_plus_time_takes_a_text_a_whole_literal_and_a_unit(operands: Any, expected: Any) -> None:
    """null, a date-time or a computed amount is an error."""
    assert agrees({"plusTime": operands}, {}, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2004", "2004-12-31"),
        ("2004-02", "2004-02-29"),
        ("2004-02-01", "2004-02-01"),
        ("2004-02-01T00:00:00Z", ERROR),
        ("2004-02-30", ERROR),
        ("", ERROR),
        (None, ERROR),
        (2004, ERROR),
    ],
)
def test_a_birth_date_is_the_last_day_that_it_can_be(text: Any, expected: Any) -> None:
    """dccDateOfBirth: of a year, a month or a day; of nothing else."""
    expected = expected if expected is ERROR else f"{expected}T00:00:00.000Z"
    assert agrees({"dccDateOfBirth": [{"var": ""}]}, text, expected)
    if isinstance(text, str) and expected is not ERROR:
        assert written_as_javascript(read_birth_date(text)) == expected


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("before", (True, False, False)),
        ("not-after", (True, True, False)),
        ("after", (False, False, True)),
        ("not-before", (False, True, True)),
    ],
)
def test_date_times_are_compared_in_time(name: str, answers: tuple[bool, bool, bool]) -> None:
    """The four operators, with two and with three operands; texts are no date-times."""
    early, late = ({"plusTime": [text, 0, "day"]} for text in ("2022-03-15", "2022-03-15T00:00:00-1"))
    for (left, right), expected in zip([(early, late), (early, early), (late, early)], answers, strict=True):
        assert answer({name: [left, right]}) is expected
        assert answer({name: [left, right, right]}) is (expected and answers[1])
        assert answer({name: [left, left, right]}) is (expected and answers[1])
    assert answer({name: [early, "2022-03-16"]}) is ERROR
    assert answer({name: [early, late, {"var": "missing"}]}) is ERROR
    assert answer({name: [early]}) is ERROR
    assert answer({name: [1, 2]}) is ERROR


# --- reduce, UVCI


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"reduce": [[1, 2, 3], {"+": [{"var": "accumulator"}, {"var": "current"}]}, 0]}, 6),
        ({"reduce": [{"var": "missing"}, {"nonsense": [1]}, "initial"]}, "initial"),
        ({"reduce": [[], {"nonsense": [1]}, {"var": "z"}]}, 7),
        ({"reduce": [[1], {"nonsense": [1]}, 0]}, ERROR),
        ({"reduce": ["text", 1, 0]}, ERROR),
        ({"reduce": [0, 1, 0]}, ERROR),
        ({"reduce": [{"var": ""}, 1, 0]}, ERROR),
        ({"reduce": [[1, 2], {"var": "data.z"}, 0]}, 7),
        ({"reduce": [[1, 2], {"var": "z"}, 0]}, None),
        ({"reduce": [[1], {"reduce": [[2], {"var": "data.data.z"}, 0]}, 0]}, 7),
        ({"reduce": [[1], {"reduce": [[2], {"var": "data.current"}, 0]}, 0]}, 1),
        ({"reduce": [[1], 1]}, ERROR),
    ],
)
def test_reduce_folds_with_the_context_around_it_as_data(expression: Any, expected: Any) -> None:
    """null gives the initial value, another non-array is an error, a lambda sees its surroundings as data."""
    assert agrees(expression, {"z": 7}, expected)


@pytest.mark.parametrize(
    ("text", "index", "expected"),
    [
        ("URN:UVCI:01:NL:187/37512422923", 0, "01"),
        ("01:NL:187/37512422923", 3, "37512422923"),
        ("urn:uvci:01", 0, "urn"),
        ("URN:UVCI:URN:UVCI:01", 0, "URN"),
        ("a::c/#/f", 4, ""),
        ("a::c/#/f", 5, "f"),
        ("a::c/#/f", 6, None),
        ("a", -1, None),
        ("", 0, ""),
        ("a:b", 1.0, "b"),
        (None, 0, None),
        (7, 0, ERROR),
        ("a", True, ERROR),
        ("a", "0", ERROR),
        ("a", {"+": [0, 0]}, ERROR),
    ],
)
def test_a_part_of_a_uvci_is_found_by_its_number(text: Any, index: Any, expected: Any) -> None:
    """Split on / # and :, after a prefix in exactly its capitals."""
    assert agrees({"extractFromUVCI": [{"var": ""}, index]}, text, expected)


def test_a_path_in_a_lambda_is_not_the_same_path_outside() -> None:
    """What was looked up in the data is remembered for the data alone, not for what a lambda sees."""
    inside = {"reduce": [[1, 2], {"var": "current"}, 0]}
    assert answer({"+": [{"+": [{"var": "current"}, inside]}, {"var": "current"}]}, {"current": 7}) == 16


def test_rules_that_are_compiled_together_answer_as_each_does_alone() -> None:
    """Also of what is missing or no date; where all are true one answer says so."""
    clock = {"plusTime": [{"var": "at"}, 0, "day"]}
    data = {"at": "2022-03-01T00:00:00Z", "born": "2004-02", "odd": "no date", "d": {"e": [1, 2]}}
    rules = [
        {"not-after": [clock, {"plusTime": [{"var": "at"}, 1, "day"]}]},
        {"after": [{"dccDateOfBirth": [{"var": "born"}]}, {"plusTime": [{"var": "born"}, 0, "day"]}]},
        {"after": [clock, {"plusTime": [{"var": "odd"}, 0, "day"]}]},
        {"===": [{"var": "d.e.1"}, 2]},
        {"===": [{"var": "missing"}, {"var": "d.none"}]},
    ]
    rules += reversed(rules)
    alone = [answer(rule, data) for rule in rules]
    assert compile_together(rules, {}).function(data) == tuple(
        None if each is ERROR else each for each in alone
    )
    true = [rule for rule, each in zip(rules, alone, strict=True) if each is True]
    assert compile_together(true, {}).function(data) is None


# --- bounds


def nested(levels: int) -> Any:
    expression: Any = True
    for _ in range(levels):
        expression = {"!": [expression]}
    return expression


def test_sixty_four_levels_are_judged_and_one_more_is_refused() -> None:
    """The depth is bounded when a rule is compiled, by an error that says so."""
    assert answer(nested(64)) is True
    for expression in (nested(65), [nested(64)], nested(100_000)):
        with pytest.raises(ExpressionError, match="64"):
            compile_logic(expression)


def test_a_rule_has_at_most_ten_thousand_expressions() -> None:
    """So a rule that is signed by mistake or malice still compiles at once, or not at all."""
    assert answer([1] * 9_999) == [1] * 9_999
    with pytest.raises(ExpressionError, match="10000"):
        compile_logic([1] * 10_000)


@pytest.mark.parametrize(
    "expression",
    [
        {"reduce": [{"var": ""}, {"reduce": [{"var": "data"}, {"var": "current"}, 0]}, 0]},
        {"reduce": [{"var": ""}, {"in": [1, {"var": "data"}]}, 0]},
        {"reduce": [{"var": ""}, {"===": [{"var": "data"}, {"var": "data"}]}, 0]},
    ],
)
def test_work_that_repeats_is_bounded_in_all(expression: Any) -> None:
    """Nested folds, lists that are searched and compared again and again: an error, soon."""
    assert answer(expression, [0] * 20) is not ERROR
    with pytest.raises(EvaluationError, match="too long"):
        evaluate(expression, [0] * 2_000)


@pytest.mark.parametrize(
    ("step", "least"), [([{"var": "accumulator"}] * 2, 60), ([{"var": "accumulator"}], 1_000)]
)
def test_an_answer_that_grows_without_end_is_not_written(step: Any, least: int) -> None:
    """A value held twice in itself again and again has 2^60 parts, or is nested a thousand deep."""
    grown = evaluate({"reduce": [{"var": ""}, step, 0]}, [0] * least)
    with pytest.raises(EvaluationError, match="too large"):
        plain(grown)
    with pytest.raises(EvaluationError):
        evaluate({"reduce": [{"var": ""}, {"===": [step, step]}, 0]}, [0] * 20_000)


def test_data_may_be_nested_as_deep_as_it_likes() -> None:
    """Equality does not recurse, so a hostile certificate cannot exhaust the stack."""
    one: Any = 1
    other: Any = 1
    for _ in range(20_000):
        one, other = [one], [other]
    assert answer({"===": [{"var": "a"}, {"var": "b"}]}, {"a": one, "b": other}) is True


@given(rule_like, json_values, st.sampled_from(Dialect))
def test_any_expression_over_any_data_gives_a_value_or_an_error_of_ours(
    expression: Any, data: Any, dialect: Dialect
) -> None:
    """Nothing else is raised, whatever the rule says, and the value can be written."""
    try:
        logic = compile_logic(expression, dialect)
        first = plain(logic(data))
    except (ExpressionError, EvaluationError):
        return
    json.dumps(first)
    assert strictly_equal(plain(logic(data)), first), "a rule has one answer"


@pytest.mark.parametrize("name", language.COUNTS[Dialect.OWN])
@pytest.mark.parametrize("path", ["text", "list", "object", ""])
def test_an_error_holds_no_value_of_the_data(name: str, path: str) -> None:
    """Errors are logged; the data is a person's."""
    data = {"text": "NGUYEN-VAN-A", "list": ["NGUYEN-VAN-A"], "object": {"NGUYEN-VAN-A": "NGUYEN-VAN-A"}}
    value = {"var": path}
    complaints = []
    for operands in ([], [value], [value] * 2, [value] * 3, [value, 1, "day"], [value, 1], [value, "set"]):
        try:
            compile_logic({name: operands}, Dialect.OWN)(data | {"valueSets": {"set": {}}})
        except EvaluationError as error:
            complaints.append("".join(traceback.format_exception(error)))
    assert complaints
    assert not any("NGUYEN" in complaint for complaint in complaints)


# --- answers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2022, 3, 15, 7, 30, 0, 123_999, tzinfo=UTC), "2022-03-15T07:30:00.123Z"),
        (datetime(33, 3, 15, tzinfo=UTC), "0033-03-15T00:00:00.000Z"),
        (date(2022, 3, 15), "2022-03-15"),
        ([None, True, 1, 1.5, "a", {"b": (1,)}], [None, True, 1, 1.5, "a", {"b": [1]}]),
        (Unknown(Reason.NEED_CONTEXT), {"unknown": "NEED_CONTEXT"}),
        (
            Span(date(1983, 1, 1), date(1983, 12, 31), Reason.DOB_PARTIAL),
            {"unknown": "DOB_PARTIAL", "earliest": "1983-01-01", "latest": "1983-12-31"},
        ),
        (float("inf"), ERROR),
        (object(), ERROR),
    ],
)
def test_answers_are_written_as_json(value: Any, expected: Any) -> None:
    """Date-times as JavaScript's toISOString gives them, days as days, what is unknown with its cause."""
    if expected is ERROR:
        with pytest.raises(EvaluationError):
            plain(value)
    else:
        assert strictly_equal(plain(value), expected)
