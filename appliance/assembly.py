"""Gathers the parts of a many-part code, which may come in any order, together or one after another.

The rules this module keeps:

* Never two persons in one text: parts that disagree begin anew with the newer ones, and parts of two codes in
  one frame are not joined at all, for nobody could say which belongs to whom.
* Parts hold a person's data: they stay in memory, print nothing, and go with the time-out, with whatever else
  is shown, and with the last part.
* Nothing is believed here. What comes out whole is judged as any other code.
* Pure: time comes in as ``now``, in seconds of one clock that never goes back.

    assembly = Assembly(wait_s=15.0)
    assembly.take({code.mark: part}, now=3.0)       # Waiting(have=1, count=3)
    assembly.take({other.mark: last}, now=5.0)      # … Whole(text, marks)
    assembly.expired(now=30.0)                      # Waiting(1, 3) once, when no other part came in time
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from verifier.wire.dispatch import trimmed
from verifier.wire.errors import MalformedError
from verifier.wire.shc import PREFIX, Part, join, part_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many of so many parts are there."""

    have: int
    count: int

    def __str__(self) -> str:
        return f"{self.have} of {self.count}"


@dataclass(frozen=True, slots=True, repr=False)
class Whole:
    """All parts are there.

    text: of the code as if it had been one. marks: of the codes that held the parts.
    """

    text: str
    marks: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Parts of more than one code are in view together."""


def part_in(payload: str | bytes) -> Part | None:
    """The part that a scanned code is; ``None`` for every other code.

    One of one is a whole code. A part that is broken in itself is judged as it stands, for its defect has a
    name there.
    """
    if not isinstance(payload, str):
        return None
    try:
        part = part_of(trimmed(payload))
    except MalformedError:
        return None
    return part if part is not None and part.count > 1 else None


class Assembly:
    """The parts of one code. wait_s: seconds that the next one may take."""

    def __init__(self, wait_s: float = 15.0) -> None:
        self._wait_s = wait_s
        self._parts: dict[bytes, Part] = {}  # by the mark of the code that holds it
        self._since = 0.0

    def take(self, seen: Mapping[bytes, Part], now: float) -> Waiting | Whole | Mixed:
        """Take in the parts of one frame, at least one, by the marks of their codes."""
        self.expired(now)
        if not _of_one(seen.values()):
            self.forget()
            return Mixed()
        if not _of_one([*self._parts.values(), *seen.values()]):
            self.forget()
        before = len(self._numbers())
        self._parts.update(seen)
        if len(self._numbers()) > before:
            self._since = now
        state = self._state()
        if state.have < state.count:
            return state
        whole = Whole(_joined(self._parts.values()), self.marks)
        self.forget()
        return whole

    @property
    def waiting(self) -> Waiting | None:
        """How many parts are there; ``None`` when there is none."""
        return self._state() if self._parts else None

    @property
    def marks(self) -> frozenset[bytes]:
        """Of the codes whose parts are there."""
        return frozenset(self._parts)

    def expired(self, now: float) -> Waiting | None:
        """Forget the parts if the next one took too long; what was there then, or ``None``."""
        if not self._parts or now - self._since < self._wait_s:
            return None
        state = self._state()
        self.forget()
        return state

    def forget(self) -> None:
        """Drop every part."""
        self._parts = {}

    def _numbers(self) -> set[int]:
        return {part.number for part in self._parts.values()}

    def _state(self) -> Waiting:
        return Waiting(len(self._numbers()), next(iter(self._parts.values())).count)


def _joined(parts: Collection[Part]) -> str:
    try:
        return join(parts)
    except MalformedError:
        # Too long in all. Judging names that, as it does for a text that was too long from the start.
        bodies = {part.number: part.body for part in parts}
        return PREFIX + "".join(bodies[number] for number in sorted(bodies))


def _of_one(parts: Iterable[Part]) -> bool:
    """Whether these can be parts of one code: the same count, and no two of one number that differ."""
    bodies: dict[int, str] = {}
    counts = set()
    for part in parts:
        counts.add(part.count)
        if bodies.setdefault(part.number, part.body) != part.body:
            return False
    return len(counts) == 1
