"""Where the time comes from: this machine's clocks, and the sources that prove one right.

The rules this module keeps:

* Only an authenticated source proves anything: chrony when what it follows is authenticated by NTS
  (RFC 8915), or a real-time clock that the site has named. An answer of plain NTP never gets in here, however
  well it agrees.
* What a program prints is parsed strictly: another number of columns, or a value that is none, is no proof.
* A proof bears the instant when the source last agreed, not the instant when we asked.
* Having no proof is ordinary, and never an error; ``tell`` says why.

    now = reading()
    proof = authenticated(settings, known, tell=print)
    proof and proof.source                          # "NTS"
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from verifier.clocks import PROOF_LASTS, STEP, ClockKnowledge, Reading, ahead, has_jumped

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# A unit that sees only its own processes under /proc is told by systemd (`Environment=VAXGATE_BOOT=%b`).
BOOT_VARIABLE = "VAXGATE_BOOT"
PROGRAMS = "/usr/bin:/bin:/usr/sbin:/sbin"  # where chronyc is looked for; not in PATH, which anybody may set
ANSWER_S = 5.0  # seconds that chronyc may take for one question
# Seconds between the clock and the source, with all that the way to it adds; chrony's own `maxdistance`.
MAX_DISTANCE_S = 3.0
# Between the real-time clock and the system clock, which is read from it at the start and drifts apart.
RTC_AGREES = timedelta(minutes=2)
_STEPPED = timedelta(seconds=1)  # the clock was set while we asked
_MAX_RTC = 12  # digits; the year 33658

Tell = Callable[[str], None]


class TimeSettings(Protocol):
    """What is set about time; `trustsync.paths.TrustSettings` is one."""

    @property
    def rtc(self) -> Path | None:
        """Directory of a real-time clock, as ``/sys/class/rtc/rtc0``; ``None``: none is believed.

        Off unless the site says so. While a time client keeps the clock, the kernel copies the clock into the
        real-time clock every eleven minutes: a forged SNTP answer would come back from there as a proof. It
        may be named where no such client runs (a DS3231 at an offline post), or where the only one is
        chrony with NTS.
        """


@dataclass(frozen=True, slots=True)
class Proof:
    """An authenticated source agrees with the clock.

    reading: when it last did. source: ``NTS`` or ``RTC``.
    """

    reading: Reading
    source: str


class _NoProofError(Exception):
    """Why a source proves nothing now."""


def reading() -> Reading:
    """The system clock now, with this run of the machine and the seconds since it began, sleep included."""
    return Reading(datetime.now(UTC), _boot(), time.clock_gettime(time.CLOCK_BOOTTIME))


def authenticated(
    settings: TimeSettings,
    known: ClockKnowledge,
    *,
    tell: Tell = lambda _: None,
    programs: str = PROGRAMS,
) -> Proof | None:
    """The proof that this machine's clock is right, from the best source that gives one; ``None``: none does.

    known: what was known before; a source that contradicts signed time proves nothing. tell: is told in a few
    words why a source gives no proof. programs: where chronyc is looked for. Raises nothing.
    """
    sources: dict[str, Callable[[], Reading]] = {
        "NTS": functools.partial(_by_chrony, known, programs),
        "RTC": functools.partial(_by_rtc, settings, known),
    }
    for name, ask in sources.items():
        try:
            return Proof(ask(), name)
        except _NoProofError as why:
            tell(f"no proof of the time by {name}: {why}")
    return None


@functools.cache
def _boot() -> str:
    """The kernel's name for this run of the machine, without dashes; empty where nobody tells."""
    try:
        text = BOOT_ID.read_text(encoding="ascii")
    except (OSError, ValueError):
        text = os.environ.get(BOOT_VARIABLE, "")
    return text.strip().replace("-", "")


# --- chrony -------------------------------------------------------------------------------------------------


def _by_chrony(known: ClockKnowledge, programs: str) -> Reading:
    """When chrony last set the clock by a source that NTS authenticates.

    Every source that has a part in the time must be one: the selected one and those that are combined with
    it. Columns as `chronyc -n -c` of chrony 4 prints them (chronyc(1): sources, authdata, tracking).
    """
    # 1. Ask; chronyd notices a clock that somebody else has set before it answers.
    before = reading()
    modes = [(row[0], row[1], row[2], row[4]) for row in _asked("authdata", 10, programs)]
    sources = _asked("sources", 10, programs)
    tracking = _asked("tracking", 14, programs)
    now = reading()
    if abs(ahead(now, before)) > _STEPPED:
        raise _NoProofError("the clock was set meanwhile")
    # 2. Who has a part in the time; a reference clock (`#`) is not authenticated.
    parts = [(row[0], row[2]) for row in sources if row[1] in "*+"]
    selected = [row[2] for row in sources if row[1] == "*"]
    if len(selected) != 1:
        raise _NoProofError("chrony has selected no source")
    # 3. All of them by NTS, with a key that was agreed.
    for kind, address in parts:
        found = [(mode, key, bits) for name, mode, key, bits in modes if name == address]
        if kind != "^" or not found:
            raise _NoProofError("chrony follows a source that is not authenticated")
        if not all(mode == "NTS" and _number(key) > 0 and _number(bits) > 0 for mode, key, bits in found):
            raise _NoProofError("chrony follows a source that is not authenticated by NTS")
    # 4. It keeps the clock, and closely.
    if len(tracking) != 1 or tracking[0][1] != selected[0]:
        raise _NoProofError("chrony changed its source meanwhile")
    if tracking[0][13] not in ("Normal", "Insert second", "Delete second"):
        raise _NoProofError("chrony says that the clock is not synchronised")
    offset, delay, dispersion = (_number(tracking[0][column]) for column in (4, 10, 11))
    if not abs(offset) + delay / 2 + dispersion <= MAX_DISTANCE_S:
        raise _NoProofError("chrony's source is too far away to tell the second")
    # 5. When it last did.
    age = max(0.0, now.wall.timestamp() - _number(tracking[0][3]))
    if not age <= min(PROOF_LASTS.total_seconds(), now.since_boot):
        raise _NoProofError("chrony's last update is too long ago")
    if known.floor is not None and now.wall < known.floor:
        raise _NoProofError("it is behind the last signed time")
    return Reading(now.wall - timedelta(seconds=age), now.boot, now.since_boot - age)


def _asked(question: str, columns: int, programs: str) -> list[list[str]]:
    """The rows of chronyc's answer."""
    try:
        done = subprocess.run(
            ["chronyc", "-n", "-c", question],
            env={"PATH": programs, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_S,
            check=True,
        )
    except FileNotFoundError:
        raise _NoProofError("chrony is not installed") from None
    except subprocess.CalledProcessError as error:
        words = (error.stdout + error.stderr).decode("ascii", "replace").strip().splitlines()
        raise _NoProofError(
            f"chronyc {question}: {words[0] if words else 'chronyd gives no answer'}"
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise _NoProofError(f"chronyc {question}: {type(error).__name__}") from error
    rows = [line.split(",") for line in done.stdout.decode("ascii", "replace").splitlines()]
    if any(len(row) != columns for row in rows):
        raise _NoProofError(f"chronyc {question} answers in a form that is not known here")
    return rows


def _number(text: str) -> float:
    """A number as chronyc prints one; infinities and the like are none."""
    if not re.fullmatch(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?", text):
        raise _NoProofError("chronyc answers with a number that is none")
    return float(text)


# --- The real-time clock ------------------------------------------------------------------------------------


def _by_rtc(settings: TimeSettings, known: ClockKnowledge) -> Reading:
    """The clock now, where the real-time clock agrees with it.

    One whose battery is dead starts anew, long before the floor.
    """
    if settings.rtc is None:
        raise _NoProofError("no real-time clock is named in the settings")
    try:
        with (settings.rtc / "since_epoch").open("rb") as file:
            text = file.read(_MAX_RTC + 2).decode("ascii").strip()
        now = reading()
        if not text.isdigit() or len(text) > _MAX_RTC:
            raise ValueError("no number")
        shown = datetime.fromtimestamp(int(text), UTC)
    except (OSError, ValueError, OverflowError) as error:
        raise _NoProofError(f"the real-time clock cannot be read ({type(error).__name__})") from error
    if known.floor is None:
        raise _NoProofError("without a signed time a dead real-time clock would look like any other")
    if _was_set(now, known):
        raise _NoProofError("the clock was set, and may have been copied into the real-time clock since")
    if abs(shown - now.wall) > RTC_AGREES:
        raise _NoProofError("the real-time clock and the system clock differ")
    if min(shown, now.wall) < known.floor:
        raise _NoProofError("it is behind the last signed time")
    return now


def _was_set(now: Reading, known: ClockKnowledge) -> bool:
    """Whether somebody has set the clock in this run of the machine, back or far forward."""
    mark = known.mark
    return has_jumped(now, known) or (mark is not None and mark.boot == now.boot and ahead(now, mark) < -STEP)
