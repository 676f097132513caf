"""``vaxgate-verify``: one or many certificates, from texts, images, lines or recorded cases.

Loads no camera, no lamp and no web server; the image reader only when an image is given.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from appliance.cli.answer import EXIT_STATUS, Judged, answer, detail_of, readable
from appliance.cli.basis import add_options, judging, shown
from appliance.cli.inputs import UsageError, codes_of
from appliance.cli.session import Session
from appliance.cli.shell import ended
from appliance.cli.why import lines_of
from trustsync.environments import Environment
from verifier.policy.bundle_json import BundleError
from verifier.policy.explain import explained
from verifier.reasons import CATALOGUE, Finding, State
from verifier.recognition import RecognitionClass
from verifier.wire.keyfile import KeyFileError

EXAMPLES = """examples:
  vaxgate-verify 'HC1:6BFOXN…'                        the text of a code
  vaxgate-verify ticket.png photo.jpg                 images; several codes in one are each judged
  vaxgate-verify --json - < codes.txt                 one text a line, answers as they come
  vaxgate-verify --trust issuer.pem ticket.png        with keys of your own instead of this machine's list
  vaxgate-verify --rules vn-2022-03 --journey mode=air --together test.png vaccination.png
                                                      by a shipped rule bundle, as one traveller's
  vaxgate-verify --cases eu.jsonl --compare           recorded cases, held against what they expect

exit status: 0 PASS, 10 CHECK, 20 FAIL, 30 RESCAN, 40 OUT; of many the highest; 2 usage, 1 a fault of ours
"""
_COLOUR = {State.PASS: "32", State.CHECK: "33", State.FAIL: "31", State.RESCAN: "37", State.OUT: "35"}
_RECOGNISED = {
    RecognitionClass.OFFICIAL: "officially recognised",
    RecognitionClass.TEMPORARY: "temporarily recognised",
    RecognitionClass.NONE: "not recognised",
}
# Options that say what codes are judged by; a recorded case brings all of that itself.
_OF_INPUTS = ("inputs", "trust", "trust_pin", "rules", "at", "journey", "passport", "together")
_SIGN = {State.PASS: "✓", State.CHECK: "!", State.FAIL: "✗", State.RESCAN: "○", State.OUT: "—"}


def main(argv: list[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not options.inputs and options.cases is None:
        parser.error(
            "nothing to verify: give a code's text, an image, '-' for lines on stdin, or --cases FILE"
        )
    if options.compare and options.cases is None:
        parser.error("--compare needs --cases")
    run = _inputs if options.cases is None else _cases
    return ended("vaxgate-verify", lambda: run(options), UsageError, KeyFileError, BundleError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaxgate-verify",
        description="Judge vaccination, test and recovery certificates. No network is used.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="CODE|IMAGE|-",
        help="texts, images, .txt files with a code a line, .smart-health-card files, or - for stdin; "
        "the parts of one code, wherever they come, are one",
    )
    parser.add_argument("--cases", type=Path, metavar="FILE", help="recorded cases, one JSON object a line")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="read a case's picture from DIR, not its text"
    )
    parser.add_argument(
        "--compare", action="store_true", help="hold the answers against each case's `expect`"
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--claims", action="store_true", help="show what the certificate says: a person's data"
    )
    parser.add_argument(
        "--explain", action="store_true", help="show each check in its order, and each rule that was asked"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('vaxgate')}")
    return parser


def _inputs(options: argparse.Namespace) -> int:
    if options.pictures is not None:
        raise UsageError("--pictures goes with --cases; images are given as arguments")
    if options.passport == "-" and "-" in options.inputs:
        raise UsageError("--passport - and - both read stdin; put the passport's lines into a file")
    codes = codes_of(options.inputs, options.data_matrix)
    session = Session(judging(options, "vaxgate-verify"), options.together)
    count = 0
    for given, judged in session.each(codes):
        result = answer(
            judged,
            identity=given.identity,
            kind=given.kind,
            picture=None if given.kind == "text" else given.text is not None,
            picture_micros=given.micros,
            text=given.text if options.claims else None,
            claims=options.claims,
        )
        if options.together:
            result["together"] = session.shown
        if options.explain and options.json:
            result["explain"] = _explained(judged)
            result["why"] = explained(judged.verdict)
        print(_line(result) if options.json else _for_people(result, judged, options.explain), flush=True)
        count += 1
    if session.strangers:
        print(
            f"vaxgate-verify: {session.strangers} of them not judged together with all before: another name "
            "or birth date",
            file=sys.stderr,
        )
    if not count:
        raise UsageError("nothing was given to verify: the input is empty")
    return session.status


def _cases(options: argparse.Namespace) -> int:
    from appliance.cli.cases import CaseError, read_cases, run_case
    from appliance.cli.compare import Comparison

    if any(getattr(options, name) for name in _OF_INPUTS):
        raise UsageError(
            "--cases stands alone: a case brings its own keys and clock, rules are signature-only"
        )
    comparison = Comparison()
    worst = count = 0
    try:
        for case in read_cases(options.cases):
            result = run_case(case, pictures=options.pictures, claims=options.claims or options.compare)
            accepted = State.PASS if result.get("accept") else State.FAIL  # of a case that holds keys alone
            worst = max(worst, EXIT_STATUS[State(result.get("state", accepted))])
            count += 1
            if options.compare:
                comparison.add(case, result)
            else:
                print(_line(result), flush=True)
    except CaseError as error:
        raise UsageError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"--cases {shown(options.cases)}: {error.strerror}") from error
    if not count:
        raise UsageError(f"--cases {shown(options.cases)}: no case in it")
    if not options.compare:
        return worst
    print(comparison.table())
    for difference in (*comparison.differences, *comparison.on_purpose):
        print(difference)
    if not comparison.compared:
        print(
            "vaxgate-verify: nothing was compared: no case expects anything that is checked", file=sys.stderr
        )
    return 1 if comparison.differences or not comparison.compared else 0


def _explained(judged: Judged) -> list[dict[str, Any]]:
    checks = judged.assessment.checks if judged.assessment else ()
    return [
        {"check": c.name, "outcome": c.outcome, "reasons": [found.code for found in c.findings]}
        for c in checks
    ]


def _line(result: dict[str, Any]) -> str:
    line = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "replace").decode()  # unpaired surrogates are no UTF-8


def _for_people(result: dict[str, Any], judged: Judged, explain: bool) -> str:
    verdict = judged.verdict
    lines = [f"{_coloured(verdict.state)}  {result['id']}  {_facts(result)}".rstrip()]
    if judged.environment is Environment.TEST:
        lines = [
            f"TRAINING  {lines[0]}",
            "    TRAINING: judged by test keys; nobody is let in by this answer",
        ]
    lines += [f"    {_reason(found)}" for found in verdict.reasons]
    lines += [f"    duty: {_duty(duty)}" for duty in result["duties"]]
    if explain and judged.assessment is not None:
        lines.append("    checks:")
        for check in judged.assessment.checks:
            why = "; ".join(_reason(found) for found in check.findings)
            lines.append(f"      {check.name:<11} {check.outcome.lower():<8} {why}".rstrip())
        lines.append("    rules:")
        lines += [f"      {line}" for line in lines_of(explained(verdict), ("en",))]
    if "claims" in result:
        lines.append("    claims: " + readable(json.dumps(result["claims"], ensure_ascii=False)))
    return "\n".join(lines)


def _facts(result: dict[str, Any]) -> str:
    issuer, known, rules = result["issuer"], result["list"], result["rules"]
    facts = [
        result["family"],
        issuer["country"] and f"issuer {issuer['country']}",
        issuer["recognition"] and _RECOGNISED[issuer["recognition"]],
        known and f"list {known['state'] or 'of unknown age'}",
        rules and f"rules {rules['bundle']} {rules['version']}",
        "identity" in result
        and f"passport: name {result['identity']['name']}, birth date {result['identity']['birth']}",
        rules and "order" in rules and f"order {rules['order']['bundle']} {rules['order']['version']}",
    ]
    return " · ".join(str(fact) for fact in facts if fact)


def _duty(duty: dict[str, Any]) -> str:
    return " ".join([duty["code"], *(f"{name}={value}" for name, value in duty.items() if name != "code")])


def _reason(found: Finding) -> str:
    detail = f" ({detail_of(found)})" if detail_of(found) else ""
    return f"{found.code}: {CATALOGUE[found.code].en}{detail}"


def _coloured(state: State) -> str:
    word = f"{_SIGN[state]} {state:<6}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    return f"\x1b[1;{_COLOUR[state]}m{word}\x1b[0m"


if __name__ == "__main__":
    sys.exit(main())
