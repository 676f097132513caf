"""The gate's loop: what the lamp and the page say, and when."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from desk import NOW, Desk, person, vaccination
from gate_rig import Rig, image_of, luma_of, snapshot_of, stained

from appliance import answering
from appliance.config import GateConfig
from appliance.errors import CameraError, LampError
from appliance.judging import prove
from appliance.kiosk.hub import Hub
from appliance.lights import MockLamp, read_signal
from appliance.picture import empty
from appliance.reader.live import look
from appliance.reader.passes import Look
from appliance.signals import Signal
from appliance.supply import FixedTrust
from appliance.timings import STEPS, percentiles
from trustsync.errors import NoListError, StoreError

CANARY = "Zyxwvut Qanarić"


def test_the_unit_starts_and_is_ready_with_the_first_frame(rig: Rig) -> None:
    """BOOT until the first frame, then READY, on lamp and page alike."""
    assert (rig.lamp.signal, rig.page()["signal"]) == (Signal.BOOT, "BOOT")
    rig.rounds(0.1)
    assert (rig.lamp.signal, rig.page()["signal"]) == (Signal.READY, "READY")


def test_a_valid_code_is_green_and_then_the_unit_is_ready_again(rig: Rig) -> None:
    """A result stays for hold_s after its code was last seen, then READY."""
    rig.hold(rig.desk.signer().issue(vaccination()), 1.0)
    assert (rig.lamp.signal, rig.page()["state"], rig.codes()) == (Signal.PASS, "PASS", [])
    rig.show(None, 3.8)
    assert rig.lamp.signal is Signal.PASS
    rig.show(None, 1.0)
    assert (rig.lamp.signal, rig.page()["signal"], rig.page()["state"]) == (Signal.READY, "READY", None)


@pytest.mark.parametrize(
    ("make", "signal", "codes"),
    [
        (lambda signer: signer.issue(vaccination(), exp=None), Signal.CHECK, ["NO_EXPIRY"]),
        (
            lambda signer: signer.issue(vaccination(), exp=int((NOW - timedelta(hours=1)).timestamp())),
            Signal.FAIL,
            ["EXPIRED"],
        ),
        (lambda _: "https://example.org/menu", Signal.RESCAN, ["NOT_CERT"]),
    ],
    ids=["without expiry", "expired", "web link"],
)
def test_lamp_and_page_say_the_same(
    rig: Rig, make: Callable[[Any], str], signal: Signal, codes: list[str]
) -> None:
    """Each state has its signal on the lamp and its word and reason on the page."""
    rig.hold(make(rig.desk.signer()))
    assert rig.lamp.signal is signal
    assert (rig.page()["signal"], rig.page()["state"]) == (signal.value, signal.value)
    assert rig.codes() == codes
    assert rig.page()["headline"] == rig.page()["reasons"][0]["text"]


def test_a_symbol_that_stays_unread_is_rescan_and_never_red(rig: Rig) -> None:
    """A located and damaged code is RESCAN UNREADABLE after damaged_s, said once."""
    frame = stained(image_of(rig.desk.signer().issue(vaccination())))
    rig.show(frame, 0.9)
    assert rig.lamp.signal is Signal.READY
    rig.show(frame, 4.0)
    assert rig.lamp.signal is Signal.RESCAN
    assert rig.codes() == ["UNREADABLE"]
    assert rig.page()["results"] == 1


@pytest.mark.scenario("SC-O02")
def test_a_code_that_stays_in_view_ten_seconds_is_one_result(rig: Rig) -> None:
    """One result, one count, one colour for as long as the code is held up, flickers included."""
    frame = image_of(rig.desk.signer().issue(vaccination()))
    for _ in range(10):
        rig.show(frame, 0.8)
        rig.show(None, 0.2)
    assert (rig.lamp.signal, rig.page()["state"], rig.codes()) == (Signal.PASS, "PASS", [])
    assert [answer.verdict.state.value for answer in rig.answers] == ["PASS"]
    assert rig.page()["results"] == 1


def test_a_code_that_comes_back_is_one_more_result_and_is_not_verified_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its proof is kept with whoever stands here, as long as the list and the clock are the same."""
    proven: list[object] = []

    def judged(code: Any, *rest: Any) -> Any:
        proven.append(code)
        return prove(code, *rest)

    monkeypatch.setattr(answering, "prove", judged)
    frame = image_of(rig.desk.signer().issue(vaccination()))
    for _ in range(3):
        rig.show(frame, 0.3)
        rig.show(None, 3.0)
    assert ([each.verdict.state.value for each in rig.answers], len(proven)) == (["PASS"] * 3, 1)
    assert rig.page()["results"] == 3
    rig.gate._trust.close()  # the list is read anew
    rig.show(frame, 0.3)
    assert len(proven) == 2
    rig.show(None, 16)  # and nobody is known here any more
    rig.show(frame, 0.3)
    assert len(proven) == 3


def test_a_code_left_before_the_camera_does_not_stay_green_for_ever(rig: Rig) -> None:
    """A green is not stuck: after half a minute the unit is ready, though the code still lies there."""
    rig.hold(rig.desk.signer().issue(vaccination()), 29.5)
    assert rig.lamp.signal is Signal.PASS
    rig.rounds(2.0)
    assert rig.lamp.signal is Signal.READY
    assert len(rig.answers) == 1


class WatchedLamp(MockLamp):
    """Notes whose name stands on the page at the moment when a signal is shown."""

    def __init__(self) -> None:
        self.hub: Hub | None = None
        self.names: list[tuple[Signal, str | None]] = []
        super().__init__()

    def show(self, signal: Signal, *, anew: bool = False) -> None:
        if self.hub is not None:
            holder = self.hub.current()["holder"]
            self.names.append((signal, holder and holder["name"]))
        super().show(signal, anew=anew)


@pytest.mark.scenario("SC-O03")
def test_the_next_travellers_code_takes_the_old_name_before_the_new_colour(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """Never one name with another's colour: when the lamp changes, the old name is gone from the page."""
    lamp = WatchedLamp()
    rig = make_rig(desk, lamp=lamp)
    lamp.hub = rig.hub
    signer = desk.signer()
    other = person(nam={"fn": "Trương", "gn": "Mỹ Ước", "fnt": "TRUONG", "gnt": "MY<UOC"})
    rig.hold(signer.issue(vaccination()))
    assert (rig.page()["state"], rig.page()["holder"]["name"]) == ("PASS", "Nguyễn Bảo Duy")
    rig.hold(signer.issue(vaccination(other), exp=int((NOW - timedelta(hours=1)).timestamp())))
    assert (rig.page()["state"], rig.page()["holder"]["name"]) == ("FAIL", "Trương Mỹ Ước")
    assert rig.codes() == ["EXPIRED"]
    assert lamp.names == [(Signal.PASS, None), (Signal.FAIL, None)]


@pytest.mark.scenario("SC-O04")
@pytest.mark.parametrize("way", ["in view", "taken away"])
def test_name_and_birth_date_leave_the_page_after_fifteen_seconds(rig: Rig, way: str) -> None:
    """Personal data are cleared after 15 s, whether the code is still there or not."""
    text = rig.desk.signer().issue(vaccination())
    rig.hold(text, 0.1)
    assert rig.page()["holder"] == {
        "name": "Nguyễn Bảo Duy", "passport_name": "NGUYEN<<BAO<DUY", "birth_date": "1983-10-10",
    }  # fmt: skip
    rig.show(image_of(text) if way == "in view" else None, 14.7)
    shown = rig.page()["holder"] or rig.page()["last"]["holder"]
    assert shown["name"] == "Nguyễn Bảo Duy"
    rig.rounds(0.3)
    assert (rig.page()["holder"], rig.page()["last"]) == (None, None)
    assert "Nguyễn" not in str(rig.page())
    assert rig.page()["state"] == ("PASS" if way == "in view" else None)


def test_the_last_result_keeps_its_own_state_beside_its_name(rig: Rig) -> None:
    """While the lamp is ready again, the name is shown with the state that it had."""
    rig.hold(rig.desk.signer().issue(vaccination(), exp=None), 0.2)
    rig.show(None, 5.5)
    page = rig.page()
    assert (rig.lamp.signal, page["signal"], page["holder"]) == (Signal.READY, "READY", None)
    assert (page["last"]["state"], page["last"]["holder"]["name"]) == ("CHECK", "Nguyễn Bảo Duy")


def test_a_link_beside_the_certificate_takes_nothing_away(rig: Rig) -> None:
    """A code of another world in the same frame neither hides nor replaces a certificate's result."""
    frame = image_of(rig.desk.signer().issue(vaccination()), scale=3)
    poster = image_of("https://example.org/menu", scale=3).crop((540, 260, 740, 460))
    rig.show(frame, 0.3)
    both = frame.copy()
    both.paste(poster, (0, 0))
    rig.show(both, 0.5)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 1)


def test_of_two_certificates_in_a_frame_the_worse_one_is_shown(rig: Rig) -> None:
    """Two codes held up together are not a way to hide the bad one."""
    signer = rig.desk.signer()
    good = image_of(signer.issue(vaccination()), scale=2)
    bad = image_of(signer.issue(vaccination(), exp=int((NOW - timedelta(hours=1)).timestamp())), scale=2)
    both = good.crop((320, 0, 960, 720)).resize((640, 720))
    frame = good.copy()
    frame.paste(both, (0, 0))
    frame.paste(bad.crop((320, 0, 960, 720)), (640, 0))
    rig.show(frame, 0.3)
    assert (rig.lamp.signal, rig.codes(), rig.page()["results"]) == (Signal.FAIL, ["EXPIRED"], 1)


# --- What is wrong with us is OUT, and ends by itself -------------------------------------------------------


def assert_out(rig: Rig, *codes: str) -> None:
    assert (rig.lamp.signal, rig.page()["state"], rig.codes()) == (Signal.OUT, "OUT", list(codes))
    assert (rig.page()["holder"], rig.page()["last"]) == (None, None)
    health = rig.gate.health()
    assert (health["state"], health["reasons"]) == ("OUT", list(codes))


def assert_works(rig: Rig, text: str) -> None:
    """The unit is fit again, and judges the code that is held up."""
    rig.show(None, 8.0)
    assert (rig.lamp.signal, rig.gate.health()["state"]) == (Signal.READY, "READY")
    rig.hold(text, 0.3)
    assert rig.lamp.signal is Signal.PASS


@pytest.mark.parametrize(
    "error", [RuntimeError(CANARY), KeyError(CANARY), MemoryError(), RecursionError(), AssertionError(CANARY)]
)
def test_any_exception_in_the_loop_is_out_and_never_a_colour_about_a_document(
    desk: Desk, make_rig: Callable[..., Rig], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault takes a green away at once; its text is written nowhere; it ends by itself."""
    caplog.set_level(logging.DEBUG)
    text = desk.signer().issue(vaccination())
    rig = make_rig(desk)
    rig.hold(text, 0.3)
    assert rig.lamp.signal is Signal.PASS
    rig.clock_error = error
    rig.rounds(0.1)
    assert_out(rig, "UNIT_FAULT")
    assert CANARY not in caplog.text + str(rig.page()) + str(rig.gate.health())
    assert type(error).__name__ in caplog.text
    rig.clock_error = None
    assert_works(rig, text)


def test_an_exception_while_judging_is_out_for_as_long_as_the_code_is_there(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """A code that breaks us gives OUT, not the colour of the code before it; the next one is judged."""
    text = desk.signer().issue(vaccination())
    broken = False

    def read(luma: Any) -> Look:
        if broken:
            raise ValueError(CANARY)
        return look(luma)

    rig = make_rig(desk, read=read)
    rig.hold(text, 0.3)
    broken = True
    rig.hold(text, 6.0)
    assert_out(rig, "UNIT_FAULT")
    broken = False
    assert_works(rig, text)


@pytest.mark.parametrize("when", ["cannot be opened", "stops", "gives nothing"])
def test_a_camera_that_is_gone_is_out_until_it_is_back(rig: Rig, when: str) -> None:
    """No camera, no verdict: OUT CAMERA_DOWN, and READY when frames come again."""
    text = rig.desk.signer().issue(vaccination())
    rig.hold(text, 0.3)
    if when == "gives nothing":
        rig.camera.picture = None
    else:
        rig.camera.error = CameraError("unplugged")
        rig.open_error = CameraError("no device") if when == "cannot be opened" else None
    rig.rounds(10.0)
    assert_out(rig, "CAMERA_DOWN")
    assert rig.gate.health()["camera"] == "down"
    assert rig.camera.closed
    rig.camera.error = rig.open_error = None
    assert_works(rig, text)


@pytest.mark.parametrize(
    ("error", "code", "storage"),
    [
        (NoListError("none was ever installed"), "NO_LIST", "empty"),
        (StoreError("digest is wrong"), "STORE_DOWN", "down"),
        (OSError(5, "Input/output error"), "STORE_DOWN", "down"),
    ],
    ids=["no list", "corrupt", "disk"],
)
def test_a_store_that_cannot_vouch_is_out_until_it_can(
    rig: Rig, error: Exception, code: str, storage: str
) -> None:
    """Without a list nothing is judged: OUT, also while a code is held up, and READY after a sync."""
    text = rig.desk.signer().issue(vaccination())
    works = rig.open_trust

    def fails() -> Any:
        raise error

    rig.hold(text, 0.3)
    assert rig.lamp.signal is Signal.PASS
    rig.open_trust = fails
    rig.gate._trust.close()
    rig.hold(text, 2.0)
    assert_out(rig, code)
    assert rig.gate.health()["storage"] == storage
    rig.open_trust = works
    assert_works(rig, text)


@pytest.mark.scenario("SC-D13")
def test_a_clock_at_1970_judges_nothing_until_it_is_set(desk: Desk, make_rig: Callable[..., Rig]) -> None:
    """OUT CLOCK_UNSURE, and not one expiry check before the clock is right; then the code is judged."""
    expired = desk.signer().issue(vaccination(), exp=int((NOW - timedelta(hours=1)).timestamp()))
    rig = make_rig(desk)
    rig.now = datetime(1970, 1, 1, tzinfo=UTC)
    rig.hold(expired, 2.0)
    assert_out(rig, "CLOCK_UNSURE")
    assert rig.answers == []
    rig.now = NOW
    rig.hold(expired, 1.5)
    assert (rig.lamp.signal, rig.codes()) == (Signal.FAIL, ["EXPIRED"])


def test_a_clock_set_behind_the_signed_list_while_running_is_out(rig: Rig) -> None:
    """The newest signed instant is a floor: a clock set back below it makes the unit unfit at once."""
    text = rig.desk.signer().issue(vaccination())
    rig.hold(text, 0.3)
    right = rig.now
    rig.now = right - timedelta(days=3)
    rig.rounds(0.2)
    assert_out(rig, "CLOCK_UNSURE")
    rig.now = right
    assert_works(rig, text)


def test_a_list_of_61_days_is_out_and_still_says_fail(desk: Desk, make_rig: Callable[..., Rig]) -> None:
    """With an expired list PASS becomes OUT LIST_EXPIRED, a FAIL stays FAIL, and the idle unit says OUT."""
    desk.list_age = timedelta(days=61)
    signer = desk.signer()
    rig = make_rig(desk)
    # Nobody confirmed the clock in these 61 days, so only what was over at the floor is over for certain.
    rig.rounds(0.3)
    assert (rig.lamp.signal, rig.codes()) == (Signal.OUT, ["LIST_EXPIRED"])
    rig.hold(signer.issue(vaccination()), 0.3)
    assert (rig.lamp.signal, rig.codes()[0]) == (Signal.OUT, "LIST_EXPIRED")
    rig.hold(signer.issue(vaccination(), exp=int((NOW - timedelta(hours=1)).timestamp())), 0.3)
    assert (rig.lamp.signal, rig.codes()[0]) == (Signal.OUT, "LIST_EXPIRED")
    long_over = NOW - timedelta(days=62)
    rig.hold(signer.issue(vaccination(), iat=0, exp=int(long_over.timestamp())), 0.3)
    assert (rig.lamp.signal, "EXPIRED" in rig.codes()) == (Signal.FAIL, True)
    rig.show(None, 6.0)
    assert (rig.lamp.signal, rig.codes()) == (Signal.OUT, ["LIST_EXPIRED"])


def test_a_new_list_is_in_force_without_a_restart(rig: Rig) -> None:
    """The store switches a generation; the next code is judged by it."""
    signer = rig.desk.signer(listed=False)
    text = signer.issue(vaccination())
    rig.desk.signer(label="2")
    rig.hold(text, 0.3)
    assert rig.codes() == ["KEY_UNKNOWN"]
    rig.show(None, 6.0)

    class Switched(FixedTrust):
        def current(self) -> Any:
            return snapshot_of(rig.desk)

    rig.desk.signer()
    rig.open_trust = lambda: Switched(snapshot_of(rig.desk))
    rig.gate._trust.close()
    rig.hold(text, 0.3)
    assert rig.lamp.signal is Signal.PASS


class DeadLamp(MockLamp):
    """A lamp whose pins can be made to refuse."""

    dead = False

    def _put(self, step: Any) -> None:
        if self.dead:
            self.fault = "OSError"
            raise LampError("a pin of the lamp cannot be driven")
        super()._put(step)


def test_a_lamp_that_cannot_be_driven_makes_the_unit_out_on_the_page(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """A page must not say PASS beside a dead lamp: OUT UNIT_FAULT, until the lamp works again."""
    lamp = DeadLamp()
    rig = make_rig(desk, lamp=lamp)
    text = desk.signer().issue(vaccination())
    rig.rounds(0.2)
    lamp.dead = True
    rig.hold(text, 3.0)
    assert (rig.page()["state"], rig.codes()) == ("OUT", ["UNIT_FAULT"])
    assert rig.gate.health()["lamp"] == "down"
    assert rig.page()["results"] == 0
    lamp.dead = False
    assert_works(rig, text)
    assert rig.gate.health()["lamp"] == "ok"


# --- The watchdog, in real time -----------------------------------------------------------------------------


def test_a_loop_without_progress_loses_its_green_and_its_late_verdict(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """A hanging loop: the watchdog takes lamp and page to OUT; the verdict that comes at last is dropped."""
    text = desk.signer().issue(vaccination())
    hang, go_on = threading.Event(), threading.Event()

    def read(luma: Any) -> Look:
        found = look(luma)
        if hang.is_set() and found.codes:
            go_on.wait(20)
        return found

    rig = make_rig(desk, read=read, config=replace(GateConfig(), watchdog_s=3.0, same_code_s=0.1))
    rig.monotonic = time.monotonic  # type: ignore[method-assign]  # this one runs in real time
    rig.camera.period_s = 0.02
    rig.gate._voice.progress(rig.monotonic())
    stop = threading.Event()
    worker = threading.Thread(target=rig.gate.run, args=(stop,), daemon=True)
    worker.start()
    try:
        rig.camera.picture = luma_of(image_of(text))
        until(lambda: rig.lamp.signal is Signal.PASS)
        rig.camera.picture = empty(1280, 720)
        time.sleep(0.3)
        hang.set()
        rig.camera.picture = luma_of(image_of(text))
        until(lambda: rig.lamp.signal is Signal.OUT)
        until(lambda: rig.page()["state"] == "OUT")
        assert rig.codes() == ["UNIT_FAULT"]
        assert rig.gate.health()["reasons"] == ["UNIT_FAULT"]
        start = time.monotonic()
        hang.clear()
        rig.camera.picture = empty(1280, 720)
        seen = rig.gate.counts.seen
        until(lambda: rig.gate.counts.seen > seen + 2)  # the frame that waits shows the empty desk
        go_on.set()
        until(lambda: rig.lamp.signal is Signal.READY)
        lit = {change.lens.value for change in rig.lamp.recording(start) if change.level}
        assert "green" not in lit
        assert len(rig.answers) == 1
    finally:
        stop.set()
        go_on.set()
        worker.join(timeout=10)
    assert not worker.is_alive()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come"
        time.sleep(0.02)


# --- Nothing of a Holder leaves -----------------------------------------------------------------------------


def test_no_log_and_no_health_holds_a_holder(
    rig: Rig, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A canary name through the whole gate at DEBUG: it is on the page, in no log, health or repr."""
    caplog.set_level(logging.DEBUG)
    head = person(nam={"fn": CANARY, "gn": "Qanaria", "fnt": "QANARY", "gnt": "QANARIA"}, dob="1911-11-12")
    text = rig.desk.signer().issue(vaccination(head, ci="URN:UVCI:01:XV:QANARYID"))
    rig.hold(text, 0.5)
    assert CANARY in rig.page()["holder"]["name"]
    rig.clock_error = RuntimeError("fault in between")
    rig.rounds(0.5)
    spoken = "".join(capfd.readouterr()) + caplog.text + str(rig.gate.health()) + repr(rig.answers)
    for word in (CANARY, "Qanaria", "QANARY", "1911-11-12", text[:40]):
        assert word not in spoken
    assert CANARY not in str(rig.page())


def test_times_are_kept_by_step(rig: Rig) -> None:
    """The health page names what each step took, from waiting for a reader to the page, and the whole."""
    rig.hold(rig.desk.signer().issue(vaccination()), 0.3)
    micros = rig.gate.health()["micros"]
    assert tuple(micros) == STEPS
    assert all(set(ranks) == {"p50", "p95", "p99"} for ranks in micros.values())
    assert micros["verify"]["p50"] > 0


def test_percentiles_are_by_nearest_rank() -> None:
    """A hundred values give the 50th, 95th and 99th; one value gives itself."""
    assert percentiles(tuple(range(100, 0, -1))) == {"p50": 50, "p95": 95, "p99": 99}
    assert percentiles((7,)) == {"p50": 7, "p95": 7, "p99": 7}


def test_two_equal_results_in_a_row_do_not_look_like_one(rig: Rig) -> None:
    """A second PASS blinks before it is steady, so that an officer sees that it is another one."""
    signer = rig.desk.signer()
    rig.hold(signer.issue(vaccination()), 0.3)
    start = time.monotonic()
    rig.hold(signer.issue(vaccination(dn=3, sd=3)), 0.2)
    until(lambda: len(rig.lamp.recording(start)) >= 3)
    recording = rig.lamp.recording(start)
    assert [(c.lens.value, c.level) for c in recording] == [("green", 1), ("green", 0), ("green", 1)]
    assert read_signal(recording) is Signal.PASS
    assert rig.page()["results"] == 2
