"""The processes that peers run in, one for each environment: JSON goes in line by line, and comes out so.

The rules this module keeps:

* A worker waits while another one works, so that nothing of ours disturbs a turn.
* A peer that is not there, or ends in the middle, is named with its why, and the others go on.

    with field(environments, {"zbar": ("zbar",)}, {}) as engines:
        engines.turn("zbar", [{"file": "000", "width": 640, "height": 480}])     # {"cpu": [4.1], …}
        engines.absent                                                           # {}
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.peers.environments import Environments


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
