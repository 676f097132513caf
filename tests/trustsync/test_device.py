"""The unit's own key: made once, whole or not at all, and nobody else's to read."""

from __future__ import annotations

import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from trustsync import device
from trustsync.device import NAME, device_key, device_name
from trustsync.errors import StoreError


def made(store: Path) -> bytes:
    return bytes(device_key(store))


def test_a_key_is_made_once_and_read_from_then_on(tmp_path: Path) -> None:
    """The same key each time, another one for another unit, and it signs."""
    (tmp_path / "other").mkdir()
    key = device_key(tmp_path)
    assert bytes(device_key(tmp_path)) == bytes(key) != bytes(device_key(tmp_path / "other"))
    key.verify_key.verify(device_key(tmp_path).sign(b"checkpoint"))


def test_the_name_is_the_keys_and_gives_nothing_of_it_away(tmp_path: Path) -> None:
    """The same each time, made with the key where there is none, and neither the seed nor the public key."""
    name = device_name(tmp_path)
    key = device_key(tmp_path)
    assert device_name(tmp_path) == name
    assert len(name) == 32
    assert name not in (bytes(key), bytes(key.verify_key))
    (tmp_path / "other").mkdir()
    assert device_name(tmp_path / "other") != name


def test_the_key_is_its_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """32 bytes, mode 0600, whatever the process's mask is."""
    device_key(tmp_path)
    (path,) = tmp_path.iterdir()
    assert (path.name, stat.S_IMODE(path.stat().st_mode), path.stat().st_size) == (NAME, 0o600, 32)


def test_processes_that_make_a_key_at_once_have_the_same(tmp_path: Path) -> None:
    """Whoever is first makes the unit's key; the others take it."""
    with ProcessPoolExecutor(4) as pool:
        for attempt in range(20):
            store = tmp_path / str(attempt)
            store.mkdir()
            assert len(set(pool.map(made, [store] * 4))) == 1
            assert [path.name for path in store.iterdir()] == [NAME]


def test_a_process_that_comes_second_takes_the_key_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw none, made one, and found another's in its place: that one is never replaced."""
    first = device_key(tmp_path)
    missed = iter([FileNotFoundError(2, "No such file")])
    read = device._read

    def late(path: Path) -> bytes:
        for error in missed:
            raise error
        return read(path)

    monkeypatch.setattr(device, "_read", late)
    assert bytes(device_key(tmp_path)) == bytes(first)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_failure_while_the_key_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that is full, or a power cut before it is flushed: no half key, and the next try makes one."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(device.os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            device_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
    device_key(tmp_path)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_file_of_another_size_is_no_key_and_stays(tmp_path: Path, size: int) -> None:
    """The error says what to do; making another key in its place would make another unit of it."""
    (tmp_path / NAME).write_bytes(bytes(size))
    with pytest.raises(StoreError, match="32 bytes are expected"):
        device_key(tmp_path)
    assert (tmp_path / NAME).stat().st_size == size


@pytest.mark.parametrize("what", ["a directory", "a link", "no store"])
def test_what_cannot_be_read_is_said_with_its_cause(tmp_path: Path, what: str) -> None:
    """A link is not followed: whoever may place one here would choose the key."""
    store = tmp_path / "store"
    if what != "no store":
        store.mkdir()
    if what == "a directory":
        (store / NAME).mkdir()
    if what == "a link":
        (tmp_path / "elsewhere").write_bytes(bytes(32))
        (store / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be read or made"):
        device_key(store)
