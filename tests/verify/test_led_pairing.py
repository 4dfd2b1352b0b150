"""Frames of cameras without timestamps get their pulses from the LEDs, in a file beside the run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import rig
from rig.cli.app import app
from rig.errors import NotASession
from rig.record.recording import Recorded
from rig.session.folder import beside
from rig.sim.faults import lost_pulses, read_truth
from rig.streams import NO_PULSE
from tests.burnt_in import burnt_in_number
from tests.record.clockless import make_clockless
from tests.rigs import record, write_protocol, write_rig

FAULTS = "lost_frames: 5, late_frames: 3, duplicate_frames: 2, first_pulse: 100, last_pulse: 600"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A session in which HS and VIS have no clock; NIR has one."""
    folder = tmp_path_factory.mktemp("clockless")
    leds = write_rig(folder, seed=4, faults=FAULTS)
    came = record(folder, make_clockless(leds, ("HS", "VIS")), write_protocol(folder, ("still", 8, "all")))
    before = came.path.read_bytes()
    done = CliRunner().invoke(app, ["verify", str(came.path)])
    assert "pairing.h5" in done.output.replace("\n", "")
    assert came.path.read_bytes() == before
    return came


def test_each_frame_has_the_pulse_that_is_burnt_into_its_picture(judged: Recorded) -> None:
    lost = lost_pulses(read_truth(beside(judged.path, "truth.jsonl")), "HS")
    with rig.open(judged.path) as session, rig.open(judged.path, by_leds=False) as own:
        for name in ("HS", "VIS"):
            stream = session.streams[name]
            burnt = np.array([burnt_in_number(picture) for picture in stream.data])
            numbers = stream.pulse_numbers
            known = numbers != NO_PULSE
            np.testing.assert_array_equal(numbers[known], burnt[known])
            assert len(np.unique(burnt)) - known.sum() <= 2  # next to a loss the code may fit two frames
            assert (own.streams[name].pulse_numbers != NO_PULSE).sum() < known.sum() / 2
        assert lost and not np.isin(lost, session.streams["HS"].pulse_numbers).any()


def test_two_such_streams_are_laid_beside_each_other_and_looked_up_by_pulse(judged: Recorded) -> None:
    with rig.open(judged.path) as session:
        hs, vis = session.streams["HS"], session.streams["VIS"]
        beside_vis = vis.beside(hs)
        for place in (50, 150, len(beside_vis) - 5):
            assert burnt_in_number(hs.data[int(beside_vis[place])]) == burnt_in_number(vis.data[place])
        view = session.at(seconds=6.0).views["HS"]
        assert view.picture is not None
        assert burnt_in_number(view.picture) == view.pulse


def test_a_stream_with_timestamps_keeps_its_own_numbers(judged: Recorded) -> None:
    with h5py.File(beside(judged.path, "pairing.h5"), "r") as file:
        assert sorted(file) == ["HS", "VIS"]
        assert file["HS"].dtype == np.int64


def test_the_verdict_is_the_same_with_the_file_there(judged: Recorded) -> None:
    path = beside(judged.path, "verdict.json")
    before = path.read_bytes()
    CliRunner().invoke(app, ["verify", str(judged.path)])
    assert path.read_bytes() == before


def test_a_file_of_another_run_is_refused_with_the_way_out_and_verify_makes_a_new_one(judged: Recorded) -> None:
    path = beside(judged.path, "pairing.h5")
    whole = path.read_bytes()
    for bad, problem in ((b"", "is no pairing of ours"), (whole[:-200], "is no pairing of ours")):
        path.write_bytes(bad)
        with pytest.raises(NotASession, match=problem):
            rig.open(judged.path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["run_id"] = 1
    with pytest.raises(NotASession, match=r"is not of this run as it is now.*rig verify"):
        rig.open(judged.path)
    CliRunner().invoke(app, ["verify", str(judged.path)])
    rig.open(judged.path).close()


def test_without_need_no_file_is_written_and_an_old_one_goes(tmp_path: Path) -> None:
    came = record(tmp_path, write_rig(tmp_path, seed=4), write_protocol(tmp_path, ("still", 3, "all")))
    path = beside(came.path, "pairing.h5")
    path.write_bytes(b"old")
    done = CliRunner().invoke(app, ["verify", str(came.path)])
    assert "Pairing" not in done.output
    assert not path.exists()
