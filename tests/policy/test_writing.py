"""Rules become Python source: nothing that a rule says may stand in it, and no rule may make it costly."""

from __future__ import annotations

import builtins
import io
import re
import tokenize
import warnings
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.policy import writing
from verifier.policy.certlogic import Dialect, ExpressionError, compile_logic, compile_together
from verifier.policy.language import COUNTS, MAX_DEPTH, MAX_LATER, MAX_NODES, EvaluationError
from verifier.policy.validation import issues

OWN, PLAIN = Dialect.OWN, Dialect.CERTLOGIC
# Texts that would end a literal, begin a line, name something of ours, or stand where we replace.
HOSTILE = (
    "'", '"', '"""', "\\", "\n", "\r\n", "\t", "\0", "\f", "#", "{0}", "%s", "\u2028", "\ud800", "٣", "é",
    ");__import__('os')#", "v1", "c1", "m2", "x1", "run", "data", "item", "rules", "Run()", "__builtins__",
    "<run>", "<spend>", "<spend>9)", "None", "True", "lambda:0", "0", "007", "9" * 15, "9" * 5_000,
)  # fmt: skip
paths = st.lists(st.sampled_from(HOSTILE), max_size=4).map(".".join) | st.sampled_from(
    ["", "data", "current", "accumulator", "data.payload", "external.valueSets.v1", "valueSets.c1"]
)
texts = (
    st.sampled_from(HOSTILE) | paths | st.sampled_from(["2022-03-01", "day", "RULE_UNKNOWN", *COUNTS[OWN]])
)
numbers = st.sampled_from([0, -0.0, 1.0, 0.5, -1, 10**400, 1e308, *map(float, ("inf", "-inf", "nan"))])
operands = texts | numbers | st.sampled_from([None, True, False]) | paths.map(lambda path: {"var": path})
hostile = st.recursive(
    operands,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*COUNTS[OWN]]) | texts, st.lists(inner, min_size=1, max_size=4), max_size=1
        )
    ),
    max_leaves=20,
)

OURS = re.compile(
    r"[cvmfxa][0-9]+|data|rules|run|Run|spend|no_answer|item|failed|type|dict|list|str|int|len|get"
)
SIGNS = frozenset(["(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "==", ">", "<", ">=", "<="])
WORDS = frozenset(
    ["def", "return", "if", "else", "is", "not", "in", "and", "None", "True", "False", "try", "except"]
)


def written(compiling: Callable[[], object]) -> list[str]:
    """The sources that are made meanwhile; a warning of Python about one is an error."""
    sources: list[str] = []

    def noted(source: str, *arguments: Any) -> Any:
        sources.append(source)
        return builtins.compile(source, *arguments)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(writing, "compile", noted, raising=False)
        compiling()
    return sources


def strange(source: str) -> Iterator[str]:
    """What stands in a source that is neither a word of Python's nor a name of ours nor a place in a list."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match token.type:
            case tokenize.NAME:
                known = token.string in WORDS or OURS.fullmatch(token.string)
            case tokenize.NUMBER:
                known = re.fullmatch("[0-9]{1,15}", token.string)
            case tokenize.OP:
                known = token.string in SIGNS
            case tokenize.NEWLINE | tokenize.INDENT | tokenize.DEDENT | tokenize.ENDMARKER:
                known = True
            case _:  # a text or a comment
                known = None
        if not known:
            yield token.string


@given(hostile, hostile)
def test_no_word_of_a_rule_stands_in_what_python_compiles(one: Any, other: Any) -> None:
    """Whatever operators, paths, texts and numbers say: names of ours, and places in lists."""
    sets = {"v1": ["'", "\n"], "c1": []}
    for compiling in (
        lambda: compile_logic(one, PLAIN),
        lambda: compile_logic(one, OWN),
        lambda: compile_together([one, other], sets),
    ):
        (source,) = written(compiling)
        assert not list(strange(source))


def test_the_look_at_the_source_sees_what_does_not_belong_there() -> None:
    """A text, a comment, a call of something else, a number that is no place: each would be found."""
    for line in (
        "v1 = 'x'",
        "v1 = 1 # x",
        "import os",
        "v1 = open",
        "v1 = 0x1",
        "v1 = 1.5",
        "v1 = data @ c1",
    ):
        assert list(strange(f"def rules(data):\n\t{line}\n"))


VAR = {"var": "a.0"}
NESTED: dict[str, Callable[[Any], Any]] = {
    "an array": lambda inner: [inner],
    "a guard": lambda inner: {"if": [inner, 1, 2]},
    "a branch": lambda inner: {"if": [VAR, 1, inner]},
    "an operand of and": lambda inner: {"and": [VAR, inner]},
    "an operand of or": lambda inner: {"or": [VAR, inner]},
    "the second operand of an equality": lambda inner: {"===": [VAR, inner]},
    "a lambda": lambda inner: {"reduce": [VAR, inner, 0]},
    "a start": lambda inner: {"reduce": [VAR, 0, inner]},
    "what is gone through": lambda inner: {"reduce": [inner, 0, 1]},
    "a date": lambda inner: {"plusTime": [inner, 1, "day"]},
    "the day of a set": lambda inner: {"listed": [VAR, "x", inner]},
}


@pytest.mark.parametrize("place", NESTED)
def test_a_rule_nested_as_deep_as_it_may_be_compiles_and_runs(place: str) -> None:
    """Python's own limits of blocks, indentation and its parser lie beyond ours, in both dialects."""
    ((name, _),) = NESTED[place](VAR).items() if place != "an array" else [("!", None)]
    deepest = reduce(lambda inner, _: NESTED[place](inner), range(MAX_DEPTH - 1), VAR)
    for dialect in (each for each in Dialect if name in COUNTS[each]):
        logic = compile_logic(deepest, dialect)
        for data in ({"a": [True]}, {"a": [[1, 2]]}, None):
            try:
                logic(data)
            except EvaluationError:
                continue
        with pytest.raises(ExpressionError, match="nested"):
            compile_logic(reduce(lambda inner, _: NESTED[place](inner), range(2), deepest), dialect)


COSTLY: dict[str, tuple[Any, str]] = {
    "a path of a hundred thousand steps": ({"var": "a." * 100_000 + "a"}, "expressions"),
    "paths that together are as long": ([{"var": ".".join("a" * 100)}] * 110, "expressions"),
    "a long path of need": ({"need": ["a." * 100_000 + "a", "RULE_UNKNOWN"]}, "expressions"),
    "operands that wait": ({"or": [VAR] * (MAX_LATER + 1)}, "later"),
    "lambdas": ([{"reduce": [VAR, 1, 0]}] * (MAX_LATER + 1), "later"),
}


@pytest.mark.parametrize("case", COSTLY)
def test_what_would_cost_python_minutes_is_refused_before(case: str) -> None:
    """A line of source for each step, a function for each operand that waits: they are counted before any of
    it is compiled, and ``check`` says so to whoever writes such a rule.
    """
    expression, complaint = COSTLY[case]
    (issue,) = issues(expression, OWN)
    assert complaint in issue.message
    with pytest.raises(ExpressionError, match=complaint):
        written(lambda: compile_logic(expression, OWN))


def test_paths_and_operands_of_real_rules_count_for_nothing_besides() -> None:
    """As many expressions as ever where paths have four steps, and thousands of operands that wait."""
    short = {"var": "payload.v.0.dn"}
    assert compile_logic([short] * (MAX_NODES - 1))({}) == [None] * (MAX_NODES - 1)
    assert compile_logic({"or": [VAR] * (MAX_LATER - 1) + [True]}, OWN)({}) is True
    assert compile_logic({"var": ".".join("a" * 1_000)})({"a": {"a": 1}}) is None


def test_many_large_rules_are_several_functions_and_answer_as_one() -> None:
    """Two thousand rules of a country at once would take a gigabyte to compile as one function."""
    large = {"and": [{">": [{"var": f"payload.v.0.a{number}"}, number]} for number in range(1_000)]}
    rules = [large, {"===": [{"var": "payload.x"}, "y"]}, {"in": ["z", {"var": "external.valueSets.no"}]}]
    for each in (rules * 3, [*rules[::-1], large], []):
        sources = written(lambda each=each: compile_together(each, {}))  # type: ignore[misc]
        assert max(source.count("\n") for source in sources) < 12_000
        assert (len(sources) > 1) is (large in each)
    together = compile_together(rules * 2, {})
    entry = {f"a{number}": number + 1 for number in range(1_000)}
    assert together.function({"payload": {"v": [entry], "x": "y"}}) == [True, True, None] * 2
    assert together.function({"payload": {"v": [], "x": "n"}}) == [None, False, None] * 2
    assert compile_together([large, large], {}).function({"payload": {"v": [entry]}}) is None
    assert together.members("payload") == {"v", "x"}


def test_a_member_is_looked_up_by_its_name_and_by_its_place_apart() -> None:
    """``listed`` asks for a set by its id, whatever its letters; a path asks a list for a place."""
    listed, first = {"listed": ["b", "0"]}, {"===": [{"var": "valueSets.0.b"}, "x"]}
    for rule in ([first, listed], [listed, first]):
        with pytest.raises(EvaluationError, match="no value set"):
            compile_logic(rule, OWN)({"valueSets": [{"b": (None, None)}]})
