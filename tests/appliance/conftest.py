"""Fixtures of the appliance's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser_rig import chromium
from desk import Desk
from gate_rig import Rig
from selenium import webdriver


@pytest.fixture
def desk() -> Desk:
    """A desk with an empty list."""
    return Desk()


@pytest.fixture
def rig(desk: Desk) -> Iterator[Rig]:
    """A gate at that desk."""
    bench = Rig(desk)
    yield bench
    bench.close()


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    """Gates with something of their own; closed at the end."""
    made: list[Rig] = []

    def make(desk: Desk, **options: Any) -> Rig:
        made.append(Rig(desk, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """One browser for all who look at a page."""
    with chromium() as opened:
        yield opened
