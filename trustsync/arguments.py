"""How texts of a command line are read where several commands take them.

A text that cannot be read as what it should be is refused with an example of one that can.

    parser.add_argument("--clock", type=instant)
    parser.add_argument("--port", type=port)
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime


def instant(text: str) -> datetime:
    """An instant with its offset, in UTC and whole seconds."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant such as 2021-11-30T12:00:00Z") from None
    if read.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write it as 2021-11-30T12:00:00Z")
    return read.astimezone(UTC).replace(microsecond=0)


def port(text: str) -> int:
    """A port of TCP, or 0 for any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; 0 (any free one) to 65535 are expected")
    return int(text)
