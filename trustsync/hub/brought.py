"""The verbs by which people bring something of their own: decisions, hashes, documents, advisories, keys.

The rules this module keeps:

* Nothing of it is published here; it takes effect with the next publication, and what loosens waits for a
  reviewer until then.
* What is unfit is refused when it is brought, with the line or the member that is wrong.

    vaxgate-hub distrust 2c68ad12f74cc933 --data hub --by an
    vaxgate-hub revoke hashes.txt --data hub --kid 2c68ad12f74cc933 --kind uci
    vaxgate-hub put recognition issuers.json --data hub
"""

from __future__ import annotations

import argparse

from trustsync.files import write_whole
from trustsync.hub.answers import data_of, now_of, opened, say, tell
from trustsync.hub.config import load_config
from trustsync.hub.options import kid_of_text
from verifier.times import written


def run_distrust(options: argparse.Namespace) -> int:
    """Withdraw a key, or refuse what it signs from an instant on."""
    from trustsync.hub.decisions import distrust, read_hashes

    allow = read_hashes(options.allow) if options.allow is not None else b""
    kid = kid_of_text(options.kid)
    with opened(options) as (_, ledger), ledger.alone():
        distrust(
            ledger,
            options.environment,
            kid,
            by=options.by,
            now=now_of(options),
            since=options.since,
            allow=allow,
        )
    word = "withdrawn" if options.since is None else f"refused from {written(options.since)} on"
    tell(options, {"kid": options.kid, "word": word}, f"{options.kid} is {word} with the next publication")
    return 0


def run_reinstate(options: argparse.Namespace) -> int:
    """Believe in a withdrawn key again."""
    from trustsync.hub.decisions import reinstate

    with opened(options) as (_, ledger), ledger.alone():
        reinstate(ledger, options.environment, kid_of_text(options.kid), by=options.by, now=now_of(options))
    facts = {"kid": options.kid, "word": "reinstated"}
    tell(options, facts, f"{options.kid} is reinstated once a reviewer has approved it")
    return 0


def run_revoke(options: argparse.Namespace) -> int:
    """Revoke certificates by a file of hashes."""
    from trustsync.hub.decisions import KINDS, read_hashes, revoke

    hashes = read_hashes(options.file)
    with opened(options) as (_, ledger), ledger.alone():
        count = revoke(
            ledger, options.environment, options.scope, KINDS[options.kind], hashes, replace=options.replace
        )
    facts = {"scope": options.scope.hex(), "kind": options.kind, "count": count}
    tell(options, facts, f"{count} entries of kind {options.kind} stand there with the next publication")
    return 0


def run_put(options: argparse.Namespace) -> int:
    """Take in a document to publish beside the keys, or publish it no more."""
    from trustsync.hub.content import drop_content, put_content

    config = load_config(data_of(options))
    if options.drop:
        drop_content(config, options.name)
    else:
        put_content(config, options.name, options.file.read_bytes())
    word = "published no more" if options.drop else "published"
    tell(
        options,
        {"name": options.name, "dropped": options.drop},
        f"{options.name}: {word} with the next publication",
    )
    return 0


def run_advisories(options: argparse.Namespace) -> int:
    """Take in advisories about the software of the appliances."""
    from trustsync.advisories import encode_advisories, matches
    from trustsync.hub.advisories import installed, read_osv, read_sbom, relevant, unreadable
    from trustsync.hub.content import put_content

    config = load_config(data_of(options))
    sboms = [read_sbom(path.read_bytes()) for path in options.sbom] or [installed()]
    found = relevant((each for path in options.file for each in read_osv(path.read_bytes())), sboms)
    put_content(config, "advisories", encode_advisories(found))
    weak = sorted({each.id for packages in sboms for each in matches(found, packages)})
    for name in unreadable(found):
        say(f"{name}: a version that cannot be compared; every unit will call itself concerned")
    facts = {"advisories": len(found), "concerned": weak}
    words = f"{len(found)} advisories; of these SBOMs concerned: {', '.join(weak) or 'none'}"
    tell(options, facts, words)
    return 0


def run_sbom(options: argparse.Namespace) -> int:
    """Write the SBOM of this environment."""
    from trustsync.hub.advisories import installed, make_sbom

    data = make_sbom(installed(), now_of(options))
    if options.out is None:
        print(data.decode(), end="", flush=True)
    else:
        write_whole(options.out, data)
        tell(options, {"file": str(options.out)}, str(options.out))
    return 0


def run_reviewer(options: argparse.Namespace) -> int:
    """Make a key for a reviewer."""
    from trustsync.hub.founding import check_name, make_key, reviewer_entry

    check_name(options.name)
    point = make_key(options.out)
    words = reviewer_entry(options.name, point)
    say(f"GIVE AWAY: {options.out} belongs to {options.name} alone; hub.toml gets:")
    tell(options, {"name": options.name, "key": point.hex(), "file": str(options.out)}, words)
    return 0
