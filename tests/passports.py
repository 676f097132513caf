"""A printer of travel documents for tests: lines with every check digit right, as no real document has them.

passport("NGUYEN", "BAO<DUY", birth="830210")         # the 2 × 44 signs of a TD3, with a line end
"""

from __future__ import annotations

from verifier.mrz import NAME_LENGTHS, DocumentKind, check_digit

CODES = {
    DocumentKind.TD1: "I<",
    DocumentKind.TD2: "I<",
    DocumentKind.TD3: "P<",
    DocumentKind.MRV_A: "V<",
    DocumentKind.MRV_B: "V<",
}


def checked(field: str) -> str:
    """A field with its check digit behind it."""
    return f"{field}{check_digit(field)}"


def name_field(surname: str, given: str = "", kind: DocumentKind = DocumentKind.TD3) -> str:
    """The field of a name, cut at its end or filled up."""
    length = NAME_LENGTHS[kind]
    whole = f"{surname}<<{given}" if given else surname
    return whole[:length].rstrip("<").ljust(length, "<")


def passport(
    surname: str,
    given: str = "",
    *,
    birth: str = "830210",
    kind: DocumentKind = DocumentKind.TD3,
    nationality: str = "UTO",
    issuer: str = "UTO",
    sex: str = "F",
    expires: str = "300101",
    number: str = "X12345678",
    optional: str = "",
) -> str:
    """The lines of a travel document, one a line. given: with ``<`` between its words."""
    name = name_field(surname, given, kind)
    code, state, people = CODES[kind], issuer.ljust(3, "<"), nationality.ljust(3, "<")
    if kind is DocumentKind.TD1:
        first = f"{code}{state}{_number(number)}{optional}".ljust(30, "<")
        second = f"{checked(birth)}{sex}{checked(expires)}{people}".ljust(29, "<")
        whole = check_digit(first[5:] + second[:7] + second[8:15] + second[18:29])
        return "\n".join((first, f"{second}{whole}", name))
    first = f"{code}{state}{name}"
    second = f"{_number(number)}{people}{checked(birth)}{sex}{checked(expires)}{optional}".ljust(
        len(first), "<"
    )
    match kind:
        case DocumentKind.TD3:
            second = second[:28] + checked(second[28:42])
            second += str(check_digit(second[:10] + second[13:20] + second[21:43]))
        case DocumentKind.TD2:
            second = second[:35] + str(check_digit(second[:10] + second[13:20] + second[21:35]))
        case _:
            pass
    return f"{first}\n{second}"


def _number(number: str) -> str:
    return checked(number.ljust(9, "<"))
