"""FHIR bundles of SMART Health Cards, read into the common vocabulary.

The rules this module keeps:

* One card, one person: exactly one Patient, and every event that names another is malformed.
* An event counts only when it is over and meant: a dose not given, a test not final is no event.
* Codes are read by the system that they belong to; "207" is a vaccine under CVX and nothing elsewhere.
* What changes a meaning in a way that is not known here becomes a finding; it is not passed over.
* What is merely more than is read (members, resources, identifiers) is ignored.

    payload = read_card(claims)
    payload.holder.surname, payload.events[0].product       # "Anyperson", "EU/1/20/1507"
    payload.identifiers                                     # under which it may have been revoked

Sources: SMART Health Cards Framework 1.4.0 and its RFC 002, FHIR R4, RFC 8785. ``docs/formats/shc.md``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from verifier import vocabulary
from verifier.certificate import (
    DETECTED,
    NOT_DETECTED,
    Event,
    Holder,
    Payload,
    Prophylaxis,
    Test,
    Vaccination,
)
from verifier.reasons import Finding, Reason, finding
from verifier.trust import HashKind
from verifier.wire import base64url, canonical_json, values
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

HEALTH_CARD = "https://smarthealth.cards#health-card"
MAJOR = "4"  # of FHIR
MAX_ENTRIES = 64  # of a bundle; a card in one symbol has room for about ten

CVX = frozenset({"http://hl7.org/fhir/sid/cvx", "urn:oid:2.16.840.1.113883.12.292"})
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"

_RID = re.compile(r"[A-Za-z0-9_-]{1,24}", re.ASCII)
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)
_TIMED = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII)
_FINAL = ("final", "amended", "corrected")
_NAME_RANK = {"official": 0, "usual": 1, "": 2}  # other uses are nicknames and names of the past
_LAST_RANK = 3


def read_card(claims: Claims) -> Payload:
    """The content of a card's claims.

    Raises MalformedError when what every card has is missing, the card mixes persons, or a value cannot be
    right; its reason is ``UNSUPPORTED`` for a credential of another type, another major version of FHIR, or a
    card without an event of a kind that is read, ``TOO_BIG`` beyond a limit.
    """
    document = claims.document
    if document is None:
        raise MalformedError("card", "no document in it")
    credential = _object(document.get("vc"), "vc")
    types = credential.get("type")
    if HEALTH_CARD not in (types if isinstance(types, list) else [types]):
        raise MalformedError("card", "a credential that is no health card", Reason.UNSUPPORTED)
    if claims.issuer is None:
        raise MalformedError("card", "no issuer in it")
    if document.get("nbf") is None:
        raise MalformedError("card", "it does not say since when it is valid")
    subject = _object(credential.get("credentialSubject"), "credentialSubject")
    version = values.version(subject.get("fhirVersion"))
    if not version:
        raise MalformedError("card", "no version of FHIR in it")
    if version.partition(".")[0] != MAJOR:
        raise MalformedError("card", "a bundle of another major version of FHIR", Reason.UNSUPPORTED)
    bundle = _object(subject.get("fhirBundle"), "fhirBundle")
    holder, events, findings = _read_bundle(bundle)
    return Payload(holder, events, version, findings, _identifiers(credential, bundle))


def hash_fhir(bundle: Mapping[str, Any]) -> str:
    """The name under which a card without a revocation id is revoked (``hash-fhir``).

    The first 8 bytes of the SHA-256 of the unpadded base64url of the bundle in canonical JSON (RFC 8785), in
    unpadded base64url. Raises MalformedError when the bundle has no canonical form.
    """
    try:
        canonical = canonical_json.dumps(dict(bundle))
    except (ValueError, RecursionError):
        raise MalformedError("card", "a bundle without a canonical form") from None
    digest = hashlib.sha256(base64url.encode(canonical).encode()).digest()
    return base64url.encode(digest[:8])


def _identifiers(
    credential: Mapping[str, Any], bundle: Mapping[str, Any]
) -> tuple[tuple[HashKind, str], ...]:
    rid = credential.get("rid")
    if rid is None:
        return ((HashKind.FHIR, hash_fhir(bundle)),)
    if not isinstance(rid, str) or not _RID.fullmatch(rid):
        raise MalformedError("card", "a revocation id that is not 1 to 24 characters of base64url")
    return (HashKind.RID, rid), (HashKind.FHIR, hash_fhir(bundle))


def _read_bundle(bundle: Mapping[str, Any]) -> tuple[Holder, tuple[Event, ...], tuple[Finding, ...]]:
    """Holder, events in the order of the bundle, and what was found on the way."""
    if bundle.get("resourceType") != "Bundle":
        raise MalformedError("card", "fhirBundle is not a bundle")
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        raise MalformedError("card", "a bundle without a list of entries")
    if len(entries) > MAX_ENTRIES:
        raise MalformedError("card", f"a bundle of more than {MAX_ENTRIES} entries", Reason.TOO_BIG)
    resources = [_object(_object(entry, "an entry").get("resource"), "a resource") for entry in entries]
    patients = [
        (entry, resource)
        for entry, resource in zip(entries, resources, strict=True)
        if resource.get("resourceType") == "Patient"
    ]
    if len(patients) != 1:
        # a card of another kind may name nobody; one of two persons is a mix that nobody should have signed
        reason = Reason.MALFORMED if patients else Reason.UNSUPPORTED
        raise MalformedError("card", f"{len(patients)} persons, a card is about one", reason)
    entry, patient = patients[0]
    names = _names_of(entry, patient)
    findings = _modifiers(bundle) + _modifiers(patient)
    events: list[Event] = []
    for resource in resources:
        read = _READERS.get(values.text(resource.get("resourceType")))
        if read is not None:
            _same_person(resource, names)
            found, remarks = read(resource)
            events += [found] if found is not None else []
            findings += remarks
    if not events:
        raise MalformedError("card", "no event of a kind that is read", Reason.UNSUPPORTED)
    return _holder(patient), tuple(events), tuple(findings)


def _modifiers(resource: Mapping[str, Any]) -> list[Finding]:
    """A finding when a resource says that something unknown here changes its meaning (FHIR R4 §2.4)."""
    if resource.get("modifierExtension") or resource.get("implicitRules"):
        return [finding(Reason.VALUE_UNKNOWN, "a modifier that is not known here")]
    return []


def _names_of(entry: Mapping[str, Any], patient: Mapping[str, Any]) -> set[str]:
    """The references by which other resources of the bundle may name the patient."""
    url, number = values.text(entry.get("fullUrl")), values.text(patient.get("id"))
    return {name for name in (url, number and f"Patient/{number}") if name}


def _same_person(resource: Mapping[str, Any], names: set[str]) -> None:
    """Raises MalformedError when a resource names a patient other than the card's."""
    for member in ("patient", "subject"):
        link = resource.get(member)
        if link is not None and values.text(_map(link).get("reference")) not in names:
            raise MalformedError("card", "an event of another person")


# --- The person


def _holder(patient: Mapping[str, Any]) -> Holder:
    """The patient by the best of the names given. Raises MalformedError when there is none."""
    names = sorted(
        _maps(patient.get("name")), key=lambda name: _NAME_RANK.get(values.text(name.get("use")), _LAST_RANK)
    )
    for name in names:
        surname = values.text(name.get("family"))
        given = " ".join(filter(None, map(values.text, _list(name.get("given")))))
        if not (surname or given):
            surname = values.text(name.get("text"))  # one text, as a passport has it without given names
        if surname or given:
            return Holder(surname=surname, given=given, birth_date=values.birth(patient.get("birthDate")))
    raise MalformedError("card", "no name in it")


# --- The events: each reader gives an event or none, and what it found


_Read = tuple[Event | None, list[Finding]]


def _vaccination(resource: Mapping[str, Any]) -> _Read:
    """A dose that was given. Raises MalformedError for impossible values."""
    if resource.get("status") != "completed":
        return None, []
    findings = _modifiers(resource)
    if resource.get("isSubpotent") not in (None, False):
        findings.append(finding(Reason.VALUE_UNKNOWN, "a dose marked as less potent than it should be"))
    codings = _codings(resource.get("vaccineCode"))
    known = {vocabulary.product(code): code for system, code in codings if system in CVX}
    if known:
        product, code = next(iter(known.items()))
        kind, disease = vocabulary.vaccine_of(product), vocabulary.disease_of_cvx(code)
    else:
        product, kind, disease = _named_vaccine(resource.get("vaccineCode"), codings)
    if len(known) > 1:
        findings.append(finding(Reason.VALUE_UNKNOWN, "a dose with the codes of two vaccines"))
    course = _maps(resource.get("protocolApplied"))
    course = course if len(course) == 1 else []  # of two courses nobody can say which one is meant
    return Vaccination(
        disease=disease or _target(course),
        vaccine=kind,
        product=product,
        maker=values.text(_map(resource.get("manufacturer")).get("display")),
        dose=_number(course, "doseNumber"),
        doses=_number(course, "seriesDoses"),
        given=_day(resource.get("occurrenceDateTime"), "occurrenceDateTime"),
        country="",
        issuer=_performer(resource),
        identifier="",
    ), findings


def _named_vaccine(concept: Any, codings: list[tuple[str, str]]) -> tuple[str, str, str]:
    """Product, kind and disease of a vaccine without a CVX code; what no table has is passed on."""
    for _, code in codings:
        if kind := vocabulary.vaccine_of(code):  # a product number or name of the EU value set
            return code, kind, vocabulary.COVID_19
        if (kind := vocabulary.vaccine(code)) != code:  # ICD-11
            return "", kind, vocabulary.COVID_19
    name = values.text(_map(concept).get("text"))
    if vocabulary.is_product_name(name):
        product = vocabulary.product(name)
        return product, vocabulary.vaccine_of(product), vocabulary.COVID_19
    return next((code for _, code in codings), name), "", ""


def _test(resource: Mapping[str, Any]) -> _Read:
    """A finished test of a kind that the vocabulary has; any other observation is a finding and no event.

    Whoever reads on must not take an antibody count or a blood group for a positive test.
    """
    if resource.get("status") not in _FINAL:
        return None, []
    codes = [code for system, code in _codings(resource.get("code")) if system == LOINC]
    kinds = [vocabulary.test_kind(code) for code in codes]
    kind = next((kind for kind in kinds if kind in (vocabulary.NAAT, vocabulary.RAPID)), None)
    if kind is None:
        return None, [finding(Reason.VALUE_UNKNOWN, "an observation of a kind that is not known")]
    sampled, text = _sampled(resource.get("effectiveDateTime", resource.get("effectiveInstant")))
    return Test(
        disease=vocabulary.COVID_19,
        kind=kind,
        device=values.text(_map(resource.get("device")).get("display")),
        sampled=sampled,
        sampled_text=text,
        result=_result(resource),
        country="",
        issuer=_performer(resource),
        identifier="",
    ), _modifiers(resource)


def _result(resource: Mapping[str, Any]) -> str:
    """The result's code; empty when its codes contradict each other or there is none."""
    concept = resource.get("valueCodeableConcept")
    written = [code for _, code in _codings(concept)]
    written += [text for text in (values.text(_map(concept).get("text")),) if text and not written]
    written += [text for text in (values.text(resource.get("valueString")),) if text]
    results = [vocabulary.result(code) for code in written]
    known = {result for result in results if result in (DETECTED, NOT_DETECTED)}
    if len(known) > 1:
        return ""
    return next(iter(known), results[0] if results else "")


def _prophylaxis(resource: Mapping[str, Any]) -> _Read:
    """A medicine that was given. Raises MalformedError for impossible values."""
    if resource.get("status") != "completed":
        return None, []
    concept = resource.get("medicationCodeableConcept")
    codes = [code for _, code in _codings(concept)]
    reasons = [code for reason in _list(resource.get("reasonCode")) for _, code in _codings(reason)]
    return Prophylaxis(
        disease=vocabulary.disease(reasons[0]) if reasons else "",
        product=codes[0] if codes else values.text(_map(concept).get("text")),
        given=_day(resource.get("effectiveDateTime"), "effectiveDateTime"),
        valid_from=None,
        valid_until=None,
        country="",
        issuer=_performer(resource),
        identifier="",
    ), _modifiers(resource)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], _Read]] = {
    "Immunization": _vaccination,
    "Observation": _test,
    "MedicationAdministration": _prophylaxis,
}


# --- Single values


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, (dict, Mapping)):
        raise MalformedError("card", f"{name} is not an object")
    return value


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, (dict, Mapping)) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, (dict, Mapping))]


def _codings(concept: Any) -> list[tuple[str, str]]:
    """System and code of a CodeableConcept's codings, those without a code left out."""
    pairs = [
        (values.text(coding.get("system")), values.text(coding.get("code")))
        for coding in _maps(_map(concept).get("coding"))
    ]
    return [pair for pair in pairs if pair[1]]


def _target(course: list[Mapping[str, Any]]) -> str:
    """The disease that a course of doses names, where its codes leave no doubt."""
    named = {
        vocabulary.disease(code)
        for protocol in course
        for concept in _list(protocol.get("targetDisease"))
        for system, code in _codings(concept)
        if system == SNOMED
    }
    return named.pop() if len(named) == 1 else ""


def _number(course: list[Mapping[str, Any]], name: str) -> int | None:
    """A dose number in one of the two forms of FHIR; a text that is no number is no number that is known."""
    if not course:
        return None
    written = values.text(course[0].get(f"{name}String"))
    if written.isascii() and written.isdigit() and len(written) <= 2:
        return values.dose(int(written), "card", name)
    return values.dose(course[0].get(f"{name}PositiveInt"), "card", name)


def _performer(resource: Mapping[str, Any]) -> str:
    """Who gave or took it, by the first name shown."""
    for performer in _maps(resource.get("performer")):
        shown = values.text(_map(performer.get("actor", performer)).get("display"))
        if shown:
            return shown
    return ""


def _day(value: Any, name: str) -> date | None:
    """The day of a FHIR dateTime as written; a year or a month alone is not a day. Raises MalformedError."""
    partial = _PARTIAL.fullmatch(values.text(value))
    if partial is None:
        return values.day(value, "card", name)
    try:
        date(int(partial.group(1)), int(partial.group(2) or 1), 1)
    except ValueError:
        raise MalformedError("card", f"{name} is not a date") from None
    return None


def _sampled(value: Any) -> tuple[datetime | None, str]:
    """When a sample was taken, ``None`` where no time is given, and the text. Raises MalformedError."""
    written = values.text(value)
    if _TIMED.fullmatch(written):
        return values.instant(written, "card", "effectiveDateTime"), written
    _day(value, "effectiveDateTime")
    return None, written
