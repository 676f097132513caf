"""The bench says what was measured, judges it rightly, and goes on where a part fails."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from bench import __main__ as command
from bench import frames, goals, machine, pages, parts, projection, reading, report, sequences, steps
from bench.live import FAST
from bench.told import spread
from places import ROOT

from appliance.reader.stills import read_still

TIMES = spread([0.8, 0.9, 1.0, 4.0])
RULES = ("compile_one", "national_one", "national_one_p99", "national_ten", "national_ten_most", "own_one")
CHAINS = ("chain", "chain, revocation", "chain, all")


def engine(ratio: float, read: int) -> dict[str, Any]:
    times = {"p50": ratio, "p95": 4 * ratio, "max": 5 * ratio, "ratio": ratio}
    return {"package": "some 1.0", "decoded": read, "false texts": 0, "code": times, "no code": times}


def verifier(ratio: float) -> dict[str, Any]:
    return {"package": "some 1.0", "us": 80 * ratio, "ratio": ratio, "refuses a forgery": True}


def invented() -> dict[str, Any]:
    """Results of all parts, each goal met."""
    row = {"frames": 9, "still": 9, "live": 8, "fast": 7, "defaults": 7}
    beside = {"ms": TIMES, "fast ms": TIMES, "wall ms": TIMES, "ratio of p50": 1.0, "ratio of means": 1.1}
    ranks = {"p50": 100.0, "p95": 200.0, "p99": 300.0, "max": 400.0}
    return {
        "reading": {
            "decoded": {
                "conditions": {"clean": row, "mixed2": row},
                "all": {"frames": 225, "still": 220},
                "hard": {"frames": 108, "still": 104},
                "false texts": 0,
                "ms": {"still, code": TIMES, "still, no code": {"n": 0}},
                "live ms": TIMES,
                "live wall ms": TIMES,
            },
            "code, beside fast": beside,
            "no code, 720p": {"moving": beside, "still": beside | {"ratio of p50": 0.03}},
        },
        "sequences": {
            "level": {"noise": 170, "blur": 0.35, "shift": 6},
            "drawn": 108,
            "none reads alone": 100,
            "read together": 90,
            "share": 0.9,
            "false texts": 0,
            "seconds": TIMES,
        },
        "steps": {
            "steps": {"base45": {"ES256": 8.0, "PS256": 8.0}},
            "families": {"HC1": {"one": 90.0, "crowd": 91.0, "ratio": 1.01}},
            "worst": {"deflate bomb": {"ms": 0.1, "held KiB": 4.0, "state": "FAIL", "reasons": ["TOO_BIG"]}},
        },
        "chain": {
            "micros": {"openssl speed": 40.8, "chain": 62.0, "chain, revocation": 66.0, "chain, all": 75.0}
            | {"open_code": 12.0, "    base45": 6.0, "assess": 60.0, "    signature": 45.0},
            "shares": {name: {"openssl speed": 0.61} for name in CHAINS},
        },
        "rules": dict.fromkeys(RULES, 9.0),
        "live": {
            "frame to lamp": {"us": dict.fromkeys(("wait", "total", FAST), ranks)},
            "threads": {"frames a second": {"one": 300, "two": 580}, "two to one, median of rounds": 1.93}
            | {"cores that two had": 1.98},
        },
        "startup": {
            name: {"ms": {"p50": 400.0, "max": 500.0}, "processor_ms": {"p50": 300.0}}
            for name in ("decoder", "all")
        },
        "memory": {
            "processes": {"vaxgate": {"pss": 50.0, "anonymous": 30.0, "rss": 70.0}},
            "together": {"alone_mib": 70.0},
        },
        "peers": {
            "decode": {
                "frames": {"code": 25, "no code": 6},
                "engines": {"vaxgate scan": engine(9, 25), "zbar": engine(22, 16)},
                "absent": {"jsQR": "npm is missing"},
            },
            "chains": {
                "families": {
                    "HC1": {"chains": {"vaxgate": verifier(1), "dcc-sdk": verifier(8), "cose": verifier(21)}},
                    "SHC": {"chains": {"vaxgate": verifier(1), "joserfc": verifier(2)}},
                },
                "absent": {},
            },
            "photos": {"photos": 42, "read by a peer": 38, "of those read by us": 38, "ours alone": []},
        },
    }  # fmt: skip


def a_run(**change: Any) -> dict[str, Any]:
    """A whole run with these results."""
    found = {name: {"seconds": 1.0, "result": result} for name, result in invented().items()}
    facts = {
        "model": "Some Processor", "architecture": "x86_64", "cores": 2, "kernel": "6.1", "python": "3.11.2",
        "libraries": {"numpy": "2.0"},
    }  # fmt: skip
    return {
        "command": "make bench", "when": "2022-03-01T02:00:00+00:00", "quick": False, "machine": facts,
        "seconds": 1800, "load before": [0.1], "load after": [1.9], "parts": found,
    } | change  # fmt: skip


# --- goals -------------------------------------------------------------------------------------------------


def test_every_goal_is_met_by_figures_that_meet_it():
    """The invented figures are good enough for every goal, and each has a figure."""
    assert [one.goal.says for one in goals.judged(invented()) if one.met is not True] == []


def test_a_goal_is_missed_by_a_hair_and_met_exactly():
    """A bound belongs to what is good enough."""
    least, most = goals.Goal("a", "x", least=0.5), goals.Goal("b", "x", most=30)
    assert least.holds(0.5)
    assert not least.holds(0.4999)
    assert most.holds(30)
    assert not most.holds(30.001)


def test_what_was_not_measured_is_neither_met_nor_missed():
    """Without a part its goals say so, and the others are judged."""
    found = invented()
    del found["live"], found["peers"]["chains"]["families"]["HC1"]["chains"]["dcc-sdk"]
    silent = {one.goal.says for one in goals.judged(found) if one.met is None}
    assert "frame to lamp, p50" in silent
    assert "a verdict, against dcc-sdk" in silent
    assert len(silent) == 4
    assert "not measured" not in report.terminal(a_run(parts={}))
    assert "not measured" in report.terminal(a_run(parts={"live": {"failed": "OSError"}}))


@pytest.mark.parametrize(
    ("read", "frames", "quick", "sign"),
    [
        (25, 25, True, "–"),
        (1, 25, True, "–"),
        (205, 225, False, "✓"),
        (204, 225, False, "✗"),
        (137, 150, False, "✓"),
        (136, 150, False, "✗"),
    ],
)
def test_frames_are_judged_by_their_share_and_in_a_quick_run_only_counted(read, frames, quick, sign):
    """What was counted stands there, not what it would be of another set."""
    found = invented()
    found["reading"]["decoded"]["all"] = {"frames": frames, "still": read}
    first = goals.judged(found, quick=quick)[0]
    assert (first.sign, first.goal.wanted, first.told) == (sign, "≥ 205 of 225", f"{read} of {frames}")
    run = a_run(quick=quick, parts={"reading": {"result": found["reading"]}})
    line = next(line for line in report.terminal(run).splitlines() if "frames read" in line)
    assert line.startswith(sign)
    assert f"{read} of {frames}" in line


def test_a_busy_machine_misses_no_goal_that_needs_idle_cores():
    """What the load spoils is not measured, with the cores that were had; a time that is met is met."""
    found = invented()
    found["live"]["threads"] |= {"two to one, median of rounds": 1.4, "cores that two had": 1.5}
    signs = {one.goal.says: (one.sign, one.told) for one in goals.judged(found)}
    busy = "not measured: the machine was busy (two threads had 1.5 cores)"
    assert signs["two reading threads, to one"] == ("–", busy)
    assert signs["frame to lamp, p50"] == ("✓", "0.10 ms")
    found["live"]["threads"]["two to one, median of rounds"] = 2.5
    assert busy in [one.told for one in goals.judged(found)]
    found["live"]["threads"]["two to one, median of rounds"] = 1.4
    assert busy in report.terminal(a_run(parts={"live": {"result": found["live"]}}))
    found["live"]["threads"]["cores that two had"] = 1.9
    assert [one.goal.says for one in goals.judged(found) if one.met is False] == [
        "two reading threads, to one"
    ]


def test_one_false_text_misses_its_goal():
    """No rate of false texts is good enough."""
    found = invented()
    found["sequences"]["false texts"] = 1
    assert [one.goal.says for one in goals.judged(found) if one.met is False] == ["false texts, sequences"]


# --- what is told ------------------------------------------------------------------------------------------


def test_the_report_has_every_part_and_names_what_failed():
    """Each part's figures are in a table, and a part without any is there with its why."""
    titles = [title for title, _head, _rows in report.tables(a_run())]
    assert len(titles) == len(set(titles)) == 15
    broken = a_run()
    broken["parts"]["live"] = {"seconds": 1, "failed": "OSError: no camera"}
    text = report.terminal(broken)
    assert "live FAILED: OSError: no camera" in text
    assert "Frame to lamp" not in text
    assert "jsQR" in text
    assert "npm is missing" in text


def test_every_row_of_a_table_is_as_wide_as_its_head():
    """Markdown tables come out whole."""
    for title, head, rows in report.tables(a_run()):
        assert rows, title
        assert {len(row) for row in rows} == {len(head)}, title


def test_the_machine_is_named_by_what_can_be_read(tmp_path):
    """A board's own name goes before its processor's; what cannot be read is left out."""
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Some Core\n")
    (tmp_path / "proc/loadavg").write_text("0.52 0.40 0.31 1/99 4242\n")
    facts = machine.describe(tmp_path)
    assert facts["model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts["processor"] == "Some Core"
    assert facts["load"] == [0.52, 0.4, 0.31]
    assert "governor" not in facts
    assert machine.is_pi(facts)
    assert json.loads(json.dumps(facts)) == facts


# --- plots -------------------------------------------------------------------------------------------------


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that draws, on a machine without a display."""
    pytest.importorskip("matplotlib", reason="draws the plots of `make bench`; `make dev` installs it")
    monkeypatch.delenv("DISPLAY", raising=False)
    from bench import plots

    return plots


def test_plots_are_the_same_svg_for_the_same_figures(plots, tmp_path):
    """A page's pictures change only where its figures do; each is small and names the machine."""
    drawn = []
    for turn in ("a", "b"):
        (tmp_path / turn).mkdir()
        drawn.append(plots.drawn(invented(), "Some Processor", tmp_path / turn))
    assert [file.stem for file in drawn[0]] == list(plots.PLOTS)
    for one, two in zip(*drawn, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert len(one.read_bytes()) < 100_000
        assert "Some Processor" in "".join(ET.parse(one).getroot().itertext())


def test_a_plot_of_what_was_not_measured_is_not_drawn(plots, tmp_path):
    """A run of one part has the plots of that part."""
    found = invented()
    assert plots.drawn({"rules": found["rules"]}, "x", tmp_path) == []
    (tmp_path / "latency.svg").write_text("of an older run")
    assert [file.stem for file in plots.drawn({"live": found["live"]}, "x", tmp_path)] == ["steps"]
    assert [file.name for file in tmp_path.iterdir()] == ["steps.svg"]


def test_plots_of_a_quick_run_say_so(plots, tmp_path):
    """Nobody takes them for those of a whole one."""
    for quick in (True, False):
        for file in plots.drawn(invented(), "x", tmp_path, quick=quick):
            assert ("A quick run" in "".join(ET.parse(file).getroot().itertext())) is quick


# --- the pages ---------------------------------------------------------------------------------------------


def test_the_pages_take_the_figures_between_their_marks():
    """What people wrote stays; what was between the marks is replaced."""
    for name in ("performance.md", "raspberry-pi.md"):
        page = (pages.DOCS / name).read_text(encoding="utf-8")
        new = pages.written(page, "NEW")
        assert new.split(pages.BEGIN)[0] == page.split(pages.BEGIN)[0]
        assert new.split(pages.END)[1] == page.split(pages.END)[1]
        assert pages.written(new, "NEW") == new
    with pytest.raises(ValueError, match="no marks"):
        pages.written("# A page", "NEW")


def test_pages_are_not_written_from_a_quick_or_broken_run(monkeypatch, tmp_path, capsys):
    """Figures that stand on a page come from a whole run."""
    monkeypatch.setattr(pages, "DOCS", tmp_path)
    assert command.main(["--write-docs", "--out", str(tmp_path)]) == 2
    assert "Run `make bench` first." in capsys.readouterr().err
    for run, said in (
        (a_run(quick=True), "is of a quick run. Run `make bench` without QUICK first."),
        (a_run(parts={"rules": {"seconds": 1, "failed": "OSError"}}), "is without a result of"),
    ):
        for file in (tmp_path / pages.PARTIAL, tmp_path / pages.WHOLE):
            file.write_text(json.dumps(run))
            assert command.main(["--write-docs", "--out", str(tmp_path)]) == 2
            assert f"not written: {file} {said}" in capsys.readouterr().err
            file.unlink()
    assert pages.unfit(a_run()) is None


def test_a_projection_is_a_range_and_shrinks_with_a_slower_machine():
    """A machine half as fast is half as far from a Pi; what does not grow is not multiplied."""
    found = invented()
    rows = {row[0]: row for row in projection.table(found)}
    assert rows["a P-256 verification (`openssl speed`)"][1:4] == ("41 µs", "122 to 184 µs", "224 to 367 µs")
    assert rows["frames of the set read as still pictures"][1:4] == ("220", "220", "220")
    found["chain"]["micros"]["openssl speed"] *= 2
    slower = {row[0]: row for row in projection.table(found)}
    assert slower["a P-256 verification (`openssl speed`)"][1:4] == (
        "82 µs",
        "122 to 184 µs",
        "224 to 367 µs",
    )
    assert len(rows) == len(projection.ROWS)


def test_on_a_pi_nothing_is_projected():
    """The page of a run on a Pi says so instead of multiplying a Pi's figures."""
    run = a_run()
    assert "| how sure |" in pages.pi_figures(run)
    run["machine"]["model"] = "Raspberry Pi 5 Model B Rev 1.0"
    assert "nothing is projected" in pages.pi_figures(run)


# --- the command -------------------------------------------------------------------------------------------


def test_every_part_is_in_the_help_and_on_the_page():
    """Nobody has to read the code to know the parts."""
    words = command.parser().format_help()
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in parts.PARTS:
        assert f"  {name} " in words
        assert f"| `{name}` |" in page


def test_a_part_that_fails_is_named_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    """The exit status is 1, and the JSON has the figures of the others."""

    def one(part: parts.Part, wish: parts.Wish, say: Any) -> parts.Outcome:
        if part is parts.PARTS["live"]:
            return parts.Outcome(0.1, failed="OSError: no camera")
        return parts.Outcome(0.1, invented()["rules"])

    monkeypatch.setattr(command, "run", one)
    monkeypatch.setattr(command, "plotted", lambda told, folder: None)
    assert command.main(["live", "rules", "--quick", "--out", str(tmp_path)]) == 1
    told = json.loads((tmp_path / pages.PARTIAL).read_text())
    assert told["parts"]["live"]["failed"] == "OSError: no camera"
    assert told["parts"]["rules"]["result"]["national_one"] == 9
    assert told["command"] == 'make bench QUICK=1 PARTS="live rules"'
    assert "live FAILED" in capsys.readouterr().out
    assert command.main(["rules", "--out", str(tmp_path)]) == 0


def test_a_quick_run_and_a_partial_one_leave_a_whole_runs_figures_and_plots(plots, monkeypatch, tmp_path):
    """Half an hour's work is not lost to a look at one part."""
    monkeypatch.setattr(
        command, "run", lambda part, wish, say: parts.Outcome(0.1, invented()[named_of[part.says]])
    )
    named_of = {part.says: name for name, part in parts.PARTS.items()}
    assert command.main(["--out", str(tmp_path)]) == 0
    whole = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert whole.keys() == {"bench.json", *(f"{name}.svg" for name in plots.PLOTS)}
    for wish in (["--quick", *parts.PARTS], ["--quick"], ["live"]):
        assert command.main([*wish, "--out", str(tmp_path)]) == 0
        assert {name: (tmp_path / name).read_bytes() for name in whole} == whole
    assert list(json.loads((tmp_path / "partial.json").read_text())["parts"]) == ["live"]
    assert [file.name for file in (tmp_path / "partial").iterdir()] == ["steps.svg"]


@pytest.mark.parametrize(("wish", "file"), [("--frames", "index.json"), ("--tools", "gen_frames.py")])
def test_a_folder_without_what_it_is_for_is_refused_before_anything_runs(
    wish, file, monkeypatch, tmp_path, capsys
):
    """A path mistyped costs no minutes."""
    monkeypatch.setattr(command, "run", lambda *_: pytest.fail("a part ran"))
    with pytest.raises(SystemExit) as refused:
        command.main([wish, str(tmp_path), "--out", str(tmp_path / "out")])
    assert refused.value.code == 2
    assert f"no {file} in {tmp_path}: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_part_is_refused_with_the_list(capsys):
    """A word mistyped measures nothing."""
    with pytest.raises(SystemExit):
        command.main(["raeding"])
    assert "there is no part raeding; parts are reading," in capsys.readouterr().err


def broken(wish: parts.Wish) -> dict[str, Any]:
    raise OSError("no camera")


def test_a_part_fails_in_a_process_of_its_own():
    """Its error comes back in words, with the traceback for whoever looks."""
    talk: list[str] = []
    outcome = parts.run(parts.Part("nothing", broken, (1, 1)), parts.Wish(), talk.append)
    assert outcome.failed == "OSError: no camera"
    assert outcome.result is None
    assert "Traceback" in talk[0]


def lacking(wish: parts.Wish) -> dict[str, Any]:
    raise parts.AbsentError("the vectors are not here")


def test_what_a_machine_does_not_have_is_told_and_is_no_failure():
    """A Raspberry Pi without the published vectors has a whole run all the same."""
    outcome = parts.run(parts.Part("nothing", lacking, (1, 1)), parts.Wish(), pytest.fail)
    assert (outcome.absent, outcome.failed) == ("the vectors are not here", None)
    run = a_run()
    run["parts"]["rules"] = outcome.told()
    assert "rules absent: the vectors are not here" in report.terminal(run)
    assert pages.unfit(run) is None


# --- what is measured, with as little as possible ----------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> frames.Amount:
    """A set of one easy and one hard condition."""
    monkeypatch.setattr(
        frames, "CONDITIONS", {name: frames.CONDITIONS[name] for name in ("clean", "inverted")}
    )
    return frames.Amount(1, 2, ((640, 480), (1280, 720)))


def test_a_set_is_drawn_once_and_the_same_by_its_seed(few, tmp_path):
    """Who draws it again has the same pixels; another seed has others; the clean frame reads."""
    folder = frames.drawn(tmp_path / "a", few, 3)
    listed = frames.listed(folder)
    assert [(one.condition, one.height) for one in listed] == [
        ("clean", 480), ("inverted", 480), ("empty", 480), ("empty", 720),
    ]  # fmt: skip
    written = listed[0].path.stat().st_mtime_ns
    assert frames.drawn(tmp_path / "a", few, 3) == folder
    assert listed[0].path.stat().st_mtime_ns == written
    again = frames.listed(frames.drawn(tmp_path / "b", few, 3))
    other = frames.listed(frames.drawn(tmp_path / "b", few, 4))
    assert all(np.array_equal(one.luma(), two.luma()) for one, two in zip(listed, again, strict=True))
    assert not np.array_equal(listed[0].luma(), other[0].luma())
    assert {code.text for code in read_still(listed[0].luma()).codes} == set(listed[0].texts)


def test_reading_counts_what_is_read_of_a_small_set(few, tmp_path):
    """Both frames are read by us, the inverted one not by the fast reader; no text is false."""
    found = reading.measure(frames.drawn(tmp_path, few, 3), rounds=1)
    shown = found["decoded"]
    assert shown["all"]["frames"] == shown["all"]["still"] == 2
    assert shown["conditions"]["inverted"].get("fast", 0) == 0
    assert shown["hard"]["frames"] == 1
    assert shown["false texts"] == 0
    assert found["no code, 720p"]["still"]["ms"]["n"] == 6
    assert json.loads(json.dumps(found)) == found


def test_a_sequence_that_one_frame_reads_alone_does_not_count():
    """At a level without noise or blur there is nothing to read together."""
    one = sequences.told(0, sequences.Level(noise=2, blur=0.1, shift=1), None, 1, 1)
    assert one.alone
    assert one.false == 0


def test_steps_are_measured_of_each_algorithm_and_family():
    """One round of each gives a figure for each."""
    found = steps.measure(1)
    assert set(found["steps"]["signature"]) == {"ES256", "PS256", "EdDSA"}
    assert min(row["one"] for row in found["families"].values()) > 0
    assert {row["state"] for row in found["worst"].values()} == {"FAIL", "CHECK"}
    held = {name: row["held KiB"] for name, row in found["worst"].items()}
    assert held["deflate bomb"] < 3_000_000 / 1024
    assert held["many members, signed"] > 5 * held["10 MB of text"]
