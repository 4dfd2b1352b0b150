"""`rig record` at the end of a session whose participant withdrew."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from rig.cli import record
from rig.errors import StorageError
from rig.record.recording import Recorded
from rig.session.layout import Outcome
from rig.subjects import deleting
from rig.subjects.ledger import Ledger
from tests import commands
from tests.record.trials import write_trials
from tests.rigs import write_rig

DELETES, KEEPS = 2, 1  # seeds: what the scripted participant answers when asked what becomes of the recordings


def came(folder: Path, withdrawal: str) -> Recorded:
    path = folder / "sub-001" / "ses-02" / "sub-001_ses-02_run-01_session.h5"
    path.parent.mkdir(parents=True)
    path.touch()
    return Recorded(path, Outcome.WITHDRAWN, {}, (), None, withdrawal=withdrawal)


def test_a_deletion_that_is_refused_says_why_and_how_it_is_done_later(tmp_path, monkeypatch, capsys):
    def refuse(*_: object) -> None:
        raise StorageError("x.h5", "is open in viewer (process 7)", hint="Wait for its end")

    monkeypatch.setattr(deleting, "delete_session", refuse)
    recorded = came(tmp_path, "delete")
    with pytest.raises(typer.Exit) as ended:
        record._say_end(recorded, record._delete(recorded, tmp_path))
    said = capsys.readouterr().out
    assert ended.value.exit_code == 1
    assert "NOT DELETED" in said and "is open in viewer (process 7)" in said
    assert "rig subjects delete 001 --session 2 --reason withdrew" in said


def test_what_is_to_be_deleted_is_deleted(tmp_path, capsys):
    recorded = came(tmp_path, "delete")
    record._say_end(recorded, record._delete(recorded, tmp_path))
    assert not recorded.path.parent.exists()
    assert "every file of this session is deleted" in capsys.readouterr().out


def test_what_is_kept_is_said_to_be_so(tmp_path, capsys):
    recorded = came(tmp_path, "keep")
    record._say_end(recorded, record._delete(recorded, tmp_path))
    assert recorded.path.exists()
    assert "the participant withdrew; what was recorded before is kept" in capsys.readouterr().out


def withdrawn(folder: Path, seed: int) -> str:
    """What `rig record` says of a participant who holds the key of withdrawal down in the film of the first trial."""
    rig_file, protocol = write_rig(folder, seed=seed), write_trials(folder, "fear")
    text = rig_file.read_text().replace("  faults:", "  withdraws_in_step: trial01-film\n  faults:")
    rig_file.write_text(text)
    scripted = ("--participant", "scripted", "--speed", "max")
    done = commands.run("record", protocol, "--rig", rig_file, "--subject", "001", *scripted, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "outcome: withdrawn" in done.stdout
    assert "(withdrawn)  " in done.stdout  # on the status line, while the debrief goes on
    return done.stdout


def is_all_gone(folder: Path, reason: str) -> bool:
    """Whether of session 1 only the mark is left that keeps its number, and the ledger says what became of it."""
    left = [path.name for path in (folder / "sessions").rglob("*") if not path.name.startswith("ledger")]
    stone = Ledger(folder / "sessions").tombstone("001", 1)
    listed = commands.run("subjects", "list", cwd=folder).stdout
    told = stone is not None and stone.done_utc is not None and stone.reason == reason
    return told and sorted(left) == ["ses-01.deleted", "sub-001"] and f": {reason}" in listed


def test_from_the_key_to_files_gone_and_a_tombstone_when_the_participant_says_delete(tmp_path: Path) -> None:
    assert "every file of this session is deleted" in withdrawn(tmp_path, DELETES)
    assert is_all_gone(tmp_path, "withdrawn by the participant")
    assert "dropped out on" in commands.run("subjects", "list", cwd=tmp_path).stdout


def test_what_a_participant_who_withdrew_lets_be_kept_is_there_until_it_is_deleted_by_hand(tmp_path: Path) -> None:
    assert "what was recorded before is kept" in withdrawn(tmp_path, KEEPS)
    folder = tmp_path / "sessions/sub-001/ses-01"
    assert (folder / "sub-001_ses-01_run-01_session.h5").is_file()
    asked = ("subjects", "delete", "001", "--session", "1", "--reason", "withdrew")
    done = commands.run(*asked, "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert is_all_gone(tmp_path, "withdrew")
