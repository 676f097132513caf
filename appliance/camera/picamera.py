"""The camera of a Raspberry Pi: plain Picamera2, and only the luma of its main stream.

The rules this module keeps:

* ``picamera2`` is imported when this camera is opened, and by nothing else.
* No control is set that this camera does not offer; what it does not offer is left to it.
* The luma is copied out of a request before the request goes back; the camera has few buffers.
* A request that came late is not lost and not leaked: it is taken by the next read.

    with PiCamera(config.camera) as camera:
        camera.describe()            # imx708, 1280x720 YUV420, 60 fps, exposed 8 ms at most, focus at 20 cm
        camera.read(0.25)
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from appliance.camera import Closing, Frame
from appliance.camera.exposure import CappedExposure
from appliance.camera.planes import PLANAR, luma_plane
from appliance.camera.stamps import Clocks, taken
from appliance.config import CameraConfig
from appliance.errors import CameraError

# libcamera's numbers for AfMode and AfRange.
_AF_MANUAL: Final = 0
_AF_CONTINUOUS: Final = 2
_AF_MACRO: Final = 1

BUFFERS: Final = 4  # one is exposed, one read out, one waits for the reader, one is read


def focus_controls(offered: Mapping[str, Any], dioptres: float | None) -> dict[str, float]:
    """The controls of the lens: locked at so many dioptres, searching between near things for ``None``.

    offered: name to lowest, highest, default. Empty for a camera whose lens does not move.
    """
    if "AfMode" not in offered:
        return {}
    if dioptres is None:
        searching: dict[str, float] = {"AfMode": _AF_CONTINUOUS, "AfRange": _AF_MACRO}
        return {name: value for name, value in searching.items() if name in offered}
    if "LensPosition" not in offered:
        return {}
    lowest, highest = offered["LensPosition"][:2]
    return {"AfMode": _AF_MANUAL, "LensPosition": min(max(dioptres, float(lowest)), float(highest))}


class PiCamera(Closing):
    """A camera on the ribbon cable."""

    def __init__(self, config: CameraConfig) -> None:
        self._form = "YUV420" if config.format == "auto" else config.format
        if self._form not in PLANAR - {"GREY"}:
            raise CameraError(f"picamera2 is asked for {self._form}; set [camera] format to YUV420 or NV12")
        self._camera: Any = None
        self._job: Any = None
        try:
            from picamera2 import MappedArray, Picamera2

            self._mapped = MappedArray
            self._camera = Picamera2(config.index)
            period = 1_000_000 // config.fps  # microseconds
            self._camera.configure(
                self._camera.create_video_configuration(
                    main={"format": self._form, "size": (config.width, config.height)},
                    buffer_count=BUFFERS,
                )
            )
            # What a sensor can depends on how it was configured: its controls are looked at now.
            offered = self._camera.camera_controls
            self._exposure = CappedExposure.offered_by(offered, round(config.exposure_ms * 1000))
            self._focus = focus_controls(offered, config.dioptres)
            first: dict[str, Any] = dict(self._focus)
            if self._exposure is not None:
                first |= self._exposure.start()
            if "FrameDurationLimits" in offered:
                first["FrameDurationLimits"] = (period, period)
                period = max(period, int(offered["FrameDurationLimits"][0] or 0))
            self._period: int | None = period if "FrameDurationLimits" in offered else None
            self._camera.set_controls(first)
            self._camera.start()
        except ImportError as error:
            raise CameraError("picamera2 is not installed; install it, or set [camera] kind") from error
        except Exception as error:  # libcamera raises RuntimeError, IndexError and its own kinds
            self.close()
            raise CameraError(
                f"camera {config.index} cannot be started ({type(error).__name__}); "
                "is its cable in, and is it free?"
            ) from error

    def read(self, timeout: float) -> Frame | None:
        """The next frame of the main stream."""
        if self._camera is None:
            raise CameraError("the camera is closed")
        try:
            if self._job is None:
                self._job = self._camera.capture_request(wait=False)
            try:
                request = self._camera.wait(self._job, timeout)
            except TimeoutError:
                return None
            self._job = None
            try:
                return self._take(request)
            finally:
                request.release()
        except CameraError:
            raise
        except Exception as error:  # whatever the camera stack raises, the camera is gone
            raise CameraError(f"the camera gives no more frames ({type(error).__name__})") from error

    def _take(self, request: Any) -> Frame:
        metadata = request.get_metadata()
        instant = taken(metadata.get("SensorTimestamp"), Clocks.read())
        stream = request.config["main"]
        width, height = stream["size"]
        # make_buffer would copy the colours too.
        with self._mapped(request, "main", reshape=False, write=False) as mapped:
            luma = luma_plane(
                memoryview(mapped.array), self._form, width=width, height=height, stride=int(stream["stride"])
            )
        change = self._exposure.after(metadata) if self._exposure is not None else {}
        if change:
            self._camera.set_controls(change)
        return Frame(luma, instant)

    def describe(self) -> str:
        """Sensor, picture, rate, exposure and focus, as they were obtained."""
        camera = self._camera
        if camera is None:
            return "the camera is closed"
        width, height = camera.camera_configuration()["main"]["size"]
        lens = self._focus.get("LensPosition")
        parts = [
            f"{camera.camera_properties.get('Model', 'a camera')}, {width}x{height} {self._form}",
            f"{1_000_000 / self._period:.3g} fps" if self._period else "its own rate",
            f"exposed {self._exposure.cap_us / 1000:g} ms at most" if self._exposure else "its own exposure",
            "its own focus"
            if lens is None
            else f"focus at {100 / lens:.0f} cm"
            if lens
            else "focus far away",
        ]
        return ", ".join(parts)

    def close(self) -> None:
        """Stop the stream and let the camera go."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        for step in (camera.stop, camera.close):
            with contextlib.suppress(Exception):  # a camera that is gone refuses to be stopped in order
                step()
