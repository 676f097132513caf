"""EU Digital COVID Certificate payloads (sub-key 1 of an HCERT), versions 1.0 to 1.3.

The rules this module keeps:

* Real issuers bend the schema; what can have only one meaning is read: blanks round a text, ``null`` for
  absent, 2.0 for 2, a date with a time behind it, a text under a date tag.
* What cannot be right is malformed: a date that is none, a dose number outside 1 to 99.
* What is absent stays absent. A rule that needs it will answer unknown; nobody fills it in.
* The identifier is kept exactly as written, because revocation hashes it as written.

    payload = read_payload(claims.hcert[1])
    payload.holder, payload.events, payload.findings

Source: EU DCC schema 1.3.3 and the interoperability notes in ``docs/formats/hc1.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import cbor2

from verifier.certificate import Event, Holder, Recovery, Test, Vaccination
from verifier.reasons import Finding, Reason, finding
from verifier.wire.errors import MalformedError

MAJOR = "1"  # the schema's major version that is read here
MAX_DOSE = 99
MAX_ENTRIES = 16  # of one kind; more than one is MULTI_EVENT anyhow
MAX_VERSION = 32  # characters
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?")
_BIRTH = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")


@dataclass(frozen=True, slots=True, repr=False)
class Payload:
    """A DCC payload as read. findings: what is wrong with it or could not be read."""

    holder: Holder
    events: tuple[Event, ...]
    version: str
    findings: tuple[Finding, ...]


def read_payload(document: Any) -> Payload:
    """Read a DCC payload.

    Raises MalformedError when the payload has no holder or no event, or a value that cannot be right; with
    reason ``UNSUPPORTED`` when its major version is not 1. Several events are a finding, not an error.
    """
    if not isinstance(document, Mapping):
        raise MalformedError("dcc", "not a map")
    version = _version(document.get("ver"))
    major = version.partition(".")[0]
    if major.isascii() and major.isdigit() and major.lstrip("0") != MAJOR:
        raise MalformedError("dcc", "a schema of an unknown major version", Reason.UNSUPPORTED)
    events = tuple(
        read(entry) for name, read in _EVENTS.items() for entry in _entries(document.get(name), name)
    )
    if not events:
        raise MalformedError("dcc", "no vaccination, test or recovery in it")
    findings = (finding(Reason.MULTI_EVENT, f"{len(events)} events"),) if len(events) > 1 else ()
    return Payload(_holder(document), events, version, findings)


def _version(value: Any) -> str:
    """The version as a text; a small number is read as one, and an endless text is cut off."""
    if type(value) in (int, float) and abs(value) < 1000:
        return str(value)
    text = _text(value)
    return text[:MAX_VERSION]


def event_letters(document: Any) -> frozenset[str]:
    """Which of ``v``, ``t`` and ``r`` the payload holds, for checks of key usage."""
    if not isinstance(document, Mapping):
        return frozenset()
    return frozenset(name for name in _EVENTS if isinstance(document.get(name), list) and any(document[name]))


def _entries(value: Any, name: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError("dcc", f"{name} is not a list")
    if len(value) > MAX_ENTRIES:
        raise MalformedError("dcc", f"{name} has more than {MAX_ENTRIES} entries", Reason.TOO_BIG)
    if not all(entry is None or isinstance(entry, Mapping) for entry in value):
        raise MalformedError("dcc", f"an entry of {name} is not a map")
    return [entry for entry in value if entry]  # null, or with nothing in it: no event


def _holder(document: Mapping[str, Any]) -> Holder:
    name = document.get("nam")
    if not isinstance(name, Mapping):
        raise MalformedError("dcc", "no name in it")
    holder = Holder(
        surname=_text(name.get("fn")),
        given=_text(name.get("gn")),
        surname_icao=_text(name.get("fnt")),
        given_icao=_text(name.get("gnt")),
        birth_date=_birth(document.get("dob")),
    )
    if not (holder.surname or holder.given or holder.surname_icao or holder.given_icao):
        raise MalformedError("dcc", "no name in it")
    return holder


def _vaccination(entry: Mapping[str, Any]) -> Vaccination:
    return Vaccination(
        disease=_text(entry.get("tg")),
        vaccine=_text(entry.get("vp")),
        product=_text(entry.get("mp")),
        maker=_text(entry.get("ma")),
        dose=_dose(entry.get("dn"), "dn"),
        doses=_dose(entry.get("sd"), "sd"),
        given=_day(entry.get("dt"), "dt"),
        country=_text(entry.get("co")),
        issuer=_text(entry.get("is")),
        identifier=_as_written(entry.get("ci")),
    )


def _test(entry: Mapping[str, Any]) -> Test:
    sampled_text = _text(entry.get("sc"))
    return Test(
        disease=_text(entry.get("tg")),
        kind=_text(entry.get("tt")),
        device=_text(entry.get("ma")),
        sampled=_instant(sampled_text),
        sampled_text=sampled_text,
        result=_text(entry.get("tr")),
        country=_text(entry.get("co")),
        issuer=_text(entry.get("is")),
        identifier=_as_written(entry.get("ci")),
    )


def _recovery(entry: Mapping[str, Any]) -> Recovery:
    return Recovery(
        disease=_text(entry.get("tg")),
        first_positive=_day(entry.get("fr"), "fr"),
        valid_from=_day(entry.get("df"), "df"),
        valid_until=_day(entry.get("du"), "du"),
        country=_text(entry.get("co")),
        issuer=_text(entry.get("is")),
        identifier=_as_written(entry.get("ci")),
    )


_EVENTS: dict[str, Callable[[Mapping[str, Any]], Event]] = {"v": _vaccination, "t": _test, "r": _recovery}


def _untagged(value: Any) -> Any:
    """The text under a date tag; some encoders put tag 0 round date-times."""
    return value.value if isinstance(value, cbor2.CBORTag) and value.tag == 0 else value


def _text(value: Any) -> str:
    value = _untagged(value)
    return value.strip() if isinstance(value, str) else ""


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dose(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_DOSE:
        raise MalformedError("dcc", f"{name} is not a whole number from 1 to {MAX_DOSE}")
    return value


def _day(value: Any, name: str) -> date | None:
    """The calendar date as written; a time and zone behind it do not shift it."""
    text = _text(value)
    if not text and _untagged(value) in (None, ""):
        return None
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return date(*map(int, match.groups()))
    except ValueError:
        raise MalformedError("dcc", f"{name} is not a date") from None


def _birth(value: Any) -> str:
    """A birth date as far as it is known; a time behind it is cut off, any other text is kept as it is."""
    text = _text(value)
    head = text[:10]
    if _BIRTH.fullmatch(head) and (len(text) <= 10 or text[10] in "T "):
        return head
    return text


def _instant(text: str) -> datetime | None:
    """The instant of an ISO 8601 text, naive if the text has no offset; ``None`` for an absent one."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise MalformedError("dcc", "sc is not a date and time") from None
