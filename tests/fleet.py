"""A fleet's night against one nginx: what ten thousand units ask, what it weighs, and how long nginx takes.

python tests/fleet.py                                        # ten thousand units, a million revocations
python tests/fleet.py --clients 2000 --sample 5 --json build/fleet.json

Without news each unit of the fleet is simulated: it sends the very bytes that the real client was heard to
send, from an address of its own, and wants the answer that the real client took. With news the real client
runs, in processes, on copies of one store, and the fleet is computed from what it took. Every figure is of
this machine and this run; bytes are those of both directions with headers, before TLS.

Exit status 0: every answer was right, a night without news cost what it may, and nothing but the news was
fetched when there were any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from country import Country, Place
from crowd import JOBS, play
from trust_site import DAY, START
from trust_site import Server as PlainServer
from webserver import MISSING, installed, nginx
from wire import Exchange, tapped

from issuer.server import Server as IssuerServer
from issuer.server import create_app
from trustsync.schedule import NIGHT_LASTS, spread
from trustsync.segments import SEGMENT_WIDTH
from trustsync.store import open_store
from trustsync.sync import SyncConfig, SyncResult, sync_once

CLIENTS = 10_000
IDLE_BYTES = 1200  # of one unit, both directions, before TLS
IDLE_SECONDS = 60  # for the whole fleet

# Python's own server is measured and not judged: it is for tests, and says much that nobody needs.
JUDGED = ("nginx", "vaxgate-issuer serve")
_HASHED = re.compile(r"targets/(\w+/)[0-9a-f]{64}\.")


# --- One real unit ----------------------------------------------------------------------------------------


@dataclass
class Unit:
    """An appliance's store, and the command that keeps it up to date."""

    publisher: Country
    store: Path

    def sync(self, url: str, now: datetime) -> SyncResult:
        """One sync in this process, for what stands round a measurement."""
        return sync_once(SyncConfig(url, self.publisher.root, self.store), now=now)

    def heard(self, url: str, now: datetime) -> list[Exchange]:
        """One ``vaxgate-sync once`` over a wire that remembers: what was said.

        Ends the program where it fails, or where its own count of bytes is not the wire's.
        """
        root = self.publisher.directory / "metadata" / "1.root.json"
        with tapped(url) as wire:
            command = [
                *(sys.executable, "-m", "trustsync.cli", "once", "--json", "--url", wire.url),
                *("--root", str(root), "--store", str(self.store), "--at", now.isoformat()),
            ]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the real client failed: {done.stderr}")
        counted = json.loads(done.stdout)["wire_bytes"]
        if counted != wire.size:
            raise SystemExit(f"the client counted {counted} bytes, the wire {wire.size}")
        return wire.exchanges


def weight(exchanges: Sequence[Exchange]) -> dict[str, int]:
    """What some exchanges weigh, part by part, in bytes."""
    parts = {
        "requests": len(exchanges),
        "request bytes": sum(len(each.request) for each in exchanges),
        "answer heads": sum(len(each.head) for each in exchanges),
        "answer bodies": sum(len(each.body) for each in exchanges),
    }
    return parts | {"bytes": sum(each.size for each in exchanges)}


def without_news(unit: Unit, url: str, now: datetime) -> dict[str, list[Exchange]]:
    """What a unit says on nights without news: when the timestamp is the one it had, and when it is newer.

    A publisher signs its timestamp twice a day, so most nights are of the second sort.
    """
    unit.sync(url, now)  # now it knows this server's word for what it holds
    same = unit.heard(url, now)
    unit.publisher.sign_timestamp(now + DAY / 2)
    return {"same timestamp": same, "newer timestamp": unit.heard(url, now + DAY / 2)}


@contextmanager
def plain_server(directory: Path) -> Iterator[str]:
    """Python's ``http.server``."""
    with PlainServer(directory) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def issuer_server(directory: Path) -> Iterator[str]:
    """What ``vaxgate-issuer serve`` starts."""
    with IssuerServer(create_app(directory)) as server:
        yield server.url


# --- The fleet ----------------------------------------------------------------------------------------------


def over_the_night(each: float, clients: int) -> dict[str, float]:
    """What a fleet takes if every unit takes so many bytes in the four hours of the night."""
    return {
        "bytes each": each,
        "fleet MB": each * clients / 1e6,
        "average kbit/s": each * clients * 8 / NIGHT_LASTS.total_seconds() / 1e3,
    }


def simulated(exchanges: Sequence[Exchange], url: str, clients: int) -> dict[str, Any]:
    """A night without news of a whole fleet, played as fast as it goes."""
    seen = play(exchanges, url, clients)
    seconds = seen.end - seen.begin
    return {
        "clients": clients,
        "right": seen.right,
        "first fault": seen.faults[0] if seen.faults else "none",
        "seconds": seconds,
        "requests a second": clients * len(exchanges) / seconds,
        "sent by each": seen.asked / clients,
        "received by each": seen.answered / clients,
    } | over_the_night((seen.asked + seen.answered) / clients, clients)


def starts(clients: int) -> dict[str, float]:
    """How many units begin in a minute of the night, by the rule that they have for it.

    A load that is spread evenly by chance deviates by the root of its mean.
    """
    night = range(int(NIGHT_LASTS.total_seconds() // 60))
    begun = Counter(
        int(spread(hashlib.sha256(b"unit %d" % number).digest()).total_seconds() // 60)
        for number in range(clients)
    )
    counts = [begun[minute] for minute in night]
    mean = statistics.mean(counts)
    return {
        "mean": mean,
        "deviation": statistics.pstdev(counts),
        "by chance": mean**0.5,
        "fewest": min(counts),
        "most": max(counts),
        "peak to mean": max(counts) / mean,
    }


# --- The fleet with news ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampled:
    """What one real unit did of a night with news.

    received: bytes of bodies. wire: bytes in both directions. known: whether it knows all that was added.
    """

    fetched: tuple[str, ...]
    requests: int
    received: int
    wire: int
    seconds: float
    known: bool


def with_news(
    pool: Executor,
    unit: Unit,
    url: str,
    now: datetime,
    added: dict[Place, bytes],
    before: dict[str, int],
    sample: int,
) -> dict[str, Any]:
    """A night with news that are published already: what some real units did.

    before: the files of the night before. What has come to them is what a unit should fetch, and no more.
    """
    after = unit.publisher.sizes()
    news = {name: size for name, size in after.items() if name not in before}
    news["metadata/timestamp.json"] = after["metadata/timestamp.json"]
    targets = {_HASHED.sub(r"\1", name) for name in news if _HASHED.match(name)}
    jobs = [
        pool.submit(sampled, unit.store, f"sample-{number}", url, unit.publisher.root, now, added)
        for number in range(sample)
    ]
    seen = [job.result() for job in jobs]
    unit.sync(url, now)  # the store that the next night's samples are copied from
    expected = sum(news.values())
    return {
        "sampled": sample,
        "requests": max(each.requests for each in seen),
        "entries' bytes": sum(len(entries) for entries in added.values()),
        "computed bodies": expected,
        "measured bodies": statistics.mean(each.received for each in seen),
        "only the news": sum(
            set(each.fetched) == targets and each.received == expected and each.requests == len(news) + 1
            for each in seen
        ),
        "know them": sum(each.known for each in seen),
        "seconds": statistics.median(each.seconds for each in seen),
        "slowest": max(each.seconds for each in seen),
        "bytes each": statistics.mean(each.wire for each in seen),
    }


def sampled(
    store: Path, name: str, url: str, root: bytes, now: datetime, added: dict[Place, bytes]
) -> Sampled:
    """One real unit on a store of its own: a copy beside the other, removed afterwards."""
    own = Path(shutil.copytree(store, store.with_name(name)))
    try:
        begin = time.monotonic()
        result = sync_once(SyncConfig(url, root, own), now=now)
        seconds = time.monotonic() - begin
        revocation = open_store(own).current().trust.revocation
        known = all(
            revocation.holds(*place, entries[at : at + SEGMENT_WIDTH])
            for place, entries in added.items()
            for at in range(0, len(entries), SEGMENT_WIDTH)
        )
    finally:
        shutil.rmtree(own)
    return Sampled(result.fetched, result.requests, result.received, result.wire_bytes, seconds, known)


# --- All of it --------------------------------------------------------------------------------------------


def measure(
    folder: Path, *, clients: int, sample: int, keys: int, held: int, new: int, scopes: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every part of the report, row by row. Ends the program where the real client fails."""
    country = Country(folder / "repository", keys=keys, held=held, scopes=scopes)
    country.publish(START)
    unit = Unit(country, folder / "store")
    one, idle, news = {}, {}, {}
    # Begun anew, not forked: this process has threads.
    workers = ProcessPoolExecutor(JOBS, mp_context=get_context("spawn"))
    with nginx(folder / "nginx", country.directory) as url, workers as pool:
        first = over_the_night(unit.sync(url, START).wire_bytes, clients)
        nights = without_news(unit, url, START)
        one |= {f"nginx, {name}": weight(exchanges) for name, exchanges in nights.items()}
        idle["newer timestamp"] = simulated(nights["newer timestamp"], url, clients)
        # Of the other night's timestamp nginx knows no more; of the newer one it can say that it is the same.
        idle["same timestamp"] = simulated(unit.heard(url, START + DAY / 2), url, clients)
        cases = (
            (f"{new} new of 1 signer", new, 1, ()),
            (f"{new} new of {scopes} signers", new, scopes, ()),
            ("none new, signed again", 0, 1, ("revocation",)),
        )
        now = START
        for name, count, among, resign in cases:
            now, before = now + DAY, country.sizes()
            added = country.revoke(count, among)
            country.publish(now, resign=resign)
            seen = with_news(pool, unit, url, now, added, before, sample)
            news[name] = seen | over_the_night(seen["bytes each"], clients)
    for server, started in (("vaxgate-issuer serve", issuer_server), ("http.server", plain_server)):
        now += DAY
        with started(country.directory) as url:
            nights = without_news(unit, url, now)
        one |= {f"{server}, {name}": weight(exchanges) for name, exchanges in nights.items()}
    return {
        "one unit without news": one,
        "fleet without news": idle,
        "fleet with news": news,
        "fleet that has nothing yet": {"everything": first},
        "units that begin in a minute": {"of the night": starts(clients)},
    }


def faults(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """What is not as it should be, in words."""
    told = []
    for name, seen in found["one unit without news"].items():
        if name.startswith(JUDGED) and (seen["requests"] != 2 or seen["bytes"] > IDLE_BYTES):
            most = f"2 and {IDLE_BYTES} at most"
            told.append(f"{name}: {seen['requests']} requests, {seen['bytes']} bytes; {most}")
    for name, seen in found["fleet without news"].items():
        if seen["right"] != seen["clients"]:
            wrong = seen["clients"] - seen["right"]
            told.append(f"{name}: {wrong} units got a wrong answer, the first {seen['first fault']}")
        if seen["seconds"] > IDLE_SECONDS:
            told.append(f"{name}: {seen['seconds']:.0f} s; {IDLE_SECONDS} at most")
    for name, seen in found["fleet with news"].items():
        told += [
            f"{name}: '{what}' holds for {seen[what]} of {seen['sampled']} units"
            for what in ("only the news", "know them")
            if seen[what] != seen["sampled"]
        ]
    return told


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, count, what in (
        ("clients", CLIENTS, "units of the fleet"),
        ("sample", 20, "real units on nights with news"),
        ("keys", 3000, "keys in the list"),
        ("held", 1_000_000, "revocations that every unit has"),
        ("new", 20_000, "revocations of a night with news"),
        ("scopes", 50, "signers with revocations"),
    ):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"{what} ({count})")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if installed() is None:
        print(f"fleet: {MISSING}", file=sys.stderr)
        return 2
    asked = {name: value for name, value in vars(options).items() if name != "json"}
    with tempfile.TemporaryDirectory(prefix="vaxgate-fleet-") as folder:
        found = measure(Path(folder), **asked)
    for part, rows in found.items():
        print(f"{part}\n" + "\n".join(_table(rows)))
    told = faults(found)
    for fault in told:
        print(f"NOT AS IT SHOULD BE: {fault}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(asked | found, indent=2) + "\n")
    return 1 if told else 0


def _table(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The rows as columns, which suits figures that belong together; as rows where there are many."""
    facts = list(next(iter(rows.values())))
    if len(rows) > len(facts):
        yield from _table({fact: {name: row[fact] for name, row in rows.items()} for fact in facts})
        return
    widths = [max(len(name), 8) for name in rows]
    side = max(map(len, facts))
    yield f"  {'':<{side}}" + "".join(f"  {name:>{width}}" for name, width in zip(rows, widths, strict=True))
    for fact in facts:
        cells = zip((_figure(row[fact]) for row in rows.values()), widths, strict=True)
        yield f"  {fact:<{side}}" + "".join(f"  {cell:>{width}}" for cell, width in cells)


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if value >= 10 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
