"""Faults of VDS-NC seals: the JSON object, its signature, the signer's certificate and who issued that.

The rules this module keeps:

* A seal is signed as the fault leaves it, unless the fault is that something was changed afterwards.
* Certificates with a fault come from the issuer's own CSCA, so that the chain is good up to that fault;
  where the fault is the chain, the CSCA is one that nobody has heard of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from issuer.certificates import event_of
from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.bsc import Bsc, key_id_of, name_of
from issuer.faults.json_families import (
    Sign,
    document_for,
    in_der,
    key_for,
    note_common,
    other_birth_year,
    other_bit,
    reversed_members,
    swab,
    with_public_key,
    written,
)
from issuer.office import PRODUCTION, Issuer
from issuer.sealing import Signer
from issuer.signers import make_csca
from verifier.certificate import DETECTED, Family
from verifier.keys import kid_of
from verifier.reasons import Reason, State
from verifier.trust import Domain
from verifier.wire import base64url

faults = Catalogue(Family.VDS_NC)
note_common(faults, "vds-nc", unlisted=Reason.CHAIN_BAD, times=False)

_DAY = timedelta(days=1)
_DEEP = 40  # lists in each other
_LONG = 20_000  # characters; no symbol holds half as many
_FOREIGN = "VN", "VNM"  # another country than the issuer's, as in certificates and as in seals
_NOBODY = "AQ", "ATA"  # Antarctica: a country code without a state, so without a CSCA


# --- What was sealed, and the signature


@faults.add("vds-nc-payload-changed", State.FAIL, Reason.SIG_BAD)
def payload_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Sealed, then the last digit of the birth year changed."""
    return other_birth_year(written(_seal(issuer, _data(issuer, payload, now))), payload)


@faults.add("vds-nc-member-added", State.FAIL, Reason.SIG_BAD)
def member_added(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Sealed, then a member that nobody here knows added inside what was sealed."""
    seal = _seal(issuer, _data(issuer, payload, now))
    seal["data"]["msg"]["remark"] = "x"
    return written(seal)


@faults.add("vds-nc-signature-changed", State.FAIL, Reason.SIG_BAD)
def signature_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """One bit of the signature changed."""
    return _resigned(issuer, payload, now, other_bit)


@faults.add("vds-nc-signature-in-der", State.FAIL, Reason.SIG_BAD)
def signature_in_der(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A signature in DER, as X.509 writes it, where its two numbers side by side belong."""
    return _resigned(issuer, payload, now, in_der)


@faults.add("vds-nc-signature-short", State.FAIL, Reason.SIG_BAD)
def signature_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last byte of the signature is missing."""
    return _resigned(issuer, payload, now, lambda signature: signature[:-1])


@faults.add("vds-nc-signed-as-written", State.FAIL, Reason.SIG_BAD)
def signed_as_written(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The signature covers the text as written, and not its canonical form."""
    data = _data(issuer, payload, now)
    sign = issuer.signer(Domain.VDS_NC).key.sign
    return written(_seal(issuer, data, sign=lambda _: sign(written(data).encode())))


@faults.add("vds-nc-certificate-of-another-signer", State.FAIL, Reason.SIG_BAD)
def certificate_of_another_signer(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by one signer, and carries the certificate of another of the same CSCA."""
    seal = _seal(issuer, _data(issuer, payload, now))
    other = Bsc.of(issuer, now).signer(issuer, "another-signer")
    return written(seal | {"sig": seal["sig"] | {"cer": _base64url(other.certificate)}})


@faults.add("vds-nc-algorithm-none", State.FAIL, Reason.ALG_REFUSED)
def algorithm_none(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that it is not signed, and is not."""
    return written(_seal(issuer, _data(issuer, payload, now), alg="none", sign=lambda _: b""))


@faults.add("vds-nc-algorithm-hs256", State.FAIL, Reason.ALG_REFUSED)
def algorithm_hs256(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """An HMAC whose secret is the signer's public key."""
    sign = with_public_key(issuer.signer(Domain.VDS_NC))
    return written(_seal(issuer, _data(issuer, payload, now), alg="HS256", sign=sign))


@faults.add("vds-nc-algorithm-rs256", State.FAIL, Reason.ALG_REFUSED)
def algorithm_rs256(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names an algorithm that no seal has."""
    return written(_seal(issuer, _data(issuer, payload, now), alg="RS256"))


@faults.add("vds-nc-algorithm-of-another-curve", State.FAIL, Reason.ALG_REFUSED)
def algorithm_of_another_curve(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says ES384, whose keys are on P-384; the signer's is on P-256."""
    return written(_seal(issuer, _data(issuer, payload, now), alg="ES384"))


@faults.add("vds-nc-without-algorithm", State.FAIL, Reason.ALG_REFUSED)
def without_algorithm(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say with which algorithm it is signed."""
    return written(_without(_seal(issuer, _data(issuer, payload, now)), "alg"))


# --- The signer's certificate


@faults.add("vds-nc-without-certificate", State.FAIL, Reason.MALFORMED)
def without_certificate(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Carries no certificate, so that nobody can say who signed."""
    return written(_without(_seal(issuer, _data(issuer, payload, now)), "cer"))


@faults.add("vds-nc-certificate-unreadable", State.FAIL, Reason.MALFORMED)
def certificate_unreadable(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Carries the first half of a certificate."""
    whole = issuer.signer(Domain.VDS_NC).certificate or b""
    seal = _seal(issuer, _data(issuer, payload, now))
    return written(seal | {"sig": seal["sig"] | {"cer": _base64url(whole[: len(whole) // 2])}})


@faults.add("vds-nc-without-authority-id", State.FAIL, Reason.MALFORMED)
def without_authority_id(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate does not name the key of the CSCA that issued it."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), key_id=None))


@faults.add("vds-nc-not-for-seals", State.FAIL, Reason.KEY_USAGE)
def not_for_seals(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate does not have the usage of a signer of seals."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), usage=None))


@faults.add("vds-nc-without-document-types", State.FAIL, Reason.KEY_USAGE)
def without_document_types(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate does not say which documents its key may sign."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), types=()))


@faults.add("vds-nc-for-tests-only", State.FAIL, Reason.KEY_USAGE)
def for_tests_only(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A vaccination, sealed by a signer who may seal tests only."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), types=("NT",)))


@faults.add("vds-nc-signer-of-passports", State.FAIL, Reason.KEY_USAGE)
def signer_of_passports(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Sealed by a signer of passports, whom the same CSCA vouches for."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), usage=None, types=("P",)))


@faults.add("vds-nc-not-for-documents", State.FAIL, Reason.KEY_USAGE)
def not_for_documents(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate's key is there to agree on keys, and may not sign."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), signs=False))


@faults.add("vds-nc-critical-extension", State.FAIL, Reason.KEY_USAGE)
def critical_extension(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate says that something must be understood which nobody here knows."""
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), critical=unknown))


@faults.add("vds-nc-signer-expired", State.FAIL, Reason.KEY_EXPIRED)
def signer_expired(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate was good until yesterday."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), end=now - _DAY))


@faults.add("vds-nc-signer-not-yet-valid", State.FAIL, Reason.KEY_PERIOD)
def signer_not_yet_valid(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate is good from tomorrow on."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), begin=now + _DAY))


@faults.add("vds-nc-sealed-after-key-period", State.FAIL, Reason.KEY_PERIOD)
def sealed_after_key_period(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The key had to stop sealing ten days before the dose; its certificate is still good."""
    given = date.fromisoformat(str(event_of(payload)["dt"])[:10])
    stop = datetime.combine(given, time(), UTC) - 10 * _DAY
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), stops_sealing=stop))


# --- Who issued it


@faults.add("vds-nc-own-authority", State.FAIL, Reason.CHAIN_BAD)
def own_authority(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The signer's CSCA has the name and the key identifier of the real one, and another key."""
    forger = key_for(issuer, "vds-nc/own-authority")
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), authority=forger))


@faults.add("vds-nc-self-signed", State.FAIL, Reason.CHAIN_BAD)
def self_signed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The signer has issued its own certificate."""
    label = "self-signed"
    key = key_for(issuer, f"vds-nc/{label}")
    own = replace(Bsc.of(issuer, now), authority=key, issued_by=None, key_id=key_id_of(key))
    return _by(issuer, payload, now, own, label=label)


@faults.add("vds-nc-certificate-between", State.FAIL, Reason.CHAIN_BAD)
def certificate_between(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """An authority stands between the CSCA and the signer."""
    between = key_for(issuer, "vds-nc/between")
    name = name_of(issuer.country, "between")
    below = replace(Bsc.of(issuer, now), authority=between, issued_by=name, key_id=key_id_of(between))
    return _by(issuer, payload, now, below)


@faults.add("vds-nc-sealed-by-csca", State.FAIL, Reason.MALFORMED)
def sealed_by_csca(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The CSCA has signed the seal itself."""
    csca, key = issuer.authority(Domain.VDS_NC, PRODUCTION, now)
    signer = Signer(key, kid_of(csca), issuer.country, csca)
    return written(_seal(issuer, _data(issuer, payload, now), signer=signer))


@faults.add("vds-nc-country-not-held", State.FAIL, Reason.KEY_UNKNOWN)
def country_not_held(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """In order in itself, and of a country whose CSCA is not held."""
    two, three = _NOBODY
    authority = key_for(issuer, "vds-nc/country-not-held")
    csca = make_csca(two, authority, 1, now, name="Health CSCA", health=True)
    name = x509.load_der_x509_certificate(csca).subject
    signer = replace(
        Bsc.of(issuer, now), country=two, authority=authority, issued_by=name, key_id=key_id_of(authority)
    )
    return _by(issuer, payload, now, signer, state=three)


@faults.add("vds-nc-header-of-another-country", State.FAIL, Reason.ISSUER_MISMATCH)
def header_of_another_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The seal names another country than its signer and the CSCA."""
    return _by(issuer, payload, now, Bsc.of(issuer, now), state=_FOREIGN[1])


@faults.add("vds-nc-signer-of-another-country", State.FAIL, Reason.ISSUER_MISMATCH)
def signer_of_another_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The CSCA vouches for a signer of another country."""
    return _by(issuer, payload, now, replace(Bsc.of(issuer, now), country=_FOREIGN[0]))


@faults.add("vds-nc-header-without-country", State.FAIL, Reason.ISSUER_MISMATCH)
def header_without_country(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The seal does not say which state issued it."""
    data = _data(issuer, payload, now)
    del data["hdr"]["is"]
    return written(_seal(issuer, data))


# --- Writing


@faults.add("vds-nc-members-in-other-order", State.PASS)
def members_in_other_order(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The members of every object in the opposite order: the canonical form is the same."""
    return written(reversed_members(_seal(issuer, _data(issuer, payload, now))))


@faults.add("vds-nc-with-blanks", State.PASS)
def with_blanks(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Blanks between all that it says: the canonical form has none."""
    return json.dumps(
        _seal(issuer, _data(issuer, payload, now)), ensure_ascii=False, separators=(" , ", " : ")
    )


@faults.add("vds-nc-with-escapes", State.PASS)
def with_escapes(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A letter of a text written as its number."""
    text = written(_seal(issuer, _data(issuer, payload, now)))
    return text.replace('"icao.vacc"', r'"icao.\u0076acc"')


@faults.add("vds-nc-number-with-fraction", State.PASS)
def number_with_fraction(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """1.0 for 1, which is the same number and has the same canonical form."""
    text = written(_seal(issuer, _data(issuer, payload, now)))
    return text.replace('"v":1', '"v":1.0')


@faults.add("vds-nc-member-outside", State.PASS)
def member_outside(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A member beside what is sealed and its signature, where nothing is signed and nothing is read."""
    return written(_seal(issuer, _data(issuer, payload, now)) | {"printed": "at home"})


@faults.add("vds-nc-padding", State.PASS)
def padding(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Certificate and signature with padding behind them, as Australia writes them."""
    seal = _seal(issuer, _data(issuer, payload, now))
    for name in ("cer", "sigvl"):
        seal["sig"][name] += "=" * (-len(seal["sig"][name]) % 4)
    return written(seal)


@faults.add("vds-nc-other-alphabet", State.FAIL, Reason.MALFORMED)
def other_alphabet(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The certificate in the Base64 of mail and not in that of addresses."""
    seal = _seal(issuer, _data(issuer, payload, now))
    seal["sig"]["cer"] = "+/" + seal["sig"]["cer"][2:]
    return written(seal)


@faults.add("vds-nc-member-twice", State.FAIL, Reason.MALFORMED)
def member_twice(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its holder twice: two readers would see two people."""
    seal = _seal(issuer, _data(issuer, payload, now))
    return written(seal).replace('"pid":{', '"pid":{"n":"NEMO",')


@faults.add("vds-nc-not-a-number", State.FAIL, Reason.MALFORMED)
def not_a_number(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Holds a NaN, which is no JSON."""
    return _replaced(issuer, payload, now, '"v":1', '"v":NaN')


@faults.add("vds-nc-number-too-large", State.FAIL, Reason.MALFORMED)
def number_too_large(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A whole number that some readers round."""
    return _replaced(issuer, payload, now, '"v":1', f'"v":1,"x":{2**53}')


@faults.add("vds-nc-half-a-character", State.FAIL, Reason.MALFORMED)
def half_a_character(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A text with one half of a character that takes two."""
    return _replaced(issuer, payload, now, '"v":1', r'"v":1,"x":"\ud800"')


@faults.add("vds-nc-data-as-text", State.FAIL, Reason.MALFORMED)
def data_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """What is sealed stands there as a text, and not as an object."""
    seal = _seal(issuer, _data(issuer, payload, now))
    return written(seal | {"data": written(seal["data"])})


@faults.add("vds-nc-cut-short", State.FAIL, Reason.MALFORMED)
def cut_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last twenty characters are missing."""
    return written(_seal(issuer, _data(issuer, payload, now)))[:-20]


@faults.add("vds-nc-too-deep", State.FAIL, Reason.TOO_BIG)
def too_deep(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Forty lists, each in the next."""
    return _replaced(issuer, payload, now, '"v":1', f'"v":1,"x":{"[" * _DEEP}{"]" * _DEEP}')


@faults.add("vds-nc-too-long", State.FAIL, Reason.TOO_BIG)
def too_long(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """More blanks than any symbol holds."""
    return "{" + " " * _LONG + written(_seal(issuer, _data(issuer, payload, now)))[1:]


# --- Content


@faults.add("vds-nc-other-type", State.CHECK, Reason.UNSUPPORTED)
def other_type(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A seal of another kind, a travel authorisation for instance."""
    return _of_header(issuer, payload, now, t="icao.dta")


@faults.add("vds-nc-other-version", State.CHECK, Reason.UNSUPPORTED)
def other_version(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A seal of version 2."""
    return _of_header(issuer, payload, now, v=2)


@faults.add("vds-nc-no-event", State.FAIL, Reason.MALFORMED)
def no_event(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A holder and no dose."""
    data = _data(issuer, payload, now)
    data["msg"]["ve"] = []
    return written(_seal(issuer, data))


@faults.add("vds-nc-no-holder", State.FAIL, Reason.MALFORMED)
def no_holder(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose of nobody's."""
    data = _data(issuer, payload, now)
    del data["msg"]["pid"]["n"]
    return written(_seal(issuer, data))


@faults.add("vds-nc-dose-day-impossible", State.FAIL, Reason.MALFORMED)
def dose_day_impossible(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose on a day that no calendar has."""
    return _of_dose(issuer, payload, now, dvc=f"{now.year}-02-30")


@faults.add("vds-nc-dose-number-zero", State.FAIL, Reason.MALFORMED)
def dose_number_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose number zero."""
    return _of_dose(issuer, payload, now, seq=0)


@faults.add("vds-nc-dose-in-the-future", State.FAIL, Reason.NOT_YET_VALID)
def dose_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose that will be given in two days."""
    return _of_dose(issuer, payload, now, dvc=(now + 2 * _DAY).date().isoformat())


@faults.add("vds-nc-two-doses", State.PASS)
def two_doses(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A whole course in one seal, as seals have it."""
    data = _data(issuer, payload, now)
    doses = data["msg"]["ve"][0]["vd"]
    doses.insert(0, doses[0] | {"seq": 1, "dvc": (now - 200 * _DAY).date().isoformat()})
    return written(_seal(issuer, data))


@faults.add("vds-nc-too-many-doses", State.FAIL, Reason.TOO_BIG)
def too_many_doses(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Seventeen doses of one vaccine."""
    data = _data(issuer, payload, now)
    data["msg"]["ve"][0]["vd"] *= 17
    return written(_seal(issuer, data))


@faults.add("vds-nc-without-birth-date", State.CHECK, Reason.DOB_PARTIAL)
def without_birth_date(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names a passport and not the day of birth, as a seal may."""
    data = _data(issuer, payload, now)
    del data["msg"]["pid"]["dob"]
    data["msg"]["pid"]["i"] = "X0000000"
    return written(_seal(issuer, data))


@faults.add("vds-nc-test-positive", State.FAIL, Reason.TEST_POSITIVE)
def test_positive(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test that found the virus."""
    tested = swab(issuer, payload, now, result=DETECTED)
    return written(_seal(issuer, _data(issuer, tested, now)))


@faults.add("vds-nc-test-in-the-future", State.FAIL, Reason.TEST_FUTURE)
def test_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A sample that will be taken tomorrow."""
    return written(_seal(issuer, _data(issuer, swab(issuer, payload, now, age=-_DAY), now)))


# --- Making them


def _data(issuer: Issuer, payload: Payload, now: datetime) -> dict[str, Any]:
    """What is sealed, without fault."""
    return document_for(issuer, Family.VDS_NC, payload, now)


def _seal(
    issuer: Issuer,
    data: Mapping[str, Any],
    *,
    signer: Signer | None = None,
    alg: str = "ES256",
    sign: Sign | None = None,
) -> dict[str, Any]:
    """A seal as an object. alg: what it says. sign: what makes the signature, if not the signer's key."""
    signer = signer or issuer.signer(Domain.VDS_NC)
    signature = (sign or signer.key.sign)(rfc8785.dumps(dict(data)))
    sig = {"alg": alg, "cer": _base64url(signer.certificate), "sigvl": _base64url(signature)}
    return {"data": data, "sig": sig}


def _base64url(data: bytes | None) -> str:
    return base64url.encode(data or b"")


def _without(seal: dict[str, Any], name: str) -> dict[str, Any]:
    """A seal without this member of its signature."""
    del seal["sig"][name]
    return seal


def _resigned(issuer: Issuer, payload: Payload, now: datetime, change: Sign) -> str:
    """A seal with its signature changed."""
    sign = issuer.signer(Domain.VDS_NC).key.sign
    return written(_seal(issuer, _data(issuer, payload, now), sign=lambda data: change(sign(data))))


def _replaced(issuer: Issuer, payload: Payload, now: datetime, old: str, new: str) -> str:
    """A seal that says something which has no canonical form, so that nobody can sign it."""
    return written(_seal(issuer, _data(issuer, payload, now))).replace(old, new)


def _of_header(issuer: Issuer, payload: Payload, now: datetime, **members: Any) -> str:
    data = _data(issuer, payload, now)
    data["hdr"] |= members
    return written(_seal(issuer, data))


def _of_dose(issuer: Issuer, payload: Payload, now: datetime, **members: Any) -> str:
    data = _data(issuer, payload, now)
    data["msg"]["ve"][0]["vd"][0] |= members
    return written(_seal(issuer, data))


def _by(
    issuer: Issuer, payload: Payload, now: datetime, certificate: Bsc, *, label: str = "", state: str = ""
) -> str:
    """A seal by a signer of this certificate. state: that the header names, empty for the issuer's own."""
    data = _data(issuer, payload, now)
    data["hdr"] |= {"is": state} if state else {}
    return written(_seal(issuer, data, signer=certificate.signer(issuer, label or "signer")))
