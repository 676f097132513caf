"""Who stands here: the certificates, the travel document and the journey of one traveller, for a short while.

The rules this module keeps:

* In memory alone. It ends with "next", ``lasts_s`` after the last certificate or tap, and with whatever else
  the gate forgets: what is known here is never known for longer than the page may say the name.
* Certificates of one person only. Names and birth dates must agree; another person's begins a new session,
  and the two are never judged together.
* A travel document stays with its traveller. It waits for a certificate, and goes once a certificate that
  agreed with it is followed by somebody else's.
* A journey is the traveller's and goes with them: with somebody else's certificate or document nothing that
  was told stays. At an airline's desk the flight stays until it is changed.
* Whoever stands here has a number, so that what was meant for one is not heard for the next.
* Whatever is new (a tap, other rules, another list), the same codes are assessed and judged anew, with the
  time of now. Nothing has to be shown a second time.
* Pure: time is a ``now`` in seconds of one clock that never goes back.

    session = Session(site_context, lasts_s=15.0)
    session.take([Held(marks, opened, assessment)], now=3.0)
    session.tell({"departure": "2022-03-23T08:00:00+07:00"}, now=9.0)
    session.answer(basis)                       # the Verdict; session.context was taken in
    session.expire(now=24.1)                    # True: nobody is known here any more
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from appliance.judging import Basis, prove
from verifier.assessment import Assessment
from verifier.births import BirthMatch, compare_births, possible_births, read_birth
from verifier.certificate import Holder
from verifier.identity import Traveller, match_identity, same_person
from verifier.mrz import TravelDocument
from verifier.opening import OpenedCode
from verifier.policy.context import Context, Profile
from verifier.policy.context_json import read_context
from verifier.reasons import State, state_of
from verifier.times import time_bounds
from verifier.verdict import Verdict, decide, decide_without_certificate

MAX_HELD = 8  # certificates of one person; the oldest goes
LONGEST_S = 300.0  # from a certificate or document to the end, however often somebody taps

# At an airline's desk these are the flight's, and the same for everybody on it.
_FLIGHT = ("journey", "country", "mode", "arrival", "departure", "longest", "flight", "origin")


@dataclass(frozen=True, slots=True, repr=False)
class Held:
    """One certificate as it was read. marks: of the code, or of all its parts."""

    marks: frozenset[bytes]
    opened: OpenedCode
    assessment: Assessment

    @property
    def holder(self) -> Holder | None:
        """Whose it is; ``None`` when nothing was proven."""
        certificate = self.assessment.certificate
        return None if certificate is None else certificate.holder


def by_person(found: Iterable[Held]) -> list[list[Held]]:
    """Codes in view, gathered by the person whose they are; one that proves nothing stands alone.

    So does one that agrees with some of a person's and not with all: part of a birth date may be of two.
    In each, what fails by itself comes last: it is judged, and the others speak beside it.
    """
    people: list[list[Held]] = []
    for each in found:
        for person in people:
            if all(_same(other.holder, each.holder) for other in person):
                person.append(each)
                break
        else:
            people.append([each])
    for person in people:
        person.sort(key=_fails)
    return people


def _fails(one: Held) -> bool:
    return state_of(one.assessment.findings) is State.FAIL


def _same(one: Holder | None, other: Holder | None) -> bool:
    if one is None or other is None:
        return False
    # Birth dates settle most of it, and comparing names takes longer than the rest of a verdict.
    births = compare_births(read_birth(one.birth_date), read_birth(other.birth_date))
    return births is not BirthMatch.DIFFERENT and same_person(one, other).agrees


def judged_together(held: Sequence[Held], basis: Basis) -> Verdict:
    """The verdict on certificates of one person; the last is the one that was shown last."""
    *earlier, last = (each.assessment for each in held)
    return decide(last, basis.policy(last, earlier), earlier)


def assessed_anew(held: Iterable[Held], basis: Basis) -> tuple[Held, ...]:
    """The same codes, assessed by what is known now."""
    return tuple(replace(each, assessment=prove(each.opened, basis).assessment) for each in held)


class Session:
    """One traveller after another. site: what is known of every journey here. lasts_s: see above."""

    def __init__(self, site: Context, *, lasts_s: float) -> None:
        self._rest = site  # what holds for whoever comes next
        self._lasts_s = lasts_s
        self._until: float | None = None
        self._latest = 0.0
        self.number = 1  # rises with each traveller
        self.context = site
        self.held: tuple[Held, ...] = ()
        self.without = False  # an officer said that there is no certificate

    @property
    def resting(self) -> Context:
        """The journey of whoever comes next: the site's, and at an airline the flight's."""
        return self._rest

    @property
    def answers(self) -> bool:
        """Whether there is something to judge."""
        return bool(self.held) or self.without

    @property
    def begun(self) -> bool:
        """Whether anything is known of a traveller."""
        return self._until is not None

    # --- What comes in

    def take(self, found: Sequence[Held], now: float) -> None:
        """Certificates of one person, seen together, proven, in the order in which they are to be judged."""
        holder = found[-1].holder
        if holder is not None:
            self._make_room(holder)
        marks = frozenset(mark for each in found for mark in each.marks)
        before = tuple(each for each in self.held if not each.marks & marks)
        self.held = (*before, *found)[-MAX_HELD:]
        self._touch(now, anew=True)

    def _make_room(self, holder: Holder) -> None:
        """Nothing of somebody else stays before this certificate, or of one who was said to have none.

        A document of its holder stays; so does one that still waits for its own certificate.
        """
        if not self.without and all(_same(each.holder, holder) for each in self.held):
            return
        traveller = self.context.traveller
        stays = traveller is not None and (
            match_identity(holder, traveller).agrees
            or not (self.without or any(self._agrees(each, traveller) for each in self.held))
        )
        self.end()
        if stays:
            self.context = replace(self.context, traveller=traveller)

    @staticmethod
    def _agrees(held: Held, traveller: Traveller) -> bool:
        return held.holder is not None and match_identity(held.holder, traveller).agrees

    def read(self, document: TravelDocument, now: float) -> None:
        """The lines of a travel document. The next traveller's ends what the one before had shown."""
        before, new = self.context.traveller, Traveller(document)
        if before is None or before.document != document:
            if before is not None or self.without:
                self._next_document(before)
            self.context = replace(self.context, traveller=new)
        self._touch(now, anew=True)

    def _next_document(self, before: Traveller | None) -> None:
        """Another document, or the first of one who has no certificate: what was told may be another's.

        Certificates that agreed with the document before are that traveller's, also where the next one bears
        the same name and birth date (SC-N21).
        """
        held, without = self.held, self.without
        waited = before is not None and not any(self._agrees(each, before) for each in held)
        self.end()
        if waited:
            self.held = held
        self.without = without and before is None

    def born(self, day: date, now: float, today: date) -> None:
        """The birth date that an officer picked where a passport line leaves the century open (SC-D06).

        A day that the line cannot mean is not taken. today: the desk's calendar day.
        """
        traveller = self.context.traveller
        if traveller is None:
            return
        if day not in {each.exact for each in possible_births(traveller.document.birth, today)}:
            return
        self.context = replace(self.context, traveller=replace(traveller, born=day))
        self._touch(now)

    def tell(self, members: Mapping[str, Any], now: float) -> None:
        """What an officer says of the journey, as JSON has it. Raises ContextError."""
        self.context = read_context(members, self.context)
        if self.context.profile is Profile.AIRLINE:
            flight = {name: getattr(self.context, name) for name in _FLIGHT}
            self._rest = replace(self._rest, **flight)
        self._touch(now)

    def no_certificate(self, now: float) -> None:
        """An officer says that this traveller has none; what was shown and told before was not theirs."""
        traveller = self.context.traveller
        if self.held:
            waits = traveller is not None and not any(self._agrees(each, traveller) for each in self.held)
            self.end()
            if waits:
                self.context = replace(self.context, traveller=traveller)
        self.without = True
        self._touch(now, anew=True)

    def stay(self, now: float) -> None:
        """Somebody is still at work with this traveller. Nothing where nobody is known."""
        if self.begun:
            self._touch(now)

    def _touch(self, now: float, *, anew: bool = False) -> None:
        if anew or not self.begun:
            self._latest = now + LONGEST_S
        self._until = min(now + self._lasts_s, self._latest)

    # --- What goes

    def end(self) -> None:
        """Forget this traveller, and the journey with them."""
        if self.begun:
            self.number += 1
        self.context, self.held, self.without, self._until = self._rest, (), False, None

    def expire(self, now: float) -> bool:
        """End it if its time is up; whether it ended."""
        if self._until is None or now < self._until:
            return False
        self.end()
        return True

    # --- What is made of it

    def answer(self, basis: Basis) -> Verdict:
        """The verdict on what is here, by this journey. basis: its own context is not asked."""
        basis = replace(basis, context=self.context)
        if self.held:
            return judged_together(self.held, basis)
        return decide_without_certificate(
            basis.policy(),
            basis.trust,
            now=basis.now,
            clock=basis.clock,
            time=time_bounds(basis.now, basis.clock, basis.floor, basis.zone),
        )

    def answer_anew(self, basis: Basis) -> Verdict:
        """The same after everything was assessed by what is known now."""
        self.held = assessed_anew(self.held, replace(basis, context=self.context))
        return self.answer(basis)


def judged_until(basis: Basis, verdicts: Iterable[Verdict]) -> datetime | None:
    """Until when these verdicts hold as far as rules go: the next instant at which a bundle or an order, or a
    rule of those that judged, begins or ends. ``None``: none will.
    """
    now = basis.now
    if now is None:
        return None
    periods = [(each.begins, each.valid_to) for each in (*basis.bundles, *basis.orders)]
    for verdict in verdicts:
        for bundle in (verdict.bundle, verdict.order):
            rules = () if bundle is None else bundle.rules
            periods += [(rule.valid_from or now, rule.valid_to) for rule in rules]
    return min((at for period in periods for at in period if at is not None and at > now), default=None)
