"""Faults of pictures: codes that are in order and cannot be read."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw


def blot(png: bytes) -> bytes:
    """The picture of a code with a stain over its middle: its corners are found, nothing of it is read."""
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    # 0.7 of each side: far beyond what level Q repairs (a quarter), and clear of the three corner marks.
    stain = tuple(side * part for part in (0.15, 0.85) for side in (width, height))
    ImageDraw.Draw(picture).ellipse(stain, fill=(92, 64, 44))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
