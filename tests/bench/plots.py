"""Plots of a run, as SVG: small, the same bytes for the same figures, and drawn without a display.

The rules this module keeps:

* A plot says in its title what a reader should see in it, and at its foot on which machine it was measured.
* Colours are apart for the colour-blind, and the ground is light of its own: it reads on a dark page too.
* A plot of a quick run says so at its head.
* A plot whose part was not measured is not drawn, and an older one of it does not stay.

    drawn(results, "AMD EPYC", Path("build/bench"))      # the files that were written
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from appliance.timings import STEPS

Results = Mapping[str, Any]
BLUE, ORANGE, GREEN, RED, SKY, YELLOW, PURPLE = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#f0e442", "#cc79a7",
)  # fmt: skip
BLACK, GREY, LIGHT, GROUND = "#000000", "#555555", "#bbbbbb", "#fcfcfa"
STYLE = {
    "svg.fonttype": "none",  # letters stay letters: small, and found by a search
    "svg.hashsalt": "vaxgate",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
}


def conditions(results: Results) -> Figure:
    """Of each condition, how many frames are read; ours as bars, the ordinary reader as marks."""
    rows = results["reading"]["decoded"]["conditions"]
    figure = Figure(figsize=(8, 7.4), layout="constrained")
    axes = figure.add_subplot()
    places = list(range(len(rows)))[::-1]

    def share(reader: str) -> list[float]:
        return [100 * row.get(reader, 0) / row["frames"] for row in rows.values()]

    axes.barh(
        [place + 0.2 for place in places], share("still"), 0.4, color=BLUE, label="vaxgate, still picture"
    )
    axes.barh(
        [place - 0.2 for place in places],
        share("live"),
        0.4,
        color=SKY,
        label="vaxgate, live within 8 frames",
    )
    axes.plot(share("defaults"), places, "D", color=ORANGE, markersize=6, label="zxing-cpp, defaults")
    axes.plot(
        share("fast"), places, "|", color="black", markersize=12, markeredgewidth=2, label="zxing-cpp, fast"
    )
    axes.set_yticks(places, list(rows))
    axes.set_xlim(-2, 103)
    axes.set_xlabel("frames read, percent")
    axes.set_title("Frames read, by condition")
    axes.margins(y=0.01)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside upper center", ncols=4, frameon=False)
    return figure


def latencies(results: Results) -> Figure:
    """How many of 100 frames are done after so many milliseconds."""
    reading = results["reading"]
    scenes = reading["no code, 720p"]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    curves = [
        ("a code, read", reading["code, beside fast"]["ms"], BLUE, "-"),
        ("the same by zxing-cpp fast", reading["code, beside fast"]["fast ms"], BLUE, ":"),
        ("720p, no code, moving", scenes["moving"]["ms"], ORANGE, "-"),
        ("the same by zxing-cpp fast", scenes["moving"]["fast ms"], ORANGE, ":"),
        ("720p, no code, still", scenes["still"]["ms"], GREEN, "-"),
        ("any live frame, on the wall", reading["decoded"]["live wall ms"], GREY, "-"),
    ]
    if "live" in results:
        done = results["live"]["frame to lamp"].get("curve", ())
        curves.append(("frame to lamp", {"curve": [micros / 1000 for micros in done]}, PURPLE, "-"))
    for name, times, colour, line in curves:
        axes.step(times["curve"], range(len(times["curve"])), line, where="post", color=colour, label=name)
    axes.axvline(30, color=RED, linewidth=1, linestyle="--")
    axes.text(28, 50, "goal for p99 of any live frame", color=RED, rotation=90, va="center", ha="right")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 101)
    axes.set_xlabel("milliseconds of a frame")
    axes.set_ylabel("frames done, percent")
    axes.set_title("How long a frame takes")
    axes.grid(which="major", color="#dddddd")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def shares(results: Results) -> Figure:
    """What the steps take: of a verdict, and from the frame to the lamp."""
    bars = {
        name: steps
        for name, steps in (("text to verdict", _chain(results)), ("frame to lamp", _live(results)))
        if steps
    }
    if not bars:
        raise KeyError("chain")
    figure = Figure(figsize=(8, 0.3 + 1.35 * len(bars)), layout="constrained")
    colours = (BLUE, ORANGE, GREEN, SKY, PURPLE, YELLOW, RED, BLACK, GREY, LIGHT)
    for place, (name, steps) in enumerate(bars.items()):
        axes = figure.add_subplot(len(bars), 1, place + 1)
        whole, left = sum(steps.values()), 0.0
        for (step, micros), colour in zip(steps.items(), cycle(colours), strict=False):
            share = 100 * micros / whole
            axes.barh(
                0,
                share,
                0.6,
                left=left,
                color=colour,
                label=f"{step} {share:.0f} %",
                edgecolor=GROUND,
            )
            left += share
        axes.set_title(f"{name}, {whole:.0f} µs", fontsize=9)
        axes.set_xlim(0, 100)
        axes.set_axis_off()
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.06), ncols=5, frameon=False, fontsize=8)
    return figure


def _chain(results: Results) -> dict[str, float]:
    """Microseconds of what a verdict consists of: steps inside another stand indented below it."""
    if "chain" not in results:
        return {}
    found = results["chain"]
    units = {unit for row in found["shares"].values() for unit in row}
    steps = {
        name: took for name, took in found["micros"].items() if name not in found["shares"].keys() | units
    }
    shares, outer = {}, ""
    for name, took in steps.items():
        if name.startswith(" "):
            shares[name.strip()] = took
            shares[f"rest of {outer}"] -= took
        else:
            outer = name
            shares[f"rest of {outer}"] = took
    # what is measured apart may come to a little more than what holds it
    return {name: took for name, took in sorted(shares.items(), key=lambda item: -item[1]) if took > 0}


def _live(results: Results) -> dict[str, float]:
    """Microseconds at the middle of each step between the frame and the lamp."""
    if "live" not in results:
        return {}
    found = results["live"]["frame to lamp"]["us"]
    return {
        step: found[step]["p50"]
        for step in found
        if step in STEPS and step not in ("total", "page") and found[step].get("p50", 0) >= 1
    }


def peers(results: Results) -> Figure:
    """Others beside ours: the time of a frame, the time of a certificate; longer is slower."""
    found = results["peers"]
    engines, total = found["decode"]["engines"], found["decode"]["frames"]["code"]
    panels: list[tuple[str, dict[str, tuple[float, str]]]] = [
        (
            "Readers: mean time of a frame with a code, to zxing-cpp fast\n(how many were read; p50)",
            {
                name: (row["code"]["ratio"], f"{row['decoded']} of {total}, {row['code']['p50']:.1f} ms")
                for name, row in engines.items()
            },
        )
    ]
    for family, row in found["chains"]["families"].items():
        rows = {name: (each["ratio"], f"{each['ratio']:.1f}×") for name, each in row["chains"].items()}
        panels.append((f"Verifiers, {family}: time of a certificate, to ours", rows))
    heights = [len(rows) + 2 for _title, rows in panels]
    figure = Figure(figsize=(8, 0.26 * sum(heights) + 0.6), layout="constrained")
    grid = figure.add_gridspec(len(panels), 1, height_ratios=heights)
    for place, (title, rows) in enumerate(panels):
        axes = figure.add_subplot(grid[place])
        alike = panels[1:] if place else panels[:1]  # verifiers share one scale
        most = max(ratio for _title, each in alike for ratio, _said in each.values())
        ranked = sorted(rows.items(), key=lambda item: -item[1][0])
        for at, (name, (ratio, said)) in enumerate(ranked):
            colour = BLUE if name.startswith("vaxgate") else GREY
            axes.plot([1, ratio], [at, at], color=colour, linewidth=3, solid_capstyle="butt")
            axes.plot([ratio], [at], "o", color=colour, markersize=8)
            axes.annotate(
                said, (max(1, ratio), at), (8, 0), textcoords="offset points", va="center", fontsize=8
            )
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
        axes.set_xscale("log")
        axes.set_xlim(min(0.7, 0.8 * ranked[-1][1][0]), 2.2 * most)
        axes.set_xticks([tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if tick < 2.2 * most])
        axes.xaxis.set_major_formatter("{x:g}×")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.axvline(1, color="black", linewidth=0.8, zorder=0)
        axes.set_title(title, fontsize=9)
        axes.margins(y=0.08)
    return figure


PLOTS: dict[str, tuple[tuple[str, ...], Callable[[Results], Figure]]] = {
    "conditions": (("reading",), conditions),
    "latency": (("reading",), latencies),
    "steps": ((), shares),
    "peers": (("peers",), peers),
}


def drawn(
    results: Results, machine: str, folder: Path, prefix: str = "", *, quick: bool = False
) -> list[Path]:
    """Draw what was measured; the files. machine: what stands at the foot."""
    files = []
    for name, (parts, plot) in PLOTS.items():
        file = folder / f"{prefix}{name}.svg"
        file.unlink(missing_ok=True)
        if not results.keys() >= set(parts):
            continue
        with mpl.rc_context(STYLE):
            try:
                figure = plot(results)
            except KeyError:
                continue
            figure.supxlabel(machine, x=0.995, ha="right", fontsize=7, color=GREY)
            if quick:
                figure.axes[0].set_title("A quick run", loc="right", fontsize=9, color=RED)
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            files.append(file)
    return files
