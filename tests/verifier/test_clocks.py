"""The clock of a unit: its four states, told as what happens to a machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.clocks import (
    CLOCK_BOUND,
    JUMP,
    PROOF_LASTS,
    ClockKnowledge,
    Reading,
    ahead,
    clock_state,
    confirm,
    note,
    reckoned,
    settles,
)
from verifier.trust import ClockState

TRUSTED, BOUNDED = ClockState.TRUSTED, ClockState.BOUNDED
FLOOR_ONLY, UNSYNCED = ClockState.FLOOR_ONLY, ClockState.UNSYNCED

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
SIGNED = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
NEVER = timedelta()


class Machine:
    """A unit whose list was signed at ``SIGNED`` and whose clock was right an hour after."""

    def __init__(self, wall: datetime = SIGNED + HOUR, floor: datetime | None = SIGNED) -> None:
        self.wall, self.boot, self.up = wall, 1, timedelta(minutes=5)
        self.known = ClockKnowledge(floor=floor)

    @property
    def reading(self) -> Reading:
        return Reading(self.wall, f"boot {self.boot}", self.up.total_seconds())

    @property
    def state(self) -> ClockState:
        return clock_state(self.reading, self.known)

    def runs(self, time: timedelta) -> ClockState:
        self.wall += time
        self.up += time
        return self.state

    def is_set(self, to: datetime | None = None, by: timedelta = NEVER) -> ClockState:
        self.wall = (to or self.wall) + by
        return self.state

    def boots(self, to: datetime | None = None) -> ClockState:
        """Switched off and on; the clock goes on from where it was, or from ``to``."""
        self.boot += 1
        self.up = timedelta(seconds=20)
        return self.is_set(to)

    def notes(self, *, proof: bool = False) -> ClockState:
        self.known = note(self.known, self.reading, proven=self.reading if proof else None)
        return self.state

    def is_confirmed(self) -> ClockState:
        self.known = confirm(self.known, self.reading)
        return self.state

    def syncs(self, signed: datetime) -> ClockState:
        """A list that was signed then is verified, and raises the floor."""
        assert self.known.floor is not None
        self.known = ClockKnowledge(
            max(signed, self.known.floor), self.known.mark, self.known.proven, self.known.confirmed
        )
        return self.state


# --- The twelve scenarios -----------------------------------------------------------------------------------


def test_scenario_1970() -> None:
    """A unit that wakes in 1970 judges no expiry, however often that is written down; set right, it does."""
    unit = Machine(datetime(1970, 1, 1, tzinfo=UTC))
    assert (unit.state, unit.notes()) == (UNSYNCED, UNSYNCED)
    assert unit.known.mark is None
    assert unit.is_set(SIGNED + DAY) is BOUNDED


def test_scenario_a_day_before_the_image_was_built() -> None:
    """Without any list the time of the image's build is the floor."""
    built = datetime(2026, 2, 1, tzinfo=UTC)
    assert Machine(built - DAY, floor=built).state is UNSYNCED
    assert Machine(built, floor=built).state is BOUNDED


def test_scenario_a_second_before_the_floor() -> None:
    """The floor is exact: a second before it nothing is judged, at it and seven days after it it is."""
    assert Machine(SIGNED - SECOND).state is UNSYNCED
    assert Machine(SIGNED).state is BOUNDED
    assert Machine(SIGNED + CLOCK_BOUND).state is BOUNDED
    assert Machine(SIGNED + CLOCK_BOUND + SECOND).state is FLOOR_ONLY


def test_scenario_23_hours_ahead() -> None:
    """An unauthenticated jump of less than a day is borne within the seven days, and no floor rises."""
    unit = Machine()
    unit.notes()
    assert unit.is_set(by=23 * HOUR) is BOUNDED
    assert (unit.notes(), unit.known.floor) == (BOUNDED, SIGNED)
    assert reckoned(unit.reading, unit.known) == unit.wall


def test_scenario_25_hours_ahead() -> None:
    """A jump of more than a day needs a supervisor; being written down again and again makes it no better."""
    unit = Machine()
    unit.notes()
    right = unit.wall
    assert unit.is_set(by=25 * HOUR) is FLOOR_ONLY
    for _ in range(3):
        assert (unit.notes(), unit.runs(MINUTE)) == (FLOOR_ONLY, FLOOR_ONLY)
    assert reckoned(unit.reading, unit.known) == right + 3 * MINUTE
    assert unit.is_confirmed() is BOUNDED
    assert reckoned(unit.reading, unit.known) == unit.wall
    assert unit.known.floor == SIGNED


def test_scenario_2038() -> None:
    """The second at which 32 bits end is a second like any other; a clock that jumps there is doubted."""
    end = datetime.fromtimestamp(2**31 - 1, UTC)
    unit = Machine(end, floor=end - DAY)
    unit.notes(proof=True)
    assert (unit.runs(2 * SECOND), unit.wall.year) == (TRUSTED, 2038)
    assert (unit.boots(), unit.notes()) == (BOUNDED, BOUNDED)
    lied_to = Machine()
    lied_to.notes()
    assert lied_to.is_set(end) is FLOOR_ONLY


@pytest.mark.parametrize("how", ["while it runs", "at the start", "first of all"])
def test_scenario_2040(how: str) -> None:
    """A clock that says 2040 makes no unit useless: set right again, it is as good as before."""
    unit = Machine()
    right = unit.wall
    if how != "first of all":
        unit.notes()
    far = datetime(2040, 1, 1, tzinfo=UTC)
    assert (unit.boots(far) if how == "at the start" else unit.is_set(far)) is FLOOR_ONLY
    assert (unit.notes(), unit.runs(HOUR), unit.notes()) == (FLOOR_ONLY, FLOOR_ONLY, FLOOR_ONLY)
    assert unit.is_set(right + HOUR) is BOUNDED
    assert (unit.known.floor, unit.notes()) == (SIGNED, BOUNDED)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_scenario_summer_time(day: str) -> None:
    """Where summer time begins or ends, an hour of the wall clock is no hour: nothing is seen of it here."""
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime.fromisoformat(f"{day}T00:30+00:00").astimezone(berlin)
    after = (before.astimezone(UTC) + HOUR).astimezone(berlin)
    assert before.utcoffset() != after.utcoffset()
    known = note(ClockKnowledge(), Reading(before, "b", 0.0), proven=Reading(before, "b", 0.0))
    assert ahead(Reading(after, "b", 3600.0), Reading(before, "b", 0.0)) == NEVER
    assert clock_state(Reading(after, "b", 3600.0), known) is TRUSTED


@pytest.mark.parametrize("leap", [-SECOND, SECOND])
@pytest.mark.parametrize("proof", [True, False])
def test_scenario_leap_second(leap: timedelta, proof: bool) -> None:
    """A second that comes twice, or is left out, changes no state."""
    unit = Machine(datetime(2026, 6, 30, 23, 59, 50, tzinfo=UTC), floor=datetime(2026, 6, 30, tzinfo=UTC))
    state = unit.notes(proof=proof)
    unit.runs(10 * SECOND)
    assert unit.is_set(by=leap) is state
    assert (unit.notes(), unit.runs(HOUR)) == (state, state)


def test_scenario_forged_sntp() -> None:
    """What a time server without authentication says is a reading like any other: the floor never moves.

    Not at the start, not while the unit runs, not however often it is written down.
    """
    unit = Machine()
    for far in (datetime(2026, 3, 20, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)):
        unit.notes()
        assert (unit.is_set(far), unit.notes()) == (FLOOR_ONLY, FLOOR_ONLY)
        assert (unit.boots(), unit.notes(), unit.notes()) == (FLOOR_ONLY, FLOOR_ONLY, FLOOR_ONLY)
        assert unit.known.floor == SIGNED
    assert unit.is_set(SIGNED + 3 * HOUR) is BOUNDED


def test_scenario_the_real_time_clock_is_dead() -> None:
    """One with an empty battery starts the clock in 2000: out, until something proves it right."""
    unit = Machine()
    unit.notes(proof=True)
    assert unit.boots(datetime(2000, 1, 1, tzinfo=UTC)) is UNSYNCED
    assert (unit.notes(), unit.runs(DAY)) == (UNSYNCED, UNSYNCED)
    unit.is_set(SIGNED + 2 * DAY)
    assert unit.notes(proof=True) is TRUSTED


def test_scenario_nts_is_lost() -> None:
    """The last proof holds a day, then its instant is a floor for seven, then only a floor; it comes back."""
    unit = Machine()
    assert unit.notes(proof=True) is TRUSTED
    assert unit.runs(PROOF_LASTS) is TRUSTED
    assert unit.runs(SECOND) is BOUNDED
    assert unit.runs(CLOCK_BOUND - PROOF_LASTS - SECOND) is BOUNDED
    assert unit.runs(SECOND) is FLOOR_ONLY
    assert unit.notes(proof=True) is TRUSTED


# --- A step back --------------------------------------------------------------------------------------------


def test_a_clock_set_back_is_seen_against_the_time_since_boot() -> None:
    """Three days pass, and the clock is set back by less: later than the mark, and yet set back."""
    unit = Machine()
    unit.notes()
    unit.runs(3 * DAY)
    assert unit.is_set(by=-2 * HOUR) is UNSYNCED
    assert unit.notes() is UNSYNCED
    assert unit.is_set(by=2 * HOUR) is BOUNDED


def test_a_clock_set_back_over_a_switch_off_is_seen_against_the_mark() -> None:
    """Never earlier than what was last written down; a later clock may be right, nobody knows how long."""
    unit = Machine()
    unit.runs(2 * DAY)
    unit.notes()
    last = unit.wall
    assert unit.boots(last - HOUR) is UNSYNCED
    assert unit.notes() is UNSYNCED
    assert unit.boots(last + 3 * DAY) is BOUNDED


def test_small_steps_back_do_not_add_up() -> None:
    """A minute at a time is a correction once, and a step when it is done thrice."""
    unit = Machine()
    unit.notes()
    states = []
    for _ in range(3):
        unit.runs(5 * MINUTE)
        states += [unit.is_set(by=-MINUTE), unit.notes()]
    assert states == [BOUNDED, BOUNDED, BOUNDED, BOUNDED, UNSYNCED, UNSYNCED]


def test_the_mark_stays_young_after_a_small_step_back() -> None:
    """A clock that was once corrected by a second is still marked: after weeks a step back is still seen."""
    unit = Machine()
    unit.notes()
    unit.is_set(by=-SECOND)
    unit.runs(5 * DAY)
    unit.notes()
    assert unit.boots(unit.wall - HOUR) is UNSYNCED


def test_a_mark_moves_on_in_a_unit_without_proof_but_not_by_leaps() -> None:
    """Weeks after the floor a clock that keeps going is still marked; one that was far off is not."""
    unit = Machine()
    unit.notes()
    for _ in range(20):
        unit.runs(20 * HOUR)
        unit.notes()
        unit.boots()
    last = unit.wall
    assert unit.known.mark is not None
    assert (unit.state, unit.known.mark.wall) == (FLOOR_ONLY, last)
    assert unit.boots(last - HOUR) is UNSYNCED
    unit.boots(last + JUMP + SECOND)
    unit.notes()
    assert unit.known.mark.wall == last


def test_a_proof_of_this_run_outranks_the_mark() -> None:
    """A clock that ran ahead, was marked, and is then set back by its authenticated source is right."""
    unit = Machine()
    unit.is_set(by=5 * DAY)
    unit.notes()
    assert unit.is_set(by=-5 * DAY) is UNSYNCED
    assert unit.notes(proof=True) is TRUSTED
    assert unit.boots() is BOUNDED


# --- Proof and confirmation ---------------------------------------------------------------------------------


def test_a_proof_ends_with_the_run_of_the_machine() -> None:
    """While it was off nobody watched the clock: a new proof is asked for."""
    unit = Machine()
    assert unit.notes(proof=True) is TRUSTED
    assert unit.boots(unit.wall + MINUTE) is BOUNDED


@pytest.mark.parametrize(
    ("moved", "state"),
    [
        (60 * SECOND, TRUSTED),
        (70 * SECOND, BOUNDED),
        (-60 * SECOND, TRUSTED),
        (-70 * SECOND, BOUNDED),
        (-3 * MINUTE, UNSYNCED),
    ],
)
def test_a_clock_that_was_moved_after_its_proof_has_lost_it(moved: timedelta, state: ClockState) -> None:
    """A minute and what two clocks drift apart is allowed; more was somebody's hand."""
    unit = Machine()
    unit.notes(proof=True)
    unit.runs(6 * HOUR)
    assert unit.is_set(by=moved) is state


def test_without_a_run_that_is_known_there_is_no_proof() -> None:
    """A machine that cannot tell its runs apart has nothing to hold a proof against."""
    here, ahead_of_it = Reading(SIGNED), Reading(SIGNED + DAY)
    known = note(ClockKnowledge(mark=ahead_of_it), here, proven=here)
    assert clock_state(here, known) is BOUNDED
    assert known.mark == here, "the proof has cleared the mark all the same"


def test_a_clock_that_is_back_where_it_was_proven_leaves_no_mark_ahead() -> None:
    """Ahead for a while, marked, and set back by its source: no trace is left when the proof is over."""
    unit = Machine()
    unit.notes(proof=True)
    unit.is_set(by=10 * HOUR)
    unit.notes()
    assert unit.is_set(by=-10 * HOUR) is TRUSTED
    unit.notes()
    assert unit.runs(2 * DAY) is BOUNDED


def test_a_correction_by_a_second_takes_no_supervisors_word_away() -> None:
    """A time client that starts after the word was given sets the clock right by a little."""
    unit = Machine()
    unit.runs(30 * DAY)
    unit.is_confirmed()
    assert unit.is_set(by=-SECOND) is BOUNDED


def test_a_supervisors_word_holds_seven_days_and_over_a_switch_off() -> None:
    """It lasts seven days by the clock and since boot, and ends with a step or with its week."""
    unit = Machine()
    unit.runs(30 * DAY)
    assert (unit.state, unit.is_confirmed()) == (FLOOR_ONLY, BOUNDED)
    unit.runs(2 * DAY)
    assert unit.notes() is BOUNDED
    assert unit.boots() is BOUNDED
    assert unit.runs(5 * DAY) is BOUNDED
    assert unit.runs(SECOND) is FLOOR_ONLY
    assert unit.is_set(by=-2 * HOUR) is BOUNDED, "within its week by the clock, and no later mark"
    unit.notes()
    assert unit.is_set(by=-HOUR) is UNSYNCED


def test_the_week_of_a_supervisors_word_is_counted_since_boot_too() -> None:
    """A clock that stands still does not stretch it."""
    unit = Machine()
    unit.runs(30 * DAY)
    unit.is_confirmed()
    unit.known = ClockKnowledge(unit.known.floor, None, None, unit.known.confirmed)
    unit.up += CLOCK_BOUND + SECOND
    assert unit.state is FLOOR_ONLY


def test_a_supervisors_word_clears_a_mark_and_raises_no_floor() -> None:
    """A mark is no floor: whoever sees that it was wrong may say so; of signed time nobody may."""
    unit = Machine()
    unit.is_set(by=6 * DAY)
    unit.notes()
    assert unit.is_set(by=-6 * DAY) is UNSYNCED
    assert (unit.is_confirmed(), unit.known.floor) == (BOUNDED, SIGNED)
    assert unit.notes() is BOUNDED
    unit.is_set(SIGNED - DAY)
    assert unit.is_confirmed() is UNSYNCED


def test_a_unit_that_never_saw_signed_time_needs_a_word_or_a_proof() -> None:
    """Nothing is judged without a floor, whatever the clock says, until somebody vouches for it."""
    unit = Machine(floor=None)
    assert (unit.state, unit.notes(), unit.runs(DAY)) == (UNSYNCED, UNSYNCED, UNSYNCED)
    assert unit.is_confirmed() is BOUNDED
    unit = Machine(floor=None)
    assert unit.notes(proof=True) is TRUSTED
    assert unit.known.floor == unit.wall


# --- Signed time --------------------------------------------------------------------------------------------


def test_a_jump_that_signed_time_bears_out_is_none() -> None:
    """A unit that woke three days late is set right by its network; the list of that morning proves it."""
    unit = Machine()
    unit.notes()
    assert unit.is_set(by=3 * DAY) is FLOOR_ONLY
    assert unit.syncs(unit.wall - 5 * HOUR) is BOUNDED
    assert unit.notes() is BOUNDED
    assert unit.is_set(by=-DAY) is UNSYNCED


def test_signed_time_that_lags_by_more_than_a_day_bears_out_nothing() -> None:
    """It is reckoned with as a floor all the same."""
    unit = Machine()
    unit.notes()
    unit.is_set(by=6 * DAY)
    assert unit.syncs(unit.wall - 2 * DAY) is FLOOR_ONLY
    assert reckoned(unit.reading, unit.known) == unit.wall - 2 * DAY


@pytest.mark.parametrize(
    ("after", "does"), [(-SECOND, False), (NEVER, True), (JUMP, True), (JUMP + SECOND, False)]
)
def test_a_new_signed_instant_settles_a_clock_within_a_day_after_it(after: timedelta, does: bool) -> None:
    """Neither an earlier clock nor one that is more than a day ahead."""
    assert settles(Reading(SIGNED + after), SIGNED) is does


# --- Laws ---------------------------------------------------------------------------------------------------

spans = st.timedeltas(min_value=-20 * 365 * DAY, max_value=20 * 365 * DAY)
times = st.timedeltas(min_value=NEVER, max_value=30 * DAY)
events = st.lists(
    st.one_of(
        st.tuples(st.just("runs"), times),
        st.tuples(st.just("set"), spans),
        st.tuples(st.just("boots"), spans),
        st.tuples(st.just("notes"), st.just(NEVER)),
    ),
    max_size=12,
)


def lives(unit: Machine, story: list[tuple[str, timedelta]]) -> None:
    for what, span in story:
        match what:
            case "runs":
                unit.runs(span)
            case "set":
                unit.is_set(by=span)
            case "boots":
                unit.boots(unit.wall + span)
            case _:
                unit.notes()


@given(events)
def test_a_clock_that_nobody_vouches_for_is_never_trusted_and_moves_no_floor(
    story: list[tuple[str, timedelta]],
) -> None:
    """Whatever is done to it, however often it is written down."""
    unit = Machine()
    lives(unit, story)
    assert unit.known.floor == SIGNED
    assert unit.state is not TRUSTED
    if unit.state is BOUNDED:
        assert SIGNED <= unit.wall <= SIGNED + CLOCK_BOUND
    assert reckoned(unit.reading, unit.known) <= unit.wall


@given(events)
def test_the_mark_of_a_clock_that_nobody_vouches_for_never_goes_back(
    story: list[tuple[str, timedelta]],
) -> None:
    """Nor beyond what the floor and a day for each look allow: one lie cannot put it years ahead."""
    unit = Machine()
    unit.notes()
    marks = [unit.known.mark]
    for event in story:
        lives(unit, [event])
        marks.append(unit.known.mark)
    walls = [mark.wall for mark in marks if mark is not None]
    assert len(walls) == len(marks)
    assert walls == sorted(walls)
    ran = sum((span for what, span in story if what == "runs"), NEVER)
    assert walls[-1] <= SIGNED + CLOCK_BOUND + ran + len(story) * JUMP


@given(st.lists(times, max_size=8))
def test_a_clock_that_only_goes_on_never_goes_back_in_doubt(walks: list[timedelta]) -> None:
    """Left alone, it is BOUNDED, then FLOOR-ONLY, and never said to have been set."""
    unit = Machine()
    for walk in walks:
        unit.notes()
        unit.runs(walk)
        assert unit.state is (BOUNDED if unit.wall <= SIGNED + CLOCK_BOUND else FLOOR_ONLY)
        assert reckoned(unit.reading, unit.known) == unit.wall


@given(spans, times)
def test_after_a_proof_the_floor_is_that_proof(span: timedelta, time: timedelta) -> None:
    """Or the signed time, where that is later; and what stands before it is never judged by."""
    unit = Machine()
    unit.is_set(by=span)
    proven = unit.wall
    unit.notes(proof=True)
    assert unit.known.floor == max(SIGNED, proven)
    unit.boots(max(SIGNED, proven) - SECOND - time)
    assert unit.state is UNSYNCED


def test_a_reading_is_an_instant() -> None:
    """A naive time is no reading."""
    with pytest.raises(ValueError, match="offset"):
        Reading(SIGNED.replace(tzinfo=None))
