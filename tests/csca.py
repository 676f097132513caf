"""A country with a CSCA, for tests: authorities of every kind, signers of seals, and what they seal.

csca = Csca("XV")                                # its own key, a certificate, CRLs
text = csca.signer().seal(vaccinated())          # a VDS-NC seal
trust = held(csca.certificate())                 # a trust list that holds the CSCA
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from verifier import chain
from verifier.trust import Authority, TrustList
from verifier.wire import vds_nc

BEGIN = datetime(2021, 6, 1, tzinfo=UTC)
END = datetime(2031, 6, 1, tzinfo=UTC)
SEALS, PASSPORTS = x509.ObjectIdentifier("2.23.136.1.1.14.2"), x509.ObjectIdentifier("2.23.136.1.1.6.3")
DOCUMENT_TYPES = x509.ObjectIdentifier("2.23.136.1.1.6.2")
HASHES = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}
CURVES = {"ES256": "SECP256R1", "ES384": "SECP384R1", "ES512": "SECP521R1"}


@cache
def private_key(kind: str, label: str = "") -> Any:
    """A key of a kind: a curve by its class's name, or RSA with so many bits."""
    if kind.isdigit():
        return rsa.generate_private_key(65537, int(kind))
    return ec.generate_private_key(getattr(ec, kind)())


def name(country: str | None, common: str, kind: Any = None) -> x509.Name:
    parts = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common, *([kind] if kind else []))]
    if country:
        parts.insert(0, x509.NameAttribute(x509.NameOID.COUNTRY_NAME, country))
    return x509.Name(parts)


def document_types(*types: str) -> x509.UnrecognizedExtension:
    inner = b"".join(core.PrintableString(each).dump() for each in types)
    content = core.Integer(0).dump() + bytes([0x31, len(inner)]) + inner
    return x509.UnrecognizedExtension(DOCUMENT_TYPES, bytes([0x30, len(content)]) + content)


@dataclass
class Csca:
    """A country's authority. digest and pss: how it signs."""

    country: str | None = "XV"
    common: str = "CSCA"
    kind: str = "SECP384R1"
    label: str = ""
    digest: Any = field(default_factory=hashes.SHA384)
    pss: Any = None

    @property
    def key(self) -> Any:
        return private_key(self.kind, self.label)

    @property
    def name(self) -> x509.Name:
        return name(self.country, self.common)

    @property
    def key_id(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())

    def sign(self, builder: Any) -> bytes:
        options = {"rsa_padding": self.pss} if self.pss else {}
        return bytes(builder.sign(self.key, self.digest, **options).public_bytes(serialization.Encoding.DER))

    def certificate(self, *, ca: bool | None = True, until: datetime = END, bits: bool = True) -> bytes:
        builder = self.builder(self.name, self.key.public_key()).not_valid_after(until)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
        if bits:
            builder = builder.add_extension(key_usage(sign=False), critical=True)
        return self.sign(builder.add_extension(self.key_id, critical=False))

    def builder(
        self, subject: x509.Name, key: Any, serial: int = 4711, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        """A certificate of this authority, or (``issuer``) one that says it is another's."""
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self.name)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(BEGIN)
        )

    def signer(
        self,
        alg: str = "ES256",
        *,
        country: str | None = "XV",
        usage: Any = SEALS,
        types: tuple[str, ...] | None = ("NV",),
        key_id: bool = True,
        issuer: x509.Name | None = None,
        extra: Any = (),
        serial: int = 4711,
    ) -> Bsc:
        key = private_key(CURVES[alg], "signer")
        builder = self.builder(name(country, "Seals"), key.public_key(), serial, issuer).not_valid_after(END)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        if types is not None:
            builder = builder.add_extension(document_types(*types), critical=False)
        if key_id:
            identifier = x509.AuthorityKeyIdentifier(self.key_id.digest, None, None)
            builder = builder.add_extension(identifier, critical=False)
        for value, critical in extra:
            builder = builder.add_extension(value, critical=critical)
        return Bsc(self.sign(builder), alg, key)

    def crl(self, *serials: int, days: int = 90, critical: bool = False, key_id: bool = True) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(BEGIN)
            .next_update(BEGIN + timedelta(days=days))
        )
        if key_id:
            identifier = x509.AuthorityKeyIdentifier(self.key_id.digest, None, None)
            builder = builder.add_extension(identifier, critical=False)
        if critical:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(BEGIN)
            builder = builder.add_revoked_certificate(entry.build())
        return self.sign(builder)


def key_usage(*, sign: bool) -> x509.KeyUsage:
    """For an authority, or (``sign``) for a signer of documents."""
    return x509.KeyUsage(
        digital_signature=sign, key_cert_sign=not sign, crl_sign=not sign, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


@dataclass
class Bsc:
    """A signer of seals."""

    certificate: bytes
    alg: str
    key: Any

    def sign(self, message: bytes) -> bytes:
        half = (self.key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(HASHES[self.alg])))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")

    def seal(self, data: Any) -> str:
        return vds_nc.encode_vds_nc(data, certificate=self.certificate, alg=self.alg, sign=self.sign)


def held(*authorities: bytes | Authority) -> TrustList:
    loaded = [a if isinstance(a, Authority) else chain.load_authority(a, source="list") for a in authorities]
    return TrustList.of([], authorities=loaded)


def dose(**change: Any) -> dict[str, Any]:
    return {"dvc": "2021-07-18", "seq": 1, "ctr": "XV", "adm": "Clinic 1", "lot": "A1"} | change


def vaccine(*doses: dict[str, Any], **change: Any) -> dict[str, Any]:
    entry = {"des": "XM68M6", "nam": "Comirnaty", "dis": "RA01.0", "vd": list(doses) or [dose()]}
    return entry | change


def holder(**change: Any) -> dict[str, Any]:
    return {"n": "NGUYEN  BAO DUY", "dob": "1983-10-10", "i": "C1234567", "sex": "M"} | change


def vaccinated(*vaccines: Any, pid: Any = None, **header: Any) -> dict[str, Any]:
    head = {"t": "icao.vacc", "v": 1, "is": "XV"} | header
    message = {"uvci": "U32870", "pid": pid or holder(), "ve": list(vaccines) or [vaccine()]}
    return {"hdr": head, "msg": message}


def lab_result(**change: Any) -> dict[str, Any]:
    message = {
        "utci": "U01932", "pid": {"n": "NGUYEN  BAO DUY", "dob": "1983-10-10", "dt": "P", "dn": "C1234567"},
        "sp": {"spn": "Clinic 1", "ctr": "AUS", "cd": {"p": "+1", "e": "a@example.org", "a": "Street 1"}},
        "dat": {"sc": "2021-12-12T12:00:00+08:00", "ri": "2021-12-12T18:00:00+08:00"},
        "tr": {"tc": "molecular(PCR)", "r": "negative", "m": "nasopharyngeal"},
    } | change  # fmt: skip
    return {"hdr": {"t": "icao.test", "v": 1, "is": "XV"}, "msg": message}
