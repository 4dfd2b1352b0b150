"""Cameras that run at a rate of their own, and those that only look so, against what the simulated world was told."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.run import Run
from rig.verify.clocks import free_run
from rig.verify.findings import Word
from tests.verify.wired_sessions import changed, found, wired

BOX_PPM = 80  # of the simulated box: pulses come at 100.008 Hz
SMIC_RATIO = 3.9913  # HS frames for one of SMIC's VIS frames
SMIC_HZ = 100 * (1 + BOX_PPM * 1e-6) / SMIC_RATIO
FASTER_PPM = (4 / SMIC_RATIO - 1) * 1e6


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All is well."""
    return wired(tmp_path_factory.mktemp("steady"), 12)


def is_same_by_clocks_alone(path: Path, folder: Path) -> bool:
    """Whether it is found whatever rows claim: numbers, counter, pulses, evidence put right, no gap or extra left."""

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/VIS/frames"][:]
        order = np.arange(len(rows))
        rows["frame_number"], rows["counter"], rows["pulse_number"], rows["evidence"] = order, order + 1, 4 * order, 4
        file["acquisition/VIS/frames"][:] = rows
        for table in ("gaps", "extras"):
            file[f"acquisition/VIS/{table}"].resize((0,))

    before = found(path, free_run.check_free_run)["VIS"]
    return found(changed(path, folder, edit), free_run.check_free_run)["VIS"] == before


def test_smics_ratio_is_called_unsynchronised_with_ppm_and_drift(tmp_path: Path) -> None:
    path = wired(tmp_path, 12, faults=f"free_run: VIS, free_run_hz: {SMIC_HZ:.6f}")
    rates = found(path, free_run.check_free_run)
    assert {name: finding.word for name, finding in rates.items()} == {
        "HS": Word.PASS, "VIS": Word.FAIL, "NIR": Word.PASS
    }  # fmt: skip
    assert rates["VIS"].value == pytest.approx(FASTER_PPM, abs=100)  # arrivals tell it to 1 ms in 12 s
    assert rates["VIS"].text.startswith("unsynchronised: from its first frame on")
    with Run(path) as run:
        (stretch,) = free_run.stretches(run, run.streams["VIS"])
    drift_s = float(rates["VIS"].text.split("a drift of ")[1].split(" s ")[0])
    assert drift_s == pytest.approx(FASTER_PPM * 1e-6 * stretch.seconds, abs=0.002)
    assert is_same_by_clocks_alone(path, tmp_path)


def test_a_fall_back_in_mid_run_is_named_with_its_pulse_and_measured_to_a_ppm(tmp_path: Path) -> None:
    """Held against its own clock while it was triggered."""
    path = wired(tmp_path, 12, faults=f"free_run: VIS, free_run_hz: {SMIC_HZ:.6f}, free_run_pulse: 600")
    finding = found(path, free_run.check_free_run)["VIS"]
    assert finding.word is Word.FAIL
    assert finding.value == pytest.approx(FASTER_PPM, abs=1)
    assert f"a frame every {SMIC_RATIO} base periods" in finding.text
    ((pulse, _),) = finding.ranges
    assert abs(pulse - 600) <= 8  # two frames
    assert is_same_by_clocks_alone(path, tmp_path)


def test_losses_ghosts_stalls_and_clock_steps_are_no_free_run(tmp_path: Path) -> None:
    faults = "lost_frames: 9, lost_pulses: 9, ghost_frames: 9, late_frames: 3, duplicate_frames: 3, stalls: 1, "
    path = wired(tmp_path, 8, faults=faults + "clock_steps: 2, ghost_swallows: 2, last_pulse: 780")
    for finding in found(path, free_run.check_free_run).values():
        assert finding.word is Word.PASS, finding.text


def test_clocks_that_are_off_and_drift_are_no_free_run(tmp_path: Path) -> None:
    path = wired(tmp_path, 6, faults="clock_ppm: {HS: 5000, VIS: -5000}, drift_ppm: 1000")
    for finding in found(path, free_run.check_free_run).values():
        assert finding.word is Word.PASS, finding.text
        assert abs(finding.value) < 200


def test_a_computer_that_falls_behind_more_and_more_is_no_free_run(steady: Path, tmp_path: Path) -> None:
    """Frames arrive 2 % later all the time, but the camera's clock saw the preamble."""

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        since = rows["arrived_host_ns"] - rows["arrived_host_ns"][0]
        rows["arrived_host_ns"] += (0.02 * since).astype(np.int64)
        file["acquisition/HS/frames"][:] = rows

    assert found(changed(steady, tmp_path, edit), free_run.check_free_run)["HS"].word is Word.PASS


def test_stalls_and_clocks_that_were_set_bend_no_rate(tmp_path: Path) -> None:
    faults = "stalls: 2, late_frames: 4, clock_steps: 3, clock_steps_back: 2, last_pulse: 780"
    path = wired(tmp_path, 8, faults=faults, edits={"seed: 1\n": "seed: 4\n"})
    for finding in found(path, free_run.check_free_run).values():
        assert (finding.word, abs(finding.value) < 200) == (Word.PASS, True), finding.text


def test_frames_that_fit_no_single_clock_are_said_to(steady: Path, tmp_path: Path) -> None:
    """As one of SMIC's eight VIS streams: its rate is another one every 3 s, and its frames arrive so."""
    ppm = (0, 2500, -3000, 6000)

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/VIS/frames"][:]
        rate = 1 - 1e-6 * np.repeat(ppm, -(-len(rows) // len(ppm)))[: len(rows)]
        for name in ("camera_ticks", "arrived_host_ns"):
            steps = np.diff(rows[name].astype(np.float64)) * rate[1:]
            rows[name] = int(rows[name][0]) + np.rint(np.r_[0, np.cumsum(steps)]).astype(np.int64)
        file["acquisition/VIS/frames"][:] = rows

    finding = found(changed(steady, tmp_path, edit), free_run.check_free_run)["VIS"]
    assert finding.word is Word.FAIL
    assert "its frames fit no single clock" in finding.text


def test_a_rate_that_changes_by_the_cameras_clock_alone_is_worth_a_look(steady: Path, tmp_path: Path) -> None:
    """Frames arrive with the pulses, so that it is the clock that is not to be trusted."""

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/HS/frames"][:]
        half = len(rows) // 2
        ticks = rows["camera_ticks"].astype(np.int64)
        ticks[half:] += np.rint((ticks[half:] - ticks[half]) * 400e-6).astype(np.int64)
        rows["camera_ticks"] = ticks
        file["acquisition/HS/frames"][:] = rows

    finding = found(changed(steady, tmp_path, edit), free_run.check_free_run)["HS"]
    assert finding.word is Word.WARN
    assert "its frames fit no single clock" in finding.text


def test_without_timestamps_nothing_is_said(tmp_path: Path) -> None:
    edits = {"exposure_us: 4000,": "exposure_us: 4000, simulated: {timestamps: false},"}
    finding = found(wired(tmp_path, 1, edits=edits), free_run.check_free_run)["HS"]
    assert finding.word is Word.NOT_MEASURED
