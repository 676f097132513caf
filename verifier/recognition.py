"""Whom this country recognises: a word of its own, apart from whose key is real.

The rules this module keeps:

* A signature proves who issued a certificate; whether that issuer counts here is another ministry's word,
  signed by another key.
* Where nobody has said anything, it is not asked. Where a list stands, who is not on it is not recognised.
* What an issuer is called first: by the name that its documents use, else by its country.

    recognition = Recognition((RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL),))
    recognition.class_of("FR", None, now)          # RecognitionClass.OFFICIAL
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.countries import alpha2


class RecognitionClass(StrEnum):
    """What an issuer's certificates count for here (SC-K15, SC-K16)."""

    OFFICIAL = "official"
    TEMPORARY = "temporary"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RecognisedIssuer:
    """One line of the list.

    country: alpha-2, or ``None`` where ``issuer`` names one issuer by the name that its documents use
    (``iss`` of a SMART Health Card, ``issuer`` of DIVOC). valid_from: from then on; valid_until: up to and
    not at that instant; ``None``: open.
    """

    country: str | None
    issuer: str | None
    recognised: RecognitionClass
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recognition:
    """The list in force."""

    issuers: tuple[RecognisedIssuer, ...] = ()

    def class_of(self, country: str | None, issuer: str | None, now: datetime | None) -> RecognitionClass:
        """What an issuer counts for at ``now``; a line that names it goes before its country's.

        country: in any of its codes. now: ``None`` when time is not judged: lines with a period do not count.
        """
        code = alpha2(country)
        named = [line for line in self.issuers if line.issuer is not None and line.issuer == issuer]
        by_country = [line for line in self.issuers if line.issuer is None and line.country == code and code]
        for lines in (named, by_country):
            held = [line.recognised for line in lines if _holds(line, now)]
            for each in (RecognitionClass.NONE, RecognitionClass.OFFICIAL, RecognitionClass.TEMPORARY):
                if each in held:
                    return each
        return RecognitionClass.NONE


def _holds(line: RecognisedIssuer, now: datetime | None) -> bool:
    if now is None:
        return line.valid_from is None and line.valid_until is None
    return (line.valid_from is None or now >= line.valid_from) and (
        line.valid_until is None or now < line.valid_until
    )
