"""From text to Verdict against a bare P-256 verification, per second of one core, with all that a desk asks.

Every certificate is judged once in a round and is another one than the last: other holders, identifiers and
days, signed by ``SIGNERS`` keys of as many countries. Three ways of judging are measured by turns with a bare
check of ``cryptography`` and, where it is installed, with ``openssl speed``, all bound to one core:

    chain                   signature alone: a bundle without rules, no revocation list
    chain, revocation       ten million entries for each kind of a certificate's entries, not one of them hit
    chain, all              and thirteen national rules of the published vectors, every one asked and met

Times are of this thread on the processor, as ``openssl speed`` counts its own, so that other work on the
machine lengthens none of them. A share is a bare check's time by the chain's; of the turns the median counts.

    PYTHONPATH=tests python -m bench.chain --turns 7 --json build/chain.json
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import thread_time_ns
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from desk import NOW, Desk, person, vaccination
from places import vectors_dir

from appliance.judging import Basis, judge
from bench.revocation import EXPIRES, write_entries
from bench.told import keep
from issuer.keys import Algorithm
from trustsync.revocation import open_revocation
from trustsync.segments import SegmentRecord, segment_path
from verifier import checks
from verifier.assessment import assess
from verifier.certificate import Family
from verifier.countries import ALL as ALL_COUNTRIES
from verifier.families import FORMS, read
from verifier.keys import load_spki
from verifier.opening import open_code
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.context import Context
from verifier.policy.rule_import import bundles_of_cases
from verifier.reasons import State
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import HashKind, Revocation, TrustList, country_scope
from verifier.verdict import decide
from verifier.wire import base45, cose, deflate

GOAL_CHAIN, GOAL_ALL = 0.60, 0.50
SIGNERS, CERTIFICATES = 24, 600
RULES, PUBLISHERS = 13, ("FR", "CH")  # in whose order rules of a vaccination are taken until there are enough
ENTRIES = 10_000_000
CHAIN, REVOCATION, ALL, BARE, SPEED = (
    "chain", "chain, revocation", "chain, all", "bare check (cryptography)", "openssl speed",
)  # fmt: skip
_PRODUCTS = (("EU/1/20/1528", "ORG-100030215"), ("EU/1/20/1507", "ORG-100031184"))

Work = Callable[[], object]


@dataclass(frozen=True)
class Rig:
    """Certificates, and what they are judged by."""

    texts: list[str]
    countries: list[str]
    trust: TrustList
    context: Context
    rules: RuleBundle | None

    def basis(self, bundle: RuleBundle, revocation: Revocation | None = None) -> Basis:
        """What a desk in ``context`` judges by."""
        trust = self.trust if revocation is None else replace(self.trust, revocation=revocation)
        return Basis(trust, (bundle,), NOW, context=self.context)


def rig() -> Rig:
    """Certificates of many issuers, and their keys in the list with the word that they count here."""
    desk, texts = Desk(), []
    countries = list(ALL_COUNTRIES[:: len(ALL_COUNTRIES) // SIGNERS][:SIGNERS])
    signers = [desk.signer(Algorithm.ES256, country, country=country) for country in countries]
    for number in range(CERTIFICATES):
        country, (product, maker) = countries[number % SIGNERS], _PRODUCTS[number % 2]
        born = date(1940, 1, 1) + timedelta(days=37 * number)
        name = {"fn": f"Nguyễn {number}", "gn": "Bảo Duy", "fnt": "NGUYEN", "gnt": "BAO<DUY"}
        payload = vaccination(
            person(dob=born.isoformat(), nam=name),
            co=country,
            mp=product,
            ma=maker,
            dt=(NOW.date() - timedelta(days=30 + number % 90)).isoformat(),
            ci=f"URN:UVCI:01:{country}:{number:032X}#A",
        )
        texts.append(signers[number % SIGNERS].issue(payload, iss=country))
    known = Recognition(tuple(RecognisedIssuer(each, None, RecognitionClass.OFFICIAL) for each in countries))
    rules = national_rules()
    arrival = "VN" if rules is None else next(iter(rules.scope.countries))
    unlisted = open_revocation([], Path, expires=EXPIRES)
    trust = replace(desk.trust, recognition=known, revocation=unlisted)
    return Rig(texts, countries, trust, Context(country=arrival), rules)


def national_rules() -> RuleBundle | None:
    """Published rules that are asked of a vaccination, as one country's; ``None`` without the vectors."""
    folder = vectors_dir()
    if folder is None:
        return None
    lines = (folder / "dcc-rules.jsonl").read_text(encoding="utf-8").splitlines()
    published = {next(iter(each.scope.countries)): each for each in bundles_of_cases(map(json.loads, lines))}
    first = published[PUBLISHERS[0]]
    rules = [
        replace(rule, national=replace(rule.national, country=PUBLISHERS[0]))
        for country in PUBLISHERS
        for rule in published[country].rules
        if rule.national is not None and rule.national.certificate in ("General", "Vaccination")
    ]
    return replace(first, rules=tuple(rules[:RULES]), tests=())


def revocation(folder: Path, countries: Sequence[str]) -> Revocation:
    """Ten million entries of each kind in one file, listed for every country."""
    file = folder / "entries"
    count = write_entries(file, ENTRIES, 0).count
    kinds = (HashKind.UCI, HashKind.COUNTRYCODEUCI, HashKind.SIGNATURE)
    records = [
        SegmentRecord(segment_path(scope, kind), scope, kind, count)
        for scope in map(country_scope, countries)
        for kind in kinds
    ]
    return open_revocation(records, lambda _path: file, expires=EXPIRES)


def judging(texts: Sequence[str], basis: Basis) -> Work:
    """Judging every certificate once, each of which passes."""
    odd = [verdict for text in texts if (verdict := judge(text, basis).verdict).state is not State.PASS]
    assert not odd, odd[0].reasons
    return each(lambda text: judge(text, basis), texts)


def each(step: Callable[[Any], object], subjects: Sequence[Any]) -> Work:
    """A step over all its subjects."""

    def work() -> None:
        for subject in subjects:
            step(subject)

    return work


def bare_checks(rig: Rig) -> Work:
    """The signatures of all certificates by loaded keys, in DER made beforehand: nothing round them."""
    ecdsa, asked = ec.ECDSA(hashes.SHA256()), []
    for text in rig.texts:
        envelope = open_code(text).envelope
        assert envelope is not None
        assert envelope.kid is not None
        key, raw = load_spki(rig.trust.keys[envelope.kid][0].spki).native, envelope.signature
        assert isinstance(key, ec.EllipticCurvePublicKey)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        asked.append((key.verify, der, envelope.to_be_signed))

    def work() -> None:
        for verify, der, message in asked:
            verify(der, message, ecdsa)

    return work


def steps(rig: Rig, basis: Basis) -> dict[str, Work]:
    """The steps of the way of every certificate, each on the result of the one before.

    What ``assess`` and ``decide`` take contains what is shown indented below them.
    """
    compressed = [base45.decode(text[4:]) for text in rig.texts]
    inflated = [deflate.inflate(data) for data in compressed]
    opened = [open_code(text) for text in rig.texts]
    envelopes = [code.envelope for code in opened if code.envelope is not None]
    form = FORMS[Family.HC1]
    claims = [form.decode(envelope) for envelope in envelopes]
    trust, now = basis.trust, basis.now
    assessed = [assess(code, trust=trust, now=now) for code in opened]
    proven = [each.certificate for each in assessed if each.certificate is not None]
    signed = [(load_spki(one.key.spki), env) for one, env in zip(proven, envelopes, strict=True)]
    told = list(zip(map(read, claims), claims, signed, proven, strict=True))

    def revoked(one: Any) -> object:
        payload, said, (key, envelope), certificate = one
        entries = checks.revocation_entries(payload, said.issuer, envelope.signature, key)
        return checks.revocation_findings(
            entries, checks.scopes_of(certificate.key), trust, said.issued_at, now
        )

    return {
        "open_code": each(open_code, rig.texts),
        "    base45": each(base45.decode, [text[4:] for text in rig.texts]),
        "    inflate": each(deflate.inflate, compressed),
        "    COSE_Sign1": each(cose.decode_sign1, inflated),
        "assess": each(lambda code: assess(code, trust=trust, now=now), opened),
        "    signature": each(
            lambda one: one[0].verify(one[1].alg, one[1].signature, one[1].to_be_signed), signed
        ),
        "    claims": each(form.decode, envelopes),
        "    payload": each(read, claims),
        "    revocation": each(revoked, told),
        "decide": each(lambda one: decide(one, basis.policy(one)), assessed),
        "    policy": each(basis.policy, assessed),
    }


def openssl_speed(core: int) -> float | None:
    """Microseconds of one P-256 verification by ``openssl speed`` on a core; None where there is none."""
    if shutil.which("openssl") is None:
        return None
    command = ["openssl", "speed", "-seconds", "1", "-mr", "ecdsap256"]
    output = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=lambda: bind(core)
    ).stdout
    match = re.search(r"^\+F\d+:\d+:256:[\d.]+:([\d.]+)", output, re.MULTILINE)
    return 1e6 / float(match.group(1)) if match and float(match.group(1)) > 1 else None


def bind(core: int) -> None:
    """Stay on one core, where the system can be asked to."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def turns(work: dict[str, Work], number: int, core: int) -> list[dict[str, float]]:
    """Microseconds for one certificate, of every piece of work and of ``openssl speed`` in each turn."""
    taken = []
    for turn in range(number + 1):
        took: dict[str, float] = {}
        for name, run in work.items():
            start = thread_time_ns()
            run()
            took[name] = (thread_time_ns() - start) / 1000 / CERTIFICATES
        speed = openssl_speed(core) if turn else None
        if speed is not None:
            took[SPEED] = speed
        taken.append(took)
    return taken[1:]  # the first one warms up


def main() -> int:
    """Measure and print; with ``--strict`` 1 when a share lies below its goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=7, help="of all work, one after another (7)")
    parser.add_argument("--folder", type=Path, help="for 80 MB of entries (the system's temporary one)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures = measure(options.turns, options.folder)
    missed = told(figures)
    keep(figures, options.json)
    return 1 if missed and options.strict else 0


def measure(number: int, folder: Path | None = None) -> dict[str, Any]:
    """Microseconds of each piece of work, and the shares of the chains: medians of so many turns.

    folder: for the entries. ``micros`` holds the units, the chains, and the steps of the last one; ``shares``
    the share of each chain of each unit.
    """
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    bind(core)
    made = rig()
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        print("writing entries ...", file=sys.stderr)
        listed = revocation(Path(temporary), made.countries)
        chains = {
            CHAIN: judging(made.texts, made.basis(SIGNATURE_ONLY)),
            REVOCATION: judging(made.texts, made.basis(SIGNATURE_ONLY, listed)),
        }
        whole = made.basis(SIGNATURE_ONLY if made.rules is None else made.rules, listed)
        if made.rules is not None:
            chains[ALL] = judging(made.texts, whole)
        parts = steps(made, whole)
        gc.collect()
        gc.freeze()  # the certificates that wait here would make every collection longer than at a desk
        taken = turns({BARE: bare_checks(made)} | chains | parts, number, core)
        gc.unfreeze()
    micros = {name: median(took[name] for took in taken) for name in taken[0]}
    units = [name for name in (BARE, SPEED) if name in micros]
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "turns": number,
        "certificates": CERTIFICATES,
        "micros": {name: micros[name] for name in (*units, *chains, *parts)},
        "shares": {
            name: {unit: median(took[unit] / took[name] for took in taken) for unit in units}
            for name in chains
        },
    }


def told(figures: dict[str, Any]) -> list[str]:
    """Print the figures; whose share lies below its goal."""
    micros, shares = figures["micros"], figures["shares"]
    print(f"machine: {figures['machine']}; {CERTIFICATES} certificates; median of {figures['turns']} turns\n")
    units = list(shares[CHAIN])
    print(f"{'':28}{'µs':>8}" + "".join(f"{'of ' + unit:>30}" for unit in units))
    for name in (*units, *shares):
        row = "".join(f"{shares[name][unit]:30.3f}" for unit in units) if name in shares else ""
        print(f"{name:28}{micros[name]:8.1f}{row}")
    whole = list(shares)[-1]
    print(f"\n{'step of ' + repr(whole):28}{'µs':>8}{'share':>8}")
    for name in [name for name in micros if name not in shares and name not in units]:
        print(f"{name:28}{micros[name]:8.1f}{micros[name] / micros[whole]:8.1%}")
    unit = units[-1]
    goals = {CHAIN: GOAL_CHAIN, ALL: GOAL_ALL}
    missed = [name for name, goal in goals.items() if name in shares and shares[name][unit] < goal]
    print(f"\ngoals: {CHAIN} {GOAL_CHAIN}, {ALL} {GOAL_ALL} of {unit}; missed: {', '.join(missed) or 'none'}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
