"""The tests that travel with a bundle: what it must answer to certificates that nobody ever issued.

The rules this module keeps:

* A test is judged by the functions that judge a traveller. Only what comes before the rules (signature,
  keys, revocation, expiry of the code) is not tried: a test has no bytes.
* State, reasons and duties are compared whole and in order; every difference is named.
* A test that cannot be read is a difference of that test, with the path of the member at fault. It is never
  skipped, and the others still run.

    for trial in run_trials(bundle):
        trial.name, trial.differences              # ("2/2, day 13", ("state: CHECK expected, PASS found",))

The form of a test is told in ``docs/rules.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any, TypeVar

from verifier.assessment import Assessment
from verifier.births import PartialDate
from verifier.certificate import (
    Certificate,
    Event,
    Exemption,
    Family,
    Holder,
    Prophylaxis,
    Recovery,
    Test,
    Vaccination,
)
from verifier.codes import Reason, State
from verifier.duties import DutyCode
from verifier.identity import Traveller
from verifier.mrz import DocumentKind, LineName, TravelDocument
from verifier.policy.bundle import On, RuleBundle, in_force, numbers
from verifier.policy.bundle_json import canonical
from verifier.policy.certlogic import EvaluationError, ExpressionError, compile_logic, plain
from verifier.policy.context import Context
from verifier.policy.context_json import ContextError, read_context
from verifier.policy.national import trial_data
from verifier.recognition import RecognitionClass
from verifier.times import DESK_ZONE, time_bounds
from verifier.trust import TrustedKey, TrustList
from verifier.verdict import Policy, Verdict, decide, decide_without_certificate

COUNTRY = "XV"  # of an issuer that a test does not name: reserved for users by ISO 3166-1
_T = TypeVar("_T")
HOLDER, NAME = Holder(surname="SPECIMEN", given="PERSON"), LineName(("SPECIMEN",), ("PERSON",))
_OWN = frozenset({"name", "at", "journey", "passport", "shown", "expect"})
_NATIONAL = frozenset({"name", "rule", "version", "payload", "external", "expected"})
_SHOWN = frozenset({"family", "country", "birth", "issued", "expires", "recognition", "events"})
_EXPECT = frozenset({"state", "reasons", "duties"})
_DUTY = frozenset({"code", "days", "day", "within_hours"})
_SHARED = frozenset({"kind", "disease", "country"})
_OF_KIND: Mapping[On, frozenset[str]] = {
    On.VACCINATION: _SHARED
    | {"vaccine", "product", "maker", "dose", "doses", "given", "valid_from", "valid_until"},
    On.TEST: _SHARED | {"test", "device", "sampled", "result"},
    On.RECOVERY: _SHARED | {"first_positive", "proof", "valid_from", "valid_until"},
    On.EXEMPTION: _SHARED | {"valid_until"},
    On.PROPHYLAXIS: _SHARED | {"product", "given", "valid_from", "valid_until"},
}


class TrialError(ValueError):
    """A test cannot be read; the message names the path within it and what is expected there."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One test that was run. where: its place in the bundle. differences: none when it agrees."""

    where: str
    name: str
    differences: tuple[str, ...] = ()


def run_trials(bundle: RuleBundle, zone: tzinfo = DESK_ZONE) -> list[Trial]:
    """Run every test of a bundle, in their order. zone: of the desk. Never raises for any bundle."""
    trials = []
    for number, row in enumerate(bundle.tests):
        where = f"tests[{number}]"
        name = row.get("name")
        try:
            found = _national(bundle, row) if "rule" in row else _own(bundle, row, zone)
        except (TrialError, ContextError) as error:
            found = [str(error)]
        trials.append(Trial(where, name if isinstance(name, str) else where, tuple(found)))
    return trials


# --- Own rules: certificates and what a desk answers to them ------------------------------------------------


def _own(bundle: RuleBundle, row: Mapping[str, Any], zone: tzinfo) -> list[str]:
    _known(row, _OWN, "")
    at = _required(row, "at", "", _instant)
    context = replace(
        read_context(row.get("journey", {})), traveller=_optional(row, "passport", "", _traveller)
    )
    shown = [
        _assessed(
            certificate_from_row(each, f"shown[{number}]", _usual_disease(bundle)),
            _recognition(each, f"shown[{number}]"),
            at,
            zone,
        )
        for number, each in enumerate(_list(row.get("shown", []), "shown"))
    ]
    return _differences(_judged(bundle, shown, context, at, zone), row.get("expect"))


def _judged(
    bundle: RuleBundle, shown: Sequence[Assessment], context: Context, at: datetime, zone: tzinfo
) -> Verdict:
    """What a desk with this bundle alone answers to the last of these certificates."""
    if bundle.post:  # an order is judged beside a bundle; here it is asked what it says by itself
        bundle = replace(bundle, post="") if bundle.post == context.post else bundle
    policy = Policy(in_force([bundle], at, context), context)
    if not shown:
        return decide_without_certificate(
            policy, TrustList.of([]), now=at, clock=None, time=time_bounds(at, None, None, zone)
        )
    return decide(shown[-1], policy, shown[:-1])


def _assessed(
    certificate: Certificate, recognition: RecognitionClass | None, at: datetime, zone: tzinfo
) -> Assessment:
    """An assessment against which nothing was found."""
    return Assessment(
        family=certificate.family,
        checks=(),
        certificate=certificate,
        list_state=None,
        list_signed_at=None,
        clock=None,
        now=at,
        time=time_bounds(at, None, None, zone),
        recognition=recognition,
    )


def _differences(verdict: Verdict, expect: Any) -> list[str]:
    wanted = _known(_object(expect, "expect"), _EXPECT, "expect")
    state = _required(wanted, "state", "expect", _word_of(State))
    reasons = [
        _word_of(Reason)(each, "expect.reasons")
        for each in _list(wanted.get("reasons", []), "expect.reasons")
    ]
    duties = [
        _duty(each, f"expect.duties[{number}]")
        for number, each in enumerate(_list(wanted.get("duties", []), "expect.duties"))
    ]
    given = [
        {name: value for name, value in asdict(duty).items() if value is not None} for duty in verdict.duties
    ]
    found = []
    if verdict.state is not state:
        found.append(f"state: {state} expected, {verdict.state} found")
    codes = [each.code for each in verdict.reasons]
    if codes != reasons:
        found.append(f"reasons: {_listed(reasons)} expected, {_listed(codes)} found")
    if given != duties:
        found.append(f"duties: {_duties(duties)} expected, {_duties(given)} found")
    return found


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"


def _duties(duties: Sequence[Mapping[str, Any]]) -> str:
    return _listed([" ".join(map(str, (duty["code"], *_numbers_of(duty)))) for duty in duties])


def _numbers_of(duty: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in duty.items() if name != "code"]


def _duty(value: Any, where: str) -> dict[str, Any]:
    row = _known(_object(value, where), _DUTY, where)
    return {"code": _required(row, "code", where, _word_of(DutyCode))} | {
        name: number for name, number in row.items() if name != "code"
    }


# --- Certificates from rows ---------------------------------------------------------------------------------


def certificate_from_row(value: Any, where: str = "shown", disease: str = "") -> Certificate:
    """A certificate that a test shows, as if it had been proven. disease: of events that name none.

    Raises TrialError.
    """
    row = _known(_object(value, where), _SHOWN, where)
    country = row.get("country", COUNTRY)
    if not isinstance(country, str):
        raise TrialError(f"{where}.country: two letters are expected")
    events = _list(row.get("events"), f"{where}.events")
    if not events:
        raise TrialError(f"{where}.events: a certificate tells of one event at least")
    return Certificate(
        family=_word_of(Family)(row.get("family", Family.HC1), f"{where}.family"),
        key=TrustedKey(kid=b"", spki=b"", country=country),
        holder=replace(HOLDER, birth_date=_text(row, "birth", where)),
        events=tuple(
            event_from_row(each, f"{where}.events[{number}]", country=country, disease=disease)
            for number, each in enumerate(events)
        ),
        issuer=country,
        issued_at=_optional(row, "issued", where, _instant),
        expires_at=_optional(row, "expires", where, _instant),
        version="",
        document={},
    )


def event_from_row(value: Any, where: str = "event", *, country: str = COUNTRY, disease: str = "") -> Event:
    """One event, by the names that rules use for its members. Raises TrialError."""
    row = _object(value, where)
    kind = _required(row, "kind", where, _word_of(On))
    if kind is On.PERSON:
        raise TrialError(f"{where}.kind: {kind} is no event")
    _known(row, _OF_KIND[kind], where)
    about = _text(row, "disease", where) or disease
    if not about:
        raise TrialError(f"{where}.disease: missing; a bundle about several diseases says which one")
    of = {
        "disease": about,
        "country": _text(row, "country", where) or country,
        "issuer": "",
        "identifier": "",
    }
    begins, ends = (_optional(row, name, where, _day) for name in ("valid_from", "valid_until"))
    match kind:
        case On.VACCINATION:
            return Vaccination(
                vaccine=_text(row, "vaccine", where),
                product=_text(row, "product", where),
                maker=_text(row, "maker", where),
                dose=_optional(row, "dose", where, _whole),
                doses=_optional(row, "doses", where, _whole),
                given=_optional(row, "given", where, _day),
                valid_from=begins,
                valid_until=ends,
                **of,
            )
        case On.TEST:
            return Test(
                kind=_text(row, "test", where),
                device=_text(row, "device", where),
                sampled=_optional(row, "sampled", where, _local),
                sampled_text=_text(row, "sampled", where),
                result=_text(row, "result", where),
                **of,
            )
        case On.RECOVERY:
            return Recovery(
                first_positive=_optional(row, "first_positive", where, _day),
                valid_from=begins,
                valid_until=ends,
                proof=_text(row, "proof", where),
                **of,
            )
        case On.EXEMPTION:
            return Exemption(valid_until=ends, **of)
        case On.PROPHYLAXIS:
            return Prophylaxis(
                product=_text(row, "product", where),
                given=_optional(row, "given", where, _day),
                valid_from=begins,
                valid_until=ends,
                **of,
            )


def _traveller(value: Any, where: str) -> Traveller:
    """Who stands here by a travel document, of which a test says no more than the birth date."""
    row = _known(_object(value, where), frozenset({"birth"}), where)
    day = _required(row, "birth", where, _day)
    born = PartialDate(day.year % 100, day.month, day.day, century=False)
    document = TravelDocument(DocumentKind.TD3, "P", COUNTRY, NAME, COUNTRY, born, "", PartialDate())
    return Traveller(document, day)


def _usual_disease(bundle: RuleBundle) -> str:
    return next(iter(bundle.diseases)) if len(bundle.diseases) == 1 else ""


def _recognition(value: Mapping[str, Any], where: str) -> RecognitionClass | None:
    return _optional(value, "recognition", where, _word_of(RecognitionClass))


# --- National rules: one rule over one payload --------------------------------------------------------------


def _national(bundle: RuleBundle, row: Mapping[str, Any]) -> list[str]:
    """The published form: one rule's logic over a payload and what stands outside it."""
    _known(row, _NATIONAL, "")
    if "expected" not in row:
        raise TrialError("expected: missing; a test says what the rule must answer")
    named = [rule for rule in bundle.rules if rule.identifier == row["rule"]]
    if "version" in row:
        named = [rule for rule in named if rule.version == row["version"]]
    if not named:
        raise TrialError("rule: the bundle has no such rule")
    for name in ("payload", "external"):
        _object(row.get(name) or {}, name)
    rule = max(named, key=lambda rule: numbers(rule.version))
    try:
        answer = plain(compile_logic(rule.logic)(trial_data(bundle, row)))
    except (EvaluationError, ExpressionError) as error:
        return [f"{rule.identifier}: {_json(row['expected'])} expected, it has no answer: {error}"]
    if canonical(answer) == canonical(row["expected"]):  # as text, so that 1 and true stay two values
        return []
    return [f"{rule.identifier}: {_json(row['expected'])} expected, {_json(answer)} found"]


def _json(value: Any) -> str:
    return canonical(value).decode()[:80]


# --- Single members -----------------------------------------------------------------------------------------


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TrialError(f"{where}: an object is expected")
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TrialError(f"{where}: a list is expected")
    return value


def _known(row: Mapping[str, Any], known: frozenset[str], where: str) -> Mapping[str, Any]:
    unknown = sorted(set(row) - known)
    if unknown:
        raise TrialError(f"{_at(where, unknown[0])}: unknown; there are {', '.join(sorted(known))}")
    return row


def _required(row: Mapping[str, Any], name: str, where: str, read: Callable[[Any, str], _T]) -> _T:
    if row.get(name) is None:
        raise TrialError(f"{_at(where, name)}: missing")
    return read(row[name], _at(where, name))


def _optional(row: Mapping[str, Any], name: str, where: str, read: Callable[[Any, str], _T]) -> _T | None:
    return None if row.get(name) is None else read(row[name], _at(where, name))


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise TrialError(f"{where}.{name}: a text is expected")
    return value


def _whole(value: Any, where: str) -> int:
    if type(value) is not int:
        raise TrialError(f"{where}: a whole number is expected")
    return value


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise TrialError(f"{where}: a day is expected, as 2022-03-15") from None


def _local(value: Any, where: str) -> datetime:
    """A date-time with its offset, or without one as some laboratories write it."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise TrialError(f"{where}: a date-time is expected, as 2022-03-15T08:00:00+07:00") from None


def _instant(value: Any, where: str) -> datetime:
    instant = _local(value, where)
    if instant.tzinfo is None:
        raise TrialError(f"{where}: the offset is missing; add Z for UTC or, say, +07:00")
    return instant


def _word_of(kind: Callable[[Any], _T]) -> Callable[[Any, str], _T]:
    def read(value: Any, where: str) -> _T:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(str(each.value) for each in kind)  # type: ignore[attr-defined]  # an enum
            raise TrialError(f"{where}: {value!r} is none of {known}") from None

    return read
