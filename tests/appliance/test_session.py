"""Who stands here, and who is in view: the two pure parts of the desk, with time in their hands."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from desk import Desk, Signer, person, vaccination
from passports import passport

from appliance.inview import InView
from appliance.judging import Basis, judge
from appliance.session import LONGEST_S, MAX_HELD, Held, Session, by_person, judged_until
from trustsync import shipped
from verifier.mrz import TravelDocument, read_lines
from verifier.policy.context import Context, Mode, Profile
from verifier.policy.context_json import ContextError
from verifier.reasons import Reason

DUY = read_lines(passport("NGUYEN", "BAO<DUY", birth="831010"))
UOCS = read_lines(passport("TRUONG", "MY<UOC", birth="690405"))
UOC = person(nam={"fn": "Trương", "gn": "Mỹ Ước", "fnt": "TRUONG", "gnt": "MY<UOC"}, dob="1969-04-05")
TODAY = date(2022, 3, 1)


@pytest.fixture
def signer(desk: Desk) -> Signer:
    return desk.signer()


def basis_of(desk: Desk, **change: Any) -> Basis:
    return replace(Basis(desk.trust, desk.bundles, desk.now), **change)


def held(desk: Desk, text: str, mark: bytes = b"1") -> Held:
    judged = judge(text, basis_of(desk))
    return Held(frozenset((mark,)), judged.opened, judged.assessment)


def session() -> Session:
    return Session(Context(), lasts_s=15)


# --- The session --------------------------------------------------------------------------------------------


def test_it_begins_with_a_certificate_and_ends_in_time(desk: Desk, signer: Signer) -> None:
    """Fifteen seconds after the last thing, to the second; then nothing of it is left."""
    here = session()
    assert (here.begun, here.expire(100.0)) == (False, False)
    here.take([held(desk, signer.issue(vaccination()))], now=100.0)
    here.tell({"mode": "air"}, now=110.0)
    assert (here.expire(124.9), here.begun, here.context.mode) == (False, True, Mode.AIR)
    assert (here.expire(125.0), here.begun, here.held, here.context) == (True, False, (), Context())


def test_taps_do_not_keep_somebody_for_ever(desk: Desk, signer: Signer) -> None:
    """Five minutes after the certificate it ends, whatever is tapped."""
    here = session()
    here.take([held(desk, signer.issue(vaccination()))], now=0.0)
    now = 0.0
    while not here.expire(now):
        here.stay(now)
        now += 5.0
        assert now < 1000
    assert now == pytest.approx(LONGEST_S, abs=5.0)
    here.stay(now)
    assert not here.begun


def test_the_same_code_again_is_not_another_certificate_and_many_are_bounded(
    desk: Desk, signer: Signer
) -> None:
    """By its mark; the newest eight of one person stay."""
    here = session()
    text = signer.issue(vaccination())
    for _ in range(3):
        here.take([held(desk, text)], now=1.0)
    assert len(here.held) == 1
    for number in range(20):
        here.take([held(desk, text, bytes([number, 7]))], now=1.0)
    assert len(here.held) == MAX_HELD
    assert here.held[-1].marks == {bytes([19, 7])}


PASSPORTS: dict[str, tuple[list[TravelDocument | dict[str, Any]], str | None, int]] = {
    "a passport, then its certificate": ([DUY, person()], "NGUYEN", 1),
    "a certificate, then its passport": ([person(), DUY], "NGUYEN", 1),
    "a matched pair, then somebody else's certificate": ([DUY, person(), UOC], None, 1),
    "a matched pair, then somebody else's passport": ([DUY, person(), UOCS], "TRUONG", 0),
    "somebody else's certificate to a passport that waits": ([DUY, UOC], "NGUYEN", 1),
    "the right certificate after a wrong one": ([DUY, UOC, person()], "NGUYEN", 1),
    "another passport before any certificate": ([DUY, UOCS], "TRUONG", 0),
    "a wrong passport, then the right one": ([person(), UOCS, DUY], "NGUYEN", 1),
    "the same passport twice": ([DUY, person(), DUY], "NGUYEN", 1),
}


@pytest.mark.parametrize("story", list(PASSPORTS))
def test_a_passport_stays_with_its_traveller(desk: Desk, signer: Signer, story: str) -> None:
    """It waits for a certificate, and goes once one that agreed with it is followed by somebody else's."""
    steps, name, count = PASSPORTS[story]
    here = session()
    for number, step in enumerate(steps):
        if isinstance(step, TravelDocument):
            here.read(step, now=1.0)
        else:
            here.take([held(desk, signer.issue(vaccination(step)), bytes([number]))], now=1.0)
    traveller = here.context.traveller
    assert (traveller and traveller.document.name.surname[0], len(here.held)) == (name, count)


# What stays of "role: crew", told of whoever stood here first.
TOLD: dict[str, tuple[list[TravelDocument | dict[str, Any] | str], str]] = {
    "told before the certificate": (["crew", person()], "crew"),
    "told before the passport": (["crew", DUY, person()], "crew"),
    "another certificate of the same person": ([person(), "crew", person()], "crew"),
    "the passport of the same person": ([person(), "crew", DUY], "crew"),
    "somebody else's certificate": ([person(), "crew", UOC], ""),
    "somebody else's passport, then their certificate": ([person(), "crew", UOCS, UOC], ""),
    "somebody else's passport instead": ([DUY, "crew", UOCS], ""),
    "somebody else's certificate, then their passport": ([DUY, "crew", UOC, UOCS], ""),
    "none, then somebody's certificate": (["none", "crew", UOC], ""),
    "none, then somebody's passport": (["none", "crew", UOCS], ""),
    "none with a passport, then somebody's certificate": ([DUY, "none", "crew", UOC], ""),
    "a certificate, then none": ([person(), "crew", "none"], ""),
    "a passport that waits, then none": ([DUY, "crew", "none"], "crew"),
}


@pytest.mark.parametrize("story", list(TOLD))
def test_what_was_told_of_one_traveller_is_nobody_elses(desk: Desk, signer: Signer, story: str) -> None:
    """A role exempts: it goes with its traveller, whatever the next one shows first."""
    steps, role = TOLD[story]
    here = session()
    numbers = []
    for number, step in enumerate(steps):
        match step:
            case "crew":
                here.tell({"role": "crew"}, now=1.0)
            case "none":
                here.no_certificate(now=1.0)
            case TravelDocument():
                here.read(step, now=1.0)
            case dict():
                here.take([held(desk, signer.issue(vaccination(step)), bytes([number]))], now=1.0)
        numbers.append(here.number)
    assert here.context.role == role
    # What was meant for the one before is not heard for the next.
    assert (len(set(numbers)) > 1) is not bool(role)


def test_a_passport_of_one_who_has_no_certificate_accuses_nobody_else(desk: Desk, signer: Signer) -> None:
    """It waits no more once it was answered; that of the certificate's holder stays."""
    for document, stays in ((DUY, False), (UOCS, True)):
        here = session()
        here.read(document, now=1.0)
        here.no_certificate(now=1.0)
        here.take([held(desk, signer.issue(vaccination(UOC)))], now=2.0)
        assert (here.context.traveller is not None, here.without) == (stays, False)


def test_a_birth_date_known_in_part_does_not_join_two_persons(desk: Desk, signer: Signer) -> None:
    """1983 agrees with both; whoever differs from one of those that are held is somebody else."""
    days = ("1983-10-10", "1983", "1983-05-05")
    papers = [held(desk, signer.issue(vaccination(person(dob=day))), day.encode()) for day in days]
    here = session()
    for paper in papers:
        here.take([paper], now=1.0)
    assert here.held == (papers[2],)
    assert names(by_person(papers)) == [["1983-10-10", "1983"], ["1983-05-05"]]


def test_only_a_day_that_the_line_can_mean_is_taken_for_a_birth_date() -> None:
    """A tap picks a century; it does not make a passport say another day."""
    here = session()
    here.read(DUY, now=1.0)
    for day in (date(1983, 10, 11), date(1984, 10, 10), date(1583, 10, 10), date(2083, 10, 10)):
        here.born(day, 1.0, TODAY)
        assert here.context.traveller is not None
        assert here.context.traveller.born is None
    here.born(date(1983, 10, 10), 1.0, TODAY)
    assert here.context.traveller is not None
    assert here.context.traveller.born == date(1983, 10, 10)


@pytest.mark.scenario("SC-N21")
def test_two_persons_of_one_name_and_birth_date_are_kept_apart(desk: Desk, signer: Signer) -> None:
    """Two certificates are two by their identifiers, and the second person's is judged alone."""
    desk.bundle = shipped.bundle("eu-2022")
    here, berlin = session(), Context(country="DE")
    full = held(desk, signer.issue(vaccination(ci="URN:UVCI:01:XV:FULL#1")), b"full")
    half = held(desk, signer.issue(vaccination(ci="URN:UVCI:01:XV:HALF#2", dn=1)), b"half")
    twin = read_lines(passport("NGUYEN", "BAO<DUY", birth="831010", expires="310202"))
    assert twin != DUY
    here.read(DUY, now=1.0)
    here.take([full], now=2.0)
    here.take([full], now=3.0)
    assert len(here.held) == 1
    here.read(twin, now=4.0)
    here.take([half], now=5.0)
    here.context = replace(here.context, country=berlin.country)
    verdict = here.answer(basis_of(desk))
    assert [each.code for each in verdict.reasons] == [Reason.DOSE_SHORT]
    assert [each.events[0].identifier for each in verdict.shown] == ["URN:UVCI:01:XV:HALF#2"]


def test_the_picked_birth_date_goes_with_its_passport() -> None:
    """It is said of one document and not of the next."""
    here = session()
    here.read(DUY, now=1.0)
    here.born(date(1983, 10, 10), 1.0, TODAY)
    here.read(DUY, now=2.0)
    assert here.context.traveller is not None
    assert here.context.traveller.born == date(1983, 10, 10)
    here.read(UOCS, now=3.0)
    assert here.context.traveller.born is None


def test_what_cannot_be_told_changes_nothing() -> None:
    """A wrong member is an error, and the journey stays as it was."""
    here = session()
    here.tell({"mode": "land"}, now=1.0)
    with pytest.raises(ContextError):
        here.tell({"mode": "canary"}, now=2.0)
    assert here.context.mode is Mode.LAND


def test_an_airlines_flight_is_the_next_passengers_too_and_a_role_is_not() -> None:
    """Only at an airline's desk; elsewhere the site's own journey comes back."""
    airline = Session(Context(profile=Profile.AIRLINE), lasts_s=15)
    for here in (airline, session()):
        here.tell({"flight": "VN 600", "mode": "air", "role": "crew"}, now=1.0)
        here.end()
        assert here.context.role == ""
    assert (airline.context.flight, airline.context.mode, airline.resting.flight) == (
        "VN 600", Mode.AIR, "VN 600",
    )  # fmt: skip


def test_no_repr_says_who_stands_here(desk: Desk, signer: Signer) -> None:
    """Nothing that is printed by accident holds a name."""
    here = session()
    here.take([held(desk, signer.issue(vaccination()))], now=1.0)
    here.read(DUY, now=1.0)
    assert "NGUYEN" not in repr(vars(here)) + repr(here.held[0])


def test_rules_hold_until_the_next_one_begins_or_ends(desk: Desk) -> None:
    """Of bundles, orders, and the rules of those that judged; what lies behind is none of them."""
    march, may = shipped.bundle("vn-2022-03"), shipped.bundle("vn-2022-05")
    order = replace(march, post="here", valid_from=march.begins, valid_to=may.begins, activates=None)
    assert judged_until(basis_of(desk, bundles=(march, may)), []) == march.begins
    assert judged_until(basis_of(desk, bundles=(march, may), now=march.begins), []) == may.begins
    assert judged_until(basis_of(desk, bundles=(), orders=(order,), now=march.begins), []) == may.begins
    assert judged_until(basis_of(desk, bundles=(march, may), now=may.begins), []) is None
    assert judged_until(basis_of(desk, bundles=(march,), now=None), []) is None


# --- Codes in view ------------------------------------------------------------------------------------------


@pytest.fixture
def codes(desk: Desk, signer: Signer) -> dict[str, Held]:
    """Codes by a letter for the person and a number: a1, a2, b1, c1; x proves nothing."""
    heads = {"a": person(), "b": UOC, "c": person(nam={"fn": "Le", "gn": "Chi"})}
    found = {
        name: held(desk, signer.issue(vaccination(heads[name[0]], dn=int(name[1]))), name.encode())
        for name in ("a1", "a2", "b1", "c1")
    }
    stranger = desk.signer(label="stranger", listed=False)
    return found | {"x": held(desk, stranger.issue(vaccination()), b"x")}


def names(people: list[list[Held]]) -> list[list[str]]:
    return [[next(iter(each.marks)).decode() for each in person] for person in people]


def test_codes_are_gathered_by_person_and_what_fails_is_judged_last(
    desk: Desk, signer: Signer, codes: dict[str, Held]
) -> None:
    """One that proves nothing is nobody's."""
    over = held(desk, signer.issue(vaccination(), iat=0, exp=1), b"over")
    assert names(by_person([over, codes["b1"], codes["a1"], codes["x"], codes["a2"]])) == [
        ["a1", "a2", "over"], ["b1"], ["x"],
    ]  # fmt: skip


# Frames: what is new, what is in the frame, what may still come back; and whom to show then.
VIEWS: dict[str, list[tuple[str, str, str, list[list[str]]]]] = {
    "one, held up": [("a1", "a1", "a1", [["a1"]]), ("", "a1", "a1", []), ("", "", "a1", [])],
    "the next one into an empty frame": [("a1", "a1", "a1", [["a1"]]), ("b1", "b1", "a1 b1", [["b1"]])],
    "a second one beside": [("a1", "a1", "a1", [["a1"]]), ("b1", "a1 b1", "a1 b1", [["a1"], ["b1"]])],
    "two at once, then one alone": [
        ("a1 b1", "a1 b1", "a1 b1", [["a1"], ["b1"]]),
        ("", "b1", "a1 b1", []),
        ("", "b1", "b1", [["b1"]]),
        ("", "b1", "b1", []),
    ],
    "a sheet read by halves": [
        ("a1 b1", "a1 b1", "a1 b1", [["a1"], ["b1"]]),
        ("c1", "c1", "a1 b1 c1", [["a1"], ["b1"], ["c1"]]),
        ("", "a1 c1", "a1 b1 c1", []),
    ],
    "two papers of one person": [("a1 a2", "a1 a2", "a1 a2", [["a1", "a2"]])],
    "nobody is left of a list": [("a1 b1", "a1 b1", "a1 b1", [["a1"], ["b1"]]), ("", "", "", [])],
    "one that flickers while the next is shown": [
        ("a1", "a1", "a1", [["a1"]]),
        ("b1", "b1", "a1 b1", [["b1"]]),
        ("", "a1 b1", "a1 b1", [["a1"], ["b1"]]),
    ],
}


@pytest.mark.parametrize("story", list(VIEWS))
def test_who_is_shown_as_codes_come_and_go(codes: dict[str, Held], story: str) -> None:
    """At once, never mixed, and not again for every frame."""
    view = InView(lasts_s=15)
    for new, here, known, expected in VIEWS[story]:
        marks = {name.encode() for name in here.split()}
        people = view.see(
            [codes[name] for name in new.split()],
            marks,
            lambda mark, known=known: mark.decode() in known.split(),  # type: ignore[misc]
            now=1.0,
        )
        assert names(people) == expected


def test_what_was_read_is_forgotten_in_time_and_not_shown_again(codes: dict[str, Held]) -> None:
    """A code that lies there for an hour is known by its mark alone."""
    view = InView(lasts_s=15)
    both = [codes["a1"], codes["b1"]]
    assert view.see(both, {b"a1", b"b1"}, lambda _: True, now=1.0)
    assert len(view.listed) == 2
    view.expire(15.9)
    assert len(view.listed) == 2
    view.expire(16.0)
    assert (view.listed, view._held) == ([], {})
    assert view.see([], {b"a1", b"b1"}, lambda _: True, now=20.0) == []
