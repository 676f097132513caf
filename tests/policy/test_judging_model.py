"""The whole of judging against a second telling of it: any bundle, any events, any journey.

The model below knows nothing of the engine. It tells from the bundle as it is written what is true of whom,
by Kleene's three values, and from that when a traveller may be green and when red.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from decided import ON, bundle_of, decided, dose, row_of
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from verifier.policy.bundle_json import BundleError, read_bundle
from verifier.policy.context import Context, Mode
from verifier.policy.explain import explained
from verifier.policy.language import COUNTS, Dialect
from verifier.reasons import State
from verifier.vocabulary import COVID_19

Row = Mapping[str, Any]
TEST, PERSON = "test", "person"
MISSING = "MISSING"  # the value set that no bundle here has


class NoAnswerError(Exception):
    """The expression raises."""


# --- The model: expressions ---------------------------------------------------------------------------------


def value_of(expression: Any, event_: Row, journey: Row) -> bool | None:
    """True, false, or None for unknown. Raises NoAnswerError."""
    if isinstance(expression, bool):
        return expression
    ((name, operands),) = expression.items()
    match name:
        case "===" | ">":
            path, other = operands[0]["need"][0], operands[1]
            found = (event_ if path.startswith("event.") else journey).get(path.partition(".")[2])
            if found in (None, ""):
                return None
            return found == other if name == "===" else found > other
        case "listed":
            if operands[1] == MISSING:
                raise NoAnswerError
            found = event_.get("product")
            return None if not found else found in ("A", "B")
        case "!":
            value = value_of(operands[0], event_, journey)
            return None if value is None else not value
        case "and" | "or":
            ends = name == "or"
            seen = []
            for operand in operands:
                seen.append(value_of(operand, event_, journey))
                if seen[-1] is ends:
                    return ends
            return None if None in seen else not ends
        case "if":
            guard = value_of(operands[0], event_, journey)
            if guard is not None:
                return value_of(operands[1 if guard else 2], event_, journey)
            try:
                both = {value_of(operand, event_, journey) for operand in operands[1:]}
            except NoAnswerError:
                return None
            return both.pop() if len(both) == 1 else None
        case _:
            raise NoAnswerError


def says(expression: Any, event_: Row, journey: Row) -> bool | None:
    """What raises is unknown; without a condition it holds."""
    if expression is None:
        return True
    try:
        return value_of(expression, event_, journey)
    except NoAnswerError:
        return None


# --- The model: bundles -------------------------------------------------------------------------------------


class Model:
    """What is true of one traveller under one bundle."""

    def __init__(self, row: Row, shown: Sequence[Row], journey: Row) -> None:
        self.row, self.journey = row, journey
        # shown one after the other, each with one event: the last one is asked first
        self.events = list(reversed(shown))
        self.rules = {rule["id"]: rule for rule in row["rules"] if "valid_to" not in rule}

    def of(self, kind: str) -> list[Row]:
        return [{}] if kind == PERSON else [each for each in self.events if each["kind"] == kind]

    def answers(self, rules: Sequence[Row], event_: Row) -> list[bool | None]:
        """Of the rules that are asked of it; one that is perhaps asked is met if it would be."""
        answers = []
        for rule in rules:
            asked = says(rule.get("when"), event_, self.journey)
            answer = says(rule["logic"], event_, self.journey)
            if asked is not False:
                answers.append(answer if asked or answer else None)
        return answers

    def ways(self, requirement: Row) -> Iterator[tuple[Row, Row, bool | None, list[bool | None]]]:
        """Each branch with each event: whether it is open, and what its rules say."""
        for branch in requirement["any"]:
            rules = [self.rules[name] for name in branch["rules"] if name in self.rules]
            for event_ in self.of(branch["on"]) if rules else []:
                opened = says(branch.get("when"), event_, self.journey)
                if opened is not False:
                    yield branch, event_, opened, self.answers(rules, event_) or [None]

    def certain(self, duties: Sequence[Row], event_: Row) -> bool:
        return all(says(duty.get("when"), event_, self.journey) is not None for duty in duties)

    @property
    def always(self) -> list[bool | None]:
        asked = [self.rules[name] for name in self.row["always"] if name in self.rules]
        return [
            said for rule in asked for event_ in self.of(rule["on"]) for said in self.answers([rule], event_)
        ]

    def green(self) -> bool:
        """Whether everything that is asked is known and met."""
        if not self.rules or not all(self.always) or not self.certain(self.row["duties"], {}):
            return False
        return all(self._fulfilled(each) for each in self.row["requirements"])

    def _fulfilled(self, requirement: Row) -> bool:
        asked = says(requirement.get("when"), {}, self.journey)
        if asked is not True:
            return asked is False
        for branch, event_, opened, answers in self.ways(requirement):
            if opened and all(answers):  # the first that is, in the order of the bundle
                if branch.get("gives") == "PAPER_ONLY":
                    return False
                given_here = () if "gives" in branch else requirement["met"]
                return self.certain(given_here, {}) and self.certain(branch["duties"], event_)
        return False

    def red(self) -> bool:
        """Whether something is asked that nothing unknown could still make good."""
        return False in self.always or any(self._refused(each) for each in self.row["requirements"])

    def _refused(self, requirement: Row) -> bool:
        if says(requirement.get("when"), {}, self.journey) is not True:
            return False
        if any(says(duty.get("when"), {}, self.journey) is not False for duty in requirement["unmet"]):
            return False
        ways = list(self.ways(requirement))
        if any(False not in answers for *_, answers in ways):
            return False
        alone = all(branch["on"] == PERSON for branch in requirement["any"])
        return any(opened and (alone or branch["on"] != PERSON) for branch, _, opened, _ in ways)


# --- Any bundle ---------------------------------------------------------------------------------------------

leaves = (
    st.booleans()
    | st.sampled_from([{"nothing": [1]}, {"listed": [{"var": "event.product"}, MISSING]}])
    | st.builds(lambda value: {"===": [{"need": ["event.product"]}, value]}, st.sampled_from("AB"))
    | st.builds(lambda value: {">": [{"need": ["event.dose"]}, value]}, st.integers(0, 2))
    | st.just({"listed": [{"var": "event.product"}, "AB"]})
    | st.builds(
        lambda value: {"===": [{"need": ["journey.mode", "NEED_CONTEXT"]}, value]},
        st.sampled_from(["air", "land"]),
    )
    | st.just({"===": [{"need": ["journey.role"]}, "crew"]})
)
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda one: {"!": [one]}, inner)
        | st.builds(
            lambda name, some: {name: some},
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=3),
        )
        | st.builds(lambda *some: {"if": list(some)}, inner, inner, inner)
    ),
    max_leaves=5,
)
conditions = st.none() | st.none() | expressions
kinds = st.sampled_from([ON, ON, TEST, PERSON])


def with_condition(row: dict[str, Any], when: Any) -> dict[str, Any]:
    return row if when is None else row | {"when": when}


duties = st.lists(
    st.builds(
        lambda days, when: with_condition({"code": "ISOLATE", "days": days}, when),
        st.integers(1, 3),
        conditions,
    ),
    max_size=2,
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A bundle of the written form."""
    rules = []
    for number in range(draw(st.integers(1, 4))):
        rule = {"id": f"r{number}", "version": "1.0.0", "on": draw(kinds), "logic": draw(expressions)}
        over = {"valid_to": "2022-01-01T00:00:00Z"} if draw(st.integers(0, 5)) == 0 else {}
        rules.append(with_condition(rule | over, draw(st.just(None) | conditions)))

    def some(kind: str) -> list[str]:
        names = [rule["id"] for rule in rules if rule["on"] in (kind, PERSON)]
        return draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)) if names else []

    requirements = []
    for number in range(draw(st.integers(0, 2))):
        ways = []
        for other in range(draw(st.integers(1, 3))):
            on = draw(kinds)
            asked = some(on)
            if asked:
                gives = draw(st.sampled_from([{}, {}, {"gives": "EXEMPT_AGE"}, {"gives": "PAPER_ONLY"}]))
                way = {"id": f"w{other}", "on": on, "rules": asked, "duties": draw(duties)} | gives
                ways.append(with_condition(way, draw(conditions)))
        if ways:
            requirement = {"id": f"q{number}", "any": ways, "met": draw(duties), "unmet": draw(duties)}
            requirements.append(with_condition(requirement, draw(conditions)))
    names = [rule["id"] for rule in rules]
    least = 0 if requirements else 1
    always = draw(st.lists(st.sampled_from(names), min_size=least, max_size=2, unique=True))
    return row_of(
        rules=rules,
        always=always,
        requirements=requirements,
        duties=draw(st.just([]) | duties),
        value_sets={"AB": ["A", "B"]},
    )


doses = st.builds(
    lambda product_, number: {"product": product_, "dose": number} | dose(product=product_, dose=number),
    st.sampled_from(["", "A", "B", "C"]),
    st.none() | st.integers(0, 3),
)
tests = st.just({"kind": TEST, "disease": COVID_19})
modes = st.sampled_from([None, Mode.AIR, Mode.LAND])
roles = st.sampled_from(["", "crew", "guest"])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(rows(), st.lists(doses | tests, max_size=3), modes, roles)
def test_green_is_what_the_model_calls_green_and_red_what_it_calls_red(
    row: dict[str, Any], shown: list[dict[str, Any]], mode: Mode | None, role: str
) -> None:
    """PASS if and only if everything asked is known and met; FAIL only where nothing unknown could help, and
    nobody who fails has duties.
    """
    bundle = bundle_of(**row)
    verdict = decided(bundle, *shown, mode=mode, role=role)
    model = Model(row, _different(shown), {"mode": mode and mode.value, "role": role})
    event(verdict.state.value)
    assert (verdict.state is State.PASS) is model.green()
    assert (verdict.state is State.FAIL) is model.red()
    assert verdict.state is not State.FAIL or not verdict.duties
    assert len({found.code for found in verdict.reasons}) == len(verdict.reasons)
    assert len(set(verdict.duties)) == len(verdict.duties)
    assert explained(verdict) or not verdict.ruled[0].rulings


def _different(shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is shown again stands once, where it was shown last."""
    return [each for number, each in enumerate(shown) if each not in shown[number + 1 :]]


# --- Any JSON -----------------------------------------------------------------------------------------------

OPERATORS = ["var", "no-such-operator", *COUNTS[Dialect.OWN]]

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(
        [
            "event",
            "event.given",
            "event.sampled",
            "holder.birth",
            "journey.departure",
            "AB",
            "day",
            "month",
            "2022-01-10",
        ]
    )
    | st.builds(
        lambda path: {"var": path},
        st.sampled_from(
            [
                "event.given",
                "event.sampled",
                "holder.birth",
                "journey.departure",
                "journey.entry",
                "desk",
                "",
                "valueSets",
                "valueSets.AB",
            ]
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(OPERATORS),
            st.lists(inner, min_size=1, max_size=3),
            min_size=1,
            max_size=1,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(ANYTHING, ANYTHING, ANYTHING, st.sampled_from([None, Mode.AIR]))
def test_no_expression_raises_out_of_judging(logic: Any, when: Any, value: Any, mode: Mode | None) -> None:
    """Whatever a bundle says: a verdict with notes and an explanation, or a bundle that is refused."""
    row = row_of(
        rules=[
            {
                "id": "r",
                "version": "1.0.0",
                "on": on,
                "logic": logic,
                "when": when,
                "notes": {"en": "{v}"},
                "values": {"v": value},
            }
            for on in [ON]
        ]
        + [
            {
                "id": "t",
                "version": "1.0.0",
                "on": TEST,
                "logic": logic,
                "notes": {"vi": "{v}"},
                "values": {"v": value},
            }
        ],
        always=["r", "t"],
        requirements=[
            {
                "id": "q",
                "any": [{"id": "w", "on": ON, "rules": ["r"], "when": when}],
                "unmet": [{"code": "DECLARE", "when": when}],
            }
        ],
        value_sets={"AB": {"A": {"from": "2021-01-01"}, "B": {}}},
    )
    bundle = read_bundle(row)
    verdict = decided(
        bundle,
        dose(product="A", dose=1, given="9999-12-31"),
        {"kind": TEST, "disease": COVID_19, "sampled": "0001-01-01T00:00:00"},
        dose(product="B", dose=2, given="0001-01-01"),
        mode=mode,
    )
    assert explained(verdict)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(
            sorted(
                row_of(
                    rules=0,
                    always=0,
                    requirements=0,
                    duties=0,
                    scope=0,
                    value_sets=0,
                    areas=0,
                    texts=0,
                    tests=0,
                    post=0,
                    diseases=0,
                    domestic=0,
                    activates=0,
                )
            )
        ),
        ANYTHING,
        min_size=1,
        max_size=3,
    )
)
def test_any_members_are_a_bundle_or_a_refusal(members: dict[str, Any]) -> None:
    """Nothing but BundleError, whatever stands where."""
    try:
        bundle = read_bundle(
            row_of(rules=[{"id": "r", "version": "1.0.0", "on": ON, "logic": True}], always=["r"]) | members
        )
    except BundleError:
        return
    assert bundle.scope.covers(Context()) in (True, False)
    assert decided(bundle, dose())


def test_the_model_itself_tells_green_from_red() -> None:
    """Every pair of answers of two rules of one way, by hand."""
    answers = {True: True, False: False, None: {"===": [{"need": ["journey.mode"]}, "air"]}}
    for one, other in product(answers, repeat=2):
        rules = [
            {"id": name, "version": "1.0.0", "on": ON, "logic": answers[value]}
            for name, value in (("a", one), ("b", other))
        ]
        way = {"id": "w", "on": ON, "rules": ["a", "b"], "duties": []}
        row = row_of(
            rules=rules,
            always=[],
            duties=[],
            requirements=[{"id": "q", "any": [way], "met": [], "unmet": []}],
        )
        model = Model(row, [dose()], {})
        assert model.green() is (one is other is True)
        assert model.red() is (one is False or other is False)
