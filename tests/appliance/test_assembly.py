"""Parts of a many-part code: whole in any order, never two persons', kept for their time only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.assembly import Assembly, Mixed, Waiting, Whole, part_in
from verifier.reasons import Reason, finding
from verifier.wire.dispatch import recognise
from verifier.wire.shc import Part

CANARY = "5710112"  # the digits of a part stand for a person's data

CARD = ("shc:/1/3/11", "shc:/2/3/22", "shc:/3/3/33")
OTHER = ("shc:/1/3/44", "shc:/2/3/55", "shc:/3/3/66")


def seen(*texts: str) -> dict[bytes, Part]:
    """The parts of one frame, by marks."""
    parts = {text.encode(): part_in(text) for text in texts}
    return {mark: part for mark, part in parts.items() if part is not None}


@pytest.mark.scenario("SC-F10")
@pytest.mark.parametrize("order", list(permutations(CARD)))
def test_parts_are_whole_in_any_order(order: tuple[str, ...]) -> None:
    """One after another; the text is that of the code in one piece, and nothing is kept of it."""
    assembly = Assembly(15)
    states = [assembly.take(seen(text), at) for at, text in enumerate(order)]
    whole = states.pop()
    assert states == [Waiting(1, 3), Waiting(2, 3)]
    assert isinstance(whole, Whole)
    assert (whole.text, whole.marks) == ("shc:/112233", frozenset(text.encode() for text in CARD))
    assert (assembly.waiting, assembly.marks) == (None, frozenset())


def test_parts_of_one_frame_are_whole_at_once() -> None:
    """A sheet of paper shows them all."""
    whole = Assembly(15).take(seen(*reversed(CARD)), 0)
    assert isinstance(whole, Whole)
    assert whole.text == "shc:/112233"


def test_a_part_that_comes_again_counts_once_and_waits_no_longer() -> None:
    """Seen twice is one part; only a new one gives the next its time."""
    assembly = Assembly(15)
    assembly.take(seen(CARD[0]), 0)
    assert assembly.take(seen(CARD[0]), 10) == Waiting(1, 3)
    assert assembly.expired(14.9) is None
    assert assembly.expired(15) == Waiting(1, 3)


@pytest.mark.scenario("SC-F10")
def test_each_new_part_gives_the_next_its_time_and_then_all_are_forgotten() -> None:
    """Fifteen seconds from the last new part; the time-out is said once, and nothing stays."""
    assembly = Assembly(15)
    assembly.take(seen(CARD[0]), 0)
    assembly.take(seen(CARD[1]), 14)
    assert assembly.expired(28.9) is None
    assert assembly.expired(29) == Waiting(2, 3)
    assert (assembly.expired(29), assembly.waiting) == (None, None)
    assert assembly.take(seen(CARD[2]), 29) == Waiting(1, 3)


def test_a_part_that_comes_too_late_begins_anew_also_when_nobody_asked() -> None:
    """The time-out does not depend on who looks first."""
    assembly = Assembly(15)
    assembly.take(seen(*CARD[:2]), 0)
    assert assembly.take(seen(CARD[2]), 15) == Waiting(1, 3)


STRANGERS: dict[str, tuple[str, str, Waiting]] = {
    "the same number with other content": (CARD[0], OTHER[0], Waiting(1, 3)),
    "another count": (CARD[0], "shc:/2/4/22", Waiting(1, 4)),
}


@pytest.mark.parametrize("name", list(STRANGERS))
def test_another_cards_part_begins_anew(name: str) -> None:
    """The first traveller's part is gone; it is never joined with the second's."""
    first, second, expected = STRANGERS[name]
    assembly = Assembly(15)
    assembly.take(seen(first), 0)
    assert assembly.take(seen(second), 1) == expected
    assert first.encode() not in assembly.marks


@pytest.mark.parametrize("together", [(CARD[0], OTHER[0]), (CARD[0], "shc:/2/2/22"), (*CARD, OTHER[1])])
def test_parts_of_two_cards_in_one_frame_are_not_joined(together: tuple[str, ...]) -> None:
    """Nobody could say which part belongs to whom; what was gathered before is forgotten too."""
    assembly = Assembly(15)
    assembly.take(seen(CARD[1]), 0)
    assert assembly.take(seen(*together), 1) == Mixed()
    assert (assembly.waiting, assembly.marks) == (None, frozenset())


@pytest.mark.parametrize(
    "code",
    ["HC1:6BF", "shc:/5676", "", "shc:/", "shc:/1/1/11", "shc:/4/3/11", "shc:/0/3/11", "shc:/1/2/99",
     "shc:/1/999/11", "shc:/1/2/1", b"shc:/1/2/11"],
)  # fmt: skip
def test_whatever_is_no_sound_part_is_judged_as_it_stands(code: str | bytes) -> None:
    """A whole card, another code, bytes, and a part that names a place which there is not."""
    assert part_in(code) is None


def test_parts_that_are_too_long_in_all_come_out_for_judging_to_refuse() -> None:
    """Thirty-two full symbols: no error of ours, and no text that a code could be."""
    whole = Assembly(15).take(seen(*(f"shc:/{number}/32/{'11' * 3500}" for number in range(1, 33))), 0)
    assert isinstance(whole, Whole)
    assert recognise(whole.text).finding == finding(
        Reason.TOO_BIG, f"text: {5 + 32 * 7000} characters, no code holds that many"
    )


def test_line_ends_that_a_reader_adds_make_no_other_part() -> None:
    """The same part with and without them counts once."""
    assembly = Assembly(15)
    assembly.take(seen(CARD[0]), 0)
    assert assembly.take(seen(CARD[0] + "\r\n"), 1) == Waiting(1, 3)


def test_nothing_of_a_part_is_printed() -> None:
    """No traceback and no log line can hold a person's data."""
    assembly = Assembly(15)
    states = [assembly.take(seen(f"shc:/{number}/2/{CANARY}{number}"), 0) for number in (1, 2)]
    assembly.take(seen(f"shc:/1/2/{CANARY}1"), 1)
    assert isinstance(states[1], Whole)
    assert CANARY in states[1].text
    spoken = repr([assembly, *states, *seen(f"shc:/1/2/{CANARY}1").values()])
    assert CANARY not in spoken.replace(repr(f"shc:/1/2/{CANARY}1".encode()), "")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 3), st.floats(0, 20)), max_size=25))
def test_whatever_comes_a_whole_code_is_made_of_parts_that_agree(
    steps: Iterable[tuple[str, int, float]],
) -> None:
    """Law: no number twice, none missing, every part seen within its time, and the latest of its number."""
    assembly, now = Assembly(15), 0.0
    latest: dict[int, tuple[str, float]] = {}
    for person, number, pause in steps:
        now += pause
        body = f"{1 if person == 'A' else 2}{number}"
        latest[number] = (body, now)
        state = assembly.take(seen(f"shc:/{number}/3/{body}"), now)
        if isinstance(state, Whole):
            assert state.text == "shc:/" + "".join(latest[place][0] for place in (1, 2, 3))
            assert now - min(at for _, at in latest.values()) < 15 * len(latest)
            latest.clear()
