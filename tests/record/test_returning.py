"""A camera that is unplugged, and may come back: the others lose nothing, and its gap is exact to the pulse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rig.record.recording import Recorded
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Committed, Fault, lost_pulses, read_truth
from rig.streams import Evidence, GapCause
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.burnt_in import burnt_in_number
from tests.record.schedules import DIVISORS, GROUP
from tests.rigs import record, write_protocol, write_rig

WINDOW = "first_pulse: 380, last_pulse: 460"
INPUTS = "inputs: {HS: 0, VIS: 1, NIR: 2}"


def recorded(folder: Path, faults: str, *, seed: int = 1, seconds: float = 8) -> Recorded:
    rig = write_rig(folder, seed=seed, faults=f"{faults}, {WINDOW}")
    return record(folder, rig, write_protocol(folder, ("still", seconds, "all")))


@pytest.fixture(scope="module")
def back(tmp_path_factory) -> Recorded:
    """A camera that was away for a second and a half, for those who only read."""
    return recorded(tmp_path_factory.mktemp("back"), "disconnects: 1, away_s: 1.5")


def truth_of(came: Recorded) -> list[Committed]:
    return read_truth(beside(came.path, "truth.jsonl"))


def lost_streams(came: Recorded) -> list[str]:
    away = (Fault.DISCONNECTED, Fault.BUS_RESET)
    return sorted({t.stream for t in truth_of(came) if t.fault in away})


def judged(came: Recorded) -> dict[tuple[str, str], Finding]:
    with Run(came.path) as run:
        return {(f.check, f.stream): f for f in verify_run(run).findings}


def log_of(came: Recorded, kind: str) -> list[dict[str, Any]]:
    with Run(came.path) as run:
        return [entry for entry in run.log if entry["kind"] == kind]


def check_gaps(came: Recorded, *, streams: list[str]) -> None:
    """The gap of each lost stream is the truth's pulses up to the group it goes on with; others have none."""
    with Run(came.path) as run:
        for name, divisor in DIVISORS.items():
            stream, lost = run.streams[name], lost_pulses(truth_of(came), name)
            assert bool(lost) is (name in streams)
            rows = [(int(g["first_pulse"]), int(g["last_pulse"]), int(g["cause"])) for g in stream.gaps]
            resumed = -(-(max(lost) + 1) // GROUP) * GROUP if lost else 0
            assert rows == ([(min(lost), resumed - divisor, int(GapCause.CAMERA_LOST))] if lost else [])
            burnt = np.array([burnt_in_number(stream.data[i]) for i in range(len(stream.frames))])
            np.testing.assert_array_equal(burnt, stream.pulse_numbers)


@pytest.mark.parametrize("seed", range(2))
def test_a_camera_that_comes_back_goes_on_in_its_stream_with_the_next_group(tmp_path: Path, seed: int) -> None:
    came = recorded(tmp_path, f"disconnects: 1, away_s: {0.4 + seed * 0.3}", seed=seed)
    (name,) = lost_streams(came)
    check_gaps(came, streams=[name])
    assert came.outcome is Outcome.FINISHED
    with Run(came.path) as run:
        frames = run.streams[name].frames
        assert sorted(set(frames["epoch"].tolist())) == [1, 2]
        again = frames[frames["epoch"] == 2]
    assert set(again["evidence"].tolist()) == {int(Evidence.HOST_ARRIVAL)}
    assert again["pulse_number"][0] % GROUP == 0
    assert came.alarms[0].startswith(f"{name}: camera {name} (SIM-{name}): is gone")


def test_a_bus_reset_takes_two_cameras_and_both_go_on(tmp_path: Path) -> None:
    came = recorded(tmp_path, "bus_resets: 1, away_s: 0.7")
    streams = lost_streams(came)
    assert len(streams) == 2
    check_gaps(came, streams=streams)
    assert came.outcome is Outcome.FINISHED


@pytest.mark.parametrize("seed", range(2))
def test_a_camera_that_stays_away_ends_the_run_as_device_lost_and_costs_the_others_nothing(
    tmp_path: Path, seed: int
) -> None:
    came = recorded(tmp_path, "disconnects: 1, away_s: 0", seed=seed, seconds=6)
    (name,) = lost_streams(came)
    assert came.outcome is Outcome.DEVICE_LOST
    with h5py.File(came.path) as run:
        last = int(run["/acquisition/pulses"]["pulse_number"].max())
        (gap,) = run[f"/acquisition/{name}/gaps"][:]
        others = [len(run[f"/acquisition/{other}/gaps"]) for other in DIVISORS if other != name]
    lost = lost_pulses(truth_of(came), name)
    assert (int(gap["first_pulse"]), int(gap["last_pulse"])) == (min(lost), last - last % DIVISORS[name])
    assert lost == list(range(min(lost), last + 1, DIVISORS[name]))
    assert others == [0, 0]
    assert [alarm for alarm in came.alarms if "is gone" in alarm] == [came.alarms[0]]


def test_the_loss_is_told_within_a_second_and_taken_back_when_the_camera_is_there_again(back: Recorded) -> None:
    came, (name,) = back, lost_streams(back)
    first = min(lost_pulses(truth_of(came), name))
    with Run(came.path) as run:
        (sent,) = run.pulses[run.pulses["pulse_number"] == first]["arrived_host_ns"]
    (alarm,) = [e for e in log_of(came, "alarm") if "is gone" in e["text"]]
    assert abs(alarm["host_ns"] - int(sent)) < 1_000_000_000  # the box's word may come after the camera's
    (note,) = [e for e in log_of(came, "note") if "is back" in e["text"]]
    assert note["text"] == f"{name}: is back, armed for epoch 2; its stream goes on with the next group"
    assert 1.4e9 < note["host_ns"] - alarm["host_ns"] < 2.5e9


def test_verify_fails_the_lost_frames_and_the_weaker_evidence_and_finds_the_rest_in_order(back: Recorded) -> None:
    (name,), found = lost_streams(back), judged(back)
    failed = {key for key, finding in found.items() if finding.word is Word.FAIL}
    assert failed - {("pairing", other) for other in DIVISORS} == {("frames", name), ("evidence", name)}
    for check in ("order", "recount", "stamps", "intervals", "preamble", "postamble", "features"):
        assert found[check, name].word is Word.PASS, found[check, name].text


@pytest.mark.parametrize("seed", range(2))
def test_an_exposure_active_line_at_the_box_anchors_the_camera_that_is_back_by_its_timestamps(
    tmp_path: Path, seed: int
) -> None:
    rig = write_rig(tmp_path, seed=seed, faults=f"disconnects: 1, away_s: 0.6, {WINDOW}")
    rig.write_text(rig.read_text().replace("rate_hz: 100}", f"rate_hz: 100, {INPUTS}}}"))
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 8, "all")))
    (name,) = lost_streams(came)
    check_gaps(came, streams=[name])
    with Run(came.path) as run:
        assert run.streams[name].frames["evidence"].min() >= int(Evidence.TIMESTAMPS)


@pytest.mark.parametrize("extra", ["bumped_numbers: true", "lost_frames: 25", "unnumbered_frames: 25"])
def test_no_first_frame_that_is_lost_or_odd_number_brings_exposures_to_the_wrong_frames(
    tmp_path: Path, extra: str
) -> None:
    faults = f"disconnects: 1, away_s: 0.4, {extra}, first_pulse: 420, last_pulse: 500"
    rig = write_rig(tmp_path, seed=3, faults=faults)
    rig.write_text(rig.read_text().replace("rate_hz: 100}", f"rate_hz: 100, {INPUTS}}}"))
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 7, "all")))
    (name,) = lost_streams(came)
    with Run(came.path) as run:
        stream = run.streams[name]
        burnt = np.array([burnt_in_number(stream.data[i]) for i in range(len(stream.frames))])
        np.testing.assert_array_equal(burnt, stream.pulse_numbers)
        assert 2 in stream.frames["epoch"]


EARLY = "disconnects: 1, away_s: 0.5, first_pulse: 60, last_pulse: 140"


@pytest.mark.parametrize("seed", range(2))
def test_a_reading_of_its_clock_at_arm_anchors_a_camera_that_is_lost_early(tmp_path: Path, seed: int) -> None:
    rig = write_rig(tmp_path, seed=seed, faults=EARLY)
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 5, "all")))
    check_gaps(came, streams=lost_streams(came))


@pytest.fixture
def _no_latch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera whose clock cannot be read between frames."""
    monkeypatch.setattr(SimulatedCamera, "_clock_pairs", lambda _: ())


@pytest.mark.usefixtures("_no_latch")
def test_a_camera_whose_clock_cannot_be_read_is_anchored_by_its_measured_lateness(tmp_path: Path) -> None:
    came = recorded(tmp_path, "disconnects: 1, away_s: 0.5")
    check_gaps(came, streams=lost_streams(came))


@pytest.mark.usefixtures("_no_latch")
def test_such_a_camera_lost_before_its_lateness_was_measured_gets_no_pulse_number_and_its_losses_are_counted(
    tmp_path: Path,
) -> None:
    rig = write_rig(tmp_path, faults=EARLY)
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 5, "all")))
    (name,) = lost_streams(came)
    lost = lost_pulses(truth_of(came), name)
    with Run(came.path) as run:
        stream = run.streams[name]
        assert set(stream.pulse_numbers[stream.frames["epoch"] == 2].tolist()) == {-1}
        (gap,) = stream.gaps
    assert int(gap["missing"]) == len(lost)
    assert int(gap["first_pulse"]) == min(lost) <= max(lost) <= int(gap["last_pulse"])
    assert judged(came)["frames", name].value == len(lost)
    assert judged(came)["recount", name].word is Word.PASS


def test_in_real_time_a_camera_that_comes_back_goes_on_and_the_others_lose_nothing(tmp_path: Path) -> None:
    rig = write_rig(tmp_path, faults=EARLY)
    came = record(tmp_path, rig, write_protocol(tmp_path, ("still", 5, "all")), virtual=False)
    (name,) = lost_streams(came)
    with Run(came.path) as run:
        stream, lost = run.streams[name], lost_pulses(truth_of(came), name)
        burnt = np.array([burnt_in_number(stream.data[i]) for i in range(len(stream.frames))])
        known = stream.pulse_numbers >= 0
        assert set(stream.frames["epoch"].tolist()) == {1, 2}
        assert [len(other.gaps) for other in run.streams.values() if other.name != name] == [0, 0]
        np.testing.assert_array_equal(burnt[known], stream.pulse_numbers[known])
        assert stream.gaps["first_pulse"][0] == min(lost)
        again = stream.pulse_numbers[known & (stream.frames["epoch"] == 2)]
        if len(again):  # not on a computer too busy to tell when frames arrive
            assert again[0] > max(lost)  # the next group, or a later one where that came before it was known
            assert again[0] % GROUP == 0
            assert stream.gaps["last_pulse"][0] == again[0] - DIVISORS[name]
    assert came.outcome is Outcome.FINISHED


def test_a_stream_that_goes_on_with_wrong_pulse_numbers_fails_by_its_postamble(back: Recorded, tmp_path: Path) -> None:
    """The camera's new clock alone could not tell: it is tied to the box by those very numbers."""
    (name,), came = lost_streams(back), replace(back, path=tmp_path / back.path.name)
    came.path.write_bytes(back.path.read_bytes())
    with h5py.File(came.path, "r+") as run:
        rows = run[f"/acquisition/{name}/frames"][:]
        rows["pulse_number"][rows["epoch"] == 2] += 4
        run[f"/acquisition/{name}/frames"][:] = rows
    found = judged(came)
    assert found["postamble", name].word is Word.FAIL
    assert found["recount", name].word is Word.FAIL
