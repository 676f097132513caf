"""WHO's list of the Global Digital Health Certification Network (GDHCN): DID documents, version 2 and 1.

The rules this module keeps:

* The proof is by the pinned key. Nothing is resolved: the DIDs of signer and references are names here.
* Production keys come from the production host and nowhere else, whatever the configuration says. The other
  hosts list real signers among test participants, so a list of theirs enters the test list only; and no test
  participant of any host enters production.
* Only usage ``DSC`` signs certificates. Domain, participant and usage of a key stand in its signed name; what
  a name leaves open (``-``) is not taken from members that nobody signed.
* The key of a certificate is its own, and the JWK beside it must be the same: JWKs come with a leading zero,
  with padding, and with a curve that is called unknown.
* Authorities (usage ``SCA``) sign the signers of this network. One is taken as a CSCA only if its certificate
  says that it is for seals: else a seal of a country whose own CSCA is not held would look forged.

    pins: key (WHO's signing key: PEM, DER, JWK or DID document)      url: …/v2/trustlist/did.json
    options: domain (of keys whose name leaves it open, as DCC)
    raw:  did.json

Source: smart-trust ``concepts_did_gdhcn``, tng-key-distribution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trustsync.hub import anchors
from trustsync.hub.did_list import DID, DidDocument, Method, check_proof, host_of, read_did
from trustsync.hub.lists import a_kid, check_times, fetched, given, unbase64
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from trustsync.targets import PRODUCTION, TEST
from verifier import chain
from verifier.countries import alpha2
from verifier.keys import KeyRefusedError, VerificationKey, load_spki, trusted_key
from verifier.trust import MAX_KEYS_PER_KID, Authority, Domain, TrustedKey
from verifier.wire import base64url
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFileError, parse_jwk, parse_keys
from verifier.x509_reading import EXTENDED_KEY_USAGE, listed_in, read_certificate

LIST = "did.json"
PRODUCTION_HOST = "tng-cdn.who.int"
# All of them are carried by HC1: certificates of the DCC and DDCC, prophylaxis, and links to summaries.
HCERT_DOMAINS = frozenset({"DCC", "DDCC", "ICVP", "IPS-PILGRIMAGE", "PH4H"})
_OPEN = "-"  # in a name: any
_SIGNER, _AUTHORITIES = "DSC", frozenset({"SCA", "CSCA"})
_SEAL_AUTHORITY = "2.23.136.1.1.14.1"  # extended key usage of a CSCA for health documents
VERSION_1_DOMAIN = "DCC"  # of the keys that the first version listed, of one participant after another


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a key stands in the network; ``None`` for what is left open."""

    domain: str | None
    participant: str | None
    usage: str | None


class GdhcnList:
    """The importer of kind ``gdhcn``."""

    kind = "gdhcn"
    pins = frozenset({"key"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The list, one file. Raises UpstreamError."""
        return {LIST: fetched(get, source.url, {"Accept": "application/json"}).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify the proof, see that the list is of this environment, then read it. Raises UpstreamError."""
        document = read_did(given(raw, LIST))
        authentication = _authenticate(document, source)
        check_environment(document, source)
        created = document.proof.created if document.proof else None
        check_times(created, None, now)
        taken = Taken(source, document)
        if not taken.keys and not taken.authorities:
            raise UpstreamError(
                "no key in it that could be used: a list of references, or of another kind; it is refused; "
                "fetch the list that holds the keys (…/trustlist/did.json)"
            )
        return UpstreamList(
            source=source.name,
            environment=source.environment,
            authentication=authentication,
            keys=taken.keys,
            authorities=taken.authorities,
            signed_at=created,
            skipped=taken.skipped,
        )


def _authenticate(document: DidDocument, source: Source) -> Authentication:
    if source.pins.get("key"):
        check_proof(document, pinned_key(source.pins["key"]))
        return Authentication.SIGNED
    if source.unproven and source.environment == TEST:
        return Authentication.UNPROVEN
    raise UpstreamError(
        f"source {source.name!r} has no pinned key, so the proof of this list cannot be checked; pin WHO's "
        "signing key. Only a test list may be taken without, by a switch that says so"
    )


def pinned_key(pin: bytes) -> VerificationKey:
    """The key that a proof is held against; also of a JWK or a DID document. Raises UpstreamError."""
    if pin.lstrip()[:1] != b"{":
        return load_spki(anchors.pinned_key(pin, "key"))
    try:
        found = {key.spki for key in parse_keys(pin)}
    except KeyFileError as error:
        raise UpstreamError(f"the pinned key cannot be used: {error}") from error
    if len(found) != 1:
        raise UpstreamError(f"the pinned key is {len(found)} keys; pin the one that signs this list")
    return load_spki(found.pop())


def check_environment(document: DidDocument, source: Source) -> None:
    """Raises UpstreamError for a list of several hosts, and in production for one of another than its own."""
    host = host_of(document.identity)
    if source.environment == PRODUCTION and host != PRODUCTION_HOST:
        raise UpstreamError(
            f"a list of {host}, which is no production environment; nothing of it enters production, "
            f"whatever the configuration says. Production is listed by {PRODUCTION_HOST}"
        )
    if any(host_of(method.identity) != host for method in document.methods):
        raise UpstreamError(
            f"a list of {host} with keys of other hosts; it mixes environments, and is refused"
        )


class Taken:
    """What a document of the network holds for us; nothing here asks whether it was signed.

    keys: of signers, by name. authorities: that may vouch for seals. skipped: what was left out, and why.
    """

    def __init__(self, source: Source, document: DidDocument) -> None:
        self._source = source
        self._keys: dict[TrustedKey, None] = {}
        self._authorities: dict[Authority, None] = {}
        self._entries: list[str] = [f"{each}: a list elsewhere" for each in document.references]
        self._usages: Counter[str] = Counter()
        for method in document.methods:
            self._take(method)
        for kid, count in Counter(key.kid for key in self._keys).items():
            if count > MAX_KEYS_PER_KID:
                raise UpstreamError(f"{count} keys have the KID {kid.hex()}; at most {MAX_KEYS_PER_KID} may")

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        return tuple(self._keys)

    @property
    def authorities(self) -> tuple[Authority, ...]:
        return tuple(self._authorities)

    @property
    def skipped(self) -> tuple[str, ...]:
        usages = [
            f"usage {usage} signs no certificates: {count} left out"
            for usage, count in sorted(self._usages.items())
        ]
        return (*self._entries, *usages)

    def _take(self, method: Method) -> None:
        try:
            place = _place(method, self._source.options.get("domain"))
            if len(method.jwks) != 1:
                raise KeyRefusedError("several keys under one name; which is meant was not signed")
            jwk = method.jwks[0]
            if place.usage == _SIGNER:
                self._take_signer(method, jwk, place)
            elif place.usage in _AUTHORITIES and _vouches_for_seals(jwk):
                self._take_authority(jwk, place)
            else:
                self._usages[place.usage or "(open)"] += 1
        except (KeyRefusedError, KeyFileError, UpstreamError) as error:
            self._entries.append(f"{method.identity}: {error}")

    def _take_signer(self, method: Method, jwk: Mapping[str, Any], place: _Place) -> None:
        if place.domain not in HCERT_DOMAINS:
            word = f"domain {place.domain}" if place.domain else "a domain that its name leaves open"
            raise KeyRefusedError(f"of {word}, which does not sign HC1 codes here")
        key = _key(jwk)
        country, also_for = _owner(place.participant, key.country)
        self._check_owner(place.participant, country)
        kid = a_kid(unquote(_kid_of(method, jwk)))
        taken = replace(
            key,
            kid=kid,
            country=country,
            also_for=also_for,
            source=self._source.name,
            domain=Domain.HCERT,
        )
        self._keys[taken] = None

    def _take_authority(self, jwk: Mapping[str, Any], place: _Place) -> None:
        authority = chain.load_authority(_certificate(jwk) or b"", source=self._source.name)
        country, _ = _owner(place.participant, authority.country)
        self._check_owner(place.participant, country)
        if authority.country is None or authority.country != country:
            raise KeyRefusedError("an authority of another country than the participant's")
        self._authorities[authority] = None

    def _check_owner(self, participant: str | None, country: str | None) -> None:
        if self._source.environment == PRODUCTION and (_is_test(participant) or _is_test(country)):
            raise KeyRefusedError(f"of the test participant {participant or country}; never in production")


# --- Where a key stands -------------------------------------------------------------------------------------


def _place(method: Method, domain: str | None) -> _Place:
    """Domain, participant and usage by the key's name, and where that is open by what is signed beside it.

    domain: of keys that leave even that open, by the operator's word.
    """
    path = method.identity.removeprefix(DID).partition("#")[0].split(":")[1:]
    below = path[path.index("trustlist") + 1 :] if "trustlist" in path else []
    if len(below) == 1:
        return _Place(VERSION_1_DOMAIN, below[0], _SIGNER)
    if len(below) not in (3, 4):  # the fourth is the KID once more
        raise KeyRefusedError("a name of a form that is not known here")
    words = dict(zip(("domain", "participant", "keyusage"), below, strict=False))
    beside = {member: values for member, values in method.named.items() if len(values) == 1}
    found = {
        member: next(iter(beside.get(member, ())), None) if word == _OPEN else word
        for member, word in words.items()
    }
    return _Place(found["domain"] or domain, found["participant"], found["keyusage"])


def _owner(participant: str | None, certified: str | None) -> tuple[str | None, frozenset[str]]:
    """The country of a key, and others that it may sign for.

    participant: alpha-3 by the list; ``None`` where open. certified: by the key's certificate. A code that
    stands for no country (an organisation, a test participant) has its certificate's beside it, since codes
    name it in either way.
    """
    listed = alpha2(participant)
    if listed is None:
        return certified, frozenset()
    if len(listed) == 2:
        return listed, frozenset()
    return certified or listed, frozenset({listed} if certified else ())


def _is_test(code: str | None) -> bool:
    """Whether a code is one that ISO 3166-1 leaves to its users; Kosovo's is, and is no test."""
    text = (code or "").upper()
    if text in ("XK", "XKX"):
        return False
    return text[:2] in ("AA", "ZZ") or "QM" <= text[:2] <= "QZ" or text[:1] == "X"


def _kid_of(method: Method, jwk: Mapping[str, Any]) -> str:
    """The KID in Base64: of the JWK, else the fragment of its name, which some write as an URL does."""
    kid = jwk.get("kid")
    return kid if isinstance(kid, str) and kid else method.identity.partition("#")[2]


# --- Keys ---------------------------------------------------------------------------------------------------


def _certificate(jwk: Mapping[str, Any]) -> bytes | None:
    """The certificate of a JWK, DER; the chain above it was looked for by a name alone, and is not kept."""
    held = jwk.get("x5c")
    return unbase64(held[0], "x5c") if isinstance(held, list) and held else None


def _key(jwk: Mapping[str, Any]) -> TrustedKey:
    """The key of a JWK, with what its certificate says. Raises KeyRefusedError or KeyFileError."""
    if "d" in jwk:
        raise KeyRefusedError("A PRIVATE KEY STANDS IN THE LIST; whoever read it can sign with this key")
    certificate = _certificate(jwk)
    if certificate is None:
        return parse_jwk({name: value for name, value in jwk.items() if name != "kid"})[0]
    key = trusted_key(certificate)
    if _numbers(jwk) != _numbers_of(load_spki(key.spki)):
        raise KeyRefusedError("x5c holds another key than the JWK itself")
    return key


def _numbers(jwk: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers of a JWK's key, whatever its curve is called, in however many bytes they are written."""
    names = ("n", "e") if jwk.get("kty") == "RSA" else ("x", "y")
    try:
        return tuple(
            int.from_bytes(base64url.decode(_url_alphabet(jwk.get(name)), "jwk", name), "big")
            for name in names
        )
    except MalformedError as error:
        raise KeyRefusedError(str(error)) from error


def _url_alphabet(value: Any) -> str:
    return value.rstrip("=").replace("+", "-").replace("/", "_") if isinstance(value, str) else ""


def _numbers_of(key: VerificationKey) -> tuple[int, ...]:
    if isinstance(key.native, ec.EllipticCurvePublicKey):
        point = key.native.public_numbers()
        return point.x, point.y
    if isinstance(key.native, rsa.RSAPublicKey):
        numbers = key.native.public_numbers()
        return numbers.n, numbers.e
    raise KeyRefusedError("a key of a kind that these lists do not have")


def _vouches_for_seals(jwk: Mapping[str, Any]) -> bool:
    """Whether an authority's certificate names the usage of one for health seals (VDS-NC)."""
    try:
        facts = read_certificate(_certificate(jwk) or b"")
    except (KeyRefusedError, UpstreamError):
        return False
    return _SEAL_AUTHORITY in (listed_in(facts.extensions, EXTENDED_KEY_USAGE) or ())
