"""What each role of the list in force says of itself: version, expiry, count, and when it was signed.

The rules this module keeps:

* Light: a night without news asks for these rows and for nothing else of a generation.
* A generation of an earlier release has fewer rows and no instants; that is no fault.

    sets = read_sets(directory / "generation.db")
    sets["trust"].version, sets["trust"].signed_at
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from trustsync.errors import StoreError


@dataclass(frozen=True, slots=True)
class TargetSet:
    """What one role publishes. version, expires: of its signed metadata.

    signed_at: by its own signed word, ``None`` where it does not say. count: keys and authorities, entries,
    bundles, recognised issuers; of the root, its keys.
    """

    version: int
    expires: datetime
    count: int
    signed_at: datetime | None = None


def read_sets(path: Path) -> Mapping[str, TargetSet]:
    """The sets of a generation's database. Raises StoreError when it is not as written."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return sets_in(connection)
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} cannot be loaded: {error}; this list cannot be vouched for. Sync anew"
        ) from error


def sets_in(connection: sqlite3.Connection) -> Mapping[str, TargetSet]:
    """The sets of an open database."""
    cursor = connection.execute("SELECT * FROM sets ORDER BY name")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return MappingProxyType(
        {
            row["name"]: TargetSet(
                row["version"], _instant(row["expires"]), row["count"], _optional(row.get("signed_at"))
            )
            for row in rows
        }
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _optional(seconds: int | None) -> datetime | None:
    return None if seconds is None else _instant(seconds)
