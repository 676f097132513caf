"""What the lists that are held would become, if they were published now.

The rules this module keeps:

* A key that several lists have stands once. Lists that a signature or a pin proves are believed about it;
  those that only a connection vouches for are asked where there is no other.
* What was published and is on no list any more is withdrawn, not forgotten. It stays withdrawn when a list
  names it again, until people of this hub reinstate it.
* A key for which two servers vouch over TLS needs nobody. Where that ends, or another list vouches than
  before, people look again: who drops a key must not be outvoted by a connection.
* The KID of a health card's key is its thumbprint, computed again; one that says otherwise is left out.
* A list of production names the keys of the test lists and nothing more of them: a desk can say "sample", and
  there is nothing that could verify one.
* Pure: lists, decisions and what was published go in, the same in any order.

    candidate = make_candidate(PRODUCTION, sources, lists, decisions, published=now, specimen=key)
    candidate.document                   # trust/keys.cbor
    candidate.unvouched                  # keys that no proof and not two connections vouch for
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from trustsync.canonical import TargetError
from trustsync.hub.config import HubError
from trustsync.hub.records import Decision, HeldList
from trustsync.hub.upstream import Authentication, Source
from trustsync.targets import (
    PRODUCTION,
    TEST,
    AuthorityRecord,
    KeyRecord,
    PublishedKeys,
    decode_keys,
    encode_keys,
)
from verifier.families import shown_kid
from verifier.keys import KeyRefusedError, load_spki
from verifier.trust import MAX_KEYS_PER_KID, Authority, Domain, KeyStatus, TrustedKey, key_name
from verifier.wire import base64url, shc, shc_keys

WITHDRAWN, REINSTATED, REJECT_FROM = "withdrawn", "reinstated", "reject-from"  # words of a decision
_PROVEN = frozenset({Authentication.SIGNED, Authentication.PINNED})

KeyIdentity = tuple[bytes, bytes, Domain, str]
_Seen = tuple[Source, HeldList, TrustedKey]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A list that may be published. keys, authorities: with the names of test ones and the specimen.

    document: of these, the target ``trust/keys.cbor``. allowed: by KID the certificates that stay good.
    unvouched: keys that are new or say something new, and that neither a proof nor two connections vouch for.
    returned: keys that were withdrawn and that a list names again; they stay withdrawn. left_out: keys that
    are on a list and not here, with the reason.
    """

    environment: str
    keys: tuple[KeyRecord, ...]
    authorities: tuple[AuthorityRecord, ...]
    document: bytes
    allowed: Mapping[bytes, bytes] = field(default_factory=dict)
    unvouched: tuple[TrustedKey, ...] = ()
    returned: tuple[TrustedKey, ...] = ()
    left_out: tuple[str, ...] = ()


def identity_of(key: TrustedKey) -> KeyIdentity:
    """What makes a key one and the same in several lists."""
    return key.kid, key.spki, key.domain or Domain.HCERT, key.issuer or ""


def make_candidate(
    environment: str,
    sources: Sequence[Source],
    lists: Mapping[str, HeldList],
    decisions: Mapping[bytes, Decision],
    *,
    published: PublishedKeys | None,
    specimen: KeyRecord,
    allowed: Mapping[bytes, bytes] | None = None,
) -> Candidate:
    """The list that these lists make.

    sources: as configured; a list of a source that is there no more does not count. published: as it stands
    in the repository, ``None`` before the first publication. allowed: as it was decided, by KID. Raises
    HubError when no unit could read such a list: it would be too long, or one KID would name too many keys.
    """
    making = _Making(environment, decisions, published, specimen)
    for source in sources:
        held = lists.get(source.name)
        if held is not None and held.environment == source.environment:
            making.take(source, held)
    return making.finish(allowed or {})


class _Making:
    def __init__(
        self,
        environment: str,
        decisions: Mapping[bytes, Decision],
        published: PublishedKeys | None,
        specimen: KeyRecord,
    ) -> None:
        self._environment = environment
        self._decisions = decisions
        self._specimen = specimen
        self._before = {
            identity_of(record.key): record.key
            for record in (published.keys if published else ())
            if record.environment == environment and record.key.kid != specimen.key.kid
        }
        self._authorities_before = {
            record.authority.certificate: record.authority
            for record in (published.authorities if published else ())
            if record.environment == environment
        }
        self._seen: dict[KeyIdentity, list[_Seen]] = {}
        self._authorities: dict[bytes, Authority] = {}
        self._names: dict[bytes, KeyRecord] = {}
        self._authority_names: dict[bytes, AuthorityRecord] = {}
        self._left_out: list[str] = []
        self._unvouched: list[TrustedKey] = []
        self._returned: list[TrustedKey] = []

    def take(self, source: Source, held: HeldList) -> None:
        """Count one list in."""
        if held.environment != self._environment:
            if self._environment == PRODUCTION:
                self._take_names(held)
            return
        for record in held.keys:
            if (why := self._unusable(record.key)) is not None:
                shown = shown_kid(record.key.domain, record.key.kid)
                self._left_out.append(f"{source.name}: key {shown}: {why}")
            else:
                self._seen.setdefault(identity_of(record.key), []).append((source, held, record.key))
        for listed in held.authorities:
            self._authorities.setdefault(listed.authority.certificate, listed.authority)

    def _unusable(self, key: TrustedKey) -> str | None:
        """Why a key may not stand on a list; ``None`` when it may."""
        if key.kid == self._specimen.key.kid:
            return "its KID is the one of the certificates by which units try the list"
        try:
            load_spki(key.spki)
            if key.domain is Domain.SHC and key.kid not in _card_names(key.spki):
                return "its KID is not its thumbprint"
        except KeyRefusedError as error:
            return str(error)
        return None

    def _take_names(self, held: HeldList) -> None:
        """Of a test list, the names: no key, no certificate, nothing that could verify."""
        for record in held.keys:
            key = record.key
            if key.kid == self._specimen.key.kid:
                continue  # units would take the list's own specimen for a sample, and refuse the list
            bare = TrustedKey(
                key.kid, b"", key.country, source=key.source, domain=key.domain, issuer=key.issuer
            )
            self._names.setdefault(key_name(key.kid, key.issuer), KeyRecord(bare, TEST))
        for listed in held.authorities:
            key_id = listed.authority.key_id
            # a row must have a key and a certificate; of a test CSCA neither is ever looked at
            bare_authority = Authority(key_id, key_id, key_id, listed.authority.country)
            self._authority_names.setdefault(key_id, AuthorityRecord(bare_authority, TEST))

    def finish(self, allowed: Mapping[bytes, bytes]) -> Candidate:
        """The list."""
        keys = [self._believed(name, seen) for name, seen in sorted(self._seen.items())]
        keys += [
            replace(self._decided(key), status=KeyStatus.WITHDRAWN)
            for name, key in self._before.items()
            if name not in self._seen
        ]
        real = {key_name(key.kid, key.issuer) for key in keys}
        records = [
            self._specimen,
            *(KeyRecord(key, self._environment) for key in keys),
            *(record for name, record in self._names.items() if name not in real),
        ]
        _check_crowd(record.key for record in records)
        listed = tuple(sorted(records, key=lambda record: identity_of(record.key)))
        authorities = tuple(self._finish_authorities())
        return Candidate(
            self._environment,
            listed,
            authorities,
            _document(listed, authorities),
            allowed,
            tuple(self._unvouched),
            tuple(self._returned),
            tuple(self._left_out),
        )

    def _believed(self, name: KeyIdentity, seen: list[_Seen]) -> TrustedKey:
        """The one key that these lists describe, with what was decided about it here."""
        proven = [each for each in seen if each[1].authentication in _PROVEN]
        believed = proven or seen
        key = _merged([key for _, _, key in believed])
        key = replace(key, source=", ".join(dict.fromkeys(source.name for source, _, _ in believed)))
        before = self._before.get(name)
        key = self._decided(key)
        if before is not None and before.status is KeyStatus.WITHDRAWN and key.status is KeyStatus.ACTIVE:
            self._returned.append(key)
            key = replace(key, status=KeyStatus.WITHDRAWN)
        # also when it only stands on other lists than before: a proven one may have dropped it
        news = before != key
        if news and key.status is not KeyStatus.WITHDRAWN and not proven and len(_places(seen, key)) < 2:
            self._unvouched.append(key)
        return key

    def _decided(self, key: TrustedKey) -> TrustedKey:
        decision = self._decisions.get(key.kid)
        if decision is None:
            return key
        if decision.word == REINSTATED:
            return replace(key, status=KeyStatus.REINSTATED)
        if decision.word == REJECT_FROM:
            return replace(key, reject_from=decision.instant, allowed=decision.allowed)
        return replace(key, status=KeyStatus.WITHDRAWN, allowed=decision.allowed)

    def _finish_authorities(self) -> list[AuthorityRecord]:
        found = []
        for certificate in sorted({*self._authorities, *self._authorities_before}):
            before, now = self._authorities_before.get(certificate), self._authorities.get(certificate)
            if now is None:
                assert before is not None
                listed = replace(before, status=KeyStatus.WITHDRAWN)
            else:
                decision = self._decisions.get(now.key_id)
                word = decision.word if decision else None
                gone = before is not None and before.status is KeyStatus.WITHDRAWN
                status = KeyStatus.WITHDRAWN if gone or word == WITHDRAWN else now.status
                listed = replace(now, status=KeyStatus.REINSTATED if word == REINSTATED else status)
            found.append(AuthorityRecord(listed, self._environment))
        real = {record.authority.key_id for record in found}
        return found + [record for key_id, record in self._authority_names.items() if key_id not in real]


def _document(keys: Sequence[KeyRecord], authorities: Sequence[AuthorityRecord]) -> bytes:
    """The target, read again as a unit would. Raises HubError."""
    try:
        document = encode_keys(keys, authorities)
        decode_keys(document)
    except TargetError as error:
        raise HubError(
            f"these lists together make none that a unit could read ({error}). Look which source brings so "
            "many keys (vaxgate-hub gather --json), and leave it out"
        ) from error
    return document


def _card_names(spki: bytes) -> set[bytes]:
    """The KIDs that a health card's key may have: its thumbprint, and those of the same key written short.

    Some issuers leave the leading zeros of a coordinate out, and their cards name the thumbprint of that.
    """
    names = {shc_keys.thumbprint(spki).encode()}
    native = load_spki(spki).native
    if isinstance(native, ec.EllipticCurvePublicKey):
        point, size = native.public_numbers(), (native.curve.key_size + 7) // 8
        spellings = [
            (whole, whole.lstrip(b"\0"))
            for whole in (point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big"))
        ]
        for x, y in product(*spellings):
            members = {"crv": f"P-{native.curve.key_size}", "kty": "EC"}
            members |= {"x": base64url.encode(x), "y": base64url.encode(y)}
            names.add(base64url.encode(hashlib.sha256(shc.minified(members)).digest()).encode())
    return names


def _merged(same: Sequence[TrustedKey]) -> TrustedKey:
    """What several lists say about one key: the first one's word, and the narrowest of what limits it."""
    first = same[0]
    begins = [key.not_before for key in same if key.not_before is not None]
    ends = [key.not_after for key in same if key.not_after is not None]
    uses = [key.uses for key in same if key.uses is not None]
    rejects = [key.reject_from for key in same if key.reject_from is not None]
    chained = [key.chained for key in same if key.chained is not None]
    gone = any(key.status is KeyStatus.WITHDRAWN for key in same)
    return replace(
        first,
        country=next((key.country for key in same if key.country), None),
        not_before=max(begins, default=None),
        not_after=min(ends, default=None),
        uses=frozenset.intersection(*uses) if uses else None,
        certificate=next((key.certificate for key in same if key.certificate), None),
        status=KeyStatus.WITHDRAWN if gone else first.status,
        lenient=any(key.lenient for key in same),
        chained=all(chained) if chained else None,
        reject_from=min(rejects, default=None),
    )


def _places(seen: Iterable[_Seen], key: TrustedKey) -> set[str]:
    """The servers that vouch for a key by their connection, and for its owner; two lists of one are one."""
    return {
        urlsplit(source.url).hostname or ""
        for source, held, each in seen
        if held.authentication is Authentication.TLS and each.country == key.country
    }


def _check_crowd(keys: Iterable[TrustedKey]) -> None:
    for (kid, issuer), count in Counter((key.kid, key.issuer) for key in keys).items():
        if count > MAX_KEYS_PER_KID:
            owner = f" of {issuer}" if issuer else ""
            raise HubError(
                f"KID {kid.hex()}{owner} would name {count} keys, at most {MAX_KEYS_PER_KID} are published. "
                "Find the source that brings them (vaxgate-hub show), and leave it out"
            )
