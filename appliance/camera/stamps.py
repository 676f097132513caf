"""When a frame was taken: from the stamp of its driver to seconds of the monotonic clock.

The rules this module keeps:

* No frame was taken later than now.
* A stamp that cannot be, of another clock or of long ago, is not believed: the frame was taken now.
* libcamera documents CLOCK_BOOTTIME, and the kernel's drivers give CLOCK_MONOTONIC; the two differ by the
  time that the machine has slept. A stamp is read as the second, or as the first where that is the future.

    taken(metadata.get("SensorTimestamp"), Clocks.read())      # seconds, as time.monotonic() gives them
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Self

# A frame that is older was not waited for by anybody: its stamp is of another clock.
OLDEST_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two clocks of the machine, read at one moment, in nanoseconds."""

    monotonic: int
    boottime: int

    @classmethod
    def read(cls) -> Self:
        """Now."""
        return cls(time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def taken(stamp: int | None, now: Clocks) -> float:
    """Seconds of the monotonic clock. stamp: nanoseconds of either clock; ``None``: the frame has none."""
    ages = (now.monotonic - stamp, now.boottime - stamp) if stamp is not None else ()
    age = next((age for age in ages if 0 <= age <= OLDEST_NS), 0)
    return (now.monotonic - age) / 1e9
