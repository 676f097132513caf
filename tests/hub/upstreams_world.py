"""Lists of publishers of the whole world, made here with our own keys: VCI, GDHCN, ICAO, and plain files.

list = vci()                                      # an Upstream, as upstreams_europe has them
list.importer.read(list.raw, list.source, NOW)    # what the hub makes of it
gdhcn(host="tng-cdn-uat.who.int")                 # the same with something changed

A DID document is signed here over what PyLD, a JSON-LD processor by others, makes of it.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from csca import Csca, private_key
from pyld import jsonld
from upstreams_europe import (
    NOW,
    Signer,
    Upstream,
    b64,
    b64url,
    certify,
    cms_signed,
    dsc,
    jwk_of,
    key_in,
    keys_of,
    pem_of,
    serving,
    source,
    spki_of,
)

from trustsync.hub.importers.files import KEYS, KeyFiles
from trustsync.hub.importers.gdhcn import LIST as GDHCN_LIST
from trustsync.hub.importers.gdhcn import GdhcnList
from trustsync.hub.importers.icao import LIST as ICAO_LIST
from trustsync.hub.importers.icao import MasterList
from trustsync.hub.importers.vci import SIGNATURE, SNAPSHOT, VciSnapshot
from trustsync.hub.upstream import UpstreamError, UpstreamList
from verifier.keys import kid_of
from verifier.wire.shc_keys import thumbprint

# --- VCI ----------------------------------------------------------------------------------------------------

ISSUER, OTHER_ISSUER = "https://clinic.example/shc", "https://hospital.example/shc"


@lru_cache(maxsize=4)
def vci_signer(common: str = "vci.example", kind: str = "SECP521R1", **change: Any) -> Signer:
    return certify(common, private_key(kind, common), **change)


def shc_jwk(number: int, **change: Any) -> dict[str, Any]:
    """A key of an issuer of health cards; a member that is ``None`` is left out."""
    key = private_key("SECP256R1", f"shc {number}")
    jwk = jwk_of_key(key) | {"kid": thumbprint(spki_of(key)), "use": "sig", "alg": "ES256"}
    return {name: value for name, value in (jwk | change).items() if value is not None}


def jwk_of_key(key: Any) -> dict[str, str]:
    numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    x, y = (b64url(each.to_bytes(size, "big")) for each in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": f"P-{key.curve.key_size}", "x": x, "y": y}


def shc_certificate(number: int, issuer: str) -> Signer:
    """The certificate of an issuer's key, below an authority of its own."""
    above = certify("SHC CA", private_key("SECP384R1", "shc ca"), ca=True)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(issuer)])
    key = private_key("SECP256R1", f"shc {number}")
    return certify(f"SHC {number}", key, above=Signer(above.certificate, above.key), extra=[(names, False)])


def issuer_entry(iss: str, *jwks: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    who = {"iss": iss, "name": "Somebody", "website": "https://www.example"}
    return {"issuer": who, "keys": list(jwks), "lastRetrieved": "2026-07-31T04:00:00Z"} | more


def crl(jwk: Mapping[str, Any], *rids: str, **change: Any) -> dict[str, Any]:
    return {"kid": jwk["kid"], "method": "rid", "ctr": 3, "rids": list(rids)} | change


def issuers() -> list[dict[str, Any]]:
    """Three issuers; one key is of two of them, one key has a revocation list."""
    shared, listed = shc_jwk(1), shc_jwk(3, crlVersion=3)
    return [
        issuer_entry(ISSUER, shared, shc_jwk(2)),
        issuer_entry(OTHER_ISSUER, shared, listed, crls=[crl(listed, "once", "twice.1643950799")]),
        issuer_entry("https://closed.example"),
    ]


def vci(
    entries: Sequence[Mapping[str, Any]] | None = None,
    *,
    signer: Signer | None = None,
    pin: bytes | None = None,
    signed: bytes | None = None,
    digest: Any = None,
    document: bytes | None = None,
    **change: Any,
) -> Upstream:
    """signed: bytes that are signed in the place of those that are sent. change: members of the snapshot."""
    body = {
        "directory": "https://directory.example/vci-issuers.json",
        "time": "2026-07-31T04:43:50Z",
        "issuerInfo": issuers() if entries is None else list(entries),
    } | change
    text = document if document is not None else json.dumps(body, indent=1).encode()
    by = signer or vci_signer()
    signature = by.key.sign(signed or text, ec.ECDSA(digest or hashes.SHA512()))
    url = "https://vci.example/logs/vci_snapshot"
    held = {(jwk["kid"].encode(), spki_of(private_key("SECP256R1", f"shc {n}"))) for n, jwk in _jwks()}
    return Upstream(
        VciSnapshot(),
        source("vci", url + ".json", certificate=pin if pin is not None else vci_signer().certificate),
        {SNAPSHOT: text, SIGNATURE: signature},
        serving({url + ".json": text, url + ".sig": signature}),
        frozenset(held),
    )


def _jwks() -> list[tuple[int, dict[str, Any]]]:
    return [(number, shc_jwk(number)) for number in (1, 2, 3)]


# --- GDHCN --------------------------------------------------------------------------------------------------

HOST = "tng-cdn.who.int"
CONTEXTS = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"]
NAMING = "https://worldhealthorganization.github.io/smart-trust/tng-additional-context/v1"
WHO = "did:web:signer.example:WHO:signing:DID"
_SEC = "https://w3id.org/security#"
_PAGES = "https://worldhealthorganization.github.io/smart-trust/"
_NAMING = {
    "domain": "ValueSet-Domains-DEV",
    "participant": "ValueSet-Participants-DEV",
    "keyusage": "ValueSet-KeyUsage-DEV",
}
# What the contexts of these documents say of the members that they have, in words of our own.
_LINKED = {"@type": "@id"}
_TERMS: dict[str, Any] = {
    "id": "@id",
    "type": "@type",
    "controller": {"@id": _SEC + "controller", **_LINKED},
    "verificationMethod": {"@id": _SEC + "verificationMethod", **_LINKED},
    "JsonWebSignature2020": _SEC + "JsonWebSignature2020",
    "JsonWebKey2020": _SEC + "JsonWebKey2020",
    "publicKeyJwk": {"@id": _SEC + "publicKeyJwk", "@type": "@json"},
    "created": {
        "@id": "http://purl.org/dc/terms/created",
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
    },
    "nonce": _SEC + "nonce",
    "proofPurpose": {"@id": _SEC + "proofPurpose", "@type": "@vocab"},
    "assertionMethod": _SEC + "assertionMethod",
}
_NAMED = {
    name: {"@id": f"{_PAGES}{page}.jsonld#{name}", **_LINKED} for name, page in _NAMING.items()
}  # fmt: skip


def nquads(document: Mapping[str, Any], *, naming: bool) -> bytes:
    """The canonical form of a document by PyLD. naming: whether the names beside keys mean something."""
    body = copy.deepcopy(dict(document))
    body["@context"] = {"@version": 1.1, **_TERMS, **(_NAMED if naming else {})}
    for method in body.get("verificationMethod") or () if naming else ():
        if isinstance(method, dict):
            method |= {name: _PAGES + method[name] for name in _NAMING if name in method}
    options = {"algorithm": "URDNA2015", "format": "application/n-quads"}
    text: str = jsonld.normalize(body, options)
    return text.encode()


def did(*path: str, host: str = HOST) -> str:
    return ":".join((f"did:web:{host}", *path))


def method(
    certificate: bytes,
    domain: str = "DCC",
    participant: str = "FRA",
    usage: str = "DSC",
    *,
    host: str = HOST,
    path: Sequence[str] | None = None,
    kid: str | None = None,
    jwk: Mapping[str, Any] | None = None,
    named: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A key of the list. jwk: changes; a member that is ``None`` is left out. named: members beside it."""
    name = b64(kid_of(certificate)) if kid is None else kid
    place = did(*(path or ("v2", "trustlist", domain, participant, usage)), host=host)
    held = java(jwk_of(certificate)) | {"kid": name, "x5c": [b64(certificate), b64(dsc(99))]} | (jwk or {})
    return {
        "id": f"{place}#{name}",
        "type": "JsonWebKey2020",
        "controller": did("v2", "trustlist", host=host),
        "publicKeyJwk": {member: value for member, value in held.items() if value is not None},
    } | dict(named or {})


def java(jwk: Mapping[str, str]) -> dict[str, str]:
    """A JWK as Java's BigInteger writes its numbers: with a leading zero, and padded."""
    numbers = {name: jwk[name] for name in ("x", "y", "n") if name in jwk}
    return dict(jwk) | {name: b64(b"\x00" + _unbase64(text)) for name, text in numbers.items()}


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def dsc_of(number: int, country: str, kind: str = "SECP256R1", usage: str = "") -> bytes:
    return dsc(number, kind, usage=usage, country=country)


def sca(country: str = "FR", **change: Any) -> bytes:
    return certify(
        f"SCA {country}", private_key("SECP384R1", "sca"), ca=True, country=country, **change
    ).certificate


def network() -> list[Any]:
    """Signers of four participants, two authorities, a key for uploads, and a list elsewhere."""
    curve = {"crv": "UNKNOWN CURVE"}
    beside = {"domain": "DCC", "participant": "FRA", "keyusage": "DSC"}
    return [
        method(dsc_of(1, "FR"), named=beside),
        method(dsc_of(2, "FR", usage="2")),
        method(dsc_of(3, "MT", kind="2048"), participant="MLT"),
        method(dsc_of(4, "CL", kind="SECP384R1"), "DDCC", "CHL", jwk=curve),
        method(dsc_of(5, "OM"), "ICVP", "OMN"),
        method(sca(), usage="SCA"),
        method(dsc_of(6, "FR"), usage="UP"),
        did("v2", "trustlist", "DCC", "ELSEWHERE", host="lists.example"),
    ]


def network_keys() -> frozenset[tuple[bytes, bytes]]:
    return keys_of(
        [
            dsc_of(1, "FR"),
            dsc_of(2, "FR", usage="2"),
            dsc_of(3, "MT", kind="2048"),
            dsc_of(4, "CL", kind="SECP384R1"),
            dsc_of(5, "OM"),
        ]
    )


def who_key(label: str = "who") -> Any:
    return private_key("SECP256R1", label)


def gdhcn(
    methods: Sequence[Any] | None = None,
    *,
    host: str = HOST,
    naming: bool = False,
    key: Any = None,
    pin: bytes | None = None,
    raw: bool = False,
    header: Mapping[str, Any] | None = None,
    proof: Mapping[str, Any] | None = None,
    environment: str = "production",
    unproven: bool = False,
    options: Mapping[str, str] | None = None,
    **change: Any,
) -> Upstream:
    """A signed list. raw: of the signature, which is DER otherwise. header, proof, change: changes to what is
    signed; ``proof={}`` with ``key=False`` leaves the proof out."""
    document = {
        "@context": [*CONTEXTS, NAMING] if naming else CONTEXTS,
        "id": did("v2", "trustlist", host=host),
        "controller": did("v2", "trustlist", host=host),
        "verificationMethod": network() if methods is None else list(methods),
    } | change
    if key is not False:
        document["proof"] = proven(document, key or who_key(), naming, raw, header, proof)
    text = json.dumps(document, separators=(",", ":")).encode()
    url = f"https://{host}/v2/trustlist/did.json"
    pins = {} if pin == b"" else {"key": pin or pem_of(who_key())}
    made = source("gdhcn", url, options, **pins)
    return Upstream(
        GdhcnList(),
        replace(made, environment=environment, unproven=unproven),
        {GDHCN_LIST: text},
        serving({url: text}),
        network_keys(),
    )


def proven(
    document: Mapping[str, Any],
    key: Any,
    naming: bool = False,
    raw: bool = False,
    header: Mapping[str, Any] | None = None,
    change: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The proof of a document: JsonWebSignature2020 with a detached JWS."""
    options = {
        "type": "JsonWebSignature2020",
        "created": "2026-07-31T18:30:06Z",
        "nonce": "kY3x9",
        "proofPurpose": "assertionMethod",
        "verificationMethod": WHO,
    } | (change or {})
    head = b64url(json.dumps({"b64": False, "crit": ["b64"], "alg": "ES256"} | (header or {})).encode())
    hashed = (hashlib.sha256(nquads(each, naming=naming)).digest() for each in (options, document))
    message = head.encode() + b"." + b"".join(hashed)
    signature = Signer(b"", key).raw(message) if raw else key.sign(message, ec.ECDSA(hashes.SHA256()))
    return options | {"jws": f"{head}..{b64url(signature)}"}


# --- ICAO ---------------------------------------------------------------------------------------------------

MASTER_LIST, MASTER_LIST_SIGNER = "2.23.136.1.1.2", "2.23.136.1.1.3"


def master_list(certificates: Sequence[bytes], version: int = 0) -> bytes:
    """A CscaMasterList, in the order that is given."""
    body = b"".join(certificates)
    return core.Sequence(contents=core.Integer(version).dump() + core.Set(contents=body).dump()).dump()


@lru_cache(maxsize=4)
def csca_above(label: str = "ml csca") -> Signer:
    """The CSCA of the country that signs the list."""
    return certify("CSCA of the list", private_key("SECP384R1", label), ca=True, length=0)


@lru_cache(maxsize=8)
def list_signer(
    usage: str | None = MASTER_LIST_SIGNER, label: str = "ml csca", kind: str = "SECP256R1"
) -> Signer:
    extra = [(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), True)] if usage else []
    above = csca_above(label)
    signed = certify("Master List Signer", private_key(kind, "ml signer"), above=above, extra=extra)
    return Signer(signed.certificate, signed.key, (above.certificate,))


def cscas() -> tuple[bytes, ...]:
    """CSCAs of three countries, on curves that no document signer may have."""
    return (
        Csca("XV", "CSCA one", label="one").certificate(),
        Csca("XW", "CSCA two", kind="BrainpoolP256R1", label="two").certificate(),
        Csca("XY", "CSCA three", kind="3072", label="three").certificate(),
    )


def icao(
    certificates: Sequence[bytes] | None = None,
    *,
    content: bytes | None = None,
    signer: Signer | None = None,
    pin: bytes | None = None,
    name: bytes | None = None,
    **change: Any,
) -> Upstream:
    """name: of the signer, as it is pinned. change: of the CMS."""
    held = cscas() if certificates is None else certificates
    inside = content if content is not None else master_list(held)
    cms_change = {"detached": False, "content_type": MASTER_LIST} | change
    data = cms_signed(inside, signer or list_signer(), **cms_change)
    url = "https://icao.example/masterlist.ml"
    return Upstream(
        MasterList(),
        source(
            "icao", url, **({"root": pin or csca_above().certificate} | ({"signer": name} if name else {}))
        ),
        {ICAO_LIST: data},
        serving({url: data}),
        frozenset(),
    )


# --- Plain files --------------------------------------------------------------------------------------------


def key_file(data: bytes | None = None, *, pin: bytes | None = None, **options: str) -> Upstream:
    """A PEM with two certificates, or these bytes; pinned by its hash."""
    held = [dsc(1), dsc(2, usage="2")]
    text = b"".join(pem(each) for each in held) if data is None else data
    url = "https://files.example/keys.pem"
    pinned = pin if pin is not None else hashlib.sha256(text).hexdigest().encode()
    return Upstream(
        KeyFiles(),
        source("files", url, options, sha256=pinned),
        {KEYS: text},
        serving({url: text}),
        frozenset((kid_of(each), key_in(each)) for each in held),
    )


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    text = b64(der)
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def later(days: float) -> datetime:
    return NOW + timedelta(days=days)


# --- Reading ------------------------------------------------------------------------------------------------


def read(upstream: Upstream, now: datetime = NOW) -> UpstreamList:
    """What the importer makes of a list."""
    return upstream.importer.read(upstream.raw, upstream.source, now)


def refused(upstream: Upstream, words: str) -> None:
    """The importer refuses the list, in an error with these words."""
    with pytest.raises(UpstreamError, match=words):
        read(upstream)
