"""A picture file as luma: one byte a pixel, which is all that a reader of codes needs.

The rules this module keeps:

* A picture is a hostile file: its size, its kind and its pixels have limits before anything is decoded.
* Whatever a decoder raises comes out as PictureError, without a word of the content.
* What is transparent is paper: alpha is laid on white.
* Orientation tags are not looked at; a code reads in any rotation, and mirrored.

    luma = read_luma(Path("ticket.png"))
    luma.shape                       # (height, width)
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, PngImagePlugin

from appliance.errors import PictureError

Luma = memoryview

MAX_FILE = 24 * 1024 * 1024
# Bytes of the opened picture; Pillow keeps four for a pixel of colour, one for a grey one.
MAX_PIXEL_BYTES = 36_000_000
MAX_SIDE = 16_384
MAX_PIXELS = 64_000_000
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"})

# Compressed text in a PNG is of no use to us; Pillow would keep up to 64 MiB of it.
PngImagePlugin.MAX_TEXT_CHUNK = 1024 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 2 * 1024 * 1024
# Our own limits are lower than Pillow's, which warns where we refuse.
Image.MAX_IMAGE_PIXELS = None


def read_luma(path: Path) -> Luma:
    """The picture's luma, ``(height, width)`` bytes.

    Raises PictureError when the file cannot be read, is no picture of :data:`KINDS`, is damaged, or is beyond
    the limits of this module.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise PictureError(f"the picture cannot be read ({error.strerror})") from error
    if size > MAX_FILE:
        raise PictureError(f"the picture file is larger than {MAX_FILE // 2**20} MiB; use a smaller one")
    try:
        with Image.open(path, formats=KINDS) as picture:
            return _luma(picture)
    except PictureError:
        raise
    except Exception as error:
        # Pillow's decoders raise whatever their parsers raise; the text may quote the file: it is not kept.
        raise PictureError("no picture that can be read: damaged, or of a kind that is not known") from error


def _luma(picture: Image.Image) -> Luma:
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError(
            f"the picture has {width} by {height} pixels, more than are read; use a smaller one"
        )
    grey = picture.mode in ("1", "L", "P") and "transparency" not in picture.info
    if picture.format == "JPEG":
        # A JPEG decoder gives the grey alone, and at a half or a quarter where the whole is too large.
        scale = next(s for s in (1, 2, 4, 8) if width * height <= MAX_PIXEL_BYTES // 2 * s * s)
        picture.draft("L", (width // scale, height // scale))
        width, height = picture.size
        grey = picture.mode == "L"
    if width * height * (1 if grey else 4) > MAX_PIXEL_BYTES:
        raise PictureError(f"{width} by {height} pixels are more than are read; use a smaller picture")
    picture.load()
    if "transparency" in picture.info and picture.mode in ("P", "L", "RGB", "1"):
        picture = picture.convert("RGBA")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        alpha = picture.getchannel(picture.mode[-1])
        paper = Image.new("L", picture.size, 255)
        paper.paste(
            picture.convert("RGB").convert("L") if picture.mode == "PA" else picture.convert("L"), mask=alpha
        )
        picture = paper
    elif picture.mode.startswith("I;16") or picture.mode == "I":
        picture = picture.point(lambda value: value / 256).convert("L")
    elif picture.mode != "L":
        picture = picture.convert("L")
    return memoryview(picture.tobytes()).cast("B", (picture.height, picture.width))


def empty(width: int, height: int, level: int = 200) -> Luma:
    """An empty frame of this size."""
    return memoryview(bytes([level]) * (width * height)).cast("B", (height, width))


def as_image(luma: Luma) -> Image.Image:
    """The luma as a Pillow picture, for passes that need one."""
    height, width = luma.shape or (0, 0)
    return Image.frombytes("L", (width, height), luma)
