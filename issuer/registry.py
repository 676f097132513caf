"""What an issuer keeps: its seed, its keys, what it needs to revoke, and what it has published.

The rules this module keeps:

* One SQLite file that only its owner can read; it holds every secret of the issuer.
* Of a certificate it keeps what revoking needs: the identifier, the KID, the hash of the signature, and the
  name by which its family revokes. Not the holder, not the text.
* A registry of an earlier version opens: what it has no column for was not said in its day.
* Whoever changes something does so in one transaction and holds the lock until it is published whole.

    registry = Registry.create(directory, {"seed": "…", "country": "XV"})
    with registry.change():
        registry.add_key(...)
    Registry.open(directory).signing_keys()
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from issuer.errors import IssuerError
from issuer.keys import Algorithm
from trustsync.database import FACTS, PublisherDatabase
from verifier.certificate import Family
from verifier.trust import Domain, HashKind, KeyStatus

FILE = "issuer.db"
PUBLIC = "public"  # the published repository, the only part of the directory that is served
_LOCK = "issuer.lock"
_FORMAT = 1

_SCHEMA = f"""
{FACTS};
CREATE TABLE keys (
    serial INTEGER PRIMARY KEY, algorithm TEXT NOT NULL, environment TEXT NOT NULL, status TEXT NOT NULL,
    kid BLOB NOT NULL UNIQUE, certificate BLOB NOT NULL, material BLOB NOT NULL
) STRICT;
CREATE TABLE issued (
    serial INTEGER PRIMARY KEY, uvci TEXT NOT NULL, kid BLOB NOT NULL, signature BLOB NOT NULL
) STRICT;
CREATE INDEX issued_uvci ON issued (uvci);
CREATE TABLE revoked (
    scope BLOB NOT NULL, kind INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (scope, kind, digest)
) STRICT;
CREATE TABLE metadata (
    role TEXT NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (role, version)
) STRICT;
"""

# What registries gained since they were first made: table, column, and what the rows of before have there.
# ``create`` makes the first tables and adds these like ``open``, so that there is one way to every column.
_ADDED = (
    ("keys", "domain", f"TEXT NOT NULL DEFAULT '{Domain.HCERT}'"),
    ("keys", "issuer", "TEXT NOT NULL DEFAULT ''"),
    ("keys", "withdrawn_at", "TEXT NOT NULL DEFAULT ''"),
    ("issued", "family", f"TEXT NOT NULL DEFAULT '{Family.HC1}'"),
    ("issued", "own_kind", f"INTEGER NOT NULL DEFAULT {int(HashKind.UCI)}"),
    ("issued", "own_name", "TEXT NOT NULL DEFAULT ''"),
)


@dataclass(frozen=True, slots=True, repr=False)
class KeyRow:
    """A signing key. material: the secret, see ``issuer.keys``.

    certificate: its X.509 certificate, DER; empty for a family that has none. domain: where it signs. issuer:
    what the documents that it signs name as their issuer. withdrawn_at: when it was withdrawn, ``None`` for
    one that is not or was before registries kept it.
    """

    serial: int
    algorithm: Algorithm
    environment: str
    status: KeyStatus
    kid: bytes
    certificate: bytes
    material: bytes
    domain: Domain = Domain.HCERT
    issuer: str = ""
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class IssuedRow:
    """What is kept of a certificate.

    uvci: the identifier under which it was issued. signature: the 16-byte hash that revokes by signature.
    own_kind, own_name: the entry by which its family revokes, and the identifier that this is the hash of;
    the name is empty for ``SIGNATURE``.
    """

    uvci: str
    kid: bytes
    signature: bytes
    family: Family = Family.HC1
    own_kind: HashKind = HashKind.UCI
    own_name: str = ""


class Registry(PublisherDatabase):
    """The opened file. One object belongs to one thread."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, file=FILE, lock=_LOCK)

    @classmethod
    def create(cls, directory: Path, facts: Mapping[str, str]) -> Registry:
        """A new registry with these facts, in a directory that does not exist yet or is empty.

        Raises IssuerError when something is there already.
        """
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise IssuerError(f"{directory} is not empty; an issuer starts in a directory of its own")
        directory.mkdir(parents=True, exist_ok=True)
        os.close(os.open(directory / FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        registry = cls(directory)
        with registry.change():
            for statement in _SCHEMA.split(";"):
                registry._db.execute(statement)
            registry._db.executemany(
                "INSERT INTO facts VALUES (?, ?)", ({"format": str(_FORMAT)} | dict(facts)).items()
            )
            registry._complete()
        return registry

    @classmethod
    def open(cls, directory: Path) -> Registry:
        """The registry of a directory. Raises IssuerError when there is none."""
        if not (directory / FILE).is_file():
            raise IssuerError(f"{directory} holds no issuer; make one with: vaxgate-issuer init {directory}")
        try:
            registry = cls(directory)
            found = registry.fact("format")
        except sqlite3.DatabaseError as error:
            raise IssuerError(f"{directory / FILE} is not an issuer's registry ({error})") from error
        if found != str(_FORMAT):
            raise IssuerError(f"{directory / FILE} has format {found}; this version reads {_FORMAT}")
        if registry._missing():
            with registry.change():
                registry._complete()
        return registry

    def _missing(self) -> list[tuple[str, str, str]]:
        """The columns that this registry has not, because an earlier version made it."""
        present = {
            (table, row[1])
            for table in {table for table, _, _ in _ADDED}
            for row in self._db.execute(f"PRAGMA table_info({table})")
        }
        return [added for added in _ADDED if added[:2] not in present]

    def _complete(self) -> None:
        for table, column, kind in self._missing():
            self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        self._db.execute("CREATE INDEX IF NOT EXISTS issued_own_name ON issued (own_name)")

    @property
    def public(self) -> Path:
        """The directory of the published repository."""
        return self.directory / PUBLIC

    def signing_keys(self, domain: Domain | None = None) -> list[KeyRow]:
        """Every key of a domain, or of all; oldest first, withdrawn ones too."""
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        country = self.fact("country")
        keys = [_key_row(row, country) for row in cursor.execute("SELECT * FROM keys ORDER BY serial")]
        return [key for key in keys if domain in (None, key.domain)]

    def next_key_serial(self) -> int:
        """The serial of the key that will be added next."""
        return int(self._db.execute("SELECT coalesce(max(serial), 0) + 1 FROM keys").fetchone()[0])

    def add_key(self, row: KeyRow) -> None:
        """Keep a new key."""
        self._db.execute(
            "INSERT INTO keys (serial, algorithm, environment, status, kid, certificate, material, domain,"
            " issuer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(row.serial, row.algorithm, row.environment, row.status, row.kid, row.certificate),
                *(row.material, row.domain, row.issuer),
            ),
        )

    def withdraw(self, kid: bytes, now: datetime) -> None:
        """Mark a key withdrawn as of ``now``, unless it is already."""
        self._db.execute(
            "UPDATE keys SET status = ?, withdrawn_at = ? WHERE kid = ? AND status <> ?",
            (KeyStatus.WITHDRAWN, now.isoformat(), kid, KeyStatus.WITHDRAWN),
        )

    def next_certificate_serial(self) -> int:
        """The serial of the certificate that will be issued next."""
        return int(self._db.execute("SELECT coalesce(max(serial), 0) + 1 FROM issued").fetchone()[0])

    def add_issued(self, row: IssuedRow) -> None:
        """Remember a certificate for a day on which it must be revoked."""
        self._db.execute(
            "INSERT INTO issued (uvci, kid, signature, family, own_kind, own_name) VALUES (?, ?, ?, ?, ?, ?)",
            (row.uvci, row.kid, row.signature, row.family, int(row.own_kind), row.own_name),
        )

    def issued(self, identifier: str) -> list[IssuedRow]:
        """The certificates of this identifier, as written; more than one when it was issued again.

        identifier: the one under which they were issued, or the one that they carry themselves.
        """
        return self._issued(
            "SELECT * FROM issued WHERE uvci = ? OR own_name = ? ORDER BY serial", (identifier, identifier)
        )

    def issued_by(self, kid: bytes) -> list[IssuedRow]:
        """The certificates that this key has signed."""
        return self._issued("SELECT * FROM issued WHERE kid = ? ORDER BY serial", (kid,))

    def _issued(self, query: str, values: tuple[object, ...]) -> list[IssuedRow]:
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return [_issued_row(row) for row in cursor.execute(query, values)]

    def revoke(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Add a revocation entry; False when it was there already."""
        return (
            self._db.execute(
                "INSERT OR IGNORE INTO revoked VALUES (?, ?, ?)", (scope, int(kind), digest)
            ).rowcount
            > 0
        )

    def revoked(self) -> list[tuple[bytes, HashKind, bytes]]:
        """Every revocation entry: scope, kind, digest."""
        rows = self._db.execute("SELECT scope, kind, digest FROM revoked ORDER BY scope, kind, digest")
        return [(scope, HashKind(kind), digest) for scope, kind, digest in rows]

    def metadata(self, role: str) -> bytes | None:
        """The newest metadata of a role, ``None`` before the first publication."""
        row = self._db.execute(
            "SELECT bytes FROM metadata WHERE role = ? ORDER BY version DESC LIMIT 1", (role,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def add_metadata(self, role: str, version: int, data: bytes) -> None:
        """Keep the newest metadata of a role; of all roles but root only the newest is kept."""
        if role != "root":  # a client walks the whole chain of roots
            self._db.execute("DELETE FROM metadata WHERE role = ?", (role,))
        self._db.execute("INSERT INTO metadata VALUES (?, ?, ?)", (role, version, data))

    def all_metadata(self) -> list[tuple[str, int, bytes]]:
        """Role, version and bytes of everything that a client may ask for."""
        rows = self._db.execute("SELECT role, version, bytes FROM metadata ORDER BY role, version")
        return [(role, version, bytes(data)) for role, version, data in rows]


def _issued_row(row: sqlite3.Row) -> IssuedRow:
    kind = HashKind(row["own_kind"])
    # rows of an earlier version name nothing of their own: they are HC1, revoked by their identifier
    name = row["own_name"] or (row["uvci"] if kind is HashKind.UCI else "")
    return IssuedRow(row["uvci"], row["kid"], row["signature"], Family(row["family"]), kind, name)


def _key_row(row: sqlite3.Row, country: str) -> KeyRow:
    withdrawn_at = row["withdrawn_at"]
    return KeyRow(
        serial=row["serial"],
        algorithm=Algorithm(row["algorithm"]),
        environment=row["environment"],
        status=KeyStatus(row["status"]),
        kid=row["kid"],
        certificate=row["certificate"],
        material=row["material"],
        domain=Domain(row["domain"]),
        issuer=row["issuer"] or country,  # keys of an earlier version are all HC1's
        withdrawn_at=datetime.fromisoformat(withdrawn_at) if withdrawn_at else None,
    )
