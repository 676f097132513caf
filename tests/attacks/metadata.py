"""Attacks on what is signed, by somebody without a key: replay, freeze, mix and match, bent metadata."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from trust_site import DAY

from attacks.keyholders import Keyholders, fresh
from attacks.scene import GOOD, HOUR, NIGHT, START, Scene, attack
from trustsync.errors import Alarm

# --- Old things shown again -----------------------------------------------------------------------------


@attack("an old timestamp is replayed", row=1)
def replayed_timestamp(scene: Scene) -> None:
    """Last night's timestamp comes back in place of tonight's: refused as a rollback."""
    old = scene.publisher.path_of("timestamp").read_bytes()
    scene.next_night()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.path_of("timestamp").write_bytes(old)


@attack("the local copy is wiped, then an old list replayed", row=2)
def wiped_and_replayed(scene: Scene) -> None:
    """A card loses the state database; the floor comes back from what was signed; the replay fails."""
    scene.publisher.copy(scene.folder / "kept")
    before = scene.next_night()
    (scene.store / "state.db").write_bytes(b"\0" * 4096)
    scene.publisher.restore(scene.folder / "kept")
    scene.fails(Alarm.ROLLBACK)
    assert scene.look() == before


@attack("an old snapshot is served under the new one's number")
def replayed_snapshot(scene: Scene) -> None:
    """The new timestamp is passed on, the snapshot behind it is last night's: refused as a rollback."""
    old = scene.publisher.path_of("snapshot").read_bytes()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.next_list()
        scene.publisher.path_of("snapshot").write_bytes(old)


@attack("an old top role is served under the new one's number")
def replayed_targets(scene: Scene) -> None:
    """The offline keyholders gave a role a new key; who still has the old one replays the role that named
    it: refused as a rollback, and the old key opens nothing.
    """
    old = scene.publisher.path_of("targets").read_bytes()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.rotate(NIGHT, "rules")
        scene.publisher.path_of("targets").write_bytes(old)
        scene.now = NIGHT


@attack("an old list of keys under a new snapshot", row=15)
def mix_and_match(scene: Scene) -> None:
    """Tonight's snapshot with last night's role of the keys under its new name: refused, nothing is mixed."""
    old = scene.publisher.path_of("trust").read_bytes()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.next_list()
        scene.publisher.path_of("trust").write_bytes(old)


@attack("the timestamp is frozen for four days", row=4)
def frozen(scene: Scene) -> None:
    """Somebody keeps the repository as it was: after three days it is refused as expired; the list ages."""
    scene.fails(Alarm.EXPIRED, START + timedelta(days=3))
    scene.fails(Alarm.EXPIRED, START + timedelta(days=4))
    assert scene.look().floor == START
    assert scene.answer(GOOD, START + timedelta(days=4)) == "PASS LIST_STALE"


@attack("news are held back behind fresh timestamps")
def withheld_data(scene: Scene) -> None:
    """Metadata are passed on, the new lists are not: the list in force stays, and is not made younger by
    it.
    """
    scene.next_list()
    scene.server.faults[".cbor"] = lambda handler, _file: handler.send_error(503)
    scene.fails(None)
    look = scene.look(START + 2 * DAY)
    assert (look.signed_at, look.floor) == (START, NIGHT)
    assert look.answers == ("PASS LIST_STALE", "FAIL REVOKED LIST_STALE")
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()


# --- Another root, another repository -------------------------------------------------------------------


def _stranger(scene: Scene) -> Keyholders:
    """Somebody else's repository, in good order."""
    stranger = Keyholders(scene.folder / "stranger")
    stranger.publish(START)
    return stranger


@attack("a unit is given another repository's root", row=9)
def wrong_bootstrap(scene: Scene) -> None:
    """A new unit with the wrong root takes nothing from our server, and keeps nothing that would stand in
    the way of the right root.
    """
    unit = scene.new_unit()
    assert unit.look().answers == ("OUT NO_LIST", "OUT NO_LIST")
    unit.fails(Alarm.SIGNATURE, root=_stranger(scene).root)
    assert unit.look().answers == ("OUT NO_LIST", "OUT NO_LIST")
    assert unit.look().floor is None
    unit.sync()
    assert unit.look().answers == ("PASS", "FAIL REVOKED")


@attack("the root on a running unit is exchanged")
def exchanged_root(scene: Scene) -> None:
    """Somebody puts another root into the settings of a unit that has a list: refused before a word is
    said to the network.
    """
    with scene.unmoved(Alarm.ANCHOR, root=_stranger(scene).root):
        pass
    assert scene.server.asked == []


@attack("another repository answers at the same address")
def another_repository(scene: Scene) -> None:
    """The name now leads to somebody else's repository, whole and well signed: its keys are not ours;
    refused for its signature.
    """
    with scene.unmoved(Alarm.SIGNATURE):
        scene.serve(_stranger(scene))


# --- Bent metadata --------------------------------------------------------------------------------------


@attack("a list is signed by a key that nobody named")
def strange_key(scene: Scene) -> None:
    """The list of keys is signed by somebody else's key: refused for its signature."""
    with scene.unmoved(Alarm.SIGNATURE):
        scene.publisher.signers["trust"] = fresh()
        scene.next_list(START + HOUR)


@attack("a member stands twice in the timestamp")
def duplicate_members(scene: Scene) -> None:
    """A second version is written into the signed bytes, before the true one and then behind it: the first
    changes nothing, for the signature holds over what is read; the second is refused.
    """
    scene.next_list()
    path = scene.publisher.path_of("timestamp")
    true = path.read_bytes()
    path.write_bytes(true.replace(b'"signed":{', b'"signed":{"version":77,'))
    assert path.read_bytes() != true
    scene.sync()
    scene.arrived()
    with scene.unmoved(Alarm.SIGNATURE):
        path.write_bytes(true.removesuffix(b"}}") + b',"version":77}}')


@attack("one role is shown as another")
def swapped_type(scene: Scene) -> None:
    """The snapshot, honestly signed, is served as the timestamp, then with its type rewritten: neither is
    what it says.
    """
    snapshot = scene.publisher.path_of("snapshot").read_bytes()
    scene.now = NIGHT
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.path_of("timestamp").write_bytes(snapshot)
    with scene.unmoved(Alarm.MALFORMED):
        rewritten = snapshot.replace(b'"_type":"snapshot"', b'"_type":"timestamp"')
        assert rewritten != snapshot
        scene.publisher.path_of("timestamp").write_bytes(rewritten)


@attack("metadata are nested without end")
def nested(scene: Scene) -> None:
    """Anybody on the line can send brackets by the thousand where a timestamp is expected: the parser's end
    is an error in words, not a crash.
    """
    deep = b'{"signatures":[],"signed":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_000 + b"}"
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.path_of("timestamp").write_bytes(deep)


@attack("a role says more of itself than fits")
def huge_custom(scene: Scene) -> None:
    """A timestamp with a signed field of twenty thousand letters: nobody reads beyond the limit for a
    timestamp, signed or not.
    """
    with scene.unmoved(Alarm.TOO_BIG):
        scene.publisher.sign_timestamp(NIGHT, {"x-signed-at": "2021-11-29T10:00:00Z", "x-more": "x" * 20_000})
        scene.now = NIGHT


@attack("a signed role is blown up with blanks")
def padded_role(scene: Scene) -> None:
    """Blanks between the members of a role are under no signature, and anybody on the line can put megabytes
    of them there: more than the snapshot says is not read, let alone parsed.
    """
    scene.next_list()
    role, snapshot = scene.publisher.path_of("trust"), scene.publisher.said("snapshot")
    true = role.read_bytes()
    snapshot["meta"]["trust.json"] |= {"length": len(true), "hashes": {"sha256": sha256(true).hexdigest()}}
    scene.publisher.put("snapshot", snapshot)
    with scene.unmoved(Alarm.TOO_BIG):
        role.write_bytes(true.replace(b":", b":" + b" " * (1 << 20), 5))
    role.write_bytes(true)
    scene.sync()
    scene.arrived()


@attack("metadata of a later TUF")
def later_spec(scene: Scene) -> None:
    """A well-signed timestamp that says spec_version 2.0.0: its rules are not ours to guess; refused."""
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.sign_timestamp(NIGHT)
        scene.publisher.put("timestamp", scene.publisher.said("timestamp") | {"spec_version": "2.0.0"})
        scene.now = NIGHT


# --- What a timestamp says about time -------------------------------------------------------------------


@attack("a timestamp that does not say when it was signed")
def undated(scene: Scene) -> None:
    """Without an instant, with one that nobody can place, or with a wall clock's words, the age of the list
    would be unknown: refused each time, and no floor rises.
    """
    scene.now = NIGHT
    for fields in ({}, {"x-signed-at": "yesterday"}, {"x-signed-at": "2021-11-29T10:00:00"}):
        with scene.unmoved(Alarm.CONTENT):
            scene.publisher.sign_timestamp(NIGHT, fields)
    assert scene.look().floor == START


@attack("a timestamp that was signed after its own end")
def signed_after_its_end(scene: Scene) -> None:
    """It says that it was signed a year from now and is over in three days: both cannot be; refused, and
    the floor stays.
    """
    with scene.unmoved(Alarm.CONTENT):
        scene.publisher.sign_timestamp(NIGHT, {"x-signed-at": "2022-11-29T10:00:00Z"})
        scene.now = NIGHT
    assert scene.look().floor == START


@attack("a timestamp that is dated back")
def back_dated(scene: Scene) -> None:
    """A newer version says an earlier instant: it makes the list older, never the floor lower; and one that
    was over before the floor is refused, though the clock be in 1970.
    """
    scene.next_night()
    scene.publisher.sign_timestamp(START - DAY)
    scene.sync(NIGHT)
    look = scene.look()
    assert (look.floor, look.signed_at) == (NIGHT, START - DAY)
    assert look.answers == ("PASS LIST_STALE", "FAIL REVOKED LIST_STALE")
    scene.publisher.sign_timestamp(START - 3 * DAY)
    scene.fails(Alarm.EXPIRED, START.replace(year=1970))
    assert scene.look().floor == NIGHT


# --- Keyholders who sleep -------------------------------------------------------------------------------


@attack("the root runs out")
def expired_root(scene: Scene) -> None:
    """All signs are renewed but the root's: the list is two days old and nobody may speak for it any more;
    refused, and the unit is out. Red stays red.
    """
    late = START + timedelta(days=364)
    top = scene.publisher.top()
    scene.publisher.sign_top(top, late)
    scene.publish(late, resign=scene.publisher.delegated)
    scene.sync(late)
    assert scene.look(late).answers == ("PASS", "FAIL REVOKED")
    over = late + 2 * DAY
    scene.publisher.sign_timestamp(over)
    scene.fails(Alarm.EXPIRED, over)
    assert scene.look(over).signed_at == late
    assert scene.look(over).answers == ("OUT LIST_EXPIRED", "FAIL REVOKED LIST_EXPIRED")


@attack("the top role of targets runs out")
def expired_targets(scene: Scene) -> None:
    """The roles below it are young and well signed, who named them is over: refused, the old list ages."""
    late = START + timedelta(days=178)
    scene.publish(late, resign=scene.publisher.delegated)
    scene.sync(late)
    scene.now = late + 3 * DAY
    with scene.unmoved(Alarm.EXPIRED):
        scene.publish(scene.now, resign=scene.publisher.delegated)
    assert scene.answer(GOOD) == "PASS LIST_STALE"


@attack("the role of the keys runs out")
def expired_trust(scene: Scene) -> None:
    """Sixty days without a new signature under the list of keys: refused, however young the rest is."""
    late = START + timedelta(days=58)
    scene.publish(late, resign=("revocation",))
    scene.sync(late)
    scene.now = late + 3 * DAY
    with scene.unmoved(Alarm.EXPIRED):
        scene.publish(scene.now, resign=("revocation",))


@attack("the role of revocation runs out")
def expired_revocation(scene: Scene) -> None:
    """Fourteen days without a word on revocation: what is offered is refused, and from its end on no
    certificate counts as looked up.
    """
    late = START + timedelta(days=13)
    scene.publish(late, resign=("rules",))
    scene.sync(late)
    assert scene.answer(GOOD, late) == "PASS"
    over = late + 2 * DAY
    scene.publish(over, resign=("rules",))
    scene.fails(Alarm.EXPIRED, over)
    look = scene.look(over)
    assert look.signed_at == late
    assert look.answers == ("CHECK REVOCATION_UNCHECKED LIST_STALE", "FAIL REVOKED LIST_STALE")


@attack("the snapshot runs out")
def expired_snapshot(scene: Scene) -> None:
    """Somebody signs timestamps and nothing else: after fourteen days there is no snapshot below them."""
    late = START + timedelta(days=13)
    scene.publisher.sign_timestamp(late)
    scene.sync(late)
    scene.now = late + 2 * DAY
    scene.publisher.sign_timestamp(scene.now)
    scene.fails(Alarm.EXPIRED)
    assert scene.look().signed_at == late


# --- What is gone ---------------------------------------------------------------------------------------


@attack("the list of who is recognised is withheld from a new unit")
def withheld_recognition(scene: Scene) -> None:
    """The role is named and its file is not given out: without it a unit would recognise everybody, so
    nothing is installed at all.
    """
    unit = scene.new_unit()
    (scene.publisher.path_of("recognition")).unlink()
    unit.fails(None)
    assert unit.look().answers == ("OUT NO_LIST", "OUT NO_LIST")
