"""The sync's side of the process that parses: one child a sync, asked by lines, ended with it.

The rules this module keeps:

* The child is started when the first question comes: a night without news needs none.
* A child that dies of its limits, or does not answer in time, means that the list is not fit to install.
* Only a line of JSON of bounded length is taken from it, and only members that we asked for.

    with Checker() as checker:
        checker.ask("build", staged="…", documents=[…], known=[], sets={})["counts"]
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from trustsync.environments import Environment
from trustsync.errors import Alarm, RefusedError, StoreError
from trustsync.facts import Slot

ANSWER_S = 1800.0  # that one answer may take; the child's own limit is of its work, not of the card's
MAX_ANSWER = 16 << 20  # bytes: the paths of 50,000 segments fit several times
_CHUNK = 1 << 16


class Checker:
    """The child. answer_s: seconds that one answer may take."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._child: subprocess.Popen[bytes] | None = None
        self._talk: IO[bytes] | None = None

    def __enter__(self) -> Checker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()
        if self._talk is not None:
            self._talk.close()

    def ask(self, task: str, **request: Any) -> dict[str, Any]:
        """The answer to one question. Raises RefusedError, as the child says or because it could not."""
        child = self._started()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps({"do": task, **request}).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        answer = json.loads(self._line(child))
        if "refused" in answer:
            raise RefusedError(answer["refused"], Alarm(answer["alarm"]))
        return dict(answer)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._talk = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "trustsync.checker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._talk,
            )
        return self._child

    def _line(self, child: subprocess.Popen[bytes]) -> bytes:
        assert child.stdout is not None
        poll = select.poll()  # not select(2): mapped segments may have used up the first 1,024 descriptors
        poll.register(child.stdout, select.POLLIN)
        taken = b""
        while not taken.endswith(b"\n"):
            ready = poll.poll(self._answer_s * 1000)
            chunk = child.stdout.read1(_CHUNK) if ready else b""  # type: ignore[attr-defined]
            if not chunk or len(taken) > MAX_ANSWER:
                raise self._failed()
            taken += chunk
        return taken

    def _failed(self) -> RefusedError | StoreError:
        """What the end of the child means. A fault of ours or of the card is not held against the list."""
        assert self._child is not None
        self._child.kill()
        status = self._child.wait()
        said = b""
        if self._talk is not None:
            self._talk.seek(0)
            said = self._talk.read()[-4096:]
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:200]
        if status > 0 and "MemoryError" not in last:
            return StoreError(
                f"the new list could not be looked at: {last or f'exit {status}'}; the list in force stays. "
                "Look at the free space and the health of the card"
            )
        return RefusedError(
            "the list is signed but not fit to install: looking at it took more memory or time than is "
            "allowed; the list in force stays, and the publisher must be told",
            Alarm.CONTENT,
        )


def try_slot(
    checker: Checker, store: Path, slot: Slot, environment: Environment, mapped: int
) -> dict[str, Any]:
    """Have a generation loaded and tried; what its list withdraws and reinstates stands in the answer.

    mapped: bytes of its segments. Raises as :meth:`Checker.ask` does.
    """
    return checker.ask(
        "try",
        store=str(store),
        number=slot.number,
        digest=slot.digest,
        signed_at=slot.signed_at.isoformat(),
        environment=environment,
        mapped=mapped,
    )
