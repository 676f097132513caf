"""Which rules an issuer publishes: those that somebody chose, else authenticity alone.

The rules this module keeps:

* A choice holds until the next one; it is published with the next publication.
* Rules are named as they are shipped, or lie in a file as ``vaxgate-rules bundle build`` writes it.
* What units would refuse to take after the rules of before is refused here: an older version comes back only
  where it is signed as a roll-back, see :mod:`trustsync.succession`.

    choose_rules(registry, read_rules(["vn-2022-03", "vn-2022-05"]), now)
    rules_of(registry)                   # the bundles of the next publication
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from issuer.certificates import VALUE_SETS
from issuer.errors import IssuerError
from issuer.registry import Registry
from trustsync import shipped
from trustsync.rule_floors import read_floors, write_floors
from trustsync.succession import Succession, SuccessionError
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import BundleError, decode_bundles, encode_bundles, value_set

_RULES, _FLOORS = "rules", "rule-floors"  # names of facts of the registry

# Authenticity alone, of certificates about this disease: what a desk asks before there is a policy.
USUAL = replace(
    SIGNATURE_ONLY,
    name="covid-19-signature",
    diseases=VALUE_SETS["disease-agent-targeted"],
    value_sets={name: value_set(codes) for name, codes in VALUE_SETS.items()},
    domestic=False,
)


def rules_of(registry: Registry) -> tuple[RuleBundle, ...]:
    """The bundles that this issuer publishes."""
    chosen = registry.fact(_RULES)
    return decode_bundles(chosen.encode()) if chosen else (USUAL,)


def read_rules(words: Sequence[str]) -> tuple[RuleBundle, ...]:
    """The bundles of these names and files; none for none. Raises IssuerError."""
    if not words:
        return ()
    try:
        found = [bundle for word in words for bundle in _read(word)]
        return decode_bundles(encode_bundles(found))  # as every unit will read them
    except BundleError as error:
        raise IssuerError(f"{error}; nothing was changed") from error


def _read(word: str) -> tuple[RuleBundle, ...]:
    if word in shipped.names():
        return (shipped.bundle(word),)
    path = Path(word)
    if word == USUAL.name and not path.exists():
        return (USUAL,)
    try:
        data = path.read_bytes()
    except OSError as error:
        known = ", ".join(shipped.names())
        raise IssuerError(
            f"{word}: neither a file that can be read ({error.strerror}) nor rules that are shipped; "
            f"those are {known}"
        ) from error
    try:
        return decode_bundles(data)
    except BundleError as error:
        raise IssuerError(
            f"{path.name}: {error}; nothing was changed. Of a bundle as people write it make one with: "
            f"vaxgate-rules bundle build {path.name} --out bundles.json"
        ) from error


def choose_rules(registry: Registry, bundles: Sequence[RuleBundle], now: datetime) -> None:
    """Publish these from the next publication on.

    now: decides which of the rules before were in force. Raises IssuerError where units would refuse them.
    """
    with registry.change():
        floors = read_floors(json.loads(registry.fact(_FLOORS) or "{}"))
        succession = Succession(floors, now, rules_of(registry))
        try:
            succession.check(bundles)
        except SuccessionError as error:
            raise IssuerError(f"every unit would refuse these rules: {error}. Nothing was changed") from error
        registry.set_fact(_RULES, encode_bundles(bundles).decode())
        registry.set_fact(_FLOORS, json.dumps(write_floors(succession.after(bundles))))
