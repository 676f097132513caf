"""A target on its way into a file: lines that break, servers that lie, cards that are small."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import Scripted, ok, status
from trust_site import START, Site
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    LengthOrHashMismatchError,
    SlowRetrievalError,
)
from tuf.api.metadata import TargetFile

from trustsync.client import Repository
from trustsync.errors import Alarm, FetchError, RefusedError
from trustsync.fetcher import CutShortError, Fetcher, Limits
from trustsync.layout import KEYS_PATH
from trustsync.transfer import RESUMPTIONS, obtain

QUICK = Limits(total=10.0, gap=2.0, grace=5.0)
BODY = bytes(range(256)) * 400
INFO = TargetFile.from_data("revocation/x.seg", BODY, ["sha256"])


def piece(first: int, last: int, *, announced: int | None = None, data: bytes = BODY) -> bytes:
    """A 206 from ``first`` up to ``last``; it announces the whole rest, so before the end it is cut short."""
    rest = len(data) - first if announced is None else announced
    head = status(206, Content_Range=f"bytes {first}-{first + rest - 1}/{len(data)}", ETag='"a"')
    return head.replace(b"Content-Length: 0", f"Content-Length: {rest}".encode()) + data[first:last]


def cut(last: int) -> bytes:
    """A 200 that breaks off."""
    return ok(BODY, ETag='"a"')[: -len(BODY)] + BODY[:last]


def ranges(server: Scripted) -> list[str | None]:
    return [request.headers.get("range") for request in server.requests]


def test_a_line_that_breaks_three_times_still_brings_the_target_and_no_byte_twice(tmp_path: Path) -> None:
    """Each break goes on from the byte that is still missing, for the same representation."""
    answers = [cut(1000), piece(1000, 5000), piece(5000, 90_000), piece(90_000, len(BODY))]
    fetcher = Fetcher(QUICK)
    with Scripted(answers) as server:
        obtain(fetcher, server.url + "/x", INFO, tmp_path / "x")

    assert (tmp_path / "x").read_bytes() == BODY
    assert ranges(server) == [None, "bytes=1000-", "bytes=5000-", "bytes=90000-"]
    assert [request.headers.get("if-range") for request in server.requests] == [None, '"a"', '"a"', '"a"']
    assert fetcher.received == len(BODY)


def test_after_the_last_resumption_the_next_sync_goes_on(tmp_path: Path) -> None:
    """What came is kept: a long list reaches a post with a bad line in the end."""
    file = tmp_path / "x"
    answers = [cut(1000), piece(1000, 2000), piece(2000, 3000), piece(3000, 4000), ok(BODY)]
    assert len(answers) == RESUMPTIONS + 2
    with Scripted(answers) as server:
        with pytest.raises(CutShortError):
            obtain(Fetcher(QUICK), server.url + "/x", INFO, file)
        assert file.read_bytes() == BODY[:4000]
    assert len(server.requests) == RESUMPTIONS + 1

    with Scripted([piece(4000, len(BODY))]) as server:
        obtain(Fetcher(QUICK), server.url + "/x", INFO, file)
    assert ranges(server) == ["bytes=4000-"]
    assert file.read_bytes() == BODY


def test_a_resumption_that_brings_nothing_is_the_last(tmp_path: Path) -> None:
    """Without progress there is no reason to ask again tonight."""
    with Scripted([cut(1000), piece(1000, 1000), ok(BODY)]) as server, pytest.raises(CutShortError):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "x")
    assert len(server.requests) == 2
    assert (tmp_path / "x").read_bytes() == BODY[:1000]


def test_a_server_without_ranges_is_asked_once_more_and_begins_anew(tmp_path: Path) -> None:
    """It can only repeat itself: one whole answer more is taken, a second break ends it."""
    with Scripted([cut(1000), ok(BODY)]) as server:
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY
    assert len(server.requests) == 2

    with Scripted([cut(1000), cut(5000), ok(BODY)]) as server, pytest.raises(CutShortError):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "y")
    assert len(server.requests) == 2


def test_a_server_that_is_too_slow_is_not_given_a_new_start_at_once(tmp_path: Path) -> None:
    """Resumption is for broken lines; who keeps us waiting is left until the next sync."""

    def stall(connection: socket.socket) -> None:
        connection.sendall(cut(1000))
        connection.recv(1)  # until the client leaves

    with Scripted([stall, ok(BODY)]) as server, pytest.raises(SlowRetrievalError):
        obtain(Fetcher(Limits(total=10, gap=0.3)), server.url + "/x", INFO, tmp_path / "x")
    assert len(server.requests) == 1
    assert (tmp_path / "x").stat().st_size == 1000


def test_a_server_error_leaves_what_came(tmp_path: Path) -> None:
    """An error page is no reason to throw away what was fetched last night."""
    (tmp_path / "x").write_bytes(BODY[:7000])
    with Scripted([status(503, b"later")]) as server, pytest.raises(DownloadHTTPError):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == BODY[:7000]


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (b"\xff" * 7000, ["bytes=7000-", None]),  # a bad card, or another's bytes: the hash tells at the end
        (
            b"\xff" * len(BODY),
            [None],
        ),  # as long as it should be, and wrong: nothing needs to be asked for that
        (b"\xff" * (len(BODY) + 1), [None]),  # longer than it can be
        (BODY, []),  # whole since the power went: nothing is asked at all
        (b"", [None]),
    ],
    ids=["wrong begin", "wrong whole", "too long", "whole", "empty"],
)
def test_what_lay_there_is_never_believed(tmp_path: Path, held: bytes, asked: list[str | None]) -> None:
    """Whatever is in the partial file, the target ends right, with one fetch from zero at most."""
    (tmp_path / "x").write_bytes(held)
    answers = {"bytes=7000-": piece(7000, len(BODY)), None: ok(BODY)}
    with Scripted([answers[each] for each in asked]) as server:
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "x")
    assert ranges(server) == asked
    assert (tmp_path / "x").read_bytes() == BODY


LIE = bytes(len(BODY))


@pytest.mark.parametrize(
    ("held", "answers", "expected"),
    [
        (b"", [ok(LIE)], LengthOrHashMismatchError),
        (b"", [ok(BODY[:-1])], LengthOrHashMismatchError),
        (b"", [ok(BODY + b"x")], DownloadLengthMismatchError),
        (BODY[:5000], [piece(5000, len(BODY), data=LIE), ok(LIE)], LengthOrHashMismatchError),
        (BODY[:5000], [piece(5000, len(BODY) + 9, data=BODY + b"x" * 9), ok(LIE)], LengthOrHashMismatchError),
        (BODY[:5000], [piece(5000, 6000, data=LIE), piece(6000, len(BODY)), ok(LIE)], Exception),
    ],
    ids=["wrong", "short", "long", "wrong rest", "long rest", "wrong piece"],
)
def test_a_server_that_lies_costs_one_fetch_from_zero_and_leaves_nothing(
    tmp_path: Path, held: bytes, answers: list[bytes], expected: type[Exception]
) -> None:
    """Other bytes than the signed ones do not stay on the card, and do not make us ask for ever."""
    file = tmp_path / "x"
    if held:
        file.write_bytes(held)
    with Scripted([*answers, ok(BODY)]) as server, pytest.raises(expected):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, file)
    assert len(server.requests) == len(answers)
    assert not file.exists()


@pytest.mark.parametrize("held", [0, 5000])
def test_never_more_than_the_signed_length_lies_on_the_card(tmp_path: Path, held: int) -> None:
    """An endless body is left at the signed length; a full card is not what stops it."""
    file = tmp_path / "x"
    file.write_bytes(BODY[:held])
    sizes: list[int] = []

    def endless(begin: Callable[[], bytes]) -> Callable[[socket.socket], None]:
        def send(connection: socket.socket) -> None:
            connection.sendall(begin())
            try:
                for _ in range(2000):
                    connection.sendall(b"x" * 10_000)
                    sizes.append(file.stat().st_size if file.exists() else 0)
            except OSError:
                return

        return send

    big = len(BODY) * 1000
    answers = [endless(lambda: piece(held, held, announced=big)), endless(lambda: b"HTTP/1.1 200 X\r\n\r\n")]
    with Scripted(answers if held else answers[1:]) as server, pytest.raises(DownloadLengthMismatchError):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, file)
    assert 0 < len(sizes) < 4000
    assert max(sizes) <= len(BODY)
    assert not file.exists()


def repository(site: Site, work: Path, fetcher: Fetcher) -> Repository:
    """The site as a client sees it after a refresh."""
    work.mkdir()
    far = Repository(site.server.url, site.publisher.root, work, fetcher, reference_time=START)
    far.refresh()
    return far


def test_a_target_is_moved_into_place_when_it_is_right_and_not_before(site: Site, tmp_path: Path) -> None:
    """With a partial file, the destination is either missing or the signed bytes."""
    far = repository(site, tmp_path / "work", Fetcher(QUICK))
    info = far.target(KEYS_PATH)
    data = (site.publisher.directory / "targets" / info.get_prefixed_paths()[0]).read_bytes()
    site.server.faults[".keys.cbor"] = lambda handler, file: handler.wfile.write(
        b"HTTP/1.0 200 X\r\nContent-Length: %d\r\n\r\n" % len(data) + data[:50]
    )
    partial, destination = tmp_path / "partial", tmp_path / "keys.cbor"

    with pytest.raises(RefusedError) as caught:
        far.download(info, destination, partial)
    assert caught.value.alarm is Alarm.CUT_SHORT
    assert (partial.read_bytes(), destination.exists()) == (data[:50], False)

    site.server.faults.clear()
    far.download(info, destination, partial)
    assert (partial.exists(), destination.read_bytes()) == (False, data)


def test_without_a_partial_file_a_broken_transfer_leaves_nothing(site: Site, tmp_path: Path) -> None:
    """And a destination that exists is not written over."""
    far = repository(site, tmp_path / "work", Fetcher(QUICK))
    info = far.target(KEYS_PATH)
    site.server.faults[".keys.cbor"] = lambda handler, _file: handler.send_error(503)
    with pytest.raises(FetchError, match="503"):
        far.download(info, tmp_path / "keys.cbor")
    assert not (tmp_path / "keys.cbor").exists()

    (tmp_path / "keys.cbor").write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        far.download(info, tmp_path / "keys.cbor")
    assert (tmp_path / "keys.cbor").read_bytes() == b"another's"


def test_an_empty_target_is_a_target(tmp_path: Path) -> None:
    """Nothing is signed too."""
    info = TargetFile(0, {"sha256": hashlib.sha256(b"").hexdigest()}, "x")
    with Scripted([ok(b"")]) as server:
        obtain(Fetcher(QUICK), server.url + "/x", info, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b""


def test_a_name_that_is_gone_while_it_is_resumed_keeps_its_piece(tmp_path: Path) -> None:
    """A repository that moved on says 404; the piece is kept until somebody sweeps it."""
    (tmp_path / "x").write_bytes(BODY[:10])
    with Scripted([status(404)]) as server, pytest.raises(DownloadError, match="404"):
        obtain(Fetcher(QUICK), server.url + "/x", INFO, tmp_path / "x")
    assert (tmp_path / "x").exists()


MEMORY = textwrap.dedent(
    """
    import resource, sys, threading
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from pathlib import Path
    from tuf.api.metadata import TargetFile
    from trustsync.fetcher import Fetcher
    from trustsync.transfer import obtain
    import hashlib

    size, block = int(sys.argv[1]), bytes(1 << 16)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            for _ in range(size // len(block)):
                self.wfile.write(block)
        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256()
    for _ in range(size // len(block)):
        digest.update(block)
    info = TargetFile(size, {"sha256": digest.hexdigest()}, "x")
    obtain(Fetcher(), f"http://127.0.0.1:{server.server_address[1]}/x", info, Path(sys.argv[2], "x"))
    assert Path(sys.argv[2], "x").stat().st_size == size
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
)


def test_a_large_target_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    """A target is streamed and hashed in pieces, never held whole (here with its server: under 48 MB)."""

    def peak(size: int) -> int:
        """Kilobytes."""
        command = [sys.executable, "-c", MEMORY, str(size), str(tmp_path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        (tmp_path / "x").unlink()
        return int(said.stdout)

    small, large = peak(1 << 20), peak(96 << 20)
    assert large < small + (8 << 10)
