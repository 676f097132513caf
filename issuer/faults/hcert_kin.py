"""Faults of the relatives of the EU DCC: LT1, AT1, DDCC and ICVP.

They share its container, whose faults stand in ``hc1_container``; here is what each says wrongly in its own
document.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from issuer.certificates import AUTHORITY, COVID_19, Person, of_test
from issuer.faults.base import Catalogue, Code, Payload
from issuer.faults.cwt import Step, code, listed_signer, with_members, without
from issuer.faults.cwt_common import DAY, HOUR, note_common
from issuer.office import YEAR, Issuer
from verifier import vocabulary
from verifier.certificate import DETECTED, NOT_DETECTED, Family
from verifier.reasons import Reason, State
from verifier.times import DESK_ZONE
from verifier.trust import Domain
from verifier.wire import cose, hc1
from verifier.wire.icvp import IN_FORCE

_NOBODY = Person("", "", "")  # the holder is that of the payload

lights = Catalogue(Family.LT1)
exemptions = Catalogue(Family.AT1)
data_sets = Catalogue(Family.DDCC)
prophylaxes = Catalogue(Family.ICVP)


def _changed(member: str, change: Step) -> Step:
    """A document with something changed in the map under ``member``."""
    return lambda document: document | {member: change(document[member])}


# --- LT1: the Swiss certificate light

note_common(lights)
_light = partial(code, Family.LT1)


@lights.add("lt1-medical-data", State.FAIL, Reason.MALFORMED)
def light_with_medical_data(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose stands in it, which such a certificate leaves out."""
    return _light(issuer, payload, now, document=with_members(_events(payload)))


@lights.add("lt1-claim-of-hc1", State.FAIL, Reason.MALFORMED)
def light_under_the_claim_of_hc1(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its document stands under the claim of an EU DCC."""

    def claims(claims: dict[Any, Any]) -> dict[Any, Any]:
        return {hc1.CLAIM_HCERT if name == hc1.CLAIM_LIGHT else name: value for name, value in claims.items()}

    return _light(issuer, payload, now, claims=claims)


@lights.add("lt1-version-2", State.CHECK, Reason.UNSUPPORTED)
def light_of_version_2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its schema has a major version that is not known here."""
    return _light(issuer, payload, now, document=with_members({"ver": "2.0.0"}))


@lights.add("lt1-no-name", State.FAIL, Reason.MALFORMED)
def light_without_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say whose it is."""
    return _light(issuer, payload, now, document=without("nam"))


@lights.add("lt1-birth-date-empty", State.CHECK, Reason.DOB_PARTIAL)
def light_without_birth_date(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The birth date is empty."""
    return _light(issuer, payload, now, document=with_members({"dob": ""}))


@lights.add("lt1-unknown-claims", State.PASS)
def light_with_unknown_claims(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Has a claim that nobody knows."""
    return _light(issuer, payload, now, claims=with_members({"x": 1}))


# --- AT1: the Austrian exemption

note_common(exemptions)
_exemption = partial(code, Family.AT1)


@exemptions.add("at1-two-exemptions", State.FAIL, Reason.MULTI_EVENT)
def two_exemptions(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Two exemptions in one certificate."""
    return _exemption(issuer, payload, now, document=_changed("ve", lambda entries: entries * 2))


@exemptions.add("at1-no-exemption", State.FAIL, Reason.MALFORMED)
def exemption_missing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """There is no exemption in it."""
    return _exemption(issuer, payload, now, document=with_members({"ve": []}))


@exemptions.add("at1-over", State.FAIL, Reason.EXPIRED)
def exemption_over(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its exemption was for until the day before yesterday; the code itself has not expired."""
    return _exemption(issuer, payload, now, document=_until((now - 2 * DAY).date().isoformat()))


@exemptions.add("at1-day-impossible", State.FAIL, Reason.MALFORMED)
def exemption_until_no_day(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its exemption is for until 2022-02-30."""
    return _exemption(issuer, payload, now, document=_until("2022-02-30"))


@exemptions.add("at1-without-end", State.PASS)
def exemption_without_end(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its exemption does not say until when; the code itself does."""
    return _exemption(
        issuer, payload, now, document=_changed("ve", lambda entries: [without("du")(entries[0])])
    )


@exemptions.add("at1-vaccination", State.FAIL, Reason.MALFORMED)
def exemption_with_vaccination(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose stands beside its exemption."""
    return _exemption(issuer, payload, now, document=with_members(_events(payload)))


@exemptions.add("at1-version-2", State.CHECK, Reason.UNSUPPORTED)
def exemption_of_version_2(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its schema has a version that is not known here."""
    return _exemption(issuer, payload, now, document=with_members({"ver": "AT-2.0.0"}))


@exemptions.add("at1-key-for-vaccinations", State.FAIL, Reason.KEY_USAGE)
def exemption_by_a_key_for_vaccinations(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its key stands on the right list and may sign vaccinations only."""
    signer = listed_signer(issuer, "vaccinations-only", now, domain=Domain.AT1, uses=frozenset("v"))
    return _exemption(issuer, payload, now, signer=signer)


@exemptions.add("at1-as-hc1", State.FAIL, Reason.MALFORMED)
def exemption_as_dcc(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """An exemption signed as an EU DCC, in whose place it has no event."""
    signer = issuer.signer(Domain.HCERT)
    return _exemption(
        issuer, payload, now, signer=signer, text=lambda text: hc1.PREFIX + text.partition(":")[2]
    )


def _until(day: str) -> Step:
    """The exemption with this last day."""
    return _changed("ve", lambda entries: [entries[0] | {"du": day}])


def _events(payload: Payload) -> dict[str, Any]:
    """The events of the payload, by their letters."""
    return {letter: payload[letter] for letter in "vtr" if payload.get(letter)}


# --- DDCC: WHO's core data sets

note_common(data_sets)
_data_set = partial(code, Family.DDCC)


@data_sets.add("ddcc-no-name", State.FAIL, Reason.MALFORMED)
def data_set_without_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say whose it is."""
    return _data_set(issuer, payload, now, document=without("name"))


@data_sets.add("ddcc-without-birth-date", State.CHECK, Reason.DOB_PARTIAL)
def data_set_without_birth_date(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say when the holder was born."""
    return _data_set(issuer, payload, now, document=without("birthDate"))


@data_sets.add("ddcc-no-event", State.FAIL, Reason.MALFORMED)
def data_set_without_event(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """There is neither a vaccination nor a test in it."""
    return _data_set(issuer, payload, now, document=without("vaccination"))


@data_sets.add("ddcc-two-events", State.FAIL, Reason.MALFORMED)
def data_set_with_two_events(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A vaccination and a test in one data set."""
    return _data_set(issuer, payload, now, document=with_members({"test": _test(issuer, now)}))


@data_sets.add("ddcc-dose-number-zero", State.FAIL, Reason.MALFORMED)
def data_set_of_dose_zero(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Dose 0 of 2."""
    return _data_set(issuer, payload, now, document=_shot(dose=0))


@data_sets.add("ddcc-dose-day-impossible", State.FAIL, Reason.MALFORMED)
def data_set_of_no_day(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose was given on 2021-13-01."""
    return _data_set(issuer, payload, now, document=_shot(date="2021-13-01"))


@data_sets.add("ddcc-dose-in-the-future", State.FAIL, Reason.NOT_YET_VALID)
def data_set_of_the_future(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The dose will be given in two days."""
    return _data_set(issuer, payload, now, document=_shot(date=(now + 2 * DAY).date().isoformat()))


@data_sets.add("ddcc-period-over", State.FAIL, Reason.EXPIRED)
def data_set_over(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its period of validity ended the day before yesterday; the code itself has not expired."""
    return _data_set(issuer, payload, now, document=_period(now - 30 * DAY, now - 2 * DAY))


@data_sets.add("ddcc-period-ahead", State.CHECK, Reason.TOO_SOON)
def data_set_ahead(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its period of validity begins in two days."""
    return _data_set(issuer, payload, now, document=_period(now + 2 * DAY, now + 30 * DAY))


@data_sets.add("ddcc-test-positive", State.FAIL, Reason.TEST_POSITIVE)
def data_set_of_a_positive_test(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A test that has detected the infection."""
    return _data_set(issuer, payload, now, document=_tested(_test(issuer, now, result=DETECTED)))


@data_sets.add("ddcc-without-expiry", State.PASS)
def data_set_without_expiry(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says nothing about when it expires, which this family may leave open."""
    return _data_set(issuer, payload, now, claims=without(hc1.CLAIM_EXP))


@data_sets.add("ddcc-plain-codes", State.PASS)
def data_set_of_plain_codes(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its codes are plain texts, without the system that they belong to."""
    return _data_set(issuer, payload, now, document=_changed("vaccination", _plain))


@data_sets.add("ddcc-flat", State.PASS)
def data_set_flat(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The flat map of early codes: no claims round it, and its KID where the signature does not cover it."""
    signer = issuer.signer(Domain.HCERT)
    return _data_set(
        issuer,
        payload,
        now,
        claims=lambda claims: _flat(claims[hc1.CLAIM_HCERT][hc1.DDCC_VS]),
        protected=without(cose.HEADER_KID),
        unprotected={cose.HEADER_KID: signer.kid},
    )


def _shot(**values: Any) -> Step:
    return _changed("vaccination", with_members(values))


def _period(begin: datetime, end: datetime) -> Step:
    period = {"start": begin.date().isoformat(), "end": end.date().isoformat()}
    return _changed("certificate", with_members({"period": period}))


def _test(issuer: Issuer, now: datetime, *, result: str = NOT_DETECTED) -> dict[str, Any]:
    """A test of an hour ago as a data set has it."""
    event = of_test(_NOBODY, country=issuer.country, sampled=now - HOUR)["t"][0]
    return {
        "pathogen": {"code": COVID_19},
        "type": {"code": event["tt"]},
        "date": event["sc"],
        "result": {"code": result},
        "centre": AUTHORITY,
        "country": {"code": event["co"]},
    }


def _tested(test: dict[str, Any]) -> Step:
    """The data set of the holder with this test instead of a vaccination."""
    return lambda document: without("vaccination")(document) | {"test": test}


def _plain(members: Mapping[str, Any]) -> dict[str, Any]:
    """Each coded value as its code alone."""
    return {name: value["code"] if isinstance(value, Mapping) else value for name, value in members.items()}


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts by the names of a flat map."""
    dose, renamed = document["vaccination"], {"totalDoses": "total_doses", "maholder": "ma_holder"}
    head = {"name": document["name"], "birthDate": document.get("birthDate")}
    return head | {
        "hcid": document["certificate"]["hcid"],
        "pha": document["certificate"]["issuer"],
        **{renamed.get(name, name): value for name, value in dose.items()},
    }


# --- ICVP: the certificate of the International Health Regulations

note_common(prophylaxes)
_prophylaxis = partial(code, Family.ICVP)


@prophylaxes.add("icvp-product-not-listed", State.FAIL, Reason.VACCINE_NOT_LISTED)
def product_not_listed(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its product is not on WHO's list."""
    unlisted = "YellowFeverProduct00000000000000000000000000000000"
    return _prophylaxis(issuer, payload, now, document=_vaccine(vp=unlisted))


@prophylaxes.add("icvp-day-nine", State.CHECK, Reason.TOO_SOON)
def day_nine(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose against yellow fever of nine days ago; it counts from the tenth day."""
    given = now.astimezone(DESK_ZONE).date() - timedelta(days=9)
    return _prophylaxis(issuer, payload, now, document=_vaccine(dv=given.isoformat()))


@prophylaxes.add("icvp-day-ten", State.PASS)
def day_ten(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """A dose against yellow fever of ten days ago."""
    given = now.astimezone(DESK_ZONE).date() - timedelta(days=10)
    return _prophylaxis(issuer, payload, now, document=_vaccine(dv=given.isoformat()))


@prophylaxes.add("icvp-issued-too-early", State.CHECK, Reason.UNSUPPORTED)
def issued_before_it_was_in_force(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Issued on the day before digital ones came into force."""
    eve = datetime(IN_FORCE.year, IN_FORCE.month, IN_FORCE.day, tzinfo=UTC) - DAY
    # a key that was good on that day and still is, so that the document is all that is too early
    signer = listed_signer(issuer, "of-2025", min(now, eve + YEAR))

    def claims(claims: dict[Any, Any]) -> dict[Any, Any]:
        return claims | {hc1.CLAIM_IAT: int(eve.timestamp())}

    given = _vaccine(dv=(eve - 60 * DAY).date().isoformat())
    return _prophylaxis(issuer, payload, now, signer=signer, document=given, claims=claims)


@prophylaxes.add("icvp-version-unknown", State.CHECK, Reason.UNSUPPORTED)
def version_unknown(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its version is not known here."""
    return _prophylaxis(issuer, payload, now, document=with_members({"v": "2.0.0"}))


@prophylaxes.add("icvp-layout-of-pilots", State.CHECK, Reason.UNSUPPORTED)
def layout_of_pilots(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It has the layout of the pilots of 2024, which never was in force."""

    def document(document: dict[str, Any]) -> dict[str, Any]:
        dose = document["vx"]
        shot = {
            "dn": 1,
            "tg": vocabulary.YELLOW_FEVER,
            "vp": "YellowFever",
            "mp": dose["vp"],
            "dt": dose["dv"],
            "bo": dose["bo"],
            "is": dose["is"],
        }
        return {"n": document["n"], "dob": document["dob"], "s": document["s"], "v": shot}

    return _prophylaxis(issuer, payload, now, document=document)


@prophylaxes.add("icvp-two-layouts", State.FAIL, Reason.MALFORMED)
def two_layouts(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its dose stands in the place of the pilots too."""
    return _prophylaxis(issuer, payload, now, document=lambda document: document | {"v": document["vx"]})


@prophylaxes.add("icvp-dose-after-issue", State.FAIL, Reason.MALFORMED)
def dose_after_issue(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Its dose was given a week after it was issued."""
    issued_at = now - 40 * DAY
    given = _vaccine(dv=(now - 33 * DAY).date().isoformat())

    def claims(claims: dict[Any, Any]) -> dict[Any, Any]:
        return claims | {hc1.CLAIM_IAT: int(issued_at.timestamp())}

    return _prophylaxis(issuer, payload, now, document=given, claims=claims)


@prophylaxes.add("icvp-nobody-answers", State.FAIL, Reason.MALFORMED)
def nobody_answers(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It names neither a clinician nor an issuer of the dose."""
    return _prophylaxis(issuer, payload, now, document=_changed("vx", without("cn", "is")))


@prophylaxes.add("icvp-without-nationality", State.FAIL, Reason.MALFORMED)
def nationality_missing(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """It does not say the holder's nationality, as Annex 6 asks for."""
    return _prophylaxis(issuer, payload, now, document=without("nt"))


@prophylaxes.add("icvp-birth-year-alone", State.CHECK, Reason.DOB_PARTIAL)
def birth_year_alone(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Of the birth date it says the year alone."""
    return _prophylaxis(
        issuer, payload, now, document=lambda document: document | {"dob": document["dob"][:4]}
    )


@prophylaxes.add("icvp-date-by-earlier-name", State.PASS)
def date_by_earlier_name(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """The day of its dose stands under the name that it had until 2026."""
    earlier = _changed("vx", lambda dose: without("dv")(dose) | {"dt": dose["dv"]})
    return _prophylaxis(issuer, payload, now, document=earlier)


@prophylaxes.add("icvp-without-expiry", State.PASS)
def prophylaxis_without_expiry(issuer: Issuer, payload: Payload, now: datetime) -> Code:
    """Says nothing about when it expires: it is for life."""
    return _prophylaxis(issuer, payload, now, claims=without(hc1.CLAIM_EXP))


def _vaccine(**values: Any) -> Step:
    """The one dose with these values."""
    return _changed("vx", with_members(values))
