"""Why a result is as it is, on one screen: the rules, what they compared, and what they said.

The rules this module keeps:

* People and machines get the same facts, in both languages.
* What a result rests on comes first. Ways that were looked at and not taken come after it.
* A value is a text of a document: it is shown as a stranger's. It is computed when somebody asks, and kept
  nowhere.

    facts = why_facts(verdict, zone)
    facts["state"], facts["bundle"]["version"], facts["rules"][0]["values"]
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from appliance.kiosk.facts import of_verdict
from appliance.kiosk.plain import Facts, plain
from appliance.kiosk.why_texts import ANSWERS
from verifier.policy.explain import explained
from verifier.verdict import Verdict

MAX_RULES = 24  # the rest is said in a number: nobody reads more on one screen
MAX_VALUE = 60


def why_facts(verdict: Verdict, zone: tzinfo) -> Facts:
    """How this result came about. left: how many more rules were asked."""
    said = of_verdict(verdict, zone=zone)
    rows = sorted((_row(each) for each in explained(verdict, zone)), key=lambda row: not row["used"])
    names = ("state", "sign", "word", "headline", "reasons", "duties", "bundle", "order", "ways")
    return {
        **{name: said[name] for name in names},
        "rules": rows[:MAX_RULES],
        "left": max(0, len(rows) - MAX_RULES),
    }


def _row(row: Facts) -> Facts:
    answer = row["answer"]
    return {
        **row,
        "word": ANSWERS[answer],
        "values": [{**each, **_plain(each)} for each in row["values"]],
    }


def _plain(value: dict[str, Any]) -> dict[str, str]:
    return {language: plain(str(value[language]), MAX_VALUE) for language in ("vi", "en")}
