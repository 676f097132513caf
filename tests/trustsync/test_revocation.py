"""Revocation on the unit: mapped parts, gaps, and what a night with a delta really fetches and writes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from desk import Desk, Signer, dose, reopened, vaccination
from trust_site import DAY, START, Publisher, Site, hashed, key

from issuer.keys import Algorithm
from trustsync.deltas import plan_segments, revocation_targets
from trustsync.errors import Alarm, RefusedError
from trustsync.generation import directory_of, target_file
from trustsync.revocation import MappedRevocation, open_revocation
from trustsync.segments import (
    SegmentRecord,
    describe,
    encode_segment,
    encode_timed_segment,
    entry_width,
    segment_path,
)
from trustsync.store import open_store
from verifier.reasons import Reason, State
from verifier.trust import HashKind, KeyStatus, TrustList, country_scope

SCOPE = bytes([1]) * 8
UCI, ALLOWED = HashKind.UCI, HashKind.ALLOWED
EXPIRES = START + 14 * DAY


def named(numbers: Iterable[int]) -> list[bytes]:
    """Revocation hashes of invented identifiers."""
    return [hashed(f"id-{number}") for number in numbers]


def opened(folder: Path, files: dict[SegmentRecord, bytes]) -> MappedRevocation:
    """These parts as files, opened; a part without bytes is not written."""
    for record, data in files.items():
        path = folder / record.path
        path.parent.mkdir(exist_ok=True)
        if data:
            path.write_bytes(data)
    return open_revocation(files, lambda path: folder / path, expires=EXPIRES)


# --- Parts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, 20_000], ids=["in memory", "mapped"])
def test_an_entry_counts_wherever_it_stands(tmp_path: Path, size: int) -> None:
    """In the base, in the first delta, in the last; nothing else is found, and no other scope or kind."""
    chunks = [range(n * size, (n + 1) * size) for n in range(9)]
    parts = [encode_segment(named(chunk)) for chunk in chunks]
    files = {describe(SCOPE, UCI, data, number): data for number, data in enumerate(parts)}
    revocation = opened(tmp_path, files)
    for chunk in chunks:
        for digest in named([chunk[0], chunk[size // 2], chunk[-1]]):
            assert revocation.holds(SCOPE, UCI, digest)
            assert not revocation.holds(b"other", UCI, digest)
            assert not revocation.holds(SCOPE, HashKind.SIGNATURE, digest)
    assert not any(revocation.holds(SCOPE, UCI, digest) for digest in named(range(9 * size, 9 * size + 100)))


def test_of_several_parts_the_latest_instant_counts(tmp_path: Path) -> None:
    """Another publisher may put a later instant into a delta, or an earlier one."""
    one, two, three = named(range(3))
    days: list[dict[bytes, int]] = [{one: 1, two: 5}, {one: 3, two: 4}, {one: 2, three: 9}]
    files = {}
    for number, said in enumerate(days):
        data = encode_timed_segment((digest, START + day * DAY) for digest, day in said.items())
        files[describe(SCOPE, HashKind.RID_BEFORE, data, number)] = data
    revocation = opened(tmp_path, files)
    for digest, day in ((one, 3), (two, 5), (three, 9)):
        assert revocation.before(SCOPE, digest) == START + day * DAY
        assert revocation.holds(SCOPE, HashKind.RID_BEFORE, digest)
    (unknown,) = named([4])
    assert revocation.before(SCOPE, unknown) is None
    assert revocation.before(b"other", one) is None
    assert not revocation.holds(SCOPE, HashKind.RID_BEFORE, unknown)


def test_what_lets_in_is_compared_in_all_of_its_bytes(tmp_path: Path) -> None:
    """Two hashes that agree in their first eight bytes are two."""
    (digest,) = named([1])
    near = digest[:8] + bytes(8)
    data = encode_segment([near], entry_width(ALLOWED))
    revocation = opened(tmp_path, {describe(SCOPE, ALLOWED, data): data})
    assert revocation.holds(SCOPE, ALLOWED, near)
    assert not revocation.holds(SCOPE, ALLOWED, digest)


@pytest.mark.parametrize("kind", [UCI, ALLOWED])
@pytest.mark.parametrize("lost", [0, 1])
def test_a_part_that_is_missing_is_a_gap_for_its_scope(tmp_path: Path, kind: HashKind, lost: int) -> None:
    """A delta as well as a base, and of what lets in as well as of what revokes; the rest is found."""
    files = {}
    for number, chunk in enumerate((range(10), range(10, 20))):
        data = encode_segment(named(chunk), entry_width(kind))
        files[describe(SCOPE, kind, data, number)] = b"" if number == lost else data
    revocation = opened(tmp_path, files)
    gone, there = named([10 * lost, 10 - 10 * lost])
    assert revocation.gap(SCOPE, START) == "a part of the revocation list is missing on this unit"
    assert revocation.gap(SCOPE, None) is not None
    assert revocation.gap(b"other", START) is None
    assert revocation.holds(SCOPE, kind, there)
    assert not revocation.holds(SCOPE, kind, gone)


def test_a_list_past_its_own_expiry_is_a_gap_for_every_scope(tmp_path: Path) -> None:
    """At any age of the keys; before that instant it is none, and where time is not judged neither."""
    revocation = opened(tmp_path, {})
    assert revocation.gap(SCOPE, EXPIRES - timedelta(seconds=1)) is None
    assert revocation.gap(SCOPE, EXPIRES) == "the revocation list was valid until 2021-12-12 10:00 UTC"
    assert revocation.gap(SCOPE, None) is None


MANY = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from trustsync.revocation import open_revocation
from trustsync.segments import describe
from verifier.trust import HashKind
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
file = Path(sys.argv[1])
data = file.read_bytes()
records = [describe(n.to_bytes(8), HashKind.UCI, data) for n in range(300)]
opened = [open_revocation(records, lambda path: file, expires=datetime.now(UTC)) for _ in range(2)]
assert all(each.holds((299).to_bytes(8), HashKind.UCI, data[-8:] + bytes(8)) for each in opened)
"""


def test_more_segments_than_files_may_usually_be_open_are_mapped(tmp_path: Path) -> None:
    """Each mapping takes a descriptor, two generations are open at a switch, and the usual limit is 1,024."""
    path = tmp_path / "segment"
    path.write_bytes(b"".join(n.to_bytes(8) for n in range(1, 9000)))
    done = subprocess.run([sys.executable, "-c", MANY, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- From the publisher to the card ------------------------------------------------------------------------


class Nightly(Publisher):
    """A publisher that keeps its bases and writes deltas. segments: what is published now."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.segments: dict[SegmentRecord, bytes] = {}

    def _targets(self) -> dict[str, dict[str, bytes]]:
        published = super()._targets()
        wanted = {
            name: encode_segment(digests, entry_width(name[1])) for name, digests in self.revoked.items()
        }
        self.segments = plan_segments(self.segments, wanted)
        published["revocation"] = revocation_targets(self.segments)
        return published


@pytest.fixture
def nightly(site: Site) -> Site:
    """The site with a publisher of deltas, and one base of 20,000 entries installed."""
    shutil.rmtree(site.publisher.directory)
    site.publisher = Nightly(site.publisher.directory)
    site.publisher.revoked = {(SCOPE, UCI): named(range(20_000))}
    site.publisher.publish(START)
    site.sync(START)
    return site


def on_card(site: Site, path: str, generation: int) -> Path:
    return target_file(directory_of(site.store, generation), path)


def test_a_night_of_additions_fetches_and_writes_only_the_delta(nightly: Site) -> None:
    """The base is the same file on the card as before, not a copy; every part is looked up."""
    base, delta = segment_path(SCOPE, UCI), segment_path(SCOPE, UCI, 1)
    before = on_card(nightly, base, 1).stat()
    nightly.publisher.revoked[SCOPE, UCI] = named(range(20_500))
    nightly.publisher.publish(START + DAY)

    result = nightly.sync(START + DAY)

    assert result.generation == 2
    fetched = [path for path in nightly.server.asked if path.endswith(".seg")]
    assert [path.split(".", 1)[1] for path in fetched] == [delta.removeprefix("revocation/")]
    after = on_card(nightly, base, 2).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert on_card(nightly, delta, 2).stat().st_size == 500 * 8
    snapshot = open_store(nightly.store).current()
    assert snapshot.sets["revocation"].count == 20_500
    revocation = snapshot.trust.revocation
    assert all(revocation.holds(SCOPE, UCI, digest) for digest in named([0, 19_999, 20_000, 20_499]))
    assert not any(revocation.holds(SCOPE, UCI, digest) for digest in named(range(20_500, 20_600)))


def test_an_entry_that_is_taken_back_is_gone_the_next_night(nightly: Site) -> None:
    """A new base takes the place of all parts, under the old name; nothing of them is looked up."""
    for number, count in enumerate((20_500, 20_600), 1):
        nightly.publisher.revoked[SCOPE, UCI] = named(range(count))
        nightly.publisher.publish(START + number * DAY)
        nightly.sync(START + number * DAY)
    nightly.publisher.revoked[SCOPE, UCI] = named(range(1, 20_600))
    nightly.publisher.publish(START + 3 * DAY)
    nightly.sync(START + 3 * DAY)
    revocation = open_store(nightly.store).current().trust.revocation
    assert not revocation.holds(SCOPE, UCI, named([0])[0])
    assert all(revocation.holds(SCOPE, UCI, digest) for digest in named([1, 20_000, 20_599]))
    names = sorted(path.name for path in on_card(nightly, "revocation", 4).glob("*.seg"))
    assert names == [segment_path(SCOPE, UCI).removeprefix("revocation/")]


def test_a_delta_that_is_lost_on_the_card_is_a_gap_and_not_the_end_of_the_list(nightly: Site) -> None:
    """The list stays in force: what the base says is known, and nobody is called "not revoked"."""
    nightly.publisher.revoked[SCOPE, UCI] = named(range(20_500))
    nightly.publisher.publish(START + DAY)
    nightly.sync(START + DAY)
    on_card(nightly, segment_path(SCOPE, UCI, 1), 2).unlink()
    revocation = open_store(nightly.store).current().trust.revocation
    assert revocation.holds(SCOPE, UCI, named([7])[0])
    assert revocation.gap(SCOPE, START + DAY) is not None
    assert revocation.gap(bytes([2]) * 8, START + DAY) is None


def test_a_list_that_promises_what_was_issued_and_does_not_say_it_is_refused(nightly: Site) -> None:
    """Else one forgotten file would refuse everything that a ministry has issued."""
    before = nightly.facts()
    nightly.publisher.keys = [key(1, status=KeyStatus.WITHDRAWN, allowed=True), key(2)]
    nightly.publisher.publish(START + DAY)
    with pytest.raises(RefusedError) as caught:
        nightly.sync(START + DAY)
    assert caught.value.alarm is Alarm.CONTENT
    assert (bytes([1]) * 8).hex() in str(caught.value)
    assert nightly.facts() == before

    nightly.publisher.revoked[SCOPE, ALLOWED] = named([1])
    nightly.publisher.publish(START + DAY)
    nightly.sync(START + DAY)
    trust = open_store(nightly.store).current().trust
    (held,) = trust.candidates(SCOPE)
    assert (held.status, held.allowed) == (KeyStatus.WITHDRAWN, True)
    assert trust.revocation.holds(SCOPE, ALLOWED, named([1])[0])


# --- At the desk -------------------------------------------------------------------------------------------


def judged_with(trust: TrustList, signer: Signer, text: str, now: datetime) -> tuple[State, list[Reason]]:
    """A desk's answer by a synced list of revocation."""
    desk = Desk(now=now, revocation=trust.revocation)
    desk.signer(label="1")
    assert desk.keys[0].kid == signer.kid
    return desk.outcome(text)


@pytest.mark.scenario("SC-K08")
@pytest.mark.parametrize("late", [False, True], ids=["in the base", "in a delta"])
@pytest.mark.parametrize("kind", [HashKind.UCI, HashKind.COUNTRYCODEUCI, HashKind.SIGNATURE])
def test_a_certificate_on_the_published_list_is_revoked_by_each_kind_of_hash(
    nightly: Site, kind: HashKind, late: bool
) -> None:
    """By identifier, by country and identifier, by signature: published, synced, FAIL in all three."""
    now = START + DAY
    signer = Desk(now=now).signer(Algorithm.ES256)
    text = signer.issue(vaccination(dt="2021-11-01"))
    hashed_text: dict[HashKind, bytes] = {
        HashKind.UCI: dose()["ci"].encode(),
        HashKind.COUNTRYCODEUCI: ("XV" + dose()["ci"]).encode(),
        HashKind.SIGNATURE: reopened(text)[0].signature[:32],
    }
    entry = hashlib.sha256(hashed_text[kind]).digest()[:16]
    scope = country_scope("XV") if kind is HashKind.COUNTRYCODEUCI else signer.kid
    others = named(range(30_000))

    def published(entries: list[bytes], when: datetime) -> TrustList:
        nightly.publisher.revoked[scope, kind] = entries
        nightly.publisher.publish(when)
        nightly.sync(when)
        return open_store(nightly.store).current().trust

    trust = published(others, now)
    assert judged_with(trust, signer, text, now) == (State.PASS, [])
    later = now + timedelta(hours=1)
    trust = published([*others, entry] if late else [entry], later)
    assert any(record.part for record in nightly.publisher.segments) is late  # type: ignore[attr-defined]
    assert judged_with(trust, signer, text, later) == (State.FAIL, [Reason.REVOKED])


def test_a_list_that_was_not_renewed_is_said_to_be_unchecked(nightly: Site) -> None:
    """What is found is revoked all the same; "not found" is no answer any more."""
    signer = Desk(now=START).signer()
    good = signer.issue(vaccination(dt="2021-11-01"))
    nightly.publisher.revoked[signer.kid, UCI] = named([1])
    nightly.publisher.publish(START + DAY)
    nightly.sync(START + DAY)
    trust = open_store(nightly.store).current().trust
    assert judged_with(trust, signer, good, START + 2 * DAY) == (State.PASS, [])
    over = START + 16 * DAY
    assert judged_with(trust, signer, good, over) == (State.CHECK, [Reason.REVOCATION_UNCHECKED])
    revoked = hashlib.sha256(dose()["ci"].encode()).digest()[:16]
    nightly.publisher.revoked[signer.kid, UCI] = [revoked]
    nightly.publisher.publish(START + 2 * DAY)
    nightly.sync(START + 2 * DAY)
    trust = open_store(nightly.store).current().trust
    assert judged_with(trust, signer, good, over + DAY) == (State.FAIL, [Reason.REVOKED])
