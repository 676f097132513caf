"""Traps of keys and signatures, one row each, in the manner of the Wycheproof project's tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.keys import (
    _ORDER,
    EDDSA,
    ES256,
    ES384,
    ES512,
    PS256,
    PS384,
    AlgorithmRefusedError,
    KeyRefusedError,
    VerificationKey,
    load_spki,
)

MESSAGE = b"a message that was really signed"
ORDERS = {
    ES256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ES384: int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
    ES512: int("01FF" + "F" * 62 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}
CURVES: dict[int, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    ES256: (ec.SECP256R1(), hashes.SHA256()),
    ES384: (ec.SECP384R1(), hashes.SHA384()),
    ES512: (ec.SECP521R1(), hashes.SHA512()),
}


def spki(public: object) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


class Signed:
    """A key of a curve with one honest signature, taken apart."""

    def __init__(self, alg: int) -> None:
        curve, digest = CURVES[alg]
        self.private = ec.derive_private_key(0x1234567890ABCDEF, curve)
        self.half = (curve.key_size + 7) // 8
        self.order = ORDERS[alg]
        self.der = self.private.sign(MESSAGE, ec.ECDSA(digest, deterministic_signing=True))
        self.r, self.s = decode_dss_signature(self.der)
        self.key = load_spki(spki(self.private.public_key()))

    def raw(self, r: int, s: int) -> bytes:
        return r.to_bytes(self.half, "big") + s.to_bytes(self.half, "big")


# A sentence, and the signature that it makes of an honest one. All of them must be refused.
ECDSA_TRAPS: dict[str, Callable[[Signed], bytes]] = {
    "r is zero": lambda x: x.raw(0, x.s),
    "s is zero": lambda x: x.raw(x.r, 0),
    "both are zero": lambda x: x.raw(0, 0),
    "r is one and s is one": lambda x: x.raw(1, 1),
    "r is the order": lambda x: x.raw(x.order, x.s),
    "s is the order": lambda x: x.raw(x.r, x.order),
    "s is one above the order": lambda x: x.raw(x.r, x.order + 1),
    "r is one below the order": lambda x: x.raw(x.order - 1, x.s),
    "r is all ones": lambda x: b"\xff" * x.half + x.raw(0, x.s)[x.half :],
    "s is all ones": lambda x: x.raw(x.r, 0)[: x.half] + b"\xff" * x.half,
    "r and s change places": lambda x: x.raw(x.s, x.r),
    "r is negated": lambda x: x.raw(x.order - x.r, x.s),
    "DER where raw is due": lambda x: x.der,
    "one byte short": lambda x: x.raw(x.r, x.s)[:-1],
    "one byte long": lambda x: x.raw(x.r, x.s) + b"\0",
    "a leading zero byte": lambda x: b"\0" + x.raw(x.r, x.s),
    "each half a byte longer": lambda x: b"\0" + x.raw(x.r, 0)[: x.half] + b"\0" + x.raw(0, x.s)[x.half :],
    "empty": lambda x: b"",
    "r alone": lambda x: x.raw(x.r, x.s)[: x.half],
    "twice": lambda x: x.raw(x.r, x.s) * 2,
    "in hexadecimal": lambda x: x.raw(x.r, x.s).hex().encode(),
}


@pytest.mark.parametrize("alg", list(CURVES))
def test_numbers_of_a_signature_are_held_against_the_order_of_the_curve(alg: int) -> None:
    """One below the order is a private key, whose point mirrors that of 1; the order itself is none."""
    curve, order = CURVES[alg][0], _ORDER[CURVES[alg][0].name]
    points = [ec.derive_private_key(one, curve).public_key().public_numbers() for one in (1, order - 1)]
    assert points[0].x == points[1].x
    assert order == ORDERS[alg]
    with pytest.raises(ValueError, match="key"):
        ec.derive_private_key(order, curve)


@pytest.mark.parametrize("alg", list(CURVES))
@pytest.mark.parametrize("trap", list(ECDSA_TRAPS))
def test_pitfall_08_an_ecdsa_trap_is_a_wrong_signature(alg: int, trap: str) -> None:
    """Range, length and form of r and s are checked before the curve is asked; False, and no error."""
    honest = Signed(alg)
    assert honest.key.verify(alg, honest.raw(honest.r, honest.s), MESSAGE)
    assert honest.key.verify(alg, ECDSA_TRAPS[trap](honest), MESSAGE) is False


@pytest.mark.parametrize("alg", list(CURVES))
def test_pitfall_07_the_twin_of_a_signature_verifies_too(alg: int) -> None:
    """(r, n - s) is legal; that is why a signature is never an identity and revocation hashes r alone."""
    honest = Signed(alg)
    assert honest.key.verify(alg, honest.raw(honest.r, honest.order - honest.s), MESSAGE)


@pytest.mark.parametrize("alg", list(CURVES))
def test_another_message_another_hash_or_another_key_is_refused(alg: int) -> None:
    """What was signed is this message, with this hash, by this key."""
    honest = Signed(alg)
    signature = honest.raw(honest.r, honest.s)
    assert not honest.key.verify(alg, signature, MESSAGE + b".")
    for other in set(CURVES) - {alg}:
        assert not honest.key.verify(other, signature, MESSAGE)
    stranger = ec.derive_private_key(0x77, CURVES[alg][0])
    assert not load_spki(spki(stranger.public_key())).verify(alg, signature, MESSAGE)


# --- Keys ---------------------------------------------------------------------------------------------------

EC_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
ED_HEAD = bytes.fromhex("302a300506032b6570032100")
GENERATOR = spki(ec.derive_private_key(1, ec.SECP256R1()).public_key())[len(EC_HEAD) :]
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1

# Every point of low order on Ed25519, in canonical form and not (RFC 7748 §6, and the encodings above p).
LOW_ORDER = {
    "the identity": "0100000000000000000000000000000000000000000000000000000000000000",
    "order two": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order four": "0000000000000000000000000000000000000000000000000000000000000000",
    "order four, negated": "0000000000000000000000000000000000000000000000000000000000000080",
    "order eight": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order eight, negated": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order eight, another": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order eight, another negated": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "the identity with the sign bit": "0100000000000000000000000000000000000000000000000000000000000080",
    "the identity above the field": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "zero above the field": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}


def rsa_spki(bits: int, exponent: int = 65537) -> bytes:
    """A public RSA key of any size; its modulus is odd and nobody knows its factors, which loading never
    asks.
    """
    modulus = (1 << (bits - 1)) | (1 << (bits // 2)) | 1
    return spki(rsa.RSAPublicNumbers(exponent, modulus).public_key())


KEYS_REFUSED: dict[str, Callable[[], bytes]] = {
    **{
        f"Ed25519 point of low order: {name}": lambda point=point: ED_HEAD + bytes.fromhex(point)
        for name, point in LOW_ORDER.items()
    },
    "Ed25519 point that is not on the curve": lambda: ED_HEAD + bytes.fromhex("02" + "00" * 31),
    "Ed25519 key cut short": lambda: ED_HEAD + bytes(31),
    "P-256 point that is not on the curve": lambda: EC_HEAD + GENERATOR[:-1] + bytes([GENERATOR[-1] ^ 1]),
    "P-256 point of zeros": lambda: EC_HEAD + b"\x04" + bytes(64),
    "P-256 coordinates above the field": lambda: EC_HEAD + b"\x04" + P256.to_bytes(32, "big") + bytes(32),
    "P-256 point at infinity": lambda: (
        bytes.fromhex("301906072a8648ce3d020106082a8648ce3d0301070302") + b"\0\0"
    ),
    "P-256 point cut short": lambda: EC_HEAD + GENERATOR[:-1],
    "a curve of another field (P-224)": lambda: spki(ec.derive_private_key(3, ec.SECP224R1()).public_key()),
    "the curve of bitcoin": lambda: spki(ec.derive_private_key(3, ec.SECP256K1()).public_key()),
    "a brainpool curve": lambda: spki(ec.derive_private_key(3, ec.BrainpoolP256R1()).public_key()),
    "RSA of 512 bits": lambda: rsa_spki(512),
    "RSA of 1023 bits": lambda: rsa_spki(1023),
    "RSA of 16384 bits": lambda: rsa_spki(16384),
    "RSA with the exponent 1": lambda: (
        bytes.fromhex("3082011e300d06092a864886f70d01010105000382010b00308201060282010100")
        + b"\xc1" * 256
        + bytes.fromhex("020101")
    ),
    "an X25519 key": lambda: bytes.fromhex("302a300506032b656e032100") + bytes([9]) + bytes(31),
    "nothing": lambda: b"",
    "no DER": lambda: b"-----BEGIN PUBLIC KEY-----",
}


@pytest.mark.parametrize("name", list(KEYS_REFUSED))
def test_pitfall_08_a_key_that_must_verify_nothing_is_refused_when_it_is_loaded(name: str) -> None:
    """Low order, off the curve, an unexpected curve, a size out of range: the key is refused, never asked."""
    with pytest.raises(KeyRefusedError):
        load_spki(KEYS_REFUSED[name]())


@pytest.mark.parametrize("bits", [1024, 1536, 2047])
def test_pitfall_05_a_weak_rsa_key_is_named_and_never_green(bits: int) -> None:
    """Below 2048 bits the mathematics may be reported; the key carries its weakness, and the verdict heeds
    it.
    """
    assert load_spki(rsa_spki(bits)).weakness is not None
    assert load_spki(rsa_spki(2048)).weakness is None


# --- RSA-PSS ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


PSS_TRAPS: dict[str, Callable[[rsa.RSAPrivateKey], bytes]] = {
    "PKCS #1 v1.5 in place of PSS": lambda key: key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()),
    "a salt of another length": lambda key: key.sign(
        MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256()
    ),
    "no salt": lambda key: key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256()),
    "another hash in the mask": lambda key: key.sign(
        MESSAGE, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256()
    ),
    "SHA-1": lambda key: key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA1()), 20), hashes.SHA1()),
    "a leading zero byte": lambda key: b"\0" + honest_pss(key),
    "one byte short": lambda key: honest_pss(key)[:-1],
    "zeros": lambda key: bytes(256),
    "one": lambda key: bytes(255) + b"\x01",
    "the modulus": lambda key: key.public_key().public_numbers().n.to_bytes(256, "big"),
    "the signature plus the modulus": lambda key: (
        int.from_bytes(honest_pss(key), "big") + key.public_key().public_numbers().n
    ).to_bytes(257, "big"),
    "empty": lambda key: b"",
}


def honest_pss(key: rsa.RSAPrivateKey) -> bytes:
    return key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@pytest.mark.parametrize("trap", list(PSS_TRAPS))
def test_a_pss_trap_is_a_wrong_signature(trap: str, rsa_key: rsa.RSAPrivateKey) -> None:
    """MGF1 with the same hash, a salt as long as the hash, as many bytes as the modulus: nothing else."""
    key = load_spki(spki(rsa_key.public_key()))
    assert key.verify(PS256, honest_pss(rsa_key), MESSAGE)
    assert key.verify(PS256, PSS_TRAPS[trap](rsa_key), MESSAGE) is False
    assert not key.verify(PS384, honest_pss(rsa_key), MESSAGE)


# --- Ed25519 ------------------------------------------------------------------------------------------------

L = 2**252 + 27742317777372353535851937790883648493


def ed_signed() -> tuple[VerificationKey, bytes]:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return load_spki(spki(private.public_key())), private.sign(MESSAGE)


def scalar(signature: bytes, add: int) -> bytes:
    """The signature with its scalar S changed by a multiple of the order: the twin that RFC 8032 refuses."""
    value = int.from_bytes(signature[32:], "little") + add
    return signature[:32] + value.to_bytes(32, "little")


ED_TRAPS: dict[str, Callable[[bytes], bytes]] = {
    "S plus the order": lambda s: scalar(s, L),
    "S plus eight times the order": lambda s: scalar(s, 8 * L),
    "S is zero": lambda s: s[:32] + bytes(32),
    "R is the identity": lambda s: b"\x01" + bytes(31) + s[32:],
    "R of low order": lambda s: bytes.fromhex(LOW_ORDER["order eight"]) + s[32:],
    "one bit of R": lambda s: bytes([s[0] ^ 1]) + s[1:],
    "one bit of S": lambda s: s[:32] + bytes([s[32] ^ 1]) + s[33:],
    "the sign bit of R": lambda s: s[:31] + bytes([s[31] ^ 0x80]) + s[32:],
    "one byte short": lambda s: s[:-1],
    "one byte long": lambda s: s + b"\0",
    "zeros": lambda s: bytes(64),
    "empty": lambda s: b"",
}


@pytest.mark.parametrize("trap", list(ED_TRAPS))
def test_an_ed25519_trap_is_a_wrong_signature(trap: str) -> None:
    """A scalar beyond the order, a commitment of low order, another length: refused."""
    key, signature = ed_signed()
    assert key.verify(EDDSA, signature, MESSAGE)
    assert key.verify(EDDSA, ED_TRAPS[trap](signature), MESSAGE) is False


@pytest.mark.parametrize("alg", [ES256, ES384, ES512, PS256, PS384, EDDSA, 0, 5, -257, -65535])
def test_pitfall_02_a_key_answers_only_to_algorithms_of_its_own_family(
    alg: int, rsa_key: rsa.RSAPrivateKey
) -> None:
    """The key decides: what its header asks of it is refused, not tried (HMAC with a public key, PKCS #1,
    SHA-1).
    """
    families = {
        frozenset(CURVES): Signed(ES256).key,
        frozenset({PS256, PS384, -39}): load_spki(spki(rsa_key.public_key())),
        frozenset({EDDSA}): ed_signed()[0],
    }
    for own, key in families.items():
        if alg in own:
            assert key.verify(alg, b"", MESSAGE) is False
        else:
            with pytest.raises(AlgorithmRefusedError):
                key.verify(alg, b"", MESSAGE)
