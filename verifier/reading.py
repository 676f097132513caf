"""What a code says and which checks it meets, each on its own: a report for integrators.

A Reading is not a verdict and not a Certificate. It answers every check wherever its inputs exist, also
when another one failed: an expired code with a bad signature is reported as both. The claims that it shows
are unproven unless ``signature`` is true.

    reading = read_checks("HC1:…", trust=trust, now=now)
    reading.checks.signature, reading.checks.time_valid      # True, False
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier.assessment import OpenedCode, open_code, revocation_entries, scopes_of
from verifier.certificate import Family
from verifier.keys import AlgorithmRefusedError, KeyRefusedError, load_spki
from verifier.times import is_ahead, is_over
from verifier.trust import HashKind, NoRevocation, TrustedKey, TrustList
from verifier.wire import dcc, dcc_schema, dispatch, hc1
from verifier.wire.cose import Envelope
from verifier.wire.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Checks:
    """Each check by itself; ``None``: not made, or it has no meaning here. Never read as passed."""

    picture: bool | None = None
    decode: bool | None = None
    signature: bool | None = None
    time_valid: bool | None = None
    key_usage: bool | None = None
    schema: bool | None = None
    chain: bool | None = None
    revoked: bool | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """A report on one code.

    kid: as sent. signer: the key that verified. issuer: the ``iss`` claim. document: the payload as decoded,
    whoever signed it; a person's data.
    """

    checks: Checks
    kid: bytes | None = None
    signer: TrustedKey | None = None
    issuer: str | None = None
    document: Mapping[str, Any] | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None


_SIGNED = frozenset(dispatch.HCERT.values())  # families whose signature is verified here


def read_checks(code: str | bytes | OpenedCode, *, trust: TrustList, now: datetime | None) -> Reading:
    """Report on one code; never raises for any text. Arguments as for ``assess``."""
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    family, envelope = opened.family, opened.envelope
    if envelope is None or family is None:
        return Reading(Checks(decode=False, signature=False if trust.keys and family in _SIGNED else None))
    signer, signature = _signature(envelope, trust)
    try:
        claims = hc1.decode_claims(envelope.payload)
    except MalformedError:
        return Reading(Checks(decode=False, signature=signature), kid=envelope.kid, signer=signer)
    document = claims.hcert.get(hc1.EU_DCC)
    readable = isinstance(document, Mapping)
    checks = Checks(
        decode=readable,
        signature=signature,
        time_valid=_time_valid(claims, now),
        key_usage=_key_usage(family, document, signer, trust) if readable else None,
        schema=dcc_schema.conforms(document) if readable and family is Family.HC1 else None,
        revoked=_revoked(_entries(document, claims.issuer, envelope, signer), signer, trust, now)
        if signer
        else None,
    )
    return Reading(
        checks,
        kid=envelope.kid,
        signer=signer,
        issuer=claims.issuer,
        document=document if readable else None,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
    )


def _signature(envelope: Envelope, trust: TrustList) -> tuple[TrustedKey | None, bool | None]:
    if not trust.keys:
        return None, None
    if envelope.alg is None:
        return None, False
    for key in trust.candidates(envelope.kid or b""):
        try:
            if load_spki(key.spki).verify(envelope.alg, envelope.signature, envelope.to_be_signed):
                return key, True
        except (KeyRefusedError, AlgorithmRefusedError):
            continue
    return None, False


def _time_valid(claims: hc1.Claims, now: datetime | None) -> bool | None:
    if now is None:
        return None
    if claims.bad_time:
        return False
    if claims.issued_at is None and claims.expires_at is None:
        return None
    begun = claims.issued_at is None or not is_ahead(claims.issued_at, now)
    over = claims.expires_at is not None and is_over(claims.expires_at, now)
    return begun and not over


def _key_usage(family: Family, document: Any, signer: TrustedKey | None, trust: TrustList) -> bool | None:
    """For the key that verified; where none did, for any of the certificates that were given by hand."""
    given = [] if trust.signed_at else [key for same in trust.keys.values() for key in same]
    keys: Iterable[TrustedKey] = [signer] if signer else given
    keys = [key for key in keys if key.certificate is not None]
    if not keys:
        return None
    if family is Family.AT1:  # signed by keys of its own, which carry none of the usages
        return any(key.uses is None for key in keys)
    letters = dcc.event_letters(document)
    return any(key.uses is None or letters <= key.uses for key in keys)


def _revoked(
    entries: Iterable[tuple[HashKind, bytes]], signer: TrustedKey, trust: TrustList, now: datetime | None
) -> bool | None:
    if isinstance(trust.revocation, NoRevocation):
        return None
    scopes = scopes_of(signer)
    if any(trust.revocation.holds(scope, kind, digest) for kind, digest in entries for scope in scopes):
        return True
    # not found in data that is not all there is no answer
    return None if now and any(trust.revocation.gap(scope, now) for scope in scopes) else False


def _entries(
    document: Any, issuer: str | None, envelope: Envelope, signer: TrustedKey
) -> Iterable[tuple[HashKind, bytes]]:
    try:
        events = dcc.read_payload(document).events
    except MalformedError:
        events = ()
    return revocation_entries(events, issuer, envelope.signature, load_spki(signer.spki))
