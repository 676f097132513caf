"""Advisories for the fleet: what the software is made of, and what the world knows about its parts.

The rules this module keeps:

* Nothing is looked up. The hub's people bring a file of advisories (OSV, as osv.dev exports it); the hub
  keeps those about packages of an SBOM and signs them as ``software/advisories.json``.
* Whether a unit is concerned, the unit says: it may run an older release than the SBOM describes. So an
  advisory stays even where the version in the SBOM is not weak any more.
* An SBOM of ours is CycloneDX 1.6 JSON, one component for each distribution that is installed, each with its
  package URL. The form is small and is written here; a library for it would bring more packages along.

    bom = make_sbom(installed(), now)                        # CycloneDX
    found = read_osv(data)                                   # advisories about PyPI packages
    relevant(found, [bom])

Sources: CycloneDX 1.6, OSV schema 1.7, package URL specification (type ``pypi``).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import distributions
from typing import Any

from trustsync.advisories import MAX_TEXT, SEVERITIES, Advisory, normalised, version_key
from trustsync.hub.config import HubError
from verifier.times import written

OWN = "vaxgate"
MAX_FILE = 256 << 20  # bytes of a file of advisories; all of PyPI's are some 40 MB
_SPEC = "1.6"


def installed() -> dict[str, str]:
    """Name and version of every distribution of this environment."""
    return {
        normalised(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]
    }


def make_sbom(packages: Mapping[str, str], now: datetime) -> bytes:
    """The CycloneDX 1.6 document of these packages. now: stands in it as the time at which it was made."""
    components = [
        {
            "type": "library",
            "bom-ref": _purl(name, version),
            "name": name,
            "version": version,
            "purl": _purl(name, version),
        }
        for name, version in sorted(packages.items())
        if name != OWN
    ]
    own = {
        "type": "application",
        "bom-ref": OWN,
        "name": OWN,
        "version": packages.get(OWN, "0"),
        "purl": _purl(OWN, packages.get(OWN, "0")),
    }
    named = " ".join([own["purl"], *(each["purl"] for each in components), written(now)])
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, named)}",
        "version": 1,
        "metadata": {"timestamp": written(now), "component": own},
        "components": components,
        "dependencies": [{"ref": OWN, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def read_sbom(data: bytes) -> dict[str, str]:
    """Name and version of the PyPI packages of a CycloneDX document. Raises HubError."""
    document = _json(data, "the SBOM")
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise HubError("the SBOM is no CycloneDX document in JSON; vaxgate-hub sbom makes one")
    listed, about = document.get("components"), document.get("metadata")
    rows = [
        *(listed if isinstance(listed, list) else []),
        about.get("component") if isinstance(about, dict) else None,
    ]
    found = {}
    for row in rows:
        purl = row.get("purl") if isinstance(row, dict) else None
        if isinstance(purl, str) and purl.startswith("pkg:pypi/"):
            name, _, version = purl.removeprefix("pkg:pypi/").split("?")[0].partition("@")
            found[normalised(name)] = version
    if not found:
        raise HubError("the SBOM names no package of PyPI (pkg:pypi/…); nothing could be compared")
    return found


def read_osv(data: bytes) -> list[Advisory]:
    """The advisories about PyPI packages in a file of OSV: one entry, or a list of them.

    Entries that were taken back are left out. Raises HubError for a file of another form.
    """
    value = _json(data, "the file of advisories")
    entries = value if isinstance(value, list) else [value]
    found: list[Advisory] = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise HubError("the file of advisories holds an entry without id; OSV in JSON is expected")
        if "withdrawn" in entry:
            continue
        try:
            found += _advisories(entry)
        except (AttributeError, TypeError, KeyError) as error:
            raise HubError(f"advisory {entry['id']} is not in the form of OSV ({error})") from error
    return found


def relevant(advisories: Iterable[Advisory], sboms: Sequence[Mapping[str, str]]) -> list[Advisory]:
    """Those about a package of one of these SBOMs (name to version), each once."""
    names = {name for packages in sboms for name in packages}
    return list(dict.fromkeys(each for each in advisories if each.package in names))


def _advisories(entry: Mapping[str, Any]) -> list[Advisory]:
    text = " ".join(str(entry.get("summary") or entry.get("details") or "").split())[:MAX_TEXT]
    severity = str(entry.get("database_specific", {}).get("severity", "unknown")).lower()
    facts = {
        "id": entry["id"],
        "severity": severity if severity in SEVERITIES else "unknown",
        "text": text,
    }
    found = []
    for affected in entry.get("affected", []):
        package = affected.get("package", {})
        if package.get("ecosystem") != "PyPI":
            continue
        named = {"package": normalised(str(package.get("name", ""))), **facts}
        spans = [
            span
            for ranged in affected.get("ranges", [])
            if ranged.get("type") == "ECOSYSTEM"
            for span in _spans(ranged.get("events", []))
        ]
        # without a span the versions stand one by one; those inside a span say nothing new
        lone = [{"since": version, "upto": version} for version in affected.get("versions", ()) if not spans]
        found += [Advisory(**named, **span) for span in (spans or lone)]
    return found


def _spans(events: Iterable[Mapping[str, str]]) -> list[dict[str, str | None]]:
    """The spans of versions between ``introduced`` and what ends it; an open end is an open span."""
    spans: list[dict[str, str | None]] = []
    for event in events:
        if "introduced" in event:
            begin = event["introduced"]
            spans.append({"since": None if begin == "0" else begin})
        elif spans and "fixed" in event:
            spans[-1]["below"] = event["fixed"]
        elif spans and "last_affected" in event:
            spans[-1]["upto"] = event["last_affected"]
    return spans


def unreadable(advisories: Iterable[Advisory]) -> list[str]:
    """The ids of advisories with a version that cannot be compared: every unit will call itself concerned."""
    return sorted(
        {
            each.id
            for each in advisories
            for text in (each.since, each.below, each.upto)
            if text is not None and version_key(text) is None
        }
    )


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _json(data: bytes, what: str) -> Any:
    if len(data) > MAX_FILE:
        raise HubError(f"{what} has {len(data)} bytes; at most {MAX_FILE} are read")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HubError(f"{what} is not JSON ({error})") from error
