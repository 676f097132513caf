"""National rules as they are published, made into bundles without a change of their meaning.

The rules this module keeps:

* A rule keeps its identifier, version, validity and logic to the letter. What is not as the publishing
  gateways demand is refused by rule and member, before anybody signs it.
* Logic that our engine cannot evaluate is taken all the same: it answers unknown, and
  :func:`verifier.policy.validation.issues` names it.
* A bundle is for one country of arrival: its acceptance rules, and invalidation rules of any country.
* The importer may say which reason a rule's "no" means, with a note for the officer; without that it is
  RULE_FAILED.

    bundle = import_rules(rules, sets, name="national-at", version="1.0.0", country="AT", reasons=reasons)
    reasons = {"RR-AT-0001": {"reason": "RECOVERY_EARLY", "notes": {"en": "valid from {first_day}"},
                              "values": {"first_day": {"plusTime": [{"var": "payload.r.0.fr"}, 11, "day"]}}}}
    bundles_of_cases(lines)                              # one bundle a country, with the cases as its tests

Sources: dgc-gateway, ``validation-rule`` schema; EU value sets (eHealth Network).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from verifier.codes import Reason
from verifier.policy.bundle import NOTHING, Asks, RuleBundle, Texts
from verifier.policy.bundle_json import BundleError, canonical, read_bundle
from verifier.policy.published_rules import Raw, read_value_sets, rule_row
from verifier.vocabulary import COVID_19

TARGETS = "disease-agent-targeted"  # the value set of the diseases that rules are about
_MAPPED = frozenset({"reason", "state", "notes", "values"})


def import_rules(
    raw: Iterable[Raw],
    value_sets: Any,
    *,
    name: str,
    version: str,
    country: str,
    reasons: Mapping[str, Raw] = NOTHING,
    texts: Texts = NOTHING,
    source: str = "",
    tests: Sequence[Raw] = (),
) -> RuleBundle:
    """A bundle of the rules of one country of arrival, in force since the first of them is.

    raw: rules as published. value_sets: one or several as published, or codes by the set's id; codes that are
    marked inactive stay, as certificates bear them. reasons: by the rule's identifier, each with ``reason``
    and optionally ``state``, ``notes`` and ``values``. tests: rows of ``rule``, ``name``, ``payload``,
    ``external`` and ``expected``, see :func:`verifier.policy.national.trial_data`. Raises BundleError with
    the rule and the member that is not as it should be.
    """
    rows = [rule_row(rule, f"rule {number}", country) for number, rule in enumerate(raw, 1)]
    return _bundle(
        rows,
        read_value_sets(value_sets),
        country,
        reasons,
        {"name": name, "version": version, "texts": dict(texts), "source": source}
        | {"tests": [dict(test) for test in tests]},
    )


def bundles_of_cases(
    lines: Iterable[Raw], *, version: str = "1.0.0", reasons: Mapping[str, Raw] = NOTHING
) -> tuple[RuleBundle, ...]:
    """One bundle a country from recorded cases: each line bears ``rule``, ``logic``, ``data``, ``expected``.

    The lines do not repeat a rule's description and schema version, so the bundles have none. A country's
    value sets are those of its lines together; every line travels along as a test. Raises BundleError where
    lines of one rule differ, and where ``reasons`` name a rule that no line has.
    """
    countries: dict[str, list[Raw]] = {}
    for number, line in enumerate(lines, 1):
        if not all(isinstance(line.get(member), dict) for member in ("rule", "data")) or "logic" not in line:
            raise BundleError(f"line {number}: rule, logic and data are expected")
        countries.setdefault(str(line["rule"].get("Country")), []).append(line)
    _check_reasons(
        reasons, (str(line["rule"].get("Identifier")) for each in countries.values() for line in each)
    )
    return tuple(
        _bundle_of_cases(country, countries[country], version, reasons) for country in sorted(countries)
    )


# --- Recorded cases -----------------------------------------------------------------------------------------


def _bundle_of_cases(
    country: str, lines: Sequence[Raw], version: str, reasons: Mapping[str, Raw]
) -> RuleBundle:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    sets: dict[str, set[str]] = {}
    for line in lines:
        row = rule_row(line["rule"] | {"Logic": line["logic"]}, "rule", country, recorded=True)
        key = row["id"], row["version"]
        if canonical(rows.setdefault(key, row)) != canonical(row):
            raise BundleError(f"rule {row['id']} {row['version']}: two lines say different things of it")
        for name, codes in _sets_of(line).items():
            sets.setdefault(name, set()).update(codes)
    together = read_value_sets({name: list(codes) for name, codes in sets.items()})
    known = {row["id"] for row in rows.values()}
    return _bundle(
        list(rows.values()),
        together,
        country,
        {identifier: said for identifier, said in reasons.items() if identifier in known},
        {
            "name": f"national-{country.lower()}",
            "version": version,
            "tests": [_test_row(line, together) for line in lines],
        },
    )


def _sets_of(line: Raw) -> dict[str, list[str]]:
    external = line["data"].get("external")
    sets = external.get("valueSets") if isinstance(external, Mapping) else None
    return read_value_sets(sets) if isinstance(sets, Mapping) else {}


def _test_row(line: Raw, together: Mapping[str, list[str]]) -> dict[str, Any]:
    """A line as a test. Its value sets are left out where they are the bundle's, being most of its bytes."""
    said = line["data"].get("external")
    external = dict(said) if isinstance(said, Mapping) else {}
    if "valueSets" in external and _sets_of(line) == together:
        del external["valueSets"]
    else:
        external.setdefault("valueSets", {})
    return {
        "rule": line["rule"]["Identifier"],
        "name": ": ".join(
            filter(None, (str(line.get("id", "")).rpartition("/")[2], str(line.get("name", ""))))
        ),
        "payload": line["data"].get("payload"),
        "external": external,
        "expected": line.get("expected"),
    }


# --- Rules --------------------------------------------------------------------------------------------------


def _bundle(
    rows: list[dict[str, Any]],
    sets: Mapping[str, list[str]],
    country: str,
    reasons: Mapping[str, Raw],
    head: Mapping[str, Any],
) -> RuleBundle:
    """The whole, read as any bundle is, so that what is made here can also be written and signed."""
    if not rows:
        raise BundleError(f"{country}: no rule is there to import; a bundle that asks nothing is refused")
    _check_reasons(reasons, (row["id"] for row in rows))
    return read_bundle(
        {
            "asks": Asks.NATIONAL.value,
            "valid_from": min((row["valid_from"] for row in rows), key=datetime.fromisoformat),
            "valid_to": None,
            "diseases": sets.get(TARGETS) or [COVID_19],
            "value_sets": dict(sets),
            "scope": {"countries": [country]},
            "rules": [{**row, **reasons.get(row["id"], {})} for row in rows],
            **head,
        },
        str(head["name"]),
    )


def _check_reasons(reasons: Any, identifiers: Iterable[str]) -> None:
    if not isinstance(reasons, Mapping):
        raise BundleError("reasons: an object by rule identifier is expected")
    known = set(identifiers)
    for identifier, said in reasons.items():
        where = f"reasons.{identifier}"
        if identifier not in known:
            raise BundleError(f"{where}: no rule is called so")
        if not isinstance(said, Mapping):
            raise BundleError(f"{where}: an object with a reason is expected")
        for member in said:
            if member not in _MAPPED:
                raise BundleError(f"{where}.{member}: unknown member")
        if said.get("reason") not in Reason.__members__:
            raise BundleError(f"{where}.reason: the code of a reason is expected")
