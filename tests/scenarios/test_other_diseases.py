"""Scenario rows Y: yellow fever by the International Health Regulations, and what data alone adds."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from border import CHECK, FAIL, PASS, Border, answer, note, passport, reasons, ways
from desk import person, vaccination

from verifier.policy.bundle_json import read_bundle
from verifier.policy.context import Paper
from verifier.reasons import Reason
from verifier.verdict import Verdict
from verifier.vocabulary import COVID_19, MEASLES, POLIOMYELITIS, YELLOW_FEVER
from verifier.wire import hc1, icvp

AT = "2026-03-02T09:00:00+07:00"
STAMARIL = next(product for product, disease in icvp.PRODUCTS.items() if disease == YELLOW_FEVER)
POLIO_VACCINE = next(product for product, disease in icvp.PRODUCTS.items() if disease == POLIOMYELITIS)


def arriving(origin: str = "BR", **journey: Any) -> Border:
    """The border of Viet Nam in 2026; from Brazil, a country with risk of yellow fever."""
    return Border("yf-ihr", at=AT, origin=origin, **journey)


def icvp_of(border: Border, given: str, product: str = STAMARIL) -> Verdict:
    """What the desk makes of an international certificate of vaccination or prophylaxis."""
    document = {
        "n": "Nguyễn Bảo Duy", "dob": "1983-10-10", "s": "male", "nt": "VNM", "id": "P001", "v": "1.0.0",
        "vx": {"vp": product, "dv": given, "bo": "B1", "cn": "Dr Lê", "is": "XVA"},
    }  # fmt: skip
    return border.judge(document, sub_key=hc1.ICVP, exp=None)


def ddcc_of(
    border: Border,
    given: str,
    until: str | None = None,
    disease: str = YELLOW_FEVER,
    product: str = "STAMARIL",
) -> Verdict:
    """What it makes of WHO's other certificate, which may state a last day."""
    document: dict[str, Any] = {
        "name": "Nguyễn Bảo Duy",
        "birthDate": "1983-10-10",
        "certificate": {"issuer": "Ministry of Health", "hcid": {"value": "YF1"}, "version": "1.0.0"},
        "vaccination": {
            "vaccine": {"code": "1181000221105"}, "brand": {"code": product}, "date": given, "dose": 1,
            "country": {"code": "XVA"}, "disease": {"code": disease}, "lot": "B1",
        },
    }  # fmt: skip
    if until is not None:
        document["certificate"]["period"] = {"start": given, "end": until}
    return border.judge(document, sub_key=hc1.DDCC_VS)


@pytest.mark.scenario("SC-Y01")
@pytest.mark.parametrize("show", [icvp_of, ddcc_of])
def test_a_yellow_fever_dose_counts_from_the_tenth_day(show: Any) -> None:
    """9 days ago CHECK TOO_SOON, 10 days ago PASS."""
    border = arriving()
    early = show(border, border.ago(9))
    assert answer(early) == (CHECK, [Reason.TOO_SOON], [])
    assert answer(show(border, border.ago(10))) == (PASS, [], [])


def test_the_first_good_day_is_told() -> None:
    """A dose of 21 February is valid from 3 March."""
    border = arriving()
    assert note(ddcc_of(border, border.ago(9)), Reason.TOO_SOON)["en"] == "valid from 03/03/2026"


@pytest.mark.scenario("SC-Y02")
def test_a_dose_of_thirty_years_ago_counts_whatever_the_paper_says() -> None:
    """The paper says ten years: PASS, for life since 11 July 2016, old papers too."""
    border = arriving()
    assert answer(ddcc_of(border, "1996-03-02", until="2006-03-01")) == (PASS, [], [])
    assert answer(icvp_of(border, "1996-03-02")) == (PASS, [], [])
    # the end that a paper states still counts for any other vaccine
    vietnam = Border("vn-2022-05", at=AT)
    over = ddcc_of(vietnam, "2025-01-10", "2026-03-01", COVID_19, "EU/1/20/1528")
    assert answer(over) == (FAIL, [Reason.EXPIRED], [])
    good = ddcc_of(vietnam, "2025-01-10", "2026-03-02", COVID_19, "EU/1/20/1528")
    assert answer(good) == (PASS, [], [])


@pytest.mark.scenario("SC-Y03")
def test_yellow_fever_is_not_asked_of_whoever_comes_from_elsewhere() -> None:
    """Not arriving from a risk country: PASS, "not required"."""
    traveller = passport("831010")
    verdict = arriving("JP", traveller=traveller).without_certificate()
    assert answer(verdict) == (PASS, [], [])
    assert ways(verdict) == [("yellow-fever", "not-required")]
    branch = verdict.ruled[0].taken[0].branch
    assert branch is not None
    assert branch.texts == {"vi": "Không yêu cầu", "en": "Not required"}
    asked = arriving("BR", traveller=traveller).without_certificate()
    assert answer(asked) == (CHECK, [Reason.NEED_SECOND_DOC], [])
    unknown = arriving("", traveller=traveller).without_certificate()
    assert answer(unknown) == (CHECK, [Reason.NEED_SECOND_DOC, Reason.NEED_CONTEXT], [])
    # a good certificate answers whatever the origin is
    assert answer(icvp_of(arriving(""), "2020-01-10")) == (PASS, [], [])


@pytest.mark.scenario("SC-Y04")
def test_infants_and_waivers_are_looked_at_by_eye() -> None:
    """Under 9 months, or a medical waiver: CHECK PAPER_ONLY."""
    infant = passport("250603", born=date(2025, 6, 3))
    assert answer(arriving(traveller=infant).without_certificate()) == (CHECK, [Reason.PAPER_ONLY], [])
    nine_months = passport("250602", born=date(2025, 6, 2))
    verdict = arriving(traveller=nine_months).without_certificate()
    assert answer(verdict) == (CHECK, [Reason.NEED_SECOND_DOC], [])
    waiver = arriving(traveller=passport("831010"), paper=Paper("medical", "BR"))
    assert answer(waiver.without_certificate()) == (CHECK, [Reason.PAPER_ONLY], [])


def against(name: str, disease: str, months: int) -> Any:
    """A bundle about another disease, as JSON and nothing else: one dose, at least four weeks old."""
    given = {"need": ["event.given"]}
    entry = {"var": "journey.entry"}
    return read_bundle(
        {
            "name": name,
            "version": "1.0.0",
            "asks": "rules",
            "valid_from": "2020-01-01T00:00:00Z",
            "diseases": [disease],
            "rules": [
                {
                    "id": "four-weeks",
                    "version": "1.0.0",
                    "on": "vaccination",
                    "logic": {"not-before": [entry, {"shift": [given, 28, "day"]}]},
                    "reason": "TOO_SOON",
                    "state": "FAIL",
                },
                {
                    "id": "not-too-old",
                    "version": "1.0.0",
                    "on": "vaccination",
                    "logic": {"not-after": [entry, {"shift": [given, months, "month"]}]},
                    "reason": "TOO_OLD",
                    "state": "FAIL",
                },
            ],
            "requirements": [
                {
                    "id": "dose",
                    "any": [{"id": "dose", "on": "vaccination", "rules": ["four-weeks", "not-too-old"]}],
                }
            ],
        }
    )


@pytest.mark.scenario("SC-Y05")
def test_a_bundle_about_polio_or_measles_needs_no_code() -> None:
    """Added by data only; each certificate is judged by the bundle about its own disease."""
    polio, measles = against("polio", POLIOMYELITIS, 12), against("measles", MEASLES, 1200)
    border = Border("yf-ihr", "vn-2022-05", polio, measles, at=AT, origin="PK")
    for days, state, code in ((27, FAIL, Reason.TOO_SOON), (28, PASS, None), (400, FAIL, Reason.TOO_OLD)):
        verdict = icvp_of(border, border.ago(days), POLIO_VACCINE)
        assert answer(verdict)[:2] == (state, [] if code is None else [code])
        assert verdict.bundle is polio
    dose = vaccination(person(), tg=MEASLES, mp="MMR", vp="03", dt=border.ago(400))
    verdict = border.judge(dose)
    assert (verdict.state, verdict.bundle) == (PASS, measles)
    # and what neither of them is about is still judged by its own
    assert border.judge(vaccination(dt="2026-01-10")).bundle is border.bundles[1]
    assert reasons(Border(polio, at=AT).judge(dose)) == [Reason.DISEASE_OTHER]
