"""A QR symbol as a square of modules: what stands where, and the words that its bits belong to.

The rules this module keeps:

* Only the symbol: no pixels, no camera. Every figure is of ISO/IEC 18004:2015.
* A module is +1 (dark), -1 (light) or 0 (not known); soft values lie between and beyond.
* A block is corrected from errors and erasures, and only with parity left over: with erasures alone any
  bytes at all would become a word. What is put together here is read once more by the ordinary reader.
* It never raises for any values of modules: what cannot be corrected is ``None``.

    grid = grid_of(15)                         # version 15: 77 modules a side
    grid.known[6, 9], grid.centres             # a light module of the timing pattern; alignment patterns
    level, mask = read_format(soft)            # error correction level and mask, the likeliest
    repaired = correct(soft, grid, level, mask)  # Repaired: modules that are sure, and whether all are
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

Modules = np.ndarray[Any, np.dtype[Any]]

LEVELS: Final = "LMQH"
# Format information names the levels by these two bits (table 12).
_LEVEL_BITS: Final = {"L": 1, "M": 0, "Q": 3, "H": 2}
# Parity bytes of a block and number of blocks, versions 1 to 40 (table 9).
_PARITY: Final = {
    "L": "7 10 15 20 26 18 20 24 30 18 20 24 26 30 22 24 28 30 28 28 28 28 30 30 26 28" + " 30" * 14,
    "M": "10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 26" + " 28" * 19,
    "Q": "13 22 18 26 18 24 18 22 20 24 28 26 24 20 30 24 28 28 26 30 28 30 30 30 30 28" + " 30" * 14,
    "H": "17 28 22 16 22 28 26 26 24 28 24 28 22 24 24 30 28 28 26 28 30 24" + " 30" * 18,
}
_BLOCKS: Final = {
    "L": "1 1 1 1 1 2 2 2 2 4 4 4 4 4 6 6 6 6 7 8 8 9 9 10 12 12 12 13 14 15 16 17 18 19 19 20 21 22 24 25",
    "M": "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 "
    "45 47 49",
    "Q": "1 1 2 2 4 4 6 6 8 8 8 10 12 16 12 17 16 18 21 20 23 23 25 27 29 34 34 35 38 40 43 45 48 51 53 56 "
    "59 62 65 68",
    "H": "1 1 2 4 4 4 5 6 8 8 11 11 16 16 18 16 19 21 25 25 25 34 30 32 35 37 40 42 45 48 51 54 57 60 63 66 "
    "70 74 77 81",
}
# Parity that must be left over when bytes were erased: a wrong word passes once in 256⁴ at most.
SPARE: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """What every symbol of a version has in common.

    known: the modules that are the same in all of them, 0 for the others. bits: where the codewords' bits
    lie, as indices into the flattened square, in the order of the words. centres: of the alignment patterns.
    """

    version: int
    side: int
    known: Modules
    bits: Modules
    centres: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """Modules that are proven by their blocks, 0 for the others, and whether every block held."""

    modules: Modules
    whole: bool
    blocks: int


@lru_cache(maxsize=40)
def grid_of(version: int) -> Grid:
    """The grid of a version, 1 to 40."""
    side = 17 + 4 * version
    known = np.zeros((side, side), np.int8)
    taken = np.zeros((side, side), bool)
    down, right = np.mgrid[-4:5, -4:5]
    ring = np.maximum(abs(down), abs(right))
    finder = np.where((ring == 2) | (ring == 4), -1, 1)
    for y, x in ((3, 3), (3, side - 4), (side - 4, 3)):
        top, left = max(y - 4, 0), max(x - 4, 0)
        bottom, edge = min(y + 5, side), min(x + 5, side)
        known[top:bottom, left:edge] = finder[top - y + 4 : bottom - y + 4, left - x + 4 : edge - x + 4]
    taken[:9, :9] = taken[:9, -8:] = taken[-8:, :9] = True
    known[6, 8:-8] = known[8:-8, 6] = np.where(np.arange(8, side - 8) % 2 == 0, 1, -1)
    taken[6] = taken[:, 6] = True
    known[side - 8, 8] = 1
    centres = []
    places = _alignment(version)
    for y in places:
        for x in places:
            if min(y, x) == 6 and max(y, x) in (6, side - 7):
                continue
            known[y - 2 : y + 3, x - 2 : x + 3] = np.where(ring[2:7, 2:7] == 1, -1, 1)
            taken[y - 2 : y + 3, x - 2 : x + 3] = True
            centres.append((y, x))
    if version >= 7:
        word = _checked(version, 0x1F25, 12)
        for number in range(18):
            value = 1 if word >> number & 1 else -1
            y, x = number // 3, side - 11 + number % 3
            known[y, x] = known[x, y] = value
            taken[y, x] = taken[x, y] = True
    order = []
    for step, x in enumerate([*range(side - 1, 6, -2), 5, 3, 1]):
        for y in range(side) if step % 2 else range(side - 1, -1, -1):
            order += [y * side + column for column in (x, x - 1) if not taken[y, column]]
    bits = np.array(order[: len(order) // 8 * 8])
    for array in (known, bits):
        array.setflags(write=False)
    return Grid(version, side, known, bits, tuple(centres))


def _alignment(version: int) -> list[int]:
    """Rows and columns of the alignment patterns' middles (annex E)."""
    if version == 1:
        return []
    count = version // 7 + 2
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    return [6, *sorted(4 * version + 10 - step * number for number in range(count - 1))]


def _checked(value: int, generator: int, parity: int) -> int:
    """The value with the remainder of its polynomial behind it."""
    word = value << parity
    for place in range(word.bit_length() - 1, parity - 1, -1):
        if word >> place & 1:
            word ^= generator << place - parity
    return value << parity | word


# --- Format: level and mask ---------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _formats() -> tuple[list[tuple[str, int]], Modules]:
    names = [(level, mask) for level in LEVELS for mask in range(8)]
    words = [_checked(_LEVEL_BITS[level] << 3 | mask, 0x537, 10) ^ 0x5412 for level, mask in names]
    return names, np.array([[1 if word >> bit & 1 else -1 for bit in range(15)] for word in words])


def _format_places(side: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where the fifteen bits stand, lowest first, in both copies: (row, column)."""
    first = [(y, 8) for y in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, x) for x in (7, 5, 4, 3, 2, 1, 0)]
    second = [(8, side - 1 - n) for n in range(8)] + [(side - 7 + n, 8) for n in range(7)]
    return first, second


def read_format(soft: Modules) -> tuple[str, int]:
    """Level and mask that the soft values of both copies speak for most."""
    names, words = _formats()
    seen = sum(np.array([soft[place] for place in copy]) for copy in _format_places(len(soft)))
    return names[int(np.argmax(words @ seen))]


def with_format(modules: Modules, level: str, mask: int) -> Modules:
    """The modules with the format information of this level and mask in both copies."""
    names, words = _formats()
    word = words[names.index((level, mask))]
    full = modules.copy()
    for copy in _format_places(len(modules)):
        for bit, place in enumerate(copy):
            full[place] = word[bit]
    return full


@lru_cache(maxsize=16)
def _mask(side: int, mask: int) -> Modules:
    """-1 where the mask turns a module over, else +1 (table 10)."""
    y, x = np.mgrid[0:side, 0:side]
    turned = (
        (y + x) % 2,
        y % 2,
        x % 3,
        (y + x) % 3,
        (y // 2 + x // 3) % 2,
        y * x % 2 + y * x % 3,
        (y * x % 2 + y * x % 3) % 2,
        ((y + x) % 2 + y * x % 3) % 2,
    )[mask]
    return np.where(turned == 0, -1, 1).astype(np.int8)


# --- Words --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _blocks(version: int, level: str) -> tuple[int, tuple[Modules, ...]]:
    """Parity bytes of a block, and of each block the numbers of its words as they stand in the symbol."""
    count = int(_BLOCKS[level].split()[version - 1])
    parity = int(_PARITY[level].split()[version - 1])
    words = len(grid_of(version).bits) // 8
    short, longer = divmod(words - count * parity, count)
    sizes = [short + (number >= count - longer) for number in range(count)]
    members: list[list[int]] = [[] for _ in sizes]
    place = 0
    for row in range(max(sizes)):
        for number, size in enumerate(sizes):
            if row < size:
                members[number].append(place)
                place += 1
    for _ in range(parity):
        for number in range(count):
            members[number].append(place)
            place += 1
    return parity, tuple(np.array(numbers) for numbers in members)


def modules_of_blocks(grid: Grid, level: str) -> list[Modules]:
    """Of each block, the modules that its words lie on, as indices into the flattened square."""
    words = grid.bits.reshape(-1, 8)
    return [words[members].reshape(-1) for members in _blocks(grid.version, level)[1]]


def correct(
    soft: Modules, grid: Grid, level: str, mask: int, until: Callable[[], bool] = lambda: False
) -> Repaired:
    """What the blocks prove. soft: the square of soft values; their size says how sure each module is.

    The weakest words of a block are taken as erased, more of them try by try, as long as :data:`SPARE` bytes
    of parity are left over. A block that cannot be corrected leaves its modules at 0. until: says whether to
    stop before the next block.
    """
    flat = (soft * _mask(grid.side, mask)).reshape(-1)[grid.bits].reshape(-1, 8)
    values = np.packbits(flat > 0, axis=1)[:, 0]
    weakness = np.abs(flat).min(axis=1)
    parity, blocks = _blocks(grid.version, level)
    proven = np.zeros(flat.shape, np.int8)
    held = 0
    for members in blocks:
        if until():
            break
        word = _correct_block(values[members].tolist(), weakness[members], parity)
        if word is not None:
            held += 1
            bits = np.unpackbits(np.array(word, np.uint8)[:, None], axis=1).astype(np.int8)
            proven[members] = 2 * bits - 1
    modules = np.zeros(grid.side * grid.side, np.int8)
    modules[grid.bits] = proven.reshape(-1)
    modules = modules.reshape(soft.shape) * _mask(grid.side, mask)
    return Repaired(modules, held == len(blocks), held)


def _correct_block(word: list[int], weakness: Modules, parity: int) -> list[int] | None:
    order = np.argsort(weakness).tolist()
    limit = parity - SPARE
    for erased in sorted({0, limit // 2, limit}):
        repaired = correct_word(word, order[:erased], parity, spare=SPARE if erased else 0)
        if repaired is not None:
            return repaired
    return None


_EXP = [1] * 512
_LOG = [0] * 256
for _power in range(1, 255):
    _EXP[_power] = _EXP[_power - 1] << 1 ^ (0x11D if _EXP[_power - 1] & 128 else 0)
for _power in range(255):
    _LOG[_EXP[_power]] = _power
    _EXP[_power + 255] = _EXP[_power]


def _times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def correct_word(word: list[int], erased: list[int], parity: int, *, spare: int = 0) -> list[int] | None:
    """A Reed-Solomon word over GF(256) with generator roots α⁰, α¹, …, corrected; ``None`` when it is not.

    erased: places that are known to be unsure. Twice the errors and the erasures together must leave
    ``spare`` of the ``parity`` bytes.
    """
    length = len(word)
    # 1. Syndromes.
    syndromes = []
    for power in range(parity):
        value = 0
        for byte in word:
            value = (_EXP[_LOG[value] + power] if value else 0) ^ byte
        syndromes.append(value)
    if not any(syndromes):
        return word
    # 2. The locator, begun with the erasures (Berlekamp and Massey).
    locator = [1]
    for place in erased:
        root = length - 1 - place
        locator = [
            a ^ (_EXP[_LOG[b] + root] if b else 0) for a, b in zip([*locator, 0], [0, *locator], strict=True)
        ]
    known = degree = len(erased)
    last = locator
    for step in range(known, parity):
        gap = 0
        for n, factor in enumerate(locator):
            if factor and n <= step and syndromes[step - n]:
                gap ^= _EXP[_LOG[factor] + _LOG[syndromes[step - n]]]
        last = [0, *last]
        if gap:
            scaled = _LOG[gap]
            longer = locator + [0] * (len(last) - len(locator))
            changed = [
                a ^ (_EXP[_LOG[b] + scaled] if b else 0)
                for a, b in zip(longer, last + [0] * (len(longer) - len(last)), strict=True)
            ]
            if 2 * degree <= step + known:
                inverse = 255 - scaled
                last = [_EXP[_LOG[a] + inverse] if a else 0 for a in locator]
                degree = step + 1 + known - degree
            locator = changed
    while len(locator) > 1 and not locator[-1]:
        locator.pop()
    degree = len(locator) - 1
    if 2 * degree - known > parity - spare or degree > parity:
        return None
    # 3. The places: roots of the locator.
    places = []
    for place in range(length):
        inverse = 255 - (length - 1 - place)
        value = 0
        for factor in reversed(locator):
            value = (_EXP[(_LOG[value] + inverse) % 255] if value else 0) ^ factor
        if not value:
            places.append(place)
    if len(places) != degree:
        return None
    # 4. The values (Forney); then the whole must be a word.
    evaluator = [0] * parity
    for n, factor in enumerate(locator):
        for m in range(parity - n):
            evaluator[n + m] ^= _times(factor, syndromes[m])
    repaired = list(word)
    for place in places:
        root = length - 1 - place
        inverse = (255 - root) % 255
        above = 0
        for factor in reversed(evaluator):
            above = _times(above, _EXP[inverse]) ^ factor
        below = 0
        for n in range(1, len(locator), 2):
            below ^= _times(locator[n], _EXP[inverse * (n - 1) % 255])
        if not below:
            return None
        repaired[place] ^= _times(_times(above, _EXP[root]), _EXP[255 - _LOG[below]])
    for power in range(parity):
        value = 0
        for byte in repaired:
            value = (_EXP[_LOG[value] + power] if value else 0) ^ byte
        if value:
            return None
    return repaired
