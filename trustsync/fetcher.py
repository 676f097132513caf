"""Fetching over HTTP from a server that may be slow, broken or hostile.

The rules this module keeps:

* Time is bounded three ways: a budget for the whole sync, a gap without a byte, and a rate that each
  answer must keep; header lines count as much as the body, and there is a limit to them.
* No redirect is followed, no compression is accepted, and only ``http`` and ``https`` are spoken.
* A body that ends before its announced length is an error, never a short success.
* "Not modified" is the bytes that we hold and nothing more: as old as they are, and judged as they are.
* A rest of a body is taken only when it begins at the very byte that was asked for.
* Proxies of the environment are not used: an appliance talks to the repository it was given.

    fetcher = Fetcher(Limits(total=60), conditional={"/timestamp.json": (validator, held)})
    body = fetcher.download_bytes("http://127.0.0.1:8000/metadata/timestamp.json", 16_384)
    validator = fetcher.etag_of("http://127.0.0.1:8000/metadata/timestamp.json")
    rest = fetcher.fetch_from("http://127.0.0.1:8000/targets/revocation/ab.seg", 65_536)

What the bytes mean, and how many of them there may be, is the caller's business (python-tuf for metadata,
:mod:`trustsync.transfer` for targets).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import SplitResult, quote, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

from trustsync.errors import SettingsError

_CHUNK = 1 << 16  # bytes handed on at a time: the most that is read beyond a limit
_MAX_HEAD = 1 << 16  # bytes of status and header lines; also ends a server that says "100 Continue" for ever
_ERROR_PAGE = 2048  # bytes of the page beside an error that are read, so that the other end may finish it
_AS_WRITTEN = "/%?@!$&'()*+,;=:~"  # what stands in an address as it is; anything else odd is quoted
# Few words: a night without news is mostly headers. No version, which would tell a listener what to try; but
# a name, since some servers turn away who has none. Who closes first needs no "Connection: close".
_ALWAYS = {"Accept-Encoding": "identity", "User-Agent": "vaxgate"}
_ROOT = re.compile(r"/\d+\.root\.json$")  # a version of the root, which may not be there yet
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,120}"')  # RFC 9110 8.8.3, ASCII, and short: it is kept
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:\d{1,18}|\*)")


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A body on its way. start: where its first byte belongs, the offset that was asked for or 0.

    etag: the strong validator that came with it, for a later ``If-Range``; ``None`` when none did.
    """

    start: int
    etag: str | None
    chunks: Iterator[bytes]


class RepositoryFetcher(FetcherInterface):
    """Where a repository's bytes come from: a server (:class:`Fetcher`), or a directory.

    requests, received: what was asked and how many body bytes came. wire_bytes: what the network carried
    for it in both directions, headers and all, before TLS. advice: where to look when it fails.
    """

    advice: ClassVar[str]
    requests: int
    received: int
    wire_bytes: int

    @abstractmethod
    def fetch_from(self, url: str, offset: int, etag: str | None = None) -> Answer:
        """The body of ``url`` from ``offset`` on, or the whole of it where a rest cannot be had.

        etag: of the bytes that we hold; another body is then sent whole. Raises DownloadError, also while
        the chunks are read.
        """

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self.fetch_from(url, 0).chunks


class Fetcher(RepositoryFetcher):
    """The network under python-tuf. One per sync: its budget starts when it is made.

    tls: the context for ``https``; the default trusts the certificate authorities of the system.
    conditional: for the end of an address the word of :meth:`etag_of` and the body that we hold of it. Where
    the two belong together the address is asked for with ``If-None-Match``.
    """

    advice = "Look at the network and the address"

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        conditional: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._deadline = time.monotonic() + self._limits.total
        self._tls = tls
        self._conditional = conditional or {}
        self._etags: dict[str, str] = {}
        self.requests = 0
        self.received = 0
        self.wire_bytes = 0

    def etag_of(self, url: str) -> str | None:
        """The ETag under which the body of ``url`` came last, bound to that body by its hash.

        Bound, because a body may be refused after it came: its ETag beside the bytes that we held before
        would turn the server's next "not modified" into a success.
        """
        return self._etags.get(url)

    def fetch_from(self, url: str, offset: int, etag: str | None = None) -> Answer:
        """See :meth:`RepositoryFetcher.fetch_from`; a strong ``etag`` goes into ``If-Range`` (RFC 9110)."""
        if offset:
            headers = {"Range": f"bytes={offset}-"}
            if strong := _strong(etag):
                headers["If-Range"] = strong
            reply = self._ask(url, headers)
            if reply.status == 206 and _begins_at(reply, offset):
                _refuse_encodings(reply, url)
                return self._answer(reply, offset)
            # 416, or a part that was not asked for: there is nothing to go on from. Start anew.
            if reply.status not in (206, 416):
                return self._whole(reply, url)
            reply.leave()
        return self._whole(self._ask(url, {}), url)

    def _fetch(self, url: str) -> Iterator[bytes]:
        """The body of ``url`` in chunks; the connection is open and the status known when this returns."""
        if _ROOT.search(url):
            # Most nights there is no newer root; with HEAD no page comes that says so.
            reply = self._ask(url, {}, "HEAD")
            if reply.status in (403, 404):
                return self._whole(reply, url).chunks  # raises
            reply.leave()
        headers, held = {}, b""
        for end, (validator, body) in self._conditional.items():
            etag = validator.partition(" ")[0]
            if (
                url.endswith(end)
                and _ETAG.fullmatch(etag)
                and validator == _bound(etag, sha256(body).hexdigest())
            ):
                headers, held = {"If-None-Match": etag}, body
                self._etags[url] = validator
        reply = self._ask(url, headers)
        if headers and reply.status == 304:
            reply.leave()
            return iter((held,))
        return self._noting(url, reply.header("ETag"), self._whole(reply, url).chunks)

    def _noting(self, url: str, etag: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        self._etags.pop(url, None)
        came = sha256()
        for chunk in chunks:
            came.update(chunk)
            yield chunk
        if _ETAG.fullmatch(etag):
            self._etags[url] = _bound(etag, came.hexdigest())

    def _ask(self, url: str, headers: Mapping[str, str], method: str = "GET") -> _Reply:
        """Send one request; the status is known when this returns."""
        parts = _checked(url)
        pace = _Pace(self._limits, self._deadline, url)
        connection = self._connect(parts, pace)
        raw = connection.sock
        self.requests += 1
        try:
            connection.sock = _PacedSocket(raw, pace, self)
            path = quote(parts.path or "/", _AS_WRITTEN) + (
                f"?{quote(parts.query, _AS_WRITTEN)}" if parts.query else ""
            )
            connection.request(method, path, headers=_ALWAYS | dict(headers))
            response = connection.getresponse()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raw.close()
            raise _in_words(error, parts) from error
        except DownloadError:
            raw.close()
            raise
        pace.head = False
        return _Reply(response, raw, url)

    def _connect(self, parts: SplitResult, pace: _Pace) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port
        wait = pace.patience()
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = self._tls or tls_context(None)
            connection = http.client.HTTPSConnection(host, port, timeout=wait, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=wait)
        try:
            connection.connect()
        except (OSError, ValueError) as error:  # the latter: a name that cannot be one
            connection.close()
            raise _in_words(error, parts) from error
        return connection

    def _whole(self, reply: _Reply, url: str) -> Answer:
        if reply.status != 200:
            reply.leave()
            what = "redirect" if 300 <= reply.status < 400 and reply.status != 304 else "HTTP status"
            raise DownloadHTTPError(f"{url}: {what} {reply.status} refused", reply.status)
        _refuse_encodings(reply, url)
        return self._answer(reply, 0)

    def _answer(self, reply: _Reply, start: int) -> Answer:
        return Answer(start, _strong(reply.header("ETag")), self._body(reply))

    def _body(self, reply: _Reply) -> Iterator[bytes]:
        response, url = reply.response, reply.url
        try:
            # Not read(): it would hold what came back for a full chunk, and lose it when the line breaks.
            while chunk := response.read1(_CHUNK):
                self.received += len(chunk)
                yield chunk
            if response.length:
                raise CutShortError(f"{url}: the body ended {response.length} bytes before its announced end")
        except http.client.IncompleteRead as error:
            raise CutShortError(f"{url}: the body ended before its announced end") from error
        except (OSError, http.client.HTTPException) as error:
            raise _in_words(error, urlsplit(url)) from error
        finally:
            reply.close()


def tls_context(pinned: bytes | None) -> ssl.SSLContext:
    """A context for ``https``: TLS 1.2 at least, the certificate must be for the host's name.

    pinned: the only roots to trust, as PEM; ``None`` trusts the certificate authorities of the system.
    Raises SettingsError when they cannot be read.
    """
    if pinned is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unlike the default one: no roots, no key log
        try:
            context.load_verify_locations(cadata=pinned.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                "the pinned TLS roots are no certificates in PEM; nothing was asked of the network. Give a "
                "file that holds '-----BEGIN CERTIFICATE-----' for each root"
            ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class _Reply:
    """Status and headers; the body is still to come."""

    response: http.client.HTTPResponse
    raw: socket.socket
    url: str

    @property
    def status(self) -> int:
        return self.response.status

    def header(self, name: str) -> str:
        return str(self.response.getheader(name, "")).strip()

    def leave(self) -> None:
        """Let the other end finish its short page and go; a connection cut under it is an error to it."""
        with contextlib.suppress(OSError, http.client.HTTPException, DownloadError):
            if self.response.length:
                self.response.read(_ERROR_PAGE)
        self.close()

    def close(self) -> None:
        self.response.close()
        self.raw.close()


class _Pace:
    """How long the next byte of one answer may take. head: whether its headers are still to come."""

    def __init__(self, limits: Limits, deadline: float, url: str) -> None:
        self._limits = limits
        self._deadline = deadline
        self._url = url
        self._start = time.monotonic()
        self._bytes = 0
        self.head = True

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
        if self.head and self._bytes > _MAX_HEAD:
            raise DownloadError(f"{self._url}: headers without end, more than {_MAX_HEAD} bytes")
        sock.settimeout(self.patience())
        try:
            count = sock.recv_into(buffer)
        except TimeoutError:
            self.patience()  # names the limit, where it was not the gap
            raise SlowRetrievalError(f"{self._url}: nothing came for too long") from None
        self._bytes += count
        return count


class _PacedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, pace: _Pace, meter: Fetcher) -> None:
        self._sock = sock
        self._pace = pace
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._pace.read(self._sock, buffer)
        self._meter.wire_bytes += count
        return count


class _PacedSocket:
    """What ``http.client`` needs of a socket, with every read under a :class:`_Pace`, and counted."""

    def __init__(self, sock: socket.socket, pace: _Pace, meter: Fetcher) -> None:
        self._sock = sock
        self._pace = pace
        self._meter = meter

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._pace.patience())
        self._sock.sendall(data)
        self._meter.wire_bytes += len(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_PacedReader(self._sock, self._pace, self._meter))

    def close(self) -> None:
        """Nothing: ``http.client`` lets go of it before the body was read; the Fetcher closes the socket."""


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at here: a port that is none raises
    except ValueError as error:
        raise DownloadError(f"{url}: no address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(f"{url}: only http and https addresses are fetched")
    if parts.username is not None or parts.password is not None:
        raise DownloadError(f"{parts.hostname}: an address with a user name or password in it is not fetched")
    return parts


def _refuse_encodings(reply: _Reply, url: str) -> None:
    encoding = reply.header("Content-Encoding").lower() or "identity"
    if encoding != "identity":
        reply.close()
        raise DownloadError(f"{url}: content encoding {encoding[:20]!r} refused; only identity is taken")


def _begins_at(reply: _Reply, offset: int) -> bool:
    found = _CONTENT_RANGE.fullmatch(reply.header("Content-Range"))
    if found is None:
        return False
    first, last = int(found[1]), int(found[2])
    announced = reply.response.length
    return first == offset and last >= first and announced in (None, last - first + 1)


def _bound(etag: str, digest: str) -> str:
    return f"{etag} {digest}"


def _strong(etag: str | None) -> str | None:
    """The ETag, where it vouches for every byte (RFC 9110 8.8.1)."""
    return None if not etag or etag.startswith("W/") or _ETAG.fullmatch(etag) is None else etag


def _in_words(error: Exception, parts: SplitResult) -> DownloadError:
    """What went wrong on the way, in words for people."""
    url, host = parts.geturl(), parts.hostname
    there = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    match error:
        case TimeoutError():
            return SlowRetrievalError(f"{url}: nothing came from {there} for too long")
        case ConnectionRefusedError():
            return DownloadError(f"{url}: nobody answers at {there} (connection refused)")
        case socket.gaierror():
            return DownloadError(
                f"{url}: the name {host} is not found; is there a network and a name server?"
            )
        case ssl.SSLCertVerificationError():
            return DownloadError(f"{url}: the certificate of {there} is not trusted: {error.verify_message}")
        case ssl.SSLError():
            return DownloadError(f"{url}: no secure connection to {there}: {error.reason or error}")
        case http.client.RemoteDisconnected() | ConnectionError():
            return DownloadError(f"{url}: {there} cut the connection")
        case http.client.HTTPException():
            return DownloadError(
                f"{url}: what answers at {there} does not speak HTTP ({type(error).__name__})"
            )
        case _:
            return DownloadError(f"{url}: there is no way to {there}: {error}")
