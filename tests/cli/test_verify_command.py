"""``vaxgate-verify``: what it answers, with which exit status, and what it says to wrong use."""

from __future__ import annotations

import base64
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from desk import NOW, Desk, Signer, lab_result, person, signing_key, vaccination
from PIL import Image

from appliance.cli.verify import main
from issuer import qr
from issuer.keys import Algorithm

AT = NOW.isoformat()
FIELDS = {
    "id", "input", "family", "state", "reasons", "duties", "checks", "issuer", "list", "clock", "rules",
    "micros",
}  # fmt: skip
CHECKS = {"picture", "decode", "signature", "time_valid", "key_usage", "schema", "chain", "revoked"}


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    signer = Desk().signer()
    (tmp_path / "key.der").write_bytes(signer.key.spki())
    return signer


@pytest.fixture
def run(tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]):
    """Run the command with the signer's key, at the desk's time; exit status, stdout, stderr."""

    def command(*arguments: str, trust: bool = True) -> tuple[int, str, str]:
        given = ["--trust", str(tmp_path / "key.der"), "--at", AT] if trust else []
        status = main([*given, *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return command


def picture(path: Path, *texts: str) -> Path:
    """A picture of these codes side by side."""
    drawn = [Image.open(io.BytesIO(qr.draw(text).png(scale=4))).convert("L") for text in texts]
    sheet = Image.new("L", (sum(d.width for d in drawn), max(d.height for d in drawn)), 255)
    for number, each in enumerate(drawn):
        sheet.paste(each, (sum(d.width for d in drawn[:number]), 0))
    sheet.save(path)
    return path


def test_the_exit_status_is_the_states_and_of_many_the_highest(run, signer: Signer) -> None:
    """0 PASS, 10 CHECK, 20 FAIL, 30 RESCAN; of many: the highest number."""
    good, no_expiry = signer.issue(vaccination()), signer.issue(vaccination(), exp=None)
    positive, link = signer.issue(lab_result(tr="260373001")), "https://example.invalid"
    assert run(good)[0] == 0
    assert run(no_expiry)[0] == 10
    assert run(positive)[0] == 20
    assert run(link)[0] == 30
    assert run(good, positive, no_expiry)[0] == 20
    assert run(positive, link)[0] == 30


def test_without_a_list_the_unit_is_out(
    signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 OUT NO_LIST while nothing was ever synced; nothing is said about the document."""
    monkeypatch.setenv("VAXGATE_DATA", str(tmp_path / "nothing here"))
    assert main(["--json", signer.issue(vaccination())]) == 40
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], [r["code"] for r in answer["reasons"]]) == ("OUT", ["NO_LIST"])
    checks = answer["checks"]
    assert checks.pop("decode") is checks.pop("schema") is True  # what needs no list is reported
    assert set(checks.values()) == {None}


def test_json_is_one_object_a_line_with_the_fields_of_the_contract(run, signer: Signer) -> None:
    """Every field stands there, null where it has no meaning."""
    status, out, _ = run("--json", signer.issue(vaccination()), "shlink:/x")
    first, second = map(json.loads, out.splitlines())
    assert status == 10
    assert set(first) == set(second) == FIELDS
    assert set(first["checks"]) == set(second["checks"]) == CHECKS
    assert (first["state"], first["family"], first["input"]) == ("PASS", "HC1", "text")
    assert first["checks"]["signature"] is True
    assert first["checks"]["picture"] is first["checks"]["chain"] is first["checks"]["revoked"] is None
    assert first["micros"]["total"] >= first["micros"]["verify"] > 0
    assert second["checks"]["decode"] is False
    assert (second["family"], second["state"]) == ("VHL", "CHECK")


def test_lines_on_stdin_are_answered_as_they_come(
    run, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One text a line; the id is the line's number."""
    lines = [signer.issue(vaccination()), "nonsense", signer.issue(vaccination(), exp=None)]
    stream = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode() + b"\n\xff\xfe\n"))
    monkeypatch.setattr("sys.stdin", stream)
    status, out, _ = run("--json", "-")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(a["id"], a["state"]) for a in answers] == [
        ("1", "PASS"),
        ("2", "RESCAN"),
        ("3", "CHECK"),
        ("4", "RESCAN"),
    ]
    assert status == 30


def test_a_text_file_holds_a_code_a_line(run, signer: Signer, tmp_path: Path) -> None:
    """What the issuer writes as .txt is read as such."""
    (tmp_path / "codes.txt").write_text(signer.issue(vaccination()) + "\n\nnonsense\n")
    status, out, _ = run("--json", str(tmp_path / "codes.txt"))
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(a["id"], a["state"]) for a in answers] == [("codes.txt:1", "PASS"), ("codes.txt:3", "RESCAN")]
    assert status == 30


def test_several_codes_in_one_picture_are_each_judged(run, signer: Signer, tmp_path: Path) -> None:
    """One code, one object, with the file's name as id and `picture` true."""
    path = picture(tmp_path / "two.png", signer.issue(vaccination()), signer.issue(vaccination(), exp=None))
    status, out, _ = run("--json", str(path))
    answers = [json.loads(line) for line in out.splitlines()]
    assert sorted(a["state"] for a in answers) == ["CHECK", "PASS"]
    assert {(a["id"], a["input"], a["checks"]["picture"]) for a in answers} == {("two.png", "image", True)}
    assert status == 10


def test_a_picture_without_a_code_is_unreadable(run, tmp_path: Path) -> None:
    """RESCAN UNREADABLE for an empty picture and for a file that is no picture."""
    Image.new("L", (300, 300), 255).save(tmp_path / "white.png")
    (tmp_path / "text.png").write_text("this is no picture")
    for name in ("white.png", "text.png"):
        status, out, _ = run("--json", str(tmp_path / name))
        answer = json.loads(out)
        assert (status, answer["state"], answer["reasons"][0]["code"]) == (30, "RESCAN", "UNREADABLE")
        assert answer["checks"]["picture"] is False


def test_claims_are_shown_only_when_asked_for(run, signer: Signer) -> None:
    """What a certificate says is a person's data."""
    text = signer.issue(vaccination())
    for arguments in (["--json"], ["--explain"], []):
        _, out, _ = run(*arguments, text)
        assert "Nguyễn" not in out
        assert "1983" not in out
    _, out, _ = run("--json", "--claims", text)
    assert json.loads(out)["claims"]["nam"]["fn"] == "Nguyễn"
    assert json.loads(out)["text"] == text


def test_explain_shows_each_check_in_order(run, signer: Signer) -> None:
    """Each check for people, with its outcome."""
    _, out, _ = run("--explain", signer.issue(vaccination(), exp=None))
    names = ("open", "algorithm", "signature", "claims", "time", "revocation", "list")
    order = [out.index(f"\n      {name} ") for name in names]
    assert order == sorted(order)
    assert "NO_EXPIRY: No expiry date given" in out


WRONG_USE = {
    ("--trust", "key.der", "empty.txt"): "nothing was given to verify",
    ("--trust", "key.der", "sheet.pdf"): "give a picture, or a .txt file",
    ("--trust", "key.der", "."): "is a folder",
    ("--cases", "empty.txt"): "no case in it",
    ("--at", "yesterday", "X"): "an instant such as",
    ("--at", "2022-03-01T09:00:00", "X"): "the offset is missing",
    ("--trust", "no-such-file.pem", "X"): "No such file",
    ("--rules", "no-such-rules.json", "--trust", "key.der", "X"): "say signature-only",
    ("--trust", "key.der", "no-such-picture.png"): "there is no such file",
    ("--trust", "private.pem", "X"): "private key",
    ("--trust", "empty.pem", "X"): "neither a certificate nor a public key",
    ("--cases", "no-such-cases.jsonl"): "No such file",
    ("--cases", "broken.jsonl"): "line 1: not JSON",
    ("--cases", "key.der", "X"): "stands alone",
}


@pytest.mark.parametrize("arguments", list(WRONG_USE))
def test_wrong_use_is_exit_2_and_says_what_to_do(
    run, signer: Signer, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad key file or option is an error, not a verdict."""
    (tmp_path / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n")
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "sheet.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "broken.jsonl").write_text("{\n")
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments, trust=False)
    assert (status, out) == (2, "")
    assert WRONG_USE[arguments] in err


def test_nothing_to_verify_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """No input at all: usage, exit 2."""
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "nothing to verify" in capsys.readouterr().err


def test_keys_come_as_pem_der_jwk_jwks_and_did_documents(
    signer: Signer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each form of a key file leads to the same answer."""
    public, jwk = load_der_public_key(signer.key.spki()), _jwk(signer)
    forms = {
        "key.pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "key.jwk": json.dumps(jwk).encode(),
        "keys.jwks": json.dumps({"keys": [jwk]}).encode(),
        "did.json": json.dumps({"verificationMethod": [{"id": "did:web:x#1", "publicKeyJwk": jwk}]}).encode(),
    }
    for name, data in forms.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert main(["--trust", str(path), "--at", AT, signer.issue(vaccination())]) == 0, name
    stranger = Signer(signing_key(Algorithm.ES256, "other"), signer.kid)
    assert main(["--trust", str(tmp_path / "key.jwk"), "--at", AT, stranger.issue(vaccination())]) == 20
    capsys.readouterr()


def test_a_given_key_without_a_kid_is_tried_for_every_code(run, signer: Signer) -> None:
    """A bare public key names no KID; whoever gives it means it."""
    other_kid = Signer(signer.key, b"whatever")
    assert run(other_kid.issue(vaccination()))[0] == 0


def test_the_same_code_is_judged_at_the_instant_that_is_given(run, signer: Signer, capsys) -> None:
    """--at decides, not the clock of this machine."""
    text = signer.issue(vaccination())
    later = (NOW + timedelta(days=400)).isoformat()
    assert run(text)[0] == 0
    assert run("--at", later, text)[0] == 20
    assert datetime.fromisoformat(AT) == NOW


def test_compare_exits_1_when_something_differs_or_nothing_was_compared(
    tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table names each difference; a file that expects nothing is no success."""
    case = {
        "id": "x/1",
        "suite": "x",
        "text": signer.issue(vaccination()),
        "clock": AT,
        "expect": {"decode": True},
    }
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(case) + "\n")
    assert main(["--cases", str(path), "--compare"]) == 0
    path.write_text(json.dumps(case | {"expect": {"decode": False, "unheard_of": 1}}) + "\n")
    assert main(["--cases", str(path), "--compare"]) == 1
    out = capsys.readouterr().out
    assert "x/1: decode is True, expected False" in out
    assert "| x | unheard_of | 0 | 0 | 0 | 1 |" in out
    path.write_text(json.dumps(case | {"expect": {}}) + "\n")
    assert main(["--cases", str(path), "--compare"]) == 1
    assert "nothing was compared" in capsys.readouterr().err


ODD_CASES: list[dict[str, object]] = [
    {"id": "a", "text": "HC1:6BF", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
    {"id": "b", "text": "HC1:6BF", "clock": "garbage", "certs": ["MIIB", "?", 5]},
    {"id": "c", "zip_b64": "?", "png": 5},
    {"id": "d", "texts": []},
    {"id": "e", "cose": "zz"},
    {"id": "f", "cose": "d28440a040", "jwks": {"keys": [{}]}},
    {"id": "g"},
]


def test_a_case_that_cannot_be_judged_still_gets_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in a case, there is one answer to it, in the order of the cases."""
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in ODD_CASES))
    main(["--cases", str(path)])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["id"] for a in answers] == [case["id"] for case in ODD_CASES]
    assert all(a["state"] != "PASS" for a in answers)


def test_an_algorithm_outside_the_protected_header_is_a_difference_on_purpose(
    tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listed with its reason, and not counted as a difference."""
    from desk import reopened

    from verifier.wire import cose, hc1

    payload = reopened(signer.issue(vaccination()))[0].payload
    header = cose.encode_protected({cose.HEADER_KID: signer.kid})
    signature = signer.key.sign(cose.sig_structure(header, payload))
    text = hc1.pack(cose.encode_sign1({cose.HEADER_KID: signer.kid}, {1: -7}, payload, signature))
    case = {"id": "x/CO20", "text": text, "clock": AT, "expect": {"signature": True, "decode": True}}
    path = tmp_path / "cases.jsonl"
    jwks = {"keys": [_jwk(signer)]}
    path.write_text(json.dumps(case | {"jwks": jwks}) + "\n")
    assert main(["--cases", str(path), "--compare"]) == 0
    out = capsys.readouterr().out
    assert "| x | signature | 0 | 0 | 1 | 0 |" in out
    assert "only outside the protected header" in out


def _jwk(signer: Signer) -> dict[str, str]:
    numbers = load_der_public_key(signer.key.spki()).public_numbers()

    def b64(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": b64(signer.kid)}


def test_a_long_run_judges_by_the_list_of_the_moment(
    signer: Signer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two lines of one run a list is synced that revokes the second; it is refused."""
    from datetime import UTC

    from issuer.office import Issuer
    from trustsync.sync import SyncConfig, sync_once

    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    with Issuer.create(tmp_path / "office", now=now, seed="long run") as office:
        issued = office.issue(
            vaccination(person(), dt="2022-01-10", ci="URN:UVCI:01:XV:LONGRUN#A"),
            issued_at=now,
            expires_at=now + timedelta(days=9),
        )
        store = tmp_path / "trust"

        def sync(at: datetime) -> None:
            from issuer.server import Server, create_app

            office.publish(at)
            with Server(create_app(office.registry.public)) as server:
                root = (office.registry.public / "root.json").read_bytes()
                sync_once(SyncConfig(url=server.url, root=root, store=store), now=at)

        sync(now)

        def lines():
            yield issued.text.encode() + b"\n"
            office.revoke(issued.uvci)
            sync(now + timedelta(minutes=1))
            yield issued.text.encode() + b"\n"
            yield b""

        given = lines()
        monkeypatch.setattr(
            "sys.stdin", SimpleNamespace(buffer=SimpleNamespace(readline=lambda _: next(given)))
        )
        status = main(["--trust", str(store), "--json", "-"])
    states = [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()]
    assert (states, status) == (["PASS", "FAIL"], 20)


def test_many_keys_of_one_case_are_all_tried(
    tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit is on the keys of one KID, not on the keys of a case."""
    others = [Signer(signing_key(Algorithm.ES256, f"other {n}"), bytes([n]) * 8) for n in range(20)]
    case = {
        "id": 7,
        "text": signer.issue(vaccination()),
        "jwks": {"keys": [_jwk(s) for s in [*others, signer]]},
    }
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(case) + "\n")
    assert main(["--cases", str(path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["id"], answer["checks"]["signature"]) == (7, True)


@pytest.mark.parametrize(
    "text", ["https://example.invalid/menu.png", "WIFI:S=x.png", "HC1:NCFOX.TIF", "https://x.invalid/a.txt"]
)
def test_a_code_that_ends_like_a_file_is_a_code(run, text: str) -> None:
    """A web link to a picture is a code of another world, not a missing file."""
    assert run(text)[0] in (20, 30)


def test_a_code_in_the_wrong_place_is_not_repeated(run, signer: Signer) -> None:
    """What an error repeats must not be a person's certificate."""
    text = signer.issue(vaccination())
    wrong = (
        ("--at", text, "X"),
        ("--rules", text, "--trust", "key.der", "X"),
        ("--trust", text, "X"),
        ("--cases", text),
    )
    for arguments in wrong:
        status, out, err = run(*arguments, trust=False)
        assert status == 2
        assert text[:20] not in out + err


def test_names_that_do_not_print_are_made_readable(run, signer: Signer, tmp_path: Path) -> None:
    """An escape or a broken name reaches neither a terminal nor a JSON reader as it is."""
    path = picture(tmp_path / "a\x1b[31m\u202eb.png", signer.issue(vaccination()))
    _, out, _ = run("--json", str(path))
    assert "\x1b" not in json.loads(out)["id"]
    assert "\u202e" not in json.loads(out)["id"]
