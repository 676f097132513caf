"""The officer's page: what the lamp says, in words, on loopback.

The rules this module keeps:

* HTML for people and JSON for machines, from the same facts.
* Nothing is loaded from elsewhere, no script and no style stands in the page, nothing is kept by a browser.
* Only a browser on this machine is answered, under this machine's own names. What an officer taps comes as
  JSON in a body (:mod:`appliance.kiosk.taps`), and from this page alone.
* Of an exception only its kind and its place in the code are written down.

    app = create_app(hub)
    app.test_client().get("/").status_code
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, render_template, request
from werkzeug.exceptions import HTTPException

from appliance.errors import place_of
from appliance.kiosk.hub import Hub
from appliance.kiosk.taps import add_taps
from appliance.kiosk.texts import TEXTS
from appliance.kiosk.why_texts import WHY_TEXTS

talk = logging.getLogger("vaxgate.kiosk")

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A page that hears nothing for three of these takes the unit for lost.
BEAT_S = 1.5
MAX_STREAMS = 6
LANGUAGES = ("vi", "en")
TRUST_PAGE_S = 60  # until the page of the list gives way to the officer's page again


def create_app(hub: Hub, *, beat_s: float = BEAT_S) -> Flask:
    """The page's application. beat_s: seconds between two signs of life in a stream."""
    app = Flask(__name__)
    streams = threading.BoundedSemaphore(MAX_STREAMS)

    @app.before_request
    def own_name_only() -> None:
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if host not in HOSTS:
            abort(421)

    @app.errorhandler(Exception)
    def fault(error: Exception) -> HTTPException | tuple[str, int]:
        if isinstance(error, HTTPException):
            return error
        talk.error("fault of the page: %s", place_of(error))  # its text may hold a Holder
        return "", 500

    @app.after_request
    def guard(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        return response

    @app.get("/")
    def page() -> Response:
        facts = hub.current()
        if _for_machines():
            return _json(facts)
        html = render_template(
            "officer.html",
            facts=facts,
            texts=TEXTS,
            language=hub.language,
            site=hub.site,
            trust=hub.trust_page is not None,
            training=hub.training,
            clear_ms=int(hub.clear_s * 1000),
            lost_ms=int(beat_s * 3000) + 500,
        )
        return Response(html, mimetype="text/html")

    @app.get("/why")
    def why() -> Response | tuple[Response, int]:
        facts = hub.why()
        if _for_machines():
            return (_json({"rules": None}), 404) if facts is None else _json(facts)
        language = _language(hub)
        html = render_template(
            "why.html",
            facts=facts,
            texts={name: words[language] for name, words in WHY_TEXTS.items()},
            language=language,
            other=next(each for each in LANGUAGES if each != language),
            other_name=TEXTS["language"][language],
            site=hub.site,
            training=hub.training,
            banner=TEXTS["training"][language],
            back_s=int(hub.clear_s),
        )
        return Response(html, 200 if facts else 404, mimetype="text/html")

    @app.get("/journey")
    def journey() -> Response:
        return _json(hub.journey())

    add_taps(app, hub)

    @app.get("/trust")
    def trust() -> Response:
        if hub.trust_page is None:
            abort(404)
        if _for_machines():
            return _json(hub.trust_page.facts())
        language = _language(hub)
        html = render_template(
            "trust.html",
            language=language,
            other=next(each for each in LANGUAGES if each != language),
            other_name=TEXTS["language"][language],
            site=hub.site,
            training=hub.training,
            banner=TEXTS["training"][language],
            back_s=TRUST_PAGE_S,
            **hub.trust_page.shown(language),
        )
        return Response(html, mimetype="text/html")

    @app.get("/events")
    def events() -> Response:
        if not streams.acquire(blocking=False):
            abort(503)
        response = Response(_stream(hub, beat_s), mimetype="text/event-stream")
        # Ends with the response, also where the stream was never begun.
        response.call_on_close(streams.release)
        response.headers["X-Accel-Buffering"] = "no"
        return response

    @app.get("/health")
    def health() -> tuple[Response, int]:
        facts = hub.health()
        return _json(facts), 503 if facts["state"] in ("OUT", "BOOT") else 200

    return app


def _language(hub: Hub) -> str:
    """The language that the address asks for, else the page's own."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else hub.language


def _for_machines() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def _stream(hub: Hub, beat_s: float) -> Iterator[str]:
    """Server-sent events: the current facts first, then each change, and a sign of life in between."""
    yield "retry: 1000\n\n"
    facts = hub.current()
    while not hub.closed:
        seen = facts["id"]
        yield f"id: {seen}\ndata: {_line(facts)}\n\n"
        news = hub.wait(seen, beat_s)
        while news is None and not hub.closed:
            yield f": still here\nevent: beat\ndata: {_line(hub.standing())}\n\n"
            news = hub.wait(seen, beat_s)
        facts = news or hub.current()


def _json(facts: dict[str, Any]) -> Response:
    return Response(_line(facts) + "\n", mimetype="application/json")


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
