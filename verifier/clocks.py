"""What the unit's clock is worth: four states, from what was proven about time and what was only seen.

The rules this module keeps:

* Signed or authenticated time alone raises the floor. One forged answer of a time server must not brick a
  unit for ever, so what was merely seen is a mark: it makes a clock doubtful, and a person can clear it.
* A clock that stands before its floor, or was set back, says nothing: not one expiry is judged by it.
* Pure: readings come as arguments.

    clock_state(reading, ClockKnowledge(floor=instant))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """The system clock at one moment, with what it can be held against.

    wall: an aware instant. boot: names this run of the machine; empty where that is not known. since_boot:
    seconds since then, by a clock that nobody sets and that counts sleep.
    """

    wall: datetime
    boot: str = ""
    since_boot: float = 0.0


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
