"""Cameras: whatever gives Frames, behind one small protocol.

The rules this module keeps:

* The latest frame counts; an older one is dropped, never queued.
* A Frame is luma and an instant. It lives in memory and nowhere else, and prints nothing of itself.
* A library of one kind is loaded by that kind alone.

    with open_camera(config.camera) as camera:
        frame = camera.read(timeout=0.25)          # Frame, or None when there is none yet
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from appliance.config import CameraConfig
from appliance.picture import Luma


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """One picture. luma: ``(height, width)`` bytes.

    taken: seconds of the monotonic clock, by the sensor's own stamp where the camera gives one.
    """

    luma: Luma
    taken: float


class Camera(Protocol):
    """A source of frames, and a context manager that closes it."""

    def read(self, timeout: float) -> Frame | None:
        """The latest frame, at most once each; ``None`` when none came within ``timeout`` seconds.

        Raises CameraError when the camera is gone.
        """

    def describe(self) -> str:
        """What it is and what was obtained of what was asked, in one line for a log."""

    def close(self) -> None:
        """Let the camera go; more than once does no harm."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing:
    """The context manager's half of a Camera."""

    def close(self) -> None:
        """Let the camera go."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def kind_of(config: CameraConfig) -> str:
    """The kind that this configuration means on this machine."""
    if config.kind != "auto":
        return config.kind
    return "picamera2" if importlib.util.find_spec("picamera2") else "v4l2"


def open_camera(config: CameraConfig) -> Camera:
    """The camera of this configuration, giving frames. Raises CameraError when there is none."""
    match kind_of(config):
        case "picamera2":
            from appliance.camera.picamera import PiCamera

            return PiCamera(config)
        case "v4l2":
            from appliance.camera.v4l2 import V4l2Camera

            return V4l2Camera(config)
        case _:
            from appliance.camera.files import open_files

            return open_files(config)
