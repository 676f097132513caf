"""Names as the passport line writes them: capitals A to Z and ``<``.

The rules this module keeps, after ICAO Doc 9303 part 3:

* Letters that have a spelling of their own there (``ß`` SS, ``Ä`` AE, ``Ø`` OE …) get it, other marks fall
  away: ``Nguyễn`` is ``NGUYEN``, ``Đặng`` is ``DANG``, ``Ước`` is ``UOC``.
* An apostrophe falls away; whatever else is no letter parts words, and words are joined by one ``<``.
* A name in other letters than Latin has no spelling here. The issuer must be told one; it does not guess.

    >>> passport_line("Trương Mỹ Ước")
    'TRUONG<MY<UOC'
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 80  # characters of each name field of the EU DCC schema

_SPELLED = {
    "Ä": "AE", "Å": "AA", "Æ": "AE", "Ð": "D", "Đ": "D", "Ħ": "H", "İ": "I", "Ĳ": "IJ", "Ł": "L", "Ŋ": "N",
    "Ö": "OE", "Ø": "OE", "Œ": "OE", "ẞ": "SS", "Þ": "TH", "Ŧ": "T", "Ü": "UE",
}  # fmt: skip
_APOSTROPHES = "'’ʼʻ`´"
_PARTS = re.compile(r"[^A-Z]+")


def passport_line(name: str) -> str:
    """The name in the letters of the passport line.

    Raises ValueError when a letter of the name has no Latin spelling here.
    """
    # Upper case first: it turns ß into SS and ı into I by itself. NFC, so that the table sees whole letters.
    upper = unicodedata.normalize("NFC", name).upper()
    spelled = "".join(_SPELLED.get(letter, letter) for letter in upper if letter not in _APOSTROPHES)
    plain = "".join(c for c in unicodedata.normalize("NFD", spelled) if not unicodedata.combining(c))
    strange = [c for c in plain if c.isalpha() and not "A" <= c <= "Z"]
    if strange:
        script = unicodedata.name(strange[0], "UNKNOWN").split()[0].title()
        raise ValueError(f"a letter ({script}) has no spelling in the passport line; give that spelling too")
    return "<".join(word for word in _PARTS.split(plain) if word)[:MAX_NAME]
