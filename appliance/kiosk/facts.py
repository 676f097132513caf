"""What the page says, as plain facts: one value for people and machines.

The rules this module keeps:

* A name is a stranger's text: control and direction characters are taken out, its length is bounded, and it
  is shown as text and never as markup.
* Name and birth date are shown for comparison with the passport: a signature says nothing about the bearer.
* An issuer that is named by an address is shown as its host, the part that tells who it is; never as a link.
* A text of a code, an identifier or a diagnosis is never among the facts.
* A list that is out of date is said with its age, what to do about it, and whom to call.

    facts = of_verdict(verdict)
    facts["state"], facts["headline"]["vi"], facts["holder"]["name"]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from appliance.kiosk.texts import ADVICE, AGED, FAMILIES, RECOGNISED, UNITS, WAITING
from appliance.signals import SAYINGS, Signal, signal_of
from appliance.supply import Snapshot
from verifier.certificate import Certificate
from verifier.countries import alpha2
from verifier.duties import Duty, DutyCode
from verifier.policy.bundle import in_force
from verifier.reasons import CATALOGUE, Finding, Reason, State
from verifier.recognition import RecognitionClass
from verifier.times import told, written
from verifier.trust import ClockState, ListState
from verifier.verdict import Verdict

Facts = dict[str, Any]
Texts = dict[str, str]  # by language

MAX_NAME = 80
MAX_ISSUER = 48
MAX_MARKS = 4  # combining marks on one letter; Vietnamese needs two

DUTY_TEXTS: dict[DutyCode, tuple[str, str]] = {
    DutyCode.ISOLATE: ("Cách ly {days} ngày", "Isolate for {days} days"),
    DutyCode.SELF_WATCH: ("Tự theo dõi sức khỏe {days} ngày", "Watch own health for {days} days"),
    DutyCode.TEST: ("Xét nghiệm", "Test"),
    DutyCode.DECLARE: ("Khai báo y tế", "Health declaration"),
    DutyCode.AIRSIDE_ONLY: ("Chỉ ở khu vực cách ly sân bay", "Airside only"),
    DutyCode.SECOND_CHECK: ("Cần người thứ hai kiểm tra", "A second person must check"),
}


def plain(text: str, limit: int = MAX_NAME) -> str:
    """A stranger's text, safe to show on one line.

    Control, format and direction characters, unpaired surrogates and private ones are taken out, runs of
    blanks become one, piles of combining marks are cut, and the length is bounded with an ellipsis.
    """
    out: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[: limit * 16]):
        kind = unicodedata.category(char)
        if kind in ("Zs", "Zl", "Zp") or char in "\t\r\n\v\f":
            out.append(" ")
            continue
        if kind[0] == "C":
            continue
        marks = marks + 1 if kind[0] == "M" else 0
        if marks <= MAX_MARKS:
            out.append(char)
    line = re.sub(" +", " ", "".join(out)).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


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
        "holder": None,
        "family": None,
        "document": None,
        "issuer": None,
        "recognition": None,
        "last": None,
    }


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
        }
        for found in findings
    ]
    if facts["reasons"] and facts["reasons"][0]["state"] == facts["state"]:
        facts["headline"] = facts["reasons"][0]["text"]
    facts["advice"] = _advice(signal, findings, list_state)
    if any(found.code is Reason.LIST_EXPIRED for found in findings):
        words = ADVICE["call" if phone else "call_nobody"]
        facts["call"] = {
            "phone": phone or None,
            "text": {lang: text.format(phone=phone) for lang, text in words.items()},
        }
    return facts


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


def of_verdict(verdict: Verdict, *, phone: str = "") -> Facts:
    """The facts of a verdict. phone: whom to call about a list that is out of date."""
    signal = signal_of(verdict.state)
    facts = of_findings(signal, verdict.reasons, phone=phone, list_state=verdict.list_state)
    facts["duties"] = [_duty(duty) for duty in verdict.duties]
    certificate = verdict.certificate
    # What was proven names the document more closely than how its text begins.
    family = verdict.family if certificate is None else certificate.family
    if family is not None:
        facts["family"], facts["document"] = family.value, FAMILIES[family]
    if certificate is not None:
        facts["holder"] = _holder(certificate)
        facts["issuer"] = issuer_name(certificate.issuer or certificate.key.country or "") or None
        facts["recognition"] = _recognition(verdict.recognition)
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


def _holder(certificate: Certificate) -> dict[str, str]:
    """Name and birth date as the officer compares them; the passport's form of the name beside it."""
    holder = certificate.holder
    name = plain(f"{holder.surname} {holder.given}")
    passport = plain("<<".join(part for part in (holder.surname_icao, holder.given_icao) if part))
    return {
        "name": name or plain(passport.replace("<", " ")),
        "passport_name": passport,
        "birth_date": plain(holder.birth_date, 24),
    }


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


def as_last(facts: Facts) -> Facts:
    """What stays of a result on the ready page until it is cleared: its own state beside its own name."""
    kept = ("state", "sign", "colour", "word", "headline", "holder", "document", "issuer", "recognition")
    return {name: facts[name] for name in kept}


def of_standing(snapshot: Snapshot | None, now: datetime, clock: ClockState | None, zone: ZoneInfo) -> Facts:
    """What stands below every result: list, clock and rules; ``None`` for what there is not."""
    if snapshot is None or clock is None:
        return {"list": None, "clock": None, "rules": None}
    state = snapshot.trust.state(now, clock)
    bundle = in_force(snapshot.bundles, now)
    return {
        "list": {
            "state": None if state is None else state.value,
            "signed_at": written(snapshot.signed_at.replace(microsecond=0)),
            "age_s": int((now - snapshot.signed_at).total_seconds()),
            "date": f"{snapshot.signed_at.astimezone(zone):%d/%m/%Y %H:%M}",
            "sets": {
                name: {
                    "version": part.version,
                    "age_s": part.signed_at and int((now - part.signed_at).total_seconds()),
                    "expires": written(part.expires),
                    "count": part.count,
                }
                for name, part in snapshot.sets.items()
            },
        },
        "clock": {
            "state": clock.value,
            "now": written(now.replace(microsecond=0)),
            "text": f"{now.astimezone(zone):%H:%M · %d/%m/%Y}",
        },
        "rules": bundle
        and {
            "bundle": bundle.name,
            "version": bundle.version,
            "title": {lang: bundle.texts.get(lang, bundle.name) for lang in ("vi", "en")},
        },
    }
