"""Deleting a session: all of it goes, nothing else does, and whatever breaks it off, a second call ends well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from rig import host
from rig.errors import NotASession, RigError, SessionExists, StorageError
from rig.session.folder import SessionFolder, find_runs, new_session, sessions_below
from rig.session.leftovers import files_left
from rig.subjects.deleting import delete_session
from rig.subjects.ledger import Ledger
from tests.handmade import Plan, make_run
from tests.power import DiskLog
from tests.rights import without_root

SMALL = Plan(body_groups=1)
EXTRAS = ("sub-001_ses-01_run-01_verdict.json", ".hidden", "sub-001_ses-01_run-01_truth.jsonl", "labels/ann/x.tsv")


def make_session(directory: Path) -> Path:
    """A closed run with everything that may lie beside it, an empty folder and a link that leads out."""
    folder = make_run(directory, SMALL).parent
    for name in (*EXTRAS, "sub-001_ses-01_run-02_session.journal", "sub-001_ses-01_run-02_session.arming"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "empty").mkdir()
    outside = directory / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "film.mp4").write_text("film")
    (folder / "link").symlink_to(outside)
    return folder


def everything(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


LEFT = {"ledger.sqlite", "sub-001", "sub-001/ses-01.deleted", "outside", "outside/film.mp4"}


def test_every_file_goes_and_pseudonym_number_date_and_reason_stay(tmp_path: Path) -> None:
    folder, ledger = make_session(tmp_path), Ledger(tmp_path)
    done = delete_session(folder, ledger, "withdrew consent")
    assert everything(tmp_path) == LEFT
    assert (done.subject, done.session, done.reason) == ("001", 1, "withdrew consent")
    assert done.done_utc is not None and done.done_utc >= done.asked_utc
    assert ledger.tombstone("001", 1) == done == delete_session(folder, ledger, "again")
    with pytest.raises(NotASession, match="does not exist"):
        find_runs(folder)


def test_its_number_is_not_given_again_by_the_folder_or_by_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    delete_session(make_session(tmp_path), ledger, "why")
    assert new_session(tmp_path, "001").number == 2
    with pytest.raises(SessionExists, match=r"ses-01\.deleted"):
        new_session(tmp_path, "001", 1)
    (tmp_path / "sub-001/ses-01.deleted").unlink()  # by somebody who tidies up
    again = new_session(tmp_path, "001", 1)
    with pytest.raises(SessionExists, match=r"number of a session that was deleted.*--session 2"):
        ledger.reserve("p", "k", 1, again)


def test_broken_off_at_any_operation_a_second_call_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("rename", "remove", "remove_folder", "sync_folder", "write_at", "sync_data")
    real = {name: getattr(host, name) for name in names}
    make_session(tmp_path / "made")
    place = 0
    while True:
        directory = tmp_path / str(place)
        shutil.copytree(tmp_path / "made", directory, symlinks=True)
        folder, ledger = directory / "sub-001/ses-01", Ledger(directory)
        left = [place]

        def killed(name: str, left: list[int] = left):
            def operation(*arguments):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return real[name](*arguments)

            return operation

        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(host, name, killed(name))
            try:
                delete_session(folder, ledger, "first")
            except KeyboardInterrupt:
                pass
        if left[0] >= 0:
            break
        _check_half_deleted(folder, ledger)
        delete_session(folder, ledger, "second")
        assert everything(directory) == LEFT, place
        assert ledger.tombstone("001", 1).done_utc
        place += 1
    assert place > 15


def _check_half_deleted(folder: Path, ledger: Ledger) -> None:
    """Whole under its own name, or hidden and nobody's; unless it is whole the number is taken, the ledger knows."""
    hidden = folder.with_name(".ses-01.deleting")
    if folder.exists():
        assert not hidden.exists()
        assert {*EXTRAS} <= everything(folder)
        return
    assert sessions_below(folder.parent) == []
    assert ledger.tombstone("001", 1).done_utc is None
    assert new_session(folder.parents[1], "001").number == 2
    (folder.parent / "ses-02").rmdir()
    if hidden.exists():
        for look in (find_runs, files_left):
            with pytest.raises(NotASession, match="is being deleted"):
                look(hidden)


def test_a_session_that_is_recorded_or_read_or_half_archived_is_left_alone(tmp_path: Path) -> None:
    folder, ledger = make_session(tmp_path), Ledger(tmp_path)
    (run,) = folder.glob("*_run-01_session.h5")
    before = everything(tmp_path)
    with run.open("rb") as file:
        host.hold_shared(file.fileno())
        with pytest.raises(StorageError, match="is being recorded"):
            delete_session(folder, ledger, "why")
    code = f"import sys; file = open({str(run)!r}, 'rb'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        reader.stdout.readline()
        with pytest.raises(StorageError, match=rf"is open in \S+ \(process {reader.pid}\)"):
            delete_session(folder, ledger, "why")
        reader.stdin.close()
    for name in ("moved", "part", "replaced", "part-lock"):
        there = folder.with_name(f".ses-01.{name}")
        there.mkdir()
        with pytest.raises(StorageError, match="rig archive has not finished"):
            delete_session(folder, ledger, "why")
        there.rmdir()
    assert everything(tmp_path) == before
    assert ledger.tombstone("001", 1) is None


def test_a_recorder_that_begins_with_it_at_the_last_moment_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ledger = make_session(tmp_path), Ledger(tmp_path)
    before, asked = everything(tmp_path), []

    def held_from_the_second_time_on(path: Path) -> bool:
        asked.append(path)
        return ".deleting" in str(path)

    monkeypatch.setattr(host, "is_held", held_from_the_second_time_on)
    with pytest.raises(StorageError, match="is being recorded"):
        delete_session(folder, ledger, "why")
    assert everything(tmp_path) == before | {"ledger.sqlite"}
    assert ledger.tombstone("001", 1) is None


def test_a_subject_that_differs_in_case_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that finds either by both names."""
    folder = new_session(tmp_path, "a01").path
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: real(Path(str(path).replace("sub-A01", "sub-a01"))))
    with pytest.raises(NotASession, match="differs in upper and lower case"):
        delete_session(tmp_path / "sub-A01/ses-01", Ledger(tmp_path), "why")
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["ses-01", "sub-001", "sub-001/ses-1", "sub-/ses-01", "sub-a b/ses-01"])
def test_only_a_folder_that_says_whose_session_it_is_is_deleted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(NotASession, match="does not say whose it is"):
        delete_session(tmp_path / name, Ledger(tmp_path), "why")
    assert (tmp_path / name).is_dir()


def test_a_link_to_a_session_is_refused_naming_the_session(tmp_path: Path) -> None:
    folder = new_session(tmp_path / "real", "001").path
    link = tmp_path / "sub-001/ses-01"
    link.parent.mkdir()
    link.symlink_to(folder)
    with pytest.raises(StorageError, match=f"Delete the session itself: {folder}"):
        delete_session(link, Ledger(tmp_path), "why")


def test_one_that_was_moved_to_an_archive_is_told_with_its_place(tmp_path: Path) -> None:
    folder = SessionFolder(tmp_path / "sub-001/ses-01", "001", 1).path
    folder.parent.mkdir()
    folder.with_name("ses-01.archived").write_text('{"to": "/mnt/nas/sub-001/ses-01"}')
    with pytest.raises(NotASession, match="was moved to /mnt/nas/sub-001/ses-01"):
        delete_session(folder, Ledger(tmp_path), "why")


def test_what_may_not_be_removed_is_told_and_the_rest_goes_later() -> None:
    with without_root() as (directory, _):
        folder, ledger = new_session(directory, "001").path, Ledger(directory)
        (folder / "labels").mkdir()
        (folder / "labels/x").write_text("x")
        (folder / "labels").chmod(0o500)
        with pytest.raises(StorageError, match=r"cannot be removed: Permission denied.*goes on from there"):
            delete_session(folder, ledger, "why")
        (directory / "sub-001/.ses-01.deleting/labels").chmod(0o700)
        assert delete_session(folder, ledger, "why").done_utc
        assert not folder.exists()


def test_without_a_ledger_that_can_be_written_nothing_is_deleted(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    before = everything(tmp_path)
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(RigError, match="is not a file"):
        delete_session(folder, Ledger(tmp_path), "why")
    assert everything(tmp_path) == before | {"ledger.sqlite"}


FILES = ("verdict.json", "truth.jsonl", "x.tsv")


def log_a_deletion(folder: Path) -> DiskLog:
    """What is asked of a disk on which a session of a few files is deleted; its ledger lies on another one."""
    session = new_session(folder / "disk", "001")
    for name in FILES:
        (session.path / name).write_text(name)
    ledger = Ledger(folder)
    ledger.ask_deletion("001", 1, "first")  # makes its file
    log = DiskLog(folder / "disk")
    with log.logging():
        delete_session(session.path, ledger, "first")
    return log


def wrong_after_a_cut(log: DiskLog, seed: int, into: Path) -> str:
    """What is wrong when the power goes at some operation, and after the deletion was asked for again; or ""."""
    into.mkdir()
    random = Random(seed)
    log.cut_at(random.randint(0, len(log.ops)), random, into)
    folder, ledger = into / "sub-001/ses-01", Ledger(into)
    ledger.ask_deletion("001", 1, "first")
    if folder.exists() and everything(folder) != set(FILES):
        return f"half of it looks like a session: {everything(folder)}"
    if not folder.exists() and new_session(into, "001").number != 2:
        return "its number is given again"
    delete_session(folder, ledger, "second")
    return "" if not {*FILES} & {Path(name).name for name in everything(into)} else "something is left"


def test_a_power_cut_leaves_it_whole_or_hidden_and_a_second_call_ends_well(tmp_path: Path) -> None:
    log = log_a_deletion(tmp_path)
    assert [wrong_after_a_cut(log, seed, tmp_path / str(seed)) for seed in range(40)] == [""] * 40


def test_the_harness_finds_a_deletion_that_does_not_sync_its_folder(tmp_path: Path) -> None:
    log = log_a_deletion(tmp_path)
    log.ops = [op for op in log.ops if op.kind != "folder"]
    assert any(wrong_after_a_cut(log, seed, tmp_path / str(seed)) for seed in range(40))
