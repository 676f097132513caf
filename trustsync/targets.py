"""The TUF targets of the trust repository: what a publisher writes and an appliance reads.

The rules this module keeps:

* Encoding is canonical: the same content gives the same bytes, so a rebuild is byte-identical and a
  generation can be compared by digest. Decoding refuses anything that is not in that form.
* Revocation entries are sorted, fixed-width and nothing else, so a target is mapped as it is.
* Everything here is pure; files and signatures are other modules' business.

    keys = decode_keys(encode_keys([KeyRecord(...)]))
    segment = encode_segment(digests)          # a night's entries for one (scope, kind)

Paths: ``trust/keys.cbor`` (role ``trust``), ``revocation/index.cbor`` and
``revocation/<name>.seg`` (role ``revocation``), ``rules/bundles.json`` (role ``rules``).
The form of each is described in ``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from verifier.trust import MAX_KEYS_PER_KID, HashKind, KeyStatus, TrustedKey

KEYS_PATH = "trust/keys.cbor"
REVOCATION_INDEX_PATH = "revocation/index.cbor"
RULES_PATH = "rules/bundles.json"
SIGNED_AT_FIELD = "x-signed-at"

FORMAT_VERSION = 1
PRODUCTION, TEST = "production", "test"  # environments of a key
SEGMENT_WIDTH = 8  # bytes of each entry: at ten million entries one scan in 2 * 10^12 hits by chance
MAX_KEYS = 20_000
MAX_SEGMENTS = 50_000


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
class SegmentRecord:
    """One revocation segment as the index lists it.

    path: the target. scope: a KID or ``country:XX``. count: entries. width: bytes of an entry.
    """

    path: str
    scope: bytes
    kind: HashKind
    count: int
    width: int = SEGMENT_WIDTH


def segment_path(scope: bytes, kind: HashKind) -> str:
    """The target path of the segment for this scope and kind."""
    return f"revocation/{scope.hex()}-{kind:02x}.seg"


def encode_keys(records: Iterable[KeyRecord]) -> bytes:
    """The target ``trust/keys.cbor`` for these records, sorted by KID and key."""
    ordered = sorted(records, key=lambda r: (r.key.kid, r.key.spki, r.environment))
    return _canonical({"v": FORMAT_VERSION, "keys": [_key_map(r) for r in ordered]})


def _key_map(record: KeyRecord) -> dict[str, Any]:
    key = record.key
    out: dict[str, Any] = {
        "kid": key.kid,
        "spki": key.spki,
        "st": key.status.value,
        "env": record.environment,
    }
    optional = {
        "co": key.country,
        "nb": _seconds(key.not_before),
        "na": _seconds(key.not_after),
        "use": None if key.uses is None else sorted(key.uses),
        "cert": key.certificate,
        "also": sorted(key.also_for) or None,
        "src": key.source or None,
        "len": key.lenient or None,
    }
    return out | {name: value for name, value in optional.items() if value is not None}


def decode_keys(data: bytes) -> tuple[KeyRecord, ...]:
    """The records of ``trust/keys.cbor``.

    Raises TargetError when the bytes are not canonical, a field is missing or of the wrong type, the list
    is empty, or a count is beyond its limit.
    """
    items = _items(data, "keys", MAX_KEYS)
    if not items:
        raise TargetError("keys: the list is empty; an empty trust list is never installed")
    records = tuple(_key_record(item, number) for number, item in enumerate(items))
    per_kid: dict[bytes, int] = {}
    for record in records:
        per_kid[record.key.kid] = per_kid.get(record.key.kid, 0) + 1
    crowded = [kid.hex() for kid, count in per_kid.items() if count > MAX_KEYS_PER_KID]
    if crowded:
        raise TargetError(f"keys: KID {crowded[0]} names more than {MAX_KEYS_PER_KID} keys")
    return records


def _key_record(item: Any, number: int) -> KeyRecord:
    where = f"keys[{number}]"
    if not isinstance(item, dict):
        raise TargetError(f"{where}: not a map")
    environment = _field(item, "env", str, where)
    if environment not in (PRODUCTION, TEST):
        raise TargetError(f"{where}.env: {environment!r} is neither production nor test")
    word = _field(item, "st", str, where)
    try:
        status = KeyStatus(word)
    except ValueError:
        raise TargetError(f"{where}.st: unknown status {word!r}") from None
    if not item.get("kid"):
        raise TargetError(f"{where}.kid: missing or empty")
    uses = _field(item, "use", list, where, None)
    key = TrustedKey(
        kid=_field(item, "kid", bytes, where),
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
    )
    return KeyRecord(key, environment)


def encode_index(segments: Iterable[SegmentRecord]) -> bytes:
    """The target ``revocation/index.cbor``, sorted by path."""
    rows = [
        {"path": s.path, "scope": s.scope, "kind": int(s.kind), "n": s.count, "w": s.width}
        for s in sorted(segments, key=lambda s: s.path)
    ]
    return _canonical({"v": FORMAT_VERSION, "segments": rows})


def decode_index(data: bytes) -> tuple[SegmentRecord, ...]:
    """The segments that a revocation index lists; an empty index is legal (nothing is revoked).

    Raises TargetError as :func:`decode_keys` does.
    """
    out = []
    for number, item in enumerate(_items(data, "segments", MAX_SEGMENTS)):
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
        out.append(record)
    return tuple(out)


def encode_segment(digests: Iterable[bytes], width: int = SEGMENT_WIDTH) -> bytes:
    """A segment: the first ``width`` bytes of each digest, sorted, each once."""
    return b"".join(sorted({digest[:width] for digest in digests}))


def check_segment(data: bytes | memoryview, record: SegmentRecord) -> None:
    """Raise TargetError unless ``data`` holds exactly the record's entries in strictly rising order."""
    width = record.width
    if len(data) != record.count * width:
        raise TargetError(
            f"{record.path}: {len(data)} bytes, the index says {record.count} entries of {width}"
        )
    previous = b""
    for at in range(0, len(data), width):
        entry = bytes(data[at : at + width])
        if entry <= previous:
            raise TargetError(f"{record.path}: entry {at // width} is out of order")
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


def _canonical(value: dict[str, Any]) -> bytes:
    return cbor2.dumps(value, canonical=True)


def _items(data: bytes, name: str, most: int) -> Sequence[Any]:
    """The list called ``name`` of a canonical CBOR map with the right version."""
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as error:
        raise TargetError(f"{name}: not CBOR ({type(error).__name__})") from error
    if not isinstance(value, dict) or again != data:
        raise TargetError(f"{name}: not in canonical form")
    if value.get("v") != FORMAT_VERSION:
        raise TargetError(f"{name}: format version {value.get('v')!r}, this appliance reads {FORMAT_VERSION}")
    items = value.get(name)
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


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def _instant(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TargetError(f"instant {seconds} is out of range") from error
