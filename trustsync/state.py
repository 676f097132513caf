"""The small database of the trust store: what was proven, how late it is at least, which list is in force.

The rules this module keeps:

* Small, and every change of it is one explicit transaction under WAL with ``synchronous=FULL``: what was
  acknowledged survives a power cut. Lists themselves never lie in here.
* The clock floor only ever rises, and it rises by signed time alone.
* ``signed_at`` is the age of the list **in force**: a fresh timestamp above data that was refused does not
  make the old list young.
* A reader needs no right to write. It opens, reads one row and closes, so it never holds the log open.

    state = StateDatabase(path)                     # the sync, which holds the store's lock
    state.keep_metadata(proven, floor=instant)
    state.switch(generation=8, digest=..., signed_at=instant, now=now, timestamp_version=31)
    read_state(path).active                         # anybody
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from trustsync.errors import Alarm, StoreError

STATE_NAME = "state.db"
SCHEMA_VERSION = 1
_ATTEMPTS = 5  # at reading while a writer comes and goes
ROOT, TIMESTAMP = "root", "timestamp"  # names of TUF roles; the reader loads no TUF library for them


@dataclass(frozen=True, slots=True)
class StoredMetadata:
    """One signed file of the repository, as it was verified. role: its name; roots are kept by version."""

    role: str
    version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm that stands. version: of the timestamp that was proven when it was raised."""

    code: Alarm
    at: datetime
    text: str
    version: int


@dataclass(frozen=True, slots=True)
class StoreState:
    """The one row of facts. Instants are aware; ``None`` is "never".

    floor: it is at least this late. active, previous: generations; digest: of the active one's manifest.
    signed_at: of the list in force. last_error: in words, ``None`` after a success. next_try: ``None``
    while nothing schedules one.
    """

    floor: datetime | None = None
    active: int | None = None
    previous: int | None = None
    digest: str | None = None
    signed_at: datetime | None = None
    last_sync: datetime | None = None
    last_error: str | None = None
    next_try: datetime | None = None
    alarms: tuple[RaisedAlarm, ...] = ()


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
            return _state(self._db.conn)

    def metadata(self) -> tuple[StoredMetadata, ...]:
        """Every verified file: the chain of roots, and one of each other role."""
        with self._errors("read"):
            rows = self._db.query("SELECT role, version, data FROM metadata ORDER BY role, version")
            return tuple(StoredMetadata(row["role"], row["version"], row["data"]) for row in rows)

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
            known = _state(self._db.conn).floor
            if floor is not None and (known is None or floor > known):
                self._set(floor=_text(floor))

    def switch(
        self, *, generation: int, digest: str, signed_at: datetime, now: datetime, timestamp_version: int
    ) -> None:
        """Put a generation in force, in one transaction with everything that is true from then on."""
        with self._errors("written"), self._db.atomic():
            self._set(previous=_state(self._db.conn).active, active=generation, digest=digest)
            self._succeed(signed_at, now, timestamp_version)

    def confirm(self, *, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        """The list in force is still what the repository publishes."""
        with self._errors("written"), self._db.atomic():
            self._succeed(signed_at, now, timestamp_version)

    def record_failure(self, text: str, alarm: Alarm | None, now: datetime) -> None:
        """Keep the last error in words, and raise the alarm if there is one."""
        with self._errors("written"), self._db.atomic():
            self._set(last_error=text)
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

    def _succeed(self, signed_at: datetime, now: datetime, timestamp_version: int) -> None:
        self._set(signed_at=_text(signed_at), last_sync=_text(now), last_error=None)
        self._db.table("alarms").delete_where(
            "code != ? OR version < ?", [Alarm.ROLLBACK.value, timestamp_version]
        )

    def _set(self, **values: Any) -> None:
        self._db.table("state").update(1, values)

    def _create(self) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == SCHEMA_VERSION:
            return
        if found != 0:
            raise StoreError(
                f"{self._path}: written by another release (form {found}, this one reads {SCHEMA_VERSION}); "
                "nothing was changed. Use that release, or start with an empty store"
            )
        with self._db.atomic():
            self._db.create_table(
                "metadata", {"role": str, "version": int, "data": bytes}, pk=("role", "version")
            )
            self._db.create_table(
                "state",
                {
                    "id": int,
                    "floor": str,
                    "active": int,
                    "previous": int,
                    "digest": str,
                    "signed_at": str,
                    "last_sync": str,
                    "last_error": str,
                    "next_try": str,
                },
                pk="id",
            ).insert({"id": 1})
            self._db.create_table("alarms", {"code": str, "at": str, "text": str, "version": int}, pk="code")
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:  # the latter: a value that cannot be right
            raise StoreError(
                f"{self._path} could not be {doing}: {error}; what was in force stays. Look at the free "
                "space and the health of the card; if it stays unreadable, move the store aside and sync anew"
            ) from error


def read_state(path: Path) -> StoreState | None:
    """The facts, read without writing anything; ``None`` when there is no database.

    Raises StoreError when it is damaged.
    """
    try:
        if not path.exists():
            return None
    except OSError as error:
        raise StoreError(f"{path} cannot be looked at: {error.strerror}; may this user read it?") from error
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        before = state_signature(path)
        try:
            state = _read_once(path)
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # a value that cannot be right
            failure = error
        else:
            # A writer that came or went meanwhile may have shown us half of its work.
            if state_signature(path) == before:
                return state
    raise StoreError(
        f"{path} cannot be read: {failure or 'it changes all the time'}; no list can be vouched for. Run a "
        "sync; if that cannot read it either, move the store aside and sync anew"
    ) from failure


def state_signature(path: Path) -> tuple[tuple[int, int, int], ...]:
    """Inode, size and time of change of the database and its log: other values, other content."""
    found = []
    for name in (path, path.with_name(path.name + "-wal")):
        try:
            facts = os.stat(name)  # noqa: PTH116 - called for every scan; Path.stat costs more than the call
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def _read_once(path: Path) -> StoreState:
    """Read the database as a guest.

    Without a log it is a finished file, and SQLite must be told so: it would otherwise want to create a log
    and its index, in a directory where the reader may not write. With a log and no index (a power cut)
    neither may be created, so both are copied aside and read there.
    """
    log = path.with_name(path.name + "-wal")
    uri = path.absolute().as_uri()
    if not log.exists():
        return _read(f"{uri}?mode=ro&immutable=1")
    try:
        return _read(f"{uri}?mode=ro")
    except sqlite3.OperationalError:
        with tempfile.TemporaryDirectory(prefix="vaxgate-state-") as aside:
            copy = Path(aside, path.name)
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy.with_name(log.name))
            return _read(f"{copy.as_uri()}?mode=rw")


def _read(uri: str) -> StoreState:
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
        return _state(connection)


def _state(connection: sqlite3.Connection) -> StoreState:
    row = connection.execute(
        "SELECT floor, active, previous, digest, signed_at, last_sync, last_error, next_try FROM state"
    ).fetchone()
    alarms = connection.execute("SELECT code, at, text, version FROM alarms ORDER BY at, code").fetchall()
    floor, active, previous, digest, signed_at, last_sync, last_error, next_try = row
    return StoreState(
        floor=_instant(floor),
        active=active,
        previous=previous,
        digest=digest,
        signed_at=_instant(signed_at),
        last_sync=_instant(last_sync),
        last_error=last_error,
        next_try=_instant(next_try),
        alarms=tuple(
            RaisedAlarm(Alarm(code), datetime.fromisoformat(at), text, version)
            for code, at, text, version in alarms
        ),
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _instant(text: str | None) -> datetime | None:
    instant = None if text is None else datetime.fromisoformat(text)
    if instant is not None and instant.tzinfo is None:
        raise ValueError("an instant without its offset")
    return instant
