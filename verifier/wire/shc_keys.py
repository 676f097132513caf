"""Keys of SMART Health Card issuers: what a JWK must be, its thumbprint, and the chain that may come with it.

The rules this module keeps:

* A key belongs to an issuer by name. Its KID is the thumbprint of the key itself, and is computed again.
* A key that says of itself that it is for something else (another curve, algorithm or use) is refused.
* A chain in ``x5c`` must hold from the leaf to its end. Whether anybody trusts its end is another question.

    key_problems(jwk, issuer="https://issuer.example/shc", now=now)        # [] when it may be trusted
    thumbprint(spki)                                                       # "3Kfdg-XwP-…"

Sources: SMART Health Cards Framework 1.4.0, RFC 7517, RFC 7638, RFC 5280. ``docs/formats/shc.md``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.keys import X509_REFUSALS, load_spki
from verifier.wire import base64url
from verifier.wire.errors import MalformedError
from verifier.wire.shc import minified

MAX_CHAIN = 8  # certificates in x5c
_COORDINATE = 32  # bytes of x and of y on P-256
_CHAIN_HASHES = ("sha256", "sha384", "sha512")
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@lru_cache(maxsize=8192)
def thumbprint(spki: bytes) -> str:
    """The RFC 7638 thumbprint of a key (SHA-256, base64url), which is the KID of those on P-256.

    spki: DER SubjectPublicKeyInfo. Raises KeyRefusedError for a key that is not accepted at all.
    """
    key = load_spki(spki).native
    # Only the members that RFC 7638 §3.2 asks for, in alphabetical order and without blanks.
    if isinstance(key, ec.EllipticCurvePublicKey):
        point, size = key.public_numbers(), (key.curve.key_size + 7) // 8
        x, y = (base64url.encode(number.to_bytes(size, "big")) for number in (point.x, point.y))
        members = {"crv": f"P-{key.curve.key_size}", "kty": "EC", "x": x, "y": y}
    elif isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        e, n = (
            base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for number in (numbers.e, numbers.n)
        )
        members = {"e": e, "kty": "RSA", "n": n}
    else:
        members = {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(bytes(key))}
    return base64url.encode(hashlib.sha256(minified(members)).digest())


def key_problems(jwk: Mapping[str, Any], *, issuer: str | None, now: datetime | None) -> list[str]:
    """What is wrong with an issuer's JWK, empty when it may be trusted for health cards.

    issuer: that the leaf certificate must name, ``None`` if any may. now: for the validity of the
    certificates, ``None`` not to judge it.
    """
    asked = {"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256"}
    problems = [f"{name} is not {value}" for name, value in asked.items() if jwk.get(name) != value]
    if "d" in jwk:
        problems.append("it holds the private key")
    if problems:
        return problems
    try:
        spki = _spki(jwk)
    except ValueError as error:
        return [str(error)]
    if jwk.get("kid") != thumbprint(spki):
        problems.append("kid is not the thumbprint of the key")
    if "x5c" in jwk:
        try:
            chain = _chain(jwk["x5c"])
        except ValueError as error:
            return [*problems, str(error)]
        broken = chain_problem(chain, now=now, spki=spki, issuer=issuer)
        problems += [f"x5c: {broken}"] if broken else []
    return problems


def _spki(jwk: Mapping[str, Any]) -> bytes:
    """The key's SubjectPublicKeyInfo. Raises ValueError when x and y are no point on P-256."""
    coordinates: list[int] = []
    for name in ("x", "y"):
        try:
            data = base64url.decode(str(jwk.get(name, "")), "jwk", name)
        except MalformedError:
            raise ValueError(f"{name} is not base64url") from None
        if len(data) != _COORDINATE:
            raise ValueError(f"{name} has {len(data)} bytes, a coordinate on P-256 has {_COORDINATE}")
        coordinates.append(int.from_bytes(data, "big"))
    x, y = coordinates
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise ValueError("x and y are not a point on P-256") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _chain(value: Any) -> list[bytes]:
    """The certificates of ``x5c``: Base64 of DER, not base64url. Raises ValueError."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHAIN:
        raise ValueError(f"x5c is not a list of 1 to {MAX_CHAIN} certificates")
    try:
        return [base64.b64decode(each, validate=True) for each in value]
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("x5c holds something that is not Base64") from None


def chain_problem(
    chain: Sequence[bytes],
    *,
    now: datetime | None = None,
    spki: bytes | None = None,
    issuer: str | None = None,
) -> str | None:
    """Why a chain of certificates does not hold, ``None`` when it does.

    chain: DER, the leaf first, each issued by the next. A last one that names itself as its issuer must have
    signed itself. now: all must be valid then. spki: the key that the leaf must hold. issuer: the URI that
    the leaf must name. That the chain holds says nothing on whether anybody trusts its end.
    """
    if not 1 <= len(chain) <= MAX_CHAIN:
        return f"{len(chain)} certificates, a chain has 1 to {MAX_CHAIN}"
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        leaf, last = certificates[0], certificates[-1]
        if spki is not None and _spki_of(leaf) != spki:
            return "the leaf holds another key"
        if issuer is not None and issuer not in _uris(leaf):
            return "the leaf does not name the issuer"
        if now is not None:
            for certificate in certificates:
                if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                    return "a certificate outside its period"
        for depth, (subject, signer) in enumerate(pairwise(certificates)):
            if broken := _issuing_problem(subject, signer, depth):
                return broken
        if last.issuer == last.subject:
            last.verify_directly_issued_by(last)
    except InvalidSignature:
        return "a signature that does not hold"
    except X509_REFUSALS as error:
        return f"a certificate that cannot be used ({type(error).__name__})"
    return None


def names_issuer(leaf: bytes, issuer: str) -> bool:
    """Whether a leaf certificate (DER) names an issuer as its own URI; false for one that cannot be read."""
    return issuer in _names_of(leaf)


@lru_cache(maxsize=1024)  # leaves of lists, not of cards
def _names_of(leaf: bytes) -> frozenset[str]:
    try:
        return frozenset(_uris(x509.load_der_x509_certificate(leaf)))
    except X509_REFUSALS:
        return frozenset()


def chain_holds(chain: Sequence[bytes], *, now: datetime | None = None) -> bool:
    """Whether each certificate of a chain (DER, the leaf first) was issued by the next."""
    return chain_problem(chain, now=now) is None


def _issuing_problem(subject: x509.Certificate, signer: x509.Certificate, depth: int) -> str | None:
    """Why ``signer`` may not have issued ``subject``. depth: how many certificates stand below ``subject``.

    Raises InvalidSignature, ValueError or TypeError when names, algorithms or the signature do not fit.
    """
    constraints = _extension(signer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return "an issuer that is no CA"
    if constraints.path_length is not None and depth > constraints.path_length:
        return "longer than an issuer allows"
    usage = _extension(signer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return "an issuer whose key may not sign certificates"
    if (weakness := load_spki(_spki_of(signer)).weakness) is not None:
        return f"an issuer's key is weak ({weakness})"
    digest = subject.signature_hash_algorithm
    if digest is not None and digest.name not in _CHAIN_HASHES:  # None: Ed25519, which names no hash
        return f"signed with {digest.name}"
    subject.verify_directly_issued_by(signer)
    return None


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _uris(certificate: x509.Certificate) -> list[str]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []


def _spki_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
