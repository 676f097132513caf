"""What all importers do alike: fetch a file, read strict JSON, take an entry or leave it out by name.

The rules this module keeps:

* A list whose form is not the known one is refused whole. An entry of the known form that no verifier could
  use is left out, and named with its reason.
* Where an entry has a certificate, its KID is computed again. One that is not the certificate's own is left
  out: codes that name it could not be told from codes of another key.
* A list without a single key is no list, and neither is one that has not begun or is over.

    entries = Entries(source)
    entries.certificate(kid, der, country="XV")
    entries.upstream(Authentication.SIGNED, signed_at=instant)    # UpstreamError without any key
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trustsync.hub.upstream import MAX_RAW, Authentication, Get, Reply, Source, UpstreamError, UpstreamList
from verifier.countries import alpha2
from verifier.keys import KeyRefusedError, load_spki, trusted_key
from verifier.trust import MAX_KEYS_PER_KID, Domain, HashKind, TrustedKey
from verifier.wire import strict_json
from verifier.wire.errors import MalformedError

MAX_ENTRIES = 20_000  # of one list; the EU's largest had some three thousand
MAX_KID = 64  # bytes; DCC lists have eight
SKEW = timedelta(seconds=300)  # between their clock and ours
USES = frozenset("tvr")
EVERY_USE: frozenset[str] | None = None


# --- Files --------------------------------------------------------------------------------------------------


def fetched(
    get: Get, url: str, headers: Mapping[str, str] | None = None, *, allowed: Iterable[int] = (200,)
) -> Reply:
    """The answer to a GET. Raises UpstreamError for a status that is not allowed, or too large a body."""
    reply = get(url, headers or {})
    if reply.status not in allowed:
        raise UpstreamError(
            f"the server answered {reply.status} for {url}; what is held of this source stays; "
            "try again later"
        )
    if len(reply.body) > MAX_RAW:
        raise UpstreamError(f"{url} has {len(reply.body)} bytes; at most {MAX_RAW} are read")
    return reply


def given(raw: Mapping[str, bytes], name: str) -> bytes:
    """One of the raw files. Raises UpstreamError when it is missing, empty or too large."""
    data = raw.get(name, b"")
    if not data:
        raise UpstreamError(f"the file {name!r} is missing or empty; the list is not whole, and is refused")
    if len(data) > MAX_RAW:
        raise UpstreamError(f"the file {name!r} has {len(data)} bytes; at most {MAX_RAW} are read")
    return data


def pinned(source: Source, role: str) -> bytes:
    """What is pinned in this role. Raises UpstreamError when nothing is: the list could not be proven."""
    pin = source.pins.get(role, b"")
    if not pin:
        raise UpstreamError(
            f"source {source.name!r} has no pin {role!r}; nothing of its list could be proven; get the pin "
            "from the publisher by another way than the list, and configure it"
        )
    return pin


def pinned_name(source: Source, role: str) -> str:
    """A name that is pinned as text, such as that of the signer below a root. Raises UpstreamError."""
    try:
        return pinned(source, role).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UpstreamError(
            f"source {source.name!r}: the pin {role!r} is a name, and this is no text"
        ) from error


# --- Values -------------------------------------------------------------------------------------------------


def read_json(data: bytes, what: str) -> Any:
    """The value of a JSON text by the rules of :mod:`verifier.wire.strict_json`; lists may be large.

    Whoever calls has authenticated the bytes, or says that nothing does. Raises UpstreamError.
    """
    if len(data) > MAX_RAW:
        raise UpstreamError(f"{what} has {len(data)} bytes of JSON; at most {MAX_RAW} are read")
    try:
        return strict_json.decode(data, what, most=MAX_RAW)
    except MalformedError as error:
        raise UpstreamError(f"{error}; the list is refused") from error


def an_object(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object. Raises UpstreamError."""
    if not isinstance(value, dict):
        raise UpstreamError(f"{what} is not an object; the list has another form than the known one")
    return value


def a_list(value: Any, what: str, *, most: int = MAX_ENTRIES) -> list[Any]:
    """A JSON list of at most ``most`` entries. Raises UpstreamError."""
    if not isinstance(value, list):
        raise UpstreamError(f"{what} is not a list; the list has another form than the known one")
    if len(value) > most:
        raise UpstreamError(f"{what} has {len(value)} entries; at most {most} are read")
    return value


def a_text(value: Any, what: str) -> str:
    """A JSON text. Raises UpstreamError."""
    if not isinstance(value, str):
        raise UpstreamError(f"{what} is not a text; the list has another form than the known one")
    return value


def unbase64(value: Any, what: str) -> bytes:
    """The bytes of a text in Base64 (RFC 4648 §4), padded or not. Raises UpstreamError."""
    text = a_text(value, what)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UpstreamError(f"{what} is not Base64; the list is refused") from error


def a_kid(value: Any, what: str = "a KID") -> bytes:
    """A KID in Base64: 1 to ``MAX_KID`` bytes, since an empty one means every code. Raises UpstreamError."""
    kid = unbase64(value, what)
    if not 1 <= len(kid) <= MAX_KID:
        raise UpstreamError(f"{what} has {len(kid)} bytes; 1 to {MAX_KID} are read")
    return kid


def an_instant(value: Any, what: str) -> datetime:
    """The instant of whole seconds since 1970. Raises UpstreamError."""
    if type(value) is not int:
        raise UpstreamError(f"{what} is not a number of seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UpstreamError(f"{what} lies outside the calendar") from error


def check_times(begin: datetime | None, end: datetime | None, now: datetime) -> None:
    """Raises UpstreamError for a list that has not begun at ``now``, or is over; ``SKEW`` is allowed."""
    if begin is not None and begin > now + SKEW:
        raise UpstreamError(
            f"the list is of {begin:%Y-%m-%dT%H:%MZ}, which is still to come; it is refused, since one from "
            "the future would keep the next ones out; look at the clock of this machine"
        )
    if end is not None and end < now - SKEW:
        raise UpstreamError(
            f"the list was valid until {end:%Y-%m-%dT%H:%MZ}; it is over, and refused; fetch a newer one"
        )


def letters(value: Any, what: str) -> frozenset[str] | None:
    """The events of a list of usage letters: ``None`` (everything) for an empty one.

    Raises KeyRefusedError for a letter that is not known: what the key is for cannot be said.
    """
    found = frozenset(a_text(each, what) for each in a_list(value, what))
    if found - USES:
        raise KeyRefusedError(f"{what} {''.join(sorted(found))[:16]!r} is not known here")
    return found or EVERY_USE


# --- Entries ------------------------------------------------------------------------------------------------


class Entries:
    """The entries of a list as they are read: those that can be used, and those that are left out."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._keys: dict[TrustedKey, None] = {}
        self._skipped: list[str] = []

    def skip(self, kid: bytes, why: object) -> None:
        """Leave an entry out, by its KID and the reason."""
        self._skipped.append(f"{kid.hex()}: {why}")

    def certificate(
        self,
        kid: bytes,
        der: bytes,
        *,
        country: str | None = None,
        uses: frozenset[str] | None = EVERY_USE,
    ) -> None:
        """Take an entry with a certificate, if it can be used and the KID is its own.

        country: as the list says, which has the word over the certificate. uses: what the list allows; the
        certificate may allow less.
        """
        try:
            key = trusted_key(der)
        except KeyRefusedError as error:
            self.skip(kid, error)
            return
        if key.kid != kid:
            self.skip(kid, f"the KID is not the certificate's, which is {key.kid.hex()}")
            return
        allowed = key.uses if uses is None else uses if key.uses is None else key.uses & uses
        self._take(replace(key, country=alpha2(country) or key.country, uses=allowed))

    def public_key(self, kid: bytes, spki: bytes, *, uses: frozenset[str] | None = EVERY_USE) -> None:
        """Take an entry with a bare public key (DER SubjectPublicKeyInfo), if it can be used."""
        try:
            load_spki(spki)
        except KeyRefusedError as error:
            self.skip(kid, error)
            return
        self._take(TrustedKey(kid=kid, spki=spki, uses=uses))

    def _take(self, key: TrustedKey) -> None:
        self._keys[replace(key, source=self._source.name, domain=Domain.HCERT)] = None

    def upstream(
        self,
        authentication: Authentication,
        *,
        version: int | None = None,
        signed_at: datetime | None = None,
        valid_until: datetime | None = None,
        revoked: Iterable[tuple[bytes, HashKind, bytes]] = (),
    ) -> UpstreamList:
        """The list of these entries.

        Raises UpstreamError when there is no key, or more keys have one KID than a look-up may try.
        """
        if not self._keys:
            raise UpstreamError(
                f"no key in it can be used ({len(self._skipped)} entries left out); the list is refused"
            )
        for kid, count in Counter(key.kid for key in self._keys).items():
            if count > MAX_KEYS_PER_KID:
                raise UpstreamError(f"{count} keys have the KID {kid.hex()}; at most {MAX_KEYS_PER_KID} may")
        return UpstreamList(
            source=self._source.name,
            environment=self._source.environment,
            authentication=authentication,
            keys=tuple(self._keys),
            version=version,
            signed_at=signed_at,
            valid_until=valid_until,
            revoked=tuple(revoked),
            skipped=tuple(self._skipped),
        )
