"""The LED sweep finds when each camera's exposure begins, and every camera that is not as it was told to be.

The truth is what the simulated world was told: delays, edges, row times, whether a camera is triggered at all.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rig.cameras.camera import Camera
from rig.config.rig import Rig, read_rig
from rig.errors import DeviceLost
from rig.record.plan import pulse_plan
from rig.selftest.starts import Bench, Start, measure_starts
from rig.selftest.sweep import STEP_US, plan_sweep
from rig.trigger.box import TriggerBox
from rig.verify.findings import Word
from tests.rigs import RIG
from tests.test_selftest import Altered, opened, same

LED = "leds: {x: 40, y: 30, size_px: 4, spacing_px: 8, contrast: 0.3}"
SHORT = "exposure_us: 2000, start_delay_us: 0"


def rig_with(
    folder: Path,
    cameras: dict[str, str] | None = None,
    *,
    faults: str = "",
    simulation: str = "",
    box: str = "rate_hz: 100",
) -> Rig:
    """A rig of which each camera exposes for 2 ms, or is as its text says."""
    text = RIG.format(seed=1, faults=faults).replace("rate_hz: 100", box) + simulation
    for name in ("HS", "VIS", "NIR"):
        written = (cameras or {}).get(name, SHORT)
        begin = text.index("exposure_us", text.index(f"  {name}: {{"))
        end = text.index(", width", begin)
        text = text[:begin] + written + text[end:]
    (folder / "rig.yaml").write_text(text)
    return read_rig(folder / "rig.yaml").rig


def swept(rig: Rig, box: type[Altered] | None = None, **capabilities: bool) -> dict[str, Start]:
    """What the sweep says, by stream, in virtual time."""
    with opened(rig) as virtual:
        the_box: TriggerBox = virtual.devices.box
        if box is not None:
            the_box = box(the_box, same, **capabilities)
        cameras: dict[str, Camera] = virtual.devices.cameras
        return {start.stream: start for start in measure_starts(Bench(rig, cameras, the_box, virtual.clock))}


def declared(exposure_us: float, delay_us: float) -> str:
    return f"exposure_us: {exposure_us}, start_delay_us: {delay_us}, simulated: {{{LED}}}"


@pytest.mark.parametrize("box_ppm", [80, -5000])
def test_starts_and_lengths_are_those_of_the_world_whatever_exposure_delay_divisor_and_box_clock(
    tmp_path: Path, box_ppm: int
) -> None:
    """Through the noise of the sensor, with LEDs of 4x4 px and 30 % contrast."""
    truth = {"HS": (1000.0, 17.6), "VIS": (4000.0, 883.0), "NIR": (8000.0, 300.0)}
    cameras = {name: declared(*times) for name, times in truth.items()}
    found = swept(rig_with(tmp_path, cameras, simulation=f"  box_ppm: {box_ppm}\n"))
    assert {name: start.result.word for name, start in found.items()} == dict.fromkeys(truth, Word.PASS)
    for name, (exposure_us, delay_us) in truth.items():
        start = found[name]
        assert start.start_us is not None
        assert start.start_sd_us is not None
        assert start.start_us == pytest.approx(delay_us, abs=10)
        assert start.length_us == pytest.approx(exposure_us, abs=20)
        assert abs(start.start_us - delay_us) < 4 * start.start_sd_us + 1


def test_the_phases_of_a_sweep_lie_50_us_apart_for_every_camera(tmp_path: Path) -> None:
    fast = "rate_hz: 200, led_phase_us: 4700"
    for box, exposures_us in (
        ("rate_hz: 100", (4000, 8000, 8000)),
        ("rate_hz: 87", (1000, 3000, 2000)),
        (fast, (500, 15000, 700)),
    ):
        pulses, lines = pulse_plan(rig_with(tmp_path, box=box))
        plan = plan_sweep(pulses, lines, dict(zip(lines, exposures_us, strict=True)))
        for name, line in lines.items():
            frames = np.arange(plan.groups * plan.pulses.group // line.divisor)
            at_us = np.sort(plan.turns(name, frames) * plan.period_us)
            assert np.diff(np.r_[at_us, at_us[0] + plan.period_us]).max() <= 2 * STEP_US
        assert plan.period_us >= 2.4 * max(exposures_us)
        assert plan.seconds < 61


def test_a_wrong_edge_and_a_delay_that_nobody_declared_are_found_and_named(tmp_path: Path) -> None:
    found = swept(rig_with(tmp_path, faults="falling_edge: VIS, undeclared_delay_us: {NIR: 300}"))
    assert {name: start.result.word for name, start in found.items()} == {
        "HS": Word.PASS, "VIS": Word.FAIL, "NIR": Word.FAIL,
    }  # fmt: skip
    assert found["VIS"].start_us == pytest.approx(1000, abs=5)
    assert found["NIR"].start_us == pytest.approx(300, abs=5)
    assert "1000 us wide: wrong edge, or an inverter?" in found["VIS"].result.text
    assert "is a TriggerDelay set in the camera" in found["NIR"].result.text


def test_a_wrong_edge_is_found_where_nobody_tells_the_delay_too(tmp_path: Path) -> None:
    untold = dict.fromkeys(("HS", "VIS", "NIR"), "exposure_us: 2000")
    found = swept(rig_with(tmp_path, untold, faults="falling_edge: VIS"))
    assert [found[name].result.word for name in ("HS", "VIS", "NIR")] == [Word.PASS, Word.FAIL, Word.PASS]
    assert found["VIS"].told_us is None


@pytest.mark.parametrize("hz", [25.2, 25.001])
def test_a_camera_that_runs_free_is_not_triggered(tmp_path: Path, hz: float) -> None:
    """It exposes before the first pulse, and after the last one."""
    vis = swept(rig_with(tmp_path, faults=f"free_run: VIS, free_run_hz: {hz}"))["VIS"]
    assert vis.result.word is Word.FAIL
    assert re.match(r"\d+ pulses were sent to it, and it exposed \d+ times: not triggered", vis.result.text)
    assert vis.start_us is None


def test_light_that_does_not_follow_the_pulses_is_not_fitted_though_the_counts_agree(tmp_path: Path) -> None:
    found = swept(rig_with(tmp_path, faults="start_jitter_us: {VIS: 1000}"))
    assert found["VIS"].result.word is Word.FAIL
    assert found["VIS"].result.text.startswith("not triggered by its pulses: the LED's brightness lies")
    assert found["VIS"].start_us is None
    assert found["HS"].result.word is Word.PASS


def test_a_camera_whose_line_is_dead_is_named(tmp_path: Path) -> None:
    found = swept(rig_with(tmp_path, faults="dead_line: NIR"))
    assert found["NIR"].result.word is Word.FAIL
    assert "exposed 0 times: is its cable on?" in found["NIR"].result.text


def test_an_led_out_of_view_is_said_and_never_guessed(tmp_path: Path) -> None:
    found = swept(rig_with(tmp_path, {"VIS": f"{SHORT}, simulated: {{leds: {{in_view: false}}}}"}))
    assert found["VIS"].result.word is Word.NOT_MEASURED
    assert "no LED is seen to blink" in found["VIS"].result.text
    assert not found["VIS"].is_measured
    assert found["HS"].is_measured


@pytest.mark.parametrize("row_time_us", [8, 20])
def test_the_rows_of_a_rolling_shutter_are_swept_apart(tmp_path: Path, row_time_us: int) -> None:
    """The row time by the rows of the LED, which is 8 px high; the start that counts is that of row 0."""
    sensor = f"simulated: {{shutter: rolling, row_time_us: {row_time_us}}}"
    vis = swept(rig_with(tmp_path, {"VIS": f"exposure_us: 2000, start_delay_us: 50, {sensor}"}))["VIS"]
    assert vis.row_time_measured_us == pytest.approx(row_time_us, abs=0.3)
    assert vis.row_time_us == row_time_us
    assert vis.start_us == pytest.approx(50, abs=5)


def test_an_led_that_is_white_when_it_is_lit_bends_no_start(tmp_path: Path) -> None:
    """Of a ramp that is cut off above, the rest tells it."""
    white = "leds: {x: 40, y: 30, size_px: 8, spacing_px: 12, contrast: 1}, white_exposure_us: 2000"
    vis = swept(rig_with(tmp_path, {"VIS": f"exposure_us: 2000, start_delay_us: 500, simulated: {{{white}}}"}))["VIS"]
    assert vis.start_us == pytest.approx(500, abs=10)
    assert vis.length_us == pytest.approx(2000, abs=30)


def test_frames_that_were_damaged_or_lost_move_no_start(tmp_path: Path) -> None:
    faults = "lost_frames: 8, damaged_frames: 8, first_pulse: 40, last_pulse: 400"
    found = swept(rig_with(tmp_path, faults=faults))
    assert {name: start.result.word for name, start in found.items()} == dict.fromkeys(found, Word.PASS)
    assert all(start.start_us == pytest.approx(0, abs=5) for start in found.values())


def test_a_box_without_test_runs_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    found = swept(rig_with(tmp_path), Altered, test_modes=False)
    assert {start.result.word for start in found.values()} == {Word.NOT_MEASURED}
    assert "has no test runs, which make its LED blink" in found["HS"].result.text


def test_a_camera_that_is_lost_in_the_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceLost, match=r"camera (HS|VIS|NIR) \(SIM-"):
        swept(rig_with(tmp_path, faults="disconnects: 1, away_s: 0, first_pulse: 40, last_pulse: 100"))


def test_a_sweep_that_is_ended_early_ends_the_run_of_the_box(tmp_path: Path) -> None:
    rig = rig_with(tmp_path)
    with opened(rig) as virtual:
        bench = Bench(rig, virtual.devices.cameras, virtual.devices.box, virtual.clock)
        until_ns = virtual.clock.now_ns() + 10**9
        measure_starts(bench, is_ended=lambda: virtual.clock.now_ns() > until_ns)
        assert virtual.clock.now_ns() < until_ns + 2 * 10**9
        assert virtual.world.box.pulses_sent < 150
