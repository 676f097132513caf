"""Certificates of signers of seals, with one thing about them changed.

Bsc.of(issuer, now).signer(issuer, "a label")                    # one without fault
replace(Bsc.of(issuer, now), usage=None).signer(issuer, "…")     # one that is not for seals
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from issuer.faults.json_families import key_for
from issuer.keys import EcdsaKey
from issuer.office import PRODUCTION, YEAR, Issuer
from issuer.sealing import Signer
from issuer.signers import document_types
from verifier import chain
from verifier.keys import kid_of
from verifier.trust import Domain

_SEALS = ObjectIdentifier(chain.SEAL_SIGNER)


@dataclass(frozen=True, slots=True)
class Bsc:
    """What the certificate of a signer of seals says; :meth:`of` gives one without fault.

    authority: the key that issues it. issued_by: the name of that, ``None`` for the signer's own. key_id: of
    the authority, as the certificate names it; ``None`` for none. usage: extended, ``None`` for none. types:
    of documents, empty for none. signs: whether its key may sign documents. critical: a further extension.
    stops_sealing: when its private key has to, ``None`` where it does not say.
    """

    country: str
    authority: EcdsaKey
    issued_by: x509.Name | None
    key_id: bytes | None
    begin: datetime
    end: datetime
    usage: ObjectIdentifier | None = _SEALS
    types: tuple[str, ...] = ("NT", "NV")
    signs: bool = True
    critical: x509.ExtensionType | None = None
    stops_sealing: datetime | None = None

    @classmethod
    def of(cls, issuer: Issuer, now: datetime) -> Bsc:
        """A good one of the issuer's CSCA."""
        csca, key = issuer.authority(Domain.VDS_NC, PRODUCTION, now)
        name = x509.load_der_x509_certificate(csca).subject
        return cls(issuer.country, key, name, key_id_of(key), now - YEAR, now + YEAR)

    def signer(self, issuer: Issuer, label: str) -> Signer:
        """A signer with this certificate. label: what its key is made from."""
        key = key_for(issuer, f"vds-nc/{label}")
        own = name_of(self.country, label)
        builder = (
            x509.CertificateBuilder()
            .subject_name(own)
            .issuer_name(self.issued_by or own)
            .public_key(key.private.public_key())
            .serial_number(int.from_bytes(key_id_of(key)[:15], "big") | 1)
            .not_valid_before(self.begin.replace(microsecond=0))
            .not_valid_after(self.end.replace(microsecond=0))
        )
        for extension, critical in self._extensions():
            builder = builder.add_extension(extension, critical)
        made = builder.sign(self.authority.private, hashes.SHA256(), ecdsa_deterministic=True)
        certificate = made.public_bytes(Encoding.DER)
        return Signer(key, kid_of(certificate), issuer.country, certificate)

    def _extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        usage = x509.KeyUsage(
            digital_signature=self.signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=not self.signs,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        extensions: list[tuple[x509.ExtensionType, bool]] = [(usage, True)]
        if self.key_id is not None:
            extensions.append((x509.AuthorityKeyIdentifier(self.key_id, None, None), False))
        if self.usage is not None:
            extensions.append((x509.ExtendedKeyUsage([self.usage]), True))
        if self.types:
            extensions.append((document_types(self.types), False))
        if self.stops_sealing is not None:
            extensions.append((x509.PrivateKeyUsagePeriod(None, self.stops_sealing), False))
        if self.critical is not None:
            extensions.append((self.critical, True))
        return extensions


def name_of(country: str, common: str) -> x509.Name:
    """A name with a country and nothing that is not needed."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{country} {common}"),
        ]
    )


def key_id_of(key: EcdsaKey) -> bytes:
    """The identifier under which a certificate names its authority's key."""
    return x509.SubjectKeyIdentifier.from_public_key(key.private.public_key()).digest
