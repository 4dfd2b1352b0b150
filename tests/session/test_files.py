"""A run that lies in several files is written as one, and read as one by everything that reads sessions."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig import host
from rig.errors import NotASession, StorageError
from rig.session.arming import Header
from rig.session.files import RunFiles
from rig.session.layout import CLOCK_PAIRS, EDGES, LOG, PULSES, Outcome, Room, StreamSpec
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import Verdict, verify_run
from tests import commands
from tests.rigs import record, write_film_protocol, write_rig
from tests.short_plans import files_of, joined, shorten_plans

DATA, FRAMES, WALK = "/acquisition/HS/data", "/acquisition/HS/frames", "/line_walk/HS/data"
ROOM = Room((StreamSpec("HS", 4, 6, 10),), seconds=1, pulses=12, edges=5)


# --- writing -------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Iterator[RunFiles]:
    header = Header({"schema": 1, "run": 1, "continues": 0, "outcome": "incomplete"}, {}, {})
    least = {PULSES: 3, FRAMES: 2, CLOCK_PAIRS: 10}
    made = RunFiles(lambda n: tmp_path / f"run-{n:02d}.h5", header, ROOM, least=least, next_room=lambda _: ROOM)
    yield made
    for part in made._parts:
        with suppress(OSError):
            os.close(part.writer.fd)  # a test that does not close them


def picture(number: int) -> np.ndarray:
    return np.full((4, 6), number, np.uint8)


def frame_row(number: int) -> tuple[object, ...]:
    return (1, 4, 0, number, number, number, number, 0.0, 0, number, number)


def numbers(path: Path) -> tuple[list[int], list[int]]:
    """What the pictures and the rows of a file say they are."""
    return [int(p[0, 0]) for p in joined([path], DATA)], joined([path], FRAMES)["frame_number"].tolist()


def test_a_picture_goes_to_the_file_of_its_index_and_its_row_follows_it(files):
    """Also where pictures of the file before are still on their way when the next one is begun."""
    for index in (0, 1):
        files.store_frame(DATA, index, picture(index))
    files.append(FRAMES, frame_row(0))
    for begun, on_its_way, rows in ((3, 2, (1, 2)), (5, 4, (3, 4, 5))):
        files.arm_next()
        files.go_on({DATA: begun})
        files.store_frame(DATA, begun, picture(begun))
        files.store_frame(DATA, on_its_way, picture(on_its_way))
        for index in rows:
            files.append(FRAMES, frame_row(index))
    files.close(Outcome.FINISHED)
    assert [numbers(path) for path in files.paths] == [([0, 1, 2], [0, 1, 2]), ([3, 4], [3, 4]), ([5], [5])]


def test_the_line_walk_stays_in_the_first_file(files):
    files.arm_next()
    files.go_on({DATA: 0})
    files.store_frame(WALK, 0, picture(9))
    files.close(Outcome.FINISHED)
    assert [len(joined([path], WALK)) for path in files.paths] == [1, 0]


def test_all_else_goes_to_the_present_file_and_what_a_full_table_dropped_is_counted_over_all(files):
    for _ in range(2):
        for number in range(7):
            files.append(EDGES, (1, 0, 1, 0, number, number))
        files.append_text(LOG, 5, {"kind": "note", "text": "ü"})
        files.append(PULSES, (1, 7, 0, 0, 0))
        files.flush()
        files.arm_next()
        files.go_on({DATA: 0})
    assert files.dropped() == {EDGES: 4}
    files.close(Outcome.FINISHED)
    assert [len(joined([path], PULSES)) for path in files.paths] == [1, 1, 0]
    assert [len(joined([path], f"{LOG}/rows")) for path in files.paths] == [1, 1, 0]


def test_the_next_file_is_asked_for_once_when_room_runs_out_and_never_for_a_flood(files):
    for number in range(100):
        files.append(EDGES, (1, 0, 1, 0, number, number))
    assert files.dropped()
    assert not files.ask_next()
    for number in range(8):
        files.append(PULSES, (1, 7, number, number, number))
    assert not files.ask_next()
    files.append(PULSES, (1, 7, 8, 8, 8))
    assert [files.ask_next(), files.ask_next()] == [True, False]
    files.arm_next()
    files.go_on({DATA: 0})
    assert not files.ask_next()
    for index in range(8):
        files.store_frame(DATA, index, picture(index))
        files.append(FRAMES, frame_row(index))
    assert files.ask_next()


def unsynced(files: RunFiles) -> list[Path]:
    """The files that a sync which begins now would cover."""
    return sorted(file.path for file in files.take_unsynced())


def test_what_was_written_to_any_file_is_synced(files):
    assert unsynced(files) == files.paths
    assert unsynced(files) == []
    files.store_frame(DATA, 0, picture(0))
    assert unsynced(files) == files.paths
    files.arm_next()
    files.go_on({DATA: 1})
    files.append(PULSES, (1, 7, 0, 0, 0))
    assert unsynced(files) == []  # a row has not been handed over yet
    files.append(FRAMES, frame_row(0))
    files.flush()
    assert unsynced(files) == files.paths


def test_a_file_made_in_vain_leaves_nothing(files, tmp_path):
    files.arm_next()
    assert len(list(tmp_path.glob("run-02*"))) == 2  # its journal has its room, too
    files.close(Outcome.FINISHED)
    assert [path.name for path in tmp_path.iterdir()] == ["run-01.h5"]


def test_a_file_made_in_vain_that_cannot_be_removed_is_told_and_the_others_are_closed(files, monkeypatch):
    files.store_frame(DATA, 0, picture(0))
    files.append(FRAMES, frame_row(0))
    files.arm_next()
    remove = host.remove

    def refuse(path: Path) -> None:
        if "run-02" in path.name:
            raise OSError(errno.EACCES, "Permission denied")
        remove(path)

    monkeypatch.setattr(host, "remove", refuse)
    with pytest.raises(StorageError, match=r"run-02.*cannot be removed: Permission denied"):
        files.close(Outcome.FINISHED)
    with h5py.File(files.paths[0]) as file:
        assert file.attrs["outcome"] == "finished"
        assert len(file[FRAMES]) == 1


def test_one_file_that_is_not_put_in_order_is_told_and_the_others_are(files, monkeypatch):
    for number in range(2):
        files.store_frame(DATA, number, picture(number))
        files.append(FRAMES, frame_row(number))
        files.arm_next()
        files.go_on({DATA: number + 1})
    rename = host.rename

    def refuse(old: Path, new: Path) -> None:
        if "run-01" in new.name:
            raise OSError(errno.EIO, "Input/output error")
        rename(old, new)

    monkeypatch.setattr(host, "rename", refuse)
    with pytest.raises(StorageError, match=r"run-01.*Input/output error"):
        files.close(Outcome.FINISHED)
    outcomes = []
    for path in files.paths:
        with h5py.File(path) as file:
            outcomes.append(file.attrs["outcome"])
    assert outcomes == ["incomplete", "close_failed", "close_failed"]


# --- reading -------------------------------------------------------------------------------------------------

FAULTS = "lost_frames: 3, ghost_frames: 2, lost_pulses: 2, last_pulse: 700"


def _recorded(folder: Path) -> Path:
    folder.mkdir()
    return record(folder, write_rig(folder, seed=5, faults=FAULTS), write_film_protocol(folder, 125)).path


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session whose plan was long enough."""
    path = _recorded(tmp_path_factory.mktemp("one") / "here")
    assert len(files_of(path)) == 1
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same seeded session with plans that were too short."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        path = _recorded(tmp_path_factory.mktemp("many") / "here")
    assert len(files_of(path)) >= 3
    return path


@pytest.fixture
def copied(many: Path, tmp_path: Path) -> list[Path]:
    """A copy of it, for damaging."""
    shutil.copytree(many.parent, tmp_path / "sub-001" / "ses-01")
    return files_of(tmp_path / "sub-001" / "ses-01" / many.name)


def _told(verdict: Verdict) -> list[Finding]:
    """Every finding; that there are more files with their tables, and where the log says so, apart."""
    found = [finding for finding in verdict.findings if finding.check not in ("files", "schema", "tables")]
    return [replace(finding, looked_at=re.sub(r"\d+ log", "log", finding.looked_at)) for finding in found]


def _rows(verdict: Verdict) -> dict[str, int]:
    return {name: count for name, count in verdict.contents.items() if name.split()[0] in ("pulses", "flips", "frames")}


def test_the_verdict_of_a_run_in_several_files_is_that_of_the_same_run_in_one(one, many):
    with rig.open(one) as whole, rig.open(many) as parts:
        expected, found = (verify_run(session.runs[0]) for session in (whole, parts))
        assert len(parts.runs) == 1
    assert _told(found) == _told(expected)
    assert _rows(found) == _rows(expected)
    assert (found.run, found.outcome, found.is_complete) == (expected.run, expected.outcome, expected.is_complete)


def test_at_any_moment_it_shows_what_one_file_shows(one, many):
    """Also across the switch, and where a film runs through it."""
    with rig.open(one) as whole, rig.open(many) as parts:
        moments = [{"seconds": seconds} for seconds in np.arange(0, whole.timelines[0].length_s, 0.17)]
        moments += [{"seconds": seconds, "clip": "clip1"} for seconds in np.arange(0, 4.9, 0.23)]
        for moment in moments:
            expected, found = whole.at(**moment), parts.at(**moment)
            assert (found.run, found.pulse, found.seconds) == (expected.run, expected.pulse, expected.seconds)
            assert found.film.film_frame == expected.film.film_frame
            for name, view in expected.views.items():
                assert (found.views[name].pulse, found.views[name].frame_index) == (view.pulse, view.frame_index)
                np.testing.assert_array_equal(found.views[name].picture, view.picture)


def test_its_pictures_and_rows_are_those_of_one_file_by_index(one, many):
    with rig.open(one) as whole, rig.open(many) as parts:
        for name, stream in parts.streams.items():
            expected = whole.streams[name]
            assert stream.data.shape == expected.data.shape
            assert all((stream.data[i] == expected.data[i]).all() for i in range(len(stream.data)))
            np.testing.assert_array_equal(stream.extras["frame_index"], expected.extras["frame_index"])
            assert stream.frames["pulse_number"].tolist() == expected.frames["pulse_number"].tolist()
        assert parts.answers == whole.answers


def test_verify_writes_one_verdict_beside_the_first_file_and_info_shows_one_run(copied, tmp_path):
    done = commands.run("verify", copied[0].parent, cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # it lost frames on purpose
    verdicts = [path.name for path in copied[0].parent.glob("*_verdict.json")]
    assert verdicts == [copied[0].name.replace("session.h5", "verdict.json")]
    told = json.loads(commands.run("info", copied[0].parent, "--json", cwd=tmp_path).stdout)
    (run,) = told["runs"]
    assert (run["files"], run["missing_files"]) == ([path.name for path in copied], [])
    assert run["verdict"] == "not complete"
    shown = commands.run("info", copied[1], cwd=tmp_path).stdout
    assert all(path.name in shown for path in copied)


def test_replay_and_contact_sheet_work_over_the_switch(copied, tmp_path):
    for options in (("--at", 3.9), ("--clip", "clip1", "--at", 4.5), ("--contact-sheet",)):
        done = commands.run("replay", copied[-1], *options, "--out", tmp_path / "out", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) >= 7


@pytest.mark.parametrize("gone", [0, 1, -1])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_without_one_of_its_files_the_others_open_and_say_which_is_missing(copied, gone, how):
    if how == "missing":
        copied[gone].unlink()
    else:
        copied[gone].chmod(0o600)
        copied[gone].write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    left = [path for path in copied if path != copied[gone]]
    expected = joined(left, FRAMES)["pulse_number"].tolist()
    with rig.open(left[0]) as session:
        (run,) = session.runs
        assert [file.path for file in run.files] == left
        assert run.missing_files == [copied[gone].name]
        assert [copied[gone].name in str(error) for error in session.unreadable] == [True] * (how == "damaged")
        assert run.streams["HS"].frames["pulse_number"].tolist() == expected
        assert all(len(run.streams[name].data[i]) for name in run.streams for i in (0, -1))
        findings = {finding.check: finding for finding in verify_run(run).findings}
        assert findings["files"].word is Word.FAIL
        assert copied[gone].name in findings["files"].text


def test_a_copy_of_one_of_its_files_under_another_name_is_refused(copied):
    shutil.copy(copied[1], copied[1].with_name("sub-001_ses-01_run-09_session.h5"))
    with pytest.raises(NotASession, match="has the same run id"):
        rig.open(copied[0].parent)


def test_a_run_of_another_session_beside_it_is_a_run_of_its_own(copied, one):
    """As a session that was resumed: it has another run id."""
    shutil.copy(one, copied[0].with_name("sub-001_ses-01_run-08_session.h5"))
    with h5py.File(copied[0].with_name("sub-001_ses-01_run-08_session.h5"), "r+") as file:
        file.attrs["run"] = 8
    with rig.open(copied[0].parent) as session:
        assert [len(run.files) for run in session.runs] == [len(copied), 1]
        assert [run.number for run in session.runs] == [1, 8]


def test_one_of_its_files_opens_by_itself(copied):
    """Each explains itself: rig, protocol, devices, and its own part of the rows."""
    with Run(copied[1]) as run:
        assert run.missing_files == [copied[0].name, copied[2].name]
        assert [step.name for step in run.steps] == ["before", "clip1", "felt-q"]
        assert len(run.pulses) > 0
        run.streams["VIS"].data[0]
