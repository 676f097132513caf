"""Public keys: loading them with suspicion, and verifying with them.

The rules this module keeps:

* The key decides the family of algorithms; a header that names another is refused, not tried (pitfalls 2, 5).
* ECDSA signatures are raw r‖s of the exact length, both in range (pitfalls 6, 8). A high s is legal,
  so a signature is never an identity (pitfall 7).
* Ed25519 goes through libsodium, which refuses the low-order keys that OpenSSL accepts.
* Certificates are read in two levels: strictly first; if that fails and a signed list vouches for the
  certificate, only the public key and the few facts around it are taken, and the key is marked lenient.

    key = load_spki(der)
    key.verify(ES256, signature, message)          # True or False; AlgorithmRefusedError if it does not fit
    signer = load_certificate(der, vouched=True)   # kid, country, period, uses
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import nacl.bindings
import nacl.exceptions
import nacl.signing
from asn1crypto import x509 as lenient_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from verifier.countries import alpha2
from verifier.trust import TrustedKey

ES256, ES384, ES512 = -7, -35, -36
PS256, PS384, PS512 = -37, -38, -39
EDDSA = -8
_ECDSA = {
    ES256: ec.ECDSA(hashes.SHA256()),
    ES384: ec.ECDSA(hashes.SHA384()),
    ES512: ec.ECDSA(hashes.SHA512()),
}
_PSS_HASH = {PS256: hashes.SHA256(), PS384: hashes.SHA384(), PS512: hashes.SHA512()}
ALGORITHMS = frozenset((*_ECDSA, *_PSS_HASH, EDDSA))

# Group orders (SEC 2): r and s lie between 1 and n - 1.
_ORDER = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,  # noqa: E501 - one number
    "secp521r1": 0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,  # noqa: E501 - one number
}
_RSA_BITS = range(1024, 8193)
_RSA_STRONG_BITS = 2048
_RSA_MAX_EXPONENT = 2**32  # larger ones only make a verification slow

# Extended key usage of DCC signers; the second arc is a mistake that real certificates carry.
_USE_OIDS = {
    f"1.3.6.1.4.1.{arc}.{number}": letter
    for arc in ("1847.2021.1", "0.1847.2021.1")
    for number, letter in ((1, "t"), (2, "v"), (3, "r"))
}


# What the strict reader raises; the ones of x509 are no ValueErrors.
X509_REFUSALS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class KeyRefusedError(ValueError):
    """A key that must not verify anything: weak, of an unknown kind, or not on its curve."""


class AlgorithmRefusedError(ValueError):
    """An algorithm that does not belong to the key it is asked of."""


Check = Callable[[int, bytes, bytes], bool]  # COSE algorithm number, signature, message


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key that passed every check of :func:`load_spki`.

    check: made for this key once, see :meth:`verify`. weakness: why this key must not make anything green
    although its mathematics can be checked; ``None`` for a sound one. curve: of a key for ECDSA by its name,
    ``None`` for any other.
    """

    native: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | nacl.signing.VerifyKey
    check: Check = field(repr=False, compare=False)
    weakness: str | None = None
    curve: str | None = None

    def verify(self, alg: int, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` over ``message`` holds.

        alg: COSE algorithm number. A signature of the wrong length or range is False. Raises
        AlgorithmRefusedError when ``alg`` is not one of this key's family.
        """
        return self.check(alg, signature, message)


def _refused(alg: int) -> AlgorithmRefusedError:
    return AlgorithmRefusedError(f"algorithm {alg} does not fit the key that the KID names")


def _ecdsa(key: ec.EllipticCurvePublicKey) -> Check:
    half = (key.curve.key_size + 7) // 8
    nothing, order = bytes(half), _ORDER[key.curve.name].to_bytes(half)
    verify = key.verify

    def check(alg: int, signature: bytes, message: bytes) -> bool:
        scheme = _ECDSA.get(alg)
        if scheme is None:
            raise _refused(alg)
        if len(signature) != 2 * half:
            return False
        r, s = signature[:half], signature[half:]
        if not (nothing < r < order and nothing < s < order):  # of one length, bytes compare as numbers do
            return False
        try:
            verify(_der(r, s), message, scheme)
        except InvalidSignature:
            return False
        return True

    return check


def _der(r: bytes, s: bytes) -> bytes:
    """ECDSA-Sig-Value (RFC 3279, 2.2.3) of two positive numbers that each fit into 66 bytes."""
    body = _integer(r) + _integer(s)
    return (b"\x30%c" if len(body) < 0x80 else b"\x30\x81%c") % len(body) + body


def _integer(number: bytes) -> bytes:
    number = number.lstrip(b"\0")
    if number[0] & 0x80:  # it would be a negative one
        number = b"\0" + number
    return b"\x02%c" % len(number) + number


def _pss(key: rsa.RSAPublicKey) -> Check:
    length = (key.key_size + 7) // 8

    def check(alg: int, signature: bytes, message: bytes) -> bool:
        digest = _PSS_HASH.get(alg)
        if digest is None:
            raise _refused(alg)
        if len(signature) != length:
            return False
        try:
            key.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        except InvalidSignature:
            return False
        return True

    return check


def _eddsa(key: nacl.signing.VerifyKey) -> Check:
    def check(alg: int, signature: bytes, message: bytes) -> bool:
        if alg != EDDSA:
            raise _refused(alg)
        if len(signature) != 64:
            return False
        try:
            key.verify(message, signature)
        except nacl.exceptions.BadSignatureError:
            return False
        return True

    return check


@lru_cache(maxsize=8192)
def load_spki(der: bytes) -> VerificationKey:
    """The key of a DER SubjectPublicKeyInfo.

    RSA below 2048 bits is loaded with its ``weakness`` named: real lists hold such keys, and a reader of
    reports wants to know whether the signature was made by one. Raises KeyRefusedError for a curve other
    than P-256, P-384 and P-521, RSA outside 1024 to 8192 bits, an Ed25519 point that is low-order or not
    canonical, or anything that is no such key.
    """
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefusedError(f"not a public key that can be used ({type(error).__name__})") from None
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _ORDER:
            raise KeyRefusedError(f"curve {key.curve.name} is not accepted")
        return VerificationKey(key, _ecdsa(key), curve=key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        if key.key_size not in _RSA_BITS or not 3 <= exponent < _RSA_MAX_EXPONENT:
            raise KeyRefusedError(f"RSA with {key.key_size} bits or its exponent is not accepted")
        weak = key.key_size < _RSA_STRONG_BITS
        return VerificationKey(key, _pss(key), f"RSA with {key.key_size} bits" if weak else None)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _load_ed25519(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    raise KeyRefusedError("neither EC, RSA nor Ed25519")


def _load_ed25519(point: bytes) -> VerificationKey:
    if not nacl.bindings.crypto_core_ed25519_is_valid_point(point):
        raise KeyRefusedError("an Ed25519 point of low order or not in canonical form")
    key = nacl.signing.VerifyKey(point)
    return VerificationKey(key, _eddsa(key))


@dataclass(frozen=True, slots=True)
class SignerCertificate:
    """What the verifier takes from a signer's X.509 certificate.

    kid: the first 8 bytes of the SHA-256 of the certificate. country: subject C as alpha-2. uses: see
    ``TrustedKey.uses``. lenient: read by the second level, after the strict reader refused it.
    """

    spki: bytes
    kid: bytes
    country: str | None
    not_before: datetime | None
    not_after: datetime | None
    uses: frozenset[str] | None
    lenient: bool


def load_certificate(der: bytes, *, vouched: bool = False) -> SignerCertificate:
    """Read a signer's certificate.

    vouched: whether something signed (a trust list, or the operator's own word) stands for these very
    bytes; only then may a certificate be read that the strict reader refuses (pitfall 22).
    Raises KeyRefusedError when it cannot be read, or its key must not be used.
    """
    try:
        signer = _load_strict(der)
    except X509_REFUSALS as error:
        if not vouched:
            raise KeyRefusedError(f"not a certificate in strict DER ({type(error).__name__})") from None
        signer = _load_lenient(der)
    load_spki(signer.spki)
    return signer


def _load_strict(der: bytes) -> SignerCertificate:
    certificate = x509.load_der_x509_certificate(der)
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        oids = frozenset(oid.dotted_string for oid in usage)
    except x509.ExtensionNotFound:
        oids = frozenset()
    countries = certificate.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)
    return SignerCertificate(
        spki=certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        kid=kid_of(der),
        country=alpha2(str(countries[0].value)) if countries else None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        uses=uses_of(oids),
        lenient=False,
    )


def _load_lenient(der: bytes) -> SignerCertificate:
    """The public key and the facts round it, from a certificate that strict DER refuses (FI, JP, some ES)."""
    try:
        tbs = lenient_x509.Certificate.load(der)["tbs_certificate"]
        spki = tbs["subject_public_key_info"].dump()
        country = dict(tbs["subject"].native).get("country_name")
        not_before, not_after = (tbs["validity"][name].native for name in ("not_before", "not_after"))
        oids: frozenset[str] = frozenset()
        for extension in tbs["extensions"]:
            if extension["extn_id"].native == "extended_key_usage":
                oids = frozenset(oid.dotted for oid in extension["extn_value"].parsed)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise KeyRefusedError(f"not a certificate ({type(error).__name__})") from None
    return SignerCertificate(
        spki=spki,
        kid=kid_of(der),
        country=alpha2(country) if isinstance(country, str) else None,
        not_before=_aware(not_before),
        not_after=_aware(not_after),
        uses=uses_of(oids),
        lenient=True,
    )


def _aware(value: Any) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def kid_of(der: bytes) -> bytes:
    """The KID of a certificate: the first 8 bytes of the SHA-256 of its DER."""
    return hashlib.sha256(der).digest()[:8]


def uses_of(oids: frozenset[str]) -> frozenset[str] | None:
    """The events that these usage OIDs allow; ``None`` (everything) when none of them is a DCC usage."""
    letters = frozenset(letter for oid, letter in _USE_OIDS.items() if oid in oids)
    return letters or None


def trusted_key(certificate: bytes, *, source: str = "") -> TrustedKey:
    """A TrustedKey of a certificate that something signed, or the operator, vouches for.

    Raises KeyRefusedError.
    """
    signer = load_certificate(certificate, vouched=True)
    return TrustedKey(
        kid=signer.kid,
        spki=signer.spki,
        country=signer.country,
        not_before=signer.not_before,
        not_after=signer.not_after,
        uses=signer.uses,
        certificate=certificate,
        source=source,
        lenient=signer.lenient,
    )
