"""The file of the ledger: SQLite on a local disk, changed whole or not at all.

It keeps a rollback journal rather than a write-ahead log: at rest it is one file, which can be copied as it is, and a
handful of writes a session need no more. EXTRA syncs the folder as well, so that what was told outlasts a power cut.
Nothing is kept open in between: any thread may ask, and a killed process leaves no lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote

from rig import host
from rig.config.find import look_up
from rig.errors import StorageError
from rig.private import made

NAME = "ledger.sqlite"
PATIENCE_S = 5.0  # how long somebody else's change is waited for; one takes milliseconds

_APPLICATION = 0x72696730  # "rig0", in the file's head: no other program's database is taken for a ledger
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE subjects (subject TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, since_utc TEXT NOT NULL)",
    """CREATE TABLE places (
        id INTEGER PRIMARY KEY, protocol TEXT NOT NULL, order_key TEXT NOT NULL, row INTEGER NOT NULL,
        repeat INTEGER NOT NULL, subject TEXT NOT NULL REFERENCES subjects,
        state TEXT NOT NULL CHECK (state IN ('reserved', 'confirmed', 'freed')))""",
    "CREATE UNIQUE INDEX given_once ON places (protocol, order_key, row, repeat) WHERE state != 'freed'",
    "CREATE UNIQUE INDEX one_for_each ON places (protocol, order_key, subject) WHERE state != 'freed'",
    """CREATE TABLE visits (
        subject TEXT NOT NULL REFERENCES subjects, session INTEGER NOT NULL, place INTEGER NOT NULL REFERENCES places,
        began_utc TEXT NOT NULL, consented_utc TEXT, ended_utc TEXT, outcome TEXT NOT NULL DEFAULT '',
        pid INTEGER NOT NULL, process TEXT NOT NULL, PRIMARY KEY (subject, session))""",
    """CREATE TABLE departures (
        id INTEGER PRIMARY KEY, subject TEXT NOT NULL REFERENCES subjects, kind TEXT NOT NULL, reason TEXT NOT NULL,
        utc TEXT NOT NULL, readmitted_utc TEXT)""",
    """CREATE TABLE deletions (
        subject TEXT NOT NULL, session INTEGER NOT NULL, reason TEXT NOT NULL, asked_utc TEXT NOT NULL, done_utc TEXT,
        PRIMARY KEY (subject, session))""",
)
_WHY: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (f"was held by another program for {PATIENCE_S:g} s", "End that program, then again"),
    sqlite3.SQLITE_LOCKED: (f"was held by another program for {PATIENCE_S:g} s", "End that program, then again"),
    sqlite3.SQLITE_READONLY: ("may not be written to", "Check the permissions of the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check the permissions of the file and its folder"),
    sqlite3.SQLITE_PERM: ("cannot be opened", "Check the permissions of the file and its folder"),
    sqlite3.SQLITE_FULL: ("does not fit on its disk", "Free some room. What it held is as it was"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk refuses", "Check the disk; it must be a local one"),
}
_NO_LEDGER = "Move it away, or put back a copy of the ledger; nothing in it was changed"


class Database:
    """The ledger's file below `directory`; need not exist until something is written."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """What is in it, at one moment; None when there is no ledger yet. Raises StorageError."""
        if not self._exists():
            yield None
            return
        with self._explained(), closing(self._open_to_read()) as db:
            db.execute("BEGIN")
            yield db if self._is_made(db) else None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Alone in it: on the disk when this ends, or, whatever is raised, as it was. Raises StorageError."""
        if not self._exists():
            with self._explained():
                self._make_file()
        with self._explained(), closing(self._open("rw")) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                if not self._is_made(db):
                    _make(db)
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _exists(self) -> bool:
        found = look_up("", self.path, StorageError)
        if found is not None and not S_ISREG(found.st_mode):
            raise StorageError(str(self.path), "is not a file", hint=_NO_LEDGER)
        return found is not None

    def _make_file(self) -> None:
        """For its owner only, under every umask; SQLite gives its journal the same rights."""
        with made(self.path):
            pass
        host.sync_folder(self.path.parent)

    def _open_to_read(self) -> sqlite3.Connection:
        """What a killed program left half written is rolled back first, which needs a writer."""
        try:
            return self._open("ro")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        return self._open("rw")

    def _open(self, mode: str) -> sqlite3.Connection:
        where = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        db = sqlite3.connect(where, timeout=PATIENCE_S, isolation_level=None, uri=True)
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = EXTRA")
            db.execute("SELECT count(*) FROM sqlite_master")  # what stands in the way of reading shows here
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _is_made(self, db: sqlite3.Connection) -> bool:
        """Whether it is a ledger; False for a file that is empty, as a crash may leave it. Raises StorageError."""
        application, version = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (application, version) == (_APPLICATION, _VERSION):
            return True
        if application == _APPLICATION:
            problem = f"is a ledger of version {version}, of a newer program"
            raise StorageError(str(self.path), problem, allowed=f"version {_VERSION}", hint="Update this program")
        if application or version or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StorageError(str(self.path), "is another program's database, no ledger", hint=_NO_LEDGER)
        return False

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what SQLite and the system refuse into an error of the user's."""
        try:
            yield
        except sqlite3.IntegrityError:  # a fault of ours, which the file has kept out
            raise
        except sqlite3.DatabaseError as exc:
            code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
            problem, hint = _WHY.get(code, (f"is no ledger, or is damaged ({exc})", _NO_LEDGER))
            raise StorageError(str(self.path), problem, hint=hint) from None
        except OSError as exc:
            raise StorageError(str(self.path), f"cannot be made: {exc.strerror}", hint="Check the disk") from None


def _make(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {_VERSION}")
