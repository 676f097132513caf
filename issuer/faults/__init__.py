"""Faults on purpose: every family's chain with one step broken, each named for its fault.

Each module holds the faults of one family; ``base`` says what a fault is.

    FAULTS["payload-changed"].make(issuer, payload, now)
"""

from __future__ import annotations

from collections.abc import Mapping

from issuer.faults import divoc, hc1, hc1_container, hc1_content, hcert_kin, nzcp, shc, vds_nc
from issuer.faults.base import Code, Fault
from issuer.faults.pictures import blot

_CATALOGUES = (
    hc1.faults,
    hc1_container.faults,
    hc1_content.faults,
    hcert_kin.lights,
    hcert_kin.exemptions,
    hcert_kin.data_sets,
    hcert_kin.prophylaxes,
    nzcp.faults,
    shc.faults,
    vds_nc.faults,
    divoc.faults,
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for catalogue in _CATALOGUES for fault in catalogue.rows}

__all__ = ["FAULTS", "Code", "Fault", "blot"]
