"""A fleet's night against one nginx: what ten thousand units ask, what it weighs, and how long nginx takes.

python tests/fleet.py                                        # ten thousand units, a million revocations
python tests/fleet.py --clients 2000 --sample 5 --json build/fleet.json

Without news each unit of the fleet is simulated: it sends the very bytes that the real client was heard to
send, from an address of its own, and wants the answer that the real client took. With news the real client
runs, in processes, on copies of one store; the fleet is then computed from it. Every figure is of this machine
and this run, and counts both directions with headers, before TLS and TCP.

Exit status 0: every answer was right, a night without news cost what it may, and nothing but the news was
fetched when there were any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
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
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from crowd import JOBS, play
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from trust_site import DAY, START, Publisher, key
from trust_site import Server as PlainServer
from webserver import MISSING, installed, nginx
from wire import Exchange, tapped

from issuer.server import Server as IssuerServer
from issuer.server import create_app
from trustsync.deltas import plan_segments, revocation_targets
from trustsync.schedule import NIGHT_LASTS, spread
from trustsync.segments import SEGMENT_WIDTH, SegmentRecord, sorted_entries
from trustsync.store import open_store
from trustsync.sync import SyncConfig, sync_once
from trustsync.targets import KeyRecord
from verifier.trust import HashKind

CLIENTS = 10_000
IDLE_BYTES = 1200  # of one unit, both directions, before TLS
IDLE_SECONDS = 60  # for the whole fleet

Place = tuple[bytes, HashKind]


# --- What is published ------------------------------------------------------------------------------------


class Country(Publisher):
    """Publishes as a hub does: many keys, and revocations as bases that nightly deltas are added to."""

    def __init__(self, directory: Path, *, keys: int, held: int, scopes: int) -> None:
        super().__init__(directory)
        self.rng = random.Random(4)
        self.keys = [signer(number) for number in range(1, keys + 1)]
        # Few signers have many revocations and most have few: the n-th has the n-th part of the first's.
        shares = [1 / rank for rank in range(1, scopes + 1)]
        self.entries: dict[Place, bytes] = {
            (record.key.kid, HashKind.UCI): self.draw(int(held * share / sum(shares)))
            for record, share in zip(self.keys, shares, strict=False)
        }
        self.planned: dict[SegmentRecord, bytes] = {}

    def draw(self, count: int) -> bytes:
        """So many invented entries, sorted."""
        return sorted_entries(self.rng.randbytes(count * SEGMENT_WIDTH))

    def revoke(self, count: int, among: int) -> dict[Place, bytes]:
        """New entries for as many signers, in proportion to what they have; what was added, by place."""
        places = list(self.entries)[:among]
        whole = sum(len(self.entries[place]) for place in places)
        added = {place: self.draw(count * len(self.entries[place]) // whole) for place in places}
        for place, entries in added.items():
            self.entries[place] = sorted_entries(self.entries[place] + entries)
        return added

    def publish(self, now: datetime, *, resign: tuple[str, ...] = ()) -> None:
        self.planned = plan_segments(self.planned, self.entries)
        super().publish(now, resign=resign)

    def sign_timestamp(self, now: datetime, fields: dict[str, Any] | None = None) -> None:
        super().sign_timestamp(now, fields)
        # nginx makes its ETag of second and size: nights that are played within one second must differ.
        os.utime(self.directory / "metadata" / "timestamp.json", (now.timestamp(), now.timestamp()))

    def sizes(self) -> dict[str, int]:
        """Every published file with its size."""
        return {
            str(path.relative_to(self.directory)): path.stat().st_size
            for path in self.directory.rglob("*")
            if path.is_file()
        }

    def _targets(self) -> dict[str, dict[str, bytes]]:
        return super()._targets() | {"revocation": revocation_targets(self.planned)}


def signer(number: int) -> KeyRecord:
    """The key of an invented signer: P-256, as most are."""
    point = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    spki = point.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = key(1)
    return replace(record, key=replace(record.key, kid=hashlib.sha256(spki).digest()[:8], spki=spki))


# --- One real unit ----------------------------------------------------------------------------------------


@dataclass
class Unit:
    """An appliance's store, and the command that keeps it up to date."""

    publisher: Publisher
    store: Path

    def once(self, url: str, now: datetime) -> dict[str, Any]:
        """One ``vaxgate-sync once``: its answer."""
        root = self.publisher.directory / "metadata" / "1.root.json"
        command = [
            *(sys.executable, "-m", "trustsync.cli", "once", "--json", "--url", url),
            *("--root", str(root), "--store", str(self.store), "--at", now.isoformat()),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the real client failed: {done.stderr}")
        return json.loads(done.stdout)

    def heard(self, url: str, now: datetime) -> tuple[dict[str, Any], list[Exchange]]:
        """The same over a wire that remembers; the client's own count must be the wire's."""
        with tapped(url) as wire:
            answer = self.once(wire.url, now)
        if answer["wire_bytes"] != wire.size:
            raise SystemExit(f"the client counted {answer['wire_bytes']} bytes, the wire {wire.size}")
        return answer, wire.exchanges


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
    unit.once(url, now)  # now it knows this server's word for what it holds
    _, same = unit.heard(url, now)
    unit.publisher.sign_timestamp(now + DAY / 2)
    _, newer = unit.heard(url, now + DAY / 2)
    return {"same timestamp": same, "newer timestamp": newer}


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
        "faults": list(seen.faults),
        "seconds": seconds,
        "requests a second": clients * len(exchanges) / seconds,
        "sent by each": seen.asked / clients,
        "received by each": seen.answered / clients,
    } | over_the_night((seen.asked + seen.answered) / clients, clients)


def starts(clients: int) -> dict[str, float]:
    """When the fleet begins, by the clients' own rule: how many in each minute of the night."""
    minutes = Counter(
        int(spread(hashlib.sha256(b"unit %d" % number).digest()).total_seconds() // 60)
        for number in range(clients)
    )
    counts = [minutes[minute] for minute in range(int(NIGHT_LASTS.total_seconds() // 60))]
    return {
        "minutes": len(counts),
        "mean": statistics.mean(counts),
        "deviation": statistics.pstdev(counts),
        "least": min(counts),
        "most": max(counts),
    }


# --- The fleet with news ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampled:
    """What one real unit did of a night with news.

    revoked: whether it now knows every entry that was added. wire: bytes in both directions.
    """

    fetched: tuple[str, ...]
    requests: int
    received: int
    wire: int
    seconds: float
    revoked: bool


def with_news(
    unit: Unit, url: str, now: datetime, added: dict[Place, bytes], before: dict[str, int], sample: int
) -> dict[str, Any]:
    """A night with news that are published already: some real units, and from them the fleet.

    before: the files of the night before. What has come to them is what a unit should fetch, and no more.
    """
    after = unit.publisher.sizes()
    news = {name: size for name, size in after.items() if name not in before}
    news["metadata/timestamp.json"] = after["metadata/timestamp.json"]
    targets = {
        re.sub(r"^targets/(\w+/)\w{64}\.", r"\1", name) for name in news if name.startswith("targets/")
    }
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                sampled,
                unit.store,
                unit.store.with_name(f"sample-{number}"),
                url,
                unit.publisher.root,
                now,
                added,
            )
            for number in range(sample)
        ]
        seen = [job.result() for job in jobs]
    unit.once(url, now)  # the store that the next night's samples are copied from
    computed = sum(news.values())
    wire = statistics.mean(each.wire for each in seen)
    return {
        "sampled": sample,
        "requests": max(each.requests for each in seen),
        "computed bodies": computed,
        "of these revocations": sum(len(entries) for entries in added.values()),
        "measured bodies": statistics.mean(each.received for each in seen),
        "bytes each": wire,
        "only the news": sum(
            set(each.fetched) == targets and each.received == computed and each.requests == len(news) + 1
            for each in seen
        ),
        "know what was revoked": sum(each.revoked for each in seen),
        "seconds each": statistics.median(each.seconds for each in seen),
        "slowest s": max(each.seconds for each in seen),
    }


def sampled(
    store: Path, own: Path, url: str, root: bytes, now: datetime, added: dict[Place, bytes]
) -> Sampled:
    """One real unit on a store of its own, a copy that is removed afterwards."""
    shutil.copytree(store, own)
    try:
        begin = time.monotonic()
        result = sync_once(SyncConfig(url, root, own), now=now)
        seconds = time.monotonic() - begin
        revocation = open_store(own).current().trust.revocation
        revoked = all(
            revocation.holds(*place, entries[at : at + SEGMENT_WIDTH])
            for place, entries in added.items()
            for at in range(0, len(entries), SEGMENT_WIDTH)
        )
    finally:
        shutil.rmtree(own)
    return Sampled(result.fetched, result.requests, result.received, result.wire_bytes, seconds, revoked)


# --- All of it --------------------------------------------------------------------------------------------


def measure(
    folder: Path, *, clients: int, sample: int, keys: int, held: int, new: int, scopes: int
) -> dict[str, Any]:
    """Every part of the report. Raises SystemExit where the real client fails."""
    country = Country(folder / "repository", keys=keys, held=held, scopes=scopes)
    country.publish(START)
    unit = Unit(country, folder / "store")
    found: dict[str, Any] = {"one unit without news": {}, "fleet without news": {}, "fleet with news": {}}
    with nginx(folder / "nginx", country.directory) as url:
        found["first sync"] = over_the_night(unit.once(url, START)["wire_bytes"], clients)
        nights = without_news(unit, url, START)
        # What each night was answered with must still stand there when the fleet asks.
        found["fleet without news"]["newer timestamp"] = simulated(nights["newer timestamp"], url, clients)
        _, same = unit.heard(url, START + DAY / 2)
        found["fleet without news"]["same timestamp"] = simulated(same, url, clients)
        _note_weights(found, "nginx", nights)
        found["exchange"] = {
            name: [f"{each.line} -> {each.status}" for each in exchanges]
            for name, exchanges in nights.items()
        }
        found["starts"] = starts(clients)
        cases = {
            f"{new} new of one signer": (new, 1, ()),
            f"{new} new of {scopes} signers": (new, scopes, ()),
            "nothing new, signed again": (0, 1, ("revocation",)),
        }
        for number, (name, (count, among, resign)) in enumerate(cases.items(), start=1):
            night, before = START + number * DAY, country.sizes()
            added = country.revoke(count, among)
            country.publish(night, resign=resign)
            seen = with_news(unit, url, night, added, before, sample)
            found["fleet with news"][name] = seen | over_the_night(seen["bytes each"], clients)
    late = START + len(cases) * DAY
    for name, server in (("vaxgate-issuer serve", issuer_server), ("http.server", plain_server)):
        with server(country.directory) as url:
            _note_weights(found, name, without_news(unit, url, late))
    return found


def _note_weights(found: dict[str, Any], server: str, nights: dict[str, list[Exchange]]) -> None:
    for name, exchanges in nights.items():
        found["one unit without news"][f"{server}, {name}"] = weight(exchanges)


def faults(found: dict[str, Any]) -> list[str]:
    """What is not as it should be, in words."""
    told = []
    for name, seen in found["one unit without news"].items():
        if seen["requests"] != 2 or (seen["bytes"] > IDLE_BYTES and name.startswith("nginx")):
            told.append(
                f"{name}: {seen['requests']} requests, {seen['bytes']} bytes; 2 and {IDLE_BYTES} at most"
            )
    for name, seen in found["fleet without news"].items():
        if seen["right"] != seen["clients"]:
            told.append(
                f"{name}: {seen['clients'] - seen['right']} units got a wrong answer: {seen['faults']}"
            )
        if seen["seconds"] > IDLE_SECONDS:
            told.append(f"{name}: {seen['seconds']:.0f} s; {IDLE_SECONDS} at most")
    for name, seen in found["fleet with news"].items():
        for what in ("only the news", "know what was revoked"):
            if seen[what] != seen["sampled"]:
                told.append(f"{name}: {what} is true of {seen[what]} of {seen['sampled']} units")
    return told


def main() -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clients", type=int, default=CLIENTS, metavar="N", help=f"units of the fleet ({CLIENTS})"
    )
    parser.add_argument(
        "--sample", type=int, default=20, metavar="N", help="real units on nights with news (20)"
    )
    parser.add_argument("--keys", type=int, default=3000, help="keys in the list (3000)")
    parser.add_argument(
        "--held", type=int, default=1_000_000, help="revocations that everybody has (1000000)"
    )
    parser.add_argument("--new", type=int, default=20_000, help="revocations of a night (20000)")
    parser.add_argument("--scopes", type=int, default=50, help="signers with revocations (50)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if installed() is None:
        print(f"fleet: {MISSING}", file=sys.stderr)
        return 2
    asked = {name: value for name, value in vars(options).items() if name != "json"}
    with tempfile.TemporaryDirectory(prefix="vaxgate-fleet-") as folder:
        found = measure(Path(folder), **asked)
    for part, facts in found.items():
        print(part)
        for line in _lines(facts):
            print(f"  {line}")
    told = faults(found)
    for fault in told:
        print(f"NOT AS IT SHOULD BE: {fault}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(asked | found, indent=2) + "\n")
    return 1 if told else 0


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    if not any(isinstance(value, dict) for value in facts.values()):
        facts = {"": facts}
    for name, values in facts.items():
        shown = (
            values
            if isinstance(values, list)
            else [f"{what} {_figure(value)}" for what, value in values.items()]
        )
        yield f"{name + ':':<34}{', '.join(shown)}" if name else ", ".join(shown)


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
