"""The lines of a travel document: the three sizes of ICAO Doc 9303 parts 4 to 6, and visas of part 7.

The rules this module keeps:

* Every check digit must be right before anything of a line is believed. A wrong one is an MrzError, which
  asks for another reading; no letter is corrected, and nothing is guessed.
* Lines may come joined, in small letters, with blanks or line ends: so keyboard wedges send them.
* The document's number and its optional data are checked and forgotten: nothing here needs them.
* A name that fills its field to the last letter may have been cut (part 4, section 4.2.3).
* A nationality is carried and judged by nobody: ``D``, ``XXA``, ``XXB``, ``UNO`` are as good as any.

    document = read_lines(
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
    )
    document.name.surname, document.name.given      # ("ERIKSSON",), ("ANNA", "MARIA")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from verifier.births import PartialDate
from verifier.reasons import Finding, Reason, finding

MAX_TEXT = 1000  # characters that are looked at, line ends and blanks included

_LINES = re.compile(r"[A-Za-z0-9<]+", re.ASCII)
_NAME = re.compile(r"[A-Z<]+")
_CODE = re.compile(r"[A-Z]{1,3}<{0,2}")
_KIND = re.compile(r"[A-Z][A-Z0-9<]")
_WEIGHTS = (7, 3, 1)
_VALUES = {sign: value for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}


class DocumentKind(StrEnum):
    """The forms of the lines: identity cards, travel documents, passports, visas of both sizes."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRV_A = "MRV-A"
    MRV_B = "MRV-B"


# Length of a line; a visa is told from a passport of its size by its first letter.
_FORMS = {90: (DocumentKind.TD1, 30), 72: (DocumentKind.TD2, 36), 88: (DocumentKind.TD3, 44)}
_VISAS = {DocumentKind.TD2: DocumentKind.MRV_B, DocumentKind.TD3: DocumentKind.MRV_A}
NAME_LENGTHS = {
    DocumentKind.TD1: 30,
    DocumentKind.TD2: 31,
    DocumentKind.TD3: 39,
    DocumentKind.MRV_A: 39,
    DocumentKind.MRV_B: 31,
}


class MrzError(ValueError):
    """Lines that were not read: an incomplete text, a wrong check digit, a sign where it cannot stand.

    The message names the field and never what stood in it.
    """

    def finding(self) -> Finding:
        """The Finding that a result carries for this: read again (RESCAN)."""
        return finding(Reason.IDENTITY_UNREAD, str(self))


@dataclass(frozen=True, slots=True, repr=False)
class LineName:
    """A name as its field shows it: the words of the surname (primary identifier) and of the given names.

    full: whether the field ends with a letter. Then words may be cut or missing, though they need not be.
    """

    surname: tuple[str, ...]
    given: tuple[str, ...] = ()
    full: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class TravelDocument:
    """What the lines of a travel document say of its holder, every check digit being right.

    code: the document code without filler (``P``, ``PD``, ``ID``, ``V``). issuer, nationality: as in the line
    (``VNM``, ``D``, ``XXB``). birth, expires: without a century. sex: ``M``, ``F`` or empty. The document's
    number and optional data are checked, and not kept.
    """

    kind: DocumentKind
    code: str
    issuer: str
    name: LineName
    nationality: str
    birth: PartialDate
    sex: str
    expires: PartialDate


def read_lines(text: str) -> TravelDocument:
    """Read the lines of a travel document. Raises MrzError when they are not whole or not right."""
    if len(text) > MAX_TEXT:
        raise MrzError("the text is longer than the lines of any travel document; read one document alone")
    joined = "".join(char for char in text if not char.isspace() and char.isprintable())
    if not _LINES.fullmatch(joined):
        raise MrzError("a sign that no travel document has; read the lines again")
    form = _FORMS.get(len(joined))
    if form is None:
        raise MrzError("not as many signs as the lines of a travel document have; read all lines again")
    kind, length = form
    signs = joined.upper()
    if signs[0] == "V":
        kind = _VISAS.get(kind, kind)
    lines = [signs[at : at + length] for at in range(0, len(signs), length)]
    return _card(lines) if kind is DocumentKind.TD1 else _book(kind, lines)


def _book(kind: DocumentKind, lines: list[str]) -> TravelDocument:
    """TD3, TD2 and visas: two lines of one build, but for what follows the expiry date."""
    first, second = lines
    _check_number(second[:9], second[9], second[28:35] if kind is DocumentKind.TD2 else "")
    document = _document(
        kind,
        first,
        name=first[5:],
        nationality=second[10:13],
        birth=second[13:20],
        sex=second[20],
        expires=second[21:28],
    )
    match kind:
        case DocumentKind.TD3:
            if second[28:43] != 15 * "<":  # without optional data their check digit may be filler too
                _check("optional data", second[28:42], second[42])
            _check("whole second line", second[:10] + second[13:20] + second[21:43], second[43])
        case DocumentKind.TD2:
            _check("whole second line", second[:10] + second[13:20] + second[21:35], second[35])
        case DocumentKind.MRV_A | DocumentKind.MRV_B | DocumentKind.TD1:
            pass  # a visa has no check digit beyond those of its fields
    return document


def _card(lines: list[str]) -> TravelDocument:
    """TD1: three lines, the name in the last."""
    first, second, third = lines
    _check_number(first[5:14], first[14], first[15:])
    document = _document(
        DocumentKind.TD1,
        first,
        name=third,
        nationality=second[15:18],
        birth=second[:7],
        sex=second[7],
        expires=second[8:15],
    )
    _check("first two lines", first[5:] + second[:7] + second[8:15] + second[18:29], second[29])
    return document


def _document(
    kind: DocumentKind, first: str, *, name: str, nationality: str, birth: str, sex: str, expires: str
) -> TravelDocument:
    """The fields that every form has. birth, expires: with their check digits."""
    if not _KIND.fullmatch(first[:2]):
        raise MrzError("the document code is none; read the lines again")
    if sex not in "MFX<":
        raise MrzError("the sex is a sign that no line has; read the lines again")
    return TravelDocument(
        kind,
        first[:2].rstrip("<"),
        _state("issuing State", first[2:5]),
        _name(name),
        _state("nationality", nationality),
        _date("birth date", birth),
        sex if sex in "MF" else "",
        _date("expiry date", expires),
    )


def check_digit(field: str) -> int:
    """The check digit over a field (Doc 9303 part 3, section 4.9)."""
    return sum(_VALUES[sign] * _WEIGHTS[at % 3] for at, sign in enumerate(field)) % 10


def _check(what: str, field: str, digit: str) -> None:
    if digit != str(check_digit(field)):
        raise MrzError(f"the check digit of the {what} is wrong; read the lines again")


def _check_number(number: str, digit: str, optional: str) -> None:
    """Check a document number.

    One of more than nine signs goes on in the optional data of a card, its check digit behind it; filler then
    stands where the digit else does (part 5, section 4.2.2, note j).
    """
    rest = optional.split("<", 1)[0]
    if digit == "<" and len(rest) >= 2:
        number, digit = number + rest[:-1], rest[-1]
    _check("document number", number, digit)


def _name(field: str) -> LineName:
    """Two fillers part surname and given names, one filler parts words."""
    if not _NAME.fullmatch(field):
        raise MrzError("a digit in the name; read the lines again")
    surname, _, given = field.partition("<<")
    words = LineName(
        tuple(word for word in surname.split("<") if word),
        tuple(word for word in given.split("<") if word),
        field[-1] != "<",
    )
    if not (words.surname or words.given):
        raise MrzError("no name in the lines; read them again")
    return words


def _state(what: str, code: str) -> str:
    if not _CODE.fullmatch(code):
        raise MrzError(f"the {what} is no code of letters; read the lines again")
    return code.rstrip("<")


def _date(what: str, field: str) -> PartialDate:
    """Six digits and their check digit. Filler is what is not known; some States write ``00`` for it."""
    _check(what, field[:6], field[6])
    parts = [None if part == "<<" else part for part in (field[:2], field[2:4], field[4:6])]
    if any(part is not None and not part.isdigit() for part in parts):
        raise MrzError(f"the {what} is no date; read the lines again")
    year, month, day = (None if part is None else int(part) for part in parts)
    read = PartialDate(year, month or None, day or None, century=False)
    if not read.possible:
        raise MrzError(f"the {what} is no date; read the lines again")
    return read
