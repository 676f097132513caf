"""Seeds, names and signing keys of the reference issuer."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from issuer.keys import Algorithm, generate, load
from issuer.names import passport_line
from issuer.seed import Stream, derive, new_seed

MESSAGE = b"Sig_structure"


def test_a_stream_gives_the_same_bytes_however_it_is_read() -> None:
    """One read of 3000 bytes is three reads of 1000; the block size never shows."""
    pieces, whole = Stream(b"seed", "label"), Stream(b"seed", "label")
    assert pieces.read(1000) + pieces.read(1000) + pieces.read(1000) == whole.read(3000)


@pytest.mark.parametrize(
    ("seed", "label"),
    [(b"seed", "other"), (b"other", "label"), (b"see", "dlabel"), (b"seedl", "abel")],
    ids=["another label", "another seed", "the border moved left", "the border moved right"],
)
def test_another_seed_or_label_gives_other_bytes(seed: bytes, label: str) -> None:
    """Two secrets never coincide, not even when seed and label run together to the same text."""
    assert derive(seed, label, 32) != derive(b"seed", "label", 32)


def test_random_seeds_differ() -> None:
    """Without a seed of its own an issuer gets one that nobody can repeat."""
    assert len({new_seed() for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Nguyễn Bảo Duy", "NGUYEN<BAO<DUY"),
        ("Đặng Thị Đào", "DANG<THI<DAO"),
        ("Trương Mỹ Ước", "TRUONG<MY<UOC"),
        ("Ðurić", "DURIC"),  # U+00D0, which looks like U+0110
        ("Weißmüller-Åström", "WEISSMUELLER<AASTROEM"),
        ("  O'Neill  d’Arc ", "ONEILL<DARC"),
        ("Łukasz Żółć", "LUKASZ<ZOLC"),
        ("Işık İnönü", "ISIK<INOENUE"),
        ("Nguye\u0302\u0303n", "NGUYEN"),
        ("A.B. 3rd", "AB<RD"),  # ICAO: other punctuation is left out
        ("", ""),
    ],
)
def test_a_name_is_spelled_as_in_the_passport_line(name: str, line: str) -> None:
    """Capitals A to Z, words joined by one filler; composed and decomposed letters alike."""
    assert passport_line(name) == line


def test_a_name_in_other_letters_is_not_guessed() -> None:
    """Without a Latin spelling the issuer must be told one; dropping the name would be worse."""
    with pytest.raises(ValueError, match="Ethiopic"):
        passport_line("ሰላም")


def _verify(spki: bytes, signature: bytes, algorithm: Algorithm) -> None:
    """Verify with other code than that which signed."""
    key = load_der_public_key(spki)
    match algorithm:
        case Algorithm.ES256:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert len(signature) == 64
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA256()))
        case Algorithm.PS256:
            assert isinstance(key, rsa.RSAPublicKey)
            assert (key.key_size, key.public_numbers().e) == (2048, 65537)
            key.verify(
                signature,
                MESSAGE,
                padding.PSS(padding.MGF1(hashes.SHA256()), 32),
                hashes.SHA256(),
            )
        case Algorithm.EDDSA:
            key.verify(signature, MESSAGE)  # type: ignore[call-arg, union-attr]  # Ed25519 takes these two


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_of_a_seed_is_always_the_same_and_signs_the_same_way(algorithm: Algorithm) -> None:
    """Byte-equal public key and signature, also after the key was stored and loaded."""
    first, second = (generate(algorithm, Stream(b"seed", "key")) for _ in range(2))
    again = load(algorithm, first.material())
    assert first.spki() == second.spki() == again.spki()
    assert first.sign(MESSAGE) == second.sign(MESSAGE) == again.sign(MESSAGE)
    assert first.sign(MESSAGE) != first.sign(MESSAGE + b"!")
    _verify(first.spki(), first.sign(MESSAGE), algorithm)


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.EDDSA])
def test_keys_of_two_labels_differ(algorithm: Algorithm) -> None:
    """A rotation gives a key that the one before says nothing about."""
    one, two = (generate(algorithm, Stream(b"seed", label)) for label in ("1", "2"))
    assert one.material() != two.material()
    assert hashlib.sha256(one.spki()).digest() != hashlib.sha256(two.spki()).digest()
