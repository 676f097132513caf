"""The page of the trust list, and what a list has to say on the officer's page and in health."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser_rig import Page, assert_contrast, assert_fits, shown
from desk import NOW, Desk, vaccination
from gate_rig import Rig, snapshot_of
from office import NOW as OFFICE_NOW
from office import Office
from selenium import webdriver
from selenium.webdriver.common.by import By

from appliance.cli.vaxgate import run_gate
from appliance.config import Config, load
from appliance.errors import ConfigError
from appliance.judging import Basis, judge
from appliance.kiosk import HEADERS, TRUST_PAGE_S
from appliance.kiosk.facts import Facts, of_findings, of_signal, of_verdict
from appliance.kiosk.hub import Hub
from appliance.kiosk.server import KioskServer
from appliance.kiosk.texts import ADVICE, AGED, RECOGNISED, UNITS
from appliance.kiosk.trust import EVERY_S, TrustPage
from appliance.kiosk.trust_texts import ALARMS, TRUST_TEXTS, TRUST_WORDS
from appliance.signals import Signal
from appliance.supply import FixedTrust
from trustsync.errors import Alarm, StoreError
from trustsync.sets import TargetSet
from trustsync.status import CORRUPT, NO_LIST, Status, read_status
from trustsync.store import Origin
from verifier.reasons import Reason, State, finding
from verifier.recognition import RecognisedIssuer, Recognition, RecognitionClass
from verifier.trust import ClockState, ListState, TrustList

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHONE = "+84 24 3768 0000"
# What a store with a past says: an old list, one part past its end, an alarm, a stick, a failed night.
STATUS: dict[str, Any] = {
    "state": "STALE-2",
    "signed_at": "2022-02-20T02:00:00Z",
    "age_s": 9 * 86400,
    "clock": "BOUNDED",
    "generation": 7,
    "origin": "previous",
    "sets": {
        "root": {"version": 1, "expires": "2023-02-20T02:00:00Z", "count": 3, "age_s": None},
        "trust": {"version": 4, "expires": "2022-04-21T02:00:00Z", "count": 610, "age_s": 9 * 86400},
        "revocation": {"version": 9, "expires": "2022-02-28T02:00:00Z", "count": 12, "age_s": 40 * 3600},
        "rules": {"version": 2, "expires": "2022-05-21T02:00:00Z", "count": 1, "age_s": 20 * 86400},
    },
    "last_sync": "2022-02-20T02:10:00Z",
    "next_try": "2022-03-01T02:15:00Z",
    "last_error": "the repository could not be reached: no route to host",
    "failures": 14,
    "alarms": [{"code": "ROLLBACK", "at": "2022-02-25T02:00:00Z", "text": "timestamp 8, 9 was proven"}],
    "operations": [
        {"at": "2022-02-20T02:09:00Z", "who": "officer 12", "what": "import", "detail": "a USB stick"}
    ],
}


class Store:
    """A status that can be changed, and how often it was read."""

    def __init__(self, **changes: Any) -> None:
        self.status = STATUS | changes
        self.read = 0
        self.error: Exception | None = None
        self.seconds = 0.0

    def __call__(self) -> dict[str, Any]:
        self.read += 1
        if self.error is not None:
            raise self.error
        return self.status

    def page(self) -> TrustPage:
        return TrustPage(self, clock=lambda: NOW, monotonic=lambda: self.seconds)


def get(url: str, path: str, accept: str = "text/html") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    connection.request("GET", path, headers={"Accept": accept})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), body


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    with KioskServer(Hub(site="T2, desk 14", trust_page=store.page()), port=0) as server:
        yield server.url


# --- The page of the list -----------------------------------------------------------------------------------


def test_machines_get_what_the_sync_says_about_itself(url: str) -> None:
    """The object of ``vaxgate-sync status --json``, member by member, under the page's guards."""
    status, headers, body = get(url, "/trust", "application/json")
    assert (status, headers["Content-Type"], json.loads(body)) == (200, "application/json", STATUS)
    assert HEADERS.items() <= headers.items()


PEOPLE = {
    "vi": (
        "quá hạn", "20/02/2022 09:00 · 9 ngày", "chưa xác nhận", "bản trước đó (bản mới bị hỏng)",
        "01/03/2022 09:15", "14", "Máy chủ đưa danh sách cũ hơn danh sách đã biết", "25/02/2022 09:00",
        "Khóa của nơi cấp", "610", "40 giờ", "28/02/2022 09:00 · đã quá hạn", "officer 12",
    ),
    "en": (
        "out of date", "20/02/2022 09:00 · 9 days", "unconfirmed", "the one before (the newest is damaged)",
        "01/03/2022 09:15", "14", "An older list than the known one was offered", "25/02/2022 09:00",
        "Issuers&#39; keys", "610", "40 hours", "28/02/2022 09:00 · past its end", "officer 12",
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", ["vi", "en"])
def test_people_get_the_same_facts_in_words(url: str, language: str) -> None:
    """Versions, ages, states, clock, next try, the last error, alarms, and who did what; desk's time."""
    status, headers, body = get(url, f"/trust?lang={language}")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    said = (
        *("ROLLBACK", "timestamp 8, 9 was proven", STATUS["last_error"], "import", "a USB stick"),
        *("T2, desk 14", "generation" if language == "" else "7"),
    )
    for word in (*PEOPLE[language], *said):
        assert word in body, word
    for heading in ("signed_at", "next_try", "last_error", "alarms", "sets", "operations"):
        assert TRUST_TEXTS[heading][language] in body
    assert f'<html lang="{language}"' in body


def test_without_a_language_or_with_a_strange_one_it_is_the_desks(url: str) -> None:
    """Nothing of an address is repeated on the page."""
    plain = get(url, "/trust")[2]
    assert '<html lang="vi"' in plain
    assert get(url, "/trust?lang=%22%3E%3Cscript%3E")[2] == plain


def test_what_is_new_in_the_status_is_on_the_page_without_a_change_here(store: Store, url: str) -> None:
    """A member, a state, a part or an alarm of a later release is shown by its own name."""
    store.status = STATUS | {
        "state": "STALE-9",
        "disk_free": 12345,
        "fleet": {"heard": True, "at": ["x", 1]},
        "sets": {"weather": {"version": 3}},
        "alarms": [{"code": "METEOR", "at": None, "text": "look up"}],
        "operations": [{"what": "dance"}],
    }
    body = get(url, "/trust?lang=en")[2]
    for word in ("STALE-9", "disk_free", "12345", "heard: True, at: x, 1", "weather", "METEOR", "look up"):
        assert word in body, word
    assert "dance" in body


def test_a_store_that_says_little_still_has_its_page(store: Store, url: str) -> None:
    """No list yet: the state in words, and nothing that looks like a fault of the page."""
    store.status = {"state": "NO_LIST", "signed_at": None, "age_s": None, "sets": {}, "alarms": []}
    body = get(url, "/trust?lang=en")[2]
    assert "no list yet" in body
    assert body.count("none") == 2  # alarms, operations


@pytest.mark.parametrize("error", [StoreError("the card cannot be read"), OSError("the card cannot be read")])
def test_a_store_that_cannot_be_read_says_so(store: Store, url: str, error: Exception) -> None:
    """In words, as a state of its own; the page itself does not fail."""
    store.error = error
    assert json.loads(get(url, "/trust", "application/json")[2]) == {
        "state": "STORE_DOWN", "last_error": "the card cannot be read",
    }  # fmt: skip
    body = get(url, "/trust?lang=en")[2]
    assert "storage cannot be read" in body
    assert "the card cannot be read" in body


def test_what_a_server_said_stays_text(store: Store, url: str) -> None:
    """An error may repeat a stranger's words: no markup, no directions, and not without end."""
    evil = "\u202e<script>alert(1)</script>" + "x" * 5000
    store.status = STATUS | {"last_error": evil, "alarms": [{"code": evil, "at": evil, "text": evil}]}
    body = get(url, "/trust")[2]
    assert "<script" not in body
    assert "\u202e" not in body
    assert len(body) < 8000


def test_the_store_is_read_when_somebody_asks_and_once_a_second_at_most(store: Store) -> None:
    """Nothing is read for a scan, and a page that is reloaded for ever does not wear the card out."""
    hub = Hub(trust_page=store.page())
    hub.publish(of_signal(Signal.READY), result=True)
    assert store.read == 0
    assert hub.trust_page is not None
    for _ in range(5):
        hub.trust_page.facts()
        hub.trust_page.shown("vi")
    assert store.read == 1
    store.seconds += EVERY_S
    hub.trust_page.facts()
    assert store.read == 2


def test_many_who_ask_at_once_cause_one_reading(store: Store) -> None:
    """Whoever comes while the store is being read waits for that answer."""
    page, begun, go = store.page(), threading.Event(), threading.Event()
    read = store.__call__

    def slowly() -> dict[str, Any]:
        begun.set()
        assert go.wait(5)
        return read()

    page._read = slowly
    askers = [threading.Thread(target=page.facts) for _ in range(4)]
    for asker in askers:
        asker.start()
    assert begun.wait(5)
    go.set()
    for asker in askers:
        asker.join(timeout=5)
    assert store.read == 1


def test_a_page_that_nobody_gave_facts_is_not_there() -> None:
    """No dead link: neither the page nor the way to it."""
    with KioskServer(Hub(), port=0) as server:
        assert get(server.url, "/trust")[0] == 404
        assert "/trust" not in get(server.url, "/")[2]


def test_the_page_gives_way_to_the_desk_by_itself(url: str) -> None:
    """Whoever forgets it there does not work without the officer's page."""
    body = get(url, "/trust?lang=en")[2]
    assert re.search(rf'http-equiv="refresh" content="{TRUST_PAGE_S}; url=/#en"', body)
    assert TRUST_PAGE_S <= 120
    assert "<script" not in body


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("kiosk-trust"), seed="kiosk-trust") as opened:
        opened.synced()
        yield opened


def test_a_store_that_was_really_synced_has_its_page(office: Office) -> None:
    """Every part of it by name, with its version and its age."""
    folder = office.folder / "store"
    now = OFFICE_NOW + 3 * DAY
    page = TrustPage(lambda: read_status(folder, now).as_json(), clock=lambda: now)
    facts = page.facts()
    assert (facts["state"], facts["age_s"]) == ("STALE-1", 3 * 86400)
    assert json.dumps(facts)
    shown_page = page.shown("en")
    by_name = {part["name"]: part for part in shown_page["sets"]}
    assert {"Issuers' keys", "Revocations", "Rules"} <= set(by_name)
    assert by_name["Issuers' keys"]["age"] == "3 days"
    assert shown_page["rows"][0].text == "old"
    assert shown_page["rows"][0].warn


def test_the_command_serves_the_page_of_its_own_store(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``vaxgate run``: the way to it on the officer's page, and the parts of the configured store."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "vaxgate.toml").write_text(
        '[camera]\nkind = "files"\npath = "pictures"\n[kiosk]\nport = 0\n[lamp]\nfactory = "mock"\n'
        f'[trust]\nstore = "{office.folder / "store"}"\n[site]\nphone = "{PHONE}"\n'
    )
    config, stop = load(tmp_path / "vaxgate.toml"), threading.Event()
    worker = threading.Thread(target=lambda: run_gate(config, stop), daemon=True)
    worker.start()
    try:
        end = time.monotonic() + 20
        address = ""
        while not address:
            assert time.monotonic() < end
            time.sleep(0.05)
            address += capsys.readouterr().out.strip()
        assert 'href="/trust?lang=vi"' in get(address, "/")[2]
        facts = json.loads(get(address, "/trust", "application/json")[2])
        assert {"trust", "revocation", "rules"} <= set(facts["sets"])
        assert "Khóa của nơi cấp" in get(address, "/trust")[2]
    finally:
        stop.set()
        worker.join(timeout=10)
    assert not worker.is_alive()


# --- Words --------------------------------------------------------------------------------------------------


def test_every_word_of_the_sync_has_its_texts() -> None:
    """Alarms, states, clocks, origins and parts, in both languages."""
    assert set(ALARMS) == set(Alarm)
    assert set(RECOGNISED) == set(RecognitionClass)
    assert set(AGED) == {Reason.LIST_STALE, Reason.LIST_EXPIRED}
    words = (*Origin, NO_LIST, CORRUPT, "root", "trust", "revocation", "rules", "recognition")
    assert set(map(str, words)) <= set(TRUST_WORDS)
    page = Store().page()
    for word in (*ListState, *ClockState):
        page._facts, page._read_at = {"state": word}, float("inf")
        assert page.shown("vi")["rows"][0].text != word
    tables = (ALARMS, RECOGNISED, AGED, TRUST_WORDS, TRUST_TEXTS, ADVICE)
    for table in tables:
        for key, text in table.items():  # type: ignore[attr-defined]
            assert set(text) == {"vi", "en"}, key
            assert all(text.values()), key
    assert all(set(unit) == {"vi", "en"} for unit in UNITS.values())


def test_every_member_of_a_status_has_its_heading() -> None:
    """One of a later release is shown by its own name; those of today have words."""
    members = set(Status.__dataclass_fields__) - {"now"}
    assert members <= set(TRUST_TEXTS)


# --- Health -------------------------------------------------------------------------------------------------


def test_health_tells_the_age_of_each_set_of_data(rig: Rig) -> None:
    """Version, age, end and count of each role; an age of null where the role does not say when it was
    signed.
    """
    known = snapshot_of(rig.desk)
    known.sets = {
        "trust": TargetSet(4, NOW + 60 * DAY, 610, NOW - 5 * HOUR),
        "rules": TargetSet(2, NOW + 90 * DAY, 1),
    }
    rig.open_trust = lambda: FixedTrust(known)
    rig.rounds(1)
    sets = rig.gate.health()["list"]["sets"]
    assert set(sets) == {"trust", "rules"}
    assert sets["rules"] == {
        "version": 2, "age_s": None, "expires": "2022-05-30T02:00:00Z", "count": 1,
    }  # fmt: skip
    assert (sets["trust"]["version"], sets["trust"]["count"]) == (4, 610)
    assert 5 * 3600 <= sets["trust"]["age_s"] <= 5 * 3600 + 2
    assert json.dumps(rig.page()["list"]["sets"]) == json.dumps(rig.gate.health()["list"]["sets"])


# --- Recognition on the page --------------------------------------------------------------------------------


def recognised(desk: Desk, *lines: RecognisedIssuer) -> Facts:
    """The facts of a good certificate of France in a country that recognises these issuers."""
    code = desk.signer(country="FR").issue(vaccination(), iss="FR")
    trust = desk.trust
    known = TrustList(trust.keys, signed_at=trust.signed_at, recognition=Recognition(lines))
    return of_verdict(judge(code, Basis(known, desk.bundles, NOW)).verdict)


def test_the_facts_name_the_class_of_the_issuer(desk: Desk) -> None:
    """Beside the issuer, in both languages; and it stays beside the last result."""
    facts = recognised(desk, RecognisedIssuer("FR", None, RecognitionClass.TEMPORARY))
    assert (facts["state"], facts["issuer"]) == ("PASS", "FR")
    assert facts["recognition"] == {
        "class": "temporary",
        "text": {"vi": "Được công nhận tạm thời", "en": "Temporarily recognised"},
    }
    hub = Hub()
    hub.publish(facts, result=True)
    hub.publish(of_signal(Signal.READY), keep_last=True)
    assert hub.current()["last"]["recognition"] == facts["recognition"]
    not_on_it = recognised(desk)
    assert (not_on_it["state"], not_on_it["recognition"]["class"]) == ("CHECK", "none")
    assert not_on_it["headline"]["en"] == "Issuer not recognised: consular certification needed"


def test_where_nobody_has_said_whom_the_country_recognises_nothing_is_shown(desk: Desk) -> None:
    """Neither a class nor its absence."""
    facts = of_verdict(desk.judged(desk.signer().issue(vaccination())).verdict)
    assert facts["recognition"] is None
    assert of_signal(Signal.READY)["recognition"] is None


# --- The phone number ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["+84 24 3768 0000", "1900 9095", "(024) 3768-0000", "024.3768.0000 ext. 12", "113", ""]
)
def test_a_phone_number_is_taken_as_people_write_it(tmp_path: Path, number: str) -> None:
    """With blanks, brackets, dots, and an extension."""
    (tmp_path / "vaxgate.toml").write_text(f'[site]\nphone = "{number}"\n')
    assert load(tmp_path / "vaxgate.toml").site.phone == number
    assert Config().site.phone == ""


@pytest.mark.parametrize("number", ["the desk", "+", "113\\n", "0" * 60, "<b>113</b>", "tel:113"])
def test_a_phone_number_that_is_none_is_named(tmp_path: Path, number: str) -> None:
    """Better at the start than on the day when the list is old."""
    (tmp_path / "vaxgate.toml").write_text(f'[site]\nphone = "{number}"\n')
    with pytest.raises(ConfigError, match=r"(?s)vaxgate\.toml:2: \[site\] phone: .*is no telephone number"):
        load(tmp_path / "vaxgate.toml")


# --- In the browser -----------------------------------------------------------------------------------------


def opened(page: Page, element: str) -> None:
    """Tap on a link and wait until another page stands there."""
    before = page.browser.find_element(By.TAG_NAME, "html")
    page.browser.find_element(By.ID, element).click()
    page.until(lambda: page.browser.find_element(By.TAG_NAME, "html") != before)


@pytest.mark.browser
def test_the_list_is_one_tap_away_and_one_tap_back(browser: webdriver.Chrome, store: Store) -> None:
    """Big enough for gloves, in the language of the page, readable, and it needs no script."""
    hub = Hub(clear_s=15, trust_page=store.page())
    hub.publish(of_signal(Signal.READY))
    with shown(browser, hub) as page:
        page.until(lambda: page.root("data-live") == "yes")
        for element in ("trust", "language"):
            size = browser.find_element(By.ID, element).size
            assert min(size["height"], size["width"]) >= 57  # 15 mm at 96 dots an inch
        assert page.text("trust") == "Trust list"
        opened(page, "trust")
        assert browser.current_url.endswith("/trust?lang=en")
        assert "9 days" in page.text("rows")
        assert "ROLLBACK" in page.text("alarms")
        assert "610" in page.text("sets")
        assert "officer 12" in page.text("operations")
        assert_contrast(page)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.find_element(By.ID, "back").size["height"] >= 57
        opened(page, "language")
        assert page.root("lang") == "vi"
        assert "9 ngày" in page.text("rows")
        opened(page, "back")
        page.until(lambda: page.text("word") == "SẴN SÀNG")
        assert browser.current_url.endswith("/#vi")


def old_list(days: int, *, clock: ClockState | None = None, **options: Any) -> Facts:
    """The facts of a certificate, good unless options say otherwise, with a list of so many days."""
    desk = Desk(list_age=days * DAY, clock=clock, floor=NOW - days * DAY)
    return of_verdict(desk.judged(desk.signer().issue(vaccination(), **options)).verdict, phone=PHONE)


@pytest.mark.browser
@pytest.mark.scenario("SC-H02")
def test_nine_days_without_a_sync_stand_in_plain_words_with_a_phone_number(browser: webdriver.Chrome) -> None:
    """On the page of a hotel: amber, how old the list is, that the code may be good, and whom to call."""
    hub = Hub(clear_s=15)
    with shown(browser, hub) as page:
        hub.publish(old_list(9), result=True)
        page.until(lambda: page.text("word") == "CHECK")
        assert page.root("data-signal") == "CHECK"
        assert page.text("headline") == "Trust list out of date: 9 days old"
        assert "LIST_EXPIRED" in page.text("reasons")
        assert "This one may be good." in page.text("advice")
        assert page.text("call") == f"Call {PHONE}"
        assert_contrast(page)
        browser.find_element(By.ID, "language").click()
        assert page.text("headline") == "Danh sách tin cậy quá hạn: đã 9 ngày chưa cập nhật"
        assert page.text("call") == f"Gọi {PHONE}"
        # the next traveller with nothing to complain about is not told to call
        hub.publish(old_list(0), result=True)
        page.until(lambda: page.text("word") == "ĐẠT")
        assert not browser.find_element(By.ID, "call").is_displayed()
        assert page.text("advice") == ""


@pytest.mark.browser
def test_the_class_of_the_issuer_stands_beside_it(browser: webdriver.Chrome, desk: Desk) -> None:
    """Under the issuer's name, and gone with it."""
    hub = Hub(clear_s=15)
    with shown(browser, hub) as page:
        hub.publish(recognised(desk, RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL)), result=True)
        page.until(lambda: page.text("word") == "PASS" and page.text("issuer") == "FR")
        assert page.text("recognition") == "Officially recognised"
        assert_contrast(page)
        browser.find_element(By.ID, "language").click()
        assert page.text("recognition") == "Được công nhận chính thức"
        hub.publish(old_list(0), result=True)
        page.until(lambda: page.text("issuer") == "XV")
        assert not browser.find_element(By.ID, "recognition").is_displayed()


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (1024, 600)])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_words_advice_and_number_fit_the_screen(
    browser: webdriver.Chrome, size: tuple[int, int], language: str
) -> None:
    """Landscape, portrait and a small screen, at every age and with the class of an issuer."""
    hub = Hub(clear_s=60, site="T2, desk 14", trust_page=Store().page())
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        with shown(browser, hub, language) as page:
            official = recognised(Desk(), RecognisedIssuer("FR", None, RecognitionClass.OFFICIAL))
            unknown = finding(Reason.KEY_UNKNOWN, state=State.CHECK)
            stale = finding(Reason.LIST_STALE, age=3 * DAY)
            over = finding(Reason.LIST_EXPIRED, state=State.OUT, age=61 * DAY)
            for name, facts in {
                "official": official,
                "not recognised": recognised(Desk()),
                "3 days": old_list(3),
                "9 days": old_list(9),
                "9 days and no clock": old_list(9, clock=ClockState.FLOOR_ONLY),
                "31 days": old_list(31),
                "31 days and more": old_list(31, clock=ClockState.FLOOR_ONLY, exp=None),
                "31 days and red": old_list(31, exp=int((NOW - HOUR).timestamp())),
                "61 days": old_list(61),
                "idle": of_findings(Signal.OUT, [over], phone=PHONE),
                "unknown": of_findings(Signal.CHECK, [unknown, stale]),
            }.items():
                assert_fits(page, hub.publish(facts), name)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
