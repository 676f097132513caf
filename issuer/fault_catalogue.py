"""The catalogue of faults on purpose, as rows for scripts and as codes on disk.

The rules this module keeps:

* A row says which fault, of which family, and what a verifier must answer; an oddity that must be accepted
  has the state PASS and no reason.
* Each code is issued for the same invented traveller, so that only the fault differs.
* What was revoked or rotated on the way shows after the next publication.

    rows = fault_rows()
    write_faults(issuer, now, Path("faults"))      # NNN-name.txt, NNN-name.png and manifest.json
    issuer.publish(now)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from issuer import certificates
from issuer.certificates import Person
from issuer.errors import IssuerError
from issuer.faults import FAULTS, Fault
from issuer.office import Issuer
from issuer.qr import draw
from issuer.sealing import text_of
from trustsync.files import write_whole
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.times import written

TRAVELLER = Person("Trương", "Mỹ Ước", "2001-12-24")
_DOSE = timedelta(days=90)  # how long before the clock the dose was given
MANIFEST = "manifest.json"


def fault_rows() -> list[dict[str, Any]]:
    """Every fault, in the order of the catalogue."""
    return [_row(fault) for fault in FAULTS.values()]


def _row(fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "family": str(fault.family),
        "expect_state": fault.expect_state.value,
        "expect_reason": None if fault.expect_reason is None else fault.expect_reason.value,
        "about": fault.about,
    }


def write_faults(
    issuer: Issuer, now: datetime, out: Path, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Issue every fault as of ``now`` and write its code as text and as picture; the path of the manifest.

    The manifest says ``clock``, the instant to judge at, ``rules``, the bundle to judge by, and of each fault
    its row with ``text`` and ``pictures``, names of files beside it. A code in parts has a line and a picture
    for each; one that no symbol can hold has no picture, and one that cannot be issued at this clock (a
    digital ICVP before they came into force) has ``left_out``, why. progress: told how many are done, of how
    many.
    """
    payload = certificates.of_vaccination(TRAVELLER, country=issuer.country, day=(now - _DOSE).date())
    rows = []
    for number, fault in enumerate(FAULTS.values(), 1):
        if progress is not None:
            progress(number - 1, len(FAULTS))
        try:
            code = fault.make(issuer, payload, now)
        except IssuerError as error:
            rows.append(_row(fault) | {"left_out": str(error)})
            continue
        symbols = code if isinstance(code, tuple) else (code,)
        name = f"{number:03}-{fault.name}"
        write_whole(out / f"{name}.txt", "".join(text_of(symbol) + "\n" for symbol in symbols).encode())
        pictures = []
        for part, symbol in enumerate(symbols, 1):
            picture = f"{name}.png" if len(symbols) == 1 else f"{name}-{part}of{len(symbols)}.png"
            try:
                write_whole(out / picture, draw(symbol).png())
            except IssuerError:
                continue  # too large for any symbol, which is the fault
            pictures.append(picture)
        rows.append(_row(fault) | {"text": f"{name}.txt", "pictures": pictures})
    manifest = out / MANIFEST
    whole = {"clock": written(now), "rules": SIGNATURE_ONLY.name, "faults": rows}
    write_whole(manifest, (json.dumps(whole, ensure_ascii=False, indent=2) + "\n").encode())
    return manifest
