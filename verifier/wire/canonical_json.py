"""JSON in its canonical form (RFC 8785): the same bytes for equal values, which can be signed or hashed.

The rules this module keeps:

* ``rfc8785`` knows the form. Python's own encoder is several times as fast, and writes a plain value alike.
* Plain is what no two ways exist for: no float, no integer beyond ±(2^53 - 1), and members with ASCII names,
  which sort alike by characters and by UTF-16 units.

    dumps({"b": 1, "a": "é"})          # b'{"a":"\\xc3\\xa9","b":1}'
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785

from verifier.wire.strict_json import MAX_INTEGER

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))


def dumps(value: Any) -> bytes:
    """The canonical form of a JSON value, none of which holds itself. Raises ValueError where it has none."""
    return _ENCODER.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)


def _is_plain(value: Any) -> bool:
    waiting = [value]
    for each in waiting:
        kind = type(each)
        if kind is dict:
            for name in each:
                if type(name) is not str or not name.isascii():
                    return False
            waiting += each.values()
        elif kind is list:
            waiting += each
        elif kind is int:
            if abs(each) > MAX_INTEGER:
                return False
        elif kind is not str and kind is not bool and each is not None:
            return False
    return True
