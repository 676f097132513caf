"""``vaxgate-verify --trust`` with a signed list: in any form that the hub reads, proven or taken as given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import upstreams_europe
from cryptography.hazmat.primitives.asymmetric import ec
from csca import Csca, private_key, vaccinated
from desk import vaccination
from mutations import mutated
from upstreams_europe import (
    NOW,
    Signer,
    Upstream,
    austria,
    b64,
    certify,
    german_entry,
    germany,
    key_in,
    netherlands,
    pem_of,
    sweden,
    swedish_entry,
    swiss_entry,
    switzerland,
)
from upstreams_world import (
    ISSUER,
    gdhcn,
    icao,
    method,
    shc_jwk,
    vci,
)

from appliance.cli.verify import main
from issuer.documents import document_of
from trustsync.hub.given import read_given
from trustsync.hub.upstream import UpstreamError
from verifier.certificate import Family
from verifier.keys import ES256, kid_of
from verifier.trust import Domain
from verifier.wire import hc1, national, shc

AT = NOW.isoformat()
SIGNER = "signer"  # below a root, by hand its own certificate is pinned
Answer = dict[str, Any]


KEY = ec.generate_private_key(ec.SECP256R1())
CERTIFICATE = certify("DSC", KEY).certificate
FRENCH = certify("DSC", KEY, country="FR").certificate


def signed_by(certificate: bytes = CERTIFICATE) -> dict[str, Any]:
    """How the signer of the lists issues: its key and KID, from a day before to a year after."""
    return {
        "kid": kid_of(certificate),
        "alg": ES256,
        "sign": Signer(b"", KEY).raw,
        "iat": int((NOW - timedelta(days=1)).timestamp()),
        "exp": int((NOW + timedelta(days=365)).timestamp()),
    }


def dcc(country: str = "XV", certificate: bytes = CERTIFICATE) -> str:
    return hc1.encode_hc1(vaccination(co=country), iss=country, **signed_by(certificate))


def health_card() -> str:
    claims = document_of(
        Family.SHC, vaccination(), ISSUER, country="XV", issued_at=NOW - timedelta(days=1), expires_at=None
    )
    key = Signer(b"", private_key("SECP256R1", "shc 1"))
    return shc.encode_shc(claims, kid=shc_jwk(1)["kid"], sign=key.raw)


def dutch() -> Upstream:
    return netherlands({b64(kid_of(CERTIFICATE)): [{"subjectPk": b64(key_in(CERTIFICATE)), "keyUsage": []}]})


# Form: its maker, its file among the raw ones, the role of its pin, and a code by a key in it.
FORMS: dict[str, tuple[Callable[[], Upstream], str, str, Callable[[], str]]] = {
    "a list of Germany's form": (lambda: germany([german_entry(CERTIFICATE)]), "dsc-list", "key", dcc),
    "a list of Austria's form": (
        lambda: austria([{"i": kid_of(CERTIFICATE), "c": CERTIFICATE}]),
        "content",
        "certificate",
        dcc,
    ),
    "a list of Sweden's form": (
        lambda: sweden({"XV": {"eku": {}, "keys": [swedish_entry(CERTIFICATE)]}}),
        "trust-list",
        "certificate",
        dcc,
    ),
    "a page of keys of Switzerland's form": (
        lambda: switzerland([[swiss_entry(CERTIFICATE)]]),
        "keys-updates-1-of-1",
        SIGNER,
        dcc,
    ),
    "a list of the Netherlands' form": (dutch, "public-keys", SIGNER, dcc),
    "a list of the GDHCN": (lambda: gdhcn([method(FRENCH)]), "did.json", "key", lambda: dcc("FR", FRENCH)),
    "a snapshot of the VCI directory": (vci, "vci_snapshot.json", "certificate", health_card),
    "a master list": (
        icao,
        "masterlist.ml",
        "root",
        lambda: Csca("XV", "CSCA one", label="one").signer().seal(vaccinated()),
    ),
}
DETACHED = {"a list of Austria's form": "signature", "a snapshot of the VCI directory": "vci_snapshot.sig"}


@dataclass(frozen=True)
class Given:
    """A list of a form, a code by a key in it, the pin under which it holds, and one under which not."""

    form: str
    raw: Mapping[str, bytes]
    code: str
    pin: bytes
    other: bytes

    @property
    def suffix(self) -> str:
        return ".pem" if b"BEGIN" in self.pin else ".crt"


def given(form: str) -> Given:
    maker, _, role, code = FORMS[form]
    text, upstream = code(), maker()
    pin = upstreams_europe._list_signer().certificate if role == SIGNER else upstream.source.pins[role]
    return Given(form, upstream.raw, text, pin, pem_of(KEY) if b"PUBLIC" in pin else CERTIFICATE)


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Answer, str]]:
    """Run the command with a list, one code, and pins; exit status, answer, stderr."""

    def command(
        held: Given, *pins: bytes, code: str = "", signature: bool = False, beside: bytes | None = None
    ) -> tuple[int, Answer, str]:
        (tmp_path / "given.list").write_bytes(held.raw[FORMS[held.form][1]])
        if signature and held.form in DETACHED:
            (tmp_path / "given.sig").write_bytes(held.raw[DETACHED[held.form]])
        if beside is not None:
            (tmp_path / f"given{held.suffix}").write_bytes(beside)
        options = []
        for number, pin in enumerate(pins):
            (tmp_path / f"pin-{number}").write_bytes(pin)
            options += ["--trust-pin", str(tmp_path / f"pin-{number}")]
        trust = ["--trust", str(tmp_path / "given.list"), *options]
        status = main([*trust, "--at", AT, "--json", code or held.code])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else {}, err

    return command


@pytest.mark.parametrize("form", list(FORMS))
def test_a_list_without_a_pin_is_taken_as_given_and_says_so(ask: Any, form: str) -> None:
    """Its keys verify as a bare key file's would; that nobody checked the signature is not left to guess."""
    status, answer, err = ask(given(form))
    assert (status, answer["state"]) == (0, "PASS")
    assert answer["checks"]["signature"] is True
    assert answer["issuer"]["source"] == "given.list"
    assert f"{form}; its signature was NOT checked" in err


@pytest.mark.parametrize("form", list(FORMS))
def test_a_list_under_its_pin_is_proven_and_silent(ask: Any, form: str) -> None:
    """One of several pins is enough; the signature may be a file beside the list."""
    held = given(form)
    status, answer, err = ask(held, held.other, held.pin, signature=True)
    assert (status, answer["state"]) == (0, "PASS")
    assert "NOT checked" not in err


@pytest.mark.parametrize("form", list(FORMS))
def test_a_list_that_does_not_hold_under_the_pin_is_an_error(ask: Any, form: str) -> None:
    """A wrong pin is no verdict: nothing is judged with keys that were to be proven and are not."""
    held = given(form)
    status, answer, err = ask(held, held.other, signature=True)
    assert (status, answer) == (2, {})
    assert form in err


@pytest.mark.parametrize("form", list(FORMS))
def test_what_stands_beside_a_list_must_hold(ask: Any, form: str) -> None:
    """A certificate or key of the same name is the pin when no other is given."""
    held = given(form)
    status, answer, err = ask(held, signature=True, beside=held.pin)
    assert (status, answer["state"], "NOT checked" in err) == (0, "PASS", False)
    assert ask(held, signature=True, beside=held.other)[0] == 2


@pytest.mark.parametrize("form", list(DETACHED))
def test_a_pin_asks_for_the_signature(ask: Any, form: str) -> None:
    """Where it is a file of its own and not there, a pin proves nothing, and that is an error."""
    held = given(form)
    status, _, err = ask(held, held.pin)
    assert (status, "not beside it" in err) == (2, True)
    # a certificate that happens to lie there is no order to prove anything
    assert "NOT checked" in ask(held, beside=held.pin)[2]


def test_the_keys_of_a_list_sign_in_their_domain_alone(ask: Any, tmp_path: Path, capsys: Any) -> None:
    """A key that a list holds for EU certificates signs no Austrian exemption; one given bare may."""
    entry = {"tg": "840539006", "du": "2027-05-30", "co": "XV", "is": "Ministry", "ci": "EX1"}
    name = {"fn": "Müller", "gn": "Céline", "fnt": "MUELLER", "gnt": "CELINE"}
    document = {"ver": "AT-1.0.0", "nam": name, "dob": "1998-02-26", "ve": [entry]}
    code = national.encode_at1(document, iss="XV", **signed_by())
    status, answer, _ = ask(given("a list of Germany's form"), code=code)
    assert (status, answer["state"]) == (20, "FAIL")
    assert [reason["code"] for reason in answer["reasons"]] == ["KEY_USAGE"]
    (tmp_path / "bare.der").write_bytes(CERTIFICATE)
    main(["--trust", str(tmp_path / "bare.der"), "--at", AT, "--json", code])
    bare = json.loads(capsys.readouterr().out)
    assert "KEY_USAGE" not in [reason["code"] for reason in bare["reasons"]]


def test_a_key_for_health_cards_signs_no_hc1(ask: Any) -> None:
    """Not even under its KID to the letter."""
    held = given("a snapshot of the VCI directory")
    key = Signer(b"", private_key("SECP256R1", "shc 1"))
    facts = signed_by() | {"kid": shc_jwk(1)["kid"].encode(), "sign": key.raw}
    status, answer, _ = ask(held, code=hc1.encode_hc1(vaccination(), iss="XV", **facts))
    assert (status, [reason["code"] for reason in answer["reasons"]]) == (20, ["KEY_USAGE"])


def test_a_pin_without_a_signed_list_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would look as if something had been proven."""
    (tmp_path / "key.der").write_bytes(CERTIFICATE)
    pin = ["--trust-pin", str(tmp_path / "key.der")]
    assert main(["--trust", str(tmp_path / "key.der"), *pin, "HC1:6BF"]) == 2
    assert "nothing was proven" in capsys.readouterr().err
    assert main([*pin, "HC1:6BF"]) == 2
    assert main(["--trust", str(tmp_path), *pin, "HC1:6BF"]) == 2
    assert "--trust-pin" in capsys.readouterr().err


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A form that is known and broken is told by its form."""
    broken = germany(document=b'{"certificates": 7}').raw["dsc-list"]
    (tmp_path / "list").write_bytes(broken)
    assert main(["--trust", str(tmp_path / "list"), "HC1:6BF"]) == 2
    assert "certificates is not a list" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"keys": []}', b"a.b.c", b"hello", b"\x30\x03\x02\x01\x00", b"{" * 99]
)
def test_other_files_are_left_to_others(data: bytes) -> None:
    """Key files of plain forms, and bytes that are none, are no signed list."""
    assert read_given(data, now=NOW) is None


def test_a_plain_did_document_stays_one() -> None:
    """Only the documents of the trust network are lists; others are key files."""
    document = {"id": "did:web:nzcp.example", "verificationMethod": [], "assertionMethod": []}
    assert read_given(json.dumps(document).encode(), now=NOW) is None


def test_every_form_gives_its_domain() -> None:
    """No list gives a key that may sign anywhere."""
    for maker, name, _, _ in FORMS.values():
        read = read_given(maker().raw[name], now=NOW)
        assert read is not None
        assert all(key.domain in (Domain.HCERT, Domain.SHC) for key in read.held.keys)


@pytest.mark.parametrize("form", list(FORMS))
def test_a_broken_list_gives_keys_or_one_kind_of_error(form: str) -> None:
    """Unproven bytes are hostile: whatever they are, they are read, left to others, or refused."""
    maker, name, _, _ = FORMS[form]
    raw = {name: maker().raw[name]}
    for seed in range(300):
        data = mutated(raw, seed).get(name, b"")
        try:
            read = read_given(data, name="broken", now=NOW)
        except UpstreamError:
            continue
        assert read is None or not read.proven


def test_a_list_of_the_network_by_wildcards_is_for_certificates() -> None:
    """Parts of the list are published under ``-``; whoever gives one by hand means its signers."""
    part = gdhcn([method(FRENCH, "-", "-")]).raw["did.json"]
    read = read_given(part, now=NOW)
    assert read is not None
    assert [(key.country, key.domain) for key in read.held.keys] == [("FR", Domain.HCERT)]


def test_a_list_without_a_usable_key_is_refused() -> None:
    """Of references, or of keys for something else."""
    references = gdhcn([method(FRENCH, usage="UP")]).raw["did.json"]
    with pytest.raises(UpstreamError, match="without a key"):
        read_given(references, now=NOW)


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "keys", "proven"),
    [
        ("covpass-acc.dsc-list.json", 610, True),
        ("covpass-test.dsc-list.json", 57, False),
        ("vci_snapshot.json", 961, True),
        ("gdhcn-dev.did.json", 368, False),
    ],
)
def test_the_published_lists_are_read(vectors: Path, name: str, keys: int, proven: bool) -> None:
    """Each by its content; where its key or certificate is published with it, proven too."""
    data = (vectors / "trustlists" / name).read_bytes()
    cases = map(json.loads, (vectors / "trustlists.jsonl").read_text().splitlines())
    case = next(case for case in cases if case["file"].endswith(name))

    def beside(suffix: str) -> bytes | None:
        path = (vectors / "trustlists" / name).with_suffix(suffix)
        return path.read_bytes() if path.is_file() else None

    pins = [case["pubkey_pem"].encode()] if proven and "pubkey_pem" in case else []
    read = read_given(data, name=name, beside=beside, pins=pins, now=NOW.replace(month=11))
    assert read is not None
    assert (len(read.held.keys), read.proven) == (keys, proven)
    if name.startswith("covpass-test"):  # signed with another key than the one that is published with it
        with pytest.raises(UpstreamError):
            read_given(data, pins=[case["pubkey_pem"].encode()], now=NOW)
