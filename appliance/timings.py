"""How long the steps of the last verdicts took.

timings = Timings()
timings.add({"picture": 1400, "verify": 520})
timings.percentiles()            # {"picture": {"p50": 1400, …}, …}
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

KEPT = 512  # verdicts


class Timings:
    """Microseconds by step over the last verdicts. Read from any thread."""

    def __init__(self) -> None:
        self._steps: dict[str, deque[int]] = {}

    def add(self, micros: Mapping[str, int]) -> None:
        """Note one verdict's steps."""
        for step, took in micros.items():
            self._steps.setdefault(step, deque(maxlen=KEPT)).append(took)

    def percentiles(self) -> dict[str, dict[str, int]]:
        """p50, p95 and p99 of each step."""
        return {step: percentiles(tuple(times)) for step, times in tuple(self._steps.items())}


def percentiles(values: tuple[int, ...]) -> dict[str, int]:
    """p50, p95 and p99 of at least one value, by nearest rank."""
    ordered = sorted(values)
    return {
        f"p{rank}": ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * rank // 100) - 1))]
        for rank in (50, 95, 99)
    }
