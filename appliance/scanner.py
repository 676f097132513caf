"""From pixels to Scans: which codes are in a frame, and which of them are new.

The rules this module keeps:

* QR and Aztec only, and DataMatrix where it is asked for: every kind costs time on every frame, and all
  others hold no certificate.
* A text comes out exactly as it stands in the symbol. Bytes that are no text stay bytes.
* The same code held up is one Scan, also when it flickers; another code is another Scan at once.
* A symbol that is there and cannot be read is said once, after a while: that is RESCAN, never red.
* Nothing here knows a camera, a lamp or a page, so `vaxgate-verify` reads pictures with it.

    codes = read_image(Path("ticket.png"))
    codes[0].payload                 # the text, or bytes
    watch = Watch(same_code_s=1.2, damaged_s=1.0)
    watch.see(look(frame.luma), now=frame.taken)       # Sighting(scans=(…), unreadable=False)
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zxingcpp

from appliance.picture import Luma, as_image, read_luma

FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Aztec])
FORMATS_AND_DATA_MATRIX = zxingcpp.BarcodeFormats(
    [zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.DataMatrix]
)
FORMAT_NAMES = {
    zxingcpp.BarcodeFormat.Aztec: "Aztec",
    zxingcpp.BarcodeFormat.AztecCode: "Aztec",
    zxingcpp.BarcodeFormat.DataMatrix: "DataMatrix",
}

# Seconds of this thread's work that a still picture may cost beyond its first pass.
HARDER_S = 0.08
MAX_CODES = 64


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


def look(luma: Luma, *, data_matrix: bool = False) -> Look:
    """Everything that a frame shows; stops at the first pass that reads something.

    data_matrix: whether DataMatrix is looked for too.

    The cheap passes go first: they are faster and, their binarizers failing on different frames, find more
    together than the thorough one alone. A symbol that was located and not read is reported by the last.
    """
    height, width = luma.shape or (0, 0)
    if min(height, width) < 2:
        return Look()
    plain = zxingcpp.Binarizer.LocalAverage
    cheap: Sequence[tuple[Any, zxingcpp.Binarizer]] = (
        (luma, zxingcpp.Binarizer.FixedThreshold),
        (zxingcpp.ImageView(luma, width // 2, height // 2, zxingcpp.ImageFormat.Lum, 2 * width, 2), plain),
    )
    for number, (image, binarizer) in enumerate(cheap):
        found = _pass(
            image, 1 << number, data_matrix, binarizer=binarizer, try_downscale=False, try_invert=False
        )
        if found.codes:
            return found
    return _pass(luma, 1, data_matrix, return_errors=True)


def read_image(path: Path, harder_s: float = HARDER_S, *, data_matrix: bool = False) -> list[Code]:
    """The codes of a picture file, each once; a still picture is worth more passes than a live frame.

    harder_s: seconds of work that may be spent beyond the first pass. data_matrix: whether DataMatrix is
    looked for too. Raises PictureError.
    """
    luma = read_luma(path)
    found = _pass(luma, 1, data_matrix)
    began = time.thread_time()
    cost = 0.0
    for scale, attempt in _harder(luma):
        if found.codes:
            break
        before = time.thread_time()
        if before - began + cost > harder_s:
            break
        found = _pass(attempt(), scale, data_matrix)
        cost = time.thread_time() - before
    return list(found.codes)


def _harder(luma: Luma) -> Iterator[tuple[float, Callable[[], Any]]]:
    """Ways to see a still picture that was not read as it is: scale of the places, and the picture."""
    height, width = luma.shape or (0, 0)
    image = as_image(luma)

    def resized(factor: float) -> Callable[[], Any]:
        return lambda: image.resize((max(1, int(width * factor)), max(1, int(height * factor))))

    def framed() -> Any:
        rim = max(16, max(width, height) // 10)
        paper = image.resize((width + 2 * rim, height + 2 * rim), box=(0, 0, 1, 1))
        paper.paste(255, (0, 0, width + 2 * rim, height + 2 * rim))
        paper.paste(image, (rim, rim))
        return paper

    if min(width, height) <= 1600:
        yield 1, framed
        yield 1.5, resized(1.5)
        yield 2, resized(2)
    yield 0.5, resized(0.5)
    if min(width, height) > 1600:
        yield 0.25, resized(0.25)
    yield 1, lambda: image.point(lambda level: 255 if level > 100 else 0)
    yield 1, lambda: image.point(lambda level: 255 if level > 170 else 0)


def _pass(image: Any, scale: float, data_matrix: bool, **options: Any) -> Look:
    """One pass of the reader. ``scale``: what a pixel of ``image`` is worth in the frame's (its inverse)."""
    before = time.perf_counter_ns()
    formats = FORMATS_AND_DATA_MATRIX if data_matrix else FORMATS
    symbols = zxingcpp.read_barcodes(image, formats=formats, text_mode=zxingcpp.TextMode.Plain, **options)
    micros = (time.perf_counter_ns() - before) // 1000
    codes: dict[bytes, Code] = {}
    damaged = []
    for symbol in symbols[:MAX_CODES]:
        place = _place(symbol.position, scale)
        if not symbol.valid:
            damaged.append(place)
            continue
        data = bytes(symbol.bytes)
        codes.setdefault(
            data, Code(_text(symbol, data), data, FORMAT_NAMES.get(symbol.format, "QRCode"), micros, place)
        )
    return Look(tuple(codes.values()), tuple(damaged))


def _text(symbol: Any, data: bytes) -> str | None:
    if symbol.content_type in (zxingcpp.ContentType.Binary, zxingcpp.ContentType.UnknownECI):
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return str(symbol.text)


def _place(position: Any, scale: float) -> Place:
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    xs, ys = [c.x for c in corners], [c.y for c in corners]
    side = max(max(xs) - min(xs), max(ys) - min(ys))
    return Place(sum(xs) / 4 * scale, sum(ys) / 4 * scale, side * scale)


@dataclass(frozen=True, slots=True, repr=False)
class Sighting:
    """What is new in a frame: Scans, or that a symbol has been in view unread for long enough."""

    scans: tuple[Scan, ...] = ()
    unreadable: bool = False


class Watch:
    """Tells a new Scan from a code that is still held up. Pure: time comes in as ``now``, in seconds.

    same_code_s: how long a code may be out of view and still be the same Scan. damaged_s: how long a symbol
    must be in view unread before that is said.

    A read code that gets damaged where it lies (glare, a tilt) is that code still, for ``GLARE_S`` at most
    and only while something lies there in every frame.
    """

    GLARE_S = 3.0

    def __init__(self, *, same_code_s: float, damaged_s: float) -> None:
        self._same_code_s = same_code_s
        self._damaged_s = damaged_s
        self._seen: dict[
            bytes, tuple[float, float, Place, bool]
        ] = {}  # last seen, last read, where, unbroken
        self._damaged_since: float | None = None
        self._damaged_last = 0.0
        self._said = False

    def see(self, found: Look, now: float) -> Sighting:
        """Take a frame's look in; what is new comes out."""
        new: list[Scan] = []
        self._forget(now)
        unbroken: set[bytes] = set()
        for code in found.codes:
            if code.mark not in self._seen:
                new.append(code)
            self._seen[code.mark] = (now, now, code.place, True)
            unbroken.add(code.mark)
        strange = []
        for place in found.damaged:
            owner = self._owner(place, now)
            if owner is None:
                strange.append(place)
            else:
                _, read, _, _ = self._seen[owner]
                self._seen[owner] = (now, read, place, True)
                unbroken.add(owner)
        for mark, (last, read, place, _) in self._seen.items():
            if mark not in unbroken:
                self._seen[mark] = (last, read, place, False)
        return Sighting(tuple(new), self._unreadable(bool(strange) and not found.codes, now))

    def last_seen(self, mark: bytes) -> float | None:
        """When the code of this mark was last in view; ``None`` when it is gone."""
        seen = self._seen.get(mark)
        return None if seen is None else seen[0]

    def _forget(self, now: float) -> None:
        for mark in [m for m, seen in self._seen.items() if now - seen[0] > self._same_code_s]:
            del self._seen[mark]

    def _owner(self, place: Place, now: float) -> bytes | None:
        for mark, (_, read, where, unbroken) in self._seen.items():
            if unbroken and now - read <= self.GLARE_S and where.near(place):
                return mark
        return None

    def _unreadable(self, damaged: bool, now: float) -> bool:
        if not damaged:
            if self._damaged_since is not None and now - self._damaged_last > self._same_code_s:
                self._damaged_since, self._said = None, False
            return False
        if self._damaged_since is None or now - self._damaged_last > self._same_code_s:
            self._damaged_since, self._said = now, False
        self._damaged_last = now
        if self._said or now - self._damaged_since < self._damaged_s:
            return False
        self._said = True
        return True
