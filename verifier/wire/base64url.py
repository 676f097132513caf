"""base64url without padding (RFC 4648 §5), as JOSE and its relatives write bytes.

The rules this module keeps:

* Characters outside the alphabet and a length that no bytes have are malformed.
* Bits that the last character has to spare are ignored: what is signed is signed as it stands, and a
  signature is never used as an identity.

    decode(encode(b"..."), "jws", "the payload")
"""

from __future__ import annotations

import base64
import binascii

from verifier.wire.errors import MalformedError

# To the alphabet that the decoder knows; what stands in the text as "+", "/" or "=" is none of it.
_STANDARD = bytes.maketrans(b"-_+/=", b"+/\0\0\0")


def encode(data: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str, layer: str, name: str) -> bytes:
    """The bytes of a text. layer, name: for the error, of what it is. Raises MalformedError."""
    try:
        standard = text.encode("ascii").translate(_STANDARD)
        return binascii.a2b_base64(standard + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise MalformedError(layer, f"{name} is not base64url without padding") from None
