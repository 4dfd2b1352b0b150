"""What a crash has left is put in order: what was safe is kept, what is missing is told, and nothing gets worse."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import threading
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest

import rig
from rig import host
from rig.errors import ChecksumError, NotASession, SessionError, StorageError, Truncated
from rig.record.virtual import VirtualRecorder
from rig.session import writer
from rig.session.journal import part_of
from rig.session.leftovers import not_closed, not_closed_within
from rig.session.recover import Found, Recovery, recover
from rig.verify.verdict import verify_run
from tests.crashes import Acknowledged, delivered, frames_in, losses, put_in_order
from tests.handmade import Plan, make_run
from tests.power import DiskLog
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import files_of, shorten_plans

RECORDER_ENDED = 6  # the cause of a gap, as docs/reference/session-file.md says
STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}


def left(folder: Path, **planted: object) -> Path:
    """A run that nobody closed: of its 264 pulses, frames of the first 120."""
    path = folder / "sub-001/ses-01/sub-001_ses-01_run-01_session.h5"
    if planted:
        path = _make_left(folder, **planted)
    else:
        path.parent.mkdir(parents=True)
        path.write_bytes(_left())
    part_of(path).touch()
    return path


def _make_left(folder: Path, **planted: object) -> Path:
    return make_run(folder, Plan(**{"closed": False, "outcome": "incomplete", "written": 120, **planted}))


@cache
def _left() -> bytes:
    with TemporaryDirectory() as folder:
        return _make_left(Path(folder)).read_bytes()


def acknowledge(path: Path, frames: int) -> None:
    """Let a handmade file say that so many frames were acknowledged by its first sync."""
    with h5py.File(path, "r+") as file:
        rows = file["telemetry/syncs"][:]
        rows["frames"][0] = frames
        file["telemetry/syncs"][:] = rows


def recovered(path: Path) -> Recovery:
    (done,), errors = recover(path)
    assert errors == []
    return done


def gaps_of(path: Path, stream: str) -> list[tuple[int, int, int, int]]:
    """(first pulse, last pulse, missing, cause) of each row."""
    with h5py.File(path) as file:
        rows = file[f"acquisition/{stream}/gaps"][:]
    assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
    return [tuple(int(row[key]) for key in ("first_pulse", "last_pulse", "missing", "cause")) for row in rows]


def test_a_run_that_was_killed_is_cut_to_what_is_whole_and_says_what_is_missing(tmp_path):
    path = left(tmp_path)
    done = recovered(path)
    assert (done.found, done.outcome) == (Found.RECOVERED, "recovered")
    assert {name: kept.frames for name, kept in done.streams.items()} == {"HS": 120, "VIS": 30, "NIR": 30}
    with h5py.File(path) as file:
        assert file.attrs["outcome"] == "recovered"
        assert len(file["acquisition/HS/data"]) == len(file["acquisition/HS/frames"]) == 120
        assert len(file["acquisition/pulses"]) == 264
        log = json.loads(bytes(file["log/text"][int(file["log/rows"]["offset"][-1]) :]))
    assert log["kind"] == "recovered"
    assert log["streams"]["HS"]["missing"] == [[120, 263]]
    assert gaps_of(path, "HS") == [(120, 263, 144, RECORDER_ENDED)]
    assert gaps_of(path, "VIS") == [(120, 260, 36, RECORDER_ENDED)]
    assert path.stat().st_mode & 0o777 == 0o400


def test_a_second_count_finds_the_same_losses(tmp_path):
    path = left(
        tmp_path, lost={"HS": {20, 21}}, silent={"VIS": {40}}, not_stored=[("NIR", 60, 79)], ghosts={"HS": [33]}
    )
    recovered(path)
    assert gaps_of(path, "VIS")[0] == (40, 40, 1, RECORDER_ENDED)
    assert [row[0] for row in gaps_of(path, "HS")] == [20, 21, 120]
    assert [row[0] for row in gaps_of(path, "NIR")] == [120]
    with rig.open(path) as session:
        words = {(f.check, f.stream): str(f.word) for f in verify_run(session.runs[0]).findings}
    for check in ("recount", "rows", "values", "checksums", "extras"):
        assert {words[key] for key in words if key[0] == check} <= {"PASS", "WARN"}, check


def test_where_only_the_number_of_lost_frames_is_known_that_number_is_told(tmp_path):
    """As of a camera without timestamps: the frames of pulses 60 to 119 are there, and nobody knows whose they are."""
    path = left(tmp_path, evidence=0, claimed={"HS": dict.fromkeys(range(60, 120), -1)})
    recovered(path)
    assert gaps_of(path, "HS") == [(60, 263, 144, RECORDER_ENDED)]


def test_recovering_again_changes_nothing(tmp_path):
    path = left(tmp_path)
    recovered(path)
    before = path.read_bytes()
    assert recovered(path).found is Found.CLOSED
    assert path.read_bytes() == before


def test_a_closed_run_stays_as_it_is(tmp_path):
    path = make_run(tmp_path)
    before = path.read_bytes()
    assert recovered(path).found is Found.CLOSED
    assert path.read_bytes() == before


def test_a_torn_end_is_cut_off_and_a_damaged_picture_that_was_safe_stays_and_is_named(tmp_path):
    path = left(tmp_path, damaged={"HS": {50, 117}})
    acknowledge(path, 175 + 15)  # with those of the line walk; at most 5 rows of a stream were not
    done = recovered(path)
    assert (done.streams["HS"].frames, done.streams["HS"].cut) == (117, 3)
    assert done.streams["HS"].damaged == ((50, 50),)
    assert not done.is_good
    assert gaps_of(path, "HS") == [(117, 263, 147, RECORDER_ENDED)]
    with rig.open(path) as session, pytest.raises(ChecksumError, match="pulse 50"):
        session.streams["HS"].data[50]


def test_frames_that_arrived_long_before_the_end_are_not_cut_off_whatever_the_syncs_say(tmp_path):
    path = left(tmp_path, body_groups=400, written=1600, damaged={"HS": {50}})
    assert recovered(path).streams["HS"].frames == 1600


def test_frames_that_were_acknowledged_and_are_not_there_are_told(tmp_path):
    path = left(tmp_path)
    acknowledge(path, 180 + 15 + 7)
    done = recovered(path)
    assert (done.lost, done.is_good) == (7, False)


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_in_a_picture_is_always_found(tmp_path, seed):
    random = Random(seed)
    path, stream = left(tmp_path), random.choice(list(STREAMS))
    acknowledge(path, 180 + 15)
    index = random.randrange(30)
    with h5py.File(path) as file:
        place = file[f"acquisition/{stream}/data"].id.get_chunk_info(index).byte_offset + random.randrange(64 * 96)
    with path.open("r+b") as raw:
        raw.seek(place)
        changed = raw.read(1)[0] ^ 1 << random.randrange(8)
        raw.seek(place)
        raw.write(bytes([changed]))
    with rig.open(path) as session, pytest.raises(ChecksumError):
        session.streams[stream].data[index]
    pulse = index * STREAMS[stream]
    assert recovered(path).streams[stream].damaged == ((pulse, pulse),)
    with rig.open(path) as session, pytest.raises(ChecksumError):
        session.streams[stream].data[index]


def test_a_changed_number_of_a_row_gives_up_nothing_behind_it(tmp_path):
    path = left(tmp_path)
    with h5py.File(path, "r+") as file:
        for table in ("acquisition/pulses", "acquisition/HS/frames"):
            rows = file[table][:]
            rows["seq"][40] = 7
            file[table][:] = rows
    recovered(path)
    with h5py.File(path) as file:
        assert len(file["acquisition/pulses"]) == 264
        assert len(file["acquisition/HS/data"]) == 120


def test_an_entry_of_the_log_that_was_not_written_whole_is_cut_off(tmp_path):
    path = left(tmp_path)
    with h5py.File(path, "r+") as file:
        rows = file["log/rows"][:]
        last = int(np.flatnonzero(rows["seq"]).max())
        begin = int(rows["offset"][last])
        file["log/text"][begin + 5 : begin + int(rows["length"][last])] = 0
    recovered(path)
    with rig.open(path) as session:
        assert session.log[-1]["kind"] == "recovered"
        assert len(session.log) == last + 1


@pytest.mark.parametrize("shift", range(0, 36, 4))
def test_a_row_of_which_only_one_sector_was_written_is_not_taken_for_whole(tmp_path, shift):
    """The last pulse is moved so that it lies across two sectors or in one; what lies in the second is wiped out."""
    path = left(tmp_path)
    with h5py.File(path, "r+") as file:
        table = file["acquisition/pulses"]
        start = table.id.get_chunk_info(0).byte_offset
        across = next(n for n in range(200, 240) if (start + 36 * n) % 512 > 512 - 36)
        rows = table[:]
        rows[across + 1 :] = np.zeros((), rows.dtype)
        kept = 512 - (start + 36 * across) % 512
        row = bytearray(rows[across].tobytes())
        row[kept:] = bytes(36 - kept)
        rows[across] = np.frombuffer(bytes(row), rows.dtype)[0]
        table[:] = rows
    recovered(path)
    with h5py.File(path) as file:
        assert len(file["acquisition/pulses"]) == across


def test_a_session_that_is_being_recorded_is_left_alone(tmp_path):
    path = left(tmp_path)
    before = path.read_bytes()
    with path.open("rb") as held:
        host.hold_shared(held.fileno())
        assert recovered(path).found is Found.HELD
        assert list(not_closed(tmp_path)) == []
    assert path.read_bytes() == before
    assert list(not_closed(tmp_path)) == [path.parent]


def test_a_session_that_is_being_armed_is_left_alone(tmp_path):
    folder = left(tmp_path).parent
    path = next(folder.glob("*.h5"))
    arming = path.rename(path.with_suffix(".arming"))
    with arming.open("rb") as held:
        host.hold_shared(held.fileno())
        assert recovered(folder).found is Found.HELD
        assert list(not_closed(tmp_path)) == []
    assert arming.exists()


@pytest.mark.parametrize("suffixes", [(".arming",), (".arming", ".journal-part"), (".h5",), (".journal-part",)])
def test_what_a_crash_while_arming_leaves_is_removed(tmp_path, suffixes):
    path = left(tmp_path)
    path.unlink()
    for suffix in suffixes:
        path.with_suffix(suffix).write_bytes(b"" if suffix == ".h5" else b"x")
    assert list(not_closed(tmp_path)) == [path.parent]
    assert recovered(path.parent).found is Found.EMPTY
    assert list(path.parent.iterdir()) == []


def test_a_copy_that_is_cut_off_and_a_foreign_file_are_named_and_the_others_go_on(tmp_path):
    good = left(tmp_path)
    folder = good.parent
    cut, foreign = (folder / good.name.replace("run-01", f"run-0{n}") for n in (2, 3))
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    foreign.write_bytes(b"x" * 5000)
    before = cut.read_bytes(), foreign.read_bytes()
    (done,), errors = recover(folder)
    assert (done.path, done.found) == (good, Found.RECOVERED)
    assert [type(error) for error in errors] == [Truncated, NotASession]
    assert (cut.read_bytes(), foreign.read_bytes()) == before


# --- of real sessions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded_unclosed(tmp_path_factory):
    """A session in virtual time whose close failed before it was decided, and what the cameras delivered."""
    folder = tmp_path_factory.mktemp("unclosed")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with delivered() as truth, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "close_file", refuse)
        recorded = record(folder, write_rig(folder), write_protocol(folder, ("a", 1, "all")))
    return recorded.path, truth


@pytest.fixture
def unclosed(recorded_unclosed, tmp_path):
    """A copy of it."""
    path, truth = recorded_unclosed
    folder = shutil.copytree(path.parent, tmp_path / "sessions/sub-001/ses-01")
    return folder / path.name, truth


def test_every_frame_of_a_run_whose_close_failed_is_kept(unclosed):
    path, truth = unclosed
    recovered(path)
    assert frames_in(path.parent) == truth
    assert [p.name for p in path.parent.iterdir() if p.suffix not in (".h5", ".jsonl")] == []


def test_what_a_kill_left_in_memory_alone_is_synced_before_it_is_called_whole(unclosed):
    path, _ = unclosed
    log = DiskLog(path.parent)
    with log.logging():
        recovered(path)
    first = next(op for op in log.ops if op.kind in ("sync", "write"))
    assert (first.kind, first.file) == ("sync", log.number_of(path))


REFUSED = ("write_at", "open_private", "rename", "remove", "cut", "sync_file", "sync_folder")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("seed", range(3))
def test_a_disk_that_refuses_while_recovering_makes_nothing_worse(unclosed, monkeypatch, code, seed):
    path, truth = unclosed
    with monkeypatch.context() as patch:
        calls = counted(patch)
        put_in_order(shutil.copytree(path.parents[2], path.parents[3] / "copy"))
    after = Random(seed).randrange(len(calls) // 2)
    with monkeypatch.context() as patch:
        counted(patch, refuse_from=after, code=code)
        done, errors = recover(path)
    assert [type(error) for error in errors] == [StorageError] or [one.found for one in done] == [Found.RECOVERED]
    if not path.with_suffix(".journal").exists():
        with h5py.File(path) as file:
            assert len(file["acquisition/HS/data"]) >= sum(key[0] == "HS" and key[1] == 1 for key in truth)
    recover(path)
    assert frames_in(path.parent) == truth


def counted(patch: pytest.MonkeyPatch, *, refuse_from: int = 1 << 30, code: int = 0) -> list[str]:
    """What is asked of the disk, by name; from call `refuse_from` on it is refused."""
    calls: list[str] = []

    def watched(name, real):
        def ask(*arguments):
            calls.append(name)
            if len(calls) > refuse_from:
                raise OSError(code, os.strerror(code))
            return real(*arguments)

        return ask

    for name in REFUSED:
        patch.setattr(host, name, watched(name, getattr(host, name)))
    return calls


@pytest.mark.parametrize("seed", range(3))
def test_a_disk_that_is_full_while_recording_takes_nothing_that_was_safe(tmp_path, monkeypatch, seed):
    (sessions := tmp_path / "sessions").mkdir()
    log, real, written = DiskLog(sessions), host.write_at, [0]
    full_from = Random(seed).randrange(20, 250)

    def write_at(fd, data, offset):
        written[0] += 1
        if full_from <= written[0] < full_from + 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data, offset)

    with monkeypatch.context() as patch, delivered() as truth:
        patch.setattr(host, "write_at", write_at)
        with log.logging():
            recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 1, "all")))
    assert str(recorded.outcome) in ("disk_full", "close_failed")
    put_in_order(sessions)
    assert losses(sessions, truth, Acknowledged(log).by(len(log.ops))) == ""


def test_a_disk_that_stands_still_for_two_seconds_costs_numbered_gaps_at_most(tmp_path, monkeypatch):
    clocks, real, syncs = [], host.sync_data, [0]
    monkeypatch.setattr(VirtualRecorder, "_flush", noted(VirtualRecorder._flush, clocks))
    (sessions := tmp_path / "sessions").mkdir()

    def sync_data(fd):
        real(fd)
        syncs[0] += 1
        if syncs[0] == 8 and clocks:
            clocks[0].sleep_until(clocks[0].now_ns() + 2_000_000_000)

    monkeypatch.setattr(host, "sync_data", sync_data)
    log = DiskLog(sessions)
    with log.logging(), delivered() as truth:
        recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 5, "all")))
    assert str(recorded.outcome) == "finished"
    assert losses(sessions, truth, Acknowledged(log).by(len(log.ops))) == ""
    with rig.open(recorded.path) as session:
        words = {f.stream: str(f.word) for f in verify_run(session.runs[0]).findings if f.check == "recount"}
    assert set(words.values()) == {"PASS"}


def noted(real, clocks):
    def flush(self):
        if not clocks:
            clocks.append(self._clock)
        real(self)

    return flush


def test_a_run_in_several_files_is_recovered_file_by_file_and_gaps_are_told_in_the_last(tmp_path, monkeypatch):
    shorten_plans(monkeypatch)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with delivered() as truth, monkeypatch.context() as patch:
        patch.setattr(writer, "close_file", refuse)
        recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 7, "all")))
    files = files_of(recorded.path)
    assert len(files) >= 3
    alone = tmp_path / files[0].name
    recovered(files[0].rename(alone))  # as if the power had gone between the first file and the next
    alone.rename(files[0])
    done, errors = recover(recorded.path.parent)
    assert errors == []
    assert [one.found for one in done] == [Found.CLOSED] + [Found.RECOVERED] * (len(files) - 1)
    assert frames_in(recorded.path.parent) == truth
    assert [gaps_of(path, "HS") for path in files[1:-1]] == [[]] * (len(files) - 2)
    with rig.open(recorded.path) as session:
        assert len(session.runs) == 1
        assert len(session.streams["HS"].frames) == len(session.pulses)


# --- the journal, and who reads meanwhile ------------------------------------------------------------------------


def half_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break off a recovery when its close has been decided, and half of it has been done."""
    real, renamed, written = (host.write_at, host.rename), [], [0]

    def rename(old, new):
        real[1](old, new)
        renamed.append(new)

    def write_at(fd, data, offset):
        written[0] += bool(renamed)
        if written[0] > 3:
            raise OSError(errno.EIO, "Input/output error")
        real[0](fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(host, "write_at", write_at)
        patch.setattr(host, "rename", rename)
        _, (error,) = recover(path)
    assert isinstance(error, StorageError)
    assert path.with_suffix(".journal").exists()


def test_a_file_that_is_half_closed_is_not_shown(unclosed, monkeypatch):
    path, truth = unclosed
    half_closed(path, monkeypatch)
    with pytest.raises(SessionError, match=r"is half closed.*rig recover"):
        rig.open(path)
    with path.open("rb") as held:
        host.hold_shared(held.fileno())
        with pytest.raises(SessionError, match="being closed right now"):
            rig.open(path)
    assert recovered(path).found is Found.CLOSE_FINISHED
    assert frames_in(path.parent) == truth


def test_a_journal_that_was_changed_is_not_followed(unclosed, monkeypatch):
    path, _ = unclosed
    half_closed(path, monkeypatch)
    journal = path.with_suffix(".journal")
    data = bytearray(journal.read_bytes())
    data[5000] ^= 1
    journal.write_bytes(data)
    before = path.read_bytes()
    done, (error,) = recover(path)
    assert done == []
    assert "is damaged" in str(error)
    assert path.read_bytes() == before


@pytest.mark.parametrize("other", ["another run", "cut off", "empty", "gone"])
def test_a_journal_is_followed_only_beside_the_file_that_it_was_made_for(unclosed, tmp_path, monkeypatch, other):
    path, truth = unclosed
    half_closed(path, monkeypatch)
    kept, journal = path.with_suffix(".kept"), path.with_suffix(".journal")
    path.rename(kept)
    if other == "another run":
        shutil.copy(make_run(tmp_path / "other", Plan(written=120)), path)
    elif other == "cut off":
        path.write_bytes(kept.read_bytes()[:3_000_000])
    elif other == "empty":
        path.touch()
    before = path.read_bytes() if path.exists() else None
    done, (error,) = recover(path.parent)
    assert done == []
    assert "is not the journal of" in str(error)
    assert (path.read_bytes() if path.exists() else None) == before
    kept.replace(path)
    assert journal.exists()
    assert recovered(path).found is Found.CLOSE_FINISHED
    assert frames_in(path.parent) == truth


def test_the_folder_of_a_session_in_which_nothing_was_recorded_is_no_fault(tmp_path):
    folder = left(tmp_path).parent
    for path in folder.iterdir():
        path.unlink()
    assert recover(folder) == ([], [])
    (folder / "sub-001_ses-01_run-01_truth.jsonl").touch()
    assert recover(folder) == ([], [])
    folder.rename(other := tmp_path / "other")
    with pytest.raises(NotASession):
        recover(other)


def test_a_closed_run_on_a_disk_that_takes_no_change_is_closed(tmp_path, monkeypatch):
    path = make_run(tmp_path)
    path.chmod(0o400)

    def refuse(path):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(host, "make_read_only", refuse)
    assert recovered(path).found is Found.CLOSED


@pytest.mark.parametrize("suffix", [".h5", ".arming"])
def test_a_pipe_is_not_waited_for(tmp_path, suffix):
    path = left(tmp_path)
    pipe = path.with_suffix(suffix) if suffix != ".h5" else path.with_name(path.name.replace("run-01", "run-02"))
    os.mkfifo(pipe)
    done, errors = recover(path.parent)
    assert len(done) + len(errors) == 1 + (suffix == ".h5")
    pipe.unlink(missing_ok=True)


def test_what_is_left_is_told_by_what_lies_beside_it_and_a_closed_file_is_not_named_whatever_its_rights(tmp_path):
    closed = make_run(tmp_path / "one", Plan(body_groups=1))
    closed.chmod(0o600)
    for number in range(1, 61):
        (folder := tmp_path / f"all/sub-001/ses-{number:02d}").mkdir(parents=True)
        shutil.copy(closed, folder / closed.name.replace("ses-01", folder.name))
    open_ones = [left(tmp_path / "all", number_of_session=number).parent for number in (61, 62, 63)]
    assert sorted(not_closed(tmp_path / "all")) == sorted(open_ones)


def test_to_name_what_is_left_takes_no_longer_than_asked_however_slow_the_disk(tmp_path, monkeypatch):
    first = left(tmp_path).parent
    second = left(tmp_path, number_of_session=2).parent
    os.utime(first, ns=(1, 1))
    asked, answers = threading.Event(), threading.Event()
    scandir, join = os.scandir, threading.Thread.join

    def slow(folder):
        if Path(folder) == first:
            asked.set()
            answers.wait()
        return scandir(folder)

    def join_once_it_stands(thread, seconds):
        assert asked.wait(30)  # however slow this machine: all before it has been found
        join(thread, seconds)

    monkeypatch.setattr(os, "scandir", slow)
    monkeypatch.setattr(threading.Thread, "join", join_once_it_stands)
    assert not_closed_within(tmp_path, 0.1) == ([second], False)
    answers.set()
    assert not_closed_within(tmp_path, 30) == ([second, first], True)


def test_who_looks_whether_a_file_is_held_gets_in_nobodys_way(tmp_path):
    path = make_run(tmp_path)
    told: list[bool] = []
    start = threading.Barrier(3)

    def look() -> None:
        start.wait()
        told.extend(host.is_held(path) for _ in range(500))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    start.wait()
    for _ in range(500):
        with path.open("rb") as file:
            host.hold_shared(file.fileno())  # never refused
    for looker in lookers:
        looker.join()
    with path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)  # as h5py's readers do
        assert not host.is_held(path)


@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
@pytest.mark.parametrize("hold", [host.hold_shared, host.hold_alone])
def test_a_file_is_held_until_it_is_closed(tmp_path, hold, mode):
    path = tmp_path / "run.h5"
    path.touch()
    assert not host.is_held(path)
    with host.opened(path, mode) as fd:
        hold(fd)
        assert host.is_held(path)
    assert not host.is_held(path)
