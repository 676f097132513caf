"""How long a hub takes to publish many keys and very many revocation hashes, and what a night adds.

    PYTHONPATH=tests python -m bench.publish
    PYTHONPATH=tests python -m bench.publish --hashes 10000000 --night 20000 --json build/publish.json

Certificates and hashes are drawn at random once; drawing them is not part of the figure. What is measured is
the command's own way: from the state on disk to a repository that is laid out and flushed.
"""

from __future__ import annotations

import argparse
import json
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey

from bench.told import keep
from issuer.keys import EcdsaKey
from issuer.signers import make_csca, make_dsc
from trustsync.hub.config import load_config
from trustsync.hub.decisions import revoke
from trustsync.hub.founding import found_hub
from trustsync.hub.ledger import HubLedger
from trustsync.hub.publish import candidate_of, change_of, load_private, load_signers, publish
from trustsync.hub.records import ENTRY, HeldList
from trustsync.hub.review import sign_change
from trustsync.hub.upstream import Authentication
from trustsync.segments import sorted_entries
from trustsync.targets import PRODUCTION, KeyRecord
from verifier.keys import trusted_key
from verifier.trust import HashKind

NOW = datetime(2022, 3, 1, 2, 0, tzinfo=UTC)


def listed(count: int) -> tuple[KeyRecord, ...]:
    """Keys of signers with real certificates of one CSCA."""
    csca_key = EcdsaKey(7)
    csca = make_csca("XV", csca_key, 1, NOW)
    records = []
    for number in range(count):
        spki = EcdsaKey(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value).spki()
        certificate = make_dsc(
            csca=csca,
            csca_key=csca_key,
            spki=spki,
            country="XV",
            name=f"DSC {number}",
            serial=number + 2,
            now=NOW,
        )
        records.append(KeyRecord(trusted_key(certificate, source="bench")))
    return tuple(records)


def timed(what: str, action: Callable[[], Any], figures: dict[str, float]) -> Any:
    """Do it, say how long it took."""
    begin = time.perf_counter()
    result = action()
    figures[what] = round(time.perf_counter() - begin, 3)
    print(f"{what:<40} {figures[what]:8.2f} s", flush=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=3000)
    parser.add_argument("--hashes", type=int, default=10_000_000)
    parser.add_argument("--night", type=int, default=20_000, help="new hashes of the second publication")
    parser.add_argument("--scopes", type=int, default=100, help="KIDs among which the hashes are spread")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-publish-") as name:
        hub = found_hub(Path(name) / "hub", reviewers=["an", "binh"]).config
        with (hub.directory / "hub.toml").open("a") as file:
            file.write('\n[[source]]\nname = "bench"\nkind = "files"\npins = { sha256 = "text:-" }\n')
        config = load_config(hub.directory)
        records = listed(options.keys)
        held = HeldList("bench", PRODUCTION, Authentication.PINNED, NOW, "", records)
        each = options.hashes // options.scopes
        with HubLedger.open(config.state) as ledger:
            entries = {
                (record.key.kid, HashKind.UCI): sorted_entries(secrets.token_bytes(each * ENTRY), ENTRY)
                for record in records[: options.scopes]
            }
            with ledger.change():
                ledger.keep_list(held, entries)
            change = change_of(ledger, candidate_of(config, ledger, PRODUCTION))
            for reviewer in config.reviewers:
                key = load_private(hub.directory / "reviewers" / f"{reviewer}.key")
                with ledger.change():
                    signed = sign_change(change, reviewer, SigningKey(key.private_bytes_raw()), NOW)
                    ledger.approve(PRODUCTION, signed)
            signers = load_signers([hub.directory / "keys" / PRODUCTION])
            timed("first publication", lambda: publish(config, ledger, PRODUCTION, NOW, signers), figures)
            size = sum(p.stat().st_size for p in config.repository(PRODUCTION).rglob("*") if p.is_file())
            share = options.night // options.scopes
            for record in records[: options.scopes]:
                fresh = secrets.token_bytes(share * ENTRY)
                revoke(ledger, PRODUCTION, record.key.kid, HashKind.UCI, sorted_entries(fresh, ENTRY))
            night = NOW + timedelta(days=1)
            timed("a night later", lambda: publish(config, ledger, PRODUCTION, night, signers), figures)
            grown = sum(p.stat().st_size for p in config.repository(PRODUCTION).rglob("*") if p.is_file())
            timed("nothing new", lambda: publish(config, ledger, PRODUCTION, night, signers), figures)
    figures |= {
        "published_mb": round(size / 1e6, 1),
        "night_kb": round((grown - size) / 1e3, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    words = f"{options.keys} keys, {options.hashes} hashes of {options.scopes} KIDs, {options.night} a night"
    print(f"{words}: {json.dumps(figures)}")
    keep(figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
