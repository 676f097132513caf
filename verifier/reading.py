"""What a code says and which checks it meets, each on its own: a report for integrators.

A Reading is not a verdict and not a Certificate. It answers every check wherever its inputs exist, also
when another one failed: an expired code with a bad signature is reported as both. The claims that it shows
are unproven unless ``signature`` is true.

    reading = read_checks("HC1:…", trust=trust, now=now)
    reading.checks.signature, reading.checks.time_valid      # True, False
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from verifier import chain, families
from verifier.certificate import Family, Payload
from verifier.checks import letters_of, revocation_entries, revoked_by, scopes_of
from verifier.families import FORMS, Form
from verifier.keys import AlgorithmRefusedError, KeyRefusedError, load_spki
from verifier.opening import OpenedCode, open_code
from verifier.steps import candidates, verifies
from verifier.times import is_ahead, is_over
from verifier.trust import (
    Authority,
    Domain,
    HashKind,
    ListedRevocation,
    NoRevocation,
    TrustedKey,
    TrustList,
    authority_scope,
)
from verifier.wire import dcc, dcc_schema, shc_keys, vds_nc
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Checks:
    """Each check by itself; ``None``: not made, or it has no meaning here. Never read as passed."""

    picture: bool | None = None
    decode: bool | None = None
    signature: bool | None = None
    time_valid: bool | None = None
    key_usage: bool | None = None
    schema: bool | None = None
    chain: bool | None = None
    revoked: bool | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Reading:
    """A report on one code.

    family: as the payload tells it, ``None`` where it could not be decoded. kid: as sent. signer: the key
    that verified. issuer: the issuer that the payload names. document: the family's own payload as decoded,
    whoever signed it; whole: all claims of the container; both are a person's data.
    """

    checks: Checks
    family: Family | None = None
    kid: bytes | None = None
    signer: TrustedKey | None = None
    issuer: str | None = None
    document: Mapping[Any, Any] | None = None
    whole: Mapping[Any, Any] | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None


def read_checks(code: str | bytes | OpenedCode, *, trust: TrustList, now: datetime | None) -> Reading:
    """Report on one code; never raises for any text. Arguments as for ``assess``."""
    opened = code if isinstance(code, OpenedCode) else open_code(code)
    family, envelope = opened.family, opened.envelope
    if envelope is None or family is None:
        signed = False if trust.keys and family in FORMS and family is not Family.VDS_NC else None
        return Reading(Checks(decode=False, signature=signed))
    form = FORMS[family]
    seal = _seal(envelope)
    signer, signature = _signature(envelope, form, trust, seal)
    try:
        claims = form.decode(envelope)
    except MalformedError:
        return Reading(Checks(decode=False, signature=signature), kid=envelope.kid, signer=signer)
    payload = _payload(claims)
    authority = None if seal is None else chain.authority_of(seal, trust)
    chained, revoked = _chained(seal, authority, signer, claims, trust), None
    if seal is not None:
        if signer is not None and authority is not None:
            signer = replace(signer, source=authority.source)
        revoked = _serial_revoked(seal, authority, trust, now)
    elif signer is not None:
        key = load_spki(signer.spki)
        entries = revocation_entries(payload, claims.issuer, envelope.signature, key)
        revoked = _revoked(entries, claims, signer, trust, now)
    checks = Checks(
        decode=claims.document is not None,
        signature=signature,
        time_valid=_time_valid(claims, now),
        key_usage=None if claims.document is None else _key_usage(claims, payload, seal, signer, trust),
        schema=dcc_schema.conforms(claims.document)
        if claims.family is Family.HC1 and claims.document is not None
        else None,
        chain=chained,
        revoked=revoked,
    )
    return Reading(
        checks,
        family=claims.family,
        kid=envelope.kid,
        signer=signer,
        issuer=claims.issuer,
        document=claims.document,
        whole=claims.whole,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
    )


def _seal(envelope: Envelope) -> chain.SealSigner | None:
    """The signer's certificate that a seal carries; ``None`` where there is none that can be read."""
    if envelope.certificate is None:
        return None
    try:
        return chain.signer_of(envelope.certificate)
    except KeyRefusedError:
        return None


def _signature(
    envelope: Envelope, form: Form, trust: TrustList, seal: chain.SealSigner | None
) -> tuple[TrustedKey | None, bool | None]:
    """The key that verifies, by mathematics alone: algorithm lists and weak keys are the verdict's.

    A seal is held against its own certificate; who vouches for that is the chain.
    """
    if form.domain is not Domain.VDS_NC and not trust.keys:
        return None, None
    keys = candidates(envelope, form, trust) or ((seal.key,) if seal else ())
    if envelope.alg is None:
        return None, False
    for key in keys:
        try:
            if verifies(load_spki(key.spki), envelope, form):
                return key, True
        except (KeyRefusedError, AlgorithmRefusedError):
            continue
    return None, False


def _payload(claims: Claims) -> Payload | None:
    try:
        return families.read(claims)
    except MalformedError:
        return None


def _chained(
    seal: chain.SealSigner | None,
    authority: Authority | None,
    signer: TrustedKey | None,
    claims: Claims,
    trust: TrustList,
) -> bool | None:
    """Whether the certificates above the signer hold; ``None`` where there are none, or nobody is held."""
    if seal is None:
        if claims.family is not Family.SHC or signer is None or signer.certificate is None:
            return None
        named = claims.issuer is not None and shc_keys.names_issuer(signer.certificate, claims.issuer)
        return signer.chained if named else False
    if authority is not None:
        return True
    return False if chain.names_held_country(seal, claims.issuer, trust) else None


def _time_valid(claims: Claims, now: datetime | None) -> bool | None:
    if now is None:
        return None
    if claims.bad_time:
        return False
    if claims.issued_at is None and claims.expires_at is None:
        return None
    begins = (claims.issued_at, claims.not_before)
    begun = not any(instant is not None and is_ahead(instant, now) for instant in begins)
    over = claims.expires_at is not None and is_over(claims.expires_at, now)
    return begun and not over


def _key_usage(
    claims: Claims,
    payload: Payload | None,
    seal: chain.SealSigner | None,
    signer: TrustedKey | None,
    trust: TrustList,
) -> bool | None:
    """For the key that verified; where none did, for any of the certificates that were given by hand."""
    if seal is not None:
        return not chain.usage_findings(seal, vds_nc.kind_of(claims))
    given = [] if trust.signed_at else [key for same in trust.keys.values() for key in same]
    keys: Iterable[TrustedKey] = [signer] if signer else given
    keys = [key for key in keys if key.certificate is not None]
    if not keys:
        return None
    if claims.family is Family.AT1:  # signed by keys of its own, which carry none of the usages
        return any(key.uses is None for key in keys)
    letters = (
        dcc.event_letters(claims.document)
        if claims.family is Family.HC1
        else letters_of(payload.events if payload else ())
    )
    return any(key.uses is None or letters <= key.uses for key in keys)


def _revoked(
    entries: Sequence[tuple[HashKind, bytes]],
    claims: Claims,
    signer: TrustedKey,
    trust: TrustList,
    now: datetime | None,
) -> bool | None:
    if isinstance(trust.revocation, NoRevocation | ListedRevocation):
        return None  # a CRL that was given by hand speaks of signers of seals only
    scopes = scopes_of(signer)
    if revoked_by(entries, scopes, trust.revocation, claims.issued_at) is not None:
        return True
    return _complete(scopes, trust, now)


def _serial_revoked(
    seal: chain.SealSigner, authority: Authority | None, trust: TrustList, now: datetime | None
) -> bool | None:
    if authority is None or isinstance(trust.revocation, NoRevocation):
        return None
    scope = authority_scope(authority.key_id)
    if trust.revocation.holds(scope, HashKind.SERIAL, chain.serial_digest(seal.serial)):
        return True
    return _complete([scope], trust, now)


def _complete(scopes: Iterable[bytes], trust: TrustList, now: datetime | None) -> bool | None:
    """Not found in data that is not all there is no answer."""
    return None if any(trust.revocation.gap(scope, now) for scope in scopes) else False
