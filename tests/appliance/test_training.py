"""Training: samples are judged by test keys, and nobody can take the answer for a real one."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser_rig import Page, assert_contrast, assert_fits, shown
from desk import Desk
from gate_rig import Rig
from office import NOW, Office
from selenium import webdriver

from appliance.cli import verify
from appliance.cli.stats import Stats
from appliance.cli.vaxgate import run_gate
from appliance.config import Config, KioskConfig, LampConfig, TrainingConfig, TrustConfig
from appliance.eyes import Counts
from appliance.gate import Answer
from appliance.kiosk.facts import of_findings, of_signal
from appliance.kiosk.hub import Hub
from appliance.kiosk.server import KioskServer
from appliance.kiosk.trust import TrustPage
from appliance.lights import PATTERNS, TRAINING_PATTERNS, Lens, MockLamp, read_signal
from appliance.signals import Signal
from appliance.timings import Timings
from issuer.office import TEST
from issuer.server import Server, create_app
from trustsync.environments import Environment
from trustsync.store import open_store
from trustsync.sync import SyncConfig, sync_once
from verifier.certificate import Family
from verifier.reasons import Reason, State, finding

BANNER = "TẬP HUẤN – TRAINING"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An issuer whose list was synced into a store of production and into one of training."""
    with Office(tmp_path_factory.mktemp("training"), seed="training") as opened:
        opened.synced()
        public = opened.issuer.registry.public
        with Server(create_app(public)) as server:
            root = (public / "root.json").read_bytes()
            config = SyncConfig(server.url, root, training_store(opened), environment=Environment.TEST)
            sync_once(config, now=NOW)
        yield opened


def training_store(office: Office) -> Path:
    return office.folder / "trust-test"


def sample(office: Office) -> str:
    """A certificate by a key of the issuer's test environment."""
    return str(office.issue(Family.HC1, environment=TEST).code)


def real(office: Office) -> str:
    return str(office.issue(Family.HC1).code)


def at_the_desk(rig: Rig, office: Office, *, training: bool) -> Rig:
    """The rig's gate reads the store on disk, as `vaxgate run` does."""
    store = training_store(office) if training else office.folder / "store"
    opened = open_store(store, None, Environment.TEST if training else Environment.PRODUCTION)
    rig.open_trust = lambda: opened
    return rig


def blinks(lamp: MockLamp, start: float, lens: Lens) -> bool:
    """Whether this lens, and no other one, goes on and off from ``start`` on: a quarter of a second each."""
    end = time.monotonic() + 10
    while len(seen := [c for c in lamp.recording(start) if c.lens is lens]) < 8 and time.monotonic() < end:
        time.sleep(0.02)
    levels = [change.level for change in seen[-6:]]
    took = [after.at - before.at for before, after in pairwise(seen[-6:])]
    others = [c for c in lamp.recording(seen[0].at) if c.lens is not lens and c.level]
    return levels in ([0, 1] * 3, [1, 0] * 3) and min(took) >= 0.2 and not others


# --- The two rows of the scenario table ---------------------------------------------------------------------


@pytest.mark.scenario("SC-K13")
def test_a_sample_on_a_unit_of_production_is_red_and_said_to_be_a_sample(
    office: Office, make_rig: Callable[..., Rig]
) -> None:
    """Issued by a test key that the synced list names: FAIL KEY_TEST, steady red; a real one passes."""
    rig = at_the_desk(make_rig(Desk(now=NOW)), office, training=False)
    rig.rounds(0.3)
    rig.hold(sample(office))

    assert (rig.lamp.signal, rig.codes()) == (Signal.FAIL, ["KEY_TEST"])
    page = rig.page()
    assert page["headline"] == {"vi": "Mã mẫu, không có giá trị", "en": "Sample code, not valid"}
    assert (page["training"], page["results"]) == (False, 1)

    rig.show(None, 6)
    rig.hold(real(office))
    assert (rig.lamp.signal, rig.codes(), rig.page()["results"]) == (Signal.PASS, [], 2)


@pytest.mark.scenario("SC-K14")
def test_in_training_the_same_code_passes_blinking_under_a_watermark_and_nothing_is_counted(
    office: Office, make_rig: Callable[..., Rig], browser: webdriver.Chrome
) -> None:
    """PASS on a page marked TRAINING, a green that blinks and is none of the seven signals, no count."""
    rig = at_the_desk(make_rig(Desk(now=NOW), training=True), office, training=True)
    with shown(browser, rig.hub, "vi") as page:
        rig.rounds(0.3)
        page.until(lambda: page.text("word") == "SẴN SÀNG")
        assert page.text("training") == BANNER
        start = time.monotonic()
        rig.hold(sample(office))

        assert (rig.lamp.signal, rig.codes()) == (Signal.PASS, [])
        assert blinks(rig.lamp, start, Lens.GREEN)
        assert read_signal([c for c in rig.lamp.recording(start) if c.lens is Lens.GREEN]) is None
        page.until(lambda: page.text("word") == "ĐẠT" and page.root("data-live") == "yes")
        assert page.text("training") == BANNER
        assert watermark(page) == BANNER
        assert page.browser.title.startswith(BANNER)
        assert "Nguyễn Bảo Duy" in page.text("person")
        assert_contrast(page)
        assert_fits(page, rig.page()["id"], "PASS in training")

    facts, health = rig.page(), rig.gate.health()
    assert (facts["training"], facts["results"]) == (True, 0)
    assert (health["training"], health["micros"]) == (True, {})
    (answer,) = rig.answers
    assert answer.training


# --- A training unit vouches for nobody --------------------------------------------------------------------


def test_a_real_certificate_does_not_pass_in_training(office: Office, make_rig: Callable[..., Rig]) -> None:
    """A desk of training has no key of production, so that it can never let anybody in."""
    rig = at_the_desk(make_rig(Desk(now=NOW), training=True), office, training=True)
    rig.rounds(0.3)
    rig.hold(real(office))
    assert (rig.lamp.signal, rig.codes()) == (Signal.FAIL, ["KEY_UNKNOWN"])


@pytest.mark.parametrize("training", [True, False])
def test_the_gate_is_out_on_a_store_of_the_other_kind(
    office: Office, make_rig: Callable[..., Rig], training: bool
) -> None:
    """A folder in the wrong place is a fault of the unit, either way, and no colour of a document."""
    rig = make_rig(Desk(now=NOW), training=training)
    wrong = office.folder / "store" if training else training_store(office)
    opened = open_store(wrong, None, Environment.TEST if training else Environment.PRODUCTION)
    rig.open_trust = lambda: opened
    rig.rounds(0.3)
    for code in (sample(office), real(office)):
        rig.hold(code)
        assert (rig.lamp.signal, rig.codes()) == (Signal.OUT, ["STORE_DOWN"])


# --- Lamp ---------------------------------------------------------------------------------------------------


def test_no_answer_of_a_training_lamp_is_a_signal_of_a_real_one() -> None:
    """Answers blink on their own lens; nothing in training is a green or a red that is steady."""
    changed = {signal for signal in Signal if TRAINING_PATTERNS[signal] != PATTERNS[signal]}
    assert changed == {Signal.PASS, Signal.CHECK, Signal.FAIL}
    for signal in changed:
        on, off = TRAINING_PATTERNS[signal]
        assert {on.lens, off.lens} == {PATTERNS[signal][0].lens}
        assert (on.level, off.level, on.seconds, off.seconds) == (1, 0, 0.25, 0.25)


def test_a_second_result_in_training_begins_anew(office: Office) -> None:
    """Two passes in a row: the rhythm starts again with the dark moment that says "another one"."""
    with MockLamp(training=True) as lamp:
        lamp.show(Signal.PASS)
        time.sleep(0.05)
        start = time.monotonic()
        lamp.show(Signal.PASS, anew=True)
        assert [(c.lens, c.level) for c in lamp.recording(start)] == [(Lens.GREEN, 1), (Lens.GREEN, 0)]
        assert blinks(lamp, start, Lens.GREEN)
        lamp.show(Signal.READY)
        assert lamp.recording()[-1].lens is Lens.WHITE


# --- The page -----------------------------------------------------------------------------------------------


def watermark(page: Page) -> str:
    """The text that lies over the page."""
    said: str = page.browser.execute_script(
        "const s = getComputedStyle(document.getElementById('training'), '::after');"
        "return s.position === 'fixed' && s.pointerEvents === 'none' ? s.content.slice(1, -1) : ''"
    )
    return said


STATES = {
    **{signal.value: of_signal(signal) for signal in (Signal.BOOT, Signal.READY, Signal.PASS)},
    "CHECK": of_findings(Signal.CHECK, [finding(Reason.NO_EXPIRY)]),
    "FAIL": of_findings(Signal.FAIL, [finding(Reason.SIG_BAD)]),
    "RESCAN": of_findings(Signal.RESCAN, [finding(Reason.NOT_CERT)]),
    "OUT": of_findings(Signal.OUT, [finding(Reason.STORE_DOWN)]),
}


@pytest.mark.parametrize("size", [(1280, 800), (800, 1280), (1024, 600)])
def test_the_banner_stands_over_every_state_in_both_languages_and_hides_nothing(
    browser: webdriver.Chrome, size: tuple[int, int]
) -> None:
    """Seven signals, then a lost connection; on each screen what an officer needs still fits and stands
    out."""
    hub = Hub(training=True, site="T2, desk 14")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        for language in ("vi", "en"):
            with shown(browser, hub, language) as page:
                for name, facts in STATES.items():
                    assert_fits(page, hub.publish(facts), name)
                    assert (page.text("training"), watermark(page)) == (BANNER, BANNER)
                    assert_contrast(page)
                page.kiosk.close()
                page.until(lambda: page.root("data-live") == "lost")
                assert (page.text("training"), watermark(page)) == (BANNER, BANNER)
            hub = Hub(training=True, site="T2, desk 14")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_that_was_open_before_learns_of_the_training_and_of_its_end(browser: webdriver.Chrome) -> None:
    """A browser outlives the unit: what it shows is what the unit of now says about itself."""
    with KioskServer(Hub(), port=0) as kiosk:
        page = Page(browser, kiosk.url)
        page.kiosk = kiosk
        page.until(lambda: page.root("data-live") == "yes")
        assert (page.root("data-training"), page.text("training")) == ("no", "")
        port = int(kiosk.url.rsplit(":", 1)[1].strip("/"))
    for training, banner in ((True, BANNER), (False, "")):
        hub = Hub(training=training)
        hub.publish(of_signal(Signal.PASS))
        with KioskServer(hub, port=port):
            page.until(lambda: page.text("word") == "PASS" and page.root("data-live") == "yes")
            assert page.text("training") == banner
        page.until(lambda: page.root("data-live") == "lost")
        assert page.text("training") == banner
    browser.get("about:blank")


def test_the_page_of_the_list_and_the_page_without_script_carry_the_banner() -> None:
    """What is rendered says it by itself."""
    listed = TrustPage(lambda: {"state": "FRESH", "environment": "test"})
    for training in (True, False):
        hub = Hub(training=training, trust_page=listed)
        with KioskServer(hub, port=0) as kiosk:
            for path in ("", "trust?lang=vi", "trust?lang=en"):
                request = urllib.request.Request(kiosk.url + path, headers={"Accept": "text/html"})
                with urllib.request.urlopen(request, timeout=10) as reply:
                    html = reply.read().decode()
                assert (f'data-training="{"yes" if training else "no"}"' in html) is True
                assert f">{BANNER}</p>" in html
                if path:
                    assert ("khóa thử, để tập huấn" if "vi" in path else "test keys, for training") in html


# --- The commands -------------------------------------------------------------------------------------------


def test_vaxgate_run_in_training_opens_the_store_of_training_alone(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """`[training] enabled`: said on stderr, in /health and on the page; the store of production is not it."""
    where = {"training": TrainingConfig(enabled=True, store=str(training_store(office)))}
    config = Config(
        kiosk=KioskConfig(port=0),
        lamp=LampConfig(factory="mock"),
        trust=TrustConfig(store=str(office.folder / "store")),
        **where,
    )
    facts, health = first_words(config, capsys)
    assert (facts["training"], health["training"], health["storage"]) == (True, True, "ok")
    swapped = Config(
        kiosk=KioskConfig(port=0),
        lamp=LampConfig(factory="mock"),
        training=TrainingConfig(enabled=True, store=str(office.folder / "store")),
    )
    _, health = first_words(swapped, capsys)
    assert (health["training"], health["state"], health["storage"]) == (True, "OUT", "down")
    production = Config(
        kiosk=KioskConfig(port=0),
        lamp=LampConfig(factory="mock"),
        trust=TrustConfig(store=str(training_store(office))),
    )
    _, health = first_words(production, capsys, loud=False)
    assert (health["training"], health["state"], health["storage"]) == (False, "OUT", "down")


def first_words(
    config: Config, capsys: pytest.CaptureFixture[str], *, loud: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Page and health of a unit that has looked at its store."""
    stop = threading.Event()
    worker = threading.Thread(target=run_gate, args=(config, stop), kwargs={"stats": True}, daemon=True)
    worker.start()
    url, said = "", ""
    end = time.monotonic() + 30
    try:
        while True:
            told = capsys.readouterr()
            url, said = url or told.out.split("\n")[0], said + told.err
            health = answer_of(url + "health") if url else {"state": "BOOT"}
            if health["state"] != "BOOT" and health["storage"] and health["reasons"]:
                facts = answer_of(url)
                break
            assert time.monotonic() < end, health
            time.sleep(0.1)
    finally:
        stop.set()
        worker.join(timeout=15)
    assert ("TRAINING" in said + capsys.readouterr().err) is loud
    return facts, health


def answer_of(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer: dict[str, Any] = json.loads(reply.read())
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
    return answer


def test_vaxgate_verify_says_training_with_every_answer_by_test_trust(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store that is named answers as what it is: in plain words, and as a member for machines."""
    at = ["--at", NOW.isoformat()]
    code = sample(office)
    assert verify.main(["--trust", str(training_store(office)), *at, code]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("TRAINING")
    assert "nobody is let in" in second
    assert verify.main(["--trust", str(training_store(office)), "--json", *at, code]) == 0
    assert json.loads(capsys.readouterr().out)["list"]["environment"] == "test"

    assert verify.main(["--trust", str(office.folder / "store"), "--json", *at, code]) == 20
    answer = json.loads(capsys.readouterr().out)
    assert (answer["list"]["environment"], answer["reasons"][0]["code"]) == ("production", "KEY_TEST")
    assert verify.main(["--trust", str(office.folder / "store"), *at, real(office)]) == 0
    assert "TRAINING" not in capsys.readouterr().out


def test_this_machine_s_own_store_is_never_one_of_training(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name `vaxgate-verify` means production; a store of training in its place is refused."""
    monkeypatch.setenv("VAXGATE_DATA", str(tmp_path))
    monkeypatch.delenv("VAXGATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trust").symlink_to(training_store(office))
    assert verify.main(["--at", NOW.isoformat(), sample(office)]) == 40
    told = capsys.readouterr()
    assert "STORE_DOWN" in told.out
    assert "holds test trust, and production trust was asked for" in told.err


def test_times_are_printed_with_the_mark(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """`--stats` still helps whoever sets a unit up; no line of it can be taken for a real count."""
    verdict = office.judge(real(office), open_store(office.folder / "store").current()).verdict
    for training in (True, False):
        stats = Stats(training=training)
        with stats.written(Timings(), lambda: Counts(0, 0, (0, 0))):
            stats.note(Answer(verdict, {"verify": 5}, training))
        line, *table = capsys.readouterr().out.splitlines()
        assert line.startswith("TRAINING") is training
        assert ("TRAINING: nothing was counted" in table) is training
    assert verdict.state is State.PASS
