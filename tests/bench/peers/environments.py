"""An environment for each group of peers, set up from pinned packages and kept for the next time.

The rules this module keeps:

* What is installed stands in ``pins/`` with its hash; where it comes from is this machine's setting.
* Nothing is installed into the project's own environment; ``build/peers`` may be removed at any time.
* What cannot be had (no network, no wheel for this machine, no Node.js) is noted with its why and left out.
* What is there and as pinned is not touched again.

    environments = prepare(Path("build/peers"))
    environments.commands["zbar"]           # ["build/peers/zbar/bin/python", ".../peer_decode.py"]
    environments.notes                      # {"node": "npm is missing. Type: sudo apt-get install …"}
"""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS, WORKERS = HERE / "pins", HERE / "workers"
# Each environment of Python, and the worker that runs in it.
_PYTHON = {
    "zbar": "peer_decode.py",
    "opencv": "peer_decode.py",
    "chain": "peer_chain.py",
    "greenpass": "peer_chain.py",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Environments:
    """folder: where they are. commands: what starts each one's worker. notes: what is missing, and why."""

    folder: Path
    commands: Mapping[str, list[str]]
    notes: Mapping[str, str]


def talk(text: str) -> None:
    """One line to stderr."""
    print(text, file=sys.stderr, flush=True)


def prepare(folder: Path, say: Say = talk) -> Environments:
    """Set up what is missing, which takes a minute the first time; what cannot be had is noted."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    notes = {name: _python(folder / name, say) for name in _PYTHON} | {"node": _node(folder / "node", say)}
    notes["zbar"] = notes["zbar"] or _library_of_zbar(say)
    # Our own environment has our reader, and zxing-cpp at the version that the reader stands on.
    commands = {
        "vaxgate": [sys.executable, str(WORKERS / "peer_ours.py")],
        "zxing": [sys.executable, str(WORKERS / "peer_decode.py")],
        **{
            name: [str(folder / name / "bin" / "python"), str(WORKERS / script)]
            for name, script in _PYTHON.items()
        },
        "node": ["node", "peer_node.mjs"],
    }
    there = {name: command for name, command in commands.items() if not notes.get(name)}
    return Environments(folder, there, {name: note for name, note in notes.items() if note})


def _python(folder: Path, say: Say) -> str:
    """Set up one environment of Python; why it could not be."""
    pins = PINS / f"requirements-{folder.name}.txt"
    wanted = _digest(platform.python_version(), pins)
    if _is_done(folder, wanted):
        return ""
    say(f"peers: setting up {folder.name} (once)")
    venv.create(folder, clear=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    # Nothing is built here: OpenCV would take hours on a small machine.
    quietly = ["--disable-pip-version-check", "--quiet", "--retries", "1", "--only-binary", ":all:"]
    failed = _run([*pip, *quietly, "--require-hashes", "--no-deps", "-r", str(pins)])
    return failed or _mark_done(folder, wanted)


def _node(folder: Path, say: Say) -> str:
    if not shutil.which("node") or not shutil.which("npm"):
        return "npm is missing. Type: sudo apt-get install nodejs npm"
    files = [PINS / "package.json", PINS / "package-lock.json"]
    folder.mkdir(exist_ok=True)
    # The packages of Node are looked for beside the script that asks for them.
    shutil.copy(WORKERS / "peer_node.mjs", folder)
    wanted = _digest(_output(["node", "--version"]), *files)
    if _is_done(folder, wanted):
        return ""
    say("peers: setting up node (once)")
    for file in files:
        shutil.copy(file, folder)
    failed = _run(["npm", "ci", "--no-audit", "--no-fund", "--fetch-retries", "1"], folder)
    return failed or _mark_done(folder, wanted)


def _library_of_zbar(say: Say) -> str:
    """zbar is a library of the system, which pyzbar calls."""
    if ctypes.util.find_library("zbar"):
        return ""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("peers: installing libzbar0")
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libzbar0"])
    there = ctypes.util.find_library("zbar")
    return "" if there else "libzbar0 is missing. Type: sudo apt-get install libzbar0"


def _digest(version: str, *files: Path) -> str:
    return hashlib.sha256(version.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


def _is_done(folder: Path, wanted: str) -> bool:
    """Whether the environment was set up as it is wanted now."""
    done = folder / "done"
    return done.exists() and done.read_text() == wanted


def _mark_done(folder: Path, wanted: str) -> str:
    (folder / "done").write_text(wanted)
    return ""


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _run(command: list[str], folder: Path | None = None) -> str:
    """What a command complains of first; empty when it went well."""
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        return str(error)
    # Only such a line: warnings before it name the registry that this machine is set up for.
    errors = [line for line in run.stderr.splitlines() if line.startswith(("ERROR", "npm error"))]
    return "" if run.returncode == 0 else (errors or [f"{command[0]}: exit code {run.returncode}"])[0]
