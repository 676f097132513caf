"""How the benches speak: progress to stderr, and times as a few figures.

* Progress goes to stderr: over itself on a terminal, else one line where a piece of work begins.
* Of many times what is kept is small: how many, the middle, the tail, and a curve of a hundred points.

    progress("drawing frames", 12, 267)
    spread([0.8, 0.9, 4.0])["p50"]               # 0.9
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any


def say(what: str) -> None:
    """Talk, to stderr."""
    print(what, file=sys.stderr, flush=True)


def progress(what: str, number: int, total: int) -> None:
    """How far a piece of work has come."""
    if sys.stderr.isatty():
        end = "\n" if number == total else ""
        print(f"\r    {what}: {number} of {total} ", end=end, file=sys.stderr, flush=True)
    elif number == 1:
        say(f"    {what}: {total}")


def keep(figures: object, file: Path | None) -> None:
    """Write figures to a file as JSON; its folder is made. Nothing where no file was asked for."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"figures as JSON: {file}")


def timed(work: Callable[..., Any], *values: Any) -> tuple[float, Any]:
    """Milliseconds by the clock on the wall, and what it gave."""
    before = time.perf_counter_ns()
    answer = work(*values)
    return (time.perf_counter_ns() - before) / 1e6, answer


def spread(values: Sequence[float]) -> dict[str, Any]:
    """What is kept of many times: their number, p50, p95, p99, the largest, and the curve by percent."""
    if not values:
        return {"n": 0}
    ranked = sorted(values)

    def at(percent: float) -> float:
        return round(ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))], 4)

    return {
        "n": len(ranked),
        "p50": round(median(ranked), 4),
        "p95": at(95),
        "p99": at(99),
        "max": round(ranked[-1], 4),
        "curve": [at(percent) for percent in range(100)] + [round(ranked[-1], 4)],
    }
