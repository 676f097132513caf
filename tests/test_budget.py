"""The budgets of instructions, and what the benches of starts, memory and scans read and say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench import budget, memory, soak, startup
from bench.counting import read
from places import ROOT

KIND = {"python": "CPython 3.11, GCC 12.2.0", "zxing-cpp": "3.1.1", "processor": "x86_64 avx2"}
COUNTS = {"look": 1_000_000, "verdict": 500_000}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with the budgets of one kind."""
    budget.record(KIND, COUNTS, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("counts", "status", "said"),
    [
        (COUNTS, 0, "2 counts within 3% of"),
        (COUNTS | {"look": 1_029_000}, 0, "2 counts within 3% of"),
        (COUNTS | {"look": 1_031_000}, 1, "look +3.1%: undo what made it dearer"),
        (COUNTS | {"verdict": 484_000}, 1, "verdict -3.2%: cheaper"),
        (COUNTS | {"scan": 7}, 1, "scan has no budget: record it"),
        ({"look": 1_000_000}, 1, "verdict is no longer counted"),
    ],
)
def test_a_count_is_held_to_its_budget_from_both_sides(
    recorded: Path, counts: dict[str, int], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dearer fails, and cheaper too; so does a count or a budget alone. What, by how much, what to do."""
    assert budget.told(KIND, counts, recorded) == status
    told = capsys.readouterr()
    assert said in (told.err if status else told.out)
    assert ("make budget RECORD=1" in told.err) is bool(status)


@pytest.mark.parametrize("what", KIND)
def test_a_machine_of_another_kind_is_told_its_counts_and_fails_nothing(
    recorded: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts of another processor, Python or library are no measure for these."""
    other = KIND | {what: "CPython 3.13, another"}
    assert budget.told(other, COUNTS | {"look": 9_000_000}, recorded) == 0
    told = capsys.readouterr().out
    assert "None of the recorded budgets is of this kind of machine" in told
    assert "9,000" in told
    assert "CPython 3.13, another" in told


def test_where_no_budget_is_recorded_the_file_that_would_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no matter of the machine, and whoever records knows what to commit."""
    assert budget.told(KIND, COUNTS, tmp_path) == 0
    told = capsys.readouterr().out
    assert "No budgets are recorded yet" in told
    assert "this kind of machine" not in told
    assert f"that writes {budget.record(KIND, COUNTS, tmp_path)}." in told


def test_recording_replaces_the_budgets_of_its_kind_and_no_others(recorded: Path) -> None:
    """Two kinds may share what the file is named for."""
    other = KIND | {"processor": "x86_64"}
    first, second = budget.record(KIND, {"look": 2}, recorded), budget.record(other, {"look": 3}, recorded)
    assert first != second
    assert budget.budget_of(KIND, recorded) == (first, {"look": 2})
    assert budget.budget_of(other, recorded) == (second, {"look": 3})
    assert json.loads(first.read_text())["kind"] == KIND


@pytest.mark.parametrize("again", [{"look": 1_006_000}, {"look": 1_000_000, "verdict": 1}])
def test_two_runs_that_differ_are_not_recorded(
    again: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A budget is worth what its repetition is."""
    monkeypatch.setattr(budget, "record", lambda *_: pytest.fail("it was recorded"))
    assert budget.recorded(KIND, {"look": 1_000_000}, again) == 1
    assert "neither is recorded" in capsys.readouterr().err


def test_this_machine_has_a_kind() -> None:
    """Every fact of it is there."""
    pytest.importorskip("zxingcpp")
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    assert all(budget.kind().values())


CALLGRIND = """# callgrind format
version: 1
desc: Trigger: --dump-before=getsid
events: Ir
summary: 5000

fl=???
fn=Reader::__call__
0 100
cob=zxingcpp.so
cfn=ZXing::ReadBarcodes(ZXing::ImageView const&)
calls=2 0
0 3000
cfn=memcpy
calls=9 0
0 70
fn=other
cfn=ZXing::ReadBarcodes(ZXing::ImageView const&)
calls=1 0
5 1000
totals: 5000
"""


def test_callgrinds_file_gives_the_whole_and_what_was_inside(tmp_path: Path) -> None:
    """Calls from several places are added; what another function was called for is not."""
    file = tmp_path / "callgrind.out.2"
    file.write_text(CALLGRIND)
    counted = read(file, ["ZXing::ReadBarcodes"], times=4)
    assert (counted.total, counted.inside) == (1250, {"ZXing::ReadBarcodes": 1000})


def test_import_times_are_read_and_added_by_package() -> None:
    """The largest first; what else a program says on stderr is none of it."""
    found = startup.imports(
        "import time: self [us] | cumulative | imported package\n"
        "import time:       200 |        200 |   flask.app\n"
        "vaxgate: talk\n"
        "import time:        50 |        350 | flask\n"
        "import time:       300 |        300 | numpy.linalg\n"
    )
    assert [(one.name, one.own, one.whole) for one in found] == [
        ("numpy.linalg", 300, 300),
        ("flask.app", 200, 200),
        ("flask", 50, 350),
    ]
    assert startup.packages(found) == {"numpy": 300, "flask": 250}


SMAPS = """55d0-55d1 r--p 00000000 fe:00 42                         /usr/lib/libz.so.1.2
Rss:                 {file} kB
Anonymous:             0 kB
7f00-7f01 rw-p 00000000 00:00 0
Rss:                2048 kB
Anonymous:          2048 kB
7f02-7f03 r-xp 00001000 fe:00 7    /venv/site-packages/numpy.libs/libscipy.so
Rss:                1024 kB
Anonymous:           512 kB
"""


def test_what_processes_share_of_a_file_counts_once_and_what_is_private_each_time() -> None:
    """As on a unit, where nobody else holds the same library in memory."""
    one, other = (memory.areas(SMAPS.format(file=size)) for size in (1024, 3072))
    assert memory.alone_mib([one]) == 1 + 2 + 1
    assert memory.alone_mib([one, other]) == 3 + (2 + 0.5) * 2 + 0.5
    assert memory.by_library(other) == {"libz": 3, "anonymous": 2, "numpy": 1}


def test_memory_of_this_process_is_read() -> None:
    """PSS is never more than what is in memory at all."""
    now = memory.memory()
    assert 0 < now.anonymous <= now.rss
    assert 0 < now.pss <= now.rss


def test_a_soak_scans_judges_samples_and_says_what_it_did(tmp_path: Path) -> None:
    """Each scan is a new one, so each is answered; a picture goes through the reader."""
    lines: list[str] = []
    done = soak.soak(200, say=lines.append, certificates=20, pictures=3)
    assert (done.scans, done.as_text, done.as_picture) == (200, 196, 4)
    assert done.damaged == 1
    assert done.answers >= 195
    assert len(done.samples) == 200
    assert lines[-1].startswith("200 scans, ")
    assert f"drift {done.drift_mib:+.2f} MiB" in str(done)
    assert f"{done.answers} answers, {200 - done.answers} unread)" in str(done)


def test_a_soak_beyond_its_goal_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its exit status, its last line and its file."""
    sample = soak.Sample(10, 1.0, 60.0, 50.0)
    counts: Any = (10, 9, 1, 0, 10, 1.0, 50.0)
    file = tmp_path / "soak.json"
    for last, status, word in ((52.0, 0, "held"), (52.1, 1, "MISSED")):
        monkeypatch.setattr(soak, "soak", lambda *_, last=last, **__: soak.Soaked(*counts, last, (sample,)))
        assert soak.main(["--scans", "10", "--json", str(file)]) == status
        assert capsys.readouterr().out.splitlines()[-1].endswith(word)
        assert json.loads(file.read_text())["last_mib"] == last


def test_seconds_end_a_soak_early() -> None:
    """With as many samples as there were."""
    done = soak.soak(1_000, seconds=0, certificates=5, pictures=1)
    assert done.scans == 5
    assert len(done.samples) == 1


def test_a_unit_starts_without_what_it_may_never_need() -> None:
    """NumPy waits for the first damaged symbol; TUF is the sync's, JSON-LD is DIVOC's, PyAV a video's."""
    program = (
        "import sys\n"
        "from appliance.camera import files\n"
        "from appliance import gate, lights, scanner, supply\n"
        "from appliance.kiosk import server, trust\n"
        "from trustsync import status, store\n"
        "sys.exit(' '.join(sorted({'numpy', 'tuf', 'pyld', 'av'} & set(sys.modules))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == ""
