"""The gate: from a Frame to the lamp, round after round.

The rules this module keeps:

* The lamp answers first, the page next; both show one signal.
* Whatever goes wrong here is OUT, and never a colour that speaks about a document. Each cause ends by itself
  when it is gone: the camera is opened again, the store is read again, the clock is asked again.
* A loop that makes no progress loses the lamp: a watchdog takes it to OUT, and a verdict that was on its way
  is dropped, for its traveller may have gone.
* Of an exception only its kind and its place in the code are written down; its text may hold a Holder.

    gate = Gate(open_camera=…, open_trust=…, lamp=lamp, hub=hub)
    gate.run(stop)                   # until the event is set; the lamp is dark after lamp.close()
"""

from __future__ import annotations

import importlib.metadata
import logging
import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from appliance.camera import Camera, Frame
from appliance.config import GateConfig
from appliance.errors import CameraError
from appliance.kiosk.facts import Facts, of_findings, of_signal, of_verdict
from appliance.kiosk.hub import Hub
from appliance.scanner import Look, Scan, Watch, look
from appliance.signals import Signal, signal_of
from trustsync.errors import NoListError, TrustSyncError
from verifier.assessment import assess, open_code
from verifier.policy.bundle import RuleBundle, in_force
from verifier.reasons import Finding, Reason, State, finding, worst_first
from verifier.trust import ClockState, ListState, TrustList, clock_state
from verifier.verdict import Verdict, decide, without_code

talk = logging.getLogger("vaxgate.gate")

# The last verdicts of which times are kept.
TIMES_KEPT = 512
# A result is taken down after this many seconds also when its code is left in view.
LONGEST_HOLD_S = 30.0
# Seconds between two attempts to open what is not there, the first and the longest.
RETRY_S = (0.5, 5.0)
# Of several codes in one frame the worst certificate is shown; what is no certificate comes last.
_WEIGHT = {State.FAIL: 0, State.OUT: 1, State.CHECK: 2, State.PASS: 3, State.RESCAN: 4}


class Snapshot(Protocol):
    """What one moment's verifications need; `trustsync.store.TrustSnapshot` is one."""

    @property
    def trust(self) -> TrustList:
        """The keys and their revocation."""

    @property
    def bundles(self) -> tuple[RuleBundle, ...]:
        """The rule bundles, dormant ones too."""

    @property
    def signed_at(self) -> datetime:
        """When the list was last signed."""

    @property
    def floor(self) -> datetime:
        """It is at least this late."""


class TrustSource(Protocol):
    """Where snapshots come from; `trustsync.store.TrustStore` is one."""

    def current(self) -> Snapshot:
        """The snapshot in force. Raises NoListError, or TrustSyncError when the store is damaged."""

    def close(self) -> None:
        """Let it go."""


class FixedTrust:
    """A trust source that never changes: for tests and for tries by hand."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def current(self) -> Snapshot:
        """Always the same."""
        return self._snapshot

    def close(self) -> None:
        """Nothing to let go."""


class Shows(Protocol):
    """The lamp as the gate needs it."""

    fault: str | None

    def show(self, signal: Signal, *, anew: bool = False) -> None:
        """Show a signal; raises LampError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict with what it took: microseconds by step, and from the frame to the lamp as ``total``."""

    verdict: Verdict
    micros: Mapping[str, int]


class _StalledError(Exception):
    """The watchdog has spoken; what was on its way is not shown."""


@dataclass(slots=True)
class _Shown:
    """What stands on lamp and page."""

    signal: Signal
    codes: tuple[Reason, ...] = ()
    mark: bytes | None = None  # of the code that was judged
    since: float = 0.0
    until: float = 0.0


class Gate:
    """Camera, trust, lamp and page brought together.

    open_camera, open_trust: called again whenever what they gave has failed. clock: the time of verdicts, an
    aware instant. on_answer: is told each answer after lamp and page (statistics, the demo).
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
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        on_answer: Callable[[Answer], None] | None = None,
        read: Callable[[Any], Look] = look,
    ) -> None:
        self._open_camera, self._open_trust = open_camera, open_trust
        self._lamp, self._hub = lamp, hub
        self._config = config or GateConfig()
        self._down_s = down_s
        self._zone = ZoneInfo(time_zone)
        self._clock, self._monotonic = clock, monotonic
        self._on_answer = on_answer
        self._read = read
        self._watch = self._new_watch()
        self._camera: Camera | None = None
        self._camera_retry = _Retry()
        self._camera_down = False
        self._last_frame: float | None = None
        self._source: TrustSource | None = None
        self._trust_retry = _Retry()
        self._trust_fault: Finding | None = None
        self._shown = _Shown(Signal.BOOT)
        self._standing_at = float("-inf")
        self._standing: Facts = {"list": None, "clock": None, "rules": None}
        self._unfit: tuple[Finding, ...] = ()
        self._faults = 0
        self._fault_now = False
        self._lamp_down = False
        self._beat = monotonic()
        self._stalled = False
        self._speaking = threading.Lock()
        self._times: dict[str, deque[int]] = {}
        self._version = importlib.metadata.version("vaxgate")
        hub.set_health(self.health)

    # --- The loop -------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set. Raises nothing; camera and trust are closed at the end."""
        ended = threading.Event()
        watchdog = threading.Thread(target=self._guard, args=(ended,), name="watchdog", daemon=True)
        watchdog.start()
        try:
            while not stop.is_set():
                pause = self.step()
                if pause:
                    stop.wait(pause)
        finally:
            ended.set()
            watchdog.join(timeout=5)
            self._close_camera()
            self._close_trust()

    def step(self) -> float:
        """One round. Returns seconds to pause before the next one; never raises."""
        try:
            with self._speaking:
                self._beat = self._monotonic()
                if self._stalled:
                    self._stalled = False
                    self._forget()
            pause = self._round()
            self._fault_now = False
            self._faults = max(0, self._faults - 1) if not pause else self._faults
            return pause
        except _StalledError:
            talk.error("a verdict came too late and was dropped")
            return 0.0
        except Exception as error:  # noqa: BLE001 - whatever went wrong is ours, and the answer to it is OUT
            talk.error("fault in the loop: %s", _place_of(error))
            self._faults += 1
            self._fault_now = True
            self._forget()
            self._out([finding(Reason.UNIT_FAULT, type(error).__name__)])
            return _pause(self._faults)

    def _round(self) -> float:
        # 1. What the unit knows: trust list, clock.
        snapshot = self._current_trust()
        now = self._clock()
        clock = None if snapshot is None else clock_state(now, snapshot.floor)
        # 2. What it sees.
        frame = self._next_frame()
        # 3. Whether it may judge.
        unfit = self._causes(snapshot, now, clock)
        self._unfit = worst_first(unfit)
        self._stand(snapshot, now, clock)
        if self._lamp.fault is not None:
            self._lamp.show(Signal.OUT, anew=True)  # raises while the pins are still dead: UNIT_FAULT
        self._lamp_down = False
        blocking = [cause for cause in self._unfit if cause.code is not Reason.LIST_EXPIRED]
        if blocking or snapshot is None:
            self._watch = self._new_watch()
            self._out(self._unfit)
            return 0.0 if frame is not None else 0.1
        # 4. What is new in the frame, judged; a list that is out of date may still say FAIL.
        if frame is not None:
            self._see(frame, snapshot, now, clock)
        # 5. A result has its time; then the unit is ready, or says that it is not.
        self._settle(frame is not None)
        return 0.0

    def _causes(self, snapshot: Snapshot | None, now: datetime, clock: ClockState | None) -> list[Finding]:
        causes = []
        if self._trust_fault is not None:
            causes.append(self._trust_fault)
        if clock is ClockState.UNSYNCED:
            causes.append(finding(Reason.CLOCK_UNSURE, "the clock is behind the last signed instant"))
        elif snapshot is not None and snapshot.trust.state(now) is ListState.EXPIRED:
            causes.append(finding(Reason.LIST_EXPIRED, state=State.OUT))
        if self._camera_down:
            causes.append(finding(Reason.CAMERA_DOWN))
        return causes

    # --- Camera and trust -----------------------------------------------------------------------------------

    def _next_frame(self) -> Frame | None:
        now = self._monotonic()
        if self._camera is None:
            if not self._camera_retry.due(now):
                return None
            try:
                self._camera = self._open_camera()
            except CameraError as error:
                self._lose_camera(str(error))
                return None
            self._last_frame = self._monotonic()
        try:
            frame = self._camera.read(0.25)
        except CameraError as error:
            self._lose_camera(str(error))
            return None
        now = self._monotonic()
        if frame is not None:
            self._last_frame = now
            self._camera_down = False
            self._camera_retry.well()
        elif self._last_frame is not None and now - self._last_frame > self._down_s:
            self._lose_camera(f"no frame for {self._down_s:g} s")
        return frame

    def _lose_camera(self, why: str) -> None:
        if not self._camera_down:
            talk.error("camera down: %s", why)
        self._camera_down = True
        self._close_camera()
        self._camera_retry.failed(self._monotonic())

    def _close_camera(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _current_trust(self) -> Snapshot | None:
        now = self._monotonic()
        if self._trust_fault is not None and not self._trust_retry.due(now):
            return None
        try:
            if self._source is None:
                self._source = self._open_trust()
            snapshot = self._source.current()
        except NoListError:
            self._no_trust(finding(Reason.NO_LIST), "no trust list was synced yet")
            return None
        except (TrustSyncError, OSError, sqlite3.Error) as error:
            self._no_trust(finding(Reason.STORE_DOWN, type(error).__name__), str(error))
            return None
        self._trust_fault = None
        self._trust_retry.well()
        return snapshot

    def _no_trust(self, fault: Finding, why: str) -> None:
        if self._trust_fault is None or self._trust_fault.code is not fault.code:
            talk.error("trust list: %s", why)
        self._trust_fault = fault
        self._close_trust()
        self._trust_retry.failed(self._monotonic())

    def _close_trust(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    # --- Seeing and judging ---------------------------------------------------------------------------------

    def _see(self, frame: Frame, snapshot: Snapshot, now: datetime, clock: ClockState | None) -> None:
        before = time.perf_counter_ns()
        found = self._read(frame.luma)
        micros = {"picture": (time.perf_counter_ns() - before) // 1000}
        sighting = self._watch.see(found, frame.taken)
        judged = [(scan, *_judge(scan, snapshot, now, clock)) for scan in sighting.scans]
        if judged:
            scan, verdict, steps = min(judged, key=lambda one: _WEIGHT[one[1].state])
            beside = any(code.mark == self._shown.mark for code in found.codes)
            if verdict.state is State.RESCAN and beside:
                return  # a web link beside the certificate that is being shown takes nothing away
            self._present(verdict, frame, {**micros, **steps}, scan.mark)
        elif sighting.unreadable:
            self._present(without_code(Reason.UNREADABLE), frame, micros, None)
        shown = self._shown
        last_seen = None if shown.mark is None else self._watch.last_seen(shown.mark)
        if last_seen is not None:
            shown.until = min(last_seen + self._config.hold_s, shown.since + LONGEST_HOLD_S)

    def _present(self, verdict: Verdict, frame: Frame, micros: dict[str, int], mark: bytes | None) -> None:
        signal = signal_of(verdict.state)
        before = time.perf_counter_ns()
        with self._speaking:
            if self._stalled:
                raise _StalledError
            self._hub.forget()  # the old name is gone before the new colour is there
            self._lamp.show(signal, anew=True)
            micros["lamp"] = (time.perf_counter_ns() - before) // 1000
            micros["total"] = int((self._monotonic() - frame.taken) * 1_000_000)
            self._hub.publish(of_verdict(verdict), result=True)
        now = self._monotonic()
        self._shown = _Shown(
            signal, tuple(f.code for f in verdict.reasons), mark, now, now + self._config.hold_s
        )
        for step, took in micros.items():
            self._times.setdefault(step, deque(maxlen=TIMES_KEPT)).append(took)
        if self._on_answer is not None:
            self._on_answer(Answer(verdict, micros))

    def _settle(self, sees: bool) -> None:
        shown = self._shown
        if shown.until and self._monotonic() < shown.until:
            return
        if self._unfit:
            self._out(self._unfit)
        elif shown.signal is not Signal.READY and (sees or shown.signal is not Signal.BOOT):
            self._speak(Signal.READY, of_signal(Signal.READY), keep_last=bool(shown.until))
            self._shown = _Shown(Signal.READY)

    # --- Speaking -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Show that the unit is starting. Raises LampError."""
        self._speak(Signal.BOOT, of_signal(Signal.BOOT))
        self._shown = _Shown(Signal.BOOT)

    def _speak(self, signal: Signal, facts: Facts, *, keep_last: bool = False) -> None:
        with self._speaking:
            if self._stalled:
                raise _StalledError
            self._lamp.show(signal)
            self._hub.publish(facts, keep_last=keep_last)

    def _out(self, causes: Iterable[Finding]) -> None:
        """Lamp and page to OUT; the page also when the lamp cannot."""
        found = tuple(causes)
        codes = tuple(f.code for f in found)
        if self._shown.signal is Signal.OUT and self._shown.codes == codes and not self._shown.until:
            return
        with self._speaking:
            self._lamp_to_out()
            self._hub.publish(of_findings(Signal.OUT, found))
        self._unfit = found
        self._shown = _Shown(Signal.OUT, codes)

    def _lamp_to_out(self) -> None:
        try:
            self._lamp.show(Signal.OUT)
            self._lamp_down = False
        except Exception as error:  # noqa: BLE001 - the page must say OUT whatever the lamp does
            talk.error("lamp: %s", _place_of(error))
            self._lamp_down = True

    def _forget(self) -> None:
        """Begin anew: whatever was shown or seen counts no more."""
        self._watch = self._new_watch()
        self._shown = _Shown(Signal.OUT, (Reason.UNIT_FAULT,), until=-1.0)

    def _new_watch(self) -> Watch:
        return Watch(same_code_s=self._config.same_code_s, damaged_s=self._config.damaged_s)

    # --- The watchdog ---------------------------------------------------------------------------------------

    def _guard(self, ended: threading.Event) -> None:
        period = min(0.25, self._config.watchdog_s / 4)
        while not ended.wait(period):
            self._hub.expire()
            if self._stalled or self._monotonic() - self._beat <= self._config.watchdog_s:
                continue
            # The loop may hang while it holds this lock (a pin that blocks): the page must say OUT even so.
            held = self._speaking.acquire(timeout=1.0)
            try:
                if held and self._monotonic() - self._beat <= self._config.watchdog_s:
                    continue
                self._stalled = True
                talk.error("no progress for %g s", self._config.watchdog_s)
                self._hub.publish(of_findings(Signal.OUT, [finding(Reason.UNIT_FAULT, "no progress")]))
                if held:
                    self._lamp_to_out()
            finally:
                if held:
                    self._speaking.release()

    # --- What stands below, and health ----------------------------------------------------------------------

    def _stand(self, snapshot: Snapshot | None, now: datetime, clock: ClockState | None) -> None:
        if self._monotonic() - self._standing_at < 0.5:
            return
        self._standing_at = self._monotonic()
        local = now.astimezone(self._zone)
        facts: Facts = {"list": None, "clock": None, "rules": None}
        if snapshot is not None and clock is not None:
            state = snapshot.trust.state(now)
            facts["list"] = {
                "state": None if state is None else state.value,
                "signed_at": snapshot.signed_at.astimezone(UTC).isoformat(timespec="seconds"),
                "age_s": int((now - snapshot.signed_at).total_seconds()),
                "date": f"{snapshot.signed_at.astimezone(self._zone):%d/%m/%Y %H:%M}",
            }
            bundle = in_force(snapshot.bundles, now)
            if bundle is not None:
                facts["rules"] = {
                    "bundle": bundle.name,
                    "version": bundle.version,
                    "title": {lang: bundle.texts.get(lang, bundle.name) for lang in ("vi", "en")},
                }
            facts["clock"] = {
                "state": clock.value,
                "now": now.astimezone(UTC).isoformat(timespec="seconds"),
                "text": f"{local:%H:%M · %d/%m/%Y}",
            }
        self._standing = facts
        self._hub.stand(facts)

    def health(self) -> dict[str, Any]:
        """How the unit is: nothing of a Holder, no name of a file."""
        causes = [cause.code.value for cause in self._unfit]
        if self._stalled or self._fault_now:
            causes = [Reason.UNIT_FAULT.value]
        if causes:
            state = Signal.OUT
        elif self._shown.signal is Signal.BOOT:
            state = Signal.BOOT
        else:
            state = Signal.READY
        storage = {Reason.NO_LIST: "empty", Reason.STORE_DOWN: "down"}
        fault = self._trust_fault
        return {
            "state": state.value,
            "reasons": causes,
            "list": self._standing["list"],
            "clock": self._standing["clock"] and self._standing["clock"]["state"],
            "camera": "down" if self._camera_down else "ok",
            "storage": "ok" if fault is None else storage[fault.code],
            "lamp": "down" if self._lamp_down or self._lamp.fault is not None else "ok",
            "version": self._version,
            "micros": self.micros(),
        }

    def micros(self) -> dict[str, dict[str, int]]:
        """Percentiles of what each step took, over the last verdicts."""
        return {step: percentiles(tuple(times)) for step, times in tuple(self._times.items())}


def percentiles(values: tuple[int, ...]) -> dict[str, int]:
    """p50, p95 and p99 of at least one value, by nearest rank."""
    ordered = sorted(values)
    return {
        f"p{rank}": ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * rank // 100) - 1))]
        for rank in (50, 95, 99)
    }


def _judge(
    scan: Scan, snapshot: Snapshot, now: datetime, clock: ClockState | None
) -> tuple[Verdict, dict[str, int]]:
    """The verdict on one Scan, and microseconds by step."""
    start = time.perf_counter_ns()
    opened = open_code(scan.payload)
    decoded = time.perf_counter_ns()
    assessment = assess(opened, trust=snapshot.trust, now=now, clock=clock)
    verified = time.perf_counter_ns()
    verdict = decide(assessment, in_force(snapshot.bundles, now))
    ruled = time.perf_counter_ns()
    return verdict, {
        "decode": (decoded - start) // 1000,
        "verify": (verified - decoded) // 1000,
        "rules": (ruled - verified) // 1000,
    }


def _place_of(error: BaseException) -> str:
    """Kind and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _pause(failures: int) -> float:
    """Seconds until the next attempt after so many failures."""
    doubled: float = RETRY_S[0] * 2.0 ** min(failures - 1, 8)
    return min(doubled, RETRY_S[1])


class _Retry:
    """When to try again: soon at first, then less often."""

    def __init__(self) -> None:
        self._failures = 0
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time."""
        return now >= self._next

    def failed(self, now: float) -> None:
        """It failed once more."""
        self._failures += 1
        self._next = now + _pause(self._failures)

    def well(self) -> None:
        """It works again."""
        self._failures, self._next = 0, float("-inf")
