"""Which sources prove the time, and that nothing else does.

The answers of chronyc stand here as chrony 4.3 printed them against servers on one machine; only the instant
of the last update is put in anew.
"""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trustsync import timesources
from trustsync.timesources import BOOT_VARIABLE, Proof, authenticated, reading
from verifier.clocks import PROOF_LASTS, ClockKnowledge, Reading, clock_state, note
from verifier.trust import ClockState

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
# The clock of these tests, so that each runs the same; up for two days.
HERE = Reading(datetime(2026, 3, 2, 5, 0, tzinfo=UTC), "run", 2 * 86400.0)
SIGNED = ClockKnowledge(floor=HERE.wall - HOUR)

NTS = "127.0.0.1,NTS,1,15,256,11,0,0,8,100"
NTS_SOON = "127.0.0.1,NTS,0,0,0,4294967295,1,0,0,0"  # no key was agreed yet
NTS_LOST = "127.0.0.1,NTS,1,15,256,36,1,0,0,0"
PLAIN = "127.0.0.1,-,0,0,0,4294967295,0,0,0,0"
PLAIN_TOO = "127.0.0.2,-,0,0,0,4294967295,0,0,0,0"
SELECTED = "^,*,127.0.0.1,1,0,377,0,0.000000750,0.000000682,0.000005387"
BESIDE = "^,{},127.0.0.2,1,-1,377,1,-0.000000902,-0.000000984,0.000004126"
UNREACHED = "^,?,127.0.0.1,1,0,0,25,0.000000750,0.000000682,0.000005387"
TRACKING = (
    "7F000001,127.0.0.1,2,{at},-0.000002755,-0.000000068,0.000000551,0.007,-0.002,0.088,0.000008875,"
    "0.000002353,1.0,Normal"
)
NOT_YET = (
    "00000000,,0,0.000000000,-0.000000020,0.000000000,0.000000000,0.007,0.000,0.000,1.000000000,"
    "1.000000000,0.0,Not synchronised"
)


@dataclass
class Settings:
    """What a site has set about time."""

    rtc: Path | None = None


class Chrony:
    """A ``chronyc`` that prints what it is told to, in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, list[str]] = {}
        self.program = '#!/bin/sh\n[ "$1 $2" = "-n -c" ] || exit 9\n/bin/cat "${0%/*}/$3"\n'
        self.set(authdata=[NTS], sources=[SELECTED], tracking=[TRACKING])

    def set(self, **answers: list[str]) -> None:
        self.answers |= answers

    def ask(
        self, known: ClockKnowledge = SIGNED, *, ago: float = 0.5, rtc: Path | None = None
    ) -> tuple[Proof | None, str]:
        """The proof, and what was told about its absence. ago: seconds since chrony's last update."""
        for question, rows in self.answers.items():
            text = "".join(f"{row}\n" for row in rows)
            (self.folder / question).write_text(text.replace("{at}", f"{HERE.wall.timestamp() - ago:.9f}"))
        (self.folder / "chronyc").write_text(self.program)
        (self.folder / "chronyc").chmod(0o755)
        told: list[str] = []
        return authenticated(Settings(rtc), known, tell=told.append, programs=str(self.folder)), "; ".join(
            told
        )


@pytest.fixture
def chrony(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chrony:
    monkeypatch.setattr(timesources, "reading", lambda: HERE)
    return Chrony(tmp_path)


# --- The machine's own clocks -------------------------------------------------------------------------------


def test_a_reading_is_of_this_run_of_the_machine_and_counts_on() -> None:
    """An aware instant, the kernel's name for the run, and seconds since it began."""
    first, second = reading(), reading()
    assert abs(first.wall - datetime.now(UTC)) < timedelta(minutes=1)
    assert first.boot == second.boot
    assert 0 < first.since_boot <= second.since_boot


@pytest.mark.parametrize("kernel", [True, False])
def test_the_run_is_named_the_same_by_the_kernel_and_by_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: bool
) -> None:
    """The sync sees no /proc/sys and is told by its unit, without dashes; the gate reads it with dashes."""
    path = tmp_path / "boot_id"
    if kernel:
        path.write_text("a5452edf-02c7-47c5-b49c-cf1177f9bc52\n")
    monkeypatch.setattr(timesources, "BOOT_ID", path)
    monkeypatch.setenv(BOOT_VARIABLE, "" if kernel else "a5452edf02c747c5b49ccf1177f9bc52")
    timesources._boot.cache_clear()
    assert reading().boot == "a5452edf02c747c5b49ccf1177f9bc52"
    timesources._boot.cache_clear()


# --- chrony -------------------------------------------------------------------------------------------------


def test_a_source_that_nts_authenticates_proves_the_clock(chrony: Chrony) -> None:
    """The proof bears the instant of the last update, on both clocks, and makes the clock TRUSTED."""
    proof, told = chrony.ask(ago=600.0)
    assert told == ""
    assert proof is not None
    assert (proof.source, proof.reading.boot, proof.reading.since_boot) == (
        "NTS",
        "run",
        HERE.since_boot - 600,
    )
    assert proof.reading.wall == HERE.wall - timedelta(seconds=600)
    known = note(SIGNED, HERE, proven=proof.reading)
    assert (clock_state(HERE, known), known.floor) == (ClockState.TRUSTED, proof.reading.wall)


def test_a_source_beside_it_that_has_no_part_in_the_time_does_no_harm(chrony: Chrony) -> None:
    """chrony does not follow a source without authentication beside one that has it."""
    chrony.set(authdata=[NTS, PLAIN_TOO], sources=[SELECTED, BESIDE.format("?")])
    assert chrony.ask()[0] is not None


REFUSED: dict[str, tuple[dict[str, list[str]], str]] = {
    "no source": ({"authdata": [], "sources": [], "tracking": [NOT_YET]}, "selected no source"),
    "plain NTP": ({"authdata": [PLAIN]}, "not authenticated by NTS"),
    "a shared key and no NTS": (
        {"authdata": ["127.0.0.1,SK,30,13,128,4294967295,0,0,0,0"]},
        "not authenticated by NTS",
    ),
    "NTS without a key yet": ({"authdata": [NTS_SOON]}, "not authenticated by NTS"),
    "NTS lost": ({"authdata": [NTS_LOST], "sources": [UNREACHED]}, "selected no source"),
    "plain NTP combined with NTS": (
        {"authdata": [NTS, PLAIN_TOO], "sources": [SELECTED, BESIDE.format("+")]},
        "not authenticated by NTS",
    ),
    "one name, two kinds": ({"authdata": [NTS, PLAIN]}, "not authenticated by NTS"),
    "another source is authenticated": (
        {"authdata": [NTS, PLAIN_TOO], "sources": [UNREACHED, BESIDE.format("*")]},
        "not authenticated by NTS",
    ),
    "a source that nobody told of": ({"authdata": []}, "not authenticated"),
    "a reference clock": ({"sources": [SELECTED.replace("^", "#")]}, "not authenticated"),
    "two selected": ({"sources": [SELECTED, SELECTED]}, "selected no source"),
    "not synchronised": ({"tracking": [TRACKING.replace("Normal", "Not synchronised")]}, "not synchronised"),
    "a word for leap that is unknown": (
        {"tracking": [TRACKING.replace("Normal", "Fine")]},
        "not synchronised",
    ),
    "changed meanwhile": (
        {"tracking": [TRACKING.replace(",127.0.0.1,", ",127.0.0.2,")]},
        "changed its source",
    ),
    "no tracking": ({"tracking": []}, "changed its source"),
    "far away": ({"tracking": [TRACKING.replace("0.000008875", "7.000008875")]}, "too far away"),
    "dispersed": ({"tracking": [TRACKING.replace("0.000002353", "3.100000000")]}, "too far away"),
    "being slewed by minutes": ({"tracking": [TRACKING.replace("-0.000002755", "-180.0")]}, "too far away"),
    "a column too many": ({"authdata": [NTS + ",1"]}, "not known here"),
    "a column too few": ({"sources": [SELECTED.rpartition(",")[0]]}, "not known here"),
    "a line of talk": ({"tracking": ["warning", TRACKING]}, "not known here"),
    "infinite": ({"tracking": [TRACKING.replace("0.000008875", "inf")]}, "a number that is none"),
    "no number": ({"tracking": [TRACKING.replace("0.000008875", "nan")]}, "a number that is none"),
    "a key that is none": ({"authdata": [NTS.replace(",1,15,", ",+-1,15,")]}, "a number that is none"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_nothing_but_nts_proves_the_clock(chrony: Chrony, case: str) -> None:
    """Each answer differs from the one that is accepted in what its name says, and gives no proof."""
    answers, why = REFUSED[case]
    chrony.set(**answers)
    proof, told = chrony.ask()
    assert proof is None
    assert why in told


def test_scenario_forged_sntp_never_becomes_a_proof(chrony: Chrony) -> None:
    """A plain server that agrees with the clock to the microsecond proves nothing, in 2040 or today."""
    chrony.set(authdata=[PLAIN])
    assert chrony.ask()[0] is None
    known = note(SIGNED, replace(HERE, wall=datetime(2040, 1, 1, tzinfo=UTC)))
    assert known == SIGNED


def test_scenario_nts_lost_leaves_the_proof_that_was(chrony: Chrony) -> None:
    """A proof is as old as the last update, however often it is asked for: a day later there is none."""
    day = PROOF_LASTS.total_seconds()
    assert chrony.ask(ago=day - 1)[0] is not None
    proof, told = chrony.ask(ago=day + 1)
    assert proof is None
    assert "too long ago" in told


def test_an_update_from_before_the_machine_started_is_none(
    chrony: Chrony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was set since by something else."""
    monkeypatch.setattr(timesources, "reading", lambda: replace(HERE, since_boot=60.0))
    proof, told = chrony.ask(ago=61.0)
    assert proof is None
    assert "too long ago" in told


def test_a_clock_that_is_set_while_chrony_is_asked_is_not_proven(
    chrony: Chrony, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What chrony said was of the clock before."""
    readings = iter([HERE, Reading(HERE.wall + 10 * HOUR, "run", HERE.since_boot + 0.2)])
    monkeypatch.setattr(timesources, "reading", lambda: next(readings))
    proof, told = chrony.ask()
    assert proof is None
    assert "set meanwhile" in told


def test_a_source_that_contradicts_signed_time_proves_nothing(chrony: Chrony) -> None:
    """An hour before the floor: one of the two is wrong, and the floor is signed."""
    proof, told = chrony.ask(ClockKnowledge(floor=HERE.wall + HOUR))
    assert proof is None
    assert "behind the last signed time" in told


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "not installed"),
        ("#!/bin/sh\necho '501 Not authorised'\nexit 1\n", "chronyc authdata: 501 Not authorised"),
        ("#!/bin/sh\nexit 1\n", "chronyd gives no answer"),
        ("#!/bin/sh\nexec /bin/sleep 60\n", "TimeoutExpired"),
        ("no program at all", "OSError"),
    ],
    ids=["none", "no right to ask", "no daemon", "hangs", "broken"],
)
def test_a_chronyc_that_gives_no_answer_is_no_proof_and_no_error(
    chrony: Chrony, monkeypatch: pytest.MonkeyPatch, program: str | None, why: str
) -> None:
    """The sync goes on without a proof; the word that is told says what to look at."""
    monkeypatch.setattr(timesources, "ANSWER_S", 0.3 if why == "TimeoutExpired" else 30.0)
    if program is None:
        assert authenticated(Settings(), SIGNED, tell=print, programs=str(chrony.folder / "empty")) is None
        return
    chrony.program = program
    proof, told = chrony.ask()
    assert proof is None
    assert why in told


def test_a_chronyc_in_the_callers_path_is_not_asked(
    chrony: Chrony, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever sets PATH, or stands in another directory, cannot put a liar in its place."""
    assert chrony.ask()[0] is not None
    monkeypatch.setenv("PATH", str(chrony.folder))
    monkeypatch.chdir(chrony.folder)
    monkeypatch.setattr(timesources, "PROGRAMS", str(tmp_path / "empty"))
    assert authenticated(Settings(), SIGNED, programs=timesources.PROGRAMS) is None


# --- A real-time clock --------------------------------------------------------------------------------------


@dataclass
class RealTimeClock:
    """A directory like the kernel's, and the sync's question about it."""

    chrony: Chrony
    path: Path

    def ask(self, shows: datetime | str, known: ClockKnowledge = SIGNED) -> tuple[Proof | None, str]:
        text = shows if isinstance(shows, str) else f"{int(shows.timestamp())}\n"
        (self.path / "since_epoch").write_text(text)
        self.chrony.set(authdata=[PLAIN])
        return self.chrony.ask(known, rtc=self.path)


@pytest.fixture
def rtc(chrony: Chrony, tmp_path: Path) -> RealTimeClock:
    path = tmp_path / "rtc0"
    path.mkdir()
    return RealTimeClock(chrony, path)


@pytest.mark.parametrize("apart", [-119, 0, 119])
def test_a_real_time_clock_that_is_named_and_agrees_proves_the_clock(rtc: RealTimeClock, apart: int) -> None:
    """Within two minutes; the proof is the system clock's own reading."""
    proof, told = rtc.ask(HERE.wall + apart * SECOND)
    assert proof == Proof(HERE, "RTC")
    assert "by NTS" in told
    assert "by RTC" not in told


def test_a_real_time_clock_that_nobody_named_is_not_believed(rtc: RealTimeClock) -> None:
    """The kernel copies the clock into it while a time client runs: off unless the site says so."""
    rtc.ask(HERE.wall)
    proof, told = rtc.chrony.ask()
    assert proof is None
    assert "no real-time clock is named" in told


@pytest.mark.parametrize(
    ("shows", "why"),
    [
        (HERE.wall - 121 * SECOND, "differ"),
        (HERE.wall + 122 * SECOND, "differ"),
        (datetime(1970, 1, 1, tzinfo=UTC), "differ"),
        (datetime(2000, 1, 1, tzinfo=UTC), "differ"),
        ("", "cannot be read"),
        ("soon\n", "cannot be read"),
        ("-1\n", "cannot be read"),
        ("9" * 40, "cannot be read"),
        ("²\n", "cannot be read"),
    ],
)
def test_scenario_a_dead_real_time_clock_proves_nothing(
    rtc: RealTimeClock, shows: datetime | str, why: str
) -> None:
    """One that is off, starts anew in another year, or answers nonsense."""
    proof, told = rtc.ask(shows)
    assert proof is None
    assert why in told


def test_a_dead_clock_that_has_already_set_the_system_clock_proves_nothing(
    rtc: RealTimeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both say 2000, so they agree: signed time says that they are wrong. Without signed time, nobody can."""
    dead = datetime(2000, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(timesources, "reading", lambda: replace(HERE, wall=dead))
    proof, told = rtc.ask(dead)
    assert proof is None
    assert "behind the last signed time" in told
    proof, told = rtc.ask(dead, ClockKnowledge())
    assert proof is None
    assert "without a signed time" in told


@pytest.mark.parametrize("moved", [-3 * DAY, 25 * HOUR])
def test_a_clock_that_was_set_is_not_proven_by_a_copy_of_it(rtc: RealTimeClock, moved: timedelta) -> None:
    """A forged answer sets the clock, the kernel copies it into the real-time clock, and both agree."""
    mark = Reading(HERE.wall - moved - HOUR, "run", HERE.since_boot - 3600)
    proof, told = rtc.ask(HERE.wall, ClockKnowledge(floor=HERE.wall - 6 * DAY, mark=mark))
    assert proof is None
    assert "was set" in told
    before = replace(mark, boot="the run before")
    assert rtc.ask(HERE.wall, ClockKnowledge(floor=HERE.wall - 6 * DAY, mark=before))[0] is not None


def test_a_missing_device_is_no_error(rtc: RealTimeClock, tmp_path: Path) -> None:
    """The board has no such clock, or it has fallen off its pins."""
    proof, told = rtc.chrony.ask(rtc=tmp_path / "rtc7")
    assert proof is None or proof.source == "NTS"
    rtc.chrony.set(authdata=[PLAIN])
    proof, told = rtc.chrony.ask(rtc=tmp_path / "rtc7")
    assert proof is None
    assert "cannot be read" in told


# --- chrony itself ------------------------------------------------------------------------------------------

needs_chrony = pytest.mark.skipif(
    shutil.which("chronyd", path="/usr/sbin:/usr/bin") is None,
    reason="chrony is not installed here, so the real one cannot be asked",
)
LONGEST_S = 60.0  # until a source is selected; five seconds as measured


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(folder: Path) -> None:
    """A key and a certificate for localhost, as the NTS server's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "key.pem").chmod(0o600)


class Daemon:
    """A chronyd that never touches this machine's clock (``-x``), with a directory of its own."""

    def __init__(self, folder: Path, name: str, *lines: str) -> None:
        self.home = folder / name
        self.home.mkdir(mode=0o750)
        config = [
            *lines,
            "cmdport 0",
            f"bindcmdaddress {self.home}/sock",
            f"pidfile {self.home}/pid",
        ]
        (self.home / "conf").write_text("\n".join(config) + "\n")
        command = [
            "/usr/sbin/chronyd",
            "-x",
            "-U",
            "-d",
            "-f",
            str(self.home / "conf"),
            "-u",
            getpass.getuser(),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short name: the path of a socket has room for a hundred characters."""
    return tmp_path_factory.mktemp("c")


@pytest.fixture
def daemons(folder: Path) -> Iterator[Callable[..., Daemon]]:
    with ExitStack() as stack:

        def start(name: str, *lines: str) -> Daemon:
            daemon = Daemon(folder, name, *lines)
            stack.callback(daemon.stop)
            return daemon

        yield start


def until(asks: Callable[[], tuple[Proof | None, str]], refused: str | None) -> Proof | None:
    """Ask until there is a proof (``None``), or until it is refused with these words."""
    end = time.monotonic() + LONGEST_S
    while True:
        proof, told = asks()
        if proof is not None if refused is None else refused in told:
            return proof
        assert time.monotonic() < end, (proof, told)
        time.sleep(0.3)


@needs_chrony
@pytest.mark.slow
@pytest.mark.parametrize("nts", [True, False], ids=["NTS", "plain NTP"])
def test_the_real_chrony_is_understood(folder: Path, daemons: Callable[..., Daemon], nts: bool) -> None:
    """A server on this machine, followed with and without NTS: only the one is a proof, while it lasts."""
    certificate(folder)
    ntp, handshake = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    server = daemons(
        "server",
        "local stratum 1",
        "allow 127.0.0.1",
        "bindaddress 127.0.0.1",
        f"port {ntp}",
        f"ntsport {handshake}",
        "ntsntpserver 127.0.0.1",
        f"ntsserverkey {folder}/key.pem",
        f"ntsservercert {folder}/cert.pem",
    )
    client = daemons(
        "client",
        "port 0",
        f"ntstrustedcerts {folder}/cert.pem",
        f"server localhost port {ntp} iburst minpoll -2 maxpoll 0 "
        + (f"nts ntsport {handshake}" if nts else ""),
    )
    shim = folder / "chronyc"
    shim.write_text(f'#!/bin/sh\nexec /usr/bin/chronyc -h {client.home}/sock "$@"\n')
    shim.chmod(0o755)

    def ask() -> tuple[Proof | None, str]:
        told: list[str] = []
        proof = authenticated(Settings(), ClockKnowledge(), tell=told.append, programs=str(folder))
        return proof, "; ".join(told)

    if nts:
        proof = until(ask, None)
        assert proof is not None
        assert (proof.source, proof.reading.boot) == ("NTS", reading().boot)
        assert timedelta() <= reading().wall - proof.reading.wall < timedelta(seconds=LONGEST_S)
        server.stop()
        until(ask, "selected no source")
    else:
        until(ask, "chrony follows a source that is not authenticated by NTS")
    client.stop()
    until(ask, "chronyc authdata")
