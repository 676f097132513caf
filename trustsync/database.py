"""SQLite as whoever publishes keeps it: whole changes, one process at a time, and what survives a kill.

The rules this module keeps:

* A change is kept whole or not at all, whenever the process ends; what is kept is on the medium.
* Work that also touches files is done under a lock, which the system lets go of with the process.
* Nothing is retried and nothing waits for ever: another writer is waited for half a minute.

    with PublisherDatabase(directory, file="hub.db", lock="lock") as database:
        with database.alone(), database.change():
            database.set_fact("format", "1")

:func:`transaction` and :func:`locked` are of use by themselves.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

FACTS = "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
_WAIT = 30  # seconds to wait for another process that is writing


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction of a connection that opens none by itself (``isolation_level=None``)."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite has rolled back already where the disk is full
            database.execute("ROLLBACK")
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that this file is, once whoever has it lets go."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class PublisherDatabase:
    """The opened database of a publisher's directory, with its table of facts. One object, one thread.

    file, lock: names below the directory.
    """

    def __init__(self, directory: Path, *, file: str, lock: str) -> None:
        self.directory = directory
        self._lock = directory / lock
        self._db = sqlite3.connect(directory / file, timeout=_WAIT, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def change(self) -> AbstractContextManager[None]:
        """One transaction: all of it or nothing, and no other process writes meanwhile."""
        return transaction(self._db)

    def alone(self) -> AbstractContextManager[None]:
        """Hold the directory's lock, so that two commands never interleave."""
        return locked(self._lock)

    def fact(self, name: str) -> str:
        """A word that was kept, empty if there is none of that name."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Keep a word, in place of the one of that name."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
