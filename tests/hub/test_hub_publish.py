"""Publishing: whose keys are needed, what stays as it is, and that the same state gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from csca import Csca
from pilot import DAY, HOUR, START, Pilot, key
from tuf.api.metadata import Metadata

from trustsync.acceptance import accept
from trustsync.declarations import encode_policy, encode_recognition
from trustsync.files import write_whole
from trustsync.hub.config import HubError, NotPublishedError
from trustsync.hub.content import drop_content, put_content
from trustsync.hub.decisions import read_hashes, revoke
from trustsync.hub.founding import found_hub, make_key
from trustsync.hub.publish import load_signers, specimens_of
from trustsync.hub.upstream import Authentication
from trustsync.layout import KEYS_PATH, RECOGNITION_PATH, REVOCATION_INDEX_PATH, SELF_TEST_PATH
from trustsync.publishing import ROLES
from trustsync.segments import decode_index
from trustsync.targets import PRODUCTION, TEST
from trustsync.trial import decode_trial, try_list
from verifier.chain import load_authority
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.policy.bundle_json import encode_bundles
from verifier.reasons import Reason, State
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import FRESHNESS, HashKind, ListedRevocation, ListState, TrustList

ONLINE = ("online",)
FRANCE = Recognition((RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL),))
MANY = [key(n) for n in range(1, 101)]


@pytest.fixture
def published(pilot: Pilot) -> Pilot:
    """A hub that has published a hundred keys."""
    pilot.says("de", MANY)
    pilot.whole()
    return pilot


def _signed(pilot: Pilot, name: str) -> Any:
    return Metadata.from_file(str(pilot.config.repository(PRODUCTION) / "metadata" / name)).signed


def _targets(pilot: Pilot, role: str, version: int) -> dict[str, bytes]:
    """The targets that a version of a role names, by path."""
    tree = pilot.tree()
    found = {}
    for path, info in _signed(pilot, f"{version}.{role}.json").targets.items():
        folder, name = path.split("/")
        found[path] = tree[f"targets/{folder}/{info.hashes['sha256']}.{name}"]
    return found


# --- The repository ---------------------------------------------------------------------------------------


def test_roles_and_lives_are_those_of_the_design(published: Pilot) -> None:
    """Recognition and software have keys of their own, beside keys, revocation and rules."""
    root, targets = _signed(published, "1.root.json"), _signed(published, "1.targets.json")
    shape = {
        name: (role.threshold, len(role.keyids))
        for name, role in {**root.roles, **targets.delegations.roles}.items()
    }
    assert shape == {name: (form.needed, form.keys) for name, form in ROLES.items()}
    days = {name: form.life.days for name, form in ROLES.items()}
    assert days == {
        "root": 365, "targets": 180, "trust": 60, "revocation": 14, "rules": 90, "recognition": 90,
        "software": 180, "snapshot": 14, "timestamp": 3,
    }  # fmt: skip
    for name, role in targets.delegations.roles.items():
        assert (role.paths, role.terminating) == ([f"{name}/*"], True)
    assert targets.targets == {}


def test_what_is_published_is_what_a_unit_installs(published: Pilot) -> None:
    """Accepted by the appliance's own code, and its self-test gives the answers that it names."""
    files = {
        path: data
        for role in ("trust", "revocation", "rules", "recognition", "software")
        for path, data in _targets(published, role, 1).items()
    }
    accepted = accept(files)
    cases = decode_trial(files[SELF_TEST_PATH])
    assert [(case.state, case.reason) for case in cases] == [
        (State.PASS, None),
        (State.FAIL, Reason.SIG_BAD),
        (State.FAIL, Reason.REVOKED),
    ]
    with published.ledger() as ledger:
        revoked = ListedRevocation([specimens_of(ledger, PRODUCTION).revoked])
    keys = [record.key for record in accepted.keys]
    assert try_list(TrustList.of(keys, revocation=revoked, signed_at=published.now), cases) >= 3


def test_the_same_state_and_clock_give_the_same_bytes(pilot: Pilot, tmp_path: Path) -> None:
    """Two copies of a hub publish the same tree; one whose public folder was lost makes it again."""
    pilot.says("de", MANY, revoked=tuple((key(1).kid, HashKind.UCI, bytes([n]) * 16) for n in range(99)))
    pilot.gather()
    pilot.approve("an", "binh")
    other = Pilot(Path(shutil.copytree(pilot.directory, tmp_path / "copy")), pilot.now, pilot.said)
    pilot.publish()
    other.publish()
    assert pilot.tree() == other.tree()
    shutil.rmtree(pilot.config.public)
    pilot.now -= timedelta(minutes=1)
    assert pilot.publish().publication.changed == ()
    assert pilot.tree() == other.tree()


def test_another_process_in_another_place_gives_the_same_bytes(pilot: Pilot, tmp_path: Path) -> None:
    """No order that Python draws anew for each process gets into a file, and not where the hub lies."""
    uses = [frozenset("tvr"), frozenset("tv"), frozenset("r"), None]
    keys = [key(n, uses=uses[n % 4], also_for=frozenset({"FR", "PF", "NC", "RE"})) for n in range(1, 30)]
    revoked = [
        (key(n % 7).kid, kind, hashlib.sha256(bytes([n, kind])).digest())
        for n in range(1, 200)
        for kind in (HashKind.UCI, HashKind.SIGNATURE, HashKind.RID)
    ]
    before = [(key(1).kid, digest, START) for _, _, digest in revoked[:20]]
    pilot.says("de", keys, revoked=tuple(revoked), revoked_before=tuple(before))
    pilot.says("se", keys[5:], authorities=[load_authority(Csca("XV").certificate())])
    pilot.says("dev", [key(n) for n in range(50, 60)], environment=TEST)
    pilot.gather()
    pilot.approve("an", "binh")
    trees = []
    for seed in ("1", "2"):
        place = Path(shutil.copytree(pilot.directory, tmp_path / f"place {seed}" / "hub"))
        subprocess.run(
            [
                sys.executable,
                "-m",
                "trustsync.hub.cli",
                "publish",
                "--data",
                str(place),
                "--clock",
                "2021-11-28T12:00Z",
            ],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        trees.append(Pilot(place).tree())
    pilot.now = START + 2 * HOUR - timedelta(minutes=1)
    pilot.publish()
    assert len(trees[0]) > 20
    assert trees[0] == trees[1] == pilot.tree()


def test_a_rebuild_is_the_same_after_nights_of_deltas(published: Pilot, tmp_path: Path) -> None:
    """Base and deltas are part of the state, not of the folder that is served."""
    entries = [n.to_bytes(2, "big") * 8 for n in range(400)]
    for count in (200, 210, 240):
        published.says("de", MANY, revoked=tuple((key(1).kid, HashKind.UCI, e) for e in entries[:count]))
        published.gather()
        published.publish(keys=ONLINE)
    records = decode_index(_targets(published, "revocation", 4)[REVOCATION_INDEX_PATH])
    assert sorted(r.count for r in records if r.scope == key(1).kid) == [10, 30, 200]
    before = published.tree()
    shutil.rmtree(published.config.public)
    published.now -= timedelta(minutes=1)
    published.publish(keys=ONLINE)
    rebuilt = published.tree()
    assert {path: before[path] for path in rebuilt} == rebuilt
    assert all("metadata" in path or "targets" in path for path in set(before) - set(rebuilt))


def test_a_publication_that_was_cut_off_is_completed(
    published: Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions were kept, files are half there: the next publication lays them out, the timestamp last."""
    written: list[str] = []

    def cut(path: Path, data: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path.name)
        write_whole(path, data)

    before = published.tree()
    published.says("de", MANY[1:], revoked=((key(2).kid, HashKind.UCI, bytes(16)),))
    published.gather()
    monkeypatch.setattr("trustsync.files.write_whole", cut)
    with pytest.raises(OSError, match="No space"):
        published.publish()
    assert published.tree()["metadata/timestamp.json"] == before["metadata/timestamp.json"]
    monkeypatch.setattr("trustsync.files.write_whole", write_whole)
    published.now -= timedelta(minutes=1)
    assert published.publish().publication.changed == ()
    timestamp = json.loads(published.tree()["metadata/timestamp.json"])["signed"]
    assert timestamp["version"] == 2
    assert published.tree()[f"metadata/{timestamp['meta']['snapshot.json']['version']}.snapshot.json"]


def test_the_clock_never_goes_back(published: Pilot) -> None:
    """A list signed before the last would look like an attack."""
    published.now -= HOUR
    with pytest.raises(NotPublishedError, match="goes back in time"):
        published.publish()


# --- Whose keys -------------------------------------------------------------------------------------------


def test_online_keys_alone_publish_revocation_and_time(published: Pilot) -> None:
    """The nightly run needs nothing from the safe."""
    published.says("de", MANY, revoked=((key(1).kid, HashKind.UCI, bytes(16)),))
    published.gather()
    done = published.publish(keys=ONLINE, nightly=True)
    assert (done.publication.changed, done.waiting) == (("revocation", "snapshot", "timestamp"), ())


def test_a_key_from_the_safe_is_asked_for_by_its_name(published: Pilot) -> None:
    """The role, why, and which key of hub.toml; nothing was published."""
    published.says("de", MANY[2:])
    published.gather()
    before = published.tree()
    with pytest.raises(NotPublishedError, match=r"trust \(changed\) needs 1 of trust-1 \([0-9a-f]{12}…\)"):
        published.publish(keys=ONLINE)
    put_content(published.config, "recognition", encode_recognition(FRANCE))
    with pytest.raises(NotPublishedError, match=r"trust .*; recognition "):
        published.publish(keys=ONLINE)
    assert published.tree() == before
    place = "offline/trust-1.key"
    with pytest.raises(NotPublishedError, match=r"missing: recognition \(changed\) needs 1 of recognition-1"):
        published.publish(keys=(*ONLINE, place))
    published.publish(keys=(*ONLINE, place, "offline/recognition-1.key"))
    assert RECOGNITION_PATH in _targets(published, "recognition", 2)


def test_at_night_what_waits_for_people_stays_as_it_is(published: Pilot) -> None:
    """An unapproved change, or one whose key is in the safe, never stops revocation and the timestamp."""
    published.says("de", MANY[50:], revoked=((key(60).kid, HashKind.UCI, bytes(16)),))
    published.gather()
    put_content(published.config, "recognition", encode_recognition(FRANCE))
    done = published.publish(keys=ONLINE, nightly=True)
    assert done.publication.changed == ("revocation", "snapshot", "timestamp")
    review, safe = done.waiting
    assert "asks for 2 reviewers" in review
    assert "recognition (changed) needs 1 of recognition-1" in safe
    assert set(published.listed().values()) == {"active"}
    published.approve("an", "binh")
    later = published.publish()
    assert later.publication.changed == ("trust", "recognition", "snapshot", "timestamp")
    assert list(published.listed().values()).count("withdrawn") == 50


def test_a_role_that_is_half_over_is_announced_and_one_that_is_over_stops_everything(
    published: Pilot,
) -> None:
    """There are weeks to bring the keys; an expired role would be refused by every unit."""
    published.now += 31 * DAY
    done = published.publish(keys=ONLINE, nightly=True)
    (due,) = done.waiting
    assert due.startswith("trust (half its life is over) needs 1 of trust-1")
    assert due.endswith("before it expires")
    published.now += 30 * DAY
    with pytest.raises(NotPublishedError, match=r"trust \(expired\)"):
        published.publish(keys=ONLINE, nightly=True)
    done = published.publish(keys=(*ONLINE, "offline/trust-1.key"))
    assert "trust" in done.publication.changed


def test_a_stolen_online_key_is_replaced_without_touching_a_unit(published: Pilot) -> None:
    """A new line in hub.toml and two of the root's keys: the next root names the new key."""
    new = make_key(published.directory / "keys" / PRODUCTION / "online" / "timestamp-2.key").hex()
    _replace_key(published, "timestamp", 0, new)
    with pytest.raises(NotPublishedError, match=r"root \(changed\) needs 2 of root-1"):
        published.publish(keys=ONLINE, nightly=True)
    published.publish(keys=(*ONLINE, "offline/root-1.key", "offline/root-3.key"))
    first, second = _signed(published, "1.root.json"), _signed(published, "2.root.json")
    assert first.roles["timestamp"].keyids != second.roles["timestamp"].keyids
    metadata = Metadata.from_file(str(published.config.repository(PRODUCTION) / "metadata" / "2.root.json"))
    first.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    assert published.tree()["root.json"] == published.tree()["metadata/1.root.json"], "what units have pinned"


def test_a_new_root_is_signed_by_the_keys_before_and_by_its_own(published: Pilot) -> None:
    """Both thresholds, or units could not walk from the one to the other."""
    folder = published.directory / "keys" / PRODUCTION
    news = [make_key(folder / "new" / f"root-{n}.key").hex() for n in (4, 5)]
    for place, new in enumerate(news):
        _replace_key(published, "root", place, new)
    with pytest.raises(NotPublishedError, match=r"by the keys before.*an earlier one"):
        published.publish(keys=(*ONLINE, "new", "offline/root-3.key"))
    published.publish(keys=(*ONLINE, "new", "offline/root-1.key", "offline/root-3.key"))
    first, second = _signed(published, "1.root.json"), _signed(published, "2.root.json")
    file = published.config.repository(PRODUCTION) / "metadata" / "2.root.json"
    metadata = Metadata.from_file(str(file))
    for root in (first, second):
        root.verify_delegate("root", metadata.signed_bytes, metadata.signatures)


def _replace_key(pilot: Pilot, role: str, place: int, new: str) -> None:
    path = pilot.directory / "hub.toml"
    text = path.read_text()
    old = pilot.config.keys[PRODUCTION][role][place].hex()
    path.write_text(text.replace(old, new))


def test_keys_that_are_none_are_named(published: Pilot, tmp_path: Path) -> None:
    """The file and what is wrong with it."""
    (tmp_path / "bad.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(HubError, match=r"bad\.key holds no private key"):
        load_signers([tmp_path])
    with pytest.raises(HubError, match="is not there"):
        load_signers([tmp_path / "stick"])


def test_private_keys_are_readable_by_their_owner_alone(published: Pilot) -> None:
    """And none is in the state, the archive or what is served."""
    secrets = []
    for path in published.directory.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
        secrets.append(path.read_bytes().split(b"\n")[1])
    assert len(secrets) == 2 * sum(form.keys for form in ROLES.values()) + 2
    for folder in ("state", "archive", "public", "content"):
        for path in (published.directory / folder).rglob("*"):
            if path.is_file():
                assert not any(secret in path.read_bytes() for secret in secrets)


@pytest.mark.parametrize("name", ["../an", "a/b", 'a"b', "", ".", "a\nb", "x" * 65])
def test_a_name_that_is_no_file_and_no_word_of_hub_toml_is_refused(tmp_path: Path, name: str) -> None:
    """Before a directory is made: a key must not lie somewhere else than people think."""
    with pytest.raises(HubError, match="a name is letters"):
        found_hub(tmp_path / "hub", reviewers=["an", name])
    assert list(tmp_path.iterdir()) == []


def test_reviewers_have_the_names_that_people_have(tmp_path: Path) -> None:
    """Letters of any alphabet, spaces, an apostrophe."""
    names = ["Nguyễn Thị Hoa", "Seán O'Brien"]
    made = found_hub(tmp_path / "hub", reviewers=names)
    assert list(made.config.reviewers) == names


def test_a_hub_is_made_in_an_empty_directory_only(tmp_path: Path) -> None:
    """What lies there is not touched."""
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(HubError, match="not empty"):
        found_hub(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


# --- Beside the keys --------------------------------------------------------------------------------------


def test_a_document_may_be_written_as_people_write(published: Pilot) -> None:
    """With spaces, line breaks and members in any order; it is published in its one form."""
    text = b'{ "v": 1,\n  "issuers": [] }\n'
    put_content(published.config, "recognition", text)
    published.publish()
    assert _targets(published, "recognition", 2)[RECOGNITION_PATH] == b'{"issuers":[],"v":1}'
    with pytest.raises(HubError, match="twice"):
        put_content(published.config, "recognition", b'{"v": 1, "issuers": [], "issuers": []}')


@pytest.mark.parametrize("name", ["rules", "policy", "recognition", "advisories"])
def test_an_unfit_document_is_refused_when_it_is_put_in(published: Pilot, name: str) -> None:
    """Every unit would refuse it later; what was there stays."""
    before = sorted(published.config.content.iterdir())
    with pytest.raises(HubError, match="every unit would refuse it"):
        put_content(published.config, name, b'{"v": 1}')
    assert sorted(published.config.content.iterdir()) == before


def test_documents_beside_the_keys_are_published_by_their_own_role(published: Pilot) -> None:
    """Rules and policy by one, recognition by another; what is dropped is published no more."""
    limits = ((timedelta(hours=24), ListState.FRESH), *FRESHNESS[1:])
    put_content(published.config, "policy", encode_policy(limits))
    put_content(published.config, "recognition", encode_recognition(FRANCE))
    assert published.publish().publication.changed == ("rules", "recognition", "snapshot", "timestamp")
    assert set(_targets(published, "rules", 2)) == {"rules/bundles.json", "rules/policy.json"}
    drop_content(published.config, "policy")
    with pytest.raises(HubError, match="without rules"):
        drop_content(published.config, "rules")
    published.publish()
    assert set(_targets(published, "rules", 3)) == {"rules/bundles.json"}
    put_content(published.config, "rules", encode_bundles([SIGNATURE_ONLY]))
    assert published.publish().publication.changed == ("timestamp",)


def test_a_document_that_no_role_speaks_for_is_named(published: Pilot) -> None:
    """A hub without a key for recognition cannot publish a list of it."""
    path = published.directory / "hub.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith("recognition")))
    put_content(published.config, "recognition", encode_recognition(FRANCE))
    with pytest.raises(HubError, match="no key for the role 'recognition'"):
        published.publish()


def test_hashes_of_a_file_are_revoked(published: Pilot, tmp_path: Path) -> None:
    """In hex, Base64 or packed; added to what is there, or in its place."""
    text = tmp_path / "hashes.txt"
    text.write_text(f"# a comment\n{'ab' * 16}\n{'cd' * 32}\n\nAAAAAAAAAAAAAAAAAAAAAA==\n")
    packed = tmp_path / "hashes.bin"
    packed.write_bytes(bytes([7]) * 16)
    kid = key(1).kid
    with published.ledger() as ledger:
        assert revoke(ledger, PRODUCTION, kid, HashKind.UCI, read_hashes(text)) == 3
        assert revoke(ledger, PRODUCTION, kid, HashKind.UCI, read_hashes(packed)) == 4
    published.publish(keys=ONLINE)
    targets = _targets(published, "revocation", 2)
    assert targets[f"revocation/{kid.hex()}-0b.seg"] == b"".join(
        bytes([n]) * 8 for n in (0x00, 0x07, 0xAB, 0xCD)
    )
    with published.ledger() as ledger:
        assert revoke(ledger, PRODUCTION, kid, HashKind.UCI, read_hashes(packed), replace=True) == 1
    published.publish(keys=ONLINE)
    targets = _targets(published, "revocation", 3)
    assert targets[f"revocation/{kid.hex()}-0b.seg"] == bytes([7]) * 8


@pytest.mark.parametrize("line", ["zz" * 16, "ab" * 15, "a person's name", "ab" * 17])
def test_a_line_that_is_no_hash_is_named(tmp_path: Path, line: str) -> None:
    """The file, the line, and what is expected; the line itself is not repeated."""
    path = tmp_path / "hashes.txt"
    path.write_text(f"{'ab' * 16}\n{line}\n")
    with pytest.raises(HubError, match="line 2: no hash") as caught:
        read_hashes(path)
    assert line not in str(caught.value)


def test_what_nothing_leads_to_is_swept_from_the_state(published: Pilot) -> None:
    """Entries and segments that were replaced do not fill the disk; what stands is kept."""
    for count in (5, 6, 7):
        revoked = tuple((key(1).kid, HashKind.UCI, bytes([n]) * 16) for n in range(count))
        published.says("de", MANY, revoked=revoked)
        published.gather()
        published.publish(keys=ONLINE)
    blobs = [path for path in (published.config.state / "blobs").rglob("*") if path.is_file()]
    # one of entries; the segment of the list's specimen and that of the key
    assert len(blobs) == 3


def test_tampered_state_is_not_published(published: Pilot) -> None:
    """A blob that is not what was put there stops the publication."""
    published.says("de", MANY, revoked=((key(1).kid, HashKind.UCI, bytes(16)),))
    published.gather()
    for path in (published.config.state / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(len(path.read_bytes())))
    published.now += DAY
    with pytest.raises(HubError, match="is not what was put there"):
        published.publish(keys=ONLINE)


def test_unproven_keys_of_a_test_list_stay_in_the_test_repository(pilot: Pilot) -> None:
    """They enter by a switch with a loud name, and production has their names only."""
    pilot.says("de", [key(1)])
    pilot.says("who-dev", [key(8)], Authentication.UNPROVEN, environment=TEST)
    pilot.whole()
    pilot.whole(TEST)
    assert pilot.listed() == {1: "active"}
    assert pilot.listed(TEST) == {8: "active"}
    with pilot.ledger() as ledger:
        (trace,) = ledger.traces(key(8).kid)
    assert trace.authentication is Authentication.UNPROVEN


def test_time_is_signed_into_every_role(published: Pilot) -> None:
    """Each says when its own version was signed."""
    published.now += DAY
    published.publish(keys=ONLINE, nightly=True)
    at: datetime = START + timedelta(minutes=1)
    assert _signed(published, "1.trust.json").unrecognized_fields == {
        "x-signed-at": at.isoformat().replace("+00:00", "Z")
    }
    assert KEYS_PATH in _targets(published, "trust", 1)
