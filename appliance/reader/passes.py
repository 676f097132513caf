"""One pass of the ordinary reader over a picture, and what it says of it.

The rules this module keeps:

* QR and Aztec only, and DataMatrix where it is asked for: every kind costs time on every frame, and all
  others hold no certificate.
* A text comes out exactly as it stands in the symbol. Bytes that are no text stay bytes.
* A symbol that is located and not read is reported, with its version and its corners: that costs nothing, and
  says where more work is worth its time.
* Parts, halves and pictures share the frame's memory.

    found = one_pass(luma, 1, QR, binarizer=FIXED, **PLAIN)
    found.look.codes, found.look.damaged         # what was read, and where something was not
    found.hurt                                   # (Hurt(version=15, corners=(…)),)
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import Any, Final

import zxingcpp
from PIL import Image

from appliance.picture import Luma

FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Aztec])
FORMATS_AND_DATA_MATRIX = zxingcpp.BarcodeFormats(
    [zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.DataMatrix]
)
QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
OTHERS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.Aztec])
OTHERS_AND_DATA_MATRIX = zxingcpp.BarcodeFormats(
    [zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.DataMatrix]
)
FORMAT_NAMES = {
    zxingcpp.BarcodeFormat.Aztec: "Aztec",
    zxingcpp.BarcodeFormat.AztecCode: "Aztec",
    zxingcpp.BarcodeFormat.DataMatrix: "DataMatrix",
}

MAX_CODES = 64

FIXED: Final = zxingcpp.Binarizer.FixedThreshold
PLAIN: Final[dict[str, Any]] = {"try_rotate": False, "try_downscale": False, "try_invert": False}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a symbol lies in the frame: its middle and its longer side, in pixels."""

    x: float
    y: float
    side: float

    def near(self, other: Place) -> bool:
        """Whether the other symbol lies where this one does."""
        reach = max(self.side, other.side) / 2
        return abs(self.x - other.x) <= reach and abs(self.y - other.y) <= reach


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """One symbol that was read. Still only a claim.

    text: exactly as in the symbol, ``None`` where it holds bytes that are no text. data: the bytes.
    format: ``QRCode``, ``Aztec`` or ``DataMatrix``. micros: what the pass that read it took. place: where it
    lies.
    """

    text: str | None
    data: bytes
    format: str
    micros: int
    place: Place = Place(0, 0, 0)

    @property
    def payload(self) -> str | bytes:
        """What is to be judged: the text, or the bytes where there is no text."""
        return self.data if self.text is None else self.text

    @property
    def mark(self) -> bytes:
        """Tells this code from another one within this process, and says nothing about it outside."""
        return hashlib.blake2b(self.data, digest_size=16, key=_SALT).digest()


Scan = Code  # a Scan is a Code that was not in view before

_SALT = os.urandom(32)


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """What one frame shows: codes that were read, and places of symbols that could not be."""

    codes: tuple[Code, ...] = ()
    damaged: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Hurt:
    """A damaged QR symbol that was located: its version and its four corners, top left first, clockwise."""

    version: int
    corners: tuple[tuple[float, float], ...]

    @property
    def place(self) -> Place:
        """Where it lies."""
        xs, ys = [x for x, _ in self.corners], [y for _, y in self.corners]
        return Place(sum(xs) / 4, sum(ys) / 4, max(max(xs) - min(xs), max(ys) - min(ys)))

    def same(self, other: Hurt) -> bool:
        """Whether both are one guess: the same version, and corners less than half a module apart."""
        module = self.place.side / (17 + 4 * self.version)
        return self.version == other.version and all(
            max(abs(a[0] - b[0]), abs(a[1] - b[1])) < module / 2
            for a, b in zip(self.corners, other.corners, strict=True)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What passes over one frame gave: a Look, and the damaged QR symbols in full."""

    look: Look = Look()
    hurt: tuple[Hurt, ...] = ()

    def __add__(self, other: Found) -> Found:
        new = [hurt for hurt in other.hurt if not any(hurt.same(known) for known in self.hurt)]
        places = self.look.damaged or other.look.damaged
        return Found(Look(self.look.codes + other.look.codes, places), (*self.hurt, *new))


def half(luma: Luma) -> Any:
    """Every second pixel of every second row, without a copy."""
    height, width = luma.shape or (0, 0)
    pixels: Any = luma
    return zxingcpp.ImageView(pixels, width // 2, height // 2, zxingcpp.ImageFormat.Lum, 2 * width, 2)


def shared(luma: Luma) -> Image.Image:
    """The luma as a Pillow picture that shares its memory."""
    height, width = luma.shape or (0, 0)
    pixels: Any = luma
    return Image.frombuffer("L", (width, height), pixels, "raw", "L", 0, 1)


def one_pass(
    image: Any,
    scale: float,
    formats: Any,
    *,
    start: tuple[float, float] = (0, 0),
    **options: Any,
) -> Found:
    """One pass of the reader.

    scale: what a pixel of ``image`` is worth in the frame's. start: where it begins there.
    """
    before = time.perf_counter_ns()
    symbols = zxingcpp.read_barcodes(
        image, formats=formats, text_mode=zxingcpp.TextMode.Plain, return_errors=True, **options
    )
    micros = (time.perf_counter_ns() - before) // 1000
    codes: dict[bytes, Code] = {}
    damaged: list[Place] = []
    hurt: list[Hurt] = []
    for symbol in symbols[:MAX_CODES]:
        corners = _corners(symbol.position, scale, start)
        place = Hurt(0, corners).place
        if symbol.valid:
            code = code_of(symbol, place, micros)
            codes.setdefault(code.data, code)
            continue
        damaged.append(place)
        extra: Any = symbol.extra or {}
        version = str(extra.get("Version", ""))
        if version.isdigit() and 1 <= int(version) <= 40 and place.side > 16:
            hurt.append(Hurt(int(version), corners))
    found = Found(Look((), ()))
    for one in hurt:
        found += Found(Look(), (one,))
    return Found(Look(tuple(codes.values()), tuple(damaged)), found.hurt)


def code_of(symbol: Any, place: Place, micros: int) -> Code:
    data = bytes(symbol.bytes)
    return Code(_text(symbol, data), data, FORMAT_NAMES.get(symbol.format, "QRCode"), micros, place)


def _text(symbol: Any, data: bytes) -> str | None:
    if symbol.content_type in (zxingcpp.ContentType.Binary, zxingcpp.ContentType.UnknownECI):
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return str(symbol.text)


def _corners(position: Any, scale: float, start: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    four = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return tuple((corner.x * scale + start[0], corner.y * scale + start[1]) for corner in four)
