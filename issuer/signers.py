"""Who vouches for a signing key: the country's CSCAs and the X.509 certificates (DSC, BSC) that they issue.

The rules this module keeps:

* A DSC's subject names the country; its KID is the first 8 bytes of the SHA-256 of its DER.
* Usage OIDs stand in the extended key usage only when a key is restricted; without them it may sign all.
* Seals have a CSCA of their own, which vouches for nothing but health (ICAO's usage for it); a barcode signer
  (BSC) may sign seals and nothing else. What that CSCA takes back stands on its CRL.
* Periods follow from the clock. They begin a year before it, so that an issuer made today can issue
  the document of last month that a checkpoint must learn to refuse.
* The same key, serial and clock give the same certificate, to the byte.

    csca = make_csca("XV", key, serial, now)
    der = make_dsc(csca_der=csca, csca_key=key, spki=signing.spki(), name="XV DSC ES256 1", ...)
    listed_key(der, KeyStatus.ACTIVE)    # as the published list has it
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID, ObjectIdentifier

from issuer.keys import EcdsaKey
from verifier.keys import trusted_key
from verifier.trust import KeyStatus, TrustedKey

ORGANISATION = "Vaxgate reference issuer"
BACKDATED = timedelta(days=365)  # how long before the clock a key's period begins
DSC_LIFE = timedelta(days=2 * 365)  # after the clock
CSCA_LIFE = timedelta(days=5 * 365)
CRL_LIFE = timedelta(days=90)  # Doc 9303 part 12 asks for a CRL every 90 days

# The usage OIDs of the EU DCC by the letter of the event.
USAGE_OIDS = {
    "t": ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1"),
    "v": ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.2"),
    "r": ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.3"),
}
# ICAO's usages of a CSCA for health seals and of a barcode signer, and its list of what a signer may seal.
_HEALTH_CSCA = ObjectIdentifier("2.23.136.1.1.14.1")
_SEAL_SIGNER = ObjectIdentifier("2.23.136.1.1.14.2")
_DOCUMENT_TYPES = ObjectIdentifier("2.23.136.1.1.6.2")
_TYPES_OF_SEALS = ("NT", "NV")  # seals of tests and of vaccinations


def make_csca(
    country: str, key: EcdsaKey, serial: int, now: datetime, *, name: str = "CSCA", health: bool = False
) -> bytes:
    """The self-signed certificate of a CSCA of the country, DER.

    name: what its common name says after the country. health: whether it vouches for seals of health
    certificates only.
    """
    own_name = _name(country, f"{country} {name}")
    public = key.private.public_key()
    begin = now.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(own_name)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(begin - BACKDATED)
        .not_valid_after(begin + CSCA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if health:
        builder = builder.add_extension(x509.ExtendedKeyUsage([_HEALTH_CSCA]), critical=False)
    return _signed(builder, key)


def make_dsc(
    *,
    csca: bytes,
    csca_key: EcdsaKey,
    spki: bytes,
    country: str,
    name: str,
    serial: int,
    now: datetime,
    uses: frozenset[str] | None = None,
) -> bytes:
    """The certificate of a signing key, DER.

    spki: its public key. uses: letters ``t``, ``v``, ``r`` of what it may sign; ``None`` for everything.
    """
    builder = _issued(
        csca=csca, csca_key=csca_key, spki=spki, country=country, name=name, serial=serial, now=now
    )
    if uses is not None:
        oids = [USAGE_OIDS[letter] for letter in sorted(uses)]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    return _signed(builder, csca_key)


def make_bsc(
    *,
    csca: bytes,
    csca_key: EcdsaKey,
    spki: bytes,
    country: str,
    name: str,
    serial: int,
    now: datetime,
) -> bytes:
    """The certificate of a barcode signer, DER, which every seal carries; see :func:`make_dsc`."""
    types = document_types(_TYPES_OF_SEALS)
    builder = (
        _issued(csca=csca, csca_key=csca_key, spki=spki, country=country, name=name, serial=serial, now=now)
        .add_extension(x509.ExtendedKeyUsage([_SEAL_SIGNER]), critical=True)
        .add_extension(types, critical=False)
    )
    return _signed(builder, csca_key)


def document_types(types: Sequence[str]) -> x509.UnrecognizedExtension:
    """The extension that lists what a signer may sign: a version and a set of short PrintableStrings."""
    names = b"".join(bytes([0x13, len(each)]) + each.encode() for each in types)
    content = b"\x02\x01\x00\x31" + bytes([len(names)]) + names
    return x509.UnrecognizedExtension(_DOCUMENT_TYPES, b"\x30" + bytes([len(content)]) + content)


def serial_of(certificate: bytes) -> int:
    """The serial number of a certificate."""
    return x509.load_der_x509_certificate(certificate).serial_number


def make_crl(
    *, csca: bytes, csca_key: EcdsaKey, withdrawn: Iterable[tuple[int, datetime]], now: datetime
) -> bytes:
    """The CRL of a CSCA as of ``now``, DER. withdrawn: serial numbers, and since when."""
    begin = now.replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_der_x509_certificate(csca).subject)
        .last_update(begin)
        .next_update(begin + CRL_LIFE)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(csca_key.private.public_key()), critical=False
        )
        # rises with every list, as RFC 5280 §5.2.3 asks
        .add_extension(x509.CRLNumber(int(begin.timestamp())), critical=False)
    )
    for serial, since in sorted(withdrawn):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        builder = builder.add_revoked_certificate(entry.build())
    crl = builder.sign(csca_key.private, hashes.SHA256(), ecdsa_deterministic=True)
    return crl.public_bytes(serialization.Encoding.DER)


def _issued(
    *, csca: bytes, csca_key: EcdsaKey, spki: bytes, country: str, name: str, serial: int, now: datetime
) -> x509.CertificateBuilder:
    """A certificate of the CSCA in the making."""
    authority = x509.load_der_x509_certificate(csca)
    public = load_der_public_key(spki)
    begin = now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(country, name))
        .issuer_name(authority.subject)
        .public_key(public)  # type: ignore[arg-type]  # P-256, RSA and Ed25519 are all that this issuer makes
        .serial_number(serial)
        .not_valid_before(begin - BACKDATED)
        .not_valid_after(begin + DSC_LIFE)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(csca_key.private.public_key()), critical=False
        )
    )


def listed_key(certificate: bytes, status: KeyStatus) -> TrustedKey:
    """The entry of the published list for this DSC, read from it as the verifier would."""
    return replace(trusted_key(certificate, source=ORGANISATION), status=status)


def _name(country: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: EcdsaKey) -> bytes:
    certificate = builder.sign(key.private, hashes.SHA256(), ecdsa_deterministic=True)
    return certificate.public_bytes(serialization.Encoding.DER)
