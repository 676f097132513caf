"""A repository on a stick: the same bytes by the same addresses, and nothing else of the machine."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from trust_site import DAY, START, Site, key
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.api.metadata import Root

from trustsync import folder
from trustsync.client import IMPORT_GRACE, Repository, is_unfinished
from trustsync.errors import Alarm, FetchError, RefusedError, SettingsError
from trustsync.fetcher import Fetcher, RepositoryFetcher
from trustsync.folder import FolderFetcher
from trustsync.layout import KEYS_PATH
from trustsync.state import StoredMetadata

LATER = START + DAY


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A directory with a file beside it that is none of its business."""
    (tmp_path / "secret").write_bytes(b"secret")
    place = tmp_path / "stick"
    (place / "metadata").mkdir(parents=True)
    (place / "metadata" / "timestamp.json").write_bytes(b"{}")
    return place


def test_a_file_is_given_by_the_address_that_a_web_server_would_give_it_by(stick: Path) -> None:
    """Below the directory the address is the path, with %-quoting undone."""
    (stick / "metadata" / "a b.json").write_bytes(b"odd")
    fetcher = FolderFetcher(stick)

    assert fetcher.download_bytes("folder:/metadata/timestamp.json", 10) == b"{}"
    assert fetcher.download_bytes("folder:/metadata/a%20b.json", 10) == b"odd"
    assert (fetcher.requests, fetcher.received, fetcher.wire_bytes) == (2, 5, 0)
    with pytest.raises(DownloadHTTPError) as caught:
        fetcher.download_bytes("folder:/metadata/2.root.json", 10)
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "metadata/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "/../secret",
        "metadata//..",
        "",
        ".",
    ],
)
def test_no_name_leads_out_of_the_directory(stick: Path, name: str) -> None:
    """Whatever a role or a target is called: there is nothing by that name."""
    with pytest.raises(DownloadHTTPError) as caught:
        FolderFetcher(stick).download_bytes(f"folder:/{name}", 100)
    assert caught.value.status_code == 404


def test_a_name_with_a_nul_in_it_is_no_name(stick: Path) -> None:
    """The system call would stop reading there."""
    with pytest.raises(DownloadHTTPError):
        FolderFetcher(stick).download_bytes("folder:/metadata/timestamp.json%00.txt", 100)


def test_another_kind_of_address_is_not_read_from_a_directory(stick: Path) -> None:
    """A stick is no network, and the network is no stick."""
    with pytest.raises(DownloadError, match="folder:"):
        FolderFetcher(stick).download_bytes(f"file://{stick}/metadata/timestamp.json", 100)


def test_symbolic_links_are_not_followed(stick: Path, tmp_path: Path) -> None:
    """Neither a file nor a directory on the way may be a link, wherever it leads."""
    (stick / "link.json").symlink_to(tmp_path / "secret")
    (stick / "inside.json").symlink_to(stick / "metadata" / "timestamp.json")
    (stick / "way").symlink_to(tmp_path)
    fetcher = FolderFetcher(stick)

    for name in ("link.json", "inside.json"):
        with pytest.raises(DownloadError, match="no regular file"):
            fetcher.download_bytes(f"folder:/{name}", 100)
    with pytest.raises(DownloadError, match="links are not followed"):
        fetcher.download_bytes("folder:/way/secret", 100)
    assert fetcher.received == 0


def test_the_directory_itself_may_be_reached_by_a_link(stick: Path, tmp_path: Path) -> None:
    """A mount point often is one, and whoever gave it meant it."""
    (tmp_path / "usb").symlink_to(stick)
    fetcher = FolderFetcher(tmp_path / "usb")
    assert fetcher.download_bytes("folder:/metadata/timestamp.json", 10) == b"{}"


def test_pipes_sockets_and_directories_are_not_opened(stick: Path) -> None:
    """A pipe would hang for ever, a device may act when it is opened."""
    os.mkfifo(stick / "pipe")
    (stick / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stick / "socket"))
        for name in ("pipe", "folder", "socket"):
            with pytest.raises(DownloadError, match="no regular file"):
                FolderFetcher(stick).download_bytes(f"folder:/{name}", 100)


def test_a_file_beyond_the_allowed_size_is_left(stick: Path) -> None:
    """The limits of the network hold here too."""
    with (stick / "metadata" / "big.json").open("wb") as file:
        file.truncate(1 << 40)  # a hole: as long as it likes to be
    fetcher = FolderFetcher(stick)
    with pytest.raises(DownloadLengthMismatchError):
        fetcher.download_bytes("folder:/metadata/big.json", 100_000)
    assert fetcher.received < 300_000


def test_a_rest_is_given_from_its_offset(stick: Path) -> None:
    """A target that was half copied when the stick was pulled out goes on; one that shrank begins anew."""
    (stick / "x").write_bytes(b"0123456789")
    for offset, start, body in (
        (4, 4, b"456789"),
        (0, 0, b"0123456789"),
        (10, 0, b"0123456789"),
        (99, 0, None),
    ):
        answer = FolderFetcher(stick).fetch_from("folder:/x", offset, '"etag"')
        assert answer.start == start
        assert body is None or b"".join(answer.chunks) == body


def test_no_directory_is_a_mistake_that_is_said_at_once(tmp_path: Path) -> None:
    """Before anything else happens."""
    with pytest.raises(SettingsError, match="look whether the stick is there"):
        FolderFetcher(tmp_path / "usb")


def test_a_stick_that_is_gone_is_said_and_is_not_an_empty_repository(stick: Path) -> None:
    """ "No newer root" must not be what a stick says that is no longer there."""
    fetcher = FolderFetcher(stick)
    shutil.rmtree(stick)
    with pytest.raises(DownloadError, match="was the stick pulled out") as caught:
        fetcher.download_bytes("folder:/metadata/2.root.json", 100)
    assert not isinstance(caught.value, DownloadHTTPError)


def test_a_stick_that_fails_in_the_middle_is_said(stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input or output error of the medium, in words, from wherever it comes."""

    class Broken:
        def __init__(self, descriptor: int, _mode: str) -> None:
            self._file = os.fdopen(descriptor, "rb")

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_error: object) -> None:
            self._file.close()

        def read(self, _size: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(folder, "open", Broken, raising=False)
    with pytest.raises(DownloadError, match=r"Input/output error.*pulled out"):
        FolderFetcher(stick).download_bytes("folder:/metadata/timestamp.json", 10)


class Post:
    """An offline post: what it proved so far, and the means to look at a stick or at the network."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.stored: tuple[StoredMetadata, ...] = ()
        self.in_force: datetime | None = None
        self._count = 0

    def look(
        self,
        now: datetime,
        *,
        source: RepositoryFetcher | None = None,
        grace: timedelta | None = IMPORT_GRACE,
    ) -> Repository:
        """Refresh and load the roles as an import does; what was proven is kept, also when it fails."""
        self._count += 1
        work = self.folder / str(self._count)
        work.mkdir(parents=True)
        fetcher = source or FolderFetcher(self.site.publisher.directory)
        far = Repository(
            self.site.server.url if isinstance(fetcher, Fetcher) else None,
            self.site.publisher.root,
            work,
            fetcher,
            reference_time=now,
            stored=self.stored,
            grace=grace,
            unfinished=is_unfinished(self.stored, self.in_force),
        )
        try:
            far.refresh()
            far.target(KEYS_PATH)
        finally:
            self.stored = far.proven()
        return far

    def install(self, now: datetime) -> Repository:
        """Look, and put in force."""
        far = self.look(now)
        assert far.timestamp is not None
        self.in_force = datetime.fromisoformat(far.timestamp.unrecognized_fields["x-signed-at"])
        return far

    def refused(self, now: datetime, **facts: Any) -> Alarm:
        with pytest.raises(RefusedError) as caught:
            self.look(now, **facts)
        return caught.value.alarm

    @property
    def versions(self) -> dict[str, int]:
        return {item.role: item.version for item in self.stored}


@pytest.fixture
def post(site: Site, tmp_path: Path) -> Post:
    return Post(site, tmp_path / "post")


def test_a_stick_is_proven_as_the_network_is(post: Post) -> None:
    """The same roles and versions, whichever way they came."""
    by_stick = post.look(START).role("trust")
    other = Post(post.site, post.folder / "other")
    by_wire = other.look(START, source=Fetcher(), grace=None).role("trust")
    assert by_stick == by_wire
    assert post.stored == other.stored


def test_errors_of_a_stick_send_nobody_to_the_network(post: Post) -> None:
    """The advice fits the way that was taken."""
    (post.site.publisher.directory / "metadata" / "timestamp.json").unlink()
    with pytest.raises(FetchError, match="Look at the stick"):
        post.look(START)


def test_a_stick_that_took_days_to_arrive_is_taken_within_the_grace(post: Post) -> None:
    """Newer than ours and expired by less than 30 days: installed, and as old as it says."""
    post.install(START)
    post.site.publisher.keys.append(key(3))
    post.site.publisher.publish(LATER)  # its timestamp expires three days later

    assert post.refused(LATER + 5 * DAY, grace=None) is Alarm.EXPIRED
    far = post.look(LATER + 5 * DAY)
    assert far.timestamp is not None
    assert far.timestamp.unrecognized_fields["x-signed-at"] == "2021-11-29T10:00:00Z"


def test_the_grace_ends_to_the_second(post: Post) -> None:
    """30 days after the expiry of the timestamp it is over."""
    expires = START + 3 * DAY
    assert post.refused(expires + IMPORT_GRACE) is Alarm.EXPIRED
    post.stored = ()
    post.look(expires + IMPORT_GRACE - timedelta(seconds=1))


def test_the_network_has_no_grace(post: Post) -> None:
    """There it would lengthen the life of a stolen key."""
    assert post.refused(START + 3 * DAY, source=Fetcher(), grace=None) is Alarm.EXPIRED


def test_a_root_is_never_judged_under_the_grace(post: Post) -> None:
    """A root past its expiry proves nothing new, and nothing that came under it is kept."""
    post.install(START)
    end = START + 10 * DAY
    post.site.publisher._root.expires = end
    post.site.publisher.rotate_timestamp_key(LATER)  # writes that root

    assert post.refused(end + timedelta(seconds=1)) is Alarm.EXPIRED
    assert (post.versions["root"], post.versions["timestamp"]) == (2, 1)
    post.look(end - timedelta(seconds=1))
    assert (post.versions["root"], post.versions["timestamp"]) == (2, 2)


def test_what_we_hold_gains_nothing_by_the_grace(post: Post) -> None:
    """The list in force on a stick is no newer than the list in force: expired is expired."""
    post.install(START)
    post.look(START + 3 * DAY - timedelta(seconds=1))
    assert post.refused(START + 3 * DAY) is Alarm.EXPIRED
    assert post.refused(START + 3 * DAY, grace=None) is Alarm.EXPIRED


def test_an_import_that_broke_off_can_be_ended_with_the_same_stick(post: Post) -> None:
    """The metadata were kept, the data were not installed: the same timestamp is still news."""
    post.install(START)
    post.site.publisher.keys.append(key(3))
    post.site.publisher.publish(LATER)
    post.look(LATER + 5 * DAY)  # and here the stick is pulled out
    assert is_unfinished(post.stored, post.in_force)

    post.install(LATER + 5 * DAY)
    assert not is_unfinished(post.stored, post.in_force)
    assert post.refused(LATER + 5 * DAY) is Alarm.EXPIRED


@pytest.mark.parametrize("days", [0, 5])
def test_an_older_stick_is_a_rollback_whatever_the_grace(post: Post, tmp_path: Path, days: int) -> None:
    """The grace forgives time, never a version."""
    post.site.publisher.copy(tmp_path / "old")
    post.site.publisher.publish(LATER, resign=("trust",))
    post.install(LATER)
    post.site.publisher.restore(tmp_path / "old")
    assert post.refused(LATER + days * DAY) is Alarm.ROLLBACK


def test_a_forged_stick_is_refused_whatever_the_grace(post: Post) -> None:
    """And so is every other fault: the grace forgives time alone."""
    post.install(START)
    post.site.publisher.rotate_timestamp_key(LATER)
    root = post.site.publisher.directory / "metadata" / f"2.{Root.type}.json"
    root.write_bytes(root.read_bytes().replace(b'"version":2', b'"version":3'))
    assert post.refused(LATER) is Alarm.SIGNATURE
