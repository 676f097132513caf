"""What the faults of SHC, VDS-NC and DIVOC share, whose documents are JSON.

The rules this module keeps:

* What is the same fault in every family is written once and noted for each, by :func:`note_common`.
* Documents are about the traveller of the payload, so that a fault is all that differs.
* A key that is withdrawn was made for that, so that nobody else's codes go down with it.
* Keys made here follow from the issuer's seed; the same issuer makes the same faults.

    faults = Catalogue(Family.SHC)
    note_common(faults, "shc")                                    # shc-revoked, shc-expired, …
    document = document_for(issuer, Family.SHC, payload, now)     # without fault, to be changed and sealed
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from issuer.certificates import OPAQUE_BYTES, Person, complete, of_test, uvci
from issuer.documents import USUAL, Facts, document_of
from issuer.errors import IssuerError
from issuer.families import ALGORITHMS, domain_of
from issuer.faults.base import Catalogue, Code, Payload
from issuer.keys import Algorithm, EcdsaKey, generate
from issuer.office import TEST, YEAR, Issuer
from issuer.sealing import Signer, seal_document
from issuer.seed import Stream
from verifier.certificate import NOT_DETECTED, Family
from verifier.reasons import Reason, State

Sign = Callable[[bytes], bytes]
_DAY = timedelta(days=1)


# --- Documents and keys


def document_for(
    issuer: Issuer,
    family: Family,
    payload: Payload,
    now: datetime,
    *,
    signer: Signer | None = None,
    facts: Facts = USUAL,
) -> dict[str, Any]:
    """The family's document without fault, issued now and good for a year where it says so.

    signer: by whose name it goes, ``None`` for the issuer's own. The identifier is the same in all of them;
    what is to be revoked by it comes from ``issuer.issue`` and has one of its own.
    """
    whole = complete(payload, uvci(issuer.country, hashlib.sha256(b"faults").digest()[:OPAQUE_BYTES]))
    return document_of(
        family,
        whole,
        (signer or issuer.signer(domain_of(family))).issuer,
        country=issuer.country,
        issued_at=now,
        expires_at=now + YEAR,
        facts=facts,
    )


def swab(
    issuer: Issuer, payload: Payload, now: datetime, *, result: str = NOT_DETECTED, age: timedelta = _DAY / 4
) -> dict[str, Any]:
    """A test of the payload's traveller. age: how long before now the sample was taken."""
    tested = of_test(Person("", "", ""), country=issuer.country, sampled=now - age, result=result)
    return tested | {"nam": payload["nam"], "dob": payload["dob"]}


def key_for(issuer: Issuer, label: str) -> EcdsaKey:
    """A key on P-256 that is on no list."""
    key = generate(Algorithm.ES256, Stream(issuer.registry.fact("seed").encode(), f"fault/{label}"))
    assert isinstance(key, EcdsaKey)
    return key


# --- Changes


def written(value: Any) -> str:
    """JSON without blanks, as the families' encoders write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def reversed_members(value: Any) -> Any:
    """The same value with the members of every object in the opposite order."""
    if isinstance(value, Mapping):
        return {name: reversed_members(member) for name, member in reversed(list(value.items()))}
    return [reversed_members(item) for item in value] if isinstance(value, list) else value


def other_birth_year(text: str, payload: Payload) -> str:
    """The text of a document with another last digit in the year of the traveller's birth."""
    born = str(payload["dob"])
    if len(born) < 4 or f'"{born}"' not in text:
        raise IssuerError("this fault changes the birth year, so the payload must have one")
    return text.replace(f'"{born}"', f'"{born[:3]}{(int(born[3]) + 1) % 10}{born[4:]}"')


def other_bit(signature: bytes) -> bytes:
    """A signature with one bit changed."""
    return bytes([signature[0] ^ 1]) + signature[1:]


def in_der(signature: bytes) -> bytes:
    """A raw ECDSA signature in the form that X.509 writes it in."""
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    return encode_dss_signature(r, s)


def with_public_key(signer: Signer) -> Sign:
    """HMAC under the signer's public key: the classic trick against whoever takes the header's word."""
    spki = signer.key.spki()
    return lambda data: hmac.digest(spki, data, "sha256")


# --- Faults of every family


def note_common(
    faults: Catalogue, prefix: str, *, unlisted: Reason = Reason.KEY_UNKNOWN, times: bool = True
) -> None:
    """Note the faults that ask nothing of a family but its name.

    unlisted: what a signer is whom nobody vouches for. times: whether documents of the family say since when
    and until when they hold.
    """
    family = faults.family

    @faults.add(f"{prefix}-key-not-listed", State.FAIL, unlisted)
    def key_not_listed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Signed by a key that stands on no list, and is else as it should be."""
        domain = domain_of(family)
        signer = issuer.unlisted_signer(ALGORITHMS[domain][0], "key-not-listed", now, domain=domain)
        document = document_for(issuer, family, payload, now, signer=signer)
        return seal_document(family, document, signer, issued_at=now, expires_at=now + YEAR).code

    @faults.add(f"{prefix}-key-of-test-environment", State.FAIL, Reason.KEY_TEST)
    def key_of_test_environment(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Signed by the key of the issuer's test environment: a sample."""
        return _issued(issuer, payload, now, environment=TEST)

    @faults.add(f"{prefix}-key-withdrawn", State.FAIL, Reason.KEY_WITHDRAWN)
    def key_withdrawn(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Signed by a key that was withdrawn since; shows once the list is published and synced."""
        row = issuer.rotate(now=now, domain=domain_of(family))
        code = _issued(issuer, payload, now, kid=row.kid)
        with issuer.registry.change():
            issuer.withdraw(row, now)
        return code

    @faults.add(f"{prefix}-revoked", State.FAIL, Reason.REVOKED)
    def revoked(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Issued in good order and revoked by its own identifier; shows once that is published and synced."""
        issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR, family=family)
        issuer.revoke(issued.uvci)
        return issued.code

    def _issued(issuer: Issuer, payload: Payload, now: datetime, **options: Any) -> Code:
        times = {"issued_at": now, "expires_at": now + YEAR}
        return issuer.issue(payload, family=family, **times | options).code

    if not times:
        return

    @faults.add(f"{prefix}-expired", State.FAIL, Reason.EXPIRED)
    def expired(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Issued sixty days ago, expired yesterday."""
        return _issued(issuer, payload, now, issued_at=now - 60 * _DAY, expires_at=now - _DAY)

    @faults.add(f"{prefix}-issued-tomorrow", State.FAIL, Reason.NOT_YET_VALID)
    def issued_tomorrow(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        """Issued a day ahead of the clock."""
        return _issued(issuer, payload, now, issued_at=now + _DAY, expires_at=now + YEAR)
