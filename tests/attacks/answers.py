"""Answers of a bad server, each for one file: what :attr:`trust_site.Server.faults` takes.

scene.server.faults["timestamp.json"] = raw(b"HTTP/1.1 200 OK\\r\\n\\r\\n<html>")
scene.server.faults[KEYS] = dribbled
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from trust_site import Fault

KEYS = ".keys.cbor"  # the end of its hash-prefixed name
TIMESTAMP = "timestamp.json"


def raw(*pieces: bytes) -> Fault:
    """These very bytes, status line and all."""
    return streamed(lambda _file: pieces)


def status(code: int, **headers: str) -> Fault:
    """An empty answer with this status; an underscore in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {code} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return raw("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())


def sent(data: bytes | Callable[[bytes], bytes], *, announced: int | None = None, **headers: str) -> Fault:
    """A body in place of the file's, or made of it. announced: another length than the true one."""

    def answer(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        body = data if isinstance(data, bytes) else data(file.read_bytes())
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def streamed(pieces: Callable[[Path], Iterable[bytes]], pause: float = 0.0) -> Fault:
    """Pieces one after another, until the other end has enough. pause: seconds between two."""

    def answer(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        handler.close_connection = True
        try:
            for piece in pieces(file):
                handler.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            return  # the unit has left

    return answer


def dribbled(pause: float = 0.05) -> Fault:
    """The right file, a byte at a time."""
    return streamed(lambda file: itertools.chain([OK], _bytes(file.read_bytes())), pause)


def endless(begin: bytes, piece: bytes, pause: float = 0.0) -> Fault:
    """It begins like this and goes on like that for ever."""
    return streamed(lambda _file: itertools.chain([begin], itertools.repeat(piece)), pause)


def flipped(data: bytes) -> bytes:
    """One bit of it is another."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


OK = b"HTTP/1.1 200 OK\r\n\r\n"


def _bytes(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
