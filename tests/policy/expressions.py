"""Generated expressions and data: any JSON value, and what looks like a rule and mostly is none."""

from __future__ import annotations

from hypothesis import strategies as st

from verifier.policy.language import COUNTS, Dialect

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=15,
)
operators = st.sampled_from([*COUNTS[Dialect.OWN], "var", "nonsense"])
# What looks like a rule and mostly is none: operators over anything.
rule_like = st.recursive(
    json_values | st.sampled_from(["2021-05-27", "year", "day", "data", "current", "a.0"]),
    lambda inner: st.dictionaries(operators, inner | st.lists(inner, max_size=4), min_size=1, max_size=1),
    max_leaves=12,
)
