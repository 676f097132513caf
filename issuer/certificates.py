"""The payload of a health certificate: EU DCC schema 1.3.3 for vaccination, test and recovery.

The rules this module keeps:

* One event in a certificate, every coded value a code of the EU value sets, names in the holder's own letters
  and in those of the passport line.
* A payload is held against the schema before it is signed; what does not conform is named by its path, never
  by what it says.
* An identifier (UVCI) tells nothing about the holder: country, random characters, a check character.

    payload = of_vaccination(Person("Nguyễn", "Bảo Duy", "1983-10-10"), country="XV", day=date(2021, 8, 1))
    payload = complete(payload, uvci("XV", random_bytes))
    check(payload)                       # raises IssuerError

Sources: EU DCC schema 1.3.3, eHealth Network guidelines on value sets and on the UVCI.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from issuer.errors import IssuerError
from issuer.names import passport_line
from verifier.certificate import DETECTED, NOT_DETECTED
from verifier.wire.dcc_schema import conforms, problems

SCHEMA_VERSION = "1.3.3"
COVID_19 = "840539006"
AUTHORITY = "Vaxgate reference issuer"
NAAT, RAPID = "LP6464-4", "LP217198-3"
MRNA = "1119349007"
# The defaults of the command line: codes of a product and of its maker as the EU value sets write them.
PRODUCT, MAKER = "EU/1/20/1528", "ORG-100030215"
# From a first positive test to the day that its recovery counts, and to the last day that it does.
RECOVERY_FROM, RECOVERY_UNTIL = timedelta(days=11), timedelta(days=180)

OPAQUE_BYTES = 15  # of a UVCI: 24 characters of Base32
_CHECKED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:"  # in the order of their values in the check sum

# What rule bundles are given to tell a known code from an unknown one.
VALUE_SETS: Mapping[str, frozenset[str]] = {
    "disease-agent-targeted": frozenset({COVID_19}),
    "covid-19-lab-test-type": frozenset({NAAT, RAPID}),
    "covid-19-lab-result": frozenset({DETECTED, NOT_DETECTED}),
    "sct-vaccines-covid-19": frozenset(
        {
            MRNA, "1119305005", "J07BX03", "1162643001", "1157024006",
            "29061000087103", "28531000087107", "30141000087107", "1187593009",
        }
    ),
}  # fmt: skip


class Kind(StrEnum):
    """The events that a certificate may be about."""

    VACCINATION = "vaccination"
    TEST = "test"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A holder. birth_date: ``YYYY-MM-DD``, ``YYYY-MM``, ``YYYY`` or empty.

    surname_icao, given_icao: the passport line's spelling, where it is not the one of :mod:`issuer.names`.
    """

    surname: str
    given: str
    birth_date: str
    surname_icao: str | None = None
    given_icao: str | None = None


def of_vaccination(
    person: Person,
    *,
    country: str,
    day: date,
    dose: int = 2,
    doses: int = 2,
    vaccine: str = MRNA,
    product: str = PRODUCT,
    maker: str = MAKER,
    disease: str = COVID_19,
) -> dict[str, Any]:
    """The payload for one dose, still without identifier."""
    event = {
        "tg": disease,
        "vp": vaccine,
        "mp": product,
        "ma": maker,
        "dn": dose,
        "sd": doses,
        "dt": day.isoformat(),
        "co": country,
        "is": AUTHORITY,
    }
    return _payload(person, "v", event)


def of_test(
    person: Person,
    *,
    country: str,
    sampled: datetime,
    result: str = NOT_DETECTED,
    method: str = NAAT,
    device: str | None = None,
) -> dict[str, Any]:
    """The payload for one test, still without identifier. sampled: an aware instant."""
    event = {
        "tg": COVID_19,
        "tt": method,
        "sc": sampled.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "tr": result,
        "tc": AUTHORITY,
        "co": country,
        "is": AUTHORITY,
    }
    return _payload(person, "t", event if device is None else event | {"ma": device})


def of_recovery(
    person: Person,
    *,
    country: str,
    first_positive: date,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> dict[str, Any]:
    """The payload for one recovery, still without identifier."""
    event = {
        "tg": COVID_19,
        "fr": first_positive.isoformat(),
        "df": (valid_from or first_positive + RECOVERY_FROM).isoformat(),
        "du": (valid_until or first_positive + RECOVERY_UNTIL).isoformat(),
        "co": country,
        "is": AUTHORITY,
    }
    return _payload(person, "r", event)


def _payload(person: Person, letter: str, event: dict[str, Any]) -> dict[str, Any]:
    return {"ver": SCHEMA_VERSION, "nam": _name(person), "dob": person.birth_date, letter: [event]}


def _name(person: Person) -> dict[str, str]:
    """Surname and given name with their spellings; a person of one name has only that one."""
    try:
        spelled = {
            "fn": person.surname.strip(),
            "fnt": person.surname_icao or passport_line(person.surname),
            "gn": person.given.strip(),
            "gnt": person.given_icao or passport_line(person.given),
        }
    except ValueError as error:
        raise IssuerError(f"name: {error} (--surname-icao, --given-icao)") from None
    return {field: text for field, text in spelled.items() if text}


def event_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The one event of a payload. Raises IssuerError when there is not exactly one."""
    lists = [payload[letter] for letter in "vtr" if payload.get(letter)]
    if len(lists) != 1 or not isinstance(lists[0], list) or len(lists[0]) != 1:
        raise IssuerError("payload: exactly one event is expected, a list of one entry under v, t or r")
    event = lists[0][0]
    if not isinstance(event, dict):
        raise IssuerError("payload: the event is not an object")
    return event


def identifier_of(payload: Mapping[str, Any]) -> str:
    """The identifier of the payload's event; empty where it has none, or no single event."""
    try:
        identifier = event_of(payload).get("ci")
    except IssuerError:
        return ""
    return identifier if isinstance(identifier, str) else ""


def complete(payload: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    """The payload with this identifier in its event, unless it brings one of its own."""
    event = event_of(payload)
    return {
        name: [{**event, "ci": event.get("ci") or identifier}] if name in ("v", "t", "r") else value
        for name, value in payload.items()
    }


_MEMBERS = frozenset({"ver", "nam", "dob", "v", "t", "r"})


def check(payload: Mapping[str, Any]) -> None:
    """Raise IssuerError unless the payload conforms to the schema; the message names each path."""
    unknown = sorted(str(name) for name in set(payload) - _MEMBERS)
    if unknown:
        raise IssuerError(
            f"payload: {', '.join(unknown)}: no such member; a DCC has ver, nam, dob and one of v, t, r"
        )
    if not conforms(payload):
        wrong = "; ".join(problems(payload)) or "exactly one event is expected"
        raise IssuerError(f"payload does not conform to the DCC schema: {wrong}")


def uvci(country: str, random: bytes) -> str:
    """An identifier from these random bytes: ``URN:UVCI:01:XV:…#C``."""
    body = f"URN:UVCI:01:{country}:{base64.b32encode(random).decode().rstrip('=')}"
    return f"{body}#{check_character(body)}"


def check_character(body: str) -> str:
    """The check character of a UVCI: Luhn modulo 38 over everything before the ``#``.

    Raises ValueError for a character that has no value in the sum.
    """
    base = len(_CHECKED)
    total = 0
    for place, character in enumerate(reversed(body)):
        # Every second character from the right counts double, its two digits (in base 38) added up.
        value = _CHECKED.index(character) * (2 if place % 2 == 0 else 1)
        total += value // base + value % base
    return _CHECKED[-total % base]
