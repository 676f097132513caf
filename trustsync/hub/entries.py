"""Which revocation entries an environment publishes: those of its lists, and those that people brought.

The rules this module keeps:

* Lists revoke. Only people of the hub let certificates in (``HashKind.ALLOWED``), by hand, and what stands of
  that changes with the list of keys that promises it, see :mod:`trustsync.hub.publish`.
* A list that was gathered for one environment revokes nothing in the other.
* Nobody revokes the specimens by which units try a list, but the hub itself.
* Ten million entries are worked on as packed bytes.

    revoked(ledger, sources, PRODUCTION, specimens)     # (scope, kind) to entries, as segments have them
    allowed(ledger, PRODUCTION)                         # KID to the certificates that stay good
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trustsync.deltas import difference
from trustsync.hub.ledger import HubLedger
from trustsync.hub.records import ENTRY
from trustsync.hub.specimens import COUNTRY, Specimens
from trustsync.hub.upstream import Source
from trustsync.layout import REVOCATION_INDEX_PATH
from trustsync.publishing import standing_segments, standing_targets
from trustsync.segments import (
    ALLOWED_WIDTH,
    SegmentRecord,
    decode_index,
    entries_of,
    entry_width,
    position,
    sorted_entries,
)
from verifier.trust import HashKind, country_scope

_FEW = 16  # a segment this many times as long as what comes to it is not sorted again


def by_hand(environment: str) -> str:
    """The name under which entries stand that people brought; no source can have it."""
    return f"by hand, {environment}"


def revoked(
    ledger: HubLedger, sources: Iterable[Source], environment: str, specimens: Specimens
) -> dict[tuple[bytes, HashKind], bytes]:
    """What is revoked by scope and kind, each sorted and as wide as its segment."""
    held = {name: each.environment for name, each in ledger.lists().items()}
    names = {
        source.name
        for source in sources
        if source.environment == environment == held.get(source.name, environment)
    }
    scope, kind, digest = specimens.revoked
    own = {scope, country_scope(COUNTRY)}
    gathered: dict[tuple[bytes, HashKind], list[bytes]] = {}
    for entries in ledger.entries({*names, by_hand(environment)}):
        if entries.kind is not HashKind.ALLOWED and entries.scope not in own:
            cut = _cut(ledger.blobs.read(entries.blob), entry_width(entries.kind))
            gathered.setdefault((entries.scope, entries.kind), []).append(cut)
    gathered[scope, kind] = [digest[: entry_width(kind)]]
    return {(scope, kind): _united(parts, entry_width(kind)) for (scope, kind), parts in gathered.items()}


def allowed(ledger: HubLedger, environment: str) -> dict[bytes, bytes]:
    """By KID the certificates that stay good, as it was decided last."""
    return {
        each.scope: ledger.blobs.read(each.blob)
        for each in ledger.entries({by_hand(environment)})
        if each.kind is HashKind.ALLOWED
    }


def standing(ledger: HubLedger, environment: str) -> dict[SegmentRecord, bytes]:
    """The segments as they are published now."""

    documents = ledger.published(environment)

    def find(path: str, digest: str) -> bytes | None:
        if path in documents:
            return documents[path]
        return ledger.blobs.read(digest) if ledger.blobs.has(digest) else None

    return standing_segments(ledger.metadata_of(environment), find)


def standing_allowed(ledger: HubLedger, environment: str) -> dict[bytes, bytes]:
    """By KID the certificates that stay good, as it is published now; a blob that is gone counts as empty."""
    index = ledger.published(environment).get(REVOCATION_INDEX_PATH)
    digests = standing_targets(ledger.metadata_of(environment), "revocation")
    found: dict[bytes, bytes] = {}
    for record in decode_index(index) if index is not None else ():
        if record.kind is HashKind.ALLOWED and ledger.blobs.has(digests[record.path]):
            part = ledger.blobs.read(digests[record.path])
            found[record.scope] = sorted_entries(found.get(record.scope, b"") + part, ALLOWED_WIDTH)
    return found


def allow_segments(allowed: Mapping[bytes, bytes]) -> dict[tuple[bytes, HashKind], bytes]:
    """What lets in, as :func:`trustsync.deltas.plan_segments` wants it."""
    return {(kid, HashKind.ALLOWED): entries for kid, entries in allowed.items()}


def _cut(data: bytes, width: int) -> bytes:
    """The first ``width`` bytes of each entry, in one go: there may be ten million."""
    if width == ENTRY:
        return data
    if width * 2 == ENTRY:
        return memoryview(data).cast("Q")[::2].tobytes()
    return b"".join(data[at : at + width] for at in range(0, len(data), ENTRY))


def _united(parts: Sequence[bytes], width: int) -> bytes:
    """Several sorted segments as one. A few entries go between the many where they belong, unsorted again."""
    base, *others = sorted((sorted_entries(part, width) for part in parts), key=len, reverse=True)
    added = difference(sorted_entries(b"".join(others), width), base, width)
    if len(added) * _FEW > len(base):
        return sorted_entries(base + added, width)
    pieces, begin = [], 0
    for entry in entries_of(added, width):
        end = position(base, width, int.from_bytes(entry)) * width
        pieces += [base[begin:end], entry]
        begin = end
    return b"".join((*pieces, base[begin:]))
