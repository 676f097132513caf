"""An issuer to test with: made once, copied for each test, because an RSA key takes its time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuer.office import Issuer

NOW = datetime(2021, 9, 1, 8, 0, tzinfo=UTC)
SEED = "a seed for tests"


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an issuer that was made at NOW from SEED and has published once."""
    directory = tmp_path_factory.mktemp("founded") / "office"
    with Issuer.create(directory, now=NOW, seed=SEED) as issuer:
        issuer.publish(NOW)
    return directory


@pytest.fixture
def office(founded: Path, tmp_path: Path) -> Path:
    """A directory of its own with that issuer."""
    return Path(shutil.copytree(founded, tmp_path / "office"))


@pytest.fixture
def issuer(office: Path) -> Iterator[Issuer]:
    """That issuer, opened."""
    with Issuer.open(office) as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    """The instant at which the issuer was made."""
    return NOW
