"""What a Raspberry Pi would show, by what others measured on one: ranges, how sure each is, and why.

The rules this module keeps:

* A projection is a figure of this run times a range, and is never shown without the range.
* The ranges were estimated for a machine on which ``openssl speed`` does a P-256 verification in
  ``REFERENCE_US``. A run on a slower machine, or on a busy one, took longer by about its own P-256 time over
  that; so the ranges shrink by as much.
* What does not grow with the processor's slowness (counts, memory, a deadline) is not multiplied.

    table(results)                               # rows of docs/raspberry-pi.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.goals import at

Results = Mapping[str, Any]
REFERENCE_US = 40.8
PI_5, PI_4 = (3.0, 4.5), (5.5, 9.0)  # times slower; where from stands on the page
SPEED = "chain/micros/openssl speed"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page. place, unit, shown: as a goal has them.

    grows: whether it takes longer on a slower processor. beyond: a share by which the ranges are widened at
    their slow end, where something else than the core may count more.
    """

    says: str
    place: str
    shown: str
    sure: str
    why: str
    unit: float = 1
    grows: bool = True
    beyond: float = 0


CODE, SCENES = "reading/code, beside fast/ms/p50", "reading/no code, 720p"
ROWS = (
    Row(
        "a live frame with a code, p50", CODE, "{:.1f} ms", "medium",
        "integer work on pixels; a Pi's memory is slower still than its core", beyond=0.3,
    ),
    Row(
        "a 720p frame without a code, moving, p50", f"{SCENES}/moving/ms/p50", "{:.1f} ms", "medium",
        "the same", beyond=0.3,
    ),
    Row(
        "a 720p frame that does not move, p50", f"{SCENES}/still/ms/p50", "{:.2f} ms", "medium",
        "the same, on every 256th pixel", beyond=0.3,
    ),
    Row(
        "a P-256 verification (`openssl speed`)", SPEED, "{:.0f} µs", "low",
        "no figure of a current OpenSSL on a Pi was found; another library's ratio stands in for it",
    ),
    Row(
        "text to verdict with revocation and rules", "chain/micros/chain, all", "{:.0f} µs", "medium",
        "two kinds of work, a signature and Python, each with a ratio of its own",
    ),
    Row(
        "frame to lamp, p50", "live/frame to lamp/us/total/p50", "{:.1f} ms", "medium",
        "reading, verdict and lamp after each other", unit=1000, beyond=0.2,
    ),
    Row(
        "frame to lamp, p95", "live/frame to lamp/us/total/p95", "{:.1f} ms", "low",
        "a tail is made of what else runs on the unit", unit=1000, beyond=0.5,
    ),
    Row(
        "cold start to ready, all", "startup/all/ms/p50", "{:.1f} s", "low",
        "files came from memory here; a card gives them more slowly", unit=1000, beyond=1.0,
    ),
    Row(
        "memory of all processes", "memory/together/alone_mib", "{:.0f} MiB", "high",
        "the same code and data; a Pi 5's larger pages round up", grows=False, beyond=0.15,
    ),
    Row(
        "frames of the set read as still pictures", "reading/decoded/all/still", "{:.0f}", "high",
        "the same code on the same pixels; only who runs out of time differs", grows=False,
    ),
)  # fmt: skip


def slowness(results: Results) -> float:
    """How much slower this run's machine was than the one that the ranges were estimated for.

    Raises KeyError without ``openssl speed`` from the part ``chain``.
    """
    return at(results, SPEED) / REFERENCE_US


def table(results: Results) -> list[tuple[str, ...]]:
    """Rows of: what, measured here, Pi 5, Pi 4, how sure, why. What was not measured is left out."""
    slow, rows = slowness(results), []
    for row in ROWS:
        try:
            here = at(results, row.place) / row.unit
        except KeyError:
            continue
        ranges = [_range(row, here, board, slow) for board in (PI_5, PI_4)]
        rows.append((row.says, row.shown.format(here), *ranges, row.sure, row.why))
    return rows


def _range(row: Row, here: float, board: Sequence[float], slow: float) -> str:
    low, high = (board[0] / slow, board[1] / slow) if row.grows else (1.0, 1.0)
    ends = [row.shown.format(here * factor) for factor in (low, high * (1 + row.beyond))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0].split(' ')[0]} to {ends[1]}"
