"""The command `vaxgate-sync`, as scripts call it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from trust_site import DAY, START, Site

from trustsync import paths
from trustsync.cli import main
from trustsync.errors import RefusedError, SettingsError

FIELDS = {
    "store",
    "state",
    "signed_at",
    "age_s",
    "clock",
    "generation",
    "sets",
    "next_try",
    "last_error",
    "alarms",
    "origin",
    "last_sync",
    "failures",
    "operations",
    "advisories",
    "environment",
}


def root_file(site: Site) -> str:
    return str(site.publisher.directory / "metadata" / "1.root.json")


def at(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def test_once_then_status_from_the_command_line(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Sync, then ask: the object has the fields of the contract, and talk goes to stderr."""
    now = datetime.now(UTC).replace(microsecond=0)
    site.start_over(now)
    store = str(site.store)

    code = main(["once", "--url", site.server.url, "--root", root_file(site), "--store", store, "--json"])

    out, err = capsys.readouterr()
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["ok"], answer["changed"], answer["generation"]) == (True, True, 1)
    assert "generation 1 is in force" in err

    assert main(["status", "--store", store, "--json", "--at", at(now + timedelta(hours=1))]) == 0
    status = json.loads(capsys.readouterr().out)
    assert set(status) == FIELDS
    assert (status["state"], status["age_s"], status["clock"]) == ("FRESH", 3600, "BOUNDED")
    assert status["signed_at"] == at(now)
    assert (status["generation"], status["last_error"]) == (1, None)
    assert at(now) < status["next_try"] <= at(now + timedelta(hours=28))  # a night that is this unit's own
    assert status["alarms"] == []
    assert status["sets"]["trust"] == {
        "version": 1,
        "expires": at(now + 60 * DAY),
        "count": 3,
        "signed_at": at(now),
        "age_s": 3600,
    }


@pytest.mark.parametrize(
    ("age", "state", "clock", "code"),
    [
        (timedelta(hours=36), "FRESH", "BOUNDED", 0),
        (timedelta(hours=36, seconds=1), "STALE-1", "BOUNDED", 0),
        (timedelta(days=7), "STALE-1", "BOUNDED", 0),
        (timedelta(days=8), "STALE-2", "FLOOR-ONLY", 10),
        (timedelta(days=30, seconds=1), "STALE-3", "FLOOR-ONLY", 10),
        (timedelta(days=61), "EXPIRED", "FLOOR-ONLY", 40),
        (timedelta(days=-1), "FRESH", "UNSYNCED-TIME", 0),
    ],
)
def test_the_exit_status_tells_the_age_of_the_list(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    age: timedelta,
    state: str,
    clock: str,
    code: int,
) -> None:
    """0 FRESH or STALE-1, 10 STALE-2 or STALE-3, 40 otherwise, at the frozen instant."""
    site.sync(START)

    found = main(["status", "--store", str(site.store), "--json", "--at", at(START + age)])

    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["clock"], found) == (state, clock, code)
    assert status["age_s"] == age.total_seconds()


def test_status_of_an_empty_store_is_40(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No list is an answer too, with every field in its place."""
    assert main(["status", "--store", str(tmp_path / "none"), "--json", "--at", at(START)]) == 40
    status = json.loads(capsys.readouterr().out)
    assert set(status) == FIELDS
    assert (status["state"], status["generation"], status["clock"]) == ("NO_LIST", None, "UNSYNCED-TIME")


def test_status_of_a_damaged_store_is_40(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged list is named as such, with what to do, whatever its age."""
    site.sync(START)
    (site.store / "generations" / "000001" / "generation.db").write_bytes(b"")
    assert main(["status", "--store", str(site.store), "--json", "--at", at(START)]) == 40
    status = json.loads(capsys.readouterr().out)
    assert status["state"] == "CORRUPT"
    assert "Run a sync" in status["last_error"]


def test_status_shows_the_alarm_and_the_last_error(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """What was refused last night can be read in the morning, by scripts and by people."""
    site.sync(START)
    site.publisher.keys = []
    site.publisher.publish(START + DAY)
    with pytest.raises(RefusedError):
        site.sync(START + DAY)
    arguments = ["status", "--store", str(site.store), "--at", at(START + DAY)]

    assert main([*arguments, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert [(alarm["code"], alarm["at"]) for alarm in status["alarms"]] == [("CONTENT", at(START + DAY))]
    assert "empty" in status["last_error"]
    main(arguments)
    shown = capsys.readouterr().out
    assert "alarm       CONTENT" in shown
    assert "\x1b" not in shown


def test_a_refused_list_is_exit_1_with_its_alarm(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The repository of 2021 is long expired by the real clock: `once` says so and exits 1."""
    code = main(
        ["once", "--url", site.server.url, "--root", root_file(site), "--store", str(site.store), "--json"]
    )
    out, err = capsys.readouterr()
    assert code == 1
    answer = json.loads(out)
    assert (answer["ok"], answer["alarm"]) == (False, "EXPIRED")
    assert "refused" in err


def test_url_root_and_store_may_stand_in_the_configuration(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`[trust]` of vaxgate.toml names the repository; paths in it are relative to the file."""
    config = tmp_path / "vaxgate.toml"
    config.write_text(
        f'[camera]\nkind = "files"\n[trust]\nurl = "{site.server.url}"\n'
        'root = "repository/metadata/1.root.json"\nstore = "elsewhere"\n',
        encoding="utf-8",
    )
    assert main(["once", "--config", str(config)]) == 1
    assert "expir" in capsys.readouterr().err
    assert site.server.asked
    assert (tmp_path / "elsewhere" / "state.db").exists()


@pytest.mark.parametrize(
    "text", ["[trust]\nurl = 5\n", "trust = 1\n", "[trust\n", "[trust]\nstore = ['x']\n"]
)
def test_a_wrong_configuration_is_exit_2_and_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Wrong use is told apart from a failed sync."""
    config = tmp_path / "vaxgate.toml"
    config.write_text(text, encoding="utf-8")
    assert main(["once", "--config", str(config)]) == 2
    assert "vaxgate.toml" in capsys.readouterr().err


def test_once_without_a_repository_or_with_an_unreadable_root_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is named, with the options and keys that give it."""
    monkeypatch.chdir(tmp_path)
    assert main(["once"]) == 2
    assert "--url" in capsys.readouterr().err
    assert main(["once", "--url", "http://127.0.0.1:9", "--root", "none.json"]) == 2
    assert "none.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("instant", ["yesterday", "2021-11-28T10:00:00"])
def test_an_instant_without_offset_is_wrong_use(instant: str) -> None:
    """An instant is absolute, or it is not one."""
    with pytest.raises(SystemExit) as caught:
        main(["status", "--at", instant])
    assert caught.value.code == 2


def test_help_and_version_answer() -> None:
    """Each verb has help with an example; the version is the distribution's."""
    for arguments, wanted in [
        (["--help"], "examples:"),
        (["once", "--help"], "example:"),
        (["status", "--help"], "example:"),
        (["--version"], "vaxgate-sync "),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "trustsync.cli", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert wanted in done.stdout


def test_reading_the_store_loads_neither_tuf_nor_a_network_client() -> None:
    """The verifier's process opens the store without the code that talks to the world."""
    code = (
        "import sys, trustsync.store, trustsync.status; "
        "print([m for m in ('tuf', 'urllib3', 'http.client', 'sqlite_utils', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_data_directory_is_chosen_by_environment_checkout_or_system(tmp_path: Path) -> None:
    """VAXGATE_DATA first, then `.vaxgate` in a checkout of this project, then /var/lib/vaxgate."""
    assert paths.data_dir({"VAXGATE_DATA": "/data"}, tmp_path) == Path("/data")
    assert paths.data_dir({}, tmp_path) == Path("/var/lib/vaxgate")
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "other"\n', encoding="utf-8")
    assert paths.data_dir({}, tmp_path) == Path("/var/lib/vaxgate")
    project.write_text('[project]\nname = "vaxgate"\n', encoding="utf-8")
    assert paths.data_dir({}, tmp_path) == tmp_path / ".vaxgate"
    project.write_text("[broken", encoding="utf-8")
    assert paths.data_dir({}, tmp_path) == Path("/var/lib/vaxgate")


def test_the_default_store_lies_in_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --store and configuration, the machine's own store is asked."""
    monkeypatch.setenv("VAXGATE_DATA", str(tmp_path))
    assert paths.trust_dir() == tmp_path / "trust"
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--at", at(START)]) == 40
    assert "NO_LIST" in capsys.readouterr().out


def test_settings_name_a_missing_file(tmp_path: Path) -> None:
    """A configuration that was named must be there."""
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        paths.load_settings(tmp_path / "gone.toml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "not JSON", '{"signed": {"_type": "timestamp"}}'])
def test_a_file_that_is_no_root_is_wrong_use_and_no_alarm(
    site: Site, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator's slip is not the publisher's attack."""
    path = tmp_path / "root.json"
    path.write_text(text)
    store = str(site.store)
    assert main(["once", "--url", site.server.url, "--root", str(path), "--store", store]) == 2
    assert "is no TUF root" in capsys.readouterr().err
    assert main(["once", "--url", "trust.example", "--root", root_file(site), "--store", store]) == 2
    assert "begins with http" in capsys.readouterr().err
    assert main(["status", "--store", store, "--json"]) == 40
    assert json.loads(capsys.readouterr().out)["alarms"] == []
