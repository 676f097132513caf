"""One sync: from a look at the repository to a new list in force, or to none and a reason.

    S0  lock: one sync at a time; what a killed one left is swept away; a lost state database is made anew
    S1  lay the verified metadata out of the state database into a temporary directory
    S2  refresh by TUF, under our clock and our deadlines
    S3  keep what was verified, even if a later step fails
    S4  fetch the missing targets into files; link the unchanged ones
    S5  let a process of its own look into them: is the content fit to install?
    S6  sync files, rename, sync the directory
    S7  load it as a reader does and judge certificates whose answer is known
    S8  one transaction puts it in force
    S9  keep two generations, delete the rest

The rules this module keeps:

* Until S8 nothing that a reader looks at changes. Killed anywhere, a whole list is in force: old or new.
* Time for TUF is ``now``, but never before the clock floor, which only signed or authenticated time raises.
* Whether data may be installed and how old they are stay two questions: see :mod:`trustsync.state`.
* A store is for production or for training, as it was made; whoever asks for the other one gets nothing.
* An older version of a rule set follows a newer one only where it is signed as a roll-back.
* A folder that somebody carries here goes the same way as the network; only its grace differs.

    config = SyncConfig(url="http://127.0.0.1:8000", root=root_bytes, store=trust_dir())
    result = sync_once(config, now=datetime.now(UTC))
    result.changed, result.generation
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import ssl
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import TargetFile, Targets  # type: ignore[attr-defined]  # re-exported unmarked

from trustsync import generation
from trustsync.client import (
    IMPORT_GRACE,
    Repository,
    check_anchor,
    is_unfinished,
    signed_at,
    timestamp_signers,
)
from trustsync.environments import Environment, check_environment, read_environment
from trustsync.errors import BusyError, DamagedError, RefusedError, SettingsError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, Denial, Slot, StoreState
from trustsync.fetcher import Fetcher, Limits, RepositoryFetcher
from trustsync.folder import FolderFetcher
from trustsync.generation import Inspection
from trustsync.isolation import Checker, try_slot
from trustsync.layout import DOCUMENTS, OPTIONAL, RULES_PATH, check_size
from trustsync.recovery import note_floor, prove, rebuild, write_metadata
from trustsync.rule_floors import read_floors, write_floors
from trustsync.seed import read_seed
from trustsync.sets import TargetSet, read_sets
from trustsync.state import StateDatabase
from verifier.clocks import Reading, settles

Progress = Callable[[str], None]

_STAGING = "staging"
_PARTIAL = "partial"
_LOCK = "lock"
_TIMESTAMP = "metadata/timestamp.json"
# Every role whose versions and expiries a generation remembers; the last two need not be there.
_ROLES = ("trust", "revocation", "rules", "recognition", "software")


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """What to sync. url: above ``metadata/`` and ``targets/``. root: the pinned root, as bytes.

    store: the directory of the trust store. folder: a directory that holds the same files, brought by hand;
    the url is then not asked. limits: of the network. tls: context for ``https``. seed: the image's seed.
    environment: what the store is for; of the list only keys of this environment are believed.
    """

    url: str
    root: bytes
    store: Path
    folder: Path | None = None
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    seed: Path | None = None
    environment: Environment = Environment.PRODUCTION


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a successful sync did.

    changed: whether another generation is in force now. fetched, linked: targets by path; both empty when
    nothing changed. linked ones were here already. received: body bytes. wire_bytes: all that the network
    carried in both directions, before TLS.
    """

    changed: bool
    generation: int
    signed_at: datetime
    fetched: tuple[str, ...]
    linked: tuple[str, ...]
    requests: int
    received: int
    wire_bytes: int


def sync_once(
    config: SyncConfig,
    *,
    now: datetime,
    progress: Progress | None = None,
    reading: Reading | None = None,
    proven: Reading | None = None,
) -> SyncResult:
    """Bring the store up to date with the repository.

    now: an aware instant, what this unit's clock says. progress: told each step in a few words. reading: of
    the machine's clock, written down as a mark where it is given; proven: the same, by an authenticated
    source.

    Raises TrustSyncError: BusyError when another sync runs, FetchError, RefusedError (with the alarm that
    was recorded), StoreError. The list in force is then the one that was.
    """
    if now.tzinfo is None:
        raise SettingsError("now must be an instant with its offset")
    say = progress or (lambda _step: None)
    with opened_state(config, now, say) as database:
        try:
            if reading is not None:
                database.note_clock(reading, proven)
            run = _Run(config, now, say, database)
            result = run.run()
            if reading is not None:
                _settle(database, reading, run.before.floor)
            return result
        except TrustSyncError as error:
            if isinstance(error, StoreError):
                _remove(config.store / _STAGING)
            _record(database, error, now)
            raise
        except (OSError, sqlite3.Error) as error:
            # What lies there in part may be what fills the card: it must keep out neither the next list nor
            # the words of this failure.
            _remove(config.store / _STAGING)
            failure = StoreError(
                f"the new list could not be written to {config.store}: {error}; the list in force stays. "
                "Look at the free space and the health of the card"
            )
            _record(database, failure, now)
            raise failure from error


@contextmanager
def opened_state(config: SyncConfig, now: datetime, say: Progress) -> Iterator[StateDatabase]:
    """S0: the state database under the store's lock, made anew where it is damaged, begun from the seed."""
    with single_instance(config.store):
        try:
            if _is_lost(config.store):
                raise DamagedError("it is gone, and there are generations")
            database = StateDatabase(config.store / STATE_NAME, config.environment)
            database.prove()
        except DamagedError as damage:
            say(f"the state database is damaged and is made anew: {damage}")
            database = rebuild(config.store, config.root, now, config.environment)
        with database:
            check_environment(database.state().environment, config.environment, config.store)
            _begin_from_seed(config, database, say)
            yield database


def _is_lost(store: Path) -> bool:
    """Whether generations lie here without the database: SQLite would begin an empty one, without a floor."""
    path = store / STATE_NAME
    return not (path.exists() and path.stat().st_size) and any((store / "generations").glob("*"))


def _begin_from_seed(config: SyncConfig, database: StateDatabase, say: Progress) -> None:
    """What the image knew is the floor of a unit that knows nothing yet: of versions, and of time."""
    try:
        seed = read_seed(config.seed)
    except StoreError as error:
        say(f"the seed is not used: {error}")
        return
    if seed is None:
        return
    database.keep_metadata((), seed.built_at)
    if database.metadata():
        return
    try:
        directory = generation.directory_of(seed.directory, seed.slot.number)
        proven = prove(directory, config.root, config.environment)
    except StoreError as error:
        say(f"the seed is not used: {error}")
        return
    database.keep_metadata(proven.metadata, proven.signed_at, timestamp_signers(proven.metadata))


class _Run:
    """The steps S0 to S9 of one sync, and what they share."""

    def __init__(self, config: SyncConfig, now: datetime, say: Progress, database: StateDatabase) -> None:
        self.config = config
        self.store = config.store
        self.now = now
        self.say = say
        self.database = database
        self.before = database.state()
        self.staged = self.store / _STAGING / "generation"
        self.partial = self.store / _STAGING / _PARTIAL
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.floor_dropped = False

    def run(self) -> SyncResult:
        # S0 (the lock is held): sweep.
        self.say("preparing the store")
        _sweep(self.store, self.before)
        fetcher = self._fetcher()
        with tempfile.TemporaryDirectory(prefix="vaxgate-sync-") as work:
            # S1 to S3.
            repository = self._refreshed(Path(work), fetcher)
            timestamp = repository.timestamp
            if timestamp is None:
                raise AssertionError("a refresh without a timestamp raises")
            signed = signed_at(timestamp)
            repository.check_expiry(signed)
            # S4.
            held = self._held()
            documents = self._documents(repository)
            sets = _sets(repository)
            if held is not None and self._is_in_force(held, documents, sets):
                self.database.confirm(signed_at=signed, now=self.now, timestamp_version=timestamp.version)
                self.say("nothing changed; the list in force is confirmed")
                number = held.manifest.number
                return SyncResult(False, number, signed, (), (), *_counts(fetcher))
            self.staged.mkdir(parents=True)
            self.partial.mkdir(exist_ok=True)
            with Checker() as checker:
                segments = self._fetch(repository, documents, held, checker)
                # S5.
                self.say("checking the content")
                known = self._known_segments(held, segments)
                built = checker.ask(
                    "build",
                    staged=str(self.staged),
                    documents=list(documents),
                    known=sorted(known),
                    sets=_said(sets),
                    environment=self.config.environment,
                    signed_at=signed.isoformat(),
                    rule_floors=write_floors(self.before.rule_floors),
                    rules_before=self._rules_before(held),
                )
                # S6.
                self.say("writing to the card")
                write_metadata(self.staged, repository.proven())
                number = _next_number(self.before)
                digest = generation.finish(self.staged, number=number)
                generation.place(self.staged, generation.directory_of(self.store, number))
                # S7. What a reader cannot load, or judges wrongly, is not put in force.
                self.say("trying the new list")
                slot = Slot(number, digest, signed)
                tried = self._try(checker, slot, sum(info.length for info in segments.values()))
        # S8.
        self.say(f"putting generation {number} in force")
        self.database.switch(
            slot,
            now=self.now,
            timestamp_version=timestamp.version,
            before_was_whole=held is not None and not held.faults,
            withdrawn=_denials(tried["withdrawn"]),
            reinstated=_denials(tried["reinstated"]),
            rule_floors=read_floors(built["rule_floors"]),
        )
        self.say(f"generation {number} is in force")
        # S9.
        self.say("removing what is older")
        shutil.rmtree(self.store / _STAGING, ignore_errors=True)
        _sweep(self.store, self.database.state())
        return SyncResult(
            True,
            number,
            signed,
            tuple(self.fetched),
            tuple(self.linked),
            *_counts(fetcher),
        )

    def _try(self, checker: Checker, slot: Slot, mapped: int) -> dict[str, Any]:
        """S7. What fails leaves nothing behind that a rebuild could take for a list."""
        try:
            return try_slot(checker, self.store, slot, self.config.environment, mapped)
        except TrustSyncError:
            _remove(generation.directory_of(self.store, slot.number))
            raise

    def _fetcher(self) -> RepositoryFetcher:
        if self.config.folder is not None:
            return FolderFetcher(self.config.folder)
        validator = self.database.validator()
        timestamp = self.database.role("timestamp")
        conditional = {_TIMESTAMP: (validator, timestamp)} if validator and timestamp else {}
        return Fetcher(self.config.limits, tls=self.config.tls, conditional=conditional)

    def _refreshed(self, work: Path, fetcher: RepositoryFetcher) -> Repository:
        """What the repository proves. A refusal may come from a floor that a stolen key has set; once a new
        root has replaced that key, its word is taken back and the repository asked again.
        """
        try:
            return self._refresh(work / "first", fetcher)
        except RefusedError:
            signers = timestamp_signers(self.database.metadata())
            if not self.floor_dropped and not self.database.drop_floor(signers):
                raise
            self.say("the key that set the clock floor was replaced; asking again")
            self.before = self.database.state()
            return self._refresh(work / "second", fetcher)

    def _refresh(self, work: Path, fetcher: RepositoryFetcher) -> Repository:
        # S1. The clock floor stands in for a clock that lags behind it.
        self.say("laying out what is known")
        stored = self.database.metadata()
        check_anchor(self.config.root, stored)
        floor = self.before.floor
        in_force = None if self.before.active is None else self.before.active.signed_at
        repository = Repository(
            None if self.config.folder is not None else self.config.url,
            self.config.root,
            work,
            fetcher,
            reference_time=self.now if floor is None else max(self.now, floor),
            stored=stored,
            grace=None if self.config.folder is None else IMPORT_GRACE,
            unfinished=is_unfinished(stored, in_force),
        )
        # S2.
        self.say(f"asking {self.config.folder or self.config.url}")
        try:
            repository.refresh()
            for path in DOCUMENTS.values():
                repository.target(path)
            for path in OPTIONAL:
                repository.target_or_none(path)
        finally:
            # S3. A rollback floor that waited for the data could be held down by withholding them.
            self.say("keeping what was proven")
            self._keep(repository, fetcher)
        return repository

    def _keep(self, repository: Repository, fetcher: RepositoryFetcher) -> None:
        timestamp = repository.timestamp
        proven = repository.proven()
        floor = None
        if timestamp is not None:
            try:
                floor = signed_at(timestamp)
                # A floor beyond what else is signed would make every honest list look expired, for good.
                repository.check_expiry(floor)
            except RefusedError as error:
                floor = None
                self.say(f"the clock floor stays: {error}")  # refused later, in run()
        signers = timestamp_signers(proven)
        if floor is not None:
            self.floor_dropped |= self.database.drop_floor(signers)
        self.database.keep_metadata(proven, floor, signers)
        if floor is not None:
            note_floor(self.store, proven)
        if isinstance(fetcher, Fetcher) and timestamp is not None:
            self.database.keep_validator(fetcher.etag_of(repository.timestamp_url))

    def _held(self) -> Inspection | None:
        """The generation in force, every byte looked at; ``None`` when nothing of it can be used."""
        active = self.before.active
        if active is None:
            return None
        try:
            directory = generation.directory_of(self.store, active.number)
            held = generation.inspect(directory, active.digest)
            if generation.DATABASE not in held.faults:  # it may have been put here from another store
                found = read_environment(directory / generation.DATABASE)
                check_environment(found, self.config.environment, directory)
        except StoreError as error:
            self.say(f"the list in force cannot be used and will be replaced: {error}")
            return None
        if held.faults:
            self.say(f"the list in force is damaged and will be repaired: {', '.join(held.faults)}")
        return held

    def _rules_before(self, held: Inspection | None) -> str | None:
        """The file of the rules by which this unit judged until now; ``None`` where none is whole."""
        if held is not None:
            directory, faults = self._held_directory(held), held.faults
            whole = f"{generation.TARGETS}/{RULES_PATH}" not in faults
        else:
            directory, whole = self._seed_directory()
        return str(generation.target_file(directory, RULES_PATH)) if whole else None

    def _seed_directory(self) -> tuple[Path, bool]:
        """Where the list lies by which a unit judges that has never synced, and whether it counts."""
        try:
            seed = read_seed(self.config.seed) if self.before.active is None else None
            if seed is not None:
                directory = generation.directory_of(seed.directory, seed.slot.number)
                prove(directory, self.config.root, self.config.environment)
                return directory, True
        except StoreError as error:
            self.say(f"the seed is not used: {error}")
        return self.store, False

    def _documents(self, repository: Repository) -> dict[str, TargetFile]:
        """What is signed about every document that there is."""
        documents = {path: repository.target(path) for path in DOCUMENTS.values()}
        for path in OPTIONAL:
            info = repository.target_or_none(path)
            if info is not None:
                documents[path] = info
        return documents

    def _is_in_force(
        self, held: Inspection, documents: Mapping[str, TargetFile], sets: Mapping[str, TargetSet]
    ) -> bool:
        """Whether the generation in force is whole and holds exactly this: documents, versions, expiries.

        The index is a document, so the segments that it names are the same too.
        """
        if held.faults or not all(_holds(held, path, info) for path, info in documents.items()):
            return False
        in_force = read_sets(self._held_directory(held) / generation.DATABASE)
        return in_force.keys() == sets.keys() and all(
            (in_force[name].version, in_force[name].expires) == (item.version, item.expires)
            for name, item in sets.items()
        )

    def _fetch(
        self,
        repository: Repository,
        documents: Mapping[str, TargetFile],
        held: Inspection | None,
        checker: Checker,
    ) -> dict[str, TargetFile]:
        """Every target of the new list into the staged directory; the segments among them."""
        # The index comes first: it names the segments.
        index = DOCUMENTS["revocation"]
        self._obtain(repository, index, documents[index], held)
        named = checker.ask("index", staged=str(self.staged))["segments"]
        segments = {path: repository.target(path) for path in named}
        wanted = {info.hashes["sha256"] for info in (*documents.values(), *segments.values())}
        for file in self.partial.iterdir():
            if file.name not in wanted:  # of a list that was superseded before it was whole
                _remove(file)
        for path, info in (*documents.items(), *segments.items()):
            self._obtain(repository, path, info, held)
        return segments

    def _obtain(self, repository: Repository, path: str, info: TargetFile, held: Inspection | None) -> None:
        """Put one target into the staged directory, unless it is there: by a link, else from the network."""
        destination = generation.target_file(self.staged, path)
        if destination.exists():
            return
        destination.parent.mkdir(parents=True, exist_ok=True)
        check_size(path, info.length)
        if held is not None and _holds(held, path, info):
            source = generation.target_file(self._held_directory(held), path)
            if path.endswith(".seg"):
                os.link(source, destination)  # large: the card has it once
            else:
                shutil.copyfile(source, destination)  # small: a bad sector must not hit both generations
            self.linked.append(path)
            return
        self.say(f"fetching {path}, {info.length} bytes")
        partial = self.partial / info.hashes["sha256"]
        repository.download(info, destination, partial)
        # Kept under its hash until the list is in force: a slow line gets on from one sync to the next.
        os.link(destination, partial)
        self.fetched.append(path)

    def _held_directory(self, held: Inspection) -> Path:
        return generation.directory_of(self.store, held.manifest.number)

    def _known_segments(self, held: Inspection | None, segments: Mapping[str, TargetFile]) -> set[str]:
        """Segments that come again with the same bytes and the same row of the index."""
        index = DOCUMENTS["revocation"]
        if held is None or index not in self.linked:
            return set()
        return {path for path, info in segments.items() if _holds(held, path, info)}


@contextmanager
def single_instance(store: Path) -> Iterator[None]:
    """The store's lock: one writer at a time. Raises BusyError when there is one, StoreError."""
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
    """Remove what no reader uses: a killed sync's leavings and generations before the last two.

    What was fetched in part stays, for the next sync to go on with.
    """
    staging = store / _STAGING
    for folder in (staging, staging / _PARTIAL, store / "generations"):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
    _remove(staging / "generation")
    for file in (staging / _PARTIAL).glob("*"):
        if not stat.S_ISREG(file.lstat().st_mode):
            _remove(file)  # a link would be written through, and a pipe be in the way for ever
    kept = {
        generation.directory_of(store, slot.number).name
        for slot in (state.active, state.previous)
        if slot is not None
    }
    for directory in (store / "generations").glob("*"):
        if directory.name not in kept:
            _remove(directory)


def _remove(path: Path) -> None:
    """Whatever lies there: a file where a directory is expected would stop every sync from now on."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _next_number(state: StoreState) -> int:
    return max((slot.number for slot in (state.active, state.previous) if slot is not None), default=0) + 1


def _holds(held: Inspection, path: str, info: TargetFile) -> bool:
    name = f"{generation.TARGETS}/{path}"
    record = held.manifest.files.get(name)
    return record is not None and record.sha256 == info.hashes["sha256"] and name not in held.faults


def _sets(repository: Repository) -> dict[str, TargetSet]:
    """What the roles say of themselves; how much each publishes is counted when the content was looked at."""
    root = repository.root
    sets = {"root": TargetSet(root.version, root.expires, len(root.keys), signed_at(root))}
    for name in _ROLES:
        if repository.delegates(name):
            role: Targets = repository.role(name)
            sets[name] = TargetSet(role.version, role.expires, 0, signed_at(role))
    return sets


def _said(sets: Mapping[str, TargetSet]) -> dict[str, dict[str, object]]:
    """The same for the other process."""
    return {
        name: {
            "version": item.version,
            "expires": item.expires.isoformat(),
            "count": item.count,
            "signed_at": None if item.signed_at is None else item.signed_at.isoformat(),
        }
        for name, item in sets.items()
    }


def _counts(fetcher: RepositoryFetcher) -> tuple[int, int, int]:
    return fetcher.requests, fetcher.received, fetcher.wire_bytes


def _denials(pairs: list[list[str]]) -> set[Denial]:
    return {Denial(bytes.fromhex(kid), bytes.fromhex(spki)) for kid, spki in pairs}


def _settle(database: StateDatabase, reading: Reading, before: datetime | None) -> None:
    """Forget an earlier mark where an instant that was signed just now bears this clock out."""
    floor = database.state().floor
    if floor is not None and (before is None or floor > before) and settles(reading, floor):
        database.settle_clock(reading)


def _record(database: StateDatabase, error: TrustSyncError, now: datetime) -> None:
    alarm = error.alarm if isinstance(error, RefusedError) else None
    try:
        database.record_failure(str(error), alarm, now)
    except StoreError as second:
        error.add_note(f"and the failure could not be recorded: {second}")
