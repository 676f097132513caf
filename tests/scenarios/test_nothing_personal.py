"""A canary in each value of a certificate and a passport: no log, no error and no repr lets it out."""

from __future__ import annotations

import dataclasses
import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from border import Border, passport
from desk import lab_result, person, recovery, vaccination

from appliance.judging import Judgement, judge
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import read_bundle
from verifier.policy.certlogic import Dialect, EvaluationError, compile_logic
from verifier.policy.explain import explained
from verifier.policy.facts import Facts
from verifier.policy.values import Span
from verifier.times import DESK_ZONE, time_bounds

NAME, LINE, BIRTH, CODE = "Canarý", "CANARY", "1977-07-17", "canary-code"
# a product, a device, an identifier, a maker; birth dates as each form writes them
TRACES = ("canar", "1977", "770717", "17/07", "7, 17")

HEAD = person(nam={"fn": NAME, "gn": NAME, "fnt": LINE, "gnt": LINE}, dob=BIRTH)
SHOWN = {
    "a dose": vaccination(HEAD, mp=CODE, ma=CODE, ci=CODE, vp=CODE, **{"is": CODE}),
    "a test": lab_result(HEAD, ma=CODE, ci=CODE, tt=CODE, tr=CODE, tc=CODE),
    "a recovery": recovery(HEAD, ci=CODE, fr="1977-07-18"),
}
# each rule looks at something of the holder's, and most of them cannot be answered
LOGIC: dict[str, Any] = {
    "is not met": {"===": [{"var": "event.product"}, 1]},
    "compares a text with a number": {">": [{"var": "event.product"}, 1]},
    "compares a day with an instant": {"before": [{"var": "holder.birth"}, {"var": "desk.now"}]},
    "shifts a text": {"shift": [{"var": "event.product"}, 1, "day"]},
    "shifts a birth out of the calendar": {"shift": [{"var": "holder.birth"}, 9999, "year"]},
    "reads a product as a date": {"plusTime": [{"var": "event.product"}, 1, "day"]},
    "reads a birth as an instant": {"instant": [{"var": "event.product"}]},
    "looks a list up": {"listed": [["x", {"var": "event.product"}], "set"]},
    "looks for a set by a value": {"listed": [{"var": "event.product"}, "no-set"]},
    "adds": {"+": [{"var": "event.maker"}, 1]},
    "takes a text for a list": {"reduce": [{"var": "event.product"}, 1, 1]},
    "takes a text for a guard": {"in": [1, {"var": "event.product"}]},
    "answers with a value": {"var": "event.product"},
    "answers with a birth date": {"var": "holder.birth"},
    "answers with everything": {"var": ""},
}


def asking(logic: Any) -> RuleBundle:
    """That rule of every kind of event, always and on a way, with everything in its note."""
    told = {"notes": {"en": "{all} {birth} {code}"}} | {
        "values": {"all": {"var": ""}, "birth": {"var": "holder.birth"}, "code": {"var": "event.product"}}
    }
    rules = [
        {"id": f"on-{on}", "version": "1.0.0", "on": on, "logic": logic} | told
        for on in ("vaccination", "test", "recovery", "person")
    ]
    names = [rule["id"] for rule in rules]
    ways = [{"id": name, "on": name[3:], "rules": [name]} for name in names]
    head = {"name": "x", "version": "1.0.0", "asks": "rules", "valid_from": "2021-01-01T00:00:00Z"}
    return read_bundle(head | {"rules": rules, "always": names, "requirements": [{"id": "q", "any": ways}]})


def at_desk(bundle: RuleBundle) -> Border:
    traveller = passport("770717", name="CANARY<<CANARY")
    return Border(bundle, at="2022-03-01T09:00:00+07:00", traveller=traveller)


def judged(bundle: RuleBundle) -> Iterator[Judgement]:
    """Each certificate, with those before it."""
    border, earlier = at_desk(bundle), []
    for payload in SHOWN.values():
        found = judge(border.signer.issue(payload), border.basis(), earlier)
        yield found
        earlier.append(found.assessment)


def parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """A value and everything that it holds."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    if dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            yield from parts(getattr(value, each.name), seen)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from parts(item, seen)


def told_by(value: Any) -> str:
    """What every repr of it and of its parts says: of types of ours, since a text's repr is the text."""
    return " ".join(
        repr(each)
        for each in parts(value, set())
        if type(each).__module__.startswith(("verifier", "appliance"))
    )


def assert_silent(text: str) -> None:
    told = re.sub(r"0x[0-9a-f]+", "", text.lower())  # an address may hold any digits
    for trace in TRACES:
        assert trace not in told, f"{trace} stands in {text[:200]}"


@pytest.mark.parametrize("logic", LOGIC.values(), ids=list(LOGIC))
def test_nothing_of_a_holder_is_printed_or_logged(logic: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Rules that fail in every way, at DEBUG: no log, no repr of any part and no detail has a trace."""
    with caplog.at_level(logging.DEBUG):
        for found in judged(asking(logic)):
            assert_silent(told_by(found))
            assert_silent(" ".join(each.detail for each in found.verdict.reasons))
            assert_silent(repr(found.verdict.reasons))
            assert explained(found.verdict), "what may be read is computed when somebody asks"
    assert_silent(caplog.text)


@pytest.mark.parametrize("logic", LOGIC.values(), ids=list(LOGIC))
def test_no_error_of_a_rule_quotes_what_it_looked_at(logic: Any) -> None:
    """The whole traceback with its causes, as a log would have it."""
    (found, *_) = judged(asking(logic))
    certificate = found.assessment.certificate
    assert certificate is not None
    time = time_bounds(found.assessment.now, None, None, DESK_ZONE)
    context = at_desk(asking(logic)).context
    tree = Facts(context, time, certificate.holder, {}).of(certificate, certificate.events[0], None)
    try:
        compile_logic(logic, Dialect.OWN)(tree)
    except EvaluationError as error:
        assert_silent("".join(traceback.format_exception(error)))


def test_what_travels_through_the_rules_has_no_repr_of_its_own() -> None:
    """Bounds of a birth date, the tree, a journey with a passport, the whole of a ruling."""
    (found, *_) = judged(asking(LOGIC["is not met"]))
    ruled = found.verdict.ruled[0]
    birth = ruled.rulings[0].tree["holder"]["birth"]
    assert birth.isoformat() == BIRTH, "the canary is there"
    assert_silent(repr(Span(birth, birth, found.verdict.reasons[0].code)))
    assert_silent(" ".join(map(repr, (ruled, *ruled.rulings, *ruled.taken, at_desk(asking(True)).context))))
    note = next(each.note for each in found.verdict.reasons if each.note)
    assert CODE in note["en"], "the officer may read it"
