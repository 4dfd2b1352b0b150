"""Frames without a pulse are told by their kind, as the simulated world committed them."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from rig.session.folder import beside
from rig.session.run import Run
from rig.sim.faults import Fault, read_truth
from rig.verify.counters.extras import Kind, extras_of
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run
from tests.rigs import record, write_protocol, write_rig

KINDS = {Fault.GHOST_FRAME: Kind.GHOST, Fault.DUPLICATE_FRAME: Kind.TWICE, Fault.STALE_FRAME: Kind.LEFT_OVER}
FAULTS = (
    "ghost_frames: 4, duplicate_frames: 4, unnumbered_frames: 4, lost_pulses: 3, stale_frames: true, "
    "first_pulse: 40, last_pulse: 480"
)


def recorded(folder: Path, seed: int, faults: str) -> Path:
    rig = write_rig(folder, seed=seed, faults=faults)
    wired = "rate_hz: 100, inputs: {HS: 0, VIS: 1, NIR: 2}"
    rig.write_text(rig.read_text().replace("rate_hz: 100", wired))
    return record(folder, rig, write_protocol(folder, ("still", 5, "all"))).path


@pytest.mark.parametrize("seed", range(3))
def test_ghosts_and_frames_delivered_twice_or_left_over_are_told_apart(tmp_path: Path, seed: int) -> None:
    path = recorded(tmp_path, seed, FAULTS)
    truth = read_truth(beside(path, "truth.jsonl"))
    with Run(path) as run:
        found = {(f.check, f.stream): f for f in verify_run(run).findings}
        for name, stream in run.streams.items():
            committed = [(t.pulse, KINDS[t.fault]) for t in truth if t.stream == name and t.fault in KINDS]
            extras = extras_of(run, stream)
            told = list(zip(extras.after_pulses.tolist(), extras.kinds, strict=True))
            assert sorted(told) == sorted(committed)
            assert found["order", name].word is Word.PASS, found["order", name].text
            assert found["exposures", name].word is Word.PASS, found["exposures", name].text
            assert ("ringing" in found["extras", name].text) == (Kind.GHOST in extras.kinds)


def test_a_frame_of_the_line_walk_that_comes_once_more_is_left_over_though_no_clock_was_read_at_arm(
    tmp_path: Path,
) -> None:
    path = make_run(tmp_path, Plan(ghosts={"HS": [0]}, closed=False))
    with h5py.File(path, "r+") as file:
        rows, walked = file["acquisition/HS/frames"][:], file["line_walk/HS/frames"][2]
        for name in ("frame_number", "camera_ticks"):
            rows[name][1] = walked[name]
        file["acquisition/HS/frames"][:] = rows
    with Run(path) as run:
        assert extras_of(run, run.streams["HS"]).kinds == [Kind.LEFT_OVER]
        (order,) = [f for f in verify_run(run).findings if (f.check, f.stream) == ("order", "HS")]
    assert "timestamp" not in order.text


@pytest.mark.parametrize("seed", range(2))
def test_a_frame_left_over_when_a_camera_came_back_is_told_and_when_it_was_gone(tmp_path: Path, seed: int) -> None:
    faults = "disconnects: 1, away_s: 0.5, stale_frames: true, damaged_frames: 4, first_pulse: 40, last_pulse: 300"
    path = recorded(tmp_path, seed, faults)
    gone = [t for t in read_truth(beside(path, "truth.jsonl")) if t.fault is Fault.DISCONNECTED]
    with Run(path) as run:
        name = gone[0].stream
        stale = [t for t in read_truth(beside(path, "truth.jsonl")) if (t.stream, t.fault) == (name, Fault.STALE_FRAME)]
        assert extras_of(run, run.streams[name]).count(Kind.LEFT_OVER) == len(stale)
        found = {(f.check, f.stream): f for f in verify_run(run).findings}
    assert found["order", name].word is Word.PASS
    ending = found["ending", ""].text
    assert ending.startswith(f"finished: {name} was gone from pulse {min(t.pulse for t in gone)} to ")
    assert f", and is back (camera {name} (SIM-{name}): is gone" in ending


def test_the_camera_that_did_not_come_back_is_told_before_all_alarms(tmp_path: Path) -> None:
    path = recorded(tmp_path, 2, "disconnects: 1, away_s: 0, damaged_frames: 6, first_pulse: 40, last_pulse: 200")
    gone = next(t for t in read_truth(beside(path, "truth.jsonl")) if t.fault is Fault.DISCONNECTED)
    with Run(path) as run:
        (ending,) = [f for f in verify_run(run).findings if f.check == "ending"]
    assert ending.word is Word.FAIL
    assert ending.text.startswith(
        f"device lost: {gone.stream} was gone from pulse {gone.pulse} on (camera {gone.stream}"
    )
    assert ending.text.count("is gone") == 1
