"""Where things lie: the project, and the vectors that others published."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def vectors_dir() -> Path | None:
    """The folder of the published vectors: ``VAXGATE_VECTORS``, else beside the project."""
    given = os.environ.get("VAXGATE_VECTORS")
    place = Path(given) if given else ROOT.parent / "shared" / "vectors"
    return place if (place / "eu-testdata.jsonl").exists() else None
