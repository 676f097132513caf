"""The published repository over HTTP: its files, the root to pin, and whether the server is well.

The rules this module keeps:

* What is served is named here: ``/root.json``, ``/metadata/<file>``, ``/targets/<folder>/<file>``, the files
  of :mod:`issuer.wellknown` and ``/health``. No directory is listed, and nothing beside the public directory
  can be reached.
* Files are read for each request, so a publication by another process is served from its rename on.
* Ready means that an answer has been seen, not that a socket is open.

    with Server(create_app(public), port=0) as server:
        server.url                       # "http://127.0.0.1:43121"
"""

from __future__ import annotations

import json
import logging
import re
import threading
import urllib.request
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, abort, jsonify, send_from_directory
from waitress.server import create_server

from issuer.errors import IssuerError
from issuer.publish import METADATA, ROOT, TARGETS
from issuer.wellknown import CARD_REVOCATION, CRL, CSCA, DID_DOCUMENT, JWKS
from trustsync.targets import SIGNED_AT_FIELD

HOST = "127.0.0.1"
_THREADS = 4
_PROBE = 10  # seconds to wait for the first answer
_STOP = 0.5  # seconds to wait for the loop to end
_METADATA_NAME = re.compile(r"timestamp\.json|[1-9][0-9]{0,9}\.[a-z]{1,32}\.json")
_KID = re.compile(r"[A-Za-z0-9_-]{43}")  # of a health card's key: a thumbprint
_TARGET_NAME = re.compile(r"[a-z]{1,32}/[0-9a-f]{64}\.[a-z0-9][a-z0-9.-]{0,127}")


def create_app(public: Path) -> Flask:
    """The web application over this public directory."""
    app = Flask(__name__, static_folder=None)
    folder = public.resolve()

    def file(path: str, kind: str, *, lasting: bool) -> Response:
        response = send_from_directory(folder, path, mimetype=kind, max_age=31_536_000 if lasting else 0)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.get("/root.json")
    def root() -> Response:
        return file(ROOT, "application/json", lasting=False)

    @app.get("/metadata/<name>")
    def metadata(name: str) -> Response:
        if not _METADATA_NAME.fullmatch(name):
            abort(404)
        return file(f"{METADATA}/{name}", "application/json", lasting=name != "timestamp.json")

    @app.get("/targets/<path:name>")
    def target(name: str) -> Response:
        if not _TARGET_NAME.fullmatch(name):
            abort(404)
        return file(f"{TARGETS}/{name}", "application/octet-stream", lasting=True)

    def known(path: str, kind: str) -> Response:
        response = file(path, kind, lasting=False)
        # apps that read health cards run in browsers, and the framework asks issuers to let them
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    @app.get(f"/{DID_DOCUMENT}")
    @app.get(f"/.well-known/{DID_DOCUMENT}")
    def did_document() -> Response:
        return known(DID_DOCUMENT, "application/json")

    @app.get(f"/{JWKS}")
    def card_keys() -> Response:
        return known(JWKS, "application/json")

    @app.get(f"/{CARD_REVOCATION}/<kid>.json")
    def card_revocation(kid: str) -> Response:
        if not _KID.fullmatch(kid):
            abort(404)
        return known(f"{CARD_REVOCATION}/{kid}.json", "application/json")

    @app.get(f"/{CSCA}")
    def csca() -> Response:
        return known(CSCA, "application/x-pem-file")

    @app.get(f"/{CRL}")
    def crl() -> Response:
        return known(CRL, "application/pkix-crl")

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
        return Response("There is nothing here.\n", mimetype="text/plain"), 404

    return app


class Server:
    """The application on a port of this machine, in a thread of its own. port: 0 for any free one."""

    def __init__(self, app: Flask, *, port: int = 0, host: str = HOST) -> None:
        # a request that waits a moment for a thread is no news; on a busy machine waitress says so on stderr
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        try:
            self._server: Any = create_server(app, host=host, port=port, threads=_THREADS, ident="")
        except OSError as error:
            raise IssuerError(
                f"port {port} on {host} cannot be used ({error.strerror}); "
                "choose another, or --port 0 for a free one"
            ) from error
        self.url = f"http://{host}:{self._server.effective_port}"
        # A daemon: whoever keeps a connection open cannot keep the process.
        self._thread = threading.Thread(target=self._server.run, name="issuer-http", daemon=True)

    def __enter__(self) -> Self:
        """Start, and come back when a request has been answered."""
        self._thread.start()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/health", timeout=_PROBE):
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
