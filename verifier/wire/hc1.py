"""HCERT containers: ``HC1:`` text, Base45, zlib, COSE_Sign1, CWT claims.

The rules this module keeps:

* Size before inflate, inflate with a cap, depth before use: a hostile code meets a limit at each layer.
* The body is a zlib stream that ends where the code ends; an uncompressed one is refused, because the
  specification's own vectors want it refused and a tolerance would only help forgers.
* Claims are decoded from the payload that the signature covers, by whoever has verified it.

    envelope = open_hcert(text)                       # prefix to Envelope, nothing believed
    claims = decode_claims(envelope.payload)          # after the signature held
    claims.family, claims.document                    # Family.ICVP, its map
    text = encode_hc1(dcc, iss="XV", iat=…, exp=…, kid=kid, alg=-7, sign=key.sign)

Sources: HCERT specification 1.0.8, RFC 1950, RFC 8392, RFC 9052, RFC 9285. ``docs/formats/hc1.md``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

from verifier.certificate import Family
from verifier.reasons import Reason
from verifier.wire import base45, cbor, cose, deflate, values
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

PREFIX = "HC1:"
MAX_TEXT = 4296  # characters of a version 40-L symbol in alphanumeric mode

CLAIM_ISS, CLAIM_EXP, CLAIM_NBF, CLAIM_IAT = 1, 4, 5, 6
CLAIM_HCERT, CLAIM_LIGHT = -260, -250
EU_DCC = 1  # sub-key of the hcert claim
DDCC_VS, DDCC_TR, LINKS, ICVP = 3, 4, 5, -6
SUB_KEYS = {
    EU_DCC: Family.HC1, DDCC_VS: Family.DDCC, DDCC_TR: Family.DDCC, ICVP: Family.ICVP, LINKS: Family.VHL,
}  # fmt: skip


def open_hcert(text: str, prefix: str = PREFIX) -> Envelope:
    """The envelope inside a code's text, which begins with ``prefix``.

    Raises MalformedError with the layer that broke; sizes beyond a limit are ``TOO_BIG``.
    """
    if len(text) > MAX_TEXT:
        raise MalformedError(
            "text", f"{len(text)} characters, at most {MAX_TEXT} fit into a code", Reason.TOO_BIG
        )
    return cose.decode_sign1(deflate.inflate(base45.decode(text[len(prefix) :])))


def decode_claims(payload: bytes, container: Family = Family.HC1) -> Claims:
    """The CWT claims of a payload.

    container: the family of the text that it came in. Raises MalformedError when the payload is no CBOR map.
    """
    value = cbor.decode(payload, "claims")
    if not isinstance(value, dict):
        raise MalformedError("claims", "not a map")
    issuer = value.get(CLAIM_ISS)
    iat, bad_iat = values.numeric_date(value.get(CLAIM_IAT), "iat")
    exp, bad_exp = values.numeric_date(value.get(CLAIM_EXP), "exp")
    nbf, bad_nbf = values.numeric_date(value.get(CLAIM_NBF), "nbf")
    family, document = _document(value, container)
    return Claims(
        family=family,
        document=document,
        whole=value,
        issuer=issuer.strip() if isinstance(issuer, str) else None,
        issued_at=iat or nbf,
        expires_at=exp,
        not_before=nbf,
        bad_time=bad_exp or bad_iat or bad_nbf,
    )


def _document(claims: Mapping[Any, Any], container: Family) -> tuple[Family, Mapping[Any, Any] | None]:
    """The family that the claims tell, and its own payload; ``None`` where that is no map."""
    if container is Family.LT1:
        light = claims.get(CLAIM_LIGHT)
        return container, _map(light.get(EU_DCC) if isinstance(light, Mapping) else None)
    hcert = claims.get(CLAIM_HCERT)
    if not isinstance(hcert, (dict, Mapping)):
        flat = container is Family.HC1 and hcert is None and is_flat_ddcc(claims)
        return (Family.DDCC, claims) if flat else (container, None)
    if container is Family.AT1:
        return container, _map(hcert.get(EU_DCC))
    for key, family in SUB_KEYS.items():
        if key in hcert:
            value = hcert[key]
            return family, {"links": value} if key == LINKS else _map(value)
    return container, None


def is_flat_ddcc(claims: Mapping[Any, Any]) -> bool:
    """Whether a payload is the flat map of early DDCC codes, which have no CWT claims round them."""
    return isinstance(claims.get("name"), str) and any(name in claims for name in ("vaccine", "test", "hcid"))


def _map(value: Any) -> Mapping[Any, Any] | None:
    # a dictionary first, here and wherever documents are read: to ask for any Mapping takes ten times as long
    return value if isinstance(value, (dict, Mapping)) else None


def encode_hc1(
    payload: Mapping[str, Any],
    *,
    iss: str | None,
    iat: float | None,
    exp: float | None,
    kid: bytes,
    alg: int,
    sign: Callable[[bytes], bytes],
    claim: int = CLAIM_HCERT,
    sub_key: int = EU_DCC,
    kid_protected: bool = True,
    tag: int | None = cose.TAG_SIGN1,
    prefix: str = PREFIX,
) -> str:
    """The text of a certificate with this payload, in ``HC1:`` or a container like it.

    iat, exp: NumericDate. sign: makes the raw signature over the Sig_structure that it is given. claim,
    sub_key: where the payload stands and which one it is, see ``SUB_KEYS``.
    """
    body = claims_map(iss=iss, iat=iat, exp=exp) | {claim: {sub_key: dict(payload)}}
    return seal(
        cbor.encode(body), kid=kid, alg=alg, sign=sign, kid_protected=kid_protected, tag=tag, prefix=prefix
    )


def claims_map(*, iss: str | None, iat: float | None, exp: float | None) -> dict[int, Any]:
    """The registered claims of a CWT in the order in which issuers write them; absent ones are left out."""
    claims = {CLAIM_ISS: iss, CLAIM_EXP: exp, CLAIM_IAT: iat}
    return {number: value for number, value in claims.items() if value is not None}


def seal(
    payload: bytes,
    *,
    kid: bytes,
    alg: int,
    sign: Callable[[bytes], bytes],
    kid_protected: bool = True,
    tag: int | None = cose.TAG_SIGN1,
    prefix: str = PREFIX,
) -> str:
    """Text round payload bytes, signed by ``sign``. prefix: ``HC1:``, or that of a container like it."""
    header: dict[int, Any] = {cose.HEADER_ALG: alg}
    loose: dict[int, Any] = {}
    (header if kid_protected else loose)[cose.HEADER_KID] = kid
    signature = sign(cose.sig_structure(cose.encode_protected(header), payload))
    return pack(cose.encode_sign1(header, loose, payload, signature, tag=tag), prefix)


def pack(sign1: bytes, prefix: str = PREFIX) -> str:
    """The text of a finished COSE_Sign1."""
    return prefix + base45.encode(zlib.compress(sign1, 9))
