"""When the next sync is due: at night while the list is fresh, often when it is not, spread over the fleet.

The rules this module keeps:

* A unit has one hour of the night that is its own: the hash of its device key says which. Ten thousand units
  do not ask in the same minute, and the same unit asks at the same time each night.
* After a failure it waits longer and longer, each time a random part of that (full jitter): units that failed
  together do not come back together.
* What was planned by a clock that has jumped since is no plan: nothing is due later than a night ahead.
* Pure: the time, the list's state and the randomness are arguments.

    instant = next_try(now=now, state=ListState.FRESH, device=name, failures=0, rng=rng, zone=zone)
    is_due(instant, now)
"""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, time, timedelta, tzinfo

from verifier.clocks import ClockKnowledge, Reading
from verifier.trust import ListState

NIGHT_BEGINS = time(1, 0)  # at the site, by its clock
NIGHT_LASTS = timedelta(hours=4)  # units are spread over it
# Every quarter of an hour, give or take a fifth, while the list is not fresh.
STALE_EVERY = timedelta(minutes=15)
STALE_JITTER = 0.2
# After n failures in a row: at random up to BACKOFF * 2**n, and never up to more than the longest.
BACKOFF = timedelta(seconds=30)
LONGEST_STALE = timedelta(minutes=15)
LONGEST_FRESH = timedelta(hours=1)  # the list in force is good for another day: spare the server
# The farthest that a plan can lie ahead: a night, the spread, and nothing more.
FARTHEST = timedelta(hours=24) + NIGHT_LASTS
NOTE_EVERY = timedelta(hours=1)  # how often the clock is written down


def next_try(
    *, now: datetime, state: ListState | None, device: bytes, failures: int, rng: random.Random, zone: tzinfo
) -> datetime:
    """When to try next, an instant in UTC, at or after ``now`` and at most ``FARTHEST`` after it.

    state: of the list in force; ``None`` without one. device: what stands for the unit's key, see
    :func:`trustsync.device.device_name`. failures: in a row, 0 after a success. zone: of the site, whose
    night it is.
    """
    now = now.astimezone(UTC)  # sums of an instant in a zone are sums of its wall clock
    fresh = state is ListState.FRESH
    if failures > 0:
        longest = LONGEST_FRESH if fresh else LONGEST_STALE
        doublings = min(failures, 16)  # any more are beyond the longest, and 2**n would not end
        return now + min(longest, BACKOFF * 2.0**doublings) * rng.random()
    if not fresh:
        return now + STALE_EVERY * rng.uniform(1 - STALE_JITTER, 1 + STALE_JITTER)
    return _next_slot(now, spread(device), zone)


def is_due(planned: datetime | None, now: datetime) -> bool:
    """Whether to try now: nothing is planned, it is time, or the plan was made by another clock than this."""
    return planned is None or planned <= now or planned - now > FARTHEST


def spread(device: bytes) -> timedelta:
    """How far into the night this unit's own time lies, in whole seconds, below ``NIGHT_LASTS``."""
    number = int.from_bytes(hashlib.sha256(device).digest(), "big")
    return timedelta(seconds=number % int(NIGHT_LASTS.total_seconds()))


def note_is_due(reading: Reading, known: ClockKnowledge) -> bool:
    """Whether the clock should be written down: not yet in this run of the machine, or not for an hour.

    More often would wear the card; more seldom would let a clock that is set back over a switch-off go back
    farther unseen.
    """
    mark = known.mark
    if mark is None or mark.boot != reading.boot:
        return True
    return abs(reading.since_boot - mark.since_boot) >= NOTE_EVERY.total_seconds()


def _next_slot(now: datetime, into_the_night: timedelta, zone: tzinfo) -> datetime:
    """This unit's next time of night after ``now``.

    The night begins by the site's clock and lasts four hours of real time: where summer time begins or ends
    in it, it loses and gains none.
    """
    today = now.astimezone(zone).date()
    for days in (0, 1):
        begins = datetime.combine(today + timedelta(days=days), NIGHT_BEGINS, zone).astimezone(UTC)
        if begins + into_the_night > now:
            return begins + into_the_night
    raise AssertionError("tomorrow's night is ahead")
