"""Date-times as CertLogic has them: texts in, instants of millisecond precision, JavaScript's arithmetic.

The rules this module keeps:

* A form that the specification does not list is an error, and so is a day or an hour that does not exist.
* A date known in part is the last day that it can be: 2004 is 2004-12-31, 2004-02 is 2004-02-29.
* A missing offset is Z. A fraction is cut to milliseconds, never rounded up.
* Months and years overflow into the following days, as JavaScript's setUTCMonth does: 2020-02-29 plus a year
  is 2021-03-01, January 31 plus a month is March 2 or 3.
* Years lie within 1 to 9999; beyond, there is no answer.

    plus(read_date_time("2020-02-29"), 1, "year")      # 2021-03-01T00:00Z
    read_date_time("2021-08-20T12:03:12.3456+2")       # 2021-08-20T10:03:12.345Z
    read_birth_date("2004-02")                         # 2004-02-29T00:00Z
    written_as_javascript(instant)                     # "2021-08-20T10:03:12.345Z"

Sources: CertLogic specification 1.3.3, plusTime and dccDateOfBirth; ECMA-262, Date.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from verifier.policy.language import EvaluationError

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(Z|([+-])([0-9]{1,2}?)(?::?([0-9]{2}))?)?"
)
_DAY = timedelta(days=1)


def read_date_time(text: str) -> datetime:
    """The instant that a text names, in UTC. Raises EvaluationError for any other form."""
    plain = _plain(text)
    if plain is not None:
        return plain
    match = _DATE.fullmatch(text)
    return _read_time(text, offset_asked=False) if match is None else _last_day(match)


def _plain(text: str) -> datetime | None:
    """The instant of a text in one of the two commonest forms: ``2022-03-01`` and ``2022-03-01T02:00:00Z``.

    The standard library reads these at once, and takes others that CertLogic does not.
    """
    if text[4:8:3] != "--" or not (len(text) == 10 or (len(text) == 20 and text[10::3] == "T::Z")):
        return None
    try:
        return datetime.fromisoformat(text if len(text) == 20 else f"{text}T00:00:00Z")
    except ValueError:
        return None


def read_instant(text: str) -> datetime:
    """The instant of a text that has a time and an offset, in UTC. Raises EvaluationError for all others."""
    return _read_time(text, offset_asked=True)


def read_day(text: str) -> date:
    """The calendar day of a text YYYY-MM-DD. Raises EvaluationError for all others."""
    match = _DATE.fullmatch(text)
    if match is None or match[3] is None:
        raise EvaluationError("a day is written YYYY-MM-DD, and this text is not")
    return _last_day(match).date()


def read_birth_date(text: str) -> datetime:
    """The last day that a birth date can be, at 00:00 UTC. Raises EvaluationError for what is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise EvaluationError("a birth date is written YYYY, YYYY-MM or YYYY-MM-DD, and this text is not")
    return _last_day(match)


def _last_day(match: re.Match[str]) -> datetime:
    year, month, day = match.groups()
    try:
        if day is not None:
            return datetime(int(year), int(month), int(day), tzinfo=UTC)
        if month in (None, "12"):  # of 9999, too, after which there is no month
            return datetime(int(year), 12, 31, tzinfo=UTC)
        first = datetime(int(year), int(month), 1, tzinfo=UTC)
        return first.replace(month=first.month + 1) - _DAY
    except ValueError:
        raise _no_such_day() from None  # the cause would quote the text


def _read_time(text: str, *, offset_asked: bool) -> datetime:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise EvaluationError("this text is no date or date-time in one of CertLogic's forms")
    year, month, day, hour, minute, second, fraction, offset, sign, hours, minutes = match.groups()
    if offset is None and offset_asked:
        raise EvaluationError("this date-time has no offset, so it names no instant")
    micros = 0 if fraction is None else int(fraction[:3].ljust(3, "0")) * 1000
    try:
        if hour == "24":  # the end of a day, in ECMA-262 and ISO 8601 alike
            instant = datetime(int(year), int(month), int(day), tzinfo=UTC) + _DAY
            if int(minute) or int(second) or micros:
                raise _no_such_day()
        else:
            instant = datetime(
                int(year), int(month), int(day), int(hour), int(minute), int(second), micros, UTC
            )
        if sign is None:
            return instant
        away = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if away >= _DAY or int(minutes or 0) > 59:
            raise EvaluationError("an offset is less than a day, and its minutes less than 60")
        return instant - away if sign == "+" else instant + away
    except EvaluationError:
        raise
    except (ValueError, OverflowError):
        raise _no_such_day() from None


def _no_such_day() -> EvaluationError:
    return EvaluationError(
        "this text names a day or an hour that does not exist between the years 1 and 9999"
    )


def plus(instant: datetime, amount: int, unit: str) -> datetime:
    """``instant``, in UTC, with an amount of years, months, days or hours added, which may be negative.

    Raises EvaluationError beyond the years 1 to 9999.
    """
    if not amount:
        return instant
    try:
        match unit:
            case "day":
                return instant + timedelta(days=amount)
            case "hour":
                return instant + timedelta(hours=amount)
            case "month" | "year":
                months = amount * 12 if unit == "year" else amount
                year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
                first = instant.replace(year=year, month=month + 1, day=1)
                return first + timedelta(days=instant.day - 1)
    except (ValueError, OverflowError):
        raise EvaluationError("a date-time outside the years 1 to 9999") from None
    raise EvaluationError("a time is counted in years, months, days or hours")


def written_as_javascript(instant: datetime) -> str:
    """An aware instant as ``toISOString`` writes it: UTC, three decimals, Z. Raises EvaluationError where it
    lies outside the calendar in UTC.
    """
    try:
        return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        raise EvaluationError("a date-time outside the years 1 to 9999") from None
