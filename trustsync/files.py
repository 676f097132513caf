"""Writing a file so that nobody ever reads half of it.

The rules this module keeps:

* What is written is on the medium before it has its name: after a power cut the old file is there, or the
  new one.
* A file that already holds these bytes is not touched.
* What a killed process left beside a file has a name of its own, and can be swept.

    write_whole(path, data)              # beside it first, then renamed over it
    write_if_different(path, data)
    sweep_unfinished(folder)             # by whoever alone writes there
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_UNFINISHED = ".new-"


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put ``data`` at ``path``: a reader sees the old file or the new one, also after a power cut.

    mode: the file's permissions. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    flush(path.parent)


def flush(path: Path) -> None:
    """Flush a file or a directory to the medium: a directory, so that the names in it are there too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_if_different(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` unless exactly that is there already."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write_whole(path, data)


def sweep_unfinished(folder: Path) -> None:
    """Remove what :func:`write_whole` had begun below a folder when its process was killed.

    To be called by whoever alone writes there now.
    """
    for path in folder.rglob(f"{_UNFINISHED}*"):
        path.unlink()
