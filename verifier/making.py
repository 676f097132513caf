"""Frozen values that are made as fast as open ones.

A frozen dataclass sets each of its fields through ``object.__setattr__``, which takes four times as long as
setting it. A verdict makes some twenty such values, and for every rule one more: a tenth of all its time.

The rule this module keeps:

* What is made is the same frozen dataclass: the same fields and defaults, equal, hashed and shown alike, and
  nobody can change it. Only its ``__init__`` is another one.

    @quickly_made
    @dataclass(frozen=True, slots=True)
    class Verdict: …
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(made: type[T]) -> type[T]:
    """The frozen dataclass with slots, with an ``__init__`` that fills an instance while it is still open.

    Instances begin as ones of a class with the same slots and nothing that guards them. Raises TypeError for
    a dataclass that this cannot be done for: without slots, with ``__post_init__``, or with fields that are
    no arguments or keyword-only.
    """
    given: tuple[Field[Any], ...] = fields(made)  # type: ignore[arg-type]
    if (
        tuple(made.__dict__.get("__slots__", ())) != tuple(field.name for field in given)
        or hasattr(made, "__post_init__")
        or not all(field.init and not field.kw_only for field in given)
    ):
        raise TypeError(f"{made.__name__} is no plain frozen dataclass with slots")
    opened = type(made.__name__, (), {"__slots__": made.__dict__["__slots__"]})
    names: dict[str, Any] = {"_opened": opened, "_made": made, "_become": object.__setattr__}
    arguments, lines = [], []
    for field in given:
        argument, value = field.name, field.name
        if field.default is not MISSING:
            names[f"_default_{field.name}"] = field.default
            argument += f"=_default_{field.name}"
        elif field.default_factory is not MISSING:
            names[f"_factory_{field.name}"] = field.default_factory
            names["_absent"] = MISSING
            argument += "=_absent"
            value = f"_factory_{field.name}() if {field.name} is _absent else {field.name}"
        arguments.append(argument)
        lines.append(f"    self.{field.name} = {value}\n")
    exec(  # noqa: S102 - of names of fields alone, as the dataclasses of the standard library are made
        f"def __init__(self, {', '.join(arguments)}):\n"
        "    _become(self, '__class__', _opened)\n" + "".join(lines) + "    self.__class__ = _made\n",
        names,
    )
    names["__init__"].__qualname__ = f"{made.__qualname__}.__init__"
    type.__setattr__(made, "__init__", names["__init__"])
    return made
