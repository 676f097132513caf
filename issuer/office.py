"""The issuer at work: issue, revoke, rotate, publish.

The rules this module keeps:

* Nothing is issued that does not conform to its schema, or by a key that is withdrawn or not allowed for it.
* Every family is issued from one kind of payload, that of a DCC; its keys are those of its own domain.
* Revoking and rotating take effect with the next publication, and only then.
* Every instant is an argument. What happens in the same order from the same seed is the same to the byte.

    with Issuer.open(Path("office")) as issuer:
        issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR, family=Family.SHC)
        issuer.revoke(issued.uvci)
        issuer.publish(now)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from issuer import signers
from issuer.certificates import OPAQUE_BYTES, check, complete, event_of, identifier_of, uvci
from issuer.documents import USUAL, Facts, document_of, own_entry
from issuer.errors import IssuerError
from issuer.families import ALGORITHMS, COUNTRY, ISSUED, domain_of, issuer_name
from issuer.keys import Algorithm, EcdsaKey, SigningKey, generate, load
from issuer.publish import publish
from issuer.registry import IssuedRow, KeyRow, Registry
from issuer.revocation import identifier_digest, signature_digest
from issuer.rules import choose_rules
from issuer.sealing import Sealed, Signer, seal_document
from issuer.seed import Stream, derive, new_seed
from issuer.wellknown import HEALTH_CSCA, health_csca, health_csca_key
from trustsync.publishing import RESIGN_AFTER, Publication, last_signed_at
from trustsync.targets import PRODUCTION, TEST
from verifier import chain
from verifier.certificate import Family
from verifier.families import shown_kid
from verifier.keys import kid_of
from verifier.policy.bundle import RuleBundle
from verifier.trust import Domain, HashKind, KeyStatus, authority_scope, country_scope
from verifier.wire import shc_keys

__all__ = ["COUNTRY", "PRODUCTION", "TEST", "YEAR", "Issued", "Issuer", "Signer"]

YEAR = timedelta(days=365)  # how long a certificate is good for unless somebody says otherwise
_COUNTRY = re.compile(r"[A-Z]{2}")
# Domains whose keys have an X.509 certificate, by which their KID is made.
_CERTIFIED = frozenset({Domain.HCERT, Domain.LT1, Domain.AT1, Domain.VDS_NC})
_IDENTIFIERS = frozenset({HashKind.UCI, HashKind.COUNTRYCODEUCI})


@dataclass(frozen=True, slots=True, repr=False)
class Issued(Sealed):
    """A certificate. code: what its QR code holds. text: the same as text. signature: raw, as in the code.

    uvci: the identifier under which it was issued; documents that have room for it carry it, or a shorter one
    that follows from it. expires_at: as the code says it, so ``None`` for VDS-NC.
    """

    uvci: str
    issued_at: datetime
    expires_at: datetime | None


_EVERYTHING = "*"  # in the place of an event's letter: no usage has it, so only an unrestricted key may


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
        """A new issuer: a key for each algorithm of HC1, one for each other domain, and its test environment.

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
                issuer._add_key(Domain.HCERT, algorithm, PRODUCTION, now, None)
            issuer._add_key(Domain.HCERT, Algorithm.ES256, TEST, now, None)
            # One key each, and none of RSA: finding its primes takes longer than all the rest.
            for environment in (PRODUCTION, TEST):
                for domain in Domain:
                    if domain is not Domain.HCERT:
                        issuer._add_key(domain, ALGORITHMS[domain][0], environment, now, None)
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
        payload: Mapping[Any, Any],
        *,
        issued_at: datetime,
        expires_at: datetime | None,
        family: Family = Family.HC1,
        algorithm: Algorithm | None = None,
        kid: bytes | None = None,
        environment: str = PRODUCTION,
        facts: Facts = USUAL,
        unchecked: bool = False,
    ) -> Issued:
        """A signed certificate of this family; an identifier is given to it unless the payload brings one.

        payload: of a DCC, whatever the family. algorithm: ``None`` for the family's first. kid: of the key to
        sign with; without it the newest active one of ``algorithm`` that may sign this kind of event. facts:
        what some families say and a DCC does not. unchecked: ``payload`` is the family's own document, signed
        as it is, whatever it breaks; for tests of verifiers.
        Raises IssuerError when there is no such key, the payload does not conform, the family cannot say it,
        or the certificate would expire before it was issued.
        """
        if family not in ISSUED:
            raise IssuerError(f"{family}: this issuer does not issue it; it issues {', '.join(ISSUED)}")
        if not unchecked:
            if expires_at is not None and expires_at <= issued_at:
                raise IssuerError("the certificate would expire before it is issued")
            event_of(payload)
        letter = _letter(family, payload)
        row = self._key(domain_of(family), letter, algorithm, kid, environment, unchecked=unchecked)
        signer = _signer(row)
        with self.registry.change():
            document, identifier = payload, identifier_of(payload)
            if not unchecked:
                opaque = derive(self._seed, f"uvci/{self.registry.next_certificate_serial()}", OPAQUE_BYTES)
                whole = complete(payload, uvci(self.country, opaque))
                check(whole)
                identifier = identifier_of(whole)
                document = document_of(
                    family,
                    whole,
                    signer.issuer,
                    country=self.country,
                    issued_at=issued_at,
                    expires_at=expires_at,
                    facts=facts,
                )
            sealed = seal_document(family, document, signer, issued_at=issued_at, expires_at=expires_at)
            own_kind, own_name = own_entry(family, document)
            self.registry.add_issued(
                IssuedRow(
                    uvci=identifier or own_name,
                    kid=sealed.kid,
                    signature=signature_digest(sealed.algorithm, sealed.signature),
                    family=family,
                    own_kind=own_kind,
                    own_name=own_name,
                )
            )
        return Issued(
            family=family,
            code=sealed.code,
            kid=sealed.kid,
            algorithm=sealed.algorithm,
            signature=sealed.signature,
            uvci=identifier or own_name,
            issued_at=issued_at,
            expires_at=None if family is Family.VDS_NC else expires_at,
        )

    def revoke(
        self, identifier: str, kind: HashKind | None = None, *, any_key: bool = False
    ) -> tuple[bytes, ...]:
        """Put the certificates of this identifier on the revocation list; the scopes of the entries.

        identifier: under which they were issued, or that they carry. kind: of the entries; ``None`` for the
        one that each family goes by. any_key: for an identifier that this registry does not know: the entry
        then holds for every key of the country. Raises IssuerError for an unknown identifier without
        ``any_key``, and for a kind that a certificate has no entry of.
        """
        rows = self.registry.issued(identifier)
        if any_key:
            kind = kind or HashKind.UCI
            if kind not in _IDENTIFIERS:
                raise IssuerError("an entry for any key needs an identifier; a signature belongs to one key")
            country = self.country if kind is HashKind.COUNTRYCODEUCI else ""
            entries = [(country_scope(self.country), kind, identifier_digest(identifier, country))]
        elif rows:
            entries = [self._entry(row, kind or row.own_kind) for row in rows]
        else:
            raise IssuerError(
                "no certificate of this identifier was issued here. Compare it to the letter (nothing is "
                "normalised), or revoke it for any key of the country: --any-key"
            )
        with self.registry.change():
            for scope, wanted, digest in entries:
                self.registry.revoke(scope, wanted, digest)
        return tuple(scope for scope, _, _ in entries)

    def _entry(self, row: IssuedRow, kind: HashKind) -> tuple[bytes, HashKind, bytes]:
        """The entry of this kind that revokes one certificate."""
        if kind is HashKind.SIGNATURE:
            return row.kid, kind, row.signature
        if kind is row.own_kind:
            return row.kid, kind, identifier_digest(row.own_name)
        if kind is HashKind.COUNTRYCODEUCI and row.own_kind is HashKind.UCI:
            return row.kid, kind, identifier_digest(row.own_name, self.country)
        raise IssuerError(
            f"a {row.family} certificate of this issuer is revoked by {row.own_kind.name.lower()}, "
            f"and not by {kind.name.lower()}"
        )

    def keys_of(self, algorithm: Algorithm, domain: Domain = Domain.HCERT) -> list[KeyRow]:
        """The production keys of this domain and algorithm, oldest first, withdrawn ones too."""
        return [
            row
            for row in self.registry.signing_keys(domain)
            if row.algorithm is algorithm and row.environment == PRODUCTION
        ]

    def rotate(
        self,
        algorithm: Algorithm | None = None,
        *,
        now: datetime,
        domain: Domain = Domain.HCERT,
        uses: frozenset[str] | None = None,
        withdraw: bool = False,
    ) -> KeyRow:
        """A new key of this domain and algorithm, with which is signed from now on.

        algorithm: ``None`` for the domain's first. uses: letters ``t``, ``v``, ``r`` of what it may sign,
        ``None`` for everything. withdraw: whether the keys before it are marked withdrawn; else what they
        signed stays good. Raises IssuerError for an algorithm that the domain does not know, and for uses
        where no certificate could state them.
        """
        algorithm = _algorithm(domain, algorithm)
        if uses is not None and domain not in (Domain.HCERT, Domain.LT1, Domain.AT1):
            raise IssuerError(f"a key for {domain} cannot be restricted; only those with a DSC can")
        before = self.keys_of(algorithm, domain)
        with self.registry.change():
            if withdraw:
                for row in before:
                    self.withdraw(row, now)
            return self._add_key(domain, algorithm, PRODUCTION, now, uses)

    def withdraw(self, row: KeyRow, now: datetime) -> None:
        """Mark a key withdrawn; inside ``registry.change()``, and published with the next publication."""
        self.registry.withdraw(row.kid, now)
        if row.domain is Domain.VDS_NC:
            # signers of seals are on no list; their CSCA takes them back by serial number
            csca = health_csca(self.registry, row.environment)
            assert csca is not None
            scope = authority_scope(chain.load_authority(csca).key_id)
            serial = signers.serial_of(row.certificate)
            self.registry.revoke(scope, HashKind.SERIAL, chain.serial_digest(serial))

    def choose_rules(self, bundles: Sequence[RuleBundle], now: datetime) -> None:
        """Publish these rules from the next publication on; see :func:`issuer.rules.choose_rules`."""
        choose_rules(self.registry, bundles, now)

    def publish(self, now: datetime) -> Publication:
        """Bring the published repository up to date; see :func:`issuer.publish.publish`."""
        return publish(self.registry, now)

    def publish_if_due(self, now: datetime) -> Publication | None:
        """Publish when the last publication is ``RESIGN_AFTER`` old; ``None`` while it is younger."""
        last = last_signed_at(self.registry)
        due = last is None or now - last >= RESIGN_AFTER
        return self.publish(now) if due else None

    def signer(
        self, domain: Domain, *, algorithm: Algorithm | None = None, environment: str = PRODUCTION
    ) -> Signer:
        """The newest active key of a domain that may sign everything. Raises IssuerError."""
        return _signer(self._key(domain, _EVERYTHING, algorithm, None, environment, unchecked=False))

    def unlisted_signer(
        self, algorithm: Algorithm, label: str, now: datetime, *, domain: Domain = Domain.HCERT
    ) -> Signer:
        """A key that is on no list, and is else as it should be. For faults on purpose and for nothing else.

        A DSC comes from this issuer's CSCA. The signer of a seal comes from a CSCA of the same name that
        nobody has heard of; one of the real CSCA would be good, for those are on no list anyhow.
        """
        certified = None
        if domain is Domain.VDS_NC:
            key = _ecdsa_key(self._seed, f"{HEALTH_CSCA}/unlisted/{label}")
            serial = _serial(self._seed, f"{HEALTH_CSCA}/unlisted/{label}")
            name = "Health CSCA"
            certified = signers.make_csca(self.country, key, serial, now, name=name, health=True), key
        return self._make_signer(
            domain,
            algorithm,
            PRODUCTION,
            label=f"unlisted/{label}" if domain is Domain.HCERT else f"{domain}/unlisted/{label}",
            number=label,
            name=f"{self.country} not listed",
            now=now,
            authority=certified,
        )

    def _key(
        self,
        domain: Domain,
        letter: str | None,
        algorithm: Algorithm | None,
        kid: bytes | None,
        environment: str,
        *,
        unchecked: bool,
    ) -> KeyRow:
        def may_sign(row: KeyRow) -> bool:
            if unchecked or letter is None or not row.certificate:
                return True
            uses = signers.listed_key(row.certificate, row.status).uses
            return uses is None or letter in uses

        if kid is not None:
            found = [row for row in self.registry.signing_keys() if row.kid == kid]
            shown = shown_kid(found[0].domain if found else domain, kid)
            if not found:
                raise IssuerError(f"this issuer has no key with KID {shown}")
            if found[0].domain is not domain:
                raise IssuerError(f"the key with KID {shown} is one for {found[0].domain}, not for {domain}")
            if found[0].status is KeyStatus.WITHDRAWN:
                raise IssuerError(f"the key with KID {shown} is withdrawn; nothing is signed with it")
            if not may_sign(found[0]):
                raise IssuerError(f"the key with KID {shown} may not sign this kind of event (--unchecked)")
            return found[0]
        algorithm = _algorithm(domain, algorithm)
        for row in reversed(self.registry.signing_keys(domain)):
            kind = (row.algorithm, row.environment)
            standing = row.status is not KeyStatus.WITHDRAWN
            if standing and kind == (algorithm, environment) and may_sign(row):
                return row
        family = next(each for each in ISSUED if domain_of(each) is domain)
        raise IssuerError(
            f"no active {environment} key of {domain} for {algorithm} may sign this kind of event; "
            f"make one with: vaxgate-issuer rotate --family {family} --alg {algorithm}"
        )

    def _add_key(
        self,
        domain: Domain,
        algorithm: Algorithm,
        environment: str,
        now: datetime,
        uses: frozenset[str] | None,
    ) -> KeyRow:
        serial = self.registry.next_key_serial()
        same = [row for row in self.registry.signing_keys(domain) if row.environment == environment]
        plain = domain is Domain.HCERT  # the first domain; its labels stay what they were when it was alone
        test = " TEST" if environment == TEST else ""
        title = {Domain.HCERT: "DSC", Domain.VDS_NC: "BSC"}.get(domain, f"{domain.upper()} DSC")
        signer = self._make_signer(
            domain,
            algorithm,
            environment,
            label=f"{environment}/{serial}" if plain else f"{domain}/{environment}/{serial}",
            number=str(len(same) + 1),
            name=f"{self.country}{test} {title} {algorithm} {serial}",
            now=now,
            uses=uses,
        )
        row = KeyRow(
            serial=serial,
            algorithm=algorithm,
            environment=environment,
            status=KeyStatus.ACTIVE,
            kid=signer.kid,
            certificate=signer.certificate or b"",
            material=signer.key.material(),
            domain=domain,
            issuer=signer.issuer,
        )
        self.registry.add_key(row)
        return row

    def _make_signer(
        self,
        domain: Domain,
        algorithm: Algorithm,
        environment: str,
        *,
        label: str,
        number: str,
        name: str,
        now: datetime,
        uses: frozenset[str] | None = None,
        authority: tuple[bytes, EcdsaKey] | None = None,
    ) -> Signer:
        """A new key. label: what it is made from. number: for KIDs that count. name: of its certificate.

        authority: the CSCA that issues the certificate, with its key; ``None`` for the domain's own.
        """
        key = generate(algorithm, Stream(self._seed, f"key/{algorithm}/{label}"))
        issuer = issuer_name(domain, self.country, environment)
        certificate = None
        if domain in _CERTIFIED:
            csca, csca_key = authority or self.authority(domain, environment, now)
            common: dict[str, Any] = {
                "csca": csca,
                "csca_key": csca_key,
                "spki": key.spki(),
                "country": self.country,
                "name": name,
                "serial": _serial(self._seed, label),
                "now": now,
            }
            certificate = (
                signers.make_bsc(**common)
                if domain is Domain.VDS_NC
                else signers.make_dsc(**common, uses=uses)
            )
        kid = _kid(domain, issuer, environment, number, key) if certificate is None else kid_of(certificate)
        return Signer(key, kid, issuer, certificate)

    def authority(self, domain: Domain, environment: str, now: datetime) -> tuple[bytes, EcdsaKey]:
        """The CSCA that issues a domain's certificates, with its key; that of seals is made when needed."""
        if domain is not Domain.VDS_NC:
            return bytes.fromhex(self.registry.fact("csca")), _csca_key(self._seed)
        label = f"{HEALTH_CSCA}/{environment}"
        key = health_csca_key(self.registry, environment)
        csca = health_csca(self.registry, environment)
        if csca is None:
            name = "TEST Health CSCA" if environment == TEST else "Health CSCA"
            csca = signers.make_csca(
                self.country, key, _serial(self._seed, label), now, name=name, health=True
            )
            self.registry.set_fact(label, csca.hex())
        return csca, key


def _signer(row: KeyRow) -> Signer:
    return Signer(load(row.algorithm, row.material), row.kid, row.issuer, row.certificate or None)


def _algorithm(domain: Domain, wanted: Algorithm | None) -> Algorithm:
    known = ALGORITHMS[domain]
    if wanted is not None and wanted not in known:
        raise IssuerError(f"keys of {domain} are for {' or '.join(known)}, not for {wanted}")
    return wanted or known[0]


def _letter(family: Family, payload: Mapping[Any, Any]) -> str | None:
    """The event as key usage names it; ``None`` for a family whose documents have none."""
    if family in (Family.LT1, Family.NZCP):
        return None
    if family is Family.AT1:
        return "e"  # an exemption: no usage OID allows it, so a restricted key may not sign it
    return next((letter for letter in "vtr" if payload.get(letter)), None)


def _kid(domain: Domain, issuer: str, environment: str, number: str, key: SigningKey) -> bytes:
    """The KID of a key without certificate."""
    match domain:
        case Domain.SHC:
            return shc_keys.thumbprint(key.spki()).encode()
        case Domain.DIVOC:
            return f"{issuer}#divoc-{number}".encode()
        case Domain.NZCP:
            return f"{'test' if environment == TEST else 'key'}-{number}".encode()
        case _:
            raise AssertionError(domain)  # keys of the others have a certificate


def _csca_key(seed: bytes) -> EcdsaKey:
    return _ecdsa_key(seed, "csca")


def _ecdsa_key(seed: bytes, label: str) -> EcdsaKey:
    key = generate(Algorithm.ES256, Stream(seed, label))
    assert isinstance(key, EcdsaKey)
    return key


def _serial(seed: bytes, label: str) -> int:
    """A certificate serial number: positive and of 127 bits (RFC 5280 §4.1.2.2 allows 159)."""
    return 1 | int.from_bytes(derive(seed, f"serial/{label}", 16), "big") >> 1
