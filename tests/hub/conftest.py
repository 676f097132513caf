"""The fixture of the hub's tests; what it is made of stands in ``pilot.py``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pilot import Pilot, Spoken

from trustsync.hub.sources import importer_of
from trustsync.hub.upstream import Importer, Source


@pytest.fixture(scope="session")
def founded_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub as it was made, to be copied: it has many keys, each of which is flushed to the medium."""
    return Pilot.found(tmp_path_factory.mktemp("founded") / "hub").directory


@pytest.fixture
def pilot(founded_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pilot:
    """A new hub; sources of kind ``spoken`` say what the test lets them say."""
    made = Pilot(Path(shutil.copytree(founded_hub, tmp_path / "hub")))

    def spoken_or_real(source: Source) -> Importer:
        return Spoken(made.said) if source.kind == "spoken" else importer_of(source)

    monkeypatch.setattr("trustsync.hub.gather.importer_of", spoken_or_real)
    return made
