"""The documents of the trust repository, and above all its keys: ``trust/keys.cbor``.

The rules this module keeps:

* Encoding is canonical, see :mod:`trustsync.canonical`. Decoding refuses anything that is not in that form.
* What an earlier release would read wrongly it must not be able to read at all: a key list that says more
  than that release knew has the next version.
* Everything here is pure; files and signatures are other modules' business.

    published = decode_keys(encode_keys([KeyRecord(...)], [AuthorityRecord(...)]))
    published.keys, published.authorities

Paths: ``trust/keys.cbor`` (role ``trust``), ``revocation/index.cbor`` and
``revocation/<name>.seg`` (role ``revocation``, see :mod:`trustsync.segments`), ``rules/bundles.json``
(role ``rules``). The form of each is described in ``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trustsync.canonical import TargetError, encode, read_document, read_field, read_list
from trustsync.environments import Environment
from verifier.trust import MAX_KEYS_PER_KID, Authority, Domain, KeyStatus, TrustedKey, key_name

FORMAT_VERSION = 1
# Of a key list with domains, issuers, chains or authorities. Readers of version 1 skip the fields that they
# do not know: they would let a key of one domain sign in all of them.
DOMAINS_VERSION = 2
# Of a key list that distrusts a key from an instant on, sorts a withdrawn one's certificates, or vouches for
# it again. Readers of version 2 skip those fields: they would take what was signed after that instant.
DISTRUST_VERSION = 3
PRODUCTION, TEST = (each.value for each in Environment)  # environments of a key or an authority
MAX_KEYS = 20_000
MAX_AUTHORITIES = 2_000
MAX_ISSUER = 512  # characters
MAX_KEY_ID = 64  # bytes of a CSCA's key identifier; mostly 20

# Keys of these domains are found by issuer and KID together; one without its issuer would sign for everybody.
_BY_ISSUER = frozenset({Domain.SHC, Domain.NZCP})


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of the published list, with the environment it belongs to.

    environment: ``production`` or ``test``; a unit of production only ever names a test key, and a training
    unit has no other.
    """

    key: TrustedKey
    environment: str = PRODUCTION


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """One CSCA of the published list, with the environment it belongs to.

    environment: as in :class:`KeyRecord`; on a unit of production a test CSCA vouches for nobody.
    """

    authority: Authority
    environment: str = PRODUCTION


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The content of ``trust/keys.cbor``. Every key has its domain."""

    keys: tuple[KeyRecord, ...]
    authorities: tuple[AuthorityRecord, ...] = ()


def encode_keys(records: Iterable[KeyRecord], authorities: Iterable[AuthorityRecord] = ()) -> bytes:
    """The target ``trust/keys.cbor``: keys sorted by KID and key, authorities by key identifier and key.

    A key without a domain is published for ``Domain.HCERT``.
    """
    keys = sorted(
        records,
        key=lambda r: (r.key.kid, r.key.spki, r.environment, r.key.domain or "", r.key.issuer or ""),
    )
    vouching = sorted(
        authorities,
        key=lambda r: (r.authority.key_id, r.authority.spki, r.environment, r.authority.certificate),
    )
    document: dict[str, Any] = {
        "v": _keys_version(PublishedKeys(tuple(keys), tuple(vouching))),
        "keys": [_key_map(r) for r in keys],
    }
    if vouching:
        document["authorities"] = [_authority_map(r) for r in vouching]
    return encode(document)


def _keys_version(published: PublishedKeys) -> int:
    """The lowest version whose readers understand all of it."""
    if any(_qualified(record) for record in published.keys) or any(
        record.authority.status is KeyStatus.REINSTATED for record in published.authorities
    ):
        return DISTRUST_VERSION
    plain = not published.authorities and all(
        record.key.domain in (None, Domain.HCERT) and record.key.issuer is None and record.key.chained is None
        for record in published.keys
    )
    return FORMAT_VERSION if plain else DOMAINS_VERSION


def _qualified(record: KeyRecord) -> bool:
    """Whether more is said of a key than that it is active or withdrawn."""
    key = record.key
    return key.status is KeyStatus.REINSTATED or key.reject_from is not None or key.allowed


def _key_map(record: KeyRecord) -> dict[str, Any]:
    key = record.key
    return _compact(
        {
            "kid": key.kid,
            "spki": key.spki,
            "st": key.status.value,
            "env": record.environment,
            "co": key.country,
            "nb": _seconds(key.not_before),
            "na": _seconds(key.not_after),
            "use": None if key.uses is None else sorted(key.uses),
            "cert": key.certificate,
            "also": sorted(key.also_for) or None,
            "src": key.source or None,
            "len": key.lenient or None,
            "dom": None if key.domain in (None, Domain.HCERT) else key.domain.value,
            "iss": key.issuer,
            "chn": key.chained,
            "rej": _seconds(key.reject_from),
            "alw": key.allowed or None,
        }
    )


def _authority_map(record: AuthorityRecord) -> dict[str, Any]:
    authority = record.authority
    return _compact(
        {
            "id": authority.key_id,
            "spki": authority.spki,
            "cert": authority.certificate,
            "st": authority.status.value,
            "env": record.environment,
            "co": authority.country,
            "nb": _seconds(authority.not_before),
            "na": _seconds(authority.not_after),
            "src": authority.source or None,
            "len": authority.lenient or None,
        }
    )


def _compact(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def decode_keys(data: bytes) -> PublishedKeys:
    """The content of ``trust/keys.cbor``.

    Raises TargetError when the bytes are not canonical, a field is missing or of the wrong type, a word is
    unknown, the version is not the one that the content needs, there is neither key nor authority, or a count
    is beyond its limit.
    """
    document = read_document(data, "keys", (FORMAT_VERSION, DOMAINS_VERSION, DISTRUST_VERSION))
    items = read_list(document, "keys", MAX_KEYS)
    vouching: Sequence[Any] = ()
    if "authorities" in document:
        vouching = read_list(document, "authorities", MAX_AUTHORITIES)
        if not vouching:
            raise TargetError("authorities: an empty list; a list without authorities leaves the member out")
    if not items and not vouching:
        raise TargetError("keys: the list is empty; an empty trust list is never installed")
    published = PublishedKeys(
        tuple(_key_record(item, f"keys[{number}]") for number, item in enumerate(items)),
        tuple(_authority_record(item, f"authorities[{number}]") for number, item in enumerate(vouching)),
    )
    _check_crowd("keys: KID", (key_name(record.key.kid, record.key.issuer) for record in published.keys))
    _check_crowd("authorities: key identifier", (record.authority.key_id for record in published.authorities))
    if document["v"] != _keys_version(published):
        raise TargetError(
            f"keys: format version {document['v']} over content of version {_keys_version(published)}"
        )
    return published


def _check_crowd(what: str, names: Iterable[bytes]) -> None:
    """Raise TargetError when one name stands for so many keys that trying them all would take long."""
    crowded = [name for name, count in Counter(names).items() if count > MAX_KEYS_PER_KID]
    if crowded:
        raise TargetError(f"{what} {crowded[0].hex()} names more than {MAX_KEYS_PER_KID} keys")


def _key_record(item: Any, where: str) -> KeyRecord:
    status, environment = _standing(item, where)
    uses = read_field(item, "use", list, where, None)
    key = TrustedKey(
        kid=_bytes(item, "kid", where),
        spki=read_field(item, "spki", bytes, where),
        country=read_field(item, "co", str, where, None),
        not_before=_instant(read_field(item, "nb", int, where, None)),
        not_after=_instant(read_field(item, "na", int, where, None)),
        uses=None if uses is None else frozenset(map(str, uses)),
        status=status,
        certificate=read_field(item, "cert", bytes, where, None),
        also_for=frozenset(map(str, read_field(item, "also", list, where, []))),
        source=read_field(item, "src", str, where, ""),
        lenient=read_field(item, "len", bool, where, False),
        domain=_domain(item, where),
        issuer=_issuer(item, where),
        chained=read_field(item, "chn", bool, where, None),
        reject_from=_instant(read_field(item, "rej", int, where, None)),
        allowed=read_field(item, "alw", bool, where, False),
    )
    if "alw" in item and not key.allowed:
        raise TargetError(f"{where}.alw: false; a key without such a list leaves the member out")
    if key.domain in _BY_ISSUER and key.issuer is None:
        raise TargetError(f"{where}.iss: missing; a key of {key.domain} is known by its issuer and KID")
    return KeyRecord(key, environment)


def _authority_record(item: Any, where: str) -> AuthorityRecord:
    status, environment = _standing(item, where)
    authority = Authority(
        certificate=_bytes(item, "cert", where),
        spki=_bytes(item, "spki", where),
        key_id=_bytes(item, "id", where),
        country=read_field(item, "co", str, where, None),
        not_before=_instant(read_field(item, "nb", int, where, None)),
        not_after=_instant(read_field(item, "na", int, where, None)),
        status=status,
        source=read_field(item, "src", str, where, ""),
        lenient=read_field(item, "len", bool, where, False),
    )
    if len(authority.key_id) > MAX_KEY_ID:
        raise TargetError(f"{where}.id: {len(authority.key_id)} bytes, at most {MAX_KEY_ID} are taken")
    return AuthorityRecord(authority, environment)


def _standing(item: Any, where: str) -> tuple[KeyStatus, str]:
    """Status and environment of a row, which must be a map."""
    if not isinstance(item, dict):
        raise TargetError(f"{where}: not a map")
    environment = read_field(item, "env", str, where)
    if environment not in (PRODUCTION, TEST):
        raise TargetError(f"{where}.env: {environment!r} is neither production nor test")
    word = read_field(item, "st", str, where)
    try:
        return KeyStatus(word), environment
    except ValueError:
        raise TargetError(f"{where}.st: unknown status {word!r}") from None


def _domain(item: dict[Any, Any], where: str) -> Domain:
    word = read_field(item, "dom", str, where, Domain.HCERT.value)
    try:
        return Domain(word)
    except ValueError:
        raise TargetError(f"{where}.dom: unknown domain {word!r}") from None


def _issuer(item: dict[Any, Any], where: str) -> str | None:
    issuer: str | None = read_field(item, "iss", str, where, None)
    if issuer is not None and not 1 <= len(issuer) <= MAX_ISSUER:
        raise TargetError(f"{where}.iss: {len(issuer)} characters; 1 to {MAX_ISSUER} are taken")
    return issuer


def _bytes(item: dict[Any, Any], name: str, where: str) -> bytes:
    """A byte string that must say something."""
    if not item.get(name):
        raise TargetError(f"{where}.{name}: missing or empty")
    value: bytes = read_field(item, name, bytes, where)
    return value


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def _instant(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TargetError(f"instant {seconds} is out of range") from error
