"""The versions of rules that were in force on a unit, as its state database keeps them: light to load.

The rules this module keeps:

* One row for each name that ever was in force, also after its rules are gone.
* What they mean for the next list is :mod:`trustsync.succession`'s.

    read_floors({"vn-2022-03": ["1.1.0", ""]})["vn-2022-03"].version
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleFloor:
    """What is remembered of one name. version: the highest that was in force here; empty: none yet.

    taken_back: what a roll-back took back, so that only a higher one follows; empty: nothing.
    """

    version: str = ""
    taken_back: str = ""


_VERSION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9}){2})?")  # of a bundle, or none


Floors = Mapping[str, RuleFloor]  # by the bundle's name
NO_FLOORS: Floors = MappingProxyType({})


def read_floors(said: Any) -> Floors:
    """The floors of their JSON. Raises ValueError for what cannot be right."""
    if not isinstance(said, dict) or not all(_is_floor(row) for row in said.values()):
        raise ValueError("the versions of rules that were in force are not as they are written")
    return {name: RuleFloor(version, taken_back) for name, (version, taken_back) in said.items()}


def _is_floor(row: Any) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 2
        and all(isinstance(each, str) and _VERSION.fullmatch(each) for each in row)
    )


def write_floors(floors: Floors) -> dict[str, list[str]]:
    """The same as JSON."""
    return {name: [floor.version, floor.taken_back] for name, floor in sorted(floors.items())}
