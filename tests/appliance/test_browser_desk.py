"""The desk in a real browser: what is tapped, why, several persons, and names that are too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from browser_rig import Page, assert_contrast, assert_fits, shown
from desk import NOW, Desk, instant, lab_result, person, vaccination
from gate_rig import Rig, snapshot_of
from passports import passport
from selenium import webdriver
from selenium.webdriver.common.by import By
from test_desk import tap as told
from test_gate_parts import sheet

from appliance.kiosk import taps
from appliance.kiosk.facts import of_signal
from appliance.kiosk.hub import Hub
from appliance.signals import Signal
from appliance.supply import FixedTrust
from trustsync import shipped
from verifier.policy.context import Context, Journey, Mode, Profile

pytestmark = pytest.mark.browser

MakeRig = Callable[..., Rig]
SIZES = [(1280, 800), (800, 1280), (1024, 600)]
LONG = "Nguyễnphúcvĩnhbảolongtrườngthọ" * 7  # 210 letters, and no blank where a line could break


def rig_at(make_rig: MakeRig, at: str, bundle: str, **journey: Any) -> Rig:
    desk = Desk(now=instant(at), bundle=shipped.bundle(bundle))
    desk.signer(not_before=NOW - timedelta(days=900))
    return make_rig(desk, context=Context(**journey))


@contextmanager
def sized(page: Page, size: tuple[int, int]) -> Iterator[None]:
    """The page on a screen of this size."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.browser.get("about:blank")
        page.browser.get(f"{page.url}#{page.language}")
        yield
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def tap(page: Page, css: str) -> None:
    """Tap what is there, which is as large as a gloved finger."""
    target = page.browser.find_element(By.CSS_SELECTOR, css)
    assert target.size["height"] >= 57  # 15 mm at 96 dots an inch
    assert target.size["width"] >= 57
    target.click()


def heard(page: Page, rig: Rig, what: Callable[[], bool]) -> None:
    """Let the unit work until the page shows it."""

    def so() -> bool:
        rig.rounds(0.1)
        return what()

    page.until(so)


def panel(page: Page) -> str:
    return page.text("panel")


@pytest.mark.scenario("SC-T05")
def test_the_departure_is_entered_with_steps_and_the_page_turns_green(
    browser: webdriver.Chrome, make_rig: MakeRig
) -> None:
    """The button that the result asks for, hours by steps, enter: judged anew without another scan."""
    rig = rig_at(make_rig, "2022-03-20T09:00:00+07:00", "vn-2022-03", mode=Mode.AIR)
    rig.hold(rig.desk.signer().issue(lab_result(sc=(rig.now - timedelta(hours=80)).isoformat())), 0.3)
    with shown(browser, rig.hub) as page:
        page.until(lambda: page.text("word") == "CHECK")
        assert page.text("actions").splitlines()[0] == "Departure?"
        tap(page, "[data-ask=departure]")
        page.until(lambda: "09:00 · 20/03/2022 (UTC+07:00)" in panel(page))
        steps = {each.text: each for each in page.browser.find_elements(By.CSS_SELECTOR, ".choices .button")}
        for _ in range(9):
            steps["− hour"].click()
        steps["− day"].click()
        steps["+ day"].click()
        assert "00:00 · 20/03/2022" in panel(page)
        assert_contrast(page)
        tap(page, ".panel .enter")
        heard(page, rig, lambda: page.text("word") == "PASS")
        assert page.browser.find_element(By.ID, "panel").is_displayed() is False
        assert "Nguyễn Bảo Duy" in page.text("person")


@pytest.mark.scenario("SC-L10")
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("met", "not met", "day given")), ("vi", ("đạt", "không đạt", "ngày tiêm"))],
)
def test_why_is_one_screen_in_both_languages_and_goes_with_the_result(
    browser: webdriver.Chrome, make_rig: MakeRig, language: str, words: tuple[str, ...]
) -> None:
    """Rule, bundle and version, values and answers; what decided is seen first; closed with the result."""
    rig = rig_at(make_rig, "2022-03-01T09:00:00+07:00", "vn-2022-01")
    rig.hold(rig.desk.signer().issue(vaccination(dt="2022-02-20")), 0.3)
    with shown(browser, rig.hub, language) as page, sized(page, (1280, 800)):
        page.until(lambda: page.browser.find_element(By.ID, "why").is_displayed())
        tap(page, "#why")
        page.until(lambda: "vn-2022-01 1.0.0" in panel(page))
        for word in (*words, "20/02/2022", "dose-14-days"):
            assert word in panel(page), word
        assert page.browser.execute_script(
            "const body = document.getElementById('panel-body');"
            "const first = body.querySelector('li.false').getBoundingClientRect();"
            "return first.bottom <= body.getBoundingClientRect().bottom"
        ), "the rule that was not met is not on the first screen"
        assert_contrast(page)
        tap(page, "#next")
        heard(page, rig, lambda: page.root("data-signal") == "READY")
        assert not page.browser.find_element(By.ID, "panel").is_displayed()
        assert "Nguyễn" not in page.everything()


@pytest.mark.scenario("SC-J03")
def test_a_district_is_found_without_accents(browser: webdriver.Chrome, make_rig: MakeRig) -> None:
    """ "kinh mon" finds Thị xã Kinh Môn, one tap tells it."""
    rig = rig_at(make_rig, "2021-03-10T09:00:00+07:00", "domestic", journey=Journey.DOMESTIC)
    rig.hold(rig.desk.signer().issue(vaccination(dt="2021-01-20")), 0.3)
    with shown(browser, rig.hub, "vi") as page:
        page.until(lambda: bool(page.browser.find_elements(By.CSS_SELECTOR, "[data-ask=area]")))
        tap(page, "[data-ask=area]")
        page.until(lambda: "Huyện Nam Sách" in panel(page))
        page.browser.find_element(By.CSS_SELECTOR, ".panel .search").send_keys("kinh mon")
        page.until(lambda: "Huyện Nam Sách" not in panel(page))
        tap(page, ".panel .choices .button")
        heard(page, rig, lambda: "NEED_CONTEXT" not in page.text("reasons"))
        assert rig.gate._desk.session.context.area == "292"


@pytest.mark.scenario("SC-C05")
@pytest.mark.parametrize("size", SIZES)
def test_four_persons_are_four_lines_that_fit_each_with_its_own_sign(
    browser: webdriver.Chrome, make_rig: MakeRig, size: tuple[int, int]
) -> None:
    """Name, word and sign of each; no name in large letters beside the colour of the worst."""
    desk = Desk()
    signer, rig = desk.signer(), make_rig(desk)
    over = {"iat": 0, "exp": int((NOW - timedelta(hours=1)).timestamp())}
    codes = [
        signer.issue(vaccination(person(nam={"fn": "Le", "gn": name})), **(over if name == "Chi" else {}))
        for name in ("An", "Binh", "Chi", "Dung")
    ]
    rig.show(sheet(*codes), 0.5)
    with shown(browser, rig.hub) as page, sized(page, size):
        page.until(lambda: page.text("word") == "FAIL")
        lines = [
            each.text.splitlines()[:2] for each in page.browser.find_elements(By.CSS_SELECTOR, "#people li")
        ]
        assert [line[0] for line in lines] == ["✓ PASS", "✓ PASS", "✕ FAIL", "✓ PASS"]
        assert [line[1].split(" 10/")[0].strip() for line in lines] == [
            "Le An",
            "Le Binh",
            "Le Chi",
            "Le Dung",
        ]
        assert page.text("name") == ""
        assert_fits(page, rig.page()["id"], "people")
        assert_contrast(page)


def crowded(make_rig: MakeRig) -> Rig:
    """As much as one result can hold: three reasons with a note, duties, ways, a passport, two papers."""
    rig = rig_at(make_rig, "2022-03-01T09:00:00+07:00", "vn-2022-01", profile=Profile.GATE)
    signer = rig.desk.signer()
    head = person(nam={"fn": LONG, "gn": "Bảo Duy", "fnt": "NGUYENPHUC", "gnt": "BAO<DUY"})
    lines = passport("NGUYENPHUC", "BAO<DUY", birth="831010")
    rig.hold(signer.issue(vaccination(head, dn=1, dt="2022-01-20"), exp=None), 0.2)
    rig.hold(signer.issue(vaccination(head, dt="2022-02-20"), exp=None), 0.2)
    assert told(rig, "/traveller-document", lines=lines) == 202
    return rig


@pytest.mark.scenario("SC-N23")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_name_of_two_hundred_letters_is_shortened_whole_on_tap_and_the_layout_holds(
    browser: webdriver.Chrome, make_rig: MakeRig, size: tuple[int, int], language: str
) -> None:
    """With everything else that a result may say beside it, on each screen."""
    rig = crowded(make_rig)
    with shown(browser, rig.hub, language) as page, sized(page, size):
        page.until(lambda: "…" in page.text("name"))
        assert len(page.text("name")) == 80
        assert_fits(page, rig.page()["id"], "crowded")
        assert_contrast(page)
        page.browser.find_element(By.ID, "name").click()
        page.until(lambda: f"{LONG} Bảo Duy" in panel(page).replace("\n", ""))
        assert page.browser.execute_script(
            "const p = document.querySelector('.whole'); return p.scrollWidth <= p.clientWidth + 1"
        )


@pytest.mark.scenario("SC-N22")
def test_a_name_in_another_script_is_shown_without_signs_that_steer(
    browser: webdriver.Chrome, make_rig: MakeRig
) -> None:
    """Matched by its passport form, shown in its own letters, directions and controls taken out."""
    desk = Desk()
    rig = make_rig(desk)
    head = person(
        nam={"fn": "\u202eИванов\u2066", "gn": "\u0007Пётр\u200b", "fnt": "IVANOV", "gnt": "PETR"},
        dob="1983-10-10",
    )
    rig.hold(desk.signer().issue(vaccination(head)), 0.2)
    assert told(rig, "/traveller-document", lines=passport("IVANOV", "PETR", birth="831010")) == 202
    with shown(browser, rig.hub) as page:
        page.until(lambda: page.text("name") == "Иванов Пётр")
        assert page.text("ask").startswith("✓ Name agrees") or page.text("ask").startswith("Name agrees")
        assert rig.page()["identity"]["class"] == "EXACT"


@pytest.mark.scenario("SC-N25")
def test_without_a_passport_the_page_asks_to_compare_name_and_birth_date_in_large_type(
    browser: webdriver.Chrome, make_rig: MakeRig
) -> None:
    """A banner, and both at least twice as large as what stands round them; a gate says that it is shut."""
    desk = Desk()
    rig, text = make_rig(desk), desk.signer().issue(vaccination())
    rig.hold(text, 0.2)
    size = "return parseFloat(getComputedStyle(document.getElementById(arguments[0])).fontSize)"
    with shown(browser, rig.hub) as page:
        page.until(lambda: page.text("word") == "PASS")
        assert page.text("ask") == "Compare name and birth date"
        assert not page.browser.find_element(By.ID, "door").is_displayed()
        large = [page.browser.execute_script(size, name) for name in ("name", "birth-date")]
        assert min(large) >= 1.8 * page.browser.execute_script(size, "issuer")
    gate = make_rig(desk, context=Context(profile=Profile.GATE))
    gate.hold(text, 0.2)
    with shown(browser, gate.hub) as page:
        page.until(lambda: page.text("door") == "GATE SHUT: place the passport")


def test_rules_of_tomorrow_and_an_order_stand_on_the_page(
    browser: webdriver.Chrome, make_rig: MakeRig
) -> None:
    """ "New rules from" below, and on the result the order with the mark of what stands in for Vietnamese."""
    desk = Desk(now=instant("2022-05-14T12:00:00+07:00"))
    signer = desk.signer()
    march, may = shipped.bundle("vn-2022-03"), shipped.bundle("vn-2022-05")
    order = replace(
        march, name="order", valid_from=instant("2022-05-14T09:00:00+07:00"), activates=None, post="moc-bai",
        valid_to=instant("2022-05-15T09:00:00+07:00"), texts={"en": "Tests at this post"},
    )  # fmt: skip
    orders = (order,)
    rig = make_rig(desk, context=Context(mode=Mode.LAND, post="moc-bai"), orders=lambda: orders)
    snapshot = replace(snapshot_of(desk), bundles=(march, may))
    rig.open_trust = lambda: FixedTrust(snapshot)
    rig.hold(signer.issue(vaccination()), 0.6)
    with shown(browser, rig.hub, "vi") as page:
        page.until(lambda: "quy định mới từ 00:00 15/05/2022" in page.text("rules"))
        assert "Lệnh của trạm: [EN] Tests at this post" in page.text("by")
        assert "vn-2022-03 1.0.0" in page.text("by")


def test_a_unit_that_does_not_take_a_tap_says_so(browser: webdriver.Chrome, hub: Hub) -> None:
    """The panel stays open, and the officer taps again."""
    for _ in range(8):
        assert hub.tap(taps.Stay())
    hub.set_journey(lambda: {"told": {}, "members": ["mode"], "modes": ["air"], "journeys": [], "births": []})
    hub.publish(of_signal(Signal.READY))
    with shown(browser, hub) as page:
        page.until(lambda: page.text("word") == "READY")
        page.browser.find_element(By.ID, "journey").click()
        page.until(lambda: "Air" in panel(page))
        tap(page, ".panel .choices .button")
        page.until(lambda: "did not take it" in panel(page))
        page.browser.get_log("browser")  # type: ignore[no-untyped-call]  # the refusals are meant


def test_a_tap_names_the_traveller_for_whom_the_panel_was_opened(browser: webdriver.Chrome, hub: Hub) -> None:
    """And the panel is gone with them, also in training, where no results are counted."""
    number = 7
    hub.set_session(lambda: number)
    hub.set_journey(lambda: {"told": {}, "members": ["mode"], "modes": ["air"], "journeys": [], "births": []})
    hub.publish(of_signal(Signal.READY))
    with shown(browser, hub) as page:
        page.until(lambda: page.text("word") == "READY")
        page.browser.find_element(By.ID, "journey").click()
        page.until(lambda: "Air" in panel(page))
        tap(page, ".panel .choices .button")
        page.until(lambda: not page.browser.find_element(By.ID, "panel").is_displayed())
        assert (taps.Tell({"mode": "air"}), 7) in hub.taps()
        page.browser.find_element(By.ID, "journey").click()
        page.until(lambda: "Air" in panel(page))
        number = 8
        hub.publish(of_signal(Signal.READY))
        page.until(lambda: not page.browser.find_element(By.ID, "panel").is_displayed())


@pytest.fixture
def hub() -> Hub:
    return Hub(clear_s=15)
