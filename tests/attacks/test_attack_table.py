"""The table of attacks: each story ends as it is told."""

from __future__ import annotations

import pytest

from attacks.all import ATTACKS
from attacks.scene import Attack, play


@pytest.mark.parametrize("told", ATTACKS, ids=[each.name for each in ATTACKS])
def test_the_attack_ends_as_told(told: Attack) -> None:
    """A real client, a real server, a real store and a verdict, before and after."""
    play(told)
