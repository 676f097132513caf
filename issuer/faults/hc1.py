"""Faults of EU DCC codes (``HC1:``), and of the container that LT1, AT1, DDCC and ICVP share with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import cbor2

from issuer.certificates import complete, uvci
from issuer.errors import IssuerError
from issuer.faults.base import Catalogue, Payload
from issuer.keys import Algorithm
from issuer.office import TEST, YEAR, Issuer
from issuer.sealing import seal_document
from verifier.certificate import Family
from verifier.reasons import Reason, State
from verifier.trust import HashKind
from verifier.wire import cose
from verifier.wire.envelope import Envelope
from verifier.wire.hc1 import open_hcert, pack

faults = Catalogue(Family.HC1)


@faults.add("payload-changed", State.FAIL, Reason.SIG_BAD)
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


@faults.add("key-not-listed", State.FAIL, Reason.KEY_UNKNOWN)
def key_not_listed(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Signed by a key with a good certificate that stands on no list."""
    signer = issuer.unlisted_signer(Algorithm.ES256, "key-not-listed", now)
    whole = complete(payload, uvci(issuer.country, b"key not listed!"))
    return seal_document(Family.HC1, whole, signer, issued_at=now, expires_at=now + YEAR).text


@faults.add("key-of-test-environment", State.FAIL, Reason.KEY_TEST)
def key_of_test_environment(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Signed by the key of the issuer's test environment: a sample."""
    return issuer.issue(payload, issued_at=now, expires_at=now + YEAR, environment=TEST).text


@faults.add("without-expiry", State.CHECK, Reason.NO_EXPIRY)
def without_expiry(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Says nothing about when it expires."""
    return issuer.issue(payload, issued_at=now, expires_at=None).text


@faults.add("expired", State.FAIL, Reason.EXPIRED)
def expired(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued sixty days ago, expired yesterday."""
    return issuer.issue(payload, issued_at=now - timedelta(days=60), expires_at=now - timedelta(days=1)).text


@faults.add("issued-tomorrow", State.FAIL, Reason.NOT_YET_VALID)
def issued_tomorrow(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued a day ahead of the clock."""
    tomorrow = now + timedelta(days=1)
    return issuer.issue(payload, issued_at=tomorrow, expires_at=tomorrow + YEAR).text


@faults.add("revoked", State.FAIL, Reason.REVOKED)
def revoked(issuer: Issuer, payload: Payload, now: datetime) -> str:
    """Issued in good order and revoked by its identifier; shows once the list is published and synced."""
    issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR)
    issuer.revoke(issued.uvci, HashKind.UCI)
    return issued.text
