"""The TUF targets of the trust repository: what a publisher writes and an appliance reads.

The rules this module keeps:

* Encoding is canonical: the same content gives the same bytes, so a rebuild is byte-identical and a
  generation can be compared by digest. Decoding refuses anything that is not in that form.
* Revocation entries are sorted, fixed-width and nothing else, so a target is mapped as it is.
* What an earlier release would read wrongly it must not be able to read at all: a key list that says more
  than that release knew has the next version, and an unknown kind of revocation refuses the index.
* Everything here is pure; files and signatures are other modules' business.

    published = decode_keys(encode_keys([KeyRecord(...)], [AuthorityRecord(...)]))
    published.keys, published.authorities
    segment = encode_segment(digests)          # a night's entries for one (scope, kind)
    timed = encode_timed_segment([(digest, instant)])

Paths: ``trust/keys.cbor`` (role ``trust``), ``revocation/index.cbor`` and
``revocation/<name>.seg`` (role ``revocation``), ``rules/bundles.json`` (role ``rules``).
The form of each is described in ``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from verifier.trust import MAX_KEYS_PER_KID, Authority, Domain, HashKind, KeyStatus, TrustedKey

KEYS_PATH = "trust/keys.cbor"
REVOCATION_INDEX_PATH = "revocation/index.cbor"
RULES_PATH = "rules/bundles.json"
SIGNED_AT_FIELD = "x-signed-at"

FORMAT_VERSION = 1
# Of a key list with domains, issuers, chains or authorities. Readers of version 1 skip the fields that they
# do not know: they would let a key of one domain sign in all of them.
DOMAINS_VERSION = 2
PRODUCTION, TEST = "production", "test"  # environments of a key or an authority
SEGMENT_WIDTH = 8  # bytes of each entry: at ten million entries one scan in 2 * 10^12 hits by chance
INSTANT_WIDTH = 8  # bytes of the instant after it, in a segment of kind RID_BEFORE
TIMED_WIDTH = SEGMENT_WIDTH + INSTANT_WIDTH
MAX_KEYS = 20_000
MAX_AUTHORITIES = 2_000
MAX_SEGMENTS = 50_000
MAX_ISSUER = 512  # characters
MAX_KEY_ID = 64  # bytes of a CSCA's key identifier; mostly 20

# Keys of these domains are found by issuer and KID together; one without its issuer would sign for everybody.
_BY_ISSUER = frozenset({Domain.SHC, Domain.NZCP})
_LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())


class TargetError(ValueError):
    """A target is not in the form that its format describes; the message names the place."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key of the published list, with the environment it belongs to.

    environment: ``production`` or ``test``; a test key is only ever named, never used to verify.
    """

    key: TrustedKey
    environment: str = PRODUCTION


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """One CSCA of the published list, with the environment it belongs to.

    environment: as in :class:`KeyRecord`; a test CSCA is only ever named, and vouches for nobody.
    """

    authority: Authority
    environment: str = PRODUCTION


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The content of ``trust/keys.cbor``. Every key has its domain."""

    keys: tuple[KeyRecord, ...]
    authorities: tuple[AuthorityRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """One revocation segment as the index lists it.

    path: the target. scope: a KID, :func:`verifier.trust.country_scope` or
    :func:`verifier.trust.authority_scope`. count: entries. width: bytes of an entry.
    """

    path: str
    scope: bytes
    kind: HashKind
    count: int
    width: int = SEGMENT_WIDTH


def segment_path(scope: bytes, kind: HashKind) -> str:
    """The target path of the segment for this scope and kind."""
    return f"revocation/{scope.hex()}-{kind:02x}.seg"


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
    return _canonical(document)


def _keys_version(published: PublishedKeys) -> int:
    """The lowest version whose readers understand all of it."""
    plain = not published.authorities and all(
        record.key.domain in (None, Domain.HCERT) and record.key.issuer is None and record.key.chained is None
        for record in published.keys
    )
    return FORMAT_VERSION if plain else DOMAINS_VERSION


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
    document = _document(data, "keys", (FORMAT_VERSION, DOMAINS_VERSION))
    items = _items(document, "keys", MAX_KEYS)
    vouching: Sequence[Any] = ()
    if "authorities" in document:
        vouching = _items(document, "authorities", MAX_AUTHORITIES)
        if not vouching:
            raise TargetError("authorities: an empty list; a list without authorities leaves the member out")
    if not items and not vouching:
        raise TargetError("keys: the list is empty; an empty trust list is never installed")
    published = PublishedKeys(
        tuple(_key_record(item, f"keys[{number}]") for number, item in enumerate(items)),
        tuple(_authority_record(item, f"authorities[{number}]") for number, item in enumerate(vouching)),
    )
    _check_crowd("keys: KID", (record.key.kid for record in published.keys))
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
    uses = _field(item, "use", list, where, None)
    key = TrustedKey(
        kid=_bytes(item, "kid", where),
        spki=_field(item, "spki", bytes, where),
        country=_field(item, "co", str, where, None),
        not_before=_instant(_field(item, "nb", int, where, None)),
        not_after=_instant(_field(item, "na", int, where, None)),
        uses=None if uses is None else frozenset(map(str, uses)),
        status=status,
        certificate=_field(item, "cert", bytes, where, None),
        also_for=frozenset(map(str, _field(item, "also", list, where, []))),
        source=_field(item, "src", str, where, ""),
        lenient=_field(item, "len", bool, where, False),
        domain=_domain(item, where),
        issuer=_issuer(item, where),
        chained=_field(item, "chn", bool, where, None),
    )
    if key.domain in _BY_ISSUER and key.issuer is None:
        raise TargetError(f"{where}.iss: missing; a key of {key.domain} is known by its issuer and KID")
    return KeyRecord(key, environment)


def _authority_record(item: Any, where: str) -> AuthorityRecord:
    status, environment = _standing(item, where)
    authority = Authority(
        certificate=_bytes(item, "cert", where),
        spki=_bytes(item, "spki", where),
        key_id=_bytes(item, "id", where),
        country=_field(item, "co", str, where, None),
        not_before=_instant(_field(item, "nb", int, where, None)),
        not_after=_instant(_field(item, "na", int, where, None)),
        status=status,
        source=_field(item, "src", str, where, ""),
        lenient=_field(item, "len", bool, where, False),
    )
    if len(authority.key_id) > MAX_KEY_ID:
        raise TargetError(f"{where}.id: {len(authority.key_id)} bytes, at most {MAX_KEY_ID} are taken")
    return AuthorityRecord(authority, environment)


def _standing(item: Any, where: str) -> tuple[KeyStatus, str]:
    """Status and environment of a row, which must be a map."""
    if not isinstance(item, dict):
        raise TargetError(f"{where}: not a map")
    environment = _field(item, "env", str, where)
    if environment not in (PRODUCTION, TEST):
        raise TargetError(f"{where}.env: {environment!r} is neither production nor test")
    word = _field(item, "st", str, where)
    try:
        return KeyStatus(word), environment
    except ValueError:
        raise TargetError(f"{where}.st: unknown status {word!r}") from None


def _domain(item: dict[Any, Any], where: str) -> Domain:
    word = _field(item, "dom", str, where, Domain.HCERT.value)
    try:
        return Domain(word)
    except ValueError:
        raise TargetError(f"{where}.dom: unknown domain {word!r}") from None


def _issuer(item: dict[Any, Any], where: str) -> str | None:
    issuer: str | None = _field(item, "iss", str, where, None)
    if issuer is not None and not 1 <= len(issuer) <= MAX_ISSUER:
        raise TargetError(f"{where}.iss: {len(issuer)} characters; 1 to {MAX_ISSUER} are taken")
    return issuer


def encode_index(segments: Iterable[SegmentRecord]) -> bytes:
    """The target ``revocation/index.cbor``, sorted by path."""
    rows = [
        {"path": s.path, "scope": s.scope, "kind": int(s.kind), "n": s.count, "w": s.width}
        for s in sorted(segments, key=lambda s: s.path)
    ]
    return _canonical({"v": FORMAT_VERSION, "segments": rows})


def decode_index(data: bytes) -> tuple[SegmentRecord, ...]:
    """The segments that a revocation index lists; an empty index is legal (nothing is revoked).

    Raises TargetError as :func:`decode_keys` does. A kind that this release does not know refuses the whole
    index: skipping it would say "not revoked" about what it lists.
    """
    out = []
    document = _document(data, "segments", (FORMAT_VERSION,))
    for number, item in enumerate(_items(document, "segments", MAX_SEGMENTS)):
        where = f"segments[{number}]"
        if not isinstance(item, dict):
            raise TargetError(f"{where}: not a map")
        number_of_kind = _field(item, "kind", int, where)
        try:
            kind = HashKind(number_of_kind)
        except ValueError:
            raise TargetError(f"{where}.kind: unknown hash kind {number_of_kind}") from None
        record = SegmentRecord(
            path=_field(item, "path", str, where),
            scope=_field(item, "scope", bytes, where),
            kind=kind,
            count=_field(item, "n", int, where),
            width=_field(item, "w", int, where),
        )
        if record.path != segment_path(record.scope, record.kind):
            raise TargetError(f"{where}.path: {record.path!r} is not the path of its scope and kind")
        if not 4 <= record.width <= 16 or record.count < 1:
            raise TargetError(f"{where}: width {record.width} or count {record.count} is out of range")
        _check_width(record, where)
        out.append(record)
    return tuple(out)


def _check_width(record: SegmentRecord, where: str) -> None:
    if record.kind is HashKind.RID_BEFORE and record.width != TIMED_WIDTH:
        raise TargetError(f"{where}: width {record.width}; entries with an instant have {TIMED_WIDTH}")


def encode_segment(digests: Iterable[bytes], width: int = SEGMENT_WIDTH) -> bytes:
    """A segment: the first ``width`` bytes of each digest, sorted, each once."""
    return b"".join(sorted({digest[:width] for digest in digests}))


def encode_timed_segment(pairs: Iterable[tuple[bytes, datetime]]) -> bytes:
    """A segment of kind ``RID_BEFORE``: digests, each with the instant before which it counts.

    digest: at least 8 bytes. instant: aware; a part of a second counts as a whole one, so that no document
    slips out. Of several instants for one digest the latest counts, so only that one is written. Raises
    TargetError for a digest that is too short and an instant before 1970.
    """
    latest: dict[bytes, int] = {}
    for digest, instant in pairs:
        if len(digest) < SEGMENT_WIDTH:
            raise TargetError(f"a digest of {len(digest)} bytes; an entry takes {SEGMENT_WIDTH}")
        seconds = math.ceil(instant.timestamp())
        if not 0 <= seconds <= _LAST_SECOND:
            raise TargetError(f"instant {seconds} is out of range")
        prefix = digest[:SEGMENT_WIDTH]
        latest[prefix] = max(seconds, latest.get(prefix, 0))
    return b"".join(prefix + latest[prefix].to_bytes(INSTANT_WIDTH) for prefix in sorted(latest))


def check_segment(data: bytes | memoryview, record: SegmentRecord) -> None:
    """Raise TargetError unless ``data`` holds exactly the record's entries in strictly rising order.

    Entries with an instant must have one that a clock can show.
    """
    width = record.width
    _check_width(record, record.path)
    if len(data) != record.count * width:
        raise TargetError(
            f"{record.path}: {len(data)} bytes, the index says {record.count} entries of {width}"
        )
    previous = b""
    for at in range(0, len(data), width):
        entry = bytes(data[at : at + width])
        if entry <= previous:
            raise TargetError(f"{record.path}: entry {at // width} is out of order")
        if record.kind is HashKind.RID_BEFORE and _entry_seconds(entry) > _LAST_SECOND:
            raise TargetError(f"{record.path}: the instant of entry {at // width} is out of range")
        previous = entry


def segment_holds(data: bytes | memoryview, width: int, digest: bytes) -> bool:
    """Whether a sorted segment holds the prefix of ``digest``; binary search over the mapped bytes."""
    wanted = digest[:width]
    low, high = 0, len(data) // width
    while low < high:
        middle = (low + high) // 2
        if bytes(data[middle * width : (middle + 1) * width]) < wanted:
            low = middle + 1
        else:
            high = middle
    return bytes(data[low * width : (low + 1) * width]) == wanted


def segment_before(data: bytes | memoryview, digest: bytes) -> datetime | None:
    """The instant of ``digest`` in a checked segment with instants, the latest if there are several."""

    def entry(number: int) -> bytes:
        return bytes(data[number * TIMED_WIDTH : (number + 1) * TIMED_WIDTH])

    wanted = digest[:SEGMENT_WIDTH]
    # Entries of one digest stand together, the latest instant last.
    behind = bisect_right(range(len(data) // TIMED_WIDTH), wanted + b"\xff" * INSTANT_WIDTH, key=entry)
    if behind == 0 or entry(behind - 1)[:SEGMENT_WIDTH] != wanted:
        return None
    return datetime.fromtimestamp(_entry_seconds(entry(behind - 1)), UTC)


def _entry_seconds(entry: bytes) -> int:
    return int.from_bytes(entry[SEGMENT_WIDTH:])


def _canonical(value: dict[str, Any]) -> bytes:
    return cbor2.dumps(value, canonical=True)


def _document(data: bytes, name: str, versions: tuple[int, ...]) -> dict[Any, Any]:
    """A canonical CBOR map of one of these versions. name: of its list, for messages."""
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as error:
        raise TargetError(f"{name}: not CBOR ({type(error).__name__})") from error
    if not isinstance(value, dict) or again != data:
        raise TargetError(f"{name}: not in canonical form")
    if type(value.get("v")) is not int or value["v"] not in versions:
        read = " and ".join(map(str, versions))
        raise TargetError(f"{name}: format version {value.get('v')!r}, this appliance reads {read}")
    return value


def _items(document: dict[Any, Any], name: str, most: int) -> Sequence[Any]:
    """The list called ``name`` of a document."""
    items = document.get(name)
    if not isinstance(items, list) or len(items) > most:
        raise TargetError(f"{name}: not a list of at most {most}")
    return items


_REQUIRED: Any = object()


def _field(item: dict[Any, Any], name: str, kind: type, where: str, default: Any = _REQUIRED) -> Any:
    value = item.get(name, default)
    if value is _REQUIRED:
        raise TargetError(f"{where}.{name}: missing")
    if value is not default and type(value) is not kind:
        raise TargetError(f"{where}.{name}: {type(value).__name__} where {kind.__name__} belongs")
    return value


def _bytes(item: dict[Any, Any], name: str, where: str) -> bytes:
    """A byte string that must say something."""
    if not item.get(name):
        raise TargetError(f"{where}.{name}: missing or empty")
    value: bytes = _field(item, name, bytes, where)
    return value


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def _instant(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TargetError(f"instant {seconds} is out of range") from error
