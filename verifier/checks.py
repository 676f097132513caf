"""What may be held against a signer and a document, each check by itself: pure functions that give Findings.

The rules this module keeps:

* A check gets what it needs as arguments and says only what it found; whether it is asked at all, and when,
  is the business of :mod:`verifier.steps`.
* No finding means that the check was made and passed.
* What a document says about time is judged by what a clock in this state can prove, see
  :mod:`verifier.times`.

    issuer_findings(claims.issuer, signer)       # [Finding(ISSUER_MISMATCH, …)]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import assert_never

from verifier.certificate import (
    DETECTED,
    NOT_DETECTED,
    Event,
    Exemption,
    Payload,
    Prophylaxis,
    Recovery,
    Test,
    Vaccination,
)
from verifier.countries import alpha2
from verifier.keys import VerificationKey
from verifier.reasons import Finding, Reason, State, finding
from verifier.recognition import RecognitionClass
from verifier.times import EASTERNMOST, SAMPLE_SKEW, WESTERNMOST, TimeBounds, is_ahead, is_over, told, written
from verifier.trust import (
    Authority,
    ClockState,
    Domain,
    HashKind,
    KeyStatus,
    ListState,
    Revocation,
    TrustedKey,
    TrustList,
    country_scope,
)
from verifier.vocabulary import YELLOW_FEVER
from verifier.wire.envelope import Claims


def status_findings(
    signer: TrustedKey,
    authority: Authority | None,
    trust: TrustList,
    now: datetime | None,
    *,
    issued_at: datetime | None,
    to_be_signed: bytes,
) -> list[Finding]:
    """Whether the list still vouches for the signer of this document, and for the CSCA above it.

    A signer may be distrusted altogether, or for what is issued from an instant on: a document that does not
    say when it was issued then counts as later. Either way its publisher may list what it really issued
    (``HashKind.ALLOWED``), and what stands there is accepted. Where that list is over, or missing on this
    unit, a document that is not found in it may still be good: CHECK.
    """
    if authority is not None and authority.status is KeyStatus.WITHDRAWN:
        return [finding(Reason.KEY_WITHDRAWN, "the CSCA above it")]
    distrust = _distrust(signer, issued_at)
    if distrust is None:
        return []
    if signer.allowed:
        if trust.revocation.holds(signer.kid, HashKind.ALLOWED, allowed_digest(to_be_signed)):
            return []
        unchecked = gap_findings([signer.kid], trust, now)
        if unchecked:
            return unchecked
    return [finding(Reason.KEY_WITHDRAWN, distrust)]


def _distrust(signer: TrustedKey, issued_at: datetime | None) -> str | None:
    """Why a document of this instant is not vouched for, for integrators; ``None`` when it is."""
    if signer.status is KeyStatus.WITHDRAWN:
        return ""
    begin = signer.reject_from
    if begin is None or (issued_at is not None and issued_at < begin):
        return None
    if issued_at is None:
        return f"refused from {written(begin)} on, and no instant of issue"
    return f"refused from {written(begin)} on"


def allowed_digest(to_be_signed: bytes) -> bytes:
    """The entry by which a publisher vouches for one certificate of a key that it withdrew.

    to_be_signed: exactly what the signature covers. The hash of the signature's r, which revokes, would not
    do: a thief of the key takes one genuine certificate, computes its nonce, and signs any other text with
    the same r.
    """
    return hashlib.sha256(to_be_signed).digest()[:16]


def issuer_findings(issuer: str | None, signer: TrustedKey, *, owners: bool = False) -> list[Finding]:
    """Whether the issuer that a document names is the owner of the key.

    owners: whether documents of the family name the owner as lists do; then by that name, to the letter. Else
    by country, where ``iss`` is a country code at all (pitfall 15).
    """
    if owners:
        named = signer.issuer is None or issuer == signer.issuer
        return [] if named else [finding(Reason.ISSUER_MISMATCH, "not the key's owner")]
    if issuer == signer.country:
        return []
    claimed, owner = alpha2(issuer), alpha2(signer.country)
    if claimed is None or owner is None or claimed == owner or claimed in signer.also_for:
        return []
    return [finding(Reason.ISSUER_MISMATCH, f"iss {claimed}, key of {owner}")]


def letters_of(events: Sequence[Event]) -> frozenset[str]:
    """The events by the letters of key usage: ``v``, ``t``, ``r`` as in a DCC, ``e`` and ``p`` for what it
    lacks.
    """
    return frozenset(_letter(event) for event in events)


def _letter(event: Event) -> str:
    match event:
        case Vaccination():
            return "v"
        case Test():
            return "t"
        case Recovery():
            return "r"
        case Exemption():
            return "e"
        case Prophylaxis():
            return "p"
        case _:
            assert_never(event)


def usage_findings(signer: TrustedKey, domain: Domain, events: Sequence[Event]) -> list[Finding]:
    """Whether the key may sign in this domain, and events of these kinds."""
    if signer.domain not in (None, domain):
        return [finding(Reason.KEY_USAGE, f"a key for {signer.domain}, not for {domain}")]
    if signer.uses is None:
        return []
    signed = letters_of(events)
    if signer.uses and signed <= signer.uses:
        return []
    if not signer.uses:
        return [finding(Reason.KEY_USAGE, "a key that may sign nothing")]
    told = ", ".join(sorted(signed))
    return [finding(Reason.KEY_USAGE, f"signs {told}; allowed {', '.join(sorted(signer.uses))}")]


def period_findings(
    signer: TrustedKey, authority: Authority | None, issued_at: datetime | None, time: TimeBounds
) -> list[Finding]:
    """Issued inside the key's period, and still inside it now (SC-K12); inside the CSCA's too, if any."""
    begin, end = signer.not_before, signer.not_after
    if issued_at is not None and ((begin and issued_at < begin) or (end and issued_at > end)):
        return [finding(Reason.KEY_PERIOD, "issued outside the key's period")]
    for one in (signer, authority):
        if one is None:
            continue
        if time.latest is not None and one.not_before and time.latest < one.not_before:
            return [finding(Reason.KEY_PERIOD, "the key's period has not begun")]
        if time.earliest is not None and one.not_after and time.earliest > one.not_after:
            return [finding(Reason.KEY_EXPIRED, f"on {one.not_after:%Y-%m-%d}")]
    return []


def time_findings(claims: Claims, time: TimeBounds) -> list[Finding]:
    """Whether the document is over, or has not begun."""
    found = []
    exp, iat, nbf = claims.expires_at, claims.issued_at, claims.not_before
    if exp is not None and time.earliest is not None and is_over(exp, time.earliest):
        found.append(finding(Reason.EXPIRED, f"on {exp:%Y-%m-%d}"))
    if time.latest is not None:
        if iat is not None and is_ahead(iat, time.latest):
            found.append(finding(Reason.NOT_YET_VALID, "issued in the future"))
        elif nbf is not None and is_ahead(nbf, time.latest):
            found.append(finding(Reason.NOT_YET_VALID, f"holds from {nbf:%Y-%m-%d}"))
    return found


def revocation_entries(
    payload: Payload | None, issuer: str | None, signature: bytes, key: VerificationKey
) -> list[tuple[HashKind, bytes]]:
    """Every hash under which this certificate may have been revoked: the first 16 bytes of SHA-256.

    The country is the event's and the issuer's, since publishers differ. Of an ECDSA signature only r is
    hashed: its twin (r, n-s) verifies as well and must not slip through.
    """
    entries = []
    for event in payload.events if payload else ():
        identifier, country = event.identifier, event.country
        if not identifier:
            continue
        entries.append((HashKind.UCI, entry_digest(identifier)))
        if country:
            entries.append((HashKind.COUNTRYCODEUCI, entry_digest(country + identifier)))
        if issuer and issuer != country:
            entries.append((HashKind.COUNTRYCODEUCI, entry_digest(issuer + identifier)))
    for kind, identifier in payload.identifiers if payload else ():
        entries.append((kind, entry_digest(identifier)))
    signed = signature[: len(signature) // 2] if key.curve else signature
    entries.append((HashKind.SIGNATURE, hashlib.sha256(signed).digest()[:16]))
    return entries


def entry_digest(text: str) -> bytes:
    """The revocation entry of an identifier, exactly as it is written."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def scopes_of(key: TrustedKey) -> list[bytes]:
    """Where entries against certificates of this key may stand: under its KID, or under its country."""
    return [key.kid, country_scope(key.country)] if key.country else [key.kid]


_ALSO_BY_INSTANT = frozenset({HashKind.RID, HashKind.FHIR})


def revoked_by(
    entries: Sequence[tuple[HashKind, bytes]],
    scopes: Sequence[bytes],
    revocation: Revocation,
    issued_at: datetime | None,
) -> HashKind | None:
    """The kind of entry that revokes a certificate; ``None`` when no entry does.

    scopes: of its key, see :func:`scopes_of`.
    """
    listed = [(scope, kinds) for scope in scopes if (kinds := revocation.kinds(scope))]
    for kind, digest in entries if listed else ():
        for scope, kinds in listed:
            if kind in kinds and revocation.holds(scope, kind, digest):
                return kind
        if kind in _ALSO_BY_INSTANT:
            limits = [revocation.before(scope, digest) for scope in scopes]
            if any(limit is not None and (issued_at is None or issued_at < limit) for limit in limits):
                return HashKind.RID_BEFORE
    return None


def revocation_findings(
    entries: Sequence[tuple[HashKind, bytes]],
    scopes: Sequence[bytes],
    trust: TrustList,
    issued_at: datetime | None,
    now: datetime | None,
) -> list[Finding]:
    """Whether a certificate is revoked, and whether that could be looked up. scopes: of its key."""
    kind = revoked_by(entries, scopes, trust.revocation, issued_at)
    if kind is not None:
        return [finding(Reason.REVOKED, f"by {kind.name.lower()}")]
    return gap_findings(scopes, trust, now)


def gap_findings(scopes: Sequence[bytes], trust: TrustList, now: datetime | None) -> list[Finding]:
    """Whether what was looked up under these scopes can be relied on at ``now``."""
    for scope in scopes:
        gap = trust.revocation.gap(scope, now)
        if gap is not None:
            return [finding(Reason.REVOCATION_UNCHECKED, gap)]
    return []


def event_findings(event: Event, time: TimeBounds) -> list[Finding]:
    """What an event says against its own certificate, whatever the rules are."""
    match event:
        case Vaccination():
            # against yellow fever for life since 11 July 2016, whatever an older paper says (IHR Annex 7)
            end = None if event.disease == YELLOW_FEVER else event.valid_until
            return _ahead(event.given, "the dose", time) + _own_period(event.valid_from, end, time)
        case Prophylaxis():
            own = _own_period(event.valid_from, event.valid_until, time)
            return _ahead(event.given, "the dose", time) + own
        case Recovery():
            # from when it counts is a rule's matter
            own = _own_period(None, event.valid_until, time)
            return _ahead(event.first_positive, "the first positive test", time) + own
        case Exemption():
            return _own_period(None, event.valid_until, time)
        case Test():
            return _test(event, time)
        case _:
            assert_never(event)


def _ahead(day: date | None, what: str, time: TimeBounds) -> list[Finding]:
    if time.latest is None or day is None or day <= time.latest.astimezone(time.zone).date():
        return []
    return [finding(Reason.NOT_YET_VALID, f"{what} lies in the future")]


def _own_period(begin: date | None, end: date | None, time: TimeBounds) -> list[Finding]:
    """The period that the holder's own paper states, both days included."""
    if end is not None and time.earliest is not None and time.earliest.astimezone(time.zone).date() > end:
        return [finding(Reason.EXPIRED, "by the holder's own paper")]
    if begin is not None and time.latest is not None and time.latest.astimezone(time.zone).date() < begin:
        return [finding(Reason.TOO_SOON, f"valid from {begin:%d/%m/%Y}", State.CHECK)]
    return []


def _test(event: Test, time: TimeBounds) -> list[Finding]:
    found = []
    if event.result == DETECTED:
        found.append(finding(Reason.TEST_POSITIVE))
    elif event.result != NOT_DETECTED:
        found.append(finding(Reason.VALUE_UNKNOWN, "result code"))
    if time.latest is not None and event.sampled is not None:
        found += _sample_time(event.sampled, time.latest)
    return found


def _sample_time(sampled: datetime, now: datetime) -> list[Finding]:
    """Whether a sample was taken in the future; without an offset, wherever on earth it was (SC-T13)."""
    zones = (EASTERNMOST, WESTERNMOST)
    may_be = [sampled] if sampled.tzinfo else [sampled.replace(tzinfo=zone) for zone in zones]
    ahead = {instant > now + SAMPLE_SKEW for instant in may_be}
    if ahead == {True}:
        return [finding(Reason.TEST_FUTURE)]
    return [finding(Reason.TIME_ZONE_UNKNOWN)] if True in ahead else []


def recognition_findings(recognised: RecognitionClass) -> list[Finding]:
    """Whether what an issuer signs counts for anything in this country (SC-K15, SC-K16)."""
    match recognised:
        case RecognitionClass.OFFICIAL | RecognitionClass.TEMPORARY:
            return []
        case RecognitionClass.NONE:
            return [finding(Reason.ISSUER_NOT_RECOGNISED)]


def list_findings(trust: TrustList, now: datetime | None, state: ListState | None) -> list[Finding]:
    """What the trust list is worth at ``now``: by its age, and by whether its signers may still speak.

    now: ``None`` when time is not judged; nothing is said then. state: of the list at ``now``, see
    :meth:`TrustList.state`.
    """
    if now is None or trust.signed_at is None or state is None or state is ListState.FRESH:
        return []
    age = now - trust.signed_at
    count, unit = told(age)
    detail = f"signed {count} {'h' if unit == 'hours' else unit} ago"
    match state:
        case ListState.STALE_1:
            return [finding(Reason.LIST_STALE, detail, age=age)]
        case ListState.STALE_2 | ListState.STALE_3:
            return [finding(Reason.LIST_EXPIRED, detail, age=age)]
        case ListState.EXPIRED:
            if trust.void_from is not None and now >= trust.void_from:
                detail += "; whoever signed it may no longer speak"
            return [finding(Reason.LIST_EXPIRED, detail, State.OUT, age=age)]


def clock_findings(clock: ClockState | None) -> list[Finding]:
    """What the unit's clock is worth."""
    match clock:
        case None | ClockState.TRUSTED | ClockState.BOUNDED:
            return []
        case ClockState.FLOOR_ONLY:
            return [finding(Reason.CLOCK_UNSURE, "confirm today's date", State.CHECK)]
        case ClockState.UNSYNCED:
            return [finding(Reason.CLOCK_UNSURE, "behind what this unit has proof of")]
