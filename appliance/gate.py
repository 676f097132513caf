"""The gate: from a Frame to the lamp, round after round.

The rules this module keeps:

* The lamp answers first, the page next; both show one signal.
* Whatever goes wrong here is OUT, and never a colour that speaks about a document. Each cause ends by itself
  when it is gone: the camera is opened again, the store is read again, the clock is asked again.
* Codes of one person are judged together, in a session that lasts no longer than the page may say the name.
  Of several persons each has a line, and nobody's name stands under another's colour.
* What an officer taps, and rules that begin or end while a result stands, are answered at once: the same
  codes are judged anew, and lamp and page show the new answer.
* A part of a many-part code is no answer: the unit stays ready and the page counts, until the code is whole
  or its next part takes too long.
* A loop that makes no progress loses the lamp: a watchdog takes it to OUT, and a verdict that was on its way
  is dropped, for its traveller may have gone.
* In training the page's hub says so, and nothing is counted: no result, and no time of one.
* Of an exception only its kind and its place in the code are written down; its text may hold a Holder.

    gate = Gate(open_camera=…, open_trust=…, lamp=lamp, hub=hub)
    gate.run(stop)                   # until the event is set; the lamp is dark after lamp.close()
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, assert_never
from zoneinfo import ZoneInfo

from appliance.assembly import Assembly, Mixed, Waiting, Whole, part_in
from appliance.camera import Camera, Frame
from appliance.clock_watch import ClockWatch
from appliance.config import GateConfig
from appliance.inview import InView
from appliance.judging import Basis, judge
from appliance.kiosk import taps
from appliance.kiosk.facts import of_findings, of_people, of_signal, of_traveller, of_verdict, of_waiting
from appliance.kiosk.hub import Hub
from appliance.kiosk.journey import TELLABLE, offered
from appliance.kiosk.plain import Facts
from appliance.kiosk.standing import of_standing
from appliance.kiosk.why import why_facts
from appliance.scanner import Look, Sighting, Watch, look
from appliance.session import Held, Session, assessed_anew, judged_together, judged_until
from appliance.signals import Signal
from appliance.supply import CameraSupply, Snapshot, TrustSource, TrustSupply, pause_after
from appliance.timings import Timings
from trustsync import timesources
from verifier.checks import list_findings
from verifier.clocks import Reading, clock_state, reckoned
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import DEFAULT, Context, Profile
from verifier.policy.context_json import ContextError
from verifier.reasons import Finding, Reason, State, finding, worst_first
from verifier.trust import ClockState, ListState, TrustList
from verifier.verdict import Verdict, without_code

talk = logging.getLogger("vaxgate.gate")

# A result is taken down after this many seconds also when its code is left in view.
LONGEST_HOLD_S = 30.0
# Names the run of the machine where the clock is given by hand.
_BY_HAND = "by hand"


class Shows(Protocol):
    """The lamp as the gate needs it."""

    fault: str | None

    def show(self, signal: Signal, *, anew: bool = False) -> None:
        """Show a signal; raises LampError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict with what it took: microseconds by step, and from the frame to the lamp as ``total``.

    training: it was given by test keys, and counts for nothing. again: the same codes were judged anew.
    """

    verdict: Verdict
    micros: Mapping[str, int]
    training: bool = False
    again: bool = False


class _StalledError(Exception):
    """The watchdog has spoken; what was on its way is not shown."""


@dataclass(slots=True)
class _Shown:
    """What stands on lamp and page."""

    signal: Signal
    said: tuple[tuple[Reason, str], ...] = ()  # codes with their details: an age moves on while it stands
    marks: frozenset[bytes] = frozenset()  # of the code that was judged, or of all its parts
    since: float = 0.0
    until: float = 0.0
    waiting: Waiting | None = None  # READY, with so many parts of a code
    verdicts: tuple[Verdict, ...] = ()  # on one person, or on each of several


@dataclass(frozen=True, slots=True)
class _JudgedBy:
    """What the answer on the lamp rests on, and until when its rules hold."""

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    orders: tuple[RuleBundle, ...]
    until: datetime | None

    def holds(self, basis: Basis) -> bool:
        same = self.trust is basis.trust and self.bundles is basis.bundles and self.orders is basis.orders
        return same and (self.until is None or basis.now is None or basis.now < self.until)


class Gate:
    """Camera, trust, lamp and page brought together.

    open_camera, open_trust: called again whenever what they gave has failed. clock: the time of verdicts, an
    aware instant, held against ``monotonic``; ``None``: the machine's own. phone: whom the page says to call
    when the list is out of date. on_answer: is told each answer after lamp and page (statistics, the demo).
    context: what is known of every journey here. orders: of this post, asked each round; the same tuple for as
    long as nothing changed.
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
        self._frames = CameraSupply(open_camera, down_s=down_s, monotonic=monotonic)
        self._trust = TrustSupply(open_trust, monotonic=monotonic)
        self._lamp, self._hub = lamp, hub
        self._config = config or GateConfig()
        self._zone = ZoneInfo(time_zone)
        self._phone = phone
        self._monotonic = monotonic
        self._reading: Callable[[], Reading] = (
            timesources.reading if clock is None else lambda: Reading(clock(), _BY_HAND, monotonic())
        )
        self._clock_watch = ClockWatch()
        self._on_answer = on_answer
        self._read = read
        self._orders = orders
        self._watch = self._new_watch()
        self._assembly = Assembly(self._config.parts_s)
        self._session = Session(context, lasts_s=hub.clear_s)
        self._view = InView(lasts_s=hub.clear_s)
        self._basis: Basis | None = None
        self._judged_by: _JudgedBy | None = None
        self._shown = _Shown(Signal.BOOT)
        self._standing_at = float("-inf")
        self._standing: Facts = of_standing(None, self._reading().wall, None, self._zone)
        self._unfit: tuple[Finding, ...] = ()
        self._faults = 0
        self._fault_now = False
        self._lamp_down = False
        self._beat = monotonic()
        self._stalled = False
        self._speaking = threading.Lock()
        self.timings = Timings()
        self._version = importlib.metadata.version("vaxgate")
        hub.set_health(self.health)
        hub.set_journey(self.journey)
        if context.profile is Profile.AIRLINE:
            hub.tellable = TELLABLE

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
            self._leave_behind()
            self._frames.close()
            self._trust.close()

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
            return pause_after(self._faults)

    def _round(self) -> float:
        # 1. What the unit knows: trust list, clock.
        snapshot = self._trust.snapshot()
        reading = self._reading()
        now, clock = reading.wall, None
        if snapshot is not None:
            known = self._clock_watch.see(reading, snapshot.clock)
            now, clock = reckoned(reading, known), clock_state(reading, known)
        # 2. What it sees.
        frame = self._frames.frame()
        # 3. Whether it may judge.
        unfit = self._causes(snapshot, now, clock)
        self._unfit = worst_first(unfit)
        self._stand(snapshot, now, clock)
        if self._lamp.fault is not None:
            # Lamp and page say one thing: what stood there is gone, and the unit begins anew.
            self._forget()
            self._lamp.show(Signal.OUT, anew=True)  # raises while the pins are still dead: UNIT_FAULT
            self._out([finding(Reason.UNIT_FAULT, "lamp")])
        self._lamp_down = False
        blocking = [cause for cause in self._unfit if cause.code is not Reason.LIST_EXPIRED]
        if blocking or snapshot is None:
            self._watch = self._new_watch()
            self._leave_behind()
            self._out(self._unfit)
            return 0.0 if frame is not None else 0.1
        basis = self._basis = Basis(
            snapshot.trust, snapshot.bundles, now, clock, snapshot.floor, self._zone,
            self._session.resting, self._orders(),
        )  # fmt: skip
        # 4. What was tapped; whoever is there too long is there no more.
        self._let_go()
        self._hear(basis)
        # 5. What is new in the frame, judged; a list that is out of date may still say FAIL.
        self._give_up_waiting()
        if frame is not None:
            self._see(frame, basis)
        # 6. Other rules, or another list, for what stands.
        self._keep_up(basis)
        # 7. A result has its time; then the unit is ready, or says that it is not.
        self._settle(frame is not None)
        return 0.0

    def _causes(self, snapshot: Snapshot | None, now: datetime, clock: ClockState | None) -> list[Finding]:
        causes = []
        if self._trust.fault is not None:
            causes.append(self._trust.fault)
        if clock is ClockState.UNSYNCED:
            causes.append(finding(Reason.CLOCK_UNSURE, "the clock is behind signed time, or was set back"))
        elif snapshot is not None and snapshot.trust.state(now, clock) is ListState.EXPIRED:
            causes += list_findings(snapshot.trust, now, clock)
        if self._frames.down:
            causes.append(finding(Reason.CAMERA_DOWN))
        return causes

    # --- Seeing and judging ---------------------------------------------------------------------------------

    def _see(self, frame: Frame, basis: Basis) -> None:
        before = time.perf_counter_ns()
        found = self._read(frame.luma)
        micros = {"picture": (time.perf_counter_ns() - before) // 1000}
        sighting = self._watch.see(found, frame.taken)
        codes = [
            (scan.payload, frozenset((scan.mark,))) for scan in sighting.scans if not part_in(scan.payload)
        ]
        gathered = self._gather(found, sighting)
        in_view = {code.mark for code in found.codes}
        if isinstance(gathered, Whole):
            codes.append((gathered.text, gathered.marks))
        new, strange = [], []
        for payload, marks in codes:
            judgement = judge(payload, basis)
            micros |= judgement.micros
            if judgement.verdict.state is State.RESCAN:
                strange.append((judgement.verdict, marks))
            else:
                new.append(Held(marks, judgement.opened, judgement.assessment))
        people = self._view.see(new, in_view, self._known, self._monotonic())
        if people:
            if new:
                self._assembly.forget()  # another code is another traveller
            counted = sum(any(each in new for each in person) for person in people)
            self._answer(people, basis, micros, frame.taken, counted)
            gathered = None
        # A web link beside the certificate that is being shown, or gathered, takes nothing away.
        elif strange and not in_view & (self._shown.marks | self._assembly.marks):
            self._assembly.forget()
            verdict, marks = strange[0]
            self._present(verdict, micros, frame.taken, marks)
            gathered = None
        stands = self._shown.signal is not Signal.RESCAN and bool(in_view & self._shown.marks)
        if isinstance(gathered, Mixed) and not stands:
            self._present(without_code(Reason.INCOMPLETE, "parts of two codes in view"), micros, frame.taken)
        elif isinstance(gathered, Waiting) and not stands:
            self._shown.until, self._shown.marks = 0.0, frozenset()  # the next traveller's code has begun
        elif sighting.unreadable:
            self._present(without_code(Reason.UNREADABLE), micros, frame.taken)
        shown = self._shown
        seen = [at for mark in shown.marks if (at := self._watch.last_seen(mark)) is not None]
        if seen:
            shown.until = min(max(seen) + self._config.hold_s, shown.since + LONGEST_HOLD_S)

    def _known(self, mark: bytes) -> bool:
        return self._watch.last_seen(mark) is not None

    def _answer(
        self,
        people: Sequence[Sequence[Held]],
        basis: Basis,
        micros: dict[str, int],
        taken: float,
        counted: int,
    ) -> None:
        """One person's certificates, with what they have shown before; or a list of several persons."""
        marks = frozenset(mark for person in people for each in person for mark in each.marks)
        before = time.perf_counter_ns()
        if len(people) == 1 and people[0][-1].holder is not None:
            self._session.take(people[0], self._monotonic())
            verdicts = [self._session.answer(basis)]
        else:
            self._session.end()  # several persons, or one of whom nothing is proven
            basis = replace(basis, context=self._session.resting)
            verdicts = [judged_together(person, basis) for person in people]
        micros["rules"] = (time.perf_counter_ns() - before) // 1000
        self._present_all(verdicts, basis, micros, taken, marks, counted)

    # --- Taps, and rules that change ------------------------------------------------------------------------

    def _hear(self, basis: Basis) -> None:
        """Do what was tapped."""
        for tap in self._hub.taps():
            now = self._monotonic()
            match tap:
                case taps.Tell(members):
                    try:
                        self._session.tell(members, now)
                    except ContextError as error:
                        talk.error("a tap that says nothing: %s", error)
                        continue
                    self._judge_anew(basis)
                case taps.Read(document):
                    self._session.read(document, now)
                    self._judge_anew(basis)
                case taps.Born(day):
                    self._session.born(day, now)
                    self._judge_anew(basis)
                case taps.NoCertificate():
                    self._session.no_certificate(now)
                    self._judge_anew(basis, counted=1)
                case taps.Unread(what):
                    self._present(without_code(Reason.IDENTITY_UNREAD, what), {})
                case taps.Stay():
                    self._session.stay(now)
                    self._hub.stay()
                case taps.Next():
                    self._leave_behind()
                    self._hub.forget()
                    self._shown.until, self._shown.marks = 0.0, frozenset()
                    self._speak(Signal.READY, of_signal(Signal.READY))
                    self._shown = _Shown(Signal.READY)
                case _:
                    assert_never(tap)

    def _judge_anew(self, basis: Basis, counted: int = 0) -> None:
        """The answer to what is here by what is known now; without a certificate, that it is waited for."""
        if not self._session.answers:
            if self._shown.signal is Signal.READY:
                self._speak(Signal.READY, self._ready())
            return
        verdict = self._session.answer_anew(basis)
        for found in verdict.reasons:
            if found.code is Reason.EXEMPT_ROLE:
                talk.info("exempt by role: %s", self._session.context.role)
        shown = self._shown
        marks, since = (shown.marks, shown.since) if shown.verdicts else (frozenset[bytes](), None)
        self._present_all([verdict], basis, {}, None, marks, counted, since)

    def _keep_up(self, basis: Basis) -> None:
        """Judge anew what stands on the lamp, once other rules or another list are in force."""
        shown, by = self._shown, self._judged_by
        if by is None or not shown.verdicts or by.holds(basis):
            return
        listed = self._view.listed
        if self._session.answers:
            verdicts = [self._session.answer_anew(basis)]
        elif listed:
            people = [assessed_anew(person, basis) for person in listed]
            self._view.renew([each for person in people for each in person])
            verdicts = [judged_together(person, basis) for person in people]
        else:
            # Nobody is known here any more: a code that is still held up is read once more.
            self._judged_by = None
            self._watch = self._new_watch()
            self._view.forget()
            return
        self._judged_by = _JudgedBy(basis.trust, basis.bundles, basis.orders, judged_until(basis, verdicts))
        if [_gist(each) for each in verdicts] != [_gist(each) for each in shown.verdicts]:
            self._present_all(verdicts, basis, {}, None, shown.marks, 0, shown.since)

    def _let_go(self) -> None:
        """Whoever was here for long enough is here no more."""
        now = self._monotonic()
        self._view.expire(now)
        if self._session.expire(now):
            self._hub.forget()

    def _leave_behind(self) -> None:
        """Nothing of whoever was here stays."""
        self._assembly.forget()
        self._session.end()
        self._view.expire(float("inf"))
        self._judged_by = None

    def _gather(self, found: Look, sighting: Sighting) -> Waiting | Whole | Mixed | None:
        """What has become of a many-part code; ``None`` when no new part is there.

        A new part brings along those beside it that are still in view: after a time-out they are no new
        Scans. Parts of the code whose result stands are that code, still held up.
        """
        standing = self._shown.marks
        if not any(scan.mark not in standing and part_in(scan.payload) for scan in sighting.scans):
            return None
        parts = {
            code.mark: part
            for code in found.codes
            if code.mark not in standing and (part := part_in(code.payload)) is not None
        }
        return self._assembly.take(parts, self._monotonic())

    def _give_up_waiting(self) -> None:
        """Say that a part is missing, once the next one took too long and nothing else stands on the lamp."""
        late = self._assembly.expired(self._monotonic())
        if late is not None and self._shown.waiting is not None:
            self._present(without_code(Reason.INCOMPLETE, str(late)), {})

    def _present(
        self,
        verdict: Verdict,
        micros: dict[str, int],
        taken: float | None = None,
        marks: frozenset[bytes] = frozenset(),
    ) -> None:
        """Lamp, then page: an answer to no certificate. taken, marks: as in :meth:`_show`."""
        self._show([verdict], of_verdict(verdict, phone=self._phone), micros, taken=taken, marks=marks)
        self._shown.verdicts = ()

    def _present_all(
        self,
        verdicts: Sequence[Verdict],
        basis: Basis,
        micros: dict[str, int],
        taken: float | None,
        marks: frozenset[bytes],
        counted: int,
        since: float | None = None,
    ) -> None:
        """Lamp, then page: the answer to one person's certificates, or to each of several."""
        context = self._session.context
        zone, phone = self._zone, self._phone
        why = None
        if len(verdicts) == 1:
            (verdict,) = verdicts
            today = None if basis.now is None else basis.now.astimezone(zone).date()
            facts = of_verdict(verdict, phone=phone, context=context, zone=zone, today=today)
            why = lambda: why_facts(verdict, zone)  # noqa: E731 - computed when somebody asks
        else:
            facts = of_people(verdicts, phone=phone, gate=context.profile is Profile.GATE)
        self._show(verdicts, facts, micros, taken=taken, marks=marks, counted=counted, since=since, why=why)
        self._judged_by = _JudgedBy(basis.trust, basis.bundles, basis.orders, judged_until(basis, verdicts))

    def _show(
        self,
        verdicts: Sequence[Verdict],
        facts: Facts,
        micros: dict[str, int],
        *,
        taken: float | None = None,
        marks: frozenset[bytes] = frozenset(),
        counted: int = 1,
        since: float | None = None,
        why: Callable[[], Facts] | None = None,
    ) -> None:
        """Lamp, then page.

        taken: when the frame was, where there is one. marks: of the codes that were judged. counted: so many
        results are new. since: when a result was first shown that is judged anew.
        """
        signal = Signal(facts["signal"])
        before = time.perf_counter_ns()
        with self._speaking:
            if self._stalled:
                raise _StalledError
            self._hub.forget()  # the old name is gone before the new colour is there
            self._lamp.show(signal, anew=True)
            micros["lamp"] = (time.perf_counter_ns() - before) // 1000
            if taken is not None:
                micros["total"] = int((self._monotonic() - taken) * 1_000_000)
            self._hub.publish(facts, result=counted, why=why)
        now = self._monotonic()
        self._shown = _Shown(
            signal,
            _said(verdicts[0].reasons),
            marks,
            now if since is None else since,
            now + self._config.hold_s,
            verdicts=tuple(verdicts),
        )
        training = self._hub.training
        if not training and counted:
            self.timings.add(micros)
        if self._on_answer is not None:
            for verdict in verdicts:
                self._on_answer(Answer(verdict, micros, training, again=not counted))

    def _settle(self, sees: bool) -> None:
        shown = self._shown
        if shown.until and self._monotonic() < shown.until:
            return
        waiting = self._assembly.waiting
        if self._unfit:
            self._out(self._unfit)
        elif waiting is not None:
            if shown.waiting != waiting:
                self._speak(Signal.READY, of_waiting(waiting.have, waiting.count))
                self._shown = _Shown(Signal.READY, waiting=waiting)
        elif shown.signal is not Signal.READY and (sees or shown.signal is not Signal.BOOT):
            self._speak(Signal.READY, self._ready(), keep_last=bool(shown.until))
            self._shown = _Shown(Signal.READY)

    # --- Speaking -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Show that the unit is starting. Raises LampError."""
        self._speak(Signal.BOOT, of_signal(Signal.BOOT))
        self._shown = _Shown(Signal.BOOT)

    def _ready(self) -> Facts:
        """Ready for a code, or for the code that belongs to a passport."""
        traveller = self._session.context.traveller
        if traveller is None or self._session.answers:
            return of_signal(Signal.READY)
        return of_traveller(traveller)

    def _speak(self, signal: Signal, facts: Facts, *, keep_last: bool = False) -> None:
        with self._speaking:
            if self._stalled:
                raise _StalledError
            self._lamp.show(signal)
            self._hub.publish(facts, keep_last=keep_last)

    def _out(self, causes: Iterable[Finding]) -> None:
        """Lamp and page to OUT; the page also when the lamp cannot."""
        found = tuple(causes)
        said = _said(found)
        if self._shown.signal is Signal.OUT and self._shown.said == said and not self._shown.until:
            return
        with self._speaking:
            self._lamp_to_out()
            self._hub.publish(of_findings(Signal.OUT, found, phone=self._phone))
        self._unfit = found
        self._shown = _Shown(Signal.OUT, said)

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
        self._leave_behind()
        self._view.forget()
        self._shown = _Shown(Signal.OUT, until=-1.0)

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
        facts = of_standing(snapshot, now, clock, self._zone, self._session.resting)
        self._standing = facts
        self._hub.stand(facts)

    def journey(self) -> Facts:
        """What can be told of the journey, and what was: for the page, from any thread."""
        basis, session = self._basis, self._session
        if basis is None:
            return offered(None, None, session.context, self._reading().wall.astimezone(self._zone))
        held = session.held
        policy = replace(basis, context=session.context).policy(held[-1].assessment if held else None)
        now = self._reading().wall if basis.now is None else basis.now
        return offered(policy.bundle, policy.order, session.context, now.astimezone(self._zone))

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
        fault = self._trust.fault
        return {
            "state": state.value,
            "training": self._hub.training,
            "reasons": causes,
            "list": self._standing["list"],
            "clock": self._standing["clock"] and self._standing["clock"]["state"],
            "camera": "down" if self._frames.down else "ok",
            "storage": "ok" if fault is None else storage[fault.code],
            "lamp": "down" if self._lamp_down or self._lamp.fault is not None else "ok",
            "version": self._version,
            "micros": self.timings.percentiles(),
        }


def _said(findings: Iterable[Finding]) -> tuple[tuple[Reason, str], ...]:
    return tuple((found.code, found.detail) for found in findings)


def _gist(verdict: Verdict) -> object:
    """What would make it another answer."""
    named = [None if each is None else (each.name, each.version) for each in (verdict.bundle, verdict.order)]
    return verdict.state, _said(verdict.reasons), verdict.duties, named


def _place_of(error: BaseException) -> str:
    """Kind and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
