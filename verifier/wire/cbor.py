"""Strict CBOR (RFC 8949) for hostile bytes, by cbor2 with its limits drawn tight.

The rules this module keeps (pitfall 9):

* Depth at most 16, declared lengths at most what is there, duplicate keys, indefinite lengths and trailing
  bytes refused. Integers that are not in their shortest form are accepted.
* Tags are inert: no text becomes a date, a number or a regular expression because a tag says so.

    >>> decode(b"\\xa1\\x01\\x02", "claims")
    {1: 2}
"""

from __future__ import annotations

import io
from typing import Any

import cbor2

from verifier.reasons import Reason
from verifier.wire.errors import MalformedError

MAX_DEPTH = 16


class _Inert:
    """Turns one tag that the library would interpret back into a plain ``CBORTag``."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, value: Any, immutable: bool) -> cbor2.CBORTag:  # noqa: ARG002 - the library's shape
        return cbor2.CBORTag(self._number, value)


# Every tag that cbor2 knows how to interpret (its documentation, "Semantic tags").
_INERT: dict[int, Any] = {
    number: _Inert(number)
    for number in (
        0,
        1,
        2,
        3,
        4,
        5,
        25,
        28,
        29,
        30,
        35,
        36,
        37,
        52,
        54,
        100,
        256,
        258,
        260,
        261,
        1004,
        43000,
        55799,
    )
}


def decode(data: bytes, layer: str) -> Any:
    """The value of ``data``, which must be one CBOR item and nothing after it.

    layer: the word that an error names. Raises MalformedError; a nesting beyond the limit is ``TOO_BIG``.
    """
    stream = io.BytesIO(data)
    try:
        value = cbor2.load(
            stream,
            semantic_decoders=_INERT,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except cbor2.CBORError as error:
        if "nesting depth" in str(error):
            raise MalformedError(layer, f"nested deeper than {MAX_DEPTH}", Reason.TOO_BIG) from None
        raise MalformedError(layer, f"not strict CBOR ({_rule(error)})") from None
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise MalformedError(layer, f"not strict CBOR ({type(error).__name__})") from None
    if stream.tell() != len(data):
        raise MalformedError(layer, "bytes after the end")
    return value


def _rule(error: cbor2.CBORError) -> str:
    """Which rule was broken, in words that hold none of the content."""
    text = str(error).lower()
    for sign, rule in (
        ("duplicate", "duplicate map key"),
        ("indefinite", "indefinite length"),
        ("premature", "shorter than it says"),
        ("text string", "text that is not UTF-8"),
    ):
        if sign in text:
            return rule
    return type(error).__name__


def byte_string(length: int) -> bytes:
    """The head of a byte string of so many bytes, in its shortest form (RFC 8949 §3.1)."""
    if length < 24:
        return bytes((0x40 + length,))
    if length < 0x100:
        return bytes((0x58, length))
    if length < 0x10000:
        return b"\x59" + length.to_bytes(2)
    return b"\x5a" + length.to_bytes(4)


def encode(value: Any) -> bytes:
    """CBOR of ``value`` in the order that it has (an issuer's choice; deterministic for equal values)."""
    return cbor2.dumps(value)
