"""Single values of a document, read with the tolerances that real issuers need.

The rules this module keeps:

* What can have only one meaning is read: blanks round a text, 2.0 for 2, a date with a time behind it.
* What cannot be right is malformed: a date that is none, a dose number outside 1 to 99.
* What is absent stays absent (``None`` or empty); a rule that needs it will answer unknown.

    day("2021-07-18T00:00:00+02:00", "dcc", "dt")        # date(2021, 7, 18), not shifted
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import cbor2

from verifier.reasons import Finding, Reason, finding
from verifier.wire.errors import MalformedError

MAX_DOSE = 99
MAX_VERSION = 32  # characters
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?", re.ASCII)
_BIRTH = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?", re.ASCII)


def untagged(value: Any) -> Any:
    """The text under a date tag; some encoders put tag 0 round date-times."""
    return value.value if isinstance(value, cbor2.CBORTag) and value.tag == 0 else value


def text(value: Any) -> str:
    """A text without the blanks round it; anything else is as good as absent."""
    if type(value) is str:  # nearly all are plain
        return value.strip()
    value = untagged(value)
    return value.strip() if isinstance(value, str) else ""


def texts(members: Mapping[Any, Any], *names: str) -> list[str]:
    """Several members as :func:`text` reads each."""
    return [
        value.strip() if type(value := members.get(name)) is str else text(value)  # nearly all are plain
        for name in names
    ]


def as_written(value: Any) -> str:
    """A text to the letter, for identifiers that are hashed as they stand."""
    return value if isinstance(value, str) else ""


def dose(value: Any, layer: str, name: str) -> int | None:
    """A dose number. Raises MalformedError unless it is absent or a whole number from 1 to ``MAX_DOSE``."""
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_DOSE:
        raise MalformedError(layer, f"{name} is not a whole number from 1 to {MAX_DOSE}")
    return value


def day(value: Any, layer: str, name: str) -> date | None:
    """The calendar date as written; a time and zone behind it do not shift it. Raises MalformedError."""
    if type(value) is str and len(value) == 10 and value[4:8:3] == "--":  # nearly all are plain
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise MalformedError(layer, f"{name} is not a date") from None
    written = text(value)
    if not written and untagged(value) in (None, ""):
        return None
    match = _DATE.fullmatch(written)
    try:
        if match is None:
            raise ValueError
        return date.fromisoformat(written[:10])
    except ValueError:
        raise MalformedError(layer, f"{name} is not a date") from None


def birth(value: Any) -> str:
    """A birth date as far as it is known; a time behind it is cut off, any other text is kept as it is."""
    written = text(value)
    head = written[:10]
    if _BIRTH.fullmatch(head) and (len(written) <= 10 or written[10] in "T "):
        return head
    return written


def instant(written: str, layer: str, name: str) -> datetime | None:
    """The instant of an ISO 8601 text, naive if the text has no offset; ``None`` for an absent one.

    Raises MalformedError.
    """
    if not written:
        return None
    try:
        return datetime.fromisoformat(written.upper())
    except ValueError:
        raise MalformedError(layer, f"{name} is not a date and time") from None


def birth_findings(birth_date: str) -> tuple[Finding, ...]:
    """A finding for a birth date that is not a full one, in families that know no other."""
    try:
        known = day(birth_date, "birth date", "dob")
    except MalformedError:
        known = None
    return () if known else (finding(Reason.DOB_PARTIAL, "dob is not a full date"),)


def version(value: Any) -> str:
    """The version of a schema as a text; a small number is read as one, and an endless text is cut off."""
    if type(value) in (int, float) and abs(value) < 1000:
        return str(value)
    return text(value)[:MAX_VERSION]


def numeric_date(value: Any, claim: str) -> tuple[datetime | None, str | None]:
    """A NumericDate (RFC 8392 §2), as integer, float or either under tag 1, and what is wrong with it."""
    if value is None:
        return None, None
    if type(value) is not int:
        if isinstance(value, cbor2.CBORTag) and value.tag == 1:
            value = value.value
        if type(value) not in (int, float) or not math.isfinite(value):
            return None, f"{claim} is not a number of seconds"
    try:
        return datetime.fromtimestamp(value, UTC), None
    except (OverflowError, ValueError, OSError):
        return None, f"{claim} lies outside the calendar"
