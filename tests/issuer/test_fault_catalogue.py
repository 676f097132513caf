"""The whole catalogue of faults: issued, published, synced, judged; and what each check is for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from office import FAMILIES, NOW, Office, vaccinated

from appliance.cli.verify import main as verify
from appliance.judging import Basis, judge
from issuer.cli import main
from issuer.faults import FAULTS, Code, Fault
from trustsync.store import TrustSnapshot
from verifier import assessment, chain, checks, steps
from verifier.certificate import Family
from verifier.opening import open_parts
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Finding, Reason, State
from verifier.recognition import Recognition
from verifier.steps import STEPS, After, Case, Step
from verifier.trust import ClockState


@dataclass(frozen=True)
class World:
    """Every fault as a code, and what an appliance knows after one sync from their issuer."""

    codes: dict[str, Code]
    known: TrustSnapshot
    good: Code
    store: Path

    def answer(self, code: Code, **basis: Any) -> tuple[State, list[Reason]]:
        """State and reasons, worst first. Keywords change what the desk judges by, ``recognition`` too."""
        known = self.known
        trust = replace(known.trust, recognition=basis.pop("recognition", None))
        judged_by = Basis(trust, (SIGNATURE_ONLY,), NOW, None, known.floor)
        opened = open_parts(code) if isinstance(code, tuple) else code
        verdict = judge(opened, replace(judged_by, **basis)).verdict
        return verdict.state, [found.code for found in verdict.reasons]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with Office(tmp_path_factory.mktemp("faults"), seed="faults") as office:
        codes = {name: fault.make(office.issuer, vaccinated(), NOW) for name, fault in FAULTS.items()}
        good = office.issue(Family.HC1).code
        return World(codes, office.synced(), good, office.folder / "store")


def expected(fault: Fault) -> tuple[State, list[Reason]]:
    return fault.expect_state, [fault.expect_reason] if fault.expect_reason else []


@pytest.mark.scenario("SC-I17")
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_gives_exactly_the_reason_that_the_catalogue_states(name: str, world: World) -> None:
    """And no other beside it: one step is broken, the rest is as it should be."""
    assert world.answer(world.codes[name]) == expected(FAULTS[name])


def test_every_family_has_faults_and_each_says_what_it_is() -> None:
    """Small letters with the family before them, words for people, and no reason where the state is PASS."""
    count = Counter(fault.family for fault in FAULTS.values())
    assert set(count) == set(FAMILIES)
    assert min(count.values()) >= 6
    for name, fault in FAULTS.items():
        assert fault.name == name == name.lower()
        assert fault.about
        assert (fault.expect_reason is None) == (fault.expect_state is State.PASS)
        prefix = "" if fault.family is Family.HC1 else f"{fault.family.lower()}-"
        assert name.startswith(prefix), name


def test_the_command_lists_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """``vaxgate-issuer faults --json``: name, family, expected state and reason, and a line about each."""
    assert main(["faults", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["family"]) for row in rows] == [
        (fault.name, str(fault.family)) for fault in FAULTS.values()
    ]
    assert all(set(row) >= {"name", "family", "expect_state", "expect_reason", "about"} for row in rows)


def test_faults_in_parts_are_answered_as_one_code_by_the_command(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """``vaxgate-verify`` takes parts wherever they come, and answers each code once."""
    judged_by = ["--trust", str(world.store), "--rules", "signature-only", "--at", NOW.isoformat()]
    for name, code in world.codes.items():
        if isinstance(code, tuple):
            verify([*judged_by, "--json", *code])
            (answer,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
            reasons = [Reason(reason["code"]) for reason in answer["reasons"]]
            assert (State(answer["state"]), reasons) == expected(FAULTS[name]), name


# --- What each check is for ---------------------------------------------------------------------------------

# Faults of the desk and not of the code: what a good certificate gives where our own knowledge is poor.
DESKS: dict[str, tuple[dict[str, Any], tuple[State, list[Reason]]]] = {
    "a list of eight days": ({"now": NOW + timedelta(days=8)}, (State.CHECK, [Reason.LIST_EXPIRED])),
    "a list of two days": ({"now": NOW + timedelta(days=2)}, (State.PASS, [Reason.LIST_STALE])),
    "revocation data that is over": (
        {"now": NOW + timedelta(days=20)},
        (State.CHECK, [Reason.REVOCATION_UNCHECKED, Reason.LIST_EXPIRED]),
    ),
    "a clock that nobody confirms": (
        {"clock": ClockState.FLOOR_ONLY},
        (State.CHECK, [Reason.CLOCK_UNSURE]),
    ),
    "a clock behind what is proven": (
        {"clock": ClockState.UNSYNCED},
        (State.OUT, [Reason.CLOCK_UNSURE]),
    ),
    "a country that recognises nobody": (
        {"recognition": Recognition()},
        (State.CHECK, [Reason.ISSUER_NOT_RECOGNISED]),
    ),
}


@pytest.mark.parametrize("name", DESKS)
def test_a_good_certificate_at_a_desk_that_knows_little(name: str, world: World) -> None:
    """The state of list, clock and recognition stands in the answer."""
    basis, wanted = DESKS[name]
    assert world.answer(world.good, **basis) == wanted


def blind(step: Step) -> Step:
    """The step with its findings thrown away: it may find out what it will, nobody hears of it."""

    def run(case: Case) -> Sequence[Finding]:
        step.run(case)
        if case.signer is None and case.candidates:
            case.signer = case.candidates[0]  # whoever does not check must believe
        return ()

    return replace(step, run=run)


def wrong_answers(world: World) -> Iterator[str]:
    """The rows of the catalogue that are not answered as they should be."""
    for name, fault in FAULTS.items():
        yield from _wrong(name, lambda name=name: world.answer(world.codes[name]), expected(fault))
    for name, (basis, wanted) in DESKS.items():
        yield from _wrong(name, lambda basis=basis: world.answer(world.good, **basis), wanted)


def _wrong(name: str, ask: Callable[[], Any], wanted: Any) -> Iterator[str]:
    try:
        if ask() != wanted:
            yield name
    except Exception:  # noqa: BLE001 - a build without a check may break in any way; that is noticed too
        yield name


def test_the_whole_catalogue_is_answered_as_it_should_be(world: World) -> None:
    """With every check in place nothing is wrong; what follows means something only if this holds."""
    assert list(wrong_answers(world)) == []


@pytest.mark.parametrize("name", [step.name for step in STEPS])
def test_no_check_can_be_left_out_unnoticed(name: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of the steps without this one answers at least one row of the catalogue wrongly."""
    build = tuple(blind(step) if step.name == name else step for step in STEPS)
    assert build != STEPS
    monkeypatch.setattr(assessment, "STEPS", build)
    assert next(wrong_answers(world), None) is not None


# The functions that the steps are made of: where they are looked up, and their name.
PARTS = [
    *((checks, name) for name in vars(checks) if name.endswith("_findings")),
    *((chain, name) for name in vars(chain) if name.endswith("_findings")),
    (steps, "algorithm_findings"),
]


@pytest.mark.parametrize(("module", "name"), PARTS, ids=[f"{m.__name__}.{n}" for m, n in PARTS])
def test_no_part_of_a_check_can_be_left_out_unnoticed(
    module: ModuleType, name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for each function that a step is made of."""
    monkeypatch.setattr(module, name, lambda *_args, **_named: [])
    assert next(wrong_answers(world), None) is not None


def test_the_steps_stand_in_the_order_that_their_reasons_ask_for() -> None:
    """The signature before anything that the payload says; what is about ourselves last."""
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert names.index("signature") < names.index("claims")
    assert names.index("chain") < names.index("claims")
    assert [step.after for step in STEPS if step.after is After.ALWAYS] == [After.ALWAYS] * 2
    assert {step.name for step in STEPS[-2:]} == {"list", "clock"}
