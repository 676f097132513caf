"""Why a result is as it is, and the words for what rules look at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from desk import Desk, lab_result, vaccination
from example import example

from appliance.cli.answer import judge
from appliance.judging import Basis
from verifier.certificate import Certificate, Event
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import read_bundle
from verifier.policy.context import Context
from verifier.policy.explain import MAX_VALUES, explained, texts_of
from verifier.policy.facts import Facts, kind_of
from verifier.policy.members import MEMBERS, ROOTS, looked_up, paths_of
from verifier.policy.saying import told
from verifier.policy.trials import certificate_from_row
from verifier.policy.values import LONG_AGO, Span
from verifier.reasons import Reason
from verifier.times import DESK_ZONE, time_bounds
from verifier.verdict import Verdict

AT = datetime(2022, 4, 14, 2, 0, tzinfo=UTC)
EVENTS: tuple[dict[str, Any], ...] = (
    {"kind": "vaccination"},
    {"kind": "test"},
    {"kind": "recovery"},
    {"kind": "exemption"},
    {"kind": "prophylaxis"},
)


def judged(
    *payloads: dict[str, Any],
    bundle: dict[str, Any] | RuleBundle | None = None,
    context: Context | None = None,
    orders: tuple[RuleBundle, ...] = (),
) -> Verdict:
    """What a desk answers to the last of these certificates, really issued and signed."""
    desk = Desk(now=AT)
    signer = desk.signer()
    rules = bundle if isinstance(bundle, RuleBundle) else read_bundle(bundle or example())
    basis = Basis(desk.trust, (rules,), AT, context=context or Context(), orders=orders)
    earlier: list[Any] = []
    for payload in payloads:
        done = judge(signer.issue(payload), basis, earlier)
        earlier.append(done.assessment)
    return done.verdict


def rows(*payloads: dict[str, Any], **options: Any) -> dict[str, dict[str, Any]]:
    """The explained rows by the name of their rule."""
    return {str(row["rule"]): row for row in explained(judged(*payloads, **options))}


def test_a_rule_that_is_not_met_is_told_with_its_bundle_and_the_values_compared() -> None:
    """The rule, its bundle's version, what it compared and what it said, in vi and en."""
    row = rows(vaccination(dt="2022-04-01"))["dose-14-days"]
    assert (row["bundle"], row["version"], row["rule_version"]) == ("port-2022", "1.0.0", "1.0.0")
    assert (row["requirement"]["id"], row["branch"]["id"]) == ("immunity", "vaccinated")
    assert row["texts"]["vi"] == "Mũi cuối đã tiêm ít nhất 14 ngày"
    assert row["texts"]["en"] == "The last dose is at least 14 days old"
    assert (row["answer"], row["used"], row["reason"]["code"]) == ("false", True, "TOO_SOON")
    values = {value["name"]: value for value in row["values"]}
    assert values["event.given"]["label"] == {"vi": "ngày tiêm", "en": "day given"}
    assert values["event.given"]["vi"] == values["event.given"]["en"] == "01/04/2022"
    assert values["journey.entry"]["en"] == "14/04/2022"
    assert values["first"]["en"] == "15/04/2022"


def test_a_rule_that_is_met_is_told_too_and_a_way_not_taken_is_marked() -> None:
    """So that nobody takes the one for the other."""
    found = rows(vaccination(dt="2022-03-01"))
    assert {name: (row["answer"], row["used"]) for name, row in found.items()} == {
        "course-complete": ("true", True),
        "dose-14-days": ("true", True),
        "crew": ("false", False),
    }
    assert found["course-complete"]["reason"] is None
    shown = [value["name"] for value in found["course-complete"]["values"]]
    assert shown == ["event.dose", "event.doses"], "a value that only names a member stands there once"


def test_an_unknown_answer_names_its_cause_in_both_languages() -> None:
    """What is not known is not a failure."""
    row = example()
    row["requirements"][0]["any"][1]["rules"] = ["crew"]
    row["rules"][2]["logic"] = {"listed": [{"need": ["journey.role", "NEED_CONTEXT"]}, "crews"]}
    crew = rows(lab_result(), bundle=row)["crew"]
    assert (crew["answer"], crew["reason"]["code"]) == ("unknown", "NEED_CONTEXT")
    assert crew["reason"]["vi"] != crew["reason"]["en"] != ""
    (value,) = crew["values"]
    assert (value["vi"], value["en"]) == ("chưa rõ", "not known")


def test_several_certificates_are_told_one_after_the_other() -> None:
    """Only the one that the result rests on is used."""
    found = [
        (row["rule"], row["answer"], row["used"])
        for row in explained(judged(vaccination(dn=1, dt="2022-01-01"), vaccination(dt="2022-03-01")))
        if row["rule"] == "course-complete"
    ]
    assert found == [("course-complete", "true", True), ("course-complete", "false", False)]


def test_a_requirement_for_which_nothing_was_shown_is_told() -> None:
    """No rule was asked, and that is the answer."""
    row = example()
    row["requirements"][0]["any"] = row["requirements"][0]["any"][:1]
    row["rules"] = row["rules"][:2]
    (told,) = explained(judged(lab_result(), bundle=row))
    assert (told["rule"], told["requirement"]["id"], told["answer"]) == (None, "immunity", "unknown")
    assert told["reason"]["code"] == "NEED_SECOND_DOC"


def test_a_bundle_that_asks_for_the_signature_alone_says_so() -> None:
    """Also then there is an answer to "why?"."""
    (told,) = explained(judged(vaccination(), bundle=SIGNATURE_ONLY))
    assert (told["bundle"], told["rule"], told["answer"]) == ("signature-only", None, "true")
    assert told["texts"] == {"vi": "Chỉ kiểm tra tính xác thực", "en": "Authenticity only", "marked": False}


def test_an_order_of_the_post_is_told_beside_the_bundle() -> None:
    """Its rows say that they are of an order."""
    order = read_bundle(
        example() | {"name": "order-7", "post": "moc-bai", "tests": []}
        | {"valid_from": "2022-04-14T00:00:00Z", "valid_to": "2022-04-15T00:00:00Z"}
    )  # fmt: skip
    verdict = judged(vaccination(dt="2022-03-01"), context=Context(post="moc-bai"), orders=(order,))
    assert [(row["bundle"], row["order"]) for row in explained(verdict)] == [
        *[("port-2022", False)] * 3,
        *[("order-7", True)] * 3,
    ]


def test_national_rules_are_explained_by_the_paths_that_they_read() -> None:
    """Values of the payload by their path; an object as a whole is only said to be there."""
    logic = {
        "if": [{"var": "payload.v.0"}, {"===": [{"var": "payload.v.0.dn"}, {"var": "payload.v.0.sd"}]}, True]
    }
    rule = {
        "id": "VR-VN-0001", "version": "1.0.0", "on": "person", "logic": logic,
        "texts": {"en": "Every dose of the course must have been given"},
        "national": {
            "country": "VN", "certificate": "Vaccination", "schema": "1.3.0", "engine": "CERTLOGIC",
            "engine_version": "0.7.5",
        },
    }  # fmt: skip
    bundle = {
        "name": "national-vn", "version": "1.0.0", "asks": "certlogic", "valid_from": "2021-07-01T00:00:00Z",
        "rules": [rule],
    }  # fmt: skip
    row = rows(vaccination(dn=1), bundle=bundle)["VR-VN-0001"]
    assert row["answer"] == "false"
    assert {value["name"]: value["en"] for value in row["values"]} == {
        "payload.v.0": "stated",
        "payload.v.0.dn": "1",
        "payload.v.0.sd": "2",
    }
    assert row["texts"] == {
        "vi": "[EN] Every dose of the course must have been given",
        "en": "Every dose of the course must have been given",
        "marked": True,
    }


def test_without_rules_there_is_nothing_to_explain() -> None:
    """RULES_MISSING has no bundle to name."""
    desk = Desk(now=AT, bundle=None)
    assert explained(desk.judged(desk.signer().issue(vaccination())).verdict) == []


@pytest.mark.parametrize(
    ("texts", "vi", "en", "marked"),
    [
        ({"vi": "Có", "en": "Yes"}, "Có", "Yes", False),
        ({"en": "Yes"}, "[EN] Yes", "Yes", True),
        ({"en": "Yes", "vi": ""}, "[EN] Yes", "Yes", True),
        ({"de": "Ja", "fr": "Oui"}, "[DE] Ja", "Ja", True),
        ({"vi": "Có"}, "Có", "Có", False),
        ({}, "rule-7", "rule-7", False),
    ],
)
def test_a_text_that_lacks_vietnamese_is_shown_with_a_mark(
    texts: dict[str, str], vi: str, en: str, marked: bool
) -> None:
    """Never left out, and never taken for Vietnamese."""
    assert texts_of(texts, "rule-7") == {"vi": vi, "en": en, "marked": marked}


def test_one_rule_shows_no_more_values_than_a_screen_holds() -> None:
    """A long national rule reads dozens of members."""
    row = example()
    row["rules"][1]["values"] = {f"v{number}": number for number in range(100)}
    row["rules"][1]["notes"] = {}
    assert len(rows(vaccination(), bundle=row)["dose-14-days"]["values"]) == MAX_VALUES


# --- What the data have, and what it is called --------------------------------------------------------------


def leaves(tree: Any, path: str = "") -> set[str]:
    """The paths of all members of a tree; value sets are no members."""
    if not isinstance(tree, dict) or path == "valueSets":
        return {path}
    return {leaf for name, each in tree.items() for leaf in leaves(each, f"{path}.{name}".removeprefix("."))}


def facts_of(row: dict[str, Any]) -> tuple[Event, Any]:
    certificate: Certificate = certificate_from_row({"events": [row]}, disease="840539006")
    facts = Facts(Context(), time_bounds(AT, None, None, DESK_ZONE), certificate.holder, {})
    return certificate.events[0], facts.of(certificate, certificate.events[0], None)


@pytest.mark.parametrize("row", EVENTS, ids=lambda row: row["kind"])
def test_every_member_of_the_data_has_its_words_and_no_other_has(row: dict[str, Any]) -> None:
    """By kind of event: a rule that asks a test for its dose is named before it is signed."""
    event, tree = facts_of(row)
    kind = kind_of(event)
    named = {path for path, member in MEMBERS.items() if not member.on or kind in member.on}
    assert leaves(tree) - {"valueSets"} == named
    assert {"", *tree} == ROOTS


def test_words_are_there_in_both_languages() -> None:
    """And no two members are called the same."""
    for language in ("vi", "en"):
        words = [getattr(member, language) for member in MEMBERS.values()]
        assert all(words)
        assert len(set(words)) == len(words)


def test_the_paths_of_an_expression_are_those_that_it_names() -> None:
    """Inside a reduce the data are those of the list."""
    expression = {
        "and": [
            {"known": ["event.given"]},
            {"before": [{"need": ["event.given", "NEED_CONTEXT"]}, {"var": "journey.entry"}]},
            {"reduce": [{"var": "payload.v"}, {"+": [{"var": "accumulator"}, {"var": "current.dn"}]}, 0]},
            {"in": ["need", ["var", "event.dose"]]},
            {"var": ""},
        ]
    }
    assert paths_of(expression) == ("event.given", "journey.entry", "payload.v")


def test_a_path_that_leads_nowhere_is_nothing() -> None:
    """As for the rule that asked."""
    tree = {"a": [{"b": 1}], "c": "text"}
    assert looked_up("a.0.b", tree) == 1
    assert [looked_up(path, tree) for path in ("a.1.b", "a.b", "c.0", "d", "a.999999999999")] == [None] * 5


def test_a_bound_of_which_nothing_is_known_is_not_said() -> None:
    """A departure without a longest journey has no first instant; no year 1800 stands on the screen."""
    noon = datetime(2022, 3, 20, 5, tzinfo=UTC)
    assert told(Span(LONG_AGO, noon, Reason.NEED_CONTEXT), "en", DESK_ZONE).startswith("… – 12:00 20/03/2022")
