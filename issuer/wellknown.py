"""The files by which each family's own world knows an issuer: JWKS, revoked cards, DID document, CSCA, CRL.

The rules this module keeps:

* Production and active keys only. A withdrawn key is gone from these files; only the signed list says so.
* They stand where the issuer's names lead, if the served root is ``https://issuer.example/xv``: a card's
  ``iss`` plus ``/.well-known/jwks.json``, a DID's path plus ``/did.json``.
* They follow from the registry, the CRL from the clock too. Nothing in them is about a holder: a revocation
  id is a hash of an identifier that was drawn at random.

    files = wellknown_files(registry, now)
    json.loads(files["shc/.well-known/jwks.json"])["keys"][0]["kid"]

Sources: SMART Health Cards Framework 1.4.0, RFC 7517, RFC 5280, W3C DID Core, did:web.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from issuer.families import did
from issuer.keys import Algorithm, EcdsaKey, generate, load
from issuer.registry import KeyRow, Registry
from issuer.revocation import identifier_digest
from issuer.seed import Stream
from issuer.signers import make_crl, serial_of
from trustsync.targets import PRODUCTION
from verifier.trust import Domain, HashKind, KeyStatus
from verifier.wire import base64url

HEALTH_CSCA = "health-csca"  # name of the registry's fact, with ``/`` and the environment behind it
JWKS = "shc/.well-known/jwks.json"
CARD_REVOCATION = "shc/.well-known/crl"  # a folder: <kid>.json
DID_DOCUMENT = "did.json"
CSCA, CRL = "csca.pem", "csca.crl"

# Domains whose keys the DID document names. Keys of health cards are found by their own URL, signers of seals
# by their CSCA, and those of domestic certificates by the national list alone.
_IN_DID = (Domain.HCERT, Domain.DIVOC, Domain.NZCP)
_COORDINATE = 32  # bytes of x and of y on P-256


def health_csca(registry: Registry, environment: str) -> bytes | None:
    """The CSCA of the seals, DER; ``None`` where an earlier version made the registry and none was needed."""
    fact = registry.fact(f"{HEALTH_CSCA}/{environment}")
    return bytes.fromhex(fact) if fact else None


def health_csca_key(registry: Registry, environment: str) -> EcdsaKey:
    """The key of that CSCA, which follows from the seed."""
    key = generate(Algorithm.ES256, Stream(registry.fact("seed").encode(), f"{HEALTH_CSCA}/{environment}"))
    assert isinstance(key, EcdsaKey)
    return key


def wellknown_files(registry: Registry, now: datetime) -> dict[str, bytes]:
    """The files by their path in the public directory."""
    rows = [row for row in registry.signing_keys() if row.environment == PRODUCTION]
    active = [row for row in rows if row.status is not KeyStatus.WITHDRAWN]
    country = registry.fact("country")
    files = {DID_DOCUMENT: _json(_did_document(did(country), active))}
    cards = [row for row in rows if row.domain is Domain.SHC]
    revoked = {row.kid: _revoked_cards(registry, row) for row in cards}
    keys = [_card_key(row, len(revoked[row.kid])) for row in active if row.domain is Domain.SHC]
    files[JWKS] = _json({"keys": keys})
    for kid, rids in revoked.items():
        if rids:
            listed = {"kid": kid.decode(), "method": "rid", "ctr": len(rids), "rids": rids}
            files[f"{CARD_REVOCATION}/{kid.decode()}.json"] = _json(listed)
    csca = health_csca(registry, PRODUCTION)
    if csca is not None:
        withdrawn = [
            (serial_of(row.certificate), row.withdrawn_at or now)
            for row in rows
            if row.domain is Domain.VDS_NC and row.status is KeyStatus.WITHDRAWN
        ]
        files[CSCA] = _pem(csca)
        files[CRL] = make_crl(
            csca=csca, csca_key=health_csca_key(registry, PRODUCTION), withdrawn=withdrawn, now=now
        )
    return files


def _revoked_cards(registry: Registry, key: KeyRow) -> list[str]:
    """The revocation ids of this key's cards that are revoked by them."""
    listed = {
        digest for scope, kind, digest in registry.revoked() if scope == key.kid and kind is HashKind.RID
    }
    rids = {row.own_name for row in registry.issued_by(key.kid) if row.own_kind is HashKind.RID}
    return sorted(rid for rid in rids if identifier_digest(rid) in listed)


def _card_key(row: KeyRow, revocations: int) -> dict[str, Any]:
    """A key as the issuer of health cards publishes it; ``crlVersion`` says that cards of it are revoked."""
    jwk = {"kty": "EC", "kid": row.kid.decode(), "use": "sig", "alg": "ES256"} | public_jwk(_public_key(row))
    return jwk | ({"crlVersion": revocations} if revocations else {})


def _did_document(identity: str, rows: Sequence[KeyRow]) -> dict[str, Any]:
    methods = []
    for row in rows:
        if row.domain not in _IN_DID:
            continue
        jwk = public_jwk(_public_key(row))
        if row.certificate:
            kid = base64.b64encode(row.kid).decode()
            jwk |= {"kid": kid, "x5c": [base64.b64encode(row.certificate).decode()]}
            name = f"{identity}#{quote(kid, safe='')}"
        else:
            kid = row.kid.decode()
            jwk["kid"] = kid
            name = kid if "#" in kid else f"{identity}#{kid}"
        methods.append({"id": name, "type": "JsonWebKey2020", "controller": identity, "publicKeyJwk": jwk})
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
        "id": identity,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def public_jwk(key: CertificatePublicKeyTypes) -> dict[str, Any]:
    """The public key as a JWK (RFC 7517, 7518, 8037), without its KID."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (base64url.encode(number.to_bytes(_COORDINATE, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    if isinstance(key, rsa.RSAPublicKey):
        public = key.public_numbers()
        n, e = (
            base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for number in (public.n, public.e)
        )
        return {"kty": "RSA", "n": n, "e": e}
    assert isinstance(key, ed25519.Ed25519PublicKey)  # the third and last kind that this issuer makes
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url.encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }


def _public_key(row: KeyRow) -> CertificatePublicKeyTypes:
    if row.certificate:
        return x509.load_der_x509_certificate(row.certificate).public_key()
    spki = load(row.algorithm, row.material).spki()
    return load_der_public_key(spki)  # type: ignore[return-value]  # P-256, RSA and Ed25519 are all there are


def _pem(der: bytes) -> bytes:
    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
