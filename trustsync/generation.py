"""One generation of the trust list: a directory that is built once, proven, and never changed.

    generations/000007/
        manifest.json                    SHA-256 and size of every file below; its own hash is the digest
        generation.db                    keys, authorities, test KIDs, bundles, segments, sets: for the reader
        targets/trust/keys.cbor          the targets as they were signed
        targets/revocation/....seg       sorted segments, mapped as they are

The rules this module keeps:

* Built beside the old one, every file synced before the directory gets its name, the name synced after.
* Unchanged targets are hard links into the generation before: nothing is fetched or written twice.
* ``PRAGMA integrity_check`` finds a flipped bit one time in ten; the digest finds it every time.
* A generation of an earlier release stays readable: an upgraded unit judges by it until the next sync. What
  it has no column or table for, the lists of its day did not say.

    digest = finish(staged, number=7, accepted=accepted, sets=sets)
    manifest, faults = inspect(directory, digest)
    content = load(directory)
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trustsync.acceptance import Accepted
from trustsync.errors import StoreError
from trustsync.targets import PRODUCTION, RULES_PATH, TEST, SegmentRecord
from verifier.policy.bundle import BundleError, RuleBundle, decode_bundles
from verifier.trust import Authority, Domain, HashKind, KeyStatus, TrustedKey, authority_scope, key_name

DATABASE = "generation.db"
MANIFEST = "manifest.json"
TARGETS = "targets"
_FORM = 1
_CHUNK = 1 << 20

# A file that was hashed: device, inode, size, time of change. Hard links share it.
FileIdentity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class TargetSet:
    """What one role publishes. version, expires: of its signed metadata.

    count: keys and authorities, entries, bundles.
    """

    version: int
    expires: datetime
    count: int


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as the manifest lists it; sha256 in hex, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a generation by their path below its directory."""

    number: int
    files: Mapping[str, FileRecord]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at every byte found. faults: path to what is wrong with it. seen: what was hashed."""

    manifest: Manifest
    faults: Mapping[str, str]
    seen: Mapping[FileIdentity, str]


@dataclass(frozen=True, slots=True)
class Content:
    """A generation as the reader loads it.

    test_kids: of keys by :func:`verifier.trust.key_name`, of CSCAs by :func:`verifier.trust.authority_scope`.
    """

    keys: tuple[TrustedKey, ...]
    authorities: tuple[Authority, ...]
    test_kids: frozenset[bytes]
    bundles: tuple[RuleBundle, ...]
    segments: tuple[SegmentRecord, ...]
    sets: Mapping[str, TargetSet]


def directory_of(store: Path, number: int) -> Path:
    """Where generation ``number`` of a store lies."""
    return store / "generations" / f"{number:06d}"


def target_file(directory: Path, path: str) -> Path:
    """Where a generation keeps the target ``path``."""
    return directory / TARGETS / path


def finish(staged: Path, *, number: int, accepted: Accepted, sets: Mapping[str, TargetSet]) -> str:
    """Complete a staged directory that holds its targets: database, manifest, everything synced.

    The result is its digest. The directory is ready to be renamed to its place, see :func:`place`.
    """
    _write_database(staged, accepted, sets)
    files = {}
    for path in sorted(p for p in staged.rglob("*") if p.is_file()):
        _sync(path)
        files[path.relative_to(staged).as_posix()] = {"sha256": _sha256(path), "size": path.stat().st_size}
    manifest = json.dumps(
        {"v": _FORM, "generation": number, "files": files}, sort_keys=True, separators=(",", ":")
    ).encode()
    (staged / MANIFEST).write_bytes(manifest)
    _sync(staged / MANIFEST)
    for directory in (staged, *(p for p in staged.rglob("*") if p.is_dir())):
        _sync(directory)
    return hashlib.sha256(manifest).hexdigest()


def place(staged: Path, directory: Path) -> None:
    """Give a finished directory its final name, durably."""
    directory.parent.mkdir(exist_ok=True)
    staged.rename(directory)
    _sync(directory.parent)
    _sync(directory.parent.parent)


def inspect(
    directory: Path, digest: str, *, known: Mapping[FileIdentity, str] = MappingProxyType({})
) -> Inspection:
    """Hold every byte of a generation against its digest.

    known: files hashed earlier in this process; the same file under a new name is not hashed again.
    Raises StoreError when the manifest itself is missing or not the one of the digest.
    """
    manifest = _manifest(directory, digest)
    faults: dict[str, str] = {}
    seen: dict[FileIdentity, str] = {}
    for name, record in manifest.files.items():
        path = directory / name
        try:
            facts = path.stat()
            identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            found = known.get(identity) or _sha256(path)
        except FileNotFoundError:
            faults[name] = "missing"
            continue
        except OSError as error:
            faults[name] = f"unreadable ({error.strerror})"
            continue
        if found == record.sha256:
            seen[identity] = found
        else:
            faults[name] = "changed"
    return Inspection(manifest, MappingProxyType(faults), MappingProxyType(seen))


def load(directory: Path) -> Content:
    """The content of an inspected generation. Raises StoreError when its database is not as written."""
    uri = f"{(directory / DATABASE).absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM keys ORDER BY rowid")
            keys = tuple(_key(row) for row in rows)
            authorities = _authorities(connection)
            test_kids = frozenset(row["kid"] for row in connection.execute("SELECT kid FROM test_kids"))
            documents = connection.execute("SELECT document FROM bundles").fetchall()
            rows = connection.execute("SELECT * FROM segments ORDER BY path")
            segments = tuple(
                SegmentRecord(r["path"], r["scope"], HashKind(r["kind"]), r["count"], r["width"])
                for r in rows
            )
            sets = {
                row["name"]: TargetSet(
                    row["version"], datetime.fromtimestamp(row["expires"], UTC), row["count"]
                )
                for row in connection.execute("SELECT * FROM sets ORDER BY name")
            }
        bundles = tuple(b for row in documents for b in decode_bundles(row["document"]))
    except (sqlite3.Error, BundleError, ValueError, KeyError) as error:
        raise StoreError(
            f"{directory / DATABASE} cannot be loaded: {error}; no list can be vouched for. Sync anew"
        ) from error
    return Content(keys, authorities, test_kids, bundles, segments, MappingProxyType(sets))


def _manifest(directory: Path, digest: str) -> Manifest:
    try:
        data = (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise StoreError(
            f"{directory / MANIFEST} cannot be read ({error.strerror}); no list can be vouched for. Sync anew"
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise StoreError(
            f"{directory / MANIFEST} is not the one that was put in force; the card or a hand changed it. "
            "No list can be vouched for. Sync anew"
        )
    value = json.loads(data)  # its hash held: these are the bytes that `finish` wrote
    files = {name: FileRecord(item["sha256"], item["size"]) for name, item in value["files"].items()}
    return Manifest(value["generation"], MappingProxyType(files))


def _write_database(staged: Path, accepted: Accepted, sets: Mapping[str, TargetSet]) -> None:
    from sqlite_utils import Database  # the reader of this module does without

    connection = sqlite3.connect(staged / DATABASE)
    with contextlib.closing(connection):
        db = Database(connection, execute_plugins=False)
        with db.atomic():
            db.create_table("keys", _KEY_COLUMNS).insert_all(
                _key_row(record.key) for record in accepted.keys if record.environment == PRODUCTION
            )
            db.create_table("authorities", _AUTHORITY_COLUMNS).insert_all(
                _authority_row(record.authority)
                for record in accepted.authorities
                if record.environment == PRODUCTION
            )
            db.create_table("test_kids", {"kid": bytes}, pk="kid").insert_all(
                {"kid": name} for name in _test_names(accepted)
            )
            db.create_table("bundles", {"document": bytes}).insert(
                {"document": target_file(staged, RULES_PATH).read_bytes()}
            )
            db.create_table(
                "segments", {"path": str, "scope": bytes, "kind": int, "count": int, "width": int}, pk="path"
            ).insert_all(
                {"path": s.path, "scope": s.scope, "kind": int(s.kind), "count": s.count, "width": s.width}
                for s in accepted.segments
            )
            db.create_table(
                "sets", {"name": str, "version": int, "expires": int, "count": int}, pk="name"
            ).insert_all(
                {"name": name, "version": s.version, "expires": int(s.expires.timestamp()), "count": s.count}
                for name, s in sets.items()
            )


_KEY_COLUMNS: dict[str, Any] = {
    "kid": bytes,
    "spki": bytes,
    "country": str,
    "not_before": int,
    "not_after": int,
    "uses": str,
    "status": str,
    "certificate": bytes,
    "also_for": str,
    "source": str,
    "lenient": int,
    "domain": str,
    "issuer": str,
    "chained": int,
}

_AUTHORITY_COLUMNS: dict[str, Any] = {
    "key_id": bytes,
    "spki": bytes,
    "certificate": bytes,
    "country": str,
    "not_before": int,
    "not_after": int,
    "status": str,
    "source": str,
    "lenient": int,
}


def _test_names(accepted: Accepted) -> list[bytes]:
    """What a test environment's keys and CSCAs are called, for the answer "a sample"."""
    keys = {key_name(r.key.kid, r.key.issuer) for r in accepted.keys if r.environment == TEST}
    authorities = {authority_scope(r.authority.key_id) for r in accepted.authorities if r.environment == TEST}
    return sorted(keys | authorities)


def _key_row(key: TrustedKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "spki": key.spki,
        "country": key.country,
        "not_before": _seconds(key.not_before),
        "not_after": _seconds(key.not_after),
        "uses": None if key.uses is None else json.dumps(sorted(key.uses)),
        "status": key.status.value,
        "certificate": key.certificate,
        "also_for": json.dumps(sorted(key.also_for)),
        "source": key.source,
        "lenient": int(key.lenient),
        "domain": None if key.domain is None else key.domain.value,
        "issuer": key.issuer,
        "chained": None if key.chained is None else int(key.chained),
    }


def _authority_row(authority: Authority) -> dict[str, Any]:
    return {
        "key_id": authority.key_id,
        "spki": authority.spki,
        "certificate": authority.certificate,
        "country": authority.country,
        "not_before": _seconds(authority.not_before),
        "not_after": _seconds(authority.not_after),
        "status": authority.status.value,
        "source": authority.source,
        "lenient": int(authority.lenient),
    }


def _key(row: sqlite3.Row) -> TrustedKey:
    known = {"domain": Domain.HCERT.value, "issuer": None, "chained": None} | dict(row)
    return TrustedKey(
        kid=row["kid"],
        spki=row["spki"],
        country=row["country"],
        not_before=_instant(row["not_before"]),
        not_after=_instant(row["not_after"]),
        uses=None if row["uses"] is None else frozenset(json.loads(row["uses"])),
        status=KeyStatus(row["status"]),
        certificate=row["certificate"],
        also_for=frozenset(json.loads(row["also_for"])),
        source=row["source"],
        lenient=bool(row["lenient"]),
        # None would let the key sign in every domain; only a key given by hand may.
        domain=Domain(known["domain"]),
        issuer=known["issuer"],
        chained=None if known["chained"] is None else bool(known["chained"]),
    )


def _authorities(connection: sqlite3.Connection) -> tuple[Authority, ...]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'authorities'").fetchone() is None:
        return ()
    return tuple(
        Authority(
            certificate=row["certificate"],
            spki=row["spki"],
            key_id=row["key_id"],
            country=row["country"],
            not_before=_instant(row["not_before"]),
            not_after=_instant(row["not_after"]),
            status=KeyStatus(row["status"]),
            source=row["source"],
            lenient=bool(row["lenient"]),
        )
        for row in connection.execute("SELECT * FROM authorities ORDER BY rowid")
    )


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Flush a file or a directory to the medium."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
