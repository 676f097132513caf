"""The light on the document: when it is on, and that it never costs more than itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gate_rig import luma_of
from gpiozero import LED
from gpiozero.pins.mock import MockFactory
from PIL import Image, ImageChops

from appliance.camera import Closing, Frame
from appliance.config import LampConfig
from appliance.errors import CameraError
from appliance.illumination import (
    BRIGHT,
    DARK,
    LINGER_S,
    LOOK_S,
    MIN_ON_S,
    Illumination,
    Need,
    cells_of,
    moved,
    open_illumination,
)
from appliance.lights import Lens, MockLamp
from appliance.picture import Luma
from appliance.signals import Signal

Box = tuple[int, int, int, int]


def scene(level: int, *boxes: tuple[Box, int], size: tuple[int, int] = (640, 360)) -> Luma:
    """A picture of this level with boxes (left, top, right, bottom) of others in it."""
    width, height = size
    rows = [bytearray([level]) * width for _ in range(height)]
    for (left, top, right, bottom), other in boxes:
        for row in rows[top:bottom]:
            row[left:right] = bytes([other]) * (right - left)
    return memoryview(b"".join(rows)).cast("B", (height, width))


HAND: Box = (200, 100, 330, 260)
EMPTY, HELD = cells_of(scene(20)), cells_of(scene(20, (HAND, 60)))
EMPTY_LIT, HELD_LIT = cells_of(scene(100)), cells_of(scene(100, (HAND, 160)))
DAY, DAY_HELD = cells_of(scene(200)), cells_of(scene(200, (HAND, 90)))


def story(*parts: tuple[float, bytes, bytes], need: Need | None = None) -> list[float]:
    """The seconds at which the light changed. A part: how long, what is seen of it in the dark, and lit.

    A part with something held up moves: it is there in every other look.
    """
    need, changes, now = need or Need(), [], 0.0
    for seconds, dark, lit in parts:
        end = now + seconds
        while now < end - 1e-9:
            look = round(now / LOOK_S)
            empty = {HELD: EMPTY, HELD_LIT: EMPTY_LIT, DAY_HELD: DAY}
            seen = lit if need.lit else dark
            before = need.lit
            if need.see(empty.get(seen, seen) if look % 2 else seen, now) is not before:
                changes.append(round(now, 1))
            now += LOOK_S
    return changes


def test_a_desk_that_is_dark_all_night_stays_dark() -> None:
    """Nobody is there: no two pictures differ, for all the noise of full gain, and nothing is lit."""
    need = Need()
    grey = Image.new("L", (1280, 720), 30)
    noise = [Image.effect_noise(grey.size, 18) for _ in range(24)]
    noisy = [cells_of(luma_of(ImageChops.add(grey, each, offset=-128))) for each in noise]
    assert not any(moved(one, other) for one in noisy for other in noisy)
    assert not any(need.see(noisy[n % len(noisy)], n * LOOK_S) for n in range(1000))


def test_something_that_moves_in_the_dark_is_lit_and_left_lit_while_it_moves() -> None:
    """On at the second look; off LINGER_S after the last movement."""
    changes = story((3, EMPTY, EMPTY_LIT), (30, HELD, HELD_LIT), (60, EMPTY, EMPTY_LIT))
    on, off = changes
    assert 3.0 <= on <= 3.0 + 2 * LOOK_S
    assert 33 - LOOK_S + LINGER_S - 0.3 <= off <= 33 + LINGER_S + LOOK_S


def test_something_that_moves_by_day_is_not_lit() -> None:
    """There is light enough."""
    assert story((3, DAY, DAY), (30, DAY_HELD, DAY_HELD)) == []


def test_the_switch_itself_is_no_movement() -> None:
    """Put out, the picture changes all over and unevenly; the desk stays dark."""
    spot = cells_of(scene(60, (HAND, 160)))
    assert len(story((3, EMPTY, spot), (0.4, HELD, spot), (120, EMPTY, spot))) == 2


def test_daylight_puts_it_out_and_never_before_its_least_time() -> None:
    """Between DARK and BRIGHT nothing changes; brighter than BRIGHT it goes out, after MIN_ON_S."""
    need = Need()
    need.see(EMPTY, 0.0)
    assert need.see(HELD, 0.2)
    for now in (0.4, 1.0, 2.0):
        assert need.see(DAY, now)
    assert not need.see(DAY, 0.2 + MIN_ON_S)
    assert DARK < EMPTY_LIT[0] < BRIGHT


def test_lighter_all_over_is_no_movement_and_a_part_of_the_picture_is() -> None:
    """Gain and lamps change the whole; a hand or the screen of a telephone changes a part."""
    assert not moved(EMPTY, cells_of(scene(40)))
    assert not moved(HELD_LIT, cells_of(scene(50, (HAND, 80))))
    assert moved(EMPTY, HELD)
    assert moved(cells_of(scene(3)), cells_of(scene(3, ((300, 150, 360, 250), 180))))


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (321, 243), (64, 64)])
def test_the_cells_are_the_means_of_their_parts_of_the_picture(size: tuple[int, int]) -> None:
    """48 of them, whatever the size."""
    width, height = size
    cells = cells_of(scene(10, ((width // 2, 0, width, height), 210), size=size))
    rows = [cells[start : start + 8] for start in range(0, 48, 8)]
    assert len(cells) == 48
    assert all(row[0] == row[2] == 10 and row[5] == row[7] == 210 for row in rows)


@pytest.mark.parametrize("size", [(63, 200), (200, 63), (1, 1)])
def test_a_picture_that_is_too_small_says_nothing(size: tuple[int, int]) -> None:
    """No light for it, no fault."""
    assert cells_of(scene(10, size=size)) == b""
    assert Need().see(b"", 1.0) is False


# --- The LED, and the camera under it -----------------------------------------------------------------------


class Hand(Closing):
    """A camera that is handed its frames, and a clock that moves with them."""

    def __init__(self) -> None:
        self.now, self.ahead, self.closed = 100.0, list[Luma | None](), False

    def read(self, timeout: float) -> Frame | None:
        self.now += timeout
        luma = self.ahead.pop(0) if self.ahead else None
        if self.closed:
            raise CameraError("closed")
        return None if luma is None else Frame(luma, self.now)

    def describe(self) -> str:
        return "a hand"

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def led() -> Iterator[Any]:
    factory = MockFactory(revision="c03114")
    yield LED(25, pin_factory=factory)
    factory.close()


def lit_by(led: Any, hand: Hand) -> tuple[Illumination, Any]:
    light = Illumination(led, monotonic=lambda: hand.now)
    return light, light.over(hand)


DARK_ROOM, SOMEBODY = scene(20), scene(20, (HAND, 60))


def test_the_camera_under_the_light_gives_its_own_frames_and_words(led: Any) -> None:
    """The gate sees no difference."""
    hand = Hand()
    _, camera = lit_by(led, hand)
    hand.ahead = [DARK_ROOM, None]
    assert camera.read(0.1).luma is DARK_ROOM
    assert camera.read(0.1) is None
    assert camera.describe() == "a hand"


def test_the_led_follows_and_is_dark_when_the_camera_is_closed(led: Any) -> None:
    """Also when the camera is lost: what is not seen is not lit."""
    hand = Hand()
    light, camera = lit_by(led, hand)
    hand.ahead = [DARK_ROOM, SOMEBODY]
    camera.read(0.3)
    assert not led.is_lit
    camera.read(0.3)
    assert led.is_lit
    camera.close()
    assert hand.closed
    assert not led.is_lit
    light.close()
    light.close()
    assert led.closed


def test_it_looks_only_so_often(led: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames between two looks cost nothing."""
    looks = []
    monkeypatch.setattr("appliance.illumination.cells_of", lambda luma: looks.append(luma) or b"")
    hand = Hand()
    _, camera = lit_by(led, hand)
    hand.ahead = [DARK_ROOM] * 60
    for _ in range(60):
        camera.read(1 / 60)
    assert len(looks) in (5, 6)


class Stubborn:
    """An LED that cannot be driven."""

    pin_factory = MockFactory(revision="c03114")
    value = property(lambda self: 0, lambda self, value: self.off())

    def off(self) -> None:
        raise OSError(5, "Input/output error")

    def close(self) -> None:
        self.off()


def test_a_fault_is_told_once_and_the_frames_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """The unit judges without it."""
    hand = Hand()
    light, camera = lit_by(Stubborn(), hand)
    hand.ahead = [DARK_ROOM, SOMEBODY] * 20
    for _ in range(40):
        assert camera.read(0.3) is not None
    camera.close()
    light.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the light on the document cannot be driven (OSError); the unit goes on without it"
    ]


def test_without_a_pin_the_camera_is_as_it_was() -> None:
    """The default: no LED, nothing in between."""
    hand = Hand()
    with MockLamp() as lamp, open_illumination(LampConfig(), lamp.pins) as light:
        assert light.over(hand) is hand


def test_with_a_pin_there_is_a_light_beside_the_lamp(caplog: pytest.LogCaptureFixture) -> None:
    """An active-low LED is dark at first too. The lamp records its lenses alone, and works on without it."""
    config = LampConfig(illumination=25, active_high=False)
    with MockLamp(config) as lamp:
        lamp.show(Signal.PASS)
        with open_illumination(config, lamp.pins) as light:
            hand = Hand()
            light._monotonic = lambda: hand.now
            camera = light.over(hand)
            pin = lamp.pins.pin("GPIO25")
            assert pin.state == 1
            hand.ahead = [DARK_ROOM, SOMEBODY]
            camera.read(0.3)
            camera.read(0.3)
            assert pin.state == 0
        lamp.show(Signal.FAIL)
        assert [(c.lens, c.level) for c in lamp.recording()] == [
            (Lens.GREEN, 1), (Lens.GREEN, 0), (Lens.RED, 1),
        ]  # fmt: skip
    assert caplog.records == []


@pytest.mark.parametrize("pin", [53, 22])
def test_a_light_that_cannot_be_had_is_told_and_is_none(caplog: pytest.LogCaptureFixture, pin: int) -> None:
    """A pin that the board has not, or that is in use: the unit starts without it."""
    hand = Hand()
    with MockLamp() as lamp, open_illumination(LampConfig(illumination=pin), lamp.pins) as light:
        assert light.over(hand) is hand
    (record,) = caplog.records
    assert f"pin {pin} of [lamp] illumination cannot be had" in record.getMessage()
