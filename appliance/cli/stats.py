"""What ``vaxgate run --stats`` prints: a line for each verdict, and a table of what the steps take.

The rules this module keeps:

* Printing comes last and holds nothing up: a thread of its own writes, and what a slow reader of these lines
  does not take in time is dropped.
* Nothing of a traveller: the state, the first reason, and numbers.
* Whoever reads the lines may go; the gate works on.

    stats = Stats(training=False)
    gate = Gate(…, on_answer=stats.note)
    with stats.written(gate.timings, lambda: gate.counts):       # a table now and then, and at the end
        gate.run(stop)
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.answering import Answer
    from appliance.eyes import Counts
    from appliance.timings import Timings

TABLE_S = 10.0  # between two tables, while there are verdicts
WAITING = 256  # lines that may wait to be written


class Stats:
    """One for a run. training: nothing is counted. table_s: seconds between two tables."""

    def __init__(self, *, training: bool, table_s: float = TABLE_S) -> None:
        self._training, self._table_s = training, table_s
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=WAITING)

    def note(self, answer: Answer) -> None:
        """Take one verdict in; from any thread, never waits."""
        first = answer.verdict.reasons[0].code.value if answer.verdict.reasons else "-"
        times = "  ".join(f"{step} {took}" for step, took in answer.micros.items())
        mark = "TRAINING  " if answer.training else ""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(f"{mark}{answer.verdict.state.value:6}  {first:20}  {times}")

    @contextlib.contextmanager
    def written(self, timings: Timings, counts: Callable[[], Counts]) -> Iterator[None]:
        """Write lines as they come; a last table when this ends. timings, counts: asked for each table."""
        writer = threading.Thread(target=self._write, args=(timings, counts), name="stats", daemon=True)
        writer.start()
        try:
            yield
        finally:
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=1)
            writer.join(timeout=5)

    def _write(self, timings: Timings, counts: Callable[[], Counts]) -> None:
        line: str | None = ""
        with contextlib.suppress(OSError):  # whoever read our lines has gone
            while line is not None:
                began, before, news = time.monotonic(), counts(), False
                while (left := began + self._table_s - time.monotonic()) > 0:
                    try:
                        line = self._lines.get(timeout=left)
                    except queue.Empty:
                        break
                    if line is None:
                        break
                    print(line, flush=True)
                    news = True
                if news or line is None:
                    rates = _rates(before, counts(), time.monotonic() - began)
                    print("\n".join([*self._steps(timings), rates]), flush=True)

    def _steps(self, timings: Timings) -> Iterator[str]:
        if self._training:
            yield "TRAINING: nothing was counted"
        for step, ranks in timings.percentiles().items():
            yield f"{step:8}  " + "  ".join(f"{rank} {took} us" for rank, took in ranks.items())


def _rates(before: Counts, after: Counts, seconds: float) -> str:
    """Frames a second since the last table: given by the camera, taken by nobody, read by each thread."""

    def rate(count: int) -> str:
        return f"{count / seconds:.1f}/s"

    read = " + ".join(rate(new - old) for new, old in zip(after.read, before.read, strict=True))
    seen, dropped = after.seen - before.seen, after.dropped - before.dropped
    return f"frames    seen {rate(seen)}  dropped {rate(dropped)}  read {read}"
