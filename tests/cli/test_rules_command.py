"""``vaxgate-rules``: what it answers, with which exit status, and what the page about rules says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Signer, lab_result, person, vaccination
from passports import passport
from places import ROOT

from appliance.cli.rules import main
from appliance.cli.verify import main as verify
from trustsync import shipped
from verifier.policy.bundle_json import (
    _BRANCH,
    _BUNDLE,
    _DUTY,
    _NATIONAL,
    _REQUIREMENT,
    _RULE,
    decode_bundles,
)
from verifier.policy.language import COUNTS, Dialect
from verifier.policy.members import MEMBERS
from verifier.reasons import CATALOGUE, Reason

sys.path.append(str(ROOT / "tests" / "policy"))
from example import example, page

AT = "2022-04-14T09:00:00+07:00"
NOW = datetime.fromisoformat(AT)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; exit status, stdout, stderr."""

    def command(*arguments: object, by: Callable[[list[str]], int] = main) -> tuple[int, str, str]:
        try:
            status = by([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    signer = Desk(now=NOW).signer()
    (tmp_path / "key.der").write_bytes(signer.key.spki())
    return signer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The bundle of the page as a file."""
    return written(tmp_path / "port.json", example())


def written(path: Path, row: Any) -> Path:
    path.write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def given(tmp_path: Path, source: Path) -> list[object]:
    return ["--trust", tmp_path / "key.der", "--rules", source, "--at", AT]


# --- Recorded cases -----------------------------------------------------------------------------------------


def canonical(value: Any) -> str:
    """A value as text, so that 1, 1.0 and true stay three."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.vectors
def test_every_published_expression_gives_what_the_specification_expects(run: Run, vectors: Path) -> None:
    """146 of 146, type by type."""
    path = vectors / "certlogic-spec.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    status, out, _ = run("eval", "--cases", path)
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [answer["id"] for answer in answers] == [case["id"] for case in cases]
    assert [canonical(a.get("result", a)) for a in answers] == [canonical(case["expected"]) for case in cases]
    assert len(answers) == 146


@pytest.mark.vectors
def test_every_published_validation_case_is_answered_as_expected(run: Run, vectors: Path) -> None:
    """16 of 16: whether an expression is valid, and which expressions are at fault."""
    path = vectors / "certlogic-validation.jsonl"
    expected = [json.loads(line)["expected"] for line in path.read_text(encoding="utf-8").splitlines()]
    status, out, _ = run("check", "--cases", path)
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer["valid"] is wanted["valid"]
        assert canonical([i["expr"] for i in answer["issues"]]) == canonical(
            [i["expr"] for i in wanted["issues"]]
        )
    assert len(answers) == 16


@pytest.mark.vectors
@pytest.mark.scenario("SC-L11")
def test_imported_national_rules_agree_with_all_their_published_tests(
    run: Run, vectors: Path, tmp_path: Path
) -> None:
    """From the recorded lines to bundles, and each bundle's own tests: 878 of 878."""
    assert run("bundle", "import", vectors / "dcc-rules.jsonl", "--out", tmp_path / "sources")[0] == 0
    sources = sorted((tmp_path / "sources").iterdir())
    assert run("check", *sources)[0] == 0
    status, out, _ = run("test", "--json", *sources)
    trials = [json.loads(line) for line in out.splitlines()]
    assert [trial for trial in trials if not trial["agrees"]] == []
    assert (status, len(trials)) == (0, 878)
    built = tmp_path / "bundles.json"
    assert run("bundle", "build", *sources, "--out", built)[0] == 0
    assert len(decode_bundles(built.read_bytes())) == len(sources)


def test_a_case_that_has_no_answer_gets_its_line(run: Run, tmp_path: Path) -> None:
    """With the error, and without any value of the data."""
    lines = [
        {"id": "a", "logic": {"+": [{"var": "x"}, 1]}, "data": {"x": "secret"}},
        {"id": "b", "logic": {"+": [{"var": "x"}, 1]}, "data": {"x": 1}},
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    status, out, _ = run("eval", "--cases", path)
    first, second = map(json.loads, out.splitlines())
    assert status == 0
    assert first.keys() == {"id", "error"}
    assert "secret" not in out
    assert second == {"id": "b", "result": 2}


# --- check --------------------------------------------------------------------------------------------------


def problems(run: Run, path: Path, row: dict[str, Any]) -> tuple[int, set[tuple[str, str | None]], list[str]]:
    """Exit status, places of problems with their rule, and all messages."""
    status, out, _ = run("check", "--json", written(path, row))
    answer = json.loads(out)
    assert answer["valid"] is (status == 0)
    said = answer["problems"] + answer["warnings"]
    return status, {(p["path"], p["rule"]) for p in answer["problems"]}, [p["message"] for p in said]


def test_the_bundle_of_the_page_has_no_problem(run: Run, source: Path) -> None:
    """What people copy is right."""
    assert run("check", source) == (0, "port-2022 1.0.0: no problems, no warnings\n", "")
    assert run("test", source) == (0, "port-2022 1.0.0: 3 of 3 tests agree\n", "")


def test_every_shipped_bundle_is_checked_by_its_name(run: Run) -> None:
    """And its tests agree."""
    assert run("check", *shipped.names())[0] == 0
    assert run("test", *shipped.names())[0] == 0


@pytest.mark.parametrize(
    ("change", "place", "rule", "said"),
    [
        (
            {
                "logic": {
                    "after": [{"var": "journey.entry"}, {"shift": [{"need": ["event.given"]}, 14, "week"]}]
                }
            },
            "rules[1].logic.after[1].shift[2]",
            "dose-14-days",
            "one of year, month, day, hour, minute is expected",
        ),
        ({"logic": {"older": [1, 2]}}, "rules[1].logic", "dose-14-days", "there is no operator 'older'"),
        ({"logic": {"need": ["event.givn"]}}, "rules[1].logic", "dose-14-days", "no member 'event.givn'"),
        (
            {"logic": {"need": ["event.result"]}},
            "rules[1].logic",
            "dose-14-days",
            "no member of a vaccination",
        ),
        (
            {"logic": {"listed": [{"var": "event.product"}, "products"]}},
            "rules[1].logic",
            "dose-14-days",
            "the value set 'products' is not in the bundle",
        ),
        (
            {"when": {"need": ["event.dose", "ASK"]}},
            "rules[1].when.need[1]",
            "dose-14-days",
            "code of a reason",
        ),
        ({"values": {"first": {"day": ["2022-02-30"]}}}, "rules[1].values.first.day[0]", "dose-14-days", ""),
        ({"values": {}}, "rules[1].notes.vi", "dose-14-days", "{first} is none of the values"),
        ({"reason": "TO_SOON"}, "rules[1].reason", None, "'TO_SOON' is none of"),
        ({"texts": {"vie": "x"}}, "rules[1].texts", None, ""),
    ],
)
def test_check_names_the_bad_rule_and_the_path_within_it(
    run: Run, tmp_path: Path, change: dict[str, Any], place: str, rule: str | None, said: str
) -> None:
    """Before anybody signs it."""
    row = example()
    row["rules"][1] |= change
    status, places, messages = problems(run, tmp_path / "bad.json", row)
    assert status == 1
    assert any(where.startswith(place) and (rule is None or who == rule) for where, who in places), places
    assert any(said in message for message in messages), messages


def test_check_names_a_rule_that_nobody_asks(run: Run, tmp_path: Path) -> None:
    """Its author thought that it was asked."""
    row = example()
    row["requirements"][0]["any"][0]["rules"].pop()
    status, places, _ = problems(run, tmp_path / "bad.json", row)
    assert (status, places) == (1, {("rules[1]", "dose-14-days")})


def test_check_looks_into_conditions_of_branches_requirements_and_duties(run: Run, tmp_path: Path) -> None:
    """Each with its place; a way about the person sees no event."""
    row = example()
    row["requirements"][0]["when"] = {"var": "event.dose"}
    row["requirements"][0]["any"][0]["when"] = {"===": [1]}
    row["requirements"][0]["unmet"][0]["when"] = {"var": "journey.mod"}
    row["duties"][0]["when"] = {"listed": [{"var": "journey.origin"}, "risk"]}
    status, places, messages = problems(run, tmp_path / "bad.json", row)
    assert status == 1
    assert {where for where, _ in places} == {
        "requirements[0].when",
        "requirements[0].any[0].when",
        "requirements[0].unmet[0].when",
        "duties[0].when",
    }
    assert any("nothing is looked at here but the person and the journey" in message for message in messages)


def test_check_warns_of_missing_texts_and_tests_and_of_sets_that_nobody_uses(
    run: Run, tmp_path: Path
) -> None:
    """The bundle can be used as it is, so the status is 0."""
    row = example()
    del row["tests"], row["rules"][0]["texts"]["vi"], row["requirements"][0]["texts"]
    row["value_sets"]["unused"] = []
    status, out, _ = run("check", written(tmp_path / "poor.json", row))
    assert status == 0
    assert out.splitlines() == [
        "port-2022 1.0.0: no problems, 5 warnings",
        "  warning: value_sets.unused: no rule asks for it",
        "  warning: value_sets.unused: it holds no code, so nothing is listed in it",
        "  warning: rules[0].texts (course-complete): no Vietnamese text (vi); another is shown with a mark",
        "  warning: requirements[0].texts: there is no text; the identifier is shown",
        "  warning: tests: there are none; a bundle brings cases that show what it means",
    ]


@pytest.mark.scenario("SC-L09")
def test_a_rule_without_vietnamese_is_listed_by_check_and_shown_in_english_with_a_mark(
    run: Run, tmp_path: Path, signer: Signer
) -> None:
    """English shown with a mark, build check lists it."""
    row = example()
    del row["rules"][1]["texts"]["vi"]
    path = written(tmp_path / "port.json", row)
    assert "rules[1].texts (dose-14-days): no Vietnamese text (vi)" in run("check", path)[1]
    _, out, _ = run(
        "explain", *given(tmp_path, path), "--lang", "vi", signer.issue(vaccination(dt="2022-04-01"))
    )
    assert "dose-14-days 1.0.0: [EN] The last dose is at least 14 days old = sai [TOO_SOON]" in out


def test_a_built_file_that_a_unit_would_refuse_is_a_problem(run: Run, source: Path, tmp_path: Path) -> None:
    """Not in its one form; or no JSON at all."""
    built = tmp_path / "bundles.json"
    assert run("bundle", "build", source, "--out", built)[0] == 0
    assert run("check", built)[:2] == (0, "port-2022 1.0.0: no problems, no warnings\n")
    built.write_bytes(built.read_bytes() + b"\n")
    assert "not in canonical form" in run("check", built)[1]
    built.write_text("{")
    status, out, _ = run("check", built)
    assert (status, "no JSON" in out) == (1, True)


# --- test ---------------------------------------------------------------------------------------------------


def test_a_test_that_differs_is_named_with_what_differs(run: Run, tmp_path: Path) -> None:
    """Exit 1."""
    row = example()
    row["rules"][1]["logic"]["not-before"][1]["shift"][1] = 15
    status, out, _ = run("test", written(tmp_path / "port.json", row))
    assert status == 1
    assert out.splitlines()[0] == (
        "port-2022 1.0.0: tests[0] '2/2, day 14 counts': state: PASS expected, CHECK found"
    )
    assert out.splitlines()[-1] == "port-2022 1.0.0: 2 of 3 tests agree"


def test_nothing_tried_is_no_success(run: Run) -> None:
    """Whoever forgot the tests is told."""
    status, out, err = run("test", "signature-only")
    assert (status, out) == (1, "signature-only 1.0.0: 0 of 0 tests agree\n")
    assert "nothing was tried" in err


# --- explain ------------------------------------------------------------------------------------------------


def test_explain_shows_the_way_with_the_values_compared_in_both_languages(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """Each rule, the values, the answer; the way that was not taken is one line."""
    status, out, _ = run("explain", *given(tmp_path, source), signer.issue(vaccination(dt="2022-04-01")))
    assert status == 10
    lines = out.splitlines()
    assert lines[0] == "CHECK  1"
    assert any(line.endswith("(có hiệu lực từ 15/04/2022 / valid from 15/04/2022)") for line in lines)
    assert "  duty: code=TEST within_hours=24" in lines
    assert "  port-2022 1.0.0: Cảng biển từ 01/04/2022 / Sea port from 1 April 2022" in lines
    assert "    immunity/vaccinated: Chứng nhận tiêm / Vaccination certificate" in lines
    asked = next(line for line in lines if "dose-14-days" in line)
    assert asked.strip().startswith("✗ dose-14-days 1.0.0: ")
    assert asked.endswith("= sai / false [TOO_SOON]")
    assert "          ngày tiêm / day given: 01/04/2022" in lines
    assert lines[-1].endswith("= sai / false [RULE_FAILED] (không dùng / not taken)")


def test_explain_in_one_language_and_for_machines(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """`why` beside the object of vaxgate-verify."""
    code = signer.issue(vaccination(dt="2022-04-01"))
    _, out, _ = run("explain", *given(tmp_path, source), "--lang", "en", code)
    assert "Cảng" not in out
    assert "day given: 01/04/2022" in out
    status, out, _ = run("explain", "--json", *given(tmp_path, source), code)
    answer = json.loads(out)
    assert (status, answer["state"], answer["rules"]) == (
        10,
        "CHECK",
        {"bundle": "port-2022", "version": "1.0.0"},
    )
    assert [(row["rule"], row["answer"]) for row in answer["why"]] == [
        ("course-complete", "true"),
        ("dose-14-days", "false"),
        ("crew", "false"),
    ]


# --- bundle -------------------------------------------------------------------------------------------------


def test_what_is_built_is_what_a_unit_reads(run: Run, source: Path, tmp_path: Path) -> None:
    """Shipped ones and those of a file in one target; the command tells its digest."""
    built = tmp_path / "bundles.json"
    status, out, _ = run("bundle", "build", "--json", source, "vn-2022-05", "--out", built)
    said = json.loads(out)
    assert status == 0
    assert [each["bundle"] for each in said["bundles"]] == ["port-2022", "vn-2022-05"]
    assert said["bytes"] == built.stat().st_size
    assert [bundle.name for bundle in decode_bundles(built.read_bytes())] == ["port-2022", "vn-2022-05"]


def test_nothing_is_built_from_rules_whose_own_tests_differ(run: Run, tmp_path: Path) -> None:
    """Unless somebody says so, and then it is said loudly."""
    row = example()
    row["tests"][0]["expect"]["state"] = "FAIL"
    path, built = written(tmp_path / "port.json", row), tmp_path / "bundles.json"
    status, _, err = run("bundle", "build", path, "--out", built)
    assert (status, built.exists()) == (1, False)
    assert "tests[0] '2/2, day 14 counts': state: FAIL expected, PASS found" in err
    status, _, err = run("bundle", "build", path, "--untested", "--out", built)
    assert (status, built.exists()) == (0, True)
    assert "UNTESTED: port-2022" in err


def test_nothing_is_built_from_rules_without_tests_or_with_a_problem(run: Run, tmp_path: Path) -> None:
    """A problem is not overridden by anything."""
    row, built = example(), tmp_path / "bundles.json"
    tests = row.pop("tests")
    assert run("bundle", "build", written(tmp_path / "a.json", row), "--out", built)[0] == 1
    row = example() | {"tests": tests}
    row["rules"][0]["logic"] = {"older": [1, 2]}
    status, _, err = run("bundle", "build", "--untested", written(tmp_path / "b.json", row), "--out", built)
    assert (status, built.exists()) == (1, False)
    assert "rules[0].logic: there is no operator 'older'" in err


def test_a_source_uses_what_stands_beside_it(run: Run, tmp_path: Path) -> None:
    """shared.json of its own folder; without one the shipped one."""
    row = example()
    shared = {"rules": [row["rules"].pop(0)], "value_sets": row.pop("value_sets")}
    row["use"] = {"rules": ["course-complete"], "value_sets": ["crews"]}
    path = written(tmp_path / "port.json", row)
    status, out, _ = run("check", path)
    assert (status, "'crews' is not shared" in out) == (1, True)
    written(tmp_path / "shared.json", shared)
    assert run("check", path)[0] == 0
    assert run("test", path)[0] == 0


def test_an_order_is_signed_and_counts_at_its_post_for_its_day(run: Run, tmp_path: Path) -> None:
    """Not at another one, not after it, and not once a letter was changed."""
    row = example() | {"name": "order-7", "post": "moc-bai", "valid_from": "2022-04-14T00:00:00Z"}
    row |= {"valid_to": "2022-04-15T00:00:00Z", "tests": []}
    path, order = written(tmp_path / "order-source.json", row), tmp_path / "order.json"
    key, public = tmp_path / "post.pem", tmp_path / "post.pub.pem"
    assert run("bundle", "keygen", "--out", key, "--public", public)[0] == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert run("bundle", "keygen", "--out", key, "--public", public)[0] == 2  # never written over
    assert run("bundle", "sign", path, "--key", key, "--out", order)[0] == 1  # no test travels with it
    assert run("bundle", "sign", path, "--key", key, "--untested", "--out", order)[0] == 0
    held = ("--key", public, "--at", "2022-04-14T12:00:00Z")
    assert run("bundle", "verify", order, *held, "--post", "moc-bai")[0] == 0
    assert run("bundle", "verify", order, *held, "--post", "cau-treo")[0] == 1
    status, out, _ = run("bundle", "verify", order, *held[:3], "2022-04-15T00:00:00Z", "--post", "moc-bai")
    assert (status, "it is over" in out) == (1, True)
    order.write_bytes(order.read_bytes().replace(b"SELF_WATCH", b"ISOLATE"))
    status, out, _ = run("bundle", "verify", order, *held, "--post", "moc-bai", "--json")
    assert (status, json.loads(out)["counts"]) == (1, False)


@pytest.mark.parametrize("public", ["there.pem", "nowhere/post.pub.pem"])
def test_a_pair_of_keys_is_made_whole_or_not_at_all(run: Run, tmp_path: Path, public: str) -> None:
    """No half of a pair stays where the other one cannot be written, and nothing is written over."""
    (tmp_path / "there.pem").write_text("mine")
    made = ("bundle", "keygen", "--out", tmp_path / "post.pem", "--public", tmp_path / public)
    status, _, err = run(*made)
    assert (status, str(tmp_path / public) in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["there.pem"]
    assert (tmp_path / "there.pem").read_text() == "mine"


def test_the_shipped_bundles_are_listed_with_their_periods(run: Run) -> None:
    """And at an instant, those that are in force."""
    _, out, _ = run("bundle", "list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["bundle"] for row in rows] == list(shipped.names())
    (may,) = [row for row in rows if row["bundle"] == "vn-2022-05"]
    assert may["valid_from"] == "2022-05-14T17:00:00Z"
    _, out, _ = run("bundle", "list", "--at", "2021-10-01T00:00:00Z")
    assert "vn-2021-08" in out
    assert "vn-2022-05" not in out


def test_published_rules_of_a_folder_become_a_source(run: Run, tmp_path: Path) -> None:
    """As a gateway hands them out, with their value sets."""
    rule = {
        "Identifier": "GR-XV-0001", "Type": "Acceptance", "Country": "XV", "Version": "1.0.0",
        "SchemaVersion": "1.3.0", "Engine": "CERTLOGIC", "EngineVersion": "1.0.0",
        "CertificateType": "General",
        "Description": [{"lang": "en", "desc": "The disease must be the one that this is about"}],
        "ValidFrom": "2021-07-01T00:00:00Z", "ValidTo": "2030-06-01T00:00:00Z", "AffectedFields": ["r.0"],
        "Logic": {"in": [{"var": "payload.v.0.tg"}, {"var": "external.valueSets.disease-agent-targeted"}]},
    }  # fmt: skip
    (tmp_path / "rules").mkdir()
    written(tmp_path / "rules" / "GR-XV-0001.json", rule)
    sets = written(
        tmp_path / "sets.json",
        {
            "valueSetId": "disease-agent-targeted",
            "valueSetDate": "2021-04-27",
            "valueSetValues": {"840539006": {"display": "COVID-19", "lang": "en", "active": True}},
        },
    )
    out = tmp_path / "national-xv.json"
    arguments = (
        "bundle",
        "import",
        tmp_path / "rules",
        "--value-sets",
        sets,
        "--country",
        "XV",
        "--out",
        out,
    )
    assert run(*arguments)[0] == 0
    assert run("check", out)[0] == 0
    assert json.loads(out.read_text())["rules"][0]["id"] == "GR-XV-0001"
    assert run(*arguments[:5], "--out", out)[0] == 2  # whose arrivals?


# --- vaxgate-verify by these rules --------------------------------------------------------------------------


def test_verify_tells_what_a_rule_says_and_which_bundle_it_is_of(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """The note in both languages; its English as the detail for people."""
    code = signer.issue(vaccination(dt="2022-04-01"))
    status, out, _ = run("--json", *given(tmp_path, source), code, by=verify)
    answer = json.loads(out)
    assert (status, answer["rules"]) == (10, {"bundle": "port-2022", "version": "1.0.0"})
    assert answer["reasons"][0] == {
        "code": "TOO_SOON",
        "detail": "valid from 15/04/2022",
        "note": {"vi": "có hiệu lực từ 15/04/2022", "en": "valid from 15/04/2022"},
    }
    assert answer["duties"] == [{"code": "TEST", "within_hours": 24}, {"code": "SELF_WATCH", "days": 10}]
    _, out, _ = run(*given(tmp_path, source), "--explain", code, by=verify)
    assert f"TOO_SOON: {CATALOGUE[Reason.TOO_SOON].en} (valid from 15/04/2022)" in out
    assert "duty: TEST within_hours=24" in out
    assert "✗ dose-14-days 1.0.0: The last dose is at least 14 days old = false [TOO_SOON]" in out


def test_verify_takes_a_shipped_bundle_by_its_name_and_a_built_file(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """And several, of which the one in force judges."""
    built, code = tmp_path / "bundles.json", signer.issue(vaccination(dt="2022-04-01"))
    run("bundle", "build", source, "vn-2022-05", "--out", built)
    for rules in (("vn-2022-05", "--rules", source), (built,)):
        _, out, _ = run(
            "--json", "--trust", tmp_path / "key.der", "--at", AT, "--rules", *rules, code, by=verify
        )
        assert json.loads(out)["rules"]["bundle"] == "port-2022"
    status, _, err = run("--rules", "vn-2030", code, by=verify)
    assert status == 2
    assert "another shipped bundle: domestic" in err


def test_verify_is_told_of_the_journey(run: Run, tmp_path: Path, source: Path, signer: Signer) -> None:
    """What it does not know of is refused with what there is; no value is repeated."""
    code = signer.issue(vaccination(dn=1))
    arguments = given(tmp_path, source)
    assert run(*arguments, code, by=verify)[0] == 10
    status, out, _ = run(
        "--json", *arguments, "--journey", "role=crew", "--journey", "airside=6", code, by=verify
    )
    assert (status, json.loads(out)["reasons"][0]["code"]) == (0, "EXEMPT_ROLE")
    for told, said in {
        "speed=fast": "journey.speed: unknown",
        "mode": "KEY=VALUE is expected",
        "airside=six": "journey.airside: hours",
        "departure=2022-04-14": "an instant with its offset",
    }.items():
        status, _, err = run(*arguments, "--journey", told, code, by=verify)
        assert (status, said in err) == (2, True), err


def test_verify_judges_certificates_of_one_traveller_together(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """The last answer is the session's; each by itself without the option."""
    codes = [
        signer.issue(vaccination(dn=2, dt="2022-03-01")),
        signer.issue(lab_result(sc="2022-04-13T00:00:00Z")),
    ]
    _, out, _ = run("--json", *given(tmp_path, source), *codes, by=verify)
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["PASS", "CHECK"]
    status, out, err = run("--json", "--together", *given(tmp_path, source), *reversed(codes), by=verify)
    first, last = map(json.loads, out.splitlines())
    assert (first["state"], last["state"], status, err) == ("CHECK", "PASS", 0, "")
    assert (first["together"], last["together"]) == (["1"], ["1", "2"])


def test_certificates_of_two_persons_are_never_judged_together(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """One letter of the name is enough."""
    name = {"fn": "Nguyễn", "gn": "Bảo Duyên", "fnt": "NGUYEN", "gnt": "BAO<DUYEN"}
    codes = [signer.issue(vaccination(dt="2022-03-01")), signer.issue(lab_result(person(nam=name)))]
    status, out, err = run("--json", "--together", *given(tmp_path, source), *codes, by=verify)
    last = json.loads(out.splitlines()[-1])
    assert (last["state"], last["together"], status) == ("CHECK", ["2"], 10)
    assert "another name or birth date" in err


def test_a_birth_date_known_in_part_does_not_join_two_persons(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """1983 agrees with both of that year, who are not one person: only the later one is judged with it."""
    days = ("1983-10-10", "1983-05-05", "1983")
    codes = [signer.issue(vaccination(person(dob=day), dn=1)) for day in days]
    arguments = given(tmp_path, source)
    _, out, err = run(*arguments, "--together", "--json", *codes, by=verify)
    assert [json.loads(line)["together"] for line in out.splitlines()] == [["1"], ["2"], ["2", "3"]]
    assert "2 of them not judged together with all before" in err


def test_a_green_of_somebody_else_does_not_end_the_session_of_a_traveller(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """The exit status is the worst among travellers, whoever came last."""
    name = {"fn": "Nguyễn", "gn": "Bảo Duyên", "fnt": "NGUYEN", "gnt": "BAO<DUYEN"}
    codes = [signer.issue(lab_result(person(nam=name))), signer.issue(vaccination(dt="2022-03-01"))]
    status, out, _ = run("--json", "--together", *given(tmp_path, source), *codes, by=verify)
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["CHECK", "PASS"]
    assert status == 10


def test_verify_refuses_an_order_as_rules(run: Run, tmp_path: Path, source: Path, signer: Signer) -> None:
    """It is asked beside the rules; to leave it out in silence would answer something else."""
    row = json.loads(source.read_text(encoding="utf-8")) | {"post": "moc-bai"}
    (tmp_path / "order.json").write_text(json.dumps(row), encoding="utf-8")
    arguments = given(tmp_path, tmp_path / "order.json")
    status, _, err = run(*arguments, signer.issue(vaccination()), by=verify)
    assert status == 2
    assert "is an order of a post" in err


def test_a_red_does_not_say_that_somebody_may_enter(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """Half a course, and the code is over: EXPIRED with what else is short, no duty, no DUTY_ONLY."""
    half = vaccination(dn=1, dt="2022-03-01")
    begun, over = int((NOW - timedelta(days=90)).timestamp()), int((NOW - timedelta(days=2)).timestamp())
    code = signer.issue(half, iat=begun, exp=over)
    status, out, _ = run("--json", *given(tmp_path, source), code, by=verify)
    answer = json.loads(out)
    assert (answer["state"], answer["duties"], status) == ("FAIL", [], 20)
    reasons = [each["code"] for each in answer["reasons"]]
    assert "DOSE_SHORT" in reasons
    assert "DUTY_ONLY" not in reasons


def test_a_forged_certificate_counts_by_itself_in_a_session(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """A good one after it does not make it good."""
    stranger = Desk(now=NOW).signer(label="2", kid=signer.kid)
    codes = [stranger.issue(vaccination()), signer.issue(vaccination(dt="2022-03-01"))]
    status, out, _ = run("--json", "--together", *given(tmp_path, source), *codes, by=verify)
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["FAIL", "PASS"]
    assert status == 20


def test_verify_tells_how_name_and_birth_date_stand_to_the_passport(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """Names in another order are PASS at a desk, and the answer says that they are."""
    lines = tmp_path / "passport.txt"
    lines.write_text(passport("DUY", "NGUYEN<BAO", birth="8310<<"))
    code = signer.issue(vaccination(dt="2022-03-01"))
    arguments = [*given(tmp_path, source), "--passport", lines]
    _, out, _ = run(*arguments, "--json", code, by=verify)
    assert json.loads(out)["identity"] == {"name": "ORDER", "birth": "MATCH_KNOWN"}
    _, out, _ = run(*arguments, code, by=verify)
    assert "passport: name ORDER, birth date MATCH_KNOWN" in out
    _, out, _ = run(*given(tmp_path, source), "--json", code, by=verify)
    assert "identity" not in json.loads(out)


def test_verify_holds_the_name_against_the_passport_of_a_file(
    run: Run, tmp_path: Path, source: Path, signer: Signer
) -> None:
    """Never of an argument, and nothing of a line is repeated."""
    code = signer.issue(vaccination(dt="2022-03-01"))
    lines = tmp_path / "lines.txt"
    lines.write_text(passport("NGUYEN", "BAO<DUY", birth="831010"))
    arguments = [*given(tmp_path, source), "--passport", lines]
    assert run(*arguments, code, by=verify)[0] == 0
    lines.write_text(passport("TRAN", "VAN<LAM", birth="831010"))
    status, out, _ = run("--json", *arguments, code, by=verify)
    assert (status, json.loads(out)["reasons"][0]["code"]) == (20, "NAME_DIFFERENT")
    lines.write_text(passport("TRAN", "VAN<LAM")[:-5])
    for argument in (lines, lines.read_text()):
        status, _, err = run(*given(tmp_path, source), "--passport", argument, code, by=verify)
        assert (status, "TRAN" in err) == (2, False)


# --- Wrong use and the page ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "give bundles, or --cases FILE"),
        (("check", "vn-2022-05", "--cases", "x.jsonl"), "give bundles, or --cases FILE"),
        (("eval", "--cases", "nowhere.jsonl"), "No such file"),
        (("test", "vn-2030"), "vn-2030: No such file or directory; give a file"),
        (("explain", "--rules", "vn-2030", "x.png"), "give a file, say signature-only"),
        (("bundle", "sign", "vn-2022-01", "--key", "no.pem", "--out", "x"), "no.pem: No such file"),
        (("bundle",), "VERB"),
        ((), "VERB"),
    ],
)
def test_wrong_use_is_exit_2_and_says_what_to_do(
    run: Run, arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"bundles":[1,null]}', "bundles[0]: an object is expected"),
        ('{"name":"\\ud800","rules":5}', "a list is expected"),
        ('{"name":"a\\u001b[31m"}', "three numbers with dots are expected"),
        ('{"a":' * 9000, "no JSON (RecursionError)"),
        ("\x00\xff", "no JSON"),
        ("", "no JSON"),
    ],
)
def test_whatever_lies_in_a_file_of_rules_is_told_in_lines_that_do_no_harm(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    """Exit 1 of check, 2 of the others; no traceback, and nothing that a terminal obeys."""
    (tmp_path / "odd.json").write_text(text, encoding="latin-1")
    for options in ((), ("--json",)):
        status, out, _ = run("check", *options, tmp_path / "odd.json")
        assert status == 1
        assert said in out
        assert "\x1b" not in out
    for verb in (("test",), ("bundle", "build", "--out", tmp_path / "out.json")):
        assert run(*verb, tmp_path / "odd.json")[:2] == (2, "")


def test_a_text_of_a_bundle_cannot_paint_the_terminal(run: Run, tmp_path: Path, signer: Signer) -> None:
    """What a title holds beyond letters and signs is shown as a mark."""
    row = {**shipped.source("signature-only"), "texts": {"en": "all\x1b[2Jclear"}}
    (tmp_path / "odd.json").write_text(json.dumps(row))
    code = signer.issue(vaccination())
    arguments = ("--trust", tmp_path / "key.der", "--rules", tmp_path / "odd.json", "--at", AT, code)
    assert run("explain", *arguments)[1].count("all\N{REPLACEMENT CHARACTER}[2Jclear") > 0
    for by in (main, verify):
        verb = ("explain",) if by is main else ("--explain",)
        assert "\x1b" not in run(*verb, *arguments, by=by)[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize("command", ["rules bundle list", "verify --trust key.der HC1:X"])
def test_a_full_disk_is_exit_1_and_a_line_on_stderr(tmp_path: Path, signer: Signer, command: str) -> None:
    """Not a traceback; also for what is still to be written at the end."""
    name, *arguments = command.split()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", f"appliance.cli.{name}", *arguments],
            stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, f"vaxgate-{name}: the output: No space left on device\n")


@pytest.mark.parametrize(
    "verb",
    ["eval", "check", "test", "explain"]
    + [f"bundle {verb}" for verb in ("list", "build", "import", "sign", "verify", "keygen")],
)
def test_the_help_of_every_verb_has_an_example(run: Run, verb: str) -> None:
    """One that can be typed."""
    status, out, _ = run(*verb.split(), "--help")
    assert status == 0
    assert f"example:\n  vaxgate-rules {verb}" in out


def test_the_page_names_every_operator_and_every_member() -> None:
    """Of the data, of a bundle, a rule, a requirement, a branch, a duty."""
    code = {word for words in page().split("`")[1::2] for word in (words, *words.split("."))}
    assert set(COUNTS[Dialect.OWN]) <= code
    assert set(MEMBERS) <= code
    assert code >= _BUNDLE | _RULE | _NATIONAL | _REQUIREMENT | _BRANCH | _DUTY


def test_the_page_names_no_operator_that_is_not_there() -> None:
    """Each row of its table, and each with as many operands as the page says."""
    table = page().partition("| operator | operands |")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines()[2:]]
    named = {word for row in rows for word in row[1].split("`")[1::2]}
    assert named == set(COUNTS[Dialect.OWN]) | {"var"}
