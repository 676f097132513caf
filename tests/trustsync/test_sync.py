"""An honest repository: what arrives, what is asked for, and who notices."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest
from trust_site import DAY, START, Site, digest, key

from trustsync.errors import NoListError
from trustsync.facts import STATE_NAME, StoreState, read_state
from trustsync.generation import directory_of, target_file
from trustsync.layout import KEYS_PATH
from trustsync.segments import segment_path
from trustsync.state import StateDatabase
from trustsync.store import open_store
from trustsync.sync import _ROLES
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.trust import HashKind, KeyStatus, ListState

KID_1, KID_2, TEST_KID = bytes([1]) * 8, bytes([2]) * 8, bytes([9]) * 8


def test_a_first_sync_installs_what_was_published_and_a_reader_sees_it(site: Site) -> None:
    """Keys, test KIDs, revocation and rules arrive as they were published, with the age of the list."""
    with pytest.raises(NoListError):
        open_store(site.store).current()

    result = site.sync(START)

    assert (result.changed, result.generation, result.signed_at) == (True, 1, START)
    assert len(result.fetched) == 5
    assert result.linked == ()
    snapshot = open_store(site.store).current()
    assert set(snapshot.trust.keys) == {KID_1, KID_2}
    assert snapshot.trust.candidates(KID_1) == (key(1).key,)
    assert snapshot.trust.test_kids == {TEST_KID}
    assert snapshot.trust.state(START + timedelta(hours=36)) is ListState.FRESH
    assert snapshot.bundles == (SIGNATURE_ONLY,)
    assert (snapshot.signed_at, snapshot.floor, snapshot.generation) == (START, START, 1)
    assert {name: (item.version, item.count) for name, item in snapshot.sets.items()} == {
        "trust": (1, 3),
        "revocation": (1, 23),
        "rules": (1, 1),
        "recognition": (1, 0),
        "software": (1, 0),
        "root": (1, 7),
    }
    assert snapshot.sets["revocation"].expires == START + 14 * DAY


def test_every_field_of_a_key_survives_the_way_into_the_store(site: Site) -> None:
    """What the list says about a key is what the verifier reads, field by field."""
    full = key(
        3,
        not_before=START - 365 * DAY,
        not_after=START + 365 * DAY,
        uses=frozenset("tv"),
        status=KeyStatus.WITHDRAWN,
        certificate=b"der",
        also_for=frozenset({"XA", "XB"}),
        source="gateway",
        lenient=True,
    )
    none_of_it = key(4, uses=frozenset())
    site.publisher.keys = [full, none_of_it]
    site.publisher.publish(START)

    site.sync(START)

    trust = open_store(site.store).current().trust
    assert trust.candidates(full.key.kid) == (full.key,)
    assert trust.candidates(none_of_it.key.kid) == (none_of_it.key,)


def test_revocation_is_looked_up_by_scope_and_kind(site: Site) -> None:
    """An entry counts for its own scope and hash kind only, and a large segment is mapped and found too."""
    many = [n.to_bytes(4, "big") * 4 for n in range(20_000)]
    site.publisher.revoked[KID_2, HashKind.UCI] = many
    site.publisher.publish(START)
    site.sync(START)

    revocation = open_store(site.store).current().trust.revocation

    assert revocation.holds(KID_1, HashKind.UCI, digest(7))
    assert not revocation.holds(KID_1, HashKind.UCI, digest(20))
    assert not revocation.holds(KID_1, HashKind.SIGNATURE, digest(7))
    assert not revocation.holds(KID_2, HashKind.SIGNATURE, digest(7))
    assert revocation.holds(KID_2, HashKind.SIGNATURE, digest(31))
    assert all(revocation.holds(KID_2, HashKind.UCI, entry) for entry in (many[0], many[9_999], many[-1]))
    assert revocation.gap(KID_1, START) is None


def test_a_revocation_role_past_its_expiry_is_a_gap(site: Site) -> None:
    """The answer "not revoked" is not relied on once the role's own signed period is over."""
    site.sync(START)
    revocation = open_store(site.store).current().trust.revocation

    assert revocation.gap(KID_1, START + 14 * DAY - timedelta(seconds=1)) is None
    assert "valid until 2021-12-12 10:00 UTC" in (revocation.gap(KID_1, START + 14 * DAY) or "")


def test_nothing_changed_costs_two_requests_and_moves_nothing(site: Site) -> None:
    """A nightly look is one for the next root and one for the timestamp, whose version is ours."""
    site.sync(START)
    before = site.facts()

    result = site.sync(START + timedelta(hours=1))

    assert site.server.asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert (result.changed, result.requests, result.fetched) == (False, 2, ())
    assert site.facts() == before


def test_a_new_timestamp_alone_makes_the_list_younger_without_a_new_generation(site: Site) -> None:
    """Confirmed content keeps its generation; an open reader sees the new age and the new floor."""
    site.sync(START)
    store = open_store(site.store)
    first = store.current()
    later = START + timedelta(hours=12)
    site.publisher.sign_timestamp(later)

    result = site.sync(later)

    assert (result.changed, result.generation, result.fetched) == (False, 1, ())
    second = store.current()
    assert (first.signed_at, second.signed_at, second.floor) == (START, later, later)
    assert second.trust.signed_at == later
    assert second.trust.keys == first.trust.keys


def test_an_open_reader_notices_a_new_generation_and_the_withdrawn_key(site: Site) -> None:
    """Withdrawing a key reaches a running verifier without a restart; the old snapshot stays as it was."""
    site.sync(START)
    store = open_store(site.store)
    old = store.current()
    assert store.current() is old
    site.publisher.keys[0] = key(1, status=KeyStatus.WITHDRAWN)
    site.publisher.publish(START + DAY)

    result = site.sync(START + DAY)

    assert (result.changed, result.generation, result.fetched) == (True, 2, (KEYS_PATH,))
    new = store.current()
    assert (old.generation, new.generation) == (1, 2)
    assert new.trust.candidates(KID_1)[0].status is KeyStatus.WITHDRAWN
    assert old.trust.candidates(KID_1)[0].status is KeyStatus.ACTIVE
    assert new.trust.revocation.holds(KID_1, HashKind.UCI, digest(7))


def test_unchanged_targets_are_linked_and_not_fetched_again(site: Site) -> None:
    """A night that adds one segment fetches the index and that segment; the rest are the same files."""
    site.sync(START)
    country = b"country:XV"
    site.publisher.revoked[country, HashKind.COUNTRYCODEUCI] = [digest(500)]
    site.publisher.publish(START + DAY)

    result = site.sync(START + DAY)

    added = segment_path(country, HashKind.COUNTRYCODEUCI)
    assert sorted(result.fetched) == sorted(["revocation/index.cbor", added])
    assert len(result.linked) == 4
    kept = segment_path(KID_1, HashKind.UCI)
    inodes = {target_file(directory_of(site.store, n), kept).stat().st_ino for n in (1, 2)}
    assert len(inodes) == 1
    assert (
        open_store(site.store).current().trust.revocation.holds(country, HashKind.COUNTRYCODEUCI, digest(500))
    )


def test_a_role_signed_again_over_the_same_targets_brings_its_new_expiry(site: Site) -> None:
    """The revocation role is signed anew each night; its expiry in force must follow, without a download."""
    site.sync(START)
    site.publisher.publish(START + 10 * DAY, resign=("revocation",))

    result = site.sync(START + 10 * DAY)

    assert (result.changed, result.fetched) == (True, ())
    revocation = open_store(site.store).current().trust.revocation
    assert revocation.gap(KID_1, START + 20 * DAY) is None


def test_two_generations_are_kept_and_older_ones_removed(site: Site) -> None:
    """The one in force and the one before stay on the card, and nothing else."""
    for day in range(4):
        site.publisher.keys.append(key(20 + day))
        site.publisher.publish(START + day * DAY)
        site.sync(START + day * DAY)

    assert sorted(p.name for p in (site.store / "generations").iterdir()) == ["000003", "000004"]
    assert not (site.store / "staging").exists()


def test_a_new_root_signed_by_the_old_one_is_followed_and_kept(site: Site) -> None:
    """The pinned root is walked forward to the newest one, once over the network and then from the store."""
    site.sync(START)
    site.publisher.rotate_timestamp_key(START + DAY)

    assert site.sync(START + DAY).fetched == ()
    assert site.server.asked[:2] == ["/metadata/2.root.json", "/metadata/3.root.json"]

    site.sync(START + DAY)
    assert site.server.asked == ["/metadata/3.root.json", "/metadata/timestamp.json"]


def test_a_clock_behind_the_floor_takes_the_floor_for_now(site: Site) -> None:
    """A unit that woke in 1970 still syncs, and its floor stays at the last signed time."""
    late = START + 10 * DAY
    site.publisher.publish(late, resign=("revocation",))
    site.sync(late)

    result = site.sync(START.replace(year=1970))

    assert (result.changed, result.signed_at) == (False, late)
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert state.floor == late


def test_the_state_is_durable_by_its_own_settings(site: Site) -> None:
    """The small database is in WAL form, written with FULL, whole, and holds metadata only: no list."""
    site.sync(START)

    with sqlite3.connect(site.store / STATE_NAME) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        roles = [row[0] for row in connection.execute("SELECT role FROM metadata ORDER BY role")]
    connection.close()
    with StateDatabase(site.store / STATE_NAME) as database:
        assert database.synchronous == 2
    assert set(roles) == {"root", "timestamp", "snapshot", "targets", *_ROLES}


def test_an_unchanged_store_is_not_read_again_once_its_files_have_settled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for a new list costs two stat calls a scan; just after a change it looks inside each time."""
    site.sync(START)
    store = open_store(site.store)
    looks = []

    def counted(path: Path) -> StoreState | None:
        looks.append(path)
        return read_state(path)

    monkeypatch.setattr("trustsync.store.read_state", counted)
    first = store.current()
    assert store.current() is first
    assert len(looks) == 2

    long_ago = time.time() - 60
    os.utime(site.store / STATE_NAME, (long_ago, long_ago))
    assert store.current() is first
    assert store.current() is first
    assert len(looks) == 3

    site.publisher.keys.append(key(3))
    site.publisher.publish(START + DAY)
    site.sync(START + DAY)
    assert store.current().generation == 2


def test_a_closed_store_leaves_its_snapshots_usable(site: Site) -> None:
    """A verification that runs while the store is closed ends undisturbed."""
    site.sync(START)
    store = open_store(site.store)
    snapshot = store.current()
    store.close()
    assert snapshot.trust.revocation.holds(KID_1, HashKind.UCI, digest(3))
    assert store.current().generation == 1
