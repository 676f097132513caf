"""Advisories: what the software is made of, what is known about its parts, and whom it concerns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilot import Pilot, key

from trustsync.advisories import (
    SEVERITIES,
    Advisory,
    affects,
    decode_advisories,
    encode_advisories,
    matches,
    normalised,
    version_key,
)
from trustsync.canonical import TargetError
from trustsync.hub.advisories import installed, make_sbom, read_osv, read_sbom, relevant, unreadable
from trustsync.hub.cli import main
from trustsync.hub.config import HubError
from trustsync.layout import ADVISORIES_PATH

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def osv(package: str = "urllib3", name: str = "GHSA-1", **facts: Any) -> dict[str, Any]:
    """An entry as osv.dev exports it."""
    events = facts.pop("events", [{"introduced": "0"}, {"fixed": "2.8.0"}])
    return {
        "id": name,
        "summary": "A weakness  of\nsome kind",
        "database_specific": {"severity": "HIGH"},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    } | facts


# --- Versions ---------------------------------------------------------------------------------------------

# Each before the next, by the specification.
ORDER = (
    "0", "0.9", "1.0.dev1", "1.0a1", "1.0a2.dev3", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.post1.dev2",
    "1.0.post1", "1.0.1", "1.2", "1.10", "2", "2026.3.1", "1!0.1",
)  # fmt: skip


def test_versions_have_the_order_of_the_specification() -> None:
    """Development before pre-releases, those before the release, that before its corrections."""
    for earlier, later in pairwise(ORDER):
        one, other = version_key(earlier), version_key(later)
        assert one is not None
        assert other is not None
        assert one < other, (earlier, later)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1"), ("1.0.0", "v1.0"), ("1.0RC1", "1.0-c.1"), ("1.0-1", "1.0.post1"), ("2.8.0+deb1", "2.8")],
)
def test_one_version_has_several_spellings(one: str, other: str) -> None:
    """Zeros at the end, letters, separators and the local part make no other version."""
    assert version_key(one) == version_key(other)


def test_our_order_is_that_of_the_reference_implementation() -> None:
    """On everything that is installed here and on the table above."""
    reference = pytest.importorskip("packaging.version", reason="packaging is not installed")
    texts = [*ORDER, *installed().values(), "1.0.post2", "1.0.dev0", "3.0a0", "0.0.0"]
    ours = sorted(texts, key=lambda text: (version_key(text), text))
    assert ours == sorted(texts, key=lambda text: (reference.Version(text), text))


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_none(text: str) -> None:
    """Nothing else happens."""
    found = version_key(text)
    assert found is None or found == version_key(text.strip().upper())


@pytest.mark.parametrize(
    ("limits", "version", "weak"),
    [
        ({"below": "2.8.0"}, "2.7.9", True),
        ({"below": "2.8.0"}, "2.8.0", False),
        ({"below": "2.8.0"}, "2.8.0rc1", True),
        ({"since": "2.0", "below": "2.8.0"}, "1.26", False),
        ({"since": "2.0", "below": "2.8.0"}, "2.0", True),
        ({"upto": "2.7.9"}, "2.7.9", True),
        ({"upto": "2.7.9"}, "2.7.10", False),
        ({}, "99", True),
        ({"below": "2.8.0"}, "unknown", True),
        ({"below": "not a version"}, "2.9", True),
    ],
)
def test_what_cannot_be_compared_counts_as_weak(limits: dict[str, str], version: str, weak: bool) -> None:
    """Bounds are as OSV means them; an unreadable version is not known to be good."""
    assert affects(Advisory("GHSA-1", "urllib3", **limits), version) is weak


def test_a_unit_finds_what_concerns_it() -> None:
    """By what it has installed, whatever case and dashes its names have."""
    advisories = [
        Advisory("A", "urllib3", below="2.8.0"),
        Advisory("B", "zxing-cpp", below="3"),
        Advisory("C", "x"),
    ]
    found = matches(advisories, {"urllib3": "2.8.0", "Zxing_Cpp": "2.3"})
    assert [each.id for each in found] == ["B"]
    assert normalised("Zxing_Cpp") == normalised("zxing.cpp") == "zxing-cpp"


# --- The target -------------------------------------------------------------------------------------------

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_ADVISORY = st.builds(
    Advisory,
    id=_TEXT.filter(bool),
    package=st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True),
    since=st.none() | _TEXT,
    below=st.none() | _TEXT,
    upto=st.none() | _TEXT,
    severity=st.sampled_from(SEVERITIES),
    text=_TEXT,
)


@given(st.lists(_ADVISORY, unique_by=lambda each: (each.package, each.id), max_size=6))
def test_what_is_encoded_is_decoded(advisories: list[Advisory]) -> None:
    """And has one form: another order gives the same bytes."""
    data = encode_advisories(advisories)
    assert set(decode_advisories(data)) == set(advisories)
    assert encode_advisories(reversed(advisories)) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_advisories_or_refused(data: bytes) -> None:
    """Nothing else happens."""
    with pytest.raises(TargetError):
        decode_advisories(data)


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "dreadful"},
        {"package": "Zxing_Cpp"},
        {"id": ""},
        {"more": 1},
        {"text": "x" * 501},
        {"below": 2},
    ],
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    """A word that this release does not know is not skipped."""
    row = {"id": "A", "package": "urllib3", "severity": "high", "text": ""} | change
    data = json.dumps({"advisories": [row], "v": 1}, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(TargetError):
        decode_advisories(data)


# --- The hub's side ---------------------------------------------------------------------------------------


def test_osv_becomes_advisories() -> None:
    """Spans, lone versions, words; other ecosystems and entries that were taken back are left out."""
    entries = [
        osv(),
        osv(
            name="GHSA-2",
            events=[{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"last_affected": "2.1"}],
        ),
        osv(name="GHSA-3", withdrawn="2026-01-01T00:00:00Z"),
        osv(name="GHSA-4", affected=[{"package": {"ecosystem": "npm", "name": "urllib3"}}]),
        osv(
            name="GHSA-5",
            affected=[{"package": {"ecosystem": "PyPI", "name": "Zxing_Cpp"}, "versions": ["2.2"]}],
            database_specific={},
        ),
        osv(name="GHSA-6", events=[{"introduced": "0"}]),
    ]
    text = "A weakness of some kind"
    assert read_osv(json.dumps(entries).encode()) == [
        Advisory("GHSA-1", "urllib3", None, "2.8.0", None, "high", text),
        Advisory("GHSA-2", "urllib3", "1.0", "1.5", None, "high", text),
        Advisory("GHSA-2", "urllib3", "2.0", None, "2.1", "high", text),
        Advisory("GHSA-5", "zxing-cpp", "2.2", None, "2.2", "unknown", text),
        Advisory("GHSA-6", "urllib3", None, None, None, "high", text),
    ]
    assert read_osv(json.dumps(osv()).encode())[0].id == "GHSA-1"


@pytest.mark.parametrize(
    "data", [b"", b"[1]", b'{"summary": "x"}', b'{"id": "x", "affected": [7]}', b"[" * 99_999]
)
def test_a_file_that_is_no_osv_is_refused(data: bytes) -> None:
    """By an error that says what is expected."""
    with pytest.raises(HubError):
        read_osv(data)


def test_the_sbom_names_every_package_that_is_installed() -> None:
    """CycloneDX 1.6 with a package URL each; the same packages and time give the same bytes."""
    packages = installed()
    data = make_sbom(packages, NOW)
    assert data == make_sbom(dict(reversed(packages.items())), NOW)
    document = json.loads(data)
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert document["metadata"]["component"]["name"] == "vaxgate"
    purls = {each["purl"] for each in document["components"]}
    assert f"pkg:pypi/tuf@{packages['tuf']}" in purls
    references = [each["bom-ref"] for each in document["components"]]
    assert len(references) == len(set(references))
    assert document["dependencies"] == [{"ref": "vaxgate", "dependsOn": references}]
    assert read_sbom(data) == packages


def test_advisories_about_other_software_are_not_published() -> None:
    """What is kept is about packages of an SBOM, of whatever version: a unit may run an older release."""
    found = read_osv(json.dumps([osv(), osv("django", "GHSA-7")]).encode())
    assert [each.id for each in relevant(found, [{"urllib3": "99"}])] == ["GHSA-1"]
    assert unreadable([Advisory("A", "x", below="?"), Advisory("B", "x", below="1")]) == ["A"]


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b'{"bomFormat": "SPDX"}', b'{"bomFormat": "CycloneDX", "components": 7}']
)
def test_an_sbom_without_packages_is_refused(data: bytes) -> None:
    """Nothing could be compared, and that is not the same as nothing being weak."""
    with pytest.raises(HubError):
        read_sbom(data)


def test_from_a_file_of_osv_to_a_signed_target(
    pilot: Pilot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the commands: an SBOM, the advisories about it, and a publication by the role that has them."""
    pilot.says("de", [key(1)])
    pilot.whole()
    bom, file = tmp_path / "appliance.cdx.json", tmp_path / "osv.json"
    weak = osv("tuf", "GHSA-9", events=[{"introduced": "0"}, {"fixed": "999"}])
    file.write_text(json.dumps([osv(), weak, osv("django", "GHSA-7")]))
    assert main(["sbom", "--out", str(bom), "--clock", NOW.isoformat()]) == 0
    capsys.readouterr()
    arguments = ["advisories", str(file), "--sbom", str(bom), "--data", str(pilot.directory), "--json"]
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"advisories": 2, "concerned": ["GHSA-9"]}
    done = pilot.publish()
    assert done.publication.changed == ("software", "snapshot", "timestamp")
    (data,) = (data for path, data in pilot.tree().items() if path.endswith(".advisories.json"))
    assert [each.id for each in matches(decode_advisories(data), installed())] == ["GHSA-9"]
    assert ADVISORIES_PATH.startswith("software/")
