"""The same cuts as in test_power.py, of a run whose streams are compressed: two in all, one beside one that is not."""

from __future__ import annotations

from random import Random

import hdf5plugin  # noqa: F401  recovered files are read by plain h5py
import pytest

from tests.crashes import Acknowledged, delivered, losses, recover_through_cuts, stages
from tests.power import DiskLog
from tests.record.test_compressed import compressing
from tests.rigs import record, write_protocol, write_rig

SEEDS = 3


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """See test_power.recorded."""
    folder = tmp_path_factory.mktemp("compressed")
    (folder / "sessions").mkdir()
    log = DiskLog(folder / "sessions")
    rig = compressing(write_rig(folder, faults="lost_frames: 3, ghost_frames: 2, last_pulse: 150"), "HS", "NIR")
    with log.logging(), delivered() as truth:
        record(folder, rig, write_protocol(folder, ("a", 2, "all")))
    return log, truth, Acknowledged(log)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("stage", ["recording", "sync", "close"])
def test_a_power_cut_loses_nothing_that_was_acknowledged(recorded, tmp_path, stage, seed):
    log, truth, acknowledged = recorded
    random = Random(f"{stage} {seed} compressed")
    place = random.choice(stages(log)[stage])
    folder = tmp_path / "sessions"
    folder.mkdir()
    log.cut_at(place, random, folder)
    recover_through_cuts(folder, random, cuts=seed % 3)
    assert losses(folder, truth, acknowledged.by(place)) == ""
