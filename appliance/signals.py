"""The seven signals of lamp and page, and how each is said.

The rules this module keeps:

* A state has one signal, and every signal differs from every other by position, rhythm, sign and word,
  never by hue alone.
* Two signals are no states: the unit is starting, the unit is ready.
* Nothing of a document but its state reaches the lamp.

    signal_of(State.CHECK)           # Signal.CHECK
    SAYINGS[Signal.CHECK].sign       # "!"
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from verifier.reasons import State


class Signal(StrEnum):
    """What lamp and page show."""

    BOOT = "BOOT"
    READY = "READY"
    PASS = "PASS"  # noqa: S105 - a signal, not a password
    CHECK = "CHECK"
    FAIL = "FAIL"
    RESCAN = "RESCAN"
    OUT = "OUT"


@dataclass(frozen=True, slots=True)
class Saying:
    """How a signal is said. sign, colour: on the page. vi, en: the word. hint_vi, hint_en: what to do."""

    sign: str
    colour: str
    vi: str
    en: str
    hint_vi: str
    hint_en: str


SAYINGS: dict[Signal, Saying] = {
    Signal.BOOT: Saying("…", "white", "KHỞI ĐỘNG", "STARTING", "Thiết bị đang khởi động", "Unit is starting"),
    Signal.READY: Saying(
        "▢", "white", "SẴN SÀNG", "READY", "Đưa mã vào trước camera", "Hold a code to the camera"
    ),
    Signal.PASS: Saying("✓", "green", "ĐẠT", "PASS", "Mã thật, còn hiệu lực", "Authentic and in force"),
    Signal.CHECK: Saying("!", "amber", "KIỂM TRA", "CHECK", "Cần người xem xét", "A person must look"),
    Signal.FAIL: Saying("✕", "red", "KHÔNG ĐẠT", "FAIL", "Mã không được chấp nhận", "Code not accepted"),
    Signal.RESCAN: Saying("↻", "white", "QUÉT LẠI", "RESCAN", "Chưa đọc được mã", "No code was read"),
    Signal.OUT: Saying(
        "⊘", "amber-red", "TẠM NGỪNG", "OUT", "Thiết bị không được phán xét", "This unit must not judge now"
    ),
}


def signal_of(state: State) -> Signal:
    """The signal of a state."""
    match state:
        case State.PASS:
            return Signal.PASS
        case State.CHECK:
            return Signal.CHECK
        case State.FAIL:
            return Signal.FAIL
        case State.RESCAN:
            return Signal.RESCAN
        case State.OUT:
            return Signal.OUT
    assert_never(state)
