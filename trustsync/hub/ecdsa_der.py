"""ECDSA signatures in DER, for the few lists that bring one.

The rules this module keeps:

* DER is read here and nowhere else: codes, tokens and other lists carry raw r‖s, and nobody guesses which.
* What is no DER of two numbers of the key's size gives ``None``, which no key verifies.

    raw = raw_signature(der, key)
    raw is not None and key.verify(ES512, raw, message)

Source: RFC 3279 §2.2.3 (ECDSA-Sig-Value).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from verifier.keys import VerificationKey


def raw_signature(der: bytes, key: VerificationKey) -> bytes | None:
    """The raw form of a DER signature, as :meth:`VerificationKey.verify` takes it; ``None`` if it has none.

    key: of which it says to be; one that is not of the ECDSA family makes no such signatures.
    """
    if not isinstance(key.native, ec.EllipticCurvePublicKey):
        return None
    size = coordinate_size(key.native)
    try:
        r, s = decode_dss_signature(der)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError):
        return None


def coordinate_size(key: ec.EllipticCurvePublicKey) -> int:
    """The bytes of r and of s, and of x and of y, on the key's curve."""
    return (key.curve.key_size + 7) // 8
