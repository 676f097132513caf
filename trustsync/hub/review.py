"""What a publication would change, and which people must have seen it.

The rules this module keeps:

* A change of more than 5 % of the keys, or of any CSCA, asks for two reviewers. A key that one connection
  alone vouches for, and every loosening (a key reinstated, certificates that stay good), asks for one.
* An approval is a signature over the digest of one exact change: what stands, what would stand, the keys that
  nobody else vouches for, and the number of the publication. Another change, or the same one a second time,
  asks anew.
* What stands and what would are the list of keys and the certificates that stay good, to the byte. Everything
  else that is published has signers of its own, or takes trust away.
* Two reviewers are two names with two keys, as ``hub.toml`` has them at the time of publication.

    change = compare(candidate, before, allowed_before, number=4)
    change.share, change.needed.reviewers, change.needed.why
    approval = sign_change(change, "an", key, now)
    missing(change, approvals, config.reviewers)         # '' when it may be published
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from trustsync.canonical import encode
from trustsync.deltas import difference
from trustsync.hub.candidate import Candidate, KeyIdentity, identity_of
from trustsync.hub.records import ENTRY, Approval
from trustsync.targets import KeyRecord, PublishedKeys, decode_keys
from verifier.families import shown_kid
from verifier.trust import Authority, KeyStatus, TrustedKey

SHARE = 0.05  # of the keys; a larger change asks for two reviewers
_PURPOSE = b"vaxgate-hub approval v1\n"  # so that the signature can be used for nothing else


@dataclass(frozen=True, slots=True)
class Needed:
    """How many reviewers must have signed, and why, each reason in a few words."""

    reviewers: int
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllowedChange:
    """How many certificates of a distrusted key come to stay good, and how many no more do."""

    kid: bytes
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between what stands in a repository and what would.

    digest: of this exact change, 32 bytes. share: of the keys that are in force before, between 0 and more
    than 1. added, withdrawn, reinstated, changed: keys, with their new facts. authorities: CSCAs that are
    added, withdrawn or otherwise different. names: how many names of test keys and CSCAs come or go. allowed:
    where certificates that stay good come or go. empty: whether all of it would be the same to the byte.
    """

    environment: str
    digest: bytes
    first: bool
    empty: bool
    share: float
    needed: Needed
    added: tuple[TrustedKey, ...] = ()
    withdrawn: tuple[TrustedKey, ...] = ()
    reinstated: tuple[TrustedKey, ...] = ()
    changed: tuple[TrustedKey, ...] = ()
    authorities: tuple[Authority, ...] = ()
    names: int = 0
    allowed: tuple[AllowedChange, ...] = ()
    unvouched: tuple[TrustedKey, ...] = ()
    returned: tuple[TrustedKey, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def _sorted_keys(self) -> tuple[tuple[str, tuple[TrustedKey, ...]], ...]:
        """The keys that differ, under the word for how."""
        return (
            ("added", self.added),
            ("withdrawn", self.withdrawn),
            ("reinstated", self.reinstated),
            ("changed", self.changed),
        )

    def as_json(self) -> dict[str, Any]:
        """The change for programs."""
        return {
            "environment": self.environment,
            "digest": self.digest.hex(),
            "empty": self.empty,
            "share": round(self.share, 6),
            "reviewers": self.needed.reviewers,
            "why": list(self.needed.why),
            "keys": {word: [_row(key) for key in keys] for word, keys in self._sorted_keys},
            "authorities": [
                {"key_id": each.key_id.hex(), "country": each.country, "status": each.status.value}
                for each in self.authorities
            ],
            "test_names": self.names,
            "allowed": [
                {"kid": each.kid.hex(), "added": each.added, "removed": each.removed} for each in self.allowed
            ],
            "unvouched": [_row(key) for key in self.unvouched],
            "returned": [_row(key) for key in self.returned],
            "left_out": list(self.left_out),
        }

    def as_text(self) -> str:
        """The change for the people who sign it."""
        beside = [f"  stays withdrawn though listed again: {_said(key)}" for key in self.returned]
        beside += [f"  left out: {text}" for text in self.left_out]
        if self.empty:
            return "\n".join([f"{self.environment}: nothing changed", *beside])
        lines = [
            f"{self.environment}: {'first publication' if self.first else f'{self.share:.1%} of the keys'}"
        ]
        for word, keys in self._sorted_keys:
            for (source, country), count in sorted(
                Counter((k.source, k.country or "?") for k in keys).items()
            ):
                lines.append(f"  {count:>5} {word:<11} {country:<3} from {source}")
        lines += [
            f"  CSCA  {each.status.value:<11} {each.country or '?':<3} {each.key_id.hex()}"
            for each in self.authorities
        ]
        if self.names:
            lines.append(f"  {self.names:>5} names of test keys come or go")
        lines += [
            f"  {each.added:>5} certificates of KID {each.kid.hex()} stay good, {each.removed} no more"
            for each in self.allowed
        ]
        lines += [f"  not two connections vouch for {_said(key)}" for key in self.unvouched]
        lines += [*beside, f"change {self.digest.hex()}"]
        if self.needed.reviewers:
            lines.append(f"asks for {self.needed.reviewers} of the reviewers: {'; '.join(self.needed.why)}")
        return "\n".join(lines)


def compare(
    candidate: Candidate,
    before: bytes | None,
    allowed_before: Mapping[bytes, bytes] | None = None,
    *,
    number: int,
) -> Change:
    """The change that publishing this candidate would be.

    before: ``trust/keys.cbor`` as it stands, ``None`` before the first publication. allowed_before: by KID
    the certificates that stay good, as published. number: how many changes were published before.
    """
    standing = decode_keys(before) if before is not None else PublishedKeys(())
    allowed_before = allowed_before or {}
    old = _by_name(standing.keys, candidate.environment)
    new = _by_name(candidate.keys, candidate.environment)
    gone = KeyStatus.WITHDRAWN
    added = [key for name, key in new.items() if name not in old and key.status is not gone]
    both = [(old[name], key) for name, key in new.items() if name in old]
    withdrawn = [key for was, key in both if key.status is gone and was.status is not gone]
    reinstated = [key for was, key in both if was.status is gone and key.status is not gone]
    moved = {id(key) for key in (*withdrawn, *reinstated)}
    changed = [key for was, key in both if id(key) not in moved and _facts(was) != _facts(key)]
    authorities = _authorities_changed(candidate, standing)
    in_force = sum(key.status is not gone for key in old.values())
    count = len(added) + len(withdrawn) + len(reinstated) + len(changed)
    share = 1.0 if before is None else count / max(in_force, 1)
    allowed = _allowed_changed(candidate.allowed, allowed_before)
    needed = _needed(
        share=share if count else 0.0,
        authorities=bool(authorities),
        unvouched=len(candidate.unvouched),
        loosened=len(reinstated) + sum(_loosens(was, key) for was, key in both),
        allowed=sum(each.added for each in allowed),
    )
    return Change(
        environment=candidate.environment,
        digest=_digest(candidate, before, allowed_before, number),
        first=before is None,
        empty=candidate.document == before and not allowed,
        share=share,
        needed=needed,
        added=tuple(added),
        withdrawn=tuple(withdrawn),
        reinstated=tuple(reinstated),
        changed=tuple(changed),
        authorities=authorities,
        names=len(_names(standing, candidate) ^ _names(candidate, candidate)),
        allowed=allowed,
        unvouched=candidate.unvouched,
        returned=candidate.returned,
        left_out=candidate.left_out,
    )


def sign_change(change: Change, reviewer: str, key: SigningKey, now: datetime) -> Approval:
    """A reviewer's approval of this exact change."""
    signature = key.sign(_message(change.environment, change.digest)).signature
    return Approval(change.digest, reviewer, signature, now)


def approved_by(change: Change, approvals: Iterable[Approval], reviewers: Mapping[str, bytes]) -> list[str]:
    """The reviewers whose signature over this change holds under the key that they have now."""
    found = []
    for approval in approvals:
        point = reviewers.get(approval.reviewer)
        if point is None or approval.digest != change.digest or approval.reviewer in found:
            continue
        try:
            VerifyKey(point).verify(_message(change.environment, change.digest), approval.signature)
        except (BadSignatureError, ValueError):
            continue
        found.append(approval.reviewer)
    return found


def missing(change: Change, approvals: Sequence[Approval], reviewers: Mapping[str, bytes]) -> str:
    """What is still missing before this change may be published, in words; empty when nothing is."""
    signed = approved_by(change, approvals, reviewers)
    lacking = change.needed.reviewers - len(signed)
    if change.empty or lacking <= 0:
        return ""
    who = f"signed so far: {', '.join(signed)}" if signed else "nobody has signed it"
    left = [name for name in reviewers if name not in signed]
    word = " and " if len(left) == lacking else " or "
    hint = f"Ask {word.join(left)}" if len(left) >= lacking else "hub.toml names too few reviewers"
    return (
        f"the change {change.digest.hex()[:16]} of {change.environment} asks for {change.needed.reviewers} "
        f"reviewers ({'; '.join(change.needed.why)}); {who}. {hint}: vaxgate-hub approve"
    )


def _needed(*, share: float, authorities: bool, unvouched: int, loosened: int, allowed: int) -> Needed:
    two, one = [], []
    if share > SHARE:
        two.append(f"more than {SHARE:.0%} of the keys")
    if authorities:
        two.append("a CSCA")
    if unvouched:
        one.append(f"keys for which one connection alone vouches, or none: {unvouched}")
    if loosened:
        one.append(f"keys that are believed in more than before: {loosened}")
    if allowed:
        one.append(f"certificates that stay good though their key is distrusted: {allowed}")
    return Needed(2 if two else 1 if one else 0, (*two, *one))


def _loosens(was: TrustedKey, key: TrustedKey) -> bool:
    """Whether people's distrust of a key, which stays the same in number, lets more through than before."""
    later = was.reject_from is not None and (key.reject_from is None or key.reject_from > was.reject_from)
    return (key.allowed and not was.allowed) or later


def _by_name(records: Iterable[KeyRecord], environment: str) -> dict[KeyIdentity, TrustedKey]:
    return {identity_of(record.key): record.key for record in records if record.environment == environment}


def _names(listed: PublishedKeys | Candidate, candidate: Candidate) -> set[KeyIdentity | bytes]:
    """What a list names of the other environment."""
    other = candidate.environment
    return {identity_of(record.key) for record in listed.keys if record.environment != other} | {
        record.authority.key_id for record in listed.authorities if record.environment != other
    }


def _facts(key: TrustedKey) -> TrustedKey:
    """What a key may do; where it was found is not part of that."""
    return replace(key, source="")


def _allowed_changed(
    after: Mapping[bytes, bytes], before: Mapping[bytes, bytes]
) -> tuple[AllowedChange, ...]:
    found = []
    for kid in sorted({*after, *before}):
        new, old = after.get(kid, b""), before.get(kid, b"")
        if new != old:
            added, removed = difference(new, old, ENTRY), difference(old, new, ENTRY)
            found.append(AllowedChange(kid, len(added) // ENTRY, len(removed) // ENTRY))
    return tuple(found)


def _authorities_changed(candidate: Candidate, standing: PublishedKeys) -> tuple[Authority, ...]:
    def listed(records: Iterable[Any]) -> dict[bytes, Authority]:
        return {
            record.authority.certificate: record.authority
            for record in records
            if record.environment == candidate.environment
        }

    old, new = listed(standing.authorities), listed(candidate.authorities)
    return tuple(
        each
        for certificate, each in sorted(new.items())
        if certificate not in old or old[certificate].status is not each.status
    )


def _digest(
    candidate: Candidate, before: bytes | None, allowed_before: Mapping[bytes, bytes], number: int
) -> bytes:
    alone = map(identity_of, candidate.unvouched)
    whole = {
        "env": candidate.environment,
        "number": number,
        "before": hashlib.sha256(before or b"").digest(),
        "after": hashlib.sha256(candidate.document).digest(),
        "allowed": [
            [[kid, hashlib.sha256(allowed[kid]).digest()] for kid in sorted(allowed)]
            for allowed in (allowed_before, candidate.allowed)
        ],
        "unvouched": sorted([kid, spki, domain.value, issuer] for kid, spki, domain, issuer in alone),
    }
    return hashlib.sha256(encode(whole)).digest()


def _message(environment: str, digest: bytes) -> bytes:
    return _PURPOSE + f"{environment}\n{digest.hex()}\n".encode()


def _row(key: TrustedKey) -> dict[str, Any]:
    return {
        "kid": shown_kid(key.domain, key.kid),
        "country": key.country,
        "domain": key.domain.value if key.domain else None,
        "source": key.source,
        "status": key.status.value,
    } | ({"issuer": key.issuer} if key.issuer else {})


def _said(key: TrustedKey) -> str:
    owner = f" of {key.issuer}" if key.issuer else f" of {key.country}" if key.country else ""
    return f"{shown_kid(key.domain, key.kid)}{owner} from {key.source}"
