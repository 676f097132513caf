"""The published vectors, through the public command: no difference in any suite that is verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from interop import SUITES

from appliance.cli.verify import main
from verifier.reasons import State


@pytest.mark.vectors
@pytest.mark.parametrize("suite", SUITES[:-1])
@pytest.mark.parametrize("source", ["texts", "pictures"])
def test_no_expectation_of_others_differs(
    suite: str, source: str, vectors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """decode, content, signature, chain, time, key usage, schema and picture of every suite."""
    arguments = ["--cases", str(vectors / f"{suite}.jsonl"), "--compare"]
    if source == "pictures":
        arguments += ["--pictures", str(vectors)]
    status = main(arguments)
    assert status == 0, capsys.readouterr().out


@pytest.mark.vectors
def test_the_vietnamese_specimen_verifies(vectors: Path) -> None:
    """PS256, KID in the protected header, issuer VN, an expiry date that is not twelve months away."""
    from datetime import UTC, datetime

    from appliance.cli.answer import judge
    from appliance.cli.cases import case_trust, read_cases
    from appliance.judging import Basis
    from verifier.policy.bundle import SIGNATURE_ONLY
    from verifier.trust import TrustList
    from verifier.wire.keyfile import parse_keys

    case = next(c for c in read_cases(vectors / "eu-qa.jsonl") if c.identity == "eu-qa/VN/1.3.0/VAC_VN.png")
    keys = case_trust(case).keys
    basis = Basis(TrustList.of(keys), (SIGNATURE_ONLY,), datetime(2023, 6, 1, tzinfo=UTC))
    verdict = judge(case.line["text"], basis).verdict
    assert verdict.state is State.PASS
    assert verdict.certificate.issuer == "VN"
    assert verdict.certificate.expires_at == datetime(2025, 1, 30, tzinfo=UTC)
    assert parse_keys(keys[0].certificate)[0].kid.hex() == "f30da46716f7882d"


@pytest.mark.vectors
@pytest.mark.parametrize("suite", ["shc", "divoc", "certlogic-spec", "quarantine", "shc-keys"])
def test_suites_of_any_kind_give_a_line_for_each_case(
    suite: str, vectors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case that cannot be judged still gets its line, in the order of the cases, and nothing raises."""
    import json

    path = vectors / f"{suite}.jsonl"
    main(["--cases", str(path)])
    answers = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
    assert answers == [
        json.loads(line)["id"] for line in path.read_text(encoding="utf-8").split("\n") if line
    ]
