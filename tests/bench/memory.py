"""What a unit's processes take in memory together, in life: decoder and page in one, and the sync beside it.

The rules this module keeps:

* What runs are the real processes with a trust list and pictures, some damaged; the page is looked at.
* The sync counts at its peak, while it installs a list, with the child that looks into the list.
* The kernel's PSS divides what is shared by whoever shares it, strangers on this machine too. A unit has none
  of those, so ``alone`` is told beside it and is held to the goal: what is private, and of each file the most
  that one of the processes has of it in memory.

    PYTHONPATH=tests python -m bench.memory --scans 300
    measure()["together"]["alone_mib"]
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.told import keep
from bench.unit import DWELL_S, GAP_S, Run, Unit

GOAL_MIB = 96.0
SCANS = 300


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in MiB. pss: by the kernel. anonymous: nobody else's and no file's. rss: all it has."""

    pss: float
    anonymous: float
    rss: float


def memory(pid: int | str = "self") -> Memory:
    """What the kernel says of a process. Raises OSError when it has ended."""
    found = dict(
        re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    )
    return Memory(*(round(int(found[name]) / 1024, 2) for name in ("Pss", "Anonymous", "Rss")))


@dataclass(frozen=True, slots=True)
class Area:
    """One mapping of a process. file: KiB in memory that are a file's. anonymous: KiB that are its own."""

    name: str
    place: str
    file: int
    anonymous: int


def areas(text: str) -> list[Area]:
    """Every mapping that ``/proc/PID/smaps`` tells of."""
    found = []
    heads = re.split(r"^([0-9a-f]+-[0-9a-f]+ .*)$", text, flags=re.MULTILINE)[1:]
    for head, body in zip(heads[::2], heads[1::2], strict=True):
        _, _, offset, device, inode, *named = head.split(maxsplit=5)
        sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", body, re.MULTILINE))
        anonymous = int(sizes["Anonymous"])
        name = named[0] if named else "anonymous"
        found.append(Area(name, f"{device} {inode} {offset}", int(sizes["Rss"]) - anonymous, anonymous))
    return found


def alone_mib(processes: Iterable[Sequence[Area]]) -> float:
    """What processes take together where nobody else runs: all that is private, each part of a file once."""
    anonymous, files = 0, Counter[str]()
    for process in processes:
        anonymous += sum(area.anonymous for area in process)
        for area in process:
            files[area.place] = max(files[area.place], area.file)
    return round((anonymous + files.total()) / 1024, 2)


def by_library(process: Iterable[Area]) -> dict[str, float]:
    """MiB by what they belong to, the largest first; what is below 0.1 MiB is left out."""
    sizes = Counter[str]()
    for area in process:
        sizes[library(area.name)] += area.file + area.anonymous
    return {name: round(size / 1024, 2) for name, size in sizes.most_common() if size >= 100}


def library(name: str) -> str:
    """Whose a mapping is."""
    package = re.search(r"/site-packages/([^/]+?)(?:\.libs|\.cpython[^/]*)?(?:/|$)", name)
    if package:
        return package[1]
    if name.startswith("["):
        return name.strip("[]")
    return Path(name).name.partition(".so")[0] if name.startswith("/") else name


@dataclass(frozen=True, slots=True)
class Taken:
    """What one process takes at a moment."""

    memory: Memory
    areas: list[Area]


class Peak:
    """The moment at which a sync and its child took the most, sampled beside it."""

    def __init__(self, other: int, sync: int) -> None:
        self._other, self._sync = other, sync
        self._most = 0.0
        self.processes: dict[str, Taken] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(0.02):
            with suppress(OSError, KeyError):  # one has just ended: the moments before count
                pids = {"vaxgate": self._other, "vaxgate-sync": self._sync}
                pids |= dict(zip(("its child",), children(self._sync), strict=False))
                sizes = {name: memory(pid) for name, pid in pids.items()}
                most = sum(size.rss for size in sizes.values())
                if most > self._most:
                    taken = {name: Taken(sizes[name], maps(pid)) for name, pid in pids.items()}
                    self._most, self.processes = most, taken

    def end(self) -> None:
        """No more samples."""
        self._ended.set()
        self._thread.join()


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended since
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def maps(pid: int) -> list[Area]:
    """The mappings of a process."""
    return areas(Path(f"/proc/{pid}/smaps").read_text())


def measure(scans: int = SCANS) -> dict[str, Any]:
    """Figures of a unit's processes, as JSON takes them, after so many scans and during a sync."""
    with tempfile.TemporaryDirectory() as folder, Unit(Path(folder)) as unit, unit.started() as run:
        run.wait()
        run.get("/")
        fresh = memory(run.pid)
        with followed(run):
            time.sleep(scans * (DWELL_S + GAP_S))  # every fourth picture is damaged
            used = memory(run.pid)
            unit.publish()
            command = unit.command("vaxgate-sync", "once")
            sync = subprocess.Popen(
                command,
                env=unit.environment("vaxgate-sync"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            peak = Peak(run.pid, sync.pid)
            _, said = sync.communicate(timeout=120)
            peak.end()
        if sync.returncode or not peak.processes:
            raise RuntimeError(f"vaxgate-sync ended with {sync.returncode}: {said.decode()[-500:]}")
    taken = peak.processes
    return {
        "goal_mib": GOAL_MIB,
        "scans": scans,
        "fresh": asdict(fresh),
        "used": asdict(used),
        "processes": {
            name: asdict(each.memory) | {"by_library": by_library(each.areas)} for name, each in taken.items()
        },
        "together": {
            "pss_mib": round(sum(each.memory.pss for each in taken.values()), 2),
            "alone_mib": alone_mib(each.areas for each in taken.values()),
            "alone_without_sync_mib": alone_mib([taken["vaxgate"].areas]),
        },
    }


@contextmanager
def followed(run: Run) -> Iterator[None]:
    """Somebody has the page open, as in life."""
    connection = http.client.HTTPConnection(urlsplit(run.url).netloc, timeout=600)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    reader = threading.Thread(target=lambda: drain(answer), daemon=True)
    reader.start()
    try:
        yield
    finally:
        if connection.sock is not None:
            connection.sock.close()


def drain(answer: http.client.HTTPResponse) -> None:
    """Read a stream until it ends."""
    with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
        while answer.read1(4096):
            pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; with ``--strict`` 1 when the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=SCANS, metavar="N")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when the goal is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    told = measure(options.scans)
    print(f"{'MiB':32}{'PSS':>8}{'private':>10}{'RSS':>8}")
    rows = {"vaxgate, ready": told["fresh"], f"vaxgate, after {options.scans} scans": told["used"]}
    for name, row in (rows | told["processes"]).items():
        print(f"{name:32}{row['pss']:8.1f}{row['anonymous']:10.1f}{row['rss']:8.1f}")
    for name, process in told["processes"].items():
        most = [*process["by_library"].items()][:14]
        print(f"{name}: " + ", ".join(f"{library} {size:g}" for library, size in most))
    together = told["together"]
    held = together["alone_mib"] <= GOAL_MIB
    print(
        f"together: PSS {together['pss_mib']} MiB here; where nobody else runs {together['alone_mib']} MiB, "
        f"{together['alone_without_sync_mib']} MiB while no list is synced; "
        f"goal ≤ {GOAL_MIB:g}: {'held' if held else 'MISSED'}"
    )
    keep(told, options.json)
    return 0 if held or not options.strict else 1


if __name__ == "__main__":
    sys.exit(main())
