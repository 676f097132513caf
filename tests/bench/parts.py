"""The parts of ``make bench``: what each measures, with which arguments, and how long that takes.

The rules this module keeps:

* A part runs in a process of its own, so that none inherits another's memory, core or threads, and one that
  dies takes no other with it.
* What this machine does not have, such as the published vectors, is no failure; it is told.
* What a part is missing is loaded inside it: a part that cannot be loaded fails alone, and is named.
* A quick run measures the same with less of everything. Its figures say whether something broke, not how fast
  it is.

    outcome = run(PARTS["chain"], Wish(quick=True), print)
    outcome.result, outcome.failed, outcome.seconds
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. frames: a set to read instead of our own. tools: a folder with others'
    ``gen_frames.py``.

    work: a folder for what is drawn and installed; what is there already is used again.
    """

    quick: bool = False
    frames: Path | None = None
    tools: Path | None = None
    seed: int = 1
    work: Path = Path("build/bench")

    def amount(self, whole: int, quick: int) -> int:
        """How many of something."""
        return quick if self.quick else whole


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bench. says: what it measures. seconds: about how long, whole and quick."""

    says: str
    measure: Callable[[Wish], dict[str, Any]]
    seconds: tuple[int, int]
    in_quick: bool = True


class AbsentError(Exception):
    """What a part measures is not on this machine; nothing is wrong with it or with us."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part gave, or why it gave nothing: it failed, or what it measures is absent here."""

    seconds: float
    result: dict[str, Any] | None = None
    failed: str | None = None
    absent: str | None = None

    @property
    def ending(self) -> str:
        """How it went, for whoever waits."""
        if self.failed is not None:
            return f"FAILED: {self.failed}"
        return "done" if self.absent is None else f"absent: {self.absent}"

    def told(self) -> dict[str, Any]:
        """As JSON."""
        parts = {"result": self.result, "failed": self.failed, "absent": self.absent}
        return {"seconds": round(self.seconds, 1)} | {
            name: said for name, said in parts.items() if said is not None
        }


def run(part: Part, wish: Wish, say: Callable[[str], None]) -> Outcome:
    """Measure a part in a process of its own."""
    began = perf_counter()
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        try:
            result = alone.submit(part.measure, wish).result()
        except AbsentError as error:
            return Outcome(perf_counter() - began, absent=str(error))
        except BrokenProcessPool:
            return Outcome(perf_counter() - began, failed="its process was killed: is there enough memory?")
        except Exception as error:  # noqa: BLE001 - whatever a part fails of, the others go on
            say("".join(traceback.format_exception(error)))
            return Outcome(perf_counter() - began, failed=f"{type(error).__name__}: {error}")
    return Outcome(perf_counter() - began, result)


def frames_of(wish: Wish, per_condition: int, empty: int) -> Path:
    """The set to read: the one that was given, or one of our own."""
    from bench.frames import SIZES, Amount, drawn

    if wish.frames is not None:
        return wish.frames
    return drawn(wish.work, Amount(per_condition, empty, SIZES[1:2] if wish.quick else SIZES), wish.seed)


def reading(wish: Wish) -> dict[str, Any]:
    from bench import reading

    return reading.measure(frames_of(wish, wish.amount(9, 1), wish.amount(42, 6)), wish.amount(12, 4))


def sequences(wish: Wish) -> dict[str, Any]:
    from bench import sequences

    return sequences.measure(wish.amount(100, 4), tools=wish.tools, seed=wish.seed)


def steps(wish: Wish) -> dict[str, Any]:
    from bench import steps

    return steps.measure(wish.amount(300, 40))


def chain(wish: Wish) -> dict[str, Any]:
    from bench import chain

    return chain.measure(wish.amount(7, 1), wish.work)


def rules(wish: Wish) -> dict[str, Any]:
    from places import vectors_dir

    from bench import rules

    vectors = vectors_dir()
    if vectors is None:
        raise AbsentError("the published vectors are absent: set VAXGATE_VECTORS to their folder")
    return dict(rules.bench(vectors, wish.amount(200, 5)))


def live(wish: Wish) -> dict[str, Any]:
    from bench import live

    return live.measure(frames=wish.amount(300, 40), rounds=wish.amount(12, 2), seed=wish.seed)


def startup(wish: Wish) -> dict[str, Any]:
    from bench import startup

    return startup.measure(wish.amount(7, 2))


def memory(wish: Wish) -> dict[str, Any]:
    from bench import memory

    return memory.measure(wish.amount(memory.SCANS, memory.SCANS // 5))


def peers(wish: Wish) -> dict[str, Any]:
    from bench.peers import certificates, chains, decode, frames_in, photos, prepare
    from bench.told import say

    env = prepare(wish.work.parent / "peers", say)
    frames = frames_in(frames_of(wish, wish.amount(3, 1), wish.amount(12, 6)))
    return {
        "decode": decode(env, frames, rounds=wish.amount(2, 1)),
        "chains": chains(env, certificates(wish.amount(40, 20)), rounds=wish.amount(9, 5)),
        "photos": photos(env),
    }


PARTS = {
    "reading": Part("frames read by condition, and what a frame takes beside zxing-cpp", reading, (150, 60)),
    "sequences": Part("five frames that do not read alone, read together", sequences, (600, 60)),
    "steps": Part("each step of a certificate's way, each family, worst codes", steps, (60, 15)),
    "chain": Part("text to verdict beside `openssl speed`", chain, (120, 20)),
    "rules": Part("national rules", rules, (60, 5)),
    "live": Part("frame in memory to lamp, one and two reading threads", live, (90, 20)),
    "startup": Part("cold start", startup, (40, 15)),
    "memory": Part("memory of the processes", memory, (120, 35)),
    "peers": Part("others' readers and verifiers, in environments of their own", peers, (420, 120), False),
}
