"""Plain files of keys, which nobody signed: PEM, DER, JWK, JWKS, DID documents, CSCAs with their CRLs.

The rules this module keeps:

* A person vouches for the file by its SHA-256. Another file under the same address is refused.
* The source says what the keys are for. A key of one domain signs in no other, and where documents name
  their issuer the source or the file names it as well.
* A certificate of an authority is a CSCA, and only in the domain ``vds-nc``: elsewhere nothing asks for one.
* A private key in the file refuses it: it is public now, whoever it belonged to.

    pins: sha256 (of the file, in hex)      url: an address or a path
    options: domain (hcert, lt1, at1, shc, vds-nc, divoc, nzcp), issuer, country (alpha-2 or -3),
             uses (letters of t, v, r), kid (of the one key that has none in the file)
    raw:  keys

Sources: RFC 7468, RFC 7517, RFC 7638, W3C DID Core; ``verifier.wire.keyfile``.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from trustsync.hub.lists import USES, a_kid, fetched, given, pinned
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier import chain
from verifier.countries import alpha2
from verifier.keys import KeyRefusedError
from verifier.trust import Authority, Domain, HashKind, TrustedKey, authority_scope
from verifier.wire import base64url, shc_keys
from verifier.wire.keyfile import KeyFileError, parse_trust

KEYS = "keys"
_BY_ISSUER = frozenset({Domain.SHC, Domain.NZCP, Domain.DIVOC})  # their documents name their issuer
_TEXT_KIDS = _BY_ISSUER  # and their keys by a text; the others' KIDs are bytes, written in Base64


class KeyFiles:
    """The importer of kind ``files``."""

    kind = "files"
    pins = frozenset({"sha256"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The file. Raises UpstreamError."""
        return {KEYS: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:  # noqa: ARG002 - it has no date
        """Compare the file's hash, then read it. Raises UpstreamError."""
        data = given(raw, KEYS)
        if hashlib.sha256(data).digest() != _digest(pinned(source, "sha256")):
            raise UpstreamError(
                f"the file of source {source.name!r} is not the one whose SHA-256 is pinned; it was changed, "
                "and is refused; pin the new one after a check by another way"
            )
        try:
            held = parse_trust(data, source=source.name)
        except KeyFileError as error:
            raise UpstreamError(f"the file of source {source.name!r} is refused: {error}") from error
        domain = _domain(source)
        authorities = tuple(dict.fromkeys(held.authorities)) if domain is Domain.VDS_NC else ()
        vouching = {each.certificate for each in authorities}
        signers = [key for key in held.keys if key.certificate not in vouching]
        keys, skipped = _keys(signers, source, domain)
        if not keys and not authorities:
            raise UpstreamError(
                f"no key in the file of source {source.name!r} that could be used "
                f"({'; '.join(skipped) or 'none at all'}); it is refused"
            )
        revoked, until = _revoked(held.crls, authorities)
        return UpstreamList(
            source=source.name,
            environment=source.environment,
            authentication=Authentication.PINNED,
            keys=keys,
            authorities=authorities,
            revoked=revoked,
            valid_until=until,
            skipped=skipped,
        )


def _digest(pin: bytes) -> bytes:
    try:
        digest = binascii.unhexlify(pin.strip())
    except (binascii.Error, ValueError) as error:
        raise UpstreamError(
            "the pinned sha256 is not in hex; write down the 64 digits of sha256sum"
        ) from error
    if len(digest) != hashlib.sha256().digest_size:
        raise UpstreamError(f"the pinned sha256 has {len(digest)} bytes; 32 are wanted, 64 digits in hex")
    return digest


def _domain(source: Source) -> Domain:
    word = source.options.get("domain", Domain.HCERT.value)
    try:
        return Domain(word)
    except ValueError as error:
        known = ", ".join(Domain)
        raise UpstreamError(
            f"source {source.name!r}: {word!r} is no domain of keys; there are {known}"
        ) from error


def _keys(
    signers: Sequence[TrustedKey], source: Source, domain: Domain
) -> tuple[tuple[TrustedKey, ...], tuple[str, ...]]:
    """The keys as the source's options make them, and what was left out."""
    country, uses = _country(source), _uses(source)
    keys: dict[TrustedKey, None] = {}
    skipped: dict[str, None] = {}
    nameless = sum(not key.kid for key in signers)
    for key in signers:
        if domain is Domain.SHC and key.kid == base64url.decode(shc_keys.thumbprint(key.spki), "kid", "it"):
            continue  # the other reading of a JWK's KID, which no card has
        try:
            kid = key.kid or _given_kid(source, domain, nameless)
            issuer = source.options.get("issuer", key.issuer)
            if domain in _BY_ISSUER and not issuer:
                raise KeyRefusedError(f"whose it is, nobody says; keys of {domain} need the option 'issuer'")
            if domain is Domain.SHC and kid != shc_keys.thumbprint(key.spki).encode():
                raise KeyRefusedError("its KID is not the thumbprint of the key")
        except KeyRefusedError as error:
            skipped[f"{key.kid.hex() or 'a key without a KID'}: {error}"] = None
            continue
        allowed = key.uses if uses is None else uses if key.uses is None else key.uses & uses
        taken = replace(
            key, kid=kid, country=country or key.country, uses=allowed, domain=domain, issuer=issuer
        )
        keys[taken] = None
    return tuple(keys), tuple(skipped)


def _given_kid(source: Source, domain: Domain, nameless: int) -> bytes:
    """The KID by which documents name a key that has none in the file."""
    text = source.options.get("kid")
    if not text:
        raise KeyRefusedError("nothing names it, and it would be tried for every code; set the option 'kid'")
    if nameless > 1:
        raise KeyRefusedError("one of several without a KID, and the option 'kid' is one")
    return text.encode() if domain in _TEXT_KIDS else a_kid(text, "the option 'kid'")


def _country(source: Source) -> str | None:
    written = source.options.get("country")
    country = alpha2(written)
    if written and country is None:
        raise UpstreamError(f"source {source.name!r}: {written!r} is no code of a country")
    return country


def _uses(source: Source) -> frozenset[str] | None:
    written = source.options.get("uses")
    if written is not None and (not written or set(written) - USES):
        raise UpstreamError(f"source {source.name!r}: uses {written!r} are not letters of t, v and r")
    return None if written is None else frozenset(written)


def _revoked(
    crls: Iterable[bytes], authorities: Iterable[Authority]
) -> tuple[tuple[tuple[bytes, HashKind, bytes], ...], datetime | None]:
    """The serial numbers that the CSCAs of the file take back, and when the first of their lists is over."""
    entries: dict[tuple[bytes, HashKind, bytes], None] = {}
    ends: list[datetime] = []
    held = tuple(authorities)
    for der in crls:
        try:
            crl = chain.parse_crl(der, held)
        except KeyRefusedError as error:
            raise UpstreamError(
                f"a CRL in the file cannot be used: {error}; whoever takes a CSCA without it would take its "
                "withdrawn signers too"
            ) from error
        scope = authority_scope(crl.key_id)
        for serial in sorted(crl.serials):
            entries[scope, HashKind.SERIAL, chain.serial_digest(serial)] = None
        ends += [crl.next_update] if crl.next_update else []
    return tuple(entries), min(ends, default=None)
