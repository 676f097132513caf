"""What a sync costs: a night without news, a target of any size; and a list that changes while it is read.

PYTHONPATH=tests python -m bench.sync                            # all of it
PYTHONPATH=tests python -m bench.sync idle large switch --json build/sync.json

Every figure is of this machine and this run. The sync is the real command in a process of its own, its memory
as the kernel counted it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from trust_site import START, Publisher, Server, Site, key

from bench.told import keep
from trustsync.layout import REVOCATION_INDEX_PATH
from trustsync.segments import SegmentRecord, encode_index, segment_path
from trustsync.store import open_store
from trustsync.sync import SyncConfig, sync_once
from verifier.trust import HashKind

KID = bytes([1]) * 8
LOOKUPS = 1_000_000
LARGE = 640 << 20  # bytes
# Runs a command in a process that was small itself: the kernel's count of memory begins with the parent's.
WEIGH = """
import json, os, sys
child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[2:]], os.environ)
_, status, used = os.wait4(child, 0)
json.dump([status, used.ru_maxrss, used.ru_utime + used.ru_stime], open(sys.argv[1], "w"))
"""


class Measured:
    """A repository, its server, and the command that syncs from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.publisher = Publisher(folder / "repository")
        self.server = Server(folder / "repository")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.store = folder / "store"

    def command(self) -> tuple[dict[str, Any], float, float]:
        """One ``vaxgate-sync once``: its answer, its largest resident set in MB, its processor seconds."""
        root = self.publisher.directory / "metadata" / "1.root.json"
        weight = self.folder / "weight.json"
        done = subprocess.run(
            [
                *(sys.executable, "-c", WEIGH, str(weight), "-m", "trustsync.cli", "once", "--json"),
                *("--url", self.server.url, "--root", str(root), "--store", str(self.store)),
                *("--at", START.isoformat()),
            ],
            capture_output=True,
            check=True,
        )
        status, kilobytes, seconds = json.loads(weight.read_text())
        if status:
            raise SystemExit(done.stderr.decode())
        return json.loads(done.stdout), kilobytes / 1000, seconds


def idle(folder: Path) -> dict[str, Any]:
    """A night without news, on a unit that holds 3,000 keys."""
    unit = Measured(folder)
    one = key(1)
    unit.publisher.keys = [
        replace(one, key=replace(one.key, kid=number.to_bytes(8))) for number in range(3000)
    ]
    unit.publisher.publish(START)
    first = unit.command()
    nights = [unit.command() for _ in range(5)]
    answer = nights[-1][0]
    return {
        "requests": answer["requests"],
        "wire bytes": answer["wire_bytes"],
        "RSS MB": max(rss for _, rss, _ in nights),
        "CPU s": sorted(seconds for *_, seconds in nights)[2],
        "first sync RSS MB": first[1],
    }


def large(folder: Path) -> dict[str, Any]:
    """A target of 640 MB: eighty million entries in one segment."""
    unit = Measured(folder)
    path = segment_path(KID, HashKind.UCI)
    target = folder / "large.seg"
    write_entries(target, LARGE // 8)
    record = SegmentRecord(path, KID, HashKind.UCI, LARGE // 8)
    unit.publisher.revoked = {}
    unit.publisher.override[REVOCATION_INDEX_PATH] = encode_index([record])
    unit.publisher.files[path] = target
    unit.publisher.publish(START)
    begin = time.monotonic()
    answer, rss, seconds = unit.command()
    took = time.monotonic() - begin
    begin = time.monotonic()
    held = open_store(unit.store).current()
    opened = time.monotonic() - begin
    return {
        "MB": LARGE / 1e6,
        "received MB": answer["received"] / 1e6,
        "RSS MB": rss,
        "seconds": took,
        "CPU s": seconds,
        "proven and opened s": opened,
        "entries": held.sets["revocation"].count,
    }


def write_entries(path: Path, count: int) -> None:
    """So many rising entries of eight bytes, spread over all that there are, piece by piece."""
    step = 2**64 // count
    rng = random.Random(4)
    with path.open("wb") as file:
        for begin in range(0, count, 1 << 20):
            numbers = range(begin, min(begin + (1 << 20), count))
            piece = array("Q", (number * step + rng.getrandbits(30) % step for number in numbers))
            if sys.byteorder == "little":
                piece.byteswap()
            piece.tofile(file)


def switch(folder: Path, lookups: int = LOOKUPS) -> dict[str, Any]:
    """Look-ups in one thread while generations are switched in another: each answer must be that of one list.

    List n holds key n and revokes n and nothing else, so that a mixed answer shows.
    """
    publisher = Publisher(folder / "repository")
    server = Server(folder / "repository")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = Site(publisher, server, folder / "store")

    def night(number: int) -> None:
        now = START + timedelta(seconds=number)
        publisher.keys = [key(1), key(2, kid=b"N%07d" % number)]
        publisher.revoked = {(KID, HashKind.UCI): [number.to_bytes(8) * 2]}
        publisher.publish(now)
        sync_once(SyncConfig(server.url, publisher.root, site.store), now=now)

    night(1)
    done, nights = threading.Event(), [1]

    def nightly() -> None:
        while not done.is_set():
            nights[0] += 1
            night(nights[0])

    writer = threading.Thread(target=nightly)
    writer.start()
    store = open_store(site.store)
    wrong, seen = 0, set()
    times = array("d")
    for _ in range(lookups):
        begin = time.perf_counter()
        held = store.current()
        number = next(int(kid[1:]) for kid in held.trust.keys if kid.startswith(b"N"))
        revoked = held.trust.revocation
        right = (
            revoked.holds(KID, HashKind.UCI, number.to_bytes(8) * 2)
            and not revoked.holds(KID, HashKind.UCI, (number - 1).to_bytes(8) * 2)
            and not revoked.holds(KID, HashKind.UCI, (number + 1).to_bytes(8) * 2)
        )
        times.append(time.perf_counter() - begin)
        wrong += not right
        seen.add(held.generation)
    done.set()
    writer.join()
    ordered = sorted(times)
    return {
        "look-ups": lookups,
        "wrong": wrong,
        "lists seen": len(seen),
        "lists put in force": nights[0],
        "p50 µs": ordered[len(ordered) // 2] * 1e6,
        "p99 ms": ordered[len(ordered) * 99 // 100] * 1e3,
    }


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"idle": idle, "large": large, "switch": switch}


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS), default=list(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = {}
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="vaxgate-bench-") as folder:
            found[part] = PARTS[part](Path(folder))
        facts = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in found[part].items()
        )
        print(f"{part:<8}{facts}", flush=True)
    keep(found, options.json)
    return 1 if found.get("switch", {}).get("wrong") else 0


if __name__ == "__main__":
    sys.exit(main())
