"""The eyes: which frames are read, in which order sights are told, and what a fault in a thread leads to."""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from desk import Desk, vaccination
from gate_rig import Rig, image_of, luma_of

from appliance import answering
from appliance.camera import Closing, Frame
from appliance.config import GateConfig
from appliance.errors import CameraError
from appliance.eyes import LATE_S, Counts, Eyes, Sight
from appliance.judging import Basis
from appliance.lights import Lens
from appliance.picture import Luma, empty
from appliance.reader.live import Reader, look
from appliance.reader.passes import Code, Look, Place
from appliance.signals import Signal
from appliance.supply import CameraSupply, pause_after

PATIENCE_S = 20.0
NOTHING = Look()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "the condition did not come"
        time.sleep(0.005)


class Feed(Closing):
    """A camera that gives the frames that are put into it, and says when it was asked for the next one."""

    def __init__(self) -> None:
        self.frames: queue.Queue[Frame] = queue.Queue()
        self.closed = False

    def put(self, number: int, taken: float) -> None:
        """A frame whose pixels are its number."""
        self.frames.put(Frame(memoryview(bytes([number]) * 4).cast("B", (2, 2)), taken))

    def read(self, timeout: float) -> Frame | None:
        try:
            return self.frames.get(timeout=0.02)
        except queue.Empty:
            return None

    def close(self) -> None:
        self.closed = True


class Readers:
    """Reads a frame's number, and what is said to be seen on it, once it may."""

    def __init__(self) -> None:
        self.shown: dict[int, Look | BaseException] = {}
        self.held: dict[int, threading.Event] = {}
        self.begun: list[int] = []
        self.forgotten = 0

    def forget(self) -> None:
        self.forgotten += 1

    def hold(self, number: int) -> threading.Event:
        self.held[number] = threading.Event()
        return self.held[number]

    def __call__(self, luma: Luma) -> Look:
        number = luma[0, 0]
        self.begun.append(number)
        if number in self.held:
            assert self.held[number].wait(PATIENCE_S)
        found = self.shown.get(number, seen(number))
        if isinstance(found, BaseException):
            raise found
        return found


def seen(number: int) -> Look:
    """A code that says the frame's number."""
    return Look((Code(str(number), str(number).encode(), "QRCode", 1),))


def numbers(sight: Sight | None) -> list[str | None]:
    assert sight is not None
    return [code.text for code in sight.look.codes]


class Pair:
    """Eyes with a feed before them and readers behind."""

    def __init__(self, threads: int = 2) -> None:
        self.feed, self.readers = Feed(), Readers()
        supply = CameraSupply(lambda: self.feed, down_s=3600, monotonic=time.monotonic)
        self.eyes = Eyes(supply, self.readers, threads=threads)
        self.told: queue.SimpleQueue[Sight] = queue.SimpleQueue()
        self.may_tell = threading.Event()
        self.may_tell.set()

    def see(self, sight: Sight) -> None:
        self.told.put(sight)
        assert self.may_tell.wait(PATIENCE_S)

    def next(self) -> Sight:
        """The next sight that is told. Raises what went wrong in a thread instead."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.eyes.look()
            with contextlib.suppress(queue.Empty):
                return self.told.get(timeout=0.005)
        raise AssertionError("nothing was told")

    def put(self, number: int, taken: float) -> None:
        """Put a frame in, and wait until the camera's thread has fetched it."""
        before = self.eyes.counts.seen
        self.feed.put(number, taken)
        until(lambda: self.eyes.counts.seen > before)

    def begun(self, *numbers: int) -> None:
        until(lambda: set(numbers) <= set(self.readers.begun))


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    made.eyes.start(made.see)
    yield made
    made.may_tell.set()
    for event in made.readers.held.values():
        event.set()
    made.eyes.close()


# --- The mailbox --------------------------------------------------------------------------------------------


def test_of_the_frames_that_nobody_took_only_the_latest_is_read(pair: Pair) -> None:
    """While both readers are busy, a newer frame takes an older one's place; what was dropped is counted."""
    one, two = pair.readers.hold(1), pair.readers.hold(2)
    pair.put(1, 1.0)
    pair.begun(1)
    pair.put(2, 2.0)
    pair.begun(2)
    for number in (3, 4, 5):
        pair.put(number, float(number))
    one.set()
    assert numbers(pair.next()) == ["1"]
    assert numbers(pair.next()) == ["5"]
    two.set()
    pair.begun(5)
    until(lambda: sum(pair.eyes.counts.read) == 3)
    assert (pair.eyes.counts.seen, pair.eyes.counts.dropped) == (5, 2)
    assert sorted(pair.readers.begun) == [1, 2, 5]


def test_no_frame_is_begun_by_whoever_waits_for_a_turn(pair: Pair) -> None:
    """One sight is told at a time; what would be read meanwhile would be old when its turn came."""
    pair.may_tell.clear()
    pair.put(1, 1.0)
    until(lambda: not pair.told.empty())
    pair.put(2, 2.0)
    pair.begun(2)
    for number in (3, 4):
        pair.put(number, float(number))
    assert pair.eyes.counts == Counts(4, 1, (0, 0))
    assert pair.told.qsize() == 1
    hold = pair.readers.hold(4)
    pair.may_tell.set()
    assert [numbers(pair.next()) for _ in range(2)] == [["1"], ["2"]]
    hold.set()
    assert numbers(pair.next()) == ["4"]
    assert pair.told.empty()


def test_a_sight_is_told_by_whoever_read_it() -> None:
    """Nobody has to be woken for it; and in its turn."""
    pair, threads = Pair(), []
    pair.eyes.start(lambda _sight: threads.append(threading.current_thread().name))
    with pair.eyes.turn:
        pair.put(1, 1.0)
        pair.begun(1)
        time.sleep(0.05)  # long enough to tell it out of turn
        assert threads == []
    until(lambda: bool(threads))
    pair.eyes.close()
    assert threads[0].startswith("reader ")


def test_without_threads_whoever_asks_does_the_same_work() -> None:
    """The same mailbox, counts and order, one step after the other."""
    pair = Pair()
    pair.feed.put(1, 1.0)
    sight = pair.eyes.look()
    assert numbers(sight) == ["1"]
    assert sight is not None
    assert (sight.taken, sight.at) == (1.0, 1.0)
    assert sight.begun <= sight.read
    assert pair.eyes.look() is None
    assert pair.eyes.counts == Counts(1, 0, (1, 0))
    pair.eyes.close()
    assert pair.feed.closed


# --- The order ----------------------------------------------------------------------------------------------


@pytest.fixture
def overtaken(pair: Pair) -> Callable[..., None]:
    """The first frame is looked at for so long that the next one, of an empty desk, is told before it."""

    def overtake(later: float, shown: Look, by: Look = NOTHING) -> None:
        pair.readers.shown |= {1: shown, 2: by}
        hold = pair.readers.hold(1)
        pair.put(1, 1.0)
        pair.begun(1)
        pair.put(2, 1.0 + later)
        assert pair.next().look == by
        hold.set()
        until(lambda: sum(pair.eyes.counts.read) == 2)

    return overtake


def test_a_look_that_was_overtaken_keeps_its_code_and_does_not_turn_time_back(
    pair: Pair, overtaken: Callable[..., None]
) -> None:
    """Its code counts now; what it says of damaged symbols is out of date."""
    overtaken(0.03, Look(seen(1).codes, (Place(1, 1, 9),)))
    sight = pair.next()
    assert (numbers(sight), sight.look.damaged, sight.taken, sight.at) == (["1"], (), 1.0, 1.03)


@pytest.mark.parametrize(
    ("later", "shown", "by"),
    [
        (0.03, Look((), (Place(1, 1, 9),)), Look()),
        (LATE_S + 0.01, seen(1), Look()),
        (0.03, seen(1), seen(2)),
    ],
    ids=["nothing was read", "very late", "by another code"],
)
def test_a_look_that_was_overtaken_and_says_nothing_of_now_is_dropped(
    pair: Pair, overtaken: Callable[..., None], later: float, shown: Look, by: Look
) -> None:
    """Nothing was read there, or whoever held the code up may have gone: the lamp does not turn back."""
    overtaken(later, shown, by)
    assert pair.told.empty()
    pair.put(3, 2.0)
    assert numbers(pair.next()) == ["3"]


# --- Faults, and the end ------------------------------------------------------------------------------------


def test_what_goes_wrong_in_a_reader_is_raised_in_the_loop_and_the_thread_goes_on(pair: Pair) -> None:
    """Once, with its own kind; the next frames are read by as many threads as before."""
    pair.readers.shown[1] = KeyError("a traveller")
    pair.put(1, 1.0)
    with pytest.raises(KeyError):
        pair.next()
    hold = pair.readers.hold(2)
    pair.put(2, 2.0)
    pair.begun(2)
    pair.readers.shown[3] = Look()
    pair.put(3, 2.1)
    assert numbers(pair.next()) == []
    hold.set()
    assert numbers(pair.next()) == ["2"]


def test_a_thread_never_ends_unseen(pair: Pair) -> None:
    """Also what is no Exception, as a library's panic, reaches the loop; frames are read after it."""
    pair.readers.shown[1] = SystemExit("a panic")
    pair.put(1, 1.0)
    with pytest.raises(SystemExit):
        pair.next()
    for number in (2, 3):
        pair.put(number, float(number))
        assert numbers(pair.next()) == [str(number)]
    assert all(thread.is_alive() for thread in pair.eyes._threads)


def test_a_fault_that_was_forgotten_is_not_raised(pair: Pair) -> None:
    """Whatever began anew begins without the fault of before."""
    pair.readers.shown[1] = KeyError()
    pair.put(1, 1.0)
    until(lambda: pair.eyes._fault is not None)
    pair.eyes.forget()
    assert not pair.eyes._faulty.is_set()
    pair.put(2, 2.0)
    assert numbers(pair.next()) == ["2"]


def test_waiting_ends_with_a_fault(pair: Pair) -> None:
    """The lamp goes to OUT at once, and not at the loop's next round."""
    pair.readers.shown[1] = KeyError()
    hold = pair.readers.hold(1)
    pair.put(1, 1.0)
    pair.begun(1)
    threading.Timer(0.05, hold.set).start()
    before = time.monotonic()
    pair.eyes.wait(2 * PATIENCE_S)
    assert time.monotonic() - before < PATIENCE_S
    with pytest.raises(KeyError):
        pair.eyes.look()
    assert not pair.eyes._faulty.is_set()
    assert pair.eyes.look() is None


def test_a_reader_that_hangs_is_told_by_the_instant_it_began(pair: Pair) -> None:
    """Also while the other one goes on."""
    before = time.monotonic()
    hold = pair.readers.hold(1)
    pair.put(1, 1.0)
    pair.begun(1)
    after = time.monotonic()
    for number in (2, 3):
        pair.put(number, float(number))
        assert numbers(pair.next()) == [str(number)]
    assert before <= pair.eyes.since <= after
    hold.set()
    until(lambda: pair.eyes.since > after)


def test_a_judge_that_hangs_is_told_by_the_instant_its_frame_was_begun(pair: Pair) -> None:
    """It is the same thread's work: the watchdog knows of it as of a reader that hangs."""
    pair.may_tell.clear()
    pair.put(1, 1.0)
    until(lambda: not pair.told.empty())
    begun = pair.told.get().begun
    until(lambda: pair.eyes.since == begun)  # the camera's thread began before, and is done soon
    pair.may_tell.set()
    until(lambda: pair.eyes.since > begun)


def test_nothing_is_told_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that hung until then finds nobody who judges."""
    monkeypatch.setattr("appliance.eyes.CLOSE_S", 0.1)
    pair = Pair()
    pair.eyes.start(pair.see)
    hold = pair.readers.hold(1)
    pair.put(1, 1.0)
    pair.begun(1)
    pair.eyes.close()
    hold.set()
    until(lambda: not any(thread.is_alive() for thread in pair.eyes._threads))
    assert pair.told.empty()


def test_close_ends_every_thread_and_lets_the_camera_go() -> None:
    """Those that wait for a frame, and those that wait for their turn."""
    others = set(threading.enumerate())
    pair = Pair()
    pair.eyes.start(pair.see)
    assert {thread.name for thread in set(threading.enumerate()) - others} == {
        "camera",
        "reader 1",
        "reader 2",
    }
    with pair.eyes.turn:
        pair.put(1, 1.0)
        pair.begun(1)
        pair.put(2, 2.0)
        pair.begun(2)
        pair.put(3, 3.0)
    pair.eyes.close()
    assert set(threading.enumerate()) <= others
    assert pair.feed.closed


def test_a_camera_that_hangs_does_not_keep_the_unit_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left to the end of the process: closing it may hang too, and the lamp goes dark after this."""
    monkeypatch.setattr("appliance.eyes.CLOSE_S", 0.1)
    asked, go_on = threading.Event(), threading.Event()
    pair = Pair()

    def read(timeout: float) -> Frame | None:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return None

    pair.feed.read = read  # type: ignore[method-assign]
    pair.eyes.start(pair.see)
    assert asked.wait(PATIENCE_S)
    pair.eyes.close()
    assert not pair.feed.closed
    go_on.set()
    until(lambda: not any(thread.is_alive() for thread in pair.eyes._threads))


def test_no_frame_is_kept_once_it_was_looked_at() -> None:
    """Neither by a thread that waits for the next one nor by what it handed over."""
    feed = Feed()
    eyes = Eyes(CameraSupply(lambda: feed, down_s=3600, monotonic=time.monotonic), Reader())
    kept: queue.SimpleQueue[Sight] = queue.SimpleQueue()
    eyes.start(kept.put)
    pixels = [bytearray(luma_of(image_of("HC1:ABC"))) for _ in range(3)]
    try:
        sights = []
        for number, memory in enumerate(pixels):
            feed.frames.put(Frame(memoryview(memory).cast("B", (720, 1280)), float(number)))
            sights.append(kept.get(timeout=PATIENCE_S))
        assert [numbers(sight) for sight in sights] == [["HC1:ABC"]] * 3
        for memory in pixels:
            until(lambda memory=memory: freed(memory))  # type: ignore[misc]
    finally:
        eyes.close()


def test_no_frame_is_kept_while_what_it_showed_is_judged() -> None:
    """Its pixels are a traveller's, and judging may hang."""
    pair = Pair()
    memory = bytearray(4)
    pair.may_tell.clear()
    pair.eyes.start(pair.see)
    pair.feed.frames.put(Frame(memoryview(memory).cast("B", (2, 2)), 1.0))
    until(lambda: not pair.told.empty())
    until(lambda: freed(memory))
    pair.may_tell.set()
    pair.eyes.close()


def test_no_frame_is_kept_that_a_reader_failed_at() -> None:
    """Once the loop knows of the fault: not even until the collector comes by, which may be in hours."""

    def read(luma: Luma) -> Look:
        raise KeyError

    feed = Feed()
    eyes = Eyes(CameraSupply(lambda: feed, down_s=3600, monotonic=time.monotonic), read)
    memory = bytearray(4)
    gc.disable()
    eyes.start(lambda _sight: None)
    try:
        feed.frames.put(Frame(memoryview(memory).cast("B", (2, 2)), 1.0))
        eyes.wait(PATIENCE_S)
        with pytest.raises(KeyError):
            eyes.look()
        until(lambda: freed(memory))
    finally:
        gc.enable()
        eyes.close()


def freed(memory: bytearray) -> bool:
    """Whether nobody looks at this memory any more."""
    try:
        memory.append(0)
    except BufferError:
        return False
    return True


def test_where_no_camera_is_the_reader_is_told_to_forget(pair: Pair) -> None:
    """What it remembers holds the last traveller's code, and no next frame would take its place."""
    pair.put(1, 1.0)
    assert numbers(pair.next()) == ["1"]
    before = pair.readers.forgotten

    def gone(timeout: float) -> Frame | None:
        raise CameraError("unplugged")

    pair.feed.read = gone  # type: ignore[method-assign]
    until(lambda: pair.readers.forgotten > before)


# --- The gate with its eyes, in real time -------------------------------------------------------------------


@contextlib.contextmanager
def running(rig: Rig) -> Iterator[None]:
    """The gate at work in its own threads, by the machine's clock."""
    others = set(threading.enumerate())
    rig.monotonic = time.monotonic  # type: ignore[method-assign]
    rig.camera.period_s = 0.02
    rig.gate._voice.progress(rig.monotonic())
    stop = threading.Event()
    worker = threading.Thread(target=rig.gate.run, args=(stop,))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(PATIENCE_S)
    assert not worker.is_alive()
    until(lambda: set(threading.enumerate()) <= others)
    assert not rig.gate._desk.session.begun, "nobody is known when the unit has ended"


def test_rounds_are_made_one_at_a_time(desk: Desk, make_rig: Callable[..., Rig]) -> None:
    """The loop's own round waits for whoever judges a frame."""
    rig = make_rig(desk)
    begun, may_end = threading.Event(), threading.Event()
    rounds: list[str] = []
    known = rig.gate._known

    def slow() -> Any:
        rounds.append(threading.current_thread().name)
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return known()

    rig.gate._known = slow  # type: ignore[method-assign]
    workers = [threading.Thread(target=rig.gate.step, name=name) for name in ("first", "second")]
    workers[0].start()
    assert begun.wait(PATIENCE_S)
    workers[1].start()
    time.sleep(0.05)  # long enough to begin out of turn
    assert rounds == ["first"]
    may_end.set()
    for worker in workers:
        worker.join(PATIENCE_S)
    assert rounds == ["first", "second"]


def test_nothing_that_could_wait_stands_between_a_frame_and_the_lamp(
    desk: Desk, make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's words come after it, and what the next answer needs to know after the page."""
    text = desk.signer().issue(vaccination())
    rig = make_rig(desk)
    rig.rounds(0.2)
    done: list[str] = []

    def noted(owner: Any, name: str, word: str) -> None:
        before = getattr(owner, name)

        def call(*given: Any, **options: Any) -> Any:
            done.append(word)
            return before(*given, **options)

        monkeypatch.setattr(owner, name, call)

    noted(rig.lamp, "show", "lamp")
    noted(answering, "of_verdict", "words")
    noted(rig.hub, "publish", "page")
    noted(rig.gate, "_known", "known")
    code = Code(text, text.encode(), "QRCode", 1)
    for _ in range(2):
        rig.gate.step(Sight(Look((code,)), *[rig.monotonic()] * 4))
    assert done == ["lamp", "words", "page", "known", "known"]


def test_the_steps_of_an_answer_follow_each_other_and_make_the_whole(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """From the frame to the lamp without a gap; the page after that. The health page has frames, too."""
    code = luma_of(image_of(desk.signer().issue(vaccination())))
    rig = make_rig(desk, read=Reader())
    with running(rig):
        rig.camera.picture = code
        until(lambda: bool(rig.answers))
    micros = dict(rig.answers[0].micros)
    total, _ = micros.pop("total"), micros.pop("page")
    assert min(micros.values()) >= 0
    assert micros["picture"] > 0
    assert sum(micros.values()) == pytest.approx(total, abs=10)
    frames = rig.gate.health()["frames"]
    assert set(frames) == {"seen", "dropped", "read"}
    assert frames["seen"] >= sum(frames["read"]) >= 1


def test_a_reader_that_raises_is_out_until_it_does_not(desk: Desk, make_rig: Callable[..., Rig]) -> None:
    """UNIT_FAULT for as long as it lasts, then the code is judged."""
    broken = threading.Event()

    def read(luma: Any) -> Look:
        if broken.is_set():
            raise ValueError("a traveller")
        return look(luma)

    code = luma_of(image_of(desk.signer().issue(vaccination())))
    rig = make_rig(desk, read=read)
    with running(rig):
        rig.camera.picture = code
        until(lambda: rig.lamp.signal is Signal.PASS)
        broken.set()
        until(lambda: rig.lamp.signal is Signal.OUT)
        until(lambda: rig.gate.health()["reasons"] == ["UNIT_FAULT"])
        broken.clear()
        until(lambda: rig.lamp.signal is Signal.PASS)
        until(lambda: rig.gate.health()["state"] == "READY")


def test_a_fault_in_judging_is_out_for_as_long_as_the_pause_whatever_frames_show(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """The lamp does not flicker between OUT and READY while sights go on; then the code is judged."""
    code = luma_of(image_of(desk.signer().issue(vaccination())))
    rig = make_rig(desk, read=Reader())
    judged: list[str] = []
    see = rig.gate._desk.see

    def broken(sight: Sight, basis: Basis) -> None:
        if sight.look.codes:
            judged.append(threading.current_thread().name)
            rig.gate._desk.see = see  # type: ignore[method-assign]
            raise ValueError("a traveller")

    rig.gate._desk.see = broken  # type: ignore[method-assign]
    with running(rig):
        until(lambda: rig.lamp.signal is Signal.READY)
        start = rig.monotonic()
        rig.camera.picture = code
        until(lambda: rig.lamp.signal is Signal.PASS)
    assert [name[:6] for name in judged] == ["reader"]
    lit = [(change.at, change.lens) for change in rig.lamp.recording(start) if change.level]
    out = min(at for at, lens in lit if lens is Lens.AMBER)
    white = [at for at, lens in lit if lens is Lens.WHITE]
    assert not [at for at in white if out < at < out + pause_after(1)]
    assert min(at for at, lens in lit if lens is Lens.GREEN) >= out + pause_after(1)


def test_what_goes_wrong_during_a_pause_does_not_make_another_one(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """Both readers failed at the same scene: one pause is for both."""
    failed: list[str] = []

    def read(luma: Any) -> Look:
        name = threading.current_thread().name
        if broken.is_set() and name not in failed:
            failed.append(name)
            raise ValueError("a traveller")
        return look(luma)

    broken = threading.Event()
    rig = make_rig(desk, read=read)
    with running(rig):
        until(lambda: rig.lamp.signal is Signal.READY)
        broken.set()
        until(lambda: len(failed) == 2)
        until(lambda: rig.lamp.signal is Signal.OUT)
        until(lambda: rig.lamp.signal is Signal.READY)
        end = time.monotonic() + 2 * pause_after(1)
        while time.monotonic() < end:
            assert rig.lamp.signal is Signal.READY
            time.sleep(0.005)


def test_words_that_hang_leave_no_green_behind(
    desk: Desk, make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lamp is lit before the page has its words: the watchdog takes it back, and they are dropped."""
    code = luma_of(image_of(desk.signer().issue(vaccination())))
    go_on = threading.Event()
    told = answering.of_verdict

    def hang(*given: Any, **options: Any) -> Any:
        assert go_on.wait(PATIENCE_S)
        return told(*given, **options)

    rig = make_rig(desk, read=Reader(), config=replace(GateConfig(), watchdog_s=0.6))
    monkeypatch.setattr(answering, "of_verdict", hang)
    with running(rig):
        rig.camera.picture = code
        until(lambda: rig.lamp.signal is Signal.PASS)
        until(lambda: rig.lamp.signal is Signal.OUT)
        assert rig.page()["state"] == "OUT"
        assert rig.answers == []
        go_on.set()
        until(lambda: rig.lamp.signal is Signal.PASS)
        until(lambda: rig.page()["state"] == "PASS")


def test_a_verdict_that_comes_after_the_end_is_not_shown(
    desk: Desk, make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hung while judging finds the lamp dark and leaves nobody behind."""
    monkeypatch.setattr("appliance.eyes.CLOSE_S", 0.1)
    code = luma_of(image_of(desk.signer().issue(vaccination())))
    judging, go_on = threading.Event(), threading.Event()
    rig = make_rig(desk, read=Reader())
    take = rig.gate._desk.session.take

    def slow(*given: Any) -> None:
        judging.set()
        assert go_on.wait(PATIENCE_S)
        take(*given)

    rig.gate._desk.session.take = slow  # type: ignore[method-assign]
    rig.monotonic = time.monotonic  # type: ignore[method-assign]
    rig.camera.period_s = 0.02
    stop = threading.Event()
    worker = threading.Thread(target=rig.gate.run, args=(stop,))
    worker.start()
    rig.camera.picture = code
    assert judging.wait(PATIENCE_S)
    stop.set()
    go = threading.Timer(0.5, go_on.set)  # the loop may wait for its turn as well
    go.start()
    worker.join(PATIENCE_S)
    until(lambda: not any(thread.is_alive() for thread in rig.gate._eyes._threads))
    assert not rig.gate._desk.session.begun
    assert not any(change.lens is Lens.GREEN and change.level for change in rig.lamp.recording())


def test_a_reader_that_hangs_is_out_also_while_the_other_one_goes_on(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """Half a reader misses frames and nobody would know why; when it goes on, so does the unit."""
    hang, go_on = threading.Event(), threading.Event()
    alone = threading.Lock()

    def read(luma: Any) -> Look:
        if hang.is_set() and alone.acquire(blocking=False):
            go_on.wait(PATIENCE_S)
        return look(luma)

    code = luma_of(image_of(desk.signer().issue(vaccination())))
    rig = make_rig(desk, read=read, config=replace(GateConfig(), watchdog_s=0.6))
    with running(rig):
        until(lambda: rig.lamp.signal is Signal.READY)
        hang.set()
        until(lambda: rig.lamp.signal is Signal.OUT)
        until(lambda: rig.page()["reasons"] != [])
        assert rig.codes() == ["UNIT_FAULT"]
        rig.camera.picture = code
        seen = rig.gate.counts.seen
        until(lambda: rig.gate.counts.seen > seen + 40)
        assert (rig.answers, rig.lamp.signal, rig.gate.health()["reasons"]) == (
            [],
            Signal.OUT,
            ["UNIT_FAULT"],
        )
        go_on.set()
        until(lambda: rig.lamp.signal is Signal.PASS)


def test_while_something_hangs_nobody_is_remembered(desk: Desk, make_rig: Callable[..., Rig]) -> None:
    """It may hang until morning: session, looks and reader forget who was there when the lamp goes to OUT."""
    hang, go_on = threading.Event(), threading.Event()
    reader = Reader()

    def read(luma: Any) -> Look:
        if hang.is_set():
            go_on.wait(10 * PATIENCE_S)
        return reader(luma)

    read.forget = reader.forget  # type: ignore[attr-defined]
    code = luma_of(image_of(desk.signer().issue(vaccination())))
    rig = make_rig(desk, read=read, config=replace(GateConfig(), watchdog_s=0.6))
    with running(rig):
        try:
            rig.camera.picture = code
            until(lambda: rig.lamp.signal is Signal.PASS)
            hang.set()
            until(lambda: rig.lamp.signal is Signal.OUT)
            until(lambda: not rig.gate._desk.session.begun)
            until(lambda: reader._before.found.look == Look())
        finally:
            go_on.set()


def test_a_camera_that_is_pulled_out_is_out_until_it_is_back(
    desk: Desk, make_rig: Callable[..., Rig]
) -> None:
    """The camera's own thread loses it, and opens it again."""
    rig = make_rig(desk)
    with running(rig):
        until(lambda: rig.lamp.signal is Signal.READY)
        rig.open_error = rig.camera.error = CameraError("unplugged")
        until(lambda: rig.lamp.signal is Signal.OUT)
        until(lambda: rig.gate.health()["camera"] == "down")
        rig.open_error = rig.camera.error = None
        rig.camera.picture = empty(1280, 720)
        until(lambda: rig.lamp.signal is Signal.READY)
