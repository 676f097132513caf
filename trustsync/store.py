"""The reader of the trust store: what the verifier's process sees of it.

The rules this module keeps:

* Read-only. No lock, no network, and no file is kept open that a writer would have to wait for.
* The generation in force is held against its digest when it is opened; a flipped bit is a StoreError.
* Where the generation in force is not whole the one before it stands in, and last the seed of the image. A
  snapshot says which it is; its age counts as that of any list, and keys that were withdrawn since stay so.
* A store, a generation or a seed of another environment than was asked for is never loaded, see
  :mod:`trustsync.environments`.
* A new generation is noticed without a restart; looking costs two ``stat`` calls while nothing changed.
* A missing segment is a gap in revocation, not the end of the list; see :mod:`trustsync.revocation`.

    store = open_store(trust_dir())
    snapshot = store.current()
    snapshot.trust.candidates(kid), snapshot.bundles, snapshot.clock, snapshot.origin
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from trustsync import generation
from trustsync.advisories import Advisory
from trustsync.content import load_content
from trustsync.environments import Environment, check_environment
from trustsync.errors import NoListError, StoreError
from trustsync.facts import STATE_NAME, Denial, Slot, StoreState, read_state, state_signature
from trustsync.generation import FileIdentity
from trustsync.revocation import open_revocation
from trustsync.seed import Seed, read_seed
from trustsync.sets import TargetSet
from verifier.clocks import ClockKnowledge
from verifier.policy.bundle import RuleBundle
from verifier.trust import Authority, KeyStatus, TrustedKey, TrustList

Listed = TypeVar("Listed", TrustedKey, Authority)

# A file's time of change is coarse (4 ms and more): one this young may change again and look the same.
_SETTLED_NS = 1_000_000_000
_ATTEMPTS = 3  # the generation may be switched, and the one before removed, while it is being opened
# How long after the expiry of its role a list of keys is still an answer, however young its timestamp is.
KEYS_OUTLIVE = timedelta(days=60)


class Origin(StrEnum):
    """Which generation a snapshot is of."""

    ACTIVE = "active"
    PREVIOUS = "previous"
    SEED = "seed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A generation, proven and loaded. trust: as its list says, with no knowledge of other lists."""

    slot: Slot
    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    sets: Mapping[str, TargetSet]
    environment: Environment
    advisories: tuple[Advisory, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustSnapshot:
    """Everything that one moment's verifications need; it does not change.

    signed_at: of the list in force. floor: it is at least this late, and clock: what else is known of time.
    sets: what each role published. origin: whether the generation in force is answered from, or one that
    stands in for it; then fault says why. advisories: known weaknesses of the software of units.
    environment: of every key in it.
    """

    trust: TrustList
    bundles: tuple[RuleBundle, ...]
    signed_at: datetime
    floor: datetime
    generation: int
    sets: Mapping[str, TargetSet]
    clock: ClockKnowledge
    origin: Origin = Origin.ACTIVE
    fault: str | None = None
    advisories: tuple[Advisory, ...] = ()
    environment: Environment = Environment.PRODUCTION


class TrustStore:
    """An open store. Safe to share between threads. seed: of the image, if there is one. environment: the
    only one whose keys may come from here.
    """

    def __init__(
        self, path: Path, seed: Path | None = None, environment: Environment = Environment.PRODUCTION
    ) -> None:
        self._path = path
        self._environment = environment
        self._state_path = path / STATE_NAME
        self._seed_path = seed
        self._lock = threading.Lock()
        self._signature: object = None
        self._settled = False
        self._state: StoreState | None = None
        self._loaded: Loaded | None = None
        self._snapshot: TrustSnapshot | None = None
        self._seen: Mapping[FileIdentity, str] = {}

    def current(self) -> TrustSnapshot:
        """The list in force now.

        Raises NoListError when none was ever installed, StoreError when it is damaged and nothing stands in.
        Nothing stands in for a store of another environment.
        """
        with self._lock:
            signature = state_signature(self._state_path)
            if self._snapshot is not None and self._settled and signature == self._signature:
                return self._snapshot
            snapshot = self._look()
            self._signature = signature
            newest = max(changed for _, _, changed in signature)
            self._settled = newest < time.time_ns() - _SETTLED_NS
            return snapshot

    def close(self) -> None:
        """Let go of the list. Snapshots that were handed out stay usable."""
        with self._lock:
            self._snapshot = self._state = self._loaded = None
            self._seen = {}

    def _look(self) -> TrustSnapshot:
        state, damage = self._read()
        for attempt in range(_ATTEMPTS):
            if self._snapshot is not None and state == self._state:
                return self._snapshot
            try:
                self._snapshot = self._first_whole(state, damage)
            except (StoreError, NoListError):
                again, damage = self._read()
                if again.active == state.active or attempt == _ATTEMPTS - 1:
                    self._snapshot = self._loaded = None
                    raise
                state = again
                continue
            self._state = state
            return self._snapshot
        raise AssertionError("the last attempt returns or raises")

    def _read(self) -> tuple[StoreState, StoreError | None]:
        try:
            state = read_state(self._state_path) or StoreState()
        except StoreError as error:
            return StoreState(), error
        check_environment(state.environment, self._environment, self._path)
        return state, None

    def _first_whole(self, state: StoreState, damage: StoreError | None) -> TrustSnapshot:
        """The best of what is there: the generation in force, the one before it, the seed."""
        try:
            seed = read_seed(self._seed_path)
        except StoreError as error:
            seed, damage = None, damage or error
        places = [
            (Origin.ACTIVE, self._path, state.active),
            (Origin.PREVIOUS, self._path, state.previous),
            (Origin.SEED, seed.directory if seed else self._path, seed.slot if seed else None),
        ]
        if damage is not None and state.active is None:
            state = replace(state, denied=_withdrawn_in(self._path))
        for origin, store, slot in places:
            if slot is None:
                continue
            try:
                loaded = self._load(store, slot)
            except StoreError as error:
                # The sync may have switched, and removed this one, while it was being opened.
                if origin is Origin.ACTIVE and self._read()[0].active != slot:
                    raise
                damage = damage or error
                continue
            self._loaded = loaded
            return _snapshot(loaded, state, seed, origin, None if damage is None else str(damage))
        if damage is not None:
            raise damage
        raise NoListError(
            f"no trust list was ever installed in {self._path}; nothing can be verified. "
            "Run: vaxgate-sync once"
        )

    def _load(self, store: Path, slot: Slot) -> Loaded:
        held = self._loaded
        if held is not None and held.slot.digest == slot.digest:
            # The same content, confirmed at a later instant.
            return replace(held, slot=slot, trust=replace(held.trust, signed_at=slot.signed_at))
        loaded, self._seen = load_slot(store, slot, self._environment, known=self._seen)
        return loaded


def open_store(
    path: Path, seed: Path | None = None, environment: Environment = Environment.PRODUCTION
) -> TrustStore:
    """The store in this directory. Nothing is read before :meth:`TrustStore.current` is asked.

    seed: the directory of the image's seed, which answers where nothing else is whole. environment: what the
    store must be for. Whoever wants test trust, for training, has to say so.
    """
    return TrustStore(path, seed, environment)


def load_slot(
    store: Path,
    slot: Slot,
    environment: Environment,
    *,
    known: Mapping[FileIdentity, str] = MappingProxyType({}),
) -> tuple[Loaded, Mapping[FileIdentity, str]]:
    """A generation of a store, every byte of it held against its digest.

    known: files hashed earlier in this process. The second result is what was hashed now. Raises StoreError.
    """
    directory = generation.directory_of(store, slot.number)
    inspection = generation.inspect(directory, slot.digest, known=known)
    segment_prefix = f"{generation.TARGETS}/revocation/"
    for name, fault in inspection.faults.items():
        if not (fault == "missing" and name.startswith(segment_prefix) and name.endswith(".seg")):
            raise StoreError(
                f"{directory / name} is {fault}; this list is not what was put there and cannot be "
                "vouched for. Run a sync: it fetches what is damaged"
            )
    content = load_content(directory / generation.DATABASE)
    check_environment(content.environment, environment, directory)
    trust = TrustList.of(
        content.keys,
        authorities=content.authorities,
        test_kids=content.test_kids,
        signed_at=slot.signed_at,
        revocation=open_revocation(
            content.segments,
            lambda path: generation.target_file(directory, path),
            expires=content.sets["revocation"].expires,
        ),
        source="signed trust list",
        generation=slot.number,
        limits=content.limits,
        void_from=_void_from(content.sets),
        recognition=content.recognition,
    )
    loaded = Loaded(slot, trust, content.bundles, content.sets, content.environment, content.advisories)
    return loaded, inspection.seen


def _void_from(sets: Mapping[str, TargetSet]) -> datetime:
    """From when on a list says nothing, however young its timestamp is: its root is over, or long its
    keys."""
    expires = sets["trust"].expires
    # min: what "never" expires would be beyond the calendar
    ends = [min(expires, datetime.max.replace(tzinfo=UTC) - KEYS_OUTLIVE) + KEYS_OUTLIVE]
    if "root" in sets:
        ends.append(sets["root"].expires)
    return min(ends)


def _snapshot(
    loaded: Loaded, state: StoreState, seed: Seed | None, origin: Origin, fault: str | None
) -> TrustSnapshot:
    known = [
        loaded.slot.signed_at,
        *([seed.built_at] if seed else []),
        *([state.floor] if state.floor else []),
    ]
    floor = max(known)
    return TrustSnapshot(
        trust=_with_denials(loaded.trust, state.denied),
        bundles=loaded.bundles,
        signed_at=loaded.slot.signed_at,
        floor=floor,
        generation=loaded.slot.number,
        sets=loaded.sets,
        clock=replace(state.clock, floor=floor),
        origin=origin,
        fault=fault,
        advisories=loaded.advisories,
        environment=loaded.environment,
    )


def _with_denials(trust: TrustList, denied: frozenset[Denial]) -> TrustList:
    """The list, with every key and CSCA withdrawn that a later one has withdrawn on this unit."""
    if not denied:
        return trust
    return replace(
        trust,
        keys=MappingProxyType({kid: tuple(_judged(k, denied) for k in s) for kid, s in trust.keys.items()}),
        authorities=MappingProxyType(
            {key_id: tuple(_judged(a, denied) for a in s) for key_id, s in trust.authorities.items()}
        ),
    )


def _withdrawn_in(store: Path) -> frozenset[Denial]:
    """What a list on this card withdraws, proven or not: where the database that remembers is lost, even a
    doubtful word counts, since all that it can do is deny.
    """
    found = set()
    for directory in (store / "generations").glob("*"):
        with contextlib.suppress(StoreError):
            content = load_content(directory / generation.DATABASE)
            listed: tuple[TrustedKey | Authority, ...] = (*content.keys, *content.authorities)
            found |= {denial_of(key) for key in listed if key.status is KeyStatus.WITHDRAWN}
    return frozenset(found)


def _judged(key: Listed, denied: frozenset[Denial]) -> Listed:
    return replace(key, status=KeyStatus.WITHDRAWN) if denial_of(key) in denied else key


def denial_of(key: TrustedKey | Authority) -> Denial:
    """What is written down about a key or a CSCA when a list withdraws it."""
    name = key.kid if isinstance(key, TrustedKey) else key.key_id
    return Denial(name, hashlib.sha256(key.spki).digest())
