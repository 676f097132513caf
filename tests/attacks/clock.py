"""Attacks on the unit's idea of time: clocks that stand still, jump, are lied to, and lists that only age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from trust_site import DAY

from attacks.scene import GOOD, HOUR, NIGHT, REVOKED, START, Scene, attack
from trustsync.errors import Alarm
from trustsync.facts import STATE_NAME
from trustsync.seed import write_seed
from trustsync.state import StateDatabase
from trustsync.sync import single_instance
from verifier.clocks import Reading

IN_1970 = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
IN_2040 = datetime(2040, 1, 1, tzinfo=UTC)
UNSURE = ("OUT CLOCK_UNSURE", "FAIL REVOKED CLOCK_UNSURE")


def clock(says: datetime, up: timedelta = HOUR, run: str = "first run") -> Reading:
    """What the machine's clock says, so long after it was switched on for this run."""
    return Reading(says, run, up.total_seconds())


def noted(scene: Scene, reading: Reading) -> None:
    """A sync at this reading, with which the unit writes it down."""
    scene.sync(reading.wall, reading=reading)


def confirmed(scene: Scene, reading: Reading) -> None:
    """A supervisor says that this clock is right."""
    with single_instance(scene.store), StateDatabase(scene.store / STATE_NAME) as database:
        database.confirm_clock(reading, "supervisor")


# --- 1970 -----------------------------------------------------------------------------------------------


@attack("old metadata for a unit that wakes in 1970", row=5)
def woken_in_1970(scene: Scene) -> None:
    """The time was proven three weeks later than the list; a power cut, the clock begins anew, and somebody
    serves the list that is long over: refused as expired, for proven time outlives the cut; nothing is
    judged by such a clock.
    """
    proof = clock(START + timedelta(days=21))
    scene.fails(Alarm.EXPIRED, proof.wall, reading=proof, proven=proof)
    assert scene.look(proof).floor == proof.wall
    scene.fails(Alarm.EXPIRED, IN_1970, reading=clock(IN_1970, run="second run"))
    look = scene.look(clock(IN_1970, run="second run"))
    assert (look.floor, look.signed_at) == (proof.wall, START)
    assert look.answers == UNSURE


@attack("the very first contact in 1970", row=6)
def first_contact_in_1970(scene: Scene) -> None:
    """A new unit without any proof of time is served a list that is long over, and cannot know: it takes
    the list and its time, and nothing is green before the clock is set; then the list is as old as it is.
    """
    unit = scene.new_unit()
    unit.sync(IN_1970, reading=clock(IN_1970))
    look = unit.look(clock(IN_1970))
    assert (look.floor, look.signed_at) == (START, START)
    assert look.answers == UNSURE
    assert unit.answer(GOOD, clock(START + 6 * DAY, run="second run")) == "PASS LIST_STALE"


@attack("a list from before the image, in 1970")
def before_the_image(scene: Scene) -> None:
    """The same new unit with an image that was made ten days later: it knows that it is at least as late as
    its image, refuses what was over then, and judges nothing a day before it.
    """
    built = START + 10 * DAY
    unit = scene.new_unit()
    write_seed(scene.store, unit.folder / "seed", built)
    unit.fails(Alarm.EXPIRED, IN_1970, seed=unit.folder / "seed")
    assert unit.look(built - DAY).answers == UNSURE
    assert unit.look(built).answers == ("CHECK LIST_EXPIRED", "FAIL REVOKED LIST_EXPIRED")
    assert unit.look().floor == built


@attack("a second before the last signed time")
def a_second_before(scene: Scene) -> None:
    """The floor is exact: a second before it nothing is judged, and no list comes in by it."""
    scene.next_night()
    assert scene.look(NIGHT - timedelta(seconds=1)).answers == UNSURE
    assert scene.look(NIGHT).answers == ("PASS", "FAIL REVOKED")


# --- 2040 -----------------------------------------------------------------------------------------------


@attack("a unit that wakes in 2040", row=7)
def woken_in_2040(scene: Scene) -> None:
    """All that is offered looks expired and is refused; the list in force still tells red from the rest,
    and nothing is green: the clock must be confirmed. No clock raises the floor.
    """
    wrong = clock(IN_2040, run="second run")
    scene.fails(Alarm.EXPIRED, IN_2040, reading=wrong)
    amber, red = scene.look(wrong).answers
    assert amber.startswith("CHECK ")
    assert "CLOCK_UNSURE" in amber
    assert red.startswith("FAIL REVOKED")
    assert scene.look(START).floor == START
    assert scene.look(START + HOUR).answers == ("PASS", "FAIL REVOKED")
    scene.next_night()


@attack("a forged answer of a time server says 2040")
def forged_sntp(scene: Scene) -> None:
    """One lie sends the running clock to 2040: amber with the date asked for, while the list is as young as
    it was; when the clock comes back all is as before, and nobody had to be called.
    """
    noted(scene, clock(START + HOUR))
    lie = clock(IN_2040, up=2 * HOUR)
    scene.fails(Alarm.EXPIRED, IN_2040, reading=lie)
    assert scene.look(lie).answers == ("CHECK CLOCK_UNSURE", "FAIL REVOKED CLOCK_UNSURE")
    back = clock(START + 3 * HOUR, up=3 * HOUR)
    assert scene.look(back).answers == ("PASS", "FAIL REVOKED")
    assert scene.look(back).floor == START
    scene.next_list()
    noted(scene, clock(NIGHT + HOUR, up=26 * HOUR))
    scene.arrived()


@attack("a forged answer of a time server, then the switch")
def forged_then_restarted(scene: Scene) -> None:
    """The clock is lied to, kept over a switch-off, and set right after it: for a while nobody can tell, so
    nothing is green; the next list that is signed settles it, without a hand.
    """
    noted(scene, clock(START + HOUR))
    scene.fails(Alarm.EXPIRED, IN_2040, reading=clock(IN_2040, up=2 * HOUR))
    scene.fails(Alarm.EXPIRED, IN_2040 + HOUR, reading=clock(IN_2040 + HOUR, run="second run"))
    assert scene.answer(GOOD, clock(IN_2040 + HOUR, run="second run")).startswith("CHECK ")
    scene.next_list()
    noted(scene, clock(NIGHT + HOUR, up=2 * HOUR, run="second run"))
    assert scene.answer(GOOD, clock(NIGHT + 2 * HOUR, up=3 * HOUR, run="second run")) == "PASS"
    assert scene.look().floor == NIGHT


# --- Steps ----------------------------------------------------------------------------------------------


@attack("the clock is set back three days")
def set_back(scene: Scene) -> None:
    """Somebody sets a running clock back, not behind the signed time but behind what was written down
    since, so that an old list looks young: the unit is out until a signed time or a person says which is
    right.
    """
    right = clock(START + 2 * DAY, up=2 * DAY)
    noted(scene, clock(START + HOUR))
    noted(scene, right)
    scene.next_list(START + 2 * DAY)
    held = clock(START + 5 * DAY, up=5 * DAY)
    with single_instance(scene.store), StateDatabase(scene.store / STATE_NAME) as database:
        database.note_clock(held, None)
    back = clock(START + 2 * DAY, up=5 * DAY + HOUR)
    assert scene.look(back).answers == UNSURE
    scene.publish(START + 5 * DAY)
    noted(scene, clock(START + 5 * DAY + HOUR, up=5 * DAY + 2 * HOUR))
    scene.arrived()


@attack("the clock is turned back a little every night")
def turned_back_nightly(scene: Scene) -> None:
    """Somebody holds the list back and turns the clock back by twenty hours each day, so that it never
    looks old: the first turn is seen against the time since the unit was switched on, and the unit is out.
    """
    noted(scene, clock(START + 20 * HOUR, up=20 * HOUR))
    assert scene.look(clock(START + 21 * HOUR, up=21 * HOUR)).answers == ("PASS", "FAIL REVOKED")
    assert scene.look(clock(START + 2 * HOUR, up=22 * HOUR)).answers == UNSURE


@attack("the clock jumps by twenty-five hours")
def jumped(scene: Scene) -> None:
    """More than a day forward in one step needs a person: amber until a supervisor confirms the date; below
    a day it is borne. What a supervisor says raises no floor.
    """
    noted(scene, clock(START + HOUR))
    assert scene.look(clock(START + 25 * HOUR, up=2 * HOUR)).answers == ("PASS", "FAIL REVOKED")
    far = clock(START + 27 * HOUR, up=2 * HOUR)
    assert scene.look(far).answers == ("CHECK CLOCK_UNSURE", "FAIL REVOKED CLOCK_UNSURE")
    confirmed(scene, far)
    assert scene.look(far).answers == ("PASS", "FAIL REVOKED")
    assert scene.look(far).floor == START


@attack("a supervisor confirms a clock that is wrong")
def confirmed_wrongly(scene: Scene) -> None:
    """A year too late is confirmed by mistake: the list is out of date by that clock and the unit is out,
    but no floor has risen; the clock is set right, confirmed, and all is as before.
    """
    wrong = clock(START + 365 * DAY, run="second run")
    confirmed(scene, wrong)
    assert scene.look(wrong).answers == ("OUT LIST_EXPIRED REVOCATION_UNCHECKED", "FAIL REVOKED LIST_EXPIRED")
    right = clock(START + 4 * HOUR, up=4 * HOUR, run="second run")
    assert scene.look(right).answers == UNSURE
    confirmed(scene, right)
    assert scene.look(right).answers == ("PASS", "FAIL REVOKED")
    assert scene.look(right).floor == START
    assert [done.what for done in scene.state().operations] == ["clock confirmed"] * 2


# --- Only time passes -----------------------------------------------------------------------------------


@attack("the network is jammed for two months")
def jammed(scene: Scene) -> None:
    """Nothing comes in any more. By the age of the list alone: green, green with a banner, amber, amber,
    out; red stays red at every age. The clock is confirmed weekly.
    """
    second = timedelta(seconds=1)
    expected = {
        timedelta(hours=36): "PASS",
        timedelta(hours=36) + second: "PASS LIST_STALE",
        timedelta(days=7): "PASS LIST_STALE",
        timedelta(days=7) + second: "CHECK LIST_EXPIRED",
        timedelta(days=13): "CHECK LIST_EXPIRED",
        timedelta(days=30) + second: "CHECK REVOCATION_UNCHECKED LIST_EXPIRED",
        timedelta(days=60): "CHECK REVOCATION_UNCHECKED LIST_EXPIRED",
        timedelta(days=60) + second: "OUT LIST_EXPIRED REVOCATION_UNCHECKED",
    }
    for age, told in expected.items():
        reading = clock(START + age, up=age)
        scene.fails(None, START + age, url="http://127.0.0.1:9", reading=reading)
        confirmed(scene, reading)
        assert scene.answer(GOOD, reading) == told, age
        assert scene.answer(REVOKED, reading).startswith("FAIL REVOKED"), age


@attack("network and time servers are jammed for nine days")
def jammed_without_time(scene: Scene) -> None:
    """The same without anybody who confirms the clock: after seven days it is worth its floor only, and the
    officer is asked for the date.
    """
    proof = clock(START + HOUR)
    scene.sync(START + HOUR, reading=proof, proven=proof)
    assert scene.answer(GOOD, clock(START + 7 * DAY, up=7 * DAY)) == "PASS LIST_STALE"
    late = clock(START + 9 * DAY, up=9 * DAY)
    assert scene.look(late).answers == (
        "CHECK LIST_EXPIRED CLOCK_UNSURE",
        "FAIL REVOKED LIST_EXPIRED CLOCK_UNSURE",
    )
