"""The publisher as attacks need it: key ceremonies, and a thief who has some of the keys.

thief = publisher.robbed(folder / "thief", "snapshot", "timestamp")   # all that is public, and these keys
thief.keys.append(STRANGER.record())
thief.publish(NIGHT)                       # what he cannot sign he signs with keys that nobody named
publisher.rotate(NIGHT, "snapshot", "timestamp")
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from trust_site import DAY, Publisher
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets

TOP = ("root", "targets", "snapshot", "timestamp")  # roles that the root names; the others the top targets


class Keyholders(Publisher):
    """A publisher whose keys can be changed, lost and stolen role by role."""

    @property
    def delegated(self) -> tuple[str, ...]:
        """The roles that the top targets name."""
        return tuple(role for role in self.signers if role not in TOP)

    def path_of(self, role: str) -> Path:
        """The newest file of a role."""
        name = "timestamp" if role == "timestamp" else f"{self.versions[role]}.{role}"
        return self.directory / "metadata" / f"{name}.json"

    def robbed(self, directory: Path, *stolen: str) -> Keyholders:
        """A thief's own copy of everything public, with the keys of these roles; for others he makes some."""
        shutil.copytree(self.directory, directory)
        thief = self.clone(directory)
        assert isinstance(thief, Keyholders)
        thief.signers = {
            role: list(held) if role in stolen else fresh(len(held)) for role, held in self.signers.items()
        }
        return thief

    # --- signing again ------------------------------------------------------------------------------------

    def said(self, role: str) -> dict[str, Any]:
        """What the newest file of a role says, as members to be bent in any way."""
        return dict(json.loads(self.path_of(role).read_bytes())["signed"])

    def put(self, role: str, said: dict[str, Any], signers: list[CryptoSigner] | None = None) -> None:
        """Lay this down in place of the newest file of a role, signed by these or by the role's own keys."""
        text = encode_canonical(said).encode()
        signatures = [signer.sign(text).to_dict() for signer in signers or self.signers[role]]
        self.path_of(role).write_bytes(json.dumps({"signatures": signatures, "signed": said}).encode())

    @property
    def next_root(self) -> Root:
        """The root as it will be signed next; a ceremony changes it."""
        return self._root

    def sign_root(self, signers: list[CryptoSigner] | None = None) -> None:
        """The next root as it stands, signed by these or by all who may."""
        self._root.version = self._next("root")
        self.put("root", self._root.to_dict(), signers)

    def top(self) -> Targets:
        """The top role of targets as it was signed last."""
        signed = Metadata.from_bytes(self.path_of("targets").read_bytes()).signed
        assert isinstance(signed, Targets)
        return signed

    def sign_top(self, top: Targets, now: datetime) -> None:
        """The next version of the top role, and everything above it."""
        top.version = self._next("targets")
        top.expires = now + 180 * DAY
        self._write("targets", top, now)
        self.sign_snapshot(now)

    def sign_snapshot(self, now: datetime, **meta: int) -> None:
        """A new snapshot and timestamp. meta: versions of roles, in place of the newest."""
        roles = [role for role in self.versions if role not in ("root", "snapshot", "timestamp")]
        said = {f"{role}.json": MetaFile(meta.get(role, self.versions[role])) for role in roles}
        self._write("snapshot", Snapshot(self._next("snapshot"), None, now + 14 * DAY, meta=said))
        self.sign_timestamp(now)

    # --- a ceremony ---------------------------------------------------------------------------------------

    def name_keys(self, names: Root | Targets, role: str, signers: list[CryptoSigner]) -> None:
        """Let these be the keys of a role, in place of those that it is named with."""
        for keyid in list(names.get_delegated_role(role).keyids):
            names.revoke_key(keyid, role)
        for signer in signers:
            names.add_key(signer.public_key, role)
        self.signers[role] = signers

    def rotate(self, now: datetime, *roles: str) -> None:
        """New keys for these roles, by a new root and a new top role; then everything is signed anew."""
        top, before = self.top(), self.signers["root"]
        for role in roles:
            self.name_keys(self._root if role in TOP else top, role, fresh(len(self.signers[role])))
        if set(roles) & set(TOP):
            self.sign_root([*before, *self.signers["root"]] if "root" in roles else before)
        top.version = self._next("targets")
        self._write("targets", top, now)
        self.publish(now, resign=self.delegated)


def fresh(count: int = 1) -> list[CryptoSigner]:
    """Keys that nobody has named yet."""
    return [CryptoSigner.generate_ed25519() for _ in range(count)]
