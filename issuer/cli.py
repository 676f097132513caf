"""The command ``vaxgate-issuer``: a reference issuer in a directory.

The rules this module keeps:

* Results on stdout, talk on stderr. Exit 0 when it is done, 2 when what was asked for cannot be done as it
  was asked, 1 when a file or the registry failed.
* ``--clock`` stands for now in everything that is done; nothing looks at another clock.
* A certificate's text goes to stdout or to the file that was named, and nowhere else.

    vaxgate-issuer init office
    vaxgate-issuer issue --data office --kind vaccination --surname Nguyễn --given 'Bảo Duy' --dob 1983-10-10
    vaxgate-issuer serve office --port 8000
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from issuer import certificates
from issuer.certificates import Kind, Person
from issuer.errors import IssuerError
from issuer.files import write_whole
from issuer.keys import Algorithm
from issuer.office import COUNTRY, YEAR, Issued, Issuer
from issuer.publish import ROOT, Publication
from issuer.registry import FILE
from trustsync.paths import data_dir
from verifier.certificate import DETECTED, NOT_DETECTED
from verifier.trust import HashKind

_LOOK_EVERY = 60  # seconds between two looks at the age of the timestamp
_MAX_INPUT = 1 << 20  # bytes of a payload file
_RESULTS = {"negative": NOT_DETECTED, "positive": DETECTED}
_METHODS = {"naat": certificates.NAAT, "rapid": certificates.RAPID}
_HASHES = {
    "uvci": HashKind.UCI,
    "country-uvci": HashKind.COUNTRYCODEUCI,
    "signature": HashKind.SIGNATURE,
}
_USES = {Kind.VACCINATION: "v", Kind.TEST: "t", Kind.RECOVERY: "r"}
_EXAMPLES = """examples:
  vaxgate-issuer init office
  vaxgate-issuer issue --data office --kind vaccination --surname Trương --given 'Mỹ Ước' --out code.png
  vaxgate-issuer revoke --data office --uvci 'URN:UVCI:01:XV:…'
  vaxgate-issuer publish --data office
  vaxgate-issuer serve office --port 8000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except IssuerError as error:
        print(f"vaxgate-issuer: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"vaxgate-issuer: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"vaxgate-issuer: the registry could not be used: {error}", file=sys.stderr)
        return 1


def _init(options: argparse.Namespace) -> int:
    now = _now(options)
    with Issuer.create(
        options.dir,
        now=now,
        seed=options.seed,
        country=options.country,
        clock_stands=options.clock is not None,
    ) as issuer:
        issuer.publish(now)
        _tell(
            options,
            {
                "dir": str(options.dir),
                "country": issuer.country,
                "root": str(issuer.registry.public / ROOT),
                "keys": [
                    {"kid": row.kid.hex(), "alg": row.algorithm.value, "environment": row.environment}
                    for row in issuer.registry.signing_keys()
                ],
            },
            f"issuer {issuer.country} in {options.dir}; pin this root: {issuer.registry.public / ROOT}",
        )
    return 0


def _serve(options: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.ready_file is not None:
        options.ready_file.unlink(missing_ok=True)  # one of an earlier run would tell of a port that is gone
    with _served_directory(options) as directory, _opened(directory, options) as issuer:
        issuer.publish(_now(options, issuer))
        from issuer.server import Server, create_app  # the other verbs need no web server

        with Server(create_app(issuer.registry.public), port=options.port) as server:
            root = (issuer.registry.public / ROOT).resolve()
            ready = {
                "url": server.url,
                "pid": os.getpid(),
                "root": str(root),
                "data": str(directory.resolve()),
            }
            if options.ready_file is not None:
                write_whole(options.ready_file, (json.dumps(ready) + "\n").encode())
            _tell(options, ready, f"serving {server.url} (root to pin: {root}); stop with Ctrl-C")
            while not stop.wait(_LOOK_EVERY):
                issuer.publish_if_due(_now(options, issuer))
    return 0


@contextlib.contextmanager
def _served_directory(options: argparse.Namespace) -> Iterator[Path]:
    if options.dir is not None:
        yield options.dir
    else:
        with tempfile.TemporaryDirectory(prefix="vaxgate-issuer-") as name:
            yield Path(name) / "office"


def _opened(directory: Path, options: argparse.Namespace) -> Issuer:
    """The issuer of the directory; a new one where there is nothing yet."""
    if not (directory / FILE).exists():
        return Issuer.create(
            directory,
            now=_now(options),
            seed=options.seed,
            country=options.country or COUNTRY,
            clock_stands=options.clock is not None,
        )
    issuer = Issuer.open(directory)
    if options.seed is not None and not issuer.has_seed(options.seed):
        raise IssuerError(
            f"{directory} was made from another seed; leave out --seed, or choose another directory"
        )
    if options.country not in (None, issuer.country):
        raise IssuerError(f"{directory} issues for {issuer.country}, not for {options.country}")
    return issuer


def _issue(options: argparse.Namespace) -> int:
    with Issuer.open(_data(options)) as issuer:
        if options.cast is not None:
            return _issue_cast(issuer, options)
        issued_at = options.issued or _now(options, issuer)
        expires_at = None if options.no_expiry else options.expires or issued_at + YEAR
        issued = issuer.issue(
            _payload(issuer, options),
            issued_at=issued_at,
            expires_at=expires_at,
            algorithm=options.alg,
            kid=options.kid,
            unchecked=options.unchecked,
        )
    if options.out is not None:
        write_whole(options.out, _rendered(issued.text, options.out))
    if issued.uvci:
        print(f"identifier {issued.uvci} (for: revoke --uvci)", file=sys.stderr)
    _tell(options, _facts(issued, options.out), issued.text if options.out is None else str(options.out))
    return 0


def _issue_cast(issuer: Issuer, options: argparse.Namespace) -> int:
    from issuer.cast import make_cast, write_cast  # draws pictures; a single certificate may need none

    now = _now(options, issuer)
    exhibits = make_cast(issuer, now)
    issuer.publish(now)
    index = write_cast(exhibits, options.cast)
    _tell(options, {"cast": str(index), "pictures": len(exhibits)}, str(index))
    return 0


def _payload(issuer: Issuer, options: argparse.Namespace) -> dict[str, Any]:
    country = issuer.country
    if options.input is not None:
        return _read_payload(options.input)
    if options.kind is None:
        raise IssuerError(
            "say what to issue: --kind vaccination, test or recovery; --input FILE; or --cast DIR"
        )
    person = Person(options.surname, options.given, options.dob, options.surname_icao, options.given_icao)
    now = options.issued or _now(options, issuer)
    match options.kind:
        case Kind.VACCINATION:
            return certificates.of_vaccination(
                person,
                country=country,
                day=options.date or now.date(),
                dose=options.dose,
                doses=options.doses,
                vaccine=options.vaccine,
                product=options.product,
                maker=options.maker,
            )
        case Kind.TEST:
            return certificates.of_test(
                person,
                country=country,
                sampled=options.sampled or now,
                result=_RESULTS[options.result],
                method=_METHODS[options.method],
                device=options.device,
            )
        case Kind.RECOVERY:
            return certificates.of_recovery(
                person,
                country=country,
                first_positive=options.date or now.date() - certificates.RECOVERY_FROM,
                valid_from=options.valid_from,
                valid_until=options.valid_until,
            )
        case _:
            raise AssertionError(options.kind)  # the option's own type lets nothing else through


def _read_payload(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(_MAX_INPUT + 1)
    if len(data) > _MAX_INPUT:
        raise IssuerError(f"{path} is larger than {_MAX_INPUT} bytes; that is no payload")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IssuerError(f"{path} is not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise IssuerError(f"{path} holds no object; a DCC payload is expected")
    return value


def _rendered(text: str, path: Path) -> bytes:
    """What goes into a file of this name."""
    from issuer.qr import draw

    match path.suffix.lower():
        case ".png":
            return draw(text).png()
        case ".svg":
            return draw(text).svg()
        case _:
            return (text + "\n").encode()


def _facts(issued: Issued, out: Path | None) -> dict[str, Any]:
    return {
        "uvci": issued.uvci,
        "kid": issued.kid.hex(),
        "alg": issued.algorithm.value,
        "issued_at": _iso(issued.issued_at),
        "expires_at": None if issued.expires_at is None else _iso(issued.expires_at),
    } | ({"text": issued.text} if out is None else {"file": str(out)})


def _revoke(options: argparse.Namespace) -> int:
    with Issuer.open(_data(options)) as issuer:
        scopes = issuer.revoke(options.uvci, _HASHES[options.by], any_key=options.any_key)
        publication = None if options.no_publish else issuer.publish(_now(options, issuer))
    entries = [scope.hex() for scope in scopes]
    _tell(
        options,
        {"revoked": options.uvci, "by": options.by, "scopes": entries, **_published(publication)},
        f"revoked {options.uvci} by {options.by}; {_said(publication)}",
    )
    return 0


def _rotate(options: argparse.Namespace) -> int:
    uses = None if options.uses is None else frozenset(_USES[kind] for kind in options.uses)
    with Issuer.open(_data(options)) as issuer:
        now = _now(options, issuer)
        gone = [key.kid.hex() for key in issuer.keys_of(options.alg)] if options.withdraw else []
        row = issuer.rotate(options.alg, now=now, uses=uses, withdraw=options.withdraw)
        publication = None if options.no_publish else issuer.publish(now)
    before = f"withdrawn ({', '.join(gone)})" if options.withdraw else "still good"
    _tell(
        options,
        {"kid": row.kid.hex(), "alg": row.algorithm.value, "withdrawn": gone, **_published(publication)},
        f"new {row.algorithm} key {row.kid.hex()}; {row.algorithm} keys before it: {before}; "
        f"{_said(publication)}",
    )
    return 0


def _publish(options: argparse.Namespace) -> int:
    with Issuer.open(_data(options)) as issuer:
        publication = issuer.publish(_now(options, issuer))
        where = issuer.registry.public
    _tell(options, {"dir": str(where), **_published(publication)}, f"{_said(publication)}: {where}")
    return 0


def _published(publication: Publication | None) -> dict[str, Any]:
    if publication is None:
        return {"published": None}
    return {
        "published": {
            "signed_at": _iso(publication.signed_at),
            "versions": dict(publication.versions),
            "changed": list(publication.changed),
        }
    }


def _said(publication: Publication | None) -> str:
    if publication is None:
        return "not published yet"
    news = ", ".join(f"{role} {publication.versions[role]}" for role in publication.changed)
    return f"published at {_iso(publication.signed_at)} ({news or 'nothing new'})"


def _tell(options: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    """The result on stdout: one JSON object, or words."""
    print(json.dumps(facts, ensure_ascii=False) if options.json else words, flush=True)


def _now(options: argparse.Namespace, issuer: Issuer | None = None) -> datetime:
    """The clock that was given, else the one at which the issuer stands, else this machine's."""
    clock: datetime | None = options.clock or (None if issuer is None else issuer.clock)
    return clock or datetime.now(UTC).replace(microsecond=0)


def _data(options: argparse.Namespace) -> Path:
    chosen: Path | None = options.data
    return chosen or data_dir() / "issuer"


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


# The types of the options.


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant such as 2021-11-30T12:00:00Z") from None
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write it as 2021-11-30T12:00:00Z")
    return instant.astimezone(UTC).replace(microsecond=0)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2021-11-30") from None


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise argparse.ArgumentTypeError(f"{text!r} is no KID; 16 hexadecimal digits are expected")
    return kid


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 (any free one) to 65535 are expected")
    return int(text)


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


def _choice(kind: type[Kind] | type[Algorithm]) -> Any:
    """A reader of one of the enum's values that names the nearest right one."""
    by_name = {member.value.lower(): member for member in kind}

    def read(text: str) -> Kind | Algorithm:
        if text.lower() in by_name:
            return by_name[text.lower()]
        near = difflib.get_close_matches(text.lower(), by_name, 1)
        hint = f"; did you mean {by_name[near[0]].value}?" if near else ""
        known = ", ".join(member.value for member in kind)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaxgate-issuer",
        description="A reference issuer: keys, certificates and the published trust list in one directory.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vaxgate-issuer {version('vaxgate')}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--clock", type=_instant, metavar="T", help="the instant to take for now (default: now)"
    )
    common.add_argument("--json", action="store_true", help="answer with one JSON object")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="the issuer's directory (default: issuer/ in the data directory)",
    )
    later = argparse.ArgumentParser(add_help=False)
    later.add_argument("--no-publish", action="store_true", help="leave the published list as it is for now")

    def verb(
        name: str, run: Any, words: str, example: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name,
            parents=[common, *parents],
            help=words,
            description=words[0].upper() + words[1:] + ".",
            epilog=f"example:\n  vaxgate-issuer {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    init = verb(
        "init",
        _init,
        "make a new issuer and publish its first list",
        "init office --seed demo --clock 2021-09-01T08:00:00Z",
    )
    init.add_argument("dir", type=Path, metavar="DIR", help="a directory that is empty or does not exist")
    _founding(init, COUNTRY)

    serve = verb(
        "serve",
        _serve,
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
    serve.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1 (default: 0, any free one)")
    serve.add_argument(
        "--ready-file",
        type=Path,
        metavar="F",
        help="written when requests are answered: url, pid, root, data",
    )

    _issue_options(
        verb(
            "issue",
            _issue,
            "issue a certificate, or the cast of the demonstration",
            "issue --data office --kind test --surname Đặng --given 'Thị Đào' --out test.png",
            data,
        )
    )

    revoke = verb(
        "revoke",
        _revoke,
        "revoke a certificate and publish",
        "revoke --data office --uvci 'URN:UVCI:01:XV:…' --by signature",
        data,
        later,
    )
    revoke.add_argument("--uvci", required=True, help="the identifier, to the letter")
    revoke.add_argument(
        "--by", choices=list(_HASHES), default="uvci", help="what the entry is the hash of (default: uvci)"
    )
    revoke.add_argument(
        "--any-key",
        action="store_true",
        help="for every key of the country; for identifiers that were not issued here",
    )

    rotate = verb(
        "rotate",
        _rotate,
        "sign with a new key from now on, and publish",
        "rotate --data office --alg ES256 --withdraw",
        data,
        later,
    )
    rotate.add_argument(
        "--alg", type=_choice(Algorithm), required=True, metavar="ALG", help="ES256, PS256 or EdDSA"
    )
    rotate.add_argument(
        "--withdraw",
        action="store_true",
        help="mark the keys of this algorithm before it withdrawn; else what they signed stays good",
    )
    rotate.add_argument(
        "--uses",
        type=_kinds,
        metavar="KIND,…",
        help="what the new key may sign: vaccination, test, recovery (default: all)",
    )

    verb("publish", _publish, "bring the published list up to date", "publish --data office", data)
    return parser


def _founding(parser: argparse.ArgumentParser, country: str | None) -> None:
    parser.add_argument(
        "--seed", metavar="S", help="make all keys from this text; for tests and demonstrations only"
    )
    parser.add_argument(
        "--country", type=_country, default=country, metavar="CC", help=f"who issues (default: {COUNTRY})"
    )


def _issue_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--kind", type=_choice(Kind), metavar="KIND", help="vaccination, test or recovery")
    what.add_argument("--input", type=Path, metavar="FILE", help="a DCC payload as JSON")
    what.add_argument(
        "--cast", type=Path, metavar="OUT", help="the demonstration's travellers, as pictures and cast.json"
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="sign what --input says even if it breaks the schema: for tests of verifiers",
    )
    parser.add_argument(
        "--out",
        type=_picture_or_text,
        metavar="FILE",
        help=".png, .svg or .txt (default: the text on stdout)",
    )

    signing = parser.add_argument_group("signing")
    signing.add_argument(
        "--alg",
        type=_choice(Algorithm),
        default=Algorithm.ES256,
        metavar="ALG",
        help="ES256 (default), PS256 or EdDSA",
    )
    signing.add_argument("--kid", type=_kid, metavar="HEX", help="sign with this very key")
    signing.add_argument("--issued", type=_instant, metavar="INSTANT", help="iat (default: the clock)")
    expiry = signing.add_mutually_exclusive_group()
    expiry.add_argument("--expires", type=_instant, metavar="INSTANT", help="exp (default: a year after iat)")
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
        "--product", default=certificates.PRODUCT, metavar="CODE", help="mp (default: %(default)s)"
    )
    event.add_argument(
        "--maker", default=certificates.MAKER, metavar="CODE", help="ma (default: %(default)s)"
    )
    event.add_argument(
        "--sampled", type=_instant, metavar="INSTANT", help="when the sample was taken (default: iat)"
    )
    event.add_argument(
        "--result", choices=list(_RESULTS), default="negative", help="of the test (default: negative)"
    )
    event.add_argument("--method", choices=list(_METHODS), default="naat", help="of the test (default: naat)")
    event.add_argument("--device", metavar="CODE", help="ma of a rapid test")
    event.add_argument(
        "--valid-from", type=_day, metavar="DATE", help="of a recovery (default: 11 days after the test)"
    )
    event.add_argument(
        "--valid-until", type=_day, metavar="DATE", help="of a recovery (default: 180 days after the test)"
    )


if __name__ == "__main__":
    sys.exit(main())
