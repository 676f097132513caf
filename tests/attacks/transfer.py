"""Attacks on the way from the server to the unit: bodies, headers, times and places that are not as they
should be.
"""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from trust_site import DAY

from attacks.answers import KEYS, OK, TIMESTAMP, dribbled, endless, flipped, raw, sent, status
from attacks.scene import HOUR, LATE, NIGHT, START, STRANGER, Scene, attack
from trustsync.errors import Alarm
from trustsync.fetcher import Limits
from trustsync.layout import KEYS_PATH, MAX_DOCUMENT

# --- Too little, too much, something else ---------------------------------------------------------------


@attack("a list breaks off", row=10)
def cut_short(scene: Scene) -> None:
    """Half of the announced list comes and the line is closed: refused, no reader sees the half, and the
    next sync has the whole.
    """
    with scene.unmoved(Alarm.CUT_SHORT):
        scene.next_list()
        scene.server.faults[KEYS] = sent(
            lambda data: data[: len(data) // 2], announced=scene.length(KEYS_PATH)
        )
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()


@attack("half a list is sent as if it were all", row=10)
def shortened(scene: Scene) -> None:
    """No length is announced and the line is closed in the middle: what came is not what was signed."""
    with scene.unmoved(Alarm.MISMATCH):
        scene.next_list()
        scene.server.faults[KEYS] = lambda handler, file: raw(OK, file.read_bytes()[:50])(handler, file)


@attack("half a timestamp is sent as if it were all")
def shortened_timestamp(scene: Scene) -> None:
    """Metadata that end in the middle are no metadata: refused."""
    with scene.unmoved(Alarm.MALFORMED):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = sent(lambda data: data[: len(data) // 2])


@attack("a timestamp that never ends", row=11)
def endless_timestamp(scene: Scene) -> None:
    """Bytes without end where some hundred are expected: left after the limit, not when memory is full."""
    with scene.unmoved(Alarm.TOO_BIG):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = endless(OK, b" " * 65_536)


@attack("a list that never ends")
def endless_list(scene: Scene) -> None:
    """More bytes come than were signed: left at the first one too many, and none of them stays."""
    with scene.unmoved(Alarm.TOO_BIG):
        scene.next_list()
        scene.server.faults[KEYS] = endless(OK, b"\x80" * 65_536)
    assert not list((scene.store / "staging" / "partial").glob("*"))


@attack("one bit of a list is another", row=8)
def flipped_target(scene: Scene) -> None:
    """A single bit of the list of keys is turned on the way: its hash is not the signed one; refused."""
    with scene.unmoved(Alarm.MISMATCH):
        scene.next_list()
        scene.server.faults[KEYS] = sent(flipped)


@attack("one bit of a role is another", row=8)
def flipped_role(scene: Scene) -> None:
    """A single bit of a delegated role is turned on the way: its signature does not hold; refused."""
    with scene.unmoved(Alarm.SIGNATURE):
        scene.next_list()
        file = scene.publisher.path_of("trust")
        file.write_bytes(file.read_bytes().replace(b'"version":2', b'"version":3'))  # 0x32 and 0x33


@attack("a list is announced larger than any list")
def too_large(scene: Scene) -> None:
    """A length beyond what is ever installed is signed: not one byte of it is asked for."""
    with scene.unmoved(Alarm.TOO_BIG):
        scene.publisher.lengths[KEYS_PATH] = MAX_DOCUMENT + 1
        scene.next_list()
    assert not [path for path in scene.server.asked if path.endswith(KEYS)]


@attack("the hash is right and the length is not")
def wrong_length(scene: Scene) -> None:
    """The role signs a length that is a byte too short for the bytes that it signs: more comes than was
    signed, and what was signed cannot be had; refused.
    """
    with scene.unmoved(Alarm.TOO_BIG):
        scene.news()
        scene.publish(START + HOUR)
        true = scene.length(KEYS_PATH)
        scene.publisher.lengths[KEYS_PATH] = true - 1
        scene.publish(NIGHT)
        scene.now = NIGHT


@attack("the announced length is too short")
def short_length_header(scene: Scene) -> None:
    """The header says ten bytes and the whole timestamp follows: ten bytes are no timestamp; refused."""
    with scene.unmoved(Alarm.MALFORMED):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = sent(lambda data: data, announced=10)


@attack("chunks with garbage for their lengths")
def garbage_chunks(scene: Scene) -> None:
    """The body comes in pieces whose lengths are negative, words or nothing: an end in words each time, and
    no piece is believed.
    """
    scene.next_list()
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for size in (b"-5", b"zz", b"", b"5\r\nabc"):
        scene.server.faults[TIMESTAMP] = raw(chunked, size, b"\r\n")
        with scene.unmoved(Alarm.CUT_SHORT):
            pass
    scene.server.faults[TIMESTAMP] = endless(chunked + b"-1\r\n", b" " * 65_536)
    with scene.unmoved(Alarm.TOO_BIG):
        pass


@attack("a compressed body", row=14)
def gzipped(scene: Scene) -> None:
    """A body that would grow in our hands, which nobody asked for: refused by its header, unread."""
    with scene.unmoved(None):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = sent(b"\x1f\x8b" + bytes(400), Content_Encoding="gzip")


@attack("a page to log in answers everything")
def captive_portal(scene: Scene) -> None:
    """The network of a hotel answers each address with its own page and status 200: no root, no timestamp,
    nothing of ours; refused, and away from it all is well.
    """
    scene.next_list()
    with scene.unmoved(Alarm.MALFORMED):
        scene.server.faults[""] = sent(b"<html><title>Welcome! Room number?</title></html>")
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()


# --- Too slow -------------------------------------------------------------------------------------------

HASTY = Limits(total=20.0, gap=5.0, rate=2000.0, grace=0.3)


@attack("a timestamp comes drop by drop", row=12)
def slow_body(scene: Scene) -> None:
    """Each byte comes well before the gap is over, and all of them would take half a minute: left for its
    rate.
    """
    with scene.unmoved(None, limits=HASTY):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = dribbled()


@attack("headers come drop by drop")
def slow_header(scene: Scene) -> None:
    """The status line is there at once, a header is written for ever: the rate counts from the first byte."""
    with scene.unmoved(None, limits=HASTY):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", pause=0.05)


@attack("every answer is slow, and none too slow")
def slow_everything(scene: Scene) -> None:
    """Each answer keeps gap and rate, and there are many: the sync as a whole has an end."""
    began = time.monotonic()
    with scene.unmoved(None, limits=Limits(total=0.6, gap=5.0, rate=1.0, grace=10.0)):
        scene.next_list()
        scene.server.faults[""] = dribbled(pause=0.003)
    assert time.monotonic() - began < 10


@attack("a server takes the question and falls silent")
def silent(scene: Scene) -> None:
    """Not one byte: left after the gap."""
    with scene.unmoved(None, limits=Limits(total=20.0, gap=0.3, rate=1.0, grace=10.0)):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = endless(b"", b"", pause=0.1)


# --- Somewhere else -------------------------------------------------------------------------------------


@attack("the server sends us elsewhere", row=13)
def redirected(scene: Scene) -> None:
    """Another path of the same server, a file of this unit, another scheme: where lists come from is the
    configuration's word; none is followed.
    """
    scene.next_list()
    for place in (f"{scene.server.url}/metadata/elsewhere.json", "file:///etc/passwd", "https://127.0.0.1/"):
        with scene.unmoved(None):
            scene.server.faults[TIMESTAMP] = status(302, Location=place)
        assert not [path for path in scene.server.asked if "elsewhere" in path]


@attack("a list has moved for good")
def moved_list(scene: Scene) -> None:
    """The metadata are ours, the list itself is said to lie elsewhere from now on: not followed either."""
    with scene.unmoved(None):
        scene.next_list()
        scene.server.faults[KEYS] = status(301, Location=f"{scene.server.url}/targets/elsewhere")
    assert not [path for path in scene.server.asked if "elsewhere" in path]


# --- What a web server may say --------------------------------------------------------------------------


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
    (partial,) = (scene.store / "staging" / "partial").iterdir()
    partial.write_bytes(flipped(partial.read_bytes()))
    scene.sync()
    scene.arrived()


@attack("the list changes between its metadata and its bytes")
def changed_meanwhile(scene: Scene) -> None:
    """The next list is published while a unit is at work, and the old files go: what it was promised cannot
    be had any more; the list in force stays, and the next sync has the newest.
    """
    scene.next_list()

    def publish_meanwhile(handler: SimpleHTTPRequestHandler, file: Path) -> None:
        scene.server.faults.clear()
        data = file.read_bytes()
        for old in (scene.publisher.directory / "targets").rglob(f"*{KEYS}"):
            old.unlink()
        scene.publisher.keys.append(STRANGER.record())
        scene.publish(NIGHT + HOUR)
        sent(data)(handler, file)

    scene.server.faults["2.trust.json"] = publish_meanwhile
    with scene.unmoved(None):
        pass
    scene.sync(NIGHT + HOUR)
    assert STRANGER.kid in scene.arrived().keys


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


@attack("a server that fails for an hour")
def failing_server(scene: Scene) -> None:
    """Status 500 to the first question, 503 in the middle of a list: no alarm, since that is weather; then
    the list arrives.
    """
    scene.next_list()
    with scene.unmoved(None):
        scene.server.faults[TIMESTAMP] = status(500)
    scene.server.faults.clear()
    with scene.unmoved(None):
        scene.server.faults[".seg"] = status(503)
    assert scene.state().failures == 2
    scene.server.faults.clear()
    scene.sync()
    scene.arrived()
    assert scene.state().failures == 0


@attack("the next root is withheld")
def withheld_root(scene: Scene) -> None:
    """The keyholders have named new keys; the server says 403 to the root that tells of them, and serves
    the old repository on: nothing new can be had without it, and after three days all is refused as
    expired.
    """
    scene.publisher.copy(scene.folder / "kept")
    scene.publisher.rotate(NIGHT, "timestamp", "snapshot")
    root = scene.publisher.path_of("root").read_bytes()
    scene.publisher.restore(scene.folder / "kept")
    scene.server.faults["2.root.json"] = status(403)
    assert not scene.sync(NIGHT).changed
    scene.fails(Alarm.EXPIRED, START + 4 * DAY)
    scene.server.faults["2.root.json"] = sent(root)
    scene.fails(Alarm.SIGNATURE, START + 4 * DAY)
    assert scene.answer(LATE) == "PASS LIST_STALE"
    assert scene.look(START + timedelta(days=9)).answers[0] == "CHECK LIST_EXPIRED CLOCK_UNSURE"
