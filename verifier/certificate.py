"""What a verified certificate says, in one vocabulary for every family.

A Certificate comes into being only when a signature held; it names the key that signed it. Values are
those of the document after the tolerances of its family; the document itself is kept beside them.

Nothing here prints a Holder: the types that carry a person's data have no ``repr`` of their own, so that
no traceback and no log line can hold one.

    certificate.holder.birth_date          # "1983-10-10", "1983" or ""
    certificate.events[0].identifier       # the UVCI as the issuer wrote it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from verifier.reasons import Finding
from verifier.trust import HashKind, TrustedKey


class Family(StrEnum):
    """The families of documents, by the names that the field uses."""

    HC1 = "HC1"
    LT1 = "LT1"
    AT1 = "AT1"
    DDCC = "DDCC"
    ICVP = "ICVP"
    SHC = "SHC"
    VDS_NC = "VDS-NC"
    DIVOC = "DIVOC"
    NZCP = "NZCP"
    DOC_2D = "2D-DOC"
    VHL = "VHL"
    NL2 = "NL2"
    VDS = "VDS"


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """The person, as the document writes the name.

    surname, given: in the issuer's own letters. surname_icao, given_icao: as in the passport line,
    words joined by ``<``. birth_date: ``YYYY``, ``YYYY-MM``, ``YYYY-MM-DD`` or empty.
    """

    surname: str = ""
    given: str = ""
    surname_icao: str = ""
    given_icao: str = ""
    birth_date: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Vaccination:
    """One dose.

    disease: a code of :mod:`verifier.vocabulary`. dose, doses: its number and the number of the course
    (``dn``, ``sd`` of a DCC). valid_from, valid_until: the days on which the document itself lets the dose
    count, both included. What the document does not state is ``None`` or empty: absent knowledge, for a rule
    to call unknown.
    """

    disease: str
    vaccine: str
    product: str
    maker: str
    dose: int | None
    doses: int | None
    given: date | None
    country: str
    issuer: str
    identifier: str
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Test:
    """One test.

    sampled: when the sample was taken, naive if the document gives no offset, ``None`` if it gives no time;
    sampled_text: what the document says. result: the code, see ``DETECTED`` and ``NOT_DETECTED``.
    """

    disease: str
    kind: str
    device: str
    sampled: datetime | None
    sampled_text: str
    result: str
    country: str
    issuer: str
    identifier: str


@dataclass(frozen=True, slots=True, repr=False)
class Recovery:
    """One recovery: the first positive test and the period that the issuer states (both days included).

    proof: the kind of that test, a code of :mod:`verifier.vocabulary`; empty where no document says.
    """

    disease: str
    first_positive: date | None
    valid_from: date | None
    valid_until: date | None
    country: str
    issuer: str
    identifier: str
    proof: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Exemption:
    """An exemption from vaccination, as Austria issues it. valid_until: its last day, ``None`` for no end."""

    disease: str
    valid_until: date | None
    country: str
    issuer: str
    identifier: str


@dataclass(frozen=True, slots=True, repr=False)
class Prophylaxis:
    """A prophylaxis other than a vaccination (IHR 2005, Annex 6). Periods as in :class:`Vaccination`."""

    disease: str
    product: str
    given: date | None
    valid_from: date | None
    valid_until: date | None
    country: str
    issuer: str
    identifier: str


Event = Vaccination | Test | Recovery | Exemption | Prophylaxis

# SNOMED CT codes of a test's result, as the EU value set covid-19-lab-result has them.
DETECTED = "260373001"
NOT_DETECTED = "260415000"


@dataclass(frozen=True, slots=True, repr=False)
class Payload:
    """A document's content in the common vocabulary, as the reader of its family took it from decoded claims.

    findings: what is wrong with it or could not be read. identifiers: under which it may have been revoked,
    beside those of its events.
    """

    holder: Holder
    events: tuple[Event, ...]
    version: str = ""
    findings: tuple[Finding, ...] = ()
    identifiers: tuple[tuple[HashKind, str], ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """A document whose signature held.

    family: of the document, which may be narrower than that of its container (an ICVP in an ``HC1:`` text).
    key: the key that verified it. issuer: the issuer's own word (``iss`` of a CWT), often a country code.
    issued_at, expires_at: aware instants, ``None`` where the document is silent. version: of its schema.
    document: the family's own payload as decoded from the verified bytes.
    """

    family: Family
    key: TrustedKey
    holder: Holder
    events: tuple[Event, ...]
    issuer: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    version: str
    document: Mapping[str, Any]
