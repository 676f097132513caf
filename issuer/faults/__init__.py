"""Faults on purpose: every family's chain with one step broken, each named for its fault.

Each module holds the faults of one family; ``base`` says what a fault is.

    FAULTS["payload-changed"].make(issuer, payload, now)
"""

from __future__ import annotations

from collections.abc import Mapping

from issuer.faults import hc1
from issuer.faults.base import Code, Fault
from issuer.faults.pictures import blot

FAULTS: Mapping[str, Fault] = {fault.name: fault for module in (hc1,) for fault in module.faults.rows}

__all__ = ["FAULTS", "Code", "Fault", "blot"]
