"""What would lose frames without a word is refused before anything is armed, with camera, feature, value and limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rig.cameras.camera import CameraInfo
from rig.cameras.features import Feature, FeatureState, asked_of
from rig.config.rig import RigFile, read_rig
from rig.record.camera_rules import unfit_cameras
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
    "LineDebouncerTime": 10.0,
}


def rig_with(folder: Path, of_hs: str = "") -> RigFile:
    """A rig whose HS has some more keys."""
    path = write_rig(folder)
    path.write_text(path.read_text().replace("serial: SIM-HS,", f"serial: SIM-HS, {of_hs}"))
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
        "camera HS (SIM-HS): ExposureTime: 4000 us is too long; at most 3999 us, as it reads out for 6001 us and a "
        "pulse comes every 10000 us. Shorten exposure_us, or lower height"
    ]


def test_a_pulse_is_as_long_as_input_and_debouncer_need(tmp_path: Path) -> None:
    """100 us for Basler's opto-coupled inputs; a debouncer drops what is shorter than its time."""
    rig_file = rig_with(tmp_path, "pulse_width_us: 150,")
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=50.0)) == []
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=51.0)) == [
        "rig-1.yaml:5: cameras.HS.pulse_width_us: 150 us is too short; at least 151 us: 100 for its opto-coupled "
        "input, 51 for its LineDebouncerTime. Lengthen it, or lower LineDebouncerTime of camera HS (SIM-HS)"
    ]
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=51.0, LineFormat="TTL")) == []
    assert told(rig_file, HS=camera(rig_file, "HS", LineDebouncerTime=151.0, LineFormat="TTL")) != []


@pytest.mark.parametrize(
    ("of_hs", "name", "found", "needed"),
    [
        ("features: {TriggerMode: Off},", "TriggerMode", "Off", "On"),
        ("features: {TriggerSource: Line3},", "TriggerSource", "Line3", "Line1"),
        ("features: {TriggerSelector: FrameBurstStart},", "TriggerSelector", "FrameBurstStart", "FrameStart"),
        ("features: {ExposureTime: 8000.0},", "ExposureTime", "8000", "4000"),
        ("features: {Width: 128},", "Width", "128", "96"),
    ],
)
def test_what_the_rig_sets_itself_cannot_be_set_otherwise(
    of_hs: str, name: str, found: str, needed: str, tmp_path: Path
) -> None:
    rig_file = rig_with(tmp_path, of_hs)
    (problem, *_) = told(rig_file, HS=replace(camera(rig_file, "HS"), readout_us=0.0))
    hint = "Take it out of cameras.HS.features"
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
