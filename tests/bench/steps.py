"""What each step of a certificate's way takes, each family's whole way, and codes that are made to cost much.

Frames are 1280×720 with a certificate's code in them. Steps are timed in interleaved rounds and given as
medians. What the chain takes beside a bare signature check is measured by ``bench.chain``.

    PYTHONPATH=tests python -m bench.steps --rounds 300 --json build/steps.json
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import statistics
import sys
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from desk import Desk, vaccination
from office import FAMILIES, Office
from office import NOW as OFFICE_NOW
from PIL import Image

from appliance.picture import Luma
from appliance.reader.live import look
from bench.told import keep, progress
from issuer import qr
from issuer.keys import Algorithm
from verifier.assessment import assess
from verifier.certificate import Family
from verifier.keys import load_spki
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.trust import Domain, TrustedKey, TrustList
from verifier.verdict import Policy, decide
from verifier.wire import base45, cbor, cose, deflate, hc1

FORMATTER = argparse.RawDescriptionHelpFormatter
WIDTH, HEIGHT = 1280, 720


def frame(text: str) -> Luma:
    """A frame that shows the code of ``text`` on grey, about half as high as the frame."""
    code = qr.draw(text)
    picture = Image.new("L", (WIDTH, HEIGHT), 150)
    drawn = Image.open(io.BytesIO(code.png(scale=code.scale_for(HEIGHT * 6 // 10)))).convert("L")
    picture.paste(drawn, ((WIDTH - drawn.width) // 2, (HEIGHT - drawn.height) // 2))
    return memoryview(picture.tobytes()).cast("B", shape=(HEIGHT, WIDTH))


def steps(desk: Desk, algorithm: Algorithm) -> dict[str, Callable[[], Any]]:
    """The steps of one certificate's way, each on the result of the one before."""
    signer = desk.signer(algorithm)
    text = signer.issue(vaccination())
    picture, trust = frame(text), desk.trust
    data = base45.decode(text[4:])
    inflated = deflate.inflate(data)
    envelope = cose.decode_sign1(inflated)
    key = load_spki(signer.key.spki())
    alg = envelope.alg or 0

    def chain() -> Any:
        return decide(assess(text, trust=trust, now=desk.now), Policy(SIGNATURE_ONLY))

    found = look(picture).codes
    assert [code.text for code in found] == [text], "the bench's own frame does not read"
    assert chain().state == "PASS"
    return {
        "read the frame": lambda: look(picture),
        "base45": lambda: base45.decode(text[4:]),
        "inflate": lambda: deflate.inflate(data),
        "cbor envelope": lambda: cose.decode_sign1(inflated),
        "cbor claims": lambda: cbor.decode(envelope.payload, "claims"),
        "signature": lambda: key.verify(alg, envelope.signature, envelope.to_be_signed),
        "chain (text to Verdict)": chain,
        "whole (frame to Verdict)": lambda: (look(picture), chain()),
    }


def timed(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each piece of work, in interleaved rounds after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    order = random.Random(1)
    for number in range(rounds + 5):
        # in another order each round, so that no work always runs on what the same other has just warmed
        for name, run in order.sample(list(work.items()), len(work)):
            start = perf_counter_ns()
            run()
            if number >= 5:
                times[name].append((perf_counter_ns() - start) / 1000)
    return times


CROWD = 5_000  # keys of others in the list


def crowded(trust: TrustList) -> TrustList:
    """The same list with ``CROWD`` keys of others in it, of every domain."""
    domains = list(Domain)
    keys = []
    for number in range(CROWD):
        public = ec.derive_private_key(number + 2, ec.SECP256R1()).public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        kid = hashlib.sha256(spki).digest()[:8]
        keys.append(TrustedKey(kid=kid, spki=spki, country="XX", domain=domains[number % len(domains)]))
    return replace(trust, keys={**trust.keys, **TrustList.of(keys).keys})


def families(folder: Path) -> dict[str, dict[str, Callable[[], Any]]]:
    """The chain of each family's certificate: with its signer's key alone in the list, and with a crowd."""
    with Office(folder, seed="bench") as office:
        codes = {family: office.issue(family).code for family in FAMILIES}
        known = office.synced()
    work: dict[str, dict[str, Callable[[], Any]]] = {}
    for family, code in codes.items():
        assessed = assess(code, trust=known.trust, now=OFFICE_NOW)
        assert assessed.certificate is not None, family
        signer = assessed.certificate.key
        sealed = family is Family.VDS_NC  # its signer's key comes with the code; what is held is its CSCA
        one = replace(known.trust, keys={} if sealed else {signer.kid: (signer,)})
        crowd = crowded(one)

        def chain(code: Any = code, trust: TrustList = one) -> Any:
            return decide(assess(code, trust=trust, now=OFFICE_NOW), Policy(SIGNATURE_ONLY))

        assert chain().state == chain(trust=crowd).state == "PASS", family
        work[family] = {"one": chain, "crowd": lambda chain=chain, crowd=crowd: chain(trust=crowd)}
    return work


def hostile(desk: Desk) -> dict[str, str | bytes]:
    """Codes made to cost as much as they can."""
    signer = desk.signer(Algorithm.ES256)
    wide = {
        "ver": "1.3.0",
        "nam": {"fn": "A"},
        "dob": "",
        "v": [{"dn": 1, **{str(n): "x" * 40 for n in range(900)}}],
    }
    return {
        "10 MB of text": "HC1:" + "A" * 10_000_000,
        "longest code, no zlib": "HC1:" + "6BF" * 1430,
        "deflate bomb": hc1.PREFIX + base45.encode(zlib.compress(bytes(3_000_000), 9)),
        "nested 1000 deep": hc1.pack(b"\x81" * 1000 + b"\x01"),
        "many members, signed": signer.issue(wide),
        "16 keys of one KID": desk.signer(Algorithm.ES256, "x", listed=False, kid=b"crowded!").issue(
            vaccination()
        ),
    }


def worst(desk: Desk) -> dict[str, dict[str, Any]]:
    """Milliseconds of each hostile code, the most memory that it made us hold at once, and what came out."""
    for number in range(16):
        desk.signer(Algorithm.ES256, f"crowd {number}", kid=b"crowded!")
    rows: dict[str, dict[str, Any]] = {}
    for name, code in hostile(desk).items():
        spent = []
        for _ in range(5):
            start = perf_counter_ns()
            verdict = desk.judged(code).verdict
            spent.append((perf_counter_ns() - start) / 1e6)
        tracemalloc.start()  # only now: it slows
        desk.judged(code)
        held = tracemalloc.get_traced_memory()[1] / 1024
        tracemalloc.stop()
        reasons = [found.code for found in verdict.reasons]
        rows[name] = {"ms": max(spent), "held KiB": held, "state": verdict.state, "reasons": reasons}
    return rows


def measure(rounds: int = 300) -> dict[str, Any]:
    """Medians in microseconds: of each step by algorithm, and of each family; and the worst codes."""
    figures: dict[str, Any] = {"rounds": rounds, "steps": {}, "families": {}}
    for number, algorithm in enumerate(Algorithm):
        for step, times in timed(steps(Desk(), algorithm), rounds).items():
            figures["steps"].setdefault(step, {})[algorithm.value] = statistics.median(times)
        progress("algorithms", number + 1, len(Algorithm))
    with tempfile.TemporaryDirectory() as folder:
        work_by_family = families(Path(folder))
    times = timed(
        {f"{name} {which}": run for name, runs in work_by_family.items() for which, run in runs.items()},
        rounds,
    )
    for family in work_by_family:
        one, crowd = (statistics.median(times[f"{family} {which}"]) for which in ("one", "crowd"))
        figures["families"][family] = {"one": one, "crowd": crowd, "ratio": crowd / one}
    return figures | {"worst": worst(Desk())}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=FORMATTER)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures = measure(options.rounds)
    print(f"{options.rounds} interleaved rounds; medians in microseconds\n")
    print(f"{'step':28}" + "".join(f"{algorithm.value:>10}" for algorithm in Algorithm))
    for step, medians in figures["steps"].items():
        print(f"{step:28}" + "".join(f"{median:10.1f}" for median in medians.values()))
    print(f"\neach family, text to Verdict: one key in the list, and {CROWD:,} more")
    for family, row in figures["families"].items():
        print(f"  {family:8}{row['one']:10.1f}{row['crowd']:10.1f}   crowd / one {row['ratio']:.3f}")
    print("\nworst codes: milliseconds of one, and the most that it made us hold at once in KiB")
    for name, row in figures["worst"].items():
        said = " ".join([row["state"], *row["reasons"]])
        print(f"  {name:24}{row['ms']:8.2f} ms {row['held KiB']:8.0f} KiB  {said}")
    keep(figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
