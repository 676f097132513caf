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

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from verifier.countries import alpha2
from verifier.recognition import Recognition

# A list with more keys for one KID (and issuer, where keys have one) than this is refused at import: lookup
# must stay bounded (pitfall 4). One key of a hosting company may be that of hundreds of issuers.
MAX_KEYS_PER_KID = 16


class KeyStatus(StrEnum):
    """Whether the list still vouches for a key.

    A withdrawn key stays withdrawn on every unit that has seen it so, whatever later lists leave out or an
    older generation says; only the word REINSTATED in a later list takes that back. It counts as active.
    """

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    REINSTATED = "reinstated"


class Domain(StrEnum):
    """The worlds of keys: a key that is listed in one signs nothing in another."""

    HCERT = "hcert"  # HC1 with EU DCC, DDCC, ICVP and health links
    LT1 = "lt1"
    AT1 = "at1"
    SHC = "shc"
    VDS_NC = "vds-nc"
    DIVOC = "divoc"
    NZCP = "nzcp"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key that a trust list vouches for.

    kid: as the list gives it, mostly 8 bytes; empty for a key that somebody gave by hand without one, which
    is then tried for every code. spki: DER SubjectPublicKeyInfo. country: alpha-2 of the
    owner, ``None`` when the list does not say. not_before, not_after: the key's period, both inclusive.
    uses: letters of the events that it may sign (``t`` test, ``v`` vaccination, ``r`` recovery), ``None``
    when no DCC usage OID restricts it, empty when it may sign nothing. certificate: the
    signer's X.509 certificate, DER, where there is one. also_for: other countries for which this key may
    sign, by the list's own word (overseas territories).
    source: where the list has it from. lenient: only the public key could be read from the certificate.
    domain: the world in which it signs; ``None`` for a key that somebody gave by hand, which may sign in any.
    issuer: whose key it is, by the name that the family's documents use (``iss`` of a SMART Health Card or an
    NZ COVID Pass, ``issuer`` of a DIVOC document); ``None`` where a list names no such owner. chained:
    whether the chain of certificates that came with the key (``x5c``) holds; ``None`` when none came.
    reject_from: what is issued at this instant or later is refused (an honest signer's mistake; a thief dates
    back); ``None``: nothing. allowed: whether certificates that a withdrawal or ``reject_from`` would refuse
    are accepted when they are listed as really issued (``HashKind.ALLOWED`` under the key's KID).
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
    domain: Domain | None = None
    issuer: str | None = None
    chained: bool | None = None
    reject_from: datetime | None = None
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Authority:
    """A country's CSCA, which vouches for the signers of its VDS-NC seals.

    certificate: X.509, DER. spki: DER SubjectPublicKeyInfo, as in the certificate. key_id: its subject key
    identifier, or the SHA-1 of its key where it names none. country: alpha-2 of its subject. not_before,
    not_after: its period. source: where the list has it from. lenient: the strict X.509 reader refuses it.
    """

    certificate: bytes
    spki: bytes
    key_id: bytes
    country: str | None
    not_before: datetime | None = None
    not_after: datetime | None = None
    status: KeyStatus = KeyStatus.ACTIVE
    source: str = ""
    lenient: bool = False


class HashKind(IntEnum):
    """What a revocation entry is the hash of. The first three are numbered as in the EU's revocation lists.

    RID: the revocation id of a SMART Health Card. RID_BEFORE: the same, only for cards issued before an
    instant. FHIR: the hash of a card's bundle (``hash-fhir``). SERIAL: the serial number of a signer's
    certificate, on its CSCA's CRL. DOCUMENT: a DIVOC certificate id. ALLOWED: no revocation, but the hash of
    the signed bytes of a certificate that its issuer vouches for although the key was withdrawn. Of the
    signed bytes, not of the signature: who has the key can make another certificate with the same r. Its
    entries are 16 bytes wide, since whoever finds a second text for a shorter one would be let in.
    """

    SIGNATURE = 0x0A
    UCI = 0x0B
    COUNTRYCODEUCI = 0x0C
    RID = 0x20
    RID_BEFORE = 0x21
    FHIR = 0x22
    SERIAL = 0x23
    DOCUMENT = 0x24
    ALLOWED = 0x30


class Revocation(Protocol):
    """Looks up revocation entries. An implementation reads what is on this machine and never the network."""

    def kinds(self, scope: bytes) -> Collection[HashKind]:  # noqa: ARG002 - an implementation may know better
        """Of which kinds entries may be listed for ``scope``; no other need be looked up."""
        return tuple(HashKind)

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Whether ``digest`` (the first 16 bytes of SHA-256) is listed for ``scope``.

        scope: a KID, or :func:`country_scope` for entries that hold for every key of a country, or
        :func:`authority_scope` for what a CSCA's CRL lists.
        """

    def before(self, scope: bytes, digest: bytes) -> datetime | None:
        """Documents issued before this instant are revoked (``RID_BEFORE``); ``None`` when none is listed."""

    def gap(self, scope: bytes, now: datetime | None) -> str | None:
        """Why the answer for ``scope`` cannot be relied on at ``now``; ``None`` when it can.

        now: ``None`` when time is not judged; what is missing at any time is told even so.
        """


@lru_cache(maxsize=1024)  # countries of keys, not of documents
def country_scope(country: str) -> bytes:
    """The scope of entries published for every key of ``country`` (the gateway's ``UNKNOWN_KID``).

    A country has one scope whichever of its codes a publisher uses (``EL`` and ``GR``).
    """
    return b"country:" + (alpha2(country) or country.upper()).encode()


def authority_scope(key_id: bytes) -> bytes:
    """The scope of the serial numbers on the CRL of the CSCA with this key identifier."""
    return b"csca:" + key_id


class NoRevocation:
    """For keys that were given by hand: no issuer published a list, so nothing is missing."""

    def kinds(self, scope: bytes) -> Collection[HashKind]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False

    def before(self, scope: bytes, digest: bytes) -> datetime | None:  # noqa: ARG002 - the protocol's
        """Never."""
        return None

    def gap(self, scope: bytes, now: datetime | None) -> str | None:  # noqa: ARG002 - the protocol's
        """No gap: an issuer that publishes none leaves none."""
        return None


class ListedRevocation:
    """Entries that were given by hand, such as a CRL beside a CSCA.

    entries: (scope, kind, digest). until: up to when what stands for a scope can be relied on, ``None`` for
    ever. fault: why what a CSCA takes back cannot be relied on at any time; ``None`` when it can.
    """

    def __init__(
        self,
        entries: Iterable[tuple[bytes, HashKind, bytes]] = (),
        until: Mapping[bytes, datetime | None] = MappingProxyType({}),
        fault: str | None = None,
    ) -> None:
        self._entries = frozenset(entries)
        self._until = dict(until)
        self._fault = fault

    def kinds(self, scope: bytes) -> Collection[HashKind]:
        """Those of the entries that were given for the scope."""
        return {kind for given, kind, _ in self._entries if given == scope}

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        """Whether the entry was given."""
        return (scope, kind, digest) in self._entries

    def before(self, scope: bytes, digest: bytes) -> datetime | None:  # noqa: ARG002 - the protocol's
        """Never: nothing that is given by hand carries instants."""
        return None

    def gap(self, scope: bytes, now: datetime | None) -> str | None:
        """Whether what was given for the scope is over, or could not be used."""
        until = self._until.get(scope)
        if now is not None and until is not None and now > until:
            return f"the CRL was valid until {until:%Y-%m-%d}"
        return self._fault if scope.startswith(authority_scope(b"")) else None


class ListState(StrEnum):
    """How old the trust list is; the limits stand in ``FRESHNESS``."""

    FRESH = "FRESH"
    STALE_1 = "STALE-1"
    STALE_2 = "STALE-2"
    STALE_3 = "STALE-3"
    EXPIRED = "EXPIRED"


# Ages, inclusive, each with the state up to it.
Limits = tuple[tuple[timedelta, ListState], ...]
# Of the last signed instant.
FRESHNESS: Limits = (
    (timedelta(hours=36), ListState.FRESH),
    (timedelta(days=7), ListState.STALE_1),
    (timedelta(days=30), ListState.STALE_2),
    (timedelta(days=60), ListState.STALE_3),
)


# No unit is alone for longer: an age beyond it, by a clock that nobody vouches for, is the clock's fault.
BELIEVED_AGE = timedelta(days=366)


def list_state(age: timedelta, limits: Limits = FRESHNESS) -> ListState:
    """The state of a list of this age; a list signed after ``now`` (age below zero) is FRESH."""
    for limit, state in limits:
        if age <= limit:
            return state
    return ListState.EXPIRED


class ClockState(StrEnum):
    """How far the unit's clock can be believed."""

    TRUSTED = "TRUSTED"
    BOUNDED = "BOUNDED"
    FLOOR_ONLY = "FLOOR-ONLY"
    UNSYNCED = "UNSYNCED-TIME"


def key_name(kid: bytes, issuer: str | None) -> bytes:
    """The name of a key among ``test_kids``: its KID, with its owner where lists name one."""
    return kid if issuer is None else issuer.encode("utf-8", "surrogatepass") + b"#" + kid


@dataclass(frozen=True, slots=True)
class TrustList:
    """An immutable set of keys with the facts that stand beside it.

    keys: by KID. authorities: CSCAs by key identifier. test_kids: of keys known only in a test environment,
    by :func:`key_name`. signed_at: the last verified signed
    instant; ``None`` for keys given by hand, which have no age. revocation: where to look entries up.
    source: a word for people. generation: the store's number for this content. limits: the ages up to which
    the list has which state, as a signed policy may tighten them. void_from: from this instant on the list is
    EXPIRED whatever its age (the root is over, or the keys' role for sixty days); ``None``: never.
    recognition: whom this country recognises; ``None``: nobody has said, and it is not asked.
    """

    keys: Mapping[bytes, tuple[TrustedKey, ...]]
    test_kids: frozenset[bytes] = frozenset()
    authorities: Mapping[bytes, tuple[Authority, ...]] = field(default_factory=lambda: MappingProxyType({}))
    signed_at: datetime | None = None
    revocation: Revocation = field(default_factory=NoRevocation)
    source: str = ""
    generation: int | None = None
    limits: Limits = field(default_factory=lambda: FRESHNESS)
    void_from: datetime | None = None
    recognition: Recognition | None = None

    @classmethod
    def of(
        cls,
        keys: Iterable[TrustedKey],
        *,
        authorities: Iterable[Authority] = (),
        test_kids: Iterable[bytes] = (),
        signed_at: datetime | None = None,
        revocation: Revocation | None = None,
        source: str = "",
        generation: int | None = None,
        limits: Limits | None = None,
        void_from: datetime | None = None,
        recognition: Recognition | None = None,
    ) -> TrustList:
        """A list of these keys.

        Raises ValueError when one KID of one issuer has more than ``MAX_KEYS_PER_KID`` keys.
        """
        by_kid: dict[bytes, list[TrustedKey]] = {}
        for key in keys:
            by_kid.setdefault(key.kid, []).append(key)
        for kid, same in by_kid.items():
            count = max(Counter(key.issuer for key in same).values())
            if count > MAX_KEYS_PER_KID:
                raise ValueError(f"KID {kid.hex()} names {count} keys; at most {MAX_KEYS_PER_KID} are taken")
        by_key_id: dict[bytes, list[Authority]] = {}
        for authority in authorities:
            by_key_id.setdefault(authority.key_id, []).append(authority)
        return cls(
            keys=MappingProxyType({kid: tuple(same) for kid, same in by_kid.items()}),
            authorities=MappingProxyType({key_id: tuple(same) for key_id, same in by_key_id.items()}),
            test_kids=frozenset(test_kids),
            signed_at=signed_at,
            revocation=revocation or NoRevocation(),
            source=source,
            generation=generation,
            limits=limits or FRESHNESS,
            void_from=void_from,
            recognition=recognition,
        )

    def candidates(
        self, kid: bytes, domain: Domain | None = None, issuer: str | None = None
    ) -> tuple[TrustedKey, ...]:
        """Every key of this KID, withdrawn ones too, and those given without a KID.

        domain: keys of it and keys of none; if there is no such key, those of other domains, so that their
        use here can be named. issuer: where the family's keys are found by issuer and KID, the issuer that
        the document names: keys of other owners are no candidates (``None``: not asked).
        """
        found = self.keys.get(kid, ())
        if len(found) == 1 and found[0].domain in (None, domain) and issuer is None and b"" not in self.keys:
            return found  # nearly always
        if kid and b"" in self.keys:
            found += self.keys[b""]
        if issuer is not None:
            found = tuple(key for key in found if key.issuer in (None, issuer))
        if domain is None:
            return found
        return tuple([key for key in found if key.domain in (None, domain)]) or found[:MAX_KEYS_PER_KID]

    def knows_test_key(self, kid: bytes, issuer: str | None = None) -> bool:
        """Whether this key is known in a test environment only."""
        return key_name(kid, None) in self.test_kids or key_name(kid, issuer) in self.test_kids

    def state(self, now: datetime, clock: ClockState | None = None) -> ListState | None:
        """The list's state at ``now``; ``None`` for keys given by hand.

        clock: where only a floor bounds it and it claims an age of more than ``BELIEVED_AGE``, the clock is
        more likely wrong than the list that old: nothing is green then, and a clock of 2040 puts no unit out.
        """
        state = self._state(now)
        if state is not ListState.EXPIRED or clock is not ClockState.FLOOR_ONLY or self.signed_at is None:
            return state
        return ListState.STALE_3 if now - self.signed_at > BELIEVED_AGE else state

    def _state(self, now: datetime) -> ListState | None:
        if self.signed_at is None:
            return None
        if self.void_from is not None and now >= self.void_from:
            return ListState.EXPIRED
        return list_state(now - self.signed_at, self.limits)
