"""Key files as people hand them over: PEM, DER, JWK, JWKS and DID documents.

The rules this module keeps:

* A file that holds no key is an error with a reason, never an empty list.
* KIDs of JWKs are text; where such a text is Base64 of bytes (as DCC lists write it), both readings are kept.
* A private key is refused by name: whoever hands one over should know that it is out of the bag.

    keys = parse_keys(path.read_bytes(), source="national.pem")
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.keys import KeyRefusedError, load_spki, trusted_key
from verifier.trust import TrustedKey

MAX_FILE = 8 * 1024 * 1024  # bytes
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]+?)-----END \1-----")
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class KeyFileError(ValueError):
    """A key file cannot be used; the message says which part of it and why."""


def parse_keys(data: bytes, *, source: str = "") -> tuple[TrustedKey, ...]:
    """Every key of a key file.

    data: a PEM (certificates or public keys, several), one DER certificate or SubjectPublicKeyInfo, a JWK,
    a JWKS or a DID document. Raises KeyFileError.
    """
    if len(data) > MAX_FILE:
        raise KeyFileError(f"{len(data)} bytes; a key file has at most {MAX_FILE}")
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            keys = _json(data, source)
        elif b"-----BEGIN " in data:
            keys = _pem(data, source)
        else:
            keys = (_der(data, source),)
    except KeyRefusedError as error:
        raise KeyFileError(str(error)) from error
    if not keys:
        raise KeyFileError("no key in it; PEM, DER, JWK, JWKS and DID documents are read")
    return keys


def _pem(data: bytes, source: str) -> tuple[TrustedKey, ...]:
    keys = []
    for match in _PEM.finditer(data):
        label = match.group(1).decode()
        if "PRIVATE" in label:
            raise KeyFileError(
                "it holds a private key; trust needs the public one, and this one is no secret now"
            )
        if label in ("CERTIFICATE", "PUBLIC KEY"):
            keys.append(_der(_unbase64(match.group(2).decode()), source))
    return tuple(keys)


def _der(data: bytes, source: str) -> TrustedKey:
    """One DER object: a certificate, or a bare public key, which has no KID of its own."""
    try:
        return trusted_key(data, source=source)
    except KeyRefusedError as error:
        try:
            load_spki(data)
        except KeyRefusedError:
            raise KeyFileError(f"neither a certificate nor a public key in DER ({error})") from error
        return TrustedKey(kid=b"", spki=data, source=source)


def _json(data: bytes, source: str) -> tuple[TrustedKey, ...]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise KeyFileError(f"not JSON ({error})") from error
    keys: list[TrustedKey] = []
    for jwk in _jwks(value):
        keys += parse_jwk(jwk, source=source)
    return tuple(keys)


def _jwks(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        return []
    if "kty" in value:
        return [value]
    if isinstance(value.get("keys"), list):
        return [jwk for jwk in value["keys"] if isinstance(jwk, Mapping)]
    methods = value.get("verificationMethod")
    out: list[Mapping[str, Any]] = []
    for method in methods if isinstance(methods, list) else []:
        if isinstance(method, Mapping) and isinstance(method.get("publicKeyJwk"), Mapping):
            jwk = dict(method["publicKeyJwk"])
            if "kid" not in jwk and "#" in str(method.get("id", "")):
                jwk["kid"] = unquote(str(method["id"]).rsplit("#", 1)[1])
            out.append(jwk)
    return out


def parse_jwk(jwk: Mapping[str, Any], *, source: str = "") -> tuple[TrustedKey, ...]:
    """The key of a JWK (RFC 7517), once for each way its ``kid`` may be meant.

    A certificate in ``x5c`` gives period, country and uses; its key must be the JWK's. Raises KeyFileError.
    """
    if "d" in jwk:
        raise KeyFileError(
            "a JWK with its private part; trust needs the public one, and this one is no secret now"
        )
    spki = _spki(jwk)
    key = TrustedKey(kid=b"", spki=spki, source=source)
    x5c = jwk.get("x5c")
    if isinstance(x5c, list) and x5c:
        try:
            signer = trusted_key(_unbase64(str(x5c[0])), source=source)
        except KeyRefusedError as error:
            raise KeyFileError(f"x5c: {error}") from error
        if signer.spki != spki:
            raise KeyFileError("x5c holds another key than the JWK itself")
        key = replace(signer, kid=b"")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        return (key,)
    return tuple(replace(key, kid=reading) for reading in kid_readings(kid))


def kid_readings(kid: str) -> list[bytes]:
    """What a JWK's ``kid`` may mean: its text, and the bytes that it is Base64 of."""
    readings = [kid.encode()]
    try:
        raw = _unbase64(kid)
    except KeyFileError:
        return readings
    return [raw, *readings] if raw and raw != readings[0] else readings


def _spki(jwk: Mapping[str, Any]) -> bytes:
    try:
        key = _public_key(jwk)
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        load_spki(der)
    except KeyFileError:
        raise
    except KeyRefusedError as error:
        raise KeyFileError(f"JWK: {error}") from error
    except (KeyError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"JWK: not a usable key ({type(error).__name__})") from error
    return der


def _public_key(
    jwk: Mapping[str, Any],
) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    kty = jwk.get("kty")
    if kty == "EC" and jwk.get("crv") in _CURVES:
        x, y = (int.from_bytes(_unbase64(str(jwk[name])), "big") for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, _CURVES[jwk["crv"]]()).public_key()
    if kty == "RSA":
        n, e = (int.from_bytes(_unbase64(str(jwk[name])), "big") for name in ("n", "e"))
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kty == "OKP" and jwk.get("crv") == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_unbase64(str(jwk["x"])))
    raise KeyFileError(f"JWK: key type {kty!r} with curve {jwk.get('crv')!r} is not accepted")


def _unbase64(text: str) -> bytes:
    """Base64 or base64url, padded or not."""
    compact = re.sub(r"\s", "", text).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyFileError("not Base64") from error
