"""A located symbol laid flat: from a picture and four corners to where each of its modules is seen.

1. The symbol is seen from above by its four corners, and its brightness evened out.
2. Its known patterns are looked for where they should be: a field of displacements unbends the paper.

The rules this module keeps:

* What all symbols of a version share is all that is used here; what a symbol says is nobody's guess yet.
* A picture is no finer than it will be looked at, and nothing of it is kept but the flat view.

    flat = flatten(image, corners, grid.side)        # None for impossible corners
    view = prepare(flat, grid.side)
    view.y, view.x, fit = unbend(view.picture, grid, view.y, view.x, 2, 30)
    sample((view.picture,), view.y, view.x)          # the darkness of each module
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageFilter

from appliance.reader.qrgrid import Grid, Modules

Corner = tuple[float, float]

# Pixels of the flat picture for a module, and modules of margin around the symbol.
SCALE: Final = 3
MARGIN: Final = 4
# Patterns that are found by less than this correlation tell nothing.
_PATTERN_FLOOR: Final = 0.35


@dataclass(slots=True, eq=False)
class View:
    """One frame's symbol laid flat: evened picture, its slopes, its contrast, and where the modules are."""

    picture: Modules
    slope_y: Modules
    slope_x: Modules
    contrast: Modules
    y: Modules
    x: Modules


# --- 1. Flat and even ---------------------------------------------------------------------------------------


def flatten(image: Image.Image, corners: Sequence[Corner], side: int) -> Modules | None:
    """The symbol seen from above, SCALE pixels a module, with a margin; ``None`` for impossible corners."""
    image, corners = _near(image, corners, side)
    near, far = MARGIN * SCALE, (MARGIN + side) * SCALE
    rows, wanted = [], []
    for (x, y), (u, v) in zip(((near, near), (far, near), (far, far), (near, far)), corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    try:
        factors = np.linalg.solve(np.array(rows, float), np.array(wanted, float))
    except np.linalg.LinAlgError:
        return None
    size = ((side + 2 * MARGIN) * SCALE,) * 2
    module = max(abs(corners[0][0] - corners[2][0]), abs(corners[0][1] - corners[2][1])) / side
    finer = module < SCALE * 1.2
    flat = image.transform(
        size,
        Image.Transform.PERSPECTIVE,
        tuple(factors),
        Image.Resampling.BICUBIC if finer else Image.Resampling.BILINEAR,
        fillcolor=128,
    )
    return np.asarray(flat, np.float32)


def _near(image: Image.Image, corners: Sequence[Corner], side: int) -> tuple[Image.Image, list[Corner]]:
    """The picture around the corners, no finer than it will be looked at: that takes noise off."""
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    length = max(max(xs) - min(xs), max(ys) - min(ys))
    rim = length * (MARGIN + 1) / side
    left, top = max(0, int(min(xs) - rim)), max(0, int(min(ys) - rim))
    right, bottom = min(image.width, int(max(xs) + rim) + 1), min(image.height, int(max(ys) + rim) + 1)
    across = [np.hypot(xs[n] - xs[n - 1], ys[n] - ys[n - 1]) for n in range(4)]
    pixels = float(sum(across)) / 4 / side / SCALE
    times = max(1, int(pixels))
    if right - left < times or bottom - top < times:
        return image, list(corners)
    part = image.crop((left, top, right, bottom))
    if times > 1:
        part = part.reduce(times)
    if pixels / times > 1.2:
        part = part.filter(ImageFilter.BoxBlur((pixels / times - 1) / 2))
    return part, [((x - left) / times, (y - top) / times) for x, y in corners]


def prepare(flat: Modules, side: int) -> View:
    """Evened out: darkness above that of the surroundings, in units of the surroundings' contrast."""
    cells = len(flat) // SCALE
    squares = flat.reshape(cells, SCALE, cells, SCALE)
    mean = mean_around(squares.mean((1, 3)), 5)
    contrast = np.sqrt(np.maximum(mean_around((squares * squares).mean((1, 3)), 5) - mean * mean, 0)) + 3
    picture = (mean[:, None, :, None] - squares) / contrast[:, None, :, None]
    picture = np.pad(picture.reshape(flat.shape), 1, mode="edge")
    picture = picture[:-2] + picture[1:-1] + picture[2:]
    picture = (picture[:, :-2] + picture[:, 1:-1] + picture[:, 2:]) / 9
    contrast = np.kron(contrast, np.ones((SCALE, SCALE), np.float32))
    slope_y, slope_x = np.gradient(picture)
    y, x = np.meshgrid(middles(side), middles(side), indexing="ij")
    return View(picture, slope_y, slope_x, contrast, y, x)


def middles(side: int) -> Modules:
    """Where the middles of a row's modules lie in a flat picture that nothing bends."""
    return ((np.arange(side) + 0.5 + MARGIN) * SCALE - 0.5).astype(np.float32)


def mean_around(values: Modules, reach: int) -> Modules:
    """The mean over a square of ``2 reach + 1``, edges repeated."""
    width = 2 * reach + 1
    sums = np.pad(values, ((reach + 1, reach), (reach + 1, reach)), mode="edge")
    for axis in (0, 1):
        sums = sums.cumsum(axis, dtype=np.float64)
        sums = sums[width:] - sums[:-width] if axis == 0 else sums[:, width:] - sums[:, :-width]
    return (sums / (width * width)).astype(np.float32)


def sample(pictures: Sequence[Modules], y: Modules, x: Modules) -> list[Modules]:
    """The pictures' values at these places, linearly between pixels."""
    height, width = pictures[0].shape
    y = np.clip(y, 0, height - 1.001)
    x = np.clip(x, 0, width - 1.001)
    top, left = y.astype(np.int32), x.astype(np.int32)
    down, right = y - top, x - left
    place = top * width + left
    both = down * right
    out = []
    for picture in pictures:
        flat = picture.reshape(-1)
        out.append(
            flat[place] * (1 - down - right + both)
            + flat[place + 1] * (right - both)
            + flat[place + width] * (down - both)
            + flat[place + width + 1] * both
        )
    return out


# --- 2. Unbent by its patterns ------------------------------------------------------------------------------


def unbend(  # noqa: PLR0917 - places come in pairs
    picture: Modules, grid: Grid, y: Modules, x: Modules, reach: float, breadth: float
) -> tuple[Modules, Modules, float]:
    """Places of the modules so that the known patterns fit, and how well they do.

    reach: modules that a pattern may be displaced by. breadth: modules over which one speaks for others.
    """
    side = grid.side
    found = []
    spots = [(3, 3, 3), (3, side - 4, 3), (side - 4, 3, 3), *((*centre, 2) for centre in grid.centres)]
    for row, column, half in spots:
        spot = _find(picture, grid, y[row, column], x[row, column], (row, column, half), reach)
        if spot is not None:
            found.append((row, column, *spot))
    if not found:
        return y, x, 0.0
    rows, columns, shift_y, shift_x, likeness = np.array(found, np.float32).T
    weight = np.maximum(likeness - _PATTERN_FLOOR, 0) ** 2
    if weight.sum() < 1e-6:
        return y, x, float(likeness.mean())
    # A bilinear field for the whole, and what is left of each pattern for its surroundings.
    shifts = np.stack([shift_y, shift_x], 1)
    basis = _bilinear(rows / side - 0.5, columns / side - 0.5)
    for _ in range(2):
        held = basis.T @ (basis * weight[:, None]) + 1e-3 * weight.sum() * np.eye(4, dtype=np.float32)
        field = np.linalg.solve(held, basis.T @ (shifts * weight[:, None]))
        rest = shifts - basis @ field
        if breadth > 20:
            weight = weight / (1 + (rest**2).sum(1) / (0.7 * SCALE) ** 2)
    line = np.arange(side, dtype=np.float32)
    down = np.exp(-((line[:, None] - rows) ** 2) / (2 * breadth**2))
    across = np.exp(-((line[:, None] - columns) ** 2) / (2 * breadth**2))
    total = (down * weight) @ across.T + 0.05 * float(np.median(weight[weight > 0]))
    moved = []
    for axis, places in enumerate((y, x)):
        whole = (
            _bilinear(np.repeat(line / side - 0.5, side), np.tile(line / side - 0.5, side)) @ field[:, axis]
        )
        near = ((down * (weight * rest[:, axis])) @ across.T) / total
        moved.append((places + whole.reshape(side, side) + near).astype(np.float32))
    return moved[0], moved[1], float(likeness.mean())


def _bilinear(y: Modules, x: Modules) -> Modules:
    return np.stack([np.ones_like(y), y, x, y * x], 1).astype(np.float32)


def _find(  # noqa: PLR0917 - places come in pairs
    picture: Modules, grid: Grid, y: float, x: float, spot: tuple[int, int, int], reach: float
) -> tuple[float, float, float] | None:
    """Where a pattern lies from where it should: pixels down, pixels right, and the correlation there."""
    row, column, half = spot
    drawn = grid.known[row - half : row + half + 1, column - half : column + half + 1]
    pattern = np.kron(drawn, np.ones((SCALE, SCALE))).astype(np.float32)
    pattern -= pattern.mean()
    pattern /= np.sqrt((pattern * pattern).sum())
    size, steps = len(pattern), round(reach * SCALE)
    corner_y, corner_x = y - (size - 1) / 2, x - (size - 1) / 2
    top, left = round(float(corner_y)) - steps, round(float(corner_x)) - steps
    length = size + 2 * steps
    if top < 0 or left < 0 or top + length > len(picture) or left + length > len(picture):
        return None
    window = sliding_window_view(picture[top : top + length, left : left + length], (size, size))
    window = window.reshape(-1, size * size)
    mean = window.mean(1)
    spread = np.sqrt(np.maximum((window * window).mean(1) - mean * mean, 1e-3)) * size
    likeness = (window @ pattern.reshape(-1)) / spread
    away = np.arange(-steps, steps + 1) / SCALE
    far = (away[:, None] ** 2 + away[None, :] ** 2).reshape(-1)
    best = int(np.argmax(likeness - 0.06 * far / max(reach, 1)))
    down, right = divmod(best, 2 * steps + 1)
    return top + down - float(corner_y), left + right - float(corner_x), float(likeness[best])


def agreement(view: View, grid: Grid) -> float:
    """How far timing pattern and version information are seen as they must be: 1 wholly, 0 by chance.

    Finder and alignment patterns are left out: they were looked for, and something is always found.
    """
    plain = grid.known.astype(np.float32)
    side = grid.side
    for row, column in ((0, 0), (0, side - 9), (side - 9, 0)):
        plain[row : row + 9, column : column + 9] = 0
    for row, column in grid.centres:
        plain[row - 2 : row + 3, column - 2 : column + 3] = 0
    likely = sample((view.picture,), view.y, view.x)[0] * plain
    return float(likely.sum() / (np.abs(likely).sum() + 1e-6))
