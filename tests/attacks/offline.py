"""Attacks by hand: lists that somebody carries to a post, on sticks that lie, change or break."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from trust_site import DAY
from tuf.api.metadata import DelegatedRole, Metadata, TargetFile, Targets

from attacks.keyholders import Keyholders, fresh
from attacks.processes import apart
from attacks.scene import GOOD, HOUR, LATE, MINISTRY, NIGHT, START, STRANGER, YOUNG, Scene, attack, entry
from trustsync.cli import main
from trustsync.errors import Alarm, TrustSyncError
from trustsync.layout import KEYS_PATH
from trustsync.sync import sync_once
from trustsync.targets import encode_keys
from verifier.trust import HashKind

LISTS = ("trust", "revocation", "rules", "recognition")


def _stick(scene: Scene, publisher: Keyholders | None = None, name: str = "stick") -> dict[str, Any]:
    """A stick with what stands published now; it is what a unit is told in place of an address."""
    folder = scene.folder / name
    (publisher or scene.publisher).copy(folder)
    return {"url": "", "folder": folder}


def _newest(stick: dict[str, Any], pattern: str) -> Path:
    """The last file on the stick with a name like this."""
    return max(stick["folder"].rglob(pattern), key=lambda path: (path.stat().st_mtime_ns, path.name))


# --- Old sticks -----------------------------------------------------------------------------------------


@attack("a stick that travelled for three weeks")
def travelled(scene: Scene) -> None:
    """Over the network such a list would be refused as expired. By hand it is taken, since it is newer than
    ours and thirty days are granted to whoever walks; but it is as old as it is, and nothing is green by it.
    """
    scene.next_list()
    stick = _stick(scene)
    scene.now = NIGHT + 20 * DAY
    with scene.unmoved(Alarm.EXPIRED):
        pass
    scene.sync(**stick)
    assert scene.server.asked == []
    look = scene.look()
    assert (look.signed_at, look.floor) == (NIGHT, NIGHT)
    assert YOUNG.kid in look.keys
    assert scene.answer(GOOD) == "CHECK REVOCATION_UNCHECKED LIST_EXPIRED CLOCK_UNSURE"
    assert scene.answer(LATE) == "FAIL REVOKED LIST_EXPIRED CLOCK_UNSURE"


@attack("a stick out of a drawer")
def out_of_a_drawer(scene: Scene) -> None:
    """Somebody finds a stick that was true two months ago: newer than ours, and over for longer than anybody
    walks; refused.
    """
    scene.next_list()
    stick = _stick(scene)
    scene.now = NIGHT + 60 * DAY
    with scene.unmoved(Alarm.EXPIRED, **stick):
        pass


@attack("a stick whose root is over")
def root_is_over(scene: Scene) -> None:
    """Everything on the stick was signed this week, and the root above it ran out yesterday: for a root
    nothing is granted; who is over cannot say who may speak.
    """
    late = START + timedelta(days=364)
    scene.publisher.sign_top(scene.publisher.top(), late)
    scene.publish(late, resign=LISTS)
    stick = _stick(scene)
    scene.now = late + 2 * DAY
    with scene.unmoved(Alarm.EXPIRED, **stick):
        pass


@attack("two true sticks in the wrong order")
def two_sticks(scene: Scene) -> None:
    """Monday's stick arrives behind Tuesday's. Both are honest; the older one is refused as a rollback, and
    the alarm stands until something newer than both arrives.
    """
    scene.publish(START + HOUR, resign=("trust",))
    monday = _stick(scene, name="monday")
    scene.next_list()
    tuesday = _stick(scene, name="tuesday")
    scene.sync(**tuesday)
    scene.arrived()
    with scene.unmoved(Alarm.ROLLBACK, **monday):
        pass
    scene.sync(**tuesday)
    assert [alarm.code for alarm in scene.state().alarms] == [Alarm.ROLLBACK]
    scene.publisher.sign_timestamp(NIGHT + HOUR)
    scene.sync(NIGHT + HOUR)
    assert scene.state().alarms == ()
    scene.arrived()


@attack("the network is behind the stick")
def network_behind(scene: Scene) -> None:
    """A stick has brought tonight's list, and the line comes back to a mirror that still has yesterday's: it
    takes nothing back.
    """
    scene.publisher.copy(scene.folder / "mirror")
    scene.next_list()
    scene.sync(**_stick(scene))
    scene.arrived()
    with scene.unmoved(Alarm.ROLLBACK):
        scene.server.directory = scene.folder / "mirror"
    scene.serve(scene.publisher)
    assert not scene.sync().changed
    assert scene.answer(LATE) == "FAIL REVOKED"


@attack("the same stick again and again")
def again(scene: Scene) -> None:
    """Each shift imports what the one before has imported: nothing is written anew, and nothing gets younger.
    When its own three days are over it is expired, and the grace makes nothing of it: it is not newer than
    ours.
    """
    scene.next_list()
    stick = _stick(scene)
    scene.sync(**stick)
    before = scene.arrived()
    for _ in range(3):
        scene.now += HOUR
        assert not scene.sync(**stick).changed
        assert scene.look() == before
    scene.now = NIGHT + 5 * DAY
    with scene.unmoved(Alarm.EXPIRED, **stick):
        pass


# --- Sticks that lie ------------------------------------------------------------------------------------


@attack("a stick of another publisher")
def another_publisher(scene: Scene) -> None:
    """The stick holds a whole repository, in good order, of somebody else, with his own root in it: what lies
    on a stick vouches for nothing; refused.
    """
    stranger = Keyholders(scene.folder / "stranger")
    stranger.keys = [STRANGER.record()]
    stranger.publish(NIGHT)
    with scene.unmoved(Alarm.SIGNATURE, **_stick(scene, stranger)):
        scene.now = NIGHT
    assert scene.answer(STRANGER.certificate("FORGED")) == "FAIL KEY_UNKNOWN"


@attack("a post without a network gets its list from a thief")
def sticks_of_a_thief(scene: Scene) -> None:
    """The online keys were stolen, and the keyholders have named new ones; a post that has not heard of it
    takes the thief's stick, on which nobody is revoked. It cannot know; what it never gets is a key of his.
    One honest stick tells it the new keys, and from then on his is refused.
    """
    online = ("revocation", "snapshot", "timestamp")
    thief = scene.publisher.robbed(scene.folder / "thief", *online)
    scene.news()
    scene.publisher.rotate(NIGHT, *online)
    honest = _stick(scene, name="honest")
    thief.revoked = {(MINISTRY.kid, HashKind.UCI): [entry("NOBODY")]}
    thief.publish(NIGHT)
    scene.sync(NIGHT, **_stick(scene, thief, "his"))
    assert scene.look().answers == ("PASS", "PASS")
    thief.keys.append(STRANGER.record())
    thief.publish(NIGHT + HOUR)
    with scene.unmoved(Alarm.SIGNATURE, **_stick(scene, thief, "his next")):
        scene.now = NIGHT + HOUR
    scene.sync(**honest)
    scene.arrived()
    with scene.unmoved(Alarm.SIGNATURE, **_stick(scene, thief, "his last")):
        pass


@attack("links on a stick lead off it")
def links(scene: Scene) -> None:
    """The newest timestamp is a link to a true one elsewhere, then the folder of the targets is: a stick that
    is read by somebody with more rights must not become his hand; neither is followed.
    """
    scene.next_list()
    stick = _stick(scene)
    for name in ("metadata/timestamp.json", "targets"):
        place = stick["folder"] / name
        place.rename(scene.folder / "elsewhere")
        place.symlink_to(scene.folder / "elsewhere")
        with scene.unmoved(None, **stick):
            pass
        place.unlink()
        (scene.folder / "elsewhere").rename(place)
    scene.sync(**stick)
    scene.arrived()


@attack("a role whose name climbs off the stick")
def climbing_role(scene: Scene) -> None:
    """The offline keys delegate the list of keys to a role called ../../outside, and beside the stick lies a
    file of that name, well signed: nothing outside of the stick is read.
    """
    (signer,) = fresh()
    top = scene.publisher.top()
    delegations = top.delegations
    assert delegations is not None
    assert delegations.roles is not None
    name = "../../outside"
    delegations.keys[signer.public_key.keyid] = signer.public_key
    climbing = DelegatedRole(name, [signer.public_key.keyid], 1, False, paths=["trust/*"])
    delegations.roles = {name: climbing, **delegations.roles}
    scene.publisher.versions[name] = 1
    scene.publisher.sign_top(top, NIGHT)
    forged = encode_keys([STRANGER.record()])
    info = TargetFile.from_data(KEYS_PATH, forged, ["sha256"])
    metadata = Metadata(Targets(1, None, NIGHT + 60 * DAY, {KEYS_PATH: info}))
    metadata.sign(signer)
    for at in (scene.folder, scene.folder / "stick" / "metadata"):
        at.mkdir(parents=True, exist_ok=True)
        (at / "1.outside.json").write_bytes(metadata.to_bytes())
        (at / "outside.json").write_bytes(metadata.to_bytes())
    with scene.unmoved(None, **_stick(scene)):
        scene.now = NIGHT
    assert "nothing by such a name" in (scene.state().last_error or "")


@attack("a pipe on a stick")
def pipe(scene: Scene) -> None:
    """A file system can hold what is no file: a pipe in the place of the timestamp would keep the import
    waiting for ever, and to open a device can be an act. Neither is opened, and nothing hangs.
    """
    scene.next_list()
    stick = _stick(scene)
    timestamp, keys = stick["folder"] / "metadata" / "timestamp.json", _newest(stick, "*.keys.cbor")
    for place in (timestamp, keys):
        true = place.read_bytes()
        place.unlink()
        os.mkfifo(place)

        def story() -> None:
            with scene.unmoved(None, **stick):
                pass

        apart(story, patience=20)
        place.unlink()
        place.write_bytes(true)
    scene.sync(**stick)
    scene.arrived()


@attack("a timestamp of a terabyte")
def terabyte(scene: Scene) -> None:
    """A hole in a file costs a stick nothing, and whoever reads it to its end never ends: left after what a
    timestamp may have.
    """
    scene.next_list()
    stick = _stick(scene)
    with (stick["folder"] / "metadata" / "timestamp.json").open("wb") as file:
        file.truncate(1 << 40)
    with scene.unmoved(Alarm.TOO_BIG, **stick):
        pass


@attack("a program on a stick")
def program(scene: Scene) -> None:
    """Beside an honest list the stick has Python modules with our names and the library's, and whoever
    imports it stands in its folder: not a line of them is run, by no process of ours, and the list arrives.
    """
    scene.next_list()
    stick = _stick(scene)
    trap = scene.folder / "sprung"
    spring = f"open({str(trap)!r}, 'w').write('run')\n"
    for name in ("trustsync/__init__.py", "trustsync/checker.py", "json.py", "sitecustomize.py"):
        module = stick["folder"] / name
        module.parent.mkdir(exist_ok=True)
        module.write_text(spring)

    def story() -> None:
        told = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # relative ones would be the stick's
        os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(each).resolve()) for each in told)
        os.chdir(stick["folder"])
        scene.sync(**stick)
        scene.arrived()

    apart(story)
    assert not trap.exists()


# --- Sticks that fail -----------------------------------------------------------------------------------


def _with_a_hand(scene: Scene, stick: dict[str, Any], word: str, deed: Callable[[], object]) -> str:
    """An import during which somebody does something to the stick when this is said; how it fails."""
    done = []

    def tell(step: str) -> None:
        if step.startswith(word) and not done:
            done.append(deed())

    before = scene.look()
    with pytest.raises(TrustSyncError) as caught:
        sync_once(scene.site.config(**stick), now=scene.now, progress=tell)
    assert done
    after = scene.look()
    assert (after.generation, after.signed_at, after.answers) == (
        before.generation,
        before.signed_at,
        before.answers,
    )
    return str(caught.value)


@attack("a stick is pulled out in the middle")
def pulled_out(scene: Scene) -> None:
    """Between two files the stick is gone: said in words that send nobody to the network, the list in force
    is whole, and the same stick ends the import when it is back.
    """
    scene.next_list()
    stick = _stick(scene)
    away = scene.folder / "pocket"
    words = _with_a_hand(scene, stick, "fetching trust", lambda: stick["folder"].rename(away))
    assert "stick" in words
    assert "network" not in words
    assert scene.state().alarms == ()
    away.rename(stick["folder"])
    scene.sync(**stick)
    scene.arrived()


@attack("a stick that changes while it is read")
def changing_stick(scene: Scene) -> None:
    """The metadata are proven, and then somebody exchanges the list of keys below them, in the same length:
    what counts is what lies on our card, and its hash is not the signed one.
    """
    scene.next_list()
    stick = _stick(scene)
    keys = _newest(stick, "*.keys.cbor")
    forged = keys.read_bytes().replace(b"ministry", b"stranger")
    _with_a_hand(scene, stick, "fetching", lambda: keys.write_bytes(forged))
    assert [alarm.code for alarm in scene.state().alarms] == [Alarm.MISMATCH]


@attack("a stick with bad cells")
def bad_cells(scene: Scene) -> None:
    """A stick has lost the end of its timestamp, another the end of a list: what is left is not taken for the
    whole of it.
    """
    scene.next_list()
    for pattern, alarm in (("timestamp.json", Alarm.MALFORMED), ("*.keys.cbor", Alarm.MISMATCH)):
        stick = _stick(scene, name=pattern.strip("*."))
        place = _newest(stick, pattern)
        place.write_bytes(place.read_bytes()[:-100])
        with scene.unmoved(alarm, **stick):
            pass


# --- Who did it -----------------------------------------------------------------------------------------


@attack("a forged stick is imported without a name")
def written_down(scene: Scene) -> None:
    """Somebody brings a forged list: it is refused, and who brought it and when stands in the book for good,
    beside the honest ones; a name that nobody could read is not taken, and nothing is imported under it.
    """
    scene.next_list()
    forged, honest = _stick(scene, name="forged"), _stick(scene, name="honest")
    for path in forged["folder"].rglob("*.keys.cbor"):
        path.write_bytes(path.read_bytes().replace(b"ministry", b"stranger"))
    root = scene.publisher.directory / "metadata" / "1.root.json"

    def imported(stick: dict[str, Any], name: str) -> int:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            places = ["--root", str(root), "--store", str(scene.store)]
            return main(["import", str(stick["folder"]), *places, "--at", NIGHT.isoformat(), "--by", name])

    assert imported(honest, "\x1b[2J") == 2
    assert scene.state().operations == ()
    assert imported(forged, "Trần Văn Bình") == 1
    assert YOUNG.kid not in scene.look().keys
    assert imported(honest, "Nguyễn Thị Hoa") == 0
    scene.arrived()
    told = [(done.who, done.what, done.detail.rpartition(": ")[2]) for done in scene.state().operations]
    assert told == [
        ("Nguyễn Thị Hoa", "import", "generation 2, new"),
        ("Trần Văn Bình", "import", "refused, MISMATCH"),
    ]
    assert {done.at for done in scene.state().operations} == {NIGHT}
