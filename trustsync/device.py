"""The unit's own key: Ed25519, made on this machine, and known to nobody else.

The rules this module keeps:

* It is made once. Two processes that both find none end up with the same key.
* It lies in the trust store, the one directory that the sync may write; only the sync's own user may read it.
* It is on the card before it has its name: a power cut leaves a whole key or none.
* It names the unit to the fleet, and says which part of the night is its own. A copied card is the same unit.

    key = device_key(trust_dir())
    key.verify_key.encode()                         # 32 bytes, what others may know
    device_name(trust_dir())                        # 32 bytes, for its time of night
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trustsync.errors import StoreError
from trustsync.files import flush

if TYPE_CHECKING:
    from nacl.signing import SigningKey

NAME = "device.key"
_SIZE = 32  # the seed of RFC 8032, section 5.1.5


def device_key(store: Path) -> SigningKey:
    """The key of this unit, made now if there is none.

    store: the trust store, which exists. Raises StoreError when the key cannot be read or made, or is none.
    """
    from nacl.signing import SigningKey  # a night without news needs the name alone

    return SigningKey(_seed(store))


def device_name(store: Path) -> bytes:
    """What stands for the key where nothing is signed: a hash, which gives nothing of the key away.

    Raises as :func:`device_key` does.
    """
    return hashlib.sha256(b"vaxgate device name" + _seed(store)).digest()


def _seed(store: Path) -> bytes:
    path = store / NAME
    try:
        try:
            seed = _read(path)
        except FileNotFoundError:
            _make(path)
            seed = _read(path)  # by whichever process made it
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read or made: {error.strerror}; this unit has no name for the fleet, the list "
            "in force stays. Look at the owner and the free space of that directory"
        ) from error
    if len(seed) != _SIZE:
        raise StoreError(
            f"{path} holds no key: {_SIZE} bytes are expected; the list in force stays. If nothing else will "
            "bring the key back, remove the file: the unit then becomes a new one to the fleet"
        )
    return seed


def _read(path: Path) -> bytes:
    """What the file holds, one byte more than a key at most. A link is not followed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read(_SIZE + 1)


def _make(path: Path) -> None:
    """Write a new key beside the name and link it there: linking, unlike renaming, never replaces a key."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # O_EXCL, mode 0600
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(beside)
        except FileExistsError:
            return  # another process was first, and its key is the unit's
    finally:
        beside.unlink(missing_ok=True)
    flush(path.parent)
