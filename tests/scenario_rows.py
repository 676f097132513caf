"""The rows of the scenario table, by ID, and what a test run covered of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

# How many rows each part of the table has.
PARTS = {
    "V": 18, "T": 18, "R": 7, "C": 10, "D": 17, "N": 26, "K": 20, "F": 15,
    "L": 11, "J": 4, "O": 12, "H": 2, "A": 4, "G": 4, "I": 20, "Y": 5,
}  # fmt: skip
ROWS = tuple(f"SC-{part}{number:02d}" for part, count in PARTS.items() for number in range(1, count + 1))


@dataclass
class Coverage:
    """Rows by the outcomes of the tests that bear them: covered if one passed and none did otherwise."""

    outcomes: dict[str, set[bool]] = field(default_factory=lambda: defaultdict(set))

    def add(self, row: str, *, passed: bool) -> None:
        """Note one test of a row."""
        self.outcomes[row].add(passed)

    def summary(self) -> str:
        """How many rows are covered, and the missing by name."""
        covered = [row for row in ROWS if self.outcomes.get(row) == {True}]
        missing = [row for row in ROWS if row not in covered]
        return f"scenario rows covered: {len(covered)} of {len(ROWS)}\nmissing: {' '.join(missing)}"
