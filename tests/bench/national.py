"""What national rules cost at the desk: ten imported rules on one certificate, against one verify of P-256.

Everything that a scan pays is inside: the certificate's view, the data beside it, the selection of the rules,
their answers and what the "why?" screen needs. Compiling is not, as that is done once for a bundle. Times are
those of this thread on the processor, taken in turn with the verify, so that a busy machine slows both.

    PYTHONPATH=tests python -m bench.national --rounds 2000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from time import thread_time_ns
from typing import Any

from desk import Desk, reopened, vaccination
from places import vectors_dir
from published import WAITED_14_DAYS, WHOLE_COURSE, bundle, rule

from appliance.judging import Basis, judge
from bench.told import keep
from issuer.keys import Algorithm
from verifier.keys import load_spki
from verifier.policy.bundle import RuleBundle
from verifier.policy.context import Context
from verifier.policy.judging import Answer, Ruled, Shown, compiled
from verifier.policy.national import rule_nationally
from verifier.policy.rule_import import bundles_of_cases
from verifier.times import time_bounds

GOAL_TEN_MICROS = 500.0
TEN = 10


def bundles() -> list[RuleBundle]:
    """Of each country that published ten rules for a vaccination those; and ten of our own writing."""
    published: tuple[RuleBundle, ...] = ()
    folder = vectors_dir()
    if folder is not None:
        lines = (folder / "dcc-rules.jsonl").read_text(encoding="utf-8").splitlines()
        published = bundles_of_cases(map(json.loads, lines))
    shapes = [WHOLE_COURSE, WAITED_14_DAYS] * (TEN // 2)
    own = bundle(*[rule(f"VR-XW-{number:04d}", logic) for number, logic in enumerate(shapes)])
    return [each for each in published if len(ruled_by(each)().rulings) >= TEN] + [own]


def ruled_by(rules: RuleBundle) -> Callable[[], Ruled]:
    """Judging one really signed vaccination by these rules, again and again."""
    desk = Desk()
    assert desk.now is not None
    context = Context(country=next(iter(rules.scope.countries)))
    code = desk.signer().issue(vaccination())
    judgement = judge(code, Basis(desk.trust, (rules,), desk.now, context=context))
    certificate = judgement.assessment.certificate
    assert certificate is not None
    time = time_bounds(desk.now, None, None, judgement.assessment.time.zone)
    book = compiled(rules, time.zone)
    shown = [Shown(certificate)]
    return lambda: rule_nationally(shown, book, context, time)


def verifying() -> Callable[[], object]:
    """One verify of ES256 over a certificate's bytes, the unit in which costs are told."""
    signer = Desk().signer()
    envelope, _ = reopened(signer.issue(vaccination()))
    key = load_spki(signer.key.spki())
    return lambda: key.verify(Algorithm.ES256.cose, envelope.signature, envelope.to_be_signed)


def measured(rules: RuleBundle, verify: Callable[[], object], rounds: int) -> dict[str, Any]:
    """Medians of ten rules and of a verify, by turns."""
    ask = ruled_by(rules)
    of_rules, of_verify = [], []
    for _ in range(rounds):
        start = thread_time_ns()
        ask()
        between = thread_time_ns()
        verify()
        of_rules.append((between - start) / 1000)
        of_verify.append((thread_time_ns() - between) / 1000)
    ruled = ask()
    ten, one = median(of_rules), median(of_verify)
    return {
        "bundle": rules.name,
        "asked": len(ruled.rulings),
        "met": sum(each.answer is Answer.MET for each in ruled.rulings),
        "micros": round(ten, 1),
        "p95": round(quantiles(of_rules, n=20)[-1], 1),
        "verify": round(one, 1),
        "ratio": round(ten / one, 2),
    }


def main() -> int:
    """Measure every bundle of ten; 1 when a median lies above the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    verify = verifying()
    assert verify()
    rows = [measured(each, verify, options.rounds) for each in bundles()]
    for row in rows:
        print(
            f"{row['bundle']:12} {row['asked']:3} rules, {row['met']} met: median {row['micros']:6.1f} us, "
            f"p95 {row['p95']:6.1f} us; P-256 verify {row['verify']:6.1f} us; ratio {row['ratio']:.2f}"
        )
    keep({"goal": GOAL_TEN_MICROS, "rows": rows}, options.json)
    return int(any(row["micros"] > GOAL_TEN_MICROS for row in rows))


if __name__ == "__main__":
    sys.exit(main())
