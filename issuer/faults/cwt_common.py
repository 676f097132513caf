"""The faults that every CWT family can have, each written once and noted for every family.

The rules this module keeps:

* A fault is a function of the family. Its name begins with the family's, but for HC1, whose names came first.
* Only what the fault says is broken; what it asks of a family is what every one of them has.
* A code that is to be revoked says something that no other code says, since it may be its signature that
  revokes it.

    faults = Catalogue(Family.LT1)
    note_common(faults)                   # lt1-payload-changed, lt1-signature-changed, …
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cbor2

from issuer.errors import IssuerError
from issuer.families import domain_of
from issuer.faults.base import Catalogue, Code, Make, Payload
from issuer.faults.cwt import code, listed_signer, with_members, without
from issuer.keys import Algorithm
from issuer.office import TEST, YEAR, Issuer
from issuer.seed import derive
from verifier.certificate import Family
from verifier.families import EXPIRING
from verifier.reasons import Reason, State
from verifier.trust import Domain, KeyStatus
from verifier.wire import cose, hc1

HMAC_256 = 5  # COSE: a sum that whoever can verify can make
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAMILIES = (Family.HC1, Family.LT1, Family.AT1, Family.DDCC, Family.ICVP, Family.NZCP)
_COMPRESSED = frozenset(FAMILIES) - {Family.NZCP}
_BOMB = 1 << 20  # bytes; they deflate to a thousandth

_MakeFor = Callable[[Family, Issuer, Payload, datetime], Code]


@dataclass(frozen=True, slots=True)
class _Common:
    """A fault of these families."""

    name: str
    state: State
    reason: Reason
    families: frozenset[Family]
    make: _MakeFor


_ROWS: list[_Common] = []


def note_common(faults: Catalogue) -> None:
    """Note the faults that the catalogue's family can have."""
    family = faults.family
    prefix = "" if family is Family.HC1 else f"{family.lower()}-"
    for row in _ROWS:
        if family in row.families:
            faults.add(prefix + row.name, row.state, row.reason)(_of(family, row.make))


def _of(family: Family, make: _MakeFor) -> Make:
    def made(issuer: Issuer, payload: Payload, now: datetime) -> Code:
        return make(family, issuer, payload, now)

    made.__doc__ = make.__doc__
    return made


def _common(
    name: str, state: State, reason: Reason, families: frozenset[Family] = frozenset(FAMILIES)
) -> Callable[[_MakeFor], _MakeFor]:
    """Note the function below as the maker of this fault for these families."""

    def noted(make: _MakeFor) -> _MakeFor:
        _ROWS.append(_Common(name, state, reason, families, make))
        return make

    return noted


# --- What is signed, and by whom


@_common("payload-changed", State.FAIL, Reason.SIG_BAD)
def payload_changed(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed, then the last digit of the birth year changed: one byte of the payload."""
    name = "birthDate" if family is Family.DDCC else "dob"
    return code(
        family,
        issuer,
        payload,
        now,
        array=lambda four: [*four[:2], _other_birth_year(four[2], name), four[3]],
    )


def _other_birth_year(signed: bytes, name: str) -> bytes:
    """The payload with another last digit in the year of its birth date; still the same CBOR structure."""
    key = cbor2.dumps(name)
    at = signed.find(key)
    place = at + len(key) + 1 + 3  # key, length of the value, three digits of the year
    digit = signed[place : place + 1]
    if at < 0 or not digit.isdigit():
        raise IssuerError("this fault changes the birth year, so the payload must have one")
    return signed[:place] + str((int(digit) + 1) % 10).encode() + signed[place + 1 :]


@_common("signature-changed", State.FAIL, Reason.SIG_BAD)
def signature_changed(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last bit of its signature is the other one."""
    return code(family, issuer, payload, now, signature=lambda signed: signed[:-1] + bytes((signed[-1] ^ 1,)))


@_common("signed-by-forger", State.FAIL, Reason.SIG_BAD)
def signed_by_forger(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a key of somebody's own under the KID of a listed one."""
    domain = domain_of(family)
    own = issuer.unlisted_signer(Algorithm.ES256, "forger", now, domain=domain)
    return code(family, issuer, payload, now, signer=replace(issuer.signer(domain), key=own.key))


@_common("key-not-listed", State.FAIL, Reason.KEY_UNKNOWN)
def key_not_listed(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a key that is as it should be, and stands on no list."""
    signer = issuer.unlisted_signer(Algorithm.ES256, "not-listed", now, domain=domain_of(family))
    return code(family, issuer, payload, now, signer=signer)


@_common("key-of-test-environment", State.FAIL, Reason.KEY_TEST)
def key_of_test_environment(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by the key of the issuer's test environment: a sample."""
    signer = issuer.signer(domain_of(family), environment=TEST)
    return code(family, issuer, payload, now, signer=signer)


@_common("key-of-another-domain", State.FAIL, Reason.KEY_USAGE)
def key_of_another_domain(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed key of the same issuer that is for documents of another world."""
    own = domain_of(family)
    other = issuer.signer(Domain.LT1 if own is Domain.HCERT else Domain.HCERT)
    return code(family, issuer, payload, now, signer=replace(other, issuer=issuer.signer(own).issuer))


@_common("key-withdrawn", State.FAIL, Reason.KEY_WITHDRAWN)
def key_withdrawn(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a key that the issuer has withdrawn since."""
    signer = listed_signer(issuer, "withdrawn", now, domain=domain_of(family), status=KeyStatus.WITHDRAWN)
    return code(family, issuer, payload, now, signer=signer)


# --- When, and whether still


@_common("without-expiry", State.CHECK, Reason.NO_EXPIRY, EXPIRING & frozenset(FAMILIES))
def without_expiry(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says nothing about when it expires."""
    return code(family, issuer, payload, now, claims=without(hc1.CLAIM_EXP))


@_common("expired", State.FAIL, Reason.EXPIRED)
def expired(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued three days ago, expired yesterday."""
    return code(family, issuer, payload, now, issued_at=now - 3 * DAY, expires_at=now - DAY)


@_common("issued-tomorrow", State.FAIL, Reason.NOT_YET_VALID)
def issued_tomorrow(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued a day ahead of the clock."""
    return code(family, issuer, payload, now, issued_at=now + DAY)


@_common("revoked", State.FAIL, Reason.REVOKED)
def revoked(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued in good order and revoked, by its identifier if it has one, else by its signature."""
    # an hour ago: where there is no identifier, no other code may have this signature
    issued = issuer.issue(payload, issued_at=now - HOUR, expires_at=now + YEAR, family=family)
    issuer.revoke(issued.uvci)
    return issued.code


# --- Headers, and the bytes round everything


@_common("algorithm-hs256", State.FAIL, Reason.ALG_REFUSED)
def algorithm_hs256(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names HMAC as its algorithm, and the listed public key is what it was made with."""
    secret = issuer.signer(domain_of(family)).key.spki()
    return code(
        family,
        issuer,
        payload,
        now,
        protected=with_members({cose.HEADER_ALG: HMAC_256}),
        sign=lambda data: hmac.digest(secret, data, hashlib.sha256),
    )


@_common("without-kid", State.FAIL, Reason.MALFORMED)
def without_kid(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names no key at all."""
    return code(family, issuer, payload, now, protected=without(cose.HEADER_KID))


@_common("encoding-broken", State.FAIL, Reason.MALFORMED)
def encoding_broken(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its last character is none of the alphabet."""
    return code(family, issuer, payload, now, text=lambda text: text[:-1] + "#")


@_common("cut-short", State.FAIL, Reason.MALFORMED)
def cut_short(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The second half of the text is missing."""
    return code(family, issuer, payload, now, text=lambda text: text[: len(text) // 2])


@_common("too-long", State.FAIL, Reason.TOO_BIG)
def too_long(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Longer than the largest symbol, by a claim that nobody asks for."""
    ballast = derive(b"", "ballast", 3200)  # bytes that do not get smaller
    return code(family, issuer, payload, now, claims=with_members({"x": ballast}))


@_common("bomb", State.FAIL, Reason.TOO_BIG, _COMPRESSED)
def bomb(family: Family, issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Inflates to a megabyte."""
    return code(family, issuer, payload, now, claims=with_members({"x": bytes(_BOMB)}))
