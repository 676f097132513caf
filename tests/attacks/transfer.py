"""Attacks on the way from the server to the unit: bodies, headers, times and places that are not as they
should be.
"""

from __future__ import annotations

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
    assert not scene.unfinished()


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
    assert "slower than 2000 bytes" in (scene.state().last_error or "")


@attack("headers come drop by drop")
def slow_header(scene: Scene) -> None:
    """The status line is there at once, a header is written for ever: the rate counts from the first byte."""
    with scene.unmoved(None, limits=HASTY):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", pause=0.05)
    assert "slower than 2000 bytes" in (scene.state().last_error or "")


@attack("every answer is slow, and none too slow")
def slow_everything(scene: Scene) -> None:
    """Each answer keeps gap and rate, and there are many: the sync as a whole has an end."""
    with scene.unmoved(None, limits=Limits(total=0.6, gap=5.0, rate=1.0, grace=10.0)):
        scene.next_list()
        for end in ("timestamp.json", "snapshot.json", "targets.json", "trust.json"):
            scene.server.faults[end] = dribbled(pause=0.0005)
    assert "0.6 s are used up" in (scene.state().last_error or "")


@attack("a server takes the question and falls silent")
def silent(scene: Scene) -> None:
    """Not one byte comes back: left after the gap, without an alarm."""
    with scene.unmoved(None, limits=Limits(total=20.0, gap=0.3, rate=1.0, grace=10.0)):
        scene.next_list()
        scene.server.faults[TIMESTAMP] = endless(b"", b"", pause=0.1)
    assert "nothing came for too long" in (scene.state().last_error or "")


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


# --- While we are at work -------------------------------------------------------------------------------


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
