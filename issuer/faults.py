"""Faults on purpose: the issuer's own chain with one step broken, each named for its fault.

The rules this module keeps:

* One fault, one function, one broken step. Everything else about the code is as it should be.
* A fault says what a verifier must answer, so that the answer can be compared.
* What is made here looks real. Nothing in this module is ever called by ``issue`` without its name.

    fault = FAULTS["payload-changed"]
    fault.expect_state, fault.expect_reason      # FAIL, SIG_BAD
    fault.make(issuer, payload, now)             # the text of the broken code
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import cbor2
from PIL import Image, ImageDraw

from issuer.certificates import complete, uvci
from issuer.errors import IssuerError
from issuer.keys import Algorithm
from issuer.office import TEST, YEAR, Issuer
from issuer.sealing import seal_document
from verifier.certificate import Family
from verifier.reasons import Reason, State
from verifier.trust import HashKind
from verifier.wire import cose
from verifier.wire.envelope import Envelope
from verifier.wire.hc1 import open_hcert, pack

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault. family: of the document. about: one line for people.

    expect_reason: ``None`` for an oddity that must be accepted. make: the text of the code, from an issuer,
    a payload without fault, and the clock.
    """

    name: str
    family: str
    expect_state: State
    expect_reason: Reason | None
    about: str
    make: Callable[[Issuer, Payload, datetime], str]


def payload_changed(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Signed, then the last digit of the birth year changed: one byte of the payload."""
    text = issuer.issue(payload, issued_at=now, expires_at=now + YEAR).text
    envelope = open_hcert(text)
    return _packed(envelope, _other_birth_year(envelope.payload))


def _other_birth_year(signed: bytes) -> bytes:
    """The payload with another last digit in the year of its ``dob``; still the same CBOR structure."""
    at = signed.find(cbor2.dumps("dob"))
    place = at + len(cbor2.dumps("dob")) + 1 + 3  # key, length of the value, three digits of the year
    digit = signed[place : place + 1]
    if at < 0 or not digit.isdigit():
        raise IssuerError("this fault changes the birth year, so the payload must have one")
    return signed[:place] + str((int(digit) + 1) % 10).encode() + signed[place + 1 :]


def _packed(envelope: Envelope, payload: bytes) -> str:
    """``HC1:`` text of an envelope with another payload and the signature of the old one."""
    forged = replace(envelope, payload=payload)
    array = [forged.protected, {}, forged.payload, forged.signature]
    return pack(cbor2.dumps(cbor2.CBORTag(cose.TAG_SIGN1, array)))


def key_not_listed(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Signed by a key with a good certificate that stands on no list."""
    signer = issuer.unlisted_signer(Algorithm.ES256, "key-not-listed", now)
    whole = complete(payload, uvci(issuer.country, b"key not listed!"))
    return seal_document(Family.HC1, whole, signer, issued_at=now, expires_at=now + YEAR).text


def key_of_test_environment(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Signed by the key of the issuer's test environment: a sample."""
    return issuer.issue(payload, issued_at=now, expires_at=now + YEAR, environment=TEST).text


def without_expiry(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Says nothing about when it expires."""
    return issuer.issue(payload, issued_at=now, expires_at=None).text


def expired(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued sixty days ago, expired yesterday."""
    return issuer.issue(payload, issued_at=now - timedelta(days=60), expires_at=now - timedelta(days=1)).text


def issued_tomorrow(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued a day ahead of the clock."""
    tomorrow = now + timedelta(days=1)
    return issuer.issue(payload, issued_at=tomorrow, expires_at=tomorrow + YEAR).text


def revoked(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued in good order and revoked by its identifier; shows once the list is published and synced."""
    issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
    issuer.revoke(issued.uvci, HashKind.UCI)
    return issued.text


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "payload-changed",
            "HC1",
            State.FAIL,
            Reason.SIG_BAD,
            "one byte of the payload changed after signing",
            payload_changed,
        ),
        Fault(
            "key-not-listed",
            "HC1",
            State.FAIL,
            Reason.KEY_UNKNOWN,
            "signed by a key that is on no list",
            key_not_listed,
        ),
        Fault(
            "key-of-test-environment",
            "HC1",
            State.FAIL,
            Reason.KEY_TEST,
            "a sample, signed by a key of the test environment",
            key_of_test_environment,
        ),
        Fault("expired", "HC1", State.FAIL, Reason.EXPIRED, "expired yesterday", expired),
        Fault(
            "issued-tomorrow",
            "HC1",
            State.FAIL,
            Reason.NOT_YET_VALID,
            "issued a day ahead of the clock",
            issued_tomorrow,
        ),
        Fault(
            "revoked", "HC1", State.FAIL, Reason.REVOKED, "on the revocation list by its identifier", revoked
        ),
        Fault(
            "without-expiry",
            "HC1",
            State.CHECK,
            Reason.NO_EXPIRY,
            "does not say when it expires",
            without_expiry,
        ),
    )
}


def blot(png: bytes) -> bytes:
    """The picture of a code with a stain over its middle: its corners are found, nothing of it is read."""
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    # 0.7 of each side: far beyond what level Q repairs (a quarter), and clear of the three corner marks.
    stain = tuple(side * part for part in (0.15, 0.85) for side in (width, height))
    ImageDraw.Draw(picture).ellipse(stain, fill=(92, 64, 44))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
