"""Cameras: one contract for all kinds, and where the luma lies in each pixel format."""

from __future__ import annotations

import importlib.util
import io
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from gate_rig import SIZE, image_of
from PIL import Image

from appliance.camera import Camera, Frame, kind_of, open_camera
from appliance.camera.files import FolderCamera, VideoCamera
from appliance.camera.planes import luma_plane
from appliance.camera.v4l2 import choose_format
from appliance.config import CameraConfig
from appliance.errors import CameraError
from appliance.reader.live import look

TEXT = "HC1:6BFOXN%TSMAHN-H$ZKE /:*+QP.9CKABCDEF"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    image_of(TEXT).save(path / "01-code.png")
    image_of(TEXT + "2").convert("RGB").save(path / "02-other.jpg", quality=90)
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of video: an empty desk, then a code."""
    path = tmp_path_factory.mktemp("video") / "desk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate = 20_000_000
        for number in range(20):
            image = image_of(TEXT) if number >= 10 else Image.new("L", SIZE, 170)
            for packet in stream.encode(av.VideoFrame.from_image(image.convert("RGB"))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def video_devices() -> list[str]:
    return sorted(str(path) for path in Path("/dev").glob("video*"))


@pytest.fixture(params=["files, a folder", "files, a video", "v4l2", "picamera2"])
def camera(request: pytest.FixtureRequest, folder: Path, video: Path) -> Iterator[Camera]:
    """A camera of every kind that this machine has."""
    match request.param:
        case "files, a folder":
            config = CameraConfig(kind="files", path=str(folder), dwell_s=0.3, gap_s=0.1)
        case "files, a video":
            config = CameraConfig(kind="files", path=str(video))
        case "v4l2":
            if not video_devices():
                pytest.skip("no /dev/video* on this machine")
            config = CameraConfig(kind="v4l2", device=video_devices()[0])
        case _:
            if importlib.util.find_spec("picamera2") is None:
                pytest.skip("picamera2 is not installed")
            config = CameraConfig(kind="picamera2")
    with open_camera(config) as opened:
        yield opened


def next_frame(camera: Camera, seconds: float = 5.0) -> Frame:
    """The next frame within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        frame = camera.read(0.25)
        if frame is not None:
            return frame
    raise AssertionError("no frame came")


# --- The contract -------------------------------------------------------------------------------------------


def test_a_frame_is_luma_in_two_dimensions_with_its_instant(camera: Camera) -> None:
    """Rows by columns of bytes, taken just now, printing nothing of itself."""
    before = time.monotonic()
    frame = next_frame(camera)
    height, width = frame.luma.shape or (0, 0)
    assert (frame.luma.format, frame.luma.ndim, frame.luma.c_contiguous) == ("B", 2, True)
    assert frame.luma.nbytes == width * height > 0
    # A sensor's stamp may be of a frame that was under way already.
    assert before - 1 <= frame.taken <= time.monotonic()
    assert repr(frame.luma[0, 0]) not in repr(frame)
    assert "Frame object" in repr(frame)


def test_frames_come_one_after_another_and_time_moves_on(camera: Camera) -> None:
    """Each frame is newer than the one before it."""
    taken = [next_frame(camera).taken for _ in range(5)]
    assert taken == sorted(taken)
    assert taken[0] < taken[-1]


def test_a_read_gives_up_after_its_timeout(camera: Camera) -> None:
    """A read never hangs the gate: with no time to wait it answers at once."""
    next_frame(camera)
    start = time.monotonic()
    for _ in range(3):
        camera.read(0.0)
    assert time.monotonic() - start < 1.0


def test_a_frame_outlives_the_next_one(camera: Camera) -> None:
    """Its bytes are its own: a camera's buffer that is filled again does not change them."""
    first = next_frame(camera)
    copy = bytes(first.luma)
    for _ in range(4):
        next_frame(camera)
    assert bytes(first.luma) == copy


def test_a_camera_says_in_one_line_what_was_obtained(camera: Camera) -> None:
    """For the log: what it is, and a rate or a size of its own."""
    assert camera.describe()
    assert "\n" not in camera.describe()


def test_a_closed_camera_gives_no_frames_and_closes_again(camera: Camera) -> None:
    """After close a read is a CameraError; a second close does no harm."""
    next_frame(camera)
    camera.close()
    camera.close()
    with pytest.raises(CameraError):
        camera.read(0.1)


# --- A folder -----------------------------------------------------------------------------------------------


class ByHand:
    """Time that a folder camera moves by its own sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def story(camera: FolderCamera, hand: ByHand, seconds: float) -> list[tuple[float, str | None]]:
    """What is up, at each change: (seconds since the start, file or None)."""
    told: list[tuple[float, str | None]] = []
    start = hand.now
    while hand.now < start + seconds:
        if camera.read(0.5) is not None:
            name = camera.up.name if camera.up else None
            if not told or told[-1][1] != name:
                told.append((round(hand.now - start, 1), name))
    return told


@pytest.fixture
def by_hand(folder: Path, tmp_path: Path) -> Callable[..., tuple[FolderCamera, ByHand, Path]]:
    def make(**options: object) -> tuple[FolderCamera, ByHand, Path]:
        own = tmp_path / "own"
        shutil.copytree(folder, own)
        hand = ByHand()
        settings = {"dwell_s": 1.0, "gap_s": 0.5, "fps": 8, "monotonic": hand.monotonic, "sleep": hand.sleep}
        return FolderCamera(own, **(settings | options)), hand, own  # type: ignore[arg-type]

    return make


Make = Callable[..., tuple[FolderCamera, ByHand, Path]]


def test_pictures_are_shown_in_the_order_of_their_names_with_an_empty_frame_between(by_hand: Make) -> None:
    """Each for dwell_s, then nothing for gap_s, and from the beginning again."""
    camera, hand, _ = by_hand()
    assert story(camera, hand, 3.8) == [
        (0.0, "01-code.png"), (1.0, None), (1.5, "02-other.jpg"), (2.5, None), (3.0, "01-code.png"),
    ]  # fmt: skip


def test_without_a_loop_the_desk_stays_empty_after_the_last(by_hand: Make) -> None:
    """Once through, and later pictures are still shown."""
    camera, hand, folder = by_hand(loop=False, gap_s=0.0)
    assert story(camera, hand, 3.8) == [(0.0, "01-code.png"), (1.0, "02-other.jpg"), (2.0, None)]
    shutil.copy(folder / "01-code.png", folder / "03-late.png")
    assert [name for _, name in story(camera, hand, 2.0)][:2] in (
        [None, "03-late.png"],
        ["03-late.png", None],
    )


def test_a_picture_put_into_the_folder_is_found(by_hand: Make) -> None:
    """The demonstration's folder may grow while the gate runs."""
    camera, hand, folder = by_hand()
    story(camera, hand, 0.5)
    shutil.copy(folder / "01-code.png", folder / "015-between.png")
    assert [name for _, name in story(camera, hand, 3.5) if name] == [
        "01-code.png", "015-between.png", "02-other.jpg",
    ]  # fmt: skip


def test_what_is_no_picture_is_passed_over_without_its_content(
    by_hand: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged picture is named once; its content, and files of other kinds, are not spoken of."""
    camera, hand, folder = by_hand()
    (folder / "00-bad.png").write_bytes(b"\x89PNG CANARY")
    (folder / "00-notes.txt").write_text("CANARY")
    assert [name for _, name in story(camera, hand, 6.5) if name][:2] == ["01-code.png", "02-other.jpg"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["00-bad.png is passed over"]
    assert "CANARY" not in caplog.text


def test_pictures_of_a_folder_come_at_most_thirty_times_a_second(folder: Path) -> None:
    """They stand still: the rate that is asked of cameras would be work without news."""
    config = CameraConfig(kind="files", path=str(folder), fps=120)
    with open_camera(config) as camera:
        assert camera.describe() == "a folder of pictures at 30 fps"
    with open_camera(replace(config, fps=10)) as camera:
        assert camera.describe() == "a folder of pictures at 10 fps"


def test_an_empty_folder_is_an_empty_desk_and_a_lost_one_a_camera_error(tmp_path: Path) -> None:
    """Nothing to show is not a fault; a folder that is gone is."""
    own = tmp_path / "own"
    own.mkdir()
    camera = FolderCamera(own, dwell_s=1.0)
    assert look(next_frame(camera).luma).codes == ()
    own.rmdir()
    time.sleep(0.05)
    with pytest.raises(CameraError, match="cannot be read"):
        next_frame(camera)


def test_a_code_in_the_folder_is_read_from_its_frames(folder: Path) -> None:
    """PNG and JPEG alike."""
    with FolderCamera(folder, dwell_s=0.1) as camera:
        texts = {code.text for _ in range(12) for code in look(next_frame(camera).luma).codes}
    assert texts == {TEXT, TEXT + "2"}


# --- A video ------------------------------------------------------------------------------------------------


def test_a_video_keeps_its_own_time_and_a_late_reader_misses_frames(video: Path) -> None:
    """As with any camera: after half a second the second half is seen, whatever was read before."""
    hand = ByHand()
    camera = VideoCamera(video, loop=False, monotonic=hand.monotonic, sleep=hand.sleep)
    frame = camera.read(0.25)
    assert frame is not None
    assert look(frame.luma).codes == ()
    hand.now += 0.7
    frame = camera.read(0.25)
    assert frame is not None
    assert [code.text for code in look(frame.luma).codes] == [TEXT]
    hand.now += 5
    while camera.read(0.25) is not None:
        pass
    assert camera.read(0.25) is None
    camera.close()


def test_a_looped_video_begins_again(video: Path) -> None:
    """The desk is empty again in the second round."""
    hand = ByHand()
    with VideoCamera(video, monotonic=hand.monotonic, sleep=hand.sleep) as camera:
        seen = []
        for _ in range(60):
            frame = camera.read(0.25)
            if frame is not None:
                seen.append(bool(look(frame.luma).codes))
    changes = [here for n, here in enumerate(seen) if n == 0 or seen[n - 1] is not here]
    assert changes[:4] == [False, True, False, True]


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\x00" * 4096])
def test_a_file_that_is_no_video_is_a_camera_error(tmp_path: Path, content: bytes) -> None:
    """With a message that says what to do."""
    path = tmp_path / "desk.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=r"desk\.mp4"):
        open_camera(CameraConfig(kind="files", path=str(path)))


# --- Which camera -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/no/such/folder"])
def test_files_without_files_is_a_camera_error_that_names_the_key(path: str) -> None:
    """Set [camera] path."""
    with pytest.raises(CameraError, match="path"):
        open_camera(CameraConfig(kind="files", path=path))


def test_a_device_that_is_not_there_is_a_camera_error_that_names_it() -> None:
    """Is it plugged in?"""
    with pytest.raises(CameraError, match="/dev/video-none"):
        open_camera(CameraConfig(kind="v4l2", device="/dev/video-none"))


def test_picamera2_without_picamera2_is_a_camera_error() -> None:
    """The library is loaded by this kind alone; without it the message names the key."""
    if importlib.util.find_spec("picamera2") is not None:
        pytest.skip("picamera2 is installed")
    with pytest.raises(CameraError, match="not installed"):
        open_camera(CameraConfig(kind="picamera2"))
    assert kind_of(CameraConfig(kind="auto")) == "v4l2"


def test_the_cheapest_format_that_is_quick_enough_is_taken() -> None:
    """Grey before planar before packed before JPEG; a wanted one must be there."""
    assert choose_format({"MJPEG": 60, "YUYV": 30}, "auto") == "YUYV"
    assert choose_format({"MJPEG": 30, "YUYV": 10}, "auto") == "MJPEG"
    assert choose_format({"MJPEG": 10, "YUYV": 15}, "auto") == "YUYV"
    assert choose_format({"MJPEG": 60, "YUYV": 60, "GREY": math.inf}, "auto") == "GREY"
    assert choose_format({"MJPEG": 5, "YUYV": 60}, "MJPEG") == "MJPEG"
    with pytest.raises(CameraError, match="offers MJPEG, YUYV, not NV12"):
        choose_format({"MJPEG": 60, "YUYV": 60}, "NV12")
    with pytest.raises(CameraError, match="none of them is read"):
        choose_format({"RGB3": 60}, "auto")
    with pytest.raises(CameraError, match="gives no frames"):
        choose_format({}, "auto")


# --- Where the luma lies ------------------------------------------------------------------------------------

# A picture of 4 by 2: luma 10 … 17, everything else 99, and padding 0 where rows are longer.
LUMA = [[10, 11, 12, 13], [14, 15, 16, 17]]
CHROMA = bytes([99] * 4)
LAYOUTS: dict[str, tuple[str, bytes, int]] = {
    "GREY": ("GREY", bytes(range(10, 18)), 0),
    "YUV420": ("YUV420", bytes(range(10, 18)) + CHROMA, 0),
    "NV12": ("NV12", bytes(range(10, 18)) + CHROMA, 4),
    "YUYV": ("YUYV", bytes(b for y in range(10, 18) for b in (y, 99)), 0),
    "NV12 with long rows": (
        "NV12", bytes([10, 11, 12, 13, 0, 0, 14, 15, 16, 17, 0, 0]) + CHROMA + bytes(2), 6,
    ),
    "YUYV with long rows": (
        "YUYV", bytes([10, 99, 11, 99, 12, 99, 13, 99, 0, 0, 14, 99, 15, 99, 16, 99, 17, 99]), 10,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_the_luma_is_cut_out_of_its_layout(name: str) -> None:
    """First h rows, every second byte, rows cut to the width."""
    form, data, stride = LAYOUTS[name]
    for buffer in (data, bytearray(data), memoryview(data)):
        assert luma_plane(buffer, form, width=4, height=2, stride=stride).tolist() == LUMA


def test_jpeg_frames_are_decoded_to_their_luma() -> None:
    """A USB camera's JPEG holds a picture of its own size."""
    out = io.BytesIO()
    image_of(TEXT).convert("RGB").save(out, "JPEG", quality=85)
    luma = luma_plane(out.getvalue(), "MJPEG", width=1, height=1)
    assert luma.shape == (720, 1280)
    assert [code.text for code in look(luma).codes] == [TEXT]


@pytest.mark.parametrize(
    ("form", "data", "stride"),
    [
        ("GREY", bytes(7), 0),
        ("YUYV", bytes(15), 0),
        ("YUYV", bytes(18), 9),
        ("NV12", bytes(8), 3),
        ("NV12", bytes(9), 6),
        ("RGB888", bytes(24), 0),
        ("MJPEG", b"\xff\xd8\xff no more", 0),
    ],
)
def test_a_frame_that_is_too_short_or_of_another_format_is_a_camera_error(
    form: str, data: bytes, stride: int
) -> None:
    """Never a frame with rows of another, never an IndexError."""
    with pytest.raises(CameraError):
        luma_plane(data, form, width=4, height=2, stride=stride)


def test_no_camera_writes_pictures_to_its_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG a camera says nothing of what it sees."""
    caplog.set_level(logging.DEBUG, "vaxgate")
    with FolderCamera(folder, dwell_s=0.05) as camera:
        for _ in range(4):
            next_frame(camera)
    assert caplog.text == ""
