"""A gate on a bench: real reader, real judging, real mock pins, and time that moves by hand.

rig = Rig(Desk())
rig.hold(text, seconds=1)            # a code is held up; the gate works round after round
rig.lamp.signal, rig.page()["state"]
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import segno
from desk import Desk
from PIL import Image

from appliance.camera import Closing, Frame
from appliance.config import GateConfig
from appliance.gate import Answer, Gate
from appliance.kiosk.hub import Hub
from appliance.lights import MockLamp
from appliance.picture import Luma, empty
from appliance.supply import FixedTrust, TrustSource
from verifier.clocks import ClockKnowledge
from verifier.policy.bundle import RuleBundle
from verifier.trust import TrustList

SIZE = (1280, 720)
ROUND_S = 0.1  # one round of the gate on the bench


def png_of(text: str, *, scale: int = 4) -> bytes:
    """A code as a PNG with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False, boost_error=False).save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def image_of(text: str, *, scale: int = 4) -> Image.Image:
    """A code in the middle of a frame."""
    code = Image.open(io.BytesIO(png_of(text, scale=scale))).convert("L")
    frame = Image.new("L", SIZE, 170)
    frame.paste(code, ((SIZE[0] - code.width) // 2, (SIZE[1] - code.height) // 2))
    return frame


def luma_of(image: Image.Image) -> Luma:
    """A picture's luma."""
    return memoryview(image.convert("L").tobytes()).cast("B", (image.height, image.width))


def stained(image: Image.Image) -> Image.Image:
    """The same frame with a stain over the code: its corners are seen, nothing of it is read."""
    spoilt = image.copy()
    spoilt.paste(90, (SIZE[0] // 2 - 110, SIZE[1] // 2 - 110, SIZE[0] // 2 + 110, SIZE[1] // 2 + 110))
    return spoilt


@dataclass
class Snapshot:
    """What a store would give."""

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    signed_at: datetime
    floor: datetime
    clock: ClockKnowledge
    sets: Mapping[str, Any] = field(default_factory=dict)


def snapshot_of(desk: Desk) -> Snapshot:
    """A desk's knowledge as a snapshot; its list was signed an hour before the desk's clock."""
    assert desk.now is not None
    assert desk.list_age is not None
    signed_at = desk.now - desk.list_age
    bundles = () if desk.bundle is None else (desk.bundle,)
    return Snapshot(desk.trust, bundles, signed_at, signed_at, ClockKnowledge(floor=signed_at))


class HandCamera(Closing):
    """A camera whose picture is put up by hand. ``error`` makes it fail, no ``picture`` gives no frames.

    period_s: between two frames, where the gate runs in threads of its own.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.picture: Luma | None = empty(*SIZE)
        self.error: Exception | None = None
        self.closed = 0
        self.period_s = 0.0
        self._monotonic = monotonic

    def read(self, timeout: float) -> Frame | None:
        time.sleep(self.period_s)
        if self.error is not None:
            raise self.error
        return None if self.picture is None else Frame(self.picture, self._monotonic())

    def close(self) -> None:
        self.closed += 1


class Rig:
    """A gate with everything round it, stepped by hand."""

    def __init__(self, desk: Desk, **options: Any) -> None:
        self.desk = desk
        self.seconds = 1000.0
        self.camera = HandCamera(self._tick)
        self.open_trust: Callable[[], TrustSource] = lambda: FixedTrust(snapshot_of(self.desk))
        self.open_error: Exception | None = None
        training = options.pop("training", False)
        self.lamp = options.pop("lamp", None) or MockLamp(training=training)
        self.hub = Hub(clear_s=15, monotonic=self._tick, training=training)
        self.answers: list[Answer] = []
        self.clock_error: Exception | None = None
        assert desk.now is not None
        self.now = desk.now
        self.gate = Gate(
            open_camera=self._open_camera,
            open_trust=self._open_trust,
            lamp=self.lamp,
            hub=self.hub,
            config=options.pop("config", GateConfig()),
            clock=self._clock,
            monotonic=self._tick,
            on_answer=self.answers.append,
            **options,
        )
        self.gate.start()

    def monotonic(self) -> float:
        return self.seconds

    def _tick(self) -> float:
        """The clock of everything here, also once a test has put another in its place."""
        return self.monotonic()

    def _clock(self) -> datetime:
        if self.clock_error is not None:
            raise self.clock_error
        return self.now

    def _open_trust(self) -> TrustSource:
        return self.open_trust()

    def _open_camera(self) -> HandCamera:
        if self.open_error is not None:
            raise self.open_error
        return self.camera

    def rounds(self, seconds: float) -> None:
        """Let the gate work for so long."""
        until = self.seconds + seconds - 1e-9
        while self.seconds < until:
            pause = max(self.gate.step(), ROUND_S)
            self.seconds += pause
            self.now += timedelta(seconds=pause)

    def show(self, image: Image.Image | None, seconds: float) -> None:
        """Hold a frame up for so long; ``None`` is the empty desk."""
        self.camera.picture = empty(*SIZE) if image is None else luma_of(image)
        self.rounds(seconds)

    def hold(self, text: str, seconds: float = 0.2) -> None:
        """Hold a code up for so long."""
        self.show(image_of(text), seconds)

    def page(self) -> dict[str, Any]:
        """What the page shows."""
        return self.hub.current()

    def codes(self) -> list[str]:
        """The reason codes on the page."""
        return [reason["code"] for reason in self.page()["reasons"]]

    def close(self) -> None:
        self.lamp.close()
        self.hub.close()
