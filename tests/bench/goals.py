"""The goals, and whether a run meets them.

A goal names the figure it asks for and where in the results that is. What was not measured is neither met nor
missed. Counts of frames are asked as shares, so that a smaller set is judged by the same measure.

    for one in judged(results): one.met, one.figure, one.goal.wanted
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]


def at(results: Results, place: str) -> float:
    """The figure at a place such as ``live/frame to lamp/us``. Raises KeyError where nothing was measured."""
    found: Any = results
    for name in place.split("/"):
        found = found[name]
    return float(found)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is asked for. place: where it is in the results, or what makes it of them.

    least, most: what it may be. shown: how it is written. unit: the figure is divided by this.
    """

    says: str
    place: str | Callable[[Results], float]
    least: float | None = None
    most: float | None = None
    shown: str = "{:.2f}"
    unit: float = 1

    def figure(self, results: Results) -> float:
        """The figure of a run. Raises KeyError where nothing was measured."""
        return (at(results, self.place) if isinstance(self.place, str) else self.place(results)) / self.unit

    @property
    def wanted(self) -> str:
        """What is asked, in a few signs."""
        return (
            "≥ " + self.shown.format(self.least)
            if self.least is not None
            else "≤ " + self.shown.format(self.most)
        )

    def holds(self, figure: float) -> bool:
        """Whether a figure is good enough."""
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal, its figure, and whether it is met; both None where nothing was measured."""

    goal: Goal
    figure: float | None
    met: bool | None

    @property
    def sign(self) -> str:
        """One letter for a table."""
        return "–" if self.met is None else "✓" if self.met else "✗"

    @property
    def told(self) -> str:
        """The figure as it is written, or that there is none."""
        return "not measured" if self.figure is None else self.goal.shown.format(self.figure)


def of_frames(group: str, whole: int) -> Callable[[Results], float]:
    """How many of a full set were read; of a smaller set, how many that would be."""

    def figure(results: Results) -> float:
        place = f"reading/decoded/{group}"
        return at(results, f"{place}/still") * whole / at(results, f"{place}/frames")

    return figure


def least_ratio(*names: str) -> Callable[[Results], float]:
    """How much slower the fastest of these verifiers of EU certificates is than ours."""

    def figure(results: Results) -> float:
        chains = results["peers"]["chains"]["families"]["HC1"]["chains"]
        ratios = [float(chains[name]["ratio"]) for name in names if name in chains]
        if not ratios:
            raise KeyError(names)
        return min(ratios)

    return figure


SCENES, LAMP = "reading/no code, 720p", "live/frame to lamp/us/total"
COUNT, PERCENT, MS, TIMES = "{:.0f}", "{:.0%}", "{:.2f} ms", "{:.2f}×"
GOALS = (
    Goal("frames of 225 read", of_frames("all", 225), least=205, shown=COUNT),
    Goal("hard ones of 108 read", of_frames("hard", 108), least=90, shown=COUNT),
    Goal("false texts, frames", "reading/decoded/false texts", most=0, shown=COUNT),
    Goal("sequences read together, of which no frame reads", "sequences/share", least=0.5, shown=PERCENT),
    Goal("false texts, sequences", "sequences/false texts", most=0, shown=COUNT),
    Goal("no code, moving, to zxing-cpp fast", f"{SCENES}/moving/ratio of p50", most=1.2, shown=TIMES),
    Goal("no code, still, to zxing-cpp fast", f"{SCENES}/still/ratio of p50", most=0.05, shown="{:.3f}×"),
    Goal("any live frame, p99", "reading/decoded/live wall ms/p99", most=30, shown="{:.1f} ms"),
    Goal("a code, p50, to zxing-cpp fast", "reading/code, beside fast/ratio of p50", most=1.2, shown=TIMES),
    Goal(
        "verdict with revocation and rules, of openssl speed",
        "chain/shares/chain, all/openssl speed",
        least=0.5,
    ),
    Goal("verdict by signature alone, of openssl speed", "chain/shares/chain/openssl speed", least=0.6),
    Goal("a verdict, against dcc-sdk", least_ratio("dcc-sdk"), least=5, shown="{:.1f}×"),
    Goal(
        "a verdict, against what builds on cose", least_ratio("cose", "greenpass"), least=15, shown="{:.1f}×"
    ),
    Goal("frame to lamp, p50", f"{LAMP}/p50", most=1, shown=MS, unit=1000),
    Goal("frame to lamp, p95", f"{LAMP}/p95", most=6, shown=MS, unit=1000),
    Goal("two reading threads, to one", "live/threads/two to one, median of rounds", least=1.9, shown=TIMES),
    Goal("memory of all processes together", "memory/together/alone_mib", most=96, shown="{:.1f} MiB"),
    Goal("cold start, decoder", "startup/decoder/ms/p50", most=0.5, shown="{:.2f} s", unit=1000),
    Goal("cold start, all", "startup/all/ms/p50", most=1, shown="{:.2f} s", unit=1000),
)


def judged(results: Results) -> list[Judged]:
    """Every goal by the results of a run."""
    out = []
    for goal in GOALS:
        try:
            figure = goal.figure(results)
        except KeyError:
            out.append(Judged(goal, None, None))
        else:
            out.append(Judged(goal, figure, goal.holds(figure)))
    return out
