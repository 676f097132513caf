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

_LANES = 1432  # groups of the longest code there is
_FIRSTS = int.from_bytes(b"\xff\0\0" * _LANES, "little")  # the first character of each group


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
    # Every group at once: a group is a lane of 24 bits in one long number, and so is its sum.
    number = int.from_bytes(values[:end], "little")
    firsts = _FIRSTS if whole <= _LANES else int.from_bytes(b"\xff\0\0" * whole, "little")
    total = (number & firsts) + 45 * (number >> 8 & firsts) + 2025 * (number >> 16 & firsts)
    sums = total.to_bytes(end, "little")
    if sums[2::3] != bytes(whole):
        raise MalformedError("base45", "a group of three above 65535")
    words = bytearray(2 * whole)
    words[::2], words[1::2] = sums[1::3], sums[::3]
    if not rest:
        return bytes(words)
    last = values[end] + 45 * values[end + 1]
    if last > 255:
        raise MalformedError("base45", "a group of two above 255")
    return bytes(words) + bytes((last,))
