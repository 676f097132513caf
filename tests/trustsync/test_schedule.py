"""When a unit asks for its list: at its own time of night, often when the list is stale, spread out."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustsync.schedule import (
    BACKOFF,
    FARTHEST,
    LONGEST_FRESH,
    LONGEST_STALE,
    NIGHT_LASTS,
    is_due,
    next_try,
    note_is_due,
    spread,
)
from verifier.clocks import ClockKnowledge, Reading
from verifier.trust import ListState

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # summer time of half an hour
AZORES = ZoneInfo("Atlantic/Azores")  # summer time begins at the hour at which the night does
NOW = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)  # noon in Hanoi
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEVICE = b"\x01" * 32

nows = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from([HANOI, BERLIN, LORD_HOWE, AZORES, ZoneInfo("UTC"), ZoneInfo("Pacific/Kiritimati")])
devices = st.binary(min_size=32, max_size=32)
states = st.sampled_from([None, *ListState])
failures = st.integers(0, 10_000)
seeds = st.integers()


def planned(
    *, now: datetime = NOW, state: ListState | None = ListState.FRESH, failed: int = 0, seed: int = 1,
    device: bytes = DEVICE, zone: ZoneInfo = HANOI,
) -> datetime:  # fmt: skip
    rng = random.Random(seed)
    return next_try(now=now, state=state, device=device, failures=failed, rng=rng, zone=zone)


@given(now=nows, state=states, failed=failures, device=devices, zone=zones, seed=seeds)
def test_a_plan_is_never_in_the_past_and_never_beyond_the_next_night(
    now: datetime, state: ListState | None, failed: int, device: bytes, zone: ZoneInfo, seed: int
) -> None:
    """Whatever the list, the zone and the failures: a day and the spread ahead at most, and then due."""
    plan = planned(now=now, state=state, failed=failed, device=device, zone=zone, seed=seed)
    assert now <= plan <= now + FARTHEST
    assert is_due(plan, plan)
    assert plan == now or not is_due(plan, now)


@given(now=nows, device=devices, zone=zones)
def test_a_fresh_list_is_looked_after_at_night(now: datetime, device: bytes, zone: ZoneInfo) -> None:
    """Between one and five o'clock at the site, where no change of summer time lies in that night."""
    plan = planned(now=now, device=device, zone=zone)
    begins = plan - spread(device)
    local = begins.astimezone(zone)
    if begins.astimezone(zone).utcoffset() == (begins - 2 * HOUR).astimezone(zone).utcoffset():
        assert local.time() == time(1, 0)
    assert plan > now


def test_the_same_unit_asks_at_the_same_time_each_night() -> None:
    """Night after night, also over the change of summer time, and whether it asked early or late."""
    asked = []
    plan = planned(now=datetime(2026, 3, 20, 12, tzinfo=UTC), zone=BERLIN)
    for late in range(20):
        plan = planned(now=plan + late * MINUTE, zone=BERLIN, seed=late)
        asked.append((plan - spread(DEVICE)).astimezone(BERLIN))
    assert {one.time() for one in asked} == {time(1, 0)}
    assert [one.date() for one in asked] == [asked[0].date() + day * DAY for day in range(20)]


def test_a_night_that_is_still_on_is_not_over() -> None:
    """A unit that is switched on after midnight, before its own time, waits for that and not for tomorrow."""
    night = datetime(2026, 3, 2, 1, 0, tzinfo=HANOI).astimezone(UTC)
    own = night + spread(DEVICE)
    assert planned(now=night) == own
    assert planned(now=own - timedelta(seconds=1)) == own
    assert planned(now=own) == own + DAY


def test_ten_thousand_units_spread_evenly_over_the_night() -> None:
    """Each quarter of an hour sees its sixteenth of them, and no second more than a handful."""
    plans = [planned(device=number.to_bytes(32)) for number in range(10_000)]
    first = min(plans).astimezone(HANOI)
    assert first.date() == max(plans).astimezone(HANOI).date()
    quarters = Counter((plan - min(plans)) // (15 * MINUTE) for plan in plans)
    assert set(quarters) == set(range(16))
    assert (
        500 < min(quarters.values()) <= max(quarters.values()) < 750
    )  # 625 are expected, and 5 sigma is 121
    assert max(Counter(plans).values()) <= 10  # of 14,400 seconds


@given(state=st.sampled_from([None, *ListState]), seed=seeds)
def test_a_list_that_is_not_fresh_is_asked_for_every_quarter_of_an_hour(
    state: ListState | None, seed: int
) -> None:
    """Give or take a fifth, so that a fleet that grew stale together does not ask together."""
    wait = planned(state=state, seed=seed) - NOW
    if state is ListState.FRESH:
        assert wait > 15 * MINUTE * 1.2
    else:
        assert 12 * MINUTE <= wait <= 18 * MINUTE


def test_a_wait_is_of_real_time_where_summer_time_ends() -> None:
    """A quarter of an hour after ten to three is not an hour and a quarter after it."""
    now = datetime(2026, 10, 25, 2, 50, tzinfo=BERLIN)  # and again an hour later
    assert planned(now=now, state=None, zone=BERLIN) - now.astimezone(UTC) <= 18 * MINUTE


def test_units_that_are_stale_together_do_not_ask_together() -> None:
    """Their waits fill the whole range."""
    waits = [planned(state=ListState.STALE_2, seed=seed) - NOW for seed in range(500)]
    assert min(waits) < 12.2 * MINUTE
    assert max(waits) > 17.8 * MINUTE


@pytest.mark.parametrize("state", [None, *ListState])
def test_waits_after_failures_double_up_to_the_longest_and_fill_their_range(state: ListState | None) -> None:
    """Full jitter: uniform from nothing to 30 s · 2ⁿ, at most an hour (fresh) or a quarter of one (stale)."""
    longest = LONGEST_FRESH if state is ListState.FRESH else LONGEST_STALE
    for failed in range(1, 12):
        top = min(longest, BACKOFF * 2**failed)
        waits = [planned(state=state, failed=failed, seed=seed) - NOW for seed in range(400)]
        assert min(waits) < top * 0.05
        assert top * 0.95 < max(waits) <= top
        assert 0.4 * top < sum(waits, timedelta()) / 400 < 0.6 * top


def test_a_fresh_unit_that_failed_stays_at_the_hour_until_it_succeeds() -> None:
    """It does not wait for another night, however often it failed; after a success it does."""
    assert all(planned(failed=failed) - NOW <= HOUR for failed in range(1, 200))
    assert planned(failed=0) - NOW > HOUR


@pytest.mark.parametrize(
    ("plan", "due"),
    [
        (None, True),
        (NOW - MINUTE, True),
        (NOW, True),
        (NOW + MINUTE, False),
        (NOW + FARTHEST, False),
        (NOW + FARTHEST + MINUTE, True),
        (datetime(2040, 1, 1, tzinfo=UTC), True),
    ],
)
def test_a_plan_of_a_clock_that_was_years_ahead_is_no_plan(plan: datetime | None, due: bool) -> None:
    """A unit that planned in 2040 and was set right does not sleep until then."""
    assert is_due(plan, NOW) is due
    assert FARTHEST == DAY + NIGHT_LASTS


@pytest.mark.parametrize(
    ("mark", "due"),
    [
        (None, True),
        (Reading(NOW - MINUTE, "the run before", 900.0), True),
        (Reading(NOW - MINUTE, "run", 940.0), False),
        (Reading(NOW - HOUR, "run", 1000.0 - 3599.0), False),
        (Reading(NOW - HOUR, "run", 1000.0 - 3600.0), True),
    ],
)
def test_the_clock_is_written_down_once_an_hour_and_in_each_run(mark: Reading | None, due: bool) -> None:
    """Counted since boot, for the clock itself may have been set."""
    assert note_is_due(Reading(NOW, "run", 1000.0), ClockKnowledge(mark=mark)) is due
