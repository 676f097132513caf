"""``make fuzz``: hostile texts, containers, signed documents and pictures of every family, from good ones.

The seeds are certificates of our own issuer, one of each family and kind, and the published vectors where
they are at hand. Each case must give a Verdict (or, for a picture, codes or PictureError), never anything
else; a code that nobody signed and that still passes must say what the original said. Prints the worst time
and memory of a case, a summary line last.

    python tests/fuzz.py --cases 1000000 --seed 1 --jobs 2
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import cbor2
from containers import Code, documents, parts_of
from office import FAMILIES, NOW, Office, tested, vaccinated
from PIL import Image
from places import vectors_dir

from appliance.cli.cases import case_basis, case_codes, read_cases
from appliance.errors import PictureError
from appliance.judging import Basis, judge
from appliance.reader.stills import read_image
from issuer import qr
from issuer.documents import document_of
from issuer.families import domain_of
from issuer.sealing import seal_document, text_of
from verifier.certificate import Certificate, Family
from verifier.opening import OpenedCode, open_parts
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import State
from verifier.wire import base45

FORMATTER = argparse.RawDescriptionHelpFormatter
LIMIT_S = 1.5  # ten times the 150 ms that a code may take: a guard against loops, not a measurement
LIMIT_MIB = 640  # ten times the 64 MiB above the idle process
ODD = [
    b"", b"\x00", b"\xff", b"\x9f", b"\xbf", b"\x5b\x7f", b"\xd8\x3d", b"\xf9\x7e\x00", b"\xfb\x7f\xf0",
    b"\x81" * 40, b'"', b"{", b"[" * 40, b"\\ud800", b"1e999", b'"a":1,', b"NaN",
]  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64, 1.5, float("nan"), float("inf"), "", " x ", "\u202e", "9" * 5000, b"\xff", [],
    {}, [None], {"": None}, cbor2.CBORTag(0, "x"), cbor2.CBORTag(1, []), "urn:x", "https://x.example/",
    "_:b0", 253402300799, "0" * 60000, [{}] * 3000, "2021-02-30", "9999-12-31", "0000-00-00",
    "2021-10-09T00:00:00Z",
)  # fmt: skip
PICTURES_EVERY = 200  # pictures are a hundred times slower than texts
# How often a family is taken: a DIVOC document costs ten times as much as the others.
WEIGHT = {Family.DIVOC: 2}
# Families that can say a test.
SAYS_TESTS = {Family.HC1, Family.DDCC, Family.SHC, Family.VDS_NC}
VECTORS = ("eu-qa", "hcert-misc", "shc", "vds-nc", "divoc", "nzcp", "ddcc")
VECTORS_EACH = 30
HEADS = (
    "HC1:",
    "LT1:",
    "AT1:",
    "shc:/",
    "shc:/1/2/",
    "NZCP:/1/",
    "HC2:",
    "eyJ",
    "B64:",
    "PK\x03\x04",
    "{",
    "",
)


@dataclass
class Seed:
    """A good code, what it is judged by, and what it means if it passes."""

    family: Family | None
    code: Code
    basis: Basis
    meanings: set[str] = field(default_factory=set)


def meaning(certificate: Certificate) -> str:
    """What a passing code says; the types have no words of their own, so their fields are asked."""
    said = (certificate.holder, certificate.events, certificate.issued_at, certificate.expires_at)
    return repr([fields(part) for part in said] + [certificate.issuer])


def fields(value: Any) -> Any:
    if isinstance(value, tuple):
        return [fields(part) for part in value]
    names = getattr(value, "__slots__", None)
    return value if names is None else [type(value).__name__, *(fields(getattr(value, n)) for n in names)]


class Fuzz:
    """Good codes, and ways to spoil them."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.states: Counter[str] = Counter()
        self.families: Counter[str] = Counter()
        self.worst_s = 0.0
        self.office = Office(folder, seed="fuzz")
        self.payloads = [vaccinated(), tested()]
        codes = [
            (family, self.office.issue(family, payload).code)
            for family in FAMILIES
            for payload in self.payloads
            if payload is self.payloads[0]
            or family not in (Family.LT1, Family.AT1, Family.ICVP, Family.DIVOC)
        ]
        known = self.office.synced()
        self.own = Basis(known.trust, (SIGNATURE_ONLY,), NOW, None, known.floor)
        self.seeds = [Seed(family, code, self.own) for family, code in codes] + list(self.vectors())
        for seed_ in self.seeds:
            certificate = judge(seed_.code, seed_.basis).verdict.certificate
            if certificate is not None:
                seed_.meanings.add(meaning(certificate))
        self.ours = [s for s in self.seeds if s.basis is self.own for _ in range(WEIGHT.get(s.family, 10))]
        self.theirs = [s for s in self.seeds if s.basis is not self.own]

    def vectors(self) -> Iterator[Seed]:
        """Some of the published cases, each with its own keys."""
        folder = vectors_dir()
        for suite in VECTORS if folder else ():
            assert folder is not None
            for case in list(read_cases(folder / f"{suite}.jsonl"))[:VECTORS_EACH]:
                for code in case_codes(case):
                    if not isinstance(code, OpenedCode):
                        yield Seed(None, code, case_basis(case))

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
        """A document with some member of it changed to something of any type."""
        if self.random.random() < 0.15 or depth > 6:
            return self.random.choice(ODD_VALUES)
        if isinstance(value, dict):
            changed = dict(value)
            name = self.random.choice(list(changed) or [""])
            match self.random.randrange(6):
                case 0:
                    changed.pop(name, None)
                case 1:
                    changed[self.random.choice(("x", "id", "@context", "type", ""))] = self.random.choice(
                        ODD_VALUES
                    )
                case _:
                    changed[name] = self.value_of(changed.get(name), depth + 1)
            return changed
        if isinstance(value, list):
            return [self.value_of(member, depth + 1) for member in value] * self.random.choice((0, 1, 1, 2))
        return value

    def cases(self) -> Iterator[tuple[Seed, Any, bool]]:
        """Spoilt codes without end: the seed, the code, and whether an issuer signed what it says now."""
        ways: list[Callable[[], tuple[Seed, Any, bool]]] = [
            self.text_spoilt, self.text_spoilt, self.container_spoilt, self.container_spoilt,
            self.member_spoilt, self.signed_spoilt, self.signed_spoilt, self.vector_spoilt, self.parts_spoilt,
            self.noise,
        ]  # fmt: skip
        while True:
            yield self.random.choice(ways)()

    def text_spoilt(self) -> tuple[Seed, Any, bool]:
        """The text as scanned, with bytes of it changed; sometimes given as bytes."""
        seed = self.random.choice(self.ours)
        data = seed.code if isinstance(seed.code, bytes) else seed.code.encode()
        spoilt = self.bytes_of(data)
        return seed, spoilt if self.random.random() < 0.5 else spoilt.decode("latin-1"), False

    def container_spoilt(self) -> tuple[Seed, Any, bool]:
        """What is inside the armour, changed and packed again."""
        seed = self.random.choice(self.ours)
        assert seed.family is not None
        part = self.random.choice(parts_of(seed.family, seed.code))
        return seed, part.code(self.bytes_of(part.data)), False

    def member_spoilt(self) -> tuple[Seed, Any, bool]:
        """A member of what is inside, changed under the same signature."""
        seed = self.random.choice(self.ours)
        assert seed.family is not None
        document, build = self.random.choice(documents(seed.family, seed.code))
        try:
            return seed, build(self.value_of(document)), False
        except (TypeError, ValueError, KeyError, OverflowError):  # the container cannot say this
            return self.noise()

    def signed_spoilt(self) -> tuple[Seed, Any, bool]:
        """A spoilt document under a good signature: what a careless or hostile issuer could print."""
        seed = self.random.choice(self.ours)
        family = seed.family
        assert family is not None
        signer = self.office.issuer.signer(domain_of(family))
        try:
            document = document_of(
                family,
                self.payloads[0] | {"v": [self.payloads[0]["v"][0] | {"ci": "URN:UVCI:01:XV:FUZZ#F"}]},
                signer.issuer,
                country="XV",
                issued_at=NOW,
                expires_at=None,
            )
            code = seal_document(family, self.value_of(document), signer, issued_at=NOW, expires_at=None).code
        except Exception:  # noqa: BLE001 - the issuer's encoders may refuse what no document could say
            return self.noise()
        return seed, code, True

    def vector_spoilt(self) -> tuple[Seed, Any, bool]:
        """A published code, spoilt."""
        if not self.theirs:
            return self.text_spoilt()
        seed = self.random.choice(self.theirs)
        data = seed.code if isinstance(seed.code, bytes) else seed.code.encode()
        return seed, self.bytes_of(data).decode("latin-1"), False

    def parts_spoilt(self) -> tuple[Seed, Any, bool]:
        """A card in parts: some missing, doubled, in disorder or spoilt."""
        seed = next(s for s in self.seeds if s.family is Family.SHC)
        assert isinstance(seed.code, str)
        digits = seed.code.removeprefix("shc:/")
        count = self.random.randrange(2, 6)
        step = -(-len(digits) // count)
        texts = [f"shc:/{n + 1}/{count}/{digits[n * step : (n + 1) * step]}" for n in range(count)]
        chosen = self.random.choices(texts, k=self.random.randrange(1, count + 3))
        if self.random.random() < 0.5:
            chosen = self.random.sample(texts, count)
        if self.random.random() < 0.5:
            chosen[0] = self.bytes_of(chosen[0].encode()).decode("latin-1")
        return seed, open_parts(chosen), False

    def noise(self) -> tuple[Seed, Any, bool]:
        """A known beginning, and anything."""
        letters = "".join(self.random.choice(base45.ALPHABET) for _ in range(self.random.randrange(200)))
        return self.seeds[0], self.random.choice(HEADS) + letters, False

    def judge(self, seed: Seed, code: Any, signed: bool) -> None:
        """One case. Raises AssertionError when it gives what it must not."""
        start = thread_time()  # of this thread, so that a busy machine is not taken for a slow code
        verdict = judge(code, seed.basis).verdict
        spent = thread_time() - start
        self.worst_s = max(self.worst_s, spent)
        assert spent < LIMIT_S, f"{spent:.2f} s"
        self.states[verdict.state] += 1
        self.families[verdict.family or "none"] += 1
        if verdict.state is State.PASS and not signed:
            assert verdict.certificate is not None
            assert any(meaning(verdict.certificate) in s.meanings for s in self.seeds), "says something else"

    def pictures(self) -> Iterator[bytes]:
        """Spoilt picture files without end."""
        good = [qr.draw(text_of(s.code)).png() for s in self.seeds[:3]]
        for png in good[:2]:  # and without compression and checksums, so that spoilt pixels are looked at
            bitmap = io.BytesIO()
            Image.open(io.BytesIO(png)).convert("L").save(bitmap, "BMP")
            good.append(bitmap.getvalue())
        while True:
            yield self.bytes_of(self.random.choice(good))


def peak_mib() -> float:
    """The process's peak of resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(job: tuple[int, int]) -> dict[str, Any]:
    """So many cases with this seed, in a process of their own; the figures."""
    count, seed = job
    warnings.simplefilter("ignore")  # odd certificates are what is tried here
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(seed, Path(folder))
        cases, pictures = fuzz.cases(), fuzz.pictures()
        idle, start, faults, read = peak_mib(), perf_counter(), 0, Counter[str]()
        path = Path(folder) / "picture.png"
        for number in range(count):
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
                    origin, case, signed = next(cases)
                    fuzz.judge(origin, case, signed)
            except Exception as error:  # noqa: BLE001 - any exception is the finding
                faults += 1
                print(f"case {number} (seed {seed}): {type(error).__name__}: {error}\n  {case!r:.300}")
            if number % 50_000 == 49_999:
                print(f"seed {seed}: {number + 1} cases, {perf_counter() - start:.0f} s", file=sys.stderr)
        return {
            "cases": count,
            "faults": faults,
            "states": fuzz.states,
            "families": fuzz.families,
            "pictures": read,
            "worst_ms": fuzz.worst_s * 1000,
            "grown_mib": peak_mib() - idle,
        }


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=FORMATTER)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with a seed of its own")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    start = perf_counter()
    share = -(-options.cases // options.jobs)
    jobs = [(min(share, options.cases - n * share), options.seed + n) for n in range(options.jobs)]
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        results = pool.map(run, jobs, chunksize=1)
    for what in ("states", "families", "pictures"):
        total = sum((result[what] for result in results), Counter[str]())
        print(f"{what}: " + ", ".join(f"{name} {count}" for name, count in sorted(total.items())))
    worst = max(result["worst_ms"] for result in results)
    grown = max(result["grown_mib"] for result in results)
    faults = sum(result["faults"] for result in results)
    print(f"worst code {worst:.1f} ms; peak memory {grown:.0f} MiB above the idle process")
    print(f"{options.cases} cases, {faults} faults, {perf_counter() - start:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if faults or grown > LIMIT_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
