"""The TUF client: python-tuf's ngclient under our clock and our fetcher.

The rules this module keeps:

* The pinned root is given as bytes on every start and walked again; what lies on disk is never the anchor.
* The reference time is ours. python-tuf has no public setter for it, so the attribute is proven to exist
  **and to act** before a single request; where it does not, nothing is fetched.
* Grace is for a stick that took days to arrive: newer metadata, expired by so much at most. It never judges a
  root, and what is no newer than ours gains nothing by it. The network path has none: there it would
  lengthen the life of a stolen key.
* Targets are streamed to the file they will live in, never through memory or a second copy.
* Every error of the library leaves here as one of ours, with the alarm that it means.

    repository = Repository(url, root, work, fetcher, reference_time=now)
    repository.refresh()
    info = repository.target("trust/keys.cbor")
    repository.download(info, destination)
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import overload
from urllib.parse import quote, unquote

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import (  # type: ignore[attr-defined]  # python-tuf re-exports them unmarked
    Metadata,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from trustsync.errors import Alarm, FetchError, RefusedError, StoreError, TrustSyncError
from trustsync.fetcher import CutShortError, RepositoryFetcher
from trustsync.folder import FOLDER_URL
from trustsync.layout import SIGNED_AT_FIELD
from trustsync.state import StoredMetadata
from trustsync.transfer import obtain

IMPORT_GRACE = timedelta(days=30)  # of an offline import, see Repository
_ROOTS = "root_history"
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Bytes of a role's metadata: the revocation role names each of up to MAX_SEGMENTS segments in about 200.
_MAX_ROLE = 16 << 20


class Repository:
    """The far end, as far as it has been proven.

    url: above ``metadata/`` and ``targets/``; ``None`` for the directory of a FolderFetcher. metadata_url,
    targets_url: where they lie elsewhere. work: an empty directory for python-tuf's own files, where
    ``stored`` is laid out first. grace: how long metadata newer than ours may be expired, roots excepted.
    unfinished: what we hold was never installed, see :func:`is_unfinished`; the grace then holds for it too.
    """

    def __init__(
        self,
        url: str | None,
        root: bytes,
        work: Path,
        fetcher: RepositoryFetcher,
        *,
        reference_time: datetime,
        stored: tuple[StoredMetadata, ...] = (),
        grace: timedelta | None = None,
        unfinished: bool = False,
        metadata_url: str | None = None,
        targets_url: str | None = None,
    ) -> None:
        base = (FOLDER_URL if url is None else url).rstrip("/")
        self._work = work
        self._targets_url = (targets_url or f"{base}/targets").rstrip("/")
        self._timestamp_url = f"{(metadata_url or f'{base}/metadata').rstrip('/')}/{Timestamp.type}.json"
        self._fetcher = fetcher
        self._held_snapshot = next((item.data for item in stored if item.role == Snapshot.type), None)
        _lay_out(work, stored)
        with self._in_our_words():
            self._anchor = Metadata[Root].from_bytes(root).signed.version
            self._updater = Updater(
                str(work),
                self._timestamp_url.removesuffix(f"{Timestamp.type}.json"),
                fetcher=fetcher,
                config=UpdaterConfig(targets_max_length=_MAX_ROLE),
                bootstrap=root,
            )
        self._set_reference_time(reference_time)
        if grace is not None:
            self._grant(grace, unfinished)

    @property
    def timestamp_url(self) -> str:
        """The address of the timestamp, the one that changes under its name."""
        return self._timestamp_url

    def refresh(self) -> None:
        """Bring root, timestamp, snapshot and targets up to date. Raises FetchError or RefusedError."""
        with self._in_our_words():
            self._updater.refresh()

    def find(self, path: str) -> TargetFile | None:
        """What is signed about a target, ``None`` when no role that may speak for it does.

        Loads the roles on the way to it. Raises FetchError or RefusedError.
        """
        with self._in_our_words():
            return self._updater.get_targetinfo(path)

    def target(self, path: str) -> TargetFile:
        """What is signed about a target that must exist, with a SHA-256."""
        info = self.target_or_none(path)
        if info is None:
            raise RefusedError(
                f"{path}: no role that may speak for it signs it; the list in force stays, and the "
                "publisher must be told",
                Alarm.CONTENT,
            )
        return info

    def target_or_none(self, path: str) -> TargetFile | None:
        """What is signed about a target that need not exist. Without a SHA-256 it is refused all the same.

        And so it is when another role than that of its folder signs it: a delegation that is too wide, by a
        mistake at a ceremony, must not let the rules speak for the keys.
        """
        info = self.find(path)
        speaker = path.partition("/")[0]
        if info is not None and not self._signs(speaker, path):
            raise RefusedError(
                f"{path}: another role than {speaker} signs it; the list in force stays, and the publisher "
                "must be told",
                Alarm.CONTENT,
            )
        # It becomes the name of a file here, and python-tuf takes any text for a hash.
        if info is not None and not _SHA256.fullmatch(info.hashes.get("sha256", "")):
            raise RefusedError(
                f"{path}: it is signed without a SHA-256; the list in force stays, and the publisher must "
                "be told",
                Alarm.CONTENT,
            )
        return info

    def _signs(self, name: str, path: str) -> bool:
        signed = self._updater._trusted_set.get(name)
        return isinstance(signed, Targets) and path in signed.targets

    def role(self, name: str) -> Targets:
        """A delegated role that :meth:`target` has loaded."""
        signed = self._updater._trusted_set.get(name)  # the loaded roles have no public name
        if not isinstance(signed, Targets):
            raise RefusedError(
                f"the repository delegates nothing to the role {name}; the list in force stays", Alarm.CONTENT
            )
        return signed

    def delegates(self, name: str) -> bool:
        """Whether the top role delegates to a role of this name; false before :meth:`refresh`."""
        top = self._updater._trusted_set.get(Targets.type)
        if not isinstance(top, Targets) or top.delegations is None:
            return False
        return name in (top.delegations.roles or {})

    def check_expiry(self, instant: datetime) -> None:
        """Raise RefusedError when anything that was loaded is past its expiry at ``instant``.

        For an instant that the repository itself proved: a clock that lags judged too mildly until then.
        """
        trusted = self._updater._trusted_set
        named = trusted.snapshot.meta if Snapshot.type in trusted else ()
        below = (name.removesuffix(".json") for name in named)
        for name in ("root", "timestamp", "snapshot", *below):
            signed = trusted.get(name)
            if signed is not None and signed.is_expired(instant):
                raise RefusedError(
                    f"the role {name} expired on {signed.expires:%Y-%m-%d %H:%M} UTC, and the timestamp "
                    f"above it was signed on {instant:%Y-%m-%d %H:%M} UTC; refused, the list in force stays. "
                    "The publisher must sign that role again",
                    Alarm.EXPIRED,
                )

    @property
    def timestamp(self) -> Timestamp | None:
        """The timestamp that is proven, ``None`` before any was; it may be past its expiry."""
        signed = self._updater._trusted_set.get(Timestamp.type)
        return signed if isinstance(signed, Timestamp) else None

    @property
    def root(self) -> Root:
        """The newest root that is proven."""
        return self._updater._trusted_set.root

    @property
    def snapshot_version(self) -> int | None:
        """The version of the snapshot that is proven, ``None`` before any was."""
        signed = self._updater._trusted_set.get(Snapshot.type)
        return signed.version if isinstance(signed, Snapshot) else None

    @property
    def same_snapshot(self) -> bool:
        """Whether the snapshot that is proven is, byte for byte, the one that was held before.

        Then every role below it has the version that it had, and nothing but the timestamp can be new.
        """
        if self._held_snapshot is None or self.snapshot_version is None:
            return False
        return (self._work / f"{Snapshot.type}.json").read_bytes() == self._held_snapshot

    def download(self, info: TargetFile, destination: Path, partial: Path | None = None) -> None:
        """Stream a target into ``destination`` and hold it against its signed length and hashes.

        partial: a file on the same file system that takes the bytes first and keeps them when the transfer
        breaks; the next call goes on from there. Raises FetchError, RefusedError, OSError.
        """
        file = destination if partial is None else partial
        if partial is None:
            destination.touch(exist_ok=False)
        try:
            with self._in_our_words():
                obtain(self._fetcher, self._url_of(info), info, file)
        except BaseException:
            if partial is None:
                destination.unlink(missing_ok=True)
            raise
        if partial is not None:
            partial.replace(destination)

    def _url_of(self, info: TargetFile) -> str:
        if not self._updater._trusted_set.root.consistent_snapshot:
            return f"{self._targets_url}/{info.path}"
        folder, slash, name = info.path.rpartition("/")
        prefix = info.hashes.get("sha256") or next(iter(info.hashes.values()))
        return f"{self._targets_url}/{folder}{slash}{prefix}.{name}"

    def proven(self) -> tuple[StoredMetadata, ...]:
        """The files that are verified by now, also when a later step failed.

        The pinned root itself is among them only once a timestamp held under it: a wrong root proves
        nothing and must not take the place of the right one.
        """
        trusted = self._updater._trusted_set
        anchored = Timestamp.type in trusted
        first = self._anchor if anchored else self._anchor + 1
        found = [
            StoredMetadata(Root.type, number, (self._work / _ROOTS / f"{number}.root.json").read_bytes())
            for number in range(first, trusted.root.version + 1)
        ]
        # A file is replaced only after its content was verified; one that no longer fits the root stays as
        # it was stored, and python-tuf weighs it again next time.
        for path in sorted(self._work.glob("*.json")):
            if path.name != "root.json":
                data = path.read_bytes()
                role = unquote(path.name.removesuffix(".json"))
                try:
                    version = Metadata.from_bytes(data).signed.version
                except DeserializationError:
                    continue  # damaged where it was stored, and not replaced yet: it proves nothing
                found.append(StoredMetadata(role, version, data))
        return tuple(found)

    def _set_reference_time(self, reference_time: datetime) -> None:
        """Give python-tuf our clock, having seen that it obeys.

        A final root is held against the reference time before the bytes of a timestamp are looked at, so
        empty bytes show both answers and change nothing.
        """
        trusted = self._updater._trusted_set
        expires = trusted.root.expires
        if not isinstance(getattr(trusted, "reference_time", None), datetime) or not (
            self._says_expired(expires + timedelta(seconds=1))
            and not self._says_expired(expires - timedelta(seconds=1))
        ):
            raise StoreError(
                "python-tuf does not take its time from us any more, so expiry could not be judged; "
                "nothing was fetched. Install the version of tuf that this release names"
            )
        trusted.reference_time = reference_time.astimezone(UTC)

    def _says_expired(self, instant: datetime) -> bool:
        trusted = self._updater._trusted_set
        trusted.reference_time = instant
        try:
            trusted.update_timestamp(b"")
        except tuf_errors.ExpiredMetadataError:
            return True
        except tuf_errors.RepositoryError:
            return False
        return False

    def _grant(self, grace: timedelta, unfinished: bool) -> None:
        """Let everything below the root be judged as of ``grace`` ago, if the timestamp is newer than ours.

        The final root and the newness of the timestamp are both looked at when a timestamp is given to
        python-tuf, so its method is wrapped here: the root is held against the true time, and a timestamp of
        the version that we hold takes the grace back before the snapshot is looked at. It does not where an
        import broke off between the metadata and the data: the same stick must be able to end it.
        """
        trusted = self._updater._trusted_set
        strict, judge = trusted.reference_time, trusted.update_timestamp

        def update_timestamp(data: bytes) -> Timestamp:
            if trusted.root.is_expired(strict):
                raise tuf_errors.ExpiredMetadataError("Final root.json is expired")
            try:
                return judge(data)
            except tuf_errors.EqualVersionNumberError:
                if not unfinished:
                    trusted.reference_time = strict
                raise

        trusted.reference_time = strict - grace
        trusted.update_timestamp = update_timestamp  # type: ignore[method-assign]

    def _in_our_words(self) -> contextlib.AbstractContextManager[None]:
        return _in_our_words(self._fetcher.advice)


@overload
def signed_at(signed: Timestamp) -> datetime: ...


@overload
def signed_at(signed: Signed) -> datetime | None: ...


def signed_at(signed: Signed) -> datetime | None:
    """The instant at which a role was signed, by its own signed word; ``None`` where it says nothing.

    A timestamp must say it. Raises RefusedError when it does not, or when what any role says is no instant
    with an offset, or after the role's expiry.
    """
    text = signed.unrecognized_fields.get(SIGNED_AT_FIELD)
    if text is None and not isinstance(signed, Timestamp):
        return None
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
        if instant is not None and instant.tzinfo is not None:
            instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: an instant beyond the calendar in UTC
        instant = None
    if instant is None or instant.tzinfo is None or instant > signed.expires:
        raise RefusedError(
            f"the {signed.type} role does not say when it was signed ({SIGNED_AT_FIELD}), so the age of "
            "the list would be unknown; the list in force stays, and the publisher must be told",
            Alarm.CONTENT,
        )
    return instant


def timestamp_signers(stored: tuple[StoredMetadata, ...]) -> str:
    """Names the keys that sign timestamps by the newest root that is stored; empty without one."""
    roots = [item for item in stored if item.role == Root.type]
    if not roots:
        return ""
    newest = Metadata[Root].from_bytes(max(roots, key=lambda item: item.version).data).signed
    return " ".join(sorted(newest.roles[Timestamp.type].keyids))


def root_version(root: bytes) -> int:
    """The version of a root that holds by its own signatures. Raises RefusedError when it does not."""
    with _in_our_words():
        given = Metadata[Root].from_bytes(root)
        if not isinstance(given.signed, Root):
            raise RefusedError(
                f"the file is a {given.signed.type}, not a root; nothing was changed. Give the "
                "publisher's root.json",
                Alarm.ANCHOR,
            )
        given.signed.verify_delegate(Root.type, given.signed_bytes, given.signatures)
    return given.signed.version


def check_anchor(root: bytes, stored: tuple[StoredMetadata, ...]) -> None:
    """Raise RefusedError when ``root`` is another root than the one of its version that is stored."""
    with _in_our_words():
        given = Metadata[Root].from_bytes(root)
    for item in stored:
        if item.role == Root.type and item.version == given.signed.version:
            with _in_our_words():
                held = Metadata[Root].from_bytes(item.data)
            if held.signed_bytes != given.signed_bytes:
                raise RefusedError(
                    f"the root that was given is not the one this store was built on (version {item.version} "
                    "differs); nothing was asked of the network and the list in force stays. If the "
                    "repository was really set up anew, start with an empty store",
                    Alarm.ANCHOR,
                )


def is_unfinished(stored: tuple[StoredMetadata, ...], in_force: datetime | None) -> bool:
    """Whether the timestamp that is held is newer than the list in force, signed at ``in_force``.

    So it is after a sync that proved the metadata and could not install the data.
    """
    for item in stored:
        if item.role == Timestamp.type:
            with contextlib.suppress(DeserializationError, RefusedError):
                held = signed_at(Metadata[Timestamp].from_bytes(item.data).signed)
                return in_force is None or held > in_force
    return False


def _lay_out(work: Path, stored: tuple[StoredMetadata, ...]) -> None:
    (work / _ROOTS).mkdir(parents=True, exist_ok=True)
    for item in stored:
        if item.role == Root.type:
            (work / _ROOTS / f"{item.version}.root.json").write_bytes(item.data)
        else:
            (work / f"{quote(item.role, '')}.json").write_bytes(item.data)


_REFUSALS: tuple[tuple[type[Exception], Alarm, str], ...] = (
    (tuf_errors.BadVersionNumberError, Alarm.ROLLBACK, "a version went backwards or does not fit"),
    (tuf_errors.UnsignedMetadataError, Alarm.SIGNATURE, "a signature is wrong or missing"),
    (tuf_errors.ExpiredMetadataError, Alarm.EXPIRED, "what is offered is past its expiry"),
    (tuf_errors.LengthOrHashMismatchError, Alarm.MISMATCH, "length or hash is not the signed one"),
    (tuf_errors.DownloadLengthMismatchError, Alarm.TOO_BIG, "more came than was announced or is allowed"),
    (CutShortError, Alarm.CUT_SHORT, "the transfer was cut short"),
    (tuf_errors.RepositoryError, Alarm.MALFORMED, "the repository is not in order"),
)


@contextlib.contextmanager
def _in_our_words(advice: str = "Look at the file") -> Iterator[None]:
    try:
        yield
    except TrustSyncError:
        raise
    except (tuf_errors.RepositoryError, tuf_errors.DownloadError) as error:
        for kind, alarm, what in _REFUSALS:
            if isinstance(error, kind):
                raise RefusedError(
                    f"{what}: {error}; refused, the list in force stays. If it happens again, "
                    "tell the publisher",
                    alarm,
                ) from error
        raise FetchError(
            f"the repository could not be read: {error}; the list in force stays and ages. "
            f"{advice}, then try again"
        ) from error
