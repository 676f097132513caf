"""Compact JWS (RFC 7515): who signed a list, and over which bytes.

The rules this module keeps:

* What verifies is pinned by the operator: a key, the signer's certificate, or a root to which the ``x5c`` of
  the token leads. A key that a token brings along (``jwk``, ``jku``, ``x5u``) is never looked at.
* ES256, RS256 and PS256, as the signed header says, and only if the key is of that family. No ``none``.
* A header that asks for what is not done here (``crit``, ``b64``) is refused.

    signed = verify_jws(body, roots=[root], name="signer.example", at=now)
    signed.payload                                            # bytes that the signer has signed

Sources: RFC 7515, RFC 7518 §3.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustsync.hub import anchors
from trustsync.hub.upstream import MAX_RAW, UpstreamError
from verifier.keys import ES256, PS256, KeyRefusedError, load_spki
from verifier.wire import base64url, strict_json
from verifier.wire.errors import MalformedError
from verifier.x509_reading import Scheme, verifies

LAYER = "jws"
MAX_CHAIN = 8  # certificates in x5c


@dataclass(frozen=True, slots=True)
class JwsResult:
    """What a signature that held was over. certificate: the signer's, DER; ``None`` under a pinned key."""

    payload: bytes
    certificate: bytes | None


def verify_jws(
    token: bytes,
    *,
    at: datetime,
    roots: Sequence[x509.Certificate | bytes] = (),
    certificate: bytes | None = None,
    key: bytes | None = None,
    name: str | None = None,
) -> JwsResult:
    """Verify a token by what is pinned, of which exactly one is given.

    at: when certificates must be valid. roots: to one of which ``x5c`` must lead. certificate: the signer's,
    DER; an ``x5c`` must begin with it. key: SubjectPublicKeyInfo, DER. name: the common name that the signer
    must have; asked under a root that has other signers too. Raises UpstreamError.
    """
    if [bool(roots), certificate is not None, key is not None].count(True) != 1:
        raise UpstreamError("exactly one of roots, certificate and key must be pinned for a JWS")
    header, signed, signature = _open(token)
    # 1. Whose key may verify this, without any of the payload.
    if key is None:
        certificate = _certificate(_chain(header), certificate, roots, at)
        if name is not None:
            anchors.check_name(certificate, name)
        key = anchors.facts_of(certificate).spki
    # 2. The algorithm is the header's, and the key has the last word.
    if not _holds(header.get("alg"), key, signature, signed):
        raise UpstreamError("the signature does not hold; the list was changed or cut, and is refused")
    # 3. Only now is there a payload.
    try:
        payload = base64url.decode(signed.partition(b".")[2].decode("ascii"), LAYER, "the payload")
    except MalformedError as error:
        raise UpstreamError(str(error)) from error
    return JwsResult(payload, certificate)


def _open(token: bytes) -> tuple[Mapping[str, Any], bytes, bytes]:
    """The header, the bytes that are signed, and the signature."""
    if len(token) > MAX_RAW:
        raise UpstreamError(f"a token of {len(token)} bytes; at most {MAX_RAW} are read")
    parts = token.strip().split(b".")
    if len(parts) != 3 or not token.isascii():
        raise UpstreamError("not a compact JWS: three parts with a point between them are wanted")
    try:
        text = base64url.decode(parts[0].decode("ascii"), LAYER, "the header")
        signature = base64url.decode(parts[2].decode("ascii"), LAYER, "the signature")
        header = strict_json.decode(text, "jws header")
    except MalformedError as error:
        raise UpstreamError(str(error)) from error
    if not isinstance(header, dict):
        raise UpstreamError("the header of the JWS is not an object")
    for refused in ("crit", "b64"):
        if refused in header:
            raise UpstreamError(f"the header of the JWS has {refused!r}, which is not read here")
    return header, parts[0] + b"." + parts[1], signature


def _chain(header: Mapping[str, Any]) -> list[bytes]:
    """The certificates of ``x5c``: Base64 of DER, the signer's first; empty without one."""
    chain = header.get("x5c", [])
    if not isinstance(chain, list) or len(chain) > MAX_CHAIN:
        raise UpstreamError(f"x5c is not a list of up to {MAX_CHAIN} certificates")
    try:
        return [base64.b64decode(each, validate=True) for each in chain]
    except (binascii.Error, ValueError, TypeError) as error:
        raise UpstreamError("x5c holds something that is not Base64") from error


def _certificate(
    chain: Sequence[bytes], pinned: bytes | None, roots: Sequence[x509.Certificate | bytes], at: datetime
) -> bytes:
    if pinned is not None:
        if chain and chain[0] != pinned:
            raise UpstreamError("signed with another certificate than the pinned one; the list is refused")
        anchors.check_signer(pinned, at)
        return pinned
    if not chain:
        raise UpstreamError("the token names no certificate (x5c), so nothing leads to the pinned root")
    anchors.path_to_root(chain[0], chain[1:], [anchors.der_of(root) for root in roots], at=at)
    return chain[0]


def _holds(alg: Any, spki: bytes, signature: bytes, message: bytes) -> bool:
    try:
        key = load_spki(spki)
    except KeyRefusedError as error:
        raise UpstreamError(f"the signer's key must not be used: {error}") from error
    if key.weakness is not None:
        raise UpstreamError(f"the signer's key is weak ({key.weakness})")
    native = key.native
    match alg:
        case "ES256" if isinstance(native, ec.EllipticCurvePublicKey) and native.key_size == 256:
            return key.verify(ES256, signature, message)
        case "PS256" if isinstance(native, rsa.RSAPublicKey):
            return key.verify(PS256, signature, message)
        case "RS256" if isinstance(native, rsa.RSAPublicKey):
            return verifies(spki, Scheme("rsa", "sha256"), signature, message)
        case _:
            raise UpstreamError(
                "the token's algorithm is not ES256, PS256 or RS256, or does not fit the signer's key"
            )
