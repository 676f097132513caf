"""A desk that judges by shipped rule bundles: really signed certificates, a journey, and the whole answer.

border = Border("vn-2022-01", at="2022-03-01T09:00:00+07:00")
border.judge(vaccination(dt="2022-02-15"), earlier=[border.negative()])
answer(verdict)                            # ("PASS", [], ["ISOLATE days=3"])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from desk import COUNTRY, Desk, instant, lab_result

from appliance.judging import Basis, judge
from trustsync import shipped
from verifier.identity import Traveller
from verifier.mrz import check_digit, read_lines
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import read_bundle
from verifier.policy.context import Context, Journey, Mode
from verifier.reasons import Reason, State
from verifier.times import DESK_ZONE, time_bounds
from verifier.verdict import Verdict, decide_without_certificate

PASS, CHECK, FAIL = State.PASS, State.CHECK, State.FAIL
ABDALA, COMIRNATY, JCOVDEN, VAXZEVRIA = "Abdala", "EU/1/20/1528", "EU/1/20/1525", "EU/1/21/1529"
RAPID = "LP217198-3"
BY_AIR, BY_LAND = Mode.AIR, Mode.LAND

# Every bundle about COVID-19 with a time at which it judges and what its desk knows of the journey.
COVID: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "vn-2021-08": ("2021-12-20T09:00:00+07:00", {}),
    "vn-2022-01": ("2022-02-01T09:00:00+07:00", {}),
    "vn-2022-03": ("2022-03-20T09:00:00+07:00", {"mode": BY_AIR}),
    "vn-2022-05": ("2022-06-01T09:00:00+07:00", {}),
    "eu-2022": ("2022-03-01T09:00:00+01:00", {"country": "DE"}),
    "domestic": ("2022-02-01T09:00:00+07:00", {"journey": Journey.DOMESTIC, "area": "290"}),
}
Answer = tuple[State, list[Reason], list[str]]


class Border:
    """A desk of a site that holds these bundles, shipped ones by name.

    issuer: the country whose key signs here. journey: what the desk knows beside.
    """

    def __init__(self, *bundles: str | RuleBundle, at: str, issuer: str = COUNTRY, **journey: Any) -> None:
        self.bundles = tuple(shipped.bundle(each) if isinstance(each, str) else each for each in bundles)
        self.at = instant(at)
        self.context = Context(**journey)
        self._desk = Desk(now=self.at)
        self.signer = self._desk.signer(
            country=issuer,
            not_before=datetime(2020, 1, 1, tzinfo=UTC),
            not_after=datetime(2040, 1, 1, tzinfo=UTC),
        )

    @property
    def today(self) -> date:
        return self.at.astimezone(DESK_ZONE).date()

    def ago(self, days: int) -> str:
        """The day so many days before today, as a certificate writes it."""
        return (self.today - timedelta(days=days)).isoformat()

    def before(self, hours: float) -> str:
        """The instant so many hours before now."""
        return (self.at - timedelta(hours=hours)).isoformat()

    def negative(self, **change: Any) -> dict[str, Any]:
        """A negative PCR test of ten hours ago."""
        return lab_result(**({"sc": self.before(10)} | change))

    def basis(self) -> Basis:
        return Basis(self._desk.trust, self.bundles, self.at, context=self.context)

    def judge(self, payload: Mapping[str, Any] | str, earlier: Sequence[Any] = (), **options: Any) -> Verdict:
        """The verdict on a payload, issued and signed now, or on a code. earlier: those shown before it."""
        basis = self.basis()
        before = [judge(self._code(each), basis).assessment for each in earlier]
        return judge(self._code(payload, **options), basis, before).verdict

    def without_certificate(self) -> Verdict:
        """The verdict on a traveller who shows none."""
        return decide_without_certificate(
            self.basis().policy(),
            self._desk.trust,
            now=self.at,
            clock=None,
            time=time_bounds(self.at, None, None, DESK_ZONE),
        )

    def _code(self, payload: Mapping[str, Any] | str, **options: Any) -> str:
        return payload if isinstance(payload, str) else self.signer.issue(payload, **options)


def at_desk_of(name: str) -> Border:
    """The desk of one of the bundles about COVID-19."""
    at, journey = COVID[name]
    return Border(name, at=at, **journey)


def answer(verdict: Verdict) -> Answer:
    """State, reasons worst first, duties."""
    return verdict.state, reasons(verdict), [_told(asdict(duty)) for duty in verdict.duties]


def reasons(verdict: Verdict) -> list[Reason]:
    return [found.code for found in verdict.reasons]


def note(verdict: Verdict, code: Reason) -> Mapping[str, str]:
    """What the officer reads beside a reason, by language."""
    (said,) = [found.note for found in verdict.reasons if found.code is code]
    assert said is not None
    return said


def ways(verdict: Verdict) -> list[tuple[str, str | None]]:
    """Each requirement with the way by which it was met, or that came nearest."""
    (ruled,) = verdict.ruled
    return [(taken.requirement.identifier, taken.branch and taken.branch.identifier) for taken in ruled.taken]


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> RuleBundle:
    """A shipped bundle with its data changed, and nothing else."""
    source = deepcopy(shipped.source(name))
    change(source)
    return read_bundle(source, name)


def rule_of(source: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    """One rule of a bundle's source, to be changed in place."""
    (found,) = [rule for rule in source["rules"] if rule["id"] == identifier]
    return found  # type: ignore[no-any-return]


def national(logic: Any, certificate: str) -> RuleBundle:
    """Plain CertLogic of our own writing, as a country publishes it: for imports beside our own rules."""
    rule = {
        "id": "RR-VN-0001",
        "version": "1.0.0",
        "on": certificate.lower(),
        "logic": logic,
        "national": {
            "country": "VN",
            "certificate": certificate,
            "engine": "CERTLOGIC",
            "engine_version": "1.3.3",
        },
    }
    head = {"name": "imported", "version": "1.0.0", "asks": "certlogic", "valid_from": "2021-07-01T00:00:00Z"}
    return read_bundle(head | {"rules": [rule]})


def passport(birth: str, born: date | None = None, name: str = "NGUYEN<<BAO<DUY") -> Traveller:
    """Whoever shows a passport with these six signs for the birth date. born: as an officer picked it."""
    number, expires, optional = "C00000001", "300101", "<" * 14
    fields = [field + str(check_digit(field)) for field in (number, birth, expires, optional)]
    whole = str(check_digit("".join(fields)))
    second = f"{fields[0]}VNM{fields[1]}M{fields[2]}{fields[3]}{whole}"
    return Traveller(read_lines(f"P<VNM{name}".ljust(44, "<") + second), born)


def _told(duty: Mapping[str, Any]) -> str:
    numbers = [f" {name}={value}" for name, value in duty.items() if name != "code" and value is not None]
    return str(duty["code"]) + "".join(numbers)
