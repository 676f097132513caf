"""What a hub remembers: lists as they were proven, decisions of people, and what was published.

The rules this module keeps:

* One SQLite file and, beside it, a folder of blobs (:mod:`trustsync.hub.blobs`). A blob is on the medium
  before a row names it.
* A list replaces the one before of its source, whole. Where a key was seen, when, and by which archived bytes
  that was proven stays for ever.
* What was published is kept as it was published, so that a change is a comparison of two documents and a
  withdrawal is never forgotten.
* Nothing here is secret: signing keys and reviewers' keys are elsewhere.

    with HubLedger.open(config.state) as ledger, ledger.change():
        ledger.keep_list(held, entries)
    ledger.published(PRODUCTION)[KEYS_PATH]

An environment's metadata is seen through :meth:`HubLedger.metadata_of`, which is a publisher's
:class:`trustsync.publishing.Ledger`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from trustsync.database import FACTS, PublisherDatabase
from trustsync.hub.blobs import Blobs
from trustsync.hub.config import HubError
from trustsync.hub.records import ENTRY, Approval, Decision, EntryBlob, HeldList, Trace
from trustsync.hub.upstream import Authentication
from trustsync.targets import decode_keys, encode_keys
from verifier.times import written
from verifier.trust import Domain, HashKind, TrustedKey

FILE = "hub.db"
_BLOBS = "blobs"
_LOCK = "lock"
_FORMAT = 1

_SCHEMA = f"""
{FACTS};
CREATE TABLE lists (
    source TEXT PRIMARY KEY, environment TEXT NOT NULL, authentication TEXT NOT NULL,
    fetched_at TEXT NOT NULL, archive TEXT NOT NULL, version INTEGER, signed_at TEXT, valid_until TEXT,
    skipped TEXT NOT NULL, keys BLOB NOT NULL
) STRICT;
CREATE TABLE entries (
    source TEXT NOT NULL, scope BLOB NOT NULL, kind INTEGER NOT NULL, blob TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (source, scope, kind)
) STRICT;
CREATE TABLE trail (
    environment TEXT NOT NULL, kid BLOB NOT NULL, spki BLOB NOT NULL, domain TEXT NOT NULL,
    issuer TEXT NOT NULL, source TEXT NOT NULL, authentication TEXT NOT NULL, archive TEXT NOT NULL,
    first_at TEXT NOT NULL, last_at TEXT NOT NULL,
    PRIMARY KEY (environment, kid, spki, domain, issuer, source)
) STRICT;
CREATE TABLE decisions (
    environment TEXT NOT NULL, kid BLOB NOT NULL, word TEXT NOT NULL, instant TEXT, allowed INTEGER NOT NULL,
    by_whom TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (environment, kid)
) STRICT;
CREATE TABLE approvals (
    environment TEXT NOT NULL, digest BLOB NOT NULL, reviewer TEXT NOT NULL, signature BLOB NOT NULL,
    at TEXT NOT NULL, PRIMARY KEY (environment, digest, reviewer)
) STRICT;
CREATE TABLE published (
    environment TEXT NOT NULL, path TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (environment, path)
) STRICT;
CREATE TABLE metadata (
    environment TEXT NOT NULL, role TEXT NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (environment, role, version)
) STRICT;
"""


class HubLedger(PublisherDatabase):
    """The opened state of a hub. One object belongs to one thread. blobs: entries and segments by hash."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, file=FILE, lock=_LOCK)
        self._db.row_factory = sqlite3.Row
        self.blobs = Blobs(directory / _BLOBS)

    @classmethod
    def create(cls, directory: Path) -> HubLedger:
        """A new, empty state. Raises HubError when there is one already."""
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / FILE).exists():
            raise HubError(f"{directory} holds a hub's state already; nothing was changed")
        ledger = cls(directory)
        with ledger.change():
            for statement in _SCHEMA.split(";"):
                ledger._db.execute(statement)
            ledger.set_fact("format", str(_FORMAT))
        return ledger

    @classmethod
    def open(cls, directory: Path) -> HubLedger:
        """The state of a hub. Raises HubError when there is none, or one of another format."""
        if not (directory / FILE).is_file():
            raise HubError(
                f"{directory} holds no hub's state; restore it from the backup, or start with init"
            )
        try:
            ledger = cls(directory)
            found = ledger.fact("format")
        except sqlite3.DatabaseError as error:
            raise HubError(f"{directory / FILE} is no hub's state ({error})") from error
        if found != str(_FORMAT):
            raise HubError(f"{directory / FILE} has format {found}; this version reads {_FORMAT}")
        return ledger

    # --- Lists of others ----------------------------------------------------------------------------------

    def lists(self) -> dict[str, HeldList]:
        """The list held of each source."""
        return {row["source"]: _held(row) for row in self._db.execute("SELECT * FROM lists ORDER BY source")}

    def keep_list(self, held: HeldList, entries: Mapping[tuple[bytes, HashKind], bytes]) -> None:
        """Replace what is held of a source. entries: packed as :class:`EntryBlob` says.

        Raises TargetError for keys that could not be published.
        """
        packed = encode_keys(held.keys, held.authorities) if held.keys or held.authorities else b""
        if packed:
            decode_keys(packed)
        blobs = [
            (held.source, scope, int(kind), self.blobs.keep(data), len(data) // ENTRY)
            for (scope, kind), data in entries.items()
        ]
        self._db.execute(
            "INSERT OR REPLACE INTO lists VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(held.source, held.environment, held.authentication.value, written(held.fetched_at)),
                *(held.archive, held.version, _text(held.signed_at), _text(held.valid_until)),
                *(json.dumps(held.skipped), packed),
            ),
        )
        self._db.execute("DELETE FROM entries WHERE source = ?", (held.source,))
        self._db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", blobs)
        self._db.executemany(
            "INSERT INTO trail VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " authentication = excluded.authentication, archive = excluded.archive,"
            " last_at = excluded.last_at",
            [
                (
                    *(held.environment, record.key.kid, record.key.spki),
                    *((record.key.domain or Domain.HCERT).value, record.key.issuer or ""),
                    *(held.source, held.authentication.value, held.archive),
                    *(written(held.fetched_at), written(held.fetched_at)),
                )
                for record in held.keys
            ],
        )

    def entries(self, sources: Collection[str] | None) -> list[EntryBlob]:
        """The revocation entries of these sources, ``None`` for all, by scope and kind."""
        rows = self._db.execute("SELECT * FROM entries ORDER BY scope, kind, source")
        return [
            EntryBlob(row["source"], row["scope"], HashKind(row["kind"]), row["blob"], row["count"])
            for row in rows
            if sources is None or row["source"] in sources
        ]

    def add_entries(self, source: str, scope: bytes, kind: HashKind, data: bytes) -> None:
        """Keep entries under a source's name in place of what it had of this scope and kind."""
        if not data:
            self._db.execute(
                "DELETE FROM entries WHERE source = ? AND scope = ? AND kind = ?", (source, scope, int(kind))
            )
            return
        self._db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)",
            (source, scope, int(kind), self.blobs.keep(data), len(data) // ENTRY),
        )

    def traces(self, kid: bytes) -> list[Trace]:
        """Where the keys of this KID were ever seen."""
        rows = self._db.execute(
            "SELECT * FROM trail WHERE kid = ? ORDER BY environment, spki, first_at, source", (kid,)
        )
        return [
            Trace(
                TrustedKey(
                    row["kid"], row["spki"], domain=Domain(row["domain"]), issuer=row["issuer"] or None
                ),
                row["environment"],
                row["source"],
                Authentication(row["authentication"]),
                row["archive"],
                datetime.fromisoformat(row["first_at"]),
                datetime.fromisoformat(row["last_at"]),
            )
            for row in rows
        ]

    # --- Words of people ----------------------------------------------------------------------------------

    def decisions(self, environment: str) -> dict[bytes, Decision]:
        """What was decided about keys, by KID."""
        rows = self._db.execute("SELECT * FROM decisions WHERE environment = ? ORDER BY kid", (environment,))
        return {
            row["kid"]: Decision(
                row["kid"],
                row["word"],
                _instant(row["instant"]),
                bool(row["allowed"]),
                row["by_whom"],
                datetime.fromisoformat(row["at"]),
            )
            for row in rows
        }

    def decide(self, environment: str, decision: Decision) -> None:
        """Keep a decision in place of the one before about this KID."""
        self._db.execute(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(environment, decision.kid, decision.word, _text(decision.instant), int(decision.allowed)),
                *(decision.by, written(decision.at)),
            ),
        )

    def approvals(self, environment: str) -> list[Approval]:
        """Every signature that was ever given."""
        rows = self._db.execute("SELECT * FROM approvals WHERE environment = ? ORDER BY at", (environment,))
        return [
            Approval(row["digest"], row["reviewer"], row["signature"], datetime.fromisoformat(row["at"]))
            for row in rows
        ]

    def approve(self, environment: str, approval: Approval) -> None:
        """Keep a signature."""
        self._db.execute(
            "INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?)",
            (environment, approval.digest, approval.reviewer, approval.signature, written(approval.at)),
        )

    # --- What was published -------------------------------------------------------------------------------

    def published(self, environment: str) -> dict[str, bytes]:
        """The documents that stand in the repository, by target path; segments are blobs."""
        rows = self._db.execute(
            "SELECT path, bytes FROM published WHERE environment = ? ORDER BY path", (environment,)
        )
        return {row["path"]: row["bytes"] for row in rows}

    def keep_published(self, environment: str, documents: Mapping[str, bytes]) -> None:
        """Keep the documents of a publication in place of those of the one before."""
        self._db.execute("DELETE FROM published WHERE environment = ?", (environment,))
        self._db.executemany(
            "INSERT INTO published VALUES (?, ?, ?)",
            [(environment, path, data) for path, data in sorted(documents.items())],
        )

    def metadata_of(self, environment: str) -> MetadataLedger:
        """What was signed for an environment."""
        return MetadataLedger(self._db, environment)


class MetadataLedger:
    """The signed metadata of one environment; implements :class:`trustsync.publishing.Ledger`."""

    def __init__(self, database: sqlite3.Connection, environment: str) -> None:
        self._db = database
        self._environment = environment

    def metadata(self, role: str) -> bytes | None:
        """The newest metadata of a role, ``None`` before the first publication."""
        row = self._db.execute(
            "SELECT bytes FROM metadata WHERE environment = ? AND role = ? ORDER BY version DESC LIMIT 1",
            (self._environment, role),
        ).fetchone()
        return None if row is None else bytes(row["bytes"])

    def add_metadata(self, role: str, version: int, data: bytes) -> None:
        """Keep the newest metadata of a role; of root every version stays."""
        if role != "root":  # a client walks the whole chain of roots
            self._db.execute(
                "DELETE FROM metadata WHERE environment = ? AND role = ?", (self._environment, role)
            )
        self._db.execute("INSERT INTO metadata VALUES (?, ?, ?, ?)", (self._environment, role, version, data))

    def all_metadata(self) -> list[tuple[str, int, bytes]]:
        """Role, version and bytes of everything that a client may ask for."""
        rows = self._db.execute(
            "SELECT role, version, bytes FROM metadata WHERE environment = ? ORDER BY role, version",
            (self._environment,),
        )
        return [(row["role"], row["version"], bytes(row["bytes"])) for row in rows]


def _held(row: sqlite3.Row) -> HeldList:
    listed = decode_keys(row["keys"]) if row["keys"] else None
    return HeldList(
        source=row["source"],
        environment=row["environment"],
        authentication=Authentication(row["authentication"]),
        fetched_at=datetime.fromisoformat(row["fetched_at"]),
        archive=row["archive"],
        keys=listed.keys if listed else (),
        authorities=listed.authorities if listed else (),
        version=row["version"],
        signed_at=_instant(row["signed_at"]),
        valid_until=_instant(row["valid_until"]),
        skipped=tuple(json.loads(row["skipped"])),
    )


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else written(instant)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
