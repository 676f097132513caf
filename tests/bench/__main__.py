"""``make bench``: everything that is fast or slow about Vaxgate, in one command, on the machine at hand.

Prints tables with the goals, writes the figures as JSON and plots as SVG. A part that fails is named with its
why, the others go on, and the exit status is 1. A goal that is missed leaves it 0.

A whole run is kept in bench.json. A quick run, or one of some parts, is written beside it: into partial.json,
and its plots into the folder partial.

    make bench                                   # all parts
    make bench QUICK=1                           # small sets: does everything still run, and about how fast
    make bench PARTS="reading chain"
    make bench FRAMES=folder                     # others' frames, with an index.json, instead of ours
    PYTHONPATH=tests python -m bench --write-docs    # the pages, from the last whole run
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import pages, report
from bench.machine import describe, named
from bench.parts import PARTS, Wish, run
from bench.told import say


def measured(names: Sequence[str], wish: Wish, command: str) -> dict[str, Any]:
    """A run: the machine, and each part's result or why there is none."""
    machine = describe()
    began = perf_counter()
    told: dict[str, Any] = {
        "command": command,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": wish.quick,
        "machine": machine,
        "load before": machine.get("load", []),
        "parts": {},
    }
    for number, name in enumerate(names, 1):
        part = PARTS[name]
        say(f"[{number}/{len(names)}] {name}: {part.says} (about {part.seconds[wish.quick]} s)")
        outcome = run(part, wish, say)
        told["parts"][name] = outcome.told()
        say(f"    {outcome.ending} in {outcome.seconds:.0f} s")
    return told | {"load after": describe().get("load", []), "seconds": round(perf_counter() - began)}


def plotted(told: dict[str, Any], folder: Path) -> str | None:
    """Draw the plots; why not, where that is not possible."""
    try:
        from bench import plots
    except ImportError as error:
        return f"{error}: `make dev` installs what draws them"
    folder.mkdir(exist_ok=True)
    for file in plots.drawn(report.results(told), named(told["machine"]), folder, quick=told["quick"]):
        say(f"plot: {file}")
    return None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    listed = "\n".join(f"  {name:12}{part.says}" for name, part in PARTS.items())
    out = argparse.ArgumentParser(
        prog="bench",
        description=f"{__doc__}\nParts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out.add_argument("parts", nargs="*", metavar="PART", help="these parts only")
    out.add_argument(
        "--quick", action="store_true", help="small sets, and not the peers unless they are named"
    )
    out.add_argument(
        "--frames",
        type=Path,
        help="a folder of frames with index.json; docs/performance.md says what is in it",
    )
    out.add_argument(
        "--tools",
        type=Path,
        help="draw sequences with the gen_frames.py in this folder; docs/performance.md says where from",
    )
    out.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    out.add_argument(
        "--out", type=Path, default=Path("build/bench"), help="folder of JSON and plots (build/bench)"
    )
    out.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    out.add_argument(
        "--write-docs", action="store_true", help="measure nothing: write the pages from bench.json there"
    )
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; 1 when a part failed."""
    out = parser()
    given = out.parse_args(arguments)
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        out.error(f"there is no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    if given.write_docs:
        return pages.write(given.out / pages.WHOLE)
    for folder, file in ((given.frames, "index.json"), (given.tools, "gen_frames.py")):
        if folder is not None and not (folder / file).is_file():
            out.error(f"no {file} in {folder}: docs/performance.md says what this folder holds")
    wish = Wish(given.quick, given.frames, given.tools, given.seed, given.out)
    names = given.parts or [name for name, part in PARTS.items() if part.in_quick or not wish.quick]
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    told = measured(names, wish, _typed(given))
    whole = not wish.quick and set(names) == set(PARTS)
    figures = given.out / (pages.WHOLE if whole else pages.PARTIAL)
    figures.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    no_plots = plotted(told, given.out if whole else figures.with_suffix(""))
    print(json.dumps(told, ensure_ascii=False) if given.json else report.terminal(told))
    say(f"figures: {figures}")
    if no_plots is not None:
        say(f"no plots: {no_plots}")
    return 1 if report.silent(told) or no_plots is not None else 0


def _typed(given: argparse.Namespace) -> str:
    """What to type to do the same."""
    said = ["make bench"]
    said += ["QUICK=1"] if given.quick else []
    said += [f'PARTS="{" ".join(given.parts)}"'] if given.parts else []
    said += ["FRAMES=…"] if given.frames else []
    said += ["TOOLS=…"] if given.tools else []
    said += [f"SEED={given.seed}"] if given.seed != 1 else []
    return " ".join(said)


if __name__ == "__main__":
    sys.exit(main())
