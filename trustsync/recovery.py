"""The state database made anew from what was signed, where a card has lost it.

The rules this module keeps:

* Nothing is believed because it lies on the card. A generation counts when its metadata verify from the
  pinned root on, its targets are the signed ones, and every byte is that of its manifest.
* Test trust is never made production trust by a loss, nor the other way round.
* The newest generation that counts gives back the list in force, the rollback floor and the clock floor. What
  only the database knew (denied keys, alarms, who did what) is gone, and it is said that it is.
* The damaged file is moved aside, never overwritten.

    proven = prove(directory_of(store, 7), root, Environment.PRODUCTION)
    proven.metadata, proven.signed_at, proven.digest
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # python-tuf re-exports them unmarked
    Metadata,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from trustsync import generation
from trustsync.client import signed_at, timestamp_signers
from trustsync.environments import Environment, check_environment, read_environment
from trustsync.errors import RefusedError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, Denial, Slot
from trustsync.files import flush, write_if_different
from trustsync.isolation import Checker, try_slot
from trustsync.state import ROOT, TIMESTAMP, StateDatabase, StoredMetadata

FLOOR_NAME = "floor.json"
_MAX_NUMBER = 2**31  # of a generation: no unit syncs so often, and a number on a card is anybody's to write
_TOP = ("timestamp", "snapshot", "targets")


@dataclass(frozen=True, slots=True)
class Proven:
    """A generation that counts. digest: of its manifest. metadata: the chain of roots, and each other
    role."""

    number: int
    digest: str
    signed_at: datetime
    metadata: tuple[StoredMetadata, ...]

    @property
    def order(self) -> tuple[int, int, int]:
        """The higher, the newer: versions of root and timestamp, then its number, which anybody can write."""
        versions = {item.role: item.version for item in self.metadata}  # the last of the roots is the newest
        return versions[ROOT], versions[TIMESTAMP], self.number


def note_floor(store: Path, metadata: tuple[StoredMetadata, ...]) -> None:
    """Keep the newest timestamp beside the database too: signed, so it needs no other proof."""
    for item in metadata:
        if item.role == TIMESTAMP:
            write_if_different(store / FLOOR_NAME, item.data)


def write_metadata(staged: Path, metadata: tuple[StoredMetadata, ...]) -> None:
    """Put the signed metadata beside the targets that they vouch for."""
    directory = staged / generation.METADATA
    directory.mkdir()
    for item in metadata:
        name = f"{item.version}.root" if item.role == ROOT else quote(item.role, "")
        (directory / f"{name}.json").write_bytes(item.data)


def prove(directory: Path, root: bytes, environment: Environment) -> Proven:
    """Hold a generation against the pinned root, and what it is for against the environment that is meant.

    Raises StoreError, saying why it does not count.

    Expiry is judged at the instant of its own timestamp: what was good then may stay in force, and ages.
    """
    try:
        digest = hashlib.sha256((directory / generation.MANIFEST).read_bytes()).hexdigest()
        held = generation.inspect(directory, digest)
        if held.faults:
            raise StoreError(f"{directory}: {', '.join(held.faults)} not as written")
        number = held.manifest.number
        if number > _MAX_NUMBER or directory.name != generation.directory_of(directory, number).name:
            raise StoreError(f"{directory} is not where generation {number} lies")
        check_environment(read_environment(directory / generation.DATABASE), environment, directory)
        metadata = _read_metadata(directory / generation.METADATA)
        timestamp = _verify(root, metadata)
        _check_targets(directory, metadata)
        return Proven(number, digest, timestamp, metadata)
    except (OSError, ValueError, KeyError, RepositoryError, DeserializationError, RefusedError) as error:
        raise StoreError(f"{directory} does not count: {error}") from error


def rebuild(store: Path, root: bytes, now: datetime, environment: Environment) -> StateDatabase:
    """A new state database in place of a damaged one, which is moved aside.

    Raises StoreError, having changed nothing, where every generation here is of another environment.
    """
    path = store / STATE_NAME
    directories = list((store / "generations").glob("*"))
    kinds = set(_environments(directories))
    if kinds and environment not in kinds:
        check_environment(kinds.pop(), environment, store)
    # Made beside it and named last: killed on the way, the next start finds the same and begins again.
    beside = path.with_name(f"{path.name}.new")
    _move_aside(beside, None)
    with StateDatabase(beside, environment) as database:
        found = []
        for directory in directories:
            with contextlib.suppress(StoreError):
                found.append(prove(directory, root, environment))
        for proven in sorted(found, key=lambda each: each.order, reverse=True):
            if _restore(database, proven, store, root, environment):
                break
        database.record_operation(
            now, "vaxgate-sync", "state database made anew", "the one before was damaged"
        )
    _move_aside(path, f"{path.name}.damaged")
    beside.rename(path)
    flush(store)
    return StateDatabase(path, environment)


def _move_aside(path: Path, name: str | None) -> None:
    """Take a database away with its log, to another name or for good."""
    for end in ("", "-wal", "-shm"):
        file = path.with_name(path.name + end)
        if name is None:
            file.unlink(missing_ok=True)
        elif file.exists():
            file.replace(path.with_name(name + end))


def _restore(
    database: StateDatabase, proven: Proven, store: Path, root: bytes, environment: Environment
) -> bool:
    """Fill the database from a generation that counts, once it was tried: it may have been placed and no
    more."""
    try:
        slot = Slot(proven.number, proven.digest, proven.signed_at)
        with Checker() as checker:
            tried = try_slot(
                checker, store, slot, environment, _mapped(generation.directory_of(store, slot.number))
            )
    except (TrustSyncError, ValueError):  # the latter: a directory that is no generation of ours
        return False
    withdrawn = {Denial(bytes.fromhex(kid), bytes.fromhex(spki)) for kid, spki in tried["withdrawn"]}
    metadata, floor = _with_floor(store / FLOOR_NAME, root, proven)
    database.restore(metadata, slot, floor, withdrawn, timestamp_signers(metadata))
    return True


def _environments(directories: Iterable[Path]) -> Iterator[Environment]:
    """What the generations that can be read say they are for."""
    for directory in directories:
        with contextlib.suppress(StoreError):
            yield read_environment(directory / generation.DATABASE)


def _with_floor(file: Path, root: bytes, proven: Proven) -> tuple[tuple[StoredMetadata, ...], datetime]:
    """The metadata of a generation with the newest timestamp that was ever proven here, where it holds."""
    try:
        data = file.read_bytes()
        newest = Metadata[Timestamp].from_bytes(data).signed
        held = next(item.version for item in proven.metadata if item.role == TIMESTAMP)
        trusted = TrustedMetadataSet(root, EnvelopeType.METADATA)
        for item in proven.metadata:
            if item.role == ROOT and item.version > trusted.root.version:
                trusted.update_root(item.data)
        trusted.reference_time = signed_at(newest)
        trusted.update_timestamp(data)
    except (OSError, ValueError, RepositoryError, DeserializationError, RefusedError):
        return proven.metadata, proven.signed_at
    if newest.version <= held:
        return proven.metadata, proven.signed_at
    kept = tuple(item for item in proven.metadata if item.role != TIMESTAMP)
    return (*kept, StoredMetadata(TIMESTAMP, newest.version, data)), signed_at(newest)


def _mapped(directory: Path) -> int:
    return sum(path.stat().st_size for path in (directory / generation.TARGETS).rglob("*.seg"))


def _read_metadata(directory: Path) -> tuple[StoredMetadata, ...]:
    found = []
    for path in sorted(directory.glob("*.json")):
        name, data = unquote(path.name.removesuffix(".json")), path.read_bytes()
        role = ROOT if name.endswith(".root") else name
        found.append(StoredMetadata(role, Metadata.from_bytes(data).signed.version, data))
    return tuple(sorted(found, key=lambda item: (item.role, item.version)))


def _verify(root: bytes, metadata: tuple[StoredMetadata, ...]) -> datetime:
    """The instant of the timestamp, everything verified from the pinned root on."""
    by_role = {item.role: item.data for item in metadata if item.role != ROOT}
    trusted = TrustedMetadataSet(root, EnvelopeType.METADATA)
    for item in metadata:
        if item.role == ROOT and item.version > trusted.root.version:
            trusted.update_root(item.data)
    instant = signed_at(Metadata[Timestamp].from_bytes(by_role[TIMESTAMP]).signed)
    trusted.reference_time = instant
    trusted.update_timestamp(by_role["timestamp"])
    trusted.update_snapshot(by_role["snapshot"], trusted=True)
    trusted.update_targets(by_role["targets"])
    for role in _delegated(trusted.snapshot):
        if role in by_role:
            trusted.update_delegated_targets(by_role[role], role, Targets.type)
    return instant


def _delegated(snapshot: Snapshot) -> Iterator[str]:
    return (name for path in snapshot.meta if (name := path.removesuffix(".json")) not in _TOP)


def _check_targets(directory: Path, metadata: tuple[StoredMetadata, ...]) -> None:
    """Raise where a target on the card was not signed by its role; a role signs below its own name."""
    signed: dict[str, TargetFile] = {}
    for item in metadata:
        if item.role not in (ROOT, *_TOP):
            role = Metadata[Targets].from_bytes(item.data).signed
            signed |= {path: info for path, info in role.targets.items() if path.startswith(f"{item.role}/")}
    root = directory / generation.TARGETS
    for path in (path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if name not in signed:
            raise ValueError(f"{name} is signed by no role")
        with path.open("rb") as file:
            signed[name].verify_length_and_hashes(file)
