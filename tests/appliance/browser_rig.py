"""The officer's page in a real browser, for the tests that look at it.

with shown(browser, hub) as page:
    page.until(lambda: page.text("word") == "READY")
    assert_contrast(page)
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from appliance.kiosk.hub import Hub
from appliance.kiosk.server import KioskServer


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser without a window; where there is none the test is skipped, and in CI it fails."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        complain = pytest.fail if os.environ.get("CI") else pytest.skip
        complain("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,800"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_page_load_timeout(20)
    try:
        yield chrome
    finally:
        chrome.quit()


class Page:
    """The officer's page in the browser."""

    kiosk: KioskServer

    def __init__(self, browser: webdriver.Chrome, url: str, language: str = "en") -> None:
        self.browser, self.url, self.language = browser, url, language
        browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's own
        browser.get("about:blank")
        browser.get(f"{url}#{language}")

    def text(self, element: str) -> str:
        return self.browser.find_element(By.ID, element).text

    def everything(self) -> str:
        return str(self.browser.execute_script("return document.documentElement.outerHTML"))

    def root(self, name: str) -> str | None:
        return self.browser.find_element(By.TAG_NAME, "html").get_attribute(name)

    def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"the page still says {self.text('word')}: {self.text('headline')}"
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        rows: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [row["message"] for row in rows if row["level"] == "SEVERE"]


@contextmanager
def shown(browser: webdriver.Chrome, hub: Hub, language: str = "en") -> Iterator[Page]:
    """The page of this hub; at the end nothing in the browser's console complains."""
    with KioskServer(hub, port=0) as kiosk:
        page = Page(browser, kiosk.url, language)
        page.kiosk = kiosk
        yield page
        browser.get("about:blank")
    severe = [line for line in page.complaints() if "ERR_CONNECTION_REFUSED" not in line]
    assert severe == [], "the browser's console complains"


CONTRAST = """
const light = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
  }
  return "rgb(255, 255, 255)";
};
const out = {};
for (const node of document.querySelectorAll(
    "h1, h2, h3, p, li, dt, dd, b, i, small, span, code, th, td, .button, .sign")) {
  if (!node.textContent.trim() || node.offsetParent === null) continue;
  const style = getComputedStyle(node);
  const grounds = style.backgroundImage.includes("repeating")
    ? style.backgroundImage.match(/rgb\\([^)]*\\)/g) : [ground(node)];
  for (const behind of grounds) {
    const [high, low] = [light(style.color), light(behind)].sort((a, b) => b - a);
    out[`${node.tagName} ${node.id} ${node.textContent.trim().slice(0, 20)}`] = (high + 0.05) / (low + 0.05);
  }
}
return out;
"""


def assert_contrast(page: Page) -> None:
    """Every text on the page has a contrast of 7:1 or more against what lies behind it."""
    found: dict[str, float] = page.browser.execute_script(CONTRAST)
    assert len(found) >= 5
    assert {what: round(ratio, 1) for what, ratio in found.items() if ratio < 7.0} == {}


def assert_fits(page: Page, shown: int, name: str) -> None:
    """Nothing that an officer needs is cut off once the facts of this id are shown."""
    page.until(lambda: bool(page.browser.execute_script(SHOWN_ID, shown)))
    cut: list[str] = page.browser.execute_script(CUT)
    assert not cut, f"{name}: {cut}"


SHOWN_ID = "return Number(document.documentElement.dataset.shown) === arguments[0]"
CUT = """
const out = [];
for (const node of document.querySelectorAll(
    "#sign, #word, #headline, #door, #reasons, #advice, #call, #duties, #by, #ask, #notes, #name, "
    + "#birth-date, #document, #issuer, #recognition, #papers, #people li, .button, footer b")) {
  if (node.offsetParent === null || !node.textContent) continue;
  const box = node.getBoundingClientRect();
  const round = (node.closest(".verdict, .person") || document.documentElement).getBoundingClientRect();
  const wide = node.scrollWidth > node.clientWidth + 2 && getComputedStyle(node).display !== "inline";
  if (box.left < round.left || box.right > round.right + 1 || box.top < round.top - 1
      || box.bottom > Math.min(round.bottom, innerHeight) + 1 || wide) {
    out.push(`${node.id || node.tagName}: ${node.textContent}`);
  }
}
return out;
"""
