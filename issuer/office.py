"""The issuer at work: issue, revoke, rotate, publish.

The rules this module keeps:

* Nothing is issued that does not conform to its schema, or by a key that is withdrawn or not allowed for it.
* Revoking and rotating take effect with the next publication, and only then.
* Every instant is an argument. What happens in the same order from the same seed is the same to the byte.

    with Issuer.open(Path("office")) as issuer:
        issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
        issuer.revoke(issued.uvci)
        issuer.publish(now)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from issuer import signers
from issuer.certificates import OPAQUE_BYTES, check, complete, event_of, identifier_of, uvci
from issuer.errors import IssuerError
from issuer.keys import Algorithm, EcdsaKey, SigningKey, generate, load
from issuer.publish import RESIGN_AFTER, Publication, last_signed_at, publish
from issuer.registry import IssuedRow, KeyRow, Registry
from issuer.revocation import signature_digest, uvci_digest
from issuer.seed import Stream, derive, new_seed
from verifier.keys import kid_of
from verifier.trust import HashKind, KeyStatus, country_scope
from verifier.wire.hc1 import encode_hc1

COUNTRY = "XV"  # ISO 3166-1 leaves it to users: no state will ever have it
YEAR = timedelta(days=365)  # how long a certificate is good for unless somebody says otherwise
PRODUCTION, TEST = "production", "test"
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A signing key with the DSC that speaks for it."""

    key: SigningKey
    certificate: bytes

    @property
    def kid(self) -> bytes:
        """The KID that stands in the header of what this key signs."""
        return kid_of(self.certificate)


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A certificate. text: what its QR code says. signature: raw, as in the code."""

    text: str
    uvci: str
    kid: bytes
    algorithm: Algorithm
    signature: bytes
    issued_at: datetime
    expires_at: datetime | None


class Issuer:
    """An issuer and its directory."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._seed = registry.fact("seed").encode()
        self.country = registry.fact("country")

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        now: datetime,
        seed: str | None = None,
        country: str = COUNTRY,
        clock_stands: bool = False,
    ) -> Issuer:
        """A new issuer with one key for each algorithm and one of its test environment.

        seed: makes everything reproducible, and known to whoever knows it; without one it is random.
        clock_stands: ``now`` is this issuer's clock from now on, see :attr:`clock`.
        Raises IssuerError when the directory is not empty or ``country`` is not two capitals.
        """
        if not _COUNTRY.fullmatch(country):
            raise IssuerError(f"{country!r} is no country code; two capitals are expected, as {COUNTRY}")
        seed = seed or new_seed()
        secret = seed.encode()
        csca_key = _csca_key(secret)
        csca = signers.make_csca(country, csca_key, _serial(secret, "csca"), now)
        facts = {"seed": seed, "country": country, "csca": csca.hex()}
        if clock_stands:
            facts["clock"] = now.isoformat()
        registry = Registry.create(directory, facts)
        issuer = cls(registry)
        with registry.change():
            for algorithm in Algorithm:
                issuer._add_key(algorithm, PRODUCTION, now, None)
            issuer._add_key(Algorithm.ES256, TEST, now, None)
        return issuer

    @classmethod
    def open(cls, directory: Path) -> Issuer:
        """The issuer of a directory. Raises IssuerError when there is none."""
        return cls(Registry.open(directory))

    def close(self) -> None:
        """Let go of the directory."""
        self.registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def clock(self) -> datetime | None:
        """Where this issuer's clock stands; ``None`` when it goes with this machine's."""
        text = self.registry.fact("clock")
        return datetime.fromisoformat(text) if text else None

    def has_seed(self, seed: str) -> bool:
        """Whether this issuer was made from that seed."""
        return seed.encode() == self._seed

    def issue(
        self,
        payload: Mapping[str, Any],
        *,
        issued_at: datetime,
        expires_at: datetime | None,
        algorithm: Algorithm = Algorithm.ES256,
        kid: bytes | None = None,
        environment: str = PRODUCTION,
        unchecked: bool = False,
    ) -> Issued:
        """A signed certificate with this payload; an identifier is given to it unless it has one.

        kid: of the key to sign with; without it the newest active one of ``algorithm`` that may sign this
        kind of event. unchecked: sign the payload as it is, whatever it breaks; for tests of verifiers.
        Raises IssuerError when there is no such key, the payload does not conform, or the certificate would
        expire before it was issued.
        """
        if not unchecked:
            if expires_at is not None and expires_at <= issued_at:
                raise IssuerError("the certificate would expire before it is issued")
            event_of(payload)
        row = self._key(payload, algorithm, kid, environment, unchecked=unchecked)
        with self.registry.change():
            whole = payload
            if not unchecked:
                opaque = derive(self._seed, f"uvci/{self.registry.next_certificate_serial()}", OPAQUE_BYTES)
                whole = complete(payload, uvci(self.country, opaque))
                check(whole)
            signer = Signer(load(row.algorithm, row.material), row.certificate)
            issued = seal(whole, signer, self.country, issued_at, expires_at)
            entry = signature_digest(issued.algorithm, issued.signature)
            self.registry.add_issued(IssuedRow(issued.uvci, issued.kid, entry))
        return issued

    def revoke(
        self, identifier: str, kind: HashKind = HashKind.UCI, *, any_key: bool = False
    ) -> tuple[bytes, ...]:
        """Put the certificates of this identifier on the revocation list; the scopes of the entries.

        any_key: for an identifier that this registry does not know: the entry then holds for every key of
        the country. Raises IssuerError for an unknown identifier without ``any_key``.
        """
        rows = self.registry.issued(identifier)
        if any_key and kind is HashKind.SIGNATURE:
            raise IssuerError("an entry for any key needs an identifier; a signature belongs to one key")
        if not any_key and not rows:
            raise IssuerError(
                "no certificate of this identifier was issued here. Compare it to the letter (nothing is "
                "normalised), or revoke it for any key of the country: --any-key"
            )
        by_name = uvci_digest(identifier, self.country if kind is HashKind.COUNTRYCODEUCI else "")
        if any_key:
            entries = [(country_scope(self.country), by_name)]
        else:
            entries = [(row.kid, row.signature if kind is HashKind.SIGNATURE else by_name) for row in rows]
        with self.registry.change():
            for scope, digest in entries:
                self.registry.revoke(scope, kind, digest)
        return tuple(scope for scope, _ in entries)

    def keys_of(self, algorithm: Algorithm) -> list[KeyRow]:
        """The production keys of this algorithm, oldest first, withdrawn ones too."""
        return [
            row
            for row in self.registry.signing_keys()
            if row.algorithm is algorithm and row.environment == PRODUCTION
        ]

    def rotate(
        self,
        algorithm: Algorithm,
        *,
        now: datetime,
        uses: frozenset[str] | None = None,
        withdraw: bool = False,
    ) -> KeyRow:
        """A new key of this algorithm, with which is signed from now on.

        uses: letters ``t``, ``v``, ``r`` of what it may sign, ``None`` for everything. withdraw: whether the
        keys before it are marked withdrawn; else what they signed stays good.
        """
        before = self.keys_of(algorithm)
        with self.registry.change():
            if withdraw:
                for row in before:
                    self.registry.set_status(row.kid, KeyStatus.WITHDRAWN)
            return self._add_key(algorithm, PRODUCTION, now, uses)

    def publish(self, now: datetime) -> Publication:
        """Bring the published repository up to date; see :func:`issuer.publish.publish`."""
        return publish(self.registry, now)

    def publish_if_due(self, now: datetime) -> Publication | None:
        """Publish when the last publication is ``RESIGN_AFTER`` old; ``None`` while it is younger."""
        last = last_signed_at(self.registry)
        due = last is None or now - last >= RESIGN_AFTER
        return self.publish(now) if due else None

    def unlisted_signer(self, algorithm: Algorithm, label: str, now: datetime) -> Signer:
        """A key of this issuer's CSCA that is on no list. For faults on purpose and for nothing else."""
        return self._make_signer(algorithm, f"unlisted/{label}", f"{self.country} not listed", now, None)

    def _key(
        self,
        payload: Mapping[str, Any],
        algorithm: Algorithm,
        kid: bytes | None,
        environment: str,
        *,
        unchecked: bool,
    ) -> KeyRow:
        letter = next((letter for letter in "vtr" if payload.get(letter)), None)

        def may_sign(row: KeyRow) -> bool:
            uses = signers.listed_key(row.certificate, row.status).uses
            return unchecked or uses is None or letter in uses

        if kid is not None:
            found = [row for row in self.registry.signing_keys() if row.kid == kid]
            if not found:
                raise IssuerError(f"this issuer has no key with KID {kid.hex()}")
            if found[0].status is KeyStatus.WITHDRAWN:
                raise IssuerError(f"the key with KID {kid.hex()} is withdrawn; nothing is signed with it")
            if not may_sign(found[0]):
                raise IssuerError(
                    f"the key with KID {kid.hex()} may not sign this kind of event (--unchecked)"
                )
            return found[0]
        for row in reversed(self.registry.signing_keys()):
            kind = (row.algorithm, row.environment, row.status)
            if kind == (algorithm, environment, KeyStatus.ACTIVE) and may_sign(row):
                return row
        raise IssuerError(
            f"no active {environment} key for {algorithm} may sign this kind of event; "
            f"make one with: vaxgate-issuer rotate --alg {algorithm}"
        )

    def _add_key(
        self, algorithm: Algorithm, environment: str, now: datetime, uses: frozenset[str] | None
    ) -> KeyRow:
        serial = self.registry.next_key_serial()
        test = " TEST" if environment == TEST else ""
        name = f"{self.country}{test} DSC {algorithm} {serial}"
        signer = self._make_signer(algorithm, f"{environment}/{serial}", name, now, uses)
        row = KeyRow(
            serial=serial,
            algorithm=algorithm,
            environment=environment,
            status=KeyStatus.ACTIVE,
            kid=signer.kid,
            certificate=signer.certificate,
            material=signer.key.material(),
        )
        self.registry.add_key(row)
        return row

    def _make_signer(
        self, algorithm: Algorithm, label: str, name: str, now: datetime, uses: frozenset[str] | None
    ) -> Signer:
        key = generate(algorithm, Stream(self._seed, f"key/{algorithm}/{label}"))
        certificate = signers.make_dsc(
            csca=bytes.fromhex(self.registry.fact("csca")),
            csca_key=_csca_key(self._seed),
            spki=key.spki(),
            country=self.country,
            name=name,
            serial=_serial(self._seed, label),
            now=now,
            uses=uses,
        )
        return Signer(key, certificate)


def seal(
    payload: Mapping[str, Any],
    signer: Signer,
    country: str,
    issued_at: datetime,
    expires_at: datetime | None,
) -> Issued:
    """Sign a payload as it is: nothing is checked, nothing is remembered."""
    signatures: list[bytes] = []

    def sign(data: bytes) -> bytes:
        signatures.append(signer.key.sign(data))
        return signatures[-1]

    text = encode_hc1(
        payload,
        iss=country,
        iat=int(issued_at.timestamp()),
        exp=None if expires_at is None else int(expires_at.timestamp()),
        kid=signer.kid,
        alg=signer.key.algorithm.cose,
        sign=sign,
    )
    return Issued(
        text=text,
        uvci=identifier_of(payload),
        kid=signer.kid,
        algorithm=signer.key.algorithm,
        signature=signatures[-1],
        issued_at=issued_at,
        expires_at=expires_at,
    )


def _csca_key(seed: bytes) -> EcdsaKey:
    key = generate(Algorithm.ES256, Stream(seed, "csca"))
    assert isinstance(key, EcdsaKey)
    return key


def _serial(seed: bytes, label: str) -> int:
    """A certificate serial number: positive and of 127 bits (RFC 5280 §4.1.2.2 allows 159)."""
    return 1 | int.from_bytes(derive(seed, f"serial/{label}", 16), "big") >> 1
