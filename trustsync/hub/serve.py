"""A published repository over HTTP, for pilots and tests; a fleet asks a web server that is made for it.

The rules this module keeps:

* What is served is named here: ``/root.json``, ``/metadata/<file>``, ``/targets/<folder>/<file>`` and
  ``/health``. No directory is listed, and nothing beside the public directory can be reached.
* Files are read for each request, so a publication by another process is served from its rename on.
* Names that never change what they mean may be kept for ever; the timestamp for a minute; that there is no
  next root for no time at all.
* Ready means that an answer has been seen, not that a socket is open.

    with Server(repository_app(public), port=0) as server:
        server.url                       # "http://127.0.0.1:43121"
"""

from __future__ import annotations

import json
import logging
import re
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, abort, jsonify, send_from_directory
from waitress.server import create_server

from trustsync.errors import TrustSyncError
from trustsync.layout import SIGNED_AT_FIELD
from trustsync.publishing import METADATA, ROOT, TARGETS

HOST = "127.0.0.1"
_THREADS = 4
_PROBE = 10  # seconds to wait for the first answer
_STOP = 0.5  # seconds to wait for the loop to end
_FOR_EVER = 31_536_000  # seconds; caches take no more than a year
_A_MINUTE = 60  # seconds
_METADATA_NAME = re.compile(r"timestamp\.json|[1-9][0-9]{0,9}\.[a-z]{1,32}\.json")
_TARGET_NAME = re.compile(r"[a-z]{1,32}/[0-9a-f]{64}\.[a-z0-9][a-z0-9.-]{0,255}")


class ServeError(TrustSyncError):
    """Nothing could be served on this port."""


def repository_app(public: Path) -> Flask:
    """The web application over this public directory; further routes may be added to it."""
    app = Flask(__name__, static_folder=None)
    folder = public.resolve()

    @app.get("/root.json")
    def root() -> Response:
        return public_file(folder, ROOT, "application/json", seconds=0)

    @app.get("/metadata/<name>")
    def metadata(name: str) -> Response:
        if not _METADATA_NAME.fullmatch(name):
            abort(404)
        seconds = _A_MINUTE if name == "timestamp.json" else _FOR_EVER
        return public_file(folder, f"{METADATA}/{name}", "application/json", seconds=seconds)

    @app.get("/targets/<path:name>")
    def target(name: str) -> Response:
        if not _TARGET_NAME.fullmatch(name):
            abort(404)
        return public_file(folder, f"{TARGETS}/{name}", "application/octet-stream", seconds=_FOR_EVER)

    @app.get("/health")
    def health() -> tuple[Response, int]:
        try:
            signed = json.loads((folder / METADATA / "timestamp.json").read_bytes())["signed"]
        except (OSError, ValueError, KeyError):
            return jsonify(state="NOTHING_PUBLISHED", version=version("vaxgate")), 503
        return jsonify(
            state="SERVING",
            signed_at=signed.get(SIGNED_AT_FIELD),
            expires=signed.get("expires"),
            version=version("vaxgate"),
        ), 200

    @app.errorhandler(404)
    def not_found(_error: Exception) -> tuple[Response, int]:
        # the root after the next rotation is asked for every night: it must be seen when it comes
        response = Response("There is nothing here.\n", mimetype="text/plain")
        response.headers["Cache-Control"] = "no-store"
        return response, 404

    return app


def public_file(folder: Path, path: str, kind: str, *, seconds: int) -> Response:
    """A file of the public directory. seconds: for how long a cache may keep it."""
    response = send_from_directory(folder, path, mimetype=kind, max_age=seconds)
    response.headers["X-Content-Type-Options"] = "nosniff"
    for needless in ("Content-Disposition", "Expires"):  # every unit asks every night: few words
        response.headers.pop(needless, None)
    return response


class Server:
    """An application on a port of this machine, in a thread of its own. port: 0 for any free one.

    Raises ServeError when the port cannot be used.
    """

    def __init__(self, app: Flask, *, port: int = 0, host: str = HOST) -> None:
        # a request that waits a moment for a thread is no news; on a busy machine waitress says so on stderr
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        try:
            self._server: Any = create_server(app, host=host, port=port, threads=_THREADS, ident="")
        except OSError as error:
            raise ServeError(
                f"port {port} on {host} cannot be used ({error.strerror}); "
                "choose another, or --port 0 for a free one"
            ) from error
        self.url = f"http://{host}:{self._server.effective_port}"
        # A daemon: whoever keeps a connection open cannot keep the process.
        self._thread = threading.Thread(target=self._server.run, name="repository-http", daemon=True)

    def __enter__(self) -> Self:
        """Start, and come back when a request has been answered."""
        self._thread.start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(urllib.error.HTTPError), opener.open(f"{self.url}/health", timeout=_PROBE):
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more requests."""
        # Closed by the loop's own thread: a socket must not vanish under a select that waits for it.
        # Awake already, it may have closed before it is woken: then there is nobody left to wake.
        with suppress(OSError):
            self._server.trigger.pull_trigger(self._server.close)
        self._thread.join(_STOP)
