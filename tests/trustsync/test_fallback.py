"""A card that loses bytes: what stands in, what is said, and how the next sync mends it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from trust_site import DAY, START, Site, authority, key

from trustsync import generation
from trustsync.cli import main
from trustsync.errors import Alarm, NoListError, StoreError
from trustsync.facts import STATE_NAME, read_state
from trustsync.layout import KEYS_PATH
from trustsync.seed import SEED_NAME, read_seed, write_seed
from trustsync.status import read_status
from trustsync.store import Origin, open_store
from verifier.clocks import Reading
from verifier.trust import KeyStatus

LATER = START + DAY


def flip(path: Path, bit: int) -> None:
    """Change one bit of a file where it lies, as a bad cell does: time of change and size stay."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def two_nights(site: Site) -> Path:
    """Two generations; the directory of the one in force."""
    site.sync(START)
    site.publisher.keys.append(key(3))
    site.publisher.publish(LATER)
    site.sync(LATER)
    return generation.directory_of(site.store, 2)


def test_a_damaged_list_is_stood_in_for_by_the_one_before_it_and_said(site: Site) -> None:
    """The generation before is whole, older, and says so; the alarm names the damage; a sync mends it."""
    flip(two_nights(site) / generation.DATABASE, 9001)

    held = open_store(site.store).current()
    assert (held.origin, held.generation, held.signed_at) == (Origin.PREVIOUS, 1, START)
    assert held.floor == LATER
    assert "generation.db is changed" in (held.fault or "")
    assert bytes([3]) * 8 not in held.trust.keys
    status = read_status(site.store, LATER, clock=Reading(LATER))
    assert (status.state, status.origin) == ("FRESH", Origin.PREVIOUS)
    assert [alarm.code for alarm in status.alarms] == [Alarm.CORRUPT]

    site.sync(LATER)
    mended = open_store(site.store).current()
    assert (mended.origin, mended.generation, mended.fault) == (Origin.ACTIVE, 3, None)
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert state.previous is not None
    assert state.previous.number == 1  # what was damaged stands in for nothing


def test_pitfall_17_a_key_that_was_withdrawn_stays_so_when_an_older_list_stands_in(site: Site) -> None:
    """Damage must not give a stolen key back: neither the list before nor the seed knows of the theft."""
    site.publisher.authorities = [authority(5)]
    site.publisher.publish(START)
    site.sync(START)
    write_seed(site.store, site.store.parent / "seed", START)
    stolen = site.publisher.keys[0]
    csca = site.publisher.authorities[0]
    site.publisher.keys[0] = replace(stolen, key=replace(stolen.key, status=KeyStatus.WITHDRAWN))
    site.publisher.authorities[0] = replace(
        csca, authority=replace(csca.authority, status=KeyStatus.WITHDRAWN)
    )
    site.publisher.publish(LATER)
    site.sync(LATER)

    for number, origin in ((2, Origin.PREVIOUS), (1, Origin.SEED)):
        flip(generation.directory_of(site.store, number) / generation.DATABASE, 77)
        held = open_store(site.store, site.store.parent / "seed").current()
        assert held.origin is origin
        (found,) = held.trust.candidates(stolen.key.kid)
        assert found.status is KeyStatus.WITHDRAWN
        (vouching,) = held.trust.authorities[csca.authority.key_id]
        assert vouching.status is KeyStatus.WITHDRAWN


def test_a_withdrawn_key_that_a_list_forgets_stays_withdrawn_until_it_is_reinstated(site: Site) -> None:
    """Sticky: listed as active again by mistake it stays denied; the word `reinstated` takes it back."""
    first = site.publisher.keys[0]

    def night(number: int, status: KeyStatus) -> KeyStatus:
        site.publisher.keys[0] = replace(first, key=replace(first.key, status=status))
        site.publisher.publish(START + number * DAY, resign=("revocation",))
        site.sync(START + number * DAY)
        (found,) = open_store(site.store).current().trust.candidates(first.key.kid)
        return found.status

    assert night(1, KeyStatus.ACTIVE) is KeyStatus.ACTIVE
    assert night(2, KeyStatus.WITHDRAWN) is KeyStatus.WITHDRAWN
    assert night(3, KeyStatus.ACTIVE) is KeyStatus.WITHDRAWN
    assert night(4, KeyStatus.REINSTATED) is KeyStatus.REINSTATED
    assert night(5, KeyStatus.ACTIVE) is KeyStatus.ACTIVE
    assert night(6, KeyStatus.WITHDRAWN) is KeyStatus.WITHDRAWN


def test_when_both_are_damaged_the_seed_answers_and_without_one_nobody_does(site: Site) -> None:
    """Last comes the list of the image, with its own age; without it the unit is OUT, not green."""
    site.sync(START)
    seed = site.store.parent / "seed"
    write_seed(site.store, seed, START + timedelta(hours=1))
    two_nights(site)
    for number in (1, 2):
        flip(generation.directory_of(site.store, number) / generation.MANIFEST, 100)

    with pytest.raises(StoreError, match="not the one that was put in force"):
        open_store(site.store).current()
    held = open_store(site.store, seed).current()
    assert (held.origin, held.generation, held.signed_at) == (Origin.SEED, 1, START)
    assert held.floor == LATER


def test_a_unit_fresh_from_its_image_answers_by_the_seed_and_refuses_what_is_older(
    site: Site, tmp_path: Path
) -> None:
    """A seed is the first list, the first rollback floor and the first floor of the clock."""
    site.publisher.copy(tmp_path / "old")
    site.publisher.sign_timestamp(LATER)
    site.sync(LATER)
    seed = tmp_path / "seed"
    built = LATER + timedelta(hours=2)
    write_seed(site.store, seed, built)
    fresh = tmp_path / "unit"

    held = open_store(fresh, seed).current()
    assert (held.origin, held.signed_at, held.floor) == (Origin.SEED, LATER, built)
    with pytest.raises(NoListError):
        open_store(fresh).current()

    site.publisher.restore(tmp_path / "old")
    site.store = fresh
    with pytest.raises(Exception, match="version went backwards"):
        site.sync(LATER, seed=seed)
    state = read_state(fresh / STATE_NAME)
    assert state is not None
    assert state.floor == built


def test_a_seed_that_is_damaged_is_no_list(site: Site, tmp_path: Path) -> None:
    """A seed is held against its digest as any generation; its own facts must be in their form."""
    site.sync(START)
    seed = tmp_path / "seed"
    write_seed(site.store, seed, START)
    flip(generation.directory_of(seed, 1) / generation.DATABASE, 4242)
    with pytest.raises(StoreError, match="changed"):
        open_store(tmp_path / "unit", seed).current()

    said = json.loads((seed / SEED_NAME).read_text())
    (seed / SEED_NAME).write_text(json.dumps(said | {"signed_at": "2021-11-28T10:00:00"}))
    with pytest.raises(StoreError, match="seed"):
        read_seed(seed)


def test_every_flipped_bit_in_the_list_in_force_is_found_at_the_next_open(site: Site) -> None:
    """Of 150 single bits, in every file of the generation and its manifest, not one is missed."""
    directory = two_nights(site)
    for number in (1, 2):
        (generation.directory_of(site.store, number) / "looked").mkdir()
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    assert {path.name for path in files} >= {generation.MANIFEST, generation.DATABASE, "keys.cbor"}
    rng = random.Random(4)
    for turn in range(150):
        path = files[turn % len(files)]
        bit = rng.randrange(path.stat().st_size * 8)
        flip(path, bit)
        try:
            held = open_store(site.store).current()
            found = held.fault is not None and held.origin is not Origin.ACTIVE
        except StoreError:
            found = True
        assert found, (path, bit)
        flip(path, bit)
    assert open_store(site.store).current().origin is Origin.ACTIVE


def test_verify_says_which_byte_run_is_not_as_written(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """`vaxgate-sync verify` looks at both generations and exits 40 when the one in force is damaged."""
    directory = two_nights(site)
    assert main(["verify", "--store", str(site.store), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["generation"] for each in answer["generations"]] == [2, 1]
    assert all(each["faults"] == {} and each["bytes"] > 0 for each in answer["generations"])

    flip(generation.target_file(directory, KEYS_PATH), 5)
    assert main(["verify", "--store", str(site.store)]) == 40
    assert f"generation 2: targets/{KEYS_PATH}: changed" in capsys.readouterr().out


def test_a_flipped_bit_in_the_state_is_damage_and_not_another_year(site: Site) -> None:
    """A floor in another year would put the unit out for good: the row is sealed and made anew."""
    site.sync(START)
    path = site.store / STATE_NAME
    data = path.read_bytes()
    path.write_bytes(data.replace(b"2021-11-28T10:00:00+00:00", b"2061-11-28T10:00:00+00:00"))

    with pytest.raises(StoreError, match="not as it was written"):
        open_store(site.store).current()
    site.sync(START)
    state = read_state(path)
    assert state is not None
    assert (state.floor, state.active and state.active.number) == (START, 1)
