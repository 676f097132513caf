"""On what a run was measured: the machine by its model, and what runs on it.

* What cannot be read is left out, never guessed.
* A board says its own name, a processor its own; a machine that is lent out by a hypervisor says that too.

    describe()["model"]                          # "Raspberry Pi 5 Model B Rev 1.0", "AMD EPYC"
    named(describe())                            # one line for a table's head
"""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("zxing-cpp", "cryptography", "cbor2", "numpy", "pillow", "pynacl", "flask", "waitress", "tuf")
PI = "Raspberry Pi"


def describe(root: Path = Path("/")) -> dict[str, Any]:
    """Model, processor, cores, kernel, Python, libraries, load, governor. root: of ``/proc``, ``/sys``."""
    told = _read(root / "proc/cpuinfo")
    processor = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    board = _read(root / "proc/device-tree/model").strip("\0 \n")
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    warmth = _read(root / "sys/class/thermal/thermal_zone0/temp").strip()
    load = _read(root / "proc/loadavg").split()[:3]
    facts = {
        "model": board or (processor[1].strip() if processor else platform.processor() or platform.machine()),
        "processor": processor[1].strip() if processor else None,
        "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", told, re.MULTILINE)) or None,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory MiB": int(memory[1]) // 1024 if memory else None,
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "degrees": int(warmth) / 1000 if warmth.isdecimal() else None,
        "load": [float(each) for each in load] or None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": _openssl(),
        "libraries": dict(_libraries()),
    }
    return {name: value for name, value in facts.items() if value is not None}


def named(machine: dict[str, Any]) -> str:
    """The machine in a line."""
    virtual = ", lent out by a hypervisor" if machine.get("virtual") else ""
    return (
        f"{machine['model']}{virtual}; {machine['architecture']}, {machine['cores']} cores; "
        f"Linux {machine['kernel']}; Python {machine['python']}"
    )


def is_pi(machine: dict[str, Any]) -> bool:
    """Whether it was measured on a Raspberry Pi."""
    return str(machine["model"]).startswith(PI)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _openssl() -> str | None:
    """The library that checks signatures, as ``cryptography`` carries it."""
    try:
        from cryptography.hazmat.backends.openssl.backend import backend
    except ImportError:
        return None
    return backend.openssl_version_text()


def _libraries() -> list[tuple[str, str]]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            print(f"{name} is not installed; its version is not told", file=sys.stderr)
    return found
