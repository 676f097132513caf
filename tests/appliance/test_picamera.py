"""The camera on the ribbon cable, on a modelled Picamera2."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pi_rig import AGE_NS, CONTROLS, Rig

from appliance.camera.picamera import PiCamera
from appliance.config import CameraConfig
from appliance.errors import CameraError


def config(**keys: Any) -> CameraConfig:
    return CameraConfig(**({"kind": "picamera2", "width": 320, "height": 240} | keys))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


@pytest.mark.parametrize("padding", [0, 64])
def test_a_frame_is_the_luma_alone_and_outlives_its_buffer(rig: Rig, padding: int) -> None:
    """No colours, no padding; the buffer went back and was filled anew, the frame stands."""
    rig.padding = padding
    with PiCamera(config()) as camera:
        frames = [camera.read(0.25) for _ in range(8)]
        assert len(rig.opened.free) == 4
    for frame in frames:
        assert frame is not None
        assert frame.luma.shape == (240, 320)
        assert bytes(frame.luma) == rig.picture


def test_a_request_that_came_late_is_taken_by_the_next_read(rig: Rig) -> None:
    """One request is asked for, however many reads wait for it."""
    with PiCamera(config()) as camera:
        rig.silent = True
        assert [camera.read(0.01) for _ in range(3)] == [None] * 3
        rig.silent = False
        assert camera.read(0.01) is not None
        assert rig.opened.jobs == 1


def test_a_frame_is_taken_when_its_sensor_says(rig: Rig) -> None:
    """Glass to lamp counts from the sensor; a frame without a stamp was taken now."""
    with PiCamera(config()) as camera:
        before = time.monotonic()
        frame = camera.read(0.25)
        after = time.monotonic()
        assert frame is not None
        assert before - AGE_NS / 1e9 <= frame.taken <= after - AGE_NS / 1e9
        rig.stamped = False
        before = time.monotonic()
        frame = camera.read(0.25)
        assert frame is not None
        assert before <= frame.taken <= time.monotonic()


def test_no_frame_is_exposed_beyond_the_cap_from_the_first_one_on(rig: Rig) -> None:
    """The cap is set before the camera starts; in bright light the time is shortened as frames are read."""
    rig.sensor.light = 500
    with PiCamera(config(exposure_ms=4.0)) as camera:
        assert rig.opened.asked[0]["ExposureTime"] == 4000
        for _ in range(200):
            camera.read(0.25)
    asked = [controls["ExposureTime"] for controls in rig.opened.asked]
    assert asked == [4000, 2000, 1000, 500, 250]
    capped = [frame["ExposureTime"] for frame in rig.seen[rig.sensor.delay :]]
    assert max(capped) <= 4000 + rig.sensor.row / 2
    assert capped[-1] < 300


FOCUS = {
    "near": {"AfMode": 0, "LensPosition": 5.0},
    "8": {"AfMode": 0, "LensPosition": 8.0},
    "0": {"AfMode": 0, "LensPosition": 0.0},
    "20": {"AfMode": 0, "LensPosition": 15.0},
    "auto": {"AfMode": 2, "AfRange": 1},
}


@pytest.mark.parametrize("focus", list(FOCUS))
def test_the_lens_is_locked_near_or_where_it_is_said(rig: Rig, focus: str) -> None:
    """Within what the lens can; `auto` lets it search among near things."""
    with PiCamera(config(focus=focus)):
        asked = rig.opened.asked[0]
    assert {name: value for name, value in asked.items() if name in FOCUS["near"] | FOCUS["auto"]} == FOCUS[
        focus
    ]


OBTAINED: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "all": ({}, set(), "imx708, 320x240 YUV420, 60 fps, exposed 8 ms at most, focus at 20 cm"),
    "a slow sensor": (
        {"FrameDurationLimits": (21200, 1_000_000, 33333)},
        set(),
        "imx708, 320x240 YUV420, 47.2 fps, exposed 8 ms at most, focus at 20 cm",
    ),
    "no lens that moves": (
        {},
        {"AfMode", "AfRange", "LensPosition"},
        "imx708, 320x240 YUV420, 60 fps, exposed 8 ms at most, its own focus",
    ),
    "nothing": ({}, set(CONTROLS), "imx708, 320x240 YUV420, its own rate, its own exposure, its own focus"),
}


@pytest.mark.parametrize("name", list(OBTAINED))
def test_what_was_obtained_is_told_and_what_is_not_offered_is_not_set(rig: Rig, name: str) -> None:
    """The model refuses a control that it does not offer, as the camera does."""
    changed, missing, line = OBTAINED[name]
    rig.controls = {key: value for key, value in (CONTROLS | changed).items() if key not in missing}
    with PiCamera(config()) as camera:
        assert camera.describe() == line
        assert camera.read(0.25) is not None
        limits = [controls.get("FrameDurationLimits") for controls in rig.opened.asked]
        assert limits == [(16666, 16666) if rig.controls else None]


@pytest.mark.parametrize("step", ["open", "start", "frame"])
def test_whatever_the_camera_stack_raises_is_a_camera_error_without_its_words(rig: Rig, step: str) -> None:
    """The camera is gone, and is let go."""
    rig.broken = {step, "stop"}
    with pytest.raises(CameraError) as caught, PiCamera(config()) as camera:
        camera.read(0.25)
    assert "RuntimeError" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    if step != "open":
        assert rig.opened.closed


def test_a_format_without_luma_rows_is_refused(rig: Rig) -> None:
    """picamera2 gives YUV420 or NV12."""
    with pytest.raises(CameraError, match="YUV420 or NV12"):
        PiCamera(config(format="YUYV"))
