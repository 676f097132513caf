"""NZ COVID Pass: ``NZCP:/1/`` text, Base32, COSE_Sign1, CWT claims with a credential under ``vc``.

The rules this module keeps:

* Base32 has one spelling: capitals, no padding, no bits left over. Two texts for one pass would be two
  chances to slip by.
* The key is found by issuer and KID together. The issuer stands in the payload, so it is read early, as a
  hint.
* A pass says who somebody is and until when the pass holds, and no medical fact: there is no event in it.
* The did:web name of the issuer is compared and never resolved.

    envelope = open_nzcp("NZCP:/1/2KCEVIQ…")
    claims = decode_nzcp(envelope)                    # after the signature held
    read_nzcp(claims).holder
    text = encode_nzcp({"givenName": …}, iss="did:web:…", nbf=…, exp=…, cti=uuid, kid=b"key-1", sign=key.sign)

Sources: NZ COVID Pass technical specification 1, RFC 4648, RFC 8392, RFC 9052. ``docs/formats/nzcp.md``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from verifier.certificate import Family, Holder, Payload
from verifier.keys import ES256
from verifier.reasons import Reason
from verifier.wire import cbor, cose, hc1, values
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

PREFIX = "NZCP:/"
MAX_TEXT = 4296  # characters of a version 40-L symbol in alphanumeric mode
VERSION = "1"  # of the text, and the major version of the credential

CLAIM_CTI, CLAIM_VC = 7, "vc"
CONTEXT_W3C = "https://www.w3.org/2018/credentials/v1"
CONTEXT_PASS = "https://nzcp.covid19.health.nz/contexts/v1"  # noqa: S105 - a URL, no password
TYPE_W3C, TYPE_PASS = "VerifiableCredential", "PublicCovidPass"

_TEXT = re.compile(r"NZCP:/([^/]{0,16})/(.*)", re.DOTALL)
_BASE32 = re.compile(r"[A-Z2-7]*", re.ASCII)
_WHOLE = frozenset({0, 2, 4, 5, 7})  # lengths modulo 8 that whole bytes have
# Python's digits in base 32 for those of RFC 4648.
_DIGITS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


def open_nzcp(text: str) -> Envelope:
    """The envelope inside a pass's text.

    Raises MalformedError with the layer that broke; its reason is ``UNSUPPORTED`` for another version of the
    text and ``TOO_BIG`` for one that no code holds.
    """
    if len(text) > MAX_TEXT:
        raise MalformedError(
            "text", f"{len(text)} characters, at most {MAX_TEXT} fit into a code", Reason.TOO_BIG
        )
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MalformedError("text", "no version and content after the prefix")
    version, body = match.groups()
    if version != VERSION:
        raise MalformedError("text", "a pass of another version", Reason.UNSUPPORTED)
    envelope = cose.decode_sign1(decode_base32(body))
    claims = _claims(envelope.payload)
    issuer = claims.get(hc1.CLAIM_ISS)
    return replace(
        envelope,
        kid=_text_kid(envelope.protected) if envelope.kid is None else envelope.kid,
        issuer_hint=issuer if isinstance(issuer, str) else None,
        parsed=claims,
    )


def decode_base32(text: str) -> bytes:
    """Bytes of an unpadded Base32 text (RFC 4648 §6). Raises MalformedError for every other spelling."""
    if not _BASE32.fullmatch(text):
        raise MalformedError("base32", "a character outside the alphabet")
    if len(text) % 8 not in _WHOLE:
        raise MalformedError("base32", "a length that no bytes have")
    length, spare = divmod(5 * len(text), 8)
    number = int(text.translate(_DIGITS) or "0", 32)
    if number % (1 << spare):
        raise MalformedError("base32", "bits left over at the end")
    return (number >> spare).to_bytes(length)


def encode_base32(data: bytes) -> str:
    """Base32 without padding, which the alphanumeric mode of a QR code could not hold."""
    return base64.b32encode(data).decode().rstrip("=")


def _text_kid(protected: bytes) -> bytes | None:
    """A KID written as text, as the specification has it; issued passes write bytes."""
    header = cbor.decode(protected, "cose header") if protected else {}
    kid = header.get(cose.HEADER_KID) if isinstance(header, dict) else None
    return kid.encode() if isinstance(kid, str) else None


def _claims(payload: bytes) -> Mapping[Any, Any]:
    value = cbor.decode(payload, "claims")
    if not isinstance(value, dict):
        raise MalformedError("claims", "not a map")
    return value


def decode_nzcp(envelope: Envelope) -> Claims:
    """The claims of an envelope: ``vc`` is the document, ``nbf`` the time of issue.

    Raises MalformedError when the payload is no CBOR map.
    """
    claims = envelope.parsed if isinstance(envelope.parsed, (dict, Mapping)) else _claims(envelope.payload)
    issuer, document = claims.get(hc1.CLAIM_ISS), claims.get(CLAIM_VC)
    nbf, bad_nbf = values.numeric_date(claims.get(hc1.CLAIM_NBF), "nbf")
    exp, bad_exp = values.numeric_date(claims.get(hc1.CLAIM_EXP), "exp")
    return Claims(
        family=Family.NZCP,
        document=document if isinstance(document, (dict, Mapping)) else None,
        whole=claims,
        issuer=issuer if isinstance(issuer, str) else None,
        issued_at=nbf,
        expires_at=exp,
        bad_time=bad_exp or bad_nbf,
    )


def read_nzcp(claims: Claims) -> Payload:
    """The holder of a pass.

    Raises MalformedError when a required member is absent or of the wrong form; with ``UNSUPPORTED`` for a
    credential of another version, vocabulary or kind. A birth date that is not a full one is a finding. An
    absent ``exp`` is not judged here.
    """
    document, whole = claims.document, claims.whole or {}
    if document is None:
        raise MalformedError("vc", "no credential in it")
    if claims.issuer is None or not claims.issuer.startswith("did:web:"):
        raise MalformedError("claims", "iss is not a did:web name")
    if hc1.CLAIM_NBF not in whole:
        raise MalformedError("claims", "no nbf in it")
    cti = whole.get(CLAIM_CTI)
    if not isinstance(cti, bytes) or len(cti) != 16:
        raise MalformedError("claims", "cti is not a UUID of 16 bytes")
    version = _credential(document)
    subject = document.get("credentialSubject")
    if not isinstance(subject, (dict, Mapping)):
        raise MalformedError("vc", "no credentialSubject in it")
    holder = Holder(
        surname=values.text(subject.get("familyName")),
        given=values.text(subject.get("givenName")),
        birth_date=values.birth(subject.get("dob")),
    )
    if not holder.given:
        raise MalformedError("vc", "no givenName in it")
    return Payload(holder, (), version, values.birth_findings(holder.birth_date))


def _credential(document: Mapping[Any, Any]) -> str:
    """The version of a credential of the one kind that is read; the order is from vocabulary to kind."""
    context, kinds, version = document.get("@context"), document.get("type"), document.get("version")
    if not isinstance(context, list) or context[:1] != [CONTEXT_W3C]:
        raise MalformedError("vc", "@context does not begin with the W3C's")
    if CONTEXT_PASS not in context:
        raise MalformedError("vc", "a vocabulary that is not known here", Reason.UNSUPPORTED)
    if not isinstance(kinds, list) or TYPE_W3C not in kinds:
        raise MalformedError("vc", "type does not say that it is a credential")
    if TYPE_PASS not in kinds:
        raise MalformedError("vc", "a pass of another kind", Reason.UNSUPPORTED)
    if not isinstance(version, str) or not version:
        raise MalformedError("vc", "no version in it")
    if version.partition(".")[0] != VERSION:
        raise MalformedError("vc", "a credential of another major version", Reason.UNSUPPORTED)
    return values.version(version)


def encode_nzcp(
    subject: Mapping[str, Any],
    *,
    iss: str,
    nbf: int | None,
    exp: int | None,
    cti: bytes,
    kid: bytes,
    sign: Callable[[bytes], bytes],
    alg: int = ES256,
    version: str = "1.0.0",
) -> str:
    """The text of a pass for this ``credentialSubject``.

    nbf, exp: seconds since 1970, left out when ``None``. cti: the 16 bytes of a UUID. sign: makes the raw
    signature over the Sig_structure that it is given.
    """
    credential = {
        "@context": [CONTEXT_W3C, CONTEXT_PASS],
        "version": version,
        "type": [TYPE_W3C, TYPE_PASS],
        "credentialSubject": dict(subject),
    }
    claims = {
        hc1.CLAIM_ISS: iss, hc1.CLAIM_NBF: nbf, hc1.CLAIM_EXP: exp, CLAIM_VC: credential, CLAIM_CTI: cti,
    }  # fmt: skip
    body = cbor.encode({name: value for name, value in claims.items() if value is not None})
    return seal_nzcp(body, kid=kid, alg=alg, sign=sign)


def seal_nzcp(
    payload: bytes,
    *,
    kid: bytes | str,
    alg: int,
    sign: Callable[[bytes], bytes],
    tag: int | None = cose.TAG_SIGN1,
) -> str:
    """Text round payload bytes, signed by ``sign``.

    kid: bytes, as issued passes have it; a text is written as text, as the specification has it.
    """
    header: dict[int, Any] = {cose.HEADER_KID: kid, cose.HEADER_ALG: alg}
    signature = sign(cose.sig_structure(cose.encode_protected(header), payload))
    return pack(cose.encode_sign1(header, {}, payload, signature, tag=tag))


def pack(sign1: bytes) -> str:
    """The text of a finished COSE_Sign1."""
    return f"{PREFIX}{VERSION}/{encode_base32(sign1)}"
