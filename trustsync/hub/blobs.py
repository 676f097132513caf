"""Bytes by their SHA-256: revocation entries and segments, which are too many for rows of a database.

The rules this module keeps:

* A blob is on the medium before anything names it, and never changes. One that is not what its name says is
  an error, and not what is published.
* What nothing names any more is swept, and so is what a killed process left half written. Whoever puts blobs
  in or sweeps holds the hub's lock.

    blobs = Blobs(directory / "blobs")
    name = blobs.keep(data)
    blobs.read(name) == data
    blobs.sweep({name})
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from trustsync.files import write_if_different
from trustsync.hub.config import HubError


class Blobs:
    """A folder of blobs; made when the first is put in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes) -> str:
        """Put bytes in; their name, the SHA-256 in hex."""
        name = hashlib.sha256(data).hexdigest()
        write_if_different(self._path(name), data)
        return name

    def read(self, name: str) -> bytes:
        """The bytes of this name. Raises HubError when they are gone or changed."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise HubError(
                f"{path} cannot be read: {error.strerror}; restore the state from the backup"
            ) from error
        if hashlib.sha256(data).hexdigest() != name:
            raise HubError(f"{path} is not what was put there; restore it from the backup")
        return data

    def has(self, name: str) -> bool:
        """Whether there is a blob of this name."""
        return self._path(name).is_file()

    def sweep(self, kept: Collection[str]) -> None:
        """Remove the blobs that are not among these."""
        for path in self._folder.glob("*/*"):
            if path.name not in kept:
                path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name
