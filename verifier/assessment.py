"""Assessment: everything that can be found out about one code, as checks in their order.

The rules this module keeps:

* The signature comes before any claim. A payload that nobody vouches for says nothing, so with SIG_BAD or
  KEY_UNKNOWN no reason is taken from it.
* Findings are collected wherever the next check still has meaning; the first is not the last.
* What could not be checked leaves a finding. Silence means that a check was made and passed.
* Any text gives an Assessment: bytes that break a format end in a finding, never in an exception.

    assessment = assess("HC1:…", trust=trust, now=now)
    [(check.name, check.outcome) for check in assessment.checks]
    assessment.certificate          # None unless a signature held
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import cache

from verifier.certificate import (
    DETECTED,
    NOT_DETECTED,
    Certificate,
    Event,
    Family,
    Recovery,
    Test,
    Vaccination,
)
from verifier.countries import alpha2
from verifier.keys import ALGORITHMS, AlgorithmRefusedError, KeyRefusedError, VerificationKey, load_spki
from verifier.reasons import Finding, Reason, State, finding
from verifier.times import (
    DESK_ZONE,
    EASTERNMOST,
    SAMPLE_SKEW,
    WESTERNMOST,
    TimeBounds,
    is_ahead,
    is_over,
    time_bounds,
)
from verifier.trust import (
    ClockState,
    HashKind,
    KeyStatus,
    ListState,
    TrustedKey,
    TrustList,
    country_scope,
)
from verifier.wire import dcc, dispatch, hc1
from verifier.wire.cose import Envelope
from verifier.wire.errors import MalformedError

LOOSE_ALG = "the algorithm stands only outside the protected header"


class Outcome(StrEnum):
    """How one check ended. What is UNKNOWN never becomes green."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Check:
    """One check with what it found. A check may pass and still leave a banner."""

    name: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Assessment:
    """All checks of one code in the order in which they were made.

    certificate: what was proven; ``None`` unless a signature held and the payload could be read.
    """

    family: Family | None
    checks: tuple[Check, ...]
    certificate: Certificate | None
    list_state: ListState | None
    list_signed_at: datetime | None
    clock: ClockState | None
    now: datetime | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, in the order of the checks."""
        return tuple(found for check in self.checks for found in check.findings)


@cache
def _passed(name: str) -> Check:
    return Check(name, Outcome.PASSED)


@dataclass(slots=True)
class _Log:
    """The checks so far."""

    checks: list[Check] = field(default_factory=list)

    def add(self, name: str, findings: Sequence[Finding] = ()) -> None:
        """Note one check. It failed if a finding says so, and is unknown if one asks for a person."""
        if not findings:
            self.checks.append(_passed(name))
            return
        states = {found.state for found in findings}
        if State.FAIL in states:
            outcome = Outcome.FAILED
        elif states - {None}:
            outcome = Outcome.UNKNOWN
        else:
            outcome = Outcome.PASSED
        self.checks.append(Check(name, outcome, tuple(findings)))


@dataclass(frozen=True, slots=True, repr=False)
class OpenedCode:
    """A code after steps 1 and 2. finding: why it goes no further; ``None`` when there is an envelope."""

    family: Family | None
    envelope: Envelope | None
    finding: Finding | None = None


def open_code(text: str | bytes) -> OpenedCode:
    """Recognise a code and open its container, believing nothing; never raises for any text.

    text: as scanned; bytes are read as Latin-1, one character a byte.
    """
    text = dispatch.trimmed(text.decode("latin-1") if isinstance(text, bytes) else text)
    kind = dispatch.recognise(text)
    if kind.finding is not None or kind.family is None:
        return OpenedCode(kind.family, None, kind.finding or finding(Reason.NOT_CERT))
    try:
        return OpenedCode(kind.family, hc1.open_hcert(text, kind.prefix))
    except MalformedError as error:
        return OpenedCode(kind.family, None, error.finding())


def assess(
    code: str | bytes | OpenedCode,
    *,
    trust: TrustList,
    now: datetime | None,
    clock: ClockState | None = None,
    floor: datetime | None = None,
    zone: tzinfo = DESK_ZONE,
) -> Assessment:
    """Find out everything about one code.

    code: its text, or what :func:`open_code` made of it. now: an aware instant, ``None`` when
    time is not to be judged (a recorded case without a clock). clock: what the unit's clock is worth:
    UNSYNCED-TIME means that not one expiry is checked, FLOOR-ONLY that only what was over at ``floor`` (the
    instant that the unit has proof of) is over. zone: of the desk, whose calendar days count.

    The steps, each noted as a check of that name:

    1. and 2. open: which family is it? Its container, to the envelope, within limits.
    3. algorithm: protected header, allow-list.
    4. key: every key of the KID.
    5. signature: every candidate that fits the algorithm.
    6. claims: from the verified bytes only.
    7. status, issuer, key-usage, key-period: may this key have signed this, then and now?
    8. time: exp and iat.
    9. revocation: by identifier, by country and identifier, by signature.
    10. event: what the certificate itself says against itself.
    11. list, clock: what our own knowledge is worth.
    """
    log = _Log()
    if clock is ClockState.UNSYNCED:
        now = None
    list_state = trust.state(now) if now is not None else None
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    time = time_bounds(now, clock, floor, zone)
    certificate = _document(opened, trust, now, time, log)
    if not any(found.state is State.RESCAN for check in log.checks for found in check.findings):
        # 11. last, because it speaks about us and not about the document
        log.add("list", _list_age(list_state))
        log.add("clock", _clock(clock))
    return Assessment(
        family=opened.family,
        checks=tuple(log.checks),
        certificate=certificate,
        list_state=list_state,
        list_signed_at=trust.signed_at,
        clock=clock,
        now=now,
    )


def _document(
    opened: OpenedCode,
    trust: TrustList,
    now: datetime | None,
    time: TimeBounds,
    log: _Log,
) -> Certificate | None:
    # 1. and 2. recognise and open
    family, envelope = opened.family, opened.envelope
    if family in (Family.LT1, Family.AT1):
        # signed by other keys than HC1, which no list here holds: nothing can be said about the signature
        log.add("open", [finding(Reason.UNSUPPORTED, f"{family} is a domestic certificate")])
        return None
    if envelope is None or family is None:
        log.add("open", [opened.finding or finding(Reason.NOT_CERT)])
        return None
    log.add("open")

    # 3. algorithm
    refused = algorithm_finding(envelope)
    log.add("algorithm", refused)
    if refused:
        return None

    # 4. key
    candidates = trust.candidates(envelope.kid) if envelope.kid is not None else ()
    missing = _key_findings(envelope, candidates, trust, now)
    log.add("key", missing)
    if missing:
        return None

    # 5. signature
    signer, wrong = _signer(envelope, candidates)
    log.add("signature", wrong)
    if signer is None:
        return None

    # 6. claims, from here on from verified bytes
    try:
        claims = hc1.decode_claims(envelope.payload)
    except MalformedError as error:
        log.add("claims", [error.finding()])
        log.add("status", _status(signer))
        return None
    payload, odd = _payload(claims)
    log.add("claims", odd)
    events = payload.events if payload else ()

    # 7. may this key have signed this?
    log.add("status", _status(signer))
    log.add("issuer", issuer_findings(claims.issuer, signer))
    log.add("key-usage", _usage(signer, events))
    log.add("key-period", _period(signer, claims.issued_at, time))

    # 8. time
    log.add("time", _time(claims, time))

    # 9. revocation
    entries = list(revocation_entries(events, claims.issuer, envelope.signature, load_spki(signer.spki)))
    log.add("revocation", _revocation(entries, signer, trust, now))

    # 10. event
    log.add("event", [found for event in events for found in _event(event, time)])
    if payload is None:
        return None
    return Certificate(
        family=family,
        key=signer,
        holder=payload.holder,
        events=events,
        issuer=claims.issuer,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
        version=payload.version,
        document=claims.hcert[hc1.EU_DCC],
    )


def algorithm_finding(envelope: Envelope) -> list[Finding]:
    """Why the envelope's algorithm is refused before any key is looked at; empty when it is not."""
    if envelope.alg is None:
        return [
            finding(Reason.ALG_REFUSED, LOOSE_ALG if envelope.loose_alg else "no algorithm in the header")
        ]
    if envelope.alg not in ALGORITHMS:
        return [finding(Reason.ALG_REFUSED, f"algorithm {envelope.alg} is not on the list")]
    return []


def _key_findings(
    envelope: Envelope, candidates: Sequence[TrustedKey], trust: TrustList, now: datetime | None
) -> list[Finding]:
    if envelope.kid is None:
        return [finding(Reason.MALFORMED, "cose header: no KID")]
    if candidates:
        return []
    if envelope.kid in trust.test_kids:
        return [finding(Reason.KEY_TEST)]
    # an old list, or one of unknown age, may simply not know a young key (SC-K05)
    known = trust.signed_at is None or (now is not None and trust.state(now) is ListState.FRESH)
    state = State.FAIL if known else State.CHECK
    return [finding(Reason.KEY_UNKNOWN, f"KID {envelope.kid.hex()[:64]}", state)]


def _signer(envelope: Envelope, candidates: Sequence[TrustedKey]) -> tuple[TrustedKey | None, list[Finding]]:
    """The key that verifies, active ones tried first, or what stands against all of them."""
    refusals = []
    tried = False
    for key in sorted(candidates, key=lambda k: k.status is not KeyStatus.ACTIVE):
        try:
            native = load_spki(key.spki)
            if not native.verify(envelope.alg or 0, envelope.signature, envelope.to_be_signed):
                tried = True
                continue
        except (KeyRefusedError, AlgorithmRefusedError) as error:
            refusals.append(str(error))
            continue
        if native.weakness is None:
            return key, []
        refusals.append(native.weakness)
    if tried or not refusals:
        return None, [finding(Reason.SIG_BAD)]
    return None, [finding(Reason.ALG_REFUSED, refusals[0])]


def _payload(claims: hc1.Claims) -> tuple[dcc.Payload | None, list[Finding]]:
    """The payload in verified claims, ``None`` if it cannot be read, and what is odd about both."""
    odd = []
    iat, exp = claims.issued_at, claims.expires_at
    if claims.bad_time:
        odd.append(finding(Reason.MALFORMED, f"claims: {claims.bad_time}"))
    elif iat is not None and exp is not None and iat > exp:
        odd.append(finding(Reason.MALFORMED, "claims: iat is later than exp"))
    if not claims.hcert:
        return None, [*odd, finding(Reason.MALFORMED, "claims: no hcert claim in it")]
    if hc1.EU_DCC not in claims.hcert:
        return None, [*odd, finding(Reason.UNSUPPORTED, "a payload of another kind than the EU DCC")]
    if exp is None and not claims.bad_time:
        odd.append(finding(Reason.NO_EXPIRY))
    try:
        payload = dcc.read_payload(claims.hcert[hc1.EU_DCC])
    except MalformedError as error:
        return None, [*odd, error.finding()]
    if not payload.holder.birth_date:
        odd.append(finding(Reason.DOB_PARTIAL, "no birth date"))
    return payload, [*odd, *payload.findings]


def _status(signer: TrustedKey) -> list[Finding]:
    return [finding(Reason.KEY_WITHDRAWN)] if signer.status is KeyStatus.WITHDRAWN else []


def issuer_findings(issuer: str | None, signer: TrustedKey) -> list[Finding]:
    """Whether ``iss``, where it is a country code, is the country of the key (pitfall 15)."""
    claimed, owner = alpha2(issuer), alpha2(signer.country)
    if claimed is None or owner is None or claimed == owner or claimed in signer.also_for:
        return []
    return [finding(Reason.ISSUER_MISMATCH, f"iss {claimed}, key of {owner}")]


_LETTER = {Vaccination: "v", Test: "t", Recovery: "r"}


def _usage(signer: TrustedKey, events: Sequence[Event]) -> list[Finding]:
    signed = {_LETTER[type(event)] for event in events}
    if signer.uses is None or signed <= signer.uses:
        return []
    return [
        finding(
            Reason.KEY_USAGE, f"signs {', '.join(sorted(signed))}; allowed {', '.join(sorted(signer.uses))}"
        )
    ]


def _period(signer: TrustedKey, issued_at: datetime | None, time: TimeBounds) -> list[Finding]:
    """Issued inside the key's period, and still inside it now (SC-K12)."""
    begin, end = signer.not_before, signer.not_after
    if issued_at is not None and ((begin and issued_at < begin) or (end and issued_at > end)):
        return [finding(Reason.KEY_PERIOD, "issued outside the key's period")]
    if time.latest is not None and begin and time.latest < begin:
        return [finding(Reason.KEY_PERIOD, "the key's period has not begun")]
    if time.earliest is not None and end and time.earliest > end:
        return [finding(Reason.KEY_EXPIRED, f"on {end:%Y-%m-%d}")]
    return []


def _time(claims: hc1.Claims, time: TimeBounds) -> list[Finding]:
    found = []
    exp, iat = claims.expires_at, claims.issued_at
    if exp is not None and time.earliest is not None and is_over(exp, time.earliest):
        found.append(finding(Reason.EXPIRED, f"on {exp:%Y-%m-%d}"))
    if iat is not None and time.latest is not None and is_ahead(iat, time.latest):
        found.append(finding(Reason.NOT_YET_VALID, "issued in the future"))
    return found


def revocation_entries(
    events: Sequence[Event], issuer: str | None, signature: bytes, key: VerificationKey
) -> Iterator[tuple[HashKind, bytes]]:
    """Every hash under which this certificate may have been revoked: the first 16 bytes of SHA-256.

    The country is the event's and the issuer's, since publishers differ. Of an ECDSA signature only r is
    hashed: its twin (r, n-s) verifies as well and must not slip through.
    """
    for event in events:
        if not event.identifier:
            continue
        yield HashKind.UCI, _digest(event.identifier)
        for country in dict.fromkeys((event.country, issuer or "")):
            if country:
                yield HashKind.COUNTRYCODEUCI, _digest(country + event.identifier)
    signed = signature[: len(signature) // 2] if key.ecdsa else signature
    yield HashKind.SIGNATURE, hashlib.sha256(signed).digest()[:16]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def scopes_of(key: TrustedKey) -> list[bytes]:
    """Where entries against certificates of this key may stand: under its KID, or under its country."""
    return [key.kid, *([country_scope(key.country)] if key.country else [])]


def _revocation(
    entries: Sequence[tuple[HashKind, bytes]], key: TrustedKey, trust: TrustList, now: datetime | None
) -> list[Finding]:
    scopes = scopes_of(key)
    for kind, digest in entries:
        if any(trust.revocation.holds(scope, kind, digest) for scope in scopes):
            return [finding(Reason.REVOKED, f"by {kind.name.lower()}")]
    if now is not None:
        for scope in scopes:
            gap = trust.revocation.gap(scope, now)
            if gap is not None:
                return [finding(Reason.REVOCATION_UNCHECKED, gap)]
    return []


def _event(event: Event, time: TimeBounds) -> list[Finding]:
    """What an event says against its own certificate, whatever the rules are."""
    if isinstance(event, Vaccination):
        if time.latest is None or event.given is None:
            return []
        ahead = event.given > time.latest.astimezone(time.zone).date()
        return [finding(Reason.NOT_YET_VALID, "the dose lies in the future")] if ahead else []
    if isinstance(event, Recovery):
        if time.earliest is None or event.valid_until is None:
            return []
        over = time.earliest.astimezone(time.zone).date() > event.valid_until
        return [finding(Reason.EXPIRED, "by the holder's own paper")] if over else []
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


def _list_age(state: ListState | None) -> list[Finding]:
    match state:
        case None | ListState.FRESH:
            return []
        case ListState.STALE_1:
            return [finding(Reason.LIST_STALE)]
        case ListState.STALE_2 | ListState.STALE_3:
            return [finding(Reason.LIST_EXPIRED)]
        case ListState.EXPIRED:
            return [finding(Reason.LIST_EXPIRED, state=State.OUT)]


def _clock(clock: ClockState | None) -> list[Finding]:
    match clock:
        case None | ClockState.TRUSTED | ClockState.BOUNDED:
            return []
        case ClockState.FLOOR_ONLY:
            return [finding(Reason.CLOCK_UNSURE, "confirm today's date", State.CHECK)]
        case ClockState.UNSYNCED:
            return [finding(Reason.CLOCK_UNSURE, "behind what this unit has proof of")]
