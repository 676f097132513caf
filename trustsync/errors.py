"""What can go wrong between the trust repository and the list in force.

The rules this module keeps:

* Each error says what happened, what it means, and what to do next; the cause is kept (`from`).
* A refusal carries the alarm that it raises; an unreachable server is no alarm, it is weather.
* None of these ever leaves the list in force half changed.

    try:
        sync_once(config, now=now)
    except RefusedError as error:
        print(error.alarm, error)
"""

from __future__ import annotations

from enum import StrEnum


class Alarm(StrEnum):
    """Why a list was refused, as the fleet is told. ROLLBACK stays until a higher version arrived, or a
    supervisor has acknowledged it. CORRUPT: the list in force is damaged on the card, and another one stands
    in.
    """

    ROLLBACK = "ROLLBACK"
    SIGNATURE = "SIGNATURE"
    EXPIRED = "EXPIRED"
    MISMATCH = "MISMATCH"
    TOO_BIG = "TOO_BIG"
    CUT_SHORT = "CUT_SHORT"
    MALFORMED = "MALFORMED"
    CONTENT = "CONTENT"
    ANCHOR = "ANCHOR"
    SELF_TEST = "SELF_TEST"
    CORRUPT = "CORRUPT"


class TrustSyncError(Exception):
    """Something kept us from a newer list; the one in force stays in force."""


class SettingsError(TrustSyncError):
    """What we were told to do cannot be done: a file, an address or a key of the configuration is wrong."""


class BusyError(TrustSyncError):
    """Another sync works on this store."""


class FetchError(TrustSyncError):
    """The repository could not be reached, answered with an error, or was too slow."""


class RefusedError(TrustSyncError):
    """The repository gave something that must not be installed."""

    def __init__(self, message: str, alarm: Alarm) -> None:
        super().__init__(message)
        self.alarm = alarm


class StoreError(TrustSyncError):
    """The store on this machine cannot be read or written, or is not what was put there."""


class DamagedError(StoreError):
    """The state database is not what was written; the sync makes it anew from what was signed."""


class NoListError(TrustSyncError):
    """No list was ever installed here."""
