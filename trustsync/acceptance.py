"""What may be installed: the gate between bytes that were proven and a list that is believed.

Signatures were checked before; here the content is. The rules this module keeps:

* Bytes in, an :class:`Accepted` out, or a RefusedError that names the place. No clock and no network; of
  files only segments, which may be too large to hold.
* All or nothing. There is no partly accepted list.
* A list without keys of the store's own environment is never installed, and a segment that the index names
  must be there, whole and sorted.
* Every bundle of rules must load here, before the first scan asks for it, and may follow the rules that were
  in force on this unit: see :mod:`trustsync.succession`.
* What the list says about a CSCA's key is what the certificate says, or nothing is installed.

    records = list_segments(index_bytes)              # what else has to be fetched
    accepted = accept({path: bytes, ...})
    accepted.keys, accepted.segments, accepted.bundles, accepted.recognition
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from trustsync.advisories import Advisory, decode_advisories
from trustsync.canonical import TargetError
from trustsync.declarations import decode_policy, decode_recognition
from trustsync.environments import Environment
from trustsync.errors import Alarm, RefusedError
from trustsync.layout import (
    ADVISORIES_PATH,
    KEYS_PATH,
    POLICY_PATH,
    RECOGNITION_PATH,
    REVOCATION_INDEX_PATH,
    RULES_PATH,
    SELF_TEST_PATH,
)
from trustsync.segments import (
    SegmentRecord,
    allowed_missing,
    check_segment,
    check_segment_file,
    decode_index,
)
from trustsync.succession import FIRST_RULES, Succession, SuccessionError
from trustsync.targets import AuthorityRecord, KeyRecord, PublishedKeys, decode_keys
from trustsync.trial import TrialCase, decode_trial
from verifier.keys import KeyRefusedError, load_spki
from verifier.policy.bundle import RuleBundle
from verifier.policy.bundle_json import BundleError, decode_bundles
from verifier.recognition import Recognition
from verifier.trust import Limits

# Bytes of a scope: a KID has 8, mostly, one of a SMART Health Card 43, and a CSCA's scope 5 more than its key
# identifier. In hex, behind the hash that TUF puts before it, it must still be a legal file name.
MAX_SCOPE = 80


@dataclass(frozen=True, slots=True)
class Accepted:
    """The content of one list, every part of it checked.

    keys, authorities: of both environments; only those of ``environment`` may be believed. recognition,
    limits: ``None`` where the list does not say. trial: certificates to try it with, see
    :mod:`trustsync.trial`. advisories: about the software of units.
    """

    keys: tuple[KeyRecord, ...]
    segments: tuple[SegmentRecord, ...]
    bundles: tuple[RuleBundle, ...]
    authorities: tuple[AuthorityRecord, ...] = ()
    recognition: Recognition | None = None
    limits: Limits | None = None
    trial: tuple[TrialCase, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    environment: Environment = Environment.PRODUCTION


def accept(
    targets: Mapping[str, bytes],
    *,
    segment_file: Callable[[str], Path] | None = None,
    known: Set[str] = frozenset(),
    environment: Environment = Environment.PRODUCTION,
    succession: Succession = FIRST_RULES,
) -> Accepted:
    """The list that these targets are, or a RefusedError.

    targets: by path. segment_file: where a segment lies as a file; without it segments are among the targets.
    known: paths of segments that were accepted before with these very bytes (by their hash) and record, whose
    order need not be looked at again. environment: of the store; whose keys must be sound, and be there.
    succession: of the rules that were in force on this unit; by default there were none.
    """
    try:
        # 1. Keys and authorities, 2. rules: canonical, counted, not empty; each key sound enough to be asked.
        published = decode_keys(_present(targets, KEYS_PATH))
        _check_one_word(published)
        believed = _of_environment(published, environment)
        _check_keys(believed.keys)
        _check_authorities(believed.authorities)
        bundles = decode_bundles(_present(targets, RULES_PATH))
        _check_succession(bundles, succession)
        # 3. The index, 4. every segment that it names, and what keys ask of them.
        segments = list_segments(_present(targets, REVOCATION_INDEX_PATH))
        for record in segments:
            if segment_file is not None:
                if record.path not in known:
                    check_segment_file(segment_file(record.path), record)
                continue
            data = _present(targets, record.path)
            if record.path not in known:
                check_segment(data, record)
        _check_allowed(published.keys, segments)
        # 5. What may be there: recognition, policy, certificates to try the list with, advisories.
        said, policy, trial, weak = map(
            targets.get, (RECOGNITION_PATH, POLICY_PATH, SELF_TEST_PATH, ADVISORIES_PATH)
        )
        return Accepted(
            published.keys,
            segments,
            bundles,
            published.authorities,
            None if said is None else decode_recognition(said),
            None if policy is None else decode_policy(policy),
            () if trial is None else decode_trial(trial),
            () if weak is None else decode_advisories(weak),
            environment,
        )
    except (TargetError, BundleError) as error:
        raise _refused(error) from error


def _check_allowed(keys: tuple[KeyRecord, ...], segments: tuple[SegmentRecord, ...]) -> None:
    """Raise RefusedError where a key promises certificates that stay good and none are listed."""
    for kid in allowed_missing(keys, segments):
        raise _refused(
            f"{KEYS_PATH}: KID {kid.hex()} has certificates that stay good, and no segment lists them"
        )


def _check_succession(bundles: tuple[RuleBundle, ...], succession: Succession) -> None:
    """Raise RefusedError where rules come that must not follow: an older version, and no word of why."""
    try:
        succession.check(bundles)
    except SuccessionError as error:
        raise RefusedError(
            f"{RULES_PATH}: {error}; the list is refused as a whole and the one in force stays. "
            "The publisher must be told",
            Alarm.ROLLBACK if error.older else Alarm.CONTENT,
        ) from error


def _check_one_word(published: PublishedKeys) -> None:
    """Raise RefusedError where one key is called real and a sample in the same list: half the world may have
    the secret of a sample, so the wrong word must not be the one that counts.
    """
    named: dict[bytes, str] = {}
    for record in published.keys:
        if record.key.spki and named.setdefault(record.key.spki, record.environment) != record.environment:
            raise _refused(f"{KEYS_PATH}: the key of KID {record.key.kid.hex()} is called real and a sample")


def _of_environment(published: PublishedKeys, environment: Environment) -> PublishedKeys:
    """What of a list may be believed in this environment. Raises RefusedError when that is nothing.

    Such a list would refuse everybody, and to this store it is as empty as one without a row.
    """
    keys = tuple(record for record in published.keys if record.environment == environment)
    authorities = tuple(record for record in published.authorities if record.environment == environment)
    if not keys and not authorities:
        raise _refused(f"{KEYS_PATH}: no key and no CSCA in it is of the environment {environment}")
    return PublishedKeys(keys, authorities)


def _check_keys(records: tuple[KeyRecord, ...]) -> None:
    """Raise RefusedError for a key that could verify nothing, or anything (a low-order point)."""
    for record in records:
        try:
            load_spki(record.key.spki)
        except KeyRefusedError as error:
            raise _refused(f"{KEYS_PATH}: the key of KID {record.key.kid.hex()}: {error}") from error


def _check_authorities(records: tuple[AuthorityRecord, ...]) -> None:
    """Raise RefusedError for a CSCA that cannot be loaded, or whose certificate has another key.

    A signer finds its CSCA by the listed key identifier, and the certificate proves it: the two must be one.
    """
    if not records:
        return
    from verifier.chain import load_authority  # a list without a CSCA needs none of it

    for listed in (record.authority for record in records):
        where = f"{KEYS_PATH}: the CSCA with key identifier {listed.key_id.hex()}"
        try:
            found = load_authority(listed.certificate, source=listed.source)
        except KeyRefusedError as error:
            raise _refused(f"{where}: {error}") from error
        if (found.spki, found.key_id) != (listed.spki, listed.key_id):
            raise _refused(f"{where}: its certificate says another key or key identifier")


def list_segments(index: bytes) -> tuple[SegmentRecord, ...]:
    """The segments that an index names, each once and in order, or a RefusedError."""
    try:
        segments = decode_index(index)
    except TargetError as error:
        raise _refused(error) from error
    previous = ""
    for record in segments:
        if record.path <= previous:
            raise _refused(f"{REVOCATION_INDEX_PATH}: {record.path} is named twice or out of order")
        if not 1 <= len(record.scope) <= MAX_SCOPE:
            raise _refused(f"{REVOCATION_INDEX_PATH}: a scope of {len(record.scope)} bytes")
        previous = record.path
    return segments


def _present(targets: Mapping[str, bytes], path: str) -> bytes:
    data = targets.get(path)
    if data is None:
        raise _refused(f"{path}: missing")
    return data


def _refused(what: object) -> RefusedError:
    return RefusedError(
        f"the list is signed but not fit to install: {what}; the list in force stays, "
        "and the publisher must be told",
        Alarm.CONTENT,
    )
