"""A folder of pictures, or a video, held before the gate: the camera of tests, the demo and laptops.

The rules this module keeps:

* It behaves as a camera does: frames come at their time, and a reader that is late misses some.
* Pictures are shown in the order of their names; one that is put into the folder is found by itself.
* A file that is no picture is passed over with a line of talk that holds its name and nothing of its content.

    with FolderCamera(Path("cast"), dwell_s=2, gap_s=0.5) as camera:
        camera.read(0.25)
        camera.up                     # Up(name="01-vaccination.png", number=1, since=…), None between two
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.camera import Camera, Closing, Frame
from appliance.camera.planes import luma_plane
from appliance.config import CameraConfig
from appliance.errors import CameraError, PictureError
from appliance.picture import SUFFIXES, Luma, empty, read_luma

if TYPE_CHECKING:
    import av

talk = logging.getLogger("vaxgate.camera")

# Pictures stand still: more frames of one in a second are work without news.
MAX_FPS = 30


def open_files(config: CameraConfig) -> Camera:
    """The folder or the video of this configuration. Raises CameraError when there is neither."""
    if not config.path:
        raise CameraError("[camera] kind is files and path is empty; name a folder of pictures or a video")
    path = Path(config.path)
    if path.is_dir():
        return FolderCamera(
            path,
            dwell_s=config.dwell_s,
            gap_s=config.gap_s,
            loop=config.loop,
            fps=min(config.fps, MAX_FPS),
            size=(config.width, config.height),
        )
    if path.is_file():
        return VideoCamera(path, loop=config.loop)
    raise CameraError(f"{path}: neither a folder of pictures nor a video; set [camera] path")


@dataclass(frozen=True, slots=True)
class Up:
    """A picture that is held up: its file's name, how many were up so far, and since when (monotonic)."""

    name: str
    number: int
    since: float


class FolderCamera(Closing):
    """Shows each picture of a folder for ``dwell_s`` seconds, then an empty frame for ``gap_s``.

    fps: how often the picture that is up is given as a frame. size: of the empty frame. loop: begin again
    after the last one; otherwise the empty frame stays, and pictures that come later are still shown.
    up: the picture that is up, ``None`` between two.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dwell_s: float,
        gap_s: float = 0.0,
        loop: bool = True,
        fps: float = MAX_FPS,
        size: tuple[int, int] = (1280, 720),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._dwell_s, self._gap_s, self._loop = dwell_s, gap_s, loop
        self._period = 1 / fps
        self._empty = empty(*size)
        self._monotonic, self._sleep = monotonic, sleep
        self._picture: Luma | None = None
        self._last = ""
        self._bad: set[tuple[str, int]] = set()
        self._until = 0.0  # when what is up comes down
        self._next_frame = 0.0
        self._closed = False
        self._number = 0
        self.up: Up | None = None

    def read(self, timeout: float) -> Frame | None:
        """The picture that is up now, or the empty frame."""
        if self._closed:
            raise CameraError("the folder camera is closed")
        now = self._monotonic()
        wait = self._next_frame - now
        if wait > timeout:
            self._sleep(timeout)
            return None
        if wait > 0:
            self._sleep(wait)
            now = self._monotonic()
        self._next_frame = max(self._next_frame + self._period, now)
        if now >= self._until:
            self._change(now)
        return Frame(self._empty if self._picture is None else self._picture, self._monotonic())

    def _change(self, now: float) -> None:
        if self._picture is not None and self._gap_s > 0:
            self._picture, self.up, self._until = None, None, now + self._gap_s
            return
        found = self._next_picture()
        if found is None:
            self._picture, self.up, self._until = None, None, now + self._period
            return
        name, self._picture = found
        self._number += 1
        self.up = Up(name, self._number, now)
        self._until = now + self._dwell_s

    def _next_picture(self) -> tuple[str, Luma] | None:
        """The next picture by name that can be read; ``None`` when there is none to show now."""
        try:
            names = sorted(p.name for p in self._folder.iterdir() if p.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise CameraError(
                f"the folder of pictures cannot be read ({error.strerror}); is it gone?"
            ) from error
        later = [name for name in names if name > self._last]
        turns = [later, names] if self._loop else [later]
        for wanted in turns:
            for name in wanted:
                luma = self._read(name)
                if luma is not None:
                    self._last = name
                    return name, luma
        return None

    def _read(self, name: str) -> Luma | None:
        path = self._folder / name
        try:
            mark = (name, path.stat().st_mtime_ns)
            if mark in self._bad:
                return None
            return read_luma(path)
        except OSError:
            return None  # taken away between the listing and now
        except PictureError as error:
            talk.warning("%s is passed over: %s", name, error)
            self._bad.add(mark)
            return None

    def describe(self) -> str:
        """A folder, and how often."""
        return f"a folder of pictures at {1 / self._period:g} fps"

    def close(self) -> None:
        """Take the picture down."""
        self._closed, self._picture, self.up = True, None, None


class VideoCamera(Closing):
    """Plays a video with its own timing; a reader that is late misses frames, as with any camera."""

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._loop = path, loop
        self._monotonic, self._sleep = monotonic, sleep
        self._container: av.container.InputContainer | None = None
        self._frames = self._play()
        self._ahead: tuple[float, Luma] | None = None
        self._began: float | None = None
        self._ahead = self._decode()
        if self._ahead is None:
            self.close()
            raise CameraError(f"{path.name}: a video without a single picture; use another file")

    def read(self, timeout: float) -> Frame | None:
        """The frame that is due; ``None`` when none is due yet, or the video is over."""
        if self._container is None:
            raise CameraError("the video camera is closed")
        now = self._monotonic()
        if self._began is None:
            self._began = now
        if self._ahead is None:
            self._sleep(timeout)
            return None
        wait = self._began + self._ahead[0] - now
        if wait > timeout:
            self._sleep(timeout)
            return None
        if wait > 0:
            self._sleep(wait)
            now = self._monotonic()
        # The latest frame that is due; those before it are gone.
        due = self._ahead
        self._ahead = self._decode()
        while self._ahead is not None and self._began + self._ahead[0] <= now:
            due = self._ahead
            self._ahead = self._decode()
        return Frame(due[1], self._monotonic())

    def _decode(self) -> tuple[float, Luma] | None:
        import av  # for a video alone: it takes as long to load, and as much memory, as all of the reader

        try:
            return next(self._frames, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise CameraError(
                f"{self._path.name}: the video cannot be read ({type(error).__name__})"
            ) from error

    def _play(self) -> Iterator[tuple[float, Luma]]:
        """Seconds from the start and luma of every frame, round after round."""
        import av

        offset = 0.0
        while True:
            self._container = av.open(str(self._path))
            if not self._container.streams.video:
                raise CameraError(f"{self._path.name}: no video in this file; use another one")
            stream = self._container.streams.video[0]
            period = float(1 / stream.average_rate) if stream.average_rate else 0.04
            at = end = 0.0
            first: float | None = None
            for number, picture in enumerate(self._container.decode(stream)):
                stamp = picture.time if picture.time is not None else number * period
                first = stamp if first is None else first
                at = max(at, stamp - first)
                grey = picture if picture.format.name == "gray" else picture.reformat(format="gray")
                plane = grey.planes[0]
                yield (
                    offset + at,
                    luma_plane(
                        bytes(plane), "GREY", width=grey.width, height=grey.height, stride=plane.line_size
                    ),
                )
                end = at + period
            if not self._loop or end == 0.0:
                return
            offset += end
            self._container.close()

    def describe(self) -> str:
        """A video, and its size."""
        height, width = (self._ahead[1].shape if self._ahead else None) or (0, 0)
        return f"a video, {width}x{height}, at its own rate"

    def close(self) -> None:
        """Close the file."""
        self._frames.close()  # type: ignore[attr-defined]  # a generator, which Iterator does not say
        if self._container is not None:
            self._container.close()
            self._container = None
