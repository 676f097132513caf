"""How long the steps of the last verdicts took, from the frame to the page.

The rules this module keeps:

* The steps up to the lamp follow each other without a gap: together they are ``total``.
* Numbers alone are kept, of the last verdicts; nothing says whose they were.

    timings = Timings()
    timings.add(steps_of(sight, judged, spoken))     # {"wait": 90, "picture": 900, …, "total": 1400, …}
    timings.percentiles()                            # {"wait": {"p50": 90, …}, …}
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.eyes import Sight
    from appliance.voice import Spoken

# In their order: the frame waits for a reader; it is read; what it shows waits for its turn, and what is new
# in it is told; the text is opened, verified, judged; the lamp is lit. ``total`` is all of these. After that
# come the page's facts, and the page is told.
STEPS = ("wait", "picture", "hand", "decode", "verify", "rules", "lamp", "total", "page")

KEPT = 512  # verdicts


def steps_of(sight: Sight | None, judged: Mapping[str, int], spoken: Spoken) -> dict[str, int]:
    """Microseconds by step of one answer.

    sight: ``None`` where no frame led to it (a tap): then it has no ``total``. judged: of judging its codes.
    """
    steps = {**judged, "lamp": _micros(spoken.lit - spoken.began), "page": _micros(spoken.shown - spoken.lit)}
    if sight is not None:
        steps["wait"] = _micros(sight.begun - sight.taken)
        steps["picture"] = _micros(sight.read - sight.begun)
        steps["hand"] = max(0, _micros(spoken.began - sight.read) - sum(judged.values()))
        steps["total"] = _micros(spoken.lit - sight.taken)
    return {step: steps[step] for step in STEPS if step in steps}


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


class Timings:
    """Microseconds by step over the last verdicts. Read from any thread."""

    def __init__(self) -> None:
        self._steps: dict[str, deque[int]] = {step: deque(maxlen=KEPT) for step in STEPS}

    def add(self, micros: Mapping[str, int]) -> None:
        """Note one verdict's steps."""
        for step, took in micros.items():
            self._steps[step].append(took)

    def percentiles(self) -> dict[str, dict[str, int]]:
        """p50, p95 and p99 of each step that was made, in their order."""
        return {step: percentiles(taken) for step, times in self._steps.items() if (taken := tuple(times))}


def percentiles(values: tuple[int, ...]) -> dict[str, int]:
    """p50, p95 and p99 of at least one value, by nearest rank."""
    ordered = sorted(values)
    return {
        f"p{rank}": ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * rank // 100) - 1))]
        for rank in (50, 95, 99)
    }
