"""Who vouches for the signer of a VDS-NC seal: a country's CSCA, and nobody between the two.

The rules this module keeps:

* A chain has exactly two certificates: the signer's, which the seal carries, and a CSCA, which the trust list
  holds. A CSCA that a seal brings along vouches for nothing.
* A CSCA counts when its key identifier and its name are those that the signer names and its key verifies the
  signer's certificate; one of the three is not enough.
* The signer must be one for seals. The same CSCA's document signers sign passports, and theirs are no seals.
* Chains are read leniently (``verifier.x509_reading``), because real ones need it: the CSCA came in a signed
  list, and its signature over the signer's bytes as they are decides.

    signer = signer_of(envelope.certificate)
    authority = authority_of(signer, trust)                    # Authority, or None: nobody vouches
    usage_findings(signer, "icao.vacc") + country_findings(signer, authority, "AUS")

Sources: ICAO Doc 9303 part 12, ICAO technical report VDS-NC 1.1. ``docs/formats/vds-nc.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from verifier import x509_reading
from verifier.certificate import Event, Test, Vaccination
from verifier.countries import alpha2
from verifier.keys import KeyRefusedError, kid_of
from verifier.reasons import Finding, Reason, finding
from verifier.trust import Authority, Domain, KeyStatus, TrustedKey, TrustList
from verifier.x509_reading import (
    AUTHORITY_KEY_ID,
    BASIC_CONSTRAINTS,
    DOCUMENT_TYPES,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    SUBJECT_KEY_ID,
    USAGE_PERIOD,
    CertificateFacts,
    CrlFacts,
    authority_key,
    authority_key_id,
    country_of,
    listed_in,
    read_certificate,
    read_crl,
    subject_key_id,
    usage_period,
    verifies,
)

SEAL_SIGNER = "2.23.136.1.1.14.2"  # extended key usage of a barcode signer
# Which entries of the document type list allow which kind of seal.
_TYPES_FOR = {"icao.vacc": frozenset({"NV"}), "icao.test": frozenset({"NT", "NV"})}
# Extensions that may be critical: those that are read, and those that cannot forbid what is asked of a signer
# here (alternative names, policies, where the CRL lies).
_UNDERSTOOD = frozenset(
    {
        AUTHORITY_KEY_ID, SUBJECT_KEY_ID, BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, USAGE_PERIOD,
        DOCUMENT_TYPES, "2.5.29.17", "2.5.29.18", "2.5.29.31", "2.5.29.32",
    }
)  # fmt: skip
ANYWHERE = timedelta(days=1)  # a calendar date somewhere on earth may be a day ahead of UTC's
# State codes of Doc 9303 part 3 that are no ISO 3166-1 codes.
_STATES = {"D": "DE", "RKS": "XK", "EUE": "EU", "UNO": "UN"}


@dataclass(frozen=True, slots=True)
class SealSigner:
    """The certificate that a seal carries, read and not yet believed.

    key: its public key with country (subject C) and period, as an entry of a trust list would have them.
    issuer_country: C of the issuer's name, alpha-2. key_id: of the CSCA that it names, ``None`` for none.
    serial: its number at that CSCA. usages: extended key usage OIDs; key_usage: names of key usage bits;
    document_types: of the document type list; each ``None`` without that extension, and empty when it cannot
    be read. usage_period: from when to when its private key may seal, ``None`` where not said.
    not_understood: OIDs of critical extensions that are not known here.
    """

    key: TrustedKey
    issuer_country: str | None
    key_id: bytes | None
    serial: int
    usages: frozenset[str] | None
    key_usage: frozenset[str] | None
    document_types: frozenset[str] | None
    usage_period: tuple[datetime | None, datetime | None] | None
    not_understood: frozenset[str]


@dataclass(frozen=True, slots=True)
class Crl:
    """A CRL that a held CSCA has signed.

    key_id: of that CSCA. serials: of the certificates that it takes back. this_update, next_update: when it
    was made and when the next one is due, ``None`` where it does not say.
    """

    key_id: bytes
    serials: frozenset[int]
    this_update: datetime
    next_update: datetime | None


@lru_cache(maxsize=256)
def signer_of(certificate: bytes) -> SealSigner:
    """Read the certificate that a seal carries. Its key is not examined: whoever verifies with it loads it.

    Raises KeyRefusedError when it cannot be read.
    """
    facts = read_certificate(certificate)
    critical = frozenset(oid for oid, extension in facts.extensions.items() if extension.critical)
    return SealSigner(
        key=TrustedKey(
            kid=kid_of(certificate),
            spki=facts.spki,
            country=country_of(facts.subject),
            not_before=facts.not_before,
            not_after=facts.not_after,
            certificate=certificate,
            lenient=facts.lenient,
            domain=Domain.VDS_NC,
        ),
        issuer_country=country_of(facts.issuer),
        key_id=authority_key_id(facts.extensions),
        serial=facts.serial,
        usages=listed_in(facts.extensions, EXTENDED_KEY_USAGE),
        key_usage=listed_in(facts.extensions, KEY_USAGE),
        document_types=listed_in(facts.extensions, DOCUMENT_TYPES),
        usage_period=usage_period(facts.extensions),
        not_understood=critical - _UNDERSTOOD,
    )


# --- Authorities --------------------------------------------------------------------------------------------


def load_authority(der: bytes, *, source: str = "") -> Authority:
    """A CSCA from its certificate, for which a signed list or the operator must vouch.

    Raises KeyRefusedError when it cannot be read, is not the certificate of an authority that may sign
    others, or has a key too weak to vouch for anybody.
    """
    facts = read_certificate(der)
    if not x509_reading.is_authority(facts):
        raise KeyRefusedError("not the certificate of an authority")
    bits = listed_in(facts.extensions, KEY_USAGE)
    if bits is not None and "key_cert_sign" not in bits:
        raise KeyRefusedError("an authority whose key may not sign certificates")
    authority_key(facts.spki)
    return Authority(
        certificate=der,
        spki=facts.spki,
        key_id=subject_key_id(facts),
        country=country_of(facts.subject),
        not_before=facts.not_before,
        not_after=facts.not_after,
        source=source,
        lenient=facts.lenient,
    )


def is_authority(der: bytes) -> bool:
    """Whether a certificate says that it is an authority's; false for bytes that are no certificate."""
    try:
        return x509_reading.is_authority(read_certificate(der))
    except KeyRefusedError:
        return False


def authority_of(signer: SealSigner, trust: TrustList) -> Authority | None:
    """The held CSCA that issued a signer; ``None`` when none did, or the signer names none by its key.

    A CSCA key often has several certificates, with one period each: the active one with the longest is given.
    """
    held = trust.authorities.get(signer.key_id, ()) if signer.key_id is not None else ()
    certificate = signer.key.certificate or b""
    issuers = [each for each in held if _has_issued(each.certificate, certificate)]
    return max(issuers, key=_preference, default=None)


def _preference(authority: Authority) -> tuple[bool, datetime]:
    until = authority.not_after or datetime.min.replace(tzinfo=UTC)
    return authority.status is not KeyStatus.WITHDRAWN, until


@lru_cache(maxsize=1024)
def _has_issued(authority: bytes, certificate: bytes) -> bool:
    try:
        return _has_signed(authority, read_certificate(certificate))
    except KeyRefusedError:
        return False


def _has_signed(authority: bytes, facts: CertificateFacts | CrlFacts) -> bool:
    """Whether an authority's name and key are those under which something was issued."""
    try:
        above = read_certificate(authority)
        return above.subject == facts.issuer and verifies(
            above.spki, facts.scheme, facts.signature, facts.signed
        )
    except KeyRefusedError:
        return False


def names_held_country(signer: SealSigner, issuer: str | None, trust: TrustList) -> bool:
    """Whether a seal, by its header (``issuer``) or its signer, names a country whose CSCA is held.

    If it does and that CSCA did not issue the signer, the chain is bad; if not, its signer is just unknown.
    """
    held = {each.country for same in trust.authorities.values() for each in same}
    named = {state_of(issuer), signer.issuer_country, signer.key.country} - {None}
    return signer.key_id in trust.authorities or bool(held & named)


# --- What a chain allows ------------------------------------------------------------------------------------


def usage_findings(signer: SealSigner, kind: str) -> list[Finding]:
    """Whether a signer may seal this kind of document.

    kind: the type in the seal's header; for one that is not known here only the usage for seals is asked.
    """
    if SEAL_SIGNER not in (signer.usages or ()):
        return [finding(Reason.KEY_USAGE, "not a signer of seals")]
    if signer.key_usage is not None and "digital_signature" not in signer.key_usage:
        return [finding(Reason.KEY_USAGE, "its key may not sign documents")]
    if signer.not_understood:
        return [finding(Reason.KEY_USAGE, "a critical extension that is not known here")]
    allowed = _TYPES_FOR.get(kind)
    if allowed is not None and not allowed & (signer.document_types or frozenset()):
        return [finding(Reason.KEY_USAGE, f"its document types do not hold {' or '.join(sorted(allowed))}")]
    return []


def country_findings(signer: SealSigner, authority: Authority, issuer: str | None) -> list[Finding]:
    """Whether the signer, its CSCA and the seal's header (``issuer``) name one and the same country.

    What names none agrees with nobody.
    """
    owner = authority.country
    if owner is None:
        return [finding(Reason.ISSUER_MISMATCH, "the CSCA names no country")]
    if signer.key.country != owner:
        word = signer.key.country or "no country"
        return [finding(Reason.ISSUER_MISMATCH, f"signer of {word}, CSCA of {owner}")]
    if state_of(issuer) != owner:
        # only a code is repeated here, since any other text could be anything
        word = state_of(issuer) or "no known country"
        return [finding(Reason.ISSUER_MISMATCH, f"seal of {word}, CSCA of {owner}")]
    return []


def period_findings(signer: SealSigner, events: Iterable[Event]) -> list[Finding]:
    """Whether what is sealed happened before the signer's key had to stop sealing.

    A seal does not say when it was made; what it is about was over by then.
    """
    end = signer.usage_period[1] if signer.usage_period else None
    if end is None:
        return []
    days = [event.given if isinstance(event, Vaccination) else _sampled(event) for event in events]
    if any(day is not None and day - end.date() > ANYWHERE for day in days):
        return [finding(Reason.KEY_PERIOD, "sealed after its key's period")]
    return []


def _sampled(event: Event) -> date | None:
    return event.sampled.date() if isinstance(event, Test) and event.sampled else None


def state_of(code: str | None) -> str | None:
    """The alpha-2 code of an issuing state as travel documents name it."""
    return _STATES.get((code or "").upper()) or alpha2(code)


# --- What a CSCA takes back ---------------------------------------------------------------------------------


def parse_crl(der: bytes, authorities: Iterable[Authority]) -> Crl:
    """Read a CRL and find the CSCA among ``authorities`` that signed it.

    Raises KeyRefusedError when it cannot be read, may be a part of a CRL only (a delta, or one that a
    critical extension limits), or none of them signed it.
    """
    facts = read_crl(der)
    if any(extension.critical for extension in facts.extensions.values()):
        raise KeyRefusedError("a CRL with a critical extension, which may be a part of one only")
    wanted = authority_key_id(facts.extensions)
    for authority in authorities:
        if wanted in (None, authority.key_id) and _has_signed(authority.certificate, facts):
            return Crl(authority.key_id, facts.serials, facts.this_update, facts.next_update)
    raise KeyRefusedError("no CSCA that is held has signed this CRL")


def serial_digest(serial: int) -> bytes:
    """Under which digest a serial number stands in a revocation store: 16 bytes of the SHA-256 of its bytes.

    They are big-endian without leading zeros; a negative number, which is against the rules and occurs, is
    taken as two's complement.
    """
    size = max(1, (serial.bit_length() + 7) // 8) if serial >= 0 else serial.bit_length() // 8 + 1
    return hashlib.sha256(serial.to_bytes(size, "big", signed=serial < 0)).digest()[:16]
