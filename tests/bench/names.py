"""How names of Vietnam fare against their passport line, and what a comparison costs.

People are invented: every vowel with every tone, Đ and the eth that is typed for it, composed and decomposed,
the order of words and fields as certificates have them. True pairs are a certificate and the line of the same
person; strangers are a certificate and the line of somebody whose name in the line differs in a letter at
least, half of them in one word alone.

    PYTHONPATH=tests python -m bench.names --people 10000 --json build/names.json
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Any

from passports import passport

from bench.told import keep
from verifier.certificate import Holder
from verifier.mrz import LineName, read_lines
from verifier.names import NameClass, compare
from verifier.transliteration import spell

SEED = 2022


def listed(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


FAMILIES = listed(
    "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Đoàn Trương Ước"
)
MIDDLES = listed("Văn Thị Hữu Đức Ngọc Minh Thanh Quốc Xuân Thuỳ Đình Mỹ Bảo Gia Hồng Kim")
ONSETS = [*listed("b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x"), ""]
VOWELS = listed("a ă â e ê i o ô ơ u ư y ia iê ua uô ưa ươ ai ao au ay eo iu oa oe oi ui uy")
CODAS = [*listed("c ch m n ng nh p t"), "", "", ""]
TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")


@dataclass(frozen=True)
class Person:
    """A name in its own letters."""

    surname: str
    given: str

    @property
    def words(self) -> str:
        return f"{self.surname} {self.given}"

    @property
    def line(self) -> LineName:
        """The name as it is read from the lines of a printed passport."""
        surname, given = ("<".join(spell(text).main) for text in (self.surname, self.given))
        return read_lines(passport(surname, given)).name


def syllable(random: Random) -> str:
    """An invented syllable: any onset, vowel, tone and coda, whether the language has it or not."""
    vowel = random.choice(VOWELS)
    toned = unicodedata.normalize("NFC", vowel[:1] + random.choice(TONES) + vowel[1:])
    return (random.choice(ONSETS) + toned + random.choice(CODAS)).capitalize()


def person(random: Random) -> Person:
    """Somebody with two to five words, common ones and invented ones."""
    surname = random.choice(FAMILIES) if random.random() < 0.7 else syllable(random)
    if random.random() < 0.05:
        surname += f"-{random.choice(FAMILIES)}"
    middle = [random.choice(MIDDLES) for _ in range(random.choice((0, 1, 1, 1, 2)))]
    return Person(surname, " ".join([*middle, *(syllable(random) for _ in range(random.choice((1, 1, 2))))]))


def latin_letters(name: Person) -> str:
    """The letters of the line alone."""
    return "".join(spell(name.words).main)


WAYS: dict[str, Callable[[Person], Holder]] = {
    "own letters": lambda p: Holder(p.surname, p.given),
    "own letters and passport spelling": lambda p: Holder(
        p.surname, p.given, "<".join(spell(p.surname).main), "<".join(spell(p.given).main)
    ),
    "passport spelling with wrong signs": lambda p: Holder(
        p.surname, p.given, p.surname.upper(), p.given.upper().replace(" ", "<")
    ),
    "all in one field": lambda p: Holder(p.words),
    "all in one field, given names first": lambda p: Holder(f"{p.given} {p.surname}"),
    "fields swapped": lambda p: Holder(p.given, p.surname),
    "given names in another order": lambda p: Holder(p.surname, " ".join(reversed(p.given.split()))),
    "blanks left out": lambda p: Holder(p.surname, p.given.replace(" ", "")),
}


def typed(holder: Holder, random: Random) -> Holder:
    """The same certificate as software writes it: composed or not, eth for Đ, in any case."""
    form = random.choice(("NFC", "NFD"))
    eth = random.random() < 0.3
    case: Callable[[str], str] = random.choice((str.upper, str.lower, str.title, str))

    def write(text: str) -> str:
        text = unicodedata.normalize(form, case(text))
        return text.replace("Đ", "Ð").replace("đ", "ð") if eth else text

    return Holder(write(holder.surname), write(holder.given), holder.surname_icao, holder.given_icao)


def true_pairs(people: int, seed: int = SEED) -> Iterator[tuple[str, Holder, LineName]]:
    """Certificates of so many people, each in one of the ways in turn, with their own line."""
    random = Random(seed)
    ways = list(WAYS.items())
    for number in range(people):
        who = person(random)
        way, made = ways[number % len(ways)]
        yield way, typed(made(who), random), who.line


def strangers(pairs: int, seed: int = SEED + 1) -> Iterator[tuple[Holder, LineName]]:
    """Certificates with the line of somebody else: anybody, or one who differs in a single word."""
    random = Random(seed)
    ways = list(WAYS.values())
    made = 0
    while made < pairs:
        who = person(random)
        if made % 2:
            other = person(random)
        else:
            words = who.given.split()
            words[random.randrange(len(words))] = syllable(random)
            other = Person(who.surname, " ".join(words))
        if latin_letters(who) == latin_letters(other):
            continue
        yield typed(ways[made // 2 % len(ways)](who), random), other.line
        made += 1


def measure(people: int) -> dict[str, Any]:
    """The classes of so many true pairs and strangers, and the time of a comparison."""
    by_way: dict[str, Counter[NameClass]] = {way: Counter() for way in WAYS}
    micros: list[float] = []
    for way, holder, line in true_pairs(people):
        before = perf_counter_ns()
        found = compare(holder, line).found
        micros.append((perf_counter_ns() - before) / 1000)
        by_way[way][found] += 1
    other = Counter(compare(holder, line).found for holder, line in strangers(people))
    micros.sort()
    return {
        "people": people,
        "seed": SEED,
        "true_pairs": {way: {str(kind): n for kind, n in sorted(got.items())} for way, got in by_way.items()},
        "false_different": sum(got[NameClass.DIFFERENT] for got in by_way.values()),
        "strangers": {str(kind): n for kind, n in sorted(other.items())},
        "false_exact": other[NameClass.EXACT],
        "micros": {"p50": round(median(micros)), "p99": round(micros[len(micros) * 99 // 100])},
    }


def main() -> int:
    """Measure, print, and fail when a true pair is DIFFERENT or a stranger EXACT."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--people", type=int, default=10_000, help="true pairs, and as many pairs of strangers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    options = parser.parse_args()
    figures = measure(options.people)
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    keep(figures, options.json)
    return 1 if figures["false_different"] or figures["false_exact"] else 0


if __name__ == "__main__":
    sys.exit(main())
