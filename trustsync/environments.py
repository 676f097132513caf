"""The two kinds of trust, and where a store and each of its lists say which one they hold.

The rules this module keeps:

* A store is of one environment from the moment it is made, and never of another: ``production``, or ``test``
  for training. What says nothing, as every store of an earlier release, is of production.
* A generation says it too, under its digest. A store's word and its list's word must agree with what was
  asked for; a copied folder, a foreign seed or a changed row gives no test key to a unit of production.
* What is of another environment is refused in words. Nothing is ever converted.

    check_environment(read_environment(directory / "generation.db"), Environment.PRODUCTION, directory)
"""

from __future__ import annotations

import contextlib
import sqlite3
from enum import StrEnum
from pathlib import Path

from trustsync.errors import StoreError


class Environment(StrEnum):
    """What a key, a list or a store is for. Keys of ``TEST`` sign samples; nobody is let in by them."""

    PRODUCTION = "production"
    TEST = "test"


ENVIRONMENT_TABLE = "environment"  # of a generation's database; one row, one column of this name


def environment_in(connection: sqlite3.Connection) -> Environment:
    """What an open database of a generation says. Raises as SQLite does, ValueError for a word that is none.

    An earlier release made no such table: it knew production alone.
    """
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(query, [ENVIRONMENT_TABLE]).fetchone() is None:
        return Environment.PRODUCTION
    ((word,),) = connection.execute("SELECT environment FROM environment").fetchall()
    return Environment(word)


def read_environment(path: Path) -> Environment:
    """What the database of a generation says. Raises StoreError when it cannot be read."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return environment_in(connection)
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(
            f"{path} cannot be loaded: {error}; this list cannot be vouched for. Sync anew"
        ) from error


def check_environment(found: Environment | None, wanted: Environment, where: Path) -> None:
    """Raise StoreError where ``found`` is another environment; ``None`` is a store that was never made."""
    if found not in (None, wanted):
        raise StoreError(
            f"{where} holds {found} trust, and {wanted} trust was asked for; nothing of it is used. A store "
            "never changes its kind: name the right folder, or begin with an empty one (--training, and "
            "[training] in vaxgate.toml, mean test trust)"
        )
