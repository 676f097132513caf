"""What our own rules see: certificates of every family, the journey and the desk, in one tree of plain values.

The rules this module keeps:

* Every family comes here as the events of :mod:`verifier.certificate`, so one rule judges them all.
* What a document does not say is ``None``; what is known in part is a :class:`~verifier.policy.values.Span`,
  what the desk has not been told an :class:`~verifier.policy.values.Unknown`, each with the reason to show.
* Days are days of the desk's calendar, instants are instants.

    tree = Facts(context, time, certificates).of(certificate, event)
    tree["event"]["given"], tree["journey"]["departure"], tree["holder"]["birth"]

The members are listed in ``docs/rules.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
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
from verifier.policy.bundle import On, ValueSet
from verifier.policy.context import Context
from verifier.policy.values import Span, Unknown
from verifier.recognition import RecognitionClass
from verifier.times import EASTERNMOST, WESTERNMOST, TimeBounds

# Bounds of an instant of which nothing is known; far enough that a shift by decades stays in the calendar.
_LONG_AGO, _FAR_AHEAD = datetime(1800, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


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
        arrival: datetime | Span | Unknown = now if context.arrival is None else context.arrival
        self._tree: dict[str, Any] = {
            "event": None,
            "certificate": None,
            "holder": {"birth": birth_of(holder, context, time)},
            "journey": {
                "kind": context.journey.value,
                "country": context.country,
                "mode": context.mode and context.mode.value,
                "arrival": arrival,
                "entry": _day(arrival, time),
                "departure": _departure(context, arrival),
                "departure_day": _day(_departure(context, arrival), time),
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
                "country": alpha2(certificate.key.country) or alpha2(certificate.issuer),
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
    return Span(time.earliest, time.latest or _FAR_AHEAD, Reason.CLOCK_UNSURE)


def _departure(context: Context, arrival: datetime | Span | Unknown) -> datetime | Span | Unknown:
    """When the traveller set out: as told, else no later than the arrival and no longer ago than it takes."""
    if context.departure is not None:
        return context.departure
    if isinstance(arrival, Unknown):
        return arrival
    earliest, latest = (arrival.earliest, arrival.latest) if isinstance(arrival, Span) else (arrival, arrival)
    assert isinstance(earliest, datetime)
    return Span(
        _LONG_AGO if context.longest is None else earliest - context.longest, latest, Reason.NEED_CONTEXT
    )


def _day(instant: datetime | Span | Unknown, time: TimeBounds) -> date | Span | Unknown:
    match instant:
        case Unknown():
            return instant
        case Span(earliest=datetime() as earliest, latest=datetime() as latest):
            return Span(
                earliest.astimezone(time.zone).date(), latest.astimezone(time.zone).date(), instant.cause
            )
        case datetime():
            return instant.astimezone(time.zone).date()
        case _:
            raise AssertionError("a span of days is no span of instants")


def birth_of(holder: Holder | None, context: Context, time: TimeBounds) -> date | Span | Unknown:
    """The birth date: of the passport where it was read, else of the certificate, as far as it is known."""
    return birth_span("" if holder is None else holder.birth_date)


def birth_span(text: str) -> date | Span | Unknown:
    """A birth date as documents write it: ``1983-10-10``, ``1983-10``, ``1983`` (SC-D01, SC-D02)."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        if len(text) == 7:
            first = date.fromisoformat(f"{text}-01")
            after = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
            return Span(first, after - timedelta(days=1), Reason.DOB_PARTIAL)
        if len(text) == 4:
            year = int(text)
            return Span(date(year, 1, 1), date(year, 12, 31), Reason.DOB_PARTIAL)
    except (ValueError, OverflowError):
        pass
    return Unknown(Reason.DOB_PARTIAL)


def events_of(certificates: Sequence[Certificate]) -> list[tuple[Certificate, Event]]:
    """Every event with the certificate that bears it, those shown last first."""
    return [(each, event) for each in reversed(certificates) for event in each.events]
