"""Inflating with a cap: what a few bytes of a hostile code may become is bounded.

The rules this module keeps:

* A stream ends where its bytes end: nothing is cut off, nothing stands behind it.
* One byte beyond the cap is never made.

    inflate(body)                  # zlib, with its header and its sum (RFC 1950)
    inflate(body, raw=True)        # deflate alone (RFC 1951)
"""

from __future__ import annotations

import zlib

from verifier.reasons import Reason
from verifier.wire.errors import MalformedError

MAX_INFLATED = 64 * 1024  # real codes inflate to about 1 KiB


def inflate(data: bytes, *, raw: bool = False) -> bytes:
    """The content of a compressed stream, at most ``MAX_INFLATED`` bytes.

    raw: without zlib's header and sum. Raises MalformedError when it is no such stream, is cut short or has
    bytes after its end; its reason is ``TOO_BIG`` when it expands too far.
    """
    layer, kind = ("deflate", "raw deflate") if raw else ("zlib", "zlib")
    stream = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    try:
        out = stream.decompress(data, MAX_INFLATED)
    except zlib.error:
        raise MalformedError(layer, f"not a {kind} stream, or a broken one") from None
    if not stream.eof and len(out) >= MAX_INFLATED:
        raise MalformedError(layer, f"expands beyond {MAX_INFLATED} bytes", Reason.TOO_BIG)
    if not stream.eof:
        raise MalformedError(layer, "cut short")
    if stream.unused_data:
        raise MalformedError(layer, "bytes after the end")
    return out
