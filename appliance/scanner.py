"""Which of the codes in view are new.

The rules this module keeps:

* The same code held up is one Scan, also when it flickers; another code is another Scan at once.
* A symbol that is there and cannot be read is said once, after a while: that is RESCAN, never red.
* Nothing here knows a camera, a lamp or a page, nor how a frame is read: that is :mod:`appliance.reader`.

    watch = Watch(same_code_s=1.2, damaged_s=1.0)
    watch.see(look(frame.luma), now=frame.taken)       # Sighting(scans=(…), unreadable=False)
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.reader.passes import Look, Place, Scan


@dataclass(frozen=True, slots=True, repr=False)
class Sighting:
    """What is new in a frame: Scans, or that a symbol has been in view unread for long enough."""

    scans: tuple[Scan, ...] = ()
    unreadable: bool = False


class Watch:
    """Tells a new Scan from a code that is still held up. Pure: time comes in as ``now``, in seconds.

    same_code_s: how long a code may be out of view and still be the same Scan. damaged_s: how long a symbol
    must be in view unread before that is said.

    A read code that gets damaged where it lies (glare, a tilt) is that code still, for ``GLARE_S`` at most
    and only while something lies there in every frame.
    """

    GLARE_S = 3.0

    def __init__(self, *, same_code_s: float, damaged_s: float) -> None:
        self._same_code_s = same_code_s
        self._damaged_s = damaged_s
        self._seen: dict[
            bytes, tuple[float, float, Place, bool]
        ] = {}  # last seen, last read, where, unbroken
        self._damaged_since: float | None = None
        self._damaged_last = 0.0
        self._said = False

    def see(self, found: Look, now: float) -> Sighting:
        """Take a frame's look in; what is new comes out."""
        new: list[Scan] = []
        self._forget(now)
        unbroken: set[bytes] = set()
        for code in found.codes:
            if code.mark not in self._seen:
                new.append(code)
            self._seen[code.mark] = (now, now, code.place, True)
            unbroken.add(code.mark)
        strange = []
        for place in found.damaged:
            owner = self._owner(place, now)
            if owner is None:
                strange.append(place)
            else:
                _, read, _, _ = self._seen[owner]
                self._seen[owner] = (now, read, place, True)
                unbroken.add(owner)
        for mark, (last, read, place, _) in self._seen.items():
            if mark not in unbroken:
                self._seen[mark] = (last, read, place, False)
        return Sighting(tuple(new), self._unreadable(bool(strange) and not found.codes, now))

    def last_seen(self, mark: bytes) -> float | None:
        """When the code of this mark was last in view; ``None`` when it is gone."""
        seen = self._seen.get(mark)
        return None if seen is None else seen[0]

    def _forget(self, now: float) -> None:
        for mark in [m for m, seen in self._seen.items() if now - seen[0] > self._same_code_s]:
            del self._seen[mark]

    def _owner(self, place: Place, now: float) -> bytes | None:
        for mark, (_, read, where, unbroken) in self._seen.items():
            if unbroken and now - read <= self.GLARE_S and where.near(place):
                return mark
        return None

    def _unreadable(self, damaged: bool, now: float) -> bool:
        if not damaged:
            if self._damaged_since is not None and now - self._damaged_last > self._same_code_s:
                self._damaged_since, self._said = None, False
            return False
        if self._damaged_since is None or now - self._damaged_last > self._same_code_s:
            self._damaged_since, self._said = now, False
        self._damaged_last = now
        if self._said or now - self._damaged_since < self._damaged_s:
            return False
        self._said = True
        return True
