"""The journey of a frame to its end: a PNG before the camera, the lamp's pins, the words in a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from browser_rig import Page, assert_contrast, assert_fits, shown
from clinic import clinic_at
from desk import NOW, Desk, person, vaccination
from gate_rig import image_of, snapshot_of, stained
from selenium import webdriver
from selenium.webdriver.common.by import By

from appliance.camera.files import FolderCamera
from appliance.gate import Gate
from appliance.kiosk.facts import of_findings, of_signal, of_verdict, of_waiting
from appliance.kiosk.hub import Hub
from appliance.kiosk.server import KioskServer
from appliance.kiosk.texts import FAMILIES
from appliance.lights import MockLamp, read_signal
from appliance.signals import Signal
from appliance.supply import FixedTrust
from trustsync.errors import NoListError
from verifier.reasons import Reason, finding

pytestmark = pytest.mark.browser


@pytest.fixture
def hub() -> Hub:
    return Hub(clear_s=15)


@pytest.fixture
def page(browser: webdriver.Chrome, hub: Hub) -> Iterator[Page]:
    with shown(browser, hub) as opened:
        yield opened


# --- The journey --------------------------------------------------------------------------------------------

EXPIRED = int((NOW - timedelta(hours=1)).timestamp())
JOURNEYS: dict[str, tuple[Signal, str, str, bool]] = {
    "PASS": (Signal.PASS, "PASS", "", True),
    "CHECK": (Signal.CHECK, "CHECK", "NO_EXPIRY", True),
    "FAIL": (Signal.FAIL, "FAIL", "EXPIRED", True),
    "RESCAN": (Signal.RESCAN, "RESCAN", "UNREADABLE", False),
    "OUT": (Signal.OUT, "OUT", "NO_LIST", False),
}


@pytest.mark.parametrize("name", list(JOURNEYS))
def test_the_journey_of_a_frame(page: Page, hub: Hub, desk: Desk, tmp_path: Path, name: str) -> None:
    """PNG in the files camera → recorded lamp of mock pins → text in a real browser."""
    signal, word, code, named = JOURNEYS[name]
    signer = desk.signer()
    frame = image_of(
        signer.issue(vaccination(), **{"CHECK": {"exp": None}, "FAIL": {"exp": EXPIRED}}.get(name, {}))
    )
    (stained(frame) if name == "RESCAN" else frame).save(tmp_path / "01-traveller.png")

    class Nothing(FixedTrust):
        def current(self) -> Any:
            raise NoListError("none was ever installed")

    trust = (Nothing if name == "OUT" else FixedTrust)(snapshot_of(desk))
    stop = threading.Event()
    with MockLamp() as lamp:
        gate = Gate(
            open_camera=lambda: FolderCamera(tmp_path, dwell_s=60),
            open_trust=lambda: trust,
            lamp=lamp,
            hub=hub,
            clock=lambda: NOW,
        )
        gate.start()
        worker = threading.Thread(target=gate.run, args=(stop,), daemon=True)
        worker.start()
        try:
            page.until(lambda: page.text("word") == word)
            start = time.monotonic()
            page.until(lambda: read_signal(lamp.recording(start)) is signal)
            assert code in page.text("reasons")
            assert page.root("data-signal") == signal.value
            assert ("Nguyễn Bảo Duy" in page.text("person")) is named
            assert ("10/10/1983" in page.text("person")) is named
        finally:
            stop.set()
            worker.join(timeout=10)
    assert not worker.is_alive()


# --- The page by itself -------------------------------------------------------------------------------------


def verdict_facts(desk: Desk, head: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return of_verdict(desk.judged(desk.signer().issue(vaccination(head), **options)).verdict)


SHOWN = {
    **{signal.value: of_signal(signal) for signal in (Signal.BOOT, Signal.READY, Signal.PASS)},
    "CHECK": of_findings(Signal.CHECK, [finding(Reason.NO_EXPIRY)]),
    "FAIL": of_findings(Signal.FAIL, [finding(Reason.SIG_BAD)]),
    "RESCAN": of_findings(Signal.RESCAN, [finding(Reason.NOT_CERT)]),
    "OUT": of_findings(Signal.OUT, [finding(Reason.STORE_DOWN)]),
}


@pytest.mark.scenario("SC-O06")
def test_shape_sign_and_word_tell_the_state_and_every_text_stands_out(
    page: Page, hub: Hub, desk: Desk
) -> None:
    """Seven signs, words and shapes, none the same; every text on the page has a contrast of 7:1 or more."""
    looks = []
    for name, facts in SHOWN.items():
        hub.publish(facts)
        page.until(lambda name=name: page.root("data-signal") == name and page.root("data-live") == "yes")
        style = page.browser.execute_script(
            "const s = getComputedStyle(document.getElementById('sign'));"
            "return [s.borderRadius, s.clipPath, s.borderStyle, s.backgroundImage].join(' ')"
        )
        looks.append((page.text("sign"), page.text("word"), style))
        assert_contrast(page)
    for column in zip(*looks, strict=True):
        assert len(set(column)) == len(SHOWN) == 7, column
    hub.publish(verdict_facts(desk, exp=EXPIRED), result=True)
    page.until(lambda: "Nguyễn" in page.text("person"))
    assert_contrast(page)
    hub.publish(of_signal(Signal.READY), keep_last=True)
    page.until(lambda: page.root("data-signal") == "READY" and "FAIL" in page.text("chip"))
    assert_contrast(page)


@pytest.mark.scenario("SC-F10")
def test_the_page_counts_the_parts_and_names_the_document(page: Page, hub: Hub, desk: Desk) -> None:
    """Ready, with so many parts; then the kind of document and its issuer beside the name."""
    hub.publish(of_waiting(1, 3))
    page.until(lambda: page.text("headline") == "1 of 3 parts read, hold up the next")
    assert (page.text("word"), page.root("data-signal")) == ("READY", "READY")
    hub.publish(smart_card_facts(desk), result=True)
    page.until(lambda: "Trương Mỹ Ước" in page.text("person"))
    assert (page.text("document"), page.text("issuer")) == ("SMART Health Card", "health.example")
    assert page.browser.find_elements(By.CSS_SELECTOR, "main a") == []
    assert_contrast(page)


def smart_card_facts(desk: Desk, issuer: str = "https://health.example/cards", *name: str) -> dict[str, Any]:
    (text,) = clinic_at(desk, issuer).parts(1, *name[:2])
    return of_verdict(desk.judged(text).verdict)


def test_the_language_changes_in_one_tap_and_stays_over_a_reload(page: Page, hub: Hub) -> None:
    """vi ⇄ en while a queue waits; kept in the address, not in a cookie; the accents are there."""
    hub.publish(SHOWN["FAIL"])
    page.until(lambda: page.text("word") == "FAIL")
    page.browser.find_element(By.ID, "language").click()
    assert page.text("word") == "KHÔNG ĐẠT"
    assert page.text("headline") == "Chữ ký không đúng: nội dung đã bị sửa"
    assert page.root("lang") == "vi"
    assert page.browser.current_url.endswith("#vi")
    page.browser.refresh()
    page.until(lambda: page.text("word") == "KHÔNG ĐẠT" and page.root("data-live") == "yes")
    assert page.browser.get_cookies() == []
    assert page.browser.execute_script("return localStorage.length + sessionStorage.length") == 0
    size = page.browser.find_element(By.ID, "language").size
    assert size["height"] >= 57  # 15 mm at 96 dots an inch
    assert size["width"] >= 57


def test_a_page_that_hears_nothing_shows_no_old_green_and_comes_back_by_itself(
    page: Page, hub: Hub, desk: Desk
) -> None:
    """The server goes away under a PASS: no connection, no name, no green; it comes back: what is so now."""
    hub.publish(verdict_facts(desk), result=True)
    page.until(lambda: page.text("word") == "PASS" and "Nguyễn" in page.text("person"))
    port = int(page.url.rsplit(":", 1)[1].strip("/"))
    with KioskServer(Hub(), port=0) as other:  # a second server's end does not disturb the first
        assert other.url != page.url
    assert page.text("word") == "PASS"
    page.kiosk.close()
    page.until(lambda: page.text("word") == "NO CONNECTION")
    assert (page.root("data-live"), page.root("data-signal")) == ("lost", "OUT")
    assert "Nguyễn" not in page.everything()
    again = Hub()
    again.publish(of_signal(Signal.READY))
    with KioskServer(again, port=port):
        page.until(lambda: page.text("word") == "READY" and page.root("data-live") == "yes")
        assert "Nguyễn" not in page.everything()
        page.browser.get("about:blank")


def test_name_and_birth_date_leave_the_browser_too(browser: webdriver.Chrome, desk: Desk) -> None:
    """Cleared by the page's own clock, also when the server has nothing new to tell; the answer stays."""
    hub = Hub(clear_s=60)
    with KioskServer(hub, port=0) as kiosk:
        hub.publish(verdict_facts(desk), result=True)
        hub.clear_s = 1.0
        page = Page(browser, kiosk.url)
        page.until(lambda: "Nguyễn" in page.text("person"))
        page.until(lambda: "Nguyễn" not in page.browser.find_element(By.TAG_NAME, "body").text)
        assert page.text("word") == "PASS"
        assert "1983" not in page.everything()
        browser.get("about:blank")


def test_pitfall_21_a_hostile_name_is_letters_in_the_browser(page: Page, hub: Hub, desk: Desk) -> None:
    """Markup does not run, directions do not turn, a long name breaks and stays in its place."""
    evil = "\u202e<img src=x onerror=\"document.title='PWNED'\">" + "W" * 200
    hub.publish(verdict_facts(desk, person(nam={"fn": evil, "fnt": "EVIL"})), result=True)
    page.until(lambda: "<img src=x" in page.text("name"))
    assert page.browser.find_elements(By.CSS_SELECTOR, "main img") == []
    assert page.browser.title != "PWNED"
    assert page.browser.execute_script(
        "const n = document.getElementById('name'), p = document.getElementById('person');"
        "return n.getBoundingClientRect().right <= p.getBoundingClientRect().right"
    )


@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (1024, 600)])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_word_and_headline_fit_the_screen(
    page: Page, hub: Hub, desk: Desk, size: tuple[int, int], language: str
) -> None:
    """Landscape, portrait and a small screen: nothing that an officer needs is cut off."""
    long = person(
        nam={"fn": "Weißmüller-Østergaard van der Meulen", "gn": "Jörg-Günther Maximilian", "fnt": "X"}
    )
    host = "vaccination-certificates.health.example-state.gov.example"
    longest = smart_card_facts(desk, f"https://{host}/cards", *long["nam"].values())
    longest["document"] = max(FAMILIES.values(), key=lambda names: len(names[language]))
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        page.browser.get("about:blank")
        page.browser.get(f"{page.url}#{language}")
        for facts in (
            *SHOWN.values(),
            of_waiting(31, 32),
            verdict_facts(desk, long, exp=EXPIRED),
            verdict_facts(desk, exp=None),
            longest,
        ):
            assert_fits(page, hub.publish(facts), facts["signal"])
        assert_fits(page, hub.publish(of_signal(Signal.READY), keep_last=True), "the last result")
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
