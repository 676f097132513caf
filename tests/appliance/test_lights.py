"""The lamp: seven signals as whole recordings of gpiozero's mock pins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from appliance.config import LampConfig
from appliance.errors import LampError
from appliance.lights import (
    PATTERNS,
    Change,
    Lamp,
    Lens,
    MockLamp,
    chip_number,
    factory_kind,
    open_lamp,
    read_signal,
)
from appliance.signals import SAYINGS, Signal, signal_of
from verifier.reasons import State

TEMPO = 0.25  # every rhythm four times as fast
R, A, G, W = Lens.RED, Lens.AMBER, Lens.GREEN, Lens.WHITE

# Every change on every pin from the moment a signal is shown, and its seconds (None: for ever).
TRUTH: dict[Signal, list[tuple[Lens, float, float | None]]] = {
    Signal.BOOT: [(W, 1, 0.1), (W, 0, 0.1), (W, 1, 0.1), (W, 0, 0.1), (W, 1, 0.1)],
    Signal.READY: [(W, 1, None)],
    Signal.PASS: [(G, 1, None)],
    Signal.CHECK: [(A, 1, 0.6), (A, 0, 0.4), (A, 1, 0.6), (A, 0, 0.4)],
    Signal.FAIL: [(R, 1, None)],
    Signal.RESCAN: [
        (W, 0.1, 0.15), (W, 0.3, 0.15), (W, 0.6, 0.15), (W, 1, 0.15), (W, 0.6, 0.15), (W, 0.3, 0.15),
        (W, 0.1, 0.15), (W, 0.3, 0.15),
    ],
    Signal.OUT: [(A, 1, 0.3), (A, 0, 0), (R, 1, 0.3), (R, 0, 0), (A, 1, 0.3), (A, 0, 0), (R, 1, 0.3)],
}  # fmt: skip


@pytest.fixture
def lamp() -> Iterator[MockLamp]:
    with MockLamp(tempo=TEMPO) as mock:
        yield mock


def recorded(lamp: MockLamp, start: float, count: int) -> list[Change]:
    """The first ``count`` changes since ``start``; a moment longer where nothing more may come."""
    end = time.monotonic() + 10
    while len(lamp.recording(start)) < count and time.monotonic() < end:
        time.sleep(0.01)
    return list(lamp.recording(start))


@pytest.mark.parametrize("signal", list(Signal))
def test_each_signal_is_exactly_its_own_recording(lamp: MockLamp, signal: Signal) -> None:
    """Too little fails as surely as too much: the whole recording of all four lenses is compared."""
    truth = TRUTH[signal]
    start = time.monotonic()
    lamp.show(signal)
    changes = recorded(lamp, start, len(truth))
    if truth[-1][2] is None:
        time.sleep(0.4)
        changes = list(lamp.recording(start))
        assert len(changes) == len(truth)
    got = [(change.lens, change.level) for change in changes[: len(truth)]]
    assert got == [(lens, level) for lens, level, _ in truth]
    for (change, after), (_, _, seconds) in zip(pairwise(changes), truth, strict=False):
        assert seconds is not None
        took = after.at - change.at
        assert seconds * TEMPO * 0.9 <= took <= seconds * TEMPO + 0.5


@pytest.mark.parametrize("before", list(Signal))
@pytest.mark.parametrize("after", list(Signal))
def test_a_change_of_signal_leaves_nothing_of_the_old_one(
    lamp: MockLamp, before: Signal, after: Signal
) -> None:
    """What was lit goes dark first, and the new signal's first step is there when ``show`` returns."""
    lamp.show(before)
    start = time.monotonic()
    lamp.show(after)
    shown = lamp.recording(start)
    lit: dict[Lens, float] = {}
    for change in lamp.recording():
        if change.at > shown[-1].at:
            break
        lit[change.lens] = change.level
        assert sum(level > 0 for level in lit.values()) <= 1
    if before is not after:
        first = PATTERNS[after][0]
        assert {lens: level for lens, level in lit.items() if level} == {first.lens: first.level}


def test_no_two_signals_look_alike() -> None:
    """Each signal is told from every other by place and rhythm; and by sign and word on the page."""
    looks = {tuple((step.lens, step.level, step.seconds) for step in PATTERNS[s]) for s in Signal}
    assert len(looks) == len(Signal) == 7
    assert len({saying.sign for saying in SAYINGS.values()}) == 7
    for words in ([s.vi for s in SAYINGS.values()], [s.en for s in SAYINGS.values()]):
        assert len(set(words)) == 7


@pytest.mark.parametrize("signal", list(Signal))
def test_a_recording_is_read_back_as_its_signal(lamp: MockLamp, signal: Signal) -> None:
    """What was on the pins says which signal it was: the demonstration relies on nothing else."""
    start = time.monotonic()
    lamp.show(signal)
    assert read_signal(recorded(lamp, start, len(TRUTH[signal])), TEMPO) is signal


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [(A, 1)],
        [(G, 1), (R, 1)],
        [(G, 1), (A, 1)],
        [(G, 1), (G, 0), (G, 1), (G, 0), (G, 1)],
        [(R, 1), (R, 0)],
        [(W, 1), (W, 0)],
    ],
)
def test_a_recording_that_is_no_signal_is_none(changes: list[tuple[Lens, float]]) -> None:
    """Too short to tell, two lenses that do not belong together, a green that blinks: none of the seven."""
    recording = [Change(10 + number * 0.1, lens, level) for number, (lens, level) in enumerate(changes)]
    assert read_signal(recording) is None


def test_states_have_the_signal_of_their_name() -> None:
    """A state and its signal are one word; boot and ready are no states."""
    assert {signal_of(state).value for state in State} == {state.value for state in State}
    assert set(Signal) - {signal_of(state) for state in State} == {Signal.BOOT, Signal.READY}


def test_the_lamp_is_dark_at_the_end() -> None:
    """After close every lens is dark, and another close does no harm."""
    lamp = MockLamp(tempo=TEMPO)
    for signal in (Signal.OUT, Signal.PASS):
        lamp.show(signal)
    lamp.close()
    lamp.close()
    last = {change.lens: change.level for change in lamp.recording()}
    assert last[G] == last[A] == 0
    with pytest.raises(LampError, match="closed"):
        lamp.show(Signal.PASS)


def test_an_active_low_lamp_lights_at_a_low_level() -> None:
    """With active_high = false the pins are high when dark; the recording speaks of light."""
    with MockLamp(LampConfig(active_high=False), tempo=TEMPO) as lamp:
        start = time.monotonic()
        lamp.show(Signal.FAIL)
        assert [(c.lens, c.level) for c in lamp.recording(start)] == [(R, 1)]


class Stubborn(MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """A pin that refuses while ``refuse`` is set on its factory."""

    def _set_state(self, value: float) -> None:
        if getattr(self.factory, "refuse", False):
            raise OSError(5, "Input/output error")
        super()._set_state(value)


def test_a_pin_that_refuses_is_a_lamp_error_and_every_pin_is_written_anew_after_it() -> None:
    """A fault is told, kept until the next success, and leaves no lens lit that should be dark."""
    factory = MockFactory(revision="c03114", pin_class=Stubborn)
    with Lamp(factory, tempo=TEMPO) as lamp:
        lamp.show(Signal.PASS)
        factory.refuse = True
        with pytest.raises(LampError, match="cannot be driven"):
            lamp.show(Signal.FAIL)
        assert lamp.fault == "OSError"
        factory.refuse = False
        lamp.show(Signal.FAIL)
        assert lamp.fault is None
        config = LampConfig()
        levels = [bool(factory.pin(n).state) for n in (config.red, config.amber, config.green, config.white)]
        assert levels == [True, False, False, False]


def test_a_rhythm_that_cannot_be_played_on_is_a_fault() -> None:
    """A pin that dies while a rhythm plays is noticed by the player, not only by the next show."""
    factory = MockFactory(revision="c03114", pin_class=Stubborn)
    with Lamp(factory, tempo=TEMPO) as lamp:
        lamp.show(Signal.OUT)
        factory.refuse = True
        end = time.monotonic() + 5
        while lamp.fault is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        factory.refuse = False


def test_the_factory_is_built_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never gpiozero's global default: a foreign setting of it changes nothing."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "pigpio")
    with open_lamp(LampConfig(factory="mock")) as lamp:
        assert isinstance(lamp, MockLamp)
    for kind in ("mock", "lgpio", "native"):
        assert factory_kind(LampConfig(factory=kind)) == kind


def test_a_factory_that_is_not_there_is_a_lamp_error_with_the_next_step() -> None:
    """Without its library or its chip the message names the section to look at."""
    with pytest.raises(LampError, match=r"\[lamp\]"):
        open_lamp(LampConfig(factory="lgpio", chip="no-such-chip"))


def test_two_lenses_on_one_pin_are_refused() -> None:
    """A slip in the wiring is named at the start, not found by a lamp that shows two colours."""
    with pytest.raises(LampError, match=r"see \[lamp\]"):
        MockLamp(LampConfig(green=17))


@pytest.mark.parametrize(
    ("label", "number"), [("0", 0), ("pinctrl-bcm2711", 0), ("gpio-sim.0-node0", 2), ("2", 2)]
)
def test_a_chip_is_named_by_number_or_label(label: str, number: int) -> None:
    """Numbers move between boards; a label does not."""
    assert chip_number(label, [(0, "pinctrl-bcm2711"), (2, "gpio-sim.0-node0")]) == number


@pytest.mark.parametrize("label", ["1", "pinctrl-rp1"])
def test_a_chip_that_is_not_there_is_named_with_those_that_are(label: str) -> None:
    """The message lists what could have been meant."""
    with pytest.raises(LampError, match="pinctrl-bcm2711"):
        chip_number(label, [(0, "pinctrl-bcm2711")])


def test_the_mock_keeps_no_list_without_end() -> None:
    """A unit on mock pins may run for months: the recording is bounded, and so are gpiozero's own states."""
    lamp: Any = MockLamp(tempo=0.001)
    with lamp:
        lamp.show(Signal.BOOT)
        end = time.monotonic() + 5
        while len(lamp.recording()) < 200 and time.monotonic() < end:
            time.sleep(0.02)
        assert lamp._timeline.maxlen == 4096
        assert len(lamp._factory.pin(LampConfig().white).states) <= 1
