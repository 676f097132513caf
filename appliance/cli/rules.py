"""The command ``vaxgate-rules``: rules as data are looked at, tried, asked why, built and signed.

The rules this module keeps:

* Results on stdout, talk on stderr. Exit 0 when nothing is wrong, 1 when something is, 2 on wrong use;
  ``explain`` has the statuses of ``vaxgate-verify``.
* What is wrong with a bundle is told before anybody signs it: nothing is built from rules that have a
  problem, or whose own tests differ unless somebody says so.
* Loads no camera, lamp or web server, and asks nothing of the network.

    vaxgate-rules check my-rules.json
    vaxgate-rules test my-rules.json
    vaxgate-rules explain --trust key.pem --rules my-rules.json --at 2022-03-01T09:00:00+07:00 code.png
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from appliance.cli import rules_making
from appliance.cli.answer import answer, readable
from appliance.cli.basis import judging
from appliance.cli.inputs import UsageError, codes_of
from appliance.cli.rules_bundle import GivenBundle, bundles_of, rows_of, unreadable
from appliance.cli.rules_options import build_parser
from appliance.cli.session import Session
from appliance.cli.shell import ended
from appliance.cli.why import LANGUAGES, lines_of
from trustsync.orders import OrderError
from verifier.policy.bundle_json import BundleError
from verifier.policy.explain import explained
from verifier.policy.review import Problem, review
from verifier.policy.trials import run_trials
from verifier.reasons import CATALOGUE
from verifier.wire.keyfile import KeyFileError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    wrong_use = (UsageError, BundleError, OrderError, KeyFileError)
    return ended("vaxgate-rules", lambda: int(options.run(options)), *wrong_use)


# --- Recorded cases -----------------------------------------------------------------------------------------


def _eval(options: argparse.Namespace) -> int:
    from appliance.cli.rules_cases import eval_cases

    return _answered(options, eval_cases(options.cases))


def _check(options: argparse.Namespace) -> int:
    if (options.cases is None) is not bool(options.bundles):
        raise UsageError("check: give bundles, or --cases FILE")
    if options.cases is None:
        return _check_bundles(options)
    from appliance.cli.rules_cases import check_cases

    return _answered(options, check_cases(options.cases))


def _answered(options: argparse.Namespace, lines: Iterable[dict[str, Any]]) -> int:
    """Print the answers to recorded cases; whether they are the right ones is not ours to say."""
    from appliance.cli.cases import CaseError

    count = 0
    try:
        for line in lines:
            print(_line(line), flush=True)
            count += 1
    except CaseError as error:
        raise UsageError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"--cases {options.cases}: {error.strerror}") from error
    if not count:
        raise UsageError(f"--cases {options.cases}: no case in it")
    return 0


# --- Bundles ------------------------------------------------------------------------------------------------


def _check_bundles(options: argparse.Namespace) -> int:
    wrong = False
    for argument in options.bundles:
        reviewed: list[tuple[GivenBundle, list[Problem]]] = []
        try:
            if form := unreadable(argument):
                reviewed.append((GivenBundle(argument, {}), [Problem("", form)]))
            reviewed += [(given, review(given.row)) for given in rows_of(argument)]
        except BundleError as error:
            reviewed.append((GivenBundle(argument, {}), [Problem("", str(error))]))
        for given, problems in reviewed:
            _tell_problems(options, given, problems)
            wrong = wrong or not all(problem.warning for problem in problems)
    return 1 if wrong else 0


def _tell_problems(options: argparse.Namespace, given: GivenBundle, problems: Sequence[Problem]) -> None:
    bad = [problem for problem in problems if not problem.warning]
    warnings = [problem for problem in problems if problem.warning]
    if options.json:
        plain = [
            [{"path": each.path, "rule": each.rule or None, "message": each.message} for each in some]
            for some in (bad, warnings)
        ]
        row = {"bundle": given.where, "version": given.row.get("version"), "valid": not bad}
        print(_line(row | {"problems": plain[0], "warnings": plain[1]}))
        return
    print(f"{readable(_named(given))}: {_counted(len(bad), 'problem')}, {_counted(len(warnings), 'warning')}")
    for word, some in (("wrong", bad), ("warning", warnings)):
        for problem in some:
            rule = f" ({problem.rule})" if problem.rule else ""
            print(readable(f"  {word}: {problem.path or 'the whole'}{rule}: {problem.message}"))


def _test(options: argparse.Namespace) -> int:
    count = differing = 0
    for argument in options.bundles:
        for bundle in bundles_of(argument):
            trials = run_trials(bundle)
            bad = [trial for trial in trials if trial.differences]
            count, differing = count + len(trials), differing + len(bad)
            name = f"{bundle.name} {bundle.version}"
            if options.json:
                for trial in trials:
                    said = {"test": trial.name, "where": trial.where, "agrees": not trial.differences}
                    head = {"bundle": bundle.name, "version": bundle.version}
                    print(_line(head | said | {"differences": list(trial.differences)}))
                continue
            for trial in bad:
                for difference in trial.differences:
                    print(readable(f"{name}: {trial.where} {trial.name!r}: {difference}"))
            print(f"{name}: {len(trials) - len(bad)} of {len(trials)} tests agree")
    if not count:
        print("vaxgate-rules: no test travels with what was given, so nothing was tried", file=sys.stderr)
    return 1 if differing or not count else 0


def _explain(options: argparse.Namespace) -> int:
    languages = LANGUAGES if options.lang is None else (options.lang,)
    if options.passport == "-" and "-" in options.inputs:
        raise UsageError("--passport - and - both read stdin; put the passport's lines into a file")
    session = Session(judging(options, "vaxgate-rules"), options.together)
    count = 0
    for given, judged in session.each(codes_of(options.inputs, options.data_matrix)):
        count += 1
        verdict, rows = judged.verdict, explained(judged.verdict)
        said = answer(judged, identity=given.identity, kind=given.kind)
        if options.json:
            print(_line(said | {"why": rows}), flush=True)
            continue
        print(f"{verdict.state}  {said['id']}")
        for found, reason in zip(verdict.reasons, said["reasons"], strict=True):
            words = CATALOGUE[found.code]
            text = " / ".join({"vi": words.vi, "en": words.en}[each] for each in languages)
            notes = [note for each in languages if (note := (found.note or {}).get(each))]
            detail = " / ".join(dict.fromkeys(notes)) or reason["detail"]
            print(f"  {found.code}: {text}{f' ({detail})' if detail else ''}")
        for duty in said["duties"]:
            print("  " + " ".join(["duty:", *(f"{name}={value}" for name, value in duty.items())]))
        print("\n".join(f"  {line}" for line in lines_of(rows, languages)), flush=True)
    if not count:
        raise UsageError("nothing was given to explain: the input is empty")
    return session.status


# --- Words --------------------------------------------------------------------------------------------------


def _named(given: GivenBundle) -> str:
    version = given.row.get("version")
    return f"{given.where} {version}" if isinstance(version, str) else given.where


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _line(row: dict[str, Any]) -> str:
    line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "replace").decode()  # unpaired surrogates are no UTF-8


def _parser() -> argparse.ArgumentParser:
    return build_parser(
        {"eval": _eval, "check": _check, "test": _test, "explain": _explain},
        {
            "list": rules_making.list_shipped,
            "build": rules_making.build,
            "import": rules_making.take_in,
            "sign": rules_making.sign,
            "verify": rules_making.verify,
            "keygen": rules_making.keygen,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
