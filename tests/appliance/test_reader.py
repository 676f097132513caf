"""The reader's strategy: what is read, what it may cost, and what is kept."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import segno
import zxingcpp
from PIL import Image
from shots import TEXT, luma_of_array, shot

from appliance.picture import Luma, empty
from appliance.reader import live, mending
from appliance.reader.live import Before, Reader, look, read_frame
from appliance.reader.mending import Mender
from appliance.reader.passes import Hurt, Look, shared
from appliance.reader.restoring import FIT_FLOOR, Restoration
from appliance.reader.stills import read_still, read_together


@pytest.fixture(autouse=True)
def _restoring_is_loaded() -> None:
    """It is loaded beside the work when the first damaged symbol is met; here it is there from the start."""
    mending.restoring_module()


def texts(found: Look) -> list[str | None]:
    return [code.text for code in found.codes]


def plenty() -> float:
    return 1.0


class Clock:
    """A clock that moves when it is told to, and by itself with every look at it."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now, self.tick = 100.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


# --- What is read -------------------------------------------------------------------------------------------

HARD: dict[str, Callable[[], Luma]] = {
    "out of focus by half a module": lambda: shot(blur=0.52),
    "smeared by 1.7 modules": lambda: shot(motion=1.7),
    "bent by a module": lambda: shot(module=5, bend=0.9, noise=4),
    "noise of a third of the contrast": lambda: shot(noise=65),
    "a corner outside the frame": lambda: shot(module=3.7, turn=45, at=(0, -26)),
    "small, and out of focus": lambda: shot(module=2.1, blur=0.4),
    "faint and noisy": lambda: shot(contrast=0.12, noise=6, blur=0.4),
}


@pytest.mark.parametrize("name", list(HARD))
def test_a_still_picture_that_no_ordinary_pass_reads_is_read(name: str) -> None:
    """Blurred, smeared, bent, noisy, cut off: the text itself, and no other one."""
    assert texts(read_still(HARD[name](), 30)) == [TEXT]


def test_most_of_those_pictures_are_beyond_the_ordinary_reader() -> None:
    """Otherwise the test before this one would show nothing."""
    unread = [name for name, frame in HARD.items() if not look(frame()).codes]
    assert len(unread) >= 5


def test_nothing_is_read_where_there_is_nothing() -> None:
    """Noise, a chequerboard, stripes, a grey wall: no text ever."""
    chance = np.random.default_rng(5)
    y, x = np.mgrid[0:480, 0:640]
    scenes = [
        chance.normal(120, 60, (480, 640)),
        np.kron(chance.integers(0, 2, (96, 128)) * 255, np.ones((5, 5))),
        ((x // 7 + y // 7) % 2) * 220.0,
        (x // 5 % 2) * 200.0 + chance.normal(0, 8, (480, 640)),
        np.full((480, 640), 130.0),
    ]
    reader = Reader()
    for scene in scenes:
        frame = luma_of_array(scene)
        assert read_still(frame).codes == ()
        assert read_together([frame] * 3).codes == ()
        for _ in range(3):
            assert reader(frame).codes == ()


def corners_of(side: float, turn: float = 3.0) -> tuple[tuple[float, float], ...]:
    """Of a symbol of so many pixels in the middle of a drawn frame."""
    right, down = np.cos(np.deg2rad(turn)) * side / 2, np.sin(np.deg2rad(turn)) * side / 2
    ways = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple((320 + x * right - y * down, 240 + x * down + y * right) for x, y in ways)


@pytest.mark.parametrize("alike", [4, 330], ids=["of two people", "of a family"])
def test_blocks_of_two_symbols_never_become_one_text(alike: int) -> None:
    """A telephone shows one code after the other: what was proven of the first is no part of the second."""
    other = TEXT[:alike] + TEXT[: alike - 1 : -1]
    restoration = Restoration(18, most=3)

    def show(text: str, noise: float) -> str | None:
        frame = shot(text, noise=noise, blur=0.35, mask=3)
        assert restoration.add(shared(frame), corners_of(89 * 4)) > FIT_FLOOR
        while not restoration.idle:
            if (symbol := restoration.step(wide=False)) is not None:
                return str(symbol.text)
        return None

    assert show(TEXT, 104) is None
    proven = np.count_nonzero(restoration._known) - np.count_nonzero(restoration.grid.known)
    assert 0 < proven < restoration.grid.bits.size, "of the first some blocks are proven, and not all"
    assert show(other, 60) == other


def test_a_text_of_several_views_is_shown_whole_by_one_of_them() -> None:
    """Frames of two papers given together: what blocks of both would make is read by nobody."""
    one, other, mixed = (TEXT[at:] + TEXT[:at] for at in (0, 200, 400))
    modules = np.array(
        [
            [1 if value & 1 else -1 for value in row]
            for row in segno.make(mixed, error="q", boost_error=False, micro=False, mask=3).matrix
        ],
        np.float32,
    )
    for texts_shown, told in (((one, other), None), ((one, mixed), mixed)):
        restoration = Restoration(18)
        for text in texts_shown:
            frame = shot(text, mask=3)
            assert restoration.add(shared(frame), corners_of(89 * 4)) > FIT_FLOOR
        restoration._known = modules  # as if the parity of every block had been seen to hold
        symbol = restoration.step()
        assert (symbol and symbol.text) == told
        assert restoration.idle is (told is None)


@pytest.mark.slow
def test_five_noisy_frames_are_read_together_where_none_is_read_alone() -> None:
    """Each with its own noise, and the hand has moved between them."""
    frames = [shot(noise=135, blur=0.35, at=(3.3 * n, -2.1 * n), seed=n) for n in range(5)]
    assert [read_still(frame).codes for frame in frames] == [()] * 5
    assert texts(read_together(frames, 60)) == [TEXT]


def test_frames_of_which_one_reads_are_read_by_that_one() -> None:
    """Together is never less than the best of them."""
    assert texts(read_together([shot(noise=200), shot(), shot(noise=200)])) == [TEXT]
    assert read_together([]) == Look()


NO_NUMPY = "import sys; sys.modules['numpy'] = None\n"
REFUSING_NUMPY = """
import sys
class Refusing:
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            raise RuntimeError("this machine doesn't support it")
sys.meta_path.insert(0, Refusing())
"""


@pytest.mark.parametrize("numpy", [NO_NUMPY, REFUSING_NUMPY], ids=["missing", "refuses the processor"])
def test_without_numpy_the_ordinary_passes_still_read(numpy: str) -> None:
    """An installation without it reads less, and does not fail."""
    script = (
        f"{numpy}"
        "from appliance.reader.live import Reader\n"
        "from appliance.reader.stills import read_still\n"
        "from appliance.picture import empty\n"
        "print(read_still(empty(640, 480)).codes, Reader()(empty(640, 480)).codes)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "() ()"


# --- A live frame -------------------------------------------------------------------------------------------


def test_a_scene_that_does_not_move_is_looked_at_twice_a_second() -> None:
    """Camera noise is no motion; a new thing in view is."""
    chance = np.random.default_rng(1)
    wall = np.full((720, 1280), 120.0)
    frames = [luma_of_array(wall + chance.normal(0, 3, wall.shape)) for _ in range(3)]
    _, first = read_frame(frames[0], Before(), now=0, left=plenty)
    assert read_frame(frames[1], first, now=0.4, left=plenty)[1] is first
    assert read_frame(frames[1], first, now=0.6, left=plenty)[1].number == 2
    found, after = read_frame(shot(size=(1280, 720)), first, now=0.4, left=plenty)
    assert (texts(found.look), after.number) == ([TEXT], 2)


def test_a_code_that_is_held_still_stays_in_view() -> None:
    """What the last look showed is shown on: the code has not gone."""
    frame = shot()
    clock = Clock()
    reader = Reader(clock=clock)
    for _ in range(4):
        clock.now += 0.03
        assert texts(reader(frame)) == [TEXT]


def inverted() -> Luma:
    return luma_of_array(255.0 - np.asarray(shot(turn=0)))


def aztec() -> Luma:
    drawn = memoryview(
        zxingcpp.create_barcode(TEXT, zxingcpp.BarcodeFormat.Aztec).to_image(scale=4, add_quiet_zones=True)
    )
    page = Image.new("L", (1280, 720), 200)
    page.paste(Image.frombytes("L", (drawn.shape[1], drawn.shape[0]), drawn.tobytes()), (300, 60))
    return luma_of_array(np.asarray(page, float))


@pytest.mark.parametrize(("frame", "within"), [(inverted, 4), (aztec, 8)], ids=["inverted", "Aztec"])
def test_what_is_rare_is_read_within_a_few_frames(frame: Callable[[], Luma], within: int) -> None:
    """Light on dark, and Aztec, have their turn: every frame would pay for them."""
    luma, before = frame(), Before()
    seen = []
    for number in range(within):
        found, before = read_frame(luma, before, now=number, left=plenty)
        seen += texts(found.look)
    assert TEXT in seen


def test_a_second_code_is_found_beside_one_that_is_held_up() -> None:
    """Looking first where the last code was must not hide another one for long."""
    both = np.asarray(shot("second code", size=(1280, 720), module=5, turn=0, at=(420, 0)))
    both = np.where(np.arange(1280) < 760, np.asarray(shot(size=(1280, 720), at=(-250, 0))), both)
    one = shot(size=(1280, 720), at=(-250, 0))
    found, before = read_frame(one, Before(), now=0, left=plenty)
    assert texts(found.look) == [TEXT]
    seen = set()
    for number in range(8):
        found, before = read_frame(luma_of_array(both.astype(float)), before, now=1 + number, left=plenty)
        seen |= set(texts(found.look))
    assert seen == {TEXT, "second code"}


def test_nothing_new_is_begun_after_the_deadline() -> None:
    """The first pass is always made; nothing follows it, and no damaged symbol is worked at."""
    begun = []
    clock = Clock(tick=1.0)
    reader = Reader(clock=clock, deadline_s=0.5)
    original = live._attempt

    def attempt(name: str, *rest: object) -> object:
        begun.append(name)
        return original(name, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "_attempt", attempt)
        reader(shot(blur=0.52))
    assert len(begun) == 1
    assert reader._mender._restoration is None


@pytest.mark.parametrize(("left", "passes"), [(0.012, 2), (0.006, 1)])
def test_no_pass_is_begun_that_would_end_long_after_the_deadline(
    left: float, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture full of finder patterns takes any pass as long as the first: then there is no second."""
    begun = []
    original = live._attempt

    def attempt(name: str, *rest: Any) -> Any:
        begun.append(name)
        return original(name, *rest)

    monkeypatch.setattr(live, "_attempt", attempt)
    read_frame(empty(640, 480), Before(), now=0, left=lambda: left if begun else 0.020)
    assert len(begun) == passes


def test_a_damaged_symbol_is_read_over_several_frames_and_then_forgotten() -> None:
    """Each frame has its few milliseconds; what was kept of the symbol goes with the answer."""
    reader = Reader(deadline_s=0.5)
    seen: list[str | None] = []
    for number in range(6):
        seen += texts(reader(shot(blur=0.52, at=(number % 3, number % 2), seed=number)))
    assert TEXT in seen
    assert reader._mender._restoration is None


def test_a_damaged_symbol_that_has_gone_is_forgotten() -> None:
    """No picture of it is kept beyond a second."""
    mender = Mender()
    frame = shot(blur=0.52, noise=40, module=3)
    found, _ = read_frame(frame, Before(), now=0, left=plenty)
    hurt = found.hurt or (Hurt(20, ((150.0, 70.0), (480.0, 70.0), (480.0, 400.0), (150.0, 400.0))),)
    mender.work(frame, hurt, 0.0, lambda: 0.004)
    mender.work(empty(640, 480), (), 5.0, plenty)
    assert mender._restoration is None


def test_a_damaged_symbol_that_lies_still_is_worked_at_frame_by_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That nothing moved spares the passes, and not the work that was begun."""
    # By the clock of the test alone, whatever a step takes on this machine.
    monkeypatch.setattr(Mender, "_fits", lambda self, what, modules, left: left > 0)
    frame = shot(module=3.5, bend=0.9, noise=4)
    clock = Clock(tick=0.002)
    reader = Reader(clock=clock)
    looks = 0
    while not reader._mender.busy and looks < 8:
        clock.now += 1.0
        assert reader(frame).codes == ()
        looks += 1
    seen: list[str | None] = []
    for _ in range(30):
        clock.now = reader._before.looked + 0.1
        seen += texts(reader(frame))
    assert TEXT in seen
    assert reader._before.number == looks


def test_a_reader_forgets_what_it_saw() -> None:
    """The code that was read, and the pictures of a damaged one."""
    reader = Reader(deadline_s=0.5)
    assert texts(reader(shot())) == [TEXT]
    reader.forget()
    assert reader._before.found.look == Look()
    reader(shot(blur=0.52, noise=40, module=3))
    reader._mender._restoration = mending.restoring_module().Restoration(20)
    reader.forget()
    assert reader._mender._restoration is None


def test_any_number_of_threads_share_a_reader() -> None:
    """Frames are read at once, each thread's answer is its own frame's, and none is lost."""
    frames = {text: shot(text, size=(640, 480)) for text in (TEXT, "HC1:" + "B2" * 150, "HC1:" + "C3" * 100)}
    reader = Reader()
    wrong: list[object] = []

    def work(text: str) -> None:
        for _ in range(15):
            seen = texts(reader(frames[text]))
            if seen and seen[0] not in frames:
                wrong.append(seen)

    threads = [threading.Thread(target=work, args=(text,)) for text in frames for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 3), (17, 9), (1280, 2), (33, 640)])
def test_a_live_frame_of_any_size_can_be_read(size: tuple[int, int]) -> None:
    """A camera that gives an odd size is no reason to stop."""
    reader = Reader()
    for _ in range(9):
        assert reader(empty(*size)) == Look()
    assert read_still(empty(*size)) == Look()


def test_a_symbol_that_moves_into_the_last_corner_is_still_read() -> None:
    """The surroundings of the last place end with the frame, on every side of it."""
    for across, down in ((130, 48), (-130, 48), (130, -48), (-130, -48)):
        frame = shot(module=3.5, turn=0, at=(across, down))
        _, before = read_frame(frame, Before(), now=0, left=plenty)
        found, _ = read_frame(frame, before, now=1, left=plenty)
        assert texts(found.look) == [TEXT]
