"""Signed lists that the command is given are made where the hub's tests make theirs."""

from __future__ import annotations

import sys

from places import ROOT

sys.path.append(str(ROOT / "tests" / "hub"))
