"""The same seed and the same clock, twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from issuer.cli import main
from issuer.office import Issuer

CLOCK = "2021-09-01T08:00:00Z"


def _run(directory: Path, seed: str) -> dict[str, bytes]:
    """Everything that one life of an issuer leaves: keys, published list, codes and pictures."""
    office = str(directory / "office")
    at = ["--data", office, "--clock", CLOCK]
    who = ["--surname", "Đặng", "--given", "Thị Đào", "--dob", "1990-04-21"]
    assert main(["init", office, "--seed", seed, "--clock", CLOCK]) == 0
    for algorithm in ("ES256", "PS256", "EdDSA"):
        for ending in ("txt", "png", "svg"):
            out = str(directory / "codes" / f"{algorithm}.{ending}")
            assert main(["issue", *at, "--kind", "recovery", "--alg", algorithm, *who, "--out", out]) == 0
    for family in ("DDCC", "LT1", "AT1", "SHC", "VDS-NC", "DIVOC", "NZCP"):
        for ending in ("txt", "png"):
            out = str(directory / "codes" / f"{family}.{ending}")
            assert main(["issue", *at, "--kind", "vaccination", "--family", family, *who, "--out", out]) == 0
    assert main(["issue", *at, "--cast", str(directory / "cast")]) == 0
    assert main(["rotate", *at, "--family", "VDS-NC", "--withdraw"]) == 0
    assert main(["rotate", *at, "--alg", "ES256"]) == 0
    with Issuer.open(directory / "office") as issuer:
        keys = [[row.kid.hex(), row.material.hex()] for row in issuer.registry.signing_keys()]
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for part in ("codes", "cast", "office/public")
        for path in (directory / part).rglob("*")
        if path.is_file()
    }
    return files | {"keys": json.dumps(keys).encode()}


@pytest.mark.scenario("SC-I16")
def test_the_same_seed_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Keys, lists, codes and pictures; another seed shares none of the codes and none of the lists."""
    one, two, other = (
        _run(tmp_path / name, seed) for name, seed in (("1", "seed"), ("2", "seed"), ("3", "other"))
    )
    assert one == two
    assert len([name for name in one if name.endswith((".png", ".svg", ".txt"))]) == 9 + 14 + 18
    assert one["keys"] != other["keys"]
    for name in set(one) & set(other):
        # The web link, the expectations and the rules say nothing that a key has touched.
        if name.startswith(("codes/", "cast/", "office/public/metadata/")):
            assert (one[name] == other[name]) == (name in ("cast/17-web-link.png", "cast/cast.json")), name
