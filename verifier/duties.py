"""Duties: what a result asks of the traveller or the desk. A duty never changes the state.

Duty(DutyCode.ISOLATE, days=7), Duty(DutyCode.TEST, within_hours=24)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DutyCode(StrEnum):
    """What is asked."""

    ISOLATE = "ISOLATE"
    SELF_WATCH = "SELF_WATCH"
    TEST = "TEST"
    DECLARE = "DECLARE"
    AIRSIDE_ONLY = "AIRSIDE_ONLY"
    SECOND_CHECK = "SECOND_CHECK"


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty. days: how many. day: on which day after entry. within_hours: until when after entry."""

    code: DutyCode
    days: int | None = None
    day: int | None = None
    within_hours: int | None = None
