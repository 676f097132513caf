"""The published trust repository: roles, thresholds, versions, and what a stock client makes of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from office import Office
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater

from issuer import certificates
from issuer.certificates import Person
from issuer.errors import IssuerError
from issuer.office import Issuer
from issuer.publish import OWN_ROLES, specimens_of
from issuer.server import Server, create_app
from trustsync.files import write_whole
from trustsync.layout import KEYS_PATH, REVOCATION_INDEX_PATH, RULES_PATH, SELF_TEST_PATH
from trustsync.segments import decode_index
from trustsync.targets import decode_keys
from trustsync.trial import decode_trial
from verifier.policy.bundle_json import decode_bundles
from verifier.trust import Domain, HashKind

CONTENT = {
    "trust": "trust/*",
    "revocation": "revocation/*",
    "rules": "rules/*",
    "recognition": "recognition/*",
}


def _revoke_one(issuer: Issuer, now: datetime) -> None:
    payload = certificates.of_vaccination(Person("Đặng", "Thị Đào", "1990"), country="XV", day=now.date())
    issuer.revoke(issuer.issue(payload, issued_at=now, expires_at=None).uvci)


def _signed(issuer: Issuer, name: str) -> Metadata[Any]:
    return Metadata.from_file(str(issuer.registry.public / "metadata" / name))


def test_roles_thresholds_and_lives_are_those_of_the_design(issuer: Issuer, now: datetime) -> None:
    """Root 2 of 3, targets 2 of 2, one key each for the rest, and no key in two roles."""
    root, targets = _signed(issuer, "1.root.json").signed, _signed(issuer, "1.targets.json").signed
    roles = {**root.roles, **targets.delegations.roles}
    shape = {name: (role.threshold, len(role.keyids)) for name, role in roles.items()}
    one = (1, 1)
    assert shape == {
        "root": (2, 3),
        "targets": (2, 2),
        "snapshot": one,
        "timestamp": one,
        "trust": one,
        "revocation": one,
        "rules": one,
        "recognition": one,
    }
    keyids = [keyid for role in roles.values() for keyid in role.keyids]
    assert len(keyids) == len(set(keyids)) == 11
    days = {}
    for path in (issuer.registry.public / "metadata").iterdir():
        days[path.name.split(".")[-2]] = (_signed(issuer, path.name).signed.expires - now).days
    assert days == {
        "root": 365,
        "targets": 180,
        "trust": 60,
        "revocation": 14,
        "rules": 90,
        "recognition": 90,
        "snapshot": 14,
        "timestamp": 3,
    }


def test_targets_only_delegates_and_each_role_speaks_for_its_own_paths(issuer: Issuer) -> None:
    """Terminating and path-bound: the key of the rules can never speak about keys."""
    targets = _signed(issuer, "1.targets.json").signed
    assert targets.targets == {}
    bound = {name: (role.paths, role.terminating) for name, role in targets.delegations.roles.items()}
    assert bound == {name: ([pattern], True) for name, pattern in CONTENT.items()}
    for name in CONTENT:
        paths = _signed(issuer, f"1.{name}.json").signed.targets
        assert paths or name == "recognition", "a reference issuer recognises nobody and leaves nobody out"
        assert all(path.startswith(f"{name}/") for path in paths)


def test_every_role_is_signed_by_its_own_keys(issuer: Issuer) -> None:
    """Thresholds are met by the keys that root and targets name, checked by python-tuf."""
    root, targets = _signed(issuer, "1.root.json").signed, _signed(issuer, "1.targets.json").signed
    for name in OWN_ROLES:
        metadata = _signed(issuer, "timestamp.json" if name == "timestamp" else f"1.{name}.json")
        delegator = targets if name in CONTENT else root
        delegator.verify_delegate(name, metadata.signed_bytes, metadata.signatures)


def test_the_timestamp_says_when_it_was_signed(issuer: Issuer, now: datetime) -> None:
    """A signed field that the age of the list is counted from."""
    timestamp = _signed(issuer, "timestamp.json").signed
    assert timestamp.unrecognized_fields == {"x-signed-at": "2021-09-01T08:00:00Z"}
    assert timestamp.expires == now + timedelta(days=3)


def test_every_role_says_when_its_own_version_was_signed(issuer: Issuer, now: datetime) -> None:
    """So the age of each data set is known; a later timestamp makes no other role younger."""
    later = now + timedelta(days=7)
    issuer.publish(later)
    for role in OWN_ROLES:
        anew = role in ("revocation", "snapshot", "timestamp")
        name = "timestamp.json" if role == "timestamp" else f"{1 + anew}.{role}.json"
        said = {"x-signed-at": (later if anew else now).isoformat().replace("+00:00", "Z")}
        assert _signed(issuer, name).signed.unrecognized_fields == said, role


def test_publishing_the_same_at_the_same_instant_changes_nothing(issuer: Issuer, now: datetime) -> None:
    """Byte for byte, and without a new version."""
    before = _tree(issuer.registry.public)
    assert issuer.publish(now).changed == ()
    assert _tree(issuer.registry.public) == before


@pytest.mark.parametrize(
    ("later", "changed"),
    {
        "a second later only the time is said anew": (timedelta(seconds=1), {"timestamp"}),
        "after a day still only the timestamp": (timedelta(days=1), {"timestamp"}),
        "after half its life revocation is signed anew": (
            timedelta(days=7),
            {"revocation", "snapshot", "timestamp"},
        ),
        "after half a year everything is": (timedelta(days=183), set(OWN_ROLES)),
    }.values(),
)
def test_time_passes(issuer: Issuer, now: datetime, later: timedelta, changed: set[str]) -> None:
    """A role is signed anew when half its life is over; versions rise by one and no other moves."""
    publication = issuer.publish(now + later)
    assert set(publication.changed) == changed
    assert publication.versions == {role: 2 if role in changed else 1 for role in OWN_ROLES}
    assert _signed(issuer, "timestamp.json").signed.version == 2


def test_a_revocation_moves_its_own_role_and_no_other(issuer: Issuer, now: datetime) -> None:
    """Keys and rules keep their version; the older files stay for a client that is reading them."""
    first = {path.name for path in (issuer.registry.public / "metadata").iterdir()}
    _revoke_one(issuer, now)
    publication = issuer.publish(now)
    assert publication.changed == ("revocation", "snapshot", "timestamp")
    assert publication.versions == {
        "root": 1,
        "trust": 1,
        "revocation": 2,
        "rules": 1,
        "recognition": 1,
        "targets": 1,
        "snapshot": 2,
        "timestamp": 2,
    }
    after = {path.name for path in (issuer.registry.public / "metadata").iterdir()}
    assert after - first == {"2.revocation.json", "2.snapshot.json"}
    assert first <= after


def test_the_clock_never_goes_back(issuer: Issuer, now: datetime) -> None:
    """A list signed earlier than the last would look like an attack; nothing is written."""
    before = _tree(issuer.registry.public)
    with pytest.raises(IssuerError, match="goes back in time"):
        issuer.publish(now - timedelta(seconds=1))
    assert _tree(issuer.registry.public) == before


def test_a_serving_issuer_signs_anew_every_twelve_hours(issuer: Issuer, now: datetime) -> None:
    """Not before, and never for a clock that went back."""
    hour = timedelta(hours=1)
    assert issuer.publish_if_due(now + 12 * hour - timedelta(seconds=1)) is None
    assert issuer.publish_if_due(now - hour) is None
    publication = issuer.publish_if_due(now + 12 * hour)
    assert publication is not None
    assert publication.changed == ("timestamp",)


def test_publications_at_the_same_time_do_not_interleave(issuer: Issuer, office: Path, now: datetime) -> None:
    """Four at once, each with a revocation of its own: the last repository is whole and holds all four."""

    def one(_number: int) -> None:
        with Issuer.open(office) as mine:
            _revoke_one(mine, now)
            mine.publish(now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    timestamp = _signed(issuer, "timestamp.json").signed
    snapshot_file = office / "public" / "metadata" / f"{timestamp.snapshot_meta.version}.snapshot.json"
    timestamp.snapshot_meta.verify_length_and_hashes(snapshot_file.read_bytes())
    snapshot = _signed(issuer, snapshot_file.name).signed
    version = snapshot.meta["revocation.json"].version
    revocation = office / "public" / "metadata" / f"{version}.revocation.json"
    snapshot.meta["revocation.json"].verify_length_and_hashes(revocation.read_bytes())
    index = _signed(issuer, revocation.name).signed.targets[REVOCATION_INDEX_PATH]
    name = f"{index.hashes['sha256']}.index.cbor"
    records = decode_index((office / "public" / "targets" / "revocation" / name).read_bytes())
    assert sorted(record.count for record in records) == [1, 4], "the four, and the list's own specimen"


def test_every_target_stands_under_its_hash(issuer: Issuer, now: datetime) -> None:
    """Consistent snapshots: a name never means two contents."""
    _revoke_one(issuer, now)
    issuer.publish(now)
    files = [path for path in (issuer.registry.public / "targets").rglob("*") if path.is_file()]
    assert len(files) == 7  # keys, self-test, rules, two indexes, the specimen's segment and another
    for path in files:
        assert path.name.split(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_publication_that_was_cut_off_is_completed(issuer: Issuer, now: datetime) -> None:
    """Versions were committed, the files are gone or half there: the next publication restores them all."""
    whole = _tree(issuer.registry.public)
    (issuer.registry.public / "metadata" / "timestamp.json").write_bytes(b"{")
    shutil.rmtree(issuer.registry.public / "targets")
    issuer.publish(now)
    assert _tree(issuer.registry.public) == whole


def test_the_timestamp_is_written_last(
    issuer: Issuer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever moment a client picks, all that a timestamp leads to is there already."""
    written: list[str] = []

    def record(path: Path, data: bytes) -> None:
        written.append(path.parent.name + "/" + path.name)
        write_whole(path, data)

    monkeypatch.setattr("trustsync.files.write_whole", record)
    _revoke_one(issuer, now)
    issuer.publish(now)
    kinds = [name.split("/")[0] for name in written]
    assert kinds == ["revocation"] * 2 + ["metadata"] * 3
    assert written[-1] == "metadata/timestamp.json"


@pytest.fixture
def served(founded: Path, tmp_path: Path) -> Iterator[tuple[Issuer, str]]:
    """An issuer whose clock is this machine's, since a stock client knows no other, and its address."""
    with Issuer.create(tmp_path / "office", now=datetime.now(UTC), seed="served") as issuer:
        issuer.publish(datetime.now(UTC))
        with Server(create_app(issuer.registry.public)) as server:
            yield issuer, server.url


def _client(url: str, root: bytes, directory: Path) -> Updater:
    (directory / "targets").mkdir(parents=True, exist_ok=True)
    return Updater(
        str(directory / "metadata"),
        f"{url}/metadata/",
        str(directory / "targets"),
        f"{url}/targets/",
        bootstrap=root,
    )


def _fetched(client: Updater, path: str) -> bytes:
    info = client.get_targetinfo(path)
    assert info is not None
    return Path(client.download_target(info)).read_bytes()


def test_a_stock_client_accepts_the_repository_over_http(served: tuple[Issuer, str], tmp_path: Path) -> None:
    """python-tuf's own client walks root, timestamp, snapshot, targets and each delegation."""
    issuer, url = served
    root = (issuer.registry.public / "root.json").read_bytes()
    client = _client(url, root, tmp_path / "client")
    client.refresh()
    keys = decode_keys(_fetched(client, KEYS_PATH)).keys
    rows = issuer.registry.signing_keys()
    specimen = specimens_of(issuer.registry).key
    assert {record.key.kid for record in keys} == {
        specimen.key.kid, *(row.kid for row in rows if row.domain is not Domain.VDS_NC),
    }, "seals carry their signer"  # fmt: skip
    (record,) = decode_index(_fetched(client, REVOCATION_INDEX_PATH))
    assert record.scope == specimen.key.kid
    assert len(decode_trial(_fetched(client, SELF_TEST_PATH))) == 3
    (bundle,) = decode_bundles(_fetched(client, RULES_PATH))
    assert (bundle.name, bundle.asks) == ("covid-19-signature", "signature")
    assert "840539006" in bundle.value_sets["disease-agent-targeted"]
    assert client.get_targetinfo("trust/other.cbor") is None

    now = datetime.now(UTC) + timedelta(seconds=2)
    _revoke_one(issuer, now)
    issuer.publish(now)
    again = _client(url, root, tmp_path / "client")
    (record,) = (
        each
        for each in decode_index(_fetched(again, REVOCATION_INDEX_PATH))
        if each.scope != specimen.key.kid
    )
    assert (record.kind, record.count) == (HashKind.UCI, 1)
    assert len(_fetched(again, record.path)) == record.width


def _tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_each_timestamp_has_a_second_of_its_own_on_the_disk(tmp_path: Path) -> None:
    """Web servers make an ETag of second and size: of two in one second nobody would get the later one."""
    with Office(tmp_path) as office:
        timestamp = office.issuer.registry.public / "metadata" / "timestamp.json"
        seconds = []
        for hour in range(4):
            office.issuer.publish(office.now + timedelta(hours=hour))
            seconds.append(int(timestamp.stat().st_mtime))
        assert seconds == sorted(set(seconds))
