"""The hub: where the gate leaves what the page shows, and every page waits for it.

The rules this module keeps:

* Only the latest facts are kept. A page that was away gets them first; nothing is queued, nothing piles up.
* Ids rise by one with each change, so a page can tell a repetition from news.
* A unit in training says so with everything it tells, and counts no result.
* Name and birth date leave by the clock, whether or not anybody looks, and at once when new facts come.

    hub = Hub(clear_s=15)
    hub.publish(of_verdict(verdict))
    facts = hub.wait(after=facts["id"], timeout=2.0)   # None: nothing new
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from appliance.kiosk.facts import Facts, as_last, of_signal
from appliance.kiosk.trust import TrustPage
from appliance.signals import Signal


class Hub:
    """One for a process. Every method may be called from any thread.

    clear_s: seconds until a name leaves. language: of the page at its start. site: the desk's name.
    trust_page: what the page of the list is made from; ``None``: there is no such page. training: this unit
    judges by test keys.
    """

    def __init__(
        self,
        *,
        clear_s: float = 15.0,
        language: str = "vi",
        site: str = "",
        trust_page: TrustPage | None = None,
        training: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clear_s, self.language, self.site = clear_s, language, site
        self.trust_page = trust_page
        self.training = training
        self._monotonic = monotonic
        self._news = threading.Condition()
        self._id = 1
        self._results = 0
        self._facts: Facts = of_signal(Signal.BOOT)
        self._standing: Facts = {"list": None, "clock": None, "rules": None}
        self._personal_until: float | None = None
        self._closed = False
        self._health: Callable[[], dict[str, Any]] = lambda: {
            "state": Signal.BOOT.value,
            "training": training,
        }

    def publish(self, facts: Facts, *, result: bool = False, keep_last: bool = False) -> int:
        """Show these facts. result: they are one more result, which ``results`` counts outside of training.
        keep_last: the result that stood so far stays beside them until its time is up.

        Returns the id under which they are told.
        """
        with self._news:
            last = None
            if keep_last:
                standing = self._facts
                last = as_last(standing) if standing["holder"] else standing["last"]
            if facts["holder"] is not None:
                self._personal_until = self._monotonic() + self.clear_s
            elif last is None:
                self._personal_until = None
            self._results += result and not self.training
            self._facts = {**facts, "last": last}
            return self._tell()

    def stand(self, standing: Facts) -> None:
        """Set what stands below every signal: the list and its age, the clock, the rules in force."""
        with self._news:
            self._standing = standing

    def expire(self) -> None:
        """Take name and birth date away if their time is up. Called often, costs nothing."""
        with self._news:
            if self._personal_until is not None and self._monotonic() >= self._personal_until:
                self._forget()

    def forget(self) -> None:
        """Take name and birth date away now."""
        with self._news:
            if self._personal_until is not None:
                self._forget()

    def _forget(self) -> None:
        self._personal_until = None
        self._facts = {**self._facts, "holder": None, "last": None}
        self._tell()

    def _tell(self) -> int:
        self._id += 1
        self._news.notify_all()
        return self._id

    def current(self) -> Facts:
        """What is shown now."""
        self.expire()
        with self._news:
            told = {"id": self._id, "training": self.training, "results": self._results}
            return {**told, **self._facts, **self._standing}

    def standing(self) -> Facts:
        """The facts that stand below every signal, for a page that is only to be kept awake."""
        with self._news:
            return {"id": self._id, "training": self.training, **self._standing}

    def wait(self, after: int, timeout: float) -> Facts | None:
        """What is shown as soon as its id differs from ``after``; ``None`` when nothing changed in time."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._id != after, timeout)
            if self._closed or self._id == after:
                return None
        return self.current()

    def set_health(self, health: Callable[[], dict[str, Any]]) -> None:
        """Name who knows how the unit is."""
        self._health = health

    def health(self) -> dict[str, Any]:
        """How the unit is."""
        return self._health()

    @property
    def closed(self) -> bool:
        """Whether streams are to end."""
        return self._closed

    def close(self) -> None:
        """End all streams, and forget whoever was shown."""
        with self._news:
            self._closed = True
            self._facts = {**self._facts, "holder": None, "last": None}
            self._news.notify_all()
