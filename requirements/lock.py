"""Pin the requirements anew: every dependency with the hashes of all its files, for every architecture.

The files name no registry; whoever installs uses the registry that their own machine is set up for.
Needs ``uv``, which is looked for beside this Python and on the path, and installed if it is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OPTIONS = (
    "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
    "--no-header", "--no-annotate", "--upgrade",
)  # fmt: skip


def uv() -> str:
    """The resolver's command."""
    beside = Path(sys.executable).with_name("uv")
    if not beside.exists() and shutil.which("uv") is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], check=True)
    return str(beside) if beside.exists() else "uv"


def main() -> None:
    """Write the files."""
    resolver = uv()
    pins = "tests/bench/peers/pins"
    usb = ["pyproject.toml", "--extra", "usb"]
    for output, sources in (
        ("requirements/runtime.txt", ["pyproject.toml"]),
        ("requirements/usb.txt", usb),
        ("requirements/dev.txt", [*usb, "requirements/dev.in"]),
        # each group of the bench's peers has an environment of its own
        (f"{pins}/requirements-zbar.txt", [f"{pins}/zbar.in"]),
        (f"{pins}/requirements-opencv.txt", [f"{pins}/opencv.in"]),
        (f"{pins}/requirements-chain.txt", [f"{pins}/chain.in"]),
        (
            f"{pins}/requirements-greenpass.txt",
            [f"{pins}/greenpass.in", "--overrides", f"{pins}/greenpass-without.in"],
        ),
    ):
        command = [resolver, "pip", "compile", *OPTIONS, *sources, "-o", output]
        subprocess.run(command, check=True, cwd=ROOT)
        print(f"{output}: written")


if __name__ == "__main__":
    main()
