"""The verification, step by step: what is asked of every code, in which order, and why in that order.

The rules this module keeps:

* A step is a function of one case. What it finds out stays with the case, for the steps behind it.
* What differs between families stands in :mod:`verifier.families`; what is asked of signer and document
  alone, in :mod:`verifier.checks`.
* The signature comes before the claims, since nothing unproven may speak.

    for step in STEPS:
        step.run(case)                   # findings; ``assess`` heeds what each one bars
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from verifier import chain, checks, families
from verifier.certificate import Payload
from verifier.families import EXPIRING, FORMS, Form, shown_kid
from verifier.keys import (
    AlgorithmRefusedError,
    KeyRefusedError,
    VerificationKey,
    load_spki,
)
from verifier.opening import OpenedCode
from verifier.reasons import Finding, Reason, State, finding
from verifier.recognition import RecognitionClass
from verifier.times import TimeBounds
from verifier.trust import (
    Authority,
    ClockState,
    Domain,
    HashKind,
    KeyStatus,
    ListState,
    TrustedKey,
    TrustList,
    authority_scope,
)
from verifier.wire import shc_keys, vds_nc
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

LOOSE_ALG = "the algorithm stands only outside the protected header"
# As names of this module: looking a member up in its enum takes longer than most of the steps.
_SHC, _VDS_NC = Domain.SHC, Domain.VDS_NC


@dataclass(slots=True, repr=False)
class Case:
    """One code on its way through the steps, and what they have found out about it.

    envelope, form: the opened container and its family's row; there are such after the first step, or no
    further one.
    seal: the signer's certificate that a VDS-NC seal carries; listed: whether a list or somebody's hand gave
    that signer, so that it needs no chain; authority: the CSCA that issued it. recognition: what the issuer
    counts for here; ``None`` where nobody has said.
    """

    opened: OpenedCode
    trust: TrustList
    now: datetime | None
    time: TimeBounds
    list_state: ListState | None
    clock: ClockState | None
    candidates: tuple[TrustedKey, ...] = ()
    seal: chain.SealSigner | None = None
    listed: bool = False
    authority: Authority | None = None
    signer: TrustedKey | None = None
    claims: Claims | None = None
    payload: Payload | None = None
    recognition: RecognitionClass | None = None
    envelope: Envelope = field(init=False)
    form: Form = field(init=False)


class After(StrEnum):
    """What a step needs before it has meaning, and what its findings do to the steps behind it."""

    BARS = "a finding here leaves nothing to ask but about ourselves"
    SIGNER = "needs the key that verified"
    CLAIMS = "needs claims that were read"
    ALWAYS = "is about ourselves, and asked wherever a certificate was shown"


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its name, how it is made, and where it stands in the order."""

    name: str
    run: Callable[[Case], Sequence[Finding]]
    after: After


# --- Whether anybody whom the list knows has signed this --------------------------------------------------


def _open(case: Case) -> Sequence[Finding]:
    """Which family is it? Its container, to the envelope, within limits."""
    opened = case.opened
    if opened.envelope is None or opened.family is None:
        return [opened.finding or finding(Reason.NOT_CERT)]
    case.envelope, case.form = opened.envelope, FORMS[opened.family]
    # a container that breaks behind its signature's reach (a deflate stream) broke all the same
    fault = opened.envelope.parsed
    return [fault.finding()] if isinstance(fault, MalformedError) else ()


def _algorithm(case: Case) -> Sequence[Finding]:
    """The signed header's algorithm stands on the family's list."""
    return algorithm_findings(case.envelope, case.form)


def algorithm_findings(envelope: Envelope, form: Form) -> list[Finding]:
    """Why the envelope's algorithm is refused before any key is looked at; empty when it is not."""
    if envelope.alg is None:
        return [
            finding(Reason.ALG_REFUSED, LOOSE_ALG if envelope.loose_alg else "no algorithm in the header")
        ]
    if envelope.alg not in form.algorithms:
        return [finding(Reason.ALG_REFUSED, f"algorithm {envelope.alg} is not on the list")]
    return []


def _key(case: Case) -> Sequence[Finding]:
    """Every key that the code may mean."""
    envelope = case.envelope
    if case.form.domain is _VDS_NC:
        return _seal_key(case)
    if envelope.kid is None:
        return [finding(Reason.MALFORMED, "header: no KID")]
    case.candidates = candidates(envelope, case.form, case.trust)
    if case.candidates:
        return ()
    if case.trust.knows_test_key(envelope.kid, envelope.issuer_hint):
        return [finding(Reason.KEY_TEST)]
    return [_unknown(case, f"KID {shown_kid(case.form.domain, envelope.kid)[:64]}")]


def candidates(envelope: Envelope, form: Form, trust: TrustList) -> tuple[TrustedKey, ...]:
    """The keys that an envelope may have been signed with, by what it says of them."""
    if envelope.kid is None:
        return ()
    found = trust.candidates(envelope.kid, form.domain, envelope.issuer_hint if form.by_issuer else None)
    if form.domain is _VDS_NC:
        # a certificate that is listed itself needs no chain
        found = tuple(key for key in found if key.certificate == envelope.certificate)
    if form.domain is _SHC:
        # the KID is the key's own thumbprint (RFC 7638); a list that says otherwise is not believed
        found = tuple(key for key in found if _is_thumbprint(envelope.kid, key))
    return found


def _is_thumbprint(kid: bytes, key: TrustedKey) -> bool:
    """Whether a KID is the key's own thumbprint; a key that is refused stays, so that the refusal is said."""
    try:
        return shc_keys.thumbprint(key.spki).encode() == kid
    except KeyRefusedError:
        return key.kid == kid


def _seal_key(case: Case) -> Sequence[Finding]:
    """The signer's certificate that the seal carries; who vouches for it is the chain's matter."""
    if case.envelope.certificate is None:
        return [finding(Reason.MALFORMED, "seal: no signer certificate in it")]
    try:
        case.seal = chain.signer_of(case.envelope.certificate)
    except KeyRefusedError as error:
        return [finding(Reason.MALFORMED, f"seal: {error}")]
    listed = candidates(case.envelope, case.form, case.trust)
    case.listed = bool(listed)
    case.candidates = listed or (case.seal.key,)
    if not listed and case.seal.key_id is None:
        return [finding(Reason.MALFORMED, "seal: its signer names no authority key")]
    return ()


def _unknown(case: Case, detail: str) -> Finding:
    # an old list, or one of unknown age, may simply not know a young key (SC-K05)
    known = case.trust.signed_at is None or case.list_state is ListState.FRESH
    return finding(Reason.KEY_UNKNOWN, detail, State.FAIL if known else State.CHECK)


def _signature(case: Case) -> Sequence[Finding]:
    """Every candidate that fits the algorithm is tried, withdrawn ones last."""
    refusals = []
    tried = False
    for key in case.candidates if len(case.candidates) == 1 else sorted(case.candidates, key=_is_withdrawn):
        try:
            native = load_spki(key.spki)
            if not verifies(native, case.envelope, case.form):
                tried = True
                continue
        except (KeyRefusedError, AlgorithmRefusedError) as error:
            refusals.append(str(error))
            continue
        if native.weakness is None:
            case.signer = key
            return ()
        refusals.append(native.weakness)
    if tried or not refusals:
        return [finding(Reason.SIG_BAD)]
    return [finding(Reason.ALG_REFUSED, refusals[0])]


def _is_withdrawn(key: TrustedKey) -> bool:
    return key.status is KeyStatus.WITHDRAWN


_CURVES = {-7: "secp256r1", -35: "secp384r1", -36: "secp521r1"}


def verifies(key: VerificationKey, envelope: Envelope, form: Form) -> bool:
    """Whether the envelope's signature holds under this key. Raises AlgorithmRefusedError."""
    alg = envelope.alg or 0
    if form.fixed_curves and key.curve != _CURVES.get(alg):
        raise AlgorithmRefusedError(f"algorithm {alg} does not fit the key that the KID names")
    return key.verify(alg, envelope.signature, envelope.to_be_signed)


def _chain(case: Case) -> Sequence[Finding]:
    """A CSCA that is held issued the seal's signer; the certificates that came with a listed key hold."""
    assert case.signer is not None
    if case.seal is None:
        if case.signer.chained is False:
            return [finding(Reason.CHAIN_BAD, "x5c")]
        leaf, issuer = case.signer.certificate, case.envelope.issuer_hint
        if case.form.domain is _SHC and leaf and issuer and not shc_keys.names_issuer(leaf, issuer):
            return [finding(Reason.CHAIN_BAD, "x5c: its leaf does not name the issuer")]
        return ()
    case.authority = chain.authority_of(case.seal, case.trust)
    if case.listed:
        return ()  # whoever did that vouches for it; its CSCA may take it back
    if case.authority is not None:
        case.signer = replace(case.signer, source=case.authority.source)
        return ()
    signer, case.signer = case.signer, None
    if case.trust.knows_test_key(authority_scope(case.seal.key_id or b"")):
        return [finding(Reason.KEY_TEST)]
    if chain.names_held_country(case.seal, _named_issuer(case), case.trust):
        # at any age of the list: a country's CSCA lives for years, and a seal by anybody else is no seal
        return [finding(Reason.CHAIN_BAD, "no CSCA of the country that it names has issued its signer")]
    return [_unknown(case, f"no CSCA is held for {signer.country or 'its country'}")]


def _named_issuer(case: Case) -> str | None:
    try:
        return case.form.decode(case.envelope).issuer
    except MalformedError:
        return None


def _claims(case: Case) -> Sequence[Finding]:
    """What the document says, from here on from verified bytes only."""
    try:
        claims = case.form.decode(case.envelope)
    except MalformedError as error:
        return [error.finding()]
    case.claims = claims
    odd = []
    iat, exp = claims.issued_at, claims.expires_at
    if claims.bad_time:
        odd.append(finding(Reason.MALFORMED, f"claims: {claims.bad_time}"))
    elif iat is not None and exp is not None and iat > exp:
        odd.append(finding(Reason.MALFORMED, "claims: issued later than it expires"))
    elif exp is None and claims.family in EXPIRING and claims.document is not None:
        odd.append(finding(Reason.NO_EXPIRY))
    try:
        case.payload = families.read(claims)
    except MalformedError as error:
        return [*odd, error.finding()]
    said = case.payload.findings
    if not case.payload.holder.birth_date and all(each.code is not Reason.DOB_PARTIAL for each in said):
        odd.append(finding(Reason.DOB_PARTIAL, "no birth date"))
    return [*odd, *said]


# --- Whether it still counts ------------------------------------------------------------------------------


def _status(case: Case) -> Sequence[Finding]:
    """The list vouches for the key, for this document of it; the CSCA's CRL does not name it."""
    assert case.signer is not None
    found = checks.status_findings(
        case.signer,
        case.authority,
        case.trust,
        case.now,
        issued_at=case.claims.issued_at if case.claims else None,
        to_be_signed=case.envelope.to_be_signed,
    )
    if not found and case.seal is not None and case.authority is not None:
        scope = authority_scope(case.authority.key_id)
        if case.trust.revocation.holds(scope, HashKind.SERIAL, chain.serial_digest(case.seal.serial)):
            return [finding(Reason.KEY_WITHDRAWN, "on the CRL of its CSCA")]
        return checks.gap_findings([scope], case.trust, case.now)
    return found


def _issuer(case: Case) -> Sequence[Finding]:
    """The issuer that the document names is the key's owner."""
    assert case.signer is not None
    assert case.claims is not None
    if case.seal is not None and case.authority is not None:
        return chain.country_findings(case.seal, case.authority, case.claims.issuer)
    if case.form.owners and case.claims.issuer is None and case.payload is None:
        return ()  # a document that names no issuer was refused by its reader, which has said why
    issuer = case.claims.issuer
    if case.seal is not None:
        issuer = chain.state_of(issuer)  # travel documents have codes of their own: D, RKS
    return checks.issuer_findings(issuer, case.signer, owners=case.form.owners)


def _recognition(case: Case) -> Sequence[Finding]:
    """This country recognises whoever signed: the owner of the key by the list's own word.

    Not by the document's. Whoever has a key of one issuer may write the name of another into a document
    whose family does not match the two.
    """
    assert case.signer is not None
    if case.trust.recognition is None:
        return ()
    owner = case.signer.country if case.authority is None else case.authority.country
    case.recognition = case.trust.recognition.class_of(owner, case.signer.issuer, case.now)
    return checks.recognition_findings(case.recognition)


def _usage(case: Case) -> Sequence[Finding]:
    """The key may sign documents of this family, and events of this kind."""
    assert case.signer is not None
    assert case.claims is not None
    events = case.payload.events if case.payload else ()
    found = checks.usage_findings(case.signer, case.form.domain, events) if case.authority is None else []
    if case.seal is not None and not found:
        return chain.usage_findings(case.seal, vds_nc.kind_of(case.claims))
    return found


def _period(case: Case) -> Sequence[Finding]:
    """Signed inside the key's period, which is not over."""
    assert case.signer is not None
    assert case.claims is not None
    if case.seal is not None and case.payload is not None:
        sealed_late = chain.period_findings(case.seal, case.payload.events)
        if sealed_late:
            return sealed_late
    return checks.period_findings(case.signer, case.authority, case.claims.issued_at, case.time)


def _time(case: Case) -> Sequence[Finding]:
    """Issued, and not over."""
    assert case.claims is not None
    return checks.time_findings(case.claims, case.time)


def _revocation(case: Case) -> Sequence[Finding]:
    """Revoked by identifier, by country and identifier, by signature, or by its family's own entries?"""
    assert case.signer is not None
    assert case.claims is not None
    scopes, issued_at = checks.scopes_of(case.signer), case.claims.issued_at
    if not any(map(case.trust.revocation.kinds, scopes)):
        entries = []  # nobody lists any for this key: there is nothing to hash
    else:
        key = load_spki(case.signer.spki)
        entries = checks.revocation_entries(case.payload, case.claims.issuer, case.envelope.signature, key)
    return checks.revocation_findings(entries, scopes, case.trust, issued_at, case.now)


def _event(case: Case) -> Sequence[Finding]:
    """What the certificate itself says against itself."""
    found: list[Finding] = []
    for event in case.payload.events if case.payload else ():
        found += checks.event_findings(event, case.time)
    return found


# The verification, step by step. The signature comes before the claims, since nothing unproven may speak; the
# chain comes after the signature, since a seal that is broken in itself is forged whoever its signer was.
STEPS: tuple[Step, ...] = (
    # Has anybody whom the list knows signed this?
    Step("open", _open, After.BARS),
    Step("algorithm", _algorithm, After.BARS),
    Step("key", _key, After.BARS),
    Step("signature", _signature, After.BARS),
    Step("chain", _chain, After.BARS),
    Step("claims", _claims, After.SIGNER),
    # May the key have signed this, then and now?
    Step("status", _status, After.SIGNER),
    Step("issuer", _issuer, After.CLAIMS),
    Step("recognition", _recognition, After.CLAIMS),
    Step("key-usage", _usage, After.CLAIMS),
    Step("key-period", _period, After.CLAIMS),
    # Does the document still count?
    Step("time", _time, After.CLAIMS),
    Step("revocation", _revocation, After.CLAIMS),
    Step("event", _event, After.CLAIMS),
    # What is our own knowledge worth?
    Step("list", lambda case: checks.list_findings(case.trust, case.now, case.list_state), After.ALWAYS),
    Step("clock", lambda case: checks.clock_findings(case.clock), After.ALWAYS),
)
