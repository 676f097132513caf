"""kill -9 at every step of gather, approve and publish: nothing is half done, the next run finishes it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pilot import DAY, Pilot, key

from trustsync import database
from trustsync.hub.gather import raw_digest, read_folder
from trustsync.targets import PRODUCTION
from verifier.trust import HashKind

MANY = [key(n) for n in range(1, 11)]
_ASIDE = "killed"


class Steps:
    """Counts what is put in its place, and dies before step number ``last``."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self._last = last

    def take(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def stepping(steps: Steps) -> Iterator[None]:
    """Each rename, removal and statement of SQL that writes is a step: who comes later sees nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "unlink"):
            patch.setattr(os, name, _first(steps, getattr(os, name)))

        def connect(*args: Any, **options: Any) -> sqlite3.Connection:
            made = sqlite3.Connection(*args, **options)
            made.set_trace_callback(lambda text: None if text.startswith("SELECT") else steps.take())
            return made

        patch.setattr(database.sqlite3, "connect", connect)
        yield


def _first(steps: Steps, action: Callable[..., Any]) -> Callable[..., Any]:
    def done(*args: Any, **options: Any) -> Any:
        steps.take()
        return action(*args, **options)

    return done


def killed_at_each_step(pilot: Pilot, folder: Path, act: Callable[[Pilot], object]) -> Iterator[Pilot]:
    """A copy of the hub for each step at which ``act`` was killed, as it was left."""
    whole, steps = _copy(pilot, folder), Steps()
    with stepping(steps):
        act(whole)
    assert steps.count > 3
    for last in range(1, steps.count + 1):
        made = _copy(pilot, folder)
        child = os.fork()
        if child == 0:
            with stepping(Steps(last)):
                act(made)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, f"step {last} of {steps.count}"
        yield made


def _copy(pilot: Pilot, folder: Path) -> Pilot:
    """A hub that goes on alone; its sources say the same. Always in one place, since the place is told."""
    place = folder / _ASIDE
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pilot.directory, place, ignore=shutil.ignore_patterns("test"))
    return Pilot(place, pilot.now, pilot.said)


def _remembered(pilot: Pilot) -> list[str]:
    """All that the hub's database says."""
    with sqlite3.connect(pilot.config.state / "hub.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return list(connection.iterdump())


def _check_public(public: Path) -> int:
    """Whoever reads now finds a whole repository; the number of its timestamp."""

    def signed(name: str, digest: str | None = None) -> Any:
        data = (public / "metadata" / name).read_bytes()
        assert digest in (None, hashlib.sha256(data).hexdigest()), name
        return json.loads(data)["signed"]

    timestamp = signed("timestamp.json")
    about = timestamp["meta"]["snapshot.json"]
    for name, role in signed(f"{about['version']}.snapshot.json", about["hashes"]["sha256"])["meta"].items():
        for path, info in signed(f"{role['version']}.{name}", role["hashes"]["sha256"])["targets"].items():
            place, digest = path.split("/"), info["hashes"]["sha256"]
            data = (public / "targets" / place[0] / f"{digest}.{place[1]}").read_bytes()
            assert hashlib.sha256(data).hexdigest() == digest, path
    return int(timestamp["version"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power here, and what a killed process has written is there: nothing need be flushed."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def published(pilot: Pilot) -> Pilot:
    """A hub that has published a list, and whose source has news."""
    pilot.says("de", MANY, revoked=tuple((key(1).kid, HashKind.UCI, bytes([n]) * 16) for n in range(40)))
    pilot.whole()
    pilot.now += DAY
    pilot.says("de", MANY[2:], revoked=tuple((key(1).kid, HashKind.UCI, bytes([n]) * 16) for n in range(44)))
    return pilot


def test_a_gathering_that_was_killed_took_the_list_or_left_it(published: Pilot, tmp_path: Path) -> None:
    """Up to the last step the old list is held; archived folders are whole, and the named one is there."""
    before = _remembered(published)
    whole = _copy(published, tmp_path)
    whole.gather()
    after = _remembered(whole)
    for left in killed_at_each_step(published, tmp_path, Pilot.gather):
        assert _remembered(left) == before
        folders = [path for path in (left.config.archive / "de").iterdir() if path.name[0] != "."]
        assert all(path.name.split("-")[1] == raw_digest(read_folder(path)) for path in folders)
        with left.ledger() as ledger:
            assert (left.config.archive / ledger.lists()["de"].archive / "list").is_file()
            for entries in ledger.entries(None):
                ledger.blobs.read(entries.blob)
        assert left.gather()["de"].error is None
        assert _remembered(left) == after
        assert not list(left.config.archive.rglob(".new-*"))


def test_an_approval_that_was_killed_was_given_or_not(published: Pilot, tmp_path: Path) -> None:
    """And the second reviewer's never counts for the first."""
    published.gather()
    before = _remembered(published)
    for left in killed_at_each_step(published, tmp_path, lambda hub: hub.approve("an")):
        assert _remembered(left) == before
        left.approve("an")
        assert _remembered(left) != before


def test_a_publication_that_was_killed_is_the_old_one_or_the_new_one(
    published: Pilot, tmp_path: Path
) -> None:
    """For whoever reads meanwhile; the next publication at the same instant gives the undisturbed bytes."""
    published.gather()
    published.approve("an", "binh")
    whole = _copy(published, tmp_path)
    whole.publish()
    wanted, remembered = whole.tree(), _remembered(whole)
    seen = set()
    for left in killed_at_each_step(published, tmp_path, Pilot.publish):
        seen.add(_check_public(left.config.repository(PRODUCTION)))
        left.now = published.now
        left.publish()
        assert left.tree() == wanted
        assert _remembered(left) == remembered
        assert not list((left.config.state / "blobs").rglob(".new-*"))
    assert seen == {1, 2}
