"""Kill a sync at every step, and cut the power under it, many times; then look at what a unit finds.

python tests/crash.py --kills 2000      # kill -9, each step in turn and at random inside it
python tests/crash.py --cuts 200        # an ext4 in a file, shut down without a flush of its log; needs root

After each the store must answer by one whole list, old or new; a list that was said to be in force must be
in force; the rollback floor and the clock floor must not be lower than what was said to be kept; and the next
sync must end well. Exit status 0 when every look found it so.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from trust_site import START, Publisher, Server, key

from trustsync.facts import STATE_NAME, read_state
from trustsync.store import Origin, open_store
from trustsync.sync import SyncConfig, sync_once

# What a sync says at the beginning of each step.
STEPS = {
    "S0": "preparing the store",
    "S1": "laying out",
    "S2": "asking",
    "S3": "keeping",
    "S4": "fetching",
    "S5": "checking",
    "S6": "writing to the card",
    "S7": "trying",
    "S8": "putting generation",
    "S9": "removing what is older",
}
IN_FORCE = "is in force"
HEAL_EVERY = 5  # after so many killed syncs in a row an honest one must end well
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2  # FS_IOC_SHUTDOWN of Linux: the file system stops as in a power cut


# The night of the list in force, and the clock floor.
Standing = tuple[int, datetime | None]


@dataclass
class Tally:
    """What was seen."""

    hits: Counter[str] = field(default_factory=Counter)
    inconsistent: int = 0
    lost: int = 0
    regressions: int = 0
    unhealed: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.inconsistent or self.lost or self.regressions or self.unhealed)


class Unit:
    """A repository that changes each night, and a unit that syncs from it in processes that may die."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.publisher = Publisher(folder / "repository")
        self.store = store
        self.night = 0
        self.publish()
        self.server = Server(folder / "repository")
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def publish(self) -> None:
        """The next night's list: its night stands in a key's name."""
        self.night += 1
        self.publisher.keys = [key(1), key(2, kid=b"N%07d" % self.night)]
        # Each list is an hour younger; a fresh start of the calendar would end no role.
        self.publisher.publish(self.now, resign=("trust", "revocation", "rules", "recognition"))

    @property
    def now(self) -> datetime:
        return START + timedelta(minutes=self.night)

    def sync_until(self, die: Callable[[str], None], said: int) -> None:
        """In the child: sync, tell the parent each word, and die where it is asked."""

        def tell(step: str) -> None:
            os.write(said, step.encode() + b"\n")
            die(step)

        config = SyncConfig(self.server.url, self.publisher.root, self.store)
        sync_once(config, now=self.now, progress=tell)
        os.write(said, b"done\n")

    def killed(self, die: Callable[[str], None], cut: Callable[[], None] | None = None) -> list[str]:
        """One sync in a process of its own; the words that it said before it died."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                self.sync_until(die, writing)
            finally:
                os._exit(0)
        os.close(writing)
        if cut is not None:
            cut()
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read().decode().splitlines()
        os.waitpid(child, 0)
        return words

    def look(self, words: list[str], before: Standing, tally: Tally) -> Standing:
        """What a unit finds after the restart, against what was said before it."""
        night, floor = before
        try:
            held = open_store(self.store).current()
            found = next(int(kid[1:]) for kid in held.trust.keys if kid.startswith(b"N"))
            whole = held.origin is Origin.ACTIVE and found in (night, self.night)
        except Exception as error:  # noqa: BLE001 - whatever it is, the unit has no list
            print(f"    {type(error).__name__}: {error}", file=sys.stderr)
            tally.inconsistent += 1
            return before
        tally.inconsistent += not whole
        if any(word.endswith(IN_FORCE) for word in words):
            tally.lost += found != self.night
        state = read_state(self.store / STATE_NAME)
        kept = STEPS["S4"] in "\n".join(words)  # S3 has ended
        expected = self.now if kept else floor
        found_floor = None if state is None else state.floor
        tally.regressions += found_floor is None or (expected is not None and found_floor < expected)
        return found, found_floor

    def heal(self, tally: Tally) -> Standing:
        """The next honest sync; what stands after it."""
        config = SyncConfig(self.server.url, self.publisher.root, self.store)
        try:
            sync_once(config, now=self.now)
            held = open_store(self.store).current()
            tally.unhealed += b"N%07d" % self.night not in held.trust.keys
        except Exception as error:  # noqa: BLE001
            print(f"    not healed: {type(error).__name__}: {error}", file=sys.stderr)
            tally.unhealed += 1
        state = read_state(self.store / STATE_NAME)
        return self.night, state.floor if state else None


def kills(count: int, seed: int) -> Tally:
    """kill -9 in each step in turn, at its beginning or up to 30 ms into it."""
    rng = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="vaxgate-kills-") as name:
        unit = Unit(Path(name), Path(name) / "store")
        standing = unit.heal(tally)
        for number in range(count):
            step, beginning = list(STEPS.items())[number % len(STEPS)]
            wait = rng.choice([0.0, 0.0, rng.uniform(0, 0.002), rng.uniform(0, 0.03)])

            def die(word: str, beginning: str = beginning, wait: float = wait) -> None:
                if word.startswith(beginning):
                    if not wait:
                        os.kill(os.getpid(), signal.SIGKILL)
                    threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()

            unit.publish()
            words = unit.killed(die)
            if words and words[-1] != "done":
                tally.hits[next((s for s, text in STEPS.items() if words[-1].startswith(text)), step)] += 1
            else:
                tally.hits["none: it had ended"] += 1
            standing = unit.look(words, standing, tally)
            if number % HEAL_EVERY == HEAL_EVERY - 1:
                standing = unit.heal(tally)
            _progress(number + 1, count, tally)
        unit.server.shutdown()
    return tally


def cuts(count: int, seed: int) -> Tally:
    """The power goes at a random moment of a sync; the file system comes back with what was on it."""
    rng = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="vaxgate-cuts-") as name:
        folder = Path(name)
        image, mount = folder / "card.img", folder / "card"
        mount.mkdir()
        with image.open("wb") as file:
            file.truncate(96 << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        _run("mount", "-o", "loop", str(image), str(mount))
        try:
            unit = Unit(folder, mount / "store")
            begin = time.monotonic()
            standing = unit.heal(tally)
            lasts = time.monotonic() - begin
            for number in range(count):
                unit.publish()
                wait = rng.uniform(0.0, lasts * 1.3)
                words = unit.killed(lambda _word: None, lambda wait=wait: _cut(mount, wait))
                tally.hits["after the end" if words and words[-1] == "done" else "in a sync"] += 1
                _remount(image, mount)
                unit.look(words, standing, tally)
                standing = unit.heal(tally)
                _progress(number + 1, count, tally)
            unit.server.shutdown()
        finally:
            _run("umount", "-l", str(mount))
    return tally


def _cut(mount: Path, wait: float) -> None:
    time.sleep(wait)
    descriptor = os.open(mount, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _remount(image: Path, mount: Path) -> None:
    """Start again from what is in the image.

    A process in a mount namespace of its own may hold the stopped file system for a moment; mounted meanwhile
    it would be the same one, stopped still.
    """
    for _ in range(60):
        _run("umount", str(mount))
        _run("mount", "-o", "loop", str(image), str(mount))
        try:
            (mount / "alive").write_bytes(b"")
            return
        except OSError:
            time.sleep(1)
    raise SystemExit("the file system does not come back: something holds it")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _progress(done: int, count: int, tally: Tally) -> None:
    if sys.stderr.isatty() or done % 100 == 0 or done == count:
        print(
            f"  {done} of {count}, {'nothing wrong' if tally.clean else tally}", file=sys.stderr, flush=True
        )


def main() -> int:
    """Exit status 0 when nothing was inconsistent, lost, lower than before, or not healed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill -9 so many syncs")
    parser.add_argument("--cuts", type=int, default=0, metavar="N", help="cut the power so many times")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    clean = True
    for word, count, run in (("kills", options.kills, kills), ("cuts", options.cuts, cuts)):
        if count:
            tally = run(count, options.seed)
            where = ", ".join(f"{place} {hits}" for place, hits in sorted(tally.hits.items()))
            print(f"{word}: {where}")
            print(
                f"{count} {word}: {tally.inconsistent} inconsistent, {tally.lost} acknowledged and lost, "
                f"{tally.regressions} regressions of a floor, {tally.unhealed} not healed"
            )
            clean = clean and tally.clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
