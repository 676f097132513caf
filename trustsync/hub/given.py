"""Signed lists that somebody hands over by hand, as to ``vaxgate-verify --trust``, in the forms of the hub.

The rules this module keeps:

* A list is known by its content, not by its name. What is none of these forms is somebody else's to read.
* Where a key or certificate is pinned, the list must hold under it, at the time that is asked: by the same
  importer, to the same end, as in the hub.
* Where nothing is pinned the keys are taken as given, as a bare key file's would be; and that nobody checked
  the signature is said, never left to be guessed.
* Keys keep the domain of their list: one given for EU certificates signs no health card.

    given = read_given(data, name="dsc-list.json", pins=[pin], now=now)
    given is None                         # no signed list
    given.held.keys, given.proven
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import cms as lenient_cms

from trustsync.hub import anchors
from trustsync.hub.cms import definite
from trustsync.hub.did_list import read_did
from trustsync.hub.importers import at, ch, de, gdhcn, icao, nl, se, vci
from trustsync.hub.jws import verify_jws
from trustsync.hub.lists import Entries, an_object, read_json, unbase64
from trustsync.hub.sources import importer_of
from trustsync.hub.upstream import MAX_RAW, Authentication, Source, UpstreamError
from trustsync.targets import TEST
from verifier.trust import Authority, TrustedKey
from verifier.wire import base64url
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFile

SIGNATURE = ".sig"  # suffix of a file beside the list, with its signature
PINS = (".crt", ".pem", ".pub")  # suffixes of one with what it is held against

_LINE = re.compile(rb"[A-Za-z0-9+/]{80,100}={0,2}\r?\n\s*\{")
_JWS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\s*")
_SIGNED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # the OID of CMS SignedData
_CBOR_LIST = (b"\xa1\x61c", b"\xbf\x61c")  # a map, of one member or of unsaid length, that begins with "c"
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class GivenList:
    """A list that was recognised and read.

    what: its form, in words. proven: whether a signature was checked against something pinned. skipped:
    entries that were left out, each in a few words.
    """

    what: str
    held: KeyFile
    proven: bool
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Form:
    """A form of list. kind: of its importer. role: of the pin that it needs. raw: its files, by data and
    signature. entries: its keys, unproven. detached: whether the signature is a file beside it."""

    kind: str
    what: str
    role: str
    raw: Callable[[bytes, bytes], Mapping[str, bytes]]
    entries: Callable[[bytes, Source], _Taken]
    detached: bool = False


@dataclass(frozen=True, slots=True)
class _Taken:
    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[Authority, ...] = ()
    skipped: tuple[str, ...] = field(default=())


def read_given(
    data: bytes,
    *,
    name: str = "",
    beside: Callable[[str], bytes | None] = lambda _suffix: None,
    pins: Sequence[bytes] = (),
    now: datetime,
) -> GivenList | None:
    """The keys of a signed list; ``None`` for a file of any other form.

    name: for the keys' source. beside: gives the file of the same name with another suffix, if there is one.
    pins: keys or certificates, under one of which the list must hold; without any, one that stands beside it
    is asked. now: when signer and list must be valid. Raises UpstreamError for a list that does not hold
    under what is pinned, or cannot be read.
    """
    form = _recognised(data) if len(data) <= MAX_RAW else None
    if form is None:
        return None
    signature = (beside(SIGNATURE) or b"") if form.detached else b""
    found = list(pins)
    if not found and (signature or not form.detached):
        found = [pin for suffix in PINS if (pin := beside(suffix)) is not None][:1]
    if not found:
        taken = form.entries(data, _source(form, name))
        if not taken.keys and not taken.authorities:
            raise UpstreamError(f"{form.what} without a key that can be used")
        return GivenList(form.what, KeyFile(taken.keys, taken.authorities), False, taken.skipped)
    if form.detached and not signature:
        raise UpstreamError(
            f"{form.what}, and its signature is not beside it (the same name with {SIGNATURE})"
        )
    errors: list[UpstreamError] = []
    for pin in found:
        try:
            return _proven(form, form.raw(data, signature), data, _source(form, name, pin), now)
        except UpstreamError as error:
            errors.append(error)
    raise UpstreamError(f"{form.what}: {errors[-1]}") from errors[-1]


def _proven(form: _Form, raw: Mapping[str, bytes], data: bytes, source: Source, now: datetime) -> GivenList:
    if form.kind == "ch":  # of several files, of which one was given
        certificate = anchors.pinned_certificate(source.pins[form.role], "certificate")
        verify_jws(data, certificate=certificate, at=now)
        taken = form.entries(data, source)
        return GivenList(form.what, KeyFile(taken.keys), True, taken.skipped)
    held = importer_of(source).read(raw, source, now)
    return GivenList(form.what, KeyFile(held.keys, held.authorities), True, held.skipped)


def _source(form: _Form, name: str, pin: bytes | None = None) -> Source:
    """The list as a source of the hub. pin: what it is held against."""
    pins = {} if pin is None else {form.role: pin}
    if pin is not None and form.kind == "nl":
        # below a root stand many; what is pinned by hand is the signer itself, and so it has its name
        pins["signer"] = (anchors.common_name(anchors.pinned_certificate(pin, "certificate")) or "").encode()
    # Whoever gives a list decides what it is for: there is no store to keep test participants out of, and
    # keys of the GDHCN whose domain is left open are meant for the one that all of its lists have.
    return Source(
        name=name, kind=form.kind, pins=pins, environment=TEST, options={"domain": gdhcn.VERSION_1_DOMAIN}
    )


# --- Which form ---------------------------------------------------------------------------------------------


def _recognised(data: bytes) -> _Form | None:
    if data[:3] in _CBOR_LIST:
        return _AUSTRIAN
    if data[:1] == b"\x30" and _SIGNED_DATA in data[:32]:
        return _MASTER_LIST
    if _LINE.match(data):
        return _GERMAN
    if data.lstrip()[:1] == b"{":
        return _of_json(_json(data))
    if _JWS.fullmatch(data):
        value = _json(_payload(data))
        names = value.keys() if isinstance(value, Mapping) else ()
        return _SWEDISH if "dsc_trust_list" in names else _SWISS if "certs" in names else None
    return None


def _of_json(value: Any) -> _Form | None:
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("issuerInfo"), list):
        return _SNAPSHOT
    identity = value.get("id")
    if "verificationMethod" in value and isinstance(identity, str) and ":trustlist" in identity:
        return _NETWORK
    return (
        _DUTCH if isinstance(value.get("payload"), str) and isinstance(value.get("signature"), str) else None
    )


def _json(data: bytes) -> Any:
    try:
        return read_json(data, "it")
    except UpstreamError:
        return None  # whoever reads other files has words for what is wrong with this one


def _payload(token: bytes) -> bytes:
    """The payload of a JWS, believed by nobody."""
    try:
        return base64url.decode(token.split(b".")[1].decode("ascii"), "jws", "the payload")
    except MalformedError:
        return b""


# --- Entries, unproven --------------------------------------------------------------------------------------


def _ended(entries: Entries) -> _Taken:
    held = entries.upstream(Authentication.UNPROVEN)
    return _Taken(held.keys, skipped=held.skipped)


def _german(data: bytes, source: Source) -> _Taken:
    return _ended(de.entries_of(data.partition(b"\n")[2], source))


def _austrian(data: bytes, source: Source) -> _Taken:
    return _ended(at.entries_of(data, source))


def _swedish(data: bytes, source: Source) -> _Taken:
    return _ended(se.entries_of(_claims(data), source))


def _dutch(data: bytes, source: Source) -> _Taken:
    outer = an_object(read_json(data, "the wrapping"), "the wrapping")
    return _ended(nl.entries_of(unbase64(outer.get("payload"), "payload"), source))


def _swiss(data: bytes, source: Source) -> _Taken:
    return _ended(ch.entries_of(_claims(data), source))


def _claims(token: bytes) -> Mapping[str, Any]:
    return an_object(read_json(_payload(token), "the list"), "the list")


def _snapshot(data: bytes, source: Source) -> _Taken:
    taken = vci.Taken(source, read_json(data, "the snapshot"))
    return _Taken(tuple(taken.keys), skipped=tuple(taken.skipped))


def _network(data: bytes, source: Source) -> _Taken:
    taken = gdhcn.Taken(source, read_did(data))
    return _Taken(taken.keys, taken.authorities, taken.skipped)


def _master_list(data: bytes, source: Source) -> _Taken:
    try:
        signed = lenient_cms.ContentInfo.load(definite(data), strict=True)["content"]
        content = bytes(signed["encap_content_info"]["content"])
    except _UNREADABLE as error:
        raise UpstreamError(f"a CMS that cannot be read ({type(error).__name__})") from error
    authorities, skipped = icao.authorities_of(content, source.name)
    return _Taken(authorities=authorities, skipped=skipped)


def _one(name: str) -> Callable[[bytes, bytes], Mapping[str, bytes]]:
    return lambda data, _signature: {name: data}


_GERMAN = _Form("de", "a list of Germany's form", "key", _one(de.LIST), _german)
_SWEDISH = _Form("se", "a list of Sweden's form", "certificate", _one(se.LIST), _swedish)
_DUTCH = _Form("nl", "a list of the Netherlands' form", "root", _one(nl.LIST), _dutch)
_SWISS = _Form("ch", "a page of keys of Switzerland's form", "certificate", _one(ch.UPDATES), _swiss)
_NETWORK = _Form("gdhcn", "a list of the GDHCN", "key", _one(gdhcn.LIST), _network)
_MASTER_LIST = _Form("icao", "a master list", "root", _one(icao.LIST), _master_list)
_AUSTRIAN = _Form(
    "at",
    "a list of Austria's form",
    "certificate",
    lambda data, signature: {at.CONTENT: data, at.SIGNATURE: signature},
    _austrian,
    detached=True,
)
_SNAPSHOT = _Form(
    "vci",
    "a snapshot of the VCI directory",
    "certificate",
    lambda data, signature: {vci.SNAPSHOT: data, vci.SIGNATURE: signature},
    _snapshot,
    detached=True,
)
