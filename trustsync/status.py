"""What the trust store says about itself, for people, scripts and the fleet.

The rules this module keeps:

* The list's state is its age alone; how far the clock can be believed stands beside it, not in it.
* A store that is damaged or empty has a state of its own and still answers. Where an older generation or the
  seed stands in, the state is that of what stands in, and an alarm says so.

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

from trustsync.advisories import Advisory, matches, normalised
from trustsync.environments import Environment
from trustsync.errors import Alarm, NoListError, StoreError
from trustsync.facts import STATE_NAME, Operation, RaisedAlarm, StoreState, read_state
from trustsync.sets import TargetSet
from trustsync.store import Origin, TrustStore, open_store
from verifier.clocks import Reading, clock_state
from verifier.times import written
from verifier.trust import ClockState, ListState

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
    """The answer of ``vaxgate-sync status``.

    state: a ListState's word, ``NO_LIST`` or ``CORRUPT``. now: when it was asked. origin: which generation
    answers. advisories: those that concern this unit. failures: syncs in a row that failed. operations: what
    people did to the store, the newest first. environment: what the store is for.
    """

    state: str
    now: datetime
    signed_at: datetime | None
    clock: ClockState
    generation: int | None
    origin: Origin | None
    sets: Mapping[str, TargetSet]
    last_sync: datetime | None
    next_try: datetime | None
    last_error: str | None
    failures: int
    alarms: tuple[RaisedAlarm, ...]
    operations: tuple[Operation, ...]
    advisories: tuple[Advisory, ...]
    environment: Environment

    @property
    def age_s(self) -> int | None:
        """Seconds since the list was signed."""
        return _age_s(self.signed_at, self.now)

    @property
    def exit_code(self) -> int:
        """0 FRESH or STALE-1, 10 STALE-2 or STALE-3, 40 otherwise."""
        return _EXIT.get(self.state, 40)

    def as_json(self) -> dict[str, Any]:
        """The object of ``--json``; instants in ISO form, UTC."""
        return {
            "state": self.state,
            "environment": self.environment.value,
            "signed_at": iso(self.signed_at),
            "age_s": self.age_s,
            "clock": self.clock.value,
            "generation": self.generation,
            "origin": self.origin,
            "sets": {
                name: {
                    "version": item.version,
                    "expires": iso(item.expires),
                    "count": item.count,
                    "signed_at": iso(item.signed_at),
                    "age_s": _age_s(item.signed_at, self.now),
                }
                for name, item in self.sets.items()
            },
            "last_sync": iso(self.last_sync),
            "next_try": iso(self.next_try),
            "last_error": self.last_error,
            "failures": self.failures,
            "alarms": [
                {"code": alarm.code.value, "at": iso(alarm.at), "text": alarm.text} for alarm in self.alarms
            ],
            "operations": [
                {"at": iso(done.at), "who": done.who, "what": done.what, "detail": done.detail}
                for done in self.operations
            ],
            "advisories": [
                {"id": each.id, "package": each.package, "severity": each.severity, "text": each.text}
                for each in self.advisories
            ],
        }


def read_status(
    path: Path,
    now: datetime,
    *,
    seed: Path | None = None,
    clock: Reading | None = None,
    opened: TrustStore | None = None,
    environment: Environment = Environment.PRODUCTION,
) -> Status:
    """The status of the store in this directory at ``now``, every byte of the list in force looked at.

    seed: of the image. clock: the machine's, where it is not to be read here: ``now`` was given by hand.
    opened: the store as this process has it open, whose bytes were looked at when it was opened. environment:
    what the store must be for.
    """
    from trustsync.timesources import reading

    state = StoreState()
    snapshot = None
    try:
        state = read_state(path / STATE_NAME) or state
        snapshot = (opened or open_store(path, seed, environment)).current()
        word, error = (snapshot.trust.state(now) or ListState.EXPIRED).value, state.last_error
    except NoListError:
        word, error = NO_LIST, state.last_error
    except StoreError as damage:
        word, error = CORRUPT, str(damage)
    alarms = state.alarms
    if snapshot is not None and snapshot.fault is not None:
        alarms = (*alarms, RaisedAlarm(Alarm.CORRUPT, now, snapshot.fault, 0))
    signed_at = snapshot.signed_at if snapshot else state.active.signed_at if state.active else None
    return Status(
        state=word,
        now=now,
        signed_at=signed_at,
        clock=clock_state(clock or reading(), snapshot.clock if snapshot else state.clock),
        generation=snapshot.generation if snapshot else state.active.number if state.active else None,
        origin=snapshot.origin if snapshot else None,
        sets=snapshot.sets if snapshot else MappingProxyType({}),
        last_sync=state.last_sync,
        next_try=state.next_try,
        last_error=error,
        failures=state.failures,
        alarms=alarms,
        operations=state.operations,
        advisories=matches(snapshot.advisories, _installed()) if snapshot and snapshot.advisories else (),
        environment=state.environment or environment,
    )


def _installed() -> dict[str, str]:
    """Name and version of every package that this unit runs."""
    from importlib.metadata import distributions

    return {
        normalised(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]
    }


def _age_s(instant: datetime | None, now: datetime) -> int | None:
    return None if instant is None else int((now - instant).total_seconds())


def iso(instant: datetime | None) -> str | None:
    """An instant as it stands in our JSON: ISO form in UTC with a Z; ``None`` stays ``None``."""
    return None if instant is None else written(instant)
