"""Fits of the cameras' clocks and of the box's, against rates that were put in; and the truth told by clocks alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.folder import beside
from rig.session.run import Run
from rig.sim.faults import Fault, lost_pulses, read_truth
from rig.verify.clocks import box_rate, camera_clocks
from rig.verify.clocks.paired import BOX_HZ, Paired
from rig.verify.counters import counts
from rig.verify.findings import Word
from tests.verify.wired_sessions import changed, found, wired

PERIOD = 20_000  # box ticks: 100 Hz
MINUTES_10 = 60_000  # frames
LIMIT_MS = 1.0


def frames(camera_hz: int, ppm: float, jitter_us: float, seed: int) -> Paired:
    """Ten minutes of a camera whose clock is `ppm` fast, with jitter of its stamps, losses, and frames off by 2 ms."""
    rng = np.random.default_rng(seed)
    pulses = np.sort(rng.choice(MINUTES_10, MINUTES_10 - 600, replace=False))
    seconds = pulses * PERIOD / BOX_HZ + rng.normal(0, jitter_us * 1e-6, len(pulses))
    seconds[rng.choice(len(pulses), 20, replace=False)] += 0.002
    ticks = np.rint((seconds + 1234.5) * camera_hz * (1 + ppm * 1e-6)).astype(np.int64)
    return Paired(pulses, pulses * PERIOD, ticks, np.zeros(len(pulses), np.int64))


@pytest.mark.parametrize("ppm", [-5000, -37.5, 0, 120, 5000])
@pytest.mark.parametrize(("camera_hz", "jitter_us"), [(1_000_000_000, 50), (125_000_000, 5), (1_000_000, 20)])
def test_a_rate_is_told_to_half_a_ppm_in_ten_minutes(ppm: float, camera_hz: int, jitter_us: float) -> None:
    for seed in range(3):
        clock = camera_clocks.fit_camera(frames(camera_hz, ppm, jitter_us, seed), [], camera_hz, PERIOD, LIMIT_MS)
        assert clock is not None
        assert clock.ppm == pytest.approx(ppm, abs=0.5)
        assert clock.residual_us == pytest.approx(jitter_us, rel=0.1, abs=1)
        assert int((np.abs(clock.off_ms) > LIMIT_MS).sum()) == 20
        assert 20 <= clock.outliers <= 25
        assert np.median(np.abs(clock.off_line_us)) < 2 * jitter_us


def test_the_offset_is_what_the_camera_showed_more_than_the_box() -> None:
    clock = camera_clocks.fit_camera(frames(10**9, 0, 1, 1), [], 10**9, PERIOD, LIMIT_MS)
    assert clock is not None
    assert clock.offset_s == pytest.approx(1234.5, abs=1e-4)


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    faults = "lost_pulses: 6, ghost_swallows: 2, first_pulse: 60, last_pulse: 250"
    return wired(tmp_path_factory.mktemp("lossy"), 3, faults=faults)


def _rows_put_right(file: h5py.File) -> None:
    """Numbers and counters without a hole, the best evidence, no row of a gap or an extra: nothing was lost."""
    for name in ("HS", "VIS", "NIR"):
        rows = file[f"acquisition/{name}/frames"][:]
        rows["frame_number"], rows["counter"] = np.arange(len(rows)), np.arange(1, len(rows) + 1)
        rows["evidence"] = 4
        file[f"acquisition/{name}/frames"][:] = rows
        for table in ("gaps", "extras"):
            file[f"acquisition/{name}/{table}"].resize((0,))


def test_losses_are_found_without_the_recorders_counts(lossy: Path, tmp_path: Path) -> None:
    truth = read_truth(beside(lossy, "truth.jsonl"))
    path = changed(lossy, tmp_path, _rows_put_right)
    lost = found(path, counts.check_frames)
    for name, divisor in (("HS", 1), ("VIS", 4), ("NIR", 4)):
        pulses = [p for first, last in lost[name].ranges for p in range(first, last + 1, divisor)]
        assert pulses == lost_pulses(truth, name)
        assert found(path, camera_clocks.check_stamps)[name].word is Word.PASS


def test_frames_that_claim_the_pulses_of_others_are_found_by_their_clock(lossy: Path, tmp_path: Path) -> None:
    """As a recorder that counts frames and calls that pulses: every number after the first loss is too low."""

    def edit(file: h5py.File) -> None:
        _rows_put_right(file)
        for name, divisor in (("HS", 1), ("VIS", 4), ("NIR", 4)):
            rows = file[f"acquisition/{name}/frames"][:]
            rows["pulse_number"] = divisor * np.arange(len(rows))
            file[f"acquisition/{name}/frames"][:] = rows

    truth = read_truth(beside(lossy, "truth.jsonl"))
    stamps = found(changed(lossy, tmp_path, edit), camera_clocks.check_stamps)
    for name in ("HS", "VIS", "NIR"):
        is_struck = any(t.stream == name and t.fault in (Fault.LOST_PULSE, Fault.GHOST_FRAME) for t in truth)
        assert stamps[name].word is (Word.FAIL if is_struck else Word.PASS), stamps[name].text


# the box's rate


@pytest.mark.parametrize(("ppm", "word"), [(80, Word.PASS), (5000, Word.WARN), (-5000, Word.WARN)])
def test_a_box_half_a_per_cent_off_is_told_with_its_true_rate(tmp_path: Path, ppm: int, word: Word) -> None:
    path = wired(tmp_path, 3, edits={"simulation:\n": f"simulation:\n  box_ppm: {ppm}\n"})
    finding = found(path, box_rate.check_box_rate)[""]
    assert (finding.word, finding.value) == (word, pytest.approx(-ppm, abs=300))
    assert finding.limit.startswith("1000 ppm (default), above 6000 fails; residual 2 ms (default)")
    if word is Word.WARN:
        told_hz = float(finding.text.split("pulses come at ")[1].split(" Hz")[0])
        assert told_hz == pytest.approx(100 + ppm * 1e-4, abs=0.03)
        assert "the cameras' clocks against the box's" in finding.text


def test_a_rig_may_know_that_its_box_is_off(tmp_path: Path) -> None:
    edits = {"simulation:\n": "tolerances: {box_ppm: 5500}\nsimulation:\n  box_ppm: 5000\n"}
    finding = found(wired(tmp_path, 3, edits=edits), box_rate.check_box_rate)[""]
    assert (finding.word, finding.origin) == (Word.PASS, "rig")


# intervals


def test_jitter_of_intervals_and_the_rate_of_frames_are_told(tmp_path: Path) -> None:
    path = wired(tmp_path, 4, faults="timestamp_jitter_us: {HS: 100}, lost_frames: 5, last_pulse: 400")
    with Run(path) as run:
        rates = {name: camera_clocks.frame_rates_hz(run, stream) for name, stream in run.streams.items()}
        lost = {name: len(lost_pulses(read_truth(beside(path, "truth.jsonl")), name)) for name in run.streams}
        due = {name: -(-len(run.pulses) // stream.divisor) for name, stream in run.streams.items()}
        camera, box, _ = camera_clocks.interval_ms(run, run.streams["HS"])
    for name, (got_hz, due_hz) in rates.items():
        assert due_hz == pytest.approx(100.008 / (1 if name == "HS" else 4), rel=2e-4)
        assert got_hz / due_hz == pytest.approx(1 - lost[name] / due[name])
    finding = found(path, camera_clocks.check_intervals)["HS"]
    jitter_us = float(finding.text.split("jitter ")[1].split(" us")[0])
    assert jitter_us == pytest.approx(1000 * np.std(camera - box * np.median(camera / box)), rel=0.2)
    assert 110 < jitter_us < 170  # of two stamps, each 100 us rms


def test_limits_of_stamps_and_intervals_may_be_set(tmp_path: Path) -> None:
    edits = {"simulation:\n": "tolerances: {stamps_ms: 0.2, intervals_ms: 0.2}\nsimulation:\n"}
    path = wired(tmp_path, 3, faults="timestamp_jitter_us: {HS: 100}", edits=edits)
    stamps, intervals = found(path, camera_clocks.check_stamps), found(path, camera_clocks.check_intervals)
    assert (stamps["HS"].word, stamps["HS"].origin) == (Word.FAIL, "rig")
    assert (intervals["HS"].word, intervals["HS"].origin) == (Word.WARN, "rig")
    assert {stamps[name].word for name in ("VIS", "NIR")} == {Word.PASS}
    assert stamps["HS"].limit.startswith("0.2 ms (rig)")
