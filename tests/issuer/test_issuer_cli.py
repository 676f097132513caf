"""The command ``vaxgate-issuer``: answers, errors in words, and ``serve`` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from issuer.cli import main
from issuer.faults import FAULTS
from issuer.keys import Algorithm
from issuer.office import Issuer
from verifier.reasons import Reason
from verifier.trust import KeyStatus
from verifier.wire.hc1 import decode_claims, open_hcert

CLOCK = "2021-09-01T08:00:00Z"
DOMAINS = ("lt1", "at1", "shc", "vds-nc", "divoc", "nzcp")  # beside that of HC1
READY_WITHIN = 20  # seconds: ten times the promise of two
HOLDER = ["--surname", "Trương", "--given", "Mỹ Ước", "--dob", "2001-12-24"]

# What the child may not do: reach anything but the loopback interface.
GUARDED = """
import socket, sys
connect = socket.socket.connect
def only_here(self, address):
    if address[0] != "127.0.0.1":
        raise SystemExit(f"the network was asked for: {address[0]}")
    return connect(self, address)
socket.socket.connect = only_here
from issuer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _claims(text: str) -> Any:
    return decode_claims(open_hcert(text).payload)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def _fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line on stderr of a call that cannot be done; nothing goes to stdout."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vaxgate-issuer: ")
    assert captured.err.count("\n") == 1
    return captured.err


def _misused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What argparse says about wrong arguments."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert left.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", ["init", "serve", "issue", "revoke", "rotate", "publish", "faults"])
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the command as a whole lists exactly the verbs that work."""
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    assert f"example:\n  vaxgate-issuer {verb} " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert f"\n    {verb} " in capsys.readouterr().out


def test_init_makes_an_issuer_and_says_which_root_to_pin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys of three algorithms for HC1, one for each other family, a test environment; published at once."""
    office = tmp_path / "office"
    answer = json.loads(_run(capsys, "init", office, "--seed", "s", "--clock", CLOCK, "--json"))
    assert answer["country"] == "XV"
    keys = [(key["domain"], key["alg"], key["environment"]) for key in answer["keys"]]
    assert keys[:4] == [
        ("hcert", "ES256", "production"),
        ("hcert", "PS256", "production"),
        ("hcert", "EdDSA", "production"),
        ("hcert", "ES256", "test"),
    ]
    others = [(domain, "EdDSA" if domain == "divoc" else "ES256") for domain in DOMAINS]
    assert keys[4:] == [(*key, environment) for environment in ("production", "test") for key in others]
    assert json.loads(Path(answer["root"]).read_bytes())["signed"]["_type"] == "root"
    assert "not empty" in _fails(capsys, "init", office)


@pytest.mark.parametrize("algorithm", ["ES256", "ps256", "EdDSA"])
def test_issue_prints_the_text_of_a_certificate(
    algorithm: str, office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stdout that a verifier takes as it is."""
    out = _run(
        capsys,
        "issue",
        "--data",
        office,
        "--kind",
        "vaccination",
        "--alg",
        algorithm,
        *HOLDER,
        "--clock",
        CLOCK,
    )
    text = out.removesuffix("\n")
    assert "\n" not in text
    claims = _claims(text)
    assert claims.document["nam"]["fnt"] == "TRUONG"
    assert claims.issued_at.isoformat() == "2021-09-01T08:00:00+00:00"
    assert claims.expires_at.isoformat() == "2022-09-01T08:00:00+00:00"


def test_issue_takes_the_facts_of_each_event(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Doses, dates, result and periods arrive in the payload."""

    def payload(*arguments: str) -> Any:
        return _claims(
            _run(capsys, "issue", "--data", office, *HOLDER, "--clock", CLOCK, *arguments).strip("\n")
        ).document

    (dose,) = payload("--kind", "vaccination", "--date", "2021-07-01", "--dose", "1", "--doses", "3")["v"]
    assert (dose["dt"], dose["dn"], dose["sd"]) == ("2021-07-01", 1, 3)
    (test,) = payload(
        "--kind",
        "test",
        "--sampled",
        "2021-09-01T10:00:00+07:00",
        "--result",
        "positive",
        "--method",
        "rapid",
    )["t"]
    assert (test["sc"], test["tr"], test["tt"]) == ("2021-09-01T03:00:00Z", "260373001", "LP217198-3")
    (recovery,) = payload("--kind", "recovery", "--date", "2021-06-01", "--valid-until", "2021-10-01")["r"]
    assert (recovery["fr"], recovery["df"], recovery["du"]) == ("2021-06-01", "2021-06-12", "2021-10-01")


def test_issue_sets_or_leaves_out_the_expiry(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--expires, --no-expiry, and not both."""
    issue = ["issue", "--data", str(office), "--kind", "vaccination", *HOLDER, "--clock", CLOCK]
    until = _claims(_run(capsys, *issue, "--expires", "2021-10-01T00:00:00Z").strip("\n"))
    assert until.expires_at.isoformat() == "2021-10-01T00:00:00+00:00"
    assert _claims(_run(capsys, *issue, "--no-expiry").strip("\n")).expires_at is None
    assert "not allowed with" in _misused(capsys, *issue, "--no-expiry", "--expires", CLOCK)


def test_issue_writes_pictures_and_text(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PNG, SVG and text by the file's ending; the PNG reads back to the identifier that was said."""
    for name in ("a.png", "a.svg", "a.txt"):
        answer = json.loads(
            _run(
                capsys, "issue", "--data", office, "--kind", "test", *HOLDER, "--clock", CLOCK,
                "--out", tmp_path / name, "--json",
            )
        )  # fmt: skip
        assert answer["file"] == str(tmp_path / name)
        assert "text" not in answer
        if name == "a.png":
            with Image.open(tmp_path / name) as picture:
                (code,) = zxingcpp.read_barcodes(picture.convert("L"))
            assert _claims(code.text).document["t"][0]["ci"] == answer["uvci"]
    assert (tmp_path / "a.svg").read_text().count("<svg") == 1
    assert (tmp_path / "a.txt").read_text().startswith("HC1:")
    assert "must end in" in _misused(capsys, "issue", "--kind", "test", "--out", "code.jpg")


def test_issue_signs_a_payload_from_a_file(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, with an identifier added where it has none."""
    payload = {
        "ver": "1.3.0",
        "nam": {"fn": "Sulastri", "fnt": "SULASTRI"},
        "dob": "1975",
        "r": [
            {
                "tg": "840539006",
                "fr": "2021-06-01",
                "df": "2021-06-12",
                "du": "2021-11-28",
                "co": "XV",
                "is": "somebody",
            }
        ],
    }
    file = tmp_path / "claims.json"
    file.write_text(json.dumps(payload))
    issue = ["issue", "--data", str(office), "--clock", CLOCK, "--input", str(file)]
    got = _claims(_run(capsys, *issue).strip("\n")).document
    assert got["r"][0].pop("ci").startswith("URN:UVCI:01:XV:")
    assert got == payload

    file.write_text(json.dumps(payload | {"vaccine": 1}))
    assert "vaccine: no such member" in _fails(capsys, *issue)
    file.write_text("{")
    assert "not JSON" in _fails(capsys, *issue)
    file.write_text("[]")
    assert "no object" in _fails(capsys, *issue)


@pytest.mark.parametrize(
    ("arguments", "words"),
    {
        "a bad clock": (["publish", "--clock", "tomorrow"], "no instant such as"),
        "a clock without offset": (["publish", "--clock", "2021-09-01T08:00:00"], "no offset"),
        "an unknown kind": (["issue", "--kind", "vaccinaton"], "did you mean vaccination?"),
        "an unknown algorithm": (
            ["issue", "--kind", "test", "--alg", "HS256"],
            "none of ES256, PS256, EdDSA",
        ),
        "a KID that is none": (["issue", "--kind", "test", "--kid", "12"], "16 hexadecimal digits"),
        "a date that is none": (["issue", "--kind", "test", "--date", "1.9.21"], "no date such as"),
        "a port that is none": (["serve", "--port", "70000"], "no port"),
        "a country that is none": (["init", "x", "--country", "xv"], "two capitals"),
        "no verb": ([], "VERB"),
        "an unknown family": (["issue", "--family", "vds"], "did you mean VDS-NC?"),
        "a family that is not issued": (["issue", "--family", "2D-DOC"], "none of HC1, DDCC, ICVP, LT1"),
        "a verb of a later issue": (["vectors"], "invalid choice"),
    }.values(),
)
def test_wrong_arguments_are_answered_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, what is expected; exit status 2."""
    assert words in _misused(capsys, *arguments)


def test_withdrawing_names_the_keys_and_takes_those_of_one_algorithm(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever withdraws must see which keys went, and that the other algorithms' stayed."""
    at = ["--data", str(office), "--clock", CLOCK]
    with Issuer.open(office) as issuer:
        gone = [row.kid.hex() for row in issuer.keys_of(Algorithm.PS256)]
    answer = json.loads(_run(capsys, "rotate", *at, "--json", "--alg", "PS256", "--withdraw"))
    assert answer["withdrawn"] == gone
    with Issuer.open(office) as issuer:
        withdrawn = [row for row in issuer.registry.signing_keys() if row.status is KeyStatus.WITHDRAWN]
    assert [row.kid.hex() for row in withdrawn] == gone


def test_an_issuer_made_with_a_clock_stands_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that forgets --clock must not sign years ahead and spoil the issuer for good."""
    office = tmp_path / "standing"
    _run(capsys, "init", str(office), "--seed", "s", "--clock", CLOCK)
    answer = json.loads(_run(capsys, "rotate", "--data", str(office), "--alg", "ES256", "--json"))
    assert answer["published"]["signed_at"] == CLOCK
    later = json.loads(
        _run(capsys, "publish", "--data", str(office), "--clock", "2031-01-01T00:00:00Z", "--json")
    )
    assert later["published"]["signed_at"] == "2031-01-01T00:00:00Z"


def test_a_payload_that_breaks_the_schema_is_signed_only_unchecked(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real issuers bend the schema, and a verifier's test needs such codes: --unchecked says so aloud."""
    file = tmp_path / "odd.json"
    file.write_text(
        '{"ver": "1.3.0", "nam": {"fn": "A ", "gn": null}, "dob": "", "v": [{"dn": 2.0}], "t": null}'
    )
    issue = ["issue", "--data", str(office), "--clock", CLOCK, "--input", str(file)]
    assert "does not conform" in _fails(capsys, *issue)
    assert main([*issue, "--unchecked"]) == 0
    assert capsys.readouterr().out.startswith("HC1:")


def test_what_cannot_be_done_is_said_in_one_line(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: what happened and what to do."""
    at = ["--data", str(office), "--clock", CLOCK]
    assert "holds no issuer" in _fails(capsys, "publish", "--data", tmp_path / "nowhere")
    assert "say what to issue" in _fails(capsys, "issue", *at)
    assert "no key with KID 0011223344556677" in _fails(
        capsys, "issue", *at, "--kind", "test", *HOLDER, "--kid", "0011223344556677"
    )
    assert "was issued here" in _fails(capsys, "revoke", *at, "--uvci", "URN:UVCI:01:XV:X#X")
    assert "another seed" in _fails(capsys, "serve", office, "--seed", "other")
    assert "not for DE" in _fails(capsys, "serve", office, "--country", "DE")
    assert "goes back in time" in _fails(
        capsys, "publish", "--data", office, "--clock", "2021-08-31T00:00:00Z"
    )


def test_revoke_publishes_the_entry(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At once, unless it is told to wait."""
    at = ["--data", str(office), "--clock", CLOCK, "--json"]
    issued = json.loads(_run(capsys, "issue", *at, "--kind", "test", *HOLDER))
    answer = json.loads(
        _run(capsys, "revoke", *at, "--uvci", issued["uvci"], "--by", "signature", "--no-publish")
    )
    assert (answer["scopes"], answer["published"]) == ([issued["kid"]], None)
    published = json.loads(_run(capsys, "publish", *at))["published"]
    assert published["changed"] == ["revocation", "snapshot", "timestamp"]
    by_country = json.loads(_run(capsys, "revoke", *at, "--uvci", issued["uvci"], "--by", "country-uvci"))
    assert by_country["published"]["versions"]["revocation"] == 3


def test_rotate_publishes_the_new_key(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next certificate is signed with it, and the list names it."""
    at = ["--data", str(office), "--clock", CLOCK, "--json"]
    answer = json.loads(_run(capsys, "rotate", *at, "--alg", "EdDSA", "--uses", "test,recovery"))
    assert answer["published"]["changed"] == ["trust", "snapshot", "timestamp"]
    issued = json.loads(_run(capsys, "issue", *at, "--kind", "test", "--alg", "EdDSA", *HOLDER))
    assert issued["kid"] == answer["kid"]
    assert answer["withdrawn"] == []


def test_issue_cast_writes_pictures_and_publishes(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The revoked traveller's entry is on the list when the pictures are there."""
    answer = json.loads(
        _run(capsys, "issue", "--cast", tmp_path / "cast", "--data", office, "--clock", CLOCK, "--json")
    )
    rows = json.loads(Path(answer["cast"]).read_text())
    assert answer["pictures"] == len(rows) == 18
    assert {row["expect_state"] for row in rows} == {"PASS", "CHECK", "FAIL", "RESCAN"}
    assert all(row["expect_reason"] is None or Reason(row["expect_reason"]) for row in rows)
    assert list((office / "public" / "targets" / "revocation").glob("*.seg"))
    with Issuer.open(office) as issuer:
        assert len(issuer.registry.revoked()) == 1


def test_faults_are_listed_with_what_a_verifier_must_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, family, state, reason and a line about it; without an issuer, for it only lists."""
    rows = json.loads(_run(capsys, "faults", "--json"))
    assert [row["name"] for row in rows] == list(FAULTS)
    for row in rows:
        assert set(row) == {"name", "family", "expect_state", "expect_reason", "about"}
        assert row["expect_state"] in ("PASS", "CHECK", "FAIL", "RESCAN")
        assert row["expect_reason"] is None or Reason(row["expect_reason"])
        assert row["about"]
    words = _run(capsys, "faults").splitlines()
    assert len(words) == len(rows)
    assert words[0].split()[:4] == ["payload-changed", "HC1", "FAIL", "SIG_BAD"]


def test_faults_are_written_with_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text and a picture of each, the instant to judge at, and what was revoked on the way is published."""
    office, out = tmp_path / "office", tmp_path / "faults"
    _run(capsys, "init", office, "--seed", "s", "--clock", "2026-03-01T08:00:00Z")
    answer = json.loads(_run(capsys, "faults", "--data", office, "--write", out, "--json"))
    manifest = json.loads(Path(answer["manifest"]).read_bytes())
    assert manifest["clock"] == "2026-03-01T08:00:00Z"
    assert "revocation" in answer["published"]["changed"]
    assert [row["name"] for row in manifest["faults"]] == list(FAULTS)
    names = {"manifest.json"}
    for row in manifest["faults"]:
        names |= {row["text"], *row["pictures"]}
        lines = (out / row["text"]).read_text().splitlines()
        assert len(lines) >= len(row["pictures"])
    assert {path.name for path in out.iterdir()} == names


def test_another_family_is_issued_by_its_name(
    office: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text on stdout, pictures by name, several symbols where they were asked for."""
    issue = ["issue", "--data", str(office), *HOLDER, "--clock", CLOCK, "--kind", "vaccination"]
    for family, prefix in (
        ("HC1", "HC1:"), ("DDCC", "HC1:"), ("LT1", "LT1:"), ("at1", "AT1:"), ("shc", "shc:/5"),
        ("VDS-NC", '{"data":'), ("DIVOC", "B64:UEsDB"), ("NZCP", "NZCP:/1/"),
    ):  # fmt: skip
        assert _run(capsys, *issue, "--family", family).startswith(prefix)
    both = _run(capsys, *issue, "--family", "SHC", "--parts", "2").splitlines()
    assert [text[:9] for text in both] == ["shc:/1/2/", "shc:/2/2/"]
    out = tmp_path / "card.png"
    answer = json.loads(_run(capsys, *issue, "--family", "SHC", "--parts", "2", "--out", out, "--json"))
    assert answer["files"] == [str(tmp_path / "card-1of2.png"), str(tmp_path / "card-2of2.png")]
    assert answer["family"] == "SHC"
    with Image.open(answer["files"][1]) as picture:
        (code,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert code.text.startswith("shc:/2/2/")


def test_what_a_family_cannot_say_is_said_in_one_line(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The family, and what it can say."""
    issue = ["issue", "--data", str(office), *HOLDER, "--clock", CLOCK]
    assert "DIVOC: a DIVOC certificate says vaccinations" in _fails(
        capsys, *issue, "--family", "DIVOC", "--kind", "test"
    )
    assert "in force since 2025-09-19" in _fails(capsys, *issue, "--family", "ICVP", "--kind", "vaccination")
    assert "one symbol" in _fails(capsys, *issue, "--family", "NZCP", "--kind", "vaccination", "--parts", "2")
    assert "rotate --family DIVOC --alg PS256" in _fails(
        capsys, *issue, "--family", "DIVOC", "--kind", "vaccination", "--alg", "PS256"
    )


def test_an_icvp_is_about_yellow_fever_and_does_not_expire(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its product is one of WHO's list; who types another is told."""
    office = tmp_path / "office"
    _run(capsys, "init", office, "--seed", "s", "--clock", "2026-03-01T08:00:00Z")
    issue = ["issue", "--data", str(office), "--family", "ICVP", "--kind", "vaccination", *HOLDER]
    claims = _claims(_run(capsys, *issue, "--sex", "female", "--nationality", "VNM").strip("\n"))
    assert claims.document["vx"]["vp"].startswith("YellowFeverProduct")
    assert (claims.document["s"], claims.document["nt"], claims.expires_at) == ("female", "VNM", None)
    assert "no product id of WHO's list" in _fails(capsys, *issue, "--product", "EU/1/20/1528")


def test_revoke_says_by_what_each_family_is_revoked(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And takes the identifier as issue said it or as the code has it."""
    at = ["--data", str(office), "--clock", CLOCK, "--json"]
    for family, by in (("SHC", "rid"), ("DIVOC", "document"), ("VDS-NC", "uvci"), ("LT1", "signature")):
        issued = json.loads(_run(capsys, "issue", *at, "--family", family, "--kind", "vaccination", *HOLDER))
        answer = json.loads(_run(capsys, "revoke", *at, "--uvci", issued["uvci"]))
        (scope,) = answer["scopes"]  # in hex, as the lists have it; a KID that is a text is shown as one
        assert answer["by"] == by
        assert issued["kid"] in (scope, bytes.fromhex(scope).decode("latin-1"))
    text = json.loads(_run(capsys, "issue", *at, "--family", "VDS-NC", "--kind", "vaccination", *HOLDER))[
        "text"
    ]
    seal = json.loads(text)["data"]["msg"]["uvci"]
    assert json.loads(_run(capsys, "revoke", *at, "--uvci", seal))["by"] == "uvci"


def _unprivileged() -> dict[str, Any]:
    """How to start a child as nobody when we are root and nobody can read this installation."""
    here = [Path(sys.executable), Path(__file__), Path(sys.prefix)]
    # the interpreter of the environment is a link; where it leads must be open to all as well
    here = [*here, *(path.resolve() for path in here), Path(sys.base_prefix)]
    open_to_all = all(parent.stat().st_mode & 0o005 == 0o005 for path in here for parent in path.parents)
    if os.geteuid() != 0 or not open_to_all:
        return {}
    return {"user": 65534, "group": 65534, "extra_groups": []}


@contextlib.contextmanager
def _serving(
    folder: Path, *arguments: str
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes], float]]:
    """``serve`` as a process, once its ready file is there: what it says, the process, and the seconds."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    ready = folder / "ready.json"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", GUARDED, "serve", "--port", "0", "--ready-file", str(ready), *arguments],
        cwd=Path(__file__).parents[2],
        env={"TMPDIR": str(folder), "PATH": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **_unprivileged(),
    )
    try:
        while not ready.exists():
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() - began < READY_WITHIN, "not ready in ten times the time that is promised"
            time.sleep(0.02)
        yield json.loads(ready.read_bytes()), process, time.monotonic() - began
    finally:
        process.kill()
        process.communicate()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that another user can reach."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.scenario("SC-I19")
def test_it_starts_without_docker_network_or_root_and_two_stand_side_by_side(shared: Path) -> None:
    """Ready on a free port of its own, from a seed, with no program, no network and no privilege."""
    arguments = ("--seed", "ci", "--clock", CLOCK)
    with (
        _serving(shared / "one", *arguments) as (one, _, first),
        _serving(shared / "two", *arguments) as (two, _, second),
    ):
        assert max(first, second) < READY_WITHIN
        assert one["url"] != two["url"]
        assert one["data"] != two["data"]
        for path in ("/root.json", "/metadata/timestamp.json", "/metadata/1.trust.json"):
            assert _get(one["url"] + path) == _get(two["url"] + path)
        for instance in (one, two):
            assert json.loads(_get(instance["url"] + "/health"))["state"] == "SERVING"
            assert _get(instance["url"] + "/root.json") == Path(instance["root"]).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(shared: Path, number: signal.Signals) -> None:
    """Exit 0 within ten times the promised second, no traceback, and the temporary directory is gone."""
    with _serving(shared / "one", "--seed", "ci", "--clock", CLOCK) as (ready, process, _):
        assert ready["pid"] == process.pid
        assert Path(ready["data"]).is_dir()
        process.send_signal(number)
        _, talk = process.communicate(timeout=10)
        assert (process.returncode, talk) == (0, b"")
        assert not Path(ready["data"]).parent.exists()


def test_serve_makes_an_issuer_in_an_empty_directory_and_keeps_it(shared: Path) -> None:
    """What another process issues, revokes and publishes there is served at once, without a restart."""
    office = shared / "one" / "office"
    with _serving(shared / "one", str(office), "--seed", "ci", "--clock", CLOCK) as (ready, process, _):
        assert json.loads(_get(ready["url"] + "/metadata/timestamp.json"))["signed"]["version"] == 1
        at = ["--data", str(office), "--clock", CLOCK]
        assert main(["rotate", *at, "--alg", "ES256"]) == 0
        assert json.loads(_get(ready["url"] + "/metadata/timestamp.json"))["signed"]["version"] == 2
        process.terminate()
        process.communicate(timeout=10)
    assert (office / "issuer.db").is_file()
    with _serving(shared / "again", str(office), "--seed", "ci", "--clock", CLOCK) as (ready, _, _):
        assert json.loads(_get(ready["url"] + "/metadata/timestamp.json"))["signed"]["version"] == 2
