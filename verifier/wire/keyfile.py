"""Key files as people hand them over: PEM, DER, JWK, JWKS, DID documents, and a CSCA with its CRL.

The rules this module keeps:

* A file that holds no key is an error with a reason, never an empty list.
* KIDs of JWKs are text; where such a text is Base64 of bytes (as DCC lists write it), both readings are kept.
* A private key is refused by name: whoever hands one over should know that it is out of the bag.

    given = parse_trust(path.read_bytes(), source="national.pem")
    given.keys, given.authorities
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier import chain
from verifier.keys import KeyRefusedError, load_spki, trusted_key
from verifier.trust import Authority, HashKind, ListedRevocation, TrustedKey, authority_scope
from verifier.wire import shc_keys

MAX_FILE = 8 * 1024 * 1024  # bytes
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]+?)-----END \1-----")
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class KeyFileError(ValueError):
    """A key file cannot be used; the message says which part of it and why."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a key file holds: keys, CSCAs (a CA certificate is both), and CRLs as DER."""

    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[Authority, ...] = ()
    crls: tuple[bytes, ...] = ()

    def __add__(self, other: KeyFile) -> KeyFile:
        return KeyFile(self.keys + other.keys, self.authorities + other.authorities, self.crls + other.crls)


def parse_trust(data: bytes, *, source: str = "") -> KeyFile:
    """Everything that a key file holds.

    data: a PEM (certificates, public keys, CRLs, several), one DER certificate, SubjectPublicKeyInfo or CRL,
    a JWK, a JWKS or a DID document. Raises KeyFileError.
    """
    if len(data) > MAX_FILE:
        raise KeyFileError(f"{len(data)} bytes; a key file has at most {MAX_FILE}")
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            given = KeyFile(_json(data, source))
        elif b"-----BEGIN " in data:
            given = _pem(data, source)
        else:
            given = _der(data, source)
    except KeyRefusedError as error:
        raise KeyFileError(str(error)) from error
    if given == KeyFile():
        raise KeyFileError("no key in it; PEM, DER, JWK, JWKS and DID documents are read")
    return given


def parse_keys(data: bytes, *, source: str = "") -> tuple[TrustedKey, ...]:
    """The keys of a key file. Raises KeyFileError, also when there is none in it."""
    given = parse_trust(data, source=source)
    if not given.keys:
        raise KeyFileError("no key in it that signs documents")
    return given.keys


def listed_crls(
    crls: Iterable[bytes], authorities: Iterable[Authority], *, fault: str | None = None
) -> ListedRevocation:
    """CRLs as revocation entries. Raises KeyFileError for one that no held CSCA has signed.

    fault: why others beside them cannot be relied on.
    """
    held = tuple(authorities)
    entries: list[tuple[bytes, HashKind, bytes]] = []
    until: dict[bytes, datetime | None] = {}
    for der in crls:
        try:
            crl = chain.parse_crl(der, held)
        except KeyRefusedError as error:
            raise KeyFileError(f"CRL: {error}") from error
        scope = authority_scope(crl.key_id)
        until[scope] = _later(until.get(scope, crl.next_update), crl.next_update)
        entries += [(scope, HashKind.SERIAL, chain.serial_digest(serial)) for serial in crl.serials]
    return ListedRevocation(entries, until, fault)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def _pem(data: bytes, source: str) -> KeyFile:
    given = KeyFile()
    for match in _PEM.finditer(data):
        label = match.group(1).decode()
        if "PRIVATE" in label:
            raise KeyFileError(
                "it holds a private key; trust needs the public one, and this one is no secret now"
            )
        if label in ("CERTIFICATE", "PUBLIC KEY", "X509 CRL"):
            given += _der(_unbase64(match.group(2).decode()), source)
    return given


def _der(data: bytes, source: str) -> KeyFile:
    """One DER object: a certificate, a bare public key (which has no KID of its own), or a CRL."""
    authorities: tuple[Authority, ...] = ()
    if chain.is_authority(data):
        authorities = (chain.load_authority(data, source=source),)
    try:
        return KeyFile((trusted_key(data, source=source),), authorities)
    except KeyRefusedError as error:
        if authorities:
            return KeyFile(authorities=authorities)  # a CSCA may use curves that no document is signed with
        if _is_crl(data):
            return KeyFile(crls=(data,))
        try:
            load_spki(data)
        except KeyRefusedError:
            raise KeyFileError(f"neither a certificate nor a public key in DER ({error})") from error
        return KeyFile((TrustedKey(kid=b"", spki=data, source=source),))


def _is_crl(data: bytes) -> bool:
    try:
        x509.load_der_x509_crl(data)
    except (ValueError, TypeError):
        return False
    return True


def _json(data: bytes, source: str) -> tuple[TrustedKey, ...]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise KeyFileError(f"not JSON ({error})") from error
    if isinstance(value, Mapping) and isinstance(value.get("verificationMethod"), list):
        return _did_document(value, source)
    keys: list[TrustedKey] = []
    for jwk in _jwks(value):
        if jwk.get("use", "sig") == "sig":  # a set may hold keys to encrypt with; they verify nothing
            keys += parse_jwk(jwk, source=source)
    return tuple(keys)


def _jwks(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        return []
    if "kty" in value:
        return [value]
    listed = value.get("keys")
    return [jwk for jwk in listed if isinstance(jwk, Mapping)] if isinstance(listed, list) else []


def _did_document(document: Mapping[str, Any], source: str) -> tuple[TrustedKey, ...]:
    """The keys of a DID document (W3C DID Core §5.2).

    A method that ``assertionMethod`` does not name may sign nothing; its key is kept so that this can be
    said. The owner of a ``did:web`` document's keys is that DID, by which its documents name their issuer.
    """
    identity = document.get("id")
    owner = identity if isinstance(identity, str) and identity.startswith("did:web:") else None
    asserting = document.get("assertionMethod")
    keys: list[TrustedKey] = []
    for method in document["verificationMethod"]:
        if not isinstance(method, Mapping) or not isinstance(method.get("publicKeyJwk"), Mapping):
            continue
        jwk, name = dict(method["publicKeyJwk"]), str(method.get("id", ""))
        if "kid" not in jwk and "#" in name:
            jwk["kid"] = unquote(name.rsplit("#", 1)[1])
        may_sign = asserting is None or _asserts(_listed(asserting), name)
        for key in parse_jwk(jwk, source=source):
            keys.append(replace(key, issuer=owner, uses=key.uses if may_sign else frozenset()))
        if name:  # as the proofs of DIVOC name it; never empty, which would mean "try it for every code"
            keys.append(replace(keys[-1], kid=name.encode("utf-8", "surrogatepass")))
    return tuple(keys)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _asserts(asserting: list[Any], name: str) -> bool:
    """Whether ``assertionMethod`` names a method, by its whole id or its fragment, or holds it whole."""
    fragment = "#" + name.rsplit("#", 1)[-1]
    named = [entry.get("id") if isinstance(entry, Mapping) else entry for entry in asserting]
    return name in named or fragment in named


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
        key = replace(signer, kid=b"", chained=_chained(x5c))
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        return (key,)
    return tuple(replace(key, kid=reading) for reading in kid_readings(kid))


def _chained(x5c: list[Any]) -> bool | None:
    """Whether each certificate of the chain was issued by the next; ``None`` for a lone one."""
    if len(x5c) == 1:
        return None
    return shc_keys.chain_holds([_unbase64(str(text)) for text in x5c])


def kid_readings(kid: str) -> list[bytes]:
    """What a JWK's ``kid`` may mean: its text, and the bytes that it is Base64 of."""
    readings = [kid.encode("utf-8", "surrogatepass")]
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
