"""A publisher's database: whole changes, and one process at a time."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from trustsync.database import FACTS, PublisherDatabase, locked, transaction


@pytest.fixture
def database(tmp_path: Path) -> PublisherDatabase:
    """An empty one, with its table of facts."""
    made = PublisherDatabase(tmp_path, file="a.db", lock="lock")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(FACTS)
    return made


def test_a_change_that_fails_is_none(database: PublisherDatabase) -> None:
    """All of it is taken back, and the next change is kept."""

    def half() -> None:
        with database.change():
            database.set_fact("one", "1")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with database.change():
        database.set_fact("two", "2")
    assert (database.fact("one"), database.fact("two")) == ("", "2")


def test_a_change_that_cannot_be_kept_leaves_no_transaction_open(tmp_path: Path) -> None:
    """What is only found out at its end (a full disk, a broken reference) is taken back as well."""
    connection = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE b (a INTEGER REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO b VALUES (7)")
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM b").fetchone() == (0,)


def test_the_lock_goes_with_the_process_that_holds_it(database: PublisherDatabase, tmp_path: Path) -> None:
    """Whoever comes second must wait; whoever was killed holds nobody up."""
    ready, held = os.pipe()
    child = os.fork()
    if child == 0:
        with locked(tmp_path / "lock"):
            os.write(held, b"1")
            signal.pause()
    os.read(ready, 1)
    with (tmp_path / "lock").open("ab") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with database.alone():
        pass
