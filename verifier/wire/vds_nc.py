"""ICAO VDS-NC seals: a JSON object with what was sealed, the signature, and the signer's certificate.

The rules this module keeps:

* Signed is the canonical form (RFC 8785) of the value of ``data``, every member of it, known here or not.
  ``sig`` itself is not signed; nothing is taken from it but what the verification needs.
* The text is read as I-JSON: what two readers could canonicalise differently is malformed.
* The certificate that a seal carries is a claim like any other; who vouches for it is ``verifier.chain``'s.
* A seal holds a whole course: several doses are normal here.
* Lengths that the specification limits are not checked: an authentic seal with a long name is authentic.

    envelope = open_vds_nc(text)                       # nothing believed
    payload = read_vds_nc(decode_vds_nc(envelope))     # after the signature and the chain held
    text = encode_vds_nc(data, certificate=der, alg="ES256", sign=key.sign)

Sources: ICAO technical report VDS-NC 1.1, RFC 8785 (JCS), RFC 7493 (I-JSON). ``docs/formats/vds-nc.md``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from verifier import vocabulary
from verifier.certificate import Event, Family, Holder, Payload, Test, Vaccination
from verifier.countries import alpha2
from verifier.keys import ES256, ES384, ES512, kid_of
from verifier.reasons import Reason
from verifier.wire import base64url, canonical_json, strict_json, values
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

LAYER = "vds-nc"
MAX_TEXT = 16 * 1024  # characters; the largest symbol of any kind holds 7,089
MAX_ENTRIES = 16  # of vaccines, and of doses of each
VERSION = 1
ALGORITHMS = {"ES256": ES256, "ES384": ES384, "ES512": ES512}
OTHER_ALGORITHM = 0  # stands on no allow-list

# ICD-11's code for any COVID-19 vaccine; the product beside it says more.
_SOME_VACCINE = "XM68M6"
_PADDED = re.compile(r"([^=]*)(={0,2})")
_DIGITS = re.compile(r"\d{1,4}", re.ASCII)
_NAME_PARTS = re.compile(r"\s{2,}")


def open_vds_nc(text: str) -> Envelope:
    """The envelope of a seal's text.

    Without a certificate its KID is ``None``. Raises MalformedError with the layer that broke; sizes beyond a
    limit are ``TOO_BIG``.
    """
    if len(text) > MAX_TEXT:
        raise MalformedError("text", f"more than {MAX_TEXT} characters", Reason.TOO_BIG)
    root = strict_json.decode(text, LAYER)
    data, sig = (root.get("data"), root.get("sig")) if isinstance(root, dict) else (None, None)
    if not isinstance(data, dict) or not isinstance(sig, dict):
        raise MalformedError(LAYER, "not an object with data and sig")
    canonical = _canonical(data)
    certificate = _bytes(sig, "cer") or None
    return Envelope(
        alg=_algorithm(sig.get("alg")),
        kid=None if certificate is None else kid_of(certificate),
        payload=canonical,
        signature=_bytes(sig, "sigvl"),
        to_be_signed=canonical,
        certificate=certificate,
        parsed=root,
    )


def _canonical(data: Mapping[str, Any]) -> bytes:
    try:
        return canonical_json.dumps(data)
    except ValueError:
        raise MalformedError(LAYER, "data has no canonical form") from None


def _algorithm(name: Any) -> int | None:
    if name is None:
        return None
    return ALGORITHMS.get(name, OTHER_ALGORITHM) if isinstance(name, str) else OTHER_ALGORITHM


def _bytes(sig: Mapping[str, Any], name: str) -> bytes:
    """A base64url member, empty if it is absent. Padding is tolerated: Australia writes it."""
    text = sig.get(name)
    if text is None:
        return b""
    match = _PADDED.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[2] and len(match[0]) % 4):
        raise MalformedError("base64", f"{name} is not base64url")
    return base64url.decode(match[1], "base64", name)


def decode_vds_nc(envelope: Envelope) -> Claims:
    """What a seal says. Raises MalformedError when the envelope is none of :func:`open_vds_nc`."""
    # the value whose canonical form is the signed payload, so nothing else can be shown than was verified
    data = envelope.parsed.get("data") if isinstance(envelope.parsed, dict) else None
    if not isinstance(data, dict):
        raise MalformedError(LAYER, "no data")
    header = data.get("hdr")
    issuer = header.get("is") if isinstance(header, dict) else None
    return Claims(
        family=Family.VDS_NC,
        document=data,
        whole=data,
        issuer=issuer.strip() if isinstance(issuer, str) else None,
    )


def kind_of(claims: Claims) -> str:
    """The type that a seal's header names (``icao.vacc``, ``icao.test``); empty if none."""
    header = (claims.document or {}).get("hdr")
    kind = header.get("t") if isinstance(header, dict) else None
    return kind if isinstance(kind, str) else ""


def read_vds_nc(claims: Claims) -> Payload:
    """The content of a seal in the common vocabulary.

    Raises MalformedError when there is no holder or no event in it, or a value that cannot be right; with
    reason ``UNSUPPORTED`` for another type or version than ``icao.vacc`` and ``icao.test`` of version 1.
    """
    document = claims.document or {}
    header = _object(document.get("hdr"), "hdr")
    kind = header.get("t")
    if not isinstance(kind, str):
        raise MalformedError(LAYER, "no type in it")
    read = _READERS.get(kind)
    if read is None:
        raise MalformedError(LAYER, "a seal of a type that is not known here", Reason.UNSUPPORTED)
    version = header.get("v")
    if type(version) not in (int, float) or version != VERSION:
        raise MalformedError(LAYER, "a version that is not known here", Reason.UNSUPPORTED)
    message = _object(document.get("msg"), "msg")
    events = read(message)
    if not events:
        raise MalformedError(LAYER, "no dose in it")
    return Payload(_holder(_object(message.get("pid"), "pid")), events, str(VERSION))


def _holder(person: Mapping[str, Any]) -> Holder:
    """Two blanks part the surname from the given names; without them nobody can tell, and all is surname."""
    surname, *given = _NAME_PARTS.split(values.text(person.get("n")), maxsplit=1)
    if not surname:
        raise MalformedError(LAYER, "no name in it")
    return Holder(surname=surname, given="".join(given), birth_date=values.birth(person.get("dob")))


def _vaccinations(message: Mapping[str, Any]) -> tuple[Event, ...]:
    identifier = values.as_written(message.get("uvci"))
    return tuple(
        _vaccination(vaccine, dose, identifier)
        for vaccine in _entries(message.get("ve"), "ve")
        for dose in _entries(vaccine.get("vd"), "vd")
    )


def _vaccination(vaccine: Mapping[str, Any], dose: Mapping[str, Any], identifier: str) -> Vaccination:
    product = vocabulary.product(values.text(vaccine.get("nam")))
    kind = values.text(vaccine.get("des"))
    if kind in ("", _SOME_VACCINE):
        kind = vocabulary.vaccine_of(product) or kind
    return Vaccination(
        disease=vocabulary.disease(values.text(vaccine.get("dis"))),
        vaccine=vocabulary.vaccine(kind),
        product=product,
        maker="",
        dose=values.dose(_number(dose.get("seq")), LAYER, "seq"),
        doses=None,
        given=values.day(dose.get("dvc"), LAYER, "dvc"),
        country=_country(dose.get("ctr")),
        issuer=values.text(dose.get("adm")),
        identifier=identifier,
    )


def _test(message: Mapping[str, Any]) -> tuple[Event, ...]:
    place = _object(message.get("sp"), "sp", absent=True)
    times = _object(message.get("dat"), "dat", absent=True)
    outcome = _object(message.get("tr"), "tr", absent=True)
    if not times and not outcome:
        return ()
    sampled_text = values.text(times.get("sc"))
    return (
        Test(
            # the format names no disease: the report of 2021 knows seals of COVID-19 tests alone
            disease=vocabulary.COVID_19,
            kind=vocabulary.test_kind(values.text(outcome.get("tc"))),
            device="",
            sampled=values.instant(sampled_text, LAYER, "sc"),
            sampled_text=sampled_text,
            result=vocabulary.result(values.text(outcome.get("r"))),
            country=_country(place.get("ctr")),
            issuer=values.text(place.get("spn")),
            identifier=values.as_written(message.get("utci")),
        ),
    )


_READERS: Mapping[str, Callable[[Mapping[str, Any]], tuple[Event, ...]]] = {
    "icao.vacc": _vaccinations,
    "icao.test": _test,
}


def _object(value: Any, name: str, *, absent: bool = False) -> Mapping[str, Any]:
    """An object; an empty one for null where it may be absent. Raises MalformedError."""
    if value is None and absent:
        return {}
    if not isinstance(value, (dict, Mapping)):
        raise MalformedError(LAYER, f"{name} is not an object")
    return value


def _entries(value: Any, name: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(LAYER, f"{name} is not a list")
    if len(value) > MAX_ENTRIES:
        raise MalformedError(LAYER, f"{name} has more than {MAX_ENTRIES} entries", Reason.TOO_BIG)
    # null, or with nothing in it: no entry
    return [_object(entry, f"an entry of {name}") for entry in value if entry not in (None, {})]


def _country(value: Any) -> str:
    """The country of an event as alpha-2, as everywhere else; a code that is none is passed on."""
    code = values.text(value)
    return alpha2(code) or code


def _number(value: Any) -> Any:
    """A dose number that some write as a text."""
    written = values.text(value)
    if _DIGITS.fullmatch(written):
        return int(written)
    return None if value == "" else value


def encode_vds_nc(
    data: Mapping[str, Any], *, certificate: bytes, alg: str, sign: Callable[[bytes], bytes]
) -> str:
    """The text of a seal.

    data: header and message. certificate: the signer's, DER. alg: its name as in JOSE, such as ``ES256``.
    sign: makes the raw signature over the canonical form that it is given. Raises MalformedError when
    ``data`` has no canonical form.
    """
    data = dict(data)
    sig = {
        "alg": alg,
        "cer": base64url.encode(certificate),
        "sigvl": base64url.encode(sign(_canonical(data))),
    }
    return json.dumps({"data": data, "sig": sig}, ensure_ascii=False, separators=(",", ":"))
