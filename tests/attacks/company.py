"""Attacks by whoever stands between: proxies that mend, caches that remember, mirrors that are half there."""

from __future__ import annotations

import json

from attacks import answers
from attacks.scene import GOOD, HOUR, LATE, MINISTRY, NIGHT, REVOKED, Scene, attack, entry, replace
from trustsync.errors import Alarm
from verifier.trust import HashKind


@attack("a proxy tidies up what passes through it")
def tidying_proxy(scene: Scene) -> None:
    """A box on the way prints all JSON anew, with spaces and line breaks. The signatures hold over what is
    said and not over how, so the metadata pass; a list is bound to its bytes, and is refused for them.
    """

    def printed_anew(data: bytes) -> bytes:
        return json.dumps(json.loads(data), indent=3).encode()

    scene.next_list()
    for name in ("timestamp", "snapshot", "trust", "revocation"):
        scene.server.faults[f"{name}.json"] = answers.sent(printed_anew)
    scene.sync()
    scene.arrived()
    scene.publisher.bundles = [replace(scene.publisher.bundles[0], version="2.0.0")]
    scene.publish(NIGHT + HOUR)
    with scene.unmoved(Alarm.TOO_BIG):
        scene.now = NIGHT + HOUR
        scene.server.faults["bundles.json"] = answers.sent(printed_anew)


@attack("a cache remembers that there is no next root")
def remembered_absence(scene: Scene) -> None:
    """Last night a unit asked for the next root and there was none; a cache keeps that answer. Tonight the
    keyholders have named a new timestamp key: without their root the new timestamp is a stranger's and is
    refused. When the cache has forgotten, the list arrives and the alarm is gone.
    """
    scene.next_list()
    scene.publisher.rotate(NIGHT, "timestamp")
    with scene.unmoved(Alarm.SIGNATURE):
        scene.server.faults["2.root.json"] = answers.status(404, Age="3600", Cache_Control="max-age=86400")
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()
    assert scene.state().alarms == ()


@attack("a cache mixes two nights")
def mixing_cache(scene: Scene) -> None:
    """A cache gives tonight's timestamp and, for every name that it has seen, what it got under it then:
    names never change what they mean, so nothing is mixed. One that gives an old file under a new name is
    found out.
    """
    scene.publisher.copy(scene.folder / "cache")
    scene.next_list()
    for old in (scene.folder / "cache").rglob("*.*.*"):
        scene.server.faults[old.name] = answers.sent(old.read_bytes(), Age="86400")
    (keys,) = (scene.folder / "cache").rglob("*.keys.cbor")
    with scene.unmoved(Alarm.MISMATCH):
        scene.server.faults[".keys.cbor"] = answers.sent(keys.read_bytes(), Age="86400")
    del scene.server.faults[".keys.cbor"]
    scene.sync()
    scene.arrived()


@attack("a mirror is filled from the wrong end")
def half_filled_mirror(scene: Scene) -> None:
    """Files are copied to a mirror in the order of their names, and units ask meanwhile: the timestamp is
    there and the snapshot is not, then the roles and not yet the lists. No alarm, since nothing is wrong but
    the hour; and what was proven by then already bars the way back.
    """
    scene.publisher.copy(scene.folder / "yesterday")
    scene.next_list()
    mirror = scene.folder / "mirror"
    scene.publisher.copy(mirror)
    lists = (mirror / "targets").rename(scene.folder / "lists")
    snapshot = next(mirror.rglob("2.snapshot.json")).rename(scene.folder / "snapshot")
    scene.server.directory = mirror
    with scene.unmoved(None):
        pass
    snapshot.rename(mirror / "metadata" / "2.snapshot.json")
    with scene.unmoved(None):
        pass
    assert scene.state().alarms == ()
    scene.server.directory = scene.folder / "yesterday"
    scene.fails(Alarm.ROLLBACK)
    lists.rename(mirror / "targets")
    scene.server.directory = mirror
    scene.sync()
    assert scene.answer(LATE) == "FAIL REVOKED"


@attack("two lists under one number")
def split_view(scene: Scene) -> None:
    """A thief of the online keys publishes tonight's numbers before the publisher does, and gives his list to
    this unit alone. The honest list bears the same numbers: the unit takes it for what it has, and cannot see
    the difference; a witness at the hub could. It lasts until the next honest number, and no longer.
    """
    scene.publish(NIGHT)
    thief = scene.publisher.robbed(scene.folder / "thief", "revocation", "snapshot", "timestamp")
    scene.news()
    thief.revoked = {(MINISTRY.kid, HashKind.UCI): [entry("GOOD")]}
    for publisher in (thief, scene.publisher):
        publisher.publish(NIGHT + HOUR)
    scene.serve(thief)
    scene.sync(NIGHT + HOUR)
    assert (scene.answer(GOOD), scene.answer(REVOKED)) == ("FAIL REVOKED", "PASS")
    scene.serve(scene.publisher)
    assert not scene.sync().changed
    assert (scene.answer(GOOD), scene.answer(REVOKED)) == ("FAIL REVOKED", "PASS")
    scene.publish(NIGHT + 2 * HOUR, resign=("revocation",))
    scene.sync(NIGHT + 2 * HOUR)
    scene.arrived()
