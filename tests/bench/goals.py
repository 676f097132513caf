"""The goals, and whether a run meets them.

A goal names the figure it asks for and where in the results that is. What was not measured is neither met nor
missed; nor is a goal about a set of frames by the few of a quick run. Any other set is judged by its share. A
time that a busy machine may have made longer is not missed.

    for one in judged(results): one.sign, one.goal.says, one.goal.wanted, one.told
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
    counted: where the number of frames or sequences is that the figure was counted among; the goal is about
    ``whole`` of them. idle: other work on the machine spoils it.
    """

    says: str
    place: str | Callable[[Results], float]
    least: float | None = None
    most: float | None = None
    shown: str = "{:.2f}"
    unit: float = 1
    counted: str = ""
    whole: int = 0
    idle: bool = False

    def figure(self, results: Results) -> float:
        """The figure of a run. Raises KeyError where nothing was measured."""
        return (at(results, self.place) if isinstance(self.place, str) else self.place(results)) / self.unit

    @property
    def wanted(self) -> str:
        """What is asked, in a few signs."""
        sign, bound = ("≤", self.most) if self.least is None else ("≥", self.least)
        return f"{sign} {self.shown.format(bound)}" + (f" of {self.whole}" if self.counted else "")

    def holds(self, figure: float) -> bool:
        """Whether a figure is good enough."""
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)

    def judged(self, results: Results, *, quick: bool) -> Judged:
        """By the results of a run; nothing where a part gave none."""
        try:
            figure = self.figure(results)
            among = at(results, self.counted) if self.counted else 0
            cores = at(results, CORES) if self.idle else ENOUGH
        except KeyError:
            return Judged(self, None, "not measured", measured=False)
        told = self.shown.format(figure)
        if self.counted:
            met = None if quick else self.holds(figure * self.whole / among)
            return Judged(self, met, f"{told} of {among:.0f}")
        met = self.holds(figure)
        # Load makes a time longer, so one that is met is met; a ratio it may also make better.
        if cores < ENOUGH and not (met and self.least is None):
            busy = f"the machine was busy (two threads had {cores:.1f} cores)"
            return Judged(self, None, f"not measured: {busy}")
        return Judged(self, met, told)


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal, whether it is met, and the figure in words. met: None where that cannot be said.

    measured: False where there is no figure at all.
    """

    goal: Goal
    met: bool | None
    told: str
    measured: bool = True

    @property
    def sign(self) -> str:
        """One letter for a table."""
        return "–" if self.met is None else "✓" if self.met else "✗"


def of_frames(says: str, group: str, whole: int, least: int) -> Goal:
    """A goal about how many frames of a set are read as still pictures."""
    place = f"reading/decoded/{group}"
    return Goal(says, f"{place}/still", least, shown=COUNT, counted=f"{place}/frames", whole=whole)


def least_ratio(*names: str) -> Callable[[Results], float]:
    """How much slower the fastest of these verifiers of EU certificates is than ours."""

    def figure(results: Results) -> float:
        chains = results["peers"]["chains"]["families"]["HC1"]["chains"]
        ratios = [float(chains[name]["ratio"]) for name in names if name in chains]
        if not ratios:
            raise KeyError(names)
        return min(ratios)

    return figure


CORES = "live/threads/cores that two had"
ENOUGH = 1.9  # of two cores
COUNT, MS, TIMES = "{:.0f}", "{:.2f} ms", "{:.2f}×"
SCENES, LAMP = "reading/no code, 720p", "live/frame to lamp/us/total"
GOALS = (
    of_frames("frames read", "all", 225, least=205),
    of_frames("hard ones read", "hard", 108, least=90),
    Goal("false texts, frames", "reading/decoded/false texts", most=0, shown=COUNT),
    Goal(
        "sequences read together, of which no frame reads",
        "sequences/read together",
        least=50,
        shown=COUNT,
        counted="sequences/none reads alone",
        whole=100,
    ),
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
    Goal("frame to lamp, p50", f"{LAMP}/p50", most=1, shown=MS, unit=1000, idle=True),
    Goal("frame to lamp, p95", f"{LAMP}/p95", most=6, shown=MS, unit=1000, idle=True),
    Goal(
        "two reading threads, to one",
        "live/threads/two to one, median of rounds",
        least=1.9,
        shown=TIMES,
        idle=True,
    ),
    Goal("memory of all processes together", "memory/together/alone_mib", most=96, shown="{:.1f} MiB"),
    Goal("cold start, decoder", "startup/decoder/ms/p50", most=0.5, shown="{:.2f} s", unit=1000),
    Goal("cold start, all", "startup/all/ms/p50", most=1, shown="{:.2f} s", unit=1000),
)


def judged(results: Results, *, quick: bool = False) -> list[Judged]:
    """Every goal by the results of a run."""
    return [goal.judged(results, quick=quick) for goal in GOALS]
