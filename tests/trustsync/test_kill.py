"""Power cuts and company: a sync that is killed at a step, and two that run at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from trust_site import DAY, START, Site, key

from trustsync.errors import Alarm, BusyError, RefusedError
from trustsync.facts import STATE_NAME, read_state
from trustsync.store import open_store
from trustsync.sync import sync_once
from trustsync.trial import TrialCase
from verifier.reasons import Reason, State

LATER = START + DAY

# A sync that kills itself, as a power cut would: no handler, no cleaning up.
KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from trustsync.sync import SyncConfig, sync_once

url, root, store, now, step = sys.argv[1:]

def die_at(text):
    if text.startswith(step):
        os.kill(os.getpid(), signal.SIGKILL)

config = SyncConfig(url, Path(root).read_bytes(), Path(store))
sync_once(config, now=datetime.fromisoformat(now), progress=die_at)
"""


def killed_sync(site: Site, step: str) -> int:
    root = site.publisher.directory / "metadata" / "1.root.json"
    arguments = [site.server.url, str(root), str(site.store), LATER.isoformat(), step]
    return subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=30, check=False).returncode


@pytest.mark.scenario("SC-K19")
@pytest.mark.parametrize(
    ("step", "in_force"),
    [
        ("preparing", 1),
        ("laying out", 1),
        ("asking", 1),
        ("keeping", 1),
        ("fetching", 1),
        ("checking", 1),
        ("writing", 1),
        ("trying", 1),
        ("putting", 1),
        ("generation 2 is in force", 2),
        ("removing", 2),
    ],
)
def test_killed_at_a_step_leaves_one_whole_list_old_or_new(site: Site, step: str, in_force: int) -> None:
    """After kill -9 anywhere a reader finds one whole list, and the next sync ends where it should."""
    site.sync(START)
    reader = open_store(site.store)
    assert reader.current().generation == 1
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)

    assert killed_sync(site, step) == -signal.SIGKILL

    old = {bytes([n]) * 8 for n in (1, 2)}
    new = old | {bytes([3]) * 8}
    for found in (reader.current(), open_store(site.store).current()):
        assert found.generation == in_force
        assert set(found.trust.keys) == (old if in_force == 1 else new)

    site.sync(LATER)

    assert set(open_store(site.store).current().trust.keys) == new
    assert reader.current().generation == 2
    assert not (site.store / "staging" / "generation").exists()
    assert sorted(p.name for p in (site.store / "generations").iterdir()) == ["000001", "000002"]


def test_killed_on_the_very_first_sync_leaves_a_unit_that_can_sync(site: Site) -> None:
    """A new unit that lost power before its first list was in force has none, and gets one next time."""
    assert killed_sync(site, "trying") == -signal.SIGKILL
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert (state.active, state.floor) == (None, START)

    assert site.sync(LATER).generation == 1
    assert open_store(site.store).current().generation == 1


def test_a_list_that_fails_the_self_test_is_not_put_in_force(site: Site) -> None:
    """A certificate that must pass and does not: the old list stays, with an alarm, until an honest one."""
    site.sync(START)
    before = site.facts()
    site.publisher.keys.append(key(3))
    site.publisher.trial = [TrialCase("HC1:NOTHING", START, State.PASS)]
    site.publisher.publish(LATER)

    with pytest.raises(RefusedError, match=r"self-test should be PASS and is FAIL \(MALFORMED\)") as caught:
        site.sync(LATER)

    assert caught.value.alarm is Alarm.SELF_TEST
    assert site.facts() == before
    site.publisher.trial = [TrialCase("HC1:NOTHING", START, State.FAIL, Reason.MALFORMED)]
    site.publisher.publish(LATER)
    assert site.sync(LATER).generation == 2


def test_a_second_sync_on_the_same_store_says_so_and_does_nothing(site: Site) -> None:
    """Two at once cannot mix: the second is told, asks nothing, and the first ends undisturbed."""
    site.sync(START)
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)
    inside, go_on = threading.Event(), threading.Event()
    results = []

    def hold(step: str) -> None:
        if step.startswith("trying"):
            inside.set()
            assert go_on.wait(10)

    def first() -> None:
        results.append(sync_once(site.config(), now=LATER, progress=hold))

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert inside.wait(10)
        asked = len(site.server.asked)
        with pytest.raises(BusyError, match="another sync works"):
            sync_once(site.config(), now=LATER)
        assert len(site.server.asked) == asked
    finally:
        go_on.set()
        thread.join(timeout=10)
    assert [result.generation for result in results] == [2]
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert state.last_error is None


def test_the_lock_dies_with_its_holder(site: Site) -> None:
    """A lock left by a killed sync is no lock: nothing has to be removed by hand."""
    assert killed_sync(site, "asking") == -signal.SIGKILL
    assert (site.store / "lock").exists()
    assert site.sync(START).generation == 1


def test_a_reader_that_may_not_write_finds_the_list_with_and_without_a_log(site: Site) -> None:
    """The verifier's user owns nothing here. Log folded away, or left by a power cut: it reads."""
    site.sync(START)
    database, log, index = (site.store / f"{STATE_NAME}{end}" for end in ("", "-wal", "-shm"))
    assert not log.exists()
    with only_reading(site.store):
        assert open_store(site.store).current().generation == 1
    assert not log.exists()

    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)
    assert killed_sync(site, "generation 2 is in force") == -signal.SIGKILL
    assert log.stat().st_size > 0
    with only_reading(site.store):
        assert open_store(site.store).current().generation == 2
    index.unlink()
    with only_reading(site.store):
        assert open_store(site.store).current().generation == 2
    assert database.exists()


class only_reading:  # noqa: N801 - reads as a phrase
    """Inside, this process may read the store and not write to it (as nobody, when it is root)."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._root = os.geteuid() == 0
        self._opened: list[tuple[Path, int]] = []

    def __enter__(self) -> None:
        if not self._root:
            self._store.chmod(0o555)
            return
        # pytest's own directories are closed to others; nobody must get as far as the store.
        for parent in self._store.parents:
            mode = parent.stat().st_mode & 0o7777
            if not mode & 0o001:
                self._opened.append((parent, mode))
                parent.chmod(mode | 0o055)
        os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if not self._root:
            self._store.chmod(0o755)
            return
        os.seteuid(0)
        for parent, mode in self._opened:
            parent.chmod(mode)
