"""ICAO's master lists: the CSCAs of many countries, signed by a master list signer of one.

The rules this module keeps:

* The list is a CMS by one signer, whose certificate is for master lists. It is pinned itself, or its CSCA is:
  which CSCAs are in the list says nothing about who may sign it.
* It says when it was signed, under the signature; without that an old one could not be told from a new one.
* Each certificate that is a CSCA's, and names its country, vouches for the signers of seals; others are left
  out, each by name.
* A link certificate has the key of a new CSCA and the name of the old one above it. It is left out where the
  new CSCA's own certificate is in the list.

    pins: root (the signer's certificate or its CSCA's, PEM or DER)      url: …/masterlist.ml
          signer (common name of the signer's certificate, asked if pinned)
    raw:  masterlist.ml

Sources: ICAO Doc 9303 part 12 §7.4 and §9, RFC 5652.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from asn1crypto import core

from trustsync.hub import anchors
from trustsync.hub.cms import CmsResult, verify_cms
from trustsync.hub.lists import check_times, fetched, given, pinned, pinned_name
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from trustsync.targets import MAX_AUTHORITIES
from verifier import chain
from verifier.keys import KeyRefusedError
from verifier.trust import MAX_KEYS_PER_KID, Authority
from verifier.x509_reading import (
    EXTENDED_KEY_USAGE,
    CertificateFacts,
    authority_key_id,
    country_of,
    listed_in,
    read_certificate,
    subject_key_id,
)

LIST = "masterlist.ml"
CONTENT = "2.23.136.1.1.2"  # CscaMasterList
SIGNER = "2.23.136.1.1.3"  # extended key usage of a master list signer
_VERSION = 0
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


class _Certificates(core.SetOf):  # type: ignore[misc] # asn1crypto has no types
    _child_spec = core.Any


class _CscaMasterList(core.Sequence):  # type: ignore[misc]
    _fields = [("version", core.Integer), ("certificates", _Certificates)]  # noqa: RUF012 - asn1crypto's way


class MasterList:
    """The importer of kind ``icao``."""

    kind = "icao"
    pins = frozenset({"root"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The list, one file. Raises UpstreamError."""
        return {LIST: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify signer and signature, then read the list. Raises UpstreamError."""
        signed = _verified(given(raw, LIST), source, now)
        if signed.signed_at is None:
            raise UpstreamError("the master list does not say when it was signed; it is refused")
        check_times(signed.signed_at, None, now)
        authorities, skipped = authorities_of(signed.content, source.name)
        return UpstreamList(
            source=source.name,
            environment=source.environment,
            authentication=Authentication.SIGNED,
            authorities=authorities,
            signed_at=signed.signed_at,
            skipped=skipped,
        )


def _verified(data: bytes, source: Source, now: datetime) -> CmsResult:
    root = anchors.pinned_certificate(pinned(source, "root"), "root")
    signed = verify_cms(data, detached=None, roots=[root], signer_certificate=None, at=now)
    if signed.content_type != CONTENT:
        raise UpstreamError("signed, but no master list; it is refused")
    usages = listed_in(anchors.facts_of(signed.signer_certificate).extensions, EXTENDED_KEY_USAGE)
    if SIGNER not in (usages or ()):
        raise UpstreamError(
            "its signer is no signer of master lists (extended key usage): the same CSCA's signers of "
            "passports could have signed it, and it is refused"
        )
    if "signer" in source.pins:
        anchors.check_name(signed.signer_certificate, pinned_name(source, "signer"))
    return signed


def authorities_of(content: bytes, source: str) -> tuple[tuple[Authority, ...], tuple[str, ...]]:
    """The CSCAs of a CscaMasterList, each once, and what was left out.

    Nothing here asks whether it was signed. Raises UpstreamError for content of another form, and for more
    CSCAs than a published list may hold.
    """
    certificates = _certificates(content)
    own_keys = {
        facts.spki for facts in map(_facts, certificates) if facts is not None and not _is_link(facts)
    }
    authorities: list[Authority] = []
    skipped: list[str] = []
    for der in certificates:
        facts = _facts(der)
        try:
            authority = chain.load_authority(der, source=source)
            if authority.country is None:
                raise KeyRefusedError("it names no country")
            if facts is not None and _is_link(facts) and facts.spki in own_keys:
                raise KeyRefusedError("a link certificate; the CSCA's own is in the list")
        except KeyRefusedError as error:
            skipped.append(f"{_named(facts)}: {error}")
            continue
        authorities.append(authority)
    if not authorities:
        raise UpstreamError(f"no CSCA in it that could be used ({len(skipped)} left out); it is refused")
    crowded = [key for key, n in Counter(a.key_id for a in authorities).items() if n > MAX_KEYS_PER_KID]
    if crowded or len(authorities) > MAX_AUTHORITIES:
        raise UpstreamError(
            f"more than {MAX_AUTHORITIES} CSCAs, or {MAX_KEYS_PER_KID} of one key identifier; it is refused"
        )
    return tuple(authorities), tuple(skipped)


def _certificates(content: bytes) -> list[bytes]:
    """The certificates, DER, each once and in one order: a set has none."""
    try:
        listed = _CscaMasterList.load(content, strict=True)
        if listed["version"].native != _VERSION:
            raise UpstreamError("a master list of a version that is not known here; it is refused")
        return sorted({each.dump() for each in listed["certificates"]})
    except _UNREADABLE as error:
        raise UpstreamError(
            f"its content is no CscaMasterList ({type(error).__name__}); it is refused"
        ) from error


def _facts(der: bytes) -> CertificateFacts | None:
    try:
        return read_certificate(der)
    except KeyRefusedError:
        return None


def _is_link(facts: CertificateFacts) -> bool:
    """Whether another key than its own has signed a CSCA's certificate, by the names that it gives."""
    try:
        above = authority_key_id(facts.extensions)
        return facts.issuer != facts.subject or (above is not None and above != subject_key_id(facts))
    except KeyRefusedError:
        return False


def _named(facts: CertificateFacts | None) -> str:
    """A certificate's country and number, for people."""
    if facts is None:
        return "a certificate that cannot be read"
    return f"{country_of(facts.subject) or 'no country'} {facts.serial:x}"
