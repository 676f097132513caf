"""``vaxgate-verify``: one or many certificates, from texts, images, lines or recorded cases.

Loads no camera, no lamp and no web server; the image reader only when an image is given.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.answer import EXIT_STATUS, Judged, answer, judge, readable, unjudged
from appliance.cli.inputs import Given, UsageError, codes_of, is_code, together
from appliance.judging import Basis
from trustsync.environments import Environment
from trustsync.errors import NoListError, SettingsError, StoreError, TrustSyncError
from verifier.clocks import clock_state, reckoned
from verifier.opening import OpenedCode, open_code
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import BundleError, decode_bundles
from verifier.reading import Checks, read_checks
from verifier.reasons import CATALOGUE, Finding, Reason, State
from verifier.recognition import RecognitionClass
from verifier.trust import TrustList
from verifier.verdict import without_code
from verifier.wire.keyfile import KeyFile, KeyFileError, listed_crls, parse_trust

if TYPE_CHECKING:
    from trustsync.store import TrustStore

EXAMPLES = """examples:
  vaxgate-verify 'HC1:6BFOXN…'                        the text of a code
  vaxgate-verify ticket.png photo.jpg                 images; several codes in one are each judged
  vaxgate-verify --json - < codes.txt                 one text a line, answers as they come
  vaxgate-verify --trust issuer.pem ticket.png        with keys of your own instead of this machine's list
  vaxgate-verify --cases eu.jsonl --compare           recorded cases, held against what they expect

exit status: 0 PASS, 10 CHECK, 20 FAIL, 30 RESCAN, 40 OUT; of many the highest; 2 usage, 1 a fault of ours
"""
_COLOUR = {State.PASS: "32", State.CHECK: "33", State.FAIL: "31", State.RESCAN: "37", State.OUT: "35"}
_RECOGNISED = {
    RecognitionClass.OFFICIAL: "officially recognised",
    RecognitionClass.TEMPORARY: "temporarily recognised",
    RecognitionClass.NONE: "not recognised",
}
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
    try:
        return _cases(options) if options.cases is not None else _inputs(options)
    except (UsageError, KeyFileError, BundleError) as error:
        print(f"vaxgate-verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


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
    parser.add_argument(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="PEM, DER, JWK, JWKS, DID document, CSCA, CRL, a signed trust list or a trust store; repeatable "
        "(default: this machine's store)",
    )
    parser.add_argument(
        "--trust-pin",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the key or certificate under which the signed lists must hold; without one their keys are "
        "taken as given",
    )
    parser.add_argument(
        "--rules",
        metavar="PATH|signature-only",
        help="rule bundle (default: of a store the one in force, with key files signature-only)",
    )
    parser.add_argument(
        "--at", metavar="INSTANT", help="judge at this instant, e.g. 2022-03-01T09:00:00+07:00"
    )
    parser.add_argument("--data-matrix", action="store_true", help="read DataMatrix symbols in images too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--claims", action="store_true", help="show what the certificate says: a person's data"
    )
    parser.add_argument("--explain", action="store_true", help="show each check in its order")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('vaxgate')}")
    return parser


def _inputs(options: argparse.Namespace) -> int:
    if options.pictures is not None:
        raise UsageError("--pictures goes with --cases; images are given as arguments")
    codes = codes_of(options.inputs, options.data_matrix)
    worst = count = 0
    for given, judged in _judge_inputs(codes, _judging(options)):
        result = answer(
            judged,
            identity=given.identity,
            kind=given.kind,
            picture=None if given.kind == "text" else given.text is not None,
            picture_micros=given.micros,
            text=given.text if options.claims else None,
            claims=options.claims,
        )
        if options.explain and options.json:
            result["explain"] = _explained(judged)
        print(_line(result) if options.json else _for_people(result, judged, options.explain), flush=True)
        worst = max(worst, EXIT_STATUS[judged.verdict.state])
        count += 1
    if not count:
        raise UsageError("nothing was given to verify: the input is empty")
    return worst


def _judge_inputs(
    codes: Iterable[Given], judged: Callable[[str | bytes | OpenedCode], Judged]
) -> Iterator[tuple[Given, Judged]]:
    """Each code with its judgement, as they come; the parts of one code are one."""
    for given in together(codes):
        if given.payload is None:
            yield given, unjudged(without_code(Reason.UNREADABLE), Checks(decode=False))
        else:
            yield given, judged(given.payload)


def _judging(options: argparse.Namespace) -> Callable[[str | bytes | OpenedCode], Judged]:
    """How to judge a code: by the time and the list of that moment, so that a long run does not grow old."""
    at = _instant(options.at)
    own = _own_rules(options.rules)
    stores = [path for path in options.trust if _is_folder(path)]
    if options.trust and not stores:
        keys = _given_trust(options.trust, options.trust_pin, at or datetime.now(UTC))

        def by_keys(code: str | bytes | OpenedCode) -> Judged:
            now = at or datetime.now(UTC)
            return judge(code, Basis(keys, own or (SIGNATURE_ONLY,), now))

        return by_keys
    if options.trust_pin:
        raise UsageError("--trust-pin goes with --trust and a signed list; a store has its own anchor")
    if len(options.trust) > 1:
        raise UsageError("--trust: a store stands alone; give either one store or any number of key files")
    from trustsync.paths import load_settings, trust_dir
    from trustsync.store import open_store
    from trustsync.timesources import reading

    try:
        settings = load_settings()
        # A store that was named answers for itself alone; this machine's has the image's seed behind it.
        store = (
            _named_store(_store(stores[0]))
            if stores
            else open_store(settings.store or trust_dir(), settings.seed)
        )
    except SettingsError as error:
        raise UsageError(str(error)) from error
    told: set[str] = set()

    def by_store(code: str | bytes | OpenedCode) -> Judged:
        try:
            held = store.current()
        except TrustSyncError as error:
            if str(error) not in told:
                print(f"vaxgate-verify: {error}", file=sys.stderr)
                told.add(str(error))
            reason = Reason.NO_LIST if isinstance(error, NoListError) else Reason.STORE_DOWN
            return _out(code, reason, at)
        # an instant that was given is taken at its word; the machine's own clock is not
        now, clock = at, None
        if now is None:
            seen = reading()
            now, clock = reckoned(seen, held.clock), clock_state(seen, held.clock)
        basis = Basis(held.trust, own or held.bundles, now, clock, held.floor)
        return replace(judge(code, basis), environment=held.environment)

    return by_store


def _out(code: str | bytes | OpenedCode, reason: Reason, at: datetime | None) -> Judged:
    """No list on this machine: the unit is out, and the report says only what needs no list.

    at: the instant that was given; this machine's clock alone, with no floor to hold it against, is no time.
    """
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    verdict = replace(without_code(reason), family=opened.family)
    return Judged(verdict, read_checks(opened, trust=TrustList.of([]), now=at), {})


def _store(path: Path) -> Path:
    """The store in this directory, which may be the data directory above it."""
    return path / "trust" if _is_folder(path / "trust") else path


def _named_store(path: Path) -> TrustStore:
    """A store that somebody names is opened as what it says it is; every answer by test trust tells so."""
    from trustsync.facts import STATE_NAME, read_state
    from trustsync.store import open_store

    try:
        state = read_state(path / STATE_NAME)
    except StoreError:
        state = None  # told with the first answer, for which the store is opened
    return open_store(path, environment=(state and state.environment) or Environment.PRODUCTION)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # no rights, or no name that a file can have
        raise UsageError(
            f"--trust {_shown(path)}: it cannot be looked at ({type(error).__name__})"
        ) from error


def _given_trust(paths: list[Path], pins: list[Path], now: datetime) -> TrustList:
    given = KeyFile()
    pinned = [_file(path, "--trust-pin") for path in pins]
    held_against = False
    for path in paths:
        data = _file(path, "--trust")
        try:
            signed = _signed_list(path, data, pinned, now)
            held_against |= signed is not None
            given += parse_trust(data, source=path.name) if signed is None else signed
        except (KeyFileError, TrustSyncError) as error:
            raise UsageError(f"--trust {_shown(path)}: {error}") from error
    if pins and not held_against:
        raise UsageError("--trust-pin: none of what --trust gives is a signed list, so nothing was proven")
    try:
        return TrustList.of(
            dict.fromkeys(given.keys),
            authorities=dict.fromkeys(given.authorities),
            revocation=listed_crls(given.crls, given.authorities) if given.crls else None,
            source="given",
        )
    except ValueError as error:  # a CRL of nobody given, or too many keys of one KID
        raise UsageError(f"--trust: {error}") from error


def _signed_list(path: Path, data: bytes, pins: list[bytes], now: datetime) -> KeyFile | None:
    """The keys of a signed list in a form of the hub; ``None`` for a file of another form.

    Raises TrustSyncError for one that does not hold under what is pinned, or cannot be read.
    """
    if data.lstrip().startswith(b"-----BEGIN "):
        return None
    from trustsync.hub.given import read_given

    def beside(suffix: str) -> bytes | None:
        other = path.with_suffix(suffix)
        return _file(other, "--trust") if other != path and other.is_file() else None

    signed = read_given(data, name=path.name, beside=beside, pins=pins, now=now)
    if signed is None:
        return None
    told = [] if signed.proven else ["its signature was NOT checked, its keys are taken as given"]
    told += [f"{len(signed.skipped)} entries left out"] if signed.skipped else []
    if told:
        print(f"vaxgate-verify: {readable(path.name)}: {signed.what}; {'; '.join(told)}", file=sys.stderr)
    return signed.held


def _file(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {_shown(path)}: {error.strerror}") from error


def _own_rules(asked: str | None) -> tuple[RuleBundle, ...]:
    """The bundles that --rules names; empty when it names none."""
    if asked is None:
        return ()
    if asked == SIGNATURE_ONLY.name:
        return (SIGNATURE_ONLY,)
    try:
        return decode_bundles(Path(asked).read_bytes())
    except OSError as error:
        raise UsageError(f"--rules {_shown(asked)}: {error.strerror}; or say signature-only") from error


def _shown(argument: object) -> str:
    """An argument as an error may repeat it: a code that was put in the wrong place is a person's."""
    text = str(argument)
    return "(the text of a code)" if is_code(text) else readable(text)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--at {_shown(text)}: an instant such as 2022-03-01T09:00:00+07:00 is expected"
        ) from None
    if instant.tzinfo is None:
        raise UsageError(f"--at {_shown(text)}: the offset is missing; add Z for UTC or, say, +07:00")
    if not 1900 <= instant.year < 9000:
        raise UsageError(f"--at {_shown(text)}: a year between 1900 and 8999 is expected")
    return instant


def _cases(options: argparse.Namespace) -> int:
    from appliance.cli.cases import CaseError, read_cases, run_case
    from appliance.cli.compare import Comparison

    if options.inputs or options.trust or options.trust_pin or options.rules or options.at:
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
        raise UsageError(f"--cases {_shown(options.cases)}: {error.strerror}") from error
    if not count:
        raise UsageError(f"--cases {_shown(options.cases)}: no case in it")
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
    lines += [f"    duty: {duty.code}" for duty in verdict.duties]
    if explain and judged.assessment is not None:
        lines.append("    checks:")
        for check in judged.assessment.checks:
            why = "; ".join(_reason(found) for found in check.findings)
            lines.append(f"      {check.name:<11} {check.outcome.lower():<8} {why}".rstrip())
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
    ]
    return " · ".join(str(fact) for fact in facts if fact)


def _reason(found: Finding) -> str:
    detail = f" ({found.detail})" if found.detail else ""
    return f"{found.code}: {CATALOGUE[found.code].en}{detail}"


def _coloured(state: State) -> str:
    word = f"{_SIGN[state]} {state:<6}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    return f"\x1b[1;{_COLOUR[state]}m{word}\x1b[0m"


if __name__ == "__main__":
    sys.exit(main())
