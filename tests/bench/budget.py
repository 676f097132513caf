"""What a look at a frame and a verdict cost in instructions, against budgets that are checked in.

The rules this module keeps:

* Frames and certificates are drawn and issued anew each time and are the same each time, to the byte.
* A count is compared with counts of its own kind only: the same processor family, Python, reader and OpenSSL.
  A machine without a budget of its kind is told so, with its counts, and nothing fails.
* More than 3 % above its budget is a failure, and more than 3 % below it too: what became cheaper is
  recorded, or it could grow back unseen. So is a count without a budget, and a budget without a count.

    PYTHONPATH=tests python -m bench.budget              # compares; 1 when a count is beyond its budget
    PYTHONPATH=tests python -m bench.budget --record     # counts twice; writes the budgets of this kind
"""

from __future__ import annotations

import argparse
import json
import pickle
import platform
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops
from places import ROOT

from bench import counting
from bench.counting import Counted, CountingError
from bench.told import keep

BUDGETS = Path(__file__).parent / "budgets"
FILES = Path("build/budget")  # what callgrind wrote, for callgrind_annotate
TOLERANCE = 0.03
REPEATS = 0.005  # two runs that are recorded differ by less
READER = "ZXing::ReadBarcodes"
IN_READER = ", in ZXing"

SIZES = ((640, 480), (1280, 720), (1920, 1080))
LOOKS = 8  # one whole turn of the reader's passes
FRAME_S = 1 / 30
WARM, COUNTED = 4, 12  # certificates of a kind: before counting, and counted
RULES = "vn-2022-01"

HELP = f"""\
How many processor instructions Vaxgate needs to look for a code in a camera's frame, and to judge a
certificate. Instructions are counted, by valgrind, because time depends on what else the machine does.

A budget is such a number, kept in tests/bench/budgets. A count that is more than {TOLERANCE:.0%} above or
below its budget is a failure. Another processor, Python or library needs other instructions, so each such
kind of machine has a file of its own; on a machine without one the counts are printed and nothing fails.

  make budget               count and compare
  make budget RECORD=1      count twice and, when both agree, write the budgets; commit the file

The exit status is 1 when a count is beyond its budget or nothing could be counted, else 0."""


# --- What is counted ----------------------------------------------------------------------------------------


def draw_frames(folder: Path) -> None:
    """A scene without a code and the same with one, in each size, as luma files named for it."""
    from desk import Desk, vaccination

    from issuer.qr import draw

    code = draw(Desk().signer().issue(vaccination()))
    for width, height in SIZES:
        chance = random.Random(width)
        rough = Image.frombytes(
            "L", (width // 16, height // 16), chance.randbytes(width // 16 * (height // 16))
        )
        grain = Image.frombytes(
            "L", (width, height), bytes(each % 9 for each in chance.randbytes(width * height))
        )
        scene = rough.resize((width, height), Image.Resampling.BICUBIC)
        symbol = Image.open(BytesIO(code.png(scale=code.scale_for(height * 6 // 10)))).convert("L")
        held = scene.copy()
        held.paste(symbol, ((width - symbol.width) // 2, (height - symbol.height) // 2))
        for name, picture in (("no code", scene), ("code", held)):
            luma = ImageChops.subtract(picture, grain).tobytes()
            (folder / f"{name} {width}x{height}.luma").write_bytes(luma)


def reading(folder: Path) -> None:
    """Looks of the reader for live frames: at what moves, and at what stands still.

    The clock goes on from frame to frame and not during one: no deadline ends a look earlier under valgrind.
    """
    from appliance.reader.live import Reader

    now, reader = 0.0, Reader()

    def looks(lumas: Sequence[memoryview], *, coded: bool) -> None:
        nonlocal now
        for luma in lumas:
            now += FRAME_S
            assert bool(reader(luma).codes) is coded

    for file in sorted(folder.glob("*.luma")):
        width, height = map(int, file.stem.split()[-1].split("x"))
        coded = not file.stem.startswith("no code")
        frame = Image.frombytes("L", (width, height), file.read_bytes())
        moving = [
            memoryview(ImageChops.offset(frame, 2 * number, number).tobytes()).cast("B", (height, width))
            for number in range(LOOKS + 1)
        ]
        reader = Reader(clock=lambda: now)
        looks(moving[:1], coded=coded)
        counting.began()
        counting.span(f"look, {file.stem}", partial(looks, moving[1:], coded=coded), times=LOOKS)
        if (width, height) == SIZES[1] and not coded:
            counting.span("look, still", partial(looks, moving[-1:] * LOOKS, coded=coded), times=LOOKS)


def issue_certificates(folder: Path) -> None:
    """Certificates of each kind, every one of another person and day, and the keys that signed them."""
    from desk import COUNTRY, NOW, Desk, person, vaccination

    from issuer.documents import document_of
    from issuer.keys import Algorithm
    from verifier.certificate import Family
    from verifier.trust import Domain, TrustedKey
    from verifier.wire import shc
    from verifier.wire.shc_keys import thumbprint

    doses = [
        vaccination(
            person(dob=f"19{50 + number}-10-10"),
            dt=(NOW.date() - timedelta(days=30 + number)).isoformat(),
            ci=f"URN:UVCI:01:{COUNTRY}:{number:032X}#A",
        )
        for number in range(WARM + COUNTED)
    ]
    desk, texts = Desk(), {}
    for algorithm in Algorithm:
        texts[f"HC1 {algorithm}"] = [*map(desk.signer(algorithm).issue, doses)]
    key = desk.signer(label="cards", listed=False).key
    kid = thumbprint(key.spki())
    times = {"issued_at": NOW - timedelta(days=1), "expires_at": None}
    cards = [document_of(Family.SHC, dose, COUNTRY, country=COUNTRY, **times) for dose in doses]
    desk.keys.append(TrustedKey(kid.encode(), key.spki(), domain=Domain.SHC, issuer=cards[0]["iss"]))
    texts["SHC"] = [shc.numeric(shc.encode_shc(card, kid=kid, sign=key.sign))[0] for card in cards]
    (folder / "certificates").write_bytes(pickle.dumps((desk.keys, texts)))


def judging(folder: Path) -> None:
    """Texts to Verdicts, with the rules of a journey and by the signature alone; no certificate twice."""
    from desk import NOW

    from appliance.judging import Basis, judge
    from trustsync.shipped import bundle
    from verifier.policy.bundle import SIGNATURE_ONLY
    from verifier.reasons import State
    from verifier.trust import TrustList

    keys, texts = pickle.loads((folder / "certificates").read_bytes())
    trust = TrustList.of(keys, signed_at=NOW - timedelta(hours=1))

    def verdicts(codes: Sequence[str], basis: Basis, state: State) -> None:
        for code in codes:
            assert judge(code, basis).verdict.state is state

    # The desk that these rules are for asks for a second document too.
    for rules, state in (SIGNATURE_ONLY, State.PASS), (bundle(RULES), State.CHECK):
        basis = Basis(trust, (rules,), NOW)
        for kind, codes in texts.items():
            verdicts(codes[:WARM], basis, state)
            counting.began()
            work = partial(verdicts, codes[WARM:], basis, state)
            counting.span(f"verdict, {kind}, {rules.name}", work, times=COUNTED)


JOBS = {"reading": reading, "judging": judging}


def count(folder: Path) -> dict[str, int]:
    """Instructions of every look and verdict, those inside the library too. Raises CountingError."""
    draw_frames(folder)
    issue_certificates(folder)

    def job(name: str) -> dict[str, Counted]:
        command = [sys.executable, "-m", "bench.budget", "--in", str(folder), "--job", name]
        return counting.counts(command, FILES / name, inside=[READER])

    with ThreadPoolExecutor() as pool:
        done = [*pool.map(job, JOBS)]
    told = {}
    for counted in done:
        for name, each in counted.items():
            told[name] = each.total
            if each.inside[READER]:
                told[name + IN_READER] = each.inside[READER]
    return told


# --- Kinds of machines, and budgets -------------------------------------------------------------------------


def kind() -> dict[str, str]:
    """What makes counts comparable: whatever chooses the instructions, but for our own code."""
    from cryptography.hazmat.backends.openssl.backend import backend

    cpu = Path("/proc/cpuinfo")
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)", cpu.read_text() if cpu.exists() else "", re.MULTILINE)
    features = {"avx2", "bmi2", "aes", "sha2", "atomics"} & set(flags[0].split() if flags else ())
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "processor": " ".join([platform.machine(), *sorted(features)]),
        "libc": " ".join(platform.libc_ver()),
        # Two builds of one version differ by a tenth, and nothing but its date tells them apart.
        "python": f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.python_compiler()}, built {platform.python_build()[1]}",
        "valgrind": valgrind.strip().removeprefix("valgrind-"),
        "zxing-cpp": version("zxing-cpp"),
        "cryptography": f"{version('cryptography')}, {backend.openssl_version_text()}",
    }


def budget_of(kind: Mapping[str, str], folder: Path = BUDGETS) -> tuple[Path, dict[str, int]] | None:
    """The file with the budgets of this kind, and what they are; ``None`` when there is none."""
    for path in sorted(folder.glob("*.json")):
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["kind"] == kind:
            return path, held["instructions"]
    return None


def record(kind: Mapping[str, str], counts: Mapping[str, int], folder: Path = BUDGETS) -> Path:
    """Write the budgets of this kind, in place of those that were; the file."""
    path = place_of(kind, folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = {"kind": dict(kind), "instructions": dict(counts)}
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    return path


def place_of(kind: Mapping[str, str], folder: Path = BUDGETS) -> Path:
    """The file that holds the budgets of this kind, or would."""
    there = budget_of(kind, folder)
    if there is not None:
        return there[0]
    named = f"{platform.machine()}-python{kind['python'].split()[1].rstrip(',')}-zxing{kind['zxing-cpp']}"
    path, number = folder / f"{named}.json", 1
    while path.exists():  # of another kind that looks the same by its name
        number += 1
        path = folder / f"{named}-{number}.json"
    return path


@dataclass(frozen=True, slots=True)
class Row:
    """One count beside its budget; either may be missing."""

    name: str
    count: int | None
    budget: int | None

    @property
    def share(self) -> float | None:
        """By how much it is above its budget, negative below; ``None`` where one is missing."""
        return None if self.count is None or not self.budget else self.count / self.budget - 1

    @property
    def missed(self) -> str:
        """What is wrong, and what to do; empty where nothing is."""
        if self.budget is None:
            return "has no budget: record it"
        if self.share is None:
            return "is no longer counted: record what is"
        if self.share > TOLERANCE:
            return f"{self.share:+.1%}: undo what made it dearer, or say why in the change and record it"
        if self.share < -TOLERANCE:
            return f"{self.share:+.1%}: cheaper, well done; record it, so that it stays so"
        return ""


def compared(counts: Mapping[str, int], budgets: Mapping[str, int]) -> list[Row]:
    """Every count and every budget, once."""
    return [Row(name, counts.get(name), budgets.get(name)) for name in dict.fromkeys([*counts, *budgets])]


def apart(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """By how much two counts of the same differ, at most."""
    return max((abs(one[name] / other[name] - 1) for name in one.keys() & other.keys()), default=0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and compare or record; 1 when a count is beyond its budget, or nothing could be counted."""
    parser = argparse.ArgumentParser(
        prog="bench.budget", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the counts as this machine's budgets, instead of comparing",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to this file too")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)  # inside valgrind
    parser.add_argument("--in", type=Path, dest="folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        JOBS[options.job](options.folder)
        counting.ended()
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            counts = count(Path(folder))
            here = kind()
            if options.record:
                again = count(Path(folder))
    except CountingError as error:
        print(f"budget: {error}", file=sys.stderr)
        return 1
    keep({"kind": here, "instructions": counts}, options.json)
    if options.record:
        return recorded(here, counts, again)
    return told(here, counts)


def recorded(here: Mapping[str, str], counts: Mapping[str, int], again: Mapping[str, int]) -> int:
    """Record what two runs agree on."""
    differ = apart(counts, again)
    if counts.keys() != again.keys() or differ > REPEATS:
        print(f"budget: two runs differ by {differ:.2%}, so neither is recorded; try again", file=sys.stderr)
        return 1
    path = record(here, counts)
    show([Row(name, number, None) for name, number in counts.items()])
    print(f"recorded: {shown(path)} (two runs differed by {differ:.3%} at most); commit it with the change")
    return 0


def told(here: Mapping[str, str], counts: Mapping[str, int], folder: Path = BUDGETS) -> int:
    """Print counts beside their budgets; 1 when one is missed."""
    there = budget_of(here, folder)
    if there is None:
        show([Row(name, number, None) for name, number in counts.items()])
        some = any(folder.glob("*.json"))
        none = (
            "None of the recorded budgets is of this kind of machine"
            if some
            else "No budgets are recorded yet"
        )
        print(f"\n{none}, so nothing was compared. This machine is:")
        print("\n".join(f"  {what}: {value}" for what, value in here.items()))
        file = place_of(here, folder)
        print(f"If changes are to be checked on it, type `make budget RECORD=1`: that writes {shown(file)}.")
        return 0
    path, budgets = there
    rows = compared(counts, budgets)
    show(rows)
    missed = [row for row in rows if row.missed]
    for row in missed:
        print(f"budget: {row.name} {row.missed}", file=sys.stderr)
    if missed:
        print(
            f"budget: {len(missed)} of {len(rows)} beyond ±{TOLERANCE:.0%} of {path.name}. To see where "
            f"they go: callgrind_annotate {FILES}/JOB/callgrind.out.N; to record: make budget RECORD=1",
            file=sys.stderr,
        )
    else:
        print(f"{len(rows)} counts within {TOLERANCE:.0%} of {path.name}")
    return 1 if missed else 0


def shown(file: Path) -> Path:
    """As it is called from the project's folder."""
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


def show(rows: Sequence[Row]) -> None:
    """A table of thousands of instructions, by what is counted."""
    print(f"{'thousand instructions':52}{'counted':>10}{'budget':>10}{'':>8}")
    for row in rows:
        cells = "".join(
            f"{'-' if cell is None else f'{cell / 1000:,.0f}':>10}" for cell in (row.count, row.budget)
        )
        print(f"{row.name:52}{cells}{'' if row.share is None else f'{row.share:+8.1%}'}")


if __name__ == "__main__":
    sys.exit(main())
