"""A million scans through the gate, and what they leave behind in memory.

The rules this module keeps:

* The gate is the product's own, stepped as fast as it goes; time moves by hand, so that each code is a new
  Scan. Trust lists that follow each other, rules, page and lamp are there.
* Of ``EVERY`` scans one is a picture that the reader looks at, damaged ones among them, which stay unread.
  The others are handed to the gate as what the reader would have read. The summary counts each kind.
* Drift is of anonymous memory, which is nobody else's: PSS, told beside it, also moves when another process
  on this machine loads the same library or ends. What is loaded once is loaded before the first sample.

    PYTHONPATH=tests python -m bench.soak --scans 1000000 --seconds 3600 --json build/soak.json
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from desk import NOW, Desk, person, vaccination
from places import ROOT

from appliance.picture import Luma, empty
from appliance.reader.live import Reader
from appliance.reader.passes import Code, Look, Place
from bench.memory import memory
from bench.told import keep
from issuer.keys import Algorithm
from trustsync.shipped import bundle

sys.path.append(str(ROOT / "tests" / "appliance"))
from gate_rig import Rig, Snapshot, image_of, luma_of, snapshot_of, stained

GOAL_MIB = 2.0
EVERY = 50
POOL, PICTURES = 1_000, 24  # certificates, and frames that show some of them
SAMPLES = 200
APART_S = 0.4  # between two scans, by the clock of the gate; a million are six days, while these rules hold
LISTS = 40_000  # scans between two trust lists: one more each night
RULES = "vn-2022-01"


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory after so many scans."""

    scans: int
    seconds: float
    pss_mib: float
    anonymous_mib: float


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a run did, and the mean memory over the first tenth of its samples and over the last."""

    scans: int
    as_text: int
    as_picture: int
    damaged: int
    answers: int
    seconds: float
    first_mib: float
    last_mib: float
    samples: tuple[Sample, ...]

    @property
    def drift_mib(self) -> float:
        """How much more memory is taken at the end."""
        return self.last_mib - self.first_mib

    def __str__(self) -> str:
        held = "held" if self.drift_mib <= GOAL_MIB else "MISSED"
        return (
            f"soak: {self.scans:,} scans in {self.seconds:,.0f} s ({self.as_text:,} as text, "
            f"{self.as_picture:,} as pictures, {self.damaged:,} of them damaged; {self.answers:,} answers, "
            f"{self.scans - self.answers:,} unread); PSS {self.samples[-1].pss_mib:.1f} MiB, anonymous "
            f"{self.first_mib:.1f} → {self.last_mib:.1f} MiB, drift {self.drift_mib:+.2f} MiB, "
            f"goal ≤ {GOAL_MIB:g} MiB: {held}"
        )


@dataclass
class Nights:
    """A trust source whose list is another one from time to time."""

    snapshot: Snapshot

    def current(self) -> Snapshot:
        return self.snapshot

    def close(self) -> None:
        pass


class Soak:
    """The gate on its bench, and what is held before it. certificates: of how many persons."""

    def __init__(self, certificates: int = POOL, pictures: int = PICTURES) -> None:
        desk = self._desk = Desk(bundle=bundle(RULES))
        codes = [*issued(desk, certificates)]
        self._looks = [look_of(code) for code in codes]
        frames = [image_of(code, scale=3) for code in codes[:pictures]]
        self._frames = [luma_of(stained(each) if n % 3 == 2 else each) for n, each in enumerate(frames)]
        self._damaged = [n % 3 == 2 for n in range(len(frames))]
        self._look: Look | None = None
        self._reader = Reader()
        self._rig = Rig(desk, read=self._read)
        self._nights = Nights(snapshot_of(desk))
        self._rig.open_trust = lambda: self._nights
        self._blank = empty(16, 16)
        self.as_text = self.as_picture = self.damaged = self.answers = 0

    def _read(self, luma: Luma) -> Look:
        return self._reader(luma) if self._look is None else self._look

    def scan(self, number: int) -> None:
        """Hold the next code up for one round; then time passes."""
        rig = self._rig
        if number % EVERY:
            self._look, rig.camera.picture = self._looks[number % len(self._looks)], self._blank
            self.as_text += 1
        else:
            which = number // EVERY % len(self._frames)
            self._look, rig.camera.picture = None, self._frames[which]
            self.as_picture += 1
            self.damaged += self._damaged[which]
        rig.rounds(0.1)
        self.answers += len(rig.answers)
        rig.answers.clear()
        rig.page()
        if number % 10 == 0:
            rig.hub.why()
        rig.seconds += APART_S
        rig.now += timedelta(seconds=APART_S)
        if number % LISTS == 0:
            self._desk.now = rig.now
            self._nights.snapshot = snapshot_of(self._desk)

    def warm(self) -> None:
        """Whatever is loaded or kept once: every certificate and picture, and what restores damaged ones."""
        from appliance.reader.mending import restoring_module

        restoring_module()
        for number in range(max(len(self._looks), EVERY * len(self._frames))):
            self.scan(number)
        self.as_text = self.as_picture = self.damaged = self.answers = 0

    def close(self) -> None:
        """Lamp and page."""
        self._rig.close()


def issued(desk: Desk, count: int) -> Iterator[str]:
    """Codes of as many persons; of twenty one is forged, one of an unknown key, one no certificate."""
    signers = [desk.signer(algorithm) for algorithm in Algorithm]
    stranger = desk.signer(label="stranger", listed=False)
    for number in range(count):
        signer = stranger if number % 20 == 7 else signers[number % len(signers)]
        code = signer.issue(
            vaccination(
                person(dob=f"19{number % 90 + 10}-10-10", nam={"fnt": f"NGUYEN<{number}", "gnt": "BAO<DUY"}),
                dt=(NOW.date() - timedelta(days=30 + number % 90)).isoformat(),
                ci=f"URN:UVCI:01:XV:{number:032X}#A",
            )
        )
        if number % 20 == 11:
            code = code[:-8] + code[-6:]
        yield f"https://example.invalid/{number}" if number % 20 == 13 else code


def look_of(code: str) -> Look:
    """What the reader says of a frame with this code."""
    return Look((Code(code, code.encode(), "QRCode", 900, Place(640, 360, 400)),))


def soak(scans: int, seconds: float | None = None, *, say: Any = lambda _: None, **sizes: int) -> Soaked:
    """So many scans, or as many as there is time for. say: is told of progress."""
    run = Soak(**sizes)
    try:
        run.warm()
        began = time.monotonic()
        samples: list[Sample] = []
        done = 0
        for number in range(1, scans + 1):
            run.scan(number)
            done = number
            if number * SAMPLES // scans > (number - 1) * SAMPLES // scans:
                took = time.monotonic() - began
                now = memory()
                samples.append(Sample(number, round(took, 1), now.pss, now.anonymous))
                if len(samples) % (SAMPLES // 20) == 0:
                    taken = f"anonymous {now.anonymous:.1f} MiB, PSS {now.pss:.1f} MiB"
                    say(f"{number:,} scans, {took:,.0f} s, {taken}")
                if seconds is not None and took > seconds:
                    break
        first, last = tenths([sample.anonymous_mib for sample in samples])
        took = time.monotonic() - began
        counts = (done, run.as_text, run.as_picture, run.damaged, run.answers)
        return Soaked(*counts, took, first, last, tuple(samples))
    finally:
        run.close()


def tenths(values: Sequence[float]) -> tuple[float, float]:
    """The means of the first tenth and of the last."""
    count = max(1, len(values) // 10)
    return sum(values[:count]) / count, sum(values[-count:]) / count


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak and tell; 1 when more memory stays than is allowed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scans", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so long; default: no bound")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write samples and figures there")
    options = parser.parse_args(arguments)
    done = soak(options.scans, options.seconds, say=lambda line: print(line, file=sys.stderr, flush=True))
    figures = asdict(done) | {"drift_mib": done.drift_mib, "goal_mib": GOAL_MIB, "every": EVERY}
    keep(figures, options.json)
    print(done)
    return 1 if done.drift_mib > GOAL_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
