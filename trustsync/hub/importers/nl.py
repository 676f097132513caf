"""The Netherlands' list of public keys: JSON in Base64, and a detached CMS signature beside it.

The rules this module keeps:

* The signer's certificate leads to the pinned root of the national PKI and has the name that is pinned: that
  root vouches for many others.
* A KID may have several keys; each is an entry. Without certificates the KID cannot be computed again, so it
  is taken as the list gives it.
* Keys of the national scheme (``nl_keys``) verify nothing here.

    pins: root (PEM or DER), signer (common name of its certificate)      url: …/v4/verifier/public_keys
    raw:  public-keys

Source: nl-covid19-coronacheck-hcert (``verifier/keys.go``), CoronaCheck's API documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trustsync.hub import anchors
from trustsync.hub.cms import verify_cms
from trustsync.hub.lists import (
    Entries,
    a_kid,
    a_list,
    an_object,
    check_times,
    fetched,
    given,
    letters,
    pinned,
    pinned_name,
    read_json,
    unbase64,
)
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamList
from verifier.keys import KeyRefusedError

LIST = "public-keys"


class DutchList:
    """The importer of kind ``nl``."""

    kind = "nl"
    pins = frozenset({"root", "signer"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The list, one file. Raises UpstreamError."""
        return {LIST: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Take payload and signature apart, verify, then read the payload. Raises UpstreamError."""
        name = pinned_name(source, "signer")
        # The wrapping cannot be signed; it is read for two texts and nothing else.
        outer = an_object(read_json(given(raw, LIST), "the wrapping"), "the wrapping")
        payload = unbase64(outer.get("payload"), "payload")
        root = anchors.pinned_certificate(pinned(source, "root"), "root")
        signed = verify_cms(
            unbase64(outer.get("signature"), "signature"),
            detached=payload,
            roots=[root],
            signer_certificate=None,
            at=now,
        )
        anchors.check_name(signed.signer_certificate, name)
        check_times(signed.signed_at, None, now)
        return entries_of(signed.content, source).upstream(Authentication.SIGNED, signed_at=signed.signed_at)


def entries_of(payload: bytes, source: Source) -> Entries:
    """The entries of the payload, as yet unproven. Raises UpstreamError."""
    entries = Entries(source)
    document = an_object(read_json(payload, "the list"), "the list")
    for written, same in an_object(document.get("eu_keys"), "eu_keys").items():
        kid = a_kid(written)
        for entry in a_list(same, "the keys of a KID"):
            _take(kid, an_object(entry, "a key"), entries)
    return entries


def _take(kid: bytes, entry: Mapping[str, Any], entries: Entries) -> None:
    spki = unbase64(entry.get("subjectPk"), "subjectPk")
    try:
        uses = letters(entry.get("keyUsage", []), "keyUsage")
    except KeyRefusedError as error:
        entries.skip(kid, error)
        return
    entries.public_key(kid, spki, uses=uses)
