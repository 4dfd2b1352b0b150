"""What a simulated camera says of the features that rig.yaml asks for: asked, allowed, got, and why not."""

from __future__ import annotations

from typing import Any

import pytest

from rig.cameras.camera import Origin
from rig.cameras.features import FeatureState
from rig.clock import VirtualClock
from rig.sim.camera import SimulatedCamera
from rig.sim.links import LocalLink
from rig.sim.world import World, pool_shape
from rig.streams import Frame
from tests.burnt_in import burnt_in_number
from tests.sim.test_world import rig

MS = 1_000_000


class OneCamera:
    """HS of a world without a box's pulses."""

    def __init__(self, **hs: Any) -> None:
        of = rig(hs={"start_delay_us": 0, "exposure_us": 1000} | hs)
        self.clock, self.world = VirtualClock(0), World(of, 0, None)
        self.camera = SimulatedCamera("HS", LocalLink("HS", self.world, pool_shape(of, "HS")), self.clock)

    def state(self, name: str) -> FeatureState:
        return next(state for state in self.camera.describe().features if state.name == name)

    def edges_ms(self, *times: float) -> list[Frame]:
        """Edges at these times; the frames of them."""
        for number, at_ms in enumerate(times):
            self.clock.sleep_until(round(at_ms * MS))
            self.world.run_until(self.clock.now_ns())
            self.world.sensors["HS"].edge(self.clock.now_ns(), number, 10 * MS, walk=False)
        self.world.run_until(self.clock.now_ns() + 100 * MS)
        came = [self.camera.grab(0) for _ in range(2 * len(times))]
        return [frame for frame in came if isinstance(frame, Frame)]


@pytest.mark.parametrize(
    ("name", "asked", "allowed", "got", "refusal"),
    [
        ("Gain", 1.5, "0 to 24 in steps of 0.1", 1.5, ""),
        ("Gain", 3, "0 to 24 in steps of 0.1", 3.0, ""),
        ("Gain", 1.26, "0 to 24 in steps of 0.1", 1.3, ""),
        ("Gain", 24.5, "0 to 24 in steps of 0.1", 0.0, "is out of range"),
        ("Gain", "high", "0 to 24 in steps of 0.1", 0.0, "is no number"),
        ("Gain", True, "0 to 24 in steps of 0.1", 0.0, "is no number"),
        (
            "DeviceLinkThroughputLimit",
            2000000.5,
            "1000000 to 420000000 in steps of 1000",
            360_000_000,
            "is no whole number",
        ),
        ("Width", 128, "16 to 8192", 128, ""),
        (
            "DeviceLinkThroughputLimit",
            1_000_500,
            "1000000 to 420000000 in steps of 1000",
            360_000_000,
            "is between two steps",
        ),
        ("ExposureAuto", "Continuous", "Off, Once, Continuous", "Continuous", ""),
        ("ExposureAuto", "Always", "Off, Once, Continuous", "Off", "is not one of its choices"),
        ("ExposureAuto", False, "Off, Once, Continuous", "Off", "is not one of its choices"),
        ("AcquisitionFrameRateEnable", True, "true or false", True, ""),
        ("AcquisitionFrameRateEnable", 1, "true or false", False, "is neither true nor false"),
        ("DeviceTemperature", 20.0, "", 41.0, "is not writable"),
        ("LineFormat", "TTL", "", "OptoCoupled", "is not writable"),
        ("ExposureTimes", 20, "", None, "does not exist"),
    ],
)
def test_a_feature_that_is_asked_for_says_what_is_allowed_and_what_became_of_it(
    name: str, asked: Any, allowed: str, got: Any, refusal: str
) -> None:
    found = OneCamera(features={name: asked}).state(name)
    assert (found.asked, found.allowed, found.refusal) == (asked, allowed, refusal)
    assert found.got == pytest.approx(got) and type(found.got) is type(got)


def test_an_offset_is_limited_by_the_picture_beside_it() -> None:
    found = OneCamera(width=4096, offset_x=4097).state("OffsetX")
    assert (found.refusal, found.allowed) == ("is out of range", "0 to 4096")
    assert OneCamera(width=4096, offset_x=4096).state("OffsetX").problem == ""


def test_a_line_s_features_are_those_of_the_line_that_is_selected() -> None:
    asked = {"LineSelector": "Line3", "LineMode": "Output"}
    one = OneCamera(features=asked)
    assert one.state("LineMode").problem == ""
    settings = one.camera.describe().settings  # of the line that triggers
    assert (settings["LineMode"], settings["LineFormat"]) == ("Input", "OptoCoupled")
    assert OneCamera(trigger_source="Line3").camera.describe().settings["LineFormat"] == "TTL"
    assert OneCamera(features={"LineMode": "Output"}).state("LineMode").refusal == "is not one of its choices"


def test_it_is_set_as_rig_yaml_says_and_says_so() -> None:
    one = OneCamera(width=128, height=70, offset_x=3, pixel_format="Mono12p", trigger_source="Line4", user_id="face")
    info = one.camera.describe()
    assert (info.width, info.height, info.pixel_format) == (128, 70, "Mono12p")
    assert info.capabilities["user_id"] == "face"
    assert info.settings["TriggerMode"] == "On"
    asked = {state.name: state.got for state in info.features}
    assert (asked["TriggerSource"], asked["OffsetX"], asked["ExposureTime"]) == ("Line4", 3, 1000.0)


@pytest.mark.parametrize(
    ("features", "hz"),
    [
        ({}, 1000),  # of the exposure; 64 rows are read in 0.5 ms
        ({"AcquisitionFrameRate": 50.0}, 1000),
        ({"AcquisitionFrameRateEnable": True, "AcquisitionFrameRate": 50.0}, 50),
        ({"DeviceLinkThroughputLimitMode": "On", "DeviceLinkThroughputLimit": 1_000_000}, 1e6 / (96 * 64)),
        ({"TriggerDelay": 3000.0}, 250),
    ],
)
def test_what_is_set_limits_the_frame_rate_and_what_comes_too_early_is_swallowed(
    features: dict[str, Any], hz: float
) -> None:
    one = OneCamera(features=features)
    assert one.camera.describe().resulting_hz == pytest.approx(hz, rel=1e-6)
    period_ms = one.camera.arm(0).shortest_period_us / 1000
    assert period_ms == pytest.approx(1000 / hz, rel=1e-5)
    frames = one.edges_ms(0, period_ms + 0.001, 2 * period_ms - 0.01, 3 * period_ms)
    assert [burnt_in_number(frame.pixels) for frame in frames] == [0, 1, 3]


def test_delays_that_are_set_in_the_camera_are_told_and_come_before_the_exposure() -> None:
    features = {"TriggerDelay": 200.0, "LineDebouncerTime": 30.0}
    one, prompt = OneCamera(start_delay_us=20, features=features), OneCamera(start_delay_us=20)
    delays = one.camera.arm(0).delays
    assert {name: (delay.us, delay.origin) for name, delay in delays.items()} == {
        "exposure_start": (20, Origin.DECLARED),
        "trigger": (200, Origin.DEVICE),
        "debouncer": (30, Origin.DEVICE),
    }
    prompt.camera.arm(0)
    (late,), (early,) = one.edges_ms(1), prompt.edges_ms(1)
    assert late.camera_ticks - early.camera_ticks == pytest.approx(230_000, rel=60e-6, abs=2)
