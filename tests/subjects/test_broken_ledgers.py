"""A ledger that cannot be used says why in one sentence, is not changed, and costs no session."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rig.errors import StorageError
from rig.session.folder import new_session
from rig.subjects import database
from rig.subjects.ledger import Ledger
from tests.rights import without_root
from tests.subjects.coming import ORDER, come


def _text(path: Path) -> None:
    path.write_text("subject;row\n001;3\n" * 100)


def _others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE places (id INTEGER)")


def _newer(path: Path) -> None:
    come(path.parent, "001")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")


def _cut(path: Path) -> None:
    come(path.parent, "001")
    os.truncate(path, 5000)


def _torn(path: Path) -> None:
    come(path.parent, "001")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (_text, "is no ledger, or is damaged"),
    "folder": (lambda path: path.mkdir(), "is not a file"),
    "pipe": (lambda path: os.mkfifo(path), "is not a file"),
    "another program's": (_others, "is another program's database"),
    "newer": (_newer, "is a ledger of version 2.*version 1. Update"),
    "cut off": (_cut, "is no ledger, or is damaged"),
    "torn": (_torn, "is no ledger, or is damaged"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_ledger_is_refused_before_arming_and_stays_as_it_is(what: str, tmp_path: Path) -> None:
    make, words = BROKEN[what]
    path = tmp_path / "ledger.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    session = new_session(tmp_path, "009")
    for use in (lambda: Ledger(tmp_path).reserve(*ORDER, session), Ledger(tmp_path).subjects):
        with pytest.raises(StorageError, match=f"ledger.sqlite: {words}"):
            use()
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_empty_file_as_a_crash_may_leave_it_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").touch()
    assert Ledger(tmp_path).subjects() == []
    assert come(tmp_path, "001").row == 0


def test_one_that_another_program_holds_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_S", 0.05)
    ledger = Ledger(tmp_path)
    place = ledger.reserve(*ORDER, new_session(tmp_path, "001"))
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match=r"was held by another program for .* End that program"):
            ledger.confirm(place)
        other.execute("ROLLBACK")
    ledger.ended(place, "finished")  # what could not be told at consent is told now
    assert ledger.subjects()[0].rows[0].state == "confirmed"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_one_that_may_not_be_written_is_refused_and_can_be_listed(what: str) -> None:
    with without_root() as (folder, take_rights):
        come(folder, "001")
        session = new_session(folder, "002")
        path = Ledger(folder).path
        take_rights(path if what == "file" else folder, 0o400 if what == "file" else 0o500)
        with pytest.raises(StorageError, match=r"ledger.sqlite: (may not be written to|cannot be opened)"):
            Ledger(folder).reserve(*ORDER, session)
        assert [entry.subject for entry in Ledger(folder).subjects()] == ["001"]


def test_on_a_full_disk_it_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself says that its disk is full: it may have no page more than it has."""
    come(tmp_path, "001")
    before, opened = Ledger(tmp_path).path.read_bytes(), database.Database._open

    def full(self: database.Database, mode: str) -> sqlite3.Connection:
        db = opened(self, mode)
        db.execute("PRAGMA max_page_count = 1")
        return db

    monkeypatch.setattr(database.Database, "_open", full)
    with pytest.raises(StorageError, match="does not fit on its disk"):
        for number in range(200):
            Ledger(tmp_path).reserve(*ORDER, new_session(tmp_path, f"s{number}"))
            before = Ledger(tmp_path).path.read_bytes()
    assert Ledger(tmp_path).path.read_bytes() == before


def test_what_a_killed_program_left_half_written_is_taken_back_by_who_reads_next(tmp_path: Path) -> None:
    """Its journal lies beside the file, whose pages are of both times."""
    come(tmp_path / "then", "001")
    with closing(sqlite3.connect(tmp_path / "then" / database.NAME, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size = 1")  # pages reach the file before the transaction ends
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO subjects VALUES (?1, ?1, ?1)", [(f"{n:05d}" * 20,) for n in range(1000)])
        shutil.copytree(tmp_path / "then", tmp_path / "left")  # as after kill -9
        db.execute("ROLLBACK")
    assert (tmp_path / "left" / f"{database.NAME}-journal").stat().st_size > 0
    assert [entry.subject for entry in Ledger(tmp_path / "left").subjects()] == ["001"]
