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

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from appliance.kiosk.facts import of_verdict
from appliance.kiosk.paper_texts import DISEASES, PRODUCTS, RESULTS, TEST_KINDS, Words
from appliance.kiosk.plain import Facts, plain
from appliance.kiosk.why_texts import ANSWERS
from verifier.policy.explain import explained
from verifier.verdict import Verdict

MAX_RULES = 24  # the rest is said in a number: nobody reads more on one screen
MAX_VALUE = 60
_CODES: Mapping[str, Words] = {"event.test": TEST_KINDS, "event.result": RESULTS, "event.disease": DISEASES}


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
        "values": [{**each, **_said(each)} for each in row["values"]],
    }


def _said(value: dict[str, Any]) -> dict[str, str]:
    """A value in words; a code that a table has a name for has its name beside it."""
    texts = {language: plain(str(value[language]), MAX_VALUE) for language in ("vi", "en")}
    code = texts["en"]
    if value["name"] == "event.product" and code in PRODUCTS:
        return dict.fromkeys(texts, f"{PRODUCTS[code]} ({code})")
    words = _CODES.get(value["name"], {}).get(code)
    return texts if words is None else {language: f"{words[language]} ({code})" for language in texts}
