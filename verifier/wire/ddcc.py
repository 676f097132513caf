"""WHO digital documentation of COVID-19 certificates: sub-keys 3 and 4 of an HCERT, and early flat maps.

The rules this module keeps:

* The shape decides what is read: a ``vaccination`` map, a ``test`` map, or the flat fields of early codes.
* A coded value may be ``{code, system}`` or a plain text; only its code counts, in the common vocabulary.
* The period of the document is put into the vaccination, as days on which it counts, both included.
* The person's own identifier is no identifier of the certificate, unless it is written as one (UVCI).

    claims = hc1.decode_claims(hc1.open_hcert(text).payload)
    read_ddcc(claims).events[0].valid_until
    text = encode_ddcc(document, sub_key=hc1.DDCC_VS, iss="XV", iat=…, kid=kid, alg=-7, sign=key.sign)

Sources: WHO DDCC core data sets (vaccination status, test result). ``docs/formats/ddcc.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

from verifier import vocabulary
from verifier.certificate import Event, Holder, Payload, Test, Vaccination
from verifier.countries import alpha2
from verifier.reasons import Finding, Reason, finding
from verifier.wire import cbor, hc1, values
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COVID_KINDS = frozenset(
    {
        vocabulary.MRNA,
        vocabulary.ANTIGEN,
        vocabulary.INACTIVATED,
        vocabulary.PROTEIN,
        vocabulary.VECTOR,
        vocabulary.DNA,
    }
)


def read_ddcc(claims: Claims) -> Payload:
    """The content of a core data set, or of a flat map of the early codes.

    Raises MalformedError when it has no name, no event, two kinds of event, or a value that cannot be right.
    A period that stands on a test is a finding: no check would judge it.
    """
    document = claims.document
    if document is None:
        raise MalformedError("ddcc", "no document in it")
    holder = Holder(
        surname=values.text(document.get("name")), birth_date=values.birth(document.get("birthDate"))
    )
    if not holder.surname:
        raise MalformedError("ddcc", "no name in it")
    about = _map(document.get("certificate"), "certificate")
    period = _period(document, about)
    event = _event(document, about, period)
    findings: tuple[Finding, ...] = ()
    if isinstance(event, Test) and any(period):
        findings = (finding(Reason.UNSUPPORTED, "ddcc: a period of validity on a test"),)
    return Payload(holder, (event,), values.version(about.get("version")), findings)


def _event(
    document: Mapping[Any, Any], about: Mapping[Any, Any], period: tuple[date | None, date | None]
) -> Event:
    """The one event, told by the shape of the document."""
    dose, test = _map(document.get("vaccination"), "vaccination"), _map(document.get("test"), "test")
    flat = bool(_code(document.get("vaccine")) or _code(document.get("brand")))
    kinds = sum((bool(dose), bool(test), flat))
    if kinds != 1:
        raise MalformedError("ddcc", "more than one kind of event in it" if kinds else "no event in it")
    if test:
        return _test(test, document, about)
    return _vaccination(dose or document, document, about, period)


def _vaccination(
    dose: Mapping[Any, Any],
    document: Mapping[Any, Any],
    about: Mapping[Any, Any],
    period: tuple[date | None, date | None],
) -> Vaccination:
    """A dose; the nested form and the flat one differ in a few names of members."""
    kind = vocabulary.vaccine(_code(dose.get("vaccine")))
    product = vocabulary.product(_code(dose.get("brand")))
    # some issuers write the product where the kind belongs
    named = vocabulary.product(kind)
    if vocabulary.vaccine_of(named):
        kind, product = vocabulary.vaccine_of(named), product or named
    disease = vocabulary.disease(_code(dose.get("disease")))
    if not disease and (kind in _COVID_KINDS or vocabulary.vaccine_of(product)):
        disease = vocabulary.COVID_19  # the field is optional, and these vaccines are against nothing else
    own_start = values.day(_first(dose, "validFrom", "vaccine_valid"), "ddcc", "validFrom")
    start, end = period
    return Vaccination(
        disease=disease,
        vaccine=kind,
        product=product,
        maker=_code(_first(dose, "maholder", "ma_holder")) or _code(dose.get("manufacturer")),
        dose=values.dose(dose.get("dose"), "ddcc", "dose"),
        doses=values.dose(_first(dose, "totalDoses", "total_doses"), "ddcc", "totalDoses"),
        given=values.day(dose.get("date"), "ddcc", "date"),
        country=_country(dose.get("country")),
        issuer=_issuer(document, about),
        identifier=_identifier(document, about),
        valid_from=max(filter(None, (start, own_start)), default=None),
        valid_until=end,
    )


def _test(test: Mapping[Any, Any], document: Mapping[Any, Any], about: Mapping[Any, Any]) -> Test:
    sampled_text = values.text(test.get("date"))
    if _DAY.fullmatch(sampled_text):
        values.day(sampled_text, "ddcc", "date")  # a day without a time: it must be one, and names no instant
        sampled = None
    else:
        sampled = values.instant(sampled_text, "ddcc", "date")
    return Test(
        disease=vocabulary.disease(_code(test.get("pathogen"))),
        kind=vocabulary.test_kind(_code(test.get("type"))),
        device=_code(test.get("brand")) or _code(test.get("manufacturer")),
        sampled=sampled,
        sampled_text=sampled_text,
        result=vocabulary.result(_code(test.get("result"))),
        country=_country(test.get("country")),
        issuer=_issuer(document, about),
        identifier=_identifier(document, about),
    )


def _period(document: Mapping[Any, Any], about: Mapping[Any, Any]) -> tuple[date | None, date | None]:
    """First and last day of the document's validity."""
    period = _map(about.get("period"), "period")
    begin, until = period.get("start"), period.get("end")
    start = values.day(document.get("valid_from") if begin is None else begin, "ddcc", "start of the period")
    end = values.day(document.get("valid_until") if until is None else until, "ddcc", "end of the period")
    if start and end and start > end:
        raise MalformedError("ddcc", "a period that ends before it begins")
    return start, end


def _issuer(document: Mapping[Any, Any], about: Mapping[Any, Any]) -> str:
    """The certificate's issuer: a text, or a reference with one of these members; ``pha`` in flat maps."""
    issuer = about.get("issuer", document.get("pha"))
    if isinstance(issuer, (dict, Mapping)):
        names = (issuer.get(name) for name in ("display", "reference", "id", "identifier"))
        return next((text for text in map(_code, names) if text), "")
    return values.text(issuer)


def _identifier(document: Mapping[Any, Any], about: Mapping[Any, Any]) -> str:
    """The certificate's identifier to the letter: HCID, or a UVCI in the place of the person's identifier."""
    hcid = about.get("hcid", document.get("hcid"))
    hcid = hcid.get("value") if isinstance(hcid, (dict, Mapping)) else hcid
    if hcid and isinstance(hcid, str):
        return hcid
    own = values.as_written(document.get("identifier"))
    return own if own.strip().upper().startswith("URN:UVCI:") else ""


def _country(value: Any) -> str:
    """The country as an alpha-2 code where it is one; WHO data sets write alpha-3."""
    code = _code(value)
    return alpha2(code) or code


def _code(value: Any) -> str:
    """The code of a coded value: of ``{code, system}``, of ``{value, system}``, or a plain text."""
    return values.text(_first(value, "code", "value") if isinstance(value, (dict, Mapping)) else value)


def _first(members: Mapping[Any, Any], *names: str) -> Any:
    """The first of these members that is not absent."""
    for name in names:
        if (value := members.get(name)) is not None:
            return value
    return None


def _map(value: Any, name: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, (dict, Mapping)):
        raise MalformedError("ddcc", f"{name} is not a map")
    return value


# ``HC1:`` text of a core data set of a vaccination; ``sub_key=hc1.DDCC_TR`` for one of a test. Arguments as
# for ``hc1.encode_hc1``.
encode_ddcc = partial(hc1.encode_hc1, exp=None, sub_key=hc1.DDCC_VS)


def encode_flat(document: Mapping[str, Any], *, kid: bytes, alg: int, sign: Callable[[bytes], bytes]) -> str:
    """``HC1:`` text of a flat map, as early codes have it: no CWT claims, and the KID not protected."""
    return hc1.seal(cbor.encode(dict(document)), kid=kid, alg=alg, sign=sign, kid_protected=False)
