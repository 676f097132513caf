"""What a hub remembers, as plain values: a list of others, a decision of people, an approval, a sighting.

The rules this module keeps:

* A list is what was proven last of its source; what it said before is in the archive.
* Nothing here is believed because it is here: an approval is a signature that is verified when it counts.

    held = HeldList("de", PRODUCTION, Authentication.SIGNED, now, "de/20220301T020000Z-…", keys)
    Decision(kid, "withdrawn", None, False, "an", now)

:mod:`trustsync.hub.ledger` keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trustsync.hub.upstream import Authentication
from trustsync.targets import AuthorityRecord, KeyRecord
from verifier.trust import HashKind, TrustedKey

ENTRY = 16  # bytes of a revocation entry as the hub keeps it


@dataclass(frozen=True, slots=True)
class HeldList:
    """A list as it was proven last. archive: the folder of its raw bytes, below the archive.

    keys, authorities: with ``source`` set. skipped: entries that were left out, and why.
    """

    source: str
    environment: str
    authentication: Authentication
    fetched_at: datetime
    archive: str
    keys: tuple[KeyRecord, ...] = ()
    authorities: tuple[AuthorityRecord, ...] = ()
    version: int | None = None
    signed_at: datetime | None = None
    valid_until: datetime | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryBlob:
    """Revocation entries of one source, scope and kind: ``count`` of them in a blob, sorted.

    An entry has ``ENTRY`` bytes: the first of the hash; of kind ``RID_BEFORE`` 8 bytes of it and the instant.
    """

    source: str
    scope: bytes
    kind: HashKind
    blob: str
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What people of this hub decided about the keys of a KID, whatever the lists say.

    word: ``withdrawn``, ``reinstated``, or ``reject-from`` with its instant. allowed: whether really issued
    certificates are listed (``HashKind.ALLOWED``).
    """

    kid: bytes
    word: str
    instant: datetime | None
    allowed: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A reviewer's signature over one exact change."""

    digest: bytes
    reviewer: str
    signature: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a key was seen: in which source, how that was proven, by which bytes, from when to when."""

    key: TrustedKey
    environment: str
    source: str
    authentication: Authentication
    archive: str
    first_at: datetime
    last_at: datetime
