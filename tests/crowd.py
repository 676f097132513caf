"""Many simulated units that say what one real unit was heard to say, and want the answers that it took.

with tapped(server) as wire:
    sync_once(config_for(wire.url), now=now)
seen = play(wire.exchanges, server, 10_000)
seen.right, seen.asked + seen.answered               # 10000, bytes in both directions

Each unit has an address and connections of its own. A few processes play them, some dozens at a time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from wire import Exchange

JOBS = 2  # processes
_AT_ONCE = 64  # units of one process that are under way at a time
_FAULTS = 5  # that are told
_PATIENCE = 30  # seconds for one answer
_FIRST_ADDRESS = ipaddress.ip_address("127.1.0.1")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One request as the real client sent it, and the answer that it took."""

    request: bytes
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Played:
    """What simulated units saw.

    right: units that got the answers they wanted. asked, answered: bytes. begin, end: of the first and the
    last of them, in seconds on the machine's own clock. faults: of the first few that got something else.
    """

    right: int
    asked: int
    answered: int
    begin: float
    end: float
    faults: tuple[str, ...] = ()


def play(exchanges: Sequence[Exchange], url: str, units: int) -> Played:
    """Let so many units say what one was heard to say to the server at this address."""
    script = [Line(bytes(each.request), each.status, each.body) for each in exchanges]
    shares = [range(start, units, JOBS) for start in range(JOBS)]
    # Begun anew, not forked: whoever calls this may have threads.
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        seen = list(pool.map(_play_share, [script] * JOBS, [url] * JOBS, shares))
    return Played(
        sum(each.right for each in seen),
        sum(each.asked for each in seen),
        sum(each.answered for each in seen),
        min(each.begin for each in seen),
        max(each.end for each in seen),
        tuple(fault for each in seen for fault in each.faults)[:_FAULTS],
    )


def _play_share(script: Sequence[Line], url: str, units: range) -> Played:
    return asyncio.run(_play_all(script, int(url.rpartition(":")[2]), units))


async def _play_all(script: Sequence[Line], port: int, units: range) -> Played:
    gate = asyncio.Semaphore(_AT_ONCE)
    tally: Counter[str] = Counter()
    faults: list[str] = []

    async def unit(number: int) -> None:
        async with gate:
            try:
                for line in script:
                    await asyncio.wait_for(_ask(line, str(_FIRST_ADDRESS + number), port, tally), _PATIENCE)
                tally["right"] += 1
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                faults.append(f"unit {number}: {error!r}")

    begin = time.monotonic()
    await asyncio.gather(*(unit(number) for number in units))
    end = time.monotonic()
    return Played(tally["right"], tally["asked"], tally["answered"], begin, end, tuple(faults[:_FAULTS]))


async def _ask(line: Line, address: str, port: int, tally: Counter[str]) -> None:
    """One request on a connection of its own. Raises ValueError for another answer than is wanted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        writer.write(line.request)
        tally["asked"] += len(line.request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        bare = line.status == 304 or line.request.startswith(b"HEAD ")
        body = await reader.readexactly(int(length[1]) if length and not bare else 0)
        tally["answered"] += len(head) + len(body)
    finally:
        writer.close()  # first, as the client does
    if int(head.split(maxsplit=2)[1]) != line.status or body != line.body or b"ontent-encoding" in head:
        raise ValueError(f"another answer than the real client took: {head!r}")
