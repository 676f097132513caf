"""What the gate lives on: frames, trust and the orders of its post, each asked for again when it was lost.

The rules this module keeps:

* A supply that fails is down, says so once, and is opened again: soon at first, then less often.
* What it was lost for is a Finding about this unit, never about a document.
* Orders are looked for between two verdicts, never during one. One that does not count is named, and the unit
  goes on.

    frames = CameraSupply(open_camera, down_s=3.0, monotonic=time.monotonic)
    frames.frame(), frames.down
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from appliance.camera import Camera, Frame
from appliance.errors import CameraError
from trustsync.errors import NoListError, TrustSyncError
from trustsync.orders import (
    OrderError,
    Orders,
    folder_signature,
    read_keys,
    read_orders,
    unasked_orders,
)
from verifier.clocks import ClockKnowledge
from verifier.policy.bundle import RuleBundle
from verifier.reasons import Finding, Reason, finding
from verifier.trust import TrustList

if TYPE_CHECKING:
    from appliance.config import RulesConfig
    from trustsync.sets import TargetSet

talk = logging.getLogger("vaxgate.gate")

# Seconds between two attempts to open what is not there, the first and the longest.
RETRY_S = (0.5, 5.0)
READ_S = 0.25  # how long a read waits for a frame
ORDERS_S = 1.0  # between two looks at the folder of orders


class Snapshot(Protocol):
    """What one moment's verifications need; `trustsync.store.TrustSnapshot` is one."""

    @property
    def trust(self) -> TrustList:
        """The keys and their revocation."""

    @property
    def bundles(self) -> tuple[RuleBundle, ...]:
        """The rule bundles, dormant ones too."""

    @property
    def signed_at(self) -> datetime:
        """When the list was last signed."""

    @property
    def floor(self) -> datetime:
        """It is at least this late."""

    @property
    def clock(self) -> ClockKnowledge:
        """What else is known of time, the floor in it."""

    @property
    def sets(self) -> Mapping[str, TargetSet]:
        """What each role published, by its name."""


class TrustSource(Protocol):
    """Where snapshots come from; `trustsync.store.TrustStore` is one."""

    def current(self) -> Snapshot:
        """The snapshot in force. Raises NoListError, or TrustSyncError when the store is damaged."""

    def close(self) -> None:
        """Let it go."""


class FixedTrust:
    """A trust source that never changes: for tests and for tries by hand."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def current(self) -> Snapshot:
        """Always the same."""
        return self._snapshot

    def close(self) -> None:
        """Nothing to let go."""


def pause_after(failures: int) -> float:
    """Seconds until the next attempt after so many failures."""
    doubled: float = RETRY_S[0] * 2.0 ** min(failures - 1, 8)
    return min(doubled, RETRY_S[1])


class _Retry:
    """When to try again: soon at first, then less often."""

    def __init__(self) -> None:
        self._failures = 0
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time."""
        return now >= self._next

    def failed(self, now: float) -> None:
        """It failed once more."""
        self._failures += 1
        self._next = now + pause_after(self._failures)

    def well(self) -> None:
        """It works again."""
        self._failures, self._next = 0, float("-inf")


class CameraSupply:
    """Frames of a camera that may come and go. down_s: seconds without a frame until it counts as lost."""

    def __init__(
        self, open_camera: Callable[[], Camera], *, down_s: float, monotonic: Callable[[], float]
    ) -> None:
        self._open, self._down_s, self._monotonic = open_camera, down_s, monotonic
        self._camera: Camera | None = None
        self._retry = _Retry()
        self._last_frame = 0.0
        self.down = False

    def frame(self) -> Frame | None:
        """The latest frame; ``None`` when there is none yet, or no camera."""
        if self._camera is None:
            if not self._retry.due(self._monotonic()):
                return None
            try:
                self._camera = self._open()
            except CameraError as error:
                self._lose(str(error))
                return None
            self._last_frame = self._monotonic()
        try:
            frame = self._camera.read(READ_S)
        except CameraError as error:
            self._lose(str(error))
            return None
        now = self._monotonic()
        if frame is not None:
            self._last_frame = now
            self.down = False
            self._retry.well()
        elif now - self._last_frame > self._down_s:
            self._lose(f"no frame for {self._down_s:g} s")
        return frame

    @property
    def opened(self) -> bool:
        """Whether there is a camera to read from."""
        return self._camera is not None

    def _lose(self, why: str) -> None:
        if not self.down:
            talk.error("camera down: %s", why)
        self.down = True
        self.close()
        self._retry.failed(self._monotonic())

    def close(self) -> None:
        """Let the camera go; the next frame opens it again."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


class TrustSupply:
    """Snapshots of a trust store that may be empty, damaged or gone."""

    def __init__(self, open_trust: Callable[[], TrustSource], *, monotonic: Callable[[], float]) -> None:
        self._open, self._monotonic = open_trust, monotonic
        self._source: TrustSource | None = None
        self._retry = _Retry()
        self.fault: Finding | None = None

    def snapshot(self) -> Snapshot | None:
        """The snapshot in force; ``None`` while there is none, and ``fault`` says why."""
        if self.fault is not None and not self._retry.due(self._monotonic()):
            return None
        try:
            if self._source is None:
                self._source = self._open()
            snapshot = self._source.current()
        except NoListError:
            self._lose(finding(Reason.NO_LIST), "no trust list was synced yet")
            return None
        except (TrustSyncError, OSError, sqlite3.Error) as error:
            self._lose(finding(Reason.STORE_DOWN, type(error).__name__), str(error))
            return None
        self.fault = None
        self._retry.well()
        return snapshot

    def _lose(self, fault: Finding, why: str) -> None:
        if self.fault is None or self.fault.code is not fault.code:
            talk.error("trust list: %s", why)
        self.fault = fault
        self.close()
        self._retry.failed(self._monotonic())

    def close(self) -> None:
        """Let the store go; the next snapshot opens it again."""
        source, self._source = self._source, None
        if source is not None:
            source.close()


class OrderSupply:
    """The orders of this post's commander, as they lie in a folder now.

    rules: names the post and its key; without both no order counts. folder: need not exist.
    """

    def __init__(self, rules: RulesConfig, folder: Path, *, monotonic: Callable[[], float]) -> None:
        self._post, self._folder, self._monotonic = rules.post, folder, monotonic
        self._key = Path(rules.order_key) if rules.order_key else None
        self._looked = float("-inf")
        self._signature: object = None
        self._held = Orders()

    def orders(self) -> tuple[RuleBundle, ...]:
        """Every good order, whether it has begun or is over. Never raises; looks once in ``ORDERS_S``."""
        now = self._monotonic()
        if now - self._looked >= ORDERS_S:
            self._looked = now
            signature = folder_signature(self._folder, self._key)
            if signature != self._signature:
                self._signature = signature
                self._take(self._read())
        return self._held.orders

    @property
    def refused(self) -> tuple[str, ...]:
        """What lies there and does not count, a line each with the file's name."""
        return self._held.refused

    def _read(self) -> Orders:
        if not self._post or self._key is None:
            return unasked_orders(self._folder)
        try:
            keys = read_keys(self._key)
        except OrderError as error:
            return Orders((), (str(error),))
        return read_orders(self._folder, keys, self._post)

    def _take(self, found: Orders) -> None:
        for line in sorted(set(found.refused) - set(self._held.refused)):
            talk.error("order of the post: %s", line)
        self._held = found
