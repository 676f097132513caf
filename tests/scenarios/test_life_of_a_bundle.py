"""Part L of the scenario table: how rules reach a unit, wait there, change, expire, and what refuses them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from border import CHECK, FAIL, PASS, Border, answer, reasons
from desk import Desk, instant, vaccination
from nacl.signing import SigningKey
from places import ROOT
from trust_site import Publisher, Server, Site

from appliance.config import RulesConfig
from appliance.judging import Basis, judge
from appliance.supply import ORDERS_S, OrderSupply
from trustsync import shipped
from trustsync.errors import Alarm, RefusedError
from trustsync.facts import STATE_NAME, read_state
from trustsync.orders import sign_order, write_public
from trustsync.store import TrustSnapshot, open_store
from trustsync.targets import KeyRecord
from verifier.clocks import Reading, clock_state, reckoned
from verifier.policy.bundle import RuleBundle, upcoming
from verifier.policy.bundle_json import BundleError, decode_bundles, encode_bundles, read_bundle
from verifier.policy.context import Context, Journey, Mode
from verifier.policy.explain import explained
from verifier.reasons import Reason
from verifier.trust import Domain
from verifier.verdict import Verdict

sys.path.append(str(ROOT / "tests" / "appliance"))  # the gate's bench stands with the gate's own tests
from gate_rig import Rig

FLIP = instant("2022-05-15T00:00:00+07:00")  # vn-2022-05 begins
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
BY_AIR = Context(mode=Mode.AIR)


class Unit:
    """A unit that has synced over HTTP from a repository with these bundles, and has no network since."""

    def __init__(self, folder: Path, *bundles: RuleBundle, at: datetime) -> None:
        self.desk = Desk(now=at)
        self.signer = self.desk.signer()
        self.publisher = Publisher(folder / "repository")
        self.publisher.keys = [
            KeyRecord(replace(key, domain=Domain.HCERT), "production") for key in self.desk.keys
        ]
        self.folder = folder
        self.sync(*bundles, at=at)

    def sync(self, *bundles: RuleBundle, at: datetime) -> None:
        """One publication, one sync, and the server is gone again."""
        self.publisher.bundles = list(bundles)
        self.publisher.publish(at.astimezone(UTC))
        server = Server(self.publisher.directory)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            Site(self.publisher, server, self.folder / "store").sync(at)
        finally:
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)

    def held(self) -> TrustSnapshot:
        """What a reader finds in the store, opened anew as after a restart."""
        return open_store(self.folder / "store").current()

    def basis(self, at: datetime, context: Context = BY_AIR, orders: tuple[RuleBundle, ...] = ()) -> Basis:
        held = self.held()
        reading = Reading(at)
        now, clock = reckoned(reading, held.clock), clock_state(reading, held.clock)
        return Basis(held.trust, held.bundles, now, clock, held.floor, context=context, orders=orders)

    def judge(self, code: str, at: datetime, context: Context = BY_AIR) -> Verdict:
        """What the unit makes of a code when its clock says ``at``."""
        return judge(code, self.basis(at, context)).verdict


def judged_by(verdict: Verdict) -> str:
    """Name and version of the bundle, as a result shows them."""
    return f"{verdict.bundle.name} {verdict.bundle.version}" if verdict.bundle else "none"


def own_rules(**change: Any) -> dict[str, Any]:
    """A small rule set of our own language: a full course, fourteen days ago."""
    row: dict[str, Any] = {
        "name": "course",
        "version": "1.0.0",
        "asks": "rules",
        "valid_from": "2021-01-01T00:00:00+07:00",
        "texts": {"vi": "Đủ liều", "en": "Full course"},
        "rules": [
            {
                "id": "full-course",
                "version": "1.0.0",
                "on": "vaccination",
                "logic": {">=": [{"need": ["event.dose"]}, {"need": ["event.doses"]}]},
                "reason": "DOSE_SHORT",
                "texts": {"vi": "Đủ số liều", "en": "As many doses as the course has"},
            },
            {
                "id": "fourteen-days",
                "version": "1.0.0",
                "on": "vaccination",
                "logic": {
                    "not-before": [
                        {"var": "desk.today"},
                        {"shift": [{"need": ["event.given"]}, 14, "day"]},
                    ]
                },
                "reason": "TOO_SOON",
                "state": "FAIL",
                "texts": {"vi": "Ít nhất 14 ngày", "en": "At least 14 days ago"},
            },
        ],
        "always": ["full-course", "fourteen-days"],
    }
    return row | change


def changed(change: Mapping[str, Any], rule: int = 0) -> dict[str, Any]:
    """The same with one rule changed."""
    row = deepcopy(own_rules())
    row["rules"][rule] |= change
    return row


# --- L01, L02: delivered asleep -----------------------------------------------------------------------------


@pytest.fixture
def delivered(tmp_path: Path) -> Unit:
    """Both sets of rules were delivered a week early; since then there is no network."""
    bundles = [shipped.bundle("vn-2022-03"), shipped.bundle("vn-2022-05")]
    return Unit(tmp_path, *bundles, at=FLIP - 6.5 * DAY)


@pytest.mark.scenario("SC-L01")
def test_rules_delivered_a_week_early_flip_to_the_second_without_network(delivered: Unit) -> None:
    """vn-2022-05 is on the unit a week early; offline, it counts from its instant and not a moment before; it
    is known the day before by name and instant.
    """
    code = delivered.signer.issue(vaccination(dt="2022-01-10"))
    before, after = delivered.judge(code, FLIP - timedelta(microseconds=1)), delivered.judge(code, FLIP)
    assert (judged_by(before), before.state) == ("vn-2022-03 1.0.0", CHECK)
    assert Reason.NEED_SECOND_DOC in reasons(before)
    assert (judged_by(after), after.state) == ("vn-2022-05 1.0.0", PASS)
    coming = upcoming(delivered.held().bundles, FLIP - DAY, BY_AIR)
    assert coming is not None
    assert (coming.name, coming.begins) == ("vn-2022-05", FLIP)
    assert upcoming(delivered.held().bundles, FLIP, BY_AIR) is None


@pytest.mark.parametrize(
    ("early", "said"), [(DAY, "00:00 15/05/2022"), (2 * DAY, None)], ids=["the day before", "earlier"]
)
def test_the_page_says_the_day_before_which_rules_come(
    delivered: Unit, early: timedelta, said: str | None
) -> None:
    """What comes and when stands below the results from the calendar day before on."""
    rig = gate_of(delivered, FLIP - early)
    rig.rounds(1.0)
    following = rig.hub.standing()["rules"]["next"]
    assert (following and (following["bundle"], following["date"])) == (said and ("vn-2022-05", said))


@pytest.mark.parametrize(
    ("first", "second"),
    [(SECOND, SECOND), (timedelta(microseconds=1), timedelta(0))],
    ids=["23:59:59 and 00:00:01", "the last moment and the instant"],
)
@pytest.mark.scenario("SC-L02")
def test_scanned_before_and_after_the_instant_a_traveller_gets_two_answers(
    delivered: Unit, first: timedelta, second: timedelta
) -> None:
    """23:59:59 and 00:00:01: each answer names the bundle and version by which it was given."""
    code = delivered.signer.issue(vaccination(dt="2022-01-10"))
    given = [delivered.judge(code, at) for at in (FLIP - first, FLIP + second)]
    assert [(judged_by(each), each.state) for each in given] == [
        ("vn-2022-03 1.0.0", CHECK),
        ("vn-2022-05 1.0.0", PASS),
    ]


def gate_of(unit: Unit, at: datetime, **options: Any) -> Rig:
    """A gate at this desk that lives on the unit's store."""
    rig = Rig(replace(unit.desk, now=at), **({"context": BY_AIR} | options))
    rig.open_trust = lambda: open_store(unit.folder / "store")
    return rig


@pytest.mark.scenario("SC-L02")
def test_a_certificate_held_up_across_the_instant_is_answered_twice(delivered: Unit) -> None:
    """The network is off and the code stays in view: before the instant it is judged by the old rules, after
    it by the new ones, without being shown again; lamp and page follow. It is one traveller, counted once.
    """
    rig = gate_of(delivered, FLIP - 2 * SECOND)
    rig.hold(delivered.signer.issue(vaccination(dt="2022-01-10")), 1.5)
    assert [judged_by(each.verdict) for each in rig.answers] == ["vn-2022-03 1.0.0"]
    assert (rig.page()["state"], rig.page()["rules"]["bundle"]) == ("CHECK", "vn-2022-03")
    rig.rounds(1.5)
    assert [(judged_by(each.verdict), each.verdict.state) for each in rig.answers] == [
        ("vn-2022-03 1.0.0", CHECK),
        ("vn-2022-05 1.0.0", PASS),
    ]
    assert (rig.page()["state"], rig.page()["rules"]["bundle"]) == ("PASS", "vn-2022-05")
    assert rig.lamp.signal.value == "PASS"
    assert rig.page()["results"] == 1
    rig.rounds(3.0)
    assert len(rig.answers) == 2, "nothing is said a third time"
    rig.close()


# --- L03, L04: no rules -------------------------------------------------------------------------------------


@pytest.mark.scenario("SC-L03")
def test_where_no_bundle_speaks_of_the_route_the_facts_are_shown_and_nothing_passes() -> None:
    """Transit under rules for entry: CHECK RULES_MISSING, the authentic facts; a forgery is still FAIL."""
    border = Border("vn-2022-03", at="2022-03-20T09:00:00+07:00", journey=Journey.TRANSIT)
    code = border.signer.issue(vaccination(dt="2022-01-10"))
    verdict = border.judge(code)
    assert answer(verdict) == (CHECK, [Reason.RULES_MISSING], [])
    assert verdict.bundle is None
    assert verdict.certificate is not None
    assert verdict.certificate.holder.surname == "Nguyễn"
    forged = code[:-6] + ("A" if code[-6] != "A" else "B") + code[-5:]
    assert border.judge(forged).state is FAIL
    expired = border.judge(vaccination(dt="2022-01-10"), exp=int((border.at - DAY).timestamp()))
    assert (expired.state, reasons(expired)[0]) == (FAIL, Reason.EXPIRED)


@pytest.mark.scenario("SC-L04")
def test_rules_that_are_over_without_a_successor_pass_nobody() -> None:
    """The end is exclusive: a moment before it PASS, at it CHECK RULES_EXPIRED naming what is over."""
    end = "2022-03-20T09:00:00+07:00"
    bundle = read_bundle(own_rules(valid_to=end))
    assert Border(bundle, at=end).judge(vaccination(dt="2022-01-10")).state is CHECK
    verdict = Border(bundle, at=end).judge(vaccination(dt="2022-01-10"))
    assert answer(verdict) == (CHECK, [Reason.RULES_EXPIRED], [])
    assert verdict.reasons[0].detail == "course 1.0.0"
    before = Border(bundle, at="2022-03-20T08:59:59.999999+07:00")
    assert before.judge(vaccination(dt="2022-01-10")).state is PASS


# --- L05: roll-back -----------------------------------------------------------------------------------------


@pytest.mark.scenario("SC-L05")
def test_an_older_bundle_is_refused_unless_it_is_signed_as_a_roll_back(tmp_path: Path) -> None:
    """1.0.0 after 2.0.0: refused with its whole list, alarm, and 2.0.0 goes on judging; the same signed as a
    roll-back that names 2.0.0 is taken, and 2.0.0 does not come back without a higher number.
    """
    at = instant("2022-03-20T09:00:00+07:00")
    old, new = read_bundle(own_rules()), read_bundle(own_rules(version="2.0.0"))
    unit = Unit(tmp_path, new, at=at)
    code = unit.signer.issue(vaccination(dt="2022-01-10"))
    with pytest.raises(RefusedError, match=r'"replaces": "2\.0\.0"'):
        unit.sync(old, at=at + DAY)
    state = read_state(tmp_path / "store" / STATE_NAME)
    assert state is not None
    assert [alarm.code for alarm in state.alarms] == [Alarm.ROLLBACK]
    assert judged_by(unit.judge(code, at + DAY)) == "course 2.0.0"
    unit.sync(replace(old, replaces="2.0.0"), at=at + 2 * DAY)
    assert judged_by(unit.judge(code, at + 2 * DAY)) == "course 1.0.0"
    with pytest.raises(RefusedError, match="was taken back"):
        unit.sync(new, at=at + 3 * DAY)
    unit.sync(replace(new, version="2.0.1"), at=at + 4 * DAY)
    assert judged_by(unit.judge(code, at + 4 * DAY)) == "course 2.0.1"


# --- L06, L07, L09: what stands in a bundle -----------------------------------------------------------------

BROKEN = {
    "an unknown operator": {"logic": {"horoscope": [{"var": "event.given"}]}},
    "a value set that is not there": {"logic": {"listed": [{"var": "event.product"}, "no-such-set"]}},
    "one that raises": {"logic": {"before": [{"var": "event.given"}, {"var": "desk.now"}]}},
    "one that raises in its condition": {"when": {"before": [1, 2]}, "logic": False},
    "an operator of another dialect's form": {"logic": {"if": [True]}},
    "one that is too deep": {"logic": {"!": [{"!": [{"!": [1]}]}]}},
}
BROKEN["one that is too deep"] = {"logic": 1}
for _ in range(100):
    BROKEN["one that is too deep"] = {"logic": {"!": [BROKEN["one that is too deep"]["logic"]]}}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
@pytest.mark.scenario("SC-L06")
def test_a_rule_that_cannot_be_judged_is_unknown_and_the_others_still_run(broken: dict[str, Any]) -> None:
    """The bundle loads; that rule alone is CHECK RULE_UNKNOWN, and one that is not met is still FAIL."""
    bundle = decode_bundles(encode_bundles([read_bundle(changed(broken))]))[0]
    border = Border(bundle, at="2022-03-20T09:00:00+07:00")
    assert answer(border.judge(vaccination(dt="2022-01-10"))) == (CHECK, [Reason.RULE_UNKNOWN], [])
    verdict = border.judge(vaccination(dt="2022-03-10"))
    assert answer(verdict) == (FAIL, [Reason.TOO_SOON, Reason.RULE_UNKNOWN], [])
    assert {found.detail for found in verdict.reasons} == {"full-course", "fourteen-days"}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_a_way_with_a_rule_that_cannot_be_judged_neither_passes_nor_refuses(broken: dict[str, Any]) -> None:
    """Inside a requirement the same: what cannot be told is no refusal and no pass."""
    row = changed(broken) | {
        "always": [],
        "requirements": [
            {
                "id": "dose",
                "any": [{"id": "full", "on": "vaccination", "rules": ["full-course", "fourteen-days"]}],
            }
        ],
    }
    verdict = Border(read_bundle(row), at="2022-03-20T09:00:00+07:00").judge(vaccination(dt="2022-01-10"))
    assert answer(verdict) == (CHECK, [Reason.RULE_UNKNOWN], [])


def two_versions(*texts: tuple[str, int]) -> dict[str, Any]:
    """A bundle with one rule in several versions, each asking another number of days."""
    row = deepcopy(own_rules())
    rule = row["rules"].pop()
    for version, days in texts:
        logic = {"not-before": [{"var": "desk.today"}, {"shift": [{"need": ["event.given"]}, days, "day"]}]}
        row["rules"].append(rule | {"version": version, "logic": logic})
    return row


@pytest.mark.scenario("SC-L07")
def test_of_two_versions_in_force_the_higher_one_counts_and_equal_ones_refuse_the_whole(
    tmp_path: Path,
) -> None:
    """Versions of one rule in a bundle, and of one bundle in a list: the higher wins, whatever their order;
    two of one version with different texts are refused with everything beside them.
    """
    at = "2022-03-20T09:00:00+07:00"
    given = vaccination(dt="2022-03-01")  # nineteen days ago
    for versions in ([("1.9.0", 14), ("1.10.0", 21)], [("1.10.0", 21), ("1.9.0", 14)]):
        verdict = Border(read_bundle(two_versions(*versions)), at=at).judge(given)
        assert answer(verdict) == (FAIL, [Reason.TOO_SOON], [])
        (row,) = [row for row in explained(verdict) if row["rule"] == "fourteen-days"]
        assert row["rule_version"] == "1.10.0"
    with pytest.raises(BundleError, match=r"fourteen-days 1\.0\.0 stands there twice"):
        read_bundle(two_versions(("1.0.0", 14), ("1.0.0", 21)))

    lower, higher = read_bundle(own_rules(version="1.9.0")), read_bundle(own_rules(version="1.10.0"))
    for bundles in ([lower, higher], [higher, lower]):
        assert judged_by(Border(*bundles, at=at).judge(given)) == "course 1.10.0"

    unit = Unit(tmp_path, lower, at=instant(at))
    with pytest.raises(RefusedError, match=r"course 1\.9\.0 stands there twice") as caught:
        unit.sync(lower, replace(lower, source="another letter"), at=instant(at) + DAY)
    assert caught.value.alarm is Alarm.CONTENT
    code = unit.signer.issue(vaccination(dt="2022-01-10"))
    assert judged_by(unit.judge(code, instant(at) + DAY)) == "course 1.9.0"


def test_a_version_of_a_rule_counts_in_its_own_period() -> None:
    """The higher one, but only while it is in force: before its day the lower one is asked."""
    row = two_versions(("1.0.0", 14), ("2.0.0", 21))
    row["rules"][-1]["valid_from"] = "2022-03-21T00:00:00+07:00"
    given = vaccination(dt="2022-03-01")
    states = [
        Border(read_bundle(row), at=at).judge(given).state
        for at in ("2022-03-20T23:59:59+07:00", "2022-03-21T00:00:00+07:00")
    ]
    assert states == [PASS, FAIL]


@pytest.mark.scenario("SC-L09")
def test_a_rule_without_vietnamese_is_shown_in_english_with_a_mark() -> None:
    """On the "why?" screen and in the note: nothing is left out, and nobody takes it for a translation."""
    bundle = read_bundle(
        changed({"texts": {"en": "At least 14 days ago"}, "notes": {"en": "valid from {day}"},
                 "values": {"day": {"shift": [{"need": ["event.given"]}, 14, "day"]}}}, rule=1)
    )  # fmt: skip
    verdict = Border(bundle, at="2022-03-20T09:00:00+07:00").judge(vaccination(dt="2022-03-10"))
    (row,) = [row for row in explained(verdict) if row["rule"] == "fourteen-days"]
    assert row["texts"] == {
        "vi": "[EN] At least 14 days ago",
        "en": "At least 14 days ago",
        "marked": True,
    }
    (note,) = [found.note for found in verdict.reasons if found.code is Reason.TOO_SOON]
    assert note is not None
    assert note["en"] == "valid from 24/03/2022"
    (whole,) = [row for row in explained(verdict) if row["rule"] == "full-course"]
    assert not whole["texts"]["marked"]


# --- L08: an order of the post ------------------------------------------------------------------------------

COMMANDER = SigningKey(bytes([51]) * 32)
DAWN = instant("2022-06-01T06:00:00+07:00")
POST = "moc-bai"


def order(**change: Any) -> RuleBundle:
    """An order for one day: everybody shows a negative test, whatever the country asks."""
    row = deepcopy(shipped.source("vn-2022-03"))
    keep = ("test-kind-known", "test-result-known", "test-negative", "test-72-hours")
    row |= {
        "name": "order-moc-bai",
        "post": POST,
        "valid_from": DAWN.isoformat(),
        "valid_to": (DAWN + DAY).isoformat(),
        "texts": {"vi": "Lệnh của đồn Mộc Bài", "en": "Order of the post Moc Bai"},
        "always": [],
        "duties": [],
        "scope": {},
        "rules": [rule for rule in row["rules"] if rule["id"] in keep],
        "requirements": [{"id": "test", "any": [{"id": "pcr", "on": "test", "rules": list(keep)}]}],
    } | change
    return read_bundle(row)


class Post:
    """A unit of a post, with the folder in which its commander's orders are laid down."""

    def __init__(self, folder: Path, *, post: str = POST) -> None:
        self.folder = folder / "orders"
        self.folder.mkdir()
        (folder / "post.pem").write_bytes(write_public(COMMANDER.verify_key))
        self.now = 0.0
        config = RulesConfig(post=post, order_key=str(folder / "post.pem"), mode="air")
        self.context = config.context()
        self.orders = OrderSupply(config, self.folder, monotonic=lambda: self.now)
        self.unit = Unit(folder, shipped.bundle("vn-2022-05"), at=DAWN - DAY)

    def lay_down(self, bundle: RuleBundle, key: SigningKey = COMMANDER) -> None:
        (self.folder / f"{bundle.name}.json").write_bytes(sign_order(bundle, key))
        self.now += ORDERS_S

    def judge(self, code: str, at: datetime = DAWN) -> Verdict:
        return judge(code, self.unit.basis(at, self.context, self.orders.orders())).verdict


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


def vaccinated(post: Post) -> str:
    return post.unit.signer.issue(vaccination(dt="2022-01-10"))


@pytest.mark.scenario("SC-L08")
def test_an_order_of_the_post_counts_there_for_a_day_and_stands_on_every_result(
    post: Post, tmp_path: Path
) -> None:
    """Signed with the post's key, for 24 hours: asked beside the country's rules at that post alone, named on
    each result whatever its state, and gone after its last second.
    """
    code = vaccinated(post)
    assert post.judge(code).state is PASS
    post.lay_down(order())
    verdict = post.judge(code)
    assert (verdict.state, judged_by(verdict)) == (CHECK, "vn-2022-05 1.0.0")
    assert Reason.NEED_SECOND_DOC in reasons(verdict)
    for each in (code, post.unit.signer.issue(vaccination(), exp=1), code[:-9] + "A" * 9, "no certificate"):
        shown = post.judge(each).order
        assert shown is not None
        assert (shown.name, shown.post) == ("order-moc-bai", POST)
    last = DAWN + DAY - timedelta(microseconds=1)
    assert (post.judge(code, DAWN - SECOND).state, post.judge(code, last).state) == (PASS, CHECK)
    over = post.judge(code, DAWN + DAY)
    assert (over.state, over.order) == (PASS, None)
    assert [row["order"] for row in explained(verdict)][-1] is True

    (tmp_path / "other").mkdir()
    other = Post(tmp_path / "other", post="lao-bao")
    other.lay_down(order())
    elsewhere = other.judge(vaccinated(other))
    assert (elsewhere.state, elsewhere.order) == (PASS, None)
    assert "'moc-bai'" in other.orders.refused[0]


def test_an_order_that_begins_while_a_code_is_held_up_is_answered_at_once(post: Post) -> None:
    """It is laid down, or its hour comes, or it is over: the code in view is judged anew each time."""
    rig = gate_of(post.unit, DAWN - 2 * SECOND, context=post.context, orders=post.orders.orders)
    post.lay_down(order(valid_to=(DAWN + 2 * SECOND).isoformat()))
    code = vaccinated(post)
    rig.hold(code, 1.5)
    rig.rounds(5.0)
    assert [(each.verdict.order is not None) for each in rig.answers] == [False, True, False]
    assert [each.verdict.state for each in rig.answers] == [PASS, CHECK, PASS]
    rig.close()


def test_an_order_is_asked_where_the_country_has_no_rules(post: Post) -> None:
    """Rules that are missing are no reason to ask less than the commander ordered."""
    code = vaccinated(post)
    post.lay_down(order())
    post.context = replace(post.context, journey=Journey.TRANSIT)
    verdict = post.judge(code)
    assert answer(verdict) == (CHECK, [Reason.NEED_SECOND_DOC, Reason.RULES_MISSING], [])
    assert [row["rule"] for row in explained(verdict) if row["order"]] == [None]
