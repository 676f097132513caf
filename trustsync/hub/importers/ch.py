"""Switzerland's lists: which keys are active, the keys page by page, and the revoked identifiers.

The rules this module keeps:

* Each answer is a JWS whose chain leads to the pinned root, by the signer whose name is pinned.
* A key counts when the list of active ids names it. An active id without a key means that a page is missing,
  and the whole is refused.
* Pages end when the server says ``up-to-date``. An ``X-Next-Since`` that was seen before is a
  circle, and refused. Headers say whether there is a next page, and nothing signs them: TLS alone vouches for
  the number of pages.
* Keys for certificates light (letter ``l`` alone) sign no ``HC1`` and are left out.

    pins: root (PEM or DER), signer (common name of its certificate)      url: …/trust/v2/
    options: token (bearer, if the server asks for one)
    raw:  keys-list, keys-updates-1-of-N …, revocations-1-of-N …

Source: CovidCertificate-SDK-Android (``TrustListRepository``, ``Jwk``, ``JwsKeyResolver``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from trustsync.hub import anchors
from trustsync.hub.jws import verify_jws
from trustsync.hub.lists import (
    EVERY_USE,
    Entries,
    a_kid,
    a_list,
    a_text,
    an_instant,
    an_object,
    check_times,
    fetched,
    given,
    letters,
    pinned,
    pinned_name,
    read_json,
)
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.checks import entry_digest
from verifier.keys import KeyRefusedError
from verifier.trust import HashKind, country_scope
from verifier.wire import base64url
from verifier.wire.errors import MalformedError
from verifier.wire.keyfile import KeyFileError, parse_jwk

ACTIVE, UPDATES, REVOCATIONS = "keys-list", "keys-updates", "revocations"
MAX_PAGES = 99
MAX_REVOKED = 1_000_000  # entries; the longest list had some ten thousand
_PAGE = re.compile(r"([1-9][0-9]?)-of-([1-9][0-9]?)")
_COUNTRY = re.compile(r"urn:uvci:[0-9]{2}:([a-z]{2}):", re.IGNORECASE)
_LIGHT = "l"
_EVERYTHING = ("", "sig")  # words of ``use`` that restrict nothing
_CURVE = {"crv": "P-256"}  # where an entry names none: ES256 has no other
_MEMBERS = {"ES256": ("EC", ("crv", "x", "y")), "RS256": ("RSA", ("n", "e"))}


class SwissList:
    """The importer of kind ``ch``."""

    kind = "ch"
    pins = frozenset({"root", "signer"})

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """The active ids, then all pages of keys and of revoked identifiers. Raises UpstreamError."""
        base = source.url.rstrip("/")
        headers = {"Accept": "application/json+jws"}
        if token := source.options.get("token"):
            headers["Authorization"] = f"Bearer {token}"
        active = fetched(get, f"{base}/keys/list", headers).body
        query = {"certFormat": "ANDROID"} | _up_to_hint(active)
        updates = _pages(get, f"{base}/keys/updates", query, headers)
        revoked = _pages(get, f"{base}/revocationList", {}, headers)
        return {ACTIVE: active} | _named(UPDATES, updates) | _named(REVOCATIONS, revoked)

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        """Verify each answer, then put them together. Raises UpstreamError."""
        opened = _Opened(source, now)
        active = opened.claims(given(raw, ACTIVE), ACTIVE)
        wanted = {a_kid(each) for each in a_list(active.get("activeKeyIds"), "activeKeyIds")}
        entries = Entries(source)
        found: set[bytes] = set()
        for page in _whole(raw, UPDATES):
            for value in a_list(opened.claims(page, UPDATES).get("certs"), "certs"):
                entry = an_object(value, "a key")
                kid = a_kid(entry.get("keyId"), "keyId")
                found.add(kid)
                if kid in wanted:
                    _take(kid, entry, entries)
        if missing := wanted - found:
            raise UpstreamError(
                f"{len(missing)} active keys are on no page; the list is not whole, and is refused"
            )
        revoked = [
            entry
            for page in _whole(raw, REVOCATIONS)
            for entry in _revoked(opened.claims(page, REVOCATIONS).get("revokedCerts"))
        ]
        version = active.get("upTo")
        return entries.upstream(
            Authentication.SIGNED,
            version=version if type(version) is int else None,
            signed_at=opened.oldest,
            valid_until=opened.end,
            revoked=dict.fromkeys(revoked),
        )


# --- Pages --------------------------------------------------------------------------------------------------


def _up_to_hint(token: bytes) -> dict[str, str]:
    """Up to which number keys are to be asked for: a hint of a list that nobody has verified yet.

    A wrong one gives other pages, which are verified like the right ones, or none.
    """
    try:
        payload = base64url.decode(token.strip().split(b".")[1].decode("ascii"), "jws", "the payload")
        value = an_object(read_json(payload, ACTIVE), ACTIVE).get("upTo")
    except (IndexError, UnicodeDecodeError, MalformedError, UpstreamError):
        return {}
    return {"upTo": str(value)} if type(value) is int else {}


def _pages(get: Get, url: str, query: Mapping[str, str], headers: Mapping[str, str]) -> list[bytes]:
    pages: list[bytes] = []
    seen: set[str] = set()
    since: dict[str, str] = {}
    while len(pages) < MAX_PAGES:
        asked = urlencode({**query, **since})
        reply = fetched(get, f"{url}?{asked}" if asked else url, headers)
        pages.append(reply.body)
        if reply.headers.get("up-to-date", "").lower() == "true":
            return pages
        following = reply.headers.get("x-next-since", "")
        if not following or following in seen:
            raise UpstreamError(
                f"{url} gives no new X-Next-Since after page {len(pages)} and is not up to date; its pages "
                "run in a circle or were cut short, and are refused"
            )
        seen.add(following)
        since = {"since": following}
    raise UpstreamError(f"{url} has more than {MAX_PAGES} pages; they are refused")


def _named(name: str, pages: list[bytes]) -> dict[str, bytes]:
    # how many there are stands in each name, so that a page that is lost from an archive is missed
    return {f"{name}-{number}-of-{len(pages)}": page for number, page in enumerate(pages, 1)}


def _whole(raw: Mapping[str, bytes], name: str) -> list[bytes]:
    """The pages of this name, in order. Raises UpstreamError unless each of them is there, and once."""
    counts = {
        int(match.group(2))
        for each in raw
        if each.startswith(f"{name}-") and (match := _PAGE.fullmatch(each.removeprefix(f"{name}-")))
    }
    if len(counts) != 1:
        raise UpstreamError(f"the pages of {name!r} are missing, or of two lists; they are refused")
    count = counts.pop()
    pages = [given(raw, f"{name}-{number}-of-{count}") for number in range(1, count + 1)]
    if len(set(pages)) != count:
        raise UpstreamError(f"a page of {name!r} stands twice in the place of another; they are refused")
    return pages


class _Opened:
    """Verifies the answers of one list, and keeps the times that they say."""

    def __init__(self, source: Source, now: datetime) -> None:
        self._roots = [anchors.pinned_certificate(pinned(source, "root"), "root")]
        self._name = pinned_name(source, "signer")
        self._now = now
        self.oldest: datetime | None = None
        self.end: datetime | None = None

    def claims(self, token: bytes, what: str) -> Mapping[str, Any]:
        signed = verify_jws(token, roots=self._roots, name=self._name, at=self._now)
        claims = an_object(read_json(signed.payload, what), what)
        issued = an_instant(claims["iat"], "iat") if "iat" in claims else None
        end = an_instant(claims["exp"], "exp") if "exp" in claims else None
        check_times(issued, end, self._now)
        self.oldest = _earlier(self.oldest, issued)
        self.end = _earlier(self.end, end)
        return claims


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


# --- Entries ------------------------------------------------------------------------------------------------


def entries_of(claims: Mapping[str, Any], source: Source) -> Entries:
    """All keys of one page, active or not, as yet unproven. Raises UpstreamError."""
    entries = Entries(source)
    for value in a_list(claims.get("certs"), "certs"):
        entry = an_object(value, "a key")
        _take(a_kid(entry.get("keyId"), "keyId"), entry, entries)
    return entries


def _take(kid: bytes, entry: Mapping[str, Any], entries: Entries) -> None:
    use, alg = a_text(entry.get("use"), "use"), a_text(entry.get("alg"), "alg")
    if alg not in _MEMBERS:
        entries.skip(kid, "neither ES256 nor RS256")
        return
    if use == _LIGHT:
        entries.skip(kid, "for certificates light only, which are no HC1")
        return
    kty, names = _MEMBERS[alg]
    try:
        uses = EVERY_USE if use in _EVERYTHING else letters(sorted(set(use) - {_LIGHT}), "use")
        key = parse_jwk(
            {"kty": kty} | {name: a_text(entry.get(name) or _CURVE.get(name), name) for name in names}
        )[0]
    except (KeyFileError, KeyRefusedError) as error:
        entries.skip(kid, error)
        return
    entries.public_key(kid, key.spki, uses=uses)


def _revoked(value: Any) -> Iterable[tuple[bytes, HashKind, bytes]]:
    """Revocation entries of identifiers in plain text: for the country that they name, and for Switzerland.

    Liechtenstein's certificates come from the Swiss system and stand on its list.
    """
    for each in a_list(value, "revokedCerts", most=MAX_REVOKED):
        uvci = a_text(each, "an identifier")
        named = _COUNTRY.match(uvci)
        for country in dict.fromkeys(("CH", named.group(1).upper() if named else "CH")):
            yield country_scope(country), HashKind.UCI, entry_digest(uvci)
