"""Attacks in the words of HTTP: conditions, validators, ranges, and answers that are none."""

from __future__ import annotations

import hashlib
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from trust_site import DAY

from attacks.answers import KEYS, TIMESTAMP, endless, flipped, raw, sent, status
from attacks.scene import HOUR, START, Scene, attack
from trustsync.errors import Alarm

# --- Nothing new, they say ------------------------------------------------------------------------------


def _etagged(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """An honest server with ETags."""
    data = file.read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    if handler.headers.get("If-None-Match") == etag:
        status(304)(handler, file)
    else:
        sent(data, ETag=etag)(handler, file)


@attack("nothing new, for ever")
def not_modified_for_ever(scene: Scene) -> None:
    """The server answers "not modified" whatever is asked: that is the timestamp we hold and as old as it
    is, so the list ages as it would and after three days it is refused as expired.
    """
    scene.server.faults[TIMESTAMP] = _etagged
    scene.sync(START + HOUR)
    scene.next_list()
    scene.server.faults[TIMESTAMP] = status(304)
    with scene.unmoved_but(answers=("PASS LIST_STALE", "FAIL REVOKED LIST_STALE")):
        scene.sync(START + 2 * DAY)
    scene.fails(Alarm.EXPIRED, START + 4 * DAY)
    assert scene.look().signed_at == START


@attack("not modified, and nobody asked")
def not_modified_unasked(scene: Scene) -> None:
    """A "not modified" to a question without a condition is no answer: refused."""
    with scene.unmoved(None):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = status(304)


@attack("a refused body comes back as not modified")
def not_modified_after_refusal(scene: Scene) -> None:
    """A bad timestamp comes with a validator of its own and is refused; the next night the server says that
    it has not changed: it was never held, so that is no success.
    """
    scene.server.faults[TIMESTAMP] = _etagged
    scene.sync(START + HOUR)
    scene.next_list()
    with scene.unmoved(Alarm.SIGNATURE):
        scene.server.faults[TIMESTAMP] = sent(
            lambda data: data.replace(b'"version":2', b'"version":9'), ETag='"bad"'
        )
    asked: list[str | None] = []

    def ask(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        asked.append(handler.headers.get("If-None-Match"))
        _etagged(handler, file)

    scene.server.faults[TIMESTAMP] = ask
    scene.sync()
    assert '"bad"' not in asked
    scene.arrived()


@attack("the validator changes and the file does not")
def restless_validator(scene: Scene) -> None:
    """Every answer has another ETag, weak, over-long or with odd signs: the list is the same, nothing is
    fetched again, and no such word is repeated to the server that cannot be one.
    """
    before = scene.look()
    for number, etag in enumerate(('"a"', 'W/"b"', "c", '"' + "d" * 500 + '"', '"e\x7f"')):
        scene.server.faults[TIMESTAMP] = sent(lambda data: data, ETag=etag)
        result = scene.sync(START + number * HOUR)
        assert not result.changed
        assert result.fetched == ()
    assert scene.look(START) == before


# --- The rest of a file ---------------------------------------------------------------------------------


@attack("a rest that begins elsewhere")
def lying_range(scene: Scene) -> None:
    """A list broke off; the rest is said to begin at another byte, or not to exist: what has no place is
    not glued on; the whole is fetched anew.
    """
    scene.next_list()
    scene.break_off(KEYS)
    asked = []

    def answer(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        asked.append(handler.headers.get("Range"))
        data = file.read_bytes()
        if asked[-1] is None:
            sent(data)(handler, file)
        else:
            body = data[3:]
            head = f"HTTP/1.1 206 X\r\nContent-Range: bytes 3-{len(data) - 1}/{len(data)}\r\n"
            raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)(handler, file)

    scene.server.faults[KEYS] = answer
    scene.sync()
    scene.arrived()
    assert [each is None for each in asked] == [False, True]


@attack("no such rest")
def no_such_range(scene: Scene) -> None:
    """A list broke off and the server says that it has no more than that: the whole is fetched anew."""
    scene.next_list()
    scene.break_off(KEYS)

    def answer(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        if handler.headers.get("Range"):
            status(416, Content_Range="bytes */50")(handler, file)
        else:
            sent(file.read_bytes())(handler, file)

    scene.server.faults[KEYS] = answer
    scene.sync()
    scene.arrived()


@attack("the rest is of another file")
def rest_of_another(scene: Scene) -> None:
    """A list broke off, and the rest of the right length and place is from other bytes: the hash over the
    whole says so; it is fetched once more from the beginning, and if that is wrong too, refused.
    """
    scene.next_list()
    scene.break_off(KEYS)

    def answer(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        data = bytes(len(file.read_bytes()))
        begin = (handler.headers.get("Range") or "").removeprefix("bytes=").removesuffix("-")
        if begin:
            body = data[int(begin) :]
            head = f"HTTP/1.1 206 X\r\nContent-Range: bytes {begin}-{len(data) - 1}/{len(data)}\r\n"
            raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)(handler, file)
        else:
            sent(data)(handler, file)

    with scene.unmoved(Alarm.MISMATCH):
        scene.server.faults[KEYS] = answer
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()


@attack("what was fetched in part is changed on the card")
def tampered_partial(scene: Scene) -> None:
    """The first half of a list lies on the card and somebody changes it: the whole is fetched anew."""
    scene.next_list()
    scene.break_off(KEYS)
    (partial,) = scene.unfinished()
    partial.write_bytes(flipped(partial.read_bytes()))
    scene.sync()
    scene.arrived()


# --- What is no answer ----------------------------------------------------------------------------------


@attack("a web server of 1991")
def http_09(scene: Scene) -> None:
    """The body comes without status and headers: that is no HTTP that anybody speaks with us; not taken."""
    with scene.unmoved(None):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = lambda handler, file: raw(file.read_bytes())(handler, file)


@attack("a flood of headers")
def header_flood(scene: Scene) -> None:
    """Headers without end, and greetings without end before them: left after 64 KiB or a hundred lines."""
    scene.next_list()
    for begin, line in ((b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")):
        with scene.unmoved(None):
            scene.server.faults[TIMESTAMP] = endless(begin, line * 1000)
