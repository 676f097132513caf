"""Answers held against what a case expects: a table suite × check, and each difference by name.

A difference that we stand by is listed as such with its reason and does not count as one: the only kind so
far is a code whose algorithm stands outside the protected header, which anybody may rewrite.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from appliance.cli.cases import Case
from verifier.assessment import LOOSE_ALG
from verifier.reasons import Reason

# A key of `expect` and the check that answers it.
CHECKS = ("picture", "decode", "signature", "time_valid", "key_usage", "schema", "chain", "revoked")


@dataclass(slots=True)
class Comparison:
    """What was compared so far.

    counts: (suite, check, agree | differ | on purpose | not asserted) → how many. differences, on_purpose:
    a line for each.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    on_purpose: list[str] = field(default_factory=list)

    def add(self, case: Case, answer: Mapping[str, Any]) -> None:
        """Hold one answer against its case."""
        suite = str(case.line.get("suite") or case.identity.split("/", 1)[0])
        for key, wanted in case.expect.items():
            if key == "picture_text":
                continue  # part of `picture`
            got, agrees = self._answer(key, wanted, answer)
            if agrees is None:
                self.counts[suite, key, "not asserted"] += 1
            elif agrees:
                self.counts[suite, key, "agree"] += 1
            elif key in ("signature", "valid") and _loose(answer):
                self.counts[suite, key, "on purpose"] += 1
                self.on_purpose.append(f"{case.identity}: {key} is {got}, recorded {wanted}: {LOOSE_ALG}")
            else:
                self.counts[suite, key, "differ"] += 1
                self.differences.append(f"{case.identity}: {key} is {got}, expected {wanted}")

    @staticmethod
    def _answer(key: str, wanted: Any, answer: Mapping[str, Any]) -> tuple[Any, bool | None]:
        """What was answered to one key of `expect`, and whether it agrees; ``None``: no check answers it."""
        if key in CHECKS and isinstance(wanted, bool):
            got = answer["checks"][key]
            if key == "picture" and got is None:
                return None, None  # no picture was read: there is none, or none was asked for
            return got, got is wanted
        if key == "valid":
            # upstream's overall word: we agree when we call good what they do, and refuse what they refuse
            return answer["state"], (answer["state"] == "PASS") is bool(wanted)
        if key == "json":
            return "another object", same(answer.get("claims"), wanted)
        return None, None

    @property
    def compared(self) -> int:
        """How many expectations were answered."""
        return sum(count for (_, _, result), count in self.counts.items() if result != "not asserted")

    def table(self) -> str:
        """The table as Markdown."""
        rows = sorted({(suite, check) for suite, check, _ in self.counts})
        lines = [
            "| suite | check | agree | differ | on purpose | not asserted |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        for suite, check in rows:
            numbers = (
                self.counts[suite, check, r] for r in ("agree", "differ", "on purpose", "not asserted")
            )
            lines.append(f"| {suite} | {check} | " + " | ".join(map(str, numbers)) + " |")
        return "\n".join(lines)


def _loose(answer: Mapping[str, Any]) -> bool:
    """Whether the code was refused because its algorithm stands outside the protected header."""
    return any(r["code"] == Reason.ALG_REFUSED and r["detail"] == LOOSE_ALG for r in answer["reasons"])


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values say the same: 1.0 is 1, an instant is one in any offset, texts after NFC."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, str) and isinstance(right, str):
        return unicodedata.normalize("NFC", left) == unicodedata.normalize("NFC", right) or _instants(
            left, right
        )
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _instants(left: str, right: str) -> bool:
    try:
        one, other = datetime.fromisoformat(left), datetime.fromisoformat(right)
    except ValueError:
        return False
    if (one.tzinfo is None) != (other.tzinfo is None):
        return False
    return abs(one - other) < timedelta(seconds=1)  # some recorders cut the fraction off
