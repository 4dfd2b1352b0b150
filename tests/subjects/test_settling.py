"""A visit whose recorder could not tell the ledger how it ended is settled by what the session's files say."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rig.cli.app import app
from rig.errors import StorageError, UserError
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.subjects.entries import Visit
from rig.subjects.ledger import Ledger
from tests import rigs
from tests.record.trials import record_with, write_trials

SHORT = ("still", 0.2, "all")


def gone(ledger: Ledger) -> None:
    """As if the processes of all visits had ended."""
    with closing(sqlite3.connect(ledger.path)) as db, db:
        db.execute("UPDATE visits SET process = 'gone'")


def deaf(monkeypatch: pytest.MonkeyPatch, *names: str) -> pytest.MonkeyPatch:
    """A ledger that another program holds just when it is to be told."""

    def held(*_: object) -> None:
        raise StorageError("ledger.sqlite", "was held by another program")

    for name in names:
        monkeypatch.setattr(Ledger, name, held)
    return monkeypatch


def visits(ledger: Ledger) -> list[Visit]:
    return [visit for entry in ledger.subjects() for visit in entry.visits]


def head(path: Path) -> dict[str, object]:
    with Run(path) as run:
        return run.attributes("/")


def test_killed_between_the_end_of_the_run_and_its_note_the_visit_counts(tmp_path: Path) -> None:
    files = rigs.write_rig(tmp_path), rigs.write_protocol(tmp_path, SHORT)
    command = [sys.executable, "-m", "tests.subjects.left", *map(str, (tmp_path, *files))]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    ledger = Ledger(tmp_path / "sessions")
    assert ledger.visit_of("001", "still") == 1
    rigs.record(tmp_path, *files)
    assert [(visit.session, visit.outcome) for visit in visits(ledger)] == [(1, "finished"), (2, "finished")]
    assert [run["visit"] for run in map(head, sorted(ledger.path.parent.rglob("*.h5")))] == [1, 2]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a session of no consent whose recorder told nothing after its beginning, and ended well."""
    folder = tmp_path_factory.mktemp("recorded")
    files = rigs.write_rig(folder), rigs.write_protocol(folder, SHORT)
    with pytest.MonkeyPatch.context() as patched:
        deaf(patched, "confirm", "ended")
        recorded = rigs.record(folder, *files)
    assert sum("ledger" in alarm for alarm in recorded.alarms) == 2
    return folder


@pytest.fixture
def held(recorded: Path, tmp_path: Path) -> Ledger:
    """The ledger of a copy of it."""
    return Ledger(Path(shutil.copytree(recorded, tmp_path / "copy")) / "sessions")


def test_held_at_consent_and_at_the_end_the_visit_is_settled_when_its_process_is_gone(held: Ledger) -> None:
    (visit,) = visits(held)
    assert (visit.outcome, visit.is_under_way, visit.has_consent) == ("", True, False)
    gone(held)
    (entry,) = held.subjects()
    assert (entry.visits[0].outcome, entry.visits[0].has_consent) == ("finished", True)
    assert entry.rows[0].state == "confirmed"
    before = held.path.read_bytes()
    held.subjects()
    assert held.path.read_bytes() == before


@pytest.mark.parametrize("command", ["list", "recover", "check"])
def test_listing_recovering_and_checking_settle(command: str, held: Ledger) -> None:
    gone(held)
    folder, out = held.path.parent.parent, str(held.path.parent)
    files = ["--rig", str(folder / "rig-1.yaml"), str(folder / "still.yaml"), "--no-devices", "--no-speed"]
    arguments = {
        "list": ["subjects", "list"],
        "recover": ["recover", "--all"],
        "check": ["check", *files, "--subject", "001"],
    }
    said = CliRunner().invoke(app, [*arguments[command], "--out", out], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    with closing(sqlite3.connect(held.path)) as db:
        assert db.execute("SELECT outcome FROM visits").fetchall() == [("finished",)]
    if command == "check":
        assert "subject 001, visit 2" in said.output


def test_a_ledger_that_cannot_be_written_is_listed_as_it_is(held: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    gone(held)
    deaf(monkeypatch, "_settle")
    assert [visit.outcome for visit in visits(held)] == [""]


def short(tmp_path: Path, frames: int = 25) -> tuple[Path, Path]:
    files = rigs.write_rig(tmp_path), write_trials(tmp_path, "fear", frames=frames)
    files[1].write_text(files[1].read_text().replace("max_seconds: 20\n    answers", "max_seconds: 3\n    answers"))
    return files


def test_who_gave_no_consent_has_no_row_though_the_ledger_heard_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        deaf(patched, "release")
        recorded = record_with(tmp_path, *short(tmp_path), lambda *_: None, scripted=False)
    assert recorded.outcome is Outcome.STOPPED
    ledger = Ledger(tmp_path / "sessions")
    gone(ledger)
    (entry,) = ledger.subjects()
    assert ([row.state for row in entry.rows], entry.visits[0].outcome) == (["freed"], "stopped")
    assert not entry.visits[0].has_consent


def test_a_close_that_failed_and_was_finished_later_counts(held: Ledger) -> None:
    gone(held)
    with closing(sqlite3.connect(held.path)) as db, db:
        db.execute("UPDATE visits SET outcome = 'close_failed', ended_utc = began_utc")
    assert [visit.outcome for visit in visits(held)] == ["finished"]


def test_who_withdrew_and_was_readmitted_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = short(tmp_path, 50)
    files[0].write_text(files[0].read_text().replace("  faults:", "  withdraws_in_step: trial01-film\n  faults:"))
    with monkeypatch.context() as patched:
        deaf(patched, "ended", "withdrew")
        assert record_with(tmp_path, *files, lambda *_: None).outcome is Outcome.WITHDRAWN
    ledger = Ledger(tmp_path / "sessions")
    gone(ledger)
    with pytest.raises(UserError, match=r"dropped out on .*: withdrew in session 1"):
        record_with(tmp_path, *files, lambda *_: None)
    (entry,) = ledger.subjects()
    assert (entry.visits[0].outcome, [row.state for row in entry.rows]) == ("withdrawn", ["freed"])
    ledger.readmit("001")
    with closing(sqlite3.connect(ledger.path)) as db, db:
        db.execute("UPDATE visits SET ended_utc = NULL")
    (entry,) = ledger.subjects()
    assert entry.departure is None
