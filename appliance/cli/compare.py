"""Answers held against what a case expects: a table suite × check, and each difference by name.

A difference that we stand by is listed as such with its reason and does not count as one: the only kind so
far is a code whose algorithm stands outside the protected header, which anybody may rewrite.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from appliance.cli.cases import Case
from verifier.certificate import Family
from verifier.reading import Checks
from verifier.reasons import Reason
from verifier.steps import LOOSE_ALG

# Keys of `expect` that a check of the same name answers.
CHECKS = tuple(each.name for each in fields(Checks))

_OTHER = "another object"


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
        suite = str(case.line.get("suite") or str(case.identity).split("/", 1)[0])
        for key, wanted in case.expect.items():
            if key == "picture_text":
                continue  # part of `picture`
            got, agrees = self._answer(key, wanted, answer, case)
            if agrees is None:
                self.counts[suite, key, "not asserted"] += 1
            elif agrees:
                self.counts[suite, key, "agree"] += 1
            elif key in ("signature", "valid") and _loose(answer):
                self.counts[suite, key, "on purpose"] += 1
                self.on_purpose.append(f"{case.identity}: {key} is {got}, recorded {wanted}: {LOOSE_ALG}")
            else:
                self.counts[suite, key, "differ"] += 1
                # a whole document is long, and somebody's data
                expected = "the recorded one" if got is _OTHER else wanted
                self.differences.append(f"{case.identity}: {key} is {got}, expected {expected}")

    @staticmethod
    def _answer(key: str, wanted: Any, answer: Mapping[str, Any], case: Case) -> tuple[Any, bool | None]:
        """What was answered to one key of `expect`, and whether it agrees; ``None``: no check answers it."""
        if key in CHECKS and isinstance(wanted, bool):
            got = answer.get("checks", {}).get(key)  # a case that holds keys alone has none
            if key == "picture" and got is None:
                return None, None  # no picture was read: there is none, or none was asked for
            return got, got is wanted
        if key == "valid":
            # upstream's overall word: we agree when we call good what they do, and refuse what they refuse
            return answer.get("state"), (answer.get("state") == "PASS") is bool(wanted)
        if key in ("json", "credential"):
            return _OTHER, same(answer.get("claims"), wanted)
        if key == "payload" and isinstance(wanted, Mapping):
            # recorders leave out what JSON cannot say (the 16 bytes of an identifier)
            got = answer.get("payload") or answer.get("claims") or {}
            return _OTHER, same({name: got.get(name) for name in wanted}, wanted)
        if key == "type":
            header = (answer.get("claims") or {}).get("hdr")
            got = header.get("t") if isinstance(header, Mapping) else None
            return got, got == wanted
        if key in ("expired", "not_yet_valid") and isinstance(wanted, bool):
            got = _against_clock(key, answer, case)
            return got, None if got is None else got is wanted
        if key == "reject_as_eu_dcc":
            rejected = answer.get("family") != Family.HC1 or answer.get("state") != "PASS"
            return rejected, rejected is wanted
        if key == "accept":
            return answer.get("accept"), answer.get("accept") is wanted
        if key == "either":
            return answer.get("state"), True  # accept or refuse, but answer
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


def _against_clock(key: str, answer: Mapping[str, Any], case: Case) -> bool | None:
    """Whether the document was over, or had not begun, at the case's clock; ``None`` where one of them is
    absent.
    """
    end = answer.get("expires_at" if key == "expired" else "issued_at")
    if end is None or case.clock is None:
        return None
    limit = datetime.fromisoformat(end)
    return limit < case.clock if key == "expired" else limit > case.clock


def _loose(answer: Mapping[str, Any]) -> bool:
    """Whether the code was refused because its algorithm stands outside the protected header."""
    return any(
        r["code"] == Reason.ALG_REFUSED and r["detail"] == LOOSE_ALG for r in answer.get("reasons", ())
    )


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
