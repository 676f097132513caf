"""The table of attacks: each story ends as it is told."""

from __future__ import annotations

import pytest

from attacks.all import ATTACKS
from attacks.scene import Attack, play


@pytest.mark.parametrize("told", ATTACKS, ids=[each.name for each in ATTACKS])
def test_the_attack_ends_as_told(told: Attack) -> None:
    """A real client, a real server, a real store and a verdict, before and after."""
    play(told)


def test_the_table_is_as_long_as_it_must_be() -> None:
    """At least eighty stories, and each of the twenty-two rows that the design measured is told."""
    assert len(ATTACKS) >= 80
    assert {each.row for each in ATTACKS} >= set(range(1, 23))


def test_each_story_says_what_must_come_of_it() -> None:
    """A name alone is no story, and a story is a sentence or two."""
    for told in ATTACKS:
        assert 40 <= len(told.story) <= 500, told.name
        assert told.story.endswith("."), told.name
