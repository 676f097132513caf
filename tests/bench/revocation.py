"""What revocation costs at its planned size: opening, looking up, checking, and what a night writes.

Entries are random, as hashes are. Each figure is taken in a process of its own, so that its memory is too.
"Warm" means that the files lie in the system's page cache, "cold" that they were dropped from it just before.
Look-ups are timed in rounds, and p50 and p99 are medians over the rounds; beside the time by the clock stands
p99 of the processor's, which other work on a shared machine does not lengthen.

    PYTHONPATH=tests python -m bench.revocation --entries 80000000 --json build/revocation.json

The files (640 MB at eighty million entries, and a quarter of that for the deltas) are written below --folder
and removed at the end. It takes about four minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, perf_counter_ns, process_time, thread_time_ns
from typing import Any

from bench.told import keep
from trustsync.deltas import grouped, plan_segments
from trustsync.revocation import MappedRevocation, open_revocation
from trustsync.segments import (
    MAX_PARTS,
    SegmentRecord,
    check_segment_file,
    segment_path,
    sorted_entries,
)
from verifier.trust import HashKind

FORMATTER = argparse.RawDescriptionHelpFormatter
SCOPE, KIND = bytes(8), HashKind.UCI
EXPIRES = datetime(2100, 1, 1, tzinfo=UTC)
LOOKUPS, COLD_LOOKUPS = 40_000, 1_000  # in a round
ROUNDS = 5  # warm; what was looked up once is cold no more
MB = 1_000_000

Files = list[tuple[str, SegmentRecord]]


def write_entries(path: Path, count: int, seed: int) -> SegmentRecord:
    """A file of about so many random entries (equal ones are one), as a part of one segment."""
    rng = Random(seed)
    by_top: Counter[int] = Counter()
    for begin in range(0, count, 1 << 20):
        by_top.update(array("H", rng.randbytes(2 * min(1 << 20, count - begin))))
    with path.open("wb") as file:
        for top in range(1 << 16):
            low = array("Q", rng.randbytes(8 * by_top[top]))
            numbers = array("Q", sorted({top << 48 | (number & ((1 << 48) - 1)) for number in low}))
            if sys.byteorder == "little":
                numbers.byteswap()
            numbers.tofile(file)
        file.flush()
        os.fsync(file.fileno())  # pages that are not written cannot be dropped from the cache
    return SegmentRecord(segment_path(SCOPE, KIND, seed), SCOPE, KIND, path.stat().st_size // 8, part=seed)


def own(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(function, *arguments).result()


def memory() -> dict[str, float]:
    """MB of this process: its own, and of mapped files, which the system may take back at any time."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        name: int(said[field].split()[0]) * 1024 / MB
        for name, field in (("own", "RssAnon"), ("mapped", "RssFile"))
    }


def opened(files: Files) -> MappedRevocation:
    """As a unit opens them."""
    where = {record.path: Path(file) for file, record in files}
    return open_revocation([record for _, record in files], where.__getitem__, expires=EXPIRES)


def asked(files: Files, count: int) -> list[tuple[bytes, bool]]:
    """Digests to look up, one half of them listed, and whether each is."""
    rng = Random("asked")
    out = [(rng.randbytes(16), False) for _ in range(count // 2)]
    for file, record in files:
        with Path(file).open("rb") as listed:
            for _ in range(count // 2 // len(files)):
                listed.seek(8 * rng.randrange(record.count))
                out.append((listed.read(8) + rng.randbytes(8), True))
    rng.shuffle(out)
    return out


def looked_up(files: Files, count: int, cold: bool) -> dict[str, float]:
    """Milliseconds of opening, microseconds of a look-up, and the growth of memory by the first round."""
    questions = asked(files, count)
    for file, _ in files:
        with Path(file).open("rb") as each:
            if cold:
                os.posix_fadvise(each.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                while each.read(1 << 20):
                    pass
    opening = []
    for _ in range(20):
        begin = perf_counter_ns()
        revocation = opened(files)
        opening.append((perf_counter_ns() - begin) / 1e6)
    took, worked = (array("d", bytes(8 * len(questions))) for _ in range(2))
    rounds, grown = [], {}
    before = memory()
    for _ in range(1 if cold else ROUNDS):
        for number, (digest, listed) in enumerate(questions):
            cpu, begin = thread_time_ns(), perf_counter_ns()
            held = revocation.holds(SCOPE, KIND, digest)
            took[number] = (perf_counter_ns() - begin) / 1e3
            worked[number] = (thread_time_ns() - cpu) / 1e3
            if held is not listed:
                raise AssertionError(f"{digest.hex()}: held {held}, listed {listed}")
        grown = grown or {name: now - before[name] for name, now in memory().items()}
        rounds.append({"p50_us": at(took, 50), "p99_us": at(took, 99), "cpu_p99_us": at(worked, 99)})
    result = {name: median(each[name] for each in rounds) for name in rounds[0]}
    return result | {f"{name}_mb": size for name, size in grown.items()} | {"open_ms": median(opening)}


def at(figures: array[float], percent: int) -> float:
    """The figure that so many of a hundred do not exceed."""
    return sorted(figures)[len(figures) * percent // 100]


def checked(file: str, record: SegmentRecord) -> dict[str, float]:
    """Seconds of checking one file, and the growth of memory."""
    before = memory()
    spent = seconds(lambda: check_segment_file(Path(file), record))
    return spent | {"own_mb": memory()["own"] - before["own"]}


def seconds(work: Callable[[], object]) -> dict[str, float]:
    """How long work takes, by the clock and of the processor's time."""
    begin, cpu = perf_counter(), process_time()
    work()
    return {"seconds": perf_counter() - begin, "cpu_seconds": process_time() - cpu}


def told(spent: dict[str, float]) -> str:
    """Seconds for people."""
    return f"{spent['seconds']:.1f} s ({spent['cpu_seconds']:.1f} s of the processor)"


def invented(count: int, seed: str) -> Iterator[tuple[bytes, HashKind, bytes]]:
    """Entries as a publisher collects them, in no order."""
    rng = Random(seed)
    for begin in range(0, count, 1000):
        raw = rng.randbytes(16 * min(1000, count - begin))
        for at in range(0, len(raw), 16):
            yield SCOPE, KIND, raw[at : at + 16]


def night(count: int, more: int) -> dict[str, Any]:
    """What a publisher writes first, and in the night after it that adds ``more`` entries."""
    wanted, first, second = {}, {}, {}
    collected = seconds(lambda: wanted.update(grouped(invented(count, "base"))))
    planned = seconds(lambda: first.update(plan_segments({}, wanted)))
    for name, entries in grouped(invented(more, "delta")).items():
        wanted[name] = sorted_entries(wanted[name] + entries)
    again = seconds(lambda: second.update(plan_segments(first, wanted)))
    return {
        "first_files": {record.path: len(data) for record, data in first.items()},
        "night_files": {record.path: len(data) for record, data in second.items() if record not in first},
        "kept": all(second.get(record) == data for record, data in first.items()),
        "same_again": second == plan_segments(first, wanted),
        "collected": collected,
        "planned": planned,
        "planned_night": again,
    }


def print_lookups(rows: Iterable[tuple[str, dict[str, float]]]) -> None:
    """One line for each way of looking up."""
    print(f"{'':48}{'open ms':>9}{'p50 us':>9}{'p99 us':>9}{'(cpu)':>9}{'own MB':>8}{'mapped MB':>11}")
    for name, said in rows:
        print(
            f"{name:48}{said['open_ms']:9.3f}{said['p50_us']:9.1f}{said['p99_us']:9.1f}"
            f"{said['cpu_p99_us']:9.1f}{said['own_mb']:8.1f}{said['mapped_mb']:11.1f}"
        )
    print("goals: open 1 ms; p99 100 us warm, 30 ms cold; 5 MB of own memory\n")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=FORMATTER)
    parser.add_argument("--entries", type=int, default=80_000_000, help="in the large segment (80000000)")
    parser.add_argument("--folder", type=Path, help="where the files are written (the system's temporary)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    entries, base, delta = options.entries, options.entries // 8, options.entries // 80
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"machine: {machine}; {ROUNDS} rounds of {LOOKUPS:,} look-ups warm, one of {COLD_LOOKUPS:,} cold\n")
    print("writing random entries ...", file=sys.stderr)
    result: dict[str, Any] = {"machine": machine, "entries": entries}

    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        one: Files = [(str(folder / "one"), write_entries(folder / "one", entries, 0))]
        parts: Files = [(str(folder / "0"), write_entries(folder / "0", base, 0))]
        for number in range(1, MAX_PARTS + 1):
            file = folder / str(number)
            parts.append((str(file), write_entries(file, delta, number)))
        rows = []
        for name, files in (
            (f"one segment of {entries:,}", one),
            (f"base {base:,} + {MAX_PARTS} deltas of {delta:,}", parts),
        ):
            for cold in (False, True):
                said = own(looked_up, files, COLD_LOOKUPS if cold else LOOKUPS, cold)
                rows.append((f"{name}, {'cold' if cold else 'warm'}", said))
        print_lookups(rows)
        result["lookups"] = dict(rows)
        result["check"] = check = own(checked, *one[0])
        print(f"check of {entries:,} entries: {told(check)}, {check['own_mb']:.1f} MB of own memory")

    result["night"] = said = own(night, base, delta)
    print(f"\n{base:,} entries: collected and sorted in {told(said['collected'])}")
    print(f"the first base: planned in {told(said['planned'])}")
    print(f"a night with {delta:,} more: planned in {told(said['planned_night'])}; it writes")
    for path, size in said["night_files"].items():
        print(f"    {path}  {size:,} bytes")
    print(f"the base is kept as it is: {said['kept']}; planned again, the same bytes: {said['same_again']}")
    keep(result, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
