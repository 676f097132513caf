"""Finding a QR symbol that the ordinary reader does not even see: by its finder patterns, however blurred.

A reader looks for a row of dark and light in the shares 1:1:3:1:1; motion by more than a module, or noise,
leaves none. The pattern as a whole is still there: it is compared with the picture at every size and in six
rotations, only where the picture has contrast. Three of them, or two when the third is cut off or covered,
give the place of a symbol; the timing pattern between them counts its modules.

The rules this module keeps:

* What it gives are places to try, best first, and never a text.
* It costs tenths of a second: for still pictures, and for nothing that must answer within a frame.
* Nothing is kept between two calls.

    for version, corners in places(image):        # a Pillow picture in grey
        restoration = Restoration(version)
        if restoration.add(image, corners, reach=3) > FIT_FLOOR: ...
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from appliance.reader.flattening import Corner
from appliance.reader.qrgrid import Modules

# Pixels of the reduced picture for a module, and of the window that is compared.
_SCALE: Final = 1.3
_HALF: Final = 6
_SIZE: Final = 2 * _HALF + 1
_MARGIN: Final = 4
# Modules of so many pixels are looked for, each 1.2 times the one before.
_SIZES: Final = tuple(1.25 * 1.2**step for step in range(14))
# A reduced picture of more pixels is not searched: modules so small in a frame so large.
_MAX_PIXELS: Final = 250_000
# Correlation that makes a finder pattern beside two strong ones; and the most that are put together.
_FLOOR: Final = 0.3
_STRONG: Final = 0.42
_MOST: Final = 20
# Squared contrast below which nothing is looked for.
_FLAT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Finder:
    """A finder pattern: its middle and the size of a module, in pixels, and the correlation."""

    x: float
    y: float
    module: float
    likeness: float


def places(
    image: Image.Image, until: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, tuple[Corner, ...]]]:
    """Versions and corners (top left, top right, bottom right, bottom left) to try, best first.

    image: luma, as Pillow's ``L``. until: says whether to stop looking.
    """
    finders = find_finders(image, until)
    luma = np.asarray(image)
    tried = []
    for trio in _trios(finders) + _pairs(finders):
        if until():
            return
        for likeness, side in _sides(luma, trio):
            tried.append((likeness, side, trio))
    tried.sort(key=lambda guess: -guess[0])
    for _, side, trio in tried[:12]:
        yield (side - 17) // 4, _corners(trio, side)


def find_finders(image: Image.Image, until: Callable[[], bool] = lambda: False) -> list[Finder]:
    """The finder patterns of a picture, likeliest first."""
    found: list[Finder] = []
    for module in _SIZES:
        if until():
            break
        found += _of_size(image, module)
    found.sort(key=lambda finder: -finder.likeness)
    kept: list[Finder] = []
    for finder in found:
        if all(
            np.hypot(finder.x - other.x, finder.y - other.y) > 3 * max(finder.module, other.module)
            for other in kept
        ):
            kept.append(finder)
    return kept[:_MOST]


@lru_cache(maxsize=1)
def _patterns() -> Modules:
    """The finder pattern with its light rim in six rotations, one a column."""
    fine = 5
    line = np.arange(-_HALF * fine - fine // 2, _HALF * fine + fine // 2 + 1) / fine / _SCALE
    down, right = np.meshgrid(line, line, indexing="ij")
    drawn = []
    for degrees in range(0, 90, 15):
        angle = np.deg2rad(degrees)
        ring = np.maximum(
            abs(np.cos(angle) * right + np.sin(angle) * down),
            abs(np.cos(angle) * down - np.sin(angle) * right),
        )
        inside = (ring <= 4.5).astype(float)
        pattern = np.where((ring < 1.5) | ((ring >= 2.5) & (ring < 3.5)), 1.0, -1.0) * inside
        pattern, inside = (part.reshape(_SIZE, fine, _SIZE, fine).mean((1, 3)) for part in (pattern, inside))
        pattern -= inside * (pattern.sum() / inside.sum())
        drawn.append((pattern / np.sqrt((pattern * pattern).sum())).reshape(-1))
    return np.stack(drawn, axis=1).astype(np.float32)


def _of_size(image: Image.Image, module: float) -> list[Finder]:
    share = _SCALE / module
    width, height = round(image.width * share), round(image.height * share)
    if width * height > _MAX_PIXELS or min(width, height) < 3 * _SIZE:
        return []
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    grey = np.pad(np.asarray(small, np.float32), _MARGIN, mode="edge")
    spread: Modules = np.maximum(_sums(grey * grey) - _sums(grey) ** 2 / _SIZE**2, 0)
    least = max(_FLAT * _SIZE**2, 0.15 * float(np.percentile(spread, 99)))
    rows, columns = np.nonzero(spread > least)
    windows = sliding_window_view(grey, (_SIZE, _SIZE))
    likeness: Modules = np.full((len(spread), len(spread[0])), -1, np.float32)
    for start in range(0, len(rows), 16_384):
        some = slice(start, start + 16_384)
        window = windows[rows[some], columns[some]].reshape(-1, _SIZE**2)
        likeness[rows[some], columns[some]] = -(window @ _patterns()).min(1)
    likeness /= np.sqrt(spread + _FLAT * _SIZE**2)
    found = []
    for _ in range(_MOST):
        row, column = divmod(int(np.argmax(likeness)), likeness.shape[1])
        value = float(likeness[row, column])
        if value < _FLOOR:
            break
        middle = _HALF - _MARGIN + 0.5
        found.append(Finder((column + middle) / share, (row + middle) / share, module, value))
        likeness[max(0, row - _HALF) : row + _HALF + 1, max(0, column - _HALF) : column + _HALF + 1] = -1
    return found


def _sums(values: Modules) -> Modules:
    sums: Modules = np.pad(values.astype(np.float64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return sums[_SIZE:, _SIZE:] - sums[:-_SIZE, _SIZE:] - sums[_SIZE:, :-_SIZE] + sums[:-_SIZE, :-_SIZE]


# --- Finder patterns put together ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Trio:
    """The middles of three finder patterns, of which one may be a guess; and the size of a module."""

    corner: Modules  # top left
    right: Modules
    below: Modules
    module: float
    likeness: float
    guessed: bool


def _trios(finders: list[Finder]) -> list[_Trio]:
    trios = []
    for three in itertools.combinations(finders, 3):
        sizes = [finder.module for finder in three]
        if max(sizes) > 1.5 * min(sizes) or three[1].likeness < _STRONG:
            continue
        for number in range(3):
            corner, a, b = (np.array([f.x, f.y]) for f in three[number:] + three[:number])
            one, other = a - corner, b - corner
            turn = one[0] * other[1] - one[1] * other[0]
            lengths = np.hypot(*one), np.hypot(*other)
            # The corner between two sides of about the same length, at about a right angle.
            if abs(turn) < 0.75 * lengths[0] * lengths[1] or not 0.6 < lengths[0] / lengths[1] < 1.67:
                continue
            right, below = (a, b) if turn > 0 else (b, a)
            likeness = sum(finder.likeness for finder in three) / 3
            trios.append(_Trio(corner, right, below, float(np.mean(sizes)), likeness + 1, False))
    return trios


def _pairs(finders: list[Finder]) -> list[_Trio]:
    """Two finder patterns and every place of the third."""
    pairs = []
    for two in itertools.combinations([finder for finder in finders[:6] if finder.likeness > _STRONG], 2):
        if max(two[0].module, two[1].module) > 1.5 * min(two[0].module, two[1].module):
            continue
        module, likeness = (two[0].module + two[1].module) / 2, (two[0].likeness + two[1].likeness) / 2
        for a, b in itertools.permutations([np.array([finder.x, finder.y]) for finder in two]):
            way = b - a
            turned = np.array([-way[1], way[0]])
            pairs += [
                _Trio(a, b, a + turned, module, likeness, True),
                _Trio(a, a - turned, b, module, likeness, True),
                _Trio((a + b + turned) / 2, a, b, module, likeness, True),
            ]
    return pairs


def _sides(luma: Modules, trio: _Trio) -> list[tuple[float, int]]:
    """Likely numbers of modules a side: how well the timing patterns alternate, and the side."""
    length = (np.hypot(*(trio.right - trio.corner)) + np.hypot(*(trio.below - trio.corner))) / 2
    guesses = []
    for version in range(1, 41):
        side = 17 + 4 * version
        if not 0.8 < (side - 7) * trio.module / length < 1.25:
            continue
        along = (trio.right - trio.corner) / (side - 7), (trio.below - trio.corner) / (side - 7)
        steps = np.arange(8, side - 8) - 3.0
        likeness = []
        for one, other in (along, along[::-1]):
            best = 0.0
            for offset in (2.4, 3.0, 3.6):
                spots = trio.corner + steps[:, None] * one + offset * other
                seen, inside = _at(luma, spots)
                if inside.mean() < 0.6:
                    continue
                seen = seen - np.convolve(np.pad(seen, 2, mode="edge"), np.full(5, 0.2), "valid")
                seen *= inside
                size = float(np.abs(seen).sum()) + 3 * len(seen)
                best = max(best, float((seen * np.where(steps % 2 == 1, -1, 1)).sum()) / size)
            likeness.append(best)
        alternates = max(likeness) if trio.guessed else sum(likeness) / 2
        guesses.append((alternates + 0.3 * trio.likeness, side))
    return sorted(guesses, reverse=True)[:3]


def _at(luma: Modules, spots: Any) -> tuple[Modules, Modules]:
    """The luma at these places, linearly between pixels, and which of them are inside."""
    height, width = luma.shape
    x, y = np.clip(spots[:, 0], 0, width - 1.01), np.clip(spots[:, 1], 0, height - 1.01)
    inside = (x == spots[:, 0]) & (y == spots[:, 1])
    left, top = x.astype(int), y.astype(int)
    right, down = x - left, y - top
    upper = luma[top, left] * (1 - right) + luma[top, left + 1] * right
    lower = luma[top + 1, left] * (1 - right) + luma[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down, inside


def _corners(trio: _Trio, side: int) -> tuple[Corner, ...]:
    right = (trio.right - trio.corner) / (side - 7)
    below = (trio.below - trio.corner) / (side - 7)
    start = trio.corner - 3.5 * (right + below)
    spots = (
        start,
        start + side * right,
        start + side * (right + below),
        start + side * below,
    )
    return tuple((float(x), float(y)) for x, y in spots)
