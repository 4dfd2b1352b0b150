"""An archive's promise: a copy is a session only when it is proved, and nothing is removed before that."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  the filter of compressed pictures
import numpy as np
import pytest
import xxhash

import rig
import rig.session.archive
from rig import host
from rig.clock import NS, VirtualClock
from rig.errors import ChecksumError, NotASession, RigError, SessionExists, StorageError, UserError
from rig.session import copying
from rig.session.archive import archive, is_recorded_beside, jobs_for
from rig.session.archived import Archived, State
from rig.session.copying import PIECE, SMALL_PIECE, Pace
from rig.session.folder import find_runs, new_session, sessions_below
from rig.verify.verdict import load, save, verify_run
from tests.handmade import Plan, make_run

DISK_CALLS = (
    "write_at", "open_private", "rename", "remove", "remove_folder", "cut", "sync_file", "sync_data", "sync_folder",
    "put_times", "make_private",
)  # fmt: skip
SMALL = Plan(body_groups=1)


class Interrupted(BaseException):
    """As a kill: nothing of ours may catch it."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Small files shall have many blocks, and blocks several pieces."""
    monkeypatch.setattr(copying, "BLOCK", 1 << 18)
    monkeypatch.setattr(copying, "PIECE", 1 << 16)


@pytest.fixture(autouse=True)
def nobody_records(monkeypatch):
    """Whoever else uses this machine meanwhile."""
    monkeypatch.setattr(rig.session.archive, "is_recorded_beside", lambda _: False)


@pytest.fixture
def session(tmp_path) -> Path:
    """A session of two runs, the first judged, with labels in a folder of their own."""
    runs = [make_run(tmp_path / "sessions", Plan(body_groups=1, run=run)) for run in (1, 2)]
    with rig.open(runs[0]) as opened:
        save(runs[0], verify_run(opened.runs[0]))
    labels = runs[0].parent / "labels/ann.tsv"
    labels.parent.mkdir()
    labels.write_text("onset\tapex\n1\t2\n")
    return runs[0].parent


@pytest.fixture
def dest(tmp_path) -> Path:
    made = tmp_path / "nas"
    made.mkdir()
    return made


def bring(session: Path, dest: Path, **options: bool) -> Archived:
    (job,) = jobs_for([session], dest)
    return archive(job, VirtualClock(), **options)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, the manifests of archives apart."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith("_archive.json")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def path_of(fd: int) -> Path:
    """The file that is open."""
    return Path(f"/proc/self/fd/{fd}").readlink()


def modes(folder: Path) -> set[tuple[str, int]]:
    return {("folder" if p.is_dir() else p.suffix, p.stat().st_mode & 0o777) for p in folder.rglob("*")}


@contextmanager
def disk(act: Callable[[int, str], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Before each call that changes the disk `act` is asked, with its number and name; the names of all calls."""
    calls: list[str] = []

    def asked(name: str) -> Callable[..., object]:
        real = getattr(host, name)

        def call(*args: object) -> object:
            calls.append(name)
            act(len(calls), name)
            return real(*args)

        return call

    with monkeypatch.context() as patch:
        for name in DISK_CALLS:
            patch.setattr(host, name, asked(name))
        yield calls


def stop_at(number: int, exc: BaseException) -> Callable[[int, str], None]:
    def act(call: int, _: str) -> None:
        if call == number:
            raise exc

    return act


def assert_no_session(dest: Path) -> None:
    """No command takes anything at DEST for a session: neither folders nor files, also when they are named."""
    assert sessions_below(dest) == []
    for path in [p for p in dest.rglob("*") if p.suffix != ".tsv"]:
        with pytest.raises(NotASession):
            find_runs(path)


def test_a_copy_has_all_files_of_the_session_for_its_owner_only_and_a_manifest(session, dest):
    done = bring(session, dest)
    target = dest / "sub-001/ses-01"
    assert (done.state, done.target, done.notes) == (State.ARCHIVED, target, [])
    assert tree(target) == tree(session)
    assert len(tree(target)) == 4
    assert modes(dest) == {("folder", 0o700), (".h5", 0o400), (".json", 0o600), (".tsv", 0o600)}
    assert listed(dest / "sub-001") == ["ses-01"]
    manifest = json.loads((target / "sub-001_ses-01_archive.json").read_text())
    for file in manifest["files"]:
        path = target / file["name"]
        assert file["checksum"] == xxhash.xxh3_128_hexdigest(path.read_bytes())
        assert path.stat().st_mtime_ns == (session / file["name"]).stat().st_mtime_ns == file["modified_ns"]
    assert sorted(f["name"] for f in manifest["files"]) == sorted(tree(session))


def test_the_source_is_not_touched(session, dest):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_mode) for p in session.rglob("*")}
    bring(session, dest)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_mode) for p in session.rglob("*")} == before


def test_an_unclosed_run_is_copied_with_its_holes_and_this_is_said(tmp_path, dest, monkeypatch):
    run = make_run(tmp_path, Plan(body_groups=4, closed=False, outcome="incomplete"))
    written = run.stat().st_size
    os.truncate(run, written + (200 << 20))
    monkeypatch.setattr(copying, "BLOCK", 16 << 20)
    monkeypatch.setattr(copying, "PIECE", 16 << 20)
    done = bring(run, dest)
    copy = done.target / run.name
    assert copy.stat().st_size == written + (200 << 20)
    assert copy.stat().st_blocks * 512 < 2 * written
    assert copy.read_bytes() == run.read_bytes()
    assert done.notes == [f"{run.name} was not closed: copied as it is"]


@pytest.mark.parametrize("number", [1, 5, 12])
def test_one_bit_flipped_on_the_way_is_found_and_the_next_run_ends_well(session, dest, monkeypatch, number):
    real, calls = host.write_at, []

    def flips(fd: int, data: memoryview, offset: int) -> None:
        calls.append(offset)
        bad = bytearray(data)
        bad[len(bad) // 2] ^= 16 if len(calls) == number else 0
        real(fd, bytes(bad), offset)

    before = tree(session)
    monkeypatch.setattr(host, "write_at", flips)
    with pytest.raises(ChecksumError, match=r"read back, it differs from its source in bytes [\d,]+ to"):
        bring(session, dest, move=True)
    assert len(calls) >= number
    assert tree(session) == before
    assert_no_session(dest)
    assert bring(session, dest, move=True).state is State.MOVED
    assert tree(dest / "sub-001/ses-01") == before


def test_what_is_read_back_comes_from_the_disk(session, dest, monkeypatch):
    """Each file of the copy is dropped from memory after its last sync, and before it is read."""
    said: list[tuple[str, str]] = []

    def noted(what: str) -> Callable[[int], None]:
        real = getattr(host, what)

        def call(fd: int) -> None:
            said.append((what, str(path_of(fd))))
            real(fd)

        return call

    for what in ("forget", "sync_file"):
        monkeypatch.setattr(host, what, noted(what))
    bring(session, dest)
    for name in tree(session):
        own = [what for what, path in said if path.endswith(f".part/{name}.part")]
        assert own[-3:-1] == ["forget", "forget"] and "sync_file" in own[:-3], (name, own)


@pytest.mark.parametrize(("compress", "points"), [(False, 35), (True, 15)])
def test_interrupted_at_50_random_points_nothing_is_lost_and_nothing_looks_safe_that_is_not(
    session, tmp_path, monkeypatch, compress, points
):
    truth = tree(session)
    with disk(lambda *_: None, monkeypatch) as calls:
        bring(_again(session, tmp_path / "whole"), _folder(tmp_path / "whole-nas"), move=True, compress=compress)
    chosen = random.Random(5).sample(range(1, len(calls) + 1), points)
    published = 0
    for point in chosen:
        source, dest = _again(session, tmp_path / f"source-{point}"), _folder(tmp_path / f"dest-{point}")
        with disk(stop_at(point, Interrupted()), monkeypatch), pytest.raises(Interrupted):
            bring(source, dest, move=True, compress=compress)
        target = dest / "sub-001/ses-01"
        if sessions_below(dest):
            published += 1
            _assert_same(target, truth, compressed=compress)
            assert not source.exists() or tree(source) == truth
        else:
            assert_no_session(dest)
            assert tree(source) == truth
        assert sessions_below(source.parent) == ([source] if source.exists() else [])
        assert bring(source, dest, move=True, compress=compress).state is State.MOVED
        _assert_same(target, truth, compressed=compress)
        assert listed(dest / "sub-001") == ["ses-01"]
        assert listed(source.parent) == ["ses-01.archived"]
    assert 0 < published < points


def _again(session: Path, folder: Path) -> Path:
    """The same session in a folder of its own."""
    return Path(shutil.copytree(session, folder / "sub-001/ses-01"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _assert_same(target: Path, truth: dict[str, bytes], *, compressed: bool) -> None:
    if not compressed:
        assert tree(target) == truth
        return
    assert sorted(tree(target)) == sorted(truth)
    for name, data in truth.items():
        if not name.endswith(".h5"):
            assert (target / name).read_bytes() == data
            continue
        original = target.parents[2] / "original.h5"
        original.write_bytes(data)
        _assert_equal_hdf5(original, target / name)
        original.unlink()


def _assert_equal_hdf5(one: Path, other: Path) -> None:
    """By plain h5py: every object, its attributes, its values."""
    with h5py.File(one) as first, h5py.File(other) as second:
        names: list[str] = []
        first.visit(names.append)
        theirs: list[str] = []
        second.visit(theirs.append)
        assert names == theirs
        assert dict(first.attrs) == dict(second.attrs)
        for name in names:
            mine, yours = first[name], second[name]
            assert {k: str(v) for k, v in mine.attrs.items()} == {k: str(v) for k, v in yours.attrs.items()}
            if isinstance(mine, h5py.Dataset):
                assert (mine.dtype, mine.shape, mine.maxshape) == (yours.dtype, yours.shape, yours.maxshape), name
                assert np.asarray(mine[()]).tobytes() == np.asarray(yours[()]).tobytes() or mine[()] == yours[()], name


def test_a_second_run_goes_on_and_copies_nothing_twice(session, dest, monkeypatch):
    with disk(lambda *_: None, monkeypatch) as calls:
        bring(session, _folder(dest.parent / "whole"))
    all_writes = calls.count("write_at")
    seen = []

    def stop(call: int, name: str) -> None:
        seen.append(name)
        if seen.count("write_at") == int(0.9 * all_writes):  # the first run is proved by then
            raise Interrupted

    with disk(stop, monkeypatch) as first, pytest.raises(Interrupted):
        bring(session, dest)
    with disk(lambda *_: None, monkeypatch) as second:
        bring(session, dest)
    again = first.count("write_at") + second.count("write_at") - all_writes
    assert 0 < again <= copying.BLOCK // copying.PIECE + 1  # no more than one block, and the write that never came
    assert tree(dest / "sub-001/ses-01") == tree(session)


def test_a_source_that_changed_in_between_starts_anew(session, dest, monkeypatch):
    with disk(stop_at(30, Interrupted()), monkeypatch), pytest.raises(Interrupted):
        bring(session, dest)
    (session / "labels/ann.tsv").write_text("onset\tapex\n1\t3\n")
    run = find_runs(session)[0]
    run.chmod(0o600)
    with h5py.File(run, "r+") as file:
        file["acquisition/HS/data"][0] = 7
    bring(session, dest)
    assert tree(dest / "sub-001/ses-01") == tree(session)


@pytest.mark.parametrize("name", ["labels/ann.tsv", "new.txt"])
def test_a_source_that_changes_while_it_is_copied_is_not_called_safe(session, dest, monkeypatch, name):
    def change(call: int, _: str) -> None:
        if call == 30:
            (session / name).write_text("onset\n")

    with disk(change, monkeypatch), pytest.raises(StorageError, match="was changed while it was copied"):
        bring(session, dest, move=True)
    assert_no_session(dest)
    assert (session / name).read_text() == "onset\n"
    bring(session, dest)
    assert tree(dest / "sub-001/ses-01") == tree(session)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_disk_that_refuses_is_one_sentence_and_the_source_is_kept(session, dest, monkeypatch, code):
    before = tree(session)
    with disk(lambda *_: None, monkeypatch) as calls:
        bring(session, _folder(dest.parent / "whole"))
    full = int(0.9 * len(calls))
    refusal = OSError(code, os.strerror(code))
    with disk(stop_at(full, refusal), monkeypatch), pytest.raises(StorageError, match=os.strerror(code)) as raised:
        bring(session, dest, move=True)
    assert "goes on from there" in str(raised.value) or "cannot be written" in str(raised.value)
    assert tree(session) == before
    assert_no_session(dest)
    bring(session, dest, move=True)
    assert tree(dest / "sub-001/ses-01") == before


def test_a_disk_that_is_too_small_is_told_before_anything_is_copied(session, dest, monkeypatch):
    monkeypatch.setattr(host, "free_bytes", lambda _: 1000)
    with pytest.raises(StorageError, match=r"has 0\.0 MB free, and 0\.\d MB are needed"):
        bring(session, dest)
    assert tree(dest) == {}


def test_a_mount_that_disappears_leaves_the_source(session, dest, monkeypatch):
    before = tree(session)

    def unmount(call: int, _: str) -> None:
        if call == 30:
            dest.rename(dest.with_name("elsewhere"))
            dest.mkdir()

    with disk(unmount, monkeypatch), pytest.raises(StorageError):
        bring(session, dest, move=True)
    assert tree(session) == before
    assert_no_session(dest)
    assert_no_session(dest.with_name("elsewhere"))
    bring(session, dest, move=True)
    assert tree(dest / "sub-001/ses-01") == before


def test_archived_already_both_are_read_again_and_nothing_is_written(session, dest, monkeypatch):
    bring(session, dest)
    with disk(lambda *_: None, monkeypatch) as calls:
        done = bring(session, dest)
    assert done.state is State.ALREADY
    assert set(calls) <= {"open_private", "remove"}  # the lock


def test_a_damaged_archive_is_found_when_it_is_read_again_and_the_source_stays(session, dest):
    target = bring(session, dest).target
    run = find_runs(target)[1]
    run.chmod(0o600)
    data = bytearray(run.read_bytes())
    data[-1000] ^= 1
    run.write_bytes(data)
    with pytest.raises(ChecksumError, match="differs from its checksum in the archive"):
        bring(session, dest, move=True)
    assert len(tree(session)) == 4


@pytest.mark.parametrize("kind", ["other content", "other names", "no manifest", "empty"])
def test_another_session_of_that_name_is_refused_and_not_touched(session, dest, tmp_path, kind):
    target = dest / "sub-001/ses-01"
    if kind in ("other content", "other names"):
        other = make_run(tmp_path / "other", Plan(body_groups=4, run=1 if kind == "other content" else 3)).parent
        for name, data in tree(session).items():
            if kind == "other content" and not (other / name).exists():
                (other / name).parent.mkdir(exist_ok=True)
                (other / name).write_bytes(data)
        run = find_runs(other)[0]
        run.chmod(0o600)
        with h5py.File(run, "r+") as file:
            file["acquisition/HS/data"][0] = 7
        bring(other, dest)
    else:
        target.mkdir(parents=True)
        (target / "notes.txt").write_text("mine") if kind == "no manifest" else None
    before, source = tree(dest), tree(session)
    with pytest.raises(SessionExists):
        bring(session, dest, move=True)
    assert tree(dest) == before
    assert tree(session) == source


def test_a_destination_that_cannot_be_one_is_refused(session, dest, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(session)
    for bad in (
        tmp_path / "file",
        tmp_path / "missing",
        session,
        session / "labels",
        tmp_path / "link",
        tmp_path / "sessions",
    ):
        before = tree(tmp_path)
        with pytest.raises((UserError, StorageError)):
            jobs_for([session], bad)
        assert tree(tmp_path) == before


def test_a_subject_that_differs_only_in_case_is_refused(tmp_path, dest):
    lower, upper = (make_run(tmp_path / name, SMALL, subject=name) for name in ("a01", "A01"))
    bring(lower, dest)
    before = tree(dest)
    with pytest.raises(SessionExists, match="differs only in upper and lower case from sub-a01"):
        bring(upper, dest)
    assert tree(dest) == before
    assert listed(dest) == ["sub-a01"]


def test_a_session_being_recorded_is_refused(session, dest):
    with find_runs(session)[1].open("rb") as held:
        host.hold_shared(held.fileno())
        with pytest.raises(StorageError, match="is being recorded right now"):
            bring(session, dest)
    assert tree(dest) == {}


@pytest.mark.parametrize("left", ["unclosed", "journal", "arming", "empty"])
def test_a_session_that_is_not_in_order_is_not_moved(tmp_path, dest, left):
    run = make_run(
        tmp_path,
        Plan(body_groups=4, closed=left != "unclosed", outcome="incomplete" if left == "unclosed" else "finished"),
    )
    if left == "empty":
        run.with_name(run.name.replace("run-01", "run-02")).touch()
    elif left != "unclosed":
        run.with_suffix(f".{left}").write_text("left by a crash")
    with pytest.raises(StorageError, match="rig recover"):
        bring(run, dest, move=True)
    assert run.exists()
    assert tree(dest) == {}


def test_two_archivings_of_one_session_do_not_meet(session, dest):
    (dest / "sub-001").mkdir()
    with (dest / "sub-001/.ses-01.part-lock").open("w") as lock:
        host.hold_alone(lock.fileno())
        with pytest.raises(StorageError, match="another rig archive"):
            bring(session, dest)
    bring(session, dest)


def test_a_moved_session_is_remembered_and_its_number_is_not_given_again(session, dest):
    before = tree(session)
    bring(session, dest, move=True)
    directory = session.parents[1]
    assert sessions_below(directory) == []
    assert json.loads((session.parent / "ses-01.archived").read_text())["to"] == str(dest / "sub-001/ses-01")
    assert new_session(directory, "001").number == 2
    with pytest.raises(SessionExists, match=r"ses-01\.archived"):
        new_session(directory, "001", 1)
    again = bring(session, dest, move=True)
    assert (again.state, again.notes) == (State.MOVED, ["its source was moved before"])
    assert tree(dest / "sub-001/ses-01") == before


def test_a_half_moved_session_is_kept_when_its_copy_is_no_longer_good(session, dest, monkeypatch):
    removed = []

    def stop(_: int, name: str) -> None:
        removed.append(name)
        if removed.count("remove") == 3:  # of the note, of the first file, and before the second
            raise Interrupted

    with disk(stop, monkeypatch), pytest.raises(Interrupted):
        bring(session, dest, move=True)
    moved = session.parent / ".ses-01.moved"
    left = tree(moved)
    assert 0 < len(left) < 4
    run = find_runs(dest / "sub-001/ses-01")[1]
    run.chmod(0o600)
    run.write_bytes(run.read_bytes()[:-1])
    with pytest.raises(ChecksumError):
        bring(session, dest, move=True)
    assert tree(moved) == left


def test_a_file_that_comes_into_the_source_at_the_last_moment_keeps_all_of_it(session, dest, monkeypatch):
    before = tree(session)

    def add(_: int, name: str) -> None:
        if name == "rename" and (session.parent / "ses-01.archived").exists() and session.exists():
            (session / "late.txt").write_text("late")

    with disk(add, monkeypatch), pytest.raises(StorageError, match="was changed"):
        bring(session, dest, move=True)
    assert tree(session) == before | {"late.txt": b"late"}


def test_compressed_pictures_are_the_same_pictures_and_all_else_is_equal(session, dest):
    done = bring(session, dest, compress=True)
    for name in ("run-01", "run-02"):
        file = f"sub-001_ses-01_{name}_session.h5"
        _assert_equal_hdf5(session / file, done.target / file)
        assert (done.target / file).stat().st_size < (session / file).stat().st_size / 3
        with h5py.File(done.target / file) as run:
            data = run["acquisition/HS/data"]
            assert data.chunks == (1, 64, 96)
            assert data.id.get_create_plist().get_filter(0)[0] == 32008
    with rig.open(done.target) as opened:
        judged = load(opened.runs[0])
        assert judged is not None  # the verdict of the source counts for the same content
        assert judged == verify_run(opened.runs[0])
    assert bring(session, dest).state is State.ALREADY


def test_a_verdict_does_not_count_for_a_run_that_tells_something_else(session):
    run = find_runs(session)[0]
    run.chmod(0o600)
    with h5py.File(run, "r+") as file:
        rows = file["acquisition/NIR/frames"][:]
        rows["checksum"][3] ^= np.uint64(1)
        file["acquisition/NIR/frames"][:] = rows
    with rig.open(session) as opened, pytest.raises(NotASession, match="older than the run"):
        load(opened.runs[0])


@pytest.mark.parametrize("where", ["acquisition/HS/data", "acquisition/HS/frames", "acquisition/pulses", "config/rig"])
def test_a_compressed_copy_that_differs_is_found(session, dest, monkeypatch, where):
    real = host.sync_file

    def spoil(fd: int) -> None:
        real(fd)
        path = path_of(fd)
        if path.name.endswith("run-02_session.h5.part"):
            with h5py.File(path, "r+") as file:
                value = np.asarray(file[where][()])
                if value.dtype.hasobject:
                    file[where][()] = b"name: other\n"
                else:
                    raw = bytearray(value.tobytes())
                    raw[-1] ^= 1
                    file[where][...] = np.frombuffer(bytes(raw), value.dtype).reshape(value.shape)

    before = tree(session)
    with monkeypatch.context() as patch:
        patch.setattr(host, "sync_file", spoil)
        with pytest.raises(ChecksumError, match=f"differs from its source in .*{where}"):
            bring(session, dest, move=True, compress=True)
    assert tree(session) == before
    assert_no_session(dest)
    bring(session, dest, move=True, compress=True)


def test_a_picture_damaged_before_stays_as_it_is_and_is_told(tmp_path, dest):
    run = make_run(tmp_path, Plan(body_groups=4, damaged={"HS": {3, 5}}))
    done = bring(run, dest, compress=True)
    assert done.notes == [f"{run.name}: 2 pictures were damaged in the source already, and are so in the copy"]
    _assert_equal_hdf5(run, done.target / run.name)


def test_an_unclosed_run_is_not_compressed(tmp_path, dest):
    run = make_run(tmp_path, Plan(body_groups=4, closed=False, outcome="incomplete"))
    done = bring(run, dest, compress=True)
    assert (done.target / run.name).read_bytes() == run.read_bytes()
    assert not done.kept[0].compressed


def test_no_more_than_a_piece_waits_for_the_disk_at_any_time(session, dest, monkeypatch):
    waiting, most = {}, [0]
    real_write, real_sync = host.write_at, host.sync_data

    def write(fd: int, data: memoryview, offset: int) -> None:
        waiting[fd] = waiting.get(fd, 0) + len(data)
        most[0] = max(most[0], waiting[fd])
        real_write(fd, data, offset)

    def sync(fd: int) -> None:
        waiting[fd] = 0
        real_sync(fd)

    monkeypatch.setattr(host, "write_at", write)
    monkeypatch.setattr(host, "sync_data", sync)
    bring(session, dest)
    assert 0 < most[0] <= copying.PIECE
    assert PIECE == 16 << 20


def test_while_somebody_records_the_disk_is_left_to_them_three_quarters_of_the_time():
    clock, is_recording = VirtualClock(), [True]
    pace = Pace(clock, lambda: is_recording[0], lambda _: None)
    assert pace.piece == SMALL_PIECE
    clock.sleep_until(clock.now_ns() + NS)
    began = clock.now_ns()
    pace.rest(SMALL_PIECE)
    assert clock.now_ns() - began == 3 * NS
    is_recording[0] = False
    clock.sleep_until(clock.now_ns() + 2 * NS)
    assert pace.piece == copying.PIECE
    began = clock.now_ns()
    pace.rest(1)
    assert clock.now_ns() == began


@pytest.mark.parametrize("how", ["holds", "writes"])
def test_a_recorder_at_work_is_seen(session, tmp_path, how):
    assert not host.is_written_by_others("nobody_session.h5")
    path = find_runs(session)[0] if how == "holds" else tmp_path / "elsewhere_session.h5"
    held = "import fcntl; fcntl.flock(file, fcntl.LOCK_SH)" if how == "holds" else ""
    mode = "rb" if how == "holds" else "wb"
    program = f"import sys\nfile = open({str(path)!r}, {mode!r})\n{held}\nprint(1, flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        recorder.stdout.readline()
        assert is_recorded_beside(session.parents[1])
        if how == "writes":
            assert host.is_written_by_others("elsewhere_session.h5")
        recorder.communicate()
    if how == "writes":
        assert not host.is_written_by_others("elsewhere_session.h5")


def test_a_link_in_a_session_is_not_followed(session, dest):
    (session / "film.mp4").symlink_to("/etc/hostname")
    with pytest.raises(StorageError, match="is neither a file nor a folder"):
        bring(session, dest)


def test_every_refusal_names_what_to_do(session, dest):
    with find_runs(session)[0].open("rb") as held:
        host.hold_shared(held.fileno())
        with pytest.raises(RigError) as raised:
            bring(session, dest)
    assert raised.value.hint
