"""Trust lists of the GDHCN as DID documents: what their proof covers, and whether it holds.

The rules this module keeps:

* A proof covers statements, not a text. Every node of such a list has a name, so its canonical form
  (URDNA2015) is its statements in order; they are written here without JSON-LD's machinery, and only what
  became a statement is read.
* ``domain``, ``participant`` and ``keyusage`` beside a key are statements only where the context that defines
  them is named. Elsewhere nobody signed them, and they are not looked at.
* A document of another form (a context or a member that is not known) is refused: what its signer signed
  could not be told.
* The signature is taken raw and in DER, since the publisher's own signers write the one and the other.

    document = read_did(data)                     # nothing believed yet
    check_proof(document, key)                    # UpstreamError unless the key signed it
    document.methods, document.proof.created

Sources: W3C DID Core 1.0, JSON Web Signature 2020, RFC 7797, RFC 8785, smart-trust ``concepts_did_gdhcn``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from trustsync.hub.ecdsa_der import coordinate_size, raw_signature
from trustsync.hub.lists import MAX_ENTRIES, a_list, a_text, an_object, read_json
from trustsync.hub.upstream import UpstreamError
from verifier.keys import ES256, VerificationKey
from verifier.wire import base64url, strict_json
from verifier.wire.errors import MalformedError

DID = "did:web:"
CONTEXTS = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1")
# Of the publisher: gives a key's domain, participant and usage a meaning, so that they are signed.
NAMING_CONTEXT = "https://worldhealthorganization.github.io/smart-trust/tng-additional-context/v1"
KEY_TYPE, PROOF_TYPE, PURPOSE = "JsonWebKey2020", "JsonWebSignature2020", "assertionMethod"

_SEC = "https://w3id.org/security#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_CREATED = "http://purl.org/dc/terms/created"
_DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
_TRUST = "https://worldhealthorganization.github.io/smart-trust/"
# Member to property. Its values are names beside the property's page.
_NAMING = {
    "domain": _TRUST + "ValueSet-Domains-DEV.jsonld#domain",
    "participant": _TRUST + "ValueSet-Participants-DEV.jsonld#participant",
    "keyusage": _TRUST + "ValueSet-KeyUsage-DEV.jsonld#keyusage",
}
_METHOD = ("id", "type", "controller", "publicKeyJwk")
_OPTIONS = ("type", "created", "nonce", "proofPurpose", "verificationMethod", "domain", "challenge")
_TEXTS = ("nonce", "domain", "challenge")  # options that are plain texts
# The publisher's older signer writes the family of its key where the algorithm belongs; both mean ES256.
_ALGORITHMS = {"ES256": ES256, "EC": ES256}
_IRI = re.compile(r'did:web:[^\x00-\x20<>"{}|^`\\\x7f-\U0010ffff]+')
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Method:
    """One key of the list, by what is stated of its name.

    identity: its DID URL. jwks: mostly one; of several, nothing says which is meant. named: the values of
    ``domain``, ``participant`` and ``keyusage``, where they are signed; mostly one each.
    """

    identity: str
    jwks: tuple[Mapping[str, Any], ...]
    named: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof of a document. header: of the JWS, as it stands there. options: canonical statements."""

    header: str
    alg: int
    signature: bytes
    options: bytes
    created: datetime


@dataclass(frozen=True, slots=True)
class DidDocument:
    """A list as its signer saw it.

    statements: its canonical form, which the proof covers. methods: by identity, each once. references: DIDs
    of lists elsewhere. proof: ``None`` where it has none.
    """

    identity: str
    statements: bytes
    methods: tuple[Method, ...]
    references: tuple[str, ...]
    proof: Proof | None


def host_of(identity: str) -> str:
    """The host of a ``did:web``."""
    return identity.removeprefix(DID).partition("#")[0].partition(":")[0]


def read_did(data: bytes) -> DidDocument:
    """Read a document; nothing of it is believed. Raises UpstreamError for one of another form."""
    document = an_object(read_json(data, "the DID document"), "the DID document")
    _only(document, ("@context", "id", "controller", "verificationMethod", "proof"), "the DID document")
    naming = _contexts(document.get("@context"))
    identity = _iri(document.get("id"), "id")
    lines = {_link(identity, _SEC + "controller", _iri(document.get("controller"), "controller"))}
    found: dict[str, _Stated] = {}
    references: set[str] = set()
    for value in a_list(document.get("verificationMethod"), "verificationMethod", most=MAX_ENTRIES):
        if isinstance(value, str):
            references.add(_iri(value, "a reference"))
            continue
        method = an_object(value, "a verification method")
        _only(method, (*_METHOD, *_NAMING), "a verification method")
        name = _iri(method.get("id"), "the id of a key")
        lines |= found.setdefault(name, _Stated(name)).take(method, naming)
    lines |= {_link(identity, _SEC + "verificationMethod", each) for each in (*found, *references)}
    return DidDocument(
        identity=identity,
        statements=_canonical(lines),
        methods=tuple(found[each].method() for each in sorted(found)),
        references=tuple(sorted(references)),
        proof=_proof(document["proof"]) if "proof" in document else None,
    )


def check_proof(document: DidDocument, key: VerificationKey) -> None:
    """Raises UpstreamError unless the key has signed the document."""
    proof = document.proof
    if proof is None:
        raise UpstreamError("the DID document has no proof; anybody could have written it, and it is refused")
    if not isinstance(key.native, ec.EllipticCurvePublicKey):
        raise UpstreamError("the pinned key is no EC key, and these lists are signed with one")
    message = (
        proof.header.encode()
        + b"."
        + hashlib.sha256(proof.options).digest()
        + hashlib.sha256(document.statements).digest()
    )
    # a raw signature has one length, and no DER of sound numbers has it
    plain = len(proof.signature) == 2 * coordinate_size(key.native)
    raw = proof.signature if plain else raw_signature(proof.signature, key)
    if raw is None or not key.verify(proof.alg, raw, message):
        raise UpstreamError(
            "the proof does not hold under the pinned key; the list was changed, or signed by somebody else, "
            "and is refused; if the publisher changed its key, pin the new one after a check by another way"
        )


# --- Form ---------------------------------------------------------------------------------------------------


def _only(value: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    if unknown := sorted(value.keys() - set(known)):
        raise UpstreamError(
            f"{what} has a member that is not known here ({unknown[0][:40]!r}); what was signed cannot be "
            "told, and the list is refused"
        )


def _contexts(value: Any) -> bool:
    """Whether the context that names domain, participant and usage is among those of the document."""
    if value == [*CONTEXTS]:
        return False
    if value == [*CONTEXTS, NAMING_CONTEXT]:
        return True
    raise UpstreamError(
        "the DID document names contexts that are not known here; what was signed cannot be told. Nothing is "
        "fetched for that; a newer release may know them"
    )


def _iri(value: Any, what: str) -> str:
    """A ``did:web`` in characters that an IRI has. Relative ones, JSON-LD would leave out unsigned."""
    text = a_text(value, what)
    if not _IRI.fullmatch(text):
        raise UpstreamError(f"{what} is no did:web; the list has another form than the known one")
    return text


class _Stated:
    """What a document states of one name; one that stands in it twice is one node, with both's statements."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self._jwks: dict[bytes, Mapping[str, Any]] = {}
        self._named: dict[str, set[str]] = {}

    def take(self, value: Mapping[str, Any], naming: bool) -> set[str]:
        """The statements of one verification method."""
        if value.get("type") != KEY_TYPE:
            raise UpstreamError(f"a verification method of another type than {KEY_TYPE}; the list is refused")
        controller = _iri(value.get("controller"), "the controller of a key")
        jwk = an_object(value.get("publicKeyJwk"), "publicKeyJwk")
        try:
            canonical = rfc8785.dumps(jwk)
        except (rfc8785.CanonicalizationError, UnicodeError) as error:
            raise UpstreamError(f"a key without a canonical form ({type(error).__name__})") from error
        self._jwks[canonical] = jwk
        lines = {
            _link(self.identity, _RDF + "type", _SEC + KEY_TYPE),
            _link(self.identity, _SEC + "controller", controller),
            _literal(f"<{self.identity}>", _SEC + "publicKeyJwk", canonical.decode(), _RDF + "JSON"),
        }
        for member in value.keys() & _NAMING.keys() if naming else ():
            name = _name(value[member], member)
            self._named.setdefault(member, set()).add(name)
            lines.add(_link(self.identity, _NAMING[member], _TRUST + name))
        return lines

    def method(self) -> Method:
        named = {member: frozenset(values) for member, values in self._named.items()}
        return Method(self.identity, tuple(self._jwks[each] for each in sorted(self._jwks)), named)


def _name(value: Any, what: str) -> str:
    text = a_text(value, what)
    if not _NAME.fullmatch(text):
        raise UpstreamError(f"{what} is no code of letters and digits; the list is refused")
    return text


def _proof(value: Any) -> Proof:
    proof = an_object(value, "the proof")
    _only(proof, (*_OPTIONS, "jws"), "the proof")
    if proof.get("type") != PROOF_TYPE or proof.get("proofPurpose") != PURPOSE:
        raise UpstreamError(f"a proof of another kind than {PROOF_TYPE} for {PURPOSE}; the list is refused")
    created = a_text(proof.get("created"), "created")
    method = _iri(proof.get("verificationMethod"), "verificationMethod of the proof")
    node = "_:c14n0"
    lines = {
        f"{node} <{_RDF}type> <{_SEC}{PROOF_TYPE}> .\n",
        f"{node} <{_SEC}proofPurpose> <{_SEC}{PURPOSE}> .\n",
        f"{node} <{_SEC}verificationMethod> <{method}> .\n",
        _literal(node, _CREATED, created, _DATE_TIME),
    }
    for name in _TEXTS:
        if name in proof:
            lines.add(_literal(node, _SEC + name, a_text(proof[name], name)))
    header, alg, signature = _jws(a_text(proof.get("jws"), "jws"))
    return Proof(header, alg, signature, _canonical(lines), _instant(created))


def _jws(text: str) -> tuple[str, int, bytes]:
    """Header as it stands there, algorithm and signature of a detached JWS with an unencoded payload."""
    parts = text.split(".")
    if len(parts) != 3 or parts[1]:
        raise UpstreamError("the proof holds no detached JWS; the list is refused")
    try:
        header = strict_json.decode(base64url.decode(parts[0], "proof", "the header"), "proof header")
        signature = base64url.decode(parts[2], "proof", "the signature")
    except MalformedError as error:
        raise UpstreamError(f"{error}; the list is refused") from error
    asked = header if isinstance(header, dict) else {}
    alg = asked.get("alg")
    plain = asked.get("b64") is False and asked.get("crit") == ["b64"] and len(asked) == 3
    if not plain or not isinstance(alg, str) or alg not in _ALGORITHMS:
        raise UpstreamError(
            "the JWS of the proof asks for something else than ECDSA over an unencoded payload; the list is "
            "refused"
        )
    return parts[0], _ALGORITHMS[alg], signature


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("no zone")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UpstreamError("the proof does not say when it was made; the list is refused") from error


# --- Statements ---------------------------------------------------------------------------------------------


def _canonical(lines: set[str]) -> bytes:
    return "".join(sorted(lines)).encode()


def _link(subject: str, prop: str, target: str) -> str:
    return f"<{subject}> <{prop}> <{target}> .\n"


def _literal(subject: str, prop: str, text: str, datatype: str | None = None) -> str:
    """A statement with a text (N-Quads, canonical form: four characters are escaped, and no other)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    kind = f"^^<{datatype}>" if datatype else ""
    return f'{subject} <{prop}> "{escaped}"{kind} .\n'
