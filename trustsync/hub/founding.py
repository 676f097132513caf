"""A new hub: its directory, its keys, and a configuration in which every word is explained.

The rules this module keeps:

* Each role has keys of its own, production and test too. Keys that belong into a safe lie in folders called
  ``offline``, so that they can be taken away by taking away a folder.
* The secret of the self-test's certificates is drawn, used and forgotten.
* Reviewers' keys are made here for a pilot; in earnest each reviewer brings the public half of a key of their
  own.

    founded = found_hub(Path("hub"), reviewers=["an", "binh"])
    founded.offline                      # the folders to take away
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from trustsync.files import write_whole
from trustsync.hub.config import (
    CONFIG,
    ENVIRONMENTS,
    NO_NAME,
    HubConfig,
    HubError,
    is_name,
    load_config,
)
from trustsync.hub.content import put_content
from trustsync.hub.ledger import HubLedger
from trustsync.hub.publish import keep_specimens
from trustsync.hub.specimens import make_specimens
from trustsync.publishing import ROLES
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import encode_bundles

_HEAD = """# The hub's configuration. Paths are relative to this file; docs/hub.md explains every word.

[hub]
archive = "archive"      # raw bytes of every list, as they came; only ever added to
public = "public"        # the repositories, one folder for each environment: what a web server serves

# One for each list. Pins are files, or written out as hex:… or text:…
# [[source]]
# name = "national"
# kind = "files"
# url = "incoming/national.pem"
# pins = { sha256 = "…" }
"""


@dataclass(frozen=True, slots=True)
class Founded:
    """A hub that was made. offline: folders with keys that belong into a safe. reviewers: their key files."""

    config: HubConfig
    offline: tuple[Path, ...]
    reviewers: tuple[Path, ...]


def found_hub(directory: Path, *, reviewers: Sequence[str] = ()) -> Founded:
    """A new hub in a directory that does not exist yet or is empty. Raises HubError."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise HubError(f"{directory} is not empty; a hub starts in a directory of its own")
    if len(set(reviewers)) < len(reviewers):
        raise HubError("two reviewers of one name; each needs a name of their own")
    for name in reviewers:
        check_name(name)
    directory.mkdir(parents=True, exist_ok=True)
    lines = [_HEAD]
    given = []
    for name in reviewers:
        file = directory / "reviewers" / f"{name}.key"
        lines.append(reviewer_entry(name, make_key(file)) + "\n")
        given.append(file)
    offline = []
    for environment in ENVIRONMENTS:
        lines.append(f"[keys.{environment}]         # public halves; the private ones are files")
        for role, form in ROLES.items():
            folder = directory / "keys" / environment / ("offline" if form.offline else "online")
            points = [make_key(folder / f"{role}-{number}.key") for number in range(1, form.keys + 1)]
            listed = ", ".join(f'"{point.hex()}"' for point in points)
            lines.append(f"{role} = [{listed}]")
        lines.append("")
        offline.append(directory / "keys" / environment / "offline")
    write_whole(directory / CONFIG, "\n".join(lines).encode())
    config = load_config(directory)
    put_content(config, "rules", encode_bundles([SIGNATURE_ONLY]))
    for place in (config.archive, config.public):
        place.mkdir()
    with HubLedger.create(config.state) as ledger, ledger.change():
        for environment in ENVIRONMENTS:
            keep_specimens(ledger, environment, make_specimens(secrets.token_bytes(32), environment))
    return Founded(config, tuple(offline), tuple(given))


def check_name(name: str) -> None:
    """Raise HubError for what no reviewer can be called."""
    if not is_name(name):
        raise HubError(f"{name!r}: {NO_NAME}")


def reviewer_entry(name: str, key: bytes) -> str:
    """A reviewer as ``hub.toml`` has them. key: the public half."""
    return f'[[reviewer]]\nname = "{name}"\nkey = "{key.hex()}"'


def make_key(file: Path) -> bytes:
    """A new Ed25519 key in a file that only its owner can read; its public half. Raises HubError."""
    if file.exists():
        raise HubError(f"{file} is there already; a key is never written over")
    key = Ed25519PrivateKey.generate()
    write_whole(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
