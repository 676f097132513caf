"""Production trust and test trust never meet in one store, whatever is published, copied or changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attacks.scene import Signer
from trust_site import DAY, SPKI, START, Site, authority, key

from trustsync import generation
from trustsync.cli import main
from trustsync.environments import Environment, environment_in
from trustsync.errors import Alarm, NoListError, RefusedError, StoreError
from trustsync.facts import STATE_NAME, read_state, seal_of
from trustsync.seed import SEED_NAME, write_seed
from trustsync.state import StateDatabase
from trustsync.status import read_status
from trustsync.store import Origin, TrustSnapshot, open_store
from trustsync.sync import sync_once
from trustsync.trial import TrialCase
from verifier.reasons import State
from verifier.trust import authority_scope

PRODUCTION, TEST = Environment.PRODUCTION, Environment.TEST
REAL = {bytes([1]) * 8, bytes([2]) * 8}  # KIDs of production that the site publishes
SAMPLE = bytes([9]) * 8  # of its test environment


def trained(site: Site, now: datetime = START) -> Path:
    """A store of training beside the unit's own, synced from the same repository."""
    store = site.store.parent / "trust-test"
    site.sync(now, store=store, environment=TEST)
    return store


def held(store: Path, environment: Environment, seed: Path | None = None) -> TrustSnapshot:
    return open_store(store, seed, environment).current()


def rewrite(store: Path, *, sealed: bool = True, **values: Any) -> None:
    """Change values in the store's one row, as somebody would who has the card in his hands."""
    with sqlite3.connect(store / STATE_NAME) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM state").fetchone()) | values
        if sealed:
            row["seal"] = seal_of(row)
        marks = ", ".join(f"{name} = ?" for name in row)
        connection.execute(f"UPDATE state SET {marks}", list(row.values()))
    connection.close()


def files_of(store: Path) -> dict[str, bytes]:
    """Every byte that lies in a store, but for its lock."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def refuses_everything(site: Site, store: Path, environment: Environment) -> None:
    """A unit of this environment gets nothing from here; its sync asks nobody and changes nothing."""
    before = files_of(store)
    with pytest.raises(StoreError, match="was asked for"):
        held(store, environment)
    with pytest.raises(StoreError, match="was asked for"):
        site.sync(START + DAY, store=store, environment=environment)
    assert site.server.asked == []
    assert files_of(store) == before


# --- Two stores from one repository -------------------------------------------------------------------------


def test_one_list_fills_each_store_with_its_own_keys_alone(site: Site) -> None:
    """Production names test keys for "a sample"; training has them, and no key of production at all."""
    site.publisher.authorities = [authority(1), authority(2, "test")]
    site.publisher.publish(START + DAY)
    site.sync(START + DAY)
    real, sample = (authority(n).authority.key_id for n in (1, 2))

    unit = held(site.store, PRODUCTION)
    assert (unit.environment, set(unit.trust.keys)) == (PRODUCTION, REAL)
    assert set(unit.trust.authorities) == {real}
    assert unit.trust.test_kids == {SAMPLE, authority_scope(sample)}

    desk = held(trained(site, START + DAY), TEST)
    assert (desk.environment, set(desk.trust.keys)) == (TEST, {SAMPLE})
    assert set(desk.trust.authorities) == {sample}
    assert desk.trust.test_kids == frozenset()


def test_one_kid_in_both_environments_is_another_key_in_each_store(site: Site) -> None:
    """A test key under a real key's KID neither joins it nor takes its place."""
    site.publisher.keys.append(replace(key(7, "test"), key=replace(key(7).key, kid=bytes([1]) * 8)))
    site.publisher.publish(START + DAY)
    site.sync(START + DAY)
    (real,) = held(site.store, PRODUCTION).trust.candidates(bytes([1]) * 8)
    (sample,) = held(trained(site, START + DAY), TEST).trust.candidates(bytes([1]) * 8)
    assert (real.spki, sample.spki) == (key(1).key.spki, key(7).key.spki)


@pytest.mark.parametrize(("environment", "other"), [(PRODUCTION, TEST), (TEST, PRODUCTION)])
def test_a_list_without_keys_of_the_store_s_environment_is_as_empty_as_one_without_any(
    site: Site, environment: Environment, other: Environment
) -> None:
    """An issuer that marks all its keys `test` by mistake: alarm CONTENT, and the list in force stays."""
    site.sync(START, environment=environment)
    before = site.facts() if environment is PRODUCTION else None
    site.publisher.keys = [key(4, other.value)]
    site.publisher.authorities = [authority(3, other.value)]
    site.publisher.publish(START + DAY)

    with pytest.raises(RefusedError, match=f"is of the environment {environment}") as caught:
        site.sync(START + DAY, environment=environment)
    assert caught.value.alarm is Alarm.CONTENT
    assert held(site.store, environment).generation == 1
    assert before is None or site.facts() == before


def test_a_key_that_cannot_be_loaded_stops_the_store_that_would_use_it(site: Site) -> None:
    """A low-order point among the test keys is only a name for production, and a refusal for training."""
    weak = key(8, "test")
    site.publisher.keys.append(replace(weak, key=replace(weak.key, spki=SPKI + bytes(32))))
    site.publisher.publish(START + DAY)
    site.sync(START + DAY)
    assert held(site.store, PRODUCTION).trust.knows_test_key(bytes([8]) * 8)
    with pytest.raises(RefusedError, match="0808080808080808"):
        trained(site, START + DAY)


def test_each_store_tries_the_cases_that_it_can_have_keys_for(site: Site) -> None:
    """One repository serves both: a case of production is not held against training, its own ones are."""
    ministry, school = Signer(71, b"ministry"), Signer(74, b"school-1")
    site.publisher.keys += [ministry.record(), school.record("test")]
    of_both = [TrialCase(s.certificate("GOOD"), START, State.PASS) for s in (ministry, school)]
    site.publisher.trial = of_both[:1]
    site.publisher.publish(START + DAY)
    site.sync(START + DAY)
    store = trained(site, START + DAY)
    site.publisher.trial = [TrialCase(Signer(75, b"school-1").certificate("BAD"), START, State.PASS)]
    site.publisher.publish(START + 2 * DAY)
    with pytest.raises(RefusedError, match="SIG_BAD") as caught:
        site.sync(START + 2 * DAY, store=store, environment=TEST)
    assert caught.value.alarm is Alarm.SELF_TEST
    site.publisher.trial = of_both[1:]
    site.publisher.publish(START + 3 * DAY)
    site.sync(START + 3 * DAY, store=store, environment=TEST)
    assert held(store, TEST).generation == 2
    with pytest.raises(RefusedError, match="KEY_TEST"):
        site.sync(START + 3 * DAY)


# --- The wrong store ----------------------------------------------------------------------------------------


def test_a_store_is_of_one_environment_for_good(site: Site) -> None:
    """Whoever asks for the other one is refused before the network is asked, and changes not a byte."""
    site.sync(START)
    store = trained(site)
    assert read_state(site.store / STATE_NAME).environment is PRODUCTION  # type: ignore[union-attr]
    assert read_state(store / STATE_NAME).environment is TEST  # type: ignore[union-attr]
    refuses_everything(site, store, PRODUCTION)
    refuses_everything(site, site.store, TEST)


def test_a_store_of_training_in_the_place_of_the_unit_s_own_is_refused_whatever_else_is_there(
    site: Site,
) -> None:
    """Copied folder: no key of it is loaded, and not even the seed stands in for it."""
    site.sync(START)
    seed = site.store.parent / "seed"
    write_seed(site.store, seed, START)
    store = trained(site)
    shutil.rmtree(site.store)
    shutil.copytree(store, site.store)

    refuses_everything(site, site.store, PRODUCTION)
    with pytest.raises(StoreError, match="holds test trust, and production trust was asked for"):
        held(site.store, PRODUCTION, seed)
    status = read_status(site.store, START, seed=seed)
    assert (status.state, status.exit_code, status.environment) == ("CORRUPT", 40, TEST)
    assert "test trust" in (status.last_error or "")


def test_a_store_of_training_that_lost_its_state_is_no_store_of_production(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its generations still say what they are for: no list to a reader, refused by each sync."""
    store = trained(site)
    for name in store.glob(f"{STATE_NAME}*"):
        name.unlink()
    before = files_of(store)
    root = str(site.publisher.directory / "metadata" / "1.root.json")
    for _ in range(2):
        with pytest.raises(NoListError):
            held(store, PRODUCTION)
        with pytest.raises(StoreError, match="production trust was asked for"):
            site.sync(START + DAY, store=store)
        assert main(["once", "--url", site.server.url, "--root", root, "--store", str(store)]) == 1
        assert "production trust was asked for" in capsys.readouterr().err
        assert site.server.asked == []
        assert files_of(store) == before
    site.sync(START + DAY, store=store, environment=TEST)
    assert set(held(store, TEST).trust.keys) == {SAMPLE}


@pytest.mark.parametrize("by", [b"not a database", None])
def test_a_damaged_state_is_made_anew_for_its_own_environment_only(site: Site, by: bytes | None) -> None:
    """Test trust stays test trust through a rebuild; a sync of production refuses and mends nothing."""
    store = trained(site)
    if by is None:
        rewrite(store, sealed=False, floor="2061-01-01T00:00:00+00:00")
    else:
        (store / STATE_NAME).write_bytes(by)
    before = files_of(store)
    with pytest.raises(StoreError, match="production trust was asked for"):
        site.sync(START + DAY, store=store)
    assert site.server.asked == []
    assert files_of(store) == before
    with pytest.raises(StoreError):
        held(store, PRODUCTION)

    site.sync(START + DAY, store=store, environment=TEST)
    assert set(held(store, TEST).trust.keys) == {SAMPLE}
    with pytest.raises(StoreError, match="was asked for"):
        held(store, PRODUCTION)


# --- A card in the wrong hands ------------------------------------------------------------------------------


def test_a_flipped_word_in_the_state_opens_nothing(site: Site) -> None:
    """Without the seal it is damage; with a good seal the list itself still says what it is for."""
    store = trained(site)
    rewrite(store, sealed=False, environment="production")
    with pytest.raises(StoreError, match="not as it was written"):
        held(store, PRODUCTION)
    with pytest.raises(StoreError), StateDatabase(store / STATE_NAME) as database:
        database.set_next_try(START)  # nothing gives a damaged row a good seal
    for word in ("production", None):
        rewrite(store, environment=word)
        with pytest.raises(StoreError, match=r"000001 holds test trust, and production trust was asked for"):
            held(store, PRODUCTION)
    rewrite(store, environment="anything")
    with pytest.raises(StoreError, match="cannot be read"):
        held(store, PRODUCTION)

    rewrite(store, environment="production")
    site.sync(START + DAY, store=store)  # the same publisher: what is wrong is fetched anew
    assert set(held(store, PRODUCTION).trust.keys) == REAL


def test_a_generation_of_training_among_the_unit_s_own_is_not_used(site: Site) -> None:
    """Its digest and seal are right: the one before stands in, and the next sync puts a real one there."""
    site.sync(START)
    store = trained(site)
    state = read_state(store / STATE_NAME)
    assert state is not None
    assert state.active is not None
    shutil.copytree(generation.directory_of(store, 1), generation.directory_of(site.store, 5))
    own = read_state(site.store / STATE_NAME)
    assert own is not None
    assert own.active is not None
    rewrite(
        site.store,
        active=5,
        digest=state.active.digest,
        previous=1,
        previous_digest=own.active.digest,
        previous_signed_at=own.active.signed_at.isoformat(),
    )

    found = held(site.store, PRODUCTION)
    assert (found.origin, set(found.trust.keys)) == (Origin.PREVIOUS, REAL)
    assert "holds test trust" in (found.fault or "")
    result = site.sync(START + DAY)
    assert result.changed
    found = held(site.store, PRODUCTION)
    assert (found.origin, found.generation, set(found.trust.keys)) == (Origin.ACTIVE, 6, REAL)


def test_a_seed_of_training_gives_a_unit_neither_keys_nor_a_floor(site: Site, tmp_path: Path) -> None:
    """Made by hand, for no command makes one: the reader refuses it, the sync begins without it."""
    store = trained(site)
    with pytest.raises(StoreError, match="production trust was asked for"):
        write_seed(store, tmp_path / "made", START)
    assert not (tmp_path / "made").exists()
    state = read_state(store / STATE_NAME)
    assert state is not None
    assert state.active is not None
    seed = tmp_path / "seed"
    shutil.copytree(generation.directory_of(store, 1), generation.directory_of(seed, 1))
    said = {
        "v": 1,
        "number": 1,
        "digest": state.active.digest,
        "signed_at": START.isoformat(),
        "built_at": START.isoformat(),
    }
    (seed / SEED_NAME).write_text(json.dumps(said))
    assert held(tmp_path / "desk", TEST, seed).origin is Origin.SEED  # it is a whole seed, of the other kind

    with pytest.raises(StoreError, match="holds test trust"):
        held(tmp_path / "unit", PRODUCTION, seed)
    told: list[str] = []
    sync_once(site.config(store=tmp_path / "unit", seed=seed), now=START, progress=told.append)
    assert any("the seed is not used" in step for step in told)
    assert set(held(tmp_path / "unit", PRODUCTION, seed).trust.keys) == REAL


# --- Stores of earlier releases -----------------------------------------------------------------------------


def test_a_store_that_says_nothing_is_of_production(site: Site) -> None:
    """An upgraded unit goes on with its list, and its folder cannot become one of training."""
    site.sync(START)
    with sqlite3.connect(site.store / STATE_NAME) as connection:
        connection.execute("UPDATE state SET seal = NULL")
        connection.execute("ALTER TABLE state DROP COLUMN environment")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert set(held(site.store, PRODUCTION).trust.keys) == REAL
    with pytest.raises(StoreError, match="was asked for"):
        site.sync(START + DAY, environment=TEST)
    site.sync(START + DAY)
    assert set(held(site.store, PRODUCTION).trust.keys) == REAL


@pytest.mark.parametrize(
    ("make", "found"),
    [
        ([], PRODUCTION),
        (["CREATE TABLE environment (environment TEXT)", "INSERT INTO environment VALUES ('test')"], TEST),
        (["CREATE TABLE environment (environment TEXT)", "INSERT INTO environment VALUES ('x')"], None),
        (["CREATE TABLE environment (environment TEXT)"], None),
    ],
)
def test_a_list_says_one_word_or_none(make: list[str], found: Environment | None) -> None:
    """No table is an earlier release; a table without a known word is damage."""
    connection = sqlite3.connect(":memory:")
    for statement in make:
        connection.execute(statement)
    if found is None:
        with pytest.raises(ValueError, match=r"environment|unpack|Environment"):
            environment_in(connection)
    else:
        assert environment_in(connection) is found
    connection.close()


# --- The command --------------------------------------------------------------------------------------------


@pytest.fixture
def unit(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`vaxgate-sync` on a unit whose settings name a repository for each of the two."""
    site.start_over(datetime.now(UTC).replace(microsecond=0))
    root = site.publisher.directory / "metadata" / "1.root.json"
    section = f'url = "{site.server.url}"\nroot = "{root}"\n'
    (tmp_path / "vaxgate.toml").write_text(f"[trust]\n{section}\n[training]\nenabled = true\n{section}")
    monkeypatch.setenv("VAXGATE_CONFIG", str(tmp_path / "vaxgate.toml"))
    monkeypatch.setenv("VAXGATE_DATA", str(tmp_path / "data"))
    return lambda *arguments: main(list(arguments))


def test_training_has_a_folder_of_its_own_and_says_so_each_time(
    unit: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--training`: another store, another section, a loud line on stderr, `environment` for machines."""
    assert unit("once") == 0
    assert "TRAINING" not in capsys.readouterr().err
    assert unit("once", "--training") == 0
    assert "TRAINING" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"trust", "trust-test"}
    for training, environment in ((("--training",), "test"), ((), "production")):
        assert unit("status", "--json", *training) == 0
        status = json.loads(capsys.readouterr().out)
        assert status["environment"] == environment
        assert status["store"].endswith("trust-test" if training else "trust")
        assert unit("verify", *training) == 0
        assert unit("confirm-clock", "--by", "Nguyễn Thị Hoa", *training) == 0
        capsys.readouterr()
    assert unit("status", "--training") == 0
    assert capsys.readouterr().out.startswith("environment test\n")


def test_a_command_for_the_other_store_is_refused_and_writes_nothing(
    unit: Callable[..., int], site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verb, in both directions; no next try and no journal line in a store of the other kind."""
    assert unit("once") == unit("once", "--training") == 0
    for name, training in (("trust", ("--training",)), ("trust-test", ())):
        store = tmp_path / "data" / name
        before = files_of(store)
        site.server.asked.clear()
        for verb in (
            ("once",),
            ("import", str(site.publisher.directory), "--by", "Hoa"),
            ("verify",),
            ("confirm-clock", "--by", "Hoa"),
            ("acknowledge", "ROLLBACK", "--by", "Hoa"),
        ):
            assert unit(*verb, "--store", str(store), *training) == 1
            assert "was asked for" in capsys.readouterr().err
        assert unit("status", "--store", str(store), *training) == 40
        assert site.server.asked == []
        assert files_of(store) == before


def test_no_command_makes_a_seed_of_training(
    unit: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image brings no test trust along: the switch is not there, and the store is refused."""
    assert unit("once", "--training") == 0
    with pytest.raises(SystemExit):
        unit("seed", str(tmp_path / "seed"), "--training")
    assert unit("seed", str(tmp_path / "seed"), "--store", str(tmp_path / "data" / "trust-test")) == 1
    assert "production trust was asked for" in capsys.readouterr().err
    assert not (tmp_path / "seed").exists()


def test_training_without_its_own_settings_asks_for_them(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The repository of production is never taken for the one of training by default."""
    (tmp_path / "vaxgate.toml").write_text(f'[trust]\nurl = "{site.server.url}"\nroot = "r"\n')
    monkeypatch.setenv("VAXGATE_CONFIG", str(tmp_path / "vaxgate.toml"))
    monkeypatch.setenv("VAXGATE_DATA", str(tmp_path / "data"))
    assert main(["once", "--training"]) == 2
    assert "[training] of vaxgate.toml" in capsys.readouterr().err
    assert main(["once", "--training", "--url", site.server.url]) == 2
    assert "root in [training]" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
