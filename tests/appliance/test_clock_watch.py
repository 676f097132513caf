"""The clock while the gate runs: a step is seen at once, and ends when somebody vouches for the time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import NOW, Desk, vaccination
from gate_rig import Rig, Snapshot, snapshot_of
from office import NOW as OFFICE_NOW
from office import Office

from appliance.cli.verify import main
from appliance.clock_watch import ClockWatch
from appliance.config import GateConfig
from appliance.signals import Signal
from appliance.supply import FixedTrust
from trustsync import timesources
from verifier.certificate import Family
from verifier.clocks import ClockKnowledge, Reading, clock_state, confirm, note
from verifier.trust import ClockState

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


class Unit:
    """A gate whose store can be told something new about time. Its list was signed an hour ago."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.signer = rig.desk.signer()
        self.good = self.signer.issue(vaccination())
        self.over = self.signer.issue(vaccination(), exp=int((NOW - HOUR).timestamp()))
        self.snapshot: Snapshot = snapshot_of(rig.desk)
        rig.open_trust = lambda: FixedTrust(self.snapshot)

    @property
    def reading(self) -> Reading:
        """The clock as the gate reads it."""
        return Reading(self.rig.now, "by hand", self.rig.seconds)

    def has_list(self, signed: datetime) -> None:
        """The list in force was signed then, and nothing else is known of time."""
        self.rig.desk.list_age = NOW - signed
        self.snapshot.trust = self.rig.desk.trust
        self.snapshot.signed_at = signed
        self.learns(replace(self.snapshot.clock, floor=signed))

    def learns(self, known: ClockKnowledge) -> None:
        """The sync, or a supervisor, has written this down; the store shows it at the next look."""
        assert known.floor is not None
        self.snapshot.clock, self.snapshot.floor = known, known.floor

    def shows(self, text: str) -> tuple[Signal, list[str], str]:
        """A code is held up to a unit that stands idle: lamp, reasons, and the state of the clock."""
        self.rig.show(None, 1.6)
        self.rig.hold(text, 0.3)
        return self.rig.lamp.signal, self.rig.codes(), self.rig.gate.health()["clock"]

    def judges(self, state: str) -> None:
        """A good code is green and one that is over is red, with the clock in this state."""
        stale = ["LIST_STALE"] if NOW - self.snapshot.signed_at > 36 * HOUR else []
        assert self.shows(self.good) == (Signal.PASS, stale, state)
        assert self.shows(self.over) == (Signal.FAIL, ["EXPIRED", *stale], state)


@pytest.fixture
def unit(desk: Desk, make_rig: Callable[..., Rig]) -> Unit:
    return Unit(make_rig(desk, config=GateConfig(hold_s=0.3)))


OUT = (Signal.OUT, ["CLOCK_UNSURE"], "UNSYNCED-TIME")


# --- By whom the time is set --------------------------------------------------------------------------------


def by_signed_time(unit: Unit) -> None:
    """A list that was signed an hour ago is verified; whoever set the clock, it is borne out."""
    unit.rig.now = NOW
    unit.has_list(NOW - HOUR)


def by_proof(unit: Unit) -> None:
    """chrony with NTS, or a real-time clock, sets the clock; the sync writes down that they agree."""
    unit.rig.now = NOW
    unit.learns(note(unit.snapshot.clock, unit.reading, proven=unit.reading))


def by_a_supervisor(unit: Unit) -> None:
    """A supervisor sets the clock, and says that it is right."""
    unit.rig.now = NOW
    unit.learns(confirm(unit.snapshot.clock, unit.reading))


WAYS = {
    "signed time": (by_signed_time, "BOUNDED"),
    "NTS or real-time clock": (by_proof, "TRUSTED"),
    "supervisor": (by_a_supervisor, "BOUNDED"),
}


@pytest.mark.scenario("SC-D13")
@pytest.mark.parametrize("way", list(WAYS))
def test_a_unit_that_wakes_in_1970_checks_no_expiry_until_its_time_is_set(unit: Unit, way: str) -> None:
    """OUT, and not one verdict about the good or the expired code, until one of the sources sets the time."""
    set_by, state = WAYS[way]
    unit.has_list(NOW - 2 * DAY)
    unit.rig.now = datetime(1970, 1, 1, tzinfo=UTC)
    for text in (unit.good, unit.over, unit.good):
        assert unit.shows(text) == OUT
    assert unit.rig.answers == []
    assert unit.rig.gate.health()["reasons"] == ["CLOCK_UNSURE"]
    set_by(unit)
    unit.judges(state)


@pytest.mark.scenario("SC-D14")
@pytest.mark.parametrize("way", list(WAYS))
def test_a_clock_set_back_three_days_while_running_is_out_until_somebody_vouches(
    unit: Unit, way: str
) -> None:
    """The list is older than that, so the floor alone would see nothing. It lasts until somebody vouches."""
    set_by, state = WAYS[way]
    unit.has_list(NOW - 6 * DAY)
    unit.judges("BOUNDED")
    unit.rig.now -= 3 * DAY
    unit.rig.rounds(0.2)
    assert unit.rig.lamp.signal is Signal.OUT
    assert unit.rig.now > unit.snapshot.floor
    for text in (unit.good, unit.over):
        assert unit.shows(text) == OUT
    assert len(unit.rig.answers) == 2, "those from before the step"
    set_by(unit)
    unit.judges(state)


@pytest.mark.scenario("SC-D14")
def test_a_clock_that_starts_before_the_last_mark_is_out(unit: Unit) -> None:
    """Never earlier than what was written down in another run of the machine."""
    last = Reading(NOW + HOUR, "the run before", 5.0)
    unit.learns(ClockKnowledge(floor=NOW - HOUR, mark=last))
    assert unit.shows(unit.good) == OUT
    unit.rig.now = NOW + HOUR
    unit.judges("BOUNDED")


def test_the_time_is_set_back_and_right_again(unit: Unit) -> None:
    """Whoever sets it where it would be without the step ends the doubt; the unit goes on from there."""
    unit.judges("BOUNDED")
    unit.rig.now -= 30 * MINUTE
    assert unit.shows(unit.good) == OUT
    unit.rig.now += 30 * MINUTE
    unit.judges("BOUNDED")


def test_one_forged_answer_of_2040_makes_amber_and_nothing_worse(unit: Unit) -> None:
    """The clock is doubted, the list stays as young as it is, what was over stays over; no floor moves."""
    long_over = unit.signer.issue(
        vaccination(),
        iat=int((NOW - 30 * DAY).timestamp()),
        exp=int((NOW - 2 * DAY).timestamp()),
    )
    unit.judges("BOUNDED")
    right = unit.rig.now
    unit.rig.now = datetime(2040, 1, 1, tzinfo=UTC)
    assert unit.shows(unit.good) == (Signal.CHECK, ["CLOCK_UNSURE"], "FLOOR-ONLY")
    assert unit.rig.gate.health()["list"]["state"] == "FRESH"
    assert unit.shows(long_over)[:2] == (Signal.FAIL, ["EXPIRED", "CLOCK_UNSURE"])
    unit.rig.now = right + MINUTE
    unit.judges("BOUNDED")


@pytest.mark.parametrize("way", list(WAYS))
def test_a_jump_of_more_than_a_day_is_doubted_until_somebody_vouches(unit: Unit, way: str) -> None:
    """At best CHECK; a supervisor's word, a proof or a list of that day make it green again."""
    set_by, state = WAYS[way]
    unit.rig.now = NOW - 2 * DAY
    unit.has_list(NOW - 4 * DAY)
    assert unit.shows(unit.good)[2] == "BOUNDED"
    unit.rig.now = NOW
    lamp, reasons, clock = unit.shows(unit.good)
    assert (lamp, "CLOCK_UNSURE" in reasons, clock) == (Signal.CHECK, True, "FLOOR-ONLY")
    set_by(unit)
    unit.judges(state)


# --- The watch by itself ------------------------------------------------------------------------------------


def states(watch: ClockWatch, told: ClockKnowledge, *readings: tuple[datetime, float]) -> list[ClockState]:
    return [
        clock_state(one, watch.see(one, told))
        for one in (Reading(wall, "run", since) for wall, since in readings)
    ]


FLOOR = ClockKnowledge(floor=NOW - 6 * DAY)
BEFORE = (NOW, 100.0)
BACK = (NOW - 3 * DAY, 101.0)


def test_what_another_process_marked_does_not_end_a_doubt() -> None:
    """The sync starts after the step, knows no mark of this run, and writes down what it sees."""
    watch = ClockWatch()
    assert states(watch, FLOOR, BEFORE, BACK) == [ClockState.BOUNDED, ClockState.UNSYNCED]
    told = note(FLOOR, Reading(NOW - 3 * DAY, "run", 110.0))
    assert told.mark is not None
    assert states(watch, told, (NOW - 3 * DAY, 120.0)) == [ClockState.UNSYNCED]


def test_a_word_that_is_older_than_the_step_does_not_end_the_doubt() -> None:
    """A supervisor's word, then the clock goes forward by 20 hours, and is set back to that word's time."""
    watch = ClockWatch()
    told = confirm(FLOOR, Reading(NOW - 20 * HOUR, "run", 50.0))
    assert states(watch, told, BEFORE, (NOW - 20 * HOUR, 101.0)) == [ClockState.BOUNDED, ClockState.UNSYNCED]
    other = replace(told, confirmed=Reading(NOW - 20 * HOUR, "another run", 500.0))
    assert states(watch, other, (NOW - 20 * HOUR, 102.0)) == [ClockState.UNSYNCED]


def test_a_proof_ends_a_doubt_for_good() -> None:
    """The mark from before the step is gone with it: when the proof is over, nothing is left of it."""
    watch = ClockWatch()
    states(watch, FLOOR, BEFORE, BACK)
    told = note(FLOOR, Reading(NOW - 3 * DAY, "run", 110.0), proven=Reading(NOW - 3 * DAY, "run", 110.0))
    assert states(watch, told, (NOW - 3 * DAY, 111.0)) == [ClockState.TRUSTED]
    two_days = 2 * DAY.total_seconds()
    assert states(watch, told, (NOW - DAY, 111.0 + two_days)) == [ClockState.BOUNDED]


def test_a_unit_that_woke_behind_its_mark_hears_a_supervisor() -> None:
    """The mark of the run before is the store's, and whoever clears it there clears it here."""
    told = ClockKnowledge(floor=NOW - 6 * DAY, mark=Reading(NOW + HOUR, "the run before", 5.0))
    watch = ClockWatch()
    assert states(watch, told, BEFORE) == [ClockState.UNSYNCED]
    assert states(watch, confirm(told, Reading(NOW, "run", 105.0)), (NOW, 110.0)) == [ClockState.BOUNDED]


def test_signed_time_that_is_new_ends_a_doubt_only_if_it_bears_the_clock_out() -> None:
    """A list of four days ago does not say that today is three days ago; one of an hour before that does."""
    watch = ClockWatch()
    states(watch, FLOOR, BEFORE, BACK)
    assert states(watch, ClockKnowledge(floor=NOW - 5 * DAY), BACK) == [ClockState.UNSYNCED]
    assert states(watch, ClockKnowledge(floor=NOW - 3 * DAY - HOUR), BACK) == [ClockState.BOUNDED]


def test_a_watch_that_begins_goes_by_what_was_written_down_in_this_run() -> None:
    """The gate was started anew after the step: the mark of the sync is from before it."""
    told = note(FLOOR, Reading(NOW, "run", 100.0))
    assert states(ClockWatch(), told, BACK) == [ClockState.UNSYNCED]
    assert states(ClockWatch(), confirm(told, Reading(NOW - 3 * DAY, "run", 100.5)), BACK) == [
        ClockState.BOUNDED
    ]


# --- The other way to a verdict -----------------------------------------------------------------------------


def test_vaxgate_verify_believes_the_clock_as_far_as_the_gate_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --at the machine's clock is held against what the store knows of time."""
    with Office(tmp_path) as office:
        code = office.issue(Family.HC1).code
        office.synced()
        told: dict[str, Any] = {}
        for name, wall in {
            "before the list": OFFICE_NOW - SECOND,
            "a day after it": OFFICE_NOW + DAY,
            "nine days after it": OFFICE_NOW + 9 * DAY,
        }.items():
            monkeypatch.setattr(timesources, "reading", lambda wall=wall: Reading(wall, "run", 60.0))
            main(["--trust", str(tmp_path / "store"), "--rules", "signature-only", "--json", str(code)])
            answer = json.loads(capsys.readouterr().out)
            doubt = "CLOCK_UNSURE" in [reason["code"] for reason in answer["reasons"]]
            told[name] = answer["clock"], answer["state"], doubt
    assert told == {
        "before the list": ("UNSYNCED-TIME", "OUT", True),
        "a day after it": ("BOUNDED", "PASS", False),
        "nine days after it": ("FLOOR-ONLY", "CHECK", True),
    }
