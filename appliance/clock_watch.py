"""The gate's own eye on the clock: a step is seen between two rounds, not between two nights.

The rules this module keeps:

* What this process has seen outranks what another one wrote down: it looks many times a second.
* A step back, and a forward jump of more than a day, stay until the clock is back where it would be without
  them, or until somebody vouches for it: a proof or a supervisor after the step, or signed time that was new.
* In memory alone; what survives a switch-off is the store's business.

    watch = ClockWatch()
    known = watch.see(reading(), snapshot.clock)
    clock_state(reading, known)
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from verifier.clocks import ClockKnowledge, Reading, note, settles


class ClockWatch:
    """Follows one clock. One watch for a process, asked by one thread at a time."""

    def __init__(self) -> None:
        self._mark: Reading | None = None
        self._floor: datetime | None = None  # as it stood when the mark last moved

    def see(self, reading: Reading, told: ClockKnowledge) -> ClockKnowledge:
        """Take a reading in. Returns what is known of time for judging this reading.

        told: what stands in the store now.
        """
        known = replace(told, mark=self._mark_before(reading, told))
        mark = note(known, reading).mark
        if mark != self._mark:
            self._mark, self._floor = mark, told.floor
        return known

    def _mark_before(self, reading: Reading, told: ClockKnowledge) -> Reading | None:
        """The mark to hold this reading against.

        While the clock is in doubt the mark stands still, so a word that is later than the mark is later than
        the step. A proof needs no mark moved: it outranks it.
        """
        mark, word = self._mark, told.confirmed
        if mark is None or mark.boot != reading.boot:  # nothing was seen in this run yet
            return told.mark
        if told.floor is not None and told.floor != self._floor and settles(reading, told.floor):
            return reading
        if word is not None and word.boot == mark.boot and word.since_boot > mark.since_boot:
            return word
        return mark
