"""Damaged symbols at work: over the frames of a camera, in a still picture, in several frames together.

The rules this module keeps:

* What restores (:mod:`appliance.reader.restoring`, with NumPy) is loaded when the first damaged symbol is
  met, by a live frame beside its work; where it is not installed, all else works as before.
* A live frame's deadline is kept by what the steps before took: none is begun that would not be done.
* Pictures of a damaged symbol are kept in memory only, three at most, until it is read or has gone.

    mender = Mender()                            # live; for one thread at a time
    code = mender.work(luma, found.hurt, now, left)
    code = restore(luma, guesses, until)         # a still picture
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.picture import Luma
from appliance.reader.passes import Code, Found, Hurt, code_of, shared

if TYPE_CHECKING:
    from appliance.reader.restoring import Restoration

# One thread: the matrices are small, and threads that wait for each other make a step thirty times as long.
# Said before NumPy is loaded, which picamera2 does when the camera is opened.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A damaged symbol that was not in view for so long has gone.
GONE_S: Final = 0.6


class Mender:
    """A damaged symbol that is worked at over several frames: each adds a view, until together they read.

    For one thread at a time. Keeps the flattened symbol of three frames at most; :meth:`drop` forgets them,
    and so does a symbol that has not been in view for ``GONE_S``. No step is begun that, by what the one
    before it took, would not be done by the deadline.
    """

    def __init__(self) -> None:
        self._restoration: Restoration | None = None
        self._last: Hurt | None = None
        self._seen = float("-inf")
        self._turn = 0
        # Seconds for a module: of taking a view in, and of a step with one view.
        self._cost = {"begin": 8e-7, "step": 8e-7}

    @property
    def busy(self) -> bool:
        """Whether a symbol is being worked at, and shows the patterns of one as far as is known."""
        restoration = self._restoration
        return restoration is not None and (restoration.views > 0 or not restoration.idle)

    def drop(self) -> None:
        """Forget the symbol."""
        self._restoration = self._last = None

    def work(self, luma: Luma, hurt: Sequence[Hurt], now: float, left: Callable[[], float]) -> Code | None:
        """Add this frame's view of the symbol, and work at it until the deadline."""
        if now - self._seen > GONE_S:
            self.drop()
        if (
            (self._last is None and not hurt)
            or left() <= 0
            or (restoring := restoring_module(wait=False)) is None
        ):
            return None
        before = time.perf_counter_ns()
        view, reach = self._choose(hurt)
        if self._restoration is None:
            self._restoration = restoring.Restoration(view.version, most=3)
        restoration = self._restoration
        modules = (17 + 4 * view.version) ** 2
        if restoration.idle and self._fits("begin", modules, left()):
            self._timed("begin", modules, lambda: restoration.begin(shared(luma), view.corners, reach))
            self._last = view
            self._turn += 1
            if restoration.views == 0:
                self._seen = now
        while not restoration.idle and self._fits("step", modules * max(1, restoration.views), left()):
            symbol = self._timed(
                "step",
                modules * max(1, restoration.views),
                lambda: restoration.step(lambda: left() < 0.003, wide=False),
            )
            if restoration.fit > restoring.FIT_FLOOR:
                self._seen = now
            if symbol is not None:
                self.drop()
                return code_of(symbol, view.place, (time.perf_counter_ns() - before) // 1000)
        return None

    def _choose(self, hurt: Sequence[Hurt]) -> tuple[Hurt, float]:
        """The view to work at, and by how many modules it may be wrong."""
        last = self._last
        if last is not None:
            same = [one for one in hurt if one.version == last.version and one.place.near(last.place)]
            if same:
                return same[self._turn % len(same)], 2
            if not hurt:
                return last, 3
            self.drop()
        return hurt[self._turn % len(hurt)], 2

    def _fits(self, what: str, modules: int, left: float) -> bool:
        return left > 0 and (self._cost[what] * modules < left or self._cost[what] > self.HOPELESS)

    # A machine on which no step would ever fit does one a frame all the same.
    HOPELESS: Final = 5e-6

    def _timed(self, what: str, modules: int, work: Callable[[], Any]) -> Any:
        before = time.perf_counter()
        done = work()
        took = (time.perf_counter() - before) / modules
        # Quick to fear, slow to forget.
        self._cost[what] += (took - self._cost[what]) * (0.5 if took > self._cost[what] else 0.1)
        return done


_loaded: Any = None
_loading = threading.Lock()


def restoring_module(*, wait: bool = True) -> Any:
    """The module that restores damaged symbols; ``None`` where NumPy is not installed, or does not start.

    It is loaded when the first one is met. wait: ``False`` to have that done beside, and do without as long.
    """
    if _loaded is not None:
        return _loaded or None
    if wait:
        _load()
        return _loaded or None
    if not _loading.locked():
        threading.Thread(target=_load, name="restoring", daemon=True).start()
    return None


def _load() -> None:
    global _loaded  # noqa: PLW0603 - a module is loaded once
    with _loading:
        if _loaded is None:
            try:
                from appliance.reader import restoring

                restoring.warm()
                _loaded = restoring
            except Exception:  # noqa: BLE001 - NumPy is missing, or refuses this processor
                _loaded = False


def restore(
    luma: Luma, hurt: Iterable[tuple[int, Any]], until: Callable[[], bool], reach: float = 2
) -> Code | None:
    """One still picture's damaged symbol, worked at guess by guess, the one that fits best first.

    hurt: versions and corners. until: says whether to give up. reach: modules that corners may be wrong by.
    """
    restoring = restoring_module()
    if restoring is None:
        return None
    before = time.perf_counter_ns()
    tries = []
    image = shared(luma)
    for version, corners in hurt:
        if until():
            break
        restoration = restoring.Restoration(version)
        if restoration.add(image, corners, reach) > restoring.FIT_FLOOR:
            tries.append((restoration, Hurt(version, tuple(corners))))
            if restoration.fit > 0.6 and (symbol := restoration.step(until)) is not None:
                return code_of(symbol, tries[-1][1].place, (time.perf_counter_ns() - before) // 1000)
    for restoration, guess in sorted(tries, key=lambda one: -one[0].fit):
        while not restoration.idle and not until():
            symbol = restoration.step(until)
            if symbol is not None:
                return code_of(symbol, guess.place, (time.perf_counter_ns() - before) // 1000)
    return None


def mend_together(
    restoring: Any, lumas: Sequence[Luma], founds: Sequence[Found], until: Callable[[], bool]
) -> Code | None:
    """The symbol that shows best in any of the frames, restored from all of them."""
    from appliance.reader.finding import places

    before = time.perf_counter_ns()
    images = [shared(luma) for luma in lumas]
    # 1. Where it shows best: as the passes located it, or else by its finder patterns.
    guesses = [
        (number, one.version, one.corners, 2) for number, found in enumerate(founds) for one in found.hurt
    ]
    best: tuple[float, int, Hurt] | None = None
    for number, version, corners, reach in guesses or (
        (number, version, corners, 3)
        for number, image in enumerate(images)
        for version, corners in places(image, until)
    ):
        if until() or (best is not None and best[0] > 0.6):
            break
        fit = restoring.Restoration(version).add(images[number], corners, reach)
        if best is None or fit > best[0]:
            best = (fit, number, Hurt(version, tuple(corners)))
    if best is None or best[0] <= restoring.FIT_FLOOR:
        return None
    # 2. Every frame's view of it, from the best one on.
    _, first, anchor = best
    restoration = restoring.Restoration(anchor.version, most=len(images))
    for number in (first, *(other for other in range(len(images)) if other != first)):
        own = [
            one
            for one in founds[number].hurt
            if one.version == anchor.version and one.place.near(anchor.place)
        ]
        for one in [*own, anchor]:
            if restoration.add(images[number], one.corners, 3) > restoring.FIT_FLOOR:
                break
    # 3. Until they read.
    while not restoration.idle and not until():
        symbol = restoration.step(until)
        if symbol is not None:
            return code_of(symbol, anchor.place, (time.perf_counter_ns() - before) // 1000)
    return None
