"""The shipped bundles, and how a source becomes one."""

from __future__ import annotations

import json

import pytest

from trustsync import shipped
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import BundleError, bundle_row, decode_bundles, encode_bundles, read_bundle
from verifier.policy.review import review
from verifier.policy.trials import run_trials

NAMES = {
    "vn-2021-08", "vn-2022-01", "vn-2022-03", "vn-2022-05", "eu-2022", "yf-ihr", "domestic", "signature-only",
}  # fmt: skip
SHARED = {
    "value_sets": {"kinds": ["a"], "makers": ["b"]},
    "rules": [{"id": "one"}, {"id": "two", "on": "test"}],
}


def test_every_bundle_of_the_table_is_shipped() -> None:
    """The rule sets that scenarios name."""
    assert set(shipped.names()) >= NAMES


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_bundle_has_no_problem_and_its_own_tests_agree(name: str) -> None:
    """What we ship is what we would let be signed: no warning either, so every text is there in vi and en."""
    bundle = shipped.bundle(name)
    assert bundle.name == name
    assert review(shipped.source(name)) == []
    assert [trial for trial in run_trials(bundle) if trial.differences] == []
    assert bundle.tests or not bundle.rules, "cases travel with the rules"


def test_all_shipped_bundles_can_be_published_together() -> None:
    """They fit one file, and come back the same."""
    bundles = tuple(shipped.bundle(name) for name in shipped.names())
    again = decode_bundles(encode_bundles(bundles))
    assert sorted(again, key=lambda bundle: bundle.name) == sorted(bundles, key=lambda bundle: bundle.name)


def test_a_bundle_is_read_once() -> None:
    """The issuer, the hub and a hundred tests ask for the same one."""
    assert shipped.bundle("vn-2022-01") is shipped.bundle("vn-2022-01")
    assert shipped.bundle("signature-only") is SIGNATURE_ONLY
    assert read_bundle(shipped.source("signature-only")) == read_bundle(bundle_row(SIGNATURE_ONLY))


def test_a_name_that_is_not_shipped_is_an_error_with_those_that_are() -> None:
    """Also one that is a path: nothing outside the folder is ever read."""
    for name in ("vn-2030", "../layout", "shared"):
        with pytest.raises(BundleError, match=r"there are .*vn-2022-01"):
            shipped.bundle(name)


def test_what_a_source_uses_stands_in_the_bundle() -> None:
    """Before its own, in the order in which it names them; the member `use` is gone."""
    source = {
        "name": "x",
        "use": {"rules": ["two", "one"], "value_sets": ["makers"]},
        "rules": [{"id": "own"}],
    }
    assert shipped.resolve(source, SHARED) == {
        "name": "x",
        "value_sets": {"makers": ["b"]},
        "rules": [{"id": "two", "on": "test"}, {"id": "one"}, {"id": "own"}],
    }
    assert "use" in source, "the source itself is left alone"


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"rules": ["three"]}, r"bundle\.use\.rules\[0\]: 'three' is not shared"),
        ({"value_sets": ["kinds", "colours"]}, r"bundle\.use\.value_sets\[1\]: 'colours' is not shared"),
        ({"rules": [["one"]]}, r"bundle\.use\.rules\[0\]"),
        ({"texts": []}, r"bundle\.use\.texts: unknown member"),
        ({"rules": "one"}, r"bundle\.use\.rules: a list is expected"),
        ({"rules": ["own"]}, r"'own' is not shared"),
        ([], r"bundle\.use: an object is expected"),
    ],
)
def test_what_is_used_and_not_there_is_named_with_its_place(use: object, said: str) -> None:
    """A rule that is silently left out would ask less than was meant."""
    with pytest.raises(BundleError, match=said):
        shipped.resolve({"use": use, "rules": [{"id": "own"}]}, SHARED)


def test_a_rule_that_is_both_used_and_written_is_refused() -> None:
    """Which of the two counts would be a guess."""
    with pytest.raises(BundleError, match="stands in the bundle itself too"):
        shipped.resolve({"use": {"rules": ["one"]}, "rules": [{"id": "one"}]}, SHARED)
    with pytest.raises(BundleError, match="stands in the bundle itself too"):
        shipped.resolve({"use": {"value_sets": ["kinds"]}, "value_sets": {"kinds": ["z"]}}, SHARED)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "x",\n "asks": }', "line 2, column 10"),
        ('{"logic": true, "logic": false}', "the member 'logic' stands twice"),
        ('{"days": NaN}', "NaN is no number of JSON"),
        ("[]", "an object is expected"),
        ("[" * 100_000, "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
    ],
)
def test_a_source_that_cannot_be_read_says_where(text: str | bytes, said: str) -> None:
    """People write sources by hand."""
    with pytest.raises(BundleError, match=said):
        shipped.parsed(text.encode() if isinstance(text, str) else text, "x")


def test_a_source_may_begin_with_a_byte_order_mark() -> None:
    """Some editors write one."""
    assert shipped.parsed(b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode(), "x") == {"a": 1}
