"""The EU's verifier service, as member states run it: one certificate for each request, and a list of KIDs.

The rules this module keeps:

* Nothing of it is signed. What comes is as good as the TLS connection, so the list says ``TLS`` of itself and
  the hub asks for a second source or a person before a key of it counts.
* The certificates are downloaded one by one; the resume token must grow with each, so that it cannot circle.
* Each KID is computed again. One that is not its certificate's own is no mistake of an entry but of the
  service, and the whole list is refused.
* A KID that the status list does not name is deleted. One that it names without a certificate means that
  the download is not whole, and it is refused.

    pins: none      url: https://…/ (the service)
    options: update, status (paths, where they differ from the EU's own)
    raw:  updates (the transcript: each answer with its headers), status

Source: dgca-verifier-service (``SignerInformationController``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from trustsync.hub.lists import (
    MAX_ENTRIES,
    Entries,
    a_kid,
    a_list,
    a_text,
    an_object,
    fetched,
    given,
    read_json,
    unbase64,
)
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from verifier.keys import kid_of

UPDATES, STATUS = "updates", "status"
_UPDATE_PATH, _STATUS_PATH = "signercertificateUpdate", "signercertificateStatus"
_TOKEN = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAX_CERTIFICATE = 32 * 1024  # characters of one answer


class EuVerifierService:
    """The importer of kind ``eu``."""

    kind = "eu"
    pins: frozenset[str] = frozenset()

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        """All certificates, then the status list. Raises UpstreamError; an error on the way spoils it all."""
        base = source.url.rstrip("/")
        url = f"{base}/{source.options.get('update', _UPDATE_PATH)}"
        transcript: list[dict[str, str | int]] = []
        token: int | None = None
        while True:
            headers = {} if token is None else {"X-RESUME-TOKEN": str(token)}
            reply = fetched(get, url, headers, allowed=(200, 204))
            if reply.status == 204:
                break
            token = _grown(reply.headers.get("x-resume-token", ""), token)
            if len(transcript) == MAX_ENTRIES or len(reply.body) > _MAX_CERTIFICATE:
                raise UpstreamError(f"{url} gives more than a list of certificates; it is refused")
            transcript.append(
                {
                    "token": token,
                    "kid": reply.headers.get("x-kid", ""),
                    "body": reply.body.decode("ascii", "replace").strip(),
                }
            )
        status = fetched(get, f"{base}/{source.options.get('status', _STATUS_PATH)}").body
        return {UPDATES: json.dumps(transcript, indent=0).encode(), STATUS: status}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:  # noqa: ARG002 - it has no date
        """Read the transcript and the status list, of which nothing is proven. Raises UpstreamError."""
        certificates: dict[bytes, bytes] = {}
        token: int | None = None
        for value in a_list(read_json(given(raw, UPDATES), UPDATES), UPDATES):
            entry = an_object(value, "an answer")
            written = entry.get("token")
            token = _grown(str(written) if type(written) is int else "", token)
            der = unbase64(a_text(entry.get("body"), "an answer"), "an answer")
            kid = a_kid(entry.get("kid"), "X-KID")
            if kid != kid_of(der):
                raise UpstreamError(
                    f"the service gives the KID {kid.hex()} to the certificate {kid_of(der).hex()}; "
                    "it is broken or lies, and the whole list is refused"
                )
            certificates[kid] = der
        valid = {a_kid(each) for each in a_list(read_json(given(raw, STATUS), STATUS), STATUS)}
        if missing := valid - certificates.keys():
            raise UpstreamError(
                f"{len(missing)} valid KIDs came without a certificate; the download is not whole, and is "
                "refused; fetch it again"
            )
        entries = Entries(source)
        for kid, der in certificates.items():
            if kid in valid:
                entries.certificate(kid, der)
        return entries.upstream(Authentication.TLS)


def _grown(written: str, before: int | None) -> int:
    """The resume token. Raises UpstreamError unless it is a number beyond the one before."""
    if not _TOKEN.fullmatch(written) or (before is not None and int(written) <= before):
        raise UpstreamError(
            f"the resume token after {before} does not grow; the download runs in a circle, and is refused"
        )
    return int(written)
