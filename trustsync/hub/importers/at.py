"""Austria's list, and any other of the form ehn v2: content in CBOR, and its hash in a COSE_Sign1 beside it.

The rules this module keeps:

* The COSE_Sign1 is by the pinned certificate, whose KID its protected header names, and is of list version 2.
  It holds the SHA-256 of the content and the time for which that counts; five minutes of skew are allowed.
* The content is not looked at before its hash is the signed one. Then it may be CBOR with indefinite lengths,
  as the publisher's library writes it.

    pins: certificate (of the signer, PEM or DER)      url: …/trustlist
    options: signature-url (else the url with "sig" behind it)
    raw:  content, signature

Source: hcert-kotlin (``trust/SignedDataDecodeService``, ``TrustListV2``).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2

from trustsync.hub import anchors
from trustsync.hub.lists import MAX_KID, Entries, a_list, an_instant, check_times, fetched, given, pinned
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.keys import AlgorithmRefusedError, KeyRefusedError, kid_of, load_spki
from verifier.wire import cbor, cose
from verifier.wire.envelope import Envelope
from verifier.wire.errors import MalformedError

CONTENT, SIGNATURE = "content", "signature"
LIST_VERSION = 2
_HEADER_VERSION = 42  # label of the list's version in the protected header
_HASH, _EXPIRES, _NOT_BEFORE = 2, 4, 5  # claims of the signed map
_MAX_DEPTH = 8


class AustrianList:
    """The importer of kind ``at``."""

    kind = "at"
    pins = frozenset({"certificate"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """Signature and content. Raises UpstreamError."""
        beside = source.options.get("signature-url", source.url + "sig")
        return {SIGNATURE: fetched(get, beside).body, CONTENT: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify the signature, compare the content's hash, then read it. Raises UpstreamError."""
        signature, content = given(raw, SIGNATURE), given(raw, CONTENT)
        certificate = anchors.pinned_certificate(pinned(source, "certificate"), "certificate")
        anchors.check_signer(certificate, now)
        try:
            envelope = cose.decode_sign1(signature)
            _verify(envelope, certificate)
            header = cbor.decode(envelope.protected, "cose header")
            claims = cbor.decode(envelope.payload, "claims")
        except MalformedError as error:
            raise UpstreamError(f"{error}; the list is refused") from error
        version = header.get(_HEADER_VERSION)
        if type(version) is not int or version != LIST_VERSION or not isinstance(claims, Mapping):
            raise UpstreamError(f"not signed as a list of version {LIST_VERSION}, which is the one read here")
        if claims.get(_HASH) != hashlib.sha256(content).digest():
            raise UpstreamError(
                "the content is not the one that was signed; it was changed, cut, or is older"
            )
        begin = an_instant(claims.get(_NOT_BEFORE), "nbf")
        end = an_instant(claims.get(_EXPIRES), "exp")
        check_times(begin, end, now)
        return entries_of(content, source).upstream(Authentication.SIGNED, signed_at=begin, valid_until=end)


def entries_of(content: bytes, source: Source) -> Entries:
    """The entries of the content, as yet unproven. Raises UpstreamError."""
    entries = Entries(source)
    for entry in a_list(_member(_decoded(content), "c"), "c"):
        entries.certificate(_bytes(entry, "i", MAX_KID), _bytes(entry, "c"))
    return entries


def _verify(envelope: Envelope, certificate: bytes) -> None:
    if envelope.kid != kid_of(certificate):
        raise UpstreamError("signed with another certificate than the pinned one; the list is refused")
    if envelope.alg is None:
        raise UpstreamError("the protected header names no algorithm")
    try:
        key = load_spki(anchors.facts_of(certificate).spki)
        if key.weakness is not None:
            raise UpstreamError(f"the signer's key is weak ({key.weakness})")
        holds = key.verify(envelope.alg, envelope.signature, envelope.to_be_signed)
    except (KeyRefusedError, AlgorithmRefusedError) as error:
        raise UpstreamError(f"the signature cannot be verified: {error}") from error
    if not holds:
        raise UpstreamError("the signature does not hold; the list was changed or cut, and is refused")


def _decoded(content: bytes) -> Any:
    """The content as CBOR; its hash was the signed one, so that it only has to be bounded."""
    stream = io.BytesIO(content)
    try:
        value = cbor2.CBORDecoder(stream, max_depth=_MAX_DEPTH, allow_duplicate_keys=False).decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise UpstreamError(
            f"the content is not CBOR ({type(error).__name__}); the list is refused"
        ) from error
    if stream.tell() != len(content):
        raise UpstreamError("bytes behind the content; the list is refused")
    return value


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise UpstreamError(f"{name!r} is missing; the list has another form than the known one")
    return value[name]


def _bytes(entry: Any, name: str, most: int | None = None) -> bytes:
    value = _member(entry, name)
    if not isinstance(value, bytes) or not value or (most is not None and len(value) > most):
        raise UpstreamError(f"{name!r} of an entry is not bytes of a usual length")
    return value
