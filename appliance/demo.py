"""The demonstration: issuer, sync, a folder as the camera, mock pins and the page, on one machine.

The rules this module keeps:

* The issuer is a process of its own: it and the appliance meet only on the wire.
* What is printed is what was seen: the colour on the lamp's pins and the words in the page's event stream,
  read over HTTP as a browser reads them. The verifier is not asked.
* Nothing is left behind: no process, no port, and no file unless a directory was named.

    vaxgate demo                     # until Ctrl-C
    vaxgate demo --once              # exit 0: every answer was the expected one
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from appliance.camera.files import FolderCamera, Up
from appliance.config import CameraConfig, GateConfig
from appliance.errors import DemoError
from appliance.gate import Gate
from appliance.kiosk.hub import Hub
from appliance.kiosk.plain import Facts
from appliance.kiosk.server import KioskServer
from appliance.kiosk.trust import TrustPage
from appliance.lights import MockLamp, read_signal
from appliance.reader.live import Reader
from appliance.signals import SAYINGS, Signal
from trustsync.status import read_status
from trustsync.store import open_store

SETUP_S = 60.0
NEEDED = frozenset({Signal.PASS, Signal.CHECK, Signal.FAIL, Signal.RESCAN})
# Seconds that a picture is up, and the empty frame after it: while somebody watches, and when it is counted.
PACE = (4.0, 1.0)
PACE_ONCE = (1.0, 0.4)
COLOURS = {"green": "32", "amber": "33", "red": "31", "white": "37", "amber-red": "35"}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of the cast and what must be answered to it."""

    file: str
    title: str
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen while a picture was up: on the pins, and in the page's stream."""

    lamp: Signal | None
    state: str | None
    reason: str | None


@dataclass(slots=True)
class _Stream:
    """Follows the page's events over HTTP from a thread, and notes when each came."""

    url: str
    events: list[tuple[float, Facts]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _socket: socket.socket | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, name="stream", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                for facts in read_events(self._open()):
                    self.events.append((time.monotonic(), facts))
            self._stop.wait(0.2)

    def _open(self) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.request("GET", "/events", headers={"Accept": "text/event-stream"})
        self._socket = connection.sock
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"the page's stream answers {response.status}")
        return response

    def since(self, start: float) -> list[tuple[float, Facts]]:
        return [(at, facts) for at, facts in list(self.events) if at >= start]

    def stop(self) -> None:
        self._stop.set()
        if self._socket is not None:
            # A stream has no end of its own: the reader is waked by taking its socket away.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(timeout=5)


def read_events(response: http.client.HTTPResponse) -> Iterator[Facts]:
    """The facts of a stream of server-sent events; beats are left out."""
    name, data = "", ""
    for raw in response:
        line = raw.decode().rstrip("\n")
        if not line:
            if data and not name:
                yield json.loads(data)
            name, data = "", ""
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data += line[6:]


def run_demo(*, once: bool, port: int, directory: Path | None, seed: str) -> int:
    """Run the demonstration; returns the exit status. Raises DemoError when it cannot be set up."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with contextlib.ExitStack() as stack:
            if directory is None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaxgate-demo-")))
            directory.mkdir(parents=True, exist_ok=True)
            return _Demo(directory, seed, stack, stop).run(once=once, port=port)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Demo:
    def __init__(
        self, directory: Path, seed: str, stack: contextlib.ExitStack, stop: threading.Event
    ) -> None:
        self._dir, self._seed, self._stack, self._stop = directory, seed, stack, stop
        self._cast_dir = directory / "cast"
        self._store = directory / "trust"

    def run(self, *, once: bool, port: int) -> int:
        # 1. The page first: it says "starting" while the rest is set up.
        store = open_store(self._store)
        trust_page = TrustPage(lambda: read_status(self._store, datetime.now(UTC), opened=store).as_json())
        hub = Hub(site="Demo", trust_page=trust_page)
        kiosk = self._stack.enter_context(KioskServer(hub, port=port))
        print(f"page      {kiosk.url}", flush=True)
        lamp = MockLamp()
        self._stack.callback(lamp.close)
        # 2. Issuer, cast, trust list.
        cast = self._set_up()
        # 3. The gate, with the folder as its camera.
        dwell_s, gap_s = PACE_ONCE if once else PACE
        camera = FolderCamera(self._cast_dir, dwell_s=dwell_s, gap_s=gap_s, loop=not once)
        # The demonstration's own clock for "unreadable": a picture is up for little more than a second.
        config = replace(GateConfig(), damaged_s=0.5) if once else GateConfig()
        gate = Gate(
            open_camera=lambda: camera,
            open_trust=lambda: store,
            lamp=lamp,
            hub=hub,
            config=config,
            down_s=CameraConfig().down_s,
            read=Reader(),
        )
        gate.start()
        stream = _Stream(kiosk.url)
        stream.start()
        self._stack.callback(stream.stop)
        worker_stop = threading.Event()
        worker = threading.Thread(target=gate.run, args=(worker_stop,), name="gate", daemon=True)
        worker.start()
        self._stack.callback(worker.join, 5)
        self._stack.callback(worker_stop.set)
        # 4. Watch what happens.
        return self._watch(cast, camera, lamp, stream, once=once)

    # --- Setting up -----------------------------------------------------------------------------------------

    def _set_up(self) -> dict[str, Exhibit]:
        issuer_dir, ready = self._dir / "issuer", self._dir / "ready.json"
        ready.unlink(missing_ok=True)
        address = self._serve(issuer_dir, ready)
        # anew each time: what expired yesterday and begins tomorrow is only so for a day
        self._command("vaxgate-issuer", "issue", "--cast", str(self._cast_dir), "--data", str(issuer_dir))
        root = self._dir / "root.json"
        root.write_bytes(_get(f"{address}/root.json"))
        self._command(
            "vaxgate-sync", "once", "--url", address, "--root", str(root), "--store", str(self._store)
        )
        return read_cast(self._cast_dir)

    def _serve(self, issuer_dir: Path, ready: Path) -> str:
        if not issuer_dir.is_dir():
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._command("vaxgate-issuer", "init", str(issuer_dir), "--seed", self._seed, "--clock", now)
        command = [
            find_command("vaxgate-issuer"),
            "serve",
            str(issuer_dir),
            "--port",
            "0",
            "--ready-file",
            str(ready),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._stack.callback(_end, process)
        until = time.monotonic() + SETUP_S
        while time.monotonic() < until and not self._stop.is_set():
            if process.poll() is not None:
                said = process.stderr.read().strip() if process.stderr else ""
                raise DemoError(f"the issuer ended by itself ({process.returncode}): {said}")
            if ready.is_file():
                address = str(json.loads(ready.read_text())["url"]).rstrip("/")
                print(f"issuer    {address}", flush=True)
                return address
            time.sleep(0.05)
        raise DemoError("the issuer was not ready in time; see `vaxgate-issuer serve --help`")

    def _command(self, *command: str) -> None:
        name, *arguments = command
        try:
            done = subprocess.run(
                [find_command(name), *arguments], capture_output=True, text=True, timeout=SETUP_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"{name} {arguments[0]} took longer than {SETUP_S:g} s") from error
        if done.returncode != 0:
            raise DemoError(f"{name} {arguments[0]} failed ({done.returncode}): {done.stderr.strip()}")

    # --- Watching -------------------------------------------------------------------------------------------

    def _watch(
        self, cast: dict[str, Exhibit], camera: FolderCamera, lamp: MockLamp, stream: _Stream, *, once: bool
    ) -> int:
        results: dict[str, Seen] = {}
        for up in self._turns(camera, count=len(cast) if once else None):
            while camera.up == up and not self._stop.is_set():
                time.sleep(0.02)
            # What a picture leads to stands until the next one is up: an amber that blinks takes its time.
            seen = look_back(lamp, stream, up.since)
            until = time.monotonic() + PACE_ONCE[0]
            while (seen.lamp is None or seen.state is None) and camera.up is None and not self._stop.is_set():
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
                seen = look_back(lamp, stream, up.since)
            exhibit = cast.get(up.name)
            results[up.name] = seen
            print(_line(seen, exhibit), flush=True)
        if not once:
            return 0
        return self._compare(cast, results)

    def _turns(self, camera: FolderCamera, count: int | None) -> Iterator[Up]:
        """Each picture as it comes up."""
        previous: Up | None = None
        done = 0
        patience = time.monotonic() + SETUP_S
        while not self._stop.is_set() and (count is None or done < count):
            current = camera.up
            if current is None or current == previous:
                if time.monotonic() > patience:
                    raise DemoError("no picture came up; is the cast's folder empty?")
                time.sleep(0.01)
                continue
            previous = current
            patience = time.monotonic() + SETUP_S
            done += 1
            yield current

    def _compare(self, cast: dict[str, Exhibit], results: dict[str, Seen]) -> int:
        differ = []
        for name, exhibit in cast.items():
            seen = results.get(name)
            if seen is None:
                differ.append(f"{name}: was never up")
            elif not agrees(seen, exhibit):
                want = f"{exhibit.state} {exhibit.reason or ''}".strip()
                differ.append(
                    f"{name}: expected {want}; lamp {seen.lamp}, page {seen.state} {seen.reason or ''}"
                )
        missing = NEEDED - {seen.lamp for seen in results.values()}
        differ += [f"no {signal.value} was among them" for signal in sorted(missing)]
        for line in differ:
            print(f"DIFFERS   {line}", flush=True)
        print(f"{len(cast)} travellers, {len(cast) - len(differ)} as expected", flush=True)
        return 1 if differ else 0


def read_cast(folder: Path) -> dict[str, Exhibit]:
    """The cast of this folder by file name. Raises DemoError when ``cast.json`` is not one."""
    try:
        rows: list[dict[str, Any]] = json.loads((folder / "cast.json").read_text())
        cast = {
            row["file"]: Exhibit(row["file"], row["title"], row["expect_state"], row["expect_reason"])
            for row in rows
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DemoError(f"{folder}/cast.json is no cast ({type(error).__name__})") from error
    if not cast:
        raise DemoError(f"{folder}/cast.json names nobody")
    return cast


def look_back(lamp: MockLamp, stream: _Stream, start: float) -> Seen:
    """What the pins and the page have shown since ``start``: the last result of each."""
    results = [(at, facts) for at, facts in stream.since(start) if facts["state"] is not None]
    if not results:
        return Seen(None, None, None)
    # The first event of the last result; later ones repeat it without the name.
    number = results[-1][1]["results"]
    at, facts = next((at, facts) for at, facts in results if facts["results"] == number)
    # The lamp is set a moment before the event leaves; the same moment is what the eye sees.
    began = max(start, at - 0.05)
    changes = [c for c in lamp.recording(began) if c.at > began or c.level]
    stood = lamp.recording(at)
    return Seen(
        read_signal(stood) or read_signal(changes),
        facts["state"],
        facts["reasons"][0]["code"] if facts["reasons"] else None,
    )


def agrees(seen: Seen, exhibit: Exhibit) -> bool:
    """Whether lamp and page said what the cast expects: the state on both, the first reason on the page."""
    lamp = None if seen.lamp is None else seen.lamp.value
    same = lamp == exhibit.state and seen.state == exhibit.state
    return same and (exhibit.reason is None or seen.reason == exhibit.reason)


def _line(seen: Seen, exhibit: Exhibit | None) -> str:
    if seen.lamp is None:
        lamp, colour = "?", ""
    else:
        colour = SAYINGS[seen.lamp].colour
        lamp = seen.lamp.value
    dot = f"\x1b[{COLOURS[colour]}m●\x1b[0m" if colour and _coloured() else "●"
    title = exhibit.title if exhibit else ""
    return f"{dot} {colour:9} {lamp:6} {seen.reason or '-':22} {title}"


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def find_command(name: str) -> str:
    """A command of this installation: beside the interpreter, else on the path. Raises DemoError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise DemoError(f"{name} is not installed beside {sys.executable}; install the whole package")
    return found


def _get(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        if response.status != 200:
            raise DemoError(f"{url} answers {response.status}")
        return response.read(1 << 20)
    except OSError as error:
        raise DemoError(f"{url} cannot be reached ({type(error).__name__})") from error
    finally:
        connection.close()


def _end(process: subprocess.Popen[str]) -> None:
    """End the issuer that we started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stderr:
        process.stderr.close()
