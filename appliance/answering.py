"""From codes and taps to answers: what is new, whose it is, and what stands on lamp and page.

The rules this module keeps:

* Codes of one person are judged together, in a session that lasts no longer than the page may say the name.
  Of several persons each has a line, and nobody's name stands under another's colour.
* A tap is heard for the traveller whom it was meant for, and for nobody where several are listed.
* What an officer taps, and rules that begin or end while a result stands, are answered at once: the same
  codes are judged anew, and lamp and page show the new answer. Such an answer is not one more result.
* A part of a many-part code is no answer: the unit stays ready and the page counts, until the code is whole
  or its next part takes too long.
* In training nothing is counted: no result, and no time of one.

    answering = Answering(voice, hub, config=GateConfig(), site=context, zone=zone)
    answering.hear(basis)
    answering.see(sight, basis)                  # judges what is new, shows it
    answering.settle(unfit, sees=True)           # a result has its time; then READY, or OUT
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from time import perf_counter_ns
from typing import assert_never

from appliance.assembly import Assembly, Mixed, Waiting, Whole, part_in
from appliance.config import GateConfig
from appliance.eyes import Sight
from appliance.inview import InView
from appliance.judging import Basis, prove
from appliance.kiosk import taps
from appliance.kiosk.facts import of_people, of_signal, of_traveller, of_verdict, of_waiting, worst_of
from appliance.kiosk.hub import Hub
from appliance.kiosk.plain import Facts
from appliance.kiosk.why import why_facts
from appliance.reader.passes import Look
from appliance.scanner import Sighting, Watch
from appliance.session import Held, Session, assessed_anew, judged_together, judged_until
from appliance.signals import Signal, signal_of
from appliance.timings import Timings, steps_of
from appliance.voice import Voice
from verifier.assessment import Assessment
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Context, Profile
from verifier.policy.context_json import ContextError
from verifier.reasons import Finding, Reason, State, state_of
from verifier.times import is_over
from verifier.trust import TrustList
from verifier.verdict import Verdict, decide, without_code

talk = logging.getLogger("vaxgate.gate")

# A result is taken down after this many seconds also when its code is left in view.
LONGEST_HOLD_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict with what it took: microseconds by step, as :data:`appliance.timings.STEPS` has them.

    training: it was given by test keys, and counts for nothing. again: the same codes were judged anew.
    """

    verdict: Verdict
    micros: Mapping[str, int]
    training: bool = False
    again: bool = False


@dataclass(slots=True)
class _Shown:
    """What stands on lamp and page."""

    signal: Signal
    said: tuple[tuple[Reason, str], ...] = ()  # codes with their details: an age moves on while it stands
    marks: frozenset[bytes] = frozenset()  # of the codes that were judged, or of all their parts
    since: float = 0.0
    until: float = 0.0
    waiting: Waiting | None = None  # READY, with so many parts of a code
    gists: tuple[object, ...] = ()  # of verdicts on certificates: of one person, or of each of several


@dataclass(frozen=True, slots=True)
class _JudgedBy:
    """What the answer on the lamp rests on, and until when its rules hold."""

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    orders: tuple[RuleBundle, ...]
    until: datetime | None

    @classmethod
    def of(cls, basis: Basis, verdicts: Sequence[Verdict]) -> _JudgedBy:
        return cls(basis.trust, basis.bundles, basis.orders, judged_until(basis, verdicts))

    def holds(self, basis: Basis) -> bool:
        same = self.trust is basis.trust and self.bundles is basis.bundles and self.orders is basis.orders
        return same and (self.until is None or basis.now is None or basis.now < self.until)


@dataclass(slots=True)
class _Taken:
    """How an answer came: what its frame showed, microseconds of judging, the codes, how many results are
    new, and since when a result stands that is judged anew.
    """

    sight: Sight | None = None
    micros: Counter[str] = field(default_factory=Counter)
    marks: frozenset[bytes] = frozenset()
    counted: int = 1
    since: float | None = None


class Answering:
    """One desk. site: what is known of every journey here. on_answer: is told each answer, after lamp and
    page.
    """

    def __init__(
        self,
        voice: Voice,
        hub: Hub,
        *,
        config: GateConfig,
        site: Context,
        zone: tzinfo,
        phone: str,
        monotonic: Callable[[], float],
        on_answer: Callable[[Answer], None] | None,
    ) -> None:
        self._voice, self._hub, self._config = voice, hub, config
        self._zone, self._phone = zone, phone
        self._monotonic, self._on_answer = monotonic, on_answer
        self._watch = self._new_watch()
        self._assembly = Assembly(config.parts_s)
        self._view = InView(lasts_s=hub.clear_s)
        self._shown = _Shown(Signal.BOOT)
        self._judged_by: _JudgedBy | None = None
        self.session = Session(site, lasts_s=hub.clear_s)
        self.timings = Timings()

    @property
    def signal(self) -> Signal:
        """What stands on the lamp."""
        return self._shown.signal

    @property
    def parts(self) -> Waiting | None:
        """How many parts of a code wait for the others."""
        return self._assembly.waiting

    # --- What is before the camera ----------------------------------------------------------------------

    def see(self, sight: Sight, basis: Basis) -> None:
        """What is new in a frame, judged and shown."""
        found = sight.look
        sighting = self._watch.see(found, sight.at)
        codes = [
            (scan.payload, frozenset((scan.mark,))) for scan in sighting.scans if not part_in(scan.payload)
        ]
        gathered = self._gather(found, sighting)
        in_view = {code.mark for code in found.codes}
        if isinstance(gathered, Whole):
            codes.append((gathered.text, gathered.marks))
        micros: Counter[str] = Counter()  # of all codes together
        new: list[Held] = []
        strange: list[tuple[Verdict, frozenset[bytes]]] = []
        for payload, marks in codes:
            known = self._just_judged(marks, basis)
            if known is not None:
                new.append(known)
                continue
            proof = prove(payload, basis)
            micros.update(proof.micros)
            if state_of(proof.assessment.findings) is State.RESCAN:
                strange.append((decide(proof.assessment, basis.policy(proof.assessment)), marks))
            else:
                new.append(Held(marks, proof.opened, proof.assessment))
        people = self._view.see(new, in_view, self._known, self._monotonic())
        if people:
            if new:
                self._assembly.forget()  # another code is another traveller
            counted = sum(any(each in new for each in person) for person in people)
            self._answer(people, basis, _Taken(sight, micros, counted=counted))
            gathered = None
        # A web link beside the certificate that is being shown, or gathered, takes nothing away.
        elif strange and not in_view & (self._shown.marks | self._assembly.marks):
            self._assembly.forget()
            verdict, marks = strange[0]
            self._present(verdict, _Taken(sight, micros, marks))
            gathered = None
        stands = self._shown.signal is not Signal.RESCAN and bool(in_view & self._shown.marks)
        if isinstance(gathered, Mixed) and not stands:
            mixed = without_code(Reason.INCOMPLETE, "parts of two codes in view")
            self._present(mixed, _Taken(sight, micros))
        elif isinstance(gathered, Waiting) and not stands:
            self._shown.until, self._shown.marks = 0.0, frozenset()  # the next traveller's code has begun
        elif sighting.unreadable:
            self._present(without_code(Reason.UNREADABLE), _Taken(sight, micros))
        shown = self._shown
        seen = [at for mark in shown.marks if (at := self._watch.last_seen(mark)) is not None]
        if seen:
            shown.until = min(max(seen) + self._config.hold_s, shown.since + LONGEST_HOLD_S)

    def _just_judged(self, marks: frozenset[bytes], basis: Basis) -> Held | None:
        """What was proven of this code a moment ago, for whoever stands here, by the same list and clock.

        A code that was out of view for longer than it may flicker is one more result, judged by the rules of
        now; its signature is what it was, unless its time or the list's has run out since. It is forgotten
        with the session.
        """
        if self._judged_by is None or self._judged_by.trust is not basis.trust:
            return None
        held = (each for each in self.session.held if each.marks == marks)
        return next((each for each in held if _holds(each.assessment, basis)), None)

    def _known(self, mark: bytes) -> bool:
        return self._watch.last_seen(mark) is not None

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

    def give_up_waiting(self) -> None:
        """Say that a part is missing, once the next one took too long and nothing else stands on the lamp."""
        late = self._assembly.expired(self._monotonic())
        if late is not None and self._shown.waiting is not None:
            self._present(without_code(Reason.INCOMPLETE, str(late)), _Taken())

    def _answer(self, people: Sequence[Sequence[Held]], basis: Basis, taken: _Taken) -> None:
        """One person's certificates, with what they have shown before; or a list of several persons."""
        taken.marks = frozenset(mark for person in people for each in person for mark in each.marks)
        before = perf_counter_ns()
        if len(people) == 1 and people[0][-1].holder is not None:
            self.session.take(people[0], self._monotonic())
            verdicts = [self.session.answer(basis)]
        else:
            self.session.end()  # several persons, or one of whom nothing is proven
            basis = replace(basis, context=self.session.resting)
            verdicts = [judged_together(person, basis) for person in people]
        taken.micros["rules"] += (perf_counter_ns() - before) // 1000
        self._present_all(verdicts, basis, taken)

    # --- Taps, and rules that change --------------------------------------------------------------------

    def hear(self, basis: Basis) -> None:
        """Do what was tapped; and whoever has been here for long enough is here no more."""
        now = self._monotonic()
        self._view.expire(now)
        if self.session.expire(now):
            self._hub.forget()
        for tap, session in self._hub.taps():
            if session is None or session == self.session.number:
                self._do(tap, basis, now)

    def _do(self, tap: taps.Tap, basis: Basis, now: float) -> None:
        if isinstance(tap, taps.Tell | taps.Born | taps.NoCertificate):
            if len(self._shown.gists) > 1:
                return  # of several persons nobody knows who is meant
            if self.session.answers and not self._hub.personal:
                self.session.end()  # their name has left the page: it is about whoever comes now
                self._hub.forget()
        match tap:
            case taps.Tell(members):
                try:
                    self.session.tell(members, now)
                except ContextError as error:
                    talk.error("a tap that says nothing: %s", error)
                    return
                self._judge_anew(basis)
            case taps.Read(document):
                self.session.read(document, now)
                self._judge_anew(basis)
            case taps.Born(day):
                today = self._today(basis)
                if today is not None:
                    self.session.born(day, now, today)
                self._judge_anew(basis)
            case taps.NoCertificate():
                counted = int(not self.session.without)
                self.session.no_certificate(now)
                self._judge_anew(basis, counted=counted)
            case taps.Unread(what):
                self._present(without_code(Reason.IDENTITY_UNREAD, what), _Taken())
            case taps.Stay():
                self.session.stay(now)
                self._hub.stay()
            case taps.Next():
                self.leave_behind()
                self._hub.forget()
                self._voice.say(Signal.READY, of_signal(Signal.READY))
                self._shown = _Shown(Signal.READY)
            case _:
                assert_never(tap)

    def _judge_anew(self, basis: Basis, counted: int = 0) -> None:
        """The answer to what is here by what is known now; without a certificate, that it is waited for."""
        if not self.session.answers:
            ready = self._shown.signal is Signal.READY and self._shown.waiting is None
            if ready or self.session.context.traveller is not None:  # the next traveller has begun
                self._voice.say(Signal.READY, self._ready())
                self._shown = _Shown(Signal.READY)
            elif self._shown.gists:
                self._look_again()
            return
        verdict = self.session.answer_anew(basis)
        if any(found.code is Reason.EXEMPT_ROLE for found in verdict.reasons):
            talk.info("exempt by role: %s", self.session.context.role)
        taken = _Taken(counted=counted)
        if self._shown.gists:
            taken.marks, taken.since = self._shown.marks, self._shown.since
        self._present_all([verdict], basis, taken)

    def keep_up(self, basis: Basis) -> None:
        """Judge anew what stands on the lamp, once other rules or another list are in force (SC-L02)."""
        shown, by = self._shown, self._judged_by
        if by is None or not shown.gists or by.holds(basis):
            return
        listed = self._view.listed
        if self.session.answers:
            verdicts = [self.session.answer_anew(basis)]
        elif listed:
            people = [assessed_anew(person, basis) for person in listed]
            self._view.renew([each for person in people for each in person])
            verdicts = [judged_together(person, basis) for person in people]
        else:
            self._look_again()
            return
        self._judged_by = _JudgedBy.of(basis, verdicts)
        if tuple(_gist(each) for each in verdicts) != shown.gists:
            self._present_all(verdicts, basis, _Taken(marks=shown.marks, counted=0, since=shown.since))

    def _look_again(self) -> None:
        """A result stands and nobody is known here any more: a code that is still held up is read anew."""
        self._judged_by = None
        self._watch = self._new_watch()
        self._view.forget()

    # --- Showing ------------------------------------------------------------------------------------------

    def _present(self, verdict: Verdict, taken: _Taken) -> None:
        """An answer to what is no certificate."""
        self._show([verdict], lambda: of_verdict(verdict, phone=self._phone), taken)
        self._shown.gists = ()

    def _present_all(self, verdicts: Sequence[Verdict], basis: Basis, taken: _Taken) -> None:
        """The answer to one person's certificates, or to each of several persons'."""
        context, zone = self.session.context, self._zone
        if len(verdicts) == 1:
            (verdict,) = verdicts
            without, today = self.session.without, self._today(basis)

            def facts() -> Facts:
                said = of_verdict(verdict, phone=self._phone, context=context, zone=zone, today=today)
                return {**said, "without": without}

            self._show(verdicts, facts, taken, why=lambda: why_facts(verdict, zone))
        else:
            gate = context.profile is Profile.GATE
            self._show(verdicts, lambda: of_people(verdicts, phone=self._phone, gate=gate), taken)
        self._judged_by = _JudgedBy.of(basis, verdicts)

    def _today(self, basis: Basis) -> date | None:
        return None if basis.now is None else basis.now.astimezone(self._zone).date()

    def _show(
        self,
        verdicts: Sequence[Verdict],
        facts: Callable[[], Facts],
        taken: _Taken,
        why: Callable[[], Facts] | None = None,
    ) -> None:
        """The lamp first, the page next; then whoever keeps a record of answers (``on_answer``): what stands
        on a card or goes through a pipe may take its time.
        """
        signal = signal_of(worst_of(verdicts).state)
        spoken = self._voice.show(signal, facts, result=taken.counted, why=why)
        micros = steps_of(taken.sight, taken.micros, spoken)
        now = self._monotonic()
        self._shown = _Shown(
            signal,
            said(verdicts[0].reasons),
            taken.marks,
            now if taken.since is None else taken.since,
            now + self._config.hold_s,
            gists=tuple(_gist(each) for each in verdicts),
        )
        training = self._hub.training
        if not training and taken.counted:
            self.timings.add(micros)
        if self._on_answer is not None:
            for verdict in verdicts:
                self._on_answer(Answer(verdict, micros, training, again=not taken.counted))

    def settle(self, unfit: Sequence[Finding], *, sees: bool) -> None:
        """A result has its time; then the unit is ready, or says that it is not. sees: there was a frame."""
        shown = self._shown
        if shown.until and self._monotonic() < shown.until:
            return
        waiting = self._assembly.waiting
        if unfit:
            self.out(unfit)
        elif waiting is not None:
            if shown.waiting != waiting:
                self._voice.say(Signal.READY, of_waiting(waiting.have, waiting.count))
                self._shown = _Shown(Signal.READY, waiting=waiting)
        elif shown.signal is not Signal.READY and (sees or shown.signal is not Signal.BOOT):
            self._voice.say(Signal.READY, self._ready(), keep_last=bool(shown.until))
            self._shown = _Shown(Signal.READY)

    def _ready(self) -> Facts:
        """Ready for a code, or for the code that belongs to a passport."""
        traveller = self.session.context.traveller
        if traveller is None or self.session.answers:
            return of_signal(Signal.READY)
        return of_traveller(traveller)

    def boot(self) -> None:
        """The unit is starting. Raises LampError."""
        self._voice.say(Signal.BOOT, of_signal(Signal.BOOT))
        self._shown = _Shown(Signal.BOOT)

    def out(self, causes: Sequence[Finding]) -> bool:
        """The unit must not judge now; whether that is news."""
        why = said(causes)
        if self._shown.signal is Signal.OUT and self._shown.said == why and not self._shown.until:
            return False
        self._voice.out(causes)
        self._shown = _Shown(Signal.OUT, why)
        return True

    # --- Forgetting -----------------------------------------------------------------------------------------

    def look_away(self) -> None:
        """The unit may not judge: what it has seen it sees anew, nobody stays, and nothing is heard."""
        self._watch = self._new_watch()
        self.leave_behind()
        self._hub.taps()

    def forget(self) -> None:
        """Begin anew: whatever was shown or seen counts no more."""
        self.look_away()
        self._view.forget()
        self._shown = _Shown(Signal.OUT, until=-1.0)

    def leave_behind(self) -> None:
        """Nothing of whoever was here stays."""
        self._assembly.forget()
        self.session.end()
        self._view.expire(float("inf"))
        self._judged_by = None

    def _new_watch(self) -> Watch:
        return Watch(same_code_s=self._config.same_code_s, damaged_s=self._config.damaged_s)


def _holds(assessment: Assessment, basis: Basis) -> bool:
    """Whether nothing has run out between the assessment and now."""
    before, now, certificate = assessment.now, basis.now, assessment.certificate
    if assessment.clock is not basis.clock or before is None or now is None:
        return False
    expires = None if certificate is None else certificate.expires_at
    if expires is not None and is_over(expires, now) is not is_over(expires, before):
        return False
    return assessment.list_state is basis.trust.state(now, basis.clock)


def said(findings: Iterable[Finding]) -> tuple[tuple[Reason, str], ...]:
    """Codes with their details."""
    return tuple((found.code, found.detail) for found in findings)


def _gist(verdict: Verdict) -> object:
    """What would make it another answer."""
    named = [None if each is None else (each.name, each.version) for each in (verdict.bundle, verdict.order)]
    return verdict.state, said(verdict.reasons), verdict.duties, named
