"""The cast of the demonstration, all the way: issued, published, synced, read from its pictures, judged."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from issuer import certificates
from issuer.cast import make_cast, write_cast
from issuer.certificates import Person
from issuer.errors import IssuerError
from issuer.faults import FAULTS, blot
from issuer.office import Issuer
from issuer.qr import draw
from issuer.server import Server, create_app
from trustsync.store import TrustSnapshot, open_store
from trustsync.sync import SyncConfig, sync_once
from verifier.assessment import assess
from verifier.policy.bundle import in_force
from verifier.reasons import Reason, State
from verifier.verdict import Policy, Verdict, decide

NOW = datetime(2021, 9, 1, 8, 0, tzinfo=UTC)  # when the issuer of these tests was founded
EXPECTED = {
    "01-vaccination.png": ("PASS", None),
    "02-recovery.png": ("PASS", None),
    "03-negative-test.png": ("PASS", None),
    "04-special-letters.png": ("PASS", None),
    "05-shc.png": ("PASS", None),
    "06-vds-nc.png": ("PASS", None),
    "07-divoc.png": ("PASS", None),
    "08-nzcp.png": ("CHECK", "UNSUPPORTED"),
    "09-without-expiry.png": ("CHECK", "NO_EXPIRY"),
    "10-expired.png": ("FAIL", "EXPIRED"),
    "11-issued-tomorrow.png": ("FAIL", "NOT_YET_VALID"),
    "12-revoked.png": ("FAIL", "REVOKED"),
    "13-payload-changed.png": ("FAIL", "SIG_BAD"),
    "14-key-not-listed.png": ("FAIL", "KEY_UNKNOWN"),
    "15-positive-test.png": ("FAIL", "TEST_POSITIVE"),
    "16-key-of-test-environment.png": ("FAIL", "KEY_TEST"),
    "17-web-link.png": ("RESCAN", "NOT_CERT"),
    "18-damaged.png": ("RESCAN", "UNREADABLE"),
}


@pytest.fixture(scope="session")
def stage(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An issuer's directory ``office`` and the cast that it issued at NOW and published, in ``cast``."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copytree(founded, folder / "office")
    with Issuer.open(folder / "office") as issuer:
        exhibits = make_cast(issuer, NOW)
        issuer.publish(NOW)
    write_cast(exhibits, folder / "cast")
    return folder


@pytest.fixture
def cast(stage: Path) -> Path:
    """The directory of that cast."""
    return stage / "cast"


def _synced(issuer: Issuer, store: Path, now: datetime) -> TrustSnapshot:
    """What an appliance knows after one sync over HTTP."""
    root = (issuer.registry.public / "root.json").read_bytes()
    with Server(create_app(issuer.registry.public)) as server:
        sync_once(SyncConfig(server.url, root, store), now=now)
    return open_store(store).current()


def _judge(text: str, known: TrustSnapshot, now: datetime) -> Verdict:
    bundle = in_force(known.bundles, now)
    assert bundle is not None
    return decide(assess(text, trust=known.trust, now=now), Policy(bundle))


def test_the_cast_is_described_beside_its_pictures(cast: Path) -> None:
    """File, title, expected state and reason, and a line about it, for each of them."""
    rows = json.loads((cast / "cast.json").read_text())
    assert {row["file"]: (row["expect_state"], row["expect_reason"]) for row in rows} == EXPECTED
    assert all(set(row) == {"file", "title", "expect_state", "expect_reason", "about"} for row in rows)
    assert all(row["title"] and row["about"] for row in rows)
    assert {path.name for path in cast.iterdir()} == {*EXPECTED, "cast.json"}


def test_a_camera_frame_holds_every_picture(cast: Path) -> None:
    """1280 by 720 with room around it, and modules of several pixels."""
    for name in EXPECTED:
        with Image.open(cast / name) as picture:
            assert 500 <= picture.width == picture.height <= 700


def test_every_exhibit_gets_the_verdict_that_it_expects(
    stage: Path, cast: Path, now: datetime, tmp_path: Path
) -> None:
    """Read from the picture, judged against the list that a sync brought: state and reasons are as said."""
    with Issuer.open(stage / "office") as issuer:
        known = _synced(issuer, tmp_path / "store", now)
    for name, (state, reason) in EXPECTED.items():
        with Image.open(cast / name) as picture:
            found = zxingcpp.read_barcodes(picture.convert("L"), return_errors=True)
        if reason == "UNREADABLE":
            assert found, "the stained code is not even located"
            assert not any(code.valid for code in found)
            continue
        (code,) = found
        verdict = _judge(code.bytes if code.bytes.startswith(b"PK") else code.text, known, now)
        assert (name, verdict.state, [f.code for f in verdict.reasons]) == (
            name,
            state,
            [reason] if reason else [],
        )


def test_a_cast_can_be_issued_again(stage: Path, tmp_path: Path, now: datetime) -> None:
    """Other identifiers, the same expectations; the second revoked one joins the first."""
    office = Path(shutil.copytree(stage / "office", tmp_path / "office"))
    with Issuer.open(office) as issuer:
        again = make_cast(issuer, now)
        entries = issuer.registry.revoked()
    assert [(e.expect_state, e.expect_reason) for e in again] == [
        (State(state), reason and Reason(reason)) for state, reason in EXPECTED.values()
    ]
    assert len(entries) == 2


def test_a_changed_payload_differs_in_exactly_one_byte(issuer: Issuer, now: datetime) -> None:
    """The smallest forgery: one digit of the birth year, and the same signature."""
    from verifier.wire.hc1 import decode_claims, open_hcert

    payload = certificates.of_vaccination(
        Person("Trương", "Mỹ Ước", "1999-12-24"), country="XV", day=now.date()
    )
    forged = open_hcert(FAULTS["payload-changed"].make(issuer, payload, now))
    assert decode_claims(forged.payload).document["dob"] == "1990-12-24"
    with pytest.raises(IssuerError, match="birth year"):
        FAULTS["payload-changed"].make(issuer, payload | {"dob": ""}, now)


@pytest.mark.parametrize("length", [300, 500, 800, 1000])
def test_a_stain_leaves_a_code_that_is_found_and_not_read(length: int) -> None:
    """For every size of certificate: located with an error, so that the answer is a hint and not silence."""
    code = draw("HC1:" + "6BFOXN" * (length // 6))
    with Image.open(io.BytesIO(blot(code.png(code.scale_for(690))))) as picture:
        found = zxingcpp.read_barcodes(picture.convert("L"), return_errors=True)
    assert found
    assert not any(each.valid for each in found)
