"""X.509 as it is found: certificates and CRLs of country authorities, their names, extensions and signatures.

The rules this module keeps:

* One reader takes the facts from every certificate, so that nothing can be understood in two ways. The strict
  reader is asked as well, and what it refuses is marked lenient (pitfall 22).
* An extension that stands twice is refused; one that cannot be read allows nothing.
* Authorities sign with RSA (PKCS #1 v1.5 or PSS) or ECDSA and a digest of the SHA-2 family. Nothing else
  vouches for anybody, SHA-1 first of all.
* A curve that is written out counts if it is, number for number, one that has a name.

    facts = read_certificate(der)
    facts.issuer, facts.extensions["2.5.29.35"]
    verifies(authority.spki, facts.scheme, facts.signature, facts.signed)

Sources: RFC 5280, RFC 4055 (RSASSA-PSS), RFC 5480 (EC keys), RFC 5639 (Brainpool), SEC 2.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from asn1crypto import algos, core
from asn1crypto import crl as lenient_crl
from asn1crypto import keys as lenient_keys
from asn1crypto import x509 as lenient_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verifier.countries import alpha2
from verifier.keys import X509_REFUSALS, KeyRefusedError

MAX_CERTIFICATE = 16 * 1024  # bytes; real ones have 2 KiB, and a code could not carry more
MAX_CRL = 4 * 1024 * 1024  # bytes; a CSCA's list names a handful of serial numbers

AUTHORITY_KEY_ID, SUBJECT_KEY_ID = "2.5.29.35", "2.5.29.14"
BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"
USAGE_PERIOD = "2.5.29.16"
DOCUMENT_TYPES = "2.23.136.1.1.6.2"
_COUNTRY = "2.5.4.6"

_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# Signature algorithms by OID; RSASSA-PSS says its digests in its parameters.
_PKCS1, _ECDSA = "1.2.840.113549.1.1.", "1.2.840.10045.4.3."
_PSS = _PKCS1 + "10"
_SCHEMES = {
    _PKCS1 + "14": ("rsa", "sha224"), _PKCS1 + "11": ("rsa", "sha256"),
    _PKCS1 + "12": ("rsa", "sha384"), _PKCS1 + "13": ("rsa", "sha512"),
    _ECDSA + "1": ("ecdsa", "sha224"), _ECDSA + "2": ("ecdsa", "sha256"),
    _ECDSA + "3": ("ecdsa", "sha384"), _ECDSA + "4": ("ecdsa", "sha512"),
}  # fmt: skip

# Curves of authorities, each by the fingerprint of its parameters (see _explicit_key).
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "f8e7a583dc3afcf7f8761207278ed792594a0fd16098164ba370a93676ced302": ec.SECP224R1(),
    "cd8003c5ed8c5cca009d0f2617f3370bf3d8a757b34c79a7efed8e80e1bbcbff": ec.SECP256R1(),
    "f1c263656afe090b597c2611b3243702b7604d25ca9ce5142e4e73f430ade615": ec.SECP384R1(),
    "d6d5074efb4df7d62cc7e2de0e473386e3bed849c7cc460bd3f4d485116ed50f": ec.SECP521R1(),
    "416f4466b250985948945f678f14e17e995d677c32bfc541712f170081eb8545": ec.BrainpoolP256R1(),
    "d13c15eb004c6c5e1cfa93bf53e6b1b209d6fead16274076a012cb13c25029e1": ec.BrainpoolP384R1(),
    "6adeb54ae897b147751cf6e7b5867e7a5a8d0ffeb745d0987b212691b3d48fca": ec.BrainpoolP512R1(),
}
_CURVE_NAMES = frozenset(curve.name for curve in _CURVES.values())
_RSA_BITS = range(2048, 8193)
_RSA_MAX_EXPONENT = 2**32  # larger ones only make a verification slow
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)

# A name as it is compared: its parts in their order, each as attributes with folded values.
Name = tuple[frozenset[tuple[str, str]], ...]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature algorithm: ``rsa`` (PKCS #1 v1.5), ``pss`` or ``ecdsa``, with its digests by name."""

    kind: str
    digest: str
    mask: str = ""
    salt: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: whether it is critical, and its value, DER."""

    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is taken from a certificate.

    spki: DER, as it stands there. extensions: by OID. signed: the bytes that ``signature`` covers. scheme:
    how it does, ``None`` for an algorithm that vouches for nothing. lenient: the strict reader refuses it.
    """

    spki: bytes
    serial: int
    subject: Name
    issuer: Name
    not_before: datetime
    not_after: datetime
    extensions: Mapping[str, Extension]
    signed: bytes
    signature: bytes
    scheme: Scheme | None
    lenient: bool


@dataclass(frozen=True, slots=True)
class CrlFacts:
    """What is taken from a CRL. serials: of the certificates that it takes back."""

    issuer: Name
    this_update: datetime
    next_update: datetime | None
    serials: frozenset[int]
    extensions: Mapping[str, Extension]
    signed: bytes
    signature: bytes
    scheme: Scheme | None


@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> CertificateFacts:
    """The facts of a certificate. Raises KeyRefusedError when it cannot be read."""
    if len(der) > MAX_CERTIFICATE:
        raise KeyRefusedError(f"a certificate of more than {MAX_CERTIFICATE} bytes")
    try:
        whole = lenient_x509.Certificate.load(der, strict=True)
        body = whole["tbs_certificate"]
        return CertificateFacts(
            spki=body["subject_public_key_info"].dump(),
            serial=body["serial_number"].native,
            subject=_name(body["subject"]),
            issuer=_name(body["issuer"]),
            not_before=_instant(body["validity"]["not_before"].native),
            not_after=_instant(body["validity"]["not_after"].native),
            extensions=_extensions(body["extensions"]),
            signed=body.dump(),
            signature=bytes(whole["signature_value"]),
            scheme=_agreed_scheme(whole["signature_algorithm"], body["signature"]),
            lenient=not _is_strict(der),
        )
    except _UNREADABLE as error:
        raise KeyRefusedError(f"not a certificate ({type(error).__name__})") from None


def read_crl(der: bytes) -> CrlFacts:
    """The facts of a CRL. Raises KeyRefusedError when it cannot be read."""
    if len(der) > MAX_CRL:
        raise KeyRefusedError(f"a CRL of more than {MAX_CRL} bytes")
    try:
        whole = lenient_crl.CertificateList.load(der, strict=True)
        body = whole["tbs_cert_list"]
        revoked = body["revoked_certificates"]
        due = body["next_update"]
        return CrlFacts(
            issuer=_name(body["issuer"]),
            this_update=_instant(body["this_update"].native),
            next_update=None if due.native is None else _instant(due.native),
            serials=frozenset(entry["user_certificate"].native for entry in _listed(revoked)),
            extensions=_extensions(body["crl_extensions"]),
            signed=body.dump(),
            signature=bytes(whole["signature"]),
            scheme=_agreed_scheme(whole["signature_algorithm"], body["signature"]),
        )
    except _UNREADABLE as error:
        raise KeyRefusedError(f"not a CRL ({type(error).__name__})") from None


def _is_strict(der: bytes) -> bool:
    """Whether the strict reader takes a certificate with its extensions and its key."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions
        certificate.public_key()
    except X509_REFUSALS:
        return False
    return True


def _instant(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError("not a date of this calendar")
    # a time without a zone is no DER; UTC is what every other one means
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _listed(value: Any) -> Iterable[Any]:
    """The elements of an optional list."""
    return value if isinstance(value, core.SequenceOf) else ()


# --- Names and extensions -----------------------------------------------------------------------------------


def _name(name: Any) -> Name:
    return tuple(
        frozenset((part["type"].dotted, _folded(part["value"])) for part in parts) for parts in name.chosen
    )


def _folded(value: Any) -> str:
    """A value as it is compared: an authority and its signers may write one name in two kinds of text."""
    text = value.native
    if not isinstance(text, str):
        return str(value.dump().hex())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def country_of(name: Name) -> str | None:
    """The alpha-2 code of a name's country, ``None`` if it names none."""
    texts = sorted(value for parts in name for kind, value in parts if kind == _COUNTRY)
    return alpha2(texts[0]) if texts else None


def _extensions(listed: Any) -> Mapping[str, Extension]:
    found: dict[str, Extension] = {}
    for each in _listed(listed):
        oid = each["extn_id"].dotted
        if oid in found:
            raise ValueError("an extension stands twice")
        found[oid] = Extension(bool(each["critical"].native), bytes(each["extn_value"]))
    return found


def is_authority(facts: CertificateFacts) -> bool:
    """Whether a certificate says that it is an authority's; one that does not say is none (version 1)."""
    extension = facts.extensions.get(BASIC_CONSTRAINTS)
    try:
        constraints = lenient_x509.BasicConstraints.load(extension.value, strict=True) if extension else None
        return constraints is not None and constraints["ca"].native is True
    except _UNREADABLE:
        return False


def authority_key_id(extensions: Mapping[str, Extension]) -> bytes | None:
    """The key identifier of the authority above; ``None`` if none is named. Raises KeyRefusedError."""
    extension = extensions.get(AUTHORITY_KEY_ID)
    if extension is None:
        return None
    try:
        identifier = lenient_x509.AuthorityKeyIdentifier.load(extension.value, strict=True)
        value = identifier["key_identifier"].native
    except _UNREADABLE:
        raise KeyRefusedError("an authority key identifier that cannot be read") from None
    return value if isinstance(value, bytes) else None


def subject_key_id(facts: CertificateFacts) -> bytes:
    """The subject key identifier, else the SHA-1 of the key's bits (RFC 5280 §4.2.1.2): a name, not a proof.

    Raises KeyRefusedError.
    """
    extension = facts.extensions.get(SUBJECT_KEY_ID)
    try:
        if extension is not None:
            return bytes(core.OctetString.load(extension.value, strict=True))
        bits = bytes(lenient_keys.PublicKeyInfo.load(facts.spki)["public_key"])
    except _UNREADABLE:
        raise KeyRefusedError("a subject key identifier that cannot be read") from None
    return hashlib.sha1(bits, usedforsecurity=False).digest()


def listed_in(extensions: Mapping[str, Extension], oid: str) -> frozenset[str] | None:
    """What an extension lists: usage OIDs, names of key usage bits, document types.

    ``None`` without the extension; empty, which allows nothing, if it cannot be read.
    """
    extension = extensions.get(oid)
    if extension is None:
        return None
    try:
        return frozenset(_LISTS[oid](extension.value))
    except _UNREADABLE:
        return frozenset()


class _TypeSet(core.SetOf):  # type: ignore[misc] # asn1crypto has no types
    _child_spec = core.Any


class _DocumentTypeList(core.Sequence):  # type: ignore[misc]
    _fields = [("version", core.Integer), ("types", _TypeSet)]  # noqa: RUF012 - asn1crypto's way


def _document_types(value: bytes) -> Iterable[str]:
    return [each.native.strip() for each in _DocumentTypeList.load(value, strict=True)["types"]]


def _extended_usage(value: bytes) -> Iterable[str]:
    return [oid.dotted for oid in lenient_x509.ExtKeyUsageSyntax.load(value, strict=True)]


def _usage_bits(value: bytes) -> Iterable[str]:
    names: set[str] = lenient_x509.KeyUsage.load(value, strict=True).native
    return names


_LISTS: Mapping[str, Callable[[bytes], Iterable[str]]] = {
    KEY_USAGE: _usage_bits,
    EXTENDED_KEY_USAGE: _extended_usage,
    DOCUMENT_TYPES: _document_types,
}


def usage_period(extensions: Mapping[str, Extension]) -> tuple[datetime | None, datetime | None] | None:
    """From when to when the private key may sign, either end may be open; ``None`` where not said.

    Raises KeyRefusedError: a period that cannot be read is no leave to sign for ever.
    """
    extension = extensions.get(USAGE_PERIOD)
    if extension is None:
        return None
    try:
        period = lenient_x509.PrivateKeyUsagePeriod.load(extension.value, strict=True)
        first, last = period["not_before"].native, period["not_after"].native
        return first and _instant(first), last and _instant(last)
    except _UNREADABLE:
        raise KeyRefusedError("a period of the private key that cannot be read") from None


# --- Signatures of authorities ------------------------------------------------------------------------------


def _agreed_scheme(outer: Any, inner: Any) -> Scheme | None:
    """The signature algorithm, if it is known and stands the same inside the signed bytes."""
    scheme = _scheme(outer)
    return scheme if scheme == _scheme(inner) else None


def _scheme(algorithm: Any) -> Scheme | None:
    oid = algorithm["algorithm"].dotted
    if oid in _SCHEMES:
        return Scheme(*_SCHEMES[oid])
    parameters = algorithm["parameters"]
    if oid != _PSS or not isinstance(parameters, algos.RSASSAPSSParams):
        return None
    digest = parameters["hash_algorithm"]["algorithm"].native
    mask = parameters["mask_gen_algorithm"]
    mask_digest = mask["parameters"]["algorithm"].native
    if mask["algorithm"].native != "mgf1" or not {digest, mask_digest} <= _DIGESTS.keys():
        return None
    return Scheme("pss", digest, mask_digest, parameters["salt_length"].native)


def verifies(spki: bytes, scheme: Scheme | None, signature: bytes, message: bytes) -> bool:
    """Whether an authority's key verifies; false for an algorithm that does not fit the key.

    Raises KeyRefusedError for a key that vouches for nobody.
    """
    key = authority_key(spki)
    if scheme is None:
        return False
    digest = _DIGESTS[scheme.digest]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and scheme.kind == "ecdsa":
            key.verify(signature, message, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey) and scheme.kind == "rsa":
            key.verify(signature, message, padding.PKCS1v15(), digest)
        elif isinstance(key, rsa.RSAPublicKey) and scheme.kind == "pss":
            mask = padding.MGF1(_DIGESTS[scheme.mask])
            key.verify(signature, message, padding.PSS(mask, scheme.salt), digest)
        else:
            return False
    except (InvalidSignature, ValueError, OverflowError):
        return False
    return True


@lru_cache(maxsize=512)
def authority_key(spki: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """The public key of an authority; its curves are others than a signer's (``verifier.keys``).

    Raises KeyRefusedError for RSA outside 2048 to 8192 bits, a curve that is not on the list, anything else.
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = _explicit_key(spki)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVE_NAMES:
            raise KeyRefusedError(f"an authority on curve {key.curve.name}")
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS or not 3 <= key.public_numbers().e < _RSA_MAX_EXPONENT:
            raise KeyRefusedError(f"an authority with an RSA key of {key.key_size} bits, or an odd exponent")
        return key
    raise KeyRefusedError("an authority whose key is neither EC nor RSA")


def _explicit_key(spki: bytes) -> ec.EllipticCurvePublicKey:
    """An EC key whose curve is written out. Raises KeyRefusedError unless the curve is one that has a name.

    All its numbers are compared, by fingerprint: SHA-256 of p, a, b, the generator's x, the parity of its y,
    and the order, each in lower-case hex with a comma behind it. The key is then one on the curve of that
    name, so that not even a forged generator could be used.
    """
    try:
        info = lenient_keys.PublicKeyInfo.load(spki, strict=True)
        domain = info["algorithm"]["parameters"].chosen
        base = domain["base"].native
        plain = base[0] == 4  # both coordinates, else x alone after the parity of y
        numbers = (
            domain["field_id"]["parameters"].native,
            int.from_bytes(domain["curve"]["a"].native, "big"),
            int.from_bytes(domain["curve"]["b"].native, "big"),
            int.from_bytes(base[1 : 1 + len(base) // 2] if plain else base[1:], "big"),
            (base[-1] if plain else base[0]) & 1,
            domain["order"].native,
        )
        written = "".join(f"{number:x}," for number in numbers)
        curve = _CURVES[hashlib.sha256(written.encode()).hexdigest()]
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, bytes(info["public_key"]))
    except _UNREADABLE as error:
        raise KeyRefusedError(f"an authority's key that cannot be used ({type(error).__name__})") from None
