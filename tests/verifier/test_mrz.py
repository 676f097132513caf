"""Lines of travel documents: every form, every check digit, and nothing kept that is not needed."""

from __future__ import annotations

import pickle
import re
from contextlib import suppress
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passports import name_field, passport

from verifier.mrz import (
    MAX_TEXT,
    NAME_LENGTHS,
    DocumentKind,
    MrzError,
    TravelDocument,
    check_digit,
    read_lines,
)
from verifier.reasons import Reason, State

# The examples of ICAO Doc 9303, parts 4 to 7, the card with a long number among them.
ICAO = {
    "TD3": "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "TD1": "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    "TD2": "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
    "MRV-A": "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<",
    "MRV-B": "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL8988901C4XXX4009078F9612109<<<<<<<<",
}
LONG_NUMBERS = {
    "TD1": "I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<",
    "TD2": "I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<\nD23145890<UTO3407127M95071227349<<<8",
}


@pytest.mark.parametrize(("kind", "lines"), ICAO.items())
def test_the_examples_of_the_standard_are_read(kind: str, lines: str) -> None:
    """Cards, passports and visas of both sizes."""
    document = read_lines(lines)
    assert document.kind is DocumentKind(kind)
    assert (document.issuer, document.code) == ("UTO", lines[0])
    assert (document.name.surname, document.name.given) == (("ERIKSSON",), ("ANNA", "MARIA"))
    assert not document.name.full
    assert document.sex == "F"
    visa = kind.startswith("MRV")
    assert document.birth.parts == ((40, 9, 7) if visa else (74, 8, 12))
    assert document.expires.parts == ((96, 12, 10) if visa else (12, 4, 15))
    assert document.nationality == ("XXX" if visa else "UTO")


@pytest.mark.parametrize(("kind", "lines"), LONG_NUMBERS.items())
def test_a_number_of_more_than_nine_signs_is_checked_where_it_goes_on(kind: str, lines: str) -> None:
    """Cards carry the rest of it, and its check digit, in their optional data."""
    assert read_lines(lines).kind == kind
    with pytest.raises(MrzError):
        read_lines(lines.replace("7349", "7348"))


def test_the_check_digit_weighs_seven_three_one() -> None:
    """Doc 9303 part 3, appendix A: 520727 has 3, AB2134 has 5; filler counts nothing."""
    assert [check_digit(field) for field in ("520727", "AB2134<<<", "<<<<<<")] == [3, 5, 0]


@pytest.mark.scenario("SC-N24")
@pytest.mark.parametrize("kind", list(DocumentKind))
def test_a_wrong_check_digit_is_asked_for_again_and_gives_nothing_to_compare(kind: DocumentKind) -> None:
    """Each digit and letter that a check digit covers, misread by one: RESCAN, and no document at all."""
    good = passport("NGUYEN", "BAO<DUY", kind=kind, optional="" if kind is DocumentKind.TD1 else "AB1")
    read_lines(good)
    lines = good.split("\n")
    data = 0 if kind is DocumentKind.TD1 else 1  # where the checked fields begin
    checked = 0
    for row, line in enumerate(lines[: data + 2]):
        for at, sign in enumerate(line):
            uncovered = row < data or not sign.isdigit() or (kind is DocumentKind.TD1 and row == 2)
            if uncovered or (kind.value.startswith("MRV") and at >= 28):
                continue
            other = str((int(sign) + 1) % 10)
            bad = [*lines[:row], line[:at] + other + line[at + 1 :], *lines[row + 1 :]]
            with pytest.raises(MrzError) as caught:
                read_lines("\n".join(bad))
            found = caught.value.finding()
            assert (found.code, found.state) == (Reason.IDENTITY_UNREAD, State.RESCAN)
            checked += 1
    assert checked >= 20


@pytest.mark.parametrize(
    ("field", "line", "at"),
    [("document number", 1, 9), ("birth date", 1, 19), ("expiry date", 1, 27), ("optional data", 1, 42)],
)
def test_the_error_names_the_field_and_none_of_what_stands_in_it(field: str, line: int, at: int) -> None:
    """An officer learns what to look at; a log learns nothing about the holder."""
    lines = [list(one) for one in ICAO["TD3"].split("\n")]
    lines[line][at] = str((int(lines[line][at]) + 1) % 10)
    with pytest.raises(MrzError, match=field) as caught:
        read_lines("\n".join("".join(one) for one in lines))
    assert not any(word in str(caught.value) for word in ("ERIKSSON", "L898902C3", "740812"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", ""),
        lambda text: text.replace("\n", "\r\n") + "\r\n",
        lambda text: text.lower(),
        lambda text: "\x02" + text.replace("\n", "\r") + "\x03",
        lambda text: "  " + " ".join(text) + "\t",
    ],
    ids=["joined", "CR LF", "small letters", "control characters of a wedge", "blanks"],
)
@pytest.mark.parametrize("kind", ICAO)
def test_lines_come_as_keyboards_and_readers_send_them(kind: str, change: object) -> None:
    """The signs count, not what stands between them."""
    assert callable(change)
    assert read_lines(change(ICAO[kind])) == read_lines(ICAO[kind])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P<UTO",
        ICAO["TD3"][:-1],
        ICAO["TD3"] + "<",
        ICAO["TD3"].replace("ANNA", "ANN4"),
        ICAO["TD3"].replace("ANNA", "ANNÄ"),
        ICAO["TD3"].replace("ERIKSSON", "ERIKßON"),  # two letters in capitals
        ICAO["TD3"].replace("ERIKSSON<<ANNA<MARIA", 20 * "<"),
        ICAO["TD3"].replace("P<UTO", "P<U1O"),
        ICAO["TD3"].replace("P<UTO", "<<UTO"),
        ICAO["TD3"].replace("F", "Q"),
        ICAO["TD3"] * 12,
        ICAO["TD3"] + MAX_TEXT * " ",
        passport("NGUYEN", birth="831301"),
        passport("NGUYEN", birth="830230"),
        passport("NGUYEN", birth="8<0210"),
        passport("NGUYEN", birth="A30210"),
    ],
)
def test_what_is_not_whole_or_not_right_is_refused(text: str) -> None:
    """Nothing is completed, and nothing is corrected."""
    with pytest.raises(MrzError):
        read_lines(text)


@pytest.mark.parametrize(
    ("birth", "parts"),
    [
        ("830210", (83, 2, 10)),
        ("8302<<", (83, 2, None)),
        ("80<<<<", (80, None, None)),
        ("<<<<<<", (None, None, None)),
        ("800000", (80, None, None)),
        ("000229", (0, 2, 29)),
    ],
)
def test_unknown_parts_of_a_birth_date_are_told_as_unknown(
    birth: str, parts: tuple[int | None, int | None, int | None]
) -> None:
    """Filler stands for them, and in some documents 00."""
    assert read_lines(passport("NGUYEN", birth=birth)).birth.parts == parts


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_a_name_is_full_when_a_letter_stands_at_the_end_of_its_field(kind: DocumentKind) -> None:
    """39 signs of a passport and a large visa, 31 of a TD2 and a small visa, 30 of a TD1."""
    length = NAME_LENGTHS[kind]
    assert length == {"TD1": 30, "TD2": 31, "TD3": 39, "MRV-A": 39, "MRV-B": 31}[kind]
    for more, full in ((0, True), (1, True), (-1, False)):
        given = "A" * (length - 8 + more)
        assert read_lines(passport("NGUYEN", given, kind=kind)).name.full is full


def test_a_name_may_have_one_field_only() -> None:
    """No given names, or, in passports of some States, no surname."""
    assert read_lines(passport("SUHARTO")).name.given == ()
    document = read_lines(passport("", "SUHARTO"))
    assert (document.name.surname, document.name.given) == ((), ("SUHARTO",))


@pytest.mark.parametrize("optional", ["", "ZE184226B", "ZE184226B<<<<7"])
def test_optional_data_of_a_passport_have_a_check_digit_or_none(optional: str) -> None:
    """Without data the digit may be a zero or filler."""
    lines = passport("NGUYEN", optional=optional)
    read_lines(lines)
    if not optional:
        assert lines[-2] == "0"
        read_lines(lines[:-2] + "<" + lines[-1])


def test_number_and_optional_data_are_not_kept() -> None:
    """They are checked and forgotten; the value has no field for them, nor a repr that could tell a name."""
    document = read_lines(passport("NGUYEN", "BAO<DUY", number="SECRET123", optional="HIDDEN7"))
    held = pickle.dumps(document)
    assert b"NGUYEN" in held
    assert b"SECRET" not in held
    assert b"HIDDEN" not in held
    assert {one.name for one in fields(TravelDocument)} == {
        "kind", "code", "issuer", "name", "nationality", "birth", "sex", "expires",
    }  # fmt: skip
    told = re.sub("0x[0-9a-f]+", "", repr((document, document.name, document.birth)))  # no addresses
    assert not any(word in told for word in ("NGUYEN", "83"))


@given(st.text() | st.text("<ABC0123456789\n", min_size=85, max_size=95))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a keyboard sends."""
    with suppress(MrzError):
        assert isinstance(read_lines(text), TravelDocument)


names = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=25)


@given(st.sampled_from(DocumentKind), names, st.lists(names, max_size=4), st.dates())
def test_what_is_printed_is_read(kind: DocumentKind, surname: str, words: list[str], birth: object) -> None:
    """Any name and any date, in any form of document."""
    given_names = "<".join(words)
    document = read_lines(passport(surname, given_names, kind=kind, birth=f"{birth:%y%m%d}"))
    shown = name_field(surname, given_names, kind)
    assert document.kind is kind
    assert document.name.full is (shown[-1] != "<")
    assert "<<".join(filter(None, map("<".join, (document.name.surname, document.name.given)))) == (
        shown.rstrip("<")
    )
