"""Publishing: what the reviewers have seen is signed by whose keys are at hand, and laid out as files.

    1. candidate   the lists that are held, as they would be published
    2. review      are the signatures there that this change asks for?
    3. targets     keys, self-test, revocation, rules, recognition, advisories
    4. accept      by the very code of the appliance; what a unit would refuse is never signed
    5. sign        roles that have something new to say, or whose half life is over
    6. keep        versions and documents in one transaction
    7. lay out     target files, metadata, the timestamp last

The rules this module keeps:

* The same state and the same clock give the same bytes; a public directory that was lost is made again.
* Nightly, with the online keys alone: revocation, snapshot and timestamp are signed, and what would need a
  reviewer or a key from the safe stays as it was published last, and is named.
* Production and test are two repositories with two roots. Nothing is published for one by the other's keys.

    published = publish(config, ledger, PRODUCTION, now, load_signers([stick]))
    published.publication.changed, published.waiting
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import (  # type: ignore[attr-defined]  # re-exported unmarked
    CryptoSigner,
    SSlibKey,
)

from trustsync.acceptance import accept
from trustsync.canonical import TargetError
from trustsync.deltas import difference, plan_segments, revocation_targets
from trustsync.errors import RefusedError
from trustsync.hub.candidate import Candidate, make_candidate
from trustsync.hub.config import ENVIRONMENTS, HubConfig, HubError, NotPublishedError
from trustsync.hub.content import read_content
from trustsync.hub.ledger import ENTRY, HubLedger, MetadataLedger
from trustsync.hub.review import Change, compare, missing
from trustsync.hub.specimens import Specimens
from trustsync.layout import KEYS_PATH, SELF_TEST_PATH
from trustsync.publishing import (
    CHANGED,
    ROLES,
    KeysMissingError,
    Need,
    Publication,
    PublishingError,
    lay_out,
    sign,
    standing_segments,
    standing_targets,
)
from trustsync.segments import entries_of, entry_width, position, sorted_entries
from trustsync.targets import decode_keys, encode_keys
from trustsync.trial import TrialError, decode_trial, try_list
from verifier.trust import HashKind, ListedRevocation, TrustList

# Roles that may stay as they are for a night.
_CAN_WAIT = frozenset(name for name, form in ROLES.items() if form.delegated and form.offline)
_FEW = 16  # a segment this many times as long as what comes to it is not sorted again


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. waiting: what stays as it was, and what it waits for, each in a sentence."""

    environment: str
    publication: Publication
    change: Change
    waiting: tuple[str, ...] = ()


def candidate_of(config: HubConfig, ledger: HubLedger, environment: str) -> Candidate:
    """The list that would be published for this environment now."""
    before = ledger.published(environment).get(KEYS_PATH)
    return make_candidate(
        environment,
        config.sources,
        ledger.lists(),
        ledger.decisions(environment),
        published=None if before is None else decode_keys(before),
        specimen=specimens_of(ledger, environment).key,
    )


def change_of(ledger: HubLedger, candidate: Candidate) -> Change:
    """The change that publishing this candidate would be."""
    environment = candidate.environment
    before = ledger.published(environment).get(KEYS_PATH)
    return compare(candidate, before, number=int(ledger.fact(_counter(environment)) or 0))


def publish(
    config: HubConfig,
    ledger: HubLedger,
    environment: str,
    now: datetime,
    signers: Iterable[CryptoSigner],
    *,
    nightly: bool = False,
) -> Published:
    """Bring an environment's repository up to what the hub holds, as of ``now``.

    signers: the private keys at hand. nightly: what waits for a reviewer, or for a key that is not at hand,
    stays as it is. Raises NotPublishedError when approvals or keys are missing (each named), or a
    unit would refuse the list.
    """
    signers = tuple(signers)
    points = config.role_keys(environment)
    keys = {role: [_public(point) for point in own] for role, own in points.items()}
    with ledger.alone():
        # 1. and 2.
        candidate = candidate_of(config, ledger, environment)
        change = change_of(ledger, candidate)
        standing = ledger.published(environment)
        lacking = missing(change, ledger.approvals(environment), config.reviewers)
        waiting: list[str] = []
        document = candidate.document
        if lacking:
            if not nightly or KEYS_PATH not in standing:
                raise NotPublishedError(f"{lacking}. Nothing was published")
            document = standing[KEYS_PATH]
            waiting.append(lacking)
        # 3.
        metadata = ledger.metadata_of(environment)
        specimens = specimens_of(ledger, environment)
        documents = {KEYS_PATH: document, SELF_TEST_PATH: specimens.document, **_own(config, points)}
        segments = _revocation(config, ledger, environment, specimens, standing)
        with ledger.change():
            publication: Publication | None = None
            while publication is None:
                files = documents | segments
                # 4.
                _check(files, metadata, specimens, now)
                # 5.
                try:
                    publication = sign(metadata, keys, signers, files, now)
                except KeysMissingError as error:
                    can_wait = all(need.role in _CAN_WAIT and need.why == CHANGED for need in error.needs)
                    if not (nightly and can_wait):
                        raise NotPublishedError(_told(error.needs, points)) from error
                    waiting += [_sentence(need, points) for need in error.needs]
                    documents = _held_back(documents, standing, [need.role for need in error.needs])
                except PublishingError as error:
                    raise NotPublishedError(str(error)) from error
            # 6.
            for path, data in segments.items():
                if path.endswith(".seg"):
                    ledger.keep_blob(data)
            if documents[KEYS_PATH] != standing.get(KEYS_PATH):
                number = int(ledger.fact(_counter(environment)) or 0)
                ledger.set_fact(_counter(environment), str(number + 1))
            index = {path: data for path, data in segments.items() if not path.endswith(".seg")}
            ledger.keep_published(environment, documents | index)
        # 7.
        lay_out(config.repository(environment), files, metadata)
        _sweep(ledger)
    waiting += [f"{_sentence(need, points)} before it expires" for need in publication.due]
    return Published(environment, publication, change, tuple(waiting))


def load_signers(places: Iterable[Path]) -> list[CryptoSigner]:
    """The private keys in these folders and files: each ``*.key``, Ed25519 in PEM. Raises HubError."""
    found = []
    for place in places:
        if not place.exists():
            raise HubError(f"{place} is not there; name the folder in which the keys lie")
        for path in sorted(place.rglob("*.key")) if place.is_dir() else [place]:
            found.append(CryptoSigner(load_private(path)))
    return found


def load_private(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 private key in a PEM file. Raises HubError."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise HubError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HubError(f"{path} holds no private key that can be used ({type(error).__name__})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HubError(f"{path} holds a key that is not Ed25519")
    return key


def specimens_of(ledger: HubLedger, environment: str) -> Specimens:
    """The certificates by which this environment's list is tried. Raises HubError."""
    parts = [bytes.fromhex(part) for part in ledger.fact(f"specimens/{environment}").split()]
    if len(parts) != 4:
        raise HubError(f"the hub's state has no self-test for {environment}; restore it from the backup")
    listed, scope, digest, document = parts
    return Specimens(decode_keys(listed).keys[0], (scope, HashKind.UCI, digest), document)


def keep_specimens(ledger: HubLedger, environment: str, specimens: Specimens) -> None:
    """Keep them, once, when the hub is made."""
    scope, _, digest = specimens.revoked
    parts = (encode_keys([specimens.key]), scope, digest, specimens.document)
    ledger.set_fact(f"specimens/{environment}", " ".join(part.hex() for part in parts))


def by_hand(environment: str) -> str:
    """The name under which entries stand that people brought; no source can have it."""
    return f"by hand, {environment}"


def _own(config: HubConfig, points: Mapping[str, Sequence[bytes]]) -> dict[str, bytes]:
    """The documents beside the keys. Raises HubError for one that no role of this repository speaks for."""
    documents = read_content(config)
    for path in documents:
        if path.split("/")[0] not in points:
            raise HubError(f"{path}: hub.toml names no key for the role {path.split('/')[0]!r}; add one")
    return documents


def _revocation(
    config: HubConfig,
    ledger: HubLedger,
    environment: str,
    specimens: Specimens,
    standing: Mapping[str, bytes],
) -> dict[str, bytes]:
    """The targets of the role ``revocation``: what stands, and what came since."""
    sources = [source.name for source in config.sources if source.environment == environment]
    gathered: dict[tuple[bytes, HashKind], list[bytes]] = {}
    for entries in ledger.entries([*sources, by_hand(environment)]):
        cut = _cut(ledger.blob(entries.blob), entry_width(entries.kind))
        gathered.setdefault((entries.scope, entries.kind), []).append(cut)
    scope, kind, digest = specimens.revoked
    gathered.setdefault((scope, kind), []).append(digest[: entry_width(kind)])
    wanted = {(scope, kind): _united(parts, entry_width(kind)) for (scope, kind), parts in gathered.items()}

    def find(path: str, digest: str) -> bytes | None:
        if path in standing:
            return standing[path]
        return ledger.blob(digest) if ledger.has_blob(digest) else None

    try:
        held = standing_segments(ledger.metadata_of(environment), find)
        return revocation_targets(plan_segments(held, wanted))
    except TargetError as error:
        raise NotPublishedError(f"revocation: {error}; every unit would refuse it") from error


def _cut(data: bytes, width: int) -> bytes:
    """The first ``width`` bytes of each entry, in one go: there may be ten million."""
    if width == ENTRY:
        return data
    if width * 2 == ENTRY:
        return memoryview(data).cast("Q")[::2].tobytes()
    return b"".join(data[at : at + width] for at in range(0, len(data), ENTRY))


def _united(parts: Sequence[bytes], width: int) -> bytes:
    """Several sorted segments as one. A few entries go between the many where they belong, unsorted again."""
    base, *others = sorted((sorted_entries(part, width) for part in parts), key=len, reverse=True)
    added = difference(sorted_entries(b"".join(others), width), base, width)
    if len(added) * _FEW > len(base):
        return sorted_entries(base + added, width)
    pieces, begin = [], 0
    for entry in entries_of(added, width):
        end = position(base, width, int.from_bytes(entry)) * width
        pieces += [base[begin:end], entry]
        begin = end
    return b"".join((*pieces, base[begin:]))


def _check(files: Mapping[str, bytes], metadata: MetadataLedger, specimens: Specimens, now: datetime) -> None:
    """Raise HubError for a list that a unit would not install."""
    known = {
        path
        for path, digest in standing_targets(metadata, "revocation").items()
        if path in files and hashlib.sha256(files[path]).hexdigest() == digest
    }
    try:
        accepted = accept(files, known=known)
        trust = TrustList.of(
            (record.key for record in accepted.keys if record.environment == specimens.key.environment),
            revocation=ListedRevocation([specimens.revoked]),
            signed_at=now.astimezone(UTC),
        )
        try_list(trust, decode_trial(files[SELF_TEST_PATH]))
    except (RefusedError, TargetError, TrialError, ValueError) as error:
        raise NotPublishedError(
            f"every unit would refuse this list: {error}. Nothing was published"
        ) from error


def _held_back(
    documents: Mapping[str, bytes], standing: Mapping[str, bytes], roles: Sequence[str]
) -> dict[str, bytes]:
    """The documents, those of these roles as they stand."""
    fresh = {path: data for path, data in documents.items() if path.split("/")[0] not in roles}
    return fresh | {path: data for path, data in standing.items() if path.split("/")[0] in roles}


def _public(point: bytes) -> SSlibKey:
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(point))


def _told(needs: Sequence[Need], points: Mapping[str, Sequence[bytes]]) -> str:
    said = "; ".join(_sentence(need, points) for need in needs)
    return (
        f"keys are missing: {said}. Nothing was published. Bring them (--keys FOLDER), or publish with "
        "--nightly what needs no key from the safe"
    )


def _sentence(need: Need, points: Mapping[str, Sequence[bytes]]) -> str:
    """A need in the words of ``hub.toml``: the number of the key in its list, and how it begins."""
    names = {
        _public(point).keyid: f"{need.role}-{number} ({point.hex()[:12]}…)"
        for number, point in enumerate(points[need.role], 1)
    }
    of = " or ".join(names.get(keyid, f"an earlier one ({keyid[:12]}…)") for keyid in need.keyids)
    return f"{need.role} ({need.why}) needs {need.missing} of {of}"


def _counter(environment: str) -> str:
    return f"keys-published/{environment}"


def _sweep(ledger: HubLedger) -> None:
    """Remove blobs that nothing leads to any more."""
    kept = {entries.blob for entries in ledger.entries(None)}
    for environment in ENVIRONMENTS:
        kept |= set(standing_targets(ledger.metadata_of(environment), "revocation").values())
    ledger.sweep(kept)
