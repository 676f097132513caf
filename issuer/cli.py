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
from issuer.certificates import COVID_19, PRODUCT, Kind, Person
from issuer.documents import YELLOW_FEVER_PRODUCT, Facts
from issuer.errors import IssuerError
from issuer.families import COUNTRY, domain_of
from issuer.office import YEAR, Issued, Issuer
from issuer.options import HASHES, METHODS, RESULTS, USES, build_parser
from issuer.registry import FILE
from issuer.rules import read_rules, rules_of
from trustsync.files import write_whole
from trustsync.paths import data_dir
from trustsync.publishing import ROOT, Publication
from verifier.certificate import Family
from verifier.families import shown_kid
from verifier.policy.bundle import RuleBundle
from verifier.times import written
from verifier.trust import HashKind
from verifier.vocabulary import YELLOW_FEVER

_LOOK_EVERY = 60  # seconds between two looks at the age of the timestamp
_MAX_INPUT = 1 << 20  # bytes of a payload file
_BY = {kind: name for name, kind in HASHES.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except IssuerError as error:
        print(f"vaxgate-issuer: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has read enough
        return 1
    except OSError as error:
        print(f"vaxgate-issuer: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"vaxgate-issuer: the registry could not be used: {error}", file=sys.stderr)
        return 1


def _init(options: argparse.Namespace) -> int:
    now = _now(options)
    rules = read_rules(options.rules)  # before anything is made
    with Issuer.create(
        options.dir,
        now=now,
        seed=options.seed,
        country=options.country,
        clock_stands=options.clock is not None,
    ) as issuer:
        _choose(issuer, rules, now)
        issuer.publish(now)
        _tell(
            options,
            {
                "dir": str(options.dir),
                "country": issuer.country,
                "root": str(issuer.registry.public / ROOT),
                "rules": _rules(issuer),
                "keys": [
                    {
                        "kid": shown_kid(row.domain, row.kid),
                        "alg": row.algorithm.value,
                        "environment": row.environment,
                        "domain": row.domain.value,
                    }
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
    rules = read_rules(options.rules)
    with _served_directory(options) as directory, _opened(directory, options) as issuer:
        _choose(issuer, rules, _now(options, issuer))
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
    if options.parts > 1 and options.family is not Family.SHC:
        raise IssuerError(f"a {options.family} code is one symbol; only SHC can be printed in parts")
    with Issuer.open(_data(options)) as issuer:
        if options.cast is not None:
            return _issue_cast(issuer, options)
        issued_at = options.issued or _now(options, issuer)
        lasting = options.no_expiry or (options.family is Family.ICVP and options.expires is None)
        expires_at = None if lasting else options.expires or issued_at + YEAR
        issued = issuer.issue(
            _payload(issuer, options),
            issued_at=issued_at,
            expires_at=expires_at,
            family=options.family,
            algorithm=options.alg,
            kid=options.kid,
            facts=Facts(
                sex=options.sex,
                nationality=options.nationality,
                passport=options.passport,
                batch=options.batch,
            ),
            unchecked=options.unchecked,
        )
    texts = issued.parts(options.parts)
    files = _written(issued, texts, options.out) if options.out is not None else []
    if issued.uvci:
        print(f"identifier {issued.uvci} (for: revoke --uvci)", file=sys.stderr)
    words = texts if options.out is None else [str(file) for file in files]
    _tell(options, _facts(issued, texts, files), "\n".join(words))
    return 0


def _issue_cast(issuer: Issuer, options: argparse.Namespace) -> int:
    from issuer.cast import make_cast, write_cast  # draws pictures; a single certificate may need none

    now = _now(options, issuer)
    exhibits = make_cast(issuer, now)
    issuer.publish(now)
    index = write_cast(exhibits, options.cast)
    _tell(options, {"cast": str(index), "pictures": len(exhibits)}, str(index))
    return 0


# What these say of a traveller is not what happened to them.
_SAY_NO_EVENT = (Family.LT1, Family.AT1, Family.NZCP)


def _payload(issuer: Issuer, options: argparse.Namespace) -> dict[str, Any]:
    country = issuer.country
    if options.input is not None:
        return _read_payload(options.input)
    if options.kind is None and options.family in _SAY_NO_EVENT:
        options.kind = Kind.VACCINATION  # it is not written into them
    if options.kind is None:
        raise IssuerError(
            "say what to issue: --kind vaccination, test or recovery; --input FILE; or --cast OUT"
        )
    person = Person(options.surname, options.given, options.dob, options.surname_icao, options.given_icao)
    now = options.issued or _now(options, issuer)
    yellow_fever = options.family is Family.ICVP
    match options.kind:
        case Kind.VACCINATION:
            return certificates.of_vaccination(
                person,
                country=country,
                day=options.date or now.date(),
                dose=options.dose,
                doses=options.doses,
                vaccine=options.vaccine,
                product=options.product or (YELLOW_FEVER_PRODUCT if yellow_fever else PRODUCT),
                maker=options.maker,
                disease=YELLOW_FEVER if yellow_fever else COVID_19,
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


def _written(issued: Issued, texts: list[str], out: Path) -> list[Path]:
    """Write the code, a picture for each of its symbols; the files."""
    from issuer.qr import draw

    if out.suffix.lower() == ".txt":
        write_whole(out, "".join(text + "\n" for text in texts).encode())
        return [out]
    files = []
    symbols: list[str | bytes] = [issued.code] if len(texts) == 1 else [*texts]
    for number, symbol in enumerate(symbols, 1):
        file = out if len(symbols) == 1 else out.with_stem(f"{out.stem}-{number}of{len(symbols)}")
        code = draw(symbol)
        write_whole(file, code.png() if out.suffix.lower() == ".png" else code.svg())
        files.append(file)
    return files


def _facts(issued: Issued, texts: list[str], files: list[Path]) -> dict[str, Any]:
    if not files:
        where: dict[str, Any] = {"text": issued.text}
    else:
        where = {"file": str(files[0])}
    if len(texts) > 1:
        where |= {"files": [str(file) for file in files]} if files else {"texts": texts}
    return {
        "family": issued.family.value,
        "uvci": issued.uvci,
        "kid": shown_kid(domain_of(issued.family), issued.kid),
        "alg": issued.algorithm.value,
        "issued_at": written(issued.issued_at),
        "expires_at": None if issued.expires_at is None else written(issued.expires_at),
    } | where


def _revoke(options: argparse.Namespace) -> int:
    with Issuer.open(_data(options)) as issuer:
        kind = None if options.by is None else HASHES[options.by]
        scopes = issuer.revoke(options.uvci, kind, any_key=options.any_key)
        own = {row.own_kind for row in issuer.registry.issued(options.uvci)} or {HashKind.UCI}
        by = options.by or ", ".join(sorted(_BY.get(each, each.name.lower()) for each in own))
        publication = None if options.no_publish else issuer.publish(_now(options, issuer))
    entries = [scope.hex() for scope in scopes]
    _tell(
        options,
        {"revoked": options.uvci, "by": by, "scopes": entries, **_published(publication)},
        f"revoked {options.uvci} by {by}; {_said(publication)}",
    )
    return 0


def _rotate(options: argparse.Namespace) -> int:
    uses = None if options.uses is None else frozenset(USES[kind] for kind in options.uses)
    with Issuer.open(_data(options)) as issuer:
        now = _now(options, issuer)
        domain = domain_of(options.family)
        row = issuer.rotate(options.alg, now=now, domain=domain, uses=uses, withdraw=options.withdraw)
        keys = issuer.keys_of(row.algorithm, domain)
        before = [shown_kid(domain, key.kid) for key in keys if key.kid != row.kid]
        gone = before if options.withdraw else []
        publication = None if options.no_publish else issuer.publish(now)
    others = f"withdrawn ({', '.join(gone)})" if options.withdraw else "still good"
    _tell(
        options,
        {
            "kid": shown_kid(domain, row.kid),
            "alg": row.algorithm.value,
            "domain": domain.value,
            "withdrawn": gone,
            **_published(publication),
        },
        f"new {row.algorithm} key of {domain} {shown_kid(domain, row.kid)}; "
        f"{row.algorithm} keys before it: {others}; {_said(publication)}",
    )
    return 0


def _faults(options: argparse.Namespace) -> int:
    from issuer.fault_catalogue import fault_rows, write_faults  # draws pictures

    if options.write is None:
        rows = fault_rows()
        words = "\n".join(
            f"{row['name']:<28} {row['family']:<6} {row['expect_state']:<6} {row['expect_reason'] or '-':<20}"
            f" {row['about']}"
            for row in rows
        )
        print(json.dumps(rows, ensure_ascii=False) if options.json else words, flush=True)
        return 0
    with Issuer.open(_data(options)) as issuer:
        now = _now(options, issuer)
        manifest = write_faults(issuer, now, options.write, _progress)
        publication = None if options.no_publish else issuer.publish(now)
    _tell(options, {"manifest": str(manifest), **_published(publication)}, str(manifest))
    return 0


def _progress(done: int, of: int) -> None:
    """A word on long work, for whoever waits."""
    if done % 50 == 0:
        print(f"{done} of {of}", file=sys.stderr, flush=True)


def _choose(issuer: Issuer, rules: Sequence[RuleBundle], now: datetime) -> None:
    if rules:
        issuer.choose_rules(rules, now)


def _rules(issuer: Issuer) -> list[str]:
    return [f"{bundle.name} {bundle.version}" for bundle in rules_of(issuer.registry)]


def _publish(options: argparse.Namespace) -> int:
    rules = read_rules(options.rules)
    with Issuer.open(_data(options)) as issuer:
        _choose(issuer, rules, _now(options, issuer))
        publication = issuer.publish(_now(options, issuer))
        where = issuer.registry.public
        said = {"dir": str(where), "rules": _rules(issuer), **_published(publication)}
    _tell(options, said, f"{_said(publication)}: {where}")
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
            "faults": _faults,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
