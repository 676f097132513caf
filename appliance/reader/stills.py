"""Still pictures, and several frames of one symbol: what is worth trying when no next frame waits.

The rules this module keeps:

* Cheap passes first; then what was located and not read is restored; then the picture is seen larger, smaller
  and framed; last, finder patterns are looked for however blurred.
* It stops at the first that reads, and when the thread's time is used up.

    codes = read_image(Path("ticket.png"))
    codes[0].payload                             # the text, or bytes
    look = read_together([frame.luma for frame in frames])
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image

from appliance.picture import Luma, read_luma
from appliance.reader.mending import mend_together, restore, restoring_module
from appliance.reader.passes import (
    FIXED,
    FORMATS,
    FORMATS_AND_DATA_MATRIX,
    PLAIN,
    Code,
    Look,
    half,
    one_pass,
    shared,
)

# Seconds of this thread's work that a still picture may cost beyond its first pass.
HARDER_S: Final = 3.0


def read_image(path: Path, harder_s: float = HARDER_S, *, data_matrix: bool = False) -> list[Code]:
    """The codes of a picture file, each once; a still picture is worth more passes than a live frame.

    harder_s: seconds of work that may be spent beyond the first pass. data_matrix: whether DataMatrix is
    looked for too. Raises PictureError.
    """
    return list(read_still(read_luma(path), harder_s, data_matrix=data_matrix).codes)


def read_still(luma: Luma, harder_s: float = HARDER_S, *, data_matrix: bool = False) -> Look:
    """What a still picture shows, as :func:`read_image` does it."""
    formats = FORMATS_AND_DATA_MATRIX if data_matrix else FORMATS
    found = one_pass(luma, 1, formats)
    began = time.thread_time()
    cost = 0.0

    def until() -> bool:
        return time.thread_time() - began > harder_s

    # 1. Other ways to see the picture, as long as each fits into the time; what was located is restored.
    tried = 0
    for scale, start, attempt, options in _harder(luma):
        if found.look.codes:
            return found.look
        if len(found.hurt) > tried and attempt is None:
            code = restore(luma, [(one.version, one.corners) for one in found.hurt[tried:]], until)
            tried = len(found.hurt)
            if code is not None:
                return Look((code,))
        if attempt is None:
            continue
        before = time.thread_time()
        if before - began + cost > harder_s:
            break
        found += one_pass(attempt(), scale, formats, start=start, **options)
        cost = time.thread_time() - before
    if found.look.codes or until():
        return found.look
    # 2. Nothing was located, or nothing could be restored: look for finder patterns, however blurred.
    if restoring_module() is not None and min(luma.shape or (0,)) >= 32:
        from appliance.reader.finding import places

        code = restore(luma, places(shared(luma), until), until, 3)
        if code is not None:
            return Look((code,))
    return found.look


def read_together(lumas: Sequence[Luma], harder_s: float = HARDER_S, *, data_matrix: bool = False) -> Look:
    """What several frames of one symbol show together, where none of them does alone.

    lumas: of one size, in the order they were taken, the symbol hardly moved between them. harder_s: seconds
    of this thread's work for each of them, beyond the cheap passes. A frame that reads by itself ends it.
    """
    formats = FORMATS_AND_DATA_MATRIX if data_matrix else FORMATS
    founds = []
    for luma in lumas:
        founds.append(one_pass(luma, 1, formats))
        if founds[-1].look.codes:
            return founds[-1].look
    restoring = restoring_module()
    damaged = next((found.look for found in founds if found.look.damaged), Look())
    if restoring is None or not lumas:
        return damaged
    began = time.thread_time()

    def until() -> bool:
        return time.thread_time() - began > harder_s * len(lumas)

    code = mend_together(restoring, lumas, founds, until)
    return damaged if code is None else Look((code,))


_Attempt = tuple[float, tuple[float, float], Callable[[], Any] | None, dict[str, Any]]


def _harder(luma: Luma) -> Iterator[_Attempt]:
    """Ways to see a still picture that was not read as it is.

    What a pixel is worth, where the picture begins in the other, the picture, and options of the pass; or no
    picture, which asks for what was located so far to be restored.
    """
    height, width = luma.shape or (0, 0)
    image = shared(luma)

    def resized(factor: float) -> Callable[[], Any]:
        return lambda: image.resize((max(1, int(width * factor)), max(1, int(height * factor))))

    rim = max(16, max(width, height) // 10)

    def framed() -> Any:
        paper = Image.new("L", (width + 2 * rim, height + 2 * rim), 255)
        paper.paste(image, (rim, rim))
        return paper

    nowhere = (0.0, 0.0)
    if min(width, height) >= 2:
        yield 1, nowhere, lambda: luma, {"binarizer": FIXED, **PLAIN}
        yield 2, nowhere, lambda: half(luma), PLAIN
    yield 0, nowhere, None, {}
    if min(width, height) <= 1600:
        yield 1 / 1.5, nowhere, resized(1.5), {}
        yield 0, nowhere, None, {}
        yield 1, (-rim, -rim), framed, {}
        yield 1 / 2, nowhere, resized(2), {}
    yield 2, nowhere, resized(0.5), {}
    if min(width, height) > 1600:
        yield 4, nowhere, resized(0.25), {}
    yield 1, nowhere, lambda: image.point(lambda level: 255 if level > 100 else 0), {}
    yield 1, nowhere, lambda: image.point(lambda level: 255 if level > 170 else 0), {}
    yield 0, nowhere, None, {}
