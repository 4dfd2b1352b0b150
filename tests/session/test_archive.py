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
from functools import cache
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
from rig.session import copying, writer
from rig.session.archive import archive, is_recorded_beside, jobs_for
from rig.session.archived import State
from rig.session.copying import PIECE, SMALL_PIECE, Pace
from rig.session.folder import find_runs, new_session, sessions_below
from rig.session.recover import recover
from rig.verify.verdict import load, save, verify_run
from tests.archives import assert_equal_hdf5, assert_no_session, bring, listed, tree
from tests.handmade import Plan, make_run
from tests.record.test_compressed import compressing
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import shorten_plans

DISK_CALLS = (
    "write_at", "open_private", "rename", "remove", "remove_folder", "cut", "sync_file", "sync_data", "sync_folder",
    "put_times", "make_private", "make_folder",
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


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A session of two runs, the first judged, with labels in a folder of their own."""
    folder = tmp_path_factory.mktemp("made")
    runs = [make_run(folder, Plan(body_groups=1, run=run)) for run in (1, 2)]
    with rig.open(runs[0]) as opened:
        save(runs[0], verify_run(opened.runs[0]))
    labels = runs[0].parent / "labels/ann.tsv"
    labels.parent.mkdir()
    labels.write_text("onset\tapex\n1\t2\n")
    return runs[0].parent


@pytest.fixture
def session(made, tmp_path) -> Path:
    """A copy of it, to do with what one likes."""
    return _again(made, tmp_path / "sessions")


@pytest.fixture
def dest(tmp_path) -> Path:
    made = tmp_path / "nas"
    made.mkdir()
    return made


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


@pytest.mark.parametrize("number", [1, 5, 12, "manifest"])
def test_one_bit_flipped_on_the_way_is_found_and_the_next_run_ends_well(session, dest, monkeypatch, number):
    real, calls = host.write_at, []

    def flips(fd: int, data: memoryview, offset: int) -> None:
        name = path_of(fd).name
        calls.extend(() if "part-state" in name else (name,))
        is_chosen = "_archive.json" in name if number == "manifest" else len(calls) == number
        bad = bytearray(data)
        bad[len(bad) // 2] ^= 16 if is_chosen else 0
        real(fd, bytes(bad), offset)

    before = tree(session)
    with monkeypatch.context() as patch:
        patch.setattr(host, "write_at", flips)
        with pytest.raises(ChecksumError, match=r"read back, it differs from (its source in bytes [\d,]+ to|what was)"):
            bring(session, dest, move=True)
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


@pytest.mark.parametrize(("compress", "points"), [(False, 14), (True, 6)])
def test_interrupted_at_20_random_points_nothing_is_lost_and_nothing_looks_safe_that_is_not(
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
        assert_equal_hdf5(original, target / name)
        original.unlink()


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

    with disk(add, monkeypatch):
        done = bring(session, dest, move=True)
    assert done.state is State.NOT_REMOVED
    assert done.problem == f"the source was changed after it was copied, and stays. Move {done.target} away, then again"
    assert tree(session) == before | {"late.txt": b"late"}
    assert tree(done.target) == before
    assert listed(session.parent) == ["ses-01"]
    done.target.rename(dest / "earlier")
    assert bring(session, dest, move=True).state is State.MOVED
    assert tree(done.target) == before | {"late.txt": b"late"}


@pytest.mark.parametrize("name", ["sub-001_ses-01_run-02_session.h5", "ann.tsv", "ses-01.archived", "folder"])
def test_a_source_that_cannot_be_removed_is_said_to_be_half_removed_and_the_copy_to_be_safe(
    session, dest, monkeypatch, name
):
    before = tree(session)
    refusal = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    remove, rename = host.remove, host.rename

    def refuses(path: Path) -> None:
        if path.name == name and ".moved" in str(path):
            raise refusal
        remove(path)

    def refuses_name(old: Path, new: Path) -> None:
        if new.name == {"ses-01.archived": "ses-01.archived", "folder": ".ses-01.moved"}.get(name):
            raise refusal
        rename(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(host, "remove", refuses)
        patch.setattr(host, "rename", refuses_name)
        done = bring(session, dest, move=True)
    assert done.state is State.NOT_REMOVED
    assert tree(done.target) == before
    is_half = name.startswith("sub") or name == "ann.tsv"
    moved = session.parent / ".ses-01.moved"
    assert done.problem.startswith(
        f"the source is {f'half removed, and {moved} has the rest' if is_half else 'as it was'}: "
    )
    assert done.problem.endswith("Run the same command again: it goes on from there")
    assert is_half or tree(session) == before
    assert sessions_below(session.parent) == ([] if is_half else [session])
    assert bring(session, dest, move=True).state is State.MOVED
    assert listed(session.parent) == ["ses-01.archived"]
    assert tree(done.target) == before


@pytest.mark.parametrize("kind", ["link", "other folder"])
def test_a_session_that_could_not_be_found_again_is_copied_but_not_moved(session, dest, tmp_path, kind):
    before = tree(session)
    other = tmp_path / "mine/sub-001/ses-01" if kind == "link" else tmp_path / "mine/sub-001/first"
    other.parent.mkdir(parents=True)
    other.symlink_to(session) if kind == "link" else session.rename(other)
    with pytest.raises(StorageError, match="it is not moved"):
        bring(other, dest, move=True)
    assert tree(other) == before
    assert tree(dest) == {}
    bring(other, dest)
    assert tree(dest / "sub-001/ses-01") == tree(other) == before


def test_the_folder_that_one_is_in_can_be_archived_and_moved(session, dest, monkeypatch):
    before = tree(session)
    monkeypatch.chdir(session)
    assert bring(Path(), dest, move=True).state is State.MOVED
    assert tree(dest / "sub-001/ses-01") == before
    assert listed(session.parent) == ["ses-01.archived"]


def test_compressed_pictures_are_the_same_pictures_and_all_else_is_equal(session, dest):
    done = bring(session, dest, compress=True)
    for name in ("run-01", "run-02"):
        file = f"sub-001_ses-01_{name}_session.h5"
        assert_equal_hdf5(session / file, done.target / file)
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
    assert_equal_hdf5(run, done.target / run.name)


def test_an_unclosed_run_is_not_compressed(tmp_path, dest):
    run = make_run(tmp_path, Plan(body_groups=4, closed=False, outcome="incomplete"))
    done = bring(run, dest, compress=True)
    assert (done.target / run.name).read_bytes() == run.read_bytes()
    assert not done.kept[0].compressed


def recorded(folder: Path, *compressed: str, seconds: float = 0.3) -> Path:
    """The session of a recording by our own recorder, these streams compressed."""
    rig_file = compressing(write_rig(folder), *compressed)
    return record(folder, rig_file, write_protocol(folder, ("a", seconds, "all"))).path.parent


Recorded = Callable[..., Path]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Recorded:
    """By the streams that are compressed, and whether it is as SIGKILL would leave it: each is made once."""

    @cache
    def recording(*compressed: str, is_killed: bool = False) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            if is_killed:
                patch.setattr(writer, "close_file", lambda *_: None)
            return recorded(tmp_path_factory.mktemp("recorded"), *compressed)

    return recording


@pytest.fixture(scope="module")
def in_several_files(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        return recorded(tmp_path_factory.mktemp("several"), "HS", seconds=4)


@pytest.mark.parametrize("streams", [(), ("HS", "NIR"), ("HS", "VIS", "NIR")])
@pytest.mark.parametrize("compress", [False, True])
def test_recordings_that_are_compressed_already_come_over_picture_by_picture(
    tmp_path, dest, recordings, streams, compress
):
    session = _again(recordings(*streams), tmp_path / "lab")
    done = bring(session, dest, compress=compress)
    (run,) = find_runs(session)
    assert_equal_hdf5(run, done.target / run.name)
    is_written_anew = compress and len(streams) < 3
    assert done.kept[0].compressed is is_written_anew
    assert ((done.target / run.name).read_bytes() == run.read_bytes()) is not is_written_anew
    with rig.open(session) as one, rig.open(done.target) as other:
        assert verify_run(one.runs[0]).findings == verify_run(other.runs[0]).findings
    assert bring(session, dest, move=True).state is State.MOVED


@pytest.mark.parametrize("compress", [False, True])
def test_a_run_in_several_files_is_one_run_in_the_archive(dest, in_several_files, compress):
    session = in_several_files
    files = find_runs(session)
    assert len(files) > 1
    done = bring(session, dest, compress=compress)
    for path in files:
        assert_equal_hdf5(path, done.target / path.name)
    with rig.open(session) as one, rig.open(done.target) as other:
        assert len(one.runs) == len(other.runs) == 1
        assert verify_run(one.runs[0]).findings == verify_run(other.runs[0]).findings


@pytest.mark.parametrize("streams", [(), ("HS", "NIR")])
def test_a_copy_from_before_rig_recover_is_replaced_once_the_recovered_session_is_proved(
    tmp_path, dest, recordings, streams
):
    session = _again(recordings(*streams, is_killed=True), tmp_path / "lab")
    first = bring(session, dest)
    assert first.notes == [f"{find_runs(session)[0].name} was not closed: copied as it is"]
    (room,) = session.glob("*.journal-part")
    assert set(listed(session)) - set(listed(first.target)) == {room.name}
    assert bring(session, dest).state is State.ALREADY
    (kept,), _ = recover(session)
    (own,), _ = recover(Path(shutil.copytree(first.target, tmp_path / "copy/sub-001/ses-01")))
    assert own.frames == kept.frames > 50  # what was archived could have been recovered as well
    (session / "notes.txt").write_text("recovered")
    done = bring(session, dest, compress=True, move=True)
    assert (done.state, done.notes) == (
        State.MOVED,
        ["an earlier copy, made before the session was closed, was replaced"],
    )
    assert listed(dest / "sub-001") == ["ses-01"]
    with rig.open(done.target) as opened:
        assert str(opened.runs[0].outcome) == "recovered"
        assert sum(len(stream.data) for stream in opened.runs[0].streams.values()) > 50


@pytest.mark.parametrize("kind", ["other session", "changed there", "more there", "damaged there"])
def test_nothing_else_is_taken_for_an_earlier_copy(tmp_path, dest, recordings, kind):
    session = _again(recordings(is_killed=True), tmp_path / "lab")
    target = bring(session, dest).target
    recover(session)
    run = find_runs(target)[0]
    if kind == "other session":
        session = _again(recordings(), tmp_path / "other")
    elif kind == "more there":
        (target / "mine.txt").write_text("mine")
    else:
        data = bytearray(run.read_bytes())
        data[-1 if kind == "damaged there" else 3000] ^= 1
        run.write_bytes(data)
    before = tree(dest)
    with pytest.raises((SessionExists, ChecksumError)):
        bring(session, dest, move=True)
    assert tree(dest) == before
    assert find_runs(session)


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


@pytest.mark.parametrize(("took_ns", "rest_ns"), [(0, NS // 25), (NS // 50, NS // 50), (NS // 20, 0), (NS, 3 * NS)])
def test_while_somebody_records_it_keeps_to_50_mb_a_second_and_a_busy_disk_is_left_alone_longer(took_ns, rest_ns):
    clock, is_recording = VirtualClock(), [True]
    pace = Pace(clock, lambda: is_recording[0], lambda _: None)
    assert pace.piece == SMALL_PIECE
    clock.sleep_until(clock.now_ns() + took_ns)
    began = clock.now_ns()
    pace.rest(2_000_000)
    assert clock.now_ns() - began == rest_ns
    is_recording[0] = False
    clock.sleep_until(clock.now_ns() + 2 * NS)
    assert pace.piece == copying.PIECE
    began = clock.now_ns()
    pace.rest(1)
    assert clock.now_ns() == began


@pytest.mark.parametrize("how", ["holds", "writes"])
def test_a_recorder_at_work_is_seen(session, tmp_path, monkeypatch, how):
    name = f"elsewhere-{os.getpid()}_session.h5"  # no other test on this machine writes to one of this name
    assert not host.is_written_by_others(name)
    path = find_runs(session)[0] if how == "holds" else tmp_path / name
    held = "import fcntl; fcntl.flock(file, fcntl.LOCK_SH)" if how == "holds" else ""
    mode = "rb" if how == "holds" else "wb"
    program = f"import sys\nfile = open({str(path)!r}, {mode!r})\n{held}\nprint(1, flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        recorder.stdout.readline()
        assert is_recorded_beside(session.parents[1])
        assert host.is_written_by_others(name) == (how == "writes")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "readlink", but_for_the_first)
            assert host.is_written_by_others(name) == (how == "writes")
        recorder.communicate()
    assert not host.is_written_by_others(name)


def but_for_the_first(path: Path, readlink: Callable[[Path], Path] = Path.readlink) -> Path:
    """What a process has open, as if it had just closed its file number 0."""
    if path.name == "0":
        raise FileNotFoundError
    return readlink(path)


def test_an_archiving_beside_a_recorder_takes_its_time(session, dest, monkeypatch):
    """Beside one that holds a file of another session; alone it rests not at all."""
    other = make_run(session.parents[1], Plan(body_groups=1, number_of_session=2))
    took_s, handled = {}, {}
    for who, look in (("alone", lambda _: False), ("beside", is_recorded_beside)):
        monkeypatch.setattr(rig.session.archive, "is_recorded_beside", look)
        clock, done = VirtualClock(), []
        (job,) = jobs_for([session], _folder(dest / who))
        with other.open("rb") as held:
            host.hold_shared(held.fileno())
            archive(job, clock, tell=done.append)
        took_s[who], handled[who] = (clock.now_ns() - VirtualClock().now_ns()) / NS, sum(done)
    assert handled["alone"] == handled["beside"] > 2 * find_runs(session)[0].stat().st_size
    assert took_s["alone"] == 0
    assert took_s["beside"] == pytest.approx(handled["beside"] / 50e6)


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
