"""HCERT containers: ``HC1:`` text, Base45, zlib, COSE_Sign1, CWT claims.

The rules this module keeps:

* Size before inflate, inflate with a cap, depth before use: a hostile code meets a limit at each layer.
* The body is a zlib stream that ends where the code ends; an uncompressed one is refused, because the
  specification's own vectors want it refused and a tolerance would only help forgers.
* Claims are decoded from the payload that the signature covers, by whoever has verified it.

    envelope = open_hcert(text)                       # prefix to Envelope, nothing believed
    claims = decode_claims(envelope.payload)          # after the signature held
    text = encode_hc1(dcc, iss="XV", iat=…, exp=…, kid=kid, alg=-7, sign=key.sign)

Sources: HCERT specification 1.0.8, RFC 1950, RFC 8392, RFC 9052, RFC 9285. ``docs/formats/hc1.md``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from verifier.reasons import Reason
from verifier.wire import base45, cbor, cose
from verifier.wire.errors import MalformedError

PREFIX = "HC1:"
MAX_TEXT = 4296  # characters of a version 40-L symbol in alphanumeric mode
MAX_INFLATED = 64 * 1024  # real codes inflate to less than 1 KiB

CLAIM_ISS, CLAIM_EXP, CLAIM_NBF, CLAIM_IAT = 1, 4, 5, 6
CLAIM_HCERT = -260
EU_DCC = 1  # sub-key of the hcert claim


@dataclass(frozen=True, slots=True, repr=False)
class Claims:
    """CWT claims of a payload.

    issued_at (``nbf`` where there is no ``iat``), expires_at: aware instants, ``None`` where absent or not
    usable. bad_time: what is wrong with one of them, ``None`` if all can be used. hcert: the map under
    -260, empty if there is none.
    """

    issuer: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    bad_time: str | None
    hcert: Mapping[Any, Any]


def open_hcert(text: str, prefix: str = PREFIX) -> cose.Envelope:
    """The envelope inside a code's text, which begins with ``prefix``.

    Raises MalformedError with the layer that broke; sizes beyond a limit are ``TOO_BIG``.
    """
    if len(text) > MAX_TEXT:
        raise MalformedError(
            "text", f"{len(text)} characters, at most {MAX_TEXT} fit into a code", Reason.TOO_BIG
        )
    return cose.decode_sign1(inflate(base45.decode(text[len(prefix) :])))


def inflate(data: bytes) -> bytes:
    """The content of a zlib stream, at most ``MAX_INFLATED`` bytes.

    Raises MalformedError when it is not one, is cut short, has bytes after its end, or expands too far.
    """
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, MAX_INFLATED)
    except zlib.error:
        raise MalformedError("zlib", "not a zlib stream, or a broken one") from None
    if not stream.eof and len(out) >= MAX_INFLATED:
        raise MalformedError("zlib", f"expands beyond {MAX_INFLATED} bytes", Reason.TOO_BIG)
    if not stream.eof:
        raise MalformedError("zlib", "cut short")
    if stream.unused_data:
        raise MalformedError("zlib", "bytes after the end")
    return out


def decode_claims(payload: bytes) -> Claims:
    """The CWT claims of a payload. Raises MalformedError when it is no CBOR map."""
    value = cbor.decode(payload, "claims")
    if not isinstance(value, dict):
        raise MalformedError("claims", "not a map")
    issuer = value.get(CLAIM_ISS)
    hcert = value.get(CLAIM_HCERT)
    iat, bad_iat = _instant(value.get(CLAIM_IAT), "iat")
    exp, bad_exp = _instant(value.get(CLAIM_EXP), "exp")
    nbf, bad_nbf = _instant(value.get(CLAIM_NBF), "nbf")
    return Claims(
        issuer=issuer.strip() if isinstance(issuer, str) else None,
        issued_at=iat or nbf,
        expires_at=exp,
        bad_time=bad_exp or bad_iat or bad_nbf,
        hcert=hcert if isinstance(hcert, dict) else {},
    )


def _instant(value: Any, claim: str) -> tuple[datetime | None, str | None]:
    """A NumericDate (RFC 8392 §2), as integer, float or either under tag 1, and what is wrong with it."""
    if value is None:
        return None, None
    if isinstance(value, cbor2.CBORTag) and value.tag == 1:
        value = value.value
    if type(value) not in (int, float) or not math.isfinite(value):
        return None, f"{claim} is not a number of seconds"
    try:
        return datetime.fromtimestamp(value, UTC), None
    except (OverflowError, ValueError, OSError):
        return None, f"{claim} lies outside the calendar"


def encode_hc1(
    payload: Mapping[str, Any],
    *,
    iss: str | None,
    iat: float | None,
    exp: float | None,
    kid: bytes,
    alg: int,
    sign: Callable[[bytes], bytes],
    kid_protected: bool = True,
    tag: int | None = cose.TAG_SIGN1,
) -> str:
    """The text of a certificate with this DCC payload.

    iat, exp: NumericDate. sign: makes the raw signature over the Sig_structure that it is given.
    """
    claims = {CLAIM_ISS: iss, CLAIM_EXP: exp, CLAIM_IAT: iat}
    body = {number: value for number, value in claims.items() if value is not None}
    return seal(
        cbor.encode(body | {CLAIM_HCERT: {EU_DCC: dict(payload)}}),
        kid=kid,
        alg=alg,
        sign=sign,
        kid_protected=kid_protected,
        tag=tag,
    )


def seal(
    payload: bytes,
    *,
    kid: bytes,
    alg: int,
    sign: Callable[[bytes], bytes],
    kid_protected: bool = True,
    tag: int | None = cose.TAG_SIGN1,
) -> str:
    """``HC1:`` text round payload bytes, signed by ``sign``."""
    header: dict[int, Any] = {cose.HEADER_ALG: alg}
    loose: dict[int, Any] = {}
    (header if kid_protected else loose)[cose.HEADER_KID] = kid
    signature = sign(cose.sig_structure(cose.encode_protected(header), payload))
    return pack(cose.encode_sign1(header, loose, payload, signature, tag=tag))


def pack(sign1: bytes) -> str:
    """``HC1:`` text of a finished COSE_Sign1."""
    return PREFIX + base45.encode(zlib.compress(sign1, 9))
