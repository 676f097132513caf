"""Rule bundles: what is asked of a certificate, as signed data with a validity in absolute time.

The rules this module keeps:

* A bundle says what it asks, even "signature alone"; one that asks nothing is refused.
* A bundle that this version cannot judge by is refused when it is loaded, by the path of what it does not
  understand, never at the first scan.
* A bundle delivered early is dormant until its instant.

    bundles = decode_bundles(data)
    in_force(bundles, now)           # the RuleBundle, or None
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from verifier.times import written

FORMAT_VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}")
_KNOWN = {
    "name",
    "version",
    "asks",
    "valid_from",
    "valid_to",
    "diseases",
    "texts",
    "value_sets",
    "rules",
    "domestic",
}


class BundleError(ValueError):
    """A rule bundle cannot be used; the message names the path within it and what is wrong there."""


@dataclass(frozen=True, slots=True)
class RuleBundle:
    """One set of rules.

    name, version: as shown on every result. asks: ``signature`` (nothing beyond an authentic document).
    valid_from, valid_to: aware instants; the end is exclusive, ``None`` is open. diseases: the codes that it
    is about; a certificate for another one is not judged, and empty means every disease. texts: its title by
    language. value_sets: codes by the set's id. domestic: whether certificates that are good inside their own
    country only (LT1, AT1, NZCP) are good enough here.
    """

    name: str
    version: str
    asks: str
    valid_from: datetime
    valid_to: datetime | None = None
    diseases: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    value_sets: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    domestic: bool = False


SIGNATURE_ONLY = RuleBundle(
    name="signature-only",
    version="1.0.0",
    asks="signature",
    valid_from=datetime(2021, 1, 1, tzinfo=UTC),
    texts=MappingProxyType({"vi": "Chỉ kiểm tra tính xác thực", "en": "Authenticity only"}),
    domestic=True,
)


def in_force(bundles: Iterable[RuleBundle], now: datetime) -> RuleBundle | None:
    """Of the bundles whose period has begun, the latest that is not over; else the latest of all.

    One that is over is still returned when there is no other, so that a result can say so: :func:`is_over`.
    """
    begun = [bundle for bundle in bundles if bundle.valid_from <= now]
    return max(begun, key=lambda b: (not is_over(b, now), b.valid_from, _numbers(b.version)), default=None)


def is_over(bundle: RuleBundle, now: datetime) -> bool:
    """Whether the bundle's period has ended at ``now``."""
    return bundle.valid_to is not None and now >= bundle.valid_to


def encode_bundles(bundles: Iterable[RuleBundle]) -> bytes:
    """The target ``rules/bundles.json``: UTF-8 JSON with sorted keys and no spaces."""
    rows: list[dict[str, Any]] = [
        {
            "name": b.name,
            "version": b.version,
            "asks": b.asks,
            "valid_from": written(b.valid_from),
            "valid_to": None if b.valid_to is None else written(b.valid_to),
            "diseases": sorted(b.diseases),
            "texts": dict(b.texts),
            "value_sets": {name: sorted(codes) for name, codes in b.value_sets.items()},
            "rules": [],
            **({"domestic": True} if b.domestic else {}),
        }
        for b in sorted(bundles, key=lambda b: (b.name, b.valid_from))
    ]
    return _canonical({"v": FORMAT_VERSION, "bundles": rows})


def decode_bundles(data: bytes) -> tuple[RuleBundle, ...]:
    """The bundles of ``rules/bundles.json``.

    Raises BundleError when the bytes are not canonical JSON, when there is no bundle, when one asks nothing
    or asks something that this version does not know.
    """
    try:
        value = json.loads(data)
        again = _canonical(value)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"bundles: not JSON ({type(error).__name__})") from error
    if not isinstance(value, dict) or again != data:
        raise BundleError("bundles: not in canonical form")
    if value.get("v") != FORMAT_VERSION:
        raise BundleError(f"v: format version {value.get('v')!r}, this appliance reads {FORMAT_VERSION}")
    rows = value.get("bundles")
    if not isinstance(rows, list) or not rows:
        raise BundleError("bundles: there is none; a trust repository names at least one")
    return tuple(_bundle(row, f"bundles[{number}]") for number, row in enumerate(rows))


def _bundle(row: Any, where: str) -> RuleBundle:
    if not isinstance(row, dict):
        raise BundleError(f"{where}: not an object")
    unknown = sorted(set(row) - _KNOWN)
    if unknown:
        raise BundleError(f"{where}.{unknown[0]}: unknown member")
    name, version = row.get("name"), row.get("version")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BundleError(f"{where}.name: small letters, digits and '-' are expected")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise BundleError(f"{where}.version: three numbers with dots are expected, as 1.0.0")
    if row.get("asks") != "signature":
        raise BundleError(f'{where}.asks: this version judges by "signature" only, not {row.get("asks")!r}')
    if row.get("rules", []) != []:
        raise BundleError(f"{where}.rules: a bundle that asks for the signature alone holds no rules")
    if not isinstance(row.get("domestic", False), bool):
        raise BundleError(f"{where}.domestic: true or false is expected")
    valid_from = _instant(row.get("valid_from"), f"{where}.valid_from")
    valid_to = None if row.get("valid_to") is None else _instant(row["valid_to"], f"{where}.valid_to")
    if valid_to is not None and valid_to <= valid_from:
        raise BundleError(f"{where}.valid_to: not after valid_from")
    return RuleBundle(
        name=name,
        version=version,
        asks="signature",
        valid_from=valid_from,
        valid_to=valid_to,
        diseases=_codes(row.get("diseases", []), f"{where}.diseases"),
        texts=MappingProxyType(_texts(row.get("texts", {}), f"{where}.texts")),
        value_sets=MappingProxyType(_value_sets(row.get("value_sets", {}), f"{where}.value_sets")),
        domestic=row.get("domestic", False),
    )


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BundleError(f"{where}: an object of texts by language is expected")
    return value


def _value_sets(value: Any, where: str) -> dict[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise BundleError(f"{where}: an object of lists is expected")
    return {name: _codes(codes, f"{where}.{name}") for name, codes in value.items()}


def _codes(value: Any, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise BundleError(f"{where}: a list of codes is expected")
    return frozenset(value)


def _instant(value: Any, where: str) -> datetime:
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BundleError(f"{where}: an instant with its offset is expected, not {value!r}") from None
    if instant.tzinfo is None:
        raise BundleError(f"{where}: the offset is missing; a rule's validity is absolute time")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise BundleError(f"{where}: {value!r} lies beyond the calendar in UTC") from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
