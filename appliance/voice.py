"""Lamp and page as one voice, and the watchdog that takes it away from a loop that hangs.

The rules this module keeps:

* The lamp answers first, the page next; both show one signal. The old name is gone before the new colour is
  there.
* A loop that makes no progress, or a reader that hangs, loses the lamp: a watchdog takes it to OUT, and what
  was on its way is dropped, for its traveller may have gone.
* OUT reaches the page whatever the lamp does.

    voice = Voice(lamp, hub, phone="", monotonic=time.monotonic)
    voice.show(Signal.PASS, lambda: facts, result=1)  # when it began, when the lamp was lit, the page told
    voice.out(causes)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from appliance.errors import place_of
from appliance.kiosk.facts import of_findings
from appliance.kiosk.hub import Hub
from appliance.kiosk.plain import Facts
from appliance.signals import Signal
from verifier.reasons import Finding, Reason, finding

talk = logging.getLogger("vaxgate.gate")


class Shows(Protocol):
    """The lamp as the gate needs it."""

    fault: str | None

    def show(self, signal: Signal, *, anew: bool = False) -> None:
        """Show a signal; raises LampError."""


class StalledError(Exception):
    """The watchdog has spoken, or the unit ends; what was on its way is not shown."""


class Spoken(NamedTuple):
    """When an answer was told, in seconds of the monotonic clock: begun, the lamp lit, the page told."""

    began: float
    lit: float
    shown: float


class Voice:
    """Every method but ``guard`` is for one thread at a time. phone: whom the page says to call."""

    def __init__(
        self, lamp: Shows, hub: Hub, *, phone: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._lamp, self._hub, self._phone, self._monotonic = lamp, hub, phone, monotonic
        self._speaking = threading.Lock()
        self._beat = monotonic()
        self._stalled_at = 0.0
        self._lamp_down = self._muted = False
        self.stalled = False

    @property
    def lamp_fault(self) -> bool:
        """Whether the lamp cannot be driven."""
        return self._lamp.fault is not None

    @property
    def lamp_down(self) -> bool:
        """Whether the lamp does not show what the page says."""
        return self._lamp_down or self.lamp_fault

    def progress(self, since: float) -> bool:
        """The loop is alive; whether what the watchdog spoke of is over, so that all begins anew.

        since: when the oldest work that is under way anywhere was begun; now, where there is none.
        """
        with self._speaking:
            self._beat = since
            over = self.stalled and since >= self._stalled_at
            self.stalled = self.stalled and not over
            return over

    def show(
        self,
        signal: Signal,
        facts: Callable[[], Facts],
        *,
        result: int = 1,
        why: Callable[[], Facts] | None = None,
    ) -> Spoken:
        """A new answer, to the lamp, then to the page. Raises StalledError, LampError.

        facts: for the page, made once the lamp is lit; where that hangs, the watchdog still has the lamp.
        """
        began = self._monotonic()
        with self._speaking:
            self._may_speak()
            self._hub.forget()
            self._lamp.show(signal, anew=True)
            lit = self._monotonic()
        told = facts()
        with self._speaking:
            self._may_speak()
            self._hub.publish(told, result=result, why=why)
        return Spoken(began, lit, self._monotonic())

    def say(self, signal: Signal, facts: Facts, *, keep_last: bool = False) -> None:
        """What is no answer: ready, or waiting. Raises StalledError, LampError."""
        with self._speaking:
            self._may_speak()
            self._lamp.show(signal)
            self._hub.publish(facts, keep_last=keep_last)

    def mute(self) -> None:
        """The unit ends: whatever is still on its way is not shown. Waits for nobody, for a pin may hang."""
        self._muted = True

    def _may_speak(self) -> None:
        if self.stalled or self._muted:
            raise StalledError

    def relight(self) -> None:
        """Try a lamp again that could not be driven. Raises LampError while it still cannot."""
        self._lamp.show(Signal.OUT, anew=True)

    def lamp_works(self) -> None:
        """The lamp was driven."""
        self._lamp_down = False

    def out(self, causes: Sequence[Finding]) -> None:
        """Lamp and page to OUT; the page also when the lamp cannot."""
        with self._speaking:
            self._lamp_to_out()
            self._hub.publish(of_findings(Signal.OUT, causes, phone=self._phone))

    def _lamp_to_out(self) -> None:
        try:
            self._lamp.show(Signal.OUT)
            self._lamp_down = False
        except Exception as error:  # noqa: BLE001 - the page must say OUT whatever the lamp does
            talk.error("lamp: %s", place_of(error))
            self._lamp_down = True

    def guard(self, ended: threading.Event, watchdog_s: float) -> None:
        """The watchdog, in a thread of its own until ``ended``; it also takes names away in time."""
        period = min(0.25, watchdog_s / 4)
        while not ended.wait(period):
            self._hub.expire()
            if self.stalled or self._monotonic() - self._beat <= watchdog_s:
                continue
            # The loop may hang while it holds this lock (a pin that blocks): the page must say OUT even so.
            held = self._speaking.acquire(timeout=1.0)
            try:
                if held and self._monotonic() - self._beat <= watchdog_s:
                    continue
                self.stalled, self._stalled_at = True, self._monotonic()
                talk.error("no progress for %g s", watchdog_s)
                self._hub.publish(of_findings(Signal.OUT, [finding(Reason.UNIT_FAULT, "no progress")]))
                if held:
                    self._lamp_to_out()
            finally:
                if held:
                    self._speaking.release()
