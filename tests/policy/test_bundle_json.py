"""The written form of bundles: one form for one content, and every member that is wrong is named."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from example import example
from hypothesis import given
from hypothesis import strategies as st

from trustsync import shipped
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import (
    MAX_RULES,
    BundleError,
    bundle_row,
    canonical,
    check_versions,
    decode_bundles,
    encode_bundles,
    read_bundle,
)

NATIONAL = {
    "name": "national-xv",
    "version": "1.0.0",
    "asks": "certlogic",
    "valid_from": "2021-07-01T00:00:00Z",
    "rules": [
        {
            "id": "GR-XV-0001",
            "version": "1.0.0",
            "on": "person",
            "logic": True,
            "national": {"country": "XV", "certificate": "General"},
        }
    ],
}
PLACES = (
    "name", "version", "asks", "valid_from", "valid_to", "activates", "diseases", "texts", "scope",
    "value_sets", "rules", "rules/0", "rules/0/on", "rules/0/values", "rules/0/reason", "requirements",
    "requirements/0/any/0", "requirements/0/any/0/rules", "duties", "duties/0", "always", "areas", "tests",
    "post", "replaces",
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The page's bundle with the member at ``path`` replaced; ``...`` takes it away."""
    row = example()
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    place: Any = row
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return row


@pytest.mark.parametrize("name", ["the page's", *shipped.names()])
def test_what_is_written_is_read_back_the_same(name: str) -> None:
    """And written once more it is the same bytes."""
    bundle = read_bundle(example()) if name == "the page's" else shipped.bundle(name)
    data = encode_bundles([bundle])
    (again,) = decode_bundles(data)
    assert again == bundle
    assert encode_bundles([again]) == data


def test_the_order_in_which_bundles_are_given_does_not_change_the_bytes() -> None:
    """Two hubs that publish the same bundles publish the same target."""
    bundles = [shipped.bundle(name) for name in shipped.names()]
    assert encode_bundles(bundles) == encode_bundles(reversed(bundles))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",
        lambda data: data.replace(b":", b": ", 1),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'"v":1', b'"v":1,"v":1'),
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: data.replace("Cảng".encode(), b"C\\u1ea3ng"),
    ],
    ids=["line end", "blank", "byte order mark", "member twice", "spaced", "escaped"],
)
def test_bytes_that_are_not_in_the_one_form_are_refused(change: Any) -> None:
    """What is signed has one reading."""
    data = encode_bundles([read_bundle(example())])
    assert change(data) != data
    with pytest.raises(BundleError):
        decode_bundles(change(data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "not in canonical form"),
        (b'{"bundles":[],"v":1}', "there is none"),
        (b'{"bundles":[{}],"v":2}', "v: format version 2, this appliance reads 1"),
        (b'{"bundles":{},"v":1}', "there is none"),
        (b'{"bundles":[NaN],"v":1}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"bundles":[{"nom":"x"}],"v":1}', r"bundles\[0\]\.nom: unknown member"),
    ],
)
def test_a_file_that_holds_no_bundles_is_refused(data: bytes, said: str) -> None:
    """A trust repository names at least one."""
    with pytest.raises(BundleError, match=said):
        decode_bundles(data)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("name", "Port 2022", "bundle.name: small letters"),
        ("name", ..., "bundle.name: small letters"),
        ("version", "1.0", "bundle.version: three numbers"),
        ("version", "1.0.00", "bundle.version: three numbers"),
        ("version", "1.0.٣", "bundle.version: three numbers"),
        ("asks", "nothing", "bundle.asks: 'nothing' is none of signature, rules, certlogic"),
        ("valid_from", "2022-04-01", "bundle.valid_from: the offset is missing"),
        ("valid_from", ..., "bundle.valid_from: an instant with its offset"),
        ("valid_to", "2022-03-31T17:00:00Z", "bundle.valid_to: not after valid_from"),
        ("activates", "2022-03-01T00:00:00Z", "bundle.activates: before valid_from"),
        ("activates", "0001-01-01T00:00:00+14:00", "bundle.activates: '0001"),
        ("diseases", "840539006", "bundle.diseases: a list of codes"),
        ("texts", {"vie": "x"}, "bundle.texts"),
        ("texts", {"vi": 5}, "bundle.texts"),
        ("value_sets", {"crews": [5]}, "bundle.value_sets.crews: a list of codes"),
        ("value_sets", {"crews": {"crew": {"to": "2022-01-01"}}}, "bundle.value_sets.crews.crew.to: unknown"),
        ("value_sets", {"crews": {"crew": {"from": "2022"}}}, "bundle.value_sets.crews.crew.from: a day"),
        (
            "value_sets",
            {"crews": {"crew": {"from": "2022-02-01", "until": "2022-01-01"}}},
            "bundle.value_sets.crews.crew.until: before from",
        ),
        ("domestic", 1, "bundle.domestic: true or false"),
        ("scope/journeys", ["flight"], "bundle.scope.journeys: 'flight' is none of entry"),
        ("scope/profiles", ["desk"], "bundle.scope.profiles: 'desk' is none of border"),
        ("scope/places", [], "bundle.scope.places: unknown member"),
        ("replaces", "1", "bundle.replaces: three numbers"),
        ("prio", 1, "bundle.prio: unknown member"),
        ("rules", {}, "bundle.rules: a list is expected"),
        ("rules", [], "no rule is called 'course-complete'"),
        ("rules/0/id", "no spaces", "bundle.rules[0].id: letters"),
        ("rules/0/on", "dose", "bundle.rules[0].on: 'dose' is none of vaccination"),
        ("rules/0/logic", ..., "bundle.rules[0].logic: missing"),
        ("rules/0/reason", "DOSES", "bundle.rules[0].reason: 'DOSES' is none of SIG_BAD"),
        ("rules/0/state", "PASS", "bundle.rules[0].state: CHECK or FAIL"),
        ("rules/0/priority", 1, "bundle.rules[0].priority: unknown member"),
        ("rules/0/values", [], "bundle.rules[0].values: an object"),
        ("rules/0/national", {}, "bundle.rules[0].national: expected in a bundle of national rules"),
        ("rules/1/id", "course-complete", "bundle.rules[1]: course-complete 1.0.0 stands there twice"),
        ("requirements/0/any", [], "bundle.requirements[0].any: there is no way to meet it"),
        ("requirements/0/any/0/rules", [], "bundle.requirements[0].any[0].rules: a way that asks nothing"),
        ("requirements/0/any/0/rules/1", "dose-15", "any[0].rules[1]: no rule is called 'dose-15'"),
        ("requirements/0/any/0/on", "test", "any[0].rules: course-complete looks at a vaccination"),
        ("requirements/0/any/1/gives", "FREE", "bundle.requirements[0].any[1].gives: 'FREE' is none of"),
        ("requirements/0/unmet/0/code", "REST", "bundle.requirements[0].unmet[0].code: 'REST' is none of"),
        ("requirements/0/unmet/0/within_hours", 1.5, "unmet[0].within_hours: a whole number"),
        ("requirements/0/unmet/0/within_hours", True, "unmet[0].within_hours: a whole number"),
        ("duties/0/days", -1, "bundle.duties[0].days: a whole number"),
        ("always", ["x"], "bundle.always[0]: no rule is called 'x'"),
        ("asks", "signature", "a bundle that asks for the signature alone holds no rules"),
        ("tests", [5], "bundle.tests[0]: an object"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_member_is_said_with_its_path(path: str, value: Any, said: str) -> None:
    """Nothing is skipped: that would judge by less than was asked."""
    with pytest.raises(BundleError) as refused:
        read_bundle(changed(path, value))
    assert said in str(refused.value)


def test_a_bundle_that_asks_nothing_is_refused() -> None:
    """It would let everybody in without anybody having said so."""
    row = example()
    for asks, rest in (("rules", {"requirements": [], "rules": row["rules"]}), ("certlogic", {"rules": []})):
        with pytest.raises(BundleError, match="asks nothing is refused"):
            read_bundle(
                {name: row[name] for name in ("name", "version", "valid_from")} | {"asks": asks} | rest
            )


def test_national_rules_have_no_branches_and_say_what_they_are() -> None:
    """They are all asked; a rule of ours among them would not be judged by its own engine."""
    assert read_bundle(NATIONAL).rules[0].national is not None
    bare = deepcopy(NATIONAL)
    del bare["rules"][0]["national"]  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match=r"rules\[0\]\.national: expected"):
        read_bundle(bare)
    with pytest.raises(BundleError, match="they have no branches"):
        read_bundle(NATIONAL | {"always": ["GR-XV-0001"]})


def test_a_bundle_holds_no_more_rules_than_a_unit_can() -> None:
    """Bounded before anything is compiled."""
    rule = {"version": "1.0.0", "on": "person", "logic": True}
    row = example() | {"rules": [rule | {"id": f"r{number}"} for number in range(MAX_RULES + 1)]}
    with pytest.raises(BundleError, match="2001 rules, at most 2000 are held"):
        read_bundle(row)


def test_two_bundles_of_one_name_and_version_are_refused_whole() -> None:
    """All the more where their texts differ: which one counts would depend on their order."""
    bundle = read_bundle(example())
    with pytest.raises(BundleError, match=r"bundles\[1\]\.version: port-2022 1\.0\.0 stands there twice"):
        check_versions([bundle, replace(bundle, source="another letter")])
    data = encode_bundles([bundle, replace(bundle, source="another letter")])
    with pytest.raises(BundleError, match="stands there twice"):
        decode_bundles(data)
    assert len(decode_bundles(encode_bundles([bundle, replace(bundle, version="1.0.1")]))) == 2


def test_a_rule_that_this_version_cannot_evaluate_is_carried_to_the_letter() -> None:
    """It answers unknown; the others still run."""
    strange = {"perhaps": [None, 1.5, {"a": 1, "b": 2}]}
    (again,) = decode_bundles(encode_bundles([read_bundle(changed("rules/0/logic", strange))]))
    assert again.rules[0].logic == strange


def test_the_first_bundles_keep_their_members() -> None:
    """Units of the first release read what is published today, as long as it asks for the signature alone."""
    assert set(bundle_row(SIGNATURE_ONLY)) == {
        "name", "version", "asks", "valid_from", "valid_to", "diseases", "texts", "value_sets", "rules",
        "domestic",
    }  # fmt: skip


@given(st.sampled_from(PLACES), JSON)
def test_any_json_is_a_bundle_or_a_bundle_error(path: str, value: Any) -> None:
    """And a bundle is written and read back the same."""
    try:
        bundle = read_bundle(changed(path, value))
    except BundleError:
        return
    assert decode_bundles(encode_bundles([bundle])) == (bundle,)


@given(st.binary(max_size=64))
def test_any_bytes_are_bundles_or_a_bundle_error(data: bytes) -> None:
    """Nothing else comes out of a target that somebody else made."""
    with pytest.raises(BundleError):
        decode_bundles(data)


@given(JSON)
def test_the_one_form_of_a_value_is_read_as_that_value(value: Any) -> None:
    """A float keeps being one, a text keeps its letters."""
    again = json.loads(canonical(value))
    assert again == value
    assert canonical(again) == canonical(value)
