"""The process that parses: it dies of a bomb alone, and the sync says what that means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cbor2
import pytest
from trust_site import DAY, START, Site

from trustsync import checker, isolation
from trustsync.errors import Alarm, RefusedError, StoreError
from trustsync.isolation import Checker
from trustsync.layout import KEYS_PATH

LATER = START + DAY

# A checker that does what it is told in place of its work.
ODD = """
import resource, sys, time
from trustsync import checker
checker._take_limits()
sys.stdin.readline()
{what}
"""


def odd(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """From now on the child behaves so."""
    start = subprocess.Popen

    def started(_command: list[str], **pipes: object) -> subprocess.Popen[bytes]:
        return start([sys.executable, "-c", ODD.format(what=what)], **pipes)

    monkeypatch.setattr(isolation.subprocess, "Popen", started)


@pytest.mark.parametrize(
    "what",
    ["bytearray(4 << 30)", "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"],
    ids=["memory", "cpu"],
)
def test_a_list_that_takes_too_much_ends_the_child_and_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Memory and processor time have an end; what is beyond them is a list that is not fit to install."""
    site.sync(START)
    before = site.facts()
    site.publisher.publish(LATER, resign=("trust",))
    odd(monkeypatch, what)

    with pytest.raises(RefusedError, match="more memory or time than is allowed") as caught:
        site.sync(LATER)

    assert caught.value.alarm is Alarm.CONTENT
    assert site.facts() == before


def test_a_child_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that sleeps is no reason for the sync to."""
    odd(monkeypatch, "time.sleep(600)")
    with Checker(answer_s=0.5) as child, pytest.raises(RefusedError):
        child.ask("index", staged="nowhere")


def test_a_child_that_babbles_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without an end is none."""
    monkeypatch.setattr(isolation, "MAX_ANSWER", 1 << 20)
    odd(monkeypatch, "while True: sys.stdout.write('x' * 65536)")
    with Checker() as child, pytest.raises(RefusedError):
        child.ask("index", staged="nowhere")


def test_a_fault_of_ours_is_not_held_against_the_list() -> None:
    """A file that is not there is our trouble: no alarm, and the cause in words."""
    with Checker() as child, pytest.raises(StoreError, match="No such file"):
        child.ask("index", staged="/nowhere")


def test_a_bomb_in_a_signed_list_hurts_nobody(site: Site) -> None:
    """Two million nested arrays under a valid signature: refused with an alarm, the unit as it was."""
    site.sync(START)
    before = site.facts()
    site.publisher.override[KEYS_PATH] = b"\x81" * 2_000_000 + b"\x80"
    site.publisher.publish(LATER)
    with pytest.raises(RefusedError) as caught:
        site.sync(LATER)
    assert caught.value.alarm is Alarm.CONTENT

    wide = cbor2.dumps({"v": 1, "keys": [0] * 30_000_000}, canonical=True)
    site.publisher.override[KEYS_PATH] = wide
    site.publisher.publish(LATER)
    with pytest.raises(RefusedError) as caught:
        site.sync(LATER)
    assert caught.value.alarm is Alarm.CONTENT
    assert site.facts() == before


def test_the_child_has_its_limits_before_it_loads_a_parser(tmp_path: Path) -> None:
    """Limits are the first thing it does: it has no core dump, little memory and an end of its time."""
    child = subprocess.Popen(
        [sys.executable, "-m", "trustsync.checker", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b'{"do": "index", "staged": "/nowhere"}\n')
        child.stdin.flush()
        expected = {
            "Max address space": str(checker.MEMORY),
            "Max cpu time": str(checker.CPU_S),
            "Max core file size": "0",
        }
        limits: dict[str, str] = {}
        deadline = time.monotonic() + 30
        # It sets one after the other.
        while expected.items() - limits.items() and time.monotonic() < deadline:
            lines = Path(f"/proc/{child.pid}/limits").read_text().splitlines()[1:]
            limits = {line[:25].strip(): line[26:47].strip() for line in lines}
        assert not expected.items() - limits.items()
    finally:
        child.kill()
        child.communicate()


def test_the_child_ends_with_the_sync() -> None:
    """No child outlives its sync, whatever ended that."""
    with Checker() as child:
        process = child._started()
        os.kill(process.pid, 0)
    assert process.poll() == -signal.SIGKILL


def test_the_child_ends_when_the_sync_is_killed() -> None:
    """A killed sync leaves no child behind that writes into the staging of the next one."""
    script = (
        "import time\nfrom trustsync.isolation import Checker\n"
        "checker = Checker()\nprint(checker._started().pid, flush=True)\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{child}").exists()
