"""Lists of European publishers, made here with our own keys: honest ones, and ones with a fault on purpose.

list = germany()                                  # an Upstream: importer, source, files, a server, keys
list.importer.read(list.raw, list.source, NOW)    # what the hub makes of it
germany(pin=other_key)                            # the same with something changed

Each maker's arguments are the parts of the list that a test may want to change.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cbor2
from asn1crypto import algos, cms
from asn1crypto import x509 as lenient_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from csca import name, private_key

from trustsync.hub.importers.at import CONTENT, SIGNATURE, AustrianList
from trustsync.hub.importers.ch import SwissList
from trustsync.hub.importers.de import LIST as DE_LIST
from trustsync.hub.importers.de import GermanList
from trustsync.hub.importers.eu import EuVerifierService
from trustsync.hub.importers.nl import LIST as NL_LIST
from trustsync.hub.importers.nl import DutchList
from trustsync.hub.importers.se import LIST as SE_LIST
from trustsync.hub.importers.se import SwedishList
from trustsync.hub.upstream import Get, Importer, Reply, Source
from verifier.keys import kid_of
from verifier.wire import cose

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
BEGIN, END = NOW - timedelta(days=400), NOW + timedelta(days=400)
HASHES = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def spki_of(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem_of(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# --- Certificates -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signer:
    """Somebody with a certificate. chain: certificates above it, DER, the root left out."""

    certificate: bytes
    key: Any
    chain: tuple[bytes, ...] = ()

    @property
    def rsa(self) -> bool:
        return not isinstance(self.key, ec.EllipticCurvePrivateKey)

    def raw(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, r‖s."""
        half = (self.key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")


def certify(
    common: str,
    key: Any,
    *,
    above: Signer | None = None,
    ca: bool = False,
    until: datetime = END,
    begin: datetime = BEGIN,
    sign: bool = True,
    length: int | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    country: str = "XV",
    constraints: bool = True,
) -> Signer:
    """A certificate by ``above`` (by itself without one)."""
    issuer = above or Signer(b"", key)
    subject = name(country, common)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.load_der_x509_certificate(above.certificate).subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=sign and not ca, key_cert_sign=ca and sign, crl_sign=ca,
                content_commitment=False, key_encipherment=not sign, data_encipherment=False,
                key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, length if ca else None), critical=True)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    der = builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
    chain = (above.certificate, *above.chain) if above is not None and above.chain else ()
    return Signer(der, key, chain)


def root(label: str = "root") -> Signer:
    """A national root with an RSA key, as such roots have."""
    return _root(label)


def middle(label: str = "root") -> Signer:
    """A CA below a root."""
    return _middle(label)


@lru_cache(maxsize=8)
def _root(label: str) -> Signer:
    return certify("National Root", private_key("2048", label), ca=True)


@lru_cache(maxsize=8)
def _middle(label: str) -> Signer:
    return certify(
        "Issuing CA", private_key("SECP384R1", f"{label} ca"), above=root(label), ca=True, length=0
    )


def list_signer(
    common: str = "lists.example", *, label: str = "root", kind: str = "SECP256R1", **change: Any
) -> Signer:
    """Who signs lists: certified by a CA below the root."""
    above = middle(label)
    signer = certify(common, private_key(kind, common), above=above, **change)
    return replace(signer, chain=(above.certificate,))


USAGE = "1.3.6.1.4.1.1847.2021.1."  # .1 test, .2 vaccination, .3 recovery


@lru_cache(maxsize=64)
def dsc(number: int, kind: str = "SECP256R1", usage: str = "", country: str = "XV") -> bytes:
    """A signer of certificates, as lists hold them. usage: last numbers of usage OIDs."""
    extra = (
        [(x509.ExtendedKeyUsage([x509.ObjectIdentifier(USAGE + each) for each in usage]), False)]
        if usage
        else []
    )
    key = private_key(kind, f"dsc {number}")
    return certify(f"DSC {number}", key, above=root("country"), extra=extra, country=country).certificate


def dscs() -> list[bytes]:
    """What the honest lists hold: EC and RSA, one for vaccinations only, one of another country."""
    return [dsc(1), dsc(2, usage="2"), dsc(3, "2048"), dsc(4, "SECP384R1"), dsc(5, country="XW")]


def key_in(certificate: bytes) -> bytes:
    public = x509.load_der_x509_certificate(certificate).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# --- An upstream --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upstream:
    """A published list. raw: its files. get: asks its server. keys: KID and SubjectPublicKeyInfo of what an
    honest import holds."""

    importer: Importer
    source: Source
    raw: Mapping[str, bytes]
    get: Get
    keys: frozenset[tuple[bytes, bytes]]


def ok(body: bytes, **headers: str) -> Reply:
    return Reply(200, {each.replace("_", "-"): value for each, value in headers.items()}, body)


def serving(files: Mapping[str, bytes]) -> Get:
    return lambda url, headers: ok(files[url]) if url in files else Reply(404, {}, b"")


def keys_of(certificates: Sequence[bytes]) -> frozenset[tuple[bytes, bytes]]:
    return frozenset((kid_of(each), key_in(each)) for each in certificates)


def source(kind: str, url: str, options: Mapping[str, str] | None = None, **pins: bytes) -> Source:
    return Source(name=f"{kind}-list", kind=kind, url=url, pins=pins, options=options or {})


# --- Germany ------------------------------------------------------------------------------------------------


def german_entry(der: bytes, **change: Any) -> dict[str, Any]:
    entry = {
        "certificateType": "DSC",
        "country": "XV",
        "kid": b64(kid_of(der)),
        "rawData": b64(der),
        "signature": b64(b"by the member state"),
        "thumbprint": hashlib.sha256(der).hexdigest(),
        "timestamp": "2026-07-01T12:00:00+02:00",
    }
    return entry | change


def germany(
    entries: Sequence[Mapping[str, Any]] | None = None,
    *,
    document: bytes | None = None,
    key: Any = None,
    pin: bytes | None = None,
    line: bytes | None = None,
) -> Upstream:
    """key: that signs. document: JSON in the place of ``entries``. line: in the place of the signature."""
    key = key or private_key("SECP256R1", "de")
    listed = [german_entry(each) for each in dscs()] if entries is None else entries
    text = document if document is not None else json.dumps({"certificates": listed}).encode()
    first = line if line is not None else b64(Signer(b"", key).raw(text)).encode()
    url = "https://de.example/trustList/DSC/"
    raw = {DE_LIST: first + b"\n" + text}
    pins = {"key": pin if pin is not None else pem_of(private_key("SECP256R1", "de"))}
    return Upstream(
        GermanList(), source("de", url, **pins), raw, serving({url: raw[DE_LIST]}), keys_of(dscs())
    )


# --- Austria ------------------------------------------------------------------------------------------------


def austrian_signer(**change: Any) -> Signer:
    return certify("at list", private_key("SECP256R1", "at"), **change)


@lru_cache(maxsize=1)
def _austrian_pin() -> Signer:
    return austrian_signer()


def austria(
    entries: Sequence[Mapping[str, bytes]] | None = None,
    *,
    content: bytes | None = None,
    hashed: bytes | None = None,
    signer: Signer | None = None,
    pin: bytes | None = None,
    begin: Any = NOW - timedelta(hours=1),
    end: Any = NOW + timedelta(hours=47),
    version: Any = 2,
    alg: int = -7,
    kid: bytes | None = None,
    indefinite: bool = True,
) -> Upstream:
    """hashed: what is signed as the content, if that is something else than what is sent."""
    signer = signer or _austrian_pin()
    listed = [{"i": kid_of(each), "c": each} for each in dscs()] if entries is None else entries
    if content is None:
        content = _indefinite({"c": listed}) if indefinite else cbor2.dumps({"c": listed})
    claims = {5: seconds(begin), 4: seconds(end), 2: hashlib.sha256(hashed or content).digest()}
    payload = cbor2.dumps(claims)
    header = {4: kid or kid_of(signer.certificate), 1: alg, 42: version}
    signature = signer.raw(cose.sig_structure(cose.encode_protected(header), payload))
    sealed = cose.encode_sign1(header, {}, payload, signature)
    url = "https://at.example/trustlist"
    return Upstream(
        AustrianList(),
        source("at", url, certificate=pin if pin is not None else _austrian_pin().certificate),
        {CONTENT: content, SIGNATURE: sealed},
        serving({url: content, url + "sig": sealed}),
        keys_of(dscs()),
    )


def _indefinite(value: Any) -> bytes:
    """CBOR whose maps and lists have no length in front, as the publisher's library writes them."""
    if isinstance(value, Mapping):
        return b"\xbf" + b"".join(cbor2.dumps(k) + _indefinite(v) for k, v in value.items()) + b"\xff"
    if isinstance(value, list | tuple):
        return b"\x9f" + b"".join(map(_indefinite, value)) + b"\xff"
    return cbor2.dumps(value)


# --- JWS ----------------------------------------------------------------------------------------------------


def jws(payload: Any, signer: Signer, *, chain: Sequence[bytes] | None = None, **header: Any) -> bytes:
    """A compact JWS by a signer. chain: of ``x5c``, its own by default; header: changes of the header."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    x5c = [signer.certificate, *signer.chain] if chain is None else chain
    head = {
        "alg": "RS256" if signer.rsa else "ES256",
        "typ": "JWT",
        "x5c": [b64(each) for each in x5c],
    } | header
    head = {each: value for each, value in head.items() if value is not None}
    text = f"{b64url(json.dumps(head).encode())}.{b64url(body)}"
    return f"{text}.{b64url(_jws_signature(text.encode(), signer, head.get('alg')))}".encode()


def _jws_signature(message: bytes, signer: Signer, alg: Any) -> bytes:
    if not signer.rsa:
        return signer.raw(message)
    scheme: Any = PSS if alg == "PS256" else padding.PKCS1v15()
    return signer.key.sign(message, scheme, hashes.SHA256())


# --- Sweden -------------------------------------------------------------------------------------------------


def jwk_of(der: bytes) -> dict[str, str]:
    numbers: Any = x509.load_der_x509_certificate(der).public_key().public_numbers()
    if isinstance(numbers, ec.EllipticCurvePublicNumbers):
        size = (numbers.curve.key_size + 7) // 8
        x, y = (b64url(each.to_bytes(size, "big")) for each in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": f"P-{numbers.curve.key_size}", "x": x, "y": y}
    n, e = (b64url(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e))
    return {"kty": "RSA", "n": n, "e": e}


def swedish_entry(der: bytes, **change: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"kid": b64(kid_of(der)), "x5c": [b64(der)]}
    return entry | jwk_of(der) | change


@lru_cache(maxsize=1)
def swedish_signer() -> Signer:
    return certify("se list", private_key("SECP256R1", "se"))


def sweden(
    countries: Mapping[str, Any] | None = None,
    *,
    payload: bytes | None = None,
    signer: Signer | None = None,
    pin: bytes | None = None,
    claims: Mapping[str, Any] | None = None,
    options: Mapping[str, str] | None = None,
    **header: Any,
) -> Upstream:
    """claims, header: changes. payload: bytes in the place of the claims."""
    if countries is None:
        countries = {
            "XV": {"eku": {}, "keys": [swedish_entry(each) for each in dscs()[:4]]},
            "XW": {"eku": {}, "keys": [swedish_entry(dscs()[4])]},
        }
    body = {
        "iss": "XV-DIGG", "iat": seconds(NOW - timedelta(hours=1)), "exp": seconds(NOW + timedelta(days=2)),
        "aud": ["verifiers"], "dsc_trust_list": countries,
    } | (claims or {})  # fmt: skip
    token = jws(payload if payload is not None else body, signer or swedish_signer(), **header)
    url = "https://se.example/tp/trust-list"
    return Upstream(
        SwedishList(),
        source("se", url, options, certificate=pin if pin is not None else swedish_signer().certificate),
        {SE_LIST: token},
        serving({url: token}),
        keys_of(dscs()),
    )


# --- CMS ----------------------------------------------------------------------------------------------------


def cms_signed(
    content: bytes,
    signer: Signer,
    *,
    detached: bool = True,
    digest: str = "sha256",
    pss: bool = False,
    by_key_id: bool = False,
    attributes: bool = True,
    when: datetime | None = NOW,
    content_type: str = "data",
    attribute_type: str | None = None,
    certificates: Sequence[bytes] | None = None,
    copies: int = 1,
    message_digest: bytes | None = None,
) -> bytes:
    """A SignedData. copies: of the SignerInfo. attribute_type, message_digest: lies of the attributes."""
    certificate = lenient_x509.Certificate.load(signer.certificate)
    listed = [
        cms.CMSAttribute({"type": "content_type", "values": [attribute_type or content_type]}),
        cms.CMSAttribute(
            {"type": "message_digest", "values": [message_digest or hashlib.new(digest, content).digest()]}
        ),
    ]
    if when is not None:
        listed.append(cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": when})]}))
    signed_attributes = cms.CMSAttributes(listed)
    message = signed_attributes.dump() if attributes else content
    if signer.rsa:
        scheme: Any = padding.PSS(padding.MGF1(HASHES[digest]), 32) if pss else padding.PKCS1v15()
        signature = signer.key.sign(message, scheme, HASHES[digest])
    else:
        signature = signer.key.sign(message, ec.ECDSA(HASHES[digest]))
    info: dict[str, Any] = {
        "version": "v3" if by_key_id else "v1",
        "sid": cms.SignerIdentifier(
            name="subject_key_identifier",
            value=certificate.key_identifier_value.native,
        )
        if by_key_id
        else cms.SignerIdentifier(
            name="issuer_and_serial_number",
            value={"issuer": certificate.issuer, "serial_number": certificate.serial_number},
        ),
        "digest_algorithm": {"algorithm": digest},
        "signature_algorithm": _signature_algorithm(signer, digest, pss),
        "signature": signature,
    }
    if attributes:
        info["signed_attrs"] = signed_attributes
    brought = [signer.certificate, *signer.chain] if certificates is None else certificates
    signed = {
        "version": "v1" if content_type == "data" and not by_key_id else "v3",
        "digest_algorithms": [{"algorithm": digest}],
        "encap_content_info": {"content_type": content_type} | ({} if detached else {"content": content}),
        "certificates": [lenient_x509.Certificate.load(each) for each in brought],
        "signer_infos": [info] * copies,
    }
    if not brought:
        del signed["certificates"]
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump()


def _signature_algorithm(signer: Signer, digest: str, pss: bool) -> Any:
    if not signer.rsa:
        return {"algorithm": f"{digest}_ecdsa"}
    if not pss:
        return {"algorithm": "rsassa_pkcs1v15"}
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": digest},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": digest}},
            "salt_length": 32,
        }
    )
    return {"algorithm": "rsassa_pss", "parameters": parameters}


def streamed(der: bytes, piece: int = 40) -> bytes:
    """The same SignedData in BER, as who streams writes it: no lengths in front, content in pieces."""
    signed = cms.ContentInfo.load(der)["content"]
    inner = signed["encap_content_info"]
    end = b"\x00\x00"
    body = b"\x30\x80" + inner["content_type"].dump()
    if inner["content"]:
        content = bytes(inner["content"])
        pieces = b"".join(
            cms.OctetString(content[start : start + piece]).dump() for start in range(0, len(content), piece)
        )
        body += b"\xa0\x80\x24\x80" + pieces + end * 2
    body += end
    parts = signed["version"].dump() + signed["digest_algorithms"].dump() + body
    parts += signed["certificates"].dump() + signed["signer_infos"].dump()
    outer = cms.ContentType("signed_data").dump()
    return b"\x30\x80" + outer + b"\xa0\x80\x30\x80" + parts + end * 3


# --- The Netherlands ----------------------------------------------------------------------------------------


def dutch_keys() -> dict[str, list[dict[str, Any]]]:
    """Five KIDs, one of them with two keys."""
    keys = {b64(kid_of(each)): [{"subjectPk": b64(key_in(each)), "keyUsage": []}] for each in dscs()}
    shared = next(iter(keys.values()))
    shared.append({"subjectPk": b64(key_in(dsc(6))), "keyUsage": ["v", "r"]})
    return keys


def netherlands(
    keys: Mapping[str, Any] | None = None,
    *,
    payload: bytes | None = None,
    signer: Signer | None = None,
    pin: bytes | None = None,
    name: str = "lists.example",
    signature: bytes | None = None,
    **cms_change: Any,
) -> Upstream:
    document = {"nl_keys": {}, "eu_keys": dutch_keys() if keys is None else keys}
    text = payload if payload is not None else json.dumps(document).encode()
    sealed = signature or cms_signed(text, signer or _list_signer(), **cms_change)
    body = json.dumps({"payload": b64(text), "signature": b64(sealed)}).encode()
    url = "https://nl.example/v4/verifier/public_keys"
    shared = (kid_of(dsc(1)), key_in(dsc(6)))
    return Upstream(
        DutchList(),
        source("nl", url, root=pin if pin is not None else root().certificate, signer=name.encode()),
        {NL_LIST: body},
        serving({url: body}),
        keys_of(dscs()) | {shared},
    )


@lru_cache(maxsize=1)
def _list_signer() -> Signer:
    return list_signer()


# --- Switzerland --------------------------------------------------------------------------------------------


def swiss_entry(der: bytes, use: str = "sig") -> dict[str, str]:
    jwk = jwk_of(der)
    entry = {"keyId": b64(kid_of(der)), "use": use, "alg": "ES256" if jwk["kty"] == "EC" else "RS256"}
    numbers = {
        each: b64(base64.urlsafe_b64decode(jwk[each] + "==")) for each in ("x", "y", "n", "e") if each in jwk
    }
    return entry | numbers | ({"crv": jwk["crv"]} if "crv" in jwk else {})


def swiss_pages() -> list[list[dict[str, str]]]:
    """Three pages of keys; the last has one that is no longer active."""
    certificates = dscs()
    pages = [certificates[:2], certificates[2:4], [certificates[4], dsc(7)]]
    return [[swiss_entry(each) for each in page] for page in pages]


REVOKED = (["urn:uvci:01:CH:ONE", "urn:uvci:01:LI:TWO"], ["urn:uvci:01:CH:THREE"])


@dataclass
class SwissServer:
    """Serves pages by their headers. circle: after so many it begins again. broken: an address that fails."""

    active: bytes
    updates: Sequence[bytes]
    revoked: Sequence[bytes]
    circle: int | None = None
    broken: str = ""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def __call__(self, url: str, headers: Mapping[str, str]) -> Reply:
        self.asked.append((url, headers))
        place = urlsplit(url)
        if self.broken and url.endswith(self.broken):
            return Reply(503, {}, b"")
        if place.path.endswith("/keys/list"):
            return ok(self.active)
        pages = self.updates if place.path.endswith("/keys/updates") else self.revoked
        number = int(parse_qs(place.query).get("since", ["0"])[0])
        body = pages[min(number, len(pages) - 1)]
        following = number + 1 if self.circle is None else (number + 1) % self.circle
        done = self.circle is None and following == len(pages)
        return ok(body, x_next_since=str(following), up_to_date=str(done).lower())


def switzerland(
    pages: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    *,
    active: Sequence[str] | None = None,
    revoked: Sequence[Sequence[str]] = REVOKED,
    signer: Signer | None = None,
    pin: bytes | None = None,
    name: str = "lists.example",
    claims: Mapping[str, Any] | None = None,
    circle: int | None = None,
    broken: str = "",
    token: str = "",
    active_token: bytes | None = None,
    **header: Any,
) -> Upstream:
    """claims: added to the list of active ids. circle, broken: of its server. header: of every JWS."""
    by = signer or _list_signer()
    listed = swiss_pages() if pages is None else pages
    ids = [b64(kid_of(each)) for each in dscs()] if active is None else list(active)
    said = {"activeKeyIds": ids, "validDuration": 172800000, "upTo": 4711} | (claims or {})
    first = active_token or jws(said, by, **header)
    updates = [jws({"certs": list(page)}, by, **header) for page in listed]
    taken = [jws({"revokedCerts": list(page), "validDuration": 1}, by, **header) for page in revoked]
    pins = {"root": pin if pin is not None else root().certificate, "signer": name.encode()}
    return Upstream(
        SwissList(),
        source("ch", "https://ch.example/trust/v2/", {"token": token} if token else {}, **pins),
        {"keys-list": first}
        | {f"keys-updates-{n}-of-{len(updates)}": each for n, each in enumerate(updates, 1)}
        | {f"revocations-{n}-of-{len(taken)}": each for n, each in enumerate(taken, 1)},
        SwissServer(first, updates, taken, circle, broken),
        keys_of(dscs()),
    )


# --- The EU's verifier service ------------------------------------------------------------------------------


@dataclass
class EuServer:
    """One certificate for each request. tokens: the resume tokens that it gives. fails_at: a request that is
    answered with 503."""

    certificates: Sequence[bytes]
    kids: Sequence[bytes]
    tokens: Sequence[int]
    status: bytes
    fails_at: int | None = None
    requests: int = 0

    def __call__(self, url: str, headers: Mapping[str, str]) -> Reply:
        self.requests += 1
        if self.requests == self.fails_at:
            return Reply(503, {}, b"")
        if url.endswith("/signercertificateStatus"):
            return ok(self.status)
        before = headers.get("X-RESUME-TOKEN")
        place = 0 if before is None else list(self.tokens).index(int(before)) + 1
        if place >= len(self.certificates):
            return Reply(204, {}, b"")
        return ok(
            b64(self.certificates[place]).encode(),
            x_resume_token=str(self.tokens[place]),
            x_kid=b64(self.kids[place]),
        )


def eu(
    certificates: Sequence[bytes] | None = None,
    *,
    kids: Sequence[bytes] | None = None,
    tokens: Sequence[int] | None = None,
    valid: Sequence[bytes] | None = None,
    status: bytes | None = None,
    fails_at: int | None = None,
) -> Upstream:
    """certificates: six, of which the last is no longer valid, by default. valid: KIDs of the status list."""
    held = [*dscs(), dsc(7)] if certificates is None else list(certificates)
    given = [kid_of(each) for each in held] if kids is None else list(kids)
    numbers = [10 * (place + 1) for place in range(len(held))] if tokens is None else list(tokens)
    still = [kid_of(each) for each in dscs()] if valid is None else list(valid)
    listed = status if status is not None else json.dumps([b64(each) for each in still]).encode()
    transcript = [
        {"token": number, "kid": b64(kid), "body": b64(der)}
        for number, kid, der in zip(numbers, given, held, strict=True)
    ]
    return Upstream(
        EuVerifierService(),
        source("eu", "https://eu.example/"),
        {"updates": json.dumps(transcript, indent=0).encode(), "status": listed},
        EuServer(held, given, numbers, listed, fails_at),
        keys_of(dscs()),
    )


MAKERS: dict[str, Callable[..., Upstream]] = {
    "de": germany,
    "at": austria,
    "se": sweden,
    "nl": netherlands,
    "ch": switzerland,
    "eu": eu,
}
