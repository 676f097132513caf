"""A USB camera through Video4Linux2, in pure Python (linuxpy).

The rules this module keeps:

* The cheapest format that the camera offers is taken: grey, then planar, then packed, then JPEG.
* Frames that waited in the driver are dropped; the newest one is read.
* Every errno of the driver (unplugged, busy, no rights) is a CameraError that names the device.

    with V4l2Camera(config.camera) as camera:
        camera.read(0.25)
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import Any

from appliance.camera import Closing, Frame
from appliance.camera.planes import luma_plane
from appliance.config import CameraConfig
from appliance.errors import CameraError

# Cheapest first; linuxpy has the same names.
FORMATS = ("GREY", "NV12", "YUV420", "YUYV", "MJPEG")


def choose_format(offered: set[str], wanted: str) -> str:
    """The format to ask for. Raises CameraError when the camera offers none that is read or wanted."""
    if not offered:
        raise CameraError("the device gives no frames; it is no camera, or nothing feeds it")
    if wanted != "auto":
        if wanted not in offered:
            raise CameraError(
                f"the camera offers {', '.join(sorted(offered))}, not {wanted}; set [camera] format"
            )
        return wanted
    for name in FORMATS:
        if name in offered:
            return name
    raise CameraError(f"the camera offers {', '.join(sorted(offered))}; none of them is read")


class V4l2Camera(Closing):
    """A camera at ``/dev/video*``."""

    def __init__(self, config: CameraConfig) -> None:
        try:
            from linuxpy.video import device as video
        except ImportError as error:
            raise CameraError(
                "USB cameras need linuxpy, which is not installed; take requirements/usb.txt, or make dev"
            ) from error
        self._name = config.device
        self._device: Any = None
        try:
            self._device = video.Device(config.device)
            self._device.open()
            # two buffers: v4l2loopback has no more, and the newest frame is all that counts
            self._capture = video.VideoCapture(self._device, size=2)
            kinds = {f.pixel_format.name for f in self._capture.formats() if hasattr(f.pixel_format, "name")}
            form = choose_format(kinds, config.format)
            self._capture.set_format(config.width, config.height, video.PixelFormat[form])
            with contextlib.suppress(OSError, ValueError):  # not every driver lets the rate be set
                self._capture.set_fps(config.fps)
            self._capture.open()
            given = self._capture.get_format()
        except CameraError:
            self.close()
            raise
        except Exception as error:  # linuxpy lets errno, ValueError and its own kinds through
            self.close()
            raise CameraError(
                f"{config.device} cannot be opened as a camera ({type(error).__name__}: {_errno(error)}); "
                "is it plugged in, and may this user read it?"
            ) from error
        self._form = form
        self._size = (given.width, given.height)
        self._stride = int(getattr(given, "bytes_per_line", 0) or 0)

    def _ready(self, seconds: float) -> bool:
        """Whether a picture waits. By poll(2): select(2) fails on descriptors from 1,024 on."""
        poll = select.poll()
        poll.register(self._device, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def read(self, timeout: float) -> Frame | None:
        """The newest frame of the driver."""
        if self._device is None:
            raise CameraError(f"{self._name} is closed")
        try:
            if not self._ready(timeout):
                return None
            data = self._grab()
            while self._ready(0):
                data = self._grab()
        except OSError as error:
            raise CameraError(
                f"{self._name} gives no more frames ({_errno(error)}); is it unplugged?"
            ) from error
        width, height = self._size
        try:
            luma = luma_plane(data, self._form, width=width, height=height, stride=self._stride)
        except CameraError:
            return None  # one broken frame; a camera that gives no others is lost by time
        return Frame(luma, time.monotonic())

    def _grab(self) -> bytes:
        return bytes(self._capture.buffer.raw_read().data)

    def close(self) -> None:
        """Stop the stream and let the device go."""
        device, self._device = self._device, None
        if device is None:
            return
        with contextlib.suppress(Exception):  # an unplugged device refuses to be closed in order
            self._capture.close()
        with contextlib.suppress(Exception):  # the same
            device.close()


def _errno(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else "no more is known"
