"""Certificates that travel with a list so that it can be tried: one good, one broken, one revoked.

The rules this module keeps:

* They were over before any list was made: key and certificates hold for one day of 2021. Judged at that day's
  noon they answer as the cases say; at a desk each is EXPIRED, and so is its key. None can be green there.
* Holder and identifiers say SELFTEST, the issuer is ``XX``: a country that does not exist.
* The same secret gives the same bytes. A hub draws one, keeps what was made of it and forgets it.

    specimens = make_specimens(secret)
    specimens.key                        # goes into trust/keys.cbor
    specimens.revoked                    # goes into the revocation segments
    specimens.document                   # is trust/self-test.json, see trustsync.trial
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trustsync.targets import PRODUCTION, KeyRecord
from trustsync.trial import TrialCase, encode_trial
from verifier.keys import EDDSA
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind, TrustedKey
from verifier.wire import hc1

COUNTRY = "XX"  # reserved for users by ISO 3166-1; no issuer has it
HOLDER = "SELFTEST"
_BEGIN = datetime(2021, 1, 15, tzinfo=UTC)
_END = _BEGIN + timedelta(days=1)
_NOON = _BEGIN + timedelta(hours=12)
_KID = 8  # bytes
_DIGEST = 16  # bytes of a revocation entry


@dataclass(frozen=True, slots=True)
class Specimens:
    """What a publisher adds to its list. revoked: scope, kind and digest of one entry."""

    key: KeyRecord
    revoked: tuple[bytes, HashKind, bytes]
    document: bytes


def make_specimens(secret: bytes, environment: str = PRODUCTION) -> Specimens:
    """The cases that this secret makes.

    secret: 32 bytes; whoever knows them can sign further certificates of that day, and none of another.
    environment: of the list.
    """
    key = Ed25519PrivateKey.from_private_bytes(secret)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kid = hashlib.sha256(spki).digest()[:_KID]
    good, revoked = _text(key, kid, 1), _text(key, kid, 2)
    cases = (
        TrialCase(good, _NOON, State.PASS),
        TrialCase(_text(key, kid, 1, broken=True), _NOON, State.FAIL, Reason.SIG_BAD),
        TrialCase(revoked, _NOON, State.FAIL, Reason.REVOKED),
    )
    listed = TrustedKey(
        kid=kid,
        spki=spki,
        country=COUNTRY,
        not_before=_BEGIN,
        not_after=_END,
        source=HOLDER,
        domain=Domain.HCERT,
    )
    digest = hashlib.sha256(_identifier(2).encode()).digest()[:_DIGEST]
    return Specimens(KeyRecord(listed, environment), (kid, HashKind.UCI, digest), encode_trial(cases))


def _identifier(number: int) -> str:
    return f"URN:UVCI:01:{COUNTRY}:{HOLDER}{number}"


def _text(key: Ed25519PrivateKey, kid: bytes, number: int, *, broken: bool = False) -> str:
    """The code of one certificate; a broken one carries a signature with one bit turned."""
    dose = {
        "tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 2, "sd": 2,
        "dt": "2021-01-08", "co": COUNTRY, "is": HOLDER, "ci": _identifier(number),
    }  # fmt: skip
    payload = {
        "ver": "1.3.0", "nam": {"fn": HOLDER, "fnt": HOLDER}, "dob": "1970-01-01", "v": [dose],
    }  # fmt: skip

    def sign(data: bytes) -> bytes:
        signature = key.sign(data)
        return signature[:10] + bytes([signature[10] ^ 1]) + signature[11:] if broken else signature

    return hc1.encode_hc1(
        payload,
        iss=COUNTRY,
        iat=int(_BEGIN.timestamp()),
        exp=int(_END.timestamp()),
        kid=kid,
        alg=EDDSA,
        sign=sign,
    )
