"""The units as systemd reads them: no warning, no more exposure than budgeted, users and paths that exist.

The units are verified in a root directory of their own, with stand-ins for the two programs, so that nothing
of this machine makes a missing path look present.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from places import ROOT

from appliance.cli import vaxgate
from trustsync import cli as sync
from trustsync.paths import data_dir
from trustsync.timesources import BOOT_VARIABLE

UNITS = ROOT / "systemd"
SERVICES = ("vaxgate.service", "vaxgate-sync.service")
PROGRAMS = {"vaxgate": vaxgate, "vaxgate-sync": sync}

# Exposure by `systemd-analyze security`, times ten. Both measured 1.1 (systemd 252): sockets on loopback and
# the camera's devices for the one, the network for the other.
BUDGET = {"vaxgate.service": 12, "vaxgate-sync.service": 12}
DEBIAN_GROUPS = {"video"}  # made by Debian's base system
TARGETS = Path("/usr/lib/systemd/system")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or not (TARGETS / "basic.target").exists(),
    reason="systemd-analyze is not installed here, so the units cannot be verified",
)


# Drop-ins for a unit whose time comes from chrony, by the directory that they go to.
DROP_INS = {
    "vaxgate-sync-chrony.conf": "vaxgate-sync.service.d",
    "chrony-vaxgate.conf": "chrony.service.d",
}


class Unit:
    """The section ``[Service]`` of a unit file."""

    def __init__(self, name: str) -> None:
        section, self._values = "", {}
        for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and not line.startswith("#"):
                key, _, value = line.partition("=")
                self._values.setdefault(key, []).append(value)

    def service(self, key: str) -> list[str]:
        """Every value of a key, in order; empty when it is not there."""
        return self._values.get(key, [])


def lines(name: str) -> list[list[str]]:
    """The lines of a sysusers or tmpfiles snippet, in words; quoted texts are one word."""
    text = (UNITS / name).read_text(encoding="utf-8")
    return [re.findall(r'"[^"]*"|\S+', line) for line in text.splitlines() if line and line[0] != "#"]


def made_users() -> set[str]:
    return {words[1] for words in lines("vaxgate.sysusers") if words[0] == "u"}


def made_groups() -> set[str]:
    return {words[1] for words in lines("vaxgate.sysusers") if words[0] in ("u", "g")}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A root directory with the units, systemd's own targets, and stand-ins for the programs."""
    units, targets = tmp_path / "etc/systemd/system", tmp_path / "usr/lib/systemd/system"
    programs = tmp_path / "opt/vaxgate/venv/bin"
    for directory in (units, targets, programs):
        directory.mkdir(parents=True)
    for path in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):
        shutil.copy(path, units)
    for path in TARGETS.glob("*.target"):
        shutil.copy(path, targets)
    for name in PROGRAMS:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    return tmp_path


def verify(image: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", f"--root={image}", "verify", name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize("name", [*SERVICES, "vaxgate-sync.timer"])
def test_systemd_has_nothing_to_say_about_a_unit(image: Path, name: str) -> None:
    """An unknown key is only a warning to systemd; to us any word on stderr is a failure."""
    done = verify(image, name)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("KeyringMode=private", "KeyringMood=private", "Unknown key"),
        ("/opt/vaxgate/venv/bin/vaxgate", "/opt/vaxgate/bin/vaxgate", "not executable"),
        ("RestartSec=2s", "RestartSec=soon", "Failed to parse"),
    ],
)
def test_a_mistake_in_a_unit_is_noticed(image: Path, was: str, becomes: str, said: str) -> None:
    """The check above can fail: a wrong key, a wrong path and a wrong value each leave a word."""
    path = image / "etc/systemd/system/vaxgate.service"
    path.write_text(path.read_text().replace(was, becomes))
    assert said in verify(image, "vaxgate.service").stderr


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_exposes_no_more_than_its_budget(name: str) -> None:
    """Opening a unit further is a decision, made in the table above and nowhere else."""
    path = str(UNITS / name)
    rows = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", path],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    exposed = [row["name"] for row in json.loads(rows) if float(row["exposure"] or 0) > 0]
    within = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={BUDGET[name]}",
        path,
    ]
    assert subprocess.run(within, capture_output=True, check=False).returncode == 0, exposed


def test_every_process_has_a_user_of_its_own_that_is_made() -> None:
    """One process, one unit, one unprivileged user; every group that a unit names exists."""
    users = [Unit(name).service("User")[0] for name in SERVICES]
    assert len(set(users)) == len(users)
    assert set(users) == made_users()
    for name in SERVICES:
        unit = Unit(name)
        groups = unit.service("Group") + " ".join(unit.service("SupplementaryGroups")).split()
        assert set(groups) <= made_groups() | DEBIAN_GROUPS, name


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_starts_a_command_that_understands_its_arguments(name: str) -> None:
    """ExecStart names a program of the wheel in the directory that image/README.md makes."""
    program, *arguments = Unit(name).service("ExecStart")[0].split()
    assert Path(program).parent == Path("/opt/vaxgate/venv/bin")
    options = PROGRAMS[Path(program).name]._parser().parse_args(arguments)
    assert options.config == Path("/etc/vaxgate/vaxgate.toml")


def test_the_sync_owns_the_store_and_the_appliance_only_reads_it() -> None:
    """The trust store is written by one user; the other one's group may read and never write."""
    appliance, sync_unit = Unit("vaxgate.service"), Unit("vaxgate-sync.service")
    made = {words[1]: words[2:5] for words in lines("vaxgate.tmpfiles")}
    (environment,) = {unit.service("Environment")[0] for unit in (appliance, sync_unit)}
    name, _, value = environment.partition("=")
    store = str(data_dir({name: value}) / "trust")
    assert made[store] == ["0750", sync_unit.service("User")[0], appliance.service("Group")[0]]
    assert sync_unit.service("Group") == appliance.service("Group")
    assert sync_unit.service("UMask") == ["0027"], "the group reads what the sync writes, others do not"
    training = f"{store}-test"
    assert made[training] == made[store]
    assert sync_unit.service("ReadWritePaths") == [f"{store} -{training}"]
    for unit in (appliance, sync_unit):
        assert unit.service("ProtectSystem") == ["strict"]
    assert not appliance.service("ReadWritePaths") + appliance.service("StateDirectory")


def test_every_directory_that_a_unit_names_is_made() -> None:
    """tmpfiles makes the directories of the configuration and of the store, each with its parent."""
    made = {words[1] for words in lines("vaxgate.tmpfiles")}
    stores = {f"/var/lib/vaxgate/{name}" for name in ("trust", "trust-test", "orders")}
    assert {"/etc/vaxgate", "/var/lib/vaxgate", *stores} == made
    owners = {word for words in lines("vaxgate.tmpfiles") for word in words[3:5]}
    assert owners <= made_users() | made_groups() | {"root"}


def test_only_the_appliance_has_devices_and_only_the_sync_has_the_network() -> None:
    """Camera and pins on the one side, the repository on the other; the page stays on this machine."""
    appliance, sync_unit = Unit("vaxgate.service"), Unit("vaxgate-sync.service")
    assert appliance.service("IPAddressDeny") == ["any"]
    assert appliance.service("IPAddressAllow") == ["localhost"]
    assert appliance.service("DevicePolicy") == ["closed"]
    assert not sync_unit.service("DeviceAllow")
    assert sync_unit.service("PrivateDevices") == ["yes"]
    assert sync_unit.service("SocketBindDeny") == ["any"]


def test_every_udev_rule_gives_a_device_to_a_group_that_exists() -> None:
    """A rule matches with ==, assigns a group and a mode, and its group is one that the unit is in."""
    (groups,) = Unit("vaxgate.service").service("SupplementaryGroups")
    rules = [line for line in (UNITS / "60-vaxgate.rules").read_text().splitlines() if line[:1] != "#"]
    assert rules
    for rule in rules:
        parts = dict(
            re.fullmatch(r'(\w+)(?:==|=)"([^"]+)"', part.strip()).groups() for part in rule.split(",")
        )  # type: ignore[union-attr]
        assert set(parts) <= {"SUBSYSTEM", "KERNEL", "GROUP", "MODE"}
        assert (parts["GROUP"] in groups.split(), parts["MODE"]) == (True, "0660")
        assert re.search(r'SUBSYSTEM=="[^"]+"', rule)
        assert re.search(r',\s*GROUP="[^"]+"', rule)


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed here")
def test_the_users_are_made_in_an_empty_system(tmp_path: Path) -> None:
    """systemd-sysusers makes every user and group from the snippet alone, without a word of complaint."""
    folder = tmp_path / "usr/lib/sysusers.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    shutil.copy(UNITS / "vaxgate.sysusers", folder / "vaxgate.conf")
    command = ["systemd-sysusers", f"--root={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    passwd = (tmp_path / "etc/passwd").read_text().splitlines()
    assert {line.split(":")[0] for line in passwd} == made_users()
    assert all(line.endswith("/usr/sbin/nologin") for line in passwd)
    groups = (tmp_path / "etc/group").read_text().splitlines()
    assert {line.split(":")[0] for line in groups} == made_groups()


def test_nothing_restarts_a_failed_sync() -> None:
    """When to try again is decided by `--if-due`, with its jitter; systemd would only undo that."""
    unit = Unit("vaxgate-sync.service")
    assert "--if-due" in unit.service("ExecStart")[0].split()
    assert not unit.service("Restart") + unit.service("RestartSec")


def test_a_sync_that_sees_no_kernel_settings_is_told_its_boot() -> None:
    """ProcSubset=pid hides the kernel's boot id, without which no proof of the time holds."""
    unit = Unit("vaxgate-sync.service")
    assert unit.service("ProcSubset") == ["pid"]
    assert f"{BOOT_VARIABLE}=%b" in unit.service("Environment")


@needs_systemd
def test_the_timer_asks_every_few_minutes_whatever_the_clock_says() -> None:
    """It counts from the start of the machine, and often enough for a list that is tried every 15 minutes."""
    text = (UNITS / "vaxgate-sync.timer").read_text()
    assert "OnCalendar" not in text
    spans = dict(re.findall(r"^(On\w+)=(.*)$", text, re.MULTILINE))
    assert set(spans) == {"OnBootSec", "OnUnitActiveSec"}
    for span in spans.values():
        done = subprocess.run(["systemd-analyze", "timespan", span], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (microseconds,) = re.findall(r"μs: (\d+)", done.stdout)
        assert 60 <= int(microseconds) / 1e6 <= 300


@needs_systemd
@pytest.mark.parametrize("name", list(DROP_INS))
def test_systemd_has_nothing_to_say_about_a_drop_in_for_chrony(image: Path, name: str) -> None:
    """Each of them beside the unit that it is for; with a mistake in it, there is a word."""
    folder = image / "etc/systemd/system" / DROP_INS[name]
    unit = folder.name.removesuffix(".d")
    if unit == "chrony.service":  # Debian's own, as far as the drop-in touches it
        (folder.parent / unit).write_text(
            "[Service]\nType=forking\nExecStart=/usr/sbin/chronyd\nUser=_chrony\nRuntimeDirectory=chrony\n"
        )
        for program in ("usr/sbin/chronyd", "bin/chmod"):
            (image / program).parent.mkdir(parents=True, exist_ok=True)
            (image / program).write_text("#!/bin/sh\n")
            (image / program).chmod(0o755)
    folder.mkdir()
    text = (UNITS / name).read_text()
    (folder / "chrony.conf").write_text(text)
    done = verify(image, unit)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "chrony.conf").write_text(text.replace("[Service]\n", "[Service]\nGroups=x\n"))
    assert "Unknown key" in verify(image, unit).stderr
