"""Ours and theirs by turns in one run: what each reads or proves, and what it costs against the other.

The rules this module keeps:

* In each round every engine has its turn at the same few frames or texts, in an order drawn anew. A ratio is
  between two times of the same turn, and the median of all turns.
* What counts is the time of the processor; the time on the clock is told beside it.
* A chain counts only when it accepts every genuine certificate; that it accepts a forged one is told.

    figures = decode(environments, frames, rounds=3)
    figures["engines"]["zbar"]["no code"]["ratio"], figures["absent"]
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from places import vectors_dir

from appliance.picture import read_luma
from bench.peers.environments import Environments, Say, talk
from bench.peers.running import Field, field
from bench.peers.subjects import Certificates, Frame

READERS: Mapping[str, tuple[str, ...]] = {
    "vaxgate": ("vaxgate live, first look", "vaxgate scan"),
    "zxing": ("zxing-cpp, fast", "zxing-cpp, defaults", "zxing-cpp, all formats"),
    "zbar": ("zbar",),
    "opencv": ("OpenCV QRCodeDetector", "OpenCV QRCodeDetectorAruco"),
    "node": ("quirc", "jsQR", "zxing-wasm", "zbar-wasm"),
}
CLOCKS = ("cpu", "wall")
FAST, OURS, SCAN = "zxing-cpp, fast", "vaxgate", "vaxgate scan"
# Which family's certificates each chain proves.
CHAINS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "vaxgate": {OURS: ("HC1", "SHC")},
    "chain": {"straightforward": ("HC1",), "cwt": ("HC1",), "joserfc": ("SHC",)},
    "greenpass": {"cose": ("HC1",), "greenpass": ("HC1",)},
    "node": {"dcc-sdk": ("HC1",), "jose": ("SHC",)},
}
TURN = 24  # frames of one turn
_ALL_READERS = [engine for lot in READERS.values() for engine in lot]


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
                        for clock in CLOCKS:
                            times.setdefault((engine, one.name, clock), []).append(turn[clock][at])
                        answer = set(turn["answers"][at])
                        read[engine, one.name] = bool(answer & set(one.texts))
                        false[engine] += number == 0 and len(answer - set(one.texts))
                for engine, took in spent.items():
                    ratios.setdefault((engine, kind), []).append(took / engines.base(FAST, spent))
        rows = {}
        for engine in filter(engines.at.__contains__, _ALL_READERS):
            right = Counter(one.condition for one in kinds["code"] if read[engine, one.name])
            rows[engine] = {
                **engines.about(engine),
                "decoded": right.total(),
                "false texts": false[engine],
                "conditions": {one.condition: right[one.condition] for one in kinds["code"]},
            }
            for kind, lot in kinds.items():
                cpu, wall = (
                    _ranks([median(times[engine, one.name, clock]) for one in lot]) for clock in CLOCKS
                )
                rows[engine][kind] = cpu and {
                    **cpu,
                    "wall p50": wall["p50"],
                    "wall p95": wall["p95"],
                    "ratio": round(median(ratios[engine, kind]), 3),
                }
        return {
            "reference": FAST,
            "rounds": rounds,
            "frames": {kind: len(lot) for kind, lot in kinds.items()},
            "conditions": dict(Counter(one.condition for one in frames)),
            "engines": rows,
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
    setup = {"keys": made.keys, "now": made.now.isoformat()}
    wanted = {name: tuple(chain) for name, chain in CHAINS.items()}
    with field(environments, wanted, setup) as engines:
        refuses = {
            (chain, family): _refuses_forgeries(engines, chain, made, family)
            for chain, proved in families.items()
            for family in proved
        }
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


def _refuses_forgeries(engines: Field, chain: str, made: Certificates, family: str) -> bool:
    """Whether a chain refuses every forgery; one that does not accept every genuine one is dropped."""
    if chain not in engines.at:
        return False
    genuine = engines.turn(chain, [made.texts[family]])
    forged = engines.turn(chain, [made.forged[family]])
    if genuine is None or forged is None:
        return False
    if genuine["answers"][0] != [True] * len(made.texts[family]):
        engines.drop(chain, "refuses a genuine certificate")
    answers: list[bool] = forged["answers"][0]
    return answers == [False] * len(made.forged[family])


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
        by_peer = {name for name, read_by in readers.items() if read_by - own}
        by_us = {name for name, read_by in readers.items() if SCAN in read_by}
        return {
            "photos": len(cases),
            "read by a peer": len(by_peer),
            "of those read by us": len(by_peer & by_us),
            "missed": sorted(by_peer - by_us),
            "ours alone": sorted(by_us - by_peer),
            "engines": {
                engine: sum(engine in each for each in readers.values())
                for engine in filter(engines.at.__contains__, _ALL_READERS)
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
    """The middle, the nineteenth of twenty, and the largest of some milliseconds; nothing of none."""
    if not values:
        return {}
    last = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"p50": round(median(values), 3), "p95": round(last, 3), "max": round(max(values), 3)}
