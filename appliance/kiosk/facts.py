"""What the page says, as plain facts: one value for people and machines.

The rules this module keeps:

* A name is a stranger's text: control and direction characters are taken out, its length is bounded, and it
  is shown as text and never as markup.
* Name and birth date are shown for comparison with the passport: a signature says nothing about the bearer.
* An issuer that is named by an address is shown as its host, the part that tells who it is; never as a link.
* A text of a code, an identifier or a diagnosis is never among the facts.

    facts = of_verdict(verdict)
    facts["state"], facts["headline"]["vi"], facts["holder"]["name"]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from appliance.kiosk.texts import FAMILIES, WAITING
from appliance.signals import SAYINGS, Signal, signal_of
from appliance.supply import Snapshot
from verifier.certificate import Certificate
from verifier.countries import alpha2
from verifier.policy.bundle import in_force
from verifier.reasons import CATALOGUE, Finding
from verifier.times import written
from verifier.trust import ClockState
from verifier.verdict import Duty, DutyCode, Verdict

Facts = dict[str, Any]

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
        "duties": [],
        "parts": None,
        "holder": None,
        "family": None,
        "document": None,
        "issuer": None,
        "last": None,
    }


def of_waiting(have: int, count: int) -> Facts:
    """The facts while parts of a many-part code are gathered: the unit is ready for the next one."""
    facts = of_signal(Signal.READY)
    facts["headline"] = {lang: text.format(have=have, count=count) for lang, text in WAITING.items()}
    facts["parts"] = {"have": have, "count": count}
    return facts


def of_findings(signal: Signal, findings: Iterable[Finding]) -> Facts:
    """The facts of a signal with reasons, the first of which is the headline."""
    facts = of_signal(signal)
    facts["reasons"] = [
        {
            "code": found.code.value,
            "state": None if found.state is None else found.state.value,
            "text": {"vi": CATALOGUE[found.code].vi, "en": CATALOGUE[found.code].en},
        }
        for found in findings
    ]
    if facts["reasons"] and facts["reasons"][0]["state"] == facts["state"]:
        facts["headline"] = facts["reasons"][0]["text"]
    return facts


def of_verdict(verdict: Verdict) -> Facts:
    """The facts of a verdict."""
    facts = of_findings(signal_of(verdict.state), verdict.reasons)
    facts["duties"] = [_duty(duty) for duty in verdict.duties]
    certificate = verdict.certificate
    # What was proven names the document more closely than how its text begins.
    family = verdict.family if certificate is None else certificate.family
    if family is not None:
        facts["family"], facts["document"] = family.value, FAMILIES[family]
    if certificate is not None:
        facts["holder"] = _holder(certificate)
        facts["issuer"] = issuer_name(certificate.issuer or certificate.key.country or "") or None
    return facts


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
    kept = ("state", "sign", "colour", "word", "headline", "holder", "document", "issuer")
    return {name: facts[name] for name in kept}


def of_standing(snapshot: Snapshot | None, now: datetime, clock: ClockState | None, zone: ZoneInfo) -> Facts:
    """What stands below every result: list, clock and rules; ``None`` for what there is not."""
    if snapshot is None or clock is None:
        return {"list": None, "clock": None, "rules": None}
    state = snapshot.trust.state(now)
    bundle = in_force(snapshot.bundles, now)
    return {
        "list": {
            "state": None if state is None else state.value,
            "signed_at": written(snapshot.signed_at.replace(microsecond=0)),
            "age_s": int((now - snapshot.signed_at).total_seconds()),
            "date": f"{snapshot.signed_at.astimezone(zone):%d/%m/%Y %H:%M}",
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
