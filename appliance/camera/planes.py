"""Where the luma lies in a camera's buffer, by pixel format.

The rules this module keeps:

* Rows may be longer than the picture (stride); they are cut to its width.
* A buffer that is too short is a CameraError, never a frame with rows of another.

    luma = luma_plane(buffer, "YUYV", width=1280, height=720, stride=2560)
"""

from __future__ import annotations

import io

from appliance.errors import CameraError
from appliance.picture import Luma

# The formats of which the first h rows are the luma.
PLANAR = frozenset({"GREY", "YUV420", "NV12"})


def luma_plane(
    buffer: bytes | bytearray | memoryview, form: str, *, width: int, height: int, stride: int = 0
) -> Luma:
    """A copy of the luma, ``(height, width)`` bytes.

    form: ``GREY``, ``YUV420``, ``NV12`` (luma first), ``YUYV`` (every second byte) or ``MJPEG``. stride:
    bytes from row to row, 0 when rows follow each other. Raises CameraError when the buffer is too short.
    """
    if form == "MJPEG":
        return _jpeg(buffer)
    step = 2 if form == "YUYV" else 1
    if form != "YUYV" and form not in PLANAR:
        raise CameraError(f"the camera gives {form}, which is not read; set [camera] format to another")
    stride = stride or width * step
    flat = memoryview(buffer).cast("B")
    if stride < width * step or len(flat) < stride * (height - 1) + width * step:
        raise CameraError(f"a frame of {len(flat)} bytes is too short for {width}x{height} {form}")
    if step == 1 and stride == width:
        return memoryview(bytes(flat[: width * height])).cast("B", (height, width))
    rows = b"".join(bytes(flat[at : at + width * step : step]) for at in range(0, stride * height, stride))
    return memoryview(rows).cast("B", (height, width))


def _jpeg(buffer: bytes | bytearray | memoryview) -> Luma:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(buffer), formats=("JPEG",)) as picture:
            picture.draft("L", picture.size)
            grey = picture.convert("L")
    except Exception as error:  # Pillow's decoder raises many kinds; a broken frame is one broken frame
        raise CameraError(f"a JPEG frame cannot be decoded ({type(error).__name__})") from error
    return memoryview(grey.tobytes()).cast("B", (grey.height, grey.width))
