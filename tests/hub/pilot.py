"""A hub in a folder of its own, with two reviewers, and sources that say what a test wants them to say.

pilot = Pilot(folder)
pilot.says("de", [key(1), key(2)])                  # a source called de, proven by a signature
pilot.says("it", [key(3)], Authentication.TLS)
pilot.gather(), pilot.approve("an", "binh"), pilot.publish()
pilot.listed()                                      # status by number of the key, as published
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

from trustsync.hub.config import HubConfig, load_config
from trustsync.hub.founding import found_hub
from trustsync.hub.gather import Gathered, gather
from trustsync.hub.ledger import HubLedger
from trustsync.hub.publish import (
    Published,
    candidate_of,
    change_of,
    load_private,
    load_signers,
    publish,
    specimens_of,
)
from trustsync.hub.review import Change, sign_change
from trustsync.hub.upstream import Authentication, Get, Source, UpstreamError, UpstreamList
from trustsync.layout import KEYS_PATH
from trustsync.targets import PRODUCTION, PublishedKeys, decode_keys
from verifier.trust import Authority, Domain, TrustedKey

START = datetime(2021, 11, 28, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@lru_cache(maxsize=512)
def spki(number: int) -> bytes:
    """The public half of the key with this number."""
    public = Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(f"key {number}".encode()).digest()
    ).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key(number: int, **facts: Any) -> TrustedKey:
    """A key with an invented KID."""
    facts = {"kid": number.to_bytes(8, "big"), "country": "XV", "domain": Domain.HCERT} | facts
    return TrustedKey(spki=spki(number), **facts)


def no_network(url: str, headers: Mapping[str, str]) -> Any:
    """A ``Get`` that finds nothing."""
    raise UpstreamError(f"{url}: there is no network here")


@dataclass
class Spoken:
    """An importer of lists that a test speaks; what it says is told by the source's name."""

    said: dict[str, UpstreamList | Exception]
    kind: str = "spoken"
    pins: frozenset[str] = frozenset()

    def fetch(self, source: Source, get: Get) -> dict[str, bytes]:
        return {"list": repr(self.said[source.name]).encode()}

    def read(self, raw: Mapping[str, bytes], source: Source, now: datetime) -> UpstreamList:
        said = self.said[source.name]
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class Pilot:
    """The hub and what its sources say. clock: moves with every publication."""

    directory: Path
    now: datetime = START
    said: dict[str, UpstreamList | Exception] = field(default_factory=dict)

    @classmethod
    def found(cls, directory: Path) -> Pilot:
        """A new one, with the reviewers an and binh."""
        found_hub(directory, reviewers=["an", "binh"])
        return cls(directory)

    @property
    def config(self) -> HubConfig:
        return load_config(self.directory)

    def ledger(self) -> HubLedger:
        return HubLedger.open(self.config.state)

    def configure(self, text: str) -> None:
        """Add words to hub.toml."""
        path = self.directory / "hub.toml"
        path.write_text(path.read_text() + "\n" + text)

    def says(
        self,
        name: str,
        keys: Iterable[TrustedKey] = (),
        authentication: Authentication = Authentication.SIGNED,
        *,
        environment: str = PRODUCTION,
        authorities: Iterable[Authority] = (),
        url: str | None = None,
        **facts: Any,
    ) -> None:
        """What the source of this name says from now on; it is configured when it is new."""
        if name not in {source.name for source in self.config.sources}:
            self.configure(
                f'[[source]]\nname = "{name}"\nkind = "spoken"\nenvironment = "{environment}"\n'
                f'url = "{url or f"https://{name}.example/list"}"\n'
            )
        self.said[name] = UpstreamList(
            source=name,
            environment=environment,
            authentication=authentication,
            keys=tuple(keys),
            authorities=tuple(authorities),
            **facts,
        )

    def fails(self, name: str, error: Exception) -> None:
        """The source cannot be proven from now on."""
        self.said[name] = error

    def gather(self, **options: Any) -> dict[str, Gathered]:
        """One gathering; what became of each source."""
        with self.ledger() as ledger:
            results = gather(self.config, ledger, self.now, no_network, **options)
        return {each.source: each for each in results}

    def change(self, environment: str = PRODUCTION) -> Change:
        """What a publication would change."""
        with self.ledger() as ledger:
            return change_of(ledger, candidate_of(self.config, ledger, environment))

    def approve(self, *names: str, environment: str = PRODUCTION) -> None:
        """These reviewers sign the change as it is now."""
        with self.ledger() as ledger:
            self.sign(ledger, change_of(ledger, candidate_of(self.config, ledger, environment)), *names)

    def sign(self, ledger: HubLedger, change: Change, *names: str) -> None:
        """These reviewers sign this change."""
        for name in names:
            raw = load_private(self.directory / "reviewers" / f"{name}.key").private_bytes_raw()
            with ledger.change():
                ledger.approve(change.environment, sign_change(change, name, SigningKey(raw), self.now))

    def publish(
        self, environment: str = PRODUCTION, *, keys: tuple[str, ...] = ("",), **options: Any
    ) -> Published:
        """Publish with the keys in these folders of the environment's; a minute passes."""
        self.now += timedelta(minutes=1)
        places = [self.directory / "keys" / environment / folder for folder in keys]
        with self.ledger() as ledger:
            return publish(self.config, ledger, environment, self.now, load_signers(places), **options)

    def whole(self, environment: str = PRODUCTION) -> Published:
        """Gather, let both reviewers sign, publish."""
        self.gather()
        self.approve("an", "binh", environment=environment)
        return self.publish(environment)

    def published(self, environment: str = PRODUCTION) -> PublishedKeys:
        """The list of keys as it stands."""
        with self.ledger() as ledger:
            return decode_keys(ledger.published(environment)[KEYS_PATH])

    def listed(self, environment: str = PRODUCTION) -> dict[int, str]:
        """Status by the key's number, without the list's own specimen."""
        with self.ledger() as ledger:
            own = specimens_of(ledger, environment).key.key.kid
        return {
            int.from_bytes(record.key.kid, "big"): record.key.status.value
            for record in self.published(environment).keys
            if record.environment == environment and record.key.kid != own
        }

    def tree(self, environment: str = PRODUCTION) -> dict[str, bytes]:
        """Every published file."""
        public = self.config.repository(environment)
        return {str(p.relative_to(public)): p.read_bytes() for p in public.rglob("*") if p.is_file()}
