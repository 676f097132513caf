"""The hub: where the gate leaves what the page shows, every page waits for it, and taps wait for the gate.

The rules this module keeps:

* Only the latest facts are kept. A page that was away gets them first; nothing is queued, nothing piles up.
* Ids rise by one with each change, so a page can tell a repetition from news.
* A unit in training says so with everything it tells, and counts no result.
* Whatever is about a person leaves by the clock, whether or not anybody looks, and at once when new facts
  come; "why?" is computed when somebody asks, and goes with it.
* A few taps wait for the gate's next round; more are refused. What waits goes when the hub is closed.
* The facts name the traveller whom they are about by a number, so that a tap can say whom it was meant for.

    hub = Hub(clear_s=15)
    hub.publish(of_verdict(verdict), why=lambda: explained(verdict))
    facts = hub.wait(after=facts["id"], timeout=2.0)   # None: nothing new
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from appliance.kiosk.facts import as_last, is_personal, of_signal, without_person
from appliance.kiosk.journey import TELLABLE
from appliance.kiosk.plain import Facts
from appliance.kiosk.taps import Tap
from appliance.kiosk.trust import TrustPage
from appliance.signals import Signal

MAX_TAPS = 8  # that wait for the gate; it hears them several times a second


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
        self._why: Callable[[], Facts] | None = None
        self._taps: deque[tuple[Tap, int | None]] = deque()
        self._session: Callable[[], int] = int
        self._told_session = 0  # as the facts name it
        self._closed = False
        # What the page may tell of a journey: where it goes is the site's to say, unless it flies elsewhere.
        self.tellable = TELLABLE - {"country"}
        self._journey: Callable[[], Facts] = dict
        self._health: Callable[[], dict[str, Any]] = lambda: {
            "state": Signal.BOOT.value,
            "training": training,
        }

    def publish(
        self,
        facts: Facts,
        *,
        result: int = 0,
        keep_last: bool = False,
        why: Callable[[], Facts] | None = None,
    ) -> int:
        """Show these facts. result: so many more results, which are counted outside of training. keep_last:
        the result that stood so far stays beside them until its time is up. why: how this result came about.

        Returns the id under which they are told.
        """
        with self._news:
            last = None
            if keep_last:
                standing = self._facts
                stays = standing["holder"] or standing["without"]
                last = as_last(standing) if stays else standing["last"]
            self._facts = {**facts, "last": last}
            if last is None:
                self._why = why
                self._personal_until = None
            if last is None and is_personal(facts):
                self._personal_until = self._monotonic() + self.clear_s
            if not self.training:
                self._results += result
            self._told_session = self._session()
            return self._tell()

    def stay(self) -> None:
        """Somebody is at work with whoever is shown: their time begins anew."""
        with self._news:
            if self._personal_until is not None:
                self._personal_until = self._monotonic() + self.clear_s
                self._tell()

    def why(self) -> Facts | None:
        """How the result that stands came about; ``None`` when none does."""
        self.expire()
        with self._news:
            why = self._why
        return None if why is None else why()

    def stand(self, standing: Facts) -> None:
        """Set what stands below every signal: the list and its age, the clock, the rules in force."""
        with self._news:
            self._standing = standing

    def expire(self) -> None:
        """Take whatever is about a person away if their time is up. Called often, costs nothing."""
        with self._news:
            if self._personal_until is not None and self._monotonic() >= self._personal_until:
                self._forget()

    def forget(self) -> None:
        """Take whatever is about a person away now; who comes next has another number."""
        with self._news:
            if self._personal_until is not None or self._told_session != self._session():
                self._forget()

    def _forget(self) -> None:
        self._personal_until = self._why = None
        self._told_session = self._session()
        self._facts = without_person(self._facts)
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
            return {**told, "session": self._told_session, **self._facts, **self._standing}

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

    def tap(self, tap: Tap, session: int | None = None) -> bool:
        """Hand a tap on to the gate; whether there was room for it.

        session: of the traveller whom it is meant for; ``None``: whoever stands here.
        """
        with self._news:
            if self._closed or len(self._taps) >= MAX_TAPS:
                return False
            self._taps.append((tap, session))
            return True

    def taps(self) -> tuple[tuple[Tap, int | None], ...]:
        """What was tapped since this was asked last, each with the traveller whom it was meant for."""
        if not self._taps:  # asked with every frame; a tap that comes now is heard with the next
            return ()
        with self._news:
            taps = tuple(self._taps)
            self._taps.clear()
            return taps

    @property
    def personal(self) -> bool:
        """Whether the page tells anything about a person."""
        return self._personal_until is not None

    @property
    def session(self) -> int:
        """The number of the traveller whom the facts are about."""
        return self._told_session

    def set_session(self, session: Callable[[], int]) -> None:
        """Name who knows the number of the traveller who stands here; asked with every change of facts."""
        self._session = session

    def set_journey(self, journey: Callable[[], Facts]) -> None:
        """Name who knows what can be told of the journey."""
        self._journey = journey

    def journey(self) -> Facts:
        """What can be told of the journey."""
        return self._journey()

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
            self._taps.clear()
            self._why = None
            self._facts = without_person(self._facts)
            self._news.notify_all()
