"""A server that says exactly what it is told to, byte for byte, and remembers what it was asked.

with Scripted([ok(b"body", ETag='"1"'), status(304)]) as server:
    Fetcher().download_bytes(server.url + "/x", 100)
server.requests[0].headers["range"], server.seen         # seen: bytes of both directions, before TLS
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

Answer = bytes | Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    """target: what stands in the request line. headers: by lower-case name."""

    target: str
    headers: dict[str, str]


def ok(body: bytes, **headers: str) -> bytes:
    """A whole body."""
    return status(200, body, **headers)


def status(code: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer with its length; an underscore in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {code} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if code != 304:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Scripted:
    """One connection at a time, each gets the next answer; after the last one it hangs up at once."""

    def __init__(self, answers: Iterable[Answer], tls: ssl.SSLContext | None = None) -> None:
        self._answers = list(answers)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.requests: list[Request] = []
        self.seen = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):  # let the client close first, so that nothing is cut off
                    pass
                connection.close()

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                return
            head += part
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in lines)
        self.requests.append(Request(first.split(" ")[1], headers))
        self.seen += len(head)
        if not self._answers:
            return
        answer = self._answers.pop(0)
        if callable(answer):
            answer(connection)
        else:
            self.seen += len(answer)
            connection.sendall(answer)
