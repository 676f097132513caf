"""A name on a certificate against the name in the line of a travel document.

The rules this module keeps:

* Words are compared as the passport line spells them, by their official spellings alone. There is no
  tolerance for likeness: one other letter is another name, however long the word.
* What the issuer wrote in the letters of the line (``fnt``, ``gnt``) is asked first; the name in its own
  letters may only add the other official spellings, or stand in for what the issuer wrote wrongly.
* A cut word is agreement only where the line is full to its last letter. Where it has room, it is a part.
* What cannot be spelled is not known: it makes PARTIAL, for a person to look at, never DIFFERENT.
* Work is bounded: a name is cut to what :mod:`verifier.transliteration` keeps, and words are paired, not
  permuted.

    match = compare(Holder(surname="Đặng", given="Thị Đào"), LineName(("DANG",), ("THI", "DAO")))
    match.found                                  # NameClass.EXACT
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from verifier.certificate import Holder
from verifier.mrz import NAME_LENGTHS, LineName
from verifier.transliteration import Word, begins, begun, main, spell, spells

# Words that stand where a name is missing: "first name unknown", "last name unknown", and crosses.
FILLERS = frozenset({"FNU", "LNU", "XXX"})
# Letters that a word must have for a shorter form to be a part of it. An initial may be of any word.
CUT_FROM = 5
# Letters that must agree somewhere before two names are parts of each other.
SURE_PART = 3

_LINE = re.compile(r"[A-Z<]*")


class NameClass(StrEnum):
    """How a certificate's name stands to that of the travel document, the best first."""

    EXACT = "EXACT"
    VARIANT = "VARIANT"
    TRUNCATED = "TRUNCATED"
    ORDER = "ORDER"
    PARTIAL = "PARTIAL"
    CHANGED = "CHANGED"
    DIFFERENT = "DIFFERENT"


class Note(StrEnum):
    """What a person should know beside the class.

    RESPELLED: the issuer's passport spelling has signs that no line has, and was not used as it stands.
    UNSPELLED: letters without a spelling, which were not compared. TRANSCRIBED: letters of another script,
    whose spelling in passports follows no table strictly. FILLER: a word that stands for a missing name, or a
    name given twice, was left out. JOINED: equal once blanks and hyphens are taken out.
    """

    RESPELLED = "RESPELLED"
    UNSPELLED = "UNSPELLED"
    TRANSCRIBED = "TRANSCRIBED"
    FILLER = "FILLER"
    JOINED = "JOINED"


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The class that was found, and what to know beside it."""

    found: NameClass
    notes: tuple[Note, ...] = ()


_BEST = list(NameClass)


def compare(holder: Holder, line: LineName, *, same_birth: bool = False) -> NameMatch:
    """Class a certificate's name against that of a line. Any text is taken; none raises.

    same_birth: whether both state one full birth date. Another surname with the same given names is CHANGED
    then, and DIFFERENT otherwise.
    """
    issued, own = _readings(holder)
    match = _classed(issued, line, same_birth)
    if own is not None and _rank(match) > _rank(NameMatch(NameClass.VARIANT)):
        other = _classed(own, line, same_birth)
        if other.found is NameClass.EXACT:
            other = replace(other, found=NameClass.VARIANT)  # not as the issuer spelled it
        match = min(match, other, key=_rank)
    if match.found is NameClass.DIFFERENT and issued.doubt is not None:
        match = NameMatch(NameClass.PARTIAL, (issued.doubt,))
    return replace(match, notes=(Note.RESPELLED, *match.notes)) if issued.respelled else match


def compare_holders(one: Holder, other: Holder) -> NameMatch:
    """Class the names of two certificates against each other, whichever of the two spells more.

    The same letters of whatever script are EXACT.
    """
    letters = _own_letters(one)
    if letters == _own_letters(other) and any(letters):
        return NameMatch(NameClass.EXACT)
    lines = ((one, _as_line(other)), (other, _as_line(one)))
    matches = [compare(holder, line) for holder, line in lines if line is not None]
    return min(matches, key=_rank, default=NameMatch(NameClass.PARTIAL, (Note.UNSPELLED,)))


def _own_letters(holder: Holder) -> tuple[str, str]:
    surname, given = (
        " ".join(unicodedata.normalize("NFC", text).split()).casefold()
        for text in (holder.surname, holder.given)
    )
    return surname, given


def _rank(match: NameMatch) -> int:
    return _BEST.index(match.found)


# --- A certificate's name, read for comparison


@dataclass(frozen=True, slots=True, repr=False)
class _Name:
    """Words by field. doubt: why a mismatch would not make it another name; ``None``: it would.

    whole: whether all that was written is among the words. hollow: a field holds signs and no letter.
    respelled: whether what the issuer wrote for the line could not be used.
    """

    surname: tuple[Word, ...]
    given: tuple[Word, ...]
    doubt: Note | None = None
    hollow: bool = False
    respelled: bool = False

    @property
    def words(self) -> tuple[Word, ...]:
        return self.surname + self.given

    @property
    def whole(self) -> bool:
        return self.doubt is not Note.UNSPELLED


def _readings(holder: Holder) -> tuple[_Name, _Name | None]:
    """The name as the issuer spelled it for the line, and in its own letters where that may say more."""
    own = (holder.surname, holder.given)
    issued, wrong = [], False
    for field, written in zip(own, (holder.surname_icao, holder.given_icao), strict=True):
        clean = _LINE.fullmatch(written) is not None
        wrong |= not clean
        usable = field.strip() and spell(field).complete
        issued.append(written if written.strip("<") and (clean or not usable) else field)
    first = replace(_read(*issued), respelled=wrong)
    if tuple(issued) == own:
        return first, None
    second = [field if spell(field).words else stated for field, stated in zip(own, issued, strict=True)]
    other = _read(*second)
    return first, (other if other.whole else None)


def _read(surname: str, given: str) -> _Name:
    fields = [spell(surname), spell(given)]
    doubt = None
    if not all(field.complete for field in fields) or not any(field.words for field in fields):
        doubt = Note.UNSPELLED
    elif not all(field.latin for field in fields):
        doubt = Note.TRANSCRIBED
    written = zip((surname, given), fields, strict=True)
    hollow = any(text.strip() and field.complete and not field.words for text, field in written)
    return _Name(fields[0].words, fields[1].words, doubt, hollow)


def _as_line(holder: Holder) -> LineName | None:
    """A certificate's name as a line would show it; ``None`` for one that cannot be spelled as a whole.

    One exactly as long as the field of a line may have been taken from a line that was full.
    """
    name, _ = _readings(holder)
    if not name.whole:
        return None
    surname, given = (tuple(map(main, words)) for words in _fields(name))
    shown = len("<<".join("<".join(words) for words in (surname, given) if words))
    return LineName(surname, given, shown in NAME_LENGTHS.values())


# --- The classes, best first


def _classed(name: _Name, line: LineName, same_birth: bool) -> NameMatch:
    if not name.words or not (line.surname or line.given):
        return NameMatch(NameClass.PARTIAL, (Note.UNSPELLED,))
    if name.whole:
        agreed = _agreement(name, line)
        if agreed is not None:
            return agreed
    if _partial(name.words, line.surname + line.given):
        return NameMatch(NameClass.PARTIAL, () if name.whole else (Note.UNSPELLED,))
    if same_birth and _same_given(name, line):
        return NameMatch(NameClass.CHANGED)
    return NameMatch(NameClass.DIFFERENT)


def _agreement(name: _Name, line: LineName) -> NameMatch | None:
    """Whether all of the name agrees, as far as the line shows it."""
    mains = tuple(tuple(map(main, words)) for words in (name.surname, name.given))
    if mains == (line.surname, line.given) and not name.hollow:
        return NameMatch(NameClass.EXACT)
    if _same(name, line):
        return NameMatch(NameClass.VARIANT, (Note.FILLER,) if name.hollow else ())
    if _joined(name, line):
        return NameMatch(NameClass.VARIANT, (Note.JOINED,))
    bare, shown, reduced = _reduced(name, line)
    if reduced and (_same(bare, shown) or _joined(bare, shown)):
        return NameMatch(NameClass.VARIANT, (Note.FILLER,))
    if line.full and _truncated(name, line):
        return NameMatch(NameClass.TRUNCATED)
    if _ordered(name, line) or (reduced and _ordered(bare, shown)):
        return NameMatch(NameClass.ORDER)
    return None


def _same(name: _Name, line: LineName) -> bool:
    """The same words in the same fields."""
    return all(
        len(words) == len(shown) and all(map(spells, words, shown))
        for words, shown in ((name.surname, line.surname), (name.given, line.given))
    )


def _joined(name: _Name, line: LineName) -> bool:
    """The same letters in the same fields, wherever words begin."""
    return all(
        spells(chain(*words), "".join(shown))
        for words, shown in ((name.surname, line.surname), (name.given, line.given))
    )


def _reduced(name: _Name, line: LineName) -> tuple[_Name, LineName, bool]:
    """Both without words that stand for a missing name, and without a name that stands in both fields.

    One field that is left is the whole name. Also: whether anything was taken away, and anything is left.
    """
    surname, given = (tuple(word for word in words if main(word) not in FILLERS) for words in _fields(name))
    if list(map(main, surname)) == list(map(main, given)):
        given = ()
    top, rest = (tuple(word for word in words if word not in FILLERS) for words in (line.surname, line.given))
    if top == rest:
        rest = ()
    bare = replace(name, surname=surname or given, given=given if surname else ())
    shown = LineName(top or rest, rest if top else (), line.full)
    taken = name.hollow or (surname, given) != _fields(name) or (top, rest) != (line.surname, line.given)
    return bare, shown, taken and bool(bare.surname and shown.surname)


def _fields(name: _Name) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    return name.surname, name.given


def _truncated(name: _Name, line: LineName) -> bool:
    """Whether a full line shows the beginning of each word in its place, but for words at the end of a field.

    So cut all methods of Doc 9303 part 4, section 4.2.3: at the end, to initials, to a fixed length.
    """
    if _cut(name.surname, line.surname) and _cut(name.given, line.given):
        return True
    surname, given = "".join(line.surname), "".join(line.given)
    if given:
        return spells(chain(*name.surname), surname) and begins(chain(*name.given), given)
    return begins(chain(*name.surname), surname)


def _cut(words: Sequence[Word], shown: Sequence[str]) -> bool:
    return len(shown) <= len(words) and all(map(begins, words, shown))


def _ordered(name: _Name, line: LineName) -> bool:
    """The same words in other fields or in another order."""
    words, shown = name.words, line.surname + line.given
    if len(words) == len(shown) and _paired(words, shown, spells) == len(words):
        return True
    return any(
        _same(other, line) or _joined(other, line) or (line.full and _truncated(other, line))
        for other in _arranged(name, line)
    )


def _arranged(name: _Name, line: LineName) -> Iterator[_Name]:
    """The name with its fields swapped; with all in one field, parted where a field of the line ends."""
    if name.surname and name.given:
        yield replace(name, surname=name.given, given=name.surname)
        return
    words = name.words
    if not line.given:
        return
    for at in range(1, len(words)):
        head, tail = words[:at], words[at:]
        if at == len(line.surname) or spells(chain(*head), "".join(line.surname)):
            yield replace(name, surname=head, given=tail)
        if len(tail) == len(line.surname) or spells(chain(*tail), "".join(line.surname)):
            yield replace(name, surname=tail, given=head)


def _partial(words: Sequence[Word], shown: Sequence[str]) -> bool:
    """Whether each word of the shorter name stands in the longer one, whole or in part."""
    if not any(_alike(word, text) for word in words for text in shown):
        return False
    return _paired(words, shown, _part) == min(len(words), len(shown))


def _part(word: Word, text: str) -> bool:
    """Whether one is the other, the beginning of a long one, or its initial."""
    if spells(word, text):
        return True
    length = len(main(word))
    if begins(word, text):
        return len(text) == 1 or length >= CUT_FROM
    return begun(word, text) and (length == 1 or len(text) >= CUT_FROM)


def _alike(word: Word, text: str) -> bool:
    """Whether the two are more to each other than an initial."""
    return spells(word, text) or (min(len(main(word)), len(text)) >= SURE_PART and _part(word, text))


def _same_given(name: _Name, line: LineName) -> bool:
    """The same given names, in their field or at either end of a name that stands in one field."""
    shown = "".join(line.given)
    if not shown:
        return False
    if name.surname and name.given:
        return spells(chain(*name.given), shown)
    words = name.words
    cuts = range(1, len(words))
    return any(spells(chain(*words[at:]), shown) or spells(chain(*words[:at]), shown) for at in cuts)


def _paired(words: Sequence[Word], shown: Sequence[str], fits: Callable[[Word, str], bool]) -> int:
    """How many words can be paired with words of the line that they fit, each with one of its own.

    A word that fits several may take the place of one that can move (augmenting paths), so that the order of
    asking does not matter.
    """
    if len(words) > len(shown):
        few, many = range(len(shown)), range(len(words))
        fitting = [[at for at in many if fits(words[at], shown[one])] for one in few]
    else:
        few, many = range(len(words)), range(len(shown))
        fitting = [[at for at in many if fits(words[one], shown[at])] for one in few]
    taken: dict[int, int] = {}

    def place(one: int, asked: set[int]) -> bool:
        for at in fitting[one]:
            if at in asked:
                continue
            asked.add(at)
            if at not in taken or place(taken[at], asked):
                taken[at] = one
                return True
        return False

    return sum(place(one, set()) for one in few)
