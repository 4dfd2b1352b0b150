"""A camera whose clock was set while it recorded: told by when, and told apart from frames of wrong pulses."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.folder import beside
from rig.session.run import Run
from rig.sim.faults import Fault, read_truth
from rig.verify.clocks.paired import clock_steps
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.handmade import CAMERA_HZ, Plan, make_run, note_checksums
from tests.rigs import record, write_protocol, write_rig
from tests.verify.wired_sessions import said

OF_STEPS = ("stamps", "order", "intervals", "preamble", "postamble", "recount")


def findings(path: Path) -> dict[tuple[str, str], Finding]:
    return said(path, *OF_STEPS)


def stepped(path: Path, stream: str, place: int, seconds: float, *, has_counter: bool = True) -> Path:
    """The run with the clock of a camera set before the frame at `place`."""
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        rows = file[f"acquisition/{stream}/frames"][:]
        ticks = rows["camera_ticks"].astype(np.int64)
        ticks[place:] += round(seconds * CAMERA_HZ[stream])
        rows["camera_ticks"] = ticks.astype(np.uint64) if ticks.min() >= 0 else ticks - ticks.min()
        if not has_counter:
            rows["counter"] = -1
        file[f"acquisition/{stream}/frames"][:] = rows
        note_checksums(file)
    return path


@pytest.mark.parametrize("seed", range(3))
def test_each_step_that_was_committed_is_named_and_no_frame_accused(tmp_path: Path, seed: int) -> None:
    rig = write_rig(tmp_path, seed=seed, faults="clock_steps: 3, lost_frames: 4, first_pulse: 40, last_pulse: 500")
    path = record(tmp_path, rig, write_protocol(tmp_path, ("still", 5, "all"))).path
    truth, found = read_truth(beside(path, "truth.jsonl")), findings(path)
    for name in ("HS", "VIS", "NIR"):
        steps = sorted(t.pulse for t in truth if (t.stream, t.fault) == (name, Fault.CLOCK_STEP))
        stamps = found["stamps", name]
        assert stamps.word is (Word.WARN if steps else Word.PASS), stamps.text
        assert [first for first, _ in stamps.ranges] == steps
        assert all(f"before pulse {pulse}" in stamps.text for pulse in steps)
        words = {found[check, name].word for check in ("order", "intervals", "preamble", "postamble", "recount")}
        assert words == {Word.PASS}


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [*(("HS", seconds) for seconds in (0.006, 0.02, 0.3, 7.0, -0.02, -0.3, -7.0)), ("VIS", 0.02), ("VIS", -7.0)],
)
def test_a_step_of_any_size_above_half_a_period_is_measured(tmp_path: Path, stream: str, seconds: float) -> None:
    place, pulse = {"HS": (100, 100), "VIS": (30, 120)}[stream]
    path = stepped(make_run(tmp_path), stream, place, seconds)
    with Run(path) as run:
        (step,) = clock_steps(run, run.streams[stream])
        verdict = verify_run(run)
    assert (step.pulse, step.seconds, step.is_counted) == (pulse, pytest.approx(seconds, rel=1e-4, abs=1e-4), True)
    assert verdict.is_complete
    warned = {(f.check, f.stream) for f in verdict.findings if f.word is Word.WARN}
    assert warned == {("stamps", stream)}


def test_after_a_step_without_a_counter_nothing_proves_the_pulses(tmp_path: Path) -> None:
    finding = findings(stepped(make_run(tmp_path), "HS", 100, 2.0, has_counter=False))["stamps", "HS"]
    assert finding.word is Word.NOT_MEASURED
    assert "set by +2.000 s before pulse 100; after it no counter ties frames to pulses" in finding.text


def test_a_frame_off_its_pulse_after_a_step_is_still_named(tmp_path: Path) -> None:
    path = stepped(make_run(tmp_path, Plan(jitter_ticks={"HS": {180: 0.2}})), "HS", 100, 2.0)
    finding = findings(path)["stamps", "HS"]
    assert (finding.word, finding.ranges) == (Word.FAIL, ((180, 180),))


def test_frames_that_claim_a_pulse_too_low_after_a_loss_are_no_step_of_the_clock(tmp_path: Path) -> None:
    """Numbers and counter go on without a hole; the frames came when the later pulses had been sent."""
    plan = Plan()
    shifted = {pulse: pulse - 1 for pulse in range(101, plan.pulses)}
    with Run(make_run(tmp_path, Plan(silent={"HS": {100}}, claimed={"HS": shifted}))) as run:
        assert clock_steps(run, run.streams["HS"]) == []
        found = {(f.check, f.stream): f for f in verify_run(run).findings}
    assert (found["stamps", "HS"].word, found["postamble", "HS"].word) == (Word.FAIL, Word.FAIL)


def test_a_timestamp_that_is_wrong_once_is_no_step_of_the_clock(tmp_path: Path) -> None:
    with Run(make_run(tmp_path, Plan(jitter_ticks={"HS": {100: 30.0}}))) as run:
        assert clock_steps(run, run.streams["HS"]) == []
