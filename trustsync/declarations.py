"""What a country declares beside the keys: whom it recognises, and how old a list may grow here.

The rules this module keeps:

* Canonical JSON: one content has one form, and bytes that are not in it are refused. A person can read the
  files and compare two of them.
* A member or a word that this release does not know refuses the whole; skipping it would change what is
  declared.
* A signed policy may only tighten. A limit beyond the usual one is refused by its name, for whoever stole the
  key of the rules must not be able to keep an old list green.

    data = encode_recognition(Recognition((RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL),)))
    decode_recognition(data).class_of("FR", None, now)
    decode_policy(b'{"limits_h":{"FRESH":24},"v":1}')       # FRESHNESS, but FRESH for 24 hours only

Paths: ``recognition/issuers.json`` (role ``recognition``, whose key is another than that of the keys) and
``rules/policy.json`` (role ``rules``). Both forms are described in ``docs/formats/trust-repository.md``; the
limits are those of the staleness table in ``docs/officers.md``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from trustsync.canonical import (
    TargetError,
    check_members,
    encode_json,
    read_field,
    read_instant,
    read_json,
    read_list,
    read_optional,
)
from verifier.countries import alpha2
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.times import written
from verifier.trust import FRESHNESS, Limits

FORMAT_VERSION = 1
MAX_BYTES = 1 << 20  # of either file
MAX_LINES = 10_000  # issuers of a recognition list; there are some 250 countries and 2,000 issuers of cards
MAX_ISSUER = 512  # characters of an issuer's name, as in the list of keys

_HOUR = timedelta(hours=1)
_LINE = frozenset({"co", "iss", "class", "from", "until"})


def encode_recognition(recognition: Recognition) -> bytes:
    """The target ``recognition/issuers.json``: countries first, then issuers by name, each by its period.

    Raises TargetError for a list that :func:`decode_recognition` would refuse.
    """
    rows = sorted((_row(line) for line in recognition.issuers), key=_place)
    data = encode_json({"v": FORMAT_VERSION, "issuers": rows})
    decode_recognition(data)
    return data


def decode_recognition(data: bytes) -> Recognition:
    """The content of ``recognition/issuers.json``; an empty list recognises nobody.

    Raises TargetError when the bytes are not canonical, a line names neither or both of country and issuer, a
    member or a word is unknown, lines are out of order or stand twice, or a limit is passed.
    """
    document = read_json(data, "recognition", {"v", "issuers"}, most=MAX_BYTES)
    rows = read_list(document, "issuers", MAX_LINES)
    lines = [_line(row, f"issuers[{number}]") for number, row in enumerate(rows)]
    places = [_place(row) for row in rows]
    for number in range(1, len(places)):
        if places[number] <= places[number - 1]:
            raise TargetError(f"issuers[{number}]: out of order, or a second time")
    return Recognition(tuple(lines))


def _row(line: RecognisedIssuer) -> dict[str, Any]:
    members = {
        "co": line.country,
        "iss": line.issuer,
        "class": line.recognised.value,
        "from": line.valid_from and written(line.valid_from),
        "until": line.valid_until and written(line.valid_until),
    }
    return {name: member for name, member in members.items() if member is not None}


def _place(row: dict[str, Any]) -> tuple[bool, str, str, str, str]:
    """Where a line stands in the list; no two may have the same place."""
    named = "iss" in row
    return (
        named,
        row.get("iss" if named else "co", ""),
        row.get("from", ""),
        row.get("until", ""),
        row["class"],
    )


def _line(value: Any, where: str) -> RecognisedIssuer:
    row = check_members(value, where, _LINE)
    if ("co" in row) == ("iss" in row):
        raise TargetError(f"{where}: one of co and iss is expected, a country or an issuer by its name")
    country, issuer = read_optional(row, "co", str, where), read_optional(row, "iss", str, where)
    if country is not None and (len(country) != 2 or alpha2(country) != country):
        raise TargetError(f"{where}.co: two capital letters are expected, as FR; GR and not EL")
    if issuer is not None and not 1 <= len(issuer) <= MAX_ISSUER:
        raise TargetError(f"{where}.iss: 1 to {MAX_ISSUER} characters are expected")
    word = read_field(row, "class", str, where)
    try:
        recognised = RecognitionClass(word)
    except ValueError:
        known = ", ".join(RecognitionClass)
        raise TargetError(f"{where}.class: {word!r} is none of {known}") from None
    begin, end = read_instant(row, "from", where), read_instant(row, "until", where)
    if begin is not None and end is not None and end <= begin:
        raise TargetError(f"{where}.until: not after from; the line would never count")
    return RecognisedIssuer(country, issuer, recognised, begin, end)


def encode_policy(limits: Limits) -> bytes:
    """The target ``rules/policy.json`` for these limits; those that are the usual ones are left out.

    Raises TargetError for a limit that is no whole number of hours, and for what :func:`decode_policy` would
    refuse.
    """
    usual = {state: limit for limit, state in FRESHNESS}
    hours: dict[str, int] = {}
    for limit, state in limits:
        if limit % _HOUR:
            raise TargetError(f"limits_h.{state}: {limit} is no whole number of hours")
        if limit != usual.get(state):
            hours[state.value] = limit // _HOUR
    data = encode_json({"v": FORMAT_VERSION, "limits_h": hours})
    if decode_policy(data) != limits:
        raise TargetError("limits_h: each state up to STALE-3 is expected once, the youngest first")
    return data


def decode_policy(data: bytes) -> Limits:
    """The limits that ``rules/policy.json`` declares, for :attr:`verifier.trust.TrustList.limits`.

    A state that it leaves out keeps its usual limit. Raises TargetError when the bytes are not canonical, a
    member is unknown, a limit is not a whole number of hours above zero, is longer than the usual one, or
    shorter than that of the state before it.
    """
    document = read_json(data, "policy", {"v", "limits_h"}, most=MAX_BYTES)
    given = check_members(document.get("limits_h"), "limits_h", {state.value for _, state in FRESHNESS})
    limits = []
    before = timedelta()
    for usual, state in FRESHNESS:
        where = f"limits_h.{state}"
        hours = read_field(given, state.value, int, "limits_h", usual // _HOUR)
        if hours < 1:
            raise TargetError(f"{where}: {hours} h; at least 1 is expected")
        if hours > usual // _HOUR:
            raise TargetError(
                f"{where}: {hours} h would loosen the usual {usual // _HOUR} h; a policy may only tighten it"
            )
        limit = hours * _HOUR
        if limit < before:
            raise TargetError(
                f"{where}: {hours} h is less than the state before it lasts ({before // _HOUR} h)"
            )
        limits.append((limit, state))
        before = limit
    return tuple(limits)
