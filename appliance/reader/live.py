"""The reader's strategy for live frames: what to try on each, in which order, and when to stop.

The rules this module keeps:

* Cheap passes go first: they are faster, and, failing on different frames, find more together than the
  thorough one alone. What costs more is tried only where a damaged symbol was located.
* A live frame has a deadline. What is not done by then is given up, or goes on with the next frame.
* A scene that does not move is not looked at again, until half a second has passed; a damaged symbol that
  lies still is worked at all the same.
* :func:`read_frame` is a function of its arguments: a frame, what was seen before, a deadline. It may run in
  any number of threads at once. A :class:`Reader` keeps what was seen between two frames, behind a lock that
  is never held while a frame is worked at; and one thread at a time works at a damaged symbol.

    reader = Reader()                             # once for a camera, for all threads
    look = reader(frame.luma)                     # Look(codes=(…), damaged=(…))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import zxingcpp
from PIL import Image, ImageChops

from appliance.picture import Luma
from appliance.reader.mending import Mender
from appliance.reader.passes import (
    FIXED,
    FORMATS,
    FORMATS_AND_DATA_MATRIX,
    OTHERS,
    OTHERS_AND_DATA_MATRIX,
    PLAIN,
    QR,
    Found,
    Look,
    Place,
    half,
    one_pass,
    shared,
)

# Seconds from the start of a live frame after which nothing new is begun.
DEADLINE_S: Final = 0.020
# A scene that does not move is looked at again after this many seconds.
STILL_S: Final = 0.5
# Whether it moves is told by one pixel in so many, each way: the smallest symbol that can be read and holds a
# certificate has some fifty of them. Four times as many would cost twice as much.
THIN: Final = 16


@dataclass(frozen=True, slots=True, repr=False)
class Before:
    """What is known from the frames before this one. A value: each frame makes the next.

    number: of frames that were looked at. thumb: every 256th pixel of the last of them. looked: when that
    was, in seconds. found: what it showed.
    """

    number: int = 0
    thumb: Image.Image | None = None
    looked: float = float("-inf")
    found: Found = field(default_factory=Found)


def read_frame(
    luma: Luma, before: Before, *, now: float, left: Callable[[], float], data_matrix: bool = False
) -> tuple[Found, Before]:
    """Everything that a frame shows to the cheap passes, and what to hand in with the next frame.

    now: seconds, of any clock that goes on. left: seconds until the deadline; a pass that was begun is ended.
    A pure function of what it is given: no lock, no state, any number of threads.
    """
    height, width = luma.shape or (0, 0)
    if min(height, width) < 2:
        return Found(), before
    # 1. A scene that did not move shows what it showed.
    thumb = _thumb(luma)
    if now - before.looked < STILL_S and before.thumb is not None and _still(thumb, before.thumb):
        return before.found, before
    room = left()
    # 2. Where the only code was, most likely it still is; two frames of eight look for others.
    found = none = Found()
    turn = before.number % len(_TURNS)
    codes = before.found.look.codes
    if turn % 4 and len(codes) == 1 and not before.found.look.damaged:
        found = _region(luma, codes[0].place, FORMATS_AND_DATA_MATRIX if data_matrix else FORMATS)
    # 3. The whole frame, otherwise in each turn. Where a pass took two thirds of the time, as in a scene full
    # of finder patterns, the next one would end long after the deadline.
    for name in _TURNS[turn]:
        if found.look.codes or (left() < room / 3 and found is not none):
            break
        found += _attempt(name, luma, data_matrix)
    return found, Before(before.number + 1, thumb, now, found)


# What is tried in turn, frame by frame. A whole pass costs as much as four to six cheap ones, the other kinds
# of code twice as much again: a frame has time for a cheap one and a whole one.
_TURNS: Final = (
    ("fixed", "whole"),
    ("half", "whole"),
    ("fixed", "inverted"),
    ("fixed", "whole"),
    ("half", "others"),
    ("fixed", "whole"),
    ("fixed", "inverted half"),
    ("half", "fixed"),
)


def _attempt(name: str, luma: Luma, data_matrix: bool) -> Found:
    """One pass over the whole frame, by its name in :data:`_TURNS`."""
    if name == "fixed":
        return one_pass(luma, 1, QR, binarizer=FIXED, **PLAIN)
    if name == "half":
        return one_pass(half(luma), 2, QR, **PLAIN)
    if name == "whole":
        return one_pass(luma, 1, QR, **PLAIN)
    if name == "inverted":
        return one_pass(ImageChops.invert(shared(luma)), 1, QR, **PLAIN)
    if name == "inverted half":
        image = shared(luma)
        small = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST)
        return one_pass(ImageChops.invert(small), 2, QR, **PLAIN)
    others = OTHERS_AND_DATA_MATRIX if data_matrix else OTHERS
    found = one_pass(half(luma), 2, others, **PLAIN)
    return found if found.look.codes else one_pass(luma, 1, others, binarizer=FIXED, **PLAIN)


def _region(luma: Luma, place: Place, formats: Any) -> Found:
    """The last symbol's surroundings, without a copy."""
    height, width = luma.shape or (0, 0)
    reach = int(place.side * 0.75) + 8
    left, top = max(0, int(place.x) - reach), max(0, int(place.y) - reach)
    # A view must end a whole row before its memory does: without the last row it always can.
    right, bottom = min(width, int(place.x) + reach), min(height - 1, int(place.y) + reach)
    if right - left < 16 or bottom - top < 16 or (right - left) * (bottom - top) > 0.7 * width * height:
        return Found()
    flat: Any = luma.cast("B")[top * width + left :]
    view = zxingcpp.ImageView(flat, right - left, bottom - top, zxingcpp.ImageFormat.Lum, width, 1)
    found = one_pass(view, 1, formats, start=(left, top), binarizer=FIXED, **PLAIN)
    return found if found.look.codes else one_pass(view, 1, formats, start=(left, top), **PLAIN)


def _thumb(luma: Luma) -> Image.Image:
    height, width = luma.shape or (0, 0)
    return shared(luma).resize((max(1, width // THIN), max(1, height // THIN)), Image.Resampling.NEAREST)


def _still(one: Image.Image, other: Image.Image) -> bool:
    """Whether nothing moved between two thumbs: next to no pixel differs by more than a camera's noise."""
    if one.size != other.size:
        return False
    difference = ImageChops.difference(one, other)
    most: Any = difference.getextrema()[1]
    return most < 24 or sum(difference.histogram()[24:]) * 400 <= one.width * one.height


def look(luma: Luma, *, data_matrix: bool = False) -> Look:
    """Everything that a frame shows by itself; stops at the first pass that reads something.

    data_matrix: whether DataMatrix is looked for too. Live frames go to a :class:`Reader`.
    """
    height, width = luma.shape or (0, 0)
    if min(height, width) < 2:
        return Look()
    found = Found()
    formats = FORMATS_AND_DATA_MATRIX if data_matrix else FORMATS
    for image, scale, options in (
        (luma, 1, {"binarizer": FIXED, **PLAIN}),
        (half(luma), 2, PLAIN),
        (luma, 1, {}),
    ):
        found += one_pass(image, scale, formats, **options)
        if found.look.codes:
            break
    return found.look


class Reader:
    """Live frames, one after the other, from any number of threads.

    Call it with each frame's luma. A thread works at its own frame; what they share is kept under a lock for
    as long as it takes to hand over a value. A damaged symbol is worked at by one thread at a time.

    deadline_s: seconds from the start of a frame after which nothing new is begun on it.
    """

    def __init__(
        self,
        *,
        data_matrix: bool = False,
        deadline_s: float = DEADLINE_S,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._data_matrix = data_matrix
        self._deadline_s = deadline_s
        self._clock = clock
        self._before = Before()
        self._handing = threading.Lock()
        self._mending = threading.Lock()
        self._mender = Mender()

    def __call__(self, luma: Luma) -> Look:
        """What the frame shows."""
        began = self._clock()

        def left() -> float:
            return began + self._deadline_s - self._clock()

        with self._handing:
            before = self._before
        found, after = read_frame(luma, before, now=began, left=left, data_matrix=self._data_matrix)
        if after is before and (found.look.codes or not self._mender.busy):
            return found.look
        if self._mending.acquire(blocking=False):
            try:
                if found.look.codes:
                    self._mender.drop()
                else:
                    code = self._mender.work(luma, found.hurt, began, left)
                    if code is not None:
                        found = Found(Look((code,)))
                        after = Before(after.number, after.thumb, after.looked, found)
            finally:
                self._mending.release()
        with self._handing:
            if after.looked >= self._before.looked:
                self._before = after
        return found.look

    def forget(self) -> None:
        """Nothing of what was seen is known any more. A frame that is being read may leave its own behind."""
        with self._handing:
            self._before = Before()
        if self._mending.acquire(blocking=False):
            self._mender.drop()
            self._mending.release()
