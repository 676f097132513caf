"""Names as the passport line writes them: capitals A to Z and ``<``.

The rules this module keeps:

* Letters are spelled as :mod:`verifier.transliteration` does, each by its main spelling: ``Nguyễn`` is
  ``NGUYEN``, ``Đặng`` is ``DANG``, ``Ước`` is ``UOC``; words are joined by one ``<``.
* A name in other letters than Latin has no spelling here, whatever a table says: states seldom keep to one.
  The issuer must be told a spelling; it does not guess.

    >>> passport_line("Trương Mỹ Ước")
    'TRUONG<MY<UOC'
"""

from __future__ import annotations

import unicodedata

from verifier.transliteration import spell

MAX_NAME = 80  # characters of each name field of the EU DCC schema


def passport_line(name: str) -> str:
    """The name in the letters of the passport line.

    Raises ValueError when a letter of the name has no Latin spelling here.
    """
    spelled = spell(name)
    if not (spelled.complete and spelled.latin):
        script = next(unicodedata.name(c, "UNKNOWN").split()[0].title() for c in name if not _latin(c))
        raise ValueError(f"a letter ({script}) has no spelling in the passport line; give that spelling too")
    return "<".join(spelled.main)[:MAX_NAME]


def _latin(char: str) -> bool:
    spelled = spell(char)
    return spelled.complete and spelled.latin
