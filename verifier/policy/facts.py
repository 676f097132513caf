"""What our own rules see: certificates of every family, the journey and the desk, in one tree of values.

The rules this module keeps:

* Every family comes here as the events of :mod:`verifier.certificate`, so one rule judges them all.
* What a document does not say is ``None``; what is known in part is a :class:`~verifier.policy.values.Span`,
  what the desk has not been told an :class:`~verifier.policy.values.Unknown`, each with the reason to show.
* Days are days of the desk's calendar, instants are instants.

    tree = Facts(context, time, holder, value_sets).of(certificate, event, recognition)
    tree["event"]["given"], tree["journey"]["departure"], tree["holder"]["birth"]

The members are listed in ``docs/rules.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, assert_never

from verifier.certificate import (
    Certificate,
    Event,
    Exemption,
    Holder,
    Prophylaxis,
    Recovery,
    Test,
    Vaccination,
)
from verifier.codes import Reason
from verifier.countries import alpha2
from verifier.identity import Traveller, born
from verifier.policy.bundle import On, ValueSet
from verifier.policy.context import Context, Profile
from verifier.policy.values import FAR_AHEAD, LONG_AGO, Span, Unknown
from verifier.recognition import RecognitionClass
from verifier.times import EASTERNMOST, WESTERNMOST, TimeBounds


def kind_of(event: Event) -> On:
    """The word of bundles for an event's kind."""
    match event:
        case Vaccination():
            return On.VACCINATION
        case Test():
            return On.TEST
        case Recovery():
            return On.RECOVERY
        case Exemption():
            return On.EXEMPTION
        case Prophylaxis():
            return On.PROPHYLAXIS
        case _:
            assert_never(event)


def issuing_country(certificate: Certificate) -> str | None:
    """The country whose key signed, alpha-2; where the list does not say, the one that the document names."""
    return alpha2(certificate.key.country) or alpha2(certificate.issuer)


class Facts:
    """The tree for one traveller at one desk at one time; made once, and completed for each event.

    holder: of the certificates, ``None`` where none was shown.
    """

    def __init__(
        self,
        context: Context,
        time: TimeBounds,
        holder: Holder | None,
        value_sets: Mapping[str, ValueSet],
    ) -> None:
        now = _now(time)
        arrival = _arrival(context, now)
        departure = _departure(context, now, arrival)
        self._tree: dict[str, Any] = {
            "event": None,
            "certificate": None,
            "holder": {"birth": _birth(holder, context.traveller, _day(now, time))},
            "journey": {
                "kind": context.journey.value,
                "country": context.country,
                "mode": context.mode and context.mode.value,
                "arrival": arrival,
                "entry": _day(arrival, time),
                "departure": departure,
                "departure_day": _day(departure, time),
                "flight": context.flight,
                "origin": context.origin,
                "area": context.area,
                "role": context.role,
                "paper": context.paper and context.paper.kind,
                "airside": context.airside,
            },
            "desk": {"profile": context.profile.value, "now": now, "today": _day(now, time)},
            "valueSets": value_sets,
        }

    @property
    def person(self) -> Mapping[str, Any]:
        """The tree for rules about the person and the journey alone."""
        return self._tree

    def of(
        self, certificate: Certificate, event: Event, recognition: RecognitionClass | None
    ) -> Mapping[str, Any]:
        """The tree for rules about one event."""
        return self._tree | {
            "event": _event(event),
            "certificate": {
                "family": certificate.family.value,
                "country": issuing_country(certificate),
                "issued": certificate.issued_at,
                "expires": certificate.expires_at,
                "recognition": recognition and recognition.value,
            },
        }


def _event(event: Event) -> dict[str, Any]:
    kind = kind_of(event)
    shared = {"kind": kind.value, "disease": event.disease, "country": alpha2(event.country) or event.country}
    match event:
        case Vaccination():
            return shared | {
                "vaccine": event.vaccine,
                "product": event.product,
                "maker": event.maker,
                "dose": event.dose,
                "doses": event.doses,
                "given": event.given,
                "valid_from": event.valid_from,
                "valid_until": event.valid_until,
            }
        case Test():
            return shared | {
                "test": event.kind,
                "device": event.device,
                "sampled": _sampled(event.sampled),
                "result": event.result,
            }
        case Recovery():
            return shared | {
                "first_positive": event.first_positive,
                "proof": event.proof,
                "valid_from": event.valid_from,
                "valid_until": event.valid_until,
            }
        case Exemption():
            return shared | {"valid_until": event.valid_until}
        case Prophylaxis():
            return shared | {
                "product": event.product,
                "given": event.given,
                "valid_from": event.valid_from,
                "valid_until": event.valid_until,
            }
        case _:
            assert_never(event)


def _sampled(sampled: datetime | None) -> datetime | Span | None:
    """Without an offset a sample was taken somewhere on earth (SC-T13)."""
    if sampled is None or sampled.tzinfo is not None:
        return sampled
    return Span(
        sampled.replace(tzinfo=EASTERNMOST), sampled.replace(tzinfo=WESTERNMOST), Reason.TIME_ZONE_UNKNOWN
    )


def _now(time: TimeBounds) -> datetime | Span | Unknown:
    if time.earliest is None:
        return Unknown(Reason.CLOCK_UNSURE)
    if time.latest == time.earliest:
        return time.earliest
    return Span(time.earliest, time.latest or FAR_AHEAD, Reason.CLOCK_UNSURE)


def _arrival(context: Context, now: datetime | Span | Unknown) -> datetime | Span | Unknown:
    """As told, else now; but nobody arrives before setting out."""
    if context.arrival is not None:
        return context.arrival
    if context.departure is not None and isinstance(now, datetime) and context.departure > now:
        return context.departure
    return now


def _departure(
    context: Context, now: datetime | Span | Unknown, arrival: datetime | Span | Unknown
) -> datetime | Span | Unknown:
    """When the traveller set out: as told, else no later than the arrival and no longer ago than it takes.

    At an airline's desk nobody has set out yet. What contradicts the arrival is asked for again.
    """
    if context.departure is not None:
        late = context.arrival is not None and context.departure > context.arrival
        return Unknown(Reason.NEED_CONTEXT) if late else context.departure
    if context.profile is Profile.AIRLINE:
        if isinstance(now, Unknown):
            return now
        end = FAR_AHEAD if context.arrival is None else max(context.arrival, _bounds(now)[1])
        return Span(_bounds(now)[0], end, Reason.NEED_CONTEXT)
    if isinstance(arrival, Unknown):
        return arrival
    earliest, latest = _bounds(arrival)
    begin = LONG_AGO if context.longest is None else earliest - context.longest
    return Span(begin, latest, Reason.NEED_CONTEXT)


def _bounds(instant: datetime | Span) -> tuple[datetime, datetime]:
    if isinstance(instant, datetime):
        return instant, instant
    assert isinstance(instant.earliest, datetime)
    assert isinstance(instant.latest, datetime)
    return instant.earliest, instant.latest


def _day(instant: datetime | Span | Unknown, time: TimeBounds) -> date | Span | Unknown:
    match instant:
        case Unknown():
            return instant
        case Span():
            earliest, latest = (each.astimezone(time.zone).date() for each in _bounds(instant))
            return Span(earliest, latest, instant.cause)
        case datetime():
            return instant.astimezone(time.zone).date()


def _birth(holder: Holder | None, traveller: Traveller | None, today: date | Span | Unknown) -> Any:
    """The birth date by certificate and travel document together, as far as it is known (SC-D01 to D06)."""
    latest = today.latest if isinstance(today, Span) else today
    known = born(holder, traveller, latest if isinstance(latest, date) else FAR_AHEAD.date())
    if known is None:
        return Unknown(Reason.DOB_PARTIAL)
    return known.exact or Span(known.earliest, known.latest, Reason.DOB_PARTIAL)
