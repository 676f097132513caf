"""COSE_Sign1 (RFC 9052 §4.2): the sealed envelope round a payload of bytes.

The rules this module keeps:

* The algorithm is read from the protected header only; a KID may stand in either, protected wins.
* The payload stays bytes. Whoever wants to know what is in it verifies first.
* The signature covers the protected header exactly as received.
* An unknown critical header is refused: its sender said that ignoring it would be wrong.

    envelope = decode_sign1(data)
    key.verify(envelope.alg, envelope.signature, envelope.to_be_signed)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import cbor2

from verifier.wire import cbor
from verifier.wire.envelope import Envelope
from verifier.wire.errors import MalformedError

TAG_SIGN1 = 18
TAG_CWT = 61
_CACHED = 128  # bytes of a header that is worth remembering; a hostile one may be of any length
HEADER_ALG, HEADER_CRIT, HEADER_KID = 1, 2, 4


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """CBOR of ``["Signature1", protected, h'', payload]``."""
    return _before_payload(protected) + cbor.byte_string(len(payload)) + payload


def _before_payload(protected: bytes) -> bytes:
    return b"\x84\x6aSignature1" + cbor.byte_string(len(protected)) + protected + cbor.byte_string(0)


def decode_sign1(data: bytes) -> Envelope:
    """Open a COSE_Sign1: untagged, tagged 18, or 61(18(…)).

    Raises MalformedError for any other tag, a detached payload, a wrong number or type of elements, an
    unreadable header, or a critical header that is not known here.
    """
    value = cbor.decode(data, "cose")
    if isinstance(value, cbor2.CBORTag) and value.tag == TAG_CWT:
        value = value.value
        if not (isinstance(value, cbor2.CBORTag) and value.tag == TAG_SIGN1):
            raise MalformedError("cose", "a CWT tag round something that is not COSE_Sign1")
    if isinstance(value, cbor2.CBORTag):
        if value.tag != TAG_SIGN1:
            raise MalformedError("cose", f"tag {value.tag} is not COSE_Sign1")
        value = value.value
    # inside a tag cbor2 gives tuple and frozendict
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise MalformedError("cose", "not an array of four")
    protected, unprotected, payload, signature = value
    if not isinstance(protected, bytes) or not isinstance(unprotected, (dict, cbor2.frozendict)):
        raise MalformedError("cose", "a header of the wrong type")
    if not isinstance(payload, bytes):
        raise MalformedError("cose", "the payload is detached or not bytes")
    if not isinstance(signature, bytes):
        raise MalformedError("cose", "the signature is not bytes")
    if HEADER_CRIT in unprotected:
        raise MalformedError("cose header", "crit outside the protected header (RFC 9052, 3.1)")
    header = (_protected if len(protected) <= _CACHED else _read_protected)(protected)
    return Envelope(
        alg=header.alg,
        kid=header.kid if header.names_kid else _kid(unprotected),
        payload=payload,
        signature=signature,
        to_be_signed=header.before_payload + cbor.byte_string(len(payload)) + payload,
        protected=protected,
        loose_alg=header.alg is None and HEADER_ALG in unprotected,
    )


class _Header(NamedTuple):
    """A protected header. names_kid: whether it names a KID at all: then that is the one. before_payload: how
    a Sig_structure with this header begins.
    """

    alg: int | None
    kid: bytes | None
    names_kid: bool
    before_payload: bytes


@lru_cache(maxsize=1024)  # an issuer signs millions of certificates with the same header
def _protected(data: bytes) -> _Header:
    return _read_protected(data)


def _read_protected(data: bytes) -> _Header:
    header = cbor.decode(data, "cose header") if data else {}
    if not isinstance(header, dict):
        raise MalformedError("cose header", "not a map")
    if HEADER_CRIT in header:
        known = {HEADER_ALG, HEADER_CRIT, HEADER_KID}
        critical = header[HEADER_CRIT]
        if (
            not isinstance(critical, list)
            or not critical
            or not all(_is_int(c) and c in known for c in critical)
        ):
            raise MalformedError("cose header", "a critical header that is not known here")
    alg = header.get(HEADER_ALG)
    return _Header(alg if _is_int(alg) else None, _kid(header), HEADER_KID in header, _before_payload(data))


def _kid(header: Mapping[Any, Any]) -> bytes | None:
    kid = header.get(HEADER_KID)
    return kid if isinstance(kid, bytes) and kid else None


def _is_int(value: Any) -> bool:
    return type(value) is int


def encode_sign1(
    protected: Mapping[int, Any],
    unprotected: Mapping[int, Any],
    payload: bytes,
    signature: bytes,
    *,
    tag: int | None = TAG_SIGN1,
) -> bytes:
    """A COSE_Sign1 with this signature, which the caller made over :func:`sig_structure`.

    tag: 18, ``None`` for untagged, or 61 for 61(18(…)).
    """
    array = [encode_protected(protected), dict(unprotected), payload, signature]
    value: Any = array
    if tag is not None:
        value = cbor2.CBORTag(TAG_SIGN1, array)
    if tag == TAG_CWT:
        value = cbor2.CBORTag(TAG_CWT, value)
    return cbor.encode(value)


def encode_protected(header: Mapping[int, Any]) -> bytes:
    """The bytes of a protected header; the empty one is the empty string (RFC 9052 §3)."""
    return cbor.encode(dict(header)) if header else b""
