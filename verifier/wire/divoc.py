"""DIVOC: a W3C credential of vaccination with a JSON-LD proof, zipped; India's CoWIN and its relatives.

The rules this module keeps:

* A signature covers statements, not members: ``dose`` and ``totalDoses`` are both "a dose value", and whoever
  swaps them breaks nothing. So holder and events are read from the signed statements, by sets of values.
* What cannot be told apart is read conservatively: the smaller dose value is the dose, the larger one the
  number of the course, the earliest date the injection.
* A member that nobody signed is refused, although the signature holds.
* The ZIP has one entry of a known name, and is inflated with a cap.

    envelope = open_divoc(text)                  # text begins with PK\\x03\\x04, B64: or {
    claims = decode_divoc(envelope)              # after the signature held
    payload = read_divoc(claims)
    text = encode_divoc(document, verification_method="did:example", created="…", alg="PS256", sign=key.sign)

Sources: W3C Verifiable Credentials 1.0, RFC 7797 (detached JWS), Linked Data Signatures, the DIVOC project.
``docs/formats/divoc.md``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from verifier import vocabulary
from verifier.certificate import Family, Holder, Payload, Vaccination
from verifier.countries import alpha2
from verifier.keys import EDDSA, PS256
from verifier.reasons import Reason
from verifier.trust import HashKind
from verifier.wire import base64url, jsonld, strict_json, values
from verifier.wire.envelope import Claims, Envelope
from verifier.wire.errors import MalformedError

ZIP_MAGIC = "PK\x03\x04"
B64_PREFIX = "B64:"
ENTRY = "certificate.json"
MAX_ZIP = 4096  # bytes; the largest symbol holds 2,953
MAX_JSON = 64 * 1024  # bytes; real documents have about 2 KiB
MAX_EVIDENCE = 16

_ALGORITHMS = {"PS256": PS256, "EdDSA": EDDSA}
_SUITES = {"RsaSignature2018": "PS256", "Ed25519Signature2018": "EdDSA"}
_SUITE_OF = {alg: suite for suite, alg in _SUITES.items()}
_OPTIONS = {
    "type",
    "created",
    "creator",
    "verificationMethod",
    "proofPurpose",
    "domain",
    "challenge",
    "nonce",
}

# What is read of the credential itself; what its context knows beside these (a status, terms of use) would
# change what it is worth.
_READ = {
    "@context", "id", "type", "issuer", "issuanceDate", "expirationDate", "nonTransferable",
    "credentialSubject", "evidence", "proof",
}  # fmt: skip

_CREDENTIAL = "https://www.w3.org/2018/credentials#VerifiableCredential"
_VACCINATED = jsonld.SCHEMA + "ProofOfVaccinationCredential"
_PERSON = jsonld.SCHEMA + "Person"
_DOSE = "vac:Vaccination"

_DISEASES = {vocabulary.COVID_19, vocabulary.YELLOW_FEVER, vocabulary.POLIOMYELITIS, vocabulary.MEASLES}
_ICD11_STEM = re.compile(r"[0-9A-Z][A-Z][0-9][0-9A-Z](?:\..*)?")
_ICD11_EXTENSION = re.compile(r"XM[0-9A-Z]{4}")
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)


class Credential(dict[str, Any]):
    """A document as written, for reports, with the statements that its signature covers."""

    __slots__ = ("statements",)

    def __init__(self, document: Mapping[str, Any], statements: bytes) -> None:
        super().__init__(document)
        self.statements = statements

    __repr__ = object.__repr__


def open_divoc(text: str) -> Envelope:
    """The envelope in a code's text: a ZIP as Latin-1 characters, ``B64:`` and a ZIP in Base64, or the JSON.

    payload: the document's canonical statements, which is what is signed. Raises MalformedError; its reason
    is ``TOO_BIG`` beyond a limit, ``UNSUPPORTED`` for contexts and proofs of a kind that is not read.
    """
    document = strict_json.decode(_json_of(text), "divoc")
    if not isinstance(document, dict):
        raise MalformedError("divoc", "not an object")
    proof = document.get("proof")
    if not isinstance(proof, dict):
        raise MalformedError("divoc proof", "absent, or not one object")
    options = {name: value for name, value in proof.items() if name != "jws"}
    suite = options.get("type")
    if not isinstance(suite, str) or suite not in _SUITES or not options.keys() <= _OPTIONS:
        raise MalformedError("divoc proof", "of a kind that is not read", Reason.UNSUPPORTED)
    if not all(isinstance(value, str) for value in options.values()):
        raise MalformedError("divoc proof", "an option that is no text")
    if options.get("proofPurpose") != "assertionMethod":
        raise MalformedError("divoc proof", "not made to assert anything")
    header, named, signature = _jws(proof.get("jws"))
    alg = None if named is None else _ALGORITHMS.get(named, 0) if named == _SUITES[suite] else 0
    statements = _statements(document)
    method = options.get("verificationMethod", "")
    return Envelope(
        alg=alg,
        kid=method.encode() or None,
        payload=statements,
        signature=signature,
        to_be_signed=_to_be_signed(header, options, statements),
        issuer_hint=issuer if isinstance(issuer := document.get("issuer"), str) else None,
        parsed=document,
    )


def decode_divoc(envelope: Envelope) -> Claims:
    """The claims of an opened document: the document as written; issuer and times from its statements.

    Raises MalformedError when a statement is of a form that is not read.
    """
    graph = jsonld.statements(envelope.payload, "divoc")
    roots = _of_type(graph, _CREDENTIAL)
    issuers = {value for root in roots for value in graph.get((root, jsonld.CREDENTIALS + "issuer"), ())}
    issuer = issuers.pop() if len(issuers) == 1 else None
    issued_at, bad_issued = _instant(graph, roots, "issuanceDate")
    expires_at, bad_expires = _instant(graph, roots, "expirationDate")
    document = Credential(envelope.parsed, envelope.payload)
    return Claims(
        family=Family.DIVOC,
        document=document,
        whole=document,
        issuer=issuer if isinstance(issuer, str) else None,
        issued_at=issued_at,
        expires_at=expires_at,
        bad_time=bad_issued or bad_expires,
    )


def read_divoc(claims: Claims) -> Payload:
    """Holder and vaccinations, from signed statements alone: two documents of one signature read the same.

    Raises MalformedError when there is no holder or no vaccination, a value that cannot be right, or a member
    that the signature does not cover; with reason ``UNSUPPORTED`` for credentials of another kind, and where
    issuers themselves left the holder or the vaccination out of what they signed.
    """
    document = claims.document
    if not isinstance(document, Credential):
        raise MalformedError("divoc", "no document in it")
    unsealed = {name: value for name, value in document.items() if name != "proof"}
    jsonld.check_signed(unsealed, "divoc")
    if not document.keys() <= _READ:
        raise MalformedError("divoc", "a credential with terms that are not read", Reason.UNSUPPORTED)
    graph = jsonld.statements(document.statements, "divoc")
    roots = _of_type(graph, _CREDENTIAL)
    if len(roots) != 1:
        raise MalformedError("divoc", "not one credential")
    root = roots[0]
    if _VACCINATED not in graph.get((root, jsonld.TYPE), ()):
        raise MalformedError("divoc", "a credential of another kind", Reason.UNSUPPORTED)
    people = _nodes(graph, root, jsonld.CREDENTIALS + "credentialSubject")
    doses = _nodes(graph, root, jsonld.CREDENTIALS + "evidence")
    if len(people) != 1 or _PERSON not in graph.get((people[0], jsonld.TYPE), ()):
        raise MalformedError("divoc", "not one person in it")
    if not doses:
        raise MalformedError("divoc", "no vaccination in it")
    if len(doses) > MAX_EVIDENCE:
        raise MalformedError("divoc", f"more than {MAX_EVIDENCE} vaccinations", Reason.TOO_BIG)
    events = [_vaccination(graph, node, claims.issuer or "") for node in doses]
    events.sort(key=lambda event: (event.given or date.min, event.identifier))
    identifiers = {value for node in doses for value in _texts(graph, node, "id")}
    return Payload(
        holder=_holder(graph, people[0]),
        events=tuple(events),
        identifiers=tuple((HashKind.DOCUMENT, value) for value in sorted(identifiers)),
    )


def encode_divoc(
    document: Mapping[str, Any],
    *,
    verification_method: str,
    created: str,
    alg: str,
    sign: Callable[[bytes], bytes],
) -> str:
    """The JSON text of a document with its proof.

    created: instant of the signature, as text. alg: ``PS256`` or ``EdDSA``. sign: makes the raw signature.
    """
    options = {
        "type": _SUITE_OF[alg],
        "created": created,
        "verificationMethod": verification_method,
        "proofPurpose": "assertionMethod",
    }
    header = base64url.encode(
        json.dumps({"alg": alg, "b64": False, "crit": ["b64"]}, separators=(",", ":")).encode()
    )
    signature = sign(_to_be_signed(header, options, _statements(document)))
    sealed = {**document, "proof": {**options, "jws": f"{header}..{base64url.encode(signature)}"}}
    return json.dumps(sealed, ensure_ascii=False, separators=(",", ":"))


def packed(json_text: str) -> bytes:
    """The ZIP that the symbol holds, the same in every run; as text it is decoded as Latin-1."""
    entry = zipfile.ZipInfo(ENTRY, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, wherever this runs
    entry.compress_type = zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, json_text.encode(), compresslevel=9)
    return out.getvalue()


# The container


def _json_of(text: str) -> str | bytes:
    if text.startswith(ZIP_MAGIC):
        try:
            return _unpacked(text.encode("latin-1"))
        except UnicodeEncodeError:
            raise MalformedError("zip", "characters that are no bytes") from None
    if text.startswith(B64_PREFIX):
        if len(text) > 2 * MAX_ZIP:
            raise MalformedError("zip", f"more than {MAX_ZIP} bytes", Reason.TOO_BIG)
        try:
            data = base64.b64decode(text[len(B64_PREFIX) :], validate=True)
        except ValueError:
            raise MalformedError("base64", "not Base64") from None
        return _unpacked(data)
    return text


def _unpacked(data: bytes) -> bytes:
    """The one entry of a ZIP."""
    if len(data) > MAX_ZIP:
        raise MalformedError("zip", f"more than {MAX_ZIP} bytes", Reason.TOO_BIG)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].filename != ENTRY:
                raise MalformedError("zip", f"another content than one {ENTRY}")
            if entries[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise MalformedError("zip", "an unusual compression")
            with archive.open(entries[0]) as stream:
                content = stream.read(MAX_JSON + 1)
    except MalformedError:
        raise
    except Exception:  # noqa: BLE001 - a broken ZIP meets zipfile with whatever its parts raise
        raise MalformedError("zip", "broken, or encrypted") from None
    if len(content) > MAX_JSON:
        raise MalformedError("zip", f"expands beyond {MAX_JSON} bytes", Reason.TOO_BIG)
    return content


# The proof


def _jws(jws: Any) -> tuple[str, str | None, bytes]:
    """Header as received, the algorithm that it names, signature of a detached JWS (RFC 7797)."""
    parts = jws.split(".") if isinstance(jws, str) else []
    if len(parts) != 3 or parts[1]:
        raise MalformedError("divoc proof", "no detached JWS in it")
    header = strict_json.decode(base64url.decode(parts[0], "divoc proof", "the header"), "divoc proof header")
    if (
        not isinstance(header, dict)
        or header.keys() - {"alg"} != {"b64", "crit"}
        or header["b64"] is not False
        or header["crit"] != ["b64"]
    ):
        raise MalformedError("divoc proof header", "asks for something else than an unencoded payload")
    alg = header.get("alg")
    # some write the signature with its padding
    signature = base64url.decode(parts[2].rstrip("="), "divoc proof", "the signature")
    return parts[0], str(alg) if "alg" in header else None, signature


def _statements(document: Mapping[str, Any]) -> bytes:
    return jsonld.canonical({name: value for name, value in document.items() if name != "proof"}, "divoc")


def _to_be_signed(header: str, options: Mapping[str, str], statements: bytes) -> bytes:
    proof = jsonld.canonical({"@context": jsonld.SECURITY_V2, **options}, "divoc proof")
    return header.encode() + b"." + hashlib.sha256(proof).digest() + hashlib.sha256(statements).digest()


# The content


def _holder(graph: jsonld.Graph, node: str) -> Holder:
    names = _texts(graph, node, "name")
    births = {values.birth(text) for text in _texts(graph, node, "date")}
    if not names:
        raise MalformedError("divoc", "no name in it")
    if len(names) > 1 or len(births) > 1:
        raise MalformedError("divoc", "a person of two names or birth dates")
    return Holder(surname=names.pop(), birth_date=births.pop() if births else "")


def _vaccination(graph: jsonld.Graph, node: str, issuer: str) -> Vaccination:
    if _DOSE not in graph.get((node, jsonld.TYPE), ()):
        raise MalformedError("divoc", "evidence that is no vaccination", Reason.UNSUPPORTED)
    ids = _texts(graph, node, "id")
    known = {vocabulary.product(text) for text in ids if vocabulary.is_product_name(text)}
    kinds = {vocabulary.vaccine(text) for text in ids if vocabulary.vaccine(text) != text}
    covid = bool(kinds) or any(vocabulary.vaccine_of(each) for each in known)  # only its vaccines have kinds
    product = known.pop() if len(known) == 1 else ""
    dose, doses = _dose(graph.get((node, jsonld.SCHEMA + "doseValue"), ()))
    days = [values.day(text, "divoc", "a date") for text in _texts(graph, node, "date")]
    return Vaccination(
        disease=_disease(ids, _texts(graph, node, "name"), covid=covid),
        vaccine=vocabulary.vaccine_of(product) or (kinds.pop() if len(kinds) == 1 else ""),
        product=product,
        maker="",
        dose=dose,
        doses=doses,
        given=min((day for day in days if day is not None), default=None),
        country=_country(graph, node),
        issuer=issuer,
        identifier=_identifier(node, ids),
    )


def _dose(terms: Iterable[jsonld.Term]) -> tuple[int | None, int | None]:
    """Number of the dose and of the course. One value alone is both: that of the last dose is signed once."""
    numbers = {_number(term) for term in terms}
    stated = sorted(number for number in numbers if number is not None)
    if not stated:
        return None, None
    # with one of the two left empty, nobody can tell which
    return (None if None in numbers else stated[0]), stated[-1]


def _number(term: jsonld.Term) -> int | None:
    """A dose value, written as a number or as a text; ``None`` for an empty one."""
    if isinstance(term, jsonld.Literal) and term.datatype in (jsonld.TEXT, jsonld.INTEGER):
        text = term.value.strip()
        if not text:
            return None
        if _NUMBER.fullmatch(text):
            return values.dose(int(text), "divoc", "a dose value")
    raise MalformedError("divoc", "a dose value that is no whole number")


def _disease(ids: set[str], prophylaxis: set[str], *, covid: bool) -> str:
    """The disease that the statements name, empty when they name several.

    Where they name none it is COVID-19: the first version of these documents cannot name one.
    """
    told = {vocabulary.disease(text) for text in ids if _ICD11_STEM.fullmatch(text)}
    told |= {vocabulary.disease(text) for text in prophylaxis}
    known = told & _DISEASES | ({vocabulary.COVID_19} if covid else set())
    if known:
        return known.pop() if len(known) == 1 else ""
    foreign = prophylaxis or {text for text in ids if _ICD11_EXTENSION.fullmatch(text)}
    return min(foreign) if foreign else vocabulary.COVID_19


def _country(graph: jsonld.Graph, dose: str) -> str:
    """The country of the facility's address; empty unless there is exactly one."""
    countries = {
        alpha2(text) or text
        for facility in _nodes(graph, dose, "vac:Facility")
        for address in _nodes(graph, facility, jsonld.SCHEMA + "PostalAddress")
        for text in _texts(graph, address, "addressCountry")
    }
    return countries.pop() if len(countries) == 1 else ""


def _identifier(node: str, ids: set[str]) -> str:
    """The certificate's number among values that also name batch, vaccine and maker.

    It is the end of the vaccination's own IRI; where it is not, the longest value that is all digits.
    """
    named = {text for text in ids if node.endswith("/" + text)}
    numbers = {text for text in ids if text.isascii() and text.isdigit()}
    return min(named or numbers, key=lambda text: (-len(text), text), default="")


def _instant(graph: jsonld.Graph, roots: Iterable[str], name: str) -> tuple[datetime | None, str | None]:
    """An instant of the credential and what is wrong with it."""
    terms = [term for root in roots for term in graph.get((root, jsonld.CREDENTIALS + name), ())]
    if not terms:
        return None, None
    term = terms[0]
    if len(terms) > 1 or not isinstance(term, jsonld.Literal):
        return None, f"{name} is not one instant"
    try:
        instant = values.instant(term.value, "divoc", name)
    except MalformedError:
        return None, f"{name} is not a date and time"
    if instant is not None and instant.tzinfo is None:
        return None, f"{name} has no time zone"
    return instant, None


def _of_type(graph: jsonld.Graph, iri: str) -> list[str]:
    return [node for (node, predicate), terms in graph.items() if predicate == jsonld.TYPE and iri in terms]


def _nodes(graph: jsonld.Graph, node: str, predicate: str) -> list[str]:
    terms = graph.get((node, predicate), ())
    nodes = [term for term in terms if isinstance(term, str)]
    if len(nodes) < len(terms):
        raise MalformedError("divoc", "a value where an object belongs")
    return nodes


def _texts(graph: jsonld.Graph, node: str, name: str) -> set[str]:
    """The values of a schema.org property, without blanks round them and without empty ones."""
    terms = graph.get((node, jsonld.SCHEMA + name), ())
    if not all(isinstance(term, jsonld.Literal) for term in terms):
        raise MalformedError("divoc", "an object where a value belongs")
    return {term.value.strip() for term in terms if isinstance(term, jsonld.Literal)} - {""}
