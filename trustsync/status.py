"""What the trust store says about itself, for people, scripts and the fleet.

The rules this module keeps:

* The list's state is its age alone; how far the clock can be believed stands beside it, not in it.
* A store that is damaged or empty has a state of its own and still answers.

    status = read_status(trust_dir(), now)
    status.exit_code, status.as_json()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trustsync.errors import NoListError, StoreError
from trustsync.generation import TargetSet
from trustsync.state import STATE_NAME, RaisedAlarm, StoreState, read_state
from trustsync.store import open_store
from verifier.times import written
from verifier.trust import ClockState, ListState, clock_state, list_state

NO_LIST = "NO_LIST"
CORRUPT = "CORRUPT"
_EXIT = {
    ListState.FRESH.value: 0,
    ListState.STALE_1.value: 0,
    ListState.STALE_2.value: 10,
    ListState.STALE_3.value: 10,
}


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of ``vaxgate-sync status``. state: a ListState's word, ``NO_LIST`` or ``CORRUPT``."""

    state: str
    signed_at: datetime | None
    age_s: int | None
    clock: ClockState
    generation: int | None
    sets: Mapping[str, TargetSet]
    next_try: datetime | None
    last_error: str | None
    alarms: tuple[RaisedAlarm, ...]

    @property
    def exit_code(self) -> int:
        """0 FRESH or STALE-1, 10 STALE-2 or STALE-3, 40 otherwise."""
        return _EXIT.get(self.state, 40)

    def as_json(self) -> dict[str, Any]:
        """The object of ``--json``; instants in ISO form, UTC."""
        return {
            "state": self.state,
            "signed_at": iso(self.signed_at),
            "age_s": self.age_s,
            "clock": self.clock.value,
            "generation": self.generation,
            "sets": {
                name: {"version": item.version, "expires": iso(item.expires), "count": item.count}
                for name, item in self.sets.items()
            },
            "next_try": iso(self.next_try),
            "last_error": self.last_error,
            "alarms": [
                {"code": alarm.code.value, "at": iso(alarm.at), "text": alarm.text} for alarm in self.alarms
            ],
        }


def read_status(path: Path, now: datetime) -> Status:
    """The status of the store in this directory at ``now``, every byte of the list in force looked at."""
    state = StoreState()
    sets: Mapping[str, TargetSet] = MappingProxyType({})
    try:
        state = read_state(path / STATE_NAME) or state
        snapshot = open_store(path).current()
    except NoListError:
        word, error = NO_LIST, state.last_error
    except StoreError as damage:
        word, error = CORRUPT, str(damage)
    else:
        word, error = list_state(now - snapshot.signed_at).value, state.last_error
        sets = snapshot.sets
    return Status(
        state=word,
        signed_at=state.signed_at,
        age_s=None if state.signed_at is None else int((now - state.signed_at).total_seconds()),
        clock=ClockState.UNSYNCED if state.floor is None else clock_state(now, state.floor),
        generation=state.active,
        sets=sets,
        next_try=state.next_try,
        last_error=error,
        alarms=state.alarms,
    )


def iso(instant: datetime | None) -> str | None:
    """An instant as it stands in our JSON: ISO form in UTC with a Z; ``None`` stays ``None``."""
    return None if instant is None else written(instant)
