"""Processes of their own for some stories: one that is killed, one without rights, one with its own card.

killed(scene, "writing")                       # a sync that dies by kill -9 when it says this
apart(lambda: deed(scene))                     # in a child; what it finds wrong is raised here
apart(lambda: on_a_card(scene, 200_000, deed)) # its store on a file system with so many bytes left
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from attacks.scene import Scene
from trustsync.sync import sync_once

_NOBODY = 65534
_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # of unshare(2)
_REC, _PRIVATE, _REMOUNT = 0x4000, 1 << 18, 0x20  # of mount(2)


def killed(scene: Scene, step: str) -> None:
    """A sync in a process of its own, killed by kill -9 when it says that it begins this step."""

    def die(word: str) -> None:
        if word.startswith(step):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            sync_once(scene.site.config(), now=scene.now, progress=die)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended before it said {step!r}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def apart(deed: Callable[[], object], *, patience: int = 60) -> None:
    """Do this in a child process. Raises AssertionError with the child's words when it did not go well.

    patience: seconds after which it is taken to hang.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        said = b""
        signal.alarm(patience)
        try:
            deed()
        except BaseException:  # noqa: BLE001 - whatever it is, the parent tells it
            said = traceback.format_exc().encode() or b"?"
        finally:
            os.write(writing, said[-60_000:])
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM), f"hangs: {patience} s"
    assert status == 0, f"the child ended with status {status}"
    assert not said, said.decode(errors="replace")


def without_rights(scene: Scene, deed: Callable[[], object]) -> None:
    """Do this in a child that may read the store and not write to it."""
    root = os.geteuid() == 0
    own = (scene.store, *scene.store.rglob("*"))
    scene.folder.chmod(0o755)

    def below() -> None:
        if root:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        deed()

    for path in own:
        path.chmod((0o755 if root else 0o555) if path.is_dir() else (0o644 if root else 0o444))
    try:
        apart(below)
    finally:
        for path in own:
            path.chmod(0o755 if path.is_dir() else 0o644)


class Card:
    """Where the store lies: a file system of its own that is nearly full."""

    def __init__(self, place: Path, room: int) -> None:
        self._place = place
        self._own = _own_mounts()
        if not self._own:  # a machine that lets nobody mount: no file may grow beyond what has room
            self._limit(room)
            return
        beside = place.with_name("aside")
        place.rename(beside)
        place.mkdir()
        _mount("tmpfs", place, 0, "size=64m")
        shutil.copytree(beside, place, dirs_exist_ok=True)
        facts = os.statvfs(place)
        used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        self._resize(used + room)

    @contextlib.contextmanager
    def not_writing(self) -> Iterator[None]:
        """For whoever only looks: a limit of this process would bind his scratch files too."""
        size, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not self._own:
            self.make_room()
        yield
        if not self._own:
            self._limit(size)

    def make_room(self) -> None:
        """Somebody deletes his pictures."""
        if self._own:
            self._resize(64 << 20)
        else:
            self._limit(64 << 20)

    def _resize(self, size: int) -> None:
        _mount("tmpfs", self._place, _REMOUNT, f"size={size}")

    def _limit(self, size: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def _own_mounts() -> bool:
    """Whether this process may mount where nobody else sees it, from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        if libc.unshare(_NEWNS):
            return False
    else:
        if libc.unshare(_NEWNS | _NEWUSER):
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        except OSError:
            return False
    try:
        _mount("none", Path("/"), _REC | _PRIVATE, "")
    except OSError:
        return False
    return True


def _mount(kind: str, place: Path, flags: int, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"vaxgate", os.fsencode(place), kind.encode(), flags, options.encode()):
        raise OSError(ctypes.get_errno(), "mount", str(place))
