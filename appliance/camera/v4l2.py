"""A USB camera through Video4Linux2, in pure Python (linuxpy).

The rules this module keeps:

* The cheapest format that is quick enough is taken: grey, then planar, then packed, then JPEG.
* The exposure is the camera's own, as its gain is: with one of them fixed a webcam leaves the other alone,
  and would be blind by night or by day. Where that can be, it is kept from making frames longer for it.
* Frames that waited in the driver are dropped; the newest one is read.
* Every errno of the driver (unplugged, busy, no rights) is a CameraError that names the device.

    with V4l2Camera(config.camera) as camera:
        camera.read(0.25)
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Mapping
from typing import Any, Final

from appliance.camera import Closing, Frame
from appliance.camera.planes import luma_plane
from appliance.camera.stamps import Clocks, taken
from appliance.config import CameraConfig
from appliance.errors import CameraError

# Cheapest first; linuxpy has the same names.
FORMATS: Final = ("GREY", "NV12", "YUV420", "YUYV", "MJPEG")
# A JPEG costs more than all else that is done with its frame. It is taken where the wire is too narrow for
# the cheaper formats to come this often.
QUICK_FPS: Final = 25


def choose_format(offered: Mapping[str, float], wanted: str) -> str:
    """The format to ask for. offered: name to frames a second at the wanted size, infinite where not known.

    Raises CameraError when the camera offers none that is read or wanted.
    """
    if not offered:
        raise CameraError("the device gives no frames; it is no camera, or nothing feeds it")
    if wanted != "auto":
        if wanted not in offered:
            raise CameraError(
                f"the camera offers {', '.join(sorted(offered))}, not {wanted}; set [camera] format"
            )
        return wanted
    read = [name for name in FORMATS if name in offered]
    if not read:
        raise CameraError(f"the camera offers {', '.join(sorted(offered))}; none of them is read")
    return next((name for name in read if offered[name] >= QUICK_FPS), max(read, key=offered.__getitem__))


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
            form = choose_format(self._offered(config.width, config.height), config.format)
            self._capture.set_format(config.width, config.height, video.PixelFormat[form])
            with contextlib.suppress(OSError, ValueError):  # not every driver lets the rate be set
                self._capture.set_fps(config.fps)
            self._keep_rate()
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

    def _offered(self, width: int, height: int) -> dict[str, float]:
        """The formats of this device, and their frames a second at this size."""
        out = {}
        for each in self._capture.formats():
            if name := getattr(each.pixel_format, "name", None):
                rates = self._device.info.fps_intervals(each.pixel_format, width, height)
                # A range's highest rate stands in min_fps. A device that names none may be quick enough.
                best = max((max(rate.min_fps, rate.max_fps) for rate in rates), default=0)
                out[name] = float(best) or float("inf")
        return out

    def _keep_rate(self) -> None:
        """Where it is dark, many a webcam halves its rate to expose longer: smeared frames, and fewer."""
        with contextlib.suppress(Exception):  # a camera without the control, or one that refuses: as it was
            self._device.controls.exposure_dynamic_framerate.value = False

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
            frame = self._capture.buffer.raw_read()
            while self._ready(0):
                frame = self._capture.buffer.raw_read()
        except OSError as error:
            raise CameraError(
                f"{self._name} gives no more frames ({_errno(error)}); is it unplugged?"
            ) from error
        width, height = self._size
        try:
            luma = luma_plane(frame.data, self._form, width=width, height=height, stride=self._stride)
        except CameraError:
            return None  # one broken frame; a camera that gives no others is lost by time
        return Frame(luma, taken(round(frame.timestamp * 1e9), Clocks.read()))

    def describe(self) -> str:
        """Device, picture and rate, as they were obtained."""
        width, height = self._size
        rate = "its own rate"
        with contextlib.suppress(Exception):  # not every driver tells the rate
            rate = f"{float(self._capture.get_fps()):.3g} fps"
        return f"{self._name}, {width}x{height} {self._form}, {rate}, its own exposure and focus"

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
