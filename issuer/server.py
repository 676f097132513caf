"""The published repository over HTTP, with the files by which the families' own world knows this issuer.

The rules this module keeps:

* What :mod:`trustsync.hub.serve` serves, and the files of :mod:`issuer.wellknown` beside it; nothing else.
* Apps that read health cards run in browsers, and may read those files from any page.

    with Server(create_app(public), port=0) as server:
        server.url                       # "http://127.0.0.1:43121"
"""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask, Response, abort

from issuer.errors import IssuerError
from issuer.wellknown import CARD_REVOCATION, CRL, CSCA, DID_DOCUMENT, JWKS
from trustsync.hub import serve
from trustsync.hub.serve import HOST, ServeError, public_file, repository_app

_KID = re.compile(r"[A-Za-z0-9_-]{43}")  # of a health card's key: a thumbprint


def create_app(public: Path) -> Flask:
    """The web application over this public directory."""
    app = repository_app(public)
    folder = public.resolve()

    def known(path: str, kind: str) -> Response:
        response = public_file(folder, path, kind, seconds=0)
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

    return app


class Server(serve.Server):
    """The application on a port of this machine, in a thread of its own. port: 0 for any free one."""

    def __init__(self, app: Flask, *, port: int = 0, host: str = HOST) -> None:
        try:
            super().__init__(app, port=port, host=host)
        except ServeError as error:
            raise IssuerError(str(error)) from error
