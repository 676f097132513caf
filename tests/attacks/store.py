"""Attacks on the card: a sync cut short, a card that is full or forgets, files that are not what they were.

Whoever has the card in his hands can take everything away from a unit. He must not get a wrong green from it,
and what he leaves behind must not keep the next list out.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from trust_site import DAY

from attacks.processes import Card, apart, give_up_rights, killed
from attacks.scene import GOOD, HOUR, LATE, MINISTRY, NIGHT, START, YOUNG, Scene, attack, replace
from trustsync import generation
from trustsync.errors import Alarm, BusyError, StoreError
from trustsync.facts import STATE_NAME
from trustsync.layout import KEYS_PATH
from trustsync.seed import write_seed
from trustsync.status import read_status
from trustsync.store import Origin, open_store
from trustsync.sync import sync_once
from verifier.clocks import Reading
from verifier.trust import HashKind, KeyStatus

OUT = "OUT STORE_DOWN"


def _flip(path: Path, at: int = -40) -> None:
    """Change one bit of a file where it lies, as a bad cell does."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _flip_where(path: Path, words: bytes) -> None:
    """Change one bit of a file in the first place where it says this."""
    at = path.read_bytes().find(words)
    assert at > 0
    _flip(path, at)


def _place(scene: Scene, number: int) -> Path:
    return generation.directory_of(scene.store, number)


def _alarms(scene: Scene) -> list[Alarm]:
    """What the unit says of itself."""
    status = read_status(scene.store, scene.now, seed=scene.folder / "seed", clock=Reading(scene.now))
    return [alarm.code for alarm in status.alarms]


def _mended(scene: Scene) -> None:
    """The next sync makes everything good."""
    scene.sync()
    scene.arrived()
    assert scene.origin() is Origin.ACTIVE
    assert _alarms(scene) == []


def _withdraw(scene: Scene) -> None:
    """The ministry's key was stolen; the keyholders withdraw it, and the unit has heard of it."""
    record = scene.publisher.keys[0]
    scene.publisher.keys[0] = replace(record, key=replace(record.key, status=KeyStatus.WITHDRAWN))
    scene.now = NIGHT
    scene.publish()
    scene.sync()
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"


# --- The power goes ---------------------------------------------------------------------------------------


@attack("a sync is killed at every step", row=19)
def killed_at_every_step(scene: Scene) -> None:
    """Somebody pulls the plug, night after night, each time one step later: until the new list is in force
    the old one is, whole; from then on the new one; no lock stays behind, and the floor never falls.
    """
    before = scene.look()
    scene.next_list()
    floor = before.floor
    for step in ("preparing", "asking", "keeping", "fetching", "checking", "writing", "trying", "putting"):
        killed(scene, step)
        look = scene.look()
        assert replace(look, floor=before.floor) == before, step
        assert look.floor is not None
        assert floor is not None
        assert look.floor >= floor
        floor = look.floor
    killed(scene, "generation 2 is in force")
    scene.arrived()
    _mended(scene)


# --- The card is full, or fails -----------------------------------------------------------------------------


def _large_list(scene: Scene) -> None:
    """The next list has a segment of half a megabyte, which does not compress and cannot be linked."""
    scene.news()
    scene.now = NIGHT
    entries = [number.to_bytes(8, "big") * 2 for number in range(60_000)]
    scene.publisher.revoked[MINISTRY.kid, HashKind.SIGNATURE] = entries
    scene.publish()


@attack("the card is full", row=20)
def full_card(scene: Scene) -> None:
    """A list comes that the card has no room for: said in words, the old list is whole, the floor has risen;
    when there is room the list arrives.
    """

    def story() -> None:
        card = Card(scene.store, 300_000)
        with scene.unmoved(None):
            _large_list(scene)
        assert scene.look().floor == NIGHT
        card.make_room()
        _mended(scene)

    apart(story)


@attack("what was fetched in part fills the card")
def full_of_leavings(scene: Scene) -> None:
    """The list that the card has no room for is withdrawn by its publisher, who has erred; the half of it that
    lies here must not keep the next one out, and nobody comes to make room.
    """

    def story() -> None:
        Card(scene.store, 300_000)
        with scene.unmoved(None):
            _large_list(scene)
        del scene.publisher.revoked[MINISTRY.kid, HashKind.SIGNATURE]
        scene.now = NIGHT + HOUR
        scene.publish()
        _mended(scene)

    apart(story)


@attack("the card is full to the last byte")
def not_a_byte(scene: Scene) -> None:
    """Somebody fills the card with pictures: not even the state can be written. Said in words, the reader goes
    on, and no floor is lost.
    """

    def story() -> None:
        before = scene.look()
        card = Card(scene.store, 0)
        scene.next_list()
        with pytest.raises(StoreError, match="free space"):
            scene.sync()
        assert scene.look() == before
        card.make_room()
        _mended(scene)

    apart(story)


@attack("the card fails while it is written")
def failing_card(scene: Scene) -> None:
    """Input/output errors at the first file, at the manifest and at the directory of the generations: each
    time the old list is whole and what happened is on record; a sync that is let through mends it.
    """
    scene.next_list()
    flush = os.fsync

    def failing_at(end: str) -> Callable[[int], None]:
        def failing(descriptor: int) -> None:
            if os.readlink(f"/proc/self/fd/{descriptor}").endswith(end):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            flush(descriptor)

        return failing

    for end in ("generation.db", "manifest.json", "/generations"):
        with scene.unmoved(None), patch("os.fsync", failing_at(end)):
            scene.fails(None)
        assert "Input/output error" in (scene.state().last_error or "") or end
    _mended(scene)


# --- Bits that flip -----------------------------------------------------------------------------------------


@attack("a bit of the list in force flips")
def flipped_list(scene: Scene) -> None:
    """One bit of the database of the generation in force: not one certificate is judged by it. The list of the
    night before stands in, the unit says CORRUPT, and the next sync mends it.
    """
    scene.next_night()
    _flip(_place(scene, 2) / generation.DATABASE)
    look = scene.look()
    assert (look.generation, look.signed_at, look.floor) == (1, START, NIGHT)
    assert look.answers == ("PASS", "FAIL REVOKED")
    assert (scene.origin(), _alarms(scene)) == (Origin.PREVIOUS, [Alarm.CORRUPT])
    _mended(scene)


@attack("a bit of a document flips that no verdict needs")
def flipped_document(scene: Scene) -> None:
    """The signed list of keys, from which the database was made: the generation is not what was put there, and
    that is enough. To mend it that one file is fetched, and no other.
    """
    scene.next_night()
    _flip(generation.target_file(_place(scene, 2), KEYS_PATH))
    assert scene.origin() is Origin.PREVIOUS
    assert scene.sync().fetched == (KEYS_PATH,)
    scene.arrived()


@attack("a bit flips in a segment that two generations share")
def flipped_segment(scene: Scene) -> None:
    """Large files lie on the card once, so this one hits both generations: the unit is out, never green without
    that segment, until the sync has fetched it anew.
    """
    scene.next_night()
    (shared,) = generation.target_file(_place(scene, 2), "revocation").glob("0101*")
    assert shared.stat().st_nlink == 2
    _flip(shared)
    assert (scene.answer(GOOD), scene.answer(LATE)) == (OUT, OUT)
    _mended(scene)


@attack("a bit of the clock floor flips")
def flipped_floor(scene: Scene) -> None:
    """The year in the state becomes 2061: to believe it would put the unit out for good. It is no year, it is
    damage: out until the next sync, which makes the state anew from what was signed.
    """
    scene.next_night()
    path = scene.store / STATE_NAME
    path.write_bytes(path.read_bytes().replace(b"2021-11-29T10:00:00+00:00", b"2061-11-29T10:00:00+00:00"))
    assert (scene.answer(GOOD), scene.answer(LATE)) == (OUT, OUT)
    _mended(scene)
    assert scene.look().floor == NIGHT


@attack("a bit of the rollback floor flips, then an old list is replayed")
def flipped_rollback_floor(scene: Scene) -> None:
    """One bit of the timestamp that the unit keeps, by which it knows what is old: it must not count as "never
    seen one". The list of the night before is refused as a rollback.
    """
    scene.publisher.copy(scene.folder / "kept")
    scene.next_night()
    with contextlib_closing(scene) as database:
        (kept,) = database.execute("SELECT data FROM metadata WHERE role = 'timestamp'").fetchone()
    with scene.unmoved(Alarm.ROLLBACK):
        _flip_where(scene.store / STATE_NAME, kept[40:])
        scene.publisher.restore(scene.folder / "kept")


@attack("a bit flips in the name of a stolen key")
def flipped_denial(scene: Scene) -> None:
    """A stolen key was withdrawn, and the unit has written it down for good. A bit of that note flips and the
    list that says so is damaged too: the key must not be good again by an older list.
    """
    _withdraw(scene)
    with contextlib_closing(scene) as database:
        ((denied,),) = database.execute("SELECT spki FROM denied").fetchall()
    _flip_where(scene.store / STATE_NAME, denied)
    _flip(_place(scene, 2) / generation.DATABASE)
    assert not scene.answer(GOOD).startswith("PASS")
    scene.sync()
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"


def contextlib_closing(scene: Scene) -> sqlite3.Connection:
    return sqlite3.connect(scene.store / STATE_NAME)
