"""Faults of NZ COVID Passes (``NZCP:/1/``)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from issuer.families import HOST
from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.cwt import Step, code, listed_signer, with_members, without
from issuer.faults.cwt_common import note_common
from issuer.keys import Algorithm
from issuer.office import Issuer
from verifier.certificate import Family
from verifier.keys import ES384
from verifier.reasons import Reason, State
from verifier.trust import Domain
from verifier.wire import cose, hc1
from verifier.wire.nzcp import CLAIM_CTI, CLAIM_VC, CONTEXT_PASS, CONTEXT_W3C, TYPE_PASS, TYPE_W3C

_PREFIX = "NZCP:/1/"

faults = Catalogue(Family.NZCP)
note_common(faults)
_code = partial(code, Family.NZCP)


# --- Text


@faults.add("nzcp-version-2", State.CHECK, Reason.UNSUPPORTED)
def version_2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its text is of version 2."""
    return _text(issuer, payload, now, lambda text: "NZCP:/2/" + text)


@faults.add("nzcp-prefix-lower-case", State.RESCAN, Reason.NOT_CERT)
def prefix_lower_case(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The letters of its prefix are small."""
    return _text(issuer, payload, now, lambda text: _PREFIX.lower() + text)


@faults.add("nzcp-lower-case", State.FAIL, Reason.MALFORMED)
def lower_case(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its letters are small behind the prefix."""
    return _text(issuer, payload, now, lambda text: _PREFIX + text.lower())


@faults.add("nzcp-padding", State.FAIL, Reason.MALFORMED)
def padding(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its Base32 is filled up with signs of equality."""
    return _text(issuer, payload, now, lambda text: _PREFIX + text + "=" * (-len(text) % 8 or 8))


@faults.add("nzcp-base32-length", State.FAIL, Reason.MALFORMED)
def base32_length(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its Base32 has a length that no bytes have."""
    return _text(issuer, payload, now, lambda text: _PREFIX + text[: (len(text) - 1) // 8 * 8 + 1])


def _text(issuer: Issuer, payload: Payload, now: datetime, change: Step) -> Code:
    """A pass with its text behind the prefix turned into a code."""
    return _code(issuer, payload, now, text=lambda text: change(text.removeprefix(_PREFIX)))


# --- Header and issuer


@faults.add("nzcp-algorithm-es384", State.FAIL, Reason.ALG_REFUSED)
def algorithm_es384(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names ES384, where passes are signed with ES256 alone."""
    return _code(issuer, payload, now, protected=with_members({cose.HEADER_ALG: ES384}))


@faults.add("nzcp-algorithm-eddsa", State.FAIL, Reason.ALG_REFUSED)
def algorithm_eddsa(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed in good order by a listed Ed25519 key, where passes are signed with ES256 alone."""
    signer = listed_signer(issuer, "eddsa", now, domain=Domain.NZCP, algorithm=Algorithm.EDDSA)
    return _code(issuer, payload, now, signer=signer)


@faults.add("nzcp-kid-as-text", State.PASS)
def kid_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its KID is a text, as the specification has it; issued passes have bytes."""
    kid = issuer.signer(Domain.NZCP).kid.decode()
    return _code(issuer, payload, now, protected=with_members({cose.HEADER_KID: kid}))


@faults.add("nzcp-issuer-of-no-key", State.FAIL, Reason.KEY_UNKNOWN)
def issuer_of_no_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names another issuer, of whom the list has no key of this KID."""
    other = with_members({hc1.CLAIM_ISS: f"did:web:{HOST}:somebody-else"})
    return _code(issuer, payload, now, claims=other)


@faults.add("nzcp-without-issuer", State.FAIL, Reason.MALFORMED)
def without_issuer(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names no issuer."""
    return _code(issuer, payload, now, claims=without(hc1.CLAIM_ISS))


# --- Claims and credential


@faults.add("nzcp-cti-short", State.FAIL, Reason.MALFORMED)
def cti_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its identifier has fifteen bytes, where a UUID has sixteen."""
    return _code(issuer, payload, now, claims=lambda claims: claims | {CLAIM_CTI: claims[CLAIM_CTI][:-1]})


@faults.add("nzcp-without-nbf", State.FAIL, Reason.MALFORMED)
def without_nbf(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say from when it holds."""
    return _code(issuer, payload, now, claims=without(hc1.CLAIM_NBF))


@faults.add("nzcp-exp-as-text", State.FAIL, Reason.MALFORMED)
def exp_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """When it expires is said by a text."""
    return _code(issuer, payload, now, claims=with_members({hc1.CLAIM_EXP: "never"}))


@faults.add("nzcp-without-credential", State.FAIL, Reason.MALFORMED)
def without_credential(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """There is no credential among its claims."""
    return _code(issuer, payload, now, claims=without(CLAIM_VC))


@faults.add("nzcp-credential-version-2", State.CHECK, Reason.UNSUPPORTED)
def credential_version_2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its credential has a major version that is not known here."""
    return _code(issuer, payload, now, claims=_credential(version="2.0.0"))


@faults.add("nzcp-other-type", State.CHECK, Reason.UNSUPPORTED)
def other_type(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its credential is of another kind than a pass."""
    return _code(issuer, payload, now, claims=_credential(type=[TYPE_W3C, "SomeOtherPass"]))


@faults.add("nzcp-type-no-credential", State.FAIL, Reason.MALFORMED)
def type_no_credential(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its credential does not say that it is one."""
    return _code(issuer, payload, now, claims=_credential(type=[TYPE_PASS]))


@faults.add("nzcp-context-swapped", State.FAIL, Reason.MALFORMED)
def context_swapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The vocabularies of its credential stand in the wrong order."""
    swapped = _credential(**{"@context": [CONTEXT_PASS, CONTEXT_W3C]})
    return _code(issuer, payload, now, claims=swapped)


@faults.add("nzcp-without-given-name", State.FAIL, Reason.MALFORMED)
def without_given_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say the holder's given name."""
    return _code(issuer, payload, now, claims=_subject(without("givenName")))


@faults.add("nzcp-without-family-name", State.PASS)
def without_family_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The holder has a given name alone."""
    return _code(issuer, payload, now, claims=_subject(without("familyName")))


@faults.add("nzcp-birth-year-alone", State.CHECK, Reason.DOB_PARTIAL)
def birth_year_alone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Of the birth date it says the year alone."""
    return _code(issuer, payload, now, claims=_subject(lambda subject: subject | {"dob": subject["dob"][:4]}))


def _credential(**values: Any) -> Step:
    """The claims with these values in their credential."""
    return lambda claims: claims | {CLAIM_VC: claims[CLAIM_VC] | values}


def _subject(change: Step) -> Step:
    """The claims with their holder changed."""
    return lambda claims: _credential(credentialSubject=change(claims[CLAIM_VC]["credentialSubject"]))(claims)
