"""Certificates of every family as EU Digital COVID Certificates, which is how national rules see them.

The rules this module keeps:

* An HC1 certificate is its own document, decoded from the verified bytes, as the reader of the family
  understood it: no CBOR tags, no blanks round a text, a day without the time behind it, an instant in one
  form. Its identifier stays as written, and members that no schema knows stay as they are.
* Any other certificate is one document for each of its events, made from the common vocabulary: rules of the
  EU are written for exactly one event.
* What a document does not say is not there. Nothing is filled in, and no offset is invented.

    dcc_views(certificate)[0]["v"][0]["dt"]              # "2022-01-10"
    kinds_of({"t": [{"tt": "LP6464-4"}]})                # {"Test"}

Source: EU DCC schema 1.3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, assert_never

import cbor2

from verifier.certificate import (
    Certificate,
    Event,
    Exemption,
    Family,
    Holder,
    Prophylaxis,
    Recovery,
    Test,
    Vaccination,
)
from verifier.countries import alpha2
from verifier.wire import values
from verifier.wire.errors import MalformedError

SCHEMA_VERSION = "1.3.3"  # in whose form other families are told
_DAY = len("2022-01-10")
_KINDS = {"v": "Vaccination", "t": "Test", "r": "Recovery"}


def dcc_views(certificate: Certificate, diseases: Collection[str] = ()) -> list[dict[str, Any]]:
    """The certificate as DCC payloads in plain JSON values, in the order of its events.

    diseases: of which events are told; empty: of all. An event that a DCC has no word for (an exemption, a
    prophylaxis) has no view, so the list may be empty.
    """
    if certificate.family is Family.HC1:
        return [dcc_view(certificate.document)]
    head = _head(certificate.holder)
    entries = [_entry(event) for event in certificate.events if not diseases or event.disease in diseases]
    return [{**head, letter: [entry]} for letter, entry in filter(None, entries)]


def kinds_of(view: Mapping[str, Any]) -> frozenset[str]:
    """What a payload certifies, in the words of national rules: ``Vaccination``, ``Test``, ``Recovery``."""
    return frozenset(kind for letter, kind in _KINDS.items() if view.get(letter))


# --- HC1: its own document ----------------------------------------------------------------------------------


def dcc_view(document: Mapping[Any, Any], members: Collection[str] | None = None) -> dict[str, Any]:
    """An HC1 certificate's own document as rules see it.

    members: those of it that are asked for; ``None``: all.
    """
    if members is None:
        view = _object(document)
    else:
        view = {name: _json(document[name]) for name in members if name in document}
    if isinstance(view.get("dob"), str):
        view["dob"] = values.birth(view["dob"])
    for letter in _KINDS:
        entries = view.get(letter)
        if not entries or not isinstance(entries, list) or not isinstance(document[letter], list):
            continue
        for entry, written in zip(entries, document[letter], strict=True):
            if not isinstance(entry, dict):
                continue
            for name, convert in _CONVERTED.items():
                text = entry.get(name)
                if isinstance(text, str):
                    entry[name] = convert(text)
            if "ci" in entry:
                entry["ci"] = values.as_written(written["ci"])
    return view


def _object(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: member.strip() if type(member) is str else _json(member)  # nearly all are texts
        for name, member in value.items()
        if isinstance(name, str)
    }


def _json(value: Any) -> Any:
    """A decoded value in the words of JSON; what JSON has no word for is null."""
    kind = type(value)  # the four that documents are made of; what else may occur is matched below
    if kind is str:
        return value.strip()
    if kind is int:
        return value
    if kind is dict:
        return _object(value)
    if kind is list:
        return [_json(item) for item in value]
    if isinstance(value, cbor2.CBORTag):
        value = value.value
    match value:
        case str():
            return value.strip()
        case bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [_json(item) for item in value]
        case Mapping():
            return _object(value)
        case _:
            return None


def _day(text: str) -> str:
    """The date as written; a time and zone behind it do not shift it (SC-D12)."""
    if len(text) <= _DAY:
        return text
    try:
        day = values.day(text, "dcc", "day")
    except MalformedError:
        return text
    return text if day is None else day.isoformat()


def _instant(text: str) -> str:
    """The instant in the one form that rules read; without an offset it stays without one."""
    try:
        instant = values.instant(text, "dcc", "sc")
    except MalformedError:
        return text
    return text if instant is None else instant.isoformat()


_CONVERTED: Mapping[str, Callable[[str], str]] = {
    "dt": _day, "fr": _day, "df": _day, "du": _day, "sc": _instant,
}  # fmt: skip


# --- Other families: from the common vocabulary -------------------------------------------------------------


def _head(holder: Holder) -> dict[str, Any]:
    name = _said(fn=holder.surname, gn=holder.given, fnt=holder.surname_icao, gnt=holder.given_icao)
    return {"ver": SCHEMA_VERSION, "nam": name, **_said(dob=holder.birth_date)}


def _entry(event: Event) -> tuple[str, dict[str, Any]] | None:
    """The letter and the entry of one event; ``None`` where a DCC has no word for it."""
    shared = _said(
        tg=event.disease,
        co=alpha2(event.country) or event.country,
        ci=event.identifier,
        **{"is": event.issuer},
    )
    match event:
        case Vaccination():
            return "v", shared | _said(
                vp=event.vaccine,
                mp=event.product,
                ma=event.maker,
                dn=event.dose,
                sd=event.doses,
                dt=event.given and event.given.isoformat(),
            )
        case Test():
            return "t", shared | _said(
                tt=event.kind,
                ma=event.device,
                sc=event.sampled and event.sampled.isoformat(),  # a day alone is no time of a sample
                tr=event.result,
            )
        case Recovery():
            return "r", shared | _said(
                fr=event.first_positive and event.first_positive.isoformat(),
                df=event.valid_from and event.valid_from.isoformat(),
                du=event.valid_until and event.valid_until.isoformat(),
            )
        case Exemption() | Prophylaxis():
            return None
        case _:
            assert_never(event)


def _said(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "")}
