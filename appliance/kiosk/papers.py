"""What stands in the papers that a traveller has shown: a line for each event, and the travel document.

The rules this module keeps:

* One short line for an event: what it was and when. A result of a test, a diagnosis beyond the kind of event,
  an identifier or a place is never among the facts.
* An instant is told in the desk's zone with its offset; the hour as the document has it stands small beside
  it, where that differs.
* A code that no table has a name for is shown as it is.

    event_lines(test, zone)["text"]["en"]         # "PCR test · 08:00 20/03/2022 (UTC+07:00)"
    identity_facts(match)["text"]["en"]           # "Name agrees, other spelling · birth date agrees"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import assert_never

from appliance.kiosk.paper_texts import (
    BIRTHS,
    DISEASES,
    EVENTS,
    NAMES,
    NOTES,
    PRODUCTS,
    TEST_KINDS,
)
from appliance.kiosk.plain import MAX_FULL_NAME, MAX_NAME, Facts, Texts, plain
from appliance.kiosk.texts import FAMILIES
from verifier.births import PartialDate
from verifier.certificate import (
    Certificate,
    Event,
    Exemption,
    Holder,
    Prophylaxis,
    Recovery,
    Test,
    Vaccination,
)
from verifier.identity import IdentityMatch, Traveller
from verifier.policy.saying import told
from verifier.vocabulary import COVID_19

LANGUAGES = ("vi", "en")
MAX_LINES = 8  # events of one document that the page has room for
MAX_CODE = 32


def holder_facts(holder: Holder) -> dict[str, str]:
    """Name and birth date as the officer compares them; the passport's form of the name beside it.

    full_name: only where the name had to be shortened.
    """
    whole = plain(f"{holder.surname} {holder.given}", MAX_FULL_NAME)
    passport = plain("<<".join(part for part in (holder.surname_icao, holder.given_icao) if part))
    name = plain(whole)
    facts = {
        "name": name or plain(passport.replace("<", " ")),
        "passport_name": passport,
        "birth_date": plain(holder.birth_date, 24),
    }
    return facts | ({"full_name": whole} if len(whole) > MAX_NAME else {})


def document_facts(certificates: Iterable[Certificate], zone: tzinfo) -> list[Facts]:
    """Each document that was shown, with a line for each of its events."""
    return [
        {
            "family": each.family.value,
            "document": FAMILIES[each.family],
            "events": [event_lines(event, zone) for event in each.events[:MAX_LINES]],
        }
        for each in certificates
    ]


def event_lines(event: Event, zone: tzinfo) -> Facts:
    """One event as a line of text. small: the hour of a sample as the document has it, where that differs."""
    small = None
    match event:
        case Vaccination():
            kind, what = "vaccination", _product(event.product)
            when = _each(event.given, zone)
            dose = _dose(event)
        case Test():
            kind, what = "test", TEST_KINDS.get(event.kind) or _same(plain(event.kind, MAX_CODE))
            when, small = _sampled(event, zone)
            dose = None
        case Recovery():
            kind, what, when, dose = "recovery", None, _each(event.first_positive, zone), None
        case Exemption():
            kind, what, when, dose = "exemption", None, _each(event.valid_until, zone), None
        case Prophylaxis():
            kind, what = "prophylaxis", _product(event.product)
            when, dose = _each(event.given, zone), None
        case _:
            assert_never(event)
    parts: list[Texts | None] = [_disease(event.disease), EVENTS[kind] if what is None else what, dose, when]
    text = {lang: " · ".join(part[lang] for part in parts if part) for lang in LANGUAGES}
    return {"kind": kind, "text": text, "small": small}


def _same(text: str) -> Texts:
    return dict.fromkeys(LANGUAGES, text)


def _each(value: object, zone: tzinfo) -> Texts:
    return {lang: told(value, lang, zone) for lang in LANGUAGES}


def _disease(code: str) -> Texts | None:
    """The disease where it is not the one that nearly every document is about."""
    if code == COVID_19:
        return None
    return DISEASES.get(code) or _same(plain(code, MAX_CODE))


def _product(code: str) -> Texts | None:
    return _same(PRODUCTS.get(code) or plain(code, MAX_CODE)) if code else None


def _dose(event: Vaccination) -> Texts | None:
    if event.dose is None:
        return None
    counted = str(event.dose) if event.doses is None else f"{event.dose}/{event.doses}"
    return {"vi": f"mũi {counted}", "en": f"dose {counted}"}


def _sampled(event: Test, zone: tzinfo) -> tuple[Texts, Texts | None]:
    """When a sample was taken: at the desk's hour, and as the document has it (SC-T12)."""
    at = event.sampled
    if at is None:
        return _each(None, zone), None
    if at.tzinfo is None:
        words = f"{at:%H:%M %d/%m/%Y}"
        return {"vi": f"{words} (không rõ múi giờ)", "en": f"{words} (zone not stated)"}, None
    here, own = _each(at, zone), _each(at, _zone_of(at))
    return here, None if own == here else own


def _zone_of(at: datetime) -> tzinfo:
    assert at.tzinfo is not None
    return at.tzinfo


# --- The travel document


def traveller_facts(traveller: Traveller) -> Facts:
    """Name and birth date of the travel document that was read."""
    name = traveller.document.name
    return {
        "name": plain(" ".join((*name.surname, *name.given))),
        "birth_date": _line_date(traveller.birth),
    }


def _line_date(stated: PartialDate) -> str:
    """A date as a passport line states it, which has no century and may lack parts: ``10/10/(..)83``."""
    year = "" if stated.year is None else f"{stated.year:04}" if stated.century else f"(..){stated.year:02}"
    parts = [f"{part:02}" if part is not None else "??" for part in (stated.day, stated.month)]
    return "/".join([*parts, year or "????"])


def identity_facts(match: IdentityMatch) -> Facts:
    """How the certificate's holder stands to the travel document."""
    name, birth = NAMES[match.name], BIRTHS[match.birth]
    return {
        "class": match.name.value,
        "birth": match.birth.value,
        "agrees": match.agrees,
        "text": {lang: f"{name[lang]} · {birth[lang]}" for lang in LANGUAGES},
        "notes": [NOTES[note] for note in match.notes],
    }


def shown_of(shown: Sequence[Certificate], last: Certificate | None) -> Sequence[Certificate]:
    """The certificates to list: those that were judged together, the one that is held up among them."""
    if last is None or any(each is last for each in shown):
        return shown
    return (*shown, last)
