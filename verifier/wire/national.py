"""Domestic relatives of the DCC, and health links: Swiss ``LT1:``, Austrian ``AT1:``, sub-key 5 of an HCERT.

The rules this module keeps:

* The container is that of ``HC1:``; the prefix, the claim and the keys are others, so none passes for a DCC.
* A certificate light says who somebody is and until when it holds. It has no event.
* An exemption is exactly one entry; an entry of a DCC in it was put there by somebody who should not.
* A link is recognised and never followed: what lies behind it is not on this machine.

    claims = hc1.decode_claims(hc1.open_hcert(text, "AT1:").payload, Family.AT1)
    read_at1(claims).events[0].valid_until
    text = encode_at1(document, iss="AT", iat=…, exp=…, kid=kid, alg=-7, sign=key.sign)

``docs/formats/national.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

from verifier.certificate import Exemption, Payload
from verifier.reasons import Reason, finding
from verifier.wire import hc1, values
from verifier.wire.dcc import read_holder
from verifier.wire.envelope import Claims
from verifier.wire.errors import MalformedError

PREFIX_LT1, PREFIX_AT1 = "LT1:", "AT1:"
MAX_ENTRIES = 16  # exemptions or links; more than one exemption is MULTI_EVENT anyhow
LINKS = ("shlink:/", "vhlink:/")

_MEDICAL = ("v", "t", "r")  # the lists of a DCC


def read_lt1(claims: Claims) -> Payload:
    """The holder of a Swiss certificate light.

    Raises MalformedError when it has no name, or medical data that its keys may not sign; its reason is
    ``UNSUPPORTED`` for another major version.
    """
    document = _document(claims, "lt1")
    version = values.version(document.get("ver"))
    major = version.partition(".")[0]
    if major and major != "1":
        raise MalformedError("lt1", "a schema of an unknown major version", Reason.UNSUPPORTED)
    return Payload(read_holder(document), (), version)


def read_at1(claims: Claims) -> Payload:
    """An Austrian exemption from vaccination.

    Raises MalformedError when it has no name, no exemption, medical data that its keys may not sign, or a
    date that is none; its reason is ``UNSUPPORTED`` for another version. Several exemptions are a finding.
    """
    document = _document(claims, "at1")
    version = values.version(document.get("ver"))
    if not version.startswith("AT-1."):
        raise MalformedError("at1", "a schema of an unknown version", Reason.UNSUPPORTED)
    entries = document.get("ve")
    if not isinstance(entries, list) or not entries:
        raise MalformedError("at1", "no exemption in it")
    if len(entries) > MAX_ENTRIES:
        raise MalformedError("at1", f"more than {MAX_ENTRIES} exemptions", Reason.TOO_BIG)
    events = tuple(_exemption(entry) for entry in entries)
    findings = (finding(Reason.MULTI_EVENT, f"{len(events)} exemptions"),) if len(events) > 1 else ()
    return Payload(read_holder(document), events, version, findings)


def _document(claims: Claims, layer: str) -> Mapping[Any, Any]:
    if claims.document is None:
        raise MalformedError(layer, "no document in it")
    if any(claims.document.get(name) for name in _MEDICAL):
        raise MalformedError(layer, "vaccinations, tests or recoveries do not belong here")
    return claims.document


def _exemption(entry: Any) -> Exemption:
    if not isinstance(entry, Mapping) or not entry:
        raise MalformedError("at1", "an exemption is not a map with something in it")
    return Exemption(
        disease=values.text(entry.get("tg")),
        valid_until=values.day(entry.get("du"), "at1", "du"),
        country=values.text(entry.get("co")),
        issuer=values.text(entry.get("is")),
        identifier=values.as_written(entry.get("ci")),
    )


def read_links(claims: Claims) -> NoReturn:
    """Say what a health link is; there is nothing of a holder to read in it.

    Raises MalformedError always; its reason is ``UNSUPPORTED`` for well-formed links.
    """
    value = (claims.document or {}).get("links")
    links = value if isinstance(value, list) else [{"u": value}]
    if not links:
        raise MalformedError("links", "no link in it")
    if len(links) > MAX_ENTRIES:
        raise MalformedError("links", f"more than {MAX_ENTRIES} links", Reason.TOO_BIG)
    for link in links:
        uri = link.get("u") if isinstance(link, Mapping) else None
        if not isinstance(uri, str) or not _is_link(uri):
            raise MalformedError("links", "not a health link")
    raise MalformedError("links", "a link; its content is not available offline", Reason.UNSUPPORTED)


def _is_link(uri: str) -> bool:
    """Whether a text is a health link, which may stand behind the address of a viewer and ``#``."""
    viewer, mark, rest = uri.partition("#")
    link = rest if mark and viewer.startswith("https://") else uri
    return any(link.startswith(scheme) and len(link) > len(scheme) for scheme in LINKS)


# The text of a certificate light, and of an exemption; arguments as for ``hc1.encode_hc1``.
encode_lt1 = partial(hc1.encode_hc1, claim=hc1.CLAIM_LIGHT, prefix=PREFIX_LT1)
encode_at1 = partial(hc1.encode_hc1, prefix=PREFIX_AT1)
