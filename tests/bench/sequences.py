"""Five frames of one symbol of which none reads alone: how many such sequences are read together.

The rules this module keeps:

* A sequence counts when our own reader reads none of its frames, worked at as hard as a still picture.
* What is told is the level: noise, blur, and how far the hand moves. At a lower level one frame would do.
* Drawn by ``bench.frames``, or by others' ``gen_frames.py``, which is not in this repository and needs
  OpenCV in the same environment.

    PYTHONPATH=tests python -m bench.sequences --count 100 --json build/sequences.json
    PYTHONPATH=tests python -m bench.sequences --tools FOLDER_OF_GEN_FRAMES --noise 170
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import thread_time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from appliance.picture import Luma
from appliance.reader.stills import HARDER_S, read_still, read_together
from bench.frames import Shot, held_still, luma_of, texts
from bench.told import keep, progress, spread

FRAMES = 5


@dataclass(frozen=True, slots=True)
class Level:
    """noise: sigma in grey levels. blur: sigma in modules. shift: pixels from frame to frame."""

    noise: float = 170
    blur: float = 0.35
    shift: float = 6


def drawn_by_tools(folder: Path, text: str, level: Level, seed: int) -> list[Luma]:
    """A sequence by the shared script's own scene, card and optics; only the hand moves between frames."""
    sys.path.append(str(folder))
    tools: Any = importlib.import_module("gen_frames")
    cv2: Any = importlib.import_module("cv2")
    chance = random.Random(seed)
    width, height = chance.choice([(640, 480), (1280, 720)])
    camera = {"blur": level.blur, "noise": level.noise}
    scene = cv2.GaussianBlur(tools.clutter(2 * width, 2 * height, chance), (0, 0), 3)
    matrix = tools.qr_matrix(text, "Q")
    side = chance.uniform(0.62 if height == 480 else 0.45, 0.8) * height
    card, points = tools.card(matrix, chance, camera)
    x = width / 2 + chance.uniform(-0.4, 0.4) * max(0, width - side * 1.35)
    y = height / 2 + chance.uniform(-0.3, 0.3) * max(0, height - side * 1.2)
    held, frames = chance.getstate(), []
    for _ in range(FRAMES):
        hand = random.Random()
        hand.setstate(held)
        frame, _, _ = tools.place(scene.copy(), card, points, hand, camera, 2 * x, 2 * y, 2 * side)
        grey = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        grey = cv2.GaussianBlur(grey, (0, 0), max(level.blur * side / len(matrix), 0.45))
        noise = np.random.default_rng(chance.randrange(1 << 30)).normal(0, 1, grey.shape)
        grey += noise * level.noise * np.sqrt(0.4 + grey.clip(0, 255) / 255 * 0.6)
        frames.append(luma_of(grey.clip(0, 255).astype(np.uint8)))
        x, y = x + chance.uniform(-level.shift, level.shift), y + chance.uniform(-level.shift, level.shift)
    return frames


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a sequence. seconds: of a thread on the processor, to read it together."""

    alone: bool
    together: bool
    false: int
    seconds: float


def told(number: int, level: Level, tools: Path | None, seed: int, work_s: float) -> Told:
    """Draw one sequence, read its frames one by one, and where none reads, together."""
    pool = [text for text, wanted in texts() if wanted == "Q"]
    text = pool[number % len(pool)]
    if tools is None:
        shot = Shot(noise=level.noise, blur=level.blur)
        lumas = held_still(text, shot, level.shift, np.random.default_rng((seed, number)), FRAMES)
    else:
        lumas = drawn_by_tools(tools, text, level, seed * 100_003 + number)
    single = next((look.codes for luma in lumas if (look := read_still(luma)).codes), ())
    if single:
        return Told(True, False, sum(code.text != text for code in single), 0)
    began = thread_time()
    codes = read_together(lumas, work_s).codes
    took = thread_time() - began
    return Told(
        False, any(code.text == text for code in codes), sum(code.text != text for code in codes), took
    )


def measure(
    count: int = 100,
    level: Level = Level(),
    *,
    tools: Path | None = None,
    seed: int = 1,
    work_s: float = HARDER_S,
) -> dict[str, Any]:
    """Draw sequences until ``count`` of them have no frame that reads alone, and read those together.

    All cores work: what is counted takes no time into account. work_s: seconds of a thread on the processor
    for each frame that is read together. Raises ValueError when too many read alone at this level.
    """
    done: list[Told] = []
    work = partial(told, level=level, tools=tools, seed=seed, work_s=work_s)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as cores:
        while (missing := count - sum(not each.alone for each in done)) > 0:
            for each in cores.map(work, range(len(done), len(done) + missing)):
                done.append(each)
                progress("sequences", sum(not one.alone for one in done), count)
            if len(done) > 3 * count:
                raise ValueError(f"of {len(done)} sequences most read by a single frame: raise {level}")
    hurt = [each for each in done if not each.alone]
    together = sum(each.together for each in hurt)
    return {
        "drawn by": "bench.frames" if tools is None else "gen_frames.py",
        "level": asdict(level),
        "drawn": len(done),
        "a frame reads alone": len(done) - len(hurt),
        "none reads alone": len(hurt),
        "read together": together,
        "share": round(together / len(hurt), 4),
        "false texts": sum(each.false for each in done),
        "seconds": spread([each.seconds for each in hurt]),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="sequences that no frame of reads alone (100)")
    parser.add_argument("--tools", type=Path, help="a folder with others' gen_frames.py, to draw with")
    parser.add_argument("--noise", type=float, default=Level().noise, help="sigma in grey levels (170)")
    parser.add_argument("--blur", type=float, default=Level().blur, help="sigma in modules (0.35)")
    parser.add_argument("--shift", type=float, default=Level().shift, help="pixels from frame to frame (6)")
    parser.add_argument(
        "--work-s", type=float, default=HARDER_S, help=f"seconds of work for a frame ({HARDER_S:g})"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    given = parser.parse_args()
    level = Level(given.noise, given.blur, given.shift)
    figures = measure(given.count, level, tools=given.tools, seed=given.seed, work_s=given.work_s)
    print(f"level: {level}, drawn by {figures['drawn by']}")
    print(f"{figures['none reads alone']} of {figures['drawn']} sequences have no frame that reads alone")
    print(f"read together: {figures['read together']}, {figures['share']:.0%}")
    print(f"false texts: {figures['false texts']}")
    print(f"seconds of work: p50 {figures['seconds']['p50']:.2f}, most {figures['seconds']['max']:.2f}")
    keep(figures, given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
