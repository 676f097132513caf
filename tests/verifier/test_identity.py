"""Birth dates and the whole comparison: what a desk sees, when a gate opens, whether two belong together."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passports import passport
from places import ROOT

from verifier.births import (
    OLDEST,
    BirthMatch,
    Born,
    PartialDate,
    compare_births,
    possible_births,
    read_birth,
    resolve_birth,
)
from verifier.certificate import Holder
from verifier.identity import IdentityMatch, Traveller, born, findings, match_identity, same_person
from verifier.mrz import read_lines
from verifier.names import NameClass
from verifier.reasons import Reason, State

MATCH, KNOWN, SWAPPED = BirthMatch.MATCH, BirthMatch.MATCH_KNOWN, BirthMatch.SWAPPED
UNKNOWN, DIFFERENT = BirthMatch.UNKNOWN, BirthMatch.DIFFERENT
TODAY = date(2022, 6, 1)


def short(text: str) -> PartialDate:
    """A birth date as a printed line states it."""
    return read_lines(passport("NGUYEN", birth=text)).birth


def traveller(birth: str, name: str = "NGUYEN<<BAO<DUY", picked: date | None = None) -> Traveller:
    surname, _, words = name.partition("<<")
    return Traveller(read_lines(passport(surname, words, birth=birth)), picked)


def holder(birth: str, surname: str = "Nguyễn", words: str = "Bảo Duy") -> Holder:
    return Holder(surname, words, birth_date=birth)


def found(one: Holder, who: Traveller | None, *, gate: bool = False) -> list[tuple[Reason, State | None]]:
    return [(each.code, each.state) for each in findings(one, who, gate=gate)]


def span(one: Born | None) -> tuple[str, str] | None:
    return None if one is None else (one.earliest.isoformat(), one.latest.isoformat())


BIRTHS = {
    "both full and equal": ("1983-02-10", "830210", MATCH),
    "the century is the certificate's": ("1921-05-01", "210501", MATCH),
    "the certificate knows the year": ("1983", "830210", KNOWN),
    "the certificate knows year and month": ("1983-02", "830210", KNOWN),
    "the line knows the year": ("1980-04-02", "80<<<<", KNOWN),
    "both know the year alone": ("1980", "80<<<<", KNOWN),
    "the line writes 00 for unknown": ("1980-04-02", "800000", KNOWN),
    "the certificate writes 00": ("1980-00-00", "800402", KNOWN),
    "the certificate writes XX": ("1980-04-XX", "800402", KNOWN),
    "another known part": ("1981", "800402", DIFFERENT),
    "another month": ("1980-05", "800402", DIFFERENT),
    "another day": ("1980-04-03", "800402", DIFFERENT),
    "day and month swapped": ("1980-02-03", "800302", SWAPPED),
    "swapped, in another year": ("1981-02-03", "800302", DIFFERENT),
    "the certificate knows nothing": ("", "800402", UNKNOWN),
    "the line knows nothing": ("1980-04-02", "<<<<<<", UNKNOWN),
    "no part in common": ("1980", "<<0402", UNKNOWN),
    "a text that is no date": ("spring 1980", "800402", UNKNOWN),
    "a date that no calendar has": ("1981-02-30", "810228", UNKNOWN),
}


@pytest.mark.parametrize("case", BIRTHS)
def test_birth_dates_are_compared_by_what_both_state(case: str) -> None:
    """A table of what certificates and lines state."""
    certificate, line, expected = BIRTHS[case]
    assert compare_births(read_birth(certificate), short(line)) is expected
    assert compare_births(short(line), read_birth(certificate)) is expected


@pytest.mark.scenario("SC-D05")
def test_the_century_comes_from_the_certificate() -> None:
    """A hundred years old, and no infant."""
    one, who = holder("1921-05-01"), traveller("210501")
    assert match_identity(one, who).birth is MATCH
    assert found(one, who, gate=True) == []
    exact = born(one, who, TODAY)
    assert exact is not None
    assert exact.exact == date(1921, 5, 1)
    newborn = born(holder("2021-05-01"), who, TODAY)
    assert newborn is not None
    assert newborn.exact == date(2021, 5, 1)


def test_a_line_alone_may_leave_two_centuries_and_an_officer_picks_one() -> None:
    """SC-D06 as far as it is a matter of dates: 1921 or 2021, until somebody has said which."""
    assert [each.exact for each in possible_births(short("210501"), TODAY)] == [
        date(2021, 5, 1),
        date(1921, 5, 1),
    ]
    assert span(born(None, traveller("210501"), TODAY)) == ("1921-05-01", "2021-05-01")
    assert span(born(holder(""), traveller("210501"), TODAY)) == ("1921-05-01", "2021-05-01")
    picked = traveller("210501", picked=date(2021, 5, 1))
    assert span(born(None, picked, TODAY)) == ("2021-05-01", "2021-05-01")
    assert match_identity(holder("1921-05-01"), picked).birth is DIFFERENT


def test_the_documents_full_date_completes_a_partial_one() -> None:
    """SC-D04 as far as it is a matter of dates: 2010 and 1 February make 12 years on 1 June 2022."""
    assert span(born(holder("2010"), traveller("100201"), TODAY)) == ("2010-02-01", "2010-02-01")
    assert span(born(holder("2010"), None, TODAY)) == ("2010-01-01", "2010-12-31")
    assert span(born(holder("2010-02"), None, TODAY)) == ("2010-02-01", "2010-02-28")
    assert span(born(holder("2010-02"), traveller("10<<<<"), TODAY)) == ("2010-02-01", "2010-02-28")
    assert span(born(holder("2010"), traveller("<<0201"), TODAY)) == ("2010-02-01", "2010-02-01")


@pytest.mark.scenario("SC-D07")
def test_a_partial_date_of_the_line_matches_on_what_is_known() -> None:
    """At the desk it is a match, and its class says that it is one in part; a gate asks for a person."""
    one, who = holder("1980-04-02"), traveller("80<<<<")
    match = match_identity(one, who)
    assert (match.birth, match.agrees, match.opens_gate) == (KNOWN, True, False)
    assert found(one, who) == []
    assert found(one, who, gate=True) == [(Reason.DOB_PARTIAL, State.CHECK)]
    assert span(born(one, who, TODAY)) == ("1980-04-02", "1980-04-02")


@pytest.mark.scenario("SC-D08")
def test_day_and_month_swapped_are_asked_about() -> None:
    """A question at the desk, in both languages; a gate stays shut."""
    one, who = holder("1980-02-03"), traveller("800302")
    for gate in (False, True):
        (one_finding,) = findings(one, who, gate=gate)
        assert (one_finding.code, one_finding.state) == (Reason.DOB_DIFFERENT, State.CHECK)
        assert one_finding.note is not None
        assert one_finding.note["en"] == "Day and month swapped?"
        assert one_finding.note["vi"]
    assert not match_identity(one, who).opens_gate
    assert span(born(one, who, TODAY)) == ("1980-02-03", "1980-03-02")


def test_nothing_to_compare_is_for_a_person() -> None:
    """SC-D02 against a passport: the certificate states no birth date."""
    assert found(holder(""), traveller("830210")) == [(Reason.DOB_PARTIAL, State.CHECK)]
    assert not match_identity(holder(""), traveller("830210")).agrees


@pytest.mark.parametrize("birth", ["2015-06-01", "2015"])
def test_an_adult_with_a_childs_certificate_is_red(birth: str) -> None:
    """SC-C06: the birth date is not the passport's; the age for rules is the certificate's."""
    one, who = holder(birth), traveller("830210")
    assert found(one, who) == [(Reason.DOB_DIFFERENT, State.FAIL)]
    years = born(one, who, TODAY)
    assert years is not None
    assert years.earliest.year == 2015


def test_no_travel_document_is_no_finding() -> None:
    """SC-N25: the desk has its banner, and a gate has nothing to open for."""
    assert found(holder("1983-02-10"), None, gate=True) == []


DESK_AND_GATE = {
    NameClass.EXACT: ("NGUYEN<<BAO<DUY", None, True),
    NameClass.VARIANT: ("NGUYEN<<BAODUY", None, True),
    NameClass.ORDER: ("BAO<DUY<<NGUYEN", None, False),
    NameClass.PARTIAL: ("NGUYEN<<THI<BAO<DUY", (Reason.NAME_PARTIAL, State.CHECK), False),
    NameClass.CHANGED: ("DUPONT<<BAO<DUY", (Reason.NAME_CHANGED, State.CHECK), False),
    NameClass.DIFFERENT: ("TRAN<<VAN<MINH", (Reason.NAME_DIFFERENT, State.FAIL), False),
}


@pytest.mark.parametrize("kind", DESK_AND_GATE)
def test_what_the_desk_finds_and_whether_a_gate_opens(kind: NameClass) -> None:
    """Each class, with a birth date that agrees; at a gate, what does not open is never left a PASS."""
    name, reason, opens = DESK_AND_GATE[kind]
    one, who = holder("1983-02-10"), traveller("830210", name)
    match = match_identity(one, who)
    assert (match.name, match.opens_gate) == (kind, opens)
    assert found(one, who) == ([] if reason is None else [reason])
    assert (found(one, who, gate=True) == []) is opens
    assert all(state is not None for _, state in found(one, who, gate=True))


def test_a_cut_name_opens_a_gate_when_the_line_is_full() -> None:
    """TRUNCATED: all of the 39 signs agree."""
    one = holder("1983-02-10", "Venkatanarasimharajuvaripeta", "Subramaniaswamy")
    who = traveller("830210", "VENKATANARASIMHARAJUVARIPETA<<SUBRAMANIASWAMY")
    assert match_identity(one, who) == IdentityMatch(NameClass.TRUNCATED, (), MATCH)
    assert match_identity(one, who).opens_gate
    assert found(one, who, gate=True) == []


def test_another_birth_date_is_red_whatever_the_name_is() -> None:
    """It must agree in every case, and both reasons are told."""
    assert found(holder("1983-02-11"), traveller("830210", "TRAN<<VAN<MINH")) == [
        (Reason.NAME_DIFFERENT, State.FAIL),
        (Reason.DOB_DIFFERENT, State.FAIL),
    ]
    assert not match_identity(holder("1983-02-11"), traveller("830210")).opens_gate


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (holder("1983-02-10"), holder("1983-02-10"), True),
        (holder("1983-02-10"), Holder("NGUYEN BAO DUY", birth_date="1983-02-10"), True),
        (holder("1983"), holder("1983-02-10"), True),
        (holder("1983"), holder("1983"), True),
        (holder("1883-02-10"), holder("1983-02-10"), False),
        (holder("1983-02-10"), holder("1983-10-02"), False),
        (holder(""), holder("1983-02-10"), False),
        (holder("1983-02-10"), holder("1983-02-10", "Trần"), False),
        (holder("1983-02-10"), holder("1983-02-10", "Nguyễn", "Duy"), False),
    ],
)
def test_certificates_of_one_person_agree_by_name_and_birth_date(
    one: Holder, other: Holder, agrees: bool
) -> None:
    """Whichever was shown first. A birth date that is missing leaves it open."""
    assert same_person(one, other).agrees is agrees
    assert same_person(other, one).agrees is agrees


def test_nothing_prints_a_birth_date() -> None:
    """No repr tells one."""
    who = traveller("830210")
    for one in (who, who.document, who.birth, born(holder("1983-02-10"), who, TODAY)):
        assert repr(one).startswith(
            f"<verifier.{type(one).__module__.split('.')[1]}.{type(one).__name__} object"
        )


@pytest.mark.parametrize(
    ("text", "today", "years"),
    [
        ("220601", date(2022, 6, 1), [2022, 1922]),  # born today
        ("220602", date(2022, 6, 1), [1922]),  # tomorrow
        ("970601", date(2022, 6, 1), [1997, 1897]),  # 125 years to the day
        ("970531", date(2022, 6, 1), [1997]),
        ("000229", date(2024, 2, 29), [2000]),  # 1900 had no such day
        ("991231", date(2000, 1, 1), [1999, 1899]),
        ("010101", date(2101, 1, 1), [2101, 2001]),
        ("<<0501", date(2022, 6, 1), []),
    ],
)
def test_a_line_is_read_in_every_century_that_somebody_alive_may_have(
    text: str, today: date, years: list[int]
) -> None:
    """Not in the future, and not more than 125 years ago."""
    assert [each.earliest.year for each in possible_births(short(text), today)] == years


def test_a_year_that_is_not_over_is_cut_at_today() -> None:
    """Nobody is born tomorrow, and nobody lives longer than anybody has."""
    assert [span(each) for each in possible_births(short("22<<<<"), TODAY)] == [
        ("2022-01-01", "2022-06-01"),
        ("1922-01-01", "1922-12-31"),
    ]
    assert [span(each) for each in possible_births(short("97<<<<"), TODAY)][1] == ("1897-06-01", "1897-12-31")


@pytest.mark.parametrize(
    ("text", "latest"),
    [("2022-06-01", "2022-06-01"), ("2022-06", "2022-06-01"), ("2022-06-02", None), ("2023", None)],
)
def test_nobody_is_born_tomorrow_whatever_a_certificate_states(text: str, latest: str | None) -> None:
    """A birth date in the future makes no infant: it states nothing."""
    found = resolve_birth(read_birth(text), PartialDate(), TODAY)
    assert (found and found.latest.isoformat()) == latest


@pytest.mark.parametrize("today", [date.min, date.max])
def test_births_at_the_ends_of_the_calendar(today: date) -> None:
    """A unit that judges no time, or whose clock is lost, asks too."""
    assert all(each.latest <= today for each in possible_births(short("99<<<<"), today))


parts = st.builds(
    PartialDate,
    st.none() | st.integers(0, 99),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 28),
    st.just(False),
)
texts = st.dates().map(date.isoformat).flatmap(lambda day: st.sampled_from([day, day[:7], day[:4], ""]))


@given(texts, parts, st.dates(date(1950, 1, 1), date(2150, 1, 1)))
def test_a_resolved_birth_lies_within_what_is_stated(text: str, line: PartialDate, today: date) -> None:
    """Whatever is stated: the earliest is not after the latest, and both agree with the certificate."""
    certificate = read_birth(text)
    resolved = resolve_birth(certificate, line, today)
    match = compare_births(certificate, line)
    assert match is compare_births(line, certificate)
    if resolved is None:
        assert text[:4] >= str(today.year) or not text
        return
    assert resolved.earliest <= resolved.latest <= today
    if text and match is not SWAPPED:
        for bound in (resolved.earliest, resolved.latest):
            assert bound.isoformat().startswith(text)
    if not text:
        assert resolved.earliest.year >= today.year - OLDEST


@given(st.text(max_size=12))
def test_any_text_is_a_birth_date_or_states_nothing(text: str) -> None:
    """No text raises."""
    stated = read_birth(text)
    assert stated.possible
    born_later = text > TODAY.isoformat()
    assert possible_births(stated, TODAY) or born_later or stated.parts == (None, None, None)


def test_the_example_on_the_page_is_what_the_code_answers() -> None:
    """docs/names.md begins with it."""
    page = (ROOT / "docs/names.md").read_text(encoding="utf-8")
    found = re.search(
        r"certificate +(.+), (.+), born (.+)\n +passport +(.+)\n +(.+)\n +answer +name (.+), birth date (.+)",
        page,
    )
    assert found is not None
    surname, words, birth, first, second, name, birth_match = found.groups()
    match = match_identity(holder(birth, surname, words), Traveller(read_lines(first + second)))
    assert (match.name, match.birth) == (name, birth_match)
