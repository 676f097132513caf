"""What is published beside the keys: rules, policy, recognised issuers, advisories.

The rules this module keeps:

* Each is a file that somebody answers for, put in by ``vaxgate-hub put`` and read here in its published form.
* What a unit would refuse is refused when it is put in, and again before it is signed. Spaces and the order
  of members are people's own; the canonical form is made here.
* Both environments publish the same; whose keys are real is all that differs between them.

    put_content(config, "recognition", data)
    read_content(config)["recognition/issuers.json"]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trustsync.advisories import decode_advisories
from trustsync.canonical import TargetError, encode_json
from trustsync.declarations import decode_policy, decode_recognition
from trustsync.files import write_whole
from trustsync.hub.config import HubConfig, HubError
from trustsync.hub.lists import read_json
from trustsync.hub.upstream import UpstreamError
from trustsync.layout import ADVISORIES_PATH, POLICY_PATH, RECOGNITION_PATH, RULES_PATH
from trustsync.shipped import parsed
from verifier.policy.bundle_json import BundleError, decode_bundles

# By the name that people use: the target's path, and what reads it.
CONTENT: Mapping[str, tuple[str, Callable[[bytes], Any]]] = {
    "rules": (RULES_PATH, decode_bundles),
    "policy": (POLICY_PATH, decode_policy),
    "recognition": (RECOGNITION_PATH, decode_recognition),
    "advisories": (ADVISORIES_PATH, decode_advisories),
}


def put_content(config: HubConfig, name: str, data: bytes) -> None:
    """Take a document in; it is published with the next publication. Raises HubError when it is unfit."""
    try:
        # Expressions of rules are nested deeper than any list of keys.
        data = encode_json(parsed(data, name) if name == "rules" else read_json(data, name))
    except (UpstreamError, TargetError, BundleError) as error:
        raise HubError(f"{name}: {error}") from error
    _check(name, data)
    write_whole(_file(config, name), data)


def drop_content(config: HubConfig, name: str) -> None:
    """Publish this document no more. Raises HubError for the rules, without which no list is installed."""
    if name == "rules":
        raise HubError("a list without rules is installed by nobody; put other rules in their place")
    _file(config, name).unlink(missing_ok=True)


def read_content(config: HubConfig) -> dict[str, bytes]:
    """The documents by target path. Raises HubError when one is unfit or the rules are missing."""
    found = {}
    for name, (path, _) in CONTENT.items():
        try:
            data = _file(config, name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HubError(f"{_file(config, name)} cannot be read: {error.strerror}") from error
        _check(name, data)
        found[path] = data
    if RULES_PATH not in found:
        raise HubError(f"{_file(config, 'rules')} is missing; put rules in: vaxgate-hub put rules FILE")
    return found


def _check(name: str, data: bytes) -> None:
    path, decode = CONTENT[name]
    try:
        decode(data)
    except (TargetError, BundleError) as error:
        raise HubError(f"{name}: {error}; every unit would refuse it as {path}") from error


def _file(config: HubConfig, name: str) -> Path:
    return config.content / f"{name}.json"
