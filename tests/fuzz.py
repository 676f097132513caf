"""``make fuzz``: hostile texts, containers, signed claims and pictures, by mutation from good ones.

Each case must give a Verdict (or, for a picture, codes or PictureError), never anything else; a code that
still passes must say what the original said. Prints the worst time and memory of a case, a summary line last.

    python tests/fuzz.py --cases 200000 --seed 1
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import cbor2
from desk import Desk, Signer, lab_result, person, recovery, reopened, vaccination
from PIL import Image

from appliance.errors import PictureError
from appliance.scanner import read_image
from issuer import qr
from issuer.keys import Algorithm
from verifier.reasons import State
from verifier.wire import base45, hc1

FORMATTER = argparse.RawDescriptionHelpFormatter
LIMIT_S = 1.0  # ten times the 100 ms that a code may take: a guard against loops, not a measurement
LIMIT_MIB = 640  # ten times the 64 MiB above the idle process
ODD = [
    b"",
    b"\x00",
    b"\xff",
    b"\x9f",
    b"\xbf",
    b"\x5b\x7f",
    b"\xd8\x3d",
    b"\xf9\x7e\x00",
    b"\xfb\x7f\xf0",
    b"\x81" * 40,
]
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64, 1.5, float("nan"), float("inf"), "", " x ", "\u202e", "9" * 5000, b"\xff", [],
    {}, [None], {"": None}, cbor2.CBORTag(0, "x"), cbor2.CBORTag(1, []),
    253402300799, "0" * 60000, [{}] * 3000, "2021-02-30", "9999-12-31", "0000-00-00",
)  # fmt: skip
PICTURES_EVERY = 200  # pictures are a hundred times slower than texts


class Fuzz:
    """Good codes, and ways to spoil them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.desk = Desk()
        self.signers: list[Signer] = [self.desk.signer(algorithm) for algorithm in Algorithm]
        self.payloads: list[dict[str, Any]] = [
            vaccination(),
            lab_result(),
            recovery(),
            vaccination(person(dob="1983")),
        ]
        self.texts = [s.issue(p) for s in self.signers for p in self.payloads]
        self.good = {self.said(text) for text in self.texts}
        self.states: Counter[str] = Counter()
        self.worst_s = 0.0

    def said(self, text: str | bytes) -> str:
        """Everything that a passing code says."""
        return repr(self.desk.judged(text).reading.document)

    def bytes_of(self, data: bytes) -> bytes:
        """Some bytes changed, dropped, doubled, or replaced by something odd."""
        out = bytearray(data)
        for _ in range(self.random.choice((1, 1, 1, 2, 5, 20))):
            at = self.random.randrange(len(out) + 1)
            match self.random.randrange(5):
                case 0 if at < len(out):
                    out[at] ^= 1 << self.random.randrange(8)
                case 1:
                    del out[at : at + self.random.randrange(1, 9)]
                case 2:
                    out[at:at] = self.random.choice(ODD)
                case 3:
                    out[at:at] = out[at : at + self.random.randrange(1, 30)]
                case _ if at < len(out):
                    out[at] = self.random.randrange(256)
        return bytes(out)

    def value_of(self, value: Any, depth: int = 0) -> Any:
        """A payload with some member of it changed to something of any type."""
        if self.random.random() < 0.15 or depth > 4:
            return self.random.choice(ODD_VALUES)
        if isinstance(value, dict):
            changed = dict(value)
            name = self.random.choice(list(changed) or [""])
            changed[name] = self.value_of(changed.get(name), depth + 1)
            return changed
        if isinstance(value, list):
            return [self.value_of(member, depth + 1) for member in value] * self.random.choice((0, 1, 1, 2))
        return value

    def cases(self) -> Iterator[tuple[str | bytes, bool]]:
        """Spoilt codes without end, and whether an issuer signed what they say now."""
        spoil, head = self.bytes_of, {1: "XV", 4: 2**31, 6: 1}
        unsigned: list[Callable[[str], str | bytes]] = [
            lambda text: spoil(text.encode()).decode("latin-1"),
            lambda text: spoil(text.encode()),
            lambda text: "HC1:" + base45.encode(spoil(base45.decode(text[4:]))),
            lambda text: hc1.pack(spoil(reopened(text)[1])),
            lambda text: (
                "HC1:" + base45.encode(zlib.compress(spoil(reopened(text)[1]), self.random.randrange(10)))
            ),
            lambda _: (
                self.random.choice(("HC1:", "LT1:", "shc:/", "HC2:", "{", "PK\x03\x04", "")) + self.noise()
            ),
        ]
        signed: list[Callable[[str], bytes]] = [
            lambda text: spoil(reopened(text)[0].payload),
            lambda _: cbor2.dumps(head | {-260: {1: self.value_of(self.payload())}}),
            lambda _: cbor2.dumps(self.value_of(head | {-260: {1: self.payload()}})),
        ]
        while True:
            text = self.random.choice(self.texts)
            if self.random.random() < 0.6:
                yield self.random.choice(unsigned)(text), False
            else:  # spoilt claims under a good signature: what a careless or hostile issuer could print
                yield self.signers[2].seal(self.random.choice(signed)(text)), True

    def payload(self) -> dict[str, Any]:
        return self.random.choice(self.payloads)

    def noise(self) -> str:
        return "".join(self.random.choice(base45.ALPHABET) for _ in range(self.random.randrange(200)))

    def judge(self, code: str | bytes, signed: bool) -> None:
        """One case. Raises AssertionError when it gives what it must not."""
        start = thread_time()  # of this thread, so that a busy machine is not taken for a slow code
        verdict = self.desk.judged(code).verdict
        spent = thread_time() - start
        self.worst_s = max(self.worst_s, spent)
        assert spent < LIMIT_S, f"{spent:.2f} s"
        self.states[verdict.state] += 1
        if verdict.state is State.PASS and not signed:
            assert self.said(code) in self.good, "passed, and says something else"

    def pictures(self) -> Iterator[bytes]:
        """Spoilt picture files without end."""
        good = [qr.draw(text).png() for text in self.texts[:3]]
        for png in good[:2]:  # and without compression and checksums, so that spoilt pixels are looked at
            bitmap = io.BytesIO()
            Image.open(io.BytesIO(png)).convert("L").save(bitmap, "BMP")
            good.append(bitmap.getvalue())
        while True:
            yield self.bytes_of(self.random.choice(good))


def peak_mib() -> float:
    """The process's peak of resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=FORMATTER)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fuzz = Fuzz(options.seed)
    cases, pictures = fuzz.cases(), fuzz.pictures()
    idle, start, faults, read = peak_mib(), perf_counter(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        for number in range(options.cases):
            case: Any = None
            try:
                if number % PICTURES_EVERY == PICTURES_EVERY - 1:
                    path.write_bytes(next(pictures))
                    case = path.read_bytes()
                    try:
                        read["codes"] += bool(read_image(path))
                    except PictureError:
                        read["refused"] += 1
                else:
                    case, signed = next(cases)
                    fuzz.judge(case, signed)
            except Exception as error:  # noqa: BLE001 - any exception is the finding
                faults += 1
                print(
                    f"case {number} (seed {options.seed}): {type(error).__name__}: {error}\n  {case!r:.300}"
                )
            if number % 20_000 == 19_999:
                print(f"{number + 1} cases, {perf_counter() - start:.0f} s", file=sys.stderr)
    grown = peak_mib() - idle
    print("states: " + ", ".join(f"{state} {count}" for state, count in sorted(fuzz.states.items())))
    print("pictures: " + ", ".join(f"{what} {count}" for what, count in sorted(read.items())))
    print(f"worst code {fuzz.worst_s * 1000:.1f} ms; peak memory {grown:.0f} MiB above the idle process")
    print(f"{options.cases} cases, {faults} faults, {perf_counter() - start:.0f} s")
    return 1 if faults or grown > LIMIT_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
