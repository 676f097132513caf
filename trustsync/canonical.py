"""Targets in canonical CBOR or JSON: one content has one form, and nothing else is read.

The rules this module keeps:

* Encoding is canonical (RFC 8949 §4.2): the same content gives the same bytes, so a rebuild is byte-identical
  and a generation can be compared by digest. Bytes that are not in that form are refused.
* Tags are inert, and depth has a limit: four hundred bytes that refer to each other could be a terabyte.
* A version that this release does not know is refused whole; what it says cannot be guessed.
* A field has the type that its format gives it, or the message names its place.

    data = encode({"v": 1, "segments": []})
    document = read_document(data, "segments", versions=(1, 2))
    for row in read_list(document, "segments", most=50_000): read_field(row, "n", int, "segments[0]")
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import cbor2

from verifier.times import written
from verifier.wire import cbor
from verifier.wire.errors import MalformedError


class TargetError(ValueError):
    """A target is not in the form that its format describes; the message names the place."""


def encode(value: dict[str, Any]) -> bytes:
    """The one form of this content."""
    return cbor2.dumps(value, canonical=True)


def read_document(data: bytes, name: str, versions: tuple[int, ...]) -> dict[Any, Any]:
    """A canonical CBOR map of one of these versions (its member ``v``). name: of its list, for messages.

    Raises TargetError.
    """
    try:
        value = cbor.decode(data, name)
        again = cbor2.dumps(value, canonical=True)
    except MalformedError as error:
        raise TargetError(str(error)) from error
    if not isinstance(value, dict) or again != data:
        raise TargetError(f"{name}: not in canonical form")
    if type(value.get("v")) is not int or value["v"] not in versions:
        read = " and ".join(map(str, versions))
        raise TargetError(f"{name}: format version {value.get('v')!r}, this appliance reads {read}")
    return value


def read_list(document: dict[Any, Any], name: str, most: int) -> Sequence[Any]:
    """The list called ``name`` of a document. Raises TargetError, also for more than ``most`` members."""
    items = document.get(name)
    if not isinstance(items, list) or len(items) > most:
        raise TargetError(f"{name}: not a list of at most {most}")
    return items


_REQUIRED: Any = object()


def read_field(item: dict[Any, Any], name: str, kind: type, where: str, default: Any = _REQUIRED) -> Any:
    """A member of a row, of exactly this type; without a default it must be there. Raises TargetError."""
    value = item.get(name, default)
    if value is _REQUIRED:
        raise TargetError(f"{where}.{name}: missing")
    if name in item and type(value) is not kind:
        raise TargetError(f"{where}.{name}: {type(value).__name__} where {kind.__name__} belongs")
    return value


def read_optional(item: dict[Any, Any], name: str, kind: type, where: str) -> Any:
    """A member that may be left out, which gives ``None``; a null is no form of leaving it out."""
    return read_field(item, name, kind, where) if name in item else None


def encode_json(value: dict[str, Any]) -> bytes:
    """The one form of this content in JSON: UTF-8, sorted members, no spaces. Raises TargetError."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise TargetError("an unpaired surrogate, which is no text") from error


def read_json(
    data: bytes, name: str, members: Collection[str], *, most: int, version: int = 1
) -> dict[str, Any]:
    """A canonical JSON object of this version (its member ``v``) with no other members than these.

    name: for messages. most: bytes. Raises TargetError.
    """
    if len(data) > most:
        raise TargetError(f"{name}: {len(data)} bytes, at most {most} are read")
    try:
        value = json.loads(data)
        again = encode_json(value)
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{name}: not JSON ({type(error).__name__})") from error
    if not isinstance(value, dict) or again != data:
        raise TargetError(f"{name}: not in canonical form")
    if type(value.get("v")) is not int or value["v"] != version:
        raise TargetError(f"{name}: format version {value.get('v')!r}, this appliance reads {version}")
    check_members(value, name, members)
    return value


def check_members(value: Any, where: str, known: Collection[str]) -> dict[str, Any]:
    """An object with no other members than these. Raises TargetError."""
    if not isinstance(value, dict):
        raise TargetError(f"{where}: an object is expected")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise TargetError(f"{where}.{unknown[0]}: unknown member")
    return value


def read_instant(row: dict[str, Any], name: str, where: str) -> datetime | None:
    """An instant in the one form in which we write it, ``None`` where there is none. Raises TargetError."""
    text = read_optional(row, name, str, where)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None and written(instant) == text:
            return instant
    except (ValueError, OverflowError):
        pass  # no instant at all, or one beyond the calendar in UTC
    raise TargetError(f"{where}.{name}: {text!r}; an instant in UTC is expected, as 2022-01-01T00:00:00Z")
