"""The gate: from what the eyes see to the lamp, round after round.

The rules this module keeps:

* The lamp answers first, the page next; both show one signal.
* A frame is judged by whoever has read it, at once, by what was known when the round before it ended; the
  loop's own rounds go on where no frame comes. One round at a time.
* Whatever goes wrong here is OUT, and never a colour that speaks about a document. Each cause ends by itself
  when it is gone: the camera is opened again, the store is read again, the clock is asked again.
* A loop that makes no progress, or a reader that hangs, loses the lamp: a watchdog takes it to OUT.
* In training the page's hub says so, and nothing is counted: no result, and no time of one.
* Of an exception only its kind and its place in the code are written down; its text may hold a Holder.

    gate = Gate(open_camera=…, open_trust=…, lamp=lamp, hub=hub)
    gate.run(stop)                   # until the event is set; the lamp is dark after lamp.close()

Frames are fetched and read beside this loop, in :mod:`appliance.eyes`; what a code or a tap is answered
stands in :mod:`appliance.answering`.
"""

from __future__ import annotations

import gc
import importlib.metadata
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance.answering import Answer, Answering
from appliance.camera import Camera
from appliance.clock_watch import ClockWatch
from appliance.config import GateConfig
from appliance.errors import place_of
from appliance.eyes import Counts, Eyes, Sight
from appliance.judging import Basis
from appliance.kiosk.hub import Hub
from appliance.kiosk.journey import TELLABLE, offered
from appliance.kiosk.plain import Facts
from appliance.kiosk.standing import of_standing
from appliance.reader.live import look
from appliance.reader.passes import Look
from appliance.signals import Signal
from appliance.supply import READ_S, CameraSupply, Snapshot, TrustSource, TrustSupply, pause_after
from appliance.timings import Timings
from appliance.voice import Shows, StalledError, Voice
from trustsync import timesources
from verifier.checks import list_findings
from verifier.clocks import Reading, clock_state, reckoned
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import DEFAULT, Context, Profile
from verifier.reasons import Finding, Reason, finding, worst_first
from verifier.trust import ClockState, ListState, TrustList

__all__ = ["Answer", "Gate", "Shows"]

talk = logging.getLogger("vaxgate.gate")

# Names the run of the machine where the clock is given by hand.
_BY_HAND = "by hand"
STALLED_S = 0.1  # between two looks whether what hung goes on


@dataclass(frozen=True, slots=True, repr=False)
class _Ground:
    """What the unit knows at a moment, frames apart: list, rules and orders, the time and its worth."""

    snapshot: Snapshot | None
    now: datetime
    clock: ClockState | None
    orders: tuple[RuleBundle, ...]


class Gate:
    """Camera, trust, lamp and page brought together.

    open_camera, open_trust: called again whenever what they gave has failed. clock: the time of verdicts, an
    aware instant, held against ``monotonic``; ``None``: the machine's own. phone: whom the page says to call
    when the list is out of date. on_answer: is told each answer after lamp and page (statistics, the demo).
    context: what is known of every journey here. orders: of this post, asked each round; the same tuple for
    as long as nothing changed. read: finds the codes of a picture, in several threads at once.
    """

    def __init__(
        self,
        *,
        open_camera: Callable[[], Camera],
        open_trust: Callable[[], TrustSource],
        lamp: Shows,
        hub: Hub,
        config: GateConfig | None = None,
        down_s: float = 3.0,
        time_zone: str = "Asia/Ho_Chi_Minh",
        phone: str = "",
        clock: Callable[[], datetime] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_answer: Callable[[Answer], None] | None = None,
        read: Callable[[Any], Look] = look,
        context: Context = DEFAULT,
        orders: Callable[[], tuple[RuleBundle, ...]] = tuple,
    ) -> None:
        self._eyes = Eyes(
            CameraSupply(open_camera, down_s=down_s, monotonic=monotonic), read, monotonic=monotonic
        )
        self._trust = TrustSupply(open_trust, monotonic=monotonic)
        self._orders = orders
        self._hub = hub
        self._config = config or GateConfig()
        self._zone = ZoneInfo(time_zone)
        self._monotonic = monotonic
        self._reading: Callable[[], Reading] = (
            timesources.reading if clock is None else lambda: Reading(clock(), _BY_HAND, monotonic())
        )
        self._clock_watch = ClockWatch()
        self._voice = Voice(lamp, hub, phone=phone, monotonic=monotonic)
        self._desk = Answering(
            self._voice,
            hub,
            config=self._config,
            site=context,
            zone=self._zone,
            phone=phone,
            monotonic=monotonic,
            on_answer=on_answer,
        )
        self._ground: _Ground | None = None  # as it was when the last round ended
        self._basis: Basis | None = None
        self._standing_at = float("-inf")
        self._standing: Facts = of_standing(None, self._reading().wall, None, self._zone)
        self._unfit: tuple[Finding, ...] = ()
        self._faults = 0
        self._fault_now = False
        self._paused_until = float("-inf")
        self._version = importlib.metadata.version("vaxgate")
        hub.set_health(self.health)
        hub.set_journey(self.journey)
        hub.set_session(lambda: self._desk.session.number)
        if context.profile is Profile.AIRLINE:
            hub.tellable = TELLABLE  # where it flies to is the airline's to say

    @property
    def timings(self) -> Timings:
        """What answers took."""
        return self._desk.timings

    @property
    def counts(self) -> Counts:
        """Frames so far."""
        return self._eyes.counts

    # --- The loop -------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. Raises nothing; camera and trust are closed at the end."""
        ended = threading.Event()
        watchdog = threading.Thread(
            target=self._voice.guard, args=(ended, self._config.watchdog_s), name="watchdog", daemon=True
        )
        watchdog.start()
        settled: TrustList | None = None
        try:
            self._eyes.start(self.step)
            while not stop.is_set():
                pause, basis = self.step(), self._basis
                if basis is not None and basis.trust is not settled:
                    settled = basis.trust
                    _leave_to_stay()
                if pause:
                    stop.wait(pause)
                    self._resume()
                self._eyes.wait(READ_S)
        finally:
            ended.set()
            watchdog.join(timeout=5)
            self._voice.mute()
            self._desk.leave_behind()
            try:
                self._eyes.close()
            finally:
                self._trust.close()
                gc.unfreeze()

    def step(self, sight: Sight | None = None) -> float:
        """One round. Returns seconds to pause before the loop's next one; never raises.

        sight: what a frame showed. Without one the eyes are asked.
        """
        with self._eyes.turn:
            try:
                over = self._voice.progress(self._eyes.since)
                if over or self._voice.stalled:
                    self._ground = None
                    self._desk.forget()
                    self._eyes.forget()
                if self._voice.stalled:
                    return STALLED_S  # what hangs is elsewhere: nothing is shown until it is over
                pause = self._paused_until - self._monotonic()
                if pause > 0:
                    return pause
                self._round(sight)
                self._fault_now = False
                self._faults = max(0, self._faults - 1)
                return 0.0
            except StalledError:
                talk.error("a verdict came too late and was dropped")
                self._desk.forget()
                return 0.0
            except Exception as error:  # noqa: BLE001 - whatever went wrong is ours, and the answer to it is OUT
                self._faults += 1
                self._fault_now = True
                self._ground = None
                self._desk.forget()
                self._out((finding(Reason.UNIT_FAULT, type(error).__name__),))
                pause = pause_after(self._faults)
                self._paused_until = self._monotonic() + pause
                talk.error("fault in the loop: %s", place_of(error))
                return pause

    def _resume(self) -> None:
        """After a pause: what went wrong meanwhile counts no more. What still does is raised anew."""
        try:
            self._eyes.forget()
        except Exception as error:  # noqa: BLE001 - as in a round
            talk.error("fault in the loop: %s", place_of(error))

    def _round(self, sight: Sight | None) -> None:
        ground, told = self._ground, sight is not None
        if ground is None or sight is None:
            ground = self._ground = self._known()
        if sight is None:
            sight = self._eyes.look()
        self._judge(ground, sight)
        if told:  # an answer was waited for: what the next one needs is found out behind it
            self._ground = self._known()

    def _known(self) -> _Ground:
        """What the unit knows now; what stands at the page's foot is brought up to date."""
        snapshot = self._trust.snapshot()
        reading = self._reading()
        now, clock = reading.wall, None
        if snapshot is not None:
            known = self._clock_watch.see(reading, snapshot.clock)
            now, clock = reckoned(reading, known), clock_state(reading, known)
        self._stand(snapshot, now, clock)
        return _Ground(snapshot, now, clock, self._orders())

    def _judge(self, ground: _Ground, sight: Sight | None) -> None:
        snapshot, now, clock = ground.snapshot, ground.now, ground.clock
        # 1. Whether it may judge.
        self._unfit = worst_first(self._causes(snapshot, now, clock))
        if self._voice.lamp_fault:
            # Lamp and page say one thing: what stood there is gone, and the unit begins anew.
            self._desk.forget()
            self._voice.relight()  # raises while the pins are still dead: UNIT_FAULT
            self._out((finding(Reason.UNIT_FAULT, "lamp"),))
        self._voice.lamp_works()
        blocking = [cause for cause in self._unfit if cause.code is not Reason.LIST_EXPIRED]
        if blocking or snapshot is None:
            self._basis = None
            self._desk.look_away()
            self._out(self._unfit)
            return
        basis = self._basis = Basis(
            trust=snapshot.trust,
            bundles=snapshot.bundles,
            now=now,
            clock=clock,
            floor=snapshot.floor,
            zone=self._zone,
            context=self._desk.session.resting,
            orders=ground.orders,
        )
        # 2. What was tapped.
        self._desk.hear(basis)
        # 3. What is new in a frame, judged; a list that is out of date may still say FAIL.
        self._desk.give_up_waiting()
        if sight is not None:
            self._desk.see(sight, basis)
        # 4. What stands, judged anew where other rules or another list are in force.
        self._desk.keep_up(basis)
        # 5. A result has its time; then the unit is ready, or says that it is not.
        self._desk.settle(self._unfit, sees=sight is not None)

    def _causes(self, snapshot: Snapshot | None, now: datetime, clock: ClockState | None) -> list[Finding]:
        causes = []
        if self._trust.fault is not None:
            causes.append(self._trust.fault)
        if clock is ClockState.UNSYNCED:
            causes.append(finding(Reason.CLOCK_UNSURE, "the clock is behind signed time, or was set back"))
        elif snapshot is not None and snapshot.trust.state(now, clock) is ListState.EXPIRED:
            causes += list_findings(snapshot.trust, now, snapshot.trust.state(now, clock))
        if self._eyes.down:
            causes.append(finding(Reason.CAMERA_DOWN))
        return causes

    def _out(self, causes: tuple[Finding, ...]) -> None:
        if self._desk.out(causes):
            self._unfit = causes

    def start(self) -> None:
        """Show that the unit is starting. Raises LampError."""
        self._desk.boot()

    # --- What stands below, what can be told, and health ----------------------------------------------------

    def _stand(self, snapshot: Snapshot | None, now: datetime, clock: ClockState | None) -> None:
        if self._monotonic() - self._standing_at < 0.5:
            return
        self._standing_at = self._monotonic()
        facts = of_standing(snapshot, now, clock, self._zone, self._desk.session.resting)
        self._standing = facts
        self._hub.stand(facts)

    def journey(self) -> Facts:
        """What can be told of the journey, and what was: for the page, from any thread."""
        basis, session = self._basis, self._desk.session
        context, held = session.context, session.held
        if basis is None or basis.now is None:
            return offered(None, None, context, self._reading().wall.astimezone(self._zone))
        policy = replace(basis, context=context).policy(held[-1].assessment if held else None)
        return offered(policy.bundle, policy.order, context, basis.now.astimezone(self._zone))

    def health(self) -> dict[str, Any]:
        """How the unit is: nothing of a Holder, no name of a file."""
        causes = [cause.code.value for cause in self._unfit]
        if self._voice.stalled or self._fault_now:
            causes = [Reason.UNIT_FAULT.value]
        if causes:
            state = Signal.OUT
        elif self._desk.signal is Signal.BOOT:
            state = Signal.BOOT
        else:
            state = Signal.READY
        storage = {Reason.NO_LIST: "empty", Reason.STORE_DOWN: "down"}
        fault = self._trust.fault
        return {
            "state": state.value,
            "training": self._hub.training,
            "reasons": causes,
            "list": self._standing["list"],
            "clock": self._standing["clock"] and self._standing["clock"]["state"],
            "camera": "down" if self._eyes.down else "ok",
            "storage": "ok" if fault is None else storage[fault.code],
            "lamp": "down" if self._voice.lamp_down else "ok",
            "version": self._version,
            "micros": self.timings.percentiles(),
            "frames": self.counts.as_json(),
        }


def _leave_to_stay() -> None:
    """Take all that exists now, a trust list in force among it, out of the collector's rounds.

    Otherwise each full collection walks through every key and module, tens of milliseconds that may fall into
    a verdict. What was replaced by another list is collected first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
