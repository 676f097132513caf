"""``vaxgate-tuf-client``: each call that the conformance suite makes, with the attacks that it knows."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from trust_site import Server
from tuf.api.metadata import MetaFile
from tuf_rig import Client, Repo

FRESH = {"root": 1, "snapshot": 1, "targets": 1, "timestamp": 1}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A new repository behind a server, and a client that has not been initialised."""
    repo = Repo(tmp_path / "repository")
    server = Server(repo.directory)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Client(repo, server, tmp_path)
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


def refused(client: Client, verb: str = "refresh", *names: str) -> str:
    """What a call that must fail says; it ends with 1 and without a traceback."""
    done = client.run(verb, *names)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("vaxgate-tuf-client: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_init_takes_a_root_and_asks_nothing_of_the_network(client: Client) -> None:
    """The copy of the root lies there, byte for byte, and the server was not asked."""
    root = client.repo.first_root()
    assert client.run("init", str(root)).returncode == 0
    assert client.server.asked == []
    assert client.trusted() == {"root": 1}
    assert (client.metadata / "root.json").read_bytes() == root.read_bytes()


def test_refresh_asks_what_it_must_and_leaves_copies_byte_for_byte(client: Client) -> None:
    """Root, timestamp, snapshot, targets, in this order; the second time the next root and the timestamp."""
    client.started()
    paths = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    assert client.server.asked == [f"/metadata/{name}" for name in paths]
    assert client.trusted() == FRESH
    for role in ("timestamp", "1.snapshot", "1.targets"):
        served = client.repo.directory / "metadata" / f"{role}.json"
        assert (client.metadata / f"{role.removeprefix('1.')}.json").read_bytes() == served.read_bytes()

    assert client.run("refresh").returncode == 0
    assert client.server.asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]


def test_download_refreshes_fetches_and_does_not_fetch_again(client: Client) -> None:
    """Several targets in one call, in their order; what is held with the right hash is not asked for."""
    client.started()
    client.repo.add("a.txt", b"first")
    client.repo.add("sub/b.txt", b"second")
    client.repo.publish("targets", "snapshot", "timestamp")

    assert client.run("download", "sub/b.txt", "a.txt").returncode == 0
    assert client.fetched() == {"a.txt": b"first", "sub%2Fb.txt": b"second"}
    assert [path.rpartition(".")[0][-2:] for path in client.server.asked[-2:]] == [".b", ".a"]
    assert client.trusted()["targets"] == 2

    assert client.run("download", "a.txt", "sub/b.txt").returncode == 0
    assert len(client.server.asked) == 2

    client.repo.add("a.txt", b"other")
    client.repo.publish("targets", "snapshot", "timestamp")
    assert client.run("download", "a.txt").returncode == 0
    assert client.fetched()["a.txt"] == b"other"


def test_download_stops_at_the_first_failure(client: Client) -> None:
    """What came before it is kept, what comes after it is not asked for."""
    client.started()
    client.repo.add("a.txt", b"first")
    client.repo.add("b.txt", b"second")
    client.repo.publish("targets", "snapshot", "timestamp")
    assert "nowhere.txt" in refused(client, "download", "a.txt", "nowhere.txt", "b.txt")
    assert client.fetched() == {"a.txt": b"first"}


def by_its_quoted_name(handler: SimpleHTTPRequestHandler, file: Path) -> None:
    """A server that keeps a role under the name that a client asks for, where others undo the quoting."""
    data = file.read_bytes()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@pytest.mark.parametrize("consistent", [True, False])
def test_targets_and_roles_with_odd_names_are_fetched_from_where_they_are_served(
    client: Client, consistent: bool
) -> None:
    """Hash prefix or none, spaces, quotes and slashes; nothing is written outside the directories."""
    client.started()
    client.repo.signed["root"].consistent_snapshot = consistent
    client.repo.publish("root")
    paths = ["with space.txt", "a/b/ü.txt", "semi;colon,plus+.txt"]
    client.repo.delegate("../odd role?#", *paths, "a/b/*")
    for path in paths:
        client.repo.add(path, path.encode(), "../odd role?#")
    client.repo.publish("../odd role?#", "targets", "snapshot", "timestamp")

    client.server.faults["role%3F%23.json"] = by_its_quoted_name
    before = {file.name for file in client.folder.iterdir()} | {client.targets.name}
    done = client.run("download", *paths)

    assert done.returncode == 0, done.stderr
    assert sorted(client.fetched().values()) == sorted(path.encode() for path in paths)
    assert client.trusted() == FRESH | {
        "root": 2,
        "targets": 2,
        "snapshot": 2,
        "timestamp": 2,
        "..%2Fodd%20role%3F%23": 1,
    }
    assert {file.name for file in client.folder.iterdir()} == before


@pytest.mark.parametrize("path", ["..", ".", "../../escaped", "/escaped"])
def test_no_name_of_a_target_leads_out_of_the_target_directory(client: Client, path: str) -> None:
    """Whoever signs such a name gets a file inside, or none."""
    client.started()
    info = client.repo.add("plain", b"x")
    client.repo.signed["targets"].targets = {path: info}
    info.path = path
    client.repo.publish("targets", "snapshot", "timestamp")
    before = sorted(client.folder.iterdir())

    client.run("download", path)

    assert sorted({*client.folder.iterdir()} - {client.targets}) == before
    assert not (client.folder.parent / "escaped").exists()


def test_copies_that_are_not_trusted_are_removed(client: Client) -> None:
    """What somebody else put there, or a role that is gone, does not look trusted; no copy is ever read."""
    client.started()
    (client.metadata / "stranger.json").write_text("{}")
    (client.metadata / "timestamp.json").write_text("{}")
    assert client.run("refresh").returncode == 0
    assert client.trusted() == FRESH


def test_json_says_what_was_done(client: Client) -> None:
    """One object on stdout, also for a failure, which is told on stderr as well."""
    client.started()
    done = client.run("refresh", extra=("--json",))
    said = json.loads(done.stdout)
    assert said["ok"] is True
    assert (said["roles"], said["requests"]) == (FRESH, 2)

    client.server.faults["timestamp.json"] = lambda handler, _file: handler.send_error(500)
    done = client.run("refresh", extra=("--json",))
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
    assert "500" in json.loads(done.stdout)["error"]
    assert "500" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("refresh",),
        ("--metadata-dir", "D", "refresh"),
        ("--metadata-dir", "D", "init"),
        ("--metadata-dir", "D", "--metadata-url", "http://127.0.0.1:9/", "download"),
        ("--metadata-dir", "D", "dance"),
    ],
)
def test_wrong_use_is_told_with_2(client: Client, arguments: tuple[str, ...]) -> None:
    """And nothing is made on the way."""
    done = client.call(*(str(client.metadata) if word == "D" else word for word in arguments))
    assert done.returncode == 2
    assert "usage: vaxgate-tuf-client" in done.stderr
    assert not client.metadata.exists()


def test_help_shows_each_call(client: Client) -> None:
    """The examples are those of the suite."""
    said = client.call("--help").stdout
    assert all(f" {verb}" in said for verb in ("init root.json", "refresh", "download"))


def test_a_directory_without_a_root_is_not_refreshed(client: Client) -> None:
    """There is no trust on first use: without a root nothing is asked."""
    assert "Run init first" in refused(client)
    assert client.server.asked == []


@pytest.mark.parametrize("spoil", ["no json", "no version", "wrong signature", "timestamp"])
def test_a_root_that_is_none_is_not_taken(client: Client, spoil: str) -> None:
    """Nothing is asked afterwards either."""
    root = json.loads(client.repo.first_root().read_bytes())
    file = client.folder / "root.json"
    match spoil:
        case "no json":
            file.write_bytes(b"\x00")
        case "no version":
            del root["signed"]["version"]
            file.write_text(json.dumps(root))
        case "wrong signature":
            root["signatures"][0]["sig"] = "00" * 64
            file.write_text(json.dumps(root))
        case _:
            file.write_bytes((client.repo.directory / "metadata" / "timestamp.json").read_bytes())

    refused(client, "init", str(file))
    assert client.trusted() == {}
    refused(client)
    assert client.server.asked == []


def test_a_second_root_by_hand_is_refused(client: Client) -> None:
    """The anchor of a directory is given once; later roots come by the chain."""
    client.started()
    refused(client, "init", str(client.repo.first_root()))
    assert client.trusted() == FRESH


def test_a_timestamp_that_goes_back_is_refused(client: Client) -> None:
    """Rollback of the timestamp."""
    client.started()
    old = (client.repo.directory / "metadata" / "timestamp.json").read_bytes()
    client.repo.publish("timestamp")
    assert client.run("refresh").returncode == 0
    client.repo.write("timestamp", old)

    assert "backwards" in refused(client)
    assert client.trusted() == FRESH | {"timestamp": 2}


def test_a_timestamp_that_points_to_an_older_snapshot_is_refused(client: Client) -> None:
    """Rollback of the snapshot by a stolen timestamp key."""
    client.started()
    client.repo.publish("targets", "snapshot", "timestamp")
    assert client.run("refresh").returncode == 0
    client.repo.signed["timestamp"].snapshot_meta = MetaFile(1)
    client.repo.publish("timestamp")

    assert "backwards" in refused(client)
    assert client.trusted() == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_a_snapshot_that_points_to_older_targets_is_refused(client: Client) -> None:
    """Rollback of a role by stolen snapshot and timestamp keys."""
    client.started()
    client.repo.publish("targets", "snapshot", "timestamp")
    assert client.run("refresh").returncode == 0
    client.repo.signed["snapshot"].meta["targets.json"] = MetaFile(1)
    client.repo.publish("snapshot", "timestamp")

    assert "backwards" in refused(client)
    assert client.trusted() == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 3}


def test_a_snapshot_that_drops_a_role_is_refused(client: Client) -> None:
    """A role that disappears could come back with an older version."""
    client.started()
    client.repo.delegate("below", "*")
    client.repo.publish("below", "targets", "snapshot", "timestamp")
    assert client.run("refresh").returncode == 0
    del client.repo.signed["snapshot"].meta["below.json"]
    client.repo.publish("snapshot", "timestamp")
    assert "below.json" in refused(client)
    assert client.trusted()["snapshot"] == 2


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_expired_metadata_are_refused(client: Client, role: str) -> None:
    """A role past its expiry ends the refresh; what comes before it in the order is kept."""
    client.started()
    client.repo.signed[role].expires = client.repo.past
    client.repo.publish("root", "targets", "snapshot", "timestamp")

    assert "expir" in refused(client)
    kept = {
        "root": {"root": 2},
        "timestamp": {"root": 2},
        "snapshot": {"root": 2, "timestamp": 2},
        "targets": {"root": 2, "timestamp": 2, "snapshot": 2},
    }
    assert client.trusted() == FRESH | kept[role]


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_a_wrong_signature_is_refused(client: Client, role: str) -> None:
    """A role that a stranger signed."""
    client.started()
    other = Repo(client.folder / "other")
    client.repo.signers[role] = other.signers[role]
    client.repo.publish("root", "targets", "snapshot", "timestamp")

    refused(client)
    assert client.trusted()[role] == 1


def test_a_threshold_that_is_not_reached_is_refused_and_one_that_is_is_taken(client: Client) -> None:
    """Two of three; one signature, and one signature twice, are not two."""
    client.started()
    for _ in range(2):
        client.repo.add_key("timestamp")
    client.repo.signed["root"].roles["timestamp"].threshold = 2
    client.repo.publish("root")
    all_three = client.repo.signers["timestamp"]

    client.repo.signers["timestamp"] = all_three[:1]
    client.repo.publish("timestamp")
    refused(client)
    twice = json.loads(client.repo.sealed("timestamp"))
    twice["signatures"] *= 2
    client.repo.write("timestamp", json.dumps(twice).encode())
    refused(client)
    assert client.trusted()["timestamp"] == 1

    client.repo.signers["timestamp"] = all_three[1:]
    client.repo.publish("timestamp")
    assert client.run("refresh").returncode == 0
    assert client.trusted()["timestamp"] == 3


def test_roles_of_different_days_are_not_mixed(client: Client) -> None:
    """Mix and match: an older role under the newer snapshot is another than the one it names."""
    client.started()
    client.repo.delegate("below", "*")
    client.repo.add("a.txt", b"old", "below")
    client.repo.publish("below", "targets", "snapshot", "timestamp")
    old = client.repo.sealed("below")
    client.repo.add("a.txt", b"new", "below")
    client.repo.publish("below", "snapshot", "timestamp")
    client.repo.write("below", old)

    assert "v2, got v1" in refused(client, "download", "a.txt")
    assert client.fetched() == {}
    assert "below" not in client.trusted()


def test_a_fast_forward_is_recovered_from_by_rotating_the_keys(client: Client) -> None:
    """An attacker who pushed the version to the end of the numbers does not lock the unit out for ever."""
    client.started()
    for role in ("snapshot", "timestamp"):
        client.repo.signed[role].version = 2**31
        client.repo.publish(role)
    assert client.run("refresh").returncode == 0
    assert client.trusted()["timestamp"] > 2**31

    for role in ("snapshot", "timestamp"):
        client.repo.rotate(role)
        client.repo.signed[role].version = 1
        client.repo.published.pop(role)
    client.repo.publish("root", "snapshot", "timestamp")
    assert client.run("refresh").returncode == 0
    assert client.trusted() == FRESH | {"root": 2}

    assert client.run("refresh").returncode == 0
    assert client.server.asked == ["/metadata/3.root.json", "/metadata/timestamp.json"]


def test_a_gap_in_the_chain_of_roots_ends_at_the_gap(client: Client) -> None:
    """Root 3 without root 2 is not found, and root 2 with the number 3 is refused."""
    client.started()
    client.repo.publish("root")
    second = client.repo.directory / "metadata" / "2.root.json"
    kept = second.read_bytes()
    client.repo.publish("root")
    second.unlink()
    assert client.run("refresh").returncode == 0
    assert client.trusted()["root"] == 1

    shutil.copy(second.with_name("3.root.json"), second)
    assert "backwards or does not fit" in refused(client)
    assert client.trusted()["root"] == 1

    second.write_bytes(kept)
    assert client.run("refresh").returncode == 0
    assert client.trusted()["root"] == 3


def endless(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
    """Spaces for as long as somebody reads."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(3000):
            handler.wfile.write(b" " * 65_536)
    except OSError:
        return


@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "2.snapshot.json", ".a.txt"])
def test_endless_data_are_left(client: Client, name: str) -> None:
    """Each kind of file has its limit, and a target the length that is signed."""
    client.started()
    client.repo.add("a.txt", b"x")
    client.repo.publish("targets", "snapshot", "timestamp")
    client.server.faults[name] = endless

    assert "more came than" in refused(client, "download", "a.txt")
    assert client.fetched() == {}


@pytest.mark.parametrize("served", [b"evil!", b"goo", b"good and more"])
def test_a_target_of_another_content_is_not_stored(client: Client, served: bytes) -> None:
    """Wrong hash, too short, too long; the right one that was held stays."""
    client.started()
    info = client.repo.add("a.txt", b"good.")
    client.repo.publish("targets", "snapshot", "timestamp")
    client.repo.serve(info, served)
    refused(client, "download", "a.txt")
    assert client.fetched() == {}

    client.repo.serve(info, b"good.")
    assert client.run("download", "a.txt").returncode == 0
    newer = client.repo.add("a.txt", b"newer")
    client.repo.publish("targets", "snapshot", "timestamp")
    client.repo.serve(newer, served)
    refused(client, "download", "a.txt")
    assert client.fetched() == {"a.txt": b"good."}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_either_hash_of_the_specification_is_enough(client: Client, algorithm: str) -> None:
    """The sync wants SHA-256; other repositories may sign the other one."""
    client.started()
    client.repo.add("a.txt", b"content", "targets", algorithm)
    client.repo.publish("targets", "snapshot", "timestamp")
    assert client.run("download", "a.txt").returncode == 0
    assert client.fetched() == {"a.txt": b"content"}


def test_a_hash_that_nobody_knows_proves_nothing(client: Client) -> None:
    """And a target without any provable hash is not stored."""
    client.started()
    info = client.repo.add("a.txt", b"content")
    info.hashes = {"sha1000": info.hashes["sha256"]}
    client.repo.publish("targets", "snapshot", "timestamp")
    refused(client, "download", "a.txt")
    assert client.fetched() == {}


def test_a_role_does_not_speak_outside_its_delegation(client: Client) -> None:
    """A target that a role signs beyond its paths is not found, although it is served."""
    client.started()
    client.repo.delegate("below", "its/*")
    client.repo.add("its/a.txt", b"mine", "below")
    client.repo.add("others/a.txt", b"not mine", "below")
    client.repo.publish("below", "targets", "snapshot", "timestamp")

    assert client.run("download", "its/a.txt").returncode == 0
    assert "others/a.txt" in refused(client, "download", "others/a.txt")
    assert client.fetched() == {"its%2Fa.txt": b"mine"}


def test_what_was_proven_is_kept_when_a_later_step_fails(client: Client) -> None:
    """The rollback floor does not wait for the data: no way back below what was seen."""
    client.started()
    old = (client.repo.directory / "metadata" / "timestamp.json").read_bytes()
    client.repo.publish("targets", "snapshot", "timestamp")
    client.server.faults["2.snapshot.json"] = lambda handler, _file: handler.send_error(503)
    refused(client)
    assert client.trusted() == FRESH | {"timestamp": 2}

    client.server.faults.clear()
    client.repo.write("timestamp", old)
    assert "backwards" in refused(client)


def test_a_redirect_is_not_followed(client: Client) -> None:
    """Where the repository is, the caller says."""

    def away(handler: SimpleHTTPRequestHandler, _file: Path) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/metadata/elsewhere.json")
        handler.end_headers()

    client.started()
    client.server.faults["timestamp.json"] = away
    assert "302" in refused(client)
    assert "/metadata/elsewhere.json" not in client.server.asked
