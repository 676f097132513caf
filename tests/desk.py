"""A desk for tests: issuers with keys of their own, and judging by the functions that the commands use.

desk = Desk(now=instant("2022-03-01T09:00:00+07:00"))
signer = desk.signer()                       # its key is in the trust list from now on
desk.judge(signer.issue(vaccination()))      # a Verdict
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from appliance.cli.answer import Judged, judge
from appliance.judging import Basis
from issuer.keys import Algorithm, SigningKey, generate
from issuer.seed import Stream
from verifier.policy.bundle import SIGNATURE_ONLY, RuleBundle
from verifier.reasons import Reason, State
from verifier.trust import Authority, ClockState, HashKind, KeyStatus, Revocation, TrustedKey, TrustList
from verifier.wire import cose, deflate, hc1
from verifier.wire.envelope import Envelope

COUNTRY = "XV"
NOW = datetime(2022, 3, 1, 2, 0, tzinfo=UTC)


def instant(text: str) -> datetime:
    """An aware instant."""
    return datetime.fromisoformat(text)


def person(**change: Any) -> dict[str, Any]:
    """An invented traveller, as the head of a DCC payload."""
    name = {"fn": "Nguyễn", "gn": "Bảo Duy", "fnt": "NGUYEN", "gnt": "BAO<DUY"}
    return {"ver": "1.3.0", "nam": name, "dob": "1983-10-10"} | change


def dose(**change: Any) -> dict[str, Any]:
    """A vaccination entry."""
    return {
        "tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": 2, "sd": 2,
        "dt": "2022-01-10", "co": COUNTRY, "is": "Ministry of Health", "ci": "URN:UVCI:01:XV:TESTS0001#A",
    } | change  # fmt: skip


def vaccination(head: Mapping[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    """A vaccination certificate's payload; keywords change the entry."""
    return {**(head or person()), "v": [dose(**change)]}


def lab_result(head: Mapping[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    """A test certificate's payload."""
    entry = {
        "tg": "840539006", "tt": "LP6464-4", "sc": "2022-03-01T01:00:00Z", "tr": "260415000",
        "tc": "Clinic 1",
        "co": COUNTRY, "is": "Ministry of Health", "ci": "URN:UVCI:01:XV:TESTS0002#B",
    } | change  # fmt: skip
    return {**(head or person()), "t": [entry]}


def recovery(head: Mapping[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    """A recovery certificate's payload."""
    entry = {
        "tg": "840539006", "fr": "2021-12-01", "df": "2021-12-12", "du": "2022-05-30",
        "co": COUNTRY, "is": "Ministry of Health", "ci": "URN:UVCI:01:XV:TESTS0003#C",
    } | change  # fmt: skip
    return {**(head or person()), "r": [entry]}


@lru_cache(maxsize=32)
def signing_key(algorithm: Algorithm, label: str) -> SigningKey:
    """A key that is the same in every run."""
    return generate(algorithm, Stream(b"tests", f"{algorithm}/{label}"))


@dataclass
class Signer:
    """One signing key with its KID."""

    key: SigningKey
    kid: bytes
    now: datetime = NOW

    def issue(self, payload: Mapping[str, Any], *, iss: str | None = COUNTRY, **options: Any) -> str:
        """HC1 text of a payload, valid from a day before the desk's clock to a year after it."""
        times = {
            "iat": int((self.now - timedelta(days=1)).timestamp()),
            "exp": int((self.now + timedelta(days=365)).timestamp()),
        }
        options = times | {"alg": self.key.algorithm.cose, "kid": self.kid} | options
        return hc1.encode_hc1(payload, iss=iss, sign=self.key.sign, **options)

    def seal(self, claims: bytes, **options: Any) -> str:
        """HC1 text round finished payload bytes."""
        options = {"alg": self.key.algorithm.cose, "kid": self.kid} | options
        return hc1.seal(claims, sign=self.key.sign, **options)


@dataclass
class ListedHashes(Revocation):
    """A revocation store in memory."""

    entries: set[tuple[bytes, HashKind, bytes]] = field(default_factory=set)
    until: dict[tuple[bytes, bytes], datetime] = field(default_factory=dict)
    gaps: str | None = None

    def holds(self, scope: bytes, kind: HashKind, digest: bytes) -> bool:
        return (scope, kind, digest) in self.entries

    def before(self, scope: bytes, digest: bytes) -> datetime | None:
        return self.until.get((scope, digest))

    def gap(self, scope: bytes, now: datetime | None) -> str | None:
        return self.gaps


@dataclass
class Desk:
    """A desk with a trust list that grows as signers are added."""

    now: datetime | None = NOW
    list_age: timedelta | None = timedelta(hours=1)
    bundle: RuleBundle | None = SIGNATURE_ONLY
    clock: ClockState | None = None
    floor: datetime | None = None
    keys: list[TrustedKey] = field(default_factory=list)
    authorities: list[Authority] = field(default_factory=list)
    test_kids: set[bytes] = field(default_factory=set)
    revocation: Any = field(default_factory=ListedHashes)

    def signer(
        self,
        algorithm: Algorithm = Algorithm.ES256,
        label: str = "1",
        *,
        listed: bool = True,
        kid: bytes | None = None,
        **facts: Any,
    ) -> Signer:
        """An issuer's key, put on the list with these facts unless ``listed`` is false."""
        key = signing_key(algorithm, label)
        kid = kid or hashlib.sha256(key.spki()).digest()[:8]
        if listed:
            year = timedelta(days=365)
            facts = {"country": COUNTRY, "not_before": NOW - year, "not_after": NOW + 2 * year} | facts
            self.keys.append(TrustedKey(kid=kid, spki=key.spki(), **facts))
        return Signer(key, kid, self.now or NOW)

    def withdraw(self, signer: Signer) -> None:
        """Last night's list marks the signer's key withdrawn."""
        self.keys = [replace(k, status=KeyStatus.WITHDRAWN) if k.kid == signer.kid else k for k in self.keys]

    @property
    def bundles(self) -> tuple[RuleBundle, ...]:
        return () if self.bundle is None else (self.bundle,)

    @property
    def trust(self) -> TrustList:
        signed_at = None if self.list_age is None else (self.now or NOW) - self.list_age
        return TrustList.of(
            self.keys,
            authorities=self.authorities,
            test_kids=self.test_kids,
            signed_at=signed_at,
            revocation=self.revocation,
            source="desk",
        )

    def judged(self, code: str | bytes) -> Judged:
        """What the commands make of a code."""
        return judge(code, Basis(self.trust, self.bundles, self.now, self.clock, self.floor))

    def outcome(self, code: str | bytes) -> tuple[State, list[Reason]]:
        """State and reason codes, worst first."""
        verdict = self.judged(code).verdict
        return verdict.state, [found.code for found in verdict.reasons]

    def detail(self, code: str | bytes) -> str:
        """The detail of the first reason."""
        return self.judged(code).verdict.reasons[0].detail


def reopened(text: str) -> tuple[Envelope, bytes]:
    """A code's envelope and the COSE bytes, to make a fault of it."""
    from verifier.wire import base45

    data = deflate.inflate(base45.decode(text[len(hc1.PREFIX) :]))
    return cose.decode_sign1(data), data
