"""GET for the hub: one address, one answer, within limits.

The rules this module keeps:

* https, with the certificates that this machine believes. Plain http goes to this machine itself only. Most
  lists are proven by a signature, but some by nothing else than the connection.
* No redirect is followed and no proxy is used: the address that a person wrote down is the one that is asked.
* Size, silence and the whole time have limits. Nothing is unpacked.
* ``file:`` and plain paths read from disk, for lists that somebody carries here.

    with Fetch() as get:
        reply = get("https://list.example/keys", {})
        reply.status, reply.body
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

import urllib3

from trustsync.hub.upstream import MAX_RAW, Reply, UpstreamError

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PIECE = 64 << 10
_GAP = 30.0  # seconds without a byte
_TOTAL = 300.0  # seconds for one answer


class Fetch:
    """A ``Get`` that keeps its connections: some lists take thousands of requests.

    total: seconds that one answer may take. gap: seconds without a byte.
    """

    def __init__(self, *, total: float = _TOTAL, gap: float = _GAP) -> None:
        self._total = total
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=gap, read=gap), retries=False, maxsize=2
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.clear()

    def __call__(self, url: str, headers: Mapping[str, str]) -> Reply:
        """The answer of an address. Raises UpstreamError when there is none, or one that is too large."""
        place = urlsplit(url)
        if place.scheme in ("", "file"):
            return _read(Path(unquote(place.path) if place.scheme else url))
        if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _LOOPBACK):
            raise UpstreamError(f"{url}: only https is asked; whoever sits on the way could answer otherwise")
        asked = {"Accept-Encoding": "identity", "User-Agent": "vaxgate-hub", **headers}
        try:
            return self._ask(url, asked)
        except urllib3.exceptions.HTTPError as error:
            raise UpstreamError(f"{url} could not be had ({error}); what is held of it stays") from error

    def _ask(self, url: str, headers: Mapping[str, str]) -> Reply:
        end = time.monotonic() + self._total
        answer = self._pool.request(
            "GET", url, headers=dict(headers), redirect=False, preload_content=False, decode_content=False
        )
        try:
            if 300 <= answer.status < 400:
                raise UpstreamError(
                    f"{url} leads elsewhere ({answer.headers.get('location', 'it does not say where')}); "
                    "redirects are not followed. Write the new address down once you trust it"
                )
            body = bytearray()
            while piece := answer.read1(_PIECE):
                body += piece
                if len(body) > MAX_RAW:
                    raise UpstreamError(f"{url} has more than {MAX_RAW} bytes; that is no list")
                if time.monotonic() > end:
                    raise UpstreamError(f"{url} took more than {self._total:g} s; what is held of it stays")
        except BaseException:
            answer.close()  # the rest of it would be taken for the beginning of the next answer
            raise
        answer.release_conn()
        return Reply(
            answer.status, {name.lower(): value for name, value in answer.headers.items()}, bytes(body)
        )


def _read(path: Path) -> Reply:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RAW + 1)
    except OSError as error:
        raise UpstreamError(f"{path} cannot be read: {error.strerror}; what is held of it stays") from error
    if len(data) > MAX_RAW:
        raise UpstreamError(f"{path} has more than {MAX_RAW} bytes; that is no list")
    return Reply(200, {}, data)
