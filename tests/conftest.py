"""What all tests share: where the published vectors lie, and which scenario rows a run has covered."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from places import vectors_dir
from scenario_rows import ROWS, Coverage

# Speed is the bench's business; a busy machine is no reason to fail a law.
hypothesis.settings.register_profile("vaxgate", deadline=None)
hypothesis.settings.load_profile("vaxgate")


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The published vectors, or a skip that says clearly what is missing."""
    folder = vectors_dir()
    if folder is None:
        pytest.skip("the published vectors are absent: set VAXGATE_VECTORS to their folder")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--scenarios", action="store_true", help="print the scenario rows covered by passed tests"
    )
    parser.addoption("--scenarios-page", type=Path, metavar="FILE", help="write them as a page")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test bears one row; a row that is not in the table is a mistake."""
    for item in items:
        rows = [str(mark.args[0]) for mark in item.iter_markers("scenario")]
        unknown = [row for row in rows if row not in ROWS]
        if unknown or len(set(rows)) > 1:
            raise pytest.UsageError(f"{item.nodeid}: one row of the scenario table is expected, not {rows}")
        said = ((getattr(item, "obj", None) and item.obj.__doc__) or "").strip().partition("\n\n")[0]
        item.user_properties += [("scenario", (row, " ".join(said.split()))) for row in set(rows)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    page = config.getoption("--scenarios-page")
    if config.getoption("--scenarios") or page:
        coverage = Coverage()
        for outcome in ("passed", "failed", "error", "skipped"):
            for report in terminalreporter.getreports(outcome):
                if outcome == "passed" and report.when != "call":
                    continue
                for name, value in getattr(report, "user_properties", ()):
                    if name == "scenario":
                        row, said = value
                        coverage.add(row, passed=outcome == "passed", test=report.nodeid, requirement=said)
        terminalreporter.write_line("")
        terminalreporter.write_line(coverage.summary())
        if page:
            page.write_text(coverage.page(), encoding="utf-8")
