"""Names in the letters of a passport line: capitals A to Z, and each official spelling of a letter.

The rules this module keeps:

* The spellings are those of ICAO Doc 9303 part 3, section 6 (Latin-based, Cyrillic, Arabic) and, for Greek,
  which stands in no table there, of ELOT 743. The first spelling of a letter is its main one.
* Any other mark on a Latin letter falls away, composed or decomposed alike: ``Ước`` is ``UOC``. ``Đ`` and the
  ``Ð`` (eth) that is often typed for it have no decomposition; they stand in the table.
* Blanks, hyphens, commas and ``<`` part words; apostrophes and other punctuation, digits, control and
  direction characters fall away (part 3, section 4.6).
* A letter without a spelling (Chinese, Thai …) is never guessed: its word is left out, and the name is told
  to be incomplete.
* The spellings of a word are never listed. A text is run through the word's letters, so that work grows with
  the lengths and not with the number of spellings. What is read of a text and what is kept of it is bounded.

    >>> name = spell("Weiß-Müller")
    >>> name.main
    ('WEISS', 'MUELLER')
    >>> spells(name.words[1], "MULLER")
    True
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

MAX_READ = 400  # characters of a name that are looked at; a decomposed letter has up to three
MAX_LETTERS = 90  # letters that are kept of them: more than a DCC allows, twice what a passport line holds
MAX_WORDS = 24

Letter = tuple[str, ...]  # the official spellings of one letter, the main one first
Word = tuple[Letter, ...]


def _table(text: str) -> dict[str, Letter]:
    """Spellings by letter or by code point, from ``letter:main,other …``."""
    pairs = (entry.split(":") for entry in text.split())
    return {letter: tuple(spellings.split(",")) for letter, spellings in pairs}


# Part 3, section 6.A: where a letter is not simply itself without its marks. Beyond that table: Ø as O, which
# certificates have, and Ɖ and Ə, which passports write D and A.
_LATIN = _table(
    "Ä:AE,A Å:AA,A Æ:AE Ð:D Đ:D Ɖ:D Ə:A Ħ:H Ł:L Ñ:N,NXX Ŋ:N Ö:OE,O Ø:OE,O Œ:OE ẞ:SS Þ:TH Ŧ:T Ü:UE,UXX,U"
)
# Section 6.B. The general rule comes first; then those that the table states for single languages, and what
# passports of Bulgaria write. The table misprints Ѓ and Ћ and lacks Ь, which passports leave out.
_CYRILLIC = _table(
    "А:A Б:B В:V Г:G,H Ґ:G Ғ:G,GJ Д:D Ђ:D Ѓ:G,GJ Е:E Ё:E,IO Є:IE,YE Ж:ZH,Z З:Z Ѕ:DZ И:I,Y І:I Ї:I,YI Й:I,Y "
    "Ј:J К:K Л:L Љ:LJ М:M Н:N Њ:NJ О:O П:P Р:R С:S Т:T Ћ:C Ќ:K,KJ У:U Ў:U Ф:F Х:KH,H Ц:TS,C Ч:CH,C Џ:DZ,DJ "
    "Ш:SH,S Щ:SHCH,SHT Ъ:IE,A Ы:Y Э:E Ю:IU,YU Я:IA,YA Ѫ:U Ѵ:Y Һ:C"
)
_UNWRITTEN = frozenset("Ь")
# ELOT 743 letter by letter; pairs of letters: _greek().
_GREEK = _table(
    "Α:A Β:V Γ:G Δ:D Ε:E Ζ:Z Η:I Θ:TH Ι:I Ϊ:I Κ:K Λ:L Μ:M Ν:N Ξ:X Ο:O Π:P Ρ:R Σ:S Τ:T Υ:Y Ϋ:Y Φ:F Χ:CH "
    "Ψ:PS Ω:O"
)
_GREEK_VOICED = frozenset("ΑΕΗΙΟΥΩΪΫΒΓΔΖΛΜΝΡ")
# Section 6.C and appendix B, by code point: right-to-left letters would turn these lines around. Signs of
# vowels are marks, and are not written.
_ARABIC = {
    chr(int(point, 16)): letter
    for point, letter in _table(
        """
        0621:XE 0622:XAA 0623:XAE 0624:U 0625:I 0626:XI 0627:A 0628:B 0629:XTA,XAH 062A:T 062B:XTH 062C:J
        062D:XH 062E:XKH 062F:D 0630:XDH 0631:R 0632:Z 0633:S 0634:XSH 0635:XSS 0636:XDZ 0637:XTT 0638:XZZ
        0639:E 063A:G 0641:F 0642:Q 0643:K 0644:L 0645:M 0646:N 0647:H 0648:W 0649:XAY 064A:Y 0671:XXA
        0679:XXT 067C:XRT 067E:P 0681:XKE 0685:XXH 0686:XC 0688:XXD 0689:XDR 0691:XXR 0693:XRR 0696:XRX
        0698:XJ 069A:XXS 06A4:V 06A5:XF 06A9:XKK 06AB:XXK 06AD:XNG 06AF:XGG 06BA:XNN 06BC:XXN 06BE:XDO
        06C0:XYH 06C1:XXG 06C2:XGE 06C3:XTG 06CC:XYA,Y,XAY 06CD:XXY 06D0:Y 06D2:XYB 06D3:XBE
        """
    ).items()
}
# Doubles the letter that it stands above. Many names are written without it, so that both spellings hold.
_SHADDA = "\u0651"
_TEH_MARBUTA = "\u0629"
_OTHERS = _CYRILLIC | _GREEK | _ARABIC
# Filler, commas, the minus sign; blanks and hyphens are told by their category.
_PARTING = frozenset("<,\uff0c\u3001\u060c\u2212")


@dataclass(frozen=True, slots=True, repr=False)
class Spelled:
    """A field of a name, word by word.

    complete: whether every letter has a spelling; words with one that has none are not among ``words``.
    latin: whether all that was spelled is Latin. Only then is another spelling another name: who writes names
    of another script in Latin letters seldom keeps to a table.
    """

    words: tuple[Word, ...]
    complete: bool
    latin: bool

    @property
    def main(self) -> tuple[str, ...]:
        """The words in their main spelling."""
        return tuple(map(main, self.words))


def main(word: Word) -> str:
    """The main spelling of a word."""
    return "".join(letter[0] for letter in word)


def plain_word(text: str) -> Word:
    """A word that is written in capitals A to Z already, and has this one spelling."""
    return tuple((letter,) for letter in text)


def spell(text: str) -> Spelled:
    """A field of a name, in any letters, as passport lines may spell it. Any text is taken; none raises."""
    words: list[Word] = []
    complete = latin = True
    room = MAX_LETTERS
    for signs in _words(text):
        spelled = _letters(signs)
        if spelled is None:
            complete = False
            continue
        latin &= not any(sign in _OTHERS for sign, _ in signs)
        if spelled and room and len(words) < MAX_WORDS:
            words.append(tuple(spelled[:room]))
            room -= len(words[-1])
    return Spelled(tuple(words), complete, latin)


def _words(text: str) -> Iterator[list[tuple[str, bool]]]:
    """The words of a text, each as its signs: a letter with the mark that makes it one; whether doubled."""
    word: list[tuple[str, bool]] = []
    base, marks = "", ""
    for char in chain(_decomposed(text), " "):
        if unicodedata.category(char)[0] == "M":
            marks += char
            continue
        if base:
            word.append((_sign(base, marks), _SHADDA in marks))
        base, marks = "", ""
        kind = unicodedata.category(char)
        if kind in ("Zs", "Zl", "Zp", "Pd") or char in _PARTING:
            if word:
                yield word
            word = []
        elif kind[0] == "L" and kind != "Lm" and char not in _UNWRITTEN:
            base = (
                char  # what is written above the line and beside a letter (Lm) is an apostrophe or a stretch
            )


def _decomposed(text: str) -> str:
    """Capitals and their marks apart; what cannot be seen, and accents that stand alone, taken out first.

    An accent alone is an apostrophe to whoever typed it, and compatible decomposition would make it a blank.
    """
    kept = "".join(" " if char.isspace() else char for char in text[:MAX_READ] if _seen(char))
    return unicodedata.normalize("NFD", unicodedata.normalize("NFKC", kept)[: 2 * MAX_READ].upper())


def _seen(char: str) -> bool:
    kind = unicodedata.category(char)
    return char.isspace() or (kind[0] != "C" and kind != "Sk")


def _sign(base: str, marks: str) -> str:
    """The letter that a table knows with one of its marks, else the letter without them."""
    for mark in marks:
        whole = unicodedata.normalize("NFC", base + mark)
        if whole in _LATIN or whole in _OTHERS:
            return whole
    return base


def _letters(signs: list[tuple[str, bool]]) -> list[Letter] | None:
    """The spellings of a word, letter by letter; ``None`` when a letter has none."""
    out: list[Letter] = []
    plain = [sign for sign, _ in signs]
    at = 0
    while at < len(signs):
        sign, doubled = signs[at]
        pair = _greek(plain, at)
        if pair is not None:
            out.append((pair,))
            at += 2
            continue
        at += 1
        if "A" <= sign <= "Z" and len(sign) == 1:
            letter: Letter | None = (sign,)
        elif sign == _TEH_MARBUTA and at == len(signs):
            letter = ("XAH", "XTA")
        else:
            letter = _LATIN.get(sign) or _OTHERS.get(sign)
        if letter is None:
            return None
        out.append(tuple(2 * one for one in letter) + letter if doubled else letter)
    return out


def _greek(signs: list[str], at: int) -> str | None:
    """The spelling of a pair of Greek letters that is not that of the two (ELOT 743, transcription)."""
    match "".join(signs[at : at + 2]):
        case "ΑΥ" | "ΕΥ" | "ΗΥ":
            soft = at + 2 < len(signs) and signs[at + 2] in _GREEK_VOICED
            return _GREEK[signs[at]][0] + ("V" if soft else "F")
        case "ΟΥ":
            return "OU"
        case "ΓΓ" | "ΓΞ" | "ΓΧ":
            return "N" + _GREEK[signs[at + 1]][0]
        case "ΜΠ":
            return "B" if at == 0 or at + 2 == len(signs) else "MP"
        case _:
            return None


def spells(letters: Iterable[Letter], text: str) -> bool:
    """Whether ``text`` is a spelling of these letters."""
    return len(text) in _reached(letters, text)


def begins(letters: Iterable[Letter], text: str) -> bool:
    """Whether ``text`` is a spelling of these letters or the beginning of one, and not nothing."""
    ends = {0}
    for letter in letters:
        if any(len(text) - end <= len(one) and one.startswith(text[end:]) for end in ends for one in letter):
            return text != ""
        ends = _step(ends, letter, text)
    return False


def begun(letters: Iterable[Letter], text: str) -> bool:
    """Whether ``text`` begins with a spelling of these letters."""
    return bool(_reached(letters, text))


def _reached(letters: Iterable[Letter], text: str) -> set[int]:
    """Where in ``text`` the spellings of these letters may end."""
    ends = {0}
    for letter in letters:
        ends = _step(ends, letter, text)
    return ends


def _step(ends: set[int], letter: Letter, text: str) -> set[int]:
    return {end + len(one) for end in ends for one in letter if text.startswith(one, end)}
