"""Publishing: what the reviewers have seen is signed by whose keys are at hand, and laid out as files.

    1. candidate   the lists that are held, as they would be published
    2. review      are the signatures there that this change asks for?
    3. targets     keys, certificates that stay good, revocation, rules, recognition, advisories
    4. accept      by the very code of the appliance; what a unit would refuse is never signed
    5. sign        roles that have something new to say, or whose half life is over
    6. keep        versions and documents in one transaction
    7. lay out     target files, metadata, the timestamp last

The rules this module keeps:

* The same state and the same clock give the same bytes; a public directory that was lost is made again.
* Nightly, with the online keys alone: revocation, snapshot and timestamp are signed, and what would need a
  reviewer or a key from the safe stays as it was published last, and is named. So it is when the lists of
  others make no list at all: nobody of them can let the fleet's list grow old.
* Rules that units would refuse after those of before, see :mod:`trustsync.succession`, are published by
  nobody; at night the others stay.
* Certificates that stay good are published together with the list of keys that promises them, or not at all.
* Production and test are two repositories with two roots. Nothing is published for one by the other's keys.

    published = publish(config, ledger, PRODUCTION, now, load_signers([stick]))
    published.publication.changed, published.waiting
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from trustsync.deltas import plan_segments, revocation_targets
from trustsync.environments import Environment
from trustsync.errors import RefusedError
from trustsync.hub import entries
from trustsync.hub.candidate import Candidate, make_candidate
from trustsync.hub.config import ENVIRONMENTS, HubConfig, HubError, NotPublishedError
from trustsync.hub.content import read_content
from trustsync.hub.ledger import HubLedger, MetadataLedger
from trustsync.hub.review import Change, compare, missing
from trustsync.hub.specimens import Specimens
from trustsync.layout import KEYS_PATH, RULES_PATH, SELF_TEST_PATH
from trustsync.publishing import (
    CHANGED,
    ROLES,
    KeysMissingError,
    Need,
    Publication,
    PublishingError,
    lay_out,
    sign,
    standing_targets,
)
from trustsync.revocation import MappedRevocation, Part
from trustsync.rule_floors import read_floors, write_floors
from trustsync.segments import SegmentRecord, by_segment
from trustsync.succession import Succession, SuccessionError
from trustsync.targets import decode_keys, encode_keys
from trustsync.trial import TrialError, decode_trial, try_list
from verifier.policy.bundle_json import decode_bundles
from verifier.trust import HashKind, TrustList, key_name

Progress = Callable[[str], None]

# Roles that may stay as they are for a night.
_CAN_WAIT = frozenset(name for name, form in ROLES.items() if form.delegated and form.offline)


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. waiting: what stays as it was, and what it waits for, each in a sentence."""

    environment: str
    publication: Publication
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
        allowed=entries.allowed(ledger, environment),
    )


def change_of(ledger: HubLedger, candidate: Candidate) -> Change:
    """The change that publishing this candidate would be."""
    environment = candidate.environment
    before = ledger.published(environment).get(KEYS_PATH)
    standing = entries.standing_allowed(ledger, environment)
    return compare(candidate, before, standing, number=int(ledger.fact(_counter(environment)) or 0))


def publish(
    config: HubConfig,
    ledger: HubLedger,
    environment: str,
    now: datetime,
    signers: Iterable[CryptoSigner],
    *,
    nightly: bool = False,
    progress: Progress | None = None,
) -> Published:
    """Bring an environment's repository up to what the hub holds, as of ``now``.

    signers: the private keys at hand. nightly: what waits for a reviewer, or for a key that is not at hand,
    stays as it is. progress: told each step in a few words. Raises NotPublishedError when approvals or keys
    are missing (each named), or a unit would refuse the list.
    """
    say = progress or (lambda _step: None)
    signers = tuple(signers)
    points = config.role_keys(environment)
    keys = {role: [_public(point) for point in own] for role, own in points.items()}
    with ledger.alone():
        # 1. and 2.
        say("putting the lists together")
        standing = ledger.published(environment)
        candidate, is_news, lacking = _reviewed(config, ledger, environment)
        if lacking and (not nightly or KEYS_PATH not in standing):
            raise NotPublishedError(f"{lacking}. Nothing was published")
        waiting = [lacking] if lacking else []
        # 3.
        say("planning the revocation segments")
        specimens = specimens_of(ledger, environment)
        segments = _Segments(config, ledger, environment, specimens)
        succession = _succession(ledger, environment, standing, now)
        own, unfit = _own(config, points, succession, standing if nightly else {})
        waiting += unfit
        documents = {
            KEYS_PATH: standing[KEYS_PATH] if candidate is None else candidate.document,
            SELF_TEST_PATH: specimens.document,
            **own,
        }
        metadata = ledger.metadata_of(environment)
        with ledger.change():
            publication: Publication | None = None
            while publication is None:
                revocation = segments.targets(None if candidate is None else candidate.allowed)
                files = documents | revocation
                # 4.
                say("trying the list as a unit does")
                _check(files, metadata, specimens, now, succession)
                # 5.
                say("signing")
                try:
                    publication = sign(metadata, keys, signers, files, now)
                except KeysMissingError as error:
                    can_wait = all(need.role in _CAN_WAIT and need.why == CHANGED for need in error.needs)
                    if not (nightly and can_wait):
                        raise NotPublishedError(_told(error.needs, points)) from error
                    waiting += [_sentence(need, points) for need in error.needs]
                    held_back = [need.role for need in error.needs]
                    documents = _held_back(documents, standing, held_back)
                    candidate = None if KEYS_PATH.split("/")[0] in held_back else candidate
                except PublishingError as error:
                    raise NotPublishedError(str(error)) from error
            # 6.
            if candidate is not None and is_news:
                number = int(ledger.fact(_counter(environment)) or 0)
                ledger.set_fact(_counter(environment), str(number + 1))
            _keep(ledger, environment, files, succession)
        # 7.
        say("laying the files out")
        lay_out(config.repository(environment), files, metadata)
        _sweep(ledger)
    waiting += [f"{_sentence(need, points)} before it expires" for need in publication.due]
    return Published(environment, publication, tuple(waiting))


def _reviewed(config: HubConfig, ledger: HubLedger, environment: str) -> tuple[Candidate | None, bool, str]:
    """The list that may be published, and whether it differs; or ``None`` and what is missing, in words."""
    try:
        candidate = candidate_of(config, ledger, environment)
        change = change_of(ledger, candidate)
    except HubError as error:
        return None, False, str(error)
    lacking = missing(change, ledger.approvals(environment), config.reviewers)
    return None if lacking else candidate, not change.empty, lacking


class _Segments:
    """The targets of the role ``revocation``: what stands, and what came since."""

    def __init__(self, config: HubConfig, ledger: HubLedger, environment: str, specimens: Specimens) -> None:
        self._standing_allowed = entries.standing_allowed(ledger, environment)
        try:
            held = entries.standing(ledger, environment)
            self._held_allowed = {r: data for r, data in held.items() if r.kind is HashKind.ALLOWED}
            wanted = entries.revoked(ledger, config.sources, environment, specimens)
            self._revoked = plan_segments(
                {record: data for record, data in held.items() if record not in self._held_allowed}, wanted
            )
        except TargetError as error:
            raise _unfit(error) from error

    def targets(self, allowed: Mapping[bytes, bytes] | None) -> dict[str, bytes]:
        """By path. allowed: by KID the certificates that stay good, ``None`` for those that stand."""
        wanted = entries.allow_segments(self._standing_allowed if allowed is None else allowed)
        try:
            return revocation_targets(self._revoked | plan_segments(self._held_allowed, wanted))
        except TargetError as error:
            raise _unfit(error) from error


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


def _own(
    config: HubConfig,
    points: Mapping[str, Sequence[bytes]],
    succession: Succession,
    standing: Mapping[str, bytes],
) -> tuple[dict[str, bytes], list[str]]:
    """The documents beside the keys, and in words what of them waits.

    standing: what may stay as it is, by path. Raises HubError for a document that no role of this repository
    speaks for, NotPublishedError for rules that every unit would refuse after those of before.
    """
    documents = read_content(config)
    for path in documents:
        if path.split("/")[0] not in points:
            raise HubError(f"{path}: hub.toml names no key for the role {path.split('/')[0]!r}; add one")
    try:
        succession.check(decode_bundles(documents[RULES_PATH]))
    except SuccessionError as error:
        if RULES_PATH not in standing:
            raise _unfit(error) from error
        return _held_back(documents, standing, [RULES_PATH.split("/")[0]]), [f"the rules wait: {error}"]
    return documents, []


def _succession(
    ledger: HubLedger, environment: str, standing: Mapping[str, bytes], now: datetime
) -> Succession:
    """What a unit that was never away remembers of this environment's rules."""
    floors = read_floors(json.loads(ledger.fact(_rule_floors(environment)) or "{}"))
    held = decode_bundles(standing[RULES_PATH]) if RULES_PATH in standing else ()
    return Succession(floors, now, held)


def _keep(ledger: HubLedger, environment: str, files: Mapping[str, bytes], succession: Succession) -> None:
    """Keep what is published: documents, segments as blobs, and what units remember of the rules."""
    segments = {path for path in files if path.endswith(".seg")}
    for path in segments:
        ledger.blobs.keep(files[path])
    ledger.keep_published(environment, {path: files[path] for path in files.keys() - segments})
    floors = succession.after(decode_bundles(files[RULES_PATH]))
    ledger.set_fact(_rule_floors(environment), json.dumps(write_floors(floors)))


def _check(
    files: Mapping[str, bytes],
    metadata: MetadataLedger,
    specimens: Specimens,
    now: datetime,
    succession: Succession,
) -> None:
    """Raise NotPublishedError for a list that a unit would not install."""
    known = {
        path
        for path, digest in standing_targets(metadata, "revocation").items()
        if path in files and hashlib.sha256(files[path]).hexdigest() == digest
    }
    environment = specimens.key.environment
    try:
        accepted = accept(files, known=known, environment=Environment(environment), succession=succession)
        trust = TrustList.of(
            (record.key for record in accepted.keys if record.environment == environment),
            test_kids={
                key_name(record.key.kid, record.key.issuer)
                for record in accepted.keys
                if record.environment != environment
            },
            revocation=_as_mapped(files, accepted.segments, now + ROLES["revocation"].life),
            signed_at=now.astimezone(UTC),
        )
        try_list(trust, decode_trial(files[SELF_TEST_PATH]))
    except (RefusedError, TargetError, TrialError, ValueError) as error:
        raise _unfit(error) from error


def _as_mapped(
    files: Mapping[str, bytes], segments: Iterable[SegmentRecord], expires: datetime
) -> MappedRevocation:
    """The segments as a unit asks them."""
    parts: dict[tuple[bytes, HashKind], tuple[Part, ...]] = {
        name: tuple((files[record.path], record.width) for record in records)
        for name, records in by_segment(segments).items()
    }
    return MappedRevocation(parts, expires, frozenset())


def _unfit(error: Exception) -> NotPublishedError:
    return NotPublishedError(f"every unit would refuse this list: {error}. Nothing was published")


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


def _rule_floors(environment: str) -> str:
    return f"rule-floors/{environment}"


def _sweep(ledger: HubLedger) -> None:
    """Remove blobs that nothing leads to any more."""
    kept = {each.blob for each in ledger.entries(None)}
    for environment in ENVIRONMENTS:
        kept |= set(standing_targets(ledger.metadata_of(environment), "revocation").values())
    ledger.blobs.sweep(kept)
