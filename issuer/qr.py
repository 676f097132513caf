"""The picture of a certificate: a QR code as PNG or SVG.

The rules this module keeps:

* The mode that the family's specification asks for, which is also the smallest: alphanumeric for a text in
  Base45 or Base32; ``shc:/`` as bytes and its digits as digits; bytes for JSON (UTF-8) and for a ZIP.
* Error correction level Q where the code fits, else M, else L; never silently another one. A health card
  stays within version 22 and a code of bytes within 27, as long as level L lets it: a larger symbol repairs
  more and is read less.
* A quiet zone of four modules, dark on light. The same text gives the same bytes.

    code = draw("HC1:6BF…")              # or bytes
    code.level, code.version             # 'Q', 19
    Path("code.png").write_bytes(code.png(scale=6))
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import segno

from issuer.errors import IssuerError

QUIET_ZONE = 4  # modules
LEVELS = ("Q", "M", "L")  # wanted first
LARGEST, LARGEST_CARD, LARGEST_BYTES = 40, 22, 27  # versions
BYTE, CARD = "byte", "byte+numeric"  # modes
DARK, LIGHT = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """A drawn code. level: of its error correction. version: 1 to 40.

    mode: ``alphanumeric``, ``byte``, or ``byte+numeric`` for a health card.
    """

    level: str
    version: int
    mode: str
    symbol: Any

    def modules(self) -> int:
        """Modules along one side, quiet zone included."""
        side: int = self.symbol.symbol_size(border=QUIET_ZONE)[0]
        return side

    def png(self, scale: int = 6, light: str = LIGHT) -> bytes:
        """A PNG; scale: pixels of a module."""
        return self._saved("png", scale, light)

    def svg(self, scale: int = 6, light: str = LIGHT) -> bytes:
        """An SVG document, UTF-8; scale: user units of a module."""
        return self._saved("svg", scale, light)

    def _saved(self, kind: str, scale: int, light: str) -> bytes:
        out = io.BytesIO()
        self.symbol.save(out, kind=kind, scale=scale, border=QUIET_ZONE, dark=DARK, light=light)
        return out.getvalue()

    def scale_for(self, pixels: int) -> int:
        """The largest scale at which the picture is at most ``pixels`` wide, at least 1."""
        return max(1, pixels // self.modules())


def draw(code: str | bytes) -> Code:
    """The QR code of what a symbol is to hold, in the mode that is the smallest for it.

    Raises IssuerError when no QR code holds so much.
    """
    content, mode, largest = _content(code)
    for version in dict.fromkeys((largest, LARGEST)):
        for level in LEVELS:
            try:
                symbol = segno.make_qr(
                    content,
                    error=level,
                    boost_error=False,
                    mode="byte" if mode == BYTE else None,
                    encoding="utf-8" if mode == BYTE and isinstance(content, str) else None,
                )
            except segno.DataOverflowError:
                continue
            if int(symbol.version) <= version:
                return Code(level, int(symbol.version), mode or str(symbol.mode), symbol)
    what = "bytes" if isinstance(code, bytes) else "characters"
    raise IssuerError(f"{len(code)} {what} do not fit into a QR code; shorten names or issue fewer facts")


def _content(code: str | bytes) -> tuple[Any, str, int]:
    """What to draw, for the encoder; its mode, empty to let it choose; the largest version that is wanted."""
    if isinstance(code, bytes) or code.startswith("{"):
        return code, BYTE, LARGEST_BYTES
    digits = code[code.rfind("/") + 1 :]
    if code.startswith("shc:/") and digits.isdigit():
        return [code.removesuffix(digits), digits], CARD, LARGEST_CARD
    return code, "", LARGEST
