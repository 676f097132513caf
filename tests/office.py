"""An issuer of every family in a folder of its own, and what an appliance knows after a sync from it.

with Office(folder) as office:
    code = office.issue(Family.SHC).code
    office.judge(code, office.synced()).state
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

from appliance.judging import Basis, Judgement, judge
from issuer.certificates import Person, of_test, of_vaccination
from issuer.office import YEAR, Issued, Issuer
from issuer.server import Server, create_app
from trustsync.store import TrustSnapshot, open_store
from trustsync.sync import SyncConfig, sync_once
from verifier.certificate import Family
from verifier.policy.bundle import SIGNATURE_ONLY

# Digital ICVPs are in force since 2025-09-19; this desk works after that.
NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
TRAVELLER = Person("Nguyễn", "Bảo Duy", "1983-10-10")
FAMILIES = (
    Family.HC1, Family.LT1, Family.AT1, Family.DDCC, Family.ICVP, Family.SHC, Family.VDS_NC, Family.DIVOC,
    Family.NZCP,
)  # fmt: skip


def vaccinated(**details: Any) -> dict[str, Any]:
    """One dose of the traveller, as the issuer is told of it."""
    return of_vaccination(TRAVELLER, country="XV", day=date(2026, 1, 10), **details)


def tested(**details: Any) -> dict[str, Any]:
    """One test of the traveller."""
    return of_test(TRAVELLER, country="XV", sampled=datetime(2026, 3, 1, 22, 0, tzinfo=UTC), **details)


class Office:
    """The issuer, and the store of an appliance that syncs from it."""

    def __init__(self, folder: Path, *, seed: str = "office", now: datetime = NOW) -> None:
        self.folder, self.now = folder, now
        self.issuer = Issuer.create(folder / "office", now=now, seed=seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.issuer.close()

    def issue(self, family: Family, payload: dict[str, Any] | None = None, **options: Any) -> Issued:
        """A certificate without fault, good for a year."""
        times = {"issued_at": self.now, "expires_at": self.now + YEAR}
        return self.issuer.issue(payload or vaccinated(), family=family, **times | options)

    def synced(self) -> TrustSnapshot:
        """Published, fetched over HTTP, proven, installed, and read from the store."""
        self.issuer.publish(self.now)
        public = self.issuer.registry.public
        with Server(create_app(public)) as server:
            config = SyncConfig(server.url, (public / "root.json").read_bytes(), self.folder / "store")
            sync_once(config, now=self.now)
        return open_store(self.folder / "store").current()

    def judge(self, code: Any, known: TrustSnapshot, now: datetime | None = None) -> Judgement:
        """What a desk makes of a code that asks for authenticity alone."""
        return judge(code, Basis(known.trust, (SIGNATURE_ONLY,), now or self.now, None, known.floor))
