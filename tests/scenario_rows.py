"""The rows of the scenario table, by ID, what a test run covered of them, and the page that says so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

# How many rows each part of the table has, and what it is about.
PARTS = {
    "V": (18, "Vaccination"), "T": (18, "Tests"), "R": (7, "Recovery"),
    "C": (10, "Children, exemptions, people without paper"), "D": (17, "Dates, clocks, partial data"),
    "N": (26, "Name against the passport line"), "K": (20, "Keys, issuers, trust"),
    "F": (15, "Odd but real certificates"), "L": (11, "Life of a rule bundle"),
    "J": (4, "Movement inside the country"), "O": (12, "Desk"), "H": (2, "Hotel"), "A": (4, "Airline"),
    "G": (4, "Gate"), "I": (20, "Reference issuer"), "Y": (5, "Other diseases"),
}  # fmt: skip
ROWS = tuple(f"SC-{part}{number:02d}" for part, (count, _) in PARTS.items() for number in range(1, count + 1))

_HEAD = """# What the tests cover of the scenario table

Each row of the table of checkpoint scenarios has an ID. A test that proves a row bears its ID, and a row
counts as covered when a test of it passed and none did otherwise. `make scenarios` runs every test and writes
this page from what it saw; the sentences are those of the tests.

"""


@dataclass
class Coverage:
    """Rows by the outcomes of the tests that bear them: covered if one passed and none did otherwise."""

    outcomes: dict[str, set[bool]] = field(default_factory=lambda: defaultdict(set))
    tests: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, row: str, *, passed: bool, test: str = "", requirement: str = "") -> None:
        """Note one test of a row. test: where it stands. requirement: the sentence that it proves."""
        self.outcomes[row].add(passed)
        if test:
            self.tests[row].setdefault(test.partition("[")[0], requirement)

    def is_covered(self, row: str) -> bool:
        """Whether a test of this row passed and none did otherwise."""
        return self.outcomes.get(row) == {True}

    def summary(self) -> str:
        """How many rows are covered, and the missing by name."""
        missing = [row for row in ROWS if not self.is_covered(row)]
        covered = len(ROWS) - len(missing)
        return f"scenario rows covered: {covered} of {len(ROWS)}\nmissing: {' '.join(missing)}"

    def page(self) -> str:
        """``docs/scenarios-coverage.md``."""
        out = [_HEAD + f"**{sum(map(self.is_covered, ROWS))} of {len(ROWS)} rows.**", ""]
        for part, (count, title) in PARTS.items():
            rows = [f"SC-{part}{number:02d}" for number in range(1, count + 1)]
            out += [f"## {part}: {title}, {sum(map(self.is_covered, rows))} of {count}", ""]
            out += ["| row | what is proven | test |", "|---|---|---|"]
            for row in rows:
                found = sorted(self.tests.get(row, {}).items()) if self.is_covered(row) else []
                said = "<br>".join(requirement.replace("|", "\\|") for _, requirement in found)
                where = "<br>".join(f"`{test}`" for test, _ in found)
                out.append(f"| {row} | {said or 'not covered'} | {where} |")
            out.append("")
        return "\n".join(out)
