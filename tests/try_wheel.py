"""``make wheel``: run each installed command from elsewhere, with nothing of the checkout on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = (
    "vaxgate",
    "vaxgate-verify",
    "vaxgate-sync",
    "vaxgate-issuer",
    "vaxgate-hub",
    "vaxgate-tuf-client",
)


def main() -> int:
    """Exit status 0 when every command answers as it should."""
    commands = Path(sys.argv[1]).resolve() / "bin"
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
    with tempfile.TemporaryDirectory() as elsewhere:
        environment["VAXGATE_DATA"] = f"{elsewhere}/data"

        def run(*command: str, expect: int = 0) -> str:
            done = subprocess.run(
                [str(commands / command[0]), *command[1:]],
                cwd=elsewhere, env=environment, capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
            if done.returncode != expect:
                sys.exit(f"wheel: {' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
            return done.stdout

        for command in COMMANDS:
            print("wheel:", run(command, "--version").strip())
            if "example" not in run(command, "--help"):
                sys.exit(f"wheel: {command} --help shows no example")
        run("vaxgate-verify", "HC1:6BF", expect=40)  # no list on this unit yet
        print(run("vaxgate", "demo", "--once").strip().splitlines()[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
