"""From a list that somebody brought to a green answer: the hub's commands, nginx, the real client, a desk."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from desk import vaccination
from pilot import Pilot, key
from webserver import nginx

from appliance.judging import Basis, judge
from issuer.keys import Algorithm
from issuer.office import Issuer
from issuer.registry import KeyRow
from trustsync.errors import Alarm, RefusedError, TrustSyncError
from trustsync.hub.cli import TO_PUBLISH, TO_REVIEW, main
from trustsync.hub.decisions import distrust
from trustsync.hub.founding import make_key
from trustsync.hub.serve import ServeError, Server, repository_app
from trustsync.store import TrustSnapshot, open_store
from trustsync.sync import SyncConfig, sync_once
from trustsync.targets import PRODUCTION, TEST
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import Reason, State
from verifier.trust import Domain

NOW = datetime(2022, 3, 1, 2, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.fixture
def ministry(tmp_path: Path) -> Issuer:
    """An issuer that knows nothing of the hub."""
    return Issuer.create(tmp_path / "ministry", now=NOW, seed="a ministry")


def _rows(ministry: Issuer, environment: str = PRODUCTION) -> list[KeyRow]:
    return [row for row in ministry.registry.signing_keys(Domain.HCERT) if row.environment == environment]


def _pem(rows: list[KeyRow]) -> bytes:
    certificates = (x509.load_der_x509_certificate(row.certificate) for row in rows)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _configure(hub: Path, name: str, data: bytes, environment: str = PRODUCTION) -> None:
    """Bring a file, and write its hash down."""
    (hub / f"{name}.pem").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    with (hub / "hub.toml").open("a") as file:
        file.write(
            f'\n[[source]]\nname = "{name}"\nkind = "files"\nurl = "{name}.pem"\n'
            f'environment = "{environment}"\npins = {{ sha256 = "{digest}" }}\n'
        )


def _run(capsys: pytest.CaptureFixture[str], *arguments: str, now: datetime = NOW) -> tuple[int, Any]:
    """Exit status and answer of one command."""
    status = main([*arguments, "--json", "--clock", now.isoformat()])
    answer = capsys.readouterr().out
    return status, json.loads(answer) if answer else None


def _whole(capsys: pytest.CaptureFixture[str], hub: Path, now: datetime = NOW, *more: str) -> None:
    """Gather, both reviewers, publish."""
    data = ("--data", str(hub))
    assert _run(capsys, "gather", *data, now=now)[0] == 0
    for name in ("an", "binh"):
        file = str(hub / "reviewers" / f"{name}.key")
        assert _run(capsys, "approve", *data, "--by", name, "--key", file, *more, now=now)[0] == 0
    assert _run(capsys, "publish", *data, *more, now=now)[0] == 0


def _synced(url: str, public: Path, store: Path, now: datetime = NOW) -> TrustSnapshot:
    sync_once(SyncConfig(url, (public / "root.json").read_bytes(), store), now=now)
    return open_store(store).current()


def _judge(text: str, known: TrustSnapshot, now: datetime = NOW) -> tuple[State, list[Reason]]:
    judged = judge(text, Basis(known.trust, (SIGNATURE_ONLY,), now, None, known.floor))
    return judged.verdict.state, [found.code for found in judged.verdict.reasons]


@pytest.mark.scenario("SC-K07")
def test_from_a_brought_list_over_nginx_to_a_green_answer(
    ministry: Issuer, founded_hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gather, look, two reviewers, publish, nginx, sync, judge; the key vanishes, and the answer is red."""
    hub = Path(shutil.copytree(founded_hub, tmp_path / "hub"))
    rows = _rows(ministry)
    signer = next(row for row in rows if row.algorithm is Algorithm.ES256)
    issued = ministry.issue(vaccination(), issued_at=NOW - timedelta(days=1), expires_at=NOW + YEAR)
    _configure(hub, "national", _pem(rows))
    data = ("--data", str(hub))

    assert _run(capsys, "gather", *data)[1]["sources"][0]["keys"] == 3
    status, change = _run(capsys, "diff", *data)
    assert (status, change["reviewers"], change["approved_by"]) == (TO_REVIEW, 2, [])
    assert _run(capsys, "publish", *data)[0] == 1
    for name in ("an", "binh"):
        file = str(hub / "reviewers" / f"{name}.key")
        seen = change["digest"][:16]
        assert _run(capsys, "approve", *data, "--by", name, "--key", file, "--digest", seen)[0] == 0
    assert _run(capsys, "diff", *data)[0] == TO_PUBLISH
    assert _run(capsys, "publish", *data)[0] == 0
    assert _run(capsys, "diff", *data)[0] == 0

    public = hub / "public" / PRODUCTION
    with nginx(tmp_path / "nginx", public) as url:
        known = _synced(url, public, tmp_path / "store")
        assert _judge(issued.text, known) == (State.PASS, [])
        (seen,) = _run(capsys, "show", *data, signer.kid.hex())[1]["seen"]
        assert (seen["source"], seen["proven"]) == ("national", "pinned")

        # the ministry takes the key out of its list
        night = NOW + timedelta(days=1)
        text = (hub / "hub.toml").read_text()
        rest = _pem([row for row in rows if row is not signer])
        (hub / "national.pem").write_bytes(rest)
        digests = (hashlib.sha256(each).hexdigest() for each in (_pem(rows), rest))
        (hub / "hub.toml").write_text(text.replace(next(digests), next(digests)))
        _whole(capsys, hub, night)
        known = _synced(url, public, tmp_path / "store", night)
    assert _judge(issued.text, known, night) == (State.FAIL, [Reason.KEY_WITHDRAWN])


def test_a_revocation_reaches_the_unit_with_online_keys_alone(
    ministry: Issuer, founded_hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a file of hashes, in the nightly run: the unit fetches the new segment and nothing of the keys."""
    hub = Path(shutil.copytree(founded_hub, tmp_path / "hub"))
    issued = ministry.issue(vaccination(), issued_at=NOW - timedelta(days=1), expires_at=NOW + YEAR)
    _configure(hub, "national", _pem(_rows(ministry)))
    _whole(capsys, hub)
    public, night = hub / "public" / PRODUCTION, NOW + timedelta(days=1)
    (tmp_path / "hashes.txt").write_text(hashlib.sha256(issued.uvci.encode()).hexdigest() + "\n")
    with Server(repository_app(public)) as server:
        assert _judge(issued.text, _synced(server.url, public, tmp_path / "store"))[0] is State.PASS
        where = ("--kid", issued.kid.hex(), "--kind", "uci", "--data", str(hub))
        assert _run(capsys, "revoke", str(tmp_path / "hashes.txt"), *where)[1]["count"] == 1
        online = ("--keys", str(hub / "keys" / PRODUCTION / "online"), "--nightly")
        status, done = _run(capsys, "publish", "--data", str(hub), *online, now=night)
        assert (status, done["changed"]) == (0, ["revocation", "snapshot", "timestamp"])
        config = SyncConfig(server.url, (public / "root.json").read_bytes(), tmp_path / "store")
        result = sync_once(config, now=night)
        assert all(path.startswith("revocation/") for path in result.fetched)
    known = open_store(tmp_path / "store").current()
    assert _judge(issued.text, known, night) == (State.FAIL, [Reason.REVOKED])


@pytest.mark.scenario("SC-K13")
def test_samples_are_told_from_strangers_and_no_test_list_makes_them_green(
    ministry: Issuer, founded_hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Production knows a test key by name; a production unit refuses the test repository whole."""
    hub = Path(shutil.copytree(founded_hub, tmp_path / "hub"))
    times = {"issued_at": NOW - timedelta(days=1), "expires_at": NOW + YEAR}
    sample = ministry.issue(vaccination(), environment=TEST, **times)
    _configure(hub, "national", _pem(_rows(ministry)))
    _configure(hub, "dev", _pem(_rows(ministry, TEST)), TEST)
    _whole(capsys, hub)
    _whole(capsys, hub, NOW, "--environment", TEST)
    with Server(repository_app(hub / "public" / PRODUCTION)) as server:
        known = _synced(server.url, hub / "public" / PRODUCTION, tmp_path / "store")
    assert _judge(sample.text, known) == (State.FAIL, [Reason.KEY_TEST])
    with Server(repository_app(hub / "public" / TEST)) as server, pytest.raises(RefusedError) as refused:
        _synced(server.url, hub / "public" / TEST, tmp_path / "other")
    assert refused.value.alarm in (Alarm.SELF_TEST, Alarm.CONTENT)


def test_a_unit_follows_a_replaced_online_key(pilot: Pilot, tmp_path: Path) -> None:
    """The drill of a stolen timestamp key: a new root, and the unit goes on without being touched."""
    pilot.says("de", [key(n) for n in range(1, 9)])
    pilot.whole()
    public = pilot.config.repository(PRODUCTION)
    root = (public / "root.json").read_bytes()
    with Server(repository_app(public)) as server:
        config = SyncConfig(server.url, root, tmp_path / "store")
        sync_once(config, now=pilot.now)
        old = pilot.config.keys[PRODUCTION]["timestamp"][0].hex()
        new = make_key(pilot.directory / "keys" / PRODUCTION / "online" / "timestamp-2.key").hex()
        path = pilot.directory / "hub.toml"
        path.write_text(path.read_text().replace(old, new))
        pilot.publish()
        with pilot.ledger() as ledger:
            distrust(ledger, PRODUCTION, key(1).kid, by="an", now=pilot.now)
        pilot.approve("an", "binh")
        pilot.publish()
        assert sync_once(config, now=pilot.now).changed
    (found,) = open_store(tmp_path / "store").current().trust.candidates(key(1).kid)
    assert found.status.value == "withdrawn"


# --- Web servers ------------------------------------------------------------------------------------------


def _head(url: str) -> tuple[int, str | None]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Cache-Control"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Cache-Control"]


@pytest.mark.parametrize("server", ["nginx", "serve"])
def test_caches_are_told_what_may_be_kept(pilot: Pilot, tmp_path: Path, server: str) -> None:
    """For ever what has a version or a hash, a minute the timestamp, and never that there is no next root."""
    pilot.says("de", [key(1)])
    pilot.whole()
    public = pilot.config.repository(PRODUCTION)
    with (
        nginx(tmp_path / "nginx", public) if server == "nginx" else Server(repository_app(public)) as running
    ):
        url = running if isinstance(running, str) else running.url
        for path, data in pilot.tree().items():
            with urllib.request.urlopen(f"{url}/{path}", timeout=10) as answer:
                assert answer.read() == data
                assert int(answer.headers["Content-Length"]) == len(data)
            kept = str(_head(f"{url}/{path}")[1])
            if path == "metadata/timestamp.json":
                assert "max-age=60" in kept
            elif path == "root.json":
                assert "no-cache" in kept
            else:
                assert "max-age=31536000" in kept
        for missing in ("metadata/2.root.json", f"targets/trust/{'0' * 64}.keys.cbor"):
            assert _head(f"{url}/{missing}") == (404, "no-store")
        for hidden in ("", "metadata/", "targets/", "hub.toml", "../hub.toml", "metadata/.new-x"):
            assert _head(f"{url}/{hidden}")[0] in (400, 404), hidden


def test_a_unit_that_syncs_while_files_are_copied_sees_the_old_list_or_the_new(
    pilot: Pilot, tmp_path: Path
) -> None:
    """In the order of the page, the timestamp last; a unit syncs after every single file."""
    pilot.says("de", [key(n) for n in range(1, 5)])
    pilot.whole()
    bucket, store = tmp_path / "bucket", tmp_path / "store"
    shutil.copytree(pilot.config.repository(PRODUCTION), bucket)
    root = pilot.tree()["root.json"]

    def copied_one_by_one(*, backwards: bool) -> list[int]:
        """How many keys the unit had after each file."""
        public, seen = pilot.config.repository(PRODUCTION), []
        files = [path for path in public.rglob("*") if path.is_file()]
        for path in sorted(files, key=_order, reverse=backwards):
            place = bucket / path.relative_to(public)
            if not place.exists() or place.read_bytes() != path.read_bytes():
                place.write_bytes(path.read_bytes())
                sync_once(SyncConfig(server.url, root, store), now=pilot.now)
                seen.append(len(open_store(store).current().trust.keys))
        return seen

    with Server(repository_app(bucket)) as server:
        pilot.says("de", [key(n) for n in range(1, 9)])
        pilot.whole()
        # of five (the list's own specimen is one), and with the timestamp of nine
        assert copied_one_by_one(backwards=False) == [5, 5, 5, 9]
        pilot.says("de", [key(n) for n in range(1, 20)])
        pilot.whole()
        with pytest.raises(TrustSyncError, match=r"snapshot\.json"):
            copied_one_by_one(backwards=True)


def _order(path: Path) -> tuple[int, str]:
    """How the page copies: targets, metadata but the timestamp, root, timestamp."""
    if path.name == "timestamp.json":
        return 3, path.name
    if path.name == "root.json":
        return 2, path.name
    return (0 if "targets" in path.parts else 1), str(path)


def test_nothing_is_served_before_there_is_something(founded_hub: Path, tmp_path: Path) -> None:
    """A port that is taken and a hub that has not published say what to do."""
    with Server(repository_app(tmp_path)) as server, pytest.raises(ServeError, match="--port 0"):
        Server(repository_app(tmp_path), port=int(server.url.rsplit(":", 1)[1]))
    assert main(["serve", "--data", str(founded_hub)]) == 2


def test_a_port_that_is_taken_is_said_in_words(pilot: Pilot, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command too, with exit status 2."""
    pilot.says("de", [key(1)])
    pilot.whole()
    with Server(repository_app(pilot.config.repository(PRODUCTION))) as server:
        port = server.url.rsplit(":", 1)[1]
        assert main(["serve", "--data", str(pilot.directory), "--port", port]) == 2
    assert "--port 0 for a free one" in capsys.readouterr().err


def test_long_work_tells_its_steps(pilot: Pilot, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that the answer stays one JSON object."""
    pilot.says("de", [key(1)])
    data = ("--data", str(pilot.directory))
    _run(capsys, "gather", *data)
    pilot.approve("an", "binh")
    assert main(["publish", "--json", *data]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["changed"]
    steps = ["putting the lists together", "planning", "trying the list", "signing", "laying the files out"]
    at = [said.err.index(step) for step in steps]
    assert at == sorted(at)


# --- The command ------------------------------------------------------------------------------------------


def test_serve_says_when_it_is_ready(pilot: Pilot, tmp_path: Path) -> None:
    """The ready file holds the address; SIGTERM ends it with 0."""
    pilot.says("de", [key(1)])
    pilot.whole()
    ready = tmp_path / "ready.json"
    command = [
        *(sys.executable, "-m", "trustsync.hub.cli", "serve", "--data", str(pilot.directory)),
        *("--port", "0", "--ready-file", str(ready), "--json"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert json.loads(ready.read_text()) == said
        with urllib.request.urlopen(f"{said['url']}/root.json", timeout=10) as answer:
            assert answer.read() == Path(said["root"]).read_bytes()
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_init_says_loudly_what_must_leave_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folders of the safe's keys and each reviewer's key, on stderr; the result on stdout."""
    assert main(["init", str(tmp_path / "hub"), "--reviewer", "an"]) == 0
    said = capsys.readouterr()
    assert said.err.count("TAKE AWAY") == 2
    assert said.err.count("GIVE AWAY") == 1
    assert "hub.toml" in said.out
    assert main(["init", str(tmp_path / "hub")]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_failing_source_is_exit_status_1(pilot: Pilot, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are in the answer too."""
    pilot.says("de", [key(1)])
    pilot.configure(
        '[[source]]\nname = "lost"\nkind = "files"\nurl = "lost.pem"\npins = { sha256 = "' + "00" * 32 + '" }'
    )
    status, answer = _run(capsys, "gather", "--data", str(pilot.directory))
    assert status == 1
    assert [each["error"] is None for each in answer["sources"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "words"),
    {
        "a stranger approves": (
            ("approve", "--by", "chi", "--key", "{hub}/reviewers/an.key"),
            "no reviewer 'chi'",
        ),
        "with another's key": (("approve", "--by", "an", "--key", "{hub}/reviewers/binh.key"), "not the key"),
        "another change than the one seen": (
            ("approve", "--by", "an", "--key", "{hub}/reviewers/an.key", "--digest", "0" * 12),
            "look again",
        ),
        "a KID that nobody listed": (("show", "ffffffffffffffff"), "no list ever had"),
        "distrust of a KID that nobody listed": (
            ("distrust", "ffffffffffffffff", "--by", "an"),
            "to the letter",
        ),
        "no hub there": (("diff", "--data", "{hub}/none"), "vaxgate-hub init"),
        "keys that are not there": (("publish", "--keys", "{hub}/stick"), "is not there"),
    }.values(),
)
def test_wrong_use_is_exit_status_2_and_says_what_to_do(
    pilot: Pilot, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Words on stderr, nothing on stdout."""
    pilot.says("de", [key(1)])
    pilot.gather()
    given = [each.format(hub=pilot.directory) for each in arguments]
    if "--data" not in given:
        given += ["--data", str(pilot.directory)]
    assert main(given) == 2
    said = capsys.readouterr()
    assert (said.out, words in said.err) == ("", True), said.err


def test_decisions_and_documents_by_the_command(
    pilot: Pilot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Distrust, reinstate, put, drop: each takes effect with the next publication, and show tells of it."""
    pilot.says("de", [key(1), key(2)])
    pilot.whole()
    data = ("--data", str(pilot.directory))
    kid = key(1).kid.hex()
    assert _run(capsys, "distrust", kid, "--by", "an", *data)[1]["word"] == "withdrawn"
    assert _run(capsys, "show", kid, *data)[1]["decided"][0]["word"] == "withdrawn"
    assert _run(capsys, "reinstate", kid, "--by", "an", *data)[0] == 0
    assert _run(capsys, "show", kid, *data)[1]["decided"][0]["word"] == "reinstated"
    issuers = tmp_path / "issuers.json"
    issuers.write_text('{"issuers":[],"v":1}')
    assert _run(capsys, "put", "recognition", str(issuers), *data)[0] == 0
    assert _run(capsys, "put", "recognition", "--drop", *data)[1] == {"name": "recognition", "dropped": True}
    status, made = _run(capsys, "reviewer", "chi", "--out", str(tmp_path / "chi.key"))
    assert (status, len(made["key"])) == (0, 64)
    assert (tmp_path / "chi.key").stat().st_mode & 0o777 == 0o600
