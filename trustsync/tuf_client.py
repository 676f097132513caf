"""The command ``vaxgate-tuf-client``: our TUF client as the conformance suite of the TUF project calls it.

The rules this module keeps:

* It is the sync's own client: the same fetcher with the same limits, the same wrapped python-tuf, the same
  database for what was proven. Only the trust lists are missing.
* ``init`` asks nothing of the network; every other call begins with a refresh.
* What is trusted lies in ``state.db``. For the suite, and for eyes, each command leaves copies of it beside
  that, under names without a version (``root.json``); they are never read.
* Exits 0 when all was done, 1 when anything was not, 2 on wrong use.

    vaxgate-tuf-client --metadata-dir D init root.json
    vaxgate-tuf-client --metadata-dir D --metadata-url URL refresh
    vaxgate-tuf-client --metadata-dir D --metadata-url URL --target-name trust/keys.cbor \\
        --target-base-url URL --target-dir T download
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]  # python-tuf re-exports it unmarked

from trustsync.client import Repository, root_version, signed_at
from trustsync.errors import Alarm, RefusedError, StoreError, TrustSyncError
from trustsync.fetcher import Fetcher
from trustsync.state import ROOT, StateDatabase, StoredMetadata

_STATE = "state.db"
_MAX_ROOT = 1 << 20  # bytes of a root file
_NEEDED = {
    "refresh": ("metadata_url",),
    "download": ("metadata_url", "target_name", "target_base_url", "target_dir"),
}
_EXAMPLES = """examples:
  vaxgate-tuf-client --metadata-dir D init root.json
  vaxgate-tuf-client --metadata-dir D --metadata-url http://127.0.0.1:8000/metadata refresh
  vaxgate-tuf-client --metadata-dir D --metadata-url http://127.0.0.1:8000/metadata \\
      --target-name trust/keys.cbor --target-base-url http://127.0.0.1:8000/targets --target-dir T download
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments and return its exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    for name in _NEEDED.get(options.verb, ()):
        if getattr(options, name) is None:
            parser.error(f"{options.verb} needs --{name.replace('_', '-')}")
    done: dict[str, object] = {"ok": True}
    try:
        options.metadata_dir.mkdir(parents=True, exist_ok=True)
        with StateDatabase(options.metadata_dir / _STATE) as database:
            try:
                if options.verb == "init":
                    _init(database, options.root)
                else:
                    done |= _update(database, options)
            finally:
                # What was proven counts, also when a later step failed.
                done["roles"] = _copy_out(database, options.metadata_dir)
    except (TrustSyncError, OSError) as error:
        alarm = error.alarm.value if isinstance(error, RefusedError) else None
        done |= {"ok": False, "error": str(error), "alarm": alarm}
        print(f"vaxgate-tuf-client: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(done, ensure_ascii=False))
    return 0 if done["ok"] else 1


def _init(database: StateDatabase, file: Path) -> None:
    """Take a root as the anchor; a directory has one, for good."""
    if database.metadata():
        raise StoreError("a root was given to this directory before; nothing was changed. Give an empty one")
    with file.open("rb") as opened:
        data = opened.read(_MAX_ROOT)
    database.keep_metadata([StoredMetadata(ROOT, root_version(data), data)], None)


def _update(database: StateDatabase, options: argparse.Namespace) -> dict[str, object]:
    """Refresh, then fetch the targets that were asked for, in their order, up to the first failure."""
    stored = database.metadata()
    anchor = next((item.data for item in stored if item.role == ROOT), None)  # roots come by version
    if anchor is None:
        raise StoreError("no root was ever given to this directory; nothing was asked. Run init first")
    now, floor = datetime.now(UTC), database.state().floor
    fetcher = Fetcher()
    with tempfile.TemporaryDirectory(prefix="vaxgate-tuf-") as work:
        repository = Repository(
            None,
            anchor,
            Path(work),
            fetcher,
            reference_time=now if floor is None else max(now, floor),
            stored=stored,
            metadata_url=options.metadata_url,
            targets_url=options.target_base_url,
        )
        try:
            repository.refresh()
            for path in options.target_name if options.verb == "download" else ():
                info = repository.find(path)
                if info is None:
                    raise RefusedError(f"{path}: no role that may speak for it signs it", Alarm.CONTENT)
                _download(repository, info, options.target_dir)
        finally:
            timestamp, floor = repository.timestamp, None
            if timestamp is not None:
                with contextlib.suppress(RefusedError):  # others need not say when they signed
                    floor = signed_at(timestamp)
            database.keep_metadata(repository.proven(), floor)
    return {"requests": fetcher.requests, "received": fetcher.received}


def _download(repository: Repository, info: TargetFile, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    destination = directory / _file_name(info.path)
    if not _holds(destination, info):
        partial = directory / f".{next(iter(info.hashes.values()))}.part"
        repository.download(info, destination, partial)


def _holds(file: Path, info: TargetFile) -> bool:
    try:
        with file.open("rb") as opened:
            info.verify_length_and_hashes(opened)
    except (OSError, LengthOrHashMismatchError):
        return False
    return True


def _copy_out(database: StateDatabase, directory: Path) -> dict[str, int]:
    """Write what is trusted beside the database, each role once, and remove what is not trusted any more."""
    trusted = {item.role: item for item in database.metadata()}  # of the roots the last one
    files = {_file_name(f"{role}.json"): item.data for role, item in trusted.items()}
    for name, data in files.items():
        fresh = directory / f".{name}.new"
        fresh.write_bytes(data)
        fresh.replace(directory / name)
    for file in directory.glob("*.json"):
        if file.name not in files:
            file.unlink()
    return {role: item.version for role, item in trusted.items()}


def _file_name(name: str) -> str:
    """One file in one directory for any name, as python-tuf writes it; never ``.`` or ``..``."""
    quoted = quote(name, "")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaxgate-tuf-client",
        description="Our TUF client, called as the tuf-conformance suite calls a client.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vaxgate-tuf-client {version('vaxgate')}")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")
    parser.add_argument(
        "--metadata-dir", type=Path, required=True, metavar="D", help="where the trusted metadata live"
    )
    parser.add_argument("--metadata-url", metavar="URL", help="address of the repository's metadata")
    parser.add_argument(
        "--target-name", action="append", metavar="PATH", help="a target to fetch; may be given again"
    )
    parser.add_argument("--target-base-url", metavar="URL", help="address of the repository's targets")
    parser.add_argument("--target-dir", type=Path, metavar="T", help="where targets are put")
    verbs = parser.add_subparsers(title="verbs", required=True, dest="verb", metavar="VERB")
    init = verbs.add_parser("init", help="take ROOT as the anchor; asks nothing of the network")
    init.add_argument("root", type=Path, metavar="ROOT", help="the root to trust")
    verbs.add_parser("refresh", help="bring the metadata up to date (needs --metadata-url)")
    verbs.add_parser(
        "download",
        help="refresh, then fetch targets (needs all options but --json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
