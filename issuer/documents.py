"""One traveller, every family: from the payload of a DCC to the document of each.

The rules this module keeps:

* The payload is the source: holder, birth date, one event with its identifier. What a family asks for beyond
  it comes from :class:`Facts`; what the family has no room for stays out.
* What a family cannot say is an IssuerError that names the family and what it can say. Nothing is bent to
  fit, with one exception that has a name: an ICVP is never about COVID-19, so it takes the day of such a dose
  and the product of the Facts.
* An identifier that must be shorter than a UVCI is a hash of it. It tells nothing about the holder either.
* Documents are what :func:`issuer.sealing.seal_document` signs. A copy with one thing changed is a fault.

    document = document_of(Family.VDS_NC, payload, "XV", country="XV", issued_at=now, expires_at=None)
    document["msg"]["uvci"]                        # "K4W2CPZ7Q3NB"
    own_entry(Family.VDS_NC, document)             # (HashKind.UCI, "K4W2CPZ7Q3NB"): what revokes it

The shapes are those that the readers under ``verifier/wire/`` describe.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NoReturn

from issuer.certificates import COVID_19, event_of
from issuer.errors import IssuerError
from issuer.families import base_url
from verifier import vocabulary
from verifier.certificate import DETECTED, Family
from verifier.countries import alpha3
from verifier.times import EASTERNMOST, written
from verifier.trust import HashKind
from verifier.wire import fhir, hc1, icvp, nzcp

# Any product against yellow fever of WHO's list for the ICVP.
YELLOW_FEVER_PRODUCT = min(
    name for name, disease in icvp.PRODUCTS.items() if disease == vocabulary.YELLOW_FEVER
)

_SHORT = 12  # characters of an identifier in a VDS-NC seal
_NAME = 39  # characters of a name there
_ICD11 = "http://id.who.int/icd/release/11/mms"
_COVID_ICD11 = "RA01.0"
_SOME_VACCINE = "XM68M6"  # ICD-11: a COVID-19 vaccine of whatever kind
_KINDS = {code: vocabulary.vaccine(code) for code in ("XM0GQ8", "XM5JC5", "XM1NL1", "XM9QW8", "XM6AT1")}
_VACCINES = {kind: code for code, kind in _KINDS.items()}  # ICD-11 codes by the kinds of the EU value set
_BRANDS = {
    vocabulary.product(name): name for name in ("Comirnaty", "Spikevax", "Vaxzevria", "Jcovden", "Nuvaxovid")
}
_CVX = {vocabulary.product(code): code for code in ("208", "207", "210", "212", "211", "510", "511", "502")}
_LOINC = {vocabulary.NAAT: "94500-6", vocabulary.RAPID: "94558-4"}
_SEXES = {"male": "M", "female": "F", "other": "X", "unknown": ""}  # FHIR, and Doc 9303
SEXES = tuple(_SEXES)


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """What some families say and a DCC has no place for.

    sex: a code of FHIR (``male``, ``female``, ``other``, ``unknown``). nationality: alpha-3, empty for the
    issuer's country. passport: number of the travel document, empty when it is not said. batch: of the dose.
    product: of an ICVP whose payload is about COVID-19, an id of WHO's list.
    """

    sex: str = "unknown"
    nationality: str = ""
    passport: str = ""
    batch: str = "XV-0001"
    product: str = YELLOW_FEVER_PRODUCT


USUAL = Facts()


@dataclass(frozen=True, slots=True, repr=False)
class _Source:
    """What every document is made from. issuer: by the name that the family's documents use."""

    family: Family
    payload: Mapping[str, Any]
    kind: str  # v, t or r
    event: Mapping[str, Any]
    issuer: str
    country: str
    issued_at: datetime
    expires_at: datetime | None
    facts: Facts

    def cannot(self, words: str) -> NoReturn:
        raise IssuerError(f"{self.family}: {words}")

    @property
    def identifier(self) -> str:
        return str(self.event.get("ci", ""))

    @property
    def surname(self) -> str:
        return self._name("fn", "fnt")

    @property
    def given(self) -> str:
        return self._name("gn", "gnt")

    @property
    def full_name(self) -> str:
        return f"{self.surname} {self.given}".strip()

    def _name(self, own: str, passport_line: str) -> str:
        names = self.payload["nam"]
        return str(names.get(own) or names.get(passport_line, "").replace("<", " ")).strip()

    @property
    def birth_date(self) -> str:
        return str(self.payload["dob"])

    def full_birth_date(self) -> str:
        """The birth date, for a family that knows no other than a full one."""
        try:
            return date.fromisoformat(self.birth_date).isoformat()
        except ValueError:
            self.cannot("it needs a full birth date, YYYY-MM-DD")

    def short_identifier(self, length: int = _SHORT) -> str:
        """Capitals and digits 2 to 7 that follow from the identifier."""
        return base64.b32encode(hashlib.sha256(self.identifier.encode()).digest()).decode()[:length]

    @property
    def icd11_vaccine(self) -> str:
        return _VACCINES.get(self.event["vp"], _SOME_VACCINE)


def document_of(
    family: Family,
    payload: Mapping[str, Any],
    issuer: str,
    *,
    country: str,
    issued_at: datetime,
    expires_at: datetime | None,
    facts: Facts = USUAL,
) -> dict[Any, Any]:
    """The family's document about holder and event of a DCC payload, which conforms and has its identifier.

    issuer: what the document names as its issuer, see :class:`issuer.sealing.Signer`. country: alpha-2 of the
    issuer. issued_at, expires_at: stated where the document itself says them. Raises IssuerError for what the
    family cannot say.
    """
    kind = next((letter for letter in "vtr" if payload.get(letter)), "")
    source = _Source(family, payload, kind, event_of(payload), issuer, country, issued_at, expires_at, facts)
    make = _MAKERS.get(family)
    if make is None:
        source.cannot("this issuer does not issue it")
    return make(source)


def own_entry(family: Family, document: Mapping[Any, Any]) -> tuple[HashKind, str]:
    """The kind of revocation entry that revokes a document, and the text that the entry is the hash of.

    For documents without an identifier that verifiers look up it is ``SIGNATURE``, and no text.
    """
    kind, path = _ENTRIES.get(family, (HashKind.SIGNATURE, ()))
    for step in path:
        found: Any = document
        for name in step:
            try:
                found = found[name]
            except (KeyError, IndexError, TypeError):
                found = None
                break
        if found and isinstance(found, str):
            return kind, found
    return HashKind.SIGNATURE, ""


# Where the identifier stands; of several paths the first that leads to one.
_ENTRIES: Mapping[Family, tuple[HashKind, tuple[tuple[str | int, ...], ...]]] = {
    Family.HC1: (HashKind.UCI, tuple((letter, 0, "ci") for letter in "vtr")),
    Family.DDCC: (HashKind.UCI, (("certificate", "hcid"),)),
    Family.AT1: (HashKind.UCI, (("ve", 0, "ci"),)),
    Family.SHC: (HashKind.RID, (("vc", "rid"),)),
    Family.VDS_NC: (HashKind.UCI, (("msg", "uvci"), ("msg", "utci"))),
    Family.DIVOC: (HashKind.DOCUMENT, (("evidence", 0, "certificateId"),)),
}


# --- EU DCC and its relatives


def _hc1(source: _Source) -> dict[Any, Any]:
    return dict(source.payload)


def _lt1(source: _Source) -> dict[Any, Any]:
    return {name: source.payload[name] for name in ("ver", "nam", "dob")}


def _at1(source: _Source) -> dict[Any, Any]:
    """An exemption from vaccination against the event's disease, for as long as the certificate is good."""
    exemption = {name: source.event[name] for name in ("tg", "co", "is", "ci")}
    if source.expires_at is not None:
        exemption["du"] = source.expires_at.date().isoformat()
    return {"ver": "AT-1.0.0", "nam": source.payload["nam"], "dob": source.birth_date, "ve": [exemption]}


# --- WHO


def _ddcc(source: _Source) -> dict[Any, Any]:
    event, facts = source.event, source.facts
    head: dict[str, Any] = {"name": source.full_name}
    if source.birth_date:
        head["birthDate"] = source.birth_date
    if facts.sex != "unknown":
        head["sex"] = {"code": facts.sex, "system": "http://hl7.org/fhir/administrative-gender"}
    head["certificate"] = {"issuer": event["is"], "hcid": source.identifier, "version": "1.0.0"}
    country = {"code": (alpha3(event["co"]) or event["co"]), "system": "urn:iso:std:iso:3166"}
    if source.kind == "v":
        kind = _VACCINES.get(event["vp"])
        return head | {
            "vaccination": {
                "vaccine": _coded(kind, _ICD11) if kind else _coded(event["vp"], fhir.SNOMED),
                "brand": _coded(
                    event["mp"], "https://ec.europa.eu/health/documents/community-register/html/"
                ),
                "maholder": _coded(event["ma"], "https://spor.ema.europa.eu/v1/organisations"),
                "lot": facts.batch,
                "date": event["dt"],
                "dose": event["dn"],
                "totalDoses": event["sd"],
                "country": country,
                "disease": _coded(event["tg"], fhir.SNOMED),
            }
        }
    if source.kind == "t":
        test: dict[str, Any] = {
            "pathogen": _coded(event["tg"], fhir.SNOMED),
            "type": _coded(_LOINC.get(event["tt"], event["tt"]), fhir.LOINC),
            "date": event["sc"],
            "result": _coded(event["tr"], fhir.SNOMED),
            "centre": event.get("tc", event["is"]),
            "country": country,
        }
        if "ma" in event:
            test["brand"] = _coded(event["ma"], "https://covid-19-diagnostics.jrc.ec.europa.eu/devices")
        return head | {"test": test}
    return source.cannot("a core data set says vaccinations and tests, not recoveries")


def _icvp(source: _Source) -> dict[Any, Any]:
    event, facts = source.event, source.facts
    if source.kind != "v":
        source.cannot("an ICVP says one dose of a product on WHO's list, not tests or recoveries")
    code = facts.product if event["tg"] == COVID_19 else event["mp"]
    if code not in icvp.PRODUCTS:
        source.cannot(f"{code!r} is no product id of WHO's list for the ICVP")
    issued = source.issued_at.astimezone(EASTERNMOST).date()
    if issued < icvp.IN_FORCE:
        source.cannot(
            f"digital ones are in force since {icvp.IN_FORCE:%Y-%m-%d}; this one would be issued earlier: "
            "give --issued, or --clock"
        )
    if date.fromisoformat(event["dt"][:10]) > issued:
        source.cannot("the dose would be later than the day of issue")
    document: dict[str, Any] = {
        "n": source.full_name,
        "dob": source.full_birth_date(),
        "s": facts.sex,
        "nt": facts.nationality or (alpha3(source.country) or source.country),
    }
    if facts.passport:
        document |= {"id": facts.passport, "dt": "PPN"}
    dose = {"vp": code, "dv": event["dt"][:10], "bo": facts.batch, "is": event["is"]}
    return document | {"v": "1.0.0", "vx": dose}


def _coded(code: str, system: str) -> dict[str, str]:
    return {"code": code, "system": system}


# --- SMART Health Cards


def _shc(source: _Source) -> dict[Any, Any]:
    name: dict[str, Any] = {"family": source.surname} if source.surname else {}
    if source.given:
        name["given"] = [source.given]
    patient: dict[str, Any] = {"resourceType": "Patient", "name": [name]}
    if source.birth_date:
        patient["birthDate"] = source.birth_date
    match source.kind:
        case "v":
            kind, event = "immunization", _immunization(source)
        case "t":
            kind, event = "laboratory", _observation(source)
        case _:
            source.cannot("a SMART Health Card says vaccinations and tests, not recoveries")
    resources = (patient, event)
    credential = {
        "type": [f"https://smarthealth.cards#{name}" for name in ("health-card", kind, "covid19")],
        "credentialSubject": {
            "fhirVersion": "4.0.1",
            "fhirBundle": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [
                    {"fullUrl": f"resource:{number}", "resource": resource}
                    for number, resource in enumerate(resources)
                ],
            },
        },
        "rid": source.short_identifier(24),
    }
    claims: dict[str, Any] = {"iss": source.issuer, "nbf": int(source.issued_at.timestamp())}
    if source.expires_at is not None:
        claims["exp"] = int(source.expires_at.timestamp())
    return claims | {"vc": credential}


def _immunization(source: _Source) -> dict[str, Any]:
    event = source.event
    if event["tg"] != COVID_19 or event["mp"] not in _CVX:
        known = ", ".join(sorted(_CVX))
        source.cannot(f"vaccines are named by CVX code; {event['mp']!r} has none here (known: {known})")
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": _CVX[event["mp"]]}]},
        "patient": {"reference": "resource:0"},
        "occurrenceDateTime": event["dt"],
        "lotNumber": source.facts.batch,
        "performer": [{"actor": {"display": event["is"]}}],
        "protocolApplied": [{"doseNumberPositiveInt": event["dn"], "seriesDosesPositiveInt": event["sd"]}],
    }


def _observation(source: _Source) -> dict[str, Any]:
    event = source.event
    if event["tt"] not in _LOINC:
        source.cannot(f"tests are named by LOINC code; {event['tt']!r} has none here")
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": fhir.LOINC, "code": _LOINC[event["tt"]]}]},
        "subject": {"reference": "resource:0"},
        "effectiveDateTime": event["sc"],
        "valueCodeableConcept": {"coding": [{"system": fhir.SNOMED, "code": event["tr"]}]},
        "performer": [{"display": event.get("tc", event["is"])}],
    }


# --- ICAO


def _vds_nc(source: _Source) -> dict[Any, Any]:
    match source.kind:
        case "v":
            kind, message = "icao.vacc", _seal_of_vaccination(source)
        case "t":
            kind, message = "icao.test", _seal_of_test(source)
        case _:
            source.cannot("a health seal says vaccinations and tests, not recoveries")
    return {"hdr": {"t": kind, "v": 1, "is": (alpha3(source.country) or source.country)}, "msg": message}


def _seal_of_vaccination(source: _Source) -> dict[str, Any]:
    event, facts = source.event, source.facts
    if event["tg"] != COVID_19:
        source.cannot("this issuer seals doses against COVID-19 only")
    sex = _SEXES.get(facts.sex, "")
    person = {"n": _seal_name(source), "dob": source.full_birth_date()}
    return {
        "uvci": source.short_identifier(),
        "pid": person | ({"sex": sex} if sex else {}) | ({"i": facts.passport} if facts.passport else {}),
        "ve": [
            {
                "des": source.icd11_vaccine,
                "nam": _BRANDS.get(event["mp"], event["mp"]),
                "dis": _COVID_ICD11,
                "vd": [
                    {
                        "dvc": event["dt"],
                        "seq": event["dn"],
                        "ctr": (alpha3(event["co"]) or event["co"]),
                        "adm": event["is"],
                        "lot": facts.batch,
                    }
                ],
            }
        ],
    }


def _seal_of_test(source: _Source) -> dict[str, Any]:
    event, facts = source.event, source.facts
    person = {"n": _seal_name(source), "dob": source.full_birth_date()}
    return {
        "utci": source.short_identifier(),
        "pid": person | ({"dt": "P", "dn": facts.passport} if facts.passport else {}),
        "sp": {
            "spn": event.get("tc", event["is"])[:20],
            "ctr": (alpha3(event["co"]) or event["co"]),
            "cd": {"p": "+000", "e": "clinic@issuer.example", "a": "1 Example Street"},
        },
        "dat": {"sc": event["sc"], "ri": written(source.issued_at)},
        "tr": {
            "tc": "molecular(PCR)" if event["tt"] == vocabulary.NAAT else "antigen",
            "r": "positive" if event["tr"] == DETECTED else "negative",
        },
    }


def _seal_name(source: _Source) -> str:
    """Two blanks between the parts, in the letters of the passport line."""
    names = source.payload["nam"]
    parts = (str(names.get(part, "")).replace("<", " ").strip() for part in ("fnt", "gnt"))
    return "  ".join(part for part in parts if part)[:_NAME].strip()


# --- DIVOC and New Zealand


def _divoc(source: _Source) -> dict[Any, Any]:
    event, facts = source.event, source.facts
    if source.kind != "v":
        source.cannot("a DIVOC certificate says vaccinations, not tests or recoveries")
    if event["tg"] != COVID_19:
        source.cannot("this issuer certifies doses against COVID-19 only")
    # all digits, as CoWIN's are; ten million million of them
    number = f"{int.from_bytes(hashlib.sha256(source.identifier.encode()).digest(), 'big') % 10**14:014}"
    address = f"{base_url(source.country)}/divoc"
    document: dict[str, Any] = {
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "https://cowin.gov.in/credentials/vaccination/v2",
        ],
        "type": ["VerifiableCredential", "ProofOfVaccinationCredential"],
        "issuer": source.issuer,
        "issuanceDate": written(source.issued_at),
    }
    if source.expires_at is not None:
        document["expirationDate"] = written(source.expires_at)
    person = {"type": "Person", "id": f"{address}/holder/{number}", "name": source.full_name}
    if source.birth_date:
        person["dob"] = source.birth_date
    if facts.sex != "unknown":
        person["sex"] = facts.sex.capitalize()
    dose = {
        "type": ["Vaccination"],
        "id": f"{address}/vaccine/{number}",
        "certificateId": number,
        "batch": facts.batch,
        "vaccine": _BRANDS.get(event["mp"], event["mp"]),
        "manufacturer": event["ma"],
        "icd11Code": source.icd11_vaccine,
        "prophylaxis": "COVID-19",
        "date": event["dt"],
        "effectiveStart": event["dt"],
        "dose": event["dn"],
        "totalDoses": event["sd"],
        "verifier": {"name": event["is"]},
        "facility": {"name": event["is"], "address": {"addressCountry": event["co"]}},
    }
    return document | {"nonTransferable": "true", "credentialSubject": person, "evidence": [dose]}


def _nzcp(source: _Source) -> dict[Any, Any]:
    """The claims of a pass. A person of one name has it as given name, without which there is no pass."""
    subject = {"givenName": source.given or source.surname}
    if source.given and source.surname:
        subject["familyName"] = source.surname
    subject["dob"] = source.full_birth_date()
    claims: dict[Any, Any] = {hc1.CLAIM_ISS: source.issuer, hc1.CLAIM_NBF: int(source.issued_at.timestamp())}
    if source.expires_at is not None:
        claims[hc1.CLAIM_EXP] = int(source.expires_at.timestamp())
    number = bytearray(hashlib.sha256(source.identifier.encode()).digest()[:16])
    number[6], number[8] = number[6] & 0x0F | 0x40, number[8] & 0x3F | 0x80  # a UUID of version 4, RFC 9562
    return claims | {
        nzcp.CLAIM_VC: {
            "@context": [nzcp.CONTEXT_W3C, nzcp.CONTEXT_PASS],
            "version": "1.0.0",
            "type": [nzcp.TYPE_W3C, nzcp.TYPE_PASS],
            "credentialSubject": subject,
        },
        nzcp.CLAIM_CTI: bytes(number),
    }


_MAKERS: Mapping[Family, Callable[[_Source], dict[Any, Any]]] = {
    Family.HC1: _hc1,
    Family.LT1: _lt1,
    Family.AT1: _at1,
    Family.DDCC: _ddcc,
    Family.ICVP: _icvp,
    Family.SHC: _shc,
    Family.VDS_NC: _vds_nc,
    Family.DIVOC: _divoc,
    Family.NZCP: _nzcp,
}
