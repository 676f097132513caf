"""JSON-LD to its signed form: canonical N-Quads (URDNA2015), from contexts that this module holds.

The rules this module keeps:

* Nothing is fetched. A context that is not bundled here is ``UNSUPPORTED``; a document defines no terms of
  its own.
* Objects and members are counted before the work begins, and the canonical naming of blank nodes has a
  budget: a hostile document could make it factorial.
* An ``id`` or ``issuer`` that is no absolute IRI is signed by nobody, for signers leave it out with all that
  hangs on it. It is left out here too, and :func:`check_signed` tells.
* What a document means is read from its statements. Member names are not signed: several stand for one IRI.

    nquads = canonical(document, "divoc")          # raises MalformedError
    graph = statements(nquads, "divoc")
    graph["did:x", SCHEMA + "name"]                # [Literal("Ana")]

Sources: JSON-LD 1.1, RDF Dataset Canonicalization (URDNA2015), N-Quads, the contexts' own publishers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from verifier.reasons import Reason
from verifier.wire.errors import MalformedError

MAX_NODES = 64  # objects; a certificate has seven, and four more for each further dose
MAX_MEMBERS = 256  # single values; a certificate has about forty
MAX_ALIKE = 3  # blank nodes that only their order could tell apart
MAX_LOOKS = 128  # at blank nodes that are not unlike all others

SCHEMA = "https://schema.org/"
CREDENTIALS = "https://www.w3.org/2018/credentials#"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_XSD = "http://www.w3.org/2001/XMLSchema#"
INTEGER, TEXT = _XSD + "integer", _XSD + "string"
SECURITY_V2 = "https://w3id.org/security/v2"

# The contexts, as term to IRI. ``vac:`` stays as it is: its own IRI ends in a digit, so it is no prefix, and
# signers sign it unexpanded.
_Terms = dict[str, Any]


def _terms(prefix: str, *names: str) -> _Terms:
    return {name: prefix + name for name in names}


def _links(prefix: str, *names: str, **more: str) -> _Terms:
    return {name: {"@id": prefix + name, "@type": "@id", **more} for name in names}


def _instants(prefix: str, *names: str) -> _Terms:
    return {name: {"@id": prefix + name, "@type": "xsd:dateTime"} for name in names}


def _scoped(iri: str, terms: _Terms, **more: Any) -> _Terms:
    return {"@id": iri, **more, "@context": {**_STRICT, **terms}}


_STRICT: _Terms = {"@version": 1.1, "@protected": True}
_KEYWORDS: _Terms = {"id": "@id", "type": "@type"}
_PREFIXES: _Terms = {"cred": CREDENTIALS, "sec": "https://w3id.org/security#", "xsd": _XSD}

_PROOF = _links("https://w3id.org/security#", "proof", **{"@container": "@graph"})
_VERIFIABLE = {
    **_KEYWORDS,
    **_PREFIXES,
    **_links("cred:", "credentialStatus", "credentialSubject", "evidence", "holder", "issuer", "termsOfUse"),
    **_instants("cred:", "expirationDate", "issued", "issuanceDate", "validFrom", "validUntil"),
    **_PROOF,
} | {
    name: _scoped("cred:" + name, {**_KEYWORDS, **_terms(CREDENTIALS, kind)}, **{"@type": "@id"})
    for name, kind in (
        ("credentialSchema", "JsonSchemaValidator2018"),
        ("refreshService", "ManualRefreshService2018"),
    )
}
_CREDENTIALS_V1 = {
    **_STRICT,
    **_KEYWORDS,
    "VerifiableCredential": _scoped(CREDENTIALS + "VerifiableCredential", _VERIFIABLE),
    **_PROOF,
}

_ADDRESS = _scoped(
    "schema:PostalAddress",
    {
        **_terms("schema:", "streetAddress", "addressRegion", "postalCode", "addressCountry"),
        **_terms("vac:", "city", "district"),
        "streetAddress2": "vac:addressLine2",
    },
)
_PERSON = {
    **_terms("schema:", "name", "gender", "nationality"),
    **dict.fromkeys(("refId", "uhid"), "schema:id"),
    "age": "schema:Number",
    "address": _ADDRESS,
}
_VACCINATION = {
    **dict.fromkeys(("certificateId", "batch", "vaccine", "manufacturer"), "schema:id"),
    **dict.fromkeys(("date", "effectiveStart", "effectiveUntil"), "schema:date"),
    **dict.fromkeys(("dose", "totalDoses"), "schema:doseValue"),
    **dict.fromkeys(("feedbackUrl", "infoUrl"), "schema:url"),
    "verifier": _scoped("vac:verifier", {**_terms("schema:", "id", "name"), "sign-image": "schema:image"}),
    "facility": _scoped(
        "vac:Facility", {**_terms("schema:", "name"), "address": _ADDRESS, "seal-image": "schema:image"}
    ),
}


def _vaccination_context(version: str, person: _Terms, dose: _Terms) -> _Terms:
    return {
        **_STRICT,
        **_KEYWORDS,
        "schema": SCHEMA,
        "vac": f"https://cowin.gov.in/credentials/vaccination/{version}",
        "ProofOfVaccinationCredential": _scoped(
            "schema:ProofOfVaccinationCredential", _terms("vac:", "nonTransferable")
        ),
        "Person": _scoped("schema:Person", _PERSON | person),
        "Vaccination": _scoped("vac:Vaccination", _VACCINATION | dose),
    }


_VACCINATION_V1 = _vaccination_context("v1", {}, {})
_VACCINATION_V2 = _vaccination_context(
    "v2",
    {"dob": "schema:date", "sex": "schema:gender"},
    {"icd11Code": "schema:id", "prophylaxis": "schema:name"},
)
# Of the security vocabulary, what the options of a proof are made of.
_SECURITY_V1 = {
    **_KEYWORDS,
    "dc": "http://purl.org/dc/terms/",
    **{name: _PREFIXES[name] for name in ("sec", "xsd")},
    **_instants("dc:", "created"),
    **_links("dc:", "creator"),
    **_terms("sec:", "Ed25519Signature2018", "domain", "nonce", "signatureValue"),
}
_SECURITY_V2 = {
    "@version": 1.1,
    **_SECURITY_V1,
    **_terms("sec:", "RsaSignature2018", "challenge", "jws", "proofValue"),
    **_links("sec:", "verificationMethod"),
    **_links("sec:", "assertionMethod", **{"@container": "@set"}),
    "proofPurpose": {"@id": "sec:proofPurpose", "@type": "@vocab"},
}

CONTEXTS: Mapping[str, _Terms] = {
    "https://www.w3.org/2018/credentials/v1": _CREDENTIALS_V1,
    "https://w3id.org/security/v1": _SECURITY_V1,
    SECURITY_V2: _SECURITY_V2,
    "https://cowin.gov.in/credentials/vaccination/v1": _VACCINATION_V1,
    "https://cowin.gov.in/credentials/vaccination/v2": _VACCINATION_V2,
    # other countries' addresses of that second version
    "https://divoc.prod/vaccine/credentials/vaccination/v1": _VACCINATION_V2,
    "https://divoc.lgcc.gov.lk/credentials/vaccination/v1": _VACCINATION_V2,
    "https://www.pedulilindungi.id/credentials/vaccination/v2": _VACCINATION_V2,
}

MAX_NESTING = 6  # objects in each other; a certificate has four
MAX_TYPES = 3  # of one object; a certificate has two at most, and each is looked up with its own context

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")
_NODE = r"<\S*>|_:c14n\d+"
_LITERAL = r'"(?:[^"\\]|\\.)*"(?:\^\^<\S*>)?'
_STATEMENT = re.compile(rf"({_NODE}) <(\S*)> ({_NODE}|{_LITERAL}) \.")
_ESCAPE = re.compile(r"\\(.)")
_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True, slots=True, repr=False)
class Literal:
    """A value in a statement. datatype: its IRI, ``TEXT`` for a plain text."""

    value: str
    datatype: str = TEXT


# A node is its IRI or its canonical blank label; what stands about a node, by IRI of the property.
Term = str | Literal
Graph = Mapping[tuple[str, str], Sequence[Term]]


def canonical(document: Mapping[str, Any], layer: str) -> bytes:
    """The canonical N-Quads of a document.

    Raises MalformedError: ``UNSUPPORTED`` for a context that is not bundled, ``TOO_BIG`` beyond a limit.
    """
    _check_contexts(document.get("@context"), layer)
    _check_form({name: value for name, value in document.items() if name != "@context"}, layer)
    pyld, canon = _pyld()
    try:
        # no base: what is relative stays so, and is left out
        dataset = pyld.to_rdf(
            document, {"base": None, "documentLoader": _load, "contextResolver": _resolver()}
        )
        return str(canon(layer).main(dataset, {"format": "application/n-quads"})).encode()
    except MalformedError:
        raise
    except Exception:  # noqa: BLE001 - PyLD meets odd shapes with whatever its parts raise
        raise MalformedError(layer, "no JSON-LD that can be brought into its signed form") from None


def statements(nquads: bytes, layer: str) -> Graph:
    """The statements of canonical N-Quads.

    Raises MalformedError where a line is none, or stands in a named graph.
    """
    graph: dict[tuple[str, str], list[Term]] = {}
    for line in nquads.decode().split("\n")[:-1]:
        match = _STATEMENT.fullmatch(line)
        if match is None:
            raise MalformedError(layer, "a signed statement of a form that is not read")
        subject, predicate, value = match.groups()
        graph.setdefault((_node(subject), predicate), []).append(
            _literal(value) if value[0] == '"' else _node(value)
        )
    return graph


def check_signed(document: Mapping[str, Any], layer: str) -> None:
    """See that every member of a document is one that its signature covers.

    Raises MalformedError for a member that no context defines; with reason ``UNSUPPORTED`` for a node whose
    ``id`` is no absolute IRI, because some issuers sign such documents and leave that node out.
    """
    contexts = [CONTEXTS[url] for url in _listed(document["@context"])]
    top = {term: meaning for context in contexts for term, meaning in context.items()}
    _check_node({name: value for name, value in document.items() if name != "@context"}, top, {}, layer)


def _check_node(node: Mapping[str, Any], top: _Terms, scope: _Terms, layer: str) -> None:
    known = dict(top)
    for kind in _listed(node.get("type")):
        meaning = top.get(kind) if isinstance(kind, str) else None
        known |= meaning.get("@context", {}) if isinstance(meaning, dict) else {}
    known |= scope
    for name, value in node.items():
        if name not in known or name[:1] == "@":
            raise MalformedError(layer, "a member that its contexts do not define, so nobody signed it")
        meaning = known[name]
        if meaning == "@id" and not (isinstance(value, str) and _ABSOLUTE.fullmatch(value)):
            raise MalformedError(
                layer, "an id that is no IRI: the signature does not cover that part", Reason.UNSUPPORTED
            )
        if meaning == "@type" and not all(_is_signed_type(each, known) for each in _listed(value)):
            raise MalformedError(layer, "a type that its contexts do not define, so nobody signed it")
        linked = isinstance(meaning, dict) and meaning.get("@type") == "@id"
        if linked and any(isinstance(each, str) and not _ABSOLUTE.fullmatch(each) for each in _listed(value)):
            raise MalformedError(
                layer, "a link that is no IRI: the signature does not cover it", Reason.UNSUPPORTED
            )
        inner = meaning.get("@context", {}) if isinstance(meaning, dict) else {}
        for child in _listed(value):
            if isinstance(child, Mapping):
                _check_node(child, top, inner, layer)


def _is_signed_type(kind: Any, known: _Terms) -> bool:
    return isinstance(kind, str) and (kind in known or _ABSOLUTE.fullmatch(kind) is not None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_contexts(context: Any, layer: str) -> None:
    urls = _listed(context)
    if not urls or not all(isinstance(url, str) for url in urls):
        raise MalformedError(layer, "its context is no list of addresses")
    if len(urls) > len(CONTEXTS) or not all(url in CONTEXTS for url in urls):
        raise MalformedError(layer, "a context that is not known here", Reason.UNSUPPORTED)


def _check_form(document: Mapping[str, Any], layer: str) -> None:
    """Sizes, and nothing that only JSON-LD's own machinery would understand."""
    nodes, members = 1, 0
    for name, value, depth in _members(document):
        if depth > MAX_NESTING or (isinstance(value, list) and name == "type" and len(value) > MAX_TYPES):
            raise MalformedError(
                layer, f"deeper than {MAX_NESTING} objects or more than {MAX_TYPES} types", Reason.TOO_BIG
            )
        if name[:1] == "@" or name[:2] == "_:":
            raise MalformedError(layer, "a keyword or a nested context")
        if isinstance(value, str) and value[:2] == "_:":
            raise MalformedError(layer, "a label of a blank node")
        if isinstance(value, Mapping):
            nodes += 1
        else:
            members += 1
        if nodes > MAX_NODES or members > MAX_MEMBERS:
            raise MalformedError(
                layer, f"more than {MAX_NODES} objects or {MAX_MEMBERS} values", Reason.TOO_BIG
            )


def _members(node: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Every member and its depth; the items of a list count one by one, the list itself too."""
    waiting = [(name, value, 1) for name, value in node.items()]
    while waiting:
        name, value, depth = waiting.pop()
        yield name, value, depth
        if isinstance(value, list):
            waiting += [(name, item, depth) for item in value]
        elif isinstance(value, Mapping):
            waiting += [(inner, item, depth + 1) for inner, item in value.items()]


def _node(text: str) -> str:
    return text[1:-1] if text[0] == "<" else text


def _literal(text: str) -> Literal:
    value, _, datatype = text.rpartition('"')
    unescaped = _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), value[1:])
    return Literal(unescaped, datatype[3:-1] or TEXT)


def _load(url: str, _options: Any) -> dict[str, Any]:
    """The loader that PyLD gets in the place of its own, which would fetch."""
    return {"contextUrl": None, "documentUrl": url, "document": {"@context": CONTEXTS[url]}}


@cache
def _pyld() -> tuple[Any, Any]:
    """PyLD, loaded when the first document needs it, and its canonical naming with a budget."""
    from pyld import canon, jsonld

    class Frugal(canon.URDNA2015):  # type: ignore[misc]  # untyped upstream
        """Gives up where blank nodes are so alike that naming them would take permutations."""

        def __init__(self, layer: str) -> None:
            super().__init__()
            self.layer = layer
            self.looks = 0

        def create_hash_to_related(self, id_: str, issuer: Any) -> dict[str, list[str]]:
            related: dict[str, list[str]] = super().create_hash_to_related(id_, issuer)
            self.looks += 1
            if self.looks > MAX_LOOKS or any(len(alike) > MAX_ALIKE for alike in related.values()):
                raise MalformedError(self.layer, "too many parts that are alike", Reason.TOO_BIG)
            return related

    return jsonld, Frugal


_RESOLVER: ContextVar[Any] = ContextVar("resolver", default=None)


def _resolver() -> Any:
    """What keeps processed contexts: one in each thread, because PyLD's caches are not safe between them."""
    resolver = _RESOLVER.get()
    if resolver is None:
        from pyld.context_resolver import ContextResolver

        resolver = ContextResolver({}, _load)
        _RESOLVER.set(resolver)
    return resolver
