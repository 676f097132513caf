"""The snapshot of the VCI directory: issuers of SMART Health Cards, their keys and their revocation lists.

The rules this module keeps:

* The signature covers the whole file: ECDSA with SHA-512 by the pinned certificate, DER, in a file beside it.
* A key is known by its issuer and KID together. The KID is the thumbprint of the key as it is written (RFC
  7638), and is computed again. Some issuers write a coordinate without its leading zeros; their cards name
  the thumbprint of that.
* A key that is for something else (another use, algorithm or curve) is left out, and so is a private one.
* A chain that came with a key is kept with the fact whether it holds; cards are judged by that.
* A revocation list counts for a key of the same issuer that announces one. A revocation id with an instant
  counts for cards issued before it.

    pins: certificate (of the signer, PEM or DER)      url: …/logs/vci_snapshot.json
    options: signature-url (else the url with .sig in the place of .json)
    raw:  vci_snapshot.json, vci_snapshot.sig

Source: the-commons-project/vci-directory, SMART Health Cards Framework 1.4.0 with its RFC 002.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from trustsync.hub import anchors
from trustsync.hub.ecdsa_der import raw_signature
from trustsync.hub.lists import a_list, a_text, an_object, check_times, fetched, given, pinned, read_json
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.checks import entry_digest
from verifier.keys import ES512, AlgorithmRefusedError, KeyRefusedError, load_spki
from verifier.trust import Domain, HashKind, TrustedKey
from verifier.wire import base64url
from verifier.wire.keyfile import KeyFileError, parse_jwk
from verifier.wire.shc import minified

SNAPSHOT, SIGNATURE = "vci_snapshot.json", "vci_snapshot.sig"
MAX_REVOKED = 1_000_000  # entries of all lists
MAX_ISSUER = 512  # characters
_ASKED = {"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256"}
# How a list names cards: by the id in the card, or (RFC 002) by the hash of its content.
_METHODS = {"rid": HashKind.RID, "hash-fhir": HashKind.FHIR}
_RID = re.compile(r"([A-Za-z0-9_-]{1,24})(?:\.(.*))?", re.ASCII | re.DOTALL)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)

Revoked = tuple[bytes, HashKind, bytes]
RevokedBefore = tuple[bytes, bytes, datetime]


class VciSnapshot:
    """The importer of kind ``vci``."""

    kind = "vci"
    pins = frozenset({"certificate"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """Signature and snapshot. Raises UpstreamError."""
        beside = source.options.get("signature-url", source.url.removesuffix(".json") + ".sig")
        return {SIGNATURE: fetched(get, beside).body, SNAPSHOT: fetched(get, source.url).body}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify the signature, then read the snapshot. Raises UpstreamError."""
        data = given(raw, SNAPSHOT)
        check_signature(data, given(raw, SIGNATURE), pinned(source, "certificate"), now)
        taken = Taken(source, read_json(data, "the snapshot"))
        check_times(taken.time, None, now)
        if not taken.keys:
            raise UpstreamError("no key in it that could be used; the snapshot is refused")
        return UpstreamList(
            source=source.name,
            environment=source.environment,
            authentication=Authentication.SIGNED,
            keys=tuple(taken.keys),
            revoked=tuple(taken.revoked),
            revoked_before=tuple(taken.revoked_before),
            signed_at=taken.time,
            skipped=tuple(taken.skipped),
        )


def check_signature(data: bytes, signature: bytes, pin: bytes, now: datetime) -> None:
    """Raises UpstreamError unless the pinned certificate is valid at ``now`` and its key signed the data."""
    certificate = anchors.pinned_certificate(pin, "certificate")
    anchors.check_signer(certificate, now)
    try:
        key = load_spki(anchors.facts_of(certificate).spki)
        raw = raw_signature(signature, key)
        holds = raw is not None and key.verify(ES512, raw, data)
    except (KeyRefusedError, AlgorithmRefusedError) as error:
        raise UpstreamError(f"the pinned certificate cannot verify a snapshot: {error}") from error
    if not holds:
        raise UpstreamError(
            "the signature does not hold under the pinned certificate; the snapshot was changed, cut, or "
            "signed by somebody else, and is refused"
        )


class Taken:
    """What a snapshot holds for us; nothing here asks whether it was signed.

    issuers: their number. keys: each with its issuer. revoked, revoked_before: by the lists that came along.
    skipped: what was left out, and why. Raises UpstreamError for a snapshot of another form.
    """

    def __init__(self, source: Source, value: Any) -> None:
        document = an_object(value, "the snapshot")
        self.time = _time(document.get("time"))
        self.keys: dict[TrustedKey, None] = {}
        self.revoked: dict[Revoked, None] = {}
        self.revoked_before: dict[RevokedBefore, None] = {}
        self.skipped: list[str] = []
        self._source = source
        listed = a_list(document.get("issuerInfo"), "issuerInfo")
        self.issuers = len(listed)
        for entry in listed:
            self._take_issuer(an_object(entry, "an issuer's entry"))

    def _take_issuer(self, entry: Mapping[str, Any]) -> None:
        who = an_object(entry.get("issuer"), "issuer")
        name = a_text(who.get("iss"), "iss")
        if not name.startswith("https://") or name.endswith("/") or len(name) > MAX_ISSUER:
            self.skipped.append(f"{name[:MAX_ISSUER]}: no https address without a slash at its end")
            return
        # One that moved is listed under both its names; its cards bear either, and each is exact.
        if "canonical_iss" in who:
            a_text(who["canonical_iss"], "canonical_iss")
        jwks = [an_object(jwk, "a key") for jwk in a_list(entry.get("keys"), "keys")]
        if not jwks:
            self.skipped.append(f"{name}: no keys")
        for jwk in jwks:
            try:
                self.keys[_key(jwk, name, self._source.name)] = None
            except (KeyRefusedError, KeyFileError) as error:
                self.skipped.append(f"{name} {str(jwk.get('kid'))[:64]}: {error}")
        crls = [an_object(crl, "a revocation list") for crl in a_list(entry.get("crls", []), "crls")]
        for crl in crls:
            self._take_crl(name, jwks, crl)
        announced = {jwk["kid"] for jwk in jwks if "crlVersion" in jwk and isinstance(jwk.get("kid"), str)}
        for kid in sorted(announced - {crl.get("kid") for crl in crls}):
            self.skipped.append(f"{name} {kid[:64]}: announces a revocation list, which did not come along")

    def _take_crl(self, name: str, jwks: list[Mapping[str, Any]], crl: Mapping[str, Any]) -> None:
        kid, method = a_text(crl.get("kid"), "kid"), a_text(crl.get("method"), "method")
        where = f"{name} {kid[:64]}: revocation list"
        if not any(jwk.get("kid") == kid and "crlVersion" in jwk for jwk in jwks):
            self.skipped.append(f"{where} of no key of this issuer that announces one")
            return
        if method not in _METHODS:
            self.skipped.append(f"{where} by a method that is not known here ({method[:32]!r})")
            return
        scope = kid.encode()
        for text in a_list(crl.get("rids"), "rids", most=MAX_REVOKED):
            match = _RID.fullmatch(a_text(text, "a revocation id"))
            if match is None:
                self.skipped.append(f"{where}: an id that no card can have")
                continue
            digest, instant = entry_digest(match[1]), _instant(match[2])
            if instant is None:
                # also one whose instant cannot be read: it is revoked, and nobody can say since when
                self.revoked[scope, _METHODS[method], digest] = None
            else:
                self.revoked_before[scope, digest, instant] = None


def _time(value: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(a_text(value, "time"))
        if instant.tzinfo is None:
            raise ValueError("no zone")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UpstreamError("the snapshot does not say when it was made; it is refused") from error


def _instant(text: str | None) -> datetime | None:
    if text is None or not _SECONDS.fullmatch(text):
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _key(jwk: Mapping[str, Any], issuer: str, source: str) -> TrustedKey:
    """A key of an issuer. Raises KeyRefusedError or KeyFileError for one that must not be used."""
    if "d" in jwk:
        raise KeyRefusedError("A PRIVATE KEY STANDS IN THE LIST; whoever read it can issue cards")
    if wrong := [name for name, value in _ASKED.items() if jwk.get(name) != value]:
        raise KeyRefusedError(f"{', '.join(wrong)} not of a key for health cards")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or kid != _thumbprint(jwk):
        raise KeyRefusedError("its kid is not the thumbprint of the key")
    key = parse_jwk({name: value for name, value in jwk.items() if name != "kid"})[0]
    return replace(key, kid=kid.encode(), source=source, domain=Domain.SHC, issuer=issuer)


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 §3: over the members as they are written."""
    members = {name: jwk.get(name) for name in ("crv", "kty", "x", "y")}
    return base64url.encode(hashlib.sha256(minified(members)).digest())
