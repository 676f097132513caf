"""The publisher as attacks need it: key ceremonies, and a thief who has some of the keys.

    thief = publisher.robbed(folder / "thief", "snapshot", "timestamp")   # all that is public, and these keys
    thief.keys.append(STRANGER.record())
    thief.publish(NIGHT)                       # what he cannot sign he signs with keys that nobody named
    publisher.rotate(NIGHT, "snapshot", "timestamp")
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from trust_site import DAY, Publisher
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets

TOP = ("root", "targets", "snapshot", "timestamp")


class Keyholders(Publisher):
    """A publisher whose keys can be changed, lost and stolen role by role."""

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
            role: list(held) if role in stolen else [CryptoSigner.generate_ed25519() for _ in held]
            for role, held in self.signers.items()
        }
        return thief

    # --- signing again ------------------------------------------------------------------------------------

    def sign_root(self, signers: list[CryptoSigner] | None = None, **changes: Any) -> Root:
        """The next root as it stands, signed by these; ``changes`` set fields of it."""
        root = self._root
        root.version = self._next("root")
        for name, value in changes.items():
            setattr(root, name, value)
        metadata = Metadata(root)
        for signer in signers or self.signers["root"]:
            metadata.sign(signer, append=True)
        self.path_of("root").write_bytes(metadata.to_bytes())
        return root

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

    def put(self, role: str, metadata: Metadata[Any], *signers: CryptoSigner) -> None:
        """Lay this down in place of the newest file of a role, signed by these or by the role's own keys."""
        metadata.signatures.clear()
        for signer in signers or self.signers[role]:
            metadata.sign(signer, append=True)
        self.path_of(role).write_bytes(metadata.to_bytes())

    def read(self, role: str) -> Metadata[Any]:
        """The newest file of a role, to be changed."""
        return Metadata.from_bytes(self.path_of(role).read_bytes())

    # --- a ceremony ---------------------------------------------------------------------------------------

    def rotate(self, now: datetime, *roles: str) -> None:
        """New keys for these roles, by a new root and a new top role; then everything is signed anew."""
        top = self.top()
        before = self.signers["root"]
        for role in roles:
            names = self._root if role in TOP else top
            for signer in self.signers[role]:
                names.revoke_key(signer.public_key.keyid, role)
            self.signers[role] = [CryptoSigner.generate_ed25519() for _ in self.signers[role]]
            for signer in self.signers[role]:
                names.add_key(signer.public_key, role)
        if set(roles) & set(TOP):
            self.sign_root(before if "root" not in roles else [*before, *self.signers["root"]])
        top.version = self._next("targets")
        self._write("targets", top, now)
        self.publish(now, resign=tuple(role for role in self.signers if role not in TOP))
