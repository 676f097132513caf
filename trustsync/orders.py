"""An order of one post's commander: a rule for a day, signed with the post's own key, asked there alone.

The rules this module keeps:

* Only the named post asks it, and only for 24 hours at most: an order that says longer is refused whole.
* An order stands beside the rules of the country and takes nothing of them away: both are asked, so it can
  ask more, never less.
* The signature is over bytes that no other signature of this project covers. It is proven before the rules
  are read.
* What is wrong with an order is said, by its file; the others still count, and the unit goes on.
* An old order that somebody lays down again is over by its own words.

    key = new_post_key()
    data = sign_order(bundle, key)                          # the bytes of one file
    open_order(data, [key.verify_key], post="moc-bai")      # the RuleBundle, or OrderError
    read_orders(folder, keys, post="moc-bai").orders        # every order that lies there

The form is described in ``docs/formats/rule-bundles.md``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from verifier.policy.bundle import Asks, RuleBundle
from verifier.policy.bundle_json import BundleError, bundle_row, canonical, read_bundle

if TYPE_CHECKING:
    from nacl.signing import SigningKey, VerifyKey

LONGEST = timedelta(hours=24)
MAX_ORDER = 256 * 1024  # bytes of one file: an order is a page, not a law
MAX_FILES = 64  # that are looked at in one folder, the youngest first
MAX_TOTAL = 8 * MAX_ORDER  # bytes of them together: they are read between two verdicts
FORMAT_VERSION = 1
SUFFIX = ".json"
# Before what is signed: no other signature of this project is over bytes that begin so.
_DOMAIN = b"vaxgate order of a post, form 1\0"
_MEMBERS = {"v", "order", "signature"}
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)-----END PUBLIC KEY-----")
_MAX_KEYS = 64 * 1024  # bytes of a file of public keys


class OrderError(ValueError):
    """An order, or a key of a post, that does not count. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What lies in a folder. orders: good ones, whether they have begun or are over. refused: a line for each
    file that does not count.
    """

    orders: tuple[RuleBundle, ...] = ()
    refused: tuple[str, ...] = ()


# --- Writing ------------------------------------------------------------------------------------------------


def new_post_key() -> SigningKey:
    """A new key for the commander of a post (Ed25519). It belongs to the post, not onto the units."""
    from nacl.signing import SigningKey

    return SigningKey.generate()


def sign_order(bundle: RuleBundle, key: SigningKey) -> bytes:
    """The file of an order. Raises OrderError for what no unit would take."""
    _check(bundle, bundle.post)
    row = bundle_row(bundle)
    signature = key.sign(signed_bytes(row)).signature
    return canonical({"v": FORMAT_VERSION, "order": row, "signature": signature.hex()})


def write_private(key: SigningKey) -> bytes:
    """A post's key as PEM (PKCS 8, RFC 8410), without a password: keep the file in a safe."""
    return _pem(b"PRIVATE KEY", _PRIVATE_HEAD + key.encode())


def read_private(data: bytes) -> SigningKey:
    """The key of a PEM file. Raises OrderError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from nacl.signing import SigningKey

    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OrderError(
            f"no private key that can be used ({type(error).__name__}): PEM is expected"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OrderError("this private key is not Ed25519; a post's key is")
    return SigningKey(key.private_bytes_raw())


def write_public(key: VerifyKey) -> bytes:
    """The public half as PEM (SubjectPublicKeyInfo, RFC 8410): what the units of the post are given."""
    return _pem(b"PUBLIC KEY", _PUBLIC_HEAD + key.encode())


def read_public(data: bytes) -> tuple[VerifyKey, ...]:
    """Every public key of a PEM file, which may hold several: of a commander and of a deputy.

    Raises OrderError when there is none, or one that is not Ed25519 or for which everybody could sign.
    """
    from nacl.signing import VerifyKey

    from verifier.keys import KeyRefusedError, load_spki

    found = []
    for block in _PUBLIC.findall(data):
        try:
            native = load_spki(base64.b64decode(block)).native
        except (KeyRefusedError, binascii.Error, ValueError) as error:
            raise OrderError(f"a public key that cannot be used: {error}") from error
        if not isinstance(native, VerifyKey):
            raise OrderError("this public key is not Ed25519; a post's key is")
        found.append(native)
    if not found:
        raise OrderError("no public key in PEM form is there")
    return tuple(found)


# The DER before the 32 bytes of a key, RFC 8410.
_PUBLIC_HEAD = bytes.fromhex("302a300506032b6570032100")
_PRIVATE_HEAD = bytes.fromhex("302e020100300506032b657004220420")


def _pem(name: bytes, der: bytes) -> bytes:
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (name, base64.b64encode(der), name)


# --- Reading ------------------------------------------------------------------------------------------------


def open_order(data: bytes, public_keys: VerifyKey | Sequence[VerifyKey], post: str) -> RuleBundle:
    """The order of a file, proven to be of this post.

    public_keys: of the post's commander, any of which may have signed. post: the name of this unit's post.
    Whether it has begun or is over is not asked here. Raises OrderError.
    """
    from nacl.signing import VerifyKey

    # 1. The envelope, in its one form. 2. The signature. 3. What it says.
    row, signature = _opened(data)
    keys = [public_keys] if isinstance(public_keys, VerifyKey) else public_keys
    if not any(_holds(key, signed_bytes(row), signature) for key in keys):
        raise OrderError(
            "its signature is not by this post's commander, or its text was changed; it is not asked. "
            "Compare [rules] order_key with the key that signed"
        )
    try:
        bundle = read_bundle(row, "order")
    except BundleError as error:
        raise OrderError(f"{error}; it is not asked. Sign one that this release can read") from error
    _check(bundle, post)
    return bundle


def _opened(data: bytes) -> tuple[Any, bytes]:
    if len(data) > MAX_ORDER:
        raise OrderError(f"larger than {MAX_ORDER} bytes; this is no order of a post")
    try:
        value = json.loads(data)
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise OrderError(f"not JSON ({type(error).__name__}); this is no order of a post") from error
    if not isinstance(value, dict) or value.keys() != _MEMBERS or again != data:
        raise OrderError("not in the form in which orders are signed; take the file as it was made")
    if value["v"] != FORMAT_VERSION:
        raise OrderError(f"form {value['v']!r}; this release reads {FORMAT_VERSION}")
    signature = value["signature"]
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        raise OrderError("its signature is not 64 bytes in hexadecimal; take the file as it was made")
    return value["order"], bytes.fromhex(signature)


def _holds(key: VerifyKey, message: bytes, signature: bytes) -> bool:
    from nacl.exceptions import CryptoError

    try:
        key.verify(message, signature)
    except CryptoError:
        return False
    return True


def _check(bundle: RuleBundle, post: str) -> None:
    """Raise OrderError for what is no order, or not one of this post."""
    said = f"{bundle.name} {bundle.version}"
    if not bundle.post:
        raise OrderError(f"{said} names no post; an order counts at one post alone")
    if bundle.post != post:
        raise OrderError(
            f"{said} is an order of the post {bundle.post!r}, and this unit's is "
            f"{post!r} ([rules] post); it is not asked here"
        )
    if bundle.asks is not Asks.RULES:
        raise OrderError(f"{said} asks {bundle.asks.value!r}; an order asks rules of its own")
    if bundle.valid_to is None or bundle.valid_to - bundle.valid_from > LONGEST:
        hours = LONGEST // timedelta(hours=1)
        raise OrderError(
            f"{said} holds for more than {hours} hours; what must hold for longer is for the rules of the "
            "country. Sign one with a shorter period"
        )


def signed_bytes(row: Any) -> bytes:
    """What an order's signature covers: words that nothing else begins with, and the canonical bundle."""
    return _DOMAIN + canonical(row)


# --- A folder of them ---------------------------------------------------------------------------------------


def read_orders(folder: Path, public_keys: Sequence[VerifyKey], post: str) -> Orders:
    """Every order that lies in a folder (``*.json``). Never raises: what cannot be read is named."""
    orders, refused = [], []
    room = MAX_TOTAL
    try:
        files = _files(folder)
    except OSError as error:
        return Orders((), (f"{folder.name}: cannot be read ({error.strerror})",))
    for number, name in enumerate(files):
        try:
            if number >= MAX_FILES:
                raise OrderError(f"more than {MAX_FILES} files lie there; take away those that are over")
            data = _read(folder / name)
            room -= len(data)
            if room < 0:
                raise OrderError(
                    f"more than {MAX_TOTAL} bytes lie there; take away those that are over or no orders"
                )
            orders.append(open_order(data, public_keys, post))
        except OSError as error:
            refused.append(f"{name!r}: cannot be read ({error.strerror})")
        except OrderError as error:
            refused.append(f"{name!r}: {error}")
    return Orders(tuple(orders), tuple(refused))


def unasked_orders(folder: Path) -> Orders:
    """What a unit without a post's name or key makes of orders: none counts, and that is said."""
    try:
        lie_there = bool(_files(folder))
    except OSError:
        lie_there = True
    said = f"{folder.name}: orders lie there, and [rules] post and order_key are not set; none is asked"
    return Orders((), (said,) if lie_there else ())


def folder_signature(folder: Path, key: Path | None) -> object:
    """Names, inodes, sizes and times of change of the files, and of the file of keys: other values, other
    content.
    """
    try:
        found = sorted((entry.name, *_facts(entry.stat(follow_symlinks=False))) for entry in _entries(folder))
        return found, None if key is None else _facts(key.stat())
    except OSError as error:
        return error.errno


def _files(folder: Path) -> list[str]:
    """Names, the youngest first."""
    aged = [(-entry.stat(follow_symlinks=False).st_mtime_ns, entry.name) for entry in _entries(folder)]
    return [name for _, name in sorted(aged)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:  # nobody has ever given an order here
        return []


def _facts(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _read(path: Path) -> bytes:
    """The file's bytes, one more than an order has at most. A link is not followed."""
    with _opened_file(path, os.O_NOFOLLOW) as file:
        return file.read(MAX_ORDER + 1)


def _opened_file(path: Path, flags: int = 0) -> BinaryIO:
    """An ordinary file, open for reading; a pipe is not waited for. Raises OSError, OrderError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OrderError("no ordinary file lies there")
    return os.fdopen(handle, "rb")


def read_keys(path: Path) -> tuple[VerifyKey, ...]:
    """The public keys in a file. Raises OrderError, naming the file."""
    try:
        with _opened_file(path) as file:
            return read_public(file.read(_MAX_KEYS))
    except OSError as error:
        raise OrderError(f"{path} cannot be read ({error.strerror}); no order is asked") from error
    except OrderError as error:
        raise OrderError(f"{path}: {error}; no order is asked") from error
