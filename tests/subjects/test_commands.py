"""`rig subjects` as one types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rig import host
from rig.cli.app import app
from rig.errors import RigError
from rig.session.folder import new_session
from rig.subjects.ledger import Ledger
from tests import commands
from tests.subjects.coming import ORDER, come


def rig(*arguments: str, answer: str | None = None) -> tuple[int, str]:
    """Exit code and what was printed; an error of the user's escapes."""
    done = CliRunner().invoke(app, ["subjects", *arguments], input=answer)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three subjects in ./sessions: one came twice, one was stopped, one is under way."""
    monkeypatch.chdir(tmp_path)
    sessions = tmp_path / "sessions"
    for subject, outcome in (("001", "finished"), ("001", "finished"), ("002", "device_lost")):
        come(sessions, subject, outcome)
    Ledger(sessions).reserve(*ORDER, new_session(sessions, "003"))
    return sessions


def test_list_tells_rows_sessions_and_who_left(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rig("exclude", "002", "--reason", "glasses\ncover\x1b[2J the brows") == (
        0,
        "002: excluded; its rows are free\n",
    )
    code, said = rig("list")
    assert code == 0
    lines = said.splitlines()
    assert lines[:2] == ["001", "  smic: row 0, repeat 0, confirmed"]
    assert lines[2].startswith("  session 1: smic, 20")
    assert lines[2].endswith(" UTC, finished")
    assert lines[4].startswith("002  was excluded on 20")
    assert lines[4].endswith(": glasses cover\\x1b[2J the brows")
    assert lines[5].endswith("UTC, device lost")
    assert lines[6:8] == ["003", "  smic: row 2, repeat 0, reserved"]
    assert lines[8].endswith("under way")
    monkeypatch.setattr(host, "process_mark", lambda _pid: "")  # its program is gone
    lines = rig("list")[1].splitlines()
    assert lines[7:] == ["  smic: row 2, repeat 0, reserved no longer", lines[8].replace("under way", "broken off")]


def test_list_as_json_holds_all_of_it(day: Path) -> None:
    rig("drop-out", "001", "--reason", "did not come")
    code, said = rig("list", "--json")
    data = json.loads(said)
    assert (code, data["ledger"]) == (0, "sessions/ledger.sqlite")
    first = data["subjects"][0]
    assert [visit["session"] for visit in first["visits"]] == [1, 2]
    assert first["departures"][0]["reason"] == "did not come"
    assert first["rows"] == [{"protocol": "smic", "order_key": "order-1", "row": 0, "repeat": 0, "state": "freed"}]


def test_a_drop_out_is_taken_back(day: Path) -> None:
    rig("drop-out", "001", "--reason", "mistyped")
    assert rig("readmit", "001") == (0, "001: takes part again, with its rows\n")
    assert Ledger(day).subjects()[0].rows[0].state == "confirmed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("exclude", "009", "--reason", "why"), "009: is not in sessions/ledger.sqlite. See who is: rig subjects list"),
        (("drop-out", "001", "--reason", "  "), "--reason: is empty"),
        (("drop-out", "001", "--reason", "why", "--out", "nowhere"), "is not in nowhere/ledger.sqlite"),
        (("delete", "../x", "--session", "1", "--reason", "why", "--yes"), "letters and digits only"),
        (("delete", "009", "--session", "1", "--reason", "why", "--yes"), "sub-009/ses-01: does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(day: Path, arguments: tuple[str, ...], words: str) -> None:
    before = Ledger(day).path.read_bytes()
    with pytest.raises(RigError) as raised:
        rig(*arguments)
    assert words in str(raised.value)
    assert Ledger(day).path.read_bytes() == before
    assert not (day.parent / "nowhere").exists()


def test_delete_asks_with_what_it_would_remove_and_no_keeps_it(day: Path) -> None:
    (day / "sub-001/ses-01/x").write_bytes(b"x" * 3000)
    code, said = rig("delete", "001", "--session", "1", "--reason", "why", answer="n\n")
    assert code == 1
    assert "Delete sessions/sub-001/ses-01 for good, 1 file, 0.0 MB? [y/N]" in said
    assert "nothing was deleted" in said
    assert (day / "sub-001/ses-01/x").exists()
    code, said = rig("delete", "001", "--session", "1", "--reason", "why", answer="y\n")
    assert code == 0
    assert not (day / "sub-001/ses-01").exists()
    assert (day / "sub-001/ses-02").is_dir()
    lines = rig("list")[1].splitlines()
    assert lines[4].startswith("  session 1: deleted on 20")
    assert lines[4].endswith(": why")


def test_delete_without_a_terminal_needs_yes(day: Path) -> None:
    options = "subjects", "delete", "001", "--session", "1", "--reason", "withdrew consent"
    refused = commands.run(*options, cwd=day.parent)
    assert refused.returncode == 1
    assert (day / "sub-001/ses-01").is_dir()
    done = commands.run(*options, "--yes", "--json", cwd=day.parent)
    assert done.returncode == 0
    assert json.loads(done.stdout)["reason"] == "withdrew consent"
    assert not (day / "sub-001/ses-01").exists()
