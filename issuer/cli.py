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
import json
import os
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from issuer import certificates
from issuer.certificates import Kind, Person
from issuer.errors import IssuerError
from issuer.files import write_whole
from issuer.office import COUNTRY, YEAR, Issued, Issuer
from issuer.options import HASHES, METHODS, RESULTS, USES, build_parser
from issuer.publish import ROOT, Publication
from issuer.registry import FILE
from trustsync.paths import data_dir
from verifier.times import written

_LOOK_EVERY = 60  # seconds between two looks at the age of the timestamp
_MAX_INPUT = 1 << 20  # bytes of a payload file


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
                result=RESULTS[options.result],
                method=METHODS[options.method],
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
        "issued_at": written(issued.issued_at),
        "expires_at": None if issued.expires_at is None else written(issued.expires_at),
    } | ({"text": issued.text} if out is None else {"file": str(out)})


def _revoke(options: argparse.Namespace) -> int:
    with Issuer.open(_data(options)) as issuer:
        scopes = issuer.revoke(options.uvci, HASHES[options.by], any_key=options.any_key)
        publication = None if options.no_publish else issuer.publish(_now(options, issuer))
    entries = [scope.hex() for scope in scopes]
    _tell(
        options,
        {"revoked": options.uvci, "by": options.by, "scopes": entries, **_published(publication)},
        f"revoked {options.uvci} by {options.by}; {_said(publication)}",
    )
    return 0


def _rotate(options: argparse.Namespace) -> int:
    uses = None if options.uses is None else frozenset(USES[kind] for kind in options.uses)
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
            "signed_at": written(publication.signed_at),
            "versions": dict(publication.versions),
            "changed": list(publication.changed),
        }
    }


def _said(publication: Publication | None) -> str:
    if publication is None:
        return "not published yet"
    news = ", ".join(f"{role} {publication.versions[role]}" for role in publication.changed)
    return f"published at {written(publication.signed_at)} ({news or 'nothing new'})"


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


# The types of the options.


def _parser() -> argparse.ArgumentParser:
    return build_parser(
        {
            "init": _init,
            "serve": _serve,
            "issue": _issue,
            "revoke": _revoke,
            "rotate": _rotate,
            "publish": _publish,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
