"""The options of ``vaxgate-issuer``: every verb, what it takes, and how each text is read.

A text that cannot be read as what it should be is refused here, with an example of one that can.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from issuer import certificates
from issuer.certificates import Kind
from issuer.documents import SEXES, USUAL
from issuer.families import COUNTRY, ISSUED
from issuer.keys import Algorithm
from trustsync.arguments import Run, Verbs, clock_and_json, instant, options, port
from verifier.certificate import DETECTED, NOT_DETECTED, Family
from verifier.trust import HashKind

RESULTS = {"negative": NOT_DETECTED, "positive": DETECTED}
METHODS = {"naat": certificates.NAAT, "rapid": certificates.RAPID}
HASHES = {
    "uvci": HashKind.UCI,
    "country-uvci": HashKind.COUNTRYCODEUCI,
    "signature": HashKind.SIGNATURE,
}
USES = {Kind.VACCINATION: "v", Kind.TEST: "t", Kind.RECOVERY: "r"}
FAMILIES = ", ".join(ISSUED)
EXAMPLES = """examples:
  vaxgate-issuer init office
  vaxgate-issuer issue --data office --kind vaccination --surname Trương --dob 2001-12-24 --out code.png
  vaxgate-issuer issue --data office --family SHC --kind test --surname Đặng --dob 1990-04-21 --parts 2
  vaxgate-issuer revoke --data office --uvci 'URN:UVCI:01:XV:…'
  vaxgate-issuer rotate --data office --family DIVOC --alg PS256
  vaxgate-issuer publish --data office
  vaxgate-issuer serve office --port 8000
"""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2021-11-30") from None


def _kid(text: str) -> bytes:
    """A KID: bytes in hex, or in the families that have it so the text that it is."""
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        return text.encode()
    if len(kid) != 8:
        raise argparse.ArgumentTypeError(f"{text!r} is no KID; 16 hexadecimal digits are expected")
    return kid


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _country(text: str) -> str:
    if len(text) != 2 or not text.isascii() or not text.isalpha() or not text.isupper():
        raise argparse.ArgumentTypeError(
            f"{text!r} is no country code; two capitals are expected, as {COUNTRY}"
        )
    return text


def _choice(kind: Iterable[StrEnum]) -> Any:
    """A reader of one of these values that names the nearest right one."""
    by_name = {member.value.lower(): member for member in kind}

    def read(text: str) -> StrEnum:
        if text.lower() in by_name:
            return by_name[text.lower()]
        near = difflib.get_close_matches(text.lower(), by_name, 1)
        hint = f"; did you mean {by_name[near[0]].value}?" if near else ""
        known = ", ".join(member.value for member in by_name.values())
        raise argparse.ArgumentTypeError(f"{text!r} is none of {known}{hint}")

    return read


def _kinds(text: str) -> list[Kind]:
    read = _choice(Kind)
    return [read(part.strip()) for part in text.split(",")]


def _picture_or_text(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".svg", ".txt"):
        raise argparse.ArgumentTypeError(f"{text!r}: the name must end in .png, .svg or .txt")
    return path


def build_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The command's parser. runs: what carries out each verb."""
    verbs = Verbs(
        "vaxgate-issuer",
        "A reference issuer: keys, certificates and the published trust list in one directory.",
        EXAMPLES,
        runs,
        clock_and_json(),
    )
    data = options()
    data.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the issuer's directory (default: issuer/ in the data directory)",
    )
    later = options()
    later.add_argument("--no-publish", action="store_true", help="leave the published list as it is for now")

    init = verbs.add(
        "init",
        "make a new issuer and publish its first list",
        "init office --seed demo --clock 2021-09-01T08:00:00Z",
    )
    init.add_argument("dir", type=Path, metavar="DIR", help="a directory that is empty or does not exist")
    _founding(init, COUNTRY)

    serve = verbs.add(
        "serve",
        "serve the published list over HTTP on this machine",
        "serve --seed demo --clock 2021-09-01T08:00:00Z --port 0 --ready-file ready.json",
    )
    serve.add_argument(
        "dir",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="the issuer's directory, made when it is empty (default: a temporary one)",
    )
    _founding(serve, None)
    serve.add_argument("--port", type=port, default=0, help="port on 127.0.0.1 (default: 0, any free one)")
    serve.add_argument(
        "--ready-file",
        type=Path,
        metavar="F",
        help="written when requests are answered: url, pid, root, data",
    )

    _issue_options(
        verbs.add(
            "issue",
            "issue a certificate, or the cast of the demonstration",
            "issue --data office --kind test --surname Đặng --dob 1990-04-21 --out test.png\n"
            "  vaxgate-issuer issue --data office --family VDS-NC --kind vaccination --surname Đặng"
            " --dob 1990-04-21",
            data,
        )
    )

    revoke = verbs.add(
        "revoke",
        "revoke a certificate and publish",
        "revoke --data office --uvci 'URN:UVCI:01:XV:…' --by signature",
        data,
        later,
    )
    revoke.add_argument(
        "--uvci", required=True, help="the identifier, to the letter: as issue said it, or as in the code"
    )
    revoke.add_argument(
        "--by",
        choices=list(HASHES),
        help="what the entry is the hash of (default: what the family revokes by; of HC1 its uvci)",
    )
    revoke.add_argument(
        "--any-key",
        action="store_true",
        help="for every key of the country; for identifiers that were not issued here",
    )

    rotate = verbs.add(
        "rotate",
        "sign with a new key from now on, and publish",
        "rotate --data office --alg ES256 --withdraw\n"
        "  vaxgate-issuer rotate --data office --family DIVOC --alg PS256",
        data,
        later,
    )
    _family(rotate, "whose key; HC1, DDCC and ICVP share theirs")
    _algorithm(rotate)
    rotate.add_argument(
        "--withdraw",
        action="store_true",
        help="mark the family's keys of this algorithm before it withdrawn; else what they signed stays good",
    )
    rotate.add_argument(
        "--uses",
        type=_kinds,
        metavar="KIND,…",
        help="what the new key may sign: vaccination, test, recovery (default: all)",
    )

    _rules(
        verbs.add(
            "publish",
            "bring the published list up to date",
            "publish --data office\n"
            "  vaxgate-issuer publish --data office --rules vn-2022-03 --rules vn-2022-05",
            data,
        )
    )

    faults = verbs.add(
        "faults",
        "list the faults on purpose, or write a code for each",
        "faults --json\n  vaxgate-issuer faults --data office --write faults",
        data,
        later,
    )
    faults.add_argument(
        "--write",
        type=Path,
        metavar="OUT",
        help="issue each of them, as text and picture, with manifest.json beside them, and publish",
    )
    return verbs.parser


def _founding(parser: argparse.ArgumentParser, country: str | None) -> None:
    parser.add_argument(
        "--seed", metavar="S", help="make all keys from this text; for tests and demonstrations only"
    )
    parser.add_argument(
        "--country", type=_country, default=country, metavar="CC", help=f"who issues (default: {COUNTRY})"
    )
    _rules(parser)


def _rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="publish these rules from now on: a shipped bundle, or a file of `vaxgate-rules bundle build`; "
        "may be repeated (default: those of before, at first covid-19-signature: authenticity alone)",
    )


def _family(parser: argparse._ActionsContainer, words: str) -> None:
    parser.add_argument(
        "--family",
        type=_choice(ISSUED),
        default=Family.HC1,
        metavar="FAMILY",
        help=f"{words}: {FAMILIES} (default: HC1)",
    )


def _algorithm(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--alg",
        type=_choice(Algorithm),
        metavar="ALG",
        help="ES256, PS256 or EdDSA, as the family allows (default: ES256; of DIVOC EdDSA)",
    )


def _issue_options(parser: argparse.ArgumentParser) -> None:
    _family(parser, "what kind of document")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--kind", type=_choice(Kind), metavar="KIND", help="vaccination, test or recovery")
    what.add_argument("--input", type=Path, metavar="FILE", help="a DCC payload as JSON")
    what.add_argument(
        "--cast", type=Path, metavar="OUT", help="the demonstration's travellers, as pictures and cast.json"
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="sign what --input says, the family's own document, whatever it breaks: for tests of verifiers",
    )
    parser.add_argument(
        "--out",
        type=_picture_or_text,
        metavar="FILE",
        help=".png, .svg or .txt (default: the text on stdout)",
    )
    parser.add_argument(
        "--parts",
        type=_positive,
        default=1,
        metavar="N",
        help="of an SHC: in so many symbols, OUT-1of2.png, … (default: 1)",
    )

    signing = parser.add_argument_group("signing")
    _algorithm(signing)
    signing.add_argument("--kid", type=_kid, metavar="KID", help="sign with this very key; hex, or its text")
    signing.add_argument("--issued", type=instant, metavar="INSTANT", help="iat (default: the clock)")
    expiry = signing.add_mutually_exclusive_group()
    expiry.add_argument(
        "--expires",
        type=instant,
        metavar="INSTANT",
        help="exp (default: a year after iat; none for ICVP, which holds for life)",
    )
    expiry.add_argument("--no-expiry", action="store_true", help="leave exp out")

    person = parser.add_argument_group("the holder")
    person.add_argument("--surname", default="", help="in the holder's own letters")
    person.add_argument("--given", default="", help="given names")
    person.add_argument("--dob", default="", metavar="DATE", help="birth date: YYYY-MM-DD, YYYY-MM, YYYY")
    person.add_argument(
        "--surname-icao", metavar="NAME", help="as the passport line spells it (default: worked out)"
    )
    person.add_argument(
        "--given-icao", metavar="NAME", help="as the passport line spells it (default: worked out)"
    )

    event = parser.add_argument_group("the event")
    event.add_argument(
        "--date",
        type=_day,
        metavar="DATE",
        help="of the dose (default: today), or of the first positive test",
    )
    event.add_argument(
        "--dose", type=_positive, default=2, metavar="N", help="number of the dose (default: 2)"
    )
    event.add_argument(
        "--doses", type=_positive, default=2, metavar="N", help="doses of the course (default: 2)"
    )
    event.add_argument(
        "--vaccine", default=certificates.MRNA, metavar="CODE", help="vp (default: %(default)s)"
    )
    event.add_argument(
        "--product",
        metavar="CODE",
        help=f"mp (default: {certificates.PRODUCT}; for ICVP a product id of WHO's list)",
    )
    event.add_argument(
        "--maker", default=certificates.MAKER, metavar="CODE", help="ma (default: %(default)s)"
    )
    event.add_argument(
        "--sampled", type=instant, metavar="INSTANT", help="when the sample was taken (default: iat)"
    )
    event.add_argument(
        "--result", choices=list(RESULTS), default="negative", help="of the test (default: negative)"
    )
    event.add_argument("--method", choices=list(METHODS), default="naat", help="of the test (default: naat)")
    event.add_argument("--device", metavar="CODE", help="ma of a rapid test")
    event.add_argument(
        "--valid-from", type=_day, metavar="DATE", help="of a recovery (default: 11 days after the test)"
    )
    event.add_argument(
        "--valid-until", type=_day, metavar="DATE", help="of a recovery (default: 180 days after the test)"
    )

    facts = parser.add_argument_group("what only some families say")
    facts.add_argument(
        "--sex", choices=SEXES, default=USUAL.sex, help="DDCC, ICVP, VDS-NC, DIVOC (default: %(default)s)"
    )
    facts.add_argument(
        "--nationality", default="", metavar="CODE", help="ICVP, alpha-3 (default: the issuer's country)"
    )
    facts.add_argument(
        "--passport", default="", metavar="NUMBER", help="ICVP, VDS-NC: of the travel document"
    )
    facts.add_argument(
        "--batch", default=USUAL.batch, help="DDCC, ICVP, SHC, VDS-NC, DIVOC (default: %(default)s)"
    )
