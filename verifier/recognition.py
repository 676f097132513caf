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

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    _by_name: Mapping[str, list[RecognisedIssuer]] = field(init=False, repr=False, compare=False)
    _by_country: Mapping[str, list[RecognisedIssuer]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[RecognisedIssuer]] = {}
        by_country: dict[str, list[RecognisedIssuer]] = {}
        for line in sorted(self.issuers, key=lambda line: _PRECEDENCE.index(line.recognised)):
            if line.issuer is not None:
                by_name.setdefault(line.issuer, []).append(line)
            elif line.country is not None:
                by_country.setdefault(line.country, []).append(line)
        object.__setattr__(self, "_by_name", by_name)
        object.__setattr__(self, "_by_country", by_country)

    def class_of(self, country: str | None, issuer: str | None, now: datetime | None) -> RecognitionClass:
        """What an issuer counts for at ``now``; a line that names it goes before its country's.

        country: in any of its codes. now: ``None`` when time is not judged: lines with a period do not count.
        """
        named = () if issuer is None else self._by_name.get(issuer, ())
        by_country = self._by_country.get(alpha2(country) or "", ())
        for lines in (named, by_country):
            for line in lines:
                if _holds(line, now):
                    return line.recognised
        return RecognitionClass.NONE


# Of several words about one issuer the first of these counts.
_PRECEDENCE = (RecognitionClass.NONE, RecognitionClass.OFFICIAL, RecognitionClass.TEMPORARY)


def _holds(line: RecognisedIssuer, now: datetime | None) -> bool:
    if line.valid_from is None and line.valid_until is None:
        return True
    if now is None:
        return False
    return (line.valid_from is None or now >= line.valid_from) and (
        line.valid_until is None or now < line.valid_until
    )
