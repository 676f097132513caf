"""The TUF client: python-tuf's ngclient under our clock and our fetcher.

The rules this module keeps:

* The pinned root is given as bytes on every start and walked again; what lies on disk is never the anchor.
* The reference time is ours. python-tuf has no public setter for it, so the attribute is proven to exist
  **and to act** before a single request; where it does not, nothing is fetched.
* Targets are streamed to the file they will live in, never through memory or a second copy.
* Every error of the library leaves here as one of ours, with the alarm that it means.

    repository = Repository(url, root, work, fetcher, reference_time=now)
    repository.refresh()
    info = repository.target("trust/keys.cbor")
    repository.download(info, destination)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import (  # type: ignore[attr-defined]  # python-tuf re-exports them unmarked
    Metadata,
    Root,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from trustsync.errors import Alarm, FetchError, RefusedError, StoreError, TrustSyncError
from trustsync.fetcher import CutShortError, Fetcher
from trustsync.state import StoredMetadata
from trustsync.targets import SIGNED_AT_FIELD

_ROOTS = "root_history"
# Bytes of a role's metadata: the revocation role names each of up to MAX_SEGMENTS segments in about 200.
_MAX_ROLE = 16 << 20


class Repository:
    """The far end, as far as it has been proven.

    work: an empty directory for python-tuf's own files, where ``stored`` is laid out first.
    """

    def __init__(
        self,
        url: str,
        root: bytes,
        work: Path,
        fetcher: Fetcher,
        *,
        reference_time: datetime,
        stored: tuple[StoredMetadata, ...] = (),
    ) -> None:
        base = url.rstrip("/")
        self._work = work
        self._targets_url = f"{base}/targets"
        self._fetcher = fetcher
        _lay_out(work, stored)
        with _in_our_words():
            self._anchor = Metadata[Root].from_bytes(root).signed.version
            self._updater = Updater(
                str(work),
                f"{base}/metadata/",
                fetcher=fetcher,
                config=UpdaterConfig(targets_max_length=_MAX_ROLE),
                bootstrap=root,
            )
        self._set_reference_time(reference_time)

    def refresh(self) -> None:
        """Bring root, timestamp, snapshot and targets up to date. Raises FetchError or RefusedError."""
        with _in_our_words():
            self._updater.refresh()

    def target(self, path: str) -> TargetFile:
        """What is signed about a target; loads the roles on the way to it."""
        with _in_our_words():
            info = self._updater.get_targetinfo(path)
        if info is None or "sha256" not in info.hashes:
            raise RefusedError(
                f"{path}: no role that may speak for it signs it with a SHA-256; "
                "the list in force stays, and the publisher must be told",
                Alarm.CONTENT,
            )
        return info

    def role(self, name: str) -> Targets:
        """A delegated role that :meth:`target` has loaded."""
        signed = self._updater._trusted_set.get(name)  # the loaded roles have no public name
        if not isinstance(signed, Targets):
            raise RefusedError(
                f"the repository delegates nothing to the role {name}; the list in force stays", Alarm.CONTENT
            )
        return signed

    def check_expiry(self, instant: datetime) -> None:
        """Raise RefusedError when anything that was loaded is past its expiry at ``instant``.

        For an instant that the repository itself proved: a clock that lags judged too mildly until then.
        """
        trusted = self._updater._trusted_set
        below = (name.removesuffix(".json") for name in trusted.snapshot.meta)
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

    def download(self, info: TargetFile, destination: Path) -> None:
        """Stream a target into ``destination`` and hold it against its signed length and hashes."""
        folder, _, name = info.path.rpartition("/")
        url = f"{self._targets_url}/{folder}/{info.hashes['sha256']}.{name}"
        with _in_our_words():
            received = 0
            with destination.open("xb") as file:
                for chunk in self._fetcher.fetch(url):
                    received += len(chunk)
                    if received > info.length:
                        raise tuf_errors.DownloadLengthMismatchError(
                            f"{info.path}: more than the signed {info.length} bytes came"
                        )
                    file.write(chunk)
            with destination.open("rb") as file:
                info.verify_length_and_hashes(file)

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


def signed_at(timestamp: Timestamp) -> datetime:
    """The instant at which a timestamp was signed, by its own signed word.

    Raises RefusedError when it is missing, no instant with an offset, or after the timestamp's expiry.
    """
    text = timestamp.unrecognized_fields.get(SIGNED_AT_FIELD)
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant > timestamp.expires:
        raise RefusedError(
            f"the timestamp does not say when it was signed ({SIGNED_AT_FIELD}), so the age of the list "
            "would be unknown; the list in force stays, and the publisher must be told",
            Alarm.CONTENT,
        )
    return instant.astimezone(UTC)


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
def _in_our_words() -> Iterator[None]:
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
            "Look at the network and the address, then try again"
        ) from error
