"""Base45 (RFC 9285), strict.

The rules this module keeps:

* The space is a digit: nothing is stripped, folded or URL-decoded in here.
* A foreign character, a dangling character, or a group beyond its range is an error, never a guess.

    >>> decode("QED8WEX0")
    b'ietf!'
"""

from __future__ import annotations

import sys
from array import array

from verifier.wire.errors import MalformedError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_FOREIGN = 255
_VALUE = bytes(ALPHABET.find(chr(i)) % 256 if chr(i) in ALPHABET else _FOREIGN for i in range(256))


def encode(data: bytes) -> str:
    """The Base45 text of ``data``."""
    out = []
    for at in range(0, len(data) - 1, 2):
        rest, first = divmod(data[at] * 256 + data[at + 1], 45)
        third, second = divmod(rest, 45)
        out.append(ALPHABET[first] + ALPHABET[second] + ALPHABET[third])
    if len(data) % 2:
        second, first = divmod(data[-1], 45)
        out.append(ALPHABET[first] + ALPHABET[second])
    return "".join(out)


def decode(text: str) -> bytes:
    """The bytes of a Base45 text.

    Raises MalformedError for a character outside the alphabet, a length of 3n + 1, a triple above 65535 or
    a pair above 255.
    """
    try:
        values = text.encode("ascii").translate(_VALUE)
    except UnicodeEncodeError:
        raise MalformedError("base45", "a character outside the alphabet") from None
    if _FOREIGN in values:
        raise MalformedError("base45", "a character outside the alphabet")
    whole, rest = divmod(len(values), 3)
    if rest == 1:
        raise MalformedError("base45", "one character too many or too few")
    end = whole * 3
    try:  # an unsigned 16-bit array refuses a triple above 65535 by itself
        words = array(
            "H",
            [
                a + 45 * b + 2025 * c
                for a, b, c in zip(values[0:end:3], values[1:end:3], values[2:end:3], strict=True)
            ],
        )
    except OverflowError:
        raise MalformedError("base45", "a group of three above 65535") from None
    if sys.byteorder == "little":
        words.byteswap()
    if not rest:
        return words.tobytes()
    last = values[end] + 45 * values[end + 1]
    if last > 255:
        raise MalformedError("base45", "a group of two above 255")
    return words.tobytes() + bytes((last,))
