"""What was given on the command line, as codes: texts, lines, images, card files; parts put together.

The rules this module keeps:

* Codes come one by one, as they are read: a long stream is answered while it lasts.
* Parts of one code are one code, wherever they come; those that stay alone come last.
* An argument that is a code is never taken for the name of a file, and is not repeated in an error.

    for given in together(codes_of(["ticket.png", "-"], data_matrix=False)):
        given.identity, given.payload
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from appliance.cli.answer import readable
from verifier.opening import OpenedCode, open_parts
from verifier.wire import shc
from verifier.wire.dispatch import recognise
from verifier.wire.errors import MalformedError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"}
MAX_LINE = 1024 * 1024  # bytes of a line on stdin; no code has more than 7,089 characters
MAX_WAITING = 64  # codes of one count that wait for their parts; the oldest goes as it is
_TEXT_SUFFIX = ".txt"
_CARD_SUFFIX = ".smart-health-card"


class UsageError(ValueError):
    """The command cannot be carried out as it was typed; the message says what to type instead."""


@dataclass(frozen=True, slots=True, repr=False)
class Given:
    """One code as it was given: id, kind of input, payload (``None``: none was read), microseconds of
    reading.
    """

    identity: str
    kind: str
    payload: str | bytes | OpenedCode | None
    text: str | None = None
    micros: int | None = None


def together(codes: Iterable[Given]) -> Iterator[Given]:
    """Parts of many-part codes as one code each, under the id of the first; incomplete ones come last."""
    waiting: dict[int, list[dict[int, Given]]] = {}  # by their count: of each code the parts by their number
    for given in codes:
        try:
            part = shc.part_of(given.payload) if isinstance(given.payload, str) else None
        except MalformedError:
            part = None  # a broken one is judged as it is
        if part is None:
            yield given
            continue
        alike = waiting.setdefault(part.count, [])
        whole = next((parts for parts in alike if _fits(parts, part, given)), None)
        if whole is None:
            alike.append(whole := {})
        whole.setdefault(part.number, given)
        if len(whole) == part.count:
            alike.remove(whole)
            yield _joined(whole)
        elif len(alike) > MAX_WAITING:
            yield _joined(alike.pop(0))
    for alike in waiting.values():
        yield from map(_joined, alike)


def _fits(parts: dict[int, Given], part: shc.Part, given: Given) -> bool:
    """Whether a part may belong to these: its place is free, or it is the one that is there."""
    there = parts.get(part.number)
    return there is None or there.payload == given.payload


def _joined(parts: dict[int, Given]) -> Given:
    first = next(iter(parts.values()))
    texts = [str(given.payload) for given in parts.values()]
    micros = sum(given.micros or 0 for given in parts.values()) or None
    return replace(first, payload=open_parts(texts), micros=micros)


def _text(identity: str, text: str) -> Iterator[Given]:
    """A text as one code, or the cards of the health-card file that it is."""
    cards = [text]
    if shc.is_card_file(text):
        with suppress(MalformedError):
            cards = shc.cards_in(text)
    for number, card in enumerate(cards, 1):
        yield Given(identity if len(cards) == 1 else f"{identity}:{number}", "text", card, card)


def codes_of(inputs: list[str], data_matrix: bool) -> Iterator[Given]:
    """Each code of the arguments, in their order."""
    number_of_text = 0
    for given in inputs:
        if given == "-":
            for number, line in enumerate(_bounded(sys.stdin.buffer), 1):
                text = _decoded(line.rstrip(b"\r\n"))
                yield from _text(str(number), text)
        elif given.endswith(_TEXT_SUFFIX) and not is_code(given):
            for number, text in _lines(Path(given)):
                yield Given(f"{Path(given).name}:{number}", "text", text, text)
        elif given.endswith(_CARD_SUFFIX) and not is_code(given):
            yield from _cards(Path(given))
        elif _is_image(given):
            yield from _image(Path(given), data_matrix)
        else:
            number_of_text += 1
            yield from _text(str(number_of_text), given)


def _cards(path: Path) -> Iterator[Given]:
    """The cards of a health-card file, each for itself."""
    try:
        cards = shc.cards_in(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (MalformedError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no file of SMART Health Cards ({type(error).__name__})") from error
    for number, card in enumerate(cards, 1):
        yield Given(f"{path.name}:{number}", "text", card, card)


def _image(path: Path, data_matrix: bool) -> Iterator[Given]:
    from appliance.errors import PictureError
    from appliance.reader.stills import read_image

    if not path.exists():
        raise UsageError(f"{readable(str(path))}: there is no such file")
    try:
        codes = read_image(path, data_matrix=data_matrix)
    except PictureError as error:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise UsageError(f"{path}: {error}; give a picture, or a .txt file with a code a line") from error
        print(f"vaxgate-verify: {readable(path.name)}: {error}", file=sys.stderr)
        codes = []
    if not codes:
        yield Given(path.name, "image", None)
    for code in codes:
        text = code.text if code.text is not None else code.data.decode("latin-1")
        yield Given(path.name, "image", code.payload, text, code.micros)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of each line that is not empty."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return [(number, _decoded(line)) for number, line in enumerate(lines, 1) if line]


def _bounded(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream; of an endless one only as much as shows that it is too long."""
    while line := stream.readline(MAX_LINE):
        rest = line
        while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE)
        yield line


def _decoded(line: bytes) -> str:
    """A line as text; bytes that are no UTF-8 are taken one character a byte, as a scanner does."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _is_image(given: str) -> bool:
    if not given or len(given) > 4000 or "\n" in given or is_code(given):
        return False
    path = Path(given)
    try:
        is_folder = path.is_dir()
        is_image = path.suffix.lower() in IMAGE_SUFFIXES or path.is_file()
    except (OSError, ValueError):
        return False
    if is_folder:
        raise UsageError(f"{path} is a folder; give its files, as {path}/*.png")
    return is_image


def is_code(text: str) -> bool:
    """Whether a text is a code of a known kind, and so no file's name."""
    kind = recognise(text)
    return kind.family is not None or (kind.finding is not None and kind.finding.detail != "")
