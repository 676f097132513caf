"""What every worker in Python does: engines by name; a line of JSON comes in, a line of JSON goes out.

The first line names the engines that are wanted, and what they need to be made; the answer says which
packages they are, and why the others are absent. Each further line is one turn of one engine:

    {"engine": "zbar", "items": [{"file": "000", "width": 640, "height": 480}]}
    {"cpu": [4.1], "wall": [4.2], "answers": [["HC1:…"]]}

Times are milliseconds for each item: ``cpu`` of the processor for the whole process, ``wall`` on the clock.
What an item needs to be opened is not in them. Needs the standard library alone: every environment runs it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any

# A package, and what makes its engine from the setup.
Maker = tuple[str, Callable[[dict[str, Any]], Callable[[Any], Any]]]


def luma_of(item: Mapping[str, Any]) -> memoryview:
    """A frame's luma plane, from its file."""
    data = Path(item["file"]).read_bytes()
    return memoryview(data).cast("B", shape=(item["height"], item["width"]))


def serve(makers: Mapping[str, Maker], opened: Callable[[Any], Any] = lambda item: item) -> None:
    """Answer until the input ends. opened: makes of an item what the engines take."""
    # An engine that prints must not speak into the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.readline())
    engines, packages, absent = {}, {}, {}
    for name in setup["engines"]:
        package, make = makers[name]
        try:
            engines[name] = make(setup)
            packages[name] = f"{package} {version(package)}"
        except Exception as error:  # noqa: BLE001 - whatever a peer lacks, the bench goes on without it
            absent[name] = f"{type(error).__name__}: {error}"
    # What was loaded so far is there for good; nobody's turn should pay for looking through it.
    gc.collect()
    gc.freeze()
    print(json.dumps({"packages": packages, "absent": absent}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        turn = _turn(engines[request["engine"]], map(opened, request["items"]))
        print(json.dumps(turn), file=answers, flush=True)


def _turn(engine: Callable[[Any], Any], subjects: Any) -> dict[str, list[Any]]:
    cpu, wall, answers = [], [], []
    for subject in subjects:
        clock, spent = perf_counter_ns(), process_time_ns()
        try:
            answer = engine(subject)
        except Exception:  # noqa: BLE001 - a peer that fails on a frame has not read it
            answer = []
        cpu.append((process_time_ns() - spent) / 1e6)
        wall.append((perf_counter_ns() - clock) / 1e6)
        answers.append(answer)
    return {"cpu": cpu, "wall": wall, "answers": answers}
