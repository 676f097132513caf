"""Changes to the raw files of an upstream list, such as a broken line or a forger makes them.

changed = mutated({"list": data}, seed=17)      # the same seed, the same change; and always a change

A change is one of: a bit flipped, bytes deleted, inserted or overwritten, the file cut short, two blocks
swapped, a block written twice, two files swapped, a file lost, or an edit of a JSON text (also one inside a
JWS, behind a signature's line, or in Base64 inside another JSON text): a member taken out, taken from
elsewhere, changed a little, or named twice.
"""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_LONGEST_JSON = 1 << 20  # bytes; larger texts are changed as bytes only, since parsing them takes its time


def mutated(raw: Mapping[str, bytes], seed: int) -> dict[str, bytes]:
    """These files with one change that the seed decides."""
    dice = random.Random(seed)
    while True:
        files = dict(raw)
        name = dice.choice(sorted(files))
        dice.choice(_CHANGES)(files, name, dice)
        if files != dict(raw):
            return files


def _flip(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    data = bytearray(files[name])
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    files[name] = bytes(data)


def _delete(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    start, end = _block(files[name], dice, 64)
    files[name] = files[name][:start] + files[name][end:]


def _insert(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    place = dice.randrange(len(files[name]) + 1)
    added = dice.choice((dice.randbytes(dice.randint(1, 16)), b" ", b"\n", b"0", b"A", b"="))
    files[name] = files[name][:place] + added + files[name][place:]


def _overwrite(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    start, end = _block(files[name], dice, 32)
    files[name] = files[name][:start] + dice.randbytes(end - start) + files[name][end:]


def _cut(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    files[name] = files[name][: dice.randrange(len(files[name]) + 1)]


def _swap_blocks(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    data = files[name]
    size = dice.choice((1, 4, 16, 64, 256))
    if len(data) >= 2 * size:
        one, other = sorted(dice.sample(range(0, len(data) - size + 1), 2))
        if other - one >= size:
            files[name] = b"".join(
                (
                    data[:one],
                    data[other : other + size],
                    data[one + size : other],
                    data[one : one + size],
                    data[other + size :],
                )
            )


def _repeat(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    start, end = _block(files[name], dice, 512)
    files[name] = files[name][:end] + files[name][start:end] + files[name][end:]


def _swap_files(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    other = dice.choice(sorted(files))
    files[name], files[other] = files[other], files[name]


def _lose(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    del files[name]


def _edit_json(files: dict[str, bytes], name: str, dice: random.Random) -> None:
    found = list(_texts(files[name]))
    if found:
        value, rebuild = dice.choice(found)
        _edit(value, dice)
        text = json.dumps(value, separators=dice.choice(((",", ":"), (", ", ": ")))).encode()
        if dice.random() < 0.2:  # the last object's first member once more, perhaps with another value
            text = text.replace(b"{", b'{"keys":null,"keys":null,', 1)
        files[name] = rebuild(text)


_CHANGES: tuple[Callable[[dict[str, bytes], str, random.Random], None], ...] = (
    *(_flip,) * 3,
    *(_delete, _insert, _overwrite, _cut, _swap_blocks) * 2,
    *(_repeat, _swap_files, _lose),
    *(_edit_json,) * 6,
)


def _block(data: bytes, dice: random.Random, longest: int) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + dice.randint(1, longest))


def _texts(data: bytes, deeper: bool = True) -> Iterator[tuple[Any, Callable[[bytes], bytes]]]:
    """Each JSON text in these bytes, read, with how the file is made again round a changed one."""
    if len(data) > _LONGEST_JSON:
        return
    head, line, rest = data.partition(b"\n")
    value = _json(data)
    if value is not None:
        yield value, lambda text: text
        if deeper:
            yield from _inside(value)
    elif line and (below := _json(rest)) is not None:
        yield below, lambda text: head + line + text
    parts = data.split(b".")
    if len(parts) == 3:
        for number in (0, 1):
            part = _json(_unbase64(parts[number]))
            if part is not None:
                yield part, _in_jws(parts, number)


def _inside(value: Any) -> Iterator[tuple[Any, Callable[[bytes], bytes]]]:
    """JSON texts that stand as Base64 in the members of another."""
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str) and (inner := _json(_unbase64(member.encode()))) is not None:
                yield inner, _in_member(value, name)


def _in_jws(parts: list[bytes], number: int) -> Callable[[bytes], bytes]:
    def rebuild(text: bytes) -> bytes:
        encoded = base64.urlsafe_b64encode(text).rstrip(b"=")
        return b".".join((*parts[:number], encoded, *parts[number + 1 :]))

    return rebuild


def _in_member(value: dict[str, Any], name: str) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps(value | {name: base64.b64encode(text).decode()}).encode()


def _json(data: bytes) -> Any:
    """A JSON object or list; ``None`` for anything else."""
    if data[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _unbase64(data: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return b""


def _edit(value: Any, dice: random.Random) -> None:
    """One edit at a random place of a JSON value, in place."""
    places = list(_places(value))
    if not places:
        return
    holder, key = dice.choice(places)
    match dice.randrange(5):
        case 0:
            del holder[key]
        case 1:
            other, elsewhere = dice.choice(places)
            holder[key] = json.loads(json.dumps(other[elsewhere]))
        case 2:
            holder[key] = dice.choice(
                (None, True, 0, -1, 2**53, 1e308, "", [], {}, [[]], "\ud800", "é", "00")
            )
        case 3 if isinstance(holder, list):
            holder.insert(dice.randrange(len(holder) + 1), json.loads(json.dumps(holder[key])))
        case _:
            holder[key] = _nearly(holder[key], dice)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield value, key
        yield from _places(member)


def _nearly(value: Any, dice: random.Random) -> Any:
    if isinstance(value, str) and value:
        place = dice.randrange(len(value))
        return value[:place] + dice.choice("ABab01+/=-_ ") + value[place + 1 :]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + dice.choice((-1, 1, 1000, 86400, 10**9))
    return [value]
