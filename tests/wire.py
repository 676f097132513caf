"""A wire that remembers: what a client and a server say to each other, byte for byte.

with tapped(server.url) as wire:
    sync_once(config_for(wire.url), now=now)
[exchange.status for exchange in wire.exchanges]      # [404, 304]

The server's address goes in, another comes out. Whoever asks there is answered by the server.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 65_536


@dataclass
class Exchange:
    """One connection: what was asked on it and what was answered. Our client asks once on each."""

    request: bytearray = field(default_factory=bytearray)
    response: bytearray = field(default_factory=bytearray)

    @property
    def line(self) -> str:
        """The first line of the request."""
        return self.request.partition(b"\r\n")[0].decode()

    @property
    def status(self) -> int:
        return int(self.response.split(maxsplit=2)[1])

    @property
    def head(self) -> bytes:
        """Of the answer: status line and headers, with the empty line after them."""
        head, end, _ = self.response.partition(b"\r\n\r\n")
        return bytes(head + end)

    @property
    def body(self) -> bytes:
        return bytes(self.response[len(self.head) :])

    @property
    def size(self) -> int:
        """Bytes in both directions."""
        return len(self.request) + len(self.response)


class Wire(socketserver.ThreadingTCPServer):
    """A relay on a free port of this machine."""

    daemon_threads = False  # closing it waits until the last connection is written down

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.there = (parts.hostname, parts.port)
        self.exchanges: list[Exchange] = []
        super().__init__(("127.0.0.1", 0), _Relay)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def size(self) -> int:
        """Bytes of all exchanges in both directions."""
        return sum(exchange.size for exchange in self.exchanges)


@contextmanager
def tapped(url: str) -> Iterator[Wire]:
    """A wire to this server. What it wrote down is complete when the block is left."""
    with Wire(url) as wire:
        thread = threading.Thread(target=wire.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            thread.join()


class _Relay(socketserver.BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        exchange = Exchange()
        self.server.exchanges.append(exchange)
        with socket.create_connection(self.server.there) as far:
            back = threading.Thread(target=_pump, args=(far, self.request, exchange.response))
            back.start()
            _pump(self.request, far, exchange.request)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, heard: bytearray) -> None:
    with contextlib.suppress(ConnectionError):  # one end has gone: the other is told below
        while data := source.recv(_PIECE):
            heard += data
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
