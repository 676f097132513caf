"""The light on the document: an LED beside the camera, on where it is dark and somebody is there.

    BCM pin of [lamp] illumination  →  transistor  →  LED beside the camera, aimed at where documents are held

It is no lens of the lamp: it says nothing, and is mounted where the lamp is not. A desk that is dark all
night stays dark; something has to move before it is lit. What cannot be seen cannot move: in complete
darkness a paper does not light it, and the screen of a telephone does.

    off → on    the picture is darker than DARK, and something moved within the last second
    on → off    nothing moved for LINGER_S, or the picture is brighter than BRIGHT; never before MIN_ON_S

The rules this module keeps:

* It looks LOOK_S apart, at 14,400 pixels; that frame waits for it less than a tenth of a millisecond.
* What changes all over the picture is light, not movement; for SETTLE_S after a switch nothing counts as it.
* The LED is on or off: pulses of 100 Hz under exposures of 8 ms would draw stripes over the picture.
* A fault of it is told once, and the unit goes on without it. It is dark when camera or unit is closed.

    with open_illumination(config.lamp, lamp.pins) as light:
        camera = light.over(open_camera(config.camera))      # reads as the camera, and lights what it sees
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from gpiozero import LED
from PIL import Image

from appliance.camera import Camera, Closing, Frame
from appliance.config import LampConfig
from appliance.picture import Luma
from appliance.reader.passes import shared

talk = logging.getLogger("vaxgate.lamp")

# Mean luma, 0 … 255. Automatic gain holds a picture near 110; below DARK it is at its end and a stop short.
DARK: Final = 45.0
BRIGHT: Final = 160.0
# Levels by which the mean of a cell changes when something moves. Noise of 18 levels, as at full gain, moves
# it by 1.5: what is seven times that does not happen by chance, in no night.
MOVED: Final = 10.0
LOOK_S: Final = 0.2
SETTLE_S: Final = 1.5
MIN_ON_S: Final = 2.0
LINGER_S: Final = 10.0
RECENT_S: Final = 1.0


def cells_of(luma: Luma) -> bytes:
    """The mean luma of each of 48 cells, from 14,400 pixels; empty for a picture that is too small."""
    height, width = luma.shape or (0, 0)
    if min(height, width) < 64:
        return b""
    dots = shared(luma).resize((160, 90), Image.Resampling.NEAREST)
    return dots.resize((8, 6), Image.Resampling.BOX).tobytes()


def moved(before: bytes, now: bytes) -> bool:
    """Whether something moved between two pictures; one that is lighter or darker all over did not."""
    if len(before) != len(now) or not sum(before):
        return False
    ratio = sum(now) / sum(before)
    return any(abs(one * ratio - other) > MOVED for one, other in zip(before, now, strict=True))


class Need:
    """Whether light is needed, look by look. Pure: time is a ``now`` in seconds that never goes back."""

    def __init__(self) -> None:
        self.lit = False
        self._before = b""
        self._moved = self._switched = float("-inf")

    def see(self, cells: bytes, now: float) -> bool:
        """Take in a picture; whether it is to be lit from now on."""
        if not cells:
            return self.lit
        if now - self._switched >= SETTLE_S and moved(self._before, cells):
            self._moved = now
        self._before = cells
        mean, idle = sum(cells) / len(cells), now - self._moved
        if self.lit:
            enough = idle >= LINGER_S or mean >= BRIGHT
            wanted = now - self._switched < MIN_ON_S or not enough
        else:
            wanted = mean < DARK and idle <= RECENT_S
        if wanted is not self.lit:
            self.lit, self._switched = wanted, now
        return self.lit


class Illumination:
    """The LED. led: of gpiozero, ``None`` where there is none; it is closed with this."""

    def __init__(self, led: Any = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._led, self._monotonic = led, monotonic
        self._need = Need()
        self._next = float("-inf")

    def over(self, camera: Camera) -> Camera:
        """The camera, and this light on what it sees."""
        return camera if self._led is None else _Lit(camera, self)

    def see(self, luma: Luma) -> None:
        """Take in a frame. Raises nothing."""
        now = self._monotonic()
        if self._led is None or now < self._next:
            return
        self._next = now + LOOK_S
        try:
            was = self._need.lit
            if self._need.see(cells_of(luma), now) is not was:
                self._led.value = self._need.lit
        except Exception as error:  # noqa: BLE001 - the light is a help; the unit judges without it
            self._give_up(error)

    def off(self) -> None:
        """Dark, until something moves again. Raises nothing."""
        self._need = Need()
        try:
            if self._led is not None:
                self._led.off()
        except Exception as error:  # noqa: BLE001 - as above
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        talk.error(
            "the light on the document cannot be driven (%s); the unit goes on without it",
            type(error).__name__,
        )
        self._led = None

    def close(self) -> None:
        """Dark, and the pin given back; more than once does no harm."""
        self.off()
        led, self._led = self._led, None
        if led is not None:
            led.close()

    def __enter__(self) -> Illumination:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Lit(Closing):
    """A camera whose frames tell the light what it is needed for."""

    def __init__(self, camera: Camera, light: Illumination) -> None:
        self._camera, self._light = camera, light

    def read(self, timeout: float) -> Frame | None:
        """The camera's frame."""
        frame = self._camera.read(timeout)
        if frame is not None:
            self._light.see(frame.luma)
        return frame

    def describe(self) -> str:
        """The camera's words."""
        return self._camera.describe()

    def close(self) -> None:
        """Let the camera go, and put the light out."""
        self._light.off()
        self._camera.close()


def open_illumination(config: LampConfig, pins: Any) -> Illumination:
    """The light of this configuration, on the pins of the lamp, and closed before it.

    Raises nothing: a light that cannot be had is told, and is none.
    """
    if config.illumination < 0:
        return Illumination()
    try:
        return Illumination(LED(config.illumination, active_high=config.active_high, pin_factory=pins))
    except Exception as error:  # noqa: BLE001 - gpiozero has a dozen kinds; none of them is worth the unit
        talk.error(
            "no light on the document: pin %d of [lamp] illumination cannot be had (%s)",
            config.illumination,
            type(error).__name__,
        )
        return Illumination()
