"""A small fleet against nginx: what ``tests/fleet.py`` says of ten thousand units holds for two hundred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from country import Country
from crowd import play
from fleet import IDLE_BYTES, Unit, faults, measure, plain_server, starts
from trust_site import DAY, START

pytestmark = pytest.mark.slow

UNITS, SAMPLE = 200, 3

Found = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    """The whole report, of few units and few revocations; skips where nginx is not installed."""
    return measure(folder, clients=UNITS, sample=SAMPLE, keys=50, held=20_000, new=400, scopes=3)


@pytest.mark.parametrize("timestamp", ["same", "newer"])
def test_a_night_without_news_costs_a_unit_two_requests_and_little(found: Found, timestamp: str) -> None:
    """With nginx as the page sets it up, counted on the wire in both directions, headers and all."""
    seen = found["one unit without news"][f"nginx, {timestamp} timestamp"]
    assert seen["requests"] == 2
    assert seen["bytes"] <= IDLE_BYTES


@pytest.mark.parametrize("timestamp", ["same", "newer"])
def test_every_unit_of_a_fleet_gets_the_answers_that_the_real_client_took(
    found: Found, timestamp: str
) -> None:
    """And weighs what the real one weighs: the bytes were sent and received, not multiplied."""
    fleet = found["fleet without news"][f"{timestamp} timestamp"]
    unit = found["one unit without news"][f"nginx, {timestamp} timestamp"]
    assert (fleet["right"], fleet["first fault"]) == (UNITS, "none")
    assert fleet["bytes each"] == unit["bytes"]


def test_the_server_saw_each_unit_by_itself(found: Found, folder: Path) -> None:
    """Two nights of two requests from as many addresses as there are units, by nginx's own log."""
    seen: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for line in (folder / "nginx" / "access.log").read_text().splitlines():
        address, status = line.split()[0], line.split('"')[2].split()[0]
        if address != "127.0.0.1":
            seen[address] += 1
            statuses[status] += 1
    assert len(seen) == UNITS
    assert set(seen.values()) == {4}
    assert statuses == {"404": 2 * UNITS, "200": UNITS, "304": UNITS}


@pytest.mark.parametrize("night", ["400 new of 1 signer", "400 new of 3 signers", "none new, signed again"])
def test_real_units_fetch_the_news_and_nothing_else(found: Found, night: str) -> None:
    """To the byte what was published since the night before; and every new entry is then known."""
    seen = found["fleet with news"][night]
    assert (seen["only the news"], seen["know them"]) == (SAMPLE, SAMPLE)
    assert seen["measured bodies"] == seen["computed bodies"]
    assert seen["bytes each"] < found["fleet that has nothing yet"]["everything"]["bytes each"] / 4


def test_the_fleet_begins_evenly_over_the_night() -> None:
    """Ten thousand units over 240 minutes differ as dice do, and no minute has twice its share."""
    begun = starts(10_000)
    assert begun["mean"] == pytest.approx(10_000 / 240)
    assert begun["deviation"] == pytest.approx(begun["by chance"], rel=0.2)
    assert begun["peak to mean"] < 2


def test_another_answer_than_the_real_client_took_is_noticed(tmp_path: Path) -> None:
    """Units that get the timestamp which the real one took are right; those that get a newer one say so."""
    country = Country(tmp_path / "repository", keys=2, held=100, scopes=1)
    country.publish(START)
    unit = Unit(country, tmp_path / "store")
    with plain_server(country.directory) as url:
        unit.sync(url, START)
        exchanges = unit.heard(url, START)
        assert play(exchanges, url, 4).right == 4
        country.sign_timestamp(START + DAY)
        seen = play(exchanges, url, 4)
    assert seen.right == 0
    assert "another answer" in seen.faults[0]


def test_nothing_of_a_small_night_is_otherwise_than_it_should_be(found: Found) -> None:
    """The command ends with exit status 0."""
    assert faults(found) == []


def worse(part: str, row: str, fact: str, value: Any) -> Callable[[Found], None]:
    def change(found: Found) -> None:
        found[part][row][fact] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    {
        "a unit pays more": (
            worse("one unit without news", "nginx, newer timestamp", "bytes", IDLE_BYTES + 1),
            "1200 at most",
        ),
        "a third request": (
            worse("one unit without news", "nginx, same timestamp", "requests", 3),
            "3 requests",
        ),
        "a wrong answer": (worse("fleet without news", "same timestamp", "right", UNITS - 1), "1 units got"),
        "a night too long": (worse("fleet without news", "newer timestamp", "seconds", 61.0), "61 s"),
        "more than the news": (
            worse("fleet with news", "400 new of 1 signer", "only the news", 2),
            "'only the news' holds for 2 of 3",
        ),
        "an entry unknown": (
            worse("fleet with news", "400 new of 3 signers", "know them", 0),
            "'know them' holds for 0 of 3",
        ),
    }.values(),
)
def test_what_is_not_as_it_should_be_is_told(
    found: Found, change: Callable[[Found], None], words: str
) -> None:
    """Each of these, beside whatever this run has, ends the command with exit status 1."""
    other = deepcopy(found)
    change(other)
    (told,) = set(faults(other)) - set(faults(found))
    assert words in told
