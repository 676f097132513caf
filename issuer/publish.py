"""The published trust repository: a TUF repository of keys, revocation and rules.

The rules this module keeps:

* Roles and lives are those of ``LIVES``: root 2 of 3, targets 2 of 2 and only delegating; keys, revocation
  and rules are signed by a key of their own each, may speak for their own paths only, and end the search.
* Metadata is signed anew when what it says changed, or when half its life is over. The timestamp is signed
  at each publication at a later instant, with that instant in the signed field ``x-signed-at``.
* A client that reads at any moment finds a whole repository: target files first, then metadata under
  versioned names, the timestamp last, each by one rename. Nothing is taken away.
* The registry is the truth: versions are committed there before the timestamp tells anybody. A publication
  that was cut off is completed by the next.
* Beside the repository stand the files by which the families' own world knows an issuer, see
  :mod:`issuer.wellknown`: unsigned, for whoever tests a gatherer of lists. The repository does not need them.

    publication = publish(registry, now)
    publication.versions["revocation"]   # 2, after a revocation
    publication.changed                  # ('revocation', 'snapshot', 'timestamp')

A ministry keeps the keys of root and targets off-line; this reference issuer holds them all, beside its seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # re-exported unmarked
from tuf.api.metadata import (  # type: ignore[attr-defined]  # python-tuf re-exports them unmarked
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from issuer.certificates import VALUE_SETS
from issuer.errors import IssuerError
from issuer.files import write_if_different
from issuer.keys import load
from issuer.registry import KeyRow, Registry
from issuer.revocation import segments
from issuer.seed import derive
from issuer.signers import ORGANISATION, listed_key
from issuer.wellknown import health_csca, wellknown_files
from trustsync.targets import (
    KEYS_PATH,
    PRODUCTION,
    RULES_PATH,
    SIGNED_AT_FIELD,
    TEST,
    AuthorityRecord,
    KeyRecord,
    encode_keys,
)
from verifier.chain import load_authority
from verifier.policy.bundle import SIGNATURE_ONLY, encode_bundles
from verifier.times import written
from verifier.trust import Domain, TrustedKey

LIVES: Mapping[str, timedelta] = {
    "root": timedelta(days=365),
    "targets": timedelta(days=180),
    "trust": timedelta(days=60),
    "revocation": timedelta(days=14),
    "rules": timedelta(days=90),
    "snapshot": timedelta(days=14),
    "timestamp": timedelta(days=3),
}
# How many keys a role has, and how many of them must sign.
KEYS: Mapping[str, tuple[int, int]] = dict.fromkeys(LIVES, (1, 1)) | {"root": (3, 2), "targets": (2, 2)}
DELEGATED: Mapping[str, str] = {"trust": "trust/*", "revocation": "revocation/*", "rules": "rules/*"}
RESIGN_AFTER = timedelta(hours=12)  # how old a timestamp grows while the issuer serves

METADATA, TARGETS, ROOT = "metadata", "targets", "root.json"  # below the registry's public directory


@dataclass(frozen=True, slots=True)
class Publication:
    """What stands in the repository now. changed: the roles that were signed anew."""

    signed_at: datetime
    versions: Mapping[str, int]
    changed: tuple[str, ...]


def publish(registry: Registry, now: datetime) -> Publication:
    """Bring the published repository up to what the registry says, as of ``now``.

    Raises IssuerError when the clock stands before the last publication.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    with registry.publishing():
        with registry.change():
            last = last_signed_at(registry)
            if last is not None and now < last:
                raise IssuerError(
                    f"the clock says {written(now)}, the last publication was at {written(last)}; "
                    "clients would refuse a list that goes back in time. Set the clock right"
                )
            files = _targets(registry)
            versions, changed = _sign(registry, files, now)
        for name, data in wellknown_files(registry, now).items():
            write_if_different(registry.public / name, data)
        _lay_out(registry, files)
    return Publication(now, versions, changed)


def last_signed_at(registry: Registry) -> datetime | None:
    """The instant of the last publication, ``None`` before the first."""
    data = registry.metadata("timestamp")
    if data is None:
        return None
    timestamp = Metadata[Timestamp].from_bytes(data).signed
    return datetime.fromisoformat(timestamp.unrecognized_fields[SIGNED_AT_FIELD])


def _targets(registry: Registry) -> dict[str, bytes]:
    """Every target by its path."""
    records = [
        KeyRecord(_listed(row, registry.fact("country")), row.environment)
        for row in registry.signing_keys()
        if row.domain is not Domain.VDS_NC  # seals carry their signer; what is listed is its CSCA
    ]
    authorities = [
        AuthorityRecord(load_authority(csca, source=ORGANISATION), environment)
        for environment in (PRODUCTION, TEST)
        if (csca := health_csca(registry, environment)) is not None
    ]
    # Authenticity alone, of certificates about this disease: what a desk asks before there is a policy.
    bundle = replace(
        SIGNATURE_ONLY,
        name="covid-19-signature",
        diseases=VALUE_SETS["disease-agent-targeted"],
        value_sets=VALUE_SETS,
        domestic=False,
    )
    return {
        KEYS_PATH: encode_keys(records, authorities),
        RULES_PATH: encode_bundles([bundle]),
        **segments(registry.revoked()),
    }


def _listed(row: KeyRow, country: str) -> TrustedKey:
    """The entry of the published list for a key."""
    if row.certificate:
        return replace(listed_key(row.certificate, row.status), domain=row.domain)
    # Samples of DIVOC are known by KID alone: a code of that family names its issuer only once it is proven.
    nameless = row.domain is Domain.DIVOC and row.environment == TEST
    return TrustedKey(
        kid=row.kid,
        spki=load(row.algorithm, row.material).spki(),
        country=country,
        status=row.status,
        source=ORGANISATION,
        domain=row.domain,
        issuer=None if nameless else row.issuer,
    )


def _sign(
    registry: Registry, files: Mapping[str, bytes], now: datetime
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Sign what has to be signed; versions of all roles, and the names of those that got a new one."""
    signing = _Signing(registry, now)
    # 1. Root: who may sign what. Its content changes only when keys do.
    signing.role("root", _root(signing.signers))
    # 2. The three content roles, and targets, which only says who they are.
    for role, pattern in DELEGATED.items():
        own = {path: data for path, data in files.items() if path.startswith(pattern.rstrip("*"))}
        signing.role(role, Targets(targets=_target_files(own)))
    signing.role("targets", Targets(delegations=_delegations(signing.signers)))
    # 3. Snapshot: which versions belong together.
    together = {f"{role}.json": signing.meta_file(role) for role in ("targets", *DELEGATED)}
    signing.role("snapshot", Snapshot(meta=together))
    # 4. Timestamp: which snapshot is the newest, and when that was said.
    said = {SIGNED_AT_FIELD: written(now)}
    newest = Timestamp(snapshot_meta=signing.meta_file("snapshot"), unrecognized_fields=said)
    signing.role("timestamp", newest)
    return {role: version for role, (version, _) in signing.latest.items()}, tuple(signing.changed)


class _Signing:
    """One publication in the making. latest: version and bytes of each role. changed: roles signed anew."""

    def __init__(self, registry: Registry, now: datetime) -> None:
        self._registry = registry
        self._now = now
        seed = registry.fact("seed").encode()
        self.signers = {
            role: [_signer(seed, f"tuf/{role}/{number}") for number in range(1, count + 1)]
            for role, (count, _) in KEYS.items()
        }
        self.latest: dict[str, tuple[int, bytes]] = {}
        self.changed: list[str] = []

    def role(self, name: str, wanted: Root | Targets | Snapshot | Timestamp) -> None:
        """Sign ``wanted`` as the next version, unless the version that stands says the same and lasts."""
        standing = self._registry.metadata(name)
        if standing is None:
            wanted.version = 1
        else:
            old = Metadata[Any].from_bytes(standing).signed
            lasts = self._now < old.expires - LIVES[name] / 2
            wanted.version, wanted.expires = old.version, old.expires
            if lasts and wanted == old:
                self.latest[name] = (old.version, standing)
                return
            wanted.version = old.version + 1
        wanted.expires = self._now + LIVES[name]
        metadata: Metadata[Any] = Metadata(wanted)
        for signer in self.signers[name]:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes()
        self._registry.add_metadata(name, wanted.version, data)
        self.latest[name] = (wanted.version, data)
        self.changed.append(name)

    def meta_file(self, name: str) -> MetaFile:
        """How snapshot and timestamp name the newest version of a role."""
        version, data = self.latest[name]
        return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def _root(signers: Mapping[str, list[CryptoSigner]]) -> Root:
    top = [role for role in LIVES if role not in DELEGATED]
    return Root(
        keys={s.public_key.keyid: s.public_key for role in top for s in signers[role]},
        roles={role: Role(_keyids(signers[role]), KEYS[role][1]) for role in top},
        consistent_snapshot=True,
    )


def _delegations(signers: Mapping[str, list[CryptoSigner]]) -> Delegations:
    return Delegations(
        keys={s.public_key.keyid: s.public_key for role in DELEGATED for s in signers[role]},
        roles={
            role: DelegatedRole(
                role, _keyids(signers[role]), KEYS[role][1], terminating=True, paths=[pattern]
            )
            for role, pattern in DELEGATED.items()
        },
    )


def _keyids(signers: Iterable[CryptoSigner]) -> list[str]:
    return [signer.public_key.keyid for signer in signers]


def _target_files(files: Mapping[str, bytes]) -> dict[str, TargetFile]:
    return {path: TargetFile.from_data(path, data, ["sha256"]) for path, data in files.items()}


def _lay_out(registry: Registry, files: Mapping[str, bytes]) -> None:
    """Write the repository's files: targets, then versioned metadata, then the timestamp."""
    public = registry.public
    for path, data in files.items():
        folder, name = path.split("/")
        write_if_different(public / TARGETS / folder / f"{hashlib.sha256(data).hexdigest()}.{name}", data)
    last = b""
    for role, version, data in registry.all_metadata():
        if role == "timestamp":
            last = data
        else:
            write_if_different(public / METADATA / f"{version}.{role}.json", data)
        if (role, version) == ("root", 1):
            write_if_different(public / ROOT, data)
    write_if_different(public / METADATA / "timestamp.json", last)


def _signer(seed: bytes, label: str) -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(derive(seed, label, 32)))
