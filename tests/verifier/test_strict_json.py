"""JSON and base64url in what is signed: read strictly, and written in one way."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from verifier.reasons import Reason
from verifier.wire import base64url, canonical_json, strict_json
from verifier.wire.errors import MalformedError

texts = st.text(st.sampled_from('ab"\\[]{}\n\ud83d\ude00\ud800é\U0001f600\uffee'), max_size=5)
numbers = st.integers() | st.integers(-(2**53) - 1, 2**53 + 1) | st.floats()
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def depth(value: Any) -> int:
    """How deep lists and objects stand in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def leaves(value: Any) -> Iterator[Any]:
    """Every text, number and word in it, names of members too."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def is_told_alike(leaf: Any) -> bool:
    """Whether every reader of JSON makes the same of it."""
    if isinstance(leaf, str):
        return not any("\ud800" <= each <= "\udfff" for each in leaf)
    if isinstance(leaf, float):
        return math.isfinite(leaf)
    return abs(leaf or 0) <= strict_json.MAX_INTEGER


@pytest.mark.parametrize("text", ['a"b', "a\\", '\\"', "[[[", "}", '["\\', "é{"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_brackets_and_quotes_inside_texts_nest_nothing(text: str, ascii_only: bool) -> None:
    """Sixteen levels are read and seventeen are not, whatever the texts between them hold."""
    value: Any = {text: [text * 9]}
    for _ in range(strict_json.MAX_DEPTH - 2):
        value = [text, value, text]
    written = json.dumps(value, ensure_ascii=ascii_only)
    assert strict_json.decode(written, "test") == strict_json.decode(written.encode(), "test") == value
    with pytest.raises(MalformedError) as caught:
        strict_json.decode(f'["x",{written}]', "test")
    assert caught.value.reason is Reason.TOO_BIG


@pytest.mark.parametrize("depth", [strict_json.MAX_DEPTH, strict_json.MAX_DEPTH + 1])
def test_a_text_without_end_hides_no_brackets_before_it(depth: int) -> None:
    """What is no JSON is told from what is too deep by the brackets in front of the fault."""
    with pytest.raises(MalformedError) as caught:
        strict_json.decode("[" * depth + '"]]]]', "test")
    assert (caught.value.reason is Reason.TOO_BIG) is (depth > strict_json.MAX_DEPTH)


SURROGATES = {
    "as it stands": '["\ud800"]',
    "two in the wrong order": '["\udc00\ud800"]',
    "as an escape": '["\\ud800"]',
    "as an escape in capitals": '["\\uDFFF"]',
    "beside a pair": '["\\ud83d\\ude00\\ud83d"]',
    "as the name of a member": '{"a":[{"\\udabc":1}]}',
}


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_an_unpaired_surrogate_is_malformed(surrogate: str) -> None:
    """No UTF-8 has it, so two readers cannot agree on what it is."""
    with pytest.raises(MalformedError, match="unpaired surrogate"):
        strict_json.decode(SURROGATES[surrogate], "test")


def test_a_pair_of_surrogates_is_the_character_that_it_stands_for() -> None:
    """As escapes; a backslash before an escape makes it a text of its own."""
    assert strict_json.decode('["\\ud83d\\ude00","\\\\ud800"]', "test") == ["\U0001f600", "\\ud800"]


@settings(max_examples=300)
@given(documents)
def test_what_json_holds_is_read_as_it_is_or_refused(value: Any) -> None:
    """The value itself, where it is not too deep and all its numbers and texts are I-JSON's."""
    for ascii_only in (True, False):
        written = json.dumps(value, ensure_ascii=ascii_only)
        others = json.loads(written)  # as a reader has it that is not strict
        twice = json.dumps(others) != json.dumps(value)  # members whose names are alike once they are written
        if depth(value) <= strict_json.MAX_DEPTH and all(map(is_told_alike, leaves(others))) and not twice:
            assert json.dumps(strict_json.decode(written, "test")) == json.dumps(value)
        else:
            with pytest.raises(MalformedError):
                strict_json.decode(written, "test")


def canonical(write: Any, value: Any) -> bytes | None:
    """The canonical form; ``None`` for a value that has none."""
    try:
        return bytes(write(value))
    except ValueError:
        return None


@settings(max_examples=500)
@given(documents)
@example({"\ufb33": 1, "\U0001f600": 2})
@example({"a": [1.0, 1e16, 2**53]})
@example([2**53 - 1, 1 - 2**53])
@example([2**53])
@example([-(2**53)])
@example({1: 2})
@example({"\x7f\x1f\u2028": '\x00\x1f\x7f\b\f\n\r\t/\\"\u2028'})
def test_the_canonical_form_is_that_of_rfc_8785_for_every_value(value: Any) -> None:
    """To the byte, or refused as the form's own writer refuses it."""
    assert canonical(canonical_json.dumps, value) == canonical(rfc8785.dumps, value)


@given(st.binary(max_size=20), st.text("-_+/= \nAé", max_size=3), st.integers(0, 30))
@example(b"", "+A", 0)
@example(b"", "/A", 0)
@example(b"ab", "=", 3)
def test_base64url_has_one_alphabet_and_no_padding(data: bytes, foreign: str, place: int) -> None:
    """What is read is its own alphabet alone, whatever other readers of Base64 would skip or take."""
    text = base64url.encode(data)
    assert base64url.decode(text, "test", "it") == data
    changed = text[:place] + foreign + text[place:]
    if set(foreign) & set("+/= \né") or len(changed) % 4 == 1:
        with pytest.raises(MalformedError):
            base64url.decode(changed, "test", "it")
    else:
        padded = changed + "=" * (-len(changed) % 4)
        assert base64url.decode(changed, "test", "it") == base64.urlsafe_b64decode(padded)
