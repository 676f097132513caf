"""What the verifier believes: keys, revocation and how old that knowledge is.

The rules this module keeps:

* A KID is a hint. It may name several keys, and every one of them is tried.
* Keys of a test environment are known by name only; nothing here lets one verify.
* Validity and freshness are two answers: signatures decided what was installed, the age of the list
  decides which colour a result may have.

    trust = TrustList.of([TrustedKey(kid=..., spki=...)], signed_at=instant)
    trust.candidates(kid)            # every key of that KID
    trust.state(now)                 # ListState.FRESH
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Protocol

# A list with more keys for one KID than this is refused at import: lookup must stay bounded (pitfall 4).
MAX_KEYS_PER_KID = 16


class KeyStatus(StrEnum):
    """Whether the list still vouches for a key."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key that a trust list vouches for.

    kid: as the list gives it, mostly 8 bytes; empty for a key that somebody gave by hand without one, which
    is then tried for every code. spki: DER SubjectPublicKeyInfo. country: alpha-2 of the
    owner, ``None`` when the list does not say. not_before, not_after: the key's period, both inclusive.
    uses: letters of the events that it may sign (``t`` test, ``v`` vaccination, ``r`` recovery), ``None``
    when no DCC usage OID restricts it. certificate: the signer's X.509 certificate, DER, where there is one.
    also_for: other countries for which this key may sign, by the list's own word (overseas territories).
    source: where the list has it from. lenient: only the public key could be read from the certificate.
    """

    kid: bytes
    spki: bytes
    country: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    uses: frozenset[str] | None = None
    status: KeyStatus = KeyStatus.ACTIVE
    certificate: bytes | None = None
    also_for: frozenset[str] = frozenset()
    source: str = ""
    lenient: bool = False


class HashKind(IntEnum):
    """What a revocation entry is the hash of (EU DCC revocation, numbered as on the wire)."""

    SIGNATURE = 0x0A
    UCI = 0x0B
    COUNTRYCODEUCI = 0x0C


class Revocation(Protocol):
    """Looks up revocation entries. An implementation reads what is on this machine and never the network."""

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Whether ``digest`` (the first 16 bytes of SHA-256) is listed for ``scope``.

        scope: a KID, or :func:`country_scope` for entries that hold for every key of a country.
        """

    def gap(self, scope: bytes, now: datetime) -> str | None:
        """Why the answer for ``scope`` cannot be relied on at ``now``; ``None`` when it can."""


def country_scope(country: str) -> bytes:
    """The scope of entries published for every key of ``country`` (the gateway's ``UNKNOWN_KID``)."""
    return b"country:" + country.upper().encode()


class NoRevocation:
    """For keys that were given by hand: no issuer published a list, so nothing is missing."""

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False

    def gap(self, scope: bytes, now: datetime) -> str | None:  # noqa: ARG002 - the protocol's
        """No gap: an issuer that publishes none leaves none."""
        return None


class ListState(StrEnum):
    """How old the trust list is; the limits stand in ``FRESHNESS``."""

    FRESH = "FRESH"
    STALE_1 = "STALE-1"
    STALE_2 = "STALE-2"
    STALE_3 = "STALE-3"
    EXPIRED = "EXPIRED"


# Age of the last signed instant, inclusive, and the state up to it.
FRESHNESS: tuple[tuple[timedelta, ListState], ...] = (
    (timedelta(hours=36), ListState.FRESH),
    (timedelta(days=7), ListState.STALE_1),
    (timedelta(days=30), ListState.STALE_2),
    (timedelta(days=60), ListState.STALE_3),
)


def list_state(age: timedelta) -> ListState:
    """The state of a list of this age; a list signed after ``now`` (age below zero) is FRESH."""
    return next((state for limit, state in FRESHNESS if age <= limit), ListState.EXPIRED)


class ClockState(StrEnum):
    """How far the unit's clock can be believed."""

    TRUSTED = "TRUSTED"
    BOUNDED = "BOUNDED"
    FLOOR_ONLY = "FLOOR-ONLY"
    UNSYNCED = "UNSYNCED-TIME"


# How long after the last proof of time an unconfirmed clock is still taken at its word.
CLOCK_BOUND = timedelta(days=7)


def clock_state(now: datetime, floor: datetime) -> ClockState:
    """What an unconfirmed clock that says ``now`` is worth, given proof that it is at least ``floor``."""
    if now < floor:
        return ClockState.UNSYNCED
    return ClockState.BOUNDED if now - floor <= CLOCK_BOUND else ClockState.FLOOR_ONLY


@dataclass(frozen=True, slots=True)
class TrustList:
    """An immutable set of keys with the facts that stand beside it.

    keys: by KID. test_kids: KIDs known only in a test environment. signed_at: the last verified signed
    instant; ``None`` for keys given by hand, which have no age. revocation: where to look entries up.
    source: a word for people. generation: the store's number for this content.
    """

    keys: Mapping[bytes, tuple[TrustedKey, ...]]
    test_kids: frozenset[bytes] = frozenset()
    signed_at: datetime | None = None
    revocation: Revocation = field(default_factory=NoRevocation)
    source: str = ""
    generation: int | None = None

    @classmethod
    def of(
        cls,
        keys: Iterable[TrustedKey],
        *,
        test_kids: Iterable[bytes] = (),
        signed_at: datetime | None = None,
        revocation: Revocation | None = None,
        source: str = "",
        generation: int | None = None,
    ) -> TrustList:
        """A list of these keys.

        Raises ValueError when one KID has more than ``MAX_KEYS_PER_KID`` keys.
        """
        by_kid: dict[bytes, list[TrustedKey]] = {}
        for key in keys:
            by_kid.setdefault(key.kid, []).append(key)
        for kid, same in by_kid.items():
            if len(same) > MAX_KEYS_PER_KID:
                raise ValueError(
                    f"KID {kid.hex()} names {len(same)} keys; at most {MAX_KEYS_PER_KID} are taken"
                )
        return cls(
            keys=MappingProxyType({kid: tuple(same) for kid, same in by_kid.items()}),
            test_kids=frozenset(test_kids),
            signed_at=signed_at,
            revocation=revocation or NoRevocation(),
            source=source,
            generation=generation,
        )

    def candidates(self, kid: bytes) -> tuple[TrustedKey, ...]:
        """Every key of this KID, withdrawn ones too, and those given without a KID."""
        return self.keys.get(kid, ()) + (self.keys.get(b"", ()) if kid else ())

    def state(self, now: datetime) -> ListState | None:
        """The list's state at ``now``; ``None`` for keys given by hand."""
        return None if self.signed_at is None else list_state(now - self.signed_at)
