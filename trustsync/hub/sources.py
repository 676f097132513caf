"""Which importer reads which kind of list, and what a source must bring for it.

The rules this module keeps:

* An importer is loaded when a source of its kind is there, and not before.
* A source without the pins that its importer asks for is refused before anything is fetched: there is no
  "not validated" here.

    importer = importer_of(source)
    raw = importer.fetch(source, get)
    upstream = importer.read(raw, source, now)
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module

from trustsync.hub.upstream import Importer, Source, UpstreamError

# Kind: module below ``trustsync.hub.importers``, class in it, and what it reads in a few words.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "eu": ("eu", "EuVerifierService", "a verifier service of the EU's form, one certificate a request"),
    "de": ("de", "GermanList", "Germany's signed list"),
    "at": ("at", "AustrianList", "Austria's list, ehn v2: content and signature beside it"),
    "se": ("se", "SwedishList", "Sweden's list, a JWS"),
    "nl": ("nl", "DutchList", "the Netherlands' list, a detached CMS signature"),
    "ch": ("ch", "SwissList", "Switzerland's list, a JWS"),
    "vci": ("vci", "VciSnapshot", "the signed snapshot of the directory of health card issuers"),
    "gdhcn": ("gdhcn", "GdhcnList", "WHO's trust network: DID documents with a proof"),
    "icao": ("icao", "MasterList", "an ICAO master list of CSCAs, CMS"),
    "files": ("files", "KeyFiles", "PEM, DER, JWK, JWKS and DID documents under a pinned SHA-256"),
}


def importer_of(source: Source) -> Importer:
    """The importer of a source's kind. Raises UpstreamError for an unknown kind or a missing pin."""
    if source.kind not in KINDS:
        near = difflib.get_close_matches(source.kind, KINDS, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(KINDS)}"
        raise UpstreamError(f"source {source.name!r}: no importer reads kind {source.kind!r}{hint}")
    module, name, _ = KINDS[source.kind]
    importer: Importer = getattr(import_module(f"trustsync.hub.importers.{module}"), name)()
    missing = sorted(importer.pins - {role for role, pin in source.pins.items() if pin})
    if missing and not source.unproven:
        raise UpstreamError(
            f"source {source.name!r}: pin {', '.join(missing)} is missing, and nothing would prove the list; "
            "see the kinds in docs/hub.md"
        )
    return importer
