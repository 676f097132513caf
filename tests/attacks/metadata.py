"""Attacks on what is signed: replay, freeze, mix and match, stolen keys, thresholds, delegations."""

from __future__ import annotations

from datetime import timedelta

from securesystemslib.signer import CryptoSigner

from attacks.scene import GOOD, HOUR, NIGHT, START, STRANGER, Scene, attack
from trustsync.errors import Alarm
from trustsync.targets import KEYS_PATH, encode_keys


@attack("an old timestamp is replayed", row=1)
def replayed_timestamp(scene: Scene) -> None:
    """Last night's timestamp comes back in place of tonight's: refused as a rollback."""
    scene.publisher.copy(scene.folder / "kept")
    scene.next_night()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publisher.restore(scene.folder / "kept")


@attack("the local copy is wiped, then an old list replayed", row=2)
def wiped_and_replayed(scene: Scene) -> None:
    """A card loses the state database; the floor comes back from what was signed; the replay fails."""
    scene.publisher.copy(scene.folder / "kept")
    before = scene.next_night()
    (scene.store / "state.db").write_bytes(b"\0" * 4096)
    scene.publisher.restore(scene.folder / "kept")
    scene.fails(Alarm.ROLLBACK)
    assert scene.look() == before


@attack("the role of the rules signs a list of keys", row=18)
def rules_sign_keys(scene: Scene) -> None:
    """A thief with the key of the rules signs a list of keys: no role may speak for another's path."""
    mine = encode_keys([STRANGER.record()])
    scene.publisher.smuggle("rules", KEYS_PATH, mine)
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert STRANGER.kid not in scene.look().keys
    assert scene.answer(STRANGER.certificate("THIEF"), NIGHT) == "FAIL KEY_UNKNOWN"


@attack("the timestamp is frozen for four days", row=4)
def frozen(scene: Scene) -> None:
    """Somebody keeps the repository as it was: after three days it is refused as expired; the list ages."""
    scene.fails(Alarm.EXPIRED, START + timedelta(days=4))
    assert scene.look().floor == START
    assert scene.answer(GOOD, START + timedelta(days=4)) == "PASS LIST_STALE"


@attack("a list is signed by a key that nobody named", row=None)
def strange_key(scene: Scene) -> None:
    """The list of keys is signed by somebody else's key: refused for its signature."""
    with scene.unmoved(Alarm.SIGNATURE):
        scene.publisher.signers["trust"] = [CryptoSigner.generate_ed25519()]
        scene.news()
        scene.publish(START + HOUR)
        scene.now = START + HOUR
