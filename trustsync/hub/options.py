"""The options of ``vaxgate-hub``: every verb, what it takes, and how each text is read.

A text that cannot be read as what it should be is refused here, with an example of one that can.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from trustsync.arguments import Run, Verbs, clock_and_json, instant, options, port
from trustsync.hub.config import ENVIRONMENTS
from trustsync.hub.content import CONTENT
from trustsync.hub.decisions import KINDS
from trustsync.targets import PRODUCTION
from verifier.trust import country_scope

EXAMPLES = """examples:
  vaxgate-hub init hub --reviewer an --reviewer binh
  vaxgate-hub gather --data hub
  vaxgate-hub diff --data hub
  vaxgate-hub approve --data hub --by an --key hub/reviewers/an.key
  vaxgate-hub publish --data hub
  vaxgate-hub publish --data hub --keys hub/keys/production/online --nightly
  vaxgate-hub serve --data hub --port 8000

exit status: 0 done; diff: 10 something to publish, 20 something that reviewers must see; 1 a source failed or
nothing was published; 2 it cannot be done as it was asked
"""

Shared = argparse.ArgumentParser  # options that several verbs take


def build_parser(runs: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The command's parser. runs: what carries out each verb."""
    verbs = Verbs(
        "vaxgate-hub",
        "Gathers the key lists of others, proves them, and publishes what appliances install.",
        EXAMPLES,
        runs,
        clock_and_json(),
    )
    data = options()
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="the hub's directory (default: hub/ in the data directory)"
    )
    place = options()
    place.add_argument(
        "--environment", choices=ENVIRONMENTS, default=PRODUCTION, help="whose list (default: production)"
    )
    person = options()
    person.add_argument("--by", required=True, metavar="NAME", help="who says so")

    _add_lists(verbs, data, place, person)
    _add_repository(verbs, data, place)
    _add_decisions(verbs, data, place, person)
    _add_documents(verbs, data)
    return verbs.parser


def _add_lists(verbs: Verbs, data: Shared, place: Shared, person: Shared) -> None:
    """From a new hub to a change that reviewers have seen."""
    init = verbs.add("init", "make a hub: its directory, its keys, its hub.toml", "init hub --reviewer an")
    init.add_argument("dir", type=Path, metavar="DIR", help="a directory that is empty or does not exist")
    init.add_argument(
        "--reviewer",
        action="append",
        default=[],
        metavar="NAME",
        help="make a key for this reviewer (repeatable)",
    )

    gather = verbs.add(
        "gather", "fetch and prove every source's list", "gather --data hub --only national", data
    )
    gather.add_argument(
        "--only", action="append", default=[], metavar="SOURCE", help="this source alone (repeatable)"
    )
    gather.add_argument(
        "--offline",
        type=Path,
        metavar="RAWDIR",
        help="read raw files from here, one folder for each source, in place of the network",
    )

    verbs.add("diff", "show what a publication would change", "diff --data hub --json", data, place)

    approve = verbs.add(
        "approve",
        "sign the change that diff shows, as a reviewer",
        "approve --data hub --by an --key hub/reviewers/an.key",
        data,
        place,
        person,
    )
    approve.add_argument("--key", type=Path, required=True, metavar="FILE", help="the reviewer's private key")
    approve.add_argument(
        "--digest",
        type=_digest,
        metavar="HEX",
        help="how the change begins that you have seen; another one is not signed",
    )

    reviewer = verbs.add("reviewer", "make a key for a reviewer", "reviewer an --out an.key")
    reviewer.add_argument("name", metavar="NAME")
    reviewer.add_argument("--out", type=Path, required=True, metavar="FILE", help="the private key")


def _add_repository(verbs: Verbs, data: Shared, place: Shared) -> None:
    """What is published, and where a key of it came from."""
    publish = verbs.add(
        "publish",
        "sign what is new and lay the repository out",
        "publish --data hub --keys hub/keys/production/online --nightly",
        data,
        place,
    )
    publish.add_argument(
        "--keys",
        action="append",
        type=Path,
        metavar="PLACE",
        help="folder or file of private keys (repeatable; default: keys/ENVIRONMENT of the hub)",
    )
    publish.add_argument(
        "--nightly",
        action="store_true",
        help="leave as it is whatever waits for a reviewer or for a key that is not here",
    )

    serve = verbs.add(
        "serve",
        "serve a repository on this machine, for pilots and tests",
        "serve --data hub --port 8000",
        data,
        place,
    )
    serve.add_argument("--port", type=port, default=8000, metavar="N", help="0 for any free one")
    serve.add_argument(
        "--ready-file", type=Path, metavar="F", help="written whole when requests are answered"
    )

    show = verbs.add(
        "show", "say where a key was seen and how that was proven", "show 2c68ad12f74cc933 --data hub", data
    )
    show.add_argument("kid", metavar="KID", help="in hex, in Base64, or the text that it is")


def _add_decisions(verbs: Verbs, data: Shared, place: Shared, person: Shared) -> None:
    """What people of the hub decide themselves."""
    distrust = verbs.add(
        "distrust",
        "withdraw a key, or refuse what it signs from an instant on",
        "distrust 2c68ad12f74cc933 --data hub --by an --from 2021-11-30T00:00:00Z",
        data,
        place,
        person,
    )
    distrust.add_argument("kid", metavar="KID", help="in hex, or the text that it is")
    distrust.add_argument(
        "--from",
        dest="since",
        type=instant,
        metavar="T",
        help="only what is issued from then on: for an honest mistake, since a thief dates back",
    )
    distrust.add_argument(
        "--allow",
        type=Path,
        metavar="FILE",
        help="hashes of the signed bytes of certificates that stay good",
    )

    reinstate = verbs.add(
        "reinstate",
        "believe in a withdrawn key again",
        "reinstate 2c68ad12f74cc933 --data hub --by an",
        data,
        place,
        person,
    )
    reinstate.add_argument("kid", metavar="KID", help="in hex, or the text that it is")

    revoke = verbs.add(
        "revoke",
        "revoke certificates by a file of hashes",
        "revoke hashes.txt --data hub --kid 2c68ad12f74cc933 --kind uci",
        data,
        place,
    )
    revoke.add_argument(
        "file", type=Path, metavar="FILE", help="one a line in hex or Base64; .bin: 16 bytes each"
    )
    scope = revoke.add_mutually_exclusive_group(required=True)
    scope.add_argument("--kid", dest="scope", type=kid_of_text, metavar="KID", help="of this key")
    scope.add_argument(
        "--country", dest="scope", type=_country, metavar="XX", help="of every key of this country"
    )
    revoke.add_argument("--kind", required=True, choices=KINDS, help="what the hashes are of")
    revoke.add_argument(
        "--replace", action="store_true", help="they are all there is; take back what is missing"
    )


def _add_documents(verbs: Verbs, data: Shared) -> None:
    """What is published beside the keys."""
    put = verbs.add(
        "put",
        "take in a document to publish beside the keys",
        "put recognition issuers.json --data hub",
        data,
    )
    put.add_argument("name", choices=CONTENT, help="which document")
    what = put.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="in the form in which it is published"
    )
    what.add_argument("--drop", action="store_true", help="publish it no more")

    advisories = verbs.add(
        "advisories",
        "take in advisories about the software of the appliances",
        "advisories osv.json --data hub --sbom appliance.cdx.json",
        data,
    )
    advisories.add_argument(
        "file", type=Path, nargs="+", metavar="OSV", help="file of advisories, OSV in JSON"
    )
    advisories.add_argument(
        "--sbom",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CycloneDX of a release in the field (repeatable; default: this environment)",
    )

    sbom = verbs.add(
        "sbom", "write the CycloneDX 1.6 SBOM of this environment", "sbom --out appliance.cdx.json"
    )
    sbom.add_argument("--out", type=Path, metavar="FILE", help="default: stdout")


def kid_of_text(text: str) -> bytes:
    """A KID: bytes in hex, or in the families that have it so the text that it is."""
    try:
        return bytes.fromhex(text) or text.encode()
    except ValueError:
        return text.encode()


def _country(text: str) -> bytes:
    if len(text) != 2 or not text.isascii() or not text.isalpha():
        raise argparse.ArgumentTypeError(f"{text!r} is no country code; two letters are expected, as XV")
    return country_scope(text)


def _digest(text: str) -> str:
    if len(text) < 12 or any(char not in "0123456789abcdef" for char in text.lower()):
        raise argparse.ArgumentTypeError(
            f"{text!r}: at least 12 hexadecimal digits are expected, as diff shows them"
        )
    return text.lower()
