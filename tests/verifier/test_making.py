"""Values that are made quickly are the same frozen dataclasses."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest
from desk import Desk, vaccination

from appliance.judging import Basis, judge
from verifier.making import quickly_made
from verifier.policy.bundle import SIGNATURE_ONLY


@dataclass(frozen=True, slots=True)
class Plain:
    """As the standard library makes it."""

    name: str
    notes: tuple[str, ...] = ()
    found: list[str] = field(default_factory=list, compare=False)


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quickly."""

    name: str
    notes: tuple[str, ...] = ()
    found: list[str] = field(default_factory=list, compare=False)


def test_it_is_made_shown_compared_and_hashed_as_before() -> None:
    """Only the way to it is another one; every default is its own."""
    for arguments in (("a",), ("a", ("b",)), ("a", (), ["c"])):
        plain, quick = Plain(*arguments), Quick(*arguments)
        assert repr(quick) == repr(plain).replace("Plain", "Quick")
        assert hash(quick) == hash(plain)
        for each in fields(plain):
            assert getattr(quick, each.name) == getattr(plain, each.name)
    assert type(Quick("a")) is Quick
    assert Quick("a") == Quick(name="a", notes=(), found=["not compared"])
    assert Quick("a") != Quick("b")
    assert Quick("a").found is not Quick("a").found
    assert replace(Quick("a", ("b",)), name="c") == Quick("c", ("b",))
    assert copy.deepcopy(Quick("a")) == pickle.loads(pickle.dumps(Quick("a"))) == Quick("a")


@pytest.mark.parametrize("arguments", [(), ("a", (), [], 1)], ids=["too few", "too many"])
def test_wrong_arguments_are_refused_as_before(arguments: tuple[Any, ...]) -> None:
    """A field without a default must be given."""
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\)"):
        Quick(*arguments)
    with pytest.raises(TypeError, match="unexpected keyword"):
        Quick("a", other=1)


def test_nobody_changes_what_a_judgement_is_made_of() -> None:
    """Every value from the envelope to the verdict is frozen and has no room for more."""
    desk = Desk()
    judged = judge(desk.signer().issue(vaccination()), Basis(desk.trust, (SIGNATURE_ONLY,), desk.now))
    certificate = judged.assessment.certificate
    assert certificate is not None
    for value in (
        judged, judged.opened, judged.opened.envelope, judged.assessment, judged.assessment.time,
        certificate, certificate.holder, certificate.events[0], judged.verdict, judged.verdict.ruled[0],
    ):  # fmt: skip
        for each in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, each.name, None)
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            value.more = 1


def with_post_init() -> type:
    @dataclass(frozen=True, slots=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            raise ValueError

    return Checked


def without_slots() -> type:
    @dataclass(frozen=True)
    class Roomy:
        name: str

    return Roomy


def derived() -> type:
    @dataclass(frozen=True, slots=True)
    class More(Plain):
        more: int = 0

    return More


def with_a_field_that_is_no_argument() -> type:
    @dataclass(frozen=True, slots=True)
    class Counted:
        name: str
        count: int = field(default=0, init=False)

    return Counted


@pytest.mark.parametrize("made", [with_post_init, without_slots, derived, with_a_field_that_is_no_argument])
def test_a_class_that_needs_more_than_its_fields_set_is_refused(made: Any) -> None:
    """What its own ``__init__`` would do besides is not lost in silence."""
    with pytest.raises(TypeError, match="no plain frozen dataclass"):
        quickly_made(made())
