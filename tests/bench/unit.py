"""A unit on this machine: its real processes, with a trust list, a folder as the camera and mock pins.

The rules this module keeps:

* The list was published, fetched and installed as in life, and signed within this hour; the pictures hold
  certificates that it proves, and some are damaged.
* Processes are the installed commands, started as the units of systemd start them, environment included.
* Ready is what ``/health`` says: a frame was seen, a list is in force, and the unit would judge.

    with Unit(folder) as unit, unit.started() as run:
        run.pid, run.health()
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from office import TRAVELLER, Office
from PIL import Image
from places import ROOT

from issuer.certificates import of_vaccination
from issuer.qr import draw
from issuer.server import Server, create_app
from verifier.certificate import Family

SIZE = (1280, 720)
PICTURES = 24  # in the folder, every fourth damaged
DWELL_S, GAP_S = 0.25, 0.05  # of each picture, and of the empty desk after it
PATIENCE_S = 60.0


@dataclass
class Run:
    """A running ``vaxgate run``."""

    process: subprocess.Popen[str]
    url: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str) -> tuple[int, bytes]:
        """A page: its status and its content."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def health(self) -> dict[str, Any]:
        """What the unit says of itself."""
        found: dict[str, Any] = json.loads(self.get("/health")[1])
        return found

    def wait(self, state: str = "READY") -> None:
        """Until it says that it is in this state."""
        end = time.monotonic() + PATIENCE_S
        while self.health()["state"] != state:
            if time.monotonic() > end:
                raise TimeoutError(f"the unit is not {state} after {PATIENCE_S:g} s: {self.health()}")
            time.sleep(0.005)


class Unit:
    """Its folder, its publisher, and its commands. dwell_s: how long each picture is held up."""

    def __init__(self, folder: Path, *, pictures: int = PICTURES, dwell_s: float = DWELL_S) -> None:
        self.folder, self._dwell_s = folder, dwell_s
        self.config, self.pictures = folder / "vaxgate.toml", folder / "pictures"
        self._office = Office(folder, now=datetime.now(UTC))
        self.pictures.mkdir()
        for number in range(pictures):
            self._draw(number)

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(self._office)
        self._office.synced()
        public = self._office.issuer.registry.public
        url = self._stack.enter_context(Server(create_app(public))).url
        self.config.write_text(
            f'[camera]\nkind = "files"\npath = "{self.pictures}"\n'
            f"dwell_s = {self._dwell_s}\ngap_s = {GAP_S}\n"
            f'[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\n'
            f'[trust]\nstore = "{self.folder / "store"}"\nurl = "{url}"\nroot = "{public / "root.json"}"\n'
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _draw(self, number: int) -> None:
        """A certificate of one more dose held before the camera, or a damaged one."""
        dose = of_vaccination(
            TRAVELLER, country="XV", day=datetime.now(UTC).date(), dose=number % 3 + 1, doses=3
        )
        code = draw(self._office.issue(Family.HC1, dose).code)
        path = self.pictures / f"{number:03}.png"
        path.write_bytes(code.png(scale=code.scale_for(SIZE[1] * 6 // 10)))
        symbol = Image.open(path).convert("L")
        frame = Image.new("L", SIZE, 150)
        at = (SIZE[0] - symbol.width) // 2, (SIZE[1] - symbol.height) // 2
        if number % 4 == 3:
            stain = symbol.width // 4
            symbol.paste(90, (stain, stain, 3 * stain, 3 * stain))
        frame.paste(symbol, at)
        frame.save(path)

    def environment(self, name: str) -> dict[str, str]:
        """What systemd gives this unit's process, and where its data lies."""
        lines = (ROOT / "systemd" / f"{name}.service").read_text(encoding="utf-8")
        said = dict(re.findall(r"^Environment=(\w+)=(.*)$", lines, re.MULTILINE))
        said |= {"VAXGATE_DATA": str(self.folder / "data"), "VAXGATE_BOOT": "bench"}
        return {"PATH": os.environ["PATH"]} | said

    def command(self, name: str, *arguments: str | Path) -> list[str]:
        """A command of this environment, by the configuration of this unit."""
        return [str(Path(sys.executable).parent / name), *map(str, arguments), "--config", str(self.config)]

    @contextmanager
    def started(self, *before: str) -> Iterator[Run]:
        """``vaxgate run``, until the end of the block; its page is there. before: in front of the command."""
        with self.process([*before, *self.command("vaxgate", "run")]) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"vaxgate run ended with {process.wait(PATIENCE_S)} before it was ready")
            yield Run(process, url)

    @contextmanager
    def process(self, command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A process with the environment of ``vaxgate.service``, ended with the block."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL} | options
        process = subprocess.Popen(command, text=True, env=self.environment("vaxgate"), **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def publish(self) -> None:
        """Tonight's list: one more certificate is revoked."""
        self._office.issuer.revoke("URN:UVCI:01:XV:BENCH0001#A", any_key=True)
        self._office.issuer.publish(datetime.now(UTC))
