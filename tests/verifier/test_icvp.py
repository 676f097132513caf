"""International certificates of vaccination or prophylaxis: both layouts, periods, the list, each fault."""

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
from verifier import vocabulary
from verifier.certificate import Family, Payload, Prophylaxis, Vaccination
from verifier.keys import load_spki
from verifier.reasons import Reason, State
from verifier.wire import hc1, icvp
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

KEY = generate(Algorithm.ES256, Stream(b"tests", "icvp"))
YELLOW_FEVER = next(iter(icvp.PRODUCTS))
POLIO = next(code for code in icvp.PRODUCTS if code.startswith("PolioVaccineInactivatedI"))
ISSUED = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)

DOSE: dict[str, Any] = {"vp": YELLOW_FEVER, "dv": "2026-02-20", "bo": "B1", "cn": "Dr Lê", "is": "XVA"}
CURRENT: dict[str, Any] = {
    "n": "Nguyễn Bảo Duy", "dob": "1983-10-10", "s": "male", "nt": "VNM", "id": "P001", "v": "1", "vx": DOSE,
}  # fmt: skip
PILOT_DOSE: dict[str, Any] = {
    "dn": "Primary", "tg": "1D47", "vp": "XM0N24", "mp": "7", "ma": "Maker", "dt": "2024-02-01", "bo": "B1",
    "vls": "2024-02-11", "vle": "2034-02-11", "cn": "Dr Lê", "is": "XVA",
}  # fmt: skip
PILOT: dict[str, Any] = {
    "n": "Nguyễn Bảo Duy", "dob": "1983-10-10", "s": "M", "ntl": "VN", "nid": "P1", "v": PILOT_DOSE,
}  # fmt: skip


def opened(document: dict[str, Any], iat: datetime | None = ISSUED, **options: Any) -> Claims:
    seconds = None if iat is None else iat.timestamp()
    facts: dict[str, Any] = {"iss": "XVA", "iat": seconds, "kid": b"12345678", "alg": -7, "sign": KEY.sign}
    envelope = hc1.open_hcert(icvp.encode_icvp(document, **(facts | options)))
    assert load_spki(KEY.spki()).verify(-7, envelope.signature, envelope.to_be_signed)
    return hc1.decode_claims(envelope.payload)


def read(document: dict[str, Any], iat: datetime | None = ISSUED) -> Payload:
    return icvp.read_icvp(opened(document, iat))


def dose_of(document: dict[str, Any], iat: datetime | None = ISSUED) -> Vaccination:
    (event,) = read(document, iat).events
    assert isinstance(event, Vaccination)
    return event


def with_dose(**change: Any) -> dict[str, Any]:
    """The current layout with another dose; ``None`` leaves a member out."""
    dose = {name: value for name, value in (DOSE | change).items() if value is not None}
    return CURRENT | {"vx": dose}


def codes(payload: Payload) -> list[Reason]:
    return [found.code for found in payload.findings]


def test_a_current_certificate_is_read() -> None:
    """One dose; the disease is the product's, the name stays one text, no exp is asked for."""
    claims = opened(CURRENT)
    assert (claims.family, claims.document, claims.expires_at) == (Family.ICVP, CURRENT, None)
    payload = icvp.read_icvp(claims)
    assert (payload.holder.surname, payload.holder.given) == ("Nguyễn Bảo Duy", "")
    assert (payload.version, payload.findings) == ("1", ())
    event = dose_of(CURRENT)
    assert (event.disease, event.product) == (vocabulary.YELLOW_FEVER, YELLOW_FEVER)
    assert (event.given, event.country, event.issuer) == (date(2026, 2, 20), "XVA", "XVA")
    assert (event.dose, event.doses, event.identifier) == (None, None, "")


@pytest.mark.scenario("SC-Y01")
def test_yellow_fever_counts_from_the_tenth_day_for_life() -> None:
    """The ninth day is not in the period, the tenth is, and there is no last one."""
    event = dose_of(CURRENT)
    assert event.valid_from == date(2026, 3, 2)
    assert event.valid_until is None


@pytest.mark.scenario("SC-Y02")
def test_a_dose_of_thirty_years_ago_has_no_end_whatever_the_paper_says() -> None:
    """For life since 2016; a stated end of ten years is the old rule's."""
    assert dose_of(with_dose(dv="1996-02-20")).valid_until is None
    stated = dose_of(PILOT)
    assert (stated.valid_from, stated.valid_until) == (date(2024, 2, 11), None)


def test_a_stated_begin_before_the_tenth_day_does_not_count() -> None:
    """The later one of both."""
    early = PILOT | {"v": PILOT_DOSE | {"vls": "2024-02-01"}}
    late = PILOT | {"v": PILOT_DOSE | {"vls": "2024-03-01"}}
    assert dose_of(early).valid_from == date(2024, 2, 11)
    assert dose_of(late).valid_from == date(2024, 3, 1)


def test_other_vaccines_keep_the_period_that_is_stated() -> None:
    """Polio has none in the current layout; a bounded one ends with its last day."""
    event = dose_of(with_dose(vp=POLIO))
    assert (event.disease, event.valid_from, event.valid_until) == (vocabulary.POLIOMYELITIS, None, None)
    bounded = dose_of(PILOT | {"v": PILOT_DOSE | {"tg": "1C81"}})
    assert (bounded.valid_from, bounded.valid_until) == (date(2024, 2, 11), date(2034, 2, 11))


def test_the_list_holds_what_who_published() -> None:
    """Sixty products against two diseases, each id of one form."""
    assert len(icvp.PRODUCTS) == 60
    assert sorted(set(icvp.PRODUCTS.values())) == sorted({vocabulary.YELLOW_FEVER, vocabulary.POLIOMYELITIS})
    assert sum(disease == vocabulary.YELLOW_FEVER for disease in icvp.PRODUCTS.values()) == 11


@pytest.mark.parametrize(
    "product", ["Stamaril", YELLOW_FEVER.lower(), YELLOW_FEVER[:-1], "YellowFeverProduct"]
)
def test_a_product_outside_the_list_is_invalid(product: str) -> None:
    """FAIL: the certificate stands on WHO's approval of the product (IHR Annex 6)."""
    payload = read(with_dose(vp=product))
    (found,) = payload.findings
    assert (found.code, found.state) == (Reason.VACCINE_NOT_LISTED, State.FAIL)
    assert product not in found.detail


@pytest.mark.scenario("SC-F09")
@pytest.mark.parametrize("version", ["2", "draft", "11", "1.x"])
def test_an_unknown_version_is_ambiguous_and_the_facts_are_read(version: str) -> None:
    """CHECK UNSUPPORTED, with the dose on the screen."""
    payload = read(CURRENT | {"v": version})
    assert codes(payload) == [Reason.UNSUPPORTED]
    assert len(payload.events) == 1


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.3", 1, 1.0, " 1 "])
def test_version_1_is_known_in_its_spellings(version: Any) -> None:
    """Later minor versions are judged on known fields."""
    assert codes(read(CURRENT | {"v": version})) == []


def test_certificates_from_before_the_day_in_force_need_a_look() -> None:
    """Digital ones exist since 2025-09-19; that day counts wherever on earth it had begun."""
    older = with_dose(dv="2025-01-01")
    assert codes(read(older, datetime(2025, 9, 17, 23, 0, tzinfo=UTC))) == [Reason.UNSUPPORTED]
    assert codes(read(older, datetime(2025, 9, 18, 23, 0, tzinfo=UTC))) == []
    assert codes(read(older, datetime(2025, 9, 19, 0, 0, tzinfo=UTC))) == []
    assert codes(read(older, None)) == [Reason.UNSUPPORTED]
    assert codes(read(older | {"d": "2025-09-19"}, None)) == []
    assert codes(read(older | {"d": "2025-09-18"}, ISSUED)) == [Reason.UNSUPPORTED]


def test_a_dose_on_the_day_of_issue_is_right_and_a_later_one_is_not() -> None:
    """The day is the latest on earth, so that a morning in the far east is no fault."""
    evening = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    assert dose_of(with_dose(dv="2026-03-02"), evening).given == date(2026, 3, 2)
    for document, iat in (
        (with_dose(dv="2026-03-03"), evening),
        (with_dose(dv="2026-03-02") | {"d": "2026-03-01"}, evening),
        (PILOT, datetime(2024, 1, 30, tzinfo=UTC)),
    ):
        late = [found for found in read(document, iat).findings if found.code is Reason.MALFORMED]
        assert [found.detail for found in late] == ["icvp: the dose is later than the day of issue"]


def test_a_pilot_is_read_and_never_in_force() -> None:
    """v is a map: the disease stands in it, and a person has to look."""
    payload = read(PILOT)
    assert codes(payload) == [Reason.UNSUPPORTED]
    event = dose_of(PILOT)
    assert (event.disease, event.vaccine, event.product) == (vocabulary.YELLOW_FEVER, "XM0N24", "7")
    assert (event.maker, event.issuer) == ("Maker", "XVA")
    few = {"n": "X", "dob": "1999-05-05", "v": {"dt": "2023-07-04", "tg": "RA01", "vp": "871772009"}}
    assert dose_of(few).disease == vocabulary.COVID_19


def test_a_prophylaxis_is_told_by_its_therapeutic_group() -> None:
    """ATC J07 is a vaccine, any other group is none."""
    tablets = PILOT | {"v": PILOT_DOSE | {"vp": "P01BB51", "tg": "1F40"}}
    (event,) = read(tablets).events
    assert isinstance(event, Prophylaxis)
    assert (event.disease, event.given, event.valid_until) == ("1F40", date(2024, 2, 1), date(2034, 2, 11))
    assert isinstance(read(PILOT | {"v": PILOT_DOSE | {"vp": "J07BL01"}}).events[0], Vaccination)


@pytest.mark.parametrize("dob", ["1983", "1983-10", "", None, "1983-02-30"])
def test_a_birth_date_that_is_not_a_full_one_needs_a_look(dob: str | None) -> None:
    """A full date is required; without it the passport has to be compared by hand."""
    assert codes(read(CURRENT | {"dob": dob})) == [Reason.DOB_PARTIAL]


def test_one_of_clinician_and_authority_is_enough() -> None:
    """Either names who answers for the dose."""
    assert dose_of(with_dose(**{"is": None})).issuer == "Dr Lê"
    assert dose_of(with_dose(cn=None)).issuer == "XVA"


def test_the_earlier_name_of_the_date_is_read() -> None:
    """dt became dv in 2026."""
    assert dose_of(with_dose(dv=None, dt="2026-02-20")).given == date(2026, 2, 20)


def lacking(name: str) -> dict[str, Any]:
    return {key: value for key, value in CURRENT.items() if key != name}


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": (lacking("n"), "no n "),
    "a name that is a list": (CURRENT | {"n": ["x"]}, "no n "),
    "no sex": (lacking("s"), "no s "),
    "no nationality": (lacking("nt"), "no nt "),
    "no version": (lacking("v"), "no v "),
    "a version that is a list": (CURRENT | {"v": [1]}, "no v "),
    "no dose": (lacking("vx"), "vx"),
    "two doses": (CURRENT | {"vx": [DOSE, DOSE]}, "vx"),
    "no product": (with_dose(vp=None), "no vp "),
    "no batch": (with_dose(bo=None), "no bo "),
    "no date": (with_dose(dv=None), "no dv "),
    "a date that is none": (with_dose(dv="2021-09-99"), "dv is not a date"),
    "a year alone": (with_dose(dv="2021"), "dv is not a date"),
    "neither clinician nor authority": (with_dose(**{"is": None, "cn": " "}), "neither cn nor is"),
    "a day of issue that is none": (CURRENT | {"d": "today"}, "d is not a date"),
    "both layouts at once": (PILOT | {"vx": DOSE}, "two layouts"),
    "a pilot without a date": (PILOT | {"v": {"vp": "x"}}, "no dt "),
    "a pilot without a vaccine": (PILOT | {"v": {"dt": "2024-01-01"}}, "no vp "),
    "a pilot with a broken end": (PILOT | {"v": PILOT_DOSE | {"vle": "never"}}, "vle is not a date"),
}


@pytest.mark.scenario("SC-D11")
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_certificate_that_cannot_be_right_is_malformed(fault: str) -> None:
    """Each fault is named by its layer, and nobody's name is in it."""
    document, words = FAULTS[fault]
    with pytest.raises(MalformedError, match=r"^icvp: ") as caught:
        read(document)
    assert caught.value.reason is Reason.MALFORMED
    assert words in str(caught.value)
    assert "Nguyễn" not in str(caught.value)


def test_the_last_days_of_the_calendar_are_no_trap() -> None:
    """Ten days after the end of time are a named fault."""
    with pytest.raises(MalformedError, match="calendar"):
        read(with_dose(dv="9999-12-25"), None)
    late = datetime(9999, 12, 31, 23, 0, tzinfo=UTC)
    assert icvp.read_icvp(Claims(Family.ICVP, CURRENT, issued_at=late)).findings == ()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*CURRENT, *DOSE, *PILOT_DOSE, "d", "ntl"])
DAYS = st.dates().map(date.isoformat)
MAPS = st.dictionaries(MEMBERS, ANYTHING | DAYS | st.dictionaries(MEMBERS, ANYTHING, max_size=4), max_size=8)


@given(MAPS, st.none() | st.datetimes(timezones=st.just(UTC)))
def test_any_document_gives_a_payload_or_a_named_fault(change: dict[str, Any], iat: datetime | None) -> None:
    """Whatever a holder of a key signs, nothing but a MalformedError leaves the reader."""
    documents = (
        None, change, CURRENT | change, PILOT | change, CURRENT | {"vx": DOSE | change},
        PILOT | {"v": PILOT_DOSE | change},
    )  # fmt: skip
    for document in documents:
        with contextlib.suppress(MalformedError):
            assert isinstance(icvp.read_icvp(Claims(Family.ICVP, document, issued_at=iat)), Payload)


@pytest.mark.vectors
def test_the_published_pilot_is_read(vectors: Path) -> None:
    """It was issued before digital certificates came into force."""
    cases = [json.loads(line) for line in (vectors / "ddcc.jsonl").read_text("utf-8").splitlines()]
    pilots = [case for case in cases if case["format"] == "gdhcn-dvc"]
    assert pilots
    for case in pilots:
        claims = hc1.decode_claims(hc1.open_hcert(case["text"]).payload)
        assert claims.family is Family.ICVP
        payload = icvp.read_icvp(claims)
        assert set(codes(payload)) == {Reason.UNSUPPORTED}
        (event,) = payload.events
        assert event.disease == vocabulary.disease(case["expect"]["payload"]["-260"]["-6"]["v"]["tg"])
