"""The exposure cap, on a modelled sensor: light goes from a cellar to the sun and back."""

from __future__ import annotations

from typing import Any

import pytest
from pi_rig import CONTROLS as OFFERED
from pi_rig import Sensor

from appliance.camera.exposure import HIGH, LOW, CappedExposure

CAP = 8000
BEFORE_MODES = {name: OFFERED[name] for name in ("ExposureTime", "AnalogueGain", "AeEnable")}


def run(sensor: Sensor, capped: CappedExposure, frames: int, start: bool = False) -> list[dict[str, Any]]:
    """So many frames under this control; each with the time that was asked with it."""
    out, controls = [], capped.start() if start else {}
    for _ in range(frames):
        metadata = sensor.take(controls)
        controls = capped.after(metadata)
        out.append(metadata | {"set": controls})
    return out


def opened(offered: dict[str, Any] = OFFERED, cap: int = CAP) -> CappedExposure:
    capped = CappedExposure.offered_by(offered, cap)
    assert capped is not None
    return capped


# From a cellar, where even full gain is too little, by a lit room and a window to white paper in the sun.
SCENES = {"cellar": 400_000, "night desk": 60_000, "room": 20_000, "window": 3_000, "shade": 800, "sun": 110}


@pytest.mark.parametrize("name", list(SCENES))
@pytest.mark.parametrize("offered", [OFFERED, BEFORE_MODES], ids=["with modes", "before modes"])
def test_the_exposure_settles_where_gain_can_do_the_rest(name: str, offered: dict[str, Any]) -> None:
    """Within three seconds at 60 fps the picture is as bright as it can be, and nothing is set any more."""
    sensor, capped = Sensor(SCENES[name]), opened(offered)
    run(sensor, capped, 180, start=True)
    after = run(sensor, capped, 300)
    assert not any(frame["set"] for frame in after)
    reachable = min(SCENES[name], CAP * 16)
    assert 0.8 * reachable <= after[-1]["brightness"] <= 1.25 * reachable
    if after[-1]["ExposureTime"] < 0.95 * CAP:
        assert after[-1]["AnalogueGain"] < HIGH


@pytest.mark.parametrize("delay", [1, 3, 8])
@pytest.mark.parametrize("lowest", [1.0, 1.123, 2.0])
@pytest.mark.parametrize("speed", [0.1, 0.2, 0.8])
def test_no_frame_is_exposed_beyond_the_cap_and_no_light_makes_it_swing(
    delay: int, lowest: float, speed: float
) -> None:
    """Through every light, up, down and in jumps: half a row over the cap at most, and steps one way only."""
    offered = OFFERED | {"AnalogueGain": (lowest, 16.0, lowest)}
    capped = opened(offered)
    sensor = Sensor(20_000, delay=delay, lowest=lowest, speed=speed, total=20_000)
    run(sensor, capped, delay + 1, start=True)
    steps = 60
    up = [110 * (400_000 / 110) ** (n / steps) for n in range(steps + 1)]
    for light in [*reversed(up), *up, *SCENES.values(), *reversed(SCENES.values())]:
        sensor.light = light
        frames = run(sensor, capped, 150)
        assert max(frame["ExposureTime"] for frame in frames) <= CAP + sensor.row / 2
        asked = [frame["set"]["ExposureTime"] for frame in frames if frame["set"]]
        assert asked in (sorted(asked), sorted(asked, reverse=True))


def test_a_hand_that_passes_before_the_lens_changes_nothing() -> None:
    """Darker for three frames: gain follows, the time waits."""
    sensor, capped = Sensor(3_000), opened()
    run(sensor, capped, 200, start=True)
    sensor.light = 50_000
    dark = run(sensor, capped, 3)
    sensor.light = 3_000
    assert not any(frame["set"] for frame in dark + run(sensor, capped, 100))


def test_a_step_is_judged_only_by_frames_that_were_exposed_with_it() -> None:
    """However late a control arrives, one step is made, and the next only after frames with the first."""
    capped = opened()
    bright = {"AnalogueGain": 1.0}
    for _ in range(7):
        assert capped.after(bright | {"ExposureTime": 8000}) == {}
    first = capped.after(bright | {"ExposureTime": 8000})
    assert first["ExposureTime"] == 4000
    for _ in range(30):
        assert capped.after(bright | {"ExposureTime": 8000}) == {}
    for _ in range(7):
        assert capped.after(bright | {"ExposureTime": 3995}) == {}
    assert capped.after(bright | {"ExposureTime": 3995})["ExposureTime"] == 2000


def test_frames_that_disagree_change_nothing() -> None:
    """Only what eight frames say one after the other counts: mains flicker is no change of light."""
    capped = opened()
    gains = ([1.0] * 5 + [1.5]) * 20
    assert not any(capped.after({"ExposureTime": 8000, "AnalogueGain": gain}) for gain in gains)


def test_a_camera_that_never_shows_what_was_asked_is_taken_by_what_it_shows() -> None:
    """It may count in coarse rows: after a second it is not waited for any more."""
    capped = opened()
    shown = {"ExposureTime": 5000, "AnalogueGain": 1.0}
    steps = [capped.after(shown) for _ in range(70)]
    assert not any(steps[:59])
    assert [step["ExposureTime"] for step in steps if step] == [4000]


def test_a_step_up_and_a_step_down_never_call_for_each_other() -> None:
    """Half the time doubles the gain, which stays below what calls for more; and the other way round."""
    assert 2 * LOW < HIGH
    assert LOW < 2


def test_the_controls_are_those_that_the_camera_offers() -> None:
    """A mode each for time and gain where there are such; otherwise the time beside the automatic."""
    assert opened().start() == {"ExposureTimeMode": 1, "ExposureTime": CAP, "AnalogueGainMode": 0}
    assert opened(BEFORE_MODES).start() == {"AeEnable": True, "ExposureTime": CAP}
    for offered in (OFFERED, BEFORE_MODES):
        assert opened(offered).start().keys() <= offered.keys()


@pytest.mark.parametrize(
    "offered",
    [
        {},
        {"ExposureTime": (1, 66666, None)},
        {"AnalogueGain": (1.0, 16.0, None), "AeEnable": (False, True, True)},
    ],
    ids=["nothing", "no gain", "no time"],
)
def test_a_camera_that_cannot_hold_a_time_with_automatic_gain_is_left_alone(offered: dict[str, Any]) -> None:
    """Its own automatic is better than a picture that is black at night."""
    assert CappedExposure.offered_by(offered, CAP) is None


def test_a_sensor_sets_bounds_to_the_cap() -> None:
    """Not longer than it can, not shorter than it can; limits that it does not know are none."""
    assert opened(OFFERED | {"ExposureTime": (26, 5000, None)}).cap_us == 5000
    assert opened(OFFERED | {"ExposureTime": (0, 0, None), "AnalogueGain": (0.0, 0.0, None)}).cap_us == CAP
    capped = opened(OFFERED | {"ExposureTime": (3000, 66666, None)})
    asked = [capped.after({"ExposureTime": 8000, "AnalogueGain": 1.0}) for _ in range(8)][-1]
    assert asked["ExposureTime"] == 4000
    asked = [capped.after({"ExposureTime": 4000, "AnalogueGain": 1.0}) for _ in range(8)][-1]
    assert asked["ExposureTime"] == 3000
    assert not any(capped.after({"ExposureTime": 3000, "AnalogueGain": 1.0}) for _ in range(100))


@pytest.mark.parametrize("metadata", [{}, {"ExposureTime": 8000}, {"AnalogueGain": 1.0}, {"ExposureTime": 0}])
def test_a_frame_that_says_nothing_of_its_exposure_changes_nothing(metadata: dict[str, Any]) -> None:
    """Some frames come without."""
    capped = opened()
    assert not any(capped.after(metadata) for _ in range(100))


@pytest.mark.parametrize("time", [-1, 1, 10**9])
@pytest.mark.parametrize("gain", [-1.0, 4.0, 1e30, float("inf"), float("nan")])
def test_nothing_absurd_is_asked_for_whatever_a_frame_says(time: int, gain: float) -> None:
    """A driver's odd figure is no reason to lose the camera."""
    capped = opened()
    for _ in range(200):
        capped.after({"ExposureTime": 1000, "AnalogueGain": 1.0})
    asked = [capped.after({"ExposureTime": time, "AnalogueGain": gain}) for _ in range(200)]
    assert all(25 <= change["ExposureTime"] <= CAP for change in asked if change)
