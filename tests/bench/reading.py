"""What the reader reads and what that takes, beside the ordinary reader, on a folder of drawn frames.

The folder is one that the shared script ``gen_frames.py`` makes: ``index.json`` and a luma plane a file.
Times are of this run and this machine; ratios are between figures of the same run, taken in turn.

    python gen_frames.py FRAMES 9 42 SEED                 # the shared script, in its own environment
    PYTHONPATH=tests python -m bench.reading FRAMES --json build/reading.json
    PYTHONPATH=tests python -m bench.reading FRAMES --sequences 100 --tools FOLDER_OF_GEN_FRAMES --noise 170
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import zxingcpp

from appliance.mending import restoring_module
from appliance.picture import Luma
from appliance.reading import Reader
from appliance.stills import read_still, read_together

HARD = {
    "defocus3", "defocus4", "motion2", "motion3", "lowcontrast2", "noise2", "glare2", "inverted", "crumpled2",
    "mixed1", "mixed2", "small",
}  # fmt: skip
# Frames of a camera in which one symbol is held: it moves by a pixel or two, and the noise is another.
HELD = 8


def luma_of(array: Any) -> Luma:
    return memoryview(np.ascontiguousarray(array).tobytes()).cast("B", array.shape)


def fast(luma: Any) -> Any:
    """The ordinary reader at its fastest."""
    return zxingcpp.read_barcodes(
        luma, formats=zxingcpp.BarcodeFormat.QRCode, try_rotate=False, try_downscale=False, try_invert=False
    )


def defaults(luma: Any) -> Any:
    return zxingcpp.read_barcodes(luma, formats=zxingcpp.BarcodeFormat.QRCode)


def timed(work: Callable[..., Any], *values: Any) -> tuple[float, Any]:
    """Milliseconds, and the answer."""
    before = time.perf_counter_ns()
    answer = work(*values)
    return (time.perf_counter_ns() - before) / 1e6, answer


def ranks(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    steps = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, step)), 3) for name, step in steps.items()}


def decoded(frames: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Stills one by one; and live, the same symbol held for some frames."""
    rows: dict[str, Counter[str]] = {}
    times: dict[str, list[float]] = {
        "still code": [],
        "still no code": [],
        "live code": [],
        "fast": [],
        "live": [],
    }
    false = 0
    for entry in frames:
        array = np.load(folder / entry["file"])
        luma = luma_of(array)
        row = rows.setdefault(entry["cond"], Counter())
        row["frames"] += 1
        wanted = set(entry["texts"])
        plain_ms, plain = timed(fast, luma)
        row["fast"] += any(code.text in wanted for code in plain)
        row["defaults"] += any(code.text in wanted for code in defaults(luma))
        took, still = timed(read_still, luma)
        times["still code" if wanted else "still no code"].append(took)
        row["still"] += any(code.text in wanted for code in still.codes)
        false += sum(code.text not in wanted for code in still.codes)
        reader = Reader()
        for number in range(HELD):
            chance = np.random.default_rng(number)
            moved = np.roll(array.astype(np.int16), (number % 3, number % 2), (0, 1))
            moved = (moved + chance.integers(-2, 3, moved.shape)).clip(0, 255).astype(np.uint8)
            took, seen = timed(reader, luma_of(moved) if number else luma)
            times["live"].append(took)
            false += sum(code.text not in wanted for code in seen.codes)
            if seen.codes:
                row["live"] += 1
                row["live, first frame"] += number == 0
                if number == 0 and entry["h"] == 720:
                    times["live code"].append(took)
                    times["fast"].append(plain_ms)
                break
    coded = {name: row for name, row in rows.items() if name != "empty"}
    total = sum(coded.values(), Counter())
    return {
        "conditions": {name: dict(row) for name, row in rows.items()},
        "all": dict(total),
        "hard": dict(sum((row for name, row in coded.items() if name in HARD), Counter())),
        "false texts": false,
        "ms": {name: ranks(values) for name, values in times.items()},
        "720p code frames that the first look reads, against fast": round(
            float(np.median(times["live code"]) / np.median(times["fast"])), 2
        ),
    }


def empty_scenes(frames: list[dict[str, Any]], folder: Path, rounds: int) -> dict[str, Any]:
    """720p without a code: another scene each time, and one that does not move."""
    arrays = [np.load(folder / entry["file"]) for entry in frames if not entry["texts"] and entry["h"] == 720]
    lumas = [luma_of(array) for array in arrays]
    ours, theirs, still, still_theirs = [], [], [], []
    reader = Reader()
    for _ in range(rounds):
        for luma in lumas:
            theirs.append(timed(fast, luma)[0])
            ours.append(timed(reader, luma)[0])
    chance = np.random.default_rng(1)
    noisy = [
        (arrays[0] + chance.normal(0, 2.5, arrays[0].shape)).clip(0, 255).astype(np.uint8) for _ in range(6)
    ]
    held = [luma_of(array) for array in noisy]
    reader = Reader()
    reader(held[0])
    for _ in range(rounds):
        for luma in held:
            still.append(timed(reader, luma)[0])
            still_theirs.append(timed(fast, luma)[0])
    return {
        "moving": {
            "ms": ranks(ours),
            "fast ms": ranks(theirs),
            "ratio of p50": round(float(np.median(ours) / np.median(theirs)), 2),
            "ratio of means": round(float(np.mean(ours) / np.mean(theirs)), 2),
        },
        "still": {
            "ms": ranks(still),
            "ratio of p50": round(float(np.median(still) / np.median(still_theirs)), 3),
            "ratio of means": round(float(np.mean(still) / np.mean(still_theirs)), 3),
        },
    }


def drawn_sequence(tools: Any, text: str, level: str, chance: random.Random, args: Any) -> list[Luma]:
    """Five frames of one symbol by the shared script's own scene, card and camera; the hand moves between."""
    import cv2

    width, height = chance.choice([(640, 480), (1280, 720)])
    camera = {"blur": args.blur, "noise": args.noise}
    scene = cv2.GaussianBlur(tools.clutter(2 * width, 2 * height, chance), (0, 0), 3)
    matrix = tools.qr_matrix(text, level)
    side = chance.uniform(0.62 if height == 480 else 0.45, 0.8) * height
    card, points = tools.card(matrix, chance, camera)
    x = width / 2 + chance.uniform(-0.4, 0.4) * max(0, width - side * 1.35)
    y = height / 2 + chance.uniform(-0.3, 0.3) * max(0, height - side * 1.2)
    held = chance.getstate()
    frames = []
    for _ in range(5):
        hand = random.Random()
        hand.setstate(held)
        frame, _, _ = tools.place(scene.copy(), card, points, hand, camera, 2 * x, 2 * y, 2 * side)
        grey = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        grey = cv2.GaussianBlur(grey, (0, 0), max(args.blur * side / len(matrix), 0.45))
        noise = np.random.default_rng(chance.randrange(1 << 30)).normal(0, 1, grey.shape)
        grey += noise * args.noise * np.sqrt(0.4 + grey.clip(0, 255) / 255 * 0.6)
        frames.append(luma_of(grey.clip(0, 255).astype(np.uint8)))
        x, y = x + chance.uniform(-args.shift, args.shift), y + chance.uniform(-args.shift, args.shift)
    return frames


def sequences(frames: list[dict[str, Any]], args: Any) -> dict[str, Any]:
    """Sequences of which no frame is read alone, read together."""
    sys.path.insert(0, str(args.tools))
    tools = importlib.import_module("gen_frames")
    chance = random.Random(args.seed)
    pool = sorted({text for entry in frames for text in entry["texts"] if text.startswith("HC1:")})
    drawn = alone = together = false = 0
    seconds = []
    while drawn - alone < args.sequences:
        text = chance.choice(pool)
        lumas = drawn_sequence(tools, text, "Q", chance, args)
        drawn += 1
        codes = []
        for luma in lumas:
            codes = [code.text for code in read_still(luma).codes]
            if codes:
                break
        false += sum(code != text for code in codes)
        if codes:
            alone += 1
            continue
        took, look = timed(read_together, lumas, args.together_s)
        seconds.append(took / 1000)
        together += any(code.text == text for code in look.codes)
        false += sum(code.text != text for code in look.codes)
    return {
        "level": {"noise": args.noise, "blur": args.blur, "shift": args.shift},
        "drawn": drawn,
        "a frame reads alone": alone,
        "none reads alone": drawn - alone,
        "read together": together,
        "false texts": false,
        "seconds": ranks(seconds),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="frames and index.json, as gen_frames.py writes them")
    parser.add_argument("--rounds", type=int, default=12, help="rounds over the scenes without a code")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--sequences", type=int, default=0, help="sequences of which no frame reads alone")
    parser.add_argument("--tools", type=Path, help="the folder of gen_frames.py, to draw sequences with")
    parser.add_argument("--noise", type=float, default=170, help="of sequences: sigma in grey levels")
    parser.add_argument("--blur", type=float, default=0.35, help="of sequences: sigma in modules")
    parser.add_argument("--shift", type=float, default=6, help="of sequences: pixels from frame to frame")
    parser.add_argument("--together-s", type=float, default=10, help="seconds of work for a sequence")
    parser.add_argument("--seed", type=int, default=1, help="of sequences")
    args = parser.parse_args()
    frames = json.loads((args.folder / "index.json").read_text())
    restoring_module()
    figures: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    if args.sequences:
        figures["sequences"] = sequences(frames, args)
    else:
        figures["decoded"] = decoded(frames, args.folder)
        figures["no code, 720p"] = empty_scenes(frames, args.folder, args.rounds)
        print(f"{'condition':14} frames  fast  defaults  still  live  (first frame)")
        shown = figures["decoded"]
        for name, row in [*shown["conditions"].items(), ("all", shown["all"]), ("hard", shown["hard"])]:
            print(
                f"{name:14} {row['frames']:6} {row.get('fast', 0):5} {row.get('defaults', 0):9}"
                f" {row.get('still', 0):6} {row.get('live', 0):5}  {row.get('live, first frame', 0):5}"
            )
        figures["decoded"] = shown
    print(json.dumps({key: value for key, value in figures.items() if key != "decoded"}, indent=1))
    if "decoded" in figures:
        rest = {key: value for key, value in figures["decoded"].items() if key != "conditions"}
        print(json.dumps(rest, indent=1))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
