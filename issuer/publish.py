"""The published trust repository: a TUF repository of keys, revocation and rules.

The rules this module keeps:

* What is said here comes from the registry; how it is signed and laid out is :mod:`trustsync.publishing`'s.
* The registry is the truth: versions are committed there before the timestamp tells anybody.
* The rules are those that somebody chose, see :mod:`issuer.rules`.
* The list carries cases to try it with, see :mod:`trustsync.hub.specimens`: their key and their revocation
  stand beside the real ones, and nothing that they sign is good on any day of today.
* Beside the repository stand the files by which the families' own world knows an issuer, see
  :mod:`issuer.wellknown`: unsigned, for whoever tests a gatherer of lists. The repository does not need them.

    publication = publish(registry, now)
    publication.versions["revocation"]   # 2, after a revocation
    publication.changed                  # ('revocation', 'snapshot', 'timestamp')

A ministry keeps the keys of root and targets off-line; this reference issuer holds them all, beside its seed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # re-exported unmarked

from issuer.errors import IssuerError
from issuer.keys import load
from issuer.registry import KeyRow, Registry
from issuer.revocation import segments
from issuer.rules import rules_of
from issuer.seed import derive
from issuer.signers import ORGANISATION, listed_key
from issuer.wellknown import health_csca, wellknown_files
from trustsync.files import write_if_different
from trustsync.hub.specimens import Specimens, make_specimens
from trustsync.layout import KEYS_PATH, RULES_PATH, SELF_TEST_PATH
from trustsync.publishing import (
    ROLES,
    Publication,
    PublishingError,
    lay_out,
    published_target,
    sign,
    standing_segments,
)
from trustsync.targets import PRODUCTION, TEST, AuthorityRecord, KeyRecord, encode_keys
from verifier.chain import load_authority
from verifier.policy.bundle_json import encode_bundles
from verifier.trust import Domain, TrustedKey

# Nobody asks this issuer about the software of an appliance.
OWN_ROLES = {name: form for name, form in ROLES.items() if name != "software"}


def publish(registry: Registry, now: datetime) -> Publication:
    """Bring the published repository up to what the registry says, as of ``now``.

    Raises IssuerError when the clock stands before the last publication.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    seed = registry.fact("seed").encode()
    signers = {
        role: [_signer(seed, f"tuf/{role}/{number}") for number in range(1, form.keys + 1)]
        for role, form in OWN_ROLES.items()
    }
    keys = {role: [signer.public_key for signer in own] for role, own in signers.items()}
    at_hand = [signer for own in signers.values() for signer in own]
    with registry.alone():
        with registry.change():
            files = _targets(registry)
            try:
                publication = sign(registry, keys, at_hand, files, now)
            except PublishingError as error:
                raise IssuerError(str(error)) from error
        for name, data in wellknown_files(registry, now).items():
            write_if_different(registry.public / name, data)
        lay_out(registry.public, files, registry)
    return publication


def specimens_of(registry: Registry) -> Specimens:
    """The certificates by which this issuer's list is tried."""
    return make_specimens(derive(registry.fact("seed").encode(), "specimens", 32))


def _targets(registry: Registry) -> dict[str, bytes]:
    """Every target by its path."""

    def find(path: str, digest: str) -> bytes | None:
        return published_target(registry.public, path, digest)

    specimens = specimens_of(registry)
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
    return {
        KEYS_PATH: encode_keys([*records, specimens.key], authorities),
        SELF_TEST_PATH: specimens.document,
        RULES_PATH: encode_bundles(rules_of(registry)),
        **segments([*registry.revoked(), specimens.revoked], standing_segments(registry, find)),
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


def _signer(seed: bytes, label: str) -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(derive(seed, label, 32)))
