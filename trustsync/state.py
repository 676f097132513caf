"""The writer of the trust store's small database: what was proven, how late it is at least, what is in force.

The rules this module keeps:

* Small, and every change of it is one explicit transaction under WAL with ``synchronous=FULL``: what was
  acknowledged survives a power cut. Lists themselves never lie in here.
* The clock floor only ever rises, and it rises by signed time alone.
* ``signed_at`` is the age of the list **in force**: a fresh timestamp above data that was refused does not
  make the old list young.
* What the store is for, production or training, is written when it is made, and never again.
* A key that was once seen withdrawn is denied here from then on, see :class:`trustsync.facts.Denial`.
* Which versions of rules were in force here is kept too, see :mod:`trustsync.succession`.

    state = StateDatabase(path)                     # the sync, which holds the store's lock
    state.keep_metadata(proven, floor=instant)
    state.switch(Slot(8, digest, signed_at), now=now, timestamp_version=31)
    read_state(path).active                         # anybody, see trustsync.facts
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from trustsync.database import transaction
from trustsync.environments import Environment
from trustsync.errors import Alarm, DamagedError, RefusedError, StoreError
from trustsync.facts import STATE_COLUMNS, Denial, Slot, StoreState, check_kept, kept_of, seal_of, state_in
from trustsync.rule_floors import NO_FLOORS, Floors, write_floors
from verifier.clocks import ClockKnowledge, Reading, confirm, note

SCHEMA_VERSION = 3
# What a value raises that cannot be right.
_UNREADABLE = (sqlite3.Error, LookupError, ValueError, TypeError, RecursionError)
# What SQLite says of the machine round the file, and not of the file.
_PASSING = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM),
    }
)
ROOT, TIMESTAMP = "root", "timestamp"  # names of TUF roles


@dataclass(frozen=True, slots=True)
class StoredMetadata:
    """One signed file of the repository, as it was verified. role: its name; roots are kept by version."""

    role: str
    version: int
    data: bytes


class StateDatabase:
    """The writer. Made by whoever holds the store's lock; creates the file when there is none.

    environment: of a store that is made now; one that is there keeps its own. Raises StoreError when the file
    is not our database or cannot be written.
    """

    def __init__(self, path: Path, environment: Environment = Environment.PRODUCTION) -> None:
        self._path = path
        self._made = False
        with self._errors("opened"):
            # Transactions are opened and closed in one place only, see `_change`.
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._create(environment)
                self._made = True
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> StateDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Fold the log into the database and close it."""
        with contextlib.suppress(sqlite3.Error):  # a reader may be in the way; the log is whole all the same
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.close()

    @property
    def synchronous(self) -> int:
        """SQLite's setting for this connection: 2 is FULL, a commit that a power cut does not undo."""
        return int(self._db.execute("PRAGMA synchronous").fetchone()[0])

    def state(self) -> StoreState:
        """The facts as they stand."""
        with self._errors("read"):
            return state_in(self._db)

    def metadata(self) -> tuple[StoredMetadata, ...]:
        """Every verified file: the chain of roots, and one of each other role."""
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT role, version, data FROM metadata NOT INDEXED ORDER BY role, version"
            )
            return tuple(StoredMetadata(*row) for row in rows)

    def prove(self) -> None:
        """Read everything once. Raises DamagedError, having closed the file, when it is not what was
        written."""
        try:
            with self._errors("read"):
                check_kept(self._db)
                state_in(self._db)
                self.metadata()
                (word,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
                if word != "ok":
                    raise ValueError(word)
        except DamagedError:
            self._db.close()
            raise

    def role(self, name: str) -> bytes | None:
        """The verified file of a role, ``None`` before there was one."""
        return next((item.data for item in self.metadata() if item.role == name), None)

    def timestamp_version(self) -> int:
        """The version below which a timestamp is a rollback; 0 before the first."""
        with self._errors("read"):
            query = "SELECT max(version) FROM metadata NOT INDEXED WHERE role = ?"
            row = self._db.execute(query, [TIMESTAMP]).fetchone()
            return int(row[0] or 0)

    def keep_metadata(
        self, proven: Iterable[StoredMetadata], floor: datetime | None, signers: str = ""
    ) -> None:
        """Keep what was verified, and raise the clock floor to ``floor`` where that is later.

        signers: names the keys that signed that instant, see :meth:`drop_floor`; empty: it rests on no
        timestamp.

        What is kept already is not written again: a night without news costs the card nothing here.
        """
        held = set(self.metadata())
        with self._change():
            for item in proven:
                if item in held:
                    continue
                if item.role == TIMESTAMP and item.version < self.timestamp_version():
                    # A new root has taken the key away that signed the higher one: no alarm waits for it.
                    self._db.execute("UPDATE alarms SET version = 0")
                if item.role != ROOT:
                    self._db.execute("DELETE FROM metadata WHERE role = ?", [item.role])
                self._insert("metadata", role=item.role, version=item.version, data=item.data)
            self._raise_floor(floor, signers)

    def drop_floor(self, signers: str) -> bool:
        """Take back a floor that rests on the word of keys which the root names no more: whoever stole one
        may have signed an instant that has not come. What seeds and authenticated sources proved stays.

        signers: names the keys that sign timestamps now. True when there was such a floor.
        """
        with self._change():
            row = self._db.execute("SELECT floor_signers, floor_proven FROM state").fetchone()
            if not row[0] or row[0] == signers:
                return False
            self._set(floor=row[1], floor_signers=None)
            return True

    def validator(self) -> str | None:
        """What the server called the timestamp that is kept (its ETag), if it called it anything."""
        with self._errors("read"):
            row = self._db.execute("SELECT validator FROM state").fetchone()
            return None if row is None else row[0]

    def keep_validator(self, validator: str | None) -> None:
        """Keep what the server called the timestamp that was kept last."""
        if validator != self.validator():
            with self._change():
                self._set(validator=validator)

    def switch(
        self,
        new: Slot,
        *,
        now: datetime,
        timestamp_version: int,
        before_was_whole: bool = True,
        withdrawn: Iterable[Denial] = (),
        reinstated: Iterable[Denial] = (),
        rule_floors: Floors = NO_FLOORS,
    ) -> None:
        """Put a generation in force, in one transaction with everything that is true from then on.

        before_was_whole: whether the generation that was in force may stand in for this one; otherwise the
        one before it stays. withdrawn, reinstated: keys that the new list says this of. rule_floors: as they
        are with the new list's rules.
        """
        with self._change():
            if before_was_whole:
                self._set_previous(state_in(self._db).active)
            self._set(active=new.number, digest=new.digest, rule_floors=json.dumps(write_floors(rule_floors)))
            for key in reinstated:
                self._db.execute("DELETE FROM denied WHERE kid = ? AND spki = ?", [key.kid, key.spki])
            for key in withdrawn:
                self._insert("denied", kid=key.kid, spki=key.spki)
            self._succeed(new.signed_at, now, timestamp_version)

    def confirm(self, *, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        """The list in force is still what the repository publishes."""
        with self._change():
            self._succeed(signed_at, now, timestamp_version)

    def record_failure(self, text: str, alarm: Alarm | None, now: datetime) -> None:
        """Keep the last error in words, and raise the alarm if there is one."""
        with self._change():
            self._set(last_error=text, failures=state_in(self._db).failures + 1)
            if alarm is not None:
                version = self.timestamp_version()
                self._insert("alarms", code=alarm.value, at=_text(now), text=text, version=version)

    def note_clock(self, mark: Reading, proven: Reading | None) -> None:
        """Write down what the clock was seen to say, and the proof of it, if there is one.

        See :func:`verifier.clocks.note`; only a proof raises the floor.
        """
        with self._change():
            known = _clock(self._db)
            after = note(known, mark, proven=proven)
            if after != known:
                self._set_clock(after)

    def settle_clock(self, reading: Reading) -> None:
        """Forget an earlier mark: what was signed just now and this clock agree."""
        with self._change():
            self._set_clock(replace(_clock(self._db), mark=reading))

    def confirm_clock(self, reading: Reading, by: str) -> None:
        """A supervisor says that this reading is right. It raises no floor, and clears the mark."""
        with self._change():
            self._set_clock(confirm(_clock(self._db), reading))
            self._record(reading.wall, by, "clock confirmed", _text(reading.wall))

    def acknowledge(self, code: Alarm, at: datetime, by: str) -> bool:
        """A supervisor has seen an alarm; it is taken down. False when it does not stand."""
        with self._change():
            found = self._db.execute("DELETE FROM alarms WHERE code = ?", [code.value])
            if not found.rowcount:
                return False
            self._record(at, by, "alarm acknowledged", code.value)
            return True

    def set_next_try(self, instant: datetime) -> None:
        """When the next sync is due."""
        with self._change():
            self._set(next_try=_text(instant))

    def record_operation(self, at: datetime, who: str, what: str, detail: str = "") -> None:
        """Write down what a person did."""
        with self._change():
            self._record(at, who, what, detail)

    def restore(
        self,
        metadata: Iterable[StoredMetadata],
        active: Slot,
        floor: datetime,
        withdrawn: Iterable[Denial] = (),
        signers: str = "",
    ) -> None:
        """Fill a new database with what was proven from the generations on the card."""
        with self._change():
            for key in withdrawn:
                self._insert("denied", kid=key.kid, spki=key.spki)
            for item in metadata:
                self._insert("metadata", role=item.role, version=item.version, data=item.data)
            self._set(active=active.number, digest=active.digest, signed_at=_text(active.signed_at))
            self._raise_floor(floor, signers)

    def _record(self, at: datetime, who: str, what: str, detail: str) -> None:
        self._insert("operations", at=_text(at), who=who, what=what, detail=detail)

    def _set_clock(self, known: ClockKnowledge) -> None:
        if known.proven is not None:
            self._raise_floor(known.proven.wall)
        for name, reading in (("mark", known.mark), ("proven", known.proven), ("confirmed", known.confirmed)):
            if reading is not None:
                self._set(**{name: _reading_text(reading)})

    def _raise_floor(self, floor: datetime | None, signers: str = "") -> None:
        if floor is None:
            return
        known = state_in(self._db).floor
        if known is None or floor > known:
            self._set(floor=_text(floor), floor_signers=signers or None)
        if not signers:
            (proven,) = self._db.execute("SELECT floor_proven FROM state").fetchone()
            if proven is None or floor > datetime.fromisoformat(proven):
                self._set(floor_proven=_text(floor))

    def _set_previous(self, slot: Slot | None) -> None:
        if slot is not None:
            self._set(
                previous=slot.number,
                previous_digest=slot.digest,
                previous_signed_at=_text(slot.signed_at),
            )

    def _succeed(self, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        self._set(signed_at=_text(signed_at), last_sync=_text(now), last_error=None, failures=0)
        self._db.execute(
            "DELETE FROM alarms WHERE code != ? OR version < ?", [Alarm.ROLLBACK.value, timestamp_version]
        )

    def _set(self, **values: Any) -> None:
        """Change the one row, and seal it anew. A row that is damaged is not sealed as if it were sound."""
        cursor = self._db.execute("SELECT * FROM state")
        row = dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
        if row["seal"] not in (None, seal_of(row)):
            raise ValueError("its one row is not as it was written")
        row |= values
        row["seal"] = seal_of(row)
        self._insert("state", **row)

    def _keep(self) -> None:
        """Seal what is kept beside the row, where that has changed."""
        kept = kept_of(self._db)
        if self._db.execute("SELECT kept FROM state").fetchone() != (kept,):
            self._set(kept=kept)

    def _insert(self, table: str, **row: Any) -> None:
        """Put a row in, in place of the one with its key. Names of tables and columns are our own."""
        marks = ", ".join("?" * len(row))
        self._db.execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({marks})",  # noqa: S608
            list(row.values()),
        )

    def _create(self, environment: Environment) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == SCHEMA_VERSION:
            return
        if found not in range(SCHEMA_VERSION):
            raise StoreError(
                f"{self._path}: written by another release (form {found}, this one reads {SCHEMA_VERSION}); "
                "nothing was changed. Use that release, or start with an empty store"
            )
        with self._change():
            for name, columns, key in _TABLES:
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY ({key}))")
            there = {row[1] for row in self._db.execute("PRAGMA table_info(state)")}
            for name, kind in STATE_COLUMNS.items():
                if name not in there:  # a database of an earlier release
                    self._db.execute(f"ALTER TABLE state ADD COLUMN {name} {kind}")
            if self._db.execute("INSERT OR IGNORE INTO state (id) VALUES (1)").rowcount:
                self._set(environment=environment.value)
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with self._errors("written"), transaction(self._db):
            if self._made:
                check_kept(self._db)  # what is damaged must not be sealed anew
                state_in(self._db)
            yield
            self._keep()

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:
            raise RefusedError(
                f"a version is too large to be kept ({error}); refused, the list in force stays. Tell the "
                "publisher",
                Alarm.MALFORMED,
            ) from error
        except _UNREADABLE as error:  # a value that cannot be right
            # Full cards and locks pass; anything else is a file that is not what was written.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            damaged = code not in _PASSING
            raise (DamagedError if damaged else StoreError)(
                f"{self._path} could not be {doing}: {error}; what was in force stays. Look at the free "
                "space and the health of the card"
            ) from error


# Name, columns and key of each table.
_TABLES = (
    ("metadata", "role TEXT, version INTEGER, data BLOB", "role, version"),
    ("state", "id INTEGER", "id"),
    ("alarms", "code TEXT, at TEXT, text TEXT, version INTEGER", "code"),
    ("denied", "kid BLOB, spki BLOB", "kid, spki"),
    ("operations", "number INTEGER, at TEXT, who TEXT, what TEXT, detail TEXT", "number"),
)


def _clock(connection: sqlite3.Connection) -> ClockKnowledge:
    return state_in(connection).clock


def _reading_text(reading: Reading) -> str:
    return json.dumps([_text(reading.wall), reading.boot, reading.since_boot])


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
