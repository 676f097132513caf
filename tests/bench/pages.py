"""The pages that are written from a run: figures into ``docs/performance.md`` and ``docs/raspberry-pi.md``.

The rules this module keeps:

* Writing is a deliberate act, of a whole run in which no part failed. A quick run is refused.
* Only what stands between the marks is written; the words around it are people's.
* The plots are drawn anew into ``docs/images``, from the same figures.

    write(Path("build/bench/bench.json"))
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from places import ROOT

from bench import projection, report
from bench.machine import is_pi, named
from bench.parts import PARTS
from bench.told import say

DOCS = ROOT / "docs"
WHOLE, PARTIAL = "bench.json", "partial.json"  # a run of all parts; one of some, or a quick one
BEGIN, END = (
    "<!-- the figures below are written by `python -m bench --write-docs` -->",
    "<!-- end of the figures -->",
)
# Behind which table each plot stands.
PICTURES = {
    "conditions": "Frames read",
    "latency": "A frame's time",
    "steps": "Frame to lamp",
    "peers": "Other verifiers",
}
HEAD = ("", "measured here", "Pi 5, projected", "Pi 4, projected", "how sure", "why")


def unfit(run: Mapping[str, Any]) -> str | None:
    """What a run is that is not good enough for the pages, and what to do."""
    if run["quick"]:
        return "of a quick run. Run `make bench` without QUICK first."
    missing = set(PARTS) - report.results(run).keys() - report.silent(run, "absent").keys()
    if missing:
        return (
            f"without a result of {', '.join(sorted(missing))}. Run `make bench` without PARTS, and look why."
        )
    return None


def written(page: str, figures: str) -> str:
    """A page with its figures put between the marks. Raises ValueError where there are no marks."""
    head, begin, rest = page.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no marks: {BEGIN}")
    return f"{head}{BEGIN}\n\n{figures.strip()}\n\n{END}{tail}"


def pi_figures(run: Mapping[str, Any]) -> str:
    """The generated part of the page on Raspberry Pis."""
    machine = run["machine"]
    if is_pi(machine):
        return (
            f"Measured on a Raspberry Pi, so nothing is projected here: {named(machine)}.\n"
            "The figures are on the page [performance](performance.md)."
        )
    found = report.results(run)
    slow = projection.slowness(found)
    said = (
        f"Measured {run['when'][:10]} with `{run['command']}` on: {named(machine)}. It did a P-256 "
        f"verification in {slow * projection.REFERENCE_US:.0f} µs; the ranges were estimated for "
        f"{projection.REFERENCE_US} µs and are divided by {slow:.2f}."
    )
    return "\n".join([said, "", *report.piped(HEAD, projection.table(found))])


def write(figures: Path) -> int:
    """Write both pages and the plots; 2 when there is no run that is fit for it."""
    if not figures.exists() and (partial := figures.with_name(PARTIAL)).exists():
        figures = partial  # unfit, and the reader is told of what
    try:
        run = json.loads(figures.read_text(encoding="utf-8"))
    except FileNotFoundError:
        say(f"not written: there is no {figures}. Run `make bench` first.")
        return 2
    why = unfit(run)
    if why is not None:
        say(f"not written: {figures} is {why}")
        return 2
    from bench import plots

    images = DOCS / "images"
    files = plots.drawn(report.results(run), named(run["machine"]), images, prefix="performance-")
    pictures = {PICTURES[file.stem.removeprefix("performance-")]: f"images/{file.name}" for file in files}
    for name, text in (
        ("performance.md", report.markdown(run, pictures)),
        ("raspberry-pi.md", pi_figures(run)),
    ):
        page = DOCS / name
        page.write_text(written(page.read_text(encoding="utf-8"), text), encoding="utf-8")
        say(f"written: docs/{name}, from the run of {run['when']}")
    return 0
