"""``vaxgate.toml``: defaults, and what a slip in it is answered with."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from places import ROOT

from appliance.config import Config, load, parse, reference
from appliance.errors import ConfigError
from trustsync.paths import config_file


def test_a_unit_works_without_a_file() -> None:
    """Every key has a default."""
    assert load(None) == parse("") == Config()


def test_every_section_of_the_contract_is_there() -> None:
    """Sections whose keys come later are accepted while they are empty."""
    names = ["camera", "lamp", "sound", "kiosk", "trust", "training", "rules", "site", "journal", "gate"]
    assert [each.name for each in fields(Config)] == names
    assert parse("\n".join(f"[{name}]" for name in names)) == Config()


def test_keys_are_taken_with_their_types() -> None:
    """A whole number does for a number; all other types are exact."""
    config = parse(
        '[gate]\nhold_s = 6\n[camera]\nkind = "files"\npath = "/x"\nloop = false\n[lamp]\nred = 5\n'
    )
    assert (config.gate.hold_s, type(config.gate.hold_s)) == (6.0, float)
    assert (config.camera.kind, config.camera.path, config.camera.loop) == ("files", "/x", False)
    assert config.lamp.red == 5


SLIPS = {
    "[camera]\nknd = 'v4l2'": "t:2: [camera] knd: unknown key; did you mean kind?",
    "\n\n[lamp]\n# red\ngren = 4": "t:5: [lamp] gren: unknown key; did you mean green?",
    "[kisok]\nport = 1": "t:1: unknown section [kisok]; did you mean [kiosk]?",
    "port = 1": "t:1: unknown key port, outside any section",
    "camera = 1": "t:1: camera is a section: write [camera] on a line of its own",
    "[camera]\nkind = 'v4l'": (
        't:2: [camera] kind: "v4l" is none of auto, picamera2, v4l2, files; did you mean "v4l2"?'
    ),
    "[camera]\nwidth = '1280'": "t:2: [camera] width: a whole number is expected, not '1280'",
    "[camera]\nwidth = 1280.0": "t:2: [camera] width: a whole number is expected, not 1280.0",
    "[camera]\nwidth = true": "t:2: [camera] width: a whole number is expected, not True",
    "[camera]\nloop = 1": "t:2: [camera] loop: true or false is expected, not 1",
    "[camera]\ndata_matrix = 'yes'": "t:2: [camera] data_matrix: true or false is expected, not 'yes'",
    "[gate]\nparts_s = 90": "t:2: [gate] parts_s: 90 is outside 1 … 60",
    "[gate]\nhold_s = true": "t:2: [gate] hold_s: a number is expected, not True",
    "[gate]\nhold_s = 0": "t:2: [gate] hold_s: 0 is outside 0.2 … 60",
    "[gate]\nhold_s = nan": "t:2: [gate] hold_s: nan is outside 0.2 … 60",
    "[gate]\nhold_s = inf": "t:2: [gate] hold_s: inf is outside 0.2 … 60",
    "[kiosk]\nport = 65536": "t:2: [kiosk] port: 65536 is outside 0 … 65535",
    "[site]\ntime_zone = 'Asia/Hanoy'": 't:2: [site] time_zone: "Asia/Hanoy" is no time zone of this machine',
    "[site]\ntime_zone = '../../etc/passwd'": 't:2: [site] time_zone: "../../etc/passwd" is no time zone',
    "[lamp]\nrevision = 'pi'": 't:2: [lamp] revision: "pi" is no revision in hexadecimal',
    "[camera]\nfocus = 'nere'": 't:2: [camera] focus: "nere" is neither "auto" nor "near" nor a number',
    "[camera]\nfocus = '21'": 't:2: [camera] focus: "21" is neither "auto" nor "near" nor a number of ',
    "[camera]\nfocus = 5": "t:2: [camera] focus: a text in quotes is expected, not 5",
    "[camera]\nexposure = 5": "t:2: [camera] exposure: unknown key; did you mean exposure_ms?",
    "[camera]\nexposure_ms = 0": "t:2: [camera] exposure_ms: 0 is outside 0.1 … 100",
    "[camera]\nfps = 0": "t:2: [camera] fps: 0 is outside 1 … 120",
    "[lamp]\nillumination = -2": "t:2: [lamp] illumination: -2 is outside -1 … 53",
    "[lamp]\nilumination = 25": "t:2: [lamp] ilumination: unknown key; did you mean illumination?",
    "[sound]\nvolume = 3": "t:2: [sound] volume: unknown key; this section has no keys yet",
    "[gate]\nzzz = 3": "t:2: [gate] zzz: unknown key; there are hold_s, same_code_s, damaged_s, parts_s",
    "camera.knd = 1": "t:1: [camera] knd: unknown key; did you mean kind?",
    "[camera]\n'knd' = 1": "t:2: [camera] knd: unknown key; did you mean kind?",
    "[camera\n": "t: not TOML: ",
}


@pytest.mark.parametrize("text", list(SLIPS))
def test_a_slip_is_named_with_its_line_and_the_nearest_right_key(text: str) -> None:
    """What is wrong, where it stands, and what was probably meant."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "t")
    (problem,) = caught.value.problems
    assert problem.startswith(SLIPS[text])


def test_all_slips_are_named_at_once() -> None:
    """A file is put right in one go."""
    with pytest.raises(ConfigError) as caught:
        parse("[camera]\nknd = 1\nfps = 0\n[gate]\nhold = 1\n[x]\n", "t")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["t:2", "t:3", "t:5", "t:6"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "not UTF-8"), (b"#" * 300_000, "larger than"), (None, "cannot be read")],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Not text, far too long, not there."""
    path = tmp_path / "vaxgate.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load(path)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A unit is started from anywhere; its file's own folder is the place that counts."""
    path = tmp_path / "vaxgate.toml"
    path.write_text('[camera]\npath = "cast"\n[trust]\nstore = "trust"\nroot = "/etc/vaxgate/root.json"\n')
    config = load(path)
    assert config.camera.path == str(tmp_path / "cast")
    assert config.trust.store == str(tmp_path / "trust")
    assert config.trust.root == "/etc/vaxgate/root.json"


def test_the_file_in_force_is_the_named_one_then_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VAXGATE_CONFIG, else the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAXGATE_CONFIG", raising=False)
    (tmp_path / "vaxgate.toml").write_text("")
    assert config_file() == Path("vaxgate.toml")
    monkeypatch.setenv("VAXGATE_CONFIG", "/elsewhere/desk.toml")
    assert config_file() == Path("/elsewhere/desk.toml")


def test_the_lens_is_locked_near_unless_it_is_told() -> None:
    """20 cm by itself; a number is dioptres; `auto` is no place."""
    places = {'"near"': 5.0, '"8"': 8.0, '"6.5"': 6.5, '"0"': 0.0, '"auto"': None}
    for text, dioptres in places.items():
        assert parse(f"[camera]\nfocus = {text}\n").camera.dioptres == dioptres
    assert parse("").camera.dioptres == 5.0


def test_a_rate_and_an_exposure_that_fit_each_other_are_taken() -> None:
    """Slower frames may be exposed longer; without a light on the document no pin is taken for it."""
    assert parse("[camera]\nexposure_ms = 20\nfps = 50\n").camera.exposure_ms == 20
    assert parse("[camera]\nfps = 120\n").camera.fps == 120
    assert parse("[lamp]\nillumination = -1\n") == Config()


def test_the_page_in_the_docs_is_what_the_keys_say() -> None:
    """docs/config.md is made from the code; `python -m appliance.config > docs/config.md` makes it anew."""
    assert (ROOT / "docs" / "config.md").read_text() == reference()
    for section in fields(Config):
        for key in fields(section.default):  # type: ignore[arg-type]  # every section has a default
            assert f"| `{key.name}` |" in reference()
            assert key.metadata["doc"].endswith(".")


def test_a_usb_camera_and_a_folder_may_name_any_exposure() -> None:
    """The key speaks to picamera2 alone, and so does what it may not be."""
    for kind in ("v4l2", "files"):
        assert parse(f'[camera]\nkind = "{kind}"\npath = "x"\nexposure_ms = 50\n').camera.exposure_ms == 50


CONTRADICTIONS = {
    "[lamp]\nwhite = 17\ngreen = 17\n": "white and green are the same pin 17",
    "[lamp]\nillumination = 23\n": "red and illumination are the same pin 23",
    "[camera]\nexposure_ms = 20\n": (
        "vaxgate.toml:2: [camera] exposure_ms 20 is longer than a frame at fps 60, 16.7 ms; lower one of them"
    ),
    '[camera]\nkind = "files"\n': "needs a path",
    '[trust]\nurl = "trust.example"\n': "begins with http",
}


@pytest.mark.parametrize("text", list(CONTRADICTIONS))
def test_keys_that_contradict_each_other_are_named(text: str) -> None:
    """What cannot run is a mistake of the file, found before the unit starts."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert CONTRADICTIONS[text] in "\n".join(caught.value.problems)
