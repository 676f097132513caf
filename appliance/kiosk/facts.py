"""What the page says, as plain facts: one value for people and machines.

The rules this module keeps:

* A name is a stranger's text: control and direction characters are taken out, its length is bounded, and it
  is shown as text and never as markup.
* Name and birth date are shown for comparison with the passport: a signature says nothing about the bearer.
* Of several persons each stands on a line of its own, with its own state; no name stands under another's
  colour.
* An issuer that is named by an address is shown as its host, the part that tells who it is; never as a link.
* A text of a code, an identifier or a result of a test is never among the facts.
* A list that is out of date is said with its age, what to do about it, and whom to call. A result names the
  rules by which it was judged.

    facts = of_verdict(verdict)
    facts["state"], facts["headline"]["vi"], facts["holder"]["name"]
    without_person(facts)["holder"]               # None
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta, tzinfo
from urllib.parse import urlsplit

from appliance.kiosk.journey import asks_of
from appliance.kiosk.papers import document_facts, holder_facts, identity_facts, shown_of, traveller_facts
from appliance.kiosk.plain import MAX_NAME, Facts, Texts, plain
from appliance.kiosk.standing import bundle_facts, words_of
from appliance.kiosk.texts import ADVICE, AGED, DOOR, FAMILIES, PEOPLE, READ, RECOGNISED, UNITS, WAITING
from appliance.signals import SAYINGS, Signal, signal_of
from verifier.countries import alpha2
from verifier.duties import Duty, DutyCode
from verifier.identity import IdentityMatch, Traveller, match_identity
from verifier.policy.context import DEFAULT, Context, Profile
from verifier.policy.explain import texts_of
from verifier.reasons import CATALOGUE, Finding, Reason, State
from verifier.recognition import RecognitionClass
from verifier.times import DESK_ZONE, told
from verifier.trust import ListState
from verifier.verdict import Verdict

MAX_ISSUER = 48

DUTY_TEXTS: dict[DutyCode, tuple[str, str]] = {
    DutyCode.ISOLATE: ("Cách ly {days} ngày", "Isolate for {days} days"),
    DutyCode.SELF_WATCH: ("Tự theo dõi sức khỏe {days} ngày", "Watch own health for {days} days"),
    DutyCode.TEST: ("Xét nghiệm", "Test"),
    DutyCode.DECLARE: ("Khai báo y tế", "Health declaration"),
    DutyCode.AIRSIDE_ONLY: ("Chỉ ở khu vực cách ly sân bay", "Airside only"),
    DutyCode.SECOND_CHECK: ("Cần người thứ hai kiểm tra", "A second person must check"),
}


def of_signal(signal: Signal) -> Facts:
    """The facts of a signal alone."""
    saying = SAYINGS[signal]
    return {
        "signal": signal.value,
        "state": None if signal in (Signal.BOOT, Signal.READY) else signal.value,
        "sign": saying.sign,
        "colour": saying.colour,
        "word": {"vi": saying.vi, "en": saying.en},
        "headline": {"vi": saying.hint_vi, "en": saying.hint_en},
        "reasons": [],
        "advice": [],
        "call": None,
        "duties": [],
        "parts": None,
        "people": [],
        "holder": None,
        "traveller": None,
        "identity": None,
        "door": None,
        "certificates": [],
        "ways": [],
        "family": None,
        "document": None,
        "issuer": None,
        "recognition": None,
        "bundle": None,
        "order": None,
        "asks": [],
        "explained": False,
        "without": False,
        "last": None,
    }


# What is about a person, and what stands in its place once that is taken away.
_PERSONAL: Facts = {
    "people": [],
    "holder": None,
    "traveller": None,
    "identity": None,
    "certificates": [],
    "ways": [],
    "asks": [],
    "explained": False,
    "without": False,
    "last": None,
}


def is_personal(facts: Facts) -> bool:
    """Whether the facts are about somebody: by name, or as a traveller without a certificate."""
    return any(facts[name] for name in ("people", "holder", "traveller", "without", "last"))


def without_person(facts: Facts) -> Facts:
    """The same answer with nothing of a person in it; a rule's note may tell a date of theirs."""
    reasons = [{**each, "note": None} for each in facts["reasons"]]
    return {**facts, **_PERSONAL, "reasons": reasons}


def of_waiting(have: int, count: int) -> Facts:
    """The facts while parts of a many-part code are gathered: the unit is ready for the next one."""
    facts = of_signal(Signal.READY)
    facts["headline"] = {lang: text.format(have=have, count=count) for lang, text in WAITING.items()}
    facts["parts"] = {"have": have, "count": count}
    return facts


def of_findings(
    signal: Signal, findings: Iterable[Finding], *, phone: str = "", list_state: ListState | None = None
) -> Facts:
    """The facts of a signal with reasons, the first of which is the headline.

    phone: whom to call about a list that is out of date; empty: nobody is named. list_state: of that list.
    """
    facts = of_signal(signal)
    findings = tuple(findings)
    facts["reasons"] = [
        {
            "code": found.code.value,
            "state": None if found.state is None else found.state.value,
            "text": said(found),
            "note": None if found.note is None else words_of(texts_of(found.note)),
        }
        for found in findings
    ]
    if facts["reasons"] and facts["reasons"][0]["state"] == facts["state"]:
        facts["headline"] = facts["reasons"][0]["text"]
    facts["advice"] = _advice(signal, findings, list_state)
    if any(found.code is Reason.LIST_EXPIRED for found in findings):
        facts["call"] = _call(phone)
    return facts


def _call(phone: str) -> Facts:
    words = ADVICE["call" if phone else "call_nobody"]
    return {"phone": phone or None, "text": {lang: text.format(phone=phone) for lang, text in words.items()}}


def said(found: Finding) -> Texts:
    """A reason as an officer reads it, with its age where it has one to tell."""
    if found.age is None or found.code not in AGED:
        return {"vi": CATALOGUE[found.code].vi, "en": CATALOGUE[found.code].en}
    age = age_words(found.age)
    return {lang: text.format(age=age[lang]) for lang, text in AGED[found.code].items()}


def age_words(age: timedelta) -> Texts:
    """An age in hours or days, as ``9 days``."""
    count, unit = told(age)
    return {lang: one_or_more[count != 1].format(n=count) for lang, one_or_more in UNITS[unit].items()}


def _advice(signal: Signal, findings: Iterable[Finding], list_state: ListState | None) -> list[Texts]:
    """What to do about what our own knowledge lacks; red asks for none of it."""
    if signal is Signal.FAIL:
        return []
    states = {found.code: found.state for found in findings}
    words = []
    if states.get(Reason.KEY_UNKNOWN) is State.CHECK:
        words.append("young_issuer")
    if Reason.LIST_EXPIRED in states:
        words += ["cannot_verify" if signal is Signal.OUT else "old_list", "sync"]
    if list_state is ListState.STALE_3:
        words.append("manual")
    return [ADVICE[word] for word in words]


def of_verdict(
    verdict: Verdict,
    *,
    phone: str = "",
    context: Context = DEFAULT,
    zone: tzinfo = DESK_ZONE,
    today: date | None = None,
) -> Facts:
    """The facts of a verdict. phone: whom to call about a list that is out of date. context: of the journey
    by which it was judged. zone: of the desk, today: its calendar day.
    """
    signal = signal_of(verdict.state)
    facts = of_findings(signal, verdict.reasons, phone=phone, list_state=verdict.list_state)
    facts["duties"] = [_duty(duty) for duty in verdict.duties]
    certificate = verdict.certificate
    # What was proven names the document more closely than how its text begins.
    family = verdict.family if certificate is None else certificate.family
    if family is not None:
        facts["family"], facts["document"] = family.value, FAMILIES[family]
    match: IdentityMatch | None = None
    if certificate is not None:
        facts["holder"] = holder_facts(certificate.holder)
        facts["issuer"] = issuer_name(certificate.issuer or certificate.key.country or "") or None
        facts["recognition"] = _recognition(verdict.recognition)
        if context.traveller is not None:
            match = match_identity(certificate.holder, context.traveller)
            facts["identity"] = identity_facts(match)
    if context.traveller is not None:
        facts["traveller"] = traveller_facts(context.traveller)
    if context.profile is Profile.GATE:
        facts["door"] = _door(verdict, match)
    facts["certificates"] = document_facts(shown_of(verdict.shown, certificate), zone)
    facts["bundle"], facts["order"] = bundle_facts(verdict.bundle), bundle_facts(verdict.order)
    if verdict.ruled:
        facts["ways"] = _ways(verdict)
        facts["asks"] = asks_of(verdict, context, today)
    facts["explained"] = verdict.bundle is not None
    return facts


def _ways(verdict: Verdict) -> list[Facts]:
    """By which way each requirement was met, or came nearest to it (SC-T17)."""
    return [
        {
            "requirement": taken.requirement.identifier,
            "way": taken.branch.identifier,
            "met": taken.answer.name == "MET",
            "text": words_of(texts_of(taken.branch.texts, taken.branch.identifier)),
        }
        for ruled in verdict.ruled
        for taken in ruled.taken
        if taken.branch is not None
    ]


def _door(verdict: Verdict, match: IdentityMatch | None) -> Facts:
    """Whether a gate opens: for PASS with a passport that is the holder's, and for nothing else (SC-N25)."""
    if verdict.state is not State.PASS:
        word = "shut"
    elif match is None:
        word = "place_passport"
    else:
        word = "open" if match.opens_gate else "shut"
    return {"open": word == "open", "text": DOOR[word]}


def of_people(verdicts: Sequence[Verdict], *, phone: str = "", gate: bool = False) -> Facts:
    """The facts of several persons in view at once: a line for each, and the worst state above them.

    Nobody's name stands under that state: each line has its own (SC-C05, SC-O03). gate: where nobody looks,
    so that nothing opens for several.
    """
    worst = worst_of(verdicts)
    facts = of_signal(signal_of(worst.state))
    facts["headline"] = {lang: text.format(n=len(verdicts)) for lang, text in PEOPLE.items()}
    facts["people"] = [_line(one) for one in verdicts]
    facts["advice"] = [ADVICE["one_by_one"]]
    facts["bundle"], facts["order"] = bundle_facts(worst.bundle), bundle_facts(worst.order)
    facts["door"] = {"open": False, "text": DOOR["one_by_one"]} if gate else None
    if any(found.code is Reason.LIST_EXPIRED for one in verdicts for found in one.reasons):
        facts["call"] = _call(phone)
    return facts


_WORSE = (State.RESCAN, State.PASS, State.CHECK, State.OUT, State.FAIL)


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict under whose state lamp and page put several persons."""
    return max(verdicts, key=lambda one: _WORSE.index(one.state))


def _line(verdict: Verdict) -> Facts:
    """One person among several."""
    facts = of_verdict(verdict)
    saying = ("state", "sign", "colour", "word", "headline", "reasons", "duties", "document", "holder")
    return {name: facts[name] for name in saying}


def of_traveller(traveller: Traveller) -> Facts:
    """The facts while a travel document was read and its holder's certificate is waited for."""
    facts = of_signal(Signal.READY)
    facts["headline"] = READ
    facts["traveller"] = traveller_facts(traveller)
    return facts


def _recognition(recognised: RecognitionClass | None) -> Facts | None:
    """What the issuer counts for here; nothing where nobody has said."""
    return None if recognised is None else {"class": recognised.value, "text": RECOGNISED[recognised]}


def issuer_name(text: str) -> str:
    """An issuer as an officer reads it: the host of an address or of a ``did:web``, a country's two letters.

    A long host loses its beginning: whose name it is stands at its end.
    """
    host = ""
    if text.startswith(("https://", "http://", "did:web:")):
        address = f"//{text[8:].split(':', 1)[0]}" if text.startswith("did:web:") else text
        try:
            host = plain(urlsplit(address).hostname or "", 16 * MAX_NAME)
        except ValueError:  # brackets that hold no address
            host = ""
    if not host:
        return alpha2(text) or plain(text, MAX_ISSUER)
    return host if len(host) <= MAX_ISSUER else "…" + host[1 - MAX_ISSUER :]


def _duty(duty: Duty) -> Facts:
    vi, en = DUTY_TEXTS[duty.code]
    numbers = {"days": duty.days, "day": duty.day, "within_hours": duty.within_hours}
    given = {name: number for name, number in numbers.items() if number is not None}
    return {"code": duty.code.value, **given, "text": {"vi": _filled(vi, given), "en": _filled(en, given)}}


def _filled(text: str, numbers: dict[str, int]) -> str:
    if "{days}" in text:
        return text.format(days=numbers.get("days", "?"))
    if "day" in numbers:
        return f"{text} (D{numbers['day']})"
    if "within_hours" in numbers:
        return f"{text} (≤ {numbers['within_hours']} h)"
    return text


# What stays of a result on the ready page: its own state beside its own name, and what can be asked of it.
_KEPT = (
    *("state", "sign", "colour", "word", "headline", "reasons", "duties", "holder", "traveller", "identity"),
    *("certificates", "ways", "document", "issuer", "recognition", "bundle", "order", "asks", "explained"),
    "without",
)


def as_last(facts: Facts) -> Facts:
    """What stays of a result on the ready page until it is cleared."""
    return {name: facts[name] for name in _KEPT}
