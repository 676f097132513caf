"""Base45 (RFC 9285), strict.

The rules this module keeps:

* The space is a digit: nothing is stripped, folded or URL-decoded in here.
* A foreign character, a dangling character, or a group beyond its range is an error, never a guess.

    >>> decode("QED8WEX0")
    b'ietf!'
"""

from __future__ import annotations

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
    # Every group at once: each in a lane of 32 bits of three long numbers, which one sum brings together.
    lanes = bytearray(4 * whole)
    total = 0
    for place, weight in enumerate((1, 45, 2025)):
        lanes[::4] = values[place:end:3]
        total += weight * int.from_bytes(lanes, "little")
    sums = total.to_bytes(4 * whole, "little")
    if sums[2::4].count(0) != whole:
        raise MalformedError("base45", "a group of three above 65535")
    words = bytearray(2 * whole)
    words[::2], words[1::2] = sums[1::4], sums[::4]
    if not rest:
        return bytes(words)
    last = values[end] + 45 * values[end + 1]
    if last > 255:
        raise MalformedError("base45", "a group of two above 255")
    return bytes(words) + bytes((last,))
