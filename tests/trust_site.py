"""A trust repository of our own, served over real HTTP on loopback, and the faults that it can be given.

publisher.keys = [key(1), key(2)]
publisher.publish(START)                     # metadata/ and targets/, every role signed
server.faults["timestamp.json"] = redirect   # from now on this is the answer for it
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey
from securesystemslib.signer import CryptoSigner
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

from trustsync.advisories import Advisory, encode_advisories
from trustsync.declarations import encode_policy, encode_recognition
from trustsync.fetcher import Limits as Patience
from trustsync.layout import (
    ADVISORIES_PATH,
    KEYS_PATH,
    POLICY_PATH,
    RECOGNITION_PATH,
    REVOCATION_INDEX_PATH,
    RULES_PATH,
    SELF_TEST_PATH,
    SIGNED_AT_FIELD,
)
from trustsync.segments import (
    SEGMENT_WIDTH,
    TIMED_WIDTH,
    SegmentRecord,
    encode_index,
    encode_segment,
    encode_timed_segment,
    segment_path,
)
from trustsync.store import open_store
from trustsync.sync import SyncConfig, SyncResult, sync_once
from trustsync.targets import AuthorityRecord, KeyRecord, encode_keys
from trustsync.trial import TrialCase, encode_trial
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import encode_bundles
from verifier.recognition import Recognition
from verifier.times import written
from verifier.trust import Authority, Domain, HashKind, Limits, TrustedKey

START = datetime(2021, 11, 28, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
QUICK = Patience(total=20.0, gap=2.0, rate=512.0, grace=5.0)

SPKI = bytes.fromhex("302a300506032b6570032100")  # of an Ed25519 key, RFC 8410
_LIVES = {"trust": 60, "revocation": 14, "rules": 90, "recognition": 90, "software": 180}
_PATHS = {role: f"{role}/*" for role in _LIVES}


def key(number: int, environment: str = "production", **facts: Any) -> KeyRecord:
    """A key record with an invented KID and a real Ed25519 key; nothing here verifies certificates."""
    point = SigningKey(bytes([number]) * 32).verify_key.encode()
    facts = {"kid": bytes([number]) * 8, "country": "XV", "domain": Domain.HCERT} | facts
    return KeyRecord(TrustedKey(spki=SPKI + point, **facts), environment)


def authority(number: int, environment: str = "production", **facts: Any) -> AuthorityRecord:
    """An invented country's CSCA: a certificate that signs itself, and what a list says about it."""
    secret = ec.derive_private_key(number, ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "XV"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"CSCA {number}"),
        ]
    )
    key_id = x509.SubjectKeyIdentifier.from_public_key(secret.public_key())
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder(
            name, name, secret.public_key(), number, START - 365 * DAY, START + 3650 * DAY
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(key_id, critical=False)
        .sign(secret, hashes.SHA256(), ecdsa_deterministic=True)
    )
    said: dict[str, Any] = {
        "certificate": certificate.public_bytes(Encoding.DER),
        "spki": secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "key_id": key_id.digest,
        "country": "XV",
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
    }
    return AuthorityRecord(Authority(**(said | facts)), environment)


def hashed(text: str) -> bytes:
    """The revocation hash of an identifier."""
    return hashlib.sha256(text.encode()).digest()[:16]


def digest(number: int) -> bytes:
    """An invented revocation hash."""
    return number.to_bytes(2, "big") * 8


def segment_record(scope: bytes, kind: HashKind, data: bytes) -> SegmentRecord:
    """The row of an index for these entries."""
    width = TIMED_WIDTH if kind is HashKind.RID_BEFORE else SEGMENT_WIDTH
    return SegmentRecord(segment_path(scope, kind), scope, kind, len(data) // width, width)


class Publisher:
    """The publishing side: what it would publish stands in its fields until :meth:`publish`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys: list[KeyRecord] = [key(1), key(2), key(9, "test")]
        self.authorities: list[AuthorityRecord] = []
        self.revoked_before: dict[bytes, list[tuple[bytes, datetime]]] = {}  # by scope
        self.revoked: dict[tuple[bytes, HashKind], list[bytes]] = {
            (bytes([1]) * 8, HashKind.UCI): [digest(n) for n in range(20)],
            (bytes([2]) * 8, HashKind.SIGNATURE): [digest(n) for n in range(30, 33)],
        }
        self.bundles = [SIGNATURE_ONLY]
        self.recognition: Recognition | None = None
        self.limits: Limits | None = None
        self.trial: list[TrialCase] = []
        self.advisories: list[Advisory] = []
        self.files: dict[str, Path] = {}  # further targets of the role that their path names, as files
        self.override: dict[str, bytes] = {}  # targets to publish in place of what the fields say
        self.smuggled: dict[str, dict[str, bytes]] = {}
        self.lengths: dict[str, int] = {}  # lengths to sign in place of the true ones
        self.signers = {
            "root": [CryptoSigner.generate_ed25519() for _ in range(3)],
            "targets": [CryptoSigner.generate_ed25519() for _ in range(2)],
            **{role: [CryptoSigner.generate_ed25519()] for role in ("snapshot", "timestamp", *_LIVES)},
        }
        self.versions: dict[str, int] = {}
        self._held: dict[str, dict[str, TargetFile]] = {}
        self._born: datetime | None = None

    def clone(self, directory: Path) -> Publisher:
        """The same publisher over another copy of its files."""
        own = copy(self)
        own.directory = directory
        for name in ("keys", "authorities", "bundles", "trial", "advisories"):
            setattr(own, name, list(getattr(self, name)))
        for name in ("files", "override", "lengths", "versions"):
            setattr(own, name, dict(getattr(self, name)))
        for name in ("revoked", "revoked_before", "signers"):
            setattr(own, name, {place: list(items) for place, items in getattr(self, name).items()})
        for name in ("smuggled", "_held"):
            setattr(own, name, {role: dict(items) for role, items in getattr(self, name).items()})
        own._root = deepcopy(self._root)
        return own

    @property
    def root(self) -> bytes:
        """The root that a client pins."""
        return (self.directory / "metadata" / "1.root.json").read_bytes()

    def publish(self, now: datetime, *, resign: tuple[str, ...] = ()) -> None:
        """Write the repository as of ``now``: roles whose targets changed, snapshot if any did, timestamp.

        resign: roles to sign again although nothing in them changed.
        """
        if self._born is None:
            self._born = now
            self._publish_offline_roles(now)
        changed = False
        for role, targets in self._targets().items():
            infos = {path: self._info(path, data) for path, data in targets.items()}
            for path, file in self.files.items():
                if path.startswith(f"{role}/"):
                    infos[path] = TargetFile.from_file(path, str(file), ["sha256"])
            if infos != self._held.get(role) or role in resign:
                changed = True
                self._held[role] = infos
                expires = now + timedelta(days=_LIVES[role])
                self._write(role, Targets(self._next(role), None, expires, infos), now)
                for path, data in targets.items():
                    self._write_target(path, data)
                for path, file in self.files.items():
                    if path in infos:
                        prefixed = infos[path].get_prefixed_paths()[0]
                        (self.directory / "targets" / prefixed).hardlink_to(file)
        if changed:
            meta = {
                f"{role}.json": MetaFile(version)
                for role, version in self.versions.items()
                if role in ("targets", *_LIVES)
            }
            self._write("snapshot", Snapshot(self._next("snapshot"), None, now + 14 * DAY, meta=meta))
        self.sign_timestamp(now)

    def sign_timestamp(self, now: datetime, fields: dict[str, Any] | None = None) -> None:
        """A new timestamp over the snapshot as it is."""
        said = {SIGNED_AT_FIELD: now.isoformat().replace("+00:00", "Z")} if fields is None else fields
        meta = MetaFile(self.versions["snapshot"])
        self._write(
            "timestamp",
            Timestamp(
                self._next("timestamp"), None, now + 3 * DAY, snapshot_meta=meta, unrecognized_fields=said
            ),
        )

    def smuggle(self, role: str, path: str, data: bytes) -> None:
        """Let ``role`` sign a target outside its paths from now on."""
        self.smuggled.setdefault(role, {})[path] = data

    def rotate_timestamp_key(self, now: datetime) -> None:
        """A second root that names another timestamp key, and a timestamp by it."""
        root = self._root
        (old,) = self.signers["timestamp"]
        new = CryptoSigner.generate_ed25519()
        root.revoke_key(old.public_key.keyid, "timestamp")
        root.add_key(new.public_key, "timestamp")
        root.version = self._next("root")
        self.signers["timestamp"] = [new]
        self._write("root", root)
        self.sign_timestamp(now)

    def copy(self, to: Path) -> None:
        """Keep the repository's files as they are now, for a replay."""
        shutil.copytree(self.directory, to, dirs_exist_ok=True)

    def restore(self, kept: Path) -> None:
        """Put kept files back, as an attacker would who replays them."""
        shutil.rmtree(self.directory)
        shutil.copytree(kept, self.directory)

    def _publish_offline_roles(self, now: datetime) -> None:
        root = Root(None, None, now + 365 * DAY, consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
        root.roles["root"].threshold = 2
        root.roles["targets"].threshold = 2
        self._root = root
        root.version = self._next("root")
        self._write("root", root)
        roles = {
            role: DelegatedRole(
                role, [s.public_key.keyid for s in self.signers[role]], 1, True, paths=[_PATHS[role]]
            )
            for role in _LIVES
        }
        keys = {s.public_key.keyid: s.public_key for role in _LIVES for s in self.signers[role]}
        targets = Targets(self._next("targets"), None, now + 180 * DAY)
        targets.delegations = Delegations(keys, roles)
        self._write("targets", targets)

    def _targets(self) -> dict[str, dict[str, bytes]]:
        segments = {place: encode_segment(entries) for place, entries in self.revoked.items()} | {
            (scope, HashKind.RID_BEFORE): encode_timed_segment(pairs)
            for scope, pairs in self.revoked_before.items()
        }
        records = [segment_record(*place, data) for place, data in segments.items()]
        published = {
            "trust": {KEYS_PATH: encode_keys(self.keys, self.authorities)},
            "revocation": {
                REVOCATION_INDEX_PATH: encode_index(records),
                **{segment_path(*place): data for place, data in segments.items()},
            },
            "rules": {RULES_PATH: encode_bundles(self.bundles)},
            "recognition": {},
            "software": {},
        }
        if self.recognition is not None:
            published["recognition"][RECOGNITION_PATH] = encode_recognition(self.recognition)
        if self.limits is not None:
            published["rules"][POLICY_PATH] = encode_policy(self.limits)
        if self.advisories:
            published["software"][ADVISORIES_PATH] = encode_advisories(self.advisories)
        if self.trial:
            published["trust"][SELF_TEST_PATH] = encode_trial(self.trial)
        return {
            role: {path: self.override.get(path, data) for path, data in targets.items()}
            | self.smuggled.get(role, {})
            for role, targets in published.items()
        }

    def _info(self, path: str, data: bytes) -> TargetFile:
        info = TargetFile.from_data(path, data, ["sha256"])
        info.length = self.lengths.get(path, info.length)
        return info

    def _next(self, role: str) -> int:
        self.versions[role] = self.versions.get(role, 0) + 1
        return self.versions[role]

    def _write(self, role: str, signed: Any, now: datetime | None = None) -> None:
        if now is not None:
            signed.unrecognized_fields[SIGNED_AT_FIELD] = written(now)
        metadata = Metadata(signed)
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        folder = self.directory / "metadata"
        folder.mkdir(parents=True, exist_ok=True)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        (folder / name).write_bytes(metadata.to_bytes())

    def _write_target(self, path: str, data: bytes) -> None:
        prefixed = TargetFile.from_data(path, data, ["sha256"]).get_prefixed_paths()[0]
        file = self.directory / "targets" / prefixed
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


Fault = Callable[[SimpleHTTPRequestHandler, Path], None]


class Server(ThreadingHTTPServer):
    """Serves a directory; ``faults`` maps the end of a path to the answer given in place of the file."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left in the middle is no news; anything else is told as usual."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, request: Any, client: Any, server: Server) -> None:
        super().__init__(request, client, server, directory=str(server.directory))

    def do_HEAD(self) -> None:
        """Faults answer to GET alone, which follows whatever is not simply missing."""
        if any(self.path.endswith(end) for end in self.server.faults):
            self.send_error(405)
            return
        if not (self.server.directory / self.path.lstrip("/")).exists():
            self.server.asked.append(self.path)
        super().do_HEAD()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        for end, fault in self.server.faults.items():
            if self.path.endswith(end):
                fault(self, self.server.directory / self.path.lstrip("/"))
                return
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``asked`` instead."""


@dataclass
class Site:
    """One repository, its server and one appliance's store."""

    publisher: Publisher
    server: Server
    store: Path

    def config(self, **changes: Any) -> SyncConfig:
        """The appliance's configuration; ``changes`` replace fields."""
        facts: dict[str, Any] = {
            "url": self.server.url,
            "root": self.publisher.root,
            "store": self.store,
            "limits": QUICK,
        }
        return SyncConfig(**(facts | changes))

    def sync(self, now: datetime, **changes: Any) -> SyncResult:
        """One sync at ``now``."""
        self.server.asked.clear()
        return sync_once(self.config(**changes), now=now)

    def carried(self, now: datetime, folder: Path) -> SyncResult:
        """One import at ``now`` of a folder that holds a repository's files."""
        return sync_once(self.config(url="", folder=folder), now=now)

    def start_over(self, now: datetime) -> None:
        """Another repository in place of this one, set up at ``now``."""
        shutil.rmtree(self.publisher.directory)
        self.publisher = Publisher(self.publisher.directory)
        self.publisher.publish(now)

    def facts(self) -> Any:
        """What a reader that opens the store anew sees of the list in force, as comparable values."""
        snapshot = open_store(self.store).current()
        return deepcopy(
            (
                snapshot.generation,
                dict(snapshot.trust.keys),
                dict(snapshot.trust.authorities),
                snapshot.trust.test_kids,
                snapshot.signed_at,
                {name: (item.version, item.count) for name, item in snapshot.sets.items()},
            )
        )
