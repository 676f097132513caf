"""One sync: from a look at the repository to a new list in force, or to none and a reason.

    S0  lock: one sync at a time; what a killed one left is swept away
    S1  lay the verified metadata out of the state database into a temporary directory
    S2  refresh by TUF, under our clock and our deadlines
    S3  keep what was verified, even if a later step fails
    S4  fetch the missing targets into files; link the unchanged ones
    S5  accept: is the content fit to install?
    S6  sync files, rename, sync the directory
    S7  look at it as the reader will, and let the self-test try it
    S8  one transaction puts it in force
    S9  keep two generations, delete the rest

The rules this module keeps:

* Until S8 nothing that a reader looks at changes. Killed anywhere, a whole list is in force: old or new.
* Time for TUF is ``now``, but never before the clock floor, which only signed time raises.
* Whether data may be installed and how old they are stay two questions: see :mod:`trustsync.state`.

    config = SyncConfig(url="http://127.0.0.1:8000", root=root_bytes, store=trust_dir())
    result = sync_once(config, now=datetime.now(UTC))
    result.changed, result.generation
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import sqlite3
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]  # python-tuf re-exports it unmarked

from trustsync import generation
from trustsync.acceptance import DOCUMENTS, Accepted, accept, check_size, list_segments
from trustsync.client import Repository, check_anchor, signed_at
from trustsync.errors import Alarm, BusyError, RefusedError, SettingsError, StoreError, TrustSyncError
from trustsync.fetcher import Fetcher, Limits
from trustsync.generation import Inspection, TargetSet
from trustsync.state import STATE_NAME, StateDatabase, StoreState
from trustsync.store import TrustSnapshot, load_snapshot
from trustsync.targets import SegmentRecord

Progress = Callable[[str], None]
SelfTest = Callable[[TrustSnapshot], None]

_STAGING = "staging"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """What to sync. url: above ``metadata/`` and ``targets/``. root: the pinned root, as bytes.

    store: the directory of the trust store. limits: of the network. tls: context for ``https``.
    """

    url: str
    root: bytes
    store: Path
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a successful sync did.

    changed: whether another generation is in force now. fetched, linked: targets by path; both empty when
    nothing changed. received: body bytes.
    """

    changed: bool
    generation: int
    signed_at: datetime
    fetched: tuple[str, ...]
    linked: tuple[str, ...]
    requests: int
    received: int


def sync_once(
    config: SyncConfig,
    *,
    now: datetime,
    progress: Progress | None = None,
    self_test: SelfTest | None = None,
) -> SyncResult:
    """Bring the store up to date with the repository.

    now: an aware instant, what this unit's clock says. progress: told each step in a few words.
    self_test: S7, tries the staged list and raises whatever it likes when the list is not fit.

    Raises TrustSyncError: BusyError when another sync runs, FetchError, RefusedError (with the alarm that
    was recorded), StoreError. The list in force is then the one that was.
    """
    if now.tzinfo is None:
        raise SettingsError("now must be an instant with its offset")
    say = progress or (lambda _step: None)
    with _single_instance(config.store), StateDatabase(config.store / STATE_NAME) as database:
        try:
            return _Run(config, now, say, self_test, database).run()
        except TrustSyncError as error:
            _record(database, error, now)
            raise
        except (OSError, sqlite3.Error) as error:
            failure = StoreError(
                f"the new list could not be written to {config.store}: {error}; the list in force stays. "
                "Look at the free space and the health of the card"
            )
            _record(database, failure, now)
            raise failure from error


class _Run:
    """The steps S0 to S9 of one sync, and what they share."""

    def __init__(
        self,
        config: SyncConfig,
        now: datetime,
        say: Progress,
        self_test: SelfTest | None,
        database: StateDatabase,
    ) -> None:
        self.config = config
        self.store = config.store
        self.now = now
        self.say = say
        self.self_test = self_test
        self.database = database
        self.before = database.state()
        self.staged = self.store / _STAGING / "generation"
        self.fetched: list[str] = []
        self.linked: list[str] = []

    def run(self) -> SyncResult:
        # S0 (the lock is held): sweep.
        _sweep(self.store, self.before)
        fetcher = Fetcher(self.config.limits, tls=self.config.tls)
        with tempfile.TemporaryDirectory(prefix="vaxgate-sync-") as work:
            # S1 to S3.
            repository = self._refresh(Path(work), fetcher)
            timestamp = repository.timestamp
            if timestamp is None:
                raise AssertionError("a refresh without a timestamp raises")
            signed = signed_at(timestamp)
            repository.check_expiry(signed)
            # S4.
            held = self._held()
            self.staged.mkdir(parents=True)
            wanted, segments = self._wanted(repository, held)
            sets = {name: _target_set(repository, name) for name in DOCUMENTS}
            if held is not None and _is_in_force(self.store, self.before, held, wanted, sets):
                shutil.rmtree(self.staged.parent)
                self.database.confirm(signed_at=signed, now=self.now, timestamp_version=timestamp.version)
                self.say("nothing changed; the list in force is confirmed")
                number = held.manifest.number
                return SyncResult(False, number, signed, (), (), fetcher.requests, fetcher.received)
            for path, info in wanted.items():
                self._obtain(repository, path, info, held)
        # S5.
        self.say("checking the content")
        known = _known_segments(self.store, self.before, held, wanted) if held is not None else frozenset()
        accepted = self._accept(wanted, known)
        # S6.
        number = (self.before.active or 0) + 1
        counts = {
            "trust": len(accepted.keys) + len(accepted.authorities),
            "revocation": sum(record.count for record in segments),
            "rules": len(accepted.bundles),
        }
        sets = {name: replace(item, count=counts[name]) for name, item in sets.items()}
        digest = generation.finish(self.staged, number=number, accepted=accepted, sets=sets)
        directory = generation.directory_of(self.store, number)
        generation.place(self.staged, directory)
        # S7. What a reader cannot load, or the self-test refuses, is not put in force.
        self.say("trying the new list")
        self._try(number, digest, signed)
        # S8.
        self.database.switch(
            generation=number,
            digest=digest,
            signed_at=signed,
            now=self.now,
            timestamp_version=timestamp.version,
        )
        self.say(f"generation {number} is in force")
        # S9.
        _sweep(self.store, self.database.state())
        return SyncResult(
            True,
            number,
            signed,
            tuple(self.fetched),
            tuple(self.linked),
            fetcher.requests,
            fetcher.received,
        )

    def _refresh(self, work: Path, fetcher: Fetcher) -> Repository:
        stored = self.database.metadata()
        check_anchor(self.config.root, stored)
        floor = self.before.floor
        # S1. The clock floor stands in for a clock that lags behind it.
        repository = Repository(
            self.config.url,
            self.config.root,
            work,
            fetcher,
            reference_time=self.now if floor is None else max(self.now, floor),
            stored=stored,
        )
        # S2.
        self.say(f"asking {self.config.url}")
        try:
            repository.refresh()
            for path in DOCUMENTS.values():
                repository.target(path)
        finally:
            # S3. A rollback floor that waited for the data could be held down by withholding them.
            self._keep(repository)
        return repository

    def _keep(self, repository: Repository) -> None:
        timestamp = repository.timestamp
        proven = repository.proven()
        floor = None
        if timestamp is not None:
            try:
                floor = signed_at(timestamp)
            except RefusedError:
                self.say("the timestamp does not say when it was signed")  # refused later, in run()
        self.database.keep_metadata(proven, floor)

    def _held(self) -> Inspection | None:
        """The generation in force, every byte looked at; ``None`` when nothing of it can be used."""
        if self.before.active is None or self.before.digest is None:
            return None
        directory = generation.directory_of(self.store, self.before.active)
        try:
            held = generation.inspect(directory, self.before.digest)
        except StoreError as error:
            self.say(f"the list in force is damaged and will be replaced: {error}")
            return None
        if held.faults:
            self.say(f"the list in force is damaged and will be repaired: {', '.join(held.faults)}")
        return held

    def _wanted(
        self, repository: Repository, held: Inspection | None
    ) -> tuple[dict[str, TargetFile], tuple[SegmentRecord, ...]]:
        """Every target of the new list. The index comes first: it names the segments."""
        wanted = {path: repository.target(path) for path in DOCUMENTS.values()}
        index = DOCUMENTS["revocation"]
        self._obtain(repository, index, wanted[index], held)
        segments = list_segments(generation.target_file(self.staged, index).read_bytes())
        for record in segments:
            wanted[record.path] = repository.target(record.path)
        return wanted, segments

    def _obtain(self, repository: Repository, path: str, info: TargetFile, held: Inspection | None) -> None:
        """Put one target into the staged directory, unless it is there: by a link, else from the network."""
        destination = generation.target_file(self.staged, path)
        if destination.exists():
            return
        destination.parent.mkdir(parents=True, exist_ok=True)
        check_size(path, info.length)
        if held is not None and _holds(held, path, info):
            os.link(self._held_file(held, path), destination)
            self.linked.append(path)
            return
        self.say(f"fetching {path}, {info.length} bytes")
        repository.download(info, destination)
        self.fetched.append(path)

    def _held_file(self, held: Inspection, path: str) -> Path:
        return generation.target_file(generation.directory_of(self.store, held.manifest.number), path)

    def _accept(self, wanted: Mapping[str, TargetFile], known: frozenset[SegmentRecord]) -> Accepted:
        return accept(_StagedTargets(self.staged, tuple(wanted)), known=known)

    def _try(self, number: int, digest: str, signed: datetime) -> None:
        state = replace(self.database.state(), active=number, digest=digest, signed_at=signed)
        snapshot, _ = load_snapshot(self.store, state)
        if self.self_test is None:
            return
        try:
            self.self_test(snapshot)
        except Exception as error:
            raise RefusedError(
                f"the new list failed the self-test: {error}; it was not put in force. Tell the publisher",
                Alarm.SELF_TEST,
            ) from error


class _StagedTargets(Mapping[str, bytes | memoryview]):
    """The staged targets by path, each mapped when it is looked at and let go with its view."""

    def __init__(self, staged: Path, paths: tuple[str, ...]) -> None:
        self._staged = staged
        self._paths = paths

    def __getitem__(self, path: str) -> bytes | memoryview:
        if path not in self._paths:
            raise KeyError(path)
        with generation.target_file(self._staged, path).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return b""  # an empty file cannot be mapped
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


@contextmanager
def _single_instance(store: Path) -> Iterator[None]:
    try:
        store.mkdir(parents=True, exist_ok=True)
        lock = (store / _LOCK).open("a+")
    except OSError as error:
        raise StoreError(
            f"{store} cannot be written: {error.strerror}; nothing was fetched. "
            "Run as the user that owns the trust store"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"another sync works on {store}; this one did nothing. Wait for it to end, then look at "
                "`vaxgate-sync status`"
            ) from None
        yield


def _sweep(store: Path, state: StoreState) -> None:
    """Remove what no reader uses: a killed sync's leavings and generations before the last two."""
    shutil.rmtree(store / _STAGING, ignore_errors=True)
    kept = {
        generation.directory_of(store, number).name
        for number in (state.active, state.previous)
        if number is not None
    }
    for directory in (store / "generations").glob("*"):
        if directory.name not in kept:
            shutil.rmtree(directory, ignore_errors=True)


def _holds(held: Inspection, path: str, info: TargetFile) -> bool:
    name = f"{generation.TARGETS}/{path}"
    record = held.manifest.files.get(name)
    return record is not None and record.sha256 == info.hashes["sha256"] and name not in held.faults


def _is_in_force(
    store: Path,
    state: StoreState,
    held: Inspection,
    wanted: Mapping[str, TargetFile],
    sets: Mapping[str, TargetSet],
) -> bool:
    """Whether the generation in force is whole and holds exactly this: targets, versions, expiries."""
    if held.faults or not all(_holds(held, path, info) for path, info in wanted.items()):
        return False
    in_force = generation.load(generation.directory_of(store, held.manifest.number)).sets
    return state.active == held.manifest.number and all(
        name in in_force and (in_force[name].version, in_force[name].expires) == (item.version, item.expires)
        for name, item in sets.items()
    )


def _known_segments(
    store: Path, state: StoreState, held: Inspection, wanted: Mapping[str, TargetFile]
) -> frozenset[SegmentRecord]:
    """Segments of the generation in force that come again with the same bytes."""
    if state.active is None or generation.DATABASE in held.faults:
        return frozenset()
    content = generation.load(generation.directory_of(store, state.active))
    return frozenset(
        record
        for record in content.segments
        if record.path in wanted and _holds(held, record.path, wanted[record.path])
    )


def _target_set(repository: Repository, name: str) -> TargetSet:
    role = repository.role(name)
    return TargetSet(role.version, role.expires, 0)


def _record(database: StateDatabase, error: TrustSyncError, now: datetime) -> None:
    alarm = error.alarm if isinstance(error, RefusedError) else None
    try:
        database.record_failure(str(error), alarm, now)
    except StoreError as second:
        error.add_note(f"and the failure could not be recorded: {second}")
