"""Attacks on the card: a sync cut short, a card that is full or forgets, files that are not what they were.

Whoever has the card in his hands can take everything away from a unit. He must not get a wrong green from it,
and what he leaves behind must not keep the next list out.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from trust_site import DAY

from attacks.processes import Card, apart, killed, without_rights
from attacks.scene import GOOD, HOUR, LATE, MINISTRY, NIGHT, START, Scene, attack, replace
from trustsync import generation
from trustsync.errors import Alarm, BusyError, StoreError
from trustsync.facts import STATE_NAME
from trustsync.layout import KEYS_PATH
from trustsync.seed import write_seed
from trustsync.status import read_status
from trustsync.store import Origin
from trustsync.sync import sync_once
from verifier.clocks import Reading
from verifier.trust import HashKind, KeyStatus

DOWN = "OUT STORE_DOWN"
LARGE = (MINISTRY.kid, HashKind.SIGNATURE)


def _flip(path: Path, words: bytes = b"") -> None:
    """Change one bit of a file where it lies, as a bad cell does: near its end, or where it says this."""
    data = bytearray(path.read_bytes())
    at = data.find(words) if words else len(data) - 5
    assert at > 0, f"{path} does not say so"
    data[at] ^= 1
    path.write_bytes(data)


def _place(scene: Scene, number: int) -> Path:
    return generation.directory_of(scene.store, number)


def _known(scene: Scene, query: str) -> Any:
    """A value of the state database, which is left as it lies."""
    name = f"{(scene.store / STATE_NAME).as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(name, uri=True)) as database:
        ((value,),) = database.execute(query).fetchall()
    return value


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
    """The ministry's key was stolen; the keyholders withdraw it, and the unit hears of it."""
    record = scene.publisher.keys[0]
    scene.publisher.keys[0] = replace(record, key=replace(record.key, status=KeyStatus.WITHDRAWN))
    scene.now = NIGHT
    scene.publish()
    scene.sync()
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"


# --- The power goes -------------------------------------------------------------------------------------


@attack("a sync is killed at every step", row=19)
def killed_at_every_step(scene: Scene) -> None:
    """Somebody pulls the plug again and again, each time one step later: until the new list is in force the
    old one is, whole; from then on the new one. No lock stays behind, and no floor falls.
    """
    before = scene.look()
    scene.next_list()
    floors = [START]
    for step in ("preparing", "asking", "keeping", "fetching", "writing", "putting"):
        killed(scene, step)
        look = scene.look()
        assert replace(look, floor=before.floor) == before, step
        assert look.floor is not None
        floors.append(look.floor)
    assert floors == sorted(floors)
    assert floors[-1] == NIGHT
    killed(scene, "generation 2 is in force")
    assert scene.look().generation == 2
    _mended(scene)


# --- The card is full, or fails -------------------------------------------------------------------------


def _large_list(scene: Scene) -> None:
    """The next list has a segment of half a megabyte; the unit has not asked for it yet."""
    scene.publisher.revoked[LARGE] = [number.to_bytes(8, "big") * 2 for number in range(60_000)]
    scene.next_list()


@attack("the card is full", row=20)
def full_card(scene: Scene) -> None:
    """A list comes that the card has no room for: said and written down, the old list is whole, the floor has
    risen; when there is room the list arrives.
    """
    _large_list(scene)

    def story() -> None:
        card = Card(scene.store, 300_000)
        with scene.unmoved(None):
            pass
        assert scene.look().floor == NIGHT
        card.make_room()
        _mended(scene)

    apart(story)


@attack("what was fetched in part fills the card")
def full_of_leavings(scene: Scene) -> None:
    """The list that the card has no room for was a publisher's mistake, and the next one is small: the half
    of a file that lies here must not keep it out, for nobody comes to make room.
    """
    _large_list(scene)

    def story() -> None:
        Card(scene.store, 300_000)
        scene.fails(None)
        del scene.publisher.revoked[LARGE]
        scene.now = NIGHT + HOUR
        scene.publish()
        _mended(scene)

    apart(story)


@attack("the card is full to the last byte")
def not_a_byte(scene: Scene) -> None:
    """Somebody fills the card with pictures, and not even the state can be written: said in words, the reader
    goes on, nothing that was known is lost.
    """
    scene.next_list()

    def story() -> None:
        before = scene.look()
        card = Card(scene.store, 0)
        with pytest.raises(StoreError, match="free space"):
            scene.sync()
        with card.not_writing():
            assert scene.look() == before
        card.make_room()
        _mended(scene)

    apart(story)


@attack("the card fails while it is written")
def failing_card(scene: Scene) -> None:
    """Input/output errors at the new database, at the manifest, and at the directory of the generations: each
    time the old list is whole and the error is on record; the next sync mends it.
    """
    flush = os.fsync

    def failing_at(end: str) -> Callable[[int], None]:
        def failing(descriptor: int) -> None:
            if str(Path(f"/proc/self/fd/{descriptor}").readlink()).endswith(end):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            flush(descriptor)

        return failing

    scene.next_list()
    for end in ("/generation.db", "/manifest.json", "/generations"):
        with patch("os.fsync", failing_at(end)), scene.unmoved(None):
            pass
        assert os.strerror(errno.EIO) in (scene.state().last_error or "")
    _mended(scene)


# --- Bits that flip -------------------------------------------------------------------------------------


@attack("a bit of the list in force flips")
def flipped_list(scene: Scene) -> None:
    """One bit of the database of the generation in force: not one certificate is judged by it. The list of
    the night before stands in, the unit says CORRUPT, and the next sync mends it.
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
    """The signed list of keys, from which the database was made: the generation is not what was put there,
    and that is enough. To mend it that one file is fetched, and no other.
    """
    scene.next_night()
    _flip(generation.target_file(_place(scene, 2), KEYS_PATH))
    assert scene.origin() is Origin.PREVIOUS
    assert scene.sync().fetched == (KEYS_PATH,)
    scene.arrived()


@attack("a bit flips in a segment that two generations share")
def flipped_segment(scene: Scene) -> None:
    """Large files lie on the card once, so this hits both generations: the unit is out, and never green
    without that segment, until the sync has fetched it anew.
    """
    scene.next_night()
    (shared,) = generation.target_file(_place(scene, 2), "revocation").glob("0101*")
    assert shared.stat().st_nlink == 2
    _flip(shared)
    assert (scene.answer(GOOD), scene.answer(LATE)) == (DOWN, DOWN)
    _mended(scene)


@attack("a bit of the clock floor flips")
def flipped_floor(scene: Scene) -> None:
    """The year in the state becomes 2061; to believe that would put the unit out for good. It is no year, it
    is damage: out until the next sync, which makes the state anew from what was signed.
    """
    scene.next_night()
    path = scene.store / STATE_NAME
    path.write_bytes(path.read_bytes().replace(b"2021-11-29T10:00:00+00:00", b"2061-11-29T10:00:00+00:00"))
    assert (scene.answer(GOOD), scene.answer(LATE)) == (DOWN, DOWN)
    _mended(scene)
    assert scene.look().floor == NIGHT


@attack("two bits of the rollback floor flip, then an old list is replayed")
def flipped_rollback_floor(scene: Scene) -> None:
    """A bit each of the timestamp and the snapshot that the unit keeps, by which it knows what is old: that
    must not come to "never seen one". The list of the night before is refused as a rollback.
    """
    scene.publisher.copy(scene.folder / "kept")
    before = scene.next_night()
    for role in ("timestamp", "snapshot"):
        kept = _known(scene, f"SELECT data FROM metadata WHERE role = '{role}'")
        _flip(scene.store / STATE_NAME, kept[40:])
    scene.publisher.restore(scene.folder / "kept")
    scene.fails(Alarm.ROLLBACK)
    assert scene.look() == before


@attack("a bit flips in the note of a stolen key")
def flipped_denial(scene: Scene) -> None:
    """A stolen key was withdrawn, and the unit has written that down for good. A bit of the note flips and
    the list that says the same is damaged: the list before, which knows nothing of the theft, must not give
    the key back.
    """
    _withdraw(scene)
    _flip(scene.store / STATE_NAME, _known(scene, "SELECT spki FROM denied"))
    _flip(_place(scene, 2) / generation.DATABASE)
    assert scene.answer(GOOD) == DOWN
    scene.sync()
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"


@attack("a stolen key is to come back by damage")
def key_back_by_damage(scene: Scene) -> None:
    """The thief of a withdrawn key destroys the list that says so, then the one before it, until the image's
    seed answers, in which his key is good: it stays withdrawn by what this unit has once heard.
    """
    write_seed(scene.store, scene.folder / "seed", START)
    _withdraw(scene)
    for number, origin in ((2, Origin.PREVIOUS), (1, Origin.SEED)):
        _flip(_place(scene, number) / generation.DATABASE)
        assert scene.origin() is origin
        assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"


@attack("nothing on the card is whole")
def everything_damaged(scene: Scene) -> None:
    """Both generations are damaged: the seed of the image answers, as old as it is. The seed is damaged too:
    out, never green; and the sync brings all of it back.
    """
    write_seed(scene.store, scene.folder / "seed", START)
    scene.next_night()
    for number in (1, 2):
        _flip(_place(scene, number) / generation.DATABASE)
    assert scene.origin() is Origin.SEED
    assert scene.answer(GOOD, START + 2 * DAY) == "PASS LIST_STALE"
    _flip(generation.directory_of(scene.folder / "seed", 1) / generation.DATABASE)
    assert (scene.answer(GOOD), scene.answer(LATE)) == (DOWN, DOWN)
    _mended(scene)


# --- Files in each other's place ------------------------------------------------------------------------


@attack("the manifests of two generations change places")
def swapped_manifests(scene: Scene) -> None:
    """Each is a true manifest of this unit, and of another list: the digest in the state says which belongs
    where; out until the next sync.
    """
    scene.next_night()
    first, second = (_place(scene, number) / generation.MANIFEST for number in (1, 2))
    aside = first.rename(scene.folder / "aside")
    second.rename(first)
    aside.rename(second)
    assert (scene.answer(GOOD), scene.answer(LATE)) == (DOWN, DOWN)
    _mended(scene)


@attack("an older generation is put in the place of the new one")
def older_generation(scene: Scene) -> None:
    """The whole directory of the night before under tonight's number, every byte of it true: it is not the
    one that was put in force. It may only stand in as what it is, with the alarm.
    """
    scene.next_night()
    shutil.rmtree(_place(scene, 2))
    shutil.copytree(_place(scene, 1), _place(scene, 2))
    look = scene.look()
    assert (look.generation, look.signed_at, scene.origin()) == (1, START, Origin.PREVIOUS)
    assert _alarms(scene) == [Alarm.CORRUPT]
    _mended(scene)


@attack("the state is lost, and an old generation calls itself the newest")
def old_generation_on_top(scene: Scene) -> None:
    """Whoever destroys the state gives copies of an old generation high numbers, in their manifests too, one
    of them beyond any counter, and another a name that is no number. What was signed last counts: the new
    list stays in force and the old one is refused.
    """
    scene.publisher.copy(scene.folder / "kept")
    before = scene.next_night()
    for name in ("000009", "99999999999999999999", "zzz"):
        copy = Path(shutil.copytree(_place(scene, 1), scene.store / "generations" / name))
        if name.isdigit():
            said = json.loads((copy / generation.MANIFEST).read_bytes())
            (copy / generation.MANIFEST).write_text(json.dumps(said | {"generation": int(name)}))
    (scene.store / STATE_NAME).write_bytes(b"\0" * 4096)
    scene.publisher.restore(scene.folder / "kept")
    scene.fails(Alarm.ROLLBACK)
    assert scene.look() == before
    assert scene.answer(LATE) == "FAIL REVOKED"


@attack("the state is gone without a trace")
def vanished_state(scene: Scene) -> None:
    """A repaired file system has the state database in a lost folder, or as a file without a byte: nobody may
    take this unit for a new one. Out until the sync has made it anew, and an old list stays refused.
    """
    scene.publisher.copy(scene.folder / "kept")
    before = scene.next_night()
    for vanish in (Path.unlink, lambda path: path.write_bytes(b"")):
        vanish(scene.store / STATE_NAME)
        assert scene.answer(GOOD).startswith("OUT")
        scene.publisher.restore(scene.folder / "kept")
        scene.fails(Alarm.ROLLBACK)
        assert scene.look() == before


@attack("a card is cloned and the clone put back")
def cloned_card(scene: Scene) -> None:
    """A whole older card, true to the byte: no unit can tell this by itself, and only a witness at the hub
    sees a floor that fell. What stands is this: by a right clock the list is as old as it is, nothing
    unsigned gets in, and one sync makes all of it good. With the clock set back as well it answers as it did
    on that day.
    """
    shutil.copytree(scene.store, scene.folder / "clone")
    scene.next_night()
    shutil.rmtree(scene.store)
    shutil.copytree(scene.folder / "clone", scene.store)
    assert scene.look().floor == START
    assert scene.answer(LATE, START + HOUR) == "PASS"
    assert scene.answer(LATE, START + 2 * DAY) == "PASS LIST_STALE"
    thief = scene.thief()
    thief.publish(NIGHT)
    scene.fails(Alarm.SIGNATURE)
    scene.serve(scene.publisher)
    _mended(scene)


@attack("the state alone is put back by some nights")
def older_state(scene: Scene) -> None:
    """An older state names a generation that was removed since: there is nothing that it could bring back to
    life; out, and the next sync finds the newest list again.
    """
    shutil.copyfile(scene.store / STATE_NAME, scene.folder / "older")
    scene.next_night()
    scene.publish(NIGHT + HOUR, resign=("trust",))
    scene.sync(NIGHT + HOUR)
    shutil.copyfile(scene.folder / "older", scene.store / STATE_NAME)
    assert (scene.answer(GOOD), scene.answer(LATE)) == (DOWN, DOWN)
    _mended(scene)


# --- What lies in the way -------------------------------------------------------------------------------


def _partials(scene: Scene) -> Iterator[Path]:
    """Where this unit would keep what it fetched in part of the list that is published."""
    place = scene.store / "staging" / "partial"
    place.mkdir(parents=True, exist_ok=True)
    for file in (scene.publisher.directory / "targets").rglob("*.*"):
        yield place / file.name.partition(".")[0]


@attack("links lie in the staging and lead elsewhere")
def links_in_staging(scene: Scene) -> None:
    """What a killed sync left is replaced by links to somebody's files and folders: nothing there is written,
    nothing of it gets into a list, and the next list arrives.
    """
    letter = scene.folder / "letter"
    letter.write_bytes(b"mine")
    folder = scene.folder / "folder"
    folder.mkdir()
    (folder / "letter").write_bytes(b"mine too")
    scene.next_list()
    for place in _partials(scene):
        place.symlink_to(letter)
    (scene.store / "staging" / "generation").symlink_to(folder)
    _place(scene, 2).symlink_to(folder)
    scene.sync()
    assert letter.read_bytes() == b"mine"
    assert [path.name for path in folder.iterdir()] == ["letter"]
    assert not [path for path in scene.store.rglob("*") if path.is_symlink()]
    scene.arrived()


@attack("pipes and folders lie where files belong")
def pipes_in_staging(scene: Scene) -> None:
    """A repaired file system, or a hand, leaves pipes and folders under the names of half-fetched files, and
    files where folders should be: the sync does not hang, and the next list arrives.
    """
    scene.next_list()
    for number, place in enumerate(_partials(scene)):
        place.mkdir() if number % 2 else os.mkfifo(place)
    (scene.store / "staging" / "generation").write_bytes(b"a file")
    _place(scene, 2).write_bytes(b"a file")
    _mended(scene)
    shutil.rmtree(scene.store / "staging", ignore_errors=True)
    (scene.store / "staging").write_bytes(b"a file")
    scene.publish(NIGHT + HOUR, resign=("trust",))
    scene.sync(NIGHT + HOUR)
    scene.arrived()


@attack("a generation holds a pipe and a file without end")
def pipe_in_generation(scene: Scene) -> None:
    """In place of files of the list in force lie a pipe, which never says a word, and a device, which never
    stops: the desk must not wait for either; what is no file is damage, and the list before stands in.
    """
    scene.next_night()
    database, document = _place(scene, 2) / generation.DATABASE, _place(scene, 2) / "targets" / KEYS_PATH
    database.unlink()
    os.mkfifo(database)

    def look() -> None:
        assert scene.origin() is Origin.PREVIOUS
        assert scene.answer(GOOD) == "PASS"

    apart(look, patience=5)
    database.unlink()
    database.symlink_to("/dev/zero")
    document.unlink()
    document.symlink_to("/dev/zero")
    apart(look, patience=5)
    _mended(scene)


@attack("generations that nobody put in force")
def orphans(scene: Scene) -> None:
    """Killed syncs and hands have left directories under the next number, under one that no counter reaches
    and under a word: none is ever answered from, and all are gone after the next sync.
    """
    scene.next_list()
    for name in ("000002", "99999999999999999999", "newest"):
        shutil.copytree(_place(scene, 1), scene.store / "generations" / name)
        (scene.store / "generations" / name / generation.DATABASE).write_bytes(b"forged")
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    _mended(scene)
    assert sorted(path.name for path in (scene.store / "generations").iterdir()) == ["000001", "000002"]


# --- Company --------------------------------------------------------------------------------------------


@attack("two syncs at once")
def two_at_once(scene: Scene) -> None:
    """A second sync begins while the first is at work: it is told so, asks nothing of the network, writes
    nothing down, and the first ends undisturbed.
    """
    inside, go_on = threading.Event(), threading.Event()

    def hold(word: str) -> None:
        if word.startswith("trying"):
            inside.set()
            assert go_on.wait(20)

    scene.next_list()
    first = threading.Thread(
        target=lambda: sync_once(scene.site.config(), now=NIGHT, progress=hold), daemon=True
    )
    first.start()
    assert inside.wait(20)
    with pytest.raises(BusyError):
        scene.sync()
    assert scene.server.asked == []
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    assert scene.look().generation == 1
    go_on.set()
    first.join(20)
    scene.arrived()


@attack("the store is not the sync's to write")
def not_writable(scene: Scene) -> None:
    """Somebody took the rights to the store away: said in words before the network is asked, the desk reads
    on, and nothing is lost when they are given back.
    """
    scene.next_list()

    def story() -> None:
        before = scene.look()
        with pytest.raises(StoreError, match="as the user that owns the trust store"):
            scene.sync()
        assert scene.look() == before

    without_rights(scene, story)
    assert scene.server.asked == []
    _mended(scene)


@attack("a desk that may only read")
def only_reading(scene: Scene) -> None:
    """Who sits at the desk may not write to the store, and the power went with the state's log unfolded: it
    judges by the newest list, and not a byte, a name or a time of change is another afterwards.
    """
    scene.next_list()
    killed(scene, "generation 2 is in force")
    assert (scene.store / f"{STATE_NAME}-wal").stat().st_size

    def written() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in scene.store.rglob("*")
        }

    before = written()
    without_rights(scene, scene.arrived)
    assert written() == before
    _mended(scene)
