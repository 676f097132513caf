"""A list that is carried to a post without a network: the same code, some grace, a name in the book."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from trust_site import DAY, START, Site, key

from trustsync.cli import main
from trustsync.errors import Alarm, RefusedError
from trustsync.facts import STATE_NAME, read_state
from trustsync.store import open_store
from verifier.trust import ListState

KID_3 = bytes([3]) * 8


@pytest.fixture
def stick(site: Site, tmp_path: Path) -> Path:
    """A stick with a newer list, signed a day after the unit's own."""
    site.sync(START)
    site.publisher.keys.append(key(3))
    site.publisher.publish(START + DAY)
    site.publisher.copy(tmp_path / "stick")
    return tmp_path / "stick"


def arguments(site: Site, stick: Path, at: str) -> list[str]:
    root = site.publisher.directory / "metadata" / "1.root.json"
    return ["import", str(stick), "--root", str(root), "--store", str(site.store), "--at", at, "--json"]


@pytest.mark.scenario("SC-K20")
def test_a_list_from_a_stick_passes_the_same_checks_and_is_written_down(
    site: Site, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked of the network; the list is in force; who brought it and when stands in the status."""
    site.server.asked.clear()
    at = (START + DAY + timedelta(hours=2)).isoformat()
    assert main([*arguments(site, stick, at), "--by", "Nguyễn Thị Hoa"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is True
    assert site.server.asked == []
    assert KID_3 in open_store(site.store).current().trust.keys

    main(["status", "--store", str(site.store), "--json", "--at", at])
    (done,) = json.loads(capsys.readouterr().out)["operations"]
    assert (done["who"], done["what"]) == ("Nguyễn Thị Hoa", "import")
    assert done["at"] == (START + DAY + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    assert done["detail"] == f"{stick}: generation 2, new"


@pytest.mark.scenario("SC-K20")
def test_a_stick_with_another_signature_is_refused_and_written_down_too(
    site: Site, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same checks: one changed bit in a target is refused, and the book tells who brought it."""
    target = next((stick / "targets" / "trust").glob("*.keys.cbor"))
    for path in (stick / "targets" / "trust").glob("*.keys.cbor"):
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    before = site.facts()
    at = (START + DAY).isoformat()
    assert main([*arguments(site, stick, at), "--by", "Trần Văn Bình"]) == 1
    assert json.loads(capsys.readouterr().out)["alarm"] == "MISMATCH"
    assert site.facts() == before
    state = read_state(site.store / STATE_NAME)
    assert state is not None
    assert [(done.who, done.detail) for done in state.operations] == [
        ("Trần Văn Bình", f"{stick}: refused, MISMATCH")
    ]
    assert target.exists()


def test_a_stick_that_travelled_for_weeks_is_taken_and_its_age_still_counts(site: Site, stick: Path) -> None:
    """Its timestamp expired after three days. Newer than ours, it is installed, and amber by its age."""
    late = START + DAY + timedelta(days=20)
    with pytest.raises(RefusedError) as caught:
        site.sync(late)  # the network path has no such grace
    assert caught.value.alarm is Alarm.EXPIRED

    assert site.carried(late, stick).changed
    held = open_store(site.store).current()
    assert KID_3 in held.trust.keys
    assert held.trust.state(late) is ListState.STALE_2


def test_a_stick_beyond_its_grace_or_with_an_expired_root_is_refused(site: Site, stick: Path) -> None:
    """Thirty days after the expiry of anything on it, and never with a root that is over."""
    for late in (START + DAY + timedelta(days=45), START + timedelta(days=366)):
        with pytest.raises(RefusedError) as caught:
            site.carried(late, stick)
        assert caught.value.alarm is Alarm.EXPIRED
        assert KID_3 not in open_store(site.store).current().trust.keys


def test_of_two_sticks_the_newer_wins_in_whatever_order_they_come(
    site: Site, stick: Path, tmp_path: Path
) -> None:
    """Both lists are honest. The older one, brought after the newer, is a rollback and raises the alarm."""
    site.publisher.keys.append(key(4))
    site.publisher.publish(START + 2 * DAY)
    site.publisher.copy(tmp_path / "newer")
    now = START + 2 * DAY
    assert site.carried(now, tmp_path / "newer").changed
    before = site.facts()

    with pytest.raises(RefusedError) as caught:
        site.carried(now, stick)

    assert caught.value.alarm is Alarm.ROLLBACK
    assert site.facts() == before


def test_a_folder_that_is_no_repository_is_a_wrong_use(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and what is expected, before anything is touched."""
    assert main(arguments(site, tmp_path, START.isoformat())) == 2
    assert "metadata/ and targets/" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "two\nlines"])
def test_who_does_it_has_a_name_that_can_be_read(site: Site, stick: Path, name: str) -> None:
    """The book of operations is for people: an empty name, a novel or control characters are refused."""
    found = main([*arguments(site, stick, START.isoformat()), "--by", name])
    assert found == (0 if name == "" else 2)  # an empty one is the user of the session
