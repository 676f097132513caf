"""Where the luma lies in a camera's buffer, by pixel format.

The rules this module keeps:

* Rows may be longer than the picture (stride); they are cut to its width.
* The luma is copied once, and nothing else is. A camera has few buffers and waits for each of them, while a
  frame is read by one thread, looked at by another and laid over the next: it has to outlive its buffer.
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
    if stride < width * step or stride % step or len(flat) < stride * (height - 1) + width * step:
        raise CameraError(f"a frame of {len(flat)} bytes is too short for {width}x{height} {form}")
    flat = flat[: stride * height]
    if step == 2:
        # Every second byte by way of bytes: a memoryview goes from item to item and takes ten times as long.
        flat, stride = memoryview(bytes(flat)[::2]), stride // 2
    if stride != width:
        flat = memoryview(b"".join([flat[at : at + width] for at in range(0, stride * height, stride)]))
    elif step == 1:
        flat = memoryview(bytes(flat))
    return flat.cast("B", (height, width))


def _jpeg(buffer: bytes | bytearray | memoryview) -> Luma:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(buffer), formats=("JPEG",)) as picture:
            picture.draft("L", picture.size)
            grey = picture.convert("L")
    except Exception as error:  # Pillow's decoder raises many kinds; a broken frame is one broken frame
        raise CameraError(f"a JPEG frame cannot be decoded ({type(error).__name__})") from error
    return memoryview(grey.tobytes()).cast("B", (grey.height, grey.width))
