"""Letters as passport lines spell them: ICAO's tables, Vietnamese in every form, bounded work."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.transliteration import (
    MAX_LETTERS,
    MAX_READ,
    MAX_WORDS,
    begins,
    begun,
    main,
    plain_word,
    spell,
    spells,
)

# Doc 9303 part 3, section 6.A, from a row of each base letter; those of more than one letter stand below.
PLAIN = {
    "A": "ÀÁÂÃĀĂĄ", "C": "ÇĆĈĊČ", "D": "ÐĎĐ", "E": "ÈÉÊËĒĔĖĘĚ", "G": "ĜĞĠĢ", "H": "ĤĦ", "I": "ÌÍÎÏĨĪĬĮİı",
    "J": "Ĵ", "K": "Ķ", "L": "ĹĻĽĿŁ", "N": "ŃŅŇŊ", "O": "ÒÓÔÕŌŎŐ", "R": "ŔŖŘ", "S": "ŚŜŞŠ", "T": "ŢŤŦ",
    "U": "ÙÚÛŨŪŬŮŰŲ", "W": "Ŵ", "Y": "ÝŶŸ", "Z": "ŹŻŽ",
}  # fmt: skip
TWICE = {
    "Ä": ("AE", "A"), "Å": ("AA", "A"), "Æ": ("AE",), "Ñ": ("N", "NXX"), "Ö": ("OE", "O"), "Ø": ("OE", "O"),
    "Ü": ("UE", "UXX", "U"), "Þ": ("TH",), "Ĳ": ("IJ",), "Œ": ("OE",), "ẞ": ("SS",), "ß": ("SS",),
}  # fmt: skip
# Every vowel of Vietnamese with every tone.
VIETNAMESE = {
    "A": "aàảãáạăằẳẵắặâầẩẫấậ", "E": "eèẻẽéẹêềểễếệ", "I": "iìỉĩíị", "O": "oòỏõóọôồổỗốộơờởỡớợ",
    "U": "uùủũúụưừửữứự", "Y": "yỳỷỹýỵ", "D": "dđ",
}  # fmt: skip


def forms(text: str) -> set[str]:
    """Composed and decomposed, large and small."""
    return {
        unicodedata.normalize(form, cased)
        for form in ("NFC", "NFD", "NFKC", "NFKD")
        for cased in (text, text.lower(), text.upper())
    }


@pytest.mark.parametrize(("base", "letters"), PLAIN.items())
def test_a_mark_falls_away(base: str, letters: str) -> None:
    """Every letter of the table that is spelled as its base letter, in every form."""
    for letter in letters:
        for form in forms(letter):
            assert spell(form).main == (base,), (letter, form)


@pytest.mark.parametrize(("letter", "spellings"), TWICE.items())
def test_a_letter_has_all_its_official_spellings_and_no_other(
    letter: str, spellings: tuple[str, ...]
) -> None:
    """The first is the main one."""
    for form in forms(letter):
        (word,) = spell(form).words
        assert main(word) == spellings[0]
        every = {a + b + c for a in " AEOUNSTIJHX" for b in " AESHJX" for c in " X"}
        assert {text for text in ("".join(one.split()) for one in every) if spells(word, text)} == set(
            spellings
        )


@pytest.mark.parametrize(("base", "letters"), VIETNAMESE.items())
def test_every_vietnamese_letter_with_every_tone(base: str, letters: str) -> None:
    """Composed and decomposed; the horn and the stroke are no accents, and fall away too."""
    for letter in letters:
        for form in forms(letter):
            assert spell(form).main == (base,), letter


def test_eth_that_was_typed_for_the_vietnamese_letter() -> None:
    """Ð and ð look like Đ; so does Ɖ in capitals."""
    assert {spell(name).main for name in ("Đào", "Ðào", "ðào", "đào", "Ɖào")} == {("DAO",)}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("D'ARTAGNAN", "DARTAGNAN"),
        ("O’Neill ONeill O`Neill O´Neill Oʻneill", "ONEILL<ONEILL<ONEILL<ONEILL<ONEILL"),
        ("MARIE-ELISE Anne–Marie", "MARIE<ELISE<ANNE<MARIE"),
        ("ANNA, MARIA", "ANNA<MARIA"),
        ("d'Arsøns - van Halen", "DARSOENS<VAN<HALEN"),
        ("J.R. 2nd (Ewing)", "JR<ND<EWING"),
        ("NGUYEN<BAO<<DUY<", "NGUYEN<BAO<DUY"),
        ("Ｎｇｕｙｅｎ", "NGUYEN"),
        ("\u202eBao\u202c\u200b Du\u00ady\x00\x1b", "BAO<DUY"),
        ("Bao\tDuy\r\nAn\u2028Ha", "BAO<DUY<AN<HA"),
        (" . ", ""),
        ("", ""),
    ],
)
def test_punctuation_blanks_and_unseen_characters(name: str, line: str) -> None:
    """Doc 9303 part 3, section 4.6: hyphens and commas part words, all else falls away."""
    spelled = spell(name)
    assert ("<".join(spelled.main), spelled.complete) == (line, True)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Юрий Щербаков", "IURII<SHCHERBAKOV"),
        ("Ёлкин Объедков Игорь", "ELKIN<OBIEEDKOV<IGOR"),
        ("Παύλος Ευθύμιος Ευαγγελία Ούρσα", "PAVLOS<EFTHYMIOS<EVANGELIA<OURSA"),
        ("Μπάμπης Ψυχάρη Φώτης Αϋπνία", "BAMPIS<PSYCHARI<FOTIS<AYPNIA"),
        ("ابو بكر محمد بن زكريا الرازي", "ABW<BKR<MXHMD<BN<ZKRYA<ALRAZY"),  # appendix B of part 3
        ("عبّاس فضّة", "EBBAS<FXDZXDZXAH"),
        ("جميلة نعيمة", "JMYLXAH<NEYMXAH"),
        ("هاري الشماع", "HARY<ALXSHMAE"),
        ("مُحَمَّد", "MXHMMD"),
    ],
)
def test_other_scripts_are_spelled_by_their_tables(name: str, line: str) -> None:
    """Cyrillic and Arabic by ICAO, Greek by ELOT 743, composed and decomposed; told not to be Latin."""
    for form in ("NFC", "NFD"):
        spelled = spell(unicodedata.normalize(form, name))
        assert "<".join(spelled.main) == line
        assert (spelled.complete, spelled.latin) == (True, False)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("Гриньов", ["HRYNOV", "GRINOV"]),
        ("Юлия", ["YULIYA", "IULIIA"]),
        ("Џорџ", ["DJORDJ", "DZORDZ"]),
        ("Шарић", ["SARIC", "SHARIC"]),
        ("عبّاس", ["EBAS", "EBBAS"]),
        ("سی", ["SXYA", "SY", "SXAY"]),
    ],
)
def test_rules_for_single_languages_are_spellings_too(name: str, others: list[str]) -> None:
    """The table names languages; a name does not say which is its own."""
    (word,) = spell(name).words
    assert all(spells(word, other) for other in others)


@pytest.mark.parametrize("name", ["王小明", "ไทย", "ሰላም", "שלום", "山田ー", "Ʞ"])
def test_a_letter_without_a_spelling_is_never_guessed(name: str) -> None:
    """Its word is left out, and the rest is told to be incomplete."""
    assert (spell(name).words, spell(name).complete) == ((), False)
    mixed = spell(f"Anna {name}")
    assert (mixed.main, mixed.complete) == (("ANNA",), False)


def test_the_beginning_of_a_word_and_a_word_as_a_beginning() -> None:
    """What truncation asks, with every spelling."""
    (word,) = spell("Müller").words
    assert all(begins(word, text) for text in ("M", "MU", "MUE", "MULL", "MUELLE", "MUXXLLER"))
    assert not any(begins(word, text) for text in ("", "ME", "MUA", "MULLERS"))
    assert begun(plain_word("MIN"), "MINH")
    assert not begun(plain_word("MINH"), "MIN")


@given(st.text() | st.text(st.characters(categories=["Lu", "Ll", "Mn", "Lm", "Cf", "Zs", "Pd"])))
def test_any_text_becomes_capitals_and_stays_bounded(text: str) -> None:
    """No text raises, no sign but A to Z comes out, and spelling it again changes nothing."""
    spelled = spell(text)
    assert all(word and word.isascii() and word.isalpha() and word.isupper() for word in spelled.main)
    assert len(spelled.words) <= MAX_WORDS
    assert sum(map(len, spelled.words)) <= MAX_LETTERS
    again = spell("<".join(spelled.main))
    assert again.complete
    assert again.latin
    if sum(map(len, spelled.main)) <= MAX_LETTERS:
        assert again.main == spelled.main


@pytest.mark.parametrize("text", [10_000 * "ü", 10_000 * "A ", "A" + 10_000 * "\u0301", 10_000 * "ﷺ"])
def test_a_hostile_name_is_cut(text: str) -> None:
    """Ten thousand letters, words or marks are looked at no further than a name goes."""
    spelled = spell(text)
    assert sum(map(len, spelled.words)) <= MAX_LETTERS
    assert spelled.words == spell(text[:MAX_READ]).words


def test_what_stands_behind_the_limit_is_not_looked_at() -> None:
    """A name does not begin four hundred signs late."""
    assert spell((MAX_READ - 1) * "." + "ANNA").main == ("A",)
