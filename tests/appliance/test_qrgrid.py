"""The QR symbol as a square: patterns, format, words and their parity, against another maker of symbols."""

from __future__ import annotations

import random

import numpy as np
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.reader.qrgrid import LEVELS, SPARE, correct, correct_word, grid_of, read_format, with_format


def modules_of(text: str, version: int, level: str) -> np.ndarray:
    """A symbol that segno draws: +1 dark, -1 light."""
    drawn = segno.make(text, version=version, error=level, boost_error=False, micro=False)
    return np.array([[row_value & 1 for row_value in row] for row in drawn.matrix], np.int8) * 2 - 1


@pytest.mark.parametrize("version", range(1, 41))
def test_every_version_and_level_is_taken_apart_as_another_maker_puts_it_together(version: int) -> None:
    """Known patterns, format, order of the words, blocks and parity are those of the standard."""
    grid = grid_of(version)
    for level in LEVELS:
        modules = modules_of("VAX", version, level)
        assert (modules[grid.known != 0] == grid.known[grid.known != 0]).all()
        found, mask = read_format(modules.astype(float))
        assert found == level
        repaired = correct(modules.astype(float), grid, level, mask)
        assert repaired.whole
        whole = np.where(grid.known != 0, grid.known, with_format(repaired.modules, level, mask))
        # Up to seven modules of a symbol hold no bit of a word.
        assert (whole != modules).sum() == (whole == 0).sum() <= 7


def test_a_spoilt_symbol_is_proven_block_by_block() -> None:
    """What is wrong beyond the parity stays unknown, the other blocks are known, and nothing false is."""
    modules = modules_of("HC1:" + "A1B2" * 120, 18, "Q")
    grid = grid_of(18)
    chance = np.random.default_rng(1)
    soft = modules * chance.uniform(0.5, 1, modules.shape)
    soft[chance.random(soft.shape) < 0.045] *= -0.4
    level, mask = read_format(soft)
    repaired = correct(soft, grid, level, mask)
    assert repaired.blocks > 0
    assert (repaired.modules * modules >= 0).all()


def word_of(data: list[int], parity: int) -> list[int]:
    """The data with its parity, by long division: another way than the decoder's."""

    def times(a: int, b: int) -> int:
        product = 0
        while b:
            product ^= a if b & 1 else 0
            a = a << 1 ^ (0x11D if a & 128 else 0)
            b >>= 1
        return product

    generator, root = [1], 1
    for _ in range(parity):
        generator = [a ^ times(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
        root = times(root, 2)
    rest = data + [0] * parity
    for place in range(len(data)):
        factor = rest[place]
        for number, value in enumerate(generator):
            rest[place + number] ^= times(value, factor)
    return data + rest[len(data) :]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(7, 30), st.integers(1, 90))
def test_errors_and_erasures_within_the_parity_are_put_right(
    chance: random.Random, parity: int, data: int
) -> None:
    """Twice the errors and once the erasures, up to the parity."""
    word = word_of([chance.randrange(256) for _ in range(data)], parity)
    errors = chance.randint(0, parity // 2)
    erasures = chance.randint(0, parity - 2 * errors)
    places = chance.sample(range(len(word)), min(len(word), errors + erasures))
    spoilt = list(word)
    for place in places:
        spoilt[place] = chance.randrange(256)
    assert correct_word(spoilt, places[:erasures], parity) == word


def test_any_bytes_with_many_erased_are_no_word() -> None:
    """Spare parity keeps chance out: with erasures alone, anything at all could be made a word."""
    chance = random.Random(7)
    for _ in range(400):
        word = [chance.randrange(256) for _ in range(44)]
        assert correct_word(word, chance.sample(range(44), 18 - SPARE), 18, spare=SPARE) is None
