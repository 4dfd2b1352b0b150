"""What the ledger knows of each subject, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Connection

from rig.subjects.places import is_under_way

EXCLUDED, DROPPED_OUT = "was excluded", "dropped out"


@dataclass(frozen=True)
class Row:
    """A row of an order that a subject has, or had."""

    protocol: str
    order_key: str
    row: int  # from 0
    repeat: int  # from 0
    state: str  # reserved, confirmed or freed


@dataclass(frozen=True)
class Visit:
    """A session of a subject."""

    session: int
    protocol: str
    began_utc: str
    ended_utc: str | None
    outcome: str  # empty until it ended
    has_consent: bool
    is_under_way: bool  # not ended, and its process runs


@dataclass(frozen=True)
class Departure:
    """Since when and why a subject takes part no more; or did not, until it was readmitted."""

    kind: str
    reason: str
    utc: str
    readmitted_utc: str | None


@dataclass(frozen=True)
class Tombstone:
    """What is left of a session that was deleted."""

    subject: str
    session: int
    reason: str
    asked_utc: str
    done_utc: str | None  # None: some of its files may be there still


@dataclass(frozen=True)
class Entry:
    """One subject."""

    subject: str
    rows: tuple[Row, ...]
    visits: tuple[Visit, ...]
    departures: tuple[Departure, ...]
    deletions: tuple[Tombstone, ...]

    @property
    def departure(self) -> Departure | None:
        """Why it takes part no more; None when it does."""
        return next((one for one in self.departures if one.readmitted_utc is None), None)


def entries(db: Connection) -> list[Entry]:
    """Every subject, sorted."""
    known = "SELECT subject FROM subjects UNION SELECT subject FROM deletions ORDER BY subject"
    return [_entry(db, found["subject"]) for found in db.execute(known)]


def _entry(db: Connection, subject: str) -> Entry:
    rows = db.execute("SELECT * FROM places WHERE subject = ? ORDER BY id", (subject,))
    left = db.execute("SELECT * FROM departures WHERE subject = ? ORDER BY id", (subject,))
    return Entry(
        subject,
        tuple(Row(one["protocol"], one["order_key"], one["row"], one["repeat"], one["state"]) for one in rows),
        tuple(_visits(db, subject)),
        tuple(Departure(one["kind"], one["reason"], one["utc"], one["readmitted_utc"]) for one in left),
        tuple(_tombstones(db, "WHERE subject = ? ORDER BY session", subject)),
    )


def _visits(db: Connection, subject: str) -> Iterator[Visit]:
    ask = """SELECT * FROM visits JOIN places ON places.id = visits.place WHERE visits.subject = ?
        ORDER BY session"""
    for one in db.execute(ask, (subject,)):
        yield Visit(
            session=one["session"],
            protocol=one["protocol"],
            began_utc=one["began_utc"],
            ended_utc=one["ended_utc"],
            outcome=one["outcome"],
            has_consent=one["consented_utc"] is not None,
            is_under_way=is_under_way(one),
        )


def tombstone_of(db: Connection, subject: str, session: int) -> Tombstone | None:
    """What is left of one session; None when its deletion was never asked for."""
    return next(_tombstones(db, "WHERE subject = ? AND session = ?", subject, session), None)


def _tombstones(db: Connection, which: str, *values: str | int) -> Iterator[Tombstone]:
    for one in db.execute(f"SELECT * FROM deletions {which}", values):
        yield Tombstone(one["subject"], one["session"], one["reason"], one["asked_utc"], one["done_utc"])
