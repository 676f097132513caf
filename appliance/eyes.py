"""The eyes: from the camera to what each frame shows, and at once to whoever judges it.

The rules this module keeps:

* One thread fetches frames, others read them. The reader gives the interpreter away while it works, so two
  frames are read at once on two cores.
* Whoever has read a frame has it judged, there and then: nobody has to be woken for it. One thread at a time
  does so, by ``turn``, which the gate's own rounds take as well.
* One frame waits at most, the latest: an older one that nobody took is dropped and counted. No frame is kept
  once it was looked at.
* Time goes forward for whoever judges. A look that comes after a later one's is told at that later one's
  instant, and only for the codes that it read; it is nothing any more when it is very late, or when a code
  was read in a later frame: the lamp would go back to whoever held up the one before.
* What goes wrong in a thread is raised in the gate's loop, which says OUT; the thread goes on. What hangs is
  told by ``since``, for the watchdog.
* Where no camera is, nothing is known of what was before it: a reader that remembers is told to forget.
* Nothing here differs without threads: before ``start`` whoever asks does the same work in turn.

    eyes = Eyes(CameraSupply(…), Reader())
    eyes.start(see)                      # see(Sight(look=…, taken=…)), from one thread at a time
    eyes.wait(0.25)                      # at most so long, or until something went wrong
    eyes.look()                          # raises what did
    eyes.close()
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from appliance.camera import Frame
from appliance.reader.passes import Look
from appliance.supply import CameraSupply

THREADS: Final = 2  # that read and judge; a third core is left to the camera and the page
# A look that comes so many seconds of frames after a later one's is of somebody who may have gone.
LATE_S: Final = 0.25
# Seconds until a thread tries again after a fault, or asks again for a camera that is not there.
PAUSE_S: Final = 0.1
CLOSE_S: Final = 5.0  # that threads have to end; systemd waits for twice as long
# Python lets a thread that computes go on for 5 ms while others wait: with a page being made beside it, a
# verdict would come that much later wherever the interpreter is taken back.
SWITCH_S: Final = 0.0005


@dataclass(frozen=True, slots=True, repr=False)
class Sight:
    """What one frame showed. Instants are seconds of the monotonic clock.

    taken: by the camera. begun, read: when reading began and ended. at: the instant that it counts for, which
    never lies before that of the sight told before it; ``taken``, unless it came late.
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

    turn: held while a sight is told; whoever does the same work as ``see`` holds it too.
    ``look``, ``wait`` and ``close`` belong to the gate's loop, ``forget`` to whoever has the turn.
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
        self.turn = threading.RLock()
        self._mailed = threading.Condition(threading.Lock())  # a frame waits
        self._frame: Frame | None = None
        self._fault: BaseException | None = None
        self._faulty = threading.Event()
        self._latest = self._latest_code = float("-inf")  # instants of what was told
        self._busy: dict[int, float] = {}  # since when each thread is at work, by its number
        self._seen = self._dropped = 0
        self._looked = [0] * threads
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    # --- For the loop ---------------------------------------------------------------------------------------

    def start(self, see: Callable[[Sight], object]) -> None:
        """Begin to work beside the loop. see: is told each sight, in the order of their instants."""
        sys.setswitchinterval(SWITCH_S)
        names = ["camera", *(f"reader {number}" for number in range(1, len(self._looked) + 1))]
        for number, name in enumerate(names):
            turn = partial(self._read_next, number, see) if number else partial(self._fetch, number)
            self._threads.append(threading.Thread(target=self._keep_on, args=(turn,), name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def look(self) -> Sight | None:
        """What the next frame shows, where no threads were started; ``None`` where they were, or none came.

        Raises whatever went wrong in a thread since it was asked last.
        """
        sights: list[Sight] = []
        if not self._threads:
            self._fetch(0)
            if self._frame is not None:
                self._read_next(1, sights.append)
        with self._mailed:
            fault, self._fault = self._fault, None
            self._faulty.clear()
        if fault is not None:
            try:
                raise fault
            finally:
                del fault  # it would hold itself, and the frame it is about
        return sights[0] if sights else None

    def wait(self, timeout: float) -> None:
        """For so many seconds, or until something went wrong in a thread."""
        self._faulty.wait(timeout)

    def forget(self) -> None:
        """Drop what went wrong, and what is remembered of what was seen."""
        self._forget_scene()
        with self._mailed:
            self._fault = None
            self._faulty.clear()

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
        """End every thread and let the camera go; nothing is told after this. A thread that hangs is left
        behind and ends with the process; so is its camera: closing it may hang as well, and the lamp is lit.
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

    def _keep_on(self, turn: Callable[[], None]) -> None:
        """A thread's life, turn after turn."""
        while not self._ended.is_set():
            try:
                turn()
            except BaseException as error:  # noqa: BLE001 - the loop knows what it means; no thread ends unseen
                with self._mailed:
                    self._fault = error
                    self._faulty.set()
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

    def _read_next(self, number: int, see: Callable[[Sight], object]) -> None:
        """Read the frame that waits, or the next one that comes, and tell what it shows."""
        with self._mailed:
            self._mailed.wait_for(lambda: self._ended.is_set() or self._frame is not None)
            frame, self._frame = self._frame, None
            if frame is None:
                return  # closed
            begun = self._busy[number] = self._monotonic()
        try:
            look, taken = self._read(frame.luma), frame.taken
            read = self._monotonic()
            del frame  # what is told may take its time
            with self.turn:
                sight = None if self._ended.is_set() else self._in_order(look, taken, begun, read)
                if sight is not None:
                    see(sight)
        finally:
            with self._mailed:
                del self._busy[number]
                self._looked[number - 1] += 1

    def _in_order(self, look: Look, taken: float, begun: float, read: float) -> Sight | None:
        """A sight after those that were told; ``None`` where it says nothing of now."""
        at = max(taken, self._latest)
        if at > taken:
            if not look.codes or at - taken > LATE_S or taken < self._latest_code:
                return None
            look = Look(look.codes)
        self._latest = at
        if look.codes:
            self._latest_code = at
        return Sight(look, taken, begun, read, at)
