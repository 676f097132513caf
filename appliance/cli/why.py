"""The way of a result through its rules, as lines for people: in Vietnamese, in English, or in both.

The rules this module keeps:

* A line of a rule shows its answer by a sign and a word; colour is the terminal's affair.
* What a result rests on comes with its values; a way that was looked at and not taken is one line.

    print("\\n".join(lines_of(explained(verdict), ("vi", "en"))))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from appliance.cli.answer import readable

LANGUAGES = ("vi", "en")
_ANSWERS = {
    "true": ("✓", {"vi": "đúng", "en": "true"}),
    "false": ("✗", {"vi": "sai", "en": "false"}),
    "unknown": ("?", {"vi": "chưa rõ", "en": "unknown"}),
}
_WORDS = {
    "unused": {"vi": "không dùng", "en": "not taken"},
    "order": {"vi": "lệnh của chốt", "en": "order of the post"},
    "none": {"vi": "không có quy tắc nào được áp dụng", "en": "no rules were applied"},
}


def lines_of(rows: Iterable[Mapping[str, Any]], languages: Sequence[str] = LANGUAGES) -> list[str]:
    """The rows of :func:`verifier.policy.explain.explained` as lines, without an indent before the first."""
    lines: list[str] = []
    head: Any = None
    for row in rows:
        if (begin := (row["bundle"], row["version"], row["order"])) != head:
            head = begin
            order = f" ({_both(_WORDS['order'], languages)})" if row["order"] else ""
            lines.append(f"{row['bundle']} {row['version']}{order}: {_both(row['title'], languages)}")
            place: Any = None
        if (here := _place(row)) != place:
            place = here
            if here:
                lines.append(f"  {here}: {_both((row['branch'] or row['requirement'])['texts'], languages)}")
        lines += _rule(row, languages)
    return lines or [_both(_WORDS["none"], languages)]


def _rule(row: Mapping[str, Any], languages: Sequence[str]) -> list[str]:
    sign, word = _ANSWERS[row["answer"]]
    name = "" if row["rule"] is None else f"{row['rule']} {row['rule_version']}: "
    reason = f" [{row['reason']['code']}]" if row["reason"] else ""
    said = _both(word, languages)
    unused = "" if row["used"] else f" ({_both(_WORDS['unused'], languages)})"
    lines = [f"    {sign} {name}{_both(row['texts'], languages)} = {said}{reason}{unused}"]
    if row["used"]:
        lines += [
            f"        {_both(value['label'], languages)}: {_both(value, languages)}"
            for value in row["values"]
        ]
    return lines


def _place(row: Mapping[str, Any]) -> str:
    return "/".join(part["id"] for part in (row["requirement"], row["branch"]) if part)


def _both(texts: Mapping[str, Any], languages: Sequence[str]) -> str:
    return readable(" / ".join(dict.fromkeys(str(texts[language]) for language in languages)))
