"""Ours and theirs by turns in one run: what each reads or proves, and what it costs against the other.

The rules this module keeps:

* Workers wait while another one works: in each round every engine has its turn at the same few frames or
  texts, in an order drawn anew. A ratio is between two times of the same turn, and the median of all turns.
* What counts is the time of the processor; the time on the clock is told beside it.
* A chain counts only when it accepts every genuine certificate; that it accepts a forged one is told.
* A peer that is not there, or ends in the middle, is named with its why, and the run goes on.

    figures = decode(environments, frames, rounds=3)
    figures["engines"]["zbar"]["no code"]["ratio"], figures["absent"]
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from places import vectors_dir

from appliance.picture import read_luma
from bench.peers.environments import Environments, Say, talk
from bench.peers.subjects import Certificates, Frame

READERS: Mapping[str, tuple[str, ...]] = {
    "vaxgate": ("vaxgate live, first look", "vaxgate scan"),
    "zxing": ("zxing-cpp, fast", "zxing-cpp, defaults", "zxing-cpp, all formats"),
    "zbar": ("zbar",),
    "opencv": ("OpenCV QRCodeDetector", "OpenCV QRCodeDetectorAruco"),
    "node": ("quirc", "jsQR", "zxing-wasm", "zbar-wasm"),
}
FAST, OURS, SCAN = "zxing-cpp, fast", "vaxgate", "vaxgate scan"
# Which family's certificates each chain proves.
CHAINS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vaxgate": {OURS: ("HC1", "SHC")},
    "chain": {"straightforward": ("HC1",), "cwt": ("HC1",), "joserfc": ("SHC",)},
    "greenpass": {"cose": ("HC1",), "greenpass": ("HC1",)},
    "node": {"dcc-sdk": ("HC1",), "jose": ("SHC",)},
}
TURN = 24  # frames of one turn


class GoneError(Exception):
    """A worker ended; what it said last."""


class Worker:
    """One environment's process, which answers a line with a line."""

    def __init__(self, command: Sequence[str], folder: Path, log: Path, setup: Mapping[str, Any]) -> None:
        self._log = log
        with log.open("w") as said:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=pipe, stdout=pipe, stderr=said, text=True, encoding="utf-8"
            )
        self.packages: dict[str, str]
        answer = self.ask(setup)
        self.packages, self.absent = answer["packages"], answer["absent"]

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises GoneError."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise GoneError(" ".join(["its worker ended", f"({self.process.wait()})", *last]))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Field:
    """All engines that answer, each in its worker, and why the others do not."""

    def __init__(self, workers: Mapping[str, Worker], absent: dict[str, str]) -> None:
        self.absent = absent
        self.at = {engine: (name, one) for name, one in workers.items() for engine in one.packages}

    def turn(self, engine: str, items: Sequence[Any]) -> dict[str, Any] | None:
        """One turn of one engine; ``None`` when its worker is gone."""
        if engine not in self.at:
            return None
        name, worker = self.at[engine]
        try:
            return worker.ask({"engine": engine, "items": items})
        except GoneError as error:
            for lost in [one for one, (other, _) in self.at.items() if other == name]:
                self.drop(lost, str(error))
            return None

    def drop(self, engine: str, why: str) -> None:
        """An engine that takes no further part."""
        self.absent[engine] = why
        del self.at[engine]

    def base(self, engine: str, spent: Mapping[str, float]) -> float:
        """What the reference took in a turn; without it nothing can be told. Raises GoneError."""
        if engine not in spent:
            raise GoneError(f"{engine}: {self.absent.get(engine)}")
        return spent[engine]

    def order(self, chance: random.Random) -> list[str]:
        """The engines in an order for one round."""
        return chance.sample(sorted(self.at), len(self.at))

    def about(self, engine: str) -> dict[str, str]:
        """Its package with the version, and the environment that it runs in."""
        name, worker = self.at[engine]
        return {"package": worker.packages[engine], "environment": name}


@contextmanager
def field(
    environments: Environments, engines: Mapping[str, Sequence[str]], setup: Mapping[str, Any]
) -> Iterator[Field]:
    """Start the workers, which are ended with the block."""
    workers: dict[str, Worker] = {}
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        for name, wanted in engines.items():
            command = environments.commands.get(name)
            if command is None:
                absent |= dict.fromkeys(wanted, environments.notes.get(name, "not set up"))
                continue
            folder = environments.folder / name if name == "node" else environments.folder
            log = environments.folder / f"{name}.log"
            try:
                worker = Worker(command, folder, log, {"engines": list(wanted), **setup})
            except GoneError as error:
                absent |= dict.fromkeys(wanted, str(error))
                continue
            stack.callback(worker.close)
            workers[name] = worker
            absent |= worker.absent
        yield Field(workers, absent)


def decode(
    environments: Environments, frames: Sequence[Frame], rounds: int = 3, say: Say = talk
) -> dict[str, Any]:
    """All readers on the same frames; the shape stands in :mod:`bench.peers`."""
    chance = random.Random(1)
    kinds = {
        "code": [one for one in frames if one.texts],
        "no code": [one for one in frames if not one.texts],
    }
    turns = [(kind, lot[at : at + TURN]) for kind, lot in kinds.items() for at in range(0, len(lot), TURN)]
    times: dict[tuple[str, str, str], list[float]] = {}  # of each engine and frame, cpu and wall
    ratios: dict[tuple[str, str], list[float]] = {}
    read: dict[tuple[str, str], bool] = {}
    false: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(dir=environments.folder) as folder,
        field(environments, READERS, {}) as engines,
    ):
        items = {one.name: item for one, item in zip(frames, _written(frames, Path(folder)), strict=True)}
        for number in range(rounds):
            say(f"peers: readers, round {number + 1} of {rounds}")
            for kind, lot in turns:
                spent = {}
                for engine in engines.order(chance):
                    turn = engines.turn(engine, [items[one.name] for one in lot])
                    if turn is None:
                        continue
                    spent[engine] = sum(turn["cpu"])
                    for at, one in enumerate(lot):
                        for clock in ("cpu", "wall"):
                            times.setdefault((engine, one.name, clock), []).append(turn[clock][at])
                        answer = set(turn["answers"][at])
                        read[engine, one.name] = bool(answer & set(one.texts))
                        false[engine] += number == 0 and len(answer - set(one.texts))
                for engine, took in spent.items():
                    ratios.setdefault((engine, kind), []).append(took / engines.base(FAST, spent))
        figures = {}
        for engine in engines.at:
            right = Counter(one.condition for one in kinds["code"] if read[engine, one.name])
            figures[engine] = {
                **engines.about(engine),
                "decoded": right.total(),
                "false texts": false[engine],
                "conditions": {
                    name: right[name] for name in dict.fromkeys(one.condition for one in kinds["code"])
                },
            }
            for kind, lot in kinds.items():
                cpu, wall = (
                    [median(times[engine, one.name, clock]) for one in lot] for clock in ("cpu", "wall")
                )
                figures[engine][kind] = (
                    {
                        **_ranks(cpu),
                        **{f"wall {name}": value for name, value in _ranks(wall).items() if name != "max"},
                        "ratio": round(median(ratios[engine, kind]), 3),
                    }
                    if lot
                    else {}
                )
        return {
            "reference": FAST,
            "rounds": rounds,
            "frames": {kind: len(lot) for kind, lot in kinds.items()},
            "conditions": dict(Counter(one.condition for one in frames)),
            "engines": {
                engine: figures[engine] for lot in READERS.values() for engine in lot if engine in figures
            },
            "absent": engines.absent,
        }


def chains(
    environments: Environments, made: Certificates, rounds: int = 9, say: Say = talk
) -> dict[str, Any]:
    """All chains on the same certificates; the shape stands in :mod:`bench.peers`."""
    chance = random.Random(1)
    families = {name: family for chain in CHAINS.values() for name, family in chain.items()}
    took: dict[tuple[str, str], list[float]] = {}
    ratios: dict[tuple[str, str], list[float]] = {}
    refuses: dict[tuple[str, str], bool] = {}
    setup = {"keys": made.keys, "now": made.now.isoformat()}
    wanted = {name: tuple(chain) for name, chain in CHAINS.items()}
    with field(environments, wanted, setup) as engines:
        for chain in list(engines.at):
            for family in families[chain]:
                genuine = engines.turn(chain, [made.texts[family]])
                forged = engines.turn(chain, [made.forged[family]])
                if genuine is None or forged is None:
                    continue
                if not all(genuine["answers"][0]):
                    engines.drop(chain, "refuses a genuine certificate")
                    break
                refuses[chain, family] = not any(forged["answers"][0])
        say(f"peers: chains, {rounds} rounds")
        for number in range(rounds + 1):
            for family, texts in made.texts.items():
                spent = {}
                for chain in engines.order(chance):
                    if family in families[chain] and (turn := engines.turn(chain, [texts])):
                        spent[chain] = turn["cpu"][0] * 1000 / len(texts)
                for chain, micros in spent.items():
                    if number:  # the first round warms up
                        took.setdefault((chain, family), []).append(micros)
                        ratios.setdefault((chain, family), []).append(micros / engines.base(OURS, spent))
        return {
            "reference": OURS,
            "rounds": rounds,
            "families": {
                family: {
                    "texts": len(texts),
                    "chains": {
                        chain: {
                            **engines.about(chain),
                            "us": round(median(took[chain, family]), 1),
                            "per second": round(1e6 / median(took[chain, family])),
                            "ratio": round(median(ratios[chain, family]), 2),
                            "refuses a forgery": refuses[chain, family],
                        }
                        for chain in families
                        if chain in engines.at and family in families[chain]
                    },
                }
                for family, texts in made.texts.items()
            },
            "absent": engines.absent,
        }


def photos(environments: Environments, say: Say = talk) -> dict[str, Any] | None:
    """Which of the published photos a peer reads, and whether ``vaxgate scan`` reads each of those.

    ``None`` without the published vectors; the shape stands in :mod:`bench.peers`.
    """
    vectors = vectors_dir()
    if vectors is None:
        return None
    cases = [json.loads(line) for line in (vectors / "photos.jsonl").read_text(encoding="utf-8").splitlines()]
    say(f"peers: {len(cases)} photos")
    readers: dict[str, set[str]] = {}
    with (
        tempfile.TemporaryDirectory(dir=environments.folder) as folder,
        field(environments, READERS, {}) as engines,
    ):
        frames = []
        for case in cases:
            luma = read_luma(vectors / case["png"])
            height, width = luma.shape or (0, 0)
            text = case["expect"]["picture_text"]
            frames.append(Frame(case["id"], case["format"], width, height, luma.tobytes(), (text,)))
        for one, item in zip(frames, _written(frames, Path(folder)), strict=True):
            for engine in list(engines.at):
                turn = engines.turn(engine, [item])
                if turn is not None and one.texts[0] in turn["answers"][0]:
                    readers.setdefault(one.name, set()).add(engine)
        own = set(READERS["vaxgate"])
        by_peer = {name for name, engines_ in readers.items() if engines_ - own}
        by_us = {name for name, engines_ in readers.items() if SCAN in engines_}
        return {
            "photos": len(cases),
            "read by a peer": len(by_peer),
            "of those read by us": len(by_peer & by_us),
            "missed": sorted(by_peer - by_us),
            "ours alone": sorted(by_us - by_peer),
            "engines": {
                engine: sum(engine in each for each in readers.values())
                for lot in READERS.values()
                for engine in lot
                if engine in engines.at
            },
            "absent": engines.absent,
        }


def _written(frames: Sequence[Frame], folder: Path) -> list[dict[str, Any]]:
    """Each frame's luma in a file of its own, for the workers."""
    items = []
    for number, one in enumerate(frames):
        file = folder / f"{number:04}"
        file.write_bytes(one.luma)
        items.append({"file": str(file), "width": one.width, "height": one.height})
    return items


def _ranks(values: list[float]) -> dict[str, float]:
    """The middle, the nineteenth of twenty, and the largest of some milliseconds."""
    last = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"p50": round(median(values), 3), "p95": round(last, 3), "max": round(max(values), 3)}
