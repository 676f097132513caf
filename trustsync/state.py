"""The writer of the trust store's small database: what was proven, how late it is at least, what is in force.

The rules this module keeps:

* Small, and every change of it is one explicit transaction under WAL with ``synchronous=FULL``: what was
  acknowledged survives a power cut. Lists themselves never lie in here.
* The clock floor only ever rises, and it rises by signed time alone.
* ``signed_at`` is the age of the list **in force**: a fresh timestamp above data that was refused does not
  make the old list young.
* A key that was once seen withdrawn is denied here from then on, see :class:`trustsync.facts.Denial`.

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

from trustsync.errors import Alarm, DamagedError, StoreError
from trustsync.facts import STATE_COLUMNS, Denial, Slot, StoreState, seal_of, state_in
from verifier.clocks import ClockKnowledge, Reading, confirm, note

SCHEMA_VERSION = 2
ROOT, TIMESTAMP = "root", "timestamp"  # names of TUF roles


@dataclass(frozen=True, slots=True)
class StoredMetadata:
    """One signed file of the repository, as it was verified. role: its name; roots are kept by version."""

    role: str
    version: int
    data: bytes


class StateDatabase:
    """The writer. Made by whoever holds the store's lock; creates the file when there is none.

    Raises StoreError when the file is not our database or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        from sqlite_utils import Database  # the reader of this module does without

        self._path = path
        with self._errors("opened"):
            connection = sqlite3.connect(path, timeout=10.0)
            try:
                self._db = Database(connection, execute_plugins=False)
                self._db.enable_wal()
                self._db.execute("PRAGMA synchronous=FULL")
                self._create()
            except BaseException:
                connection.close()
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
            return state_in(self._db.conn)

    def metadata(self) -> tuple[StoredMetadata, ...]:
        """Every verified file: the chain of roots, and one of each other role."""
        with self._errors("read"):
            rows = self._db.query("SELECT role, version, data FROM metadata ORDER BY role, version")
            return tuple(StoredMetadata(row["role"], row["version"], row["data"]) for row in rows)

    def prove(self) -> None:
        """Read everything once. Raises DamagedError, having closed the file, when it is not what was
        written."""
        try:
            with self._errors("read"):
                state_in(self._db.conn)
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
            row = self._db.execute("SELECT max(version) FROM metadata WHERE role = ?", [TIMESTAMP]).fetchone()
            return int(row[0] or 0)

    def keep_metadata(self, proven: Iterable[StoredMetadata], floor: datetime | None) -> None:
        """Keep what was verified, and raise the clock floor to ``floor`` where that is later.

        What is kept already is not written again: a night without news costs the card nothing here.
        """
        held = set(self.metadata())
        with self._errors("written"), self._db.atomic():
            table = self._db.table("metadata")
            for item in proven:
                if item in held:
                    continue
                if item.role != ROOT:
                    table.delete_where("role = ? AND version != ?", [item.role, item.version])
                table.upsert(
                    {"role": item.role, "version": item.version, "data": item.data}, pk=("role", "version")
                )
            self._raise_floor(floor)

    def validator(self) -> str | None:
        """What the server called the timestamp that is kept (its ETag), if it called it anything."""
        with self._errors("read"):
            row = self._db.execute("SELECT validator FROM state").fetchone()
            return None if row is None else row[0]

    def keep_validator(self, validator: str | None) -> None:
        """Keep what the server called the timestamp that was kept last."""
        if validator != self.validator():
            with self._errors("written"), self._db.atomic():
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
    ) -> None:
        """Put a generation in force, in one transaction with everything that is true from then on.

        before_was_whole: whether the generation that was in force may stand in for this one; otherwise the
        one before it stays. withdrawn, reinstated: keys that the new list says this of.
        """
        with self._errors("written"), self._db.atomic():
            if before_was_whole:
                self._set_previous(state_in(self._db.conn).active)
            self._set(active=new.number, digest=new.digest)
            denied = self._db.table("denied")
            for key in reinstated:
                denied.delete_where("kid = ? AND spki = ?", [key.kid, key.spki])
            denied.upsert_all(({"kid": key.kid, "spki": key.spki} for key in withdrawn), pk=("kid", "spki"))
            self._succeed(new.signed_at, now, timestamp_version)

    def confirm(self, *, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        """The list in force is still what the repository publishes."""
        with self._errors("written"), self._db.atomic():
            self._succeed(signed_at, now, timestamp_version)

    def record_failure(self, text: str, alarm: Alarm | None, now: datetime) -> None:
        """Keep the last error in words, and raise the alarm if there is one."""
        with self._errors("written"), self._db.atomic():
            self._set(last_error=text, failures=state_in(self._db.conn).failures + 1)
            if alarm is not None:
                self._db.table("alarms").upsert(
                    {
                        "code": alarm.value,
                        "at": _text(now),
                        "text": text,
                        "version": self.timestamp_version(),
                    },
                    pk="code",
                )

    def note_clock(self, mark: Reading, proven: Reading | None) -> None:
        """Write down what the clock was seen to say, and the proof of it, if there is one.

        See :func:`verifier.clocks.note`; only a proof raises the floor.
        """
        with self._errors("written"), self._db.atomic():
            self._set_clock(note(_clock(self._db.conn), mark, proven=proven))

    def settle_clock(self, reading: Reading) -> None:
        """Forget an earlier mark: what was signed just now and this clock agree."""
        with self._errors("written"), self._db.atomic():
            self._set_clock(replace(_clock(self._db.conn), mark=reading))

    def confirm_clock(self, reading: Reading, by: str) -> None:
        """A supervisor says that this reading is right. It raises no floor, and clears the mark."""
        with self._errors("written"), self._db.atomic():
            self._set_clock(confirm(_clock(self._db.conn), reading))
            self._record(reading.wall, by, "clock confirmed", _text(reading.wall))

    def acknowledge(self, code: Alarm, at: datetime, by: str) -> bool:
        """A supervisor has seen an alarm; it is taken down. False when it does not stand."""
        with self._errors("written"), self._db.atomic():
            table = self._db.table("alarms")
            if not table.count_where("code = ?", [code.value]):
                return False
            table.delete_where("code = ?", [code.value])
            self._record(at, by, "alarm acknowledged", code.value)
            return True

    def set_next_try(self, instant: datetime) -> None:
        """When the next sync is due."""
        with self._errors("written"), self._db.atomic():
            self._set(next_try=_text(instant))

    def record_operation(self, at: datetime, who: str, what: str, detail: str = "") -> None:
        """Write down what a person did."""
        with self._errors("written"), self._db.atomic():
            self._record(at, who, what, detail)

    def restore(self, metadata: Iterable[StoredMetadata], active: Slot, floor: datetime) -> None:
        """Fill a new database with what was proven from the generations on the card."""
        with self._errors("written"), self._db.atomic():
            self._db.table("metadata").insert_all(
                {"role": item.role, "version": item.version, "data": item.data} for item in metadata
            )
            self._set(active=active.number, digest=active.digest, signed_at=_text(active.signed_at))
            self._raise_floor(floor)

    def _record(self, at: datetime, who: str, what: str, detail: str) -> None:
        self._db.table("operations").insert({"at": _text(at), "who": who, "what": what, "detail": detail})

    def _set_clock(self, known: ClockKnowledge) -> None:
        self._raise_floor(known.floor)
        for name, reading in (("mark", known.mark), ("proven", known.proven), ("confirmed", known.confirmed)):
            if reading is not None:
                self._set(**{name: _reading_text(reading)})

    def _raise_floor(self, floor: datetime | None) -> None:
        known = state_in(self._db.conn).floor
        if floor is not None and (known is None or floor > known):
            self._set(floor=_text(floor))

    def _set_previous(self, slot: Slot | None) -> None:
        if slot is not None:
            self._set(
                previous=slot.number,
                previous_digest=slot.digest,
                previous_signed_at=_text(slot.signed_at),
            )

    def _succeed(self, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        self._set(signed_at=_text(signed_at), last_sync=_text(now), last_error=None, failures=0)
        self._db.table("alarms").delete_where(
            "code != ? OR version < ?", [Alarm.ROLLBACK.value, timestamp_version]
        )

    def _set(self, **values: Any) -> None:
        """Change the one row, and seal it anew."""
        table = self._db.table("state")
        seal = seal_of(table.get(1) | values)
        table.update(1, values | {"seal": seal})

    def _create(self) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == SCHEMA_VERSION:
            return
        if found not in (0, 1):
            raise StoreError(
                f"{self._path}: written by another release (form {found}, this one reads {SCHEMA_VERSION}); "
                "nothing was changed. Use that release, or start with an empty store"
            )
        with self._db.atomic():
            self._db.create_table(
                "metadata",
                {"role": str, "version": int, "data": bytes},
                pk=("role", "version"),
                if_not_exists=True,
            )
            state = self._db.table("state")
            if found == 0:
                state.create({"id": int} | STATE_COLUMNS, pk="id")
                state.insert({"id": 1})
            for name, kind in STATE_COLUMNS.items():
                if name not in state.columns_dict:
                    state.add_column(name, kind)  # a database of the release before this one
            for name, columns, key in _TABLES:
                self._db.create_table(name, columns, pk=key, if_not_exists=True)
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:  # the latter: a value that cannot be right
            # Full cards and locks are operational errors; this is a file that is no database any more.
            damaged = type(error) is sqlite3.DatabaseError or not isinstance(error, sqlite3.Error)
            raise (DamagedError if damaged else StoreError)(
                f"{self._path} could not be {doing}: {error}; what was in force stays. Look at the free "
                "space and the health of the card"
            ) from error


_TABLES: tuple[tuple[str, dict[str, type], Any], ...] = (
    ("alarms", {"code": str, "at": str, "text": str, "version": int}, "code"),
    ("denied", {"kid": bytes, "spki": bytes}, ("kid", "spki")),
    ("operations", {"at": str, "who": str, "what": str, "detail": str}, None),
)


def _clock(connection: sqlite3.Connection) -> ClockKnowledge:
    return state_in(connection).clock


def _reading_text(reading: Reading) -> str:
    return json.dumps([_text(reading.wall), reading.boot, reading.since_boot])


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
