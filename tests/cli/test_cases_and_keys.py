"""``vaxgate-verify`` with odd cases, key files and lines: each gets its answer, and none stops the others."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from csca import END, PASSPORTS, Bsc, Csca, name, vaccinated
from desk import NOW, signing_key, vaccination

from appliance.cli import inputs, verify
from issuer.documents import document_of
from issuer.keys import Algorithm
from issuer.wellknown import public_jwk
from verifier.certificate import Family
from verifier.wire import base64url, shc, shc_keys

AT = NOW.isoformat()
Answer = dict[str, Any]


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[Answer]]]:
    """The command with these arguments: its exit status, and its answers."""

    def command(*arguments: object) -> tuple[int, list[Answer]]:
        status = verify.main([str(argument) for argument in arguments])
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return command


@pytest.fixture
def judge(run: Any, tmp_path: Path) -> Callable[..., list[Answer]]:
    """The answers to these cases."""

    def cases(*lines: Answer, options: tuple[object, ...] = ()) -> list[Answer]:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps({"id": "x"} | line) + "\n" for line in lines))
        answers: list[Answer] = run("--cases", path, *options)[1]
        assert len(answers) == len(lines)
        return answers

    return cases


def outcome(answer: Answer) -> tuple[str, list[str]]:
    return answer["state"], [reason["code"] for reason in answer["reasons"]]


# --- A clinic that issues health cards ----------------------------------------------------------------------

ISSUER = "https://cards.example/clinic"
KEY = signing_key(Algorithm.ES256, "cards")
KID = shc_keys.thumbprint(KEY.spki())
JWK: dict[str, Any] = {"use": "sig", "alg": "ES256", "kid": KID} | public_jwk(load_der_public_key(KEY.spki()))
CLAIMS = document_of(
    Family.SHC, vaccination(), ISSUER, country="XV", issued_at=NOW - timedelta(days=1), expires_at=None
)
CARD = shc.encode_shc(CLAIMS, kid=KID, sign=KEY.sign)
FORGED = shc.encode_shc(CLAIMS, kid=KID, sign=lambda _: bytes(64))
GOOD: Answer = {"text": CARD, "jwk": JWK, "clock": AT}


def test_a_case_of_our_own_passes(judge: Any) -> None:
    """What the odd ones below differ from."""
    (answer,) = judge(GOOD)
    assert outcome(answer) == ("PASS", [])
    assert answer["checks"]["time_valid"] is True


@pytest.mark.scenario("SC-K01")
@pytest.mark.parametrize("change", [{"y": JWK["x"]}, {"d": "AAAA"}, {"crv": "P-224"}, {"x5c": ["AAAA"]}])
def test_a_refused_key_under_the_cards_kid_is_said_to_be_refused(judge: Any, change: Answer) -> None:
    """The case does bring the key that the card names: it is refused, and not unknown."""
    odd, after = judge(GOOD | {"jwk": JWK | change}, GOOD)
    assert outcome(odd) == ("FAIL", ["ALG_REFUSED"])
    assert outcome(after) == ("PASS", [])


@pytest.mark.parametrize("kid", ["\ud800", "\udfff\ud800"])
def test_a_kid_that_is_no_utf_8_is_one_that_no_card_names(judge: Any, kid: str) -> None:
    """An unpaired surrogate in a key file is no reason to stop, whether or not the key could be used."""
    odd, refused, after = judge(
        GOOD | {"jwk": JWK | {"kid": kid}}, GOOD | {"jwk": JWK | {"kid": kid, "y": JWK["x"]}}, GOOD
    )
    assert outcome(odd) == outcome(refused) == ("FAIL", ["KEY_UNKNOWN"])
    assert outcome(after) == ("PASS", [])


@pytest.mark.parametrize(
    "clock",
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
     "0001-01-01", "yesterday", 7, None],
)  # fmt: skip
def test_a_clock_at_the_end_of_the_calendar_judges_no_time(judge: Any, clock: Any) -> None:
    """No zone and no allowance has room there; the card is judged without its time, and so are keys."""
    odd, after, keys = judge(
        GOOD | {"clock": clock},
        GOOD,
        {"jwk": JWK, "clock": clock, "subject_alt_name": ISSUER},
    )
    assert outcome(odd) == outcome(after) == ("PASS", [])
    assert (odd["checks"]["time_valid"], odd["checks"]["signature"]) == (None, True)
    assert keys == {"id": "x", "accept": True, "detail": ""}


NAMES = ["a\0b", "k" * 5_000, "no such file.json", "../key.json", ".", ""]


@pytest.mark.parametrize("given", NAMES)
@pytest.mark.parametrize("member", ["jwks", "jwk", "did"])
def test_a_key_file_that_cannot_be_read_costs_its_case_only(judge: Any, member: str, given: str) -> None:
    """A name that no file can have is answered with a line, like one of a file that is not there."""
    line = {name_: value for name_, value in GOOD.items() if name_ != "jwk"} | {member: given}
    odd, after = judge(line, GOOD)
    assert outcome(odd) == ("OUT", ["UNIT_FAULT"])
    assert outcome(after) == ("PASS", [])


@pytest.mark.parametrize("given", [*NAMES, "keys/broken.json"])
def test_keys_that_cannot_be_read_are_not_accepted(judge: Any, tmp_path: Path, given: str) -> None:
    """A case of keys alone is answered as such, also where there are none to look at."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "broken.json").write_bytes(b"{\xff")
    assert judge({"jwks": given}) == [{"id": "x", "accept": False, "detail": "no key in it"}]


@pytest.mark.parametrize("given", ["a" * 300 + ".png", "x\0.png", ["a" * 300 + ".png", "b.png"]])
def test_a_picture_whose_name_no_file_can_have_is_unreadable(judge: Any, tmp_path: Path, given: Any) -> None:
    """As is a picture that is not there."""
    odd, after = judge(GOOD | {"png": given}, GOOD, options=("--pictures", tmp_path))
    assert outcome(odd) == ("RESCAN", ["UNREADABLE"])
    assert odd["checks"]["picture"] is False
    assert outcome(after) == ("PASS", [])


@pytest.mark.parametrize("identity", [7, None, ["x", 7], {"x": 7}, True])
def test_a_case_may_be_known_by_any_id_and_is_compared(
    identity: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a suite, the table names the case by what stands there."""
    path = tmp_path / "cases.jsonl"
    for expected, status in ((True, 0), (False, 1)):
        path.write_text(json.dumps(GOOD | {"id": identity, "expect": {"signature": expected}}))
        assert verify.main(["--cases", str(path), "--compare"]) == status
        out = capsys.readouterr().out
        assert f"| {identity} | signature | {int(expected)} | {int(not expected)} |" in out
        assert (f"{identity}: signature is True, expected False" in out) is not expected


@pytest.mark.parametrize("clock", ["yesterday", AT.partition("+")[0], 7])
def test_a_clock_of_any_form_stops_no_comparison(clock: Any, tmp_path: Path) -> None:
    """What is no instant is no clock, and one without an offset is UTC, as it is for judging."""
    path = tmp_path / "cases.jsonl"
    asked = {"not_yet_valid": False, "signature": True}
    path.write_text(json.dumps(GOOD | {"id": "x/1", "clock": clock, "expect": asked}))
    assert verify.main(["--cases", str(path), "--compare"]) == 0


def test_a_case_of_keys_that_expects_a_verdict_differs_and_stops_nothing(tmp_path: Path) -> None:
    """Keys alone have neither checks nor a state; whoever expects one reads that there is none."""
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"id": "keys", "jwk": JWK, "expect": {"valid": True, "decode": True}}))
    assert verify.main(["--cases", str(path), "--compare"]) == 1


# --- Cases that hold keys alone -----------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["jwks", "jwk"])
def test_a_case_of_keys_may_name_the_file_that_they_stand_in(judge: Any, tmp_path: Path, member: str) -> None:
    """They are judged as if they stood in the line."""
    other = JWK | {"kid": "not its thumbprint"}
    (tmp_path / "keys").mkdir()
    for keys, accepted in (([JWK], True), ([JWK, other], False), ([], False)):
        (tmp_path / "keys" / "x.json").write_text(json.dumps({"keys": keys}))
        named, held = judge({member: "keys/x.json"}, {"jwks": {"keys": keys}})
        assert named == held
        assert named["accept"] is accepted
    (tmp_path / "keys" / "x.json").write_text(json.dumps(JWK))
    assert [answer["accept"] for answer in judge({member: "keys/x.json"})] == [True]


def test_a_leaf_that_names_another_issuer_does_not_chain_a_case(judge: Any) -> None:
    """The chain holds from certificate to certificate, and is somebody else's."""
    csca = Csca()
    for uri, verdict, chained in (
        (ISSUER, ("PASS", []), True),
        ("https://other.example", ("FAIL", ["CHAIN_BAD"]), False),
    ):
        builder = csca.builder(name("XV", "Cards"), load_der_public_key(KEY.spki())).not_valid_after(END)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        leaf = csca.sign(builder.add_extension(names, critical=False))
        (answer,) = judge(GOOD | {"jwk": JWK | {"x5c": [base64_of(leaf), base64_of(csca.certificate())]}})
        assert (outcome(answer), answer["checks"]["chain"]) == (verdict, chained)


# --- CRLs beside a CSCA -------------------------------------------------------------------------------------

CSCA, FOREIGN = Csca(), Csca("XW", "CSCA W", label="foreign")
REVOKING, CLEAN, STALE = CSCA.crl(4711, days=999), CSCA.crl(1, days=999), CSCA.crl(1, days=10)
FOREIGN_CRL, IN_ITS_NAME = FOREIGN.crl(1, days=999), Csca(label="a key of nobody").crl(1, days=999)
PART = CSCA.crl(1, days=999, critical=True)

WITHDRAWN, UNCHECKED = ("FAIL", ["KEY_WITHDRAWN"]), ("CHECK", ["REVOCATION_UNCHECKED"])
CRLS: dict[str, tuple[Any, tuple[str, list[str]]]] = {
    "none": ([], ("PASS", [])),
    "a clean one": ([CLEAN], ("PASS", [])),
    "one that names the signer": ([REVOKING], WITHDRAWN),
    "one that names the signer, and garbage": ([REVOKING, b"garbage"], WITHDRAWN),
    "garbage, and one that names the signer": ([b"garbage", REVOKING], WITHDRAWN),
    "one that names the signer, and a foreign one": ([REVOKING, FOREIGN_CRL], WITHDRAWN),
    "one that names the signer, and a forged one": ([IN_ITS_NAME, REVOKING], WITHDRAWN),
    "one that names the signer, and a part": ([REVOKING, PART], WITHDRAWN),
    "a clean one, and garbage": ([CLEAN, b"garbage"], UNCHECKED),
    "a clean one, and a foreign one": ([FOREIGN_CRL, CLEAN], UNCHECKED),
    "a foreign one": ([FOREIGN_CRL], UNCHECKED),
    "a forged one": ([IN_ITS_NAME], UNCHECKED),
    "a part of one": ([PART], UNCHECKED),
    "garbage": ([b"garbage"], UNCHECKED),
    "nothing": ([b""], UNCHECKED),
    "one that is over": ([STALE], UNCHECKED),
    "one that is over, and its successor": ([STALE, CLEAN], ("PASS", [])),
    "the successor of one that is over, and that": ([CLEAN, STALE], ("PASS", [])),
}  # fmt: skip


@pytest.mark.scenario("SC-K07")
@pytest.mark.parametrize("which", list(CRLS))
def test_the_crls_of_a_case_do_not_undo_each_other(judge: Any, which: str) -> None:
    """What one of them takes back stays taken back; where one cannot be used, nobody knows what it says."""
    crls, wanted = CRLS[which]
    line = {
        "text": CSCA.signer(serial=4711).seal(vaccinated()),
        "csca": [base64_of(CSCA.certificate())],
        "crl": [base64_of(crl) for crl in crls],
        "clock": "2022-03-01T00:00:00Z",
    }
    (answer,) = judge(line)
    assert outcome(answer) == wanted
    assert (
        answer["checks"]["revoked"]
        is {"FAIL": True, "CHECK": None, "PASS": None if not crls else False}[answer["state"]]
    )


def test_a_crl_that_is_no_base64_is_one_that_cannot_be_used(judge: Any) -> None:
    """Whether it stands alone or in a list."""
    line = {"text": CSCA.signer().seal(vaccinated()), "csca": base64_of(CSCA.certificate()), "clock": AT}
    for crl in ("?", ["?"], ["AAAA", base64_of(CLEAN)]):
        assert [outcome(answer) for answer in judge(line | {"crl": crl})] == [UNCHECKED]


# --- Keys and codes that are given by hand ------------------------------------------------------------------


@pytest.mark.scenario("SC-K09")
def test_a_signer_given_by_hand_seals_what_its_certificate_allows(run: Any, tmp_path: Path) -> None:
    """Whoever hands over a signer of passports, or a CSCA, makes no signer of seals of it."""
    csca = CSCA.certificate()
    (tmp_path / "csca.der").write_bytes(csca)
    for usage in (PASSPORTS, None):
        signer = CSCA.signer(usage=usage)
        (tmp_path / "signer.der").write_bytes(signer.certificate)
        given = ["--trust", tmp_path / "signer.der", "--trust", tmp_path / "csca.der"]
        for trust in (given, given[:2]):
            _, (answer,) = run("--json", *trust, "--at", AT, signer.seal(vaccinated()))
            assert outcome(answer) == ("FAIL", ["KEY_USAGE"])
    sealing = Bsc(csca, "ES384", CSCA.key)
    _, (answer,) = run("--json", *given[2:], "--at", AT, sealing.seal(vaccinated()))
    assert outcome(answer) == ("FAIL", ["KEY_USAGE"])


def test_a_crl_given_by_hand_takes_back_a_signer_given_by_hand(run: Any, judge: Any, tmp_path: Path) -> None:
    """The same for --trust and for a case."""
    signer = CSCA.signer(serial=4711)
    text = signer.seal(vaccinated())
    for file, data in (("s.der", signer.certificate), ("c.der", CSCA.certificate()), ("c.crl", REVOKING)):
        (tmp_path / file).write_bytes(data)
    trust = [part for file in ("s.der", "c.der", "c.crl") for part in ("--trust", tmp_path / file)]
    _, (answer,) = run("--json", *trust, "--at", AT, text)
    assert outcome(answer) == WITHDRAWN
    certs, csca, crl = map(base64_of, (signer.certificate, CSCA.certificate(), REVOKING))
    (answer,) = judge({"text": text, "certs": [certs], "csca": csca, "crl": crl, "clock": AT})
    assert outcome(answer) == WITHDRAWN


# --- Files of health cards, and parts of them ---------------------------------------------------------------


def card_file(*cards: str) -> str:
    return json.dumps({"verifiableCredential": cards})


OTHER_TOKEN = ".".join(map(base64url.encode, (b'{"alg":"RS256","typ":"JWT"}', b'{"sub":"x"}', bytes(64))))


@pytest.mark.parametrize("other", ["shc:/1/3/00", OTHER_TOKEN, "https://example.invalid/"])
def test_a_forged_card_is_worse_than_a_code_that_is_no_card(judge: Any, other: str) -> None:
    """A file of both fails, in whichever order they stand."""
    for cards in ([FORGED, other], [other, FORGED]):
        (answer,) = judge(GOOD | {"text": card_file(*cards)})
        assert outcome(answer) == ("FAIL", ["SIG_BAD"])
    (answer,) = judge(GOOD | {"text": card_file(CARD, other)})
    assert answer["state"] == "RESCAN"


def with_stdin(monkeypatch: pytest.MonkeyPatch, lines: Iterator[bytes]) -> None:
    stream = SimpleNamespace(readline=lambda _limit: next(lines, b""))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stream))


@pytest.fixture
def given(tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [JWK]}))
    return ("--json", "--trust", tmp_path / "keys.json", "--at", AT)


def test_the_json_of_a_card_file_is_its_cards_wherever_it_is_given(
    run: Any, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an argument and as a line, each card for itself; text that only looks so is judged as it is."""
    both = card_file(CARD, FORGED)
    _, answers = run(*given, both, card_file(CARD), '{"verifiableCredential"')
    assert [(a["id"], a["state"]) for a in answers] == [
        ("1:1", "PASS"), ("1:2", "FAIL"), ("2", "PASS"), ("3", "RESCAN"),
    ]  # fmt: skip
    with_stdin(monkeypatch, iter([both.encode() + b"\n", CARD.encode() + b"\n"]))
    _, answers = run(*given, "-")
    assert [(a["id"], a["state"]) for a in answers] == [("1:1", "PASS"), ("1:2", "FAIL"), ("2", "PASS")]


def lone_part(number: int) -> bytes:
    """The first part of a code of two whose second never comes, each of another code."""
    digits = "".join(f"{number // 70**place % 70:02}" for place in range(4))
    return f"shc:/1/2/{digits}\n".encode()


@pytest.mark.scenario("SC-F10")
def test_many_lone_parts_are_answered_while_more_are_coming(
    run: Any, given: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only so many codes wait for their parts; the oldest is answered as it is, and each gets its line."""
    count = 1_500
    seen: list[str] = []

    def lines() -> Iterator[bytes]:
        for number in range(count):
            seen.extend(capsys.readouterr().out.splitlines())
            assert len(seen) >= number - inputs.MAX_WAITING - 1
            yield lone_part(number)

    with_stdin(monkeypatch, lines())
    start = process_time()
    _, rest = run(*given, "-")
    assert process_time() - start < 5
    answers = [*map(json.loads, seen), *rest]
    assert [answer["id"] for answer in answers] == [str(number) for number in range(1, count + 1)]
    assert {str(outcome(answer)) for answer in answers} == {"('RESCAN', ['INCOMPLETE'])"}


@pytest.mark.scenario("SC-F10")
def test_parts_that_come_one_after_the_other_are_one_card_behind_many_lone_ones(
    run: Any, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes of another count do not stand in its way."""
    parts = [part.encode() + b"\n" for part in shc.numeric(CARD, 3)]
    lone = [lone_part(number) for number in range(inputs.MAX_WAITING + 40)]
    with_stdin(monkeypatch, iter([*lone[:50], parts[0], *lone[50:80], parts[2], *lone[80:], parts[1]]))
    _, answers = run(*given, "-")
    assert [a["id"] for a in answers if a["state"] == "PASS"] == ["51"]
    assert len(answers) == len(lone) + 1
