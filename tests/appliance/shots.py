"""Drawn camera frames of a QR symbol that is hard to read: out of focus, smeared, bent, noisy, cut off."""

from __future__ import annotations

import random

import numpy as np
import segno
from PIL import Image, ImageFilter

from appliance.picture import Luma

TEXT = "HC1:" + "".join(random.Random(3).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 $%*+-./:", k=540))


def shot(
    text: str = TEXT,
    *,
    size: tuple[int, int] = (640, 480),
    module: float = 4.0,
    turn: float = 3.0,
    at: tuple[float, float] = (0, 0),
    blur: float = 0.15,
    motion: float = 0.0,
    bend: float = 0.0,
    noise: float = 2.5,
    contrast: float = 1.0,
    seed: int = 1,
    mask: int | None = None,
) -> Luma:
    """A frame with the symbol in it.

    module: pixels. turn: degrees. at: pixels that the symbol is off the frame's middle. blur (sigma), motion
    (length, at 25 degrees) and bend (a wave, to either side): in modules. noise: sigma, in grey levels. mask:
    of the symbol; ``None`` for the best.
    """
    fine = 8
    drawn = segno.make(text, error="q", boost_error=False, micro=False, mask=mask)
    dark = np.array([[value & 1 for value in row] for row in drawn.matrix], np.uint8)
    paper = np.pad(235 - 210 * dark.astype(np.int16), 6, constant_values=235).astype(np.uint8)
    paper = np.kron(paper, np.ones((fine, fine), np.uint8))
    side = len(paper)
    wide, high = size
    y, x = np.mgrid[0:high, 0:wide].astype(np.float64)
    x, y = x - wide / 2 - at[0], y - high / 2 - at[1]
    angle = np.deg2rad(turn)
    across = (np.cos(angle) * x + np.sin(angle) * y) / module * fine + side / 2
    down = (np.cos(angle) * y - np.sin(angle) * x) / module * fine + side / 2
    wave = bend * fine
    across = across + wave * np.sin(down / side * 9.0)
    down = down + wave * np.sin(across / side * 8.0 + 1)
    inside = (across >= 0) & (down >= 0) & (across < side) & (down < side)
    softened = np.asarray(
        Image.fromarray(paper).filter(ImageFilter.BoxBlur(max(0.0, (fine / module - 1) / 2))), np.float64
    )
    frame = np.where(
        inside,
        softened[down.clip(0, side - 1).astype(int), across.clip(0, side - 1).astype(int)],
        90 + 30 * np.sin(x / 60) + 20 * np.sin(y / 45),
    )
    if motion:
        steps = np.linspace(-0.5, 0.5, 13) * motion * module
        frame = sum(
            np.roll(frame, (round(s * np.sin(0.44)), round(s * np.cos(0.44))), (0, 1)) for s in steps
        ) / len(steps)
    soft = Image.fromarray(frame.clip(0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(max(0.45, blur * module)))
    frame = 118 + (np.asarray(soft, np.float64) - 118) * contrast
    frame = frame + np.random.default_rng(seed).normal(0, noise, frame.shape)
    return luma_of_array(frame)


def luma_of_array(frame: np.ndarray) -> Luma:
    """An array as a camera gives it."""
    bytes_ = frame.clip(0, 255).astype(np.uint8)
    return memoryview(bytes_.tobytes()).cast("B", bytes_.shape)
