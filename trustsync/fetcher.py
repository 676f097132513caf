"""Fetching over HTTP from a server that may be slow, broken or hostile.

The rules this module keeps:

* Time is bounded three ways: a budget for the whole sync, a gap without a byte, and a rate that each
  answer must keep; header lines count as much as the body.
* No redirect is followed, no compression is accepted, and only ``http`` and ``https`` are spoken.
* A body that ends before its announced length is an error, never a short success.
* Proxies of the environment are not used: an appliance talks to the repository it was given.

    fetcher = Fetcher(Limits(total=60))
    body = fetcher.download_bytes("http://127.0.0.1:8000/metadata/timestamp.json", 16_384)

What the bytes mean, and how many of them there may be, is the caller's business (python-tuf for metadata,
:mod:`trustsync.client` for targets).
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

_CHUNK = 1 << 16  # bytes handed on at a time: the most that is read beyond a limit


class CutShortError(DownloadError):
    """The body ended before its announced length."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long we wait.

    total: seconds for everything that one Fetcher gets. gap: seconds without a byte. rate: bytes a second
    that each answer must keep on average once ``grace`` seconds have passed since its request.
    """

    total: float = 1800.0
    gap: float = 15.0
    rate: float = 512.0
    grace: float = 20.0


class Fetcher(FetcherInterface):
    """The network under python-tuf. One per sync: its budget starts when it is made.

    requests, received: what was asked and how many body bytes came. tls: the context for ``https``; the
    default trusts the certificate authorities of the system.
    """

    def __init__(self, limits: Limits | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.total
        self._tls = tls
        self._agent = f"vaxgate-sync/{version('vaxgate')}"
        self.requests = 0
        self.received = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        """The body of ``url`` in chunks; the connection is open and the status known when this returns."""
        parts = _checked(url)
        pace = _Pace(self._limits, self._deadline, url)
        connection = self._connect(parts, pace)
        raw = connection.sock
        try:
            self.requests += 1
            connection.sock = _PacedSocket(raw, pace)
            response = _ask(connection, parts, self._agent)
            _refuse_all_but_plain_success(response, url)
        except (OSError, http.client.HTTPException) as error:
            raw.close()
            raise _in_words(error, url) from error
        except DownloadError:
            raw.close()
            raise
        return self._body(response, raw, url)

    def _connect(self, parts: SplitResult, pace: _Pace) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port
        wait = pace.patience()
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=wait, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=wait)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise _in_words(error, parts.geturl()) from error
        return connection

    def _body(self, response: http.client.HTTPResponse, raw: socket.socket, url: str) -> Iterator[bytes]:
        try:
            while chunk := response.read(_CHUNK):
                self.received += len(chunk)
                yield chunk
            if response.length:
                raise CutShortError(f"{url}: the body ended {response.length} bytes before its announced end")
        except http.client.IncompleteRead as error:
            raise CutShortError(f"{url}: the body ended before its announced end") from error
        except (OSError, http.client.HTTPException) as error:
            raise _in_words(error, url) from error
        finally:
            response.close()
            raw.close()


class _Pace:
    """How long the next byte of one answer may take."""

    def __init__(self, limits: Limits, deadline: float, url: str) -> None:
        self._limits = limits
        self._deadline = deadline
        self._url = url
        self._start = time.monotonic()
        self._bytes = 0

    def patience(self) -> float:
        """Seconds that we may wait now. Raises SlowRetrievalError when there are none left."""
        now = time.monotonic()
        if now >= self._deadline:
            raise SlowRetrievalError(f"{self._url}: the sync's {self._limits.total:g} s are used up")
        due = self._start + max(self._limits.grace, self._bytes / self._limits.rate)
        if now >= due:
            raise SlowRetrievalError(
                f"{self._url}: {self._bytes} bytes in {now - self._start:.1f} s, "
                f"slower than {self._limits.rate:g} bytes a second"
            )
        return min(self._limits.gap, self._deadline - now, due - now)

    def read(self, sock: socket.socket, buffer: Any) -> int:
        """One ``recv_into`` within the patience that is left."""
        sock.settimeout(self.patience())
        try:
            count = sock.recv_into(buffer)
        except TimeoutError:
            self.patience()  # names the limit, where it was not the gap
            raise SlowRetrievalError(f"{self._url}: nothing came for too long") from None
        self._bytes += count
        return count


class _PacedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, pace: _Pace) -> None:
        self._sock = sock
        self._pace = pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._pace.read(self._sock, buffer)


class _PacedSocket:
    """What ``http.client`` needs of a socket, with every read under a :class:`_Pace`."""

    def __init__(self, sock: socket.socket, pace: _Pace) -> None:
        self._sock = sock
        self._pace = pace

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._pace.patience())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_PacedReader(self._sock, self._pace))

    def close(self) -> None:
        """Nothing: ``http.client`` lets go of it before the body was read; the Fetcher closes the socket."""


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(f"{url}: only http and https addresses are fetched")
    if parts.username is not None or parts.password is not None:
        raise DownloadError(f"{parts.hostname}: an address with a user name or password in it is not fetched")
    return parts


def _ask(connection: http.client.HTTPConnection, parts: SplitResult, agent: str) -> http.client.HTTPResponse:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": agent}
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def _refuse_all_but_plain_success(response: http.client.HTTPResponse, url: str) -> None:
    status = response.status
    if 300 <= status < 400:
        raise DownloadHTTPError(f"{url}: redirect ({status}) refused", status)
    if status != 200:
        raise DownloadHTTPError(f"{url}: HTTP status {status}", status)
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise DownloadError(f"{url}: content encoding {encoding[:20]!r} refused; only identity is taken")


def _in_words(error: Exception, url: str) -> DownloadError:
    if isinstance(error, TimeoutError):
        return SlowRetrievalError(f"{url}: nothing came for too long")
    return DownloadError(f"{url}: {type(error).__name__}: {error}")
