"""Faults of SMART Health Cards: digits, parts, JWS, deflate, JSON, claims, bundle, keys.

The rules this module keeps:

* A card is signed as the fault leaves it, unless the fault is that something was changed afterwards.
* What a header or payload is given here stands there as it is: ``None`` takes a member of the header away.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from issuer.documents import Facts
from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.json_families import (
    Sign,
    document_for,
    in_der,
    note_common,
    other_birth_year,
    other_bit,
    swab,
    with_public_key,
    written,
)
from issuer.office import YEAR, Issued, Issuer
from issuer.revocation import identifier_digest
from verifier.certificate import DETECTED, Family
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind
from verifier.wire import base64url, fhir, shc

faults = Catalogue(Family.SHC)
note_common(faults, "shc")

_BOMB = 1024 * 1024  # bytes; they deflate to one KiB
_DEEP = 40  # lists in each other


# --- Signature and algorithm


@faults.add("shc-payload-changed", State.FAIL, Reason.SIG_BAD)
def payload_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed, then the last digit of the birth year changed."""
    text = written(_claims(issuer, payload, now))
    _, _, signature = _card(issuer, _deflated(text)).split(".")
    head, body, _ = _card(issuer, _deflated(other_birth_year(text, payload))).split(".")
    return _code(f"{head}.{body}.{signature}")


@faults.add("shc-signature-changed", State.FAIL, Reason.SIG_BAD)
def signature_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """One bit of the signature changed."""
    return _resigned(issuer, payload, now, other_bit)


@faults.add("shc-signature-in-der", State.FAIL, Reason.SIG_BAD)
def signature_in_der(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A signature in DER, as X.509 writes it, where its two numbers side by side belong."""
    return _resigned(issuer, payload, now, in_der)


@faults.add("shc-signature-short", State.FAIL, Reason.SIG_BAD)
def signature_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last byte of the signature is missing."""
    return _resigned(issuer, payload, now, lambda signature: signature[:-1])


@faults.add("shc-signature-missing", State.FAIL, Reason.SIG_BAD)
def signature_missing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says ES256, and nothing stands where the signature belongs."""
    return _resigned(issuer, payload, now, lambda _: b"")


@faults.add("shc-algorithm-none", State.FAIL, Reason.ALG_REFUSED)
def algorithm_none(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that it is not signed, and is not."""
    return _code(_card(issuer, _claims(issuer, payload, now), lambda _: b"", alg="none"))


@faults.add("shc-algorithm-hs256", State.FAIL, Reason.ALG_REFUSED)
def algorithm_hs256(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """An HMAC whose secret is the issuer's public key."""
    sign = with_public_key(issuer.signer(Domain.SHC))
    return _code(_card(issuer, _claims(issuer, payload, now), sign, alg="HS256"))


@faults.add("shc-algorithm-es384", State.FAIL, Reason.ALG_REFUSED)
def algorithm_es384(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed with ES256, and says ES384."""
    return _code(_card(issuer, _claims(issuer, payload, now), alg="ES384"))


@faults.add("shc-without-algorithm", State.FAIL, Reason.ALG_REFUSED)
def without_algorithm(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say with which algorithm it is signed."""
    return _code(_card(issuer, _claims(issuer, payload, now), alg=None))


# --- Whose key


@faults.add("shc-without-kid", State.FAIL, Reason.MALFORMED)
def without_kid(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say with which key it is signed."""
    return _code(_card(issuer, _claims(issuer, payload, now), kid=None))


@faults.add("shc-kid-not-thumbprint", State.FAIL, Reason.KEY_UNKNOWN)
def kid_not_thumbprint(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed key, which it calls by a name that is not the key's thumbprint."""
    return _code(_card(issuer, _claims(issuer, payload, now), kid="key-1"))


@faults.add("shc-issuer-of-no-key", State.FAIL, Reason.KEY_UNKNOWN)
def issuer_of_no_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed key, and names an issuer whose key that is not."""
    return _of_issuer(issuer, payload, now, "https://clinic.issuer.example")


@faults.add("shc-issuer-with-slash", State.FAIL, Reason.KEY_UNKNOWN)
def issuer_with_slash(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The issuer's name with a slash behind it, which makes another issuer of it."""
    return _of_issuer(issuer, payload, now, issuer.signer(Domain.SHC).issuer + "/")


@faults.add("shc-issuer-in-capitals", State.FAIL, Reason.KEY_UNKNOWN)
def issuer_in_capitals(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The issuer's name in capitals: a browser would not mind, names are compared to the letter."""
    return _of_issuer(issuer, payload, now, issuer.signer(Domain.SHC).issuer.upper())


# --- Compression


@faults.add("shc-without-zip", State.FAIL, Reason.MALFORMED)
def without_zip(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say that its payload is compressed."""
    return _code(_card(issuer, _claims(issuer, payload, now), zip=None))


@faults.add("shc-not-compressed", State.FAIL, Reason.MALFORMED)
def not_compressed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A payload of plain JSON, and no word of compression: a token, but not a card's."""
    return _code(_card(issuer, written(_claims(issuer, payload, now)).encode(), zip=None))


@faults.add("shc-zip-of-another-kind", State.FAIL, Reason.MALFORMED)
def zip_of_another_kind(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names a compression that cards do not have."""
    return _code(_card(issuer, _claims(issuer, payload, now), zip="GZ"))


@faults.add("shc-zlib-wrapper", State.FAIL, Reason.MALFORMED)
def zlib_wrapper(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Deflated in the wrapper of zlib, which is not raw deflate."""
    return _code(_card(issuer, zlib.compress(written(_claims(issuer, payload, now)).encode(), 9)))


@faults.add("shc-payload-cut", State.FAIL, Reason.MALFORMED)
def payload_cut(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The deflated payload ends before its end, and is signed so."""
    return _code(_card(issuer, _deflated(written(_claims(issuer, payload, now)))[:-20]))


@faults.add("shc-bytes-behind-payload", State.FAIL, Reason.MALFORMED)
def bytes_behind_payload(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Four bytes behind the end of the deflated payload, signed with it."""
    return _code(_card(issuer, _deflated(written(_claims(issuer, payload, now))) + bytes(4)))


@faults.add("shc-bomb", State.FAIL, Reason.TOO_BIG)
def bomb(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Inflates to a megabyte, nearly all of it blanks."""
    return _code(_card(issuer, _deflated(written(_claims(issuer, payload, now)) + " " * _BOMB)))


# --- JSON


@faults.add("shc-payload-no-json", State.FAIL, Reason.MALFORMED)
def payload_no_json(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The payload lacks its last bracket."""
    return _code(_card(issuer, _deflated(written(_claims(issuer, payload, now))[:-1])))


@faults.add("shc-payload-no-object", State.FAIL, Reason.MALFORMED)
def payload_no_object(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The payload is a list with the card in it."""
    return _code(_card(issuer, _deflated(written([_claims(issuer, payload, now)]))))


@faults.add("shc-member-twice", State.FAIL, Reason.MALFORMED)
def member_twice(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says twice until when it holds: two readers would see two dates."""
    text = written(_claims(issuer, payload, now))
    late = int((now + 10 * YEAR).timestamp())
    return _code(_card(issuer, _deflated(f'{text[:-1]},"exp":{late}}}')))


@faults.add("shc-not-a-number", State.FAIL, Reason.MALFORMED)
def not_a_number(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Holds a NaN, which is no JSON."""
    return _code(_card(issuer, _claims(issuer, payload, now) | {"score": float("nan")}))


@faults.add("shc-byte-order-mark", State.FAIL, Reason.MALFORMED)
def byte_order_mark(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A byte order mark before the payload's first bracket."""
    return _code(_card(issuer, _deflated("\ufeff" + written(_claims(issuer, payload, now)))))


@faults.add("shc-too-deep", State.FAIL, Reason.TOO_BIG)
def too_deep(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Forty lists, each in the next."""
    text = written(_claims(issuer, payload, now))
    return _code(_card(issuer, _deflated(f'{text[:-1]},"x":{"[" * _DEEP}{"]" * _DEEP}}}')))


# --- Claims


@faults.add("shc-nbf-as-text", State.FAIL, Reason.MALFORMED)
def nbf_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says as a text since when it holds, and not as seconds."""
    claims = _claims(issuer, payload, now)
    return _code(_card(issuer, claims | {"nbf": str(claims["nbf"])}))


@faults.add("shc-nbf-as-fraction", State.PASS)
def nbf_as_fraction(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says to a fraction of a second since when it holds, as real cards do."""
    claims = _claims(issuer, payload, now)
    return _code(_card(issuer, claims | {"nbf": claims["nbf"] - 0.375}))


@faults.add("shc-nbf-in-milliseconds", State.FAIL, Reason.MALFORMED)
def nbf_in_milliseconds(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Counts milliseconds where seconds are meant, and so lies outside the calendar."""
    claims = _claims(issuer, payload, now)
    return _code(_card(issuer, claims | {"nbf": claims["nbf"] * 1000}))


@faults.add("shc-without-nbf", State.FAIL, Reason.MALFORMED)
def without_nbf(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say since when it holds."""
    claims = _claims(issuer, payload, now)
    del claims["nbf"]
    return _code(_card(issuer, claims))


@faults.add("shc-without-expiry", State.PASS)
def without_expiry(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Holds without end, as most cards do."""
    claims = _claims(issuer, payload, now)
    del claims["exp"]
    return _code(_card(issuer, claims))


@faults.add("shc-unknown-claims", State.PASS)
def unknown_claims(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Claims that nobody here knows, in the payload and in the header."""
    claims = _claims(issuer, payload, now) | {"jti": "card-1", "aud": ["anybody"]}
    return _code(_card(issuer, claims, typ="JWT"))


@faults.add("shc-members-in-other-order", State.PASS)
def members_in_other_order(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Header and payload with their members in another order, and blanks between them."""
    signer = issuer.signer(Domain.SHC)
    head = f'{{"kid": "{signer.kid.decode()}", "zip": "DEF", "alg": "ES256"}}'
    claims = _claims(issuer, payload, now)
    text = ", ".join(f'"{name}": {written(claims[name])}' for name in sorted(claims, reverse=True))
    signed = f"{base64url.encode(head.encode())}.{base64url.encode(_deflated(f'{{ {text} }}'))}"
    return _code(f"{signed}.{base64url.encode(signer.key.sign(signed.encode()))}")


# --- Content


@faults.add("shc-fhir-3", State.CHECK, Reason.UNSUPPORTED)
def fhir_3(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A bundle of version 3 of FHIR."""
    return _of_version(issuer, payload, now, "3.0.2")


@faults.add("shc-fhir-5", State.CHECK, Reason.UNSUPPORTED)
def fhir_5(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A bundle of version 5 of FHIR."""
    return _of_version(issuer, payload, now, "5.0.0")


@faults.add("shc-other-credential", State.CHECK, Reason.UNSUPPORTED)
def other_credential(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A credential that does not call itself a health card."""
    claims = _claims(issuer, payload, now)
    claims["vc"]["type"] = [kind for kind in claims["vc"]["type"] if kind != fhir.HEALTH_CARD]
    return _code(_card(issuer, claims))


@faults.add("shc-two-patients", State.FAIL, Reason.MALFORMED)
def two_patients(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Two persons in one card."""
    claims = _claims(issuer, payload, now)
    other = _entries(claims)[0]["resource"] | {"name": [{"family": "Nemo"}]}
    _entries(claims).append({"fullUrl": "resource:2", "resource": other})
    return _code(_card(issuer, claims))


@faults.add("shc-no-patient", State.CHECK, Reason.UNSUPPORTED)
def no_patient(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Nobody in the card."""
    claims = _claims(issuer, payload, now)
    del _entries(claims)[0]
    return _code(_card(issuer, claims))


@faults.add("shc-dose-of-another-person", State.FAIL, Reason.MALFORMED)
def dose_of_another_person(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose names a person who is not the card's."""
    claims = _claims(issuer, payload, now)
    _entries(claims)[1]["resource"]["patient"] = {"reference": "resource:7"}
    return _code(_card(issuer, claims))


@faults.add("shc-no-event", State.CHECK, Reason.UNSUPPORTED)
def no_event(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A person and nothing else."""
    claims = _claims(issuer, payload, now)
    del _entries(claims)[1:]
    return _code(_card(issuer, claims))


@faults.add("shc-dose-not-given", State.CHECK, Reason.UNSUPPORTED)
def dose_not_given(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The only dose was not given, so there is no event in the card."""
    return _of_dose(issuer, payload, now, status="not-done")


@faults.add("shc-dose-with-modifier", State.CHECK, Reason.VALUE_UNKNOWN)
def dose_with_modifier(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose carries an extension that changes its meaning, and that nobody here knows."""
    modifier = {"url": "https://issuer.example/fhir/recalled", "valueBoolean": True}
    return _of_dose(issuer, payload, now, modifierExtension=[modifier])


@faults.add("shc-dose-day-impossible", State.FAIL, Reason.MALFORMED)
def dose_day_impossible(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose on a day that no calendar has."""
    return _of_dose(issuer, payload, now, occurrenceDateTime=f"{now.year}-02-30")


@faults.add("shc-dose-number-zero", State.FAIL, Reason.MALFORMED)
def dose_number_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose number zero."""
    return _of_dose(issuer, payload, now, protocolApplied=[{"doseNumberPositiveInt": 0}])


@faults.add("shc-dose-in-the-future", State.FAIL, Reason.NOT_YET_VALID)
def dose_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose that will be given in two days."""
    day = (now + timedelta(days=2)).date().isoformat()
    return _of_dose(issuer, payload, now, occurrenceDateTime=day)


@faults.add("shc-two-doses", State.PASS)
def two_doses(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A whole course in one card, as cards have it."""
    claims = _claims(issuer, payload, now)
    dose = _entries(claims)[1]["resource"]
    first = dose | {"occurrenceDateTime": (now - timedelta(days=200)).date().isoformat()}
    _entries(claims).append({"fullUrl": "resource:2", "resource": first})
    return _code(_card(issuer, claims))


@faults.add("shc-test-positive", State.FAIL, Reason.TEST_POSITIVE)
def test_positive(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test that found the virus."""
    return _issued(issuer, swab(issuer, payload, now, result=DETECTED), now).code


@faults.add("shc-test-in-the-future", State.FAIL, Reason.TEST_FUTURE)
def test_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A sample that will be taken tomorrow."""
    return _issued(issuer, swab(issuer, payload, now, age=timedelta(days=-1)), now).code


@faults.add("shc-without-birth-date", State.CHECK, Reason.DOB_PARTIAL)
def without_birth_date(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say when its holder was born."""
    claims = _claims(issuer, payload, now)
    del _entries(claims)[0]["resource"]["birthDate"]
    return _code(_card(issuer, claims))


# --- Revocation


@faults.add("shc-rid-too-long", State.FAIL, Reason.MALFORMED)
def rid_too_long(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A revocation id of twenty-five characters, one more than there may be."""
    claims = _claims(issuer, payload, now)
    claims["vc"]["rid"] = "R" * 25
    return _code(_card(issuer, claims))


@faults.add("shc-revoked-by-bundle", State.FAIL, Reason.REVOKED)
def revoked_by_bundle(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Has no revocation id and is revoked by the hash of its bundle; shows once that is published and synced.

    The batch is one of its own, since every card with this bundle is revoked.
    """
    claims = document_for(issuer, Family.SHC, payload, now, facts=Facts(batch="RECALLED"))
    del claims["vc"]["rid"]
    digest = identifier_digest(fhir.hash_fhir(claims["vc"]["credentialSubject"]["fhirBundle"]))
    with issuer.registry.change():
        issuer.registry.revoke(issuer.signer(Domain.SHC).kid, HashKind.FHIR, digest)
    return _code(_card(issuer, claims))


# --- The JWS and its digits


@faults.add("shc-capital-prefix", State.RESCAN, Reason.NOT_CERT)
def capital_prefix(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The prefix in capitals, which is the prefix of nothing."""
    return _issued(issuer, payload, now).text.replace("shc:", "SHC:")


@faults.add("shc-odd-digits", State.FAIL, Reason.MALFORMED)
def odd_digits(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last digit is missing."""
    return _issued(issuer, payload, now).text[:-1]


@faults.add("shc-cut-short", State.FAIL, Reason.MALFORMED)
def cut_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The second half is missing, and the signature with it."""
    digits = _issued(issuer, payload, now).text.removeprefix(shc.PREFIX)
    return shc.PREFIX + digits[: len(digits) // 4 * 2]


@faults.add("shc-pair-too-large", State.FAIL, Reason.MALFORMED)
def pair_too_large(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A pair of digits that stands for no character."""
    return _issued(issuer, payload, now).text[:-2] + "78"


@faults.add("shc-letter-among-digits", State.FAIL, Reason.MALFORMED)
def letter_among_digits(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A letter O where a digit belongs."""
    return _issued(issuer, payload, now).text[:-1] + "O"


@faults.add("shc-padding", State.FAIL, Reason.MALFORMED)
def padding(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The signature in Base64 with padding."""
    return _code(_card(issuer, _claims(issuer, payload, now)) + "==")


@faults.add("shc-four-segments", State.FAIL, Reason.MALFORMED)
def four_segments(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A JWS with a fourth part."""
    return _code(_card(issuer, _claims(issuer, payload, now)) + ".AAAA")


@faults.add("shc-critical-header", State.FAIL, Reason.MALFORMED)
def critical_header(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The header asks for something that must be understood, and that nobody here knows."""
    return _code(_card(issuer, _claims(issuer, payload, now), crit=["where"], where="at home"))


@faults.add("shc-bare-jws", State.PASS)
def bare_jws(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The JWS without prefix and digits, as it is sent by mail."""
    return _card(issuer, _claims(issuer, payload, now))


@faults.add("shc-line-end", State.PASS)
def line_end(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A line end behind it, as some scanners write."""
    return _issued(issuer, payload, now).text + "\r\n"


# --- Parts


@faults.add("shc-parts-in-disorder", State.PASS)
def parts_in_disorder(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Three parts, the last one read first, and one read twice."""
    one, two, three = _issued(issuer, payload, now).parts(3)
    return three, one, three, two


@faults.add("shc-part-of-one", State.PASS)
def part_of_one(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A whole card that calls itself part one of one."""
    return _issued(issuer, payload, now).text.replace(shc.PREFIX, shc.PREFIX + "1/1/")


@faults.add("shc-part-missing", State.RESCAN, Reason.INCOMPLETE)
def part_missing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Two parts of three."""
    one, _, three = _issued(issuer, payload, now).parts(3)
    return one, three


@faults.add("shc-part-alone", State.RESCAN, Reason.INCOMPLETE)
def part_alone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """One part of two."""
    return _issued(issuer, payload, now).parts(2)[1]


@faults.add("shc-part-beyond-count", State.FAIL, Reason.MALFORMED)
def part_beyond_count(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last of three parts, which calls itself the fourth."""
    _, _, three = _issued(issuer, payload, now).parts(3)
    return three.replace("/3/3/", "/4/3/")


@faults.add("shc-too-many-parts", State.FAIL, Reason.TOO_BIG)
def too_many_parts(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The first of thirty-three parts."""
    return _parts(_card(issuer, _claims(issuer, payload, now)), 33)[0]


@faults.add("shc-parts-of-two-cards", State.FAIL, Reason.SIG_BAD)
def parts_of_two_cards(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The first part of one card, which ends at its signature, and with it the signature of another."""
    mine = _claims(issuer, payload, now)
    head, _, _ = _card(issuer, mine).rpartition(".")
    _, _, signature = _card(issuer, mine | {"nbf": mine["nbf"] - 60}).rpartition(".")
    pieces = enumerate((f"{head}.", signature), 1)
    return tuple(f"{shc.PREFIX}{number}/2/{_digits(piece)}" for number, piece in pieces)


# --- Making them


def _claims(issuer: Issuer, payload: Payload, now: datetime) -> dict[str, Any]:
    """The claims of a card without fault."""
    return document_for(issuer, Family.SHC, payload, now)


def _entries(claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of its bundle: the person, then the dose."""
    entries: list[dict[str, Any]] = claims["vc"]["credentialSubject"]["fhirBundle"]["entry"]
    return entries


def _deflated(text: str) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(text.encode()) + stream.flush()


def _card(issuer: Issuer, content: Mapping[str, Any] | bytes, sign: Sign | None = None, **header: Any) -> str:
    """The JWS of a card. content: its claims, or its payload as it is. header: members that differ."""
    signer = issuer.signer(Domain.SHC)
    usual = {"zip": shc.COMPRESSION, "alg": "ES256", "kid": signer.kid.decode()}
    head = {name: value for name, value in (usual | header).items() if value is not None}
    body = content if isinstance(content, bytes) else _deflated(written(content))
    signed = f"{base64url.encode(shc.minified(head))}.{base64url.encode(body)}"
    return f"{signed}.{base64url.encode((sign or signer.key.sign)(signed.encode()))}"


def _code(jws: str) -> str:
    return shc.PREFIX + _digits(jws)


def _digits(jws: str) -> str:
    return "".join(f"{ord(character) - ord('-'):02}" for character in jws)


def _parts(jws: str, count: int) -> list[str]:
    """More parts than an encoder would make."""
    cuts = [len(jws) * number // count for number in range(count + 1)]
    pieces = [jws[start:end] for start, end in pairwise(cuts)]
    return [f"{shc.PREFIX}{number}/{count}/{_digits(piece)}" for number, piece in enumerate(pieces, 1)]


def _issued(issuer: Issuer, payload: Payload, now: datetime) -> Issued:
    return issuer.issue(payload, issued_at=now, expires_at=now + YEAR, family=Family.SHC)


def _resigned(issuer: Issuer, payload: Payload, now: datetime, change: Sign) -> str:
    """A card with its signature changed."""
    sign = issuer.signer(Domain.SHC).key.sign
    return _code(_card(issuer, _claims(issuer, payload, now), lambda data: change(sign(data))))


def _of_issuer(issuer: Issuer, payload: Payload, now: datetime, name: str) -> str:
    return _code(_card(issuer, _claims(issuer, payload, now) | {"iss": name}))


def _of_version(issuer: Issuer, payload: Payload, now: datetime, version: str) -> str:
    claims = _claims(issuer, payload, now)
    claims["vc"]["credentialSubject"]["fhirVersion"] = version
    return _code(_card(issuer, claims))


def _of_dose(issuer: Issuer, payload: Payload, now: datetime, **members: Any) -> str:
    """A card whose dose has these members, beside those that it has."""
    claims = _claims(issuer, payload, now)
    _entries(claims)[1]["resource"] |= members
    return _code(_card(issuer, claims))
