"""Birth dates as far as documents state them: in part, without a century, or with day and month swapped.

The rules this module keeps:

* A part that a document leaves out agrees with every value; what both state must agree.
* A passport line has no century. The certificate's counts; without one there may be two answers, and neither
  is picked here. None lies in the future or more than 125 years ago.
* Where one document states more, the parts are put together: ``1983`` and ``830210`` are 10 February 1983.

    >>> compare_births(read_birth("1921-05-01"), PartialDate(21, 5, 1, century=False))
    <BirthMatch.MATCH: 'MATCH'>
    >>> born = resolve_birth(read_birth(""), PartialDate(21, 5, 1, century=False), date(2022, 6, 1))
    >>> born.earliest.year, born.latest.year, born.exact
    (1921, 2021, None)
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

OLDEST = 125  # years; nobody whose age was proven has lived longer

_LEAP = 2000  # a year that has every day
_WRITTEN = re.compile(r"(\d{4})(?:-(\d{2}|XX)(?:-(\d{2}|XX))?)?", re.ASCII)


class BirthMatch(StrEnum):
    """How two birth dates stand to each other.

    MATCH: both are full and equal. MATCH_KNOWN: the parts that both state agree, and one is missing. SWAPPED:
    equal once day and month change places. UNKNOWN: there is no part that both state.
    """

    MATCH = "MATCH"
    MATCH_KNOWN = "MATCH_KNOWN"
    SWAPPED = "SWAPPED"
    UNKNOWN = "UNKNOWN"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True, repr=False)
class PartialDate:
    """A date as a document states it; ``None`` for a part that it does not state.

    century: whether ``year`` is a whole year; else it is the last two digits of one, as in a passport line.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    century: bool = True

    @property
    def possible(self) -> bool:
        """Whether a calendar has such a date, as far as it is stated."""
        year = self.year if self.century and self.year else _LEAP
        if self.month is not None and not 1 <= self.month <= 12:
            return False
        longest = 31 if self.month is None else calendar.monthrange(year, self.month)[1]
        return self.day is None or 1 <= self.day <= longest

    @property
    def parts(self) -> tuple[int | None, int | None, int | None]:
        """Year, month and day."""
        return self.year, self.month, self.day


@dataclass(frozen=True, slots=True, repr=False)
class Born:
    """Between which days somebody was born, both included."""

    earliest: date
    latest: date

    @property
    def exact(self) -> date | None:
        """The birth date, where only one is possible."""
        return self.earliest if self.earliest == self.latest else None


def read_birth(text: str) -> PartialDate:
    """A birth date as certificates write it: ``1983``, ``1983-10`` or ``1983-10-10``.

    A month or day ``00`` or ``XX`` is one that is not known. Any other text states nothing.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return PartialDate()
    month, day = (int(part) if part and part not in ("00", "XX") else None for part in found.group(2, 3))
    stated = PartialDate(int(found[1]) or None, month, day)
    return stated if stated.year and stated.possible else PartialDate()


def compare_births(one: PartialDate, other: PartialDate) -> BirthMatch:
    """How two birth dates stand to each other; a year without a century is compared by its two digits."""
    whole = one.century and other.century
    pairs = [
        (first, second)
        for first, second in zip(_short(one, whole), _short(other, whole), strict=True)
        if first is not None and second is not None
    ]
    if not pairs:
        return BirthMatch.UNKNOWN
    if all(first == second for first, second in pairs):
        return BirthMatch.MATCH if len(pairs) == 3 else BirthMatch.MATCH_KNOWN
    swapped = replace(other, month=other.day, day=other.month)
    if _short(one, whole) == _short(swapped, whole):
        return BirthMatch.SWAPPED
    return BirthMatch.DIFFERENT


def _short(stated: PartialDate, whole: bool) -> tuple[int | None, int | None, int | None]:
    year = stated.year if whole or stated.year is None else stated.year % 100
    return year, stated.month, stated.day


def resolve_birth(certificate: PartialDate, line: PartialDate, today: date) -> Born | None:
    """When somebody was born, by a certificate and the line of a travel document together.

    Either may state nothing. Day and month swapped: both readings are possible. Where the two disagree it is
    the certificate's date, since the certificate is what rules judge; that it is somebody else's is a finding
    of its own. ``None``: neither states a year that is possible today.
    """
    match compare_births(certificate, line):
        case BirthMatch.DIFFERENT:
            stated = [certificate]
        case BirthMatch.SWAPPED:
            swapped = replace(certificate, month=certificate.day, day=certificate.month)
            stated = [certificate, swapped]
        case BirthMatch.MATCH | BirthMatch.MATCH_KNOWN | BirthMatch.UNKNOWN:
            stated = [_together(certificate, line)]
    found = [born for each in stated for born in possible_births(each, today)]
    if not found:
        return None
    return Born(min(born.earliest for born in found), max(born.latest for born in found))


def _together(certificate: PartialDate, line: PartialDate) -> PartialDate:
    """What both state; the certificate's year, since it has a century."""
    year, century = (
        (line.year, line.century) if certificate.year is None else (certificate.year, certificate.century)
    )
    month = line.month if certificate.month is None else certificate.month
    day = line.day if certificate.day is None else certificate.day
    return PartialDate(year, month, day, century)


def possible_births(stated: PartialDate, today: date) -> tuple[Born, ...]:
    """When somebody may have been born, the latest possibility first; two where the century is not stated.

    Nobody was born in the future. A date with a century may lie as long ago as it states. Nothing is possible
    without a year.
    """
    if stated.year is None:
        return ()
    if stated.century:
        whole = [stated]
    else:
        base = today.year - today.year % 100 + stated.year
        years = (year for year in (base, base - 100, base - 200) if 0 < year <= today.year)
        whole = [replace(stated, year=year, century=True) for year in years]
    # 29 February may be a day in one of the centuries only.
    found = [_bounds(each) for each in whole if each.possible]
    oldest = date.min
    if not stated.century:
        oldest = date(max(today.year - OLDEST, 1), today.month, min(today.day, 28))
    return tuple(
        Born(max(born.earliest, oldest), min(born.latest, today))
        for born in found
        if born.earliest <= today and born.latest >= oldest
    )


def _bounds(stated: PartialDate) -> Born:
    """The first and the last day that a date with a whole year can be."""
    year, month, day = stated.year or date.min.year, stated.month, stated.day
    if month is None:  # a day without its month says no more than the year
        return Born(date(year, 1, 1), date(year, 12, 31))
    if day is None:
        return Born(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))
    return Born(date(year, month, day), date(year, month, day))
