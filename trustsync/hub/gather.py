"""Gathering: each source is fetched, archived, proven, read, and only then takes the place of what was held.

    1. fetch    raw bytes, within limits
    2. archive  as they came, under their SHA-256, before anybody believes them
    3. read     the importer authenticates, then parses
    4. compare  a list that goes back in time is refused
    5. hold     the list, its revocation entries, and where each key was seen

The rules this module keeps:

* A source that fails keeps the list that is held of it, and is reported; the others go on.
* Nothing is published here. What changed is for :mod:`trustsync.hub.review` and for people.
* A list that only its connection vouches for, and that came over none, is vouched for by nobody: each key of
  it needs a person.
* The archive is never written over: what a list said on a day can be read again, and gives the same keys.

    with Fetch() as get:
        results = gather(config, ledger, now, get)
    [result.error for result in results]         # None where the list is held now
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from trustsync.canonical import TargetError
from trustsync.files import flush
from trustsync.hub.config import HubConfig, HubError
from trustsync.hub.ledger import HubLedger
from trustsync.hub.records import ENTRY, HeldList
from trustsync.hub.sources import importer_of
from trustsync.hub.upstream import (
    MAX_RAW,
    Authentication,
    Get,
    Reply,
    Source,
    UpstreamError,
    UpstreamList,
)
from trustsync.segments import encode_timed_segment, sorted_entries
from trustsync.targets import AuthorityRecord, KeyRecord
from verifier.times import written
from verifier.trust import HashKind

Progress = Callable[[str], None]

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # a raw file's name, chosen by its importer
# A list signed in the future would make every later one look old: more than clocks differ is refused.
_AHEAD = timedelta(days=1)
_PATIENCE = 1800.0  # seconds for all requests of one source: some take thousands, each within its own limits
_UNFINISHED = ".new-"  # how a folder of the archive begins that is not whole yet


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of one source. error: why its list was not taken; the one before is then held on.

    held_at: when the list that is held was fetched, ``None`` when none is. keys, authorities, revoked: counts
    of the list that came. skipped: entries that were left out. archive: the folder
    of the raw bytes, below the archive; empty when nothing could be fetched.
    """

    source: str
    error: str | None = None
    held_at: datetime | None = None
    keys: int = 0
    authorities: int = 0
    revoked: int = 0
    skipped: tuple[str, ...] = ()
    archive: str = ""


def gather(
    config: HubConfig,
    ledger: HubLedger,
    now: datetime,
    get: Get,
    *,
    only: Collection[str] = (),
    offline: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Gathered, ...]:
    """Bring what is held of each source up to date; what became of each, in the order of the configuration.

    get: asks the network. only: names of sources, empty for all. offline: in place of the network a folder
    with one folder of raw files for each source, such as the archive itself; sources without one are left
    alone. progress: told each step in a few words. Raises HubError for a name that no source has, and for a
    folder with nothing of any.
    """
    say = progress or (lambda _step: None)
    known = {source.name for source in config.sources}
    if unknown := sorted(set(only) - known):
        raise HubError(f"there is no source {', '.join(unknown)}; hub.toml names {', '.join(sorted(known))}")
    results = []
    for source in config.sources:
        if only and source.name not in only:
            continue
        if offline is not None and not (offline / source.name).is_dir():
            say(f"{source.name}: nothing of it in {offline}")
            continue
        results.append(_gather_one(config, ledger, source, now, get, offline=offline, say=say))
    if offline is not None and not results:
        raise HubError(
            f"{offline} holds no folder of raw files with the name of a source; nothing was gathered. Each "
            f"source has one there, as in {config.archive}"
        )
    return tuple(results)


def _gather_one(
    config: HubConfig,
    ledger: HubLedger,
    source: Source,
    now: datetime,
    get: Get,
    *,
    offline: Path | None,
    say: Progress,
) -> Gathered:
    archived = ""
    before = ledger.lists().get(source.name)
    held_at = before.fetched_at if before is not None else None
    try:
        importer = importer_of(source)
        # 1. Fetch.
        if offline is None:
            say(f"{source.name}: asking {source.url}")
            raw: Mapping[str, bytes] = importer.fetch(source, _patient(get, _PATIENCE))
        else:
            raw = read_folder(newest_folder(offline / source.name))
        # 2. Archive. Locked for moments of writing only: a slow publisher must not hold up the publication.
        with ledger.alone():
            archived = archive(config.archive, source.name, raw, now)
        # 3. Read: authenticate, then parse.
        upstream = importer.read(raw, source, now)
        over_tls = offline is None and urlsplit(source.url).scheme == "https"
        if upstream.authentication is Authentication.TLS and not over_tls:
            upstream = replace(upstream, authentication=Authentication.UNPROVEN)
        held = _as_held(source, upstream, archived, now)
        entries = _packed(upstream)
        with ledger.alone():
            # 4. Compare: with what is held now, since another gathering may have been quicker.
            _check_forward(upstream, ledger.lists().get(source.name), now)
            # 5. Hold.
            with ledger.change():
                ledger.keep_list(held, entries)
    except (UpstreamError, TargetError) as error:
        return Gathered(source.name, str(error), held_at, archive=archived)
    except Exception as error:  # noqa: BLE001 - whatever one list does to its importer, the others go on
        return Gathered(
            source.name,
            f"its importer failed ({type(error).__name__}: {error}); what is held of it stays. "
            "Tell the maintainers of this program",
            held_at,
            archive=archived,
        )
    say(f"{source.name}: {len(held.keys)} keys, proven: {held.authentication}")
    return Gathered(
        source.name,
        None,
        now,
        len(held.keys),
        len(held.authorities),
        sum(len(data) // ENTRY for data in entries.values()),
        held.skipped,
        archived,
    )


def _patient(get: Get, seconds: float) -> Get:
    """``get`` until so much time is over: a server that always has one page more must not keep the others."""
    end = time.monotonic() + seconds

    def limited(url: str, headers: Mapping[str, str]) -> Reply:
        if time.monotonic() > end:
            raise UpstreamError(f"{url}: its requests took more than {seconds:g} s; what is held of it stays")
        return get(url, headers)

    return limited


def _check_forward(upstream: UpstreamList, before: HeldList | None, now: datetime) -> None:
    """Raise UpstreamError for a list that is empty, of the future, or not known to follow the one held."""
    if not (upstream.keys or upstream.authorities or upstream.revoked or upstream.revoked_before):
        raise UpstreamError("the list is empty; what is held of it stays")
    if upstream.signed_at is not None and upstream.signed_at > now + _AHEAD:
        raise UpstreamError(
            f"the list says that it was signed at {written(upstream.signed_at)}, and it is {written(now)}; "
            "what is held of it stays. Look at this machine's clock, then ask the publisher"
        )
    if before is None or before.environment != upstream.environment:
        return
    if upstream.version is not None and before.version is not None and upstream.version < before.version:
        raise UpstreamError(
            f"the list goes backwards: version {upstream.version}, and {before.version} is held; it was "
            "refused. If the publisher really started over, add it under another name"
        )
    if (before.version is not None and upstream.version is None) or (
        before.signed_at is not None and upstream.signed_at is None
    ):
        raise UpstreamError(
            "the list does not say its version or date any more, so that an old one could not be told from a "
            "new one; it was refused. If the publisher really changed it, add it under another name"
        )
    if upstream.signed_at is None or before.signed_at is None:
        return
    if upstream.signed_at < before.signed_at:
        raise UpstreamError(
            f"the list goes backwards: signed at {written(upstream.signed_at)}, and one of "
            f"{written(before.signed_at)} is held; it was refused"
        )


def _as_held(source: Source, upstream: UpstreamList, archived: str, now: datetime) -> HeldList:
    """The list as the hub holds it; entries that no list may carry are left out by name."""
    left_out = list(upstream.skipped)
    keys = []
    for key in upstream.keys:
        if not key.kid:
            left_out.append("a key without KID: no code could name it, and it would be tried for every code")
        else:
            keys.append(KeyRecord(replace(key, source=source.name), source.environment))
    return HeldList(
        source=source.name,
        environment=source.environment,
        authentication=upstream.authentication,
        fetched_at=now,
        archive=archived,
        keys=tuple(keys),
        authorities=tuple(
            AuthorityRecord(replace(each, source=source.name), source.environment)
            for each in upstream.authorities
        ),
        version=upstream.version,
        signed_at=upstream.signed_at,
        valid_until=upstream.valid_until,
        skipped=tuple(left_out),
    )


def _packed(upstream: UpstreamList) -> dict[tuple[bytes, HashKind], bytes]:
    """Entries by scope and kind, sorted, side by side.

    Raises UpstreamError for one that is too short, and for one that lets in where lists only revoke.
    """
    grouped: dict[tuple[bytes, HashKind], bytearray] = {}
    for scope, kind, digest in upstream.revoked:
        if kind is HashKind.ALLOWED:
            raise UpstreamError("the list wants certificates to stay good; people of the hub decide that")
        if len(digest) < ENTRY:
            raise UpstreamError(f"a revocation entry of {len(digest)} bytes; {ENTRY} are needed")
        grouped.setdefault((scope, kind), bytearray()).extend(digest[:ENTRY])
    before: dict[bytes, list[tuple[bytes, datetime]]] = {}
    for scope, digest, instant in upstream.revoked_before:
        before.setdefault(scope, []).append((digest, instant))
    return {place: sorted_entries(data, ENTRY) for place, data in grouped.items()} | {
        (scope, HashKind.RID_BEFORE): encode_timed_segment(pairs) for scope, pairs in before.items()
    }


# --- The archive ------------------------------------------------------------------------------------------


def archive(root: Path, name: str, raw: Mapping[str, bytes], now: datetime) -> str:
    """Put raw files into the archive; their folder's path below ``root``.

    The same bytes are kept once: a list that did not change since leads to the folder that is there already.
    What is given back is on the medium, whole. To be called under the hub's lock: what a killed process left
    unfinished is swept. Raises UpstreamError for a file name that is none, or when the archive cannot be
    written.
    """
    for file in raw:
        if not _FILE.fullmatch(file):
            raise UpstreamError(f"{file!r} is no name for a raw file")
    digest = raw_digest(raw)
    try:
        place = root / name
        place.mkdir(parents=True, exist_ok=True)
        for folder in place.iterdir():
            if folder.name.startswith(_UNFINISHED):
                shutil.rmtree(folder)
            elif folder.name.endswith(f"-{digest}"):
                return f"{name}/{folder.name}"
        final = place / f"{now:%Y%m%dT%H%M%SZ}-{digest}"
        with tempfile.TemporaryDirectory(dir=place, prefix=_UNFINISHED) as beside:
            whole = Path(beside) / "raw"
            whole.mkdir()
            for file, data in raw.items():
                with (whole / file).open("wb") as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
            flush(whole)
            whole.rename(final)
        for folder in (place, root):
            flush(folder)
    except OSError as error:
        raise UpstreamError(
            f"the archive {root} cannot be written: {error.strerror}; nothing was taken"
        ) from error
    return f"{name}/{final.name}"


def raw_digest(raw: Mapping[str, bytes]) -> str:
    """The SHA-256 over the names and contents of raw files, in hex."""
    whole = hashlib.sha256()
    for file in sorted(raw):
        whole.update(f"{file}\0{hashlib.sha256(raw[file]).hexdigest()}\n".encode())
    return whole.hexdigest()


def newest_folder(folder: Path) -> Path:
    """The folder of raw files itself, or, where it holds folders as the archive does, the newest of them."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return inside[-1] if inside else folder


def read_folder(folder: Path) -> dict[str, bytes]:
    """Raw files from a folder. Raises UpstreamError when there are none, or one is too large."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        for path in files:
            if path.stat().st_size > MAX_RAW:
                raise UpstreamError(f"{path} has more than {MAX_RAW} bytes; that is no list")
        raw = {path.name: path.read_bytes() for path in files}
    except OSError as error:
        raise UpstreamError(f"{folder} cannot be read: {error.strerror}") from error
    if not raw:
        raise UpstreamError(f"{folder} holds no raw files")
    return raw
