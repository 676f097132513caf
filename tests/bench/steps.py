"""``make bench``: what each step takes, and the chain against a bare signature check, in one run.

Frames are 1280×720 with a certificate's code in them. Steps are timed in interleaved rounds and given as
medians; ratios are between figures of the same run, because a shared machine's absolute times drift.

    PYTHONPATH=tests python -m bench.steps --rounds 300 --json build/bench.json
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from desk import Desk, reopened, vaccination
from office import FAMILIES, Office
from office import NOW as OFFICE_NOW
from PIL import Image

from appliance.picture import Luma
from appliance.scanner import look
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


def bare_check(desk: Desk) -> Callable[[], Any]:
    """OpenSSL's own ES256 verification: a loaded key, a DER signature, nothing round it."""
    signer = desk.signer(Algorithm.ES256)
    envelope, _ = reopened(signer.issue(vaccination()))
    key = load_spki(signer.key.spki()).native
    assert isinstance(key, ec.EllipticCurvePublicKey)
    raw, message, ecdsa = envelope.signature, envelope.to_be_signed, ec.ECDSA(hashes.SHA256())
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return lambda: key.verify(der, message, ecdsa)


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


def openssl_speed() -> float | None:
    """Microseconds of one P-256 verification by the machine's ``openssl speed``; None where there is none."""
    if shutil.which("openssl") is None:
        return None
    command = ["openssl", "speed", "-seconds", "1", "-mr", "ecdsap256"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    match = re.search(r"^\+F\d+:\d+:256:[\d.]+:([\d.]+)", output, re.MULTILINE)
    return 1e6 / float(match.group(1)) if match and float(match.group(1)) > 1 else None


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


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=FORMATTER)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"machine: {machine}; {options.rounds} interleaved rounds; medians in microseconds\n")
    result: dict[str, Any] = {"machine": machine, "rounds": options.rounds, "steps": {}}

    columns: dict[str, dict[str, list[float]]] = {}
    for algorithm in Algorithm:
        desk = Desk()
        work = steps(desk, algorithm) | {"bare ES256 check (OpenSSL)": bare_check(desk)}
        columns[algorithm.value] = timed(work, options.rounds)
    print(f"{'step':28}" + "".join(f"{name:>10}" for name in columns))
    for step in next(iter(columns.values())):
        medians = [statistics.median(times[step]) for times in columns.values()]
        result["steps"][step] = dict(zip(columns, medians, strict=True))
        print(f"{step:28}" + "".join(f"{median:10.1f}" for median in medians))

    es256 = {step: statistics.median(times) for step, times in columns["ES256"].items()}
    chain, bare = es256["chain (text to Verdict)"], es256["bare ES256 check (OpenSSL)"]
    speed = openssl_speed()
    result |= {"chain_to_bare": chain / bare, "openssl_speed_us": speed}
    print(f"\nchain without picture / bare signature check, ES256, same run: {chain / bare:.2f}")
    if speed:
        result["chain_to_openssl_speed"] = chain / speed
        print(f"chain without picture / `openssl speed` P-256 verify ({speed:.1f} us): {chain / speed:.2f}")

    print(f"\neach family, text to Verdict: one key in the list, and {CROWD:,} more; microseconds, one run")
    with tempfile.TemporaryDirectory() as folder:
        work_by_family = families(Path(folder))
    result["families"] = {}
    everything = {f"{f} {w}": run for f, runs in work_by_family.items() for w, run in runs.items()}
    times = timed(everything, options.rounds)
    for family in work_by_family:
        one, crowd = (statistics.median(times[f"{family} {which}"]) for which in ("one", "crowd"))
        result["families"][family] = {"one_us": one, "crowd_us": crowd, "ratio": crowd / one}
        print(f"  {family:8}{one:10.1f}{crowd:10.1f}   crowd / one {crowd / one:.3f}")

    print("\nworst codes: milliseconds of one, and the process's growth so far in MiB")
    desk = Desk()
    for number in range(16):
        desk.signer(Algorithm.ES256, f"crowd {number}", kid=b"crowded!")
    codes = hostile(desk)
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["worst"] = {}
    for name, code in codes.items():
        spent = []
        for _ in range(5):
            start = perf_counter_ns()
            verdict = desk.judged(code).verdict
            spent.append((perf_counter_ns() - start) / 1e6)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024
        result["worst"][name] = {"ms": max(spent), "grown_mib": grown, "state": verdict.state}
        reasons = " ".join(found.code for found in verdict.reasons)
        print(f"  {name:24}{max(spent):8.2f} ms {grown:8.1f} MiB  {verdict.state} {reasons}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
        print(f"\nfigures as JSON: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
