"""Stolen keys, role by role: what the thief can do with them, what he cannot, and how he is got rid of.

The fleet is rid of him when the keyholders have named new keys: by their next sync, and without a hand on
any unit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trust_site import DAY

from attacks.scene import (
    GOOD,
    HOUR,
    LATE,
    MINISTRY,
    NIGHT,
    REVOKED,
    START,
    STRANGER,
    YOUNG,
    Scene,
    attack,
    entry,
)
from trustsync.errors import Alarm
from trustsync.layout import REVOCATION_INDEX_PATH
from trustsync.segments import ALLOWED_WIDTH, describe, encode_index, encode_segment, segment_path
from trustsync.targets import KeyRecord
from verifier.checks import allowed_digest
from verifier.opening import open_code
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import FRESHNESS, HashKind, KeyStatus

MORNING = NIGHT + 12 * HOUR
FORGED = STRANGER.certificate("FORGED", issued=START - HOUR)
ONLINE = ("revocation", "snapshot", "timestamp")


# --- The timestamp --------------------------------------------------------------------------------------


@attack("a stolen timestamp key points to an old snapshot", row=3)
def old_snapshot(scene: Scene) -> None:
    """The thief signs a newer timestamp over the snapshot of the night before: refused as a rollback."""
    scene.next_night()
    thief = scene.thief("timestamp")
    with scene.unmoved(Alarm.ROLLBACK):
        thief.versions["snapshot"] = 1
        thief.sign_timestamp(NIGHT)


@attack("a stolen timestamp key and a list of one's own")
def timestamp_and_list(scene: Scene) -> None:
    """With the timestamp's key alone nothing below it can be signed: a list with the thief's key is
    refused.
    """
    thief = scene.thief("timestamp")
    thief.keys.append(STRANGER.record())
    with scene.unmoved(Alarm.SIGNATURE):
        scene.now = NIGHT
        thief.publish(NIGHT)
    assert scene.answer(FORGED) == "FAIL KEY_UNKNOWN"


@attack("a stolen timestamp key keeps an old list young")
def refreshed_freeze(scene: Scene) -> None:
    """The thief signs timestamps every day and holds all news back, new keys of the keyholders among them:
    it lasts until the snapshot runs out after fourteen days and not longer; then the list ages, and not one
    certificate counts as looked up.
    """
    thief = scene.thief("timestamp")
    scene.next_list()
    scene.publisher.rotate(NIGHT, "timestamp")
    last = START + timedelta(days=13)
    thief.sign_timestamp(last)
    scene.sync(last)
    assert scene.answer(LATE, last) == "PASS"
    over = last + 2 * DAY
    thief.sign_timestamp(over)
    scene.fails(Alarm.EXPIRED, over)
    assert scene.look(over).signed_at == last
    assert scene.answer(LATE, over) == "CHECK REVOCATION_UNCHECKED LIST_STALE"


@attack("a stolen timestamp key says that it is 2040")
def signed_2040(scene: Scene) -> None:
    """An instant in 2040 would put every right clock behind the floor, for good: nothing else that is
    signed lasts so long, so it is refused and the floor stays where it was.
    """
    thief = scene.thief("timestamp")
    with scene.unmoved(Alarm.EXPIRED):
        scene.now = NIGHT
        thief.sign_timestamp(datetime(2040, 1, 1, tzinfo=UTC))
    assert scene.look().floor == START


@attack("a stolen timestamp key sets the floor a week ahead")
def signed_next_week(scene: Scene) -> None:
    """Within the life of the other roles the thief can put a floor before every clock, so that units are
    out; what the stolen key said of time is worth nothing once it is named no more: one night later all is
    well.
    """
    thief = scene.thief("timestamp")
    thief.sign_timestamp(NIGHT + 7 * DAY)
    scene.now = NIGHT
    scene.sync()
    assert scene.look().answers == ("OUT CLOCK_UNSURE", "FAIL REVOKED CLOCK_UNSURE")
    scene.next_list(MORNING)
    scene.publisher.rotate(MORNING, "timestamp")
    scene.serve(scene.publisher)
    scene.sync()
    assert scene.arrived().floor == MORNING


# --- Snapshot and timestamp -----------------------------------------------------------------------------


@attack("a snapshot leaves a role out")
def removed_role(scene: Scene) -> None:
    """Who has the keys of snapshot and timestamp drops revocation from the snapshot, so that nobody need be
    revoked: refused, for what was named once must be named again.
    """
    thief = scene.thief("snapshot", "timestamp")
    del thief.versions["revocation"]
    with scene.unmoved(Alarm.MALFORMED):
        thief.sign_snapshot(NIGHT)
        scene.now = NIGHT


@attack("stolen snapshot and timestamp keys mix old and new")
def mixed_by_thief(scene: Scene) -> None:
    """Last night's keys with tonight's revocation: a unit that has seen tonight's refuses it; a new one can
    be given old lists that are still valid, and never a key that the keyholders did not sign.
    """
    scene.next_night()
    thief = scene.thief("snapshot", "timestamp")
    with scene.unmoved(Alarm.ROLLBACK):
        thief.sign_snapshot(NIGHT, trust=1)
    unit = scene.new_unit()
    unit.sync()
    assert YOUNG.kid not in unit.look().keys
    assert unit.answer(LATE) == "FAIL REVOKED"
    thief.keys.append(STRANGER.record())
    thief.publish(NIGHT)
    unit.fails(Alarm.SIGNATURE)
    assert unit.answer(FORGED) == "FAIL KEY_UNKNOWN"


# --- Every key that is online ---------------------------------------------------------------------------


@attack("all online keys are stolen")
def online_keys(scene: Scene) -> None:
    """The thief revokes the innocent and frees the revoked, and cannot let one certificate of his own in; a
    root and a top role with new keys, and the fleet is right again with its next sync.
    """
    thief = scene.thief(*ONLINE)
    thief.revoked = {(MINISTRY.kid, HashKind.UCI): [entry("GOOD")]}
    thief.publish(NIGHT)
    scene.now = NIGHT
    scene.sync()
    assert scene.look().answers == ("FAIL REVOKED", "PASS")
    assert scene.answer(FORGED) == "FAIL KEY_UNKNOWN"
    scene.next_list(MORNING)
    scene.publisher.rotate(MORNING, *ONLINE)
    scene.serve(scene.publisher)
    scene.sync()
    scene.arrived()
    with scene.unmoved(Alarm.SIGNATURE):
        scene.serve(thief)
        thief.sign_timestamp(MORNING)


@attack("versions are driven to the end of numbers", row=16)
def fast_forward(scene: Scene) -> None:
    """The thief publishes version 2,147,483,648 of all that he can sign, so that no honest number is ever
    higher. The honest list is refused as a rollback until the keys are new; then it arrives, the alarm goes
    by itself, and the night after is as any other.
    """
    thief = scene.thief(*ONLINE)
    for role in ONLINE:
        thief.versions[role] = 2**31 - 1
    thief.publish(NIGHT, resign=("revocation",))
    scene.now = NIGHT
    scene.sync()
    scene.serve(scene.publisher)
    with scene.unmoved(Alarm.ROLLBACK):
        scene.next_list(MORNING)
    scene.publisher.rotate(MORNING, *ONLINE)
    scene.sync()
    scene.arrived()
    assert scene.state().alarms == ()
    scene.publisher.sign_timestamp(MORNING + DAY)
    assert not scene.sync(MORNING + DAY).changed


@attack("a stolen key of revocation vouches for what was withdrawn")
def allowed_by_thief(scene: Scene) -> None:
    """A ministry's key is withdrawn, all that it signed with it. Who has the online keys lists a
    certificate as really issued: only the keys' role could say that such a list is to be asked; it stays
    red.
    """
    scene.publisher.keys[0] = _said(scene.publisher.keys[0], KeyStatus.WITHDRAWN)
    scene.publish(NIGHT)
    scene.now = NIGHT
    scene.sync()
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"
    thief = scene.thief(*ONLINE)
    envelope = open_code(GOOD).envelope
    assert envelope is not None
    vouching = encode_segment([allowed_digest(envelope.to_be_signed)], ALLOWED_WIDTH)
    place = (MINISTRY.kid, HashKind.ALLOWED)
    thief.revoked = {}
    thief.override[REVOCATION_INDEX_PATH] = encode_index([describe(*place, vouching)])
    thief.smuggle("revocation", segment_path(*place), vouching)
    thief.publish(MORNING)
    scene.sync(MORNING)
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"
    assert scene.answer(REVOKED) == "FAIL KEY_WITHDRAWN"


# --- The other roles ------------------------------------------------------------------------------------


@attack("the key under the list of keys is stolen")
def stolen_trust_key(scene: Scene) -> None:
    """The thief lists himself and withdraws the ministry: that is what this key can do. The keyholders name
    another, their list calls the ministry's key reinstated, and within a night his certificates are red and
    the ministry's green.
    """
    thief = scene.thief("trust", *ONLINE)
    thief.keys[0] = _said(thief.keys[0], KeyStatus.WITHDRAWN)
    thief.keys.append(STRANGER.record())
    thief.publish(NIGHT)
    scene.now = NIGHT
    scene.sync()
    assert (scene.answer(FORGED), scene.answer(GOOD)) == ("PASS", "FAIL KEY_WITHDRAWN")
    scene.publisher.keys[0] = _said(scene.publisher.keys[0], KeyStatus.REINSTATED)
    scene.next_list(MORNING)
    scene.publisher.rotate(MORNING, "trust", *ONLINE)
    scene.serve(scene.publisher)
    scene.sync()
    scene.arrived()
    assert scene.answer(FORGED) == "FAIL KEY_UNKNOWN"


@attack("the key under the rules is stolen")
def stolen_rules_key(scene: Scene) -> None:
    """The thief may make lists age faster than usual, never slower: units turn amber early and no list is
    green too long; with another key named, the usual ages count again.
    """
    thief = scene.thief("rules", *ONLINE)
    thief.limits = (*((HOUR, state) for _, state in FRESHNESS[:3]), (2 * HOUR, FRESHNESS[3][1]))
    thief.publish(NIGHT)
    scene.now = NIGHT
    scene.sync()
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    assert scene.answer(GOOD, NIGHT + 2 * HOUR) == "CHECK LIST_EXPIRED"
    scene.next_list(NIGHT + 2 * HOUR)
    scene.publisher.rotate(NIGHT + 2 * HOUR, "rules", *ONLINE)
    scene.serve(scene.publisher)
    scene.sync()
    scene.arrived()
    assert scene.answer(GOOD, NIGHT + 4 * HOUR) == "PASS"


@attack("the key under the recognition list is stolen")
def stolen_recognition_key(scene: Scene) -> None:
    """The thief can say that a country is not recognised, and so make it amber; whose key is real is
    another role's word, and no stranger becomes known by it.
    """
    scene.publisher.recognition = _recognises(RecognitionClass.OFFICIAL)
    scene.publish(START + HOUR)
    scene.sync(START + HOUR)
    assert scene.look(NIGHT).answers == ("PASS", "FAIL REVOKED")
    thief = scene.thief("recognition", *ONLINE)
    thief.recognition = _recognises(RecognitionClass.NONE)
    thief.publish(NIGHT)
    scene.now = NIGHT
    scene.sync()
    assert scene.answer(GOOD) == "CHECK ISSUER_NOT_RECOGNISED"
    assert scene.answer(FORGED) == "FAIL KEY_UNKNOWN"
    scene.next_list(MORNING)
    scene.publisher.rotate(MORNING, "recognition", *ONLINE)
    scene.serve(scene.publisher)
    scene.sync()
    scene.arrived()


def _said(record: KeyRecord, status: KeyStatus) -> KeyRecord:
    """The same key, with another word about it."""
    return replace(record, key=replace(record.key, status=status))


def _recognises(word: RecognitionClass) -> Recognition:
    """A list on which the ministry's country stands with this word."""
    return Recognition((RecognisedIssuer("XV", None, word),))
