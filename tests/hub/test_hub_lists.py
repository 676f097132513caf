"""Every kind of list on its way through the hub: fetched, archived, proven, merged, signed, accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pilot import Pilot
from test_importers_world import MAKERS as WORLD
from upstreams_europe import MAKERS as EUROPE
from upstreams_europe import NOW, Upstream

from trustsync.hub.config import HubConfig
from trustsync.hub.gather import Gathered, gather
from trustsync.hub.publish import candidate_of, change_of, load_signers, publish
from trustsync.hub.sources import KINDS
from trustsync.hub.upstream import Get, Source
from trustsync.targets import PRODUCTION, TEST
from verifier.trust import KeyStatus

MAKERS: dict[str, Callable[..., Upstream]] = EUROPE | WORLD


def _gather(pilot: Pilot, source: Source, get: Get, now: datetime, offline: Path | None = None) -> Gathered:
    with pilot.ledger() as ledger:
        config = HubConfig(pilot.directory, (source,), archive=pilot.config.archive)
        (result,) = gather(config, ledger, now, get, offline=offline)
        return result


def _publish(pilot: Pilot, sources: tuple[Source, ...], now: datetime, environment: str) -> None:
    """With both reviewers, from these sources."""
    config = replace(pilot.config, sources=sources)
    pilot.now = now
    with pilot.ledger() as ledger:
        change = change_of(ledger, candidate_of(config, ledger, environment))
        pilot.sign(ledger, change, "an", "binh")
        signers = load_signers([pilot.directory / "keys" / environment])
        publish(config, ledger, environment, now, signers)


def test_every_kind_is_tried_here() -> None:
    """A new importer gets its honest list into this test, or this one fails."""
    assert set(MAKERS) == set(KINDS)


def test_honest_lists_of_every_kind_become_one_signed_list(pilot: Pilot) -> None:
    """Ten lists, each by its own proof: every key of every one is published, and what several have once."""
    made = {kind: maker() for kind, maker in MAKERS.items()}
    for kind, upstream in made.items():
        result = _gather(pilot, upstream.source, upstream.get, NOW)
        assert (result.error, result.archive.split("/")[0]) == (None, f"{kind}-list"), kind
    _publish(pilot, tuple(upstream.source for upstream in made.values()), NOW, PRODUCTION)
    listed = pilot.published()
    active = {(r.key.kid, r.key.spki) for r in listed.keys if r.key.status is KeyStatus.ACTIVE}
    for kind, upstream in made.items():
        assert upstream.keys <= active, kind
    owners = [(r.key.kid, r.key.spki, r.key.domain, r.key.issuer) for r in listed.keys]
    assert len(owners) == len(set(owners))
    assert listed.authorities, "of the master list"
    assert any("," in r.key.source for r in listed.keys), "a key that several lists have names them all"


@pytest.mark.parametrize("kind", MAKERS)
def test_the_archive_gives_the_same_list_again(pilot: Pilot, kind: str) -> None:
    """What was fetched can be read from its folder on another day, and nothing else is needed."""
    upstream = MAKERS[kind]()
    first = _gather(pilot, upstream.source, upstream.get, NOW)

    def no_network(url: str, headers: object) -> object:
        raise AssertionError(url)

    again = _gather(pilot, upstream.source, no_network, NOW, offline=pilot.config.archive)  # type: ignore[arg-type]
    assert again == first
    assert first.error is None


@pytest.mark.vectors
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_published_lists_go_through_the_hub(pilot: Pilot, vectors: Path, tmp_path: Path) -> None:
    """A German list, the VCI snapshot and WHO's development list, each carried here as files."""
    cases = {
        case["id"]: case for case in map(json.loads, (vectors / "trustlists.jsonl").read_text().splitlines())
    }
    lists = vectors / "trustlists"
    carried = {
        "de": {"dsc-list": "covpass-acc.dsc-list.json"},
        "vci": {"vci_snapshot.json": "vci_snapshot.json", "vci_snapshot.sig": "vci_snapshot.sig"},
        "who-development": {"did.json": "gdhcn-dev.did.json"},
    }
    for name, files in carried.items():
        (tmp_path / name).mkdir()
        for raw, published in files.items():
            (tmp_path / name / raw).write_bytes((lists / published).read_bytes())
    german = cases["trustlists/covpass-acc"]["pubkey_pem"].encode()
    sources = (
        Source("de", "de", "https://de.example", pins={"key": german}),
        Source("vci", "vci", pins={"certificate": (lists / "vci_snapshot.crt").read_bytes()}),
        Source("who-development", "gdhcn", environment=TEST, unproven=True),
    )
    now = datetime(2026, 11, 1, tzinfo=UTC)

    def no_network(url: str, headers: object) -> object:
        raise AssertionError(url)

    results = {
        source.name: _gather(pilot, source, no_network, now, offline=tmp_path)  # type: ignore[arg-type]
        for source in sources
    }
    assert {name: (each.error, each.keys, each.revoked) for name, each in results.items()} == {
        "de": (None, 610, 0),
        "vci": (None, 961, 555 + 788),
        "who-development": (None, 368, 0),
    }
    for environment in (PRODUCTION, TEST):
        _publish(pilot, sources, now, environment)
    production, test = pilot.published(), pilot.published(TEST)
    real = [record for record in production.keys if record.environment == PRODUCTION]
    assert len(real) == 610 + 961 + 1, "and the list's own specimen"
    names = {record.key.kid for record in production.keys if record.environment == TEST}
    held = {record.key.kid for record in test.keys}
    assert names <= held
    assert len(held) == 368 + 1
    assert all(record.key.spki == b"" for record in production.keys if record.environment == TEST)
