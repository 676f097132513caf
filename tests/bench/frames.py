"""Frames as a camera at a desk would give them, drawn: a certificate held up in 25 conditions, and none.

The rules this module keeps:

* A frame is drawn as light goes: a room, a card in it seen in perspective, optics, the hand's motion, light,
  and the sensor's noise last. Blur and motion are told in modules of the symbol, so that a condition is as
  hard at every resolution.
* The same seed draws the same frames. Nothing outside the project is needed: NumPy and Pillow draw.
* The form on disk is that of ``gen_frames.py``, a script of others: a luma plane a file, and ``index.json``
  that says condition and texts of each. So frames drawn by it go through the same benches.

    folder = drawn(Path("build/bench"), Amount(per_condition=9, empty=42), seed=1)
    for frame in listed(folder): frame.condition, frame.texts, frame.luma()

    PYTHONPATH=tests python -m bench.frames build/bench --seed 7     # 225 frames with a code, 42 without
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import segno
from desk import Desk, person, vaccination
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from appliance.picture import Luma
from bench.told import progress

SIZES = ((640, 480), (1280, 720), (1920, 1080))
# How much of the frame's height a symbol takes, by that height: a certificate is held so that it fits.
HELD = {480: (0.62, 0.80), 720: (0.45, 0.80), 1080: (0.32, 0.80)}
PAPER, INK, DARK = 236, 22, 18
Grey = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shot:
    """How a frame is taken: lengths in modules, grey levels of 256, angles in degrees, all else as shares.

    held: share of the frame's height that the symbol takes; by the resolution where it is not said.
    """

    held: tuple[float, float] | None = None
    turned: float = 6
    tilted: float = 0.05
    blur: float = 0.12
    smear: float = 0
    noise: float = 2.5
    contrast: float = 1
    glare: float = 0
    shade: float = 0
    moire: float = 0
    crumpled: float = 0
    quiet: int = 4
    dark_round: bool = False
    inverted: bool = False
    codes: int = 1


CONDITIONS = {
    "clean": Shot(),
    "tilt": Shot(tilted=0.28),
    "rotate": Shot(turned=180),
    "small": Shot(held=(0.22, 0.34)),
    "defocus1": Shot(blur=0.35),
    "defocus2": Shot(blur=0.42),
    "defocus3": Shot(blur=0.48),
    "defocus4": Shot(blur=0.55),
    "motion1": Shot(smear=1.0),
    "motion2": Shot(smear=1.35),
    "motion3": Shot(smear=1.7),
    "noise1": Shot(noise=16),
    "noise2": Shot(noise=34),
    "lowcontrast": Shot(contrast=0.18, noise=4),
    "lowcontrast2": Shot(contrast=0.10, noise=5),
    "glare1": Shot(glare=0.12),
    "glare2": Shot(glare=0.22),
    "moire": Shot(moire=26),
    "darkborder": Shot(dark_round=True, quiet=1),
    "inverted": Shot(inverted=True),
    "crumpled1": Shot(crumpled=0.25),
    "crumpled2": Shot(crumpled=0.5),
    "twocodes": Shot(codes=2),
    "mixed1": Shot(tilted=0.15, turned=30, blur=0.28, noise=6, contrast=0.6, glare=0.05, shade=0.5),
    "mixed2": Shot(
        tilted=0.2, turned=30, blur=0.36, noise=8, contrast=0.5, glare=0.08, shade=0.6, crumpled=0.15
    ),
}  # fmt: skip
HARD = frozenset({
    "defocus3", "defocus4", "motion2", "motion3", "lowcontrast2", "noise2", "glare2", "inverted", "crumpled2",
    "mixed1", "mixed2", "small",
})  # fmt: skip
EMPTY = "empty"


# --- what a frame shows ------------------------------------------------------------------------------------


def texts() -> list[tuple[str, str]]:
    """Texts of EU certificates and one as long as a health card, each with its error correction's level."""
    signer, chance, shown = Desk().signer(), np.random.default_rng(5), []
    for number, letters in enumerate((20, 22, 24, 50, 80, 110, 21, 40)):
        surname = "".join(chance.choice(list("abcdefghiklmnopqrstuvxy"), letters)).capitalize()
        name = {"fn": f"Nguyễn {surname}", "gn": "Bảo Duy", "fnt": "NGUYEN", "gnt": "BAO<DUY"}
        payload = vaccination(person(nam=name), ci=f"URN:UVCI:01:XV:{number:024X}#A")
        shown.append((signer.issue(payload), "Q"))
    digits = chance.integers(0, 10, 1190)
    return [*shown, *((text, "M") for text, _ in shown[:3]), ("shc:/" + "".join(map(str, digits)), "L")]


def modules(text: str, level: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The symbol of a text: 1 is dark."""
    rows = segno.make_qr(text, error=level, boost_error=False).matrix
    return np.array([[cell & 1 for cell in row] for row in rows], np.uint8)


def room(size: tuple[int, int], chance: np.random.Generator, *, crowded: bool = False) -> Image.Image:
    """What stands behind the card: light from a side, boxes, heads, writing, cables, patterns that tease."""
    width, height = size
    lean = chance.uniform(-80, 80, 2)
    across, down = np.linspace(0, lean[0], width), np.linspace(0, lean[1], height)
    image = Image.fromarray((90 + across[None, :] + down[:, None]).clip(10, 245).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(chance.integers(8, 71 if crowded else 31))):
        x, y = int(chance.integers(0, width)), int(chance.integers(0, height))
        kind, grey = chance.random(), int(chance.integers(5, 251))
        if kind < 0.35:
            corner = (x + int(chance.integers(8, width // 4)), y + int(chance.integers(8, height // 4)))
            filled = chance.random() < 0.6
            draw.rectangle(((x, y), corner), fill=grey if filled else None, outline=grey, width=3)
        elif kind < 0.6:
            head(draw, x, y, int(chance.integers(10, height // 5)), grey)
        elif kind < 0.8:
            letters = "".join(
                chance.choice(list("ABCDEHKMNRSTUVXYZ0123456789 "), int(chance.integers(4, 25)))
            )
            font = ImageFont.load_default(float(chance.uniform(14, 80)))
            draw.text((x, y), letters, fill=grey, font=font, stroke_width=int(chance.integers(0, 3)))
        elif kind < 0.9:
            end = (int(chance.integers(0, width)), int(chance.integers(0, height)))
            draw.line(((x, y), end), fill=grey, width=int(chance.integers(1, 13)))
        else:
            cells, side = int(chance.integers(5, 21)), int(chance.integers(3, 15))
            for row in range(cells if chance.random() < 0.5 else 1):
                for column in range(row % 2, cells, 2):
                    left, top = x + column * side, y + row * side
                    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=grey)
    return image


def head(draw: ImageDraw.ImageDraw, x: int, y: int, wide: int, grey: int) -> None:
    """An oval; a large one has eyes and a mouth."""
    draw.ellipse((x - wide, y - wide * 1.3, x + wide, y + wide * 1.3), fill=grey)
    if wide > 25:
        eye = max(2, wide // 8)
        for side in (-1, 1):
            at, level = x + side * wide // 3, y - wide // 4
            draw.ellipse((at - eye, level - eye, at + eye, level + eye), fill=255 - grey)
        mouth = (x - wide // 3, y + wide // 3, x + wide // 3, y + wide * 2 // 3)
        draw.arc(mouth, 0, 180, fill=255 - grey, width=3)


def card(
    symbol: Any, scale: int, shot: Shot, chance: np.random.Generator
) -> tuple[Image.Image, tuple[int, int, int]]:
    """A paper or a screen that carries the symbol, and where on it that is: left, top, side in pixels."""
    side, quiet = len(symbol) * scale, shot.quiet * scale
    left = quiet + int(chance.integers(10, 61) * scale / 8)
    top = quiet + int(chance.integers(60, 161) * scale / 8)
    below = quiet + int(chance.integers(80, 241) * scale / 8)
    image = Image.new("L", (side + 2 * left, side + top + below), DARK if shot.dark_round else PAPER)
    image.paste(PAPER, (left - quiet, top - quiet, left + side + quiet, top + side + quiet))
    grey = np.where(symbol, INK, PAPER).astype(np.uint8)
    image.paste(Image.fromarray(grey).resize((side, side), Image.Resampling.NEAREST), (left, top))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(3.2 * scale)
    for line in range(3):
        words = "DIGITAL COVID CERTIFICATE"[: int(chance.integers(10, 26))]
        draw.text(
            (left, top + side + quiet + (1 + 4 * line) * scale), words, 230 if shot.dark_round else 30, font
        )
    if shot.inverted:
        image = image.point(lambda level: 255 - level)
    if shot.crumpled:
        image = crumpled(image, shot.crumpled * scale, chance)
    rim = 3 * scale
    framed = Image.new("L", (image.width + 2 * rim, image.height + 2 * rim), 12)
    framed.paste(image, (rim, rim))
    return framed, (left + rim, top + rim, side)


def crumpled(image: Image.Image, far: float, chance: np.random.Generator) -> Image.Image:
    """Paper that is not flat: points lie some ``far`` pixels off, and folds have light and shade."""

    def folds(cells: int) -> Grey:
        field = Image.fromarray(chance.normal(0, 1, (cells, cells)).astype(np.float32))
        return np.asarray(field.resize(image.size, Image.Resampling.BICUBIC))

    grey = np.asarray(image, np.float32)
    height, width = grey.shape
    y = (np.arange(height, dtype=np.float32)[:, None] + far * folds(6)).clip(0, height - 1.001)
    x = (np.arange(width, dtype=np.float32)[None, :] + far * folds(6)).clip(0, width - 1.001)
    row, column = y.astype(int), x.astype(int)
    y, x = y - row, x - column
    upper = grey[row, column] * (1 - x) + grey[row, column + 1] * x
    lower = grey[row + 1, column] * (1 - x) + grey[row + 1, column + 1] * x
    seen = (upper * (1 - y) + lower * y) * (1 + 0.16 * folds(7))
    return Image.fromarray(seen.clip(0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Pose:
    """How a card lies before the lens: its symbol's corners round the middle, for a side of 1."""

    corners: np.ndarray[Any, np.dtype[np.float64]]

    @classmethod
    def of(cls, shot: Shot, chance: np.random.Generator) -> Pose:
        """By chance, as far turned and tilted as the shot allows."""
        square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
        skewed = (
            square * (1 + chance.uniform(-shot.tilted, shot.tilted, (4, 2)) / 2) * (1 - shot.tilted * 0.6, 1)
        )
        angle = np.deg2rad(chance.uniform(-shot.turned, shot.turned))
        turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
        return cls(skewed @ turn)


def placed(scene: Image.Image, item: Image.Image, at: tuple[int, int, int], corners: Any) -> None:
    """Put a card into the scene, its symbol's corners at ``corners``, in pixels of the scene."""
    left, top, side = at
    there = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, there, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    view = np.linalg.solve(np.array(rows), np.array(values))
    how = (scene.size, Image.Transform.PERSPECTIVE, tuple(view))
    seen = item.transform(*how, resample=Image.Resampling.BICUBIC)
    mask = Image.new("L", item.size, 255).transform(*how)
    scene.paste(seen, (0, 0), mask)


# --- how the camera sees it --------------------------------------------------------------------------------


def blurred(grey: Grey, sigma: float) -> Grey:
    """By a Gaussian of ``sigma`` pixels."""
    reach = max(1, round(3.5 * sigma))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma)).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        wide = np.pad(grey, [(reach, reach) if each == axis else (0, 0) for each in (0, 1)], "edge")
        length = grey.shape[axis]
        grey = sum(
            weight * (wide[at : at + length] if axis == 0 else wide[:, at : at + length])
            for at, weight in enumerate(weights)
        )  # type: ignore[assignment]
    return grey


def smeared(grey: Grey, length: float, angle: float) -> Grey:
    """By a hand that moved ``length`` pixels in a straight line while the shutter was open."""
    ways = np.linspace(-length / 2, length / 2, 2 * int(np.ceil(length)) + 1)
    steps = {(round(float(np.sin(angle) * way)), round(float(np.cos(angle) * way))) for way in ways}
    return np.mean([np.roll(grey, step, (0, 1)) for step in sorted(steps)], axis=0, dtype=np.float32)  # type: ignore[no-any-return]


def exposed(
    scene: Image.Image,
    shot: Shot,
    module: float,
    middle: tuple[float, float],
    side: float,
    chance: np.random.Generator,
) -> Luma:
    """The luma plane that the sensor gives of a scene drawn twice as large.

    module, middle, side: of the symbol, in pixels of the frame.
    """
    grey: Grey = np.asarray(scene.reduce(2), np.float32)
    height, width = grey.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if shot.moire:
        a, b = chance.uniform(0.02, 0.09, 2)
        fine = np.sin(2 * np.pi * (a * x + b * y + 2 * np.sin(y / 180))) * np.sin(
            2 * np.pi * (0.43 * x + 0.02 * y)
        )
        grey = grey + shot.moire * (fine + 0.6 * np.sin(2 * np.pi * 0.4 * (b * x - a * y)))
    grey = blurred(grey, max(shot.blur * module, 0.45))
    if shot.smear:
        grey = smeared(grey, max(2.0, shot.smear * module), chance.uniform(0, np.pi))
    if shot.glare:
        radius, (right, down) = np.sqrt(shot.glare / np.pi) * side, chance.uniform(-0.25, 0.25, 2) * side
        angle = chance.uniform(0, np.pi)
        dx, dy = x - middle[0] - right, y - middle[1] - down
        along, over = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        distance = np.hypot(along / (1.3 * radius), over / (0.75 * radius))
        grey = grey + 260 / (1 + np.exp((distance - 1) * 6))
    if shot.shade:
        slope = np.linspace(-1, 1, width) * np.cos(1) + np.linspace(-1, 1, height)[:, None] * np.sin(1)
        grey = grey * (1 - shot.shade * 0.25 * (slope + 1))
    grey = 118 + (grey - 118) * shot.contrast
    strength = shot.noise * np.sqrt(0.4 + grey.clip(0, 255) / 255 * 0.6)
    grey = grey + strength * chance.standard_normal(grey.shape, np.float32)
    return luma_of(grey.clip(0, 255).astype(np.uint8))


def luma_of(array: Any) -> Luma:
    """An array of bytes as the appliance hands a picture on."""
    return memoryview(np.ascontiguousarray(array).tobytes()).cast("B", array.shape)


def frame(
    shown: Sequence[tuple[str, str]], size: tuple[int, int], shot: Shot, chance: np.random.Generator
) -> Luma:
    """One frame with these texts in it, each with its level."""
    width, height = size
    scene = room((2 * width, 2 * height), chance).filter(ImageFilter.GaussianBlur(3))
    side = chance.uniform(*(shot.held or HELD[height])) * height
    if len(shown) == 2:
        side = min(side, 0.46 * width, 0.8 * height)
    module, middle = side, (0.0, 0.0)
    for number, (text, level) in enumerate(shown):
        symbol = modules(text, level)
        x = width / 2 + chance.uniform(-0.4, 0.4) * max(0.0, width - side * 1.35)
        if len(shown) == 2:
            x = width * (0.26 + 0.48 * number)
        y = height / 2 + chance.uniform(-0.3, 0.3) * max(0.0, height - side * 1.2)
        item, at = card(symbol, scale_of(side, symbol), shot, chance)
        placed(scene, item, at, Pose.of(shot, chance).corners * 2 * side + (2 * x, 2 * y))
        module, middle = min(module, side / len(symbol)), (x, y) if number == 0 else middle
    return exposed(scene, shot, module, middle, side, chance)


def scale_of(side: float, symbol: Any) -> int:
    """Pixels of a module on the card: about as fine as the scene, which is twice the frame."""
    return max(6, round(2 * side / len(symbol)))


def held_still(
    text: str, shot: Shot, shift: float, chance: np.random.Generator, count: int = 5
) -> list[Luma]:
    """Frames of one symbol in a hand: it moves up to ``shift`` pixels from one to the next."""
    width, height = size = SIZES[int(chance.integers(0, 2))]
    scene = room((2 * width, 2 * height), chance).filter(ImageFilter.GaussianBlur(3))
    symbol = modules(text, "Q")
    side = chance.uniform(*HELD[size[1]]) * height
    x = width / 2 + chance.uniform(-0.4, 0.4) * max(0.0, width - side * 1.35)
    y = height / 2 + chance.uniform(-0.3, 0.3) * max(0.0, height - side * 1.2)
    item, at = card(symbol, scale_of(side, symbol), shot, chance)
    pose, frames = Pose.of(shot, chance), []
    for _ in range(count):
        view = scene.copy()
        placed(view, item, at, pose.corners * 2 * side + (2 * x, 2 * y))
        frames.append(exposed(view, shot, side / len(symbol), (x, y), side, chance))
        x, y = x + chance.uniform(-shift, shift), y + chance.uniform(-shift, shift)
    return frames


# --- sets of frames ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amount:
    """How many frames a set has: of each condition, and without a code. Resolutions come in turn."""

    per_condition: int = 9
    empty: int = 42
    sizes: tuple[tuple[int, int], ...] = field(default=SIZES)


@dataclass(frozen=True, slots=True)
class Listed:
    """A frame of a set on disk. texts: of the codes that it shows."""

    path: Path
    condition: str
    texts: tuple[str, ...]
    width: int
    height: int

    def luma(self) -> Luma:
        """Its pixels."""
        return luma_of(np.load(self.path))


def listed(folder: Path) -> list[Listed]:
    """The frames of a set, ours or one that the shared script has drawn."""
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [
        Listed(folder / each["file"], each["cond"], tuple(each["texts"]), each["w"], each["h"])
        for each in entries
    ]


def made(amount: Amount, seed: int) -> Iterator[tuple[str, tuple[str, ...], Luma]]:
    """Condition, texts and pixels, frame by frame."""
    pool = texts()
    for kind, (condition, shot) in enumerate(CONDITIONS.items()):
        for number in range(amount.per_condition):
            # a frame's chances are its own, so that a set of fewer frames has frames of the larger one
            chance = np.random.default_rng((seed, kind, number))
            shown = [pool[int(at)] for at in chance.integers(0, len(pool), shot.codes)]
            size = amount.sizes[number % len(amount.sizes)]
            yield condition, tuple(text for text, _level in shown), frame(shown, size, shot, chance)
    for number in range(amount.empty):
        chance = np.random.default_rng((seed, len(CONDITIONS), number))
        size = amount.sizes[number % len(amount.sizes)]
        scene = room((2 * size[0], 2 * size[1]), chance, crowded=number % 2 == 0)
        shot = Shot(blur=float(chance.uniform(0.5, 2.5)), noise=float(chance.choice((2, 5, 9))))
        yield EMPTY, (), exposed(scene, shot, 1, (0, 0), 1, chance)


def drawn(below: Path, amount: Amount, seed: int) -> Path:
    """The folder of a set below ``below``; drawn when it is not there, or was drawn by another version."""
    version = hashlib.sha256(Path(__file__).read_bytes() + repr(amount).encode()).hexdigest()[:8]
    folder = below / f"frames-{seed}-{version}"
    if (folder / "index.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    index, total = [], amount.per_condition * len(CONDITIONS) + amount.empty
    for number, (condition, shown, luma) in enumerate(made(amount, seed)):
        height, width = luma.shape or (0, 0)
        name = f"{number:03d}_{condition}_{width}x{height}.npy"
        np.save(folder / name, np.asarray(luma))
        index.append({"file": name, "cond": condition, "w": width, "h": height, "texts": shown})
        progress("drawing frames", number + 1, total)
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def main() -> int:
    """Draw a set and say where it lies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("below", type=Path, help="the set's folder is made below this one")
    parser.add_argument("--per", type=int, default=9, help="frames of each condition (9)")
    parser.add_argument("--empty", type=int, default=42, help="frames without a code (42)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(drawn(options.below, Amount(options.per, options.empty), options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
