"""CMS SignedData (RFC 5652): who signed a list, and over which bytes.

The rules this module keeps:

* The signer is pinned, or leads to a pinned root (:mod:`trustsync.hub.anchors`). There is exactly one.
* Nothing of the content is looked at before the signature holds; it is given back as bytes.
* SHA-256, SHA-384 and SHA-512, RSA from 2048 bits (PKCS #1 v1.5 or PSS) and ECDSA. Nothing older.
* BER with indefinite lengths, as signers that stream write it, is turned into definite lengths first. What
  is signed inside (the content, attributes, certificates) keeps its bytes.

    result = verify_cms(data, detached=payload, roots=[root], signer_certificate=None, at=now)
    result.content, result.signer_certificate, result.signed_at

Sources: RFC 5652, RFC 4055 and RFC 4056 (RSASSA-PSS), RFC 5753 (ECDSA), X.690.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as lenient_x509
from cryptography import x509

from trustsync.hub import anchors
from trustsync.hub.upstream import MAX_RAW, UpstreamError
from verifier.keys import KeyRefusedError
from verifier.x509_reading import Scheme, subject_key_id, verifies

MAX_DEPTH = 32  # of constructed elements; a signature by a certificate has about fifteen
_DIGESTS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_KINDS = {"rsassa_pkcs1v15": "rsa", "rsassa_pss": "pss", "ecdsa": "ecdsa"}
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
_SET_OF, _OCTET_STRING = 0x31, 0x04


@dataclass(frozen=True, slots=True)
class CmsResult:
    """What a signature that held was over.

    content: the signed bytes. content_type: its OID. signer_certificate: DER. certificates: DER, all that
    came along, the signer's too if it did. signed_at: as the signer says, under the signature; ``None`` when
    it does not.
    """

    content: bytes
    content_type: str
    signer_certificate: bytes
    certificates: tuple[bytes, ...] = ()
    signed_at: datetime | None = None


def verify_cms(
    data: bytes,
    *,
    detached: bytes | None,
    roots: Sequence[x509.Certificate | bytes] | None,
    signer_certificate: bytes | None,
    at: datetime,
) -> CmsResult:
    """Verify a SignedData with one signer.

    data: ContentInfo, DER or BER. detached: the content when it is not inside; ``None`` when it is. roots:
    pinned, one of which the signer must lead to, or ``None`` with signer_certificate: the signer itself (DER,
    pinned); with both, both are asked. at: when certificates must be valid. Raises UpstreamError.
    """
    if not roots and signer_certificate is None:
        raise UpstreamError("nothing is pinned: neither a root nor the signer; nothing could be proven")
    if len(data) > MAX_RAW:
        raise UpstreamError(f"a signature of {len(data)} bytes; at most {MAX_RAW} are read")
    # 1. Find the one signer, and the content, as bytes.
    signed, signer = _open(data)
    content_type, content = _content(signed, detached)
    brought = _certificates(signed)
    # 2. Find its certificate, and a reason to believe it.
    certificate = _certificate_of(signer, brought, signer_certificate)
    if roots:
        anchors.path_to_root(certificate, brought, [anchors.der_of(root) for root in roots], at=at)
    else:
        anchors.check_signer(certificate, at)
    # 3. Compare what the signer says of the content, then check the signature over what it said.
    try:
        digest = signer["digest_algorithm"]["algorithm"].native
        message, signed_at = _signed_message(signer, digest, content_type, content)
        scheme = _scheme(signer["signature_algorithm"], digest)
        signature = bytes(signer["signature"])
    except _UNREADABLE as error:
        raise UpstreamError(f"a signature that cannot be read ({type(error).__name__})") from error
    try:
        holds = verifies(anchors.facts_of(certificate).spki, scheme, signature, message)
    except KeyRefusedError as error:
        raise UpstreamError(f"the signer's key must not be used: {error}") from error
    if not holds:
        raise UpstreamError("the signature does not hold; the list was changed or cut, and is refused")
    return CmsResult(content, content_type, certificate, brought, signed_at)


def _open(data: bytes) -> tuple[Any, Any]:
    """The SignedData and its one SignerInfo."""
    try:
        outer = cms.ContentInfo.load(definite(data), strict=True)
        if outer["content_type"].native != "signed_data":
            raise UpstreamError("not a CMS SignedData")
        signed = outer["content"]
        signers = list(signed["signer_infos"])
    except _UNREADABLE as error:
        raise UpstreamError(f"not a CMS SignedData that can be read ({type(error).__name__})") from error
    if len(signers) != 1:
        raise UpstreamError(f"signed by {len(signers)} signers; exactly one is read")
    return signed, signers[0]


def _content(signed: Any, detached: bytes | None) -> tuple[str, bytes]:
    try:
        inner = signed["encap_content_info"]
        content_type: str = inner["content_type"].dotted
        value = inner["content"]
        inside = None if isinstance(value, core.Void) else bytes(value)
    except _UNREADABLE as error:
        raise UpstreamError(f"the signed content cannot be read ({type(error).__name__})") from error
    if (inside is None) == (detached is None):
        where = "inside and beside it" if inside is not None else "nowhere"
        raise UpstreamError(f"the signed content stands {where}; it is wanted in one place")
    return content_type, inside if inside is not None else detached or b""


def _certificates(signed: Any) -> tuple[bytes, ...]:
    """The X.509 certificates that came along; other kinds are never asked for."""
    try:
        listed = signed["certificates"]
        if isinstance(listed, core.Void):
            return ()
        return tuple(each.chosen.dump() for each in listed if each.name == "certificate")
    except _UNREADABLE as error:
        raise UpstreamError(f"its certificates cannot be read ({type(error).__name__})") from error


def _certificate_of(signer: Any, brought: Sequence[bytes], pinned: bytes | None) -> bytes:
    """The certificate that the SignerInfo names, among those that came along; or the pinned one, if it is."""
    candidates = [pinned] if pinned is not None else brought
    for certificate in candidates:
        if _names(signer, certificate):
            return certificate
    if pinned is not None:
        raise UpstreamError("signed with another certificate than the pinned one; the list is refused")
    raise UpstreamError("the signer's certificate did not come along; the list cannot be proven")


def _names(signer: Any, certificate: bytes) -> bool:
    """Whether the SignerInfo names a certificate: a way to find it, which vouches for nothing."""
    try:
        sid = signer["sid"]
        if sid.name == "subject_key_identifier":
            return bytes(sid.chosen) == subject_key_id(anchors.facts_of(certificate))
        body = lenient_x509.Certificate.load(certificate)["tbs_certificate"]
        named = sid.chosen
        return bool(
            named["serial_number"].native == body["serial_number"].native
            and named["issuer"] == body["issuer"]
        )
    except (UpstreamError, *_UNREADABLE):
        return False


def _signed_message(
    signer: Any, digest: str, content_type: str, content: bytes
) -> tuple[bytes, datetime | None]:
    """The bytes that the signature covers, and when it was made, after what they say of the content held."""
    if digest not in _DIGESTS:
        raise UpstreamError(f"signed over a digest by {digest}; SHA-256, SHA-384 and SHA-512 are accepted")
    listed = signer["signed_attrs"]
    if isinstance(listed, core.Void):
        # The attributes of some other signature could be passed off as content (RFC 5652 §5.3 asks for
        # attributes unless the content is plain data; plain data that is a SET is no list of ours).
        if content_type != cms.ContentType("data").dotted or content[:1] == bytes([_SET_OF]):
            raise UpstreamError("signed without attributes, which only plain data may be")
        return content, None
    found: dict[str, Any] = {}
    for attribute in listed:
        oid = attribute["type"].dotted
        if oid in found or len(attribute["values"]) != 1:
            raise UpstreamError("a signed attribute stands twice")
        found[oid] = attribute["values"][0]
    kind, over = (found.get(cms.CMSAttributeType(name).dotted) for name in ("content_type", "message_digest"))
    if kind is None or kind.dotted != content_type:
        raise UpstreamError("signed as another type of content")
    if over is None or bytes(over) != _DIGESTS[digest](content).digest():
        raise UpstreamError("the content is not the one that was signed; it was changed or cut")
    when = found.get(cms.CMSAttributeType("signing_time").dotted)
    # DER wants the attributes of a SET in the order of their bytes, however they were sent.
    body = b"".join(sorted(attribute.dump() for attribute in listed))
    return _element(_SET_OF, body), _instant(when)


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = value.native
    if not isinstance(moment, datetime):
        raise TypeError("not a date of this calendar")
    return moment.astimezone(UTC)


def _scheme(algorithm: Any, digest: str) -> Scheme:
    """How the signature was made; an algorithm that names its digest must name the signer's."""
    kind = _KINDS.get(algorithm.signature_algo)
    if kind is None:
        raise UpstreamError(f"signed with {algorithm.signature_algo}, which is not accepted")
    if algorithm["algorithm"].native != "rsassa_pkcs1v15" and algorithm.hash_algo != digest:
        raise UpstreamError("the signature's digest is not the one that the signer names")
    if kind != "pss":
        return Scheme(kind, digest)
    parameters = algorithm["parameters"]
    mask = parameters["mask_gen_algorithm"]
    if not isinstance(parameters, algos.RSASSAPSSParams) or mask["algorithm"].native != "mgf1":
        raise UpstreamError("signed with RSASSA-PSS and a mask that is not accepted")
    mask_digest = mask["parameters"]["algorithm"].native
    if mask_digest not in _DIGESTS:
        raise UpstreamError(f"signed with RSASSA-PSS and a mask by {mask_digest}, which is not accepted")
    return Scheme(kind, digest, mask_digest, parameters["salt_length"].native)


# --- BER ----------------------------------------------------------------------------------------------------


def definite(data: bytes) -> bytes:
    """The same BER with definite lengths, and octet strings in one piece.

    Elements that have a definite length already keep their bytes, so that what is signed inside stays as it
    was signed. Raises UpstreamError for bytes that are no BER, or are followed by others.
    """
    if data[1:2] != b"\x80":
        return data
    value, end = _convert(data, 0, 0)
    if end != len(data):
        raise UpstreamError("bytes after the end of the signature")
    return value


def _convert(data: bytes, start: int, depth: int) -> tuple[bytes, int]:
    """One element from ``start`` with definite lengths, and where it ends."""
    if depth > MAX_DEPTH:
        raise UpstreamError(f"a signature nested deeper than {MAX_DEPTH}")
    tag, length, begin = _header(data, start)
    if length is not None:
        if begin + length > len(data):
            raise UpstreamError("the signature was cut short")
        return data[start : begin + length], begin + length
    if not tag & 0x20:
        raise UpstreamError("BER that is not allowed: a primitive element without a length")
    parts: list[bytes] = []
    position = begin
    while data[position : position + 2] != b"\x00\x00":
        part, position = _convert(data, position, depth + 1)
        parts.append(part)
    if tag == _OCTET_STRING | 0x20:
        return _element(_OCTET_STRING, b"".join(map(_octets, parts))), position + 2
    return _element(tag, b"".join(parts)), position + 2


def _header(data: bytes, start: int) -> tuple[int, int | None, int]:
    """Tag, length (``None`` for an indefinite one) and the place of the content."""
    if start + 2 > len(data):
        raise UpstreamError("the signature was cut short")
    tag, first = data[start], data[start + 1]
    if tag & 0x1F == 0x1F or first == 0xFF:
        raise UpstreamError("BER that no CMS signature needs")
    if first < 0x80:
        return tag, first, start + 2
    size = first & 0x7F
    if size == 0:
        return tag, None, start + 2
    if size > 4 or start + 2 + size > len(data):
        raise UpstreamError("the signature was cut short")
    return tag, int.from_bytes(data[start + 2 : start + 2 + size], "big"), start + 2 + size


def _octets(part: bytes) -> bytes:
    tag, length, begin = _header(part, 0)
    if tag != _OCTET_STRING or length is None:
        raise UpstreamError("an octet string of something that is none")
    return part[begin:]


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
