"""The object that answers one code, as scripts read it (one JSON object a line).

Field names are a contract with integrators: adding is free, renaming breaks their pipelines. Nothing that
a certificate says stands in it unless claims were asked for; but a rule that is not met says why, and that
may name a date or a number of doses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import cbor2

from appliance import judging
from appliance.judging import Basis
from trustsync.environments import Environment
from verifier.assessment import Assessment
from verifier.certificate import Family
from verifier.families import FORMS, shown_kid
from verifier.opening import OpenedCode
from verifier.policy.bundle import RuleBundle
from verifier.reading import Checks, Reading, read_checks
from verifier.reasons import Finding, State
from verifier.trust import ClockState
from verifier.verdict import Verdict

# The states from best to worst, which is not the order of the exit statuses.
_BADNESS = (State.PASS, State.RESCAN, State.CHECK, State.OUT, State.FAIL)
EXIT_STATUS = {State.PASS: 0, State.CHECK: 10, State.FAIL: 20, State.RESCAN: 30, State.OUT: 40}


@dataclass(frozen=True, slots=True, repr=False)
class Judged:
    """One code with its verdict, the report on each check, and how long each step took.

    environment: of the list that it was judged by.
    """

    verdict: Verdict
    reading: Reading
    micros: Mapping[str, int]
    assessment: Assessment | None = None
    environment: Environment = Environment.PRODUCTION


def judge(code: str | bytes | OpenedCode, basis: Basis, earlier: Sequence[Assessment] = ()) -> Judged:
    """Judge one code and report on each of its checks. earlier: of the same person, shown before it."""
    done = judging.judge(code, basis, earlier)
    micros = {**done.micros, "total": sum(done.micros.values())}
    # a clock that is behind what the unit has proof of judges no time, in the report as in the verdict
    now = None if basis.clock is ClockState.UNSYNCED else basis.now
    reading = read_checks(done.opened, trust=basis.trust, now=now)
    return Judged(done.verdict, reading, micros, done.assessment)


def judge_cards(cards: Sequence[str | bytes | OpenedCode], basis: Basis) -> Judged:
    """Several cards of one file as one answer: the worst verdict; a check is true only if true for all."""
    judged = [judge(card, basis) for card in cards]
    worst = max(judged, key=lambda one: _BADNESS.index(one.verdict.state))
    if len(judged) == 1:
        return worst
    reports = [asdict(one.reading.checks) for one in judged]
    checks = Checks(**{name: _all(report[name] for report in reports) for name in reports[0]})
    return replace(worst, reading=replace(worst.reading, checks=checks))


def _all(answers: Iterable[bool | None]) -> bool | None:
    """True if all are; false if any is; else nobody knows."""
    given = list(answers)
    return False if False in given else None if None in given else True


def unjudged(verdict: Verdict, checks: Checks) -> Judged:
    """A verdict that no code led to."""
    return Judged(verdict, Reading(checks), {})


def answer(
    judged: Judged,
    *,
    identity: Any,
    kind: str,
    picture: bool | None = None,
    picture_micros: int | None = None,
    text: str | None = None,
    claims: bool = False,
) -> dict[str, Any]:
    """The answer as a JSON object.

    identity: the ``id`` it carries. kind: ``text`` or ``image``. picture: whether the image read as it
    should. text: shown when given. claims: whether to add what the certificate says, a person's data.
    """
    verdict, reading = judged.verdict, judged.reading
    micros: dict[str, int | None] = {"picture": picture_micros, "decode": None, "verify": None, "rules": None}
    micros |= judged.micros
    micros["total"] = judged.micros.get("total", 0) + (picture_micros or 0)
    out: dict[str, Any] = {
        "id": readable(identity) if isinstance(identity, str) else identity,
        "input": kind,
        "family": reading.family or verdict.family,  # the payload may tell more than the container
        "state": verdict.state,
        "reasons": [_reason(found) for found in verdict.reasons],
        "duties": [_without_none(asdict(duty)) for duty in verdict.duties],
        "checks": asdict(replace(reading.checks, picture=picture)),
        "issuer": {
            "country": reading.signer.country if reading.signer else None,
            "kid": _kid(reading.kid, verdict.family),
            "source": reading.signer.source if reading.signer else None,
            "recognition": verdict.recognition,
        },
        "list": _list(verdict, judged.environment),
        "clock": verdict.clock,
        "rules": _rules(verdict),
        "micros": micros,
    }
    if verdict.identity is not None:
        out["identity"] = {"name": verdict.identity.name, "birth": verdict.identity.birth}
    if text is not None:
        out["text"] = text
    if claims:
        out["claims"] = plain(reading.document)
        if reading.whole is not reading.document:
            out["payload"] = plain(reading.whole)  # the container's claims round it
        out["issued_at"], out["expires_at"] = plain(reading.issued_at), plain(reading.expires_at)
    return out


def detail_of(found: Finding) -> str:
    """The cause of a finding in a few words: what a rule says to people, where it says something."""
    note = found.note or {}
    return note.get("en") or note.get("vi") or found.detail


def _reason(found: Finding) -> dict[str, Any]:
    return {"code": found.code, "detail": detail_of(found)} | (
        {"note": {language: found.note.get(language) for language in ("vi", "en")}} if found.note else {}
    )


def _rules(verdict: Verdict) -> dict[str, Any] | None:
    """What it was judged by; an order of the post stands beside the bundle."""
    if verdict.bundle is None and verdict.order is None:
        return None
    order = {} if verdict.order is None else {"order": _bundle(verdict.order)}
    beside = {"beside": [_bundle(each) for each in verdict.beside]} if verdict.beside else {}
    return _bundle(verdict.bundle) | order | beside


def _bundle(bundle: RuleBundle | None) -> dict[str, Any]:
    return {
        "bundle": None if bundle is None else bundle.name,
        "version": None if bundle is None else bundle.version,
    }


def _kid(kid: bytes | None, family: Family | None) -> str | None:
    form = FORMS.get(family) if family is not None else None
    return None if kid is None else shown_kid(form.domain if form else None, kid)


def _list(verdict: Verdict, environment: Environment) -> dict[str, Any] | None:
    if verdict.list_signed_at is None:
        return None
    return {
        "state": verdict.list_state,
        "signed_at": plain(verdict.list_signed_at),
        "environment": environment,
    }


def readable(text: str) -> str:
    """A name as it can be shown and written: what is no UTF-8 or does not print is replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if member is not None}


def plain(value: Any) -> Any:
    """A decoded value as JSON can say it: bytes in hex, no tags, NaN and infinities as texts."""
    if isinstance(value, cbor2.CBORTag):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("nan", "NaN")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
