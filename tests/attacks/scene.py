"""What an attack finds: a publisher, its server, a unit that has synced, and certificates that it judges.

    with staged() as scene:                            # one honest night is over, the unit judges by its list
        thief = scene.thief("timestamp")               # from now on the unit asks a thief, who has this key
        with scene.unmoved(Alarm.ROLLBACK):
            thief.versions["snapshot"] -= 1
            thief.sign_timestamp(scene.now)

The unit is the real one: the sync's client over HTTP, its store on disk, a verdict by the gate's own way.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey
from trust_site import SPKI, START, Server, Site, key

from appliance.judging import Basis, judge
from attacks import answers
from attacks.keyholders import Keyholders
from trustsync.errors import Alarm, NoListError, RefusedError, StoreError, TrustSyncError
from trustsync.facts import STATE_NAME, StoreState, read_state
from trustsync.store import Origin, open_store
from trustsync.sync import SyncResult, sync_once
from trustsync.targets import KeyRecord
from verifier.checks import entry_digest
from verifier.clocks import Reading, clock_state, reckoned
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import Domain, HashKind, TrustedKey
from verifier.wire import hc1

NIGHT = START + timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attack:
    """One story. name: in words. row: of the table that the design measured, where it stands there."""

    name: str
    run: Callable[[Scene], None]
    row: int | None = None

    @property
    def story(self) -> str:
        """What happens, and what must come of it."""
        return " ".join((self.run.__doc__ or "").split())


ATTACKS: list[Attack] = []


Story = Callable[["Scene"], None]


def attack(name: str, *, row: int | None = None) -> Callable[[Story], Story]:
    """Enter a story into the table."""

    def entered(run: Story) -> Story:
        assert run.__doc__, f"{name}: tell the story"
        assert name not in {each.name for each in ATTACKS}, f"{name}: told already"
        ATTACKS.append(Attack(name, run, row))
        return run

    return entered


class Signer:
    """A country's signing key, whose certificates the unit judges."""

    def __init__(self, seed: int, kid: bytes) -> None:
        self.key = SigningKey(bytes([seed]) * 32)
        self.kid = kid

    def record(self, environment: str = "production", **facts: Any) -> KeyRecord:
        """Its row in the published list."""
        spki = SPKI + self.key.verify_key.encode()
        said = {"kid": self.kid, "spki": spki, "country": "XV", "domain": Domain.HCERT} | facts
        return KeyRecord(TrustedKey(**said), environment)

    def certificate(self, name: str, *, issued: datetime = START) -> str:
        """One dose of somebody, identified by ``name``."""
        dose = {
            "tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215",
            "dn": 2, "sd": 2, "dt": "2021-10-01", "co": "XV", "is": "Ministry",
            "ci": f"URN:UVCI:01:XV:{name}",
        }  # fmt: skip
        payload = {"ver": "1.3.0", "nam": {"fn": name, "fnt": "SPECIMEN"}, "dob": "1970-01-01", "v": [dose]}
        return hc1.encode_hc1(
            payload,
            iss="XV",
            iat=int(issued.timestamp()),
            exp=int((START + timedelta(days=3650)).timestamp()),
            kid=self.kid,
            alg=-8,
            sign=lambda data: self.key.sign(data).signature,
        )


MINISTRY = Signer(71, b"ministry")
YOUNG = Signer(72, b"young-01")  # published from the second night on
STRANGER = Signer(73, b"stranger")
GOOD = MINISTRY.certificate("GOOD", issued=START - HOUR)
REVOKED = MINISTRY.certificate("REVOKED", issued=START - HOUR)
LATE = MINISTRY.certificate("LATE", issued=START - HOUR)  # revoked from the second night on


def entry(name: str) -> bytes:
    """The revocation entry of a certificate by its identifier."""
    return entry_digest(f"URN:UVCI:01:XV:{name}")


@dataclass(frozen=True, slots=True)
class Look:
    """What stands on the unit. answers: state and reasons of GOOD and REVOKED, or the word of what is out."""

    generation: int | None
    keys: frozenset[bytes]
    floor: datetime | None
    signed_at: datetime | None
    answers: tuple[str, ...]


class Scene:
    """One attack's world. now: what its clock says; START at first."""

    def __init__(self, folder: Path, publisher: Keyholders, server: Server) -> None:
        self.folder = folder
        self.publisher = publisher
        self.server = server
        self.site = Site(publisher, server, folder / "store")
        self.now = START

    @property
    def store(self) -> Path:
        """The unit's store."""
        return self.site.store

    # --- honest nights ------------------------------------------------------------------------------------

    def publish(self, now: datetime | None = None, **changes: Any) -> None:
        """An honest publication."""
        self.publisher.publish(now or self.now, **changes)

    def sync(
        self,
        now: datetime | None = None,
        *,
        reading: Reading | None = None,
        proven: Reading | None = None,
        **changes: Any,
    ) -> SyncResult:
        """A sync of the unit, whatever stands on the server; the story goes on from this instant.

        reading, proven: of the machine's clock, where a story is about clocks. changes: of its settings.
        """
        self.now = now or self.now
        self.server.asked.clear()
        return sync_once(self.site.config(**changes), now=self.now, reading=reading, proven=proven)

    def next_list(self, now: datetime = NIGHT) -> None:
        """An honest second list: one more key, one more revocation; the unit has not asked for it yet."""
        self.now = now
        self.news()
        self.publish()

    def next_night(self, now: datetime = NIGHT) -> Look:
        """An honest second list, and the unit has it."""
        self.next_list(now)
        self.sync()
        return self.arrived()

    def arrived(self) -> Look:
        """Proof that the second list is in force here."""
        look = self.look()
        assert YOUNG.kid in look.keys
        assert look.answers == ("PASS", "FAIL REVOKED")
        assert self.answer(LATE) == "FAIL REVOKED"
        assert self.state().last_error is None
        return look

    def news(self) -> None:
        """What the next honest list says in addition."""
        self.publisher.keys.append(YOUNG.record())
        self.publisher.revoked[MINISTRY.kid, HashKind.UCI].append(entry("LATE"))

    def length(self, path: str) -> int:
        """Bytes of a target as it was published last."""
        role = path.partition("/")[0]
        return int(self.publisher.said(role)["targets"][path]["length"])

    def break_off(self, end: str) -> None:
        """A sync in which the line breaks in the middle of a file, so that half of it lies on the card."""
        half = answers.sent(lambda data: data[: len(data) // 2], announced=1 << 20)
        self.server.faults[end] = half
        self.fails(Alarm.CUT_SHORT)
        self.server.faults.clear()
        assert list((self.store / "staging" / "partial").iterdir())

    # --- a thief's ways ---------------------------------------------------------------------------------

    def thief(self, *stolen: str) -> Keyholders:
        """A thief on the line with the keys of these roles: from now on the unit is served his copy."""
        thief = self.publisher.robbed(
            self.folder / f"thief-{len(list(self.folder.glob('thief-*')))}", *stolen
        )
        self.serve(thief)
        return thief

    def serve(self, publisher: Keyholders) -> None:
        """Whose files the unit gets."""
        self.server.directory = publisher.directory

    def new_unit(self) -> Scene:
        """A second unit, straight from its box, before the same server."""
        box = self.folder / "box"
        box.mkdir()
        unit = Scene(box, self.publisher, self.server)
        unit.now = self.now
        return unit

    # --- looking ------------------------------------------------------------------------------------------

    def state(self) -> StoreState:
        """The facts of the unit's store."""
        return read_state(self.store / STATE_NAME) or StoreState()

    def answer(self, code: str, at: datetime | Reading | None = None) -> str:
        """What the unit makes of a code, as ``PASS`` or ``FAIL REVOKED``; ``OUT …`` where it cannot judge.

        at: what its clock says, with the time since boot where a story is about clocks.
        """
        reading = at if isinstance(at, Reading) else Reading(at or self.now)
        try:
            held = open_store(self.store, self.folder / "seed").current()
        except NoListError:
            return f"OUT {Reason.NO_LIST}"
        except StoreError:
            return f"OUT {Reason.STORE_DOWN}"
        now, clock = reckoned(reading, held.clock), clock_state(reading, held.clock)
        verdict = judge(code, Basis(held.trust, (SIGNATURE_ONLY,), now, clock, held.floor)).verdict
        return " ".join([verdict.state, *(found.code for found in verdict.reasons)])

    def look(self, at: datetime | Reading | None = None) -> Look:
        """What stands now."""
        state = self.state()
        answers = tuple(self.answer(code, at) for code in (GOOD, REVOKED))
        try:
            held = open_store(self.store, self.folder / "seed").current()
        except TrustSyncError:
            return Look(None, frozenset(), state.floor, None, answers)
        return Look(held.generation, frozenset(held.trust.keys), state.floor, held.signed_at, answers)

    def unfinished(self) -> list[Path]:
        """What was fetched in part: it lies under the hash that it should have, and does not have it yet."""
        found = (self.store / "staging" / "partial").glob("*")
        return [path for path in found if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]

    def origin(self) -> Origin:
        """Which generation answers."""
        return open_store(self.store, self.folder / "seed").current().origin

    # --- what must come of it -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def unmoved(self, alarm: Alarm | None, **changes: Any) -> Iterator[None]:
        """After the body a sync must fail with this alarm (``None``: without one); the list in force and its
        answers are what they were. The floor may have risen, by time that was really signed.
        """
        before = self.look()
        yield
        self.fails(alarm, **changes)
        after = self.look()
        assert replace(after, floor=before.floor) == before
        assert before.floor is None or (after.floor is not None and after.floor >= before.floor)

    @contextlib.contextmanager
    def unmoved_but(self, **changes: Any) -> Iterator[None]:
        """After the body everything is what it was, but for these fields of the look."""
        before = self.look()
        yield
        assert self.look() == replace(before, **changes)

    def fails(self, alarm: Alarm | None, now: datetime | None = None, **changes: Any) -> TrustSyncError:
        """A sync that must fail, with this alarm on record."""
        try:
            self.sync(now, **changes)
        except TrustSyncError as caught:
            error = caught
        else:
            raise AssertionError("the sync succeeded")
        raised = error.alarm if isinstance(error, RefusedError) else None
        assert raised is alarm, f"{raised} in place of {alarm}: {error}"
        assert alarm is None or alarm in {each.code for each in self.state().alarms}
        assert self.state().last_error == str(error)
        return error


@cache
def first_night() -> tuple[Path, Keyholders]:
    """A repository and a unit after one honest night, made once and copied for each story."""
    folder = Path(tempfile.mkdtemp(prefix="vaxgate-attacks-"))
    maker = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == maker else None)
    publisher = Keyholders(folder / "repository")
    publisher.keys = [MINISTRY.record(), key(1), key(9, "test")]
    publisher.revoked = {
        (MINISTRY.kid, HashKind.UCI): [entry("REVOKED")],
        (bytes([1]) * 8, HashKind.SIGNATURE): [bytes([n]) * 16 for n in range(5)],
    }
    publisher.publish(START)
    with served(publisher) as server:
        Site(publisher, server, folder / "store").sync(START)
    return folder, publisher


class _Server(Server):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A unit that hangs up on a bad server is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def served(publisher: Keyholders, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """The publisher's files on loopback, over HTTP or HTTPS."""
    server = _Server(publisher.directory)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@contextlib.contextmanager
def staged() -> Iterator[Scene]:
    """The scene of one story; it is torn down behind it."""
    base, publisher = first_night()
    with tempfile.TemporaryDirectory(prefix="vaxgate-attack-") as name:
        folder = Path(name)
        shutil.copytree(base, folder, dirs_exist_ok=True)
        own = publisher.clone(folder / "repository")
        with served(own) as server:
            scene = Scene(folder, own, server)
            assert scene.look().answers == ("PASS", "FAIL REVOKED")
            yield scene


def play(told: Attack) -> None:
    """Run one story. Raises AssertionError when it does not end as told."""
    with staged() as scene:
        told.run(scene)


__all__ = [
    "ATTACKS", "GOOD", "HOUR", "LATE", "MINISTRY", "NIGHT", "REVOKED", "START", "STRANGER", "YOUNG",
    "Attack", "Look", "Scene", "Signer", "State",
    "attack", "entry", "first_night", "play", "replace", "served", "staged",
]  # fmt: skip
