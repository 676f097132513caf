"""Reading a QR symbol that was located and could not be read: blurred, smeared, crumpled, glaring or noisy.

A reader's threshold asks of each pixel whether it is dark. Here every module is asked, with what is known of
QR symbols: the same patterns stand in every symbol of a version, modules have two values only, and the words
carry parity.

1. The symbol is laid flat by its four corners, and
2. unbent by its known patterns, both in :mod:`appliance.reader.flattening`.
3. A linear equaliser is fitted to the modules that are known, and then to its own decisions: whatever blur
   there is, out of focus or by motion in any direction, is undone as far as the noise allows.
4. What the decisions would look like is compared with what is seen: the grid is pulled to where they agree.
5. Blocks of words that their parity proves become known modules. Then again from 3, until all is proven.

The rules this module keeps:

* Several views of one symbol are equalised together, each with its own blur, grid and noise: more is read
  from five poor frames than from the best of them.
* A text comes out of the ordinary reader, from modules whose parity has been seen to hold: never a guess.
* A view that shows another symbol than was decided so far begins anew, and of a text from several views one
  must show the whole: each block for itself would hold, and blocks of two symbols would be a text that nobody
  ever printed.
* A restoration is worked in steps of a few milliseconds, so that whoever waits can stop; it belongs to one
  thread, and keeps pictures in memory only, until it is dropped.
* NumPy is needed here and nowhere else in the way of a frame: whoever imports this module has a damaged
  symbol at hand.

    restoration = Restoration(version=15)
    restoration.add(image, corners)              # a Pillow picture in grey, and four corners in pixels
    while not restoration.idle and (symbol := restoration.step()) is None: ...
    symbol.text                                  # as the ordinary reader gives it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import zxingcpp
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from appliance.reader.flattening import (
    SCALE,
    Corner,
    View,
    agreement,
    flatten,
    mean_around,
    middles,
    prepare,
    sample,
    unbend,
)
from appliance.reader.qrgrid import (
    Grid,
    Modules,
    correct,
    grid_of,
    modules_of_blocks,
    read_format,
    with_format,
)

# How far a symbol's modules decide together where a part of it lies, in modules; finer step by step.
WINDOWS: Final = (16, 16, 16, 12, 12, 12, 9, 9, 9, 9, 7, 7, 7, 7, 5, 5, 5, 5)
MAX_STEPS: Final = len(WINDOWS) + 1
# The steps after which parity is asked: it costs as much as several steps.
_PROVING: Final = frozenset({0, 2, 5, 8, 11, 14, 17, 18})
# The steps in which more is seen around each module: twenty times the work, and half of the errors.
_WIDE: Final = frozenset({2, 8, 14})
_WIDE_TOGETHER: Final = frozenset({2, 5, 8, 11, 14, 17})
# Correlation of a view, its blur undone, with what was decided before it, block by block: 0.6 and more where
# it is the same and just readable, 0.1 at most where it is another one.
SAME_FLOOR: Final = 0.35
# A symbol whose patterns are seen less than this on the whole is not there, or is of another version.
FIT_FLOOR: Final = 0.3


class Restoration:
    """One symbol of a known version, from one view or several. Not for several threads at once.

    most: views that are kept; the oldest goes first.
    """

    def __init__(self, version: int, most: int = 5) -> None:
        self.grid: Grid = grid_of(version)
        self.steps = 0
        self.fit = 0.0
        self._most = most
        self._views: list[View] = []
        self._coming: tuple[View, list[tuple[float, float]]] | None = None
        self._known = self.grid.known.astype(np.float32)
        self._soft: Modules | None = None

    @property
    def views(self) -> int:
        """How many views are held."""
        return len(self._views)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do with the views that are held."""
        return self._coming is None and (not self._views or self.steps >= MAX_STEPS)

    def add(self, image: Image.Image, corners: Sequence[Corner], reach: float = 2) -> float:
        """Take a view in, whole. Returns :attr:`fit`: how well it shows what all such symbols show, up to 1.

        image: luma, as Pillow's ``L``. corners: top left, top right, bottom right and bottom left of the
        symbol itself. reach: modules that the corners may be wrong by. A view of less than ``FIT_FLOOR`` is
        not kept.
        """
        self.begin(image, corners, reach)
        while self._coming is not None:
            self._settle()
        return self.fit

    def begin(self, image: Image.Image, corners: Sequence[Corner], reach: float = 2) -> None:
        """The first part of :meth:`add`; :meth:`step` does the rest, and needs the image no longer."""
        self.fit = 0.0
        flat = flatten(image, corners, self.grid.side)
        # Patterns that were found show where to look for those that were further away.
        rounds = [(reach, 30.0)] * (1 if reach <= 2 else 3) + [(1.0, 16.0)]
        self._coming = None if flat is None else (prepare(flat, self.grid.side), rounds)

    def _settle(self) -> None:
        """One more round with the view that is coming in."""
        assert self._coming is not None
        view, rounds = self._coming
        view.y, view.x, self.fit = unbend(view.picture, self.grid, view.y, view.x, *rounds.pop(0))
        if self.fit <= FIT_FLOOR and len(rounds) == 1:
            rounds = []
        if rounds:
            return
        self._coming = None
        self.fit = min(self.fit, agreement(view, self.grid) + 0.1)
        if self.fit > FIT_FLOOR:
            if self._soft is not None and not self._agrees(view, self._decided(self._soft)):
                self._begin_anew()
            self._views = [*self._views, view][-self._most :]
            self.steps = 0

    def _begin_anew(self) -> None:
        self._views, self._soft, self._known = [], None, self.grid.known.astype(np.float32)

    def _decided(self, soft: Modules) -> Modules:
        """What is known of each module, and else what the soft values say."""
        return np.where(self._known != 0, self._known, np.tanh(2 * soft)).astype(np.float32)

    def _agrees(self, view: View, decided: Modules) -> bool:
        """Whether a view shows the symbol that was decided so far, block for block: two papers of one family
        may have all blocks but a few in common.
        """
        (values,) = sample((view.picture,), view.y, view.x)
        around, wanted = _around(values, 2), decided.reshape(-1)
        told = around @ _solve(around.T @ around, around.T @ wanted, 0.005)
        level, _ = read_format(decided)
        blocks = modules_of_blocks(self.grid, level)
        return all(np.corrcoef(told[block], wanted[block])[0, 1] > SAME_FLOOR for block in blocks)

    def step(self, until: Callable[[], bool] = lambda: False, *, wide: bool = True) -> Any:
        """One round of deciding and fitting, or of taking a view in.

        Returns the reader's symbol when all is proven, else ``None``.
        until: says whether to give up within the step, where parity is being worked at. wide: whether steps
        of some tens of milliseconds are allowed.
        """
        if self._coming is not None:
            self._settle()
            return None
        if not self._views or self.steps >= MAX_STEPS:
            return None
        number = self.steps
        self.steps += 1
        seen = [sample((v.picture, v.slope_y, v.slope_x), v.y, v.x) for v in self._views]
        fixed = self._known != 0
        soft = self._equalise([_around(values[0], 2) for values in seen])
        together = self.views > 1
        wide = wide and number in (_WIDE_TOGETHER if together else _WIDE)
        if wide:
            soft = self._equalise(self._wider(), 0.002)
        symbol = self._read(np.where(fixed, self._known, np.sign(soft)))
        if symbol is not None or not self._views:
            return symbol
        if number in _PROVING:
            symbol = self._prove(soft, fixed, until)
            fixed = self._known != 0
            if symbol is None and self._views and wide and together and not until():
                soft = self._cancel(soft, [values[0] for values in seen])
                symbol = self._prove(soft, fixed, until)
                fixed = self._known != 0
            if symbol is not None or not self._views:
                return symbol
        if number < len(WINDOWS):
            decided = self._decided(soft)
            weight = np.where(fixed, 2, np.minimum(1, np.abs(decided))).astype(np.float32)
            for view, values in zip(self._views, seen, strict=True):
                _pull(view, values, decided, weight, WINDOWS[number])
        return None

    def _read(self, modules: Modules) -> Any:
        """The ordinary reader's symbol of these modules; ``None`` when they are no whole one.

        Where no single view shows all of it, views of several symbols came together: all begins anew.
        """
        symbol = _read(modules)
        if symbol is None or self.views == 1:
            return symbol
        if any(self._agrees(view, modules.astype(np.float32)) for view in self._views):
            return symbol
        self._begin_anew()
        return None

    def _wider(self) -> list[Modules]:
        """More of what is seen around each module: four places within it and, of a single view, 7 by 7."""
        reach = 3 if self.views == 1 else 2
        spots = [(y, x) for y in (-SCALE / 4, SCALE / 4) for x in (-SCALE / 4, SCALE / 4)]
        if self.views > 1:
            spots = [spots[0], spots[3]]
        return [
            _around(sample((view.picture,), view.y + y, view.x + x)[0], reach)
            for view in self._views
            for y, x in spots
        ]

    def _equalise(self, seen: list[Modules], hold: float = 0.005) -> Modules:
        """Soft values of all modules, positive for dark."""
        side = self.grid.side
        around = np.concatenate([*seen, np.ones((side * side, 1), np.float32)], axis=1)
        size = seen[0].shape[1]
        plain = np.zeros(around.shape[1], np.float32)
        plain[size // 2 : -1 : size] = 1 / len(seen)
        known = self._known.reshape(-1)
        soft = self._soft
        if soft is None:
            sure = known != 0
            some = around[sure]
            factors = _solve(some.T @ some, some.T @ known[sure], 0.05, plain)
            soft = (around @ factors).reshape(side, side)
        gram = around.T @ around
        for _ in range(2):
            decided = self._decided(soft)
            factors = _solve(gram, around.T @ decided.reshape(-1), hold, plain)
            soft = (around @ factors).reshape(side, side)
        self._soft = soft
        return soft

    def _cancel(self, soft: Modules, seen: list[Modules]) -> Modules:
        """Soft values less what the neighbours, as they were decided, leave of themselves in each module.

        What an equaliser must weigh against noise, this does not: it is better by half where most neighbours
        are known, and worse where they are wrong.
        """
        side = self.grid.side
        for _ in range(2):
            decided = self._decided(soft)
            around = np.concatenate([_around(decided, 3), np.ones((side * side, 1), np.float32)], axis=1)
            gram = around.T @ around
            gained, weight = np.zeros_like(soft), 0.0
            for values in seen:
                spread = _solve(gram, around.T @ values.reshape(-1), 0.002)
                gap = values - (around @ spread).reshape(side, side)
                gained += (_around(gap, 3) @ spread[-2::-1]).reshape(side, side)
                weight += float((spread[:-1] ** 2).sum())
            soft = 0.5 * soft + 0.5 * (decided + gained / weight)
        return soft

    def _prove(self, soft: Modules, fixed: Modules, until: Callable[[], bool]) -> Any:
        contrast = sum(sample((view.contrast,), view.y, view.x)[0] for view in self._views)
        sure = soft * np.minimum(1, contrast / np.median(contrast) * 2)
        level, mask = read_format(sure)
        repaired = correct(np.where(fixed, self._known * 3, sure), self.grid, level, mask, until)
        if repaired.blocks:
            known = np.where(self.grid.known != 0, self.grid.known, repaired.modules)
            if repaired.whole:
                return self._read(with_format(known, level, mask))
            self._known = known.astype(np.float32)
        return None


def warm() -> None:
    """What is made once is made: the first damaged symbol need not wait for it."""
    for version in range(10, 26):
        grid_of(version)


def _read(modules: Modules) -> Any:
    """The ordinary reader's symbol of a square of modules, one pixel each; ``None`` when it is not whole."""
    picture = np.full((len(modules) + 8, len(modules) + 8), 255, np.uint8)
    picture[4:-4, 4:-4][modules > 0] = 0
    symbols = zxingcpp.read_barcodes(
        picture,
        formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]),
        is_pure=True,
        try_rotate=False,
        try_downscale=False,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return next((symbol for symbol in symbols if symbol.valid), None)


# --- 3. and 4. Equalised, and pulled to fit -----------------------------------------------------------------


def _around(values: Modules, reach: int) -> Modules:
    """For each module the values of the square around it."""
    width = 2 * reach + 1
    window = sliding_window_view(np.pad(values, reach, mode="edge"), (width, width))
    return window.reshape(values.size, width * width)


def _solve(gram: Modules, wanted: Modules, hold: float, plain: Modules | None = None) -> Modules:
    """Least squares, held to ``plain`` (nothing when ``None``) by a share of the mean of the diagonal."""
    size = len(gram)
    weight = hold * float(np.trace(gram)) / size
    if plain is not None:
        wanted = wanted + weight * plain
    return np.linalg.solve(gram + weight * np.eye(size, dtype=gram.dtype), wanted).astype(np.float32)


def _pull(view: View, seen: Sequence[Modules], decided: Modules, weight: Modules, window: int) -> None:
    """Move the view's places to where the decisions, blurred as the view is, agree with what is seen."""
    values, slope_y, slope_x = seen
    side = len(values)
    around = np.concatenate([_around(decided, 2), np.ones((side * side, 1), np.float32)], axis=1)
    factors = _solve(around.T @ around, around.T @ values.reshape(-1), 0.005)
    gap = (around @ factors).reshape(side, side) - values
    heavy_y, heavy_x = weight * slope_y, weight * slope_x
    yy, xx, xy = (
        mean_around(product, window) for product in (heavy_y * slope_y, heavy_x * slope_x, heavy_y * slope_x)
    )
    gap_y, gap_x = mean_around(heavy_y * gap, window), mean_around(heavy_x * gap, window)
    # Both held still a little, and both moved further than one step asks: decisions pull to where they were.
    hold = 0.05 * float((yy + xx).mean())
    scale = 1.6 / ((yy + hold) * (xx + hold) - xy * xy)
    limit = 0.4 * SCALE
    view.y += np.clip(((xx + hold) * gap_y - xy * gap_x) * scale, -limit, limit)
    view.x += np.clip(((yy + hold) * gap_x - xy * gap_y) * scale, -limit, limit)
    flat = middles(side)
    smooth = max(1, window // 3)
    view.y = flat[:, None] + mean_around(view.y - flat[:, None], smooth)
    view.x = flat[None, :] + mean_around(view.x - flat[None, :], smooth)
