"""base64url without padding (RFC 4648 §5), as JOSE and its relatives write bytes.

The rules this module keeps:

* Characters outside the alphabet and a length that no bytes have are malformed.
* Bits that the last character has to spare are ignored: what is signed is signed as it stands, and a
  signature is never used as an identity.

    decode(encode(b"..."), "jws", "the payload")
"""

from __future__ import annotations

import base64
import re

from verifier.wire.errors import MalformedError

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(data: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str, layer: str, name: str) -> bytes:
    """The bytes of a text. layer, name: for the error, of what it is. Raises MalformedError."""
    if not _ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedError(layer, f"{name} is not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
