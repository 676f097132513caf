"""The command ``vaxgate-hub``: from the lists of others to a signed repository that any web server serves.

The rules this module keeps:

* Results on stdout, talk on stderr; ``--json`` gives one object.
* Exit 0 when it is done; ``diff`` 10 when there is something to publish and 20 when reviewers must see it
  first; 1 when a source failed or nothing was published; 2 when it cannot be done as it was asked.
* ``--clock`` stands for now in everything that is done.

    vaxgate-hub init hub --reviewer an --reviewer binh
    vaxgate-hub gather --data hub
    vaxgate-hub diff --data hub
    vaxgate-hub approve --data hub --by an --key hub/reviewers/an.key
    vaxgate-hub publish --data hub
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence

from nacl.signing import SigningKey

from trustsync.errors import TrustSyncError
from trustsync.files import write_whole
from trustsync.hub import brought
from trustsync.hub.answers import data_of, now_of, opened, say, tell
from trustsync.hub.config import CONFIG, HubConfig, HubError, NotPublishedError, load_config
from trustsync.hub.ledger import HubLedger
from trustsync.hub.options import build_parser, kid_of_text
from trustsync.hub.review import Change, approved_by, missing, sign_change
from trustsync.publishing import ROOT
from verifier.families import shown_kid
from verifier.times import written
from verifier.wire.keyfile import kid_readings

_LOOK_EVERY = 3600  # seconds; nothing happens then, but a signal is waited for
TO_PUBLISH, TO_REVIEW = 10, 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except NotPublishedError as error:
        return _failed(str(error), 1)
    except TrustSyncError as error:
        return _failed(str(error), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has read enough
        return 1
    except OSError as error:
        return _failed(f"{error.filename or 'a file'}: {error.strerror}", 1)
    except sqlite3.Error as error:
        return _failed(f"the hub's state could not be used: {error}", 1)


def _init(options: argparse.Namespace) -> int:
    from trustsync.hub.founding import found_hub

    founded = found_hub(options.dir, reviewers=options.reviewer)
    for folder in founded.offline:
        say(f"TAKE AWAY: {folder} holds keys that belong into a safe, not on this machine")
    for file in founded.reviewers:
        say(f"GIVE AWAY: {file} belongs to that reviewer alone")
    if not founded.reviewers:
        say("the first publication asks for two reviewers; make their keys: vaxgate-hub reviewer")
    directory = founded.config.directory
    facts = {
        "dir": str(directory),
        "config": str(directory / CONFIG),
        "offline": [str(folder) for folder in founded.offline],
        "reviewers": [str(file) for file in founded.reviewers],
    }
    tell(options, facts, f"hub in {directory}; name its sources in {directory / CONFIG}")
    return 0


def _gather(options: argparse.Namespace) -> int:
    from trustsync.hub.fetch import Fetch
    from trustsync.hub.gather import gather

    with opened(options) as (config, ledger), Fetch() as get:
        results = gather(
            config,
            ledger,
            now_of(options),
            get,
            only=options.only,
            offline=options.offline,
            progress=say,
        )
    lines = []
    for each in results:
        if each.error is not None:
            stands = "nothing" if each.held_at is None else f"the list of {written(each.held_at)}"
            lines.append(f"{each.source:<16} NOT TAKEN, {stands} is held: {each.error}")
            continue
        counts = f"{each.keys} keys, {each.authorities} CSCAs, {each.revoked} revoked"
        lines.append(f"{each.source:<16} {counts}, {len(each.skipped)} left out")
        lines += [f"{'':<16}   left out: {text}" for text in each.skipped]
    facts = {
        "sources": [
            {
                "source": each.source,
                "error": each.error,
                "held_at": None if each.held_at is None else written(each.held_at),
                "keys": each.keys,
                "authorities": each.authorities,
                "revoked": each.revoked,
                "skipped": list(each.skipped),
                "archive": each.archive,
            }
            for each in results
        ]
    }
    tell(options, facts, "\n".join(lines) or "hub.toml names no source")
    return 1 if any(each.error is not None for each in results) else 0


def _diff(options: argparse.Namespace) -> int:
    with opened(options) as (config, ledger):
        change = _change(options, config, ledger)
        approvals = ledger.approvals(options.environment)
        lacking = missing(change, approvals, config.reviewers)
        signed = approved_by(change, approvals, config.reviewers)
    facts = change.as_json() | {"approved_by": signed, "missing": lacking}
    words = change.as_text() + (f"\nsigned by {', '.join(signed)}" if signed else "")
    tell(options, facts, words)
    return 0 if change.empty else TO_REVIEW if lacking else TO_PUBLISH


def _approve(options: argparse.Namespace) -> int:
    from trustsync.hub.publish import load_private

    with opened(options) as (config, ledger), ledger.alone():
        known = config.reviewers.get(options.by)
        if known is None:
            names = ", ".join(config.reviewers) or "nobody"
            raise HubError(f"hub.toml names no reviewer {options.by!r}; it names {names}")
        key = SigningKey(load_private(options.key).private_bytes_raw())
        if bytes(key.verify_key) != known:
            raise HubError(f"{options.key} is not the key that hub.toml names for {options.by}")
        change = _change(options, config, ledger)
        if change.empty:
            raise HubError(f"nothing changed in {options.environment}; there is nothing to sign")
        if options.digest and not change.digest.hex().startswith(options.digest):
            raise HubError(
                f"the change is {change.digest.hex()[:16]} now, and not the one that you have seen; look "
                "again: vaxgate-hub diff"
            )
        say(change.as_text())
        with ledger.change():
            ledger.approve(options.environment, sign_change(change, options.by, key, now_of(options)))
        lacking = missing(change, ledger.approvals(options.environment), config.reviewers)
    facts = {"digest": change.digest.hex(), "by": options.by, "missing": lacking}
    tell(options, facts, f"{options.by} signed {change.digest.hex()}; {lacking or 'it may be published'}")
    return 0


def _publish(options: argparse.Namespace) -> int:
    from trustsync.hub.publish import load_signers, publish

    with opened(options) as (config, ledger):
        places = options.keys or [config.directory / "keys" / options.environment]
        published = publish(
            config,
            ledger,
            options.environment,
            now_of(options),
            load_signers(places),
            nightly=options.nightly,
            progress=say,
        )
        where = config.repository(options.environment)
    for waits in published.waiting:
        say(f"waiting: {waits}")
    made = published.publication
    facts = {
        "dir": str(where),
        "root": str(where / ROOT),
        "signed_at": written(made.signed_at),
        "versions": dict(made.versions),
        "changed": list(made.changed),
        "waiting": list(published.waiting),
    }
    news = ", ".join(f"{role} {made.versions[role]}" for role in made.changed) or "nothing new"
    tell(options, facts, f"published {options.environment} at {written(made.signed_at)} ({news}): {where}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from trustsync.hub.serve import Server, repository_app  # the other verbs need no web server

    config = load_config(data_of(options))
    where = config.repository(options.environment)
    if not (where / ROOT).is_file():
        raise HubError(f"nothing is published in {where} yet; run vaxgate-hub publish")
    if options.ready_file is not None:
        options.ready_file.unlink(missing_ok=True)  # one of an earlier run would tell of a port that is gone
    with Server(repository_app(where), port=options.port) as server:
        ready = {"url": server.url, "pid": os.getpid(), "root": str((where / ROOT).resolve())}
        if options.ready_file is not None:
            write_whole(options.ready_file, (json.dumps(ready) + "\n").encode())
        tell(options, ready, f"serving {server.url} (root to pin: {ready['root']}); stop with Ctrl-C")
        while not stop.wait(_LOOK_EVERY):
            pass
    return 0


def _show(options: argparse.Namespace) -> int:
    with opened(options) as (config, ledger):
        readings = dict.fromkeys((kid_of_text(options.kid), *kid_readings(options.kid)))
        traces = [trace for kid in readings for trace in ledger.traces(kid)]
        decisions = {
            trace.environment: ledger.decisions(trace.environment).get(trace.key.kid) for trace in traces
        }
    if not traces:
        raise HubError(f"no list ever had a key with KID {options.kid}")
    rows = [
        {
            "kid": shown_kid(trace.key.domain, trace.key.kid),
            "domain": trace.key.domain.value if trace.key.domain else None,
            "issuer": trace.key.issuer,
            "environment": trace.environment,
            "source": trace.source,
            "proven": trace.authentication.value,
            "archive": str(config.archive / trace.archive),
            "first_at": written(trace.first_at),
            "last_at": written(trace.last_at),
        }
        for trace in traces
    ]
    decided = [
        {"environment": environment, "word": each.word, "by": each.by, "at": written(each.at)}
        for environment, each in decisions.items()
        if each is not None
    ]
    lines = [
        f"{row['kid']} ({row['domain']}) in {row['source']}, proven: {row['proven']}, {row['environment']}\n"
        f"  from {row['first_at']} to {row['last_at']}, raw bytes: {row['archive']}"
        for row in rows
    ] + [f"{each['word']} in {each['environment']} by {each['by']} at {each['at']}" for each in decided]
    tell(options, {"seen": rows, "decided": decided}, "\n".join(lines))
    return 0


def _change(options: argparse.Namespace, config: HubConfig, ledger: HubLedger) -> Change:
    from trustsync.hub.publish import candidate_of, change_of

    return change_of(ledger, candidate_of(config, ledger, options.environment))


def _failed(message: str, status: int) -> int:
    say(f"vaxgate-hub: {message}")
    return status


def _parser() -> argparse.ArgumentParser:
    return build_parser(
        {
            "init": _init,
            "gather": _gather,
            "diff": _diff,
            "approve": _approve,
            "publish": _publish,
            "serve": _serve,
            "show": _show,
            "distrust": brought.run_distrust,
            "reinstate": brought.run_reinstate,
            "revoke": brought.run_revoke,
            "put": brought.run_put,
            "advisories": brought.run_advisories,
            "sbom": brought.run_sbom,
            "reviewer": brought.run_reviewer,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
