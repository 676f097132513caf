"""What stands in the small database of the trust store, for whoever only reads it.

The rules this module keeps:

* A reader needs no right to write. It opens, reads one row and closes, so it never holds the log open.
* A database of the release before is read too; what it has no column for, it did not know.
* A value that cannot be right is damage, and damage is a StoreError.

    state = read_state(store / STATE_NAME)
    state.active, state.floor, state.denied
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from trustsync.environments import Environment
from trustsync.errors import Alarm, StoreError
from trustsync.rule_floors import Floors, read_floors
from verifier.clocks import ClockKnowledge, Reading

STATE_NAME = "state.db"
MAX_OPERATIONS = 20  # how many of the newest operations a reader is told
_ATTEMPTS = 5  # at reading while a writer comes and goes


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm that stands. version: of the timestamp that was proven when it was raised."""

    code: Alarm
    at: datetime
    text: str
    version: int


@dataclass(frozen=True, slots=True)
class Denial:
    """A key that a signed list has withdrawn. It is denied whatever another list leaves out or says.

    spki: SHA-256 of its SubjectPublicKeyInfo. Only a list that calls it reinstated takes this back.
    """

    kid: bytes
    spki: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a person did to this store: when, who, and what, in words."""

    at: datetime
    who: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A generation that may be in force. digest: of its manifest. signed_at: when its list was last
    confirmed.
    """

    number: int
    digest: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class StoreState:
    """The one row of facts. Instants are aware; ``None`` is "never".

    clock: what is known of time, the floor in it. active: the generation in force; previous: the one before
    it, kept whole. last_error: in words, ``None`` after a success. next_try: ``None`` while nothing schedules
    one. failures: in a row. denied: keys that stay withdrawn. operations: the newest first, at most
    ``MAX_OPERATIONS``. environment: what the store is for; ``None`` where no store was made yet. rule_floors:
    below which versions rules were not to be taken when the list in force was accepted.
    """

    clock: ClockKnowledge = field(default_factory=ClockKnowledge)
    active: Slot | None = None
    previous: Slot | None = None
    last_sync: datetime | None = None
    last_error: str | None = None
    next_try: datetime | None = None
    failures: int = 0
    alarms: tuple[RaisedAlarm, ...] = ()
    denied: frozenset[Denial] = frozenset()
    operations: tuple[Operation, ...] = ()
    environment: Environment | None = None
    rule_floors: Floors = field(default_factory=dict)

    @property
    def floor(self) -> datetime | None:
        """It is at least this late."""
        return self.clock.floor


# Columns of the one row; each is NULL until something is known.
STATE_COLUMNS = {
    "floor": "TEXT",
    "floor_signers": "TEXT",
    "floor_proven": "TEXT",
    "active": "INTEGER",
    "digest": "TEXT",
    "signed_at": "TEXT",
    "previous": "INTEGER",
    "previous_digest": "TEXT",
    "previous_signed_at": "TEXT",
    "last_sync": "TEXT",
    "last_error": "TEXT",
    "next_try": "TEXT",
    "failures": "INTEGER",
    "validator": "TEXT",
    "mark": "TEXT",
    "proven": "TEXT",
    "confirmed": "TEXT",
    "environment": "TEXT",
    "kept": "TEXT",
    "rule_floors": "TEXT",
    "seal": "TEXT",
}
# What reading such a row raises where a card has changed it.
_UNREADABLE = (
    sqlite3.Error, OSError, ArithmeticError, LookupError, ValueError, TypeError, RecursionError,
)  # fmt: skip
# Columns that came later: a row of before was sealed without them.
_LATER = {"kept", "rule_floors"}


def read_state(path: Path) -> StoreState | None:
    """The facts, read without writing anything; ``None`` when there is no database.

    Raises StoreError when it is damaged.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would hang the desk
            raise StoreError(f"{path} is no file; no list can be vouched for. Move it away, then run a sync")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be looked at: {error.strerror}; may this user read it?") from error
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        before = state_signature(path)
        try:
            state = _read_once(path)
        except _UNREADABLE as error:
            failure = error
        else:
            # A writer that came or went meanwhile may have shown us half of its work.
            if state_signature(path) == before:
                return state
    raise StoreError(
        f"{path} cannot be read: {failure or 'it changes all the time'}; no list can be vouched for. Run a "
        "sync: it makes it anew from what was signed"
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
        connection.execute("BEGIN")
        check_kept(connection)
        return state_in(connection)


def check_kept(connection: sqlite3.Connection) -> None:
    """Raise ValueError when what is kept beside the one row is not as it was written."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(state)")}
    said = connection.execute("SELECT kept FROM state").fetchone() if "kept" in columns else None
    if said is not None and said[0] is not None and said[0] != kept_of(connection):
        raise ValueError("what it keeps is not as it was written")


def seal_of(row: Mapping[str, Any]) -> str:
    """SHA-256 over the row's values. SQLite does not notice a flipped bit in a value, and a floor in the year
    2069 would be a unit that is out for good.
    """
    said = [
        [name, row[name]]
        for name in STATE_COLUMNS
        if name != "seal" and (name not in _LATER or row[name] is not None)
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def kept_of(connection: sqlite3.Connection) -> str:
    """SHA-256 over what is proven and what is denied. It stands in the sealed row: a flipped bit in a stored
    timestamp would be a timestamp that we never saw, and one in a denial a key that was never withdrawn.
    """
    whole = hashlib.sha256()
    # NOT INDEXED, here and wherever these are read: an index has a copy of the values, and a bit may flip in
    # the one while the other is looked at.
    for query in (
        "SELECT role, version, data FROM metadata NOT INDEXED ORDER BY role, version",
        "SELECT kid, spki FROM denied NOT INDEXED ORDER BY kid, spki",
        "SELECT code, at, text, version FROM alarms NOT INDEXED ORDER BY code",
    ):
        for row in connection.execute(query):
            for value in row:
                data = value if isinstance(value, bytes) else str(value).encode()
                whole.update(b"%d:" % len(data) + data)
        whole.update(b";")
    return whole.hexdigest()


def state_in(connection: sqlite3.Connection) -> StoreState:
    """The facts that an open database holds. Raises as SQLite does, and ValueError for what cannot be
    right."""

    def rows(query: str) -> list[dict[str, Any]]:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    tables = {row["name"] for row in rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    said = rows("SELECT * FROM state")
    if len(said) != 1:
        raise ValueError(f"{len(said)} rows where one is expected")
    found = dict.fromkeys(STATE_COLUMNS) | said[0]  # an older form had fewer columns
    if found["seal"] is not None and found["seal"] != seal_of(found):
        raise ValueError("its one row is not as it was written")
    alarms = rows("SELECT * FROM alarms NOT INDEXED ORDER BY at, code")
    denied = rows("SELECT kid, spki FROM denied NOT INDEXED") if "denied" in tables else []
    done = (
        rows("SELECT * FROM operations ORDER BY rowid DESC")[:MAX_OPERATIONS]
        if "operations" in tables
        else []
    )
    return StoreState(
        clock=ClockKnowledge(
            floor=_instant(found["floor"]),
            mark=_reading(found["mark"]),
            proven=_reading(found["proven"]),
            confirmed=_reading(found["confirmed"]),
        ),
        active=_slot(found["active"], found["digest"], found["signed_at"]),
        previous=_slot(found["previous"], found["previous_digest"], found["previous_signed_at"]),
        last_sync=_instant(found["last_sync"]),
        last_error=found["last_error"],
        next_try=_instant(found["next_try"]),
        failures=found["failures"] or 0,
        alarms=tuple(
            RaisedAlarm(Alarm(row["code"]), datetime.fromisoformat(row["at"]), row["text"], row["version"])
            for row in alarms
        ),
        denied=frozenset(Denial(row["kid"], row["spki"]) for row in denied),
        operations=tuple(
            Operation(datetime.fromisoformat(row["at"]), row["who"], row["what"], row["detail"])
            for row in done
        ),
        # A store of the release before has no word for it: there was production alone.
        environment=Environment(found["environment"] or Environment.PRODUCTION),
        rule_floors=read_floors(json.loads(found["rule_floors"] or "{}")),
    )


def _slot(number: int | None, digest: str | None, signed_at: str | None) -> Slot | None:
    instant = _instant(signed_at)
    if number is not None and type(number) is not int:
        raise ValueError("the number of a generation is none")
    return None if number is None or digest is None or instant is None else Slot(number, digest, instant)


def _reading(text: str | None) -> Reading | None:
    if text is None:
        return None
    wall, boot, since_boot = json.loads(text)
    instant = _instant(wall)
    if instant is None:
        raise ValueError("a reading without its instant")
    return Reading(instant, str(boot), float(since_boot))


def _instant(text: str | None) -> datetime | None:
    instant = None if text is None else datetime.fromisoformat(text)
    if instant is not None and instant.tzinfo is None:
        raise ValueError("an instant without its offset")
    return instant
