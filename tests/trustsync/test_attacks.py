"""Attacks and faults that look at more than the table of attacks does: alarms, repairs, what errors say."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from trust_site import DAY, START, Site, key

from trustsync import client
from trustsync.errors import Alarm, RefusedError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, Slot, StoreState, read_state
from trustsync.layout import KEYS_PATH, REVOCATION_INDEX_PATH
from trustsync.segments import encode_index, segment_path
from trustsync.store import open_store
from trustsync.targets import MAX_KEYS, encode_keys
from verifier.trust import HashKind

LATER = START + DAY
KEYS_FILE = ".keys.cbor"  # the end of its hash-prefixed name


def state_of(site: Site) -> StoreState:
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    return state


def in_force(site: Site) -> Slot:
    active = state_of(site).active
    assert active is not None
    return active


def refused(site: Site, now: datetime, **changes: Any) -> RefusedError:
    """The refusal of a sync, after proof that the list in force did not move and the alarm is recorded."""
    before = site.facts()
    with pytest.raises(RefusedError) as caught:
        site.sync(now, **changes)
    assert site.facts() == before
    state = state_of(site)
    assert state.last_error == str(caught.value)
    assert caught.value.alarm in [alarm.code for alarm in state.alarms]
    assert not (site.store / "staging" / "generation" / "manifest.json").exists()
    return caught.value


def cut(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """Announces the whole file and sends half of it."""
    data = file.read_bytes()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])


def half(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """Sends half of the file as if that were all."""
    plain(handler, file.read_bytes()[: file.stat().st_size // 2])


def ten_times(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """Sends the file ten times over."""
    plain(handler, file.read_bytes() * 10)


def plain(handler: SimpleHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def wrongly_signed(site: Site, _kept: Path) -> Alarm:
    site.publisher.signers["trust"] = [CryptoSigner.generate_ed25519()]
    site.publisher.publish(LATER)
    return Alarm.SIGNATURE


def cut_short(site: Site, _kept: Path) -> Alarm:
    site.publisher.publish(LATER)
    site.server.faults[KEYS_FILE] = cut
    return Alarm.CUT_SHORT


def shortened(site: Site, _kept: Path) -> Alarm:
    site.publisher.publish(LATER)
    site.server.faults[KEYS_FILE] = half
    return Alarm.MISMATCH


def rolled_back(site: Site, kept: Path) -> Alarm:
    site.publisher.restore(kept)
    return Alarm.ROLLBACK


def emptied(site: Site, _kept: Path) -> Alarm:
    site.publisher.keys = []
    site.publisher.publish(LATER)
    return Alarm.CONTENT


def ten_times_as_long(site: Site, _kept: Path) -> Alarm:
    site.publisher.publish(LATER)
    site.server.faults[KEYS_FILE] = ten_times
    return Alarm.TOO_BIG


def ten_times_as_many(site: Site, _kept: Path) -> Alarm:
    one = key(1)
    site.publisher.override[KEYS_PATH] = encode_keys([one] * (MAX_KEYS + 1))
    site.publisher.publish(LATER)
    return Alarm.CONTENT


@pytest.mark.scenario("SC-K18")
@pytest.mark.parametrize(
    "attack",
    [wrongly_signed, cut_short, shortened, rolled_back, emptied, ten_times_as_long, ten_times_as_many],
)
def test_a_bad_list_is_refused_with_an_alarm_and_the_old_one_stays(
    site: Site, tmp_path: Path, attack: Callable[[Site, Path], Alarm]
) -> None:
    """A list with a wrong signature, cut short, going backwards, empty or too big is never half applied."""
    # Honest: version 1 is kept by the attacker, version 2 arrives here.
    site.publisher.copy(tmp_path / "kept")
    site.publisher.keys.append(key(3))
    site.publisher.publish(START + timedelta(hours=1))
    site.sync(START + timedelta(hours=1))
    reader = open_store(site.store)
    looked = reader.current()
    assert set(looked.trust.keys) == {bytes([n]) * 8 for n in (1, 2, 3)}

    site.publisher.keys.append(key(4))
    expected = attack(site, tmp_path / "kept")
    error = refused(site, LATER)

    assert error.alarm is expected
    assert "the list in force stays" in str(error)
    assert reader.current().trust.keys == looked.trust.keys
    assert reader.current().generation == looked.generation
    assert sorted(p.name for p in (site.store / "generations").iterdir()) == ["000001"]


def test_the_next_honest_list_clears_the_error_and_the_alarm(site: Site) -> None:
    """An alarm speaks of now: once an honest list arrived, last error and alarm are gone."""
    site.sync(START)
    site.publisher.keys = []
    site.publisher.publish(LATER)
    refused(site, LATER)

    site.publisher.keys = [key(5)]
    site.publisher.publish(LATER)
    site.sync(LATER)

    state = state_of(site)
    assert (state.last_error, state.alarms) == (None, ())
    assert set(open_store(site.store).current().trust.keys) == {bytes([5]) * 8}


def test_a_rollback_alarm_stays_until_a_higher_version_came(site: Site, tmp_path: Path) -> None:
    """The same honest list again does not end it: the attack may go on. A higher version does."""
    site.publisher.copy(tmp_path / "old")
    site.publisher.sign_timestamp(LATER)
    site.sync(LATER)
    site.publisher.copy(tmp_path / "new")
    site.publisher.restore(tmp_path / "old")
    refused(site, LATER)

    site.publisher.restore(tmp_path / "new")
    site.sync(LATER)
    assert [alarm.code for alarm in state_of(site).alarms] == [Alarm.ROLLBACK]
    assert state_of(site).last_error is None

    site.publisher.sign_timestamp(LATER + DAY)
    site.sync(LATER + DAY)
    assert state_of(site).alarms == ()


def test_a_refused_list_keeps_the_rollback_floor_that_came_with_it(site: Site, tmp_path: Path) -> None:
    """Metadata that were verified count although the data were not installed: no way back below them."""
    site.sync(START)
    site.publisher.copy(tmp_path / "old")
    site.publisher.keys = []
    site.publisher.publish(LATER)
    refused(site, LATER)
    assert state_of(site).floor == LATER

    site.publisher.restore(tmp_path / "old")

    assert refused(site, LATER).alarm is Alarm.ROLLBACK


def test_expired_metadata_are_not_revived_by_a_clock_in_1970(site: Site) -> None:
    """Once a signed time was seen, a wrong clock cannot make an expired role valid again."""
    site.sync(START)
    site.publisher.sign_timestamp(START + 15 * DAY)  # the revocation role is past its 14 days

    error = refused(site, START.replace(year=1970))

    assert error.alarm is Alarm.EXPIRED


def test_a_root_that_is_no_root_is_refused(site: Site) -> None:
    """Any other file in place of the root is named as what it is not."""
    with pytest.raises(RefusedError):
        site.sync(START, root=b"not json")
    with pytest.raises(RefusedError):
        site.sync(START, root=(site.publisher.directory / "metadata" / "timestamp.json").read_bytes())
    assert site.server.asked == []


def test_an_empty_index_is_a_list_on_which_nobody_is_revoked(site: Site) -> None:
    """Nothing revoked is a legal answer, unlike a list without keys."""
    site.publisher.revoked = {}
    site.publisher.override[REVOCATION_INDEX_PATH] = encode_index([])
    site.publisher.publish(LATER)

    site.sync(LATER)

    assert open_store(site.store).current().sets["revocation"].count == 0


@pytest.mark.parametrize(
    "file", ["generation.db", "targets/trust/keys.cbor", "targets/revocation/0101010101010101-0b.seg"]
)
def test_one_flipped_bit_is_found_at_open_and_healed_by_the_next_sync(site: Site, file: str) -> None:
    """A damaged list is never judged by; the sync fetches or builds anew what is damaged."""
    site.sync(START)
    assert open_store(site.store).current().generation == 1
    flip(site.store / "generations" / "000001" / file)

    with pytest.raises(StoreError, match="changed"):
        open_store(site.store).current()

    assert site.sync(START).changed
    healed = open_store(site.store).current()
    assert healed.generation == 2
    assert set(healed.trust.keys) == {bytes([1]) * 8, bytes([2]) * 8}


def test_a_changed_manifest_is_found_at_open_and_healed(site: Site) -> None:
    """The manifest is held against the digest that the state database knows."""
    site.sync(START)
    flip(site.store / "generations" / "000001" / "manifest.json")

    with pytest.raises(StoreError):
        open_store(site.store).current()
    assert site.sync(START).generation == 2
    assert open_store(site.store).current().generation == 2


def test_a_missing_segment_is_a_gap_for_its_scope_alone(site: Site) -> None:
    """Losing a segment costs the answer for its keys; the rest of the list stays in use."""
    site.sync(START)
    (site.store / "generations/000001/targets" / segment_path(bytes([1]) * 8, HashKind.UCI)).unlink()

    revocation = open_store(site.store).current().trust.revocation

    assert "missing" in (revocation.gap(bytes([1]) * 8, START) or "")
    assert revocation.gap(bytes([2]) * 8, START) is None


def test_a_missing_file_of_the_list_itself_is_a_damaged_store(site: Site) -> None:
    """Only a segment may be missing; without its keys there is no list."""
    site.sync(START)
    (site.store / "generations" / "000001" / "generation.db").unlink()
    with pytest.raises(StoreError, match="missing"):
        open_store(site.store).current()

    shutil.rmtree(site.store / "generations" / "000001")
    with pytest.raises(StoreError):
        open_store(site.store).current()


def test_a_state_database_that_is_none_is_made_anew_with_its_rollback_floor(
    site: Site, tmp_path: Path
) -> None:
    """Garbage in place of the database is OUT for the reader, and the next sync knows all floors again."""
    site.publisher.copy(tmp_path / "old")
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)
    site.sync(LATER)
    (site.store / STATE_NAME).write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match=r"state\.db"):
        open_store(site.store).current()

    site.publisher.restore(tmp_path / "old")
    with pytest.raises(RefusedError) as caught:
        site.sync(LATER)

    assert caught.value.alarm is Alarm.ROLLBACK
    assert (state_of(site).floor, in_force(site).number) == (LATER, 1)
    assert set(open_store(site.store).current().trust.keys) == {bytes([n]) * 8 for n in (1, 2, 3)}
    assert [done.what for done in state_of(site).operations] == ["state database made anew"]
    assert (site.store / f"{STATE_NAME}.damaged").read_bytes().startswith(b"garbage")


def test_a_library_that_ignores_our_clock_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-tuf has no public way to be given the time; if the private one fails, nothing is fetched."""
    site.sync(START)
    before = site.facts()
    site.server.asked.clear()

    class Deaf(client.Updater):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            trusted = self._trusted_set
            trusted.update_timestamp = lambda data: None

    monkeypatch.setattr(client, "Updater", Deaf)
    with pytest.raises(StoreError, match="version of tuf"):
        site.sync(LATER)
    assert site.server.asked == []

    class Renamed(client.Updater.__base__):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            del self._trusted_set.reference_time

    monkeypatch.setattr(client, "Updater", Renamed)
    with pytest.raises(StoreError, match="version of tuf"):
        site.sync(LATER)
    assert site.server.asked == []
    assert site.facts() == before


def test_a_full_card_leaves_the_old_list_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space is an error in words; the list in force stays and the next sync starts clean."""
    site.sync(START)
    before = site.facts()
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)

    def full(*_args: Any, **_facts: Any) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as card:
        card.setattr("trustsync.generation.finish", full)
        with pytest.raises(StoreError, match="No space left"):
            site.sync(LATER)

    assert site.facts() == before
    assert "No space left" in (state_of(site).last_error or "")
    assert site.sync(LATER).generation == 2


def test_every_error_tells_what_stays_in_force(site: Site) -> None:
    """A message is no stack of library words: it ends with what it means and what to do."""
    with pytest.raises(TrustSyncError) as caught:
        site.sync(START, url="http://127.0.0.1:9")
    assert "the list in force stays" in str(caught.value)
    assert "try again" in str(caught.value)


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file, in place, as a bad card does."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def test_a_locked_state_database_is_an_error_in_words(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that a stranger holds makes the sync fail, not hang for ever and not half write."""
    site.sync(START)
    before = site.facts()
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **(k | {"timeout": 0.2})))
    stranger = real(site.store / STATE_NAME)
    stranger.execute("BEGIN IMMEDIATE")
    site.publisher.sign_timestamp(LATER)
    try:
        with pytest.raises(StoreError, match="locked"):
            site.sync(LATER)
    finally:
        stranger.close()
    assert site.facts() == before
