"""The picture of a certificate: a QR code as PNG or SVG.

The rules this module keeps:

* Alphanumeric mode, as the HCERT specification asks: a Base45 text fits it, and bytes would waste a third.
* Error correction level Q where the text fits, else M, else L; never silently another one.
* A quiet zone of four modules, dark on light. The same text gives the same bytes.

    code = draw("HC1:6BF…")
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
DARK, LIGHT = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """A drawn code. level: of its error correction. version: 1 to 40. mode: of its text."""

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


def draw(text: str) -> Code:
    """The QR code of a text, alphanumeric where its characters allow it.

    Raises IssuerError when no QR code holds so much.
    """
    for level in LEVELS:
        try:
            symbol = segno.make_qr(text, error=level, boost_error=False)
        except segno.DataOverflowError:
            continue
        return Code(level, int(symbol.version), str(symbol.mode), symbol)
    raise IssuerError(f"{len(text)} characters do not fit into a QR code; shorten names or issue fewer facts")
