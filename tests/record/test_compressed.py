"""A recording with compressed streams is the recording that it would have been without."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  it makes h5py know the filter
import numpy as np
import pytest

from rig.config.rig import read_rig
from rig.errors import ConfigError
from rig.record.recording import Recorded
from rig.session import packing
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.verdict import verify_run
from tests.record.blocking import BlockedWrite, HeldFrames, lost, overruns
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import files_of, joined, shorten_plans

FAULTS = "lost_frames: 3, ghost_frames: 2, lost_pulses: 2, last_pulse: 200"
STREAMS = ("HS", "VIS", "NIR")


def compressing(rig: Path, *streams: str, how: str = "bitshuffle-lz4") -> Path:
    """The same rig.yaml, with these streams compressed."""
    text = rig.read_text()
    for name in streams:
        text = text.replace(f"{name}: {{backend", f"{name}: {{compression: {how}, backend")
    rig.write_text(text)
    return rig


def record_here(folder: Path, *compressed: str, faults: str = "", seconds: float = 2, virtual: bool = True) -> Recorded:
    folder.mkdir()
    rig = compressing(write_rig(folder, seed=5, faults=faults), *compressed)
    protocol = write_protocol(folder, ("a", seconds, "all"), ("b", 1, "none"), ("c", 1, "all"))
    return record(folder, rig, protocol, virtual=virtual)


def words(path: Path) -> list[tuple[str, str, str]]:
    """Every check's word, but for how long the disk took."""
    with Run(path) as run:
        return [(f.check, f.stream, str(f.word)) for f in verify_run(run).findings if f.check != "acknowledged"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """The run that is recorded with compressed streams below, without."""
    return record_here(tmp_path_factory.mktemp("raw") / "here", faults=FAULTS).path


@pytest.mark.parametrize("compressed", [("HS", "VIS", "NIR"), ("HS",)])
def test_pictures_rows_gaps_and_verdict_are_those_of_the_same_run_uncompressed(tmp_path, raw, compressed):
    packed = record_here(tmp_path / "packed", *compressed, faults=FAULTS).path
    with h5py.File(raw) as one, h5py.File(packed) as other:
        for name in STREAMS:
            group = f"/acquisition/{name}"
            filters = other[f"{group}/data"].id.get_create_plist().get_nfilters()
            assert filters == (name in compressed)
            for kind in ("data", "frames", "gaps", "extras"):
                ours, theirs = other[f"{group}/{kind}"][:], one[f"{group}/{kind}"][:]
                np.testing.assert_array_equal(ours, theirs, err_msg=f"{group}/{kind}")
            np.testing.assert_array_equal(other[f"/line_walk/{name}/data"][:], one[f"/line_walk/{name}/data"][:])
    assert words(packed) == words(raw)
    assert packed.stat().st_size < raw.stat().st_size or len(compressed) == 1


def test_a_run_in_several_files_holds_the_pictures_that_it_would_uncompressed(tmp_path, monkeypatch):
    shorten_plans(monkeypatch)
    raw = record_here(tmp_path / "raw", seconds=4).path
    packed = record_here(tmp_path / "packed", "HS", "NIR", seconds=4).path
    assert len(files_of(packed)) > 1
    for name in STREAMS:
        data = f"/acquisition/{name}/data"
        np.testing.assert_array_equal(joined(files_of(packed), data), joined(files_of(raw), data), err_msg=name)


def test_a_seeded_run_repeats_to_the_byte_of_its_payloads(tmp_path):
    first, second = (record_here(tmp_path / name, *STREAMS, faults=FAULTS).path for name in ("one", "two"))
    with h5py.File(first) as one, h5py.File(second) as other:
        for name in STREAMS:
            mine, its = (file[f"/acquisition/{name}/data"] for file in (one, other))
            assert len(mine) == len(its) > 50
            for index in range(len(mine)):
                assert mine.id.read_direct_chunk((index, 0, 0)) == its.id.read_direct_chunk((index, 0, 0))


def test_in_real_time_frames_wait_in_their_cameras_when_payloads_have_no_room_and_come_to_the_file(
    tmp_path, monkeypatch
):
    """The disk takes nothing until payloads fill their buffers, and a second of frames those of their camera."""
    held = HeldFrames(monkeypatch)
    blocked = BlockedWrite(monkeypatch, after=400, until=lambda: held.counts["HS"] >= 100)
    recorded = record_here(tmp_path / "here", *STREAMS, seconds=3, virtual=False)
    assert blocked.is_over
    assert recorded.outcome is Outcome.FINISHED
    with h5py.File(recorded.path) as run:
        assert lost(run) == overruns(recorded.path)  # none, unless this computer was held up itself
        assert run["/telemetry/disk"]["longest_write_ns"].max() >= blocked.lasted_ns
    with Run(recorded.path) as run:
        for name in STREAMS:
            assert sum(1 for _ in run.streams[name].data) == recorded.counts[name].stored  # compares checksums


def test_a_picture_that_cannot_be_packed_ends_the_run_in_order_and_keeps_those_before(tmp_path, monkeypatch):
    pack, numbers = packing.pack, count(1)  # of any thread

    def broken(picture: np.ndarray, out: np.ndarray) -> memoryview:
        if next(numbers) >= 150:
            raise MemoryError
        return pack(picture, out)

    monkeypatch.setattr(packing, "pack", broken)
    recorded = record_here(tmp_path / "here", "HS", seconds=30, virtual=False)
    assert recorded.outcome is Outcome.FAILED
    assert recorded.alarms
    with Run(recorded.path) as run:
        assert str(run.outcome) == "failed"
        stored = sum(1 for _ in run.streams["HS"].data)
    assert 100 < stored < 150


def test_another_way_to_compress_is_refused_with_its_line(tmp_path):
    rig = compressing(write_rig(tmp_path), "VIS", how="zip")
    with pytest.raises(ConfigError, match=r"yaml:6: cameras.VIS.compression: 'zip' is not allowed; none, or bits"):
        read_rig(rig)
