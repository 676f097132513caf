"""The camera of a Raspberry Pi: plain Picamera2, and only the luma of its main stream.

The rules this module keeps:

* ``picamera2`` is imported when this camera is opened, and by nothing else.
* The luma is copied out of a request before the request goes back; the camera has few buffers.
* A request that came late is not lost and not leaked: it is taken by the next read.

    with PiCamera(config.camera) as camera:
        camera.read(0.25)
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from appliance.camera import Closing, Frame
from appliance.camera.planes import PLANAR, luma_plane
from appliance.config import CameraConfig
from appliance.errors import CameraError


class PiCamera(Closing):
    """A camera on the ribbon cable."""

    def __init__(self, config: CameraConfig) -> None:
        self._form = "YUV420" if config.format == "auto" else config.format
        if self._form not in PLANAR - {"GREY"}:
            raise CameraError(f"picamera2 is asked for {self._form}; set [camera] format to YUV420 or NV12")
        self._camera: Any = None
        self._job: Any = None
        try:
            from picamera2 import Picamera2

            self._camera = Picamera2(config.index)
            period = 1_000_000 // config.fps  # microseconds; a frame's length bounds its exposure
            self._camera.configure(
                self._camera.create_video_configuration(
                    main={"format": self._form, "size": (config.width, config.height)},
                    controls={"FrameDurationLimits": (period, period)},
                    buffer_count=4,
                )
            )
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
                stream = request.config["main"]
                width, height = stream["size"]
                luma = luma_plane(
                    memoryview(request.make_buffer("main")),
                    self._form,
                    width=width,
                    height=height,
                    stride=int(stream["stride"]),
                )
            finally:
                request.release()
        except CameraError:
            raise
        except Exception as error:  # whatever the camera stack raises, the camera is gone
            raise CameraError(f"the camera gives no more frames ({type(error).__name__})") from error
        return Frame(luma, time.monotonic())

    def close(self) -> None:
        """Stop the stream and let the camera go."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        for step in (camera.stop, camera.close):
            with contextlib.suppress(Exception):  # a camera that is gone refuses to be stopped in order
                step()
