"""JSON equality that tells true from 1, and 1 from 1.0, for comparing answers with recorded ones."""

from __future__ import annotations

from typing import Any


def strictly_equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, with their types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(strictly_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(strictly_equal(one[name], other[name]) for name in one)
    return bool(one == other)
