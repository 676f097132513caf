"""Codes that are split over several: what lamp and page say while a part is missing, and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clinic import Clinic, clinic_at
from desk import Desk, vaccination
from gate_rig import SIZE, Rig, image_of, stained
from PIL import Image

from appliance.assembly import part_in
from appliance.camera.files import FolderCamera
from appliance.config import GateConfig
from appliance.errors import CameraError
from appliance.lights import read_signal
from appliance.reader.live import look
from appliance.reader.passes import Look
from appliance.signals import Signal

CANARY = "Zyxwvut Qanarić"


@pytest.fixture
def clinic(desk: Desk) -> Clinic:
    return clinic_at(desk)


def sheet(*texts: str) -> Image.Image:
    """A frame with several codes side by side."""
    frame = Image.new("L", SIZE, 170)
    left = 0
    for text in texts:
        code = image_of(text, scale=3)
        box = code.point(lambda level: 0 if level == 170 else 255).getbbox()
        assert box is not None
        shown = code.crop(box)
        frame.paste(shown, (left, 40))
        left += shown.width + 20
    assert left <= SIZE[0], "the codes do not fit the frame"
    return frame


def lit(rig: Rig, start: float) -> list[tuple[str, float]]:
    return [(change.lens.value, change.level) for change in rig.lamp.recording(start)]


def progress(rig: Rig) -> tuple[Signal, str, str | None, str, Any]:
    page = rig.page()
    return rig.lamp.signal, page["signal"], page["state"], page["headline"]["en"], page["parts"]


def counted(have: int, count: int = 3) -> tuple[Signal, str, None, str, dict[str, int]]:
    """What is shown while parts are gathered: ready, and how many there are."""
    line = f"{have} of {count} parts read, hold up the next"
    return Signal.READY, "READY", None, line, {"have": have, "count": count}


@pytest.mark.scenario("SC-F10")
def test_a_part_alone_is_counted_waits_fifteen_seconds_and_is_then_rescan(rig: Rig, clinic: Clinic) -> None:
    """1 of 3 on the page with the lamp white and steady as before; then RESCAN INCOMPLETE; then READY."""
    rig.rounds(0.3)
    start = time.monotonic()
    rig.hold(clinic.parts()[0], 14.9)
    assert progress(rig) == counted(1)
    assert rig.page()["headline"]["vi"] == "Đã đọc 1 / 3 phần, đưa phần tiếp theo"
    assert lit(rig, start) == [("white", 1)]
    assert (rig.answers, rig.page()["results"], rig.gate.health()["state"]) == ([], 0, "READY")
    rig.rounds(0.3)
    assert (rig.lamp.signal, rig.codes()) == (Signal.RESCAN, ["INCOMPLETE"])
    assert [found.detail for found in rig.answers[0].verdict.reasons] == ["1 of 3"]
    until_shown(rig, start, Signal.RESCAN)
    assert {lens for lens, _ in lit(rig, start)} == {"white"}
    rig.show(None, 5.0)
    assert (rig.lamp.signal, rig.page()["headline"]["en"]) == (Signal.READY, "Hold a code to the camera")
    assert rig.page()["results"] == 1


def until_shown(rig: Rig, start: float, signal: Signal) -> None:
    """Wait until the lamp's recording is that of the signal."""
    end = time.monotonic() + 10
    while read_signal(rig.lamp.recording(start)) is not signal:
        assert time.monotonic() < end, "the lamp never showed it"
        time.sleep(0.05)


@pytest.mark.scenario("SC-F10")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_parts_that_come_one_after_another_are_judged_as_one_code(
    rig: Rig, clinic: Clinic, order: tuple[int, ...]
) -> None:
    """In any order, with the desk empty in between; one result, with name and issuer."""
    parts = clinic.parts()
    rig.rounds(0.1)
    start = time.monotonic()
    for have, number in enumerate(order[:2], 1):
        rig.hold(parts[number], 2.0)
        assert progress(rig) == counted(have)
        rig.show(None, 6.0)
        assert progress(rig) == counted(have)
    rig.hold(parts[order[2]], 0.3)
    assert (rig.lamp.signal, rig.codes(), rig.page()["results"]) == (Signal.PASS, [], 1)
    page = rig.page()
    assert (page["holder"]["name"], page["holder"]["birth_date"]) == ("Trương Mỹ Ước", "1969-04-05")
    assert (page["family"], page["document"]["en"], page["issuer"]) == (
        "SHC", "SMART Health Card", "health.example",
    )  # fmt: skip
    assert page["parts"] is None
    assert lit(rig, start) == [("white", 1), ("white", 0), ("green", 1)]


@pytest.mark.scenario("SC-F10")
def test_all_parts_on_one_sheet_are_one_result_for_as_long_as_it_is_held_up(rig: Rig, clinic: Clinic) -> None:
    """Flickers of a part change nothing, and it is one result."""
    parts = clinic.parts()
    for _ in range(4):
        rig.show(sheet(*parts), 1.0)
        rig.show(sheet(*parts[1:]), 1.6)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 1)
    rig.show(None, 6.0)
    assert rig.lamp.signal is Signal.READY
    rig.show(sheet(*parts), 0.3)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 2)


def test_a_part_that_stayed_over_the_time_out_counts_as_soon_as_another_comes(
    rig: Rig, clinic: Clinic
) -> None:
    """A sheet whose first part lies before the camera: it is no new Scan, and it is there all the same."""
    parts = clinic.parts(2)
    rig.hold(parts[0], 30)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.READY, 1)
    rig.show(sheet(*parts), 0.3)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 2)


def test_parts_shown_again_after_a_time_out_are_gathered_anew(rig: Rig, clinic: Clinic) -> None:
    """The second try is a whole one: what was forgotten must be shown again."""
    parts = clinic.parts()
    rig.hold(parts[0], 0.3)
    rig.hold(parts[1], 0.3)
    rig.show(None, 16)
    assert (rig.lamp.signal, rig.answers[-1].verdict.reasons[0].detail) == (Signal.RESCAN, "2 of 3")
    rig.hold(parts[2], 0.3)
    assert progress(rig) == counted(1)
    for part in parts[:2]:
        rig.hold(part, 0.3)
    assert rig.lamp.signal is Signal.PASS


@pytest.mark.scenario("SC-O03")
def test_the_first_part_of_the_next_travellers_code_takes_the_old_name_away(rig: Rig, clinic: Clinic) -> None:
    """A green and a name do not stand beside a stranger's progress."""
    rig.hold(rig.desk.signer().issue(vaccination()), 0.3)
    assert rig.lamp.signal is Signal.PASS
    rig.hold(clinic.parts()[0], 0.2)
    assert progress(rig) == counted(1)
    assert (rig.page()["holder"], rig.page()["last"]) == (None, None)


def test_another_travellers_parts_are_never_joined_with_the_firsts(rig: Rig, clinic: Clinic) -> None:
    """The other's first part begins anew; the first traveller must show all of them again."""
    mine, theirs = clinic.parts(2), clinic.parts(2, given="Thị Hai")
    assert mine[0] != theirs[0]
    rig.hold(mine[0], 0.3)
    rig.hold(theirs[0], 0.3)
    assert progress(rig) == counted(1, 2)
    rig.hold(theirs[1], 0.3)
    assert (rig.lamp.signal, rig.page()["holder"]["name"]) == (Signal.PASS, "Trương Thị Hai")


def test_parts_of_two_travellers_in_one_frame_are_rescan_and_never_red(rig: Rig, clinic: Clinic) -> None:
    """Nobody could say which part belongs to whom."""
    mine, theirs = clinic.parts(2), clinic.parts(2, given="Thị Hai")
    rig.show(sheet(mine[0], theirs[0]), 0.5)
    assert (rig.lamp.signal, rig.codes(), rig.page()["results"]) == (Signal.RESCAN, ["INCOMPLETE"], 1)
    rig.show(None, 6.0)
    rig.show(sheet(*theirs), 0.3)
    assert (rig.lamp.signal, rig.page()["holder"]["name"]) == (Signal.PASS, "Trương Thị Hai")


def test_another_code_ends_the_gathering(rig: Rig, clinic: Clinic) -> None:
    """It is judged at once, and the parts before it are forgotten."""
    text, parts = rig.desk.signer().issue(vaccination()), clinic.parts()
    for part in parts[:2]:
        rig.hold(part, 0.3)
    rig.hold(text, 0.3)
    assert (rig.lamp.signal, rig.page()["holder"]["name"]) == (Signal.PASS, "Nguyễn Bảo Duy")
    rig.hold(parts[2], 0.3)
    assert progress(rig) == counted(1)


def test_a_link_beside_a_part_takes_nothing_away(rig: Rig, clinic: Clinic) -> None:
    """The printed card has a web link at its side."""
    parts = clinic.parts(2)
    rig.show(sheet("https://example.org/card", parts[0]), 1.0)
    assert progress(rig) == counted(1, 2)
    rig.show(sheet(parts[0], "https://example.org/other"), 1.0)
    assert progress(rig) == counted(1, 2)
    rig.show(sheet("https://example.org/card", parts[1]), 0.5)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 1)


def test_a_part_beside_the_certificate_that_is_shown_takes_nothing_away(rig: Rig, clinic: Clinic) -> None:
    """As little as a web link does: neither when it comes nor when it was waited for long enough."""
    text = rig.desk.signer().issue(vaccination())
    rig.show(sheet(text), 0.3)
    rig.show(sheet(text, clinic.parts()[0]), 20)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 1)


def test_an_unread_symbol_between_two_parts_is_said_and_loses_nothing(rig: Rig, clinic: Clinic) -> None:
    """RESCAN UNREADABLE is a hint; the part before it stays and the next one completes it."""
    parts = clinic.parts(2)
    rig.hold(parts[0], 0.3)
    rig.show(None, 1.5)
    rig.show(stained(image_of(rig.desk.signer().issue(vaccination()))), 1.3)
    assert (rig.lamp.signal, rig.codes()) == (Signal.RESCAN, ["UNREADABLE"])
    rig.show(None, 5.0)
    assert progress(rig) == counted(1, 2)
    rig.hold(parts[1], 0.3)
    assert rig.lamp.signal is Signal.PASS


def test_a_part_that_names_a_place_which_there_is_not_is_judged(rig: Rig) -> None:
    """Broken in itself, it is a defect of the document and waits for nothing."""
    rig.hold("shc:/4/3/5676", 0.3)
    assert (rig.lamp.signal, rig.codes()) == (Signal.FAIL, ["MALFORMED"])


@pytest.mark.parametrize("cause", ["camera", "clock", "fault"])
def test_whatever_makes_the_unit_out_forgets_the_parts(rig: Rig, clinic: Clinic, cause: str) -> None:
    """Nothing of a person is carried over a fault."""
    parts = clinic.parts(2)
    rig.hold(parts[0], 0.3)
    assert rig.gate._desk.parts is not None
    if cause == "camera":
        rig.camera.error = rig.open_error = CameraError("unplugged")
        rig.rounds(5)
    elif cause == "clock":
        rig.now -= timedelta(days=3)
        rig.rounds(0.2)
        rig.now += timedelta(days=3)
    else:
        rig.clock_error = RuntimeError("fault")
        rig.rounds(0.1)
    assert (rig.lamp.signal, rig.gate._desk.parts) == (Signal.OUT, None)
    rig.camera.error = rig.open_error = rig.clock_error = None
    rig.show(None, 8)
    rig.hold(parts[1], 0.3)
    assert progress(rig) == counted(1, 2)


def test_the_time_that_parts_may_take_is_a_key(
    desk: Desk, clinic: Clinic, make_rig: Callable[..., Rig]
) -> None:
    """[gate] parts_s."""
    rig = make_rig(desk, config=replace(GateConfig(), parts_s=3.0))
    rig.hold(clinic.parts()[0], 2.8)
    assert progress(rig) == counted(1)
    rig.rounds(0.4)
    assert (rig.lamp.signal, rig.codes()) == (Signal.RESCAN, ["INCOMPLETE"])


def test_no_log_no_health_and_no_progress_holds_a_part(
    desk: Desk,
    clinic: Clinic,
    make_rig: Callable[..., Rig],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A canary name through progress, a fault, a time-out and a result, at DEBUG: it is on the page only."""
    caplog.set_level(logging.DEBUG)
    parts = clinic.parts(3, family=CANARY)
    broken = False

    def read(luma: Any) -> Look:
        found = look(luma)
        if broken and found.codes:
            raise ValueError(found.codes[0].text)
        return found

    rig = make_rig(desk, read=read)
    told: list[str] = []

    def listen() -> None:
        told.append(str(rig.page()) + str(rig.gate.health()) + repr(vars(rig.gate)))

    rig.hold(parts[0], 0.3)
    listen()
    broken = True
    rig.hold(parts[1], 0.5)
    listen()
    broken = False
    rig.show(None, 8)
    rig.hold(parts[1], 16)
    listen()
    rig.show(None, 6)
    for part in parts:
        rig.hold(part, 0.3)
    assert CANARY in rig.page()["holder"]["name"]
    rig.show(None, 30)
    listen()
    spoken = "".join(told) + "".join(capfd.readouterr()) + caplog.text + repr(rig.answers)
    assert "RESCAN" in spoken or "READY" in spoken
    for word in (CANARY, "Zyxwvut", "1969-04-05", *digits(parts)):
        assert word not in spoken


def digits(parts: Iterable[str]) -> list[str]:
    return [part.body[:40] for text in parts if (part := part_in(text)) is not None]


def test_a_folder_of_parts_is_one_traveller(rig: Rig, clinic: Clinic, tmp_path: Path) -> None:
    """Pictures of the parts, one after another, from the camera that the demonstration uses."""
    for number, text in enumerate(clinic.parts(), 1):
        image_of(text).save(tmp_path / f"{number}.png")
    camera = FolderCamera(tmp_path, dwell_s=2, gap_s=0.5, monotonic=rig.monotonic, sleep=lambda _: None)
    rig.camera = camera  # type: ignore[assignment]  # the bench's own is put up by hand
    rig.rounds(7.0)
    assert (rig.lamp.signal, rig.page()["results"]) == (Signal.PASS, 1)
