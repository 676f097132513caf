"""From the certificate that signed a list up to the root that we pinned.

The rules this module keeps:

* Only a pinned root, or the pinned certificate of the signer itself, makes a signer believed. What a list
  brings along helps to find the way and vouches for nothing.
* Every certificate on the way is valid at the time of reading, and every issuer is a CA that may sign
  certificates and has as many below it as it allows.
* A critical extension that nobody here reads ends the way: its author said that ignoring it would be wrong.

    root = pinned_certificate(source.pins["root"], "root")    # PEM or DER, read once
    path_to_root(leaf, brought, [root], at=now)               # UpstreamError when there is none
    common_name(leaf)                                         # "signing.example"

Sources: RFC 5280 §6.1. Of its input variables none is used: policies are not judged, and a list's importer
asks for the signer's name where the root has other signers than the one that we mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from asn1crypto import x509 as lenient_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from trustsync.hub.upstream import UpstreamError
from verifier.keys import X509_REFUSALS, KeyRefusedError, load_spki
from verifier.x509_reading import (
    AUTHORITY_KEY_ID,
    BASIC_CONSTRAINTS,
    DOCUMENT_TYPES,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    SUBJECT_KEY_ID,
    USAGE_PERIOD,
    CertificateFacts,
    authority_key,
    is_authority,
    listed_in,
    read_certificate,
    verifies,
)

MAX_PATH = 6  # certificates from the signer to the root, both counted
MAX_BROUGHT = 32  # certificates that a list may bring along
# May be critical: those that are read here, and those that cannot forbid what is asked of a signer of lists
# (alternative names, where the CRL lies, policies, statements about qualified certificates).
_UNDERSTOOD = frozenset(
    {
        AUTHORITY_KEY_ID, SUBJECT_KEY_ID, BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, USAGE_PERIOD,
        DOCUMENT_TYPES, "2.5.29.17", "2.5.29.18", "2.5.29.31", "2.5.29.32", "1.3.6.1.5.5.7.1.3",
    }
)  # fmt: skip
_MAY_SIGN_LISTS = frozenset({"digital_signature", "non_repudiation"})


def pinned_certificate(pin: bytes, role: str) -> bytes:
    """The DER of a certificate that the operator pinned, in PEM or DER.

    role: of the pin, for the error. Raises UpstreamError.
    """
    try:
        if b"-----BEGIN " in pin:
            pin = x509.load_pem_x509_certificate(pin).public_bytes(Encoding.DER)
        _ = read_certificate(pin)
    except X509_REFUSALS as error:
        raise UpstreamError(
            f"the pinned {role} is not a certificate; without it nothing of this source can be proven; "
            "put the certificate there, as PEM or DER"
        ) from error
    return pin


def pinned_key(pin: bytes, role: str) -> bytes:
    """The DER SubjectPublicKeyInfo of a public key that the operator pinned, in PEM or DER.

    role: of the pin, for the error. Raises UpstreamError, also for a key that must not verify anything.
    """
    try:
        if b"-----BEGIN " in pin:
            key = load_pem_public_key(pin)
            pin = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        weakness = load_spki(pin).weakness
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UpstreamError(
            f"the pinned {role} is not a public key that can be used ({error}); without it nothing of this "
            "source can be proven; look whether it is the publisher's key, as PEM or DER"
        ) from error
    if weakness is not None:
        raise UpstreamError(f"the pinned {role} is weak ({weakness}); it proves nothing")
    return pin


def der_of(root: x509.Certificate | bytes) -> bytes:
    """The DER of a pinned root, however it is given; the strict reader refuses some that are in use."""
    return root if isinstance(root, bytes) else root.public_bytes(Encoding.DER)


def facts_of(certificate: bytes) -> CertificateFacts:
    """What stands in a certificate (DER) that a list names. Raises UpstreamError when it cannot be read."""
    try:
        return read_certificate(certificate)
    except KeyRefusedError as error:
        raise UpstreamError(f"a certificate of the signature cannot be read: {error}") from error


def common_name(certificate: bytes) -> str | None:
    """The one common name of a certificate's subject; ``None`` when it has none, several or is no DER."""
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
        names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except X509_REFUSALS:
        return None
    return str(names[0].value) if len(names) == 1 else None


def check_name(certificate: bytes, name: str) -> None:
    """Raises UpstreamError unless this is the signer that is meant: other certificates have the same root."""
    found = common_name(certificate)
    if found != name:
        raise UpstreamError(
            f"signed by {found!r}, and this source is signed by {name!r}; the root vouches for others too, "
            "so the list is refused; look whether the publisher announced a new signer"
        )


def check_signer(certificate: bytes, at: datetime) -> None:
    """Raises UpstreamError unless a certificate is valid at an instant and its key may sign lists."""
    facts = facts_of(certificate)
    _check_period(facts, "the signer's certificate", at)
    _check_critical(facts)
    usage = listed_in(facts.extensions, KEY_USAGE)
    if usage is not None and not usage & _MAY_SIGN_LISTS:
        raise UpstreamError(
            "the key of the signer's certificate may not sign (keyUsage); the list is refused"
        )


def path_to_root(
    leaf: bytes, brought: Iterable[bytes], roots: Sequence[bytes], *, at: datetime
) -> tuple[bytes, ...]:
    """The certificates (DER) from a signer up to a pinned root, both included; one when it is pinned itself.

    brought: certificates that came with the list, in any order. roots: DER. The shortest way is given.
    Raises UpstreamError when the signer is not fit to sign, or there is no way that holds.
    """
    check_signer(leaf, at)
    known = [each for each in dict.fromkeys(brought) if each != leaf and each not in roots]
    if len(known) > MAX_BROUGHT:
        raise UpstreamError(
            f"the list brings {len(known)} certificates along; at most {MAX_BROUGHT} are read"
        )
    ways: list[tuple[bytes, ...]] = [(leaf,)]
    seen = {leaf}
    why = "none of the pinned roots has issued it, nor anything that came with it"
    while ways:
        way = ways.pop(0)
        if way[-1] in roots:
            return way
        if len(way) == MAX_PATH:
            continue
        for issuer in (*roots, *known):
            if issuer in seen or not _has_issued(issuer, way[-1]):
                continue
            if (problem := _issuing_problem(issuer, len(way) - 1, at)) is not None:
                why = problem
                continue
            seen.add(issuer)
            ways.append((*way, issuer))
    raise UpstreamError(
        f"the signer's certificate does not lead to a pinned root: {why}; the list is refused; "
        "if the publisher changed the root, pin the new one after a check by another way"
    )


def _has_issued(issuer: bytes, subject: bytes) -> bool:
    try:
        above, below = read_certificate(issuer), read_certificate(subject)
        return above.subject == below.issuer and verifies(
            above.spki, below.scheme, below.signature, below.signed
        )
    except KeyRefusedError:
        return False


def _issuing_problem(issuer: bytes, below: int, at: datetime) -> str | None:
    """Why a certificate may not issue others. below: how many issuers there are between it and the signer."""
    facts = read_certificate(issuer)
    try:
        _check_period(facts, "an issuer's certificate", at)
        _check_critical(facts)
        authority_key(facts.spki)
        limit = _path_limit(facts)
    except (UpstreamError, KeyRefusedError) as error:
        return str(error)
    if not is_authority(facts):
        return "an issuer is no CA (basicConstraints)"
    usage = listed_in(facts.extensions, KEY_USAGE)
    if usage is not None and "key_cert_sign" not in usage:
        return "an issuer's key may not sign certificates (keyUsage)"
    if limit is not None and below > limit:
        return "it is longer than an issuer allows (pathLenConstraint)"
    return None


def _path_limit(facts: CertificateFacts) -> int | None:
    """How many CAs an issuer allows below itself, ``None`` for any number. Raises KeyRefusedError."""
    extension = facts.extensions.get(BASIC_CONSTRAINTS)
    if extension is None:
        return None
    try:
        constraints = lenient_x509.BasicConstraints.load(extension.value, strict=True)
        limit: int | None = constraints["path_len_constraint"].native
    except (ValueError, TypeError) as error:
        raise KeyRefusedError("an issuer's basicConstraints cannot be read") from error
    return limit


def _check_period(facts: CertificateFacts, what: str, at: datetime) -> None:
    if not facts.not_before <= at <= facts.not_after:
        raise UpstreamError(
            f"{what} is valid from {facts.not_before:%Y-%m-%d} to {facts.not_after:%Y-%m-%d} and not on "
            f"{at:%Y-%m-%d}; the list is refused; look at the clock, then for a newer list or pin"
        )


def _check_critical(facts: CertificateFacts) -> None:
    strange = sorted(
        oid for oid, each in facts.extensions.items() if each.critical and oid not in _UNDERSTOOD
    )
    if strange:
        raise UpstreamError(
            f"a certificate of the signer has a critical extension not read here ({strange[0]})"
        )
