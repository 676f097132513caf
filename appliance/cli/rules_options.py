"""The options of ``vaxgate-rules``: every verb, what it takes, and an example of each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from appliance.cli.basis import add_options
from trustsync.arguments import Run, Verbs, instant, options

EXAMPLES = """examples:
  vaxgate-rules bundle list                                        what is shipped, with its periods
  vaxgate-rules check my-rules.json                                what is wrong with a bundle, and where
  vaxgate-rules test vn-2022-03                                    the tests that travel with it
  vaxgate-rules explain --trust key.pem --rules vn-2022-01 code.png
  vaxgate-rules eval --cases certlogic.jsonl                       plain CertLogic, a case a line

exit status: 0 done and nothing wrong, 1 something is wrong or differs, 2 usage; explain: as vaxgate-verify
"""
_BUNDLE = "the name of a shipped bundle, a source, a file of built bundles, or an order"


def build_parser(runs: Mapping[str, Run], of_bundle: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The command's parser. runs: what carries out each verb; of_bundle: those of ``bundle``."""
    json = options()
    json.add_argument("--json", action="store_true", help="one JSON object a line")
    verbs = Verbs(
        "vaxgate-rules",
        "Rules as data: look at them, try them, ask them why, build and sign them. No network is used.",
        EXAMPLES,
        runs,
    )
    evaluate = verbs.add("eval", "evaluate expressions of recorded cases", "eval --cases certlogic.jsonl")
    evaluate.add_argument("--cases", type=Path, required=True, metavar="FILE", help="lines {id, logic, data}")

    check = verbs.add(
        "check",
        "name what is wrong with bundles, or with expressions of recorded cases",
        "check my-rules.json vn-2022-03\n  vaxgate-rules check --cases certlogic.jsonl",
        json,
    )
    _bundles(check, nargs="*")
    check.add_argument("--cases", type=Path, metavar="FILE", help="lines {id, logic}: plain CertLogic")

    test = verbs.add("test", "run the tests that travel with bundles", "test my-rules.json", json)
    _bundles(test)

    explain = verbs.add(
        "explain",
        "show a certificate's way through the rules, with what each compared and answered",
        "explain --trust key.pem --rules vn-2022-01 --at 2022-02-28T23:59:00+07:00 code.png\n"
        "  vaxgate-rules explain --rules vn-2022-03 --journey mode=air --lang vi code.png",
        json,
    )
    explain.add_argument("inputs", nargs="+", metavar="CODE|IMAGE|-", help="as vaxgate-verify takes them")
    add_options(explain)
    explain.add_argument("--lang", choices=("vi", "en"), help="one language (default: both)")

    _bundle_verbs(verbs.group("bundle", "make, sign and list bundles", "bundle list", of_bundle), json)
    return verbs.parser


def _bundle_verbs(verbs: Verbs, json: argparse.ArgumentParser) -> None:
    listed = verbs.add("list", "list the shipped bundles with their periods", "list", json)
    listed.add_argument("--at", type=instant, metavar="INSTANT", help="those in force at this instant only")

    build = verbs.add(
        "build",
        "make one file of bundles from their sources, as it is signed and published",
        "build vn-2022-01 my-rules.json --out bundles.json",
        json,
    )
    _bundles(build)
    _out(build)
    _untested(build)

    take = verbs.add(
        "import",
        "make a bundle's source from national rules as they are published",
        "import rules/ --value-sets sets/ --country AT --name national-at --out national-at.json\n"
        "  vaxgate-rules bundle import cases.jsonl --out sources/",
    )
    take.add_argument(
        "source",
        type=Path,
        metavar="DIR|FILE",
        help="a folder of rules (JSON files, a rule or a list in each), or lines of cases (.jsonl)",
    )
    take.add_argument("--value-sets", type=Path, metavar="DIR|FILE", help="value sets as published (JSON)")
    take.add_argument("--country", metavar="CC", help="of arrival; needed with a folder")
    take.add_argument("--name", metavar="NAME", help="of the bundle (default: national-cc)")
    take.add_argument(
        "--set-version", default="1.0.0", metavar="N.N.N", help="of the bundle (default: 1.0.0)"
    )
    take.add_argument(
        "--reasons",
        type=Path,
        metavar="FILE",
        help='JSON by the rule\'s identifier: {"reason": …, "state"?, "notes"?, "values"?} of its "no"',
    )
    take.add_argument(
        "--out", type=Path, required=True, metavar="FILE|DIR", help="the source; of lines of cases a folder"
    )

    sign = verbs.add(
        "sign",
        "sign an order of one post, which counts there for 24 hours at most",
        "sign order-source.json --key post.pem --out order.json",
    )
    sign.add_argument("bundle", metavar="BUNDLE", help="the source of the order; it names its post")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="the post's private key, PEM")
    _out(sign)
    _untested(sign)

    verify = verbs.add(
        "verify",
        "say whether a signed order counts at a post",
        "verify order.json --key post.pub.pem --post moc-bai",
        json,
    )
    verify.add_argument("order", type=Path, metavar="ORDER")
    verify.add_argument("--key", type=Path, required=True, metavar="FILE", help="the post's public keys, PEM")
    verify.add_argument("--post", required=True, metavar="NAME", help="the name of the post")
    verify.add_argument("--at", type=instant, metavar="INSTANT", help="in place of now")

    keygen = verbs.add(
        "keygen", "make the pair of keys of a post", "keygen --out post.pem --public post.pub.pem"
    )
    keygen.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the private key: keep it safe"
    )
    keygen.add_argument(
        "--public", type=Path, required=True, metavar="FILE", help="for the units of the post"
    )


def _bundles(verb: argparse.ArgumentParser, nargs: str = "+") -> None:
    verb.add_argument("bundles", nargs=nargs, metavar="BUNDLE", help=_BUNDLE)


def _out(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--out", type=Path, required=True, metavar="FILE", help="what to write")


def _untested(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--untested",
        action="store_true",
        help="even where there are no tests or a test differs; said loudly",
    )
