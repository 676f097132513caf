"""What an issuer keeps: its seed, its keys, what it needs to revoke, and what it has published.

The rules this module keeps:

* One SQLite file that only its owner can read; it holds every secret of the issuer.
* Of a certificate it keeps what revoking needs: the identifier, the KID, the hash of the signature. Not the
  holder, not the text.
* Whoever changes something does so in one transaction and holds the lock until it is published whole.

    registry = Registry.create(directory, {"seed": "…", "country": "XV"})
    with registry.change():
        registry.add_key(...)
    Registry.open(directory).signing_keys()
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from issuer.errors import IssuerError
from issuer.keys import Algorithm
from verifier.trust import HashKind, KeyStatus

FILE = "issuer.db"
PUBLIC = "public"  # the published repository, the only part of the directory that is served
_LOCK = "issuer.lock"
_FORMAT = 1
_WAIT = 30  # seconds to wait for another process that is writing

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
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


@dataclass(frozen=True, slots=True, repr=False)
class KeyRow:
    """A signing key with its DSC. material: the secret, see ``issuer.keys``."""

    serial: int
    algorithm: Algorithm
    environment: str
    status: KeyStatus
    kid: bytes
    certificate: bytes
    material: bytes


@dataclass(frozen=True, slots=True, repr=False)
class IssuedRow:
    """What is kept of a certificate. signature: the 16-byte hash that revokes by signature."""

    uvci: str
    kid: bytes
    signature: bytes


class Registry:
    """The opened file. One object belongs to one thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._db = sqlite3.connect(directory / FILE, timeout=_WAIT, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")

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
        return registry

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: all of it or nothing, and no other process writes meanwhile."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Hold the directory's lock, so that two publications never interleave."""
        with (self.directory / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @property
    def public(self) -> Path:
        """The directory of the published repository."""
        return self.directory / PUBLIC

    def fact(self, name: str) -> str:
        """One of the facts written at the start, empty if there is none of that name."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def signing_keys(self) -> list[KeyRow]:
        """Every key, oldest first, withdrawn ones too."""
        rows = self._db.execute(
            "SELECT serial, algorithm, environment, status, kid, certificate, material FROM keys"
            " ORDER BY serial"
        )
        return [
            KeyRow(serial, Algorithm(algorithm), environment, KeyStatus(status), kid, certificate, material)
            for serial, algorithm, environment, status, kid, certificate, material in rows
        ]

    def next_key_serial(self) -> int:
        """The serial of the key that will be added next."""
        return int(self._db.execute("SELECT coalesce(max(serial), 0) + 1 FROM keys").fetchone()[0])

    def add_key(self, row: KeyRow) -> None:
        """Keep a new key."""
        self._db.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.serial, row.algorithm, row.environment, row.status, row.kid, row.certificate, row.material),
        )

    def set_status(self, kid: bytes, status: KeyStatus) -> None:
        """Give a key another status."""
        self._db.execute("UPDATE keys SET status = ? WHERE kid = ?", (status, kid))

    def next_certificate_serial(self) -> int:
        """The serial of the certificate that will be issued next."""
        return int(self._db.execute("SELECT coalesce(max(serial), 0) + 1 FROM issued").fetchone()[0])

    def add_issued(self, row: IssuedRow) -> None:
        """Remember a certificate for a day on which it must be revoked."""
        self._db.execute(
            "INSERT INTO issued (uvci, kid, signature) VALUES (?, ?, ?)", (row.uvci, row.kid, row.signature)
        )

    def issued(self, uvci: str) -> list[IssuedRow]:
        """The certificates of this identifier, as written; more than one when it was issued again."""
        rows = self._db.execute(
            "SELECT uvci, kid, signature FROM issued WHERE uvci = ? ORDER BY serial", (uvci,)
        )
        return [IssuedRow(*row) for row in rows]

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
