"""Child processes: messages of any length, and working folders that are not left for ever."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.children import Child, working_folder
from rig.errors import DeviceLost, StorageError

ANSWERS_WITHIN_S = 30


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Child]:
    child = Child("tests.echo", tmp_path / "echo.log", env={"PYTHONPATH": str(Path(__file__).parents[1])})
    yield child
    child.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("length", [10, 65_530, 1 << 20, 20 << 20])
def test_a_message_of_any_length_arrives_whole_in_one_piece(length: int, echo: Child) -> None:
    message = {"text": "x" * length}
    echo.send(message)
    assert echo.receive(ANSWERS_WITHIN_S) == [message]


def test_many_messages_arrive_in_their_order(echo: Child) -> None:
    sent = [{"number": number} for number in range(2000)]
    for message in sent:
        echo.send(message)
    came: list[dict[str, int]] = []
    while len(came) < len(sent):
        came += echo.receive(ANSWERS_WITHIN_S)
    assert came == sent


def test_a_child_that_ended_is_told_with_what_it_printed(tmp_path: Path) -> None:
    child = Child("tests.no_such_module", tmp_path / "log")
    try:
        with pytest.raises(DeviceLost, match="No module named"):
            child.receive(ANSWERS_WITHIN_S)
    finally:
        child.close()


def test_what_a_child_printed_while_it_began_is_no_reason_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("no sound device\n")
    child = Child("tests.echo", log, env={"PYTHONPATH": str(Path(__file__).parents[1])})
    child.is_up()
    os.kill(child.pid, 9)
    try:
        with pytest.raises(DeviceLost) as caught:
            child.receive(ANSWERS_WITHIN_S)
    finally:
        child.close()
    assert "exit code -9" in str(caught.value)
    assert "no sound device" not in str(caught.value)


def test_a_working_folder_is_private_and_gone_when_all_went_well(temporary: Path) -> None:
    with working_folder() as folder:
        (folder / "log").touch()
        assert folder.is_relative_to(temporary)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)] == [0o700, 0o700]
    assert not list(folder.parent.iterdir())


def test_a_working_folder_is_left_after_an_error_while_its_process_lives(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), working_folder() as failed:
        _ = 1 / 0
    with working_folder() as folder:
        assert {failed, folder} == set(folder.parent.iterdir())


KILLED = """
import os, signal
from rig.children import working_folder
with working_folder() as folder:
    (folder / "deep").mkdir()
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(temporary: Path) -> None:
    command = [sys.executable, "-c", KILLED]
    killed = subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    (left.parent / "notes").mkdir()  # not ours to judge
    assert left.is_dir()
    with working_folder() as folder:
        assert {folder.name, "notes"} == {path.name for path in left.parent.iterdir()}


def test_without_a_folder_for_temporary_files_it_is_told_what_to_set(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    with pytest.raises(StorageError, match=r"missing.*: no working folder can be made: No such file.* Set TMPDIR"):
        _enter()


def test_a_disk_that_cannot_be_written_is_told(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")  # refuses new folders even to root
    with pytest.raises(StorageError, match=r"/proc/rig-.*: no working folder can be made"):
        _enter()


def test_a_folder_that_somebody_else_prepared_is_not_used(temporary: Path) -> None:
    ours = temporary / f"rig-{os.getuid()}"
    ours.mkdir()
    ours.chmod(0o777)
    with pytest.raises(StorageError, match="it is open to somebody else"):
        _enter()
    ours.rmdir()
    ours.symlink_to(temporary)
    with pytest.raises(StorageError, match="it is open to somebody else"):
        _enter()


def _enter() -> None:
    with working_folder():
        pass
