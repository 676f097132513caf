"""The cast of the demonstration: invented travellers, and what a checkpoint must answer to each.

The rules this module keeps:

* Nobody here exists. Names are put together, birth dates and identifiers are made up.
* Each exhibit carries the state and the reason that it must lead to, so that a demonstration proves itself.
* File names tell the case, never the person.

    exhibits = make_cast(issuer, now)        # issues, and revokes one of them
    issuer.publish(now)
    write_cast(exhibits, Path("cast"))       # NN-case.png and cast.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from issuer import certificates
from issuer.certificates import Person
from issuer.faults import FAULTS, Code, blot
from issuer.keys import Algorithm
from issuer.office import YEAR, Issuer
from issuer.qr import draw
from trustsync.files import write_whole
from verifier.certificate import DETECTED, Family
from verifier.reasons import Reason, State

PIXELS = 690  # a side of a picture at most: a camera frame of 1280x720 holds it
PAPER = "#f2f0ea"  # a light background that is not quite white, as paper is
LINK = "https://example.org/menu"


@dataclass(frozen=True, slots=True, repr=False)
class Exhibit:
    """One picture of the cast. case: for its file name. title, about: for people."""

    case: str
    title: str
    expect_state: State
    expect_reason: Reason | None
    about: str
    png: bytes


def make_cast(issuer: Issuer, now: datetime) -> list[Exhibit]:
    """Issue the cast as of ``now``. One of them is revoked; that shows after the next publication."""
    today = now.date()
    month_ago = today - timedelta(days=30)

    def dose(person: Person, day: date = month_ago, **details: Any) -> dict[str, Any]:
        return certificates.of_vaccination(person, country=issuer.country, day=day, **details)

    def swab(person: Person, **details: Any) -> dict[str, Any]:
        return certificates.of_test(
            person, country=issuer.country, sampled=now - timedelta(hours=6), **details
        )

    def good(case: str, person: str, payload: dict[str, Any], algorithm: Algorithm, about: str) -> Exhibit:
        issued = issuer.issue(payload, issued_at=now, expires_at=now + YEAR, algorithm=algorithm)
        return Exhibit(case, person, State.PASS, None, about, _picture(issued.text))

    def foreign(family: Family, person: Person, about: str, reason: Reason | None = None) -> Exhibit:
        issued = issuer.issue(dose(person), issued_at=now, expires_at=now + YEAR, family=family)
        title = f"{person.surname} {person.given}".strip()
        state = State.PASS if reason is None else State.CHECK
        return Exhibit(family.lower(), title, state, reason, about, _picture(issued.code))

    def bad(name: str, person: str, payload: dict[str, Any]) -> Exhibit:
        fault = FAULTS[name]
        text = fault.make(issuer, payload, now)
        return Exhibit(name, person, fault.expect_state, fault.expect_reason, fault.about, _picture(text))

    recovery = certificates.of_recovery(
        Person("Đặng", "Thị Đào", "1990-04-21"),
        country=issuer.country,
        first_positive=today - timedelta(days=90),
    )
    positive = issuer.issue(
        swab(Person("Oduya", "Femi Adaeze", "1996-08-02"), result=DETECTED),
        issued_at=now,
        expires_at=now + YEAR,
    )
    damaged = issuer.issue(
        dose(Person("Papadakis", "Eleni", "1969-05-17")), issued_at=now, expires_at=now + YEAR
    )
    return [
        good(
            "vaccination",
            "Nguyễn Bảo Duy",
            dose(Person("Nguyễn", "Bảo Duy", "1983-10-10")),
            Algorithm.ES256,
            "vaccination, two of two, signed with ES256",
        ),
        good("recovery", "Đặng Thị Đào", recovery, Algorithm.PS256, "recovery, signed with PS256"),
        good(
            "negative-test",
            "Abebe Tesfahun",
            swab(Person("Tesfahun", "Abebe", "1988-01-07")),
            Algorithm.EDDSA,
            "negative test six hours ago, signed with EdDSA",
        ),
        good(
            "special-letters",
            "Jörg-Günther Weißmüller",
            dose(Person("Weißmüller", "Jörg-Günther", "1957-03-30"), dose=3, doses=3),
            Algorithm.ES256,
            "vaccination, a booster; letters that the passport line spells otherwise",
        ),
        foreign(
            Family.SHC, Person("Okafor", "Chidi", "1979-02-11"), "a SMART Health Card of the same issuer"
        ),
        foreign(Family.VDS_NC, Person("Sato", "Hanako", "1994-12-01"), "an ICAO VDS-NC seal"),
        foreign(Family.DIVOC, Person("Perera", "Nimal", "1966-08-23"), "a DIVOC document, in a ZIP"),
        foreign(
            Family.NZCP,
            Person("Ngata", "Aroha", "2000-05-05"),
            "authentic, and good inside its own country only",
            Reason.UNSUPPORTED,
        ),
        bad(
            "without-expiry",
            "Trương Mỹ Ước",
            dose(Person("Trương", "Mỹ Ước", "2001-12-24")),
        ),
        bad(
            "expired",
            "Sulastri",
            dose(Person("Sulastri", "", "1975"), today - timedelta(days=120)),
        ),
        bad("issued-tomorrow", "Lê Hoàng Ẩn", dose(Person("Lê", "Hoàng Ẩn", "1992-02-29"))),
        bad("revoked", "Maria de Fátima Couto", dose(Person("Couto", "Maria de Fátima", "1980-07-15"))),
        bad("payload-changed", "Piotr Złotowski", dose(Person("Złotowski", "Piotr", "1985-11-05"))),
        bad("key-not-listed", "Ingeborg Østby", dose(Person("Østby", "Ingeborg", "1949-06-01"))),
        Exhibit(
            "positive-test",
            "Femi Adaeze Oduya",
            State.FAIL,
            Reason.TEST_POSITIVE,
            "authentic; the test found the virus",
            _picture(positive.text),
        ),
        bad(
            "key-of-test-environment",
            "Quách Mẫu Thử",
            dose(Person("Quách", "Mẫu Thử", "1999-09-09")),
        ),
        Exhibit(
            "web-link",
            "a web link",
            State.RESCAN,
            Reason.NOT_CERT,
            "a code from the table of a restaurant",
            _picture(LINK),
        ),
        Exhibit(
            "damaged",
            "Eleni Papadakis",
            State.RESCAN,
            Reason.UNREADABLE,
            "authentic; a stain hides more of the code than it can repair",
            blot(_picture(damaged.text)),
        ),
    ]


def _picture(content: Code) -> bytes:
    assert not isinstance(content, tuple), "a code in parts is several pictures"
    code = draw(content)
    return code.png(code.scale_for(PIXELS), light=PAPER)


def write_cast(exhibits: Sequence[Exhibit], out: Path) -> Path:
    """Write the pictures as ``NN-case.png`` and, beside them, ``cast.json``; the path of the latter.

    The file lists each picture with its title and what is expected of it.
    """
    rows = []
    for number, exhibit in enumerate(exhibits, 1):
        name = f"{number:02}-{exhibit.case}.png"
        write_whole(out / name, exhibit.png)
        rows.append(
            {
                "file": name,
                "title": exhibit.title,
                "expect_state": exhibit.expect_state.value,
                "expect_reason": None if exhibit.expect_reason is None else exhibit.expect_reason.value,
                "about": exhibit.about,
            }
        )
    index = out / "cast.json"
    write_whole(index, (json.dumps(rows, ensure_ascii=False, indent=2) + "\n").encode())
    return index
