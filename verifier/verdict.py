"""The Verdict: PASS, CHECK or FAIL with its reasons worst first, and the duties that come with it.

The rules this module keeps:

* What is unknown never becomes green: the state is that of the worst finding, and every check that could
  not be made has left one.
* Missing rules are CHECK, never PASS: "no rule in force" is not "nothing asked".
* Rules judge the certificates of one traveller together, and only those against which nothing speaks: a
  document that failed is answered by itself. What a positive test says is about the person, and stays.
* A certificate that tells again what an earlier one told stands in its place, as a renewed code does.
* Name and birth date of each are held against the travel document where one was read.
* A verdict names what it rests on: the list and its age, the clock, the bundle, the order of the post.

    verdict = decide(assess(text, trust=trust, now=now), Policy(bundle, context))
    verdict.state, [f.code for f in verdict.reasons], verdict.duties
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from verifier import checks, identity
from verifier.assessment import Assessment
from verifier.certificate import Certificate, Event, Family
from verifier.duties import Duty, DutyCode
from verifier.families import DOMESTIC
from verifier.policy.bundle import Asks, RuleBundle, is_over
from verifier.policy.context import DEFAULT, Context, Profile
from verifier.policy.judging import Ruled, Shown, compiled, rule_on
from verifier.policy.national import rule_nationally
from verifier.reasons import Finding, Reason, State, finding, state_of, worst_first
from verifier.recognition import RecognitionClass
from verifier.times import TimeBounds
from verifier.trust import ClockState, ListState, TrustList


@dataclass(frozen=True, slots=True)
class Policy:
    """By what rules to judge. bundle: in force for this journey, ``None`` where there is none. order: of this
    post's commander, beside it. beside: in force for other diseases of which this traveller showed something;
    a certificate for one disease takes back nothing that is asked about another.
    """

    bundle: RuleBundle | None
    context: Context = DEFAULT
    order: RuleBundle | None = None
    beside: tuple[RuleBundle, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The answer to one code.

    certificate: what was proven, ``None`` when no signature held. list_state, list_signed_at, clock:
    ``None`` where the list has no age or no clock was judged. bundle, order, beside: by which it was judged,
    if any; see :class:`Policy`.
    recognition: what the issuer counts for in this country; ``None`` where nobody has said. ruled: the way
    through the rules. shown: the certificates that the rules looked at, in their order. identity: how the
    holder stands to the travel document; ``None`` where none was read, or nothing was proven.
    """

    state: State
    reasons: tuple[Finding, ...]
    duties: tuple[Duty, ...]
    family: Family | None
    certificate: Certificate | None
    list_state: ListState | None
    list_signed_at: datetime | None
    clock: ClockState | None
    bundle: RuleBundle | None
    recognition: RecognitionClass | None = None
    order: RuleBundle | None = None
    beside: tuple[RuleBundle, ...] = ()
    ruled: tuple[Ruled, ...] = ()
    shown: tuple[Certificate, ...] = ()
    identity: identity.IdentityMatch | None = None


def decide(assessment: Assessment, policy: Policy, earlier: Sequence[Assessment] = ()) -> Verdict:
    """Judge an assessment by the rules in force.

    earlier: of certificates of the same person that were shown before in this session; whether it is the same
    person is the caller's to know (:func:`verifier.names.same_person`).
    """
    findings = list(assessment.findings)
    ruled: tuple[Ruled, ...] = ()
    shown: tuple[Certificate, ...] = ()
    traveller = policy.context.traveller
    if assessment.certificate is not None:
        together = _shown(assessment, earlier) if earlier else [assessment]
        for each in together[:-1]:
            findings += [found for found in each.findings if found.state in (State.CHECK, State.FAIL)]
        found, ruled = _by_rules(together, policy, assessment.time, assessment.now)
        findings += found
        shown = tuple([each.certificate for each in together if each.certificate is not None])
        if traveller is not None:
            gate = policy.context.profile is Profile.GATE
            for certificate in shown:
                findings += identity.findings(certificate.holder, traveller, gate=gate)
    elif state_of(findings) is State.PASS:
        # nothing was proven and nothing was found: that is no answer, and whatever led here is ours
        findings.append(finding(Reason.UNIT_FAULT, "no certificate and no reason"))
    state, reasons = _answer(findings)
    return Verdict(
        state=state,
        reasons=reasons,
        duties=_duties(state, ruled, assessment.list_state),
        family=assessment.family,
        certificate=assessment.certificate,
        list_state=assessment.list_state,
        list_signed_at=assessment.list_signed_at,
        clock=assessment.clock,
        bundle=policy.bundle,
        recognition=assessment.recognition,
        order=policy.order,
        beside=policy.beside,
        ruled=ruled,
        shown=shown,
        identity=_identity(assessment.certificate, traveller),
    )


def decide_without_certificate(
    policy: Policy,
    trust: TrustList,
    *,
    now: datetime | None,
    clock: ClockState | None,
    time: TimeBounds,
) -> Verdict:
    """Judge a traveller who has no certificate, by the journey and the travel document alone."""
    list_state = None if now is None else trust.state(now, clock)
    findings = [*checks.list_findings(trust, now, list_state), *checks.clock_findings(clock)]
    found, ruled = _by_rules([], policy, time, now)
    findings += found
    if any(each is not None and each.asks is not Asks.RULES for each in (policy.bundle, policy.order)):
        findings.append(finding(Reason.NEED_SECOND_DOC, "no certificate was shown"))
    state, reasons = _answer(findings)
    return Verdict(
        state=state,
        reasons=reasons,
        duties=_duties(state, ruled, list_state),
        family=None,
        certificate=None,
        list_state=list_state,
        list_signed_at=trust.signed_at,
        clock=clock,
        bundle=policy.bundle,
        order=policy.order,
        ruled=ruled,
    )


def without_code(reason: Reason, detail: str = "") -> Verdict:
    """The Verdict where no code was judged: nothing was read (RESCAN), or the unit is unfit (OUT)."""
    found = finding(reason, detail)
    return Verdict(
        state=state_of([found]),
        reasons=(found,),
        duties=(),
        family=None,
        certificate=None,
        list_state=None,
        list_signed_at=None,
        clock=None,
        bundle=None,
    )


def _shown(assessment: Assessment, earlier: Sequence[Assessment]) -> list[Assessment]:
    """The certificates that are judged together, the last of them being the one in hand."""
    shown = [assessment]
    for each in reversed(earlier):
        if _stands(each) and not any(_tells_again(later, each) for later in shown):
            shown.insert(0, each)
    return shown


def _stands(assessment: Assessment) -> bool:
    """Whether an earlier certificate may speak beside a later one: proven, and nothing against it."""
    against = {found.code for found in assessment.findings if found.state is State.FAIL}
    return assessment.certificate is not None and against <= {Reason.TEST_POSITIVE}


def _tells_again(later: Assessment, earlier: Assessment) -> bool:
    """Whether all that an earlier certificate told stands in a later one: the same code, or a renewed one."""
    return _told(earlier) <= _told(later)


def _told(assessment: Assessment) -> set[Event]:
    events = () if assessment.certificate is None else assessment.certificate.events
    return {replace(event, identifier="", issuer="") for event in events}


def _identity(
    certificate: Certificate | None, traveller: identity.Traveller | None
) -> identity.IdentityMatch | None:
    if certificate is None or traveller is None:
        return None
    return identity.match_identity(certificate.holder, traveller)


def _answer(findings: Sequence[Finding]) -> tuple[State, tuple[Finding, ...]]:
    """The state and its reasons, the worst first. Whoever fails has no duties, so a red does not say "may
    enter, with duties" either.
    """
    reasons = worst_first(findings)
    state = (reasons[0].state if reasons else None) or State.PASS
    if state is State.FAIL:
        reasons = tuple(each for each in reasons if each.code is not Reason.DUTY_ONLY)
    return state, reasons


_MAY_ENTER = (State.PASS, State.CHECK)


def _duties(state: State, ruled: Sequence[Ruled], list_state: ListState | None) -> tuple[Duty, ...]:
    """What is asked of whoever may enter, and of the desk."""
    duties: list[Duty] = []
    if state in _MAY_ENTER:
        for each in ruled:
            duties += each.duties
    if list_state is ListState.STALE_3 and state is not State.RESCAN:
        duties.append(Duty(DutyCode.SECOND_CHECK))
    return tuple(dict.fromkeys(duties))


def _by_rules(
    shown: Sequence[Assessment], policy: Policy, time: TimeBounds, now: datetime | None
) -> tuple[list[Finding], tuple[Ruled, ...]]:
    """What the bundle in force, those beside it and the post's order make of these certificates; the last is
    the one that is judged.
    """
    found, ruled = _by_bundle(shown, policy, time, now)
    # An order stands beside the rules of the country: it is asked also where these are missing or over.
    for bundle in policy.beside if policy.order is None else (*policy.beside, policy.order):
        one = _ruled(shown, bundle, policy.context, time)
        found, ruled = [*found, *one.findings], (*ruled, one)
        if now is not None and is_over(bundle, now):
            found.append(finding(Reason.RULES_EXPIRED, f"{bundle.name} {bundle.version}"))
    return found, ruled


def _by_bundle(
    shown: Sequence[Assessment], policy: Policy, time: TimeBounds, now: datetime | None
) -> tuple[list[Finding], tuple[Ruled, ...]]:
    bundle = policy.bundle
    if bundle is None:
        return [finding(Reason.RULES_MISSING)], ()
    if now is not None and is_over(bundle, now):
        return [finding(Reason.RULES_EXPIRED, f"{bundle.name} {bundle.version}")], ()
    judged = shown[-1].certificate if shown else None
    unfit = [] if judged is None else _unfit(judged, bundle)
    if unfit:
        return unfit, ()
    ruled = _ruled(shown, bundle, policy.context, time)
    return list(ruled.findings), (ruled,)


def _fit(shown: Sequence[Assessment], bundle: RuleBundle) -> list[Shown]:
    """The certificates that a bundle speaks of."""
    return [
        Shown(each.certificate, each.recognition)
        for each in shown
        if each.certificate is not None and not _unfit(each.certificate, bundle)
    ]


def _ruled(shown: Sequence[Assessment], bundle: RuleBundle, context: Context, time: TimeBounds) -> Ruled:
    """What one bundle makes of the certificates that it speaks of."""
    match bundle.asks:
        case Asks.SIGNATURE:
            return Ruled(bundle=bundle)
        case Asks.RULES:
            return rule_on(_fit(shown, bundle), compiled(bundle, time.zone), context, time)
        case Asks.NATIONAL:
            return rule_nationally(_fit(shown, bundle), compiled(bundle, time.zone), context, time)


def _unfit(certificate: Certificate, bundle: RuleBundle) -> list[Finding]:
    """Why a bundle does not speak of this certificate at all."""
    found = []
    if certificate.family in DOMESTIC and not bundle.domestic:
        found.append(finding(Reason.UNSUPPORTED, f"{certificate.family} is a domestic certificate"))
    if bundle.diseases and certificate.events:
        for event in certificate.events:
            if event.disease in bundle.diseases:
                return found
        found.append(finding(Reason.DISEASE_OTHER))
    return found
