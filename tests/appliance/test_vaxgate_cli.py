"""The command ``vaxgate``: its verbs, its exit statuses, and how it stops."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, vaccination
from gate_rig import png_of, snapshot_of
from shots import TEXT, shot

from appliance import demo
from appliance.cli import scan
from appliance.cli.stats import WAITING, Stats
from appliance.cli.vaxgate import _opened, main, run_gate
from appliance.config import CameraConfig, parse
from appliance.demo import Exhibit, Seen, agrees, find_command, look_back, read_cast
from appliance.errors import DemoError
from appliance.eyes import Counts
from appliance.gate import Answer
from appliance.kiosk.facts import of_findings, of_signal
from appliance.lights import MockLamp
from appliance.picture import Luma, as_image, empty
from appliance.reader.passes import Code, Look
from appliance.signals import Signal
from appliance.supply import FixedTrust
from appliance.timings import STEPS, Timings
from verifier.reasons import Reason, State, finding
from verifier.verdict import without_code


def test_help_and_version_answer_and_every_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With examples; no verb is listed that does not work."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "examples:" in told
    assert re.findall(r"^    (\w+) ", told, re.MULTILINE) == ["run", "demo", "scan", "config"]
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"vaxgate \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments", [[], ["no"], ["scan"], ["config"], ["demo", "--port", "x"], ["run", "x"]]
)
def test_wrong_use_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And what is wrong goes to stderr."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


# --- scan ---------------------------------------------------------------------------------------------------


def test_scan_gives_one_line_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the reader sees, and nothing of a judgement; bytes that are no text in base64."""
    import segno

    one, raw, none = tmp_path / "one.png", tmp_path / "raw.png", tmp_path / "none.png"
    one.write_bytes(png_of("HC1:ABC "))
    segno.make(b"PK\x03\x04\xc8\xff", mode="byte", micro=False).save(str(raw), scale=5)
    none.write_bytes(b"no picture")
    assert main(["scan", str(one), str(raw), str(none), "--json"]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line["file"] for line in lines] == [str(one), str(raw), str(none)]
    assert all(isinstance(line["micros"], int) for line in lines)
    (code,) = lines[0]["codes"]
    assert (code["text"], code["format"], set(code)) == ("HC1:ABC ", "QRCode", {"text", "format", "micros"})
    (code,) = lines[1]["codes"]
    assert base64.b64decode(code["bytes_b64"]) == b"PK\x03\x04\xc8\xff"
    assert "text" not in code
    assert lines[2]["codes"] == []
    assert "none.png" in told.err


def test_scan_for_people_keeps_a_code_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pitfall 21: control characters of a code do not reach the terminal."""
    path = tmp_path / "one.png"
    path.write_bytes(png_of("a\n\x1b[31mb"))
    assert main(["scan", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: QRCode: a\\n\\x1b[31mb\n"


def test_scan_reads_data_matrix_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Off by default, as at the desk."""
    import zxingcpp
    from PIL import Image

    drawn = zxingcpp.create_barcode("HC1:ABC", zxingcpp.BarcodeFormat.DataMatrix)
    path = tmp_path / "one.png"
    Image.fromarray(drawn.to_image(scale=6, add_quiet_zones=True)).save(path)
    assert main(["scan", str(path)]) == 0
    assert main(["scan", "--data-matrix", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no code\n{path}: DataMatrix: HC1:ABC\n"


def frames(folder: Path, lumas: Iterable[Luma]) -> list[str]:
    """The files of these frames."""
    made = []
    for number, luma in enumerate(lumas):
        made.append(str(folder / f"{number}.png"))
        as_image(luma).save(made[-1])
    return made


@pytest.mark.slow
def test_scan_of_some_frames_of_one_symbol_reads_them_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody needs to know the option: none of them reads alone, and one more line has the text."""
    names = frames(
        tmp_path,
        (shot(noise=135, blur=0.35, at=(3.3 * n, -2.1 * n), seed=n) for n in range(5)),
    )
    assert main(["scan", "--json", *names]) == 0
    *alone, together = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line["codes"]) for line in alone] == [(name, []) for name in names]
    assert all("together" not in line for line in alone)
    assert (together["file"], together["together"]) == (" ".join(names), True)
    assert [code["text"] for code in together["codes"]] == [TEXT]


@pytest.mark.slow
def test_scan_of_pictures_that_have_nothing_to_do_with_each_other_gives_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes of two travellers, each too noisy to be read: no text is made of them."""
    texts = [f"HC1:{letter * 540}" for letter in "AB"]
    names = frames(tmp_path, (shot(text, noise=170, seed=n) for n, text in enumerate(texts)))
    assert main(["scan", *names]) == 0
    assert capsys.readouterr().out == "".join(f"{name}: no code\n" for name in names)


def test_scan_says_in_the_line_of_an_image_that_there_is_no_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged file is no empty picture, and its neighbours are read."""
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"no picture at all")
    (good,) = frames(tmp_path, [shot()])
    assert main(["scan", "--json", str(junk), good]) == 0
    said = capsys.readouterr()
    first, second = map(json.loads, said.out.splitlines())
    assert (first["codes"], "picture" in first["error"]) == ([], True)
    assert [code["text"] for code in second["codes"]] == [TEXT]
    assert "error" not in second
    assert said.err.startswith(f"vaxgate: {junk}: ")


@pytest.mark.parametrize("spoilt", ["junk", "another size"])
def test_scan_together_names_the_image_that_is_no_frame_of_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: str
) -> None:
    """What cannot be a frame of one camera is refused before anything is read."""
    names = frames(
        tmp_path, [empty(640, 480), empty(800, 600) if spoilt == "another size" else empty(640, 480)]
    )
    if spoilt == "junk":
        Path(names[1]).write_bytes(b"no picture at all")
    assert main(["scan", "--together", *names]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert names[1] in said.err


@pytest.mark.parametrize(
    ("sizes", "reads", "tried"),
    [
        ([(64, 48)] * 2, False, True),
        ([(64, 48)] * 8, False, True),
        ([(64, 48)], False, False),
        ([(64, 48)] * 9, False, False),
        ([(64, 48), (48, 64)], False, False),
        ([(64, 48)] * 2, True, False),
    ],
    ids=["two", "eight", "one", "nine", "of two sizes", "one of them reads"],
)
def test_scan_tries_few_images_of_one_size_together_when_none_reads(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sizes: list[tuple[int, int]],
    reads: bool,
    tried: bool,
) -> None:
    """A burst of a camera, and no folder of pictures; what nobody could read gives no further line."""
    asked: list[int] = []
    code = Look((Code("a", b"a", "QRCode", 1),))

    def together(lumas: list[Luma], **_: object) -> Look:
        asked.append(len(lumas))
        return Look()

    monkeypatch.setattr(scan, "read_together", together)
    monkeypatch.setattr(scan, "read_still", lambda *_, **__: code if reads else Look())
    assert main(["scan", *frames(tmp_path, (empty(*size) for size in sizes))]) == 0
    assert asked == ([len(sizes)] if tried else [])
    assert len(capsys.readouterr().out.splitlines()) == len(sizes)


def test_scan_counts_on_a_terminal_that_does_not_see_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many images, and the results go into a file: a line of progress, and none elsewhere."""
    names = frames(tmp_path, (empty(40, 30) for _ in range(9)))
    assert main(["scan", *names]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["scan", *names]) == 0
    told = capsys.readouterr()
    assert told.err.split("\r")[1:] == [f"image {n} of 9 " for n in range(1, 9)] + ["image 9 of 9 \n"]
    assert len(told.out.splitlines()) == 9


def test_scan_of_an_absent_file_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is wrong is wrong use."""
    assert main(["scan", str(tmp_path / "absent.png")]) == 2
    assert "no such file" in capsys.readouterr().err


# --- config check -------------------------------------------------------------------------------------------


def test_config_check_is_2_with_every_slip_on_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And 0 for a file that is well."""
    path = tmp_path / "vaxgate.toml"
    path.write_text("[camera]\nknd = 1\n[gate]\nhold_s = -1\n")
    assert main(["config", "check", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"vaxgate: {path}:2: [camera] knd: unknown key; did you mean kind?",
        f"vaxgate: {path}:4: [gate] hold_s: -1 is outside 0.2 … 60",
    ]
    path.write_text("[gate]\nhold_s = 5\n")
    assert main(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: no mistake found\n"


# --- run ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_says_its_page_works_without_a_list_and_stops_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The page's address first; OUT NO_LIST while nothing was synced; a signal ends it, with 0."""
    (tmp_path / "pictures").mkdir()
    config = tmp_path / "vaxgate.toml"
    config.write_text(
        '[camera]\nkind = "files"\npath = "pictures"\n[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.cli.vaxgate", "run", "--config", str(config), "--stats"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"VAXGATE_DATA": str(tmp_path / "data")},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        end = time.monotonic() + 10
        while True:
            health = json.loads(fetch(url + "health"))
            if health["state"] == "OUT":
                break
            assert time.monotonic() < end
            time.sleep(0.1)
        assert (health["reasons"], health["storage"], health["camera"]) == (["NO_LIST"], "empty", "ok")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    # The camera is opened beside the loop, which may be stopped before that.
    said = [line for line in err.splitlines() if line != "vaxgate: camera: a folder of pictures at 30 fps"]
    assert said == ["vaxgate: trust list: no trust list was synced yet"]
    assert re.fullmatch(r"frames    seen \S+/s  dropped \S+/s  read \S+/s \+ \S+/s\n", out)


def test_what_a_camera_gives_is_told_when_it_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr: a camera gives what it can, not what it was asked for."""
    with _opened(CameraConfig(kind="files", path=str(tmp_path), fps=60)) as camera:
        assert capsys.readouterr() == ("", f"vaxgate: camera: {camera.describe()}\n")


def fetch(url: str) -> bytes:
    """A page of this machine, whatever its status."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    connection.request("GET", parts.path)
    body = connection.getresponse().read()
    connection.close()
    return body


def test_stats_name_state_reason_and_times_and_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each verdict, a summary last; nothing of a Holder there, nor in the data directory."""
    now = datetime.now(UTC)
    desk = Desk(now=now)
    signer = desk.signer(not_before=now - timedelta(days=9), not_after=now + timedelta(days=9))
    pictures, data = tmp_path / "pictures", tmp_path / "data"
    pictures.mkdir()
    data.mkdir()
    (pictures / "01.png").write_bytes(png_of(signer.issue(vaccination(), exp=None)))
    config = parse(
        f'[camera]\nkind = "files"\npath = "{pictures}"\n[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\n'
    )
    from trustsync import store

    monkeypatch.setenv("VAXGATE_DATA", str(data))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "open_store", lambda *_: FixedTrust(snapshot_of(desk)))
    stop = threading.Event()
    worker = threading.Thread(target=lambda: run_gate(config, stop, stats=True), daemon=True)
    worker.start()
    told = ""
    end = time.monotonic() + 10
    while "CHECK" not in told:
        assert time.monotonic() < end
        time.sleep(0.05)
        told += capsys.readouterr().out
    stop.set()
    worker.join(timeout=10)
    told += capsys.readouterr().out
    steps = r"  ".join(rf"{step} \d+" for step in STEPS)
    assert re.search(rf"^CHECK   NO_EXPIRY +{steps}$", told, re.MULTILINE)
    assert re.search(r"^total +p50 \d+ us  p95 \d+ us  p99 \d+ us$", told, re.MULTILINE)
    assert "Nguy" not in told
    assert list(data.rglob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


def answer(state: State = State.PASS) -> Answer:
    verdict = replace(without_code(Reason.UNREADABLE), state=state, reasons=())
    return Answer(verdict, {"picture": 900, "total": 1000})


def test_stats_are_a_line_a_verdict_and_now_and_then_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Percentiles by step, and frames a second; no table while nothing happens."""
    timings, told = Timings(), ""
    stats = Stats(training=False, table_s=0.05)
    with stats.written(timings, lambda: Counts(9, 1, (4, 4))):
        time.sleep(0.2)
        assert capsys.readouterr().out == ""
        timings.add({"picture": 900, "total": 1000})
        stats.note(answer())
        end = time.monotonic() + 20
        while "frames" not in told:
            assert time.monotonic() < end
            time.sleep(0.01)
            told += capsys.readouterr().out
        assert told.splitlines() == [
            "PASS    -                     picture 900  total 1000",
            "picture   p50 900 us  p95 900 us  p99 900 us",
            "total     p50 1000 us  p95 1000 us  p99 1000 us",
            "frames    seen 0.0/s  dropped 0.0/s  read 0.0/s + 0.0/s",
        ]
    assert capsys.readouterr().out.splitlines() == told.splitlines()[1:]


def test_stats_that_nobody_reads_hold_no_verdict_up() -> None:
    """Lines beyond those that may wait are dropped."""
    stats = Stats(training=False)
    for _ in range(2 * WAITING):
        stats.note(answer())
    assert stats._lines.qsize() == WAITING


def test_stats_whose_reader_has_gone_end_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe is no fault of the gate's."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    stats = Stats(training=False)
    with stats.written(Timings(), lambda: Counts(0, 0, (0, 0))):
        stats.note(answer())


def test_run_reads_data_matrix_where_the_key_says_so(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """[camera] data_matrix: from the file to the reader."""
    import zxingcpp
    from PIL import Image

    from trustsync import store

    (tmp_path / "pictures").mkdir()
    text = desk.signer().issue(vaccination())
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix)
    Image.fromarray(drawn.to_image(scale=5, add_quiet_zones=True)).save(tmp_path / "pictures/1.png")
    config = parse(
        f'[camera]\nkind = "files"\npath = "{tmp_path}/pictures"\ndata_matrix = true\n'
        '[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\n'
    )
    monkeypatch.setattr(store, "open_store", lambda *_: FixedTrust(snapshot_of(desk)))
    stop = threading.Event()
    worker = threading.Thread(target=lambda: run_gate(config, stop, stats=True), daemon=True)
    worker.start()
    told, end = "", time.monotonic() + 10
    # The desk's list is of another year than this machine's clock: the answer is not what is asked here.
    while "picture" not in told:
        assert time.monotonic() < end
        time.sleep(0.05)
        told += capsys.readouterr().out
    stop.set()
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_run_lights_what_is_held_up_in_the_dark(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[lamp] illumination: from the file to the pin, by what the camera sees."""
    from PIL import Image

    from appliance import lights
    from trustsync import store

    (tmp_path / "pictures").mkdir()
    dark = Image.new("L", (640, 480), 10)
    dark.save(tmp_path / "pictures/1.png")
    dark.paste(60, (200, 100, 500, 400))
    dark.save(tmp_path / "pictures/2.png")
    config = parse(
        f'[camera]\nkind = "files"\npath = "{tmp_path}/pictures"\ndwell_s = 0.3\ngap_s = 0\n'
        '[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\nillumination = 25\n'
    )
    lamps: list[Any] = []

    def open_lamp(*given: Any, **options: Any) -> Any:
        lamps.append(lights_open(*given, **options))
        return lamps[-1]

    lights_open = lights.open_lamp
    monkeypatch.setattr(lights, "open_lamp", open_lamp)
    monkeypatch.setattr(store, "open_store", lambda *_: FixedTrust(snapshot_of(desk)))
    stop = threading.Event()
    worker = threading.Thread(target=lambda: run_gate(config, stop), daemon=True)
    worker.start()
    end = time.monotonic() + 20
    while not (lamps and lamps[0].pins.pin("GPIO25").state):
        assert time.monotonic() < end
        time.sleep(0.02)
    stop.set()
    worker.join(timeout=10)
    assert not worker.is_alive()


# --- demo ---------------------------------------------------------------------------------------------------


def test_a_cast_is_read_and_a_broken_one_named(tmp_path: Path) -> None:
    """File, title, what is expected."""
    row = {"file": "01.png", "title": "T", "expect_state": "PASS", "expect_reason": None, "about": "…"}
    (tmp_path / "cast.json").write_text(json.dumps([row]))
    assert read_cast(tmp_path) == {"01.png": Exhibit("01.png", "T", "PASS", None)}
    for broken in ("", "{}", "[{}]", "[]"):
        (tmp_path / "cast.json").write_text(broken)
        with pytest.raises(DemoError, match=r"cast\.json"):
            read_cast(tmp_path)


@pytest.mark.parametrize(
    ("seen", "agreed"),
    [
        (Seen(Signal.FAIL, "FAIL", "EXPIRED"), True),
        (Seen(Signal.FAIL, "FAIL", "REVOKED"), False),
        (Seen(Signal.PASS, "FAIL", "EXPIRED"), False),
        (Seen(Signal.FAIL, "PASS", "EXPIRED"), False),
        (Seen(None, "FAIL", "EXPIRED"), False),
        (Seen(None, None, None), False),
    ],
)
def test_lamp_and_page_must_both_say_what_the_cast_expects(seen: Seen, agreed: bool) -> None:
    """One of them alone is not enough."""
    assert agrees(seen, Exhibit("x", "x", "FAIL", "EXPIRED")) is agreed


class Told:
    """A page's stream that was followed before."""

    def __init__(self, *events: tuple[float, dict[str, object]]) -> None:
        self.events = list(events)

    def since(self, start: float) -> list[tuple[float, dict[str, object]]]:
        return [event for event in self.events if event[0] >= start]


def test_what_was_seen_is_read_from_pins_and_stream_alone() -> None:
    """The last result since the picture came up; its repetition without the name is the same one."""
    expired = {**of_findings(Signal.FAIL, [finding(Reason.EXPIRED)]), "results": 2}
    with MockLamp() as lamp:
        lamp.show(Signal.PASS)
        time.sleep(0.1)
        start = time.monotonic()
        lamp.show(Signal.FAIL)
        at = time.monotonic()
        stream = Told(
            (start - 1, {**of_signal(Signal.PASS), "results": 1}), (at, expired), (at + 0.1, expired)
        )
        assert look_back(lamp, stream, start) == Seen(Signal.FAIL, "FAIL", "EXPIRED")  # type: ignore[arg-type]
        assert look_back(lamp, Told(), start) == Seen(None, None, None)  # type: ignore[arg-type]


def test_a_command_that_is_not_installed_is_named() -> None:
    """Beside the interpreter or on the path."""
    assert Path(find_command("vaxgate-sync")).name == "vaxgate-sync"
    with pytest.raises(DemoError, match="vaxgate-none is not installed"):
        find_command("vaxgate-none")


def test_a_demo_that_cannot_be_set_up_is_1_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An issuer that ends at once: its last words are told, and no thread stays."""
    broken = tmp_path / "vaxgate-issuer"
    broken.write_text("#!/bin/sh\necho 'no keys here' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(demo, "find_command", lambda name: str(broken))
    before = threading.active_count()
    assert main(["demo", "--once"]) == 1
    told = capsys.readouterr()
    assert "no keys here" in told.err
    assert told.out.startswith("page      http://127.0.0.1:")
    assert threading.active_count() <= before
