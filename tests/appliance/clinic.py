"""A clinic that issues SMART Health Cards, in one symbol or in several.

clinic = clinic_at(desk)             # its key is on the desk's list from now on
clinic.parts(3)                      # ["shc:/1/3/…", "shc:/2/3/…", "shc:/3/3/…"]
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from desk import NOW, Desk, signing_key

from issuer.keys import Algorithm, SigningKey
from verifier.trust import Domain, TrustedKey
from verifier.wire.shc import encode_shc, numeric
from verifier.wire.shc_keys import thumbprint

ISSUER = "https://health.example/cards"


@dataclass(frozen=True)
class Clinic:
    """An issuer by its key and its name."""

    key: SigningKey
    issuer: str

    def parts(self, count: int = 3, family: str = "Trương", given: str = "Mỹ Ước") -> list[str]:
        """The texts of a card's symbols. An empty ``given`` leaves a family name alone."""
        kid = thumbprint(self.key.spki())
        payload = card(self.issuer, family, given)
        return numeric(encode_shc(payload, kid=kid, sign=self.key.sign), parts=count)


def clinic_at(desk: Desk, issuer: str = ISSUER) -> Clinic:
    """A clinic whose key is on the desk's list."""
    key = signing_key(Algorithm.ES256, "clinic")
    desk.keys.append(
        TrustedKey(thumbprint(key.spki()).encode(), key.spki(), domain=Domain.SHC, issuer=issuer)
    )
    return Clinic(key, issuer)


def card(issuer: str, family: str, given: str) -> dict[str, Any]:
    """An invented traveller's card with one dose."""
    name = {"family": family} | ({"given": [given]} if given else {})
    patient = {"resourceType": "Patient", "name": [name], "birthDate": "1969-04-05"}
    dose = {
        "resourceType": "Immunization", "status": "completed", "patient": {"reference": "resource:0"},
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]},
        "occurrenceDateTime": "2022-01-10", "performer": [{"actor": {"display": "Clinic 1"}}],
    }  # fmt: skip
    bundle = {
        "resourceType": "Bundle", "type": "collection",
        "entry": [
            {"fullUrl": "resource:0", "resource": patient}, {"fullUrl": "resource:1", "resource": dose},
        ],
    }  # fmt: skip
    types = [f"https://smarthealth.cards#{name}" for name in ("health-card", "immunization", "covid19")]
    return {
        "iss": issuer,
        "nbf": int((NOW - timedelta(days=30)).timestamp()),
        "vc": {"type": types, "credentialSubject": {"fhirVersion": "4.0.1", "fhirBundle": bundle}},
    }
