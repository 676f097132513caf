"""nginx from Debian on a free port, run as whoever runs the tests, with the configuration of the page.

with nginx(folder, public) as url:
    urllib.request.urlopen(f"{url}/root.json")
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import ROOT

PAGE = ROOT / "docs" / "hub.md"
MISSING = "nginx is not installed: apt-get install nginx-light"
_STARTED_IN = 20  # seconds


def site_of_the_page() -> str:
    """The ``server`` block of ``docs/hub.md``, as a reader copies it."""
    blocks = re.findall(r"((?:    .*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    (site,) = [block for block in blocks if "server {" in block]
    return re.sub(r"^    ", "", site, flags=re.MULTILINE)


def installed() -> str | None:
    """The program, where it is installed; Debian puts it where only root's PATH leads."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextmanager
def nginx(folder: Path, public: Path) -> Iterator[str]:
    """The address of a running nginx over this public directory; skips where nginx is not installed."""
    program = installed()
    if program is None:
        pytest.skip(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = site_of_the_page()
    for written, ours in (
        (r"listen [^;]*;", f"listen 127.0.0.1:{port};"),
        (r"server_name [^;]*;", "server_name localhost;"),
        (r"\n *ssl_[^;]*;", ""),
        (r"root [^;]*;", f"root {public};"),
    ):
        site, count = re.subn(written, ours, site)
        assert count, f"{written}: the page's configuration has no such line"
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nworker_processes 2;\n"
        f"{_user()}events {{ worker_connections 1024; }}\n"
        f"http {{\n  access_log {folder}/access.log;\n{temporary}{site}\n}}\n"
    )
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=_STARTED_IN)


def _user() -> str:
    """Run by root, the workers stay root: the tests' folders are nobody else's to read."""
    return "user root;\n" if os.geteuid() == 0 else ""


def _wait(process: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + _STARTED_IN
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"nginx did not start: {process.communicate()[1]}")
        try:
            urllib.request.urlopen(url, timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nginx does not answer")
