"""Bytes from a seed: everything secret or unique of an issuer comes from here.

The rules this module keeps:

* The same seed and label give the same bytes, for ever; another label gives bytes that have nothing to do
  with them. So two runs of one seed are equal to the byte, and no two things share a secret.
* An issuer that nobody gave a seed draws one from the operating system: there is one path, not two.
* A seed that a person typed is for tests and demonstrations. Whoever knows it owns every key.

    stream = Stream(b"seed", "key/ES256/1")
    stream.read(32)                      # the first 32 bytes of that stream
    stream.read(32)                      # the next ones
"""

from __future__ import annotations

import hashlib
import secrets

_DOMAIN = b"vaxgate-issuer seed v1"
_BLOCK = 1024  # bytes that one call of SHAKE-256 adds to the stream


def new_seed() -> str:
    """A seed of 256 random bits, as text."""
    return secrets.token_hex(32)


class Stream:
    """An endless stream of bytes that a seed and a label determine: SHAKE-256 in counter mode."""

    def __init__(self, seed: bytes, label: str) -> None:
        # Each part is preceded by its length, so that no two pairs of seed and label look alike.
        name = label.encode()
        self._prefix = b"".join(len(part).to_bytes(4, "big") + part for part in (_DOMAIN, seed, name))
        self._block = 0
        self._rest = b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        parts = [self._rest]
        have = len(self._rest)
        while have < size:
            parts.append(hashlib.shake_256(self._prefix + self._block.to_bytes(8, "big")).digest(_BLOCK))
            self._block += 1
            have += _BLOCK
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


def derive(seed: bytes, label: str, size: int) -> bytes:
    """The first ``size`` bytes of the stream of this seed and label."""
    return Stream(seed, label).read(size)
