"""What rules cost: compiling one, evaluating one, and ten together on one certificate.

National rules and the data of their published tests are used, and one of our own. Times are those of this
thread on the processor, which other work on the machine does not lengthen. Everything that a scan pays is
inside, reading the dates of the certificate too; compiling is not, as that is done once for a bundle.

    PYTHONPATH=tests python -m bench.rules --rounds 200 --json build/rules.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median, quantiles
from time import thread_time_ns
from typing import Any

from places import vectors_dir

from bench.told import keep
from verifier.codes import Reason
from verifier.policy.certlogic import Dialect, EvaluationError, Logic, compile_logic
from verifier.policy.values import Span

GOAL_TEN_MICROS = 500.0

# A shape of rule that our bundles have: a scheme of doses, a list with dates, an age known in part.
OWN_RULE = {
    "or": [
        {"not-after": [{"shift": [{"need": ["holder.birth"]}, 12, "year"]}, {"var": "desk.today"}]},
        {
            "and": [
                {"listed": [{"var": "event.product"}, "products", {"need": ["event.given"]}]},
                {">=": [{"need": ["event.dose"]}, {"need": ["event.doses"]}]},
                {
                    "not-after": [
                        {"shift": [{"var": "event.given"}, 14, "day"]},
                        {"var": "desk.today"},
                        {"shift": [{"var": "event.given"}, 6, "month"]},
                    ]
                },
            ]
        },
    ]
}
OWN_DATA = {
    "holder": {"birth": Span(date(2012, 1, 1), date(2012, 12, 31), Reason.DOB_PARTIAL)},
    "event": {"product": "EU/1/20/1528", "given": date(2022, 1, 3), "dose": 2, "doses": 2},
    "desk": {"today": date(2022, 3, 15), "now": datetime(2022, 3, 15, 3, tzinfo=UTC)},
    "valueSets": {"products": {"EU/1/20/1528": (date(2021, 6, 12), None)}},
}


def national(vectors: Path) -> dict[str, tuple[Any, list[Any]]]:
    """Each published rule by its name: its expression, and the data of its tests."""
    rules: dict[str, tuple[Any, list[Any]]] = {}
    for line in (vectors / "dcc-rules.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        rules.setdefault(case["id"].rpartition("/")[0], (case["logic"], []))[1].append(case["data"])
    return rules


def judge(logics: Sequence[Logic], data: Any) -> None:
    """As a bundle does: every rule is asked, and one that has no answer is one more answer."""
    for logic in logics:
        with suppress(EvaluationError):
            logic(data)


def micros(call: Callable[[], object], rounds: int) -> float:
    """The median over ``rounds`` of one call."""
    times = []
    for _ in range(rounds):
        start = thread_time_ns()
        call()
        times.append(thread_time_ns() - start)
    return median(times) / 1000


def bench(vectors: Path, rounds: int) -> Mapping[str, float]:
    """All figures, in microseconds."""
    rules = national(vectors)
    expressions = [expression for expression, _tests in rules.values()]
    compiled = {name: compile_logic(expression) for name, (expression, _tests) in rules.items()}
    single = [
        micros(lambda logic=logic, data=data: judge([logic], data), rounds)  # type: ignore[misc]
        for (logic, (_expression, tests)) in zip(compiled.values(), rules.values(), strict=True)
        for data in tests
    ]
    logics = list(compiled.values())
    certificates = [tests[0] for _expression, tests in rules.values()]
    tens = [
        micros(lambda ten=logics[at : at + 10], data=data: judge(ten, data), rounds)  # type: ignore[misc]
        for at in range(0, len(logics) - 9, 10)
        for data in certificates[at : at + 10]
    ]
    own = compile_logic(OWN_RULE, Dialect.OWN)
    return {
        "rules": len(rules),
        "compile_one": median(micros(lambda e=e: compile_logic(e), rounds) for e in expressions),  # type: ignore[misc]
        "national_one": median(single),
        "national_one_mean": sum(single) / len(single),
        "national_one_p99": quantiles(single, n=100)[-1],
        "national_one_most": max(single),
        "national_ten": median(tens),
        "national_ten_most": max(tens),
        "own_one": micros(lambda: own(OWN_DATA), rounds * 10),
    }


def main() -> int:
    """Measure and print; 1 when ten rules take longer than they may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=200, help="calls of each rule on each certificate (200)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    vectors = vectors_dir()
    if vectors is None:
        print("the published vectors are absent: set VAXGATE_VECTORS to their folder", file=sys.stderr)
        return 2
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    figures = bench(vectors, options.rounds)
    print(f"machine: {machine}; {figures['rules']} national rules, medians of {options.rounds} calls, µs\n")
    for name, said in (
        ("compiling a national rule", "compile_one"),
        ("a national rule on a certificate, median", "national_one"),
        ("    mean", "national_one_mean"),
        ("    p99", "national_one_p99"),
        ("    slowest", "national_one_most"),
        ("ten national rules on a certificate, median", "national_ten"),
        ("    slowest ten", "national_ten_most"),
        ("a rule of our own", "own_one"),
    ):
        print(f"{name:48}{figures[said]:9.1f}")
    print(f"\ngoal: ten national rules in {GOAL_TEN_MICROS:.0f}")
    keep({"machine": machine, **figures}, options.json)
    return 1 if figures["national_ten"] > GOAL_TEN_MICROS else 0


if __name__ == "__main__":
    sys.exit(main())
