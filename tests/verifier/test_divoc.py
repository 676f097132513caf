"""DIVOC documents: the published ones, and what a holder may do to one without breaking its signature."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import random
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.keys import Algorithm, SigningKey, generate
from issuer.seed import Stream
from verifier import vocabulary
from verifier.certificate import Family, Payload, Vaccination
from verifier.keys import EDDSA, PS256, load_spki
from verifier.reasons import Reason
from verifier.trust import HashKind
from verifier.wire import divoc, jsonld
from verifier.wire.envelope import Envelope
from verifier.wire.errors import MalformedError

CREDENTIALS = "https://www.w3.org/2018/credentials/v1"
COWIN_V1 = "https://cowin.gov.in/credentials/vaccination/v1"
COWIN_V2 = "https://cowin.gov.in/credentials/vaccination/v2"


def person(**change: Any) -> dict[str, Any]:
    """An invented traveller; ``None`` takes a member away."""
    return _with(
        {
            "type": "Person", "id": "did:Passport:X0000000", "refId": "73000000000001", "name": "Asha Test",
            "gender": "Female", "age": "34", "nationality": "Indian",
            "address": address("Lake Road 1", "Pune"),
        },
        change,
    )  # fmt: skip


def address(street: str, city: str) -> dict[str, Any]:
    return {
        "streetAddress": street, "streetAddress2": "", "district": "North", "city": city,
        "addressRegion": "Middle", "addressCountry": "IN", "postalCode": 411001,
    }  # fmt: skip


def dose(**change: Any) -> dict[str, Any]:
    """One vaccination; ``None`` takes a member away."""
    return _with(
        {
            "id": "https://cowin.gov.in/vaccine/73000000000009", "type": ["Vaccination"],
            "feedbackUrl": "https://cowin.gov.in/?73000000000009",
            "infoUrl": "https://cowin.gov.in/?73000000000009",
            "certificateId": "73000000000009", "batch": "4121Z001", "vaccine": "COVISHIELD",
            "manufacturer": "Serum Institute of India", "date": "2021-06-01T09:30:00.000Z",
            "effectiveStart": "2021-06-02", "effectiveUntil": "2021-12-01", "dose": 2, "totalDoses": 3,
            "verifier": {"name": "Nurse Test"},
            "facility": {"name": "Clinic 7", "address": address("Hill Road 9", "Nashik")},
        },
        change,
    )  # fmt: skip


def document(*doses: dict[str, Any], context: str = COWIN_V1, **change: Any) -> dict[str, Any]:
    return _with(
        {
            "@context": [CREDENTIALS, context],
            "type": ["VerifiableCredential", "ProofOfVaccinationCredential"],
            "credentialSubject": person(), "issuer": "https://cowin.gov.in/",
            "issuanceDate": "2021-06-01T10:00:00.000Z", "evidence": list(doses) or [dose()],
            "nonTransferable": "true",
        },
        change,
    )  # fmt: skip


def document_v2(**change: Any) -> dict[str, Any]:
    """What the second context adds: birth date, sex, ICD-11 code, prophylaxis."""
    shot = dose(icd11Code="XM9QW8", prophylaxis="COVID-19 vaccine, non-replicating viral vector")
    subject = person(age=None, gender=None, dob="1987-04-05", sex="Female", uhid="UH-77")
    return document(shot, context=COWIN_V2, credentialSubject=subject, **change)


def _with(members: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | change).items() if value is not None}


@lru_cache(maxsize=2)
def key(alg: str) -> SigningKey:
    return generate(Algorithm.PS256 if alg == "PS256" else Algorithm.EDDSA, Stream(b"divoc", alg))


def sealed(of: dict[str, Any], alg: str = "EdDSA") -> str:
    """The JSON text of a document, signed."""
    return divoc.encode_divoc(
        of, verification_method="did:example:7", created="2021-06-01T10:00:01Z", alg=alg, sign=key(alg).sign
    )


def resealed(of: dict[str, Any], **proof: Any) -> str:
    """The document with its proof changed; ``None`` takes a member away."""
    signed = json.loads(sealed(of))
    return json.dumps(signed | {"proof": _with(signed["proof"], proof)})


def holds(envelope: Envelope, spki: bytes | None = None) -> bool:
    return load_spki(spki or key("EdDSA").spki()).verify(
        envelope.alg or 0, envelope.signature, envelope.to_be_signed
    )


def read(text: str) -> Payload:
    return divoc.read_divoc(divoc.decode_divoc(divoc.open_divoc(text)))


def shot(of: dict[str, Any]) -> Vaccination:
    """The one vaccination that a document is read as."""
    event = read(sealed(of)).events[0]
    assert isinstance(event, Vaccination)
    return event


def refusal(text: str) -> tuple[Reason, str]:
    with pytest.raises(MalformedError) as caught:
        read(text)
    return caught.value.reason, str(caught.value)


# The published documents


def cases(vectors: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (vectors / "divoc.jsonl").read_text(encoding="utf-8").splitlines()]


def code(case: dict[str, Any]) -> str:
    """What a scanner gives for a case: the text, or the bytes of the ZIP as Latin-1."""
    return case["text"] or base64.b64decode(case["zip_b64"]).decode("latin-1")


@pytest.mark.vectors
def test_published_documents_decode_and_their_signatures_are_judged_as_recorded(vectors: Path) -> None:
    """Decode, signature and credential of each published case are as its publisher says."""
    for case in cases(vectors):
        envelope = divoc.open_divoc(code(case))
        claims = divoc.decode_divoc(envelope)
        assert claims.family is Family.DIVOC
        assert claims.document == claims.whole == case["expect"]["credential"], case["id"]
        spki = load_pem_public_key(case["pubkey_pem"].encode()).public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        assert (envelope.alg, envelope.kid) == (PS256, b"did:india")
        assert holds(envelope, spki) is case["expect"]["signature"], case["id"]


@pytest.mark.vectors
def test_published_documents_are_read_by_their_statements(vectors: Path) -> None:
    """Values come from sets; empty doses stay unknown; a holder whom nobody signed is not shown."""
    texts = {case["id"]: code(case) for case in cases(vectors)}
    first = read(texts["divoc/cowin-dummy-json"])
    event = first.events[0]
    assert isinstance(event, Vaccination)
    assert (first.holder.surname, first.holder.birth_date) == ("Third March User One", "")
    assert (event.product, event.dose, event.doses, event.country) == ("Covishield", 1, 2, "IN")
    assert (str(event.given), event.identifier) == ("2021-03-03", "92047670169")
    second = read(texts["divoc/pcf-signed-2"]).events[0]
    assert isinstance(second, Vaccination)
    assert (second.dose, second.doses, second.product, str(second.given)) == (None, None, "", "2020-12-02")
    reason, detail = refusal(texts["divoc/kde-zero-signature"])
    assert (reason, "does not cover" in detail) == (Reason.UNSUPPORTED, True)


# The contexts


def published(vectors: Path, of: dict[str, Any]) -> str:
    """Canonical N-Quads by the published contexts, read from the vectors' folder."""
    from pyld import jsonld as library
    from pyld.context_resolver import ContextResolver

    files = {
        CREDENTIALS: "credentials-v1", COWIN_V1: "vaccination-v1", COWIN_V2: "vaccination-v2",
        "https://w3id.org/security/v1": "security-v1", "https://w3id.org/security/v2": "security-v2",
    }  # fmt: skip

    def load(url: str, _options: Any) -> dict[str, Any]:
        text = (vectors / "contexts" / f"{files[url]}.json").read_text(encoding="utf-8")
        return {"contextUrl": None, "documentUrl": url, "document": json.loads(text)}

    quads = library.normalize(
        of,
        {
            "algorithm": "URDNA2015", "format": "application/n-quads", "base": None, "documentLoader": load,
            "contextResolver": ContextResolver({}, load),
        },
    )  # fmt: skip
    return str(quads)


def everything(context: str) -> dict[str, Any]:
    """A document that uses every term of the bundled contexts once, each with a value of its own."""
    of = (
        document_v2()
        if context == COWIN_V2
        else document(context=context, credentialSubject=person(uhid="U1"))
    )
    of["@context"] = [CREDENTIALS, context]
    of["id"] = "urn:uuid:1"
    of["evidence"][0]["verifier"] |= {"id": "N1", "sign-image": "data:1"}
    of["evidence"][0]["facility"] |= {"seal-image": "data:2"}
    for number, term in enumerate(("credentialStatus", "holder", "termsOfUse")):
        of[term] = f"urn:x:{number}"
    of["credentialSchema"] = {"id": "urn:s:1", "type": "JsonSchemaValidator2018"}
    of["refreshService"] = {"id": "urn:r:1", "type": "ManualRefreshService2018"}
    for number, term in enumerate(("expirationDate", "issued", "validFrom", "validUntil")):
        of[term] = f"2030-01-0{number + 1}T00:00:00Z"
    of["schema:extra"] = "compact"
    of["vac:extra"] = "no prefix"
    of["https://x.example/extra"] = "whole"
    of["nobodyKnows"] = "left out"
    of["evidence"][0] |= {"dose": 2.5, "totalDoses": "3", "batch": ['a\tb\n"c\\', "ữ"], "vaccine": True}
    return of


@pytest.mark.vectors
@pytest.mark.parametrize("context", [COWIN_V1, COWIN_V2])
def test_our_contexts_give_the_statements_of_the_published_ones(vectors: Path, context: str) -> None:
    """Every term that a document may use becomes the same statement, and so does what none defines."""
    of = everything(context)
    assert jsonld.canonical(of, "x").decode() == published(vectors, of)
    used = set(_names(of))
    terms = set(_terms_of(jsonld.CONTEXTS[context])) | set(_terms_of(jsonld.CONTEXTS[CREDENTIALS]))
    structural = {
        "@context", "@version", "@protected", "@id", "@type", "@container", "schema", "vac", "cred", "sec",
        "xsd",
        "proof", "Person", "Vaccination", "ProofOfVaccinationCredential", "VerifiableCredential",
        "JsonSchemaValidator2018", "ManualRefreshService2018",
    }  # fmt: skip
    assert terms - structural <= used | ({"age", "gender"} if context == COWIN_V2 else set())
    for case in cases(vectors):
        of = {name: value for name, value in case["expect"]["credential"].items() if name != "proof"}
        assert jsonld.canonical(of, "x").decode() == published(vectors, of)


@pytest.mark.vectors
@pytest.mark.parametrize("context", ["https://w3id.org/security/v1", "https://w3id.org/security/v2"])
def test_our_terms_of_proofs_give_the_statements_of_the_published_ones(vectors: Path, context: str) -> None:
    """Options of a proof, each of them, in both versions of the security vocabulary."""
    for suite in ("RsaSignature2018", "Ed25519Signature2018"):
        proof = {
            "@context": context, "type": suite, "created": "2021-06-01T10:00:01Z", "creator": "did:x:1",
            "verificationMethod": "did:x:2", "proofPurpose": "assertionMethod", "domain": "d",
            "challenge": "c", "nonce": "n", "jws": "j", "signatureValue": "s", "proofValue": "p",
            "nobodyKnows": "left out",
        }  # fmt: skip
        ours = jsonld.canonical(proof, "x").decode()
        assert ours == published(vectors, proof) or context.endswith("v1")
        if context.endswith("v1"):
            assert set(ours.splitlines()) == set(published(vectors, proof).splitlines())


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _names(member)
    elif isinstance(value, list):
        for member in value:
            yield from _names(member)


def _terms_of(context: Any) -> Iterator[str]:
    if isinstance(context, dict):
        for name, meaning in context.items():
            yield name
            yield from _terms_of(meaning)


def test_other_countries_addresses_serve_the_second_context() -> None:
    """Sri Lanka, Indonesia and DIVOC's own installations name the same text by other addresses."""
    plain = jsonld.canonical(document_v2(), "x")
    for url in (
        "https://divoc.prod/vaccine/credentials/vaccination/v1",
        "https://divoc.lgcc.gov.lk/credentials/vaccination/v1",
        "https://www.pedulilindungi.id/credentials/vaccination/v2",
    ):
        assert jsonld.canonical(document_v2() | {"@context": [CREDENTIALS, url]}, "x") == plain


def test_kept_contexts_change_no_statement() -> None:
    """What PyLD keeps of one document makes no difference to the next, whatever that first one was."""
    odd = [
        document() | {"type": 5},
        document() | {"@context": [COWIN_V1, COWIN_V2]},
        document(dose(verifier=[])),
    ]
    documents = [document(), document_v2(), everything(COWIN_V1), everything(COWIN_V2)]
    fresh = []
    for of in documents:
        jsonld._RESOLVER.set(None)
        fresh.append(jsonld.canonical(of, "x"))
    jsonld._RESOLVER.set(None)
    order = [*documents, *odd] * 3
    random.Random(1).shuffle(order)
    for of in order:
        before = copy.deepcopy(of)
        try:
            quads = jsonld.canonical(of, "x")
        except MalformedError:
            continue
        assert of == before
        assert of not in documents or quads == fresh[documents.index(of)]


# What a document says


@pytest.mark.parametrize("alg", ["PS256", "EdDSA"])
def test_a_document_that_we_sign_verifies_in_every_form(alg: str) -> None:
    """JSON, ZIP as bytes and ZIP in Base64 are one document; an algorithm of each suite."""
    text = sealed(document_v2(), alg)
    data = divoc.packed(text)
    assert data == divoc.packed(text)
    assert len(data) < divoc.MAX_ZIP
    for form in (text, data.decode("latin-1"), "B64:" + base64.b64encode(data).decode()):
        envelope = divoc.open_divoc(form)
        assert (envelope.alg, envelope.kid) == (PS256 if alg == "PS256" else EDDSA, b"did:example:7")
        assert holds(envelope, key(alg).spki())
        assert divoc.decode_divoc(envelope).document == json.loads(text)


def test_a_dose_is_read_into_the_common_vocabulary() -> None:
    """Holder, product, dose, date, country and identifiers, in the second version with a birth date."""
    claims = divoc.decode_divoc(divoc.open_divoc(sealed(document_v2())))
    payload = divoc.read_divoc(claims)
    event = payload.events[0]
    assert isinstance(event, Vaccination)
    assert (payload.holder.surname, payload.holder.birth_date) == ("Asha Test", "1987-04-05")
    assert (event.disease, event.product) == (vocabulary.COVID_19, "Covishield")
    assert event.vaccine == vocabulary.vaccine_of("Covishield")
    assert (event.dose, event.doses, str(event.given)) == (2, 3, "2021-06-01")
    assert (event.country, event.issuer, event.identifier) == (
        "IN",
        "https://cowin.gov.in/",
        "73000000000009",
    )
    assert (event.valid_from, event.valid_until) == (None, None)
    assert (HashKind.DOCUMENT, "73000000000009") in payload.identifiers
    assert (claims.issuer, str(claims.issued_at)) == ("https://cowin.gov.in/", "2021-06-01 10:00:00+00:00")
    assert (claims.expires_at, claims.bad_time) == (None, None)


@pytest.mark.parametrize(
    ("first", "second", "read_as"),
    [(1, 2, (1, 2)), (2, 1, (1, 2)), (2, 2, (2, 2)), (3, 2, (2, 3)), ("1", "2", (1, 2)), (2.0, 1, (1, 2)),
     ("", "", (None, None)), ("", 2, (None, 2)), (2, None, (2, 2)), (None, None, (None, None))],
)  # fmt: skip
def test_dose_and_course_are_the_smaller_and_the_larger_value(first: Any, second: Any, read_as: Any) -> None:
    """Two members, one meaning: the order is nobody's word, an empty one leaves the dose unknown."""
    event = shot(document(dose(dose=first, totalDoses=second)))
    assert (event.dose, event.doses) == read_as


@pytest.mark.parametrize("value", [0, 100, 1.5, "one", True, -1, [1, "x"], {"type": "Person"}])
def test_a_dose_value_that_cannot_be_right_is_malformed(value: Any) -> None:
    """Whole numbers from 1 to 99, as numbers or as text."""
    assert refusal(sealed(document(dose(dose=value))))[0] is Reason.MALFORMED


@pytest.mark.parametrize(
    ("members", "disease"),
    [
        ({}, vocabulary.COVID_19),
        ({"vaccine": "Nobody's"}, vocabulary.COVID_19),
        ({"vaccine": "Stamaril", "icd11Code": "1D47.0"}, vocabulary.YELLOW_FEVER),
        ({"vaccine": "Stamaril", "prophylaxis": "Yellow fever"}, vocabulary.YELLOW_FEVER),
        ({"vaccine": "Nobody's", "prophylaxis": "Rabies"}, "Rabies"),
        ({"vaccine": "Nobody's", "icd11Code": "XM9ZZ9"}, "XM9ZZ9"),
        ({"icd11Code": "1D47"}, ""),
    ],
)
def test_the_disease_is_what_the_statements_name(members: dict[str, Any], disease: str) -> None:
    """COVID-19 where nothing names one; unknown where two are named."""
    assert shot(document(dose(**members), context=COWIN_V2)).disease == disease


def test_a_number_is_never_taken_for_a_product() -> None:
    """Tables of products know CVX numbers; in these documents a number is a batch or a certificate."""
    assert shot(document(dose(batch="207", vaccine="Nobody's"))).product == ""


def test_two_known_products_name_none() -> None:
    """Where two values name products, none is chosen."""
    assert shot(document(dose(manufacturer="Janssen"))).product == ""


def test_without_a_product_the_icd11_code_gives_the_kind() -> None:
    """The kind of vaccine follows from its code where the product is unknown."""
    of = document(dose(vaccine="New", icd11Code="XM0GQ8"), context=COWIN_V2)
    assert shot(of).vaccine == vocabulary.MRNA


@pytest.mark.parametrize(
    ("members", "identifier"),
    [
        ({}, "73000000000009"),
        ({"certificateId": "73000000000009", "batch": "99999999999999999"}, "73000000000009"),
        ({"id": "https://x.example/undefined", "certificateId": "12345", "batch": "77"}, "12345"),
        ({"id": "https://x.example/undefined", "certificateId": None}, ""),
    ],
)
def test_the_identifier_is_the_one_that_the_dose_is_named_by(
    members: dict[str, Any], identifier: str
) -> None:
    """The end of the dose's own IRI; else the longest number; else nothing."""
    assert shot(document(dose(**members))).identifier == identifier


def test_several_doses_are_several_events_in_the_order_of_their_days() -> None:
    """Each with its own values, however they stand in the list."""
    second = dose(id="https://x.example/2", certificateId="2", date="2021-09-01", dose=2, totalDoses=2,
                  effectiveStart=None, effectiveUntil=None)  # fmt: skip
    for doses in ((dose(), second), (second, dose())):
        events = read(sealed(document(*doses))).events
        assert [event.identifier for event in events] == ["73000000000009", "2"]


def test_the_country_is_that_of_the_facility_in_two_letters() -> None:
    """Three letters become two; without a facility it is unknown."""
    abroad = address("x", "y") | {"addressCountry": "LKA"}
    assert shot(document(dose(facility={"name": "C", "address": abroad}))).country == "LK"
    assert shot(document(dose(facility=None))).country == ""


def test_a_document_that_says_when_it_ends_is_believed() -> None:
    """expirationDate is no part of DIVOC, but of the credential that it is."""
    of = document(expirationDate="2022-01-01T00:00:00Z")
    claims = divoc.decode_divoc(divoc.open_divoc(sealed(of)))
    assert str(claims.expires_at) == "2022-01-01 00:00:00+00:00"
    for wrong in ("soon", "2022-01-01", "2022-01-01T00:00:00"):
        of = document(expirationDate=wrong)
        assert divoc.decode_divoc(divoc.open_divoc(sealed(of))).bad_time


def test_an_issuer_that_nobody_signed_is_no_issuer() -> None:
    """A name that is no IRI is left out of the statements, so it is not the document's word."""
    of = document(issuer="moh.example")
    envelope = divoc.open_divoc(sealed(of))
    assert b"moh.example" not in envelope.payload
    assert divoc.decode_divoc(envelope).issuer is None


# The integrity hole, pitfall 23

Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every member and list item of a document below its proof and contexts."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        if not at and name in ("proof", "@context"):
            continue
        yield (*at, name)
        yield from places(member, (*at, name))


def _at(of: Any, place: Place) -> Any:
    for name in place:
        of = of[name]
    return of


def mutations(signed: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one thing changed by its holder; each kind by name."""
    here = list(places(signed))
    values = [_at(signed, place) for place in here]
    for i, first in enumerate(here):
        for second in here[i + 1 :]:
            if first == second[: len(first)] or _at(signed, first) == _at(signed, second):
                continue
            yield "swapped", _put(signed, (first, _at(signed, second)), (second, _at(signed, first)))
    for place in here:
        yield "dropped", _put(signed, (place, _GONE))
        for value in (
            None,
            [_at(signed, place)],
            [_at(signed, place)] * 2,
            "extra",
            7,
            True,
            str(_at(signed, place)),
        ):
            yield "replaced", _put(signed, (place, value))
    terms = (
        "uhid", "dob", "sex", "icd11Code", "prophylaxis", "expirationDate", "holder", "id", "name", "batch",
        "schema:id", "https://schema.org/doseValue", "nobodyKnows", "vac:city", "", ":", "https://x.example/\n",
    )  # fmt: skip
    for node in [(), *(place for place in here if isinstance(_at(signed, place), dict))]:
        for term in terms:
            if term in _at(signed, node):
                continue
            yield "added", _put(signed, ((*node, term), "extra"))
            yield "added", _put(signed, ((*node, term), None))
            for name, value in _at(signed, node).items():
                if not isinstance(value, (str, int)) or terms.index(term) > 12:
                    continue
                yield "copied", _put(signed, ((*node, term), value))
                yield "renamed", _put(signed, ((*node, term), value), ((*node, name), _GONE))
    foreign = dose(id="no iri", verifier=None, facility=None, batch="forged", dose=9, totalDoses=9)
    for value in (foreign, foreign | {"id": "_:b0"}, foreign | {"id": ""}, {}, [], None):
        yield "added", _put(signed, (("evidence",), [*signed["evidence"], value]))
    first, *rest = signed["evidence"]
    half = {name: first[name] for name in list(first)[:8]}
    yield (
        "split",
        _put(
            signed,
            (
                ("evidence",),
                [half, {k: v for k, v in first.items() if k not in half or k in ("id", "type")}, *rest],
            ),
        ),
    )
    yield (
        "joined",
        _put(
            signed,
            (("evidence", 0, "dose"), [first["dose"], first["totalDoses"]]),
            (("evidence", 0, "totalDoses"), _GONE),
        ),
    )
    for context in jsonld.CONTEXTS:
        yield "context", _put(signed, (("@context",), [CREDENTIALS, context]))
        yield "context", _put(signed, (("@context",), [*signed["@context"], context]))
    yield "context", _put(signed, (("@context",), signed["@context"][::-1]))
    assert values == [_at(signed, place) for place in here]


_GONE = object()


def _put(of: dict[str, Any], *changes: tuple[Place, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(of)
    for place, value in changes:
        holder = _at(changed, place[:-1])
        if value is not _GONE:
            holder[place[-1]] = copy.deepcopy(value)
        elif isinstance(holder, list):
            holder.pop(int(place[-1]))
        else:
            del holder[place[-1]]
    return changed


@pytest.mark.slow
@pytest.mark.parametrize(("alg", "version"), [("PS256", 1), ("EdDSA", 2)])
def test_pitfall_23_nothing_that_keeps_the_signature_changes_what_is_read(alg: str, version: int) -> None:
    """Swap, drop, add, rename: while the signature holds, the reading is the same, or it is refused."""
    text = sealed(document() if version == 1 else document_v2(), alg)
    honest, kept, refused = read(text), Counter[str](), Counter[str]()
    verifying = load_spki(key(alg).spki())
    for kind, changed in mutations(json.loads(text)):
        try:
            envelope = divoc.open_divoc(json.dumps(changed))
        except MalformedError:
            continue
        if not verifying.verify(envelope.alg or 0, envelope.signature, envelope.to_be_signed):
            continue
        kept[kind] += 1
        try:
            claims = divoc.decode_divoc(envelope)
            payload = divoc.read_divoc(claims)
        except MalformedError:
            refused[kind] += 1
            continue
        assert payload == honest, kind
        assert (claims.issuer, str(claims.issued_at)) == (
            "https://cowin.gov.in/",
            "2021-06-01 10:00:00+00:00",
        )
    print(f"version {version}: signature kept {dict(kept)}, of these refused {dict(refused)}")
    # the mutations that this is about really keep the signature
    assert kept["swapped"] >= 10
    assert min(kept["dropped"], kept["added"], kept["renamed"], kept["copied"], kept["context"]) >= 1
    assert refused["added"] >= 10


def test_pitfall_23_a_member_that_nobody_signed_is_refused() -> None:
    """An unknown member stands under a good signature and would look as if it were the issuer's word."""
    signed = json.loads(sealed(document()))
    signed["credentialSubject"]["dob"] = "2010-01-01"  # the first context does not know it
    text = json.dumps(signed)
    assert holds(divoc.open_divoc(text))
    assert refusal(text)[0] is Reason.MALFORMED


@pytest.mark.parametrize("identity", ["did:Aadhaar Card:1234", "", "X0000000"])
def test_a_holder_whom_the_issuer_left_unsigned_needs_a_person(identity: str) -> None:
    """An id that is no IRI takes its whole node out of the statements: then any name fits the signature."""
    signed = json.loads(sealed(document(credentialSubject=person(id=identity, address=None))))
    signed["credentialSubject"]["name"] = "Somebody Else"
    text = json.dumps(signed)
    assert holds(divoc.open_divoc(text))
    assert refusal(text)[0] is Reason.UNSUPPORTED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": ["VerifiableCredential"], "nonTransferable": None}, Reason.UNSUPPORTED),
        ({"credentialStatus": "https://x.example/1"}, Reason.UNSUPPORTED),
        ({"evidence": None}, Reason.MALFORMED),
        ({"evidence": "https://x.example/1"}, Reason.UNSUPPORTED),
        ({"credentialSubject": None}, Reason.MALFORMED),
        ({"credentialSubject": person(name=None)}, Reason.MALFORMED),
        ({"credentialSubject": person(name=["A", "B"])}, Reason.MALFORMED),
        ({"credentialSubject": [person(), person(id="did:x:2")]}, Reason.MALFORMED),
        ({"evidence": [dose(date="2021-13-01")]}, Reason.MALFORMED),
        ({"evidence": [dose(id=f"urn:x:{n}", verifier=None, facility=None, batch=None) for n in range(17)]},
         Reason.TOO_BIG),
    ],
)  # fmt: skip
def test_documents_of_another_kind_are_not_read(change: dict[str, Any], reason: Reason) -> None:
    """What is unknown needs a person; what cannot be right is malformed."""
    assert refusal(sealed(document(**change)))[0] is reason


# Proofs


@pytest.mark.parametrize(
    ("header", "alg"),
    [
        ({"alg": "ES256", "b64": False, "crit": ["b64"]}, 0),
        ({"alg": "PS256", "b64": False, "crit": ["b64"]}, 0),  # not of the suite that the proof names
        ({"alg": "none", "b64": False, "crit": ["b64"]}, 0),
        ({"alg": None, "b64": False, "crit": ["b64"]}, 0),
        ({"b64": False, "crit": ["b64"]}, None),
    ],
)
def test_pitfall_02_an_algorithm_that_is_not_the_suites_own_is_passed_on_to_be_refused(
    header: dict[str, Any], alg: int | None
) -> None:
    """Header and type of the proof name one algorithm; anything else is no number of ours."""
    part = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    assert divoc.open_divoc(resealed(document(), jws=f"{part}..AAAA")).alg == alg


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ({"type": "BbsBlsSignature2020"}, Reason.UNSUPPORTED),
        ({"type": ["RsaSignature2018"]}, Reason.UNSUPPORTED),
        ({"type": None}, Reason.UNSUPPORTED),
        ({"expires": "2030-01-01T00:00:00Z"}, Reason.UNSUPPORTED),
        ({"@context": "https://w3id.org/security/v2"}, Reason.UNSUPPORTED),
        ({"proofPurpose": "authentication"}, Reason.MALFORMED),
        ({"created": 5}, Reason.MALFORMED),
        ({"created": {"id": "x"}}, Reason.MALFORMED),
        ({"jws": None}, Reason.MALFORMED),
        ({"jws": "a.b.c"}, Reason.MALFORMED),
        ({"jws": "%..AAAA"}, Reason.MALFORMED),
        ({"jws": "e30..AAAA"}, Reason.MALFORMED),
        ({"jws": "eyJhbGciOiJFZERTQSIsImI2NCI6dHJ1ZSwiY3JpdCI6WyJiNjQiXX0..AAAA"}, Reason.MALFORMED),
    ],
)
def test_proofs_of_another_kind_are_not_opened(proof: dict[str, Any], reason: Reason) -> None:
    """Two suites, one purpose, a detached signature whose header asks for exactly that."""
    assert refusal(resealed(document(), **proof))[0] is reason


def test_a_proof_without_a_method_names_no_key() -> None:
    """The KID is the verification method; several keys may bear it."""
    assert divoc.open_divoc(resealed(document(), verificationMethod=None)).kid is None


def test_a_signature_with_padding_is_read() -> None:
    """Some encoders write it; it has one meaning only."""
    jws = json.loads(sealed(document()))["proof"]["jws"]
    assert holds(divoc.open_divoc(resealed(document(), jws=jws + "==")))


# Hostile containers and documents


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue().decode("latin-1")


@pytest.mark.scenario("SC-F08")
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_pitfall_01_a_zip_that_is_not_one_small_certificate_is_refused() -> None:
    """One entry of the known name, without path; few bytes in, few bytes out; nothing exotic."""
    body = sealed(document()).encode()
    assert read(zipped((divoc.ENTRY, body), method=zipfile.ZIP_STORED))
    for name in ("other.json", "a/certificate.json", "../certificate.json", "/certificate.json"):
        assert refusal(zipped((name, body)))[0] is Reason.MALFORMED
    assert refusal(zipped((divoc.ENTRY, body), ("x", b"")))[0] is Reason.MALFORMED
    assert refusal(zipped((divoc.ENTRY, body), (divoc.ENTRY, body)))[0] is Reason.MALFORMED
    assert refusal("PK\x03\x04")[0] is Reason.MALFORMED
    assert refusal(zipped((divoc.ENTRY, body), method=zipfile.ZIP_BZIP2))[0] is Reason.MALFORMED
    assert refusal(zipped((divoc.ENTRY, b"0" * 3_000_000)))[0] is Reason.TOO_BIG
    assert refusal(zipped((divoc.ENTRY, random.Random(1).randbytes(5000))))[0] is Reason.TOO_BIG
    assert refusal("PK\x03\x04\u2028")[0] is Reason.MALFORMED
    assert refusal("B64:" + "A" * 9000)[0] is Reason.TOO_BIG
    assert refusal("B64:%%%")[0] is Reason.MALFORMED
    encrypted = bytearray(zipped((divoc.ENTRY, body)).encode("latin-1"))
    encrypted[6] |= 1
    encrypted[encrypted.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(encrypted.decode("latin-1"))[0] is Reason.MALFORMED


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ([CREDENTIALS, "https://evil.example/context"], Reason.UNSUPPORTED),
        ([CREDENTIALS, COWIN_V1 + "#x"], Reason.UNSUPPORTED),
        ([CREDENTIALS] * 9, Reason.UNSUPPORTED),
        ([], Reason.MALFORMED),
        (None, Reason.MALFORMED),
        ([CREDENTIALS, {"dose": "https://x.example/dose"}], Reason.MALFORMED),
        ({"@vocab": "https://x.example/"}, Reason.MALFORMED),
        ([[CREDENTIALS]], Reason.MALFORMED),
        ([COWIN_V1, COWIN_V2, CREDENTIALS], Reason.MALFORMED),
    ],
)
def test_pitfall_12_a_document_names_contexts_that_are_held_here_and_defines_none(
    context: Any, reason: Reason
) -> None:
    """Unknown ones need a person; own definitions are refused; nothing is fetched."""
    signed = json.loads(sealed(document()))
    assert refusal(json.dumps(signed | {"@context": context}))[0] is reason


@pytest.mark.parametrize(
    "member",
    [
        {"@id": "did:x:1"}, {"@type": "Person"}, {"@graph": []}, {"@reverse": {}}, {"@included": []},
        {"@value": 1}, {"@list": []}, {"@set": []}, {"@context": CREDENTIALS}, {"@context": {}}, {"@x": 1},
        {"id": "_:b0"}, {"name": "_:b0"}, {"_:b0": "x"},
    ],
)  # fmt: skip
def test_keywords_nested_contexts_and_blank_labels_are_refused(member: dict[str, Any]) -> None:
    """A certificate needs none of them, and each could make one statement look like another."""
    signed = json.loads(sealed(document()))
    for node in (signed, signed["credentialSubject"], signed["evidence"][0]["facility"]["address"]):
        if "@context" in member and node is signed:
            continue
        before = dict(node)
        node.update(member)
        assert refusal(json.dumps(signed))[0] is Reason.MALFORMED
        node.clear()
        node.update(before)


def test_nothing_is_fetched_whatever_a_document_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and reading a document opens no connection and asks no name server."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    jsonld._RESOLVER.set(None)
    assert read(sealed(document_v2())).events
    signed = json.loads(sealed(document()))
    for url in ("https://evil.example/c", "http://127.0.0.1/c", "file:///etc/hostname", "c.json"):
        assert refusal(json.dumps(signed | {"@context": [CREDENTIALS, url]}))[0] is Reason.UNSUPPORTED
        read(sealed(document(evidence=[dose(facility={"name": "C", "address": address(url, url)})])))


def hostile() -> Iterator[tuple[str, dict[str, Any]]]:
    """Documents within the limits that would be dear to canonicalise."""
    alike = {"type": ["Vaccination"], "verifier": {"name": "x"}}
    yield "alike doses", document(*[alike] * 30)
    yield "alike doses, bare", document(*[{"type": ["Vaccination"], "batch": "x"}] * 60)
    yield "alike verifiers", document(dose(id=None, verifier=[{"id": "1", "name": "x"}] * 55))
    five = ("certificateId", "batch", "vaccine", "manufacturer", "icd11Code")
    tree: dict[str, Any] = {"type": "Vaccination"}
    for _ in range(2):
        tree = {"type": "Vaccination", **dict.fromkeys(five, tree)}
    yield "a tree of alike parts", document(tree, context=COWIN_V2)
    chain: dict[str, Any] = {"type": "Vaccination"}
    for _ in range(11):
        chain = {"type": "Vaccination", "batch": [chain, {"type": "Vaccination"}], "dose": {}}
    yield "a deep chain", document(chain)
    yield "pairs", document(*[dose(id=None, verifier=None, facility={"address": {"city": "x"}})] * 3)
    yield "many types", document(dose(type=["Vaccination", "Person"] * 100))
    yield (
        "typed nodes",
        document(*[{"id": f"urn:x:{n}", "type": ["Vaccination", "Person"]} for n in range(58)]),
    )
    yield "many values", document(dose(batch=[str(n) for n in range(200)]))
    yield (
        "many doses",
        document(*[dose(id=f"urn:x:{n}", feedbackUrl=None, infoUrl=None, batch=None) for n in range(5)]),
    )
    yield (
        "one id",
        document(
            *[{"id": "urn:x:1", "type": "Vaccination", "verifier": {}, "facility": {"address": {}}}] * 15
        ),
    )


@pytest.mark.parametrize(("name", "of"), [pytest.param(n, d, id=n.replace(" ", "-")) for n, d in hostile()])
def test_a_document_within_the_limits_stays_cheap(name: str, of: dict[str, Any]) -> None:
    """Canonical names of parts that are all alike could take hours; a budget ends that."""
    jsonld.canonical(document(), "x")
    begin = time.perf_counter()
    try:
        jsonld.canonical(of, "x")
        outcome = "canonical"
    except MalformedError as error:
        outcome = str(error.reason)
    spent = time.perf_counter() - begin
    print(f"{name}: {outcome} in {spent * 1000:.1f} ms")
    assert spent < 2


def test_documents_beyond_the_limits_are_too_big() -> None:
    """Objects and values are counted before any work."""
    signed = json.loads(sealed(document()))
    for evidence in ([{}] * 65, [dose(batch=["x"] * 250)]):
        assert refusal(json.dumps(signed | {"evidence": evidence}))[0] is Reason.TOO_BIG


def _broken(data: bytes, at: int, byte: int) -> str:
    return (data[:at] + bytes([byte]) + data[at + 1 :]).decode("latin-1")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-3, 3) | st.text(max_size=8)
    | st.sampled_from(["Person", "Vaccination", "VerifiableCredential", "_:x", "urn:x:1", "@id", "", " "]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["id", "type", "name", "dose", "evidence", "batch", "address", "verifier", "proof",
                         "schema:id", "https://x/y", "credentialSubject", "date", "issuer"])
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150)
@given(st.data())
def test_any_change_of_a_document_gives_a_payload_or_a_malformed_error(data: st.DataObject) -> None:
    """Any value in any place: never another exception."""
    signed = json.loads(sealed(document_v2()))
    place = data.draw(
        st.sampled_from([*places(signed), ("proof", "type"), ("proof", "jws"), ("proof", "created")])
    )
    changed = _put(signed, (place, data.draw(ANY_JSON)))
    error = ""
    try:
        read(json.dumps(changed))
    except MalformedError as caught:
        error = str(caught)
    assert "Asha" not in error


@settings(max_examples=150)
@given(st.integers(0, 5000), st.integers(0, 255))
def test_any_byte_of_a_zip_may_change(at: int, byte: int) -> None:
    """Any byte gives an envelope or a MalformedError."""
    data = divoc.packed(sealed(document()))
    with contextlib.suppress(MalformedError):
        divoc.open_divoc(_broken(data, at % len(data), byte))


@given(
    st.text()
    | st.text().map("PK\x03\x04{}".format)
    | st.text().map("B64:{}".format)
    | ANY_JSON.map(json.dumps)
)
def test_any_text_gives_an_envelope_or_a_malformed_error(text: str) -> None:
    """Whatever a scanner sends."""
    with contextlib.suppress(MalformedError):
        divoc.open_divoc(text)


def test_no_type_prints_a_person() -> None:
    """Neither the document nor its claims show themselves in a traceback."""
    claims = divoc.decode_divoc(divoc.open_divoc(sealed(document())))
    assert "Asha" not in repr(claims.document) + repr(claims)
