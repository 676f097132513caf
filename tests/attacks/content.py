"""Signed by the right keys and still not fit to install: what the content of a list can do, and must not.

A keyholder may err, and a thief may have the key of one role; nothing that a list says may harm a unit.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import cbor2
from trust_site import DAY, SPKI, authority, key

from attacks.scene import (
    GOOD,
    HOUR,
    MINISTRY,
    NIGHT,
    REVOKED,
    START,
    STRANGER,
    Scene,
    Signer,
    attack,
    entry,
)
from trustsync.errors import Alarm
from trustsync.layout import KEYS_PATH, POLICY_PATH, RECOGNITION_PATH, REVOCATION_INDEX_PATH, RULES_PATH
from trustsync.segments import SegmentRecord, describe, encode_index, segment_path
from trustsync.targets import MAX_KEYS, encode_keys
from trustsync.trial import TrialCase
from verifier.reasons import Reason, State
from verifier.trust import HashKind, KeyStatus

SAMPLES = Signer(74, b"samples1")  # of a test environment
PLACE = (MINISTRY.kid, HashKind.UCI)


def _refused(scene: Scene, path: str, data: bytes, words: str = "") -> None:
    """A list with this document in place of the honest one is refused for its content."""
    with scene.unmoved(Alarm.CONTENT):
        scene.publisher.override[path] = data
        scene.publish(NIGHT)
        scene.now = NIGHT
    assert words in (scene.state().last_error or ""), scene.state().last_error


def _keys(scene: Scene, **changes: Any) -> dict[str, Any]:
    """The honest list of keys, its first row changed."""
    document: dict[str, Any] = cbor2.loads(encode_keys(scene.publisher.keys))
    document["keys"][0] |= changes
    return document


def _canonical(value: object) -> bytes:
    return cbor2.dumps(value, canonical=True)


# --- Keys -----------------------------------------------------------------------------------------------


@attack("an empty list of keys")
def empty_list(scene: Scene) -> None:
    """A list on which nobody stands is signed: every certificate would turn red; never installed."""
    with scene.unmoved(Alarm.CONTENT):
        scene.publisher.keys = []
        scene.publish(NIGHT)
        scene.now = NIGHT


@attack("a list of test keys alone")
def only_test_keys(scene: Scene) -> None:
    """The hub of the test environment publishes under the production keys: a list without one key that
    counts is an empty list; never installed.
    """
    with scene.unmoved(Alarm.CONTENT):
        scene.publisher.keys = [replace(each, environment="test") for each in scene.publisher.keys]
        scene.publish(NIGHT)
        scene.now = NIGHT


@attack("a test key in a production list")
def test_key(scene: Scene) -> None:
    """A key is listed as one of a test environment: it is known by name, and what it signs is a sample,
    red.
    """
    scene.publisher.keys.append(SAMPLES.record("test"))
    scene.next_night()
    assert scene.answer(SAMPLES.certificate("SAMPLE", issued=START)) == "FAIL KEY_TEST"


@attack("a list of ten times as many keys")
def too_many_keys(scene: Scene) -> None:
    """More rows than any list of the world has: refused by its count."""
    rows = [
        {"kid": struct.pack(">Q", n), "spki": SPKI + bytes(32), "st": "active", "env": "production"}
        for n in range(MAX_KEYS + 1)
    ]
    _refused(scene, KEYS_PATH, _canonical({"v": 1, "keys": rows}), f"at most {MAX_KEYS}")


@attack("one KID for a hundred keys")
def crowded_kid(scene: Scene) -> None:
    """So many keys under one name that a scan would have to try them all: refused at import."""
    crowd = [replace(key(n), key=replace(key(n).key, kid=MINISTRY.kid)) for n in range(100, 200)]
    _refused(scene, KEYS_PATH, encode_keys([*scene.publisher.keys, *crowd]), "names more than")


@attack("a key for which everybody can sign")
def low_order_key(scene: Scene) -> None:
    """An Ed25519 key of low order is listed, for which anybody can make a signature: refused at import."""
    point = SPKI + bytes([1]) + bytes(31)
    _refused(scene, KEYS_PATH, _canonical(_keys(scene, spki=point)), "the key of KID")


@attack("a withdrawn key comes back with an older list")
def withdrawn_returns(scene: Scene) -> None:
    """A ministry's key is withdrawn; the list of the day before, still valid, is offered again: refused,
    and red stays red.
    """
    scene.publisher.copy(scene.folder / "yesterday")
    honest = scene.publisher.keys[0]
    scene.publisher.keys[0] = replace(honest, key=replace(honest.key, status=KeyStatus.WITHDRAWN))
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert scene.answer(GOOD) == "FAIL KEY_WITHDRAWN"
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.restore(scene.folder / "yesterday")


@attack("a key record that says two things")
def contradicting_record(scene: Scene) -> None:
    """A row promises a list of what was really issued and there is none, or says so by a false; a row has
    the words of a later form under an earlier version: refused each time, for half of it would be the
    opposite.
    """
    promised = replace(scene.publisher.keys[0].key, allowed=True, status=KeyStatus.WITHDRAWN)
    listed = [replace(scene.publisher.keys[0], key=promised), *scene.publisher.keys[1:]]
    _refused(scene, KEYS_PATH, encode_keys(listed), "no segment lists them")
    _refused(scene, KEYS_PATH, _canonical(_keys(scene, alw=False)), "alw")
    _refused(scene, KEYS_PATH, _canonical(_keys(scene, rej=1)), "format version")
    _refused(scene, KEYS_PATH, _canonical(_keys(scene, rej=2**62) | {"v": 3}), "out of range")


@attack("an authority whose certificate says something else")
def borrowed_authority(scene: Scene) -> None:
    """A country's CSCA is listed with another one's key: the certificate itself gives the lie to the row."""
    one, other = authority(5), authority(6)
    scene.publisher.authorities = [replace(one, authority=replace(one.authority, spki=other.authority.spki))]
    with scene.unmoved(Alarm.CONTENT):
        scene.publish(NIGHT)
        scene.now = NIGHT


# --- Bombs ----------------------------------------------------------------------------------------------


@attack("a list that goes down and down")
def deep_list(scene: Scene) -> None:
    """Half a million arrays in each other under a good signature: the process that looks into it gives up
    or dies, alone; the sync says so, the unit is unharmed.
    """
    _refused(scene, KEYS_PATH, b"\x81" * 500_000 + b"\x80")


@attack("a list that promises more than there is")
def promised_counts(scene: Scene) -> None:
    """A few bytes announce arrays, texts and maps of 2^60 entries: believed by nobody, no memory is taken."""
    for head in (b"\x9b", b"\x5b", b"\x7b", b"\xbb"):
        promised = head + struct.pack(">Q", 1 << 60)
        _refused(scene, KEYS_PATH, b"\xa2\x61v\x01\x64keys" + promised + b"\x00")


@attack("a list that unfolds")
def shared_references(scene: Scene) -> None:
    """Two hundred bytes that name each other, and written out are a terabyte: refused at once, by their
    form.
    """
    shared, again = b"\xd8\x1c", b"\xd8\x1d"
    folded = [shared + b"\x81\x00"]
    folded += [shared + b"\x82" + (again + cbor2.dumps(number)) * 2 for number in range(40)]
    bomb = b"\xa2\x61v\x01\x64keys" + b"\x98" + bytes([len(folded)]) + b"".join(folded)
    _refused(scene, KEYS_PATH, bomb)
    assert "more memory or time" not in (scene.state().last_error or "")


@attack("a list that makes the parser think")
def costly_tags(scene: Scene) -> None:
    """Numbers, dates, patterns and sets by CBOR's tags, in the place of a key: nothing is made of them;
    each is refused as a fault of the list, and not taken for one of the unit.
    """
    odd = (
        cbor2.CBORTag(35, "a{99999999999}"),
        cbor2.CBORTag(4, [10**18, 1]),
        cbor2.CBORTag(1, 1e300),
        cbor2.CBORTag(30, [1, 0]),
        cbor2.CBORTag(258, [[1]]),
        cbor2.CBORTag(37, b"x"),
    )
    for value in odd:
        _refused(scene, KEYS_PATH, cbor2.dumps({"v": 1, "keys": [value]}))


@attack("zeros by the million")
def wide_list(scene: Scene) -> None:
    """Twenty million rows of one byte each, honestly counted: more memory than the looking process has."""
    rows = 20_000_000
    _refused(scene, KEYS_PATH, b"\xa2\x61v\x01\x64keys\x9a" + struct.pack(">I", rows) + bytes(rows))


# --- Revocation -----------------------------------------------------------------------------------------


@attack("segments that are not in order")
def disordered_segments(scene: Scene) -> None:
    """Unsorted, doubled, cut and overlong entries under a good signature: a search would miss what stands
    there, so none of it is installed.
    """
    first, second = (entry(name)[:8] for name in sorted(("A", "B"), key=entry))
    for wrong in (second + first, first + first, first[:7], b"", first + second + b"\x00"):
        scene.publisher.revoked[PLACE] = [first, second]
        _refused(scene, segment_path(*PLACE), wrong)


@attack("an index names a segment that nobody signs")
def unsigned_segment(scene: Scene) -> None:
    """A missing segment is not "nobody is revoked": the list is refused, and the revoked stay red."""
    index = [describe(*PLACE, bytes(8)), describe(STRANGER.kid, HashKind.UCI, bytes(8))]
    _refused(scene, REVOCATION_INDEX_PATH, encode_index(index), segment_path(STRANGER.kid, HashKind.UCI))


@attack("an index points to another's file")
def borrowed_segment(scene: Scene) -> None:
    """The row of one key names the file of another, or one outside of the list: the path says whose it is,
    so another path is refused.
    """
    rows = (segment_path(STRANGER.kid, HashKind.UCI), "revocation/../trust/keys.cbor", "/etc/passwd")
    for path in rows:
        row = SegmentRecord(path, MINISTRY.kid, HashKind.UCI, 1)
        _refused(scene, REVOCATION_INDEX_PATH, encode_index([row]), "is not the path")


@attack("a segment of 2^60 bytes")
def huge_segment(scene: Scene) -> None:
    """A length is signed that no card holds: refused before a byte of it is asked for."""
    path = segment_path(*PLACE)
    scene.publisher.lengths[path] = 1 << 60
    with scene.unmoved(Alarm.TOO_BIG):
        scene.next_list()
    assert not [asked for asked in scene.server.asked if asked.endswith(path.rpartition("/")[2])]


@attack("an index of a kind that nobody knows")
def unknown_kind(scene: Scene) -> None:
    """A row of a kind of hash that this release cannot look up: to skip it would be "not revoked";
    refused.
    """
    index = cbor2.loads(encode_index([describe(*PLACE, bytes(8))]))
    index["segments"][0] |= {"kind": 0x7F, "path": f"revocation/{MINISTRY.kid.hex()}-7f.seg"}
    _refused(scene, REVOCATION_INDEX_PATH, _canonical(index), "unknown hash kind")


@attack("everybody is taken off the revocation list")
def emptied_revocation(scene: Scene) -> None:
    """An index without segments is legal, and whoever signs it can free the revoked: it is only ever
    believed as the newest word of that role, and the index of the night before cannot be brought back.
    """
    scene.publisher.copy(scene.folder / "kept")
    scene.publisher.revoked = {}
    scene.publish(START + HOUR)
    scene.sync(START + HOUR)
    assert scene.look().answers == ("PASS", "PASS")
    scene.publisher.revoked = {PLACE: [entry("REVOKED")]}
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert scene.look().answers == ("PASS", "FAIL REVOKED")
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.restore(scene.folder / "kept")


# --- Rules, policy, recognition -------------------------------------------------------------------------


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@attack("rules that this release cannot judge by")
def unknown_rules(scene: Scene) -> None:
    """A bundle asks for more than is known here: named at import, not at the first scan."""
    bundle = {"name": "x", "version": "1.0.0", "asks": "everything"}
    _refused(scene, RULES_PATH, _json({"v": 1, "bundles": [bundle]}), "bundles[0].asks")


@attack("a policy that would keep a list green longer")
def loosened_policy(scene: Scene) -> None:
    """Whoever has the key of the rules signs that a list is fresh for a year: a policy may only tighten;
    the whole list is refused, and the old one ages as it always did.
    """
    scene.publisher.smuggle("rules", POLICY_PATH, _json({"v": 1, "limits_h": {"FRESH": 8760}}))
    with scene.unmoved(Alarm.CONTENT):
        scene.next_list()
    assert "loosen" in (scene.state().last_error or "")
    assert scene.answer(GOOD, START + 2 * DAY) == "PASS LIST_STALE"


@attack("a recognition list with words that nobody knows")
def unknown_recognition(scene: Scene) -> None:
    """A line calls a country "perhaps" recognised, or has a member that is new: to skip it would change
    what is declared; refused.
    """
    for line in ({"co": "XV", "class": "perhaps"}, {"co": "XV", "class": "official", "if": "vaccinated"}):
        scene.publisher.smuggle("recognition", RECOGNITION_PATH, _json({"v": 1, "issuers": [line]}))
        with scene.unmoved(Alarm.CONTENT):
            scene.publish(NIGHT)
            scene.now = NIGHT


# --- The self-test --------------------------------------------------------------------------------------


@attack("a list that refuses what is known to be good")
def failed_self_test(scene: Scene) -> None:
    """Somebody has put the certificate of the self-test on the revocation list: the new list would say red
    to what must pass, so it is never put in force.
    """
    at = START - 20 * DAY
    old = MINISTRY.certificate("OLD", issued=at - HOUR)
    scene.publisher.trial = [TrialCase(old, at, State.PASS)]
    scene.publish(START + HOUR)
    scene.sync(START + HOUR)
    with scene.unmoved(Alarm.SELF_TEST):
        scene.publisher.revoked[PLACE].append(entry("OLD"))
        scene.next_list()


@attack("a list that lets in what is known to be bad")
def lenient_self_test(scene: Scene) -> None:
    """The revocation of a certificate that must be refused was lost on the way to the list: the self-test
    passes it, so the list is never put in force.
    """
    at = START
    scene.publisher.trial = [TrialCase(REVOKED, at, State.FAIL, Reason.REVOKED)]
    scene.publish(START + HOUR)
    scene.sync(START + HOUR)
    with scene.unmoved(Alarm.SELF_TEST):
        scene.publisher.revoked[PLACE] = [entry("LATE")]
        scene.publish(NIGHT)
        scene.now = NIGHT
