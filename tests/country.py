"""A country with many signers and many revocations, published as a hub does it: bases, and nightly deltas.

country = Country(folder, keys=3000, held=1_000_000, scopes=50)
country.publish(START)
added = country.revoke(20_000, among=1)       # of the signer who has most
country.publish(START + DAY)                  # a delta more, and nothing else but signatures
"""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from trust_site import Publisher, key

from trustsync.deltas import plan_segments, revocation_targets
from trustsync.segments import SEGMENT_WIDTH, SegmentRecord, sorted_entries
from trustsync.targets import KeyRecord
from verifier.trust import HashKind

Place = tuple[bytes, HashKind]


class Country(Publisher):
    """Publishes as a hub does: many keys, and revocations as bases that nightly deltas are added to."""

    def __init__(self, directory: Path, *, keys: int, held: int, scopes: int) -> None:
        super().__init__(directory)
        self.rng = random.Random(4)
        self.keys = [signer(number) for number in range(1, keys + 1)]
        # Few signers have many revocations and most have few: the n-th has the n-th part of the first's.
        shares = [1 / rank for rank in range(1, scopes + 1)]
        self.entries: dict[Place, bytes] = {
            (record.key.kid, HashKind.UCI): self.draw(int(held * share / sum(shares)))
            for record, share in zip(self.keys, shares, strict=False)
        }
        self.planned: dict[SegmentRecord, bytes] = {}

    def draw(self, count: int) -> bytes:
        """So many invented entries, sorted."""
        return sorted_entries(self.rng.randbytes(count * SEGMENT_WIDTH))

    def revoke(self, count: int, among: int) -> dict[Place, bytes]:
        """New entries for as many signers, in proportion to what they have; what was added, by place."""
        places = list(self.entries)[:among]
        whole = sum(len(self.entries[place]) for place in places)
        added = {place: self.draw(count * len(self.entries[place]) // whole) for place in places}
        for place, entries in added.items():
            self.entries[place] = sorted_entries(self.entries[place] + entries)
        return added

    def publish(self, now: datetime, *, resign: tuple[str, ...] = ()) -> None:
        self.planned = plan_segments(self.planned, self.entries)
        super().publish(now, resign=resign)

    def sign_timestamp(self, now: datetime, fields: dict[str, Any] | None = None) -> None:
        super().sign_timestamp(now, fields)
        # nginx makes its ETag of second and size: nights that are played within one second must differ.
        os.utime(self.directory / "metadata" / "timestamp.json", (now.timestamp(), now.timestamp()))

    def sizes(self) -> dict[str, int]:
        """Every published file with its size."""
        return {
            str(path.relative_to(self.directory)): path.stat().st_size
            for path in self.directory.rglob("*")
            if path.is_file()
        }

    def _targets(self) -> dict[str, dict[str, bytes]]:
        return super()._targets() | {"revocation": revocation_targets(self.planned)}


def signer(number: int) -> KeyRecord:
    """The key of an invented signer: P-256, as most are."""
    point = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    spki = point.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = key(1)
    return replace(record, key=replace(record.key, kid=hashlib.sha256(spki).digest()[:8], spki=spki))
