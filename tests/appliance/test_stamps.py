"""When a frame was taken: the stamps of drivers, on either clock of the machine."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.camera.stamps import OLDEST_NS, Clocks, taken

NOW = 50_000_000_000_000
SLEPT = 9_000_000_000_000  # the machine slept for so long since it was started

# Stamp, time slept, milliseconds that the frame is old.
STAMPS: dict[str, tuple[int | None, int, float]] = {
    "of the monotonic clock": (NOW - 12_000_000, 0, 12),
    "of the monotonic clock, on a machine that slept": (NOW - 12_000_000, SLEPT, 12),
    "of the clock that counts sleep": (NOW + SLEPT - 12_000_000, SLEPT, 12),
    "of this very moment": (NOW, 0, 0),
    "of the future": (NOW + 1, 0, 0),
    "of long ago": (NOW - OLDEST_NS - 1, 0, 0),
    "of the wall clock": (1_800_000_000_000_000_000, SLEPT, 0),
    "nothing": (0, 0, 0),
    "none": (None, 0, 0),
}


@pytest.mark.parametrize("name", list(STAMPS))
def test_a_stamp_is_read_on_the_clock_that_it_can_be_of(name: str) -> None:
    """A stamp that cannot be is not believed: the frame was taken now."""
    stamp, slept, age_ms = STAMPS[name]
    assert taken(stamp, Clocks(NOW, NOW + slept)) == pytest.approx((NOW - age_ms * 1e6) / 1e9, abs=1e-6)


@given(st.none() | st.integers(), st.integers(0, 2**62), st.integers(0, 2**60))
def test_no_frame_was_taken_later_than_now_or_long_ago(stamp: int | None, now: int, slept: int) -> None:
    """Whatever a driver writes."""
    assert (now - OLDEST_NS) / 1e9 <= taken(stamp, Clocks(now, now + slept)) <= now / 1e9


def test_the_clocks_are_those_of_the_machine() -> None:
    """An instant is held against time.monotonic()."""
    before = time.monotonic()
    assert before <= taken(None, Clocks.read()) <= time.monotonic()
