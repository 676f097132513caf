"""Sweden's list: one JWS whose claims hold, country by country, the certificates of the signers.

The rules this module keeps:

* The JWS is by the pinned certificate. It says when it was issued and until when it counts, and must.
* An entry counts with its certificate (the first of ``x5c``). Where it has the key as well, both are one.
* Usage OIDs that the list names for a KID can only narrow what the certificate allows.

    pins: certificate (of the signer, PEM or DER)      url: …/tp/trust-list
    options: issuer (``iss`` of the list, asked if given)
    raw:  trust-list

Source: DIGG, "Document Signing Certificate Trust List" (DSC-TL).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trustsync.hub import anchors
from trustsync.hub.jws import verify_jws
from trustsync.hub.lists import (
    Entries,
    a_kid,
    a_list,
    a_text,
    an_instant,
    an_object,
    check_times,
    fetched,
    given,
    pinned,
    read_json,
    unbase64,
)
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.keys import KeyRefusedError, load_spki, trusted_key, uses_of
from verifier.wire.keyfile import KeyFileError, parse_jwk

LIST = "trust-list"
_KEY_MEMBERS = ("kty", "crv", "x", "y", "n", "e")


class SwedishList:
    """The importer of kind ``se``."""

    kind = "se"
    pins = frozenset({"certificate"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The list, one file. Raises UpstreamError."""
        return {LIST: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify the JWS, then read its claims. Raises UpstreamError."""
        certificate = anchors.pinned_certificate(pinned(source, "certificate"), "certificate")
        signed = verify_jws(given(raw, LIST), certificate=certificate, at=now)
        claims = an_object(read_json(signed.payload, "the list"), "the list")
        issued, end = an_instant(claims.get("iat"), "iat"), an_instant(claims.get("exp"), "exp")
        check_times(issued, end, now)
        issuer = source.options.get("issuer")
        if issuer is not None and claims.get("iss") != issuer:
            raise UpstreamError("the list names another issuer than the one that is configured")
        return entries_of(claims, source).upstream(Authentication.SIGNED, signed_at=issued, valid_until=end)


def entries_of(claims: Mapping[str, Any], source: Source) -> Entries:
    """The entries of the claims, as yet unproven. Raises UpstreamError."""
    entries = Entries(source)
    for country, held in an_object(claims.get("dsc_trust_list"), "dsc_trust_list").items():
        _take_country(country, an_object(held, "a country"), entries)
    return entries


def _take_country(country: str, held: Mapping[str, Any], entries: Entries) -> None:
    usages = an_object(held.get("eku", {}), "eku")
    for jwk in a_list(held.get("keys"), "keys"):
        entry = an_object(jwk, "a key")
        written = a_text(entry.get("kid"), "kid")
        kid = a_kid(written)
        chain = a_list(entry.get("x5c", []), "x5c")
        if not chain:
            entries.skip(kid, "no certificate (x5c)")
            continue
        der = unbase64(chain[0], "x5c")
        if (problem := _disagreement(entry, der)) is not None:
            entries.skip(kid, problem)
            continue
        oids = frozenset(a_text(oid, "eku") for oid in a_list(usages.get(written, []), "eku"))
        entries.certificate(kid, der, country=country, uses=uses_of(oids))


def _disagreement(entry: Mapping[str, Any], der: bytes) -> str | None:
    """Why an entry's own key is not its certificate's; ``None`` when it has none, or they are one.

    Keys are compared, not their bytes: a certificate may write a curve in its own way.
    """
    if "kty" not in entry:
        return None
    try:
        beside = parse_jwk({name: entry[name] for name in _KEY_MEMBERS if name in entry})[0]
        same = load_spki(beside.spki).native == load_spki(trusted_key(der).spki).native
    except (KeyFileError, KeyRefusedError) as error:
        return str(error)
    return None if same else "its key is not the certificate's"
