"""Instructions that a piece of work takes, counted by valgrind's callgrind: no load of the machine matters.

The rules this module keeps:

* One process does all set-up once and then its spans, one after the other; a span's instructions are what is
  counted between its two marks and nothing before or after.
* What could differ from run to run is held: hashes of texts, threads of libraries, collections of garbage,
  the environment. A look or a judgement is told the time, so that it does the same however long it takes.
* What is counted is counted in all threads.

    def job() -> None:                       # in a module that can be run; its spans in their order
        counting.began()
        counting.span("look", lambda: reader(luma), times=1)

    counting.counts([sys.executable, "-m", "bench.budget", "--job", "reading"], folder)
    # {"look": Counted(12_700_000, {"ZXing::ReadBarcodes": 12_500_000})}
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A function of the C library that Python calls for os.getsid, and nothing else here: a call of it is the mark
# at which callgrind is told to dump, and to begin anew.
MARK = "getsid"
SPANS = "spans"  # in front of the names that a job prints


class CountingError(Exception):
    """Nothing could be counted."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Instructions of one time. inside: of them, those in each function asked for and in what it calls."""

    total: int
    inside: dict[str, int] = field(default_factory=dict)


_spans: list[tuple[str, int]] = []


def began() -> None:
    """Set-up is done: what is there now is not looked at by a collection, and none comes in between."""
    gc.collect()
    gc.freeze()
    gc.disable()


def span(name: str, work: Callable[[], object], *, times: int) -> None:
    """Do work between two marks. times: by how many its instructions are to be divided."""
    os.getsid(0)
    work()
    os.getsid(0)
    _spans.append((name, times))


def ended() -> None:
    """Say which spans were done."""
    print(SPANS, json.dumps(_spans), flush=True)


def counts(command: Sequence[str], folder: Path, inside: Sequence[str] = ()) -> dict[str, Counted]:
    """Run a job under callgrind, and what each of its spans took. folder: for callgrind's files, which stay.

    inside: beginnings of names of functions. Raises CountingError when valgrind is missing or the job fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CountingError("valgrind is not installed; type: sudo apt-get install valgrind")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder / "callgrind.out"
    done = subprocess.run(
        [
            *unmoved(), valgrind, "--quiet", "--tool=callgrind", f"--dump-before={MARK}",
            "--compress-strings=no", f"--callgrind-out-file={out}", *command,
        ],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if line.startswith(SPANS)]
    if done.returncode or len(told) != 1:
        last = "\n".join((done.stderr or done.stdout).splitlines()[-12:])
        raise CountingError(f"the job {command[-1]!r} ended with {done.returncode} under valgrind:\n{last}")
    spans = json.loads(told[0].removeprefix(SPANS))
    # A mark dumps what came before it: of the dumps 1, 2, 3 … every second one is a span's.
    return {
        name: read(Path(f"{out}.{2 * number}"), inside, times)
        for number, (name, times) in enumerate(spans, 1)
    }


def read(path: Path, inside: Sequence[str], times: int = 1) -> Counted:
    """What a file of callgrind's, its strings not compressed, says was counted, for one of ``times``.

    A call's cost is that of all it calls; of a function that calls itself it would count twice.
    """
    total, found, wanted = 0, dict.fromkeys(inside, 0), ""
    lines = iter(path.read_text(encoding="utf-8", errors="replace").splitlines())
    for line in lines:
        if line.startswith("cfn="):
            wanted = next((name for name in inside if line[4:].startswith(name)), "")
        elif line.startswith("calls="):
            cost = next(lines)
            if wanted:
                found[wanted] += int(cost.split()[-1])
        elif match := re.fullmatch(r"totals: (\d+)", line):
            total = int(match[1])
    return Counted(round(total / times), {name: round(cost / times) for name, cost in found.items()})


def environment() -> dict[str, str]:
    """Nothing of whoever started it but where things are found; all that could vary is said."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def unmoved() -> list[str]:
    """The command before a command that keeps its addresses in their places, where the system allows it."""
    setarch = shutil.which("setarch")
    if setarch is None:
        return []
    command = [setarch, "-R"]
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return [] if tried.returncode else command
