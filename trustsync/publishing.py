"""The writer of a TUF repository: what is said, who signs it, and in which order it is laid out.

The rules this module keeps:

* Roles and lives are those of ``ROLES``: root 2 of 3, targets 2 of 2 and only delegating; each content role
  has a key of its own, may speak for its own paths only, and ends the search.
* Metadata is signed anew when what it says changed, or when half its life is over; each says in the signed
  field ``x-signed-at`` when. The timestamp is signed at each publication at a later instant.
* Keys that lie in a safe are needed only when their role has something to say. Without them the rest is
  published. A role that must be signed and cannot be is named with its keys, and nothing is published.
* A client that reads at any moment finds a whole repository: target files first, then metadata under
  versioned names, the timestamp last, each by one rename. Nothing is taken away.
* The ledger is the truth: versions are kept there before the timestamp tells anybody. A publication that was
  cut off is completed by the next.

    publication = sign(ledger, keys, signers, files, now)      # files: target path to bytes
    lay_out(public, files, ledger)
    publication.versions["revocation"], publication.changed    # 2, ('revocation', 'snapshot', 'timestamp')

Source: TUF specification 1.0.31. The form is described in ``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from securesystemslib.signer import (  # type: ignore[attr-defined]  # re-exported unmarked
    CryptoSigner,
    SSlibKey,
)
from tuf.api.metadata import (  # type: ignore[attr-defined]  # python-tuf re-exports them unmarked
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from trustsync.errors import TrustSyncError
from trustsync.files import sweep_unfinished, write_if_different
from trustsync.layout import REVOCATION_INDEX_PATH, SIGNED_AT_FIELD
from trustsync.segments import SegmentRecord, decode_index
from verifier.times import written

METADATA, TARGETS, ROOT = "metadata", "targets", "root.json"  # below the public directory


@dataclass(frozen=True, slots=True)
class RoleForm:
    """What a role is like. life: of its metadata. keys: how many it has. needed: how many of them must sign.

    delegated: whether ``targets`` names it, for the paths below its own name; else the root does. offline:
    whether its keys belong into a safe: they are needed only when what it says changes.
    """

    life: timedelta
    keys: int = 1
    needed: int = 1
    delegated: bool = False
    offline: bool = False

    def paths(self, name: str) -> list[str]:
        """The pattern of the paths that a delegated role speaks for."""
        return [f"{name}/*"]


# In the order in which they are signed.
ROLES: Mapping[str, RoleForm] = {
    "root": RoleForm(timedelta(days=365), keys=3, needed=2, offline=True),
    "trust": RoleForm(timedelta(days=60), delegated=True, offline=True),
    "revocation": RoleForm(timedelta(days=14), delegated=True),
    "rules": RoleForm(timedelta(days=90), delegated=True, offline=True),
    "recognition": RoleForm(timedelta(days=90), delegated=True, offline=True),
    "software": RoleForm(timedelta(days=180), delegated=True, offline=True),
    "targets": RoleForm(timedelta(days=180), keys=2, needed=2, offline=True),
    "snapshot": RoleForm(timedelta(days=14)),
    "timestamp": RoleForm(timedelta(days=3)),
}
RESIGN_AFTER = timedelta(hours=12)  # how old a timestamp grows at most while its publisher runs

# Why a role is signed anew.
NEW, CHANGED, EXPIRED, DUE = "new", "changed", "expired", "half its life is over"

RoleKeys = Mapping[str, Sequence[SSlibKey]]  # the public keys of each role that the repository has
Signed = Root | Targets | Snapshot | Timestamp


class Ledger(Protocol):
    """Where a publisher keeps what it has signed, apart from what is served."""

    def metadata(self, role: str) -> bytes | None:
        """The newest metadata of a role, ``None`` before the first publication."""

    def add_metadata(self, role: str, version: int, data: bytes) -> None:
        """Keep the newest metadata of a role; of root every version stays."""

    def all_metadata(self) -> list[tuple[str, int, bytes]]:
        """Role, version and bytes of everything that a client may ask for."""


@dataclass(frozen=True, slots=True)
class Need:
    """A role that is to be signed, and keys that are not at hand.

    why: ``NEW``, ``CHANGED``, ``EXPIRED`` or ``DUE``, perhaps with more words behind. missing: how many more
    keys must sign. keyids: of the keys, any of which would do.
    """

    role: str
    why: str
    missing: int
    keyids: tuple[str, ...]

    def __str__(self) -> str:
        of = " or ".join(keyid[:12] for keyid in self.keyids)
        many = f"{self.missing} more keys" if self.missing > 1 else "one more key"
        return f"{self.role} ({self.why}) needs {many}, of {of}"


class PublishingError(TrustSyncError):
    """Nothing was published; the repository is what it was."""


class KeysMissingError(PublishingError):
    """Roles must be signed and the keys are not at hand. needs: each role with its keys."""

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__(
            "nothing was published: keys are missing. "
            + "; ".join(map(str, needs))
            + ". Bring the keys, or publish without what is new"
        )
        self.needs = tuple(needs)


@dataclass(frozen=True, slots=True)
class Publication:
    """What stands in the repository now.

    changed: the roles that were signed anew. due: roles whose half life is over and whose keys were not at
    hand; they still hold, and want to be signed before they expire.
    """

    signed_at: datetime
    versions: Mapping[str, int]
    changed: tuple[str, ...]
    due: tuple[Need, ...] = ()


def sign(
    ledger: Ledger,
    keys: RoleKeys,
    signers: Iterable[CryptoSigner],
    files: Mapping[str, bytes],
    now: datetime,
) -> Publication:
    """Sign what has to be signed, and keep it in the ledger. The files are laid out by :func:`lay_out`.

    keys: of the roles that the repository has; root, targets, snapshot, timestamp and any content roles.
    signers: the private keys at hand, of whatever roles. files: every target by its path. To be called inside
    the ledger's transaction, so that versions are kept whole or not at all.
    Raises KeysMissingError, and PublishingError when the clock stands before the last publication or no role
    speaks for a path.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    last = last_signed_at(ledger)
    if last is not None and now < last:
        raise PublishingError(
            f"the clock says {written(now)}, the last publication was at {written(last)}; "
            "clients would refuse a list that goes back in time. Set the clock right"
        )
    delegated = [role for role, form in ROLES.items() if form.delegated and role in keys]
    for path in files:
        if path.split("/")[0] not in delegated:
            raise PublishingError(f"{path}: no role of this repository speaks for it")
    signing = _Signing(ledger, keys, signers, now)
    # 1. Root: who may sign what. Its content changes only when keys do.
    signing.role("root", _root(keys))
    # 2. The content roles, and targets, which only says who they are.
    for role in delegated:
        own = {path: data for path, data in files.items() if path.startswith(f"{role}/")}
        signing.role(role, Targets(targets=_target_files(own)))
    signing.role("targets", Targets(delegations=_delegations(keys, delegated)))
    # 3. Snapshot: which versions belong together.
    signing.role("snapshot", Snapshot(meta=signing.meta_files("targets", *delegated)))
    # 4. Timestamp: which snapshot is the newest, and when that was said.
    newest = signing.meta_files("snapshot").get("snapshot.json")
    signing.role("timestamp", Timestamp(snapshot_meta=newest))
    # 5. All of it or nothing.
    return signing.finish()


def last_signed_at(ledger: Ledger) -> datetime | None:
    """The instant of the last publication, ``None`` before the first."""
    data = ledger.metadata("timestamp")
    if data is None:
        return None
    timestamp = Metadata[Timestamp].from_bytes(data).signed
    return datetime.fromisoformat(timestamp.unrecognized_fields[SIGNED_AT_FIELD])


def standing_targets(ledger: Ledger, role: str) -> dict[str, str]:
    """The targets that the newest metadata of a content role names: path to SHA-256 in hex."""
    data = ledger.metadata(role)
    if data is None:
        return {}
    targets = Metadata[Targets].from_bytes(data).signed.targets
    return {path: info.hashes["sha256"] for path, info in targets.items()}


def published_target(public: Path, path: str, digest: str) -> bytes | None:
    """A target that was laid out, by its path and its SHA-256; ``None`` when it is gone or another."""
    folder, name = path.split("/")
    try:
        data = (public / TARGETS / folder / f"{digest}.{name}").read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None


def standing_segments(ledger: Ledger, find: Callable[[str, str], bytes | None]) -> dict[SegmentRecord, bytes]:
    """The revocation segments that stand, for :func:`trustsync.deltas.plan_segments`.

    find: gives a target's bytes by its path and SHA-256. When one of them cannot be had, none is given: the
    next publication then writes every segment anew, which is always right and only costs the fleet bytes.
    """
    names = standing_targets(ledger, "revocation")
    found = {path: find(path, digest) for path, digest in names.items()}
    whole = {path: data for path, data in found.items() if data is not None}
    if len(whole) < len(names) or REVOCATION_INDEX_PATH not in whole:
        return {}
    return {record: whole[record.path] for record in decode_index(whole[REVOCATION_INDEX_PATH])}


def lay_out(public: Path, files: Mapping[str, bytes], ledger: Ledger) -> None:
    """Write the repository's files: targets, then versioned metadata, then the timestamp.

    To be called by one process at a time: what another one left unfinished is swept.
    """
    sweep_unfinished(public)
    for path, data in files.items():
        write_if_different(public / TARGETS / hashed_name(path, data), data)
    last = b""
    for role, version, data in ledger.all_metadata():
        if role == "timestamp":
            last = data
        else:
            write_if_different(public / METADATA / f"{version}.{role}.json", data)
        if (role, version) == ("root", 1):
            write_if_different(public / ROOT, data)
    _write_later(public / METADATA / "timestamp.json", last)


def hashed_name(path: str, data: bytes) -> str:
    """The name under which a target is served: its SHA-256 before its own name."""
    folder, name = path.split("/")
    return f"{folder}/{hashlib.sha256(data).hexdigest()}.{name}"


class _Signing:
    """One publication in the making. latest: version and bytes of each role."""

    def __init__(
        self, ledger: Ledger, keys: RoleKeys, signers: Iterable[CryptoSigner], now: datetime
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._at_hand = {signer.public_key.keyid: signer for signer in signers}
        self._now = now
        self.latest: dict[str, tuple[int, bytes]] = {}
        self._changed: list[str] = []
        self._blocked: list[Need] = []
        self._due: list[Need] = []

    def role(self, name: str, wanted: Signed) -> None:
        """Sign ``wanted`` as the next version, unless the version that stands says the same and lasts."""
        standing = self._ledger.metadata(name)
        old = None if standing is None else Metadata[Any].from_bytes(standing).signed
        why = self._why(name, wanted, old)
        if old is not None and standing is not None and why is None:
            self.latest[name] = (old.version, standing)
            return
        needs = self._needs(name, wanted, old, why or "")
        if needs:
            # What is only due can wait; what says something new, or is over, cannot.
            lasts = why == DUE
            (self._due if lasts else self._blocked).extend(needs)
            if old is not None and standing is not None:
                self.latest[name] = (old.version, standing)
            return
        wanted.version = 1 if old is None else old.version + 1
        wanted.expires = self._now + ROLES[name].life
        wanted.unrecognized_fields = {SIGNED_AT_FIELD: written(self._now)}
        metadata: Metadata[Any] = Metadata(wanted)
        for keyid in self._keyids(name, old):
            if keyid in self._at_hand:
                metadata.sign(self._at_hand[keyid], append=True)
        self.latest[name] = (wanted.version, metadata.to_bytes())
        self._changed.append(name)

    def _why(self, name: str, wanted: Signed, old: Any) -> str | None:
        """Why a role is to be signed; ``None`` when the version that stands will do."""
        if old is None:
            return NEW
        if self._now >= old.expires:
            return EXPIRED
        # The comparison is about content: number, expiry and instant of signing are not part of it.
        wanted.version, wanted.expires = old.version, old.expires
        wanted.unrecognized_fields = dict(old.unrecognized_fields)
        if name == "timestamp":
            wanted.unrecognized_fields = {SIGNED_AT_FIELD: written(self._now)}
        if wanted != old:
            return CHANGED
        return DUE if self._now >= old.expires - ROLES[name].life / 2 else None

    def _keyids(self, name: str, old: Any) -> list[str]:
        """Whose signatures a role's metadata carries; a new root also those of the root before it."""
        keyids = _ids(self._keys[name])
        if isinstance(old, Root):
            keyids += [keyid for keyid in old.roles["root"].keyids if keyid not in keyids]
        return keyids

    def _needs(self, name: str, wanted: Signed, old: Any, why: str) -> list[Need]:
        """The keys that are missing for a role. A root is vouched for by itself and by the one before."""
        asked = [(tuple(_ids(self._keys[name])), ROLES[name].needed, why)]
        if isinstance(old, Root) and isinstance(wanted, Root):
            before = old.roles["root"]
            if set(before.keyids) != set(asked[0][0]):
                asked.append((tuple(before.keyids), before.threshold, f"{why}, by the keys before"))
        found = []
        for keyids, needed, reason in asked:
            absent = tuple(keyid for keyid in keyids if keyid not in self._at_hand)
            missing = needed - (len(keyids) - len(absent))
            if missing > 0:
                found.append(Need(name, reason, missing, absent))
        return found

    def meta_files(self, *names: str) -> dict[str, MetaFile]:
        """How snapshot and timestamp name the newest versions of these roles."""
        found = {}
        for name in names:
            if name in self.latest:  # a role that could not be signed stops the publication at its end
                version, data = self.latest[name]
                digest = hashlib.sha256(data).hexdigest()
                found[f"{name}.json"] = MetaFile(version, len(data), {"sha256": digest})
        return found

    def finish(self) -> Publication:
        """Keep what was signed. Raises KeysMissingError when something that must be signed was not."""
        if self._blocked:
            raise KeysMissingError(self._blocked)
        for name in self._changed:
            version, data = self.latest[name]
            self._ledger.add_metadata(name, version, data)
        versions = {role: version for role, (version, _) in self.latest.items()}
        return Publication(self._now, versions, tuple(self._changed), tuple(self._due))


def _root(keys: RoleKeys) -> Root:
    top = [role for role, form in ROLES.items() if not form.delegated]
    return Root(
        keys={key.keyid: key for role in top for key in keys[role]},
        roles={role: Role(_ids(keys[role]), ROLES[role].needed) for role in top},
        consistent_snapshot=True,
    )


def _delegations(keys: RoleKeys, roles: Sequence[str]) -> Delegations:
    return Delegations(
        keys={key.keyid: key for role in roles for key in keys[role]},
        roles={
            role: DelegatedRole(
                role, _ids(keys[role]), ROLES[role].needed, terminating=True, paths=ROLES[role].paths(role)
            )
            for role in roles
        },
    )


def _ids(keys: Iterable[SSlibKey]) -> list[str]:
    return [key.keyid for key in keys]


def _target_files(files: Mapping[str, bytes]) -> dict[str, TargetFile]:
    return {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in files.items()}


def _write_later(path: Path, data: bytes) -> None:
    """Put the timestamp in its place, with a later second than the one before it had.

    Web servers make a file's ETag of its second and its size: of two timestamps of one second the second
    would be "not modified" to everybody who has the first.
    """
    before = path.stat().st_mtime if path.exists() else 0.0
    write_if_different(path, data)
    written = path.stat().st_mtime
    if before != written and int(written) <= int(before):
        os.utime(path, (before + 1, before + 1))
