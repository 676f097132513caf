"""International Certificate of Vaccination or Prophylaxis: sub-key -6 of an HCERT, one dose of one product.

The rules this module keeps:

* Two layouts: ``vx`` is the current one, a map under ``v`` that of the pilots, which never were in force.
* The current one names a product of WHO's list and no disease; the disease is the product's. A product
  outside the list makes the certificate invalid (IHR Annex 6).
* Yellow fever counts from the tenth day after the dose, for life, whatever end a certificate states.
* A version that is not known is no fault of the traveller: the facts are read, and a person has to look.

    claims = hc1.decode_claims(hc1.open_hcert(text).payload)
    read_icvp(claims).events[0].valid_from            # dv and ten days
    text = encode_icvp(document, iss="XV", iat=…, kid=kid, alg=-7, sign=key.sign)

Sources: IHR (2005) Annexes 6 and 7 as amended, WHO's digital ICVP and product list.
``docs/formats/icvp.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

from verifier import vocabulary
from verifier.certificate import Holder, Payload, Prophylaxis, Vaccination
from verifier.reasons import Finding, Reason, State, finding
from verifier.times import EASTERNMOST
from verifier.wire import hc1, values
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

IN_FORCE = date(2025, 9, 19)  # first day of issue of digital certificates
YELLOW_FEVER_WAIT = timedelta(days=10)

_VERSION = re.compile(r"1(\.\d+)*", re.ASCII)
# A therapeutic group of the ATC classification, and the one that holds the vaccines.
_ATC, _ATC_VACCINES = re.compile(r"[A-V]\d{2}[A-Z]{2}\d{2}", re.ASCII), "J07"

# WHO's list of products for an ICVP (value set ICVPProductIds; the youngest is of 2024-08-29): kind of
# product, then its numbers, each of which makes an id. The six-fold vaccines count against poliomyelitis.
_PRODUCTS = """
YellowFeverProduct
    d2c75a15ed309658b3968519ddb31690 771d1a5c0acaee3e2dc9d56af1aba49d e929626497bdbb71adbe925f0c09c79f
    01a3b83cf13e87948437db11cf5c34eb f82b015dfb3b1feeacd4c44d95b3b3ec 223330a7c15da86b21cc363f591de002
    ffea8448252ee58b7a92add05f0c3431 d8a09f80301dc05e124f99ffe7711fc0 ab01f006f8b24113f4a28cb50bfe6d9d
    5f0639d8e4d52afef089aa7148c5060c e0534dbc71a6cc09f56dce25216c538c
PolioVaccineOralOPVTrivaProduct
    fa4849f7532d522134f4102063af1617 4df3a93ab495d85b3583d0cd1ae3d83e e0bcdc085107751b3df34ad04620ac21
    bd7faeaf3f0e633420fba396895d6cc9
PolioVaccineOralOPVBivalProduct
    16e883911ea0108b8213bc213c9972fe 0e59118bc5938520115bac65a45be04d b62fbc87532804be42afa8d9050ef452
    02c099d69cd245e7fcd3280a96f1dccb decf3a77facc0b8f1443db5f7a806857 10aa94cef126e62542c2c45dc3604c0b
    26e6c50dfb385f223a12238dc6e202dd 14c88c2e9b35698b4726903940c58037 2d10261076734e48cd7b289de6ea802e
    dcbfa0a541c65032a917c39fa762c2f9 06bf2d06adcc6d9e2bea8ac21846bb09 a5416e91021f0c00915e4688ff508717
PolioVaccineOralOPVMonovProduct
    cea74be2c728329aad7b9b33ae16a0b1 ef716e2b9567223ce6c95b090480ecfe ae7e506ca48a3aa605b188cd11eaceab
    f6d840e9cf722a80b38d0be001f47caf 7d442364610244382098e1c4a3ba54c3 4580ab03228ed6c70bb6c117b408f7e5
    7a252b223173567f21721ee15a36f057 f22fcdfa611173d0afbce56d49867530 1b2bdb769d38e0b45eb60707ff9a36cb
    b4755cab194f57a5fecc8d890856bbdf
PolioVaccineNovelOralnOPProduct
    65b137f0201901bc43fc8759e4f35f35 278e9af5dc50904dd144a7ceb4d42dd7 ab7589153ddbc7968e1749119c5b1678
PolioVaccineInactivatedSProduct
    0854d534a200bbeffa8be0f57dad584a 031f63df3184acdf0cb82f90f316b6c3 2050ea67709cfcde28a01f0546276e96
    25383b1f589d42af3719c7074f982c9b d554f4c3848920ca8bcd00d44afd18a4
PolioVaccineInactivatedIProduct
    532ef986c8042bbb15fee24056fdc4ed 087ff26057e89c006517428347dfbc3c 096d9e8c31e30cc1148311ee66359a50
    c726fd7210023aa5738617a79cae2b40 1d63ab46cee67d02439c47ed91439667 13e82343f8e192fe6e3fbfbf2a47ffd7
    f8085a2bd9a1c84fba1adee2ec6f6fb1 fea93261bf2f096ea48aed825522dc2d 3cde3a30cacdc23b9ec3bdf4ba9d23ff
    4562bbd80c6e57dbe29b122817623854 81ee9ba77c4419bbfe44a27cfd10027e 8b13b5fcf5e9268b345775be7c3f077c
DiphtheriaTetanusPertussProduct
    f4177b409d09d83e48630717437c5aea 0e63b58e2976f385b77a9b5a356b68b5 d54558e2851d29311ee7f90975827dc7
"""


def _listed(table: str) -> dict[str, str]:
    """Product id and the disease that it counts for."""
    found: dict[str, str] = {}
    kind = ""
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            kind = line
            continue
        disease = vocabulary.YELLOW_FEVER if kind.startswith("Yellow") else vocabulary.POLIOMYELITIS
        found |= {kind + number: disease for number in line.split()}
    return found


PRODUCTS: Mapping[str, str] = _listed(_PRODUCTS)


def read_icvp(claims: Claims) -> Payload:
    """The one dose of a certificate.

    Raises MalformedError when a required member is absent or cannot be right, or the dose is later than the
    day of issue. Findings: an unknown version, the pilots' layout, a day of issue before digital certificates
    came into force or none at all, a product outside the list, a birth date that is not a full one.
    """
    document = claims.document
    if document is None:
        raise MalformedError("icvp", "no document in it")
    pilot = isinstance(document.get("v"), Mapping)
    if pilot and "vx" in document:
        raise MalformedError("icvp", "the members of two layouts")
    holder = Holder(surname=_required(document, "n"), birth_date=values.birth(document.get("dob")))
    read = _pilot if pilot else _current
    event, version, findings = read(document, claims)
    issued = _issued(document, claims)
    if event.given is not None and issued is not None and event.given > issued:
        findings = (*findings, finding(Reason.MALFORMED, "icvp: the dose is later than the day of issue"))
    return Payload(
        holder,
        (event,),
        version,
        (*_force_findings(issued, claims), *findings, *values.birth_findings(holder.birth_date)),
    )


_Read = tuple[Vaccination | Prophylaxis, str, tuple[Finding, ...]]


def _current(document: Mapping[Any, Any], claims: Claims) -> _Read:
    """The layout that is in force: ``vx`` with a product of the list."""
    dose = document.get("vx")
    if not isinstance(dose, Mapping):
        raise MalformedError("icvp", "vx is not a map")
    for name in ("s", "nt"):
        _required(document, name)
    product, _ = _required(dose, "vp"), _required(dose, "bo")
    clinician, authority = values.text(dose.get("cn")), values.text(dose.get("is"))
    if not clinician and not authority:
        raise MalformedError("icvp", "neither cn nor is in vx")
    given = values.day(dose.get("dv", dose.get("dt")), "icvp", "dv")  # dt: its name until 2026
    if given is None:
        raise MalformedError("icvp", "no dv in vx")
    version = values.version(document.get("v"))
    if not version:
        raise MalformedError("icvp", "no v in it")
    findings: tuple[Finding, ...] = ()
    if not _VERSION.fullmatch(version):
        findings = (finding(Reason.UNSUPPORTED, "icvp: a version that is not known here"),)
    disease = PRODUCTS.get(product, "")
    if not disease:
        detail = "icvp: the product is not on WHO's list"
        findings = (*findings, finding(Reason.VACCINE_NOT_LISTED, detail, State.FAIL))
    event = _event(
        code=product,
        disease=disease,
        product=product,
        given=given,
        stated=(None, None),
        country=claims.issuer or "",
        issuer=authority or clinician,
    )
    return event, version, findings


def _pilot(document: Mapping[Any, Any], claims: Claims) -> _Read:
    """The layout of the pilots of 2024: ``v`` is the dose, and names its disease itself."""
    dose = document["v"]
    given = values.day(dose.get("dt"), "icvp", "dt")
    if given is None:
        raise MalformedError("icvp", "no dt in v")
    start, end = (values.day(dose.get(name), "icvp", name) for name in ("vls", "vle"))
    code = _required(dose, "vp")
    event = _event(
        code=code,
        disease=vocabulary.disease(values.text(dose.get("tg"))),
        product=values.text(dose.get("mp")) or code,
        given=given,
        stated=(start, end),
        country=claims.issuer or "",
        issuer=values.text(dose.get("is")) or values.text(dose.get("cn")),
        maker=values.text(dose.get("ma")),
    )
    return event, "", (finding(Reason.UNSUPPORTED, "icvp: the layout of the pilots"),)


def _event(
    *,
    code: str,
    disease: str,
    product: str,
    given: date,
    stated: tuple[date | None, date | None],
    country: str,
    issuer: str,
    maker: str = "",
) -> Vaccination | Prophylaxis:
    """One dose with the days on which it counts. stated: the document's own period."""
    start, end = stated
    if disease == vocabulary.YELLOW_FEVER:
        try:
            tenth = given + YELLOW_FEVER_WAIT
        except OverflowError:
            raise MalformedError("icvp", "the date of the dose lies outside the calendar") from None
        start, end = max(tenth, start or tenth), None
    if _ATC.fullmatch(code) and not code.startswith(_ATC_VACCINES):
        return Prophylaxis(disease, product, given, start, end, country, issuer, identifier="")
    return Vaccination(
        disease=disease,
        vaccine=vocabulary.vaccine(code) if code != product else "",
        product=product,
        maker=maker,
        dose=None,
        doses=None,
        given=given,
        country=country,
        issuer=issuer,
        identifier="",
        valid_from=start,
        valid_until=end,
    )


def _issued(document: Mapping[Any, Any], claims: Claims) -> date | None:
    """The day of issue where it was latest on earth: a dose given that morning in the far east is no fault.

    The earlier of ``iat`` and of ``d``, which newer drafts have; ``None`` when neither is stated.
    """
    stated = values.day(document.get("d"), "icvp", "d")
    days = [stated] if stated else []
    if claims.issued_at is not None:
        try:
            days.append(claims.issued_at.astimezone(EASTERNMOST).date())
        except OverflowError:
            days.append(date.max)
    return min(days, default=None)


def _force_findings(issued: date | None, claims: Claims) -> tuple[Finding, ...]:
    if claims.bad_time:
        return ()  # said already, by whoever reads the claims
    if issued is None:
        return (finding(Reason.UNSUPPORTED, "icvp: no day of issue"),)
    if issued < IN_FORCE:
        detail = "icvp: issued before digital certificates came into force"
        return (finding(Reason.UNSUPPORTED, detail),)
    return ()


def _required(members: Mapping[Any, Any], name: str) -> str:
    text = values.text(members.get(name))
    if not text:
        raise MalformedError("icvp", f"no {name} in it")
    return text


# ``HC1:`` text of a certificate; the life-long ones have no ``exp``. Arguments as for ``hc1.encode_hc1``.
encode_icvp = partial(hc1.encode_hc1, exp=None, sub_key=hc1.ICVP)
