"""The database of one generation: what the reader loads of a list, written once by whoever accepted it.

The rules this module keeps:

* Written beside the targets it was made of, then never changed; the generation's digest covers it.
* A database of an earlier release stays readable: an upgraded unit judges by it until the next sync. What it
  has no column or table for, the lists of its day did not say.
* Keys and CSCAs of the store's own environment alone are written: those of the other one cannot be loaded.
* Documents that are read as they are (rules, recognition, policy) are kept as they were signed.

    write_content(directory / "generation.db", accepted, documents, sets)
    content = load_content(directory / "generation.db")
    content.keys, content.recognition, content.limits
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trustsync.acceptance import Accepted
from trustsync.advisories import Advisory, decode_advisories
from trustsync.canonical import TargetError
from trustsync.declarations import decode_policy, decode_recognition
from trustsync.environments import ENVIRONMENT_TABLE, Environment, environment_in
from trustsync.errors import StoreError
from trustsync.layout import ADVISORIES_PATH, POLICY_PATH, RECOGNITION_PATH, RULES_PATH
from trustsync.segments import SegmentRecord
from trustsync.sets import TargetSet, sets_in
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import BundleError, decode_bundles
from verifier.recognition import Recognition
from verifier.trust import (
    Authority,
    Domain,
    HashKind,
    KeyStatus,
    Limits,
    TrustedKey,
    authority_scope,
    key_name,
)

# What the reader loads as it was signed; each may be absent but the rules.
DOCUMENTS = (RULES_PATH, RECOGNITION_PATH, POLICY_PATH, ADVISORIES_PATH)


@dataclass(frozen=True, slots=True)
class Content:
    """A generation as the reader loads it.

    test_kids: of keys by :func:`verifier.trust.key_name`, of CSCAs by :func:`verifier.trust.authority_scope`.
    recognition: ``None`` where nobody has said whom the country recognises. limits: ages by a signed policy.
    advisories: about the software of units. environment: of every key and CSCA here.
    """

    keys: tuple[TrustedKey, ...]
    authorities: tuple[Authority, ...]
    test_kids: frozenset[bytes]
    bundles: tuple[RuleBundle, ...]
    segments: tuple[SegmentRecord, ...]
    sets: Mapping[str, TargetSet]
    recognition: Recognition | None = None
    limits: Limits | None = None
    advisories: tuple[Advisory, ...] = ()
    environment: Environment = Environment.PRODUCTION


def load_content(path: Path) -> Content:
    """The content of an inspected generation. Raises StoreError when its database is not as written."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM keys ORDER BY rowid")
            keys = tuple(_key(row) for row in rows)
            authorities = _authorities(connection)
            test_kids = frozenset(row["kid"] for row in connection.execute("SELECT kid FROM test_kids"))
            documents = _documents(connection)
            segments = tuple(map(_segment, connection.execute("SELECT * FROM segments ORDER BY path")))
            sets = sets_in(connection)
            environment = environment_in(connection)
        said, policy, weak = map(documents.get, (RECOGNITION_PATH, POLICY_PATH, ADVISORIES_PATH))
        return Content(
            keys,
            authorities,
            test_kids,
            decode_bundles(documents[RULES_PATH]),
            segments,
            sets,
            None if said is None else decode_recognition(said),
            None if policy is None else decode_policy(policy),
            () if weak is None else decode_advisories(weak),
            environment,
        )
    except (sqlite3.Error, BundleError, TargetError, ValueError, KeyError, IndexError) as error:
        raise StoreError(
            f"{path} cannot be loaded: {error}; this list cannot be vouched for. Sync anew"
        ) from error


def _documents(connection: sqlite3.Connection) -> dict[str, bytes]:
    """Documents by path; an earlier release kept the rules alone, in a table of their own."""
    if not _has_table(connection, "documents"):
        return {RULES_PATH: connection.execute("SELECT document FROM bundles").fetchone()["document"]}
    rows = connection.execute("SELECT path, document FROM documents")
    return {row["path"]: row["document"] for row in rows}


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name])
    return found.fetchone() is not None


def _segment(row: sqlite3.Row) -> SegmentRecord:
    part = row["part"] if "part" in row.keys() else 0  # noqa: SIM118 - a Row is no mapping
    return SegmentRecord(row["path"], row["scope"], HashKind(row["kind"]), row["count"], row["width"], part)


def write_content(
    path: Path, accepted: Accepted, documents: Mapping[str, bytes], sets: Mapping[str, TargetSet]
) -> None:
    """Write the database of an accepted list. documents: those of ``DOCUMENTS`` that there are, as signed."""
    from sqlite_utils import Database  # the reader of this module does without

    connection = sqlite3.connect(path)
    with contextlib.closing(connection):
        db = Database(connection, execute_plugins=False)
        with db.atomic():
            db.create_table("keys", _KEY_COLUMNS).insert_all(
                _key_row(record.key) for record in accepted.keys if record.environment == accepted.environment
            )
            db.create_table("authorities", _AUTHORITY_COLUMNS).insert_all(
                _authority_row(record.authority)
                for record in accepted.authorities
                if record.environment == accepted.environment
            )
            db.create_table(ENVIRONMENT_TABLE, {"environment": str}).insert(
                {"environment": accepted.environment.value}
            )
            db.create_table("test_kids", {"kid": bytes}, pk="kid").insert_all(
                {"kid": name} for name in _test_names(accepted)
            )
            db.create_table("documents", {"path": str, "document": bytes}, pk="path").insert_all(
                {"path": path, "document": document} for path, document in documents.items()
            )
            db.create_table("segments", _SEGMENT_COLUMNS, pk="path").insert_all(
                {
                    "path": s.path,
                    "scope": s.scope,
                    "kind": int(s.kind),
                    "count": s.count,
                    "width": s.width,
                    "part": s.part,
                }
                for s in accepted.segments
            )
            db.create_table("sets", _SET_COLUMNS, pk="name").insert_all(
                {
                    "name": name,
                    "version": s.version,
                    "expires": int(s.expires.timestamp()),
                    "count": s.count,
                    "signed_at": _seconds(s.signed_at),
                }
                for name, s in sets.items()
            )


_SEGMENT_COLUMNS: dict[str, Any] = {
    "path": str,
    "scope": bytes,
    "kind": int,
    "count": int,
    "width": int,
    "part": int,
}

_SET_COLUMNS: dict[str, Any] = {"name": str, "version": int, "expires": int, "count": int, "signed_at": int}

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
    "reject_from": int,
    "allowed": int,
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
    """What a test environment's keys and CSCAs are called, for the answer "a sample" of a unit of
    production."""
    if accepted.environment is Environment.TEST:
        return []
    keys = {key_name(r.key.kid, r.key.issuer) for r in accepted.keys if r.environment == Environment.TEST}
    authorities = {
        authority_scope(r.authority.key_id) for r in accepted.authorities if r.environment == Environment.TEST
    }
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
        "reject_from": _seconds(key.reject_from),
        "allowed": int(key.allowed),
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


# What databases of earlier releases have no column for.
_NOT_SAID: dict[str, Any] = {
    "domain": Domain.HCERT.value,
    "issuer": None,
    "chained": None,
    "reject_from": None,
    "allowed": 0,
}


def _key(row: sqlite3.Row) -> TrustedKey:
    known = _NOT_SAID | dict(row)
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
        reject_from=_instant(known["reject_from"]),
        allowed=bool(known["allowed"]),
    )


def _authorities(connection: sqlite3.Connection) -> tuple[Authority, ...]:
    if not _has_table(connection, "authorities"):
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
