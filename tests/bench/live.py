"""What passes between a frame in memory and the lamp, and what two reading threads are worth.

The whole live path runs: the camera's thread, the mailbox, the reading threads that judge too, a mock lamp
and the page's hub. Each frame shows another certificate, in a place of its own, after a frame without any; so
nothing is judged from memory. Frames follow each other as soon as the one before is done. The ordinary
reader's fastest pass takes its turn with each frame, for the ratio.

    PYTHONPATH=tests python -m bench.live
    PYTHONPATH=tests python -m bench.live --json build/live.json --frames 400
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import platform
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent / "appliance"))

import numpy as np
from desk import Desk, Signer, person, vaccination
from gate_rig import SIZE, png_of, snapshot_of
from PIL import Image, ImageFilter

from appliance.camera import Closing, Frame
from appliance.eyes import Eyes
from appliance.gate import Answer, Gate
from appliance.kiosk.hub import Hub
from appliance.lights import MockLamp
from appliance.picture import Luma
from appliance.reader.live import Reader
from appliance.reader.passes import Look
from appliance.supply import CameraSupply, FixedTrust
from appliance.timings import STEPS
from bench.reading import fast
from bench.told import keep, spread, timed
from verifier.reasons import State

# A frame that leads to no answer within so many seconds was not read by its first look.
ANSWER_S = 0.5
WARM = 5  # frames that are not counted
CHUNK = 50
FAST = "zxing-cpp fast, same frame"


def ranks(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    steps = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, step)), 1) for name, step in steps.items()}


def drawn(text: str | None, chance: random.Random) -> Luma:
    """A 720p frame: a wall with light from one side, noise, and a code somewhere."""
    width, height = SIZE
    numbers = np.random.default_rng(chance.randrange(1 << 30))
    left, right = chance.uniform(90, 150), chance.uniform(150, 220)
    wall = np.linspace(left, right, width)[None, :] + np.zeros((height, 1))
    if text is not None:
        code = Image.open(io.BytesIO(png_of(text, scale=chance.choice((4, 5))))).convert("L")
        code = code.rotate(chance.uniform(-8, 8), Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        code = code.filter(ImageFilter.GaussianBlur(0.8))
        x, y = chance.randint(0, width - code.width), chance.randint(0, height - code.height)
        wall[y : y + code.height, x : x + code.width] *= 0.15 + 0.85 * np.asarray(code) / 255
    wall += numbers.normal(0, 3, wall.shape)
    return memoryview(wall.clip(0, 255).astype(np.uint8).tobytes()).cast("B", (height, width))


class _Projector(Closing):
    """A camera that gives what is put up, once."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._luma: Luma | None = None

    def put(self, luma: Luma) -> None:
        with self._news:
            self._luma = luma
            self._news.notify()

    def read(self, timeout: float) -> Frame | None:
        with self._news:
            self._news.wait_for(lambda: self._luma is not None, timeout)
            luma, self._luma = self._luma, None
        return None if luma is None else Frame(luma, time.monotonic())

    def close(self) -> None:
        pass


def latency(frames: int, seed: int) -> dict[str, Any]:
    """Milliseconds by step, from a frame in memory to the lamp and the page."""
    chance = random.Random(seed)
    desk = Desk()
    signer = desk.signer()
    camera, answers = _Projector(), []
    answered = threading.Event()

    def on_answer(answer: Answer) -> None:
        answers.append(answer)
        answered.set()

    hub = Hub()
    lamp = MockLamp()
    gate = Gate(
        open_camera=lambda: camera,
        open_trust=lambda: FixedTrust(snapshot_of(desk)),
        lamp=lamp,
        hub=hub,
        clock=lambda: desk.now,  # type: ignore[arg-type, return-value]
        down_s=3600,
        read=Reader(),
        on_answer=on_answer,
    )
    gate.start()
    stop = threading.Event()
    worker = threading.Thread(target=gate.run, args=(stop,))
    worker.start()
    rows: list[dict[str, int]] = []
    plain: list[float] = []
    late = 0
    empties = [drawn(None, chance) for _ in range(4)]
    try:
        for number, code in enumerate(_codes(frames + WARM, signer, chance)):
            before = sum(gate.counts.read)
            camera.put(empties[number % len(empties)])
            _until(lambda before=before: sum(gate.counts.read) > before)  # type: ignore[misc]
            answered.clear()
            camera.put(code)
            read = answered.wait(ANSWER_S)
            took = timed(fast, code)[0] * 1000
            if number >= WARM:
                late += not read
                plain.append(took)
                rows += [dict(answers[-1].micros)] if read else []
    finally:
        stop.set()
        worker.join(10)
        lamp.close()
        hub.close()
    wrong = sum(answer.verdict.state is not State.PASS for answer in answers)
    us = {step: ranks([row[step] for row in rows if step in row]) for step in STEPS}
    us[FAST] = ranks(plain)
    return {
        "frames": frames,
        "not read at the first look": late,
        "not PASS": wrong,
        "us": us,
        "curve": spread([row["total"] for row in rows])["curve"],
        "total to fast, p50": round(us["total"]["p50"] / us[FAST]["p50"], 2),
    }


def _codes(count: int, signer: Signer, chance: random.Random) -> Iterator[Luma]:
    """Frames of so many certificates, drawn some at a time, for they are large."""
    for start in range(0, count, CHUNK):
        lumas = []
        for number in range(start, min(count, start + CHUNK)):
            family = "".join(chance.choices("ABCDEFGHIKLMNOPQRSTUVY", k=9))
            born = f"{chance.randint(1940, 2005)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
            head = person(nam={"fn": family, "gn": "An", "fnt": family, "gnt": "AN"}, dob=born)
            text = signer.issue(vaccination(head, ci=f"URN:UVCI:01:XV:LIVE{number:06}#A"))
            lumas.append(drawn(text, chance))
        yield from lumas


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.0002)


class _Belt(Closing):
    """A camera that has another frame as soon as the one before was taken: ``taken`` says when."""

    def __init__(self, lumas: Sequence[Luma]) -> None:
        self._lumas, self._number = lumas, 0
        self.taken = threading.Event()
        self.taken.set()

    def read(self, timeout: float) -> Frame | None:
        if not self.taken.wait(timeout):
            return None
        self.taken.clear()
        self._number += 1
        return Frame(self._lumas[self._number % len(self._lumas)], time.monotonic())

    def close(self) -> None:
        pass


def rate(lumas: Sequence[Luma], threads: int, seconds: float) -> tuple[float, float]:
    """Frames a second through the mailbox and so many threads, and how many cores this process had."""
    belt, reader = _Belt(lumas), Reader()

    def read(luma: Luma) -> Look:
        belt.taken.set()
        return reader(luma)

    eyes = Eyes(CameraSupply(lambda: belt, down_s=60, monotonic=time.monotonic), read, threads=threads)
    eyes.start(lambda _sight: None)
    try:
        _until(lambda: sum(eyes.counts.read) >= 4 * threads)
        before, began, worked = sum(eyes.counts.read), time.perf_counter(), time.process_time()
        time.sleep(seconds)
        took = time.perf_counter() - began
        return (sum(eyes.counts.read) - before) / took, (time.process_time() - worked) / took
    finally:
        eyes.close()


def throughput(rounds: int, seed: int, seconds: float = 0.5) -> dict[str, Any]:
    """One reading thread against two, in turn.

    ``cores that two had`` tells what the ratio is worth: below 1.9 the machine had other work.
    """
    chance = random.Random(seed)
    signer = Desk().signer()
    lumas = [drawn(signer.issue(vaccination(dn=dose, sd=9)), chance) for dose in range(1, 9)]
    one, two = [], []
    for _ in range(rounds):
        one.append(rate(lumas, 1, seconds))
        two.append(rate(lumas, 2, seconds))
    pairs = [after / before for (before, _), (after, _) in zip(one, two, strict=True)]
    return {
        "frames a second": {
            "one": round(float(np.median([each for each, _ in one]))),
            "two": round(float(np.median([each for each, _ in two]))),
        },
        "two to one, median of rounds": round(float(np.median(pairs)), 2),
        "two to one, best against best": round(max(two)[0] / max(one)[0], 2),
        "cores that two had": round(float(np.median([cores for _, cores in two])), 2),
    }


def measure(*, frames: int = 300, rounds: int = 12, seed: int = 1) -> dict[str, Any]:
    """The figures of this machine, now."""
    logging.disable(logging.ERROR)
    try:
        return {"frame to lamp": latency(frames, seed), "threads": throughput(rounds, seed)}
    finally:
        logging.disable(logging.NOTSET)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=300, help="certificates, each on a frame of its own")
    parser.add_argument("--rounds", type=int, default=12, help="of one thread against two")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    figures = measure(frames=options.frames, rounds=options.rounds, seed=options.seed)
    figures["machine"] = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    for step, found in figures["frame to lamp"]["us"].items():
        print(f"{step:28}" + "  ".join(f"{name} {value:8.0f} us" for name, value in found.items()))
    print(json.dumps({name: value for name, value in figures.items() if name != "frame to lamp"}, indent=1))
    rest = {name: value for name, value in figures["frame to lamp"].items() if name != "us"}
    print(json.dumps(rest, indent=1))
    keep(figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
