"""Which rules an issuer publishes: chosen by name or from a file, and only such as units would take."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from issuer.cli import main
from issuer.errors import IssuerError
from issuer.office import Issuer
from issuer.rules import USUAL, choose_rules, read_rules, rules_of
from trustsync import shipped
from trustsync.layout import RULES_PATH
from trustsync.publishing import standing_targets
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.policy.bundle_json import decode_bundles, encode_bundles

CLOCK = "2021-09-01T08:00:00Z"


def published(issuer: Issuer) -> list[str]:
    """Names and versions of the rules that stand in the repository."""
    digest = standing_targets(issuer.registry, "rules")[RULES_PATH]
    file = issuer.registry.public / "targets" / "rules" / f"{digest}.bundles.json"
    return [f"{bundle.name} {bundle.version}" for bundle in decode_bundles(file.read_bytes())]


def test_an_issuer_asks_for_authenticity_alone_until_somebody_says_more(
    issuer: Issuer, now: datetime
) -> None:
    """What was chosen is published next, and stays until the next choice."""
    assert published(issuer) == ["covid-19-signature 1.0.0"]
    issuer.choose_rules(read_rules(["vn-2022-05", "vn-2022-03"]), now)
    assert published(issuer) == ["covid-19-signature 1.0.0"]
    done = issuer.publish(now + timedelta(hours=1))
    assert done.changed == ("rules", "snapshot", "timestamp")
    assert published(issuer) == ["vn-2022-03 1.0.0", "vn-2022-05 1.0.0"]
    issuer.publish(now + timedelta(hours=2))
    assert published(issuer) == ["vn-2022-03 1.0.0", "vn-2022-05 1.0.0"]


@pytest.mark.parametrize("name", [*shipped.names(), USUAL.name])
def test_each_shipped_bundle_can_be_chosen_by_its_name(name: str) -> None:
    """And the one of the beginning, to go back to."""
    (bundle,) = read_rules([name])
    assert bundle == (USUAL if name == USUAL.name else shipped.bundle(name))


def test_rules_may_lie_in_a_built_file(tmp_path: Path) -> None:
    """As the tool for rules writes it, beside shipped ones; a source is sent there first."""
    document = tmp_path / "bundles.json"
    document.write_bytes(encode_bundles([SIGNATURE_ONLY, shipped.bundle("yf-ihr")]))
    found = read_rules([str(document), "vn-2022-05"])
    assert {bundle.name for bundle in found} == {"signature-only", "vn-2022-05", "yf-ihr"}
    with pytest.raises(IssuerError, match=r"vaxgate-rules bundle build vn-2022-05\.json"):
        read_rules([str(shipped.FOLDER / "vn-2022-05.json")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "neither a file"),
        ("{", "not JSON"),
        ('{"bundles":[],"v":1}', "there is none"),
        ('{"bundles":[{"asks":"mercy","name":"own","version":"1.0.0"}],"v":1}', "asks"),
    ],
)
def test_what_is_no_rules_is_refused_by_name(tmp_path: Path, text: str | None, words: str) -> None:
    """Before anything is changed, and with the names that there are."""
    file = tmp_path / "own.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(IssuerError, match=words):
        read_rules([str(file)])


def test_the_same_rules_twice_are_refused() -> None:
    """Two of one name and version, whatever they say."""
    with pytest.raises(IssuerError, match="stands there twice"):
        read_rules(["vn-2022-03", "vn-2022-03"])


def test_rules_that_units_would_refuse_are_not_chosen(issuer: Issuer, now: datetime) -> None:
    """An older version, until it says that it is a roll-back; what was in force is remembered by its name."""

    def choose(bundle: RuleBundle) -> None:
        choose_rules(issuer.registry, [bundle], now)

    entry = replace(SIGNATURE_ONLY, name="entry")
    choose(replace(entry, version="2.0.0"))
    choose(SIGNATURE_ONLY)
    with pytest.raises(IssuerError, match="every unit would refuse these rules"):
        choose(entry)
    assert rules_of(issuer.registry) == (SIGNATURE_ONLY,)
    choose(replace(entry, replaces="2.0.0"))
    assert [bundle.version for bundle in rules_of(issuer.registry)] == ["1.0.0"]
    with pytest.raises(IssuerError, match="was taken back"):
        choose(replace(entry, version="2.0.0"))


def test_the_command_takes_rules_when_it_founds_and_when_it_publishes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name, several, and from a file; a wrong one founds nothing."""
    office = tmp_path / "office"
    assert main(["init", str(office), "--clock", CLOCK, "--seed", "s", "--rules", "vn-1999"]) == 2
    assert "vn-2022-03" in capsys.readouterr().err
    assert not office.exists()
    founding = ["init", str(office), "--clock", CLOCK, "--seed", "s", "--json"]
    assert main([*founding, "--rules", "vn-2022-03", "--rules", "vn-2022-05"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == ["vn-2022-03 1.0.0", "vn-2022-05 1.0.0"]
    own = tmp_path / "own.json"
    own.write_bytes(encode_bundles([replace(SIGNATURE_ONLY, name="own")]))
    assert main(["publish", "--data", str(office), "--json", "--rules", str(own)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rules"], "rules" in said["published"]["changed"]) == (["own 1.0.0"], True)
    assert main(["publish", "--data", str(office), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == ["own 1.0.0"]
