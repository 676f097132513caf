"""A modelled Picamera2: a sensor with its gain and its delays, few buffers, and the documented interface.

rig = Rig(monkeypatch)               # `from picamera2 import Picamera2` gives the model from now on
rig.sensor.light = 3_000             # a window
camera = PiCamera(CameraConfig(kind="picamera2"))
rig.opened.asked                     # every control that was set
"""

from __future__ import annotations

import sys
import time
import types
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

# Name: lowest, highest, default; as a Camera Module 3 offers them since libcamera 0.5.
CONTROLS: dict[str, tuple[Any, Any, Any]] = {
    "ExposureTime": (26, 66666, 20000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "ExposureTimeMode": (0, 1, 0),
    "AnalogueGainMode": (0, 1, 0),
    "AeEnable": (False, True, True),
    "FrameDurationLimits": (8333, 1_000_000, 33333),
    "AfMode": (0, 2, 0),
    "AfRange": (0, 2, 0),
    "LensPosition": (0.0, 15.0, 1.0),
}
AGE_NS = 12_000_000  # from the sensor's stamp to the request


@dataclass
class Sensor:
    """A sensor with its automatic gain, as a Raspberry Pi has it.

    A control reaches the sensor ``delay`` frames late. The gain goes towards what the light asks for at the
    exposure time in force, a part of the way at each ``every``-th frame, and makes up for a change of the
    time at once. A time is rounded to rows of ``row`` microseconds. light: the exposure time, in microseconds
    at gain 1, of a well exposed picture.
    """

    light: float = 20_000
    delay: int = 5
    row: float = 18.9
    lowest: float = 1.0
    highest: float = 16.0
    every: int = 2
    speed: float = 0.2
    frame: int = 0
    total: float = 1000.0
    queue: deque[int] = field(default_factory=deque)
    fixed: int = 0

    def take(self, controls: dict[str, Any]) -> dict[str, Any]:
        """The next frame's metadata, after these controls were set."""
        self.frame += 1
        self.fixed = int(controls.get("ExposureTime", self.fixed))
        self.queue.append(self.fixed)
        asked = self.queue.popleft() if len(self.queue) > self.delay else 0
        time = max(self.row, round(asked / self.row) * self.row) if asked else 20_000.0
        if self.frame % self.every == 0:
            # What is needed, as far as a picture that is white or black all over tells it.
            seen = min(8.0, max(1 / 8, self.light / self.total))
            self.total *= seen**self.speed
        gain = min(self.highest, max(self.lowest, self.total / time))
        self.total = min(self.total, time * self.highest)
        return {"ExposureTime": int(time), "AnalogueGain": round(gain * 64) / 64, "brightness": time * gain}


class Request:
    """A completed request: its buffer is the camera's again after ``release``."""

    def __init__(self, camera: Picamera2, buffer: bytearray, metadata: dict[str, Any]) -> None:
        self._camera, self.buffer, self._metadata = camera, buffer, metadata
        self.config = camera.camera_configuration()
        self.released = False

    def get_metadata(self) -> dict[str, Any]:
        assert not self.released
        return dict(self._metadata)

    def release(self) -> None:
        assert not self.released, "released twice"
        self.released = True
        self.buffer[:] = bytes([255]) * len(self.buffer)  # the next frame is written into it
        self._camera.free.append(self.buffer)


class MappedArray:
    """The buffer of a request as an array without a copy, for as long as the ``with`` lasts."""

    def __init__(self, request: Request, stream: str, reshape: bool = True, write: bool = True) -> None:
        assert (stream, reshape, write, request.released) == ("main", False, False, False)
        self._request = request
        self.array: Any = None

    def __enter__(self) -> MappedArray:
        self.array = np.frombuffer(self._request.buffer, dtype=np.uint8)
        return self

    def __exit__(self, *_: object) -> None:
        self.array = None


class Picamera2:
    """The camera. It refuses a control that is not offered, and a fifth request while four are held."""

    rig: Rig

    def __init__(self, index: int = 0) -> None:
        self.rig.check("open")
        self.rig.opened = self
        self.index = index
        self.asked: list[dict[str, Any]] = []
        self.free: list[bytearray] = []
        self.jobs = 0
        self.closed = self.started = False
        self._config: dict[str, Any] = {}
        self._ahead: dict[str, Any] = {}

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        assert self._config, "what a sensor can is known when it is configured"
        return self.rig.controls

    @property
    def camera_properties(self) -> dict[str, Any]:
        return {"Model": "imx708"}

    def create_video_configuration(self, *, main: dict[str, Any], buffer_count: int) -> dict[str, Any]:
        width, _ = main["size"]
        return {"main": main | {"stride": width + self.rig.padding}, "buffer_count": buffer_count}

    def configure(self, config: dict[str, Any]) -> None:
        self._config = config
        main = config["main"]
        size = main["stride"] * main["size"][1] * 3 // 2
        self.free = [bytearray(size) for _ in range(config["buffer_count"])]

    def camera_configuration(self) -> dict[str, Any]:
        return self._config

    def set_controls(self, controls: dict[str, Any]) -> None:
        for name in controls:
            if name not in self.rig.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.asked.append(controls)
        self._ahead |= controls

    def start(self) -> None:
        self.rig.check("start")
        self.started = True

    def capture_request(self, wait: bool) -> object:
        assert wait is False
        self.jobs += 1
        return object()

    def wait(self, job: object, timeout: float) -> Request:
        self.rig.check("frame")
        if self.rig.silent:
            raise TimeoutError
        assert self.free, "every buffer is held"
        buffer = self.free.pop()
        main = self._config["main"]
        (width, height), stride = main["size"], main["stride"]
        for row in range(height):
            buffer[row * stride : row * stride + width] = self.rig.picture[row * width : (row + 1) * width]
        controls, self._ahead = self._ahead, {}
        self.rig.seen.append(self.rig.sensor.take(controls))
        stamp = {"SensorTimestamp": time.monotonic_ns() - AGE_NS} if self.rig.stamped else {}
        return Request(self, buffer, self.rig.seen[-1] | stamp)

    def stop(self) -> None:
        self.rig.check("stop")
        self.started = False

    def close(self) -> None:
        self.closed = True


class Rig:
    """The module ``picamera2`` while a test lasts. broken: the steps that raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] = (320, 240)) -> None:
        self.sensor = Sensor()
        self.controls = dict(CONTROLS)
        self.picture = bytes(n % 251 for n in range(size[0] * size[1]))
        self.padding = 0
        self.silent, self.stamped = False, True
        self.broken: set[str] = set()
        self.seen: list[dict[str, Any]] = []
        self.opened: Picamera2
        module: Any = types.ModuleType("picamera2")
        module.Picamera2 = type("Picamera2", (Picamera2,), {"rig": self})
        module.MappedArray = MappedArray
        monkeypatch.setitem(sys.modules, "picamera2", module)

    def check(self, step: str) -> None:
        if step in self.broken:
            raise RuntimeError("CANARY: what a camera stack says")
