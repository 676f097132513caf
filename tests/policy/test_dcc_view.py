"""Certificates as national rules see them: HC1 as its own document, every other family in its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import cbor2
import pytest
from desk import Desk, dose, lab_result, person, recovery, vaccination
from office import NOW, TRAVELLER, Office, vaccinated
from office import tested as a_test
from published import DEVICES, NEGATIVE, WAITED_14_DAYS, WHOLE_COURSE, bundle, rule

from appliance.judging import Basis, judge
from issuer.certificates import of_vaccination
from trustsync.store import TrustSnapshot
from verifier.certificate import (
    Certificate,
    Exemption,
    Family,
    Holder,
    Prophylaxis,
    Recovery,
    Vaccination,
)
from verifier.certificate import Test as Sample
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.context import Context
from verifier.policy.dcc_view import dcc_views, kinds_of
from verifier.reasons import Reason, State

COVID = "840539006"
BORN = Holder("Nguyễn", "Bảo Duy", "NGUYEN", "BAO<DUY", "1983-10-10")


def certified(desk: Desk, document: Any) -> Certificate:
    """A really signed HC1 certificate, opened again."""
    certificate = desk.judged(desk.signer().issue(document)).assessment.certificate
    assert certificate is not None
    return certificate


def other(*events: Any, holder: Holder = BORN, family: Family = Family.SHC) -> Certificate:
    """A certificate of another family with these events."""
    certificate = certified(Desk(), vaccination())
    return replace(certificate, family=family, holder=holder, events=events, version="4.0.1", document={})


def test_an_hc1_certificate_is_its_own_document() -> None:
    """Rules see what was signed, members that no schema knows among it."""
    document = vaccination() | {"x-more": [1, {"a": None}]}
    assert dcc_views(certified(Desk(), document)) == [document]


READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "blanks round a text": ({"mp": " EU/1/20/1528 "}, {"mp": "EU/1/20/1528"}),
    "a day with a time behind it": ({"dt": "2021-07-18T00:00:00+02:00"}, {"dt": "2021-07-18"}),
    "a day under a date tag": ({"dt": cbor2.CBORTag(0, "2021-07-18T00:00:00Z")}, {"dt": "2021-07-18"}),
    "a number with a point": ({"dn": 2.0}, {"dn": 2.0}),
    "null": ({"ma": None}, {"ma": None}),
    "an identifier with a blank, which stays": (
        {"ci": " urn:uvci:01:XV:TESTS0001#A"},
        {"ci": " urn:uvci:01:XV:TESTS0001#A"},
    ),
    "what JSON has no word for": (
        {"x": b"\x00", "y": float("inf"), "z": cbor2.undefined},
        dict.fromkeys("xyz"),
    ),
    "a member whose name is no text": ({"x": {1: "a", "b": 2}}, {"x": {"b": 2}}),
    "a number under a tag": ({"x": cbor2.CBORTag(1, 1646100000)}, {"x": 1646100000}),
}


@pytest.mark.parametrize("case", READ)
def test_a_document_is_seen_as_its_reader_understood_it(case: str) -> None:
    """Plain JSON values with the tolerances of the family: SC-D12 holds for imported rules too."""
    written, seen = READ[case]
    view = dcc_views(certified(Desk(), vaccination(**written)))[0]
    assert view["v"] == [dose() | seen]
    json.dumps(view, allow_nan=False)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("2022-03-01T01:00:00z", "2022-03-01T01:00:00+00:00"),
        ("2022-03-01T01:00:00.5+0700", "2022-03-01T01:00:00.500000+07:00"),
        ("2022-03-01T01:00:00", "2022-03-01T01:00:00"),
    ],
)
def test_the_time_of_a_sample_is_one_instant_in_one_form(written: str, seen: str) -> None:
    """Lower case and short offsets are the same instant; no offset is invented."""
    assert dcc_views(certified(Desk(), lab_result(sc=written)))[0]["t"][0]["sc"] == seen


@pytest.mark.parametrize(
    ("written", "seen"), [("1983-10-10T00:00:00", "1983-10-10"), ("1983", "1983"), ("", "")]
)
def test_a_birth_date_is_its_date_part(written: str, seen: str) -> None:
    """SC-D03 holds for imported rules too."""
    assert dcc_views(certified(Desk(), vaccination(person(dob=written))))[0]["dob"] == seen


def test_null_for_an_event_is_no_event() -> None:
    """``"t": null`` beside a dose: the certificate is a vaccination and nothing else."""
    view = dcc_views(certified(Desk(), vaccination() | {"t": None, "r": []}))[0]
    assert kinds_of(view) == {"Vaccination"}
    assert kinds_of(recovery()) == {"Recovery"}
    assert kinds_of(lab_result() | vaccination()) == {"Vaccination", "Test"}


def test_a_dose_of_another_family_is_told_in_the_words_of_a_dcc() -> None:
    """Every member that the vocabulary has, under the name that rules ask for."""
    given = Vaccination(
        COVID, "1119349007", "EU/1/20/1528", "ORG-1", 2, 2, date(2022, 1, 10), "XXV", "Clinic", "ID-1"
    )
    assert dcc_views(other(given)) == [
        {
            "ver": "1.3.3",
            "nam": {"fn": "Nguyễn", "gn": "Bảo Duy", "fnt": "NGUYEN", "gnt": "BAO<DUY"},
            "dob": "1983-10-10",
            "v": [
                {
                    "tg": COVID, "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-1", "dn": 2, "sd": 2,
                    "dt": "2022-01-10", "co": "XV", "is": "Clinic", "ci": "ID-1",
                }
            ],
        }
    ]  # fmt: skip


def test_a_test_and_a_recovery_are_told_so_too() -> None:
    """One document for each event, in their order: rules are written for exactly one."""
    sampled = datetime(2022, 3, 1, 1, tzinfo=UTC)
    first, second = dcc_views(
        other(
            Sample(COVID, "LP217198-3", "1232", sampled, "", "260415000", "XV", "Lab", "ID-2"),
            Recovery(
                COVID,
                date(2021, 12, 1),
                date(2021, 12, 12),
                date(2022, 5, 30),
                "XV",
                "Lab",
                "ID-3",
                "LP6464-4",
            ),
        )
    )
    assert first["t"] == [
        {
            "tg": COVID, "tt": "LP217198-3", "ma": "1232", "sc": "2022-03-01T01:00:00+00:00",
            "tr": "260415000", "co": "XV", "is": "Lab", "ci": "ID-2",
        }
    ]  # fmt: skip
    assert second["r"] == [
        {
            "tg": COVID, "fr": "2021-12-01", "df": "2021-12-12", "du": "2022-05-30",
            "co": "XV", "is": "Lab", "ci": "ID-3",
        }
    ]  # fmt: skip
    assert kinds_of(first) == {"Test"}
    assert kinds_of(second) == {"Recovery"}


def test_what_a_document_does_not_say_is_not_there() -> None:
    """No empty text, no null and no guess: a rule that needs it is unknown."""
    silent = dcc_views(
        other(
            Vaccination("", "", "", "", None, None, None, "", "", ""),
            Sample("", "", "", None, "2022-03-01", "", "", "", ""),
            Recovery("", None, None, None, "", "", ""),
            holder=Holder("Nguyễn"),
        )
    )
    head = {"ver": "1.3.3", "nam": {"fn": "Nguyễn"}}
    assert silent == [head | {"v": [{}]}, head | {"t": [{}]}, head | {"r": [{}]}]


def test_the_time_of_a_sample_without_an_offset_stays_without_one() -> None:
    """CertLogic reads it as the document has it."""
    written = datetime.fromisoformat("2022-03-01T01:00")
    naive = Sample(COVID, "LP6464-4", "", written, "2022-03-01T01:00", "", "", "", "")
    assert dcc_views(other(naive))[0]["t"][0]["sc"] == "2022-03-01T01:00:00"


def test_an_event_that_a_dcc_has_no_word_for_has_no_view() -> None:
    """Exemptions and prophylaxes are for other rules."""
    exempt = Exemption(COVID, None, "AT", "Clinic", "ID")
    taken = Prophylaxis(COVID, "X", None, None, None, "XV", "Clinic", "ID")
    assert dcc_views(other(exempt, taken)) == []


def test_events_of_other_diseases_are_not_told() -> None:
    """A card with a flu shot and a COVID-19 dose is one document about COVID-19."""
    covid = Vaccination(COVID, "", "A", "", 1, 1, None, "", "", "")
    flu = replace(covid, disease="6142004", product="B")
    assert [view["v"][0]["mp"] for view in dcc_views(other(flu, covid), {COVID})] == ["A"]
    assert len(dcc_views(other(flu, covid))) == 2


# --- Really signed certificates of other families, judged by imported rules


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        yield office


@pytest.fixture(scope="module")
def known(office: Office) -> TrustSnapshot:
    return office.synced()


# What each family says of a dose: VDS-NC has no number of the course, so that rule cannot be told.
FAMILIES: dict[Family, tuple[State, list[tuple[Reason, str]]]] = {
    Family.HC1: (State.PASS, []),
    Family.DDCC: (State.PASS, []),
    Family.SHC: (State.PASS, []),
    Family.DIVOC: (State.PASS, []),
    Family.VDS_NC: (State.CHECK, [(Reason.RULE_UNKNOWN, "VR-XW-0001")]),
}
RULES = bundle(
    rule(
        "GR-XW-0001",
        {"in": [{"var": "payload.v.0.tg"}, {"var": "external.valueSets.disease-agent-targeted"}]},
    ),
    rule("VR-XW-0001", WHOLE_COURSE),
    rule("VR-XW-0002", WAITED_14_DAYS),
    rule("VR-XW-0003", {"in": [{"var": "payload.v.0.mp"}, ["EU/1/20/1528"]]}),
)


def answered(code: Any, known: TrustSnapshot, rules: Any = RULES) -> tuple[State, list[tuple[Reason, str]]]:
    basis = Basis(known.trust, (rules,), NOW, None, known.floor, context=Context(country="XW"))
    verdict = judge(code, basis).verdict
    return verdict.state, [(found.code, found.detail) for found in verdict.reasons]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dose_of_every_family_is_judged_by_imported_rules(
    family: Family, office: Office, known: TrustSnapshot
) -> None:
    """Issued and signed, fetched trust, and the same national rules for all."""
    assert answered(office.issue(family).code, known) == FAMILIES[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dose_of_three_days_ago_is_too_fresh_in_every_family(
    family: Family, office: Office, known: TrustSnapshot
) -> None:
    """The counter-proof: the same rules refuse, and name the rule."""
    fresh = of_vaccination(TRAVELLER, country="XV", day=date(2026, 2, 27))
    state, reasons = answered(office.issue(family, fresh).code, known)
    assert state is State.FAIL
    assert reasons[0] == (Reason.RULE_FAILED, "VR-XW-0002")


@pytest.mark.parametrize("family", [Family.HC1, Family.DDCC, Family.SHC, Family.VDS_NC])
def test_a_test_of_every_family_is_judged_by_imported_rules(
    family: Family, office: Office, known: TrustSnapshot
) -> None:
    """A negative PCR; no family but HC1 bears a device code, and this rule needs none for a PCR."""
    listed = {"in": [{"var": "payload.t.0.ma"}, {"var": f"external.valueSets.{DEVICES}"}]}
    rules = bundle(
        rule("TR-XW-0001", NEGATIVE),
        rule("TR-XW-0002", {"if": [{"===": [{"var": "payload.t.0.tt"}, "LP217198-3"]}, listed, True]}),
    )
    assert answered(office.issue(family, a_test()).code, known, rules) == (State.PASS, [])


@pytest.mark.parametrize("family", [Family.LT1, Family.AT1, Family.NZCP])
def test_a_domestic_certificate_meets_no_national_rule(
    family: Family, office: Office, known: TrustSnapshot
) -> None:
    """Good inside their own country: imported rules are rules of travel, whatever they would answer."""
    anybody = bundle(rule("GR-XW-0001", {"===": [1, 1]}))
    state, reasons = answered(office.issue(family).code, known, anybody)
    assert (state, reasons[0][0]) == (State.CHECK, Reason.UNSUPPORTED)
    assert answered(office.issue(family).code, known, SIGNATURE_ONLY)[0] is State.PASS


def test_a_certificate_for_another_disease_is_not_judged(office: Office, known: TrustSnapshot) -> None:
    """Imported rules are about the diseases of their value set: yellow fever is not among them."""
    anybody = bundle(rule("GR-XW-0001", {"===": [1, 1]}))
    state, reasons = answered(office.issue(Family.ICVP).code, known, anybody)
    assert (state, reasons[0][0]) == (State.CHECK, Reason.DISEASE_OTHER)
    assert vaccinated()["v"][0]["tg"] == COVID
