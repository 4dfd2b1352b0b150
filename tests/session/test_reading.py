"""Reading pictures as arrays: indexed, timed, laid beside each other, mapped, and while they are being recorded."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

import rig
from rig import host
from rig.errors import ChecksumError, UserError
from rig.record.storage import Storage
from rig.session.layout import Outcome
from rig.session.reader import Session
from tests import commands
from tests.handmade import Plan, host_of, make_run, number_in, pulse_ticks
from tests.rigs import record, write_protocol, write_rig
from tests.session.test_pixel_formats import opened, pictures_of, spec_of, store, write
from tests.waiting import wait_for

LOST = {"HS": {50, 51}, "VIS": {40}}
GHOST = {"VIS": [60]}
TWO = {"host_0": 65_000_000_000, "created_utc": "2026-03-01T10:01:00+00:00"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("reading"), Plan(lost=LOST, ghosts=GHOST))


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with rig.open(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(path: Path) -> np.ndarray:
    """All pictures of VIS by plain h5py."""
    with h5py.File(path, locking=False) as file:
        return np.asarray(file["/acquisition/VIS/data"][:])


MASK = np.arange(66) % 5 == 2


@pytest.mark.parametrize(
    "index",
    [0, -1, 65, np.int64(7), slice(3, 9), slice(None), slice(60, 99), slice(None, None, 7), slice(9, 3, -2),
     slice(5, 5), [4, 4, -2, 0], [], np.array([9, 8]), MASK, ..., (), (3, 5), (-1, ..., 7), (slice(3, 9), 63),
     (slice(3, 5), slice(10, 20), slice(None, None, 2)), (..., slice(0, 0)), (slice(9, 3, -2), slice(None, None, -1)),
     (slice(2, 4), [5, 1], slice(3)), (slice(0, 64), slice(0, 64), slice(0, 96)), (MASK, slice(4), 0)],
    ids=lambda index: "mask" if index is MASK else str(index),
)  # fmt: skip
def test_pictures_are_indexed_as_an_array_is(session: Session, whole: np.ndarray, index: object) -> None:
    found = session.streams["VIS"].data[index]  # type: ignore[call-overload]
    expected = whole[index] if not isinstance(index, list) else whole[np.array(index, int)]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert np.array_equal(found, expected)
    assert found.flags.writeable


@pytest.mark.parametrize(
    "index",
    [66, -67, [0, 66], MASK[:-1], (0, 64), (0, 1, 2, 3), (None, 0), (..., 0, ...),
     ([1], [2]), np.zeros((2, 2), int), 1.5, "a"],
)  # fmt: skip
def test_an_index_that_no_array_would_take_is_refused(session: Session, index: object) -> None:
    with pytest.raises(IndexError):
        session.streams["VIS"].data[index]  # type: ignore[call-overload]


def test_pictures_have_shape_type_and_length_and_are_iterated(session: Session, whole: np.ndarray) -> None:
    data = session.streams["VIS"].data
    assert (data.shape, data.ndim, data.dtype, len(data)) == (whole.shape, 3, np.uint8, 66)
    assert all(np.array_equal(one, other) for one, other in zip(data, whole, strict=True))


def test_a_stream_is_an_array_for_numpy_where_there_is_memory_for_it(
    session: Session, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = session.streams["VIS"].data
    assert np.array_equal(np.asarray(data), whole)
    assert np.asarray(data, np.float32).dtype == np.float32
    assert np.mean(data) == whole.mean()
    assert (data.size, data.nbytes, data.chunks) == (whole.size, whole.nbytes, (1, 64, 96))
    with pytest.raises(ValueError, match=r"without a copy there is data\.mapped"):
        data.__array__(copy=False)
    monkeypatch.setattr(host, "free_memory_bytes", lambda: 2 * whole.nbytes - 1)
    with pytest.raises(UserError, match=r"VIS: 0\.00 GB is not read whole: .*; up to 0\.00 GB\. Take data"):
        np.asarray(data)
    monkeypatch.setattr(host, "free_memory_bytes", lambda: None)  # a system that does not tell
    assert np.array_equal(np.asarray(data), whole)


def test_the_free_memory_is_that_which_the_system_tells() -> None:
    """At some moment: whatever else runs here takes memory and gives it back."""
    wait_for(lambda: host.free_memory_bytes() == pytest.approx(free_by_command(), rel=0.05))


def free_by_command() -> int:
    lines = subprocess.run(["free", "-b"], capture_output=True, check=True, text=True).stdout.splitlines()
    return int(lines[1].split()[-1])


def test_a_damaged_picture_is_named_among_several(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(damaged={"VIS": {40}}))) as session:
        data = session.streams["VIS"].data
        assert len(data[:10]) == 10
        with pytest.raises(ChecksumError, match=r"frame 10 \(pulse 40\)"):
            data[5:15]


def test_pictures_of_all_runs_are_one_array(tmp_path: Path) -> None:
    make_run(tmp_path, Plan())
    with rig.open(make_run(tmp_path, Plan(run=2, **TWO)).parent) as session:
        found = session.streams["HS"].data[[262, 263, 264, 265]]
        assert [number_in(picture) for picture in found] == [262, 263, 0, 1]


def test_a_frames_time_is_that_of_its_pulse_and_nobody_knows_that_of_an_extra(session: Session) -> None:
    plan = Plan(lost=LOST, ghosts=GHOST)
    sent_s = (host_of(plan, pulse_ticks(plan)) - int(host_of(plan, int(pulse_ticks(plan)[0])))) / 1e9
    for name, stream in session.streams.items():
        is_extra = stream.pulse_numbers < 0
        assert np.isnan(stream.times_s).tolist() == is_extra.tolist()
        assert is_extra.sum() == (name == "VIS")
        off = stream.times_s[~is_extra] - sent_s[stream.pulse_numbers[~is_extra]]
        assert np.abs(off).max() < 20e-6, name  # what a clock map of noisy pings is good for
    assert session.streams["HS"].times_s[0] == 0


def test_each_streams_own_delay_from_the_trigger_is_in_its_times(tmp_path: Path) -> None:
    """Nobody declared that of VIS; that of HS is 20 us, and 0 s is where HS begins."""
    with rig.open(make_run(tmp_path, Plan(undeclared={"VIS"}))) as session:
        hs, vis = session.streams["HS"], session.streams["VIS"]
        apart_us = (vis.times_s - hs.times_s[hs.index_at(vis.pulse_numbers)]) * 1e6
    assert np.allclose(apart_us, -20, atol=0.01)


def test_times_of_a_stream_are_those_that_at_looks_up(tmp_path: Path) -> None:
    make_run(tmp_path, Plan())
    with rig.open(make_run(tmp_path, Plan(run=2, **TWO)).parent) as session:
        stream = session.streams["HS"]
        assert 59.9 < stream.times_s[264] < 60.1
        for index in (0, 17, 263, 264, 300):
            instant = session.at(seconds=stream.times_s[index] + 1e-6)
            assert (instant.run, instant.pulse) == (stream.run_numbers[index], stream.pulse_numbers[index])


def test_frames_of_many_pulses_are_found_at_once(session: Session) -> None:
    for stream in session.streams.values():
        numbers = stream.pulse_numbers.tolist()
        wanted = np.arange(-2, 280)
        expected = [numbers.index(p) if p >= 0 and p in numbers else -1 for p in wanted.tolist()]
        assert stream.index_at(wanted).tolist() == expected
        assert [stream.frame_of(p) for p in range(3)] == [i if i >= 0 else None for i in expected[2:5]]
        assert stream.index_at([[0, 1], [2, 300]]).shape == (2, 2)
        with pytest.raises(UserError, match="run: 2 does not exist; 1"):
            stream.index_at(5, run=2)


def test_two_streams_are_laid_beside_each_other_by_their_pulses(session: Session) -> None:
    hs, vis = session.streams["HS"], session.streams["VIS"]
    beside = hs.beside(vis)
    assert beside.tolist() == vis.index_at(hs.pulse_numbers).tolist()
    both = beside >= 0
    assert both.sum() == 66 - 1 - 0
    pairs = zip(hs.data[both], vis.data[beside[both]], strict=True)
    assert all(number_in(one) == number_in(other) for one, other in pairs)
    assert {number_in(picture) for picture in hs.data[~both]} >= {1, 2, 3, 40}


def test_streams_of_several_runs_are_laid_beside_each_other_run_by_run_and_never_mixed(tmp_path: Path) -> None:
    """In the second run other frames are missing than in the first: places and pulses differ."""
    make_run(tmp_path, Plan(lost=LOST, ghosts=GHOST))
    with rig.open(make_run(tmp_path, Plan(run=2, lost={"HS": {8}, "VIS": {4, 8}}, **TWO)).parent) as session:
        hs, vis = session.streams["HS"], session.streams["VIS"]
        for one, other in ((hs, vis), (vis, hs)):
            places = list(zip(other.run_numbers.tolist(), other.pulse_numbers.tolist(), strict=True))
            mine = zip(one.run_numbers.tolist(), one.pulse_numbers.tolist(), strict=True)
            expected = [places.index(at) if at[1] >= 0 and at in places else -1 for at in mine]
            assert one.beside(other).tolist() == expected
        for ask in (hs.index_at, hs.frame_of):
            with pytest.raises(UserError, match=r"stream HS: needs run=NUMBER.*; runs 1, 2"):
                ask(7)  # type: ignore[operator]
        lost = list(zip(vis.gap_run_numbers.tolist(), vis.gaps["first_pulse"].tolist(), strict=True))
        assert lost == [(1, 40), (2, 4), (2, 8)]
        assert vis.extra_run_numbers.tolist() == [1]


@pytest.mark.parametrize("name", ["Mono8", "Mono12", "RGB8", "Mono12p"])
def test_a_raw_picture_is_mapped_where_it_lies(tmp_path: Path, name: str) -> None:
    spec = spec_of(name)
    pictures = pictures_of(spec, 3)
    path = write(tmp_path / "run.h5", spec, pictures)
    with rig.open(path) as session:
        data = session.streams["HS"].data
        views = [data.mapped(index) for index in range(3)]
        with pytest.raises(IndexError):
            data.mapped(3)
    assert all(np.array_equal(view, picture) for view, picture in zip(views, pictures, strict=True))
    assert all((view.shape, view.dtype) == (pictures[0].shape, pictures[0].dtype) for view in views)
    assert not any(view.flags.writeable for view in views)
    with h5py.File(path) as file:
        offset = file["/acquisition/HS/data"].id.get_chunk_info(1).byte_offset
    path.chmod(0o600)
    with path.open("r+b") as file:  # what changes in the file changes in the view: it is no copy
        file.seek(offset)
        file.write(bytes([int(views[1].reshape(-1).view(np.uint8)[0]) ^ 1]))
    assert views[1].reshape(-1).view(np.uint8)[0] == pictures[1].reshape(-1).view(np.uint8)[0] ^ 1


def test_a_slice_is_mapped_as_one_array_where_the_pictures_lie_evenly(tmp_path: Path) -> None:
    """The writer of these files leaves a hole in HS, whose place h5py tells."""
    path = make_run(tmp_path)
    with h5py.File(path) as file:
        whole = file["/acquisition/HS/data"][:]
        places = [file["/acquisition/HS/data"].id.get_chunk_info(n).byte_offset for n in range(len(whole))]
    hole = int(np.flatnonzero(np.diff(places) != whole[0].nbytes)[0])
    with rig.open(path) as session:
        data = session.streams["HS"].data
        for part in (slice(0, hole + 1), slice(3, hole, 4), slice(9, 2, -3), slice(5, 6), slice(8, 8)):
            view = data.mapped(part)
            assert np.array_equal(view, whole[part]), part
            assert not view.flags.writeable or not view.size
        assert np.shares_memory(data.mapped(slice(0, 5)), data.mapped(4))
        with pytest.raises(UserError, match=f"something between pictures {hole} and those after it"):
            data.mapped(slice(0, hole + 2))


def test_nothing_holds_a_mapped_file_once_its_views_are_gone(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    with rig.open(path) as session:
        assert number_in(session.streams["HS"].data.mapped(5)) == 5
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_a_compressed_picture_cannot_be_mapped(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        pictures = file["/acquisition/HS/data"][:]
        del file["/acquisition/HS/data"]
        chunks, packed = (1, *pictures.shape[1:]), hdf5plugin.Bitshuffle(cname="lz4")
        file.create_dataset("/acquisition/HS/data", data=pictures, chunks=chunks, compression=packed)
    with rig.open(path) as session:
        with pytest.raises(UserError, match="HS/data: is compressed, and cannot be mapped"):
            session.streams["HS"].data.mapped(0)
        assert number_in(session.streams["VIS"].data.mapped(3)) == 12


class Watchers:
    """Processes that read a session while it is recorded; the recorder waits for those that do not come along."""

    def __init__(self, folder: Path, count: int, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "tests.session.watching", str(folder)]
        self._each: list[subprocess.Popen[str]] = []
        for _ in range(count):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._each.append(stack.enter_context(subprocess.Popen(command, text=True, **pipes)))
            stack.enter_context(commands.killed_on_error(self._each[-1]))

    def heard(self) -> list[str]:
        """The next line of each."""
        return [watcher.stdout.readline() for watcher in self._each]

    def look(self) -> None:
        """Let each read while the recorder goes on, once it has read what it was let before."""
        assert set(self.heard()) <= {"ready\n", "looked\n"}
        for watcher in self._each:
            watcher.stdin.write("\n")
            watcher.stdin.flush()

    def end(self) -> list[dict[str, Any]]:
        """What each has seen, now that the run is over."""
        return [json.loads(watcher.communicate()[0].splitlines()[-1]) for watcher in self._each]


def test_many_readers_while_recording_see_every_picture_as_it_is_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all"))
    with ExitStack() as stack:
        watchers = Watchers(tmp_path / "sessions/sub-001/ses-01", 2, stack)
        for name in ("flush", "close"):  # the last rows are handed over, and the file is closed, while they read
            real = getattr(Storage, name)
            monkeypatch.setattr(Storage, name, lambda *of, real=real: (watchers.look(), real(*of))[1])
        recorded = record(tmp_path, *files)
        said = watchers.end()
    with h5py.File(recorded.path) as file:
        for name in ("HS", "VIS", "NIR"):
            assert len(file[f"/acquisition/{name}/gaps"]) == 0
            truth = [zlib.crc32(picture.tobytes()) for picture in file[f"/acquisition/{name}/data"][:]]
            assert len(truth) == len(file["/acquisition/pulses"]) // (1 if name == "HS" else 4)
            assert all(found["seen"][name] == truth for found in said)
    for found in said:
        assert found["opened"]["open"] > 3
        assert found["opened"]["closed"] >= 1
        assert found["again"] > 30


def test_a_reader_that_holds_a_file_over_its_close_sees_no_wrong_picture(tmp_path: Path) -> None:
    """What it knows of the file is from before the close; the pictures lie where they lay."""
    spec = spec_of("Mono8", capacity=400)
    writer, pictures = opened(tmp_path / "run.h5", spec), pictures_of(spec, 200)
    store(writer, pictures)
    writer.flush()
    with rig.open(writer.path) as session:
        data = session.streams["HS"].data
        mapped = data.mapped(7)
        assert np.array_equal(data[150], pictures[150])
        writer.close(Outcome.FINISHED)
        assert all(np.array_equal(found, picture) for found, picture in zip(data, pictures, strict=True))
        assert np.array_equal(mapped, pictures[7])
