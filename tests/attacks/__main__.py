"""Run every attack and print the table: what is told, and whether it ended so."""

from __future__ import annotations

import sys
import textwrap
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

import pytest

from attacks.all import ATTACKS
from attacks.scene import first_night, play


def _played(number: int) -> tuple[int, str | None]:
    try:
        play(ATTACKS[number])
        fault = None
    # Whatever breaks a story, it has not ended as told; pytest's word for it is no Exception.
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
        fault = "".join(traceback.format_exception(error))
    return number, fault


def main() -> int:
    """Exit status 0 when every attack ended as told."""
    begin = time.monotonic()
    first_night()  # once, for all the processes below
    as_expected = 0
    with ProcessPoolExecutor(max_workers=2) as workers:
        for number, fault in workers.map(_played, range(len(ATTACKS))):
            told = ATTACKS[number]
            as_expected += fault is None
            row = f"row {told.row}" if told.row else ""
            print(f"{'ok ' if fault is None else 'NOT'} {number + 1:3} {told.name}  {row}", flush=True)
            print(f"        {told.story}", flush=True)
            if fault is not None:
                print(textwrap.indent(fault[-4000:], "        "), flush=True)
    print(f"in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print(f"{len(ATTACKS)} attacks, {as_expected} as expected")
    return 0 if as_expected == len(ATTACKS) else 1


if __name__ == "__main__":
    sys.exit(main())
