"""Faults of DIVOC documents: the ZIP, its JSON, contexts and statements, the proof, content.

The rules this module keeps:

* A document is signed as the fault leaves it. Where no statements can be made of it (a context that is not
  known, too many parts) it is changed afterwards, and the proof is the one of before.
* Several changes keep the statements, and so the signature: those are no faults, and PASS.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.json_families import (
    Sign,
    document_for,
    note_common,
    other_birth_year,
    other_bit,
    reversed_members,
    with_public_key,
    written,
)
from issuer.keys import Algorithm
from issuer.office import YEAR, Issuer
from issuer.sealing import Signer
from verifier import times
from verifier.certificate import Family
from verifier.reasons import Reason, State
from verifier.trust import Domain, KeyStatus
from verifier.wire import base64url, divoc, jsonld

faults = Catalogue(Family.DIVOC)
note_common(faults, "divoc")

_DAY = timedelta(days=1)
_BOMB = 1024 * 1024  # bytes; they deflate to one KiB
_DEEP = 40  # lists in each other
_V1 = "https://cowin.gov.in/credentials/vaccination/v1"


# --- Signature and algorithm


@faults.add("divoc-payload-changed", State.FAIL, Reason.SIG_BAD)
def payload_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed, then the last digit of the birth year changed."""
    return _zip(other_birth_year(written(_good(issuer, payload, now)), payload))


@faults.add("divoc-signature-changed", State.FAIL, Reason.SIG_BAD)
def signature_changed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """One bit of the signature changed."""
    return _resigned(issuer, payload, now, other_bit)


@faults.add("divoc-signature-short", State.FAIL, Reason.SIG_BAD)
def signature_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The last byte of the signature is missing."""
    return _resigned(issuer, payload, now, lambda signature: signature[:-1])


@faults.add("divoc-proof-of-another-document", State.FAIL, Reason.SIG_BAD)
def proof_of_another_document(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The proof was made for the document of another person."""
    other = _document(issuer, payload, now)
    other["credentialSubject"]["name"] = "Nemo"
    proof = _proved(issuer, other, now)["proof"]
    return _code(_document(issuer, payload, now) | {"proof": proof})


@faults.add("divoc-proof-dated-back", State.FAIL, Reason.SIG_BAD)
def proof_dated_back(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed, then another instant written for when it was."""
    proved = _good(issuer, payload, now)
    proved["proof"]["created"] = times.written(now - YEAR)
    return _code(proved)


@faults.add("divoc-algorithm-none", State.FAIL, Reason.ALG_REFUSED)
def algorithm_none(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says that it is not signed, and is not."""
    return _code(
        _proved(issuer, _document(issuer, payload, now), now, header={"alg": "none"}, sign=lambda _: b"")
    )


@faults.add("divoc-algorithm-hs256", State.FAIL, Reason.ALG_REFUSED)
def algorithm_hs256(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """An HMAC whose secret is the issuer's public key."""
    sign = with_public_key(issuer.signer(Domain.DIVOC))
    return _code(_proved(issuer, _document(issuer, payload, now), now, header={"alg": "HS256"}, sign=sign))


@faults.add("divoc-algorithm-of-another-suite", State.FAIL, Reason.ALG_REFUSED)
def algorithm_of_another_suite(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed with EdDSA, and calls itself a proof by RSA."""
    return _with_options(issuer, payload, now, type="RsaSignature2018")


@faults.add("divoc-without-algorithm", State.FAIL, Reason.ALG_REFUSED)
def without_algorithm(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say with which algorithm it is signed."""
    return _code(_proved(issuer, _document(issuer, payload, now), now, header={"alg": None}))


@faults.add("divoc-ps256", State.PASS)
def ps256(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed with RSA, as India's are; shows once its key is published and synced."""
    keys = issuer.keys_of(Algorithm.PS256, Domain.DIVOC)
    if not any(key.status is not KeyStatus.WITHDRAWN for key in keys):
        issuer.rotate(Algorithm.PS256, now=now, domain=Domain.DIVOC)
    issued = issuer.issue(
        payload, issued_at=now, expires_at=now + YEAR, family=Family.DIVOC, algorithm=Algorithm.PS256
    )
    return issued.code


# --- The proof and its key


@faults.add("divoc-header-without-b64", State.FAIL, Reason.MALFORMED)
def header_without_b64(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The header does not say that the payload is signed as it is."""
    return _code(_proved(issuer, _document(issuer, payload, now), now, header={"b64": None}))


@faults.add("divoc-header-without-crit", State.FAIL, Reason.MALFORMED)
def header_without_crit(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The header does not say that this must be understood."""
    return _code(_proved(issuer, _document(issuer, payload, now), now, header={"crit": None}))


@faults.add("divoc-payload-in-proof", State.FAIL, Reason.MALFORMED)
def payload_in_proof(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The proof holds a payload of its own between its two points."""
    proved = _good(issuer, payload, now)
    proved["proof"]["jws"] = proved["proof"]["jws"].replace("..", ".e30.")
    return _code(proved)


@faults.add("divoc-signature-with-padding", State.PASS)
def signature_with_padding(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The signature with padding behind it, as some encoders write it."""
    proved = _good(issuer, payload, now)
    proved["proof"]["jws"] += "=="
    return _code(proved)


@faults.add("divoc-without-proof", State.FAIL, Reason.MALFORMED)
def without_proof(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Nothing of a signature in it."""
    return _code(_document(issuer, payload, now))


@faults.add("divoc-two-proofs", State.FAIL, Reason.MALFORMED)
def two_proofs(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A list of proofs where one belongs."""
    proved = _good(issuer, payload, now)
    return _code(proved | {"proof": [proved["proof"]] * 2})


@faults.add("divoc-proof-of-another-type", State.CHECK, Reason.UNSUPPORTED)
def proof_of_another_type(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A proof of a kind that is not read."""
    return _with_options(issuer, payload, now, type="JsonWebSignature2020")


@faults.add("divoc-proof-to-log-in", State.FAIL, Reason.MALFORMED)
def proof_to_log_in(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A proof that was made to log in somewhere, and not to assert anything."""
    return _with_options(issuer, payload, now, proofPurpose="authentication")


@faults.add("divoc-without-kid", State.FAIL, Reason.MALFORMED)
def without_kid(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Does not say with which key it is signed."""
    return _with_options(issuer, payload, now, verificationMethod=None)


@faults.add("divoc-kid-of-no-key", State.FAIL, Reason.KEY_UNKNOWN)
def kid_of_no_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed key, which it calls by a name that stands on no list."""
    return _with_options(issuer, payload, now, verificationMethod="did:nobody")


@faults.add("divoc-issuer-of-another-key", State.FAIL, Reason.ISSUER_MISMATCH)
def issuer_of_another_key(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Signed by a listed key, and names an issuer whose key that is not."""
    document = _document(issuer, payload, now) | {"issuer": "https://clinic.issuer.example/"}
    return _code(_proved(issuer, document, now))


@faults.add("divoc-issuer-not-signed", State.CHECK, Reason.UNSUPPORTED)
def issuer_not_signed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The issuer is no IRI, so that the signature does not cover it."""
    document = _document(issuer, payload, now) | {"issuer": "the clinic"}
    return _code(_proved(issuer, document, now))


# --- Contexts and statements


@faults.add("divoc-unknown-context", State.CHECK, Reason.UNSUPPORTED)
def unknown_context(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A context that is not held here, and is never fetched."""
    proved = _good(issuer, payload, now)
    return _code(proved | {"@context": [proved["@context"][0], "https://issuer.example/contexts/v9"]})


@faults.add("divoc-inline-context", State.FAIL, Reason.MALFORMED)
def inline_context(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The document says itself what its words mean."""
    proved = _good(issuer, payload, now)
    own = {"dose": "https://schema.org/name"}
    return _code(proved | {"@context": [*proved["@context"], own]})


@faults.add("divoc-nested-context", State.FAIL, Reason.MALFORMED)
def nested_context(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A context inside the person."""
    proved = _good(issuer, payload, now)
    proved["credentialSubject"]["@context"] = proved["@context"][0]
    return _code(proved)


@faults.add("divoc-member-not-signed", State.FAIL, Reason.MALFORMED)
def member_not_signed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A member that no context defines: added after signing, and the signature holds."""
    proved = _good(issuer, payload, now)
    proved["evidence"][0]["boosterDoses"] = 3
    return _code(proved)


@faults.add("divoc-holder-not-signed", State.CHECK, Reason.UNSUPPORTED)
def holder_not_signed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The holder's id is no IRI, so that the signature covers nothing about the holder."""
    document = _document(issuer, payload, now)
    document["credentialSubject"]["id"] = "did:Identity Card:0000"
    return _code(_proved(issuer, document, now))


@faults.add("divoc-dose-and-course-swapped", State.PASS)
def dose_and_course_swapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 1 of 2 written as dose 2 of 1: the statements are the same, and it is read as 1 of 2."""
    document = _document(issuer, payload, now)
    document["evidence"][0] |= {"dose": 1, "totalDoses": 2}
    return _swapped(_proved(issuer, document, now), "dose", "totalDoses")


@faults.add("divoc-vaccine-and-maker-swapped", State.PASS)
def vaccine_and_maker_swapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Vaccine and maker exchanged: the statements are the same, and the vaccine is found by its name."""
    return _swapped(_good(issuer, payload, now), "vaccine", "manufacturer")


@faults.add("divoc-dates-swapped", State.PASS)
def dates_swapped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The day of the dose and the last day exchanged: the earliest is still the day of the dose."""
    document = _document(issuer, payload, now)
    document["evidence"][0]["effectiveUntil"] = (now + YEAR).date().isoformat()
    return _swapped(_proved(issuer, document, now), "date", "effectiveUntil")


@faults.add("divoc-equal-value-dropped", State.PASS)
def equal_value_dropped(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Of two members that say the same day one is left out, which leaves the statements as they are."""
    document = _document(issuer, payload, now)
    document["evidence"][0]["effectiveStart"] = document["evidence"][0]["date"]
    proved = _proved(issuer, document, now)
    del proved["evidence"][0]["effectiveStart"]
    return _code(proved)


@faults.add("divoc-members-in-other-order", State.PASS)
def members_in_other_order(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The members of every object in the opposite order, with indents between them."""
    return _zip(json.dumps(reversed_members(_good(issuer, payload, now)), ensure_ascii=False, indent=1))


@faults.add("divoc-too-many-parts", State.FAIL, Reason.TOO_BIG)
def too_many_parts(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Seventy doses: more objects than are put in order."""
    proved = _good(issuer, payload, now)
    return _code(proved | {"evidence": proved["evidence"] * 70})


@faults.add("divoc-parts-alike", State.FAIL, Reason.TOO_BIG)
def parts_alike(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Four doses alike with ten nameless parts alike: to name them, every order would have to be tried."""
    alike = {"type": ["Vaccination"], "verifier": [{"name": "x"}] * 10}
    return _code(_good(issuer, payload, now) | {"evidence": [alike] * 4})


# --- JSON


@faults.add("divoc-member-twice", State.FAIL, Reason.MALFORMED)
def member_twice(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Names its holder twice: two readers would see two people."""
    text = written(_good(issuer, payload, now))
    return _zip(text.replace('"credentialSubject":{', '"credentialSubject":{"name":"Nemo",'))


@faults.add("divoc-not-a-number", State.FAIL, Reason.MALFORMED)
def not_a_number(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Holds a NaN, which is no JSON."""
    proved = _good(issuer, payload, now)
    proved["evidence"][0]["dose"] = float("nan")
    return _code(proved)


@faults.add("divoc-half-a-character", State.FAIL, Reason.MALFORMED)
def half_a_character(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A text with one half of a character that takes two."""
    text = written(_good(issuer, payload, now))
    return _zip(text.replace('"nonTransferable":"true"', r'"nonTransferable":"\ud800"'))


@faults.add("divoc-byte-order-mark", State.FAIL, Reason.MALFORMED)
def byte_order_mark(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A byte order mark before the first bracket."""
    return _zip("\ufeff" + written(_good(issuer, payload, now)))


@faults.add("divoc-too-deep", State.FAIL, Reason.TOO_BIG)
def too_deep(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Forty lists, each in the next."""
    text = written(_good(issuer, payload, now))
    return _zip(f'{text[:-1]},"x":{"[" * _DEEP}{"]" * _DEEP}}}')


# --- The ZIP


@faults.add("divoc-two-entries", State.FAIL, Reason.MALFORMED)
def two_entries(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A second certificate in the ZIP."""
    text = written(_good(issuer, payload, now))
    return _archive((divoc.ENTRY, text), ("certificate2.json", text))


@faults.add("divoc-entry-of-other-name", State.FAIL, Reason.MALFORMED)
def entry_of_other_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP's entry is called something else."""
    return _archive(("data.json", written(_good(issuer, payload, now))))


@faults.add("divoc-entry-with-path", State.FAIL, Reason.MALFORMED)
def entry_with_path(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP's entry would be unpacked somewhere else."""
    return _archive((f"../{divoc.ENTRY}", written(_good(issuer, payload, now))))


@faults.add("divoc-encrypted", State.FAIL, Reason.MALFORMED)
def encrypted(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP says that its entry is encrypted."""
    archive = bytearray(_good_zip(issuer, payload, now))
    # the first bit of the flags, once at the entry (APPNOTE 4.3.7) and once in the directory (4.3.12)
    archive[6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


@faults.add("divoc-other-compression", State.FAIL, Reason.MALFORMED)
def other_compression(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP's entry is compressed with bzip2."""
    return _archive((divoc.ENTRY, written(_good(issuer, payload, now))), method=zipfile.ZIP_BZIP2)


@faults.add("divoc-stored", State.PASS)
def stored(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP's entry is not compressed."""
    return _archive((divoc.ENTRY, written(_good(issuer, payload, now))), method=zipfile.ZIP_STORED)


@faults.add("divoc-bomb", State.FAIL, Reason.TOO_BIG)
def bomb(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Inflates to a megabyte, nearly all of it blanks."""
    return _zip(written(_good(issuer, payload, now)) + " " * _BOMB)


@faults.add("divoc-too-long", State.FAIL, Reason.TOO_BIG)
def too_long(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A ZIP larger than any symbol holds, for its filling does not compress."""
    filling = hashlib.shake_256(b"too long").digest(4000)
    remark = {"remark": base64.b64encode(filling).decode()}
    return _code(_good(issuer, payload, now) | remark)


@faults.add("divoc-cut-short", State.FAIL, Reason.MALFORMED)
def cut_short(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The second half of the ZIP is missing."""
    archive = _good_zip(issuer, payload, now)
    return archive[: len(archive) // 2]


@faults.add("divoc-in-base64", State.PASS)
def in_base64(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP as text in Base64, for readers that lose bytes."""
    return divoc.B64_PREFIX + base64.b64encode(_good_zip(issuer, payload, now)).decode()


@faults.add("divoc-no-base64", State.FAIL, Reason.MALFORMED)
def no_base64(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The ZIP as text in Base64, with a character that this does not have."""
    text = base64.b64encode(_good_zip(issuer, payload, now)).decode()
    return f"{divoc.B64_PREFIX}{text[:40]}*{text[41:]}"


@faults.add("divoc-bare-json", State.PASS)
def bare_json(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The document without a ZIP round it."""
    return written(_good(issuer, payload, now))


# --- Content


@faults.add("divoc-other-credential", State.CHECK, Reason.UNSUPPORTED)
def other_credential(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A credential that does not call itself proof of a vaccination."""
    document = _document(issuer, payload, now) | {"type": ["VerifiableCredential"]}
    del document["nonTransferable"]  # which only a proof of vaccination knows
    return _code(_proved(issuer, document, now))


@faults.add("divoc-with-status", State.CHECK, Reason.UNSUPPORTED)
def with_status(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says where to ask whether it still counts, which nobody here does."""
    status = {"id": "https://issuer.example/status/1"}
    return _code(_proved(issuer, _document(issuer, payload, now) | {"credentialStatus": status}, now))


@faults.add("divoc-issued-without-time-zone", State.FAIL, Reason.MALFORMED)
def issued_without_time_zone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says when it was issued by a clock that could hang anywhere."""
    document = _document(issuer, payload, now)
    return _code(_proved(issuer, document | {"issuanceDate": f"{now:%Y-%m-%dT%H:%M:%S}"}, now))


@faults.add("divoc-without-birth-date", State.CHECK, Reason.DOB_PARTIAL)
def without_birth_date(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says nothing of when its holder was born."""
    document = _document(issuer, payload, now)
    del document["credentialSubject"]["dob"]
    return _code(_proved(issuer, document, now))


@faults.add("divoc-first-version", State.CHECK, Reason.DOB_PARTIAL)
def first_version(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A document of the first version, which knows an age and no birth date."""
    document = _document(issuer, payload, now)
    document["@context"][1] = _V1
    for name in ("dob", "sex"):
        document["credentialSubject"].pop(name, None)
    document["credentialSubject"]["age"] = "42"
    for name in ("icd11Code", "prophylaxis"):
        document["evidence"][0].pop(name, None)
    return _code(_proved(issuer, document, now))


@faults.add("divoc-no-dose", State.FAIL, Reason.MALFORMED)
def no_dose(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A holder and no dose."""
    return _code(_proved(issuer, _document(issuer, payload, now) | {"evidence": []}, now))


@faults.add("divoc-no-name", State.FAIL, Reason.MALFORMED)
def no_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A holder without a name."""
    document = _document(issuer, payload, now)
    del document["credentialSubject"]["name"]
    return _code(_proved(issuer, document, now))


@faults.add("divoc-dose-day-impossible", State.FAIL, Reason.MALFORMED)
def dose_day_impossible(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose on a day that no calendar has."""
    return _of_dose(issuer, payload, now, date=f"{now.year}-02-30")


@faults.add("divoc-dose-number-zero", State.FAIL, Reason.MALFORMED)
def dose_number_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose number zero."""
    return _of_dose(issuer, payload, now, dose=0)


@faults.add("divoc-dose-number-as-text", State.PASS)
def dose_number_as_text(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The numbers of dose and course as texts, as the first issuers wrote them."""
    return _of_dose(issuer, payload, now, dose="2", totalDoses="2")


@faults.add("divoc-dose-in-the-future", State.FAIL, Reason.NOT_YET_VALID)
def dose_in_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose that will be given in two days."""
    day = (now + 2 * _DAY).date().isoformat()
    return _of_dose(issuer, payload, now, date=day, effectiveStart=day)


@faults.add("divoc-two-doses", State.PASS)
def two_doses(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Two doses in one document."""
    document = _document(issuer, payload, now)
    (dose,) = document["evidence"]
    day = (now - 200 * _DAY).date().isoformat()
    first = dose | {"id": dose["id"] + "1", "certificateId": dose["certificateId"] + "1", "dose": 1}
    document["evidence"].append(first | {"date": day, "effectiveStart": day})
    return _code(_proved(issuer, document, now))


# --- Making them


def _document(issuer: Issuer, payload: Payload, now: datetime) -> dict[str, Any]:
    """A document without fault, and without its proof."""
    return document_for(issuer, Family.DIVOC, payload, now)


def _good(issuer: Issuer, payload: Payload, now: datetime) -> dict[str, Any]:
    """A document without fault and its proof."""
    return _proved(issuer, _document(issuer, payload, now), now)


def _good_zip(issuer: Issuer, payload: Payload, now: datetime) -> bytes:
    return _code(_good(issuer, payload, now))


def _proved(
    issuer: Issuer,
    document: Mapping[str, Any],
    now: datetime,
    *,
    header: Mapping[str, Any] | None = None,
    sign: Sign | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The document with a proof. header, options: members that differ, ``None`` for those that go.

    sign: what makes the signature, if not the issuer's key.
    """
    signer: Signer = issuer.signer(Domain.DIVOC)
    usual = {
        "type": "Ed25519Signature2018",
        "created": times.written(now),
        "verificationMethod": signer.kid.decode(),
        "proofPurpose": "assertionMethod",
    }
    proof = _changed(usual, options)
    head = _changed({"alg": "EdDSA", "b64": False, "crit": ["b64"]}, header or {})
    encoded = base64url.encode(written(head).encode())
    parts = ({"@context": jsonld.SECURITY_V2, **proof}, document)
    digests = (hashlib.sha256(jsonld.canonical(part, "fault")).digest() for part in parts)
    signature = (sign or signer.key.sign)(encoded.encode() + b"." + b"".join(digests))
    return {**document, "proof": {**proof, "jws": f"{encoded}..{base64url.encode(signature)}"}}


def _changed(usual: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **members}.items() if value is not None}


def _with_options(issuer: Issuer, payload: Payload, now: datetime, **options: Any) -> bytes:
    """A document whose proof has these options."""
    return _code(_proved(issuer, _document(issuer, payload, now), now, **options))


def _resigned(issuer: Issuer, payload: Payload, now: datetime, change: Sign) -> bytes:
    """A document with its signature changed."""
    sign = issuer.signer(Domain.DIVOC).key.sign
    document = _document(issuer, payload, now)
    return _code(_proved(issuer, document, now, sign=lambda data: change(sign(data))))


def _of_dose(issuer: Issuer, payload: Payload, now: datetime, **members: Any) -> bytes:
    """A document whose dose has these members."""
    document = _document(issuer, payload, now)
    document["evidence"][0] |= members
    return _code(_proved(issuer, document, now))


def _swapped(proved: dict[str, Any], one: str, other: str) -> bytes:
    """The code of a document whose dose has the values of two members exchanged after signing."""
    dose = proved["evidence"][0]
    dose[one], dose[other] = dose[other], dose[one]
    return _code(proved)


def _code(document: Mapping[str, Any]) -> bytes:
    return _zip(written(document))


def _zip(text: str) -> bytes:
    return divoc.packed(text)


def _archive(*entries: tuple[str, str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these names and texts, the same in every run."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in entries:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.compress_type = 3, method
            archive.writestr(entry, text.encode())
    return out.getvalue()
