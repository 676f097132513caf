"""What a clock lets us say about the dates of a document.

The rules this module keeps:

* What is over is judged by the earliest that it can be now, what has not begun by the latest.
* A clock that nobody confirms makes nothing red by itself.
* Clocks of issuers and laboratories may differ from ours a little; the allowances stand here.

    time = time_bounds(now, ClockState.FLOOR_ONLY, floor, DESK_ZONE)
    time.earliest, time.latest            # the floor, None
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from verifier.trust import ClockState

SKEW = timedelta(minutes=5)  # between an issuer's clock and ours
SAMPLE_SKEW = timedelta(minutes=30)  # between a laboratory's clock and ours
DESK_ZONE = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
EASTERNMOST, WESTERNMOST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """What is known of the time: it is at least ``earliest`` and at most ``latest``; ``None``: unknown.

    What is over is judged by the earliest, what has not begun by the latest, so that a clock that nobody
    confirms makes nothing red by itself. zone: of the desk, whose calendar days count.
    """

    earliest: datetime | None
    latest: datetime | None
    zone: tzinfo


def time_bounds(
    now: datetime | None, clock: ClockState | None, floor: datetime | None, zone: tzinfo
) -> TimeBounds:
    """The bounds that a clock in this state gives: a floor alone is no upper bound, and none is none."""
    match clock:
        case None | ClockState.TRUSTED | ClockState.BOUNDED:
            return TimeBounds(now, now, zone)
        case ClockState.FLOOR_ONLY:
            return TimeBounds(floor, None, zone)
        case ClockState.UNSYNCED:
            return TimeBounds(None, None, zone)


def is_over(exp: datetime, now: datetime) -> bool:
    """Whether ``exp`` has passed, allowing for the skew of clocks."""
    return now - SKEW > exp  # and not exp + SKEW: "never" is often the last second of the calendar


def is_ahead(iat: datetime, now: datetime) -> bool:
    """Whether ``iat`` has not come yet, allowing for the skew of clocks."""
    return iat > now + SKEW


def told(age: timedelta) -> tuple[int, str]:
    """An age as people say it: a number of ``hours`` below two days, else of ``days``, both whole and never
    more than it is.
    """
    seconds = max(0, int(age.total_seconds()))
    return (seconds // 3600, "hours") if seconds < 48 * 3600 else (seconds // 86400, "days")


def written(instant: datetime) -> str:
    """An instant as it stands in everything that we write: ISO 8601 in UTC with a Z."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat().removesuffix("+00:00") + "Z"
