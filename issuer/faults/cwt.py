"""How a code of the CWT families is made with one layer broken: HC1, LT1, AT1, DDCC, ICVP and NZCP.

The rules this module keeps:

* A code grows from the inside out: document, claims, payload, header, signature, COSE, body, text. A fault
  changes what one layer hands on; the layers round it are made from that, as they should be.
* What is changed up to the header is signed with the change; what is changed from the array on is not.
* A key that a fault needs on the list is listed as the oldest there is, so that nothing else is signed with
  it, today or later.

    code(Family.LT1, issuer, payload, now, document=lambda document: document | {"ver": "2.0.0"})
    code(Family.HC1, issuer, payload, now, signature=lambda signed: signed[:-1])
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import cbor2

from issuer import signers
from issuer.certificates import OPAQUE_BYTES, complete, uvci
from issuer.documents import document_of
from issuer.families import domain_of, issuer_name
from issuer.faults.base import Payload
from issuer.keys import Algorithm, EcdsaKey, SigningKey, generate
from issuer.office import PRODUCTION, YEAR, Issuer, Signer
from issuer.registry import KeyRow
from issuer.seed import Stream, derive
from verifier.certificate import Family
from verifier.keys import kid_of
from verifier.trust import Domain, KeyStatus
from verifier.wire import base45, cbor, cose, hc1, national, nzcp

Step = Callable[[Any], Any]

# Every fault that is not issued in the ordinary way has this identifier, which is never revoked.
_OPAQUE = b"fault on purpose"[:OPAQUE_BYTES]
_PREFIXES = {Family.LT1: national.PREFIX_LT1, Family.AT1: national.PREFIX_AT1}


def same(value: Any) -> Any:
    """A layer as it should be."""
    return value


def tagged(array: Any) -> cbor2.CBORTag:
    """A COSE_Sign1 under its tag."""
    return cbor2.CBORTag(cose.TAG_SIGN1, array)


def packed(sign1: bytes) -> bytes:
    """The body of a code: a zlib stream."""
    return zlib.compress(sign1, 9)


def code(
    family: Family,
    issuer: Issuer,
    payload: Payload,
    now: datetime,
    *,
    signer: Signer | None = None,
    issued_at: datetime | None = None,
    expires_at: datetime | None = None,
    document: Step = same,
    claims: Step = same,
    content: Step = same,
    protected: Step = same,
    header: Step = same,
    unprotected: Mapping[Any, Any] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    signature: Step = same,
    array: Step = same,
    tag: Step = tagged,
    sign1: Step = same,
    body: Step = packed,
    text: Step = same,
) -> str:
    """The code of this family, each layer as it should be unless something else is asked for it.

    signer: ``None`` for the family's newest active key. issued_at: ``None`` for now. expires_at: ``None`` for
    a year from now. Then what becomes of each layer, from the inside out; each is called with what is right.
    document: the family's own map. claims: the map that is signed. content: its bytes. protected: the header
    as a map, header: its bytes. sign: makes the signature instead of the key. signature: its bytes. array:
    the list of four elements, tag: what is round it, sign1: its bytes. body: the bytes that become text;
    NZCP has none, for its passes are not compressed. text: the code itself.
    """
    signer = signer or issuer.signer(domain_of(family))
    issued_at, expires_at = issued_at or now, expires_at or now + YEAR
    made = document(
        document_of(
            family,
            complete(payload, uvci(issuer.country, _OPAQUE)),
            signer.issuer,
            country=issuer.country,
            issued_at=issued_at,
            expires_at=expires_at,
        )
    )
    signed = content(cbor.encode(claims(_claims(family, made, signer.issuer, issued_at, expires_at))))
    names = {cose.HEADER_ALG: signer.key.algorithm.cose, cose.HEADER_KID: signer.kid}
    head = header(cose.encode_protected(protected(names)))
    # a header that is no bytes at all is a fault too; what would have been signed is signed
    to_be_signed = cose.sig_structure(head if isinstance(head, bytes) else cbor.encode(head), signed)
    four = [head, dict(unprotected or {}), signed, signature((sign or signer.key.sign)(to_be_signed))]
    whole = sign1(cbor.encode(tag(array(four))))
    if family is Family.NZCP:
        return str(text(nzcp.pack(whole)))
    return str(text(_PREFIXES.get(family, hc1.PREFIX) + base45.encode(body(whole))))


def _claims(
    family: Family, document: Any, issuer: str, issued_at: datetime, expires_at: datetime
) -> dict[Any, Any]:
    """The claims round a document."""
    if family is Family.NZCP:
        return dict(document)  # a pass says issuer and times itself
    times = hc1.claims_map(iss=issuer, iat=int(issued_at.timestamp()), exp=int(expires_at.timestamp()))
    if family is Family.LT1:
        return times | {hc1.CLAIM_LIGHT: {hc1.EU_DCC: document}}
    sub_key = hc1.EU_DCC
    if family is Family.ICVP:
        sub_key = hc1.ICVP
    if family is Family.DDCC:
        sub_key = hc1.DDCC_TR if "test" in document else hc1.DDCC_VS
    return times | {hc1.CLAIM_HCERT: {sub_key: document}}


def without(*names: Any) -> Step:
    """A map without these members."""
    return lambda members: {name: value for name, value in members.items() if name not in names}


def with_members(members: Mapping[Any, Any]) -> Step:
    """A map with these members more, or with these values."""
    return lambda value: value | members


def listed_signer(
    issuer: Issuer,
    label: str,
    now: datetime,
    *,
    domain: Domain = Domain.HCERT,
    algorithm: Algorithm = Algorithm.ES256,
    key: SigningKey | None = None,
    uses: frozenset[str] | None = None,
    status: KeyStatus = KeyStatus.ACTIVE,
) -> Signer:
    """A key that was made for a fault and stands on the list, where it is put once for each label.

    now: when its certificate was issued, from which its period follows. key: ``None`` for a new one of
    ``algorithm``. uses: letters of what it may sign, ``None`` for everything.
    """
    if domain is Domain.NZCP:  # whose keys have no certificate, hence no period and no uses
        signer = issuer.unlisted_signer(algorithm, label, now, domain=domain)
    else:
        key = key or generate(algorithm, Stream(seed_of(issuer), f"fault/{domain}/{label}"))
        signer = _certified(issuer, label, now, domain=domain, key=key, uses=uses)
    rows = issuer.registry.signing_keys()
    if all(row.kid != signer.kid for row in rows):
        with issuer.registry.change():
            issuer.registry.add_key(
                KeyRow(
                    # before all others: who signs takes the newest key
                    serial=min(row.serial for row in rows) - 1,
                    algorithm=signer.key.algorithm,
                    environment=PRODUCTION,
                    status=KeyStatus.ACTIVE,
                    kid=signer.kid,
                    certificate=signer.certificate or b"",
                    material=signer.key.material(),
                    domain=domain,
                    issuer=signer.issuer,
                )
            )
            if status is KeyStatus.WITHDRAWN:
                issuer.registry.withdraw(signer.kid, now)
    return signer


def _certified(
    issuer: Issuer,
    label: str,
    now: datetime,
    *,
    domain: Domain,
    key: SigningKey,
    uses: frozenset[str] | None,
) -> Signer:
    """A signer with a DSC by a CSCA that is there for faults; the list vouches for the DSC, as for any."""
    seed = seed_of(issuer)
    csca_key = generate(Algorithm.ES256, Stream(seed, "fault/csca"))
    assert isinstance(csca_key, EcdsaKey)
    # of 127 bits and positive, as RFC 5280 §4.1.2.2 asks
    serial = 1 | int.from_bytes(derive(seed, f"fault/{domain}/{label}/serial", 16), "big") >> 1
    certificate = signers.make_dsc(
        csca=signers.make_csca(issuer.country, csca_key, serial, now),
        csca_key=csca_key,
        spki=key.spki(),
        country=issuer.country,
        name=f"{issuer.country} DSC {label}",
        serial=serial,
        now=now,
        uses=uses,
    )
    return Signer(key, kid_of(certificate), issuer_name(domain, issuer.country, PRODUCTION), certificate)


def seed_of(issuer: Issuer) -> bytes:
    """What the keys of an issuer are made from."""
    return issuer.registry.fact("seed").encode()
