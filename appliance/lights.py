"""The lamp: four lenses, seven signals, each told from every other by place and rhythm.

    signal   lens     rhythm                                   wiring, each lens through its own
    BOOT     white    0.1 s on, 0.1 s off                      resistor (330 ohm for a bare LED at
    READY    white    steady                                   3.3 V, a transistor for a lamp head):
    PASS     green    steady
    CHECK    amber    0.6 s on, 0.4 s off                      white  GPIO 17   header pin 11
    FAIL     red      steady                                   amber  GPIO 27   header pin 13
    RESCAN   white    swells and sinks, never dark             green  GPIO 22   header pin 15
    OUT      amber,   0.3 s each in turn                       red    GPIO 23   header pin 16
             red                                               ground           header pin 14

In training the three answers about a document blink, 0.25 s on, 0.25 s off: a green that blinks lets nobody
in. The other signals say nothing about a document and stay as they are.

An LED that lights the document is no lens, and is wired apart: :mod:`appliance.illumination`.

The long leg (anode) goes to the resistor and the GPIO, the short leg (cathode) to ground; lenses are mounted
from the top: red, amber, green, white. With ``active_high = false`` the LED stands between 3.3 V (pin 17)
and the GPIO, and a low level lights it.

The rules this module keeps:

* No two lenses are ever lit together: the old one goes dark before the new one is lit.
* The first step of a pattern is on the pins when ``show`` returns; one thread plays the rest.
* The pin factory is built from the configuration, never taken from gpiozero's global default.
* What was shown can be read back from the pins, and only from them: ``MockLamp`` is real code, shared by
  the tests and by ``vaxgate demo --once``.

    lamp = open_lamp(config.lamp)
    lamp.show(Signal.PASS)
    lamp.close()                     # all dark
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gpiozero import LED, PWMLED
from gpiozero.pins.mock import MockFactory, MockPWMPin

from appliance.config import LampConfig
from appliance.errors import LampError
from appliance.signals import Signal

talk = logging.getLogger("vaxgate.lamp")


class Lens(StrEnum):
    """The four lenses, from the top."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    WHITE = "white"


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of a pattern: a lens, its level (0 dark … 1 full), how long; ``None`` is for ever."""

    lens: Lens
    level: float
    seconds: float | None


_SWELL = (0.1, 0.3, 0.6, 1.0, 0.6, 0.3)
PATTERNS: Mapping[Signal, tuple[Step, ...]] = {
    Signal.BOOT: (Step(Lens.WHITE, 1, 0.1), Step(Lens.WHITE, 0, 0.1)),
    Signal.READY: (Step(Lens.WHITE, 1, None),),
    Signal.PASS: (Step(Lens.GREEN, 1, None),),
    Signal.CHECK: (Step(Lens.AMBER, 1, 0.6), Step(Lens.AMBER, 0, 0.4)),
    Signal.FAIL: (Step(Lens.RED, 1, None),),
    Signal.RESCAN: tuple(Step(Lens.WHITE, level, 0.15) for level in _SWELL),
    Signal.OUT: (Step(Lens.AMBER, 1, 0.3), Step(Lens.RED, 1, 0.3)),
}
_BLINKING = (Signal.PASS, Signal.CHECK, Signal.FAIL)
TRAINING_PATTERNS: Mapping[Signal, tuple[Step, ...]] = {
    **PATTERNS,
    **{
        signal: tuple(Step(PATTERNS[signal][0].lens, level, 0.25) for level in (1, 0)) for signal in _BLINKING
    },
}
# A second result with the signal of the first begins with this: two results must not look like one.
BLINK_S = 0.12


class Lamp:
    """The lamp on these pins.

    factory: a gpiozero pin factory; it is closed with the lamp. tempo: stretches every rhythm (tests use less
    than 1). training: answers blink.
    """

    def __init__(
        self,
        factory: Any,
        config: LampConfig | None = None,
        *,
        tempo: float = 1.0,
        training: bool = False,
    ) -> None:
        config = config or LampConfig()
        self._factory, self._tempo = factory, tempo
        self._patterns = TRAINING_PATTERNS if training else PATTERNS
        high = config.active_high
        try:
            self._lenses: dict[Lens, Any] = {
                Lens.RED: LED(config.red, active_high=high, pin_factory=factory),
                Lens.AMBER: LED(config.amber, active_high=high, pin_factory=factory),
                Lens.GREEN: LED(config.green, active_high=high, pin_factory=factory),
                Lens.WHITE: PWMLED(config.white, active_high=high, pin_factory=factory),
            }
        except Exception as error:  # gpiozero has a dozen kinds, and its pin libraries have theirs
            factory.close()
            raise LampError(
                f"the lamp's pins cannot be taken ({type(error).__name__}); see [lamp] in vaxgate.toml"
            ) from error
        self._levels = dict.fromkeys(self._lenses, 0.0)
        self._lock = threading.Condition()
        self._signal: Signal | None = None
        self._steps: tuple[Step, ...] = ()
        self._turn = 0  # counts shows, so that the player notices one
        self._closed = False
        self.fault: str | None = None
        self._player = threading.Thread(target=self._play, name="lamp", daemon=True)
        self._player.start()

    @property
    def pins(self) -> Any:
        """The pin factory, for what else is on the same board; it is closed with the lamp.

        gpiozero's factories of one machine share their pins: to close a second one would close the lamp's.
        """
        return self._factory

    @property
    def signal(self) -> Signal | None:
        """What is shown; ``None`` before the first signal and after the end."""
        return self._signal

    def show(self, signal: Signal, *, anew: bool = False) -> None:
        """Show a signal. anew: it is another result, so it blinks once where the same signal stands already.

        Raises LampError when a pin cannot be driven.
        """
        with self._lock:
            if self._closed:
                raise LampError("the lamp is closed")
            same = signal is self._signal and self.fault is None
            if same and not anew:
                return
            if self.fault is not None:
                self._levels = dict.fromkeys(self._lenses, -1.0)  # nobody knows: every pin is written anew
            self._turn += 1
            self._signal = signal
            self._steps = self._patterns[signal]
            if same:
                first = self._steps[0]
                self._steps = (Step(first.lens, 0, BLINK_S / self._tempo), *self._steps)
            self._put(self._steps[0])
            self.fault = None
            self._lock.notify()

    def _put(self, step: Step) -> None:
        """Bring one step to the pins, darkness first."""
        try:
            for lens, led in self._lenses.items():
                if lens is not step.lens and self._levels[lens]:
                    led.value = 0
                    self._levels[lens] = 0.0
            if self._levels[step.lens] != step.level:
                self._lenses[step.lens].value = step.level
                self._levels[step.lens] = step.level
        except Exception as error:
            self.fault = type(error).__name__
            raise LampError(
                f"a pin of the lamp cannot be driven ({self.fault}); is the lamp connected?"
            ) from error

    def _play(self) -> None:
        with self._lock:
            turn = at = 0
            while not self._closed:
                if turn != self._turn:
                    turn, at = self._turn, 0
                step = self._steps[at] if self._steps else None
                if step is None or step.seconds is None:
                    self._lock.wait()
                    continue
                until = time.monotonic() + step.seconds * self._tempo
                while turn == self._turn and not self._closed and (left := until - time.monotonic()) > 0:
                    self._lock.wait(left)
                if turn != self._turn or self._closed:
                    continue
                at += 1
                if at == len(self._steps):
                    # The blink before a repeated signal is no part of its rhythm.
                    at = len(self._steps) - len(self._patterns[self._signal]) if self._signal else 0
                try:
                    self._put(self._steps[at])
                except LampError as error:
                    talk.error("%s", error)
                    self._lock.wait(1.0)

    def close(self) -> None:
        """All dark, pins given back; more than once does no harm."""
        with self._lock:
            if self._closed:
                return
            self._closed, self._signal = True, None
            self._lock.notify()
        self._player.join(timeout=5)
        for led in self._lenses.values():
            try:
                led.off()
                led.close()
            except Exception as error:  # noqa: BLE001 - the other lenses must go dark all the same
                talk.error("a lens could not be put out (%s)", type(error).__name__)
        self._factory.close()

    def __enter__(self) -> Lamp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lamp(config: LampConfig, *, tempo: float = 1.0, training: bool = False) -> Lamp:
    """The lamp of this configuration. Raises LampError when its pins cannot be had."""
    kind = factory_kind(config)
    if kind == "mock":
        return MockLamp(config, tempo=tempo, training=training)
    try:
        factory = _lgpio(config) if kind == "lgpio" else _native()
    except LampError:
        raise
    except Exception as error:  # a missing library, a missing chip, no rights, no Raspberry Pi
        raise LampError(
            f"pin factory {kind} cannot be opened ({type(error).__name__}); "
            "see [lamp] factory and chip in vaxgate.toml, and the rights on /dev/gpiochip*"
        ) from error
    return Lamp(factory, config, tempo=tempo, training=training)


def factory_kind(config: LampConfig) -> str:
    """The factory that this configuration means on this machine."""
    if config.factory != "auto":
        return config.factory
    if not any(Path("/dev").glob("gpiochip*")):
        return "mock"
    from importlib.util import find_spec

    if find_spec("lgpio"):
        return "lgpio"
    talk.warning("there are GPIO pins and no lgpio to drive them: the lamp stays dark; install vaxgate[pi]")
    return "mock"


def chip_number(label: str, chips: Iterable[tuple[int, str]]) -> int:
    """The number of the gpiochip that ``label`` names, by its number or its label. Raises LampError."""
    known = dict(chips)
    if label.isdigit() and (not known or int(label) in known):
        return int(label)
    for number, name in known.items():
        if name == label:
            return number
    there = ", ".join(f"{number} ({name})" for number, name in known.items()) or "none"
    raise LampError(f"[lamp] chip {label!r} is none of this machine's gpiochips: {there}")


def _chips() -> list[tuple[int, str]]:
    """Numbers and labels of this machine's gpiochips."""
    import lgpio

    found = []
    for path in sorted(Path("/dev").glob("gpiochip*")):
        number = int(path.name.removeprefix("gpiochip"))
        handle = lgpio.gpiochip_open(number)
        try:
            _, _, _, label = lgpio.gpio_get_chip_info(handle)
        finally:
            lgpio.gpiochip_close(handle)
        found.append((number, str(label)))
    return found


def _lgpio(config: LampConfig) -> Any:
    # lgpio makes its notification pipe in LG_WD, else in the working directory, which is read-only on a unit.
    os.environ.setdefault("LG_WD", os.environ.get("RUNTIME_DIRECTORY", tempfile.gettempdir()))
    from gpiozero.pins.lgpio import LGPIOFactory

    factory_class = LGPIOFactory
    if config.revision:
        revision = int(config.revision, 16)

        class Named(LGPIOFactory):  # type: ignore[misc]  # gpiozero has no types
            """The stock factory on a board whose revision cannot be read."""

            def _get_revision(self) -> int:
                return revision

        factory_class = Named
    return factory_class(chip=chip_number(config.chip, _chips()) if config.chip else None)


def _native() -> Any:
    from gpiozero.pins.native import NativeFactory

    return NativeFactory()


# --- The mock: what was on the pins, and what it says -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A lens took a level at an instant (seconds of the monotonic clock)."""

    at: float
    lens: Lens
    level: float


class _RecordedPin(MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """A mock pin that tells its factory of every change, and keeps no list of its own without end."""

    def _change_state(self, value: float) -> bool:
        changed = bool(super()._change_state(value))
        if changed:
            self.states.clear()
            self.factory.noted(self.info.name, float(value))
        return changed


class _RecordingFactory(MockFactory):  # type: ignore[misc]  # gpiozero has no types
    def __init__(self, names: Mapping[str, Lens], active_high: bool, timeline: deque[Change]) -> None:
        super().__init__(revision="c03114", pin_class=_RecordedPin)
        self._names, self._active_high, self._timeline = names, active_high, timeline

    def noted(self, name: str, value: float) -> None:
        if name in self._names:  # what else is on the board is no lens
            level = value if self._active_high else 1 - value
            self._timeline.append(Change(time.monotonic(), self._names[name], level))


class MockLamp(Lamp):
    """A lamp on gpiozero's mock pins which keeps a recording of what was on them (the last 4096 changes)."""

    def __init__(
        self, config: LampConfig | None = None, *, tempo: float = 1.0, training: bool = False
    ) -> None:
        config = config or LampConfig()
        pins = {
            Lens.RED: config.red,
            Lens.AMBER: config.amber,
            Lens.GREEN: config.green,
            Lens.WHITE: config.white,
        }
        self._timeline: deque[Change] = deque(maxlen=4096)
        names = {f"GPIO{number}": lens for lens, number in pins.items()}
        factory = _RecordingFactory(names, config.active_high, self._timeline)
        super().__init__(factory, config, tempo=tempo, training=training)
        self._timeline.clear()

    def recording(self, start: float = 0.0, end: float | None = None) -> tuple[Change, ...]:
        """Every change of every pin from ``start`` to ``end`` in order; first what was lit at ``start``."""
        changes = tuple(self._timeline)
        before: dict[Lens, float] = {}
        for change in changes:
            if change.at < start:
                before[change.lens] = change.level
        lit = tuple(Change(start, lens, level) for lens, level in before.items() if level)
        return lit + tuple(c for c in changes if c.at >= start and (end is None or c.at <= end))


def read_signal(recording: Iterable[Change], tempo: float = 1.0) -> Signal | None:
    """The signal that a recording shows from its start, as somebody who sees the lamp would name it.

    ``None`` while it cannot be told yet (half a period of a rhythm), or when it is none of the seven.
    """
    changes = list(recording)
    levels: dict[Lens, list[float]] = {}
    times: dict[Lens, list[float]] = {}
    for change in changes:
        levels.setdefault(change.lens, []).append(change.level)
        times.setdefault(change.lens, []).append(change.at)
    lit = {lens for lens, seen in levels.items() if any(seen)}
    if lit == {Lens.AMBER, Lens.RED}:
        return Signal.OUT
    if lit == {Lens.AMBER}:
        return Signal.CHECK if _goes_dark(levels[Lens.AMBER]) else None
    if lit == {Lens.WHITE}:
        return _white(levels[Lens.WHITE], times[Lens.WHITE], tempo)
    if lit in ({Lens.GREEN}, {Lens.RED}):
        (lens,) = lit
        # Steady: it may be dark for a moment at the start, and never after it was lit again.
        if levels[lens][-1] != 1 or levels[lens].count(0) > 1:
            return None
        return Signal.PASS if lens is Lens.GREEN else Signal.FAIL
    return None


def _goes_dark(levels: list[float]) -> bool:
    return 0 in levels[levels.index(1) :]


def _white(levels: list[float], times: list[float], tempo: float) -> Signal | None:
    if any(0 < level < 1 for level in levels):
        return Signal.RESCAN
    if len(levels) == 1:
        return Signal.READY
    if len(levels) >= 4 and (times[-1] - times[0]) / (len(times) - 1) < 0.3 * tempo:
        return Signal.BOOT
    return None
