"""Whatever the simulated world did to a stream, the session says so, exactly."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from rig.session.folder import beside
from rig.sim.faults import Fault, read_truth
from rig.streams import GapCause
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FAULTS = "lost_frames: 9, lost_pulses: 7, ghost_frames: 6, first_pulse: {first}, last_pulse: 420"


def _gap_pulses(run: h5py.File, stream: str) -> dict[int, GapCause]:
    rows = run[f"/acquisition/{stream}/gaps"][:]
    step = STREAMS[stream]
    return {p: GapCause(r["cause"]) for r in rows for p in range(r["first_pulse"], r["last_pulse"] + 1, step)}


@pytest.mark.parametrize("seed", range(6))
def test_gaps_and_extras_equal_the_injected_truth(tmp_path, seed):
    first = 0 if seed % 2 else 40  # half of the schedules strike the preamble too
    rig = write_rig(tmp_path, seed=seed, faults=FAULTS.format(first=first))
    recorded = record(tmp_path, rig, write_protocol(tmp_path, ("still", 4, "all")))
    truth = read_truth(beside(recorded.path, "truth.jsonl"))
    assert len(truth) == 22

    with h5py.File(recorded.path) as run:
        for stream in STREAMS:
            own = [t for t in truth if t.stream == stream]
            missing = {t.pulse: t.fault for t in own if t.fault is not Fault.GHOST_FRAME}
            gaps = _gap_pulses(run, stream)
            assert set(gaps) == set(missing)
            ghosts = sorted(t.pulse for t in own if t.fault is Fault.GHOST_FRAME)
            assert run[f"/acquisition/{stream}/extras"]["after_pulse"].tolist() == ghosts
            _compare_causes(gaps, missing, STREAMS[stream])
            _compare_pictures(run, stream)


def _compare_causes(gaps: dict[int, GapCause], missing: dict[int, Fault], step: int) -> None:
    """The cause of a hole is the fault that made it, where one fault made it alone."""
    expected = {Fault.LOST_FRAME: GapCause.LOST_AFTER_EXPOSURE, Fault.LOST_PULSE: GapCause.NOT_NUMBERED}
    for pulse, fault in missing.items():
        if pulse - step not in missing and pulse + step not in missing:
            assert gaps[pulse] is expected[fault], pulse


def _compare_pictures(run: h5py.File, stream: str) -> None:
    """Independent of every counter and stamp: the number burnt into the pixels is the pulse of the row."""
    data, rows = run[f"/acquisition/{stream}/data"], run[f"/acquisition/{stream}/frames"][:]
    burnt = np.array([burnt_in_number(picture) for picture in data])
    np.testing.assert_array_equal(burnt, rows["pulse_number"])
