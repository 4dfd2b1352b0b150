"""Streams in step: each row is one pulse in all of them, what is missing is masked, and nothing is read too early."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import dask.array
import h5py
import numpy as np
import pytest
import xarray

import rig
from rig.errors import ChecksumError, UserError
from rig.session.reader import Session
from tests.handmade import Plan, make_run, number_in

LOST = {"HS": {8, 41}, "VIS": {40}, "NIR": {100}}
TWO_RUNS = {"body_groups": 20, "not_stored": [("VIS", 20, 28)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that lack different frames."""
    made = tmp_path_factory.mktemp("aligned")
    make_run(made, Plan(lost=LOST, ghosts={"HS": [60]}))
    return make_run(made, Plan(run=2, lost={"NIR": {12}}, **TWO_RUNS)).parent


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with rig.open(folder) as opened:
        yield opened


def truth(session: Session, name: str) -> dict[tuple[int, int], np.ndarray]:
    """Pictures of a stream by run and pulse, by plain h5py and by the number that each picture holds."""
    found = {}
    for run in session.runs:
        with h5py.File(run.path, locking=False) as file:
            pictures = file[f"/acquisition/{name}/data"][:]
        found |= {(run.number, number_in(picture)): picture for picture in pictures}
    return found


def test_each_row_is_the_same_pulse_in_every_stream_and_a_gap_is_masked(session: Session) -> None:
    aligned = session.aligned(["HS", "VIS", "NIR"])
    assert list(aligned) == ["HS", "VIS", "NIR"]
    sent = [(run.number, pulse) for run in session.runs for pulse in range(0, len(run.pulses), 4)]
    places = list(zip(aligned.run_numbers.tolist(), aligned.pulse_numbers.tolist(), strict=True))
    assert places == sent
    for name, pictures in aligned.items():
        there = truth(session, name)
        assert pictures.mask.tolist() == [place not in there for place in places]
        assert pictures.shape == (len(places), 64, 96)
        expected = np.array([there.get(place, np.zeros((64, 96), np.uint8)) for place in places])
        assert np.array_equal(pictures[:], expected)
        assert np.array_equal(np.array(list(pictures)), expected)
        masked = pictures.masked[:]
        assert masked.mask.all(axis=(1, 2)).tolist() == masked.mask.any(axis=(1, 2)).tolist() == pictures.mask.tolist()
    assert {name: np.flatnonzero(p.mask).tolist() for name, p in aligned.items()} == {
        "HS": [2],
        "VIS": [10, 71, 72, 73],
        "NIR": [25, 69],
    }


def test_of_the_fast_camera_alone_every_pulse_is_a_row(session: Session) -> None:
    aligned = session.aligned(["HS"])
    assert len(aligned.pulse_numbers) == sum(len(run.pulses) for run in session.runs)
    rows = aligned.run_numbers == 1
    assert aligned.pulse_numbers[rows & aligned["HS"].mask].tolist() == [8, 41]


def test_rows_are_timed_as_the_session_times_a_moment(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(lost=LOST))) as session:
        aligned, hs = session.aligned(["HS", "VIS"]), session.streams["HS"]
        for row in (0, 5, 10, len(aligned.pulse_numbers) - 1):
            instant = session.at(seconds=float(aligned.times_s[row]) + 1e-6)
            assert instant.pulse == aligned.pulse_numbers[row]
        there = ~aligned["HS"].mask
        assert aligned.times_s[there] == pytest.approx(hs.times_s[aligned["HS"].frame_indices[there]], abs=1e-9)


def test_parts_of_pictures_are_read_as_of_an_array(session: Session) -> None:
    pictures = session.aligned(["HS", "VIS"])["VIS"]
    whole = pictures[:]
    for index in ((slice(8, 12), slice(10, 20), slice(None, None, 2)), (10, 5), (..., 3), [3, 10], (-1, 0, 0)):
        assert np.array_equal(pictures[index], whole[index])
        masked = pictures.masked[index]
        assert np.array_equal(masked.filled(255), np.where(masked.mask, 255, whole[index]))
    assert pictures.masked[8:12, 10:20].mask.all(axis=(1, 2)).tolist() == [False, False, True, False]
    assert pictures.masked[10].mask.all()
    assert pictures.masked[..., 0].mask.sum() == 64 * 4


def test_a_camera_that_a_run_lacks_is_masked_there(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(run=2, body_groups=20))
    with h5py.File(path, "r+") as file:
        file.attrs["streams"] = '["HS", "NIR"]'
    make_run(tmp_path, Plan(body_groups=20))
    with rig.open(path.parent) as session:
        aligned = session.aligned(["HS", "VIS"])
        assert aligned["VIS"].mask.tolist() == (aligned.run_numbers == 2).tolist()
        assert not aligned["HS"].mask.any()


def test_a_frame_makes_a_row_where_the_box_was_not_heard(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(pulses_lost_on_wire={40, 41, 42}))) as session:
        aligned = session.aligned(["HS", "VIS"])
        assert not aligned["HS"].mask[aligned.pulse_numbers == 40].any()
        assert (np.diff(aligned.pulse_numbers) == 4).all()


def test_rows_are_mapped_where_they_lie_as_far_as_they_lie_evenly(session: Session) -> None:
    aligned = session.aligned(["HS", "VIS"])
    for name, pictures in aligned.items():
        whole, data = pictures[:], session.streams[name].data
        for index in (3, -1, slice(3, 9), slice(9, 3, -2), slice(3, 3)):
            view = pictures.mapped(index)
            assert np.array_equal(view, whole[index])
            assert not view.flags.writeable or not view.size
        assert np.shares_memory(pictures.mapped(slice(3, 9)), data.mapped(int(pictures.frame_indices[4])))
    with pytest.raises(UserError, match="stream HS: 1 of 3 rows have no frame, and lie nowhere in the file"):
        aligned["HS"].mapped(slice(1, 4))
    with pytest.raises(UserError, match="other frames between some"):
        aligned["HS"].mapped(slice(8, 12))  # pulse 41 was lost
    assert aligned["HS"].mapped(slice(8, 11)).shape[0] == 3
    assert np.array_equal(aligned["VIS"].mapped(slice(9, None, -1)), aligned["VIS"][9::-1])


def test_a_gap_is_never_taken_for_a_black_picture_when_all_rows_are_wanted(tmp_path: Path, session: Session) -> None:
    vis = session.aligned(["HS", "VIS"])["VIS"]
    for plain in (np.asarray, xarray.DataArray):
        for rows in (vis, vis.masked):
            with pytest.raises(UserError, match=r"stream VIS: 4 of \d+ rows have no frame, and would be black"):
                np.asarray(plain(rows))
    masked = vis.masked
    assert (masked.shape, masked.dtype, masked.ndim, len(masked)) == (vis.shape, vis.dtype, 3, len(vis))
    means = np.mean(masked, axis=(1, 2))
    assert means.mask.tolist() == vis.mask.tolist()
    assert means[~vis.mask].data == pytest.approx(vis[~vis.mask].mean(axis=(1, 2)))
    assert masked.read(10).mask.all()
    with rig.open(make_run(tmp_path / "whole", Plan(body_groups=5))) as whole:
        rows = whole.aligned(["HS"])["HS"]
        assert np.array_equal(np.asarray(rows.masked), np.asarray(rows))


def test_what_it_is_is_said_and_that_it_stays_in_its_process(session: Session) -> None:
    hs = session.streams["HS"].data
    assert repr(hs) == f"<stream HS: ({len(hs)}, 64, 96) uint8, {hs.nbytes / 1e6:.1f} MB that are not in memory>"
    for pictures in (hs, *session.aligned(["HS"]).values()):
        with pytest.raises(TypeError, match="stream HS cannot be sent to another process: let threads compute"):
            pickle.dumps(pictures)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["HS", "UV"], "UV names a stream that is not there; HS, VIS, NIR"),
        ([], "needs a list of streams, each once"),
        (["HS", "HS"], "needs a list of streams, each once"),
    ],
)
def test_a_wrong_list_of_streams_is_refused(session: Session, names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        session.aligned(names)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Dask's threads, which it would keep."""
    with ThreadPoolExecutor(2) as pool, dask.config.set(scheduler="threads", pool=pool):
        yield


class Reads:
    """Counts pictures that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._each: list[None] = []  # of any thread
        part = rig.session.pictures.Part
        for name in ("read", "_read_plain"):
            monkeypatch.setattr(part, name, self._counting(getattr(part, name)))

    def _counting(self, method):  # type: ignore[no-untyped-def]
        def counted(*arguments):  # type: ignore[no-untyped-def]
            self._each.append(None)
            return method(*arguments)

        return counted

    @property
    def count(self) -> int:
        return len(self._each)


def test_dask_wraps_a_stream_and_reads_only_what_it_computes(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hs, whole, reads = session.streams["HS"], session.streams["HS"].data[:], Reads(monkeypatch)
    wrapped = dask.array.from_array(hs.data, chunks=(20, -1, -1))
    changes = abs(wrapped[1:].astype(np.int16) - wrapped[:-1]).mean(axis=(1, 2))
    assert (wrapped.shape, wrapped.dtype, reads.count) == (whole.shape, whole.dtype, 0)
    assert wrapped[:, 10:20].chunks[0][0] == 20
    assert np.array_equal(wrapped[25:27, 10:20, ::2].compute(), whole[25:27, 10:20, ::2])
    assert reads.count <= 20
    expected = abs(whole[1:].astype(np.int16) - whole[:-1]).mean(axis=(1, 2))
    assert changes.compute() == pytest.approx(expected)
    assert dask.array.from_array(hs.data).name == dask.array.from_array(hs.data).name  # not by all that it holds
    assert dask.array.from_array(hs.data).name != dask.array.from_array(session.streams["VIS"].data).name


def test_xarray_wraps_a_stream_whole_or_through_dask_lazily(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    vis, whole, reads = session.streams["VIS"], session.streams["VIS"].data[:], Reads(monkeypatch)
    dims = ("time", "y", "x")
    lazy = xarray.DataArray(dask.array.from_array(vis.data, chunks=vis.data.chunks), dims=dims)
    lazy = lazy.assign_coords(time=vis.times_s, pulse=("time", vis.pulse_numbers))
    wanted = (vis.times_s >= 0.5) & (vis.times_s <= 0.6) & (vis.run_numbers == 2)
    second = lazy.isel(time=wanted)
    assert reads.count == 0
    assert np.array_equal(second.values, whole[wanted])
    assert reads.count == wanted.sum()
    assert np.array_equal(xarray.DataArray(vis.data, dims=dims).values, whole)


def test_aligned_streams_are_masked_in_dask_and_xarray_too(session: Session) -> None:
    aligned = session.aligned(["HS", "VIS", "NIR"])
    arrays = {
        name: xarray.DataArray(dask.array.from_array(pictures, chunks=(8, -1, -1)), dims=("pulse", "y", "x")).where(
            xarray.DataArray(~pictures.mask, dims="pulse")
        )
        for name, pictures in aligned.items()
    }
    dark = xarray.Dataset(arrays).mean(("y", "x")).compute()
    for name, pictures in aligned.items():
        assert np.isnan(dark[name].values).tolist() == pictures.mask.tolist()
        assert math.isclose(float(dark[name][1]), float(pictures[1].mean()))


def test_dask_keeps_the_masks(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    vis, reads = session.aligned(["HS", "VIS"])["VIS"], Reads(monkeypatch)
    lazy = dask.array.from_array(vis.masked, chunks=(8, -1, -1))
    means = lazy.mean(axis=(1, 2))
    assert (lazy.shape, lazy.dtype, reads.count) == (vis.shape, vis.dtype, 0)
    found = means.compute()
    assert np.ma.getmaskarray(found).tolist() == vis.mask.tolist()
    assert found.compressed() == pytest.approx(vis[~vis.mask].mean(axis=(1, 2)))
    assert dask.array.from_array(vis.masked).name == dask.array.from_array(vis.masked).name


def test_a_damaged_picture_is_an_error_there_too(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(damaged={"VIS": {40}}))) as session:
        vis = session.aligned(["HS", "VIS"])["VIS"]
        assert len(vis[:10]) == 10
        with pytest.raises(ChecksumError, match=r"frame 10 \(pulse 40\)"):
            dask.array.from_array(vis).max().compute(scheduler="synchronous")
