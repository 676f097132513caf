"""A USB camera, on a modelled linuxpy: what is asked of it, and what is left to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from linuxpy.video import device as video

from appliance.camera.v4l2 import V4l2Camera
from appliance.config import CameraConfig
from appliance.errors import CameraError

SIZE = (64, 48)
LUMA = bytes(n % 251 for n in range(SIZE[0] * SIZE[1]))
AGE_S = 0.02


class Control:
    """A control of the device; ``stuck``: the driver refuses it."""

    def __init__(self, value: object, stuck: bool = False) -> None:
        self._value, self._stuck = value, stuck

    @property
    def value(self) -> object:
        return self._value

    @value.setter
    def value(self, value: object) -> None:
        if self._stuck:
            raise OSError(5, "Input/output error")
        self._value = value


class Device:
    """A webcam of these formats (name to frames a second). A pipe says when frames wait, as its file does."""

    def __init__(self, formats: dict[str, float], controls: dict[str, Control]) -> None:
        self.formats, self.controls = formats, SimpleNamespace(**controls)
        self.frames, self.filling = os.pipe()
        self.asked: dict[str, Any] = {}
        self.info = SimpleNamespace(fps_intervals=self._intervals)
        self.stamp_back = AGE_S

    def _intervals(self, pixel_format: Any, width: int, height: int) -> list[Any]:
        assert (width, height) == SIZE
        rate = self.formats[pixel_format.name]
        return [SimpleNamespace(min_fps=rate, max_fps=rate), SimpleNamespace(min_fps=1, max_fps=1)]

    def fileno(self) -> int:
        return self.frames

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def give(self, count: int = 1) -> None:
        """So many frames are ready."""
        os.write(self.filling, b"." * count)


class Capture:
    """The stream of a device."""

    def __init__(self, device: Device, size: int) -> None:
        self.device, self.buffer = device, self
        device.asked["buffers"] = size

    def formats(self) -> list[Any]:
        return [SimpleNamespace(pixel_format=SimpleNamespace(name=name)) for name in self.device.formats]

    def set_format(self, width: int, height: int, form: Any) -> None:
        self.device.asked["format"] = form.name

    def get_format(self) -> Any:
        return SimpleNamespace(width=SIZE[0], height=SIZE[1], bytes_per_line=0)

    def set_fps(self, fps: int) -> None:
        self.device.asked["fps"] = fps

    def get_fps(self) -> float:
        return min(self.device.asked["fps"], self.device.formats[self.device.asked["format"]])

    def raw_read(self) -> Any:
        os.read(self.device.frames, 1)
        packed = bytes(each for dot in LUMA for each in (dot, 128))
        data = packed if self.device.asked["format"] == "YUYV" else LUMA
        return SimpleNamespace(data=data, timestamp=time.monotonic() - self.device.stamp_back)

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    devices: list[Device] = []

    def make(formats: dict[str, float], controls: dict[str, Control] | None = None) -> tuple[Any, Device]:
        device = Device(formats, controls or {})
        devices.append(device)
        monkeypatch.setattr(video, "Device", lambda name: device)
        monkeypatch.setattr(video, "VideoCapture", Capture)
        return V4l2Camera(CameraConfig(kind="v4l2", width=SIZE[0], height=SIZE[1])), device

    yield make
    for device in devices:
        os.close(device.frames)
        os.close(device.filling)


@pytest.mark.parametrize("form", ["GREY", "YUYV"])
def test_the_newest_frame_is_read_with_the_stamp_of_its_driver(opened: Any, form: str) -> None:
    """Frames that waited are dropped; its instant is when the driver took it."""
    camera, device = opened({form: 60})
    assert camera.read(0) is None
    device.give(3)
    before = time.monotonic()
    frame = camera.read(0.25)
    assert bytes(frame.luma) == LUMA
    assert before - AGE_S - 0.001 <= frame.taken <= time.monotonic() - AGE_S
    assert camera.read(0) is None


def test_a_stamp_of_another_clock_is_not_believed(opened: Any) -> None:
    """The frame was taken now."""
    camera, device = opened({"GREY": 60})
    device.stamp_back = -1_700_000_000
    device.give()
    before = time.monotonic()
    assert before <= camera.read(0.25).taken <= time.monotonic()


def test_sixty_are_asked_and_what_was_obtained_is_told(opened: Any) -> None:
    """A webcam gives what it can."""
    camera, device = opened({"YUYV": 10, "MJPEG": 30})
    assert device.asked == {"buffers": 2, "format": "MJPEG", "fps": 60}
    assert camera.describe() == "/dev/video0, 64x48 MJPEG, 30 fps, its own exposure and focus"


def test_frames_are_not_made_longer_for_the_exposure_where_that_can_be_said(opened: Any) -> None:
    """Nothing else of its exposure is touched: time, gain and their automatic are one."""
    controls = {
        "exposure_dynamic_framerate": Control(True),
        "auto_exposure": Control(3),
        "exposure_time_absolute": Control(157),
        "focus_automatic_continuous": Control(True),
    }
    opened({"GREY": 60}, controls)
    assert [control.value for control in controls.values()] == [False, 3, 157, True]


def test_a_camera_that_refuses_the_control_is_a_camera_all_the_same(opened: Any) -> None:
    """Its frames may be longer in the dark."""
    camera, device = opened({"GREY": 60}, {"exposure_dynamic_framerate": Control(True, stuck=True)})
    device.give()
    assert camera.read(0.25) is not None


def test_a_device_without_frames_is_no_camera(opened: Any) -> None:
    """It offers no format."""
    with pytest.raises(CameraError, match="gives no frames"):
        opened({})
