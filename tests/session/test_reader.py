"""Reading a session: closed or left behind by a crash, whole or damaged, one run or several."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig.errors import ChecksumError, NotASession, RigError, Truncated, UserError
from rig.session.reader import Session
from tests.handmade import EXTRA_MARK, Plan, make_run, number_in, pulse_ticks

BOTH = pytest.mark.parametrize("closed", [True, False])


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Session]:
    with rig.open(make_run(tmp_path, Plan(lost={"HS": {50}}, ghosts={"VIS": [40]}))) as session:
        yield session


@BOTH
def test_every_picture_belongs_to_its_pulse_number(tmp_path: Path, closed: bool) -> None:
    outcome = "finished" if closed else "incomplete"
    with rig.open(make_run(tmp_path, Plan(closed=closed, outcome=outcome, lost={"NIR": {8}}))) as session:
        for name, frames in (("HS", 264), ("VIS", 66), ("NIR", 65)):
            stream = session.streams[name]
            assert stream.data.shape == (frames, 64, 96)
            assert [number_in(stream.data[i]) for i in range(frames)] == stream.pulse_numbers.tolist()


@BOTH
def test_rows_not_written_are_not_shown(tmp_path: Path, closed: bool) -> None:
    plan = Plan(closed=closed, written=101)
    with rig.open(make_run(tmp_path, plan)) as session:
        assert len(session.pulses) == plan.pulses
        assert np.array_equal(session.pulses["box_ticks"], pulse_ticks(plan))
        assert [len(session.streams[n].frames) for n in ("HS", "VIS", "NIR")] == [101, 26, 26]
        assert len(session.edges) == 25
        assert len(session.log) == (14 if closed else 13)


def test_torn_row_ends_the_table_there(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        rows = file["acquisition/HS/frames"][:]
        rows["seq"][10] = 0
        file["acquisition/HS/frames"][:] = rows
    with rig.open(path) as session:
        assert len(session.streams["HS"].frames) == len(session.streams["HS"].data) == 10


def test_torn_text_ends_the_log_there(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        offset = int(file["log/rows"][3]["offset"])
        file["log/text"][offset : offset + 5] = 0
    with rig.open(path) as session:
        assert len(session.log) == 3


def test_gaps_and_extras_are_rows_and_frame_of_tells_the_hole(good: Session) -> None:
    assert [(g["first_pulse"], g["last_pulse"]) for g in good.streams["HS"].gaps] == [(50, 50)]
    vis = good.streams["VIS"]
    assert good.streams["HS"].frame_of(50) is None
    assert good.streams["HS"].frame_of(51) == 50
    assert number_in(vis.data[int(vis.extras["frame_index"][0])]) == EXTRA_MARK
    index = vis.frame_of(44)
    assert index is not None
    assert number_in(vis.data[index]) == 44


def test_divisor_line_steps_answers_and_line_walk_are_read(good: Session) -> None:
    run = good.runs[0]
    assert [(s.divisor, s.line, s.serial, s.is_simulated) for s in run.streams.values()] == [
        (1, 0, "SIM-HS", True), (4, 1, "SIM-VIS", True), (4, 2, "SIM-NIR", True),
    ]  # fmt: skip
    assert [step.name for step in good.steps] == ["welcome", "clip1", "report-how"]
    assert good.answers[0]["answer"] == "[red]happy"
    assert [len(s.frames) for s in run.walk_streams.values()] == [3, 5, 7]
    assert [number_in(p) for p in (run.walk_streams["VIS"].data[i] for i in range(5))] == [3, 4, 5, 6, 7]


def test_changed_picture_is_refused_naming_stream_and_pulse_and_others_are_good(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(damaged={"VIS": {40}}))) as session:
        vis = session.streams["VIS"]
        with pytest.raises(ChecksumError, match=r"stream VIS: frame 10 \(pulse 40"):
            vis.data[10]
        assert number_in(vis.data[9]) == 36
        assert vis.data.read(10, check_sums=False).shape == (64, 96)
        with pytest.raises(IndexError):
            vis.data[66]


def test_last_row_of_an_interval_closes_it(tmp_path: Path) -> None:
    plan = Plan(not_stored=[("HS", 40, -1), ("VIS", 40, 59), ("HS", 40, 59)])
    with rig.open(make_run(tmp_path, plan)) as session:
        found = {(r["stream"], int(r["first_pulse"]), int(r["last_pulse"])) for r in session.not_stored}
    assert found == {(b"HS", 40, 59), (b"VIS", 40, 59)}


def test_file_that_a_recorder_holds_can_be_read(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with rig.open(path) as session:
            assert number_in(session.streams["HS"].data[7]) == 7
    finally:
        os.close(fd)


def test_run_without_any_frame_opens(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(closed=False, written=0))) as session:
        assert [len(s.data) for s in session.streams.values()] == [0, 0, 0]
        assert session.at(seconds=1).views["HS"].reason == "no frame was stored"


def test_runs_are_joined_and_a_place_is_run_and_pulse(tmp_path: Path) -> None:
    make_run(tmp_path, Plan())
    later = Plan(run=2, host_0=65_000_000_000, created_utc="2026-03-01T10:01:00+00:00", lost={"HS": {5}})
    folder = make_run(tmp_path, later).parent
    with rig.open(folder) as session:
        hs = session.streams["HS"]
        assert len(hs.frames) == len(hs.data) == 264 + 263
        assert hs.run_numbers.tolist() == [1] * 264 + [2] * 263
        assert (hs.frame_of(7, run=1), hs.frame_of(7, run=2), hs.frame_of(5, run=2)) == (7, 264 + 6, None)
        assert number_in(hs.data[264 + 6]) == 7
        assert len(session.pulses) == 528
        assert hs.gaps["first_pulse"].tolist() == [5]
        assert session.run(2).number == 2
        with pytest.raises(UserError, match="1, 2"):
            session.run(3)


def test_closing_gives_every_file_back(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    session = rig.open(path)
    session.close()
    session.close()
    held = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]  # noqa: PTH208
    assert str(path) not in held


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"hello, I am text\n" * 9, "no HDF5 file"), (b"\x89HDF\r\n\x1a\n" + bytes(99), "damaged")],
)
def test_other_file_with_the_right_name_is_no_session(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "sub-1_ses-01_run-01_session.h5"
    path.write_bytes(content)
    with pytest.raises(NotASession, match=words):
        rig.open(path)


def test_hdf5_of_another_program_is_no_session(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1, 2, 3]
    with pytest.raises(NotASession, match="no run of a session"):
        rig.open(tmp_path / "other.h5")


def test_newer_schema_is_refused_with_what_is_allowed(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 2
    with pytest.raises(NotASession, match="reads schema 1"):
        rig.open(path)


@pytest.mark.parametrize("damage", ["missing table", "other dtype", "missing attribute", "outcome"])
def test_file_with_another_layout_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        if damage == "missing table":
            del file["acquisition/pulses"]
        elif damage == "other dtype":
            del file["acquisition/pulses"]
            file["acquisition/pulses"] = [1.0, 2.0]
        elif damage == "missing attribute":
            del file.attrs["run_id"]
        else:
            file.attrs["outcome"] = "splendid"
    with pytest.raises(RigError) as caught, rig.open(path) as session:
        len(session.pulses)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_file_cut_off_says_how_much_is_there(tmp_path: Path, share: float) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    size = path.stat().st_size
    os.truncate(path, int(size * share))
    with pytest.raises(Truncated, match=f"of {size:,} bytes are there .{int(100 * int(size * share) / size)} %"):
        rig.open(path)


@pytest.mark.parametrize("bad", [1, 2])
def test_a_damaged_run_is_named_and_the_good_one_is_read(tmp_path: Path, bad: int) -> None:
    runs = [make_run(tmp_path, Plan(run=number, closed=False, host_0=number * 10**10)) for number in (1, 2)]
    os.truncate(runs[bad - 1], 5000)
    with rig.open(runs[0].parent) as session:
        assert [run.number for run in session.runs] == [3 - bad]
        (error,) = session.unreadable
        assert isinstance(error, Truncated)
        assert runs[bad - 1].name in str(error)
        hs = session.streams["HS"]
        assert hs.frame_of(7, run=3 - bad) == 7
        assert number_in(hs.data[7]) == 7


def test_a_session_without_any_good_run_says_what_is_wrong(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, Plan(run=number, closed=False)) for number in (1, 2)]
    for path in runs:
        os.truncate(path, 5000)
    with pytest.raises(Truncated, match="run-01"):
        rig.open(runs[0].parent)


def test_missing_path_and_folder_without_runs_are_no_session(tmp_path: Path) -> None:
    with pytest.raises(NotASession, match="does not exist"):
        rig.open(tmp_path / "nowhere")
    with pytest.raises(NotASession, match="holds no run"):
        rig.open(tmp_path)


def test_two_files_that_are_the_same_run_are_no_session_and_both_are_named(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    copy = path.with_name(path.name.replace("run-01", "run-02"))
    copy.write_bytes(path.read_bytes())
    with pytest.raises(NotASession, match="run number") as found:
        rig.open(path.parent)
    assert path.name in str(found.value) and copy.name in str(found.value)
    copy.chmod(0o600)
    with h5py.File(copy, "r+") as file:
        file.attrs["run"] = 2
    with pytest.raises(NotASession, match="run id") as found:
        rig.open(copy)
    assert path.name in str(found.value) and copy.name in str(found.value)


def test_a_run_that_is_no_file_is_named_in_a_whole_sentence(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    folder = path.with_name(path.name.replace("run-01", "run-02"))
    folder.mkdir()
    with rig.open(path) as session:
        assert [str(error) for error in session.unreadable] == [f"{folder}: is not a file"]


@pytest.mark.parametrize(("bytes_left", "is_said"), [(63, False), (5 << 20, True)])
def test_pictures_are_promised_only_where_some_may_be(tmp_path: Path, bytes_left: int, is_said: bool) -> None:
    path = make_run(tmp_path, Plan(closed=False, body_groups=300))
    assert path.stat().st_size > 5 << 20
    os.truncate(path, bytes_left)
    with pytest.raises(Truncated, match=f"{bytes_left:,} of") as found:
        rig.open(path)
    assert ("Pictures before the cut" in str(found.value)) == is_said


@pytest.mark.parametrize("name", ["subject", "simulated", "streams"])
def test_attributes_that_no_recorder_writes_are_refused(tmp_path: Path, name: str) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        file.attrs[name] = "../../elsewhere"
    with pytest.raises(RigError, match=name):
        rig.open(path)
