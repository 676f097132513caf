"""What a revocation entry is the hash of, on the side of the one who revokes.

The rules this module keeps:

* Each entry is the first 16 bytes of a SHA-256: of the identifier by which a family revokes, as written; of
  country and identifier; of the signature. For ECDSA only R, its first half, counts: S can be changed by
  anybody who holds the code.
* Entries are published by scope: a KID, a whole country where the KID is not known, a CSCA for its signers.

    entry = identifier_digest("URN:UVCI:01:XV:…")
    targets = segments(registry.revoked(), held)       # path → bytes, the index among them

Source: EU DCC gateway, revocation hash types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from issuer.keys import Algorithm
from trustsync.deltas import grouped, plan_segments, revocation_targets
from trustsync.segments import SegmentRecord
from verifier.trust import HashKind

DIGEST = 16  # bytes


def signature_digest(algorithm: Algorithm, signature: bytes) -> bytes:
    """The entry that revokes by signature. signature: raw, as COSE has it."""
    counted = signature[: len(signature) // 2] if algorithm is Algorithm.ES256 else signature
    return hashlib.sha256(counted).digest()[:DIGEST]


def identifier_digest(identifier: str, country: str = "") -> bytes:
    """The entry that revokes by identifier, or by country and identifier where a country is given."""
    return hashlib.sha256((country + identifier).encode()).digest()[:DIGEST]


def segments(
    entries: Iterable[tuple[bytes, HashKind, bytes]],
    held: Mapping[SegmentRecord, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """The targets of the ``revocation`` role for these entries (scope, kind, digest).

    held: the segments that are published now; what stands is kept, and what came is added beside it.
    """
    return revocation_targets(plan_segments(held, grouped(entries)))
