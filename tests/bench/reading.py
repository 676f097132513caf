"""What the reader reads and what that takes, beside the ordinary reader, over a set of drawn frames.

The rules this module keeps:

* A set of frames is one that ``bench.frames`` drew, or somebody else in the same form.
* What a ratio compares takes turns, frame by frame, and is time of this thread on the processor. A deadline
  bounds time on the wall, so that is told too.
* A text that no symbol of the frame holds is a false text, whoever read it.

    PYTHONPATH=tests python -m bench.reading                     # draws 75 frames with a code, 21 without
    PYTHONPATH=tests python -m bench.reading FOLDER --json build/reading.json
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from time import thread_time_ns
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import zxingcpp

from appliance.picture import Luma
from appliance.reader.live import Reader
from appliance.reader.mending import restoring_module
from appliance.reader.stills import read_still
from bench.frames import EMPTY, HARD, Amount, Listed, drawn, listed, luma_of
from bench.told import keep, progress, spread, timed

# Frames of a camera in which one symbol is held: it moves by a pixel or two, and the noise is another.
HELD = 8
STILL_SCENES = 4
ORDINARY = {"formats": zxingcpp.BarcodeFormat.QRCode}
FAST = ORDINARY | {"try_rotate": False, "try_downscale": False, "try_invert": False}


def fast(luma: Any) -> Any:
    """The ordinary reader at its fastest."""
    return zxingcpp.read_barcodes(luma, **FAST)


def worked(work: Any, *values: Any) -> tuple[float, Any]:
    """Milliseconds of this thread on the processor, and what it gave."""
    before = thread_time_ns()
    answer = work(*values)
    return (thread_time_ns() - before) / 1e6, answer


def decoded(frames: Sequence[Listed]) -> dict[str, Any]:
    """What is read of each condition: of a still picture, live while it is held up, and ordinarily."""
    rows: dict[str, Counter[str]] = {}
    stills: dict[bool, list[float]] = {True: [], False: []}
    walls, lives, false = [], [], 0
    for number, frame in enumerate(frames):
        luma, wanted = frame.luma(), set(frame.texts)
        row = rows.setdefault(frame.condition, Counter())
        row["frames"] += 1
        row["fast"] += any(code.text in wanted for code in fast(luma))
        row["defaults"] += any(code.text in wanted for code in zxingcpp.read_barcodes(luma, **ORDINARY))
        took, still = timed(read_still, luma)
        stills[bool(wanted)].append(took)
        row["still"] += any(code.text in wanted for code in still.codes)
        false += sum(code.text not in wanted for code in still.codes)
        reader, array = Reader(), np.asarray(luma).astype(np.int16)
        for held in range(HELD):
            chance = np.random.default_rng(held)
            moved = np.roll(array, (held % 3, held % 2), (0, 1)) + chance.integers(-2, 3, array.shape)
            seen = luma_of(moved.clip(0, 255).astype(np.uint8)) if held else luma
            wall, (took, look) = timed(worked, reader, seen)
            walls.append(wall)
            lives.append(took)
            false += sum(code.text not in wanted for code in look.codes)
            if look.codes:
                row["live"] += any(code.text in wanted for code in look.codes)
                break
        progress("frames read as stills and live", number + 1, len(frames))
    coded = {name: row for name, row in rows.items() if name != EMPTY}
    return {
        "conditions": {name: dict(row) for name, row in coded.items()},
        "all": dict(sum(coded.values(), Counter())),
        "hard": dict(sum((row for name, row in coded.items() if name in HARD), Counter())),
        "false texts": false,
        "ms": {"still, code": spread(stills[True]), "still, no code": spread(stills[False])},
        "live ms": spread(lives),
        "live wall ms": spread(walls),
    }


def beside_fast(frames: Sequence[Listed], rounds: int) -> dict[str, Any]:
    """Frames that the ordinary reader reads, one after the other through one reader as in life, beside it.

    Each frame shows another scene than the last, so nothing that was seen before helps.
    """
    ours, theirs, walls = [], [], []
    readable = [(frame, luma) for frame in frames if frame.texts and fast(luma := frame.luma())]
    order, reader = random.Random(1), Reader()
    for number in range(rounds):
        for _frame, luma in order.sample(readable, len(readable)):
            theirs.append(worked(fast, luma)[0])
            wall, (took, _look) = timed(worked, reader, luma)
            ours.append(took)
            walls.append(wall)
        progress("rounds beside the ordinary reader", number + 1, rounds)
    return {
        "frames": len(readable),
        "ms": spread(ours),
        "fast ms": spread(theirs),
        "wall ms": spread(walls),
        "ratio of p50": round(median(ours) / median(theirs), 3),
        "ratio of means": round(mean(ours) / mean(theirs), 3),
    }


def without_code(frames: Sequence[Listed], rounds: int) -> dict[str, Any]:
    """720p without a code: another scene each time, and scenes where nothing moves but the noise."""
    lumas = [frame.luma() for frame in frames if not frame.texts and frame.height == 720]
    chance, still = np.random.default_rng(1), []
    for luma in lumas[:: max(1, len(lumas) // STILL_SCENES)][:STILL_SCENES]:
        scene = np.asarray(luma).astype(np.float32)
        noisy = [scene + chance.normal(0, 2.5, scene.shape) for _ in range(6)]
        still.append([luma_of(each.clip(0, 255).astype(np.uint8)) for each in noisy])
    return {"moving": beside([lumas], rounds, seen=False), "still": beside(still, rounds, seen=True)}


def beside(scenes: Sequence[Sequence[Luma]], rounds: int, *, seen: bool) -> dict[str, Any]:
    """A reader for each scene and the ordinary one by turns. seen: it has looked at the scene before."""
    ours, theirs = [], []
    for lumas in scenes:
        reader = Reader()
        if seen:
            reader(lumas[0])
        for _ in range(rounds):
            for luma in lumas:
                theirs.append(worked(fast, luma)[0])
                ours.append(worked(reader, luma)[0])
    return {
        "ms": spread(ours),
        "fast ms": spread(theirs),
        "ratio of p50": round(median(ours) / median(theirs), 3),
        "ratio of means": round(mean(ours) / mean(theirs), 3),
    }


def measure(folder: Path, rounds: int = 12) -> dict[str, Any]:
    """All figures of a set. rounds: over the frames whose times are compared."""
    frames = listed(folder)
    restoring_module()  # loads NumPy, as a unit has done long before a damaged symbol is held up
    few = max(1, rounds // 4)
    return {
        "set": folder.name,
        "frames": len(frames),
        "decoded": decoded(frames),
        "code, beside fast": beside_fast([frame for frame in frames if frame.texts], few),
        "no code, 720p": without_code(frames, rounds),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="of frames; without it a set is drawn")
    parser.add_argument(
        "--rounds", type=int, default=12, help="over the frames whose times are compared (12)"
    )
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    folder = options.folder or drawn(Path("build/bench"), Amount(3, 21), 1)
    figures = measure(folder, options.rounds)
    shown = figures["decoded"]
    print(f"{'condition':14} frames  fast  defaults  still  live")
    for name, row in [*shown["conditions"].items(), ("all", shown["all"]), ("hard", shown["hard"])]:
        print(
            f"{name:14} {row['frames']:6} {row.get('fast', 0):5} {row.get('defaults', 0):9}"
            f" {row.get('still', 0):6} {row.get('live', 0):5}"
        )
    scenes = figures["no code, 720p"]
    print(f"\nfalse texts: {shown['false texts']}")
    wall = shown["live wall ms"]
    print(f"a live frame, ms on the wall: p99 {wall['p99']}, most {wall['max']}")
    print(f"with a code, against fast: {figures['code, beside fast']['ratio of p50']}")
    print(f"without, moving, against fast: {scenes['moving']['ratio of p50']}")
    print(f"without, still, against fast: {scenes['still']['ratio of p50']}")
    keep(figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
