"""Signing keys: ES256, PS256 and EdDSA, made from a stream of bytes and signing the same way every time.

The rules this module keeps:

* The same stream gives the same key, and the same key and data the same signature: ECDSA after RFC 6979,
  Ed25519 by its nature, RSA-PSS with a salt derived from key and data (as long as the hash, as always).
* Signatures are raw as COSE has them: r and s side by side for ECDSA, never DER.
* A key prints nothing of itself.

RSA depends on how pycryptodome's prime search consumes its bytes; equal bytes therefore hold for one pinned
version, which is what ``requirements/`` gives.

    key = generate(Algorithm.ES256, Stream(seed, "key/ES256/1"))
    key.sign(data)                       # 64 bytes, r and s
    load(key.algorithm, key.material())  # the same key again
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import Any, Protocol, assert_never

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from nacl.signing import SigningKey as NaclKey

from issuer.seed import Stream

RSA_BITS = 2048
_EXPONENT = 65537
_COORDINATE = 32  # bytes of r, of s and of a private scalar of P-256
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the 32 key bytes


class Algorithm(StrEnum):
    """What this issuer signs with, by the names that COSE and JOSE share."""

    ES256 = "ES256"
    PS256 = "PS256"
    EDDSA = "EdDSA"

    @property
    def cose(self) -> int:
        """The number of the algorithm in a COSE header."""
        return {"ES256": -7, "PS256": -37, "EdDSA": -8}[self.value]


class SigningKey(Protocol):
    """A private key that signs."""

    algorithm: Algorithm

    def sign(self, data: bytes) -> bytes:
        """The raw signature over ``data``."""

    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""

    def material(self) -> bytes:
        """The private key in the form that :func:`load` reads; a secret."""


class EcdsaKey:
    """ES256: a P-256 key with deterministic signatures (RFC 6979)."""

    algorithm = Algorithm.ES256

    def __init__(self, scalar: int) -> None:
        self._scalar = scalar
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        """The key as ``cryptography`` has it, for signing X.509 certificates."""
        return self._key

    def sign(self, data: bytes) -> bytes:
        """r and s, 32 bytes each."""
        der = self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")

    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def material(self) -> bytes:
        """The private scalar, 32 bytes."""
        return self._scalar.to_bytes(_COORDINATE, "big")


class RsaKey:
    """PS256: RSA-2048 with SHA-256, MGF1 of the same hash and a salt of 32 bytes."""

    algorithm = Algorithm.PS256

    def __init__(self, key: Any) -> None:
        self._key = key
        self._salts = hashlib.sha256(b"pss salt of " + self.material()).digest()

    def sign(self, data: bytes) -> bytes:
        """256 bytes; the salt follows from key and data, so the same data is signed the same way."""
        from Crypto.Hash import SHA256
        from Crypto.Signature import pss

        digest = SHA256.new(data)
        salt = Stream(self._salts, digest.hexdigest())
        signature: bytes = pss.new(self._key, rand_func=salt.read).sign(digest)
        return signature

    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo."""
        der: bytes = self._key.public_key().export_key(format="DER")
        return der

    def material(self) -> bytes:
        """The private key, DER PKCS #1."""
        der: bytes = self._key.export_key(format="DER", pkcs=1)
        return der


class Ed25519Key:
    """EdDSA: Ed25519 with PyNaCl."""

    algorithm = Algorithm.EDDSA

    def __init__(self, secret: bytes) -> None:
        self._key = NaclKey(secret)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(data).signature

    def spki(self) -> bytes:
        """The public key, DER SubjectPublicKeyInfo (RFC 8410)."""
        return _ED25519_SPKI + bytes(self._key.verify_key)

    def material(self) -> bytes:
        """The 32 secret bytes."""
        return bytes(self._key)


def generate(algorithm: Algorithm, stream: Stream) -> SigningKey:
    """A new key of this kind from the bytes of ``stream``."""
    match algorithm:
        case Algorithm.ES256:
            # 48 bytes for a 256-bit order: what the division prefers is less than 2^-128.
            return EcdsaKey(1 + int.from_bytes(stream.read(48), "big") % (_P256_ORDER - 1))
        case Algorithm.PS256:
            return _generate_rsa(stream)
        case Algorithm.EDDSA:
            return Ed25519Key(stream.read(32))
        case _:
            assert_never(algorithm)


def load(algorithm: Algorithm, material: bytes) -> SigningKey:
    """The key whose ``material()`` this is."""
    match algorithm:
        case Algorithm.ES256:
            return EcdsaKey(int.from_bytes(material, "big"))
        case Algorithm.PS256:
            from Crypto.PublicKey import RSA

            return RsaKey(RSA.import_key(material))
        case Algorithm.EDDSA:
            return Ed25519Key(material)
        case _:
            assert_never(algorithm)


def _generate_rsa(stream: Stream) -> RsaKey:
    """An RSA key after FIPS 186-4 B.3.3, with the library's own primality test.

    ``RSA.generate`` would do, but it tries candidates that a division by small primes rules out; asking for
    that first halves the time and keeps ``serve`` ready within its two seconds.
    """
    from Crypto.Math.Numbers import Integer
    from Crypto.Math.Primality import generate_probable_prime
    from Crypto.PublicKey import RSA

    half = RSA_BITS // 2
    small = math.prod(_primes_below(8192))

    def usable(candidate: Any) -> bool:
        number = int(candidate)
        # Both top bits set: the product of two such primes has exactly RSA_BITS bits.
        return number >> (half - 2) == 0b11 and math.gcd(number, small) == 1 and number % _EXPONENT != 1

    p = generate_probable_prime(exact_bits=half, randfunc=stream.read, prime_filter=usable)
    q = generate_probable_prime(exact_bits=half, randfunc=stream.read, prime_filter=usable)
    d = Integer(_EXPONENT).inverse((p - 1).lcm(q - 1))
    return RsaKey(RSA.construct((p * q, _EXPONENT, d, p, q)))


def _primes_below(limit: int) -> list[int]:
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for number in range(2, math.isqrt(limit) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(limit) if sieve[number]]
