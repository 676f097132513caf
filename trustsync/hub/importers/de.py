"""Germany's list of document signers: a line with a signature, and JSON below it.

The rules this module keeps:

* The signature is ECDSA on P-256 with SHA-256, raw r‖s in Base64, over every byte below the first line break.
  The publisher's key is pinned; there is no other way in.
* Only entries of the kind ``DSC`` verify certificates; others (authorities, upload keys) are left out.
* The list bears no date, so an old one that is played again cannot be told from a new one by itself: what is
  withdrawn stays withdrawn on the appliances, and the hub looks at what changed.

    pins: key (public key, PEM or DER)          url: …/trustList/DSC/
    raw:  dsc-list

Source: covpass-android (``DscListService``), dgca-gateway's trust list form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from trustsync.hub import anchors
from trustsync.hub.lists import (
    Entries,
    a_kid,
    a_list,
    a_text,
    an_object,
    fetched,
    given,
    pinned,
    read_json,
    unbase64,
)
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.keys import ES256, load_spki

LIST = "dsc-list"


class GermanList:
    """The importer of kind ``de``."""

    kind = "de"
    pins = frozenset({"key"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The list, one file. Raises UpstreamError."""
        return {LIST: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:  # noqa: ARG002 - it has no date
        """Verify the list, then read it. Raises UpstreamError."""
        line, separator, signed = given(raw, LIST).partition(b"\n")
        if not separator:
            raise UpstreamError("no line break behind the signature; the list was cut short, and is refused")
        key = load_spki(anchors.pinned_key(pinned(source, "key"), "key"))
        if not isinstance(key.native, ec.EllipticCurvePublicKey) or key.native.curve.name != "secp256r1":
            raise UpstreamError("the pinned key is not on P-256, and this list is signed with such a key")
        signature = unbase64(line.decode("ascii", "replace"), "the first line")
        if not key.verify(ES256, signature, signed):
            raise UpstreamError(
                "the signature does not hold under the pinned key; the list was changed, cut, or signed by "
                "somebody else, and is refused"
            )
        return entries_of(signed, source).upstream(Authentication.SIGNED)


def entries_of(signed: bytes, source: Source) -> Entries:
    """The entries of the JSON below the signature, as yet unproven. Raises UpstreamError."""
    entries = Entries(source)
    document = an_object(read_json(signed, "the list"), "the list")
    for entry in a_list(document.get("certificates"), "certificates"):
        _take(an_object(entry, "an entry"), entries)
    return entries


def _take(entry: Mapping[str, Any], entries: Entries) -> None:
    kid = a_kid(entry.get("kid"))
    kind = a_text(entry.get("certificateType"), "certificateType")
    if kind != "DSC":
        entries.skip(kid, "not a signer of documents (certificateType)")
        return
    der = unbase64(entry.get("rawData"), "rawData")
    entries.certificate(kid, der, country=a_text(entry.get("country"), "country"))
