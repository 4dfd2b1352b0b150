"""One rig's day, as a process of its own: python -m tests.subjects.rigs_at_once DIR SUBJECT...

Of each subject it prints what the ledger told it, once that is told, and after each change how many hold each row. A
subject with `/` behind drops out once the session is over; one with `+` had consented, and is resumed. It may be
killed, but the power stays: nothing waits for the disk.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from rig import host
from rig.session.folder import SessionFolder, new_session
from rig.subjects import database
from rig.subjects.ledger import Ledger, Place

ROWS = 8
ORDER = "smic", "order-1", ROWS


def be_patient() -> None:
    """However long another rig stands still while it holds the ledger."""
    database.PATIENCE_S = 60.0


def wait_for_no_disk() -> None:
    opened = database.Database._open

    def unsynced(self: database.Database, mode: str) -> sqlite3.Connection:
        db = opened(self, mode)
        db.execute("PRAGMA synchronous = OFF")
        return db

    database.Database._open = unsynced  # type: ignore[method-assign]
    host.sync_folder = lambda _: None


def held(ledger: Ledger) -> list[tuple[str, int, int, str]]:
    """Who has which place: subject, row, repeat, state."""
    every = [(entry.subject, row) for entry in ledger.subjects() for row in entry.rows]
    return [(subject, row.row, row.repeat, row.state) for subject, row in every if row.state != "freed"]


def confirmed(ledger: Ledger) -> list[int]:
    """By row, by how many it is held for certain."""
    counts = Counter(row for _, row, _, state in held(ledger) if state == "confirmed")
    return [counts[row] for row in range(ROWS)]


def say(what: str, subject: str, place: Place, ledger: Ledger) -> None:
    line = {"what": what, "subject": subject, "row": place.row, "repeat": place.repeat, "rows": confirmed(ledger)}
    print(json.dumps(line), flush=True)


def one_session(directory: Path, word: str) -> None:
    ledger, subject = Ledger(directory), word.rstrip("+/")
    if "+" in word:
        session = SessionFolder(directory / f"sub-{subject}/ses-01", subject, 1)
        place = ledger.reserve(*ORDER, session, resumed_row=_row_of(ledger, subject))
    else:
        session = new_session(directory, subject)
        place = ledger.reserve(*ORDER, session)
        with session.run_path(1).open("x") as file:
            file.write(subject)
    say("reserved", subject, place, ledger)
    place = ledger.confirm(place)
    say("confirmed", subject, place, ledger)
    ledger.ended(place, "finished")
    say("ended", subject, place, ledger)
    if word.endswith("/"):
        ledger.drop_out(subject, "did not come again")
        say("dropped", subject, place, ledger)


def _row_of(ledger: Ledger, subject: str) -> int:
    return next(row for who, row, _, _ in held(ledger) if who == subject)


if __name__ == "__main__":
    be_patient()
    wait_for_no_disk()
    for word in sys.argv[2:]:
        one_session(Path(sys.argv[1]), word)
