"""Cold start: from the start of a process until a unit would judge, and what its imports take.

The rules this module keeps:

* What starts are real processes: ``vaxgate run`` with a folder as its camera, mock pins and a trust store.
* Cold is a process without anything loaded. The files are in the system's memory: what a card takes to give
  them is not in these figures.
* Times by the clock grow with whatever else the machine does; beside each stands what the process itself
  took of the processor.

    PYTHONPATH=tests python -m bench.startup --starts 7
    measure(starts=7)["all"]["ms"]["p50"]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.told import keep
from bench.unit import Unit

GOALS_MS = {"decoder": 500, "all": 1000}
STARTS = 7
HEAVY = ("numpy", "tuf", "pyld", "av", "flask", "cryptography", "asn1crypto", "PIL", "gpiozero", "waitress")

# The decoder alone: configuration, camera, reader, one frame read.
DECODER = """
import sys
from pathlib import Path
from appliance.camera import open_camera
from appliance.config import load
from appliance.reader.live import Reader
reader = Reader()
with open_camera(load(Path(sys.argv[1])).camera) as camera:
    while (frame := camera.read(0.25)) is None:
        pass
    codes = reader(frame.luma).codes
    print(len(codes), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Import:
    """One line of ``-X importtime``: microseconds of a module itself, and with all that it imports."""

    name: str
    own: int
    whole: int


def imports(text: str) -> list[Import]:
    """Every import that Python tells of, the largest first."""
    found = re.findall(r"^import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)\s*$", text, re.MULTILINE)
    return sorted(
        (Import(name, int(own), int(whole)) for own, whole, name in found), key=lambda one: -one.own
    )


def packages(found: Sequence[Import]) -> dict[str, int]:
    """Microseconds of each top package, its modules taken together, the largest first."""
    took: Counter[str] = Counter()
    for one in found:
        took[one.name.partition(".")[0]] += one.own
    return dict(took.most_common())


def processor_ms(pid: int) -> float:
    """Milliseconds that a process has taken of the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def start_decoder(unit: Unit) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor until the first frame is read."""
    began = time.perf_counter()
    command = [sys.executable, "-c", DECODER, str(unit.config)]
    with unit.process(command, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        read = process.stdout.readline()
        took = (time.perf_counter() - began) * 1000, processor_ms(process.pid)
    if read != "1\n":
        raise RuntimeError(f"the decoder read {read!r} of the first picture, not one code")
    return took


def start_all(unit: Unit) -> tuple[float, float]:
    """Milliseconds until the unit says that it is ready and has served its page."""
    began = time.perf_counter()
    with unit.started() as run:
        run.wait()
        status, _ = run.get("/")
        took = (time.perf_counter() - began) * 1000, processor_ms(run.pid)
    if status != 200:
        raise RuntimeError(f"the first page was answered with {status}")
    return took


def import_times(unit: Unit) -> list[Import]:
    """What ``vaxgate run`` imports until it is ready and its page was served."""
    with tempfile.TemporaryFile("w+") as talk:
        command = [sys.executable, "-X", "importtime", *unit.command("vaxgate", "run")]
        with unit.process(command, stderr=talk) as process:
            from bench.unit import Run

            assert process.stdout is not None
            run = Run(process, process.stdout.readline().strip())
            run.wait()
            run.get("/")
        talk.seek(0)
        return imports(talk.read())


def measure(starts: int = STARTS) -> dict[str, Any]:
    """Figures of both starts and of the imports, as JSON takes them. One start before goes uncounted."""
    with tempfile.TemporaryDirectory() as folder, Unit(Path(folder), pictures=1, dwell_s=3600) as unit:
        told: dict[str, Any] = {"starts": starts}
        for name, start in (("decoder", start_decoder), ("all", start_all)):
            start(unit)
            taken = [start(unit) for _ in range(starts)]
            told[name] = {"goal_ms": GOALS_MS[name]} | {
                what: {"p50": round(median(values), 1), "max": round(max(values), 1)}
                for what, values in zip(("ms", "processor_ms"), zip(*taken, strict=True), strict=True)
            }
        found = import_times(unit)
    took = packages(found)
    return told | {
        "imports": {
            "ms": round(sum(took.values()) / 1000, 1),
            "modules": {one.name: round(one.own / 1000, 1) for one in found[:20]},
            "packages": {name: round(micros / 1000, 1) for name, micros in [*took.items()][:20]},
            "heavy": {name: name in took for name in HEAVY},
        }
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; with ``--strict`` 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=STARTS, metavar="N")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    told = measure(options.starts)
    missed = False
    print(f"{'milliseconds from the start of the process':44}{'p50':>8}{'max':>8}{'goal':>8}")
    for name in GOALS_MS:
        row = told[name]
        missed |= row["ms"]["p50"] > row["goal_ms"]
        print(f"{name:44}{row['ms']['p50']:8.0f}{row['ms']['max']:8.0f}{row['goal_ms']:8}")
        taken = row["processor_ms"]
        print(f"{'  of the processor':44}{taken['p50']:8.0f}{taken['max']:8.0f}")
    print(f"\nimports {told['imports']['ms']:.0f} ms in all, of these the largest by themselves:")
    for what in ("packages", "modules"):
        print(
            f"  {what}: " + ", ".join(f"{name} {ms:g}" for name, ms in [*told["imports"][what].items()][:12])
        )
    absent = [name for name, loaded in told["imports"]["heavy"].items() if not loaded]
    print(f"  not loaded: {', '.join(absent)}")
    keep(told, options.json)
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
