"""Attacks on the root, which all else hangs from: too few hands, wrong hands, skipped steps, odd keys."""

from __future__ import annotations

import json

from attacks.keyholders import fresh
from attacks.scene import NIGHT, STRANGER, Scene, attack
from trustsync.declarations import encode_recognition
from trustsync.errors import Alarm
from trustsync.layout import KEYS_PATH, RECOGNITION_PATH
from trustsync.targets import encode_keys
from verifier.recognition import Recognition


@attack("the next root is signed by one of two", row=17)
def half_signed_root(scene: Scene) -> None:
    """The ceremony broke off after the first keyholder: what one hand has signed is no root; refused. When
    the second has signed, the fleet follows.
    """
    first, second, _ = scene.publisher.signers["root"]
    with scene.unmoved(Alarm.SIGNATURE):
        scene.next_list()
        scene.publisher.name_keys(scene.publisher.next_root, "timestamp", fresh())
        scene.publisher.sign_root([first])
        scene.publisher.sign_timestamp(NIGHT)
    scene.publisher.put("root", scene.publisher.said("root"), [first, second])
    scene.sync()
    scene.arrived()


@attack("one root key of three is stolen")
def stolen_root_key(scene: Scene) -> None:
    """The thief names keys of his own for everything and puts his one signature under the names of the
    other keyholders too: it counts once, for the key that made it; no effect.
    """
    one, *others = scene.publisher.signers["root"]
    thief = scene.thief()
    for role in ("targets", "snapshot", "timestamp"):
        thief.name_keys(thief.next_root, role, fresh(2))
    with scene.unmoved(Alarm.SIGNATURE):
        thief.sign_root([one])
        file = json.loads(thief.path_of("root").read_bytes())
        (true,) = file["signatures"]
        file["signatures"] += [true | {"keyid": other.public_key.keyid} for other in others]
        thief.path_of("root").write_bytes(json.dumps(file).encode())
        scene.now = NIGHT


@attack("one signature stands twice under a root")
def signature_twice(scene: Scene) -> None:
    """The same key under the same name, two times over, is not two of three: refused."""
    one, *_ = scene.publisher.signers["root"]
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.sign_root([one, one])
        scene.now = NIGHT


@attack("a root skips a version")
def skipped_root(scene: Scene) -> None:
    """Root 3 is signed by all, and there never was a root 2: served under its own name nobody asks for it,
    served as root 2 it is refused.
    """
    scene.publisher.versions["root"] += 1
    scene.publisher.sign_root()
    scene.publisher.sign_timestamp(NIGHT)
    scene.now = NIGHT
    assert not scene.sync().changed
    third = scene.publisher.path_of("root").read_bytes()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.path_of("root").with_name("2.root.json").write_bytes(third)


@attack("new root keys without the old ones' word")
def root_by_the_new_alone(scene: Scene) -> None:
    """A root names three new keyholders and is signed by them alone: anybody could make one; refused."""
    with scene.unmoved(Alarm.SIGNATURE):
        scene.publisher.name_keys(scene.publisher.next_root, "root", fresh(3))
        scene.publisher.sign_root()
        scene.now = NIGHT


@attack("new root keys that have not signed themselves")
def root_by_the_old_alone(scene: Scene) -> None:
    """The old keyholders name new ones who never signed, so nobody knows that they can: refused. With the
    hands of both the fleet follows, and the old keys are worth nothing from then on.
    """
    before = scene.publisher.signers["root"]
    with scene.unmoved(Alarm.SIGNATURE):
        scene.next_list()
        scene.publisher.name_keys(scene.publisher.next_root, "root", fresh(3))
        scene.publisher.sign_root(before)
    scene.publisher.put("root", scene.publisher.said("root"), [*before, *scene.publisher.signers["root"]])
    scene.sync()
    scene.arrived()
    with scene.unmoved(Alarm.SIGNATURE):
        scene.publisher.sign_root(before)


@attack("a root with a kind of key that nobody knows")
def unknown_key_type(scene: Scene) -> None:
    """All three keyholders sign a root whose timestamp key is of a kind that this release cannot check: a
    key that cannot be checked vouches for nothing, so the root is refused and the old one stays.
    """
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.sign_root()
        said = scene.publisher.said("root")
        (name,) = said["roles"]["timestamp"]["keyids"]
        said["keys"][name] |= {"keytype": "lattice", "scheme": "lattice-5"}
        scene.publisher.put("root", said)
        scene.now = NIGHT


@attack("a root that asks for nobody's signature")
def threshold_of_none(scene: Scene) -> None:
    """All sign a root in which the timestamp needs no signature at all: refused, whoever signed it."""
    with scene.unmoved(Alarm.MALFORMED):
        scene.publisher.sign_root()
        said = scene.publisher.said("root")
        said["roles"]["timestamp"]["threshold"] = 0
        scene.publisher.put("root", said)
        scene.now = NIGHT


@attack("one targets key of two is stolen")
def stolen_targets_key(scene: Scene) -> None:
    """With one of the two offline keys, and all online ones, the thief names himself for the list of keys:
    one hand is not two; no effect.
    """
    one, _ = scene.publisher.signers["targets"]
    thief = scene.thief("snapshot", "timestamp", "revocation")
    top = thief.top()
    thief.name_keys(top, "trust", fresh())
    thief.signers["targets"] = [one]
    thief.keys.append(STRANGER.record())
    with scene.unmoved(Alarm.SIGNATURE):
        thief.sign_top(top, NIGHT)
        thief.publish(NIGHT)
        scene.now = NIGHT


@attack("the role of the rules signs a list of keys", row=18)
def rules_sign_keys(scene: Scene) -> None:
    """A thief with the key of the rules signs a list of keys: no role may speak for another's path."""
    scene.publisher.smuggle("rules", KEYS_PATH, encode_keys([STRANGER.record()]))
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert STRANGER.kid not in scene.look().keys
    assert scene.answer(STRANGER.certificate("THIEF"), NIGHT) == "FAIL KEY_UNKNOWN"


@attack("a role is given everybody's paths by mistake")
def wide_delegation(scene: Scene) -> None:
    """At a ceremony the rules are delegated every path, in front of the others and not as the last word;
    the rules' key is stolen. It still cannot speak for the keys: the unit knows who must.
    """
    publisher = scene.publisher
    top = publisher.top()
    delegations = top.delegations
    assert delegations is not None
    assert delegations.roles is not None
    rules = delegations.roles.pop("rules")
    rules.paths, rules.terminating = ["*", "*/*"], False
    delegations.roles = {"rules": rules, **delegations.roles}
    publisher.sign_top(top, NIGHT)
    publisher.smuggle("rules", KEYS_PATH, encode_keys([STRANGER.record()]))
    with scene.unmoved(Alarm.CONTENT):
        scene.now = NIGHT
        scene.publish()


@attack("a role ends nowhere and another fills its gap")
def gap_filled(scene: Scene) -> None:
    """The role of recognition has signed no list and is not the last word on its paths; the rules, whose
    paths are too wide, sign one: it is not theirs to say whom the country recognises; refused.
    """
    publisher = scene.publisher
    top = publisher.top()
    assert top.delegations is not None
    assert top.delegations.roles is not None
    roles = top.delegations.roles
    recognition = roles.pop("recognition")
    recognition.terminating = False
    roles["rules"].paths = ["rules/*", RECOGNITION_PATH]
    top.delegations.roles = {"recognition": recognition, **roles}
    publisher.sign_top(top, NIGHT)
    publisher.smuggle("rules", RECOGNITION_PATH, encode_recognition(Recognition()))
    with scene.unmoved(Alarm.CONTENT):
        scene.next_list()
