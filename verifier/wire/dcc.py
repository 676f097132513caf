"""EU Digital COVID Certificate payloads (sub-key 1 of an HCERT), versions 1.0 to 1.3.

The rules this module keeps:

* Real issuers bend the schema; what can have only one meaning is read: blanks round a text, ``null`` for
  absent, 2.0 for 2, a date with a time behind it, a text under a date tag.
* What cannot be right is malformed: a date that is none, a dose number outside 1 to 99.
* What is absent stays absent. A rule that needs it will answer unknown; nobody fills it in.
* The identifier is kept exactly as written, because revocation hashes it as written.

    payload = read_payload(claims.document)
    payload.holder, payload.events, payload.findings

Source: EU DCC schema 1.3.3 and the interoperability notes in ``docs/formats/hc1.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from verifier.certificate import Event, Holder, Payload, Recovery, Test, Vaccination
from verifier.reasons import Reason, finding
from verifier.vocabulary import NAAT
from verifier.wire import values
from verifier.wire.errors import MalformedError

MAJOR = "1"  # the schema's major version that is read here
MAX_ENTRIES = 16  # of one kind; more than one is MULTI_EVENT anyhow


def read_payload(document: Any) -> Payload:
    """Read a DCC payload.

    Raises MalformedError when the payload has no holder or no event, or a value that cannot be right; with
    reason ``UNSUPPORTED`` when its major version is not 1. Several events are a finding, not an error.
    """
    if not isinstance(document, (dict, Mapping)):
        raise MalformedError("dcc", "not a map")
    version = values.version(document.get("ver"))
    major = version.partition(".")[0]
    if major != MAJOR and major.isascii() and major.isdigit() and major.lstrip("0") != MAJOR:
        raise MalformedError("dcc", "a schema of an unknown major version", Reason.UNSUPPORTED)
    events: list[Event] = []
    for name, read in _EVENTS.items():
        if name in document:
            events += map(read, _entries(document[name], name))
    if not events:
        raise MalformedError("dcc", "no vaccination, test or recovery in it")
    findings = (finding(Reason.MULTI_EVENT, f"{len(events)} events"),) if len(events) > 1 else ()
    return Payload(read_holder(document), tuple(events), version, findings)


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
    for entry in value:
        if not (entry is None or isinstance(entry, (dict, Mapping))):
            raise MalformedError("dcc", f"an entry of {name} is not a map")
    return [entry for entry in value if entry]  # null, or with nothing in it: no event


def read_holder(document: Mapping[str, Any]) -> Holder:
    """The holder under ``nam`` and ``dob``. Raises MalformedError when there is no name."""
    name = document.get("nam")
    if not isinstance(name, (dict, Mapping)):
        raise MalformedError("dcc", "no name in it")
    written = values.texts(name, "fn", "gn", "fnt", "gnt")
    if not any(written):
        raise MalformedError("dcc", "no name in it")
    surname, given, surname_icao, given_icao = written
    return Holder(surname, given, surname_icao, given_icao, values.birth(document.get("dob")))


def _vaccination(entry: Mapping[str, Any]) -> Vaccination:
    disease, vaccine, product, maker, country, issuer = values.texts(
        entry, "tg", "vp", "mp", "ma", "co", "is"
    )
    return Vaccination(
        disease=disease,
        vaccine=vaccine,
        product=product,
        maker=maker,
        dose=values.dose(entry.get("dn"), "dcc", "dn"),
        doses=values.dose(entry.get("sd"), "dcc", "sd"),
        given=values.day(entry.get("dt"), "dcc", "dt"),
        country=country,
        issuer=issuer,
        identifier=values.as_written(entry.get("ci")),
    )


def _test(entry: Mapping[str, Any]) -> Test:
    sampled_text = values.text(entry.get("sc"))
    return Test(
        disease=values.text(entry.get("tg")),
        kind=values.text(entry.get("tt")),
        device=values.text(entry.get("ma")),
        sampled=values.instant(sampled_text, "dcc", "sc"),
        sampled_text=sampled_text,
        result=values.text(entry.get("tr")),
        country=values.text(entry.get("co")),
        issuer=values.text(entry.get("is")),
        identifier=values.as_written(entry.get("ci")),
    )


def _recovery(entry: Mapping[str, Any]) -> Recovery:
    return Recovery(
        disease=values.text(entry.get("tg")),
        first_positive=values.day(entry.get("fr"), "dcc", "fr"),
        valid_from=values.day(entry.get("df"), "dcc", "df"),
        valid_until=values.day(entry.get("du"), "dcc", "du"),
        country=values.text(entry.get("co")),
        issuer=values.text(entry.get("is")),
        identifier=values.as_written(entry.get("ci")),
        # "fr" is the day of a NAAT by definition; an issuer who lets another test count says so as in a test
        proof=values.text(entry.get("tt")) or NAAT,
    )


_EVENTS: dict[str, Callable[[Mapping[str, Any]], Event]] = {"v": _vaccination, "t": _test, "r": _recovery}
