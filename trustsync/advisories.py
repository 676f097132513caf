"""Known weaknesses of the software that an appliance runs, as a target of the repository.

The rules this module keeps:

* The box compares for itself: the list says which versions of which package are weak, the box what it has.
* Whatever cannot be compared counts as weak: a version that nobody can read is not known to be good.
* Canonical JSON; unknown members are refused. Pure.

    advisories = decode_advisories(data)
    [found.id for found in matches(advisories, {"urllib3": "2.7.0"})]      # ['GHSA-…']

Form of ``software/advisories.json`` (role ``software``); ``from``, ``below``, ``upto`` where they limit:

    {"advisories":[{"below":"2.8.0","id":"GHSA-…","package":"urllib3","severity":"high","text":"…"}],"v":1}

Source of the order of versions: the Python packaging specification of version specifiers (PEP 440).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trustsync.canonical import TargetError, check_members, encode_json, read_field, read_json, read_list

if TYPE_CHECKING:
    from packaging.version import Version

MAX_BYTES = 4 << 20
MAX_ADVISORIES = 10_000
MAX_TEXT = 500  # characters of what is said about one
SEVERITIES = ("low", "moderate", "high", "critical", "unknown")

_MEMBERS = frozenset({"id", "package", "from", "below", "upto", "severity", "text"})


@dataclass(frozen=True, slots=True)
class Advisory:
    """One weakness. package: its name as PyPI normalises it. since: the first version that has it.

    below: the first that has it no more. upto: the last that has it. Each ``None`` where that is open.
    severity: one of ``SEVERITIES``. text: a sentence for people.
    """

    id: str
    package: str
    since: str | None = None
    below: str | None = None
    upto: str | None = None
    severity: str = "unknown"
    text: str = ""


def matches(advisories: Iterable[Advisory], installed: Mapping[str, str]) -> tuple[Advisory, ...]:
    """The advisories that something installed here falls under. installed: package name to version."""
    own = {normalised(name): version for name, version in installed.items()}
    return tuple(each for each in advisories if each.package in own and affects(each, own[each.package]))


def affects(advisory: Advisory, version: str) -> bool:
    """Whether a version has this weakness; true as well where the versions cannot be compared."""
    has = version_key(version)
    bounds = [
        None if text is None else version_key(text)
        for text in (advisory.since, advisory.below, advisory.upto)
    ]
    if has is None or any(
        key is None and text is not None
        for key, text in zip(bounds, (advisory.since, advisory.below, advisory.upto), strict=True)
    ):
        return True
    since, below, upto = bounds
    return (
        (since is None or has >= since) and (below is None or has < below) and (upto is None or has <= upto)
    )


def normalised(name: str) -> str:
    """A package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def version_key(text: str) -> Version | None:
    """What orders versions (PEP 440); ``None`` for a text that is none. The local part (after ``+``) does not
    count: it is the packager's, and says nothing about a weakness.
    """
    from packaging.version import InvalidVersion, Version  # a sync only checks the form of a list

    try:
        return Version(Version(text).public)
    except InvalidVersion:
        return None


def encode_advisories(advisories: Iterable[Advisory]) -> bytes:
    """The target ``software/advisories.json``, sorted by package and id. Raises TargetError."""
    rows = [_row(each) for each in sorted(advisories, key=_place)]
    data = encode_json({"v": 1, "advisories": rows})
    decode_advisories(data)
    return data


def decode_advisories(data: bytes) -> tuple[Advisory, ...]:
    """The content of ``software/advisories.json``. Raises TargetError when it is not in its form."""
    document = read_json(data, "advisories", {"v", "advisories"}, most=MAX_BYTES)
    rows = read_list(document, "advisories", MAX_ADVISORIES)
    found = [_advisory(row, f"advisories[{number}]") for number, row in enumerate(rows)]
    if [_place(each) for each in found] != sorted({_place(each) for each in found}):
        raise TargetError("advisories: out of order, or one stands twice")
    return tuple(found)


def _place(advisory: Advisory) -> tuple[str, str, str, str, str]:
    limits = (advisory.since or "", advisory.below or "", advisory.upto or "")
    return (advisory.package, advisory.id, *limits)


def _row(advisory: Advisory) -> dict[str, Any]:
    row = {
        "id": advisory.id,
        "package": advisory.package,
        "from": advisory.since,
        "below": advisory.below,
        "upto": advisory.upto,
        "severity": advisory.severity,
        "text": advisory.text,
    }
    return {name: value for name, value in row.items() if value is not None}


def _advisory(value: Any, where: str) -> Advisory:
    row = check_members(value, where, _MEMBERS)
    name, package, severity, text = (
        read_field(row, word, str, where) for word in ("id", "package", "severity", "text")
    )
    since, below, upto = (read_field(row, word, str, where, None) for word in ("from", "below", "upto"))
    if severity not in SEVERITIES:
        raise TargetError(f"{where}.severity: {severity!r} is none of {', '.join(SEVERITIES)}")
    if not name or not package or package != normalised(package):
        raise TargetError(f"{where}: id and package are needed, the package as PyPI normalises it")
    if len(text) > MAX_TEXT:
        raise TargetError(f"{where}.text: {len(text)} characters, at most {MAX_TEXT} are read")
    return Advisory(name, package, since, below, upto, severity, text)
