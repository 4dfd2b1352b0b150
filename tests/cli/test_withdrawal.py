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
