"""What an upstream list is, before and after it was proven: the words that every importer speaks.

The rules this module keeps:

* An importer authenticates before it parses. What does not verify gives an UpstreamError and no key.
* Fetching and reading are two steps: the raw bytes between them are archived, and reading them again gives
  the same list.
* All or nothing by list. A single entry that no verifier could use (a curve, a broken certificate) is left
  out and named in ``skipped``; it never makes another entry count.
* How a list was authenticated stays with it: a list that only TLS vouches for needs a second source or a
  person.

    raw = importer.fetch(source, get)
    upstream = importer.read(raw, source, now)
    upstream.keys, upstream.authentication
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from trustsync.errors import TrustSyncError
from trustsync.targets import PRODUCTION
from verifier.trust import Authority, HashKind, TrustedKey

MAX_RAW = 64 << 20  # bytes of one file of an upstream


class UpstreamError(TrustSyncError):
    """An upstream list could not be had, proven or read; what the hub holds of it stays."""


class Authentication(StrEnum):
    """What vouches for the content of a list.

    SIGNED: a signature under a pinned key. PINNED: the SHA-256 of the file, given by a person. TLS: the
    connection alone. UNPROVEN: nothing; by a switch that is named loudly and never in production, or because
    a list that only TLS vouches for was brought in another way.
    """

    SIGNED = "signed"
    PINNED = "pinned"
    TLS = "tls"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Source:
    """One upstream as the hub's configuration names it.

    name: of this source, for people and provenance. kind: of its importer. url: where it is fetched; a
    ``file:`` address or a path reads from disk. pins: the bytes of what is pinned, by role (``key``,
    ``certificate``, ``root``, ``sha256`` …; each importer says which it needs). environment: ``production``
    or ``test``. options: further words of the importer. unproven: DANGEROUS, take a list whose proof cannot
    be checked, into the test store only.
    """

    name: str
    kind: str
    url: str = ""
    pins: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    environment: str = PRODUCTION
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unproven: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# GET an address with these headers; raises UpstreamError when it cannot be had or is larger than MAX_RAW.
Get = Callable[[str, Mapping[str, str]], Reply]


@dataclass(frozen=True, slots=True)
class UpstreamList:
    """A list that was authenticated and read.

    keys: each with its domain and ``source`` set to the source's name. authorities: CSCAs. revoked: (scope,
    kind, digest) as revocation entries have them. revoked_before: (scope, digest, instant) of entries that
    count for documents issued before that instant alone (``HashKind.RID_BEFORE``). version, signed_at: as
    the list says; what goes backwards is refused by the hub. valid_until: as the list says. skipped: entries
    that were left out, each in a few words.
    """

    source: str
    environment: str
    authentication: Authentication
    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[Authority, ...] = ()
    revoked: tuple[tuple[bytes, HashKind, bytes], ...] = ()
    revoked_before: tuple[tuple[bytes, bytes, datetime], ...] = ()
    version: int | None = None
    signed_at: datetime | None = None
    valid_until: datetime | None = None
    skipped: tuple[str, ...] = ()


class Importer(Protocol):
    """One kind of upstream list."""

    kind: str
    pins: frozenset[str]  # the roles of pins that must be given; without them the source is refused

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """Everything that ``read`` needs, raw, by a file name of our choosing. Raises UpstreamError."""

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Authenticate, then parse. Pure. Raises UpstreamError."""
