""" "Not modified" for the timestamp: what it saves, and what it must never be taken for."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from trust_site import DAY, START, Site
from webserver import nginx
from wire import tapped

from trustsync.client import Repository
from trustsync.errors import Alarm, RefusedError
from trustsync.fetcher import Fetcher, Limits
from trustsync.state import StoredMetadata

QUICK = Limits(total=10.0, gap=2.0, grace=5.0)
IDLE = 1200  # bytes before TLS that a night without news may cost


def etagged(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """What a web server does with ``If-None-Match``, in the few words of nginx."""
    data = file.read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    handler.server.conditions.append(handler.headers.get("If-None-Match"))
    if handler.headers.get("If-None-Match") == etag:
        handler.send_response(304)
        handler.end_headers()
        return
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.send_header("ETag", etag)
    handler.end_headers()
    handler.wfile.write(data)


class Unit:
    """One appliance's memory between two nights: verified metadata, and the validator beside them."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.stored: tuple[StoredMetadata, ...] = ()
        self.validator: str | None = None
        self.url = site.server.url
        site.server.faults["timestamp.json"] = etagged
        site.server.conditions = []

    def night(self, now: datetime) -> tuple[Repository, Fetcher]:
        """A refresh that keeps what it proved, also when it fails."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        held = next((item.data for item in self.stored if item.role == "timestamp"), None)
        known = {"/timestamp.json": (self.validator, held)} if self.validator and held else {}
        fetcher = Fetcher(QUICK, conditional=known)
        root = self.site.publisher.root
        far = Repository(self.url, root, work, fetcher, reference_time=now, stored=self.stored)
        try:
            far.refresh()
        finally:
            self.stored = far.proven()
            self.validator = fetcher.etag_of(far.timestamp_url)
        return far, fetcher

    @property
    def asked(self) -> list[str | None]:
        """What stood in ``If-None-Match``, request by request."""
        return self.site.server.conditions


@pytest.fixture
def unit(site: Site, tmp_path: Path) -> Unit:
    return Unit(site, tmp_path)


def test_a_second_night_asks_whether_there_is_news_and_is_told_no(unit: Unit) -> None:
    """304 is the timestamp that we hold: the same version, the same age, two requests, no body."""
    first, _ = unit.night(START)
    second, fetcher = unit.night(START + DAY)

    assert unit.asked == [None, (unit.validator or "").partition(" ")[0]]
    assert (fetcher.requests, fetcher.received) == (2, 0)
    assert first.timestamp is not None
    assert first.timestamp == second.timestamp
    assert second.same_snapshot
    assert second.snapshot_version == first.snapshot_version


def test_news_come_with_a_new_validator(unit: Unit) -> None:
    """A timestamp that was signed anew is a 200, and what to ask with next time changes with it."""
    unit.night(START)
    before = unit.validator
    unit.site.publisher.sign_timestamp(START + DAY)
    far, _ = unit.night(START + DAY)

    assert far.timestamp is not None
    assert far.timestamp.version == 2
    assert unit.validator not in (before, None)
    unit.night(START + DAY)
    assert unit.asked[2] == (unit.validator or "").partition(" ")[0]


def test_a_server_that_says_not_modified_for_ever_ends_as_expired(unit: Unit) -> None:
    """A lie of "nothing new" is a freeze: it holds as long as the timestamp does and not a second more."""
    unit.night(START)

    def never(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        handler.send_response(304)
        handler.end_headers()

    unit.site.server.faults["timestamp.json"] = never
    for hours in (12, 36, 71):
        unit.site.publisher.sign_timestamp(START + timedelta(hours=hours))
        far, _ = unit.night(START + timedelta(hours=hours))
        assert far.timestamp is not None
        assert far.timestamp.version == 1

    for days in (3, 4, 400):
        with pytest.raises(RefusedError) as caught:
            unit.night(START + days * DAY)
        assert caught.value.alarm is Alarm.EXPIRED


def test_a_refused_timestamp_does_not_lend_its_validator_to_ours(unit: Unit, tmp_path: Path) -> None:
    """Else a replay would be refused on the first night and "not modified", a success, on the second."""
    unit.site.publisher.copy(tmp_path / "old")
    unit.site.publisher.sign_timestamp(START + timedelta(hours=1))
    unit.night(START + timedelta(hours=1))
    unit.site.publisher.restore(tmp_path / "old")

    for _night in range(3):
        with pytest.raises(RefusedError) as caught:
            unit.night(START + timedelta(hours=2))
        assert caught.value.alarm is Alarm.ROLLBACK
    assert len(unit.asked) == 4
    assert unit.asked[2:] == [None, None]


@pytest.mark.parametrize("etag", ["", "no quotes", '"' + "x" * 200 + '"', '"a" "b"'])
def test_an_etag_that_is_none_is_not_kept(unit: Unit, etag: str) -> None:
    """What goes back to a server, and on the card meanwhile, has the form of RFC 9110 and a modest length."""

    def odd(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        handler.send_response(200)
        handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(file.read_bytes())

    unit.site.server.faults["timestamp.json"] = odd
    unit.night(START)
    assert unit.validator is None


def test_not_modified_is_an_error_where_nothing_was_held(unit: Unit) -> None:
    """Without ``If-None-Match`` there is nothing that could be unmodified."""

    def never(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        handler.send_response(304)
        handler.end_headers()

    unit.site.server.faults["timestamp.json"] = never
    with pytest.raises(Exception, match="304"):
        unit.night(START)


def test_the_timestamp_alone_is_asked_for_on_condition(unit: Unit) -> None:
    """Roots and what is named by version or hash never change under their name."""
    unit.night(START)
    unit.site.publisher.publish(START + DAY, resign=("trust",))
    far, _ = unit.night(START + DAY)
    far.target("trust/keys.cbor")
    assert len(unit.asked) == 2


def idle_night(unit: Unit, url: str, now: datetime) -> tuple[Fetcher, int]:
    """A night over a wire: the fetcher, and the bytes that the wire carried."""
    with tapped(url) as wire:
        unit.url = wire.url
        _, fetcher = unit.night(now)
    return fetcher, wire.size


def test_a_night_without_news_costs_two_requests_and_little(unit: Unit) -> None:
    """At most 1.2 kB before TLS, headers and error pages of both directions in it, and counted right."""
    unit.night(START)

    fetcher, counted = idle_night(unit, unit.site.server.url, START + DAY)

    assert fetcher.requests == 2
    assert counted == fetcher.wire_bytes <= IDLE


@pytest.mark.parametrize("signed_again", [False, True])
def test_a_night_behind_nginx_costs_two_requests_and_little(
    unit: Unit, tmp_path: Path, signed_again: bool
) -> None:
    """The same with the server that will stand there, and with a timestamp that was signed again."""
    with nginx(tmp_path / "nginx", unit.site.publisher.directory) as url:
        unit.url = url
        unit.night(START)
        assert unit.validator is not None
        if signed_again:
            unit.site.publisher.sign_timestamp(START + DAY)
            # nginx makes its ETag of second and size; these two were signed within one.
            os.utime(unit.site.publisher.directory / "metadata" / "timestamp.json", (1, 1))

        fetcher, counted = idle_night(unit, url, START + DAY)

    assert fetcher.requests == 2
    assert (fetcher.received > 0) is signed_again
    assert counted == fetcher.wire_bytes <= IDLE
