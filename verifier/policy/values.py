"""Values that a rule meets beside those of JSON: what is not known, and what is known within bounds.

The rules this module keeps:

* What is not known has a cause: the reason that a person at the desk can act on.
* Something between two bounds is compared by both. Where they agree that is the answer; where they differ it
  is unknown, for the cause that the bounds bear.
* A calendar day is a ``date``, an instant an aware ``datetime``; the two are never compared with each other.

    Unknown(Reason.NEED_CONTEXT)
    Span(date(1983, 1, 1), date(1983, 12, 31), Reason.DOB_PARTIAL)     # a birth date "1983"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from verifier.codes import Reason

# Bounds of an instant of which nothing is known; far enough that a shift by decades stays in the calendar.
LONG_AGO, FAR_AHEAD = datetime(1800, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value. cause: the reason that a result bears when an answer depends on it."""

    cause: Reason = Reason.RULE_UNKNOWN


@dataclass(frozen=True, slots=True, repr=False)
class Span:
    """A day or an instant that lies between two, both included.

    earliest, latest: both ``date`` or both aware ``datetime``. cause: the reason when an answer depends on
    where in between it lies.
    """

    earliest: date | datetime
    latest: date | datetime
    cause: Reason
