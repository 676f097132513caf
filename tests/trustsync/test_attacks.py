"""Attacks and faults as stories: an honest sync, a look, the attack, proof that nothing moved."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from trust_site import DAY, START, Publisher, Site, key

from trustsync import client
from trustsync.errors import Alarm, FetchError, NoListError, RefusedError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, Slot, StoreState, read_state
from trustsync.fetcher import Limits
from trustsync.layout import KEYS_PATH, MAX_DOCUMENT, REVOCATION_INDEX_PATH, RULES_PATH
from trustsync.segments import encode_index, segment_path
from trustsync.store import open_store
from trustsync.targets import MAX_KEYS, encode_keys
from verifier.trust import HashKind, KeyStatus

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


def test_pitfall_17_what_was_withdrawn_does_not_come_back_with_an_older_list(
    site: Site, tmp_path: Path
) -> None:
    """A key that was withdrawn stays so when the list of the day before is offered again."""
    site.sync(START)
    site.publisher.copy(tmp_path / "yesterday")
    before = site.publisher.keys[0]
    withdrawn = replace(before, key=replace(before.key, status=KeyStatus.WITHDRAWN))
    site.publisher.keys[0] = withdrawn
    site.publisher.publish(LATER)
    site.sync(LATER)

    site.publisher.restore(tmp_path / "yesterday")
    refused(site, LATER)

    (held,) = open_store(site.store).current().trust.candidates(before.key.kid)
    assert held.status is KeyStatus.WITHDRAWN


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


def test_a_fresh_timestamp_over_withheld_data_does_not_make_the_old_list_young(site: Site) -> None:
    """Who passes timestamps on and holds the lists back must not keep the old list green for ever."""
    site.sync(START)
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)
    site.server.faults[KEYS_FILE] = lambda handler, _file: handler.send_error(503)

    with pytest.raises(FetchError, match="503"):
        site.sync(LATER)

    snapshot = open_store(site.store).current()
    assert (snapshot.signed_at, snapshot.floor) == (START, LATER)


def test_an_expired_timestamp_is_refused_and_the_floor_does_not_go_back(site: Site) -> None:
    """A frozen repository is noticed after three days, and time stays where the last signature put it."""
    site.sync(START)

    error = refused(site, START + 3 * DAY)

    assert error.alarm is Alarm.EXPIRED
    assert (state_of(site).floor, in_force(site).signed_at) == (START, START)


def test_expired_metadata_are_not_revived_by_a_clock_in_1970(site: Site) -> None:
    """Once a signed time was seen, a wrong clock cannot make an expired role valid again."""
    site.sync(START)
    site.publisher.sign_timestamp(START + 15 * DAY)  # the revocation role is past its 14 days

    error = refused(site, START.replace(year=1970))

    assert error.alarm is Alarm.EXPIRED


def test_a_back_dated_timestamp_does_not_move_the_floor_back(site: Site) -> None:
    """The floor only rises: a later version with an earlier instant makes the list older, not the day."""
    late = START + 10 * DAY
    site.publisher.publish(late, resign=("revocation",))
    site.sync(late)
    site.publisher.sign_timestamp(late - DAY)

    site.sync(late)
    assert (state_of(site).floor, in_force(site).signed_at) == (late, late - DAY)

    site.publisher.sign_timestamp(START + DAY)  # expired long before the floor, whatever the clock says
    assert refused(site, START.replace(year=1970)).alarm is Alarm.EXPIRED
    assert state_of(site).floor == late


def test_a_timestamp_that_does_not_say_when_it_was_signed_is_refused(site: Site) -> None:
    """Without a signed instant the age of the list is unknown, and unknown is not fresh."""
    site.sync(START)
    for fields in ({}, {"x-signed-at": "yesterday"}, {"x-signed-at": "2021-11-29T10:00:00"}):
        site.publisher.sign_timestamp(LATER, fields)
        assert refused(site, LATER).alarm is Alarm.CONTENT

    site.publisher.sign_timestamp(LATER, {"x-signed-at": "2022-11-29T10:00:00Z"})
    assert refused(site, LATER).alarm is Alarm.CONTENT
    assert state_of(site).floor == START


def test_a_wrong_root_is_refused_on_a_new_unit_and_leaves_nothing_behind(site: Site, tmp_path: Path) -> None:
    """What the pinned root does not vouch for installs nothing, and the right root still works after it."""
    stranger = Publisher(tmp_path / "stranger")
    stranger.publish(START)

    with pytest.raises(RefusedError) as caught:
        site.sync(START, root=stranger.root)

    assert caught.value.alarm is Alarm.SIGNATURE
    assert state_of(site).floor is None
    with pytest.raises(NoListError):
        open_store(site.store).current()
    assert site.sync(START).generation == 1


def test_another_root_on_a_running_unit_is_refused_before_anything_is_asked(
    site: Site, tmp_path: Path
) -> None:
    """A store is bound to the root it was built on; another needs an empty store."""
    site.sync(START)
    stranger = Publisher(tmp_path / "stranger")
    stranger.publish(START)

    error = refused(site, LATER, root=stranger.root)

    assert error.alarm is Alarm.ANCHOR
    assert site.server.asked == []


def test_a_root_that_is_no_root_is_refused(site: Site) -> None:
    """Any other file in place of the root is named as what it is not."""
    with pytest.raises(RefusedError):
        site.sync(START, root=b"not json")
    with pytest.raises(RefusedError):
        site.sync(START, root=(site.publisher.directory / "metadata" / "timestamp.json").read_bytes())
    assert site.server.asked == []


def test_a_target_larger_than_we_ever_install_is_not_even_asked_for(site: Site) -> None:
    """A signed length beyond the limit is refused before the first byte of it is on the card."""
    site.sync(START)
    site.publisher.keys.append(key(3))
    site.publisher.lengths[KEYS_PATH] = MAX_DOCUMENT + 1
    site.publisher.publish(LATER)

    assert refused(site, LATER).alarm is Alarm.TOO_BIG
    assert not [path for path in site.server.asked if path.endswith(KEYS_FILE)]


def test_endless_metadata_are_cut_off(site: Site) -> None:
    """A timestamp that never ends is left after its limit, not when memory is full."""
    site.sync(START)
    sent = 0

    def endless(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 50_000_000:
                handler.wfile.write(b" " * 65_536)
                sent += 65_536
        except OSError:
            return

    site.server.faults["timestamp.json"] = endless

    assert refused(site, LATER).alarm is Alarm.TOO_BIG
    assert sent < 50_000_000


def test_a_segment_that_the_index_does_not_count_right_is_refused(site: Site) -> None:
    """Index and segments must fit each other to the byte and be sorted, or none of them is installed."""
    site.sync(START)
    place = (bytes([1]) * 8, HashKind.UCI)
    path = segment_path(*place)
    for wrong in (b"\x00" * 8 * 20, bytes(range(8)) * 2, b"", b"\x01" * 7):
        site.publisher.override[path] = wrong
        site.publisher.publish(LATER)
        assert refused(site, LATER).alarm is Alarm.CONTENT


def test_a_segment_that_the_index_names_and_nobody_signs_is_refused(site: Site) -> None:
    """Every segment of the index must be a target of the role; a missing one is not "nothing revoked"."""
    site.sync(START)
    index = (site.store / "generations/000001/targets" / REVOCATION_INDEX_PATH).read_bytes()
    del site.publisher.revoked[bytes([1]) * 8, HashKind.UCI]
    site.publisher.override[REVOCATION_INDEX_PATH] = index
    site.publisher.publish(LATER)

    assert segment_path(bytes([1]) * 8, HashKind.UCI) in str(refused(site, LATER))


def test_a_role_cannot_speak_for_the_paths_of_another(site: Site) -> None:
    """The rules role signing a list of keys changes nothing: its delegation is bound to ``rules/*``."""
    site.sync(START)
    forged = encode_keys([key(66)])
    site.publisher.smuggle("rules", KEYS_PATH, forged)
    site.publisher.publish(LATER)

    site.sync(LATER)

    assert bytes([66]) * 8 not in open_store(site.store).current().trust.keys


def test_rules_that_this_release_cannot_judge_by_are_refused(site: Site) -> None:
    """A bundle that will not load is named at import, not at the first scan."""
    site.sync(START)
    asks_more = {"v": 1, "bundles": [{"name": "x", "version": "1.0.0", "asks": "everything"}]}
    site.publisher.override[RULES_PATH] = json.dumps(
        asks_more, sort_keys=True, separators=(",", ":")
    ).encode()
    site.publisher.publish(LATER)

    assert "bundles[0].asks" in str(refused(site, LATER))


def test_an_empty_index_is_a_list_on_which_nobody_is_revoked(site: Site) -> None:
    """Nothing revoked is a legal answer, unlike a list without keys."""
    site.publisher.revoked = {}
    site.publisher.override[REVOCATION_INDEX_PATH] = encode_index([])
    site.publisher.publish(LATER)

    site.sync(LATER)

    assert open_store(site.store).current().sets["revocation"].count == 0


def test_a_redirect_is_not_followed(site: Site) -> None:
    """Where the list comes from is the configuration's word, not the server's."""
    site.sync(START)
    before = site.facts()

    def redirect(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{site.server.url}/metadata/elsewhere.json")
        handler.end_headers()

    site.server.faults["timestamp.json"] = redirect
    with pytest.raises(FetchError, match="redirect"):
        site.sync(LATER)

    assert not [path for path in site.server.asked if "elsewhere" in path]
    assert site.facts() == before
    assert "redirect" in (state_of(site).last_error or "")


def test_a_compressed_body_is_refused_unread(site: Site) -> None:
    """Only identity encoding is taken, so no body grows in our hands."""
    site.sync(START)
    before = site.facts()

    def gzipped(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()

    site.server.faults["timestamp.json"] = gzipped
    with pytest.raises(FetchError, match="encoding"):
        site.sync(LATER)
    assert site.facts() == before


def dribbled_body(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """The right timestamp, byte after byte, a tenth of a second apart."""
    data = file.read_bytes()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    dribble(handler, data)


def dribbled_header(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
    """A header line that never ends."""
    dribble(handler, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 400)


def dribble(handler: SimpleHTTPRequestHandler, data: bytes) -> None:
    try:
        for at in range(len(data)):
            handler.wfile.write(data[at : at + 1])
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        return


def silent(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
    """Nothing at all, for longer than anybody waits here."""
    time.sleep(3)


@pytest.mark.parametrize(
    ("fault", "limits"),
    [
        (dribbled_body, Limits(total=20, gap=5, rate=512, grace=0.5)),
        (dribbled_header, Limits(total=20, gap=5, rate=512, grace=0.5)),
        (dribbled_body, Limits(total=0.7, gap=5, rate=1, grace=10)),
        (silent, Limits(total=20, gap=0.5, rate=1, grace=10)),
    ],
    ids=["body below the rate", "header below the rate", "budget used up", "gap without a byte"],
)
def test_a_server_that_only_keeps_us_waiting_is_left(
    site: Site, fault: Callable[[SimpleHTTPRequestHandler, Path], None], limits: Limits
) -> None:
    """A slow-loris is refused by rate, budget or gap, long before its answer would be complete."""
    site.sync(START)
    before = site.facts()
    site.publisher.sign_timestamp(LATER)
    site.server.faults["timestamp.json"] = fault
    began = time.monotonic()

    with pytest.raises(FetchError):
        site.sync(LATER, limits=limits)

    assert time.monotonic() - began < 2.5
    assert site.facts() == before
    assert state_of(site).alarms == ()


def test_an_unreachable_server_is_weather_and_no_alarm(site: Site) -> None:
    """No network is written down as the last error, in words, and alarms nobody."""
    site.sync(START)
    before = site.facts()

    with pytest.raises(FetchError, match="Look at the network"):
        site.sync(LATER, url="http://127.0.0.1:9/")

    assert site.facts() == before
    assert state_of(site).last_error
    assert state_of(site).alarms == ()


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://127.0.0.1/x", "http://user:opensesame@127.0.0.1/", "x"]
)
def test_only_plain_http_and_https_addresses_are_fetched(site: Site, url: str) -> None:
    """No other scheme, and no password in an address that ends up in a log."""
    with pytest.raises(FetchError) as caught:
        site.sync(START, url=url)
    assert "opensesame" not in str(caught.value)
    assert "opensesame" not in (state_of(site).last_error or "")


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
