"""What would lose frames without a word is refused before anything is armed, with camera, feature, value and limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.cameras.basler import family
from rig.cameras.camera import CameraInfo
from rig.cameras.features import Feature, FeatureState, asked_of, spelled
from rig.config.rig import RigFile, read_rig
from rig.errors import ConfigError
from rig.record.camera_rules import camera_warnings, inabilities, unfit_cameras
from rig.sim.features import NodeMap
from tests.cameras.fake_nodes import Fake, ace_usb
from tests.rigs import write_rig

SOUND: dict[str, Feature] = {
    "ExposureAuto": "Off",
    "GainAuto": "Off",
    "BalanceWhiteAuto": "Off",
    "AcquisitionFrameRateEnable": False,
    "AcquisitionFrameRate": 10.0,  # not in use
    "TriggerActivation": "RisingEdge",
    "ExposureMode": "Timed",
    "LineFormat": "OptoCoupled",
    "LineMode": "Input",
    "LineInverter": False,
    "TriggerDelay": 0.0,
    "LineDebouncerTime": 10.0,
}


def rig_with(folder: Path, of_hs: str = "start_delay_us: 0") -> RigFile:
    """A rig whose HS has this key."""
    path = write_rig(folder)
    path.write_text(path.read_text().replace("start_delay_us: 0", of_hs, 1))
    return read_rig(path)


def camera(rig_file: RigFile, name: str, **settings: Feature) -> CameraInfo:
    """A camera that took all that was asked of it."""
    states = [FeatureState(key, value, "", value) for key, value in asked_of(rig_file.rig.cameras[name]).items()]
    info = CameraInfo("camera", "Basler", "acA640-120um", f"SIM-{name}", "1", simulated=False)
    return replace(info, features=tuple(states), settings={**SOUND, **settings}, resulting_hz=120.0, readout_us=5000.0)


def told(rig_file: RigFile, **cameras: CameraInfo) -> list[str]:
    return [str(problem).replace(f"{rig_file.folder}/", "") for problem in unfit_cameras(rig_file, cameras)]


def test_sound_cameras_are_no_problem(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    assert told(rig_file, **{name: camera(rig_file, name) for name in rig_file.rig.cameras}) == []


def test_a_camera_that_tells_nothing_is_taken_to_be_right(tmp_path: Path) -> None:
    assert told(rig_with(tmp_path), HS=CameraInfo("camera", "v", "m", "s", "1", simulated=False)) == []


@pytest.mark.parametrize("name", ["ExposureAuto", "GainAuto", "BalanceWhiteAuto"])
@pytest.mark.parametrize("value", ["Once", "Continuous"])
def test_an_automatic_is_refused(name: str, value: str, tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    assert told(rig_file, HS=camera(rig_file, "HS", **{name: value})) == [
        f"camera HS (SIM-HS): {name}: {value} is not allowed; Off. Write {name}: Off in cameras.HS.features"
    ]


def test_a_rate_above_095_of_the_highest_is_refused(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    assert told(rig_file, HS=replace(camera(rig_file, "HS"), resulting_hz=105.3)) == []
    (problem,) = told(rig_file, HS=replace(camera(rig_file, "HS"), resulting_hz=105.2))
    says = "105.2 Hz is too low; at least 105.3 Hz for 100 pulses a second. Shorten exposure_us, lower height, or"
    assert problem.startswith(f"camera HS (SIM-HS): its highest frame rate: {says}")
    assert told(rig_file, VIS=replace(camera(rig_file, "VIS"), resulting_hz=26.4)) == []
    assert "26.3 Hz for 25 pulses" in told(rig_file, VIS=replace(camera(rig_file, "VIS"), resulting_hz=26.2))[0]


def test_a_cap_on_the_frame_rate_is_refused_once(tmp_path: Path) -> None:
    """The highest frame rate follows from the cap, and is not told beside it."""
    rig_file = rig_with(tmp_path)
    capped = camera(rig_file, "HS", AcquisitionFrameRateEnable=True, AcquisitionFrameRate=60.0)
    assert told(rig_file, HS=replace(capped, resulting_hz=60.0)) == [
        "camera HS (SIM-HS): AcquisitionFrameRate: 60 Hz caps its rate; at least 105.3 Hz for 100 pulses a second. "
        "Write AcquisitionFrameRateEnable: false in cameras.HS.features"
    ]
    assert told(rig_file, HS=camera(rig_file, "HS", AcquisitionFrameRateEnable=True, AcquisitionFrameRate=200.0)) == []


def test_an_exposure_that_leaves_no_time_to_read_out_is_refused(tmp_path: Path) -> None:
    """4000 us of exposure at a pulse every 10000 us leave 6000 us."""
    rig_file = rig_with(tmp_path)
    assert told(rig_file, HS=replace(camera(rig_file, "HS"), readout_us=6000.0)) == []
    assert told(rig_file, HS=replace(camera(rig_file, "HS"), readout_us=6001.0)) == [
        "camera HS (SIM-HS): ExposureTime: 4000 us is too long; at most 3999 us of the 10000 us from pulse to pulse, "
        "besides its readout 6001 us. Shorten exposure_us, or lower height"
    ]


def test_a_readout_that_is_longer_than_the_period_is_mended_by_no_exposure(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    assert told(rig_file, HS=replace(camera(rig_file, "HS"), readout_us=65536.0)) == [
        "camera HS (SIM-HS): ExposureTime: 4000 us is too long; its readout 65536 us leave nothing of the 10000 us "
        "from pulse to pulse. Lower height or box.rate_hz, or raise divisor"
    ]


def test_what_it_waits_counts_like_what_it_exposes(tmp_path: Path) -> None:
    """4000 us of exposure and 5000 us of readout at a pulse every 40000 us leave 27000 us; 23000 us if 8000 us more."""
    rig_file = rig_with(tmp_path)
    assert told(rig_file, VIS=camera(rig_file, "VIS", TriggerDelay=27_000.0)) == []
    assert told(rig_file, VIS=camera(rig_file, "VIS", TriggerDelay=27_001.0)) == [
        "camera VIS (SIM-VIS): ExposureTime: 8000 us is too long; at most 7999 us of the 40000 us from pulse to pulse, "
        "besides TriggerDelay 27001 us, its readout 5000 us. Write TriggerDelay: 0.0 in cameras.VIS.features"
    ]
    slow = rig_with(tmp_path, "start_delay_us: 1000")
    assert told(slow, HS=camera(slow, "HS")) == []
    (problem,) = told(slow, HS=replace(camera(slow, "HS"), readout_us=5001.0))
    assert "at most 3999 us of the 10000 us from pulse to pulse, besides start_delay_us 1000 us, its readout" in problem


def test_a_trigger_delay_keeps_the_exposure_before_the_change_of_the_leds(tmp_path: Path) -> None:
    """At 9000 us after the pulse; rig.yaml alone does not tell how long the camera waits."""
    rig_file = rig_with(tmp_path)
    assert told(rig_file, HS=replace(camera(rig_file, "HS", TriggerDelay=4999.0), readout_us=0.0)) == []
    assert told(rig_file, HS=replace(camera(rig_file, "HS", TriggerDelay=5000.0), readout_us=0.0)) == [
        "camera HS (SIM-HS): TriggerDelay: 5000 us is too long; less than 5000 us, as the sync LEDs change 9000 us "
        "after each pulse. Write TriggerDelay: 0.0 in cameras.HS.features"
    ]


def test_a_pulse_is_as_long_as_input_and_debouncer_need(tmp_path: Path) -> None:
    """100 us for Basler's opto-coupled inputs; a debouncer drops what is shorter than its time."""
    rig_file = rig_with(tmp_path, "pulse_width_us: 150")
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=50.0)) == []
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=51.0)) == [
        "rig-1.yaml:5: cameras.HS.pulse_width_us: 150 us is too short; at least 151 us: 100 for its opto-coupled "
        "input, 51 for its LineDebouncerTime. Lengthen it, or lower LineDebouncerTime of camera HS (SIM-HS)"
    ]
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=51.0, LineFormat="TTL")) == []
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=151.0, LineFormat="TTL")) != []


def test_no_pulse_that_rig_yaml_allows_is_too_short_for_an_opto_coupler_alone(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path, "pulse_width_us: 100")
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=0.0)) == []
    with pytest.raises(ConfigError, match="what an opto-coupled input needs"):
        rig_with(tmp_path, "pulse_width_us: 99")


def test_an_opto_coupler_falls_before_the_next_pulse(tmp_path: Path) -> None:
    """60 us at worst, by Basler's manual; a pulse comes every 10000 us."""
    rig_file = rig_with(tmp_path, "pulse_width_us: 9940")
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=0.0)) == []
    rig_file = rig_with(tmp_path, "pulse_width_us: 9941")
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=0.0)) == [
        "rig-1.yaml:5: cameras.HS.pulse_width_us: 9941 us is too long; at most 9940 us, and then low until the next: "
        "60 for its opto-coupled input, 0 for its LineDebouncerTime. Shorten it, or lower LineDebouncerTime of camera "
        "HS (SIM-HS)"
    ]
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=0.0, LineFormat="TTL")) == []


@pytest.mark.parametrize(
    ("name", "found", "needed"),
    [
        ("TriggerMode", "Off", "On"),
        ("TriggerSource", "Line3", "Line1"),
        ("TriggerSelector", "FrameBurstStart", "FrameStart"),
        ("Width", 128, "96"),
    ],
)
def test_what_the_rig_sets_itself_may_not_read_otherwise(
    name: str, found: Feature, needed: str, tmp_path: Path
) -> None:
    rig_file = rig_with(tmp_path)
    (problem,) = told(rig_file, HS=camera(rig_file, "HS", **{name: found}))
    hint = f"Write {name}: {needed} in cameras.HS.features"
    assert problem == f"camera HS (SIM-HS): {name}: {found} is not allowed; {needed}. {hint}"


@pytest.mark.parametrize(
    ("name", "found", "needed"),
    [("TriggerActivation", "FallingEdge", "RisingEdge"), ("ExposureMode", "TriggerWidth", "Timed")],
)
def test_a_setting_that_moves_the_exposure_is_refused(name: str, found: str, needed: str, tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    (problem,) = told(rig_file, HS=camera(rig_file, "HS", **{name: found}))
    hint = f"Write {name}: {needed} in cameras.HS.features"
    assert problem == f"camera HS (SIM-HS): {name}: {found} is not allowed; {needed}. {hint}"


@pytest.mark.parametrize(
    ("name", "found", "needed"), [("LineMode", "Output", "Input"), ("LineInverter", True, "false")]
)
def test_the_line_that_triggers_is_an_upright_input(name: str, found: Feature, needed: str, tmp_path: Path) -> None:
    """Whatever another line is: one that tells of the exposure is an output, and may be inverted."""
    rig_file = rig_with(tmp_path)
    (problem,) = told(rig_file, HS=camera(rig_file, "HS", **{name: found}))
    hint = f"Write {{LineSelector: Line1, {name}: {needed}}} in cameras.HS.features"
    assert problem == f"camera HS (SIM-HS): {name}: {spelled(found)} is not allowed; {needed}. {hint}"
    sound = camera(rig_file, "HS")
    of_line_3 = FeatureState("LineSelector", "Line3", "", "Line3"), FeatureState(name, found, "", found)
    assert told(rig_file, HS=replace(sound, features=sound.features + of_line_3)) == []


@pytest.mark.parametrize("name", ["LineDebouncerTime", "LineFormat", "LineInverter", "LineMode", "TriggerDelay"])
def test_drivers_tell_what_the_rules_look_at(name: str) -> None:
    """Else the rule holds no camera to it."""
    nodes = ace_usb()
    nodes.features["LineInverter"] = Fake(False, by="LineSelector", of={"Line1": True})
    told_by_basler = family.settings(nodes, "Line1")
    assert name in told_by_basler
    assert told_by_basler["LineInverter"] is True
    simulated = NodeMap("SIM-HS", "", rounds=False)
    simulated.write("TriggerSource", "Line1")
    assert name in simulated.settings()


def test_a_camera_without_timestamps_and_counter_is_warned_of_and_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    able = replace(camera(rig_file, "HS"), capabilities={"timestamps": True, "counter_source": "Line1"})
    blind = replace(able, capabilities={"timestamps": False, "counter_source": "", "events": ""}, readout_us=None)
    assert camera_warnings({"HS": able, "VIS": replace(able, capabilities={"timestamps": False})}) == []
    (warning,) = camera_warnings({"HS": able, "NIR": blind})
    assert warning.startswith("camera NIR (SIM-HS) has neither timestamps nor a trigger counter")
    assert warning.endswith("rig verify never calls its stream synchronised")
    assert inabilities(able) == []
    lacks = ["has no timestamps", "has no trigger counter", "tells no events", "does not say its readout time"]
    assert inabilities(blind) == lacks


def test_one_camera_cannot_feed_two_streams(tmp_path: Path) -> None:
    """Named once by its serial number and once by its user id, rig.yaml alone does not tell it."""
    rig_file = rig_with(tmp_path)
    vis = replace(camera(rig_file, "VIS"), serial="SIM-HS")
    (problem,) = told(rig_file, HS=camera(rig_file, "HS"), VIS=vis)
    assert problem == "camera VIS (SIM-HS): is the camera of HS too. Correct serial or user_id of VIS or HS"


def test_features_that_were_not_taken_are_told_with_what_is_allowed_and_each_once(tmp_path: Path) -> None:
    rig_file = rig_with(tmp_path)
    states = (
        FeatureState("Gian", 1, "", None, "does not exist"),
        FeatureState("ExposureTime", 4000.0, "20 to 3000 us", 3000.0, "is out of range"),
        FeatureState("Gain", 1.03, "0 to 24", 1.0),
    )
    problems = told(rig_file, HS=replace(camera(rig_file, "HS"), features=states))
    assert problems == [
        "camera HS (SIM-HS): Gian: 1 does not exist. Correct it in rig.yaml: cameras.HS",
        "camera HS (SIM-HS): ExposureTime: 4000 is out of range; 20 to 3000 us. Correct it in rig.yaml: cameras.HS",
        "camera HS (SIM-HS): Gain: 1.03 reads back as 1; 0 to 24. Correct it in rig.yaml: cameras.HS",
    ]
