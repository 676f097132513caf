"""The page of the trust list: what this unit knows, how old it is, and who has done what to it.

The rules this module keeps:

* Its facts are those of ``vaxgate-sync status``; machines get them as they are, people get each of them in
  words. A member that is new there is on the page without a change here.
* Asking is no part of a scan. The store is read when somebody looks, and once a second at the most.
* Nothing of a traveller is here, for there is nothing of one in the store.

    page = TrustPage(lambda: read_status(store, datetime.now(UTC)).as_json())
    page.facts()["state"]                        # "STALE-1"
    page.shown("vi")["rows"][0]                  # Row("Tình trạng", "cũ · 3 ngày", …)
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from appliance.kiosk.facts import age_words
from appliance.kiosk.plain import Facts, plain
from appliance.kiosk.texts import TEXTS
from appliance.kiosk.trust_texts import ALARMS, TRUST_TEXTS, TRUST_WORDS
from trustsync.errors import Alarm, TrustSyncError

EVERY_S = 1.0
MAX_TEXT = 400  # characters of an error: it may repeat what a server said

# Members that have a place of their own, or are said together with another one.
_TABLES = ("advisories", "alarms", "operations", "sets")
_ROWS = (
    *("state", "signed_at", "clock", "origin", "generation", "last_sync", "next_try", "failures"),
    "last_error",
)
_SAID_ELSEWHERE = frozenset({"age_s"})
_GOOD = frozenset({"FRESH", "TRUSTED", "BOUNDED", "active", "0", "-"})


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page: its heading, what it says, and whether somebody should look at it."""

    label: str
    text: str
    warn: bool = False


class TrustPage:
    """The facts of the trust store for people and machines; any thread may ask.

    read: the object of ``vaxgate-sync status --json``. time_zone: of the desk. clock: an aware instant.
    """

    def __init__(
        self,
        read: Callable[[], dict[str, Any]],
        *,
        time_zone: str = "Asia/Ho_Chi_Minh",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock, self._monotonic = read, clock, monotonic
        self._zone = ZoneInfo(time_zone)
        self._one_at_a_time = threading.Lock()
        self._facts: Facts = {}
        self._read_at = float("-inf")

    def facts(self) -> Facts:
        """What the store says about itself; at most ``EVERY_S`` old. A store that cannot be read says why."""
        with self._one_at_a_time:
            if self._monotonic() - self._read_at >= EVERY_S:
                try:
                    self._facts = self._read()
                except (TrustSyncError, OSError, sqlite3.Error) as error:
                    self._facts = {"state": "STORE_DOWN", "last_error": str(error) or type(error).__name__}
                self._read_at = self._monotonic()
            return self._facts

    def shown(self, language: str) -> Facts:
        """The same facts as a person reads them: headings with texts, and tables of texts."""
        facts = self.facts()
        words = _Words(language, self._zone, self._clock())
        others = [name for name in facts if name not in (*_ROWS, *_TABLES, *_SAID_ELSEWHERE)]
        return {
            "texts": {name: text[language] for name, text in TRUST_TEXTS.items()},
            "rows": [words.row(name, facts) for name in (*_ROWS, *others) if name in facts],
            "alarms": [words.alarm(alarm) for alarm in facts.get("alarms", ())],
            "sets": [words.part(name, part) for name, part in facts.get("sets", {}).items()],
            "advisories": [
                {name: plain(str(text), MAX_TEXT) for name, text in each.items()}
                for each in facts.get("advisories", ())
            ],
            "operations": [words.operation(done) for done in facts.get("operations", ())],
        }


@dataclass(frozen=True, slots=True)
class _Words:
    """How facts are said in one language, at one desk, now."""

    language: str
    zone: ZoneInfo
    now: datetime

    def row(self, name: str, facts: Mapping[str, Any]) -> Row:
        label = TRUST_TEXTS[name][self.language] if name in TRUST_TEXTS else plain(name)
        value = facts[name]
        text = self.value(value)
        if name == "signed_at" and facts.get("age_s") is not None:
            text += f" · {self.age(facts['age_s'])}"
        warn = name in ("state", "clock", "origin", "failures", "last_error") and value is not None
        return Row(label, text, warn and str(value) not in _GOOD)

    def value(self, value: Any) -> str:
        """One fact: an instant as a date of the desk, a known word in this language, else as it is."""
        if value is None:
            return "–"
        if isinstance(value, str):
            known = TRUST_WORDS.get(value) or TEXTS.get(value)
            if known:
                return known[self.language]
            instant = _instant(value)
            return f"{instant.astimezone(self.zone):%d/%m/%Y %H:%M}" if instant else plain(value, MAX_TEXT)
        if isinstance(value, Mapping):
            return ", ".join(f"{plain(str(name))}: {self.value(each)}" for name, each in value.items())
        if isinstance(value, list | tuple):
            return ", ".join(map(self.value, value)) or "–"
        return plain(str(value), MAX_TEXT)

    def age(self, seconds: float | None) -> str:
        return "–" if seconds is None else age_words(timedelta(seconds=seconds))[self.language]

    def alarm(self, alarm: Mapping[str, Any]) -> Facts:
        code = str(alarm.get("code", ""))
        known = ALARMS[Alarm(code)][self.language] if code in set(Alarm) else ""
        return {
            "code": plain(code),
            "words": known,
            "at": self.value(alarm.get("at")),
            "text": plain(str(alarm.get("text", "")), MAX_TEXT),
        }

    def part(self, name: str, part: Mapping[str, Any]) -> Facts:
        instant = _instant(str(part.get("expires", "")))
        return {
            "name": self.value(name),
            "version": self.value(part.get("version")),
            "count": self.value(part.get("count")),
            "age": self.age(part.get("age_s")),
            "expires": self.value(part.get("expires")),
            "over": instant is not None and self.now >= instant,
        }

    def operation(self, done: Mapping[str, Any]) -> Facts:
        names = ("at", "who", "what", "detail")
        return {name: self.value(done[name]) if done.get(name) else "" for name in names}


def _instant(text: str) -> datetime | None:
    """An instant with its offset; ``None`` where the text is another thing."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
