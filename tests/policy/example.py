"""The bundle of ``docs/rules.md``: what the page shows is what these tests run."""

from __future__ import annotations

import json
import re
from typing import Any

from places import ROOT

PAGE = ROOT / "docs" / "rules.md"


def page() -> str:
    """The page as it is."""
    return PAGE.read_text(encoding="utf-8")


def example() -> dict[str, Any]:
    """A fresh copy of the page's bundle."""
    block = re.search(r"^    \{\n(?:    .*\n)+?    \}\n", page(), re.MULTILINE)
    assert block is not None, "the page has an example"
    row: dict[str, Any] = json.loads(block[0])
    return row
