"""What the people of a hub decide themselves: keys that they distrust, and certificates that are revoked.

The rules this module keeps:

* A decision is about one KID of one environment, has a name under it, and replaces the one before.
* Distrust "from an instant on" is for an honest signer's mistake: a thief dates back. Where a key was stolen,
  all of it is withdrawn, and really issued certificates may be listed by the hash of their signed bytes.
* Hashes come as a file: one a line in hex or Base64, or packed 16 bytes each. Nothing else of a person ever
  gets here.

    distrust(ledger, PRODUCTION, kid, by="an", now=now)
    revoke(ledger, PRODUCTION, kid, HashKind.UCI, read_hashes(path))
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from pathlib import Path

from trustsync.hub.candidate import REINSTATED, REJECT_FROM, WITHDRAWN
from trustsync.hub.config import HubError
from trustsync.hub.entries import by_hand
from trustsync.hub.ledger import HubLedger
from trustsync.hub.records import ENTRY, Decision
from trustsync.layout import KEYS_PATH
from trustsync.segments import sorted_entries
from trustsync.targets import decode_keys
from verifier.trust import HashKind

PACKED = ".bin"  # the ending of a file of packed hashes
# Kinds that a list by hand can have; an instant belongs to each entry of the one that is missing.
KINDS = {
    "signature": HashKind.SIGNATURE,
    "uci": HashKind.UCI,
    "country-uci": HashKind.COUNTRYCODEUCI,
    "rid": HashKind.RID,
    "fhir": HashKind.FHIR,
    "serial": HashKind.SERIAL,
    "document": HashKind.DOCUMENT,
}
_SHA256 = 32  # bytes; a whole hash is cut to its entry


def distrust(
    ledger: HubLedger,
    environment: str,
    kid: bytes,
    *,
    by: str,
    now: datetime,
    since: datetime | None = None,
    allow: bytes = b"",
) -> None:
    """Withdraw the keys of a KID, or refuse what they sign from ``since`` on.

    allow: packed hashes of the signed bytes of certificates that stay good. Raises HubError for a KID that is
    on no list.
    """
    _check_known(ledger, environment, kid)
    word = WITHDRAWN if since is None else REJECT_FROM
    with ledger.change():
        ledger.decide(environment, Decision(kid, word, since, bool(allow), by, now))
        ledger.add_entries(by_hand(environment), kid, HashKind.ALLOWED, allow)


def reinstate(ledger: HubLedger, environment: str, kid: bytes, *, by: str, now: datetime) -> None:
    """Believe in the keys of a KID again; units that saw them withdrawn are told so. Raises HubError."""
    _check_known(ledger, environment, kid)
    with ledger.change():
        ledger.decide(environment, Decision(kid, REINSTATED, None, False, by, now))
        ledger.add_entries(by_hand(environment), kid, HashKind.ALLOWED, b"")


def revoke(
    ledger: HubLedger,
    environment: str,
    scope: bytes,
    kind: HashKind,
    hashes: bytes,
    *,
    replace: bool = False,
) -> int:
    """Add packed hashes to what is revoked in a scope; how many stand there now.

    replace: they are all that is revoked there by hand, so those that are missing are taken back.
    """
    name = by_hand(environment)
    held = (
        b""
        if replace
        else b"".join(
            ledger.blobs.read(each.blob)
            for each in ledger.entries([name])
            if (each.scope, each.kind) == (scope, kind)
        )
    )
    packed = sorted_entries(held + hashes, ENTRY)
    with ledger.change():
        ledger.add_entries(name, scope, kind, packed)
    return len(packed) // ENTRY


def read_hashes(path: Path) -> bytes:
    """The hashes of a file, packed and in order. Raises HubError naming the line that is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HubError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix == PACKED:
        if len(data) % ENTRY:
            raise HubError(f"{path} has {len(data)} bytes; packed hashes have {ENTRY} each")
        return sorted_entries(data, ENTRY)
    packed = bytearray()
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.strip()
        if text and not text.startswith(b"#"):
            packed += _hash(text, f"{path}, line {number}")[:ENTRY]
    if not packed:
        raise HubError(f"{path} holds no hash")
    return sorted_entries(packed, ENTRY)


def _hash(text: bytes, where: str) -> bytes:
    try:
        value = (
            binascii.unhexlify(text)
            if len(text) in (2 * ENTRY, 2 * _SHA256)
            else base64.b64decode(text, validate=True)
        )
    except (binascii.Error, ValueError):
        value = b""
    if len(value) not in (ENTRY, _SHA256):
        raise HubError(f"{where}: no hash; {ENTRY} or {_SHA256} bytes in hex or Base64 are expected")
    return value


def _check_known(ledger: HubLedger, environment: str, kid: bytes) -> None:
    """Raise HubError for a KID that nobody ever listed here: a typing error must not look like a decision."""
    before = ledger.published(environment).get(KEYS_PATH)
    listed = decode_keys(before) if before is not None else None
    authorities = {record.authority.key_id for record in (listed.authorities if listed else ())}
    if kid not in authorities and not any(trace.environment == environment for trace in ledger.traces(kid)):
        raise HubError(
            f"no list of {environment} ever had KID {kid.hex()}; compare it to the letter: vaxgate-hub show"
        )
