"""Attacks on the rules: whoever has their key, or the folder in which a post lays down its orders."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from nacl.signing import SigningKey

from appliance.config import RulesConfig
from appliance.judging import Basis, judge
from appliance.supply import ORDERS_S, OrderSupply
from attacks.scene import GOOD, HOUR, NIGHT, START, Scene, attack
from trustsync.errors import Alarm
from trustsync.orders import OrderError, sign_order, signed_bytes, write_public
from trustsync.store import open_store
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import bundle_row, canonical, read_bundle

DAY = timedelta(days=1)
POST = "moc-bai"
COMMANDER = SigningKey(bytes([81]) * 32)
RULES = replace(SIGNATURE_ONLY, name="entry")


def _versions(scene: Scene) -> set[str]:
    """What a reader of the unit's store finds of these rules."""
    bundles = open_store(scene.store).current().bundles
    return {bundle.version for bundle in bundles if bundle.name == RULES.name}


def _newest(scene: Scene) -> None:
    """An honest night brings version 2.0.0 of the rules."""
    scene.publisher.bundles = [replace(RULES, version="2.0.0")]
    scene.publish(START + HOUR)
    scene.sync(START + HOUR)
    assert _versions(scene) == {"2.0.0"}


@attack("older rules by the stolen key of the rules")
def older_rules(scene: Scene) -> None:
    """A thief with the key of the rules signs the laxer version of before, under a higher version of the
    role: refused with all that came with it; the newest rules go on judging.
    """
    _newest(scene)
    thief = scene.thief("rules", "snapshot", "timestamp")
    thief.bundles = [RULES]
    with scene.unmoved(Alarm.ROLLBACK):
        thief.publish(NIGHT)
        scene.now = NIGHT
    assert _versions(scene) == {"2.0.0"}


@attack("older rules behind a newer version that only waits")
def older_rules_behind_newer_ones(scene: Scene) -> None:
    """Beside the old version stands a higher one that begins in a hundred years: the highest number is not
    what judges, so it covers nothing.
    """
    _newest(scene)
    thief = scene.thief("rules", "snapshot", "timestamp")
    thief.bundles = [RULES, replace(RULES, version="3.0.0", valid_from=START + 36500 * DAY)]
    with scene.unmoved(Alarm.ROLLBACK):
        thief.publish(NIGHT)
        scene.now = NIGHT


@attack("older rules after the name was gone for a night")
def older_rules_after_a_gap(scene: Scene) -> None:
    """One list leaves the rules out, the next one brings the old version: what was in force is remembered
    by its name, not by the list before.
    """
    _newest(scene)
    scene.publisher.bundles = [SIGNATURE_ONLY]
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert _versions(scene) == set()
    scene.publisher.bundles = [RULES]
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publish(NIGHT + HOUR)
        scene.now = NIGHT + HOUR


@attack("a roll-back that was signed for another version")
def replayed_roll_back(scene: Scene) -> None:
    """Somebody publishes again a roll-back of last month that took 1.5.0 back: it names another version than
    the one in force, and is refused.
    """
    _newest(scene)
    scene.publisher.bundles = [replace(RULES, version="1.4.0", replaces="1.5.0")]
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publish(NIGHT)
        scene.now = NIGHT


@attack("rules that were taken back return")
def returned_rules(scene: Scene) -> None:
    """After an honest roll-back somebody serves the rules that it took back: refused, until they come under
    a higher number.
    """
    _newest(scene)
    scene.publisher.bundles = [replace(RULES, version="1.0.1", replaces="2.0.0")]
    scene.publish(NIGHT)
    scene.sync(NIGHT)
    assert _versions(scene) == {"1.0.1"}
    scene.publisher.bundles = [replace(RULES, version="2.0.0")]
    with scene.unmoved(Alarm.ROLLBACK):
        scene.publish(NIGHT + HOUR)
        scene.now = NIGHT + HOUR
    scene.publisher.bundles = [replace(RULES, version="2.0.1")]
    scene.publish(NIGHT + 2 * HOUR)
    scene.sync(NIGHT + 2 * HOUR)
    assert _versions(scene) == {"2.0.1"}


@attack("a roll-back by the stolen key of the rules")
def stolen_roll_back(scene: Scene) -> None:
    """Whoever has the key of the rules can also sign a roll-back in the right form: it is taken, for it is
    the ministry's word as far as any unit can tell. With new keys and a higher number it is over in a night.
    """
    _newest(scene)
    thief = scene.thief("rules", "snapshot", "timestamp")
    thief.bundles = [replace(RULES, replaces="2.0.0")]
    thief.publish(NIGHT)
    scene.sync(NIGHT)
    assert _versions(scene) == {"1.0.0"}
    scene.serve(scene.publisher)
    scene.publisher.rotate(NIGHT, "rules", "snapshot", "timestamp")
    scene.publisher.versions |= {
        name: thief.versions[name] + 1 for name in ("rules", "snapshot", "timestamp")
    }
    scene.publisher.bundles = [replace(RULES, version="2.0.1")]
    scene.publish(NIGHT + HOUR)
    scene.sync(NIGHT + HOUR)
    assert _versions(scene) == {"2.0.1"}


# --- Orders of a post -----------------------------------------------------------------------------------


def _order(scene: Scene, hours: int = 24, post: str = POST) -> RuleBundle:
    """Everybody shows a test, from now on for so many hours."""
    return read_bundle(
        {
            "name": "order",
            "version": "1.0.0",
            "asks": "rules",
            "post": post,
            "valid_from": scene.now.isoformat(),
            "valid_to": (scene.now + hours * HOUR).isoformat(),
            "rules": [{"id": "r", "version": "1.0.0", "on": "test", "logic": {"known": ["event.result"]}}],
            "requirements": [{"id": "test", "any": [{"id": "any", "on": "test", "rules": ["r"]}]}],
        }
    )


class _Desk:
    """The unit as one of a post, with the folder for its commander's orders."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.folder = scene.folder / "orders"
        self.folder.mkdir()
        key = scene.folder / "post.pem"
        key.write_bytes(write_public(COMMANDER.verify_key))
        self.config = RulesConfig(post=POST, order_key=str(key))
        self._seconds = 0.0
        self.orders = OrderSupply(self.config, self.folder, monotonic=lambda: self._seconds)

    def lay_down(self, data: bytes, name: str = "order.json") -> None:
        (self.folder / name).write_bytes(data)

    def answer(self) -> str:
        """What GOOD is answered now, with the order that stands on the result."""
        self._seconds += ORDERS_S
        held = open_store(self.scene.store).current()
        context, orders = self.config.context(), self.orders.orders()
        basis = Basis(held.trust, held.bundles, self.scene.now, context=context, orders=orders)
        verdict = judge(GOOD, basis).verdict
        return f"{verdict.state} {verdict.order.name if verdict.order else '-'}"


@attack("an order of the post, laid down again the day after")
def replayed_order(scene: Scene) -> None:
    """An honest order is asked for its day and is over; somebody lays yesterday's file down again under
    another name: it is over by its own words.
    """
    desk = _Desk(scene)
    data = sign_order(_order(scene), COMMANDER)
    assert desk.answer() == "PASS -"
    desk.lay_down(data)
    assert desk.answer() == "CHECK order"
    scene.now += 24 * HOUR
    assert desk.answer() == "PASS -"
    desk.lay_down(data, "today.json")
    assert desk.answer() == "PASS -"


@attack("an order with another period than was signed")
def stretched_order(scene: Scene) -> None:
    """Yesterday's order with today's dates written into it: its signature does not hold."""
    desk = _Desk(scene)
    row = json.loads(sign_order(_order(scene), COMMANDER))
    scene.now += DAY
    row["order"] |= {name: bundle_row(_order(scene))[name] for name in ("valid_from", "valid_to")}
    desk.lay_down(canonical(row))
    assert desk.answer() == "PASS -"
    assert "not by this post's commander" in desk.orders.refused[0]


@attack("an order of another post")
def alien_order(scene: Scene) -> None:
    """The commander of two posts signs for one of them; somebody carries the file to the other: not asked
    there, and named.
    """
    desk = _Desk(scene)
    desk.lay_down(sign_order(_order(scene, post="lao-bao"), COMMANDER))
    assert desk.answer() == "PASS -"
    assert "'lao-bao'" in desk.orders.refused[0]


@attack("an order for 48 hours")
def long_order(scene: Scene) -> None:
    """Whoever has the post's key signs for two days what is only his to say for one: refused whole, not cut
    down to a day; and our own writer does not sign it.
    """
    desk = _Desk(scene)
    long = _order(scene, hours=48)
    try:
        sign_order(long, COMMANDER)
    except OrderError:
        pass
    else:
        raise AssertionError("it was signed")
    honest = json.loads(sign_order(_order(scene), COMMANDER))
    row = bundle_row(long)
    signature = COMMANDER.sign(signed_bytes(row)).signature.hex()
    desk.lay_down(canonical(honest | {"order": row, "signature": signature}))
    assert desk.answer() == "PASS -"
    assert "more than 24 hours" in desk.orders.refused[0]
