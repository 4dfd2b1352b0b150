"""Names and places of sessions: nothing shared, nothing overwritten, nothing outside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rig.errors import NotASession, SessionExists, StorageError, UserError
from rig.session.folder import beside, check_subject, find_runs, folder_for, misplaced, new_session, sessions_below
from tests import commands
from tests.rights import without_root


@pytest.mark.parametrize("subject", ["a/b", "../x", "", "a b", "ä", "001\n", "a" * 65, "sub-1", "."])
def test_subject_that_is_no_pseudonym_is_refused_with_what_is_allowed(subject: str) -> None:
    with pytest.raises(UserError, match="letters and digits only"):
        check_subject(subject)


def test_first_session_is_number_1_and_the_next_is_one_after_the_highest(tmp_path: Path) -> None:
    assert new_session(tmp_path / "out", "001", None).number == 1
    assert new_session(tmp_path / "out", "001", 7).number == 7
    assert new_session(tmp_path / "out", "001", None).number == 8
    assert new_session(tmp_path / "out", "002", None).number == 1


def test_run_file_has_the_documented_name(tmp_path: Path) -> None:
    session = new_session(tmp_path, "001", 3)
    assert session.run_path(2) == tmp_path / "sub-001" / "ses-03" / "sub-001_ses-03_run-02_session.h5"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_folders_are_readable_by_the_owner_only_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        session = new_session(tmp_path / "new", "001", None)
    finally:
        os.umask(before)
    for folder in (tmp_path / "new", session.path.parent, session.path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_taken_number_is_refused_by_name_and_kept(tmp_path: Path) -> None:
    taken = new_session(tmp_path, "001", 2)
    taken.run_path(1).write_bytes(b"x")
    with pytest.raises(SessionExists, match="ses-02"):
        new_session(tmp_path, "001", 2)
    assert taken.run_path(1).read_bytes() == b"x"


@pytest.mark.parametrize("number", [0, -1, 10000])
def test_session_number_out_of_range_is_refused(tmp_path: Path, number: int) -> None:
    with pytest.raises(UserError, match="1 to 9999"):
        new_session(tmp_path, "001", number)


def test_behind_the_highest_number_a_free_one_must_be_given(tmp_path: Path) -> None:
    new_session(tmp_path, "001", 9999)
    with pytest.raises(SessionExists, match="ses-9999: is the highest number, and is taken; 1 to 9999"):
        new_session(tmp_path, "001", None)
    assert new_session(tmp_path, "001", 9998).number == 9998


@pytest.mark.parametrize("name", ["ses-10000", "ses-1", "ses-00", "ses-007", "ses-\u0663\u0664"])
def test_a_number_that_no_session_is_given_is_no_session_for_the_next_number_and_for_readers(
    tmp_path: Path, name: str
) -> None:
    foreign = tmp_path / "sub-001" / name
    foreign.mkdir(parents=True)
    assert new_session(tmp_path, "001", None).number == 1
    assert [p.name for p in sessions_below(tmp_path)] == ["ses-01"]
    (foreign / f"sub-001_{name}_run-01_session.h5").touch()
    with pytest.raises(NotASession, match="holds no run"):
        find_runs(foreign)


@pytest.mark.parametrize("number", [1, 9, 10, 99, 100, 999, 1000, 9999])
def test_every_number_that_is_written_is_read(tmp_path: Path, number: int) -> None:
    run = new_session(tmp_path, "001", number).run_path(number)
    run.touch()
    assert find_runs(run) == find_runs(run.parent) == [run]
    assert sessions_below(tmp_path) == [run.parent]


def test_sessions_are_sorted_by_subject_and_number(tmp_path: Path) -> None:
    made = [new_session(tmp_path, *each).path for each in (("002", 1), ("001", 100), ("001", 99), ("001", 1000))]
    assert sessions_below(tmp_path) == [made[2], made[1], made[3], made[0]]


@pytest.mark.parametrize("place", ["file", "file/below", "link", "link/below"])
def test_what_is_in_the_way_of_new_sessions_is_named_and_nothing_is_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    in_the_way = tmp_path / place.split("/")[0]
    for attempt in (folder_for, lambda path: new_session(path, "001", None)):
        with pytest.raises(StorageError) as found:
            attempt(tmp_path / place)
        assert found.value.subject == str(in_the_way)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link"]


def test_sessions_are_made_below_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert folder_for(tmp_path / "a" / "b") == folder_for(tmp_path) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_named_the_one_above_it_is_not() -> None:
    with without_root() as (folder, take_rights):
        (folder / "sub-4").mkdir()
        take_rights(folder / "sub-4", 0o555)
        with pytest.raises(StorageError, match="sub-4/ses-01: cannot hold a new session: Permission denied"):
            new_session(folder, "4", None)
        take_rights(folder, 0o555)
        with pytest.raises(StorageError) as found:
            folder_for(folder / "new")
        assert (found.value.subject, found.value.problem) == (str(folder), "may not be written to")


def test_a_file_in_the_place_of_a_subject_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub-10").touch()
    for number in (None, 1):
        with pytest.raises(StorageError) as found:
            new_session(tmp_path, "10", number)
        assert (found.value.subject, found.value.problem) == (str(tmp_path / "sub-10"), "is not a folder")


UNSEEN = ["x" * 300, "loop", "nul\0", "x" * 300 + "/below", "loop/below"]


@pytest.mark.parametrize("name", UNSEEN)
def test_a_path_that_the_system_cannot_look_up_is_an_error_for_people(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for error, look in ((NotASession, find_runs), (StorageError, folder_for)):
        with pytest.raises(error, match="cannot be looked up"):
            look(tmp_path / name)
    with pytest.raises(StorageError, match="cannot be looked up"):
        new_session(tmp_path / name, "001", None)


def test_subjects_that_differ_only_in_case_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    new_session(tmp_path, "a01", None)
    with pytest.raises(SessionExists, match="a01"):
        new_session(tmp_path, "A01", None)
    assert [p.name for p in tmp_path.iterdir()] == ["sub-a01"]


def test_folder_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file"):
        new_session(tmp_path / "file", "001", None)


def test_racing_recorders_never_share_a_session(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rig.session.folder import new_session\n"
        "sys.stdin.readline()\n"
        "print(*[new_session(Path(sys.argv[1]), '001', None).number for _ in range(20)])"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    numbers = [int(n) for racer in racers for n in racer.communicate(timeout=commands.ENDS_WITHIN_S)[0].split()]
    assert sorted(numbers) == list(range(1, 61))


def _touch(tmp_path: Path, *runs: int) -> list[Path]:
    session = new_session(tmp_path, "001", 1)
    for run in runs:
        session.run_path(run).write_bytes(b"")
    return [session.run_path(run) for run in sorted(runs)]


def test_runs_are_found_from_the_folder_a_run_or_the_verdict_in_order(tmp_path: Path) -> None:
    runs = _touch(tmp_path, 2, 1, 10)
    verdict = beside(runs[0], "verdict.json")
    verdict.write_text("{}")
    assert find_runs(runs[0].parent) == find_runs(runs[1]) == find_runs(verdict) == runs


def test_file_of_another_name_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "copy.h5").write_bytes(b"")
    assert find_runs(tmp_path / "copy.h5") == [tmp_path / "copy.h5"]


def test_folder_without_runs_names_the_sessions_below(tmp_path: Path) -> None:
    runs = _touch(tmp_path, 1)
    with pytest.raises(NotASession, match="ses-01"):
        find_runs(tmp_path)
    assert sessions_below(tmp_path) == sessions_below(tmp_path / "sub-001") == [runs[0].parent]


def test_a_subject_that_may_not_be_entered_stands_for_its_sessions_and_says_why() -> None:
    with without_root() as (folder, take_rights):
        for subject in ("001", "002"):
            new_session(folder, subject, 1)
        take_rights(folder / "sub-002", 0)
        assert sessions_below(folder) == [folder / "sub-001" / "ses-01", folder / "sub-002"]
        with pytest.raises(NotASession, match="cannot be read: Permission denied"):
            find_runs(folder / "sub-002")


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("sub-001/ses-02/sub-001_ses-02_run-03_session.h5", ""),
        ("copy/sub-001_ses-02_run-03_session.h5", ""),
        ("sub-001/ses-02/copy.h5", ""),
        ("copy.h5", ""),
        ("sub-001/ses-02/sub-001_ses-02_run-04_session.h5", "sub-001_ses-02_run-04_session.h5"),
        ("copy/sub-009_ses-02_run-03_session.h5", "sub-009_ses-02_run-03_session.h5"),
        ("sub-001/ses-05/sub-001_ses-02_run-03_session.h5", "ses-05"),
        ("sub-009/ses-02/sub-001_ses-02_run-03_session.h5", "sub-009"),
        ("sub-009/ses-05/copy.h5", "ses-05, sub-009"),
    ],
)
def test_names_that_contradict_whose_run_it_is_are_told(place: str, wrong: str) -> None:
    told = misplaced(Path("/data") / place, "001", 2, 3)
    expected = "it is sub-001_ses-02_run-03 by what is in it, but lies under the name "
    assert told == (expected + wrong if wrong else "")


def test_missing_path_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(NotASession, match="does not exist"):
        find_runs(tmp_path / "nowhere")


def test_folder_with_runs_of_two_sessions_asks_for_one(tmp_path: Path) -> None:
    for name in ("sub-1_ses-01_run-01_session.h5", "sub-2_ses-01_run-01_session.h5"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(NotASession, match="several sessions"):
        find_runs(tmp_path)
    assert find_runs(tmp_path / "sub-1_ses-01_run-01_session.h5")[0].name.startswith("sub-1_")


def test_name_beside_a_run(tmp_path: Path) -> None:
    run = tmp_path / "sub-001_ses-01_run-01_session.h5"
    assert beside(run, "verdict.json").name == "sub-001_ses-01_run-01_verdict.json"
    assert beside(tmp_path / "copy.h5", "overview.png").name == "copy_overview.png"
