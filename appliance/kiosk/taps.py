"""What an officer taps on the page: values for the gate, and the addresses that take them.

The rules this module keeps:

* A tap is JSON in the body of a POST from this page itself: a form, or a page of another origin, cannot send
  it. Nothing of a Holder stands in an address.
* What is wrong is named by its member and never repeated; what is right is handed on and kept nowhere.
* A tap may name the ``session`` of the facts that it answers, and the page always does: what was meant for a
  traveller who has gone is refused, and not heard for the next one.
* The lines of a travel document are read here. One that is not right is a tap too: the unit says so, on lamp
  and page, and compares nothing.

    POST /journey             {"session": 7, "departure": "2022-03-23T08:00:00+07:00"}   judged anew
    POST /traveller-document  {"lines": "P<VNMNGUYEN<<BAO<DUY<<…"}
    POST /traveller-birth     {"date": "2021-05-01"}
    POST /no-certificate, /stay, /next   {}
    GET  /journey             what can be told and picked
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, request

from appliance.kiosk.journey import TELLABLE
from verifier.mrz import MrzError, TravelDocument, read_lines
from verifier.policy.context_json import ContextError, read_context

if TYPE_CHECKING:
    from appliance.kiosk.hub import Hub

MAX_BODY = 1024


@dataclass(frozen=True, slots=True, repr=False)
class Tell:
    """Something of the journey, as JSON has it; it can be read."""

    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Read:
    """A travel document whose lines were right."""

    document: TravelDocument


@dataclass(frozen=True, slots=True)
class Unread:
    """A travel document that was not read. what: the field that was wrong."""

    what: str


@dataclass(frozen=True, slots=True, repr=False)
class Born:
    """The birth date that was picked where the passport line leaves the century open."""

    day: date


@dataclass(frozen=True, slots=True)
class NoCertificate:
    """This traveller has none."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody is still at work with this traveller."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next traveller, please."""


Tap = Tell | Read | Unread | Born | NoCertificate | Stay | Next


class TapError(ValueError):
    """A body that says nothing; the message names what is expected, never what was given."""


def journey(body: Mapping[str, Any], tellable: frozenset[str] = TELLABLE) -> Tap:
    """A tap on the journey. tellable: members that may be told at this desk. Raises TapError."""
    if body.keys() - tellable:
        raise TapError(f"the page may tell {', '.join(sorted(tellable))}, and nothing else")
    try:
        read_context(body)
    except ContextError as error:
        raise TapError(str(error)) from error
    return Tell(dict(body))


def document(body: Mapping[str, Any]) -> Tap:
    """The lines of a travel document, in one text or a list of them. Raises TapError."""
    lines = body.get("lines")
    if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
        lines = "\n".join(lines)
    if not isinstance(lines, str):
        raise TapError("lines: the lines of the travel document are expected, as a text or a list of texts")
    try:
        return Read(read_lines(lines))
    except MrzError as error:
        return Unread(str(error))


def birth(body: Mapping[str, Any]) -> Tap:
    """A birth date that was picked. Raises TapError."""
    try:
        return Born(date.fromisoformat(body["date"]))
    except (KeyError, TypeError, ValueError):
        raise TapError("date: a day is expected, as 2021-05-01") from None


def add_taps(app: Flask, hub: Hub) -> None:
    """Let the application take taps for this hub."""
    readers: Mapping[str, Callable[[Mapping[str, Any]], Tap]] = {
        "/journey": lambda body: journey(body, hub.tellable),
        "/traveller-document": document,
        "/traveller-birth": birth,
        "/no-certificate": lambda _: NoCertificate(),
        "/stay": lambda _: Stay(),
        "/next": lambda _: Next(),
    }

    def take(path: str) -> Response:
        body = _body()
        try:
            session = _session(body)
            tap = readers[path](body)
        except TapError as error:
            return _answer({"error": str(error)}, 400)
        if session is not None and session != hub.session:
            return _answer({"error": "another traveller stands here now; look, and tap again"}, 409)
        if not hub.tap(tap, session):
            return _answer({"error": "the unit is busy or not ready; tap again"}, 503)
        if isinstance(tap, Unread):
            return _answer({"reason": "IDENTITY_UNREAD", "error": tap.what}, 422)
        return _answer({"taken": True}, 202)

    for path in readers:
        app.add_url_rule(path, endpoint=f"tap {path}", methods=["POST"], view_func=partial(take, path))


def _session(body: dict[str, Any]) -> int | None:
    """Whom a tap is meant for, taken out of the body; ``None``: whoever stands here. Raises TapError."""
    session = body.pop("session", None)
    if session is not None and type(session) is not int:
        raise TapError("session: the number beside the facts is expected")
    return session


def _body() -> dict[str, Any]:
    """The JSON object of a request of this page. A browser adds no such type to a form, and names a foreign
    origin.
    """
    if request.mimetype != "application/json":
        abort(415)
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)
    if (request.content_length or 0) > MAX_BODY:
        abort(413)
    try:
        body = json.loads(request.get_data(cache=False) or b"{}")
    except (ValueError, RecursionError):
        abort(400)
    if not isinstance(body, dict):
        abort(400)
    return body


def _answer(said: Mapping[str, Any], status: int) -> Response:
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"
    return Response(text, status, mimetype="application/json")
