"""What the unit's clock is worth: four states, from what was proven about time and what was only seen.

The rules this module keeps:

* Signed or authenticated time alone raises the floor. One forged answer of a time server must not brick a
  unit for ever, so what was merely seen is a mark: it makes a clock doubtful, and a person can clear it.
* A clock that stands before its floor, or was set back, says nothing: not one expiry is judged by it.
* What moves the clock within one run of the machine is seen against a clock that nobody sets. Over a
  switch-off only a step back can be seen.
* A reading that is in doubt is no mark: otherwise the second look would find nothing wrong.
* Pure: readings come as arguments.

    known = note(ClockKnowledge(floor=signed_at), reading, proven=None)
    clock_state(reading, known), reckoned(reading, known)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from verifier.trust import ClockState

# How long after the last proof of time, or a person's word, an unconfirmed clock is still taken at its word.
CLOCK_BOUND = timedelta(days=7)
# How long an authenticated source's agreement lasts without another one.
PROOF_LASTS = timedelta(hours=24)
# A clock that goes forward by more than this, and nobody vouches for it, was set wrong or was lied to.
JUMP = timedelta(hours=24)
# A step back below this is a correction: a leap second, or what a time client sets right when it starts. It
# is also below the five minutes that every date of a document is allowed (`verifier.times.SKEW`).
STEP = timedelta(minutes=2)
# Time clients slew the clock and the time since boot as one, so the two part only when the clock is set, by a
# leap second, or where a machine counts them apart. A minute is room for the first two; 100 ppm is twice what
# is usual between two crystals, and makes 8.6 s in the day that a proof lasts.
DRIFT = timedelta(seconds=60)
DRIFT_RATE = 100e-6


@dataclass(frozen=True, slots=True)
class Reading:
    """The system clock at one moment, with what it can be held against.

    wall: an aware instant, kept in UTC: two instants of one zone would be subtracted by its wall clock, which
    summer time moves. boot: names this run of the machine; empty where that is not known. since_boot: seconds
    since then, by a clock that nobody sets and that counts sleep. Raises ValueError for a naive instant.
    """

    wall: datetime
    boot: str = ""
    since_boot: float = 0.0

    def __post_init__(self) -> None:
        """Take the instant to UTC."""
        if self.wall.tzinfo is None:
            raise ValueError("a reading of the clock needs an instant with its offset")
        object.__setattr__(self, "wall", self.wall.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class ClockKnowledge:
    """What a unit knows about time.

    floor: it is at least this late, by signed or authenticated time. mark: the latest reading that was
    written down; no proof. proven: when an authenticated source last agreed with the clock. confirmed: when a
    supervisor last did.
    """

    floor: datetime | None = None
    mark: Reading | None = None
    proven: Reading | None = None
    confirmed: Reading | None = None


def clock_state(reading: Reading, known: ClockKnowledge) -> ClockState:
    """What the clock is worth at this reading (the table of four states).

    A proof of this run outranks the mark: it says which of two readings was wrong.
    """
    # 1. Nothing outranks signed time.
    if known.floor is not None and reading.wall < known.floor:
        return ClockState.UNSYNCED
    # 2. An authenticated source agreed within the day, and the clock has kept going since.
    if _is_proven(reading, known.proven):
        return ClockState.TRUSTED
    # 3. It was set back against the time since boot, or against what was last written down.
    if known.mark is not None and ahead(reading, known.mark) < -STEP:
        return ClockState.UNSYNCED
    # 4. It was set forward, and nothing signed came since to bear that out.
    if has_jumped(reading, known):
        return ClockState.FLOOR_ONLY
    # 5. A person vouches for it, or signed time is near.
    if _is_confirmed(reading, known.confirmed):
        return ClockState.BOUNDED
    if known.floor is None:
        return ClockState.UNSYNCED
    return ClockState.BOUNDED if reading.wall - known.floor <= CLOCK_BOUND else ClockState.FLOOR_ONLY


def reckoned(reading: Reading, known: ClockKnowledge) -> datetime:
    """The instant to judge by: what the clock says, or, after a jump that nobody vouches for, what it would
    say without it, and never less than the floor.

    The age of a list is judged by it, so that one forged answer does not make a young list look old.
    """
    if clock_state(reading, known) is ClockState.FLOOR_ONLY and has_jumped(reading, known):
        return reading.wall - _jump(reading, known)
    return reading.wall


def has_jumped(reading: Reading, known: ClockKnowledge) -> bool:
    """Whether the clock went forward by more than ``JUMP`` in this run of the machine, and past signed time.

    Over a switch-off nothing is known of a jump; there the distance from the floor decides alone.
    """
    return _jump(reading, known) > JUMP


def ahead(reading: Reading, mark: Reading) -> timedelta:
    """How far the clock is ahead of where a mark lets us expect it; negative: behind.

    In another run of the machine no time is expected to have passed, since nobody knows how much.
    """
    return reading.wall - mark.wall - (_elapsed(reading, mark) or timedelta())


def note(known: ClockKnowledge, reading: Reading, *, proven: Reading | None = None) -> ClockKnowledge:
    """What is known once this reading is written down, with the proof of it if there is one.

    A proof raises the floor and sets the mark anew. Without one the mark moves to the reading, unless the
    reading is in doubt, and never back: small steps back do not add up.
    """
    if proven is not None:
        floor = proven.wall if known.floor is None else max(known.floor, proven.wall)
        known = replace(known, floor=floor, mark=proven, proven=proven)
    return replace(known, mark=_marked(reading, known))


def confirm(known: ClockKnowledge, reading: Reading) -> ClockKnowledge:
    """What is known once a supervisor has said that this reading is right. It raises no floor."""
    return replace(known, mark=reading, confirmed=reading)


def settles(reading: Reading, signed: datetime) -> bool:
    """Whether a signed instant that has just come, later than all before, bears this clock out.

    It does when the clock is within a day after it; then an earlier mark that says otherwise was wrong.
    """
    return signed <= reading.wall <= signed + JUMP


def _marked(reading: Reading, known: ClockKnowledge) -> Reading | None:
    """The mark after this reading.

    A clock that only the floor bounds is still marked while it keeps going, by at most ``JUMP`` at a time;
    a first reading of 2040 is not, or the right time would look set back.
    """
    mark, state = known.mark, clock_state(reading, known)
    if state is ClockState.UNSYNCED:
        return mark
    if state is ClockState.FLOOR_ONLY and (mark is None or ahead(reading, mark) > JUMP):
        return mark
    behind = timedelta() if mark is None else max(timedelta(), -ahead(reading, mark))
    if state is ClockState.TRUSTED or not behind:
        return reading
    return replace(reading, wall=reading.wall + behind)


def _is_proven(reading: Reading, proven: Reading | None) -> bool:
    """Whether the proof is of this run, at most a day old, and the clock has kept to it.

    Over a switch-off it is over: the clock stood still or was set by something else. A real-time clock gives
    a new one at once.
    """
    elapsed = None if proven is None else _elapsed(reading, proven)
    if proven is None or elapsed is None or elapsed > PROOF_LASTS:
        return False
    return abs(ahead(reading, proven)) <= DRIFT + abs(elapsed) * DRIFT_RATE


def _is_confirmed(reading: Reading, confirmed: Reading | None) -> bool:
    """Whether a supervisor vouched for the clock in the last seven days, by the clock and since boot."""
    if confirmed is None:
        return False
    elapsed = _elapsed(reading, confirmed) or timedelta()
    return elapsed <= CLOCK_BOUND and -STEP <= reading.wall - confirmed.wall <= CLOCK_BOUND


def _jump(reading: Reading, known: ClockKnowledge) -> timedelta:
    """How far the clock was set forward in this run, as far as it can be told; zero where it cannot."""
    if known.mark is None or _elapsed(reading, known.mark) is None:
        return timedelta()
    jump = ahead(reading, known.mark)
    return jump if known.floor is None else min(jump, reading.wall - known.floor)


def _elapsed(reading: Reading, before: Reading) -> timedelta | None:
    """The time since an earlier reading of the same run of the machine; ``None`` where it is another run."""
    if not reading.boot or reading.boot != before.boot:
        return None
    return timedelta(seconds=reading.since_boot - before.since_boot)
