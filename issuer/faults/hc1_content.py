"""Faults of what EU DCC codes say: claims round the certificate, and the certificate itself."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import cbor2

from issuer.certificates import AUTHORITY, Person, of_recovery, of_test
from issuer.errors import IssuerError
from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.cwt import Step, code, with_members, without
from issuer.faults.cwt_common import DAY, HOUR
from issuer.office import YEAR, Issuer
from verifier.certificate import DETECTED, NOT_DETECTED, Family
from verifier.reasons import Reason, State
from verifier.times import written
from verifier.wire import hc1

_MINUTE = timedelta(minutes=1)
_NOBODYS_KEY = 99  # a sub-key that WHO has given to nothing

faults = Catalogue(Family.HC1)
_code = partial(code, Family.HC1)


# --- Claims


@faults.add("claims-not-a-map", State.FAIL, Reason.MALFORMED)
def claims_not_a_map(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its claims are a list."""
    return _code(issuer, payload, now, claims=lambda claims: list(claims.items()))


@faults.add("member-twice", State.FAIL, Reason.MALFORMED)
def member_twice(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says twice when it expires."""
    later = cbor2.dumps(hc1.CLAIM_EXP) + cbor2.dumps(int((now + 5 * YEAR).timestamp()))
    return _code(issuer, payload, now, content=lambda data: bytes((data[0] + 1,)) + data[1:] + later)


@faults.add("claims-indefinite", State.FAIL, Reason.MALFORMED)
def claims_indefinite(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The map of its claims does not say how many there are."""
    return _code(issuer, payload, now, content=lambda data: b"\xbf" + data[1:] + b"\xff")


@faults.add("claims-trailing", State.FAIL, Reason.MALFORMED)
def claims_trailing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A byte stands after its claims."""
    return _code(issuer, payload, now, content=lambda data: data + b"\0")


@faults.add("claims-not-utf-8", State.FAIL, Reason.MALFORMED)
def claims_not_utf_8(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A text in it is no UTF-8."""
    name = AUTHORITY.encode()
    return _code(issuer, payload, now, content=lambda data: data.replace(name, b"\xff" * len(name)))


@faults.add("too-deep", State.FAIL, Reason.TOO_BIG)
def too_deep(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Another claim in it is nested a thousand deep."""
    deep = cbor2.dumps("x") + b"\x81" * 1000 + b"\0"
    return _code(issuer, payload, now, content=lambda data: bytes((data[0] + 1,)) + data[1:] + deep)


@faults.add("unknown-claims", State.PASS)
def unknown_claims(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Has claims and members that nobody knows."""
    return _code(
        issuer,
        payload,
        now,
        claims=with_members({"x": [1, {"y": None}], -70001: b"z"}),
        document=with_members({"x": {"y": 1}}),
    )


@faults.add("members-in-other-order", State.PASS)
def members_in_other_order(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its claims and its members stand the other way round."""
    return _code(issuer, payload, now, claims=_reversed)


@faults.add("claims-long-numbers", State.PASS)
def claims_long_numbers(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Writes when it expires with eight bytes, where four would do."""
    short, long = cbor2.dumps(hc1.CLAIM_EXP) + b"\x1a", cbor2.dumps(hc1.CLAIM_EXP) + b"\x1b" + bytes(4)
    return _code(issuer, payload, now, content=lambda data: data.replace(short, long, 1))


@faults.add("without-hcert", State.FAIL, Reason.MALFORMED)
def without_hcert(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """There is no certificate among its claims."""
    return _code(issuer, payload, now, claims=without(hc1.CLAIM_HCERT))


@faults.add("hcert-not-a-map", State.FAIL, Reason.MALFORMED)
def hcert_not_a_map(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Where a map with the certificate should be stands a list."""
    return _code(
        issuer,
        payload,
        now,
        claims=lambda claims: claims | {hc1.CLAIM_HCERT: list(claims[hc1.CLAIM_HCERT].values())},
    )


@faults.add("sub-key-unknown", State.CHECK, Reason.UNSUPPORTED)
def sub_key_unknown(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate stands under a number that is not given to any kind of it."""
    return _code(
        issuer,
        payload,
        now,
        claims=lambda claims: claims | {hc1.CLAIM_HCERT: {_NOBODYS_KEY: claims[hc1.CLAIM_HCERT][hc1.EU_DCC]}},
    )


@faults.add("health-link", State.CHECK, Reason.UNSUPPORTED)
def health_link(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Instead of a certificate it has a link to one."""
    link = {hc1.LINKS: [{"u": "shlink:/eyJ1cmwiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0"}]}
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_HCERT: link}))


def _reversed(value: Any) -> Any:
    """A map and the maps in it with their members the other way round."""
    if isinstance(value, Mapping):
        return {name: _reversed(member) for name, member in reversed(list(value.items()))}
    return [_reversed(member) for member in value] if isinstance(value, list) else value


# --- Times


@faults.add("exp-float", State.PASS)
def exp_float(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says with fractions of a second when it was issued and when it expires."""
    times = {hc1.CLAIM_EXP: (now + YEAR).timestamp() + 0.5, hc1.CLAIM_IAT: now.timestamp() - 0.5}
    return _code(issuer, payload, now, claims=with_members(times))


@faults.add("exp-tagged", State.PASS)
def exp_tagged(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A tag says that its times are times."""
    return _code(
        issuer,
        payload,
        now,
        claims=lambda claims: (
            claims | {name: cbor2.CBORTag(1, claims[name]) for name in (hc1.CLAIM_EXP, hc1.CLAIM_IAT)}
        ),
    )


@faults.add("exp-nan", State.FAIL, Reason.MALFORMED)
def exp_nan(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """When it expires is said by a number that is none."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_EXP: math.nan}))


@faults.add("exp-as-text", State.FAIL, Reason.MALFORMED)
def exp_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """When it expires is said by a text."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_EXP: written(now + YEAR)}))


@faults.add("iat-as-text", State.FAIL, Reason.MALFORMED)
def iat_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """When it was issued is said by a text."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_IAT: written(now)}))


@faults.add("iat-after-exp", State.FAIL, Reason.MALFORMED)
def iat_after_exp(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued after it expired."""
    # both within what clocks may differ, so that it is neither over nor ahead of anybody's clock
    return _code(issuer, payload, now, issued_at=now + 4 * _MINUTE, expires_at=now + 3 * _MINUTE)


@faults.add("nbf-tomorrow", State.FAIL, Reason.NOT_YET_VALID)
def nbf_tomorrow(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued now, and holds from tomorrow."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_NBF: int((now + DAY).timestamp())}))


# --- The certificate


@faults.add("no-event", State.FAIL, Reason.MALFORMED)
def no_event(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """There is no vaccination, test or recovery in it."""
    return _code(issuer, payload, now, document=without("v", "t", "r"))


@faults.add("event-not-in-a-list", State.FAIL, Reason.MALFORMED)
def event_not_in_a_list(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its dose is not in a list."""
    return _code(issuer, payload, now, document=lambda document: document | {"v": _dose_of(document)})


@faults.add("two-doses", State.FAIL, Reason.MULTI_EVENT)
def two_doses(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Two doses in one certificate."""
    return _code(issuer, payload, now, document=lambda document: document | {"v": [_dose_of(document)] * 2})


@faults.add("dose-and-recovery", State.FAIL, Reason.MULTI_EVENT)
def dose_and_recovery(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose and a recovery in one certificate."""
    recovered = of_recovery(_NOBODY, country=issuer.country, first_positive=(now - 90 * DAY).date())
    return _code(issuer, payload, now, document=with_members({"r": [_identified(recovered["r"][0])]}))


@faults.add("no-name", State.FAIL, Reason.MALFORMED)
def no_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say whose it is."""
    return _code(issuer, payload, now, document=without("nam"))


@faults.add("name-of-200-letters", State.PASS)
def name_of_200_letters(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The surname is two hundred letters long."""
    return _code(issuer, payload, now, document=_named("fn", lambda name: (name or "x") * 200, 200))


@faults.add("name-decomposed", State.PASS)
def name_decomposed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The accents of the name are characters of their own."""
    return _code(issuer, payload, now, document=_named("fn", lambda name: unicodedata.normalize("NFD", name)))


@faults.add("name-turned-round", State.PASS)
def name_turned_round(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """In the name stands a character that turns the direction of writing; screens must not follow it."""
    return _code(
        issuer, payload, now, document=_named("fn", lambda name: f"\N{RIGHT-TO-LEFT OVERRIDE}{name}")
    )


@faults.add("birth-date-empty", State.CHECK, Reason.DOB_PARTIAL)
def birth_date_empty(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The birth date is empty."""
    return _code(issuer, payload, now, document=with_members({"dob": ""}))


@faults.add("birth-date-null", State.CHECK, Reason.DOB_PARTIAL)
def birth_date_null(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The birth date is null."""
    return _code(issuer, payload, now, document=with_members({"dob": None}))


@faults.add("birth-year-alone", State.PASS)
def birth_year_alone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Of the birth date only the year is known."""
    return _code(issuer, payload, now, document=lambda whole: whole | {"dob": whole["dob"][:4]})


@faults.add("dose-number-zero", State.FAIL, Reason.MALFORMED)
def dose_number_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 0 of 2."""
    return _code(issuer, payload, now, document=_dose(dn=0))


@faults.add("dose-number-negative", State.FAIL, Reason.MALFORMED)
def dose_number_negative(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose -1 of 2."""
    return _code(issuer, payload, now, document=_dose(dn=-1))


@faults.add("dose-number-hundred", State.FAIL, Reason.MALFORMED)
def dose_number_hundred(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 100 of 2."""
    return _code(issuer, payload, now, document=_dose(dn=100))


@faults.add("dose-number-half", State.FAIL, Reason.MALFORMED)
def dose_number_half(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 2.5 of 2."""
    return _code(issuer, payload, now, document=_dose(dn=2.5))


@faults.add("dose-number-float", State.PASS)
def dose_number_float(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 2.0 of 2.0."""
    return _code(issuer, payload, now, document=_dose(dn=2.0, sd=2.0))


@faults.add("dose-beyond-course", State.PASS)
def dose_beyond_course(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 3 of 2: a booster."""
    return _code(issuer, payload, now, document=_dose(dn=3, sd=2))


@faults.add("dose-day-impossible", State.FAIL, Reason.MALFORMED)
def dose_day_impossible(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose was given on 2021-09-99."""
    return _code(issuer, payload, now, document=_dose(dt="2021-09-99"))


@faults.add("day-with-time", State.PASS)
def day_with_time(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A time and a zone stand behind the days of birth and of the dose."""

    def document(document: dict[str, Any]) -> dict[str, Any]:
        whole = _dose(dt=f"{_dose_of(document)['dt']}T00:00:00+02:00")(document)
        return dict(whole | {"dob": f"{document['dob']}T00:00:00"})

    return _code(issuer, payload, now, document=document)


@faults.add("dose-in-the-future", State.FAIL, Reason.NOT_YET_VALID)
def dose_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose will be given in two days."""
    return _code(issuer, payload, now, document=_dose(dt=(now + 2 * DAY).date().isoformat()))


@faults.add("version-2", State.CHECK, Reason.UNSUPPORTED)
def version_2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its schema has a major version that is not known here."""
    return _code(issuer, payload, now, document=with_members({"ver": "2.0.0"}))


@faults.add("version-1-4", State.PASS)
def version_1_4(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its schema has a minor version that is newer than any that is known here."""
    return _code(issuer, payload, now, document=with_members({"ver": "1.4.0"}))


@faults.add("blanks-trailing", State.PASS)
def blanks_trailing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Blanks stand behind its texts."""

    def document(document: dict[str, Any]) -> dict[str, Any]:
        dose = {
            name: f"{value}  " if isinstance(value, str) and name != "ci" else value
            for name, value in _dose_of(document).items()
        }
        names = {name: f"{value} " for name, value in document["nam"].items()}
        return document | {"nam": names, "dob": f"{document['dob']} ", "v": [dose]}

    return _code(issuer, payload, now, document=document)


@faults.add("nulls", State.PASS)
def nulls(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """What it does not say is null instead of absent."""

    def document(document: dict[str, Any]) -> dict[str, Any]:
        return dict(_dose(ma=None)(document) | {"t": None, "r": None})

    return _code(issuer, payload, now, document=document)


@faults.add("text-beyond-schema", State.PASS)
def text_beyond_schema(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its issuer has a longer name than the schema allows, which no verdict is about."""
    return _code(issuer, payload, now, document=_dose(**{"is": f"{AUTHORITY} " * 5}))


# --- Tests and recoveries


@faults.add("test-positive", State.FAIL, Reason.TEST_POSITIVE)
def test_positive(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test that has detected the infection."""
    return _code(issuer, payload, now, document=_tested(issuer, now, tr=DETECTED))


@faults.add("test-result-unknown", State.CHECK, Reason.VALUE_UNKNOWN)
def test_result_unknown(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test whose result is neither detected nor not detected."""
    return _code(issuer, payload, now, document=_tested(issuer, now, tr="419984006"))


@faults.add("test-in-the-future", State.FAIL, Reason.TEST_FUTURE)
def test_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test whose sample will be taken in five hours."""
    return _code(issuer, payload, now, document=_tested(issuer, now, sc=written(now + 5 * HOUR)))


@faults.add("test-of-this-minute", State.PASS)
def test_of_this_minute(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test whose sample was taken twenty minutes from now, by the clock of a laboratory."""
    return _code(issuer, payload, now, document=_tested(issuer, now, sc=written(now + 20 * _MINUTE)))


@faults.add("test-without-zone", State.CHECK, Reason.TIME_ZONE_UNKNOWN)
def test_without_zone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test of an hour ago, if only it said in which zone."""
    sampled = written(now - HOUR).removesuffix("Z")
    return _code(issuer, payload, now, document=_tested(issuer, now, sc=sampled))


@faults.add("test-time-impossible", State.FAIL, Reason.MALFORMED)
def test_time_impossible(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test whose sample was taken at 25 o'clock."""
    return _code(issuer, payload, now, document=_tested(issuer, now, sc="2021-09-01T25:00:00Z"))


@faults.add("recovery-over", State.FAIL, Reason.EXPIRED)
def recovery_over(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A recovery that counted until the day before yesterday, by its own word."""
    recovered = of_recovery(
        _NOBODY,
        country=issuer.country,
        first_positive=(now - 60 * DAY).date(),
        valid_until=(now - 2 * DAY).date(),
    )
    return _code(issuer, payload, now, document=_instead("r", recovered["r"][0]))


_NOBODY = Person("", "", "")  # the holder is that of the payload


def _dose_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The dose of a payload. Raises IssuerError when it is about something else."""
    doses = document.get("v")
    if not doses:
        raise IssuerError("this fault is about a dose, so the payload must have one")
    return dict(doses[0])


def _dose(**values: Any) -> Step:
    """The payload with these values in its dose."""
    return lambda document: document | {"v": [_dose_of(document) | values]}


def _named(field: str, change: Any, at_most: int | None = None) -> Step:
    """The payload with one of its names changed, and cut to so many letters."""

    def document(document: dict[str, Any]) -> dict[str, Any]:
        names = dict(document["nam"])
        return document | {"nam": names | {field: change(names.get(field, ""))[:at_most]}}

    return document


def _tested(issuer: Issuer, now: datetime, **values: Any) -> Step:
    """The payload's holder with a test of an hour ago in which these values stand."""
    test = of_test(_NOBODY, country=issuer.country, sampled=now - HOUR, result=NOT_DETECTED)["t"][0]
    return _instead("t", test | values)


def _instead(letter: str, event: Mapping[str, Any]) -> Step:
    """The payload with this event instead of its own."""
    return lambda document: without("v", "t", "r")(document) | {letter: [_identified(event)]}


def _identified(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event with an identifier like any other."""
    return {**event, "ci": f"URN:UVCI:01:{event['co']}:FAULT"}
