"""The operators of our own rules, and the three values that an answer may have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.codes import Reason
from verifier.policy.certlogic import Dialect, EvaluationError, compile_logic, truth
from verifier.policy.values import Span, Unknown
from verifier.times import DESK_ZONE

ERROR = object()  # in a table: the rule has no answer
UNTOLD = Unknown(Reason.NEED_CONTEXT)
UNREAD = Unknown(Reason.IDENTITY_UNREAD)
NOT_LISTED = Unknown(Reason.VALUE_UNKNOWN)
HANOI = timezone(timedelta(hours=7))


def span(first: date | datetime, last: date | datetime, cause: Reason = Reason.DOB_PARTIAL) -> Span:
    return Span(first, last, cause)


IN_1983 = span(date(1983, 1, 1), date(1983, 12, 31))
ABOUT_NOON = span(
    datetime(2022, 3, 15, 4, tzinfo=UTC), datetime(2022, 3, 15, 6, tzinfo=UTC), Reason.TIME_ZONE_UNKNOWN
)

DATA = {
    "yes": True,
    "no": False,
    "untold": UNTOLD,
    "unread": UNREAD,
    "null": None,
    "empty": "",
    "zero": 0,
    "text": "text",
    "given": date(2022, 1, 31),
    "today": date(2022, 3, 15),
    "now": datetime(2022, 3, 14, 18, 30, tzinfo=UTC),
    "naive": datetime(2022, 3, 14, 18, 30, tzinfo=UTC).replace(tzinfo=None),
    "born": IN_1983,
    "sampled": ABOUT_NOON,
    "deep": {"untold": UNTOLD, "list": [1, {"a": "b"}]},
    "product": "EU/1/20/1528",
    "old": "EU/1/20/0000",
    "other": "EU/9/99/9999",
    "valueSets": MappingProxyType(
        {
            "products": MappingProxyType(
                {
                    "EU/1/20/1528": (date(2021, 6, 12), None),
                    "EU/1/20/0000": (None, date(2021, 12, 31)),
                    "EU/1/21/1529": (date(2021, 1, 1), date(2021, 12, 31)),
                    "EU/1/21/0001": (None, None),
                }
            )
        }
    ),
}


def answer(expression: Any, data: Any = DATA, zone: tzinfo = DESK_ZONE) -> Any:
    """The value in our dialect, or ERROR."""
    try:
        return compile_logic(expression, Dialect.OWN, zone=zone)(data)
    except EvaluationError:
        return ERROR


def agrees(expression: Any, expected: Any) -> bool:
    value = answer(expression)
    return value is expected or (type(value) is type(expected) and value == expected)


def var(path: str) -> dict[str, str]:
    return {"var": path}


def day(text: str) -> dict[str, list[str]]:
    return {"day": [text]}


# --- what is there, what is missing, what is not known


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (var("untold"), UNTOLD),
        (var("untold.anything.0"), UNTOLD),
        (var("deep.untold.anything"), UNTOLD),
        (var("deep.list.1.a"), "b"),
        (var("missing.anything"), None),
        (var("given.year"), None),
        (var("born"), IN_1983),
        (var("born.earliest"), None),
        (var("valueSets.products.EU/1/20/1528.0"), date(2021, 6, 12)),
        ({"need": ["text"]}, "text"),
        ({"need": ["zero"]}, 0),
        ({"need": ["no"]}, False),
        ({"need": ["born"]}, IN_1983),
        ({"need": ["null"]}, Unknown(Reason.RULE_UNKNOWN)),
        ({"need": ["empty"]}, Unknown(Reason.RULE_UNKNOWN)),
        ({"need": ["missing.too", "IDENTITY_UNREAD"]}, UNREAD),
        ({"need": ["untold", "IDENTITY_UNREAD"]}, UNTOLD),
        ({"need": ["text", "BECAUSE"]}, ERROR),
        ({"need": ["text", 1]}, ERROR),
        ({"need": [var("text")]}, ERROR),
        ({"need": ["text", "NEED_CONTEXT", "more"]}, ERROR),
        ({"known": ["text"]}, True),
        ({"known": ["zero"]}, True),
        ({"known": ["no"]}, True),
        ({"known": ["born"]}, True),
        ({"known": ["null"]}, False),
        ({"known": ["empty"]}, False),
        ({"known": ["missing"]}, False),
        ({"known": ["untold"]}, False),
        ({"known": ["untold.deeper"]}, False),
        ({"known": [1]}, ERROR),
        ({"reduce": [[1], {"need": ["missing"]}, 0]}, Unknown(Reason.RULE_UNKNOWN)),
        ({"reduce": [[1], {"need": ["data.text"]}, 0]}, "text"),
    ],
)
def test_a_value_is_there_or_missing_or_unknown_with_its_cause(expression: Any, expected: Any) -> None:
    """var, need, known: null and "" are missing, an unknown keeps its own cause."""
    assert agrees(expression, expected)


# --- three-valued logic

KLEENE = {True: "yes", False: "no", None: "untold"}


def logical(value: Any) -> bool | None:
    """An answer as Kleene's logic has it: None is unknown."""
    known = truth(value)
    assert known is not None, "a condition is truthy, falsy or unknown"
    return None if isinstance(known, Unknown) else known


@pytest.mark.parametrize("values", [*product(KLEENE, repeat=2), *product(KLEENE, repeat=3)])
def test_and_or_and_not_are_kleenes(values: tuple[bool | None, ...]) -> None:
    """What is unknown decides nothing, and is decided by a falsy `and`, a truthy `or`."""
    operands = [var(KLEENE[value]) for value in values]
    conjunction = False if False in values else None if None in values else True
    disjunction = True if True in values else None if None in values else False
    assert logical(answer({"and": operands})) is conjunction
    assert logical(answer({"or": operands})) is disjunction
    inverse = [{"!": [operand]} for operand in operands]
    assert logical(answer({"!": [{"or": inverse}]})) is conjunction


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"and": [var("untold"), var("unread")]}, UNTOLD),
        ({"and": [var("unread"), 1, var("untold")]}, UNREAD),
        ({"and": [var("untold"), 0, {"nonsense": [1]}]}, 0),
        ({"and": [1, "last"]}, "last"),
        ({"and": [var("untold"), var("today")]}, ERROR),
        ({"or": [var("unread"), var("untold"), 0]}, UNREAD),
        ({"or": [var("untold"), "first", {"nonsense": [1]}]}, "first"),
        ({"or": [0, "", []]}, []),
        ({"or": [0, var("today")]}, ERROR),
        ({"or": [0, var("born")]}, ERROR),
        ({"or": [True]}, ERROR),
        ({"!": [var("untold")]}, UNTOLD),
        ({"!": [var("born")]}, ERROR),
    ],
)
def test_the_first_cause_is_told_and_values_stay_as_they_are(expression: Any, expected: Any) -> None:
    """The first unknown that was met; lazy as soon as an operand decides; a date is no condition."""
    assert agrees(expression, expected)


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        ((1, 2), UNTOLD),
        ((1, 1), 1),
        ((1, True), UNTOLD),
        ((["a"], ["a"]), ["a"]),
        ((var("today"), day("2022-03-15")), date(2022, 3, 15)),
        ((var("today"), var("given")), UNTOLD),
        ((var("unread"), var("unread")), UNREAD),
        ((var("unread"), True), UNTOLD),
        ((var("born"), var("born")), IN_1983),
        ((True, {"nonsense": [1]}), UNTOLD),
        (({"nonsense": [1]}, {"nonsense": [1]}), UNTOLD),
    ],
)
def test_an_unknown_guard_matters_only_where_the_branches_differ(
    branches: tuple[Any, Any], expected: Any
) -> None:
    """`if`: both branches are asked; one that has no answer agrees with none."""
    assert agrees({"if": [var("untold"), *branches]}, expected)
    assert agrees({"if": [var("yes"), "then", {"nonsense": [1]}]}, "then")
    assert agrees({"if": [var("born"), 1, 2]}, ERROR)


@pytest.mark.parametrize("unknown", ["untold", "born"])
@pytest.mark.parametrize(
    "expression",
    [
        {"===": [1, "?"]},
        {"in": ["?", ["a"]]},
        {"in": ["a", "?"]},
        {"+": [1, "?"]},
        {"<": ["?", 1]},
        {"<=": [0, 1, "?"]},
        {"reduce": ["?", 1, 0]},
        {"extractFromUVCI": ["?", 0]},
        {"plusTime": ["?", 1, "day"]},
        {"dccDateOfBirth": ["?"]},
    ],
)
def test_operators_that_need_every_operand_answer_unknown(expression: Any, unknown: str) -> None:
    """An unknown gives itself, a value between two bounds the cause of the bounds."""
    ((name, operands),) = expression.items()
    value = DATA[unknown]
    assert isinstance(value, (Unknown, Span))
    filled = {name: [var(unknown) if operand == "?" else operand for operand in operands]}
    assert answer(filled) == Unknown(value.cause)


def test_a_list_with_an_unknown_item_is_searched_first() -> None:
    """Found is found; not found in what is known is unknown."""
    items = ["a", var("unread"), var("born")]
    assert agrees({"in": ["a", items]}, True)
    assert agrees({"in": ["b", items]}, UNREAD)
    assert agrees({"in": ["b", ["a"]]}, False)
    assert agrees({"in": ["b", var("null")]}, False)
    assert agrees({"in": ["b", "text"]}, ERROR)
    assert agrees({"===": [items, items]}, ERROR)
    assert agrees({"reduce": [items, {"var": "current"}, 0]}, IN_1983)


# --- days and instants


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (day("2022-03-15"), date(2022, 3, 15)),
        ({"day": [var("today")]}, date(2022, 3, 15)),
        ({"day": [var("now")]}, date(2022, 3, 15)),
        ({"day": [var("born")]}, IN_1983),
        ({"day": [var("sampled")]}, span(date(2022, 3, 15), date(2022, 3, 15), Reason.TIME_ZONE_UNKNOWN)),
        ({"day": [var("untold")]}, UNTOLD),
        ({"day": [{"need": ["missing", "IDENTITY_UNREAD"]}]}, UNREAD),
        *[({"day": [x]}, ERROR) for x in ("2022-02-29", "2022-03", "20220315", 1, var("null"), var("naive"))],
        ({"instant": ["2022-03-15T01:30:00+07:00"]}, DATA["now"]),
        ({"instant": [var("now")]}, DATA["now"]),
        ({"instant": [var("sampled")]}, ABOUT_NOON),
        ({"instant": [var("unread")]}, UNREAD),
        *[
            ({"instant": [x]}, ERROR)
            for x in ("2022-03-15T01:30:00", "2022-03-15", *map(var, ("today", "born", "naive", "null")))
        ],
    ],
)  # fmt: skip
def test_days_and_instants_are_read_and_never_guessed(expression: Any, expected: Any) -> None:
    """A day has no hour, a time without an offset is no instant, and null is neither."""
    assert agrees(expression, expected)


def test_the_day_of_an_instant_is_the_desks() -> None:
    """18:30 UTC is the next day in Hanoi, and the same in Paris."""
    expression = {"day": [var("now")]}
    assert answer(expression, zone=HANOI) == date(2022, 3, 15)
    assert answer(expression, zone=UTC) == date(2022, 3, 14)
    assert answer(expression, {"now": datetime.max.replace(tzinfo=UTC)}, HANOI) is ERROR


@pytest.mark.parametrize(
    ("value", "amount", "unit", "expected"),
    [
        (date(2022, 1, 31), 1, "month", date(2022, 2, 28)),
        (date(2020, 1, 31), 1, "month", date(2020, 2, 29)),
        (date(2022, 3, 31), -1, "month", date(2022, 2, 28)),
        (date(2022, 10, 31), 1, "month", date(2022, 11, 30)),
        (date(2022, 10, 31), 14, "month", date(2023, 12, 31)),
        (date(2020, 2, 29), 1, "year", date(2021, 2, 28)),
        (date(2020, 2, 29), -4, "year", date(2016, 2, 29)),
        (date(2022, 1, 31), 29, "day", date(2022, 3, 1)),
        (date(2022, 1, 31), 1.0, "day", date(2022, 2, 1)),
        (date(9999, 12, 31), 0, "month", date(9999, 12, 31)),
        (date(9999, 12, 31), 1, "month", ERROR),
        (date(9999, 12, 31), 1, "day", ERROR),
        (date(1, 1, 1), -1, "year", ERROR),
        (date(2022, 1, 31), 10**30, "day", ERROR),
        (date(2022, 1, 31), 10**30, "year", ERROR),
        (date(2022, 1, 31), 1, "hour", ERROR),
        (datetime(2022, 1, 31, 7, tzinfo=HANOI), 72, "hour", datetime(2022, 2, 3, 7, tzinfo=HANOI)),
        (datetime(2022, 1, 31, 7, tzinfo=HANOI), -1, "day", datetime(2022, 1, 30, 7, tzinfo=HANOI)),
        (datetime(2022, 1, 31, 7, tzinfo=HANOI), 90, "minute", datetime(2022, 1, 31, 8, 30, tzinfo=HANOI)),
        (datetime(2022, 1, 31, 7, tzinfo=HANOI), 1, "month", ERROR),
        (IN_1983, 18, "year", span(date(2001, 1, 1), date(2001, 12, 31))),
        (IN_1983, 1, "minute", ERROR),
        (UNTOLD, 1, "day", UNTOLD),
        (None, 1, "day", ERROR),
        ("2022-01-31", 1, "day", ERROR),
    ],
)
def test_shift_clamps_to_the_months_end(value: Any, amount: Any, unit: str, expected: Any) -> None:
    """Days by years, months and days; instants by days of 24 hours, hours, minutes; of a span both bounds."""
    assert answer({"shift": [var("it"), amount, unit]}, {"it": value}) == expected


@given(st.dates(date(2, 1, 1), date(9998, 12, 31)), st.integers(-11, 11))
def test_a_month_later_is_in_the_next_month(start: date, months: int) -> None:
    """shift never leaves the month that it is asked for, and keeps the day where that month has it."""
    shifted = answer({"shift": [var("it"), months, "month"]}, {"it": start})
    assert shifted.year * 12 + shifted.month == start.year * 12 + start.month + months
    assert shifted.day == start.day or (
        shifted.day < start.day and (shifted + timedelta(days=1)).month != shifted.month
    )


@pytest.mark.parametrize(
    "operands",
    [
        [var("today"), 0.5, "day"],
        [var("today"), True, "day"],
        [var("today"), {"+": [1, 1]}, "day"],
        [var("today"), 1, "week"],
        [var("today"), 1],
        ["2022-03-15", 1, "day"],
    ],
)
def test_shift_takes_a_whole_literal_and_a_unit(operands: list[Any]) -> None:
    """A text is made a day first, by `day`, so that it is checked before the rule runs."""
    assert answer({"shift": operands}) is ERROR


ORDERS = {
    "before": lambda a, b: a < b,
    "not-after": lambda a, b: a <= b,
    "after": lambda a, b: a > b,
    "not-before": lambda a, b: a >= b,
}
few_days = st.integers(0, 6).map(lambda number: date(2022, 3, 10) + timedelta(days=number))
spans = st.tuples(few_days, few_days).map(lambda two: span(min(two), max(two)))


def within(value: date | Span) -> list[date]:
    """Every day that it may be."""
    if isinstance(value, Span):
        return [value.earliest + timedelta(days=n) for n in range((value.latest - value.earliest).days + 1)]
    return [value]


@given(st.sampled_from(list(ORDERS)), few_days | spans, few_days | spans)
def test_a_comparison_is_known_exactly_where_every_possible_day_agrees(
    name: str, left: date | Span, right: date | Span
) -> None:
    """Bounds that agree give the answer, and bounds that differ never give one."""
    possible = {ORDERS[name](a, b) for a, b in product(within(left), within(right))}
    got = answer({name: [var("left"), var("right")]}, {"left": left, "right": right})
    assert got == (possible.pop() if len(possible) == 1 else Unknown(Reason.DOB_PARTIAL))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"before": [var("given"), var("today")]}, True),
        ({"before": [var("given"), var("today"), var("given")]}, False),
        ({"not-after": [var("given"), var("given"), var("today")]}, True),
        ({"before": [{"instant": ["2022-03-15T00:00:00+07:00"]}, var("now")]}, True),
        ({"after": [var("sampled"), var("now")]}, True),
        (
            {"after": [{"shift": [var("sampled"), -10, "hour"]}, var("now")]},
            Unknown(Reason.TIME_ZONE_UNKNOWN),
        ),
        ({"after": [var("born"), day("1983-06-01")]}, Unknown(Reason.DOB_PARTIAL)),
        ({"after": [day("1983-06-01"), var("born")]}, Unknown(Reason.DOB_PARTIAL)),
        ({"before": [var("untold"), var("today")]}, UNTOLD),
        ({"before": [var("today"), var("unread")]}, UNREAD),
        ({"before": [var("untold"), var("unread"), var("today")]}, UNTOLD),
        ({"before": [var("untold"), var("today"), var("given")]}, False),
        ({"before": [var("given"), var("today"), var("unread")]}, UNREAD),
        ({"before": [var("today"), var("now")]}, ERROR),
        ({"before": [var("born"), var("sampled")]}, ERROR),
        ({"before": [var("naive"), var("now")]}, ERROR),
        ({"before": [var("today"), var("null")]}, ERROR),
        ({"before": [var("today"), "2022-03-15"]}, ERROR),
        ({"before": [var("today"), 1]}, ERROR),
        ({"before": [var("today")]}, ERROR),
        ({"before": [{"plusTime": ["2022-03-14", 0, "day"]}, var("now")]}, True),
    ],
)
def test_days_are_compared_with_days_and_instants_with_instants(expression: Any, expected: Any) -> None:
    """Two or three operands; false as soon as one pair is; never a day with an instant."""
    assert agrees(expression, expected)


# --- value sets


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"listed": [var("product"), "products"]}, True),
        ({"listed": ["EU/1/21/0001", "products"]}, True),
        ({"listed": [var("other"), "products"]}, False),
        ({"listed": [var("null"), "products"]}, NOT_LISTED),
        ({"listed": [var("empty"), "products"]}, NOT_LISTED),
        ({"listed": [var("untold"), "products"]}, UNTOLD),
        ({"listed": [var("zero"), "products"]}, ERROR),
        ({"listed": [var("product"), "places"]}, ERROR),
        ({"listed": [var("product"), var("text")]}, ERROR),
        ({"listed": [var("product"), "products", var("given")]}, True),
        ({"listed": [var("product"), "products", day("2021-06-12")]}, True),
        ({"listed": [var("product"), "products", day("2021-06-11")]}, False),
        ({"listed": [var("old"), "products", day("2021-12-31")]}, True),
        ({"listed": [var("old"), "products", day("2022-01-01")]}, False),
        ({"listed": ["EU/1/21/0001", "products", day("1983-01-01")]}, True),
        ({"listed": [var("other"), "products", var("unread")]}, False),
        ({"listed": [var("product"), "products", var("unread")]}, UNREAD),
        ({"listed": [var("product"), "products", var("now")]}, ERROR),
        ({"listed": [var("product"), "products", var("null")]}, ERROR),
        ({"reduce": [[1], {"listed": [var("data.product"), "products"]}, 0]}, True),
        ({"since": [var("product"), "products"]}, date(2021, 6, 12)),
        ({"since": [var("old"), "products"]}, NOT_LISTED),
        ({"since": [var("other"), "products"]}, NOT_LISTED),
        ({"since": [var("null"), "products"]}, NOT_LISTED),
        ({"since": [var("unread"), "products"]}, UNREAD),
        ({"since": [var("product"), "places"]}, ERROR),
        ({"since": [var("product"), 1]}, ERROR),
    ],
)
def test_value_sets_say_which_codes_were_listed_when(expression: Any, expected: Any) -> None:
    """A code that is missing is unknown, one that is not in the set is not listed, a set that is not there is
    a mistake of the bundle.
    """
    assert agrees(expression, expected)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2021, 3, 1), date(2021, 6, 1), True),
        (date(2020, 3, 1), date(2020, 6, 1), False),
        (date(2022, 3, 1), date(2022, 6, 1), False),
        (date(2020, 12, 1), date(2021, 1, 2), Unknown(Reason.DOB_PARTIAL)),
        (date(2021, 12, 31), date(2022, 1, 2), Unknown(Reason.DOB_PARTIAL)),
        (date(2020, 1, 1), date(2023, 1, 1), Unknown(Reason.DOB_PARTIAL)),
    ],
)
def test_a_day_known_in_part_is_listed_where_all_of_it_is(first: date, last: date, expected: Any) -> None:
    """Both bounds inside, both on one side, or unknown."""
    data = {**DATA, "when": span(first, last)}
    assert answer({"listed": ["EU/1/21/1529", "products", var("when")]}, data) == expected


@pytest.mark.parametrize("data", [None, {}, [], {"valueSets": None}, {"valueSets": {"products": ["a"]}}])
def test_data_without_value_sets_is_an_error_and_no_false(data: Any) -> None:
    """`listed` never says "not listed" because the list is missing."""
    assert answer({"listed": ["a", "products"]}, data) is ERROR


# --- two dialects


@pytest.mark.parametrize("name", ["or", "need", "known", "day", "instant", "shift", "listed", "since"])
def test_plain_certlogic_knows_none_of_them(name: str) -> None:
    """A national rule means the same here as in its country, or nothing."""
    with pytest.raises(EvaluationError, match="no operator"):
        compile_logic({name: ["text", "products", "text"]}, Dialect.CERTLOGIC)(DATA)


def test_the_dialects_agree_on_what_is_known() -> None:
    """Where nothing is unknown our dialect gives the values of CertLogic."""
    data = {"n": 2, "items": [1, 2, "a"], "dob": "2004-02", "uvci": "URN:UVCI:01:NL:187"}
    for expression in (
        {"reduce": [var("items"), {"if": [{"===": [var("current"), "a"]}, var("accumulator"), 1]}, 0]},
        {"and": [{"in": [2, var("items")]}, {"<": [1, var("n"), 3]}, {"!": [var("missing")]}]},
        {"after": [{"plusTime": [var("dob"), 18, "year"]}, {"dccDateOfBirth": ["2004"]}]},
        {"extractFromUVCI": [var("uvci"), 1]},
    ):
        own, plain = (
            compile_logic(expression, dialect)(data) for dialect in (Dialect.OWN, Dialect.CERTLOGIC)
        )
        assert own == plain
        assert type(own) is type(plain)
