"""What is wrong with an expression is named before it runs, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from expressions import json_values, rule_like
from hypothesis import given
from strictness import strictly_equal

from appliance.cli.rules_cases import check_cases
from verifier.policy.certlogic import Dialect, EvaluationError, ExpressionError, compile_logic
from verifier.policy.validation import MAX_ISSUES, Issue, issues


def places(expression: Any, dialect: Dialect = Dialect.CERTLOGIC) -> list[str]:
    return [issue.path for issue in issues(expression, dialect)]


@pytest.mark.vectors
def test_the_published_validation_suite_agrees(vectors: Path) -> None:
    """Whether each case is valid, and the expressions of its issues in their order."""
    path = vectors / "certlogic-validation.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    answers = list(check_cases(path))
    assert [said["id"] for said in answers] == [case["id"] for case in cases]
    assert len(cases) >= 16
    for said, case in zip(answers, cases, strict=True):
        expected = case["expected"]
        assert said["valid"] is expected["valid"], case["id"]
        named = [issue["expr"] for issue in said["issues"]]
        assert strictly_equal(named, [issue["expr"] for issue in expected["issues"]]), case["id"]


@pytest.mark.vectors
@pytest.mark.parametrize("suite", ["certlogic-spec", "dcc-rules"])
def test_rules_that_were_published_are_valid(suite: str, vectors: Path) -> None:
    """Every expression of the evaluation suite and of the national rules."""
    for line in (vectors / f"{suite}.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        assert issues(case["logic"]) == [], case["id"]


@pytest.mark.parametrize(
    "expression",
    [
        "", "text", 0, 42, 42.0, -1, True, False, [], ["a", [1, {"var": "x"}]],
        {"var": ""}, {"var": "x"}, {"var": "x.0.y"}, {"var": "1"},
        {"if": [{"var": "x"}, 1, 2]}, {"and": [1, 2, 3, 4]}, {"!": [0]}, {"===": [1, 2]}, {"in": [1, []]},
        {"<": [1, 2]}, {"<": [1, 2, 3]}, {"after": [{"plusTime": ["2021", 0, "day"]}] * 3},
        {"plusTime": [{"var": "x"}, -1.0, "month"]}, {"plusTime": ["no date at all", 1, "hour"]},
        {"dccDateOfBirth": [{"var": "x"}]}, {"extractFromUVCI": [{"var": "x"}, -1]},
        {"reduce": [{"var": "x"}, {"var": "current"}, 0]},
    ],
)  # fmt: skip
def test_what_is_well_formed_has_no_issue(expression: Any) -> None:
    """Only the form is judged; whether a text is a date is for evaluation to see."""
    assert issues(expression) == []
    assert issues(expression, Dialect.OWN) == []


# An expression that is wrong, and the expressions that its issues name, in their order.
NAMED = [
    (None, [None]),
    (1.5, [1.5]),
    ({}, [{}]),
    ({"a": 1, "b": 2}, [{"a": 1, "b": 2}]),
    ([1, None, [0.5]], [None, 0.5]),
    *[({"all": operands}, [{"all": operands}]) for operands in ("a", 42.0, True, None, [], [None], {})],
    *[({"var": path}, [{"var": path}]) for path in (0, None, ["x"], "x.", ".x", "x..y", ".")],
    ({"!": []}, [{"!": []}]),
    ({"!": [None, None]}, [{"!": [None, None]}]),
    ({"!": [None]}, [None]),
    ({"if": [None, 1]}, [{"if": [None, 1]}, None]),
    ({"if": [1, 2, 3, None]}, [{"if": [1, 2, 3, None]}]),
    ({"and": [0.5]}, [{"and": [0.5]}, 0.5]),
    ({"===": [1, 0.5, None]}, [{"===": [1, 0.5, None]}, 0.5]),
    ({"+": [1]}, [{"+": [1]}]),
    ({"<": [1, 2, 0.5, None]}, [{"<": [1, 2, 0.5, None]}, 0.5]),
    ({"before": [None]}, [{"before": [None]}, None]),
    ({"reduce": [None, 1]}, [{"reduce": [None, 1]}, None]),
    ({"plusTime": [None]}, [{"plusTime": [None]}, None]),
    ({"plusTime": [None, 0.5, "week"]}, [None, *[{"plusTime": [None, 0.5, "week"]}] * 2]),
    ({"plusTime": ["2021", True, "day"]}, [{"plusTime": ["2021", True, "day"]}]),
    ({"plusTime": ["2021", 1, "day", None]}, [{"plusTime": ["2021", 1, "day", None]}]),
    ({"extractFromUVCI": [None]}, [{"extractFromUVCI": [None]}, None]),
    ({"extractFromUVCI": [None, "1"]}, [None, {"extractFromUVCI": [None, "1"]}]),
    ({"dccDateOfBirth": [None, None]}, [{"dccDateOfBirth": [None, None]}, None]),
]


@pytest.mark.parametrize(("expression", "expected"), NAMED)
def test_each_issue_names_its_expression(expression: Any, expected: list[Any]) -> None:
    """Of a wrong number of operands the operation, and of the operands that count each its own issues."""
    assert strictly_equal([issue.expression for issue in issues(expression)], expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (None, ["$"]),
        ([1, [None]], ["$[1][0]"]),
        ({"and": [True, {"plusTime": [None, 1, "week"]}]}, ["$.and[1].plusTime[0]", "$.and[1].plusTime[2]"]),
        ({"if": [{"===": [1, {"!": [{"var": "a."}]}]}, 1, 2]}, ["$.if[0].===[1].![0]"]),
        ({"reduce": [[], {"nonsense": [None]}, 0]}, ["$.reduce[1]"]),
        ({"extractFromUVCI": ["a", 0.5]}, ["$.extractFromUVCI[1]"]),
    ],
)
def test_an_issue_is_found_by_its_path(expression: Any, expected: list[str]) -> None:
    """The path leads to what is wrong, also to an amount or a unit that is no expression."""
    assert places(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"need": ["event.given"]}, []),
        ({"need": ["event.given", "NEED_CONTEXT"]}, []),
        ({"need": ["event.given", "BECAUSE"]}, ["$.need[1]"]),
        ({"need": ["event..given"]}, ["$.need[0]"]),
        ({"need": [""]}, ["$.need[0]"]),
        ({"need": [{"var": "a"}]}, ["$.need[0]"]),
        ({"need": ["a", "NEED_CONTEXT", 1]}, ["$"]),
        ({"known": ["event.given"]}, []),
        ({"known": [1]}, ["$.known[0]"]),
        ({"day": ["2022-03-15"]}, []),
        ({"day": [{"var": "journey.arrival"}]}, []),
        ({"day": ["2022-02-30"]}, ["$.day[0]"]),
        ({"day": ["2022-03"]}, ["$.day[0]"]),
        ({"day": [None]}, ["$.day[0]"]),
        ({"instant": ["2022-03-15T07:00:00+07:00"]}, []),
        ({"instant": ["2022-03-15T07:00:00"]}, ["$.instant[0]"]),
        ({"shift": [{"var": "a"}, -14, "minute"]}, []),
        ({"shift": [None, 0.5, "week"]}, ["$.shift[0]", "$.shift[1]", "$.shift[2]"]),
        ({"shift": ["2022-03-15", 1, "day"]}, ["$.shift[0]"]),
        ({"or": [True]}, ["$"]),
        ({"or": [True, False, None]}, ["$.or[2]"]),
        ({"listed": [{"var": "a"}, "products"]}, []),
        ({"listed": [{"var": "a"}, "products", {"var": "b"}]}, []),
        ({"listed": [None, "", None]}, ["$.listed[0]", "$.listed[1]", "$.listed[2]"]),
        ({"since": [{"var": "a"}, "products"]}, []),
        ({"since": [{"var": "a"}, {"var": "b"}]}, ["$.since[1]"]),
    ],
)
def test_own_operators_are_validated_in_our_dialect_only(expression: Any, expected: list[str]) -> None:
    """A national rule that uses one is as wrong as with any unknown operator."""
    assert places(expression, Dialect.OWN) == expected
    ((name, _operands),) = expression.items()
    assert issues(expression) == [Issue("$", expression, f"there is no operator {name!r}")]


def test_what_is_too_deep_too_long_or_all_wrong_is_said_once_or_a_hundred_times() -> None:
    """Validation itself is bounded: it does not recurse further, nor collect issues without end."""
    deep: Any = True
    for _ in range(64):
        deep = {"!": [deep]}
    assert issues(deep) == []
    assert [issue.path for issue in issues({"!": [deep]})] == ["$" + ".![0]" * 64]
    assert len(issues([1] * 9_999)) == 0
    assert places([1] * 20_000) == ["$[9999]"]
    assert len(issues([None] * 5_000)) == MAX_ISSUES


@given(rule_like | json_values)
def test_any_expression_is_validated_and_a_valid_one_compiles(expression: Any) -> None:
    """No input raises; where there is no issue only the data can make an error."""
    for dialect in Dialect:
        found = issues(expression, dialect)
        assert all(issue.path.startswith("$") and issue.message for issue in found)
        try:
            compile_logic(expression, dialect)(None)
        except ExpressionError:
            assert found
        except EvaluationError as error:
            form = ("there is no operator", "takes", "no expressions", "one operator", "with a list of")
            assert found or not any(words in str(error) for words in form)  # noqa: PT017 - which one it is


@pytest.mark.parametrize(("expression", "_expected"), NAMED)
def test_the_command_answers_with_valid_and_issues(
    expression: Any, _expected: list[Any], tmp_path: Path
) -> None:
    """`check --cases`: one line a case, with the path, the expression and what is wrong with it."""
    path = tmp_path / "cases.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": number, "logic": logic}) + "\n" for number, logic in ((1, expression), (2, 1))
        )
    )
    wrong, right = check_cases(path)
    assert right == {"id": 2, "valid": True, "issues": []}
    assert (wrong["id"], wrong["valid"]) == (1, False)
    assert [(i["path"], i["message"]) for i in wrong["issues"]] == [
        (issue.path, issue.message) for issue in issues(expression)
    ]
    json.dumps(wrong)
