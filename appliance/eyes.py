"""The eyes: from the camera to what each frame shows, beside the gate's loop.

The rules this module keeps:

* One thread fetches frames, others read them; the gate's loop alone judges. The reader gives the
  interpreter away while it works, so two frames are read at once on two cores.
* One frame waits at most, the latest: an older one that nobody took is dropped and counted. No frame is
  begun while looks pile up before the loop, and no frame is kept once it was looked at.
* Time goes forward for whoever judges. A look that comes after a later one's is told at that later one's
  instant, and only for the codes that it read; it is nothing any more when it is very late, or when a code
  was read in a later frame: the lamp would go back to whoever held up the one before.
* What goes wrong in a thread is raised in the loop, which says OUT; the thread goes on. What hangs is told by
  ``since``, for the watchdog.
* Where no camera is, nothing is known of what was before it: a reader that remembers is told to forget.
* Nothing here differs without threads: before ``start`` whoever asks does the same work in turn.

    eyes = Eyes(CameraSupply(…), Reader())
    eyes.start()
    sight = eyes.next(0.25)              # Sight(look=…, taken=…), or None when nothing came
    eyes.close()
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from appliance.camera import Frame
from appliance.reader.passes import Look
from appliance.supply import CameraSupply

THREADS: Final = 2  # that read; a third core is left to the loop, the page and the lamp
# A look that comes so many seconds of frames after a later one's is of somebody who may have gone.
LATE_S: Final = 0.25
# Seconds until a thread tries again after a fault, or asks again for a camera that is not there.
PAUSE_S: Final = 0.1
CLOSE_S: Final = 5.0  # that threads have to end; systemd waits for twice as long
# Python lets a thread that computes go on for 5 ms while others wait: with a page being made beside it, a
# verdict would come that much later at each hand-over.
SWITCH_S: Final = 0.0005


@dataclass(frozen=True, slots=True, repr=False)
class Sight:
    """What one frame showed. Instants are seconds of the monotonic clock.

    taken: by the camera. begun, read: when reading began and ended. at: the instant that it counts for, which
    never lies before that of the sight handed over before it; ``taken``, unless it came late.
    """

    look: Look
    taken: float
    begun: float
    read: float
    at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames so far: that the camera gave, that nobody took before a later one, that each thread read."""

    seen: int
    dropped: int
    read: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"seen": self.seen, "dropped": self.dropped, "read": list(self.read)}


class Eyes:
    """One for a gate. frames: asked by one thread at a time. read: finds the codes of a luma, in any number
    of threads at once; what it remembers between frames, its ``forget`` drops. threads: that read.

    ``next``, ``forget`` and ``close`` belong to the gate's loop.
    """

    def __init__(
        self,
        frames: CameraSupply,
        read: Callable[[Any], Look],
        *,
        threads: int = THREADS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frames, self._read, self._monotonic = frames, read, monotonic
        self._forget_scene: Callable[[], None] = getattr(read, "forget", lambda: None)
        lock = threading.Lock()
        self._mailed = threading.Condition(lock)  # a frame waits and there is room for its look
        self._handed = threading.Condition(lock)  # there is something for the loop
        self._frame: Frame | None = None
        self._sights: deque[Sight] = deque()
        self._fault: BaseException | None = None
        self._latest = self._latest_code = float("-inf")  # instants of what was handed over
        self._busy: dict[int, float] = {}  # since when each thread is at work, by its number
        self._seen = self._dropped = 0
        self._looked = [0] * threads
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    # --- For the loop ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work beside the loop."""
        sys.setswitchinterval(SWITCH_S)
        names = ["camera", *(f"reader {number}" for number in range(1, len(self._looked) + 1))]
        for number, name in enumerate(names):
            turn = self._read_next if number else self._fetch
            self._threads.append(
                threading.Thread(target=self._keep_on, args=(number, turn), name=name, daemon=True)
            )
        for thread in self._threads:
            thread.start()

    def next(self, timeout: float) -> Sight | None:
        """The next look, at most once each; ``None`` when none came within ``timeout`` seconds.

        Raises whatever went wrong in a thread since it was asked last.
        """
        if not self._threads:
            self._fetch(0)
            if self._frame is not None:
                self._read_next(1)
            timeout = 0.0
        with self._handed:
            self._handed.wait_for(lambda: self._sights or self._fault is not None, timeout)
            if self._fault is not None:
                try:
                    raise self._fault  # by no name of ours: it would hold itself, and the frame it is about
                finally:
                    self._fault = None
            if not self._sights:
                return None
            self._mailed.notify()
            return self._sights.popleft()

    def forget(self) -> None:
        """Drop what was not asked for yet, and what is remembered of what was seen."""
        self._forget_scene()
        with self._mailed:
            self._sights.clear()
            self._fault = None
            self._mailed.notify_all()

    @property
    def down(self) -> bool:
        """Whether the camera is lost."""
        return self._frames.down

    @property
    def since(self) -> float:
        """When the oldest work that is under way was begun; now, where there is none."""
        with self._mailed:
            return min(self._busy.values(), default=self._monotonic())

    @property
    def counts(self) -> Counts:
        """Frames so far."""
        with self._mailed:
            return Counts(self._seen, self._dropped, tuple(self._looked))

    def close(self) -> None:
        """End every thread and let the camera go. One that hangs is left behind and ends with the process; so
        is its camera: closing it may hang as well, and the lamp is still lit.
        """
        self._ended.set()
        with self._mailed:
            self._frame = None
            self._mailed.notify_all()
        end = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.forget()
        if not (self._threads and self._threads[0].is_alive()):
            self._frames.close()

    # --- For the threads ------------------------------------------------------------------------------------

    def _keep_on(self, number: int, turn: Callable[[int], None]) -> None:
        """A thread's life, turn after turn."""
        while not self._ended.is_set():
            try:
                turn(number)
            except BaseException as error:  # noqa: BLE001 - the loop knows what it means; no thread ends unseen
                with self._handed:
                    self._fault = error
                    self._handed.notify()
                self._ended.wait(PAUSE_S)

    def _fetch(self, number: int) -> None:
        """Put the camera's next frame where those who read look for one."""
        with self._mailed:
            self._busy[number] = self._monotonic()
        try:
            frame = self._frames.frame()
            with self._mailed:
                if frame is not None and not self._ended.is_set():
                    self._seen += 1
                    self._dropped += self._frame is not None
                    self._frame = frame
                    self._mailed.notify()
        finally:
            with self._mailed:
                del self._busy[number]
        if not self._frames.opened:
            self._forget_scene()
            if self._threads:
                self._ended.wait(PAUSE_S)

    def _read_next(self, number: int) -> None:
        """Read the frame that waits, or the next one that comes, and hand over what it shows."""
        with self._mailed:
            self._mailed.wait_for(self._may_begin)
            frame, self._frame = self._frame, None
            if frame is None:
                return  # closed
            begun = self._busy[number] = self._monotonic()
        look = None
        try:
            look = self._read(frame.luma)
        finally:
            with self._mailed:
                # At once with the hand-over: whoever sees that nothing hangs any more sees its look as well.
                del self._busy[number]
                self._looked[number - 1] += 1
                if look is not None:
                    self._hand_over(look, frame.taken, begun)

    def _may_begin(self) -> bool:
        return self._ended.is_set() or (self._frame is not None and len(self._sights) < len(self._looked))

    def _hand_over(self, look: Look, taken: float, begun: float) -> None:
        at = max(taken, self._latest)
        if at > taken:
            if not look.codes or at - taken > LATE_S or taken < self._latest_code:
                return
            look = Look(look.codes)
        self._latest = at
        if look.codes:
            self._latest_code = at
        self._sights.append(Sight(look, taken, begun, self._monotonic(), at))
        self._handed.notify()
