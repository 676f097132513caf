"""Which rules may follow which: on paper, and on a unit that syncs from a real repository."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_site import DAY, START, Site, key

from trustsync.errors import Alarm, RefusedError, StoreError
from trustsync.facts import STATE_NAME, read_state
from trustsync.generation import directory_of
from trustsync.rule_floors import RuleFloor, read_floors, write_floors
from trustsync.seed import write_seed
from trustsync.store import open_store
from trustsync.succession import Succession, SuccessionError
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle, in_force, numbers

LATER = START + 30 * DAY


def rules(version: str, begins: datetime = START - DAY, **facts: object) -> RuleBundle:
    """A version of one bundle."""
    return replace(SIGNATURE_ONLY, name="entry", version=version, valid_from=begins, **facts)  # type: ignore[arg-type]


def follows(before: Sequence[Sequence[RuleBundle]], *then: RuleBundle, now: datetime = START) -> str:
    """What comes of these rules after those: what is remembered of the name, or why they are refused."""
    floors: dict[str, RuleFloor] = {}
    held: Sequence[RuleBundle] = ()
    for bundles in before:
        succession = Succession(floors, START, held)
        succession.check(bundles)
        floors, held = succession.after(bundles), bundles
    succession = Succession(floors, now, held)
    try:
        succession.check(then)
    except SuccessionError as error:
        return f"refused ({'older' if error.older else 'wrong'}): {error}"
    floor = succession.after(then)["entry"]
    return f"{floor.version} {floor.taken_back}".strip()


BACK = rules("1.0.1", replaces="2.0.0")  # signed as a roll-back
BOTH = [rules("1.0.0"), rules("2.0.0")]

SUCCESSIONS = {
    "the first rules of all": ([], [rules("1.0.0")], "1.0.0"),
    "the same again": ([[rules("1.0.0")]], [rules("1.0.0")], "1.0.0"),
    "a higher version": ([[rules("1.0.0")]], [rules("1.0.1")], "1.0.1"),
    "versions are numbers": ([[rules("1.9.0")]], [rules("1.10.0")], "1.10.0"),
    "an older version": ([[rules("2.0.0")]], [rules("1.0.0")], "refused (older)"),
    "an older version as letters would have it": ([[rules("1.10.0")]], [rules("1.9.0")], "refused (older)"),
    "an older version beside the newest": ([[rules("2.0.0")]], BOTH, "2.0.0"),
    "an older version beside one that only waits": (
        [[rules("2.0.0")]],
        [rules("1.0.0"), rules("3.0.0", LATER)],
        "refused (older)",
    ),
    "the newest beside one that waits": (
        [[rules("2.0.0")]],
        [rules("2.0.0"), rules("3.0.0", LATER)],
        "2.0.0",
    ),
    "an older version beside the newest, which now waits": (
        [[rules("2.0.0")]],
        [rules("1.0.0"), rules("2.0.0", LATER)],
        "refused (older)",
    ),
    "the newest alone, which now waits": ([[rules("2.0.0")]], [rules("2.0.0", LATER)], "2.0.0"),
    "a version that waited is called off": (
        [[rules("1.0.0"), rules("2.0.0", LATER)]],
        [rules("1.0.0")],
        "1.0.0",
    ),
    "a version that waited is exchanged for a lower one": (
        [[rules("1.0.0"), rules("2.0.0", LATER)]],
        [rules("1.0.0"), rules("1.5.0", LATER)],
        "1.0.0",
    ),
    "an older version after the name was gone": ([[rules("2.0.0")], []], [rules("1.0.0")], "refused (older)"),
    "a roll-back that names what it takes back": ([[rules("2.0.0")]], [BACK], "1.0.1 2.0.0"),
    "a roll-back to the very version of before": (
        [[rules("1.0.0")], [rules("2.0.0")]],
        [rules("1.0.0", replaces="2.0.0")],
        "1.0.0 2.0.0",
    ),
    "a roll-back that names another version": (
        [[rules("2.0.1")]],
        [BACK],
        "refused (older)",
    ),
    "a roll-back where what it takes back never was": ([[rules("1.0.0")]], [BACK], "1.0.1 2.0.0"),
    "a roll-back that waits, and again": (
        [[rules("2.0.0")], [rules("1.0.1", LATER, replaces="2.0.0")]],
        [rules("1.0.1", LATER, replaces="2.0.0")],
        "1.0.1 2.0.0",
    ),
    "a roll-back that waits, and until then an older one that says nothing": (
        [[rules("2.0.0")]],
        [rules("1.0.0"), rules("1.0.1", LATER, replaces="2.0.0")],
        "refused (older)",
    ),
    "the roll-back again": ([[rules("2.0.0")], [BACK]], [BACK], "1.0.1 2.0.0"),
    "what was taken back": ([[rules("2.0.0")], [BACK]], [rules("2.0.0")], "refused (older)"),
    "what was taken back, beside what took it back": (
        [[rules("2.0.0")], [BACK]],
        [BACK, rules("2.0.0")],
        "refused (wrong)",
    ),
    "between the two": ([[rules("2.0.0")], [BACK]], [rules("1.5.0")], "refused (older)"),
    "a higher number than what was taken back": ([[rules("2.0.0")], [BACK]], [rules("2.0.1")], "2.0.1"),
    "a roll-back of the roll-back": (
        [[rules("2.0.0")], [BACK]],
        [rules("1.0.0", replaces="1.0.1")],
        "1.0.0 2.0.0",
    ),
    "a word of replacing where nothing is taken back": (
        [[rules("1.0.0")]],
        [rules("2.0.0", replaces="1.0.0")],
        "2.0.0",
    ),
    "an order of a post": ([], [rules("1.0.0", post="moc-bai")], "refused (wrong)"),
}


@pytest.mark.parametrize(("before", "then", "expected"), SUCCESSIONS.values(), ids=list(SUCCESSIONS))
def test_what_may_follow(
    before: Sequence[Sequence[RuleBundle]], then: Sequence[RuleBundle], expected: str
) -> None:
    """Below what was in force nothing counts, but a roll-back that names it."""
    found = follows(before, *then)
    assert found.startswith(expected) if expected.startswith("refused") else found == expected


def test_a_version_that_waited_counts_from_its_instant_on() -> None:
    """Delivered is not in force: until then it may be called off, after that it may not."""
    delivered = [rules("1.0.0"), rules("2.0.0", LATER)]
    assert follows([delivered], rules("1.0.0"), now=LATER - timedelta(seconds=1)) == "1.0.0"
    assert follows([delivered], rules("1.0.0"), now=LATER).startswith("refused (older)")


def test_other_names_are_other_rules() -> None:
    """A new rule set may begin with any version, whatever the others have."""
    succession = Succession({"exit": RuleFloor("9.0.0")}, START)
    succession.check([rules("1.0.0")])
    assert succession.after([rules("1.0.0")]) == {"exit": RuleFloor("9.0.0"), "entry": RuleFloor("1.0.0")}


def test_what_is_remembered_can_be_written_down() -> None:
    """The JSON of the state database gives back what went in."""
    floors = {"entry": RuleFloor("1.0.1", "2.0.0"), "exit": RuleFloor("", "3.0.0")}
    assert read_floors(json.loads(json.dumps(write_floors(floors)))) == floors


VERSIONS = [f"1.{minor}.0" for minor in range(5)]
DOCUMENTS = st.dictionaries(
    st.sampled_from(VERSIONS),
    st.tuples(st.integers(-2, 6), st.sampled_from(["", *VERSIONS])),
    min_size=1,
    max_size=3,
).map(
    lambda rows: [
        rules(version, START + days * DAY, replaces=replaces) for version, (days, replaces) in rows.items()
    ]
)


@given(offers=st.lists(DOCUMENTS, min_size=1, max_size=8))
def test_whoever_is_judged_by_a_lower_version_than_before_is_told_so(offers: list[list[RuleBundle]]) -> None:
    """Whatever is published, in whatever order: a version in force never goes down unless a bundle that was
    accepted named it as replaced. And the rules of before are accepted again on every later day.
    """
    floors: dict[str, RuleFloor] = {}
    held: list[RuleBundle] = []
    judged, replaced = "", set[str]()
    for day, offered in enumerate(offers):
        now = START + day * DAY
        succession = Succession(floors, now, held)
        succession.check(held)
        before = in_force(held, now)  # what waited may have begun since
        judged = before.version if before else judged
        try:
            succession.check(offered)
        except SuccessionError:
            continue
        floors, held = succession.after(offered), offered
        replaced |= {bundle.replaces for bundle in held}
        found = in_force(held, now)
        if found is not None:
            assert not judged or numbers(found.version) >= numbers(judged) or judged in replaced
            judged = found.version


# --- On a unit ----------------------------------------------------------------------------------------------


def in_force_on(site: Site) -> set[tuple[str, str]]:
    """Names and versions of the bundles that a reader of the store finds."""
    return {(b.name, b.version) for b in open_store(site.store).current().bundles}


def publish(site: Site, now: datetime, *bundles: RuleBundle) -> None:
    """The publisher says these rules from now on."""
    site.publisher.bundles = list(bundles)
    site.publisher.publish(now)


def refused(site: Site, now: datetime, alarm: Alarm = Alarm.ROLLBACK) -> str:
    """A sync that is refused whole, and leaves what was in force; its words."""
    before = site.facts(), in_force_on(site)
    with pytest.raises(RefusedError) as caught:
        site.sync(now)
    assert caught.value.alarm is alarm
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert alarm in {each.code for each in state.alarms}
    assert (site.facts(), in_force_on(site)) == before
    return str(caught.value)


def test_an_older_version_is_refused_with_everything_that_came_with_it(site: Site) -> None:
    """The list in force stays: no key of the refused list is taken, and the alarm says what to write."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    site.publisher.keys.append(key(3))
    publish(site, START + DAY, rules("1.0.0"))
    said = refused(site, START + DAY)
    assert "rules/bundles.json: entry 1.0.0" in said
    assert '"replaces": "2.0.0"' in said
    publish(site, START + 2 * DAY, rules("2.0.0"))
    assert site.sync(START + 2 * DAY).changed
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert state.alarms == ()


def test_a_name_that_was_gone_comes_back_no_lower(site: Site) -> None:
    """What is remembered survives the removal, a restart, and lists that speak of something else."""
    publish(site, START, rules("2.0.0"), SIGNATURE_ONLY)
    site.sync(START)
    publish(site, START + DAY, SIGNATURE_ONLY)
    site.sync(START + DAY)
    site.publisher.keys.append(key(3))
    publish(site, START + 2 * DAY, SIGNATURE_ONLY)
    site.sync(START + 2 * DAY)
    publish(site, START + 3 * DAY, SIGNATURE_ONLY, rules("1.9.9"))
    refused(site, START + 3 * DAY)


def test_a_signed_roll_back_is_taken_and_what_it_takes_back_stays_away(site: Site) -> None:
    """It names exactly what was in force; after it only a higher number than that comes."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    publish(site, START + DAY, rules("1.0.1", replaces="2.0.0"))
    site.sync(START + DAY)
    assert in_force_on(site) == {("entry", "1.0.1")}
    publish(site, START + 2 * DAY, rules("2.0.0"))
    refused(site, START + 2 * DAY)
    publish(site, START + 3 * DAY, rules("2.0.1"))
    site.sync(START + 3 * DAY)
    assert in_force_on(site) == {("entry", "2.0.1")}


def test_rules_that_began_while_nobody_synced_count(site: Site) -> None:
    """A version that was delivered asleep and has begun since is no more called off than any other."""
    publish(site, START, rules("1.0.0"), rules("2.0.0", START + 2 * DAY))
    site.sync(START)
    publish(site, START + DAY, rules("1.0.0"))
    site.sync(START + DAY)  # called off in time
    publish(site, START + DAY, rules("1.0.0"), rules("2.0.0", START + 2 * DAY))
    site.sync(START + DAY)
    publish(site, START + 3 * DAY, rules("1.0.0"))
    refused(site, START + 3 * DAY)


def test_a_clock_that_lags_does_not_take_back_what_signed_time_says(site: Site) -> None:
    """Begun is what has begun at the signed instant of the list, whatever the unit's own clock reads."""
    publish(site, START, rules("1.0.0"), rules("2.0.0", START + 2 * DAY))
    site.sync(START)
    publish(site, START + 3 * DAY, rules("1.0.0"))
    refused(site, START + DAY)


def test_what_the_image_judged_by_is_remembered_too(site: Site, tmp_path: Path) -> None:
    """A new unit judges by the list of its image until its first sync; its rules do not get older then."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    seed = tmp_path / "seed"
    write_seed(site.store, seed, START)
    shutil.rmtree(site.store)
    publish(site, START + DAY, rules("1.0.0"))
    with pytest.raises(RefusedError) as caught:
        site.sync(START + DAY, seed=seed)
    assert caught.value.alarm is Alarm.ROLLBACK


def test_a_lost_state_is_made_anew_with_the_rules_in_force(site: Site) -> None:
    """The generation on the card says what was in force, also where nothing else remembers it."""
    publish(site, START, rules("1.0.1", replaces="2.0.0"))
    site.sync(START)
    (site.store / STATE_NAME).write_bytes(b"damage")
    publish(site, START + DAY, rules("1.0.0"))
    with pytest.raises(RefusedError, match=r"1\.0\.1 was in force"):
        site.sync(START + DAY)
    publish(site, START + 2 * DAY, rules("2.0.0"))
    refused(site, START + 2 * DAY)
    assert in_force_on(site) == {("entry", "1.0.1")}


def test_rules_on_the_card_that_are_damaged_set_no_floor(site: Site) -> None:
    """A flipped bit must not make a version of which nobody has heard the one below which all is refused."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    file = directory_of(site.store, 1) / "targets" / "rules" / "bundles.json"
    file.write_bytes(file.read_bytes().replace(b"2.0.0", b"9.0.0"))
    publish(site, START + DAY, rules("2.0.1"))
    site.sync(START + DAY)
    assert in_force_on(site) == {("entry", "2.0.1")}


def test_what_is_remembered_is_sealed(site: Site) -> None:
    """A bit that flips in it is damage, as in every other floor."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    with sqlite3.connect(site.store / STATE_NAME) as connection:
        (said,) = connection.execute("SELECT rule_floors FROM state").fetchone()
        assert json.loads(said) == {"entry": ["2.0.0", ""]}
        connection.execute("UPDATE state SET rule_floors = ?", [said.replace("2.0.0", "0.0.0")])
    connection.close()
    with pytest.raises(StoreError, match="cannot be read"):
        read_state(site.store / STATE_NAME)


@pytest.mark.parametrize(
    "said",
    ["[]", "5", "null", '{"a":1}', '{"a":["1.0.0"]}', '{"a":["x",""]}', '{"a":[null,""]}', "no", "[" * 9000],
)
def test_what_is_remembered_and_cannot_be_right_is_a_store_that_cannot_be_read(site: Site, said: str) -> None:
    """Also where nothing is sealed: the store is said to be at fault, and not the unit."""
    site.sync(START)
    with sqlite3.connect(site.store / STATE_NAME) as connection:
        connection.execute("UPDATE state SET rule_floors = ?, seal = NULL", [said])
    connection.close()
    with pytest.raises(StoreError, match="cannot be read"):
        read_state(site.store / STATE_NAME)


def test_a_store_of_the_release_before_remembers_from_its_list_in_force(site: Site) -> None:
    """It has no column for versions; the rules that it judges by are the first that it knows."""
    publish(site, START, rules("2.0.0"))
    site.sync(START)
    with sqlite3.connect(site.store / STATE_NAME) as connection:
        connection.execute("UPDATE state SET seal = NULL, rule_floors = NULL")
        connection.execute("ALTER TABLE state DROP COLUMN rule_floors")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    assert in_force_on(site) == {("entry", "2.0.0")}
    publish(site, START + DAY, rules("1.0.0"))
    refused(site, START + DAY)


def test_an_order_of_a_post_is_not_published(site: Site) -> None:
    """It would be asked nowhere; whoever published it believes something else."""
    site.sync(START)
    publish(site, START + DAY, rules("1.0.0", post="moc-bai"))
    assert "signed with the post's key" in refused(site, START + DAY, Alarm.CONTENT)
