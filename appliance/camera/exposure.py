"""The exposure of a camera: short enough for a hand that moves, gain for the rest.

libcamera has no "at most this long". What it has is a fixed exposure time beside an automatic gain; the time
is set here, from what each frame says of itself.

    gain of a frame         exposure time of the next ones
    at its lowest           half: the picture may be too bright, and gain cannot make it darker
    in between              as it is
    four times the lowest   longer, so that gain comes down to twice the lowest; never beyond the cap

The rules this module keeps:

* No frame is asked for that is exposed longer than the cap, not even while the scene goes dark.
* Between two steps the camera is given time: a step is judged only by frames that were exposed with it.
* A step down doubles the gain, a step up leaves it at twice its lowest or above: neither calls for the other.
* Only controls that the camera offers are set. Pure: metadata in, controls out.

    capped = CappedExposure.offered_by(camera.camera_controls, cap_us=8000)
    camera.set_controls(capped.start())
    camera.set_controls(capped.after(request.get_metadata()))     # {} nearly always
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

# libcamera's numbers for ExposureTimeMode and AnalogueGainMode.
AUTO: Final = 0
MANUAL: Final = 1

# Times the lowest gain: below the first the exposure is shortened, above the second it is lengthened.
LOW: Final = 1.1
HIGH: Final = 4.0
# Frames that must say so, one after the other. The gain of a Pi follows within a few frames; a hand that
# passes in front of the lens is over sooner than exposure and gain have chased it.
PATIENCE: Final = 8
# White paper in full sun needs about 100 us at f/1.8; a sensor that could go far below gains nothing by it.
SHORTEST_US: Final = 25
# Frames after which a camera that never shows what was asked is taken by what it shows.
GIVE_UP: Final = 60


class CappedExposure:
    """Exposure times of one camera, in microseconds. shortest, lowest: what the sensor goes down to."""

    def __init__(self, cap_us: int, *, shortest: int = 0, lowest: float = 1.0, modes: bool = True) -> None:
        self._cap, self._shortest = cap_us, min(max(SHORTEST_US, shortest), cap_us)
        self._low, self._high = LOW * lowest, HIGH * lowest
        self._lowest = lowest
        self._modes = modes
        self._asked = cap_us
        self._waited = self._seen = 0

    @classmethod
    def offered_by(cls, controls: Mapping[str, Any], cap_us: int) -> Self | None:
        """For a camera with these controls (name: lowest, highest, default).

        ``None`` when it cannot hold an exposure time while its gain is automatic: then its own automatic is
        better than a picture that is black at night.
        """
        if not {"ExposureTime", "AnalogueGain"} <= controls.keys():
            return None
        modes = {"ExposureTimeMode", "AnalogueGainMode"} <= controls.keys()
        if not modes and "AeEnable" not in controls:
            return None
        shortest, longest = controls["ExposureTime"][:2]
        return cls(
            max(1, min(cap_us, int(longest))) if longest else cap_us,
            shortest=int(shortest or 0),
            lowest=float(controls["AnalogueGain"][0] or 1.0),
            modes=modes,
        )

    @property
    def cap_us(self) -> int:
        """The longest that is asked for."""
        return self._cap

    def start(self) -> dict[str, int | bool]:
        """The controls to begin with, and to repeat when the time changes.

        Since libcamera 0.5 time and gain have a mode each; before, a time that is set beside ``AeEnable``
        leaves the gain automatic (Raspberry Pi).
        """
        if self._modes:
            return {"ExposureTimeMode": MANUAL, "ExposureTime": self._asked, "AnalogueGainMode": AUTO}
        return {"AeEnable": True, "ExposureTime": self._asked}

    def after(self, metadata: Mapping[str, Any]) -> dict[str, int | bool]:
        """The controls to set after a frame with this metadata; empty when nothing changes."""
        time, gain = metadata.get("ExposureTime"), metadata.get("AnalogueGain")
        if not time or not gain:
            return {}
        self._waited += 1
        # A sensor counts in rows, and rounds; a frame from before a step is off by half at least.
        if abs(time - self._asked) > self._asked / 4 and self._waited < GIVE_UP:
            return {}
        if gain <= self._low and self._asked > self._shortest:
            wanted = max(self._shortest, self._asked // 2)
        elif gain >= self._high and self._asked < self._cap:
            wanted = int(min(self._cap, max(self._shortest, time * gain / (2 * self._lowest))))
        else:
            self._seen = 0
            return {}
        self._seen += 1
        if self._seen < PATIENCE:
            return {}
        self._asked, self._seen, self._waited = wanted, 0, 0
        return self.start()
