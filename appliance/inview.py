"""Whose certificates are before the camera: one person's, or several persons' at once.

The rules this module keeps:

* Codes of one person are judged together. Several persons are listed, each for themselves, and never mixed
  (SC-C05).
* Who comes into an empty frame is shown at once, whoever was there a moment before (SC-O03). Who comes beside
  somebody else makes a list; when one of them is left alone in view, that one is shown alone.
* A sheet of codes is not read whole in every frame: whoever was listed stays listed for as long as their code
  may flicker.
* What was read is kept no longer than the page may say the name, however long a code lies there. That it was
  shown is kept, by a mark that says nothing about anybody.
* Pure: time is a ``now`` in seconds of one clock that never goes back.

    view = InView(lasts_s=15.0)
    view.see(new, in_frame, known, now=3.0)       # [[held, …], …]: the persons to show now, or nothing
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from appliance.session import Held, by_person

Mark = frozenset[bytes]


class InView:
    """The certificates in view. lasts_s: how long what they say may be kept."""

    def __init__(self, *, lasts_s: float) -> None:
        self._lasts_s = lasts_s
        self._until = 0.0
        self._held: dict[Mark, Held] = {}
        self._shown: frozenset[Mark] = frozenset()
        self._listed = False

    def see(
        self, new: Sequence[Held], in_frame: Collection[bytes], known: Callable[[bytes], bool], now: float
    ) -> list[list[Held]]:
        """Take in the certificates that are new in a frame; whom to show now, by person. Empty: no change.

        in_frame: the marks of all codes of this frame. known: whether a code may still come back as the same.
        """
        if now >= self._until:
            self._held = {}
        if not new and not self._held:
            return []
        self._held = {marks: each for marks, each in self._held.items() if any(known(mark) for mark in marks)}
        self._held.update((each.marks, each) for each in new)
        here = {marks for marks in self._held if marks & set(in_frame)} | {each.marks for each in new}
        listed = {marks for marks in self._held if self._listed and marks in self._shown}
        candidates = [each for marks, each in self._held.items() if marks in here | listed]
        people = by_person(candidates)
        came = bool(new) or bool(here - self._shown)
        left_alone = self._listed and len(people) == 1 and bool(here)
        return self._show(people, now) if came or left_alone else []

    def _show(self, people: list[list[Held]], now: float) -> list[list[Held]]:
        self._listed = len(people) > 1
        self._shown = frozenset(each.marks for person in people for each in person)
        self._until = now + self._lasts_s
        return people

    @property
    def listed(self) -> list[list[Held]]:
        """The persons of a list that stands; empty where there is none, or its time is up."""
        if not self._listed:
            return []
        return by_person(each for marks, each in self._held.items() if marks in self._shown)

    def renew(self, held: Sequence[Held]) -> None:
        """The same codes, assessed anew."""
        self._held.update((each.marks, each) for each in held)

    def expire(self, now: float) -> None:
        """Forget what was read if its time is up."""
        if self._held and now >= self._until:
            self._held = {}

    def forget(self) -> None:
        """Forget what was read, and that it was shown."""
        self._held, self._shown, self._listed = {}, frozenset(), False
