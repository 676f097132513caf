"""The bench's peers, as far as no network is needed: ours and zxing-cpp, and what becomes of the others."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench.frames import Amount, drawn
from bench.peers import Certificates, Environments, certificates, chains, decode, frames_in
from bench.peers.environments import PINS, WORKERS, prepare
from verifier.opening import open_code


def own(folder: Path, **others: list[str]) -> Environments:
    """Our own environment, and others that are started so."""
    commands = {
        "vaxgate": [sys.executable, str(WORKERS / "peer_ours.py")],
        "zxing": [sys.executable, str(WORKERS / "peer_decode.py")],
    }
    return Environments(folder, commands | others, {"node": "npm is missing"})


@pytest.fixture(scope="module")
def made() -> Certificates:
    return certificates(3)


def quiet(_text: str) -> None:
    """Say nothing."""


def test_readers_are_measured_and_absent_ones_are_named(tmp_path: Path) -> None:
    """Without any peer's environment ours and zxing-cpp have figures; the others have a why."""
    frames = frames_in(drawn(tmp_path, Amount(per_condition=1, empty=1, sizes=((640, 480),)), seed=1))
    some = [one for one in frames if one.condition in ("clean", "empty")]
    figures = decode(own(tmp_path), some, rounds=1, say=quiet)
    assert figures["frames"] == {"code": 1, "no code": 1}
    assert figures["absent"]["jsQR"] == "npm is missing"
    assert figures["absent"]["zbar"] == "not set up"
    for engine in ("vaxgate scan", "vaxgate live, first look", "zxing-cpp, fast"):
        row = figures["engines"][engine]
        assert (row["decoded"], row["false texts"], row["conditions"]) == (1, 0, {"clean": 1})
        assert row["code"]["p50"] > 0
    assert figures["engines"]["zxing-cpp, fast"]["no code"]["ratio"] == 1
    json.dumps(figures)


def test_a_text_that_is_in_no_code_of_the_frame_is_counted_as_false(tmp_path: Path) -> None:
    """A reader that makes up a text is told of, and has decoded nothing by it."""
    frames = frames_in(drawn(tmp_path, Amount(per_condition=1, empty=0, sizes=((640, 480),)), seed=1))
    clean = next(one for one in frames if one.condition == "clean")
    figures = decode(own(tmp_path), [clean._replace(texts=("another",))], rounds=1, say=quiet)
    row = figures["engines"]["zxing-cpp, fast"]
    assert (row["decoded"], row["false texts"]) == (0, 1)


def test_a_worker_that_ends_is_named_and_the_run_goes_on(tmp_path: Path, made: Certificates) -> None:
    """One peer that crashes costs no other its figures."""
    end = "import sys; sys.exit('no such library')"
    ready = """input(); print('{"packages": {"cose": "cose 0"}, "absent": {}}', flush=True); input(); """
    crashes = {
        name: [sys.executable, "-c", start + end] for name, start in (("chain", ""), ("greenpass", ready))
    }
    figures = chains(own(tmp_path, **crashes), made, rounds=1, say=quiet)
    assert figures["absent"]["cwt"] == "its worker ended (1) no such library"
    assert figures["absent"]["cose"] == "its worker ended (1) no such library"
    assert figures["families"]["HC1"]["chains"]["vaxgate"]["ratio"] == 1


def test_a_forgery_is_whole_but_for_its_proof(tmp_path: Path, made: Certificates) -> None:
    """Forged certificates open like genuine ones, and ours refuses each; a chain that does not is told of."""
    for family, forged in made.forged.items():
        for text, genuine in zip(forged, made.texts[family], strict=False):
            one, other = open_code(text).envelope, open_code(genuine).envelope
            assert one is not None
            assert other is not None
            assert (one.kid, one.to_be_signed) == (other.kid, other.to_be_signed)
            assert one.signature != other.signature
    gullible = tmp_path / "gullible.py"
    gullible.write_text(
        f"import sys; sys.path.insert(0, {str(WORKERS)!r})\nfrom serving import serve\n"
        "maker = ('pip', lambda _: lambda texts: [True] * len(texts))\n"
        "serve(dict.fromkeys(('straightforward', 'cwt', 'joserfc'), maker))\n"
    )
    figures = chains(own(tmp_path, chain=[sys.executable, str(gullible)]), made, rounds=1, say=quiet)
    rows = figures["families"]["HC1"]["chains"]
    assert {name: row["refuses a forgery"] for name, row in rows.items()} == {
        "vaxgate": True, "straightforward": False, "cwt": False,
    }  # fmt: skip
    assert figures["families"]["SHC"]["chains"]["vaxgate"]["refuses a forgery"] is True


def test_what_is_there_as_pinned_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second preparation starts no installer; without one the peers are noted as missing."""
    calls: list[list[str]] = []

    def refused(command: list[str], folder: Path | None = None) -> str:
        calls.append(command)
        return "no network"

    monkeypatch.setattr("bench.peers.environments._run", refused)
    environments = prepare(tmp_path, quiet)
    assert set(environments.commands) == {"vaxgate", "zxing"}
    assert environments.notes["chain"] == "no network"
    monkeypatch.setattr("bench.peers.environments._run", lambda *_: "")
    assert "chain" in prepare(tmp_path, quiet).commands
    calls.clear()
    monkeypatch.setattr("bench.peers.environments._run", refused)
    environments = prepare(tmp_path, quiet)
    assert "chain" in environments.commands
    assert "chain" not in environments.notes
    assert not [command for command in calls if "pip" in command]


def test_pins_have_a_hash_each_and_name_no_registry() -> None:
    """Every package of every environment is pinned by its content; where it comes from is not said."""
    for file in PINS.glob("requirements-*.txt"):
        for requirement in re.split(r"\n(?=\w)", file.read_text()):
            assert "==" in requirement, file
            assert "--hash=sha256:" in requirement, file
    lock = json.loads((PINS / "package-lock.json").read_text())
    assert all(one.get("integrity") for name, one in lock["packages"].items() if name)
    for file in PINS.iterdir():
        assert "://" not in file.read_text(), file
