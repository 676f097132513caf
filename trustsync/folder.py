"""A repository on a USB stick: the directory that a web server would serve, read without one.

The rules this module keeps:

* What a web server over the same directory would give is what is given here, by the same addresses; all
  that is proven of it afterwards is proven by the same code.
* Nothing outside the directory is read, whatever a name says: no ``..``, no symbolic link on the way.
* Only regular files are opened. A pipe or a device on a stick would hang or harm.
* A stick that is pulled out is an error in words, not a crash and not an empty repository.

    fetcher = FolderFetcher(Path("/media/usb/trust"))
    body = fetcher.download_bytes("folder:/metadata/timestamp.json", 16_384)
    Repository(None, root, work, fetcher, reference_time=now, grace=IMPORT_GRACE)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from tuf.api.exceptions import DownloadError, DownloadHTTPError

from trustsync.errors import SettingsError
from trustsync.fetcher import Answer, RepositoryFetcher

FOLDER_URL = "folder:"  # what stands for the directory in an address
_CHUNK = 1 << 16
_INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderFetcher(RepositoryFetcher):
    """The files below a directory, by addresses that begin with ``folder:``.

    Raises SettingsError when it is no directory.
    """

    advice = "Look at the stick and at the directory on it"

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise SettingsError(
                f"{directory} is no directory; nothing was read. Give the directory that holds metadata/ and "
                "targets/, and look whether the stick is there"
            )
        self._directory = directory
        self.requests = 0
        self.received = 0
        self.wire_bytes = 0  # nothing goes over a network

    def fetch_from(self, url: str, offset: int, etag: str | None = None) -> Answer:  # noqa: ARG002 - has none
        """See :meth:`RepositoryFetcher.fetch_from`. A file that ends before ``offset`` is given whole."""
        self.requests += 1
        names = _names(url)
        file = self._open(names)
        try:
            size = os.fstat(file.fileno()).st_size
            start = file.seek(offset if offset < size else 0)
        except OSError as error:
            file.close()
            raise _in_words(error, names) from error
        return Answer(start, None, self._chunks(file, names))

    def _open(self, names: tuple[str, ...]) -> BinaryIO:
        *folders, last = names
        try:
            place = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _in_words(error, names, gone=True) from error
        try:
            for folder in folders:
                below = os.open(folder, _INTO, dir_fd=place)
                os.close(place)
                place = below
            # Looked at before it is opened: to open a device can be an act.
            found = os.stat(last, dir_fd=place, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise DownloadError(f"{'/'.join(names)} is no regular file; it was not opened")
            file = open(os.open(last, _FILE, dir_fd=place), "rb")  # noqa: PTH123, SIM115 - closed by _chunks
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # put in its place meanwhile
                file.close()
                raise DownloadError(f"{'/'.join(names)} is no regular file; it was not read")
            return file
        except OSError as error:
            raise _in_words(error, names) from error
        finally:
            os.close(place)

    def _chunks(self, file: BinaryIO, names: tuple[str, ...]) -> Iterator[bytes]:
        with file:
            try:
                while chunk := file.read(_CHUNK):
                    self.received += len(chunk)
                    yield chunk
            except OSError as error:
                raise _in_words(error, names) from error


def _names(url: str) -> tuple[str, ...]:
    """The parts of an address below the directory, decoded as a web server decodes them."""
    if not url.startswith(FOLDER_URL):
        raise DownloadError(f"{url}: only addresses that begin with {FOLDER_URL} are read from a directory")
    names = tuple(unquote(part) for part in url[len(FOLDER_URL) :].strip("/").split("/"))
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DownloadHTTPError(f"{url}: there is nothing by such a name in a directory", 404)
    return names


def _in_words(error: OSError, names: tuple[str, ...], *, gone: bool = False) -> DownloadError:
    what = "/".join(names)
    if gone:
        return DownloadError(
            f"the directory is not there any more ({error.strerror}); was the stick pulled out?"
        )
    match error:
        case FileNotFoundError():
            return DownloadHTTPError(f"{what} is not in the directory", 404)
        case NotADirectoryError():
            return DownloadError(
                f"{what}: a name on the way is no directory of its own; links are not followed"
            )
        case PermissionError():
            return DownloadError(f"{what} may not be read by this user")
        case _:
            return DownloadError(
                f"{what} cannot be read ({error.strerror}); was the stick pulled out, or is it bad?"
            )
