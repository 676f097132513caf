"""WHO DDCC: nested core data sets, flat maps of early codes, and each fault by its name."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.keys import Algorithm, generate
from issuer.seed import Stream
from verifier import certificate, vocabulary
from verifier.certificate import NOT_DETECTED, Family, Payload, Vaccination
from verifier.keys import load_spki
from verifier.reasons import Reason
from verifier.wire import ddcc, hc1
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

KEY = generate(Algorithm.ES256, Stream(b"tests", "ddcc"))


def coding(code: str, system: str = "urn:example") -> dict[str, str]:
    return {"code": code, "system": system}


CERTIFICATE: dict[str, Any] = {
    "issuer": {"reference": "Organization/moh"}, "hcid": {"value": "XV-0001", "system": "urn:example"},
    "version": "RC2", "period": {"start": "2021-07-01", "end": "2022-07-08"},
}  # fmt: skip
DOSE: dict[str, Any] = {
    "vaccine": coding("XM0GQ8"), "brand": coding("208", "http://hl7.org/fhir/sid/cvx"),
    "manufacturer": coding("ORG-100030215"), "lot": "L1", "date": "2021-07-08", "validFrom": "2021-07-22",
    "dose": 1, "totalDoses": 2, "country": coding("VNM"), "centre": "Clinic 1", "disease": coding("RA01.0"),
}  # fmt: skip
HEAD: dict[str, Any] = {"name": "Nguyễn Bảo Duy", "birthDate": "1983-10-10", "identifier": "P0000001"}
VS: dict[str, Any] = HEAD | {"certificate": CERTIFICATE, "vaccination": DOSE}
SAMPLE: dict[str, Any] = {
    "pathogen": coding("840539006"), "type": coding("LP6464-4"), "brand": coding("1341"),
    "date": "2022-07-27T06:15:00Z", "result": coding("260415000"), "country": coding("SGP"), "centre": "Lab",
}  # fmt: skip
TR: dict[str, Any] = HEAD | {"certificate": CERTIFICATE | {"period": None}, "test": SAMPLE}
FLAT: dict[str, Any] = HEAD | {
    "vaccine": coding("1119349007"), "brand": "Comirnaty", "manufacturer": "Organization/973", "lot": "L1",
    "ma_holder": coding("ORG-100030215"), "date": "2021-07-08", "vaccine_valid": "2021-07-22", "dose": 1,
    "total_doses": 2, "country": coding("USA"), "centre": "Clinic", "disease": coding("840539006"),
    "pha": "Health authority", "hcid": "US1112", "valid_from": "2021-07-08", "valid_until": "2022-07-08",
}  # fmt: skip


def opened(text: str) -> Claims:
    envelope = hc1.open_hcert(text)
    assert load_spki(KEY.spki()).verify(-7, envelope.signature, envelope.to_be_signed)
    return hc1.decode_claims(envelope.payload)


def nested(document: dict[str, Any], sub_key: int = hc1.DDCC_VS) -> Claims:
    facts: dict[str, Any] = {"iss": "XV", "iat": 1_646_000_000, "kid": b"12345678", "alg": -7}
    return opened(ddcc.encode_ddcc(document, sub_key=sub_key, sign=KEY.sign, **facts))


def flat(document: dict[str, Any]) -> Claims:
    return opened(ddcc.encode_flat(document, kid=b"11", alg=-7, sign=KEY.sign))


def dose_of(claims: Claims) -> Vaccination:
    (event,) = ddcc.read_ddcc(claims).events
    assert isinstance(event, Vaccination)
    return event


def sample_of(claims: Claims) -> certificate.Test:
    (event,) = ddcc.read_ddcc(claims).events
    assert isinstance(event, certificate.Test)
    return event


def test_a_vaccination_status_is_read_into_the_common_vocabulary() -> None:
    """Codes of other systems become those that rules are written in; the period becomes days of the dose."""
    claims = nested(VS)
    assert (claims.family, claims.document) == (Family.DDCC, VS)
    payload = ddcc.read_ddcc(claims)
    assert (payload.holder.surname, payload.holder.given) == ("Nguyễn Bảo Duy", "")
    assert (payload.holder.birth_date, payload.version, payload.findings) == ("1983-10-10", "RC2", ())
    event = dose_of(claims)
    assert (event.disease, event.vaccine) == (vocabulary.COVID_19, vocabulary.MRNA)
    assert (event.product, event.maker) == ("EU/1/20/1528", "ORG-100030215")
    assert (event.dose, event.doses, event.given) == (1, 2, date(2021, 7, 8))
    assert (event.country, event.issuer, event.identifier) == ("VN", "Organization/moh", "XV-0001")
    assert (event.valid_from, event.valid_until) == (date(2021, 7, 22), date(2022, 7, 8))


def test_a_test_result_is_read() -> None:
    """Sub-key 4."""
    event = sample_of(nested(TR, hc1.DDCC_TR))
    assert (event.disease, event.kind, event.device) == (vocabulary.COVID_19, vocabulary.NAAT, "1341")
    assert event.sampled == datetime(2022, 7, 27, 6, 15, tzinfo=UTC)
    assert (event.result, event.country) == (NOT_DETECTED, "SG")
    assert event.identifier == "XV-0001"


def test_a_test_with_a_day_alone_names_no_instant() -> None:
    """The text is kept for the screen; nobody invents a midnight."""
    event = sample_of(nested(TR | {"test": SAMPLE | {"date": "2022-07-27"}}, hc1.DDCC_TR))
    assert (event.sampled, event.sampled_text) == (None, "2022-07-27")


def test_a_period_on_a_test_needs_a_look() -> None:
    """No check judges it, and what is unknown never becomes green."""
    payload = ddcc.read_ddcc(nested(TR | {"certificate": CERTIFICATE}, hc1.DDCC_TR))
    assert [found.code for found in payload.findings] == [Reason.UNSUPPORTED]


def test_a_flat_map_of_an_early_code_is_read() -> None:
    """No CWT claims round it, a short KID outside the protected header, codings and plain texts mixed."""
    claims = flat(FLAT)
    assert claims.family is Family.DDCC
    assert (claims.issuer, claims.issued_at, claims.expires_at) == (None, None, None)
    event = dose_of(claims)
    assert (event.vaccine, event.product) == (vocabulary.MRNA, "EU/1/20/1528")
    assert (event.maker, event.issuer, event.identifier) == ("ORG-100030215", "Health authority", "US1112")
    assert (event.dose, event.doses, event.country) == (1, 2, "US")
    assert (event.valid_from, event.valid_until) == (date(2021, 7, 22), date(2022, 7, 8))
    assert ddcc.read_ddcc(claims).version == ""


def test_a_flat_map_with_little_in_it_stays_little() -> None:
    """Absent stays absent: a rule that needs a day or a number answers unknown."""
    few = HEAD | {"vaccine": coding("1119349007"), "hcid": "1", "date": None, "total_doses": None, "dose": 1}
    event = dose_of(flat(few | {"manufacturer": "Organization/973"}))
    assert (event.given, event.dose, event.doses) == (None, 1, None)
    assert (event.product, event.maker, event.country) == ("", "Organization/973", "")
    assert (event.valid_from, event.valid_until) == (None, None)


def test_a_flat_test_with_a_uvci_in_the_person_s_place_is_read() -> None:
    """As Singapore issues it: meta, test, and the certificate's identifier under identifier."""
    document = {
        "name": "TAN CHEN", "birthDate": "1990-01-15", "identifier": "URN:UVCI:01:SG:ABC", "test": SAMPLE,
        "meta": {"url": "https://verify.example", "passportNumber": "X1"},
    }  # fmt: skip
    assert sample_of(flat(document)).identifier == "URN:UVCI:01:SG:ABC"
    assert sample_of(flat(document | {"identifier": "P0000001"})).identifier == ""


def test_the_product_may_stand_where_the_kind_belongs() -> None:
    """Data sets bind one field to kinds and products alike; both are told apart by the table."""
    event = dose_of(nested(VS | {"vaccination": DOSE | {"vaccine": coding("207"), "brand": None}}))
    assert (event.vaccine, event.product) == (vocabulary.MRNA, "EU/1/20/1507")


def test_a_missing_disease_is_that_of_a_known_vaccine_only() -> None:
    """The field is optional; nothing is guessed for a product that no table has."""
    known = {name: value for name, value in DOSE.items() if name != "disease"}
    unknown = known | {"vaccine": coding("XX1"), "brand": coding("XX2")}
    assert dose_of(nested(VS | {"vaccination": known})).disease == vocabulary.COVID_19
    assert dose_of(nested(VS | {"vaccination": unknown})).disease == ""


ISSUERS: dict[str, tuple[Any, str]] = {
    "a text": (" Ministry ", "Ministry"),
    "a reference": ({"reference": "Organization/1"}, "Organization/1"),
    "a reference with a name": ({"display": "Ministry", "reference": "Organization/1"}, "Ministry"),
    "an identifier": ({"identifier": {"value": "org-1"}}, "org-1"),
    "nothing": (None, ""),
}


@pytest.mark.parametrize("form", list(ISSUERS))
def test_an_issuer_may_be_a_text_or_a_reference(form: str) -> None:
    """Issuers write either."""
    issuer, expected = ISSUERS[form]
    assert dose_of(nested(VS | {"certificate": CERTIFICATE | {"issuer": issuer}})).issuer == expected


def changed(**change: Any) -> dict[str, Any]:
    return VS | {"vaccination": DOSE | change}


FAULTS: dict[str, dict[str, Any]] = {
    "no name": VS | {"name": None},
    "a name that is a map": VS | {"name": {"text": "x"}},
    "no event": HEAD | {"certificate": CERTIFICATE},
    "an empty event": VS | {"vaccination": {}},
    "an event that is a list": VS | {"vaccination": [DOSE]},
    "a dose and a test": VS | {"test": SAMPLE},
    "a nested dose and a flat one": VS | FLAT,
    "certificate that is a text": VS | {"certificate": "x"},
    "a period that is a list": VS | {"certificate": CERTIFICATE | {"period": []}},
    "a day that is none": changed(date="2021-09-99"),
    "a day that is a number": changed(date=20210708),
    "dose 0": changed(dose=0),
    "dose 100": changed(dose=100),
    "half a dose": changed(dose=1.5),
    "a total that is a text": changed(totalDoses="2"),
    "a start that is no day": changed(validFrom="soon"),
    "an end that is no day": VS | {"certificate": CERTIFICATE | {"period": {"end": "2021-13-01"}}},
    "an end before the start": VS
    | {"certificate": CERTIFICATE | {"period": {"start": "2022-01-02", "end": "2022-01-01"}}},
    "a sample on a day that is none": TR | {"test": SAMPLE | {"date": "2022-02-30"}},
    "a sample at a time that is none": TR | {"test": SAMPLE | {"date": "2022-02-01T25:00:00Z"}},
}


@pytest.mark.scenario("SC-D11")
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_document_that_cannot_be_right_is_malformed(fault: str) -> None:
    """Each fault is named by its layer, and no text of the document is in it."""
    with pytest.raises(MalformedError, match=r"^ddcc: ") as caught:
        ddcc.read_ddcc(nested(FAULTS[fault]))
    assert caught.value.reason is Reason.MALFORMED
    assert "Nguyễn" not in str(caught.value)


def test_whole_floats_and_times_behind_a_day_are_read() -> None:
    """The tolerances of the DCC hold here too."""
    event = dose_of(nested(changed(dose=2.0, totalDoses=None, date="2021-07-08T23:30:00+07:00")))
    assert (event.dose, event.doses, event.given) == (2, None, date(2021, 7, 8))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*VS, *DOSE, *SAMPLE, *FLAT, *CERTIFICATE, "code", "value", "start", "end", "test"])
MAPS = st.dictionaries(MEMBERS, ANYTHING | st.dictionaries(MEMBERS, ANYTHING, max_size=4), max_size=8)


@given(MAPS)
def test_any_document_gives_a_payload_or_a_named_fault(change: dict[str, Any]) -> None:
    """Whatever a holder of a key signs, nothing but a MalformedError leaves the reader."""
    documents = (
        None, change, VS | change, FLAT | change, TR | change, VS | {"vaccination": DOSE | change},
        TR | {"test": SAMPLE | change}, VS | {"certificate": CERTIFICATE | change},
    )  # fmt: skip
    for document in documents:
        with contextlib.suppress(MalformedError):
            assert isinstance(ddcc.read_ddcc(Claims(Family.DDCC, document)), Payload)


@pytest.mark.vectors
def test_the_published_codes_open_to_their_claims(vectors: Path) -> None:
    """Both cases decode to what is recorded; each is read or named by a MalformedError."""
    cases = [json.loads(line) for line in (vectors / "ddcc.jsonl").read_text("utf-8").splitlines()]
    assert cases
    for case in cases:
        claims = hc1.decode_claims(hc1.open_hcert(case["text"]).payload)
        for name, value in case["expect"]["payload"].items():
            found = (claims.whole or {})[int(name)]
            if value == "NaN":
                assert found != found
            elif name == "-260":
                assert {str(key): inner for key, inner in found.items()} == value, case["id"]
            else:
                assert found == value, case["id"]
