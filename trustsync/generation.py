"""One generation of the trust list: a directory that is built once, proven, and never changed.

    generations/000007/
        manifest.json                    SHA-256 and size of every file below; its own hash is the digest
        generation.db                    what the reader loads, see trustsync.content
        metadata/timestamp.json          the signed metadata behind the targets, see trustsync.recovery
        targets/trust/keys.cbor          the targets as they were signed
        targets/revocation/....seg       sorted segments, mapped as they are

The rules this module keeps:

* Built beside the old one, every file synced before the directory gets its name, the name synced after.
* Unchanged segments are hard links into the generation before: nothing is fetched twice, nothing large
  written twice. Documents are copied, so that one bad sector does not hit both generations.
* ``PRAGMA integrity_check`` finds a flipped bit one time in ten; the digest finds it every time.

    digest = finish(staged, number=7)
    place(staged, directory_of(store, 7))
    manifest, faults = inspect(directory, digest)
"""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from trustsync.errors import StoreError
from trustsync.files import flush

DATABASE = "generation.db"
MANIFEST = "manifest.json"
TARGETS = "targets"
METADATA = "metadata"
_FORM = 1

# A file that was hashed: device, inode, size, time of change. Hard links share it.
FileIdentity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as the manifest lists it; sha256 in hex, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a generation by their path below its directory."""

    number: int
    files: Mapping[str, FileRecord]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at every byte found. faults: path to what is wrong with it. seen: what was hashed."""

    manifest: Manifest
    faults: Mapping[str, str]
    seen: Mapping[FileIdentity, str]


def directory_of(store: Path, number: int) -> Path:
    """Where generation ``number`` of a store lies."""
    return store / "generations" / f"{number:06d}"


def target_file(directory: Path, path: str) -> Path:
    """Where a generation keeps the target ``path``."""
    return directory / TARGETS / path


def finish(staged: Path, *, number: int) -> str:
    """Complete a staged directory that holds all its files: the manifest, and everything synced.

    The result is its digest. The directory is ready to be renamed to its place, see :func:`place`.
    """
    files = {}
    for path in sorted(p for p in staged.rglob("*") if p.is_file()):
        flush(path)
        files[path.relative_to(staged).as_posix()] = {"sha256": _sha256(path), "size": path.stat().st_size}
    manifest = json.dumps(
        {"v": _FORM, "generation": number, "files": files}, sort_keys=True, separators=(",", ":")
    ).encode()
    (staged / MANIFEST).write_bytes(manifest)
    flush(staged / MANIFEST)
    for directory in (staged, *(p for p in staged.rglob("*") if p.is_dir())):
        flush(directory)
    return hashlib.sha256(manifest).hexdigest()


def place(staged: Path, directory: Path) -> None:
    """Give a finished directory its final name, durably."""
    directory.parent.mkdir(exist_ok=True)
    staged.rename(directory)
    flush(directory.parent)
    flush(directory.parent.parent)


def inspect(
    directory: Path, digest: str, *, known: Mapping[FileIdentity, str] = MappingProxyType({})
) -> Inspection:
    """Hold every byte of a generation against its digest.

    known: files hashed earlier in this process; the same file under a new name is not hashed again.
    Raises StoreError when the manifest itself is missing or not the one of the digest.
    """
    manifest = _manifest(directory, digest)
    faults: dict[str, str] = {}
    seen: dict[FileIdentity, str] = {}
    for name, record in manifest.files.items():
        path = directory / name
        try:
            facts = path.lstat()
            # A pipe would hang the reader and a device might never end; nothing of ours changes its size.
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != record.size:
                faults[name] = "changed"
                continue
            identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            found = known.get(identity) or _sha256(path)
        except FileNotFoundError:
            faults[name] = "missing"
            continue
        except OSError as error:
            faults[name] = f"unreadable ({error.strerror})"
            continue
        if found == record.sha256:
            seen[identity] = found
        else:
            faults[name] = "changed"
    return Inspection(manifest, MappingProxyType(faults), MappingProxyType(seen))


def _manifest(directory: Path, digest: str) -> Manifest:
    path = directory / MANIFEST
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{directory / MANIFEST} cannot be read ({error.strerror}); no list can be vouched for. Sync anew"
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise StoreError(
            f"{directory / MANIFEST} is not the one that was put in force; the card or a hand changed it. "
            "No list can be vouched for. Sync anew"
        )
    value = json.loads(data)  # its hash held: these are the bytes that `finish` wrote
    files = {name: FileRecord(item["sha256"], item["size"]) for name, item in value["files"].items()}
    return Manifest(value["generation"], MappingProxyType(files))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
