"""Why a result is as it is: each rule that was asked, what it compared and what it said, in two languages.

The rules this module keeps:

* Every rule that was asked stands there with the bundle and version it comes from; what a result rests on is
  told from ways that were looked at and not taken.
* Values are those that were compared, as people read them. They may be a Holder's, so they are computed when
  somebody asks and kept nowhere.
* A text that lacks Vietnamese is shown in English with a mark, never left out.

    for row in explained(verdict):
        row["bundle"], row["rule"], row["answer"]          # "vn-2022-01", "dose-14-days", "false"
        value = row["values"][0]
        value["label"]["en"], value["en"]                  # "day given", "15/02/2022"

A row has: ``bundle``, ``version`` (of the bundle), ``title`` (its texts), ``source``, ``order`` (whether it
is one of a post), ``requirement`` and ``branch`` (``id`` and ``texts``; null where a rule stands alone),
``rule``, ``rule_version``, ``texts``, ``answer`` (``true``, ``false``, ``unknown``), ``used``, ``values``,
and ``reason`` (``code`` and texts; null where the answer is true). Texts are ``{"vi", "en", "marked"}``:
marked says that the Vietnamese is missing and ``vi`` holds another language behind its mark. ``rule`` is null
where no rule was asked: of a bundle that asks for the signature alone, and of a requirement for which nothing
was shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from verifier.catalogue import CATALOGUE
from verifier.codes import Reason
from verifier.policy.bundle import Asks, RuleBundle
from verifier.policy.judging import Answer, Ruled, Ruling, Taken
from verifier.policy.members import MEMBERS, looked_up, paths_of
from verifier.policy.saying import told
from verifier.times import DESK_ZONE
from verifier.verdict import Verdict

MAX_VALUES = 12  # that one rule shows; a screen holds no more
_ANSWERS = {Answer.MET: "true", Answer.NOT_MET: "false", Answer.UNKNOWN: "unknown"}
_SETS = ("external.valueSets", "valueSets")
_STATED = {"vi": "có", "en": "stated"}
# Values that rules compute, by the names that the shipped bundles give them; any other is shown by its name.
_COMPUTED = {
    "first": {"vi": "sớm nhất", "en": "earliest"},
    "last": {"vi": "muộn nhất", "en": "latest"},
    "until": {"vi": "đến", "en": "until"},
}


def explained(verdict: Verdict, zone: tzinfo = DESK_ZONE) -> list[dict[str, Any]]:
    """The way of a result through its rules, in the order in which they were asked; empty without rules.

    zone: of the desk, for instants.
    """
    return [
        row
        for ruled in verdict.ruled
        if ruled.bundle is not None
        for row in _rows(ruled.bundle, ruled, ruled.bundle is verdict.order, zone)
    ]


def texts_of(texts: Mapping[str, str], instead: str = "") -> dict[str, Any]:
    """A text in both languages. instead: of a text that there is in no language."""
    there = {language: text for language, text in texts.items() if text}
    if not there:
        return {"vi": instead, "en": instead, "marked": False}
    other = "en" if "en" in there else min(there)
    return {
        "vi": there.get("vi") or f"[{other.upper()}] {there[other]}",
        "en": there[other],
        "marked": "vi" not in there,
    }


def _rows(bundle: RuleBundle, ruled: Ruled, order: bool, zone: tzinfo) -> Iterator[dict[str, Any]]:
    head = {
        "bundle": bundle.name,
        "version": bundle.version,
        "title": texts_of(bundle.texts, bundle.name),
        "source": bundle.source,
        "order": order,
    }
    if bundle.asks is Asks.SIGNATURE:
        yield head | _without_rule(Answer.MET, texts_of(bundle.texts, bundle.name))
    for ruling in ruled.rulings:
        yield head | _asked(ruling, zone)
    told = {id(ruling.requirement) for ruling in ruled.rulings}
    for taken in ruled.taken:
        if taken.branch is None or id(taken.requirement) not in told:
            yield head | _nothing_asked(taken)


def _asked(ruling: Ruling, zone: tzinfo) -> dict[str, Any]:
    rule, requirement, branch = ruling.rule, ruling.requirement, ruling.branch
    reason = None
    if ruling.answer is Answer.NOT_MET:
        reason = rule.reason
    elif ruling.answer is Answer.UNKNOWN:
        reason = ruling.cause or Reason.RULE_UNKNOWN
    return {
        "requirement": requirement
        and {"id": requirement.identifier, "texts": texts_of(requirement.texts, requirement.identifier)},
        "branch": branch and {"id": branch.identifier, "texts": texts_of(branch.texts, branch.identifier)},
        "rule": rule.identifier,
        "rule_version": rule.version,
        "texts": texts_of(rule.texts, rule.identifier),
        "answer": _ANSWERS[ruling.answer],
        "used": ruling.used,
        "values": _values(ruling, zone),
        "reason": reason and _reason(reason),
    }


def _without_rule(answer: Answer, texts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "requirement": None,
        "branch": None,
        "rule": None,
        "rule_version": None,
        "texts": texts,
        "answer": _ANSWERS[answer],
        "used": True,
        "values": [],
        "reason": None,
    }


def _nothing_asked(taken: Taken) -> dict[str, Any]:
    """Of a requirement for which nothing was shown, or no rule was asked of what was."""
    asked = taken.requirement
    texts = texts_of(asked.texts, asked.identifier)
    return _without_rule(taken.answer, texts) | {
        "requirement": {"id": asked.identifier, "texts": texts},
        "reason": _reason(Reason.NEED_SECOND_DOC if taken.branch is None else Reason.RULE_UNKNOWN),
    }


def _reason(reason: Reason) -> dict[str, str]:
    words = CATALOGUE[reason]
    return {"code": reason.value, "vi": words.vi, "en": words.en}


def _values(ruling: Ruling, zone: tzinfo) -> list[dict[str, Any]]:
    """What a rule looked at: the members that its expression names, and what it computes from them."""
    rule = ruling.rule
    found: dict[str, Any] = {}
    if ruling.tree is not None:
        for path in paths_of([rule.logic, rule.when]):
            if not path.startswith(_SETS):  # a list of codes is no value that anybody compares
                found[path] = looked_up(path, ruling.tree)
    for name, value in ruling.looked().items():
        if _member(rule.values.get(name)) not in found:
            found[name] = value
    return [_value(name, value, zone) for name, value in list(found.items())[:MAX_VALUES]]


def _member(expression: Any) -> str | None:
    """The path of a member that is only named, which is shown under the member's own words."""
    paths = paths_of(expression)
    return paths[0] if expression in ({"var": path} for path in paths) else None


def _is_whole_object(value: Any) -> bool:
    """Whether it is an object or a list of them: a rule asks whether it is there and compares parts of it."""
    if isinstance(value, list | tuple):
        return any(isinstance(each, Mapping | list) for each in value)
    return isinstance(value, Mapping)


def _value(name: str, value: Any, zone: tzinfo) -> dict[str, Any]:
    member = MEMBERS.get(name)
    label = (
        _COMPUTED.get(name) or dict.fromkeys(("vi", "en"), name.replace("_", " "))
        if member is None
        else {"vi": member.vi, "en": member.en}
    )
    words = _STATED if _is_whole_object(value) else {each: told(value, each, zone) for each in ("vi", "en")}
    return {"name": name, "label": label, **words}
