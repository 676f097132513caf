"""The command ``vaxgate-sync``: bring the trust list up to date, or say how it stands.

The rules this module keeps:

* Results on stdout, talk on stderr; ``--json`` gives one object.
* ``once`` exits 0 when the list in force is the published one, 1 when it could not be had, 2 on wrong use;
  ``status`` exits 0 (FRESH, STALE-1), 10 (STALE-2, STALE-3) or 40.

    vaxgate-sync once --url http://127.0.0.1:8000 --root root.json
    vaxgate-sync status --json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from trustsync.errors import RefusedError, SettingsError, TrustSyncError
from trustsync.paths import load_settings, trust_dir
from trustsync.status import Status, iso, read_status

_MAX_ROOT = 1 << 20  # bytes of a root file
_COUNTED = {"trust": "keys", "revocation": "entries", "rules": "bundles"}
_COLOURS = {0: "32", 10: "33", 40: "31"}
_EXAMPLES = """examples:
  vaxgate-sync once --url https://trust.example --root root.json
  vaxgate-sync once --config /etc/vaxgate/vaxgate.toml --json
  vaxgate-sync status
  vaxgate-sync status --json --at 2021-11-30T12:00:00Z
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except SettingsError as error:
        print(f"vaxgate-sync: {error}", file=sys.stderr)
        return 2


def _once(options: argparse.Namespace) -> int:
    from trustsync.sync import SyncConfig, sync_once  # `status` needs no TUF and no network

    settings = load_settings(options.config)
    url, root = options.url or settings.url, options.root or settings.root
    if not url or not root:
        raise SettingsError(
            "the repository is not named; give --url and --root, or url and root in [trust] of vaxgate.toml"
        )
    config = SyncConfig(url=_checked(url), root=_root_bytes(root), store=_store(options))
    try:
        now = options.at or datetime.now(UTC)
        result = sync_once(config, now=now, progress=lambda step: print(step, file=sys.stderr))
    except SettingsError:
        raise
    except TrustSyncError as error:
        alarm = error.alarm.value if isinstance(error, RefusedError) else None
        if options.json:
            print(json.dumps({"ok": False, "error": str(error), "alarm": alarm}, ensure_ascii=False))
        print(f"vaxgate-sync: {error}", file=sys.stderr)
        return 1
    if options.json:
        answer = {
            "ok": True,
            "changed": result.changed,
            "generation": result.generation,
            "signed_at": iso(result.signed_at),
            "fetched": list(result.fetched),
            "linked": list(result.linked),
            "requests": result.requests,
            "received": result.received,
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        word = "new" if result.changed else "unchanged"
        print(f"list {word}: generation {result.generation}, signed {iso(result.signed_at)}")
    return 0


def _status(options: argparse.Namespace) -> int:
    now = options.at or datetime.now(UTC)
    store = _store(options)
    status = read_status(store, now)
    if options.json:
        print(json.dumps(status.as_json() | {"store": str(store)}, ensure_ascii=False))
    else:
        print(_for_people(status, store))
    return status.exit_code


def _for_people(status: Status, store: Path) -> str:
    state = status.state
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        state = f"\x1b[{_COLOURS[status.exit_code]}m{state}\x1b[0m"
    lines = [f"state       {state}", f"clock       {status.clock.value}", f"store       {store}"]
    if status.signed_at is not None and status.age_s is not None:
        lines.append(f"signed at   {iso(status.signed_at)} ({status.age_s / 3600:.1f} h ago)")
    if status.generation is not None:
        lines.append(f"generation  {status.generation}")
    for name, item in status.sets.items():
        lines.append(
            f"  {name:<12}version {item.version}, {item.count} {_COUNTED[name]}, expires {iso(item.expires)}"
        )
    if status.last_error is not None:
        lines.append(f"last error  {status.last_error}")
    lines.extend(f"alarm       {alarm.code.value} since {iso(alarm.at)}" for alarm in status.alarms)
    return "\n".join(lines)


def _store(options: argparse.Namespace) -> Path:
    if options.store is not None:
        return Path(options.store)
    return load_settings(options.config).store or trust_dir()


def _root_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_ROOT + 1)
    except OSError as error:
        raise SettingsError(f"the root {path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_ROOT:
        raise SettingsError(f"the root {path} is larger than {_MAX_ROOT} bytes; that is no root")
    try:
        is_root = json.loads(data)["signed"]["_type"] == "root"
    except (ValueError, KeyError, TypeError, RecursionError):
        is_root = False
    if not is_root:
        raise SettingsError(f"the root {path} is no TUF root; pin the publisher's root.json")
    return data


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{url}: an address that begins with http:// or https:// is expected")
    return url


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant such as 2021-11-30T12:00:00Z") from None
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write 2021-11-30T12:00:00Z")
    return instant


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaxgate-sync",
        description="Keeps the signed trust list of this machine up to date.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vaxgate-sync {version('vaxgate')}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--store", type=Path, metavar="DIR", help="trust store (default: this machine's)")
    shared.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: the vaxgate.toml in force)"
    )
    shared.add_argument("--json", action="store_true", help="answer with one JSON object")

    once = verbs.add_parser(
        "once",
        parents=[shared],
        help="sync now",
        description="Fetches the published list, proves it, and puts it in force.",
        epilog="example:\n  vaxgate-sync once --url http://127.0.0.1:8000 --root root.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    once.add_argument("--url", help="address of the repository, above metadata/ and targets/")
    once.add_argument("--root", type=Path, metavar="ROOT.json", help="the pinned root")
    once.add_argument(
        "--at",
        type=_instant,
        metavar="INSTANT",
        help="sync as of this instant, for CI against an issuer with a --clock (default: now)",
    )
    once.set_defaults(run=_once)

    status = verbs.add_parser(
        "status",
        parents=[shared],
        help="say how the list stands",
        description="Exit status: 0 FRESH or STALE-1, 10 STALE-2 or STALE-3, 40 otherwise.",
        epilog="example:\n  vaxgate-sync status --json --at 2021-11-30T12:00:00Z",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument("--at", type=_instant, metavar="INSTANT", help="as of this instant (default: now)")
    status.set_defaults(run=_status)
    return parser


if __name__ == "__main__":
    sys.exit(main())
