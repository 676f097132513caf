"""The verb ``vaxgate scan``: what the reader sees in pictures. It judges nothing.

The rules this module keeps:

* A line an image, in their order. What was read of several together is one more line, with all their names.
* Few images of one size that show nothing by themselves may be frames of one symbol: they are read together
  too. A text counts only where error correction made it whole, so pictures that have nothing to do with each
  other give none.
* A picture that cannot be opened is named on stderr, its line says so too, and the others are read.

    vaxgate scan ticket.png --json
    vaxgate scan frame-*.png
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import PictureError
from appliance.picture import Luma, read_luma
from appliance.reader.stills import read_still, read_together

if TYPE_CHECKING:
    from appliance.reader.passes import Code

# So many images are tried together without being asked for: a burst, and no folder of pictures.
TOGETHER = range(2, 9)


def scan(options: argparse.Namespace) -> int:
    """Scan the images of these options; returns the exit status."""
    missing = [path for path in options.images if not path.is_file()]
    for path in missing:
        print(f"vaxgate: {path}: {'a folder' if path.is_dir() else 'there is no such file'}", file=sys.stderr)
    if missing:
        return 2
    if options.together:
        lumas = _of_one_size(options.images)
        if lumas is None:
            return 2
        _scan_together(options, lumas, always=True)
        return 0
    burst: list[Luma] | None = [] if len(options.images) in TOGETHER else None
    for path in _with_progress(options.images):
        before = time.perf_counter_ns()
        try:
            luma = read_luma(path)
        except PictureError as error:
            print(f"vaxgate: {path}: {error}", file=sys.stderr)
            _say_codes([path], (), before, as_json=options.json, error=str(error))
            burst = None
            continue
        codes = read_still(luma, data_matrix=options.data_matrix).codes
        if burst is not None:
            fits = not codes and all(luma.shape == other.shape for other in burst)
            burst = [*burst, luma] if fits else None
        _say_codes([path], codes, before, as_json=options.json)
    if burst:
        _scan_together(options, burst, always=False)
    return 0


def _of_one_size(images: Sequence[Path]) -> list[Luma] | None:
    """The images as frames of one camera; ``None``, and said why, where they cannot be such."""
    lumas: list[Luma] = []
    for path in images:
        try:
            luma = read_luma(path)
        except PictureError as error:
            print(f"vaxgate: {path}: {error}", file=sys.stderr)
            return None
        if lumas and luma.shape != lumas[0].shape:
            print(
                f"vaxgate: {path} and {images[0]} differ in size: frames of one symbol are of one size",
                file=sys.stderr,
            )
            return None
        lumas.append(luma)
    return lumas


def _scan_together(options: argparse.Namespace, lumas: Sequence[Luma], *, always: bool) -> None:
    """One more line for all the images; always: also where nothing was read."""
    before = time.perf_counter_ns()
    codes = read_together(lumas, data_matrix=options.data_matrix).codes
    if codes or always:
        _say_codes(options.images, codes, before, as_json=options.json, together=True)
    elif sys.stderr.isatty():
        print("tried together as well: no code", file=sys.stderr)


def _with_progress(images: Sequence[Path]) -> Iterator[Path]:
    """The images, with a count on a terminal that does not see the lines themselves."""
    shown = len(images) > len(TOGETHER) and sys.stderr.isatty() and not sys.stdout.isatty()
    for number, path in enumerate(images, 1):
        if shown:
            print(f"\rimage {number} of {len(images)} ", end="", file=sys.stderr, flush=True)
        yield path
    if shown:
        print(file=sys.stderr)


def _say_codes(
    images: Sequence[Path],
    codes: Sequence[Code],
    before: int,
    *,
    as_json: bool,
    together: bool = False,
    error: str = "",
) -> None:
    """before: when work on these images began, in nanoseconds. error: why there is no picture."""
    name = " ".join(str(path) for path in images)
    if as_json:
        rows = [
            {"format": code.format, "micros": code.micros}
            | (
                {"bytes_b64": base64.b64encode(code.data).decode()}
                if code.text is None
                else {"text": code.text}
            )
            for code in codes
        ]
        told: dict[str, Any] = {"file": name, "codes": rows}
        told["micros"] = (time.perf_counter_ns() - before) // 1000
        told |= {"together": True} if together else {}
        print(json.dumps(told | ({"error": error} if error else {}), ensure_ascii=False))
    elif codes:
        for code in codes:
            shown = f"{len(code.data)} bytes" if code.text is None else repr(code.text)[1:-1]
            print(f"{name}: {code.format}: {shown}")
    else:
        print(f"{name}: {'no picture' if error else 'no code'}")
