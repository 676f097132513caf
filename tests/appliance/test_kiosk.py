"""The page's server: what it answers, to whom, and what it never says."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from clinic import clinic_at
from desk import Desk, person, vaccination
from hypothesis import given
from hypothesis import strategies as st

from appliance.demo import read_events
from appliance.errors import ApplianceError
from appliance.kiosk import HEADERS, MAX_STREAMS, create_app
from appliance.kiosk.facts import (
    MAX_ISSUER,
    issuer_name,
    of_findings,
    of_signal,
    of_verdict,
    of_waiting,
)
from appliance.kiosk.hub import Hub
from appliance.kiosk.plain import MAX_MARKS, MAX_NAME, plain
from appliance.kiosk.server import KioskServer
from appliance.kiosk.texts import FAMILIES, TEXTS, WAITING
from appliance.signals import SAYINGS, Signal
from verifier.certificate import Family
from verifier.duties import Duty, DutyCode
from verifier.reasons import CATALOGUE, Reason, finding
from verifier.verdict import Verdict

TITLE = TEXTS["title"]["vi"]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def kiosk(hub: Hub) -> Iterator[KioskServer]:
    with KioskServer(hub, port=0) as server:
        yield server


def verdict_of(desk: Desk, head: dict[str, Any] | None = None, **options: Any) -> Verdict:
    return desk.judged(desk.signer().issue(vaccination(head), **options)).verdict


def get(kiosk: KioskServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(kiosk.url).netloc, timeout=5)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), body


def test_a_fault_of_the_page_tells_its_kind_and_place_and_nobodys_name(
    hub: Hub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The text of an exception may hold a Holder: it is neither answered nor written down."""

    def why() -> dict[str, Any]:
        raise RuntimeError("QANARIC")

    hub.publish(of_signal(Signal.PASS), why=why)
    with KioskServer(hub, port=0) as kiosk:
        status, _, body = get(kiosk, "/why")
    assert (status, body) == (500, b"")
    assert "RuntimeError in why" in caplog.text
    assert "QANARIC" not in caplog.text + "".join(capfd.readouterr())


# --- Answers ------------------------------------------------------------------------------------------------


def test_people_get_html_and_machines_json_of_the_same_facts(
    kiosk: KioskServer, hub: Hub, desk: Desk
) -> None:
    """One address, one set of facts, two forms."""
    hub.publish(of_verdict(verdict_of(desk, exp=None)), result=True)
    status, headers, body = get(kiosk, "/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = body.decode()
    status, headers, body = get(kiosk, "/", Accept="application/json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    facts = json.loads(body)
    assert (facts["state"], facts["reasons"][0]["code"]) == ("CHECK", "NO_EXPIRY")
    shown = (
        SAYINGS[Signal.CHECK].vi,
        facts["headline"]["vi"],
        "NO_EXPIRY",
        "Nguyễn Bảo Duy",
        "1983-10-10",
        TITLE,
    )
    for word in shown:
        assert word in page


@pytest.mark.parametrize(
    "path", ["/", "/health", "/static/app.js", "/static/style.css", "/static/icon.svg", "/no"]
)
def test_every_answer_carries_the_guards(kiosk: KioskServer, path: str) -> None:
    """Nothing from elsewhere, nothing kept, nothing guessed, nothing framed; the server has no name."""
    _, headers, _ = get(kiosk, path)
    assert HEADERS.items() <= headers.items()
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "Server" not in headers
    assert "Set-Cookie" not in headers


def test_the_page_has_no_script_and_no_style_of_its_own_and_nothing_external(kiosk: KioskServer) -> None:
    """Everything comes from this machine; the policy would stop it otherwise."""
    texts = [get(kiosk, path)[2].decode() for path in ("/", "/static/app.js", "/static/style.css")]
    for text in texts:
        assert "http://" not in text
        assert "https://" not in text
    page = texts[0]
    assert "style=" not in page
    assert " on" not in page.replace(" one", "").split("<main>")[0].split("<body>")[1]
    assert page.count("<script") == page.count("<script src=") == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:8080", 200), ("localhost", 200), ("[::1]:99", 200),
        ("evil.example", 421), ("evil.example:8080", 421), ("127.0.0.1.evil.example", 421), ("", 421),
    ],
)  # fmt: skip
def test_only_this_machines_own_names_are_answered(kiosk: KioskServer, host: str, status: int) -> None:
    """A foreign name that resolves to loopback (DNS rebinding) reads no traveller's name."""
    for path in ("/", "/events", "/health", "/static/app.js"):
        if (path == "/events" and status == 200) or (path == "/health" and status == 200):
            continue
        assert get(kiosk, path, Host=host)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(kiosk: KioskServer, method: str) -> None:
    """The page only tells."""
    connection = http.client.HTTPConnection(urlsplit(kiosk.url).netloc, timeout=5)
    connection.request(method, "/", body=b"x")
    assert connection.getresponse().status == 405
    connection.close()


def test_it_listens_on_loopback_only(kiosk: KioskServer) -> None:
    """No other machine can ask."""
    assert urlsplit(kiosk.url).hostname == "127.0.0.1"
    assert kiosk._server.effective_host == "127.0.0.1"


def test_a_port_that_is_taken_is_named(kiosk: KioskServer) -> None:
    """With what to do next."""
    port = urlsplit(kiosk.url).port
    assert port is not None
    with pytest.raises(ApplianceError, match=rf"127\.0\.0\.1:{port}.*Set \[kiosk\] port"):
        KioskServer(Hub(), port=port)


@pytest.mark.parametrize(("state", "status"), [("READY", 200), ("OUT", 503), ("BOOT", 503)])
def test_health_is_200_when_fit_and_503_otherwise(
    kiosk: KioskServer, hub: Hub, state: str, status: int
) -> None:
    """A supervisor needs the status line only."""
    hub.set_health(lambda: {"state": state})
    code, headers, body = get(kiosk, "/health")
    assert (code, headers["Content-Type"], json.loads(body)) == (status, "application/json", {"state": state})


# --- Events -------------------------------------------------------------------------------------------------


class Listener:
    """One client of the event stream."""

    def __init__(self, kiosk: KioskServer) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(kiosk.url).netloc, timeout=5)
        self.connection.request("GET", "/events")
        self.response = self.connection.getresponse()
        self.events = read_events(self.response)

    def next(self) -> dict[str, Any]:
        return next(self.events)

    def close(self) -> None:
        # A stream has no end; the socket is closed under it.
        self.response.close()
        self.connection.close()


def test_a_stream_begins_with_what_is_shown_and_tells_each_change(kiosk: KioskServer, hub: Hub) -> None:
    """Ids rise; a change is told within a moment."""
    listener = Listener(kiosk)
    assert listener.response.headers["Content-Type"].startswith("text/event-stream")
    first = listener.next()
    assert first["signal"] == "BOOT"
    before = time.monotonic()
    hub.publish(of_signal(Signal.READY))
    second = listener.next()
    assert time.monotonic() - before < 1.0
    assert (second["signal"], second["id"] > first["id"]) == ("READY", True)
    listener.close()


def test_a_client_that_comes_back_gets_the_current_state_first(kiosk: KioskServer, hub: Hub) -> None:
    """Whatever it missed, it shows what is so now; nothing old is replayed."""
    listener = Listener(kiosk)
    listener.next()
    listener.close()
    for code in (Reason.CAMERA_DOWN, Reason.NO_LIST):
        hub.publish(of_findings(Signal.OUT, [finding(code)]))
    again = Listener(kiosk)
    assert again.next()["reasons"][0]["code"] == "NO_LIST"
    again.close()


def test_a_quiet_stream_gives_signs_of_life_with_list_and_clock(hub: Hub) -> None:
    """A comment and a beat, so that a page knows that it is heard and its bar moves on."""
    hub.stand({"list": None, "clock": {"state": "BOUNDED"}, "rules": None})
    client = create_app(hub, beat_s=0.05).test_client()
    response = client.get("/events", headers={"Host": "localhost"}, buffered=False)
    parts: Iterator[Any] = iter(response.response)
    told = "".join(bytes(next(parts)).decode() for _ in range(4))
    assert told.startswith("retry: ")
    assert told.count("\n: still here\nevent: beat\ndata: {") == 2
    assert '"clock":{"state":"BOUNDED"}' in told.split("event: beat")[1]
    response.close()


def test_streams_that_were_left_are_given_back_and_too_many_are_refused(hub: Hub) -> None:
    """A browser that reloads for ever does not use up the server."""
    with KioskServer(hub, port=0) as kiosk:
        listeners = [Listener(kiosk) for _ in range(MAX_STREAMS)]
        assert get(kiosk, "/events")[0] == 503
        assert get(kiosk, "/", Accept="application/json")[0] == 200
        for listener in listeners:
            listener.close()
        end = time.monotonic() + 10
        while get_status(kiosk) != 200:
            assert time.monotonic() < end, "no stream was given back"
            time.sleep(0.2)


def get_status(kiosk: KioskServer) -> int:
    """The status of one more stream, which is left at once."""
    listener = Listener(kiosk)
    listener.close()
    return listener.response.status


def test_the_server_ends_within_a_moment_while_pages_listen(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """A unit that is stopped stops: streams end, the port is free, no thread and no complaint is left."""
    before = threading.active_count()
    kiosk = KioskServer(hub, port=0)
    listeners = [Listener(kiosk) for _ in range(3)]
    for listener in listeners:
        listener.next()
    start = time.monotonic()
    kiosk.close()
    kiosk.close()
    assert time.monotonic() - start < 4
    port = urlsplit(kiosk.url).port
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port or 0), timeout=1):  # noqa: PT011
        pass
    for listener in listeners:
        listener.close()
    assert threading.active_count() <= before
    assert caplog.text == ""


# --- The hub ------------------------------------------------------------------------------------------------


def test_the_hub_keeps_the_latest_only(hub: Hub) -> None:
    """A page that sleeps through a hundred changes finds one."""
    first = hub.current()["id"]
    for _ in range(100):
        hub.publish(of_signal(Signal.READY))
    facts = hub.wait(first, timeout=1)
    assert facts is not None
    assert facts["id"] == first + 100
    assert hub.wait(facts["id"], timeout=0.01) is None


def test_a_repetition_without_the_name_is_not_another_result(hub: Hub, desk: Desk) -> None:
    """Ids rise when a name is cleared, results do not."""
    hub.publish(of_verdict(verdict_of(desk)), result=True)
    before = hub.current()
    hub.forget()
    after = hub.current()
    assert (after["id"], after["results"], after["state"]) == (before["id"] + 1, before["results"], "PASS")
    assert (before["holder"]["name"], after["holder"]) == ("Nguyễn Bảo Duy", None)


def test_closing_the_hub_forgets_whoever_was_shown(hub: Hub, desk: Desk) -> None:
    """Nothing of a Holder outlives the page."""
    hub.publish(of_verdict(verdict_of(desk)), result=True)
    hub.close()
    assert hub.current()["holder"] is None


# --- Facts --------------------------------------------------------------------------------------------------


def test_pitfall_24_name_and_birth_date_are_shown_for_comparison(desk: Desk) -> None:
    """A signature says nothing on the bearer: a PASS always shows whom to look for in the passport."""
    holder = of_verdict(verdict_of(desk))["holder"]
    assert (holder["name"], holder["birth_date"]) == ("Nguyễn Bảo Duy", "1983-10-10")
    only_icao = person(nam={"fnt": "NGUYEN", "gnt": "BAO<DUY"})
    assert of_verdict(verdict_of(desk, only_icao))["holder"]["name"] == "NGUYEN BAO DUY"


def test_without_a_signature_that_held_nobody_is_shown(desk: Desk) -> None:
    """What a forged code says about a person is not shown beside its red."""
    text = desk.signer().issue(vaccination())
    desk.keys.clear()
    desk.signer(label="2")
    facts = of_verdict(desk.judged(text).verdict)
    assert (facts["state"], facts["holder"], facts["issuer"]) == ("FAIL", None, None)


HOSTILE = {
    "right to left override": ("Nguy\u202eễn", "Nguyễn"),
    "isolates": ("A\u2066B\u2069C", "ABC"),
    "zero width": ("A\u200bB\u200dC\ufeffD", "ABCD"),
    "line breaks": ("A\r\nB\u2028C\u2029D\vE", "A B C D E"),
    "nul and bell": ("A\x00B\x07C\x1b[31mD", "ABC[31mD"),
    "markup": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "formula": ("=HYPERLINK(1)", "=HYPERLINK(1)"),
    "lone surrogate": ("A\ud800B", "AB"),
    "private use": ("A\ue000B\U000f0000C", "ABC"),
    "tags": ("A\U000e0041B", "AB"),
    "marks without end": ("a" + "\u0301" * 50 + "b", None),
    "very long": ("Ñ" * 5000, "Ñ" * (MAX_NAME - 1) + "…"),
    "blanks": ("  A \u3000 B\u00a0 ", "A B"),
    "decomposed": ("Nguye\u0302\u0303n", "Nguyễn"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_pitfall_21_a_hostile_name_is_one_line_of_plain_text(name: str) -> None:
    """Control and direction characters go, length and piles of marks are bounded, letters stay."""
    text, expected = HOSTILE[name]
    shown = plain(text)
    if expected is not None:
        assert shown == expected
    assert len(shown) <= MAX_NAME
    assert sum(unicodedata.category(c)[0] == "M" for c in shown) <= MAX_MARKS


@given(st.text(max_size=400))
def test_pitfall_21_any_name_is_short_printable_and_stays_so(text: str) -> None:
    """Whatever a code says: bounded, printable, one line; and showing it twice changes nothing."""
    shown = plain(text)
    assert len(shown) <= MAX_NAME
    assert shown == shown.strip()
    assert not any(unicodedata.category(char)[0] == "C" for char in shown)
    assert "\n" not in shown
    assert shown.encode().decode() == shown
    assert plain(shown) == shown


def test_pitfall_21_a_hostile_name_stays_text_in_the_page(kiosk: KioskServer, hub: Hub, desk: Desk) -> None:
    """Markup in a name is shown as letters: no tag of it reaches the HTML."""
    evil = '"><img src=x onerror=alert(1)>'
    hub.publish(of_verdict(verdict_of(desk, person(nam={"fn": evil, "fnt": "EVIL"}))), result=True)
    page = get(kiosk, "/", Accept="text/html")[2].decode()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_facts_hold_no_code_no_identifier_and_no_diagnosis(desk: Desk) -> None:
    """What an officer does not need for the comparison is not on the page."""
    text = desk.signer().issue(vaccination(ci="URN:UVCI:01:XV:SECRETID"))
    facts = str(of_verdict(desk.judged(text).verdict))
    for secret in (text[4:40], "SECRETID", "840539006", "EU/1/20/1528", "1119349007"):
        assert secret not in facts


ISSUERS = {
    "https://spec.smarthealth.cards/examples/issuer": "spec.smarthealth.cards",
    "https://Health.Example:8443/cards?x=1": "health.example",
    "https://gov.vn@evil.example/": "evil.example",
    "http://cowin.gov.in": "cowin.gov.in",
    "did:web:nzcp.covid19.health.nz": "nzcp.covid19.health.nz",
    "did:web:health.example:cards:1": "health.example",
    "did:india": "did:india",
    "VN": "VN",
    "AUS": "AU",
    "https://[": "https://[",
    "https://": "https://",
    "https:///cards": "https:///cards",
    "": "",
    "https://" + "gov.vn." * 20 + "evil.example/": "…" + ("gov.vn." * 20 + "evil.example")[1 - MAX_ISSUER :],
    "https://a\u202eb.example/": "ab.example",
    "Ministry " * 20: "Ministry Ministry Ministry Ministry Ministry Mi…",
}


@pytest.mark.parametrize("text", list(ISSUERS))
def test_an_issuer_is_shown_by_its_host_and_never_as_a_link(text: str) -> None:
    """Whose name it is stands at a host's end, so the end is what stays."""
    shown = issuer_name(text)
    assert shown == ISSUERS[text]
    assert len(shown) <= MAX_ISSUER


@given(st.one_of(st.text(max_size=120), st.text(max_size=120).map(lambda text: f"https://{text}")))
def test_any_issuer_is_short_and_printable(text: str) -> None:
    """Whatever a code says, it is one line and never an error."""
    shown = issuer_name(text)
    assert len(shown) <= MAX_ISSUER
    assert not any(unicodedata.category(char)[0] == "C" for char in shown)


def test_a_smart_card_is_named_with_its_issuers_host(desk: Desk) -> None:
    """What kind of document, whose, and who is to be compared."""
    (text,) = clinic_at(desk).parts(1)
    facts = of_verdict(desk.judged(text).verdict)
    assert (facts["state"], facts["family"], facts["issuer"]) == ("PASS", "SHC", "health.example")
    assert facts["document"] == {"vi": "Thẻ sức khỏe SMART", "en": "SMART Health Card"}
    assert facts["holder"] == {
        "name": "Trương Mỹ Ước", "passport_name": "", "birth_date": "1969-04-05",
    }  # fmt: skip


def test_a_name_of_one_text_is_shown_as_it_is(desk: Desk) -> None:
    """Some documents do not tell a surname from given names."""
    (text,) = clinic_at(desk).parts(1, family="NGUYEN  BAO DUY", given="")
    assert of_verdict(desk.judged(text).verdict)["holder"]["name"] == "NGUYEN BAO DUY"


def test_what_stays_beside_ready_names_its_document(hub: Hub, desk: Desk) -> None:
    """The last result keeps its kind and issuer with its name."""
    (text,) = clinic_at(desk).parts(1)
    hub.publish(of_verdict(desk.judged(text).verdict), result=True)
    hub.publish(of_signal(Signal.READY), keep_last=True)
    last = hub.current()["last"]
    assert (last["document"]["en"], last["issuer"]) == ("SMART Health Card", "health.example")


@pytest.mark.scenario("SC-F10")
def test_the_facts_while_parts_are_gathered_are_ready_and_a_number() -> None:
    """No state, nobody's name, and the count for people and machines."""
    facts, ready = of_waiting(1, 3), of_signal(Signal.READY)
    assert facts == ready | {
        "headline": {
            "vi": "Đã đọc 1 / 3 phần, đưa phần tiếp theo",
            "en": "1 of 3 parts read, hold up the next",
        },
        "parts": {"have": 1, "count": 3},
    }


@pytest.mark.parametrize("family", list(Family))
def test_every_family_has_its_name_in_both_languages(family: Family) -> None:
    """No officer has to read a code's prefix."""
    assert set(FAMILIES[family]) == {"vi", "en"}
    assert all(FAMILIES[family].values())
    assert set(WAITING) == {"vi", "en"}


@pytest.mark.parametrize("code", list(Reason))
def test_every_reason_has_its_words_in_both_languages(code: Reason) -> None:
    """The headline is the first reason's, when it is what makes the state."""
    found = finding(code)
    facts = of_findings(Signal.OUT if found.state is None else Signal(found.state.value), [found])
    assert facts["reasons"][0]["text"] == {"vi": CATALOGUE[code].vi, "en": CATALOGUE[code].en}
    banner = facts["reasons"][0]["state"] is None
    assert (facts["headline"] == facts["reasons"][0]["text"]) is not banner


@pytest.mark.parametrize("code", list(DutyCode))
def test_every_duty_has_its_words(desk: Desk, code: DutyCode) -> None:
    """With its numbers."""
    base = verdict_of(desk)
    verdict = Verdict(
        base.state, base.reasons, (Duty(code, days=7),), base.family, base.certificate,
        base.list_state, base.list_signed_at, base.clock, base.bundle,
    )  # fmt: skip
    (duty,) = of_verdict(verdict)["duties"]
    assert duty["code"] == code.value
    assert set(duty["text"]) == {"vi", "en"}
    assert "{" not in str(duty["text"].values())


def test_every_text_of_the_page_is_there_in_both_languages() -> None:
    """None is empty, and none is the same by neglect but for names."""
    for key, text in TEXTS.items():
        assert set(text) == {"vi", "en"}, key
        assert all(text.values()), key
