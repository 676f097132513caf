"""A TUF repository in which everything can be made wrong, and our client run against it as a command.

repo.add("a.txt", b"content")                 # signed by ``targets``
repo.publish("targets", "snapshot", "timestamp")
client.run("refresh"); client.trusted()       # {"root": 1, "snapshot": 2, ...}
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from places import ROOT
from securesystemslib.signer import CryptoSigner
from trust_site import Server
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from trustsync.tuf_client import main

TOP = ("targets", "snapshot", "timestamp")


class Repo:
    """What would be signed stands in ``signed``; :meth:`publish` signs it with ``signers`` and writes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
        self.signed: dict[str, Any] = {
            "root": Root(expires=until),
            "timestamp": Timestamp(expires=until),
            "snapshot": Snapshot(expires=until),
            "targets": Targets(expires=until),
        }
        self.until = until
        self.past = until - timedelta(days=35)
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.published: dict[str, int] = {}
        for role in ("root", *TOP):
            self.add_key(role)
        self.publish("root", *TOP)

    def add_key(self, role: str) -> CryptoSigner:
        """One key more for a top-level role."""
        signer = CryptoSigner.generate_ed25519()
        self.signed["root"].add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def rotate(self, role: str) -> None:
        """Another key in place of all that a role had."""
        for signer in self.signers.pop(role):
            self.signed["root"].revoke_key(signer.public_key.keyid, role)
        self.add_key(role)

    def add(self, path: str, data: bytes, role: str = "targets", *algorithms: str) -> TargetFile:
        """Sign a target by a role, and serve its bytes."""
        info = TargetFile.from_data(path, data, list(algorithms or ("sha256",)))
        self.signed[role].targets[path] = info
        self.serve(info, data)
        return info

    def serve(self, info: TargetFile, data: bytes) -> None:
        """Put bytes where this target is fetched from."""
        names = info.get_prefixed_paths() if self.signed["root"].consistent_snapshot else [info.path]
        for name in names:
            file = self.directory / "targets" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def delegate(self, role: str, *paths: str) -> None:
        """Let ``targets`` delegate paths to a new role."""
        signer = CryptoSigner.generate_ed25519()
        self.signers[role] = [signer]
        self.signed[role] = Targets(expires=self.until)
        top = self.signed["targets"]
        if top.delegations is None:
            top.delegations = Delegations({}, {})
        top.delegations.roles[role] = DelegatedRole(role, [], 1, True, list(paths))
        top.add_key(signer.public_key, role)

    def publish(self, *roles: str) -> None:
        """Sign these roles as their next versions; the role above learns of it, and is signed where named."""
        for role in roles:
            signed = self.signed[role]
            if role in self.published:
                signed.version += 1
            self.published[role] = signed.version
            self.write(role, self.sealed(role))
            if role == "snapshot":
                self.signed["timestamp"].snapshot_meta = MetaFile(signed.version)
            elif role not in ("root", "timestamp"):
                self.signed["snapshot"].meta[f"{role}.json"] = MetaFile(signed.version)

    def sealed(self, role: str) -> bytes:
        """The role as it stands, with the signatures of its signers."""
        metadata = Metadata(self.signed[role])
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def write(self, role: str, data: bytes, version: int | None = None) -> None:
        """Serve these bytes as the role's metadata."""
        prefix = f"{version or self.signed[role].version}."
        if role == "timestamp" or not (role == "root" or self.signed["root"].consistent_snapshot):
            prefix = ""
        folder = self.directory / "metadata"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{prefix}{quote(role, '')}.json").write_bytes(data)

    def first_root(self) -> Path:
        return self.directory / "metadata" / "1.root.json"


@dataclass
class Client:
    """The command, and what it leaves behind."""

    repo: Repo
    server: Server
    folder: Path

    @property
    def metadata(self) -> Path:
        return self.folder / "client"

    @property
    def targets(self) -> Path:
        return self.folder / "fetched"

    def run(self, verb: str, *names: str, extra: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Call it as the suite does. names: the file of the root for ``init``, targets for ``download``."""
        self.server.asked.clear()
        command = ["--metadata-dir", str(self.metadata), *extra]
        if verb != "init":
            command += ["--metadata-url", f"{self.server.url}/metadata/"]
        if verb == "download":
            for name in names:
                command += ["--target-name", name]
            command += ["--target-base-url", f"{self.server.url}/targets/", "--target-dir", str(self.targets)]
        command.append(verb)
        if verb == "init":
            command += names
        return self.call(*command)

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trustsync.tuf_client", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def started(self) -> Client:
        """Initialised with the first root, and refreshed once; in this process, for it is no attack yet."""
        self.server.asked.clear()
        home = ["--metadata-dir", str(self.metadata)]
        assert main([*home, "init", str(self.repo.first_root())]) == 0
        assert main([*home, "--metadata-url", f"{self.server.url}/metadata", "refresh"]) == 0
        return self

    def trusted(self) -> dict[str, int]:
        """Role by role the version of the copies that lie in the metadata directory."""
        files = sorted(self.metadata.glob("*.json"))
        return {
            file.name.removesuffix(".json"): json.loads(file.read_bytes())["signed"]["version"]
            for file in files
        }

    def fetched(self) -> dict[str, bytes]:
        """What lies in the target directory, hidden files too."""
        return {file.name: file.read_bytes() for file in sorted(self.targets.glob("*"))}
