"""Who may import whom, drawn as the picture in docs/architecture.md says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

# A package and what it may import of this project.
MAY_IMPORT = {
    "verifier": {"verifier"},
    "trustsync": {"verifier", "trustsync"},
    "issuer": {"verifier", "trustsync", "issuer"},
    "appliance": {"verifier", "trustsync", "appliance"},
}

# The heart imports value modules: nothing that opens a file or a socket, reads a clock, or writes a log.
PURE = {
    "__future__", "array", "base64", "binascii", "calendar", "collections", "contextlib", "contextvars",
    "dataclasses", "datetime", "enum", "functools", "hashlib", "io", "itertools", "json", "math", "operator",
    "re", "sys", "types", "typing", "unicodedata", "urllib", "zipfile", "zlib",
    "asn1crypto", "cbor2", "cryptography", "nacl", "pyld", "rfc8785",
}  # fmt: skip
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the picture"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", list(MAY_IMPORT))
def test_imports_flow_from_the_shell_to_the_heart(package: str) -> None:
    """verifier ← trustsync ← issuer and appliance, which meet only on the wire."""
    assert modules(package)
    for path in modules(package):
        inside = {name.split(".")[0] for name in imported(path)} & set(MAY_IMPORT)
        assert inside <= MAY_IMPORT[package], path


def test_the_heart_is_pure() -> None:
    """No files, sockets, database, clock, log or web in verifier/; urllib for its parser of texts only."""
    for path in modules("verifier"):
        names = imported(path)
        assert {name.split(".")[0] for name in names} <= PURE | {"verifier"}, path
        assert not {n for n in names if n.startswith("urllib")} - {"urllib.parse"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert called(node.func) not in IMPURE_CALLS, (
                    f"{path}:{node.lineno} calls {called(node.func)}"
                )


def called(function: ast.expr) -> str:
    """The name that a call calls; a member of an archive in memory is opened without any file."""
    if isinstance(function, ast.Attribute):
        inside = isinstance(function.value, ast.Name) and function.value.id == "archive"
        return "" if inside and function.attr == "open" else function.attr
    return getattr(function, "id", "")


def test_pitfall_12_verify_loads_no_camera_lamp_or_web_and_opens_no_socket() -> None:
    """`vaxgate-verify` judges a text with no web server, lamp or camera loaded, and sockets forbidden."""
    program = (
        "import socket, sys\n"
        "def forbidden(*a, **k): raise AssertionError('a socket in the deciding path')\n"
        "from appliance.cli.verify import main\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = forbidden\n"
        "status = main(['--trust', sys.argv[1], 'HC1:6BF', 'https://example.invalid', 'shlink:/eyJ1cmwi'])\n"
        "loaded = {'flask', 'waitress', 'gpiozero', 'picamera2', 'linuxpy', 'av', 'PIL'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "sys.exit(status)\n"
    )
    from desk import signing_key

    from issuer.keys import Algorithm

    key = ROOT / ".pytest_cache" / "pitfall-12.der"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(signing_key(Algorithm.ES256, "1").spki())
    done = subprocess.run([sys.executable, "-c", program, str(key)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 30, done.stderr
