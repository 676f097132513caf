""" "Not modified" for the timestamp: what it saves, and what it must never be taken for."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from trust_site import DAY, START, Site

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


@contextmanager
def meter(port: int) -> Iterator[tuple[str, list[int]]]:
    """A wire with a meter on it: what goes through between a client and a server, counted by a third."""
    counted: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65_536):
            counted.append(len(data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(near, far), daemon=True).start()
            threading.Thread(target=pump, args=(far, near), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", counted
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def idle_night(unit: Unit, port: int, now: datetime) -> tuple[Fetcher, int]:
    """A night through the meter: the fetcher, and the bytes that the meter counted."""
    with meter(port) as (url, counted):
        unit.url = url
        _, fetcher = unit.night(now)
        return fetcher, sum(counted)


def test_a_night_without_news_costs_two_requests_and_little(unit: Unit) -> None:
    """At most 1.2 kB before TLS, headers and error pages of both directions in it, and counted right."""
    port = unit.site.server.server_address[1]
    unit.night(START)

    fetcher, counted = idle_night(unit, port, START + DAY)

    assert fetcher.requests == 2
    assert counted == fetcher.wire_bytes <= IDLE


NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("signed_again", [False, True])
def test_a_night_behind_nginx_costs_two_requests_and_little(
    unit: Unit, tmp_path: Path, signed_again: bool
) -> None:
    """The same with the server that will stand there, and with a timestamp that was signed again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the files of a test are for its own user only
    config.write_text(
        f"{user} pid {tmp_path}/pid; daemon off; error_log stderr crit; events {{}}\n"
        "http { access_log off; server_tokens off;"
        f" client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;"
        f" fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;"
        f" server {{ listen 127.0.0.1:{port}; root {unit.site.publisher.directory}; }} }}\n"
    )
    server = subprocess.Popen([str(NGINX), "-c", str(config), "-p", str(tmp_path)])
    try:
        for _attempt in range(100):
            with socket.socket() as probe:
                probe.settimeout(0.1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            threading.Event().wait(0.05)
        unit.url = f"http://127.0.0.1:{port}"
        unit.night(START)
        assert unit.validator is not None
        if signed_again:
            unit.site.publisher.sign_timestamp(START + DAY)
            # nginx makes its ETag of second and size; these two were signed within one.
            os.utime(unit.site.publisher.directory / "metadata" / "timestamp.json", (1, 1))

        fetcher, counted = idle_night(unit, port, START + DAY)

        assert fetcher.requests == 2
        assert (fetcher.received > 0) is signed_again
        assert counted == fetcher.wire_bytes <= IDLE
        print(f"signed again: {signed_again}; {counted} bytes")
    finally:
        server.terminate()
        server.wait(timeout=10)
