"""A stranger's text as the page may show it, and how days and instants are written there.

The rules this module keeps:

* Text of a code or a travel document is text: control and direction characters are taken out, piles of marks
  are cut, the length is bounded.
* A day is 15/02/2022, an instant 08:00 20/03/2022 with the offset of its zone.

    plain("Nguy\\u202eễn"), day(date(2022, 2, 15))          # ("Nguyễn", "15/02/2022")
    instant(sampled, zone)                                  # "08:00 20/03/2022 (UTC+07:00)"
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

Facts = dict[str, Any]
Texts = dict[str, str]  # by language

MAX_NAME = 80
MAX_FULL_NAME = 400  # of a name that is shown whole when somebody asks for it
MAX_MARKS = 4  # combining marks on one letter; Vietnamese needs two


def plain(text: str, limit: int = MAX_NAME) -> str:
    """A stranger's text, safe to show on one line.

    Control, format and direction characters, unpaired surrogates and private ones are taken out, runs of
    blanks become one, piles of combining marks are cut, and the length is bounded with an ellipsis.
    """
    out: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[: limit * 16]):
        kind = unicodedata.category(char)
        if kind in ("Zs", "Zl", "Zp") or char in "\t\r\n\v\f":
            out.append(" ")
            continue
        if kind[0] == "C":
            continue
        marks = marks + 1 if kind[0] == "M" else 0
        if marks <= MAX_MARKS:
            out.append(char)
    line = re.sub(" +", " ", "".join(out)).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
